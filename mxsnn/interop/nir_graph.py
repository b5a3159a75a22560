"""The nodes of a NIR graph in the order in which a chain of layers has them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

MEMBRANES = ("I", "LI", "CubaLI")
WEIGHTS = ("Linear", "Affine", "Scale")
MOST_NUMBERS = 2**27  # in a sample: a file that states more is damaged


def kind_of(node: Any) -> str:
    return type(node).__name__


class Walk:
    """The nodes of a graph from its input to its output, each with the nodes that lead from it back to it."""

    def __init__(self, graph: Any) -> None:
        if not hasattr(graph, "nodes") or not hasattr(graph, "edges"):
            raise ValueError(
                f"from_nir takes a nir.NIRGraph or the path of a file; got {kind_of(graph)}: put nodes into a NIRGraph"
            )
        self.nodes, edges = _flat(graph)
        if unknown := sorted({name for edge in edges for name in edge} - self.nodes.keys()):
            raise ValueError(f"edges of the graph lead to {', '.join(unknown)}, which is no node of it")
        inputs, outputs = ([n for n, node in self.nodes.items() if kind_of(node) == kind] for kind in ("Input", "Output"))
        if len(inputs) != 1 or len(outputs) != 1:
            given = f"the graph has {len(inputs)} and {len(outputs)} ({', '.join(inputs + outputs) or 'none'})"
            raise ValueError(f"a network has one input and one output; {given}: convert its parts one by one")
        self.input, self.output = inputs[0], outputs[0]
        self.after: dict[str, list[str]] = {name: [] for name in self.nodes}
        self.before: dict[str, list[str]] = {name: [] for name in self.nodes}
        for a, b in edges:
            self.after[a].append(b)
            self.before[b].append(a)
        self._thresholds()
        self.shape = _shape(self.input, self.nodes[self.input])

    def __iter__(self) -> Iterator[tuple[str, Any, list[Any]]]:
        at, seen = self.input, {self.input}
        while True:
            loops = self._loops(at)
            if at != self.input:
                yield at, self.nodes[at], [self.nodes[n] for loop in loops for n in loop]
            back = {loop[0] for loop in loops}
            ahead = [n for n in self.after[at] if n not in back]
            if len(ahead) != 1:
                self._refuse(at, f"leads to {', '.join(ahead) or 'nothing'}")
            (at,) = ahead
            back = {loop[-1] for loop in self._loops(at)}
            before = [n for n in self.before[at] if n not in back]
            if len(before) != 1 or at in seen:
                self._refuse(at, f"sums {', '.join(before)}")
            seen.add(at)
            if at == self.output:
                return

    def _refuse(self, name: str, what: str) -> NoReturn:
        """Of a node where several ways begin or end."""
        kind = kind_of(_first(self.nodes[name]))
        neurons = [n for n in self.after[name] if n in self.before[name] and kind_of(_first(self.nodes[n])) not in WEIGHTS]
        if kind in WEIGHTS and neurons:  # as spyx writes its recurrent layers, which compute otherwise
            do = f"only what neurons hear of each other goes through the way back: lead the input to {neurons[0]} instead"
        elif not self.after[name]:
            do = f"lead it on to {self.output}"
        else:
            do = "a network is a chain of layers, in which a neuron may hear itself: convert its branches one by one"
        raise ValueError(f"layer {name} ({kind}): {what}; {do}")

    def _thresholds(self) -> None:
        """Membranes and the thresholds right behind them, as pairs by the names of the membranes."""
        for name, node in list(self.nodes.items()):
            ahead = self.after[name] if kind_of(node) in MEMBRANES else []
            if len(ahead) == 1 and kind_of(self.nodes[ahead[0]]) == "Threshold" and self.before[ahead[0]] == [name]:
                (behind,) = ahead
                self.nodes[name] = node, self.nodes.pop(behind)
                self.after[name] = self.after.pop(behind)
                for n in self.after[name]:
                    self.before[n] = [name if b == behind else b for b in self.before[n]]

    def _loops(self, name: str) -> list[list[str]]:
        """Each way from a node back to it, through nodes that have no other way in or out."""
        if len(self.before[name]) < 2 and name not in self.after[name]:
            return []
        found = []
        for n in self.after[name]:
            way: dict[str, None] = {}
            while n != name and n not in way and len(self.after[n]) == 1 and len(self.before[n]) == 1:
                way[n] = None
                (n,) = self.after[n]
            if n == name:
                found.append(list(way) or [name])
        return found


def _first(node: Any) -> Any:
    """The node, or the membrane of one and its threshold."""
    return node[0] if isinstance(node, tuple) else node


def _shape(name: str, node: Any) -> tuple[int, ...]:
    """The shape of a sample, channel first."""
    stated = next(iter(node.input_type.values()), None)
    if stated is None:
        raise ValueError(f"the graph's input {name} has no shape; set its input_type to that of a sample, channel first")
    sides = np.ravel(np.asarray(stated))
    whole = sides.dtype.kind in "iuf" and 0 < sides.size <= 4 and bool(((sides >= 1) & (sides == np.rint(sides))).all())
    if not whole or math.prod(sides.tolist()) > MOST_NUMBERS:
        raise ValueError(
            f"the graph's input {name} states the shape {sides.tolist()!r:.60}; set it to that of a sample, channel first"
        )
    return tuple(int(n) for n in sides)


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
        if twice := sorted(inner.keys() & graph.nodes.keys()):
            raise ValueError(f"layer {name}: its node is called {twice[0]}, as another one of the graph is; rename one")
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
