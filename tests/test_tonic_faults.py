"""Each known fault of tonic's transforms (1.7.0): that it is there, and that mxsnn's way is free of it.

mxsnn's ways are two: its own encodings and filters (`encodings`, `filters`), and tonic's transforms under the guard (`of_events`,
`to_frames`). Where the guard cannot mend a fault, it refuses or warns. Augmentations, drawn by key, are in test_augment.py. A cache
that does not notice a changed transform is in test_cache.py, which needs a folder of samples to show it.
"""

from __future__ import annotations

import dataclasses
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tonic.transforms as bare
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.events import Events, encode, frames_by_time, voxel_grid
from mxsnn.events.encodings import SBN, SBT, ActiveEvents, CountFrames, DurationFrames, Encoder, TimeFrames, VoxelGrid, WindowFrames
from mxsnn.events.filters import BackgroundActivity, Decimation, Filter, MergePolarities, MovingCrop, Pool
from mxsnn.events.stream import STRUCTURED, to_structured
from mxsnn.events.tonic import TonicWarning, compose, to_tonic
from tests.guarded import FRAMES, SIZE, SPAN, TO_FRAMES, guarded, of_events, quietly, stream, to_frames
from tests.streams import EACH_FILTER, FAR, encoders_at, name_of, random_stream, rows, shifted, streams

encodings = pytest.mark.parametrize("encoder", encoders_at(FAR), ids=name_of)
filters = pytest.mark.parametrize("filter", EACH_FILTER, ids=str)

SIGNED = np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])
POLARITIES = [("?", 0), ("i1", 0), ("u1", 0), ("i1", -1), ("f8", -1)]  # types, and what OFF is


def written(events: Events, dtype: str = "?", off: int = 0) -> np.ndarray:
    """The events as an array with fields of other names, types and order than tonic's, one of them nobody asked for."""
    array = np.zeros(len(events), [("pol", dtype), ("note", "f4"), ("ts", "i8"), ("y", "u2"), ("x", "i4")])
    array["ts"], array["x"], array["y"] = events.t, events.x, events.y
    array["pol"], array["note"] = np.where(events.p == 1, 1, off), np.arange(len(events))
    return array


def of_arrays(transform: Encoder | Filter, size: tuple[int, int] = SIZE) -> Encoder | Filter:
    """The transform for structured arrays."""
    return dataclasses.replace(transform, sensor_size=(*size, 2))


# A voxel grid of bool polarities loses every OFF event; one of uint8 raises


def test_off_events_are_lost_from_a_voxel_grid() -> None:
    events = stream(off=0.7)
    array = to_tonic(events)
    assert bare.ToVoxelGrid((*SIZE, 2), 4)(array).min() >= 0
    with pytest.raises(OverflowError, match="-1"):
        bare.ToVoxelGrid((*SIZE, 2), 4)(array.astype([*SIGNED.descr[:3], ("p", "u1")]))
    right = bare.ToVoxelGrid((*SIZE, 2), 4)(array.astype(SIGNED))
    np.testing.assert_array_equal(quietly("ToVoxelGrid(n_time_bins=4)")(events)[..., 0], right[:, 0])
    expected = voxel_grid(events, 4, 0, SPAN)
    assert expected.min() < 0
    assert expected.sum(dtype=np.float64) == pytest.approx(2 * int(events.p.sum()) - len(events), abs=1e-3)
    for dtype, off in POLARITIES:
        np.testing.assert_array_equal(of_arrays(VoxelGrid(4, 0, SPAN))(written(events, dtype, off)), expected)


# A voxel grid scales time to its number of bins, one too many: events at the end lose weight


def e2vid(t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray, bins: int) -> np.ndarray:
    """E2VID's formula, its times scaled between the first and the last event."""
    scaled = (bins - 1) * (t - t[0]) / max(t[-1] - t[0], 1)
    grid = np.zeros((bins, SIZE[1], SIZE[0], 1))
    for k in range(bins):
        np.add.at(grid[k, :, :, 0], (y, x), p * np.maximum(0, 1 - np.abs(scaled - k)))
    return grid


@pytest.mark.parametrize("bins", [2, 10])
@pytest.mark.parametrize("start", [0, 2**40])
def test_a_voxel_grid_loses_weight_at_the_end(bins: int, start: int) -> None:
    events = stream(start=start)
    first, last = int(events.t[0]), int(events.t[-1])
    expected = e2vid(events.t, events.x, events.y, 2.0 * events.p - 1, bins)
    np.testing.assert_allclose(voxel_grid(events, bins, first, last + 1), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(encode.voxel_grid(encode.to_device(events, first, last + 1), bins), expected, atol=2e-5)
    rising = stream(start=start, off=0.0)
    assert voxel_grid(rising, bins, start, start + SPAN).sum(dtype=np.float64) == pytest.approx(1000)
    assert bare.ToVoxelGrid((*SIZE, 2), bins)(to_tonic(rising).astype(SIGNED)).sum() < 1000 - 20
    with pytest.warns(TonicWarning, match="events in the last bin lose weight"):
        guarded = compose([f"ToVoxelGrid(n_time_bins={bins})"], SIZE)
    with pytest.raises(UserError, match="all have the same time"):
        guarded(Events.make([5], [1], [1], [1], SIZE))


# Polarities -1 and +1 are indices: OFF counts as ON


def signed_stream() -> tuple[Events, np.ndarray]:
    events = stream(off=0.7)
    array = to_tonic(events).astype(SIGNED)
    array["p"] = array["p"] * 2 - 1
    return events, array


def test_signed_polarities_count_as_on() -> None:
    events, signed = signed_stream()
    assert bare.ToFrame((*SIZE, 2), time_window=5000, start_time=0, end_time=SPAN)(signed)[:, 0].sum() == 0
    assert not bare.RandomFlipPolarity(p=1.0)(signed)["p"].any()
    frames = compose([f"ToFrame({TO_FRAMES['ToFrame']})"], SIZE)(signed)
    np.testing.assert_array_equal(frames, frames_by_time(events, 4, 0, SPAN))
    flipped = compose(["RandomFlipPolarity(p=1.0)", FRAMES], SIZE)(signed)
    np.testing.assert_array_equal(flipped, frames_by_time(events, 4, 0, SPAN)[..., ::-1])


@of_events
def test_signed_polarities_under_the_guard(spec: str) -> None:
    results = [quietly(spec, FRAMES)(written(stream(), dtype, off), seed=5) for dtype, off in POLARITIES]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@encodings
def test_signed_polarities_in_encodings(encoder: Encoder) -> None:
    events = shifted(random_stream(40, 60, size=SIZE), FAR)
    for dtype, off in POLARITIES:
        np.testing.assert_array_equal(of_arrays(encoder)(written(events, dtype, off)), encoder(events))


@filters
def test_signed_polarities_in_filters(filter: Filter) -> None:
    events = random_stream(400, 2000, size=SIZE)
    expected = filter(events)
    for dtype, off in POLARITIES:
        result = of_arrays(filter)(written(events, dtype, off))
        np.testing.assert_array_equal(result["pol"], np.where(expected.p == 1, 1, off).astype(dtype))


# Frames leave out the last events, and start at the first event


@pytest.mark.parametrize(("by", "value"), [("n_time_bins", 10), ("time_window", 3000), ("event_count", 300), ("n_event_bins", 7)])
def test_frames_leave_events_out(by: str, value: int) -> None:
    events = stream()
    assert bare.ToFrame((*SIZE, 2), **{by: value})(to_tonic(events)).sum() < len(events)
    encoding = quietly(f"ToFrame({by}={value})")
    with pytest.warns(TonicWarning, match="leaves out the events after its last slice; TimeFrames"):
        encoding(events)
    counts = TimeFrames(10, 0, SPAN), DurationFrames(3000, 0, SPAN), CountFrames(7), WindowFrames((0, 777), (777, SPAN))
    assert [encoder(events).sum() for encoder in counts] == [1000] * 4


def test_frames_start_at_the_first_event() -> None:
    late = stream(start=3000)
    assert bare.ToFrame((*SIZE, 2), time_window=5000)(to_tonic(late))[0].sum() == len(late.window(late.t[0], late.t[0] + 5000))
    frames = DurationFrames(5000, 0, SPAN)(late)
    assert frames.sum((1, 2, 3)).tolist() == [len(late.window(start, start + 5000)) for start in range(0, SPAN, 5000)]
    for spec in ("ToFrame(n_time_bins=10)", "ToFrame(time_window=3000)", "ToFrame(time_window=3000, start_time=0)"):
        with pytest.warns(TonicWarning, match="from the first event"):
            compose([spec], SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoding = compose([f"ToFrame({TO_FRAMES['ToFrame']})"], SIZE)
        np.testing.assert_array_equal(encoding(stream()), frames_by_time(stream(), 4, 0, SPAN))
        for more in ("overlap=1000", "include_incomplete=True"):  # no warning where slices overlap or reach further
            encoding = compose([f"ToFrame(time_window=6000, start_time=0, end_time={SPAN}, {more})"], SIZE)
            assert encoding(stream()).shape == encoding.output_shape()
    with pytest.raises(UserError, match="ignores start_time"):
        compose(["ToFrame(n_time_bins=10, start_time=0, end_time=100)"], SIZE)


# Counters of 16 bits wrap


def test_counters_wrap() -> None:
    n = 40_000
    events = Events.make(np.arange(n), np.full(n, 2), np.full(n, 3), np.ones(n), SIZE)
    assert bare.ToImage((*SIZE, 2))(to_tonic(events)).min() == n - 2**16
    for spec in ("ToFrame(n_event_bins=1)", "ToImage()", "ToFrame(event_count=40000, overlap=10)"):
        with pytest.raises(UserError, match="wrap; TimeFrames"):
            compose([spec], SIZE)(events)
    assert compose(["ToFrame(n_event_bins=2)"], SIZE)(events)[:, 3, 2, 1].tolist() == [n // 2, n // 2]  # it does not wrap
    device = encode.to_device(events, 0, n)
    counting = (TimeFrames(1, 0, n), DurationFrames(n, 0, n), CountFrames(1), WindowFrames((0,), (n,)))
    for encoder in (*counting, SBT(1, 0, n), SBN(1, n), VoxelGrid(1, 0, n)):
        for frames in (encoder(events), encoder(device)):
            assert frames[0, 3, 2, -1] == n
            assert frames.sum() == n


# An empty stream has frames with width and height exchanged, or none


@of_events
def test_nothing_under_the_guard(spec: str) -> None:
    assert len(guarded(spec, Events.empty(SIZE))) == 0
    encoding = quietly(spec, FRAMES)
    frames = encoding(Events.empty(SIZE))
    assert frames.shape == encoding.output_shape() == encoding(stream()).shape
    assert not frames.any()


@to_frames
def test_frames_of_nothing_under_the_guard(spec: str) -> None:
    encoding = quietly(spec)
    empty, full = encoding(Events.empty(SIZE)), encoding(stream())
    assert empty.shape[1:] == full.shape[1:]
    assert empty.shape[1:3] == (SIZE[1], SIZE[0])
    assert empty.dtype == full.dtype
    assert not empty.any()
    assert encoding.output_shape()[0] in (None, len(empty))
    assert encoding.output_shape()[0] in (None, len(full))


def test_nothing() -> None:
    none = to_tonic(Events.empty(SIZE))
    assert bare.ToFrame((*SIZE, 2), n_time_bins=3)(none).shape == (3, 2, SIZE[0], SIZE[1])
    assert len(bare.Compose([bare.ToFrame((*SIZE, 2), n_time_bins=3)])(none)) == 0
    with pytest.raises(ValueError, match=r".*"):
        bare.Denoise(100)(none)


@encodings
def test_nothing_in_encodings(encoder: Encoder) -> None:
    full = encoder(shifted(random_stream(40, 60, size=SIZE), FAR))
    for empty in (encoder(Events.empty(SIZE)), of_arrays(encoder)(to_structured(Events.empty(SIZE)))):
        assert (empty.shape, empty.dtype) == (full.shape, full.dtype)
        assert empty.shape[1:3] == (SIZE[1], SIZE[0])
        assert (empty == (-1 if isinstance(encoder, ActiveEvents) else 0)).all()


@filters
def test_nothing_in_filters(filter: Filter) -> None:
    result = filter(Events.empty(SIZE))
    assert len(result) == 0
    assert result.sensor_size == filter(Events.make([0], [0], [0], [1], SIZE)).sensor_size
    assert of_arrays(filter)(to_structured(Events.empty(SIZE))).dtype == STRUCTURED


# Types and fields change on the way, and without survivors they are lost


def test_no_survivors() -> None:
    assert bare.Decimation(n=5000)(to_tonic(stream())).dtype.names is None
    assert Decimation(5000)(stream()) == guarded("Decimation(n=5000)", stream()) == Events.empty(SIZE)
    with pytest.raises(AssertionError):
        bare.EventDownsampling((*SIZE, 2), (3, 3), "naive", dt=1)(to_tonic(stream()))
    with pytest.raises(UserError, match=r"loses the last slice; Integrate\(factor\)"):
        compose(["EventDownsampling(target_size=(3, 3), downsampling_method='naive')", FRAMES], SIZE)


@of_events
def test_types_under_the_guard(spec: str) -> None:
    after = guarded(spec, stream())
    assert after == Events.make(after.t, after.x, after.y, after.p, after.sensor_size)


@filters
@given(drawn=streams(size=SIZE))
def test_types_in_filters(filter: Filter, drawn: tuple[Events, int]) -> None:
    """An array comes back with its own fields in their own order, types and marks of OFF, also without survivors."""
    events, _ = drawn
    array = written(events, "i1", -1)
    result, expected = of_arrays(filter)(array), filter(events)
    assert result.dtype == array.dtype
    for field, values in [("ts", expected.t), ("x", expected.x), ("y", expected.y), ("pol", np.where(expected.p, 1, -1))]:
        np.testing.assert_array_equal(result[field], values)
    kept = result["note"].astype(int)
    np.testing.assert_array_equal(result["ts"], array["ts"][kept])
    if not isinstance(filter, MergePolarities):
        np.testing.assert_array_equal(result["pol"], array["pol"][kept])


# A smaller sensor merges no events: the rate of a pixel rises


def test_downsampling_raises_the_rate() -> None:
    with pytest.warns(TonicWarning, match=r"rate per pixel rises .* Pool\(factor\)"):
        encoding = compose(["Downsample(spatial_factor=0.5)", FRAMES], SIZE)
    assert encoding.output_shape() == (4, 3, 5, 2)
    assert encoding(stream()).sum() == 1000
    with pytest.raises(UserError, match="microseconds; leave time_factor out"):
        compose(["Downsample(time_factor=0.001)", FRAMES], SIZE)
    n = 64_000
    events = random_stream(n, n, size=(8, 8))
    rate = frames_by_time(events, 1, 0, n).mean()
    assert len(bare.Downsample(sensor_size=(8, 8, 2), spatial_factor=0.25)(to_tonic(events))) == n
    assert frames_by_time(Pool(4)(events), 1, 0, n).mean() / rate == pytest.approx(1, abs=0.01)


# A filter's memory starts at a time of its own: what passes depends on when the clock was started


def test_the_first_events_pass() -> None:
    size, time = (100, 100), 1000
    events = random_stream(300, 900, size=size)
    kept = BackgroundActivity(time, neighbours=4)(events)
    assert 0 < len(kept) < 150
    assert len(bare.Denoise(time)(to_tonic(events))) == 300
    for specs in (["Denoise(filter_time=1000)", "TimeAlignment()"], ["TimeAlignment()", "Denoise(filter_time=1000)"]):
        assert quietly(*specs, "TimeFrames(1, 0, 2000)", size=size)(events).sum() == len(kept)
    two = Events.make([5, 5], [0, 1], [0, 0], [1, 1], SIZE)
    assert len(bare.Denoise(10_000)(to_structured(two))) == 2
    assert rows(BackgroundActivity(10_000)(two)) == [(5, 1, 0, 1)]


@filters
@given(drawn=streams(origins=(0,), size=SIZE), by=st.sampled_from([1, -1, 10_000, 2**31, -(2**33), FAR]))
def test_the_clock_may_start_at_any_time_in_filters(filter: Filter, drawn: tuple[Events, int], by: int) -> None:
    events, _ = drawn
    later = filter
    if isinstance(filter, MovingCrop):
        later = MovingCrop(tuple(t + by for t in filter.times), filter.corners, filter.width, filter.height)
    assert later(shifted(events, by)) == shifted(filter(events), by)


# Random numbers are the process's: a sample depends on what was drawn before


def test_random_numbers_of_the_process() -> None:
    np.random.seed(1)  # noqa: NPY002
    first, second = (bare.DropEvent(p=0.5)(to_tonic(stream())) for _ in range(2))
    assert len(first) != len(second) or (first != second).any()


@of_events
def test_random_numbers_of_the_sample(spec: str) -> None:
    """The same seed gives the same in another order, in threads, and whatever np.random is at; which is then left alone."""
    encoding = quietly(spec, FRAMES)
    inputs = [stream(seed=k) for k in range(6)]
    one_by_one = [encoding(events, seed=(7, k)) for k, events in enumerate(inputs)]
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    backwards = [encoding(inputs[k], seed=(7, k)) for k in reversed(range(6))][::-1]
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    with ThreadPoolExecutor(4) as pool:
        in_threads = list(pool.map(lambda k: encoding(inputs[k], seed=(7, k)), range(6)))
    for results in (backwards, in_threads):
        for a, b in zip(one_by_one, results, strict=True):
            np.testing.assert_array_equal(a, b)


# A missing field is not noticed, but for the polarity


@pytest.mark.parametrize("missing", "txyp")
def test_a_missing_field(missing: str) -> None:
    array = to_tonic(stream())[[name for name in STRUCTURED.names or () if name != missing]]
    if missing == "x":  # tonic's own check does not see it
        with pytest.raises(ValueError, match="no field of name x"):
            bare.ToFrame((*SIZE, 2), n_time_bins=3)(array)
    for transform in (*encoders_at(0), *EACH_FILTER):
        with pytest.raises(UserError, match=f"no field '{missing}'"):
            of_arrays(transform)(array)
    with pytest.raises(UserError, match=f"no field '{missing}'"):
        compose([FRAMES], SIZE)(array)


# A transform writes into its input


def test_the_input_is_written_to() -> None:
    array = to_tonic(stream(off=0.0))
    bare.ToFrame((*SIZE, 1), event_count=100)(array)
    assert not array["p"].any()


@of_events
def test_the_input_under_the_guard(spec: str) -> None:
    events, array = stream(), written(stream())
    quietly(spec, FRAMES)(array)
    guarded(spec, events)
    np.testing.assert_array_equal(array, written(stream()))
    assert events == stream()


@pytest.mark.parametrize("transform", [*encoders_at(FAR), *EACH_FILTER], ids=str)
def test_the_input_stays_as_it_was(transform: Encoder | Filter) -> None:
    events = shifted(random_stream(40, 60, size=SIZE), FAR)
    array = written(events)
    transform(events)
    of_arrays(transform)(array)
    np.testing.assert_array_equal(array, written(events))
    assert events == shifted(random_stream(40, 60, size=SIZE), FAR)
