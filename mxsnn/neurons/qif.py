from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.neurons._base import Outputs, above_threshold, euler_constant, neuron, positive, static
from mxsnn.reset import to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Fire, Reset

LOWEST = -100.0
"""Below it, in units of the threshold, the parabola goes on as a constant."""


def parabola(v: Array, v_rest: ArrayLike, v_c: ArrayLike, threshold: ArrayLike) -> Array:
    """(v - v_rest) (v - v_c), v held between `LOWEST` and the threshold: finite for whatever an input or a reset leaves."""
    held = jnp.clip(v, LOWEST, threshold)
    return (held - v_rest) * (held - v_c)


class QIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class QIF:
    r"""Quadratic integrate-and-fire: below v_c the membrane returns to rest, above it runs away on its own.

    v = v[t-1] + dt/tau (x[t] + a (v[t-1] - v_rest) (v[t-1] - v_c));  s[t] = 1 if v > threshold else 0
    v[t] = reset(v, s[t], threshold)

    Euler forward; tau and dt in ms, x and v in units of the threshold, a in one over it. It fires for x > a (v_c - v_rest)^2 / 4,
    at a rate that rises from 0 as the square root. Above the threshold (where a reset leaves it there) and below -100 thresholds
    the parabola is a constant, so that nothing overflows; below v_rest - 2 tau / (a dt) a step overshoots to the other side.
    Defaults and scheme are SpikingJelly's, which starts at its reset value and fires at v >= threshold. Source: Latham et al.
    (2000); Gerstner et al. (2014), Neuronal Dynamics, 5.3.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: ArrayLike = euler_constant(2.0)
    v_rest: ArrayLike = 0.0
    v_c: ArrayLike = 0.8
    a: ArrayLike = positive(1.0)
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=to_value(-0.1))
    distance = above_threshold

    def init(self, shape, dtype=jnp.float32) -> QIFState:
        return QIFState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape))

    def step(self, state: QIFState, x: Array) -> tuple[QIFState, Array]:
        v = state.v + self.dt / self.tau * (x + self.a * parabola(state.v, self.v_rest, self.v_c, self.threshold))
        s = self.fire(v - self.threshold)
        return QIFState(self.reset(v, s, self.threshold)), s
