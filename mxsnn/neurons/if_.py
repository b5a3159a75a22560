from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from mxsnn.neurons._base import Outputs, above_threshold, neuron, positive, static
from mxsnn.reset import none, subtract
from mxsnn.surrogate import atan
from mxsnn.typing import Array, ArrayLike, Fire, Reset


class IFState(NamedTuple):
    v: Array  # [B, ...] membrane potential after the reset, in units of the threshold


@neuron
class IF:
    r"""Integrate-and-fire: a membrane without leak.

    v = v[t-1] + resistance x[t];  s[t] = 1 if v > threshold else 0;  v[t] = reset(v, s[t], threshold)

    Source: Lapicque (1907), without leak. SpikingJelly fires at v >= threshold and resets to 0: `IF(fire=inclusive(atan()),
    reset=to_value(0.0))`.
    """

    outputs: ClassVar[Outputs] = Outputs.BINARY

    resistance: ArrayLike = 1.0
    threshold: ArrayLike = positive(1.0)
    fire: Fire = static(default=atan())
    reset: Reset = static(default=subtract)
    distance = above_threshold

    @property
    def affine(self) -> bool:
        return self.reset is none

    def init(self, shape, dtype=jnp.float32) -> IFState:
        return IFState(jnp.zeros(shape, dtype))

    def step(self, state: IFState, x: Array) -> tuple[IFState, Array]:
        v = state.v + self.resistance * x
        s = self.fire(v - self.threshold)
        return IFState(self.reset(v, s, self.threshold)), s
