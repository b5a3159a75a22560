from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from mxsnn.discrete import charge, exponential
from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static, time_constant
from mxsnn.reset import subtract
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Gain, Reset


class CLIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold
    m: Array  # [B, ...] complementary potential: what is left of earlier spikes


@neuron
class CLIF:
    r"""Complementary LIF: a second potential remembers the spikes the longer the higher the membrane, and deepens the reset.

    v = d v[t-1] + g x[t];  s[t] = 1 if v > threshold else 0
    m[t] = m[t-1] sigmoid(v/tau)^dt + s[t];  v[t] = reset(v, s[t], threshold + sigmoid(m[t]))

    d = decay(tau, dt), g = gain(d); tau and dt in ms, tau as a number of milliseconds in sigmoid(v/tau), which is what m retains of
    one. At dt = 1 and `decay=euler` this is the paper's neuron and SpikingJelly's ComplementaryLIFNode, which spikes at >=, with a
    boxcar for its slope. The path through m carries gradients over silent steps, so the reset is not detached. Source: Huang et
    al. (2024), CLIF; their tau is 2 steps.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: ArrayLike = time_constant(2.0)
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=subtract)
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)
    distance = above_threshold

    def init(self, shape, dtype=jnp.float32) -> CLIFState:
        return CLIFState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: CLIFState, x: Array) -> tuple[CLIFState, Array]:
        d = self.decay(self.tau, self.dt)
        v = d * state.v + self.gain(d) * x
        s = self.fire(v - self.threshold)
        m = state.m * jnp.exp(self.dt * jax.nn.log_sigmoid(v / self.tau)) + s
        return CLIFState(self.reset(v, s, self.threshold + jax.nn.sigmoid(m)), m), s
