"""What wrappers share: a variant of a neuron is a neuron that holds it and steps it differently."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp

from mxsnn.neurons._base import Neuron, Outputs, called, named, parameters, unchecked
from mxsnn.neurons._checks import refuse_no_neuron, refuse_what_cannot_be
from mxsnn.neurons.lif import LIF
from mxsnn.typing import State


@parameters
class Wrapper:
    """A neuron around another, `neuron`, whose parameters and kind of outputs are its own.

    `needs` names the fields and methods without which `neuron` cannot be wrapped so. Raises TypeError where it lacks one.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    neuron: Any = LIF()  # a Neuron

    def __post_init__(self) -> None:
        refuse_what_cannot_be(self)
        refuse_no_neuron(type(self).__name__, self.neuron)
        if missing := [name for name in self.needs if not hasattr(self.neuron, name)]:
            other = ", or wrap in another order" if isinstance(self.neuron, Wrapper) and not self.neuron.needs else ""
            raise TypeError(
                f"{type(self).__name__} wraps a neuron with {', '.join(self.needs)}; {type(self.neuron).__name__} has no "
                f"{', no '.join(missing)}: take another neuron{other}"
            )

        own = {f.name for f in dataclasses.fields(self) if f.name != "neuron" and not f.metadata.get("static")}
        if twice := own & named(self.neuron).keys():
            raise TypeError(
                f"{type(self).__name__} and {called(self.neuron)} inside each have a parameter {', '.join(sorted(twice))}, "
                "and one name cannot mean both: wrap once"
            )

    @property
    def outputs(self) -> Outputs:
        return Outputs.of(self.neuron)

    @property
    def drive(self) -> float:
        return getattr(self.neuron, "drive", 1.0)

    def init(self, shape, dtype=jnp.float32) -> State:
        return self.neuron.init(shape, dtype)


def acting(neuron: Any, fire: Any) -> Neuron:
    """The neuron with another function in the place of `fire`: what it does under given spikes."""
    return unchecked(neuron, fire=fire)
