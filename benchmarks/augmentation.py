"""How fast are augmentations beside tonic's? `python -m benchmarks.augmentation [--events N] [--repeats N] [--only TEXT]`.

Uniformly random events over a second, on 346x260 and on 1280x720 pixels, go through mxsnn's augmentation and tonic's turn by turn;
the best time of each counts. Both always act, and EventDrop drops at random. mxsnn's get an `Events` and a key, tonic's the
structured array of the same events, and draw from np.random; on the device the events lie there already and the function is
compiled. Before anything is printed, the device must give what the host gives.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import tonic.transforms as tonic

from benchmarks._timing import best, machine
from benchmarks.encoding import DURATION, SENSORS, START, random_events
from mxsnn.events import Events
from mxsnn.events.augment import (
    Affine,
    Augmentation,
    DropEvents,
    EventDrop,
    FaceMirror,
    FlipLR,
    FlipPolarity,
    Noise,
    PolarityNoise,
    RandomCrop,
    RandomResizedCrop,
    SpikingFER,
    TimeJitter,
    TimeReversal,
)
from mxsnn.events.encode import DeviceEvents, to_device
from mxsnn.events.random import host_key
from mxsnn.events.stream import to_structured

WINDOW = (START, START + DURATION)
KEY, SEED = 0, 5  # of mxsnn and of np.random, under which EventDrop drops at random


@dataclass(frozen=True)
class Case:
    """An augmentation of mxsnn, and the one of tonic's that does the same, or None."""

    ours: Augmentation
    peer: Any = None


def cases(width: int, height: int, n: int) -> list[Case]:
    """All that act on every event, with tonic's where it has one."""
    size = (width, height, 2)
    return [
        Case(FlipLR(1.0), tonic.RandomFlipLR(size, p=1.0)),
        Case(FlipPolarity(1.0), tonic.RandomFlipPolarity(p=1.0)),
        Case(PolarityNoise(0.2)),
        Case(TimeReversal(*WINDOW, p=1.0), tonic.RandomTimeReversal(p=1.0)),
        Case(DropEvents(0.2), tonic.DropEvent(0.2)),
        Case(EventDrop(*WINDOW), tonic.EventDrop(size)),
        Case(Noise(*WINDOW, share=0.2), tonic.UniformNoise(size, n // 5)),
        Case(TimeJitter(1000.0, *WINDOW), tonic.TimeJitter(1000.0, sort_timestamps=True)),
        Case(Affine(10, 20.0, 0.2)),
        Case(RandomCrop(width // 2, height // 2), tonic.RandomCrop(size, (width // 2, height // 2))),
        Case(RandomResizedCrop(128, 128)),
        Case(FaceMirror(1.0)),
        Case(SpikingFER(*WINDOW)),
    ]


def _tonics(peer: Any, array: np.ndarray) -> np.ndarray:
    np.random.seed(SEED)  # noqa: NPY002
    return peer(array)


def _there(compiled: Any, events: DeviceEvents, key: jax.Array) -> DeviceEvents:
    return jax.block_until_ready(compiled(events, key))


def same(host: Events, device: DeviceEvents) -> bool:
    """Whether both hold the same events."""
    n = int(device.count)
    columns = [np.asarray(getattr(device, name))[:n] for name in "txyp"]
    columns[0] = columns[0].astype(np.int64) + START
    return n == len(host) and all((column == getattr(host, name)).all() for column, name in zip(columns, "txyp", strict=True))


def main() -> None:
    """Prints a table: ms of both, how many times as fast mxsnn is, and ms on the device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="cases with this text in their name")
    given = parser.parse_args()
    device = jax.default_backend()
    print(machine("mxsnn", "tonic", "numpy", "numba", "jax"))
    print(f"{given.events:,} events, best of {given.repeats}\n")
    print(f"| sensor | augmentation | mxsnn, ms | tonic, ms | times as fast | {device}, ms |\n|---|---|---|---|---|---|")
    for sensor_size in SENSORS:
        events = random_events(given.events, sensor_size)
        array, there = to_structured(events), to_device(events, *WINDOW)
        for case in (case for case in cases(*sensor_size, given.events) if given.only in str(case.ours)):
            ours, theirs = partial(case.ours, events, host_key(KEY)), partial(_tonics, case.peer, array)
            on_device = partial(_there, jax.jit(case.ours.__call__), there, jax.random.key(KEY))
            if not same(ours(), on_device()):
                raise SystemExit(f"{case.ours}: host and device disagree")
            calls = [ours, on_device, *([theirs] if case.peer else [])]
            times, _ = best(given.repeats, *calls)
            rival = f"{1000 * times[2]:.0f} | {times[2] / times[0]:.1f}" if case.peer else "- | -"
            columns = f"{1000 * times[0]:.2f} | {rival} | {1000 * times[1]:.1f}"
            print(f"| {sensor_size[0]}x{sensor_size[1]} | {type(case.ours).__name__} | {columns} |", flush=True)


if __name__ == "__main__":
    main()
