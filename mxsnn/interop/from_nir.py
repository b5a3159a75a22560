"""NIR graphs as networks: nodes that state equations in continuous time, as layers that take steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn import nn
from mxsnn.discrete import charge, current, euler
from mxsnn.errors import UserError
from mxsnn.interop.chain import Chain, channels_last, last, number, windows
from mxsnn.interop.membranes import SECONDS, is_unit, known, package, retained
from mxsnn.neurons import IF, LI, LIF, Autapse, Neuron, Synaptic
from mxsnn.reset import none, to_value
from mxsnn.surrogate import atan
from mxsnn.typing import Decay, Fire, Reset

MEMBRANES = ("I", "LI", "CubaLI")
WEIGHTS = ("Linear", "Affine", "Scale")
ATAN = atan()
DEFLATED = 1032  # the most bytes that gzip makes one of


def from_nir(graph: Any, *, dt: float, scheme: Decay, unit: float = SECONDS, fire: Fire = ATAN) -> nn.Stack:
    """A `nir.NIRGraph`, or a file of one, as a network `xs[T, B, ..., C] -> (state, out)` that takes steps of `dt` ms.

    `scheme` discretises time constants: `mxsnn.discrete.euler` (1 - dt/tau, as snnTorch, SpikingJelly and Norse read them) or
    `exponential` (exact for inputs held through a step). `unit` is what the graph's unit of time is in ms, 1000 by default: the
    field writes seconds; a graph in ms has 1.0, one in steps (Sinabs) `dt`. `fire` gives the surrogate gradient, of which NIR says
    nothing, as of detachment, learnability and the initial state, which is v_leak (0 for I and IF).

    tau, r, v_leak, v_threshold and v_reset are taken as they are, per neuron or for all; a membrane whose reset differs between
    neurons is shifted by it. Weights are made channel-last, those of a dense layer behind a Flatten reordered. A cycle is a delay
    of one step: through Linear or Affine `nn.Recurrent`, through Scale `Autapse`. A membrane in front of a Threshold is a neuron
    that nothing resets. Raises ValueError, with the name of the node, for branches and sums, and for what cannot be stepped by
    `dt`; UserError for a file that is none. Source: Pedersen et al. (2024), Neuromorphic intermediate representation.
    """
    known(scheme)
    if not dt > 0:
        raise ValueError(f"dt is the length of a step in ms, above 0; got {dt}")
    if isinstance(graph, str | Path):
        graph = _read(Path(graph))
    walk = _Walk(graph)
    chain = Chain(last(tuple(int(n) for n in np.ravel(walk.shape))))
    nodes = _Nodes(dt, unit, scheme, fire)
    for name, node, loop in walk:
        chain.at = f"{name} ({_kind(node[0] if isinstance(node, tuple) else node)})"
        try:
            nodes.add(chain, node, loop)
        except ValueError as error:
            if str(error).startswith("layer "):
                raise
            raise ValueError(f"layer {chain.at}: {error}") from None
    return chain.stack()


def _kind(node: Any) -> str:
    return type(node).__name__


def _read(path: Path) -> Any:
    nir = package()
    try:
        _plausible(path)
        # Without its check of shapes, which takes the height of a kernel for its width, too.
        return nir.read(path, type_check=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UserError:
        raise
    except Exception as error:  # it asserts, and damage leads h5py into any of a dozen
        raise UserError(f"{path}: not a NIR graph in HDF5: {str(error).partition(chr(10))[0]}") from error


def _plausible(path: Path) -> None:
    """Raises UserError for a file with arrays that are larger than its bytes can hold, before memory is reserved for them."""
    import h5py

    most = DEFLATED * path.stat().st_size

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and (math.prod(item.shape or ()) * item.dtype.itemsize > most or item.nbytes > most):
            raise UserError(f"{path}: damaged: {name} states {item.nbytes:,} bytes, more than the file can hold; get it anew")

    with h5py.File(path, "r") as file:
        file.visititems(look)


class _Walk:
    """The nodes of a graph from its input to its output, each with the nodes that lead from it back to it."""

    def __init__(self, graph: Any) -> None:
        self.nodes, self.edges = _flat(graph)
        if unknown := sorted({name for edge in self.edges for name in edge} - self.nodes.keys()):
            raise ValueError(f"edges of the graph lead to {', '.join(unknown)}, which is no node of it")
        inputs, outputs = ([n for n, node in self.nodes.items() if _kind(node) == kind] for kind in ("Input", "Output"))
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"a network has one input and one output; the graph has {len(inputs)} and {len(outputs)}")
        self.input, self.output = inputs[0], outputs[0]
        self._threshold()
        self.shape = next(iter(self.nodes[self.input].input_type.values()), None)
        if self.shape is None:
            raise ValueError(f"the graph's input {self.input} has no shape; set its input_type to that of a sample, channel first")

    def __iter__(self) -> Iterator[tuple[str, Any, list[Any]]]:
        at, seen = self.input, {self.input}
        while True:
            loops = self._loops(at)
            if at != self.input:
                yield at, self.nodes[at], [self.nodes[n] for loop in loops for n in loop]
            ahead = [n for n in self._after(at) if n not in {loop[0] for loop in loops}]
            if len(ahead) != 1:
                raise ValueError(
                    f"layer {at}: leads to {', '.join(ahead) or 'nothing'}; a network is a chain of layers, in which a neuron may "
                    f"hear itself: convert the branches one by one"
                )
            (at,) = ahead
            before = [n for n in self._before(at) if n not in {loop[-1] for loop in self._loops(at)}]
            if len(before) != 1 or at in seen:
                raise ValueError(f"layer {at}: sums {', '.join(before)}; a network is a chain: convert its branches one by one")
            seen.add(at)
            if at == self.output:
                return

    def _threshold(self) -> None:
        """Membranes and the thresholds right behind them, as pairs by the names of the membranes."""
        for name, node in list(self.nodes.items()):
            ahead = self._after(name) if _kind(node) in MEMBRANES else []
            if len(ahead) == 1 and _kind(self.nodes[ahead[0]]) == "Threshold" and len(self._before(ahead[0])) == 1:
                (behind,) = ahead
                self.nodes[name] = node, self.nodes.pop(behind)
                self.edges = [(name if a == behind else a, b) for a, b in self.edges if b != behind]

    def _after(self, name: str) -> list[str]:
        return [b for a, b in self.edges if a == name]

    def _before(self, name: str) -> list[str]:
        return [a for a, b in self.edges if b == name]

    def _loops(self, name: str) -> list[list[str]]:
        """Each way from a node back to it, through nodes that have no other way in or out."""
        found = []
        for n in self._after(name):
            way = []
            while n not in way and len(self._after(n)) == 1 and len(self._before(n)) == 1 and n != name:
                way.append(n)
                (n,) = self._after(n)
            if n == name:
                found.append(way or [name])
        return found


def _flat(graph: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges, those of graphs inside it by dotted names."""
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = [(a, b) for a, b in graph.edges]
    for name, node in graph.nodes.items():
        if _kind(node) != "NIRGraph":
            nodes[name] = node
            continue
        inner, wires = _flat(node)
        inner = {f"{name}.{n}": sub for n, sub in inner.items()}
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in wires]
        ports = {kind: [n for n, sub in inner.items() if _kind(sub) == kind] for kind in ("Input", "Output")}
        if any(len(found) != 1 for found in ports.values()):
            raise ValueError(
                f"layer {name}: a graph with {len(ports['Input'])} inputs and {len(ports['Output'])} outputs; give it one each"
            )
        (entry,), (leave,) = ports["Input"], ports["Output"]
        edges = [(leave if a == name else a, entry if b == name else b) for a, b in edges]
        for port in (entry, leave):
            ahead, before = [b for a, b in edges if a == port], [a for a, b in edges if b == port]
            edges = [edge for edge in edges if port not in edge] + [(a, b) for a in before for b in ahead]
        nodes |= {n: sub for n, sub in inner.items() if n not in (entry, leave)}
    return nodes, list(dict.fromkeys(edges))


class _Nodes:
    """Adds layers for nodes, under one step and scheme."""

    def __init__(self, dt: float, unit: float, scheme: Decay, fire: Fire) -> None:
        self.dt, self.unit, self.scheme, self.fire = dt, unit, scheme, fire

    def add(self, chain: Chain, node: Any, loop: list[Any]) -> None:
        node, threshold = node if isinstance(node, tuple) else (node, None)
        kind = _kind(node)
        make: Callable[..., Any] | None = getattr(self, kind, None)
        if make is None:
            chain.refuse("has no counterpart here", "convert the parts of the graph before and after it")
        if kind not in ("IF", "LIF", "CubaLIF", *MEMBRANES):
            if loop:
                chain.refuse("hears itself", "only neurons do")
            make(chain, node)
            return
        neuron = make(node, threshold)
        if not loop:
            for one in neuron if isinstance(neuron, tuple) else (neuron,):
                chain.neurons(one)
            return
        if isinstance(neuron, tuple):
            chain.refuse("hears itself", "only one membrane or neuron does")
        way = [_kind(n) for n in loop]
        if len(way) != 1 or way[0] not in WEIGHTS:
            chain.refuse(f"hears itself through {', '.join(way)}", "a cycle has one Linear, Affine or Scale, and lasts a step")
        if way[0] == "Scale":
            chain.neurons(Autapse(neuron, number(channels_last(loop[0].scale))))
        else:
            chain.recurrent(neuron, np.asarray(loop[0].weight), getattr(loop[0], "bias", None))

    # ---- layers without time --------------------------------------------------------------------------------------------------

    def Linear(self, chain: Chain, node: Any) -> None:
        weight = np.asarray(node.weight)
        if weight.ndim != 2:
            chain.refuse(f"has weights {list(weight.shape)}", "only [out, in] is a dense layer here")
        chain.linear(weight, getattr(node, "bias", None))

    Affine = Linear

    def Conv1d(self, chain: Chain, node: Any) -> None:
        weight, axes = np.asarray(node.weight), np.ndim(node.weight) - 2
        padding = node.padding if isinstance(node.padding, str) else windows(node.padding, axes)
        chain.conv(weight, node.bias, windows(node.stride, axes), padding, windows(node.dilation, axes), int(node.groups))

    Conv2d = Conv1d

    def SumPool2d(self, chain: Chain, node: Any) -> None:
        pool = nn.SumPool if _kind(node) == "SumPool2d" else nn.AvgPool
        chain.pool(pool, *(windows(size, 2) for size in (node.kernel_size, node.stride, node.padding)))

    AvgPool2d = SumPool2d

    def Flatten(self, chain: Chain, node: Any) -> None:
        start, end = int(node.start_dim), int(node.end_dim)
        axes = len(chain.shape)
        if axes > 1 and (start, end % axes) != (0, axes - 1):
            chain.refuse(f"flattens axes {start} to {end} of {axes}", "only whole samples are flattened: start_dim=0, end_dim=-1")
        chain.flatten()

    def Scale(self, chain: Chain, node: Any) -> None:
        weight = number(channels_last(np.asarray(node.scale)))
        if np.ndim(weight):
            chain.settle()
        chain.each(nn.Scale(weight))

    # ---- layers with time -----------------------------------------------------------------------------------------------------

    def Delay(self, chain: Chain, node: Any) -> None:
        delay = channels_last(np.asarray(node.delay, np.float64)) * self.unit / self.dt
        steps = np.rint(delay).astype(int)
        if (np.abs(steps - delay) > 1e-6 * np.maximum(1, np.abs(delay))).any():
            wrong = float(np.ravel(delay * self.dt)[np.argmax(np.abs(steps - delay))])
            chain.refuse(f"waits {wrong:g} ms, no whole number of steps of {self.dt:g} ms", "take a dt that divides it")
        if steps.size and (steps == steps.flat[0]).all():
            steps = np.asarray(steps.flat[0])
        else:
            chain.settle()
        chain.each(nn.Delay(steps))

    def Threshold(self, chain: Chain, node: Any) -> None:
        """Of what has no memory: a membrane that retains nothing."""
        threshold, _, rest = _placed(node.threshold, None, np.zeros_like(node.threshold))
        chain.neurons(LIF(self.dt, rest, 1.0, threshold, self.dt, fire=self.fire, reset=none, decay=euler))

    # ---- neurons: made of the node and the threshold behind it, if any --------------------------------------------------------

    def LIF(self, node: Any, threshold: Any) -> Neuron:
        tau, gain, resistance = self._leak(node.tau, node.r)
        theta, reset, rest = _placed(_theta(node, threshold), getattr(node, "v_reset", None), node.v_leak)
        if theta is None:
            return LI(tau, rest, resistance, self.dt, gain=gain, decay=self.scheme)
        return LIF(tau, rest, resistance, theta, self.dt, fire=self.fire, reset=reset, gain=gain, decay=self.scheme)

    LI = LIF

    def IF(self, node: Any, threshold: Any) -> Neuron:
        resistance = number(channels_last(np.asarray(node.r, np.float64)) * self.dt / self.unit)
        theta, reset, rest = _placed(_theta(node, threshold), getattr(node, "v_reset", None), np.zeros_like(node.r))
        if theta is not None and not np.any(rest):
            return IF(resistance, theta, fire=self.fire, reset=reset)
        never = {"tau": np.inf, "v_rest": rest, "resistance": resistance, "dt": self.dt, "gain": charge}
        return LI(**never) if theta is None else LIF(**never, threshold=theta, fire=self.fire, reset=reset)

    I = IF  # noqa: E741

    def CubaLIF(self, node: Any, threshold: Any) -> Neuron | tuple[Neuron, Neuron]:
        theta, reset, rest = _placed(_theta(node, threshold), getattr(node, "v_reset", None), node.v_leak)
        tau, gain, resistance = self._leak(node.tau_mem, node.r)
        tau_syn, gain_syn, w_in = self._leak(node.tau_syn, node.w_in)
        if theta is None:  # a synapse and a membrane, a layer each
            synapse = LI(tau_syn, resistance=w_in, dt=self.dt, gain=gain_syn, decay=self.scheme)
            return synapse, LI(tau, rest, resistance, self.dt, gain=gain, decay=self.scheme)
        return Synaptic(
            tau,
            tau_syn,
            rest,
            number(np.multiply(resistance, w_in)),  # the current is linear in its weight
            theta,
            self.dt,
            fire=self.fire,
            reset=reset,
            gain=gain,
            gain_syn=gain_syn,
            decay=self.scheme,
        )

    CubaLI = CubaLIF

    def _leak(self, tau: Any, r: Any) -> tuple[Any, Any, Any]:
        """Time constant in ms, gain and resistance; inputs that weigh 1 are charges."""
        tau = channels_last(np.asarray(tau, np.float64)) * self.unit
        if not ((tau > 0) & np.isfinite(tau)).all():
            raise ValueError(f"its time constants must be positive and finite; got {np.unique(tau)[:3].tolist()} ms")
        r = channels_last(np.asarray(r, np.float64))
        if is_unit((1 - retained(self.scheme, tau, self.dt)) * r):
            return number(tau), charge, 1.0
        return number(tau), current, number(r)


def _theta(node: Any, threshold: Any) -> Any:
    return getattr(node, "v_threshold", None) if threshold is None else threshold.threshold


def _placed(threshold: Any, reset: Any, rest: Any) -> tuple[Any, Reset, Any]:
    """Threshold, reset and rest, shifted where neurons are reset to several values, or where a threshold is not above 0."""
    rest = channels_last(np.asarray(rest, np.float64))
    if threshold is None:
        return None, none, number(rest)
    threshold = channels_last(np.asarray(threshold, np.float64))
    value = None if reset is None else channels_last(np.asarray(reset, np.float64))
    several = value is not None and value.size > 0 and bool((value != value.flat[0]).any())
    if several and not (threshold > value).all():
        raise ValueError("resets differ, and some lie at the threshold or above it; lower v_reset")
    if several:
        threshold, rest, value = threshold - value, rest - value, np.zeros(())
    elif not (threshold > 0).all():
        up = 1 - threshold.min()
        threshold, rest, value = threshold + up, rest + up, None if value is None else value + up
    act: Reset = none if value is None else to_value(float(value.flat[0]))
    return number(threshold), act, number(rest)
