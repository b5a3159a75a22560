"""Recordings that are folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, open_recording, read, stream
from mxsnn.events.io import folders
from tests.damage import damaged, read_or_refused

EVENTS = Events.make([5, 1_000_007, 2_500_000], [3, 0, 2], [1, 0, 2], [1, 0, 1], (8, 6))
LINES = ["0.000005 3 1 1", "1.000007 0 0 0", "2.5 2 2 1"]


def fails(path: Path, match: str, **options: Any) -> None:
    with pytest.raises(UserError, match=match) as raised:
        open_recording(path, **options)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


# The layout of RPG


def rpg(folder: Path, index: list[str], images: dict[str, np.ndarray]) -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "events.txt").write_text("\n".join(LINES) + "\n")
    (folder / "images.txt").write_text("".join(f"{line}\n" for line in index))
    for name, image in images.items():
        Image.fromarray(image).save(folder / name)
    return folder


GREY = {f"images/{k}.png": np.full((6, 8), k, np.uint8) for k in range(3)}


def test_rpg(tmp_path: Path) -> None:
    lines = ["# time name", "0.25 images/0.png", "1.0000004999999999 images/2.png", "", "2.4999995 images/1.png"]
    folder = rpg(tmp_path / "a", lines, GREY)
    recording = open_recording(folder, (8, 6))
    assert recording.events == EVENTS
    frames = recording.frames["grey"]
    assert frames.t.tolist() == [250_000, 1_000_000, 2_500_000]
    assert frames.images[:][:, 0, 0].tolist() == [0, 2, 1]
    colour = {name: np.stack([image] * 3, axis=2) for name, image in GREY.items()}
    assert list(open_recording(rpg(folder, ["0.25 images/0.png"], colour)).frames) == ["rgb"]
    (folder / "images.txt").unlink()
    assert open_recording(folder).frames == {}


def test_images_that_are_not_there(tmp_path: Path) -> None:
    folder = rpg(tmp_path / "a", ["0.25 images/0.png", "1.0 images/7.png", "2.0 images/1.png"], GREY)
    with pytest.warns(RecordingWarning, match="1 of 3 images that it lists are not there"):
        assert open_recording(folder).frames["grey"].t.tolist() == [250_000, 2_000_000]
    (folder / "images.txt").write_text("0.25 images/8.png\n")
    with pytest.warns(RecordingWarning, match="1 of 1 images"):
        assert open_recording(folder).frames == {}


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.png", "images/../../secret.png", "link.png", "images/up/secret.png"])
def test_names_that_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    Image.fromarray(GREY["images/0.png"]).save(tmp_path / "secret.png")
    folder = rpg(tmp_path / "a", ["0.1 images/0.png", f"0.2 {name}"], GREY)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "images" / "up").symlink_to(tmp_path)
    fails(folder, "leads out of the folder")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("images/0.png 0.1", "images.txt line 2 is no time and name"),
        ("0.1", "images.txt line 2 is no time and name"),
        ("1.2.3 images/0.png", "images.txt line 2 is no time and name"),
        ("5 images/0.png", "images.txt has times in whole numbers"),
        ("0.05 images/0.png", "go back at frame 1"),
        ("0.2 images/\0.png", "is no name of a file|leads out"),
    ],
)
def test_damage_to_the_index(tmp_path: Path, line: str, message: str) -> None:
    fails(rpg(tmp_path / "a", ["0.1 images/0.png", line], GREY), message)


def test_damage_to_the_images(tmp_path: Path) -> None:
    folder = rpg(tmp_path / "a", ["0.1 images/0.png", "0.2 images/1.png"], GREY)
    Image.fromarray(np.zeros((5, 8), np.uint8)).save(folder / "images" / "1.png")
    fails(folder, "1.png: 8x5 pixels")
    (folder / "images" / "1.png").write_bytes(b"")
    fails(folder, "1.png: no image")


def test_a_real_folder(test_data: Path) -> None:
    path = test_data / "events" / "slider_depth"
    recording = open_recording(path, (240, 180))
    assert isinstance(recording.events, Events)
    assert len(recording.events) == 50_000 and recording.events.span == (3_811, 174_156)
    frames = recording.frames["grey"]
    assert len(frames) == 6 and frames.size == (240, 180)
    assert np.abs(np.diff(frames.t) - 38_766).max() <= 1
    # What the events see are the edges of the frames: more of them where the frame's gradient along the slide is large.
    within = recording.window(*(int(t) for t in frames.t[1:3])).events
    assert isinstance(within, Events)
    counts = np.zeros((180, 240))
    np.add.at(counts, (within.y, within.x), 1)
    gradient = np.abs(np.diff(frames.images[1].astype(float), axis=1, prepend=0))
    mirrored = [np.corrcoef(counts.ravel(), other.ravel())[0, 1] for other in (gradient[:, ::-1], gradient[::-1])]
    assert np.corrcoef(counts.ravel(), gradient.ravel())[0, 1] > 0.2 > 0.1 > max(mirrored)


# Folders of arrays


def arrays(folder: Path, **changed: Any) -> Path:
    """As EVREAL writes them; a `None` leaves one out."""
    folder.mkdir(exist_ok=True)
    content = {
        "events_ts": EVENTS.t / 1e6,
        "events_xy": np.stack([EVENTS.x, EVENTS.y], axis=1),
        "events_p": EVENTS.p,
        "images": np.stack(list(GREY.values())),
        "images_ts": np.array([0.25, 1.0, 2.5]),
        "image_event_indices": np.array([1, 1, 2]),
        **changed,
    }
    for name, array in content.items():
        (folder / f"{name}.npy").unlink(missing_ok=True)
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    (folder / "metadata.json").write_text(json.dumps({"sensor_resolution": [6, 8]}))
    return folder


def test_evreal(tmp_path: Path) -> None:
    recording = open_recording(arrays(tmp_path / "a"))
    assert recording.events == EVENTS
    frames = recording.frames["grey"]
    assert frames.t.tolist() == [250_000, 1_000_000, 2_500_000]
    np.testing.assert_array_equal(frames.images[1:], [GREY["images/1.png"], GREY["images/2.png"]])
    assert isinstance(frames.images, np.memmap)  # mapped, not read
    older = {"t": EVENTS.t[:, None] / 1e6, "xy": np.stack([EVENTS.x, EVENTS.y], axis=1), "p": EVENTS.p[:, None] * 2.0 - 1}
    leave = dict.fromkeys(["events_ts", "events_xy", "events_p", "images", "images_ts"])
    recording = open_recording(arrays(tmp_path / "b", **leave, **older))
    assert recording.events == EVENTS and recording.frames == {}


def test_colour_is_blue_first(tmp_path: Path) -> None:
    bgr = np.zeros((3, 6, 8, 3), np.uint8)
    bgr[..., 0] = 255
    frames = open_recording(arrays(tmp_path / "a", images=bgr)).frames["rgb"]
    assert frames.images[0][0, 0].tolist() == [0, 0, 255]
    frames = open_recording(arrays(tmp_path / "a", images=bgr[..., :1])).frames["grey"]
    assert frames.images[0][0, 0] == 255


def test_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_CHUNK", 2)
    pieces = list(stream(arrays(tmp_path / "a")))
    assert [len(piece) for piece in pieces] == [2, 1]
    np.testing.assert_array_equal(np.concatenate([piece.t for piece in pieces]), EVENTS.t)


def test_units(tmp_path: Path) -> None:
    folder = arrays(tmp_path / "a", events_ts=EVENTS.t, images=None, images_ts=None)
    fails(folder, "events_ts.npy holds whole numbers, whose unit is not known; say it with time_unit='us'")
    assert read(folder, time_unit="us") == EVENTS
    fails(folder, "time_unit is one of", time_unit="h")
    late = arrays(tmp_path / "b", events_ts=np.array([100, 101, 102], np.float32), images=None)
    with pytest.warns(RecordingWarning, match="exact to 8 us"):
        read(late)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"events_p": EVENTS.p[:2]}, "hold 3, 3 and 2 events"),
        ({"events_xy": EVENTS.x}, r"events_xy.npy is \[N, 2\]"),
        ({"events_ts": np.zeros((3, 2))}, r"events_ts.npy is \[N\]"),
        ({"events_ts": np.array([0.1, np.nan, 0.2])}, "whole microseconds"),
        ({"events_p": np.array([1, 2, 3])}, "a polarity is 0 or 1"),
        ({"events_p": np.array(["a", "b", "c"])}, "events_p.npy holds"),
        ({"events_xy": np.array([[9, 9]] * 3)}, "outside the sensor of 8x6"),
        ({"images_ts": None}, "images.npy has no times"),
        ({"images_ts": np.array([0.1, 0.2])}, "3 images, but t has shape"),
        ({"images_ts": np.array([0.1, np.inf, 0.2])}, "images_ts.npy has a time that is none"),
        ({"images": np.zeros((3, 6, 8), np.float32)}, "images are uint8 or uint16"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, changed: dict, message: str) -> None:
    fails(arrays(tmp_path / "a", **changed), message)


def test_damaged_metadata(tmp_path: Path) -> None:
    folder = arrays(tmp_path / "a")
    for content, message in (
        ("{", "is damaged"),
        ('{"sensor_resolution": 3}', "is not .height, width."),
        ("[" * 99_999, "damaged"),
    ):
        (folder / "metadata.json").write_text(content)
        fails(folder, message)
    (folder / "metadata.json").write_text('{"sensor_resolution": [0, 5]}')
    fails(folder, "sensor_size is")
    (folder / "metadata.json").write_text("[]")
    assert read(folder).sensor_size == (4, 3)


@given(data=st.data())
def test_damage_to_arrays(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = arrays(tmp_path_factory.mktemp("damage") / "a")
    path = folder / data.draw(st.sampled_from(["events_ts.npy", "events_xy.npy", "events_p.npy", "images.npy", "images_ts.npy"]))
    path.write_bytes(data.draw(damaged(path.read_bytes(), cut=True)))
    with read_or_refused(folder):
        open_recording(folder)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    fails(tmp_path, "holds no recording of a known layout")


# Files of ESIM: arrays t (ns), x, y, p (-1, +1)


def test_esims_times_are_not_taken_for_us(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, t=EVENTS.t * 1000, x=EVENTS.x, y=EVENTS.y, p=EVENTS.p.astype(np.int64) * 2 - 1)
    fails(path, "are ns from ESIM, us from others; say it with time_unit='ns' or 'us'")
    assert read(path, (8, 6), time_unit="ns") == EVENTS
    np.savez(path, t=EVENTS.t, x=EVENTS.x, y=EVENTS.y, p=EVENTS.p)
    assert read(path, (8, 6)) == EVENTS


# The layout of ESIM's tools


def pieces(folder: Path, *parts: Events) -> Path:
    folder.mkdir(exist_ok=True)
    for k, part in enumerate(parts):
        arrays = {"t": part.t * 1000, "x": part.x, "y": part.y, "p": part.p.astype(np.int8) * 2 - 1}
        np.savez(folder / f"{k:010d}.npz", **arrays)
    return folder


def test_pieces_of_esim(tmp_path: Path) -> None:
    folder = pieces(tmp_path / "esim", EVENTS[:1], EVENTS[1:1], EVENTS[1:])
    fails(folder, "0000000000.npz: t holds whole numbers, whose unit is not known")
    assert read(folder, (8, 6), time_unit="ns") == EVENTS
    assert [len(part) for part in stream(folder, (8, 6), time_unit="ns")] == [1, 2]
    (folder / "0000000001.npz").unlink()
    fails(folder, "holds 2 pieces, but the last is 0000000002.npz: some are missing", time_unit="ns")


def test_pieces_out_of_order_and_of_other_content(tmp_path: Path) -> None:
    folder = pieces(tmp_path / "back", EVENTS[1:], EVENTS[:1])
    fails(folder, "the times go back at event 2", time_unit="ns")
    np.savez(pieces(tmp_path / "frames", EVENTS) / "0000000000.npz", frames=np.zeros((2, 2, 3, 4)))
    fails(tmp_path / "frames", "0000000000.npz: no field 't' among frames", time_unit="ns")
