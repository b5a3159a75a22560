"""Events and a camera's frames, side by side as channels, seen by a network each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.models.recipe import Recipe
from mxsnn.neurons import Neuron
from mxsnn.typing import Array, State


class Middle(nnx.Module):
    """Middle fusion: features side by side, `hidden` units with ReLU, a readout: `([B, F], [B, G]) -> logits[B, K]`.

    Without the hidden units it would be the sum of two linear readouts, which `Averaged` is.
    """

    def __init__(self, heads: Sequence[nnx.Linear], classes: int, hidden: int = 64, *, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(sum(head.in_features for head in heads), hidden, rngs=rngs)
        self.head = nnx.Linear(hidden, classes, rngs=rngs)

    def __call__(self, *features: Array) -> Array:
        return self.head(nnx.relu(self.hidden(jnp.concatenate(features, -1))))


class Averaged(nnx.Module):
    """Late fusion: the mean of both networks' logits, `([B, F], [B, G]) -> logits[B, K]`."""

    def __init__(self, heads: Sequence[nnx.Linear]):
        self.heads = nnx.List(heads)

    def __call__(self, *features: Array) -> Array:
        one, other = self.logits(features)
        return (one + other) / 2

    def logits(self, features: Sequence[Array]) -> list[Array]:
        """Those of each network."""
        return [head(x) for head, x in zip(self.heads, features, strict=True)]


class Weighted(Averaged):
    """Late fusion: w a + (1 - w) b of both networks' logits a and b, w learned for each class; it begins as their mean."""

    def __init__(self, heads: Sequence[nnx.Linear], classes: int):
        super().__init__(heads)
        self.weight = nnx.Param(jnp.zeros(classes))

    def __call__(self, *features: Array) -> Array:
        one, other = self.logits(features)
        weight = nnx.sigmoid(self.weight[...])
        return weight * one + (1 - weight) * other


class Fused(nn.Temporal):
    """A network for events and one for a camera's frames, and what joins them: `xs[T, B, H, W, C] -> (state, logits[B, K])`.

    Of the channels the first `split` are events', the others frames'. Networks and `join` are classes, or recipes with options.
    Join is made of the readouts of both networks, `heads`, and gives logits of their features: `Middle`, `Averaged`, `Weighted` or
    one's own. Early fusion is any network on all channels. The state is `(the events', the frames')`; chunks end where one pass
    does if those of both networks do. Raises ValueError where one of them is left without channels.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        events: Any,
        rgb: Any,
        join: Any = Middle,
        split: int = 2,
        *,
        neuron: Neuron | None = None,
        learn: Sequence[str] = (),
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        height, width, inputs = shape
        if not 0 < split < inputs:
            raise ValueError(
                f"of {inputs} channels the first {split} cannot be events and the others frames; give those of both, and split"
            )
        given = {"classes": classes, "neuron": neuron, "learn": learn, "dtype": dtype, "rngs": rngs}
        self.split = split
        self.events = Recipe.of(events).part(shape=(height, width, split), **given)
        self.rgb = Recipe.of(rgb).part(shape=(height, width, inputs - split), **given)
        self.join = Recipe.of(join).part(heads=[_beheaded(self.events), _beheaded(self.rgb)], **given)

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        return self.trace(xs, state)[:2]

    def trace(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        """Like a call, with the spikes `[T, B, ...]` of each layer of neurons by name, "events ..." and "rgb ..."."""
        first, second = (None, None) if state is None else state
        first, one, spikes = self.events.features(xs[..., : self.split], first)
        second, other, more = self.rgb.features(xs[..., self.split :], second)
        named = {f"events {name}": s for name, s in spikes.items()} | {f"rgb {name}": s for name, s in more.items()}
        return (first, second), self.join(one, other), named


def _beheaded(network: Any) -> nnx.Linear:
    """Takes the head off."""
    if not hasattr(network, "features"):
        raise ValueError(f"{type(network).__name__} has no features to be joined; take a network that has a trunk and a head")
    head = network.head
    del network.head
    return head
