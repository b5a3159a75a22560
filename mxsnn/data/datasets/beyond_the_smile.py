"""Seven posed facial movements, as in "Beyond the Smile" (Mayaud and Bouchy, EURECOM): class folders of `.npy` files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mxsnn.data.datasets.base import Origin, Recordings, subfolders
from mxsnn.data.datasets.folders import class_folders
from mxsnn.errors import UserError
from mxsnn.events import Label, Recording

GET = "the recordings are not published: ask their authors, or record your own by the protocol"

UNITS = {
    "Upper Lid Raiser": ("AU5",),
    "Smile": ("AU12",),
    "Open Mouth": ("AU25", "AU26"),
    "Nose Wrinkle": ("AU9",),
    "Frown": ("AU4",),
    "Blink Eyes": ("AU45",),
    "Contract Jaw": ("AU31",),
}
"""The movements, with the Action Units of FACS that they correspond to; the report names movements alone."""


def beyond_the_smile(root: str | Path, sensor_size: tuple[int, int] | None = None) -> Recordings:
    """The recordings in `root/<movement>/*.npy`, or below `root/train` and `root/test`, as `class_folders` reads them.

    The folders carry the names of `UNITS`, whose capitals, spaces, hyphens and underscores do not count. Of the published
    layout no more is known than folders of `.npy` files, one for each class; the split and the subjects are not known,
    so that nothing keeps a subject off two sides of a split here.

    Raises: UserError as `class_folders`, and for a folder that is none of the seven movements.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}; {GET}")
    found = class_folders(root, sensor_size)
    for name in found.classes:
        if movement(name) is None:
            raise UserError(f"{root}: {name!r} is no movement of this set; there are {', '.join(UNITS)}")
    names = [movement(name) or "" for name in found.classes]
    classes = tuple(name for name in UNITS if name in names)
    if len(classes) < len(names):
        raise UserError(f"{root}: two folders have the same movement; there are {', '.join(subfolders(root))}")
    labels = np.array([classes.index(name) for name in names], np.int64)[found.labels]
    return replace(found, source=_Moved(found, tuple(classes[k] for k in labels)), labels=labels, classes=classes)


def movement(folder: str) -> str | None:
    """The movement of `UNITS` that a folder's name means; None for another."""
    return next((name for name in UNITS if _key(name) == _key(folder)), None)


@dataclass(frozen=True)
class _Moved:
    """Recordings that know their movement; ready frames stay frames."""

    found: Recordings
    names: tuple[str, ...]

    def __call__(self, index: int) -> Recording | np.ndarray:
        content = self.found.source(index)
        if isinstance(content, np.ndarray):
            return content
        units = (Label(unit, "au") for unit in UNITS[self.names[index]])
        return replace(self.found.recording(index), labels=(Label(self.names[index], "movement"), *units))

    def origin(self, index: int) -> Origin | None:
        return self.found.origin(index)


def _key(name: str) -> str:
    return "".join(name.replace("_", " ").replace("-", " ").split()).lower()
