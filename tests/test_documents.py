"""What the documents show runs."""

from __future__ import annotations

import importlib
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from mxsnn import nn, testing
from mxsnn.data.streams import ResidentStreams
from mxsnn.events import Events, write
from mxsnn.events.encodings import ENCODINGS
from mxsnn.models.described import vocabulary
from mxsnn.neurons import NEURONS
from tests.golden import table

ROOT = Path(__file__).parents[1]


@pytest.fixture
def registry():
    """The registry, put back as it was: a neuron of a document is no neuron of the package."""
    before = dict(NEURONS)
    yield NEURONS
    NEURONS.clear()
    NEURONS.update(before)


def test_the_neuron_of_contributing_passes_the_checks(registry, tmp_path, monkeypatch) -> None:
    known = set(registry)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "contributed.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("contributed")
    (name,) = set(registry) - known
    testing.check(registry[name]())


def test_the_recordings_of_the_readme_are_read(tmp_path, monkeypatch) -> None:
    events = Events.make([5, 20_000, 1_200_000], [1, 2, 3], [0, 1, 2], [0, 1, 1], (4, 3))
    for name in ("face.raw", "long.raw", "clip.mxr"):
        write(tmp_path / name, events, "evt3" if name.endswith("raw") else None)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "readings.py").write_text("\n".join(blocks[:2]), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    shown = importlib.import_module("readings")
    assert shown.stream == events
    assert shown.part.t.tolist() == [1_200_000]
    assert shown.recording.window(1_000_000, 1_500_000).events.t.tolist() == [1_200_000]
    assert shown.on_host.sum() == 1  # ON less OFF
    np.testing.assert_allclose(shown.on_device, shown.on_host, atol=1e-6)
    assert shown.shaken != events and set(shown.shaken.x) <= {1, 2, 3}


def test_the_code_of_the_readme_runs(registry, tmp_path, monkeypatch) -> None:
    _, _, *blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "shown.py").write_text("\n".join(blocks), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert float(importlib.import_module("shown").slope) != 0


def test_the_code_about_recordings_runs(tmp_path, monkeypatch) -> None:
    """As one session: what is written first is read with h5py alone and becomes a data set."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "recordings.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "recorded.py").write_text("\n".join(blocks), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    shown = importlib.import_module("recorded")
    assert shown.data.classes == ("AU12",) and shown.data.subjects == ("S01",)
    assert shown.during.t.tolist() == [800] and shown.t[shown.lo - shown.first : shown.hi - shown.first].tolist() == [20, 800]
    assert shown.everything.labels[0].side == "left"


def test_the_readme_adds_a_neuron_in_under_15_lines() -> None:
    *_, block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) < 15


def test_the_code_about_batches_runs_and_lists_each_encoding(tmp_path, monkeypatch) -> None:
    document = (ROOT / "docs" / "batches.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    (tmp_path / "shown_batches.py").write_text(block, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    shown = importlib.import_module("shown_batches")
    assert isinstance(shown.source, ResidentStreams)
    assert shown.batch["frames"].shape == (32, 10, *shown.size[::-1], 2)
    assert shown.batch["weight"].sum() == shown.recordings.test.sum() % 32
    assert all(f"`{cls.__name__}(" in document and f"`{cls.function.__name__}`" in document for cls in ENCODINGS)


def shown(document: str, *, some: slice = slice(None)) -> list[tuple[str, str]]:
    """The blocks of code of a document, each with the text that is shown behind it."""
    text = (ROOT / "docs" / document).read_text("utf-8")
    return re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)[some]


def without_numbers(text: str) -> list[str]:
    """The words of a text, of its numbers only that they are numbers."""
    return re.sub(r"(?<![\w.])\d[\d.,]*(e[-+]\d+)?", "#", text).split()


@pytest.mark.slow
def test_the_neuron_of_the_document_is_audited_and_broken_as_it_says(registry, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = shown("neurons.md")
    assert len(blocks) == 9
    module = types.ModuleType("shown_neurons")
    monkeypatch.setitem(sys.modules, "shown_neurons", module)
    for code, text in blocks:
        exec(code, vars(module))
        assert without_numbers(capsys.readouterr().out) == without_numbers(text)
    assert (tmp_path / "tiring.png").stat().st_size > 1000


def test_the_first_neuron_of_the_document_fires(registry, monkeypatch, capsys) -> None:
    module = types.ModuleType("shown_neurons")
    monkeypatch.setitem(sys.modules, "shown_neurons", module)
    ((code, text),) = shown("neurons.md", some=slice(1))
    exec(code, vars(module))
    assert capsys.readouterr().out == text


def test_the_document_says_of_each_neuron_how_far_it_is_from_its_source() -> None:
    text = (ROOT / "docs" / "neurons.md").read_text("utf-8")
    inside = text.partition(table.BEGIN)[2].partition(table.END)[0]
    head, _, *rows = ([cell.strip() for cell in line.strip("| ").split(" | ")] for line in inside.strip().splitlines())
    assert head == table.HEAD and [row[0].strip("`") for row in rows] == list(NEURONS)
    for row in rows:
        found = dict(zip(head, row, strict=True))
        name = found["model"].strip("`")
        assert found["source"] == table.source(NEURONS[name]) and found["what departs from it"] == (table.DEPARTS[name] or "-")
        assert found["outputs that differ"].startswith("0 of ") and int(found["outputs that differ"][5:].replace(",", "")) >= 200
        for error in (found["state"], found["gradient"]):
            assert error == "-" or float(error) <= 1e-4
        assert (found["state"], found["gradient"]) != ("-", "-")
        for pin in found["held by"].split(", "):
            file, _, test = pin.partition("::")
            assert f"def {test or 'test_the_same_neuron'}(" in (ROOT / "tests" / file).read_text("utf-8")
    assert set(table.DEPARTS) == set(NEURONS)


def test_the_compositions_of_the_document_are_of_what_there_is() -> None:
    text = (ROOT / "docs" / "neurons.md").read_text("utf-8")
    part = text.partition("## Whose neuron is which")[2].partition("\n## ")[0]
    here = [line.split(" | ")[1] for line in part.splitlines() if line.startswith("| s") or line.startswith("| S")]
    assert len(here) > 15
    known = set(vocabulary()) | set(nn.__all__)
    methods = {name for cls in NEURONS.values() for name in vars(cls) if name.startswith("from_")}
    for code in (code for line in here for code in re.findall(r"`([^`]*)`", line)):
        for name in re.findall(r"((?:\w+\.)*[A-Za-z_]\w*)\(", code):
            first, _, last = name.rpartition(".")
            assert name in known or name.removeprefix("nn.") in known or (first in NEURONS and last in methods), code


@pytest.mark.slow
def test_the_code_about_faces_runs(tmp_path, monkeypatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "faces.md").read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert names["grid"].shape == (5, 24, 32, 1) and len(names["stream"]) > 0
    np.testing.assert_allclose(names["back"], names["light"][::-1], rtol=1e-5)  # a frame's place in the batch rounds its sums
    assert names["radiance"].shape == (3, 96, 128) and names["points"].shape == (3, 68, 2)


def blocks_of(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / document).read_text("utf-8"), re.DOTALL)


def test_the_code_about_interop_runs(tmp_path, monkeypatch, capsys) -> None:
    """But what needs torch: the archive that its command would have written is made here."""
    graphs, approximate, _, weights = blocks_of("interop.md")
    monkeypatch.chdir(tmp_path)
    shapes = {"conv.weight": (8, 2, 3, 3), "conv.bias": (8,), "fc.weight": (4, 512), "fc.bias": (4,)}
    draw = np.random.default_rng(0)
    np.savez("weights.npz", **{name: draw.normal(size=shape) for name, shape in shapes.items()})
    names: dict = {}
    for block in (graphs, approximate, weights):
        exec(block, names)
    xs = draw.normal(1, 2, size=(10, 2, 16, 16, 2)).astype(np.float32)
    told = capsys.readouterr().out
    assert "layer 0 (LIF): NIR has no word for the reset 'subtract'" in told and "its reset, subtract: it is reset to rest" in told
    network, again = names["network"], names["again"]
    np.testing.assert_allclose(again.layers[-1].neuron.tau, network.layers[-1].neuron.tau, rtol=1e-6)
    np.testing.assert_allclose(network.layers[4].kernel[...][1], names["weights"]["fc.weight"][:, 64], rtol=1e-6)
    assert network(xs)[1].shape == (10, 2, 4)
