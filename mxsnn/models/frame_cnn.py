"""Networks that see one picture of a clip: its mean frame, or all its frames side by side as channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.models.headed import Headed
from mxsnn.models.trunk import CHANNELS, cut, trunk
from mxsnn.typing import Array, State


class _OnePicture(Headed):
    """The trunk of `SpikingCNN` with ReLU in the place of neurons, once a clip."""

    def __init__(self, shape: Sequence[int], classes: int, channels: Sequence[int], dtype: Any, rngs: nnx.Rngs):
        layers, features = trunk(shape, channels, dtype=dtype, rngs=rngs)
        self.body = nn.Stack(*layers)
        self.head = nnx.Linear(features, classes, rngs=rngs)
        self.blocks, self.dtype = len(channels), dtype

    def _seen(self, picture: Array) -> Array:
        """Features `[B, F]` of pictures `[B, H, W, C]`."""
        _, out = self.body(cut(picture, self.blocks).astype(self.dtype)[None])
        return out[0].reshape(len(picture), -1).astype(jnp.float32)


class MeanFrameCNN(_OnePicture):
    """A convolutional network on the mean of a clip's frames, `xs[T, B, H, W, C] -> (state, logits[B, K])`: it knows no time.

    The trunk is that of `SpikingCNN`, with ReLU. The state is `(how many frames, their mean)`, so that chunks end where one pass
    does. Raises ValueError for pictures that are too small for so many blocks.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int] = CHANNELS,
        *,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        super().__init__(shape, classes, channels, dtype, rngs)

    def features(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        seen, mean = (jnp.int32(0), jnp.zeros(xs.shape[1:])) if state is None else state
        count = seen + len(xs)
        mean = mean + (xs.astype(jnp.float32) - mean).sum(0) / count
        return (count, mean), self._seen(mean), {}


class StackCNN(_OnePicture):
    """A convolutional network on all frames of a clip side by side as channels, `xs[steps, B, H, W, C] -> (None, logits[B, K])`.

    Of differenced frames it is the network on the difference stack, of event voxels the event-voxel network. The trunk is that of
    `SpikingCNN`, with ReLU. It sees a clip whole. Raises ValueError for pictures that are too small for so many blocks, for another
    number of steps, and for a state.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        steps: int,
        channels: Sequence[int] = CHANNELS,
        *,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        if steps < 1:
            raise ValueError(f"StackCNN sees at least one step; got steps={steps}")
        height, width, inputs = shape
        super().__init__((height, width, steps * inputs), classes, channels, dtype, rngs)
        self.steps = steps

    def features(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        if len(xs) != self.steps or state is not None:
            got = f"{len(xs)} steps" if state is None else "a part of one"
            raise ValueError(f"this StackCNN sees clips of {self.steps} steps, whole; got {got}; make it with as many steps")
        return None, self._seen(jnp.moveaxis(xs, 0, -2).reshape(*xs.shape[1:4], -1)), {}
