"""snnTorch's Leaky: which neuron of mxsnn equals which of its modes, and which mode is another neuron."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import unroll
from mxsnn.neurons import LI, LIF, Recorded
from mxsnn.reset import detached, none, subtract, to_value
from tests.golden import parity


def leaky(reset):
    """The LIF that retains `beta` a step, as a differentiable function of it."""
    return lambda beta, threshold: LIF(tau=-1 / jnp.log(beta), threshold=threshold, reset=reset)


def next_step(beta, threshold):
    """snnTorch's default subtracts in the next step, what is left undecayed: as much as threshold / beta subtracted in this one."""
    return leaky(detached(lambda v, s, threshold: v - s * threshold / beta))(beta, threshold)


EQUAL = {
    "none": leaky(none),
    "zero": leaky(detached(to_value(0.0))),
    "zero, exact": leaky(detached(to_value(0.0))),
    "zero, per neuron": leaky(detached(to_value(0.0))),
    "zero, not delayed": leaky(to_value(0.0)),
    "subtract": next_step,
    "subtract, exact": next_step,
    "subtract, not delayed": leaky(subtract),
}


def after_reset(name, reference):
    """The trace with the membrane after the reset: what snnTorch delays, it records before."""
    if name.startswith("zero") and "not delayed" not in name:
        return {**reference, "v": np.where(reference["s"] == 1, 0, reference["v"])}
    if name in ("subtract", "subtract, exact"):
        beta, threshold = reference["p:beta"], reference["p:threshold"]
        return {**reference, "v": reference["v"] - reference["s"] * threshold / beta}
    return reference


@pytest.mark.parametrize("source", parity.SOURCES)
@pytest.mark.parametrize("name", EQUAL)
def test_the_same_neuron(name, source):
    reference = parity.trace("snntorch", name, source)
    result = parity.run(EQUAL[name], reference)
    parity.check(result, after_reset(name, reference), exact=name.endswith("exact"))


@pytest.mark.parametrize("source", parity.SOURCES)
def test_the_membrane_of_a_leaky_integrator(source):
    reference = parity.trace("snntorch", "membrane", source)
    result = parity.run(lambda beta, threshold: LI(tau=-1 / jnp.log(beta)), reference)
    np.testing.assert_array_equal(result["s"], result["v"])  # its output is its membrane
    parity.check(result | {"s": reference["s"]}, reference, exact=False, but=("d:threshold",))


def test_the_default_is_another_neuron_than_a_subtraction_in_the_same_step():
    reference = parity.trace("snntorch", "subtract", "golden")
    result = parity.run(leaky(detached(subtract)), reference)
    differ = result["s"] != reference["s"]
    assert differ.any()
    # Up to its first spike a neuron is the same; what comes after is not.
    first = np.argmax(reference["s"], 0)
    assert all(np.argmax(d) > f for d, f in zip(differ[:, differ.any(0)].T, first[differ.any(0)], strict=True))


def test_worked_example_of_the_default():
    n = next_step(0.5, 1.0)
    xs = jnp.asarray([0.9, 0.9, 0, 1.0, 0.6, 2.6, 0, 0])
    recorded: Any = unroll(Recorded(n), xs)[1]
    states, out = recorded
    assert out.tolist() == [0, 1, 0, 0, 1, 1, 0, 0]
    np.testing.assert_allclose(states.v + 2 * out, [0.9, 1.35, -0.325, 0.8375, 1.0188, 2.1094, 0.0547, 0.0273], atol=6e-5)
    xs = jnp.asarray([0.9, 0.9, 0.9, 0.4])
    np.testing.assert_allclose(jax.grad(lambda xs: unroll(n, xs)[1].sum())(xs), [1.29, 0.7597, 0.614, 0.5092], atol=6e-5)
