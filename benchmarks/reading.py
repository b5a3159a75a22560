"""How fast are raw files read, beside faery? `python -m benchmarks.reading [--events N] [--repeats N] [--windows] [--folder DIR]`.

For EVT2, EVT3 and DAT, a recording of 10 million events at 1 million a second on 1280x720 pixels is written by mxsnn and read by
both, turn by turn, from the page cache: whole into arrays (`mxsnn.events.read`; faery's `to_array`), and decoded in pieces that
nobody keeps (mxsnn's checked blocks; faery's packets). The events are uniformly random, the worst case, or runs of neighbours
along moving edges, as a scene has them. With --windows, a recording of 10 times as many events is read in windows of 10 ms by
a process of its own, whose peak memory is told. Needs faery.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import faery
import numpy as np

from benchmarks._timing import best, machine
from mxsnn.events import read, write
from mxsnn.events.io._source import Block, Source
from mxsnn.events.io.files import open_source

SIZE = (1280, 720)
RATE = 1_000_000  # events a second
PIECE = 1_000_000  # events
SUFFIXES = {"evt2": ".raw", "evt3": ".raw", "dat": ".dat"}

WINDOWS = """
import resource, sys, time
from mxsnn.events import stream, windows
start, n, events = time.perf_counter(), 0, 0
for window in windows(stream(sys.argv[1]), 10_000):
    n, events = n + 1, events + len(window)
print(n, events, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def uniform(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """x, y and p [n] of events anywhere."""
    return rng.integers(0, SIZE[0], n), rng.integers(0, SIZE[1], n), rng.integers(0, 2, n)


def edges(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """x, y and p [n] of events along edges: runs of 1 to 12 of 16 neighbours in a row, of one polarity."""
    lengths = rng.integers(1, 13, n)
    lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), n)) + 1]
    runs = len(lengths)
    columns = np.sort(rng.permuted(np.tile(np.arange(16), (runs, 1)), axis=1)[:, :12], axis=1)
    x = (columns + rng.integers(0, SIZE[0] - 16, (runs, 1)))[np.arange(12) < lengths[:, None]]
    y, p = rng.integers(SIZE[1] // 4, SIZE[1] // 2, runs), rng.integers(0, 2, runs)
    return x[:n], np.repeat(y, lengths)[:n], np.repeat(p, lengths)[:n]


def scene(place: Callable[[np.random.Generator, int], tuple[np.ndarray, ...]], n: int) -> Source:
    """A source of n events, the same at each pass. Events of a run have one time."""

    def blocks() -> Iterator[Block]:
        for k in range(0, n, PIECE):
            rng, m = np.random.default_rng(k), min(PIECE, n - k)
            x, y, p = place(rng, m)
            t = k * 1_000_000 // RATE + np.sort(rng.integers(0, m * 1_000_000 // RATE, m))
            starts = np.flatnonzero(np.diff(y, prepend=-1) != 0)
            t = np.repeat(t[starts], np.diff(starts, append=m))
            yield Block(t, x.astype(np.int16), y.astype(np.int16), p.astype(np.uint8), None, (k + m) / n)

    return Source(blocks, SIZE, n)


def against_faery(folder: Path, n: int, repeats: int) -> None:
    """Prints a table: million events a second, and mxsnn's speed as a multiple of faery's."""
    print("| events | format | MB | mxsnn, arrays | faery, arrays | ratio | mxsnn, pieces | faery, pieces | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for place in (edges, uniform):
        for name, suffix in SUFFIXES.items():
            path = folder / f"{name}{suffix}"
            write(path, scene(place, n), name, overwrite=True)
            read(path)  # compiles, and fills the page cache
            times, found = best(
                repeats,
                lambda path=path: len(read(path)),
                lambda path=path: len(faery.events_stream_from_file(path).to_array()),
                lambda path=path: sum(len(block.t) for block in open_source(path).blocks()),
                lambda path=path: sum(len(packet) for packet in faery.events_stream_from_file(path)),
            )
            if len(set(found)) > 1:
                raise SystemExit(f"the readers disagree on the number of events: {found}")
            ours, theirs, our_pieces, their_pieces = (n / seconds / 1e6 for seconds in times)
            print(
                f"| {place.__name__} | {name} | {path.stat().st_size / 1e6:.0f} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} "
                f"| {our_pieces:.0f} | {their_pieces:.0f} | {our_pieces / their_pieces:.2f} |",
                flush=True,
            )
            path.unlink()


def in_windows(folder: Path, n: int) -> None:
    """Prints how a long recording is read in windows of 10 ms, and in how much memory."""
    for name, suffix in SUFFIXES.items():
        path = folder / f"long{suffix}"
        write(path, scene(edges, n), name, overwrite=True)
        size = path.stat().st_size / 1e6
        done = subprocess.run([sys.executable, "-c", WINDOWS, str(path)], capture_output=True, text=True, check=True)
        count, events, seconds, memory = done.stdout.split()
        if int(events) != n:
            raise SystemExit(f"{events} of {n} events came back")
        print(
            f"{name}, {size:.0f} MB: {int(events):,} events in {int(count):,} windows, {float(seconds):.1f} s, "
            f"{n / float(seconds) / 1e6:.0f} million events a second, peak memory {float(memory):.2f} GiB",
            flush=True,
        )
        path.unlink()


def main() -> None:
    """Writes, reads, prints; the files are gone afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--windows", action="store_true", help="read a recording of 10 times as many events in windows")
    parser.add_argument("--folder", type=Path, help="where the files are written for the time being")
    given = parser.parse_args()
    print(machine("mxsnn", "faery", "numpy", "numba"))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        if given.windows:
            in_windows(Path(folder), 10 * given.events)
        else:
            print(f"{given.events:,} events, million events a second, best of {given.repeats}\n")
            against_faery(Path(folder), given.events, given.repeats)
    print(f"\npeak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
