"""Tables that data sets come with, row by row, and paths in them that cannot leave their folder."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mxsnn.errors import UserError

UNKNOWN = ("", "/", "-", "?", "n/a", "nan", "none", "-1")
"""How tables write that a number is not known."""


@dataclass(frozen=True)
class Row:
    """A row of a table: `row[name]` is the text of a column, without space around it; "" where the table has no such column."""

    path: Path
    line: int
    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values.get(_key(name), "")

    def wrong(self, message: str) -> UserError:
        """The error that names file and line."""
        return UserError(f"{self.path}:{self.line}: {message if len(message) <= 500 else f'{message[:500]}…'}")

    def name(self, column: str) -> str:
        """A text that can name one file or folder. Raises: UserError where it is empty or leads elsewhere."""
        text = self[column]
        if not text or text in (".", "..") or any(c in text for c in "/\\\0"):
            raise self.wrong(f"{column} is the name of one file or folder, got {text!r}")
        return text

    def number(self, column: str) -> float:
        """Raises: UserError where it is no finite number."""
        try:
            value = float(self[column])
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            raise self.wrong(f"{column} is a number, got {self[column]!r}")
        return value

    def whole(self, column: str, low: int, high: int) -> int:
        """Raises: UserError where it is no whole number from `low` to `high`."""
        value = self.number(column)
        if value != int(value) or not low <= value <= high:
            raise self.wrong(f"{column} is a whole number from {low} to {high}, got {self[column]!r}")
        return int(value)

    def time(self, column: str) -> int | None:
        """A number of a frame; None where the table does not know it (`UNKNOWN`). Raises: UserError for anything else."""
        return None if self[column].lower() in UNKNOWN else self.whole(column, 0, 2**31 - 1)


def rows(path: Path, needed: Sequence[str], delimiter: str = ",", header: bool = True) -> list[Row]:
    """The rows of a table as text, without empty ones.

    `header`: the columns are named by the first line that holds all `needed` names (what stands before it is no part of
    the table; capitals and spaces do not count); else `needed` names the columns, and each row has as many.

    Raises: UserError that names the file, and the line where there is one: missing, a spreadsheet, no text in UTF-8, no
      such header, a row longer or shorter than the others, no row at all.
    """
    lines = _lines(path, delimiter)
    names = None if header else [_key(name) for name in needed]
    found = []
    for number, fields in lines:
        if names is None:
            keys = [_key(field) for field in fields]
            if all(_key(name) in keys for name in needed):
                names = keys
            continue
        while len(fields) > len(names) and not fields[-1]:
            fields.pop()  # spreadsheets write empty columns
        if len(fields) != len(names):
            raise UserError(f"{path}:{number}: {len(fields)} columns, but the table has {len(names)}")
        values: dict[str, str] = {}
        for name, field in zip(names, fields, strict=True):
            if name:
                values.setdefault(name, field)  # spreadsheets repeat names: the first counts
        found.append(Row(path, number, values))
    if names is None:
        raise UserError(f"{path}: no line names the columns {', '.join(needed)}")
    if not found:
        raise UserError(f"{path}: the table has no rows")
    return found


def cell_value(cell: str) -> str | float | None:
    """A number where the text is one, "007" and "1_2" are not; None for an empty cell."""
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", cell, re.ASCII):
        return int(cell)
    if re.fullmatch(r"-?(0|[1-9]\d*)\.\d+(e[+-]?\d+)?|-?\de[+-]?\d+", cell, re.ASCII):
        return float(cell)
    return cell or None


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line that is not empty."""
    if not path.is_file():
        raise UserError(f"{path}: {'is no file' if path.exists() else 'no such file'}")
    if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise UserError(f"{path}: a spreadsheet; save its sheet as text, CSV in UTF-8, and name that file")
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            for row in reader:
                line = reader.line_num
                fields = [field.strip() for field in row]
                if any(fields):
                    yield line, fields
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: no text in UTF-8; save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise UserError(f"{path}:{line + 1}: no table ({error})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


def _key(name: str) -> str:
    return "".join(name.split()).lower()


def inside(root: Path, relative: str) -> Path:
    """The path `relative` in a folder. Raises: UserError where it leaves the folder, be it by a link."""
    path = root / relative.replace("\\", "/")
    if not relative or "\0" in relative or not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{relative!r} is no path inside {root}")
    return path


def folder_of(root: str | Path, get: str) -> Path:
    """The folder of a data set. Raises: UserError, which tells how to get the data, where there is none."""
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}; {get}")
    return root


def one_of(root: Path, candidates: Sequence[str], what: str) -> Path:
    """The first of `candidates` that is a folder in `root`. Raises: UserError where none is."""
    for name in candidates:
        if (root / name).is_dir():
            return root / name
    raise UserError(f"{root}: holds no folder {' or '.join(candidates)}: {what}")


def numbered(names: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """The number of each name among the different names, and these in order: groups and subjects of a data set."""
    different = tuple(sorted(set(names)))
    index = {name: k for k, name in enumerate(different)}
    return [index[name] for name in names], different
