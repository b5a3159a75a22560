from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.discrete import plain
from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static
from mxsnn.reset import detached, none, to_value
from mxsnn.surrogate import atan, inclusive
from mxsnn.typing import Array, ArrayLike, Fire, Reset


class PLIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class PLIF:
    r"""Parametric LIF: the leak is sigmoid(w), so that a learned w never leaves its domain; the input is scaled by the leak.

    k = 1 - (1 - sigmoid(w))^dt;  v = v[t-1] + k (x[t] - (v[t-1] - v_rest));  s[t] = 1 if v >= threshold else 0
    v[t] = reset(v, s[t], threshold)

    w gives the leak of one millisecond and dt (ms) compounds it; at dt = 1 this is SpikingJelly's ParametricLIFNode to the letter
    (spikes at >=, hard reset, detached as SEW-ResNet has it). Source: Fang et al. (2021), Incorporating learnable membrane time
    constant.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    w: ArrayLike = 0.0
    v_rest: ArrayLike = 0.0
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=inclusive(atan()))
    reset: Reset = static(default=detached(to_value(0.0)))
    distance = above_threshold

    @classmethod
    def from_tau(cls, tau: ArrayLike, *, dt: float = 1.0, **others) -> PLIF:
        """The PLIF whose leak in a step of `dt` ms is dt/tau at first: `init_tau` of SpikingJelly is tau/dt, above 1."""
        if not np.all(np.asarray(tau) > dt):
            raise ValueError(f"tau must exceed dt; got tau={tau} ms, dt={dt} ms")
        retained = (1 - dt / np.asarray(tau, float)) ** (1 / dt)
        return cls(w=plain(np.log((1 - retained) / retained)), dt=dt, **others)

    @property
    def affine(self) -> bool:
        return self.reset is none

    def init(self, shape, dtype=jnp.float32) -> PLIFState:
        return PLIFState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape))

    def step(self, state: PLIFState, x: Array) -> tuple[PLIFState, Array]:
        # 1 - (1 - sigmoid(w))^dt without the cancellation, which costs a small leak its digits.
        leak = -jnp.expm1(-self.dt * jax.nn.softplus(jnp.asarray(self.w, state.v.dtype)))
        v = state.v + leak * (x - (state.v - self.v_rest))
        s = self.fire(v - self.threshold)
        return PLIFState(self.reset(v, s, self.threshold)), s
