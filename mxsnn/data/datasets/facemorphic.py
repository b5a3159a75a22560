"""FACEMORPHIC: posed Action Units before an event camera (1280x720) and an RGB camera of about 30 frames a second.

"Neuromorphic Facial Analysis with Cross-Modal Supervision", 2024, arXiv 2409.10213; layout: https://github.com/lcultrera/Facemorphic_PI.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from mxsnn.data.datasets._labelled import Labelled, labelled
from mxsnn.data.datasets._tables import folder_of
from mxsnn.data.datasets.base import Recordings, subfolders
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Label
from mxsnn.events.images import images_in

GET = "no public download is known: ask the authors of https://github.com/lcultrera/Facemorphic_PI, which holds the annotations"
SENSOR_SIZE = (1280, 720)
FACE = tuple(f"AU{n}" for n in (1, 2, 4, 6, 7, 9, 10, 12, 14, 15, 17, 23, 24, 25, 26, 27, 43, 45))
HEAD = tuple(f"AU{n}" for n in range(51, 57))
OTHERS = ("AU_FREE", "AU_READING")
"""Folders of clips without an Action Unit, which are no part of the classification."""

_TAKEN = re.compile(r"(\d{2})[:_.-](\d{2})[:_.-](\d{2})\.(\d{6})$")
_DAY = 86_400_000_000  # us


def facemorphic(root: str | Path, classes: Sequence[str] = (*FACE, *HEAD)) -> Recordings:
    """The clips `root/<user>/AU_12/event_1.raw`, with `frames_1/frame_<k>_15:19:28.385380.jpg` and their annotation.

    24 classes, 18 of the face and 6 of the head; `classes=FACE` takes the former. `event_frames_1/annotation.json`,
    {"start": 56, "end": 86}, says from which frame to before which the Action Unit is there: onset and offset of the
    label, where the frames tell their times. Frame k was taken at t_k - t_0 + the mean time from one to the next, as the
    authors align it with the first event (arXiv 2409.10213). Without frames or annotation a label has no times; a faulty
    annotation (end not after start) leaves them out with a warning. Clips without events are left out with a warning.

    `test`: the official part, the last 20 % of the users in falling order of their names.

    Raises: UserError for a missing folder, folders that are no Action Units, damaged annotations, no clips at all.
    """
    root = folder_of(root, GET)
    wanted = tuple(classes)
    if unknown := sorted(set(wanted) - {*FACE, *HEAD}):
        raise UserError(f"classes are of {', '.join((*FACE, *HEAD))}; got {', '.join(unknown)}")
    users = list(subfolders(root))[::-1]
    testing = set(users[int(0.8 * len(users)) :])
    files, lacking = [], []
    for user in users:
        for name, folder in subfolders(root / user).items():
            unit = name.replace("AU_", "AU", 1)
            if name in OTHERS or unit in {*FACE, *HEAD} - set(wanted):
                continue
            if unit not in wanted:
                raise UserError(f"{folder}: no folder of an Action Unit; there are AU_1 to AU_56 and {', '.join(OTHERS)}")
            for k in _takes(folder):
                if (folder / f"event_{k}.raw").is_file():
                    files.append(_clip(folder, k, unit, user))
                else:
                    lacking.append(folder / f"event_{k}.raw")
    if lacking:
        warnings.warn(f"{lacking[0]}: no such file; {len(lacking)} clips have no events: left out", RecordingWarning, stacklevel=2)
    if not files:
        raise UserError(f"{root}: holds no clips <user>/AU_<n>/event_<k>.raw; {GET}")
    present = tuple(unit for unit in wanted if any(one.name == unit for one in files))
    return labelled(root, files, present, SENSOR_SIZE, [one.subject in testing for one in files])


def _takes(folder: Path) -> list[int]:
    """The numbers of the clips in a folder."""
    found = (re.fullmatch(r"(?:event|frames|event_frames)_(\d+)(?:\.raw)?", path.name) for path in folder.iterdir())
    return sorted({int(match[1]) for match in found if match})


def _clip(folder: Path, k: int, unit: str, user: str) -> Labelled:
    images = tuple(images_in(folder / f"frames_{k}")) if (folder / f"frames_{k}").is_dir() else ()
    t = _times(images) if images else ()
    onset, offset = _annotated(folder / f"event_frames_{k}" / "annotation.json", t)
    return Labelled(folder / f"event_{k}.raw", unit, (Label(unit, "au", onset, None, offset),), user, str(k), images=images, t=t)


def _times(images: Sequence[Path]) -> tuple[int, ...]:
    """When each image was taken, us on the clock of the events."""
    taken: list[int] = []
    for path in images:
        match = _TAKEN.search(path.stem)
        if not match:
            raise UserError(f"{path}: its name does not end in the time of day, such as 15:19:28.385380")
        hours, minutes, seconds, us = map(int, match.groups())
        time = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + us
        if taken and time < taken[-1] - _DAY // 2:
            time += _DAY  # past midnight
        if taken and time < taken[-1]:
            raise UserError(f"{path}: was taken before the image that its number puts before it")
        taken.append(time)
    step = (taken[-1] - taken[0]) // (len(taken) - 1) if len(taken) > 1 else 0
    return tuple(time - taken[0] + step for time in taken)


def _annotated(path: Path, t: Sequence[int]) -> tuple[int | None, int | None]:
    """Onset and offset, us: the first and the last frame of the Action Unit."""
    if not path.is_file() or not t:
        return None, None
    try:
        told = json.loads(path.read_text("utf-8"))
        start, end = int(told["start"]), int(told["end"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, OSError) as error:
        raise UserError(f'{path}: no annotation; it is {{"start": 56, "end": 86}}, in numbers of frames') from error
    end = min(end, len(t))
    if not 0 <= start < end:
        warnings.warn(f"{path}: start {start} and end {told['end']} of {len(t)} frames: left out", RecordingWarning, stacklevel=4)
        return None, None
    return t[start], t[end - 1]
