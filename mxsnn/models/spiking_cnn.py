"""A compact spiking convolutional network."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.neurons import Neuron
from mxsnn.typing import Array, State


class SpikingCNN(nn.Temporal):
    """Blocks of 3x3 convolution, 2x2 maximum pooling, batch norm and neurons; then mean over time and a linear readout.

    xs[T, B, H, W, C] -> (state, logits[B, K]). The readout sees firing rates: logits = W mean_t(spikes) + b, float32.
    Convolutions and normalisation compute in `dtype`, membranes in float32.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int],
        neuron: Neuron,
        *,
        learn: Sequence[str] = (),
        dtype=jnp.float32,
        rngs: nnx.Rngs,
    ):
        height, width, inputs = shape
        layers: list = []
        for outputs in channels:
            layers += [
                # Pooling comes before the neurons: a quarter as many, and their spikes need no pooling.
                nnx.Conv(inputs, outputs, (3, 3), use_bias=False, dtype=dtype, rngs=rngs),
                nn.max_pool,
                nnx.BatchNorm(outputs, momentum=0.9, dtype=dtype, rngs=rngs),
                nn.Spiking(neuron, learn=learn),
            ]
            height, width, inputs = -(-height // 2), -(-width // 2), outputs
        self.dtype = dtype
        self.body = nn.Stack(*layers)
        self.head = nnx.Linear(height * width * inputs, classes, rngs=rngs)

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        state, logits, _ = self.trace(xs, state)
        return state, logits

    def trace(self, xs: Array, state: State = None) -> tuple[State, Array, list[Array]]:
        """Like a call, with the spikes `[T, B, H, W, C]` of each layer of neurons."""
        state, outs = self.body.outputs(xs.astype(self.dtype), state)
        spikes = [out for layer, out in zip(self.body.layers, outs, strict=True) if isinstance(layer, nn.Spiking)]
        rates = outs[-1].astype(jnp.float32).mean(0)
        return state, self.head(rates.reshape(rates.shape[0], -1)), spikes
