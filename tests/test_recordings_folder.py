"""A folder of recordings with an index is a data set."""

from __future__ import annotations

import csv
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mxsnn.cli import main
from mxsnn.data.datasets.recordings import INDEX, recordings, write_index
from mxsnn.data.splits import folds
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, Frames, Label, Recording, write

SIZE = (20, 10)


def recording(k: int, name: str, subject: str | None, lux: float | None = 3.5, size: tuple[int, int] = SIZE) -> Recording:
    """Recording k: k + 1 events at x = k, a label of a movement and two of Action Units."""
    events = Events.make(np.arange(k + 1) * 100, [k] * (k + 1), [1] * (k + 1), [1] * (k + 1), size)
    frames = {"rgb": Frames.make(np.full((2, 4, 5, 3), k, np.uint8), [0, 50])}
    labels = (Label(name, "movement", 10, 20, 30), Label("AU12", "au", 10), Label("AU6", "au", 11), Label("AU12", "au", 40))
    return Recording(
        events, frames=frames, labels=labels, subject=subject, session="s1", lux=lux, conditions={"lamp": "LED", "take": k}
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six recordings of three subjects in two movements, indexed."""
    for k in range(6):
        write(tmp_path / f"p{k // 2}" / f"{k}.mxr", recording(k, ("smile", "frown")[k % 2], f"p{k // 2}", 3.5 if k < 4 else None))
    write_index(tmp_path)
    return tmp_path


def rejected(message: str, call: Callable, *args: object, **options: object) -> None:
    with pytest.raises(UserError, match=message) as raised:
        call(*args, **options)
    assert "\n" not in str(raised.value)


def table(root: Path) -> list[dict[str, str]]:
    with (root / INDEX).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def put(root: Path, lines: list[dict[str, str]]) -> None:
    with (root / INDEX).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def edit(root: Path, line: int, **cells: str) -> None:
    lines = table(root)
    put(root, [{**{name: "" for name in cells}, **row, **(cells if k == line else {})} for k, row in enumerate(lines)])


def test_the_index_says_what_the_files_tell(root: Path) -> None:
    first, *_, last = table(root)
    assert first == {
        "file": "p0/0.mxr", "subject": "p0", "session": "s1", "sensor": "", "width": "20", "height": "10", "lux": "3.5",
        "test": "", "au": "AU6+AU12", "movement": "smile", "emotion": "", "lamp": "LED", "take": "0",
    }  # fmt: skip
    assert (last["file"], last["lux"], last["take"]) == ("p2/5.mxr", "", "5")


def test_a_folder_is_a_data_set(root: Path) -> None:
    data = recordings(root, "movement")
    assert data.classes == ("frown", "smile")
    assert data.labels.tolist() == [1, 0] * 3
    assert data.subjects == ("p0", "p1", "p2")
    assert data.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.sensor_size == SIZE
    assert not data.test.any()
    assert data.conditions == {
        "lux": (3.5,) * 4 + (None,) * 2,
        "session": ("s1",) * 6,
        "lamp": ("LED",) * 6,
        "take": (0, 1, 2, 3, 4, 5),
    }
    assert [len(data[i]) for i in range(6)] == [1, 2, 3, 4, 5, 6]
    assert data[3] == recording(3, "frown", "p1").events
    whole = data.recording(3)
    assert whole.frames["rgb"].images[1, 0, 0].tolist() == [3, 3, 3]
    assert whole.labels == recording(3, "frown", "p1").labels
    assert (whole.subject, whole.session, whole.lux, whole.conditions) == ("p1", "s1", 3.5, {"lamp": "LED", "take": 3})
    assert type(whole.conditions["take"]) is int  # as the file has it
    data.validate()
    assert pickle.loads(pickle.dumps(data))[3] == data[3]
    parts = folds(data.labels, 3, 0, data.groups)
    assert sorted(len(set(data.groups[part])) for part in parts) == [1, 1, 1]
    dark = data.select(np.array([lux is not None and lux < 10 for lux in data.conditions["lux"]]))
    assert len(dark) == 4


def test_classes_of_another_kind(root: Path) -> None:
    data = recordings(root, "au")
    assert data.classes == ("AU6+AU12",)
    edit(root, 2, au="AU12 + AU6 ")
    edit(root, 3, au="AU2")
    edit(root, 4, au="")
    with pytest.warns(RecordingWarning, match="index.csv: 1 recordings without a label au are left out"):
        data = recordings(root, "au")
    assert data.classes == ("AU2", "AU6+AU12")
    assert data.labels.tolist() == [1, 1, 1, 0, 1]
    rejected("has labels of au and movement; say which are the classes: kind='au'", recordings, root)
    rejected("no recording has a label emotion; fill the column emotion", recordings, root, "emotion")
    rejected("kind is one of au, movement, emotion; got 'AU12'", recordings, root, "AU12")


def test_the_command_line_says_how_to_choose_the_classes(root: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["info", str(root)]) == 2
    way = re.search(r'on command lines --dataset "(.+)"$', capsys.readouterr().err)
    assert way is not None
    assert main(["info", str(root), "--dataset", way[1]]) == 0
    assert "AU6+AU12" in capsys.readouterr().out


def test_the_index_counts_where_it_was_edited(root: Path) -> None:
    before = recordings(root, "movement").fingerprint()
    edit(root, 0, subject="ada", movement="squint", au="AU12", lux="700", lamp="halogen", glasses="yes", test="1", emotion="joy")
    data = recordings(root, "movement")
    assert data.classes == ("frown", "smile", "squint")
    assert data.test.tolist() == [True] + [False] * 5
    assert data.conditions["glasses"] == ("yes", *[None] * 5)
    whole = data.recording(0)
    assert whole.labels == (Label("AU12", "au", 10), Label("AU12", "au", 40), Label("squint", "movement"), Label("joy", "emotion"))
    assert (whole.subject, whole.lux) == ("ada", 700.0)
    assert whole.conditions == {"lamp": "halogen", "take": 0, "glasses": "yes"}
    assert data.fingerprint() != before
    edit(root, 0, lamp="")
    assert recordings(root, "movement").recording(0).conditions == {"take": 0, "glasses": "yes"}


def test_indexing_again_keeps_what_was_edited(root: Path) -> None:
    edit(root, 1, subject="bob", Eyes="blue")
    (root / "p0" / "0.mxr").unlink()
    write(root / "late.mxr", recording(0, "wink", "eve"))
    (root / ".trash").mkdir()
    write(root / ".trash" / "old.mxr", recording(0, "wink", "eve"))
    with pytest.warns(RecordingWarning, match="1 rows are left out: their files are gone"):
        write_index(root)
    lines = {row["file"]: row for row in table(root)}
    assert list(lines) == ["p0/1.mxr", "p1/2.mxr", "p1/3.mxr", "p2/4.mxr", "p2/5.mxr", "late.mxr"]
    assert (lines["p0/1.mxr"]["subject"], lines["p0/1.mxr"]["Eyes"], lines["late.mxr"]["Eyes"]) == ("bob", "blue", "")
    content = (root / INDEX).read_bytes()
    write_index(root)
    assert (root / INDEX).read_bytes() == content


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-07", 1e-7),
        ("1.5e+20", 1.5e20),
        ("007", "007"),
        ("nan", "nan"),
        ("1_0", "1_0"),
        ("", None),
    ],
)
def test_cells_are_numbers_or_text(root: Path, cell: str, value: object) -> None:
    edit(root, 0, take=cell)
    read = recordings(root, "movement").conditions["take"][0]
    assert (read, type(read)) == (value, type(value))


def test_sensors_that_differ(root: Path) -> None:
    write(root / "wide.mxr", recording(6, "smile", "p9", size=(30, 8)))
    write_index(root)
    data = recordings(root, "movement")
    assert data.sensor_size == (30, 10)
    assert data.conditions["width"] == (20,) * 6 + (30,)
    assert data[6].sensor_size == (30, 8)
    assert data[0].sensor_size == SIZE
    one = data.select(np.array(data.conditions["width"]) == 20)
    assert len(one) == 6
    assert recordings(root, "movement", (40, 40))[0].sensor_size == (40, 40)


def test_files_of_any_format_and_without_subjects(tmp_path: Path) -> None:
    for k in range(3):
        write(tmp_path / f"{k}.npz", Events.make([k], [k], [1], [1], SIZE))
    rejected("holds no recordings .*mxr", write_index, tmp_path)
    write_index(tmp_path, "*.npz")
    rejected("no recording has a label of any kind; fill the column movement", recordings, tmp_path)
    put(tmp_path, [{**row, "movement": "smile"} for row in table(tmp_path)])
    data = recordings(tmp_path)
    assert (data.groups, data.subjects, data.conditions) == (None, (), {})
    assert data.recording(2).labels == (Label("smile", "movement"),)
    edit(tmp_path, 1, subject="ada")
    rejected("some recordings have no subject", recordings, tmp_path)


def test_frames_without_events(tmp_path: Path) -> None:
    for k in range(2):
        alone = Recording(None, frames={"rgb": Frames.make(np.zeros((1, 6, 8, 3), np.uint8), [k])}, labels=(Label("AU1", "au"),))
        write(tmp_path / f"{k}.mxr", alone)
    write_index(tmp_path)
    data = recordings(tmp_path)
    assert data.sensor_size == (8, 6)
    assert data.recording(1).frames["rgb"].t.tolist() == [1]
    rejected("1.mxr.*holds no events; simulate them", data.__getitem__, 1)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"file": "../outside.mxr"}, "index.csv:2: '../outside.mxr' is no path inside"),
        ({"file": "/etc/passwd"}, "index.csv:2: '/etc/passwd' is no path inside"),
        ({"file": "..\\outside.mxr"}, "is no path inside"),
        ({"file": "link.mxr"}, "'link.mxr' is no path inside"),
        ({"file": ""}, "is no path inside"),
        ({"file": "p0/9.mxr"}, "index.csv:2: p0/9.mxr: no such file"),
        ({"file": "p0/./1.mxr"}, "index.csv:3: p0/1.mxr is listed twice"),
        ({"lux": "dark"}, "index.csv:2: lux is a number, got 'dark'"),
        ({"width": "0"}, "width is a whole number from 1"),
        ({"test": "maybe"}, "test is 0 or 1, got 'maybe'"),
        ({"subject": ""}, "some recordings have no subject"),
    ],
)
def test_an_index_that_is_wrong(root: Path, cells: dict[str, str], message: str) -> None:
    write(root.parent / "outside.mxr", recording(0, "smile", "p0"), overwrite=True)
    os.symlink(root.parent / "outside.mxr", root / "link.mxr")
    edit(root, 0, **cells)
    rejected(message, recordings, root, "movement")


def test_folders_that_are_wrong(tmp_path: Path, root: Path) -> None:
    rejected("no such folder", recordings, tmp_path / "nowhere")
    rejected("no such folder", write_index, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    rejected(r"holds no index.csv; mxsnn.data.datasets.write_index", recordings, tmp_path / "empty")
    rejected("holds no recordings", write_index, tmp_path / "empty")
    (root / INDEX).write_text("name\n1\n")
    rejected("no line names the columns file", recordings, root)
    put(root, [{"file": "p0/0.mxr", "movement": "smile"}])
    rejected("no recording has a width and a height", recordings, root)
    (root / "p0" / "0.mxr").write_bytes(b"damaged")
    rejected("p0/0.mxr: .*damaged", recordings(root, sensor_size=SIZE).__getitem__, 0)
    (root / INDEX).unlink()
    rejected("0.mxr: .*damaged", write_index, root)
    assert not (root / INDEX).exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": (Label("a+b", "movement"),)}, "a label's name with '[+]' cannot stand in an index"),
        ({"conditions": {"Lux ": 1}}, "the condition 'Lux ' has the name of a column"),
    ],
)
def test_what_an_index_cannot_hold(tmp_path: Path, wrong: dict, message: str) -> None:
    write(tmp_path / "a.mxr", Recording(Events.empty(SIZE), **wrong))
    rejected(f"a.mxr: {message}", write_index, tmp_path)
