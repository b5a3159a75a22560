"""How long does a classifier take for a window of events, how many bytes come in? `python -m benchmarks.latency [RECORDING]`.

The recording is cut into windows of `--window` ms, each encoded on the host as counts in `--bins` parts and given to the network
one at a time, as a camera would; then `--batch` at once. Told are median and 95th percentile of what a single window takes, from
events to logits and the network alone in turns, compiling apart, and windows a second. Beside it stand bytes a second of each
stream: events in EVT3, as written here, and as 64 bits each; each camera of the recording, and RGB of `--rgb`, uncompressed at its
rate. The network is untrained: what CPUs and GPUs compute takes as long with zeros as with spikes. Without a recording, the events
are random, `--rate` a second on `--size` pixels. The results go to benchmarks/results/latency.json (`--out`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks._timing import machine
from mxsnn.errors import UserError, command
from mxsnn.events import Events, Recording, frames_by_time, open_recording, write
from mxsnn.events.io.files import join
from mxsnn.models.classifiers import classifier
from mxsnn.models.described import described

RESULTS = Path(__file__).parent / "results" / "latency.json"


def percentiles(repeats: int, **calls: Callable[[int], Any]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of the ms that calls take, in turns; each is told the number of its turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for k in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call(k)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: {"median_ms": float(np.median(t)), "p95_ms": float(np.percentile(t, 95))} for name, t in times.items()}


def measure(model: nnx.Module, events: Events, window: int, bins: int, batch: int, repeats: int) -> dict[str, Any]:
    """What `model` takes for windows of `window` us, [bins, H, W, 2]: single ones and `batch` at once."""
    first, last = int(events.t[0]), int(events.t[-1])
    starts = first + window * np.arange(max(1, (last + 1 - first) // window))

    def encoded(k: int) -> np.ndarray:
        start = int(starts[k % len(starts)])
        return frames_by_time(events.window(start, start + window), bins, start, start + window)[:, None]

    graph, state = nnx.split(model)

    @jax.jit
    def logits(state: Any, xs: jax.Array) -> jax.Array:
        return nnx.merge(graph, state)(xs.astype(jnp.float32))[1]

    def compiled(xs: np.ndarray) -> tuple[Callable, float]:
        start = time.perf_counter()
        program = logits.lower(state, jax.ShapeDtypeStruct(xs.shape, xs.dtype)).compile()
        return program, time.perf_counter() - start

    some = [encoded(k) for k in range(batch)]
    together = np.concatenate(some, 1)
    (one, single), (many, several) = compiled(some[0]), compiled(together)
    ready = [jnp.asarray(xs) for xs in some]
    jax.block_until_ready((one(state, ready[0]), many(state, together)))  # the first call is not timed
    found: dict[str, Any] = percentiles(
        repeats,
        events_to_logits=lambda k: np.asarray(one(state, encoded(k))),
        network=lambda k: jax.block_until_ready(one(state, ready[k % batch])),
    )
    taken = percentiles(max(3, repeats // batch), batch=lambda k: jax.block_until_ready(many(state, together)))["batch"]
    return found | {
        "window_ms": window / 1e3,
        "windows": len(starts),
        "compile_s": {"1": single, str(batch): several},
        "batch": batch,
        "windows_per_second": 1e3 * batch / taken["median_ms"],
    }


def every(recording: Recording) -> Events:
    """All events of a recording, in memory. Raises UserError where there are none."""
    if recording.events is None or recording.events.span is None:
        raise UserError("the recording holds no events; give one of an event camera")
    return join(list(recording.events.pieces()))


def streams(recording: Recording, rgb: tuple[int, int, float]) -> dict[str, float]:
    """Bytes a second of each stream, uncompressed but for EVT3."""
    whole = every(recording)
    seconds = (int(whole.t[-1]) + 1 - int(whole.t[0])) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "events.raw", whole, "evt3")
        found = {"events, EVT3": (Path(folder) / "events.raw").stat().st_size / seconds}
    found["events, 64 bits each"] = 8 * len(whole) / seconds
    for name, frames in recording.frames.items():
        if len(frames) > 1:
            each = int(np.prod(frames.images.shape[1:])) * frames.images.dtype.itemsize
            found[f"frames {name!r} of the recording"] = each * (len(frames) - 1) / (int(frames.t[-1] - frames.t[0]) / 1e6)
    width, height, rate = rgb
    return found | {f"RGB {width}x{height} at {rate:g} fps": 3 * width * height * rate}


def noise(size: tuple[int, int], rate: float, seconds: float = 2.0) -> Events:
    """Random events, `rate` a second."""
    rng = np.random.default_rng(0)
    n = max(1, int(rate * seconds))
    t = np.sort(rng.integers(0, int(1e6 * seconds), n))
    return Events.make(t, rng.integers(0, size[0], n), rng.integers(0, size[1], n), rng.integers(0, 2, n), size)


def numbers(text: str, kinds: tuple[type, ...]) -> Any:
    """The numbers of `1280x720` or `1280x720@60`. Raises UserError for others."""
    try:
        return tuple(kind(part) for kind, part in zip(kinds, text.replace("@", "x").split("x"), strict=True))
    except ValueError:
        raise UserError(f"{text!r} should look like {'1280x720@60' if len(kinds) == 3 else '1280x720'}") from None


def main() -> None:
    """Prints two tables and writes all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", help="a file of events of any format")
    parser.add_argument("--model", default="SpikingCNN", help="a classifier, or FILE.py:MyNetwork(width=8)")
    parser.add_argument("--neuron", default="LIF")
    parser.add_argument("--classes", type=int, default=7)
    parser.add_argument("--window", type=float, default=100.0, metavar="MS")
    parser.add_argument("--bins", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--size", default="128x96", metavar="WxH", help="pixels of random events")
    parser.add_argument("--rate", type=float, default=2e5, help="random events a second")
    parser.add_argument("--rgb", default="1280x720@60", metavar="WxH@FPS")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rgb = numbers(given.rgb, (int, int, float))
    if given.recording:
        recording = open_recording(given.recording)
    else:
        recording = Recording(noise(numbers(given.size, (int, int)), given.rate))
    events = every(recording)
    model = classifier(given.model).make((*events.sensor_size[::-1], 2), given.classes, described(given.neuron), rngs=nnx.Rngs(0))
    model.eval()
    about = machine("mxsnn", "jax", "numpy") + f"\nJAX on {jax.devices()[0].device_kind}"
    found = measure(model, events, round(1e3 * given.window), given.bins, given.batch, given.repeats)
    rates = streams(recording, rgb)
    print(f"{about}\n{given.model} with {given.neuron}, {found['windows']} windows of {given.window:g} ms, {given.bins} bins\n")
    print("| a window | median, ms | 95th percentile, ms |\n|---|---|---|")
    for name in ("events_to_logits", "network"):
        print(f"| {name.replace('_', ' ')} | {found[name]['median_ms']:.2f} | {found[name]['p95_ms']:.2f} |")
    print(f"\n{found['windows_per_second']:.0f} windows a second at batch {given.batch}")
    print("; ".join(f"compiled for batch {k} in {s:.1f} s" for k, s in found["compile_s"].items()))
    print("\n| stream | bytes a second |\n|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} |")
    about_run = {"machine": about, "model": given.model, "neuron": given.neuron, "recording": given.recording}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(about_run | {"latency": found, "bytes_per_second": rates}, indent=1), "utf-8")
    print(f"\n{given.out}")


if __name__ == "__main__":
    raise SystemExit(command(main))
