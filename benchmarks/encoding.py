"""How fast are filters and encodings beside tonic's? `python -m benchmarks.encoding [--events N] [--repeats N] [--only TEXT]`.

Uniformly random events over a second, on 346x260 and on 1280x720 pixels, go through mxsnn's transform and tonic's turn by turn; the
best time of each counts. A transform's case says what of tonic's does the same, and both results are compared before anything is
printed. mxsnn's get an `Events`, tonic's the structured array of the same events; where a case ends in "(array)" both get the
array, which mxsnn checks as it checks all that comes from outside.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tonic.transforms as tonic

from benchmarks._timing import best, machine
from mxsnn.events import Events
from mxsnn.events.encodings import SBN, SBT, ActiveEvents, BinaRep, TimeFrames, TimeSurface, VoxelGrid, WindowFrames
from mxsnn.events.filters import BackgroundActivity, Decimation, Filter, Flicker, HotPixels, Integrate, Pool, RateLimit, Refractory
from mxsnn.events.stream import to_structured

SENSORS = ((346, 260), (1280, 720))
START = 1_000_000  # us, late enough for tonic's Denoise
DURATION = 1_000_000  # us


@dataclass(frozen=True)
class Case:
    """A transform of mxsnn, and of tonic or None, as calls without arguments; `same`: whether their results agree."""

    name: str
    ours: Callable[[], Any]
    peer: Callable[[], Any] | None = None
    same: Callable[[Any, Any], bool] = np.array_equal


def filters(events: Events, array: np.ndarray) -> Iterator[Case]:
    """Filters, each with the one of tonic's whose rule is the same."""

    def same(ours: Any, peer: Any) -> bool:
        return np.array_equal(to_structured(ours) if isinstance(ours, Events) else ours, peer)

    def cases(ours: Filter, peer: Any) -> Iterator[Case]:
        arrays = dataclasses.replace(ours, sensor_size=events.sensor_size)
        name = _name(ours)
        yield Case(name, lambda: ours(events), lambda: peer(array), same)
        yield Case(f"{name} (array)", lambda: arrays(array), lambda: peer(array), same)

    yield from cases(BackgroundActivity(10_000, neighbours=4), tonic.Denoise(10_000))
    yield from cases(Refractory(10_000), tonic.RefractoryPeriod(10_000))
    yield from cases(Decimation(3), tonic.Decimation(3))
    alone = [BackgroundActivity(10_000), HotPixels(), Flicker(), RateLimit(500_000), Pool(2), Integrate(2)]
    for transform in alone:
        yield Case(_name(transform), lambda transform=transform: transform(events))


def _name(transform: Filter) -> str:
    arguments = [f"{name}={value}" for name, value in vars(transform).items() if value is not None]
    return f"{type(transform).__name__}({', '.join(arguments)})"


def encodings(events: Events, array: np.ndarray) -> Iterator[Case]:
    """Encodings of the host; frames and voxel grid beside tonic's."""
    stop, size = START + DURATION, (*events.sensor_size, 2)

    def same_frames(ours: np.ndarray, peer: np.ndarray) -> bool:
        return np.array_equal(ours, peer.transpose(0, 2, 3, 1))

    def same_bins(ours: np.ndarray, peer: np.ndarray) -> bool:
        return np.allclose(ours[:-1], peer.transpose(0, 2, 3, 1), atol=1e-4)

    step = DURATION // 10
    frames, theirs = TimeFrames(10, START, stop), tonic.ToFrame(size, time_window=step, start_time=START, end_time=stop)
    yield Case("TimeFrames(10)", lambda: frames(events), lambda: theirs(array), same_frames)
    # tonic scales time to [0, bins], from the first event to the last, and leaves the last bin out. It needs a signed polarity.
    first, last = int(events.t[0]), int(events.t[-1])
    signed = array.astype([(name, np.int8 if name == "p" else array.dtype[name]) for name in array.dtype.names or ()])
    grid, tonics = VoxelGrid(11, first, last + 1), tonic.ToVoxelGrid(size, n_time_bins=10)
    yield Case("VoxelGrid(11), 10 of tonic", lambda: grid(events), lambda: tonics(signed), same_bins)
    times = tuple(range(START + step, stop + 1, step))
    starts, ends = tuple(time - step for time in times), tuple(time - step // 2 for time in times)
    for transform in (
        WindowFrames(starts, ends),
        BinaRep(10, 8, START, stop),
        ActiveEvents(times, START),
        TimeSurface(times, 30.0, START),
        SBT(10, START, stop),
        SBN(10, len(events) // 10),
    ):
        yield Case(type(transform).__name__, lambda transform=transform: transform(events))


def on_device(events: Events, array: np.ndarray) -> Iterator[Case]:
    """The same on the device of JAX, of events that lie there already, compiled."""
    import jax

    from mxsnn.events import encode

    device = encode.to_device(events, START, START + DURATION)
    times = np.arange(1, 11) * (DURATION // 10)
    calls: dict[str, Callable[..., Any]] = {
        "frames_by_time(10)": lambda e: encode.frames_by_time(e, 10),
        "frames_in_windows": lambda e: encode.frames_in_windows(e, times - DURATION // 10, times - DURATION // 20),
        "bina_rep": lambda e: encode.bina_rep(e, 10, 8),
        "voxel_grid(11)": lambda e: encode.voxel_grid(e, 11),
        "active_events": lambda e: encode.active_events(e, times),
        "time_surface": lambda e: encode.time_surface(e, times, 30.0),
        "sbt": lambda e: encode.sbt(e, 10),
        "sbn": lambda e: encode.sbn(e, 10, len(events) // 10),
    }
    for name, call in calls.items():
        compiled = jax.jit(call)
        yield Case(f"{name} on {jax.default_backend()}", lambda compiled=compiled: compiled(device).block_until_ready())


#: Each makes cases for a stream and its structured array.
CASES = (filters, encodings, on_device)


def random_events(n: int, sensor_size: tuple[int, int]) -> Events:
    """Events of a second, anywhere."""
    rng = np.random.default_rng(0)
    t = START + np.sort(rng.integers(0, DURATION, n))
    x, y = (rng.integers(0, side, n) for side in sensor_size)
    return Events.make(t, x, y, rng.integers(0, 2, n), sensor_size)


def main() -> None:
    """Prints a table: ms of both, and how many times as fast mxsnn is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="cases with this text in their name")
    given = parser.parse_args()
    print(machine("mxsnn", "tonic", "numpy", "numba"))
    print(f"{given.events:,} events, best of {given.repeats}\n")
    print("| sensor | transform | mxsnn, ms | tonic, ms | times as fast |\n|---|---|---|---|---|")
    for sensor_size in SENSORS:
        events = random_events(given.events, sensor_size)
        array = to_structured(events)
        for case in (case for cases in CASES for case in cases(events, array) if given.only in case.name):
            case.ours()  # compiles
            calls = [call for call in (case.ours, case.peer) if call]
            times, results = best(given.repeats, *calls)
            if len(results) == 2 and not case.same(*results):
                raise SystemExit(f"{case.name}: mxsnn and tonic disagree")
            columns = f"{1000 * times[0]:.2f} | " + (f"{1000 * times[1]:.0f} | {times[1] / times[0]:.1f}" if times[1:] else "- | -")
            print(f"| {sensor_size[0]}x{sensor_size[1]} | {case.name} | {columns} |", flush=True)


if __name__ == "__main__":
    main()
