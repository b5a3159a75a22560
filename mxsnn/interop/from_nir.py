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
from mxsnn.interop.nir_graph import MEMBRANES, WEIGHTS, Walk, kind_of
from mxsnn.neurons import LIF, Autapse
from mxsnn.reset import none
from mxsnn.surrogate import atan
from mxsnn.typing import Decay, Fire

ATAN = atan()
UNREAD = ("input_type", "output_type", "input_shape", "metadata")  # of a node: what is known without them
MOST_STEPS = 2**20  # of a delay, each of which is kept


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
    chain = Chain(last(walk.shape))
    nodes = _Nodes(dt, unit, scheme, fire)
    for name, node, loop in walk:
        chain.at = f"{name} ({kind_of(node[0] if isinstance(node, tuple) else node)})"
        try:
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                nodes.add(chain, node, loop)
        except ArithmeticError as error:
            chain.refuse(f"has numbers that float32 does not hold when they are put together ({error})", "scale them")
        except (ValueError, TypeError) as error:
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
        for one in (node, threshold, *loop):
            _check(chain, one)
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
            chain.recurrent(neuron, np.asarray(loop[0].weight, np.float32), _bias(chain, loop[0]))

    # ---- layers without time --------------------------------------------------------------------------------------------------

    def Linear(self, chain: Chain, node: Any) -> None:
        weight = np.asarray(node.weight, np.float32)
        if weight.ndim != 2:
            chain.refuse(f"has weights {list(weight.shape)}", "only [out, in] is a dense layer here")
        chain.linear(weight, _bias(chain, node))

    Affine = Linear

    def Conv1d(self, chain: Chain, node: Any) -> None:
        weight, axes = np.asarray(node.weight, np.float32), int(kind_of(node)[-2])
        if weight.ndim != axes + 2 or not weight.size:
            chain.refuse(f"has weights {list(weight.shape)}", f"give [out, in / groups] and {axes} axes of pixels")
        named = isinstance(node.padding, str) and node.padding in ("same", "valid")
        padding = node.padding if named else _sizes(chain, node, "padding", axes, 0)
        (groups,) = _sizes(chain, node, "groups", 1, 1)
        if len(weight) % groups:
            chain.refuse(f"has groups={groups} for {len(weight)} channels that come out", "give a number that divides them")
        stride, dilation = (_sizes(chain, node, name, axes, 1) for name in ("stride", "dilation"))
        chain.conv(weight, _bias(chain, node), stride, padding, dilation, groups)

    Conv2d = Conv1d

    def SumPool2d(self, chain: Chain, node: Any) -> None:
        pool = nn.SumPool if kind_of(node) == "SumPool2d" else nn.AvgPool
        chain.pool(
            pool, *(_sizes(chain, node, name, 2, least) for name, least in (("kernel_size", 1), ("stride", 1), ("padding", 0)))
        )

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
        if not ((delay >= 0) & (delay <= MOST_STEPS)).all():
            chain.refuse(f"waits {np.unique(delay * self.dt)[:3].tolist()} ms", f"take a delay from 0 to {MOST_STEPS} steps of dt")
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


def _check(chain: Chain, node: Any) -> None:
    """Refuses what a node has that is no number of float32, or none at all; a threshold may be infinite, and never reached."""
    for name, value in vars(node).items() if node is not None else ():
        if name in UNREAD or (name == "bias" and value is None) or (name == "padding" and isinstance(value, str)):
            continue
        given = np.asarray(value)
        if given.dtype.kind not in "biuf" or not given.size or given.ndim > 8:
            chain.refuse(f"has {name}={value!r:.40}".partition("\n")[0], "give numbers")
        held = np.abs(given) <= np.finfo(np.float32).max
        if not (held | (given == np.inf) if "threshold" in name else held).all():
            chain.refuse(f"has a {name} that is not finite in float32", "give finite numbers")


def _bias(chain: Chain, node: Any) -> np.ndarray | None:
    """A number for each output of a layer with weights, where it has any."""
    given = getattr(node, "bias", None)
    bias = None if given is None else np.asarray(given, np.float32)
    if bias is not None and bias.shape not in ((), (1,), (len(node.weight),)):
        chain.refuse(f"has a bias of shape {list(bias.shape)}", f"give {len(node.weight)} numbers")
    return bias if bias is None else np.broadcast_to(bias, (len(node.weight),))


def _sizes(chain: Chain, node: Any, name: str, axes: int, least: int) -> tuple[int, ...]:
    """A whole number for each axis of pixels, from one for all, or one for each."""
    given = np.ravel(np.asarray(getattr(node, name)))
    whole = given.dtype.kind in "iuf" and given.size in (1, axes) and bool(((given >= least) & (given == np.rint(given))).all())
    if not whole or given.max() > MOST_STEPS:
        chain.refuse(f"has {name}={given.tolist()!r:.60}", f"give {axes} whole numbers, from {least} on")
    return windows(given, axes)
