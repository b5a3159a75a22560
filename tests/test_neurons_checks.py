"""What a new neuron is asked, over the registry: parameters are numbers, functions functions; and what is built from arrays."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mxsnn import nn, unroll
from mxsnn.discrete import charge, euler, exponential, lost_of
from mxsnn.neurons import GLIF, LIF, NEURONS, PLIF, RF, Late, SEAdLIF, neuron, static
from mxsnn.neurons._checks import KINDS, refuse_no_neuron
from mxsnn.reset import detached, subtract, to_value
from mxsnn.surrogate import atan, inclusive, snntorch
from mxsnn.typing import Array, Fire

FIELDS = [(name, f.name, f) for name, cls in sorted(NEURONS.items()) for f in dataclasses.fields(cls) if f.name != "neuron"]
PARAMETERS = [(name, field) for name, field, f in FIELDS if not f.metadata.get("static")]
FUNCTIONS = [(name, field, f.type) for name, field, f in FIELDS if f.type in {kind.name for kind in KINDS}]
WRONG = {
    "Fire": ["atan", None, 2.0, atan, snntorch.fast_sigmoid, inclusive, Late, subtract],
    "Reset": ["zero", None, 0.0, to_value, detached, atan(), exponential],
    "Gain": ["charge", None, 1.0, exponential],
    "Decay": ["euler", None, 0.9, charge],
}
MAKERS = atan, snntorch.fast_sigmoid, inclusive, Late, to_value, detached


@pytest.mark.parametrize(("name", "field"), PARAMETERS, ids=".".join)
def test_what_is_no_number_is_refused_at_once(name, field):
    for wrong in ("20", None, [20.0, 30.0], (20.0,), {"tau": 20.0}, float, jnp.exp):
        with pytest.raises(TypeError, match=rf"{name}\.{field} is a number or an array of numbers; got ") as error:
            dataclasses.replace(NEURONS[name](), **{field: wrong})
        assert ("take jnp.array(...)" in str(error.value)) == isinstance(wrong, list | tuple)


@pytest.mark.parametrize(("name", "field", "kind"), FUNCTIONS, ids=lambda v: v)
def test_what_is_no_such_function_is_refused_at_once(name, field, kind):
    for wrong in WRONG[kind]:
        with pytest.raises(TypeError, match=rf"{name}\.{field} is a .*, such as .*; got ") as error:
            dataclasses.replace(NEURONS[name](), **{field: wrong})
        assert ("when it is called: " in str(error.value)) == (wrong in MAKERS)


def test_functions_of_ones_own_are_taken():
    class Mine:
        def __call__(self, v, s, threshold, strength=0.5):
            return v - strength * s

    own = LIF(fire=lambda u: jnp.where(u > 0, 1.0, 0.0), reset=Mine(), gain=abs, decay=jax.jit(euler))
    assert unroll(own, jnp.full((3, 1), 0.8))[1].tolist() == [[0], [1], [1]]


def test_annotations_that_are_no_text_are_understood(monkeypatch):
    monkeypatch.setattr("mxsnn.neurons._base.NEURONS", dict(NEURONS))
    body = {"__annotations__": {"fire": Fire}, "fire": static(default=atan()), "init": LIF.init, "step": LIF.step}
    mine = neuron(type("Mine", (), body))
    assert mine().fire == atan()
    with pytest.raises(TypeError, match=r"Mine.fire is a surrogate, such as surrogate.atan\(\); got 'atan'"):
        mine(fire="atan")


@pytest.mark.parametrize("wrong", [LIF, "LIF", None, 5])
def test_what_is_no_neuron_is_refused(wrong):
    for who, take in [("unroll", lambda n: unroll(n, jnp.ones((3, 2)))), ("Spiking", nn.Spiking), ("Late", Late)]:
        with pytest.raises(TypeError, match=rf"{who} takes a neuron, such as LIF\(\); got .*{'take LIF' if wrong is LIF else ''}"):
            take(wrong)
    with pytest.raises(TypeError, match="Recurrent takes a neuron"):
        nn.Recurrent(wrong, 3, rngs=nnx.Rngs(0))
    refuse_no_neuron("nobody", LIF())


def test_parameters_wider_than_the_state_are_said_to_be():
    with jax.enable_x64(True):
        n = LIF(tau=np.array([10.0, 20.0]))
        assert unroll(n, jnp.ones((3, 2), jnp.float64))[0].v.dtype == jnp.float64
        with pytest.raises(ValueError, match=r"expected float32\[2\], got float64\[2\]; give inputs in float64 as well"):
            unroll(n, jnp.ones((3, 2), jnp.float32))


# ---- constructors in other words, of one number for each neuron ------------------------------------------------------------------

TWO = {
    "PLIF.from_tau": (PLIF.from_tau, {"tau": (3.0, 20.0)}),
    "GLIF.from_gates": (GLIF.from_gates, {"alpha": (0.2, 0.9), "beta": (0.3, 0.4), "gamma": (0.5, 0.6)}),
    "RF.from_euler": (RF.from_euler, {"b": (-0.1, -0.2), "omega": (0.2, -0.1)}),
    "RF.from_euler, by Euler": (lambda **given: RF.from_euler(decay=euler, **given), {"b": (-0.1, -0.2), "omega": (0.2, -0.1)}),
    "SEAdLIF.from_q": (SEAdLIF.from_q, {"a": (0.5, 0.2), "b": (1.0, 0.3), "tau_w": (50.0, 110.0)}),
    "SEAdLIF.from_q, by Euler": (lambda **given: SEAdLIF.from_q(decay=euler, **given), {"a": (0.5, 0.2), "b": (1.0, 0.3)}),
}


@pytest.mark.parametrize(("make", "given"), TWO.values(), ids=TWO)
def test_arrays_are_taken_number_by_number(make, given):
    xs = jnp.asarray(np.random.default_rng(0).normal(2, 2, (40, 2)), jnp.float32)
    together = unroll(make(**{name: np.array(two) for name, two in given.items()}), xs)
    for i in range(2):
        alone = unroll(make(**{name: two[i] for name, two in given.items()}), xs[:, i])
        jax.tree.map(lambda one, all_, i=i: np.testing.assert_allclose(all_[..., i], one, rtol=1e-6), alone, together)


def test_one_number_among_them_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="tau must exceed dt"):
        PLIF.from_tau(np.array([3.0, 1.0]))
    with pytest.raises(ValueError, match="gamma must lie between 0 and 1"):
        GLIF.from_gates(gamma=np.array([0.5, 1.0]))
    with pytest.raises(ValueError, match=r"a step multiplies the oscillation by 1\.1,"):
        RF.from_euler(np.array([-0.1, 0.1]), 0.0)


@pytest.mark.parametrize("decay", [exponential, euler, lambda tau, dt: exponential(tau, 2 * dt)])
def test_the_words_of_a_source_hold_under_every_decay(decay):
    n = SEAdLIF.from_q(0.5, 1.0, 60.0, tau_w=50.0, dt=2.0, decay=decay)
    assert n.jump == pytest.approx(60 * float(1 - decay(50.0, 2.0)), rel=1e-5)
    assert lost_of(50.0, 2.0, decay) == pytest.approx(float(1 - decay(50.0, 2.0)), rel=1e-5)
    assert lost_of(1e12, 1e-3, exponential) == pytest.approx(1e-15, rel=1e-9)


def test_eulers_oscillation_is_the_same_under_every_decay():
    xs = jnp.asarray(np.random.default_rng(0).normal(0, 1, (50, 8)), jnp.float32)
    a, b = (unroll(RF.from_euler(-0.1, 0.3, decay=decay), xs)[0] for decay in (exponential, euler))
    np.testing.assert_allclose(a.u, b.u, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="cannot be told a time constant"):
        RF.from_euler(-0.1, 0.3, decay=lambda tau, dt: math.exp(-1))


def test_a_reset_to_a_value_takes_one_number():
    x: Array = jnp.array([0.0, -0.5])
    with pytest.raises(TypeError, match="to_value takes one number, a constant of the program"):
        to_value(x)
    assert hash(to_value(np.float32(0.5))) == hash(to_value(0.5))
