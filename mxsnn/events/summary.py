"""What a recording holds, from one pass over it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn.errors import RecordingWarning
from mxsnn.events.io.files import identify, open_source

GAP_US = 100_000
"""A time without events that counts as a gap: longer than any camera is silent before a face."""


def summary(
    path: str | Path,
    sensor_size: Sequence[int] | None = None,
    repair: bool = False,
    format: str | None = None,
    progress: Callable[[float], None] = lambda done: None,
    **options: Any,
) -> dict[str, Any]:
    """Format, sensor, counts, times, triggers, frames of each camera, gaps and warnings of a file of any size, ready for JSON.

    `progress` is called with the part of the file that is read, 0 to 1. `width` and `height` are those that the file
    states or the user gave; with `sensor_stated` False, as far as the events reach. `gaps`: [from, to] in us.

    Raises: UserError as `read`.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordingWarning)
        source = open_source(path, sensor_size, repair, format, **options)
        recording = source.recording
        n = on = edges = 0
        first = last = None
        extent = (0, 0)
        gaps: list[list[int]] = []
        for block in source.blocks():
            progress(block.done)
            edges += 0 if block.triggers is None else len(block.triggers)
            if not len(block.t):
                continue
            times = block.t if last is None else np.concatenate([[last], block.t])
            for k in np.flatnonzero(np.diff(times) > GAP_US):
                gaps.append([int(times[k]), int(times[k + 1])])
            first = int(block.t[0]) if first is None else first
            last = int(block.t[-1])
            n, on = n + len(block.t), on + int(np.count_nonzero(block.p))
            extent = (max(extent[0], int(block.x.max()) + 1), max(extent[1], int(block.y.max()) + 1))
    duration = last - first if first is not None and last is not None else None
    width, height = source.sensor_size or (extent if n else (None, None))
    said = [str(w.message).removeprefix(f"{path}: ") for w in caught if issubclass(w.category, RecordingWarning)]
    return {
        "file": str(path),
        "format": identify(path, format).name,
        "holds": "events" if source.ready is None else "frames",
        "width": width,
        "height": height,
        "sensor_stated": source.sensor_size is not None,
        "sensor": recording.sensor,
        "events": n,
        "on_events": on,
        "off_events": n - on,
        "first_us": first,
        "last_us": last,
        "duration_us": duration,
        "events_per_second": n / duration * 1e6 if duration else None,
        "triggers": edges + len(recording.triggers),
        "frames": sum(map(len, recording.frames.values())),
        "cameras": {
            name: {"frames": len(f), "width": f.size[0], "height": f.size[1], "first_us": int(f.t[0]), "last_us": int(f.t[-1])}
            for name, f in recording.frames.items()
            if len(f)
        },
        "samples": {name: len(s) for name, s in recording.samples.items()},
        "labels": len(recording.labels),
        "subject": recording.subject,
        "session": recording.session,
        "lux": recording.lux,
        "conditions": dict(recording.conditions),
        "ready_frames": None if source.ready is None else {"shape": list(source.ready.shape), "dtype": str(source.ready.dtype)},
        "gaps": gaps,
        "warnings": said,
    }


def lines(found: dict[str, Any]) -> dict[str, str]:
    """A summary in lines for people, by what each is about."""
    lines = {"format": found["format"]}
    if found["ready_frames"]:
        shape, dtype = found["ready_frames"].values()
        lines["holds"] = f"{shape[0]:,} ready frames, {dtype} {shape} (time, y, x, polarity)"
    else:
        lines["holds"] = f"{found['events']:,} events: {found['on_events']:,} ON, {found['off_events']:,} OFF"
    if found["width"] is None:
        lines["sensor"] = "unknown"
    else:
        size = f"{found['width']} x {found['height']} pixels"
        stated = "" if found["sensor_stated"] else ", as far as the events reach; the file does not state its sensor"
        lines["sensor"] = f"{found['sensor']}, {size}{stated}" if found["sensor"] else f"{size}{stated}"
    if not found["ready_frames"]:
        seconds = None if found["duration_us"] is None else found["duration_us"] / 1e6
        lines["time"] = "no events" if seconds is None else f"{found['first_us']:,} to {found['last_us']:,} us: {seconds:g} s"
        rate = found["events_per_second"]
        lines["rate"] = f"{rate:,.0f} events/s" if rate else "unknown"
    if found["triggers"]:
        lines["triggers"] = f"{found['triggers']:,} edges"
    for name, one in found["cameras"].items():
        lines[f"frames {name}"] = (
            f"{one['frames']:,} of {one['width']} x {one['height']} pixels, {one['first_us']:,} to {one['last_us']:,} us"
        )
    lines |= {f"samples {name}": f"{count:,}" for name, count in found["samples"].items()}
    lines |= {key: str(found[key]) for key in ("labels", "subject", "session", "lux") if found[key]}
    lines |= {key: str(value) for key, value in found["conditions"].items()}
    if found["gaps"]:
        longest = max(found["gaps"], key=lambda gap: gap[1] - gap[0])
        lines["gaps"] = f"{len(found['gaps']):,}, the longest from {longest[0]:,} to {longest[1]:,} us"
    return lines
