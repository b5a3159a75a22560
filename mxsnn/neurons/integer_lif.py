from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from mxsnn.discrete import charge, exponential
from mxsnn.neurons._base import Outputs, neuron, positive, static, time_constant
from mxsnn.reset import none, subtract
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Gain, Reset


@dataclasses.dataclass(frozen=True)
class levels:
    """round(clip(u, 0, most)), half to even, with slope 1 on 0 <= u <= most, else 0. Luo et al. (2024)."""

    most: int = 4

    def __call__(self, u: Array) -> Array:
        count = jnp.round(jnp.clip(u, 0, self.most))
        within = jnp.where((u >= 0) & (u <= self.most), u, 0)
        return count + (within - jax.lax.stop_gradient(within))  # plus exactly 0, but for the gradient


class IntegerLIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class IntegerLIF:
    r"""Integer LIF (I-LIF): says how many thresholds the membrane holds, from 0 to D, and subtracts as many.

    v = d v[t-1] + g x[t];  s[t] = count(v / threshold);  v[t] = reset(v, s[t], threshold)

    d = decay(tau, dt), g = gain(d), tau and dt in ms; count is `levels(D)`, D = 4 by default. Integers are for training; for
    inference a count becomes D binary sub-steps, of which s[t] hold a spike: the layer behind it adds up the same input. A neuron
    does that without counting: charged with v, an IF that fires above half a threshold and subtracts a whole one fires s[t] times
    in D steps (at a tie, v a whole number and a half, it rounds down, not to even).

    SpikingJelly's ILIFNode is `tau=4/3, decay=euler`, which retains 1/4. Sinabs and Rockpool count too, but round down (the first
    spike at v = threshold) and without a D: `count` is the place for that. Source: Luo et al. (2024), SpikeYOLO: integer-valued
    training, spike-driven inference.
    """

    outputs: ClassVar[Outputs] = Outputs.INTEGER

    tau: ArrayLike = time_constant(20.0)
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    count: Fire = static(default=levels())
    reset: Reset = static(default=subtract)
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)

    @property
    def affine(self) -> bool:
        return self.reset is none

    def init(self, shape, dtype=jnp.float32) -> IntegerLIFState:
        return IntegerLIFState(jnp.zeros(shape, dtype))

    def step(self, state: IntegerLIFState, x: Array) -> tuple[IntegerLIFState, Array]:
        d = self.decay(self.tau, self.dt)
        v = d * state.v + self.gain(d) * x
        s = self.count(v / self.threshold)
        return IntegerLIFState(self.reset(v, s, self.threshold)), s
