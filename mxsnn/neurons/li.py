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

    out[t] = v[t] = d v[t-1] + g x[t],  d = decay(tau, dt), g = gain(d); tau and dt in ms.

    Source: Gerstner et al. (2014), Neuronal Dynamics, 1.3; snnTorch has it as `Leaky(reset_mechanism="none")`.
    """

    outputs: ClassVar[Outputs] = Outputs.REAL
    affine: ClassVar[bool] = True

    tau: ArrayLike = time_constant(20.0)
    dt: ArrayLike = positive(1.0)
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)

    def init(self, shape, dtype=jnp.float32) -> LIState:
        return LIState(jnp.zeros(shape, dtype))

    def step(self, state: LIState, x: Array) -> tuple[LIState, Array]:
        d = self.decay(self.tau, self.dt)
        v = d * state.v + self.gain(d) * x
        return LIState(v), v
