"""How much happens before a camera: events counted, or the change from frame to frame, as a total that grows with time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.recording import EventStore, Frames, Recording
from mxsnn.events.stream import Events

STEP_US = 100
"""Time over which events are counted; a motion is slower by far."""

SPREAD_US = 100_000
"""An event counts from its pixel's event before on, if that is no older: an older one ended another motion."""

LONGEST_US = 4 * 3_600_000_000
"""Longer recordings are not looked at whole."""

_ENOUGH = 1_000_000  # pairs of events of one pixel
_MOST_STEPS = 2**24  # two arrays of 128 MiB; beyond 28 minutes steps are longer


@dataclass(frozen=True, eq=False)
class Activity:
    """What happened up to a time. Raises: UserError for more than `LONGEST_US`: a clock may have jumped.

    Attributes:
      start: us, the recording's clock; the times are relative to it, so that a float holds them.
      t: float64 [K], us since `start`, ascending; the first is 0.
      total: float64 [K], non-decreasing, the first is 0; between two times it grows evenly.
    """

    start: int
    t: np.ndarray
    total: np.ndarray

    def __post_init__(self) -> None:
        if self.t[-1] > LONGEST_US:
            raise UserError(
                f"{self.t[-1] / 1e6:.0f} s from the first time to the last are more than 4 hours: did the clock jump? Cut it"
            )

    def at(self, t: np.ndarray) -> np.ndarray:
        """The total at times, us since `start`; before the first and after the last it stands."""
        return np.interp(t, self.t, self.total)

    def at_least(self, interval: float) -> Activity:
        """The same at times that lie at least `interval` us apart: every k-th."""
        every = max(1, int(np.ceil(interval / float(np.median(np.diff(self.t))))))
        return self if every == 1 else Activity(self.start, self.t[::every].copy(), self.total[::every].copy())


def counted(events: EventStore) -> Activity:
    """The number of events, each at its time. A file is read in pieces.

    Raises: UserError for fewer than two events, or all at one time.
    """
    return _total(events, ((piece.t, piece.t) for piece in events.pieces()))


def of_events(events: EventStore) -> Activity:
    """The number of events, each spread evenly over the time in which its change came about. A file is read in pieces.

    An event says that its pixel has changed by a threshold since it last fired, so on average the change is older than the
    event, by tens of ms on a faint edge. Where that pixel fired with the same polarity within `SPREAD_US`, the event counts
    evenly from then on, else where it is.

    Raises: UserError for fewer than two events, or all at one time.
    """
    return _total(events, _changes(events))


def _total(events: EventStore, changes: Iterable[tuple[np.ndarray, np.ndarray]]) -> Activity:
    """The activity of changes, of which each lasted [N] until a time [N] since another."""
    if events.span is None or events.span[0] == events.span[1]:
        raise UserError(f"{len(events)} events tell nothing of a motion")
    first, last = events.span[0] - SPREAD_US, events.span[1]
    step = max(STEP_US, -(-(last - first) // _MOST_STEPS))
    size = (last - first) // step + 2
    rate = np.zeros(size)  # its differences, until all are there
    for t, since in changes:
        low, high = (since - first) // step, (t - first) // step
        share = 1 / (high - low + 1)
        for at, sign in ((low, 1), (high + 1, -1)):
            if len(at):
                found = np.bincount(at - at.min(), sign * share)
                rate[at.min() : at.min() + len(found)] += found
    np.cumsum(rate, out=rate)
    total = np.concatenate([[0], np.cumsum(np.maximum(rate[:-1], 0))])
    return Activity(first, step * np.arange(size, dtype=np.float64), total)


def _changes(events: EventStore) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Times [N] of the events of a piece, pixel by pixel, and since when their change came about."""
    width, height = events.sensor_size
    fired, level = np.full(width * height, np.iinfo(np.int64).min // 2), np.zeros(width * height, np.uint8)
    for piece in events.pieces():
        order, since = changed_since(piece, fired, level)
        yield piece.t[order], since


def changed_since(events: Events, fired: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order [N] of events pixel by pixel and since when, us, the change of each in that order came about.

    `fired` int64 [pixels], `level` uint8 [pixels]: the time and the polarity of each pixel's event before; brought up to date.
    """
    order, before, alike = _before(events, fired, level)
    t = events.t[order]
    return order, np.where(alike & (t - before <= SPREAD_US), before, t)


def _before(events: Events, fired: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The order [N] of events pixel by pixel; of each in that order when its pixel fired before, and whether with its polarity."""
    pixel = events.y.astype(np.int64) * events.sensor_size[0] + events.x
    order = np.argsort(pixel, kind="stable")
    pixel, t, p = pixel[order], events.t[order], events.p[order]
    starts = np.flatnonzero(np.diff(pixel, prepend=-1))
    before, last = np.roll(t, 1), np.roll(p, 1)
    before[starts], last[starts] = fired[pixel[starts]], level[pixel[starts]]
    ends = np.append(starts[1:], len(t)) - 1 if len(t) else starts
    fired[pixel[ends]], level[pixel[ends]] = t[ends], p[ends]
    return order, before, last == p


def remembers(events: EventStore) -> bool:
    """Whether pixels fire with the polarity of their event before, within `SPREAD_US`, more often than chance would have it.

    Chance is the sum of the squares of both polarities' parts; 0.05 and five standard errors must lie between. Before a scene a
    change goes on, and most events are alike (0.6 to 0.95 in recordings). Where each event comes from any pixel, a pixel's
    past says nothing.
    """
    width, height = events.sensor_size
    fired, level = np.full(width * height, np.iinfo(np.int64).min // 2), np.zeros(width * height, np.uint8)
    pairs = same = on = seen = 0
    for piece in events.pieces():
        order, before, alike = _before(piece, fired, level)
        near = piece.t[order] - before <= SPREAD_US
        pairs, same = pairs + int(near.sum()), same + int((near & alike).sum())
        on, seen = on + int(np.count_nonzero(piece.p)), seen + len(piece)
        if pairs > _ENOUGH:
            break
    if not pairs:
        return False
    part = on / seen
    chance = part**2 + (1 - part) ** 2
    return same / pairs - chance > 0.05 + 5 * np.sqrt(chance * (1 - chance) / pairs)


def of_frames(frames: Frames) -> Activity:
    """The mean over the pixels of |I_k - I_(k-1)|, summed, at the times of the frames. Images are read one by one.

    Raises: UserError for fewer than three frames at different times, or images that are all the same.
    """
    times, total, before = [], [0.0], None
    for k in range(len(frames)):
        image = np.asarray(frames.images[k], np.float32)
        if before is not None:
            change = float(np.abs(image - before).mean())
            if frames.t[k] == times[-1]:
                continue  # a frame given twice
            total.append(total[-1] + change)
        times.append(int(frames.t[k]))
        before = image
    if len(times) < 3 or total[-1] == 0:
        raise UserError(f"{len(times)} frames tell nothing of a motion" + (": all are the same" if len(times) > 2 else ""))
    return Activity(times[0], (np.array(times) - times[0]).astype(np.float64), np.array(total))


def activity(recording: Recording) -> Activity:
    """That of the recording's frames, the first stream where there are several, else of its events.

    Raises: UserError where there is neither, or nothing moves.
    """
    for frames in recording.frames.values():
        return of_frames(frames)
    if recording.events is None:
        raise UserError("a recording without frames and events tells nothing of a motion")
    return of_events(recording.events)
