"""What stands between layers of neurons: windows over pixels, flattening, a factor or a sum for each feature; and a delay."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn.nn.layers import Temporal
from mxsnn.typing import Array, ArrayLike, State

__all__ = ["AvgPool", "Bias", "Delay", "Flatten", "MaxPool", "Scale", "SumPool"]


@dataclasses.dataclass(frozen=True)
class _Pool:
    """Windows of `kernel` pixels every `stride` (default: side by side) over `[B, ..., C]`, one number for each axis between.

    `padding` pixels are added on each side; what is left of a window at the end is not read. Raises ValueError for a kernel that
    has no numbers, or not as many as there are axes.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...] | None = None
    padding: tuple[int, ...] | None = None

    def _check(self, x: Array) -> None:
        axes = len(self.kernel)
        if x.ndim != axes + 2:
            raise ValueError(f"{type(self).__name__} has windows of {axes} axes, [B, {'..., ' * (axes > 0)}C]; got {x.shape}")

    def _sum(self, x: Array) -> Array:
        self._check(x)
        pads = ((0, 0), *((p, p) for p in self.padding or (0,) * len(self.kernel)), (0, 0))
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, *self.kernel, 1), (1, *(self.stride or self.kernel), 1), pads)


class SumPool(_Pool):
    """Sum over windows, `[B, H, W, C] -> [B, H', W', C]`, H' = (H + 2 padding - kernel) // stride + 1; any number of axes."""

    def __call__(self, x: Array) -> Array:
        return self._sum(x)


class AvgPool(_Pool):
    """Mean over windows, padded zeros counted, `[B, H, W, C] -> [B, H', W', C]`; sizes as those of SumPool."""

    def __call__(self, x: Array) -> Array:
        return self._sum(x) / math.prod(self.kernel)


class MaxPool(_Pool):
    """Maximum over windows, `[B, H, W, C] -> [B, H', W', C]`; the gradient goes to the first of equals, as PyTorch's does.

    Sizes as those of SumPool. By slices, whose gradient is faster than that of `lax.reduce_window` on a CPU (`benchmarks.layers`).
    Over 2x2 pixels `max_pool` shares the gradient among equals.
    """

    def __call__(self, x: Array) -> Array:
        self._check(x)
        stride = self.stride or self.kernel
        if self.padding:
            x = jnp.pad(x, [(0, 0), *((p, p) for p in self.padding), (0, 0)], constant_values=-jnp.inf)
        sizes = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], self.kernel, stride, strict=True)]
        # Slices to a whole stride, then as many as there are windows: with exact ends, which say the same, a training step of a
        # SEW-ResNet took half as long again and nearly twice the memory (64x64, 12 steps, batch 16, on a CPU).
        windows = (
            x[:, *(slice(a, a + n * s, s) for a, n, s in zip(at, sizes, stride, strict=True))][:, *map(slice, sizes)]
            for at in itertools.product(*map(range, self.kernel))
        )
        return functools.reduce(lambda most, other: jnp.where(most >= other, most, other), windows)


@dataclasses.dataclass(frozen=True)
class Flatten:
    """One axis of features, `[B, H, W, C] -> [B, H W C]`, the channel last: it varies the fastest."""

    def __call__(self, x: Array) -> Array:
        return x.reshape(len(x), -1)


class Scale(nnx.Module):
    """weight * x, elementwise: a learned factor for all, for each feature `[C]` or each neuron `[H, W, C]`."""

    def __init__(self, weight: ArrayLike):
        self.weight = nnx.Param(jnp.asarray(weight, jnp.float32))

    def __call__(self, x: Array) -> Array:
        return self.weight[...] * x


class Bias(nnx.Module):
    """x + bias, elementwise: a learned constant current for all, for each feature `[C]` or each neuron `[H, W, C]`."""

    def __init__(self, bias: ArrayLike):
        self.bias = nnx.Param(jnp.asarray(bias, jnp.float32))

    def __call__(self, x: Array) -> Array:
        return x + self.bias[...]


class Delay(Temporal):
    """out[t] = xs[t - steps], 0 before: `steps` whole numbers, one for all or one a neuron; `xs[T, B, ...] -> (state, out)`.

    The state are the last max(steps) inputs, `[max, B, ...]`, so that chunks make one pass. Raises ValueError for steps that are
    no whole numbers of at least 0.
    """

    def __init__(self, steps: int | np.ndarray):
        steps = np.asarray(steps)
        if not np.issubdtype(steps.dtype, np.integer) or (steps < 0).any():
            raise ValueError(f"Delay waits for whole steps, at least 0; got {steps}")
        self._shape, self._steps = steps.shape, tuple(steps.ravel().tolist())  # constants of the program that is compiled

    @property
    def steps(self) -> np.ndarray:
        """How many steps each neuron waits."""
        return np.reshape(self._steps, self._shape)

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        steps = self.steps
        longest = int(steps.max(initial=0))
        shape = (longest, *xs.shape[1:])
        state = jnp.zeros(shape, xs.dtype) if state is None else state
        if state.shape != shape:
            raise ValueError(f"the state of this Delay are its last {longest} inputs, {shape}; got {state.shape}")
        heard = jnp.concatenate([state, xs])
        if (steps == longest).all():
            return heard[len(xs) :], heard[: len(xs)]
        at = jnp.arange(len(xs)).reshape(-1, *[1] * (xs.ndim - 1)) + jnp.broadcast_to(longest - steps, xs.shape[1:])
        return heard[len(xs) :], jnp.take_along_axis(heard, at, 0)
