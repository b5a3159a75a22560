"""Action Units that OpenFace found in a video, from its CSV file.

Columns: https://github.com/TadasBaltrusaitis/OpenFace/wiki/Output-Format. `AU01_r` ... `AU45_r` are intensities from 0 to
5, `AU01_c` ... `AU45_c` presence, 0 or 1. They are estimates of a network, not the judgement of an observer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.data.datasets._tables import Row, rows
from mxsnn.errors import UserError
from mxsnn.events import Label, Samples

HIGHEST = 5.0
"""OpenFace's highest intensity."""

_COLUMN = re.compile(r"au(\d\d)_([rc])")


def read_openface(
    path: str | Path, threshold: float = 0.2, face: int | None = None, fps: float | None = None, t: ArrayLike | None = None
) -> tuple[Samples, tuple[Label, ...]]:
    """The series of Action Units, and when each was there.

    Series: float32 [N, K] named "AU1" for an intensity (0 to 1: OpenFace's 0 to 5) and "AU1 present" for a presence (0 or
    1), at `t` us; NaN where the face was not found. Labels of kind "au": each longest run of frames in which an intensity
    is at least `threshold`, with its first, highest and last frame as onset, apex and offset and the highest intensity as
    intensity; for an Action Unit of which there is presence only, the runs of presence, without apex and intensity.

    Times: `t` us [N], or frame number / `fps` from the first, else the file's time stamps. `face`: which of several.

    Raises: UserError that names file and line: missing columns, no numbers, intensities outside 0 to 5, times that go back,
      several faces without `face`.
    """
    if not 0 < threshold <= 1:
        raise UserError(f"threshold is above 0 and at most 1, got {threshold!r}")
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise UserError(f"fps is a positive number of frames a second, got {fps!r}")
    path = Path(path)
    table = _of_face(path, rows(path, ("frame", "timestamp", "success")), face)
    names = {name: match for name in table[0].values if (match := _COLUMN.fullmatch(name))}
    if not names:
        raise UserError(f"{path}: has no columns AU01_r or AU01_c; let OpenFace write them (-aus)")
    values = np.full((len(table), len(names)), np.nan, np.float32)
    for one, row in zip(values, table, strict=True):
        if row.number("success") == 1:
            one[:] = [_value(row, name, found[2]) for name, found in names.items()]
    times = _times(path, table, fps, t)
    units = [f"AU{int(found[1])}" for found in names.values()]
    intensity = [found[2] == "r" for found in names.values()]
    labels = []
    for k, (unit, graded) in enumerate(zip(units, intensity, strict=True)):
        if graded or not any(unit == other and rated for other, rated in zip(units, intensity, strict=True)):
            labels += _runs(unit, values[:, k], times, threshold if graded else 0.5, graded)
    labels.sort(key=lambda label: (label.onset, label.name))
    series = tuple(unit if graded else f"{unit} present" for unit, graded in zip(units, intensity, strict=True))
    return Samples(times, values, series), tuple(labels)


def _of_face(path: Path, table: list[Row], face: int | None) -> list[Row]:
    """The rows of one face."""
    faces = sorted({row["face_id"] for row in table})
    if face is None:
        if len(faces) > 1:
            raise UserError(f"{path}: holds the faces {', '.join(faces)}; say which as face")
        return table
    chosen = [row for row in table if row["face_id"] == str(face)]
    if not chosen:
        raise UserError(f"{path}: holds no face {face}; there are {', '.join(filter(None, faces)) or 'no numbers of faces'}")
    return chosen


def _value(row: Row, name: str, kind: str) -> float:
    value, highest = row.number(name), HIGHEST if kind == "r" else 1.0
    if not 0 <= value <= highest:
        raise row.wrong(f"{name.upper()} is from 0 to {highest:g}, got {row[name]}")
    return value / highest


def _times(path: Path, table: list[Row], fps: float | None, t: ArrayLike | None) -> np.ndarray:
    """int64 [N], us."""
    if t is not None:
        times = np.asarray(t, np.int64)
        if times.shape != (len(table),):
            raise UserError(f"{path}: has {len(table)} rows, but there are {len(times)} frames")
    elif fps is not None:
        numbers = np.array([row.number("frame") for row in table])
        times = _whole(path, (numbers - numbers[0]) / fps)
    else:
        times = _whole(path, np.array([row.number("timestamp") for row in table]))
    back = times[1:] < times[:-1]
    if back.any():
        raise table[int(back.argmax()) + 1].wrong("the times go back")
    return times


def _whole(path: Path, seconds: np.ndarray) -> np.ndarray:
    """Times as int64 us. Raises: UserError where they do not fit."""
    if not (np.abs(seconds) < 2**43).all():
        raise UserError(f"{path}: has times of {np.abs(seconds).max():g} s, which are no time of a recording")
    return np.rint(seconds * 1e6).astype(np.int64)


def _runs(name: str, values: np.ndarray, t: np.ndarray, threshold: float, graded: bool) -> Iterator[Label]:
    """A label for each longest run of frames at or above the threshold; NaN is below it."""
    above = np.concatenate([[False], values >= threshold, [False]])
    for first, end in np.flatnonzero(above[1:] != above[:-1]).reshape(-1, 2):
        top = first + int(values[first:end].argmax())
        apex, intensity = (int(t[top]), float(values[top])) if graded else (None, None)
        yield Label(name, "au", int(t[first]), apex, int(t[end - 1]), intensity)
