from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.discrete import exponential, tau_of
from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static, time_constant
from mxsnn.reset import subtract
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Reset


class AdLIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold
    w: Array  # [B, ...] adaptation current that the next step feels


@neuron
class AdLIF:
    r"""Adaptive LIF of RadLIF: a current that follows the membrane and jumps with each spike is taken off the input.

    v = d v[t-1] + (1 - d) (x[t] - w[t-1]);  s[t] = 1 if v > threshold else 0
    w[t] = r w[t-1] + (1 - r) a v + jump s[t];  v[t] = reset(v, s[t], threshold)

    tau dv/dt = x - w - v and tau_w dw/dt = a v - w with d = decay(tau, dt), r = decay(tau_w, dt); times in ms, a without a unit,
    jump in units of the threshold. w hears the membrane before its reset; a < 0 feeds back instead. The source (SpArch) subtracts
    1 whatever the threshold, starts from random states and writes a / (1 - r) as `a`: `from_alpha_beta`. SNNAX adds w: negate a.
    Recurrent through `Recurrent`. Defaults within the source's ranges. Source: Bittar, Garner (2022), A surrogate gradient spiking
    baseline for speech command recognition.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY
    drive: ClassVar[float] = 10.0

    tau: ArrayLike = time_constant(10.0)
    tau_w: ArrayLike = time_constant(60.0)
    a: ArrayLike = 5.0
    jump: ArrayLike = 1.0
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=subtract)
    decay: Decay = static(default=exponential)
    distance = above_threshold

    @classmethod
    def from_alpha_beta(cls, alpha: ArrayLike, beta: ArrayLike, a: ArrayLike, b: ArrayLike, *, dt: float = 1.0, **others) -> AdLIF:
        """The neuron in SpArch's words: w = beta w + a u + b s, and alpha of the membrane retained, in steps of `dt` ms."""
        decay = others.get("decay", exponential)
        tau, tau_w = tau_of(alpha, dt, "alpha", decay), tau_of(beta, dt, "beta", decay)
        return cls(tau, tau_w, a / (1 - beta), b, dt=dt, **others)

    def init(self, shape, dtype=jnp.float32) -> AdLIFState:
        return AdLIFState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: AdLIFState, x: Array) -> tuple[AdLIFState, Array]:
        d, r = self.decay(self.tau, self.dt), self.decay(self.tau_w, self.dt)
        v = d * state.v + (1 - d) * (x - state.w)
        s = self.fire(v - self.threshold)
        return AdLIFState(self.reset(v, s, self.threshold), r * state.w + (1 - r) * self.a * v + self.jump * s), s
