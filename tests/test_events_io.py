"""Reading recordings: every format, and damage to it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, read
from mxsnn.events.stream import to_structured
from tests.damage import damaged, read_or_refused


def word(x: int, y: int, t: int, p: int) -> bytes:
    """An event in the 5-byte format."""
    return bytes([x, y]) + (p << 23 | t).to_bytes(3, "big")


def stream(path: Path, *args: Any, **options: Any) -> Events:
    """A recording that is a stream."""
    recording = read(path, *args, **options)
    assert isinstance(recording, Events)
    return recording


def one_line(error: pytest.ExceptionInfo, path: Path) -> None:
    """A message that names the file and has no second line."""
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


# The 5-byte format


def test_five_bytes_an_event(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(word(33, 1, 0, 0) + word(2, 33, 2**23 - 1, 1))
    assert read(path, (34, 34)) == Events.make([0, 2**23 - 1], [33, 2], [1, 33], [0, 1], (34, 34))
    assert stream(path).sensor_size == (34, 34)


def test_overflow_markers_move_later_events_and_are_no_events(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    mark = word(7, 240, 5, 1)
    path.write_bytes(word(0, 0, 9, 1) + mark + word(1, 0, 3, 0) + mark + mark + word(2, 239, 4, 1))
    events = stream(path)
    assert events.t.tolist() == [9, 2**13 + 3, 3 * 2**13 + 4]
    assert events.x.tolist() == [0, 1, 2]
    path.write_bytes(mark)
    assert len(read(path, (34, 34))) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (word(1, 1, 1, 1)[:4], "truncated"),
        (word(34, 1, 1, 1), "event 0 lies at x=34, y=1, outside the sensor of 34x34"),
        (word(1, 1, 9, 1) + word(1, 1, 8, 1), "go back at event 1"),
    ],
)
def test_damage_to_five_bytes(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read(path, (34, 34))
    one_line(raised, path)


def test_a_file_cut_short_gives_its_whole_events(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(word(1, 1, 5, 1) + word(2, 1, 6, 1)[:4])
    with pytest.warns(RecordingWarning, match=f"{path}: 4 bytes at the end"):
        assert stream(path).t.tolist() == [5]


def test_events_outside_the_sensor_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(word(1, 1, 5, 1) + word(34, 1, 6, 1))
    with pytest.warns(RecordingWarning, match="1 events outside the sensor"):
        assert stream(path, (34, 34), repair=True).t.tolist() == [5]


def test_times_that_go_back_can_be_sorted(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(word(1, 1, 9, 1) + word(2, 1, 8, 1))
    with pytest.warns(RecordingWarning, match="went back 1 times"):
        assert stream(path, repair=True).x.tolist() == [2, 1]


def test_real_recordings_agree_with_another_reader(test_data: Path) -> None:
    import tonic.io as io

    paths = [*sorted((test_data / "nmnist" / "Test").rglob("*.bin"))[::10], test_data / "events" / "faces_easy_0001.bin"]
    for path in paths:
        theirs = io.read_mnist_file(str(path), dtype=np.dtype([("x", int), ("y", int), ("t", int), ("p", int)]))
        ours = stream(path, (304, 240))
        for name in "txyp":
            np.testing.assert_array_equal(getattr(ours, name), theirs[name])


def test_a_real_face(test_data: Path) -> None:
    events = stream(test_data / "events" / "faces_easy_0001.bin", (304, 240))
    assert len(events) == 67_445
    assert 290_000 < events.t[-1] < 300_000
    assert 0 < events.p.mean() < 1
    assert stream(test_data / "events" / "faces_easy_0001.bin").sensor_size == (151, 173)


# .npy and .npz

STREAM = Events.make([5, 6, 60], [3, 0, 2], [1, 0, 2], [1, 0, 1], (4, 3))


def columns(events: Events, order: str = "txyp") -> np.ndarray:
    return np.stack([getattr(events, name).astype(np.int64) for name in order], axis=1)


@pytest.mark.parametrize("dtype", ["int64", "int32", "float64", "uint32"])
def test_columns(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "a.npy", columns(STREAM).astype(dtype))
    assert read(tmp_path / "a.npy", (4, 3)) == STREAM


def test_columns_in_an_order_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, columns(STREAM, "xytp"))
    assert read(path, (4, 3), columns="xytp") == STREAM
    with pytest.raises(UserError, match="columns='xytp'") as raised:
        read(path, (4, 3))
    one_line(raised, path)
    with pytest.raises(UserError, match="order of the letters"):
        read(path, columns="xyt")


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2, 100, 1], [2, 2, 200, 0]],  # x happens to rise: the third column looks more like time
        [[1, 5, 6, 9], [2, 5, 6, 9]],  # no polarity in the last
        [[9, 5, 6, 1], [2, 5, 7, 1]],  # the first goes back, the third does not
    ],
)
def test_columns_whose_order_the_values_do_not_bear_out(tmp_path: Path, rows: list) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array(rows))
    with pytest.raises(UserError, match="say their order"):
        read(path)


def test_structured_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", to_structured(STREAM))
    assert read(tmp_path / "a.npy", (4, 3)) == STREAM
    np.savez(tmp_path / "a.npz", events=to_structured(STREAM))
    assert read(tmp_path / "a.npz", (4, 3)) == STREAM
    np.save(tmp_path / "b.npy", to_structured(STREAM)[["x", "t", "p"]])
    with pytest.raises(UserError, match="no field 'y'") as raised:
        read(tmp_path / "b.npy")
    one_line(raised, tmp_path / "b.npy")


@pytest.mark.parametrize("names", ["t x y p", "timestamps xs ys polarity", "ts x y pol"])
def test_an_array_for_each_field(tmp_path: Path, names: str) -> None:
    arrays: Any = dict(zip(names.split(), (STREAM.t, STREAM.x, STREAM.y, STREAM.p * 2.0 - 1), strict=True))
    np.savez_compressed(tmp_path / "a.npz", width=4, **arrays)
    assert read(tmp_path / "a.npz", (4, 3), time_unit="us") == STREAM


def test_empty_recordings(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((0, 4)))
    assert read(tmp_path / "a.npy", (4, 3)) == Events.empty((4, 3))


FRAMES = np.arange(5 * 3 * 4 * 2).reshape(5, 3, 4, 2).astype(np.uint8)  # [T, H, W, 2]


def test_ready_frames_come_back_channel_last(tmp_path: Path) -> None:
    first = np.moveaxis(FRAMES, -1, 1)
    np.save(tmp_path / "first.npy", first)
    np.save(tmp_path / "last.npy", FRAMES)
    np.savez(tmp_path / "first.npz", frames=first, label=3)
    for name in ("first.npy", "last.npy", "first.npz"):
        frames = read(tmp_path / name, (4, 3))
        assert isinstance(frames, np.ndarray)
        assert frames.dtype == np.uint8
        np.testing.assert_array_equal(frames, FRAMES)


def test_frames_whose_layout_the_shape_does_not_tell(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    frames = np.arange(3 * 2 * 5 * 2).reshape(3, 2, 5, 2)
    np.save(path, frames)
    with pytest.raises(UserError, match="layout='TCHW' or layout='THWC'") as raised:
        read(path)
    one_line(raised, path)
    np.testing.assert_array_equal(read(path, layout="THWC"), frames)
    np.testing.assert_array_equal(read(path, layout="TCHW"), np.moveaxis(frames, 1, -1))
    with pytest.raises(UserError, match="layout is"):
        read(path, layout="HWC")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((5, 3, 4, 3)), "two polarities"),
        (np.full((5, 3, 4, 2), np.nan), "finite"),
        (np.zeros((5, 3, 4, 2), complex), "finite numbers"),
        (np.zeros((5, 9, 4, 2)), r"4x9 pixels \(width x height\), not \(4, 3\)"),
        (np.zeros((5, 3)), "neither events"),
        (np.zeros(7), "neither events"),
        (np.array(3), "neither events"),
    ],
)
def test_arrays_that_are_neither(tmp_path: Path, content: np.ndarray, message: str) -> None:
    path = tmp_path / "a.npy"
    np.save(path, content)
    with pytest.raises(UserError, match=message) as raised:
        read(path, (4, 3))
    one_line(raised, path)


class Bomb:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_no_pickle_is_read(tmp_path: Path) -> None:
    struck = tmp_path / "struck"
    objects = np.array([Bomb(struck)], object)
    np.save(tmp_path / "a.npy", objects)
    np.savez(tmp_path / "b.npz", t=objects)
    (tmp_path / "c.npy").write_bytes(pickle.dumps(Bomb(struck)))
    for name in ("a.npy", "b.npz", "c.npy"):
        with pytest.raises(UserError, match="pickle") as raised:
            read(tmp_path / name)
        one_line(raised, tmp_path / name)
    assert not struck.exists()


# What holds for every format


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of a valid recording in every format."""
    folder = tmp_path_factory.mktemp("good")
    np.save(folder / "a.npy", to_structured(STREAM))
    np.savez_compressed(folder / "a.npz", **{name: getattr(STREAM, name) for name in "txyp"})
    (folder / "a.bin").write_bytes(b"".join(word(x, y, t, p) for t, x, y, p in columns(STREAM).tolist()))
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=300)
@given(st.data())
def test_damage_is_one_line_or_a_valid_stream(good: dict, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(sorted(good)))
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(data.draw(damaged(good[suffix], cut=True)))
    with read_or_refused(path):
        recording = read(path, (4, 3))
        if isinstance(recording, Events):
            assert (np.diff(recording.t) >= 0).all()
            assert ((recording.x >= 0) & (recording.x < 4) & (recording.y >= 0) & (recording.y < 3)).all()


@pytest.mark.parametrize("sensor_size", [None, (640, 480)])
@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float64])
@pytest.mark.parametrize("name", ["a.txt", "a.npz", "a.npy", "a.h5"])
def test_repair_leaves_out_what_no_sensor_can_have_seen(name: str, kind: type, sensor_size: tuple | None, tmp_path: Path) -> None:
    """Coordinates below 0 and beyond 16 bits, in every format that can hold them; the order of time is mended too."""
    x = np.array([3, -1, 99_999, 7, 32_768, -32_768, -32_769, 5], kind)
    y, p, t = np.array([0, 1, 2, 3, 2**31 - 1, 0, 0, 4], kind), np.tile([1, 0], 4), np.array([2, 4, 6, 3, 9, 10, 11, 1])
    path = tmp_path / name
    if name == "a.txt":
        path.write_text("".join(f"{t / 1e6:.6f} {int(x)} {int(y)} {p}\n" for t, x, y, p in zip(t, x, y, p, strict=True)))
    elif name == "a.npz":
        np.savez(path, t=t, x=x, y=y, p=p)
    elif name == "a.npy":
        np.save(path, np.rec.fromarrays([t, x, y, p], names="t,x,y,p"))
    else:
        with h5py.File(path, "w") as file:
            for key, values in {"t": t, "x": x, "y": y, "p": p}.items():
                file[f"events/{key}"] = values
            file["events/width"], file["events/height"] = 640, 480
    with pytest.raises(UserError, match=r"event 1 lies at x=-1, y=1, outside .*repair=True \(--repair\) leaves such events out"):
        read(path, sensor_size)
    with pytest.warns(RecordingWarning) as caught:
        events = read(path, sensor_size, repair=True)
    assert "5 events outside the sensor were left out" in str(caught[0].message) and len(caught) == 2
    assert events == Events.make([1, 2, 3], [5, 3, 7], [4, 0, 3], [0, 1, 0], sensor_size or events.sensor_size)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").touch()
    (tmp_path / "noext").touch()
    (tmp_path / "folder.bin").mkdir()
    (tmp_path / "garbage.npy").write_bytes(b"hello world, this is no array")
    (tmp_path / "garbage.npz").write_bytes(b"hello world, this is no archive")
    for name, message in [
        ("missing.bin", "no such file"),
        ("missing.xyz", "no such file"),
        ("a.xyz", r"unknown format '.xyz'; known are .*\.npy, \.npz"),
        ("noext", "no suffix"),
        ("folder.bin", "a folder that holds no recording"),
        ("garbage.npy", "no NumPy file"),
        ("garbage.npz", "no NumPy file"),
    ]:
        with pytest.raises(UserError, match=message) as raised:
            read(tmp_path / name)
        one_line(raised, tmp_path / name)


def test_the_case_of_the_extension_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "A.BIN").write_bytes(word(1, 1, 1, 1))
    assert len(read(tmp_path / "A.BIN")) == 1
