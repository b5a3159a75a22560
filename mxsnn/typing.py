"""The vocabulary's types: what a neuron may be given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

Array = jax.Array
ArrayLike = jax.Array | float

Fire = Callable[[Array], Array]
"""From the distance to the threshold to a spike; 0/1 forward, a surrogate gradient backward."""

Reset = Callable[[Array, Array, ArrayLike], Array]
"""`(v, spike, threshold) -> v` after the spike."""

Gain = Callable[[Array], ArrayLike]
"""From the fraction of the membrane that a step retains to the weight of that step's input."""

Decay = Callable[[ArrayLike, ArrayLike], Array]
"""From a time constant and the length of a step (ms) to the fraction that the step retains."""

State = Any
"""A pytree of arrays shaped like the neurons; a NamedTuple of the neuron's own."""
