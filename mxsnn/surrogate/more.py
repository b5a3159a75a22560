"""Surrogates of libraries and papers with one or two of their own, by the library's or the paper's name.

Not here: SNNAX' `superspike`, which lacks the square (its formula is `sign_log_abs(k)` over k); `sigmoid`, which raises.
"""

from mxsnn.surrogate._base import Surrogate, inclusive, scaled
from mxsnn.surrogate._slopes import (
    boxcar,
    double_gaussian,
    fast_sigmoid,
    multi_gaussian,
    piecewise_exponential,
    piecewise_linear,
)

__all__ = [
    "brf_double_gaussian",
    "brf_multi_gaussian",
    "jaxsnn_superspike",
    "lava_exponential",
    "rockpool_pwl",
    "se_adlif",
    "snnax_piecewise",
    "sparch_boxcar",
]


def brf_double_gaussian(gamma: float = 0.5, p: float = 0.15, sigma: float = 0.5) -> Surrogate:
    """gamma ((1 + p) N(u; 0, sigma) - 2 p N(u; 0, 6 sigma)). The code of Higuchi et al. (2024); fires at u > 0."""
    return scaled(double_gaussian(sigma, 6.0, p), gamma)


def brf_multi_gaussian(gamma: float = 0.5, h: float = 0.15, s: float = 6.0, sigma: float = 0.5) -> Surrogate:
    """gamma ((1 + h) N(u; 0, sigma) - h N(u; +-sigma, s sigma)). The code of Higuchi et al. (2024); fires at u > 0."""
    return scaled(multi_gaussian(sigma, s, h), gamma)


def jaxsnn_superspike(alpha: float = 80.0) -> Surrogate:
    """1 / (1 + alpha |u|)^2. jaxsnn 0.3, whose spike is 0.5 at u = 0; here it fires at u > 0."""
    return fast_sigmoid(alpha)


def lava_exponential(tau_grad: float = 1.0, scale_grad: float = 1.0) -> Surrogate:
    """scale_grad 0.1 / (2 w) exp(-|u| / w), w = 100 tau_grad: nearly flat. lava-dl 0.6, threshold 1; fires at u >= 0."""
    return inclusive(scaled(piecewise_exponential(0.01 / tau_grad), 0.1 * scale_grad))


def rockpool_pwl(window: float = 0.5) -> Surrogate:
    """1 where u > -window, else 0. Rockpool 3.1's StepPWL for one spike a step and a threshold of 1; fires at u >= 0."""
    return inclusive(piecewise_linear(window))


def se_adlif(alpha: float = 5.0, c: float = 0.4) -> Surrogate:
    """c (alpha/2) exp(-alpha |u|). The code of Baronig et al. (2024), SE-adLIF; fires at u > 0."""
    return scaled(piecewise_exponential(alpha), c)


def snnax_piecewise(beta: float = 0.5) -> Surrogate:
    """1 where |u| < beta, else 0. SNNAX 0.0.1; fires at u >= 0."""
    return inclusive(scaled(boxcar(2 * beta), 2 * beta))


def sparch_boxcar() -> Surrogate:
    """1 where |u| < 0.5, else 0. SpArch, Bittar, Garner (2022); fires at u > 0."""
    return boxcar(1.0)
