"""A data set from a folder that has one folder of recordings for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mxsnn.data.datasets.base import Recordings, from_files, recording_files, subfolders, whole_files
from mxsnn.data.datasets.recordings import INDEX
from mxsnn.errors import UserError
from mxsnn.events import FORMATS, read
from mxsnn.events.stream import check_sensor_size

SUFFIXES = tuple(dict.fromkeys(suffix for format in FORMATS.values() for suffix in format.suffixes))
"""Of files that may be recordings."""


def class_folders(root: str | Path, sensor_size: Sequence[int] | None = None) -> Recordings:
    """The recordings in `root/<class>/<file>`, or in `root/train/<class>/<file>` and `root/test/<class>/<file>`.

    Files of every format in `mxsnn.events.FORMATS`; classes in the order of their names (numbers by value). `test`
    marks the files below `test`. `sensor_size=(width, height)`: None reads all files once for the smallest that holds
    all events.

    Raises: UserError for a missing or empty folder, a class without recordings, files that are no recordings, classes
      that differ between train and test, recordings that cannot be read; a folder with an index, whose classes are there.
    """
    root = Path(root)
    size = check_sensor_size(sensor_size) if sensor_size is not None else None
    folders = subfolders(root)
    if (root / INDEX).is_file():  # its folders are subjects or sessions, which no network shall learn to tell apart
        raise UserError(f"{root}: has an {INDEX}: it is no folder of classes but the data set recordings (--data.dataset)")
    lower = {name.lower(): path for name, path in folders.items()}
    parts = {part: lower[part] for part in ("train", "test") if part in lower}
    if not parts:
        parts = {"": root}
    elif "train" not in parts:
        raise UserError(f"{root}: has {parts['test'].name} but no train beside it")
    elif len(parts) < len(folders):
        others = sorted(name for name in folders if name.lower() not in parts)
        raise UserError(f"{root}: has train and other folders ({', '.join(others)}); it takes train and test, or classes")
    by_part = {part: subfolders(folder) for part, folder in parts.items()}
    for part, classes in by_part.items():
        if not classes:
            raise UserError(f"{parts[part]}: holds no folder; it takes one of recordings for each class")
        differ = sorted(set(classes) ^ set(next(iter(by_part.values()))))
        if differ:
            raise UserError(f"{root}: train and test have different classes; not in both: {', '.join(differ)}")
    names = tuple(sorted(next(iter(by_part.values())), key=_numbers_by_value))
    files = [
        (path, label, part == "test")
        for part, classes in by_part.items()
        for label, name in enumerate(names)
        for path in recording_files(classes[name], SUFFIXES)
    ]
    return from_files(root, files, names, size or _common_size([path for path, _, _ in files]))


def _numbers_by_value(name: str) -> tuple[bool, int, str]:
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)


def _common_size(paths: Sequence[Path]) -> tuple[int, int]:
    """The smallest sensor that holds all recordings; frames must all have the same size."""
    sizes: dict[tuple[int, int], Path] = {}
    frames: dict[tuple[int, int], Path] = {}
    for path in paths:
        with whole_files():
            recording = read(path)
        if isinstance(recording, np.ndarray):
            frames[recording.shape[2], recording.shape[1]] = path
        else:
            sizes[recording.sensor_size] = path
    if len(frames) > 1:
        (a, first), (b, second) = list(frames.items())[:2]
        raise UserError(f"{second}: frames of {b[0]}x{b[1]} pixels, but {first} has {a[0]}x{a[1]}; give one size to all")
    sizes |= frames
    width, height = (max(side) for side in zip(*sizes, strict=True))
    if not width:
        raise UserError(f"{paths[0].parent.parent}: no recording holds an event; give sensor_size")
    return width, height
