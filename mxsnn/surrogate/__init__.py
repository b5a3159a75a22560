r"""Surrogate gradients: a step function forward, a smooth slope backward.

A surrogate is called with the distance to the threshold, `u = v - threshold`, and returns exactly 0 or 1:

    s = 1 if u > 0 else 0,        ds/du := slope(u)

`@surrogate` turns one line of mathematics, the slope, into a constructor: `atan(alpha=2.0)` is a value that compares, hashes and
prints by its parameters, so that equal neurons share one compilation. `inclusive` makes one fire at the threshold too, `scaled`
weighs its slope. Source: Neftci, Mostafa, Zenke (2019), Surrogate gradient learning in spiking neural networks.

Each formula stands here once. Libraries give one formula several names, scales and defaults, and one name several formulas: the
modules `snntorch`, `spikingjelly`, `spyx`, `norse`, `jaxpike`, `sinabs` and `braintools` have those of each library, comparator
and default included, and `more` those of libraries and papers with one or two of their own.
"""

from types import ModuleType

from mxsnn.surrogate import braintools, jaxpike, more, norse, sinabs, snntorch, spikingjelly, spyx
from mxsnn.surrogate._base import Surrogate, inclusive, scaled, surrogate
from mxsnn.surrogate._slopes import (
    algebraic,
    atan,
    boxcar,
    double_gaussian,
    fake_numerical_gradient,
    fast_sigmoid,
    gaussian,
    leaky_boxcar,
    leaky_relu,
    log_tailed_relu,
    multi_gaussian,
    piecewise_exponential,
    piecewise_linear,
    q_pseudo_spike,
    s2nn,
    sigmoid,
    sign_log_abs,
    squarewave_fourier_series,
    straight_through,
    triangle,
)

__all__ = [
    "Surrogate",
    "algebraic",
    "atan",
    "boxcar",
    "double_gaussian",
    "fake_numerical_gradient",
    "fast_sigmoid",
    "gaussian",
    "inclusive",
    "leaky_boxcar",
    "leaky_relu",
    "log_tailed_relu",
    "multi_gaussian",
    "piecewise_exponential",
    "piecewise_linear",
    "q_pseudo_spike",
    "s2nn",
    "scaled",
    "sigmoid",
    "sign_log_abs",
    "squarewave_fourier_series",
    "straight_through",
    "surrogate",
    "triangle",
]

LIBRARIES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (snntorch, spikingjelly, spyx, norse, jaxpike, sinabs, braintools, more)
}
"""The modules of each library's surrogates by name; what is in a module is in its `__all__`."""
