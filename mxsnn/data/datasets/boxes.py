"""Boxes about faces over time, as detectors are trained on."""

from __future__ import annotations

import xml.parsers.expat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.data.datasets._tables import rows
from mxsnn.errors import UserError
from mxsnn.events import Samples
from mxsnn.events.io.numpy_files import load_arrays

FIELDS = ("x", "y", "width", "height", "track")
LANDMARKS = tuple(f"{axis}{k}" for k in range(5) for axis in "xy")
"""x0, y0 ... x4, y4 of five points of a face: as FES' code draws them, eyes, nose and the corners of the mouth."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes about faces, in the order of time.

    Attributes:
      t: int64 [N], us.
      xywh: float32 [N, 4], pixels: left and upper edge, width and height.
      track: int64 [N], the same for one face over time.
      landmarks: float32 [N, 5, 2], pixels, or None.
    """

    t: np.ndarray
    xywh: np.ndarray
    track: np.ndarray
    landmarks: np.ndarray | None = None

    @classmethod
    def make(cls, t: ArrayLike, xywh: ArrayLike, track: ArrayLike | None = None, landmarks: ArrayLike | None = None) -> Boxes:
        """Boxes, put in the order of time; all are one face where `track` is None.

        Raises: UserError for shapes that differ, values that are not finite, negative sizes.
        """
        t = _times(t)
        with np.errstate(over="ignore"):  # infinite is looked for below
            xywh = np.asarray(xywh).astype(np.float32).reshape(-1, 4)
        track = np.zeros(len(t), np.int64) if track is None else np.asarray(track, np.int64)
        points = None if landmarks is None else np.asarray(landmarks, np.float32).reshape(-1, 5, 2)
        if not t.shape == track.shape == (len(xywh),) or (points is not None and len(points) != len(t)):
            raise UserError(f"boxes have one t, xywh and track each; got {len(t)}, {len(xywh)} and {len(track)}")
        if not np.isfinite(xywh).all() or (xywh[:, 2:] < 0).any():
            k = int((~np.isfinite(xywh).all(1) | (xywh[:, 2:] < 0).any(1)).argmax())
            raise UserError(f"box {k} has edges {xywh[k].tolist()}: left, upper, width and height in pixels")
        order = np.argsort(t, kind="stable")
        return cls(t[order], xywh[order], track[order], None if points is None else points[order])

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, index: slice | np.ndarray) -> Boxes:
        """The boxes that a slice or a boolean mask [N] selects."""
        return Boxes(self.t[index], self.xywh[index], self.track[index], None if self.landmarks is None else self.landmarks[index])

    def window(self, t0: int, t1: int) -> Boxes:
        """The boxes with t0 <= t < t1, us."""
        return self[slice(*map(int, np.searchsorted(self.t, (t0, t1))))]

    def at(self, t: int, within: int) -> Boxes:
        """The last box of each track at `t` us or up to `within` us before."""
        recent = self.window(t - within, t + 1)
        last = {int(track): k for k, track in enumerate(recent.track)}
        mask = np.zeros(len(recent), bool)
        mask[list(last.values())] = True
        return recent[mask]

    def samples(self) -> Samples:
        """As a series that recordings hold: `FIELDS`, then `LANDMARKS` where there are some; pixels."""
        parts = [self.xywh, self.track[:, None].astype(np.float32)]
        names = FIELDS
        if self.landmarks is not None:
            parts, names = [*parts, self.landmarks.reshape(-1, 10)], (*FIELDS, *LANDMARKS)
        return Samples(self.t, np.concatenate(parts, 1), names)

    @classmethod
    def of(cls, samples: Samples) -> Boxes:
        """The inverse of `samples`. Raises: UserError for another series."""
        if samples.names not in (FIELDS, (*FIELDS, *LANDMARKS)):
            raise UserError(f"boxes are a series of {', '.join(FIELDS)}; got {', '.join(samples.names)}")
        v = samples.values
        return cls.make(samples.t, v[:, :4], v[:, 4], v[:, 5:] if v.shape[1] > 5 else None)


def read_boxes(path: str | Path, fps: float = 30.0) -> Boxes:
    """Boxes from `.npy` (Prophesee), `.txt` (tabs) or `.xml` (CVAT), the last with frame numbers at `fps`.

    `.npy`: a structured array with t or ts (us), x, y, w, h (pixels), track_id, and x0, y0 ... x4, y4 where it has landmarks.
    `.txt`, a line a box: t (us), track, command, class, x, y, w, h, [x0, y0 ... x4, y4,] confidence. `.xml`: `track` elements
    with `box` elements of frame, xtl, ytl, xbr, ybr and outside (1: not there).

    Raises: UserError that names the file, and the line or box, where it is missing, damaged, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    readers = {".npy": _npy, ".txt": _txt, ".xml": lambda path: _xml(path, fps)}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: boxes are in {', '.join(readers)} files")
    try:
        return readers[path.suffix.lower()](path)
    except UserError as error:
        raise UserError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from error


def _times(t: ArrayLike) -> np.ndarray:
    """int64 [N], us, of any type of number."""
    times = np.asarray(t)
    if times.size and (times.dtype.kind not in "iuf" or not (np.abs(times.astype(np.float64)) < 2**62).all()):
        raise UserError("the times of boxes are numbers of us, which these are not")
    return np.rint(times).astype(np.int64) if times.dtype.kind == "f" else times.astype(np.int64)


def _npy(path: Path) -> Boxes:
    array = load_arrays(path)
    if not isinstance(array, np.ndarray):
        raise UserError("boxes are one array, not an archive of arrays")
    names = array.dtype.names or ()
    time = next((name for name in ("t", "ts") if name in names), None)
    if array.ndim != 1 or time is None or not {"x", "y", "w", "h"} <= set(names):
        raise UserError(f"boxes are a structured array [N] of t, x, y, w, h; got {', '.join(names) or array.shape}")
    if any(array[name].dtype.kind not in "biuf" or array[name].ndim != 1 for name in names):
        raise UserError(f"boxes are numbers, got {array.dtype}")
    track = array["track_id"] if "track_id" in names else None
    landmarks = np.stack([array[name] for name in LANDMARKS], 1) if set(LANDMARKS) <= set(names) else None
    return Boxes.make(array[time], np.stack([array[name] for name in "xywh"], 1), track, landmarks)


def _txt(path: Path) -> Boxes:
    plain = ("t", "track", "command", "class", "x", "y", "w", "h", "confidence")
    with path.open("rb") as file:
        wide = file.readline().count(b"\t") + 1 > len(plain)
    columns = (*plain[:-1], *LANDMARKS, plain[-1]) if wide else plain
    table = rows(path, columns, "\t", header=False)
    return Boxes.make(
        [row.whole("t", 0, 2**62) for row in table],
        [[row.number(name) for name in "xywh"] for row in table],
        [row.whole("track", 0, 2**31) for row in table],
        [[row.number(name) for name in LANDMARKS] for row in table] if wide else None,
    )


def _xml(path: Path, fps: float) -> Boxes:
    t: list[int] = []
    xywh: list[list[float]] = []
    tracks: list[int] = []
    current = -1
    parser = xml.parsers.expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal current
        if name == "track":
            current += 1
        elif name == "box" and attributes.get("outside", "0") != "1":
            try:
                left, upper, right, lower = (float(attributes[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
                t.append(int(int(attributes["frame"]) * 1e6 / fps))
            except (KeyError, ValueError, OverflowError) as error:
                raise UserError(f"{path}:{parser.CurrentLineNumber}: a box has frame, xtl, ytl, xbr, ybr as numbers") from error
            xywh.append([left, upper, right - left, lower - upper])
            tracks.append(max(current, 0))

    def entity(*_: object) -> None:  # the way of a few bytes to fill the memory
        raise UserError(f"{path}:{parser.CurrentLineNumber}: declares an entity, which annotations have no need of")

    parser.StartElementHandler = start
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(path.read_bytes(), True)
    except xml.parsers.expat.ExpatError as error:
        raise UserError(f"{path}:{error.lineno}: no XML ({xml.parsers.expat.ErrorString(error.code)})") from error
    except (LookupError, ValueError) as error:  # of an encoding that Python does not know
        raise UserError(f"{path}: {error}" if not isinstance(error, UserError) else str(error)) from error
    return Boxes.make(t, xywh, tracks)
