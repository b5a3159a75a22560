"""How long does a data set of faces take, and where does the time go?

    python -m benchmarks.faces [--clips 200] [--sensor 128x96] [--workers 2]

First a few clips in one process, in which each part is timed by itself once all is compiled, then the whole set by `mxsnn faces`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import jax

from benchmarks._timing import machine
from mxsnn.data import faces
from mxsnn.data.faces import Plan, make

PARTS = {
    "rendering": ((faces, "render"), (faces, "render_rgb"), (faces, "bake")),
    "event camera": ((faces.event_camera, "events"), (faces, "_rest")),
    "frame camera": ((faces.rgb_camera, "record"),),
    "writing": ((faces, "write"),),
}


def shares(plan: Plan, folder: Path) -> dict[str, float]:
    """Seconds a clip of each part, and of all, once compiled."""
    spent: defaultdict[str, float] = defaultdict(float)

    def timed(part, function):
        def call(*args, **kwargs):
            start = time.perf_counter()
            result = jax.block_until_ready(function(*args, **kwargs))
            spent[part] += time.perf_counter() - start
            return result

        return call

    make(plan, folder / "compile", workers=0)
    kept = [(owner, name, getattr(owner, name)) for places in PARTS.values() for owner, name in places]
    for part, places in PARTS.items():
        for owner, name in places:
            setattr(owner, name, timed(part, getattr(owner, name)))
    try:
        start = time.perf_counter()
        make(plan, folder / "timed", workers=0)
        spent["all"] = time.perf_counter() - start
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)
    return {part: seconds / (plan.subjects * plan.clips) for part, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--sensor", default="128x96")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    print(machine("jax", "h5py"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = shares(Plan(subjects=2, clips=4, sensors=(options.sensor,), lux=(50.0,)), folder)
        for part, seconds in found.items():
            print(f"{part:14} {1e3 * seconds:8.1f} ms a clip, {seconds / found['all']:5.0%}")
        plan = Plan(subjects=max(1, options.clips // 20), clips=min(20, options.clips), sensors=(options.sensor,), lux=(50.0,))
        start = time.perf_counter()
        n = make(plan, folder / "set", options.workers)
        print(f"{n} recordings of {plan.duration:g} s at {options.sensor}: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
