"""Data sets of a frame camera, Action Units as text, OpenFace's tables, boxes: right, and wrong in every way that tables are."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.data.datasets._tables import inside, rows
from mxsnn.data.datasets.boxes import Boxes, read_boxes
from mxsnn.data.datasets.facs import LETTERS, Unit, parse_aus
from mxsnn.data.datasets.frame_sets import casme2, frame_set, samm
from mxsnn.data.datasets.openface import read_openface
from mxsnn.data.splits import folds, official
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Label
from tests import layouts


def rejected(message: str, call: Callable, *args: object, **options: object) -> None:
    """The call raises a UserError with this message, of one line."""
    with pytest.raises(UserError, match=message) as raised:
        call(*args, **options)
    assert "\n" not in str(raised.value)


# Tables


def test_a_table_below_some_text(tmp_path: Path) -> None:
    lines = ["Codes of the year,,", ",,", "Name , A ge,", "ada,36,", "", '"b, ob","1\n2",']
    found = rows(layouts.text(tmp_path / "t.csv", lines, "utf-8-sig"), ("name", "age"))
    assert [(row.line, row["Name"], row["AGE"], row["other"]) for row in found] == [(4, "ada", "36", ""), (7, "b, ob", "1\n2", "")]
    assert found[0].number("age") == found[0].whole("age", 0, 40) == found[0].time("age") == 36


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "t.csv: no line names the columns a, c"),
        (b"a,c\n1,2,3\n", "t.csv:2: 3 columns, but the table has 2"),
        (b"a,c\n1,2\n\n1\n", "t.csv:4: 1 columns"),
        (b"a,c\n", "t.csv: the table has no rows"),
        (b"", "t.csv: no line names"),
        (b"a,c\n\xff,1\n", "t.csv: no text in UTF-8"),
        (b"a,c\n" + b"x" * 200_000 + b",1\n", "t.csv:2: no table .*limit"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    rejected(message, rows, tmp_path / "t.csv", ("a", "c"))


def test_no_table(tmp_path: Path) -> None:
    rejected("x.csv: no such file", rows, tmp_path / "x.csv", ("a",))
    rejected("is no file", rows, tmp_path, ("a",))
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    rejected("x.xlsx: a spreadsheet; save its sheet as text, CSV in UTF-8", rows, tmp_path / "x.xlsx", ("a",))


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e400", "1.5", "-2", "99"])
def test_numbers_in_tables_that_are_wrong(tmp_path: Path, text: str) -> None:
    (row,) = rows(layouts.text(tmp_path / "t.csv", ["a,b", f"1,{text}"]), ("a", "b"))
    rejected(r"t.csv:2: b is a (whole )?number", row.whole, "b", 0, 9)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "..", "link/x", "", "a\0b", "..\\x"])
def test_paths_cannot_leave_their_folder(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    rejected("is no path inside", inside, root, path)
    assert inside(root, "a/../b") == root / "a/../b"


# Action Units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("4+L7+R10", [Unit("AU4", "both", None), Unit("AU7", "left", None), Unit("AU10", "right", None)]),
        ("12A", [Unit("AU12", "both", 0.2)]),
        ("AU1 + AU2", [Unit("AU1", "both", None), Unit("AU2", "both", None)]),
        ("1 2 4", [Unit("AU1", "both", None), Unit("AU2", "both", None), Unit("AU4", "both", None)]),
        ("R12B+L12D, au25e", [Unit("AU12", "both", 0.8), Unit("AU25", "both", 1.0)]),
        ("12L; B14 and 06", [Unit("AU12", "left", None), Unit("AU14", "both", None), Unit("AU6", "both", None)]),
        ("", []),
    ],
)
def test_action_units(text: str, units: list[Unit]) -> None:
    assert parse_aus(text) == tuple(units)


@pytest.mark.parametrize("text", ["12 or 15", "?", "R12L", "AU", "123", "12F", "12+", "smile", "4/5"])
def test_no_action_units(text: str) -> None:
    if text == "12+":
        assert parse_aus(text) == (Unit("AU12", "both", None),)
    else:
        rejected("is no Action Unit; write it like", parse_aus, text)


units = st.builds(
    lambda number, side, letter: (number, side, letter),
    st.integers(1, 99),
    st.sampled_from(["", "L", "R"]),
    st.sampled_from(["", *"ABCDE"]),
)


@given(st.lists(units, max_size=6, unique_by=lambda unit: unit[0]), st.sampled_from(["+", " + ", ", ", " ", ";"]), st.booleans())
def test_any_units_come_back(given_: list, between: str, named: bool) -> None:
    words = [f"{side}{'AU' if named else ''}{number}{letter}" for number, side, letter in given_]
    sides = {"": "both", "L": "left", "R": "right"}
    assert parse_aus(between.join(words)) == tuple(
        Unit(f"AU{number}", sides[side], LETTERS.get(letter)) for number, side, letter in given_
    )


# CASME II and SAMM


def test_casme2(tmp_path: Path) -> None:
    with pytest.warns(RecordingWarning) as told:
        data = casme2(layouts.casme2(tmp_path))
    said = [str(w.message).rpartition("/")[2] for w in told]
    assert said[0].startswith("CASME2-coding-20140508.csv:4: offset 3 lies before onset 5: left out")
    assert "csv:4: '?' in '?' is no Action Unit" in said[1]
    assert data.classes == ("disgust", "happiness", "others")
    assert data.labels.tolist() == [1, 2, 0]
    assert data.subjects == ("sub01", "sub17")
    assert data.groups.tolist() == [0, 0, 1]
    assert data.sensor_size == (8, 6)
    first = data.recording(0)
    frames = first.frames["rgb"]
    assert frames.t.tolist() == [0, 5000, 10000]
    assert frames.images.shape == (3, 5, 8, 3)
    assert first.subject == "sub01"
    # The table counts frames as the names of the images do: onset 46 is the first, 200 frames a second.
    assert first.labels == (
        Label("happiness", "emotion", 0, 65000, 80000),
        Label("AU4", "au", 0, 65000, 80000),
        Label("AU10", "au", 0, 65000, 80000, side="left"),
    )
    assert data.recording(1).labels[1] == Label("AU12", "au", 0, None, 10000, side="right")
    assert data.recording(2).labels == (Label("disgust", "emotion", 0, 10000, None),)
    rejected("holds no events; simulate them from its frames", data.__getitem__, 0)


def test_leave_one_subject_out(tmp_path: Path) -> None:
    with pytest.warns(RecordingWarning):
        data = casme2(layouts.casme2(tmp_path))
    assert sorted(map(len, folds(data.labels, 2, 0, data.groups))) == [1, 2]
    rejected("no official test part", official, data.labels, data.test, 0.2, 0, data.groups)


def test_casme2_elsewhere(tmp_path: Path) -> None:
    root = layouts.casme2(tmp_path)
    for path in sorted((root / "CASME2_RAW_selected").rglob("*.jpg")):
        new = root / "Cropped" / path.parent.relative_to(root / "CASME2_RAW_selected") / f"reg_{path.name}"
        new.parent.mkdir(parents=True, exist_ok=True)
        path.rename(new)
    with pytest.warns(RecordingWarning):
        assert casme2(root, frames="Cropped").recording(0).frames["rgb"].t.tolist() == [0, 5000, 10000]
    rejected("nowhere", casme2, root, frames="nowhere")
    rejected("is no path inside", casme2, root, frames="..")


def test_samm(tmp_path: Path) -> None:
    with pytest.warns(RecordingWarning, match=r"v2.csv:7: 'or' in '12 or 15' is no Action Unit") as told:
        data = samm(layouts.samm(tmp_path))
    assert len(told) == 1
    assert data.classes == ("anger", "other", "surprise")
    assert data.subjects == ("006", "028")
    one = data.recording(0)
    assert one.frames["grey"].t.tolist() == [0, 5000, 10000, 15000]
    assert one.labels[1:] == (
        Label("AU12", "au", 0, 10000, 15000, 0.2),
        Label("AU2", "au", 0, 10000, 15000),
    )
    assert data.recording(1).labels == (Label("anger", "emotion", 0, None, 15000), Label("AU14", "au", 0, None, 15000, side="left"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,EP02_01f,,46,59,62,,4,,", "csv:2: says no emotion"),
        ("x,EP02_01f,,46,59,62,,4,others,", "csv:2: Subject is a number, got 'x'"),
        ("1,../../x,,46,59,62,,4,others,", "csv:2: Filename is the name of one file or folder, got '../../x'"),
        ("1,EP02_01f,,4.6,59,62,,4,others,", "csv:2: onset is a whole number"),
        ("1,EP99,,46,59,62,,4,others,", "csv:2: no such clip: .*sub01/EP99; 1 of 1 are missing"),
        ("1,EP02_01f,,46,59,62,,4", "csv:2: 8 columns, but the table has 10"),
    ],
)
def test_casme2_that_is_wrong(tmp_path: Path, row: str, message: str) -> None:
    root = layouts.casme2(tmp_path)
    layouts.text(root / "CASME2-coding-20140508.csv", [layouts.CASME2_HEADER, row])
    rejected(message, casme2, root)


def test_how_to_get_them(tmp_path: Path) -> None:
    rejected("no such folder; CASME II is given to researchers who sign", casme2, tmp_path / "x")
    rejected("no such folder; SAMM is given to researchers who sign", samm, tmp_path / "x")
    rejected("CASME2-coding-20140508.csv: no such file", casme2, tmp_path)


# Any set of a frame camera


def test_a_table_of_image_folders_and_gifs(tmp_path: Path) -> None:
    from PIL import Image

    for k in (7, 9, 10):
        layouts.image(tmp_path / "clips" / "a" / f"frame_{k}.png", k)
    pictures = [Image.new("RGB", (6, 4), (k, 0, 0)) for k in range(4)]
    pictures[0].save(tmp_path / "b.gif", save_all=True, append_images=pictures[1:], duration=40, loop=0)
    lines = ["clip,subject,onset,apex,offset,au,movement", "clips/a,ada,8,9,10,12B,Smile", "b.gif,bob,1,2,3,,frown"]
    layouts.text(tmp_path / "labels.csv", lines)
    data = frame_set(tmp_path, fps=100, label="movement")
    assert data.classes == ("frown", "smile")
    assert data.sensor_size == (6, 4)
    first, second = data.recording(0), data.recording(1)
    assert first.frames["rgb"].t.tolist() == [0, 20_000, 30_000]  # of frames 7, 9 and 10: 8 is missing
    assert first.labels == (Label("smile", "movement", 10_000, 20_000, 30_000), Label("AU12", "au", 10_000, 20_000, 30_000, 0.4))
    assert second.labels == (Label("frown", "movement", 10_000, 20_000, 30_000),)
    own = frame_set(tmp_path, label="movement")
    assert own.recording(1).labels == (Label("frown", "movement", 40_000, 80_000, 120_000),)
    rejected("images have no times of their own; give fps", own.recording, 0)
    one = frame_set(tmp_path, label="movement", first=1).recording(1)
    assert one.labels == (Label("frown", "movement", 0, 40_000, 80_000),)
    rejected("its frames are 2 to 5, but labels name 1 to 3", frame_set(tmp_path, label="movement", first=2).recording, 1)
    assert data.fingerprint() != own.fingerprint()


def test_action_units_as_classes_and_openface_beside(tmp_path: Path) -> None:
    for k in range(2):
        layouts.image(tmp_path / "a" / f"{k}.png", k)
    layouts.openface(tmp_path / "a.csv", ["1,0,1,1,0,2.5,0,1,0,0", "2,0.1,1,1,0,0,0,0,0,0"])
    layouts.text(tmp_path / "labels.csv", ["clip,au,openface", "a,12+L4,a.csv"])
    data = frame_set(tmp_path, fps=10, label="au")
    assert data.classes == ("AU4+AU12",)
    assert data.groups is None
    series = data.recording(0).samples["openface"]
    assert series.values[:, series.names.index("AU12")].tolist() == [0.5, 0.0]
    layouts.text(tmp_path / "labels.csv", ["clip,au,openface", "a,12+L4,../b.csv"])
    rejected(r"labels.csv:2: openface: '../b.csv' is no path inside", frame_set, tmp_path, fps=10, label="au")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["clip,emotion", "../x,joy"], r"labels.csv:2: clip: '../x' is no path inside"),
        (["clip,emotion", "x,joy"], "labels.csv:2: no such clip"),
        (["clip,emotion,subject", "a,joy,ada", "a,joy,"], "labels.csv:3: has no subject, but other rows have"),
        (["clip,feeling", "a,joy"], "names the columns clip, emotion"),
    ],
)
def test_a_table_of_clips_that_is_wrong(tmp_path: Path, lines: list[str], message: str) -> None:
    layouts.image(tmp_path / "a" / "1.png", 1)
    layouts.text(tmp_path / "labels.csv", lines)
    rejected(message, frame_set, tmp_path, fps=10)


def test_images_that_count_otherwise_than_the_table(tmp_path: Path) -> None:
    for k in range(1, 4):
        layouts.image(tmp_path / "a" / f"img{k}.png", k)
    for onset, offset, fits in ((46, 48, False), (3, 9, True), (0, 1, True), (0, 0, False)):
        layouts.text(tmp_path / "labels.csv", ["clip,emotion,onset,offset", f"a,joy,{onset},{offset}"])
        data = frame_set(tmp_path, fps=10)
        if fits:
            assert data.recording(0).labels[0].onset == (onset - 1) * 100_000
        else:
            rejected(f"a: its frames are 1 to 3, but labels name {onset} to {offset}", data.recording, 0)


def test_images_whose_names_do_not_count(tmp_path: Path) -> None:
    layouts.image(tmp_path / "a" / "x.png", 1)
    layouts.text(tmp_path / "labels.csv", ["clip,emotion", "a,joy"])
    rejected("x.png: has no number in its name", frame_set(tmp_path, fps=10).recording, 0)
    (tmp_path / "a" / "x.png").rename(tmp_path / "a" / "2_1.png")
    layouts.image(tmp_path / "a" / "3_1.png", 1)
    rejected("2_1.png and 3_1.png do not end in numbers that rise", frame_set(tmp_path, fps=10).recording, 0)


# OpenFace

ROWS = (
    "1,0.000,0.98,1,0.1,0.5,0.0,0,0,0",
    "2,0.033,0.98,1,0.1,1.5,0.0,1,1,0",
    "3,0.067,0.98,1,0.1,3.0,0.0,1,1,0",
    "4,0.100,0.98,1,0.1,1.0,0.0,1,0,0",
    "5,0.133,0.10,0,0.1,-nan,nan,0,0,0",
    "6,0.167,0.98,1,0.1,2.0,5.0,0,0,1",
)


def test_openface(tmp_path: Path) -> None:
    series, labels = read_openface(layouts.openface(tmp_path / "a.csv", ROWS))
    assert series.names == ("AU12", "AU45", "AU12 present", "AU28 present", "AU45 present")
    assert series.t.tolist() == [0, 33_000, 67_000, 100_000, 133_000, 167_000]
    np.testing.assert_allclose(series.values[:, 0], np.array([0.1, 0.3, 0.6, 0.2, np.nan, 0.4], np.float32))
    # Runs at or above 1 of 5; the frame without a face ends one. AU28 has presence only.
    assert [(la.name, la.onset, la.apex, la.offset) for la in labels] == [
        ("AU12", 33_000, 67_000, 100_000),
        ("AU28", 33_000, None, 67_000),
        ("AU12", 167_000, 167_000, 167_000),
        ("AU45", 167_000, 167_000, 167_000),
    ]
    assert labels[0].intensity == pytest.approx(0.6)
    assert labels[1].intensity is None
    assert read_openface(tmp_path / "a.csv", fps=10)[0].t.tolist() == [0, 100_000, 200_000, 300_000, 400_000, 500_000]
    assert [la.name for la in read_openface(tmp_path / "a.csv", threshold=1)[1]] == ["AU28", "AU45"]


@given(st.lists(st.floats(0, 5), min_size=1, max_size=30), st.floats(0.01, 1))
def test_every_frame_above_the_threshold_lies_in_one_label(tmp_path_factory, values: list[float], threshold: float) -> None:
    path = tmp_path_factory.getbasetemp() / "openface.csv"
    layouts.openface(path, [f"{k + 1},{k / 10},1,1,0,{v!r},0,0,0,0" for k, v in enumerate(values)])
    series, labels = read_openface(path, threshold)
    covered = [sum(la.onset <= t <= la.offset for la in labels) for t in series.t]
    assert covered == (series.values[:, 0] >= threshold).astype(int).tolist()
    assert all(series.values[series.t.tolist().index(la.apex), 0] == np.float32(la.intensity) for la in labels)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,0,1,1,0,5.5,0,0,0,0", "a.csv:2: AU12_R is from 0 to 5, got 5.5"),
        ("1,0,1,1,0,x,0,0,0,0", "a.csv:2: au12_r is a number"),
        ("1,x,1,1,0,1,0,0,0,0", "a.csv:2: timestamp is a number"),
        ("1,0,1,1,0,1,0,0,0,2", "a.csv:2: AU45_C is from 0 to 1"),
    ],
)
def test_openface_that_is_wrong(tmp_path: Path, row: str, message: str) -> None:
    rejected(message, read_openface, layouts.openface(tmp_path / "a.csv", [row]))


def test_openface_of_another_kind(tmp_path: Path) -> None:
    path = layouts.openface(tmp_path / "a.csv", [ROWS[1], ROWS[0]])
    rejected("a.csv:3: the times go back", read_openface, path)
    rejected("threshold is above 0", read_openface, path, threshold=0)
    rejected("fps is a positive number", read_openface, path, fps=0)
    rejected("has 2 rows, but there are 3 frames", read_openface, path, t=[0, 1, 2])
    rejected("no columns AU01_r", read_openface, layouts.text(tmp_path / "b.csv", ["frame,timestamp,success", "1,0,1"]))
    layouts.text(tmp_path / "c.csv", ["face, confidence, AU12_r", "0,1,1"])
    rejected("no line names the columns frame, timestamp, success", read_openface, tmp_path / "c.csv")
    many = layouts.text(tmp_path / "d.csv", ["frame,face_id,timestamp,success,AU12_r", "1,0,0,1,1", "1,1,0,1,2"])
    rejected("holds the faces 0, 1; say which", read_openface, many)
    assert read_openface(many, face=1)[0].values.tolist() == [[np.float32(0.4)]]
    rejected("holds no face 7; there are 0, 1", read_openface, many, face=7)


def test_the_real_table(test_data: Path) -> None:
    path = test_data / "rgb" / "pyfeat_OpenFace_Test.csv"
    if not path.is_file():
        pytest.skip(f"no file {path}")
    series, labels = read_openface(path)
    assert series.values.shape == (100, 35)
    assert series.t.tolist() == list(range(0, 100_000, 1000))
    assert np.isfinite(series.values).all()
    with path.open() as file:
        header, first = ([field.strip() for field in line.split(",")] for line in (file.readline(), file.readline()))
    for name in ("AU01_r", "AU45_r", "AU28_c"):
        k = series.names.index("AU28 present" if name == "AU28_c" else f"AU{int(name[2:4])}")
        assert series.values[0, k] == np.float32(float(first[header.index(name)]) / (1 if name == "AU28_c" else 5))
    assert [(la.name, la.onset, la.offset) for la in labels][:3] == [
        ("AU2", 12_000, 13_000),
        ("AU2", 25_000, 25_000),
        ("AU4", 31_000, 32_000),
    ]


def test_the_real_pictures_with_the_real_table(test_data: Path, tmp_path: Path) -> None:
    """GIFs of a known Action Unit, a video, and OpenFace's estimates beside as many frames."""
    folder = test_data / "rgb"
    names = ("pyfeat_AU1.gif", "pyfeat_smiling.gif", "pyfeat_single_face.mp4", "pyfeat_OpenFace_Test.csv")
    if not all((folder / name).is_file() for name in names):
        pytest.skip(f"no {', '.join(names)} in {folder}")
    for name in names:
        shutil.copy(folder / name, tmp_path)
    with (folder / names[3]).open() as file:
        (tmp_path / "short.csv").write_text("".join(line for k, line in enumerate(file) if k <= 32))
    lines = ["clip,onset,offset,au,openface", f"{names[0]},0,31,1,short.csv", f"{names[1]},0,31,6+12,", f"{names[2]},10,60,12A,"]
    layouts.text(tmp_path / "labels.csv", lines)
    data = frame_set(tmp_path, label="au")
    assert data.classes == ("AU1", "AU12", "AU6+AU12")
    assert data.sensor_size == (640, 360)
    first, _, video = (data.recording(i) for i in range(3))
    assert first.frames["rgb"].images.shape == (32, 360, 288, 3)
    assert first.labels[0].offset == first.frames["rgb"].t[31] > 0
    assert first.samples["openface"].values.shape == (32, 35)
    np.testing.assert_array_equal(first.samples["openface"].t, first.frames["rgb"].t)
    assert len(video.frames["rgb"]) == 72
    assert abs(video.labels[0].onset - 333_333) < 1000  # frame 10 at 30 a second
    layouts.text(tmp_path / "labels.csv", ["clip,au,openface", f"{names[0]},1,{names[3]}"])
    rejected("has 100 rows, but there are 32 frames", frame_set(tmp_path, label="au").recording, 0)


# Boxes


def test_boxes_by_time_and_track() -> None:
    boxes = Boxes.make([30, 10, 20, 30], [[1, 1, 2, 2], [2, 2, 3, 3], [3, 3, 4, 4], [4, 4, 5, 5]], [0, 0, 1, 1])
    assert boxes.t.tolist() == [10, 20, 30, 30]
    assert boxes.xywh[:, 0].tolist() == [2, 3, 1, 4]
    assert boxes.window(10, 30).t.tolist() == [10, 20]
    assert boxes.at(29, within=19).xywh[:, 0].tolist() == [2, 3]
    assert boxes.at(29, within=18).track.tolist() == [1]
    assert boxes.at(30, within=30).xywh[:, 0].tolist() == [1, 4]
    again = Boxes.of(boxes.samples())
    np.testing.assert_array_equal(again.xywh, boxes.xywh)
    assert again.track.tolist() == boxes.track.tolist()
    rejected("box 1 has edges .*: left, upper, width and height", Boxes.make, [0, 1], [[0, 0, 1, 1], [0, 0, -1, 1]])
    rejected("one t, xywh and track each; got 2, 1 and 2", Boxes.make, [0, 1], [[0, 0, 1, 1]])
    rejected("boxes are a series of x, y, width", Boxes.of, type(boxes.samples())(boxes.t, boxes.xywh, tuple("abcd")))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a_bbox.npy", b"\x93NUMPY\x01\x00", "it is damaged or no NumPy file"),
        ("a.txt", b"1\t0\tBB\t0\t1\t2\t3\n", "a.txt:1: 7 columns, but the table has 9"),
        ("a.txt", b"x\t0\tBB\t0\t1\t2\t3\t4\t1\n", "a.txt:1: t is a number"),
        ("a.txt", b"0\t0\tBB\t0\t1\t2\t-3\t4\t1\n", "a.txt: box 0 has edges"),
        ("a.xml", b"<annotations>\n<track", "a.xml:2: no XML"),
        ("a.xml", b"<a>\n<box frame='x' xtl='1' ytl='1' xbr='2' ybr='2'/></a>", "a.xml:2: a box has frame"),
        ("a.xml", b"<!DOCTYPE a [<!ENTITY b 'b'>]><a/>", "declares an entity"),
        ("a.csv", b"", "boxes are in .npy, .txt, .xml files"),
    ],
)
def test_boxes_that_are_wrong(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    rejected(message, read_boxes, tmp_path / name)
    rejected("no such file", read_boxes, tmp_path / "none.npy")


@pytest.mark.parametrize(("field", "value"), [("t", np.uint64(2**63)), ("x", np.float32("nan")), ("w", np.float32(-1))])
def test_boxes_of_values_that_are_none(tmp_path: Path, field: str, value: np.generic) -> None:
    boxes = np.zeros(3, layouts.BBOX)
    boxes[field][1] = value
    np.save(tmp_path / "a.npy", boxes)
    rejected("a.npy: (the times of boxes|box 1 has edges)", read_boxes, tmp_path / "a.npy")
    rejected("the times of boxes", Boxes.make, [np.nan], [[0, 0, 1, 1]])
    rejected("box 0 has edges", Boxes.make, [0], [[0, 0, 1e300, 1]])
    assert Boxes.make([], np.empty((0, 4))).samples().values.shape == (0, 5)


def test_boxes_of_pickles_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"t": 0}], object), allow_pickle=True)
    rejected("a.npy: it holds pickled objects, which are not read", read_boxes, tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    rejected("boxes are a structured array", read_boxes, tmp_path / "a.npy")


# Damage


def mutated(content: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some changed, cut out, doubled or at the end cut off."""

    def mutate(draw: st.DrawFn) -> bytes:
        data = bytearray(content)
        for _ in range(draw(st.integers(1, 4))):
            at = draw(st.integers(0, max(len(data) - 1, 0)))
            n = draw(st.integers(1, 20))
            kind = draw(st.integers(0, 3))
            if kind == 0 and data:
                data[at] = draw(st.integers(0, 255))
            elif kind == 1:
                del data[at : at + n]
            elif kind == 2:
                data[at:at] = data[at : at + n]
            else:
                del data[at:]
        return bytes(data)

    return st.composite(mutate)()


def npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(3, layouts.BBOX))
    return out.getvalue()


SOUND = {
    "openface.csv": ("\n".join([layouts.OPENFACE_HEADER, *ROWS]).encode(), read_openface),
    "boxes.txt": (b"0\t0\tBB_CREATE\t0\t10.5\t4\t20\t30\t1\n33333\t0\tBB_DELETE\t0\t10.5\t4\t20\t30\t1\n", read_boxes),
    "boxes.xml": (b'<a><track id="4"><box frame="0" xtl="1" ytl="2" xbr="11" ybr="22" outside="0"/></track></a>', read_boxes),
    "boxes_bbox.npy": (npy(), read_boxes),
}


@pytest.mark.parametrize("name", SOUND)
@given(data=st.data())
def test_damaged_tables_are_read_or_refused(name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    content, read = SOUND[name]
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data.draw(mutated(content)))
    try:
        read(path)
    except UserError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)


@given(data=st.data())
def test_damaged_codings_are_read_or_refused(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp() / "damaged"
    if not root.is_dir():
        layouts.casme2(root)
    lines = "\n".join([layouts.CASME2_HEADER, *layouts.CASME2_ROWS]).encode()
    (root / "CASME2-coding-20140508.csv").write_bytes(data.draw(mutated(lines)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        try:
            found = casme2(root)
        except UserError as error:
            assert "coding-20140508.csv" in str(error) and "\n" not in str(error)
        else:
            for i in range(len(found)):
                try:
                    found.recording(i)
                except UserError as error:
                    assert "but labels name" in str(error)
