"""Presets: what each says can be made, and each trains an epoch on recordings in the layout of its data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.presets import PRESETS
from experiments.recipe import optimizer
from mxsnn.data.protocols import protocol_named
from mxsnn.events.tonic import compose
from mxsnn.models.classifiers import classifier
from mxsnn.models.described import stepped
from tests import layouts
from tests.test_classify import command


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_all_that_a_preset_names_is_there(name):
    about, preset = PRESETS[name]
    encoding = compose(preset.data.encoding, (1280, 720)) if preset.data.encoding else None
    dt = preset.data.dt or (encoding.dt if encoding else 20.0)
    assert dt and stepped(preset.neuron, dt) and classifier(preset.model) and about and protocol_named(preset.protocol)
    optimizer(preset, 1000)
    if preset.data.film:
        assert compose(preset.data.film, (128, 96)).filmed
    assert preset.out == Path("runs") / name


def published(gesture: bool):
    """SpikingJelly's folders, of which the frames are called as those of the preset."""

    def make(root: Path) -> Path:
        layouts.spikingjelly(root, gesture)
        (root / "frames_number_4_split_by_number").rename(root / "frames_number_16_split_by_number")
        return root

    return make


def movements(root: Path) -> Path:
    """Class folders of .npy with events, as beyond_the_smile reads them; small, of 128x128 pixels."""
    for part, count in (("train", 4), ("test", 1)):
        for label, name in enumerate(("smile", "frown")):
            for k in range(count):
                folder = root / part / name
                folder.mkdir(parents=True, exist_ok=True)
                np.save(folder / f"{k}.npy", layouts.events(400, (128, 128), 10 * label + k))
    return root


SMALL_NET = ["--model", "SEWResNet(channels=(4, 4), stages=2)", "--train.epochs", "1", "--train.batch", "2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fixture", "more"),
    [
        ("dvs_gesture", published(gesture=True), ["--train.steps", "3", "--data.validation", "0.5"]),
        ("cifar10_dvs", published(gesture=False), []),
        ("beyond_the_smile", movements, ["--data.validation", "0.5", "--train.steps", "3"]),
        ("nefer", layouts.nefer, ["--data.validation", "0.5", "--train.batch", "1"]),
    ],
)
def test_a_preset_trains_on_recordings_of_its_layout(name, fixture, more, monkeypatch, tmp_path):
    arguments = [name, "--data.root", fixture(tmp_path / "data"), *SMALL_NET, *more, "--out", tmp_path / "run"]
    assert command(monkeypatch, *arguments) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["epoch"] == 1 and result["test_n"] > 0 and np.isfinite(result["test_loss"])
    assert (tmp_path / "run" / "model.json").exists()
