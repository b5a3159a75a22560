"""The encoding as a tonic Compose: from text, and with tonic's faults shown bare and under the guard."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tonic.transforms as bare

from mxsnn.errors import UserError
from mxsnn.events import Events, frames_by_time
from mxsnn.events._guard import RULES
from mxsnn.events.random import host_key
from mxsnn.events.stream import STRUCTURED
from mxsnn.events.tonic import Encoding, TonicWarning, compose, from_tonic, to_tonic
from mxsnn.events.transforms import TRANSFORMS

SIZE = (9, 5)  # not square
SPAN = 20_000
FRAMES = f"TimeFrames(bins=4, start=0, stop={SPAN})"


def stream(n: int = 1000, seed: int = 0, start: int = 0, off: float = 0.5) -> Events:
    rng = np.random.default_rng(seed)
    t = start + np.sort(rng.integers(0, SPAN, n))
    return Events.make(t, rng.integers(0, SIZE[0], n), rng.integers(0, SIZE[1], n), rng.random(n) >= off, SIZE)


def quietly(*specs: str, size: tuple[int, int] = SIZE) -> Encoding:
    """An encoding of transforms about which a warning is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TonicWarning)
        return compose(specs, size)


def guarded(spec: str, events: Events) -> Events:
    """What one transform of events makes of a stream."""
    with np.errstate(all="raise"):
        transform = quietly(spec, "TimeFrames(bins=1, start=0, stop=1)").transforms[0]
        return transform(events, host_key(0)) if getattr(transform, "keyed", False) else transform(events)


# Every transform of tonic, with arguments under which it may be used
EVENTS = {
    "CenterCrop": "size=(4, 3)",
    "CropTime": "max=9000",
    "Decimation": "n=2",
    "Denoise": "filter_time=500",
    "Downsample": "spatial_factor=0.5",
    "DropEvent": "p=0.2",
    "DropEventByArea": "area_ratio=0.5",
    "DropEventByTime": "duration_ratio=0.3",
    "DropPixel": "coordinates=[[1, 1], [2, 3]]",
    "EventDrop": f"start=0, stop={SPAN}",
    "MergePolarities": "",
    "RandomCrop": "width=4, height=3",
    "RandomDropPixel": "p=0.3",
    "RandomFlipPolarity": "p=0.5",
    "RandomFlipUD": "p=0.5",
    "RandomTimeReversal": "p=0.5",
    "RefractoryPeriod": "delta=[100, 900]",
    "SpatialJitter": "var_x=2, clip_outliers=True",
    "TimeAlignment": "",
    "TimeJitter": f"sigma=300, start=0, stop={SPAN}",
    "TimeSkew": "coefficient=[0.5, 0.9]",
    "UniformNoise": "n=100",
}
TO_FRAMES = {
    "ToFrame": f"time_window=5000, start_time=0, end_time={SPAN}",
    "ToImage": "",
    "ToTimesurface": "dt=5000, tau=1000",
    "ToVoxelGrid": "n_time_bins=4",
}
OF_FRAMES = {"NumpyAsType": "dtype='float32'", "ToBinaRep": "n_frames=2, n_bits=2"}
REFUSED = {"Compose", "EventDownsampling", "RandomFlipLR", "Repeat", "ToAveragedTimesurface", "ToOneHotEncoding", "ToSparseTensor"}
RANDOM = {
    *("DropEvent", "DropEventByArea", "DropEventByTime", "EventDrop", "RandomCrop", "RandomDropPixel"),
    *("RandomFlipPolarity", "RandomFlipUD", "RandomTimeReversal", "RefractoryPeriod", "SpatialJitter", "TimeJitter"),
    *("TimeSkew", "UniformNoise"),
}
of_events = pytest.mark.parametrize("spec", [f"{name}({arguments})" for name, arguments in EVENTS.items()])
to_frames = pytest.mark.parametrize("spec", [f"{name}({arguments})" for name, arguments in TO_FRAMES.items()])


def test_every_transform_of_tonic_has_a_rule_and_a_test() -> None:
    theirs = {name for name, value in vars(bare).items() if isinstance(value, type) and value.__module__ == bare.__name__}
    assert theirs == set(EVENTS) | set(TO_FRAMES) | set(OF_FRAMES) | REFUSED
    assert set(RULES) == theirs - set(TRANSFORMS)


# The bridge


def test_both_ways() -> None:
    events = stream()
    array = to_tonic(events)
    assert array.dtype == STRUCTURED == np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    assert from_tonic(array, SIZE) == events


# What holds for every transform of events


@of_events
def test_random_or_not(spec: str) -> None:
    encoding = quietly(spec, FRAMES)
    assert encoding.random == (spec.split("(")[0] in RANDOM)
    results = [encoding(stream(), seed=seed) for seed in range(8)]
    assert any((a != b).any() for a, b in itertools.combinations(results, 2)) == encoding.random


@of_events
def test_fault_3_polarity_and_12_inputs_and_7_types(spec: str) -> None:
    """-1/+1, 0/1 and bool mean the same; the input stays as it was; the result is a valid stream in mxsnn's types."""
    events = stream()
    results = []
    for dtype, low in [("?", 0), ("i1", 0), ("u1", 0), ("i1", -1), ("f8", -1)]:
        array = np.empty(len(events), [("t", "u8"), ("p", dtype), ("y", "i4"), ("x", "u2")])
        array["t"], array["x"], array["y"] = events.t, events.x, events.y
        array["p"] = np.where(events.p == 1, 1, low)
        before = array.copy()
        results.append(quietly(spec, FRAMES)(array, seed=5))
        np.testing.assert_array_equal(array, before)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    after = guarded(spec, events)
    assert after == Events.make(after.t, after.x, after.y, after.p, after.sensor_size)
    assert events == stream()


@of_events
def test_fault_6_empty_streams(spec: str) -> None:
    assert len(guarded(spec, Events.empty(SIZE))) == 0
    encoding = quietly(spec, FRAMES)
    frames = encoding(Events.empty(SIZE))
    assert frames.shape == encoding.output_shape() == encoding(stream()).shape
    assert not frames.any()


@of_events
def test_a_single_event(spec: str) -> None:
    assert quietly(spec, FRAMES)(Events.make([5], [8], [4], [1], SIZE)).shape[0] == 4


ABSOLUTE = {"CropTime", "EventDrop", "TimeAlignment", "TimeJitter", "TimeSkew"}  # these are about the times as they are


@pytest.mark.parametrize("spec", [f"{name}({EVENTS[name]})" for name in sorted(set(EVENTS) - ABSOLUTE)])
def test_a_clock_that_started_long_ago(spec: str) -> None:
    """The result does not depend on when the recording lies."""
    start = 10**12
    now = quietly(spec, FRAMES)(stream(), seed=3)
    later = quietly(spec, f"TimeFrames(bins=4, start={start}, stop={start + SPAN})")(stream(start=start), seed=3)
    np.testing.assert_array_equal(later, now)


@of_events
def test_fault_10_the_same_seed_gives_the_same(spec: str) -> None:
    """In another order, in threads, and whatever np.random is at; which is then left alone."""
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


def test_no_transform_remembers_the_last_recording() -> None:
    short = stream(100).window(0, 5_000)
    transform = bare.CropTime()
    transform(to_tonic(short))
    assert len(transform(to_tonic(stream()))) < 1000  # cut at the end of the recording before
    encoding = quietly("CropTime()", "DropPixel(hot_pixel_frequency=100000)", FRAMES)
    encoding(short)
    np.testing.assert_array_equal(encoding(stream()), quietly("CropTime()", FRAMES)(stream()))


# The known faults one by one, bare first


def test_fault_1_voxel_grid_loses_off_events() -> None:
    events = stream(off=0.7)
    ours = quietly("ToVoxelGrid(n_time_bins=4)")(events)
    off = bare.ToVoxelGrid((*SIZE, 2), 4)(to_tonic(events))
    assert off.min() >= 0  # no OFF event left
    signed = to_tonic(events).astype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])
    right = bare.ToVoxelGrid((*SIZE, 2), 4)(signed)
    assert ours.shape == (4, 5, 9, 1)
    np.testing.assert_array_equal(ours[..., 0], right[:, 0])
    assert ours.min() < 0


def test_fault_2_voxel_grid_loses_weight_at_the_end() -> None:
    events = stream(off=0.0)
    with pytest.warns(TonicWarning, match="events in the last bin lose weight"):
        encoding = compose(["ToVoxelGrid(n_time_bins=4)"], SIZE)
    assert encoding(events).sum() < len(events) - 50
    with pytest.raises(UserError, match="all have the same time"):
        encoding(Events.make([5], [1], [1], [1], SIZE))


def test_fault_3_signed_polarity_in_frames() -> None:
    events = stream(off=0.7)
    signed = to_tonic(events).astype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])
    signed["p"] = signed["p"] * 2 - 1
    arguments = {"time_window": 5000, "start_time": 0, "end_time": SPAN}
    assert bare.ToFrame((*SIZE, 2), **arguments)(signed)[:, 0].sum() == 0  # all counted as ON
    frames = compose([f"ToFrame({TO_FRAMES['ToFrame']})"], SIZE)(signed)
    np.testing.assert_array_equal(frames, frames_by_time(events, 4, 0, SPAN))
    flipped = compose(["RandomFlipPolarity(p=1.0)", FRAMES], SIZE)(signed)
    np.testing.assert_array_equal(flipped, frames_by_time(events, 4, 0, SPAN)[..., ::-1])


@pytest.mark.parametrize("arguments", ["n_time_bins=10", "time_window=3000", "event_count=300", "n_event_bins=7"])
def test_fault_4_frames_leave_events_out(arguments: str) -> None:
    events = stream()
    encoding = quietly(f"ToFrame({arguments})")
    with pytest.warns(TonicWarning, match="leaves out the events after its last slice; TimeFrames"):
        assert encoding(events).sum() < len(events)
    assert compose([f"TimeFrames(bins=10, start=0, stop={SPAN})"], SIZE)(events).sum() == len(events)


def test_fault_4_bins_start_at_the_first_event() -> None:
    for spec in ("ToFrame(n_time_bins=10)", "ToFrame(time_window=3000)", "ToFrame(time_window=3000, start_time=0)"):
        with pytest.warns(TonicWarning, match="from the first event"):
            compose([spec], SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoding = compose([f"ToFrame({TO_FRAMES['ToFrame']})"], SIZE)
        np.testing.assert_array_equal(encoding(stream()), frames_by_time(stream(), 4, 0, SPAN))
    with pytest.raises(UserError, match="ignores start_time"):
        compose(["ToFrame(n_time_bins=10, start_time=0, end_time=100)"], SIZE)


def test_fault_4_no_warning_where_slices_overlap_or_reach_further() -> None:
    for more in ("overlap=1000", "include_incomplete=True"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoding = compose([f"ToFrame(time_window=6000, start_time=0, end_time={SPAN}, {more})"], SIZE)
            assert encoding(stream()).shape == encoding.output_shape()


@pytest.mark.parametrize("spec", ["ToFrame(n_event_bins=1)", "ToImage()", "ToFrame(event_count=40000, overlap=10)"])
def test_fault_5_counts_that_wrap(spec: str) -> None:
    n = 40_000
    events = Events.make(np.arange(n), np.full(n, 2), np.full(n, 3), np.ones(n), SIZE)
    assert bare.ToImage((*SIZE, 2))(to_tonic(events)).min() == 40_000 - 2**16
    with pytest.raises(UserError, match="wrap; TimeFrames"):
        compose([spec], SIZE)(events)
    assert compose([f"TimeFrames(bins=1, start=0, stop={n})"], SIZE)(events).max() == n


def test_fault_5_many_events_that_do_not_wrap() -> None:
    n = 40_000
    events = Events.make(np.arange(n), np.full(n, 2), np.full(n, 3), np.ones(n), SIZE)
    assert compose(["ToFrame(n_event_bins=2)"], SIZE)(events)[:, 3, 2, 1].tolist() == [n // 2, n // 2]


@to_frames
def test_fault_6_empty_streams_have_frames(spec: str) -> None:
    encoding = quietly(spec)
    empty, full = encoding(Events.empty(SIZE)), encoding(stream())
    assert empty.shape[1:] == full.shape[1:]
    assert empty.shape[1:3] == (SIZE[1], SIZE[0])
    assert empty.dtype == full.dtype
    assert not empty.any()
    assert encoding.output_shape()[0] in (None, len(empty))
    assert encoding.output_shape()[0] in (None, len(full))


def test_fault_6_bare() -> None:
    none = to_tonic(Events.empty(SIZE))
    assert bare.ToFrame((*SIZE, 2), n_time_bins=3)(none).shape == (3, 2, SIZE[0], SIZE[1])  # width and height swapped
    assert len(bare.Compose([bare.ToFrame((*SIZE, 2), n_time_bins=3)])(none)) == 0  # and Compose makes no frames at all
    with pytest.raises(ValueError, match=r".*"):
        bare.Denoise(100)(none)


def test_fault_7_no_survivors() -> None:
    assert bare.Decimation(n=5000)(to_tonic(stream())).dtype.names is None
    assert guarded("Decimation(n=5000)", stream()) == Events.empty(SIZE)


def test_fault_7_event_downsampling() -> None:
    with pytest.raises(UserError, match=r"loses the last slice; Integrate\(factor\)"):
        compose(["EventDownsampling(target_size=(3, 3), downsampling_method='naive')", FRAMES], SIZE)


def test_fault_8_downsample_raises_the_rate() -> None:
    with pytest.warns(TonicWarning, match=r"rate per pixel rises .* Pool\(factor\)"):
        encoding = compose(["Downsample(spatial_factor=0.5)", FRAMES], SIZE)
    assert encoding.output_shape() == (4, 3, 5, 2)
    pooled = compose(["Pool(factor=2)", FRAMES], SIZE)
    assert pooled.output_shape() == (4, 3, 5, 2)
    assert encoding(stream()).sum() == 1000
    assert pooled(stream()).sum() < 260
    with pytest.raises(UserError, match="microseconds; leave time_factor out"):
        compose(["Downsample(time_factor=0.001)", FRAMES], SIZE)


def test_fault_9_denoise_lets_the_first_events_pass() -> None:
    rng = np.random.default_rng(0)
    n, size, filter_time = 300, (100, 100), 1000
    t = np.sort(rng.integers(0, 900, n))
    events = Events.make(t, rng.integers(0, 100, n), rng.integers(0, 100, n), np.ones(n), size)
    # An event is kept where one of its four neighbours fired within filter_time before it.
    last = np.full((102, 102), -(10**9))
    kept = 0
    for t_, x, y in zip(events.t, events.x + 1, events.y + 1, strict=True):
        last[x, y] = t_
        kept += any(t_ - last[x + dx, y + dy] < filter_time for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)))
    assert len(bare.Denoise(filter_time)(to_tonic(events))) == n
    encoding = quietly("Denoise(filter_time=1000)", "TimeAlignment()", "TimeFrames(1, 0, 2000)", size=size)
    assert 0 < kept < n / 2
    assert encoding(events).sum() == kept
    aligned_first = quietly("TimeAlignment()", "Denoise(filter_time=1000)", "TimeFrames(1, 0, 2000)", size=size)
    assert aligned_first(events).sum() == kept


def test_alignment_to_the_first_event_is_warned_about() -> None:
    with pytest.warns(TonicWarning, match="first event of each recording to 0"):
        compose(["TimeAlignment()", FRAMES], SIZE)


def test_fault_11_missing_fields() -> None:
    array = to_tonic(stream())[["y", "t", "p"]]
    with pytest.raises(UserError, match="no field 'x'"):
        compose([FRAMES], SIZE)(array)


def test_fault_12_bare() -> None:
    array = to_tonic(stream(off=0.0))
    bare.ToFrame((*SIZE, 1), event_count=100)(array)
    assert not array["p"].any()


def test_fault_13_equal_texts_are_equal_encodings_in_every_process() -> None:
    specs = ["Denoise(10000)", "TimeFrames(16, 0, 340000, clip=4)"]
    encoding = compose(specs, (34, 34))
    assert encoding.specs == ("Denoise(filter_time=10000)", "TimeFrames(bins=16, start=0, stop=340000, clip=4)")
    assert repr(compose(encoding.specs, (34, 34))) == repr(encoding)
    assert repr(compose([specs[0], "TimeFrames(16, 0, 340000, clip=5)"], (34, 34))) != repr(encoding)
    assert repr(compose(specs, (34, 35))) != repr(encoding)
    code = f"from mxsnn.events.tonic import compose; print(repr(compose({specs!r}, (34, 34))), end='')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == repr(encoding)


def test_noise_of_both_polarities() -> None:
    one = to_tonic(Events.make([0, SPAN], [0, 0], [0, 0], [0, 0], SIZE))
    assert bare.UniformNoise((*SIZE, 2), 1000)(one)["p"].sum() == 1000  # every one is ON
    noise = compose(["UniformNoise(n=1000)", FRAMES], SIZE)(one)
    assert 400 < noise[..., 1].sum() < 600


def test_lists_mean_tuples() -> None:
    encoding = compose(["TimeSkew(coefficient=[0.2, 0.9])", FRAMES], SIZE)
    assert encoding.random
    assert encoding.specs[0] == "TimeSkew(coefficient=(0.2, 0.9))"


def test_a_reversal_stays_where_the_recording_lies() -> None:
    events = stream(start=500)
    back = guarded("RandomTimeReversal(p=1.0, flip_polarities=False)", events)
    np.testing.assert_array_equal(back.t, np.sort(events.t[0] + events.t[-1] - events.t))


def test_events_out_of_order_come_back_in_order() -> None:
    assert (np.diff(bare.TimeJitter(std=300)(to_tonic(stream()))["t"]) < 0).any()
    assert (np.diff(guarded(f"TimeJitter(sigma=300, start=0, stop={SPAN})", stream()).t) >= 0).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("SpatialJitter(var_x=2)", "clip_outliers=True"),
        ("DropEventByArea(area_ratio=(0.1, 0.2))", "give one number"),
        ("DropPixel()", "give coordinates or hot_pixel_frequency"),
        ("ToAveragedTimesurface()", "no axis of time"),
        ("ToSparseTensor(n_time_bins=3)", "torch"),
        ("Repeat(n_repeat=3)", "for labels"),
        ("ToOneHotEncoding(n_classes=3)", "for labels"),
        ("Compose(transforms=[])", "an encoding is one list"),
        ("RandomFlipLR(p=0.5)", r"FlipLR\(p\) takes them along"),
    ],
)
def test_what_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compose([spec, FRAMES], SIZE)


# The encoding as a whole


def test_it_is_a_tonic_compose() -> None:
    encoding = compose(["Denoise(filter_time=500)", FRAMES], SIZE)
    assert isinstance(encoding, bare.Compose)
    np.testing.assert_array_equal(encoding(to_tonic(stream())), encoding(stream()))


def test_side_by_side_with_the_real_denoise() -> None:
    """Where nothing is at fault, it is what tonic does."""
    events = stream(3000, start=10**6)
    plain = bare.Denoise(500)(to_tonic(events).astype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")]))
    assert guarded("Denoise(filter_time=500)", events) == from_tonic(plain, SIZE)


def test_the_sensor_after_a_crop() -> None:
    encoding = quietly("CenterCrop(size=(4, 3))", "RandomFlipUD(p=1.0)", "Downsample(target_size=(2, 2))", "ToImage()")
    assert encoding.output_shape() == encoding(stream()).shape == (1, 2, 2, 2)
    with pytest.raises(UserError, match="reaches beyond the sensor of 4x3"):
        compose(["CenterCrop(size=(4, 3))", "Crop(0, 0, 5, 3)", FRAMES], SIZE)


def test_frames_after_frames() -> None:
    encoding = compose([FRAMES, "ToBinaRep(n_frames=2, n_bits=2)", "NumpyAsType(dtype='float16')"], SIZE)
    frames = encoding(stream(100))
    binary = frames_by_time(stream(100), 4, 0, SPAN) > 0
    assert frames.dtype == np.float16
    expected = (binary[::2] * 2 + binary[1::2]) / np.float64(3)
    np.testing.assert_allclose(frames, expected, rtol=1e-3)
    assert encoding.dt == SPAN / 4 / 1000 * 2
    with pytest.raises(UserError, match="tonic fails"):
        compose([FRAMES, "ToBinaRep(n_frames=2, n_bits=3)"], SIZE)


def test_ready_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 3, (4, SIZE[1], SIZE[0], 2))
    np.testing.assert_array_equal(compose([], SIZE)(frames), frames)
    assert compose(["ToBinaRep(n_frames=2, n_bits=2)"], SIZE)(frames).shape == (2, SIZE[1], SIZE[0], 2)
    with pytest.raises(UserError, match="is for streams, but the recording is ready frames"):
        compose([FRAMES], SIZE)(frames)
    with pytest.raises(UserError, match="makes no frames of a stream"):
        compose([], SIZE)(stream())
    with pytest.raises(UserError, match="makes no frames of a stream"):
        compose([], SIZE).output_shape()


def test_recordings_of_another_kind() -> None:
    encoding = compose([FRAMES], SIZE)
    with pytest.raises(UserError, match=r"for a sensor of \(9, 5\) pixels, the recording is of \(3, 3\)"):
        encoding(Events.empty((3, 3)))
    with pytest.raises(UserError, match=r"takes Events or frames"):
        encoding(np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("specs", "dt"),
    [
        ([FRAMES], SPAN / 4 / 1000),
        (["DurationFrames(duration=3000, start=0, stop=10000)"], 3.0),
        (["CountFrames(frames=3)"], None),
        (["ToFrame(time_window=5000, overlap=1000, start_time=0, end_time=20000)"], 4.0),
        (["ToFrame(n_event_bins=3)"], None),
        (["Crop(0, 0, 2, 2)", FRAMES], SPAN / 4 / 1000),
        ([], None),
    ],
)
def test_dt(specs: list[str], dt: float | None) -> None:
    assert compose(specs, SIZE).dt == dt


def test_shapes_that_depend_on_the_recording() -> None:
    for spec in ("ToFrame(event_count=100)", "ToFrame(time_window=1000)", "ToTimesurface(dt=1000, tau=100)"):
        assert quietly(spec).output_shape()[0] is None
    assert quietly("ToFrame(event_count=100)", "ToBinaRep(n_frames=5, n_bits=2)")(stream()).shape == (5, 5, 9, 2)


def test_it_goes_to_other_processes() -> None:
    encoding = compose(["DropEvent(p=0.5)", FRAMES], SIZE)
    copy = pickle.loads(pickle.dumps(encoding))
    assert repr(copy) == repr(encoding)
    np.testing.assert_array_equal(copy(stream(), seed=3), encoding(stream(), seed=3))


def test_errors_of_a_transform_leave_np_random_as_it_was() -> None:
    encoding = compose(["DropEvent(p=0.5)", "ToImage()"], SIZE)
    n = 90_000
    events = Events.make(np.arange(n), np.zeros(n), np.zeros(n), np.ones(n), SIZE)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.raises(UserError, match="wrap"):
        encoding(events)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    encoding(stream())  # nor does it keep others waiting


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["TimeFrame(bins=1, start=0, stop=9)"], r"'TimeFrame' .* is unknown; did you mean TimeFrames\?"),
        (["denoise(filter_time=3)", FRAMES], r"did you mean Denoise\?"),
        (["Denoise(filtertime=3)", FRAMES], r"no argument 'filtertime'; did you mean filter_time\?"),
        (["TimeFrames(bin=1, start=0, stop=9)"], r"did you mean bins\?"),
        (["Denoise()", FRAMES], "missing a required argument: 'filter_time'"),
        (["Denoise(3, filter_time=3)", FRAMES], "multiple values for argument 'filter_time'"),
        (["MergePolarities(3)", FRAMES], "too many positional arguments"),
        (["Denoise(filter_time='a')", FRAMES], "of the wrong kind"),
        (["RandomFlipUD(p=2)", FRAMES], "tonic fails .AssertionError.; check its arguments"),
        (["RandomCrop(width=90, height=3)", FRAMES], "larger than the sensor of 9x5"),
        (["RandomCrop(target_size=3)", FRAMES], "no argument 'target_size'"),
        (["ToFrame()"], "takes one of time_window"),
        (["ToFrame(n_time_bins=2, event_count=3)"], "takes one of time_window.* got event_count, n_time_bins"),
        (["ToFrame(n_time_bins=0)"], "must be above 0"),
        (["ToVoxelGrid(n_time_bins=0)"], "must be above 0"),
        (["TimeFrames(bins=0, start=0, stop=9)"], "bins is a whole number of at least 1"),
        (["ToImage(sensor_size=(3, 3, 2))"], "leave sensor_size out"),
        (["TimeFrames(bins=1, start=0, stop=9, sensor_size=(3, 3))"], "leave sensor_size out"),
        (["Denoise(filter_time=1)"], "makes no frames; add one"),
        (["ToImage()", "Denoise(filter_time=1)"], "takes events, but ToImage"),
        ([FRAMES, FRAMES], "takes events, but TimeFrames"),
        (["ToBinaRep(n_frames=2)", FRAMES], "takes events, but ToBinaRep"),
        (["Denoise"], "write a call with literal arguments"),
        (["Denoise(filter_time=time)", FRAMES], "'time' .* is unknown"),
        (["Denoise(filter_time=__import__('os').getpid())", FRAMES], "only names, calls and literals"),
        (["tonic.transforms.Denoise(1)", FRAMES], "only names, calls and literals"),
        (["Denoise(**{'filter_time': 1})", FRAMES], "is not understood"),
        (["Denoise(*[1])", FRAMES], "only names, calls and literals"),
        (["Denoise(1); ToImage()"], "write it like"),
        (["ToImage("], "write it like"),
        ([""], "write it like"),
        ("ToImage()", "is a list of transforms"),
    ],
)
def test_mistakes_in_the_text(specs: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        compose(specs, SIZE)
    assert "\n" not in str(raised.value)


def test_the_readers_need_no_tonic() -> None:
    code = "import sys, mxsnn.events, mxsnn.data.datasets, mxsnn.events.transforms; print('tonic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
