"""Two clocks from edges that both have seen: the same pulses, some of them missed, some of them not the other's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import lgamma
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.recording import Recording
from mxsnn.events.sync.clock import MAX_DRIFT, Clock, Sync, fitted

_CHANCE = 0.01  # how likely a match may be by chance
_SLACK = 1 / 8  # of an interval between edges: what a match may lie off before the fit
_LOCAL = 16  # edges on each side of a guess that say whether it is followed
_FOLLOWED = 100  # guesses, of each order


class _Match(NamedTuple):
    """Edges i of x that are edges j of y, and the offset y - x in the middle of x."""

    i: np.ndarray
    j: np.ndarray
    offset: float

    def only(self, kept: np.ndarray) -> _Match:
        return _Match(self.i[kept], self.j[kept], self.offset)


def by_edges(a: ArrayLike, b: ArrayLike, near: int | None = None) -> Sync:
    """The clock from times `b` [M] to times `a` [N], us, of the same edges, by the intervals between them.

    A guess that one edge of `b` is one of `a` is followed outwards, edge by edge, while offset and drift are fitted; the
    guess with the most edges matched is taken. Edges may be missing and in excess on both sides. Edges of one period match
    as well one period later, where nothing but the ends tells: `near`, t_a - t_b in us as far as it is known, then decides.

    Raises: UserError for less than two edges, where two guesses match alike, and where so many matches are likely by chance.
    """
    return _match(a, b, near)[0]


def _match(a: ArrayLike, b: ArrayLike, near: int | None) -> tuple[Sync, int]:
    """As `by_edges`, with how many edges match."""
    a, b = (np.unique(np.asarray(t, np.int64)) for t in (a, b))
    if min(len(a), len(b)) < 2:
        raise UserError(f"edges give a clock where there are two or more on both sides; got {len(a)} and {len(b)}")
    a0, b0 = int(a[0]), int(b[0])
    x, y = (b - b0).astype(np.float64), (a - a0).astype(np.float64)
    interval = min(float(np.median(np.diff(x))), float(np.median(np.diff(y))))
    i, j, _ = _best(x, y, interval, None if near is None else float(near - a0 + b0))
    drifts = len(i) > 2
    while True:  # until no edge lies far off the others
        level, drift = fitted(x[i], y[j] - x[i], np.ones(len(i)), drifts)
        centre = x[i].mean()
        off = y[j] - x[i] - level - drift * (x[i] - centre)
        far = np.abs(off) > max(6 * 1.4826 * float(np.median(np.abs(off))), 2.0)
        if not far.any() or (~far).sum() < 3:
            break
        i, j = i[~far], j[~far]
    _refuse_chance(x, y, i, off, drifts)
    clock = Clock(a0 - b0 + round(level), drift, b0 + round(centre))
    rests = f"{len(i)} edges that match, of {len(a)} and {len(b)}" + ("" if drifts else "; a drift takes three")
    return Sync(clock, float(np.sqrt(np.mean(off**2))), float(np.abs(off).max()), rests), len(i)


def _best(x: np.ndarray, y: np.ndarray, interval: float, near: float | None) -> _Match:
    """The guess that matches most edges. Raises: UserError where there is none, or another explains as much."""
    slack = _SLACK * interval
    found: list[_Match] = []  # the best first
    for k, j, bound in _guesses(x, y, interval, near):
        if found and bound < len(found[0].i) / 2:
            continue
        if any(one.j[n] == j for one in found if (n := np.searchsorted(one.i, k)) < len(one.i) and one.i[n] == k):
            continue  # the same as another
        match = _followed(x, y, k, j, slack)
        if match is None:
            continue
        others = [one for one in found if abs(one.offset - match.offset) > 2 * slack]
        same = max((len(one.i) for one in found if abs(one.offset - match.offset) <= 2 * slack), default=0)
        if len(match.i) > same:
            found = sorted([match, *others], key=lambda one: -len(one.i))
    if not found:
        raise UserError(f"no two intervals between {len(x)} edges are found again between {len(y)} others")
    close = max(6 * float(np.median(np.abs(_left(x, y, found[0])))), 2.0)  # as the best has it: what fits by chance lies off
    found = [one.only(np.abs(_left(x, y, one)) <= close) for one in found]
    first = min(found, key=lambda one: (-len(one.i), _alone(one)))
    # How many match depends on where a recording begins and ends; whether a match is right shows in the edges between
    # that stay alone. A rival has as many for its length, but for one and three standard deviations of their number.
    share = _alone(first) / len(first.i)
    rivals = [
        one for one in found if len(one.i) > max(len(first.i) / 2, 1) and _alone(one) <= (e := share * len(one.i)) + 1 + 3 * e**0.5
    ]
    if near is not None:
        return min(rivals, key=lambda one: abs(one.offset - near))
    if len(rivals) > 1:
        apart = min(abs(one.offset - first.offset) for one in rivals if one is not first)
        raise UserError(
            f"the edges match under {len(rivals)} offsets or more, {apart:.0f} us apart, as edges of one period do: "
            "say which offset is near, or give pulses with a pause or at uneven intervals"
        )
    return first


def _left(x: np.ndarray, y: np.ndarray, match: _Match) -> np.ndarray:
    """What a fitted clock leaves between edges that match."""
    shift = y[match.j] - x[match.i]
    level, drift = fitted(x[match.i], shift, np.ones(len(shift)), len(shift) > 2)
    off = shift - level - drift * (x[match.i] - x[match.i].mean())
    return off - np.median(off)


def _alone(match: _Match) -> int:
    """Edges without a partner between the first and the last that have one."""
    return int(np.ptp(match.i) + 1 - len(match.i) + np.ptp(match.j) + 1 - len(match.j)) if len(match.i) else 0


def _guesses(x: np.ndarray, y: np.ndarray, interval: float, near: float | None) -> Iterator[tuple[int, int, int]]:
    """Pairs (k, j) that may be one edge, and a bound on how many then match: the most promising hundreds."""
    slack = _SLACK * interval
    anchors = np.unique(np.linspace(0, len(x) - 1, 9).astype(int))
    middles = (y[1:] + y[:-1]) / 2
    ks, js, local = [], [], []
    for k in anchors:
        j = np.arange(len(y))
        if near is not None:  # the offset is near the one given, but for a drift
            mean = min(x[-1] / (len(x) - 1), y[-1] / (len(y) - 1))
            j = j[np.abs(y - x[k] - near) < 2 * max(interval, mean) + MAX_DRIFT * x[-1]]
        around = x[max(k - _LOCAL, 0) : k + _LOCAL + 1] - x[k]
        wanted = y[j, None] + around
        ks.append(np.full(len(j), k))
        js.append(j)
        local.append((np.abs(y[np.searchsorted(middles, wanted)] - wanted) < slack).sum(1) / len(around))
    k, j, likely = np.concatenate(ks), np.concatenate(js), np.concatenate(local)
    offset = y[j] - x[k]
    reach = slack + MAX_DRIFT * max(x[-1], y[-1])

    def inside(t: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return np.searchsorted(t, high, "right") - np.searchsorted(t, low)

    bound = np.minimum(
        inside(x, y[0] - offset - reach, y[-1] - offset + reach), inside(y, x[0] + offset - reach, x[-1] + offset + reach)
    )
    # Uneven intervals show around a guess whether it is right; even ones only in how many edges remain at the ends.
    by_neighbours = np.lexsort((-bound, -likely))[:_FOLLOWED]
    fair = np.flatnonzero(likely >= likely.max(initial=0) / 2)
    by_bound = fair[np.lexsort((-likely[fair], -bound[fair]))][:_FOLLOWED]
    for n in dict.fromkeys(np.concatenate([by_neighbours, by_bound]).tolist()):
        yield int(k[n]), int(j[n]), int(bound[n])


def _followed(x: np.ndarray, y: np.ndarray, k: int, j: int, slack: float) -> _Match | None:
    """What matches when edge k of x is edge j of y, followed outwards; None where less than two edges do."""
    centre, level, drift, reach = x[k], y[j] - x[k], 0.0, _LOCAL
    middles = (y[1:] + y[:-1]) / 2
    while True:
        low, high = max(k - reach, 0), min(k + reach + 1, len(x))
        wanted = x[low:high] + level + drift * (x[low:high] - centre)
        found = np.searchsorted(middles, wanted)
        off = np.abs(y[found] - wanted)
        close = np.flatnonzero(off < slack)
        close = close[np.lexsort((off[close], found[close]))]
        _, nearest = np.unique(found[close], return_index=True)  # an edge of y is one of x, the nearest
        ours, theirs = close[nearest] + low, found[close[nearest]]
        if len(ours) < 2:
            return None
        shift = y[theirs] - x[ours]
        level, drift = fitted(x[ours], shift, np.ones(len(ours)), len(ours) > 2)
        centre = x[ours].mean()
        if low == 0 and high == len(x):
            return _Match(ours, theirs, float(level + drift * (x[-1] / 2 - centre)))
        reach *= 2


def _refuse_chance(x: np.ndarray, y: np.ndarray, i: np.ndarray, off: np.ndarray, drifts: bool) -> None:
    """Raises UserError where so many edges, so close, are likely among edges that have nothing to do with each other.

    An edge of chance lies within +-w of one of y with p = 2 w density; of n edges of x in the range, k or more then match
    with the upper tail of a binomial distribution, times the number of guesses. Fitted values take their edges from both.
    """
    width = max(4 * float(np.sqrt(np.mean(off**2))), 2.0)
    if not drifts:
        width = max(MAX_DRIFT * float(np.ptp(x[i])), width)  # the one interval may lie off by a drift
    fits = 2 if drifts else 1
    n, k = int(i[-1] - i[0]) + 1 - fits, len(i) - fits
    p = min(2 * width * (len(y) - 1) / float(np.ptp(y)), 1.0)
    chance = 1.0
    if p < 1:
        m = np.arange(k, n + 1)
        choose = np.array([lgamma(n + 1) - lgamma(one + 1) - lgamma(n - one + 1) for one in m])
        chance = len(x) * len(y) * float(np.exp(np.logaddexp.reduce(choose + m * np.log(p) + (n - m) * np.log1p(-p))))
    if chance > _CHANCE:
        raise UserError(
            f"the edges do not match: {k + fits} of {n + fits} within {width:.0f} us are likely by chance "
            f"(p = {min(chance, 1.0):.2g}; at most {_CHANCE} is taken)"
        )


def by_triggers(a: Recording, b: Recording, near: int | None = None) -> Sync:
    """The clock from `b` to `a`, whose input has seen the pulses that `b` has seen too, or those of `b`'s exposures.

    A pulse is a rising and a falling edge; where both match starts and ends of exposures, or edges of `b`, of either
    sign, that is taken. Else one kind of edge is matched with the starts or times of the frames, or with `b`'s edges.

    Raises: UserError where `a` has no edges, `b` neither edges nor frames, none of them match, or more than one input does.
    """
    mine, theirs = _pulses(a), _pulses(b)
    for name, frames in b.frames.items() if not theirs else ():
        exposed = (frames.end > frames.start).any()
        theirs[f"exposures of {name}" if exposed else f"times of {name}"] = (
            {"pulses": np.concatenate([frames.start, frames.end]), "rising": frames.start} if exposed else {"rising": frames.t}
        )
    if not mine:
        raise UserError("the first recording has no trigger edges")
    if not theirs:
        raise UserError("the second recording has neither trigger edges nor frames")
    refused: list[UserError] = []
    for kinds in (("pulses", "pulses"), ("rising", "rising"), ("falling", "falling"), ("falling", "rising")):
        found = []
        for (ours, one), (name, other) in ((m, t) for m in mine.items() for t in theirs.items()):
            if kinds[0] in one and kinds[1] in other:
                try:
                    sync, count = _match(one[kinds[0]], other[kinds[1]], near)
                except UserError as error:
                    refused.append(error)
                else:
                    found.append((count, replace(sync, rests=f"{kinds[0]} of {ours}, {name}: {sync.rests}")))
        if found:
            found.sort(key=lambda pair: (-pair[0], pair[1].rms))
            best = found[0][1]
            for count, other in found[1:]:
                apart = abs(int(best.clock(best.clock.reference)) - int(other.clock(best.clock.reference)))
                if apart > 1000 and count > 0.8 * found[0][0]:
                    both = " and ".join(one.rests.split(":")[0] for one in (best, other))
                    raise UserError(f"edges match alike, but {apart} us apart ({both}); keep the triggers of one input")
            return best
    raise UserError(f"no edges match: {refused[0]}" if refused else "no edges match: none are of the same kind")


def _pulses(recording: Recording) -> dict[str, dict[str, np.ndarray]]:
    """Times of the edges by input: of both levels together, and of each.

    Two inputs in a row, one with starts, one with ends, are one (as the marks of AEDAT4).
    """
    edges = recording.triggers
    ids = np.unique(edges.id).tolist()
    by_level = [{id: edges.t[(edges.id == id) & (edges.value == level)] for id in ids} for level in (1, 0)]
    found: dict[str, dict[str, np.ndarray]] = {}
    for rise, rising in by_level[0].items():
        for fall, falling in by_level[1].items():
            alone = fall == rise + 1 and not len(by_level[1][rise]) and not len(by_level[0][fall])
            if len(rising) and len(falling) and (rise == fall or alone):
                name = f"input {rise}" if rise == fall else f"inputs {rise} and {fall}"
                found[name] = {"pulses": np.concatenate([rising, falling])}
    for id in ids:
        for kind, times in zip(("rising", "falling"), by_level, strict=True):
            if len(times[id]):
                found.setdefault(f"input {id}", {})[kind] = times[id]
    return found
