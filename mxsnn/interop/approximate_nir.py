"""Networks as the nearest NIR graphs, and what that changes on given inputs."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mxsnn import nn
from mxsnn.interop.export import layers
from mxsnn.interop.membranes import SECONDS
from mxsnn.interop.nearest import near
from mxsnn.interop.to_nir import to_nir
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
    nearest = nn.Stack(*(near(name, layer, losses) for name, layer in given))
    graph = to_nir(nearest, inputs.shape[2:], dt=dt, scheme=scheme, unit=unit)
    ours, theirs = (stack.outputs(inputs)[1] for stack in (nn.Stack(*(layer for _, layer in given)), nearest))
    deviations = [
        LayerDeviation(name, float(np.mean(np.asarray(a != b))), float(jnp.mean(a)), float(jnp.mean(b)))
        for (name, layer), a, b in zip(given, ours, theirs, strict=True)
        if isinstance(layer, nn.Spiking)
    ]
    return graph, Deviation(tuple(losses), tuple(deviations))
