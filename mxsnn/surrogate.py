r"""Surrogate gradients: a step function forward, a smooth slope backward.

A surrogate is called with the distance to the threshold, `u = v - threshold`, and returns exactly 0 or 1:

    s = 1 if u > 0 else 0,        ds/du := slope(u)

`@surrogate` turns one line of mathematics, the slope, into a constructor: `atan(alpha=2.0)` is a value that compares, hashes and
prints by its parameters, so that equal neurons share one compilation. Source: Neftci, Mostafa, Zenke (2019), Surrogate gradient
learning in spiking neural networks.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mxsnn.typing import Array, ArrayLike

__all__ = [
    "Surrogate",
    "atan",
    "boxcar",
    "fast_sigmoid",
    "gaussian",
    "inclusive",
    "sigmoid",
    "straight_through",
    "surrogate",
    "triangle",
]


@dataclasses.dataclass(frozen=True)
class Surrogate:
    """Heaviside step of `u`, any shape, with `slope` for its derivative; the output has the dtype of `u`."""

    slope: Callable[..., Array]
    parameters: tuple[tuple[str, float], ...] = ()
    fires: Callable[[Any, Any], Any] = operator.gt

    def __call__(self, u: ArrayLike) -> Array:
        return _step(self, jnp.asarray(u))

    def __repr__(self) -> str:
        call = f"{self.slope.__name__}({', '.join(f'{k}={v}' for k, v in self.parameters)})"
        return call if self.fires is operator.gt else f"inclusive({call})"


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _step(surrogate: Surrogate, u: Array) -> Array:
    return surrogate.fires(u, 0).astype(u.dtype)


@_step.defjvp
def _step_jvp(surrogate, primals, tangents):
    # The primal is written out, not called again: a custom rule inside its own rule cannot be lowered in a kernel's body.
    (u,), (du,) = primals, tangents
    return surrogate.fires(u, 0).astype(u.dtype), surrogate.slope(u, **dict(surrogate.parameters)).astype(u.dtype) * du


def surrogate(slope: Callable[..., Array]) -> Callable[..., Surrogate]:
    """Makes `slope(u, **parameters)`, the derivative by `u`, a constructor of surrogates: `name(**parameters) -> Surrogate`."""
    signature = inspect.signature(slope)
    options = signature.replace(parameters=list(signature.parameters.values())[1:], return_annotation=Surrogate)

    @functools.wraps(slope)
    def constructor(*args, **kwargs) -> Surrogate:
        bound = options.bind(*args, **kwargs)
        bound.apply_defaults()
        return Surrogate(slope, tuple(bound.arguments.items()))

    setattr(constructor, "__signature__", options)  # noqa: B010  (for help() and editors)
    return constructor


def inclusive(fire: Surrogate) -> Surrogate:
    """The same surrogate, firing at the threshold too: s = 1 if u >= 0."""
    return dataclasses.replace(fire, fires=operator.ge)


@surrogate
def atan(u: Array, alpha: float = 2.0) -> Array:
    """ds/du = (alpha/2) / (1 + (pi alpha u / 2)^2). Fang et al. (2021), PLIF."""
    return alpha / 2 / (1 + (jnp.pi / 2 * alpha * u) ** 2)


@surrogate
def fast_sigmoid(u: Array, slope: float = 25.0) -> Array:
    """ds/du = 1 / (1 + slope |u|)^2. Zenke, Ganguli (2018), SuperSpike."""
    return 1 / (1 + slope * jnp.abs(u)) ** 2


@surrogate
def sigmoid(u: Array, slope: float = 4.0) -> Array:
    """ds/du = slope sigma(slope u) (1 - sigma(slope u)): the derivative of the logistic function."""
    return slope * jax.nn.sigmoid(slope * u) * jax.nn.sigmoid(-slope * u)


@surrogate
def triangle(u: Array, width: float = 1.0) -> Array:
    """ds/du = max(0, 1 - |u|/width) / width: unit area. Esser et al. (2016)."""
    return jnp.maximum(0, 1 - jnp.abs(u) / width) / width


@surrogate
def gaussian(u: Array, sigma: float = 0.5) -> Array:
    """ds/du = exp(-u^2 / (2 sigma^2)) / (sigma sqrt(2 pi)): unit area. Yin, Corradi, Bohte (2021)."""
    return jnp.exp(-0.5 * (u / sigma) ** 2) / (sigma * jnp.sqrt(2 * jnp.pi))


@surrogate
def boxcar(u: Array, width: float = 1.0) -> Array:
    """ds/du = 1/width where |u| < width/2, else 0: unit area."""
    return (jnp.abs(u) < width / 2) / width


@surrogate
def straight_through(u: Array) -> Array:
    """ds/du = 1. Bengio, Leonard, Courville (2013)."""
    return jnp.ones_like(u)
