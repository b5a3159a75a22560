"""The recording: what cameras and observers tell about one performance, on one clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events import sides
from mxsnn.events.stream import Events

KINDS = ("au", "movement", "emotion")
"""What a label can name: a FACS Action Unit ("AU12"), a movement class ("smile"), an emotion ("joy")."""

SIDES = ("both", "left", "right")
"""Of the face that a label is about, as its owner names them."""


class EventStore(Protocol):
    """Events in memory (`Events`) or in a file: both are sliced by time."""

    @property
    def sensor_size(self) -> tuple[int, int]: ...
    @property
    def span(self) -> tuple[int, int] | None: ...
    def __len__(self) -> int: ...
    def window(self, t0: int, t1: int) -> Events: ...
    def pieces(self) -> Iterator[Events]: ...


class Images(Protocol):
    """Images [N, H, W] or [N, H, W, 3] in memory (an array) or in files, read when they are indexed."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


def _whole(name: str, values: ArrayLike, dtype: type = np.int64) -> np.ndarray:
    """A copy of whole numbers; times are us. Raises: UserError for others, and those that do not fit: none is cut off."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" and array.size:
        raise UserError(f"{name} is whole numbers, got {array.dtype}")
    with np.errstate(invalid="ignore"):
        whole = array.astype(dtype)
    wrong = whole != array
    if wrong.any():
        unit = " us" if np.dtype(dtype) == np.int64 else f" of {np.dtype(dtype)}"
        raise UserError(f"{name} is whole numbers{unit}; got {array[wrong][0]!s}")
    return whole


@dataclass(frozen=True, eq=False)
class Triggers:
    """Edges of external signals [N], in the order of time.

    Attributes:
      t: int64 [N], us.
      id: int16 [N], the input that saw the edge, as the camera numbers it.
      value: uint8 [N], the level after the edge: 1 rising, 0 falling.
    """

    t: np.ndarray
    id: np.ndarray
    value: np.ndarray

    @classmethod
    def make(cls, t: ArrayLike = (), id: ArrayLike = (), value: ArrayLike = ()) -> Triggers:
        """Triggers from three arrays [N], put in the order of time.

        Raises: UserError where their lengths differ, for times that are not whole, inputs and levels that do not fit.
        """
        t, id, value = _whole("t", t), _whole("id", id, np.int16), _whole("value", value, np.uint8)
        if not t.shape == id.shape == value.shape == (len(t),):
            raise UserError(f"triggers have one t, id and value each; got shapes {t.shape}, {id.shape}, {value.shape}")
        order = np.argsort(t, kind="stable")
        return cls(t[order], id[order], value[order])

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, index: slice | np.ndarray) -> Triggers:
        """The triggers that a slice or a boolean mask [N] selects."""
        return Triggers(self.t[index], self.id[index], self.value[index])


@dataclass(frozen=True, eq=False)
class Frames:
    """Images of a frame camera, in the order of time.

    Attributes:
      images: [N, H, W] grey or thermal, [N, H, W, 3] RGB; uint8 or uint16; in memory or read when indexed.
      t: int64 [N], us: the middle of the exposure where it is known, else the time that the camera gave.
      start, end: int64 [N], us: the exposure is [start, end); start = end = t where it is not known.
    """

    images: Images
    t: np.ndarray
    start: np.ndarray
    end: np.ndarray

    @classmethod
    def make(
        cls, images: Images, t: ArrayLike | None = None, start: ArrayLike | None = None, end: ArrayLike | None = None
    ) -> Frames:
        """Frames from images [N, ...] and their times [N], us: `t`, or `start` and `end` of the exposures, or all three.

        Raises: UserError for other shapes and types of images, lengths that differ, times that are not whole or go
          back, exposures that end before they start.
        """
        if len(images.shape) not in (3, 4) or (len(images.shape) == 4 and images.shape[3] != 3):
            raise UserError(f"images are [N, H, W] or [N, H, W, 3], got shape {tuple(images.shape)}")
        if images.dtype not in (np.uint8, np.uint16):
            raise UserError(f"images are uint8 or uint16, got {images.dtype}")
        if t is None and (start is None or end is None):
            raise UserError("frames need their times: t, or start and end of the exposures")
        if (start is None) != (end is None):
            raise UserError("an exposure has a start and an end; got one of them")
        if start is None:
            start = end = t
        assert start is not None and end is not None
        start, end = _whole("start", start), _whole("end", end)
        t = start + (end - start) // 2 if t is None else _whole("t", t)
        for name, times in (("t", t), ("start", start), ("end", end)):
            if times.shape != (len(images),):
                raise UserError(f"there are {len(images)} images, but {name} has shape {times.shape}")
        if (end < start).any():
            raise UserError(f"the exposure of frame {int((end < start).argmax())} ends before it starts")
        if (t[1:] < t[:-1]).any():
            raise UserError(f"the times of the frames go back at frame {int((t[1:] < t[:-1]).argmax()) + 1}")
        return cls(images, t, start, end)

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, index: slice) -> Frames:
        """The frames that a slice selects, their images in memory."""
        return Frames(np.asarray(self.images[index]), self.t[index], self.start[index], self.end[index])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.images.shape[2], self.images.shape[1]


@dataclass(frozen=True, eq=False)
class Samples:
    """Values of a sensor, such as an inertial unit: `values` float32 [N, K] at `t` int64 [N], us; K `names` with units."""

    t: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True)
class Label:
    """What an observer saw: `name` of a `kind` (`KINDS`), from `onset` over `apex` to `offset`.

    Times are us on the recording's clock, None where not known. `intensity` runs from 0 (absent) to 1 (maximal);
    FACS' letters A to E are 0.2 to 1. `side`: `SIDES`.

    Raises: UserError for another kind or side, an intensity outside [0, 1], times that are not whole or out of order.
    """

    name: str
    kind: str
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    intensity: float | None = None
    side: str = "both"

    def __post_init__(self) -> None:
        if not self.name:
            raise UserError("a label needs a name")
        for field_, choices in (("kind", KINDS), ("side", SIDES)):
            if getattr(self, field_) not in choices:
                raise UserError(f"{field_} of label {self.name!r} is one of {', '.join(choices)}; got {getattr(self, field_)!r}")
        if self.intensity is not None and not 0 <= self.intensity <= 1:
            raise UserError(f"intensity of label {self.name!r} is from 0 to 1, got {self.intensity!r}")
        known = [time for time in (self.onset, self.apex, self.offset) if time is not None]
        if not all(isinstance(time, Integral) for time in known):
            raise UserError(f"times of label {self.name!r} are whole us; got {self.onset!r}, {self.apex!r}, {self.offset!r}")
        if known != sorted(known):
            raise UserError(
                f"label {self.name!r} goes from onset over apex to offset; got {self.onset}, {self.apex}, {self.offset} us"
            )

    def mirrored(self) -> Label:
        """The label of the mirror image: left and right exchanged, in `side` and in `name` (`mxsnn.events.sides`)."""
        return replace(self, name=sides.mirrored(self.name), side=sides.other(self.side))

    def symmetric(self, side: str) -> Label | None:
        """The label of a face whose other side has become the mirror image of `side`; None where nothing of it is left."""
        name = sides.symmetric(self.name, side)
        return replace(self, name=name, side="both") if name and self.side != sides.other(side) else None


@dataclass(frozen=True, eq=False)
class Recording:
    """One performance before one or several cameras, on one clock (us).

    Attributes:
      events: an `Events` or a file's, sliced by time; None where no event camera took part.
      triggers: edges of external signals.
      frames: streams of frames by name ("rgb", "grey", "thermal").
      samples: further streams by name ("imu").
      labels: what was seen, in the order of onset.
      subject, session: who, and which sitting; None where not known.
      sensor: the event camera's name.
      lux: illuminance at the face.
      conditions: anything else that is known, by name: text or numbers.
    """

    events: EventStore | None
    triggers: Triggers = field(default_factory=Triggers.make)
    frames: Mapping[str, Frames] = field(default_factory=dict)
    samples: Mapping[str, Samples] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()
    subject: str | None = None
    session: str | None = None
    sensor: str | None = None
    lux: float | None = None
    conditions: Mapping[str, str | float] = field(default_factory=dict)

    def window(self, t0: int, t1: int) -> Recording:
        """All that lies in [t0, t1), us, in memory: frames by their `t`, labels that reach into it; times stay as they are.

        Raises: UserError where t1 lies before t0.
        """
        if t1 < t0:
            raise UserError(f"a window [t0, t1) needs t0 <= t1, got [{t0}, {t1})")

        def part(t: np.ndarray) -> slice:
            return slice(*map(int, np.searchsorted(t, (t0, t1))))

        def within(label: Label) -> bool:
            times = [time for time in (label.onset, label.apex, label.offset) if time is not None]
            return not times or (times[0] < t1 and times[-1] >= t0)

        return replace(
            self,
            events=None if self.events is None else self.events.window(t0, t1),
            triggers=self.triggers[part(self.triggers.t)],
            frames={name: frames[part(frames.t)] for name, frames in self.frames.items()},
            samples={name: Samples(s.t[part(s.t)], s.values[part(s.t)], s.names) for name, s in self.samples.items()},
            labels=tuple(label for label in self.labels if within(label)),
        )
