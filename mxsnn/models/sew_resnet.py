"""Spike-Element-Wise ResNets for event data, with the plain and the spiking ResNet that they are compared with.

Source: Fang et al. (2021), Deep Residual Learning in Spiking Neural Networks, arXiv 2102.04159, and its code,
github.com/fangwei123456/Spike-Element-Wise-ResNet (dvsgesture/smodels.py, cifar10dvs/smodels.py).
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.models.residual import (
    Block,
    Connect,
    Network,
    Part,
    add,
    alone,
    and_,
    convolved,
    iand,
    pair,
    pairs,
    uncounted,
    uniform,
)
from mxsnn.neurons import PLIF, Neuron
from mxsnn.typing import Array

__all__ = ["CIFAR10", "GESTURE", "PlainNet", "SEWResNet", "SpikingResNet", "add", "alone", "and_", "iand"]

GESTURE = (32,) * 7
CIFAR10 = (64,) * 4 + (128,) * 3
NEURON = PLIF()


class PlainNet(Network):
    """Stages of a 1x1 convolution where the channels change, blocks of two 3x3 ones, 2x2 maximum pooling; mean over time; readout.

    xs[T, B, H, W, C] -> (state, logits[B, K]). `channels` has one number a stage, of which the first `stages` are built: seven
    take 128x128 pixels to one, as published, and 64x64 have six. A row that a stage cannot halve is cut off, what the last one
    leaves is flattened. Neurons are PLIF with tau = 2 steps, each layer with a w of its own that is learned; others may be given,
    with what they learn. With `zero_init` the last norm of each block begins at 0 (`Block`).

    Raises ValueError for more stages than the pictures can be halved, or than there are channels.
    """

    connect: Any = staticmethod(alone)
    current: Any = staticmethod(alone)

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int] = GESTURE,
        neuron: Neuron = NEURON,
        *,
        stages: int | None = None,
        blocks: int = 1,
        zero_init: bool = False,
        learn: Sequence[str] = ("w",),
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        height, width, inputs = shape
        channels = _stages(channels, stages, height, width)
        options: dict[str, Any] = {"scale": getattr(neuron, "drive", 1.0), "dtype": dtype, "rngs": rngs}
        neurons = functools.partial(nn.Spiking, neuron, learn=learn)
        layers: list[tuple[str, Part]] = []
        for k, outputs in enumerate(channels, 1):
            if outputs != inputs:
                layers.append((f"stage {k} in", nn.Stack(*convolved(inputs, outputs, 1, **options), neurons())))
            for n in range(1, blocks + 1):
                kind = {"connect": self.connect, "current": self.current, "zero_init": zero_init}
                block = Block(outputs, outputs, neurons=neurons, **kind, **options)
                layers.append((f"stage {k} block {n}", block))
            layers.append((f"stage {k} pool", nn.Stack(nn.MaxPool((2, 2)))))
            height, width, inputs = height // 2, width // 2, outputs
        self.grid = (height, width, inputs)
        super().__init__(layers, readout(height * width * inputs, classes, rngs), dtype)

    @classmethod
    def dvs_gesture(cls, shape=(128, 128, 2), classes: int = 11, **options: Any) -> Self:
        """ "7B-Net" for DVS128 Gesture, seven stages of 32 channels: 130,426 parameters."""
        return cls(shape, classes, GESTURE, **options)

    @classmethod
    def cifar10_dvs(cls, shape=(128, 128, 2), classes: int = 10, **options: Any) -> Self:
        """The net for CIFAR10-DVS, four stages of 64 channels and three of 128: 1,192,218 parameters."""
        return cls(shape, classes, CIFAR10, **options)

    def published(self, weights: Collection[str]) -> dict[str, Any]:
        """What `interop.load_weights` is to know, as keywords, of a state dict of the published code with arrays of these names.

        SpikingJelly's containers called what they hold `0.module.0.weight` then, and `0.0.weight` later; either is known.
        """
        inner = "0.module" if any(".module." in name for name in weights) else "0"
        names: dict[str, str] = {"head.kernel": "out.weight", "head.bias": "out.bias"}
        for k, layer in enumerate(self.layers):
            ours, theirs = f"layers.{k}", f"conv.{k}"
            if isinstance(layer, Block):
                first, last = f"{theirs}.conv.0", f"{theirs}.conv.1"
                names |= pairs(layer.first.layers, f"{ours}.first", f"{first}.{inner}.0", f"{first}.{inner}.1", f"{first}.1")
                # The last neurons are the block's own where x joins their currents.
                inside, sn = (f"{last}.{inner}", f"{last}.1") if layer.current is alone else (f"{last}{inner[1:]}", f"{theirs}.sn")
                names |= pairs(layer.second.layers, f"{ours}.second", f"{inside}.0", f"{inside}.1")
                names |= pair(layer.spiking, f"{ours}.spiking", sn)
            elif len(layer.layers) > 1:
                names |= pairs(layer.layers, ours, f"{theirs}.{inner}.0", f"{theirs}.{inner}.1", f"{theirs}.1")
        return {"names": names, "unused": uncounted(weights), "flat": {"head": self.grid}}


class SpikingResNet(PlainNet):
    """A `PlainNet` in which what goes into a block joins the currents of its last neurons."""

    current = staticmethod(add)


class SEWResNet(PlainNet):
    """A `PlainNet` in which what goes into a block is connected with the spikes of its last neurons, by `add`, `and_` or `iand`."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int] = GESTURE,
        neuron: Neuron = NEURON,
        connect: Connect = add,
        *,
        stages: int | None = None,
        blocks: int = 1,
        zero_init: bool = False,
        learn: Sequence[str] = ("w",),
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.connect = connect
        options: dict[str, Any] = {"stages": stages, "blocks": blocks, "zero_init": zero_init, "learn": learn}
        super().__init__(shape, classes, channels, neuron, **options, dtype=dtype, rngs=rngs)


def _stages(channels: Sequence[int], stages: int | None, height: int, width: int) -> Sequence[int]:
    wanted = len(channels) if stages is None else stages
    fit = min(height, width).bit_length() - 1
    if not 1 <= wanted <= len(channels):
        raise ValueError(f"stages is {stages}, of {len(channels)} in channels; give 1 to {len(channels)}, or more channels")
    if wanted > fit:
        do = f"give stages={fit}" if fit else "take larger pictures"
        raise ValueError(f"{wanted} stages halve the pictures as often, and {fit} fit into {width}x{height} pixels; {do}")
    return channels[:wanted]


def readout(features: int, classes: int, rngs: nnx.Rngs) -> nnx.Linear:
    """A linear layer with PyTorch's initial values."""

    def begin(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return jax.random.uniform(key, shape, dtype, -1, 1) / features**0.5

    return nnx.Linear(features, classes, kernel_init=uniform, bias_init=begin, rngs=rngs)
