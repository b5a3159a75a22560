"""Encodings of a camera's frames: against theory, snnTorch and SpikingJelly, and the host against the device."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mxsnn.errors import UserError
from mxsnn.events import Events, Frames, frames_by_time
from mxsnn.events.encode import to_device
from mxsnn.events.images import read_frames
from mxsnn.events.intensity import (
    INTENSITY,
    Delta,
    Difference,
    DirectCurrent,
    FrameTransform,
    LinearLatency,
    LogIntensity,
    LogLatency,
    Rate,
    hold,
)
from mxsnn.events.random import host_key
from mxsnn.events.tonic import compose
from mxsnn.events.transforms import TRANSFORMS

GOLDEN = Path(__file__).parent / "golden" / "spikegen.npz"
LEVELS = np.arange(256, dtype=np.uint8)

EXAMPLES: list[FrameTransform] = [
    DirectCurrent(3),
    Rate(2),
    Rate(3, gain=0.7, offset=0.1),
    Rate(1, gain=-1.3, offset=0.9),
    LinearLatency(1),
    LinearLatency(5),
    LinearLatency(8, threshold=0),
    LogLatency(6, tau=15.0, dt=2.0, threshold=0.2),
    LogIntensity(0.02),
    Delta(0.1),
    Delta(1 / 7, clip=1),
    Delta(0.013, clip=200),
    Difference(),
]


@st.composite
def videos(draw: st.DrawFn) -> np.ndarray:
    """uint8, or float from 0 to 1; of few shapes, as the device compiles for each."""
    shape = draw(st.sampled_from([(0, 1, 2, 3), (1, 1, 1, 1), (5, 1, 1, 1), (4, 2, 3, 3)]))
    dtype = np.dtype(draw(st.sampled_from(["u1", "f2", "f4", "f8"])))
    elements = None if dtype == np.uint8 else st.floats(0, 1, width=8 * dtype.itemsize)
    return draw(hnp.arrays(dtype, shape, elements=elements))


def column(values: Any, dtype: Any = np.float32) -> np.ndarray:
    """A video of one pixel."""
    return np.array(values, dtype).reshape(-1, 1, 1, 1)


def row(values: np.ndarray) -> np.ndarray:
    """One frame of one line."""
    return np.asarray(values).reshape(1, 1, -1, 1)


def encode(transform: Any, frames: Any, key: Any = 0) -> Any:
    return transform(frames, host_key(key)) if hasattr(transform, "keyed") else transform(frames)


def fired(spikes: np.ndarray) -> np.ndarray:
    """Of spikes [steps, 1, N, 1]: the step of the one of each pixel; -1 for none."""
    assert set(np.unique(spikes)) <= {0, 1} and (spikes.sum(0) <= 1).all()
    return np.where(spikes.any(0), spikes.argmax(0), -1).ravel()


# Host and device


@settings(max_examples=15)
@given(frames=videos(), seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("transform", EXAMPLES, ids=str)
def test_host_and_device_agree_to_the_bit(transform: Any, frames: np.ndarray, seed: int) -> None:
    before = frames.copy()
    host = encode(transform, frames, seed)
    keys = (jax.random.wrap_key_data(host_key(seed)),) if hasattr(transform, "keyed") else ()
    device = transform(jnp.asarray(frames.astype(np.float32) if frames.dtype == np.float64 else frames), *keys)
    assert isinstance(host, np.ndarray) and isinstance(device, jax.Array)
    assert host.dtype == device.dtype
    # Numbers below 1e-37 may be 0 on the device.
    np.testing.assert_allclose(device, host, rtol=0, atol=1e-37 if host.dtype == np.float32 else 0)
    np.testing.assert_array_equal(frames, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("transform", EXAMPLES, ids=str)
def test_compiled_and_mapped_it_is_still_the_same(transform: Any, dtype: type) -> None:
    """With many values, as a compiler that fuses a product and a sum changes few."""
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (3, 4, 40, 50, 3)).astype(np.uint8) if dtype == np.uint8 else rng.random((3, 4, 40, 50, 3), dtype)
    host = np.stack([encode(transform, frames, k) for k, frames in enumerate(batch)])
    keyed = hasattr(transform, "keyed")
    keys = jax.vmap(jax.random.wrap_key_data)(np.stack([host_key(k) for k in range(3)]))
    mapped: Callable[..., Any] = jax.vmap(transform) if keyed else jax.vmap(lambda frames, _: transform(frames))
    np.testing.assert_array_equal(jax.jit(mapped)(batch, keys), host)


@settings(max_examples=15)
@given(frames=videos(), n=st.integers(0, 5))
@pytest.mark.parametrize("transform", EXAMPLES, ids=str)
def test_nothing_looks_into_the_future(transform: Any, frames: np.ndarray, n: int) -> None:
    """The first frames alone become what they become before others."""
    n = min(n, len(frames))
    steps = getattr(transform, "steps", 1)
    whole = encode(transform, frames)
    assert len(whole) == len(frames) * steps
    np.testing.assert_array_equal(encode(transform, frames[:n]), whole[: n * steps])


@pytest.mark.parametrize("transform", EXAMPLES, ids=str)
def test_uint8_are_the_multiples_of_1_over_255(transform: Any) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)
    bright = (frames / 255).astype(np.float32)
    ints, floats = encode(transform, frames), encode(transform, bright)
    assert ints.dtype == floats.dtype
    if ints.dtype == np.float32:
        np.testing.assert_allclose(ints, floats, atol=1e-6)
    else:  # a probability or threshold may lie between the value and its float32
        assert (ints != floats).mean() < 1e-5


# Direct current


@given(frames=videos(), steps=st.integers(1, 4))
def test_direct_current_is_the_intensity_held(frames: np.ndarray, steps: int) -> None:
    current = DirectCurrent(steps)(frames)
    assert current.dtype == np.float32
    exact = frames / 255 if frames.dtype == np.uint8 else frames
    for k in range(steps):
        np.testing.assert_array_equal(current[k::steps], exact.astype(np.float32))


# Rate


def chi_squared(counts: np.ndarray, p: np.ndarray, steps: int) -> float:
    """Of counts of `steps` draws with probability p: in standard deviations from its mean."""
    assert (counts[p == 0] == 0).all() and (counts[p == 1] == steps).all()
    drawn = (p > 0) & (p < 1)
    found = ((counts - steps * p)[drawn] ** 2 / (steps * p * (1 - p))[drawn]).sum()
    return (found - drawn.sum()) / math.sqrt(2 * drawn.sum())


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.5, 0.2), (2.0, -0.5), (-1.0, 1.0)])
def test_rates_are_binomial(gain: float, offset: float, dtype: type) -> None:
    frames = row(LEVELS if dtype == np.uint8 else (LEVELS / 255).astype(dtype))
    spikes = Rate(4000, gain, offset)(frames, host_key(3)).reshape(4000, 256)
    p = np.clip(gain * LEVELS / 255 + offset, 0, 1)
    assert abs(chi_squared(spikes.sum(0), p, 4000)) < 4
    assert abs(((spikes.sum(0) - 4000 * p) / 4000).mean()) < 4 * 0.5 / math.sqrt(4000 * 256)


def test_spikes_are_independent() -> None:
    """From step to step and from pixel to pixel."""
    spikes = Rate(1000)(np.full((1, 20, 20, 1), 128, np.uint8), host_key(0)).reshape(1000, 400) - 128 / 255
    for a, b in ((spikes[1:], spikes[:-1]), (spikes[:, 1:], spikes[:, :-1])):
        assert abs((a * b).mean() / 0.25) < 4 / math.sqrt(a.size)


@given(seed=st.integers(0, 2**32 - 1), level=st.integers(0, 255))
def test_probabilities_of_uint8_are_exact_to_2_to_the_minus_32(seed: int, level: int) -> None:
    threshold = int(Rate(1)._threshold(np.array(level, np.uint8), np))
    assert abs(Fraction(threshold, 2**31) - Fraction(level, 255)) <= Fraction(1, 2**32)
    spikes = Rate(50)(np.full((1, 2, 2, 1), level, np.uint8), host_key(seed))
    assert level not in (0, 255) or (spikes == level // 255).all()


def test_equal_keys_give_equal_spikes() -> None:
    frames = row(LEVELS)
    one, same, other = (Rate(20)(frames, host_key(k)) for k in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.1


# Latency


def test_linear_latency_by_hand() -> None:
    frames = row(np.array([255, 192, 191, 128, 127, 64, 63, 3, 2, 0], np.uint8))
    # (5 - 1) (1 - v / 255): 0, 0.988, 1.004, 1.99, 2.01, 2.996, 3.01, 3.95 and below the threshold
    assert fired(LinearLatency(5)(frames)).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, -1, -1]
    assert fired(LinearLatency(5, threshold=0)(frames)).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
    assert fired(LinearLatency(5)(row(np.array([1, 0.875, 0.8749999, 0.625, 0.01, 0.0099999], np.float32)))).tolist() == [
        *(0, 0, 1, 1),  # halves belong to the earlier step
        *(4, -1),
    ]


def test_log_latency_by_hand() -> None:
    frames = row(np.array([1, 0.9, 0.5, 0.3, 0.25, 0.2, 0], np.float32))
    # 10 ln(I / (I - 0.2)) ms: 2.23, 2.51, 5.11, 10.99, 16.09, never, never
    assert fired(LogLatency(10, tau=10.0, dt=2.0, threshold=0.2)(frames)).tolist() == [1, 1, 2, 5, 8, -1, -1]
    assert fired(LogLatency(5, tau=10.0, dt=2.0, threshold=0.2)(frames)).tolist() == [1, 1, 2, -1, -1, -1, -1]


@given(
    steps=st.integers(1, 300), tau=st.floats(0.1, 100), dt=st.floats(0.1, 100), threshold=st.floats(1e-3, 0.9), floats=st.booleans()
)
def test_log_latency_is_when_a_membrane_crosses(steps: int, tau: float, dt: float, threshold: float, floats: bool) -> None:
    white = tau * math.log(1 / (1 - threshold))
    if white >= steps * dt:
        with pytest.raises(UserError, match="no pixel would fire"):
            LogLatency(steps, tau, dt, threshold)
        return
    code = LogLatency(steps, tau, dt, threshold)
    levels = (LEVELS / 255).astype(np.float32) if floats else LEVELS
    exact = levels.astype(float) / (1 if floats else 255)
    over = exact > threshold
    t = np.full(256, np.inf)
    t[over] = tau * np.log(exact[over] / (exact[over] - threshold))
    wanted = np.where(t < steps * dt, np.floor(np.minimum(t / dt, steps)), -1)
    border = threshold / (1 - np.exp(-np.arange(1, steps + 1) * dt / tau))
    clear = (np.abs(exact[:, None] - border) > 1e-6).all(1)  # of the border of a step, where rounding decides
    np.testing.assert_array_equal(fired(code(row(levels)))[clear], wanted[clear])
    np.testing.assert_array_equal((fired(code(row(levels))) >= 0)[clear], (exact > code.least)[clear])


def test_a_pixel_at_the_threshold_never_crosses_it() -> None:
    code = LogLatency(1, tau=1.0, dt=100.0, threshold=0.2)
    assert fired(code(row(np.array([51, 52], np.uint8)))).tolist() == [-1, 0]
    assert fired(code(row(np.array([0.2, 0.20001], np.float32)))).tolist() == [-1, 0]


def test_a_tau_for_a_spike_of_every_pixel() -> None:
    """As the docstring says."""
    code = LogLatency(20, tau=20 * 2.0 / math.log(0.3 / (0.3 - 0.2)) * (1 - 1e-9), dt=2.0, threshold=0.2)
    assert code.least == pytest.approx(0.3)
    assert fired(code(row(np.array([0.3001, 0.2999], np.float32)))).tolist() == [19, -1]


@given(
    frames=videos(),
    code=st.sampled_from([LinearLatency(7), LinearLatency(2, threshold=0.5), LogLatency(40, 20.0, 1.5, threshold=0.1)]),
)
def test_brighter_is_earlier_and_once(frames: np.ndarray, code: Any) -> None:
    spikes = code(frames).reshape(len(frames), code.steps, frames[:1].size)
    assert (spikes.sum(1) <= 1).all()
    step = np.where(spikes.any(1), spikes.argmax(1), code.steps).ravel()
    order = np.argsort(frames.ravel(), kind="stable")
    assert (np.diff(step[order]) <= 0).all()


# Delta modulation


def test_delta_of_a_ramp_counts_as_an_event_camera() -> None:
    """Ramps that are too slow for a difference of neighbours: an event each time another threshold is passed."""
    up = np.arange(100) / 100
    counts = Delta(0.05)(column(up))
    np.testing.assert_array_equal(np.cumsum(counts[:, 0, 0, 1]), np.floor(np.arange(100) / 5 + 1e-9))
    assert not counts[..., 0].any()
    down = Delta(0.05)(column(up[::-1]))
    np.testing.assert_array_equal(np.cumsum(down[:, 0, 0, 0]), np.floor(np.arange(100) / 5 + 1e-9))
    assert not down[..., 1].any()
    assert not (np.abs(Difference()(column(up))) >= 0.05).any()


def test_whole_thresholds_are_counted_in_spite_of_rounding() -> None:
    """0.6 / 0.2 is below 3 in floating point."""
    levels = np.array([0, 51, 102, 153, 204, 255, 153, 0], np.uint8)
    wanted = [[0, 0], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1], [2, 0], [3, 0]]
    assert Delta(0.2)(column(levels, np.uint8))[:, 0, 0].tolist() == wanted
    assert Delta(0.2)(column(levels / 255))[:, 0, 0].tolist() == wanted


def test_delta_remembers() -> None:
    """A step back from a threshold that was just passed makes no event; one that goes a whole threshold back does."""
    assert Delta(0.25, clip=1)(column([0.5, 0.75, 0.625, 0.75, 0.5, 1.0]))[:, 0, 0].tolist() == [
        *([0, 0], [0, 1], [0, 0], [0, 0], [1, 0]),
        [0, 1],  # two thresholds, of which one is shown and none forgotten
    ]


@given(frames=videos(), threshold=st.floats(0.004, 0.6))
def test_the_signal_can_be_put_together_again(frames: np.ndarray, threshold: float) -> None:
    counts = Delta(threshold)(frames)
    assert counts.dtype == np.int32 and counts.shape == (*frames.shape[:3], 2 * frames.shape[3])
    off, on = counts[..., 0::2], counts[..., 1::2]
    assert (counts >= 0).all() and not (on & off).any() and not counts[:1].any()
    signal = frames / 255 if frames.dtype == np.uint8 else frames.astype(np.float32).astype(float)
    again = signal[:1] + threshold * np.cumsum(on - off, axis=0)
    error = np.abs(again - signal)
    assert (error < threshold + 1e-5).all()
    # Only where a whole threshold was missing, and no more than was missing.
    before = np.abs((again - threshold * (on - off))[1:] - signal[1:])
    np.testing.assert_array_equal((on + off)[1:] > 0, (on + off)[1:] >= 1)
    assert (threshold * (on + off)[1:] <= before + 1e-5).all()


def test_log_delta_sees_contrast() -> None:
    """A factor of brightness makes equally many events in light and shade, as far as eps is small."""
    light = np.array([0.1, 0.2, 0.4, 0.8])
    frames = np.stack([light, light / 4], axis=-1).reshape(4, 1, 1, 2).astype(np.float32)
    counts = Delta(0.2)(LogIntensity(1e-4)(frames))[:, 0, 0]
    np.testing.assert_array_equal(counts[:, 1].cumsum(), np.floor(np.log([1, 2, 4, 8]) / 0.2))
    np.testing.assert_array_equal(counts[:, 1], counts[:, 3])
    assert not counts[:, ::2].any()


@given(eps=st.floats(1e-3, 1))
def test_log_intensity(eps: float) -> None:
    np.testing.assert_allclose(LogIntensity(eps)(row(LEVELS)).ravel(), np.log(LEVELS / 255 + eps), rtol=1e-6, atol=1e-6)
    floats = np.linspace(0, 1, 1001).astype(np.float32)
    assert np.abs(LogIntensity(eps)(row(floats)).ravel() - np.log(floats + eps)).max() <= 0.5 / 65535 / eps + 1e-6


@given(frames=videos())
def test_difference_adds_up(frames: np.ndarray) -> None:
    change = Difference()(frames)
    assert change.dtype == np.float32 and change.shape == frames.shape and not change[:1].any()
    np.testing.assert_allclose(DirectCurrent(1)(frames)[:1] + np.cumsum(change, axis=0), DirectCurrent(1)(frames), atol=1e-6)


# Other libraries


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_golden_versions(golden: dict[str, np.ndarray]) -> None:
    assert set(json.loads(str(golden["versions"]))) == {"torch", "snntorch", "spikingjelly"}


@pytest.mark.parametrize(
    ("case", "rate"), [("rate", Rate(4000)), ("poisson", Rate(4000)), ("rate, gain 0.5, offset 0.2", Rate(4000, 0.5, 0.2))]
)
def test_rates_of_other_libraries(golden: dict[str, np.ndarray], case: str, rate: Rate) -> None:
    """Theirs fit the same probabilities, and the two differ by as much as two draws do."""
    p = np.clip(rate.gain * LEVELS / 255 + rate.offset, 0, 1)
    ours = rate(row(LEVELS), host_key(8)).reshape(4000, 256).sum(0)
    assert abs(chi_squared(golden[case], p, 4000)) < 4
    drawn = (p > 0) & (p < 1)
    np.testing.assert_array_equal(ours[~drawn], golden[case][~drawn])
    found = ((ours - golden[case])[drawn] ** 2 / (8000 * p * (1 - p))[drawn]).sum()
    assert abs(found - drawn.sum()) / math.sqrt(2 * drawn.sum()) < 4


@pytest.mark.parametrize("steps", [2, 8, 25])
def test_linear_latency_of_other_libraries(golden: dict[str, np.ndarray], steps: int) -> None:
    for levels in (LEVELS, (LEVELS / 255).astype(np.float32)):
        clipped = fired(LinearLatency(steps, threshold=0.1)(row(levels)))
        np.testing.assert_array_equal(clipped, golden[f"linear, {steps} steps"])
        every = fired(LinearLatency(steps, threshold=0)(row(levels)))
        np.testing.assert_array_equal(every, golden[f"spikingjelly linear, {steps} steps"])


def test_log_latency_of_snntorch(golden: dict[str, np.ndarray]) -> None:
    """Its tau is in steps: 5 of them are 10 ms of 2 ms each."""
    t = golden["log"]
    steps = fired(LogLatency(10, tau=10.0, dt=2.0, threshold=0.1)(row(LEVELS)))
    np.testing.assert_array_equal(steps, np.where(t < 10, np.floor(np.minimum(t, 10)), -1))


def test_delta_of_snntorch(golden: dict[str, np.ndarray]) -> None:
    """Its rule is one line behind Difference; where changes are whole thresholds, it is that of Delta."""
    for name in ("video", "jumps"):
        change = Difference()(golden[name])
        np.testing.assert_array_equal(np.sign(change) * (np.abs(change) >= 0.25), golden[f"delta of {name}"])
    counts = Delta(0.25, clip=1)(golden["jumps"]).astype(int)
    np.testing.assert_array_equal(counts[..., 1:] - counts[..., :1], golden["delta of jumps"])
    differ = Delta(0.25, clip=1)(golden["video"]).astype(int)
    assert (differ[..., 1:] - differ[..., :1] != golden["delta of video"]).any()


# Frames on a clock


def numbered(n: int, **times: Any) -> Frames:
    """Image k holds k + 1 everywhere."""
    images = np.broadcast_to(np.arange(1, n + 1, dtype=np.uint8)[:, None, None, None], (n, 2, 3, 3))
    return Frames.make(images, **times)


def shown(held: np.ndarray) -> list[int]:
    assert (held == held[:, :1, :1, :1]).all()
    return held[:, 0, 0, 0].tolist()


def test_a_frame_is_shown_once_its_exposure_is_over() -> None:
    frames = numbered(3, start=[0, 100, 200], end=[50, 151, 300])
    assert shown(hold(frames, 8, 0, 400)) == [1, 1, 1, 2, 2, 3, 3, 3]  # ends of parts: 50, 100, 150, 200, ...
    assert shown(hold(frames, 8, -200, 200)) == [0, 0, 0, 0, 1, 1, 1, 2]
    assert shown(hold(frames, 2, 1000, 1002)) == [3, 3]  # a frame from before the window is held
    assert hold(frames, 8, 0, 400).shape == (8, 2, 3, 3)


def test_a_frame_at_an_instant_stands_with_the_events_of_its_time() -> None:
    t = [0, 99, 100, 250]
    events = Events.make(t, [0] * 4, [0] * 4, [1] * 4, (1, 1))
    counts = frames_by_time(events, 3, 0, 300)[:, 0, 0, 1].cumsum()
    assert shown(hold(numbered(4, t=t), 3, 0, 300)) == counts.tolist() == [2, 3, 4]


@given(
    times=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 80)), max_size=8),
    bins=st.integers(1, 9),
    start=st.integers(-50, 300),
    length=st.integers(1, 200),
)
def test_hold_knows_all_that_is_over_and_no_more(times: list[tuple[int, int]], bins: int, start: int, length: int) -> None:
    begin = np.array([t for t, _ in times], np.int64)
    end = begin + np.array([e for _, e in times], np.int64)
    t = np.sort(begin + (end - begin) // 2) if len(times) else begin  # given beside its exposures, which may overlap
    frames = Frames.make(np.arange(len(times), dtype=np.uint8)[:, None, None] + np.uint8(1), t, begin, end)
    held = hold(frames, bins, start, start + length)
    assert held.shape == (bins, 1, 1, 1) and held.dtype == np.uint8
    for k in range(bins):
        border = start - (-(k + 1) * length // bins)
        over = [i + 1 for i in range(len(times)) if end[i] <= border and t[i] < border]
        assert held[k, 0, 0, 0] == max(over, default=0)


def test_hold_reads_only_what_it_shows() -> None:
    class Watched:
        shape, dtype = (100, 4, 5), np.dtype(np.uint16)
        asked: list[int] = []  # noqa: RUF012

        def __len__(self) -> int:
            return 100

        def __getitem__(self, index: np.ndarray) -> np.ndarray:
            self.asked += np.asarray(index).tolist()
            return np.zeros((len(index), 4, 5), np.uint16)

    images = Watched()
    held = hold(Frames.make(images, t=np.arange(100) * 10), 4, 500, 520)
    assert held.shape == (4, 4, 5, 1) and held.dtype == np.uint16
    assert sorted(images.asked) == [50, 51]


# As transforms


def test_all_are_listed() -> None:
    assert set(INTENSITY) == {type(transform) for transform in EXAMPLES}
    assert all(TRANSFORMS[cls.__name__] is cls for cls in INTENSITY)


@pytest.mark.parametrize("transform", EXAMPLES, ids=str)
def test_by_its_text_in_an_encoding(transform: Any) -> None:
    frames = np.random.default_rng(2).integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    encoding = compose([str(transform)], (6, 5))
    assert encoding.keyed == hasattr(transform, "keyed")
    of = [encoding(frames, seed=(7, k)) for k in (1, 1, 2)]
    assert of[0].dtype == transform(frames, *[host_key(0)] * encoding.keyed).dtype
    np.testing.assert_array_equal(of[0], of[1])
    assert np.array_equal(of[0], of[2]) != encoding.keyed
    if not encoding.keyed:
        np.testing.assert_array_equal(of[0], transform(frames))
    assert compose(encoding.specs, (6, 5)).specs == encoding.specs


def test_the_duration_of_a_step() -> None:
    binary = "BinaRep(frames=4, bits=8, start=0, stop=320000)"  # 80 ms a frame
    assert compose([binary, "LinearLatency(steps=8)"], (6, 5)).dt == 10
    assert compose([binary, "Delta(threshold=0.1)"], (6, 5)).dt == 80
    assert compose([binary, "LogLatency(steps=8, tau=20, dt=10.0)"], (6, 5)).dt == 10
    assert compose([binary, "DirectCurrent(steps=8)"], (6, 5)).output_shape() == (32, 5, 6, 2)
    assert compose(["DirectCurrent(steps=8)"], (6, 5)).dt is None  # which the set of frames knows
    assert LogLatency(8, tau=20, dt=10.0).step(None) == 10
    assert Rate(8).step(80.0) == 10


@pytest.mark.parametrize(
    "specs", [("DirectCurrent(steps=2)",), ("Rate(steps=3)",), ("LogIntensity(eps=0.1)", "Delta(threshold=0.2)")]
)
def test_behind_an_encoding_of_events_on_the_device(specs: tuple[str, ...]) -> None:
    rng = np.random.default_rng(3)
    events = Events.make(np.sort(rng.integers(0, 8000, 900)), rng.integers(0, 6, 900), rng.integers(0, 5, 900), [1] * 900, (6, 5))
    encoding = compose(["BinaRep(frames=4, bits=8, start=0, stop=8000)", *specs], (6, 5))
    device = jax.jit(encoding.on_device)(to_device(events, 0, 8000), jax.random.wrap_key_data(host_key(4, 5)))
    np.testing.assert_array_equal(device, encoding(events, seed=(4, 5)))


# Errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DirectCurrent(0), "steps is a whole number of at least 1, got 0"),
        (lambda: Rate(2.5), "steps is a whole number of at least 1, got 2.5"),
        (lambda: Rate(2, gain=math.nan), "gain is a number from -1e+06 to 1e+06, got nan"),
        (lambda: Rate(2, offset="1"), "offset is a number from -1e+06 to 1e+06, got '1'"),
        (lambda: LinearLatency(2, threshold=1.1), "threshold is a number from 0 to 1, got 1.1"),
        (lambda: LogLatency(2, 1.0, 1.0, threshold=0), "threshold is a number from 1e-06 to 1, got 0"),
        (lambda: LogLatency(2, 0, 1.0), "tau is a number from 1e-09 to 1e+09, got 0"),
        (lambda: LogLatency(2, 1.0, math.inf), "dt is a number from 1e-09 to 1e+09, got inf"),
        (lambda: LogLatency(5, 10.0, 1.0, threshold=0.5), "no pixel would fire: white does at 6.93 ms, a frame ends at 5"),
        (lambda: LogLatency(5, 10.0, 1.0, threshold=1), "no pixel would fire: white does at inf ms, a frame ends at 5"),
        (lambda: LogIntensity(0), "eps is a number from 1e-09 to 1000, got 0"),
        (lambda: Delta(0), "threshold is a number from 1e-09 to 1e+09, got 0"),
        (lambda: Delta(True), "threshold is a number from 1e-09 to 1e+09, got True"),
        (lambda: Delta(0.1, clip=0), "clip is a whole number of at least 1, got 0"),
        (lambda: Delta(1e-5)(column([0, 1])), "a pixel changes by 1e+05 thresholds, more than 30000; raise threshold=1e-05"),
    ],
)
def test_arguments_that_cannot_be(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("transform", EXAMPLES, ids=str)
@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([[[[0]]]], "frames are an array [T, H, W, C], got list; grey ones have C = 1"),
        (np.zeros((2, 3, 4), np.uint8), "frames are an array [T, H, W, C], got shape (2, 3, 4); grey ones have C = 1"),
        (jnp.zeros((2, 3, 4)), "frames are an array [T, H, W, C], got shape (2, 3, 4); grey ones have C = 1"),
        (np.zeros((2, 3, 4, 1), np.uint16), "got uint16; divide by the camera's largest value, as float32"),
        (np.zeros((2, 3, 4, 1), bool), "frames are uint8 (0 to 255) or float (0 to 1), got bool"),
        (jnp.zeros((2, 3, 4, 1), int), "frames are uint8 (0 to 255) or float (0 to 1), got int32"),
        (np.full((2, 3, 4, 1), np.nan), "frames of type float64 hold values that are not finite"),
    ],
    ids=["list", "shape", "shape on the device", "uint16", "bool", "int32 on the device", "nan"],
)
def test_frames_that_cannot_be(transform: Any, frames: Any, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        encode(transform, frames)


@pytest.mark.parametrize("transform", [t for t in EXAMPLES if not isinstance(t, (Delta, Difference))], ids=str)
@pytest.mark.parametrize("values", [[0, 255.0], [-0.01, 0.5]])
def test_floats_out_of_range(transform: Any, values: list[float]) -> None:
    with pytest.raises(UserError, match=re.escape(f"hold intensities from 0 to 1, got {min(values):.4g} to {max(values):.4g}")):
        encode(transform, column(values))


# Real videos


@pytest.mark.parametrize("name", ["pyfeat_smiling.gif", "pyfeat_single_face.mp4"])
def test_a_real_video(test_data: Path, name: str) -> None:
    """A face: brightness comes back from rates, the face itself from the events of its frames, on the host and on the device."""
    frames = read_frames(test_data / "rgb" / name)
    n = 6
    stop = int(frames.t[-1]) + 1
    held = hold(frames, n, 0, stop)[:, ::12, ::12]
    numbers = [int((frames.t < -(-(k + 1) * stop // n)).sum()) - 1 for k in range(n)]
    assert numbers[-1] == len(frames) - 1
    np.testing.assert_array_equal(held, np.asarray(frames.images[:])[numbers, ::12, ::12])
    light = held / 255
    rates = Rate(64)(held, host_key(0)).reshape(n, 64, *held.shape[1:]).mean(1)
    assert abs(rates.mean() - light.mean()) < 4 * 0.5 / math.sqrt(64 * held.size)
    assert np.corrcoef(rates.ravel(), light.ravel())[0, 1] > 0.95
    counts = Delta(0.04)(held)
    assert counts.any()
    again = light[:1] + 0.04 * np.cumsum(counts[..., 1::2] - counts[..., 0::2], axis=0)
    assert np.abs(again - light).max() < 0.04 + 1e-6
    np.testing.assert_array_equal(counts, jax.jit(Delta(0.04))(held))
    code = LogLatency(8, tau=20.0, dt=2.0, threshold=0.1)
    np.testing.assert_array_equal(code(held), jax.jit(code)(held))


def test_the_document_runs() -> None:
    document = (Path(__file__).parents[1] / "docs" / "frames.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["held"].shape[:3] == names["seen"].shape[:3] == names["spikes"].shape[:3]
    # Exposures end at 10, 43.3, 76.7, 110, 143.3 and 176.7 ms, the parts at 25, 50, ...
    assert names["held"][:, 0, 0, 0].tolist() == [0, 51, 51, 102, 153, 204, 204, 255]
    assert names["moved"][:, 0, 0, 1].tolist() == [0, 2, 2, 2, 2, 2]
    assert all(f"`{cls.__name__}(" in document for cls in INTENSITY)
