"""Two clocks from what moves before both cameras: the events of a time against the change of the frames in it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.recording import Recording
from mxsnn.events.sync.activity import Activity, activity, counted, of_events, remembers
from mxsnn.events.sync.clock import FEWEST, MAX_DRIFT, Clock, Line, Sync, line

FINEST_US = 10_000.0
"""Shorter intervals between frames are put together: a face does not move faster."""

_CHUNK_US = 60e6  # in which clocks that drift apart stay within a frame interval or two of each other
_CHUNKS = 4  # that are tried, those with most motion first
_SLOW_US = 4e6  # changes slower than this (light, posture) say nothing of an offset
_SHARE = 0.5  # of the shorter stream that must overlap
_SURROGATES = 40
_SIGMAS = 5.0  # of the surrogates' peaks; what is normal exceeds their mean by so much once in millions, what is Gumbel in 1,000
_LEAST = 32  # intervals between frames
_PER_WINDOW = 48
_MOST_WINDOWS = 64


def by_motion(a: Recording, b: Recording, near: int | None = None) -> Sync:
    """The clock from `b` to `a`: under it the events of `a` in each interval between frames of `b` follow the change over it.

    d_k = mean |I_k - I_(k-1)| is compared with n_k, the events of `a` in [t'_(k-1), t'_k). Coarsely by normalised
    cross-correlation over all offsets under which half of the shorter recording overlaps (those within 1 s of `near`,
    t_a - t_b in us, where it is given); then, in windows, the offset that minimises the square of d - (g n + c) over g, c
    and the offset, to a fraction of a frame; the windows' offsets give offset and drift, and what they leave is the residual.
    Without frames in `b`, its events of 10 ms each stand for them. An event of `a` counts evenly over the time since its
    pixel's last one (`of_events`), as that of a faint edge comes late; but at its own time where pixels do not remember.

    The peak of the correlation must lie 5 standard deviations above the mean of the peaks that 40 surrogates reach: `b` cut
    into blocks that are shuffled, so that it keeps what is alike in all recordings and loses what they share.

    Raises: UserError where a recording does not move, is too short, the correlation is not significant, or a second offset
      is about as good (as with a periodic motion).
    """
    if a.events is None:
        raise UserError("the first recording has no events")
    ours = of_events(a.events) if remembers(a.events) else counted(a.events)
    theirs = activity(b).at_least(FINEST_US)
    return align(ours, theirs, None if near is None else float(near - ours.start + theirs.start))


def align(a: Activity, b: Activity, near: float | None = None) -> Sync:
    """As `by_motion`, from both activities; `near` is for times since their starts."""
    if len(b.t) <= _LEAST:
        raise UserError(f"{len(b.t) - 1} intervals between frames are too few to compare; it takes {_LEAST}")
    offset, at, peak, chance = _coarse(a, b, near)
    interval = float(np.median(np.diff(b.t)))
    inside = np.flatnonzero((b.t + offset >= -interval) & (b.t + offset <= a.t[-1] + interval))
    count = int(np.clip(len(inside) // _PER_WINDOW, FEWEST, _MOST_WINDOWS))
    windows = [b.t[part] for part in np.array_split(inside, count)]
    middle = np.array([t.mean() for t in windows])
    shift, weight = np.full(count, np.nan), np.zeros(count)
    clock = offset, 0.0, at
    # From the window in which the offset was found outwards; a neighbour lies off by what clocks drift in between.
    for k in np.argsort(np.abs(middle - at)):
        known = np.flatnonzero(weight > 0)
        near_by = np.abs(middle[known] - middle[k]).min() if len(known) else abs(middle[k] - at)
        reach = interval + MAX_DRIFT * near_by
        shift[k], weight[k] = _lowest(a, b, windows[k], clock, np.arange(-reach, reach + 1, interval / 8))
        clock = line(middle, shift, weight, clock)
    distinct = weight > 0
    for _ in range(8):
        for k in np.flatnonzero(distinct):
            shift[k], weight[k] = _step(a, b, windows[k], clock, interval / 4)
        clock = line(middle, shift, weight, clock)
    used = weight > 0
    if not used.any():
        raise UserError("the offset cannot be found to less than a frame: no part of the recordings has a distinct motion")
    level, drift, centre = clock
    off = shift[used] - level - drift * (middle[used] - centre)
    share = weight[used] / weight[used].sum()
    correlation = _correlation(a, b, b.t[inside], clock)
    told = (
        f"a correlation of {correlation:.2f} over {len(inside) - 1} intervals between frames, in {used.sum()} windows; "
        f"peak {peak:.2f}, by chance up to {chance:.2f}"
    )
    return Sync(
        Clock(a.start - b.start + round(level), drift, b.start + round(centre)),
        float(np.sqrt((share * off**2).sum())),
        float(np.abs(off).max()),
        told,
    )


def _mapped(t: np.ndarray, clock: Line) -> np.ndarray:
    offset, drift, centre = clock
    return t + offset + drift * (t - centre)


def _pairs(a: Activity, b: Activity, t: np.ndarray, clock: Line, by: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """What happened in `a` and in `b` between consecutive times of `b`, moved by `by`."""
    return np.diff(a.at(_mapped(t, clock) + by)), np.diff(b.at(t))


def _correlation(a: Activity, b: Activity, t: np.ndarray, clock: Line, by: float = 0.0) -> float:
    n, d = _pairs(a, b, t, clock, by)
    n, d = n - n.mean(), d - d.mean()
    scale = float(np.sqrt((n @ n) * (d @ d)))
    return float(n @ d) / scale if scale > 0 else 0.0


def _lowest(a: Activity, b: Activity, t: np.ndarray, clock: Line, by: np.ndarray) -> tuple[float, float]:
    """The best of the offsets `by` (us, beside the clock) for one window, as an offset at its middle; weight 1, 0 for none."""
    r = np.array([_correlation(a, b, t, clock, one) for one in by])
    best = int(r.argmax())
    sure = r[best] > 0.3 and 0 < best < len(r) - 1
    return float(_mapped(t.mean(), clock) - t.mean() + by[best]), float(sure)


def _step(a: Activity, b: Activity, t: np.ndarray, clock: Line, width: float) -> tuple[float, float]:
    """One step of Gauss and Newton for one window: its offset at the middle, and what it tells of it (1 / variance, to scale).

    d = g n + c + g s dn/ds is linear in g, c and g s. Intervals count by 1 / (n + mean of n), as counts vary by their root.
    """
    n, d = _pairs(a, b, t, clock)
    slope = (_pairs(a, b, t, clock, width)[0] - _pairs(a, b, t, clock, -width)[0]) / (2 * width)
    root = np.sqrt(1 / (n + n.mean())) if n.any() else np.zeros(len(n))
    x = np.stack([n, np.ones(len(n)), slope]) * root
    normal = x @ x.T
    if np.linalg.cond(normal / np.outer(*2 * (np.sqrt(normal.diagonal() + 1e-300),))) > 1e9:
        return np.nan, 0.0
    gain, _, moved = np.linalg.solve(normal, x @ (d * root))
    if gain <= 0:
        return np.nan, 0.0
    step = float(np.clip(moved / gain, -2 * width, 2 * width))
    return float(_mapped(t.mean(), clock) - t.mean()) + step, float(gain**2 / np.linalg.inv(normal)[2, 2])


def _coarse(a: Activity, b: Activity, near: float | None) -> tuple[float, float, float, float]:
    """(offset, where in b, us, its correlation, that of chance), to half a frame interval.

    Raises: UserError where no offset is significant, or another is about as good.
    """
    step = max(float(np.median(np.diff(b.t))) / 2, FINEST_US / 2)
    ours = _steps(a, 0.0, a.t[-1], step)
    chunks = max(1, int(np.ceil(b.t[-1] / _CHUNK_US)))
    edges = np.linspace(0, b.t[-1], chunks + 1)
    moving = np.argsort([-np.diff(b.at(np.arange(low, high, step))).std() for low, high in pairwise(edges)])
    tried = []
    for k in moving[:_CHUNKS]:
        theirs = _steps(b, edges[k], edges[k + 1], step)
        if len(theirs) < _LEAST or len(ours) < _LEAST or not theirs.any() or not ours.any():
            continue
        found = _peak(ours, theirs, None if near is None else (near + edges[k]) / step, max(1e6 / step, 2))
        if found is None:
            continue
        lag, peak, chance, other = found
        tried.append((peak, chance))
        if peak <= chance:
            continue
        offset = lag * step - edges[k]
        if other is not None:
            raise UserError(
                f"offsets {abs(other - lag) * step / 1e6:.2f} s apart are about as good, as with a periodic motion; "
                "say which offset is near"
            )
        return offset, (edges[k] + edges[k + 1]) / 2, peak, chance
    if not tried:
        raise UserError("the recordings do not overlap enough to be compared, or nothing moves in one of them")
    peak, chance = max(tried, key=lambda pair: pair[0] - pair[1])
    raise UserError(
        f"events and frames do not go together under any offset: the correlation reaches {peak:.2f}, by chance up to {chance:.2f}; "
        "synchronise by triggers or a mark"
    )


def _steps(one: Activity, low: float, high: float, step: float) -> np.ndarray:
    """The activity in steps of time, as its logarithm above what is common (a burst must not decide), without what is slow."""
    amount = np.diff(one.at(np.arange(low, high, step)))
    amount = np.log1p(amount / max(float(np.median(amount)), float(amount.mean()) / 10, 1e-12)) if len(amount) else amount
    width = int(min(_SLOW_US / step, len(amount) / 3)) | 1
    if len(amount) < 3:
        return amount - amount.mean() if len(amount) else amount
    around = np.pad(amount, width // 2, mode="reflect")
    total = np.concatenate([[0], np.cumsum(around)])
    return amount - (total[width:] - total[:-width]) / width


def _peak(a: np.ndarray, b: np.ndarray, near: float | None, reach: float) -> tuple[int, float, float, int | None] | None:
    """(lag, peak, what chance reaches, a rival's lag or None) of the correlation of b with a; None where there is no lag."""
    least = max(_LEAST, int(_SHARE * min(len(a), len(b))))
    lags = np.arange(-(len(b) - least), len(a) - least + 1)
    if near is not None:
        lags = lags[np.abs(lags - near) <= reach]
    if not len(lags):
        return None
    size = 1 << (len(a) + len(b) - 1).bit_length()
    spectrum = np.fft.rfft(a, size)
    score = _correlations(a, spectrum, b, lags)
    best = int(score.argmax())
    rng = np.random.default_rng(0)
    block = int(np.clip(len(b) / 16, 8, max(_SLOW_US / FINEST_US, 8)))
    peaks = []
    for _ in range(_SURROGATES):
        turned = np.roll(b, rng.integers(len(b)))
        parts = np.array_split(turned, max(len(b) // block, 2))
        peaks.append(_correlations(a, spectrum, np.concatenate([parts[k] for k in rng.permutation(len(parts))]), lags).max())
    chance = float(np.mean(peaks) + _SIGMAS * np.std(peaks))
    # The main lobe ends where the correlation has fallen to half; a second peak beyond it must stay well below.
    below = score < score[best] / 2
    left = int(np.flatnonzero(below[:best])[-1]) if below[:best].any() else 0
    right = best + int(below[best:].argmax()) if below[best:].any() else len(score)
    beyond = np.concatenate([np.arange(left), np.arange(right, len(score))])
    rival = beyond[score[beyond].argmax()] if len(beyond) else None
    other = int(lags[rival]) if rival is not None and score[rival] > 0.9 * score[best] else None
    return int(lags[best]), float(score[best]), chance, other


def _correlations(a: np.ndarray, spectrum: np.ndarray, b: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """The correlation of b[j] with a[j + lag] over all j that both have, by the root of their share: a short overlap is luck."""
    size = 2 * (len(spectrum) - 1)
    product = np.fft.irfft(spectrum * np.fft.rfft(b, size).conj(), size)[lags]
    first, last = np.maximum(0, -lags), np.minimum(len(b), len(a) - lags)
    n = last - first

    def sums(of: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        total = np.concatenate([[0], np.cumsum(of)])
        return total[high] - total[low]

    sa, saa = (sums(one, first + lags, last + lags) for one in (a, a * a))
    sb, sbb = (sums(one, first, last) for one in (b, b * b))
    scale = np.sqrt(np.maximum(saa - sa * sa / n, 0) * np.maximum(sbb - sb * sb / n, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(scale > 1e-9 * max(float(np.abs(product).max()), 1e-300), (product - sa * sb / n) / scale, 0.0)
    return r * np.sqrt(n / n.max())
