"""Data sets by name, which of them a folder holds, and what `mxsnn info` says of them."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mxsnn.cli import main
from mxsnn.data.datasets import KNOWN, Recordings, open_dataset, recognise, smoke
from mxsnn.data.summary import MANY, summary
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, Frames, Label, Recording
from mxsnn.report.dataset import dataset as draw
from tests import layouts

ROOT = Path(__file__).parents[1]

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "nefer": layouts.nefer,
    "facemorphic": layouts.facemorphic,
    "spiking_fer(name='MMIDVS')": lambda root: layouts.spiking_fer(root, "MMIDVS"),
    "casme2": layouts.casme2,
    "samm": layouts.samm,
    "fes": layouts.fes,
    "spikingjelly(folder='events_np')": lambda root: layouts.spikingjelly(root, gesture=True),
}


def refused(capsys: pytest.CaptureFixture, *argv: str) -> str:
    """The one line on stderr of a command that exits with 2 and says nothing on stdout."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    return err


# By name


@pytest.mark.filterwarnings("ignore::mxsnn.errors.RecordingWarning")
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_is_recognised_and_opened(name: str, tmp_path: Path) -> None:
    root = LAYOUTS[name](tmp_path)
    assert recognise(root) == name
    data = open_dataset(name, root)
    assert len(data) > 2
    assert summary(data)["recordings"] == len(data)
    assert data.fingerprint() == open_dataset(name, root).fingerprint()
    copy = pickle.loads(pickle.dumps(data))  # as the processes get it that encode ahead
    assert copy.recording(1).labels == data.recording(1).labels


def test_other_folders_are_recognised(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "classes" / name).mkdir(parents=True)
    (tmp_path / "digits" / "Train" / "0").mkdir(parents=True)
    (tmp_path / "moves" / "train" / "Open mouth").mkdir(parents=True)
    (tmp_path / "moves" / "train" / "smile").mkdir()
    (tmp_path / "tonic" / "SHD").mkdir(parents=True)
    layouts.text(tmp_path / "clips" / "labels.csv", ["clip,emotion"])
    found = {path.name: recognise(path) for path in tmp_path.iterdir()}
    assert found == {
        "classes": "folders",
        "digits": "nmnist",
        "moves": "beyond_the_smile",
        "tonic": "tonic('SHD')",
        "clips": "frames",
    }
    layouts.text(tmp_path / "clips" / "SAMM_Micro_FACS_Codes_v2.csv", [""])
    with pytest.raises(UserError, match="may be samm or frames; say which"):
        recognise(tmp_path / "clips")
    with pytest.raises(UserError, match="no such folder"):
        recognise(tmp_path / "nowhere")


def test_options_as_text(tmp_path: Path) -> None:
    layouts.nefer(tmp_path)
    assert open_dataset("nefer(emotions='reported')", tmp_path).classes[-1] == "none"
    assert open_dataset("smoke(n=12)").labels.tolist() == [0, 1, 2, 3, 4, 5] * 2


@pytest.mark.parametrize(
    ("text", "root", "download", "message"),
    [
        ("nefr", ".", False, "'nefr' in 'nefr' is unknown; did you mean nefer"),
        ("nefer(emotion='x')", ".", False, "unexpected keyword argument 'emotion'"),
        ("nefer", None, False, "nefer needs the folder of the recordings: --data.root FOLDER"),
        ("nefer", ".", True, "nefer cannot be downloaded; docs/datasets.md says how"),
        ("tonic", ".", False, "tonic needs options: missing a required argument: 'name'"),
        ("tonic('DSEC')", ".", False, "DSEC is no classification data set"),
        ("'nefer'", ".", False, "is no data set; write it like"),
        ("nefer(__import__('os'))", ".", False, "unknown"),
        ("", ".", False, "write it like"),
    ],
)
def test_names_that_are_wrong(text: str, root: str | None, download: bool, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        open_dataset(text, root, download)
    assert "\n" not in str(raised.value)


def test_the_document_names_every_set_and_function() -> None:
    text = (ROOT / "docs" / "datasets.md").read_text("utf-8")
    for name, known in KNOWN.items():
        assert f"`{name}`" in text
        assert f"`{known.open.__name__}`" in text
    for left_out in ("Nexdata", "DFME", "CDER-SME"):
        assert left_out in text


def test_names_are_light() -> None:
    code = "import sys, mxsnn.data.datasets; print(*{'tonic', 'h5py', 'PIL', 'numba', 'jax', 'av'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


# What a data set holds


def mixed(index: int) -> Recording | Events | np.ndarray:
    """Events of 2 ms, a camera alone for 3 ms, ready frames, no events at all."""
    if index == 0:
        return Events.make([5, 2005], [0, 1], [0, 0], [0, 1], (4, 3))
    if index == 1:
        frames = Frames.make(np.zeros((2, 3, 4), np.uint8), [0, 3000])
        return Recording(None, frames={"grey": frames}, labels=(Label("AU4", "au"), Label("AU4", "au", 0), Label("joy", "emotion")))
    return np.zeros((6, 3, 4, 2)) if index == 2 else Events.empty((4, 3))


def four(**other: object) -> Recordings:
    data = Recordings(
        mixed,
        labels=np.array([0, 1, 1, 1]),
        classes=("rest", "smile", "never"),
        sensor_size=(4, 3),
        test=np.array([False, True, False, False]),
        identities=tuple("abcd"),
        groups=np.array([0, 1, 0, 0]),
        subjects=("ada", "bob"),
        conditions={"lux": (3.0, 300.0, None, 3.0)},
    )
    return replace(data, **other)


def test_summary() -> None:
    seen: list[float] = []
    found = summary(four(), seen.append)
    assert seen == [0.25, 0.5, 0.75, 1.0]
    assert found["classes"] == {
        "rest": {"train": 1, "test": 0},
        "smile": {"train": 2, "test": 1},
        "never": {"train": 0, "test": 0},
    }
    assert found["subjects"] == {"ada": {"train": 3, "test": 0}, "bob": {"train": 0, "test": 1}}
    assert found["table"] == [[1, 2, 0], [0, 1, 0]]
    assert found["durations_us"] == [2000, 3000, None, None]
    assert found["duration_us"] == {"min": 2000, "median": 2500.0, "max": 3000, "total": 5000}
    assert found["events"] == {"min": 0, "median": 0.0, "max": 2, "total": 2}
    assert found["frames"]["total"] == 8
    assert found["labels"] == {"au": {"AU4": 1}, "emotion": {"joy": 1}}
    assert found["conditions"] == {"lux": {"3.0": 2, "300.0": 1, "unknown": 1}}
    assert (found["recordings"], found["test"], found["width"], found["height"]) == (4, 1, 4, 3)
    json.dumps(found)


def test_summary_of_a_condition_with_many_values() -> None:
    n = MANY + 2
    data = smoke(n)
    found = summary(replace(data, conditions={"lux": (*map(float, range(n - 1)), None)}))["conditions"]["lux"]
    assert found == {"unknown": 1, "min": 0.0, "median": (n - 2) / 2, "max": float(n - 2), "total": sum(range(n - 1))}
    words = summary(replace(data, conditions={"word": tuple(map(str, range(n)))}))["conditions"]["word"]
    assert len(words) == n


@pytest.mark.parametrize("subjects", [0, 3, 60])
@pytest.mark.parametrize("classes", [1, 7, 50])
def test_figure(tmp_path: Path, subjects: int, classes: int) -> None:
    n = max(classes, subjects, 8)
    data = replace(
        smoke(n),
        labels=np.arange(n) % classes,
        classes=tuple(f"class $ {k}" for k in range(classes)),
        groups=np.arange(n) % subjects if subjects else None,
        subjects=tuple(f"person {k}" for k in range(subjects)),
        conditions={"light": ("dark", "bright") * (n // 2) + ("dark",) * (n % 2), "name": tuple(map(str, range(n)))},
    )
    draw(summary(data), tmp_path / "set.png")
    with Image.open(tmp_path / "set.png") as image:
        image.load()
        assert image.format == "PNG" and image.width > 500 and len(image.convert("RGB").getcolors(2**20)) > 3
    assert [path.name for path in tmp_path.iterdir()] == ["set.png"]


def test_figure_of_ready_frames_alone(tmp_path: Path) -> None:
    found = summary(four(source=lambda index: np.zeros((6, 3, 4, 2)), conditions={}, test=np.zeros(4, bool)))
    assert found["holds"] == "ready frames" and found["duration_us"] is None
    draw(found, tmp_path / "set.png")
    assert (tmp_path / "set.png").is_file()


# On the command line


def test_info_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = layouts.nefer(tmp_path / "nefer")
    assert main(["info", str(root), "--figure", str(tmp_path / "set.png")]) == 0
    out, err = capsys.readouterr()
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    assert err == ""
    assert lines["data set"] == "nefer"
    assert lines["holds"] == "5 recordings: events"
    assert lines["sensor"] == "1280 x 720 pixels"
    assert lines["test part"] == "2 recordings"
    assert lines["subjects"] == "3: user_01 (2), user_02 (1), user_03 (2)"
    assert lines["classes"].startswith("7: anger (1), contempt (0)")
    assert re.fullmatch(r"0\.09\d+ to 0\.09\d+ s, median 0\.09\d+", lines["duration"])
    assert (tmp_path / "set.png").read_bytes()[:4] == b"\x89PNG"


def test_info_of_a_folder_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = layouts.nefer(tmp_path)
    assert main(["info", str(root), "--json", "--dataset", "nefer(emotions='reported')"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dataset"] == "nefer(emotions='reported')"
    assert found["classes"]["none"] == {"train": 1, "test": 0}
    assert {"folder", "recordings", "test", "width", "height", "subjects", "conditions", "duration_us", "events"} <= found.keys()


def test_info_tells_what_is_odd(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["info", str(layouts.samm(tmp_path))]) == 0
    out, err = capsys.readouterr()
    assert "frames of a camera" in out
    assert "v2.csv:7: 'or' in '12 or 15' is no Action Unit" in err and err.startswith("warning: ")


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = layouts.nefer(tmp_path / "nefer")
    assert "--figure is a .png file, got set.pdf" in refused(capsys, "info", str(root), "--figure", "set.pdf")
    assert "CASME2-coding-20140508.csv: no such file" in refused(capsys, "info", str(root), "--dataset", "casme2")
    assert "did you mean nefer" in refused(capsys, "info", str(root), "--dataset", "nefr")
    (tmp_path / "nothing").mkdir()
    assert "nothing: a folder of no known layout, of a recording or a data set" in refused(
        capsys, "info", str(tmp_path / "nothing")
    )
    np.save(tmp_path / "one.npy", layouts.events(5, (4, 3), 0))
    assert "--figure belongs to a data set" in refused(capsys, "info", str(tmp_path / "one.npy"), "--figure", "a.png")
    (root / "event_raw" / "raw" / "user_02" / "user02_2022-06-08_11-00-00.raw").write_bytes(b"%")
    assert "user02_2022-06-08_11-00-00.raw: " in refused(capsys, "info", str(root))


def test_a_set_of_frames_alone_is_refused_by_training(tmp_path: Path) -> None:
    with pytest.warns(RecordingWarning):
        data = open_dataset("samm", layouts.samm(tmp_path))
    with pytest.raises(UserError, match=r"006/006_1_2.*: holds no events; simulate them from its frames"):
        data[0]
