"""A small generated data set, whose classes come in pairs that only the order of events tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mxsnn.data.datasets.base import Origin, Recordings
from mxsnn.errors import UserError
from mxsnn.events import Events
from mxsnn.events.frames import check_positive
from mxsnn.events.stream import check_sensor_size

#: The length of every recording in us: events lie in [0, DURATION).
DURATION = 100_000
#: Consecutive classes are a pair: the second is the first with time reversed.
CLASSES = ("right", "left", "down", "up", "grow", "shrink")

_EVENTS_PER_EDGE = 1.5  # of a pixel that an edge passes, on average
_EDGE_JITTER = 1_500.0  # us, standard deviation of an event about the passing of its edge
_NOISE_RATE = 2.0  # events per pixel and second, anywhere in time and of both polarities


def smoke(n: int = 600, seed: int = 0, sensor_size: Sequence[int] = (32, 24)) -> Recordings:
    """`n` recordings of 100 ms: a bar that sweeps right or left, down or up, a ring that grows or shrinks.

    A brighter shape passes at jittered place, size and speed: ON events where it arrives, OFF events where it leaves,
    noise everywhere. The second class of each pair is drawn like the first and then played backwards,
    t' = DURATION - 1 - t, with polarities kept. So (x, y, p) have the same distribution in both classes of a pair: a
    sum over time tells three kinds apart, and no more.

    Recording i depends on (seed, i) and the sensor alone. Its class is i modulo 6; every fifth six are marked `test`.

    Raises: UserError for fewer recordings than 1, a seed that is negative or not whole, a sensor below 8x8 pixels.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise UserError(f"seed is a whole number of at least 0, got {seed!r}")
    index = np.arange(check_positive("n", n))
    width, height = check_sensor_size(sensor_size)
    if min(width, height) < 8:
        raise UserError(f"the shapes need a sensor of at least 8x8 pixels, got {width}x{height}")
    return Recordings(
        source=_Smoke(int(seed), (width, height)),
        labels=index % len(CLASSES),
        classes=CLASSES,
        sensor_size=(width, height),
        test=index // len(CLASSES) % 5 == 4,
        identities=tuple(f"smoke version=1 n={n} seed={seed} sensor={width}x{height} index={i}" for i in range(n)),
    )


@dataclass(frozen=True)
class _Smoke:
    seed: int
    sensor_size: tuple[int, int]

    def __call__(self, index: int) -> Events:
        pair, backwards = divmod(index % len(CLASSES), 2)
        rng = np.random.default_rng((self.seed, index))
        events = _draw(rng, pair, self.sensor_size)
        return reverse(events) if backwards else events

    def origin(self, index: int) -> Origin:
        return (), f"{self} {index}"


def reverse(events: Events) -> Events:
    """The stream played backwards within [0, DURATION), polarities kept."""
    return Events(DURATION - 1 - events.t[::-1], events.x[::-1], events.y[::-1], events.p[::-1], events.sensor_size)


def _draw(rng: np.random.Generator, pair: int, sensor_size: tuple[int, int]) -> Events:
    """One recording of the first class of a pair."""
    width, height = sensor_size
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(width), np.arange(height)))
    # Where each pixel lies along the motion, and whether the shape passes it.
    if pair == 2:
        centre_x, centre_y = rng.uniform(0.35, 0.65) * (width - 1), rng.uniform(0.35, 0.65) * (height - 1)
        along, reach = np.hypot(x - centre_x, y - centre_y), rng.uniform(0.4, 0.55) * min(sensor_size)
        passed = along <= reach
    else:
        along, across, reach, side = (x, y, width, height) if pair == 0 else (y, x, height, width)
        length = rng.uniform(0.4, 0.7) * side
        first = rng.uniform(0, side - length)
        passed = (first <= across) & (across < first + length)
    onset, crossing = rng.uniform(0, 0.2) * DURATION, rng.uniform(0.5, 0.7) * DURATION
    thickness = rng.uniform(0.08, 0.16) * DURATION  # as the time that a pixel stays bright
    arrival = onset + along / reach * crossing

    parts = []
    for polarity, passing in ((1, arrival), (0, arrival + thickness)):
        pixels = np.repeat(np.flatnonzero(passed), rng.poisson(_EVENTS_PER_EDGE, int(passed.sum())))
        parts.append((rng.normal(passing[pixels], _EDGE_JITTER), pixels, np.full(len(pixels), polarity)))
    noise = rng.poisson(_NOISE_RATE * DURATION * 1e-6 * width * height)
    parts.append((rng.uniform(0, DURATION, noise), rng.integers(0, width * height, noise), rng.integers(0, 2, noise)))

    t, pixels, p = (np.concatenate(column) for column in zip(*parts, strict=True))
    t = np.floor(t).astype(np.int64)
    inside = (t >= 0) & (t < DURATION)
    t, pixels, p = t[inside], pixels[inside], p[inside]
    return Events.make(t, x[pixels], y[pixels], p, sensor_size, sort=True)
