"""A chain of layers that are channel-first elsewhere, built as a Stack of channel-last ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn import nn
from mxsnn.neurons import Neuron
from mxsnn.typing import Array

Shape = tuple[int, ...]


def channels_last(array: np.ndarray) -> np.ndarray:
    """Numbers of neurons `[C, ...]` as `[..., C]`; `[N]` and single ones stay."""
    return np.moveaxis(array, 0, -1) if array.ndim > 1 else array


def channels_first(array: np.ndarray) -> np.ndarray:
    """Numbers of neurons `[..., C]` as `[C, ...]`; `[N]` and single ones stay."""
    return np.moveaxis(array, -1, 0) if array.ndim > 1 else array


def first(shape: Sequence[int]) -> Shape:
    """The shape of a sample `[..., C]` as others have it, `[C, ...]`."""
    return (shape[-1], *shape[:-1])


def last(shape: Sequence[int]) -> Shape:
    """The shape of a sample `[C, ...]` as mxsnn has it, `[..., C]`."""
    return (*shape[1:], shape[0])


def flattened(shape: Sequence[int]) -> np.ndarray:
    """Where each feature of a flattened `[C, ...]` lies among those of the same flattened as `[..., C]`, which has this shape."""
    return channels_first(np.arange(math.prod(shape)).reshape(shape)).ravel()


def number(array: Any) -> Any:
    """A Python number where all are the same, else the array: equal neurons share what they share."""
    array = np.asarray(array, np.float64)
    return float(array.flat[0]) if array.size and (array == array.flat[0]).all() else array.astype(np.float32)


class Ordered(nnx.Module):
    """x[..., order]: features in the order in which another library has them."""

    def __init__(self, order: np.ndarray):
        self.order = tuple(order.tolist())

    def __call__(self, x: Array) -> Array:
        return x[..., np.asarray(self.order)]


class Chain:
    """Collects the layers; `shape` is that of a sample after them, channel-last.

    A Flatten leaves features in another order than a channel-first one. The dense layer behind it takes that up in its columns; a
    layer that looks at single features before that gets an `Ordered` in front.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape: Shape = tuple(shape)
        self.layers: list[Callable] = []
        self.order: np.ndarray | None = None
        self.at = ""  # the layer that is being added, by the name that it has where it comes from

    def stack(self) -> nn.Stack:
        self.settle()
        return nn.Stack(*self.layers)

    def refuse(self, what: str, do: str) -> NoReturn:
        raise ValueError(f"layer {self.at}: {what}; {do}")

    def settle(self) -> None:
        """What follows sees the features in the order of the channel-first network."""
        if self.order is not None:
            self.layers.append(Ordered(self.order))
            self.order = None

    # ---- layers with weights --------------------------------------------------------------------------------------------------

    def linear(self, weight: np.ndarray, bias: np.ndarray | None) -> None:
        """`weight[out, in]`."""
        outs, ins = weight.shape
        self._features(ins)
        layer = nnx.Linear(ins, outs, use_bias=bias is not None, rngs=nnx.Rngs(0))
        layer.kernel[...] = jnp.asarray(columns(weight, self.order).T)
        self.order = None
        self._add(layer, bias, (outs,))

    def conv(
        self,
        weight: np.ndarray,
        bias: np.ndarray | None,
        stride: Shape,
        padding: Shape | str,
        dilation: Shape,
        groups: int,
    ) -> None:
        """`weight[out, in / groups, ...]`; stride and dilation as `windows` has them, padding such pairs, "same" or "valid"."""
        outs, ins, *kernel = weight.shape
        self._channels(ins * groups, len(kernel))
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if padding == "same":
            pads = [(r // 2, r - r // 2) for r in reach]
        else:
            pads = [(p, p) for p in ((0,) * len(kernel) if isinstance(padding, str) else padding)]
        layer = nnx.Conv(
            ins * groups,
            outs,
            tuple(kernel),
            stride,
            padding=pads,
            kernel_dilation=dilation,
            feature_group_count=groups,
            use_bias=bias is not None,
            rngs=nnx.Rngs(0),
        )
        layer.kernel[...] = jnp.asarray(kernel_of(weight))
        sizes = tuple((n + lo + hi - r - 1) // s + 1 for n, (lo, hi), r, s in zip(self.shape, pads, reach, stride, strict=False))
        self._sized(sizes)
        self._add(layer, bias, (*sizes, outs))

    def norm(self, mean: Any, var: Any, scale: Any, bias: Any, epsilon: float, momentum: float) -> None:
        """Batch norm as in evaluation, one number a channel; `scale` and `bias` may be None."""
        if self.shape[-1] != len(mean):
            self.refuse(f"normalises {len(mean)} channels, and gets {list(self.shape)}", "mend the shape that was given")
        self.settle()
        layer = nnx.BatchNorm(
            len(mean),
            use_running_average=True,
            momentum=momentum,
            epsilon=epsilon,
            use_scale=scale is not None,
            use_bias=bias is not None,
            rngs=nnx.Rngs(0),
        )
        variables: list[Any] = [layer.mean, layer.var, layer.scale, layer.bias]
        for variable, values in zip(variables, (mean, var, scale, bias), strict=True):
            if values is not None:
                variable[...] = jnp.asarray(values)
        self.layers.append(layer)

    def _add(self, layer: Any, bias: np.ndarray | None, shape: Shape) -> None:
        if bias is not None:
            layer.bias[...] = jnp.asarray(bias)
        self.layers.append(layer)
        self.shape = shape

    # ---- layers without -------------------------------------------------------------------------------------------------------

    def pool(self, kind: type, kernel: Shape, stride: Shape, padding: Shape) -> None:
        self._channels(self.shape[-1], len(kernel))
        sizes = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(self.shape, kernel, stride, padding, strict=False))
        self._sized(sizes)
        self.layers.append(kind(kernel, stride, padding if any(padding) else None))
        self.shape = (*sizes, self.shape[-1])

    def flatten(self) -> None:
        if len(self.shape) > 1:
            self.order = flattened(self.shape)
            self.layers.append(nn.Flatten())
            self.shape = (math.prod(self.shape),)

    def each(self, layer: Callable) -> None:
        """A layer that treats all features alike."""
        self.layers.append(layer)

    def neurons(self, neuron: Neuron, learn: Sequence[str] = ()) -> None:
        """A layer of neurons; parameters that are arrays are channel-last already."""
        if any(np.ndim(value) for value in jax.tree.leaves(neuron)):
            self.settle()
        x = jax.ShapeDtypeStruct((1, *self.shape), jnp.float32)
        try:
            fits = jax.eval_shape(lambda x: neuron.step(neuron.init(x.shape), x)[1], x).shape == x.shape
        except (ValueError, TypeError):
            fits = False
        if not fits:
            shapes = sorted({str(list(np.shape(value))) for value in jax.tree.leaves(neuron) if np.ndim(value)})
            self.refuse(f"parameters {', '.join(shapes)} do not fit neurons {list(self.shape)}", "channel-last, they broadcast")
        self.layers.append(nn.Spiking(neuron, learn=learn))

    def recurrent(self, neuron: Neuron, weight: np.ndarray, bias: np.ndarray | None, learn: Sequence[str] = ()) -> None:
        """Neurons that hear each other a step later by `weight[to, from]`."""
        self.settle()
        self._features(len(weight))
        if bias is not None:
            self.layers.append(nn.Bias(jnp.asarray(bias)))
        layer = nn.Recurrent(neuron, len(weight), learn=learn, rngs=nnx.Rngs(0))
        layer.kernel[...] = jnp.asarray(weight.T)
        self.layers.append(layer)

    # ---- what cannot be -------------------------------------------------------------------------------------------------------

    def _features(self, ins: int) -> None:
        if self.shape != (ins,):
            self.refuse(f"hears {ins} features, and gets {list(self.shape)}", "flatten before it, or mend the shape that was given")

    def _channels(self, ins: int, axes: int) -> None:
        if len(self.shape) != axes + 1 or self.shape[-1] != ins:
            wanted = f"[{'..., ' * bool(axes)}{ins}] with {axes} axes of pixels"
            self.refuse(f"takes {wanted}, and gets {list(self.shape)}", "mend the shape that was given, channel last")

    def _sized(self, sizes: Shape) -> None:
        if min(sizes) < 1:
            self.refuse(f"leaves no pixels of {list(self.shape)}", "give larger pictures")


def columns(weight: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    """`weight[out, in]` for features in channel-last order, where `flattened` gave this one."""
    if order is None:
        return weight
    arranged = np.empty_like(weight)
    arranged[:, order] = weight
    return arranged


def normed(layer: nnx.BatchNorm) -> tuple[np.ndarray, np.ndarray]:
    """The factor and the shift of each channel that a batch norm is in evaluation, in float64."""
    factor = 1 / np.sqrt(np.asarray(layer.var[...], np.float64) + layer.epsilon)
    factor = factor if layer.scale is None else factor * np.asarray(layer.scale[...])
    shift = 0.0 if layer.bias is None else np.asarray(layer.bias[...])
    return factor, shift - np.asarray(layer.mean[...]) * factor


def kernel_of(weight: np.ndarray) -> np.ndarray:
    """A convolution's `weight[out, in, ...]` as `[..., in, out]`."""
    return np.moveaxis(weight, (0, 1), (-1, -2))


def windows(value: Any, axes: int) -> Shape:
    """A size for each axis of pixels, from one for all, or one for each."""
    sizes = np.ravel(np.asarray(value)).tolist()
    return tuple(int(n) for n in (sizes * axes if len(sizes) == 1 else sizes))
