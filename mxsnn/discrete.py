"""From continuous time to steps: how much of the membrane a step of `dt` retains, and how much of its input it takes in."""

from __future__ import annotations

import jax.numpy as jnp

from mxsnn.typing import Array, ArrayLike

__all__ = ["charge", "current", "euler", "exponential"]


def exponential(tau: ArrayLike, dt: ArrayLike) -> Array:
    """exp(-dt/tau): exact for the leak; tau and dt in ms, tau = inf does not leak."""
    return jnp.exp(-dt / jnp.asarray(tau))


def euler(tau: ArrayLike, dt: ArrayLike) -> Array:
    """1 - dt/tau: forward Euler, as libraries with a discrete habit have it; tau and dt in ms.

    tau >= dt, or the membrane changes its sign in a step. Neurons refuse other numbers; a learned tau is not looked at.
    """
    return 1 - dt / jnp.asarray(tau)


def charge(decay: ArrayLike) -> ArrayLike:
    """1: the input of a step is a charge that arrives at once (spikes, event counts), whatever the step lasts."""
    return 1.0


def current(decay: ArrayLike) -> ArrayLike:
    """1 - decay: the input is a current held through the step (pixel values); the membrane tends to resistance * current."""
    return 1 - decay
