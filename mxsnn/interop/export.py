"""A Stack of channel-last layers taken apart, as a chain of channel-first ones: what `Chain` does, backwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.interop.chain import Ordered, Shape, channels_first, flattened


def layers(network: Any, name: str = "") -> list[tuple[str, Any]]:
    """The layers of a stack by number, those of stacks in it by dotted numbers."""
    if not isinstance(network, nn.Stack):
        return [(name or "0", network)]
    prefix = f"{name}." if name else ""
    return [found for i, layer in enumerate(network.layers) for found in layers(layer, f"{prefix}{i}")]


def kind_of(layer: Any) -> str:
    """What a layer is called in messages: its neuron, its class, or its function."""
    if isinstance(layer, nn.Spiking):
        return type(layer.neuron).__name__
    return getattr(layer, "__name__", type(layer).__name__)


class Export(ABC):
    """Takes the layers one by one; `shape` and `order` are those of `Chain`, what is done with each layer is a subclass's.

    `add_...` get numbers as channel-first libraries have them. `who` is the one who reads, for messages.
    """

    who = ""
    otherwise = ""  # what to do about what has no counterpart

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape: Shape = tuple(shape)
        self.order: np.ndarray | None = None
        self.at = "0"

    def run(self, network: Any) -> None:
        for name, layer in layers(network):
            self.at = f"{name} ({kind_of(layer)})"
            self.layer(name, layer)
        if self.order is not None:
            self.refuse("ends in features that a Flatten left channel-last", "end with a dense layer, or before the Flatten")

    def refuse(self, what: str, do: str) -> NoReturn:
        raise ValueError(f"layer {self.at}: {what}; {do}")

    def no_word(self, what: str) -> NoReturn:
        self.refuse(f"{self.who} has no word for {what}", self.otherwise)

    def layer(self, name: str, layer: Any) -> None:
        if isinstance(layer, nn.Spiking):
            self.spiking(name, layer)
            return
        make = next((make for kind, make in LAYERS.items() if isinstance(layer, kind)), None)
        if make is not None:
            make(self, name, layer)
        elif isinstance(layer, nn.Temporal):
            self.temporal(name, layer)
        else:
            self.refuse(f"{self.who} has no word for it, or mxsnn does not know it", "take Linear, Conv, and what mxsnn.nn has")

    def temporal(self, name: str, layer: nn.Temporal) -> None:
        self.refuse(f"{self.who} has no word for it", "export the network before it")

    def each(self, value: Any) -> np.ndarray:
        """Numbers `[..., C]`, or one for all, for each neuron, channel first, in float64."""
        array = np.broadcast_to(np.asarray(value, np.float64), self.shape)
        array = array if self.order is None else array[self.order]
        return np.ascontiguousarray(channels_first(array))

    # ---- what a subclass does ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def add_linear(self, name: str, weight: np.ndarray, bias: np.ndarray | None) -> None: ...

    @abstractmethod
    def add_conv(
        self,
        name: str,
        weight: np.ndarray,
        bias: np.ndarray | None,
        stride: Shape,
        padding: Shape,
        dilation: Shape,
        groups: int,
        before: Shape,
    ) -> None:
        """`before` are the sizes of the pictures that come in; `self.shape` is the shape after it, in all of these."""

    @abstractmethod
    def add_pool(self, name: str, layer: Any, stride: Shape, padding: Shape, before: Shape) -> None: ...

    @abstractmethod
    def add_flatten(self, name: str, before: Shape) -> None: ...

    @abstractmethod
    def add_norm(self, name: str, layer: nnx.BatchNorm) -> None: ...

    @abstractmethod
    def add_bias(self, name: str, bias: np.ndarray) -> None: ...

    @abstractmethod
    def add_scale(self, name: str, weight: np.ndarray) -> None: ...

    @abstractmethod
    def add_delay(self, name: str, steps: np.ndarray) -> None: ...

    @abstractmethod
    def spiking(self, name: str, layer: nn.Spiking) -> None: ...

    # ---- layers -----------------------------------------------------------------------------------------------------------------

    def _linear(self, name: str, layer: nnx.Linear) -> None:
        if self.shape != (layer.in_features,):
            self.refuse(f"weighs the last axis of {list(self.shape)}", "put nn.Flatten() before it, or take a convolution over 1x1")
        weight = np.asarray(layer.kernel[...], np.float32).T
        weight = weight if self.order is None else weight[:, self.order]
        self.order, self.shape = None, (layer.out_features,)
        self.add_linear(name, weight, None if layer.bias is None else np.asarray(layer.bias[...], np.float32))

    def _conv(self, name: str, layer: nnx.Conv) -> None:
        axes = len(layer.kernel_size)
        if axes not in (1, 2) or len(self.shape) != axes + 1:
            self.refuse(f"is a convolution over {axes} axes of {list(self.shape)}", "those of one and two axes are exported")
        stride, dilation, spread = (_sizes(given, axes) for given in (layer.strides, layer.kernel_dilation, layer.input_dilation))
        if any(n != 1 for n in spread) or layer.mask is not None:
            self.no_word("a transposed or masked convolution")
        sizes, reach = self.shape[:-1], [d * (k - 1) + 1 for k, d in zip(layer.kernel_size, dilation, strict=True)]
        pads = self._pads(layer.padding, sizes, reach, stride)
        if any(low != high for low, high in pads):
            self.refuse(f"pads {pads} pixels", f"{self.who} pads both sides alike: give an odd kernel, or pairs that are equal")
        outs = tuple((n + 2 * p - r) // s + 1 for n, (p, _), r, s in zip(sizes, pads, reach, stride, strict=True))
        weight = np.moveaxis(np.asarray(layer.kernel[...], np.float32), (-1, -2), (0, 1))
        bias = None if layer.bias is None else np.asarray(layer.bias[...], np.float32)
        self.shape = (*outs, len(weight))
        self.add_conv(name, weight, bias, stride, tuple(p for p, _ in pads), dilation, layer.feature_group_count, sizes)

    def _pads(self, padding: Any, sizes: Shape, reach: list[int], stride: Shape) -> list[tuple[int, int]]:
        if isinstance(padding, str):
            if padding.upper() not in ("SAME", "VALID"):
                self.no_word(f"padding {padding!r}")
            return [(int(a), int(b)) for a, b in jax.lax.padtype_to_pads(sizes, reach, stride, padding.upper())]
        padding = (padding,) * len(sizes) if isinstance(padding, int) else padding
        return [(p, p) if isinstance(p, int) else (int(p[0]), int(p[1])) for p in padding]

    def _norm(self, name: str, layer: nnx.BatchNorm) -> None:
        if self.order is not None:
            self.refuse("stands between a Flatten and a dense layer", "put it before the Flatten, or behind the dense layer")
        self.add_norm(name, layer)

    def _bias(self, name: str, layer: nn.Bias) -> None:
        self.add_bias(name, np.asarray(layer.bias[...], np.float32))

    def _pool(self, name: str, layer: Any) -> None:
        axes, before = len(layer.kernel), self.shape
        stride, padding = layer.stride or layer.kernel, layer.padding or (0,) * axes
        sizes = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(self.shape, layer.kernel, stride, padding, strict=False))
        self.shape = (*sizes, self.shape[-1])
        self.add_pool(name, layer, stride, padding, before)

    def _flatten(self, name: str, layer: nn.Flatten) -> None:
        if len(self.shape) > 1:
            before, self.order = self.shape, flattened(self.shape)
            self.shape = (len(self.order),)
            self.add_flatten(name, before)

    def _ordered(self, name: str, layer: Ordered) -> None:
        taken = np.asarray(layer.order)
        order = np.argsort(taken)[np.arange(len(taken)) if self.order is None else self.order]
        self.order = None if (order == np.arange(len(order))).all() else order

    def _scale(self, name: str, layer: nn.Scale) -> None:
        self.add_scale(name, np.asarray(layer.weight[...], np.float32))

    def _delay(self, name: str, layer: nn.Delay) -> None:
        self.add_delay(name, layer.steps)


def _nothing(export: Export, name: str, layer: nnx.Dropout) -> None:
    """Dropout as in evaluation."""


def _sizes(given: int | Sequence[int] | None, axes: int) -> Shape:
    """A size for each axis from what a convolution of flax was given."""
    return (given or 1,) * axes if given is None or isinstance(given, int) else tuple(given)


LAYERS: dict[type, Callable[..., None]] = {
    nnx.Linear: Export._linear,
    nnx.Conv: Export._conv,
    nnx.BatchNorm: Export._norm,
    nnx.Dropout: _nothing,
    nn.SumPool: Export._pool,
    nn.AvgPool: Export._pool,
    nn.MaxPool: Export._pool,
    nn.Flatten: Export._flatten,
    nn.Scale: Export._scale,
    nn.Bias: Export._bias,
    nn.Delay: Export._delay,
    Ordered: Export._ordered,
}
