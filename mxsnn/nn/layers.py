"""Layers of neurons, and the stack that they make with others."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn.engine import unroll
from mxsnn.neurons import LI, Neuron, Outputs, Parameter, named, parameters
from mxsnn.neurons._base import unchecked
from mxsnn.neurons._checks import refuse_no_neuron
from mxsnn.typing import Array, State

__all__ = ["Readout", "Recurrent", "Spiking", "Stack", "Temporal", "count", "last", "max_pool", "maximum", "mean"]


class Temporal(nnx.Module):
    """A layer that knows time: `(xs[T, B, ...], state) -> (state, out[T, B, ...])`, from rest where `state` is None."""

    @abc.abstractmethod
    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        """Each layer's own."""


class Spiking(Temporal):
    """A layer of neurons, `xs[T, B, ...] -> (state, out[T, B, ...])`, with the parameters named in `learn` trainable.

    A parameter that must stay positive (a time constant, a threshold) is learned by its logarithm: p = exp(log_p). A learned
    parameter keeps the shape that it has in `neuron`: give an array `[C]` for one value a channel. Raises ValueError for a
    name that is no parameter of the neuron, or of the one that it wraps, or one without a gradient.
    """

    def __init__(self, neuron: Neuron, *, learn: Sequence[str] = (), backend: str = "auto"):
        refuse_no_neuron(type(self).__name__, neuron)
        known = {name: p for name, p in named(neuron).items() if not p.whole}
        for name in learn:
            if name not in known:
                raise ValueError(f"{type(neuron).__name__} has no parameter {name!r} to learn; it has {', '.join(known)}")
        self.fixed = nnx.data(neuron)
        self.backend = backend
        self.learned = nnx.Dict({name: nnx.Param(self._raw(name, known[name])) for name in learn})

    def _raw(self, name: str, parameter: Parameter) -> Array:
        value = parameter.value
        if not isinstance(value, jax.core.Tracer) and not np.isfinite(value).all():
            raise ValueError(f"{type(self.fixed).__name__}.{name} is {value}; only a finite parameter can be learned")
        value = jnp.asarray(value, jnp.float32)
        return jnp.log(value) if parameter.positive else value

    @property
    def neuron(self) -> Neuron:
        """The neuron with its learned parameters as they are now."""
        known = named(self.fixed)
        return unchecked(self.fixed, **{n: jnp.exp(p[...]) if known[n].positive else p[...] for n, p in self.learned.items()})

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        return unroll(self.neuron, xs, state, self.backend)


@parameters
class FedBack:
    """A neuron that hears the last outputs of its like, x'[t] = x[t] + out[t-1] W. It mixes the neurons: for the scan alone."""

    neuron: Any  # a Neuron
    kernel: Array  # [features, features]

    @property
    def outputs(self) -> Outputs:
        return Outputs.of(self.neuron)

    def init(self, shape, dtype=jnp.float32) -> State:
        return self.neuron.init(shape, dtype), jnp.zeros(shape, dtype)

    def step(self, state: State, x: Array) -> tuple[State, Array]:
        inner, out = state
        inner, out = self.neuron.step(inner, x + out @ self.kernel)
        return (inner, out), out


class Recurrent(Spiking):
    """Neurons that hear each other's outputs one step later: x'[t] = x[t] + out[t-1] W, for `xs[T, B, features]`.

    W is `[features, features]`, drawn orthogonal times `scale`. The state is `(neuron's state, out)`. The product has to stay
    inside the loop over time, so no backend but the scan runs it. A bias is one of the inputs; neurons that hear only themselves
    are `Autapse(neuron)`. snnTorch's RLeaky and RSynaptic are `Recurrent` of `NextStepReset(LIF(...))` and
    `NextStepReset(Synaptic(...))`, with the transpose of their weights; spyx's RLIF fires like RLeaky, shown one step later.
    """

    def __init__(self, neuron: Neuron, features: int, *, learn: Sequence[str] = (), scale: float = 0.1, rngs: nnx.Rngs):
        super().__init__(neuron, learn=learn, backend="scan")
        self.kernel = nnx.Param(nnx.initializers.orthogonal(scale)(rngs.params(), (features, features)))

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        kernel = self.kernel[...]
        if xs.shape[-1] != kernel.shape[0]:
            raise ValueError(f"Recurrent was made for {kernel.shape[0]} features; got inputs {xs.shape}")
        return unroll(FedBack(self.neuron, kernel), xs, state, self.backend)


def count(out: Array) -> Array:
    """Sum over time, `[T, B, ...] -> [B, ...]`: the number of spikes, in float32 at least (bfloat16 counts to 256)."""
    return out.sum(0, dtype=jnp.promote_types(out.dtype, jnp.float32))


def last(out: Array) -> Array:
    """The last step, `[T, B, ...] -> [B, ...]`."""
    return out[-1]


def maximum(out: Array) -> Array:
    """Maximum over time, `[T, B, ...] -> [B, ...]`."""
    return out.max(0)


def mean(out: Array) -> Array:
    """Mean over time, `[T, B, ...] -> [B, ...]`, in float32 at least."""
    return out.mean(0, dtype=jnp.promote_types(out.dtype, jnp.float32))


def max_pool(x: Array) -> Array:
    """Maximum over 2x2 pixels, `[B, H, W, C] -> [B, H // 2, W // 2, C]`; a tie shares the gradient.

    By slices, whose gradient is faster than that of `lax.reduce_window` on a CPU (`benchmarks.layers`).
    """
    h, w = x.shape[1:3]
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


class Readout(Temporal):
    """What a network says in the end: a neuron's outputs reduced over time, `xs[T, B, K] -> (state, [B, K])`.

    `Readout(LI(), mean)` is the mean membrane, `Readout(LIF(), count)` the spike count; `last` and `maximum` likewise.
    """

    def __init__(self, neuron: Neuron | None = None, reduce: Callable[[Array], Array] = mean):
        self.spiking = Spiking(LI() if neuron is None else neuron)
        self.reduce = reduce

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        state, out = self.spiking(xs, state)
        return state, self.reduce(out)


class Stack(Temporal):
    """Layers one after the other; a layer that is not `Temporal` sees time and batch as one axis, `[T*B, ...]`, once.

    A convolution inside the loop over time costs several times this (measured 4 to 14 times on a CPU). The state is a tuple with
    one entry per layer, None for those that keep none.
    """

    def __init__(self, *layers: Callable):
        self.layers = nnx.List(layers)

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        state, outs = self.outputs(xs, state)
        return state, outs[-1]

    def outputs(self, xs: Array, state: State = None) -> tuple[State, list[Array]]:
        """Like a call, with the output of every layer: for firing rates and figures."""
        states = (None,) * len(self.layers) if state is None else state
        if len(states) != len(self.layers):
            raise ValueError(f"the state of a Stack has one entry per layer: expected {len(self.layers)}, got {len(states)}")
        after, outs = [], []
        for layer, s in zip(self.layers, states, strict=True):
            if isinstance(layer, Temporal):
                s, xs = layer(xs, s)
            else:
                out = layer(xs.reshape(xs.shape[0] * xs.shape[1], *xs.shape[2:]))
                xs = out.reshape(*xs.shape[:2], *out.shape[1:])
            after.append(s)
            outs.append(xs)
        return tuple(after), outs
