from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mxsnn.neurons._base import neuron
from mxsnn.neurons._wrapper import Wrapper
from mxsnn.typing import Array, ArrayLike, State


class AutapseState(NamedTuple):
    neuron: State  # of the neuron inside
    out: Array  # [B, ...] its last output


@neuron
class Autapse(Wrapper):
    """A neuron that hears itself one step later: x'[t] = x[t] + weight out[t-1], `weight` one number or one a neuron.

    snnTorch's RLeaky with `all_to_all=False` (there `V`, 1 at first) is `Autapse(NextStepReset(LIF(...)), V)`, SpikingJelly's
    ElementWiseRecurrentContainer that adds is `Autapse(...)` with weight 1. Neurons that hear each other are `nn.Recurrent`.
    Source: van der Loos, Glaser (1972), Autapses in neocortex cerebri.
    """

    weight: ArrayLike = -1.0

    def init(self, shape, dtype=jnp.float32) -> AutapseState:
        return AutapseState(self.neuron.init(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: AutapseState, x: Array) -> tuple[AutapseState, Array]:
        inner, out = self.neuron.step(state.neuron, x + self.weight * state.out)
        return AutapseState(inner, out), out
