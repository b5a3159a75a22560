"""Modules of torch, snnTorch and SpikingJelly as networks, with their weights. Nothing of those libraries is imported here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mxsnn import nn
from mxsnn.interop import snntorch, spikingjelly
from mxsnn.interop.chain import Chain, windows
from mxsnn.interop.tensors import array


def from_torch(module: Any, shape: Sequence[int], *, dt: float = 1.0) -> nn.Stack:
    """A neuron, a layer or a `Sequential` of torch, snnTorch and SpikingJelly as a network `xs[T, B, ..., C] -> (state, out)`.

    `shape` is that of a sample at one step as mxsnn has it, `(features,)`, `(L, C)` or `(H, W, C)`; `dt` what a step lasts, in ms
    (those libraries count in steps). Weights become channel-last, columns of dense layers behind a Flatten are reordered.
    Surrogate, threshold, reset, detachment and what is learned are kept; what snnTorch and SpikingJelly learn raw (beta, a logit)
    is learned here as the parameter that it stands for. Batch norm and dropout are as in evaluation, of which the latter is left
    out; hidden states that a module carries are not taken over: a sequence begins at rest. Whether a module steps once or many
    times at a call (init_hidden, step_mode) makes no difference. Sums are rounded in another order than in torch, so that a
    membrane within 1e-5 of its threshold may fire in one and not in the other.

    Linear, Conv1d, Conv2d, pooling, Flatten, BatchNorm, Dropout and Identity of torch.nn, and of SpikingJelly's layer module with
    its containers and its Delay; neurons as in docs/interop.md. Raises ValueError with the layer, what it has that has no
    counterpart, and what to do.
    """
    chain = Chain(shape)
    _add(chain, module, "", dt)
    return chain.stack()


def _add(chain: Chain, module: Any, name: str, dt: float) -> None:
    library, kind = type(module).__module__.partition(".")[0], type(module).__name__
    chain.at = f"{name or '0'} ({kind})"
    if kind in CONTAINERS and library in ("torch", "spikingjelly"):
        for i, part in module.named_children():
            _add(chain, part, f"{name}.{i}" if name else i, dt)
        return
    try:
        if library == "snntorch":
            snntorch.add(chain, module, dt)
        elif library == "spikingjelly" and kind not in LAYERS:
            spikingjelly.add(chain, module, dt)
        elif library in ("torch", "spikingjelly") and kind in LAYERS:
            LAYERS[kind](chain, module)
        elif library == "torch":
            chain.refuse("has no counterpart here", "convert the parts before and after it, and put a layer of flax between them")
        else:
            chain.refuse("is code that cannot be read off", "give nn.Sequential of the layers that its forward calls, one by one")
    except ValueError as error:
        if str(error).startswith("layer "):
            raise
        raise ValueError(f"layer {chain.at}: {error}") from None


# ---- layers without time --------------------------------------------------------------------------------------------------------


def _linear(chain: Chain, m: Any) -> None:
    chain.linear(array(m.weight), array(m.bias))


def _conv(chain: Chain, m: Any) -> None:
    if m.padding_mode != "zeros" and m.padding != "valid" and np.any(m.padding):
        chain.refuse(f"has padding_mode={m.padding_mode!r}", "only zeros are padded here")
    chain.conv(array(m.weight), array(m.bias), m.stride, m.padding, m.dilation, m.groups)


def _pool(kind: type) -> Callable[[Chain, Any], None]:
    def add(chain: Chain, m: Any) -> None:
        axes = int(type(m).__name__[-2])
        kernel, stride = windows(m.kernel_size, axes), windows(m.stride, axes)
        padding = windows(m.padding, axes)
        if np.any(windows(getattr(m, "dilation", 1), axes) != (1,) * axes):
            chain.refuse(f"has dilation={m.dilation}", "windows here have no gaps")
        if getattr(m, "return_indices", False):
            chain.refuse("returns indices", "set return_indices=False")
        if any(padding) and not getattr(m, "count_include_pad", True):
            chain.refuse("does not count padded zeros", "set count_include_pad=True, or padding=0")
        if getattr(m, "divisor_override", None) not in (None, int(np.prod(kernel))):
            chain.refuse(f"has divisor_override={m.divisor_override}", "means here divide by the size of the window")
        over = [(n + 2 * p - k) % s for n, p, k, s in zip(chain.shape, padding, kernel, stride, strict=False)]
        if m.ceil_mode and any(over):
            chain.refuse("has ceil_mode=True and a window beyond the edge", "set ceil_mode=False, or pad")
        chain.pool(kind, kernel, stride, padding)

    return add


def _adaptive(chain: Chain, m: Any) -> None:
    axes = int(type(m).__name__[-2])
    sizes = chain.shape[:-1]
    given = m.output_size if isinstance(m.output_size, tuple | list) else (m.output_size,) * axes
    outs = tuple(n if out is None else int(out) for out, n in zip(given, sizes, strict=False))
    if len(sizes) != axes or any(n % out for n, out in zip(sizes, outs, strict=True)):
        chain.refuse(f"makes {list(outs)} of {list(sizes)} pixels by windows of several sizes", "choose sizes that divide")
    kernel = tuple(n // out for n, out in zip(sizes, outs, strict=True))
    chain.pool(nn.AvgPool, kernel, kernel, (0,) * axes)


def _flatten(chain: Chain, m: Any) -> None:
    axes = len(chain.shape) + 1  # with that of the batch, which comes first
    if (m.start_dim % axes, m.end_dim % axes) != (1, axes - 1):
        chain.refuse(f"flattens axes {m.start_dim} to {m.end_dim}", "only whole samples are flattened: start_dim=1, end_dim=-1")
    chain.flatten()


def _norm(chain: Chain, m: Any) -> None:
    if m.running_mean is None:
        chain.refuse("keeps no running statistics", "set track_running_stats=True; here it normalises as in evaluation")
    if m.momentum is None:
        chain.refuse("averages its statistics over all batches (momentum=None)", "set a momentum")
    mean, var, scale, bias = (array(v) for v in (m.running_mean, m.running_var, m.weight, m.bias))
    chain.norm(mean, var, scale, bias, m.eps, 1 - m.momentum)


def _nothing(chain: Chain, m: Any) -> None:
    """Identity, and dropout as in evaluation."""


CONTAINERS = {"Sequential", "MultiStepContainer", "SeqToANNContainer", "StepModeContainer"}
LAYERS: dict[str, Callable[[Chain, Any], None]] = {
    "Linear": _linear,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "AvgPool1d": _pool(nn.AvgPool),
    "AvgPool2d": _pool(nn.AvgPool),
    "MaxPool1d": _pool(nn.MaxPool),
    "MaxPool2d": _pool(nn.MaxPool),
    "AdaptiveAvgPool1d": _adaptive,
    "AdaptiveAvgPool2d": _adaptive,
    "Flatten": _flatten,
    "BatchNorm1d": _norm,
    "BatchNorm2d": _norm,
    "Identity": _nothing,
    "Dropout": _nothing,
    "Dropout1d": _nothing,
    "Dropout2d": _nothing,
    "AlphaDropout": _nothing,
}
