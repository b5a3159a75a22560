"""A folder of recordings with an index: a data set. docs/recordings.md says what the columns mean."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mxsnn.data.datasets._tables import UNKNOWN, Row, cell_value, folder_of, inside, numbered, rows
from mxsnn.data.datasets.base import Origin, Recordings
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Label, Recording, open_recording
from mxsnn.events.io.files import appearing, open_source
from mxsnn.events.recording import KINDS
from mxsnn.events.stream import check_sensor_size

INDEX = "index.csv"
COLUMNS = ("file", "subject", "session", "sensor", "width", "height", "lux", "test", *KINDS)
"""Of the index; every other column is a condition."""
CLASSES = "classes"
"""The column of an index that names the kind of label whose names are the classes, where it has labels of several."""

_TRUE, _FALSE = ("1", "true", "yes", "test"), ("", "0", "false", "no", "train")


def write_index(root: str | Path, pattern: str = "*.mxr", kind: str | None = None) -> Path:
    """Write `root/index.csv`: a row for each recording below `root` whose name matches `pattern`, and what its file tells.

    Rows that are there stay as they are, so that they can be edited; recordings that have none get one. Rows whose file
    is gone are left out with a `RecordingWarning`. `kind`: of the labels that are the classes where `recordings` is not told.
    Returns the path of the index.

    Raises: UserError where there is no recording, one cannot be read, or an index cannot be.
    """
    root = folder_of(root, "give the one that holds the recordings")
    path = root / INDEX
    there = rows(path, ("file",)) if path.exists() else []
    names = _header(path) if path.exists() else []
    table = {row["file"]: {name: row[name] for name in names} for row in there if inside(root, row["file"]).is_file()}
    if len(table) < len(there):
        gone = len(there) - len(table)
        warnings.warn(f"{path}: {gone} rows are left out: their files are gone", RecordingWarning, stacklevel=2)
    for file in sorted(root.rglob(pattern)):
        name = file.relative_to(root).as_posix()
        if file.is_file() and file != path and name not in table and not any(part.startswith(".") for part in name.split("/")):
            table[name] = _row(name, inside(root, name)) | ({CLASSES: kind} if kind else {})
    if not table:
        raise UserError(f"{root}: holds no recordings {pattern}")
    columns = list(COLUMNS)
    known = set(COLUMNS)
    for name in [name for row in table.values() for name in row]:
        if _key(name) not in known:  # capitals and spaces of a column's name do not count
            known.add(_key(name))
            columns.append(name)
    with appearing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(columns)
        for row in table.values():
            cells = {_key(name): cell for name, cell in row.items()}
            writer.writerow([cells.get(_key(name), "") for name in columns])
    return path


def recordings(root: str | Path, kind: str | None = None, sensor_size: Sequence[int] | None = None) -> Recordings:
    """The recordings that `root/index.csv` lists, in classes by their labels of a `kind`: "movement", "au" or "emotion".

    A recording with several labels is of the class of all of them, "AU6+AU12". Those without any are left out with a
    `RecordingWarning`. The index counts where it and a file differ. `kind`: None for the one that the index names, or has alone.
    `sensor_size=(width, height)`: None is the largest of the index.

    Raises: UserError that names the line: no such file, a path out of `root`, a file listed twice, numbers that are none,
      subjects of some only; where there is no index or no label.
    """
    root = folder_of(root, "give the one that holds the recordings and index.csv")
    path = root / INDEX
    if not path.is_file():
        raise UserError(f"{root}: holds no {INDEX}; mxsnn.data.datasets.write_index(folder) writes it")
    listed, names = rows(path, ("file",)), _header(path)
    kind = _kind(path, listed, kind)
    size = check_sensor_size(sensor_size) if sensor_size is not None else None
    entries = [_entry(root, row, names, size) for row in listed]
    seen: set[Path] = set()
    for row, entry in zip(listed, entries, strict=True):
        if entry.path.resolve() in seen:
            raise row.wrong(f"{row['file']} is listed twice")
        seen.add(entry.path.resolve())
    chosen = [entry for entry in entries if entry.labels[kind]]
    if len(chosen) < len(entries):
        without = len(entries) - len(chosen)
        warnings.warn(f"{path}: {without} recordings without a label {kind} are left out", RecordingWarning, stacklevel=2)
    named = [entry.subject for entry in chosen]
    if any(named) and not all(named):
        raise UserError(f"{path}: some recordings have no subject; name it, or no part of a split is known to be without them")
    sizes = [entry.size for entry in chosen if entry.size is not None]
    if not sizes:
        raise UserError(f"{path}: no recording has a width and a height; fill them in, or give sensor_size")
    classes = tuple(sorted({_together(entry.labels[kind]) for entry in chosen}, key=_natural))
    groups, subjects = numbered([name for name in named if name])
    return Recordings(
        source=_Indexed(tuple(chosen)),
        labels=np.array([classes.index(_together(entry.labels[kind])) for entry in chosen], np.int64),
        classes=classes,
        sensor_size=(max(width for width, _ in sizes), max(height for _, height in sizes)),
        test=np.array([entry.test for entry in chosen], bool),
        identities=tuple(f"{e.path.relative_to(root).as_posix()}:{e.path.stat().st_size}" for e in chosen),
        groups=np.array(groups, np.int64) if groups else None,
        subjects=subjects,
        conditions=_conditions(chosen, len(set(sizes)) > 1),
    )


@dataclass(frozen=True)
class _Entry:
    """What the index tells of a recording: "" and None where it does not."""

    path: Path
    size: tuple[int, int] | None
    subject: str
    session: str
    sensor: str
    lux: float | None
    test: bool
    labels: Mapping[str, tuple[str, ...]]
    conditions: Mapping[str, str]


@dataclass(frozen=True)
class _Indexed:
    entries: tuple[_Entry, ...]

    def __call__(self, number: int) -> Recording:
        entry = self.entries[number]
        found = open_recording(entry.path, entry.size)
        kept = [label for label in found.labels if label.name in entry.labels[label.kind]]
        there = {(label.kind, label.name) for label in kept}
        new = [Label(name, kind) for kind, names in entry.labels.items() for name in names if (kind, name) not in there]
        edited = {n: cell_value(cell) for n, cell in entry.conditions.items() if cell != str(found.conditions.get(n, ""))}
        conditions = {**found.conditions, **edited}
        return replace(
            found,
            labels=(*kept, *new),
            subject=entry.subject or None,
            session=entry.session or None,
            sensor=entry.sensor or None,
            lux=entry.lux,
            conditions={name: known for name, known in conditions.items() if known is not None},
        )

    def origin(self, number: int) -> Origin:
        return (self.entries[number].path,), f"{self.entries[number].size}"


def _row(name: str, path: Path) -> dict[str, str]:
    """What a file tells of itself without being read."""
    source = open_source(path)
    recording = source.whole or source.recording
    size = source.sensor_size or next((frames.size for frames in recording.frames.values()), None)
    told = {"file": name} | {key: getattr(recording, key) or "" for key in ("subject", "session", "sensor")}
    told |= {"lux": "" if recording.lux is None else str(recording.lux)}
    told |= {"width": str(size[0]), "height": str(size[1])} if size else {}
    for kind in KINDS:
        names = {label.name for label in recording.labels if label.kind == kind}
        if any("+" in one for one in names):
            raise UserError(f"{path}: a label's name with '+' cannot stand in an index, which joins names by it; got {names}")
        told[kind] = _together(names)
    for condition, value in recording.conditions.items():
        if _key(condition) in (*COLUMNS, CLASSES):
            raise UserError(f"{path}: the condition {condition!r} has the name of a column of the index; call it otherwise")
        told[condition] = str(value)
    return told


def _entry(root: Path, row: Row, names: Sequence[str], size: tuple[int, int] | None) -> _Entry:
    try:
        path = inside(root, row["file"])
    except UserError as error:
        raise row.wrong(str(error)) from error
    if not path.is_file():
        raise row.wrong(f"{row['file']}: no such file")
    if size is None and row["width"] and row["height"]:
        size = row.whole("width", 1, 2**15), row.whole("height", 1, 2**15)
    test = row["test"].lower()
    if test not in _TRUE + _FALSE:
        raise row.wrong(f"test is 0 or 1, got {row['test']!r}")
    return _Entry(
        path=path,
        size=size,
        subject=row["subject"],
        session=row["session"],
        sensor=row["sensor"],
        lux=None if row["lux"].lower() in UNKNOWN else row.number("lux"),
        test=test in _TRUE,
        labels={kind: _apart(row[kind]) for kind in KINDS},
        conditions={name: row[name] for name in names if _key(name) not in (*COLUMNS, CLASSES)},
    )


def _kind(path: Path, listed: Sequence[Row], kind: str | None) -> str:
    there = [one for one in KINDS if any(row[one] for row in listed)]
    named = {row[CLASSES] for row in listed} - {""}
    if kind is None and len(named) == 1:
        (kind,) = named
    if kind is not None and kind not in KINDS:
        raise UserError(f"kind is one of {', '.join(KINDS)}; got {kind!r}")
    if not there or (kind is not None and kind not in there):
        raise UserError(f"{path}: no recording has a label {kind or 'of any kind'}; fill the column {kind or 'movement'}")
    if kind is None and len(there) > 1:
        way = f'kind={there[0]!r}, on command lines --dataset "recordings(kind={there[0]!r})"'
        raise UserError(f"{path}: has labels of {' and '.join(there)}; say which are the classes: {way}")
    return kind or there[0]


def _conditions(entries: Sequence[_Entry], sizes: bool) -> dict[str, tuple[str | float | None, ...]]:
    """Columns of which at least one value is known."""
    found: dict[str, tuple[str | float | None, ...]] = {
        "lux": tuple(entry.lux for entry in entries),
        "session": tuple(entry.session or None for entry in entries),
        "sensor": tuple(entry.sensor or None for entry in entries),
    }
    if sizes:
        found["width"] = tuple(entry.size[0] if entry.size else None for entry in entries)
        found["height"] = tuple(entry.size[1] if entry.size else None for entry in entries)
    for name in entries[0].conditions if entries else ():
        found[name] = tuple(cell_value(entry.conditions[name]) for entry in entries)
    return {name: values for name, values in found.items() if any(value is not None for value in values)}


def _header(path: Path) -> list[str]:
    """The names of the columns as they are written."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            names = [name.strip() for name in row if name.strip()]
            if any(_key(name) == "file" for name in names):
                return names
    return []


def _key(name: str) -> str:
    return "".join(name.split()).lower()


def _together(names: Sequence[str] | set[str]) -> str:
    return "+".join(sorted(names, key=_natural))


def _apart(cell: str) -> tuple[str, ...]:
    return tuple(sorted({part.strip() for part in cell.split("+")} - {""}, key=_natural))


def _natural(name: str) -> list[str | int]:
    """AU2 before AU12: digits count as numbers, which stand at every second place."""
    return [int(part) if k % 2 else part for k, part in enumerate(re.split(r"(\d+)", name))]
