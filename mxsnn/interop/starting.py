"""A neuron that begins elsewhere than at rest."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mxsnn.neurons._base import parameters
from mxsnn.neurons._wrapper import Wrapper
from mxsnn.typing import Array, ArrayLike, State


@parameters
class StartingAt(Wrapper):
    """A neuron whose membrane begins at `v`, where others begin at rest: SpikingJelly's nodes begin at their reset value."""

    v: ArrayLike = 0.0

    def init(self, shape, dtype=jnp.float32) -> State:
        return self.neuron.init(shape, dtype)._replace(v=jnp.broadcast_to(jnp.asarray(self.v, dtype), shape))

    def step(self, state: Any, x: Array) -> tuple[State, Array]:
        return self.neuron.step(state, x)
