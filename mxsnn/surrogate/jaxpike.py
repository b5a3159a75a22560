"""jaxpike 0.1's surrogates under its names and defaults; they fire at u > 0."""

from mxsnn.surrogate._base import Surrogate
from mxsnn.surrogate._slopes import atan, boxcar, fast_sigmoid, triangle

__all__ = ["ATan", "Boxcar", "FastSigmoid", "Triangular"]


def ATan(alpha: float = 2.0) -> Surrogate:
    """(alpha/2) / (1 + (pi alpha u / 2)^2)."""
    return atan(alpha)


def Boxcar(width: float = 1.0) -> Surrogate:
    """1/width where |u| < width/2, else 0."""
    return boxcar(width)


def FastSigmoid(slope: float = 25.0) -> Surrogate:
    """1 / (1 + slope |u|)^2."""
    return fast_sigmoid(slope)


def Triangular(width: float = 1.0) -> Surrogate:
    """max(0, 1 - |u|/width) / width."""
    return triangle(width)
