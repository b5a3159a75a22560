"""Attention over steps, channels and pixels: gates between 0 and 1, by which currents or features are multiplied."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from mxsnn.nn.layers import Temporal
from mxsnn.typing import Array, State

__all__ = ["ChannelAttention", "SpatialAttention", "TimeAttention"]


class _Gate(nnx.Module):
    """sigmoid(W' relu(W mean) + W' relu(W maximum)), W `[n, n // reduction]`, of two summaries `[..., n]`."""

    def __init__(self, n: int, reduction: int, dtype: Any, rngs: nnx.Rngs):
        if not 1 <= reduction <= n:
            raise ValueError(f"attention over {n} leaves none of them at a reduction of {reduction}; give 1 to {n}")
        self.down = nnx.Linear(n, n // reduction, use_bias=False, dtype=dtype, rngs=rngs)
        self.up = nnx.Linear(n // reduction, n, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, mean: Array, maximum: Array) -> Array:
        hidden = nnx.relu(self.down(jnp.stack([mean, maximum])))
        return jax.nn.sigmoid(self.up(hidden).sum(0))


class TimeAttention(Temporal):
    """Which steps matter: `xs[T, B, ...] -> (None, xs gate[T, B])`, of the mean and the maximum of each step; T is `steps`.

    gate = sigmoid(W' relu(W mean) + W' relu(W maximum)), W `[T, T // reduction]`. Every step's gate hears every other step, later
    ones too: it needs the sequence whole, and keeps no state. Raises ValueError for another number of steps, and for a state.
    Source: Yao et al. (2021), Temporal-wise attention SNNs, arXiv 2107.11711, with the maximum of SpikingJelly's
    `TemporalWiseAttention`.
    """

    def __init__(self, steps: int, reduction: int = 4, *, rngs: nnx.Rngs):
        self.gate = _Gate(steps, min(reduction, steps), jnp.float32, rngs)
        self.steps = steps

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        if len(xs) != self.steps or state is not None:
            raise ValueError(f"this TimeAttention weighs whole sequences of {self.steps} steps; got {xs.shape}")
        flat = xs.reshape(*xs.shape[:2], -1).astype(jnp.float32)
        gate = self.gate(flat.mean(-1).T, flat.max(-1).T).T
        return None, xs * gate.reshape(*gate.shape, *[1] * (xs.ndim - 2)).astype(xs.dtype)


class ChannelAttention(nnx.Module):
    """Which channels matter: `x[B, H, W, C] -> x gate[B, C]`, of the mean and the maximum over the pixels of each step alone.

    gate = sigmoid(W' relu(W mean) + W' relu(W maximum)), W `[C, C // reduction]`. It is causal, and applied once over T*B. Source:
    Woo et al. (2018), CBAM, arXiv 1807.06521. SpikingJelly's `MultiDimensionalAttention` takes mean and maximum over all steps,
    too.
    """

    def __init__(self, inputs: int, reduction: int = 4, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        self.gate = _Gate(inputs, min(reduction, inputs), dtype, rngs)

    def __call__(self, x: Array) -> Array:
        return x * self.gate(x.mean((1, 2)), x.max((1, 2)))[:, None, None]


class SpatialAttention(nnx.Module):
    """Where to look: `x[B, H, W, C] -> x gate[B, H, W]`, of the mean and the maximum over the channels of each step alone.

    gate = sigmoid(conv([mean, maximum])), a convolution of `kernel` x `kernel` pixels without bias. It is causal, and applied once
    over T*B. Source: Woo et al. (2018), CBAM, arXiv 1807.06521. SpikingJelly's `MultiDimensionalAttention` pools over all steps,
    too.
    """

    def __init__(self, kernel: int = 7, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        self.conv = nnx.Conv(2, 1, (kernel, kernel), use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        return x * jax.nn.sigmoid(self.conv(jnp.stack([x.mean(-1), x.max(-1)], -1)))
