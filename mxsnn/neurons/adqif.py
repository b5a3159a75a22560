from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.neurons._base import Outputs, above_threshold, euler_constant, neuron, positive, static
from mxsnn.neurons.qif import parabola
from mxsnn.reset import to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Fire, Reset


class AdQIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold
    w: Array  # [B, ...] recovery current


@neuron
class AdQIF:
    r"""Adaptive quadratic integrate-and-fire: Izhikevich's neuron in units of the threshold (SpikingJelly's `IzhikevichNode`).

    v = v[t-1] + dt/tau (x[t] + c (v[t-1] - v_rest) (v[t-1] - v_c) - w[t-1]);  s[t] = 1 if v > threshold else 0
    w[t] = w[t-1] + dt/tau_w (a (v - v_rest) - w[t-1]) + b s[t];  v[t] = reset(v, s[t], threshold)

    Euler forward; times in ms, x, v, w and b in units of the threshold; w hears the membrane of its own step, before the reset. The
    parabola is bounded as in `QIF`. SpikingJelly fires at v >= threshold and starts at its reset value; c is its a0;
    a and b are those of its function, where its module has 0, 0. `Izhikevich` is the neuron in mV. Source: Izhikevich (2007),
    Dynamical Systems in Neuroscience, 8.1.4.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: ArrayLike = euler_constant(2.0)
    tau_w: ArrayLike = euler_constant(2.0)
    v_rest: ArrayLike = -0.1
    v_c: ArrayLike = 0.8
    c: ArrayLike = positive(1.0)
    a: ArrayLike = 0.1
    b: ArrayLike = 0.1
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=to_value(0.0))
    distance = above_threshold

    def init(self, shape, dtype=jnp.float32) -> AdQIFState:
        return AdQIFState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape), jnp.zeros(shape, dtype))

    def step(self, state: AdQIFState, x: Array) -> tuple[AdQIFState, Array]:
        rise = self.c * parabola(state.v, self.v_rest, self.v_c, self.threshold)
        v = state.v + self.dt / self.tau * (x + rise - state.w)
        s = self.fire(v - self.threshold)
        w = state.w + self.dt / self.tau_w * (self.a * (v - self.v_rest) - state.w) + self.b * s
        return AdQIFState(self.reset(v, s, self.threshold), w), s
