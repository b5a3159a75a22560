"""Data sets by name, and which of them a folder holds."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mxsnn.data.datasets.base import Recordings
from mxsnn.data.datasets.beyond_the_smile import beyond_the_smile, movement
from mxsnn.data.datasets.facemorphic import facemorphic
from mxsnn.data.datasets.fes import fes
from mxsnn.data.datasets.folders import class_folders
from mxsnn.data.datasets.frame_sets import casme2, frame_set, samm
from mxsnn.data.datasets.nefer import nefer
from mxsnn.data.datasets.nmnist import nmnist
from mxsnn.data.datasets.recordings import INDEX, recordings
from mxsnn.data.datasets.smoke import smoke
from mxsnn.data.datasets.spiking_fer import SETS as FER_SETS
from mxsnn.data.datasets.spiking_fer import spiking_fer
from mxsnn.data.datasets.spikingjelly import spikingjelly_folders, spikingjelly_kinds
from mxsnn.data.datasets.tonic_sets import SETS as TONIC_SETS
from mxsnn.data.datasets.tonic_sets import tonic_dataset
from mxsnn.errors import UserError
from mxsnn.spec import build, mistyped


@dataclass(frozen=True)
class Known:
    """A data set that can be asked for by name.

    Attributes:
      name: as configurations write it.
      about: what it is, in a few words.
      open: `open(root, **options) -> Recordings`; without `root` where it needs no folder.
      recognise: what to ask for where a folder has this layout, by the names in it alone, such as "nefer"; else None.
    """

    name: str
    about: str
    open: Callable[..., Recordings]
    recognise: Callable[[Path], str | None] = lambda root: None


def _having(name: str, *patterns: str) -> Callable[[Path], str | None]:
    """Recognises a folder in which a path matches one of the patterns."""
    return lambda root: name if any(next(root.glob(pattern), None) for pattern in patterns) else None


def _spiking_fer(root: Path) -> str | None:
    there = [name for name in FER_SETS if (root / name / "folds.csv").is_file()]
    return f"spiking_fer(name={there[0]!r})" if there else None


def _tonic(root: Path) -> str | None:
    there = [name for name in TONIC_SETS if (root / name).is_dir() and name != "NMNIST"]
    return f"tonic({there[0]!r})" if len(there) == 1 else None


def _spikingjelly(root: Path) -> str | None:
    kinds = spikingjelly_kinds(root)
    return f"spikingjelly(folder={kinds[0]!r})" if kinds else None


def _smile(root: Path) -> str | None:
    below = root / "train" if (root / "train").is_dir() else root
    names = [path.name for path in below.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return "beyond_the_smile" if len(names) > 1 and all(map(movement, names)) else None


KNOWN: dict[str, Known] = {
    known.name: known
    for known in (
        Known("smoke", "generated movements", smoke),
        Known("nmnist", "N-MNIST digits", nmnist, _having("nmnist", "Train/[0-9]", "NMNIST/Train")),
        Known("folders", "recordings or ready frames in class folders", class_folders),
        Known("recordings", "a folder of recordings with an index", recordings, _having("recordings", INDEX)),
        Known("tonic", "a classification set of tonic: tonic('DVSGesture')", tonic_dataset, _tonic),
        Known("spikingjelly", "SpikingJelly's folders of events or frames", spikingjelly_folders, _spikingjelly),
        Known("nefer", "NEFER: emotions, events and GoPro", nefer, _having("nefer", "annotations/expected_emotions")),
        Known("facemorphic", "FACEMORPHIC: posed Action Units", facemorphic, _having("facemorphic", "*/AU_[0-9]*")),
        Known("beyond_the_smile", "seven posed movements in class folders", beyond_the_smile, _smile),
        Known("spiking_fer", "CK+, ADFES, Oulu-CASIA or MMI through v2e", spiking_fer, _spiking_fer),
        Known("fes", "FES: faces with boxes", fes, _having("fes", "**/*_bbox.npy")),
        Known("casme2", "CASME II: micro-expressions, frames", casme2, _having("casme2", "CASME2-coding*.csv")),
        Known("samm", "SAMM: micro-movements, frames", samm, _having("samm", "SAMM_Micro_FACS_Codes*.csv")),
        Known("frames", "clips of a frame camera with a table", frame_set, _having("frames", "labels.csv")),
    )
}
"""Every data set by its name."""


def open_dataset(text: str, root: str | Path | None = None, download: bool = False) -> Recordings:
    """The data set that `text` names: "nefer", or a call with options, "nefer(emotions='reported')".

    `root`: the folder of its recordings. `download`: fetch what is missing, where the set can be fetched.

    Raises: UserError for unknown names (with a suggestion) and options, no folder where one is needed, a download where
      there is none, and as the data set itself.
    """
    folder = None if root is None else Path(root)
    names = {name: functools.partial(_open, known, folder, download) for name, known in KNOWN.items()}
    found = build(text, names)
    if isinstance(found, functools.partial):
        try:
            found = found()
        except TypeError as error:
            raise UserError(f"{text} needs options: {error}") from None
    if not isinstance(found, Recordings):
        raise UserError(f"{text!r} is no data set; write it like nefer or tonic('DVSGesture')")
    return found


def _open(known: Known, root: Path | None, download: bool, *args: object, **options: object) -> Recordings:
    signature = inspect.signature(known.open)
    takes = signature.parameters
    if "root" in takes:
        if root is None:
            raise UserError(f"{known.name} needs the folder of the recordings: --data.root FOLDER, or root in Python")
        options["root"] = root
    if download:
        if "download" not in takes:
            raise UserError(f"{known.name} cannot be downloaded; docs/datasets.md says how to get it")
        options["download"] = True
    bound = signature.bind(*args, **options)  # raises TypeError here, so that one from within is seen as the fault it is
    for name, value in bound.arguments.items():
        problem = mistyped(value, str(takes[name].annotation))
        if problem:
            raise UserError(f"{known.name}: {name} {problem}")
    return known.open(*args, **options)


def recognise(root: str | Path) -> str:
    """What `open_dataset` is to be asked for, for the data set in a folder: by its layout, else "folders".

    Raises: UserError where the folder is missing, or has the layout of several.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
    found = [text for known in KNOWN.values() if (text := known.recognise(root)) is not None]
    if len(found) > 1:
        raise UserError(f"{root}: may be {' or '.join(found)}; say which as the data set")
    return found[0] if found else "folders"
