"""Frames from events on the host: how often each pixel fired, by time, by count or by duration.

The device's frames (`mxsnn.events.encode`) follow the same rules, which stand here once: `time_edges`,
`duration_edges` and `count_bounds`. All are exact integer arithmetic, so that both sides agree to the bit.
"""

from __future__ import annotations

import operator

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.stream import Events


def frames_by_time(events: Events, bins: int, start: int, stop: int, clip: int | None = None) -> np.ndarray:
    """Counts in `bins` equal parts of the window [start, stop) us.

    Part k holds start + edge_k <= t < start + edge_{k+1} with edge_k = ceil(k (stop - start) / bins).

    Returns [bins, H, W, 2], channel 0 OFF and 1 ON: int32 counts, or min(count, clip) in the smallest unsigned type
    that holds `clip` (1: binary).
    """
    edges = start + time_edges(bins, window_length(start, stop))
    return _count(events, np.searchsorted(events.t, edges), clip)


def frames_by_duration(events: Events, duration: int, start: int, stop: int, clip: int | None = None) -> np.ndarray:
    """Counts in parts of `duration` us of the window [start, stop) us; the last ends at `stop`, so it may be shorter.

    Returns [ceil((stop - start) / duration), H, W, 2], as `frames_by_time`.
    """
    edges = start + duration_edges(duration, window_length(start, stop))
    return _count(events, np.searchsorted(events.t, edges), clip)


def frames_by_count(events: Events, frames: int, clip: int | None = None) -> np.ndarray:
    """Counts in `frames` parts of equally many events, in the order of time.

    Part k of N events holds those from floor(k N / frames) to floor((k + 1) N / frames): no two parts differ by more
    than one event, and none is left over.

    Returns [frames, H, W, 2], as `frames_by_time`.
    """
    return _count(events, count_bounds(check_positive("frames", frames), len(events)), clip)


def time_edges(bins: int, length: int) -> np.ndarray:
    """Where equal parts of a window of `length` us begin and end: int64 [bins + 1], ceil(k length / bins)."""
    k = np.arange(check_positive("bins", bins) + 1)
    return k * (length // bins) - -k * (length % bins) // bins  # without the product k length, which may overflow


def duration_edges(duration: int, length: int) -> np.ndarray:
    """Where parts of `duration` us of a window of `length` us begin and end: int64 [T + 1], the last is `length`."""
    duration = check_positive("duration", duration)
    return np.append(np.arange(0, length, duration), length)


def count_bounds(frames, n, xp=np):
    """Where equal parts of `n` events begin and end: [frames + 1], floor(k n / frames), without the product k n."""
    k = xp.arange(frames + 1)
    return k * (n // frames) + k * (n % frames) // frames


def window_length(start: int, stop: int) -> int:
    """stop - start in us. Raises: UserError for times that are not whole or a window that ends before it begins."""
    try:
        length = operator.index(stop) - operator.index(start)
    except TypeError:
        raise UserError(f"a window is whole microseconds, got start={start!r}, stop={stop!r}") from None
    if length <= 0:
        raise UserError(f"a window [start, stop) must end after it begins, got start={start}, stop={stop}")
    return length


def count_type(clip: int | None) -> np.dtype:
    """The type of a counter: int32, or the smallest unsigned one that holds `clip`."""
    if clip is None:
        return np.dtype(np.int32)
    if check_positive("clip", clip) >= 2**31:
        raise UserError(f"clip is below 2**31, where counts end anyway; got {clip}")
    return np.min_scalar_type(clip)


def check_positive(name: str, value: int) -> int:
    """`value` as an int. Raises: UserError where it is not a whole number of at least 1."""
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise UserError(f"{name} is a whole number of at least 1, got {value!r}")
    return number


def _count(events: Events, bounds: np.ndarray, clip: int | None) -> np.ndarray:
    """Count the events of each part; part k is the events from bounds[k] to bounds[k + 1]."""
    dtype = count_type(clip)
    width, height = events.sensor_size
    parts = len(bounds) - 1
    inside = slice(bounds[0], bounds[-1])
    # One flat index an event: several times faster than indexing four axes.
    flat = np.repeat(np.arange(parts), np.diff(bounds)) * height
    flat += events.y[inside]
    flat *= width
    flat += events.x[inside]
    flat *= 2
    flat += events.p[inside]
    counts = np.zeros(parts * height * width * 2, np.int32)
    np.add.at(counts, flat, np.int32(1))
    if clip is not None:
        counts = np.minimum(counts, clip).astype(dtype)
    return counts.reshape(parts, height, width, 2)
