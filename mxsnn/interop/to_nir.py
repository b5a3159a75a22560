"""Networks as NIR graphs: layers that take steps, as nodes that state equations in continuous time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.interop import to_nir_nodes
from mxsnn.interop.chain import Shape, first, normed
from mxsnn.interop.export import Export
from mxsnn.interop.membranes import SECONDS, known, package
from mxsnn.interop.nearest import near
from mxsnn.neurons import Autapse, Late
from mxsnn.typing import Decay

WEIGHTED = ("Linear", "Affine", "Conv1d", "Conv2d")


def to_nir(network: Any, shape: Sequence[int], *, dt: float, scheme: Decay, unit: float = SECONDS) -> Any:
    """A `Stack` of layers, or one layer of neurons, as a `nir.NIRGraph`; `nir.write(path, graph)` makes a file of it.

    `shape` is that of a sample at one step, `[features]`, `[L, C]` or `[H, W, C]`; `dt` the step in ms, that of each neuron.
    `scheme` says how who reads the graph discretises its time constants, `mxsnn.discrete.euler` or `exponential`: those that are
    written are such that a step of `dt` retains by it what it retains here. Times are written in seconds, or in units of `unit` ms.
    Weights become channel-first, columns of dense layers behind a Flatten are reordered, batch norm is folded into the layer before
    it, as in evaluation.

    Exact are IF, LIF, PLIF, Lapicque, Synaptic and LI that reset to a value or not at all (LI, CubaLI or I with a Threshold),
    `Late` (a Delay of a step), `Recurrent` and `Autapse` (cycles), `Delay`, sums and means over windows. An inclusive threshold
    becomes the next smaller number of float32. The surrogate, detachment and what is learned have no place in a graph. Raises
    ValueError, with the layer and what NIR has no word for, for all else; `approximate_nir` exports the nearest of it.
    """
    known(scheme)
    return _Export(package(), shape, dt, scheme, unit).graph(network)


class _Export(Export):
    """Nodes and edges, one after the other."""

    who = "NIR"
    otherwise = "docs/interop.md lists what can be said in it"

    def __init__(self, nir: Any, shape: Sequence[int], dt: float, scheme: Decay, unit: float) -> None:
        super().__init__(shape)
        self.nir, self.dt, self.scheme, self.unit = nir, dt, scheme, unit
        self.bias: np.ndarray | None = None  # of a Bias that waits for the neurons that hear each other
        self.nodes: dict[str, Any] = {"input": nir.Input({"input": np.array(first(self.shape))})}
        self.edges: list[tuple[str, str]] = []
        self.tail = "input"
        self.now: Any = None  # the layer that is exported

    def graph(self, network: Any) -> Any:
        self.run(network)
        self._no_bias()
        self.add("output", self.nir.Output({"output": np.array(first(self.shape))}))
        scheme = getattr(self.scheme, "__name__", str(self.scheme))
        ms = {SECONDS: "s", 1.0: "ms"}.get(self.unit, f"{self.unit:g} ms")
        hints = {"unit_of_time": ms, "dt": self.dt / self.unit, "scheme": scheme}
        return self.nir.NIRGraph(self.nodes, self.edges, metadata=hints)

    def no_word(self, what: str) -> NoReturn:
        do = "approximate_nir exports the nearest, and says how far that is" if self._nearly() else self.otherwise
        self.refuse(f"{self.who} has no word for {what}", do)

    def _nearly(self) -> bool:
        """Whether approximate_nir takes the layer that stands here."""
        losses: list[str] = []
        layer = near("", self.now, losses)
        if not losses:
            return False
        try:
            _Export(self.nir, self.shape, self.dt, self.scheme, self.unit).layer("", layer)
        except ValueError:
            return False
        return True

    def add(self, name: str, node: Any) -> None:
        self.nodes[name] = node
        self.edges.append((self.tail, name))
        self.tail = name

    def layer(self, name: str, layer: Any) -> None:
        self.now = layer
        if not isinstance(layer, nn.Bias | nn.Recurrent):
            self._no_bias()
        super().layer(name, layer)

    def _no_bias(self) -> None:
        if self.bias is not None:
            self.refuse("a Bias stands before it, for which NIR has no word", "put it into a dense layer or a convolution")

    # ---- layers without time ----------------------------------------------------------------------------------------------------

    def add_linear(self, name: str, weight: np.ndarray, bias: np.ndarray | None) -> None:
        self.add(f"{name}_linear", self.nir.Linear(weight) if bias is None else self.nir.Affine(weight, bias))

    def add_conv(self, name, weight, bias, stride, padding, dilation, groups, before) -> None:
        bias = np.zeros(len(weight), np.float32) if bias is None else bias
        if len(before) == 1:
            node = self.nir.Conv1d(int(before[0]), weight, stride[0], padding[0], dilation[0], groups, bias)
        else:
            node = self.nir.Conv2d(tuple(before), weight, stride, padding, dilation, groups, bias)
        # Of grouped and oblong kernels the package takes other shapes than they have.
        node.input_type = {"input": np.array((weight.shape[1] * groups, *before))}
        node.output_type = {"output": np.array(first(self.shape))}
        self.add(f"{name}_conv", node)

    def add_norm(self, name: str, layer: nnx.BatchNorm) -> None:
        factor, shift = normed(layer)
        self._weigh(self._weighted("batch norm"), factor, shift)

    def add_bias(self, name: str, bias: np.ndarray) -> None:
        if type(self.nodes[self.tail]).__name__ not in WEIGHTED:
            self.bias = bias
        elif bias.ndim > 1 and len(self.shape) > 1:
            self.no_word("a bias for each pixel")
        else:
            self._weigh(self._weighted("a Bias"), 1.0, bias)

    def _weighted(self, what: str) -> Any:
        node = self.nodes[self.tail]
        if type(node).__name__ not in WEIGHTED:
            self.refuse(f"NIR has no word for {what}", "it is folded into a dense layer or a convolution right before it")
        return node

    def _weigh(self, node: Any, factor: Any, shift: Any) -> None:
        """Outputs of a layer with weights, times a factor and with a shift for each."""
        factor, shift = (np.broadcast_to(value, (len(node.weight),)) for value in (factor, shift))
        weight = (node.weight * factor.reshape(-1, *[1] * (node.weight.ndim - 1))).astype(np.float32)
        bias = (getattr(node, "bias", 0.0) * factor + shift).astype(np.float32)
        if type(node).__name__ == "Linear":
            self.nodes[self.tail] = self.nir.Affine(weight, bias)
        else:
            node.weight, node.bias = weight, bias

    def add_pool(self, name: str, layer: Any, stride: Shape, padding: Shape, before: Shape) -> None:
        if len(layer.kernel) != 2 or isinstance(layer, nn.MaxPool):
            self.no_word(f"{type(layer).__name__} over {len(layer.kernel)} axes")
        make = self.nir.SumPool2d if isinstance(layer, nn.SumPool) else self.nir.AvgPool2d
        node = make(*(np.array(sizes) for sizes in (layer.kernel, stride, padding)))
        node.input_type = {"input": np.array(first(before))}
        node.output_type = {"output": np.array(first(self.shape))}
        self.add(f"{name}_pool", node)

    def add_flatten(self, name: str, before: Shape) -> None:
        self.add(f"{name}_flatten", self.nir.Flatten({"input": np.array(first(before))}, 0, -1))

    def add_scale(self, name: str, weight: np.ndarray) -> None:
        self.add(f"{name}_scale", self.nir.Scale(self.each(weight).astype(np.float32)))

    def add_delay(self, name: str, steps: np.ndarray) -> None:
        self.add(f"{name}_delay", self.nir.Delay(self.each(steps * self.dt / self.unit)))

    # ---- neurons ----------------------------------------------------------------------------------------------------------------

    def spiking(self, name: str, layer: nn.Spiking) -> None:
        if not isinstance(layer, nn.Recurrent):
            self.neuron(name, layer.neuron, None)
            return
        weight = np.asarray(layer.kernel[...], np.float32).T
        weight = weight if self.order is None else weight[np.ix_(self.order, self.order)]
        bias, self.bias = self.bias, None
        loop = self.nir.Linear(weight) if bias is None else self.nir.Affine(weight, self.each(bias).astype(np.float32))
        self.neuron(name, layer.neuron, loop)

    def neuron(self, name: str, neuron: Any, loop: Any) -> None:
        if isinstance(neuron, Autapse):
            if loop is not None or isinstance(neuron.neuron, Late | Autapse):
                hears = "hears others" if loop is not None else f"holds a {type(neuron.neuron).__name__}"
                self.no_word(f"an Autapse that {hears}")
            self.neuron(name, neuron.neuron, self.nir.Scale(self.each(neuron.weight)))
            return
        if isinstance(neuron, Late):
            if loop is not None:
                self.no_word("a late neuron that hears itself: a cycle lasts one step")
            self.neuron(name, neuron.neuron, None)
            self.add(f"{name}_late", self.nir.Delay(self.each(self.dt / self.unit)))
            return
        begin = f"{name}_{type(neuron).__name__.lower()}"
        for i, node in enumerate(to_nir_nodes.nodes(self, neuron)):
            self.add(begin if i == 0 else f"{name}_threshold", node)
        if loop is not None:
            self.nodes[f"{name}_loop"] = loop
            self.edges += [(self.tail, f"{name}_loop"), (f"{name}_loop", begin)]
