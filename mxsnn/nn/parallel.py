"""Parallel spiking neurons: layers that weigh the whole sequence at once. They have no step, and no reset."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from mxsnn.nn.layers import Temporal
from mxsnn.surrogate import atan, inclusive
from mxsnn.typing import Array, Fire, State

__all__ = ["PSN", "MaskedPSN", "SlidingPSN", "halving"]

INCLUSIVE = inclusive(atan())


def halving(key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
    """An initializer of SlidingPSN: ..., 1/4, 1/2, 1, the memory of a LIF that retains half of its membrane in a step."""
    return 2.0 ** jnp.arange(1 - shape[0], 1, dtype=dtype)


class PSN(Temporal):
    """Parallel spiking neuron, `xs[T, B, ...] -> (None, out[T, B, ...])`, 0 or 1: every step hears every other, later ones too.

    h = W xs + b;  out = fire(h), with W `[T, T]` and b `[T]`, which begins at -1: the threshold is -b. One W for all neurons; T is
    `steps`, and no other length will do. fire is inclusive by default. W is drawn uniform up to 1/sqrt(T), as SpikingJelly does.
    With W[t, s] = d^(t - s) for s <= t, else 0, it is LIF without a reset. Raises ValueError for another number of steps, and for
    a state: it sees the sequence whole. Source: Fang et al. (2023), Parallel spiking neurons.
    """

    def __init__(self, steps: int, *, fire: Fire = INCLUSIVE, rngs: nnx.Rngs):
        draw = nnx.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        self.weight = nnx.Param(draw(rngs.params(), (steps, steps), jnp.float32))
        self.bias = nnx.Param(jnp.full(steps, -1.0))
        self.fire = fire

    def weights(self) -> Array:
        """W as it is applied, `[T, T]`."""
        return self.weight[...]

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        name, steps = type(self).__name__, len(self.bias[...])
        if state is not None:
            raise ValueError(f"{name} sees a sequence whole and keeps no state; feed it whole, or take SlidingPSN")
        if len(xs) != steps:
            raise ValueError(f"this {name} was made for sequences of {steps} steps; got inputs {xs.shape}")
        h = jnp.tensordot(self.weights(), xs, 1, precision="highest") + self.bias[...].reshape(-1, *[1] * (xs.ndim - 1))
        return None, _like(self.fire(h), xs)


class MaskedPSN(PSN):
    """PSN that is led to hear its last `order` inputs alone: W' = W (lambda M + 1 - lambda), M[t, s] = 1 for t - order < s <= t.

    `lambda_` is no parameter: training raises it from 0 (a PSN) to 1 (causal), by `layer.lambda_[...] = 0.5`. SpikingJelly's steps
    one at a time once lambda is 1; here a SlidingPSN does. Source: Fang et al. (2023), Parallel spiking neurons.
    """

    def __init__(self, order: int, steps: int, *, lambda_: float = 0.0, fire: Fire = INCLUSIVE, rngs: nnx.Rngs):
        super().__init__(steps, fire=fire, rngs=rngs)
        self.order = _at_least_one(order, type(self).__name__)
        self.lambda_ = nnx.Variable(jnp.float32(lambda_))

    def weights(self) -> Array:
        """W' as it is applied, `[T, T]`."""
        weight, lambda_ = self.weight[...], self.lambda_[...]
        mask = jnp.triu(jnp.tril(jnp.ones_like(weight)), 1 - self.order)
        return weight * (lambda_ * mask + 1 - lambda_)


class SlidingPSN(Temporal):
    """PSN whose steps share the weights of their last k inputs, for sequences of any length: `xs[T, B, ...] -> (state, out)`.

    h[t] = sum_j w[k - 1 - j] xs[t - j] + b, j from 0 to k - 1;  out = fire(h), with k = `order`, b a number that begins at -1. The
    state are the last k - 1 inputs, `[k - 1, B, ...]`, so that chunks make one pass. With `halving`, the default, it is LIF without
    a reset that forgets inputs older than k steps; any nnx initializer of `[k]` will do (SpikingJelly's other one is uniform up
    to 1/sqrt(k)). Raises ValueError for a state of another shape. Source: Fang et al. (2023), Parallel spiking neurons.
    """

    def __init__(self, order: int, *, init=halving, fire: Fire = INCLUSIVE, rngs: nnx.Rngs | None = None):
        self.order = _at_least_one(order, type(self).__name__)
        self.weight = nnx.Param(init(jax.random.key(0) if rngs is None else rngs.params(), (order,), jnp.float32))
        self.bias = nnx.Param(jnp.float32(-1.0))
        self.fire = fire

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        shape = (self.order - 1, *xs.shape[1:])
        state = jnp.zeros(shape, xs.dtype) if state is None else state
        if state.shape != shape:
            raise ValueError(f"the state of this SlidingPSN are its last {self.order - 1} inputs, {shape}; got {state.shape}")
        heard = jnp.concatenate([state, xs])
        h = sum((w * heard[i : i + len(xs)] for i, w in enumerate(self.weight[...])), self.bias[...])
        return heard[len(xs) :], _like(self.fire(h), xs)


def _like(out: Array, xs: Array) -> Array:
    """Spikes in the dtype of the inputs, where that is a floating one."""
    return out.astype(xs.dtype) if jnp.issubdtype(xs.dtype, jnp.floating) else out


def _at_least_one(order: int, name: str) -> int:
    if order < 1:
        raise ValueError(f"{name} hears at least its last input; got order={order}")
    return order
