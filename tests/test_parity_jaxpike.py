"""jaxpike's neurons and surrogates: which neuron of mxsnn equals each of them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import surrogate, unroll
from mxsnn.discrete import current, euler
from mxsnn.neurons import ALIF, LI, LIF, Izhikevich, Late, NextStepReset
from mxsnn.reset import detached, none, subtract, to_value
from tests.golden import parity

FIRE = surrogate.jaxpike.ATan()
MILLIVOLTS = surrogate.jaxpike.ATan(2.0 / 5)  # of a distance in mV, which jaxpike divides by 5


def lif(name, **others):
    reset = to_value(0.0) if "zero" in name else subtract
    fire = surrogate.jaxpike.FastSigmoid() if "default surrogate" in name else FIRE
    given = {"fire": fire, "reset": reset, "gain": current, "dt": 0.5 if "half" in name else 1.0} | others
    return lambda log_tau, threshold: LIF(jnp.exp(log_tau), threshold=threshold, **given)


def adaptive(name, **others):
    given = {"gain": current, "fire": FIRE, "reset": to_value(0.0) if "zero" in name else subtract} | others
    return lambda log_tau, log_tau_a, beta, threshold: ALIF(jnp.exp(log_tau), jnp.exp(log_tau_a), beta, threshold, **given)


def shown_unscaled(of):
    """jaxpike's `a` counts spikes, ours is what they raise the threshold by: beta times as much."""

    def model(x, v0, beta, **parameters):
        result = parity.played(of(beta=beta, **parameters), x, v=v0)
        return result | {"a": result["a"] / beta}

    return model


def izhikevich(name, **others):
    """From jaxpike's own state: v0, and b v0."""
    given = {"fire": MILLIVOLTS, "dt": 0.03 if "unclipped" in name else 1.0} | others
    return lambda x, v0, **numbers: parity.played(Izhikevich(**given | numbers), x, v=v0, u=numbers["b"] * v0)


EQUAL = {
    **{name: lif(name) for name in parity.cases("jaxpike") if name.startswith("LIF")},
    **{name: shown_unscaled(adaptive(name)) for name in parity.cases("jaxpike") if name.startswith("ALIF")},
    "LinearLIF": lif("LinearLIF", reset=none),
    "LinearLIF, parallel": lif("LinearLIF", reset=none),
    "LeakyIntegrator": lambda log_tau: LI(jnp.exp(log_tau), gain=current),
    **{name: izhikevich(name) for name in parity.cases("jaxpike") if name.startswith("Izhikevich")},
}


def but(name):
    """A spike beyond 40 mV is clipped there and has no gradient, which makes another one of the whole."""
    clipped = name.startswith("Izhikevich") and "unclipped" not in name
    return tuple(f"d:{key}" for key in ("x", "v0", "a", "b", "c", "d")) if clipped else ()


def test_every_case_has_its_neuron():
    assert set(EQUAL) == set(parity.cases("jaxpike"))
    assert set(parity.versions("jaxpike")) == {"jax", "jaxpike"}


@pytest.mark.parametrize("source", parity.SOURCES)
@pytest.mark.parametrize("name", EQUAL)
def test_the_same_neuron(name, source):
    kept = parity.trace("jaxpike", name, source, gradients=1e-4)  # it is of JAX, each version of which rounds its own way
    # Its decays are exponentials of exponentials, which each JAX rounds its own way, and slow neurons amplify that.
    amplified = 20.0 if name.startswith("Izhikevich") else 5.0 if source == "live" else 1.0
    parity.check(parity.run(EQUAL[name], kept), kept, but=but(name), amplified=amplified)


def test_worked_examples():
    def shown(name):
        kept = parity.golden("jaxpike")[name]
        return kept["v"].ravel(), "".join("01"[int(s)] for s in kept["s"].ravel()), kept

    v, train, _ = shown("LIF, worked")
    np.testing.assert_allclose(v, [0.45, 0.675, 0.3375, 0.6687, 0.6344, 0.6172, 0.3086, 0.1543], atol=6e-5)
    assert train == "00000100"
    v, train, _ = shown("LIF, worked, doubled")
    np.testing.assert_allclose(v, [0.9, 0.35, 0.175, 0.0875, 0.6437, 1.9219, 0.9609, 0.4805], atol=6e-5)
    assert train == "01010100"
    v, train, _ = shown("ALIF, worked")
    np.testing.assert_allclose(v, [0.2, 1.3, 0.61, 0.013, 1.2065, 0.2484, 1.3242, 0.267], atol=6e-5)
    assert train == "10110101"
    v, train, kept = shown("Izhikevich, worked")
    np.testing.assert_allclose(v, [-53.945, -37.0497, 24.6969, -65, -63.003, -60.993], atol=1e-4)
    np.testing.assert_allclose(kept["u"].ravel(), [-12.9558, -12.8449, -12.4892, -4.0794, -4.2498, -4.4088], atol=6e-5)
    assert train == "000100"


def test_what_it_clips_has_other_gradients():
    kept, free = (parity.golden("jaxpike")[name] for name in ("Izhikevich", "Izhikevich, unclipped"))
    assert free["s"].any(0).all()  # with gradients that are compared
    result = parity.run(EQUAL["Izhikevich"], kept)
    np.testing.assert_array_equal(result["s"], kept["s"])
    assert np.abs(result["d:x"] - kept["d:x"]).max() > 1e-2 * np.abs(kept["d:x"]).max()


# A neuron that is nearly the same: another spike.
NEAR = {
    "a reset a step later": ("LIF", lambda **p: NextStepReset(lif("LIF")(**p))),
    "a reset to zero": ("LIF", lif("LIF", reset=to_value(0.0))),
    "a reset that subtracts": ("LIF, zero", lif("LIF, zero", reset=subtract)),
    "a reset where there is none": ("LinearLIF", lif("LinearLIF")),
    "a spike a step late": ("LIF", lambda **p: Late(lif("LIF")(**p))),
    "a spike at the threshold": ("LIF, exact at the threshold", lif("LIF, exact", fire=surrogate.inclusive(FIRE))),
    "an input that is not scaled": ("LIF", lif("LIF", gain=lambda decay: 1.0)),
    "Euler's leak": ("LIF", lif("LIF", decay=euler)),
    "a step of a millisecond": ("LIF, half a step", lif("LIF")),
    "a jump that is a weight": (
        "ALIF",
        lambda log_tau, log_tau_a, beta, threshold: adaptive("ALIF")(
            log_tau, log_tau_a, beta * (1 - jnp.exp(-jnp.exp(-log_tau_a))), threshold
        ),
    ),
    "an adaptive neuron whose reset comes a step later": ("ALIF", lambda **p: NextStepReset(adaptive("ALIF")(**p))),
    "an adaptive neuron that is reset to zero": ("ALIF", adaptive("ALIF, zero")),
    "recovery without its jump": ("Izhikevich", lambda x, v0, **p: izhikevich("Izhikevich")(x, v0, **p | {"d": 0.0})),
    "a reset to another value": ("Izhikevich", lambda x, v0, **p: izhikevich("Izhikevich")(x, v0, **p | {"c": -60.0})),
    "a millivolt less": ("Izhikevich", izhikevich("Izhikevich", threshold=25.0)),
}


@pytest.mark.parametrize("name", NEAR)
def test_a_near_miss_flips_spikes(name):
    case, wrong = NEAR[name]
    assert parity.flips(wrong, parity.golden("jaxpike")[case])


DETACHED = {
    "LIF": lif("LIF", reset=detached(subtract)),
    "LIF, zero": lif("LIF, zero", reset=detached(to_value(0.0))),
    "ALIF": adaptive("ALIF", reset=detached(subtract)),
}


@pytest.mark.parametrize("name", DETACHED)
def test_a_reset_that_is_detached_has_other_gradients(name):
    kept = parity.golden("jaxpike")[name]
    result = parity.run(DETACHED[name], kept)
    np.testing.assert_array_equal(result["s"], kept["s"])
    assert np.abs(result["d:x"] - kept["d:x"]).max() > 1e-2 * np.abs(kept["d:x"]).max()


@pytest.mark.parametrize("source", parity.SOURCES)
def test_the_parallel_one_is_the_one_step_by_step(source):
    kept = parity.trace("jaxpike", "LinearLIF, parallel", source)
    n = lif("LinearLIF", reset=none)(jnp.asarray(kept["p:log_tau"]), jnp.asarray(kept["p:threshold"]))
    start = n.init(kept["v0"].shape)._replace(v=jnp.asarray(kept["v0"]))
    np.testing.assert_array_equal(unroll(n, jnp.asarray(kept["x"]), start, backend="associative")[1], kept["s"])


# ---- surrogates -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", parity.surrogates("jaxpike"))
def test_the_same_surrogate(call):
    parity.same_slopes("jaxpike", call)


def test_every_surrogate_of_the_library_is_compared():
    assert {call.partition("(")[0] for call in parity.surrogates("jaxpike")} == set(surrogate.jaxpike.__all__)
