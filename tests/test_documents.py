"""What the documents show runs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from mxsnn import testing
from mxsnn.neurons import NEURONS

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


def test_the_code_of_the_readme_runs(registry, tmp_path, monkeypatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "shown.py").write_text("\n".join(blocks), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert float(importlib.import_module("shown").slope) != 0


def test_the_readme_adds_a_neuron_in_under_15_lines() -> None:
    *_, block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) < 15
