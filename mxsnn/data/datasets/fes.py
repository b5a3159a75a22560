"""FES, Faces in Event Streams: faces before an event camera, with boxes and five landmarks.

Bissarinova et al. 2024, doi:10.3390/s24051409; layout: the scripts in https://github.com/IS2AI/faces-in-event-streams.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mxsnn.data.datasets._tables import folder_of, numbered
from mxsnn.data.datasets.base import Origin, Recordings
from mxsnn.data.datasets.boxes import read_boxes
from mxsnn.errors import UserError
from mxsnn.events import Recording, open_recording
from mxsnn.events.io.files import open_source
from mxsnn.events.stream import check_sensor_size

GET = (
    "the data are at https://huggingface.co/datasets/issai/Faces_in_Event_Streams (MIT licence); unpack the archives and "
    "the annotations into one folder"
)
STREAMS = (".raw", ".dat", ".hdf5", ".h5")
"""Of event files; of two with one name, the first suffix here is read."""

_BOXES = ("_bbox.npy", "_bbox.txt", ".txt", ".xml")
_PARTS = ("train", "val", "validation", "test")


def fes(root: str | Path, sensor_size: tuple[int, int] | None = None) -> Recordings:
    """The streams below `root` that have boxes: `20211123_1_19.raw` with `20211123_1_19_bbox.npy`, `.txt` or `.xml` anywhere.

    Recordings hold the boxes as the series "boxes" (`Boxes.of(recording.samples["boxes"])`), and there is the one class
    face: the set is for detection. A name says the subject (or the scene, in the wild) and the number of the experiment:
    `groups` are what stands before the last underscore. `test` marks what lies in a folder test; the condition "part" is
    train, val or test where a folder says so. `sensor_size`: None is that which the first stream states.

    The published `.h5` files may hold tensors of Metavision in place of events: such are refused when they are read; take
    the `.raw` files.

    Raises: UserError for a missing folder, no stream with boxes, several files of boxes for one stream.
    """
    root = folder_of(root, GET)
    streams: dict[str, Path] = {}
    boxes: dict[str, Path] = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.name.startswith(".")):
        if path.suffix.lower() in STREAMS:
            known = streams.setdefault(path.stem, path)
            if known != path and known.suffix == path.suffix:
                raise UserError(f"{path}: another stream has this name: {known}; keep one of them")
            if STREAMS.index(path.suffix.lower()) < STREAMS.index(known.suffix.lower()):
                streams[path.stem] = path
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        for ending in _BOXES:
            if path.name.endswith(ending) and (stem := path.name.removesuffix(ending)) in streams:
                if stem in boxes:
                    raise UserError(f"{path}: {boxes[stem]} has the boxes of this stream already; keep one of them")
                boxes[stem] = path
                break
    names = sorted(boxes)
    if not names:
        raise UserError(f"{root}: holds no stream ({', '.join(STREAMS)}) with a file of boxes; {GET}")
    parts = [next((part for part in _PARTS if part in streams[name].relative_to(root).parts), None) for name in names]
    groups, subjects = numbered([name.rpartition("_")[0] or name for name in names])
    size = check_sensor_size(sensor_size) if sensor_size is not None else open_source(streams[names[0]]).sensor_size
    if size is None:
        raise UserError(f"{streams[names[0]]}: does not state its sensor's size; give sensor_size")
    return Recordings(
        source=_Streams(tuple((streams[n], boxes[n], n.rpartition("_")[0] or n) for n in names), size),
        labels=np.zeros(len(names), np.int64),
        classes=("face",),
        sensor_size=size,
        test=np.array([part == "test" for part in parts], bool),
        identities=tuple(
            f"{streams[n].relative_to(root).as_posix()}:{streams[n].stat().st_size}:{boxes[n].stat().st_size}" for n in names
        ),
        groups=np.array(groups, np.int64),
        subjects=subjects,
        conditions={"part": tuple(parts)} if any(parts) else {},
    )


@dataclass(frozen=True)
class _Streams:
    files: tuple[tuple[Path, Path, str], ...]
    size: tuple[int, int]

    def __call__(self, index: int) -> Recording:
        stream, boxes, subject = self.files[index]
        found = open_recording(stream, self.size)
        return replace(found, samples={**found.samples, "boxes": read_boxes(boxes).samples()}, subject=subject)

    def origin(self, index: int) -> Origin:
        return self.files[index][:2], f"{self.size}"
