"""Flips: of the image, of polarity, of time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mxsnn.events import sides
from mxsnn.events.augment._base import (
    Augmentation,
    Stream,
    arrays,
    check_chance,
    check_window,
    choose,
    either,
    happens,
    taken,
    within,
)
from mxsnn.events.random import Key
from mxsnn.events.stream import Events


@dataclass(frozen=True)
class FlipLR(Augmentation):
    """With probability p the mirror image: x' = width - 1 - x; left and right are exchanged in names, whatever the viewpoint."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check_chance("p", self.p)

    def augment(self, events: Stream, key: Key) -> Stream:
        last = events.sensor_size[0] - 1
        return choose(happens(key, self.p), lambda: events, lambda: replace(events, x=last - events.x))

    def relabel(self, name: str, key: Key) -> str:
        return sides.mirrored(name) if happens(key, self.p) else name

    def names(self, name: str) -> set[str]:
        return either(self.p, sides.mirrored(name), name=name)


@dataclass(frozen=True)
class FlipUD(Augmentation):
    """With probability p upside down: y' = height - 1 - y; the words up and down are exchanged in names."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check_chance("p", self.p)

    def augment(self, events: Stream, key: Key) -> Stream:
        last = events.sensor_size[1] - 1
        return choose(happens(key, self.p), lambda: events, lambda: replace(events, y=last - events.y))

    def relabel(self, name: str, key: Key) -> str:
        return sides.upside_down(name) if happens(key, self.p) else name

    def names(self, name: str) -> set[str]:
        return either(self.p, sides.upside_down(name), name=name)


@dataclass(frozen=True)
class FlipPolarity(Augmentation):
    """With probability p every event of the other polarity: ON is OFF and OFF is ON."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check_chance("p", self.p)

    def augment(self, events: Stream, key: Key) -> Stream:
        return choose(happens(key, self.p), lambda: events, lambda: replace(events, p=events.p ^ 1))


@dataclass(frozen=True)
class PolarityNoise(Augmentation):
    """Each event for itself of the other polarity with probability p; Spiking-FER's flip of polarities."""

    p: float

    def __post_init__(self) -> None:
        check_chance("p", self.p)

    def augment(self, events: Stream, key: Key) -> Stream:
        return replace(events, p=events.p ^ happens(key, self.p, len(events.t)))


@dataclass(frozen=True)
class TimeReversal(Augmentation):
    """With probability p the window [start, stop) us backwards: t' = start + stop - 1 - t, and polarities flipped.

    What grew brighter grows darker when it is played backwards, so polarity is flipped unless `flip_polarity` is False. Names stay
    as they are: it is for labels that do not depend on the order of events. Only events of the window are given back.
    """

    start: int
    stop: int
    p: float = 0.5
    flip_polarity: bool = True

    def __post_init__(self) -> None:
        check_window(self.start, self.stop)
        check_chance("p", self.p)

    def augment(self, events: Stream, key: Key) -> Stream:
        events, start = within(events, self.start, self.stop)

        def reverse() -> Stream:
            if isinstance(events, Events):
                back = taken(events, slice(None, None, -1), len(events))
            else:  # padding lies behind the events, and stays there: places below 0 are those of the padding
                last = events.count - 1 - arrays(events).arange(len(events.t))
                back = taken(events, last.clip(0), events.count)
            return replace(back, t=2 * start + (self.stop - self.start - 1) - back.t, p=back.p ^ self.flip_polarity)

        return choose(happens(key, self.p), lambda: events, reverse)
