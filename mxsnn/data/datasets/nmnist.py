"""N-MNIST: the digits of MNIST, seen by an ATIS camera in three saccades.

Orchard et al. 2015, doi:10.3389/fnins.2015.00437.
"""

from __future__ import annotations

from pathlib import Path

from mxsnn.data.datasets.base import Recordings, from_files, recording_files, subfolders
from mxsnn.errors import UserError

SENSOR_SIZE = (34, 34)
DIGITS = tuple("0123456789")


def nmnist(root: str | Path, download: bool = False) -> Recordings:
    """The recordings in `root/Train/<digit>/*.bin` and `root/Test/<digit>/*.bin`, or the same below `root/NMNIST`.

    Ten classes on 34x34 pixels, about 0.3 s each; `test` marks those of the folder Test. `download=True` lets tonic
    fetch the full data set (70,000 recordings) into `root/NMNIST` where it is not there yet.

    Raises: UserError for missing or empty folders and for folders that are not the ten digits; reading a recording
      raises it for a truncated file and events outside the sensor.
    """
    root = Path(root)
    if download:
        _download(root)
    inner = root / "NMNIST"
    root = inner if inner.is_dir() and not (root / "Train").is_dir() else root
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; give the one that holds Train and Test (download=True fetches them)")
    files = []
    for part in ("Train", "Test"):
        if not (root / part).is_dir():
            raise UserError(f"{root}: has no folder {part}; N-MNIST is Train/<digit> and Test/<digit>")
        folders = subfolders(root / part)
        if not folders:
            raise UserError(f"{root / part}: is empty; N-MNIST is one folder for each digit in it")
        if tuple(folders) != DIGITS:
            wrong = sorted(set(folders) ^ set(DIGITS))
            raise UserError(f"{root / part}: takes the folders 0 to 9; wrong or missing: {', '.join(wrong)}")
        for label, digit in enumerate(DIGITS):
            files += [(path, label, part == "Test") for path in recording_files(folders[digit], (".bin",))]
    return from_files(root, files, DIGITS, SENSOR_SIZE)


def _download(root: Path) -> None:
    from tonic.datasets import NMNIST

    for train in (True, False):
        try:
            NMNIST(save_to=str(root), train=train)
        except Exception as error:  # whatever a download may raise is one line for the user
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"{root}: tonic could not download N-MNIST ({reason})") from error
