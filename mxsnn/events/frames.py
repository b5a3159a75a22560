"""Frames from events on the host: how often each pixel fired, by time, by duration, in given windows or by count.

The device's frames (`mxsnn.events.encode`) follow the same rules, which stand here once: `time_edges`,
`duration_edges` and `count_bounds`. All are exact integer arithmetic, so that both sides agree to the bit.
Binary frames are those with `clip=1`.
"""

from __future__ import annotations

import itertools
import operator

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.stream import Events


def frames_by_time(events: Events, bins: int, start: int, stop: int, clip: int | None = None) -> np.ndarray:
    """Counts in `bins` equal parts of the window [start, stop) us.

    Part k holds start + edge_k <= t < start + edge_{k+1} with edge_k = ceil(k (stop - start) / bins).

    Returns [bins, H, W, 2], channel 0 OFF and 1 ON: int32 counts, or min(count, clip) in the smallest unsigned type
    that holds `clip` (1: binary).
    """
    edges = start + time_edges(bins, window_length(start, stop))
    return _count_between(events, np.searchsorted(events.t, edges), clip)


def frames_by_duration(events: Events, duration: int, start: int, stop: int, clip: int | None = None) -> np.ndarray:
    """Counts in parts of `duration` us of the window [start, stop) us; the last ends at `stop`, so it may be shorter.

    Returns [ceil((stop - start) / duration), H, W, 2], as `frames_by_time`.
    """
    edges = start + duration_edges(duration, window_length(start, stop))
    return _count_between(events, np.searchsorted(events.t, edges), clip)


def frames_in_windows(events: Events, starts: ArrayLike, ends: ArrayLike, clip: int | None = None) -> np.ndarray:
    """Counts in the windows [starts[k], ends[k]) us, such as the exposures of a frame camera.

    Windows may overlap, leave gaps, be empty and stand in any order; an event counts in each that holds it.

    Returns [windows, H, W, 2], as `frames_by_time`.

    Raises: UserError for times that are not whole, as many starts as ends, windows that end before they begin.
    """
    starts, ends = window_times(starts, ends)
    first = np.searchsorted(events.t, starts)
    sizes = np.searchsorted(events.t, ends) - first
    index = np.repeat(first - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())  # of the events of window after window
    parts = Events(events.t[index], events.x[index], events.y[index], events.p[index], events.sensor_size)
    return _count(parts, sizes, clip)


def frames_by_count(events: Events, frames: int, clip: int | None = None) -> np.ndarray:
    """Counts in `frames` parts of equally many events, in the order of time.

    Part k of N events holds those from floor(k N / frames) to floor((k + 1) N / frames): no two parts differ by more
    than one event, and none is left over.

    Returns [frames, H, W, 2], as `frames_by_time`.
    """
    return _count_between(events, count_bounds(check_positive("frames", frames), len(events)), clip)


def bina_rep(events: Events, frames: int, bits: int, start: int, stop: int) -> np.ndarray:
    """Bina-Rep: `bits` binary frames read as one number, the earliest its highest bit.

    The window [start, stop) us has frames x bits equal parts, as in `frames_by_time`: part k bits + i holds bit
    bits - 1 - i of frame k, as in Bina-Rep and tonic's ToBinaRep. Code by the authors of TBR makes the earliest the lowest bit.
    The papers scale the numbers to [0, 1]: divide by 2^bits - 1.

    Returns [frames, H, W, 2], channel 0 OFF and 1 ON, in the smallest unsigned type that holds `bits` bits.

    Raises: UserError for more than 32 bits.

    Source: Barchid et al., "Bina-Rep Event Frames", ICIP 2022; Innocenti et al., "Temporal Binary Representation for
      Event-Based Action Recognition", ICPR 2020.
    """
    dtype = number_type(bits)
    parts = check_positive("frames", frames) * bits
    width, height = events.sensor_size
    edges = np.searchsorted(events.t, start + time_edges(parts, window_length(start, stop)))
    numbers = np.zeros((frames, height * width * 2), dtype)
    # One part after the other, so that no more than the numbers is in memory.
    for part, (first, last) in enumerate(itertools.pairwise(edges)):
        frame, bit = divmod(part, bits)
        numbers[frame, flat_index(events[first:last])] |= dtype.type(1 << (bits - 1 - bit))
    return numbers.reshape(frames, height, width, 2)


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
    """stop - start in us. Raises: UserError for times that are no int64 or a window that ends before it begins."""
    length = check_time("stop", stop) - check_time("start", start)
    if length <= 0:
        raise UserError(f"a window [start, stop) must end after it begins, got start={start}, stop={stop}")
    if length >= 2**63:
        raise UserError(f"a window is below 2**63 us long, got start={start}, stop={stop}")
    return length


def check_time(name: str, value: int) -> int:
    """`value` as an int. Raises: UserError where it is no whole number of us that an int64 holds."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 2**63
    if not -(2**63) <= number < 2**63:
        raise UserError(f"{name} is whole microseconds, an int64; got {value!r}")
    return number


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


def number_type(bits: int) -> np.dtype:
    """The smallest unsigned type that holds `bits` bits. Raises: UserError for more than 32, which the device lacks."""
    if check_positive("bits", bits) > 32:
        raise UserError(f"bits is at most 32, got {bits}")
    return np.min_scalar_type(2**bits - 1)


def window_times(starts: ArrayLike, ends: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Windows as two int64 arrays [T]. Raises: UserError as `frames_in_windows`."""
    starts, ends = whole_times("starts", starts), whole_times("ends", ends)
    if starts.shape != ends.shape:
        raise UserError(f"each window has a start and an end; got {len(starts)} starts and {len(ends)} ends")
    if (ends < starts).any():
        k = int((ends < starts).argmax())
        raise UserError(f"window {k} ends before it begins: [{starts[k]}, {ends[k]}) us")
    return starts, ends


def whole_times(name: str, times: ArrayLike) -> np.ndarray:
    """Times as int64 [T], us. Raises: UserError where they are not whole numbers of one axis."""
    array = np.asarray(times)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size) or (array.dtype == np.uint64 and (array >= 2**63).any()):
        raise UserError(f"{name} are whole microseconds, [T]; got shape {array.shape} of type {array.dtype}")
    return array.astype(np.int64)


def flat_index(events: Events) -> np.ndarray:
    """Where each event lies in an array [H, W, 2] laid flat: int64 [N]. Several times faster than indexing the axes."""
    flat = events.y.astype(np.int64)
    flat *= events.sensor_size[0]
    flat += events.x
    flat *= 2
    flat += events.p
    return flat


def _count(events: Events, sizes: np.ndarray, clip: int | None) -> np.ndarray:
    """Count the events of each part: the first sizes[0] events are those of part 0, and so on."""
    dtype = count_type(clip)
    width, height = events.sensor_size
    flat = flat_index(events)
    flat += np.repeat(np.arange(len(sizes)) * (height * width * 2), sizes)
    counts = np.zeros(len(sizes) * height * width * 2, np.int32)
    np.add.at(counts, flat, np.int32(1))
    if clip is not None:
        counts = np.minimum(counts, clip).astype(dtype)
    return counts.reshape(len(sizes), height, width, 2)


def _count_between(events: Events, bounds: np.ndarray, clip: int | None) -> np.ndarray:
    """Count the events of each part; part k is the events from bounds[k] to bounds[k + 1]."""
    return _count(events[bounds[0] : bounds[-1]], np.diff(bounds), clip)
