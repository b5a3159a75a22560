from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.discrete import exponential, plain
from mxsnn.neurons._base import Outputs, neuron, positive, static, time_constant
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire


class GLIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset and the leak of its step
    t: Array  # [B, ...] steps so far, a whole number


@neuron
class GLIF:
    r"""Gated LIF: learned gates mix two leaks, two ways to take the input in and two resets; inputs weigh differently by step.

    u = v[t-1] - (1 - a) leak dt + (1 - b (1 - c[t])) x[t];  s[t] = 1 if u > threshold else 0
    v[t] = k (1 - g s[t]) u - (1 - g) jump s[t],  k = 1 - a (1 - decay(tau, dt))

    a, b, g, c[t] = sigmoid(alpha), sigmoid(beta), sigmoid(gamma), sigmoid(conductance[t]): learned, they never leave their domain.
    a: the leak is exponential (1; tau, dt in ms) or linear (0; `leak` per ms). b: the input is weighed by c[t] (1) or not (0). g: a
    spike multiplies the membrane by 0 (1) or subtracts `jump` (0). `conductance` is a number or holds one a step, `[T]` or
    `[T, ...]` like the neurons; steps beyond T have the last one. The state counts the steps.

    SpikingJelly's GatedLIFNode is the same with inclusive spikes; its u is the membrane that it reports, its "tau" the
    decay(tau, dt) of a step, and it learns every number by its logit (tau, leak, jump and threshold here are learned as they are
    declared); its reset is written one step later. Its defaults: decay 0.25, threshold 0.5, leak threshold / (2 T). Source: Yao
    et al. (2022), GLIF; leak, threshold and jump by default here: of a LIF that subtracts.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    alpha: ArrayLike = 0.0
    beta: ArrayLike = 0.0
    gamma: ArrayLike = 0.0
    conductance: ArrayLike = 0.0
    tau: ArrayLike = time_constant(20.0)
    leak: ArrayLike = 0.02
    jump: ArrayLike = 1.0
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    decay: Decay = static(default=exponential)

    @classmethod
    def from_gates(
        cls, alpha: ArrayLike = 0.5, beta: ArrayLike = 0.5, gamma: ArrayLike = 0.5, conductance: ArrayLike = 0.5, **others
    ) -> GLIF:
        """The GLIF with these gates a, b, g and this c, all between 0 and 1 (exclusive), instead of their logits."""
        gates = {"alpha": alpha, "beta": beta, "gamma": gamma, "conductance": conductance}
        for name, gate in gates.items():
            if not np.all((np.asarray(gate) > 0) & (np.asarray(gate) < 1)):
                raise ValueError(f"{name} must lie between 0 and 1, got {gate}")
        each = (np.asarray(gate, float) for gate in gates.values())
        return cls(*(plain(np.log(gate / (1 - gate))) for gate in each), **others)

    def init(self, shape, dtype=jnp.float32) -> GLIFState:
        return GLIFState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: GLIFState, x: Array) -> tuple[GLIFState, Array]:
        a, b, g = (jax.nn.sigmoid(jnp.asarray(gate, state.v.dtype)) for gate in (self.alpha, self.beta, self.gamma))
        c = jax.nn.sigmoid(_at(self.conductance, state.t))
        k = 1 - a * (1 - self.decay(self.tau, self.dt))
        u = state.v - (1 - a) * self.leak * self.dt + (1 - b * (1 - c)) * x
        s = self.fire(u - self.threshold)
        return GLIFState(k * (1 - g * s) * u - (1 - g) * self.jump * s, state.t + 1), s


def _at(values: ArrayLike, t: Array) -> Array:
    """`values[t]`, `[T]` or `[T, ...]` like the neurons, for each neuron's own t; the last one beyond T; a number at any t."""
    values = jnp.atleast_1d(jnp.asarray(values, t.dtype))
    index = jnp.clip(t, 0, len(values) - 1).astype(jnp.int32)
    return values[(index, *jnp.indices(values.shape[1:], sparse=True))]
