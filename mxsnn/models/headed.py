"""What all classifiers are: a trunk, and a linear head that judges its features."""

from __future__ import annotations

import abc

from flax import nnx

from mxsnn import nn
from mxsnn.typing import Array, State


class Headed(nn.Temporal):
    """A trunk and a linear readout of its features: `xs[T, B, H, W, C] -> (state, logits[B, K])`, in float32 at least."""

    head: nnx.Linear

    @abc.abstractmethod
    def features(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        """`(state, features[B, F], spikes)`: what the head judges, and the spikes of each layer of neurons by name."""

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        return self.trace(xs, state)[:2]

    def trace(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        """Like a call, with the spikes `[T, B, ...]` of each layer of neurons by name: none where there are no neurons."""
        state, features, spikes = self.features(xs, state)
        return state, self.head(features), spikes
