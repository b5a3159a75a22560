"""Encodings: the transforms that make frames [T, H, W, C] from a stream, each a function of the host with its parameters.

As those of `mxsnn.events.transforms`, with which they are listed, they stand in a tonic `Compose`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mxsnn.events.frames import (
    bina_rep,
    check_positive,
    count_type,
    frames_by_count,
    frames_by_duration,
    frames_by_time,
    frames_in_windows,
    number_type,
    window_length,
    window_times,
)
from mxsnn.events.stacks import sbn, sbt
from mxsnn.events.stream import Events, as_events
from mxsnn.events.surfaces import active_events, check_start, check_tau, surface_times, time_surface
from mxsnn.events.voxel import voxel_grid


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
        return frames_by_time(as_events(events, self.sensor_size), self.bins, self.start, self.stop, self.clip)


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
        return frames_by_duration(as_events(events, self.sensor_size), self.duration, self.start, self.stop, self.clip)


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
        return frames_by_count(as_events(events, self.sensor_size), self.frames, self.clip)


@dataclass(frozen=True)
class WindowFrames:
    """Counts in the windows [starts[k], ends[k]) us, such as exposures: [T, H, W, 2] (`frames_in_windows`).

    `clip`: the largest count, 1 for binary frames; None counts all.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    clip: int | None = None
    sensor_size: Sequence[int] | None = None

    #: Windows differ in duration.
    dt = None

    def __post_init__(self) -> None:
        window_times(self.starts, self.ends)
        count_type(self.clip)

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return frames_in_windows(as_events(events, self.sensor_size), self.starts, self.ends, self.clip)


@dataclass(frozen=True)
class BinaRep:
    """`bits` binary frames of the window [start, stop) us read as one number, `frames` of them: [frames, H, W, 2] (`bina_rep`)."""

    frames: int
    bits: int
    start: int
    stop: int
    sensor_size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_positive("frames", self.frames)
        number_type(self.bits)
        window_length(self.start, self.stop)

    @property
    def dt(self) -> float:
        """The duration of a frame in ms."""
        return (self.stop - self.start) / self.frames / 1000

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return bina_rep(as_events(events, self.sensor_size), self.frames, self.bits, self.start, self.stop)


@dataclass(frozen=True)
class VoxelGrid:
    """Polarities shared between the two of `bins` bins around their time in [start, stop) us: [bins, H, W, 1] (`voxel_grid`)."""

    bins: int
    start: int
    stop: int
    sensor_size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_positive("bins", self.bins)
        window_length(self.start, self.stop)

    @property
    def dt(self) -> float:
        """The share of a bin in the window, in ms."""
        return (self.stop - self.start) / self.bins / 1000

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return voxel_grid(as_events(events, self.sensor_size), self.bins, self.start, self.stop)


@dataclass(frozen=True)
class ActiveEvents:
    """When each pixel fired last before each of `times`, us after `start`: [T, H, W, 2] (`active_events`)."""

    times: Sequence[int]
    start: int
    sensor_size: Sequence[int] | None = None

    #: The times may lie anywhere.
    dt = None

    def __post_init__(self) -> None:
        surface_times(self.times)
        check_start(self.start)

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return active_events(as_events(events, self.sensor_size), self.times, self.start)


@dataclass(frozen=True)
class TimeSurface:
    """How long ago each pixel fired before each of `times`, as exp(-age / tau), us: [T, H, W, 2] (`time_surface`)."""

    times: Sequence[int]
    tau: float
    start: int
    sensor_size: Sequence[int] | None = None

    #: The times may lie anywhere.
    dt = None

    def __post_init__(self) -> None:
        surface_times(self.times)
        check_start(self.start)
        check_tau(self.tau)

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return time_surface(as_events(events, self.sensor_size), self.times, self.tau, self.start)


@dataclass(frozen=True)
class SBT:
    """Signed images of `images` equal parts of the window [start, stop) us: [images, H, W, 1] (`sbt`)."""

    images: int
    start: int
    stop: int
    last: bool = False
    sensor_size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_positive("images", self.images)
        window_length(self.start, self.stop)

    @property
    def dt(self) -> float:
        """The duration of a part in ms."""
        return (self.stop - self.start) / self.images / 1000

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return sbt(as_events(events, self.sensor_size), self.images, self.start, self.stop, self.last)


@dataclass(frozen=True)
class SBN:
    """Signed images of `count` events each, up to the end of the stream: [images, H, W, 1] (`sbn`)."""

    images: int
    count: int
    last: bool = False
    sensor_size: Sequence[int] | None = None

    #: An image has no fixed duration.
    dt = None

    def __post_init__(self) -> None:
        check_positive("images", self.images)
        check_positive("count", self.count)

    def __call__(self, events: Events | np.ndarray) -> np.ndarray:
        return sbn(as_events(events, self.sensor_size), self.images, self.count, self.last)


#: All of them.
ENCODINGS = (TimeFrames, DurationFrames, CountFrames, WindowFrames, BinaRep, VoxelGrid, ActiveEvents, TimeSurface, SBT, SBN)
