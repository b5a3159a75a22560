from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static
from mxsnn.neurons._checks import is_number, refuse_what_cannot_be
from mxsnn.reset import to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Fire, Reset

LOWEST, BEYOND = -200.0, 10.0
"""The membrane stays between -200 mV and 10 mV above the threshold, so that no input makes the parabola overflow."""


class IzhikevichState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, mV
    u: Array  # [B, ...] recovery, mV/ms


@neuron
class Izhikevich:
    r"""Izhikevich's simple neuron, in mV and ms: with four numbers it fires as most cortical neurons do.

    twice: v = h + dt/2 (0.04 h^2 + 5 h + 140 - u[t-1] + x[t]), h the v before, held between -200 and threshold + 10
    s[t] = 1 if v > threshold else 0;  u[t] = u[t-1] + dt a (b h - u[t-1]) + d s[t];  v[t] = c + reset(h - c, s[t], threshold - c)

    The four numbers of the paper; a reset counts from c, to which `to_value(0.0)` puts the membrane. Its classes of neurons are the
    constructors below. x in mV/ms, dt 1 ms or less. Two half steps of v, then u by the new v, as the paper has them; it resets at
    the start of the next step, from a v that is not held, which shows in u alone. `fire` hears the logarithm of what v is beyond
    the held one. jaxpike is this neuron, but fires from the held v, which lets no gradient through most spikes; Norse steps v once,
    u by the old v: other trains. It starts at the fixed point of v and u (where b leaves none, above 0.267, at the bottom of the
    parabola), the paper and jaxpike at (c, b c).
    Source: Izhikevich (2003), Simple model of spiking neurons.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY
    drive: ClassVar[float] = 15.0

    a: ArrayLike = positive(0.02)
    b: ArrayLike = 0.2
    c: ArrayLike = -65.0
    d: ArrayLike = 8.0
    threshold: ArrayLike = 30.0
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan(alpha=0.4))  # 5 mV wide
    reset: Reset = static(default=to_value(0.0))
    distance = above_threshold

    def __post_init__(self) -> None:
        refuse_what_cannot_be(self)
        if is_number(self.dt) and not np.all(np.asarray(self.dt) <= 1):
            raise ValueError(f"Izhikevich.dt must be 1 ms or less, for Euler's method; got {self.dt} ms: take shorter steps")

    @classmethod
    def regular_spiking(cls, **others) -> Izhikevich:
        """RS, the default: excitatory cells that fire ever more slowly under a constant input."""
        return cls(**others)

    @classmethod
    def intrinsically_bursting(cls, **others) -> Izhikevich:
        """IB: a burst first, then single spikes."""
        return cls(c=-55.0, d=4.0, **others)

    @classmethod
    def chattering(cls, **others) -> Izhikevich:
        """CH: bursts of closely spaced spikes, one after the other."""
        return cls(c=-50.0, d=2.0, **others)

    @classmethod
    def fast_spiking(cls, **others) -> Izhikevich:
        """FS: inhibitory cells that fire fast, practically without adaptation."""
        return cls(a=0.1, d=2.0, **others)

    @classmethod
    def low_threshold_spiking(cls, **others) -> Izhikevich:
        """LTS: inhibitory cells with a low threshold that fire fast and adapt."""
        return cls(b=0.25, d=2.0, **others)

    @classmethod
    def thalamo_cortical(cls, **others) -> Izhikevich:
        """TC: tonic from rest, a rebound burst after inhibition."""
        return cls(b=0.25, d=0.05, **others)

    @classmethod
    def resonator(cls, **others) -> Izhikevich:
        """RZ: damped oscillations below threshold, answers to inputs in their rhythm."""
        return cls(a=0.1, b=0.26, d=2.0, **others)

    def init(self, shape, dtype=jnp.float32) -> IzhikevichState:
        slope = 5 - jnp.asarray(self.b, dtype)
        v = (-slope - jnp.sqrt(jnp.maximum(slope**2 - 4 * 0.04 * 140, 1e-6))) / 0.08  # 1e-6: finite gradients at the bottom
        return IzhikevichState(jnp.broadcast_to(v, shape), jnp.broadcast_to(self.b * v, shape))

    def step(self, state: IzhikevichState, x: Array) -> tuple[IzhikevichState, Array]:
        highest = self.threshold + BEYOND
        v = state.v
        for _ in range(2):
            held = jnp.clip(v, LOWEST, highest)
            v = held + self.dt / 2 * (0.04 * held**2 + 5 * held + 140 - state.u + x)
        # Most spikes overshoot what is held; its logarithm there, which changes no spike, leaves them a gradient.
        beyond = jnp.log1p(jnp.maximum(v - highest, 0))
        v = jnp.clip(v, LOWEST, highest)
        s = self.fire(v - self.threshold + beyond)
        u = state.u + self.dt * self.a * (self.b * v - state.u) + self.d * s
        return IzhikevichState(self.c + self.reset(v - self.c, s, self.threshold - self.c), u), s
