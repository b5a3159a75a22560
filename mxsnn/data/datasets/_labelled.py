"""Files of events with what a data set knows of each beside: labels, subject, a frame camera's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mxsnn.data.datasets._tables import numbered
from mxsnn.data.datasets.base import Origin, Recordings
from mxsnn.events import Label, Recording, open_recording
from mxsnn.events.images import read_frames


@dataclass(frozen=True)
class Labelled:
    """One recording.

    Attributes:
      path: the file of events.
      name: of its class.
      labels, subject, session, conditions: as in `Recording`, added to what the file tells.
      images, t: files of a frame camera, and when each was taken, us.
    """

    path: Path
    name: str
    labels: tuple[Label, ...]
    subject: str
    session: str | None = None
    conditions: Mapping[str, str | float] = field(default_factory=dict)
    images: tuple[Path, ...] = ()
    t: tuple[int, ...] = ()


@dataclass(frozen=True)
class LabelledFiles:
    """Recordings from files on one sensor of (width, height) pixels."""

    files: tuple[Labelled, ...]
    sensor_size: tuple[int, int]

    def __call__(self, index: int) -> Recording:
        one = self.files[index]
        found = open_recording(one.path, self.sensor_size)
        frames = {**found.frames, "rgb": read_frames(one.images, t=one.t)} if one.images else found.frames
        return replace(
            found,
            frames=frames,
            labels=one.labels,
            subject=one.subject,
            session=one.session,
            conditions={**found.conditions, **one.conditions},
        )

    def origin(self, index: int) -> Origin:
        return (self.files[index].path,), f"{self.sensor_size}"


def labelled(
    root: Path, files: Sequence[Labelled], classes: tuple[str, ...], sensor_size: tuple[int, int], test: Sequence[bool]
) -> Recordings:
    """The data set of these files under `root`, grouped by subject."""
    index = {name: k for k, name in enumerate(classes)}
    groups, subjects = numbered([one.subject for one in files])
    told = dict.fromkeys(name for one in files for name in one.conditions)
    return Recordings(
        source=LabelledFiles(tuple(files), sensor_size),
        labels=np.array([index[one.name] for one in files], np.int64),
        classes=classes,
        sensor_size=sensor_size,
        test=np.array(test, bool),
        identities=tuple(_identity(root, one) for one in files),
        groups=np.array(groups, np.int64),
        subjects=subjects,
        conditions={name: tuple(one.conditions.get(name) for one in files) for name in told},
    )


def _identity(root: Path, one: Labelled) -> str:
    """What a recording is made from: its file, and how many images beside."""
    return f"{one.path.relative_to(root).as_posix()}:{one.path.stat().st_size}:{len(one.images)}"
