from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.discrete import euler, exponential, tau_of
from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static
from mxsnn.neurons._checks import refuse_long_steps, refuse_what_cannot_be
from mxsnn.reset import none, subtract
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Reset


class LapicqueState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class Lapicque:
    r"""Lapicque's circuit: C dv/dt = I - (v - v_rest)/R, a resistance beside a capacitance; LIF told by R and C, tau = R C.

    v = v_rest + d (v[t-1] - v_rest) + (1 - d) R x[t];  s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold)

    d = decay(R C, dt): `exponential` (default: exact for a current held through the step) or `euler` (1 - dt/(R C), so that a
    current adds x dt/C). R x in units of the threshold, R C and dt in ms. snnTorch's Lapicque is `NextStepReset` of this one with
    `decay=euler` and a detached reset; told beta alone, it takes R = 1 and C = dt / ln(1/beta), so that a step retains
    1 + ln(beta), not beta, and its input weighs -ln(beta): `from_beta(beta, decay=euler)`. Below beta = 1/e that would be negative,
    and is refused here. Source: Lapicque (1907).
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY
    drive: ClassVar[float] = 10.0

    resistance: ArrayLike = positive(1.0)
    capacitance: ArrayLike = positive(20.0)
    v_rest: ArrayLike = 0.0
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=subtract)
    decay: Decay = static(default=exponential)
    distance = above_threshold

    def __post_init__(self) -> None:
        refuse_what_cannot_be(self)
        if self.decay is euler:
            refuse_long_steps(self, "tau", self.resistance * self.capacitance)

    @classmethod
    def from_beta(cls, beta: ArrayLike, *, dt: float = 1.0, **others) -> Lapicque:
        """R = 1 and C = dt / ln(1/beta): a step of `dt` ms retains `beta` (0 < beta < 1), or 1 + ln(beta) under `decay=euler`."""
        return cls(resistance=1.0, capacitance=tau_of(beta, dt, "beta"), dt=dt, **others)

    @property
    def affine(self) -> bool:
        return self.reset is none

    def init(self, shape, dtype=jnp.float32) -> LapicqueState:
        return LapicqueState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape))

    def step(self, state: LapicqueState, x: Array) -> tuple[LapicqueState, Array]:
        d = self.decay(self.resistance * jnp.asarray(self.capacitance), self.dt)
        v = self.v_rest + d * (state.v - self.v_rest) + (1 - d) * self.resistance * x
        s = self.fire(v - self.threshold)
        return LapicqueState(self.reset(v, s, self.threshold)), s
