"""How much faster are layers as mxsnn computes them than as XLA has them? `python -m benchmarks.layers [--repeats 9]`.

Maxima over windows by slices (`nn.max_pool`, `nn.MaxPool`) beside `lax.reduce_window`, and the three steps of a 3-D convolution as
channels (`models.cnn3d`) beside a convolution over three axes; each with its gradient, compiled, turn by turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks._timing import best, machine
from mxsnn import nn
from mxsnn.models.trunk import Neighbours


def windows(kernel: int, stride: int, pad: int) -> Callable[[jax.Array], jax.Array]:
    pads = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    return lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, kernel, kernel, 1), (1, stride, stride, 1), pads)


def gradient(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> Callable[[], jax.Array]:
    compiled = jax.jit(jax.grad(lambda x: (function(x) ** 2).sum())).lower(x).compile()
    return lambda: jax.block_until_ready(compiled(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(machine("mxsnn", "jax"))
    key = jax.random.key(0)
    spikes = (jax.random.uniform(key, (192, 64, 64, 32)) < 0.2).astype(jnp.float32)
    cases = [
        ("maxima over 2x2, nn.max_pool", nn.max_pool, windows(2, 2, 0), spikes),
        ("maxima over 2x2, nn.MaxPool", nn.MaxPool((2, 2)), windows(2, 2, 0), spikes),
        ("maxima over 3x3 every 2, nn.MaxPool", nn.MaxPool((3, 3), (2, 2), (1, 1)), windows(3, 2, 1), spikes),
    ]
    film = jax.random.normal(key, (16, 8, 32, 32, 16))
    flat, deep = nnx.Conv(48, 32, (3, 3), rngs=nnx.Rngs(0)), nnx.Conv(16, 32, (3, 3, 3), rngs=nnx.Rngs(0))
    merged = nn.Stack(Neighbours(), flat)
    cases.append(("3x3x3 convolution of 16 steps", lambda x: merged(x)[1], lambda x: deep(jnp.swapaxes(x, 0, 1)), film))
    for name, ours, theirs, x in cases:
        calls = [gradient(function, x) for function in (ours, theirs)]
        for call in calls:
            call()
        (a, b), _ = best(repeats, *calls)
        print(f"{name}: {1e3 * a:.1f} ms, {1e3 * b:.1f} ms by XLA's own; {b / a:.1f} times as fast")


if __name__ == "__main__":
    main()
