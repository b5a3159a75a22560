"""From continuous time to steps: how much of the membrane a step of `dt` retains, and how much of its input it takes in."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from mxsnn.typing import Array, ArrayLike, Decay

__all__ = ["charge", "current", "early_charge", "euler", "exponential"]


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


def early_charge(decay: ArrayLike) -> ArrayLike:
    """decay: a charge that arrives as the step begins and has leaked through it when it is read."""
    return decay


def current(decay: ArrayLike) -> ArrayLike:
    """1 - decay: the input is a current held through the step (pixel values); the membrane tends to resistance * current."""
    return 1 - decay


def tau_of(retained: Any, dt: ArrayLike, name: str, decay: Decay = exponential) -> Any:
    """The time constant in ms under which a step of `dt` ms retains this: -dt / ln(retained), or dt / (1 - retained) by `euler`.

    A number or an array. Raises ValueError outside (0, 1), and for another `decay`, of which no inverse is known.
    """
    kept = np.asarray(retained, float)
    if not np.all((kept > 0) & (kept < 1)):
        raise ValueError(f"{name} is what a step retains, between 0 and 1; got {retained}")
    if decay is not exponential and decay is not euler:
        raise ValueError(f"{name} cannot be told a time constant under decay={decay}: give the time constants themselves")
    return plain(dt / (1 - kept) if decay is euler else -dt / np.log(kept))


def lost_of(tau: Any, dt: ArrayLike, decay: Decay = exponential) -> Any:
    """What a step of `dt` ms loses under this time constant, 1 - decay(tau, dt): a number or an array, with a float64's digits."""
    ratio = np.asarray(dt, float) / np.asarray(tau, float)
    known = {exponential: -np.expm1(-ratio), euler: ratio}
    return plain(known[decay] if decay in known else 1 - np.asarray(decay(tau, dt), float))


def plain(value: Any) -> Any:
    """A number of Python's, which takes the dtype of what it meets, where an array has no axes."""
    return value if np.ndim(value) else float(value)
