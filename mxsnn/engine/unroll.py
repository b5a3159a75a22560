"""The one dispatcher: which backend runs a neuron through time, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mxsnn.engine.associative import associative, refusal
from mxsnn.engine.scan import remat, scan
from mxsnn.neurons._base import Neuron, Outputs
from mxsnn.neurons._checks import refuse_no_neuron
from mxsnn.typing import Array, ArrayLike, State

Backend = Callable[[Neuron, State, Array], tuple[State, Array]]

BACKENDS: dict[str, Backend] = {"scan": scan, "remat": remat, "associative": associative}
"""Every backend by name: `(neuron, state, xs[T, B, ...]) -> (state, out[T, B, ...])`. `scan` is the truth for the others."""

REFUSALS: dict[str, Callable[[Neuron], str | None]] = {"associative": refusal}
"""For the backends that do not run every neuron: why not this one, or None."""


class Choice(NamedTuple):
    """What runs, and why."""

    backend: str
    reason: str


def backends(neuron: Neuron) -> list[str]:
    """The backends that can run a neuron, by name."""
    return [name for name in BACKENDS if name not in REFUSALS or REFUSALS[name](neuron) is None]


def choose(neuron: Neuron, xs: Array | jax.ShapeDtypeStruct, backend: str = "auto") -> Choice:
    """The backend that `unroll` takes for these arguments, with the reason. `xs` may be a `jax.ShapeDtypeStruct`.

    Raises ValueError for an unknown backend, and for one that cannot run this neuron.
    """
    if backend == "auto":
        return Choice("scan", f"nothing faster is known for {type(neuron).__name__} on {jax.default_backend()}")
    if backend not in BACKENDS:
        raise ValueError(f"no backend is called {backend!r}; choose one of auto, {', '.join(BACKENDS)}")
    if backend in REFUSALS and (reason := REFUSALS[backend](neuron)):
        raise ValueError(reason)
    return Choice(backend, "asked for")


def unroll(neuron: Neuron, xs: ArrayLike, state: State | None = None, backend: str = "auto") -> tuple[State, Array]:
    """Runs `neuron` over time: `xs[T, B, ...] -> (state, out[T, B, ...])`, as `jax.lax.scan` does.

    state[t], out[t] = neuron.step(state[t-1], xs[t]), from `state` (default: at rest). The state is at least float32, also under
    bfloat16 inputs; spikes come in the dtype of `xs`, real-valued outputs in that of the state. Feeding a sequence in chunks, each
    with the state that the one before returned, equals one pass. Raises TypeError for what is no neuron; ValueError for a backend
    that is unknown or cannot run this one, for `xs` without a time axis, and for a state or parameters that do not fit the neurons.
    """
    refuse_no_neuron("unroll", neuron)
    xs = jnp.asarray(xs)
    if xs.ndim < 1:
        raise ValueError("xs needs a leading time axis, [T, B, ...]; got a scalar")
    dtype = jnp.promote_types(xs.dtype, jnp.float32)
    rest = jax.eval_shape(lambda: neuron.init(xs.shape[1:], dtype))
    if state is None:
        state = neuron.init(xs.shape[1:], dtype)
    _same(rest, state, f"the state given does not fit {type(neuron).__name__} with inputs {xs.shape}")
    x = jax.ShapeDtypeStruct(xs.shape[1:], xs.dtype)
    after, _ = jax.eval_shape(neuron.step, state, x)
    _same(
        state,
        after,
        f"a step of {type(neuron).__name__} changes its state; do the parameters broadcast against {x.shape}?",
    )
    state, out = BACKENDS[choose(neuron, xs, backend).backend](neuron, state, xs)
    if Outputs.of(neuron) is not Outputs.REAL and jnp.issubdtype(xs.dtype, jnp.floating):
        out = out.astype(xs.dtype)
    return state, out


def _same(expected: State, got: State, problem: str) -> None:
    """Refuses a state whose structure, shapes or dtypes differ; JAX would broadcast some of them without a word."""
    if jax.tree.structure(expected) != jax.tree.structure(got):
        raise ValueError(f"{problem}: expected {jax.tree.structure(expected)}, got {jax.tree.structure(got)}")
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
        if (a.shape, a.dtype) != (jnp.shape(b), jnp.result_type(b)):
            wider = jnp.result_type(b) == jnp.float64 != a.dtype
            remedy = "; give inputs in float64 as well, or parameters in float32" if wider else ""
            shown = f"{jnp.result_type(b)}{list(jnp.shape(b))}{remedy}"
            raise ValueError(f"{problem}: expected {a.dtype}{list(a.shape)}, got {shown}")
