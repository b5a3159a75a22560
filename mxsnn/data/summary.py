"""What a data set holds, from one look at each of its recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mxsnn.data.datasets import Recordings
from mxsnn.events import Events, Recording

MANY = 12
"""Different values of a condition from which on its range is told instead."""


def summary(recordings: Recordings, progress: Callable[[float], None] = lambda done: None) -> dict[str, Any]:
    """Classes, subjects, conditions, durations and counts, ready for JSON.

    `classes` and `subjects`: how many recordings of each are for training and for the test. `table`: recordings by subject
    (rows) and class. `durations_us`: from the first to the last event of each recording, or from the first to the last
    frame of a camera; None where there is neither, as in ready frames. `labels`: how many recordings have each, by kind.
    `progress` is called with the part that is seen, 0 to 1.

    Raises: UserError that names the first recording that cannot be read.
    """
    durations, events, frames, ready = [], [], [], 0
    labels: dict[str, Counter[str]] = {}
    for i in range(len(recordings)):
        content = recordings.source(i)
        if isinstance(content, np.ndarray):
            ready, duration, held, shown = ready + 1, None, 0, len(content)
        else:
            duration, held, shown = _measure(content)
        durations.append(duration)
        events.append(held)
        frames.append(shown)
        for kind, name in {(la.kind, la.name) for la in content.labels} if isinstance(content, Recording) else ():
            labels.setdefault(kind, Counter())[name] += 1
        progress((i + 1) / len(recordings))
    test = recordings.test
    groups = recordings.groups if recordings.subjects else None
    classes = len(recordings.classes)
    return {
        "recordings": len(recordings),
        "test": int(test.sum()),
        "width": recordings.sensor_size[0],
        "height": recordings.sensor_size[1],
        "holds": _holds(ready, events, frames, len(recordings)),
        "classes": _counts(recordings.classes, recordings.labels, test),
        "subjects": None if groups is None else _counts(recordings.subjects, groups, test),
        "table": None
        if groups is None
        else [np.bincount(recordings.labels[groups == g], minlength=classes).tolist() for g in range(len(recordings.subjects))],
        "conditions": {name: _values(values) for name, values in recordings.conditions.items()},
        "duration_us": _spread([d for d in durations if d is not None]),
        "events": _spread(events) if any(events) else None,
        "frames": _spread(frames) if any(frames) else None,
        "labels": {kind: dict(found.most_common()) for kind, found in sorted(labels.items())},
        "durations_us": durations,
        "class_of": recordings.labels.tolist(),
    }


def _measure(content: Recording | Events) -> tuple[int | None, int, int]:
    """Duration in us, events, frames."""
    recording = content if isinstance(content, Recording) else Recording(content)
    n = 0 if recording.events is None else len(recording.events)
    shown = sum(len(frames) for frames in recording.frames.values())
    span = None if recording.events is None else recording.events.span
    if span is None and shown:
        span = (
            min(int(f.t[0]) for f in recording.frames.values() if len(f)),
            max(int(f.t[-1]) for f in recording.frames.values() if len(f)),
        )
    return None if span is None else span[1] - span[0], n, shown


def _holds(ready: int, events: Sequence[int], frames: Sequence[int], total: int) -> str:
    if ready:
        return "ready frames" if ready == total else "events and ready frames"
    parts = [name for name, counts in (("events", events), ("frames of a camera", frames)) if any(counts)]
    return " and ".join(parts) or "nothing"


def _counts(names: Sequence[str], index: np.ndarray, test: np.ndarray) -> dict[str, dict[str, int]]:
    train, tested = (np.bincount(index[part], minlength=len(names)).tolist() for part in (~test, test))
    return {name: {"train": train[k], "test": tested[k]} for k, name in enumerate(names)}


def _values(values: Sequence[str | float | None]) -> dict[str, Any]:
    """How often each value, or from where to where."""
    found = Counter(values)
    numbers = [float(v) for v in found.elements() if isinstance(v, (int, float))]
    if len(found) >= MANY and len(numbers) == len(values) - found[None]:
        return {"unknown": found[None], **(_spread(numbers) or {})}
    return {"unknown" if value is None else str(value): count for value, count in found.most_common()}


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Least, middle, greatest and sum."""
    if not values:
        return None
    whole = all(isinstance(value, int) for value in values)
    cast = int if whole else float
    return {
        "min": cast(min(values)),
        "median": float(np.median(values)),
        "max": cast(max(values)),
        "total": cast(sum(values)),
    }


def lines(found: dict[str, Any]) -> dict[str, str]:
    """A summary in lines for people, by what each is about; `dataset` is the name of the set."""
    lines = {"data set": found["dataset"], "holds": f"{found['recordings']:,} recordings: {found['holds']}"}
    lines["sensor"] = f"{found['width']} x {found['height']} pixels"
    lines["test part"] = f"{found['test']:,} recordings" if found["test"] else "none"
    for key in ("classes", "subjects"):
        if found[key] is not None:
            lines[key] = f"{len(found[key])}: {_several({n: sum(c.values()) for n, c in found[key].items()})}"
    lines["subjects"] = lines.get("subjects", "not known")
    lines |= {f"labels {kind}": _several(counts) for kind, counts in found["labels"].items()}
    for key, unit, scale in (("duration_us", "s", 1e6), ("events", "events", 1), ("frames", "frames", 1)):
        if found[key]:
            low, middle, high = (f"{found[key][part] / scale:,.6g}" for part in ("min", "median", "max"))
            lines[key.removesuffix("_us")] = f"{low} to {high} {unit}, median {middle}"
    for condition, values in found["conditions"].items():
        if "median" in values:
            lines[condition] = f"{values['min']:g} to {values['max']:g}, median {values['median']:g}"
        else:
            lines[condition] = _several(values)
    return lines


def _several(counts: dict[str, int], most: int = 12) -> str:
    """Names with their counts, as many as fit on a line or two."""
    shown = ", ".join(f"{name} ({count:,})" for name, count in list(counts.items())[:most])
    return f"{shown}, and {len(counts) - most} more" if len(counts) > most else shown
