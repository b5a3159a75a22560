"""Two clocks from pixels that events and frames share, as in a camera that gives both."""

from __future__ import annotations

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.recording import EventStore, Frames, Recording
from mxsnn.events.sync.activity import SPREAD_US, changed_since
from mxsnn.events.sync.clock import FEWEST, Clock, Sync, line

REACH_US = 250_000.0
"""How far the clocks may lie from `near`."""

_MOST = 48  # intervals that are looked at: those in which most changes
_DARK = 10.0  # grey levels (of 255) added before the logarithm: below them a frame is noise
_ALIKE = 64  # pixels that tell as much as one, as neighbours are alike
_SIGMAS = 5.0


def by_pixels(a: Recording, b: Recording, near: int | None = None) -> Sync:
    """The clock from `b` to `a`: under it the events at each pixel, ON less OFF, follow its change from frame to frame.

    For frames of the pixels of the event camera (DAVIS), or brought onto them. log(I_k + 10) - log(I_(k-1) + 10) is correlated
    with the signed count of `a`'s events in [t'_(k-1), t'_k) over all pixels, for offsets within 0.25 s of `near` (t_a - t_b,
    us; None: the clocks are one, which is checked). An event counts in the middle of the time in which its change came about
    (`mxsnn.events.sync.activity.of_events`). A few intervals do: their own best offsets give offset, drift and residual.

    The correlation must be 5 standard deviations off none, counted as if 64 pixels were one.

    Raises: UserError where there are no such frames and events, or the correlation is not significant.
    """
    if a.events is None or a.events.span is None:
        raise UserError("the first recording has no events")
    frames = next((frames for frames in b.frames.values() if frames.size == a.events.sensor_size), None)
    if frames is None:
        size = "x".join(map(str, a.events.sensor_size))
        raise UserError(f"the second recording has no frames of the event camera's {size} pixels")
    start, offset = int(frames.t[0]) if len(frames) else 0, near or 0
    first, last = (one - offset - start for one in a.events.span)
    t = (frames.t - start).astype(np.float64)
    inside = [k for k in range(1, len(t)) if t[k] > t[k - 1] and t[k - 1] >= first and t[k] <= last]
    if len(inside) < 2:
        raise UserError(f"{len(inside)} intervals between frames lie within the events; it takes two")
    chosen = _most_changed(frames, inside)
    interval = float(np.median([t[k] - t[k - 1] for k in chosen]))
    step = max(interval / 8, REACH_US / 256)
    by = np.arange(-REACH_US, REACH_US + 1, step)
    r = np.empty((len(chosen), len(by)))
    best = np.empty(len(chosen))
    for row, k in enumerate(chosen):
        change = (_log(frames, k) - _log(frames, k - 1)).ravel()
        r[row] = _correlations(a.events, start + offset, t[k - 1], t[k], change, by)
    mean = r.mean(0)
    peak = int(mean.argmax())
    independent = len(chosen) * a.events.sensor_size[0] * a.events.sensor_size[1] / _ALIKE
    chance = _SIGMAS / float(np.sqrt(max(independent, 1)))
    if not mean[peak] > chance:
        raise UserError(
            f"events and frames do not go together at their pixels: the correlation reaches {mean[peak]:.2f}, by chance up to "
            f"{chance:.2f}; are the frames of these pixels, and the clocks less than 0.25 s apart (say which offset is near)?"
        )
    if not 2 <= peak < len(by) - 2:
        raise UserError("the correlation grows towards the end of the offsets that were tried: say which offset is near")
    # Each interval's own vertex near the common one.
    weight = np.zeros(len(chosen))
    for row in range(len(chosen)):
        curve, slope, _ = np.polyfit(np.arange(-2, 3), r[row, peak - 2 : peak + 3], 2)
        if curve < 0 and abs(slope) < -4 * curve:
            best[row], weight[row] = by[peak] - slope / (2 * curve) * step, -curve
    used = weight > 0
    if used.sum() < 2:
        raise UserError("the offset cannot be found to less than a frame: the correlation has no distinct peak")
    middle = np.array([(t[k - 1] + t[k]) / 2 for k in chosen])
    level, drift, centre = line(middle, best, weight, (float(by[peak]), 0.0, float(middle.mean())))
    used = weight > 0
    off = best[used] - level - drift * (middle[used] - centre)
    told = f"a correlation of {mean[peak]:.2f} at the pixels of {used.sum()} intervals between frames, by chance up to {chance:.2f}"
    return Sync(
        Clock(offset + round(level), drift, start + round(centre)),
        float(np.sqrt(np.average(off**2, weights=weight[used]))),
        float(np.abs(off).max()),
        told if used.sum() >= FEWEST else f"{told}; a drift takes {FEWEST}",
    )


def _log(frames: Frames, k: int) -> np.ndarray:
    image = np.asarray(frames.images[k], np.float32)
    image = image.mean(2) if image.ndim == 3 else image
    return np.log(image / (np.iinfo(frames.images.dtype).max / 255) + _DARK)


def _most_changed(frames: Frames, inside: list[int]) -> list[int]:
    """Those of the intervals in which most changes, in order; of very many, every so-manieth is looked at."""
    few = inside[:: -(-len(inside) // (4 * _MOST))]
    if len(few) <= _MOST:
        return few
    change = [float(np.abs(_log(frames, k) - _log(frames, k - 1)).mean()) for k in few]
    return sorted(few[n] for n in np.argsort(change)[-_MOST:])


def _correlations(events: EventStore, zero: int, t0: float, t1: float, change: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The correlation over the pixels of their change with the signed count of events in [t0 + by, t1 + by), us after `zero`."""
    width, height = events.sensor_size
    part = events.window(zero + int(t0 + by[0]) - 2 * SPREAD_US, zero + int(t1 + by[-1]) + SPREAD_US)
    fired, level = np.full(width * height, np.iinfo(np.int64).min // 2), np.zeros(width * height, np.uint8)
    order, since = changed_since(part, fired, level)
    t = (part.t[order] + since) / 2 - zero
    pixel = (part.y.astype(np.int64) * width + part.x)[order]
    sign = 2.0 * part.p[order] - 1
    order = np.argsort(t, kind="stable")
    t, pixel, sign = t[order], pixel[order], sign[order]
    change = change - change.mean()
    found = np.zeros(len(by))
    for n, shift in enumerate(by):
        low, high = np.searchsorted(t, (t0 + shift, t1 + shift))
        count = np.bincount(pixel[low:high], sign[low:high], width * height)
        scale = float(np.sqrt(((count - count.mean()) ** 2).sum() * (change**2).sum()))
        found[n] = float(count @ change) / scale if scale > 0 else 0.0
    return found
