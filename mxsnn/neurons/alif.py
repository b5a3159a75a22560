from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.discrete import charge, exponential
from mxsnn.neurons._base import Outputs, neuron, positive, static, time_constant
from mxsnn.reset import to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Gain, Reset


class ALIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the resting threshold
    a: Array  # [B, ...] what the threshold exceeds its resting value by


@neuron
class ALIF:
    r"""Adaptive LIF ("2D LIF"): a spike resets the membrane and raises the threshold by a step, which decays back.

    v = d v[t-1] + g x[t];  s[t] = 1 if v > threshold + a[t-1] else 0
    v[t] = reset(v, s[t], threshold + a[t-1]);  a[t] = r a[t-1] + jump s[t]

    d = decay(tau, dt), r = decay(tau_threshold, dt), g = gain(d); times in ms. `tau_threshold=inf` is the literal form, whose
    threshold only ever rises. Elsewhere: jaxpike's beta is the jump (gain=current, reset=subtract); Sinabs (inclusive), the code of
    BRF and spyx (in `Late(NextStepReset(...))`) scale a weight by 1 - r, see `from_weight`; Norse's LSNN decays before it tests,
    jump = r beta, and hears its input a step late. Source: V <- 0, V_t <- V_t + dV_t on a spike, Mayaud, Bouchy, Beyond the Smile;
    Bellec et al. (2018) for the decay.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: ArrayLike = time_constant(20.0)
    tau_threshold: ArrayLike = time_constant(200.0)
    jump: ArrayLike = 0.3
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=to_value(0.0))
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)

    @classmethod
    def from_weight(cls, weight: ArrayLike, *, tau_threshold: float = 200.0, dt: float = 1.0, **others) -> ALIF:
        """The ALIF of threshold + weight b, b = r b + (1 - r) s, where b is a mean of the spikes: jump = weight (1 - r)."""
        r = others.get("decay", exponential)(tau_threshold, dt)
        return cls(tau_threshold=tau_threshold, jump=weight * (1 - r), dt=dt, **others)

    def init(self, shape, dtype=jnp.float32) -> ALIFState:
        return ALIFState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def distance(self, state: ALIFState) -> Array:
        return state.v - (self.threshold + state.a)  # a spike that raises it a step later raises it by as much

    def step(self, state: ALIFState, x: Array) -> tuple[ALIFState, Array]:
        d, r = self.decay(self.tau, self.dt), self.decay(self.tau_threshold, self.dt)
        threshold = self.threshold + state.a
        v = d * state.v + self.gain(d) * x
        s = self.fire(v - threshold)
        return ALIFState(self.reset(v, s, threshold), r * state.a + self.jump * s), s
