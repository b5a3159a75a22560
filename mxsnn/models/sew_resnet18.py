"""SEW-ResNet-18, the network of Spiking-FER."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.models.residual import Block, Connect, Network, Part, add, convolved, pair, pairs, uncounted, uniform
from mxsnn.neurons import IF, Neuron
from mxsnn.reset import detached, to_value
from mxsnn.surrogate import atan, inclusive
from mxsnn.typing import Array

NEURON = IF(fire=inclusive(atan()), reset=detached(to_value(0.0)))


class SEWResNet18(Network):
    """A 7x7 stem and four stages of two SEW blocks, on ResNet-18's plan; mean over pixels and time; a readout without bias.

    xs[T, B, H, W, C] -> (state, logits[B, K]). The stem quarters the pictures, every stage but the first halves them; any size goes
    through. Neurons are IF with a hard reset; others may be given, with what they learn. With `zero_init` blocks begin as their
    connection alone. Source: Barchid et al. (2023), Spiking-FER, arXiv 2304.10211, on SpikingJelly's `multi_step_sew_resnet18`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int] = (64, 128, 256, 512),
        neuron: Neuron = NEURON,
        connect: Connect = add,
        *,
        blocks: int = 2,
        zero_init: bool = True,
        learn: Sequence[str] = (),
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        inputs, outputs = shape[-1], channels[0]
        options: dict[str, Any] = {"scale": getattr(neuron, "drive", 1.0), "dtype": dtype, "rngs": rngs}
        neurons = functools.partial(nn.Spiking, neuron, learn=learn)
        layers: list[tuple[str, Part]] = [
            ("stem", nn.Stack(*convolved(inputs, outputs, 7, 2, **options), neurons())),
            ("pool", nn.Stack(nn.MaxPool((3, 3), (2, 2), (1, 1)))),
        ]
        options["init"] = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")
        inputs = outputs
        for k, outputs in enumerate(channels, 1):
            for n in range(1, blocks + 1):
                stride = 2 if k > 1 and n == 1 else 1
                block = Block(inputs, outputs, stride, neurons=neurons, connect=connect, zero_init=zero_init, **options)
                layers.append((f"stage {k} block {n}", block))
                inputs = outputs
        layers.append(("average", nn.Stack(_average)))
        self.blocks = blocks
        super().__init__(layers, nnx.Linear(inputs, classes, use_bias=False, kernel_init=uniform, rngs=rngs), dtype)

    def published(self, weights: Collection[str]) -> dict[str, Any]:
        """What `interop.load_weights` is to know, as keywords, of a state dict of Spiking-FER with arrays of these names.

        Before `encoder.` and `fc.` may stand what a checkpoint of Lightning has there (`model.`).
        """
        before = next((name.removesuffix("encoder.conv1.weight") for name in weights if name.endswith("encoder.conv1.weight")), "")
        encoder = f"{before}encoder"
        names = {"head.kernel": f"{before}fc.weight"}
        stem: Any = self.layers[0]
        names |= pairs(stem.layers, "layers.0", f"{encoder}.conv1", f"{encoder}.bn1", f"{encoder}.sn1")
        for k, layer in enumerate(self.layers):
            if isinstance(layer, Block):
                stage, block = divmod(k - 2, self.blocks)
                ours, theirs = f"layers.{k}", f"{encoder}.layer{stage + 1}.{block}"
                names |= pairs(layer.first.layers, f"{ours}.first", f"{theirs}.conv1", f"{theirs}.bn1", f"{theirs}.sn1")
                names |= pairs(layer.second.layers, f"{ours}.second", f"{theirs}.conv2", f"{theirs}.bn2")
                names |= pair(layer.spiking, f"{ours}.spiking", f"{theirs}.sn2")
                if layer.short is not None:
                    short = f"{theirs}.downsample"
                    names |= pairs(layer.short.layers, f"{ours}.short", f"{short}.0", f"{short}.1", f"{theirs}.downsample_sn")
        return {"names": names, "unused": uncounted(weights)}


def _average(x: Array) -> Array:
    """Mean over pixels, `[B, H, W, C] -> [B, C]`."""
    return x.mean((1, 2))
