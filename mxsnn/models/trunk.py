"""The convolutional trunk that the compact networks share, with neurons or without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.typing import Array, State

CHANNELS = (16, 32, 64)


def nothing(channels: int) -> Sequence[Callable]:
    """No layers."""
    return ()


def relu(channels: int) -> Sequence[Callable]:
    """Those of a network of frames."""
    return (nnx.relu,)


class Neighbours(nn.Temporal):
    """Each frame with those `reach` steps before and after it as channels, `[T, B, H, W, (2 reach + 1) C]`.

    Beyond the ends there are zeros. A convolution of it over pixels is one over time and pixels.
    """

    def __init__(self, reach: int = 1):
        self.reach = reach

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        padded = jnp.pad(xs, [(self.reach,) * 2, *[(0, 0)] * (xs.ndim - 1)])
        return None, jnp.concatenate([padded[k : k + len(xs)] for k in range(2 * self.reach + 1)], -1)


def trunk(
    shape: Sequence[int],
    channels: Sequence[int],
    after: Callable[[int], Sequence[Callable]] = relu,
    before: Callable[[int], Sequence[Callable]] = nothing,
    *,
    reach: int = 0,
    scale: float = 1.0,
    dtype: Any = jnp.float32,
    rngs: nnx.Rngs,
) -> tuple[list[Callable], int]:
    """Blocks of convolution, 2x2 reduction, `before(channels)`, batch norm, `after(channels)`; and how many features come out.

    The first block is a 5x5 convolution with stride 2, the others are 3x3 convolutions with 2x2 maximum pooling: pictures `[H, W,
    C]` that are `cut` to multiples of 2 to the number of blocks are halved by each. Convolutions span so many steps before and
    after each as `reach` says. The norms' scales begin at `scale`. Raises ValueError for pictures that are too small for so many
    blocks.
    """
    height, width, inputs = shape
    multiple = 2 ** len(channels)
    if not channels or min(channels) < 1:
        raise ValueError(f"a network has channels, at least one in each block; got {tuple(channels)}")
    if min(height, width) < multiple:
        few = f"{width}x{height} pixels are too few: take fewer channels"
        raise ValueError(f"{len(channels)} blocks halve the picture as often; {few}")
    layers: list[Callable] = []
    strength = nnx.initializers.constant(scale)
    for block, outputs in enumerate(channels):
        layers += [Neighbours(reach)] * (reach > 0)
        inputs *= 2 * reach + 1
        # What comes after the reduction has a quarter of the work, and spikes need no pooling. The first convolution has few
        # channels, so its cost is in its pixels: striding saves most of it.
        if block == 0:
            layers.append(nnx.Conv(inputs, outputs, (5, 5), 2, padding=((2, 1), (2, 1)), use_bias=False, dtype=dtype, rngs=rngs))
        else:
            layers += [nnx.Conv(inputs, outputs, (3, 3), use_bias=False, dtype=dtype, rngs=rngs), nn.max_pool]
        layers += before(outputs)
        layers += [nnx.BatchNorm(outputs, momentum=0.9, dtype=dtype, scale_init=strength, rngs=rngs), *after(outputs)]
        inputs = outputs
    return layers, (height // multiple) * (width // multiple) * inputs


def cut(xs: Array, blocks: int) -> Array:
    """The middle of pictures `[..., H, W, C]`, its sides multiples of 2 to the number of blocks: even sizes also run faster."""
    multiple, (height, width) = 2**blocks, xs.shape[-3:-1]
    top, left = height % multiple // 2, width % multiple // 2
    return xs[..., top : top + height // multiple * multiple, left : left + width // multiple * multiple, :]
