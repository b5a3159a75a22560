"""How much longer `import mxsnn` takes than `import jax`: `python -m benchmarks.imports`. Each in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys

REPEATS = 9
PROGRAM = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def seconds(module: str) -> float:
    """Time of one import in a new process."""
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(module)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Prints the medians and their difference."""
    for module in ("jax", "mxsnn"):
        seconds(module)  # bytecode and file caches
    times = [(seconds("jax"), seconds("mxsnn")) for _ in range(REPEATS)]
    jax, mxsnn = (statistics.median(column) for column in zip(*times, strict=True))
    more = statistics.median(b - a for a, b in times)
    print(f"import jax {jax:.3f} s, import mxsnn {mxsnn:.3f} s, difference {more:.3f} s (medians of {REPEATS})")


if __name__ == "__main__":
    main()
