"""The facial expressions of Spiking-FER: videos of CK+, ADFES, Oulu-CASIA and MMI that v2e turned into events.

Barchid et al. 2023, arXiv 2304.10211; layout and folds: https://github.com/Barchid/spiking-fer.
"""

from __future__ import annotations

from pathlib import Path

from mxsnn.data.datasets._labelled import Labelled, labelled
from mxsnn.data.datasets._tables import folder_of, rows
from mxsnn.data.datasets.base import Recordings
from mxsnn.errors import UserError
from mxsnn.events import Label
from mxsnn.spec import suggestion

GET = (
    "the events may not be passed on: get the videos from their owners, align the faces and run v2e as the README of "
    "https://github.com/Barchid/spiking-fer says, which holds the folds.csv of each set"
)
SENSOR_SIZE = (200, 200)
EMOTIONS = ("happy", "fear", "surprise", "anger", "disgust", "sadness")
"""In the order of the numbers 1 to 6 of the tables."""

SETS = ("CKPlusDVS", "ADFESDVS", "CASIADVS", "MMIDVS")
FOLDS = 10


def spiking_fer(root: str | Path, name: str = "CKPlusDVS", fold: int | None = None) -> Recordings:
    """The sequences that `root/<name>/folds.csv` lists, `root/<name>/<subject>/<sequence>.h5`.

    A line is S005;001;5;0;0;0;1;1;0;0;1;0;0: subject, sequence, emotion from 1, and for each of ten folds whether it is
    tested. The files hold `events` [N, 4], (t in us, x, y, p), as v2e writes them with --dvs_h5. `name`: one of `SETS`.

    `fold` from 0 to 9 marks the published test part. In all of them subjects are tested that are also trained on (each
    sequence was drawn by itself, and folds overlap), so `mxsnn.data.splits` refuses them; without `fold` nothing is
    marked, and folds by subject can be made.

    Raises: UserError for a missing folder, table or file, wrong rows; reading raises it for damaged files.
    """
    root = folder_of(root, GET)
    if name not in SETS:
        raise UserError(f"{name!r} is none of the sets{suggestion(name, list(SETS))}")
    if fold is not None and fold not in range(FOLDS):
        raise UserError(f"fold is from 0 to {FOLDS - 1}, got {fold!r}")
    columns = ("subject", "sequence", "label", *(f"fold{k}" for k in range(FOLDS)))
    files, test = [], []
    for row in rows(root / name / "folds.csv", columns, ";", header=False):
        path = root / name / row.name("subject") / f"{row.whole('sequence', 0, 10**6):03d}.h5"
        if not path.is_file():
            raise row.wrong(f"no such file: {path}; {GET}")
        emotion = EMOTIONS[row.whole("label", 1, len(EMOTIONS)) - 1]
        files.append(Labelled(path, emotion, (Label(emotion, "emotion"),), row["subject"], row["sequence"]))
        test.append(fold is not None and row.whole(f"fold{fold}", 0, 1) == 1)
    return labelled(root, files, EMOTIONS, SENSOR_SIZE, test)
