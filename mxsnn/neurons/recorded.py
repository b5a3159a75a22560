from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from mxsnn.neurons._base import Outputs, parameters
from mxsnn.typing import Array, State


@parameters
class Recorded:
    """Any neuron, with its state after each step beside its output: out[t] = (state[t], out[t]). For figures and tests."""

    outputs: ClassVar[Outputs] = Outputs.REAL

    neuron: Any  # a Neuron; its parameters are this one's

    @property
    def affine(self) -> bool:
        return getattr(self.neuron, "affine", False)

    def init(self, shape, dtype=jnp.float32) -> State:
        return self.neuron.init(shape, dtype)

    def step(self, state: State, x: Array) -> tuple[State, Any]:  # (state, (state, out))
        state, out = self.neuron.step(state, x)
        return state, (state, out)
