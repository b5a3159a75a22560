"""spyx 1.0's surrogates under its names and defaults; they fire at u > 0.

Not here: `custom()`, called the straight-through estimator, whose slope is u; make one of your own with `@surrogate`.
"""

import math

from mxsnn.surrogate._base import Surrogate, scaled
from mxsnn.surrogate._slopes import atan, fast_sigmoid, sigmoid, triangle
from mxsnn.surrogate._slopes import boxcar as _boxcar

__all__ = ["arctan", "boxcar", "superspike", "tanh", "triangular"]


def arctan(k: float = 2.0) -> Surrogate:
    """1 / (pi (1 + (k pi u)^2)): the `atan` of twice this steepness, of area 1/(pi k)."""
    return scaled(atan(2 * k), 1 / (math.pi * k))


def boxcar(width: float = 2.0, height: float = 0.5) -> Surrogate:
    """height where |u| < width/2, else 0."""
    return scaled(_boxcar(width), height * width)


def superspike(k: float = 25.0) -> Surrogate:
    """1 / (1 + k |u|)^2, the default of its neurons."""
    return fast_sigmoid(k)


def tanh(k: float = 1.0) -> Surrogate:
    """sech^2(k u): the `sigmoid` of twice this steepness, of peak 1."""
    return scaled(sigmoid(2 * k), 2 / k)


def triangular(k: float = 2.0) -> Surrogate:
    """max(0, 1 - k |u|): of peak 1, of area 1/k."""
    return scaled(triangle(1 / k), 1 / k)
