"""Norse's feed-forward cells and surrogates: which neuron of mxsnn, or which two in a row, equals each of them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import surrogate
from mxsnn.discrete import current, euler
from mxsnn.neurons import ALIF, EIF, IF, LI, LIF, AdEx, Izhikevich, Refractory, Synaptic
from mxsnn.neurons.refractory import integrating
from mxsnn.reset import detached, subtract, to_value
from tests.golden import parity

FIRE = surrogate.norse.super()
SCHEME = {"gain": current, "decay": euler}


def ms(inverse):
    """A time constant in ms of its inverse in 1/s."""
    return 1000 / inverse


def box(tau_mem_inv, v_th, v_reset, v_leak, fire=FIRE, reset=to_value, **others):
    reset = subtract if reset is subtract else reset(v_reset)
    return LIF(ms(tau_mem_inv), v_rest=v_leak, threshold=v_th, fire=fire, reset=reset, **SCHEME | others)


def synaptic(tau_syn_inv, tau_mem_inv, v_th, v_reset, v_leak, **others):
    given = {"v_rest": v_leak, "threshold": v_th, "fire": FIRE, "reset": to_value(v_reset)} | SCHEME | others
    return Synaptic(ms(tau_mem_inv), ms(tau_syn_inv), **given)


def shown_after_its_decay(result, tau_syn_inv):
    """The current as Norse's state has it: what the next step finds."""
    return result | ({"i": (1 - tau_syn_inv / 1000) * result["i"]} if "i" in result else {})


def cell(x, v0, **p):
    return shown_after_its_decay(parity.played(synaptic(**p), x, v=v0), p["tau_syn_inv"])


def refractory(steps, **how):
    def model(x, v0, **p):
        n = Refractory(synaptic(**p), float(steps), **how)
        return shown_after_its_decay(parity.played(n, x, v=v0), p["tau_syn_inv"])

    return model


def synapse(x, tau_syn_inv):
    """Inputs that charge a current: `(what the membrane reads, what Norse's state shows)`."""
    i = parity.played(LI(ms(tau_syn_inv), decay=euler), x)["v"]
    return i, (1 - tau_syn_inv / 1000) * i


def integrator(x, v0, tau_mem_inv, v_leak):
    return parity.played(LI(ms(tau_mem_inv), v_leak, **SCHEME), x, v=v0)


def integrator_of_a_synapse(x, v0, tau_syn_inv, tau_mem_inv, v_leak):
    i, shown = synapse(x, tau_syn_inv)
    return integrator(i, v0, tau_mem_inv, v_leak) | {"i": shown}


def exponential(x, v0, tau_syn_inv, tau_mem_inv, v_th, v_reset, v_leak, delta_T):
    """Its exponential rises at the threshold."""
    i, shown = synapse(x, tau_syn_inv)
    n = EIF(ms(tau_mem_inv), v_leak, theta_rh=v_th, delta_t=delta_T, threshold=v_th, fire=FIRE, reset=to_value(v_reset))
    return parity.played(n, i, v=v0) | {"i": shown}


def adaptive_exponential(
    x, v0, tau_syn_inv, tau_mem_inv, v_th, v_reset, v_leak, delta_T, adaptation_current, adaptation_spike, tau_ada_inv, **how
):
    i, shown = synapse(x, tau_syn_inv)
    n = AdEx(
        capacitance=ms(tau_mem_inv),
        conductance=1.0,
        v_rest=v_leak,
        theta_rh=v_th,
        delta_t=delta_T,
        tau_w=ms(tau_ada_inv),
        a=adaptation_current,
        b=adaptation_spike,
        threshold=v_th,
        **{"fire": FIRE, "reset": to_value(v_reset)} | how,
    )
    return parity.played(n, i, v=v0) | {"i": shown}


def adaptive_threshold(x, v0, tau_syn_inv, tau_mem_inv, v_th, v_reset, v_leak, beta, tau_adapt_inv, late=True):
    """LSNN: the membrane reads the current of the step before, and the threshold decays before the test.

    What the threshold exceeds v_th by is here what the next test will find: a = r (B - v_th), which jumps by r beta.
    """
    i, _ = synapse(x, tau_syn_inv)
    r = 1 - tau_adapt_inv / 1000
    drive = jnp.concatenate([0 * i[:1], i[:-1]]) if late else i
    n = ALIF(ms(tau_mem_inv), ms(tau_adapt_inv), r * beta, v_th, fire=FIRE, reset=to_value(v_reset), **SCHEME)
    result = parity.played(n, drive + v_leak, v=v0)
    return result | {"i": i, "b": v_th + result["a"] / r}


EQUAL = {
    "LIFBox": box,
    "LIFBox, exact": lambda **p: box(**p | {"tau_mem_inv": 500.0}),  # a number, whose quotient is exact
    "LIFBox, leaking to -0.2, reset to -0.3": box,
    "LIFBox, subtract": lambda **p: box(**p, reset=subtract),
    "LIFBox, tanh": lambda **p: box(**p, fire=surrogate.norse.tanh(2.0)),
    "LIF": cell,
    "LIF, leaking to -0.2, reset to -0.3": cell,
    "LIBox": integrator,
    "LI": integrator_of_a_synapse,
    "LIFRefrac": refractory(3),
    "LIFRefrac, with a synapse": refractory(2),
    "LIFEx": exponential,
    "LIFAdEx": adaptive_exponential,
    "IAF": lambda v_th, v_reset: IF(threshold=v_th, fire=FIRE, reset=to_value(v_reset)),
    "IAF, exact": lambda v_th, v_reset: IF(threshold=v_th, fire=FIRE, reset=to_value(v_reset)),
    "LSNN": adaptive_threshold,
}


def but(name, kept):
    """Its refractory counter has gradients, by the surrogate of its test; a reset that subtracts has no value to learn."""
    if name.startswith("LIFRefrac"):
        return tuple(key for key in kept if key.startswith("d:"))
    return {"LIFBox, subtract": ("d:v_reset",), "LIFBox, exact": ("d:tau_mem_inv",)}.get(name, ())


def test_every_case_has_its_neuron():
    assert set(EQUAL) | {"Izhikevich"} == set(parity.cases("norse"))
    assert set(parity.versions("norse")) == {"torch", "norse"}


@pytest.mark.parametrize("source", parity.SOURCES)
@pytest.mark.parametrize("name", EQUAL)
def test_the_same_neuron(name, source):
    kept = parity.trace("norse", name, source)
    parity.check(parity.run(EQUAL[name], kept), kept, exact=name.endswith("exact"), but=but(name, kept))


def test_the_refractory_counter_of_norse_has_a_gradient_and_ours_has_none():
    kept = parity.golden("norse")["LIFRefrac"]
    result = parity.run(EQUAL["LIFRefrac"], kept)
    np.testing.assert_array_equal(result["s"], kept["s"])
    assert np.abs(result["d:x"] - kept["d:x"]).max() > 1e-2 * np.abs(kept["d:x"]).max()


def test_spikes_are_three_dead_steps_apart():
    s = parity.golden("norse")["LIFRefrac"]["s"]
    assert s[:, 0, 4].sum() == 5 and np.diff(np.flatnonzero(s[:, 0, 4])).tolist() == [4] * 4  # it is driven at every step


NEAR = {
    "a spike at the threshold": ("LIFBox, exact", lambda **p: box(**p, fire=surrogate.inclusive(FIRE))),
    "an input that is not scaled": ("LIFBox", lambda **p: box(**p, gain=lambda decay: 1.0)),
    "an exact leak": ("LIFBox", lambda **p: box(**p, decay=lambda tau, dt: jnp.exp(-dt / tau))),
    "a reset that subtracts": ("LIFBox", lambda **p: box(**p, reset=subtract)),
    "a synapse that the membrane reads late": ("LIF", lambda x, v0, **p: cell(jnp.concatenate([0 * x[:1], x[:-1]]), v0, **p)),
    "a dead step less": ("LIFRefrac", refractory(2)),
    "a membrane that integrates while it may not fire": ("LIFRefrac", refractory(3, meanwhile=integrating)),
    "no adaptation": ("LIFAdEx", lambda x, v0, **p: adaptive_exponential(x, v0, **p | {"adaptation_spike": 0.0})),
    "a membrane that reads its current at once": ("LSNN", lambda x, v0, **p: adaptive_threshold(x, v0, **p, late=False)),
}


@pytest.mark.parametrize("name", NEAR)
def test_a_near_miss_flips_spikes(name):
    case, wrong = NEAR[name]
    assert parity.flips(wrong, parity.golden("norse")[case])


@pytest.mark.parametrize("name", ["LIFBox", "LIFAdEx"])
def test_a_reset_that_is_detached_has_other_gradients(name):
    kept = parity.golden("norse")[name]
    wrong = {
        "LIFBox": lambda **p: box(**p, reset=lambda v: detached(to_value(v))),
        "LIFAdEx": lambda x, v0, **p: adaptive_exponential(x, v0, **p, reset=detached(to_value(p["v_reset"]))),
    }[name]
    result = parity.run(wrong, kept)
    np.testing.assert_array_equal(result["s"], kept["s"])
    assert np.abs(result["d:x"] - kept["d:x"]).max() > 1e-2 * np.abs(kept["d:x"]).max()


def test_its_izhikevich_is_another_integrator():
    """One Euler step of a quarter of a millisecond, u by the old v: rates are alike, trains are not."""
    kept = parity.golden("norse")["Izhikevich"]

    def ours(x, v0):
        n = Izhikevich(a=0.02, b=0.2, d=6.0, dt=0.25)
        return parity.played(n, x, v=v0, u=0.2 * v0)

    result = parity.run(ours, kept)
    assert (result["s"] != kept["s"]).any()
    assert abs(result["s"].sum() - kept["s"].sum()) <= 0.2 * kept["s"].sum()


# ---- surrogates -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", parity.surrogates("norse"))
def test_the_same_surrogate(call):
    parity.same_slopes("norse", call)


def test_every_surrogate_of_the_library_is_compared():
    assert {call.partition("(")[0] for call in parity.surrogates("norse")} == set(surrogate.norse.__all__)


def test_its_default_ignores_alpha():
    kept = parity.golden("norse")["surrogates"]
    np.testing.assert_array_equal(kept["not here: super(7.0)"], kept["super()"])
