"""What a surrogate is: a step with a slope, a value that compares, hashes and prints by its parameters."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import operator
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from mxsnn.typing import Array, ArrayLike

Positive = Annotated[float, "above 0"]
"""Annotates a parameter of a slope that must be above zero: others are refused at construction."""


@dataclasses.dataclass(frozen=True)
class Surrogate:
    """Heaviside step of `u`, any shape, with `scale` times `slope` for its derivative; the output has the dtype of `u`."""

    slope: Callable[..., Array]
    parameters: tuple[tuple[str, float], ...] = ()
    fires: Callable[[Any, Any], Any] = operator.gt
    scale: float = 1.0

    def __call__(self, u: ArrayLike) -> Array:
        return _step(self, jnp.asarray(u))

    def derivative(self, u: Array) -> Array:
        """The slope at `u`, any shape, as the backward pass has it; in the dtype of `u`."""
        slope = self.slope(u, **dict(self.parameters))
        return (slope if self.scale == 1 else self.scale * slope).astype(u.dtype)

    def __reduce__(self):
        # The module's name of a slope is that of its constructor, so pickle would not find it.
        return _found, (self.slope.__module__, self.slope.__qualname__, self.parameters, self.fires, self.scale)

    def __repr__(self) -> str:
        call = f"{self.slope.__name__}({', '.join(f'{k}={v}' for k, v in self.parameters)})"
        call = call if self.scale == 1 else f"scaled({call}, {self.scale})"
        return call if self.fires is operator.gt else f"inclusive({call})"


def _found(module: str, name: str, *others: Any) -> Surrogate:
    """A pickled surrogate, by the name of its slope or of the constructor that has taken its place."""
    slope = operator.attrgetter(name)(importlib.import_module(module))
    return Surrogate(inspect.unwrap(slope), *others)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _step(surrogate: Surrogate, u: Array) -> Array:
    return surrogate.fires(u, 0).astype(u.dtype)


@_step.defjvp
def _step_jvp(surrogate, primals, tangents):
    # The primal is written out, not called again: a custom rule inside its own rule cannot be lowered in a kernel's body.
    (u,), (du,) = primals, tangents
    return surrogate.fires(u, 0).astype(u.dtype), surrogate.derivative(u) * du


def surrogate(slope: Callable[..., Array]) -> Callable[..., Surrogate]:
    """Makes `slope(u, **parameters)`, the derivative by `u`, a constructor of surrogates: `name(**parameters) -> Surrogate`.

    The constructor raises TypeError for a parameter that is no number, ValueError for one annotated `Positive` that is not.
    """
    signature = inspect.signature(slope)
    options = signature.replace(parameters=list(signature.parameters.values())[1:], return_annotation=Surrogate)
    positive = {name for name, option in options.parameters.items() if option.annotation in (Positive, "Positive")}

    @functools.wraps(slope)
    def constructor(*args, **kwargs) -> Surrogate:
        bound = options.bind(*args, **kwargs)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            _number(f"{slope.__name__}: {name}", value, above_zero=name in positive)
        return Surrogate(slope, tuple(bound.arguments.items()))

    setattr(constructor, "__signature__", options)  # noqa: B010  (for help() and editors)
    return constructor


def _number(name: str, value: Any, above_zero: bool) -> None:
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of Python's, a constant of the program that is compiled; got {value!r}")
    if above_zero and not 0 < value < float("inf"):
        raise ValueError(f"{name} must be positive and finite, got {value}")


def inclusive(fire: Surrogate) -> Surrogate:
    """The same surrogate, firing at the threshold too: s = 1 if u >= 0."""
    return dataclasses.replace(fire, fires=operator.ge)


def scaled(fire: Surrogate, factor: float) -> Surrogate:
    """The same surrogate with `factor` times its slope: how libraries differ that have one formula. `factor` is above 0."""
    _number("scaled: factor", factor, above_zero=True)
    return dataclasses.replace(fire, scale=fire.scale * factor)
