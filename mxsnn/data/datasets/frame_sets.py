"""Data sets of a frame camera: clips as folders of images, videos or GIFs, and a table of onset, apex, offset and Action Units.

Their recordings hold frames and labels but no events: these are simulated from the frames.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mxsnn.data.datasets._tables import Row, folder_of, inside, numbered, one_of, rows
from mxsnn.data.datasets.base import Recordings
from mxsnn.data.datasets.facs import parse_aus
from mxsnn.data.datasets.openface import read_openface
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Frames, Label, Recording
from mxsnn.events.images import ImageFiles, images_in, read_frames
from mxsnn.events.stream import check_sensor_size

CASME2 = (
    "CASME II is given to researchers who sign its licence agreement (http://fu.psych.ac.cn/CASME/casme2-en.php, Yan et al. 2014, "
    "doi:10.1371/journal.pone.0086041); unpack it here and save the sheet of CASME2-coding-20140508.xlsx as CSV in UTF-8"
)
SAMM = (
    "SAMM is given to researchers who sign its licence agreement (Davison et al. 2018, doi:10.1109/TAFFC.2016.2573832); "
    "unpack it here and save the sheet of SAMM_Micro_FACS_Codes_v2.xlsx as CSV in UTF-8"
)
CASME2_FPS = SAMM_FPS = 200.0


@dataclass(frozen=True)
class Clip:
    """A performance before a frame camera.

    Attributes:
      path: a folder of images, or a video or GIF.
      labels: what was seen; their times are numbers of frames, as the table counts them.
      subject: who.
      openface: a table of OpenFace for the same frames.
    """

    path: Path
    labels: tuple[Label, ...]
    subject: str | None
    openface: Path | None = None


@dataclass(frozen=True)
class Clips:
    """Recordings of clips; `fps` None takes the times that a video or GIF states, whose frames count from `first`."""

    clips: tuple[Clip, ...]
    fps: float | None
    first: int = 0

    def __call__(self, index: int) -> Recording:
        clip = self.clips[index]
        frames, numbers = self._frames(clip.path)

        first, last = int(numbers[0]), int(numbers[-1])
        named = [n for la in clip.labels for n in (la.onset, la.apex, la.offset) if n is not None]
        # A published label may reach a little beyond the images; one that lies wholly apart counts otherwise than they do.
        if named and (max(named) < first or min(named) > last or (self.fps is None and not set(named) <= set(numbers.tolist()))):
            raise UserError(f"{clip.path}: its frames are {first} to {last}, but labels name {min(named)} to {max(named)}")

        def time(number: int | None) -> int | None:
            if number is None:
                return None
            return int(frames.t[number - first]) if self.fps is None else round((number - first) * 1e6 / self.fps)

        labels = tuple(replace(la, onset=time(la.onset), apex=time(la.apex), offset=time(la.offset)) for la in clip.labels)
        samples = {} if clip.openface is None else {"openface": read_openface(clip.openface, t=frames.t)[0]}
        name = "grey" if len(frames.images.shape) == 3 else "rgb"
        return Recording(None, frames={name: frames}, samples=samples, labels=labels, subject=clip.subject)

    def _frames(self, path: Path) -> tuple[Frames, np.ndarray]:
        """The frames and their numbers [N]."""
        if not path.is_dir():
            frames = read_frames(path, fps=self.fps)
            return frames, self.first + np.arange(len(frames))
        files = images_in(path)
        numbers = np.array([_number(file) for file in files])
        if self.fps is None:
            raise UserError(f"{path}: images have no times of their own; give fps")
        if (numbers[1:] <= numbers[:-1]).any():
            k = int((numbers[1:] <= numbers[:-1]).argmax())
            raise UserError(f"{path}: {files[k].name} and {files[k + 1].name} do not end in numbers that rise")
        return read_frames(files, t=np.rint((numbers - numbers[0]) * (1e6 / self.fps)).astype(np.int64)), numbers


def frame_set(
    root: str | Path,
    table: str = "labels.csv",
    fps: float | None = None,
    label: str = "emotion",
    first: int = 0,
    sensor_size: Sequence[int] | None = None,
) -> Recordings:
    """The clips that `root/<table>` lists, a CSV file with a header and these columns, of which all but clip may be missing.

    clip: path below `root` of a folder of images whose names end in their number, or of a video or GIF. subject: who.
    onset, apex, offset: numbers of frames, for images those of their names, in videos counted from `first`. au: Action
    Units, as `parse_aus` reads them. emotion, movement: a word. openface: path below `root` of an OpenFace table of the
    clip's frames.

    `label`: the column that says the class. `fps`: frames a second; None takes the times that videos and GIFs state.
    `sensor_size=(width, height)`: None reads the size of each clip, for which videos are decoded.

    Raises: UserError that names file and line, for a missing table, columns, clips, wrong values, paths out of `root`.
    """
    root = folder_of(root, "give the folder that holds the table and the clips")
    listed = rows(inside(root, table), ("clip", label))
    path = lambda row: _checked(row, "clip", root)  # noqa: E731
    return _from_rows(root, listed, path, lambda row: row["subject"], fps, label, first, sensor_size)


def casme2(root: str | Path, table: str = "CASME2-coding-20140508.csv", frames: str | None = None) -> Recordings:
    """CASME II: 26 subjects (247 micro-expressions by its paper), 200 frames a second, with Action Units and one of 7 emotions.

    `root/<table>` with the columns Subject, Filename, OnsetFrame, ApexFrame, OffsetFrame, Action Units, Estimated
    Emotion; frames in `root/<frames>/sub01/EP02_01f/img46.jpg`, where `frames` is CASME2_RAW_selected,
    CASME2-RAW, Cropped or "." (None: the first there is). The coding is one Excel sheet: save it as CSV in UTF-8.

    There is no official test part: `groups` are the subjects, for leave-one-subject-out with as many folds.
    Times that contradict each other are left out with a warning: the published table has at least one such offset.

    Raises: UserError as `frame_set`. Source of the layout: Yan et al. 2014, doi:10.1371/journal.pone.0086041.
    """
    root = folder_of(root, CASME2)
    listed = rows(inside(root, table), ("Subject", "Filename", "OnsetFrame", "OffsetFrame", "Action Units", "Estimated Emotion"))
    names = ("CASME2_RAW_selected", "CASME2-RAW", "Cropped", ".")
    clips = one_of(root, names if frames is None else (inside(root, frames).relative_to(root).as_posix(),), CASME2)
    listed = [_renamed(row, OnsetFrame="onset", ApexFrame="apex", OffsetFrame="offset") for row in listed]
    listed = [_renamed(row, **{"Action Units": "au", "Estimated Emotion": "emotion"}) for row in listed]
    subject = lambda row: f"sub{row.whole('Subject', 1, 99):02d}"  # noqa: E731
    return _from_rows(root, listed, lambda row: clips / subject(row) / row.name("Filename"), subject, CASME2_FPS)


def samm(root: str | Path, table: str = "SAMM_Micro_FACS_Codes_v2.csv") -> Recordings:
    """SAMM: 159 micro-movements of 32 subjects, grey, 200 frames a second, with Action Units and an emotion.

    `root/<table>` with the columns Subject, Filename, Onset Frame, Apex Frame, Offset Frame, Action Units, Estimated
    Emotion, below some lines of text; frames in `root/006/006_1_2/006_05562.jpg`. The codes are one Excel sheet: save
    it as CSV in UTF-8. There is no official test part: `groups` are the subjects.

    Times that contradict each other, and Action Units with alternatives ("12 or 15"), are left out with a warning.

    Raises: UserError as `frame_set`. Source of the layout: Davison et al. 2018, doi:10.1109/TAFFC.2016.2573832.
    """
    root = folder_of(root, SAMM)
    needed = ("Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion")
    listed = rows(inside(root, table), needed)
    new = ("onset", "apex", "offset", "au", "emotion")
    listed = [_renamed(row, **dict(zip(needed[2:], new, strict=True))) for row in listed]
    subject = lambda row: f"{row.whole('Subject', 1, 999):03d}"  # noqa: E731  # spreadsheets lose the zeros
    return _from_rows(root, listed, lambda row: root / subject(row) / row.name("Filename"), subject, SAMM_FPS)


def _from_rows(
    root: Path,
    listed: Sequence[Row],
    path_of: Callable[[Row], Path],
    subject_of: Callable[[Row], str],
    fps: float | None,
    label: str = "emotion",
    first: int = 0,
    sensor_size: Sequence[int] | None = None,
) -> Recordings:
    clips, names = [], []
    for row in listed:
        openface = _checked(row, "openface", root) if row["openface"] else None
        clips.append(Clip(path_of(row), _labels(row), subject_of(row) or None, openface))
        names.append(_class(row, label))
    missing = [(row, clip.path) for row, clip in zip(listed, clips, strict=True) if not clip.path.exists()]
    if missing:
        row, path = missing[0]
        raise row.wrong(f"no such clip: {path}; {len(missing)} of {len(clips)} are missing: get them, or take out their rows")
    labels, classes = numbered(names)
    known = [clip.subject for clip in clips if clip.subject is not None]
    if known and len(known) < len(clips):
        row = next(row for row, clip in zip(listed, clips, strict=True) if clip.subject is None)
        raise row.wrong("has no subject, but other rows have; give it, or leave the column out")
    groups, subjects = numbered(known)
    return Recordings(
        source=Clips(tuple(clips), fps, first),
        labels=np.array(labels, np.int64),
        classes=classes,
        sensor_size=_size([clip.path for clip in clips]) if sensor_size is None else check_sensor_size(sensor_size),
        test=np.zeros(len(clips), bool),
        identities=tuple(_identity(root, clip, fps) for clip in clips),
        groups=np.array(groups, np.int64) if known else None,
        subjects=subjects,
    )


def _labels(row: Row) -> tuple[Label, ...]:
    """What a row says was seen, from onset over apex to offset in numbers of frames."""
    times = {name: row.time(name) for name in ("onset", "apex", "offset")}
    onset, apex, offset = times.values()
    if onset is not None and offset is not None and offset < onset:
        _warn(row, f"offset {offset} lies before onset {onset}: left out")
        offset = None
    if apex is not None and ((onset is not None and apex < onset) or (offset is not None and apex > offset)):
        _warn(row, f"apex {apex} does not lie from onset {onset} to offset {offset}: left out")
        apex = None
    words = [(kind, row[kind].lower()) for kind in ("emotion", "movement")]
    labels = [Label(word, kind, onset, apex, offset) for kind, word in words if word]
    try:
        units = parse_aus(row["au"])
    except UserError as error:
        _warn(row, f"{error}: its Action Units are left out")
        units = ()
    return (*labels, *(Label(unit.name, "au", onset, apex, offset, unit.intensity, unit.side) for unit in units))


def _class(row: Row, label: str) -> str:
    """The class of a row: its word in small letters, or the Action Units together, such as "AU4+AU7"."""
    if label == "au":
        try:
            name = "+".join(sorted((unit.name for unit in parse_aus(row["au"])), key=lambda au: int(au[2:])))
        except UserError as error:
            raise row.wrong(str(error)) from error
    else:
        name = row[label].lower()
    if not name:
        raise row.wrong(f"says no {label}, of which the class is made")
    return name


def _checked(row: Row, column: str, root: Path) -> Path:
    try:
        path = inside(root, row[column])
    except UserError as error:
        raise row.wrong(f"{column}: {error}") from error
    if column != "clip" and not path.is_file():
        raise row.wrong(f"{column}: no such file: {path}")
    return path


def _renamed(row: Row, **names: str) -> Row:
    """The row with columns under other names too."""
    return replace(row, values={**row.values, **{new: row[old] for old, new in names.items()}})


def _size(paths: Sequence[Path]) -> tuple[int, int]:
    """(width, height) that holds the frames of all clips."""
    sizes = []
    for path in paths:
        shape = ImageFiles(images_in(path)[:1]).shape if path.is_dir() else read_frames(path, fps=1.0).images.shape
        sizes.append((shape[2], shape[1]))
    width, height = (max(side) for side in zip(*sizes, strict=True))
    return width, height


def _identity(root: Path, clip: Clip, fps: float | None) -> str:
    files = images_in(clip.path) if clip.path.is_dir() else [clip.path]
    size = sum(file.stat().st_size for file in files)
    return f"{clip.path.relative_to(root).as_posix()}:{len(files)}:{size}:{fps}"


def _number(file: Path) -> int:
    """The last number in a file's name."""
    found = re.findall(r"\d+", file.stem)
    if not found:
        raise UserError(f"{file}: has no number in its name, which says when it was taken")
    return int(found[-1])


def _warn(row: Row, message: str) -> None:
    warnings.warn(f"{row.path}:{row.line}: {message}", RecordingWarning, stacklevel=3)
