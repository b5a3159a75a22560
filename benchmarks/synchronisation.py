"""How far off synchronisation by motion, mark and pixels is, for streams of known clocks: `python -m benchmarks.synchronisation`.

A rate of change before both cameras is known at any time. "exact": an event for each equal part of the change, frames that
differ by it. "counted": as many events at random. "noisy": 3 % of noise in each difference. "sensor": pixels of a textured
scene that fire when their logarithm has changed by a threshold, frames of 8 bits with noise, exposed for 10 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events import Events, Frames, Recording
from mxsnn.events.sync import Clock, Sync, by_motion, by_pixels
from mxsnn.events.sync.activity import Activity
from mxsnn.events.sync.mark import align_marks
from mxsnn.events.sync.motion import align

SEEDS, FPS, STEP = range(6), 30, 1000.0
TRUE = Clock(-2_345_678, 4e-5)


def smooth(rng: np.random.Generator, n: int, width: float) -> np.ndarray:
    """Normal noise [n] of variance 1 that changes over some `width` samples."""
    reach = int(4 * width)
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / 2 / width**2)
    return np.convolve(rng.normal(size=n + 2 * reach), kernel / np.sqrt((kernel**2).sum()), "valid")


def moving(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Change in each ms: movements of some 100 ms."""
    return np.exp(smooth(rng, int(seconds * 1000), 60))


def sheet(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Change in each ms: a sheet is taken away within some 300 ms at 3 s, then subtle movements."""
    t = np.arange(int(seconds * 1000)) / 1000
    return 0.01 + np.exp(-(((t - 3) / 0.15) ** 2)) + 0.01 * moving(rng, seconds) * (t > 5)


def streams(seed: int, rate: Callable[..., np.ndarray], seconds: float, counted: bool, noise: float) -> tuple[Activity, Activity]:
    """What 10,000 events a second and 30 frames a second, on another clock, tell of a rate of change."""
    rng = np.random.default_rng(seed)
    change = rate(rng, seconds)
    t, total = STEP * np.arange(len(change) + 1), np.concatenate([[0], np.cumsum(change)])
    n = int(10_000 * seconds)
    part = np.sort(rng.random(n)) if counted else (np.arange(n) + 0.5) / n
    seen = np.searchsorted(np.interp(part * total[-1], total, t), np.arange(0, t[-1], 100.0))
    taken = TRUE.inverse(np.rint(np.arange(0, t[-1], 1e6 / FPS)).astype(np.int64))
    differences = np.diff(np.interp(TRUE(taken), t, total))
    differences = np.abs(differences * (1 + noise * rng.normal(size=len(differences))))
    frames = Activity(int(taken[0]), (taken - taken[0]).astype(float), np.concatenate([[0], np.cumsum(differences)]))
    return Activity(0, np.arange(0, t[-1], 100.0), seen.astype(float)), frames


def sensor(seed: int, seconds: float, threshold: float, height: int = 48, width: int = 64) -> tuple[Events, Frames]:
    """A texture that is moved about before both cameras; 5 % of the events are noise."""
    rng = np.random.default_rng(seed)
    texture = np.kron(rng.random((40, 40)), np.ones((8, 8)))
    kernel = np.exp(-(np.arange(-8, 9) ** 2) / 2 / 2.5**2)
    for axis in (0, 1):
        texture = np.apply_along_axis(np.convolve, axis, texture, kernel / kernel.sum(), "same")
    n = int(seconds * 1000)
    often = 1 / (1 + np.exp(-3 * smooth(rng, n, 800)))
    x, y = (150 + np.cumsum(np.diff(size * smooth(rng, n, 250), prepend=0) * often) for size in (12, 9))

    def light(k: int) -> np.ndarray:
        left, top = int(x[k]), int(y[k])
        part = 0.1 + texture[top : top + height + 1, left : left + width + 1]
        part = part[:-1] * (1 - y[k] + top) + part[1:] * (y[k] - top)
        return part[:, :-1] * (1 - x[k] + left) + part[:, 1:] * (x[k] - left)

    columns: list[list[np.ndarray]] = [[], [], [], []]
    before = np.log(light(0))
    reference = before.copy()
    images, taken, exposed = [], [], []
    due = np.arange(20_000, seconds * 1e6 - 20_000, 1e6 / FPS)
    for k in range(1, n):
        now = light(k)
        after = np.log(now)
        levels = np.floor(np.abs(after - reference) / threshold).astype(int)
        for level in range(1, levels.max() + 1):
            rows = np.nonzero(levels >= level)
            sign = np.sign(after - reference)[rows]
            part = (reference[rows] + sign * level * threshold - before[rows]) / ((after - before)[rows] + 1e-12)
            for column, values in zip(columns, (STEP * (k - 1 + np.clip(part, 0, 1)), rows[1], rows[0], sign > 0), strict=True):
                column.append(values)
        reference += np.sign(after - reference) * levels * threshold
        before = after
        if len(taken) < len(due) and abs(STEP * k - due[len(taken)]) <= 5_000:
            exposed.append(now)
        elif exposed:
            noisy = np.mean(exposed, 0) * 200 + rng.normal(0, 1, now.shape)
            images.append(np.rint(np.clip(noisy, 0, 255)).astype(np.uint8))
            taken.append(due[len(taken)])
            exposed = []
    t, xs, ys, on = (np.concatenate(column) for column in columns)
    extra = len(t) // 20
    noise = (
        rng.uniform(0, STEP * n, extra),
        rng.integers(0, width, extra),
        rng.integers(0, height, extra),
        rng.random(extra) < 0.5,
    )
    whole = [np.concatenate(pair) for pair in zip((t, xs, ys, on), noise, strict=True)]
    events = Events.make(np.rint(whole[0]), *whole[1:], sensor_size=(width, height), sort=True)
    return events, Frames.make(np.stack(images), TRUE.inverse(np.rint(taken).astype(np.int64)))


def told(name: str, tries: Iterator[tuple[Callable[[], Sync], np.ndarray]]) -> None:
    """Prints how far the clocks are off at the times t [K] of the frames, and what the residuals say."""
    mean, worst, rms, refused = [], [], [], 0
    for way, t in tries:
        try:
            found = way()
        except UserError:
            refused += 1
            continue
        off = found.clock(t) - TRUE(t)
        mean.append(off.mean())
        worst.append(np.abs(off).max())
        rms.append(found.rms)
    figures = f"{refused} refused"
    if mean:
        figures = f"mean error {np.mean(mean):8.0f} us, largest {max(worst):6.0f} us, residual {np.median(rms):6.0f} us, {figures}"
    print(f"{name:34} {figures}", flush=True)


def main() -> None:
    """Prints a line for each kind of stream, over six seeds."""
    kinds = {"exact": (False, 0.0), "counted": (True, 0.0), "noisy": (False, 0.03)}
    for rate, align_, lengths in ((moving, align, (10, 60, 600)), (sheet, align_marks, (12,))):
        for seconds in lengths:
            for kind, how in kinds.items():
                made = [streams(seed, rate, seconds, *how) for seed in SEEDS]
                tries = ((lambda a=a, b=b, way=align_: way(a, b), (b.t + b.start).astype(np.int64)) for a, b in made)
                told(f"{'motion' if rate is moving else 'mark'}, {kind}, {seconds} s", tries)
    made = [(streams(seed, moving, 20, False, 0.0)[0], streams(seed + 1000, moving, 20, False, 0.0)[1]) for seed in range(100)]
    told("motion, 100 unrelated pairs, 20 s", ((lambda a=a, b=b: align(a, b), b.t.astype(np.int64)) for a, b in made))
    for threshold in (0.05, 0.1, 0.2):
        made = [sensor(seed, 20, threshold) for seed in SEEDS]
        tries = ((lambda e=e, f=f: by_motion(Recording(e), Recording(None, frames={"grey": f})), f.t) for e, f in made)
        told(f"motion, sensor of threshold {threshold}", tries)
        pixels = (
            (lambda e=e, f=f: by_pixels(Recording(e), Recording(None, frames={"grey": f}), TRUE.offset), f.t) for e, f in made
        )
        told(f"pixels, sensor of threshold {threshold}", pixels)


if __name__ == "__main__":
    main()
