"""The backend that is parallel over time: a state that is affine in the one before it is a prefix product of affine maps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mxsnn.neurons._base import Neuron
from mxsnn.typing import Array, State


def refusal(neuron: Neuron) -> str | None:
    """Why `associative` cannot run a neuron; None where it can."""
    if getattr(neuron, "affine", False):
        return None
    return (
        f"the associative backend runs neurons that declare themselves affine (LI, a LIF with reset=none), "
        f"and this {type(neuron).__name__} does not: take backend='scan'"
    )


@jax.jit  # or the steps of the scan would be compiled one by one, where the caller does not compile
def associative(neuron: Neuron, state: State, xs: Array) -> tuple[State, Array]:
    """`scan` of an affine neuron, s[t] = A s[t-1] + b(x[t]), in O(log T) steps by `lax.associative_scan`.

    A and b are those of the neuron's own `step`: b(x) is what it makes of a state that is zero, A its derivative by the state, for
    which a state of k parts costs k steps. All states are found at once, then all outputs. It rounds differently from `scan`, the
    more the longer a neuron remembers, and so may flip a spike that stands at the threshold. Source: Blelloch (1990); Martin,
    Cundy (2018) for linear recurrences.
    """
    parts, form = jax.tree.flatten(state)

    def after(parts, x) -> list[Array]:
        return jax.tree.leaves(neuron.step(jax.tree.unflatten(form, parts), x)[0])

    rest = [jnp.zeros_like(part) for part in parts]
    b = jax.vmap(lambda x: after(rest, x))(xs)
    a = _matrix(after, parts, xs)
    a, b = jax.lax.associative_scan(_compose, (a, b))
    states = [jnp.concatenate([s[None], r]) for s, r in zip(parts, _apply(a, parts, b), strict=True)]
    before, last = [s[:-1] for s in states], [s[-1] for s in states]
    out = jax.vmap(neuron.step)(jax.tree.unflatten(form, before), xs)[1]
    return jax.tree.unflatten(form, last), out


def _matrix(after, parts: list[Array], xs: Array) -> list[list[Array]]:
    """A[i][j] = ds_i/ds_j at every step, `[T, ...]`, all of one shape, no larger than the parameters that it is made of."""
    at = [jnp.zeros((1,) * part.ndim, part.dtype) for part in parts]
    x = jnp.zeros((1,) * (xs.ndim - 1), xs.dtype)
    along = [[jnp.full_like(part, i == j) for j, part in enumerate(at)] for i in range(len(at))]
    columns = [jax.jvp(lambda s: after(s, x), (at,), (column,))[1] for column in along]
    shape = len(xs), *jnp.broadcast_shapes(*(entry.shape for column in columns for entry in column))
    return [[jnp.broadcast_to(entry, shape) for entry in row] for row in zip(*columns, strict=True)]


def _apply(a, s, b) -> list[Array]:
    """a s + b."""
    return [sum((entry * part for entry, part in zip(row, s, strict=True)), offset) for row, offset in zip(a, b, strict=True)]


def _compose(first: Any, then: Any) -> Any:
    """The affine map (A, b) that does `first`, `then` the other."""
    (a, b), (c, d) = first, then
    columns = list(zip(*a, strict=True))
    product = [[sum(p * q for p, q in zip(row, column, strict=True)) for column in columns] for row in c]
    return product, _apply(c, b, d)
