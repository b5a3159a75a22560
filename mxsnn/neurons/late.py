from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mxsnn.neurons._base import neuron
from mxsnn.neurons._wrapper import Wrapper
from mxsnn.typing import Array, State


class LateState(NamedTuple):
    neuron: State  # of the neuron inside
    out: Array  # [B, ...] what the last step held back


@neuron
class Late(Wrapper):
    """A neuron whose outputs come one step later: out[t] = s[t-1], where s are those of `neuron`; out[0] = 0.

    What the last input causes is never seen. spyx tests the membrane before it takes in the input: its LIF is
    `Late(NextStepReset(LIF(gain=charge, reset=subtract)))`, its CuBaLIF `Late(Synaptic(...))`. A synapse whose membrane reads the
    current of the step before (jaxsnn, SNNAX, Norse's LSNN) fires like `Late(Synaptic(...))`, too.
    """

    def init(self, shape, dtype=jnp.float32) -> LateState:
        return LateState(self.neuron.init(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: LateState, x: Array) -> tuple[LateState, Array]:
        inner, out = self.neuron.step(state.neuron, x)
        return LateState(inner, out), state.out
