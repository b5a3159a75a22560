"""Checkpoints of torch as archives of plain arrays, and their arrays as the weights of a network."""

from __future__ import annotations

import os
import zipfile
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


def convert_weights(checkpoint: Path | str, out: Path | str, *, key: str | None = None, overwrite: bool = False) -> Weights:
    """Writes the tensors of a state dict that torch saved as an .npz of arrays by the same names, and returns them.

    `key` names the state dict in a checkpoint that holds more. Only tensors and plain containers are loaded (weights_only=True), no
    code. Types that NumPy has not, such as bfloat16, become float32. The archive appears whole or not at all. Raises UserError
    where torch is not installed, for files that it refuses, for what is no state dict, and where `out` exists.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    if out.suffix != ".npz":
        raise UserError(f"{out}: weights are written as .npz; name it {out.with_suffix('.npz').name}")
    if out.exists() and not overwrite:
        raise UserError(f"{out} exists; choose another name, or replace it by --overwrite")
    try:
        import torch
    except ModuleNotFoundError as error:
        raise UserError(
            "checkpoints of torch are read by torch, which is not installed; install it by: pip install torch"
        ) from error
    if not checkpoint.is_file():
        raise UserError(f"{checkpoint}: no such file")
    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # it raises whatever a damaged file leads it into
        first = str(error).strip().partition("\n")[0]
        refused = "holds code as well as weights" if "weights_only" in str(error) else "cannot be read"
        raise UserError(
            f"{checkpoint}: {refused}; save it anew by torch.save(model.state_dict(), ...) ({type(error).__name__}: {first})"
        ) from error
    arrays = {name: _array(torch, tensor) for name, tensor in _state_dict(torch, checkpoint, found, key).items()}
    part = out.with_name(f"{out.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return arrays


def _state_dict(torch: Any, checkpoint: Path, found: Any, key: str | None) -> dict[str, Any]:
    if key is not None:
        if not isinstance(found, Mapping) or key not in found:
            names = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
            raise UserError(f"{checkpoint}: has no entry {key!r}; it holds {names}")
        found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise UserError(
            f"{checkpoint}: holds no state dict of tensors by name, but {type(found).__name__}; save model.state_dict()"
        )
    others = {name: value for name, value in found.items() if not isinstance(value, torch.Tensor) or not isinstance(name, str)}
    if not others:
        return dict(found)
    inside = [str(name) for name, value in others.items() if isinstance(value, Mapping) and _all_tensors(torch, value)]
    do = f"say which: --key {' or --key '.join(inside)}" if inside else "save model.state_dict()"
    name, value = next(iter(others.items()))
    raise UserError(f"{checkpoint}: is no state dict: {name!r} is no tensor, but {type(value).__name__}; {do}")


def _all_tensors(torch: Any, value: Mapping) -> bool:
    return bool(value) and all(isinstance(v, torch.Tensor) for v in value.values())


def _array(torch: Any, tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
    try:
        return np.array(tensor.numpy(), order="C")
    except (TypeError, RuntimeError):
        return np.array(tensor.float().numpy(), order="C")


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
        value = _arranged(network, path, np.asarray(weights[name]), flat)
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
