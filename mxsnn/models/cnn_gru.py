"""A convolutional network for each frame, and a GRU over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.models.headed import Headed
from mxsnn.models.trunk import CHANNELS, cut, trunk
from mxsnn.typing import Array, State


class GRU(nn.Temporal):
    """Gated recurrent units, `xs[T, B, inputs] -> (state, out[T, B, units])`, in float32; the state is the last output.

    r, z = sigmoid(W x + b + U h);  n = tanh(W' x + b' + r U' h);  h' = (1 - z) n + z h, equal to `flax.nnx.GRUCell`; what the
    inputs do to the gates is computed once over T*B. Source: Cho et al. (2014), arXiv 1406.1078.
    """

    def __init__(self, inputs: int, units: int, *, rngs: nnx.Rngs):
        self.heard = nnx.Linear(inputs, 3 * units, rngs=rngs)
        self.fed_back = nnx.Linear(units, 3 * units, use_bias=False, kernel_init=nnx.initializers.orthogonal(), rngs=rngs)

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        kernel = self.fed_back.kernel[...]

        def step(h: Array, x: Array) -> tuple[Array, Array]:
            (xr, xz, xn), (hr, hz, hn) = jnp.split(x, 3, -1), jnp.split(h @ kernel, 3, -1)
            z = jax.nn.sigmoid(xz + hz)
            h = (1 - z) * jnp.tanh(xn + jax.nn.sigmoid(xr + hr) * hn) + z * h
            return h, h

        heard = self.heard(xs.astype(jnp.float32))
        rest = jnp.zeros((xs.shape[1], len(kernel)), heard.dtype) if state is None else state
        return jax.lax.scan(step, rest, heard)


class CNNGRU(Headed):
    """Per frame a convolutional network, then `units` of a GRU, of which the head sees the last step.

    xs[T, B, H, W, C] -> (state, logits[B, K]). The trunk is that of `SpikingCNN`, with ReLU, computed once over T*B. The state is
    that of the GRU: chunks end where one pass does. Raises ValueError for pictures that are too small for so many blocks.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int] = CHANNELS,
        units: int = 64,
        *,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        layers, features = trunk(shape, channels, dtype=dtype, rngs=rngs)
        self.body = nn.Stack(*layers, nn.Flatten())
        self.gru = GRU(features, units, rngs=rngs)
        self.head = nnx.Linear(units, classes, rngs=rngs)
        self.blocks, self.dtype = len(channels), dtype

    def features(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        _, seen = self.body(cut(xs, self.blocks).astype(self.dtype))
        state, out = self.gru(seen, state)
        return state, out[-1], {}
