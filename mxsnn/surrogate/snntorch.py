"""snnTorch 1.0's surrogates under its names and defaults; they fire at u > 0.

Not here: `triangular`, whose slope is the sign of -u and no triangle; `spike_rate_escape` and `SFS`, centred one unit above the
threshold; `LSO`, which raises there (its formula is `leaky_relu(0.1)`); `SSO`, which draws its slope at random.
"""

from mxsnn.surrogate._base import Surrogate
from mxsnn.surrogate._slopes import atan as _atan
from mxsnn.surrogate._slopes import fast_sigmoid as _fast_sigmoid
from mxsnn.surrogate._slopes import leaky_relu, straight_through
from mxsnn.surrogate._slopes import sigmoid as _sigmoid

__all__ = ["atan", "fast_sigmoid", "heaviside", "sigmoid", "straight_through_estimator"]


def atan(alpha: float = 2.0) -> Surrogate:
    """(alpha/2) / (1 + (pi alpha u / 2)^2), the default of its neurons; its documentation has another factor than its code."""
    return _atan(alpha)


def fast_sigmoid(slope: float = 25.0) -> Surrogate:
    """1 / (1 + slope |u|)^2."""
    return _fast_sigmoid(slope)


def sigmoid(slope: float = 25.0) -> Surrogate:
    """slope sigma(slope u) (1 - sigma(slope u)); here it is 0 far below the threshold, where snnTorch's float32 gives NaN."""
    return _sigmoid(slope)


def heaviside() -> Surrogate:
    """1 where u > 0, else 0."""
    return leaky_relu(0.0)


def straight_through_estimator() -> Surrogate:
    """1."""
    return straight_through()
