"""Attention: the gates beside their formulas and SpikingJelly's, what hears later steps and what does not; recurrence."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mxsnn.models.recipe import Recipe
from mxsnn.models.spiking_cnn import SpikingCNN
from mxsnn.neurons import LIF
from mxsnn.nn import ChannelAttention, Recurrent, SpatialAttention, Stack, TimeAttention

STEPS, SHAPE = 6, (8, 8, 2)
XS = jax.random.normal(jax.random.key(0), (STEPS, 3, 5, 4, 8))


@pytest.fixture(autouse=True)
def compiled_in_haste():
    """Small networks take longer to compile than to run."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gate(layer, mean, most):
    """The published formula, for summaries `[..., n]`."""
    down, up = (np.asarray(dense.kernel[...]) for dense in (layer.gate.down, layer.gate.up))
    return sigmoid(np.maximum(mean @ down, 0) @ up + np.maximum(most @ down, 0) @ up)


def test_time_attention_weighs_steps():
    layer, x = TimeAttention(STEPS, 2, rngs=nnx.Rngs(0)), np.asarray(XS)
    expected = gate(layer, x.mean((2, 3, 4)).T, x.max((2, 3, 4)).T).T
    state, out = layer(XS)
    assert state is None and layer.gate.down.kernel.shape == (6, 3)
    np.testing.assert_allclose(out, x * expected[..., None, None, None], rtol=1e-5, atol=1e-6)
    flat = layer(XS[:, :, 0, 0])[1]
    assert flat.shape == (STEPS, 3, 8)


def test_channel_attention_weighs_channels():
    layer, x = ChannelAttention(8, 2, rngs=nnx.Rngs(0)), np.asarray(XS[0])
    expected = gate(layer, x.mean((1, 2)), x.max((1, 2)))
    np.testing.assert_allclose(layer(XS[0]), x * expected[:, None, None], rtol=1e-5, atol=1e-6)


def test_spatial_attention_weighs_pixels():
    layer, x = SpatialAttention(3, rngs=nnx.Rngs(0)), np.asarray(XS[0])
    maps = np.pad(np.stack([x.mean(-1), x.max(-1)], -1), [(0, 0), (1, 1), (1, 1), (0, 0)])
    kernel = np.asarray(layer.conv.kernel[...])[..., 0]
    sums = sum(maps[:, i : i + 5, j : j + 4] @ kernel[i, j] for i in range(3) for j in range(3))
    np.testing.assert_allclose(layer(XS[0]), x * sigmoid(sums)[..., None], rtol=1e-5, atol=1e-6)


@pytest.mark.peers
def test_time_attention_is_that_of_spikingjelly():
    torch = pytest.importorskip("torch")
    attention = pytest.importorskip("spikingjelly.activation_based.layer")
    theirs, ours = attention.TemporalWiseAttention(T=STEPS, reduction=2), TimeAttention(STEPS, 2, rngs=nnx.Rngs(0))
    for dense, other in zip((ours.gate.down, ours.gate.up), (theirs.sharedMLP[0], theirs.sharedMLP[2]), strict=True):
        dense.kernel[...] = jnp.asarray(other.weight.detach().numpy().T)
    expected = theirs(torch.from_numpy(np.array(jnp.moveaxis(XS, -1, 2)))).detach().numpy()
    np.testing.assert_allclose(jnp.moveaxis(ours(XS)[1], -1, 2), expected, rtol=1e-5, atol=1e-6)


def test_attention_over_time_alone_hears_later_steps():
    """What a step gives depends on the last step with it, and on none but its own with the others."""
    later = XS.at[-1].mul(5)
    kinds = [TimeAttention(STEPS, rngs=nnx.Rngs(0)), ChannelAttention(8, rngs=nnx.Rngs(0)), SpatialAttention(rngs=nnx.Rngs(0))]
    causal = [bool((Stack(layer)(XS)[1][0] == Stack(layer)(later)[1][0]).all()) for layer in kinds]
    assert causal == [False, True, True]


def test_gates_keep_the_dtype_and_lessen():
    for layer in (
        ChannelAttention(8, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)),
        SpatialAttention(dtype=jnp.bfloat16, rngs=nnx.Rngs(0)),
    ):
        out = layer(XS[0].astype(jnp.bfloat16))
        assert out.dtype == jnp.bfloat16 and (jnp.abs(out) <= jnp.abs(XS[0]) + 0.01).all()
    assert TimeAttention(STEPS, rngs=nnx.Rngs(0))(XS.astype(jnp.bfloat16))[1].dtype == jnp.bfloat16


def test_what_cannot_be_is_refused():
    layer = TimeAttention(STEPS, rngs=nnx.Rngs(0))
    for xs, state in ((XS[:3], None), (XS, ())):
        with pytest.raises(ValueError, match="whole sequences of 6 steps"):
            layer(xs, state)
    with pytest.raises(ValueError, match="attention over 8 leaves none of them at a reduction of 0; give 1 to 8"):
        ChannelAttention(8, 0, rngs=nnx.Rngs(0))


# ---- in the spiking network -----------------------------------------------------------------------------------------------------


def network(**options):
    return SpikingCNN(SHAPE, 3, (4, 8), **options, neuron=LIF(), rngs=nnx.Rngs(0))


def test_every_block_has_its_layers_between_reduction_and_norm():
    model = network(attention=(Recipe(TimeAttention)(STEPS, 2), ChannelAttention, SpatialAttention))
    kinds = [type(layer).__name__ if isinstance(layer, nnx.Module) else layer.__name__ for layer in model.body.layers]
    gates = ["TimeAttention", "ChannelAttention", "SpatialAttention", "BatchNorm", "Spiking"]
    assert kinds == ["Conv", *gates, "Conv", "max_pool", *gates]
    alone = network(attention=ChannelAttention)
    assert [layer.gate.up.out_features for layer in alone.body.layers if isinstance(layer, ChannelAttention)] == [4, 8]


def test_neurons_still_fire_behind_gates():
    """The norm comes after the gates: in training neurons fire with three gates about as often as without."""
    xs = jax.random.poisson(jax.random.key(0), 1.0, (STEPS, 4, *SHAPE)).astype(jnp.float32)
    ask = nnx.jit(lambda model: [s.mean() for s in model.trace(xs)[2].values()])
    plain, gated = ask(network()), ask(network(attention=(Recipe(TimeAttention)(STEPS), ChannelAttention, SpatialAttention)))
    assert all(0.5 < a / b < 2 for a, b in zip(gated, plain, strict=True)), (plain, gated)


def test_causal_gates_and_recurrence_stream():
    model = network(attention=(ChannelAttention, SpatialAttention), recurrent=5)
    xs = jax.random.poisson(jax.random.key(0), 1.0, (STEPS, 2, *SHAPE)).astype(jnp.float32)
    ask = nnx.jit(lambda model, xs, state: model.trace(xs, state))
    _, _, whole = ask(model, xs, None)
    model.eval()
    _, logits, whole = ask(model, xs, None)
    state, first, early = ask(model, xs[:3], None)
    _, second, late = ask(model, xs[3:], state)
    for name, s in whole.items():
        np.testing.assert_array_equal(s, jnp.concatenate([early[name], late[name]]), err_msg=name)
    np.testing.assert_allclose((first + second) / 2, logits, rtol=1e-5, atol=1e-6)


def test_recurrent_neurons_hear_each_other():
    model = network(recurrent=5)
    last = model.body.layers[-1]
    assert isinstance(last, Recurrent) and model.head.in_features == 5
    xs = jax.random.poisson(jax.random.key(0), 1.0, (STEPS, 2, *SHAPE)).astype(jnp.float32)
    ask = nnx.jit(lambda model: model.trace(xs)[2]["layer 3"])
    deaf = ask(model)
    last.kernel[...] = jnp.full((5, 5), 20.0)
    heard = ask(model)
    fired = deaf.any(-1).any(1)
    first = int(jnp.argmax(fired))
    assert fired.any() and first < STEPS - 1
    np.testing.assert_array_equal(deaf[: first + 1], heard[: first + 1])
    assert (heard[first + 1] != deaf[first + 1]).any()
