"""Transforms that stand in a tonic `Compose` beside tonic's own.

Each is called on a stream (`Events`), or on tonic's structured array where `sensor_size` is given. None modifies its input,
and all take empty streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.frames import (
    check_positive,
    count_type,
    frames_by_count,
    frames_by_duration,
    frames_by_time,
    window_length,
)
from mxsnn.events.stream import Events, from_structured, to_structured

#: A stream in either form; what a transform is given, it gives back.
Stream = TypeVar("Stream", Events, np.ndarray)


@dataclass(frozen=True)
class TimeFrames:
    """Counts in `bins` equal parts of the window [start, stop) us: [bins, H, W, 2] (`frames_by_time`).

    `clip`: the largest count, 1 for binary frames; None counts all.
    """

    bins: int
    start: int
    stop: int
    clip: int | None = None
    sensor_size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_positive("bins", self.bins)
        window_length(self.start, self.stop)
        count_type(self.clip)

    @property
    def dt(self) -> float:
        """The duration of a part in ms."""
        return (self.stop - self.start) / self.bins / 1000

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return frames_by_time(_stream(events, self.sensor_size), self.bins, self.start, self.stop, self.clip)


@dataclass(frozen=True)
class DurationFrames:
    """Counts in parts of `duration` us of the window [start, stop) us: [T, H, W, 2] (`frames_by_duration`).

    The last part ends at `stop`, so it may be shorter. `clip`: the largest count, 1 for binary frames; None counts all.
    """

    duration: int
    start: int
    stop: int
    clip: int | None = None
    sensor_size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_positive("duration", self.duration)
        window_length(self.start, self.stop)
        count_type(self.clip)

    @property
    def dt(self) -> float:
        """The duration of a part in ms."""
        return self.duration / 1000

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return frames_by_duration(_stream(events, self.sensor_size), self.duration, self.start, self.stop, self.clip)


@dataclass(frozen=True)
class CountFrames:
    """Counts in `frames` parts of equally many events, of all the stream: [frames, H, W, 2] (`frames_by_count`).

    `clip`: the largest count, 1 for binary frames; None counts all.
    """

    frames: int
    clip: int | None = None
    sensor_size: Sequence[int] | None = None

    #: A part has no fixed duration.
    dt = None

    def __post_init__(self) -> None:
        check_positive("frames", self.frames)
        count_type(self.clip)

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return frames_by_count(_stream(events, self.sensor_size), self.frames, self.clip)


@dataclass(frozen=True)
class Crop:
    """The events of a rectangle, in its own coordinates: left and top pixel (x, y) and size in pixels."""

    x: int
    y: int
    width: int
    height: int
    sensor_size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_positive("width", self.width)
        check_positive("height", self.height)

    def __call__(self, events: Stream) -> Stream:
        stream = _stream(events, self.sensor_size)
        width, height = stream.sensor_size
        if not (0 <= self.x <= width - self.width and 0 <= self.y <= height - self.height):
            raise UserError(
                f"a crop of {self.width}x{self.height} pixels at x={self.x}, y={self.y} "
                f"reaches beyond the sensor of {width}x{height}"
            )
        x, y = stream.x - np.int16(self.x), stream.y - np.int16(self.y)
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        size = (self.width, self.height)
        return _as_given(events, Events(stream.t[inside], x[inside], y[inside], stream.p[inside], size))


@dataclass(frozen=True)
class Pool:
    """Squares of `factor` x `factor` pixels become one pixel, without a higher rate of events.

    Of each polarity of a pooled pixel every factor^2-th event is kept, as an integrator with that threshold does: the
    rate per pixel stays that of the sensor. The new sensor has ceil(side / factor) pixels a side.
    """

    factor: int
    sensor_size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_positive("factor", self.factor)

    def __call__(self, events: Stream) -> Stream:
        stream = _stream(events, self.sensor_size)
        width, height = (-(-side // self.factor) for side in stream.sensor_size)
        x, y = (axis.astype(np.int64) // self.factor for axis in (stream.x, stream.y))
        cell = (y * width + x) * 2 + stream.p
        order = np.argsort(cell, kind="stable")  # by cell, and within a cell by time
        ordered = cell[order]
        rank = np.arange(len(cell)) - np.searchsorted(ordered, ordered)  # which event of its cell each is
        kept = np.zeros(len(cell), bool)
        kept[order] = rank % self.factor**2 == self.factor**2 - 1
        return _as_given(events, Events.make(stream.t[kept], x[kept], y[kept], stream.p[kept], (width, height)))


def _stream(events: Events | np.ndarray, sensor_size: Sequence[int] | None) -> Events:
    if not isinstance(events, Events):
        if sensor_size is None:
            raise UserError("a structured array does not hold its sensor's size: give sensor_size=(width, height)")
        return from_structured(events, tuple(sensor_size)[:2])  # tonic's has the number of polarities as a third
    if sensor_size is not None and tuple(sensor_size)[:2] != events.sensor_size:
        raise UserError(f"sensor_size={tuple(sensor_size)} is not that of the events, {events.sensor_size}")
    return events


def _as_given(given: Any, result: Events) -> Any:
    return result if isinstance(given, Events) else to_structured(result)


#: All of them, by the name under which an experiment's configuration finds them.
TRANSFORMS = {cls.__name__: cls for cls in (TimeFrames, DurationFrames, CountFrames, Crop, Pool)}
