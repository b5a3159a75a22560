"""A network that convolves over time as over space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.models.headed import Headed
from mxsnn.models.trunk import CHANNELS, cut, trunk
from mxsnn.typing import Array, State


class CNN3D(Headed):
    """Convolutions over 3 steps and 5x5 or 3x3 pixels, mean over time, linear readout: `xs[T, B, H, W, C] -> (None, logits[B, K])`.

    The trunk is that of `SpikingCNN`, with ReLU and with three steps in each kernel, zeros beyond the ends; time is not reduced. A
    convolution over time and pixels is computed as one over pixels, of three frames as channels, which a CPU does faster
    (`benchmarks.layers`). Any number of steps will do. Raises ValueError for pictures that are too small for so many blocks, and
    for a state: it hears later steps.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int] = CHANNELS,
        *,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        layers, features = trunk(shape, channels, reach=1, dtype=dtype, rngs=rngs)
        self.body = nn.Stack(*layers)
        self.head = nnx.Linear(features, classes, rngs=rngs)
        self.blocks, self.dtype = len(channels), dtype

    def features(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        if state is not None:
            raise ValueError("CNN3D sees a clip whole and keeps no state; feed it whole, or take CNNGRU")
        _, seen = self.body(cut(xs, self.blocks).astype(self.dtype))
        return None, nn.mean(seen).reshape(xs.shape[1], -1), {}
