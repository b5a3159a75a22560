"""Frames on the host against a plain reference, and frames on the device against the host."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.events import Events, encode, frames_by_count, frames_by_duration, frames_by_time
from mxsnn.events.frames import count_bounds, time_edges
from tests.streams import CAPACITY, SIZE, random_stream, same, streams


def reference(events: Events, part_of: Sequence[int | None], parts: int, clip: int | None) -> np.ndarray:
    """Counts in float64, one event after the other."""
    frames = np.zeros((parts, SIZE[1], SIZE[0], 2), np.float64)
    for part, x, y, p in zip(part_of, events.x, events.y, events.p, strict=True):
        if part is not None:
            frames[part, y, x, p] += 1
    return frames if clip is None else np.minimum(frames, clip)


clips = st.none() | st.sampled_from([1, 2, 300])
parts = st.sampled_from([1, 2, 7, 61])  # few, as each is a program to compile


@given(streams(), parts, st.integers(1, 60), clips)
def test_by_time(drawn: tuple, bins: int, length: int, clip: int | None) -> None:
    events, start = drawn
    # Part k is k <= (t - start) bins / length < k + 1, in exact fractions.
    part = [math.floor(Fraction(int(t) - start) * bins / length) for t in events.t]
    part_of = [k if 0 <= k < bins else None for k in part]
    expected = reference(events, part_of, bins, clip)
    frames = frames_by_time(events, bins, start, start + length, clip)
    np.testing.assert_array_equal(frames, expected)
    on_device = encode.frames_by_time(encode.to_device(events, start, start + length, CAPACITY), bins, clip)
    same(on_device, frames)


@given(streams(), st.integers(1, 60), st.integers(1, 60), clips)
def test_by_duration(drawn: tuple, duration: int, length: int, clip: int | None) -> None:
    events, start = drawn
    part_of = [(int(t) - start) // duration if start <= t < start + length else None for t in events.t]
    expected = reference(events, part_of, -(-length // duration), clip)
    frames = frames_by_duration(events, duration, start, start + length, clip)
    np.testing.assert_array_equal(frames, expected)
    on_device = encode.frames_by_duration(encode.to_device(events, start, start + length, CAPACITY), duration, clip)
    same(on_device, frames)


@given(streams(), parts, clips)
def test_by_count(drawn: tuple, count: int, clip: int | None) -> None:
    events, start = drawn
    n = len(events)
    part_of = [max(k for k in range(count) if k * n // count <= i) for i in range(n)]
    frames = frames_by_count(events, count, clip)
    np.testing.assert_array_equal(frames, reference(events, part_of, count, clip))
    on_device = encode.frames_by_count(encode.to_device(events, start - 10, start + 100, CAPACITY), count, clip)
    same(on_device, frames)
    if clip is None:
        sizes = frames.sum((1, 2, 3))
        assert sizes.sum() == n
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("n", "capacity"), [(24, 24), (23, 24), (17, 24), (1, 24), (0, 24), (1, 1)])  # few: each is compiled for
def test_padding_does_not_count(n: int, capacity: int) -> None:
    events = random_stream(n, 40)
    device = encode.to_device(events, 0, 40, capacity=capacity)
    assert len(device.t) == capacity
    assert int(device.count) == n
    same(encode.frames_by_time(device, 5), frames_by_time(events, 5, 0, 40))
    same(encode.frames_by_count(device, 5), frames_by_count(events, 5))
    same(encode.frames_by_duration(device, 5), frames_by_duration(events, 5, 0, 40))


def test_the_last_event_counts() -> None:
    events = Events.make(np.arange(1000), np.zeros(1000), np.zeros(1000), np.ones(1000))
    assert frames_by_time(events, 10, 0, 1000).sum((1, 2, 3)).tolist() == [100] * 10
    assert frames_by_time(events, 7, 0, 1000).sum() == 1000
    assert frames_by_duration(events, 300, 0, 1000).sum((1, 2, 3)).tolist() == [300, 300, 300, 100]
    assert frames_by_count(events, 7).sum() == 1000


@pytest.mark.parametrize("polarity", [[True, False, True], [1, 0, 1], [1, -1, 1]])
def test_channels_are_off_and_on(polarity: list) -> None:
    frames = frames_by_time(Events.make([0, 1, 2], [2, 2, 1], [0, 0, 1], polarity, SIZE), 1, 0, 10)
    assert frames.shape == (1, 3, 5, 2)
    assert frames[0, 0, 2].tolist() == [1, 1]
    assert frames[0, 1, 1].tolist() == [0, 1]
    assert frames.sum() == 3


@pytest.mark.parametrize(("clip", "dtype", "value"), [(1, "uint8", 1), (255, "uint8", 255)])
def test_40000_events_on_a_pixel(clip: int, dtype: str, value: int) -> None:
    n = 40_000
    events = Events.make(np.arange(n), np.full(n, 4), np.full(n, 2), np.ones(n), SIZE)
    device = encode.to_device(events, 0, n)
    for frames in (
        frames_by_time(events, 1, 0, n, clip),
        frames_by_count(events, 1, clip),
        frames_by_duration(events, n, 0, n, clip),
        encode.frames_by_time(device, 1, clip),
    ):
        assert frames.dtype == dtype
        assert frames[0, 2, 4].tolist() == [0, value]
    assert frames_by_time(events, 1, 0, n, 40_000).dtype == np.uint16
    assert frames_by_time(events, 1, 0, n, 40_000).max() == 40_000
    assert frames_by_time(events, 1, 0, n, 70_000).dtype == np.uint32


def test_empty_streams_and_windows() -> None:
    events = Events.make([5, 6], [0, 1], [0, 1], [0, 1], SIZE)
    for stream in (Events.empty(SIZE), events):
        assert frames_by_time(stream, 4, 100, 200).shape == (4, 3, 5, 2)
        assert not frames_by_time(stream, 4, 100, 200).any()
        assert not frames_by_duration(stream, 30, 100, 200).any()
        assert not encode.frames_by_time(encode.to_device(stream, 100, 200), 4).any()
    assert frames_by_count(Events.empty(SIZE), 3).shape == (3, 3, 5, 2)
    assert encode.frames_by_count(encode.to_device(events, 100, 200), 3).shape == (3, 3, 5, 2)


def test_frames_of_consecutive_windows_are_the_frames_of_the_whole() -> None:
    events = random_stream(500, 1000)
    parts = [frames_by_time(events, 3, start, start + 250) for start in range(0, 1000, 250)]
    np.testing.assert_array_equal(np.concatenate(parts).sum(0), frames_by_time(events, 1, 0, 1000)[0])


def test_edges_are_exact_where_floats_are_not() -> None:
    length, bins = 2**62 + 1, 3
    assert time_edges(bins, length).tolist() == [math.ceil(Fraction(k * length, bins)) for k in range(bins + 1)]
    assert time_edges(5, 2).tolist() == [0, 1, 1, 2, 2, 2]  # more parts than microseconds: some are empty


@given(st.sampled_from([1, 3, 1000, 46340]), st.integers(0, 2**31 - 1))
def test_bounds_by_count_do_not_overflow_on_the_device(frames: int, n: int) -> None:
    bounds = np.asarray(count_bounds(frames, jnp.int32(n), jnp))
    assert bounds.dtype == np.int32
    np.testing.assert_array_equal(bounds, np.arange(frames + 1) * n // frames)


def test_huge_times_on_the_device() -> None:
    start = 2**60
    events = Events.make([start, start + 2**31 - 2], [0, 4], [0, 2], [0, 1], SIZE)
    device = encode.to_device(events, start, start + 2**31 - 1)
    assert device.t.dtype == jnp.int32
    for bins in (1, 2, 1000):
        np.testing.assert_array_equal(encode.frames_by_time(device, bins), frames_by_time(events, bins, start, start + 2**31 - 1))


def test_jit_and_vmap_share_one_program() -> None:
    several = [random_stream(n, 100, seed=n) for n in (0, 1, 17)]
    device = [encode.to_device(events, 0, 100, capacity=20) for events in several]
    traces = 0

    @jax.jit
    def encoded(events: encode.DeviceEvents) -> jax.Array:
        nonlocal traces
        traces += 1
        return encode.frames_by_time(events, 4)

    for events, on_device in zip(several, device, strict=True):
        np.testing.assert_array_equal(encoded(on_device), frames_by_time(events, 4, 0, 100))
    assert traces == 1
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *device)
    frames = jax.jit(jax.vmap(lambda events: encode.frames_by_count(events, 3), out_axes=1))(batch)
    assert frames.shape == (3, 3, 3, 5, 2)  # [T, B, H, W, 2]
    for k, events in enumerate(several):
        np.testing.assert_array_equal(frames[:, k], frames_by_count(events, 3))


def test_what_the_device_does_not_take() -> None:
    events = Events.make([0, 1, 2], [0, 0, 0], [0, 0, 0], [1, 1, 1], SIZE)
    with pytest.raises(UserError, match=r"at most 2147483647 us, got 2147483648"):
        encode.to_device(events, 0, 2**31)
    with pytest.raises(UserError, match="holds 3 events, more than capacity=2"):
        encode.to_device(events, 0, 10, capacity=2)
    with pytest.raises(UserError, match="too many for the device"):
        encode.frames_by_time(encode.to_device(Events.empty((2**15, 2**15)), 0, 10), 1)
    with pytest.raises(UserError, match="at most 46340"):
        encode.frames_by_count(encode.to_device(events, 0, 10), 46341)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: frames_by_time(e, 0, 0, 10), "bins is a whole number of at least 1, got 0"),
        (lambda e: frames_by_time(e, 2.5, 0, 10), "bins is a whole number"),  # pyrefly: ignore[bad-argument-type]
        (lambda e: frames_by_time(e, True, 0, 10), "bins is a whole number"),
        (lambda e: frames_by_time(e, 2, 10, 10), "end after it begins"),
        (lambda e: frames_by_time(e, 2, 0.0, 10), "whole microseconds"),  # pyrefly: ignore[bad-argument-type]
        (lambda e: frames_by_time(e, 2, 0, 10, clip=0), "clip is a whole number of at least 1"),
        (lambda e: frames_by_time(e, 2, 0, 10, clip=2**31), "clip is below"),
        (lambda e: frames_by_count(e, -1), "frames is a whole number"),
        (lambda e: frames_by_duration(e, 0, 0, 10), "duration is a whole number"),
    ],
)
def test_wrong_options(call: Callable, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(Events.empty(SIZE))
