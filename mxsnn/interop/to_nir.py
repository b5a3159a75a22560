"""Networks as NIR graphs: layers that take steps, as nodes that state equations in continuous time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.discrete import current, exponential
from mxsnn.interop.chain import Ordered, Shape, channels_first, first, flattened
from mxsnn.interop.membranes import SECONDS, TAU, gained, known, package, retained
from mxsnn.neurons import (
    ALIF,
    CLIF,
    IF,
    KLIF,
    LI,
    LIF,
    PLIF,
    Autapse,
    IntegerLIF,
    Lapicque,
    Late,
    NextStepReset,
    Refractory,
    Synaptic,
    TernaryLIF,
)
from mxsnn.reset import detached, none, to_value
from mxsnn.typing import Decay, Reset


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
    export = _Export(package(), shape, dt, scheme, unit)
    for name, layer in _layers(network):
        export.at = f"{name} ({_named(layer)})"
        export.layer(name, layer)
    return export.graph()


class LayerDeviation(NamedTuple):
    """How a layer of neurons differs from what was exported for it, on the inputs that were given."""

    layer: str
    mismatch: float  # the fraction of its outputs that differ
    rate: float  # its mean output in a step
    exported_rate: float


@dataclasses.dataclass(frozen=True)
class Deviation:
    """What an approximate export left out, and what that changed on given inputs; as text, a line for each."""

    losses: tuple[str, ...]
    layers: tuple[LayerDeviation, ...]

    def __str__(self) -> str:
        lost = [f"left out: {loss}" for loss in self.losses] or ["nothing left out"]
        return "\n".join(
            lost
            + [
                f"layer {d.layer}: {d.mismatch:.2%} of its outputs differ; mean output {d.rate:.4g}, exported {d.exported_rate:.4g}"
                for d in self.layers
            ]
        )


def approximate_nir(network: Any, inputs: Any, *, dt: float, scheme: Decay, unit: float = SECONDS) -> tuple[Any, Deviation]:
    """Like `to_nir`, with the nearest of what NIR has no word for, and a report of the deviation on `inputs[T, B, ...]`.

    A reset that is none to a value becomes one to rest, in the step of the spike (so does `NextStepReset`); `Refractory` loses its
    period; ALIF, KLIF, CLIF, TernaryLIF and IntegerLIF become LIF with their leak. The report names each and says how many outputs
    of each layer of neurons differ, and by how much the rates, when both run on the same inputs. Raises ValueError for what is not
    near to anything in NIR.
    """
    losses: list[str] = []
    layers = [_near(name, layer, losses) for name, layer in _layers(network)]
    inputs = jnp.asarray(inputs)
    graph = to_nir(nn.Stack(*layers), inputs.shape[2:], dt=dt, scheme=scheme, unit=unit)
    names = [name for name, _ in _layers(network)]
    given = [layer for _, layer in _layers(network)]
    ours, theirs = (nn.Stack(*stack).outputs(inputs)[1] for stack in (given, layers))
    deviations = [
        LayerDeviation(name, float(np.mean(np.asarray(a != b))), float(jnp.mean(a)), float(jnp.mean(b)))
        for name, layer, a, b in zip(names, given, ours, theirs, strict=True)
        if isinstance(layer, nn.Spiking)
    ]
    return graph, Deviation(tuple(losses), tuple(deviations))


def _layers(network: Any, name: str = "") -> list[tuple[str, Any]]:
    """The layers of a stack by number, those of stacks in it by dotted numbers."""
    if not isinstance(network, nn.Stack):
        return [(name or "0", network)]
    prefix = f"{name}." if name else ""
    return [found for i, layer in enumerate(network.layers) for found in _layers(layer, f"{prefix}{i}")]


def _named(layer: Any) -> str:
    if isinstance(layer, nn.Spiking):
        return type(layer.neuron).__name__
    return getattr(layer, "__name__", type(layer).__name__)


# ---- the nearest of what cannot be said ---------------------------------------------------------------------------------------

LEAKY: dict[type, str] = {
    ALIF: "the adaptation of its threshold",
    KLIF: "its factor k and its rectifier",
    CLIF: "its complementary potential",
    TernaryLIF: "its negative spikes",
    IntegerLIF: "that it counts: more than one spike a step",
}


def _near(name: str, layer: Any, losses: list[str]) -> Any:
    """The layer with a neuron that NIR can say, where there is one near; what is lost, noted."""
    if not isinstance(layer, nn.Spiking):
        return layer
    neuron = _near_neuron(layer.neuron, lambda what: losses.append(f"layer {name} ({_named(layer)}): {what}"))
    if not isinstance(layer, nn.Recurrent):
        return nn.Spiking(neuron)
    kernel = layer.kernel[...]
    again = nn.Recurrent(neuron, len(kernel), rngs=nnx.Rngs(0))
    again.kernel[...] = kernel
    return again


def _near_neuron(neuron: Any, lost: Callable[[str], None]) -> Any:
    if isinstance(neuron, NextStepReset):
        lost("that its reset acts in the step after the spike")
        return _near_neuron(neuron.neuron, lost)
    if isinstance(neuron, Refractory):
        lost(f"its refractory period of {float(np.max(neuron.period)):g} ms")
        return _near_neuron(neuron.neuron, lost)
    if isinstance(neuron, Late | Autapse):
        return dataclasses.replace(neuron, neuron=_near_neuron(neuron.neuron, lost))
    if type(neuron) in LEAKY:
        lost(LEAKY[type(neuron)])
        fields = {f: getattr(neuron, f) for f in ("tau", "threshold", "dt", "reset", "gain", "decay")}
        neuron = LIF(**fields, **({"fire": neuron.fire} if hasattr(neuron, "fire") else {}))
    reset = getattr(neuron, "reset", none)
    if isinstance(_bare(reset), to_value) or _bare(reset) is none:
        return neuron
    lost(f"its reset, {getattr(_bare(reset), '__name__', reset)}: it is reset to rest instead")
    rest = np.asarray(getattr(neuron, "v_rest", 0.0))
    value = float(rest.flat[0]) if (rest == rest.flat[0]).all() else 0.0
    return dataclasses.replace(neuron, reset=to_value(value))


def _bare(reset: Reset) -> Reset:
    """A reset without its detachment, which only gradients see."""
    return _bare(reset.reset) if isinstance(reset, detached) else reset


# ---- the graph ----------------------------------------------------------------------------------------------------------------


class _Leak(NamedTuple):
    """A membrane, in steps and float64, channel-last: what it retains and takes in, where it rests."""

    d: np.ndarray
    g: np.ndarray
    rest: np.ndarray
    tau: Any = None  # ms, where it is known
    decay: Any = None  # by which tau is meant


class _Export:
    """Nodes, one after the other; `shape` and `order` as in `Chain`."""

    def __init__(self, nir: Any, shape: Sequence[int], dt: float, scheme: Decay, unit: float) -> None:
        self.nir, self.dt, self.scheme, self.unit = nir, dt, scheme, unit
        self.shape: Shape = tuple(shape)
        self.order: np.ndarray | None = None
        self.bias: np.ndarray | None = None  # of a Bias that waits for the neurons that hear each other
        self.at = "0"
        self.nodes: dict[str, Any] = {"input": nir.Input({"input": np.array(first(self.shape))})}
        self.edges: list[tuple[str, str]] = []
        self.tail = "input"

    def graph(self) -> Any:
        if self.order is not None:
            self.refuse("ends in features that a Flatten left channel-last", "end with a dense layer, or before the Flatten")
        self._no_bias()
        self.add("output", self.nir.Output({"output": np.array(first(self.shape))}))
        scheme = getattr(self.scheme, "__name__", str(self.scheme))
        ms = {SECONDS: "s", 1.0: "ms"}.get(self.unit, f"{self.unit:g} ms")
        hints = {"unit_of_time": ms, "dt": self.dt / self.unit, "scheme": scheme}
        return self.nir.NIRGraph(self.nodes, self.edges, metadata=hints)

    def refuse(self, what: str, do: str) -> NoReturn:
        raise ValueError(f"layer {self.at}: {what}; {do}")

    def no_word(self, what: str) -> NoReturn:
        self.refuse(f"NIR has no word for {what}", "approximate_nir exports the nearest, and says how far that is")

    def add(self, name: str, node: Any) -> None:
        self.nodes[name] = node
        self.edges.append((self.tail, name))
        self.tail = name

    def layer(self, name: str, layer: Any) -> None:
        if isinstance(layer, nn.Spiking):
            self.spiking(name, layer)
            return
        make = next((make for kind, make in LAYERS.items() if isinstance(layer, kind)), None)
        if make is None and isinstance(layer, nn.Temporal):
            self.refuse("NIR has no word for it", "export the network before it")
        if make is None:
            self.refuse("NIR has no word for it, or mxsnn does not know it", "take Linear, Conv, and what mxsnn.nn has")
        if not isinstance(layer, nn.Bias):
            self._no_bias()
        make(self, name, layer)

    def _no_bias(self) -> None:
        if self.bias is not None:
            self.refuse("a Bias stands before it, for which NIR has no word", "put it into a dense layer or a convolution")

    # ---- layers without time --------------------------------------------------------------------------------------------------

    def linear(self, name: str, layer: nnx.Linear) -> None:
        if self.shape != (layer.in_features,):
            self.refuse(f"weighs the last axis of {list(self.shape)}", "put nn.Flatten() before it, or take a convolution over 1x1")
        weight = np.asarray(layer.kernel[...], np.float32).T
        weight = weight if self.order is None else weight[:, self.order]
        self.order = None
        self.shape = (layer.out_features,)
        bias = None if layer.bias is None else np.asarray(layer.bias[...], np.float32)
        self.add(f"{name}_linear", self.nir.Linear(weight) if bias is None else self.nir.Affine(weight, bias))

    def conv(self, name: str, layer: nnx.Conv) -> None:
        axes = len(layer.kernel_size)
        if axes not in (1, 2) or len(self.shape) != axes + 1:
            self.refuse(f"is a convolution over {axes} axes of {list(self.shape)}", "NIR has those of one and two axes")
        stride, dilation, spread = (_sizes(given, axes) for given in (layer.strides, layer.kernel_dilation, layer.input_dilation))
        if any(n != 1 for n in spread) or layer.mask is not None:
            self.no_word("a transposed or masked convolution")
        sizes, reach = self.shape[:-1], [d * (k - 1) + 1 for k, d in zip(layer.kernel_size, dilation, strict=True)]
        pads = self._pads(layer.padding, sizes, reach, stride)
        if any(low != high for low, high in pads):
            self.refuse(
                f"pads {pads} pixels on both sides", "NIR pads both sides alike: give an odd kernel, or pairs that are equal"
            )
        outs = tuple((n + 2 * p - r) // s + 1 for n, (p, _), r, s in zip(sizes, pads, reach, stride, strict=True))
        weight = np.moveaxis(np.asarray(layer.kernel[...], np.float32), (-1, -2), (0, 1))
        bias = np.zeros(len(weight), np.float32) if layer.bias is None else np.asarray(layer.bias[...], np.float32)
        padding = tuple(p for p, _ in pads)
        given = (weight, stride, padding, dilation, layer.feature_group_count, bias)
        if axes == 1:
            given = tuple(value[0] if isinstance(value, tuple) else value for value in given)
            node = self.nir.Conv1d(int(sizes[0]), *given)
        else:
            node = self.nir.Conv2d(tuple(sizes), *given)
        self.shape = (*outs, len(weight))
        # Of grouped and oblong kernels the package takes other shapes than they have.
        node.input_type = {"input": np.array((layer.in_features, *sizes))}
        node.output_type = {"output": np.array(first(self.shape))}
        self.add(f"{name}_conv", node)

    def _pads(self, padding: Any, sizes: Shape, reach: list[int], stride: Shape) -> list[tuple[int, int]]:
        if isinstance(padding, str):
            if padding.upper() not in ("SAME", "VALID"):
                self.no_word(f"padding {padding!r}")
            return [(int(a), int(b)) for a, b in jax.lax.padtype_to_pads(sizes, reach, stride, padding.upper())]
        padding = (padding,) * len(sizes) if isinstance(padding, int) else padding
        return [(p, p) if isinstance(p, int) else (int(p[0]), int(p[1])) for p in padding]

    def batch_norm(self, name: str, layer: nnx.BatchNorm) -> None:
        weighted = self._weighted("batch norm")
        factor = 1 / np.sqrt(np.asarray(layer.var[...], np.float64) + layer.epsilon)
        factor = factor if layer.scale is None else factor * np.asarray(layer.scale[...])
        shift = 0.0 if layer.bias is None else np.asarray(layer.bias[...])
        self._weigh(weighted, factor, shift - np.asarray(layer.mean[...]) * factor)

    def dropout(self, name: str, layer: nnx.Dropout) -> None:
        """Nothing, as in evaluation."""

    def bias_(self, name: str, layer: nn.Bias) -> None:
        self.bias = np.asarray(layer.bias[...], np.float32)
        if type(self.nodes[self.tail]).__name__ in ("Linear", "Affine", "Conv1d", "Conv2d"):
            weighted, bias = self._weighted("a Bias"), self.bias
            self.bias = None
            if bias.ndim > 1 and len(self.shape) > 1:
                self.no_word("a bias for each pixel")
            self._weigh(weighted, 1.0, bias)

    def _weighted(self, what: str) -> Any:
        node = self.nodes[self.tail]
        if type(node).__name__ not in ("Linear", "Affine", "Conv1d", "Conv2d"):
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

    def pool(self, name: str, layer: Any) -> None:
        if len(layer.kernel) != 2:
            self.no_word(f"{type(layer).__name__} over {len(layer.kernel)} axes")
        stride, padding = layer.stride or layer.kernel, layer.padding or (0, 0)
        make = self.nir.SumPool2d if isinstance(layer, nn.SumPool) else self.nir.AvgPool2d
        node = make(*(np.array(sizes) for sizes in (layer.kernel, stride, padding)))
        node.input_type = {"input": np.array(first(self.shape))}
        sizes = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(self.shape, layer.kernel, stride, padding, strict=False))
        self.shape = (*sizes, self.shape[-1])
        node.output_type = {"output": np.array(first(self.shape))}
        self.add(f"{name}_pool", node)

    def flatten(self, name: str, layer: nn.Flatten) -> None:
        if len(self.shape) > 1:
            self.order = flattened(self.shape)
            self.add(f"{name}_flatten", self.nir.Flatten({"input": np.array(first(self.shape))}, 0, -1))
            self.shape = (len(self.order),)

    def ordered(self, name: str, layer: Ordered) -> None:
        taken = np.asarray(layer.order)
        order = np.argsort(taken)[np.arange(len(taken)) if self.order is None else self.order]
        self.order = None if (order == np.arange(len(order))).all() else order

    def scale(self, name: str, layer: nn.Scale) -> None:
        self.add(f"{name}_scale", self.nir.Scale(self.each(np.asarray(layer.weight[...])).astype(np.float32)))

    def delay(self, name: str, layer: nn.Delay) -> None:
        self.add(f"{name}_delay", self.nir.Delay(self.each(layer.steps * self.dt / self.unit)))

    # ---- neurons --------------------------------------------------------------------------------------------------------------

    def each(self, value: Any) -> np.ndarray:
        """Numbers `[..., C]`, or one for all, for each neuron, channel first."""
        array = np.broadcast_to(np.asarray(value, np.float64), self.shape)
        array = array if self.order is None else array[self.order]
        return np.ascontiguousarray(channels_first(array))

    def spiking(self, name: str, layer: nn.Spiking) -> None:
        if not isinstance(layer, nn.Recurrent):
            self._no_bias()
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
                self.no_word(f"{type(neuron.neuron).__name__} in an Autapse that hears others" if loop else "such wrapped neurons")
            self.neuron(name, neuron.neuron, self.nir.Scale(self.each(neuron.weight)))
            return
        if isinstance(neuron, Late):
            if loop is not None:
                self.no_word("a late neuron that hears itself: a cycle lasts one step")
            self.neuron(name, neuron.neuron, None)
            self.add(f"{name}_late", self.nir.Delay(self.each(self.dt / self.unit)))
            return
        begin = f"{name}_{type(neuron).__name__.lower()}"
        for i, node in enumerate(self.nodes_of(neuron)):
            self.add(begin if i == 0 else f"{name}_threshold", node)
        if loop is not None:
            self.nodes[f"{name}_loop"] = loop
            self.edges += [(self.tail, f"{name}_loop"), (f"{name}_loop", begin)]

    def nodes_of(self, neuron: Any) -> list[Any]:
        """The node that is a neuron, or a membrane and its threshold."""
        if type(neuron) not in MEMBRANES:
            self.no_word(f"{type(neuron).__name__}")
        if hasattr(neuron, "dt") and not np.allclose(np.asarray(neuron.dt, np.float64), self.dt, rtol=1e-6):
            self.refuse(f"steps by {neuron.dt} ms, and dt is {self.dt}", "export with the dt of the neurons")
        leak = MEMBRANES[type(neuron)](neuron)
        theta, reset, rest = self._fired(neuron, leak.rest)
        if (leak.d == 1).all():
            up = -rest  # an integrator of NIR starts at 0
            rest, theta = rest + up, None if theta is None else theta + up
            reset = None if reset is None else reset + up
        if isinstance(neuron, Synaptic):
            r = retained(neuron.decay, neuron.tau_syn, neuron.dt)
            syn = _Leak(r, gained(neuron.gain_syn, r), np.zeros(()), neuron.tau_syn, neuron.decay)
            tau_syn, w_in = self._constants(syn, "synapse")
            tau, resistance = self._constants(leak, "membrane")
            given = {"tau_syn": tau_syn, "tau_mem": tau, "r": resistance, "v_leak": self.each(rest), "w_in": w_in}
            kinds = self.nir.CubaLIF, self.nir.CubaLI
        elif (leak.d == 1).all():
            given = {"r": self.each(leak.g * self.unit / self.dt)}
            kinds = self.nir.IF, self.nir.I
        else:
            tau, resistance = self._constants(leak, "membrane")
            given = {"tau": tau, "r": resistance, "v_leak": self.each(rest)}
            kinds = self.nir.LIF, self.nir.LI
        spiking, silent = kinds
        if theta is None:
            return [silent(**given)]
        if reset is None:
            return [silent(**given), self.nir.Threshold(self.each(theta))]
        return [spiking(**given, v_threshold=self.each(theta), v_reset=self.each(reset))]

    def _fired(self, neuron: Any, rest: np.ndarray) -> tuple[Any, Any, np.ndarray]:
        """Threshold (None where it never fires), reset (None where nothing resets it) and rest."""
        if not hasattr(neuron, "fire"):
            return None, None, rest
        theta = np.asarray(neuron.threshold, np.float64)
        tiny = jnp.asarray([-1e-30, 0, 1e-30], jnp.float32)
        below, at, above = np.asarray(neuron.fire(tiny)).tolist()
        if (below, above) != (0, 1):
            self.no_word(f"fire={neuron.fire!r}, which is no step at the threshold")
        if at:
            theta = np.nextafter(theta.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
        reset = _bare(neuron.reset)
        if reset is none:
            return theta, None, rest
        if not isinstance(reset, to_value):
            self.no_word(f"the reset {getattr(reset, '__name__', reset)!r}: it knows those to a value, in the step of the spike")
        return theta, np.asarray(reset.value, np.float64), rest

    def _constants(self, leak: _Leak, what: str) -> tuple[np.ndarray, np.ndarray]:
        """tau in the file's unit, and resistance."""
        d = leak.d
        if ((d < 0) | (d >= 1)).any():
            self.refuse(
                f"its {what} retains {np.unique(d)[:3].tolist()} in a step", "NIR has leaks that retain from 0 to less than 1"
            )
        if self.scheme is exponential and (d == 0).any():
            self.refuse(f"its {what} retains nothing, which no time constant does by exp(-dt/tau)", "export with scheme=euler")
        tau = np.asarray(leak.tau, np.float64) if leak.decay is self.scheme else TAU[self.scheme](d, self.dt)
        return self.each(tau / self.unit), self.each(leak.g / (1 - d))


def _sizes(given: int | Sequence[int] | None, axes: int) -> Shape:
    """A size for each axis from what a convolution of flax was given."""
    return (given or 1,) * axes if given is None or isinstance(given, int) else tuple(given)


def _lif(n: Any) -> _Leak:
    d = retained(n.decay, n.tau, n.dt)
    resistance = np.asarray(n.resistance, np.float64)
    return _Leak(d, gained(n.gain, d) * resistance, np.asarray(n.v_rest, np.float64), n.tau, n.decay)


def _plif(n: PLIF) -> _Leak:
    d = (1 / (1 + np.exp(np.asarray(n.w, np.float64)))) ** np.asarray(n.dt, np.float64)
    return _Leak(d, 1 - d, np.asarray(n.v_rest, np.float64))


def _lapicque(n: Lapicque) -> _Leak:
    resistance = np.asarray(n.resistance, np.float64)
    tau = resistance * np.asarray(n.capacitance, np.float64)
    d = retained(n.decay, tau, n.dt)
    return _Leak(d, gained(current, d) * resistance, np.asarray(n.v_rest, np.float64), tau, n.decay)


def _if(n: IF) -> _Leak:
    return _Leak(np.ones(()), np.asarray(n.resistance, np.float64), np.zeros(()))


MEMBRANES: dict[type, Callable[[Any], _Leak]] = {
    IF: _if,
    LI: _lif,
    LIF: _lif,
    PLIF: _plif,
    Lapicque: _lapicque,
    Synaptic: _lif,
}

LAYERS: dict[type, Callable[..., None]] = {
    nnx.Linear: _Export.linear,
    nnx.Conv: _Export.conv,
    nnx.BatchNorm: _Export.batch_norm,
    nnx.Dropout: _Export.dropout,
    nn.SumPool: _Export.pool,
    nn.AvgPool: _Export.pool,
    nn.Flatten: _Export.flatten,
    nn.Scale: _Export.scale,
    nn.Bias: _Export.bias_,
    nn.Delay: _Export.delay,
    Ordered: _Export.ordered,
}
