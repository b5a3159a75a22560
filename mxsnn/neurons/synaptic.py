from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.discrete import charge, exponential, tau_of
from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static, time_constant
from mxsnn.reset import none, subtract
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Gain, Reset


class SynapticState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold
    i: Array  # [B, ...] synaptic current, that no reset touches


@neuron
class Synaptic:
    r"""Current-based LIF (CuBa-LIF): inputs charge a synaptic current, which decays and charges the membrane.

    i[t] = r i[t-1] + gain_syn(r) x[t];  v = v_rest + d (v[t-1] - v_rest) + gain(d) resistance i[t]
    s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold)

    r = decay(tau_syn, dt), d = decay(tau, dt); times in ms. Both gains are `charge` by default: snnTorch's Synaptic, but that its
    reset acts a step later (`NextStepReset`), and SpikingJelly's CUBALIFNode (`fire=inclusive(...), reset=to_value(0.0)`). Norse's
    LIFCell is `gain=current, decay=euler, reset=to_value(0.0)`; tau_syn is its 5 ms. In Sinabs and Rockpool a fresh input has
    leaked for a step when the membrane reads it: `gain_syn=early_charge`. jaxsnn, SNNAX and Norse's LSNN read the current of the
    step before, which gives the spikes of `Late(Synaptic(...))`; so does spyx's CuBaLIF, which tests the membrane of the step
    before. Source: Gerstner et al. (2014), Neuronal Dynamics, 1.3, with an exponential current.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: ArrayLike = time_constant(20.0)
    tau_syn: ArrayLike = time_constant(5.0)
    v_rest: ArrayLike = 0.0
    resistance: ArrayLike = 1.0
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=subtract)
    gain: Gain = static(default=charge)
    gain_syn: Gain = static(default=charge)
    decay: Decay = static(default=exponential)
    distance = above_threshold

    @classmethod
    def from_alpha_beta(cls, alpha: ArrayLike, beta: ArrayLike, *, dt: float = 1.0, **others) -> Synaptic:
        """The neuron whose current retains `alpha` and whose membrane retains `beta` per step of `dt` ms, each between 0 and 1."""
        decay = others.get("decay", exponential)
        return cls(tau=tau_of(beta, dt, "beta", decay), tau_syn=tau_of(alpha, dt, "alpha", decay), dt=dt, **others)

    @property
    def affine(self) -> bool:
        return self.reset is none

    def init(self, shape, dtype=jnp.float32) -> SynapticState:
        return SynapticState(jnp.broadcast_to(jnp.asarray(self.v_rest, dtype), shape), jnp.zeros(shape, dtype))

    def step(self, state: SynapticState, x: Array) -> tuple[SynapticState, Array]:
        d, r = self.decay(self.tau, self.dt), self.decay(self.tau_syn, self.dt)
        i = r * state.i + self.gain_syn(r) * x
        v = self.v_rest + d * (state.v - self.v_rest) + self.gain(d) * self.resistance * i
        s = self.fire(v - self.threshold)
        return SynapticState(self.reset(v, s, self.threshold), i), s
