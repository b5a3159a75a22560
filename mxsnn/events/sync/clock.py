"""From one clock to another: the map, how well it fits, and a recording moved by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.recording import EventStore, Frames, Label, Recording, Samples, Triggers
from mxsnn.events.stream import Events

MAX_DRIFT = 1e-3
"""Two clocks that differ by more are no clocks: a crystal is good for 1e-4, and a wrong match soon asks for more than this."""

FEWEST = 4
"""Offsets at different times that give a drift."""

_DRIFT = 1e-4  # of two crystals, as a standard deviation


@dataclass(frozen=True)
class Clock:
    """t' = t + offset + drift (t - reference): times of one clock as those of another.

    Whole us in, whole us out: the order stays, and what a float cannot hold of a clock that counts from 1970 is not lost.

    Attributes:
      offset: us, at the time `reference` of the first clock.
      drift: what the second clock gains in a second, in s; 1e-6 is 1 ppm.
      reference: us on the first clock; where the fit is centred.

    Raises: UserError for a drift that is none of a clock.
    """

    offset: int
    drift: float = 0.0
    reference: int = 0

    def __post_init__(self) -> None:
        if not abs(self.drift) <= 0.5:
            raise UserError(f"the drift of a clock lies between -0.5 and 0.5, got {self.drift!r}")

    def __call__(self, t: ArrayLike) -> np.ndarray:
        """Times [N], us, as int64 [N]."""
        t = np.asarray(t, np.int64)
        return t + self.offset + np.rint(self.drift * (t - self.reference)).astype(np.int64)

    @property
    def inverse(self) -> Clock:
        """The way back, to the us that rounding leaves."""
        return Clock(-self.offset, -self.drift / (1 + self.drift), self.reference + self.offset)

    def moved(self, recording: Recording) -> Recording:
        """All of a recording on the other clock; events of a file are moved as they are read."""

        def one(time: int | None) -> int | None:
            return None if time is None else int(self(time))

        def label(old: Label) -> Label:
            return replace(old, onset=one(old.onset), apex=one(old.apex), offset=one(old.offset))

        events = recording.events
        if isinstance(events, Events):
            events = self._events(events)
        elif events is not None:
            events = _Moved(events, self)
        return replace(
            recording,
            events=events,
            triggers=Triggers(self(recording.triggers.t), recording.triggers.id, recording.triggers.value),
            frames={n: Frames(f.images, self(f.t), self(f.start), self(f.end)) for n, f in recording.frames.items()},
            samples={n: Samples(self(s.t), s.values, s.names) for n, s in recording.samples.items()},
            labels=tuple(label(old) for old in recording.labels),
        )

    def _events(self, events: Events) -> Events:
        return Events(self(events.t), events.x, events.y, events.p, events.sensor_size)


@dataclass(frozen=True)
class _Moved:
    """The events of a file on another clock."""

    store: EventStore
    clock: Clock

    @property
    def sensor_size(self) -> tuple[int, int]:
        return self.store.sensor_size

    @property
    def span(self) -> tuple[int, int] | None:
        if self.store.span is None:
            return None
        first, last = self.clock(np.array(self.store.span))
        return int(first), int(last)

    def __len__(self) -> int:
        return len(self.store)

    def window(self, t0: int, t1: int) -> Events:
        if t1 < t0:
            raise UserError(f"a window [t0, t1) needs t0 <= t1, got [{t0}, {t1})")
        low, high = self.clock.inverse(np.array([t0, t1]))
        return self.clock._events(self.store.window(int(low) - 4, int(high) + 4)).window(t0, t1)  # 4 us: rounding, both ways

    def pieces(self) -> Iterator[Events]:
        for piece in self.store.pieces():
            yield self.clock._events(piece)


@dataclass(frozen=True)
class Sync:
    """How a second recording comes onto the clock of a first.

    Attributes:
      clock: from the second's times to the first's.
      rms, largest: what is left between both, us: root of the mean square, and the largest.
      rests: on how much it stands, in words.
    """

    clock: Clock
    rms: float
    largest: float
    rests: str


def fitted(x: np.ndarray, y: np.ndarray, weight: np.ndarray, drifts: bool) -> tuple[float, float]:
    """(a, b) of y = a + b (x - mean of x) by weighted least squares; b is 0 where not `drifts`, and within `MAX_DRIFT`."""
    centre = np.average(x, weights=weight)
    a, d = np.average(y, weights=weight), x - centre
    b = np.average(y * d, weights=weight) / np.average(d * d, weights=weight) if drifts and d.any() else 0.0
    return float(a), float(np.clip(b, -MAX_DRIFT, MAX_DRIFT))


Line = tuple[float, float, float]
"""(offset, drift, centre), us: t' = t + offset + drift (t - centre)."""


def line(middle: np.ndarray, shift: np.ndarray, weight: np.ndarray, before: Line) -> Line:
    """The line through the windows' offsets; one that lies far off the others loses its weight. `FEWEST` give a drift.

    What crystals do (`_DRIFT`) is known beforehand: it holds the drift where the windows tell less.
    """
    for _ in range(len(weight)):
        used = np.flatnonzero(weight > 0)
        if not len(used):
            return before
        x, y, w = middle[used], shift[used], weight[used]
        level, drift = fitted(x, y, w, len(used) >= FEWEST)
        centre = float(np.average(x, weights=w))
        off = np.abs(y - level - drift * (x - centre)) * np.sqrt(w)
        if len(used) < 5 or off.max() <= 6 * 1.4826 * np.median(off) + 1e-6:
            break
        weight[used[off.argmax()]] = 0.0
    if drift:
        variance = float((off**2).sum()) / (len(used) - 2) / float((w * (x - centre) ** 2).sum())
        drift /= 1 + variance / _DRIFT**2
    return level, drift, centre
