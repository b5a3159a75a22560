from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from mxsnn.discrete import charge, exponential, plain, tau_of
from mxsnn.neurons._base import Outputs, neuron, positive, static, time_constant
from mxsnn.reset import none
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Gain, Reset


def real(u: Array, v: Array) -> Array:
    """u, which the input drives: a spike in the step of the input."""
    return u


def imaginary(u: Array, v: Array) -> Array:
    """v, which follows u by a quarter of a period."""
    return v


class RFState(NamedTuple):
    u: Array  # [B, ...] real part after the reset, in units of the threshold
    v: Array  # [B, ...] imaginary part after the reset


@neuron
class RF:
    r"""Resonate-and-fire: a damped oscillation z = u + iv that inputs kick; those in its rhythm add up and make it fire.

    z = d exp(i omega dt) z[t-1] + g resistance x[t];  s[t] = 1 if part(u, v) > threshold else 0
    u[t] = reset_u(u, s[t], threshold);  v[t] = reset_v(v, s[t], threshold)

    d = decay(tau, dt), g = gain(d); tau and dt in ms, omega in rad/ms; with `exponential` exact between inputs. Without a reset, as
    by default, it is affine. spyx's ResonateFire is the default, with omega and lambda = 1/tau learned. SpikingJelly's RAFNode
    fires from v and resets it alone: `part=imaginary, reset_v=to_value(0.0), fire=inclusive(...)`, b = -1/tau. The research code
    of BRF steps by Euler: `from_euler`. Loihi's RF fires where |z| is large as its phase crosses 0, which two steps tell, not one:
    it has no counterpart here. Source: Izhikevich (2001), Resonate-and-fire neurons.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY
    membrane: ClassVar[tuple[str, ...]] = ("u", "v")

    omega: ArrayLike = 0.1
    tau: ArrayLike = time_constant(20.0)
    resistance: ArrayLike = 1.0
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    part: Callable[[Array, Array], Array] = static(default=real)
    reset_u: Reset = static(default=none)
    reset_v: Reset = static(default=none)
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)

    @classmethod
    def from_euler(cls, b: ArrayLike, omega: ArrayLike, *, dt: float = 1.0, decay: Decay = exponential, **others) -> RF:
        """The RF that z <- z + dt ((b + i omega) z + x) is: b < 0 and omega per ms. Raises ValueError where that diverges."""
        factor = 1 + dt * (np.asarray(b, float) + 1j * np.asarray(omega, float))
        kept = np.abs(factor)
        if not np.all((kept > 0) & (kept < 1)):
            raise ValueError(f"a step multiplies the oscillation by {kept.max():.6g}, not by less than 1; lower b={b} or dt={dt}")
        tau = tau_of(kept, dt, "1 + dt (b + i omega)", decay)
        return cls(plain(np.angle(factor) / dt), tau, resistance=dt, dt=dt, decay=decay, **others)

    @property
    def affine(self) -> bool:
        return self.reset_u is none and self.reset_v is none

    def init(self, shape, dtype=jnp.float32) -> RFState:
        return RFState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def distance(self, state: RFState) -> Array:
        return self.part(state.u, state.v) - self.threshold

    def step(self, state: RFState, x: Array) -> tuple[RFState, Array]:
        d, phase = self.decay(self.tau, self.dt), jnp.asarray(self.omega * self.dt)
        c, i = d * jnp.cos(phase), d * jnp.sin(phase)
        u = c * state.u - i * state.v + self.gain(d) * self.resistance * x
        v = i * state.u + c * state.v
        s = self.fire(self.part(u, v) - self.threshold)
        return RFState(self.reset_u(u, s, self.threshold), self.reset_v(v, s, self.threshold)), s
