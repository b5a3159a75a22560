"""Files and clocks: a second recording opened whatever it is, both as one on the first one's clock, a clock that begins at 0."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events.images import read_frames
from mxsnn.events.io._source import Block, Source
from mxsnn.events.io.files import identify, open_recording
from mxsnn.events.recording import Label, Recording
from mxsnn.events.sync.clock import Clock, Sync

Stream = TypeVar("Stream")


def open_any(
    path: str | Path,
    fps: float | None = None,
    times: str | Path | None = None,
    progress: Callable[[float], None] = lambda done: None,
    **reading: Any,
) -> Recording:
    """A recording, or the frames of a video, a GIF or a folder of images, at their own times, k / `fps` or `times`.

    `times`: a text file with a line for each frame, which begins with its time, in us where all are whole numbers, in s
    where they have a decimal point (as in the images.txt of RPG's data sets). `progress` and `reading`: as for `open_recording`.

    Raises: UserError as `open_recording` and `mxsnn.events.images.read_frames`; for `reading` where frames are read.
    """
    given = [name for name, value in reading.items() if value]
    if fps is None and times is None and ("format" in given or _known(path)):
        return open_recording(path, progress=progress, **reading)
    if given:
        raise UserError(f"{path}: {', '.join(given)} is of recordings, but this is read as frames, which have fps or times")
    if fps is not None and times is not None:
        raise UserError("give the times of the frames or fps, not both")
    frames = read_frames(path, t=None if times is None else _times(Path(times)), fps=fps)
    return Recording(None, frames={"rgb" if len(frames.images.shape) == 4 else "grey": frames})


def _known(path: str | Path) -> bool:
    """Whether it is of a known format of recordings."""
    try:
        identify(path)
    except UserError:
        return False
    return True


def _times(path: Path) -> np.ndarray:
    """Times [N], us, of a text file."""
    try:
        words = [line.split()[0].rstrip(",;") for line in path.read_text("utf-8").splitlines() if line.strip() and line[0] != "#"]
        if all("." not in word for word in words):
            return np.array([int(word) for word in words], np.int64)
        whole = np.rint(np.array([float(word) for word in words]) * 1e6)
        if not (np.abs(whole) < 2**53).all():
            raise ValueError("beyond what can be a time")
        return whole.astype(np.int64)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"{path}: a line for each frame begins with its time, in us or, with a decimal point, in s ({error})"
        ) from error


def joined(a: Recording, b: Recording, sync: Sync) -> Recording:
    """Both recordings on the clock of `a`, with the conditions "sync_offset_us", "sync_drift", "sync_rms_us" and others.

    What is there once only (events, triggers, subject, sensor) is that of `a`, where it has it; events and triggers of `b`
    that find no place are left out with a `RecordingWarning`. A stream of `b` whose name `a` has too is numbered.
    """
    moved = sync.clock.moved(b)
    lost = [name for name in ("events", "triggers") if _held(getattr(a, name)) and _held(getattr(b, name))]
    if lost:
        told = f"a recording holds those of one camera: {' and '.join(lost)} of the second recording are left out"
        warnings.warn(told, RecordingWarning, stacklevel=2)
    told = {
        "sync_offset_us": float(sync.clock.offset),
        "sync_reference_us": float(sync.clock.reference),
        "sync_drift": sync.clock.drift,
        "sync_rms_us": sync.rms,
        "sync_rests": sync.rests,
    }
    return replace(
        a,
        events=a.events if _held(a.events) else moved.events,
        triggers=a.triggers if _held(a.triggers) else moved.triggers,
        frames=_both(a.frames, moved.frames),
        samples=_both(a.samples, moved.samples),
        labels=tuple(sorted((*a.labels, *moved.labels), key=_onset)),
        subject=a.subject or b.subject,
        session=a.session or b.session,
        sensor=a.sensor or b.sensor,
        lux=b.lux if a.lux is None else a.lux,
        conditions={**b.conditions, **a.conditions, **told},
    )


def _onset(label: Label) -> float:
    """When a label begins, us; what began before anyone looked is first."""
    return -math.inf if label.onset is None else label.onset


def _held(part: object) -> bool:
    return part is not None and len(part) > 0  # type: ignore[arg-type]


def _both(ours: Mapping[str, Stream], theirs: Mapping[str, Stream]) -> dict[str, Stream]:
    found = dict(ours)
    for name, stream in theirs.items():
        number = 2
        free = name
        while free in found:
            free, number = f"{name}_{number}", number + 1
        found[free] = stream
    return found


def from_zero(source: Source) -> Source:
    """The source on a clock that begins at the first of its events, triggers and exposures: some formats hold no other."""
    times = [int(frames.start[0]) for frames in source.recording.frames.values() if len(frames)]
    times += [int(source.recording.triggers.t[0])] if len(source.recording.triggers) else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)  # what is odd is told in the pass that follows
        for block in source.blocks():
            times += [int(block.t[0])] if len(block.t) else []
            times += [int(block.triggers.t.min())] if block.triggers is not None and len(block.triggers) else []
            if len(block.t):
                break
    if not times:
        return source
    clock = Clock(-min(times))

    def blocks() -> Iterator[Block]:
        for block in source.blocks():
            edges = block.triggers
            moved = None if edges is None else replace(edges, t=clock(edges.t))
            yield block._replace(t=clock(block.t), triggers=moved)

    return replace(source, blocks=blocks, recording=clock.moved(source.recording), whole=None)
