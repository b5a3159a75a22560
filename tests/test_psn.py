"""Parallel spiking neurons: worked examples, what they hear of the future, and the LIF that they are in their limits."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn import unroll
from mxsnn.neurons import LI, LIF
from mxsnn.nn import PSN, MaskedPSN, Readout, SlidingPSN, Spiking, Stack, halving, last
from mxsnn.reset import none
from mxsnn.surrogate import atan, inclusive
from mxsnn.testing import inputs

HALF = 1 / math.log(2)  # the time constant that halves a membrane in a step of 1 ms
X = [0.6, 0.6, 0.6, 0, 0.9, 0]
T, B, N = 9, 3, 4
XS = inputs(0, (T, B, N))
AT = inclusive(atan())


def same(h):
    """In the place of `fire`: shows what is tested."""
    return h


def layers(fire=AT):
    rngs = nnx.Rngs(0)
    masked = MaskedPSN(3, T, lambda_=1.0, fire=fire, rngs=rngs)
    return {"PSN": PSN(T, fire=fire, rngs=rngs), "masked": masked, "sliding": SlidingPSN(3, fire=fire)}


def heard(layer):
    """Which inputs [T] each output [T] depends on."""
    by_xs = jax.jacobian(lambda xs: layer(xs)[1])(XS[:, 0, 0])
    return np.asarray(by_xs) != 0


# ---- worked examples ----------------------------------------------------------------------------------------------------------


def test_sliding_example():
    layer = SlidingPSN(3, fire=same)
    assert layer.weight[...].tolist() == [0.25, 0.5, 1]
    np.testing.assert_allclose(layer(jnp.array(X))[1], [-0.4, -0.1, 0.05, -0.55, 0.05, -0.55], atol=1e-6)
    assert SlidingPSN(3)(jnp.array(X))[1].tolist() == [0, 0, 1, 0, 1, 0]
    whole = SlidingPSN(6, fire=same)(jnp.array(X))[1]
    np.testing.assert_allclose(whole, [-0.4, -0.1, 0.05, -0.475, 0.1625, -0.4187], atol=6e-5)


def test_weights_and_thresholds_of_a_hand_made_psn():
    layer = PSN(2, fire=same, rngs=nnx.Rngs(0))
    layer.weight[...] = jnp.array([[1.0, 2.0], [-1.0, 0.5]])
    layer.bias[...] = jnp.array([-1.0, -2.0])
    xs = jnp.array([[[1.0, 0.0]], [[3.0, 1.0]]])
    assert layer(xs)[1].tolist() == [[[6.0, 1.0]], [[-1.5, -1.5]]]
    layer.fire = AT
    assert layer(xs)[1].tolist() == [[[1, 1]], [[0, 0]]]


# ---- the LIF that they are ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 3, 12, 20])
def test_sliding_is_a_lif_without_a_reset_that_forgets(order):
    xs = inputs(2, (12, B, N))
    padded = jnp.concatenate([jnp.zeros((order - 1, B, N)), xs])
    windows = jnp.stack([padded[j : j + 12] for j in range(order)])  # [order, 12, B, N]: the last inputs of every step
    forgetting = unroll(LI(HALF), windows)[0].v - 1  # each from rest
    np.testing.assert_allclose(SlidingPSN(order, fire=same)(xs)[1], forgetting, rtol=1e-5, atol=1e-5)


def test_an_order_of_all_steps_is_that_lif_itself():
    xs = jnp.abs(inputs(1, (20, B, N)))
    expected = unroll(LIF(HALF, reset=none, fire=AT), xs, backend="associative")[1]
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(SlidingPSN(20)(xs)[1], expected)


@pytest.mark.parametrize("tau", [1.0, 5.0, 50.0])
def test_a_triangle_of_powers_makes_psn_a_lif_without_a_reset(tau):
    layer = PSN(T, fire=same, rngs=nnx.Rngs(0))
    since = np.subtract.outer(np.arange(T), np.arange(T))
    layer.weight[...] = jnp.asarray(np.where(since >= 0, np.exp(-np.maximum(since, 0) / tau), 0), jnp.float32)
    np.testing.assert_allclose(layer(XS)[1], unroll(LI(tau), XS)[1] - 1, rtol=1e-5, atol=1e-5)


def test_masked_in_full_with_shared_weights_is_sliding():
    masked, sliding = layers(same)["masked"], SlidingPSN(3, init=nnx.initializers.normal(), fire=same, rngs=nnx.Rngs(1))
    w = sliding.weight[...]
    for j in range(3):
        masked.weight[...] = masked.weight[...].at[jnp.arange(j, T), jnp.arange(T - j)].set(w[2 - j])
    np.testing.assert_allclose(masked(XS)[1], sliding(XS)[1], rtol=1e-5, atol=1e-6)


# ---- past and future ----------------------------------------------------------------------------------------------------------


def test_what_each_hears():
    since = np.subtract.outer(np.arange(T), np.arange(T))
    of = {name: heard(layer) for name, layer in layers(same).items()}
    assert of["PSN"].all()  # the future, too
    np.testing.assert_array_equal(of["masked"], (since >= 0) & (since < 3))
    np.testing.assert_array_equal(of["sliding"], (since >= 0) & (since < 3))


@pytest.mark.parametrize("name", ["PSN", "masked", "sliding"])
def test_spikes_of_the_past_change_with_the_future_only_without_a_mask(name):
    layer = layers()[name]
    if name != "sliding":
        layer.weight[...] = 10 * layer.weight[...]
    changed = XS.at[5:].add(50.0)
    same_past = np.array_equal(layer(XS)[1][:5], layer(changed)[1][:5])
    assert same_past == (name != "PSN") and not np.array_equal(layer(XS)[1], layer(changed)[1])


@pytest.mark.parametrize("lambda_", [0.0, 0.25, 1.0])
def test_the_mask_is_led_in(lambda_):
    layer = MaskedPSN(2, 4, rngs=nnx.Rngs(0))
    layer.weight[...] = jnp.ones((4, 4))
    assert np.all(layer.weights() == 1)  # which a PSN's are
    layer.lambda_[...] = jnp.float32(lambda_)
    far = 1 - lambda_
    expected = [[1, far, far, far], [1, 1, far, far], [far, 1, 1, far], [far, far, 1, 1]]
    np.testing.assert_array_equal(layer.weights(), np.float32(expected))


def test_leading_the_mask_in_compiles_nothing_anew():
    layer, traces = MaskedPSN(2, T, rngs=nnx.Rngs(0)), []

    @nnx.jit
    def run(layer, xs):
        traces.append(1)
        return layer(xs)[1]

    outs = []
    for lambda_ in (0.0, 0.5, 1.0):
        layer.lambda_[...] = jnp.float32(lambda_)
        outs.append(run(layer, 9 * XS))
    assert len(traces) == 1 and not np.array_equal(outs[0], outs[2])


@settings(max_examples=8)
@given(order=st.sampled_from([1, 2, 6]), cuts=st.sets(st.integers(0, T), max_size=3))
def test_chunks_of_a_sliding_one_make_one_pass(order, cuts):
    layer, state, outs = SlidingPSN(order, fire=same), None, []
    for chunk in jnp.split(XS, sorted(cuts)):  # shorter than its order, some of them empty
        state, out = layer(chunk, state)
        outs.append(out)
    end, whole = layer(XS)
    np.testing.assert_allclose(jnp.concatenate(outs), whole, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(state, end)


# ---- layers -------------------------------------------------------------------------------------------------------------------


def test_they_begin_as_they_say():
    layer = PSN(400, rngs=nnx.Rngs(0))
    w, bound = np.asarray(layer.weight[...]), 1 / 20
    assert np.abs(w).max() <= bound and w.std() == pytest.approx(bound / math.sqrt(3), rel=0.02) and abs(w.mean()) < 1e-3
    assert set(layer.bias[...].tolist()) == {-1} and SlidingPSN(4).bias[...] == -1
    assert halving(jax.random.key(0), (4,)).tolist() == [0.125, 0.25, 0.5, 1]
    drawn = SlidingPSN(4, init=nnx.initializers.uniform(0.5), rngs=nnx.Rngs(3)).weight[...]
    assert drawn.shape == (4,) and np.all((drawn >= 0) & (drawn < 0.5)) and len(set(drawn.tolist())) == 4


@pytest.mark.parametrize("name", ["PSN", "masked", "sliding"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint8"])
def test_spikes_are_0_or_1_and_of_the_dtype_of_floating_inputs(name, dtype):
    xs = (3 * jnp.abs(inputs(0, (T, 2, 5, 5, 3)))).astype(dtype)
    _, out = layers()[name](xs)
    assert out.shape == xs.shape and out.dtype == (jnp.float32 if dtype == "uint8" else dtype)
    assert set(np.unique(out.astype(jnp.float32))) <= {0, 1}


@pytest.mark.parametrize("name", ["PSN", "masked", "sliding"])
def test_what_is_learned(name):
    def loss(layer):
        return (layer(XS)[1] * inputs(7, XS.shape)).sum()

    layer = layers()[name]
    gradients = nnx.grad(loss)(layer)
    assert set(gradients) == {"weight", "bias"}  # not lambda
    by_weight = np.asarray(gradients["weight"][...])
    since = np.subtract.outer(np.arange(T), np.arange(T))
    assert np.all(by_weight[(since < 0) | (since > 2)] == 0) if name == "masked" else np.all(by_weight != 0)
    assert np.all(np.asarray(gradients["bias"][...]) != 0)


def test_they_stand_in_a_stack():
    rngs = nnx.Rngs(0)
    model = Stack(nnx.Linear(N, 6, rngs=rngs), PSN(T, rngs=rngs), nnx.Linear(6, 5, rngs=rngs), SlidingPSN(3), Readout(LI(), last))
    state, out = model(XS)
    assert out.shape == (B, 5) and state[1] is None and state[3].shape == (2, B, 5)
    streamed = Stack(SlidingPSN(3), Spiking(LIF()))
    middle, first = streamed(XS[:4])
    _, second = streamed(XS[4:], middle)
    np.testing.assert_array_equal(jnp.concatenate([first, second]), streamed(XS)[1])


def test_what_is_refused():
    for layer in (PSN(T, rngs=nnx.Rngs(0)), MaskedPSN(2, T, rngs=nnx.Rngs(0))):
        name = type(layer).__name__
        with pytest.raises(ValueError, match=rf"this {name} was made for sequences of 9 steps; got inputs \(8, 3, 4\)"):
            layer(XS[1:])
        with pytest.raises(ValueError, match=f"{name} sees a sequence whole and keeps no state"):
            layer(XS, jnp.zeros(3))
    with pytest.raises(ValueError, match=r"its last 2 inputs, \(2, 3, 4\); got \(1, 3, 4\)"):
        SlidingPSN(3)(XS, XS[:1])
    for make in (SlidingPSN, lambda order: MaskedPSN(order, T, rngs=nnx.Rngs(0))):
        with pytest.raises(ValueError, match="hears at least its last input; got order=0"):
            make(0)
