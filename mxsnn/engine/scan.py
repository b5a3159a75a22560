"""The sequential backends: `scan`, which defines the result, and `remat`, which trades time for memory."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from mxsnn.neurons._base import Neuron
from mxsnn.typing import Array, State

UNROLL = {"cpu": 1, "gpu": 8, "tpu": 8}
"""Steps per loop iteration by platform. On a CPU more than one slows the loop down, up to six times
(25 steps of 128x1000 neurons); 8 elsewhere is a choice that no measurement backs yet."""


def scan(neuron: Neuron, state: State, xs: Array) -> tuple[State, Array]:
    """`lax.scan` over the leading axis of `xs[T, B, ...]`; keeps every state for the backward pass: O(T) memory."""
    return jax.lax.scan(neuron.step, state, xs, unroll=UNROLL.get(jax.default_backend(), 1))


def remat(neuron: Neuron, state: State, xs: Array) -> tuple[State, Array]:
    """`scan` that keeps the states at chunk boundaries only and recomputes each chunk backward: O(sqrt(T)) memory.

    The sequence is cut into chunks of ceil(sqrt(T)) steps and what remains, so any T will do. Source: Griewank, Walther (2000);
    Chen et al. (2016).
    """
    steps = xs.shape[0]
    size = math.isqrt(max(steps - 1, 0)) + 1
    whole = steps // size * size
    # prevent_cse guards against an optimisation that cannot happen inside a scan, and would slow it down there.
    chunk = jax.checkpoint(lambda carry, part: scan(neuron, carry, part), prevent_cse=False)
    state, out = jax.lax.scan(chunk, state, xs[:whole].reshape(whole // size, size, *xs.shape[1:]))
    out = jax.tree.map(lambda o: o.reshape(whole, *o.shape[2:]), out)
    if whole == steps:
        return state, out
    last = jax.checkpoint(lambda carry, part: scan(neuron, carry, part))
    state, rest = last(state, xs[whole:])
    return state, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), out, rest)
