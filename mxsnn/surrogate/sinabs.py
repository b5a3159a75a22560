"""Sinabs 3.1's surrogates under its names and defaults, for a threshold of 1; they fire at u >= 0.

Not here: `PeriodicExponential`, for neurons that fire several times a step.
"""

from mxsnn.surrogate._base import Surrogate, inclusive, scaled
from mxsnn.surrogate._slopes import gaussian, multi_gaussian, piecewise_exponential, piecewise_linear

__all__ = ["Gaussian", "Heaviside", "MultiGaussian", "SingleExponential"]


def Gaussian(sigma: float = 0.5, grad_scale: float = 1.0) -> Surrogate:
    """grad_scale N(u; 0, sigma)."""
    return inclusive(scaled(gaussian(sigma), grad_scale))


def Heaviside(window: float = 1.0) -> Surrogate:
    """1 where u > -window, else 0."""
    return inclusive(piecewise_linear(window))


def MultiGaussian(sigma: float = 0.5, h: float = 0.15, s: float = 6.0, grad_scale: float = 1.0) -> Surrogate:
    """grad_scale ((1 + h) N(u; 0, sigma) - h N(u; sigma, s sigma) - h N(u; -sigma, s sigma))."""
    return inclusive(scaled(multi_gaussian(sigma, s, h), grad_scale))


def SingleExponential(grad_width: float = 0.5, grad_scale: float = 1.0) -> Surrogate:
    """(grad_scale / grad_width) exp(-|u| / grad_width), the default of its neurons: of area 2 grad_scale."""
    return inclusive(scaled(piecewise_exponential(1 / grad_width), 2 * grad_scale))
