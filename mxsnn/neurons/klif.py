from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from mxsnn.discrete import charge, exponential
from mxsnn.neurons._base import Outputs, neuron, positive, static, time_constant
from mxsnn.reset import to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Decay, Fire, Gain, Reset


def kept_scale(k: ArrayLike) -> ArrayLike:
    """1: the membrane goes on scaled by k, as KLIF has it."""
    return 1.0


def undone_scale(k: ArrayLike) -> ArrayLike:
    """k: the membrane that goes on is what it was before it was scaled by k; k then moves the threshold and the slope alone."""
    return k


class KLIFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class KLIF:
    r"""k-based LIF: a LIF whose charged membrane is scaled by a learned k and rectified before it is tested and reset.

    f = relu(k (d v[t-1] + g x[t]));  s[t] = 1 if f > threshold else 0;  v[t] = reset(f / c, s[t], threshold / c)

    d = decay(tau, dt), g = gain(d), tau and dt in ms; c = undo(k) is 1 (`kept_scale`) or k (`undone_scale`). With c = 1 a
    membrane below threshold is multiplied by k d in each step, and grows by itself where k > 1/d: k is of a step, another dt needs
    another k. k = 1 with inputs that are not negative is LIF. SpikingJelly's KLIFNode is `gain=current, decay=euler,
    fire=inclusive(...)`, its scale_reset `undo=undone_scale`, with k the number that is learned, here its logarithm. Source: Jiang,
    Zhang (2023), KLIF; defaults of the leak as in LIF.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    k: ArrayLike = positive(1.0)
    tau: ArrayLike = time_constant(20.0)
    threshold: ArrayLike = positive(1.0)
    dt: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=to_value(0.0))
    undo: Callable[[ArrayLike], ArrayLike] = static(default=kept_scale)
    gain: Gain = static(default=charge)
    decay: Decay = static(default=exponential)

    def init(self, shape, dtype=jnp.float32) -> KLIFState:
        return KLIFState(jnp.zeros(shape, dtype))

    def distance(self, state: KLIFState) -> Array:
        return self.undo(self.k) * state.v - self.threshold

    def step(self, state: KLIFState, x: Array) -> tuple[KLIFState, Array]:
        d, c = self.decay(self.tau, self.dt), self.undo(self.k)
        f = jax.nn.relu(self.k * (d * state.v + self.gain(d) * x))
        s = self.fire(f - self.threshold)
        return KLIFState(self.reset(f / c, s, self.threshold / c)), s
