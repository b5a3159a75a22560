"""Encodings and filters of each kind, streams that they are tried on, and how results of host and device are compared."""

from __future__ import annotations

import jax
import numpy as np
from hypothesis import strategies as st

from mxsnn.events import Events, encodings
from mxsnn.events.filters import (
    BackgroundActivity,
    Crop,
    Decimation,
    Flicker,
    HotPixels,
    Integrate,
    MergePolarities,
    MovingCrop,
    Polarity,
    Pool,
    RateLimit,
    Refractory,
)

SIZE = (5, 3)  # width, height: not square
CAPACITY = 64  # more than `streams` draws
FAR = 2**40 + 1  # us: a clock that an int32 does not hold
ORIGINS = (0, 7, -3, 2**31 + 5, FAR, -(2**50))  # us, most beyond what an int32 holds


@st.composite
def streams(draw: st.DrawFn, origins: tuple[int, ...] = ORIGINS, size: tuple[int, int] = SIZE) -> tuple[Events, int]:
    """A stream from 5 us before an origin to 45 us after it, with equal times and equal events, and its origin."""
    origin = draw(st.sampled_from(origins))
    times = sorted(draw(st.lists(st.integers(-5, 45), max_size=40)))
    n = len(times)
    x, y, p = (draw(st.lists(st.integers(0, top), min_size=n, max_size=n)) for top in (size[0] - 1, size[1] - 1, 1))
    return Events.make(np.array(times, np.int64) + origin, x, y, p, size), origin


def random_stream(n: int, length: int, seed: int = 0, size: tuple[int, int] = SIZE) -> Events:
    """Events at random times from 0 to below `length` us."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, length, n))
    return Events.make(t, rng.integers(0, size[0], n), rng.integers(0, size[1], n), rng.integers(0, 2, n), size)


def shifted(events: Events, by: int) -> Events:
    """The same events `by` us later."""
    return Events(events.t + by, events.x, events.y, events.p, events.sensor_size)


def rows(events: Events) -> list[tuple[int, int, int, int]]:
    """(t, x, y, p) of each event as Python's integers."""
    return list(zip(*(getattr(events, name).tolist() for name in "txyp"), strict=True))


def same(device: jax.Array, host: np.ndarray) -> None:
    """Equal: integers to the bit and of the same type (an int64 of the host is an int32 of the device), floats to 1e-6."""
    assert isinstance(device, jax.Array)
    assert isinstance(host, np.ndarray)
    assert device.dtype == (np.int32 if host.dtype == np.int64 else host.dtype)
    if np.issubdtype(host.dtype, np.floating):
        np.testing.assert_allclose(device, host, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(device, host)


def encoders_at(start: int) -> list[encodings.Encoder]:
    """Encodings of each kind, for the window [start, start + 60) where they have one."""
    stop = start + 60
    return [
        encodings.TimeFrames(7, start, stop),
        encodings.DurationFrames(25, start, stop, clip=2),
        encodings.CountFrames(3, clip=300),
        encodings.WindowFrames((start + 20, start, start + 50), (start + 20, start + 30, start + 60), clip=1),
        encodings.BinaRep(2, 3, start, stop),
        encodings.VoxelGrid(5, start, stop),
        encodings.ActiveEvents((start - 5, start + 20, start + 20, stop), start),
        encodings.TimeSurface((start + 20, stop), 0.02, start),
        encodings.SBT(4, start, stop),
        encodings.SBT(4, start, stop, last=True),
        encodings.SBN(3, 4),
        encodings.SBN(3, 4, last=True),
    ]


def name_of(encoder: object) -> str:
    """What a test of it is called."""
    return type(encoder).__name__ + "(last)" * getattr(encoder, "last", False)


# One of each, with arguments under which it drops some events of a random stream and keeps others
EACH_FILTER = [
    HotPixels(sigma=1),
    BackgroundActivity(20),
    BackgroundActivity(20, neighbours=4),
    Refractory(30),
    Decimation(2),
    Flicker(mains=10_000, cycles=1, tolerance=0.5),
    RateLimit(100_000, window=20),
    Polarity(1),
    MergePolarities(),
    Crop(1, 1, 4, 3),
    MovingCrop((0, 100, 130), ((0, 0), (5, -1), (2, 2)), 3, 2),
    Pool(2),
    Integrate(2),
]
