"""SpikingJelly's nodes and surrogates: which neuron of mxsnn equals each of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mxsnn import nn, surrogate
from mxsnn.discrete import charge, current, euler
from mxsnn.neurons import (
    CLIF,
    EIF,
    GLIF,
    IF,
    KLIF,
    LI,
    LIF,
    PLIF,
    QIF,
    RF,
    AdQIF,
    Autapse,
    IntegerLIF,
    Late,
    NextStepReset,
    Synaptic,
    TernaryLIF,
)
from mxsnn.neurons.klif import undone_scale
from mxsnn.neurons.resonate_and_fire import imaginary
from mxsnn.nn.layers import FedBack
from mxsnn.reset import detached, subtract, to_value
from mxsnn.surrogate import atan, inclusive, spikingjelly
from tests.golden import parity

FIRE = spikingjelly.ATan()


def resetting(name, value=0.0):
    reset = subtract if "soft" in name else to_value(-0.2) if "-0.2" in name else to_value(value)
    return detached(reset) if "detached" in name else reset


def gated(x, v0, alpha, beta, gamma, tau, v_threshold, linear_decay, v_subreset, conduct):
    """GLIF, which begins at rest: all its numbers are sigmoids there, its tau what a step retains."""
    n = GLIF(
        alpha,
        beta,
        gamma,
        conduct,
        tau=jax.nn.sigmoid(tau),
        leak=jax.nn.sigmoid(linear_decay),
        jump=jax.nn.sigmoid(v_subreset),
        threshold=jax.nn.sigmoid(v_threshold),
        decay=lambda tau, dt: tau,
        fire=FIRE,
    )
    return parity.played(n, x)


def parallel(make):
    """A layer that steps nothing, with its weights."""

    def model(x, v0, weight, bias):
        layer = make(nnx.Rngs(0))
        layer.weight[...], layer.bias[...] = weight, bias.reshape(layer.bias[...].shape)
        return {"s": layer(x)[1]}

    return model


def analog(name):
    """LIAF: a LIF that shows a function of its membrane in the place of its spikes; the charged one, by the states of two steps."""
    n = LIF(3.0, gain=current, decay=euler, fire=FIRE, reset=resetting(name))

    def model(x, v0):
        result = parity.played(n, x, v=v0)
        d = n.decay(n.tau, n.dt)
        h = d * jnp.concatenate([v0[None], result["v"][:-1]]) + n.gain(d) * x
        return result | {"s": jnp.tanh(h if "membrane" in name else h - 1)}

    return model


def heard(name):
    """A node in a container that adds what the node did the step before, or mixes it with the inputs."""
    reset = subtract if name in ("hears itself", "hears the others") else resetting(name)
    scheme = {"decay": euler, "fire": FIRE, "reset": reset}
    if "itself" in name:
        return lambda: Autapse(IF(fire=FIRE, reset=reset) if "IF" in name else LIF(3.0, gain=current, **scheme), 1.0)

    def model(x, v0, rc_weight, rc_bias):
        inputs, outputs = rc_weight[:, :5], rc_weight[:, 5:]
        return parity.played(FedBack(LIF(3.0, **scheme), outputs.T), x @ inputs.T + rc_bias, v=v0)

    return model


def equal(name):
    """The neuron that a case names, as a function of the parameters that SpikingJelly learns."""
    kind = name.partition(",")[0]
    reset, gain = resetting(name), charge if "undecayed" in name else current
    fire = FIRE if "default surrogate" not in name else {"LIF": spikingjelly.Sigmoid()}.get(kind, spikingjelly.Rect())
    scheme = {"decay": euler, "fire": fire}
    if kind == "LIAF":
        return analog(name)
    if kind.startswith("hears"):
        return heard(name)
    if kind == "IF":
        return lambda: IF(fire=fire, reset=reset)
    if kind == "ParametricLIF":
        if gain is current:
            return lambda w: PLIF(w=w, fire=fire, reset=reset)
        # Inputs that the leak does not scale are a LIF's, of the time constant 1 / sigmoid(w).
        return lambda w: LIF(tau=1 / jax.nn.sigmoid(w), gain=gain, reset=reset, **scheme)
    if kind == "LIF":
        tau = 2.0 if "exact" in name else 3.0
        return lambda: LIF(tau, v_rest=-0.2 if "-0.2" in name else 0.0, gain=gain, reset=reset, **scheme)
    if kind == "QIF":
        return lambda: QIF(v_c=0.6 if "soft" in name else 0.8, fire=fire, reset=resetting(name, -0.1))
    if kind == "EIF":
        return lambda: EIF(delta_t=1.0 if "defaults" in name else 0.4, fire=fire, reset=resetting(name, -0.1))
    if kind == "Izhikevich":
        others = {"a": 0.0, "b": 0.0} if "defaults" in name else {"a": 0.1, "b": 0.2, "tau_w": 3.0}
        return lambda: AdQIF(fire=fire, reset=reset, **others)
    if kind == "KLIF":
        undo = {"undo": undone_scale} if "scaled" in name else {}
        return lambda k: KLIF(k, 2.0, gain=gain, reset=reset, **undo, **scheme)
    if kind == "CLIF":
        return lambda: CLIF(**scheme)
    if kind == "CUBALIF":
        threshold = 1.0 if "soft" in name else 0.5
        return lambda: Synaptic.from_alpha_beta(0.5, 0.75, threshold=threshold, fire=fire, reset=reset)
    if kind == "TernaryIF":
        return lambda: TernaryLIF(jnp.inf, reset=reset, **scheme)
    if kind == "TernaryLIF":
        return lambda: TernaryLIF(2.0, gain=current, reset=reset, **scheme)
    if kind == "ILIF":
        tau, threshold = (2.0, 0.8) if "detached" in name else (4 / 3, 1.0)
        return lambda: IntegerLIF(tau, threshold, reset=detached(subtract) if "detached" in name else subtract, decay=euler)
    if kind == "RAF":
        b, omega, reset = (-0.1, 0.6, subtract) if "soft" in name else (-0.2, 1.0, to_value(0.0))
        return lambda: RF(omega, -1 / b, part=imaginary, reset_v=reset, fire=fire)
    return {
        "GLIF": gated,
        "PSN": parallel(lambda rngs: nn.PSN(20, rngs=rngs)),
        "MaskedPSN": parallel(lambda rngs: nn.MaskedPSN(4, 20, lambda_=0.5 if "half" in name else 1.0, rngs=rngs)),
        "SlidingPSN": parallel(lambda rngs: nn.SlidingPSN(5 if "drawn" in name else 3, rngs=rngs)),
        "NonSpikingLIF": lambda x, v0: parity.played(LI(3.0, gain=current, decay=euler), x),
    }[kind]


CASES = parity.cases("spikingjelly")


def but(name):
    """Layers that begin with nothing have no v0."""
    return ("d:v0",) if name.partition(",")[0] in ("GLIF", "PSN", "MaskedPSN", "SlidingPSN", "NonSpikingLIF") else ()


@pytest.mark.parametrize("source", parity.SOURCES)
@pytest.mark.parametrize("name", CASES)
def test_the_same_neuron(name, source):
    reference = parity.trace("spikingjelly", name, source)
    parity.check(parity.run(equal(name), reference), reference, exact=name.endswith("exact"), but=but(name))


def test_versions():
    assert set(parity.versions("spikingjelly")) == {"torch", "spikingjelly"}


def test_the_defaults_of_plif_are_those_of_sew_resnet():
    assert PLIF() == PLIF(w=0.0, fire=FIRE, reset=detached(to_value(0.0)))
    assert PLIF.from_tau(3.0).w == pytest.approx(parity.golden("spikingjelly")["ParametricLIF, hard"]["p:w"], rel=1e-6)


# A wrong input gain, reset or gradient would show: each case has a neighbour whose trace is not its own.
NEAR = {
    "LIF, hard, exact": "LIF, hard, undecayed, exact",
    "LIF, hard": "LIF, hard, undecayed",
    "ParametricLIF, soft": "ParametricLIF, hard",
    "QIF, soft": "QIF",
    "EIF": "EIF, defaults",
    "Izhikevich": "Izhikevich, defaults",
    "KLIF": "KLIF, scaled",
    "KLIF, scaled": "KLIF, scaled, soft",
    "CUBALIF": "CUBALIF, soft",
    "TernaryIF, soft": "TernaryIF, hard",
    "ILIF": "ILIF, detached",
    "RAF": "RAF, soft",
    "MaskedPSN": "MaskedPSN, half",
    "hears itself": "LIF, soft",
    "hears the others, hard, detached": "hears the others",
}


@pytest.mark.parametrize("name", NEAR)
def test_a_near_miss_flips_spikes(name):
    assert parity.flips(equal(NEAR[name]), parity.golden("spikingjelly")[name])


NEXT = {
    "a reset a step later": ("LIF, soft, undecayed", NextStepReset),
    "a reset to zero a step later": ("LIF, hard", NextStepReset),
    "a reset of a learned leak a step later": ("ParametricLIF, soft", NextStepReset),
    "a spike a step late": ("LIF, hard", Late),
    "a node that hears itself at the wrong end": ("hears itself", lambda n: Late(n.neuron)),
}


@pytest.mark.parametrize("name", NEXT)
def test_what_comes_a_step_late_flips_spikes(name):
    case, wrap = NEXT[name]
    assert parity.flips(lambda **p: wrap(equal(case)(**p)), parity.golden("spikingjelly")[case])


def test_a_node_that_hears_the_others_hears_their_outputs_not_they_its():
    reference = parity.golden("spikingjelly")["hears the others"]

    def turned(x, v0, rc_weight, rc_bias):
        return equal("hears the others")(x, v0, jnp.concatenate([rc_weight[:, :5], rc_weight[:, 5:].T], 1), rc_bias)

    assert parity.flips(turned, reference)


# All spikes agree, and the gradients do not.
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("IF, hard", "IF, hard, detached"),
        ("LIF, soft, undecayed, detached", "LIF, soft, undecayed"),
        ("LIF, default surrogate", "LIF, hard"),
        ("CLIF, default surrogate", "CLIF"),
        ("CUBALIF, default surrogate", "CUBALIF"),
        ("EIF", "EIF, detached"),
        ("Izhikevich, detached", "Izhikevich"),
        ("TernaryIF, hard", "TernaryIF, hard, detached"),
        ("TernaryLIF, soft, detached", "TernaryLIF, soft"),
        ("ParametricLIF, hard, detached", "ParametricLIF, hard"),
    ],
)
def test_a_near_miss_bends_gradients(name, wrong):
    reference = parity.golden("spikingjelly")[name]
    result = parity.run(equal(wrong), reference)
    np.testing.assert_array_equal(result["s"], reference["s"])
    assert np.abs(result["d:x"] - reference["d:x"]).max() > 1e-2 * np.abs(reference["d:x"]).max()


STRICT = {
    "LIF, hard, exact": LIF(2.0, decay=euler, gain=current, reset=to_value(0.0)),
    "IF, hard, exact": IF(reset=to_value(0.0)),
    "TernaryIF, soft, exact": TernaryLIF(jnp.inf),
}


@pytest.mark.parametrize("name", STRICT)
def test_a_membrane_at_the_threshold_fires(name):
    assert parity.flips(lambda: STRICT[name], parity.golden("spikingjelly")[name])


# ---- surrogates -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", parity.surrogates("spikingjelly"))
def test_the_same_surrogate(call):
    parity.same_slopes("spikingjelly", call)


def test_every_surrogate_of_the_library_is_compared():
    assert {call.partition("(")[0] for call in parity.surrogates("spikingjelly")} == set(surrogate.spikingjelly.__all__)
    assert inclusive(atan(2.0)) == FIRE
