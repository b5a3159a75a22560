"""A compact spiking convolutional network."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.neurons import Neuron
from mxsnn.typing import Array, State


class SpikingCNN(nn.Temporal):
    """Blocks of convolution, 2x2 reduction, batch norm and neurons; then mean over time and a linear readout.

    xs[T, B, H, W, C] -> (state, logits[B, K]), logits = W mean_t(spikes) + b in float32: the readout sees firing rates.

    The first block is a 5x5 convolution with stride 2, the others are 3x3 convolutions with 2x2 maximum pooling; each halves the
    picture, of which a margin that does not halve evenly is cut off first. Convolutions and normalisation compute in `dtype`,
    membranes in float32. Raises ValueError for pictures that are too small for so many blocks.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int] = (16, 32, 64),
        *,
        neuron: Neuron,
        learn: Sequence[str] = (),
        dtype=jnp.float32,
        rngs: nnx.Rngs,
    ):
        height, width, inputs = shape
        self.multiple = 2 ** len(channels)
        if min(height, width) < self.multiple:
            raise ValueError(
                f"{len(channels)} blocks halve the picture as often; {width}x{height} pixels are too few, take fewer channels"
            )
        height, width = (size // self.multiple * self.multiple for size in (height, width))
        layers: list = []
        strength = nnx.initializers.constant(getattr(neuron, "drive", 1.0))  # or a neuron of mV or pA would never fire
        for block, outputs in enumerate(channels):
            # The neurons come after the reduction: a quarter as many, and their spikes need no pooling. The first convolution
            # has few channels, so its cost is in its pixels: striding saves most of it.
            if block == 0:
                layers.append(
                    nnx.Conv(inputs, outputs, (5, 5), 2, padding=((2, 1), (2, 1)), use_bias=False, dtype=dtype, rngs=rngs)
                )
            else:
                layers += [nnx.Conv(inputs, outputs, (3, 3), use_bias=False, dtype=dtype, rngs=rngs), nn.max_pool]
            norm = nnx.BatchNorm(outputs, momentum=0.9, dtype=dtype, scale_init=strength, rngs=rngs)
            layers += [norm, nn.Spiking(neuron, learn=learn)]
            height, width, inputs = height // 2, width // 2, outputs
        self.dtype = dtype
        self.body = nn.Stack(*layers)
        self.head = nnx.Linear(height * width * inputs, classes, rngs=rngs)

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        state, logits, _ = self.trace(xs, state)
        return state, logits

    def trace(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        """Like a call, with the spikes `[T, B, H, W, C]` of each layer of neurons by name."""
        state, outs = self.body.outputs(self._cut(xs).astype(self.dtype), state)
        spikes = [out for layer, out in zip(self.body.layers, outs, strict=True) if isinstance(layer, nn.Spiking)]
        rates = outs[-1].astype(jnp.float32).mean(0)
        named = {f"layer {k + 1}": layer for k, layer in enumerate(spikes)}
        return state, self.head(rates.reshape(rates.shape[0], -1)), named

    def _cut(self, xs: Array) -> Array:
        """The middle of the pictures, its sides multiples of 2 to the number of blocks: even sizes also run faster."""
        height, width = xs.shape[2:4]
        top, left = height % self.multiple // 2, width % self.multiple // 2
        return xs[:, :, top : top + height // self.multiple * self.multiple, left : left + width // self.multiple * self.multiple]
