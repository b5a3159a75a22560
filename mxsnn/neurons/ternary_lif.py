from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.discrete import charge, exponential
from mxsnn.neurons._base import Outputs, neuron, positive, static, time_constant
from mxsnn.reset import none, subtract
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Gain, Reset


class TernaryLIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class TernaryLIF:
    r"""Ternary LIF: a spike of its sign where the membrane lies above the threshold, or below its negative.

    v = d v[t-1] + g x[t];  p = 1 if v > threshold else 0;  n = 1 if -v > threshold else 0;  s[t] = p - n
    v[t] = v + (reset(v, p, threshold) - v) + (reset(v, n, -threshold) - v)

    Each of both spikes moves the membrane as its reset says: `subtract` leaves v - s threshold, `to_value(r)` sets v to r after
    either. d = decay(tau, dt), g = gain(d), tau and dt in ms; tau=inf is the ternary IF. SpikingJelly's TernaryLIFNode is
    `gain=current, decay=euler, fire=inclusive(...), reset=to_value(0.0)`, its TernaryIFNode `tau=inf`; the paper's neuron retains
    1/4 of the membrane in a step. Elsewhere thresholds may differ by sign. Source: Guo et al. (2024), Ternary Spike.
    """

    outputs: ClassVar[Outputs] = Outputs.TERNARY

    tau: ArrayLike = time_constant(20.0)
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=subtract)
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)

    @property
    def affine(self) -> bool:
        return self.reset is none

    def init(self, shape, dtype=jnp.float32) -> TernaryLIFState:
        return TernaryLIFState(jnp.zeros(shape, dtype))

    def step(self, state: TernaryLIFState, x: Array) -> tuple[TernaryLIFState, Array]:
        d = self.decay(self.tau, self.dt)
        v = d * state.v + self.gain(d) * x
        p, n = self.fire(v - self.threshold), self.fire(-v - self.threshold)
        up, down = self.reset(v, p, self.threshold), self.reset(v, n, -self.threshold)
        # What the spike of the other sign adds is exactly 0, but for its gradient: a mirrored input gives the mirrored train.
        v = jnp.where(v < 0, down + (up - v), up + (down - v))
        return TernaryLIFState(v), p - n
