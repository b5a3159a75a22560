"""Networks as the nearest NIR graphs, and what that changes on given inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.interop.export import kind_of, layers
from mxsnn.interop.membranes import SECONDS
from mxsnn.interop.to_nir import to_nir
from mxsnn.interop.to_nir_nodes import bare
from mxsnn.neurons import ALIF, CLIF, KLIF, LIF, Autapse, IntegerLIF, Late, NextStepReset, Refractory, TernaryLIF
from mxsnn.reset import none, to_value
from mxsnn.typing import Decay


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
    if isinstance(bare(reset), to_value) or bare(reset) is none:
        return neuron
    lost(f"its reset, {getattr(bare(reset), '__name__', reset)}: it is reset to rest instead")
    rest = np.asarray(getattr(neuron, "v_rest", 0.0))
    value = float(rest.flat[0]) if (rest == rest.flat[0]).all() else 0.0
    return dataclasses.replace(neuron, reset=to_value(value))
