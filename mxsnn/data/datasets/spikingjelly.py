"""The folders of events and frames that SpikingJelly makes of data sets.

Layout: https://github.com/fangwei123456/spikingjelly, spikingjelly/datasets/base.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mxsnn.data.datasets._tables import folder_of, numbered
from mxsnn.data.datasets.base import Recordings, subfolders
from mxsnn.data.datasets.folders import class_folders
from mxsnn.errors import UserError
from mxsnn.spec import suggestion

GET = "spikingjelly.datasets makes it from the original files, e.g. DVS128Gesture(root, data_type='frame', frames_number=16, ...)"


def spikingjelly_folders(root: str | Path, folder: str | None = None, sensor_size: Sequence[int] = (128, 128)) -> Recordings:
    """What SpikingJelly made of DVS128 Gesture, CIFAR10-DVS and others: `root/<folder>/{train,test}/<class>/*.npz`.

    `folder`: "events_np" for streams, "frames_number_16_split_by_number" or another of that kind for ready frames; None
    is the only one there is. Without train and test (CIFAR10-DVS) the first 90 % of each class in the order of the file
    names are for training, as in its own experiments. Where all names begin like `user01_`, `groups` are the users.

    Raises: UserError for a missing folder, one that holds none or several of these, and as `class_folders`.
    """
    root = folder_of(root, GET)
    kinds = spikingjelly_kinds(root)
    if folder is None:
        if len(kinds) != 1:
            raise UserError(f"{root}: holds {', '.join(kinds) or 'no events_np or frames_number_*'}; say which folder")
        folder = kinds[0]
    elif folder not in kinds:
        raise UserError(f"{root}: holds no folder {folder!r} of SpikingJelly{suggestion(folder, kinds) if kinds else ''}")
    data = class_folders(root / folder, sensor_size)
    names = [identity.rpartition(":")[0].rpartition("/")[2] for identity in data.identities]
    if not {"train", "test"} & set(subfolders(root / folder)):
        data = replace(data, test=last_tenth(data.labels, names))
    users = [re.match(r"user\d+(?=_)", name) for name in names]
    if all(users):
        groups, subjects = numbered([user[0] for user in users if user])
        data = replace(data, groups=np.array(groups, np.int64), subjects=subjects)
    return data


def spikingjelly_kinds(root: Path) -> list[str]:
    """The folders of SpikingJelly in a folder: events first. Raises: UserError where it is missing or no folder."""
    return [name for name in subfolders(root) if re.fullmatch(r"events_np|(?:frames_number|duration)_\d+.*", name)]


def last_tenth(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """bool [N]: the last 10 % of each class in the order of the names, as text."""
    test = np.zeros(len(labels), bool)
    for c in np.unique(labels):
        members = sorted(np.flatnonzero(labels == c), key=lambda i: names[int(i)])
        test[members[int(0.9 * len(members)) :]] = True
    return test
