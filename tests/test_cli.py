"""The console script: what it says, on which stream, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import mxsnn
from mxsnn.cli import COMMANDS, env, main
from mxsnn.events.stream import STRUCTURED
from mxsnn.training.run import PACKAGES

ROOT = Path(__file__).parents[1]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Five events, two of them ON, within 2 ms, on the pixels of 4 x 3."""
    events = np.array([(0, 0, 500, 1), (3, 1, 600, 0), (1, 2, 900, 0), (1, 1, 900, 1), (2, 0, 2500, 0)], STRUCTURED)
    np.save(tmp_path / "recording.npy", events)
    return tmp_path / "recording.npy"


def refused(capsys: pytest.CaptureFixture, *argv: str) -> str:
    """The one error on stderr, after warnings, of a command that exits with 2 and says nothing on stdout."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    *odd, said = err.splitlines(keepends=True)
    assert out == "" and said.startswith("error: ") and said.endswith("\n")
    assert all(line.startswith("warning: ") for line in odd)
    return said


def test_info_for_programs(recording: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["info", str(recording), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {key: value for key, value in found.items() if value not in (None, {}, [], 0)} == {
        "file": str(recording),
        "format": "npy",
        "holds": "events",
        "width": 4,
        "height": 3,
        "events": 5,
        "on_events": 2,
        "off_events": 3,
        "first_us": 500,
        "last_us": 2500,
        "duration_us": 2000,
        "events_per_second": 2500.0,
    }
    assert found["warnings"] == found["gaps"] == [] and found["triggers"] == 0 and found["frames"] == 0 and found["cameras"] == {}


def test_info_for_people(recording: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["info", str(recording)]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["format"] == "npy"
    assert lines["holds"] == "5 events: 2 ON, 3 OFF"
    assert lines["sensor"].startswith("4 x 3 pixels, as far as the events reach")
    assert lines["time"] == "500 to 2,500 us: 0.002 s"
    assert lines["rate"] == "2,500 events/s"


@pytest.mark.parametrize(("n", "duration"), [(0, None), (1, 0)])
def test_info_where_there_is_no_rate(n: int, duration: int | None, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "few.npy"
    np.save(path, np.zeros(n, STRUCTURED))
    assert main(["info", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["events"], found["duration_us"], found["events_per_second"]) == (n, duration, None)
    assert found["width"] == (1 if n else None)
    assert main(["info", str(path)]) == 0
    assert "unknown" in capsys.readouterr().out


def test_info_of_a_sensor_that_is_stated(recording: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["info", str(recording), "--sensor-size", "346x260"]) == 0
    assert "346 x 260 pixels\n" in capsys.readouterr().out


def test_info_tells_gaps_and_warnings(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes([1, 1, 0, 0, 9]) + bytes([1, 1, 0x87, 0, 0]) + b"\0\0")
    assert main(["info", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gaps"] == [[9, 0x70000]]
    assert found["warnings"] == ["2 bytes at the end are no whole word: the file is cut short"]
    assert main(["info", str(path)]) == 0
    assert "warning: 2 bytes at the end" in capsys.readouterr().out


def test_info_takes_the_options_of_the_reader(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([[3, 1, 20, 1], [2, 0, 40, 0]]))
    assert main(["info", str(path), "--json", "--option", "columns=xytp", "--option", "time_unit=ms"]) == 0
    assert json.loads(capsys.readouterr().out)["last_us"] == 40_000
    assert "no option 'colums'; did you mean columns?" in refused(capsys, "info", str(path), "--option", "colums=xytp")
    assert "NAME=VALUE" in refused(capsys, "info", str(path), "--option", "columns")
    assert "WIDTHxHEIGHT" in refused(capsys, "info", str(path), "--sensor-size", "346")


def test_info_of_ready_frames(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "frames.npz"
    np.savez(path, frames=np.zeros((7, 2, 5, 6), np.float32))
    assert main(["info", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["holds"], found["ready_frames"]) == ("frames", {"shape": [7, 5, 6, 2], "dtype": "float32"})
    assert (found["width"], found["height"]) == (6, 5)
    assert main(["info", str(path)]) == 0
    assert "7 ready frames, float32 [7, 5, 6, 2]" in capsys.readouterr().out


def test_convert(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "new" / "a.npz"
    assert main(["convert", str(recording), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert mxsnn.events.read(out) == mxsnn.events.read(recording)
    before = out.read_bytes()
    assert "exists" in refused(capsys, "convert", str(recording), str(out))
    assert "nothing writes '.xyz'" in refused(capsys, "convert", str(recording), "a.xyz")
    assert out.read_bytes() == before
    assert main(["convert", str(recording), str(out), "--overwrite"]) == 0
    assert main(["convert", str(recording), str(tmp_path / "a.mxr"), "--to-option", "codec=plain"]) == 0
    assert mxsnn.events.read(tmp_path / "a.mxr") == mxsnn.events.read(recording)
    capsys.readouterr()
    said = refused(capsys, "convert", str(recording), str(tmp_path / "b.mxr"), "--to-option", "codce=plain")
    assert "writing recording takes no option 'codce'; did you mean codec" in said
    assert not (tmp_path / "b.mxr").exists()


def test_convert_can_let_the_clock_begin_at_zero(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    unix = 1_600_000_000_000_000
    events = mxsnn.events.Events.make([unix + 30, unix + 90], [1, 2], [0, 1], [0, 1], (4, 3))
    frames = {"grey": mxsnn.events.Frames.make(np.zeros((1, 3, 4), np.uint8), start=[unix + 10], end=[unix + 20])}
    edges = mxsnn.events.Triggers.make([unix + 40], [0], [1])
    label = mxsnn.events.Label("AU12", "au", unix + 30)
    mxsnn.events.write(tmp_path / "a.mxr", mxsnn.events.Recording(events, edges, frames, labels=(label,)))
    assert "--from-zero" in refused(capsys, "convert", str(tmp_path / "a.mxr"), str(tmp_path / "a.dat"))
    assert main(["convert", str(tmp_path / "a.mxr"), str(tmp_path / "b.mxr"), "--from-zero"]) == 0
    moved = mxsnn.events.open_recording(tmp_path / "b.mxr")
    assert moved.events.window(0, 100).t.tolist() == [20, 80]
    assert (moved.triggers.t.tolist(), moved.frames["grey"].start.tolist(), moved.labels[0].onset) == ([30], [0], 20)
    assert main(["convert", str(tmp_path / "b.mxr"), str(tmp_path / "a.dat")]) == 0
    assert mxsnn.events.read(tmp_path / "a.dat").t.tolist() == [20, 80]


def test_what_is_there_is_not_lost(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    there = tmp_path / "there.png"
    there.write_bytes(b"mine")
    folder = tmp_path / "set" / "smile"
    folder.mkdir(parents=True)
    (folder / "a.npy").write_bytes(recording.read_bytes())
    for argv in (
        ["convert", recording, there, "--to", "npz"],
        ["view", recording, "--out", there],
        ["sync", recording, recording, "--out", there],  # before anything is computed
        ["info", folder.parent, "--figure", there],
    ):
        assert "there.png: exists" in refused(capsys, *map(str, argv))
    assert there.read_bytes() == b"mine"


SAMPLES = {
    "faces_easy_0001.bin": ("nmnist", 151, 173, 67_445, 6, 299_364, 0, 0),
    "evt2_sample.raw": ("evt2", 640, 480, 539_481, 1_317_888, 1_367_888, 0, 0),
    "evt3_with_triggers.raw": ("evt3", 1280, 720, 82_469, 14_224_870, 15_476_187, 2, 0),
    "sample_ncars.dat": ("dat", 78, 42, 2_009, 0, 99_952, 0, 0),
    # 17 edges in 13 packets.
    "evlibpy_sample.aedat4": ("aedat4", 346, 260, 6_676, 1_589_163_147_368_868, 1_589_163_147_538_809, 17, 4),
    "tonic_sample.aedat4": ("aedat4", 320, 240, 111_954, 1_605_537_493_718_345, 1_605_537_494_308_262, 0, 0),
    "slider_depth": ("rpg", 240, 180, 50_000, 3_811, 174_156, 0, 6),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_info_of_every_camera(name: str, test_data: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["info", str(test_data / "events" / name), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = ("format", "width", "height", "events", "first_us", "last_us", "triggers", "frames")
    assert tuple(found[key] for key in keys) == SAMPLES[name]
    assert found["on_events"] + found["off_events"] == found["events"]


def test_info_of_a_real_recording(test_data: Path, capsys: pytest.CaptureFixture) -> None:
    path = min((test_data / "nmnist" / "Test").rglob("*.bin"))
    assert main(["info", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == "nmnist" and found["on_events"] + found["off_events"] == found["events"] > 1000
    assert found["duration_us"] == pytest.approx(300_000, rel=0.1)
    assert max(found["width"], found["height"]) <= 34


def test_env_for_programs(capsys: pytest.CaptureFixture) -> None:
    assert main(["env", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"].keys() == {*PACKAGES, *env.WITHOUT, "python"}
    assert found["versions"]["jax"] == jax.__version__
    assert found["versions"]["mxsnn"] == mxsnn.__version__
    assert found["missing"].keys() == {name for name, version in found["versions"].items() if version is None}
    assert found["extras"]["peers"] == all(found["versions"][name] for name in env.EXTRAS["peers"])
    assert len(found["devices"]) == len(jax.devices())


def test_env_for_people_says_what_is_missing(capsys: pytest.CaptureFixture, monkeypatch) -> None:
    monkeypatch.setattr(env, "_version", lambda name: None if name in ("expelliarmus", "torch") else "1.2.3")
    assert main(["env"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["expelliarmus"].startswith("missing: ") and "raw files" in lines["expelliarmus"]
    assert lines["torch"].startswith("missing: ") and "mxsnn[peers]" in lines["torch"]
    assert lines["snntorch"] == "1.2.3"
    assert "experiments" in lines["extras"] and "peers" not in lines["extras"]


def test_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert env.EXTRAS.keys() == project.keys() - {"dev"}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["inof", "x"], "did you mean info?"),
        (["--json", "evn"], "did you mean env?"),
        (["xyzzy"], "there are info, convert"),
        (["info"], "FILE"),
        (["info", "a.npy", "b.npy"], "b.npy"),
        (["env", "--jsn"], "--jsn"),
        (["env", "--js"], "--js"),
        (["--vers"], "--vers"),
        (["info", "nowhere.npy"], "nowhere.npy: no such file"),
        (["info", "."], "a folder"),
        (["info", 300 * "a"], "File name too long"),
        (["info", ".", "--dataset", "frames(fps='x')"], "frames: fps is a number, got 'x'"),
        (["info", "two\nlines.npy"], "lines.npy: no such file"),
    ],
)
def test_mistakes_are_one_line(argv: list[str], said: str, capsys: pytest.CaptureFixture) -> None:
    assert said in refused(capsys, *argv)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("env x", "unrecognized arguments: x; `mxsnn env --help`"),
        ("info recording.npy --sensor-size 2x2", "outside the sensor of 2x2 pixels"),
        ("info classes --repair", "--repair belongs to a recording; this is a data set"),
        ("info pictures", "a folder of no known layout"),
        ("convert recording.npy table.csv/a.npz", "table.csv/a.npz: cannot be"),
        ("convert recording.npy /dev/null --to npz --overwrite", "/dev/null: exists; choose another name"),
        ("convert recording.npy a.mxr --to-option codec", "--to-option takes NAME=VALUE, got 'codec'"),
        ("view pictures", "pictures: a folder that holds no recording"),
        ("view recording.npy --out a.gif --slow 1e12", "a.gif: pictures would be shown for 1e+06 s"),
        ("view recording.npy --out a.mp4 --fps 1e9", "a.mp4: pictures would be shown for 1e-06 s"),
        ("view recording.npy --out a.gif --fps 1e-9", "fps is a positive number, at least 1e-06; got 1e-09"),
        ("sync recording.npy nowhere", "nowhere: no such file"),
        ("sync recording.npy pictures", "the images have no times of their own; give fps"),
        ("sync recording.npy pictures --times table.csv", "a line for each frame begins with its time"),
        ("sync recording.npy recording.npy --out a.xyz", "nothing writes '.xyz'"),
        ("sync recording.npy recording.npy --near inf", "--near is a time, got inf"),
        ("clip recording.npy out --protocol --margin 1", "--margin belongs to --table, which is not given"),
        ("clip recording.npy out --protocol --kind au", "--kind belongs to --label, which is not given"),
        ("clip recording.npy out --table table.csv", "add a column kind, or --kind"),
        ("clip recording.npy out --table table.csv --cue 1", "--cue belongs to --protocol, which is not given"),
        ("clip recording.npy pictures --table table.csv --kind movement", "pictures: exists; choose another name"),
        ("clip recording.npy table.csv/out --table table.csv --kind movement", "table.csv: cannot be made a folder"),
        ("simulate pictures/0.png a.mxr --fps 30", "which need at least two frames"),
        ("faces out --overwrite", "--overwrite belongs to --sheet"),
        ("faces out --duration 1e9", "60 s at most; got 1e+09 s"),
        ("faces pictures", "pictures holds other files and no faces.json"),
        ("bench-data pictures", "pictures: holds no folder"),
        ("bench-data --dataset smoke --encoding TimeFrames(bins=0)", "TimeFrames(bins=0)"),
    ],
)
def test_mistakes_with_what_is_there_are_one_line(
    line: str, said: str, recording: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written, either."""
    monkeypatch.chdir(recording.parent)
    for k in range(2):
        Path("pictures").mkdir(exist_ok=True)
        Image.new("L", (32, 24), 200 * k).save(f"pictures/{k}.png")
        Path(f"classes/{k}").mkdir(parents=True)
        Path(f"classes/{k}/a.npy").write_bytes(recording.read_bytes())
    Path("table.csv").write_text("start_s,end_s,label\n0,0.001,smile\n")
    before = sorted(Path().rglob("*"))
    assert said in refused(capsys, *line.split())
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("line", ["env", "faces out", "simulate pictures a.mxr", "bench-data --dataset smoke"])
@pytest.mark.parametrize("error", [RuntimeError("Unable to initialize backend 'cuda'\nand more lines"), AssertionError()])
def test_where_jax_finds_no_device(line: str, error: Exception, capsys: pytest.CaptureFixture, monkeypatch) -> None:
    def devices():
        raise error

    monkeypatch.setattr(jax, "devices", devices)
    assert "JAX finds no device (" in refused(capsys, *line.split())


def test_a_damaged_recording_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(bytes(4))
    assert "4 bytes" in refused(capsys, "info", str(path))


def test_help_and_version(capsys: pytest.CaptureFixture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mxsnn {mxsnn.__version__}\n"
    for argv in ([], ["--help"]):
        assert main(argv) == 0
        out, err = capsys.readouterr()
        assert err == "" and all(name in out for name in COMMANDS)
    for name, command in COMMANDS.items():
        assert main([name, "--help"]) == 0
        assert command.__doc__ in " ".join(capsys.readouterr().out.split())


def test_help_loads_nothing_that_the_package_itself_does_not() -> None:
    code = "import sys, mxsnn; before = set(sys.modules); from mxsnn.cli import main; main(['--help']); "
    code += "print({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stderr.strip() in ("{'mxsnn'}", "set()")


def test_a_reader_that_goes_is_no_error(recording: Path) -> None:
    command = [sys.executable, "-m", "mxsnn.cli", "info", str(recording)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()  # before the first word, as Python takes longer to start
        assert process.stderr.read() == b""
    assert process.returncode == 141
