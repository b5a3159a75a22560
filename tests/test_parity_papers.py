"""Neurons beside the equations of their papers, in double precision and over a hundred steps: what few libraries have, or none."""

from __future__ import annotations

import pytest

from tests.golden import table


@pytest.mark.parametrize("name", table.PAPERS)
def test_the_same_neuron(name):
    error = table.beside_its_equations(name)
    assert error.outputs == 2400 and error.differ == 0
    assert error.state < (1e-4 if name == "Izhikevich" else 1e-6)  # whose membrane runs away, and its rounding with it


# The equations of one, and the neuron of another.
NEAR = {
    "w by the membrane of the step before": ("SEAdLIF", "EFAdLIF"),
    "a reset that subtracts": ("EFAdLIF", "AdLIF"),
    "w that acts a step late": ("AdLIF", "SEAdLIF"),
}


@pytest.mark.parametrize("name", NEAR)
def test_a_near_miss_flips_spikes(name, monkeypatch):
    one, other = NEAR[name]
    neuron, _, _, parts = table.PAPERS[other]
    _, recursion, size, _ = table.PAPERS[one]
    monkeypatch.setitem(table.PAPERS, one, (neuron, recursion, size, parts))
    assert table.beside_its_equations(one).differ > 10
