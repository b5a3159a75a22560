"""Frames on the device, equal to the bit to those of the host (`mxsnn.events.frames`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.encode.device import INT32, DeviceEvents, is_event, part_of, pixel_index, relative_times, scatter_size
from mxsnn.events.frames import check_positive, count_bounds, count_type, duration_edges, number_type, time_edges, window_times


def frames_by_time(events: DeviceEvents, bins: int, clip: int | None = None) -> jax.Array:
    """Counts in `bins` equal parts of the window: [bins, H, W, 2], as the host's `frames_by_time`."""
    return _count(events, part_of(time_edges(bins, events.length), events.t), bins, clip)


def frames_by_duration(events: DeviceEvents, duration: int, clip: int | None = None) -> jax.Array:
    """Counts in parts of `duration` us of the window: [T, H, W, 2], as the host's `frames_by_duration`."""
    edges = duration_edges(duration, events.length)
    return _count(events, part_of(edges, events.t), len(edges) - 1, clip)


def frames_by_count(events: DeviceEvents, frames: int, clip: int | None = None) -> jax.Array:
    """Counts in `frames` parts of equally many events: [frames, H, W, 2], as the host's `frames_by_count`."""
    if check_positive("frames", frames) ** 2 >= INT32:
        raise UserError(f"the device makes at most 46340 frames by count, got {frames}")
    bounds = count_bounds(frames, events.count, jnp)
    return _count(events, part_of(bounds, jnp.arange(len(events.t), dtype=jnp.int32)), frames, clip)


def frames_in_windows(
    events: DeviceEvents, starts: ArrayLike | jax.Array, ends: ArrayLike | jax.Array, clip: int | None = None
) -> jax.Array:
    """Counts in the windows [starts[k], ends[k]), us since the start of the window on the device; the times may be traced.

    It takes as many passes over the events as windows overlap. Returns [windows, H, W, 2], as the host's `frames_in_windows`.
    """
    dtype = count_type(clip)
    if not (isinstance(starts, jax.Array) or isinstance(ends, jax.Array)):
        starts, ends = window_times(starts, ends)
    starts, ends = relative_times("starts", starts), relative_times("ends", ends)
    if starts.shape != ends.shape:
        raise UserError(f"each window has a start and an end; got {len(starts)} starts and {len(ends)} ends")
    width, height = events.sensor_size
    size = scatter_size(len(starts), 2, events.sensor_size)
    counts = jnp.zeros(size, jnp.int32)
    if size:
        order = jnp.argsort(starts)
        starts, ends = starts[order], ends[order]
        # In this order, windows before `first` have ended when the event comes, those from `beyond` on have not begun.
        first = jnp.searchsorted(jax.lax.cummax(ends), events.t, side="right")
        beyond = jnp.where(is_event(events), jnp.searchsorted(starts, events.t, side="right"), 0)
        flat = pixel_index(events) * 2 + events.p

        def add(k: jax.Array, counts: jax.Array) -> jax.Array:
            window = jnp.minimum(first + k, len(starts) - 1)
            inside = (first + k < beyond) & (events.t < ends[window])
            index = order[window] * (height * width * 2) + flat
            return counts.at[jnp.where(inside, index, size)].add(1, mode="drop")

        counts = jax.lax.fori_loop(0, jnp.max(beyond - first, initial=0), add, counts)
    if clip is not None:
        counts = jnp.minimum(counts, clip).astype(dtype)
    return counts.reshape(len(starts), height, width, 2)


def bina_rep(events: DeviceEvents, frames: int, bits: int) -> jax.Array:
    """`bits` binary frames of the window read as one number, `frames` of them: [frames, H, W, 2], as the host's `bina_rep`."""
    dtype, (width, height) = number_type(bits), events.sensor_size
    parts = check_positive("frames", frames) * bits
    size = scatter_size(frames, 2, events.sensor_size)
    frame, place = jnp.divmod(part_of(time_edges(parts, events.length), events.t), bits)
    flat = (frame * (height * width) + pixel_index(events)) * 2 + events.p

    def add(k: jax.Array, numbers: jax.Array) -> jax.Array:
        index = jnp.where(is_event(events) & (place == k), flat, size)
        fired = jnp.zeros(size, dtype).at[index].set(1, mode="drop")
        return numbers << 1 | fired

    # One bit after the other, so that no more than the numbers is in memory.
    return jax.lax.fori_loop(0, bits, add, jnp.zeros(size, dtype)).reshape(frames, height, width, 2)


def _count(events: DeviceEvents, part: jax.Array, parts: int, clip: int | None) -> jax.Array:
    dtype = count_type(clip)
    width, height = events.sensor_size
    size = scatter_size(parts, 2, events.sensor_size)
    flat = (part * (height * width) + pixel_index(events)) * 2 + events.p
    # An index beyond the end is dropped: that is where the padding goes.
    counts = jnp.zeros(size, jnp.int32).at[jnp.where(is_event(events), flat, size)].add(1, mode="drop")
    if clip is not None:
        counts = jnp.minimum(counts, clip).astype(dtype)
    return counts.reshape(parts, height, width, 2)
