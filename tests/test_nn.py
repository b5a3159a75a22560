"""The edge to flax.nnx: layers with time are loops over time, and those without see time as batch, once."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mxsnn import unroll
from mxsnn.neurons import ALIF, LI, LIF, NEURONS, PLIF, LIFState
from mxsnn.nn import Readout, Recurrent, Spiking, Stack, Temporal, count, last, max_pool, maximum, mean
from mxsnn.reset import detached, subtract
from mxsnn.testing import driving, inputs

T, B = 6, 3
IMAGES = jnp.abs(inputs(0, (T, B, 4, 4, 2)))


def close(a, b):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), a, b)


def params(model):
    return nnx.state(model, nnx.Param)


@nnx.jit
def gradients(model, xs):
    """Of a loss that weighs the steps unequally, by every `nnx.Param`."""

    def loss(model):
        _, out = model(xs)
        return (out * inputs(7, out.shape)).sum()

    return nnx.grad(loss)(model)


# ---- Spiking ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", NEURONS.values(), ids=NEURONS)
def test_a_layer_is_its_neuron_unrolled(cls):
    xs = driving(cls())
    close(Spiking(cls())(xs), unroll(cls(), xs))
    assert not jax.tree.leaves(params(Spiking(cls())))


def test_only_what_is_named_is_learned_and_by_its_logarithm_where_it_must_stay_positive():
    n, xs = LIF(5.0, v_rest=0.1, reset=detached(subtract)), inputs()
    layer = Spiking(n, learn=("tau", "v_rest"))
    assert set(params(layer)["learned"]) == {"tau", "v_rest"}
    now: Any = layer.neuron
    assert now.tau == pytest.approx(5.0) and now.v_rest == pytest.approx(0.1) and now.threshold == 1

    def loss(tau, v_rest):
        return (unroll(LIF(tau, v_rest=v_rest, reset=n.reset), xs)[1] * inputs(7)).sum()

    by_tau, by_rest = jax.grad(loss, argnums=(0, 1))(5.0, 0.1)
    learned = gradients(layer, xs)["learned"]
    assert by_tau != 0 and by_rest != 0
    np.testing.assert_allclose(learned["tau"][...], 5 * by_tau, rtol=1e-4)
    np.testing.assert_allclose(learned["v_rest"][...], by_rest, rtol=1e-4)


def test_what_must_stay_positive_does_so_under_large_steps():
    layer = Spiking(ALIF(), learn=("tau", "tau_threshold", "threshold", "dt", "jump"))
    for step in (-20.0, 40.0, -60.0):
        for p in layer.learned.values():
            p[...] = p[...] + step
        n: Any = layer.neuron
        assert min(n.tau, n.tau_threshold, n.threshold, n.dt) > 0
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(layer(inputs())))
        assert np.sign(n.jump) == np.sign(step)


def test_a_value_per_channel_is_learned_per_channel():
    layer = Spiking(PLIF(w=jnp.linspace(-1, 1, 2)), learn=("w",))
    assert gradients(layer, IMAGES)["learned"]["w"].shape == (2,)
    frozen = Spiking(LIF(tau=jnp.array([2.0, 20.0])))
    close(nnx.jit(lambda m, xs: m(xs))(frozen, IMAGES), unroll(LIF(tau=jnp.array([2.0, 20.0])), IMAGES))


def test_a_layer_can_be_made_under_jit():
    made: Any = nnx.jit(lambda: Spiking(LIF(), learn=("tau",)))().neuron
    assert made.tau == pytest.approx(20)


@pytest.mark.parametrize("name", ["taw", "fire", "reset"])
def test_what_is_no_parameter_cannot_be_learned(name):
    with pytest.raises(ValueError, match=f"LIF has no parameter '{name}' to learn; it has tau, v_rest, resistance, threshold, dt"):
        Spiking(LIF(), learn=(name,))


def test_what_is_infinite_cannot_be_learned():
    with pytest.raises(ValueError, match=r"ALIF\.tau_threshold is inf; only a finite parameter can be learned"):
        Spiking(ALIF(tau_threshold=math.inf), learn=("tau_threshold",))


# ---- Recurrent ----------------------------------------------------------------------------------------------------------------


def test_recurrence_is_a_loop_that_feeds_outputs_back():
    xs, layer = inputs()[:6], Recurrent(LIF(5.0), 4, scale=0.5, rngs=nnx.Rngs(0))
    kernel = layer.kernel[...]
    np.testing.assert_allclose(kernel @ kernel.T, 0.25 * np.eye(4), atol=1e-5)

    def loop(kernel):
        state, out, outs = LIF(5.0).init((3, 4)), jnp.zeros((3, 4)), []
        for x in xs:
            heard = (out[:, :, None] * kernel).sum(1)  # by neuron j from neuron i: kernel[i, j]
            state, out = LIF(5.0).step(state, x + heard)
            outs.append(out)
        return (state, out), jnp.stack(outs)

    close(layer(xs), loop(kernel))
    assert np.abs(layer(xs)[1] - unroll(LIF(5.0), xs)[1]).sum() > 0
    by_kernel = jax.grad(lambda k: (loop(k)[1] * inputs(7, xs.shape)).sum())(kernel)
    np.testing.assert_allclose(gradients(layer, xs)["kernel"][...], by_kernel, rtol=1e-4, atol=1e-5)


def test_recurrence_goes_on_from_a_state():
    xs, layer = inputs(), Recurrent(LIF(5.0), 4, learn=("tau",), scale=0.5, rngs=nnx.Rngs(0))
    state, whole = layer(xs)
    middle, first = layer(xs[:5])
    end, second = layer(xs[5:], middle)
    close((state, whole), (end, jnp.concatenate([first, second])))


def test_recurrence_keeps_to_the_dtypes_of_unroll():
    xs, rngs = inputs().astype(jnp.bfloat16), nnx.Rngs(0)
    (state, fed), out = Recurrent(LIF(), 4, rngs=rngs)(xs)
    assert (state.v.dtype, fed.dtype, out.dtype) == (jnp.float32, jnp.float32, jnp.bfloat16)
    assert Recurrent(LI(), 4, rngs=rngs)(xs)[1].dtype == jnp.float32


def test_recurrence_refuses_what_does_not_fit():
    layer = Recurrent(LIF(), 4, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"made for 4 features; got inputs \(13, 3, 5\)"):
        layer(inputs(0, (13, 3, 5)))
    for state in ((LIFState(jnp.zeros((1, 4))), jnp.zeros((3, 4))), (LIFState(jnp.zeros((3, 4))), jnp.zeros((2, 4)))):
        with pytest.raises(ValueError, match=r"the state given does not fit .*expected float32\[3, 4\], got float32\["):
            layer(inputs(), state)


# ---- Readout ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reduce", "truth"), [(count, np.sum), (last, lambda o, axis: o[-1]), (maximum, np.max), (mean, np.mean)])
def test_readout_reduces_over_time(reduce, truth):
    for n in (LI(5.0), LIF(5.0)):
        state, out = Readout(n, reduce)(inputs())
        end, membrane = unroll(n, inputs())
        close(state, end)
        np.testing.assert_allclose(out, truth(np.asarray(membrane), axis=0), rtol=1e-5, atol=1e-6)
    state, out = Readout(reduce=reduce)(inputs())
    np.testing.assert_allclose(out, truth(np.asarray(unroll(LI(), inputs())[1]), axis=0), rtol=1e-5, atol=1e-6)


def test_spikes_are_counted_to_the_last_in_half_precision():
    ones = jnp.full((1001, 1, 2), 5.0, jnp.bfloat16)
    assert Readout(LIF(), count)(ones)[1].tolist() == [[1001, 1001]]
    assert Readout(LIF(), mean)(ones)[1].tolist() == [[1, 1]]


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 2), (1, 1)])
def test_pooling_is_that_of_flax(size):
    x = inputs(0, (3, *size, 2))
    close(max_pool(x), nnx.max_pool(x, (2, 2), (2, 2), "VALID"))
    weights = inputs(7, max_pool(x).shape)

    def gradient(pool):
        return jax.grad(lambda x: (pool(x) * weights).sum())(x)

    close(gradient(max_pool), gradient(lambda x: nnx.max_pool(x, (2, 2), (2, 2), "VALID")))


# ---- Stack --------------------------------------------------------------------------------------------------------------------


class Counted(nnx.Module):
    """A layer that counts how often it is called, and with what."""

    def __init__(self, layer):
        self.layer, self.calls = layer, nnx.static([])

    def __call__(self, x):
        self.calls.append(x.shape)
        return self.layer(x)


def flatten(x):
    return x.reshape(x.shape[0], -1)


def network(conv=lambda c: c, dense=lambda d: d):
    rngs = nnx.Rngs(0)
    return Stack(
        conv(nnx.Conv(2, 3, (3, 3), rngs=rngs)),
        Spiking(LIF(3.0), learn=("tau",)),
        flatten,
        dense(nnx.Linear(48, 5, rngs=rngs)),
        Recurrent(LIF(2.0, threshold=0.3), 5, rngs=rngs),
        Readout(LI(10.0), last),
    )


def by_steps(model, xs):
    """All layers at one time, then all at the next: what a Stack must equal."""
    states, outs = [None] * len(model.layers), []
    for t in range(len(xs)):
        out = xs[t]
        for i, layer in enumerate(model.layers):
            if isinstance(layer, Temporal):
                states[i], out = layer(out[None], states[i])
                out = out if isinstance(layer, Readout) else out[0]
            else:
                out = layer(out)
        outs.append(out)
    return tuple(states), outs[-1]


def test_stack_equals_its_layers_step_by_step():
    model = network()
    state, out = model(IMAGES)
    close((state, out), by_steps(model, IMAGES))
    _, outs = model.outputs(IMAGES)
    assert [o.shape for o in outs] == [(T, B, 4, 4, 3), (T, B, 4, 4, 3), (T, B, 48), (T, B, 5), (T, B, 5), (B, 5)]
    assert [s is None for s in state] == [True, False, True, True, False, False]
    assert 0 < outs[1].mean() < 1 and 0 < outs[4].mean() < 1, "nothing is compared where nothing fires"


def test_gradients_reach_every_layer():
    model = network()
    found = gradients(model, IMAGES)
    assert all(np.isfinite(g).all() and np.abs(g).sum() > 0 for g in jax.tree.leaves(found))
    assert jax.tree.structure(found) == jax.tree.structure(params(model))

    def loss(model):
        out = by_steps(model, IMAGES)[1]
        return (out * inputs(7, out.shape)).sum()

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, nnx.jit(nnx.grad(loss))(model))


def test_layers_without_state_are_called_once_over_time_and_batch():
    model = network(Counted, Counted)
    model(IMAGES)
    layers: Any = model.layers
    assert layers[0].calls == [(T * B, 4, 4, 2)]
    assert layers[3].calls == [(T * B, 48)]


def test_stack_goes_on_from_its_state():
    model = network()
    state, out = model(IMAGES)
    after = None
    for cut in (slice(0, 1), slice(1, 4), slice(4, T)):
        after, end = model(IMAGES[cut], after)
    close((state, out), (after, end))
    with pytest.raises(ValueError, match="one entry per layer: expected 6, got 2"):
        model(IMAGES, state[:2])


def test_stacks_nest():
    layers = network().layers
    nested = Stack(layers[0], Stack(*layers[1:4]), Stack(*layers[4:]))
    state, out = nested(IMAGES)
    close(out, network()(IMAGES)[1])
    close(nested(IMAGES, state)[1], Stack(*layers)(IMAGES, (None, *state[1], *state[2]))[1])


def test_a_stack_takes_no_steps_where_there_are_none():
    assert Stack(nnx.Linear(4, 2, rngs=nnx.Rngs(0)), Spiking(LIF()))(jnp.zeros((0, 3, 4)))[1].shape == (0, 3, 2)


def test_batch_norm_sees_time_as_batch():
    norm = nnx.BatchNorm(2, momentum=0.9, rngs=nnx.Rngs(0))
    model = Stack(norm, Spiking(LI(1e-6)))  # which forgets at once, so that its output is its input
    _, trained = model(IMAGES)
    axes = (0, 1, 2, 3)
    expected = (IMAGES - IMAGES.mean(axes)) / jnp.sqrt(IMAGES.var(axes) + 1e-5)
    np.testing.assert_allclose(trained, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(norm.mean[...], 0.1 * IMAGES.mean(axes), rtol=1e-5)  # moved once, not once a step

    model.eval()
    _, evaluated = model(IMAGES)
    expected = (IMAGES - norm.mean[...]) / jnp.sqrt(norm.var[...] + 1e-5)
    np.testing.assert_allclose(evaluated, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(norm.mean[...], 0.1 * IMAGES.mean(axes), rtol=1e-5)
    model.train()
    np.testing.assert_allclose(model(IMAGES)[1], trained, rtol=1e-5, atol=1e-6)
