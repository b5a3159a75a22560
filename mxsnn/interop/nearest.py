"""What NIR can say that is nearest to what it cannot."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.interop.export import kind_of
from mxsnn.interop.to_nir_nodes import MEMBRANES, bare
from mxsnn.neurons import ALIF, CLIF, KLIF, LIF, Autapse, IntegerLIF, Late, NextStepReset, Refractory, TernaryLIF
from mxsnn.reset import none, to_value

LEAKY: dict[type, str] = {
    ALIF: "the adaptation of its threshold",
    KLIF: "its factor k and its rectifier",
    CLIF: "its complementary potential",
    TernaryLIF: "its negative spikes",
    IntegerLIF: "that it counts: more than one spike a step",
}


def near(name: str, layer: Any, losses: list[str]) -> Any:
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
    reset = bare(getattr(neuron, "reset", none))
    if type(neuron) not in MEMBRANES or isinstance(reset, to_value) or reset is none:
        return neuron
    rest = np.asarray(getattr(neuron, "v_rest", 0.0))
    same = bool((rest == rest.flat[0]).all())
    lost(f"its reset, {getattr(reset, '__name__', reset)}: it is reset to {'rest' if same else '0'} instead")
    return dataclasses.replace(neuron, reset=to_value(float(rest.flat[0]) if same else 0.0))
