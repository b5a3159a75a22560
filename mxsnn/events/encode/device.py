"""A window of a stream on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.frames import check_positive, whole_times, window_length
from mxsnn.events.stream import DTYPES, Events

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
    return jax.tree.map(lambda leaf: leaf[0], stack([events], start, stop, capacity))


def stack(streams: Sequence[Events], start: int, stop: int, capacity: int | None = None) -> DeviceEvents:
    """Several streams [B] of one sensor, all of the window [start, stop) us and padded to `capacity` (None: the longest).

    Each leaf has a first axis B, for `jax.vmap`. Raises: UserError as `to_device`, for no stream, and for several sensors.
    """
    length = window_length(start, stop)
    if length >= INT32:
        raise UserError(f"the device holds times as int32 us: a window is at most {INT32 - 1} us, got {length}; split it")
    sizes = {events.sensor_size for events in streams}
    if len(sizes) != 1:
        raise UserError(f"streams of one sensor are stacked, got {len(streams)} of {len(sizes)} sensors")
    windows = [events.window(start, stop) for events in streams]
    most = max(map(len, windows))
    capacity = most if capacity is None else check_positive("capacity", capacity)
    if most > capacity:
        raise UserError(f"the window holds {most} events, more than capacity={capacity}")
    arrays = {name: np.zeros((len(windows), capacity), np.int32 if name == "t" else dtype) for name, dtype in DTYPES.items()}
    for k, window in enumerate(windows):
        for name, array in arrays.items():
            array[k, : len(window)] = window.t - start if name == "t" else getattr(window, name)
    return DeviceEvents(
        *(jnp.asarray(arrays[name]) for name in "txyp"),
        count=jnp.asarray(list(map(len, windows)), jnp.int32),
        sensor_size=sizes.pop(),
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
