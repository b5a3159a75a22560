"""Encodings: the transforms that make frames [T, H, W, C] from a stream, on the host and on the device.

Each is a function of `mxsnn.events` with its parameters. As the filters of `mxsnn.events.transforms`, with which they are listed,
they stand in a tonic `Compose`. Called on a `DeviceEvents` they give what the function of the same name in `mxsnn.events.encode`
gives, and may be traced, mapped and compiled: `jax.jit(TimeFrames(16, 0, 340_000))`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.frames import (
    bina_rep,
    check_positive,
    check_time,
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
from mxsnn.events.stream import Events, as_events, check_same_sensor
from mxsnn.events.surfaces import active_events, check_tau, surface_times, time_surface
from mxsnn.events.voxel import voxel_grid

if TYPE_CHECKING:
    import jax

    from mxsnn.events.encode import DeviceEvents


@dataclass(frozen=True)
class Encoder:
    """What encodings have in common: their fields are the parameters of a function of the host, by name.

    The function of the device has those without the window, since a `DeviceEvents` is of one: `window`, for which
    `to_device(events, *encoder.window)` makes it. Its clock starts with the window, so the times of `ActiveEvents`, `TimeSurface`
    and `WindowFrames`, which are on the clock of the recording, are brought over to it.
    """

    sensor_size: Sequence[int] | None = field(default=None, kw_only=True)

    #: The function of the host.
    function: ClassVar[Callable[..., np.ndarray]]

    @property
    def window(self) -> tuple[int, int] | None:
        """[start, stop) us, where the events that count lie and of which a stream on the device must be; None: any window."""
        given = vars(self)
        return (given["start"], given["stop"]) if "stop" in given else None

    @property
    def dt(self) -> float | None:
        """The time from one frame to the next in ms; None where it is not fixed."""
        return None

    @overload
    def __call__(self, events: Events | np.ndarray) -> np.ndarray: ...
    @overload
    def __call__(self, events: DeviceEvents) -> jax.Array: ...
    def __call__(self, events: Events | np.ndarray | DeviceEvents) -> np.ndarray | jax.Array:
        given = {name: value for name, value in vars(self).items() if name != "sensor_size"}
        if isinstance(events, (Events, np.ndarray)):
            return type(self).function(as_events(events, self.sensor_size), **given)
        return self._on_device(events, given)

    def _on_device(self, events: DeviceEvents, given: dict[str, Any]) -> jax.Array:
        from mxsnn.events import encode

        if not isinstance(events, encode.DeviceEvents):
            raise UserError(f"an encoding takes Events, a structured array [N] or DeviceEvents, got {type(events).__name__}")
        check_same_sensor(self.sensor_size, events.sensor_size)
        start, stop = self.window or (0, events.length)
        if events.length != stop - start:
            raise UserError(
                f"the encoding is for the window [{start}, {stop}), {stop - start} us, the stream on the device is of one of "
                f"{events.length} us; bring it over with to_device(events, {start}, {stop})"
            )
        for name in {"times", "starts", "ends"} & given.keys():
            given[name] = np.maximum(np.array(given[name], np.int64), start) - start  # before the window there is nothing
        function = getattr(encode, type(self).function.__name__)
        return function(events, **{name: value for name, value in given.items() if name not in ("start", "stop")})

    def _set_times(self, **times: np.ndarray) -> None:
        """Fields as tuples: an encoding is hashable, and its text can be read back."""
        for name, values in times.items():
            object.__setattr__(self, name, tuple(values.tolist()))


@dataclass(frozen=True)
class TimeFrames(Encoder):
    """Counts in `bins` equal parts of the window [start, stop) us: [bins, H, W, 2] (`frames_by_time`).

    `clip`: the largest count, 1 for binary frames; None counts all.
    """

    bins: int
    start: int
    stop: int
    clip: int | None = None

    function = staticmethod(frames_by_time)

    def __post_init__(self) -> None:
        check_positive("bins", self.bins)
        window_length(self.start, self.stop)
        count_type(self.clip)

    @property
    def dt(self) -> float:
        """The duration of a part in ms."""
        return (self.stop - self.start) / self.bins / 1000


@dataclass(frozen=True)
class DurationFrames(Encoder):
    """Counts in parts of `duration` us of the window [start, stop) us: [T, H, W, 2] (`frames_by_duration`).

    The last part ends at `stop`, so it may be shorter. `clip`: the largest count, 1 for binary frames; None counts all.
    """

    duration: int
    start: int
    stop: int
    clip: int | None = None

    function = staticmethod(frames_by_duration)

    def __post_init__(self) -> None:
        check_positive("duration", self.duration)
        window_length(self.start, self.stop)
        count_type(self.clip)

    @property
    def dt(self) -> float:
        """The duration of a part in ms."""
        return self.duration / 1000


@dataclass(frozen=True)
class CountFrames(Encoder):
    """Counts in `frames` parts of equally many events, of all the stream: [frames, H, W, 2] (`frames_by_count`).

    `clip`: the largest count, 1 for binary frames; None counts all.
    """

    frames: int
    clip: int | None = None

    function = staticmethod(frames_by_count)

    def __post_init__(self) -> None:
        check_positive("frames", self.frames)
        count_type(self.clip)


@dataclass(frozen=True)
class WindowFrames(Encoder):
    """Counts in the windows [starts[k], ends[k]) us, such as exposures: [T, H, W, 2] (`frames_in_windows`).

    `clip`: the largest count, 1 for binary frames; None counts all. A stream on the device is of the window from the first of
    the starts to the last of the ends.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    clip: int | None = None

    function = staticmethod(frames_in_windows)

    def __post_init__(self) -> None:
        starts, ends = window_times(self.starts, self.ends)
        self._set_times(starts=starts, ends=ends)
        count_type(self.clip)

    @property
    def window(self) -> tuple[int, int] | None:
        """From the first of the starts to the last of the ends, us; None without windows."""
        return (min(self.starts), max((min(self.starts) + 1, *self.ends))) if self.starts else None


@dataclass(frozen=True)
class BinaRep(Encoder):
    """`bits` binary frames of the window [start, stop) us read as one number, `frames` of them: [frames, H, W, 2] (`bina_rep`)."""

    frames: int
    bits: int
    start: int
    stop: int

    function = staticmethod(bina_rep)

    def __post_init__(self) -> None:
        check_positive("frames", self.frames)
        number_type(self.bits)
        window_length(self.start, self.stop)

    @property
    def dt(self) -> float:
        """The duration of a frame in ms."""
        return (self.stop - self.start) / self.frames / 1000


@dataclass(frozen=True)
class VoxelGrid(Encoder):
    """Polarities shared between the two of `bins` bins around their time in [start, stop) us: [bins, H, W, 1] (`voxel_grid`)."""

    bins: int
    start: int
    stop: int

    function = staticmethod(voxel_grid)

    def __post_init__(self) -> None:
        check_positive("bins", self.bins)
        window_length(self.start, self.stop)

    @property
    def dt(self) -> float:
        """The share of a bin in the window, in ms."""
        return (self.stop - self.start) / self.bins / 1000


@dataclass(frozen=True)
class ActiveEvents(Encoder):
    """When each pixel fired last before each of `times`, us after `start`: [T, H, W, 2] (`active_events`)."""

    times: Sequence[int]
    start: int

    function = staticmethod(active_events)

    def __post_init__(self) -> None:
        self._set_times(times=surface_times(self.times))
        check_time("start", self.start)

    @property
    def window(self) -> tuple[int, int]:
        """From `start` to the last of the times, us."""
        return self.start, max((self.start + 1, *self.times))


@dataclass(frozen=True)
class TimeSurface(Encoder):
    """How long ago each pixel fired before each of `times` (us), as exp(-age / tau), tau in ms: [T, H, W, 2] (`time_surface`)."""

    times: Sequence[int]
    tau: float
    start: int

    function = staticmethod(time_surface)

    def __post_init__(self) -> None:
        self._set_times(times=surface_times(self.times))
        check_time("start", self.start)
        check_tau(self.tau)

    @property
    def window(self) -> tuple[int, int]:
        """From `start` to the last of the times, us."""
        return self.start, max((self.start + 1, *self.times))


@dataclass(frozen=True)
class SBT(Encoder):
    """Signed images of `images` equal parts of the window [start, stop) us: [images, H, W, 1] (`sbt`)."""

    images: int
    start: int
    stop: int
    last: bool = False

    function = staticmethod(sbt)

    def __post_init__(self) -> None:
        check_positive("images", self.images)
        window_length(self.start, self.stop)

    @property
    def dt(self) -> float:
        """The duration of a part in ms."""
        return (self.stop - self.start) / self.images / 1000


@dataclass(frozen=True)
class SBN(Encoder):
    """Signed images of `count` events each, up to the end of the stream: [images, H, W, 1] (`sbn`)."""

    images: int
    count: int
    last: bool = False

    function = staticmethod(sbn)

    def __post_init__(self) -> None:
        check_positive("images", self.images)
        check_positive("count", self.count)


#: All of them.
ENCODINGS = (TimeFrames, DurationFrames, CountFrames, WindowFrames, BinaRep, VoxelGrid, ActiveEvents, TimeSurface, SBT, SBN)
