"""NEFER: spontaneous facial expressions before an event camera (EVK4, 1280x720) and a GoPro.

Berlincioni et al. 2023, arXiv 2304.06351; layout and annotations: https://github.com/miccunifi/NEFER.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from mxsnn.data.datasets._labelled import Labelled, labelled
from mxsnn.data.datasets._tables import Row, folder_of, one_of, rows
from mxsnn.data.datasets.base import Recordings
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Label
from mxsnn.events.images import images_in

GET = (
    "the archive is linked from https://github.com/miccunifi/NEFER, whose annotations folder belongs into it; "
    "the repository states no licence: ask its authors what you may do with it"
)
SENSOR_SIZE = (1280, 720)
EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
VALIDATION_USERS = ("user_03", "user_07", "user_17", "user_19", "user_27", "user_28")
"""Of the official split; the other 20 are for training."""

RAW_FOLDERS = (
    "event_raw/raw",
    "event_raw",
    "event_videos/event_raw/raw",
    "event_videos/event_raw",
    "event_videos/raw",
    "event_videos",
)
RGB_FOLDERS = ("rgb_frames", "gopro_frame", "rgb_videos/gopro_frame", "rgb_videos/rgb_frames", "rgb_videos")

_FILES = {
    "expected": ("expected_emotions", "{part}_{camera}.csv"),
    "reported": ("reported_emotions", "{part}_{camera}_subjective.csv"),
}
_COLUMNS = ("user", "clip", "frame", "emotion")


def nefer(root: str | Path, emotions: str = "expected", rgb_fps: float | None = None) -> Recordings:
    """The clips that `root/annotations/<emotions>_emotions/{train,validation}_event*.csv` list (545: 420 and 125).

    The tables have no header: user_03, user03_<time>_cd, the path of a frame, Happiness; a line a frame. Events are
    `<user>/user03_<time>.raw` (EVT3) in the first of `RAW_FOLDERS`. `emotions`: "expected" (what the stimulus is to
    elicit) or "reported" (by the subject, which adds the class none). `test` marks the official validation users.

    `rgb_fps`: adds the frames of the GoPro, `<user>/<clip>/*` in the first of `RGB_FOLDERS`, at so many a second from
    the first event on: the set states neither their times nor how they lie to the events. They pair with the event clips
    of a user by their order in both tables; a user with unlike numbers or emotions gets none, with a warning.

    Raises: UserError for missing folders, tables and files, wrong rows, users on the wrong side of the official split.
    """
    root = folder_of(root, GET)
    if emotions not in _FILES:
        raise UserError(f"emotions is 'expected' or 'reported', got {emotions!r}")
    classes = EMOTIONS if emotions == "expected" else (*EMOTIONS, "none")
    raw = one_of(root, RAW_FOLDERS, GET)
    files, test = [], []
    for part in ("train", "validation"):
        clips = _clips(_table(root, emotions, part, "event"), classes, part)
        images = {} if rgb_fps is None else _images(root, clips, _clips(_table(root, emotions, part, "gopro"), classes, part))
        for row in clips:
            path = raw / row["user"] / f"{row['clip'].removesuffix('_cd')}.raw"
            if not path.is_file():
                raise row.wrong(f"no such file: {path}; {GET}")
            found = images.get((row["user"], row["clip"]), ())
            t = tuple(round(k * 1e6 / rgb_fps) for k in range(len(found))) if rgb_fps else ()
            name = row["emotion"].lower()
            labels = () if name == "none" else (Label(name, "emotion"),)
            files.append(Labelled(path, name, labels, row["user"], row["clip"], images=found, t=t))
            test.append(part == "validation")
    return labelled(root, files, classes, SENSOR_SIZE, test)


def _table(root: Path, emotions: str, part: str, camera: str) -> Path:
    folder, name = _FILES[emotions]
    return root / "annotations" / folder / name.format(part=part, camera=camera)


def _clips(path: Path, classes: Sequence[str], part: str) -> list[Row]:
    """One row a clip, its first."""
    clips: dict[tuple[str, str], Row] = {}
    for row in rows(path, _COLUMNS, header=False):
        first = clips.setdefault((row.name("user"), row.name("clip")), row)
        if row["emotion"].lower() not in classes:
            raise row.wrong(f"emotion is one of {', '.join(classes)}; got {row['emotion']!r}")
        if row["emotion"] != first["emotion"]:
            raise row.wrong(f"clip {row['clip']} is {row['emotion']} here and {first['emotion']} in line {first.line}")
        if (row["user"] in VALIDATION_USERS) != (part == "validation"):
            raise row.wrong(f"{row['user']} is on the other side of the official split")
    return list(clips.values())


def _images(root: Path, events: Sequence[Row], gopro: Sequence[Row]) -> dict[tuple[str, str], tuple[Path, ...]]:
    """The images of a frame camera for each event clip (user, clip) that has some."""
    folder = one_of(root, RGB_FOLDERS, GET)
    found = {}
    for user in dict.fromkeys(row["user"] for row in events):
        a = [row for row in events if row["user"] == user]
        b = [row for row in gopro if row["user"] == user]
        if [row["emotion"] for row in a] != [row["emotion"] for row in b]:
            message = f"{user} has {len(a)} clips of events and {len(b)} of the GoPro whose emotions do not pair: no frames"
            warnings.warn(f"{root}: {message}", RecordingWarning, stacklevel=3)
            continue
        for row, other in zip(a, b, strict=True):
            images = folder / user / other["clip"]
            if not images.is_dir():
                raise other.wrong(f"no such folder: {images}; {GET}")
            found[user, row["clip"]] = tuple(images_in(images))
    return found
