"""Numbers that are tensors of torch, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxsnn.interop.chain import channels_last
from mxsnn.interop.chain import number as _number


def array(tensor: Any) -> Any:
    """A tensor as an array of float32; None stays."""
    return None if tensor is None else np.asarray(tensor.detach().cpu().float())


def number(value: Any) -> Any:
    """A Python number or a tensor `[C, ...]` of numbers of neurons: a float where all are the same, else an array `[..., C]`."""
    return _number(exact(value))


def exact(value: Any) -> np.ndarray:
    """The same as an array of float64, for what is computed of it."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    return channels_last(np.asarray(value, np.float64))


def learns(module: Any, *names: str) -> list[str]:
    """Which of these are parameters that require a gradient."""
    own = dict(module.named_parameters(recurse=False))
    return [name for name in names if name in own and own[name].requires_grad]
