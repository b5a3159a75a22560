"""snnTorch's neurons and surrogates: which neuron of mxsnn equals which of its modes, and which modes are other neurons."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import surrogate
from mxsnn.discrete import euler
from mxsnn.neurons import LI, LIF, Alpha, Autapse, Lapicque, Late, NextStepReset, Synaptic
from mxsnn.nn.layers import FedBack
from mxsnn.reset import detached, none, subtract, to_value
from tests.golden import parity

ZERO, SUBTRACT = detached(to_value(0.0)), detached(subtract)


def tau(beta):
    """The time constant (ms) of what retains `beta` in a step of 1 ms."""
    return -1 / jnp.log(beta)


def leaky(reset, wrapped=lambda n: n):
    """The LIF that retains `beta` a step, as a differentiable function of it."""
    return lambda beta, threshold: wrapped(LIF(tau(beta), threshold=threshold, reset=reset))


def synaptic(reset, wrapped=NextStepReset):
    return lambda alpha, beta, threshold: wrapped(Synaptic(tau(beta), tau(alpha), threshold=threshold, reset=reset))


def one_to_one(reset):
    return lambda beta, threshold, V: Autapse(NextStepReset(LIF(tau(beta), threshold=threshold, reset=reset)), V)


def all_to_all(x, v0, beta, threshold, recurrent_weight, recurrent_bias):
    n = NextStepReset(LIF(tau(beta), threshold=threshold, reset=SUBTRACT))
    return parity.played(FedBack(n, recurrent_weight.T), x + recurrent_bias, v=v0)


def synaptic_one_to_one(reset):
    return lambda alpha, beta, threshold, V: Autapse(synaptic(reset)(alpha, beta, threshold), V)


def synaptic_all_to_all(x, v0, alpha, beta, threshold, recurrent_weight, recurrent_bias):
    n = synaptic(SUBTRACT)(alpha, beta, threshold)
    return parity.played(FedBack(n, recurrent_weight.T), x + recurrent_bias, v=v0)


def alpha(reset, reset_current):
    """The layer records two currents, of which ours is the first; what it calls its membrane is no state, so it starts at rest."""

    def model(x, v0, threshold):
        n = Alpha.from_alpha_beta(0.85, 0.7, threshold=threshold, reset=reset, reset_current=reset_current)
        result = parity.played(NextStepReset(n), x)
        return result | {"excitation": result["i"]}

    return model


def lapicque(reset, make=lambda threshold, **others: Lapicque(2.0, 2.5, threshold=threshold, **others)):
    return lambda threshold: NextStepReset(make(threshold, decay=euler, reset=reset))


def lapicque_of_beta(threshold, **others):
    return Lapicque.from_beta(0.8, threshold=threshold, **others)


EQUAL = {
    "none": leaky(none),
    "zero": leaky(ZERO),
    "zero, exact": leaky(ZERO),
    "zero, per neuron": leaky(ZERO),
    "zero, not delayed": leaky(to_value(0.0)),
    "subtract": leaky(SUBTRACT, NextStepReset),
    "subtract, exact": leaky(SUBTRACT, NextStepReset),
    "subtract, not delayed": leaky(subtract),
    "recurrent, one to one": one_to_one(SUBTRACT),
    "recurrent, one to one, zero": one_to_one(ZERO),
    "recurrent, all to all": all_to_all,
    "recurrent synaptic, one to one": synaptic_one_to_one(SUBTRACT),
    "recurrent synaptic, one to one, zero": synaptic_one_to_one(ZERO),
    "recurrent synaptic, all to all": synaptic_all_to_all,
    "synaptic": synaptic(SUBTRACT),
    "synaptic, exact": synaptic(SUBTRACT),
    "synaptic, zero": synaptic(ZERO),
    "synaptic, none": synaptic(none, lambda n: n),
    "synaptic, zero, not delayed": synaptic(to_value(0.0), lambda n: n),
    "alpha, zero": alpha(ZERO, ZERO),
    "alpha, none": alpha(none, none),
    "lapicque, beta": lapicque(SUBTRACT, lapicque_of_beta),
    "lapicque, R and C": lapicque(SUBTRACT),
    "lapicque, zero": lapicque(ZERO),
    "lapicque, none": lapicque(none),
}
OTHERS = {
    "membrane",
    "subtract, not delayed, residual",
    "alpha, subtract",
    "recurrent synaptic, zero, worked",
}  # with tests of their own


def reference(name, source="golden"):
    """The trace with the membrane after the reset: what Leaky delays of a reset to zero, it records before."""
    kept = parity.trace("snntorch", name, source)
    if name.startswith("zero") and "not delayed" not in name:
        return {**kept, "v": np.where(kept["s"] == 1, 0, kept["v"])}
    return kept


def but(name):
    """Alpha has one current here, and starts at rest; who discards the input after a spike never hears itself."""
    return ("inhibition", "d:v0") if name.startswith("alpha") else ("d:V",) if name == "recurrent, one to one, zero" else ()


def test_every_case_has_its_neuron():
    assert set(EQUAL) | OTHERS == set(parity.cases("snntorch"))
    assert set(parity.versions("snntorch")) == {"torch", "snntorch"}


@pytest.mark.parametrize("source", parity.SOURCES)
@pytest.mark.parametrize("name", EQUAL)
def test_the_same_neuron(name, source):
    kept = reference(name, source)
    parity.check(parity.run(EQUAL[name], kept), kept, exact=name.endswith("exact"), but=but(name))


@pytest.mark.parametrize("source", parity.SOURCES)
def test_the_membrane_of_a_leaky_integrator(source):
    kept = parity.trace("snntorch", "membrane", source)
    result = parity.run(lambda beta, threshold: LI(tau(beta)), kept)
    np.testing.assert_array_equal(result["s"], result["v"])  # its output is its membrane
    parity.check(result | {"s": kept["s"]}, kept, but=("d:threshold",))


# A neuron that is nearly the same: another spike, or where all spikes agree another gradient.
NEAR = {
    "the reset in its own step": ("subtract", leaky(SUBTRACT)),
    "the reset to zero a step later": ("zero", leaky(ZERO, NextStepReset)),
    "a reset to zero that lets the input pass": ("synaptic, zero", synaptic(ZERO, lambda n: n)),
    "the synapse's reset in its own step": ("synaptic", synaptic(SUBTRACT, lambda n: n)),
    "a spike a step late": ("subtract", leaky(SUBTRACT, lambda n: Late(NextStepReset(n)))),
    "feedback to the membrane instead of the current": (
        "recurrent synaptic, one to one",
        lambda alpha, beta, threshold, V: NextStepReset(
            Synaptic(tau(beta), tau(alpha), threshold=threshold, reset=lambda v, s, th: detached(subtract)(v, s, th) + V * s)
        ),
    ),
    "feedback from the others": (
        "recurrent synaptic, all to all",
        lambda x, v0, **p: synaptic_all_to_all(x, v0, **p | {"recurrent_weight": p["recurrent_weight"].T}),
    ),
    "inputs scaled by what leaks": ("zero", lambda beta, threshold: EQUAL["zero"](beta, threshold * (1 - beta))),
    "a step that retains beta": ("lapicque, beta", lambda threshold: NextStepReset(lapicque_of_beta(threshold, reset=SUBTRACT))),
    "a spike at the threshold": (
        "subtract, exact",
        lambda beta, threshold: NextStepReset(
            LIF(tau(beta), threshold=threshold, reset=SUBTRACT, fire=surrogate.inclusive(surrogate.atan()))
        ),
    ),
    "Alpha that subtracts a threshold": ("alpha, subtract", alpha(SUBTRACT, none)),
}


@pytest.mark.parametrize("name", NEAR)
def test_a_near_miss_flips_spikes(name):
    case, wrong = NEAR[name]
    kept = reference(case)
    differ = parity.run(wrong, kept)["s"] != kept["s"]
    assert differ.any()
    # Up to its first spike a neuron is the same, unless it is its input or its leak that differs.
    if "reset" in name:
        first = np.argmax(kept["s"], 0)
        assert all(np.argmax(d) > f for d, f in zip(differ[:, differ.any(0)].T, first[differ.any(0)], strict=True))


ATTACHED = {
    "zero": leaky(to_value(0.0)),
    "subtract": leaky(subtract, NextStepReset),
    "synaptic": synaptic(subtract),
    "recurrent, one to one": one_to_one(subtract),
    "recurrent synaptic, one to one": synaptic_one_to_one(subtract),
    "lapicque, R and C": lapicque(subtract),
}


@pytest.mark.parametrize("name", ATTACHED)
def test_a_reset_that_is_not_detached_has_other_gradients(name):
    kept = reference(name)
    result = parity.run(ATTACHED[name], kept)
    np.testing.assert_array_equal(result["s"], kept["s"])
    assert np.abs(result["d:x"] - kept["d:x"]).max() > 1e-2 * np.abs(kept["d:x"]).max()


def test_another_surrogate_has_other_gradients():
    kept = reference("zero")
    fast = surrogate.snntorch.fast_sigmoid()
    result = parity.run(lambda beta, threshold: LIF(tau(beta), threshold=threshold, reset=ZERO, fire=fast), kept)
    np.testing.assert_array_equal(result["s"], kept["s"])
    with pytest.raises(AssertionError, match="d:"):
        parity.check(result, kept)


# ---- what who ports from it should know -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", parity.SOURCES)
def test_a_residual_above_the_threshold_silences_its_subtraction_without_delay(source):
    kept = parity.trace("snntorch", "subtract, not delayed, residual", source)
    assert kept["s"].ravel().tolist() == [1, 0, 0, 0, 0, 0]
    # It sits above its threshold, and does not fire.
    np.testing.assert_allclose(kept["v"].ravel(), [1.7, 1.53, 1.377, 1.2393, 1.1154, 1.0038], atol=6e-5)
    ours = parity.run(leaky(subtract), kept)
    assert ours["s"].ravel().tolist() == [1, 1, 0, 0, 0, 0]
    np.testing.assert_allclose(ours["v"].ravel(), [1.7, 0.53, 0.477, 0.4293, 0.38637, 0.347733], rtol=1e-5)


def test_a_reset_to_zero_discards_the_input_after_a_spike_but_in_leaky():
    """The same drive: Leaky takes up the input of the step after a spike, Lapicque and the others lose it."""
    kept = parity.golden("snntorch")["lapicque, zero"]
    after = np.concatenate([np.zeros_like(kept["s"][:1]), kept["s"][:-1]]) == 1
    assert (kept["v"][after] == 0).all() and (kept["x"][after] != 0).all()
    leaky_ = parity.golden("snntorch")["zero"]
    after = np.concatenate([np.zeros_like(leaky_["s"][:1]), leaky_["s"][:-1]]) == 1
    np.testing.assert_array_equal(leaky_["v"][after], leaky_["x"][after])


@pytest.mark.parametrize("source", parity.SOURCES)
def test_rsynaptic_discards_it_from_its_membrane_alone(source):
    """With a current that forgets at once, the inputs that Leaky takes up: 1.2, 0.8, 1.52, ..."""
    kept = parity.trace("snntorch", "recurrent synaptic, zero, worked", source)
    assert kept["s"].ravel().tolist() == [1, 0, 0, 1, 0, 0]
    np.testing.assert_allclose(kept["v"].ravel(), [1.2, 0, 0.8, 1.52, 0, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(kept["i"], kept["x"])
    ours = parity.run(lambda alpha, beta, threshold, V: synaptic(ZERO)(jnp.exp(-100.0), beta, threshold), kept)
    np.testing.assert_allclose(ours["v"], kept["v"], rtol=1e-6)


@pytest.mark.peers
def test_what_raises_or_learns_nothing():
    """No oracle may be made of these: two constructors that raise where they promise to work, a decay that gets no gradient."""
    parity.maker("snntorch")
    import snntorch as snn
    import torch

    with pytest.raises(TypeError):
        snn.surrogate.LSO()(torch.ones(3))
    with pytest.raises((TypeError, KeyError)):
        snn.Alpha(alpha=0.9, beta=0.8, learn_alpha=True)
    layer = snn.Lapicque(beta=0.8, learn_beta=True)
    before = layer(torch.ones(3), torch.full((3,), 0.5))[1]
    layer.beta.data.fill_(0.3)
    assert torch.equal(before, layer(torch.ones(3), torch.full((3,), 0.5))[1])


def test_worked_example_of_the_default():
    n = leaky(SUBTRACT, NextStepReset)(0.5, 1.0)
    result = parity.played(n, jnp.asarray([0.9, 0.9, 0, 1.0, 0.6, 2.6, 0, 0]))
    assert result["s"].tolist() == [0, 1, 0, 0, 1, 1, 0, 0]
    np.testing.assert_allclose(result["v"], [0.9, 1.35, -0.325, 0.8375, 1.0188, 2.1094, 0.0547, 0.0273], atol=6e-5)
    gradient = jax.grad(lambda x: parity.played(n, x)["s"].sum())(jnp.asarray([0.9, 0.9, 0.9, 0.4]))
    np.testing.assert_allclose(gradient, [1.29, 0.7597, 0.614, 0.5092], atol=6e-5)


# ---- surrogates -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", parity.surrogates("snntorch"))
def test_the_same_surrogate(call):
    parity.same_slopes("snntorch", call)


def test_every_surrogate_of_the_library_is_compared():
    assert {call.partition("(")[0] for call in parity.surrogates("snntorch")} == set(surrogate.snntorch.__all__)


def test_its_surrogates_that_are_left_out():
    kept = parity.golden("snntorch")["surrogates"]
    u = kept["u"]
    np.testing.assert_array_equal(kept["not here: triangular()"], -np.sign(u))
    assert abs(u[np.argmax(kept["not here: spike_rate_escape()"])] - 1) < 0.02
    assert not kept["not here: SFS()"][u < 1].any()
    assert np.isnan(kept["sigmoid()"][u < -3.5]).all()  # which is 0 here
