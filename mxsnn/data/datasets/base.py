"""What a data set is: recordings by index, their classes, and which of them are for the test."""

from __future__ import annotations

import hashlib
import math
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mxsnn.errors import CutShortWarning, UserError
from mxsnn.events import Events, Recording, read
from mxsnn.spec import suggestion

Origin = tuple[tuple[Path, ...], str]
"""The files and folders that the events of a recording are read from, and by which parameters they are read or generated."""


@dataclass(frozen=True, eq=False)
class Recordings:
    """N labelled recordings, each read or generated when it is asked for.

    `data[i]` is what a network learns from, events or ready frames; `data.recording(i)` is all that there is of it.

    Attributes:
      source: recording of an index, `source(i) -> Recording | Events | [T, H, W, 2]`; it depends on nothing but i.
      labels: int64 [N], indices into `classes`.
      classes: the names of the classes.
      sensor_size: (width, height) in pixels that hold all recordings.
      test: bool [N], True for the official test part; all False where the data set has none.
      identities: what each recording is made from (file name and size, or seed and parameters).
      groups: int64 [N], the subject of each recording, or None; subjects never cross a split.
      subjects: the names of the subjects, of which `groups` are indices; () where they have none.
      conditions: under what each was recorded, by name N values, None where not known: "lux", "width" and "height"
        where the sensors differ, "fold", whatever the data set tells.
    """

    source: Callable[[int], Recording | Events | np.ndarray]
    labels: np.ndarray
    classes: tuple[str, ...]
    sensor_size: tuple[int, int]
    test: np.ndarray
    identities: tuple[str, ...]
    groups: np.ndarray | None = None
    subjects: tuple[str, ...] = ()
    conditions: Mapping[str, tuple[str | float | None, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Events | np.ndarray:
        """The events of a recording, in memory, or its ready frames. Raises: UserError where it holds neither."""
        found = self.source(self._check(index))
        if not isinstance(found, Recording):
            return found
        if found.events is None:
            raise UserError(f"{self.identities[index]}: holds no events; simulate them from its frames")
        first, last = found.events.span or (0, -1)
        return found.events if isinstance(found.events, Events) else found.events.window(first, last + 1)

    def recording(self, index: int) -> Recording:
        """All that there is of a recording: events, frames, labels, subject. Raises: UserError for ready frames."""
        found = self.source(self._check(index))
        if isinstance(found, np.ndarray):
            raise UserError(f"{self.identities[index]}: holds ready frames; a recording holds events or a camera's frames")
        if isinstance(found, Recording):
            return found
        return Recording(found, subject=self.subjects[self.groups[index]] if self.subjects and self.groups is not None else None)

    def select(self, chosen: np.ndarray) -> Recordings:
        """The recordings at indices [M], or where a mask [N] is True, in the same classes and subjects."""
        index = np.arange(len(self))[chosen]
        return replace(
            self,
            source=_Selected(self.source, tuple(index.tolist())),
            labels=self.labels[index],
            test=self.test[index],
            identities=tuple(self.identities[i] for i in index),
            groups=None if self.groups is None else self.groups[index],
            conditions={name: tuple(values[i] for i in index) for name, values in self.conditions.items()},
        )

    def where(self, condition: str, value: str) -> Recordings:
        """The recordings of which `conditions` hold this value, given as text: "50" is 50.0, too.

        Raises: UserError for a condition that is not known, and a value that no recording has.
        """
        if condition not in self.conditions:
            raise UserError(f"no recording tells its {condition!r}{suggestion(condition, self.conditions)}")
        there = self.conditions[condition]
        found = np.array([one is not None and (str(one) == value or _number(one) == _number(value)) for one in there], bool)
        if not found.any():
            known = ", ".join(sorted({str(one) for one in there if one is not None}, key=lambda one: (_number(one), one)))
            raise UserError(f"no recording has {condition}={value}; there are {known}")
        return self.select(found)

    def origin(self, index: int) -> Origin | None:
        """What a recording's events are made from; None where the source does not say, by a method of this name."""
        said = getattr(self.source, "origin", None)
        return None if said is None else said(self._check(index))

    def _check(self, index: int) -> int:
        i = operator.index(index)
        if not 0 <= i < len(self):
            raise IndexError(f"recording {i} of {len(self)}")
        return i

    def fingerprint(self) -> str:
        """A hash of what the recordings are made from, their labels, parts and conditions; cheap: no recording is read."""
        told = (self.classes, self.sensor_size, self.identities, self.subjects, sorted(self.conditions.items()))
        digest = hashlib.sha256(repr(told).encode())
        for array in (self.labels, self.test, self.groups):
            digest.update(b"-" if array is None else np.ascontiguousarray(array, np.int64).tobytes())
        return digest.hexdigest()

    def validate(self) -> None:
        """Read every recording once. Raises: UserError that names the first file that cannot be read, or is cut short."""
        with whole_files():
            for i in range(len(self)):
                self[i]


def _number(value: str | float) -> float:
    """NaN, which equals nothing, for what is no number."""
    try:
        return float(value)
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class _Selected:
    source: Callable[[int], Recording | Events | np.ndarray]
    indices: tuple[int, ...]

    def __call__(self, index: int) -> Recording | Events | np.ndarray:
        return self.source(self.indices[index])

    def origin(self, index: int) -> Origin | None:
        said = getattr(self.source, "origin", None)
        return None if said is None else said(self.indices[index])


@contextmanager
def whole_files() -> Iterator[None]:
    """Files that are cut short are errors inside. Raises: UserError that names such a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CutShortWarning)
        try:
            yield
        except CutShortWarning as cut:
            raise UserError(f"{cut}; get it whole, or leave it out") from cut


@dataclass(frozen=True)
class Files:
    """Recordings from files, on one sensor of (width, height) pixels."""

    paths: tuple[Path, ...]
    sensor_size: tuple[int, int]

    def __call__(self, index: int) -> Events | np.ndarray:
        return read(self.paths[index], self.sensor_size)

    def origin(self, index: int) -> Origin:
        return (self.paths[index],), f"{self.sensor_size}"


def from_files(
    root: Path, files: Sequence[tuple[Path, int, bool]], classes: tuple[str, ...], sensor_size: tuple[int, int]
) -> Recordings:
    """Recordings from (path, label, test) under `root`; where the root lies is not part of the fingerprint."""
    paths, labels, test = zip(*files, strict=True)
    return Recordings(
        source=Files(paths, sensor_size),
        labels=np.array(labels, np.int64),
        classes=classes,
        sensor_size=sensor_size,
        test=np.array(test, bool),
        identities=tuple(f"{path.relative_to(root).as_posix()}:{path.stat().st_size}" for path in paths),
    )


def subfolders(folder: Path) -> dict[str, Path]:
    """The folders in a folder by name, without hidden ones. Raises: UserError where it is missing or no folder."""
    if not folder.is_dir():
        raise UserError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}


def recording_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The recordings in a folder, in the order of their names, without hidden files.

    Raises: UserError where there is none, or a file of another kind: skipped, it would be missing unnoticed.
    """
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    for path in files:
        if path.suffix.lower() not in suffixes:
            raise UserError(f"{path}: not a recording here; a class folder holds {', '.join(suffixes)} files only")
    if not files:
        raise UserError(f"{folder}: holds no recordings ({', '.join(suffixes)})")
    return files
