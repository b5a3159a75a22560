"""Any classification data set of tonic by its name."""

from __future__ import annotations

import contextlib
import functools
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn.data.datasets._tables import numbered
from mxsnn.data.datasets.base import Origin, Recordings
from mxsnn.data.datasets.spikingjelly import last_tenth
from mxsnn.errors import UserError
from mxsnn.events import Events
from mxsnn.events.stream import check_sensor_size, from_structured
from mxsnn.spec import suggestion

REFUSED = {
    "DAVISDATA": "its items are whole recordings with images and poses, of no class",
    "DSEC": "its items are driving scenes with disparity and flow, of no class",
    "EBSSA": "its items are recordings of the night sky with tracks, of no class",
    "MVSEC": "its items are drives and flights with depth and poses, of no class",
    "NERDD": "its items are recordings of drones with boxes, of no class",
    "TUMVIE": "its items are recordings for visual odometry, of no class",
    "ThreeET_Eyetracking": "its items are eye movements with the place of the pupil, of no class",
    "VPR": "its items are drives with places, of no class",
}
"""Sets of tonic whose recordings have no class; `mxsnn.events.tonic.from_tonic` takes the events of their items."""

SETS = ("ASLDVS", "CIFAR10DVS", "DVSGesture", "DVSLip", "NCALTECH101", "NMNIST", "NTIDIGITS18", "POKERDVS", "SHD", "SMNIST", "SSC")
"""Sets of tonic whose recordings have a class."""

PARTS: dict[str, tuple[dict[str, Any], ...]] = {
    "SSC": ({"split": "train"}, {"split": "valid"}, {"split": "test"}),
    "ASLDVS": ({},),
    "CIFAR10DVS": ({},),
    "NCALTECH101": ({},),
}
"""Arguments for each part of a set, of which the last is the test; one: the set has no parts. All others take `train`."""

SENSOR_SIZES = {"NCALTECH101": (304, 240)}
"""Of sets whose recordings tonic gives no common size: here that of the whole ATIS camera."""

_TRAIN_AND_TEST = ({"train": True}, {"train": False})


def tonic_dataset(name: str, root: str | Path, download: bool = False, **options: Any) -> Recordings:
    """The set `tonic.datasets.<name>` in `root/<name>`, such as "DVSGesture", "CIFAR10DVS", "ASLDVS", "SHD".

    `options` go to tonic, e.g. `single_digits=True`. Events are put in the order of time. Sounds (SHD, SSC, NTIDIGITS18,
    SMNIST) come as events at y = 0 on a sensor of one row, x the channel. `groups` are DVSGesture's users and the speakers
    of SHD and SSC; two of SHD's ten speakers are in its test part alone, the others on both sides, so that
    `mxsnn.data.splits` refuses it. CIFAR10DVS has no official split: here, as in SpikingJelly, the last 10 % of each class
    in the order of the file names are the test.

    Nothing is downloaded unless `download` is True; unpacked files are enough, the archive may be gone.

    Raises: UserError for a name that is not tonic's, a set whose recordings have no class, files that are missing,
      options that tonic does not take; reading raises it for damaged files.
    """
    if name in REFUSED:
        raise UserError(f"tonic's {name} is no classification data set: {REFUSED[name]}")
    if name not in SETS:
        raise UserError(f"tonic has no classification data set {name!r}{suggestion(name, list(SETS))}")
    if name == "NTIDIGITS18":
        options = {"single_digits": True} | options
    parts = PARTS.get(name, _TRAIN_AND_TEST)
    found = []
    for part in parts:
        found.append(_open(name, str(root), tuple(sorted((options | part).items())), download))
    targets = [_targets(one) for one in found]
    classes = _classes(found[0], np.concatenate([np.asarray(t, object) for t in targets]))
    index = {c: k for k, c in enumerate(classes)}
    labels = np.array([index[t] if isinstance(t, str) else int(t) for ts in targets for t in ts], np.int64)
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise UserError(f"{root}: tonic's {name} has labels beyond its {len(classes)} classes")
    size = SENSOR_SIZES.get(name) or tuple(found[0].sensor_size[:2])
    data = Recordings(
        source=_Items(name, str(root), tuple(tuple(sorted((options | p).items())) for p in parts), tuple(map(len, targets)), size),
        labels=labels,
        classes=classes,
        sensor_size=check_sensor_size(size),
        test=np.repeat(np.arange(len(parts)) == len(parts) - 1, list(map(len, targets))) & (len(parts) > 1),
        identities=tuple(told for one, t in zip(found, targets, strict=True) for told in _identities(one, len(t), root)),
    )
    if name == "CIFAR10DVS":
        data = replace(data, test=last_tenth(data.labels, [Path(path).name for path in found[0].data]))
    who = [_people(one) for one in found]
    if all(w is not None for w in who):
        groups, subjects = numbered([f"{person:>03}" for w in who for person in w or ()])
        data = replace(data, groups=np.array(groups, np.int64), subjects=subjects)
    if name == "DVSGesture":
        data = replace(data, conditions={"lighting": tuple(light for one in found for light in one.lighting)})
    return data


@dataclass(frozen=True)
class _Items:
    """Items of the parts of a set one after the other; tonic's objects are made anew in each process."""

    name: str
    root: str
    parts: tuple[tuple[tuple[str, Any], ...], ...]
    lengths: tuple[int, ...]
    size: tuple[int, int]

    def __call__(self, index: int) -> Events:
        found, item = self._item(index)
        try:
            array = np.ravel(found[item][0])  # ASLDVS' events are a column [N, 1]
            if "y" in (array.dtype.names or ()):
                return from_structured(array, self.size, sort=True)
            return Events.make(array["t"], array["x"], np.zeros(len(array), int), array["p"], self.size, sort=True)
        except Exception as error:  # whatever a reader of tonic may raise is one line for the user
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"{self.root}: item {item} of tonic's {self.name} cannot be read ({reason})") from error

    def origin(self, index: int) -> Origin | None:
        found, item = self._item(index)
        paths = _paths(found)
        return ((paths[item],), f"{self.name} {self.parts} {self.size} {index}") if len(paths) == len(found) else None

    def _item(self, index: int) -> tuple[Any, int]:
        """tonic's object for the part of an index, and the number in it."""
        k = int(np.searchsorted(np.cumsum(self.lengths), index, side="right"))
        return _open(self.name, self.root, self.parts[k], False), index - sum(self.lengths[:k])


@functools.lru_cache(maxsize=16)
def _open(name: str, root: str, options: tuple[tuple[str, Any], ...], download: bool) -> Any:
    """tonic's object, which fetches nothing unless it may."""
    import tonic.datasets

    cls = getattr(tonic.datasets, name)
    made = cls if download else type(name, (cls,), {"download": _refuse, "_is_file_present": lambda self: True})
    said = contextlib.nullcontext() if download else contextlib.redirect_stdout(io.StringIO())  # DVSLip prints and exits
    try:
        with said:
            return made(save_to=root, **dict(options))
    except TypeError as error:
        raise UserError(f"tonic's {name} takes other options: {error}") from error
    except UserError as error:
        raise UserError(f"{Path(root) / name}: {error}") from error
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{Path(root) / name}: tonic cannot open {name} there ({reason})") from error


def _refuse(self: Any) -> None:
    raise UserError(f"tonic does not find the files of {type(self).__name__}; download=True (--data.download) lets it fetch them")


def _targets(found: Any) -> list[Any]:
    """The label of each item, without reading its events."""
    if getattr(found, "targets", None):
        return list(found.targets)
    if hasattr(found, "label_data"):  # SMNIST
        return found.label_data.tolist()
    if hasattr(found, "class_map"):  # NTIDIGITS18
        return [found.class_map[sample.split("-")[-1]] for sample in found._samples]
    from mxsnn.events.io import _hdf5

    path = Path(found.location_on_system) / found.data_filename  # SHD, SSC
    try:
        with _hdf5.opened(path) as file:
            return np.asarray(_hdf5.dataset(file, "labels")).tolist()
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _classes(found: Any, targets: np.ndarray) -> tuple[str, ...]:
    """The names of the classes in the order of their numbers."""
    if hasattr(found, "class_map"):
        return tuple(sorted(found.class_map, key=found.class_map.__getitem__))
    known: Any = getattr(found, "classes", None)
    if known is None:
        return tuple(sorted({str(target) for target in targets}))
    if isinstance(known, dict):
        known = sorted(known, key=known.__getitem__)
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in known)


def _people(found: Any) -> list[int] | None:
    """Who is heard or seen in each item."""
    if hasattr(found, "users"):
        return list(found.users)
    return np.asarray(found.speaker).tolist() if hasattr(found, "speaker") else None


def _paths(found: Any) -> list[Path]:
    """The file of each item; none where items are not files."""
    there = found.data if isinstance(found.data, list) else []
    return [Path(path) for path in there] if all(isinstance(path, str) for path in there) else []


def _identities(found: Any, count: int, root: str | Path) -> list[str]:
    """What each item is made from."""
    paths = _paths(found)
    if len(paths) == count:
        return [f"{path.relative_to(Path(root).expanduser()).as_posix()}:{path.stat().st_size}" for path in paths]
    files = sorted(p for p in Path(found.location_on_system).rglob("*") if p.is_file())
    whole = ",".join(f"{p.name}:{p.stat().st_size}" for p in files[:100])
    part = getattr(found, "data_filename", None) or getattr(found, "train", "") or getattr(found, "partition", "")
    return [f"{type(found).__name__} {part} {i} of {whole}" for i in range(count)]
