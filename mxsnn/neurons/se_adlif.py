from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import jax.numpy as jnp

from mxsnn.discrete import exponential, lost_of
from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static, time_constant
from mxsnn.neurons.ad_lif import AdLIFState
from mxsnn.reset import detached, to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Reset


@neuron
class SEAdLIF:
    r"""Adaptive LIF by symplectic Euler: the adaptation current follows the membrane of its own step, after the reset.

    v = d v[t-1] + (1 - d) (x[t] - w[t-1]);  s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold)
    w[t] = r w[t-1] + (1 - r) a v[t] + jump s[t]

    Parameters as in `AdLIF`, which differs by its reset and in that w follows v before it. Without spikes the membrane rings, and
    loses sqrt(d r) a step whatever `a` (Euler forward, `EFAdLIF`, rings up where a is large). The source writes a and b times q,
    the jump as a current of one step: `from_q`. Defaults: the middle of the ranges of its code, q = 60; its surrogate is
    `surrogate.more.se_adlif()`. Source: Baronig et al. (2024), Advancing spatio-temporal processing in spiking neural networks
    through adaptation.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY
    drive: ClassVar[float] = 10.0

    tau: ArrayLike = time_constant(20.0)
    tau_w: ArrayLike = time_constant(110.0)
    a: ArrayLike = 30.0
    jump: ArrayLike = 0.54
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=detached(to_value(0.0)))
    decay: Decay = static(default=exponential)
    distance = above_threshold

    @classmethod
    def from_q(cls, a: ArrayLike, b: ArrayLike, q: float = 60.0, *, tau_w: ArrayLike = 110.0, dt: float = 1.0, **others) -> Self:
        """The neuron in the source's words, w = r w + (1 - r) q (a v + b s) in steps of `dt` ms."""
        lost = lost_of(tau_w, dt, others.get("decay", exponential))
        return cls(tau_w=tau_w, a=q * a, jump=lost * q * b, dt=dt, **others)

    def init(self, shape, dtype=jnp.float32) -> AdLIFState:
        return AdLIFState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: AdLIFState, x: Array) -> tuple[AdLIFState, Array]:
        d, r = self.decay(self.tau, self.dt), self.decay(self.tau_w, self.dt)
        v = d * state.v + (1 - d) * (x - state.w)
        s = self.fire(v - self.threshold)
        v = self.reset(v, s, self.threshold)
        return AdLIFState(v, r * state.w + (1 - r) * self.a * v + self.jump * s), s


class EFAdLIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold
    w: Array  # [B, ...] adaptation current that the next step feels
    s: Array  # [B, ...] the last spike, of which w has not heard


@neuron
class EFAdLIF(SEAdLIF):
    r"""Adaptive LIF by Euler forward: `SEAdLIF` whose adaptation current hears of the membrane and of the spike a step later.

    v = d v[t-1] + (1 - d) (x[t] - w[t-1]);  s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold)
    w[t] = r w[t-1] + (1 - r) a v[t-1] + jump s[t-1]

    Without spikes it loses sqrt(d r + (1 - d) (1 - r) a) a step: it rings up for a > (1 - d r) / ((1 - d) (1 - r)). Parameters,
    units and source as in `SEAdLIF`; there as the baseline.
    """

    def init(self, shape, dtype=jnp.float32) -> Any:  # EFAdLIFState
        return EFAdLIFState(*super().init(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: Any, x: Array) -> tuple[Any, Array]:  # EFAdLIFState
        d, r = self.decay(self.tau, self.dt), self.decay(self.tau_w, self.dt)
        v = d * state.v + (1 - d) * (x - state.w)
        s = self.fire(v - self.threshold)
        w = r * state.w + (1 - r) * self.a * state.v + self.jump * state.s
        return EFAdLIFState(self.reset(v, s, self.threshold), w, s), s
