from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.discrete import charge, exponential, tau_of
from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static, time_constant
from mxsnn.reset import none, subtract
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Gain, Reset


class LIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class LIF:
    r"""Leaky integrate-and-fire: tau dv/dt = -(v - v_rest) + resistance I, a spike and a reset at the threshold.

    v = v_rest + d (v[t-1] - v_rest) + g resistance x[t];  s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold)

    d = decay(tau, dt) is the fraction that a step retains, by default exp(-dt/tau), exact between inputs. g = gain(d) weighs the
    input: `charge` (1, the default: x are spikes or event counts) or `current` (1 - d: x is held through the step). tau and dt in
    ms. The reset acts in the step of the spike and is decayed from there; snnTorch's default acts one step later, undecayed:
    `NextStepReset(LIF())`. With a refractory period: `Refractory(LIF(), period=2.0)`. Norse's and SpikingJelly's LIF are
    `gain=current, decay=euler, reset=to_value(0.0)`, SpikingJelly's with `fire=inclusive(...)`. Source: Gerstner et al. (2014),
    Neuronal Dynamics, 1.3.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: ArrayLike = time_constant(20.0)
    v_rest: ArrayLike = 0.0
    resistance: ArrayLike = 1.0
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=subtract)
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)
    distance = above_threshold

    @classmethod
    def from_beta(cls, beta: ArrayLike, *, dt: float = 1.0, **others) -> LIF:
        """The LIF whose membrane retains `beta` (0 < beta < 1) per step of `dt` ms, whatever the `decay`."""
        tau = tau_of(beta, dt, "beta", others.get("decay", exponential))
        return cls(tau=tau, dt=dt, **others)

    @property
    def affine(self) -> bool:
        return self.reset is none

    def init(self, shape, dtype=jnp.float32) -> LIFState:
        return LIFState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape))

    def step(self, state: LIFState, x: Array) -> tuple[LIFState, Array]:
        d = self.decay(self.tau, self.dt)
        v = self.v_rest + d * (state.v - self.v_rest) + self.gain(d) * self.resistance * x
        s = self.fire(v - self.threshold)
        return LIFState(self.reset(v, s, self.threshold)), s
