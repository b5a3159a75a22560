from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.discrete import exponential, tau_of
from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static
from mxsnn.reset import none, subtract
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Fire, Reset


class AlphaState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold
    i: Array  # [B, ...] synaptic current


@neuron
class Alpha:
    r"""Alpha neuron: a spike that comes in raises the membrane late and smoothly, by a difference of exponentials.

    i[t] = r i[t-1] + x[t];  v = d v[t-1] + c i[t-1],  c = tau_syn (r - d) / (tau_syn - tau)
    s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold);  i[t] = reset_current(i[t], s[t], threshold)

    r = exp(-dt/tau_syn), d = exp(-dt/tau); times in ms. It is the exact solution of tau dv/dt = -v + i, tau_syn di/dt = -i between
    unit jumps of i at the inputs, so the step does not matter: the response tau_syn (exp(-t/tau_syn) - exp(-t/tau)) /
    (tau_syn - tau), at equal times t/tau exp(-t/tau). snnTorch's Alpha has the same response from two currents, E = i and
    N = v/a - i with a = tau_syn/(tau_syn - tau), alpha = r > beta = d; its reset "zero" is `NextStepReset` of this one with
    `to_value(0.0)` for both resets. Its "subtract" lowers E by the threshold and clears N, which subtracts no threshold from the
    membrane; it has no counterpart here. Source: Eshraghian et al. (2023), Training spiking neural
    networks.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: ArrayLike = positive(5.0)
    tau_syn: ArrayLike = positive(10.0)
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=subtract)
    reset_current: Reset = static(default=none)
    distance = above_threshold

    @classmethod
    def from_alpha_beta(cls, alpha: ArrayLike, beta: ArrayLike, *, dt: float = 1.0, **others) -> Alpha:
        """The neuron whose currents retain `alpha` and `beta` per step of `dt` ms, each between 0 and 1, as snnTorch's."""
        return cls(tau=tau_of(beta, dt, "beta"), tau_syn=tau_of(alpha, dt, "alpha"), dt=dt, **others)

    @property
    def affine(self) -> bool:
        return self.reset is none and self.reset_current is none

    def init(self, shape, dtype=jnp.float32) -> AlphaState:
        return AlphaState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: AlphaState, x: Array) -> tuple[AlphaState, Array]:
        d, r = exponential(self.tau, self.dt), exponential(self.tau_syn, self.dt)
        v = d * state.v + self._coupling(d, r) * state.i
        s = self.fire(v - self.threshold)
        i = self.reset_current(r * state.i + x, s, self.threshold)
        return AlphaState(self.reset(v, s, self.threshold), i), s

    def _coupling(self, d: Array, r: Array) -> Array:
        """c: dt/tau times the logarithmic mean of r and d, by its series where they are nearly equal, and 0/0 were left of it."""
        fast, slow = jnp.asarray(self.dt / self.tau), jnp.asarray(self.dt / self.tau_syn)
        z = fast - slow  # ln(r/d)
        near = jnp.abs(z) < 0.5
        small = jnp.where(near, z, 0) ** 2
        series = jnp.exp(-(fast + slow) / 2) * (1 + small / 24 + small**2 / 1920)
        return fast * jnp.where(near, series, (r - d) / jnp.where(near, 1, z))
