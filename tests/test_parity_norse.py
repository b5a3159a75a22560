"""Norse's feed-forward cells and surrogates: which neuron of mxsnn, or which two in a row, equals each of them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import surrogate
from mxsnn.discrete import current, euler
from mxsnn.neurons import ALIF, EIF, IF, LI, LIF, AdEx, Izhikevich, Late, NextStepReset, Refractory, Synaptic
from mxsnn.neurons.refractory import integrating
from mxsnn.reset import detached, subtract
from tests.golden import parity

FIRE = surrogate.norse.super()
SCHEME = {"gain": current, "decay": euler}


def ms(inverse):
    """A time constant in ms of its inverse in 1/s."""
    return 1000 / inverse


def to(value):
    """A hard reset to a value that is learned, which is no constant as that of `to_value` is."""
    return lambda v, s, threshold: (1 - s) * v + s * value


def box(tau_mem_inv, v_th, v_reset, v_leak, fire=FIRE, reset=to, **others):
    reset = subtract if reset is subtract else reset(v_reset)
    return LIF(ms(tau_mem_inv), v_rest=v_leak, threshold=v_th, fire=fire, reset=reset, **SCHEME | others)


def synaptic(tau_syn_inv, tau_mem_inv, v_th, v_reset, v_leak, **others):
    given = {"v_rest": v_leak, "threshold": v_th, "fire": FIRE, "reset": to(v_reset)} | SCHEME | others
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
    n = EIF(ms(tau_mem_inv), v_leak, theta_rh=v_th, delta_t=delta_T, threshold=v_th, fire=FIRE, reset=to(v_reset))
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
        **{"fire": FIRE, "reset": to(v_reset)} | how,
    )
    return parity.played(n, i, v=v0) | {"i": shown}


def adaptive_threshold(x, v0, tau_syn_inv, tau_mem_inv, v_th, v_reset, v_leak, beta, tau_adapt_inv, late=True):
    """LSNN: the membrane reads the current of the step before, and the threshold decays before the test.

    What the threshold exceeds v_th by is here what the next test will find: a = r (B - v_th), which jumps by r beta.
    """
    i, _ = synapse(x, tau_syn_inv)
    r = 1 - tau_adapt_inv / 1000
    drive = jnp.concatenate([0 * i[:1], i[:-1]]) if late else i
    n = ALIF(ms(tau_mem_inv), ms(tau_adapt_inv), r * beta, v_th, fire=FIRE, reset=to(v_reset), **SCHEME)
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
    "IAF": lambda v_th, v_reset: IF(threshold=v_th, fire=FIRE, reset=to(v_reset)),
    "IAF, exact": lambda v_th, v_reset: IF(threshold=v_th, fire=FIRE, reset=to(v_reset)),
    "LSNN": adaptive_threshold,
}

OTHERS = {name for name in parity.cases("norse") if name.startswith("Izhikevich")}  # of another integrator


def but(name, kept):
    """Its refractory counter has gradients, by the surrogate of its test; a reset that subtracts has no value to learn."""
    if name.startswith("LIFRefrac"):
        return tuple(key for key in kept if key.startswith("d:"))
    return {"LIFBox, subtract": ("d:v_reset",), "LIFBox, exact": ("d:tau_mem_inv",)}.get(name, ())


def test_every_case_has_its_neuron():
    assert set(EQUAL) | OTHERS == set(parity.cases("norse"))
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
    "a reset a step later": ("LIFBox", lambda **p: NextStepReset(box(**p))),
    "a spike a step late": ("LIFBox", lambda **p: Late(box(**p))),
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
        "LIFBox": lambda **p: box(**p, reset=lambda v: detached(to(v))),
        "LIFAdEx": lambda x, v0, **p: adaptive_exponential(x, v0, **p, reset=detached(to(p["v_reset"]))),
    }[name]
    result = parity.run(wrong, kept)
    np.testing.assert_array_equal(result["s"], kept["s"])
    assert np.abs(result["d:x"] - kept["d:x"]).max() > 1e-2 * np.abs(kept["d:x"]).max()


# ---- Izhikevich: one Euler step, u by the old v; the paper and mxsnn take two half steps of v, then u by the new v ---------------


def izhikevich(n):
    """From Norse's own state: v0, and b v0."""
    return lambda x, v0: parity.played(n, x, v=v0, u=0.2 * v0)


OURS = {
    "Izhikevich": (Izhikevich(d=6.0, dt=0.25), 0.2),
    "Izhikevich, 200 ms": (Izhikevich(d=6.0, dt=0.25), 0.0),
    "Izhikevich, 200 ms, bursting": (Izhikevich.chattering(dt=0.25), 0.1),
}


@pytest.mark.parametrize("source", parity.SOURCES)
@pytest.mark.parametrize("name", OURS)
def test_its_izhikevich_is_another_integrator_of_much_the_same_rate(name, source):
    kept, (n, apart) = parity.trace("norse", name, source), OURS[name]
    result = parity.run(izhikevich(n), kept)
    assert (result["s"] != kept["s"]).any()
    assert abs(result["s"].sum() - kept["s"].sum()) <= apart * kept["s"].sum()


def test_the_intervals_of_its_izhikevich_are_ours_and_its_bursts_a_spike_longer():
    def intervals(name):
        result = parity.run(izhikevich(OURS[name][0]), parity.golden("norse")[name])
        return (np.diff(np.flatnonzero(s)) / 4 for s in (result["s"], parity.golden("norse")[name]["s"]))  # ms

    ours, norse = intervals("Izhikevich, 200 ms")
    np.testing.assert_allclose(ours, norse, rtol=0.02)
    ours, norse = (np.flatnonzero(gaps > 20) for gaps in intervals("Izhikevich, 200 ms, bursting"))
    assert set(np.diff(ours)) == {4} and set(np.diff(norse)) == {5}


@pytest.mark.parametrize("source", parity.SOURCES)
def test_worked_example_of_its_izhikevich(source):
    """With a step of 1 ms, from jaxpike's initial state."""
    kept = parity.trace("norse", "Izhikevich, worked", source)
    assert kept["s"].ravel().tolist() == [0, 0, 0, 1, 0]
    np.testing.assert_allclose(kept["v"].ravel(), [-54, -40.36, -10.0468, -65, -62.3587], atol=6e-5)
    np.testing.assert_allclose(kept["u"].ravel(), [-13, -12.956, -12.8583, -4.6413, -4.8085], atol=6e-5)
    result = parity.run(izhikevich(Izhikevich()), kept)
    np.testing.assert_array_equal(result["s"], kept["s"])  # so early, the trains are one still
    assert (np.abs(result["v"] - kept["v"]).ravel()[:3] > 0.05).all()


# ---- surrogates -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", parity.surrogates("norse"))
def test_the_same_surrogate(call):
    parity.same_slopes("norse", call)


def test_every_surrogate_of_the_library_is_compared():
    assert {call.partition("(")[0] for call in parity.surrogates("norse")} == set(surrogate.norse.__all__)


def test_its_default_ignores_alpha():
    kept = parity.golden("norse")["surrogates"]
    np.testing.assert_array_equal(kept["not here: super(7.0)"], kept["super()"])
