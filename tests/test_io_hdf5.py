"""HDF5 files of other projects: each layout, what tells it, and damage."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.events import Events, Triggers, identify, open_recording, read, stream, write

SIZE = (346, 260)


def random_events(n: int = 500, seed: int = 0, start: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    t = start + np.sort(rng.integers(0, 50_000, n))
    return Events.make(t, rng.integers(0, SIZE[0], n), rng.integers(0, SIZE[1], n), rng.integers(0, 2, n), SIZE)


def rejected(message: str, call: Callable, *args: object, **options: object) -> None:
    with pytest.raises(UserError, match=message) as raised:
        call(*args, **options)
    assert "\n" not in str(raised.value)


# Each layout, as its own project writes it

CD = np.dtype({"names": ["x", "y", "p", "t"], "formats": ["<u2", "<u2", "<i2", "<i8"], "offsets": [0, 2, 4, 8], "itemsize": 16})
EDGE = np.dtype({"names": ["p", "t", "id"], "formats": ["<i2", "<i8", "<i2"], "offsets": [0, 8, 16], "itemsize": 24})


def table(dtype: np.dtype, **columns: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(columns["t"]), dtype)
    for name, values in columns.items():
        rows[name] = values
    return rows


def prophesee(file: h5py.File, events: Events) -> None:
    file.attrs.update(format="ECF", geometry="346x260", plugin_name="hal_plugin_prophesee", version="1.0")
    rows = table(CD, t=events.t, x=events.x, y=events.y, p=events.p)
    file.create_dataset("CD/events", data=rows, chunks=(64,), maxshape=(None,), compression="gzip")
    file["CD/indexes"] = np.zeros(2, [("id", "<u8"), ("ts", "<i8")])
    file["EXT_TRIGGER/events"] = table(EDGE, t=np.array([700, 900]), p=np.array([1, 0]), id=np.array([2, 2]))


def dsec(file: h5py.File, events: Events) -> None:
    offset = int(events.t[0]) if len(events) else 0
    for name, dtype in {"p": "u1", "x": "<u2", "y": "<u2"}.items():
        file[f"events/{name}"] = getattr(events, name).astype(dtype)
    file["events/t"] = (events.t - offset).astype("<u4")
    file["t_offset"] = np.int64(offset)
    file["ms_to_idx"] = np.zeros(2, "<u8")


def rvt(file: h5py.File, events: Events) -> None:
    for name, dtype in {"p": "u1", "x": "<u2", "y": "<u2", "t": "<i8"}.items():
        file.create_dataset(f"events/{name}", data=getattr(events, name).astype(dtype), chunks=(100,), maxshape=(None,))
    file["events/width"], file["events/height"] = SIZE


def e2vid(file: h5py.File, events: Events) -> None:
    file.attrs["sensor_resolution"] = np.array([SIZE[1], SIZE[0]])
    file["events/xs"], file["events/ys"] = events.x, events.y
    file["events/ts"], file["events/ps"] = events.t / 1e6, events.p.astype(bool)
    for k in range(3):
        file[f"images/image{k:09d}"] = np.full((SIZE[1], SIZE[0]), k, np.uint8)
        file[f"images/image{k:09d}"].attrs["timestamp"] = (k + 1) * 0.04


def mvsec(file: h5py.File, events: Events) -> None:
    columns = [events.x, events.y, 1_504_645_177 + events.t / 1e6, np.where(events.p, 1, -1)]
    file["davis/left/events"] = np.stack(columns, 1).astype(np.float64)
    file["davis/left/image_raw"] = np.arange(2, dtype=np.uint8)[:, None, None] * np.ones((1, SIZE[1], SIZE[0]), np.uint8)
    file["davis/left/image_raw_ts"] = 1_504_645_177 + np.array([0.01, 0.02])


def v2e(file: h5py.File, events: Events) -> None:
    file["events"] = np.stack([events.t, events.x, events.y, events.p], 1).astype(np.uint32)
    file["frame"] = np.arange(2, dtype=np.uint8)[:, None, None] * np.ones((1, SIZE[1], SIZE[0]), np.uint8)
    file["frame_ts"] = np.array([0, 40_000], np.uint32)


LAYOUTS: dict[str, Callable[[h5py.File, Events], None]] = {
    "prophesee-hdf5": prophesee,
    "dsec": dsec,
    "rvt": rvt,
    "e2vid-hdf5": e2vid,
    "mvsec": mvsec,
    "v2e": v2e,
}
EPOCH = {"mvsec": 1_504_645_177_000_000}
UNSTATED = ("dsec",)


def put(path: Path, name: str, events: Events | None = None) -> Path:
    with h5py.File(path, "w") as file:
        LAYOUTS[name](file, random_events() if events is None else events)
    return path


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".data"])
def test_each_layout_is_told_by_its_content(tmp_path: Path, name: str, suffix: str) -> None:
    path = put(tmp_path / f"a{suffix}", name)
    assert identify(path).name == name
    events = random_events()
    size = None if name not in UNSTATED else SIZE
    assert read(path, size) == Events(events.t + EPOCH.get(name, 0), events.x, events.y, events.p, SIZE)


def test_whole_times_where_seconds_should_be(tmp_path: Path) -> None:
    events = random_events()
    path = put(tmp_path / "a.h5", "e2vid-hdf5", events)
    with h5py.File(path, "a") as file:
        del file["events/ts"]
        file["events/ts"] = events.t
    with pytest.raises(UserError, match="events/ts holds whole numbers, whose unit is not known"):
        read(path)
    assert read(path, time_unit="us") == Events(events.t, events.x, events.y, events.p, SIZE)


@given(st.sampled_from(list(LAYOUTS)), st.integers(0, 300), st.integers(0, 2**31))
def test_times_and_places_are_exact(tmp_path_factory: pytest.TempPathFactory, name: str, n: int, start: int) -> None:
    events = random_events(n, start % 100, start)
    path = put(tmp_path_factory.mktemp("layouts") / "a.h5", name, events)
    assert read(path, SIZE) == Events(events.t + EPOCH.get(name, 0), events.x, events.y, events.p, SIZE)


@pytest.mark.parametrize("name", LAYOUTS)
def test_long_files_come_in_pieces(tmp_path: Path, name: str) -> None:
    events = random_events(600_000)
    path = put(tmp_path / "a.h5", name, events)
    pieces = list(stream(path, SIZE))
    assert [len(piece) for piece in pieces] == [2**18, 2**18, 600_000 - 2**19]
    np.testing.assert_array_equal(np.concatenate([piece.x for piece in pieces]), events.x)


def test_prophesee_has_triggers_and_a_sensor(tmp_path: Path) -> None:
    path = put(tmp_path / "a.h5", "prophesee-hdf5")
    recording = open_recording(path)
    assert recording.sensor == "hal_plugin_prophesee"
    assert recording.triggers.t.tolist() == [700, 900]
    assert recording.triggers.id.tolist() == [2, 2]
    assert recording.triggers.value.tolist() == [1, 0]
    write(tmp_path / "a.mxr", recording)
    assert open_recording(tmp_path / "a.mxr").triggers.t.tolist() == [700, 900]
    with h5py.File(path, "r+") as file:
        file.attrs["geometry"] = "unknown"
        file.attrs["format"] = "ECF;height=300;width=400"
    assert open_recording(path).events.sensor_size == (400, 300)


def test_frames_beside_the_events(tmp_path: Path) -> None:
    frames = open_recording(put(tmp_path / "a.h5", "e2vid-hdf5")).frames["grey"]
    assert frames.t.tolist() == [40_000, 80_000, 120_000]
    assert frames.images[:, 0, 0].tolist() == [0, 1, 2]
    assert (frames.size, frames.images[1].shape, frames.images.dtype) == (SIZE, SIZE[::-1], np.uint8)
    frames = open_recording(put(tmp_path / "b.h5", "mvsec")).frames["grey"]
    assert (frames.t - EPOCH["mvsec"]).tolist() == [10_000, 20_000]
    assert frames.images[-1, 5, 5] == 1
    frames = open_recording(put(tmp_path / "c.h5", "v2e")).frames["grey"]
    assert frames.t.tolist() == [0, 40_000]
    write(tmp_path / "d.mxr", open_recording(tmp_path / "a.h5"))
    assert open_recording(tmp_path / "d.mxr").frames["grey"].images[:, 0, 0].tolist() == [0, 1, 2]


def test_the_other_camera(tmp_path: Path) -> None:
    path = put(tmp_path / "a.h5", "mvsec")
    rejected("holds no data set davis/right/events", read, path, camera="right")
    rejected("camera is left or right, got 'middle'", read, path, camera="middle")
    with h5py.File(path, "r+") as file:
        file.move("davis/left", "davis/right")
    assert len(read(path, SIZE, camera="right")) == 500


def test_a_file_that_may_be_two_things(tmp_path: Path) -> None:
    path = put(tmp_path / "a.h5", "prophesee-hdf5")
    with h5py.File(path, "r+") as file:
        rvt(file, random_events(7))
    rejected("may be prophesee-hdf5 or rvt; say which as the format", read, path)
    assert len(read(path, format="rvt")) == 7
    assert len(read(path, format="prophesee-hdf5")) == 500


# DSEC written


@given(st.integers(0, 400), st.integers(-(2**40), 2**40), st.integers(1, 200_000))
def test_dsec_is_written(tmp_path_factory: pytest.TempPathFactory, n: int, start: int, span: int) -> None:
    rng = np.random.default_rng(n)
    t = start + np.sort(rng.integers(0, span, n))
    events = Events.make(t, rng.integers(0, 640, n), rng.integers(0, 480, n), rng.integers(0, 2, n), (640, 480))
    path = tmp_path_factory.mktemp("dsec") / "a.h5"
    write(path, events, "dsec")
    assert read(path) == events
    with h5py.File(path) as file:
        types = {name: file[f"events/{name}"].dtype for name in "txyp"}
        assert types == {"t": np.uint32, "x": np.uint16, "y": np.uint16, "p": np.uint8}
        relative, index, offset = file["events/t"][:].astype(int), file["ms_to_idx"][:], int(file["t_offset"][()])
    np.testing.assert_array_equal(relative + offset, t)
    assert index.tolist() == [int((relative < ms * 1000).sum()) for ms in range(relative[-1] // 1000 + 1 if n else 0)]


def test_dsec_of_many_blocks_has_one_index(tmp_path: Path) -> None:
    events = random_events(600_000, start=123)
    write(tmp_path / "a.mxr", events)
    write(tmp_path / "a.h5", open_recording(tmp_path / "a.mxr"), "dsec")
    write(tmp_path / "b.h5", open_recording(put(tmp_path / "c.h5", "rvt", events)), "dsec")
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        expected = np.searchsorted(events.t - events.t[0], np.arange(50) * 1000)
        np.testing.assert_array_equal(a["ms_to_idx"], expected)
        np.testing.assert_array_equal(b["ms_to_idx"], expected)


def test_what_dsec_cannot_hold(tmp_path: Path) -> None:
    long = Events.make([5, 2**32 + 5], [0, 0], [0, 0], [0, 1], (2, 2))
    rejected("a.h5: DSEC's times reach 71 minutes", write, tmp_path / "a.h5", long, "dsec")
    assert not list(tmp_path.iterdir())
    write(tmp_path / "a.h5", Events.make([5, 2**32 + 4], [0, 0], [0, 0], [0, 1], (2, 2)), "dsec")
    assert read(tmp_path / "a.h5").t.tolist() == [5, 2**32 + 4]
    rejected(".h5 may be recording or dsec; say which to write .--to.", write, tmp_path / "b.h5", long)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_dsec_of_other_codecs(tmp_path: Path, codec: str) -> None:
    write(tmp_path / "a.h5", random_events(), "dsec", codec=codec)
    assert read(tmp_path / "a.h5") == random_events()


def test_blosc_as_dsec_has_it(tmp_path: Path) -> None:
    import hdf5plugin as plugin

    path = put(tmp_path / "a.h5", "dsec")
    with h5py.File(path, "r+") as file:
        for name in "txyp":
            values = file[f"events/{name}"][:]
            del file[f"events/{name}"]
            file.create_dataset(f"events/{name}", data=values, chunks=(100,), **plugin.Blosc(cname="zstd"))
    assert read(path, SIZE) == random_events()


# Codecs that are missing


def compressed_by(path: Path, name: str, code: int) -> None:
    """A data set whose chunks name a filter; where it is not installed, HDF5 leaves them as they are."""
    with h5py.File(path, "r+") as file:
        values = file[name][:]
        del file[name]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((100,))
        plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL, (0,))
        kind, space = h5py.h5t.py_create(values.dtype, logical=True), h5py.h5s.create_simple(values.shape)
        group = file[name.rpartition("/")[0]].id
        h5py.Dataset(h5py.h5d.create(group, name.rpartition("/")[2].encode(), kind, space, plist))[:] = values


def test_prophesees_codec_is_missing(tmp_path: Path) -> None:
    path = put(tmp_path / "a.hdf5", "prophesee-hdf5")
    compressed_by(path, "CD/events", 36559)
    rejected(f"^{path}: compressed with Prophesee's ECF codec, .* build .*hdf5_ecf and set HDF5_PLUGIN_PATH", read, path)
    compressed_by(path, "CD/events", 40123)
    rejected("compressed by HDF5 filter 40123, which is not installed", read, path)


def test_hdf5plugin_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "a.h5", "dsec")
    compressed_by(path, "events/t", 40123)
    from mxsnn.events.io import _hdf5

    monkeypatch.setitem(_hdf5._PLUGIN, 40123, "Blosc")
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    rejected(r"compressed with Blosc, which hdf5plugin reads: pip install 'mxsnn\[codecs\]'", read, path)


# What is wrong


def edit(path: Path, name: str, change: Callable[[h5py.File], object]) -> Path:
    put(path, name)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replaced(name: str, values: object, **options: object) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=values, **options)

    return change


def one(name: str, at: int, value: object) -> Callable[[h5py.File], object]:
    return lambda file: file[name].__setitem__(at, value)


def lying(file: h5py.File) -> None:
    for name in "txyp":
        del file[f"events/{name}"]
        file.create_dataset(f"events/{name}", (2**50,), "u1", chunks=(2**20,))


def linked(to: object) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file["events/t"]
        file["events/t"] = to

    return change


WRONG = {
    "polarity": ("rvt", one("events/p", 3, 2), "a polarity is 0 or 1.*got 2 at event 3"),
    "coordinate": ("rvt", one("events/x", 3, 40000), "event 3 lies at x beyond 16 bits"),
    "sensor": ("rvt", one("events/x", 3, 346), "event 3 lies at x=346, .* outside the sensor of 346x260"),
    "order": ("rvt", one("events/t", 3, 60_000), "the times go back at event 4"),
    "length": ("rvt", replaced("events/x", np.zeros(499, "u2")), "t, x, y, p differ in length"),
    "type": ("rvt", replaced("events/x", [b"a"] * 500), "events/x has 1 axes of .* got"),
    "half pixel": ("rvt", replaced("events/x", np.full(500, 0.5)), "x is whole pixels; got 0.5"),
    "offset": ("dsec", replaced("t_offset", 2**63 - 1), "t_offset of 9223372036854775807 us is no time"),
    "offsets": ("dsec", replaced("t_offset", [1, 2]), "t_offset is one number"),
    "late": ("dsec", replaced("events/t", np.full(500, 2**63 + 5, np.uint64)), "t is whole microseconds"),
    "lying": ("dsec", lying, "states 1073741824 chunks, of which 0 are in the file"),
    "soft link": ("rvt", linked(h5py.SoftLink("/events/x")), "events/t is a link to elsewhere"),
    "external link": ("rvt", linked(h5py.ExternalLink("other.h5", "/t")), "events/t is a link to elsewhere"),
    "NaN": ("e2vid-hdf5", one("events/ts", 0, np.nan), "t is whole microseconds; got nan"),
    "resolution": ("e2vid-hdf5", lambda file: file.attrs.__setitem__("sensor_resolution", "a"), "is .height, width."),
    "sides": ("e2vid-hdf5", lambda file: file.attrs.__setitem__("sensor_resolution", [0.5, 2]), "sensor_size is"),
    "image": ("e2vid-hdf5", replaced("images/image000000001", np.zeros((2, 2), "u1")), "those before are"),
    "no time": ("e2vid-hdf5", lambda f: f["images/image000000001"].attrs.clear(), "image000000001 has no attribute timestamp"),
    "image time": ("mvsec", replaced("davis/left/image_raw_ts", [np.nan, 1.0]), "the time of an image is no number"),
    "images": ("mvsec", replaced("davis/left/image_raw_ts", [1.0]), "there are 2 images, but t has shape"),
    "five columns": ("mvsec", replaced("davis/left/events", np.zeros((5, 5))), "has four columns"),
    "v2e columns": ("v2e", replaced("events", np.zeros((5, 3), "u4")), "has four columns"),
    "v2e polarity": ("v2e", one("events", (2, 3), 7), "a polarity is 0 or 1"),
    "fields": ("prophesee-hdf5", replaced("CD/events", np.zeros(3, [("x", "u2")])), "a table of whole numbers t, x, y, p"),
    "no table": ("prophesee-hdf5", replaced("CD/events", np.zeros(3)), "CD/events has 1 axes of compounds"),
    "edges": ("prophesee-hdf5", replaced("EXT_TRIGGER/events", np.zeros(3, [("t", "i8")])), "numbers t, id, p"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong(tmp_path: Path, case: str) -> None:
    name, change, message = WRONG[case]
    path = edit(tmp_path / "a.h5", name, change)
    rejected(f"^{path}: .*{message}", open_recording, path)


def test_what_can_be_repaired(tmp_path: Path) -> None:
    path = edit(tmp_path / "a.h5", "rvt", one("events/t", 3, 60_000))
    with pytest.warns(UserWarning, match="the times went back"):
        assert read(path, repair=True).t[-1] == 60_000


@pytest.mark.parametrize("name", LAYOUTS)
def test_files_cut_short_and_damaged(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "a.h5", name)
    content = path.read_bytes()
    for length in range(8, len(content), len(content) // 20):
        path.write_bytes(content[:length])
        rejected(f"^{path}: ", read, path, SIZE)
    path.write_bytes(content[:-1])
    rejected("cut short: .* get it again|damaged", read, path, SIZE)


def test_the_real_blocks_of_an_hdf5_with_a_user_block(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        rvt(file, random_events())
    assert read(tmp_path / "a.h5") == random_events()


def test_triggers_reach_a_recording_in_order(tmp_path: Path) -> None:
    path = put(tmp_path / "a.h5", "prophesee-hdf5")
    with h5py.File(path, "r+") as file:
        del file["EXT_TRIGGER/events"]
        file["EXT_TRIGGER/events"] = table(EDGE, t=np.array([9, 7]), p=np.array([1, 0]), id=np.array([2, 3]))
    triggers = open_recording(path).triggers
    assert isinstance(triggers, Triggers)
    assert (triggers.t.tolist(), triggers.id.tolist()) == ([7, 9], [3, 2])


def test_dsec_both_ways_with_evutils(tmp_path: Path) -> None:
    io = pytest.importorskip("evutils.io")
    events = random_events(5000, start=1_000_123)
    write(tmp_path / "a.h5", events, "dsec")
    with io.EventReader(str(tmp_path / "a.h5"), n_events=1000) as reader:
        parts = list(reader)
    for name in "txyp":
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(events, name))
    writer = io.EventWriter(str(tmp_path / "b.h5"), width=SIZE[0], height=SIZE[1])
    for part in parts:
        writer.write(part)
    writer.close()
    assert identify(tmp_path / "b.h5").name == "dsec"
    assert read(tmp_path / "b.h5") == events
