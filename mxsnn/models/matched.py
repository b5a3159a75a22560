"""A network as large as another."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from mxsnn.models.recipe import Recipe
from mxsnn.neurons import Neuron


def parameters(make: Callable[[], nnx.Module]) -> int:
    """How many the network that it would make has to learn; it is not made."""
    return sum(p.size for p in jax.tree.leaves(nnx.state(nnx.eval_shape(make), nnx.Param)))


def matched(
    shape: Sequence[int],
    classes: int,
    network: Any,
    to: Any,
    within: float = 0.02,
    *,
    neuron: Neuron | None = None,
    learn: Sequence[str] = (),
    dtype: Any = jnp.float32,
    rngs: nnx.Rngs,
) -> Any:
    """The network with as many parameters as `to`, up to a part of `within`: its `channels` wider or narrower by one factor.

    Where that is too coarse, single channels more or less bring it nearer. Both are classes or recipes of networks for samples `[T,
    B, *shape]`; `to` may be a number. Raises ValueError for a network that has no option `channels`, and where no width comes so
    near, with what does.
    """
    given = {"shape": tuple(shape), "classes": classes, "neuron": neuron, "learn": learn, "dtype": dtype}
    recipe = Recipe.of(network)
    if "channels" not in recipe.parameters:
        raise ValueError(f"{getattr(recipe.cls, '__name__', recipe.cls)} has no option channels that could be matched")
    channels = recipe.options.get("channels", recipe.parameters["channels"].default)
    wanted = to if isinstance(to, int) else parameters(lambda: Recipe.of(to).part(**given, rngs=nnx.Rngs(0)))

    @functools.cache
    def size(channels: tuple[int, ...]) -> int:
        return parameters(lambda: recipe(channels=channels).part(**given, rngs=nnx.Rngs(0)))

    def off(channels: tuple[int, ...]) -> int:
        return abs(size(channels) - wanted)

    def nearest(low: float, high: float) -> tuple[int, ...]:
        """By bisection: wider networks have more parameters."""
        middle = (low + high) / 2
        scaled = tuple(max(1, round(2**middle * c)) for c in channels)
        if high - low < 1e-2 or off(scaled) <= within * wanted / 4:
            return scaled
        return min(scaled, nearest(middle, high) if size(scaled) < wanted else nearest(low, middle), key=off)

    best = nearest(-8.0, 8.0)
    while off(best) > within * wanted:
        steps = [(*best[:k], best[k] + d, *best[k + 1 :]) for k in range(len(best)) for d in (-1, 1) if best[k] + d]
        closer = min(steps, key=off)
        if off(closer) >= off(best):
            raise ValueError(f"no width has {wanted} parameters up to {within:.0%}, channels={best} {size(best)}; change options")
        best = closer
    return recipe(channels=best).part(**given, rngs=rngs)
