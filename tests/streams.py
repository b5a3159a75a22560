"""Streams that encodings and filters are tried on, and how results of host and device are compared."""

from __future__ import annotations

import jax
import numpy as np
from hypothesis import strategies as st

from mxsnn.events import Events

SIZE = (5, 3)  # width, height: not square
CAPACITY = 64  # more than `streams` draws
ORIGINS = (0, 7, -3, 2**31 + 5, 2**40 + 1, -(2**50))  # us, most beyond what an int32 holds


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
