"""Two clocks from a mark: a sheet of paper that covers both cameras and is taken away, a burst of change in each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.recording import Recording
from mxsnn.events.sync.activity import Activity, activity, of_events
from mxsnn.events.sync.clock import MAX_DRIFT, Clock, Sync, fitted

_STEP_US = 50_000.0  # in which activity is looked at: a frame or two, so that peaks are as high in both recordings
_QUIET_US = 500_000.0  # before a mark: the sheet does not move
_PAUSE_US = 150_000.0  # within a burst
_LOW = 0.1  # of the highest burst's peak: where a burst begins and ends
_HIGH = 0.5  # of the highest burst's peak: what counts as a mark
_SIGMAS = 8.0  # of the activity all along, by which a burst stands out; and as much above it as it is itself
_LONGEST_US = 2_000_000.0
_NEAR_US = 1_000_000.0
_UNLIKE = 0.1  # of a burst's duration: what two of the same shape do not leave


class Mark(NamedTuple):
    """A burst between `start` and `end`, whose half has happened at `middle`; us since the activity's start."""

    start: float
    middle: float
    end: float


def marks(one: Activity) -> list[Mark]:
    """The bursts of change after a quiet half second, as high as half of the highest, in the order of time.

    Raises: UserError where nothing stands out.
    """
    step = max(_STEP_US, float(np.median(np.diff(one.t))))
    t = np.arange(0, one.t[-1] + step, step)
    rate = np.diff(one.at(t))
    if len(rate) < _QUIET_US / step:
        raise UserError(f"{one.t[-1] / 1e6:g} s are too short for a mark: half a second of quiet and a burst")
    base = float(np.median(rate))
    top = float(rate.max()) - base
    scatter = 1.4826 * float(np.median(np.abs(rate - base)))
    found: list[Mark] = []
    high = np.flatnonzero(rate - base > _LOW * top)
    groups = np.split(high, np.flatnonzero(np.diff(high) * step > _PAUSE_US) + 1)
    for group in groups if top > max(base, _SIGMAS * scatter) else ():
        first, last = int(group[0]), int(group[-1]) + 1
        before = rate[max(first - int(_QUIET_US / step), 0) : first]
        if rate[first:last].max() - base < _HIGH * top or (last - first) * step > _LONGEST_US:
            continue
        if len(before) * step < 0.9 * _QUIET_US or before.mean() - base > _LOW * top / 2:
            continue
        found.append(_mark(one, t[max(first - 1, 0)], t[min(last + 1, len(t) - 1)]))
    if not found:
        raise UserError("no burst of change after half a second of quiet stands out, as a sheet that is taken away would")
    return found


def _mark(one: Activity, start: float, end: float) -> Mark:
    t, share = _shares(one, start, end)
    return Mark(start, float(np.interp(0.5, share, t)), end)


def _shares(one: Activity, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Times in and beside a burst, and the share of it, 0 to 1, that has happened by them, without what happens anyway."""
    quiet = min(_QUIET_US, start)
    base = float(np.diff(one.at(np.array([start - quiet, start])))[0]) / quiet if quiet > 0 else 0.0
    low, high = np.searchsorted(one.t, (start, end))
    t = np.concatenate([[start], one.t[low:high], [end]])
    t = np.unique(t)
    grown = one.at(t) - one.at(t[:1]) - base * (t - start)
    grown = np.maximum.accumulate(np.maximum(grown, 0))
    return t, grown / grown[-1] if grown[-1] > 0 else np.linspace(0, 1, len(t))


def by_mark(a: Recording, b: Recording, near: int | None = None) -> Sync:
    """The clock from `b` to `a` from the moment at which a sheet of paper is taken away from both cameras.

    So "Beyond the Smile" (Mayaud, Bouchy, EURECOM) does: the sheet covers both cameras for a countdown of two seconds.

    It is a burst of change after quiet, in the events of `a` and between the frames of `b` (without frames, its events).
    At each frame in the burst a share of it has happened; the time at which the same share of the events has happened is
    that frame's on the other clock, so that the offset is finer than a frame. What the frames of a burst leave is the
    residual. More marks than one give a drift too; they must be as many in both recordings. `near`, t_a - t_b in us to a
    second, tells which belong together where they are not.

    Raises: UserError where a recording has no mark, both have marks in different numbers, at different intervals or of
      different shapes.
    """
    if a.events is None:
        raise UserError("the first recording has no events")
    ours, theirs = of_events(a.events), activity(b)
    return align_marks(ours, theirs, None if near is None else float(near - ours.start + theirs.start))


def align_marks(a: Activity, b: Activity, near: float | None = None) -> Sync:
    """As `by_mark`, from both activities; `near` is for times since their starts."""
    found = []
    for which, one in (("first", a), ("second", b)):
        try:
            found.append(marks(one))
        except UserError as error:
            raise UserError(f"the {which} recording: {error}") from error
    if near is not None:
        pairs = [(m, n) for m in found[0] for n in found[1] if abs(m.middle - n.middle - near) < _NEAR_US]
    elif len(found[0]) == len(found[1]):
        pairs = list(zip(*found, strict=True))
    else:
        pairs = []
    if not pairs:
        told = [", ".join(f"{(m.middle + one.start) / 1e6:.3f} s" for m in some) for one, some in ((a, found[0]), (b, found[1]))]
        raise UserError(
            f"the marks of the recordings (at {told[0]}; at {told[1]}) do not belong together one by one; say which offset is near"
        )
    x, y, weight = (np.concatenate(parts) for parts in zip(*(_points(a, b, m, n) for m, n in pairs), strict=True))
    level, drift = fitted(x, y, weight, len(pairs) > 1)
    centre = float(np.average(x, weights=weight))
    off = y - level - drift * (x - centre)
    rms, largest = float(np.sqrt(np.average(off**2, weights=weight))), float(np.abs(off).max())
    duration = max(max(m.end - m.start, n.end - n.start) for m, n in pairs)
    if abs(drift) >= MAX_DRIFT:
        raise UserError(f"the {len(pairs)} marks do not lie at the same intervals in both recordings; cut both to one mark")
    if rms > _UNLIKE * duration:
        raise UserError(
            f"the marks are not the same in both recordings: {rms / 1e3:.0f} ms are left between bursts of {duration / 1e3:.0f} ms"
        )
    if len(x) < 2 * len(pairs):  # the sheet was gone from one frame to the next: anywhere between them
        interval = float(np.median(np.diff(b.t)))
        rms, largest = max(rms, interval / 12**0.5), max(largest, interval / 2)
    many = f"{len(pairs)} mark" + ("s" if len(pairs) > 1 else "; a drift takes two")
    told = f"{len(x)} frames in {many}; the first lies at {(pairs[0][0].middle + a.start) / 1e6:.3f} s of the first clock"
    return Sync(Clock(a.start - b.start + round(level), drift, b.start + round(centre)), rms, largest, told)


def _points(a: Activity, b: Activity, ours: Mark, theirs: Mark) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times of b's frames in a burst, what the times of equal shares in `a` are ahead of them, and how much moves then."""
    # The same span of both, as far as it is known, so that the shares are those of the same change: narrowed in three steps.
    shift = ours.middle - theirs.middle
    # It begins and ends with a frame: between frames nothing is known.
    start = float(b.t[max(np.searchsorted(b.t, theirs.start, "right") - 1, 0)])
    end = float(b.t[min(np.searchsorted(b.t, theirs.end), len(b.t) - 1)])
    for _ in range(4):
        t, share = _shares(b, start, end)
        s, other = _shares(a, start + shift, end + shift)
        inner = np.flatnonzero((share > 0.02) & (share < 0.98))
        if len(inner) < 2:  # the sheet is gone from one frame to the next
            return np.array([theirs.middle]), np.array([shift]), np.ones(1)
        x, y = t[inner], np.interp(share[inner], other, s)
        weight = np.interp(y + 1e3, s, other) - np.interp(y - 1e3, s, other) + 1e-6
        shift = float(np.average(y - x, weights=weight**2))
    return x, y - x, weight**2
