"""What benchmarks have in common: calls timed turn by turn, and the machine described."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def best(repeats: int, *calls: Callable[[], Any]) -> tuple[list[float], list[Any]]:
    """Seconds of each call, the best of `repeats` turns in which they alternate, and what each returned last."""
    times, results = [[] for _ in calls], [None for _ in calls]
    for _ in range(repeats):
        for k, call in enumerate(calls):
            start = time.perf_counter()
            results[k] = call()
            times[k].append(time.perf_counter() - start)
    return [min(taken) for taken in times], results


def machine(*packages: str) -> str:
    """Two lines: processor, cores, system and load; versions of Python and of packages."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    load = ", ".join(f"{part:.2f}" for part in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}; load {load}\nPython {platform.python_version()}, {versions}"
