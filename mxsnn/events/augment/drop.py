"""Dropping events: each by chance, or as EventDrop those of a time, of a place or at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxsnn.events.augment._base import (
    Augmentation,
    Stream,
    arrays,
    check_chance,
    check_window,
    choose,
    happens,
    select,
    threshold,
    within,
)
from mxsnn.events.random import Key, below, bits, fold_in


@dataclass(frozen=True)
class DropEvents(Augmentation):
    """Each event for itself is dropped with probability p."""

    p: float

    def __post_init__(self) -> None:
        check_chance("p", self.p)

    def augment(self, events: Stream, key: Key) -> Stream:
        return select(events, ~happens(key, self.p, len(events.t)))


@dataclass(frozen=True)
class EventDrop(Augmentation):
    """One of four at even odds: nothing, or the events of a time, of a place, or at random are dropped.

    Of a time: those of a part of the window [start, stop) us, as long as k/10 of it, anywhere in it. Of a place: those of a box
    whose sides are k/20 of the sensor's, k from 1 to 5, anywhere on it. At random: each with probability k/10. k is from 1 to 9
    unless said. Only events of the window are given back.

    Source: Gu et al., "EventDrop: Data Augmentation for Event-based Learning", IJCAI 2021, which ends an interval with the
      recording and a box with the sensor, and drops exactly k/10 of the events; here it is k/10 on average.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        check_window(self.start, self.stop)

    def augment(self, events: Stream, key: Key) -> Stream:
        events, start = within(events, self.start, self.stop)
        xp, length, n = arrays(events), self.stop - self.start, len(events.t)
        strategy, level, place = (fold_in(key, k) for k in range(3))
        tenths = below(level, 9) + 1

        def of_a_time() -> Any:
            duration = xp.asarray([length * k // 10 for k in range(10)])[tenths]
            first = start + below(place, length - duration + 1).astype(events.t.dtype)
            return (events.t < first) | (events.t >= first + duration)

        def of_a_place() -> Any:
            outside = xp.zeros(n, bool)
            for k, (side, values) in enumerate(zip(events.sensor_size, (events.x, events.y), strict=True)):
                cut = side * (below(level, 5) + 1) // 20
                first = below(fold_in(place, k), side - cut + 1)
                outside |= (values < first) | (values >= first + cut)
            return outside

        def at_random() -> Any:
            p = xp.asarray(threshold(np.arange(10) / 10))[tenths]
            return bits(place, n) >> 1 >= p

        return select(events, choose(below(strategy, 4), lambda: xp.ones(n, bool), of_a_time, of_a_place, at_random))
