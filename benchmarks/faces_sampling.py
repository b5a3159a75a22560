"""What the data set of faces loses by how it samples light and time: events against those of finer samples.

    python -m benchmarks.faces_sampling [interval] [lamp] [steps] [lead]

interval: light every 2 ms and every 0.25 ms, before the fastest movements, by resolution. lamp: its flicker every 0.25 and 0.1 ms.
steps: those that the changes of the light need, and those that noise would have, too. lead: a clip's first second against those
that follow, by subject. Everything is seen by a davis346 with so many pixels; minutes each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from mxsnn.data import faces
from mxsnn.data.faces import Plan, recordings, sensor_of
from mxsnn.events import Events
from mxsnn.faces import bake, draw, render
from mxsnn.faces.motion import FASTEST, controls, performance
from mxsnn.sensors import event_camera


def interval() -> None:
    for width, height in ((128, 96), (346, 260), (640, 480), (1280, 720)):
        baked = bake(draw(jax.random.key(0)), (height, width))
        camera = replace(sensor_of(f"{width}x{height}"), noise=0.0, leak=0.0, readout=None)
        for movement in ("Open Mouth", "Smile"):
            shown, rise = performance(0, 0, 0, movement), round(0.7 * FASTEST)
            start, apex = 300_000, 300_000 + rise
            phases = {"onset": start, "apex": apex, "release": apex + 14_000, "offset": apex + 14_000 + rise}
            main = shown.target[0].intensity
            target = tuple(replace(p, left=0.7 * p.left / main, right=0.7 * p.right / main, **phases) for p in shown.target)
            shown, counts = replace(shown, target=target, others=()), []
            for every in (faces.INTERVAL, 250):
                times, state, n = np.arange(296_000, 296_000 + 120_001, every), None, 0
                for k in range(0, len(times) - 1, 20):
                    part = times[k : k + 21]
                    light = 500 * render(baked, controls(shown, part))
                    state = camera.init(jax.random.key(0), light[0]) if state is None else state
                    state, found = event_camera.events(camera, light, part, state, max(1, every // 250))
                    n += len(found)
                counts.append(n)
            print(f"{width}x{height} {movement}: {counts[0]} and {counts[1]} events, {counts[0] / counts[1] - 1:+.1%}", flush=True)


@contextmanager
def changed(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def totals(plan: Plan) -> list[int]:
    """Events of each clip."""
    return [len(found.events or ()) for s in range(plan.subjects) for _, found in recordings(plan, s, 0, plan.sensors[0])]


def lamp() -> None:
    plan = Plan(subjects=8, clips=1, sensors=("48x36",), lux=(500.0,), flicker=0.3, camera="none")
    ours = sum(totals(plan))
    with changed(faces, "LAMP", 100):
        fine = sum(totals(plan))
    print(f"a flicker of 0.3: {ours} and {fine} events, {ours / fine - 1:+.1%}", flush=True)


def steps() -> None:
    own: Callable = event_camera.substeps
    for size in ("64x48", "320x240"):
        for threshold in (0.1, 0.2):
            plan = Plan(subjects=4, clips=1, sensors=(size,), lux=(50.0,), thresholds=(threshold,), camera="none")
            ours = sum(totals(plan))
            camera = plan.cameras(size)[0][1]
            with changed(event_camera, "substeps", lambda _, *light, camera=camera: own(camera, *light)):
                fine = sum(totals(plan))
            print(f"{size} at {threshold:g}: {ours} and {fine} events, {ours / fine - 1:+.1%}", flush=True)


def lead() -> None:
    plan = Plan(subjects=40, clips=1, sensors=("48x36",), lux=(50.0,), movements=("neutral",), camera="none", duration=4.0)
    counts = np.empty((plan.subjects, 2, 4))
    for subject in range(plan.subjects):
        ((_, found),) = recordings(plan, subject, 0, "48x36")
        assert isinstance(found.events, Events)
        for p in (0, 1):
            counts[subject, p] = np.histogram(found.events.t[found.events.p == p], np.arange(5) * 1_000_000)[0]
    for p, name in enumerate(("OFF", "ON")):
        later = counts[:, p, 1:].mean()
        more = (counts[:, p, 0] - counts[:, p, 1:].mean(1)) / later
        error = more.std(ddof=1) / np.sqrt(plan.subjects)
        print(f"{name} in the first second, of the mean of the others: {more.mean():+.1%} +- {error:.1%}", flush=True)


def main() -> None:
    parts = {function.__name__: function for function in (interval, lamp, steps, lead)}
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[[], *parts], help="all, if none is named")
    for name in parser.parse_args().parts or parts:
        parts[name]()


if __name__ == "__main__":
    main()
