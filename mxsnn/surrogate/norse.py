"""Norse 1.1's surrogates under the names of its `method` and the alpha of its neurons, 100; they fire at u > 0.

Not here: `heaviside`, which has no gradient; `logistic` and `circ_dist`, whose spikes are drawn at random.
"""

from mxsnn.surrogate._base import Surrogate, scaled
from mxsnn.surrogate._slopes import algebraic, fast_sigmoid, gaussian, sigmoid
from mxsnn.surrogate._slopes import triangle as _triangle

__all__ = ["circ", "heavi_erfc", "super", "tanh", "triangle"]


def super() -> Surrogate:
    """1 / (1 + |u|)^2, the default of its neurons, whatever their alpha."""
    return fast_sigmoid(1.0)


def tanh(alpha: float = 100.0) -> Surrogate:
    """sech^2(alpha u): of peak 1."""
    return scaled(sigmoid(2 * alpha), 2 / alpha)


def triangle(alpha: float = 100.0) -> Surrogate:
    """alpha max(0, 1 - |u|): alpha is no steepness here; `triangle_fn` alone has 0.3."""
    return scaled(_triangle(1.0), alpha)


def circ(alpha: float = 100.0) -> Surrogate:
    """alpha^3 / (alpha^2 + u^2)^(3/2): of peak 1; a greater alpha is a wider slope."""
    return scaled(algebraic(alpha), 2 * alpha)


def heavi_erfc(alpha: float = 100.0) -> Surrogate:
    """(2 / sqrt(pi)) exp(-(alpha u)^2): of peak 1.128 whatever alpha."""
    return scaled(gaussian(2**-0.5 / alpha), 2 / alpha)
