"""Networks as modules of torch with the neurons of snnTorch or SpikingJelly, weights included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.errors import UserError
from mxsnn.interop import snntorch, to_spikingjelly_nodes
from mxsnn.interop.chain import Shape, normed
from mxsnn.interop.export import Export


def to_snntorch(network: Any, shape: Sequence[int]) -> Any:
    """A `Stack` as a `torch.nn.Sequential` with snnTorch's neurons, which keep their states (init_hidden=True).

    `shape` is that of a sample at one step, channel-last. Call the module with one step `[B, C, ...]` after the other, and
    `reset_mem()` of each neuron between sequences. It is `from_torch` backwards, for the neurons that docs/interop.md lists: time
    constants become what a step retains, learned ones stay learned. Raises ValueError with the layer, what it has that snnTorch has
    not, and what to do; UserError where torch or snnTorch is not installed.
    """
    return _convert(_SnnTorch, network, shape)


def to_spikingjelly(network: Any, shape: Sequence[int]) -> Any:
    """A `Stack` as a `torch.nn.Sequential` of SpikingJelly's layers and nodes, in step mode "m": it takes `[T, B, C, ...]`.

    `shape` is that of a sample at one step, channel-last. Call `functional.reset_net` between sequences; the rest is as in
    `to_snntorch`.
    """
    return _convert(_SpikingJelly, network, shape)


def _convert(kind: type[_Torch], network: Any, shape: Sequence[int]) -> Any:
    try:
        export = kind(shape)
    except ModuleNotFoundError as error:
        raise UserError(f"{kind.who} is not installed ({error}); install it by: pip install 'mxsnn[peers]'") from error
    export.run(network)
    return export.module()


class _Torch(Export):
    """The layers of torch.nn, or those of the library that are called the same."""

    otherwise = "docs/interop.md lists the neurons that can be said in it"
    layers: Any

    def __init__(self, shape: Sequence[int]) -> None:
        import torch

        super().__init__(shape)
        self.torch = torch
        self.modules: list[Any] = []
        self.bias: np.ndarray | None = None  # of a Bias that waits for the neurons that hear each other

    def module(self) -> Any:
        return self.torch.nn.Sequential(*self.modules)

    def tensor(self, value: Any) -> Any:
        return self.torch.tensor(np.ascontiguousarray(value, np.float32))

    def numbers(self, value: Any) -> Any:
        """One number for all, or a tensor of numbers of neurons or channels, channel first."""
        found = np.asarray(value, np.float64)
        if found.ndim == 0:
            return float(found)
        if found.ndim == 1 and len(self.shape) > 1:
            return self.tensor(found.reshape(-1, *[1] * (len(self.shape) - 1)))
        return self.tensor(self.each(found))

    def layer(self, name: str, layer: Any) -> None:
        if self.bias is not None and not isinstance(layer, nn.Recurrent):
            self.refuse("a Bias stands before it", "put it into a dense layer or a convolution")
        super().layer(name, layer)

    def _filled(self, module: Any, weight: np.ndarray, bias: np.ndarray | None) -> None:
        module.weight.data = self.tensor(weight)
        if bias is not None:
            module.bias.data = self.tensor(bias)
        self.modules.append(module)

    def add_linear(self, name: str, weight: np.ndarray, bias: np.ndarray | None) -> None:
        outs, ins = weight.shape
        self._filled(self.layers.Linear(ins, outs, bias=bias is not None), weight, bias)

    def add_conv(self, name, weight, bias, stride, padding, dilation, groups, before) -> None:
        outs, ins, *kernel = weight.shape
        make = (self.layers.Conv1d, self.layers.Conv2d)[len(kernel) - 1]
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "bias": bias is not None}
        self._filled(make(ins * groups, outs, tuple(kernel), **options), weight, bias)

    def add_pool(self, name: str, layer: Any, stride: Shape, padding: Shape, before: Shape) -> None:
        axes, kind = len(layer.kernel), type(layer).__name__
        if isinstance(layer, nn.SumPool) or axes > 2:
            self.no_word(f"{kind} over {axes} axes")
        self.modules.append(getattr(self.layers, f"{kind}{axes}d")(tuple(layer.kernel), tuple(stride), tuple(padding)))

    def add_flatten(self, name: str, before: Shape) -> None:
        self.modules.append(self.layers.Flatten())

    def add_norm(self, name: str, layer: nnx.BatchNorm) -> None:
        make = self.layers.BatchNorm2d if len(self.shape) == 3 else self.layers.BatchNorm1d
        if (layer.scale is None) != (layer.bias is None):
            factor, shift = normed(layer)
            module = make(self.shape[-1], eps=0.0, momentum=1 - layer.momentum)
            values = 0.0 * factor, 1 + 0.0 * factor, factor, shift
        else:
            module = make(self.shape[-1], eps=layer.epsilon, momentum=1 - layer.momentum, affine=layer.scale is not None)
            values = layer.mean[...], layer.var[...], *(None if v is None else v[...] for v in (layer.scale, layer.bias))
        module.running_mean, module.running_var = self.tensor(values[0]), self.tensor(values[1])
        if module.affine:
            module.weight.data, module.bias.data = self.tensor(values[2]), self.tensor(values[3])
        self.modules.append(module.eval())

    def add_bias(self, name: str, bias: np.ndarray) -> None:
        self.bias = bias

    def taken_bias(self) -> np.ndarray | None:
        bias, self.bias = self.bias, None
        return None if bias is None else self.each(bias)

    def add_scale(self, name: str, weight: np.ndarray) -> None:
        self.refuse(f"{self.who} has no layer that scales", "put it into the weights before or behind it")

    def add_delay(self, name: str, steps: np.ndarray) -> None:
        self.no_word("a delay")


class _SnnTorch(_Torch):
    who = "snnTorch"

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape)
        import snntorch as library

        self.library, self.layers = library, self.torch.nn

    def add_scale(self, name: str, weight: np.ndarray) -> None:
        """What spikes of a Leaky weigh is its graded_spikes_factor."""
        behind = self.modules and type(self.modules[-1]).__name__ == "Leaky" and np.ndim(weight) == 0
        if not behind:
            super().add_scale(name, weight)
        self.modules[-1].graded_spikes_factor = self.torch.nn.Parameter(self.tensor(weight))

    def spiking(self, name: str, layer: nn.Spiking) -> None:
        self.modules.append(snntorch.module(self, layer))


class _SpikingJelly(_Torch):
    who = "SpikingJelly"

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape)
        from spikingjelly.activation_based import functional, neuron, surrogate
        from spikingjelly.activation_based import layer as layers

        self.nodes, self.surrogates, self.functional, self.layers = neuron, surrogate, functional, layers

    def module(self) -> Any:
        whole = super().module()
        self.functional.set_step_mode(whole, "m")
        return whole

    def add_delay(self, name: str, steps: np.ndarray) -> None:
        if np.ndim(steps):
            self.no_word("delays that differ between neurons")
        self.modules.append(self.layers.Delay(int(steps)))

    def temporal(self, name: str, layer: nn.Temporal) -> None:
        self.modules.append(to_spikingjelly_nodes.layer(self, layer))

    def spiking(self, name: str, layer: nn.Spiking) -> None:
        self.modules += to_spikingjelly_nodes.modules(self, layer)
