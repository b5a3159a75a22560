"""Figures: what is drawn is what was measured, and a file is there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from mxsnn.data.datasets import smoke
from mxsnn.engine import unroll
from mxsnn.events import Events, frames_by_time, read
from mxsnn.neurons import ALIF, LIF
from mxsnn.report import figures

ROOT = Path(__file__).parents[1]
WHITE = (255, 255, 255)


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that are drawn, to look into."""
    made: list[Figure] = []
    init = Figure.__init__

    def kept(self, *args, **kwargs):
        init(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(Figure, "__init__", kept)
    return made


def picture(path: Path) -> Image.Image:
    """A figure that is whole: its corner is white, not all of it is, nothing else lies beside it, and it is small."""
    assert not path.with_name(path.name + ".tmp").exists()
    assert path.stat().st_size < 200_000
    with Image.open(path) as image:
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        rgb = image.convert("RGB")
    assert rgb.getpixel((0, 0)) == WHITE
    assert len(rgb.getcolors(1 << 24) or ()) > 8
    return rgb


def row(epoch: int, accuracy: float, loss: float, test: float = 0.5) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_loss": 2 * loss,
        "train_accuracy": accuracy / 2,
        "validation_loss": loss,
        "validation_accuracy": accuracy,
        "test_loss": 3 * loss,
        "test_accuracy": test,
    }


def test_learning_curves_show_the_rows(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = [row(1, 0.5, 1.0, 0.9), row(2, 0.7, 0.4, 0.6), row(3, 0.8, 0.5, 0.7)]
    figures.learning_curves(rows, tmp_path / "curves.png")
    picture(tmp_path / "curves.png")
    for axes, name, scale in zip(drawn[0].axes, ("loss", "accuracy"), (1, 100), strict=True):
        lines = {str(line.get_label()): line for line in axes.lines}
        assert lines.keys() == {"training", "validation (selects)", "test (not used to select)", "selected: epoch 2"}
        for label, part in (("training", "train"), ("validation (selects)", "validation"), ("test (not used to select)", "test")):
            np.testing.assert_array_equal(lines[label].get_xdata(), [1, 2, 3])
            np.testing.assert_allclose(np.asarray(lines[label].get_ydata()), [scale * r[f"{part}_{name}"] for r in rows])
        widths = [lines[label].get_linewidth() for label in ("test (not used to select)", "training", "validation (selects)")]
        assert widths[0] < min(widths[1:])
        np.testing.assert_array_equal(lines["selected: epoch 2"].get_xdata(), [2, 2])


@pytest.mark.parametrize(
    ("rows", "selected"),
    [
        ([row(1, 0.8, 0.5), row(2, 0.7, 0.1), row(3, 0.9, 0.4)], 2),  # the loss decides, not the accuracy
        ([row(1, 0.8, 0.5), row(2, 0.8, 0.5)], 1),  # of equal epochs, the first
        ([row(1, 0.2, 0.5)], 1),
        ([row(1, 0.5, 0.5), row(2, 0.1, float("nan")), row(3, 0.1, float("inf"))], 1),
    ],
)
def test_the_epoch_that_validation_selects_is_marked(rows, selected: int, tmp_path: Path, drawn: list[Figure]) -> None:
    figures.learning_curves(rows, tmp_path / "curves.png")
    picture(tmp_path / "curves.png")
    for axes in drawn[0].axes:
        assert [line.get_label() for line in axes.lines][-1] == f"selected: epoch {selected}"


def test_learning_curves_without_an_epoch(tmp_path: Path) -> None:
    figures.learning_curves([], tmp_path / "curves.png")
    picture(tmp_path / "curves.png")


def test_confusion_matrix_shows_the_table(tmp_path: Path, drawn: list[Figure]) -> None:
    table = np.array([[8, 2, 0], [0, 0, 0], [5, 0, 15]])
    figures.confusion_matrix(table, ["a$b$c", "under_score", "x^2"], tmp_path / "confusion.png")
    picture(tmp_path / "confusion.png")
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.texts] == [str(n) for n in table.ravel()]
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), [[0.8, 0.2, 0], [0, 0, 0], [0.25, 0, 0.75]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a$b$c", "under_score", "x^2"]
    assert axes.get_title("left") == "accuracy 76.7%, n = 30\n95% interval 59.1% to 88.2%"  # Wilson for 23 of 30


@pytest.mark.parametrize("classes", [1, 2, 31, 101])
def test_confusion_matrices_of_any_size(classes: int, tmp_path: Path, drawn: list[Figure]) -> None:
    figures.confusion_matrix(np.eye(classes, dtype=int), [f"class {i}" for i in range(classes)], tmp_path / "confusion.png")
    assert max(picture(tmp_path / "confusion.png").size) < 2000
    assert len(drawn[0].axes[0].texts) == (classes**2 if classes <= 30 else 0)


def test_confusion_matrix_of_nothing(tmp_path: Path, drawn: list[Figure]) -> None:
    figures.confusion_matrix(np.zeros((2, 2), int), ["yes", "no"], tmp_path / "confusion.png")
    picture(tmp_path / "confusion.png")
    assert drawn[0].axes[0].get_title("left") == "no samples"


def test_long_names_leave_room_for_the_figure(tmp_path: Path, drawn: list[Figure]) -> None:
    figures.confusion_matrix(np.eye(2, dtype=int), ["a name that goes on and on " * 5, "b" * 16], tmp_path / "confusion.png")
    picture(tmp_path / "confusion.png")
    assert drawn[0].axes[0].get_position().width > 0.3
    assert [label.get_text() for label in drawn[0].axes[0].get_yticklabels()] == ["a name that goe…", "b" * 16]
    figures.example(smoke(1)[0], "a name that goes on and on " * 5, [], tmp_path / "example.png")
    picture(tmp_path / "example.png")


def panels(figure: Figure, part: int) -> list[Any]:
    return figure.subfigs[part].axes


def test_example_shows_the_movement(tmp_path: Path, drawn: list[Figure]) -> None:
    data = smoke(6)
    spikes = [np.random.default_rng(0).random((10, 4, 5, 16)) < 0.1]
    for k, direction in ((0, 1), (1, -1)):  # right, left
        figures.example(data[k], data.classes[k], spikes, tmp_path / "example.png")
        picture(tmp_path / "example.png")
        whole, *parts = panels(drawn[k], 0)
        assert whole.get_title("left") == f"all {len(data[k]):,} events"
        ink = [3 - axes.images[0].get_array().sum(-1) for axes in parts[:3]]
        where = [(i.sum(0) @ np.arange(32)) / i.sum() for i in ink]
        assert (np.diff(where) * direction > 2).all()


def test_pictures_tell_polarities_apart() -> None:
    counts = np.array([[[0, 0], [3, 0], [0, 3], [3, 3]]])
    none, off, on, both = figures.colours(counts)[0]
    np.testing.assert_allclose(none, 1)
    np.testing.assert_allclose(off, to_rgb(figures.OFF))
    np.testing.assert_allclose(on, to_rgb(figures.ON))
    assert both.max() < 0.3


def test_rasters_show_the_most_active_neurons(tmp_path: Path, drawn: list[Figure]) -> None:
    rng = np.random.default_rng(1)
    many = (rng.random((40, 5, 50)) < rng.random((5, 50)) * 0.5).astype(np.float32)  # 250 neurons of all rates
    few = np.zeros((40, 3))
    few[[5, 9, 2], [2, 2, 0]] = -1, 1, 2  # graded and signed spikes, and a neuron without
    figures.example(smoke(1)[0], "right", [many, few, np.zeros((40, 7))], tmp_path / "example.png")
    picture(tmp_path / "example.png")
    most, three, silent = panels(drawn[0], 1)

    def marks(axes) -> np.ndarray:
        """(step, row) of each spike."""
        return np.array([segment.mean(0) for segment in axes.collections[0].get_segments()]).reshape(-1, 2)

    counts = np.sort(many.reshape(40, 250).sum(0))[-figures.ROWS :]
    shown = marks(most)
    np.testing.assert_array_equal(np.sort(np.bincount(shown[:, 1].astype(int))), counts)
    means = [shown[shown[:, 1] == r, 0].mean() for r in range(figures.ROWS)]
    assert (np.diff(means) >= 0).all()  # those that spike early are on top
    np.testing.assert_array_equal(marks(three), [[2, 0], [5, 1], [9, 1]])
    assert len(marks(silent)) == 0
    titles = [axes.get_title("left") for axes in (most, three, silent)]
    assert titles == ["layer 1: 100 of 250 neurons", "layer 2: 2 of 3 neurons", "layer 3: silent"]


@pytest.mark.parametrize("layers", [0, 1, 4, 7])
def test_example_of_any_number_of_layers(layers: int, tmp_path: Path, drawn: list[Figure]) -> None:
    figures.example(smoke(1)[0], "right", [np.ones((10, 4))] * layers, tmp_path / "example.png")
    picture(tmp_path / "example.png")
    assert sum("layer" in axes.get_title("left") for axes in drawn[0].axes) == layers


@pytest.mark.parametrize(
    "recording",
    [
        Events.empty((34, 34)),
        Events.make([7], [3], [2], [1], (8, 6)),
        Events.make([0, 0, 1], [3, 0, 1], [2, 0, 1], [1, 0, 1], (8, 6)),
        Events.make([2**60, 2**60 + 10**10], [0, 1], [0, 1], [0, 1], (2, 2)),  # three hours, in no time since 1970
        np.zeros((5, 6, 8, 2), np.uint8),
        np.ones((1, 6, 8, 2), bool),
        np.random.default_rng(0).normal(size=(2, 6, 8, 2)),
    ],
    ids=["empty", "one", "three", "long", "zeros", "one frame", "floats"],
)
def test_example_of_any_recording(recording: Events | np.ndarray, tmp_path: Path) -> None:
    figures.example(recording, "$odd_", [np.zeros((3, 2))], tmp_path / "example.png")
    picture(tmp_path / "example.png")


def test_frames_and_their_events_make_the_same_pictures(tmp_path: Path, drawn: list[Figure]) -> None:
    events = smoke(1)[0]
    assert isinstance(events, Events)
    frames = frames_by_time(events, 16, int(events.t[0]), int(events.t[-1]) + 1)
    for recording in (events, frames, frames.astype(np.float32)):
        figures.example(recording, "right", [], tmp_path / "example.png")
    first, *others = ([axes.images[0].get_array() for axes in panels(figure, 0)] for figure in drawn)
    for other in others:
        np.testing.assert_allclose(np.array(other), np.array(first), atol=1e-6)


def test_example_of_many_events_on_a_large_sensor_is_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n, size = 200_000, (640, 480)
    t, x, y, p = np.sort(rng.integers(0, 10**6, n)), rng.integers(0, size[0], n), rng.integers(0, size[1], n), rng.integers(0, 2, n)
    figures.example(Events.make(t, x, y, p, size), "noise", [rng.random((100, 500)) < 0.1] * 3, tmp_path / "example.png")
    picture(tmp_path / "example.png")


def test_example_of_a_real_recording(test_data: Path, tmp_path: Path) -> None:
    path = min((test_data / "nmnist" / "Test").rglob("*.bin"))
    figures.example(read(path, sensor_size=(34, 34)), path.parent.name, [], tmp_path / "example.png")
    picture(tmp_path / "example.png")


@pytest.mark.parametrize("dt", [0.5, 1.0, 4.0])
def test_traces_follow_the_equations(dt: float) -> None:
    x = np.random.default_rng(2).poisson(3, 150).astype(float)
    lif, alif = figures.neuron_traces(x, dt)
    scale = lif.v[0] / x[0]
    d, r = np.exp(-dt / 20), np.exp(-dt / 200)
    v = w = a = 0.0
    for t in range(150):
        assert lif.threshold[t] == 1
        assert alif.threshold[t] == pytest.approx(1 + a, abs=1e-5)
        v, w = d * v + scale * x[t], d * w + scale * x[t]
        s, z = float(v > 1), float(w > 1 + a)
        v, w, a = v - s, w * (1 - z), r * a + 0.3 * z
        assert (lif.spikes[t], alif.spikes[t]) == (s, z)
        assert (lif.v[t], alif.v[t]) == pytest.approx((v, w), abs=1e-4)

    def fired(factor: float) -> list[float]:
        drive = jnp.asarray(factor * scale * x, jnp.float32)
        neurons: list[Any] = [LIF(dt=dt), ALIF(dt=dt)]
        return [float(unroll(neuron, drive)[1].sum()) for neuron in neurons]

    assert min(fired(1.0)) >= 5 > min(fired(10**-0.1))  # the least of the scales


def test_traces_without_input() -> None:
    for trace in figures.neuron_traces(np.zeros(20)):
        assert not trace.spikes.any() and not trace.v.any() and (trace.threshold == 1).all()


def test_a_failed_figure_leaves_the_one_before(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "confusion.png"
    path.write_text("the figure before")
    with pytest.raises(ValueError, match="2x2"):
        figures.confusion_matrix(np.eye(3, dtype=int), ["too", "few"], path)
    assert [f.name for f in tmp_path.iterdir()] == ["confusion.png"]

    def full(_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        figures.confusion_matrix(np.eye(2, dtype=int), ["yes", "no"], path)
    assert path.read_text() == "the figure before"
    monkeypatch.undo()
    figures.confusion_matrix(np.eye(2, dtype=int), ["yes", "no"], path)
    picture(path)


def test_settings_of_the_process_neither_matter_nor_change(tmp_path: Path) -> None:
    table, classes = np.eye(2, dtype=int), ["yes", "no"]
    figures.confusion_matrix(table, classes, tmp_path / "a.png")
    with matplotlib.rc_context({"figure.facecolor": "black", "text.color": "white", "font.size": 20}):
        before = dict(matplotlib.rcParams)
        figures.confusion_matrix(table, classes, tmp_path / "b.png")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_matplotlib_is_loaded_by_the_first_figure_and_pyplot_never(tmp_path: Path) -> None:
    code = f"""
import sys
from mxsnn.report import figures
assert "matplotlib" not in sys.modules
figures.learning_curves([], {str(tmp_path / "curves.png")!r})
assert "matplotlib.figure" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    picture(tmp_path / "curves.png")
