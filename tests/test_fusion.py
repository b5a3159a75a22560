"""Events and frames in one network: what each part sees, how they are joined, what cannot be."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mxsnn.models.classifiers import classifier
from mxsnn.models.frame_cnn import MeanFrameCNN
from mxsnn.models.fusion import Averaged, Fused, Middle, Weighted
from mxsnn.models.recipe import Recipe
from mxsnn.models.spiking_cnn import SpikingCNN
from mxsnn.neurons import LIF
from mxsnn.typing import Array

SHAPE, STEPS = (8, 8, 5), 4
XS = 3 * jax.random.uniform(jax.random.key(0), (STEPS, 2, *SHAPE))
SNN, CNN = Recipe(SpikingCNN)((4,)), Recipe(MeanFrameCNN)((4,))


@pytest.fixture(autouse=True)
def compiled_in_haste():
    """Small networks take longer to compile than to run."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def fused(join, events=SNN, rgb=CNN, **options):
    return Fused(SHAPE, 3, events, rgb, join, neuron=LIF(), rngs=nnx.Rngs(0), **options)


ask = nnx.jit(lambda model, xs, state=None: model(xs, state))


@nnx.jit
def apart(model, xs):
    """The features of both networks."""
    return model.events.features(xs[..., :2])[1], model.rgb.features(xs[..., 2:])[1]


def test_late_fusion_is_the_mean_of_both():
    model = fused(Averaged)
    one, other = apart(model, XS)
    first, second = (head(x) for head, x in zip(model.join.heads, (one, other), strict=True))
    np.testing.assert_allclose(ask(model, XS)[1], (first + second) / 2, rtol=1e-5, atol=1e-6)
    assert jnp.abs(first - second).max() > 1e-2


def test_late_fusion_learns_whom_to_trust():
    """For each class; it begins as the mean."""
    model = fused(Weighted)
    first, second = model.join.logits(apart(model, XS))
    np.testing.assert_allclose(ask(model, XS)[1], (first + second) / 2, rtol=1e-5, atol=1e-6)
    model.join.weight[...] = jnp.array([100.0, -100.0, 0.0])
    expected = jnp.stack([first[:, 0], second[:, 1], (first + second)[:, 2] / 2], -1)
    np.testing.assert_allclose(ask(model, XS)[1], expected, rtol=1e-5, atol=1e-6)


def test_middle_fusion_has_units_that_see_both():
    model = fused(Recipe(Middle)(7))
    features = np.concatenate([np.asarray(x) for x in apart(model, XS)], -1)
    hidden, head = model.join.hidden, model.join.head
    assert hidden.kernel.shape == (features.shape[1], 7) and not hasattr(model.events, "head")
    units = np.maximum(features @ np.asarray(hidden.kernel[...]) + np.asarray(hidden.bias[...]), 0)
    expected = units @ np.asarray(head.kernel[...]) + np.asarray(head.bias[...])
    np.testing.assert_allclose(ask(model, XS)[1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("split", [1, 2])
def test_each_sees_its_own_channels(split):
    model = fused(Averaged, split=split)
    model.join.heads[1].kernel[...] = jnp.zeros_like(model.join.heads[1].kernel[...])
    logits, of_rgb, of_events = (ask(model, xs)[1] for xs in (XS, XS.at[..., split:].set(9), XS.at[..., split - 1].set(9)))
    np.testing.assert_array_equal(logits, of_rgb)
    assert jnp.abs(logits - of_events).max() > 1e-3


def test_chunks_are_one_pass_with_the_states_of_both():
    model = fused(Averaged, rgb=Recipe(SpikingCNN)((2, 4)))
    model.eval()
    state, early = ask(model, XS[:1])
    again, late = ask(model, XS[1:], state)
    whole, logits = ask(model, XS)
    np.testing.assert_allclose((early + 3 * late) / 4, logits, rtol=1e-5, atol=1e-6)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_spikes_are_named_after_what_is_seen():
    recipe = classifier("Fused(SpikingCNN((4,)), SEWResNet((4,)))")
    spikes = nnx.eval_shape(lambda xs: recipe.make(SHAPE, 3, LIF(), rngs=nnx.Rngs(0)).trace(xs), XS)[2]
    assert set(spikes) == {"events layer 1", "rgb stage 1 in", "rgb stage 1 block 1 mid", "rgb stage 1 block 1 out"}


def test_early_fusion_is_a_network_on_all_channels():
    model = classifier("SpikingCNN((4,))").make(SHAPE, 3, LIF(), rngs=nnx.Rngs(0))
    assert model.body.layers[0].kernel.shape == (5, 5, 5, 4)


def test_a_join_of_ones_own():
    class Larger(nnx.Module):
        def __init__(self, heads):
            self.heads = nnx.List(heads)

        def __call__(self, *features: Array) -> Array:
            return jnp.maximum(*(head(x) for head, x in zip(self.heads, features, strict=True)))

    model = fused(Larger)
    first, second = (head(x) for head, x in zip(model.join.heads, apart(model, XS), strict=True))
    np.testing.assert_allclose(ask(model, XS)[1], jnp.maximum(first, second), rtol=1e-5, atol=1e-6)


class Headless(nnx.Module):
    def __init__(self, shape, classes, *, rngs):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": 0}, "of 5 channels the first 0 cannot be events and the others frames"),
        ({"split": 5}, "of 5 channels the first 5 cannot be"),
        ({"rgb": Headless}, "Headless has no features to be joined"),
        ({"rgb": Recipe(MeanFrameCNN)((4,) * 9)}, "9 blocks halve the picture as often"),
    ],
)
def test_what_cannot_be_fused_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fused(Averaged, **options)
