"""The command as a user meets it: what it leaves behind, and what it says to mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import classify, config
from mxsnn.data.datasets import write_index
from mxsnn.events import Label, write
from tests import layouts
from tests.test_modality import Scene

SMALL = ["smoke", "--model", "SpikingCNN(channels=(4,))", "--train.epochs", "2", "--train.batch", "96"]


def command(monkeypatch, *arguments) -> int:
    """Runs the command in this process; its exit code."""
    monkeypatch.setattr("sys.argv", ["classify", *map(str, arguments)])
    try:
        config.run(classify.main)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def recording(path: Path, n: int = 200, width: int = 34, height: int = 34) -> None:
    """A file of n events in N-MNIST's format, at random in time order."""
    rng = np.random.default_rng(n)
    t = np.sort(rng.integers(0, 300_000, n))
    x, y, p = rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n)
    words = np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], -1).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(words.tobytes())


@pytest.fixture
def digits(tmp_path) -> Path:
    """A folder like N-MNIST's, with a few recordings of each digit."""
    root = tmp_path / "digits"
    for part, count in (("Train", 6), ("Test", 2)):
        for digit in range(10):
            for i in range(count):
                recording(root / part / str(digit) / f"{i:05}.bin", 100 + 10 * digit + i)
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small run that is finished."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        out = tmp_path_factory.mktemp("runs") / "deep" / "run"
        assert command(patch, *SMALL, "--out", out) == 0
        return out


def test_a_run_says_everything(finished):
    result = json.loads((finished / "result.json").read_text())
    named = {
        "test_accuracy",
        "test_accuracy_test_selected",
        "test_n",
        "test_interval",
        "chance",
        "majority",
        "params_digest",
        "parameters",
    }
    named |= {"firing_rates", "seconds_per_epoch", "compile_seconds", "peak_memory_bytes", "device", "versions"}
    assert named <= result.keys()
    assert result["chance"] == pytest.approx(1 / 6) and result["test_n"] == 120
    low, high = result["test_interval"]
    assert 0 <= low <= result["test_accuracy"] <= high <= 1
    assert np.trace(result["confusion"]) == round(result["test_accuracy"] * 120) and np.sum(result["confusion"]) == 120
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in rows] == [1, 2]
    assert result["test_accuracy_test_selected"] == max(r["test_accuracy"] for r in rows)
    for figure in ("curves.png", "confusion.png", "example.png"):
        assert (finished / figure).read_bytes().startswith(b"\x89PNG")
    assert json.loads((finished / "config.json").read_text())["train"]["epochs"] == 2
    (start,) = json.loads((finished / "environment.json").read_text())
    assert start["versions"]["jax"]


def test_a_finished_run_is_skipped(finished, monkeypatch, capsys):
    before = {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in finished.rglob("*") if f.is_file()}
    assert command(monkeypatch, *SMALL, "--out", finished) == 0
    assert "holds a finished run" in capsys.readouterr().out
    assert {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in finished.rglob("*") if f.is_file()} == before


def test_another_configuration_leaves_the_folder_alone(finished, monkeypatch, capsys):
    before = {f: f.read_bytes() for f in finished.rglob("*") if f.is_file()}
    assert command(monkeypatch, *SMALL, "--seed", "1", "--out", finished) == 2
    assert "holds a run with seed=0, asked for is 1" in capsys.readouterr().err
    assert {f: f.read_bytes() for f in finished.rglob("*") if f.is_file()} == before


@pytest.mark.slow
def test_workers_and_streaming_change_no_bit(finished, monkeypatch, tmp_path):
    whole = json.loads((finished / "result.json").read_text())["params_digest"]
    for workers in (0, 2):
        out = tmp_path / str(workers)
        assert command(monkeypatch, *SMALL, "--resident", "False", "--workers", workers, "--out", out) == 0
        assert json.loads((out / "result.json").read_text())["params_digest"] == whole


@pytest.mark.slow
def test_folds_test_every_recording_once(monkeypatch, tmp_path):
    assert command(monkeypatch, *SMALL, "--protocol", "stratified(3)", "--out", tmp_path / "run") == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    folds = [json.loads((tmp_path / "run" / f"fold-{k}" / "result.json").read_text()) for k in range(3)]
    assert result["test_n"] == 600 == sum(f["test_n"] for f in folds)
    assert result["test_correct"] == sum(f["test_correct"] for f in folds)
    assert result["folds"] == [f["test_accuracy"] for f in folds]


@pytest.mark.slow
def test_augmented_events_and_bf16(monkeypatch, tmp_path, capsys):
    more = [
        "--data.augment",
        "DropEvent(p=0.2)",
        "--precision",
        "bf16",
        "--wandb",
        "offline",
        "--neuron",
        "ALIF(tau=30, fire=spyx.tanh())",
    ]
    more += ["--learn", "tau", "threshold", "--profile"]
    assert command(monkeypatch, *SMALL, *more, "--out", tmp_path / "run") == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["test_n"] == 120
    assert (tmp_path / "run" / "wandb").is_dir()
    assert any(f.is_file() for f in (tmp_path / "run" / "profile").rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize(("neuron", "said"), [("LIF(threshold=1000)", "silent"), ("LIF(threshold=0.001, v_rest=1)", "saturated")])
def test_layers_that_say_nothing_are_warned_about(monkeypatch, tmp_path, caplog, neuron, said):
    assert command(monkeypatch, *SMALL, "--neuron", neuron, "--out", tmp_path / "run") == 0
    (warning,) = json.loads((tmp_path / "run" / "result.json").read_text())["warnings"]
    assert f"layer 1 is {said}" in warning and warning in caplog.text


def test_ready_frames_in_class_folders(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("test", 3)):
        for k, name in enumerate(("smile", "frown")):
            (tmp_path / "data" / part / name).mkdir(parents=True)
            for i in range(count):
                frames = rng.poisson(0.2 + k, (5, 2, 12, 10)).astype(np.uint8)
                np.save(tmp_path / "data" / part / name / f"{i}.npy", frames)
    arguments = ["folders", "--data.root", tmp_path / "data", "--data.dt", "20", "--data.shift", "0", "--data.validation", "0.25"]
    arguments += ["--model", "SpikingCNN(channels=(4,))", "--train.batch", "4", "--train.epochs", "8", "--out", tmp_path / "run"]
    assert command(monkeypatch, *arguments) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["classes"] == ["frown", "smile"] and result["test_n"] == 6


def test_a_face_set_by_name_keeps_its_subjects_apart(monkeypatch, tmp_path, capsys):
    root = layouts.facemorphic(tmp_path / "data")
    arguments = [
        "smoke",
        "--data.dataset",
        "facemorphic(classes=('AU4', 'AU12'))",
        "--data.root",
        root,
        "--data.validation",
        "0.25",
    ]
    arguments += ["--data.encoding", "Pool(factor=40)", "TimeFrames(bins=3, start=0, stop=100000)", "--data.shift", "0"]
    arguments += ["--model", "SpikingCNN(channels=(4,))", "--train.batch", "2", "--train.epochs", "1", "--out", tmp_path / "run"]
    assert command(monkeypatch, *arguments) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["classes"] == ["AU4", "AU12"]
    assert (result["test_n"], result["validation_n"], result["train_n"]) == (2, 2, 6)  # one user, one user, three
    fer = ["smoke", "--data.dataset", "spiking_fer(fold=1)", "--data.root", layouts.spiking_fer(tmp_path / "fer")]
    assert command(monkeypatch, *fer, "--out", tmp_path / "other") == 2
    assert "are in the official test part and outside it; take kfold or loso" in capsys.readouterr().err


def damaged(name):
    def make(root: Path) -> str:
        victim = root / "Train" / "3" / "00002.bin"
        if name == "truncated":
            victim.write_bytes(victim.read_bytes()[:-3])
        elif name == "outside":
            recording(victim, 50, width=60)
        elif name == "class":
            (root / "Train" / "ten").mkdir()
        elif name == "empty class":
            for file in (root / "Test" / "4").iterdir():
                file.unlink()
        return str(victim)

    return make


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize(
    ("damage", "message"),
    [("truncated", "00002.bin"), ("outside", "00002.bin"), ("class", "ten"), ("empty class", "Test/4")],
)
def test_damaged_data_is_one_line(digits, monkeypatch, capsys, tmp_path, damage, message, resident):
    damaged(damage)(digits)
    out = tmp_path / "run"
    assert command(monkeypatch, "nmnist", "--data.root", digits, "--resident", resident, "--train.batch", "8", "--out", out) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smok"], "'smok' is no preset; did you mean smoke?"),
        (["smoke", "--data.rot", "x"], "--data.rot is no option; did you mean --data.root?"),
        (["smoke", "--sede", "1"], "did you mean --seed?"),
        (["smoke", "--seed", "x"], "--seed"),
        (["smoke", "--seed"], "--seed"),
        (["smoke", "stray"], "stray"),
        (["smoke", "--wandb", "perhaps"], "perhaps"),
        (["nmnist"], "--data.root FOLDER"),
        (["nmnist", "--data.root", "/no/such/folder"], "/no/such/folder: no such folder"),
        (["nmnist", "--data.root", "{tmp}/nothing"], "{tmp}/nothing"),
        (["smoke", "--data.dataset", "nefr"], "did you mean nefer?"),
        (["smoke", "--data.dataset", "nefer"], "nefer needs the folder of the recordings: --data.root FOLDER"),
        (["smoke", "--data.dataset", "tonic('DSEC')", "--data.root", "{tmp}"], "DSEC is no classification data set"),
        (["smoke", "--data.dataset", "smoke", "--data.download"], "smoke cannot be downloaded"),
        (["smoke", "--data.encoding", "TimeFrame(bins=3)"], "did you mean TimeFrames?"),
        (["smoke", "--data.encoding", "FlipLR()", "ToImage()"], "--data.augment"),
        (["smoke", "--data.encoding"], "give an encoding"),
        (["smoke", "--data.encoding", "CountFrames(frames=5)"], "--data.dt in ms"),
        (["smoke", "--data.validation", "1.5"], "between 0 and 1"),
        (["smoke", "--neuron", "LIFF(tau=3)"], "did you mean LIF?"),
        (["smoke", "--neuron", "LIF(tau=-3)"], "must be positive"),
        (["smoke", "--neuron", "LIF(tau=5, decay=euler)"], "LIF.tau must be dt or longer under decay=euler"),
        (["smoke", "--neuron", "Refractory(LIF(tau=5, decay=euler))"], "LIF.tau must be dt or longer under decay=euler"),
        (["smoke", "--neuron", "Refractory(IF())"], "IF has no dt"),
        (["smoke", "--neuron", "atan()"], "is no neuron"),
        (["smoke", "--learn", "tua"], "no parameter 'tua'"),
        (["smoke", "--model", "SpikingCN()"], "did you mean SpikingCNN?"),
        (["smoke", "--model", "SpikingCNN(channel=(4,))"], "there is no option 'channel'; did you mean channels?"),
        (["smoke", "--model", "SpikingCNN(shape=(4, 4, 2))"], "there is no option 'shape'"),
        (["smoke", "--model", "(16, 32)"], "is no network"),
        (["smoke", "--model", "SpikingCNN(channels=(4, 4, 4, 4, 4, 4))"], "pixels are too few"),
        (["smoke", "--model", "StackCNN(steps=7)"], "StackCNN(steps=7): "),
        (["smoke", "--modality", "rgb"], "--modality rgb needs --data.film"),
        (["smoke", "--modality", "both", "--data.film", "Held(bins=10, start=0, stop=100000)"], "holds no frames of a camera"),
        (["smoke", "--modality", "sound"], "sound"),
        (["smoke", "--data.where", "lux=50"], "no recording tells its 'lux'"),
        (["smoke", "--data.where", "lux"], "--data.where is CONDITION=VALUE, such as lux=50; got 'lux'"),
        (["smoke", "--train.batch", "5000"], "lower --train.batch"),
        (["smoke", "--protocol", "stratified(500)"], "the smallest class has 100"),
        (["smoke", "--protocol", "stratified(1)"], "parts are a whole number from 2 on"),
        (["smoke", "--protocol", "lso"], "did you mean loso?"),
        (["smoke", "--protocol", "loso"], "subjects"),
        (["smoke", "--control", "bins"], "'bins' is no control"),
        (["smoke", "--control", "labels-permuted-within"], "who its subjects are"),
        (["smoke", "--train.epochs", "0"], "--train.epochs"),
        (["smoke", "--resident", "True", "--data.augment", "DropEvent(p=0.1)"], "DropEvent(p=0.1) is not for the device"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(arguments, message, monkeypatch, capsys, tmp_path):
    (tmp_path / "nothing").mkdir()
    arguments = [a.replace("{tmp}", str(tmp_path)) for a in arguments]
    assert command(monkeypatch, *arguments, "--out", tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert message.replace("{tmp}", str(tmp_path)) in error
    assert error.count("\n") == 1 and not (tmp_path / "run").exists()


MINE = """
from flax import nnx
from mxsnn import nn

class Mine(nn.Temporal):
    def __init__(self, shape, classes, width=3, *, dtype, rngs):
        self.head = nnx.Linear(shape[-1], classes, dtype=dtype, rngs=rngs)

    def __call__(self, xs, state=None):
        return self.trace(xs, state)[:2]

    def trace(self, xs, state=None):
        return state, self.head(10 * xs.mean((0, 2, 3)) - 4), {}
"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A folder of recordings of both cameras, in two lights: where it is bright, it is of the second class."""
    root = tmp_path_factory.mktemp("scenes")
    for i in range(24):
        scene, labels = Scene(level=180 * (i % 2))(i), (Label("ab"[i % 2], "movement"),)
        write(root / f"{i:02}.mxr", replace(scene, labels=labels, lux=5.0 if i < 12 else 50.0, subject=f"s{i // 4}"))
    write_index(root)
    return root


EVENTS, FILM = "TimeFrames(bins=5, start=0, stop=100000)", "Held(bins=5, start=0, stop=100000)"


@pytest.mark.parametrize(
    ("modality", "arguments", "channels"),
    [
        ("events", ["--data.encoding", EVENTS], 2),
        ("rgb", ["--data.film", FILM, "DirectCurrent(steps=1)"], 3),
        ("both", ["--data.encoding", EVENTS, "--data.film", FILM, "DirectCurrent(steps=1)"], 5),
    ],
)
def test_each_modality_and_a_network_of_ones_own(scenes, monkeypatch, tmp_path, modality, arguments, channels):
    (tmp_path / "mine.py").write_text(MINE)
    more = ["--data.dataset", "recordings", "--data.root", scenes, "--modality", modality, *arguments, "--protocol", "kfold(3)"]
    more += ["--data.where", "lux=50", "--data.validation", "0.5", "--train.batch", "2", "--train.epochs", "9"]
    more += ["--train.lr", "0.2", "--model", f"{tmp_path / 'mine.py'}:Mine(width=4)", "--out", tmp_path / "run"]
    assert command(monkeypatch, "folders", *more) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["test_n"] == 12 and result["parameters"] == 2 * (channels + 1) and result["firing_rates"] == {}
    assert result["test_accuracy"] == 1 or modality == "events"  # whose events tell nothing
    assert (tmp_path / "run" / "fold-0" / "example.png").stat().st_size > 1000


def test_modalities_that_do_not_fit_together(scenes, monkeypatch, capsys, tmp_path):
    both = ["folders", "--data.dataset", "recordings", "--data.root", scenes, "--modality", "both", "--data.encoding", EVENTS]
    both += ["--data.validation", "0.5", "--train.batch", "2"]
    cases = [
        (["--data.film", "Held(bins=4, start=0, stop=100000)"], "both have as many samples, steps and pixels"),
        (["--data.film", "Difference()"], "--data.film begins with a camera's frames in steps"),
        (["--data.film", FILM, "--data.camera", "hands"], "holds no frames of a camera 'hands', but of rgb"),
        (["--data.film", FILM, "--data.where", "lux=7"], "no recording has lux=7; there are 5.0, 50.0"),
        (["--data.film", "Held(bins=5, start=0, stop=50000)"], "steps of one length; got 10.0, 20.0 ms"),
        (["--modality", "rgb", "--data.film", FILM, "--data.augment", "FlipLR()"], "--data.augment changes events"),
    ]
    for arguments, message in cases:
        assert command(monkeypatch, *both, *arguments, "--protocol", "kfold(2)", "--out", tmp_path / "run") == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and not (tmp_path / "run").exists(), arguments


def test_a_folder_of_others_is_left_alone(monkeypatch, capsys, tmp_path):
    (tmp_path / "thesis.tex").write_text("all my work")
    assert command(monkeypatch, *SMALL, "--out", tmp_path) == 2
    assert "holds other files" in capsys.readouterr().err
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.tex"]


def test_help_names_units(monkeypatch, capsys):
    assert command(monkeypatch, "--help") == 0
    assert "smoke" in capsys.readouterr().out
    assert command(monkeypatch, "smoke", "--help") == 0
    said = capsys.readouterr().out
    assert "--data.dt" in said and "ms" in said and "--protocol" in said
