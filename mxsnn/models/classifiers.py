"""Classifiers described in a word: those of the package, or one in a file of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flax import nnx

from mxsnn.errors import UserError
from mxsnn.models.cnn3d import CNN3D
from mxsnn.models.cnn_gru import CNNGRU
from mxsnn.models.described import with_file
from mxsnn.models.frame_cnn import MeanFrameCNN, StackCNN
from mxsnn.models.fusion import Averaged, Fused, Middle, Weighted
from mxsnn.models.matched import matched
from mxsnn.models.recipe import Recipe
from mxsnn.models.residual import add, and_, iand
from mxsnn.models.sew_resnet import PlainNet, SEWResNet, SpikingResNet
from mxsnn.models.sew_resnet18 import SEWResNet18
from mxsnn.models.spiking_cnn import SpikingCNN
from mxsnn.nn import ChannelAttention, SpatialAttention, TimeAttention
from mxsnn.spec import build


def _named(*parts: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {part.__name__: part for part in parts}


CLASSIFIERS = _named(
    SpikingCNN,
    SEWResNet,
    PlainNet,
    SpikingResNet,
    SEWResNet18,
    MeanFrameCNN,
    StackCNN,
    CNNGRU,
    CNN3D,
    Fused,
    matched,
)
"""By name. Each is made of `(shape (H, W, C), classes, *, dtype, rngs)` and its options, spiking ones also of `neuron` and `learn`.

Called it gives `xs[T, B, H, W, C] -> (state, logits[B, K])`; `trace` beside it the spikes `[T, B, ...]` of each layer by name."""

PARTS = _named(TimeAttention, ChannelAttention, SpatialAttention, Middle, Averaged, Weighted)
"""What options of networks are made of, by name."""

FUNCTIONS = _named(add, and_, iand)
"""What they are given as it is."""


def classifier(text: str) -> Recipe:
    """The network of `SpikingCNN`, `SpikingCNN(channels=(16, 32))`, or `FILE.py:MyNetwork(width=8)`, whose file is run.

    Options may name and call what is in `CLASSIFIERS`, `PARTS`, `FUNCTIONS` and the file: `Fused(SpikingCNN, StackCNN(16),
    Averaged)`, `matched(StackCNN(16), SpikingCNN)`. Raises UserError for what is no network, and for options that it has not.
    """
    made = CLASSIFIERS | PARTS
    call, words = with_file(text, made | FUNCTIONS)
    known = {name: Recipe(word) if name in made or _is_module(word) else word for name, word in words.items()}
    found = build(call, known)
    if not isinstance(found, Recipe) or found.cls in PARTS.values():
        raise UserError(f"{text!r} is no network; write it like SpikingCNN(channels=(16, 32)), or FILE.py:MyNetwork")
    return found


def _is_module(word: Any) -> bool:
    return isinstance(word, type) and issubclass(word, nnx.Module)
