"""Event data sets of faces, in the layouts in which they are published."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from mxsnn.data.datasets.beyond_the_smile import UNITS, beyond_the_smile
from mxsnn.data.datasets.boxes import Boxes
from mxsnn.data.datasets.facemorphic import FACE, HEAD, facemorphic
from mxsnn.data.datasets.fes import fes
from mxsnn.data.datasets.nefer import EMOTIONS, nefer
from mxsnn.data.datasets.spiking_fer import spiking_fer
from mxsnn.data.splits import folds, official
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, Label
from tests import layouts


def rejected(message: str, call: Callable, *args: object, **options: object) -> None:
    """The call raises a UserError with this message, of one line."""
    with pytest.raises(UserError, match=message) as raised:
        call(*args, **options)
    assert "\n" not in str(raised.value)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def expected(n: int, size: tuple[int, int], seed: int) -> Events:
    t, x, y, p = layouts.events(n, size, seed).T
    return Events.make(t, x, y, p, size)


# NEFER


def test_nefer(tmp_path: Path) -> None:
    data = nefer(layouts.nefer(tmp_path))
    assert data.classes == EMOTIONS
    assert [data.classes[k] for k in data.labels] == ["anger", "fear", "happiness", "happiness", "fear"]
    assert data.subjects == ("user_01", "user_02", "user_03")
    assert data.groups.tolist() == [0, 0, 1, 2, 2]
    assert data.test.tolist() == [False, False, False, True, True]
    assert data.sensor_size == (1280, 720)
    assert [data[i] for i in range(5)] == [
        expected(n, (1280, 720), seed) for n, seed in ((50, 0), (51, 0), (50, 1), (50, 2), (51, 2))
    ]
    one = data.recording(3)
    assert one.labels == (Label("happiness", "emotion"),)
    assert (one.subject, one.session) == ("user_03", "user03_2022-06-08_15-12-06_cd")
    assert not one.frames
    split = official(data.labels, data.test, 0.5, 0, data.groups)
    assert split.test.tolist() == [3, 4]
    assert pickle.loads(pickle.dumps(data))[2] == data[2]


def test_nefer_as_reported_and_with_frames(tmp_path: Path) -> None:
    data = nefer(layouts.nefer(tmp_path), "reported", rgb_fps=10)
    assert data.classes == (*EMOTIONS, "none")
    assert [data.classes[k] for k in data.labels] == ["anger", "none", "happiness", "happiness", "surprise"]
    assert data.recording(1).labels == ()
    frames = data.recording(4).frames["rgb"]
    assert frames.t.tolist() == [0, 100_000, 200_000]
    assert frames.images[:][:, 0, 0, 0].tolist() == [10, 11, 12]


def test_nefers_cameras_that_do_not_pair(tmp_path: Path) -> None:
    root = layouts.nefer(tmp_path)
    table = root / "annotations" / "expected_emotions" / "train_gopro.csv"
    table.write_text(table.read_text().replace("Happiness", "Anger"))
    with pytest.warns(RecordingWarning, match="user_02 has 1 clips of events and 1 of the GoPro whose emotions do not pair"):
        data = nefer(root, rgb_fps=10)
    assert [len(data.recording(i).frames) for i in range(5)] == [1, 1, 0, 1, 1]


def test_nefer_that_is_wrong(tmp_path: Path) -> None:
    rejected("no such folder; the archive is linked from https://github.com/miccunifi/NEFER", nefer, tmp_path / "x")
    rejected("holds no folder event_raw/raw or", nefer, tmp_path)
    root = layouts.nefer(tmp_path / "root")
    rejected("emotions is 'expected' or 'reported'", nefer, root, "felt")
    table = root / "annotations" / "expected_emotions" / "train_event.csv"
    whole = table.read_text()
    for old, new, message in [
        ("Anger", "Boredom", "train_event.csv:1: emotion is one of anger, .*; got 'Boredom'"),
        ("Fear", "Anger", "train_event.csv:5: clip user01_.* is Fear here and Anger in line 4"),
        ("user_01,", "user_03,", "train_event.csv:1: user_03 is on the other side of the official split"),
        ("user_01,user01", "user_01,../../user01", "train_event.csv:1: clip is the name of one file"),
        (",Anger", "", "train_event.csv:1: 3 columns, but the table has 4"),
    ]:
        edit(table, old, new)
        rejected(message, nefer, root)
        table.write_text(whole)
    (root / "event_raw" / "raw" / "user_02" / "user02_2022-06-08_11-00-00.raw").unlink()
    rejected("train_event.csv:7: no such file: .*user02_2022-06-08_11-00-00.raw; the archive", nefer, root)
    table.unlink()
    rejected("train_event.csv: no such file", nefer, root)


# FACEMORPHIC


def test_facemorphic(tmp_path: Path) -> None:
    data = facemorphic(layouts.facemorphic(tmp_path))
    assert data.classes == ("AU4", "AU12", "AU51")
    assert len(data) == 15
    # Users in falling order; the last fifth of them is the test, the one whose name is the least.
    assert {data.subjects[g] for g in data.groups[data.test]} == {"0f3c9c1a"}
    assert data.test.sum() == 3
    index = next(i for i in range(15) if data.subjects[data.groups[i]] == "c58d1e34" and data.classes[data.labels[i]] == "AU12")
    one = data.recording(index)
    assert one.events == expected(42, (1280, 720), 2)
    # The first image was taken a frame after the first event; frames 1 and 2 show the Action Unit.
    assert one.frames["rgb"].t.tolist() == [33_000, 66_000, 99_000, 132_000]
    assert one.labels == (Label("AU12", "au", 66_000, None, 99_000),)
    assert set(facemorphic(tmp_path, classes=HEAD).classes) == {"AU51"}
    assert facemorphic(tmp_path, classes=FACE).classes == ("AU4", "AU12")
    official(data.labels, data.test, 0.3, 0, data.groups)


def test_facemorphic_past_midnight_and_without_annotation(tmp_path: Path) -> None:
    root = layouts.facemorphic(tmp_path)
    folder = root / "25c8ed50" / "AU_4"
    images = sorted((folder / "frames_1").iterdir())
    for k, (path, time) in enumerate(zip(images, ("23:59:59.990000", "00:00:00.020000", "00:00:00.050000"), strict=False)):
        path.rename(path.with_name(f"frame_{k}_{time}.jpg"))
    images[3].unlink()
    (folder / "event_frames_1" / "annotation.json").unlink()
    shutil.rmtree(root / "25c8ed50" / "AU_12" / "frames_1")
    data = facemorphic(root)
    mine = [data.recording(i) for i in range(15) if data.subjects[data.groups[i]] == "25c8ed50"]
    found = {label.name: (one, label) for one in mine for label in one.labels}
    assert found["AU4"][0].frames["rgb"].t.tolist() == [30_000, 60_000, 90_000]
    assert found["AU4"][1] == Label("AU4", "au")
    assert found["AU12"][1] == Label("AU12", "au")


def test_facemorphic_that_is_odd(tmp_path: Path) -> None:
    root = layouts.facemorphic(tmp_path)
    (root / "25c8ed50" / "AU_4" / "event_1.raw").unlink()
    with pytest.warns(RecordingWarning, match="AU_4/event_1.raw: no such file; 1 clips have no events: left out"):
        assert len(facemorphic(root)) == 14
    shutil.rmtree(root / "25c8ed50" / "AU_4")
    note = root / "25c8ed50" / "AU_12" / "event_frames_1" / "annotation.json"
    note.write_text(json.dumps({"start": 3, "end": 2}))
    with pytest.warns(RecordingWarning, match="annotation.json: start 3 and end 2 of 4 frames: left out"):
        facemorphic(root)
    for text in ("", "[]", '{"start": 1}', '{"start": "x", "end": 2}', "[" * 100_000, '{"start": 1e999, "end": 2}'):
        note.write_text(text)
        rejected("annotation.json: no annotation; it is", facemorphic, root)
    note.unlink()
    image = next((root / "25c8ed50" / "AU_12" / "frames_1").iterdir())
    image.rename(image.with_name("frame_0.jpg"))
    rejected("frame_0.jpg: its name does not end in the time of day", facemorphic, root)


def test_facemorphic_that_is_wrong(tmp_path: Path) -> None:
    rejected("no such folder; no public download is known", facemorphic, tmp_path / "x")
    rejected("holds no clips", facemorphic, tmp_path)
    rejected("classes are of AU1, .*; got AU99", facemorphic, tmp_path, classes=("AU99",))
    (tmp_path / "user" / "AU_3").mkdir(parents=True)
    rejected("AU_3: no folder of an Action Unit", facemorphic, tmp_path)


# Beyond the Smile


def test_beyond_the_smile(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for k, name in enumerate(UNITS):
            folder = tmp_path / part / name.lower().replace(" ", "_")
            folder.mkdir(parents=True)
            np.save(folder / "a.npy", layouts.events(10 + k, (20, 10), k))
    data = beyond_the_smile(tmp_path, (20, 10))
    assert data.classes == tuple(UNITS)
    assert sorted(data.labels.tolist()) == sorted([*range(7), *range(7)])
    for i in range(len(data)):
        name = data.classes[data.labels[i]]
        one = data.recording(i)
        assert one.labels == (Label(name, "movement"), *(Label(unit, "au") for unit in UNITS[name]))
        assert data[i] == one.events == expected(10 + list(UNITS).index(name), (20, 10), list(UNITS).index(name))
    assert data.test.sum() == 7
    assert data.groups is None


def test_beyond_the_smile_as_frames_and_wrong(tmp_path: Path) -> None:
    rejected("no such folder; the recordings are not published", beyond_the_smile, tmp_path / "x")
    for name in ("Smile", "Open-Mouth"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "1.npy", np.ones((3, 2, 4, 5)))
    data = beyond_the_smile(tmp_path)
    assert data.classes == ("Smile", "Open Mouth")
    frames = data[1]
    assert isinstance(frames, np.ndarray)
    assert frames.shape == (3, 4, 5, 2)
    shutil.copytree(tmp_path / "Smile", tmp_path / "smile ")
    rejected("two folders have the same movement", beyond_the_smile, tmp_path)
    (tmp_path / "smile ").rename(tmp_path / "grin")
    rejected("'grin' is no movement of this set; there are Upper Lid Raiser", beyond_the_smile, tmp_path)


# Spiking-FER


def test_spiking_fer(tmp_path: Path) -> None:
    data = spiking_fer(layouts.spiking_fer(tmp_path))
    assert [data.classes[k] for k in data.labels] == ["disgust", "fear", "surprise", "happy", "sadness"]
    assert data.subjects == ("S005", "S010", "S011")
    assert not data.test.any()
    assert [data[i] for i in range(5)] == [expected(30 + i, (200, 200), i) for i in range(5)]
    assert data.recording(1).labels == (Label("fear", "emotion"),)
    for part in folds(data.labels, 3, 0, data.groups):
        assert len({data.subjects[g] for g in data.groups[part]}) == 1


def test_the_published_folds_cross_subjects(tmp_path: Path) -> None:
    data = spiking_fer(layouts.spiking_fer(tmp_path), fold=1)
    assert data.test.tolist() == [False, True, False, False, False]
    rejected("subjects .* are in the official test part and outside", official, data.labels, data.test, 0.5, 0, data.groups)
    assert spiking_fer(tmp_path, fold=7).test.tolist() == [True, False, False, True, False]


def test_spiking_fer_that_is_wrong(tmp_path: Path) -> None:
    rejected("no such folder; the events may not be passed on", spiking_fer, tmp_path / "x")
    root = layouts.spiking_fer(tmp_path)
    rejected("'CK' is none of the sets", spiking_fer, root, "CK")
    rejected("fold is from 0 to 9, got 10", spiking_fer, root, fold=10)
    rejected("MMIDVS/folds.csv: no such file", spiking_fer, root, "MMIDVS")
    table, file = root / "CKPlusDVS" / "folds.csv", root / "CKPlusDVS" / "S005" / "001.h5"
    whole = table.read_text()
    for old, new, message in [
        (";5;", ";7;", "folds.csv:1: label is a whole number from 1 to 6, got '7'"),
        ("S005;001", "..;001", "folds.csv:1: subject is the name of one file"),
        ("S005;001", "S005;002", "folds.csv:1: no such file: .*002.h5"),
        ("S005;001;5;0", "S005;001;5", "folds.csv:1: 12 columns, but the table has 13"),
    ]:
        edit(table, old, new)
        rejected(message, spiking_fer, root)
        table.write_text(whole)
    data = spiking_fer(root)
    file.write_bytes(file.read_bytes()[:900])
    rejected("001.h5: ", data.__getitem__, 0)
    for content, message in [
        (np.zeros((3, 5), np.uint32), "x 5|3, 5"),
        (np.array([[0, 300, 0, 1]], np.uint32), "outside the sensor of 200x200"),
        (np.array([[5, 0, 0, 1], [4, 0, 0, 1]], np.uint32), "the times go back"),
    ]:
        file.unlink()
        with h5py.File(file, "w") as h5:
            h5["events"] = content
        rejected(f"001.h5: .*({message})", data.__getitem__, 0)


# FES


def test_fes(tmp_path: Path) -> None:
    data = fes(layouts.fes(tmp_path))
    assert data.classes == ("face",)
    assert data.sensor_size == (480, 360)
    assert data.subjects == ("09", "20211123_1", "20211124_0")
    assert data.test.tolist() == [True, False, True]
    assert data.conditions == {"part": ("test", "train", "test")}
    assert data[1] == expected(60, (480, 360), 0)
    lab, points, wild = (Boxes.of(data.recording(i).samples["boxes"]) for i in (1, 2, 0))
    assert lab.t.tolist() == [0, 33_333, 66_666]
    assert lab.xywh.tolist() == [[10, 0, 20, 30], [11, 0, 20, 30], [12, 0, 20, 30]]
    assert lab.landmarks is None
    assert points.landmarks is not None
    assert points.landmarks[1].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert points.xywh[0].tolist() == [10.5, 4, 20, 30]
    assert wild.t.tolist() == [0, 100_000]  # frame 3 at 30 a second; the box outside is left out
    assert wild.xywh.tolist() == [[1, 2, 10, 20], [100.5, 50, 20, 30]]
    assert wild.track.tolist() == [0, 1]


def test_fes_that_is_wrong(tmp_path: Path) -> None:
    rejected("no such folder; the data are at https://huggingface.co", fes, tmp_path / "x")
    rejected("holds no stream", fes, tmp_path)
    root = layouts.fes(tmp_path)
    copy = root / "val" / "20211123_1_19.xml"
    copy.parent.mkdir()
    copy.write_text("<a/>")
    rejected("20211123_1_19_bbox.npy has the boxes of this stream already|has the boxes of this stream", fes, root)
    copy.unlink()
    shutil.copy(root / "train" / "event_streams" / "20211123_1_19.raw", root / "val" / "20211123_1_19.raw")
    rejected("another stream has this name", fes, root)
