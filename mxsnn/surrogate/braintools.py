"""braintools 0.3's surrogates under its names and defaults, where it has others than SpikingJelly; they fire at u >= 0."""

from mxsnn.surrogate._base import Surrogate, inclusive, scaled
from mxsnn.surrogate._slopes import (
    fast_sigmoid,
    gaussian,
    leaky_relu,
    multi_gaussian,
    piecewise_exponential,
    squarewave_fourier_series,
    triangle,
)

__all__ = ["GaussianGrad", "InvSquareGrad", "LeakyRelu", "MultiGaussianGrad", "ReluGrad", "SlayerGrad", "SquarewaveFourierSeries"]


def GaussianGrad(sigma: float = 0.5, alpha: float = 0.5) -> Surrogate:
    """alpha N(u; 0, sigma)."""
    return inclusive(scaled(gaussian(sigma), alpha))


def InvSquareGrad(alpha: float = 100.0) -> Surrogate:
    """1 / (1 + alpha |u|)^2."""
    return inclusive(fast_sigmoid(alpha))


def LeakyRelu(alpha: float = 0.1, beta: float = 1.0) -> Surrogate:
    """beta above the threshold, alpha below."""
    return inclusive(scaled(leaky_relu(alpha / beta), beta))


def MultiGaussianGrad(h: float = 0.15, s: float = 6.0, sigma: float = 0.5, scale: float = 0.5) -> Surrogate:
    """scale ((1 + h) N(u; 0, sigma) - h N(u; sigma, s sigma) - h N(u; -sigma, s sigma)): half of Sinabs' by default."""
    return inclusive(scaled(multi_gaussian(sigma, s, h), scale))


def ReluGrad(alpha: float = 0.3, width: float = 1.0) -> Surrogate:
    """alpha max(0, width - |u|)."""
    return inclusive(scaled(triangle(width), alpha * width**2))


def SlayerGrad(alpha: float = 1.0) -> Surrogate:
    """exp(-alpha |u|)."""
    return inclusive(scaled(piecewise_exponential(alpha), 2 / alpha))


def SquarewaveFourierSeries(n: int = 2, t_period: float = 8.0) -> Surrogate:
    """(4/T) sum_{i=1..n} cos((2i - 1) 2 pi u / T): n terms, one more than SpikingJelly's of the same n."""
    return inclusive(squarewave_fourier_series(n, t_period))
