"""What a new neuron is asked: whether its parameters are numbers that can be, and its functions functions."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from mxsnn.discrete import euler
from mxsnn.surrogate._base import Surrogate
from mxsnn.typing import Decay, Fire, Gain, Reset


class Kind(NamedTuple):
    """A type of the vocabulary: what it is called, what it is in words, and with how many arguments it is called."""

    name: str
    type: Any
    words: str
    arguments: int


KINDS = (
    Kind("Fire", Fire, "a surrogate, such as surrogate.atan()", 1),
    Kind("Reset", Reset, "a function (v, spike, threshold) -> v, such as reset.subtract or reset.to_value(0.0)", 3),
    Kind("Gain", Gain, "a function of what a step retains, such as discrete.charge", 1),
    Kind("Decay", Decay, "a function (tau, dt), such as discrete.exponential", 2),
)


def refuse_no_neuron(who: str, neuron: Any) -> None:
    """What cannot be stepped, in the place of a neuron: its class, or its name."""
    if isinstance(neuron, type) or not (hasattr(neuron, "init") and hasattr(neuron, "step")):
        call = f": take {neuron.__name__}()" if isinstance(neuron, type) else ""
        raise TypeError(f"{who} takes a neuron, such as LIF(); got {neuron!r}{call}")


def refuse_what_cannot_be(self) -> None:
    """What no parameter or function can be, and numbers that a field does not allow; traced and learned ones are not looked at."""
    for f in dataclasses.fields(self):
        value = getattr(self, f.name)
        if f.metadata.get("static"):
            _refuse_no_function(self, f, value)
        elif f.name != "neuron":
            _refuse_no_number(self, f, value)
    for f in dataclasses.fields(self):
        if f.metadata.get("stepped_by_euler") or (f.metadata.get("time_constant") and getattr(self, "decay", None) is euler):
            refuse_long_steps(self, f.name, getattr(self, f.name))


def refuse_long_steps(self, name: str, tau: Any) -> None:
    """A `dt` that is longer than the time constant `tau`, which Euler's method would make negative."""
    dt = getattr(self, "dt", None)
    if is_number(tau) and is_number(dt) and np.any(np.asarray(tau, np.float32) < np.asarray(dt, np.float32)):
        under, other = ("decay=euler", ", or decay=exponential") if hasattr(self, "decay") else ("Euler's method", "")
        raise ValueError(
            f"{type(self).__name__}.{name} must be dt or longer under {under}, which retains 1 - dt/{name}; "
            f"got {name}={tau} ms, dt={dt} ms: take shorter steps{other}"
        )


NO_NUMBERS = str, bytes, list, tuple, dict, set, type


def _refuse_no_number(self, field: dataclasses.Field, value: Any) -> None:
    """What is neither a number nor an array; and what is not above zero in a field that is `positive`."""
    name = f"{type(self).__name__}.{field.name}"
    if value is None or isinstance(value, NO_NUMBERS) or inspect.isroutine(value):
        hint = ": take jnp.array(...)" if isinstance(value, list | tuple) else ""
        raise TypeError(f"{name} is a number or an array of numbers; got {value!r}{hint}")
    if field.metadata.get("positive") and is_number(value) and not np.all(np.asarray(value) > 0):  # so that NaN is refused too
        raise ValueError(f"{name} must be positive, got {value}")


def _refuse_no_function(self, field: dataclasses.Field, value: Any) -> None:
    """In the place of a function of the vocabulary: a name, a class, or a constructor that was not called."""
    kind = next((kind for kind in KINDS if field.type in (kind.name, kind.type)), None)
    if kind is None:
        return
    made = isinstance(value, type) or _makes_surrogates(value)
    if made or not callable(value) or not _takes(value, kind.arguments):
        call = f", which makes one when it is called: {value.__name__}(...)" if made else ""
        raise TypeError(f"{type(self).__name__}.{field.name} is {kind.words}; got {value!r}{call}")


def _makes_surrogates(value: Any) -> bool:
    """Whether this is a constructor such as `atan`, which stands one call away from what fires."""
    return inspect.isfunction(value) and inspect.signature(value).return_annotation in (Surrogate, "Surrogate")


def _takes(function: Callable[..., Any], arguments: int) -> bool:
    """Whether it can be called with so many arguments; True where Python cannot tell."""
    try:
        inspect.signature(function).bind(*range(arguments))
    except TypeError:
        return False
    except ValueError:  # a function of C's that does not say
        return True
    return True


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.ndarray | np.generic | jax.Array) and not isinstance(value, jax.core.Tracer)
