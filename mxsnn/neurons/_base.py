"""What a neuron is: two pure functions over a frozen pytree of parameters, and the registry of all that are known."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, cast, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.neurons._checks import refuse_what_cannot_be
from mxsnn.typing import Array, State

static = jax.tree.static
"""Marks a field that is no parameter but part of the program: a function that the neuron is given."""

T = TypeVar("T")


class Outputs(enum.Enum):
    """The set from which a neuron's outputs come."""

    BINARY = "0 or 1"
    TERNARY = "-1, 0 or 1"
    INTEGER = "an integer"
    REAL = "a real number"

    @classmethod
    def of(cls, neuron: Neuron) -> Outputs:
        """What a neuron declares; BINARY where it declares nothing."""
        return getattr(neuron, "outputs", cls.BINARY)

    def __contains__(self, values) -> bool:
        values = np.asarray(values)
        whole = bool((values == np.round(values)).all())
        low, high = {Outputs.BINARY: (0, 1), Outputs.TERNARY: (-1, 1)}.get(self, (-np.inf, np.inf))
        return self is Outputs.REAL or (whole and bool(((values >= low) & (values <= high)).all()))


class Neuron(Protocol):
    """Two pure functions over a pytree of parameters, elementwise in `x`: so it runs in a scan, under vmap or inside a kernel.

    The leaves are the parameters: scalars or arrays that broadcast against the neurons (`[N]` per neuron, `[C]` per channel of
    `[H, W, C]`). Fields marked `static()` are functions that the neuron is given. A class attribute `outputs` (an `Outputs`)
    declares what comes out, where that is not 0 or 1; `drive` (a float) the size of an input that fires it often, where that is
    not about 1: what `mxsnn.testing` puts in. An attribute `affine` that is true declares that the state after a step is
    A state + b(x), with an A that is the same for all x (no spike acts on it): such a neuron can be run in parallel over time.
    A method `distance(state)` says how far the state that a step without a reset leaves stood from firing, as `fire` was asked:
    what `NextStepReset` needs. `membrane` (names of parts of the state) says what `frozen` holds, where that is not v.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def init(self, shape: tuple[int, ...], dtype: Any = jnp.float32) -> State:
        """The state at rest: a NamedTuple of arrays of this shape (`[B, ...]`) and dtype."""
        ...

    def step(self, state: State, x: Array) -> tuple[State, Array]:
        """One step of `dt` milliseconds: `(state, x[B, ...]) -> (state, out[B, ...])`, with dtypes of the state as they were."""
        ...


NEURONS: dict[str, type] = {}
"""Every neuron by its class name, in order of definition."""


def positive(default: float) -> Any:
    """A field for a parameter that must stay above zero: refused at construction otherwise, learned by its logarithm."""
    return dataclasses.field(default=default, metadata={"positive": True})


def time_constant(default: float) -> Any:
    """A `positive` field in ms that the neuron's `decay` takes; under `euler` it must not be shorter than the neuron's `dt`."""
    return dataclasses.field(default=default, metadata={"positive": True, "time_constant": True})


def euler_constant(default: float) -> Any:
    """A `positive` field in ms of a model that is always stepped by Euler's method: never shorter than the neuron's `dt`."""
    return dataclasses.field(default=default, metadata={"positive": True, "stepped_by_euler": True})


def duration(default: float) -> Any:
    """A `positive` field in ms that acts in whole steps: it has no gradient and is not learned."""
    return dataclasses.field(default=default, metadata={"positive": True, "whole": True})


def positive_fields(cls: type) -> tuple[str, ...]:
    """Names of the fields of a neuron class that were declared `positive`."""
    return tuple(f.name for f in dataclasses.fields(cls) if f.metadata.get("positive"))


def above_threshold(neuron: Any, state: Any) -> Array:
    """v - threshold: `distance(state)` of a neuron that fires by its membrane alone."""
    return state.v - neuron.threshold


class Parameter(NamedTuple):
    """A parameter of a neuron: its value, and how its field was declared."""

    value: Any
    positive: bool  # above zero, and learned by its logarithm
    whole: bool  # acts in whole steps, and has no gradient


def named(neuron: Any) -> dict[str, Parameter]:
    """The parameters of a neuron by name; those of a neuron that it wraps have the names that they have there."""
    inner = getattr(neuron, "neuron", None)
    found = {} if inner is None else named(inner)
    for f in dataclasses.fields(neuron):
        if f.name != "neuron" and not f.metadata.get("static"):
            is_ = f.metadata.get
            found[f.name] = Parameter(getattr(neuron, f.name), bool(is_("positive")), bool(is_("whole")))
    return found


def called(neuron: Any) -> str:
    """The class of a neuron, and those that it wraps: `Late(LIF)`."""
    inner = getattr(neuron, "neuron", None)
    return type(neuron).__name__ + (f"({called(inner)})" if inner is not None else "")


def renewed(neuron: T, **values: Any) -> T:
    """The neuron with other values of parameters, `named` as there; checked like a new one. Raises TypeError for other names."""
    known = named(neuron)
    if unknown := [name for name in values if name not in known]:
        raise TypeError(f"{type(neuron).__name__} has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    own = {f.name for f in dataclasses.fields(cast(Any, neuron))}
    changes = {name: value for name, value in values.items() if name in own}
    if inside := {name: value for name, value in values.items() if name not in own}:
        changes["neuron"] = renewed(cast(Any, neuron).neuron, **inside)
    return dataclasses.replace(cast(Any, neuron), **changes)


def unchecked(neuron: T, **values: Any) -> T:
    """The neuron with other values of fields, its own or those of one that it wraps, without the checks of a new one.

    What is learned may leave its domain, and is not looked at under `jit` either.
    """
    copy: Any = object.__new__(type(neuron))
    own = {f.name: getattr(neuron, f.name) for f in dataclasses.fields(cast(Any, neuron))}
    if inside := {name: value for name, value in values.items() if name not in own}:
        own["neuron"] = unchecked(own["neuron"], **inside)
    for name, value in own.items():
        object.__setattr__(copy, name, values.get(name, value))
    return copy


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def parameters(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass whose fields are pytree leaves, those marked `static()` excepted."""
    if not hasattr(cls, "__post_init__"):
        cls.__post_init__ = refuse_what_cannot_be
    cls = dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(cast(Any, cls))
    leaves = tuple(f.name for f in fields if not f.metadata.get("static"))
    others = tuple(f.name for f in fields if f.metadata.get("static"))

    def flatten(self):
        return tuple(getattr(self, name) for name in leaves), tuple(getattr(self, name) for name in others)

    def flatten_with_keys(self):
        values, static_values = flatten(self)
        return tuple(zip(map(jax.tree_util.GetAttrKey, leaves), values, strict=True)), static_values

    def unflatten(static_values, values):
        # Not by the constructor: a tree of gradients, or of axes for vmap, has this form too and need not be positive.
        tree = object.__new__(cls)
        for name, value in zip(leaves + others, (*values, *static_values), strict=True):
            object.__setattr__(tree, name, value)
        return tree

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def neuron(cls: type[T]) -> type[T]:
    """Makes a class with `init` and `step` a neuron: frozen, a pytree of its parameters, registered by name in `NEURONS`.

    `outputs` (an `Outputs`) is BINARY where the class does not say it. Raises TypeError for a class without `init` or `step`,
    ValueError for a name that another class has.
    """
    missing = [name for name in ("init", "step") if not callable(getattr(cls, name, None))]
    if missing:
        raise TypeError(f"a neuron needs init(shape, dtype) and step(state, x); {cls.__name__} lacks {' and '.join(missing)}")
    known = NEURONS.get(cls.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"the name {cls.__name__} is taken by {known.__module__}.{known.__qualname__}; choose another")
    NEURONS[cls.__name__] = cls = parameters(cls)
    return cls
