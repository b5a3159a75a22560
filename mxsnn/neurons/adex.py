from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.neurons._base import Outputs, above_threshold, euler_constant, neuron, positive, static
from mxsnn.neurons._checks import refuse_long_steps, refuse_what_cannot_be
from mxsnn.neurons.eif import upswing
from mxsnn.reset import to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Fire, Reset


class AdExState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, mV
    w: Array  # [B, ...] adaptation current, pA


@neuron
class AdEx:
    r"""Adaptive exponential integrate-and-fire, in physical units: input in pA, membrane in mV.

    v = v[t-1] + dt/capacitance (x[t] - w[t-1] - conductance (v[t-1] - v_rest - delta_t exp((v[t-1] - theta_rh) / delta_t)))
    w[t] = w[t-1] + dt/tau_w (a (v[t-1] - v_rest) - w[t-1]) + b s[t]
    s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold)

    Euler forward (0.1 ms is usual); pF, nS, mV, ms, pA. The exponent is held at 20 or less. Defaults: the neuron of the paper,
    whose reset goes to rest and whose spike ends at 20 mV; here at theta_rh + 5 delta_t, where nothing holds it any more and a
    surrogate gradient still sees it. `capacitance=tau, conductance=1` gives the form without units; so has Norse, whose theta_rh is
    the threshold and whose exponent is not bounded. Source: Brette, Gerstner (2005), Adaptive exponential integrate-and-fire model.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY
    drive: ClassVar[float] = 1000.0

    capacitance: ArrayLike = positive(281.0)
    conductance: ArrayLike = positive(30.0)
    v_rest: ArrayLike = -70.6
    theta_rh: ArrayLike = -50.4
    delta_t: ArrayLike = positive(2.0)
    tau_w: ArrayLike = euler_constant(144.0)
    a: ArrayLike = 4.0
    b: ArrayLike = 80.5
    threshold: ArrayLike = -40.4
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan(alpha=0.4))  # 5 mV wide
    reset: Reset = static(default=to_value(-70.6))
    distance = above_threshold

    def __post_init__(self) -> None:
        refuse_what_cannot_be(self)
        refuse_long_steps(self, "capacitance/conductance", self.capacitance / self.conductance)

    def init(self, shape, dtype=jnp.float32) -> AdExState:
        return AdExState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape), jnp.zeros(shape, dtype))

    def step(self, state: AdExState, x: Array) -> tuple[AdExState, Array]:
        away = state.v - self.v_rest
        leak = self.conductance * (away - upswing(state.v, self.theta_rh, self.delta_t))
        v = state.v + self.dt / self.capacitance * (x - state.w - leak)
        s = self.fire(v - self.threshold)
        w = state.w + self.dt / self.tau_w * (self.a * away - state.w) + self.b * s
        return AdExState(self.reset(v, s, self.threshold), w), s
