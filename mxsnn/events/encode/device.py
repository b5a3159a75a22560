"""A window of a stream on the device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.frames import check_positive, whole_times, window_length
from mxsnn.events.stream import Events

INT32 = 2**31


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["t", "x", "y", "p", "count"],
    meta_fields=["sensor_size", "length"],
)
@dataclass(frozen=True)
class DeviceEvents:
    """One window of a stream, padded to a capacity C: a pytree.

    Attributes:
      t: int32 [C], us since the start of the window, 0 <= t < length.
      x, y: int16 [C], pixels.
      p: uint8 [C], 0 OFF, 1 ON.
      count: int32, how many are events; what follows is padding and never counted.
      sensor_size: (width, height) in pixels, static.
      length: of the window in us, static.
    """

    t: jax.Array
    x: jax.Array
    y: jax.Array
    p: jax.Array
    count: jax.Array
    sensor_size: tuple[int, int]
    length: int


def to_device(events: Events, start: int, stop: int, capacity: int | None = None) -> DeviceEvents:
    """The events of the window [start, stop) us, padded to `capacity` events (None: as many as there are).

    Raises: UserError for a window beyond 2**31 - 1 us, or more events than `capacity`: none is dropped.
    """
    length = window_length(start, stop)
    if length >= INT32:
        raise UserError(f"the device holds times as int32 us: a window is at most {INT32 - 1} us, got {length}; split it")
    window = events.window(start, stop)
    capacity = len(window) if capacity is None else check_positive("capacity", capacity)
    padding = capacity - len(window)
    if padding < 0:
        raise UserError(f"the window holds {len(window)} events, more than capacity={capacity}")
    arrays = ((window.t - start).astype(np.int32), window.x, window.y, window.p)
    return DeviceEvents(
        *(jnp.asarray(np.pad(array, (0, padding))) for array in arrays),
        count=jnp.int32(len(window)),
        sensor_size=events.sensor_size,
        length=length,
    )


def relative_times(name: str, times: ArrayLike | jax.Array) -> jax.Array:
    """Times since the start of the window as int32 [T], us; what is traced is taken as it is.

    Raises: UserError where they are not whole or do not fit.
    """
    if isinstance(times, jax.Array):
        return times.astype(jnp.int32)
    values = whole_times(name, times)
    if (np.abs(values) >= INT32).any():
        raise UserError(f"{name} are us since the start of the window, below 2**31; got up to {np.abs(values).max()}")
    return jnp.asarray(values, jnp.int32)


def pixel_index(events: DeviceEvents) -> jax.Array:
    """Where each event lies in an image [H, W] laid flat: int32 [C]."""
    return events.y.astype(jnp.int32) * events.sensor_size[0] + events.x.astype(jnp.int32)


def part_of(edges: np.ndarray | jax.Array, values: jax.Array) -> jax.Array:
    """Which part [edges[k], edges[k + 1]) holds each value: the last that begins at or before it, so never an empty one."""
    return jnp.searchsorted(jnp.asarray(edges, jnp.int32), values, side="right").astype(jnp.int32) - 1


def is_event(events: DeviceEvents) -> jax.Array:
    """False where there is padding: bool [C]."""
    return jnp.arange(len(events.t)) < events.count


def scatter_size(parts: int, per_pixel: int, sensor_size: tuple[int, int]) -> int:
    """parts H W per_pixel; an index there is dropped. Raises: UserError where an int32 does not reach it."""
    size = parts * sensor_size[0] * sensor_size[1] * per_pixel
    if size >= INT32:
        shape = f"{sensor_size[0]}x{sensor_size[1]}"
        raise UserError(f"{parts} frames of {shape} pixels are too many for the device's int32 index; split the window")
    return size
