"""spyx' neurons and surrogates: they test the membrane before it takes in its input, so their spikes come a step late."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import surrogate
from mxsnn.discrete import current
from mxsnn.neurons import ALIF, IF, LI, LIF, Late, NextStepReset, Synaptic
from mxsnn.nn.layers import FedBack
from mxsnn.reset import detached, none, subtract, to_value
from tests.golden import parity

FIRE = surrogate.spyx.superspike(4.0)


def tau(beta):
    """The time constant (ms) of what retains `beta` in a step of 1 ms."""
    return -1 / jnp.log(beta)


def thresholds(name):
    return 1.0 if name in ("LIF, per neuron", "LIF, exact", "LIF, worked") else 0.8


def late(name, **others):
    given = {"threshold": thresholds(name), "fire": FIRE, "reset": subtract} | others
    return lambda beta: Late(NextStepReset(LIF(tau(beta), **given)))


def adaptive(beta, gamma):
    n = ALIF(tau(beta), tau(gamma), jump=1 - gamma, threshold=0.8, fire=FIRE, reset=subtract)
    return Late(NextStepReset(n))


def current_based(x, v0, alpha, beta, reset=subtract):
    """It resets in the step of the spike, but shows the membrane before: ours, which fires a step earlier, after it."""
    n = Synaptic(tau(beta), tau(alpha), threshold=0.8, fire=FIRE, reset=reset)
    result = parity.played(Late(n), x, v=v0)
    s = jnp.concatenate([result["s"][1:], result["out"][-1:]])
    return result | {"v": result["v"] + 0.8 * s}


def fed_back(n, x, v0, recurrent_w):
    """Neurons that hear each other at once, where ours hear each other a step later, and show it a step late."""
    result = parity.played(FedBack(n, recurrent_w), x, v=v0)
    return result | {"s": jnp.concatenate([0 * result["s"][:1], result["s"][:-1]]), "next": result["s"]}


def recurrent(x, v0, beta, recurrent_w):
    return fed_back(NextStepReset(LIF(tau(beta), threshold=0.8, fire=FIRE, reset=subtract)), x, v0, recurrent_w)


def recurrent_integrator(x, v0, recurrent_w):
    return fed_back(NextStepReset(IF(threshold=0.8, fire=FIRE, reset=subtract)), x, v0, recurrent_w)


def recurrent_current_based(x, v0, alpha, beta, recurrent_w, reset=subtract):
    result = fed_back(Synaptic(tau(beta), tau(alpha), threshold=0.8, fire=FIRE, reset=reset), x, v0, recurrent_w)
    return result | {"v": result["v"] + 0.8 * result["next"]}


def reset_free(beta):
    return LIF(tau(beta), threshold=0.8, fire=FIRE, reset=none)


EQUAL = {
    "LIF": late("LIF"),
    "LIF, per neuron": late("LIF, per neuron"),
    "LIF, exact": late("LIF, exact"),
    "LIF, worked": late("LIF, worked"),
    "IF": lambda: Late(NextStepReset(IF(threshold=0.8, fire=FIRE, reset=subtract))),
    "RIF": recurrent_integrator,
    "RLIF": recurrent,
    "RCuBaLIF": recurrent_current_based,
    "ALIF": adaptive,
    "CuBaLIF": current_based,
    "LI": lambda beta: LI(tau(beta)),
    "PSU_LIF": reset_free,
    "PSU_LIF, parallel": reset_free,
}
AT_ONCE = ("LI", "PSU_LIF", "PSU_LIF, parallel")


def reference(name, source="golden"):
    """The trace without what v0 does at the first step: spyx tests it there, ours has tested it the step before."""
    kept = parity.trace("spyx", name, source)
    assert not kept["s"][0].any() or name in AT_ONCE
    if name in AT_ONCE:
        return kept
    u = jnp.asarray(kept["v0"] - thresholds(name))
    return {**kept, "d:v0": kept["d:v0"] - kept["weights"][0] * np.asarray(FIRE.derivative(u))}


def but(name):
    """A parallel one begins at rest; what v0 does at the first step goes on through the feedback and the current's membrane."""
    return ("d:v0",) if name in ("PSU_LIF, parallel", "RIF", "RLIF", "CuBaLIF", "RCuBaLIF") else ()


def test_every_case_has_its_neuron():
    assert set(EQUAL) == set(parity.cases("spyx"))
    assert set(parity.versions("spyx")) == {"jax", "spyx"}


@pytest.mark.parametrize("source", parity.SOURCES)
@pytest.mark.parametrize("name", EQUAL)
def test_the_same_neuron(name, source):
    kept = reference(name, source)
    parity.check(parity.run(EQUAL[name], kept), kept, exact=name.endswith("exact"), but=but(name))


def test_worked_example():
    kept = parity.golden("spyx")["LIF, worked"]
    assert kept["s"].ravel().tolist() == [0, 0, 1, 0, 0, 1, 1, 0]
    np.testing.assert_allclose(kept["v"].ravel(), [0.9, 1.35, -0.325, 0.8375, 1.0188, 2.1094, 0.0547, 0.0273], atol=6e-5)


def test_the_spike_of_the_last_input_is_never_emitted():
    kept = parity.golden("spyx")["LIF"]
    at_once = parity.run(lambda beta: NextStepReset(LIF(tau(beta), threshold=0.8, fire=FIRE, reset=subtract)), kept)
    np.testing.assert_array_equal(kept["s"][1:], at_once["s"][:-1])
    assert at_once["s"][-1].any()
    assert not kept["d:x"][-1].any() and at_once["d:x"][-1].any()


NEAR = {
    "a spike at once": ("LIF", lambda beta: NextStepReset(LIF(tau(beta), threshold=0.8, fire=FIRE, reset=subtract))),
    "a reset in the step of its spike": ("LIF", lambda beta: Late(LIF(tau(beta), threshold=0.8, fire=FIRE, reset=subtract))),
    "a reset to zero": ("LIF", late("LIF", reset=to_value(0.0))),
    "a spike at the threshold": ("LIF, exact", late("LIF, exact", fire=surrogate.inclusive(FIRE))),
    "a threshold that jumps by 1": ("ALIF", lambda beta, gamma: Late(NextStepReset(ALIF(tau(beta), tau(gamma), jump=1.0)))),
    "the synapse's reset a step later": (
        "CuBaLIF",
        lambda alpha, beta: Late(NextStepReset(Synaptic(tau(beta), tau(alpha), threshold=0.8, fire=FIRE, reset=subtract))),
    ),
    "inputs scaled by what leaks": ("LIF", late("LIF", gain=current)),
    "feedback to the others": ("RLIF", lambda x, v0, beta, recurrent_w: recurrent(x, v0, beta, recurrent_w.T)),
    "feedback to the others, without leak": ("RIF", lambda x, v0, recurrent_w: recurrent_integrator(x, v0, recurrent_w.T)),
    "feedback to the others' currents": (
        "RCuBaLIF",
        lambda x, v0, alpha, beta, recurrent_w: recurrent_current_based(x, v0, alpha, beta, recurrent_w.T),
    ),
}


@pytest.mark.parametrize("name", NEAR)
def test_a_near_miss_flips_spikes(name):
    case, wrong = NEAR[name]
    assert parity.flips(wrong, parity.golden("spyx")[case])


DETACHED = {
    "LIF": late("LIF", reset=detached(subtract)),
    "CuBaLIF": lambda x, v0, **p: current_based(x, v0, **p, reset=detached(subtract)),
    "RCuBaLIF": lambda x, v0, **p: recurrent_current_based(x, v0, **p, reset=detached(subtract)),
}


@pytest.mark.parametrize("name", DETACHED)
def test_a_reset_that_is_detached_has_other_gradients(name):
    kept = parity.golden("spyx")[name]
    result = parity.run(DETACHED[name], kept)
    np.testing.assert_array_equal(result["s"], kept["s"])
    assert np.abs(result["d:x"] - kept["d:x"]).max() > 1e-2 * np.abs(kept["d:x"]).max()


# ---- surrogates -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", parity.surrogates("spyx"))
def test_the_same_surrogate(call):
    parity.same_slopes("spyx", call)


def test_every_surrogate_of_the_library_is_compared():
    assert {call.partition("(")[0] for call in parity.surrogates("spyx")} == set(surrogate.spyx.__all__)


def test_its_straight_through_estimator_is_none():
    kept = parity.golden("spyx")["surrogates"]
    np.testing.assert_array_equal(kept["not here: custom()"], kept["u"])  # not 1
