from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.neurons._base import Outputs, above_threshold, euler_constant, neuron, positive, static
from mxsnn.reset import to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Fire, Reset

STEEPEST = 20.0
"""Exponents are held at or below it, exp(20) = 5e8: no step of 1e-6 time constants or more is so short that a spike is missed."""


def upswing(v: Array, onset: ArrayLike, sharpness: ArrayLike) -> Array:
    """sharpness exp((v - onset) / sharpness), the exponent held below `STEEPEST`: finite for whatever a reset leaves."""
    return sharpness * jnp.exp(jnp.minimum((v - onset) / sharpness, STEEPEST))


class EIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class EIF:
    r"""Exponential integrate-and-fire: a leaky membrane whose upswing to the spike is part of the model.

    v = v[t-1] + dt/tau (x[t] - (v[t-1] - v_rest) + delta_t exp((v[t-1] - theta_rh) / delta_t))
    s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold)

    Euler forward; tau and dt in ms, the rest in units of the threshold. The exponent is held at 20 or less. It fires for
    x > theta_rh - delta_t - v_rest (the rheobase); for delta_t -> 0 it is the LIF of threshold theta_rh. Scheme and defaults are
    SpikingJelly's (which fires at v >= threshold and starts at its reset value) but for delta_t, there 1: at a rheobase of -0.2 it
    fires without input. Source: Fourcaud-Trocmé et al. (2003), How spike generation mechanisms determine the neuronal response.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: ArrayLike = euler_constant(2.0)
    v_rest: ArrayLike = 0.0
    theta_rh: ArrayLike = 0.8
    delta_t: ArrayLike = positive(0.1)
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=to_value(-0.1))
    distance = above_threshold

    def init(self, shape, dtype=jnp.float32) -> EIFState:
        return EIFState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape))

    def step(self, state: EIFState, x: Array) -> tuple[EIFState, Array]:
        rise = upswing(state.v, self.theta_rh, self.delta_t)
        v = state.v + self.dt / self.tau * (x - (state.v - self.v_rest) + rise)
        s = self.fire(v - self.threshold)
        return EIFState(self.reset(v, s, self.threshold)), s
