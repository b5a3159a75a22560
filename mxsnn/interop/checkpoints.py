"""Checkpoints of torch as archives of plain arrays."""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn.errors import UserError
from mxsnn.interop.weights import Weights

LONGEST_NAME = 1000
MOST_DEEP = 4  # mappings in mappings that are looked through for state dicts
ROOM = 2**30  # bytes that arrays may take, or eight times their checkpoint: tensors may state more than is stored of them


def convert_weights(checkpoint: Path | str, out: Path | str, *, key: str | None = None, overwrite: bool = False) -> Weights:
    """Writes the tensors of a state dict that torch saved as an .npz of arrays by the same names, and returns them.

    `key` names the state dict in a checkpoint that holds more, with dots between names where it lies deeper. Only tensors and plain
    containers are loaded (weights_only=True), no code. Sparse tensors become dense; quantised ones, and types that NumPy has not,
    such as bfloat16, become float32. The archive appears whole or not at all. Raises UserError where torch is not installed, for
    files that it refuses, for what is no state dict, for tensors that are no arrays, where `out` exists or cannot be written.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    if out.suffix != ".npz":
        raise UserError(f"{out}: weights are written as .npz; name it {out.stem or 'weights'}.npz")
    if out.exists() and (not overwrite or not out.is_file()):
        do = "choose another name" + ", or replace it by --overwrite" * out.is_file()
        raise UserError(f"{out} exists{'' if out.is_file() else ', and is no file'}; {do}")
    try:
        import torch
    except ModuleNotFoundError as error:
        raise UserError(
            "checkpoints of torch are read by torch, which is not installed; install it by: pip install torch"
        ) from error
    if not checkpoint.is_file():
        raise UserError(f"{checkpoint}: {'is no file' if checkpoint.exists() else 'no such file'}; name one that torch.save wrote")
    if out.exists() and out.samefile(checkpoint):
        raise UserError(f"{out} is the checkpoint itself; choose another name")
    # Unless it is asked, torch believes where a sparse tensor says that its values lie, and crashes.
    with torch.sparse.check_sparse_tensor_invariants(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells of its own future, not of the file
        found = _state_dict(torch, checkpoint, _load(torch, checkpoint), key)
        arrays = _arrays(torch, checkpoint, found)
    _write(out, arrays)
    return arrays


def _load(torch: Any, checkpoint: Path) -> Any:
    try:
        return torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # it raises whatever a damaged file leads it into
        said = " ".join(str(error).split())
        code = re.search(r"GLOBAL (\S+) was not an allowed", said)
        if code or "weights_only" in said:  # what torch advises then is to run it
            what = f"holds code as well as weights, {code[1]}, which is not run" if code else "holds code, which is not run"
        else:
            what = f"cannot be read ({type(error).__name__}: {re.sub(r'[^ -~]', '', said):.200})"
        raise UserError(f"{checkpoint}: {what}; save it anew by torch.save(model.state_dict(), ...)") from error


# ---- which tensors ------------------------------------------------------------------------------------------------------------


def _state_dict(torch: Any, checkpoint: Path, found: Any, key: str | None) -> Mapping[str, Any]:
    if key is not None:
        within = found
        found = _entry(found, key)
        if found is None:
            names = ", ".join(map(repr, within)) if isinstance(within, Mapping) else type(within).__name__
            raise UserError(f"{checkpoint}: has no entry {key!r}; it holds {names:.300}")
    if not isinstance(found, Mapping) or not found:
        raise UserError(
            f"{checkpoint}: holds no state dict of tensors by name, but {type(found).__name__}; save model.state_dict()"
        )
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            inside = [f"--key {at!r}" for at in _inside(torch, found, key)]
            do = f"say which: {' or '.join(inside)}" if inside else "save a state dict of tensors alone"
            raise UserError(f"{checkpoint}: is no state dict: {name!r:.100} is no tensor, but {type(value).__name__}; {do:.400}")
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or name.endswith(".npy"):
            raise UserError(f"{checkpoint}: a tensor is called {name!r:.100}, which names no array; rename it")
    return found


def _entry(found: Any, key: str) -> Any:
    """What lies under a key, or under its parts between dots; None where nothing does."""
    if not isinstance(found, Mapping) or key in found:
        return found.get(key) if isinstance(found, Mapping) else None
    first = (key[:at] for at, letter in enumerate(key) if letter == ".")
    return next((inner for name in first if (inner := _entry(found.get(name), key[len(name) + 1 :])) is not None), None)


def _inside(torch: Any, found: Mapping, at: str | None, depth: int = 0) -> Iterator[str]:
    """The keys of the state dicts inside a mapping."""
    for name, value in found.items() if depth < MOST_DEEP else ():
        if isinstance(value, Mapping) and value and isinstance(name, str):
            key = name if at is None else f"{at}.{name}"
            if all(isinstance(v, torch.Tensor) for v in value.values()):
                yield key
            else:
                yield from _inside(torch, value, key, depth + 1)


# ---- as arrays ----------------------------------------------------------------------------------------------------------------


def _arrays(torch: Any, checkpoint: Path, tensors: Mapping[str, Any]) -> Weights:
    left = max(ROOM, 8 * checkpoint.stat().st_size)
    arrays = {}
    for name, tensor in tensors.items():
        try:
            left -= tensor.numel() * max(tensor.element_size(), 4)
            if left < 0:
                raise MemoryError(f"{list(tensor.shape)} numbers are more than the checkpoint can hold")
            arrays[name] = _array(torch, tensor)
        except Exception as error:  # there are kinds of tensors that refuse each of these steps
            said = " ".join(str(error).split())
            raise UserError(f"{checkpoint}: {name} cannot be an array ({said:.200}); save it dense, from the CPU") from error
    return arrays


def _array(torch: Any, tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    tensor = tensor.dequantize() if getattr(tensor, "is_quantized", False) else tensor
    tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    try:
        return np.array(tensor.numpy(), order="C")
    except (TypeError, RuntimeError):
        return np.array(tensor.to(torch.complex64 if tensor.is_complex() else torch.float32).numpy(), order="C")


def _write(out: Path, arrays: Weights) -> None:
    part = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        os.replace(part, out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        with suppress(OSError):
            part.unlink()
