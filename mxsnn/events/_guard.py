"""What keeps the faults of tonic's transforms (1.7.0) from biting: one rule for each transform, one guard that applies it.

Every call goes through the guard, which therefore holds for all of them:

- The transform gets a copy, so it cannot write into its input, and is made anew, so that it cannot remember the last
  recording (CropTime keeps the end of the first one, DropPixel its hot pixels).
- Polarity is 0/1 as int8. As bool, ToVoxelGrid loses every OFF event and UniformNoise draws ON only; as uint8 the former
  overflows; as -1/+1, ToFrame counts OFF as ON and RandomFlipPolarity makes both 0.
- An empty stream gives an empty stream, or frames of the right shape. tonic transposes width and height, or raises.
- The result is checked as a stream (inside the sensor; a missing field is an error) and comes back sorted, in mxsnn's types.
- The size of the sensor is filled in, after crops and downsampling the new one. Lists mean what tuples mean: tonic takes some
  for constants.
- np.random, from which tonic draws, is seeded for each recording and put back (`mxsnn.events.tonic.Encoding`).

What is particular to one transform stands in its row of `RULES`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.stream import Events, check_sensor_size, from_structured

Arguments = Mapping[str, Any]
Size = tuple[int, int]

_INSIDE = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)])
_INT16_MAX = 2**15 - 1


class TonicWarning(UserWarning):
    """One of tonic's transforms does what its user may not expect."""


@dataclass(frozen=True)
class Rule:
    """How the guard treats one of tonic's transforms. The functions get its arguments by name.

    Attributes:
      makes: events from events, frames from events, or frames from frames.
      random: whether it draws from np.random.
      first: at which time (us) it is shown the first event; None shows the times as they are. For transforms whose result
        would otherwise depend on when the recording's clock was started; the shift is undone afterwards.
      size: the sensor's size after it.
      frames: for a maker of frames, (T, C, type) of its result; T is None where it depends on the recording.
      spans: for a maker of frames, whether it divides by the time from the first event to the last.
      dt: for a maker of frames, the time from one to the next in ms, or None.
      refuse: why it cannot be used with these arguments, or None.
      warn: what its user should know, or None.
    """

    makes: Literal["events", "frames", "more frames"] = "events"
    random: Callable[[Arguments], bool] = lambda a: False
    first: Callable[[Arguments], int | None] = lambda a: None
    size: Callable[[Arguments, Size], Size] = lambda a, size: size
    frames: Callable[[Arguments], tuple[int | None, int, type]] = lambda a: (None, 2, np.int16)
    spans: bool = False
    dt: Callable[[Arguments], float | None] = lambda a: None
    refuse: Callable[[Arguments], str | None] = lambda a: None
    warn: Callable[[Arguments], str | None] = lambda a: None


@dataclass(frozen=True)
class Guard:
    """One of tonic's transforms under its rule, called on `Events` or on frames [T, H, W, C].

    Raises: UserError with the reason, where the rule refuses the arguments or tonic fails.
    """

    transform: type
    arguments: Arguments
    takes_size: bool

    def __post_init__(self) -> None:
        if reason := self.ask(self.rule.refuse):
            raise UserError(f"{self}: {reason}")

    def __str__(self) -> str:
        return f"{self.transform.__name__}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"

    @property
    def rule(self) -> Rule:
        return RULES[self.transform.__name__]

    def ask(self, question: Callable[..., Any], *more: Any) -> Any:
        """What a function of the rule answers for these arguments."""
        try:
            return question(self.arguments, *more)
        except (TypeError, ValueError, ZeroDivisionError) as error:  # a text where a number belongs, and the like
            raise UserError(f"{self}: an argument is of the wrong kind ({error})") from error

    def __call__(self, item: Events | np.ndarray) -> Events | np.ndarray:
        if self.rule.makes == "more frames":
            assert isinstance(item, np.ndarray)
            return _channel_last(self._apply(np.ascontiguousarray(np.moveaxis(item, -1, 1)), None))
        assert isinstance(item, Events)
        return self._to_events(item) if self.rule.makes == "events" else self._to_frames(item)

    def _to_events(self, events: Events) -> Events:
        size = check_sensor_size(self.ask(self.rule.size, events.sensor_size))
        if not len(events):
            return Events.empty(size)
        first = self.ask(self.rule.first)
        shift = 0 if first is None else first - int(events.t[0])
        result = self._apply(_copy(events, shift), events.sensor_size)
        if not len(result):
            return Events.empty(size)
        result["t"] -= shift
        try:
            return from_structured(result, size, sort=True)
        except UserError as error:
            raise UserError(f"{self} gives what is no stream: {error}") from error

    def _to_frames(self, events: Events) -> np.ndarray:
        width, height = events.sensor_size
        if not len(events):
            count, channels, dtype = self.ask(self.rule.frames)
            return np.zeros((1 if count is None else count, height, width, channels), dtype)
        if self.rule.spans and events.t[0] == events.t[-1]:
            raise UserError(f"{self}: is not defined for events that all have the same time; {_INSTEAD}")
        frames = _channel_last(self._apply(_copy(events, 0), events.sensor_size))
        if frames.dtype == np.int16:
            self._check_counts(events, frames)
        return frames

    def _check_counts(self, events: Events, frames: np.ndarray) -> None:
        """Compare what was counted with what there is: an int16 wraps, and slices leave events out."""
        overlap = self.arguments.get("overlap")  # events in two slices count twice
        expected = None if overlap else len(events.window(*_window(self.arguments, events)))
        counted = int(frames.sum(dtype=np.int64))
        if len(events) > _INT16_MAX and counted != expected:
            pixel = (events.y.astype(np.int64) * events.sensor_size[0] + events.x) * 2 + events.p
            if np.bincount(pixel).max() > _INT16_MAX:
                raise UserError(f"{self}: counts in int16, which more than {_INT16_MAX} events on a pixel wrap; {_INSTEAD}")
        if expected is not None and counted < expected:
            warnings.warn(f"{self}: leaves out the events after its last slice; {_INSTEAD}", TonicWarning, stacklevel=2)

    def _apply(self, array: np.ndarray, size: Size | None) -> np.ndarray:
        extra = {"sensor_size": (*size, 2)} if self.takes_size and size else {}
        try:
            return np.asarray(self.transform(**self.arguments, **extra)(array))
        except Exception as error:  # whatever tonic raises, asserts without a message among them, is one line for the user
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
            raise UserError(f"{self}: tonic fails ({reason}); check its arguments") from error


def _copy(events: Events, shift: int) -> np.ndarray:
    """The stream as a new structured array, its times shifted by `shift` us."""
    array = np.empty(len(events), _INSIDE)
    array["x"], array["y"], array["t"], array["p"] = events.x, events.y, events.t + shift, events.p
    return array


def _channel_last(frames: np.ndarray) -> np.ndarray:
    """[T, C, H, W] or [C, H, W] as [T, H, W, C]."""
    frames = frames if frames.ndim == 4 else frames[None]
    return np.ascontiguousarray(np.moveaxis(frames, 1, -1))


def _window(a: Arguments, events: Events) -> tuple[int, int]:
    """The window [t0, t1) whose events ToFrame is to count: all, where no times are given."""
    start, end = a.get("start_time"), a.get("end_time")
    return (
        int(events.t[0]) if start is None else math.ceil(start),
        int(events.t[-1]) + 1 if end is None else math.ceil(end),
    )


def _pair(value: Any) -> Size:
    return (value, value) if isinstance(value, int) else tuple(value)


def _downsampled(a: Arguments, size: Size) -> Size:
    """The sensor after Downsample: tonic multiplies a coordinate with the factor and cuts off the fraction."""
    if a.get("target_size") is not None:
        return tuple(a["target_size"])
    factors = a.get("spatial_factor", 1)
    factors = factors if isinstance(factors, tuple) else (factors, factors)
    width, height = (int((side - 1) * factor) + 1 for side, factor in zip(size, factors, strict=True))
    return width, height


def _to_frame_count(a: Arguments) -> int | None:
    """How many frames ToFrame makes, where that does not depend on the recording."""
    fixed = a.get("n_time_bins") or a.get("n_event_bins")
    if fixed or a.get("start_time") is None or a.get("end_time") is None or not a.get("time_window"):
        return fixed
    parts = (a["end_time"] - a["start_time"] - a["time_window"]) / (a["time_window"] - a.get("overlap", 0))
    return max(1, (math.ceil if a.get("include_incomplete") else math.floor)(parts) + 1)


def _to_frame_dt(a: Arguments) -> float | None:
    return (a["time_window"] - a.get("overlap", 0)) / 1000 if a.get("time_window") else None


def _numbers_above_zero(*names: str) -> Callable[[Arguments], str | None]:
    def refuse(a: Arguments) -> str | None:
        wrong = [name for name in names if not a[name] > 0]
        return f"{', '.join(wrong)} must be above 0" if wrong else None

    return refuse


def _to_frame_refuse(a: Arguments) -> str | None:
    ways = ("time_window", "event_count", "n_time_bins", "n_event_bins")
    given = [name for name in ways if a.get(name) is not None]
    if len(given) != 1:
        return f"takes one of {', '.join(ways)}, got {', '.join(given) or 'none'}"
    if not a[given[0]] > 0:
        return f"{given[0]} must be above 0, got {a[given[0]]}"
    if not a.get("time_window") and (a.get("start_time") is not None or a.get("end_time") is not None):
        return f"tonic ignores start_time and end_time without time_window; {_INSTEAD}"
    return None


def _to_frame_warn(a: Arguments) -> str | None:
    by_time = a.get("time_window") or a.get("n_time_bins")
    return _FROM_FIRST if by_time and (a.get("start_time") is None or a.get("end_time") is None) else None


def _always(value: Any) -> Callable[..., Any]:
    return lambda *_: value


def _tuple_in(*names: str) -> Callable[[Arguments], bool]:
    return lambda a: any(isinstance(a.get(name), tuple) for name in names)


_INSTEAD = "TimeFrames(bins, start, stop) counts every event of a given window"
_FROM_FIRST = f"its bins run from the first event of each recording to the last, not between given times; {_INSTEAD}"
_RANDOM = _always(True)

#: Every transform of tonic but those in whose place mxsnn's stand by the same name (Decimation, EventDrop, MergePolarities,
#: RandomCrop, TimeJitter), with what is particular to it. One that is not here is not let through.
RULES: dict[str, Rule] = {
    # events from events
    "CenterCrop": Rule(size=lambda a, size: _pair(a["size"])),
    "CropTime": Rule(),
    # Its memory starts at filter_time and is compared with absolute times: before that, every event with a neighbour pixel
    # passes. Shown from filter_time on, only events with a neighbour event do.
    "Denoise": Rule(first=lambda a: math.ceil(a["filter_time"])),
    "Downsample": Rule(
        size=_downsampled,
        refuse=lambda a: (
            "times stay in microseconds; leave time_factor out (TimeSkew(coefficient) changes the speed)"
            if a.get("time_factor", 1) != 1
            else None
        ),
        warn=_always(
            "merges no events, so the rate per pixel rises by the ratio of the areas; Pool(factor) keeps the sensor's rate"
        ),
    ),
    "DropEvent": Rule(random=_RANDOM),
    "DropEventByArea": Rule(
        random=_RANDOM,
        refuse=lambda a: (
            "tonic draws from the upper part of a range of area_ratio to 1, not from the range; give one number"
            if isinstance(a.get("area_ratio"), tuple)
            else None
        ),
    ),
    # The dropped interval is drawn between 0 and the last event, so most draws miss a recording that begins late.
    "DropEventByTime": Rule(random=_RANDOM, first=_always(0)),
    "DropPixel": Rule(
        refuse=lambda a: (
            None if a.get("coordinates") is not None or a.get("hot_pixel_frequency") else "give coordinates or hot_pixel_frequency"
        ),
    ),
    "EventDownsampling": Rule(
        refuse=_always("tonic counts time from the first event and loses the last slice; Integrate(factor) does neither")
    ),
    "RandomDropPixel": Rule(random=_RANDOM),
    "RandomFlipLR": Rule(refuse=_always("labels with left and right would not follow; FlipLR(p) takes them along")),
    "RandomFlipPolarity": Rule(random=_RANDOM),
    "RandomFlipUD": Rule(refuse=_always("labels with up and down would not follow; FlipUD(p) takes them along")),
    # It reverses into [0, last - first]; the guard puts that back where the recording lies.
    "RandomTimeReversal": Rule(random=_RANDOM, first=_always(0)),
    # Its memory starts at -delta and a pixel's first event needs a time above 0.
    "RefractoryPeriod": Rule(random=_tuple_in("delta"), first=_always(1)),
    "SpatialJitter": Rule(
        random=_RANDOM,
        refuse=lambda a: (
            None if a.get("clip_outliers") else "leaves events outside the sensor; give clip_outliers=True to drop them"
        ),
    ),
    "TimeAlignment": Rule(warn=_always("moves the first event of each recording to 0, so later windows are relative to it")),
    "TimeSkew": Rule(random=_tuple_in("coefficient", "offset")),
    "UniformNoise": Rule(random=_RANDOM),
    # frames from events
    "ToFrame": Rule(
        "frames",
        frames=lambda a: (_to_frame_count(a), 2, np.int16),
        dt=_to_frame_dt,
        refuse=_to_frame_refuse,
        warn=_to_frame_warn,
    ),
    "ToImage": Rule("frames", frames=_always((1, 2, np.int16))),
    "ToTimesurface": Rule(
        "frames",
        frames=_always((None, 2, np.float64)),
        refuse=_numbers_above_zero("dt", "tau"),
        dt=lambda a: a["dt"] / 1000,
        warn=_always("its surfaces are taken from the first event of each recording on, and none after the last whole dt"),
    ),
    "ToVoxelGrid": Rule(
        "frames",
        frames=lambda a: (a["n_time_bins"], 1, np.float64),
        spans=True,
        refuse=_numbers_above_zero("n_time_bins"),
        warn=_always(
            "scales time to n_time_bins where E2VID has n_time_bins - 1: events in the last bin lose weight, and bins run "
            "from the first event of each recording to the last"
        ),
    ),
    # frames from frames
    "NumpyAsType": Rule("more frames"),
    "ToBinaRep": Rule("more frames"),
    # no parts of an encoding
    "Compose": Rule(refuse=_always("an encoding is one list; put its transforms there")),
    "Repeat": Rule(refuse=_always("is for labels, not for recordings")),
    "ToAveragedTimesurface": Rule(refuse=_always("gives [cells, P, size, size], which has no axis of time")),
    "ToOneHotEncoding": Rule(refuse=_always("is for labels, not for recordings")),
    "ToSparseTensor": Rule(refuse=_always("gives a torch tensor; ToFrame and TimeFrames give the same frames as an array")),
}
