"""From continuous time to steps and back, in float64: what a step retains, and what it takes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mxsnn.discrete import charge, current, early_charge, euler, exponential
from mxsnn.errors import UserError
from mxsnn.typing import Decay, Gain

SECONDS = 1e3
"""What a second is in ms: the unit of time of NIR's files."""

# The same as in mxsnn.discrete, which has float32; each with its inverse.
RETAINED: dict[Decay, Callable[[Any, float], Any]] = {
    euler: lambda tau, dt: 1 - dt / tau,
    exponential: lambda tau, dt: np.exp(-dt / tau),
}
TAU: dict[Decay, Callable[[Any, float], Any]] = {
    euler: lambda d, dt: dt / (1 - d),
    exponential: lambda d, dt: -dt / np.log(d),
}
GAINS: dict[Gain, Callable[[Any], Any]] = {
    charge: np.ones_like,
    current: lambda d: 1 - d,
    early_charge: lambda d: d,
}


def known(scheme: Decay) -> None:
    """Raises ValueError for a scheme whose inverse is not known."""
    if scheme not in TAU:
        raise ValueError(f"scheme is mxsnn.discrete.euler or mxsnn.discrete.exponential; got {scheme!r}")


def retained(decay: Decay, tau: Any, dt: Any) -> np.ndarray:
    """What a step retains, by any decay."""
    tau, dt = np.asarray(tau, np.float64), np.asarray(dt, np.float64)
    by: Callable[[Any, Any], Any] = RETAINED.get(decay, decay)
    return np.asarray(by(tau, dt), np.float64)


def gained(gain: Gain, d: np.ndarray) -> np.ndarray:
    """What a step takes in of its input, by any gain."""
    by: Callable[[Any], Any] = GAINS.get(gain, gain)
    return np.asarray(by(d), np.float64)


def is_unit(weight: Any) -> bool:
    """Whether all of these are 1, as far as float32 tells."""
    return bool(np.allclose(weight, 1, rtol=1e-6, atol=0))


def package() -> Any:
    """The package nir, which is not needed for anything else. Raises UserError where it is not installed."""
    try:
        import nir
    except ModuleNotFoundError as error:
        raise UserError("NIR graphs need the package nir; install it by: pip install 'mxsnn[interop]'") from error
    return nir
