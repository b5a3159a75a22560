"""What a data set is: recordings by index, their classes, and which of them are for the test."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events import Events, read


@dataclass(frozen=True, eq=False)
class Recordings:
    """N labelled recordings, each read or generated when it is asked for.

    Attributes:
      source: recording of an index, `source(i) -> Events | [T, H, W, 2]`; it depends on nothing but i.
      labels: int64 [N], indices into `classes`.
      classes: the names of the classes.
      sensor_size: (width, height) in pixels, of all recordings.
      test: bool [N], True for the official test part; all False where the data set has none.
      identities: what each recording is made from (file name and size, or seed and parameters).
      groups: int64 [N], the subject of each recording, or None; subjects never cross a split.
    """

    source: Callable[[int], Events | np.ndarray]
    labels: np.ndarray
    classes: tuple[str, ...]
    sensor_size: tuple[int, int]
    test: np.ndarray
    identities: tuple[str, ...]
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Events | np.ndarray:
        i = operator.index(index)
        if not 0 <= i < len(self):
            raise IndexError(f"recording {i} of {len(self)}")
        return self.source(i)

    def fingerprint(self) -> str:
        """A hash of what the recordings are made from, their labels and parts; cheap: no recording is read."""
        digest = hashlib.sha256(repr((self.classes, self.sensor_size, self.identities)).encode())
        for array in (self.labels, self.test, self.groups):
            digest.update(b"-" if array is None else np.ascontiguousarray(array, np.int64).tobytes())
        return digest.hexdigest()

    def validate(self) -> None:
        """Read every recording once. Raises: UserError that names the first file that cannot be read."""
        for i in range(len(self)):
            self.source(i)


@dataclass(frozen=True)
class Files:
    """Recordings from files, on one sensor of (width, height) pixels."""

    paths: tuple[Path, ...]
    sensor_size: tuple[int, int]

    def __call__(self, index: int) -> Events | np.ndarray:
        return read(self.paths[index], self.sensor_size)


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
