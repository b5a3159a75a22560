"""How fast does each neuron run, forward and with its gradient? `python -m benchmarks.neurons [NEURON ...] [--shape T,B,N ...]`.

NEURON is any description, `LIF`, `"LIF(tau=30)"` or `FILE.py:MyNeuron`, else every registered one; each runs on every backend that
can run it, in float32. Times are the best of `--repeats` turns in which the neuron alternates with `scan` of LIF, each on inputs
that fire it often; what counts is how many times as long as that LIF it takes. Compiling is timed apart, once. The results go to
benchmarks/results/neurons.json (`--out`), with the machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks._timing import best, machine
from mxsnn.engine import backends, unroll
from mxsnn.errors import command
from mxsnn.models.described import described
from mxsnn.neurons import LIF, NEURONS, Neuron
from mxsnn.testing import driving

SHAPES = ("25,128,1000", "100,32,128", "1000,8,128")
RESULTS = Path(__file__).parent / "results" / "neurons.json"


def compiled(neuron: Neuron, backend: str, shape: tuple[int, ...], gradient: bool) -> tuple[Callable[[], Any], float]:
    """A call that waits for its result, and the seconds that tracing and compiling took."""
    xs = driving(neuron, 0, shape)

    def forward(n: Neuron, xs: jax.Array) -> jax.Array:
        return unroll(n, xs, backend=backend)[1].sum()

    of = jax.grad(forward, argnums=(0, 1)) if gradient else forward
    leaves = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), neuron)
    start = time.perf_counter()
    program = jax.jit(of).lower(leaves, xs).compile()
    taken = time.perf_counter() - start
    return lambda: jax.block_until_ready(program(leaves, xs)), taken


def measure(text: str, shape: tuple[int, ...], repeats: int) -> list[dict[str, Any]]:
    """Rows of one neuron at one shape: each backend, forward and with the gradient."""
    rows, neuron = [], described(text)
    for gradient in (False, True):
        reference, _ = compiled(LIF(), "scan", shape, gradient)
        names = backends(neuron)
        made = [compiled(neuron, name, shape, gradient) for name in names]
        for call in (reference, *(call for call, _ in made)):
            call()
        (base, *times), _ = best(repeats, reference, *(call for call, _ in made))
        for name, seconds, (_, compiling) in zip(names, times, made, strict=True):
            row = {"neuron": text, "backend": name, "shape": shape, "gradient": gradient}
            rows.append(row | {"seconds": seconds, "compile_seconds": compiling, "times_lif": seconds / base})
    return rows


def main() -> None:
    """Prints a table and writes all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("neurons", nargs="*", metavar="NEURON", default=list(NEURONS))
    parser.add_argument("--shape", nargs="+", default=SHAPES, metavar="T,B,N")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    about = machine("mxsnn", "jax", "numpy") + f"\nJAX on {jax.devices()[0].device_kind}"
    print(f"{about}\nbest of {given.repeats}\n")
    print("| neuron | backend | T, B, N | | ms | times scan of LIF | compiling, s |\n|---|---|---|---|---|---|---|")
    rows = []
    for shape in (tuple(int(part) for part in text.split(",")) for text in given.shape):
        for text in given.neurons:
            for row in measure(text, shape, given.repeats):
                rows.append(row)
                what = "with gradient" if row["gradient"] else "forward"
                cells = f"{1000 * row['seconds']:.2f} | {row['times_lif']:.2f} | {row['compile_seconds']:.2f}"
                print(f"| {text} | {row['backend']} | {', '.join(map(str, shape))} | {what} | {cells} |", flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"machine": about, "repeats": given.repeats, "rows": rows}, indent=1), "utf-8")
    print(f"\n{given.out}")


if __name__ == "__main__":
    raise SystemExit(command(main))
