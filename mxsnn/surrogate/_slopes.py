"""The slopes of the field, each formula once; `u` is the distance to the threshold, any shape.

All are written so that they are finite in float32, and in half precision, wherever the membrane may go.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mxsnn.surrogate._base import Positive, surrogate
from mxsnn.typing import Array

# ---- bells: even, falling on both sides, of unit area unless they say otherwise -------------------------------------------------


@surrogate
def atan(u: Array, alpha: Positive = 2.0) -> Array:
    """ds/du = (alpha/2) / (1 + (pi alpha u / 2)^2): unit area. Fang et al. (2021), PLIF."""
    return alpha / 2 / (1 + (jnp.pi / 2 * alpha * u) ** 2)


@surrogate
def fast_sigmoid(u: Array, slope: Positive = 25.0) -> Array:
    """ds/du = 1 / (1 + slope |u|)^2: area 2/slope. Zenke, Ganguli (2018), SuperSpike."""
    return 1 / (1 + slope * jnp.abs(u)) ** 2


@surrogate
def sigmoid(u: Array, slope: Positive = 4.0) -> Array:
    """ds/du = slope sigma(slope u) (1 - sigma(slope u)): unit area; sech^2(slope u / 2) is 4/slope times this."""
    return slope * jax.nn.sigmoid(slope * u) * jax.nn.sigmoid(-slope * u)


@surrogate
def algebraic(u: Array, width: Positive = 1.0) -> Array:
    """ds/du = width^2 / (2 (width^2 + u^2)^(3/2)): unit area; the derivative of u / sqrt(width^2 + u^2), halved."""
    return 0.5 / width * (1 + (u / width) ** 2) ** -1.5


@surrogate
def q_pseudo_spike(u: Array, alpha: Positive = 2.0) -> Array:
    """ds/du = (1 + 2|u| / (alpha - 1))^(-alpha): unit area; alpha > 1, less for heavier tails. Herranz-Celotti, Rouat (2022)."""
    if not alpha > 1:
        raise ValueError(f"q_pseudo_spike: alpha must exceed 1, got {alpha}")
    return (1 + 2 / (alpha - 1) * jnp.abs(u)) ** -alpha


@surrogate
def sign_log_abs(u: Array, alpha: Positive = 1.0) -> Array:
    """ds/du = 1 / (1/alpha + |u|): the derivative of sign(u) log(|alpha u| + 1); tails so heavy that its area is infinite."""
    return 1 / (1 / alpha + jnp.abs(u))


@surrogate
def triangle(u: Array, width: Positive = 1.0) -> Array:
    """ds/du = max(0, 1 - |u|/width) / width: unit area. Esser et al. (2016)."""
    return jnp.maximum(0, 1 - jnp.abs(u) / width) / width


@surrogate
def piecewise_exponential(u: Array, alpha: Positive = 1.0) -> Array:
    """ds/du = (alpha/2) exp(-alpha |u|): unit area. Shrestha, Orchard (2018), SLAYER."""
    return alpha / 2 * jnp.exp(-alpha * jnp.abs(u))


@surrogate
def gaussian(u: Array, sigma: Positive = 0.5) -> Array:
    """ds/du = N(u; 0, sigma) = exp(-u^2 / (2 sigma^2)) / (sigma sqrt(2 pi)): unit area. Yin, Corradi, Bohte (2021)."""
    return _normal(u, sigma)


@surrogate
def multi_gaussian(u: Array, sigma: Positive = 0.5, spread: Positive = 6.0, height: float = 0.15) -> Array:
    """ds/du = (1 + h) N(u; 0, sigma) - h N(u; sigma, spread sigma) - h N(u; -sigma, spread sigma), h = height: area 1 - h.

    Below zero in the tails. Yin, Corradi, Bohte (2021), Accurate and efficient time-domain classification.
    """
    sides = _normal(u - sigma, spread * sigma) + _normal(u + sigma, spread * sigma)
    return (1 + height) * _normal(u, sigma) - height * sides


@surrogate
def double_gaussian(u: Array, sigma: Positive = 0.5, spread: Positive = 6.0, height: float = 0.15) -> Array:
    """ds/du = (1 + h) N(u; 0, sigma) - 2 h N(u; 0, spread sigma), h = height: area 1 - h, below zero in the tails.

    Both broad lobes lie at the threshold, where `multi_gaussian` sets them beside it. Higuchi et al. (2024), Balanced
    resonate-and-fire neurons.
    """
    return (1 + height) * _normal(u, sigma) - 2 * height * _normal(u, spread * sigma)


@surrogate
def fake_numerical_gradient(u: Array, alpha: Positive = 0.3) -> Array:
    """ds/du = min(1/|u|, alpha): the difference quotient of the step, cut off; its area is infinite."""
    return 1 / jnp.maximum(jnp.abs(u), 1 / alpha)


# ---- windows --------------------------------------------------------------------------------------------------------------------


@surrogate
def boxcar(u: Array, width: Positive = 1.0) -> Array:
    """ds/du = 1/width where |u| < width/2, else 0: unit area."""
    return (jnp.abs(u) < width / 2) / width


@surrogate
def leaky_boxcar(u: Array, width: Positive = 2.0, leak: float = 0.01) -> Array:
    """ds/du = 1/width where |u| < width/2, else leak: no neuron is without gradient."""
    return jnp.where(jnp.abs(u) < width / 2, 1 / width, leak)


@surrogate
def squarewave_fourier_series(u: Array, terms: Positive = 1, period: Positive = 8.0) -> Array:
    """ds/du = (4/period) sum_{i=1..terms} cos((2i - 1) 2 pi u / period): a square wave's first terms; below zero in between."""
    waves = [jnp.cos((2 * i - 1) * 2 * jnp.pi / period * u) for i in range(1, int(terms) + 1)]
    return 4 / period * sum(waves, jnp.zeros_like(u))


# ---- one side is not the other --------------------------------------------------------------------------------------------------


@surrogate
def straight_through(u: Array) -> Array:
    """ds/du = 1. Bengio, Leonard, Courville (2013)."""
    return jnp.ones_like(u)


@surrogate
def leaky_relu(u: Array, leak: float = 0.0) -> Array:
    """ds/du = 1 where u > 0, else leak: the derivative of a leaky rectifier."""
    return jnp.where(u > 0, 1.0, leak)


@surrogate
def piecewise_linear(u: Array, window: float = 0.5) -> Array:
    """ds/du = 1 where u > -window, else 0: for neurons that may fire several times a step."""
    return jnp.where(u > -window, 1.0, 0.0)


@surrogate
def log_tailed_relu(u: Array, alpha: float = 0.0) -> Array:
    """ds/du = alpha where u <= 0, 1 up to u = 1, 1/u beyond: a leaky rectifier that grows like a logarithm. Cai et al. (2017)."""
    return jnp.where(u > 0, 1 / jnp.maximum(u, 1), alpha)


@surrogate
def s2nn(u: Array, alpha: Positive = 4.0, beta: Positive = 1.0) -> Array:
    """ds/du = alpha sigma(alpha u) (1 - sigma(alpha u)) where u < 0, else beta / (u + 1). Suetake et al. (2022), S2NN."""
    below = alpha * jax.nn.sigmoid(alpha * u) * jax.nn.sigmoid(-alpha * u)
    return jnp.where(u < 0, below, beta / (jnp.maximum(u, 0) + 1))


def _normal(u: Array, sigma: float) -> Array:
    return jnp.exp(-0.5 * (u / sigma) ** 2) / (sigma * (2 * jnp.pi) ** 0.5)
