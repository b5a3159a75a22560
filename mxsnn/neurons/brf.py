from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from mxsnn.discrete import exponential
from mxsnn.neurons._base import Outputs, neuron, positive, static, time_constant
from mxsnn.neurons._checks import is_number, refuse_what_cannot_be
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire


class BRFState(NamedTuple):
    u: Array  # [B, ...] real part, in units of the threshold
    v: Array  # [B, ...] imaginary part
    q: Array  # [B, ...] refractoriness: spikes, of which each decays


def boundary(omega: ArrayLike, dt: ArrayLike) -> Array:
    """p(omega) = (sqrt(1 - (dt omega)^2) - 1) / dt: with more damping than this, an Euler step makes no oscillation grow."""
    y = jnp.square(jnp.asarray(dt * omega))
    return -y / dt / (1 + jnp.sqrt(jnp.maximum(1 - y, 1e-6)))  # no difference of near numbers; 1e-6: finite gradients at the end


@neuron
class BRF:
    r"""Balanced resonate-and-fire: a resonator that cannot diverge; a spike raises its threshold and damps it for a while.

    b = p(omega) - |b_offset| - friction q[t-1];  u[t] = u[t-1] + dt (b u[t-1] - omega v[t-1] + x[t])
    v[t] = v[t-1] + dt (omega u[t-1] + b v[t-1])
    s[t] = 1 if u[t] > threshold + q[t-1] else 0;  q[t] = decay(tau_q, dt) q[t-1] + s[t]

    p(omega) is `boundary`; times in ms, omega in rad/ms (dt |omega| must be below 1), b_offset and friction per ms, x a current in
    thresholds per ms. No reset: nothing acts on u and v but damping. The paper's q has no unit, so its `friction` is 1 in its
    unit of time: there, with dt = 0.01, omega from 5 to 10, b_offset from 0 to 3, q retains 0.9 of itself in a step. The defaults
    are that neuron (omega 10, b_offset 1) with one of its steps a millisecond; its inputs weigh 0.01. Source: Higuchi, Kairat,
    Bohte, Otte (2024), Balanced Resonate-and-Fire Neurons.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY
    membrane: ClassVar[tuple[str, ...]] = ("u", "v")

    omega: ArrayLike = 0.1
    b_offset: ArrayLike = 0.01
    friction: ArrayLike = 0.01
    tau_q: ArrayLike = time_constant(9.491)
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    decay: Decay = static(default=exponential)

    def __post_init__(self) -> None:
        refuse_what_cannot_be(self)
        known = is_number(self.omega) and is_number(self.dt)
        if known and not np.all(np.abs(np.multiply(self.dt, self.omega)) < 1):
            raise ValueError(f"BRF needs dt |omega| < 1, or every Euler step grows; got omega={self.omega} rad/ms, dt={self.dt} ms")

    def init(self, shape, dtype=jnp.float32) -> BRFState:
        return BRFState(*(jnp.zeros(shape, dtype) for _ in BRFState._fields))

    def step(self, state: BRFState, x: Array) -> tuple[BRFState, Array]:
        b = boundary(self.omega, self.dt) - jnp.abs(jnp.asarray(self.b_offset)) - self.friction * state.q
        u = state.u + self.dt * (b * state.u - self.omega * state.v + x)
        v = state.v + self.dt * (self.omega * state.u + b * state.v)
        s = self.fire(u - self.threshold - state.q)
        return BRFState(u, v, self.decay(self.tau_q, self.dt) * state.q + s), s
