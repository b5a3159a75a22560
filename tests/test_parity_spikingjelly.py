"""SpikingJelly's IFNode, LIFNode and ParametricLIFNode: which neuron of mxsnn equals each of their modes."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mxsnn.discrete import charge, current, euler
from mxsnn.neurons import IF, LIF, PLIF
from mxsnn.reset import detached, subtract, to_value
from mxsnn.surrogate import atan, inclusive, sigmoid
from tests.golden import parity

FIRE = inclusive(atan())


def resetting(name):
    reset = subtract if "soft" in name else to_value(-0.2) if "-0.2" in name else to_value(0.0)
    return detached(reset) if "detached" in name else reset


def equal(name):
    """The neuron that a case names, as a function of the parameters that SpikingJelly learns."""
    reset, gain = resetting(name), charge if "undecayed" in name else current
    if name.startswith("IF"):
        return lambda: IF(fire=FIRE, reset=reset)
    if name.startswith("Parametric"):
        if gain is current:
            return lambda w: PLIF(w=w, fire=FIRE, reset=reset)
        # Inputs that the leak does not scale are a LIF's, of the time constant 1 / sigmoid(w).
        return lambda w: LIF(tau=1 / jax.nn.sigmoid(w), decay=euler, gain=gain, fire=FIRE, reset=reset)
    fire = inclusive(sigmoid(4.0)) if "default surrogate" in name else FIRE
    tau = 2.0 if "exact" in name else 3.0
    return lambda: LIF(tau=tau, v_rest=-0.2 if "-0.2" in name else 0.0, decay=euler, gain=gain, fire=fire, reset=reset)


CASES = sorted(parity.golden("spikingjelly"))


@pytest.mark.parametrize("source", parity.SOURCES)
@pytest.mark.parametrize("name", CASES)
def test_the_same_neuron(name, source):
    reference = parity.trace("spikingjelly", name, source)
    result = parity.run(equal(name), reference)
    parity.check(result, reference, exact=name.endswith("exact"))


def test_the_defaults_of_plif_are_those_of_sew_resnet():
    assert PLIF() == PLIF(w=0.0, fire=FIRE, reset=detached(to_value(0.0)))
    assert PLIF.from_tau(3.0).w == pytest.approx(parity.golden("spikingjelly")["ParametricLIF, hard"]["p:w"], rel=1e-6)


def test_cases_span_what_can_differ():
    """A wrong comparator, reset or gradient would show: each case has a neighbour whose trace is not its own."""
    for name, wrong in {
        "LIF, hard, exact": "LIF, soft, exact",
        "LIF, hard": "LIF, hard, undecayed",
        "ParametricLIF, soft": "ParametricLIF, hard",
        "IF, hard": "IF, hard, detached",
        "LIF, default surrogate": "LIF, hard",
    }.items():
        reference = parity.golden("spikingjelly")[name]
        with pytest.raises(AssertionError):
            parity.check(parity.run(equal(wrong), reference), reference, exact=False)
    reference = parity.golden("spikingjelly")["LIF, hard, exact"]
    strict = parity.run(lambda: LIF(tau=2.0, decay=euler, gain=current, fire=atan(), reset=to_value(0.0)), reference)
    assert not np.array_equal(strict["s"], reference["s"]), "no membrane ends a step at the threshold"
