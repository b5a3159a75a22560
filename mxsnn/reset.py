"""Resets: what a spike does to the membrane, `reset(v, s, threshold) -> v`, elementwise, in the step of the spike.

A reset is differentiable through the spike `s` unless it is wrapped in `detached`.
"""

from __future__ import annotations

import dataclasses
import numbers

import jax

from mxsnn.typing import Array, ArrayLike, Reset

__all__ = ["detached", "none", "subtract", "to_value"]


def subtract(v: Array, s: Array, threshold: ArrayLike) -> Array:
    """v - s threshold: what exceeds the threshold is kept ("soft" reset)."""
    return v - s * threshold


def none(v: Array, s: Array, threshold: ArrayLike) -> Array:
    """v: a spike leaves the membrane as it is."""
    return v


@dataclasses.dataclass(frozen=True)
class to_value:
    """(1 - s) v + s value: back to the resting or a lower potential, in units of the threshold ("hard" reset)."""

    value: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.value, numbers.Real):
            raise TypeError(f"to_value takes one number, a constant of the program that is compiled; got {self.value!r}")

    def __call__(self, v: Array, s: Array, threshold: ArrayLike) -> Array:
        return (1 - s) * v + s * self.value


@dataclasses.dataclass(frozen=True)
class detached:
    """`reset`, with no gradient through the spike that causes it."""

    reset: Reset

    def __call__(self, v: Array, s: Array, threshold: ArrayLike) -> Array:
        return self.reset(v, jax.lax.stop_gradient(s), threshold)
