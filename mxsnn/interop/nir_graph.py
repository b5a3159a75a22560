"""The nodes of a NIR graph in the order in which a chain of layers has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MEMBRANES = ("I", "LI", "CubaLI")


def kind_of(node: Any) -> str:
    return type(node).__name__


class Walk:
    """The nodes of a graph from its input to its output, each with the nodes that lead from it back to it."""

    def __init__(self, graph: Any) -> None:
        self.nodes, self.edges = _flat(graph)
        if unknown := sorted({name for edge in self.edges for name in edge} - self.nodes.keys()):
            raise ValueError(f"edges of the graph lead to {', '.join(unknown)}, which is no node of it")
        inputs, outputs = ([n for n, node in self.nodes.items() if kind_of(node) == kind] for kind in ("Input", "Output"))
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
            ahead = self._after(name) if kind_of(node) in MEMBRANES else []
            if len(ahead) == 1 and kind_of(self.nodes[ahead[0]]) == "Threshold" and len(self._before(ahead[0])) == 1:
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
        if kind_of(node) != "NIRGraph":
            nodes[name] = node
            continue
        inner, wires = _flat(node)
        inner = {f"{name}.{n}": sub for n, sub in inner.items()}
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in wires]
        ports = {kind: [n for n, sub in inner.items() if kind_of(sub) == kind] for kind in ("Input", "Output")}
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
