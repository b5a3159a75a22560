"""The functions from distance to spike that a neuron is given: which they are, what they do, what they are asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn import testing
from mxsnn.neurons import Neuron, Outputs, parameters
from mxsnn.testing import driving
from mxsnn.typing import Array, Fire, State


def fires(neuron: Any, path: str = "") -> dict[str, Fire]:
    """Those functions by name: fields called `fire`, or annotated `Fire`, of the neuron and of those that it wraps."""
    inner = getattr(neuron, "neuron", None)
    found = {} if inner is None else fires(inner, f"{path}neuron.")
    for f in dataclasses.fields(neuron):
        if f.metadata.get("static") and (f.name == "fire" or f.type in ("Fire", Fire)):
            found[path + f.name] = getattr(neuron, f.name)
    return found


def given(neuron: Any, change: Callable[[str, Any], Any], path: str = "") -> Any:
    """The neuron with other functions: `change(name, function)` of each that it is given."""
    own = [f.name for f in dataclasses.fields(neuron) if f.metadata.get("static")]
    values = {name: change(path + name, getattr(neuron, name)) for name in own}
    if getattr(neuron, "neuron", None) is not None:
        values["neuron"] = given(neuron.neuron, change, f"{path}neuron.")
    return dataclasses.replace(neuron, **values)


def describe(neuron: Neuron) -> tuple[list[str], list[str]]:
    """What each `fire` does around the threshold, a line each, and what about it makes no sense."""
    kind, facts, problems = Outputs.of(neuron), [], []
    known = fires(neuron)
    if not known and kind is not Outputs.REAL:
        facts.append(f"outputs: {kind.value}; without a field `fire` there are neither distances nor finite differences")
    for name, fire in known.items():
        u = jnp.asarray([-1, -1e-6, 0, 1e-6, 1], jnp.float32)
        values, slopes = (np.asarray(part) for part in jax.jvp(fire, (u,), (jnp.ones_like(u),)))
        facts.append(f"outputs: {kind.value}, by {name}")
        if not (slopes.sum() > 0 and np.isfinite(slopes).all()):
            problems.append(f"{name} has the slopes {slopes.tolist()} at {u.tolist()}: they should point up")
        if kind in (Outputs.BINARY, Outputs.TERNARY):
            facts[-1] += f", which is {values[2]:g} at the threshold"
            if values[[0, 1, 3, 4]].tolist() != [0, 0, 1, 1]:
                problems.append(f"{name} is {values.tolist()} at {u.tolist()}: it should be 0 below the threshold and 1 above")
    if kind is not Outputs.REAL:
        silent, usual = (int(np.count_nonzero(testing._run(neuron, factor * driving(neuron))[1])) for factor in (0, 1))
        if silent > usual:
            problems.append(f"it fires more often without input ({silent}) than with it ({usual}): is a comparator turned round?")
    return facts, problems


def distance(fire: Fire, u: np.ndarray) -> np.ndarray:
    """How far each argument is from one at which `fire` gives something else, to a tenth."""
    away = np.geomspace(1e-9, 1e3, 241).reshape(-1, *[1] * u.ndim)
    now = np.asarray(fire(jnp.asarray(u)))
    differs = np.asarray(fire(jnp.asarray(u + away))) != now
    differs |= np.asarray(fire(jnp.asarray(u - away))) != now
    return np.where(differs.any(0), away.ravel()[differs.argmax(0)], np.inf)


@parameters
class Watched:
    """A neuron whose output is `(state, output, {name of a fire: its arguments in this step})`."""

    outputs: ClassVar[Outputs] = Outputs.REAL

    neuron: Any

    @property
    def affine(self) -> bool:
        return getattr(self.neuron, "affine", False)

    def init(self, shape, dtype=jnp.float32) -> State:
        return self.neuron.init(shape, dtype)

    def step(self, state: State, x: Array) -> tuple[State, Any]:
        seen: dict[str, list[Array]] = {name: [] for name in fires(self.neuron)}

        def watched(name: str, function: Any) -> Any:
            def fire(u: Array) -> Array:
                seen[name].append(jax.lax.stop_gradient(u))
                return function(u)

            return fire if name in seen else function

        state, out = given(self.neuron, watched).step(state, x)
        return state, (state, out, seen)
