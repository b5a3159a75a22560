"""How much longer the engine of mxsnn takes to import than JAX, and how long its readers take: `python -m benchmarks.imports`.

Each in a process of its own.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

REPEATS = 9
PROGRAM = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
JAX, ENGINE, READERS = "import jax", "from mxsnn import unroll", "import mxsnn.events"


def seconds(statement: str) -> float:
    """Time of one import in a new process."""
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(statement)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Prints the medians and their difference."""
    statements = (JAX, ENGINE, READERS)
    for statement in statements:
        seconds(statement)  # bytecode and file caches
    times = [[seconds(statement) for statement in statements] for _ in range(REPEATS)]
    for statement, column in zip(statements, zip(*times, strict=True), strict=True):
        print(f"{statement}: {statistics.median(column):.3f} s")
    more = statistics.median(engine - jax for jax, engine, _ in times)
    print(f"the engine takes {more:.3f} s more than JAX (medians of {REPEATS})")


if __name__ == "__main__":
    main()
