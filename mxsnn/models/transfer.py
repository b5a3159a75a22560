"""From one task to another: the trunk of a trained network under a new head, frozen or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from mxsnn.models.trained import variables
from mxsnn.typing import Array

HEADS = ("head", "join")
"""What is no trunk: the attributes of networks, by name, that judge features."""


def load_trunk(network: nnx.Module, weights: nnx.Module | Mapping[str, Any], heads: Sequence[str] = HEADS) -> None:
    """Puts the trunk of a trained network into another, all or none: parameters and running statistics; the head stays as it is.

    `weights` is the trained network, or its arrays by dotted path, `body.layers.0.kernel`, with or without `.value` at the end: a
    run's model.npz that was read, or the parameters and statistics of its checkpoint. Raises ValueError, with all names, for
    variables of the trunk that the weights lack or have in other shapes, and for what is left over beside a head.
    """
    found = {k: v[...] for k, v in variables(weights).items()} if isinstance(weights, nnx.Module) else weights
    arrays = {name.removesuffix(".value"): np.asarray(value) for name, value in found.items()}
    there = {path: leaf for path, leaf in variables(network).items() if not _in(heads, path)}
    odd = [path for path, leaf in there.items() if path not in arrays or arrays[path].shape != leaf[...].shape]
    wrong = [f"{path} is {list(there[path][...].shape)} here, {_shape(arrays.get(path))} there" for path in odd]
    left = [name for name in arrays if name not in there and not _in(heads, name)]
    wrong += [f"{name} is missing here, {_shape(arrays[name])} there" for name in left]
    if wrong:
        raise ValueError(f"the trunks differ: {'; '.join(wrong)}; make both with the same options and frames")
    for path, leaf in there.items():
        leaf[...] = jnp.asarray(arrays[path], leaf[...].dtype)


def frozen_trunk(optimizer: optax.GradientTransformation, heads: Sequence[str] = HEADS) -> optax.GradientTransformation:
    """The optimiser for the head alone: nothing of it moves the trunk, weight decay neither, and it keeps no moments of the trunk.

    Running statistics are not an optimiser's: `still` keeps them. Raises ValueError for parameters without a head.
    """

    def labels(params: Any) -> Any:
        told = jax.tree_util.tree_map_with_path(lambda path, _: "head" if _in(heads, _dotted(path)) else "trunk", params)
        if "head" not in jax.tree.leaves(told):
            raise ValueError(f"the parameters have no {' or '.join(heads)}, so nothing would be trained; say what is the head")
        return told

    return optax.multi_transform({"head": optimizer, "trunk": optax.set_to_zero()}, labels)


class StillNorm(nnx.BatchNorm):
    """A batch norm that normalises by its running statistics in training, too, and leaves them as they are."""

    def __call__(self, x: Array, use_running_average: bool | None = None, **options: Any) -> Array:
        return super().__call__(x, use_running_average=True, **options)


def still(network: Any) -> Any:
    """The network with every batch norm as a `StillNorm`, under the same names: what a frozen trunk needs to stay as it was."""

    def stilled(_: Any, node: Any) -> Any:
        if type(node) is not nnx.BatchNorm:
            return node
        norm = StillNorm(node.num_features, use_bias=node.use_bias, use_scale=node.use_scale, rngs=nnx.Rngs(0))
        for name, value in vars(node).items():
            if not name.startswith("_"):
                setattr(norm, name, value)
        return norm

    return nnx.recursive_map(stilled, network)


def _in(heads: Sequence[str], path: str) -> bool:
    return path.partition(".")[0] in heads


def _dotted(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _shape(array: np.ndarray | None) -> str:
    return "missing" if array is None else str(list(array.shape))
