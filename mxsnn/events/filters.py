"""Transforms of events into events: filters, crops and pooling. They stand in a tonic `Compose` beside tonic's own.

Each is called on a stream (`Events`), or on a structured array where `sensor_size` is given, and gives back the same: the events
that it keeps, in their order, in an array of the same type. None modifies its input, all take empty streams, and none but
`MovingCrop`, whose boxes have times, looks at when the clock was started: a stream shifted in time gives the same events, shifted.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.frames import check_positive
from mxsnn.events.stream import DTYPES, Events, as_events, find_fields

#: A stream in either form; what a filter is given, it gives back.
Stream = TypeVar("Stream", Events, np.ndarray)

_LONGEST = 2**62  # us: longer than any stream, and an int64 still holds twice as much


@dataclass(frozen=True)
class Filter(ABC):
    """What filters have in common: which events they keep, and where those lie afterwards."""

    sensor_size: Sequence[int] | None = field(default=None, kw_only=True)

    def __call__(self, events: Stream) -> Stream:
        stream = as_events(events, self.sensor_size)
        keep = self.keep(stream)
        if isinstance(events, Events):
            return cast(Stream, self.place(_select(stream, keep)))
        array = np.compress(keep, events)
        if type(self).place is not Filter.place:  # else they lie where they lay
            _write(self.place(_select(stream, keep)), array)
        return cast(Stream, array)

    @abstractmethod
    def keep(self, events: Events) -> np.ndarray:
        """Which events are kept, bool [N]."""

    def place(self, events: Events) -> Events:
        """The events that were kept, on the sensor that the filter leaves."""
        return events


@dataclass(frozen=True)
class HotPixels(Filter):
    """Drops all events of a pixel with more than m + sigma * s of them, m the median of the pixels that have any.

    s is the larger of 1.4826 times the median of |n - m|, which is the standard deviation if n is normal (Rousseeuw & Croux
    1993), and sqrt(m), which it is for a pixel that fires at random. A scene at rest needs a smaller `sigma` than one that moves.
    """

    sigma: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma < math.inf:
            raise UserError(f"sigma is a number above 0, got {self.sigma!r}")

    def keep(self, events: Events) -> np.ndarray:
        pixel = events.y.astype(np.int64) * events.sensor_size[0] + events.x
        n = np.bincount(pixel)
        active = n[n > 0]
        if not len(active):
            return np.ones(0, bool)
        m = np.median(active)
        s = max(1.4826 * np.median(np.abs(active - m)), math.sqrt(m))
        return n[pixel] <= m + self.sigma * s


@dataclass(frozen=True)
class BackgroundActivity(Filter):
    """Keeps event k where an earlier one j < k of a neighbour pixel supports it: t_k - t_j < `time` us.

    The neighbours are the 8 pixels around (Delbruck 2008), or with `neighbours=4` those beside, above and below, as in tonic's
    Denoise. The pixel's own events do not support it, and events that are dropped support others.
    """

    time: int
    neighbours: int = 8

    def __post_init__(self) -> None:
        check_positive("time", self.time)
        if self.neighbours not in (4, 8):
            raise UserError(f"neighbours is 4 or 8, got {self.neighbours!r}")

    def keep(self, events: Events) -> np.ndarray:
        from mxsnn.events._filter_kernels import background_activity

        width, height = events.sensor_size
        keep, memory = np.empty(len(events), bool), np.zeros((width + 2) * (height + 2), np.int64)
        time = min(int(self.time), _LONGEST)
        background_activity(events.t, events.x, events.y, time, self.neighbours == 8, width + 2, memory, keep)
        return keep


@dataclass(frozen=True)
class Refractory(Filter):
    """Keeps event k of a pixel where its last event j, kept or not, lies further back: t_k - t_j > `time` us.

    Both polarities share the period, since an event of either resets the pixel (Lichtsteiner et al. 2008); so do those of tonic's
    RefractoryPeriod and jAER's RefractoryFilter. A pixel that fires faster all the while is heard once.
    """

    time: int

    def __post_init__(self) -> None:
        check_positive("time", self.time)

    def keep(self, events: Events) -> np.ndarray:
        from mxsnn.events._filter_kernels import refractory

        keep = np.empty(len(events), bool)
        refractory(events.t, events.x, events.y, min(int(self.time), _LONGEST), events.sensor_size[0], _memory(events), keep)
        return keep


@dataclass(frozen=True)
class Decimation(Filter):
    """Keeps every n-th event of a pixel, of both polarities together: the n-th, the 2n-th and so on (as tonic's)."""

    n: int

    def __post_init__(self) -> None:
        check_positive("n", self.n)

    def keep(self, events: Events) -> np.ndarray:
        from mxsnn.events._filter_kernels import decimation

        keep = np.empty(len(events), bool)
        decimation(events.x, events.y, min(int(self.n), _LONGEST), events.sensor_size[0], _memory(events), keep)
        return keep


@dataclass(frozen=True)
class Flicker(Filter):
    """Drops the events of a pixel while it blinks with a lamp on `mains` Hz, twice in a period of the mains.

    A pixel rises where it fires ON and fired OFF before. It blinks once `cycles` times in a row its rises lay
    10^6 / (2 mains) us apart, within the part `tolerance` of it, and until they no longer do or none comes in that time. What it
    fires until then passes. After the estimate of frequencies in Prophesee's Metavision SDK (FrequencyEstimationConfig): a period
    counts once it was measured several times. There the tolerance is one of us.
    """

    mains: float = 50.0
    cycles: int = 3
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        check_positive("cycles", self.cycles)
        if not 0.1 <= self.mains <= 100_000:
            raise UserError(f"mains is a frequency from 0.1 to 100000 Hz, got {self.mains!r}")
        if not 0 <= self.tolerance < 1:
            raise UserError(f"tolerance is a part of the period, from 0 to below 1, got {self.tolerance!r}")

    def keep(self, events: Events) -> np.ndarray:
        from mxsnn.events._filter_kernels import flicker

        low, high = self.between
        keep, cycles = np.empty(len(events), bool), min(int(self.cycles), _LONGEST)
        last, risen, count = _memory(events, np.uint8), _memory(events), _memory(events)
        flicker(events.t, events.x, events.y, events.p, low, high, cycles, events.sensor_size[0], last, risen, count, keep)
        return keep

    @property
    def between(self) -> tuple[int, int]:
        """The shortest and the longest period that counts, us."""
        period = 1e6 / (2 * self.mains)
        return math.ceil(period * (1 - self.tolerance)), math.floor(period * (1 + self.tolerance))


@dataclass(frozen=True)
class RateLimit(Filter):
    """Keeps no more than `rate` events a second of the whole sensor, and at once no more than a `window` of us holds.

    A leaky bucket (the generic cell rate algorithm of ITU-T I.371): an event is kept where the bucket has room for it; the bucket
    holds rate * window / 10^6 events and loses `rate` a second. So any stretch of L us keeps at most rate * (window + L) / 10^6
    events; of a burst the first are kept, and of a lasting excess events that follow each other evenly.
    """

    rate: int
    window: int = 1000

    def __post_init__(self) -> None:
        holds = check_positive("rate", self.rate) * check_positive("window", self.window)
        if not 10**6 <= holds <= _LONGEST:
            raise UserError(
                f"{self.rate} events a second are {holds / 1e6:g} in a window of {self.window} us; give one that holds 1 to 4e12"
            )

    def keep(self, events: Events) -> np.ndarray:
        from mxsnn.events._filter_kernels import rate_limit

        keep = np.empty(len(events), bool)
        rate_limit(events.t, int(self.rate), int(self.window), keep)
        return keep


@dataclass(frozen=True)
class Polarity(Filter):
    """Keeps the events of one polarity: 1 is ON (brighter), 0 is OFF (darker)."""

    p: int

    def __post_init__(self) -> None:
        if self.p not in (0, 1):
            raise UserError(f"p is 0 (OFF) or 1 (ON), got {self.p!r}")

    def keep(self, events: Events) -> np.ndarray:
        return events.p == self.p


@dataclass(frozen=True)
class MergePolarities(Filter):
    """Makes every event ON, so that encodings count both polarities together in channel 1. tonic's makes every event OFF."""

    def keep(self, events: Events) -> np.ndarray:
        return np.ones(len(events), bool)

    def place(self, events: Events) -> Events:
        return Events(events.t, events.x, events.y, np.ones_like(events.p), events.sensor_size)


@dataclass(frozen=True)
class Crop(Filter):
    """The events of a rectangle, in its own coordinates: left and top pixel (x, y) and size in pixels."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        check_positive("width", self.width)
        check_positive("height", self.height)

    def keep(self, events: Events) -> np.ndarray:
        width, height = events.sensor_size
        if not (0 <= self.x <= width - self.width and 0 <= self.y <= height - self.height):
            raise UserError(
                f"a crop of {self.width}x{self.height} pixels at x={self.x}, y={self.y} "
                f"reaches beyond the sensor of {width}x{height}"
            )
        x, y = events.x, events.y
        return (x >= self.x) & (x < self.x + self.width) & (y >= self.y) & (y < self.y + self.height)

    def place(self, events: Events) -> Events:
        size = (self.width, self.height)
        return Events(events.t, events.x - np.int16(self.x), events.y - np.int16(self.y), events.p, size)


@dataclass(frozen=True)
class MovingCrop(Filter):
    """The events of a box that moves, as that of a face, in its own coordinates.

    `corners`: left and top pixel (x, y) of the box at each of the `times`, us on the clock of the events; between two times the
    corner moves evenly, rounded to whole pixels (halves up), before the first and after the last it rests. `width` and
    `height`: of the box in pixels. Where it reaches beyond the sensor there are no events.
    """

    times: Sequence[int]
    corners: Sequence[tuple[int, int]]
    width: int
    height: int

    def __post_init__(self) -> None:
        check_positive("width", self.width)
        check_positive("height", self.height)
        times, corners = np.asarray(self.times), np.asarray(self.corners)
        if not (times.dtype.kind == corners.dtype.kind == "i" and times.ndim == 1 and corners.shape == (len(times), 2)):
            raise UserError(
                "times are whole us and corners as many whole pixels (x, y); "
                f"got {times.dtype} {times.shape} and {corners.dtype} {corners.shape}"
            )
        if (times[1:] <= times[:-1]).any():
            raise UserError(f"each of the times comes after the one before; got {self.times}")
        if times[-1] - times[0] > _LONGEST >> 17:
            raise UserError(f"the times lie within {_LONGEST >> 17} us, a year; got {times[0]} to {times[-1]}")
        if (np.abs(corners) >= 2**15).any():
            raise UserError(f"a corner lies within 32767 pixels of the sensor's; got {self.corners}")
        object.__setattr__(self, "times", tuple(times.tolist()))  # a filter is hashable, and its text can be read back
        object.__setattr__(self, "corners", tuple(map(tuple, corners.tolist())))

    def keep(self, events: Events) -> np.ndarray:
        x, y = self._inside(events)
        return (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)

    def place(self, events: Events) -> Events:
        x, y = (axis.astype(np.int16) for axis in self._inside(events))
        return Events(events.t, x, y, events.p, (self.width, self.height))

    def _inside(self, events: Events) -> tuple[np.ndarray, np.ndarray]:
        """x and y int64 [N] in the box."""
        times, corners = np.array(self.times, np.int64), np.array(self.corners, np.int64)
        right = np.searchsorted(times, events.t, side="right")
        a, b = np.maximum(right - 1, 0), np.minimum(right, len(times) - 1)  # equal before the first and after the last
        whole = np.maximum(times[b] - times[a], 1)
        passed = np.where(a == b, 0, events.t - times[a])
        # floor(corner + 1/2) in whole numbers, which are the same on every machine
        x, y = (
            axis.astype(np.int64) - (2 * (c[a] * whole + (c[b] - c[a]) * passed) + whole) // (2 * whole)
            for axis, c in ((events.x, corners[:, 0]), (events.y, corners[:, 1]))
        )
        return x, y


@dataclass(frozen=True)
class Pool(Filter):
    """Squares of `factor` x `factor` pixels become one pixel, without a higher rate of events.

    Of each polarity of a pooled pixel every factor^2-th event is kept, as an integrator with that threshold does: the
    rate per pixel stays that of the sensor. The new sensor has ceil(side / factor) pixels a side.
    """

    factor: int

    def __post_init__(self) -> None:
        check_positive("factor", self.factor)

    def keep(self, events: Events) -> np.ndarray:
        from mxsnn.events._filter_kernels import pool

        return _pooling(pool, 2, events, self.factor)

    def place(self, events: Events) -> Events:
        return _pool(events, self.factor)


@dataclass(frozen=True)
class Integrate(Filter):
    """The events of a pixel that sees the mean of `factor` x `factor` pixels, one in place of each square.

    An event of polarity p = -1 or +1 says that the logarithm of its pixel's intensity went p * theta on, and the mean of the
    square p * theta / factor^2. So ON and OFF cancel, and an event is kept where the sum of p since the last one reaches
    +-factor^2: the integrator of Ghosh et al. 2023 (doi:10.1145/3589737.3605994), without its steps of time. `Pool` counts each
    polarity for itself. The new sensor has ceil(side / factor) pixels a side.
    """

    factor: int

    def __post_init__(self) -> None:
        check_positive("factor", self.factor)

    def keep(self, events: Events) -> np.ndarray:
        from mxsnn.events._filter_kernels import integrate

        return _pooling(integrate, 1, events, self.factor)

    def place(self, events: Events) -> Events:
        return _pool(events, self.factor)


def _memory(events: Events, dtype: type = np.int64) -> np.ndarray:
    """Zeros, one for each pixel."""
    return np.zeros(events.sensor_size[0] * events.sensor_size[1], dtype)


def _select(events: Events, keep: np.ndarray) -> Events:
    """events[keep], several times as fast where neighbours in the stream fare differently."""
    from mxsnn.events._filter_kernels import select

    n = np.count_nonzero(keep)
    kept = {name: np.empty(n + 1, dtype) for name, dtype in DTYPES.items()}
    select(keep, events.t, events.x, events.y, events.p, *(kept[name] for name in "txyp"))
    return Events(*(kept[name][:n] for name in "txyp"), sensor_size=events.sensor_size)


def _write(events: Events, array: np.ndarray) -> None:
    """Brings the same events in a structured array to where they lie and what they are."""
    fields = find_fields(array.dtype.names or ())
    array[fields["x"]], array[fields["y"]] = events.x, events.y
    array[fields["p"]][events.p == 1] = 1  # whatever OFF is there, 0 or -1, ON is 1


def _pooled(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """(width, height) of squares of pixels."""
    return -(-size[0] // factor), -(-size[1] // factor)


def _pooling(kernel: Callable[..., None], counters: int, events: Events, factor: int) -> np.ndarray:
    """Which events a kernel with so many counters a square keeps."""
    width, height = _pooled(events.sensor_size, factor)
    keep = np.empty(len(events), bool)
    factor = min(int(factor), 2**31)  # its square is an int64, and more than there are events
    kernel(events.x, events.y, events.p, factor, width, np.zeros(counters * width * height, np.int64), keep)
    return keep


def _pool(events: Events, factor: int) -> Events:
    """The events on squares of pixels."""
    x, y = ((axis // np.int64(min(factor, _LONGEST))).astype(np.int16) for axis in (events.x, events.y))
    return Events(events.t, x, y, events.p, _pooled(events.sensor_size, factor))


#: All of them.
FILTERS = (
    HotPixels,
    BackgroundActivity,
    Refractory,
    Decimation,
    Flicker,
    RateLimit,
    Polarity,
    MergePolarities,
    Crop,
    MovingCrop,
    Pool,
    Integrate,
)
