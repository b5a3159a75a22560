from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.discrete import charge, exponential
from mxsnn.neurons._base import Outputs, neuron, positive, static, time_constant
from mxsnn.typing import Array, ArrayLike, Decay, Gain


class LIState(NamedTuple):
    v: Array  # [B, ...] membrane potential


@neuron
class LI:
    r"""Leaky integrator: a membrane that never fires and is read out itself.

    out[t] = v[t] = v_rest + d (v[t-1] - v_rest) + g resistance x[t],  d = decay(tau, dt), g = gain(d); tau and dt in ms.

    A synapse in front of it (Norse's LICell, NIR's CubaLI) is another LI, of the current. snnTorch has it as
    `Leaky(reset_mechanism="none")`, spyx as LI; SpikingJelly's NonSpikingLIFNode and Norse's LIBoxCell are `gain=current,
    decay=euler`. What a network reads of it (mean, maximum, last) is said in `nn.Readout`. Source: Gerstner et al. (2014),
    Neuronal Dynamics, 1.3.
    """

    outputs: ClassVar[Outputs] = Outputs.REAL
    affine: ClassVar[bool] = True

    tau: ArrayLike = time_constant(20.0)
    v_rest: ArrayLike = 0.0
    resistance: ArrayLike = 1.0
    dt: ArrayLike = positive(1.0)
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)

    def init(self, shape, dtype=jnp.float32) -> LIState:
        return LIState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape))

    def step(self, state: LIState, x: Array) -> tuple[LIState, Array]:
        d = self.decay(self.tau, self.dt)
        v = self.v_rest + d * (state.v - self.v_rest) + self.gain(d) * self.resistance * x
        return LIState(v), v
