"""Archives of plain arrays as the weights of a network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.errors import UserError
from mxsnn.interop.chain import channels_last, columns, flattened, kernel_of
from mxsnn.neurons import named

Weights = dict[str, np.ndarray]


def read_weights(path: Path | str) -> Weights:
    """The arrays of an .npz by name; no pickles. Raises UserError for files that are none, or that hold anything else."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # damage leads zipfile and NumPy into any of a dozen
        raise UserError(
            f"{path}: no .npz of plain arrays: {str(error).partition(chr(10))[0]}; convert the checkpoint anew"
        ) from error


def load_weights(
    network: nnx.Module,
    weights: Mapping[str, np.ndarray],
    names: Mapping[str, str] | Callable[[str], str | None],
    *,
    flat: Mapping[str, tuple[int, ...]] | None = None,
    unused: Collection[str] = (),
) -> None:
    """Puts the weights of a torch network into one of mxsnn, all or none: `names` says which array each variable gets.

    `names` maps a variable of the network, by its dotted path ("layers.0.kernel", "layers.1.mean"), to the name of an array
    ("conv.weight"), as a dict or a function; a variable that it does not know, or gives None for, stays as it is. Kernels are
    brought from torch's order of axes, `[out, in, ...]`, to `[..., in, out]`, other arrays from `[C, ...]` to `[..., C]`; learned
    parameters of neurons are given as they are, not as logarithms. The columns of a dense layer behind a Flatten are reordered by
    `flat`, which has for its path ("layers.5") the shape `(H, W, C)` that was flattened, or `()` where torch's was channel-last,
    too. `unused` are the arrays that may be left over.

    Raises ValueError, with all names: for arrays that are not there, that are left over, or that have another shape than their
    variable; for variables that the network has not; for a dense layer behind a Flatten of which `flat` says nothing.
    """
    variables = _variables(network)
    wanted = dict(names) if isinstance(names, Mapping) else {path: name for path in variables if (name := names(path)) is not None}
    _none(f"the network has no variable {{}}; it has {', '.join(variables)}", [path for path in wanted if path not in variables])
    _none("the weights lack {}", [name for name in wanted.values() if name not in weights])
    left = [name for name in weights if name not in wanted.values() and name not in unused]
    _none("the weights {} are left over; give them names, or say that they are unused", left)
    flat = flat or {}
    _none("flat names {}, which is no dense layer", [path for path in flat if f"{path}.kernel" not in variables])
    values, wrong = {}, []
    for path, name in wanted.items():
        value = np.asarray(weights[name])
        value = _arranged(network, path, value, flat) if value.dtype.kind in "biuf" else f"of {value.dtype}, no real numbers,"
        if isinstance(value, str) or value.shape != variables[path][...].shape:
            of = value if isinstance(value, str) else f"{list(weights[name].shape)}, for {list(variables[path][...].shape)}"
            wrong.append(f"{name} ({of} of {path})")
        else:
            values[path] = value
    _none("other shapes than the network's have {}", wrong)
    for path, value in values.items():
        variables[path][...] = jnp.asarray(value, variables[path][...].dtype)


def _none(problem: str, names: list[str]) -> None:
    if names:
        raise ValueError(problem.format(", ".join(names)))


def _variables(network: nnx.Module) -> dict[str, Any]:
    """Parameters and running statistics by dotted path."""
    state = nnx.state(network, nnx.Any(nnx.Param, nnx.BatchStat))
    paths = [path for path, _ in nnx.to_flat_state(state)]
    return {".".join(map(str, path)): _at(network, path) for path in paths}


def _at(network: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        network = network[step] if isinstance(step, int) or isinstance(network, nnx.Dict) else getattr(network, step)
    return network


def _arranged(network: Any, path: str, value: np.ndarray, flat: Mapping[str, tuple[int, ...]]) -> np.ndarray | str:
    """The array in the layout of its variable, or what is wrong with it."""
    steps = [int(step) if step.isdigit() else step for step in path.split(".")]
    layer, variable = _at(network, tuple(steps[:-1])), steps[-1]
    if "learned" in steps:
        spiking = _at(network, tuple(steps[: steps.index("learned")]))
        positive = named(spiking.fixed)[str(variable)].positive
        value = channels_last(value)
        if not positive:
            return value
        return np.log(value) if (value > 0).all() else f"not all above 0, as {variable} must be,"
    if variable != "kernel" or value.ndim < 2:
        return channels_last(value)
    if isinstance(layer, nnx.Conv):
        return kernel_of(value)
    owner = ".".join(map(str, steps[:-1]))
    if owner in flat:
        shape = flat[owner]
        if shape and np.prod(shape) != value.shape[1]:
            return f"{list(value.shape)}, whose columns are no flattened {list(shape)},"
        value = columns(value, flattened(shape)) if len(shape) > 1 else value
    elif _behind_flatten(network, steps):
        raise ValueError(
            f"{owner} stands behind a Flatten, where torch has other columns; say what it was: flat={{{owner!r}: (H, W, C)}}, "
            f"or () where it was channel-last"
        )
    return value.T


def _behind_flatten(network: Any, steps: list[Any]) -> bool:
    """Whether the layer at a path is the first dense one behind a Flatten, in the stack that holds it."""
    stack = _at(network, tuple(steps[:-3])) if len(steps) >= 3 and steps[-3] == "layers" else None
    if not isinstance(stack, nn.Stack):
        return False
    for layer in reversed(list(stack.layers)[: steps[-2]]):
        if isinstance(layer, nn.Flatten):
            return True
        if isinstance(layer, nnx.Linear):
            return False
    return False
