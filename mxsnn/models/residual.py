"""What the residual networks of spiking neurons are made of: connections, blocks, the walk through them, names of their weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from mxsnn import nn
from mxsnn.models.headed import Headed
from mxsnn.typing import Array, State

Connect = Callable[[Array, Array], Array]
"""`(out, x)`, what a branch of two convolutions gives and what went into it, to what goes on."""


def add(out: Array, x: Array) -> Array:
    """ADD: out + x. Of spikes it makes whole numbers above 1."""
    return out + x


def and_(out: Array, x: Array) -> Array:
    """AND: out x."""
    return out * x


def iand(out: Array, x: Array) -> Array:
    """IAND: (1 - out) x."""
    return (1 - out) * x


def alone(out: Array, x: Array) -> Array:
    """out: no connection."""
    return out


def convolved(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, init=None, scale=1.0, bias=0.0, dtype: Any, rngs: nnx.Rngs
) -> list:
    """A convolution padded by kernel // 2 on each side, without bias, and its batch norm: PyTorch's, with its initial values.

    The running variance takes in that of the batch; PyTorch's takes n / (n - 1) times as much, n = T B H W.
    """
    pad = (kernel // 2,) * 2
    conv = nnx.Conv(
        inputs,
        outputs,
        (kernel, kernel),
        stride,
        padding=(pad, pad),
        use_bias=False,
        kernel_init=init or uniform,
        dtype=dtype,
        rngs=rngs,
    )
    begin = {"scale_init": nnx.initializers.constant(scale), "bias_init": nnx.initializers.constant(bias)}
    return [conv, nnx.BatchNorm(outputs, momentum=0.9, **begin, dtype=dtype, rngs=rngs)]


uniform = nnx.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""Between -1/sqrt(fan_in) and 1/sqrt(fan_in), as PyTorch begins."""


class Block(nn.Temporal):
    """Two convolutions of 3x3, and what went into them: `xs[T, B, H, W, inputs] -> (state, [T, B, H', W', outputs])`.

    mid = neurons(norm(conv(x)));  out = neurons(current(norm(conv(mid)), x));  connect(out, x)

    Where the pictures are halved (`stride` 2) or the channels change, neurons(norm(1x1 conv(x))), `short`, takes the place of x.
    With `zero_init` the last norm begins with the scale 0, and with the bias 0, for AND 1, as published: x goes on as it is where a
    current of 1 makes neurons fire at every step.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        neurons: Callable[[], nn.Spiking],
        connect: Connect = add,
        current: Connect = alone,
        zero_init: bool = False,
        **options: Any,
    ):
        self.connect, self.current = connect, current
        self.first = nn.Stack(*convolved(inputs, outputs, 3, stride, **options), neurons())
        last: dict[str, Any] = {"scale": 0.0, "bias": float(connect is and_)} if zero_init else {}
        self.second = nn.Stack(*convolved(outputs, outputs, 3, **{**options, **last}))
        self.spiking = neurons()
        changes = stride > 1 or inputs != outputs
        self.short = nn.Stack(*convolved(inputs, outputs, 1, stride, **options), neurons()) if changes else None

    def __call__(self, xs: Array, state: State = None) -> tuple[State, Array]:
        return self.trace(xs, state)[:2]

    def trace(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        """Like a call, with the spikes of its neurons: `mid`, `out` and, where it has one, `short`."""
        first, last, short = (None, None, None) if state is None else state
        first, mid = self.first(xs, first)
        _, out = self.second(mid)
        spikes = {"mid": mid}
        if self.short is not None:
            short, xs = self.short(xs, short)
            spikes["short"] = xs
        last, spikes["out"] = self.spiking(self.current(out, xs), last)
        return (first, last, short), self.connect(spikes["out"], xs), spikes


Part = nn.Stack | Block


class Network(Headed):
    """Layers by name, mean over time, a linear readout: `xs[T, B, H, W, C] -> (state, logits[B, K])`, in float32 at least.

    Chunks with the state carried make one pass, whose logits are the mean of theirs, weighted by their steps.
    """

    def __init__(self, layers: Sequence[tuple[str, Part]], head: nnx.Linear, dtype: Any):
        self.names = tuple(name for name, _ in layers)
        self.layers = nnx.List([layer for _, layer in layers])
        self.head = head
        self.dtype = dtype

    def features(self, xs: Array, state: State = None) -> tuple[State, Array, dict[str, Array]]:
        states = (None,) * len(self.layers) if state is None else state
        xs = jnp.asarray(xs, self.dtype)
        after, spikes = [], {}
        for name, layer, s in zip(self.names, self.layers, states, strict=True):
            if isinstance(layer, Block):
                s, xs, found = layer.trace(xs, s)
                spikes |= {f"{name} {which}": out for which, out in found.items()}
            else:
                s, xs = layer(xs, s)
                if isinstance(layer.layers[-1], nn.Spiking):
                    spikes[name] = xs
            after.append(s)
        return tuple(after), nn.mean(xs).reshape(xs.shape[1], -1), spikes


def pairs(layers: Iterable[Any], ours: str, *theirs: str) -> Iterator[tuple[str, str]]:
    """Names of the variables of layers of a stack, here and in a state dict of PyTorch, where each layer has its own name."""
    for k, (layer, name) in enumerate(zip(layers, theirs, strict=True)):
        yield from pair(layer, f"{ours}.layers.{k}", name)


def pair(layer: Any, ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    """The same of one layer: a convolution, a norm or neurons."""
    if isinstance(layer, nn.Spiking):
        yield from ((f"{ours}.learned.{name}", f"{theirs}.{name}") for name in layer.learned)
        return
    names = {"kernel": "weight"}
    if isinstance(layer, nnx.BatchNorm):
        names = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
    yield from ((f"{ours}.{a}", f"{theirs}.{b}") for a, b in names.items())


def uncounted(weights: Collection[str]) -> list[str]:
    """How many batches each norm of PyTorch has seen, which is of no use with a fixed momentum."""
    return [name for name in weights if name.endswith(".num_batches_tracked")]
