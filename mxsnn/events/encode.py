"""Frames from events on the device, equal to the bit to those of the host (`mxsnn.events.frames`).

`to_device` brings one window of a stream over; the functions here are pure and may be traced, mapped and compiled. Streams that
are padded to one capacity share their compiled program and can be stacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.frames import check_positive, count_bounds, count_type, duration_edges, time_edges, window_length
from mxsnn.events.stream import Events

_INT32 = 2**31


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
    if length >= _INT32:
        raise UserError(f"the device holds times as int32 us: a window is at most {_INT32 - 1} us, got {length}; split it")
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


def frames_by_time(events: DeviceEvents, bins: int, clip: int | None = None) -> jax.Array:
    """Counts in `bins` equal parts of the window: [bins, H, W, 2], as the host's `frames_by_time`."""
    return _count(events, _part(time_edges(bins, events.length), events.t), bins, clip)


def frames_by_duration(events: DeviceEvents, duration: int, clip: int | None = None) -> jax.Array:
    """Counts in parts of `duration` us of the window: [T, H, W, 2], as the host's `frames_by_duration`."""
    edges = duration_edges(duration, events.length)
    return _count(events, _part(edges, events.t), len(edges) - 1, clip)


def frames_by_count(events: DeviceEvents, frames: int, clip: int | None = None) -> jax.Array:
    """Counts in `frames` parts of equally many events: [frames, H, W, 2], as the host's `frames_by_count`."""
    if check_positive("frames", frames) ** 2 >= _INT32:
        raise UserError(f"the device makes at most 46340 frames by count, got {frames}")
    bounds = count_bounds(frames, events.count, jnp)
    return _count(events, _part(bounds, jnp.arange(len(events.t), dtype=jnp.int32)), frames, clip)


def _part(edges: np.ndarray | jax.Array, values: jax.Array) -> jax.Array:
    """Which part [edges[k], edges[k + 1]) holds each value: the last that begins at or before it, so never an empty one."""
    return jnp.searchsorted(jnp.asarray(edges, jnp.int32), values, side="right") - 1


def _count(events: DeviceEvents, part: jax.Array, parts: int, clip: int | None) -> jax.Array:
    dtype = count_type(clip)
    width, height = events.sensor_size
    size = parts * height * width * 2
    if size >= _INT32:
        raise UserError(f"{parts} frames of {width}x{height} pixels are too many for the device's int32 index; split the window")
    y, x, p = (array.astype(jnp.int32) for array in (events.y, events.x, events.p))
    flat = ((part * height + y) * width + x) * 2 + p
    valid = jnp.arange(len(flat)) < events.count
    # An index beyond the end is dropped: that is where the padding goes.
    counts = jnp.zeros(size, jnp.int32).at[jnp.where(valid, flat, size)].add(1, mode="drop")
    if clip is not None:
        counts = jnp.minimum(counts, clip).astype(dtype)
    return counts.reshape(parts, height, width, 2)
