"""NIR graphs as networks: nodes that state equations in continuous time, as layers that take steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn import nn
from mxsnn.discrete import euler
from mxsnn.interop import nir_files
from mxsnn.interop.chain import Chain, channels_last, last, number, windows
from mxsnn.interop.from_nir_nodes import Neurons, placed
from mxsnn.interop.membranes import SECONDS, known
from mxsnn.interop.nir_graph import MEMBRANES, Walk, kind_of
from mxsnn.neurons import LIF, Autapse
from mxsnn.reset import none
from mxsnn.surrogate import atan
from mxsnn.typing import Decay, Fire

WEIGHTS = ("Linear", "Affine", "Scale")
ATAN = atan()


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
        graph = nir_files.read(Path(graph))
    walk = Walk(graph)
    chain = Chain(last(tuple(int(n) for n in np.ravel(walk.shape))))
    nodes = _Nodes(dt, unit, scheme, fire)
    for name, node, loop in walk:
        chain.at = f"{name} ({kind_of(node[0] if isinstance(node, tuple) else node)})"
        try:
            nodes.add(chain, node, loop)
        except ValueError as error:
            if str(error).startswith("layer "):
                raise
            raise ValueError(f"layer {chain.at}: {error}") from None
    return chain.stack()


class _Nodes(Neurons):
    """Adds layers for nodes; those that are made of the node alone take the chain, too."""

    def add(self, chain: Chain, node: Any, loop: list[Any]) -> None:
        node, threshold = node if isinstance(node, tuple) else (node, None)
        kind = kind_of(node)
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
        way = [kind_of(n) for n in loop]
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
        pool = nn.SumPool if kind_of(node) == "SumPool2d" else nn.AvgPool
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
        threshold, _, rest = placed(node.threshold, None, np.zeros_like(node.threshold))
        chain.neurons(LIF(self.dt, rest, 1.0, threshold, self.dt, fire=self.fire, reset=none, decay=euler))
