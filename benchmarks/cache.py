"""How much faster does an epoch load from the cache? `python -m benchmarks.cache FOLDER [--repeats N] [--batch N]`.

The folder is N-MNIST's. All samples of the preset's encoding are loaded in batches: encoded from the files, then filled into an
empty cache, then turn by turn encoded and read from the cache, as from the second epoch on; the best time of each counts. "In a new
process" is read with nothing remembered of the files, which are hashed anew.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks._timing import best, machine
from mxsnn.data import cache, datasets
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import Source
from mxsnn.events.tonic import compose

ENCODING = "TimeFrames(bins=12, start=0, stop=340000, clip=4)"


def epoch(source: Source, batch: int) -> Iterator[np.ndarray]:
    """All samples, batch by batch."""
    for start in range(0, len(source), batch):
        yield np.asarray(source.frames(np.arange(start, min(start + batch, len(source))), None))


def load(source: Source, batch: int) -> int:
    """Reads an epoch and nothing more; how many samples there were."""
    return sum(len(frames) for frames in epoch(source, batch))


def main() -> None:
    """Prints a table: seconds of each way, and how many times as fast as encoding it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    given = parser.parse_args()
    recordings = datasets.open_dataset("nmnist", given.folder)
    plain = Encoded(recordings, compose([ENCODING], recordings.sensor_size))
    load(plain, given.batch)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        cached = cache.Cached(plain, folder)
        load(cached, given.batch)
        filling = time.perf_counter() - start
        for ours, theirs in zip(epoch(cached, given.batch), epoch(plain, given.batch), strict=True):
            if not np.array_equal(ours, theirs):
                raise SystemExit("the cache and the encoding disagree")
        (encoding, reading), _ = best(given.repeats, lambda: load(plain, given.batch), lambda: load(cached, given.batch))
        cache._contents.clear()  # as in a process that has hashed no file yet
        start = time.perf_counter()
        load(cache.Cached(plain, folder), given.batch)
        anew = time.perf_counter() - start
        size = cache.summary(Path(folder))["bytes"]
    print(machine("mxsnn", "numpy", "numba"))
    print(f"{len(plain):,} samples, {size / 2**20:.1f} MiB, best of {given.repeats}\n")
    print("| an epoch | s | times as fast as encoding |\n|---|---|---|")
    for name, taken in (("encoded", encoding), ("filling", filling), ("in a new process", anew), ("from the cache", reading)):
        print(f"| {name} | {taken:.3f} | {encoding / taken:.1f} |")


if __name__ == "__main__":
    main()
