from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from mxsnn.neurons._base import Neuron, duration, neuron, static
from mxsnn.neurons._wrapper import Wrapper, acting
from mxsnn.typing import Array, ArrayLike, State

__all__ = ["Refractory", "RefractoryState", "frozen", "integrating", "masked"]

Meanwhile = Callable[[Any, Any, Array], State]
"""What a neuron does while it cannot fire: `(neuron, state, x) -> state`, where `neuron.step` gives no spikes."""


def frozen(neuron: Neuron, state: Any, x: Array) -> State:
    """The membrane (all that the neuron names so) stays where the reset left it; what else it has (a current) goes on."""
    return neuron.step(state, x)[0]._replace(**{part: getattr(state, part) for part in getattr(neuron, "membrane", ("v",))})


def integrating(neuron: Neuron, state: State, x: Array) -> State:
    """The membrane leaks and takes in its input, and fires as soon as it may."""
    return neuron.step(state, x)[0]


def masked(neuron: Neuron, state: State, x: Array) -> State:
    """The membrane leaks towards rest, the input is not heard."""
    return neuron.step(state, jnp.zeros_like(x))[0]


class RefractoryState(NamedTuple):
    neuron: State  # of the neuron inside
    left: Array  # [B, ...] steps in which it cannot fire yet


@neuron
class Refractory(Wrapper):
    r"""A neuron that cannot fire for `period` ms after a spike, whatever its input: n = period/dt dead steps, rounded up.

    left[t-1] > 0:  state[t] = meanwhile(neuron, state[t-1], x[t]),  s[t] = 0,  left[t] = left[t-1] - 1
    otherwise:      state[t], s[t] = neuron.step(state[t-1], x[t]),  left[t] = n s[t]

    dt is that of `neuron` (an IF that has one is `LIF(tau=inf)`). `meanwhile`, a function `(neuron that does not fire, state, x) ->
    state`, is `frozen` (the membrane clamped where its reset put it; Norse's LIFRefracCell), `integrating` or `masked` (BindsNET).
    snnTorch, SpikingJelly and spyx have no refractory neurons. Spikes are n + 1 steps apart at least. The counter has no gradient:
    the period is not learned. Source: Brunel, Hakim (1999), Fast global oscillations (2 ms); LIF that a spike puts below rest,
    where no input makes it fire, Mayaud, Bouchy, Beyond the Smile:

        Refractory(LIF(reset=to_value(-0.3)), period=5.0)
    """

    needs: ClassVar[tuple[str, ...]] = ("fire", "dt")

    period: ArrayLike = duration(2.0)
    meanwhile: Meanwhile = static(default=frozen)

    def init(self, shape, dtype=jnp.float32) -> RefractoryState:
        return RefractoryState(self.neuron.init(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, state: RefractoryState, x: Array) -> tuple[RefractoryState, Array]:
        # A thousandth of a step is rounding: 0.3 ms are three steps of 0.1 ms.
        dead = jnp.ceil(jax.lax.stop_gradient(self.period / self.neuron.dt) - 1e-3)
        left = jax.lax.stop_gradient(state.left)
        waits = left > 0
        awake, s = self.neuron.step(state.neuron, x)
        asleep = self.meanwhile(acting(self.neuron, jnp.zeros_like), state.neuron, x)
        inner = jax.tree.map(lambda a, b: jnp.where(waits, a, b), asleep, awake)
        s = jnp.where(waits, 0, s)
        left = jnp.where(waits, jnp.maximum(left - 1, 0), jnp.where(s != 0, dead, 0))
        return RefractoryState(inner, left.astype(state.left.dtype)), s
