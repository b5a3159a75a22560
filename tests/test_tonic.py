"""The encoding as a tonic Compose: from text, and and what the guard lets through. tonic's faults are in test_tonic_faults.py."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tonic.transforms as bare

from mxsnn.errors import UserError
from mxsnn.events import Events, frames_by_time
from mxsnn.events._guard import RULES
from mxsnn.events.stream import STRUCTURED
from mxsnn.events.tonic import TonicWarning, compose, from_tonic, to_tonic
from mxsnn.events.transforms import TRANSFORMS
from tests.guarded import EVENTS, FRAMES, SIZE, SPAN, TO_FRAMES, guarded, of_events, quietly, stream

OF_FRAMES = {"NumpyAsType": "dtype='float32'", "ToBinaRep": "n_frames=2, n_bits=2"}
REFUSED = {
    *("Compose", "EventDownsampling", "RandomFlipLR", "RandomFlipUD", "Repeat"),
    *("ToAveragedTimesurface", "ToOneHotEncoding", "ToSparseTensor"),
}
RANDOM = {
    *("DropEvent", "DropEventByArea", "DropEventByTime", "EventDrop", "RandomCrop", "RandomDropPixel"),
    *("RandomFlipPolarity", "RandomTimeReversal", "RefractoryPeriod", "SpatialJitter", "TimeJitter"),
    *("TimeSkew", "UniformNoise"),
}


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


def test_no_transform_remembers_the_last_recording() -> None:
    short = stream(100).window(0, 5_000)
    transform = bare.CropTime()
    transform(to_tonic(short))
    assert len(transform(to_tonic(stream()))) < 1000  # cut at the end of the recording before
    encoding = quietly("CropTime()", "DropPixel(hot_pixel_frequency=100000)", FRAMES)
    encoding(short)
    np.testing.assert_array_equal(encoding(stream()), quietly("CropTime()", FRAMES)(stream()))


def test_alignment_to_the_first_event_is_warned_about() -> None:
    with pytest.warns(TonicWarning, match="first event of each recording to 0"):
        compose(["TimeAlignment()", FRAMES], SIZE)


def test_equal_texts_are_equal_encodings_in_every_process() -> None:
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
    encoding = quietly("CenterCrop(size=(4, 3))", "FlipUD(p=1.0)", "Downsample(target_size=(2, 2))", "ToImage()")
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
        (["RandomFlipPolarity(p=2)", FRAMES], "tonic fails .AssertionError.; check its arguments"),
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
