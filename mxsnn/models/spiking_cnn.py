"""A compact spiking convolutional network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.models.headed import Headed
from mxsnn.models.recipe import Recipe
from mxsnn.models.trunk import CHANNELS, cut, trunk
from mxsnn.neurons import Neuron
from mxsnn.typing import Array, State


class SpikingCNN(Headed):
    """Blocks of convolution, 2x2 reduction, batch norm and neurons; then mean over time and a linear readout.

    xs[T, B, H, W, C] -> (state, logits[B, K]), logits = W mean_t(spikes) + b in float32: the readout sees firing rates.

    The first block is a 5x5 convolution with stride 2, the others are 3x3 convolutions with 2x2 maximum pooling; each halves the
    picture, of which a margin that does not halve evenly is cut off first. `attention` are layers such as `nn.ChannelAttention`
    that each block has between its reduction and its norm, which brings what they make small to size again. With `recurrent`, so
    many neurons that hear each other (`nn.Recurrent`) stand before the readout. Convolutions and normalisation compute in `dtype`,
    membranes in float32. Raises ValueError for pictures that are too small for so many blocks.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int] = CHANNELS,
        attention: Callable[..., Any] | Recipe | Sequence[Callable[..., Any] | Recipe] = (),
        recurrent: int = 0,
        *,
        neuron: Neuron,
        learn: Sequence[str] = (),
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        strength: float = getattr(neuron, "drive", 1.0)  # or a neuron of mV or pA would never fire
        kinds = attention if isinstance(attention, Sequence) else (attention,)
        layers, features = trunk(
            shape,
            channels,
            lambda _: (nn.Spiking(neuron, learn=learn),),
            lambda outputs: [Recipe.of(kind).part(inputs=outputs, dtype=dtype, rngs=rngs) for kind in kinds],
            scale=strength,
            dtype=dtype,
            rngs=rngs,
        )
        if recurrent:
            dense = nnx.Linear(features, recurrent, use_bias=False, dtype=dtype, rngs=rngs)
            begin = nnx.initializers.constant(strength)
            norm = nnx.BatchNorm(recurrent, momentum=0.9, dtype=dtype, scale_init=begin, rngs=rngs)
            layers += [nn.Flatten(), dense, norm, nn.Recurrent(neuron, recurrent, learn=learn, rngs=rngs)]
        self.blocks, self.dtype = len(channels), dtype
        self.body = nn.Stack(*layers)
        self.head = nnx.Linear(recurrent or features, classes, rngs=rngs)

    def features(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        state, outs = self.body.outputs(cut(xs, self.blocks).astype(self.dtype), state)
        spikes = [out for layer, out in zip(self.body.layers, outs, strict=True) if isinstance(layer, nn.Spiking)]
        rates = outs[-1].astype(jnp.float32).mean(0)
        named = {f"layer {k + 1}": layer for k, layer in enumerate(spikes)}
        return state, rates.reshape(rates.shape[0], -1), named
