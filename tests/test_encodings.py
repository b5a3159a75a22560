"""Encodings of the host against plain references and tonic, and those of the device against the host."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tonic.transforms import Compose, RandomFlipLR, ToBinaRep

from mxsnn.errors import UserError
from mxsnn.events import (
    Events,
    active_events,
    bina_rep,
    encode,
    encodings,
    frames_by_time,
    frames_in_windows,
    sbn,
    sbt,
    time_surface,
    voxel_grid,
)
from mxsnn.events.encodings import ENCODINGS
from mxsnn.events.stream import from_structured, to_structured
from mxsnn.events.tonic import compose
from mxsnn.events.transforms import TRANSFORMS
from tests.streams import CAPACITY, FAR, SIZE, encoders_at, name_of, random_stream, rows, same, shifted, streams

LENGTHS = st.sampled_from([1, 7, 60])  # few, as each is a program to compile
PARTS = st.sampled_from([1, 5])
WINDOWS = st.just([]) | st.lists(st.tuples(st.integers(-5, 45), st.integers(0, 30)), min_size=4, max_size=4)

# Loops of JAX are compiled anew at each call, unless what they are in is compiled. The rest takes longer to compile than to run.
in_windows = jax.jit(encode.frames_in_windows, static_argnums=3)
numbers_of = jax.jit(encode.bina_rep, static_argnums=(1, 2))


# Frames in windows


@given(streams(), WINDOWS, st.sampled_from([None, 2]))
def test_frames_in_windows(drawn: tuple, windows: list, clip: int | None) -> None:
    events, origin = drawn
    starts, ends = [origin + start for start, _ in windows], [origin + start + length for start, length in windows]
    expected = np.zeros((len(windows), SIZE[1], SIZE[0], 2))
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for t, x, y, p in rows(events):
            expected[k, y, x, p] += start <= t < end
    expected = expected if clip is None else np.minimum(expected, clip)
    frames = frames_in_windows(events, starts, ends, clip)
    assert frames.dtype == (np.int32 if clip is None else np.uint8)
    np.testing.assert_array_equal(frames, expected)
    begin = origin - 5
    device = encode.to_device(events, begin, origin + 100, CAPACITY)
    same(in_windows(device, np.array(starts, int) - begin, np.array(ends, int) - begin, clip), frames)


def test_exposures_of_a_camera() -> None:
    events = random_stream(500, 1000)
    starts = np.arange(0, 1000, 100)
    whole = frames_in_windows(events, starts, starts + 100)
    np.testing.assert_array_equal(whole, frames_by_time(events, 10, 0, 1000))
    exposed = frames_in_windows(events, starts + 20, starts + 70)
    assert exposed.sum() == ((events.t % 100 >= 20) & (events.t % 100 < 70)).sum()
    twice = frames_in_windows(events, [0, 300], [600, 1000])
    assert twice.sum() == 500 + len(events.window(300, 600))  # what lies in both counts in both
    device = encode.to_device(events, 0, 1000)
    same(encode.frames_in_windows(device, [0, 300], [600, 1000]), twice)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), device)
    both = jax.vmap(encode.frames_in_windows)(batch, jnp.array([[0, 300], [20, 120]]), jnp.array([[600, 1000], [70, 170]]))
    same(both[1], exposed[:2])
    same(both[0], twice)


# Bina-Rep


@given(streams(), st.sampled_from([(1, 9), (3, 2)]), LENGTHS)
def test_bina_rep(drawn: tuple, frames_bits: tuple[int, int], length: int) -> None:
    (events, start), (frames, bits) = drawn, frames_bits
    expected = np.zeros((frames, SIZE[1], SIZE[0], 2), np.int64)
    for t, x, y, p in rows(events):
        if start <= t < start + length:
            frame, bit = divmod(math.floor(Fraction((t - start) * frames * bits, length)), bits)
            expected[frame, y, x, p] |= 2 ** (bits - 1 - bit)
    numbers = bina_rep(events, frames, bits, start, start + length)
    assert numbers.dtype == (np.uint8 if bits <= 8 else np.uint16)
    np.testing.assert_array_equal(numbers, expected)
    same(numbers_of(encode.to_device(events, start, start + length, CAPACITY), frames, bits), numbers)


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_bina_rep_is_tonics(bits: int) -> None:
    events = random_stream(300, 3000)
    binary = frames_by_time(events, 3 * bits, 0, 3000).transpose(0, 3, 1, 2)
    theirs = ToBinaRep(n_frames=3, n_bits=bits)(binary).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(bina_rep(events, 3, bits, 0, 3000) / (2**bits - 1), theirs, rtol=1e-6)


def test_bina_rep_of_32_bits() -> None:
    events = Events.make([0, 31], [0, 0], [0, 0], [1, 1], SIZE)
    numbers = bina_rep(events, 1, 32, 0, 32)
    assert numbers.dtype == np.uint32
    assert numbers[0, 0, 0].tolist() == [0, 2**31 + 1]
    same(encode.bina_rep(encode.to_device(events, 0, 32), 1, 32), numbers)
    with pytest.raises(UserError, match="bits is at most 32"):
        bina_rep(events, 1, 33, 0, 33)


# Voxel grid


def reference_grid(events: Events, bins: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """The published sum over all events and bins, and that of the weights without sign, in exact fractions."""
    grid = np.full((2, bins, SIZE[1], SIZE[0], 1), Fraction(0))
    for t, x, y, p in rows(events):
        if start <= t < stop:
            s = Fraction((bins - 1) * (t - start), max(stop - 1 - start, 1))
            for k in range(bins):
                weight = max(Fraction(0), 1 - abs(s - k))
                grid[:, k, y, x, 0] += weight * (2 * p - 1), weight
    return grid[0].astype(np.float64), grid[1].astype(np.float64)


@settings(deadline=None, max_examples=50)  # the first call loads the compiler
@given(streams(), PARTS, LENGTHS)
def test_voxel_grid(drawn: tuple, bins: int, length: int) -> None:
    events, start = drawn
    expected, weight = reference_grid(events, bins, start, start + length)
    grid = voxel_grid(events, bins, start, start + length)
    assert grid.dtype == np.float32
    np.testing.assert_allclose(grid, expected, rtol=1e-7, atol=1e-12)
    on = events.window(start, start + length).p.astype(int)
    assert grid.sum(dtype=np.float64) == pytest.approx(np.sum(2 * on - 1), abs=1e-5)
    assert weight.sum() == pytest.approx(len(on))
    device = encode.voxel_grid(encode.to_device(events, start, start + length, CAPACITY), bins)
    assert device.dtype == jnp.float32
    assert (np.abs(np.asarray(device, np.float64) - expected) <= 1e-6 * np.maximum(weight, 1)).all()


@pytest.mark.parametrize("n", [0, 1, 100, 1000, 100_000])
def test_voxel_grid_of_few_and_of_many_events(n: int) -> None:
    """Bins of few events are filled otherwise than those of many; in a burst both stand beside each other."""
    size, bins, length = (100, 60), 7, 9000
    events = random_stream(n, length, size=size)
    burst = Events.make(events.t // 9 + 4000, events.x, events.y, events.p, size)
    for part in (events, burst):
        s = (bins - 1) * part.t / (length - 1)
        expected = np.zeros((bins, size[1], size[0]))
        for k in range(bins):
            np.add.at(expected[k], (part.y, part.x), (2.0 * part.p - 1) * np.maximum(0, 1 - np.abs(s - k)))
        np.testing.assert_allclose(voxel_grid(part, bins, 0, length)[..., 0], expected, rtol=1e-6, atol=1e-9)


def test_voxel_grid_keeps_the_weight_of_40000_events_on_a_pixel() -> None:
    n = 40_000
    events = Events.make(np.arange(n), np.full(n, 4), np.full(n, 2), np.ones(n), SIZE)
    assert voxel_grid(events, 1, 0, n)[0, 2, 4, 0] == n
    assert encode.voxel_grid(encode.to_device(events, 0, n), 1)[0, 2, 4, 0] == n
    grid = voxel_grid(events, 3, 0, n)[:, 2, 4, 0]
    np.testing.assert_allclose(grid, [n / 4, n / 2, n / 4], rtol=1e-4)
    assert grid.sum(dtype=np.float64) == pytest.approx(n, rel=1e-7)


def test_voxel_grid_of_the_longest_windows() -> None:
    length = 2**31 - 1
    events = Events.make([0, length // 3, length - 1], [0, 1, 4], [0, 1, 2], [0, 1, 1], SIZE)
    for bins in (2, 7, 1000):
        grid = voxel_grid(events, bins, 0, length)
        assert grid[-1, 2, 4, 0] == 1
        np.testing.assert_allclose(encode.voxel_grid(encode.to_device(events, 0, length, CAPACITY), bins), grid, atol=1e-6 * bins)
    far = Events.make([0, 2**62 - 1], [0, 4], [0, 2], [1, 1], SIZE)
    assert voxel_grid(far, 3, 0, 2**62)[[0, 2], [0, 2], [0, 4], 0].tolist() == [1, 1]


# Surfaces


@given(streams(), st.lists(st.integers(-8, 60), min_size=3, max_size=3), st.sampled_from([0.0005, 1000.0]))
def test_surfaces(drawn: tuple, offsets: list, tau: float) -> None:
    events, start = drawn
    times = [start + offset for offset in sorted(offsets)]
    latest = np.full((len(times), SIZE[1], SIZE[0], 2), -1)
    expected = np.zeros(latest.shape)
    for k, now in enumerate(times):
        for t, x, y, p in rows(events):
            if start <= t < now:
                latest[k, y, x, p] = t - start
                expected[k, y, x, p] = math.exp(-(now - t) / (1000 * tau))
    active, surface = active_events(events, times, start), time_surface(events, times, tau, start)
    assert (active.dtype, surface.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(active, latest)
    np.testing.assert_allclose(surface, expected, rtol=0, atol=1e-7)
    device, relative = encode.to_device(events, start, start + 60, CAPACITY), np.array(sorted(offsets))
    same(encode.active_events(device, relative), active)
    on_device = encode.time_surface(device, relative, tau)
    assert on_device.dtype == jnp.float32
    np.testing.assert_allclose(on_device, surface, rtol=0, atol=1e-6)


def test_surfaces_of_traced_times() -> None:
    events = random_stream(300, 1000)
    device, times = encode.to_device(events, 0, 1000), np.array([0, 500, 500, 1000])
    same(jax.jit(encode.active_events)(device, times), active_events(events, times, 0))
    surface = jax.jit(encode.time_surface, static_argnums=2)(device, times, 0.05)
    np.testing.assert_allclose(surface, time_surface(events, times, 0.05, 0), rtol=0, atol=1e-6)
    assert (active_events(events, [0], 0) == -1).all()


# Stacks


@given(streams(), PARTS, LENGTHS)
def test_sbt(drawn: tuple, images: int, length: int) -> None:
    events, start = drawn
    frames = frames_by_time(events, images, start, start + length)
    summed, latest = (sbt(events, images, start, start + length, last) for last in (False, True))
    assert (summed.dtype, latest.dtype) == (np.int32, np.int8)
    np.testing.assert_array_equal(summed, frames[..., 1:] - frames[..., :1])
    expected = np.zeros(latest.shape)
    for t, x, y, p in rows(events):
        if start <= t < start + length:
            expected[(t - start) * images // length, y, x, 0] = 2 * p - 1
    np.testing.assert_array_equal(latest, expected)
    device = encode.to_device(events, start, start + length, CAPACITY)
    same(encode.sbt(device, images), summed)
    same(encode.sbt(device, images, last=True), latest)


@given(streams(), st.sampled_from([1, 3]), st.sampled_from([1, 4, 30, 2**40]))
def test_sbn(drawn: tuple, images: int, count: int) -> None:
    events, start = drawn
    expected = np.zeros((2, images, SIZE[1], SIZE[0], 1))
    for back, (_, x, y, p) in enumerate(reversed(rows(events))):
        image = images - 1 - back // count
        if image >= 0:
            expected[0, image, y, x] += 2 * p - 1
            expected[1, image, y, x] = expected[1, image, y, x] or 2 * p - 1
    device = encode.to_device(events, start - 10, start + 100, CAPACITY)
    for last in (False, True):
        stack = sbn(events, images, count, last)
        np.testing.assert_array_equal(stack, expected[int(last)])
        same(encode.sbn(device, images, count, last), stack)


# The objects

each = pytest.mark.parametrize("encoder", encoders_at(FAR), ids=name_of)


@jax.jit
def of_each(device: encode.DeviceEvents) -> list[jax.Array]:
    """What each encoding makes of a stream on the device, in one program."""
    return [encoder(device) for encoder in encoders_at(FAR)]


def on_device(events: Events) -> encode.DeviceEvents:
    """The window [FAR, FAR + 60), that of all encodings that have one."""
    return encode.to_device(events, FAR, FAR + 60, CAPACITY)


def of_window(encoder: encodings.Encoder, events: Events) -> Events:
    """The stream for the host: those without a window take all there is, which on the device is one window."""
    return events if encoder.window else events.window(FAR, FAR + 60)


def test_every_encoding_is_tried() -> None:
    assert {type(encoder) for encoder in encoders_at(FAR)} == set(ENCODINGS)
    assert {cls.__name__ for cls in ENCODINGS} <= set(TRANSFORMS)


@given(drawn=streams(origins=(FAR,)))
def test_host_and_device_are_the_same(drawn: tuple[Events, int]) -> None:
    """Random streams with events at equal times, on equal pixels, of both polarities, within and before the window."""
    events, _ = drawn
    for encoder, frames in zip(encoders_at(FAR), of_each(on_device(events)), strict=True):
        same(frames, encoder(of_window(encoder, events)))


STREAMS = {
    "empty": Events.empty(SIZE),
    "single": Events.make([FAR + 5], [4], [2], [1], SIZE),
    "duplicates": Events.make([FAR + 5] * 50, [4] * 50, [2] * 50, [1] * 50, SIZE),
    "contradicting": Events.make([FAR + 5] * 50, [4] * 50, [2] * 50, [0, 1] * 25, SIZE),
    "all OFF": Events.make(FAR + np.arange(60), np.arange(60) % 5, np.arange(60) % 3, [0] * 60, SIZE),
    "all ON": Events.make(FAR + np.arange(60), np.arange(60) % 5, np.arange(60) % 3, [1] * 60, SIZE),
    "beside the window": Events.make([FAR - 1, FAR + 60], [0, 1], [0, 1], [0, 1], SIZE),
}


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
def test_host_and_device_at_the_edges(events: Events) -> None:
    for encoder, on_device_ in zip(encoders_at(FAR), of_each(on_device(events)), strict=True):
        frames = encoder(of_window(encoder, events))
        same(on_device_, frames)
        assert frames.shape[1:3] == (3, 5)
        if not len(events.window(FAR, FAR + 60)):
            assert (frames == (-1 if isinstance(encoder, encodings.ActiveEvents) else 0)).all()


@pytest.mark.parametrize("start", [0, -(2**50), 2**31 - 30, 2**62])
def test_the_clock_may_start_at_any_time(start: int) -> None:
    """Beyond 2^31 us, and across it, the frames are those of the same stream from 0 on."""
    events = random_stream(40, 60)
    for at_0, later in zip(encoders_at(0), encoders_at(start), strict=True):
        np.testing.assert_array_equal(later(shifted(events, start)), at_0(events))


@each
def test_out_of_order_is_refused_and_can_be_repaired(encoder: encodings.Encoder) -> None:
    events = shifted(random_stream(40, 60), FAR)
    array = to_structured(events)
    mixed = array[np.random.default_rng(0).permutation(40)]
    of_arrays = dataclasses.replace(encoder, sensor_size=(*SIZE, 2))
    np.testing.assert_array_equal(of_arrays(array), encoder(events))
    with pytest.raises(UserError, match=r"times go back .* sort=True puts the events in order"):
        of_arrays(mixed)
    stable = from_structured(mixed[np.argsort(mixed["t"], kind="stable")], SIZE)
    np.testing.assert_array_equal(encoder(from_structured(mixed, SIZE, sort=True)), encoder(stable))


def test_a_batch_on_the_device() -> None:
    several = [shifted(random_stream(n, 60, seed=n), FAR) for n in (0, 1, 50)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(on_device, several))
    for encoder, frames in zip(encoders_at(FAR), jax.jit(jax.vmap(of_each, out_axes=1))(batch), strict=True):  # [T, B, H, W, C]
        for k, events in enumerate(several):
            same(frames[:, k], encoder(events))


@each
def test_it_may_be_compiled_as_it_is(encoder: encodings.Encoder) -> None:
    shapes = jax.eval_shape(jax.jit(encoder), on_device(Events.empty(SIZE)))
    assert shapes.shape == encoder(Events.empty(SIZE)).shape


def test_the_window_of_a_stream_on_the_device() -> None:
    """Times of the recording's clock are brought over to that of the window, which starts at 0."""
    assert encodings.TimeFrames(3, 10, 90).window == (10, 90)
    assert encodings.CountFrames(3).window is encodings.SBN(3, 4).window is encodings.WindowFrames((), ()).window is None
    assert encodings.WindowFrames((40, 10), (50, 90)).window == (10, 90)
    assert encodings.WindowFrames((40,), (40,)).window == (40, 41)  # no time at all, for which there is no stream
    assert encodings.ActiveEvents((20, 90), 10).window == encodings.TimeSurface((20, 90), 1.0, 10).window == (10, 90)
    assert encodings.ActiveEvents((5,), 10).window == (10, 11)
    events = Events.make([0, 15, 60], [0, 1, 2], [0, 1, 2], [0, 1, 0], SIZE)
    for encoder in (
        encodings.WindowFrames((40, 10), (50, 90)),
        encodings.WindowFrames((40,), (40,)),
        encodings.WindowFrames((), ()),
        encodings.ActiveEvents((5,), 10),
        encodings.ActiveEvents((), 10),
    ):
        same(encoder(encode.to_device(events, *(encoder.window or (0, 10)))), encoder(events))


@each
def test_a_stream_that_is_not_of_the_window(encoder: encodings.Encoder) -> None:
    device = encode.to_device(Events.empty(SIZE), FAR, FAR + 59)
    if encoder.window is None:
        assert encoder(device).shape[1:3] == (3, 5)
    else:
        with pytest.raises(UserError, match=rf"is of one of 59 us; bring it over with to_device\(events, {FAR}, {FAR + 60}\)"):
            encoder(device)
    with pytest.raises(UserError, match="not that of the events"):
        dataclasses.replace(encoder, sensor_size=(9, 9))(on_device(Events.empty(SIZE)))
    with pytest.raises(UserError, match=r"takes Events, a structured array .* got list"):
        encoder([1, 2])  # pyrefly: ignore[no-matching-overload]
    with pytest.raises(UserError, match="give sensor_size"):
        encoder(to_structured(Events.empty(SIZE)))


def test_the_host_needs_no_jax() -> None:
    code = (
        "import sys; from mxsnn.events import Events; from mxsnn.events.encodings import TimeFrames; "
        "TimeFrames(2, 0, 10)(Events.empty((3, 3))); print('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@each
def test_equal_encodings_are_one(encoder: encodings.Encoder) -> None:
    """Hashable, also when made of arrays, so that they share what was compiled; their text makes them anew."""
    given = {name: np.array(value) if isinstance(value, tuple) else value for name, value in vars(encoder).items()}
    again = type(encoder)(**given)
    assert again == encoder
    assert hash(again) == hash(encoder)
    encoding = compose([repr(encoder).replace("sensor_size=None, ", "")], SIZE)
    assert encoding.transforms == (encoder,)
    assert compose(encoding.specs, SIZE).transforms == (encoder,)
    assert encoding.output_shape() == encoder(Events.empty(SIZE)).shape


def test_in_an_encoding_by_name() -> None:
    for spec, shape in (("VoxelGrid(bins=4, start=0, stop=1000)", (4, 3, 5, 1)), ("TimeSurface([10, 20], 0.005, 0)", (2, 3, 5, 2))):
        assert compose([spec], SIZE).output_shape() == shape


def test_in_tonics_own_compose() -> None:
    events = random_stream(200, 1000)
    own = Compose([RandomFlipLR(sensor_size=(*SIZE, 2), p=1.0), encodings.TimeFrames(2, 0, 1000, sensor_size=SIZE)])
    np.testing.assert_array_equal(own(to_structured(events)), encodings.TimeFrames(2, 0, 1000)(events)[:, :, ::-1])


def test_the_duration_of_a_frame_in_ms() -> None:
    assert encodings.TimeFrames(16, 0, 340_000).dt == 21.25
    assert encodings.DurationFrames(5_000, 0, 12_000).dt == 5.0
    assert encodings.BinaRep(4, 8, 0, 32_000).dt == 8.0
    assert encodings.VoxelGrid(5, 0, 50_000).dt == encodings.SBT(5, 0, 50_000).dt == 10.0
    assert encodings.CountFrames(3).dt is encodings.SBN(3, 20).dt is encodings.WindowFrames([0], [5]).dt is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: encodings.TimeFrames(0, 0, 1), "bins"),
        (lambda: encodings.TimeFrames(1, 5, 5), "end after it begins"),
        (lambda: encodings.TimeFrames(1, 0, 5, clip=0), "clip"),
        (lambda: encodings.TimeFrames(1, 0, 2**63), "stop is whole microseconds, an int64; got 9223372036854775808"),
        (lambda: encodings.TimeFrames(1, -(2**62), 2**62), r"below 2\*\*63 us long"),
        (lambda: encodings.DurationFrames(-1, 0, 5), "duration"),
        (lambda: encodings.DurationFrames(1, 0, 5.5), "whole microseconds"),  # pyrefly: ignore[bad-argument-type]
        (lambda: encodings.CountFrames(1.5), "frames"),  # pyrefly: ignore[bad-argument-type]
        (lambda: encodings.WindowFrames([0], [1, 2]), "1 starts and 2 ends"),
        (lambda: encodings.WindowFrames([0, 5], [1, 4]), r"window 1 ends before it begins: \[5, 4\)"),
        (lambda: encodings.WindowFrames([0.5], [1]), "starts are whole microseconds"),  # pyrefly: ignore[bad-argument-type]
        (lambda: encodings.WindowFrames([0], [1], clip=0), "clip"),
        (lambda: encodings.BinaRep(0, 8, 0, 1), "frames"),
        (lambda: encodings.BinaRep(1, 0, 0, 1), "bits"),
        (lambda: encodings.VoxelGrid(0, 0, 1), "bins"),
        (lambda: encodings.VoxelGrid(3, 5, 5), "end after it begins"),
        (lambda: encodings.ActiveEvents([5, 4], 0), "go back at time 1"),
        (lambda: encodings.ActiveEvents([5], 0.5), "start is whole"),  # pyrefly: ignore[bad-argument-type]
        (lambda: encodings.TimeSurface([5], 0.0, 0), "tau is a number of ms above 0"),
        (lambda: encodings.TimeSurface([5], math.nan, 0), "tau"),
        (lambda: encodings.SBT(0, 0, 5), "images"),
        (lambda: encodings.SBN(1, 0), "count"),
    ],
)
def test_wrong_options(make: Callable, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_what_the_device_does_not_take() -> None:
    device = encode.to_device(random_stream(10, 50), 0, 50)
    with pytest.raises(UserError, match=r"starts are us since the start of the window, below 2\*\*31"):
        encode.frames_in_windows(device, [2**31], [2**31 + 5])
    with pytest.raises(UserError, match="2 starts and 1 ends"):
        encode.frames_in_windows(device, jnp.array([0, 1]), jnp.array([5]))
    with pytest.raises(UserError, match="times are whole"):
        encode.active_events(device, [0.5])
    with pytest.raises(UserError, match="too many for the device"):
        encode.voxel_grid(encode.to_device(Events.empty((2**15, 2**15)), 0, 10), 2)
