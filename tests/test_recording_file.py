"""The recording file: what is written is read, windows are those in memory, and damage is one error."""

from __future__ import annotations

import multiprocessing
import pickle
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn.cli import main
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, Frames, Label, Recording, Samples, Triggers, open_recording, read, stream, write
from mxsnn.events.io import _hdf5, _recording_file
from mxsnn.events.io._recording_file import FileEvents, FileImages
from mxsnn.events.recording import KINDS, SIDES


def same(a: Recording, b: Recording) -> None:
    """Both say the same, to the bit, in the same types."""
    assert (a.events is None) == (b.events is None)
    for x, y in [(a, b)] if a.events is not None else []:
        assert x.events is not None
        assert y.events is not None
        assert whole(x.events) == whole(y.events)
        assert x.events.span == y.events.span
    for name in ("t", "id", "value"):
        identical(getattr(a.triggers, name), getattr(b.triggers, name))
    assert set(a.frames) == set(b.frames)
    for stream_name, frames in a.frames.items():
        identical(frames.images, b.frames[stream_name].images)
        for name in ("t", "start", "end"):
            identical(getattr(frames, name), getattr(b.frames[stream_name], name))
    assert set(a.samples) == set(b.samples)
    for stream_name, samples in a.samples.items():
        identical(samples.t, b.samples[stream_name].t)
        identical(samples.values, b.samples[stream_name].values)
        assert samples.names == b.samples[stream_name].names
    for name in ("labels", "subject", "session", "sensor", "lux"):
        assert getattr(a, name) == getattr(b, name), name
        assert type(getattr(a, name)) is type(getattr(b, name))
    assert dict(a.conditions) == dict(b.conditions)
    assert {k: type(v) for k, v in a.conditions.items()} == {k: type(v) for k, v in b.conditions.items()}


def identical(a: object, b: object) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


def whole(events: object) -> Events:
    """All events in memory."""
    if isinstance(events, Events):
        return events
    pieces = list(events.pieces())
    empty = [np.empty(0, dtype) for dtype in (np.int64, np.int16, np.int16, np.uint8)]
    columns = [np.concatenate([e, *(getattr(p, name) for p in pieces)]) for e, name in zip(empty, "txyp", strict=True)]
    return Events(*columns, sensor_size=events.sensor_size)


def random_events(n: int, seed: int = 0, span: int = 1_000_000) -> Events:
    rng = np.random.default_rng(seed)
    return Events.make(
        np.sort(rng.integers(0, span, n)), rng.integers(0, 346, n), rng.integers(0, 260, n), rng.integers(0, 2, n), (346, 260)
    )


def full(n: int = 1000) -> Recording:
    """A recording that has something of everything."""
    rng = np.random.default_rng(1)
    start = np.arange(6) * 100
    return Recording(
        random_events(n),
        Triggers.make([5, 900], [0, 3], [1, 0]),
        {
            "rgb": Frames.make(rng.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8), start=start, end=start + 7),
            "thermal": Frames.make(rng.integers(0, 2**16, (3, 2, 7), dtype=np.uint16), [1, 1, 2]),
        },
        {"imu": Samples(np.arange(4), rng.normal(size=(4, 2)).astype(np.float32), ("ax (m/s²)", "ay"))},
        (Label("AU12", "au", 10, 20, 30, 0.6, "left"), Label("smile", "movement"), Label("joy", "emotion", apex=3, intensity=0.0)),
        "ada",
        "morning",
        "DAVIS346",
        3.5,
        {"lamp": "LED, 4000 K — flickers", "distance": 0.5, "take": 3, "note": ""},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of `full()`."""
    write(tmp_path / "a.mxr", full())
    return tmp_path / "a.mxr"


def rejected(message: str, call: Callable, *args: object, **options: object) -> None:
    with pytest.raises(UserError, match=message) as raised:
        call(*args, **options)
    assert "\n" not in str(raised.value)


# Round trips

TIMES = st.integers(-(2**62), 2**62)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda n: n != "."
)


@st.composite
def streams(draw: st.DrawFn, most: int = 40) -> Events:
    n = draw(st.integers(0, most))
    width, height = draw(st.tuples(st.integers(1, 2**15), st.integers(1, 2**15)))
    t = np.sort(np.array(draw(st.lists(st.one_of(st.integers(0, 50), TIMES), min_size=n, max_size=n)), np.int64))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return Events.make(t, rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n), (width, height))


@st.composite
def frames(draw: st.DrawFn) -> Frames:
    n = draw(st.integers(0, 3))
    shape = (n, draw(st.integers(1, 3)), draw(st.integers(1, 3)), *draw(st.sampled_from([(), (3,)])))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    t = np.sort(rng.integers(-100, 100, n))
    return Frames.make(
        rng.integers(0, 255, shape, dtype=draw(st.sampled_from([np.uint8, np.uint16]))), t, t - 3, t + rng.integers(0, 9, n)
    )


@st.composite
def labels(draw: st.DrawFn) -> Label:
    times = iter(sorted(draw(st.lists(TIMES, min_size=3, max_size=3))))
    times = [next(times) if draw(st.booleans()) else None for _ in range(3)]
    intensity = draw(st.none() | st.floats(0, 1))
    return Label(draw(NAMES), draw(st.sampled_from(KINDS)), *times, intensity, draw(st.sampled_from(SIDES)))


@st.composite
def samples(draw: st.DrawFn) -> Samples:
    names = tuple(draw(st.lists(TEXT.filter(lambda name: not name.endswith("\0")), max_size=3)))
    t = np.sort(np.array(draw(st.lists(TIMES, max_size=4)), np.int64))
    return Samples(t, np.random.default_rng(len(t)).normal(size=(len(t), len(names))).astype(np.float32), names)


RECORDINGS = st.builds(
    Recording,
    st.none() | streams(),
    st.builds(
        lambda edges: Triggers.make(*zip(*edges, strict=True)) if edges else Triggers.make(),
        st.lists(st.tuples(TIMES, st.integers(-(2**15), 2**15 - 1), st.integers(0, 1)), max_size=5),
    ),
    st.dictionaries(NAMES, frames(), max_size=2),
    st.dictionaries(NAMES, samples(), max_size=2),
    st.lists(labels(), max_size=4).map(tuple),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | st.floats(allow_nan=False),
    st.dictionaries(NAMES | st.just("a/b."), TEXT | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1), max_size=3),
)


@settings(max_examples=30)
@given(RECORDINGS, st.integers(1, 9))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, recording: Recording, every: int) -> None:
    path = tmp_path_factory.mktemp("recordings") / "a.mxr"
    with patch.object(_recording_file, "EVERY", every):
        write(path, recording)
    opened = open_recording(path)
    same(opened, recording)
    write(path.with_name("b.mxr"), opened)  # lazily, from file to file
    same(open_recording(path.with_name("b.mxr")), recording)


def test_everything_comes_back(path: Path) -> None:
    opened = open_recording(path)
    same(opened, full())
    assert isinstance(opened.events, FileEvents)
    assert isinstance(opened.frames["rgb"].images, FileImages)
    assert read(path) == full().events
    assert open_recording(path, (640, 480)).events.sensor_size == (640, 480)
    rejected("outside the sensor of 20x20", read, path, (20, 20))
    rejected("outside the sensor of 20x20", open_recording(path, (20, 20)).events.window, 0, 10**6)


def test_the_same_recording_gives_the_same_bytes(path: Path) -> None:
    write(path.with_name("b.mxr"), full())
    assert path.with_name("b.mxr").read_bytes() == path.read_bytes()


def test_a_long_stream_is_written_and_read_in_pieces(tmp_path: Path) -> None:
    events = random_events(2**20 + 12345)
    write(tmp_path / "a.mxr", events)
    opened = open_recording(tmp_path / "a.mxr")
    lengths = [len(piece) for piece in opened.events.pieces()]
    assert len(lengths) == 2
    assert whole(opened.events) == events
    assert [len(piece) for piece in stream(tmp_path / "a.mxr")] == lengths
    with h5py.File(tmp_path / "a.mxr") as file:
        assert file["events/t"].chunks == (_recording_file.EVERY,)
        np.testing.assert_array_equal(file["events/index"], events.t[:: _recording_file.EVERY])


@pytest.mark.parametrize("codec", list(_hdf5.CODECS))
def test_codecs(tmp_path: Path, codec: str) -> None:
    write(tmp_path / "a.mxr", full(), codec=codec)
    write(tmp_path / "b.mxr", full(), codec=_hdf5.CODECS[codec])
    assert (tmp_path / "a.mxr").read_bytes() == (tmp_path / "b.mxr").read_bytes()
    same(open_recording(tmp_path / "a.mxr"), full())
    rejected("codec is one of gzip, zstd, lz4, plain; got 'lzma'", write, tmp_path / "c.mxr", full(), codec="lzma")
    assert not (tmp_path / "c.mxr").exists()


def test_a_codec_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    rejected(r"needs hdf5plugin: pip install 'mxsnn\[codecs\]'", write, tmp_path / "c.mxr", full(), codec=_hdf5.zstd)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"subject": "a\0b"}, "subject holds a zero character"),
        ({"subject": "\ud800"}, "subject is no valid text"),
        ({"conditions": {"lamp": [1]}}, "lamp is text or a number"),
        ({"conditions": {"a\0": 1}}, "zero character"),
        ({"conditions": {"": 1}}, "a condition needs a name; 1 has none"),
        ({"conditions": {"n": 2**70}}, "cannot be written"),
        ({"frames": {"a/b": Frames.make(np.zeros((1, 2, 2), np.uint8), [0])}}, "no slash"),
        ({"samples": {"": Samples(np.arange(1), np.zeros((1, 1), np.float32), ("a",))}}, "no slash"),
        ({"labels": (Label("a", "au", onset=-(2**63)),)}, "stands for a time that is not known"),
        ({"labels": (Label("a", "au", onset=2**63),)}, "cannot be written"),
        ({"subject": 5}, "subject is text; got 5"),
        ({"lux": "dim"}, "lux is a number; got 'dim'"),
        ({"samples": {"imu": Samples(np.array([2, 1]), np.zeros((2, 1), np.float32), ("a",))}}, "times go back at sample 1"),
        ({"samples": {"imu": Samples(np.arange(2), np.zeros((2, 1), np.float32), ("a", "b"))}}, "2 names do not fit"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, wrong: dict, message: str) -> None:
    rejected(message, write, tmp_path / "a.mxr", replace(full(), **wrong))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Frames.make(np.zeros((2, 2, 2), np.uint8), [0.04, 0.08]), "t is whole numbers us; got 0.04"),
        (lambda: Frames.make(np.zeros((1, 2, 2), np.uint8), start=[0], end=[np.nan]), "end is whole numbers us; got nan"),
        (lambda: Triggers.make([0.5], [0], [1]), "t is whole numbers us; got 0.5"),
        (lambda: Triggers.make(np.array([2**63], np.uint64), [0], [1]), "t is whole numbers us; got 9223372036854775808"),
        (lambda: Triggers.make([5], np.array([70_000]), [1]), "id is whole numbers of int16; got 70000"),
        (lambda: Triggers.make([5], [0], np.array([-1])), "value is whole numbers of uint8; got -1"),
        (lambda: Triggers.make(["5"], [0], [1]), "t is whole numbers, got <U1"),
        (lambda: Label("AU1", "au", onset=0.5), "times of label 'AU1' are whole us; got 0.5, None, None"),
    ],
)
def test_times_are_never_cut_to_whole_ones(make: Callable[[], object], message: str) -> None:
    rejected(message, make)
    Frames.make(np.zeros((2, 2, 2), np.uint8), [1.0, 2.0])  # whole, as what computes with floats gives them


# Slicing


@settings(max_examples=30)
@given(streams(), st.integers(1, 9), st.lists(st.tuples(st.integers(-5, 60) | TIMES, st.integers(-5, 60) | TIMES), max_size=8))
def test_windows_are_those_in_memory(
    tmp_path_factory: pytest.TempPathFactory, events: Events, every: int, windows: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("recordings") / "a.mxr"
    with patch.object(_recording_file, "EVERY", every):
        write(path, events)
    opened = open_recording(path).events
    assert (len(opened), opened.span, opened.sensor_size) == (len(events), events.span, events.sensor_size)
    at_events = [(int(a), int(b)) for a in events.t[:2] for b in events.t[-2:] + 1]
    for t0, t1 in map(sorted, [*windows, *at_events]):
        assert opened.window(t0, t1) == events.window(t0, t1)
    rejected("needs t0 <= t1", opened.window, 1, 0)


def test_a_window_reads_few_chunks(tmp_path: Path) -> None:
    events = random_events(300_000)
    with patch.object(_recording_file, "EVERY", 1000):
        write(tmp_path / "a.mxr", events)
    opened = open_recording(tmp_path / "a.mxr")
    column, read_rows = _recording_file._column, []

    def counted(file: h5py.File, name: str, rows: slice) -> np.ndarray:
        read_rows.append(rows.stop - rows.start)
        return column(file, name, rows)

    with patch.object(_recording_file, "_column", counted):
        for t0 in range(0, 1_000_000, 77_777):
            read_rows.clear()
            window = opened.events.window(t0, t0 + 1000)  # some 300 events, so at most three parts of 1000
            assert window == events.window(t0, t0 + 1000)
            assert read_rows[0] <= 3000
            assert sum(read_rows[1:]) == 3 * len(window)
        read_rows.clear()
        assert len(opened.events.window(2_000_000, 3_000_000)) == 0
        assert sum(read_rows) <= 1000


def test_a_window_of_everything(path: Path) -> None:
    opened, there = open_recording(path).window(100, 500), full().window(100, 500)
    same(opened, there)
    assert isinstance(opened.events, Events)
    assert isinstance(opened.frames["rgb"].images, np.ndarray)


@given(st.data())
def test_images_are_indexed_as_arrays(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "images.mxr"
    if not path.exists():
        write(path, full())
    lazy, there = open_recording(path).frames["rgb"].images, full().frames["rgb"].images
    index = data.draw(
        st.one_of(
            st.integers(-6, 5),
            st.slices(6),
            st.lists(st.integers(-6, 5), max_size=7).map(lambda k: np.array(k, int)),
            st.lists(st.booleans(), min_size=6, max_size=6).map(np.array),
            st.tuples(st.slices(6), st.slices(5), st.integers(0, 3)),
            st.just(...),
        )
    )
    identical(lazy[index], there[index])


def test_images_that_are_not_there(path: Path) -> None:
    images = open_recording(path).frames["rgb"].images
    with pytest.raises(IndexError):
        images[6]
    assert (len(images), images.shape, images.dtype) == (6, (6, 5, 4, 3), np.uint8)


# Other processes


def _in_worker(recording: Recording) -> tuple[Events, np.ndarray]:
    assert recording.events is not None
    return recording.events.window(1000, 200_000), np.asarray(recording.frames["thermal"].images[1])


def test_an_open_recording_goes_to_a_worker(tmp_path: Path) -> None:
    codec = "zstd"
    write(tmp_path / "a.mxr", full(), codec=codec)
    opened = open_recording(tmp_path / "a.mxr")
    assert len(pickle.dumps(opened.events)) < 2000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        events, image = pool.apply(_in_worker, (opened,))
    assert events == full().events.window(1000, 200_000)
    identical(image, full().frames["thermal"].images[1])


def test_forked_workers_read_beside_their_parent(path: Path) -> None:
    """In a process of its own: forking is no matter for one that runs JAX."""
    code = f"""
import os, sys
from mxsnn.events import open_recording
opened = open_recording({str(path)!r})
expected = [len(opened.events.window(k, k + 10_000)) for k in range(0, 1_000_000, 10_000)]
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        os._exit(int([len(opened.events.window(k, k + 10_000)) for k in range(0, 1_000_000, 10_000)] != expected))
    children.append(child)
same = [len(opened.events.window(k, k + 10_000)) for k in range(0, 1_000_000, 10_000)] == expected
sys.exit(not same or any(os.waitpid(child, 0)[1] for child in children) or sum(expected) != 1000)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_a_file_that_changes_under_an_open_recording(path: Path) -> None:
    opened = open_recording(path)
    before = opened.events.window(0, 1000)
    write(path, full(10), overwrite=True)
    rejected(f"{path}: has changed since it was opened", opened.events.window, 0, 1000)
    rejected(f"{path}: has changed", opened.frames["rgb"].images.__getitem__, 0)
    rejected(f"{path}: has changed", list, opened.events.pieces())
    path.unlink()
    rejected(f"{path}: cannot be read", opened.events.window, 0, 1000)
    assert len(before) == 1


# What is wrong


@contextmanager
def edited(path: Path) -> Iterator[h5py.File]:
    with h5py.File(path, "r+") as file:
        yield file


def set_to(name: str, values: object, dtype: object = None, **options: object) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file.create_dataset(name, data=np.asarray(values, dtype), **options)

    return edit


def attribute(node: str, name: str, value: object) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file[node].attrs[name]
        if value is not None:
            file[node].attrs[name] = value

    return edit


def without(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def sparse(file: h5py.File) -> None:
    """A data set that states more than any disk holds."""
    for name in "txyp":
        dtype = file[f"events/{name}"].dtype
        del file[f"events/{name}"]
        file.create_dataset(f"events/{name}", (2**45,), dtype, chunks=(2**15,))


def external(file: h5py.File) -> None:
    del file["events/t"]
    file.create_dataset("events/t", (1000,), np.int64, external=[("/etc/passwd", 0, 8000)])


def virtual(file: h5py.File) -> None:
    del file["events/t"]
    parts = h5py.VirtualLayout((1000,), np.int64)
    parts[:] = h5py.VirtualSource("/nowhere.h5", "t", (1000,))
    file.create_virtual_dataset("events/t", parts)


def link(to: object) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file["events/t"]
        file["events/t"] = to

    return edit


WRONG = {
    "no version": (attribute("/", "version", None), "version of the recording file is None"),
    "newer": (attribute("/", "version", 2), "version .* is 2, this mxsnn reads 1; a newer mxsnn reads it"),
    "older": (attribute("/", "version", "x"), "version .* is 'x', .* damaged"),
    "no width": (attribute("events", "width", None), "sensor_size is"),
    "width": (attribute("events", "width", 0), "sensor_size is"),
    "text width": (attribute("events", "width", "a"), "events: width is a number"),
    "every": (attribute("events", "every", 0), "every is a number of events of at least 1"),
    "many widths": (attribute("events", "width", [1, 2]), "attribute width is one text or number"),
    "subject": (attribute("/", "subject", 3), "subject is text"),
    "latin subject": (attribute("/", "subject", np.bytes_(b"\xff")), "not UTF-8"),
    "lux": (attribute("/", "lux", "dark"), "lux is a number"),
    "condition": (attribute("conditions", "lamp", np.zeros((2, 2))), "attribute lamp is one text or number"),
    "no t": (without("events/t"), "holds no data set events/t"),
    "no index": (without("events/index"), "holds no data set events/index"),
    "a group": (lambda file: (without("events/t")(file), file.create_group("events/t")), "holds no data set events/t"),
    "events": (set_to("events", [1]), "holds no group events"),
    "short x": (set_to("events/x", np.zeros(999), np.int16), "t, x, y, p differ in length"),
    "float t": (set_to("events/t", np.zeros(1000)), "events/t has 1 axes of integers; got .* float64"),
    "wide x": (set_to("events/x", np.zeros(1000), np.int32), "events/x is int16; got int32"),
    "columns": (set_to("events/t", np.zeros((1000, 2)), np.int64), "events/t has 1 axes"),
    "index": (set_to("events/index", [0, 1]), "events/index has 2 entries, one for each 32768 of 1000 events are 1"),
    "no start": (without("frames/rgb/start"), "holds no data set frames/rgb/start"),
    "frames": (set_to("frames/rgb/t", [1]), "frames/rgb: there are 6 images, but t has shape"),
    "image": (set_to("frames/rgb/images", np.zeros((6, 2, 2)), np.uint32), "frames/rgb: images are uint8 or uint16"),
    "flat image": (set_to("frames/rgb/images", np.zeros(6), np.uint8), "frames/rgb/images has 3 axes"),
    "exposure": (set_to("frames/rgb/end", np.full(6, -9)), "exposure of frame 0 ends before it starts"),
    "samples": (set_to("samples/imu/values", np.zeros((4, 3)), np.float32), "do not fit values of shape"),
    "samples back": (set_to("samples/imu/t", [3, 2, 1, 0]), "times go back at sample 1"),
    "triggers": (set_to("triggers/id", [1]), "triggers have one t, id and value each"),
    "labels": (set_to("labels", [1]), "labels has 1 axes of compounds"),
    "label fields": (set_to("labels", np.zeros(1, [("name", "S1")])), "labels is a table of name, kind"),
    "label kind": (lambda file: file["labels"].__setitem__((0, "kind"), b"x"), "kind of label 'AU12' is one of"),
    "sparse": (sparse, "events/t states 1073741824 chunks, of which 0 are in the file"),
    "huge chunk": (
        lambda file: (without("events/t")(file), file.create_dataset("events/t", (2**40,), np.int64, chunks=(2**28,))),
        "more than 256 MiB",
    ),
    "unwritten": (
        lambda file: (without("events/t")(file), file.create_dataset("events/t", (1000,), np.int64)),
        "states 8000 bytes, of which 0 are in the file",
    ),
    "external": (external, "lies in other files"),
    "virtual": (virtual, "lies in other files"),
    "external link": (link(h5py.ExternalLink("other.h5", "t")), "is a link to elsewhere"),
    "soft link": (link(h5py.SoftLink("/events/x")), "is a link to elsewhere"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_at_opening(path: Path, case: str) -> None:
    edit, message = WRONG[case]
    with edited(path) as file:
        edit(file)
    rejected(f"^{path}: .*{message}", open_recording, path)


@pytest.mark.parametrize(
    ("name", "at", "value", "message"),
    [
        ("p", 500, 2, "a polarity is 0 or 1; got 2 at event 500"),
        ("x", 500, 346, "event 500 lies at x=346, .* outside the sensor of 346x260"),
        ("y", 500, -1, "event 500 lies at .* y=-1, outside"),
        ("t", 500, 10**6, "the times go back at event 501"),
    ],
)
def test_what_is_wrong_is_said_while_reading(path: Path, name: str, at: int, value: int, message: str) -> None:
    with edited(path) as file:
        file[f"events/{name}"][at] = value
    opened = open_recording(path)
    for call in (lambda: read(path), lambda: opened.events.window(0, 2 * 10**6), lambda: list(opened.events.pieces())):
        rejected(f"^{path}: {message}", call)
    if name != "t":
        assert opened.events.window(0, 100_000) == full().events.window(0, 100_000)
    if name != "p":
        with pytest.warns(RecordingWarning):
            assert len(read(path, repair=True)) == 1000 - (name != "t")


def test_an_index_that_does_not_fit(path: Path) -> None:
    with edited(path) as file:
        file["events/index"][0] = 1
    rejected(f"{path}: the index does not fit", open_recording(path).events.window, 0, 1000)
    with edited(path) as file:
        file["events/index"][0] = 10**7
    rejected(f"{path}: the index does not fit", lambda: open_recording(path).events.span)
    with edited(path) as file:
        file["events"].attrs["every"] = 500
        set_to("events/index", [9, 8])(file)
    rejected("events/index goes back at entry 1", open_recording, path)


def test_a_file_cut_short(path: Path) -> None:
    content = path.read_bytes()
    for length in [*range(8, len(content), 997), len(content) - 1]:
        path.write_bytes(content[:length])
        rejected(f"^{path}: (the HDF5 file is cut short|a damaged HDF5 file)", open_recording, path)
    path.write_bytes(content[:-1])
    rejected(f"cut short: {len(content) - 1} of its {len(content)} bytes are there; get it again", read, path)
    path.write_bytes(b"")
    rejected("an empty file", read, path)


def test_damaged_chunks_are_errors_when_they_are_read(path: Path) -> None:
    with edited(path) as file:
        where = [file[name].id.get_chunk_info(0) for name in ("events/t", "frames/rgb/images")]
    content = bytearray(path.read_bytes())
    for chunk in where:
        content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xab" * chunk.size
    path.write_bytes(content)
    opened = open_recording(path)
    rejected(f"^{path}: a damaged HDF5 file", opened.events.window, 0, 10**6)
    rejected(f"^{path}: a damaged HDF5 file", opened.frames["rgb"].images.__getitem__, 0)
    rejected(f"^{path}: a damaged HDF5 file", read, path)
    assert opened.frames["rgb"].images[1].shape == (5, 4, 3)


# Written by others, and by the command line


def test_a_file_written_with_h5py_alone(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(format="mxsnn recording", version=1, subject="ada", lux=3)
        events = file.create_group("events")
        events.attrs.update(width=346, height=260, every=10)
        events["t"] = np.arange(25)
        events["x"], events["y"] = np.zeros((2, 25), ">i2")
        events["p"] = np.zeros(25, np.uint8)
        events["index"] = np.arange(0, 25, 10)
    opened = open_recording(tmp_path / "a.h5")
    assert (opened.subject, opened.lux, opened.session) == ("ada", 3.0, None)
    assert opened.events.window(9, 21) == Events.make(np.arange(9, 21), [0] * 12, [0] * 12, [0] * 12, (346, 260))


def test_an_hdf5_file_of_no_known_layout(tmp_path: Path) -> None:
    for name in ("a.h5", "a.mxr"):
        with h5py.File(tmp_path / name, "w") as file:
            file["spikes"] = [1]
        rejected("an HDF5 file of no known layout; it holds spikes; known are recording, ", read, tmp_path / name)
    (tmp_path / "b.mxr").write_bytes(b"no HDF5")
    rejected("no signature of recording in it", read, tmp_path / "b.mxr")


def test_convert(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, back = path.with_name("b.npz"), path.with_name("c.mxr")
    assert main(["convert", str(path), str(other)]) == 0
    assert "npz cannot hold frames, samples, labels, subject" in capsys.readouterr().err
    assert main(["convert", str(other), str(back)]) == 0
    assert read(back) == full().events
    assert main(["convert", str(path), str(back), "--overwrite"]) == 0
    same(open_recording(back), full())
    assert back.read_bytes() == path.read_bytes()
    assert main(["convert", str(path), str(path.with_name("d.h5"))]) == 2
    assert ".h5 may be recording or dsec; say which to write (--to)" in capsys.readouterr().err
    assert main(["convert", str(path), str(path.with_name("d.h5")), "--to", "dsec"]) == 0
    capsys.readouterr()
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    for line in (
        "recording",
        "1,000 events",
        "DAVIS346, 346 x 260 pixels",
        "2 edges",
        "6 of 4 x 5 pixels",
        "ada",
        "3.5",
        "flickers",
    ):
        assert line in said


# What HDF5 itself does not look at


@pytest.mark.parametrize("size", [0, 4, 2**31])
def test_a_chunk_whose_stated_size_cannot_be(path: Path, size: int) -> None:
    """Of a size below that of its checksum, HDF5 would read before its memory; a huge one it would reserve."""
    with edited(path) as file:
        chunk = file["events/p"].id.get_chunk_info(0)
    content = path.read_bytes()
    entry = struct.pack("<IIQQQ", chunk.size, 0, 0, 0, chunk.byte_offset)
    assert content.count(entry) == 1
    path.write_bytes(content.replace(entry, struct.pack("<I", size) + entry[4:]))
    rejected(f"^{path}: events/p has 1 chunks that cannot be what the file says", open_recording, path)


def test_a_heap_of_texts_that_leads_in_a_circle(path: Path) -> None:
    with edited(path) as file:
        file.attrs["subject"] = "eve"  # without a fixed length, as h5py writes text by itself
    assert open_recording(path).subject == "eve"
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL") + 16
    assert content[heap + 16 : heap + 19] == b"eve"
    content[heap : heap + 16] = bytes(16)
    path.write_bytes(content)
    rejected(f"^{path}: a damaged HDF5 file .a heap of texts is damaged", open_recording, path)


def test_the_code_of_the_document_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parents[1] / "docs" / "recordings.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    assert len(blocks) == 3
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(blocks[0], names)
    assert len(names["during"]) == 1
    plain: dict = {}
    exec(blocks[1], plain)
    assert plain["x"].tolist() == [5, 2]
    assert plain["images"].name is None  # of a file that is closed
    assert plain["labels"]["name"].tolist() == [b"AU12"]
    exec(blocks[2], names)
    assert names["data"].classes == ("AU12",)
    told = {"lux": (3.5,), "session": ("1",), "sensor": ("DAVIS346",), "lamp": ("LED",), "distance": (0.6,)}
    assert names["data"].conditions == told


def test_the_document_names_all_that_is_in_a_file(path: Path) -> None:
    document = (Path(__file__).parents[1] / "docs" / "recordings.md").read_text("utf-8")
    with h5py.File(path) as file:
        found = [*file.attrs, *file["events"].attrs, *(file["labels"].dtype.names or ())]
        found += [f"`events/{name}" for name in file["events"]] + [f"`{name}" for name in file]
        found += [name for kind in ("frames/rgb", "samples/imu", "triggers") for name in file[kind]]
    assert [name for name in found if name not in document] == []


FULL_DISK = """
import os, resource, sys
import numpy as np
from mxsnn.errors import UserError
from mxsnn.events import Events, Frames, Recording, write
rng = np.random.default_rng(0)
x, y, p = (rng.integers(0, top, 40_000) for top in (64, 48, 2))
events = Events.make(np.sort(rng.integers(0, 10**6, 40_000)), x, y, p, sensor_size=(64, 48))
frames = Frames.make(rng.integers(0, 255, (20, 48, 64), np.uint8), t=np.arange(20) * 1000)
for limit in (0, 100, 3_000, 50_000, 100_000, 200_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write("one.mxr", Recording(events, frames={"grey": frames}))
    except UserError as error:
        told = str(error)
    assert told == "one.mxr: cannot be written (File too large)" and not os.listdir(), (limit, told, os.listdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
write("one.mxr", Recording(events, frames={"grey": frames}))
"""


def test_a_file_that_finds_no_room_is_one_line_and_none_is_left(tmp_path: Path) -> None:
    """Where HDF5 cannot close a file it crashes, then or when the process ends."""
    pytest.importorskip("resource", reason="limits of a process are Unix's")
    done = subprocess.run([sys.executable, "-c", FULL_DISK], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert open_recording(tmp_path / "one.mxr").frames["grey"].images.shape == (20, 48, 64)
