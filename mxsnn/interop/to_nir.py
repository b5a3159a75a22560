"""Networks as NIR graphs: layers that take steps, as nodes that state equations in continuous time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.discrete import current, exponential
from mxsnn.interop.chain import Shape, first, normed
from mxsnn.interop.export import Export, kind_of, layers
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
    return _Export(package(), shape, dt, scheme, unit).graph(network)


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
    inputs = jnp.asarray(inputs)
    given = layers(network)
    near = nn.Stack(*(_near(name, layer, losses) for name, layer in given))
    graph = to_nir(near, inputs.shape[2:], dt=dt, scheme=scheme, unit=unit)
    ours, theirs = (stack.outputs(inputs)[1] for stack in (nn.Stack(*(layer for _, layer in given)), near))
    deviations = [
        LayerDeviation(name, float(np.mean(np.asarray(a != b))), float(jnp.mean(a)), float(jnp.mean(b)))
        for (name, layer), a, b in zip(given, ours, theirs, strict=True)
        if isinstance(layer, nn.Spiking)
    ]
    return graph, Deviation(tuple(losses), tuple(deviations))


# ---- the nearest of what cannot be said ---------------------------------------------------------------------------------------

WEIGHTED = ("Linear", "Affine", "Conv1d", "Conv2d")

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
    neuron = _near_neuron(layer.neuron, lambda what: losses.append(f"layer {name} ({kind_of(layer)}): {what}"))
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


class _Export(Export):
    """Nodes and edges, one after the other."""

    who = "NIR"
    otherwise = "approximate_nir exports the nearest of what is near, and says how far that is"

    def __init__(self, nir: Any, shape: Sequence[int], dt: float, scheme: Decay, unit: float) -> None:
        super().__init__(shape)
        self.nir, self.dt, self.scheme, self.unit = nir, dt, scheme, unit
        self.bias: np.ndarray | None = None  # of a Bias that waits for the neurons that hear each other
        self.nodes: dict[str, Any] = {"input": nir.Input({"input": np.array(first(self.shape))})}
        self.edges: list[tuple[str, str]] = []
        self.tail = "input"

    def graph(self, network: Any) -> Any:
        self.run(network)
        self._no_bias()
        self.add("output", self.nir.Output({"output": np.array(first(self.shape))}))
        scheme = getattr(self.scheme, "__name__", str(self.scheme))
        ms = {SECONDS: "s", 1.0: "ms"}.get(self.unit, f"{self.unit:g} ms")
        hints = {"unit_of_time": ms, "dt": self.dt / self.unit, "scheme": scheme}
        return self.nir.NIRGraph(self.nodes, self.edges, metadata=hints)

    def add(self, name: str, node: Any) -> None:
        self.nodes[name] = node
        self.edges.append((self.tail, name))
        self.tail = name

    def layer(self, name: str, layer: Any) -> None:
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
