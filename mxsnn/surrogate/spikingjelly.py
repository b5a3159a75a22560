"""SpikingJelly 2.0's surrogates under its names and defaults; they fire at u >= 0.

Not here: `PoissonPass`, whose spikes are drawn at random; `MultiLevelSpikeCount`, which counts (see `neurons`). At u = 0 itself and
on the edges of `Rect` the slopes may be those of the other side.
"""

from mxsnn.surrogate._base import Surrogate, inclusive, scaled
from mxsnn.surrogate._slopes import (
    atan,
    boxcar,
    fake_numerical_gradient,
    fast_sigmoid,
    gaussian,
    leaky_boxcar,
    leaky_relu,
    log_tailed_relu,
    piecewise_exponential,
    q_pseudo_spike,
    s2nn,
    sigmoid,
    sign_log_abs,
    squarewave_fourier_series,
    straight_through,
    triangle,
)

__all__ = [
    "S2NN",
    "ATan",
    "DeterministicPass",
    "Erf",
    "FakeNumericalGradient",
    "LeakyKReLU",
    "LogTailedReLU",
    "NonzeroSignLogAbs",
    "PiecewiseExp",
    "PiecewiseLeakyReLU",
    "PiecewiseQuadratic",
    "QPseudoSpike",
    "Rect",
    "Sigmoid",
    "SoftSign",
    "SquarewaveFourierSeries",
    "SuperSpike",
]


def ATan(alpha: float = 2.0) -> Surrogate:
    """(alpha/2) / (1 + (pi alpha u / 2)^2)."""
    return inclusive(atan(alpha))


def DeterministicPass() -> Surrogate:
    """1."""
    return inclusive(straight_through())


def Erf(alpha: float = 2.0) -> Surrogate:
    """(alpha / sqrt(pi)) exp(-(alpha u)^2): a Gaussian of sigma = 1 / (alpha sqrt(2))."""
    return inclusive(gaussian(2**-0.5 / alpha))


def FakeNumericalGradient(alpha: float = 0.3) -> Surrogate:
    """min(1/|u|, alpha)."""
    return inclusive(fake_numerical_gradient(alpha))


def LeakyKReLU(leak: float = 0.0, k: float = 1.0) -> Surrogate:
    """k above the threshold, leak below."""
    return inclusive(scaled(leaky_relu(leak / k), k))


def LogTailedReLU(alpha: float = 0.0) -> Surrogate:
    """alpha where u <= 0, 1 up to u = 1, 1/u beyond."""
    return inclusive(log_tailed_relu(alpha))


def NonzeroSignLogAbs(alpha: float = 1.0) -> Surrogate:
    """1 / (1/alpha + |u|)."""
    return inclusive(sign_log_abs(alpha))


def PiecewiseExp(alpha: float = 1.0) -> Surrogate:
    """(alpha/2) exp(-alpha |u|)."""
    return inclusive(piecewise_exponential(alpha))


def PiecewiseLeakyReLU(w: float = 1.0, c: float = 0.01) -> Surrogate:
    """1/(2w) where |u| < w, else c."""
    return inclusive(leaky_boxcar(2 * w, c))


def PiecewiseQuadratic(alpha: float = 1.0) -> Surrogate:
    """max(0, alpha - alpha^2 |u|): a triangle of width 1/alpha; it is its integral that is quadratic."""
    return inclusive(triangle(1 / alpha))


def QPseudoSpike(alpha: float = 2.0) -> Surrogate:
    """(1 + 2|u| / (alpha - 1))^(-alpha)."""
    return inclusive(q_pseudo_spike(alpha))


def Rect(alpha: float = 1.0) -> Surrogate:
    """alpha where |u| < 1/(2 alpha), else 0."""
    return inclusive(boxcar(1 / alpha))


def S2NN(alpha: float = 4.0, beta: float = 1.0) -> Surrogate:
    """alpha sigma(alpha u) (1 - sigma(alpha u)) where u < 0, else beta / (u + 1)."""
    return inclusive(s2nn(alpha, beta))


def Sigmoid(alpha: float = 4.0) -> Surrogate:
    """alpha sigma(alpha u) (1 - sigma(alpha u)), the default of its neurons."""
    return inclusive(sigmoid(alpha))


def SoftSign(alpha: float = 2.0) -> Surrogate:
    """alpha / (2 (1 + alpha |u|)^2)."""
    return inclusive(scaled(fast_sigmoid(alpha), alpha / 2))


def SquarewaveFourierSeries(n: int = 2, T_period: float = 8.0) -> Surrogate:
    """(4/T) sum_{i=1..n-1} cos((2i - 1) 2 pi u / T): n - 1 terms."""
    return inclusive(squarewave_fourier_series(n - 1, T_period))


def SuperSpike(alpha: float = 1.0) -> Surrogate:
    """alpha / (1 + |u|)^2: alpha is no steepness here."""
    return inclusive(scaled(fast_sigmoid(1.0), alpha))
