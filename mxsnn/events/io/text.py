"""Text: an event a line, `.txt` and `.csv`, also alone in a `.zip`.

Numbers stand between spaces, tabs, commas or semicolons; lines that begin with "#" or "%" are comments. Before the
events may stand the sensor's width and height (E2VID) and the names of the columns, of which `t`, `x`, `y` and `p` are
found by the names in `mxsnn.events.stream.SYNONYMS`. Without names there are four columns, t x y p, if the values bear
that out. Polarities are 0/1, -1/+1 or True/False.

Times with a point are seconds. Whole numbers may be anything: their unit must stand in the column's name, as in t_us,
or be said. Decimals are read exactly and rounded to us. mxsnn does not write text.
"""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from mxsnn.errors import CutShortWarning, UserError
from mxsnn.events.io._source import UNITS, Block, Format, Source
from mxsnn.events.io.numpy_files import check_columns
from mxsnn.events.stream import DTYPES, SYNONYMS, find_fields

_CHUNK = 2**22  # bytes
_SHORTEST, _LONGEST = 8, 2**16  # bytes of a line
_SAMPLE = 2**18  # bytes that columns and unit are told from
POWERS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
"""Of ten, that times in a unit are multiplied by to be us."""

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError)  # what is raised where the content of a zip cannot be unpacked
_ZIP = b"PK\x03\x04"
_NAMED_UNIT = re.compile(rf"({'|'.join(SYNONYMS['t'])})[\s_]*[\[(/]?\s*({'|'.join(UNITS)}|µs|sec|seconds)[\])]?", re.IGNORECASE)
_SAME_UNITS = {"µs": "us", "sec": "s", "seconds": "s"}


class _Table(NamedTuple):
    """Where events begin (bytes), what the columns are (0 to 3 for t, x, y, p), the unit of time, the sensor's size."""

    start: int
    fields: list[int]
    unit: str
    size: tuple[int, int] | None


def open_text(
    path: Path, sensor_size: tuple[int, int] | None, *, columns: str | None = None, time_unit: str | None = None
) -> Source:
    """A recording.

    `columns`: their order, a letter each, such as "xypt"; "-" is a column that is no part of an event. `time_unit`: "s",
    "ms", "us" or "ns".

    Raises: UserError where columns or unit are not said and the text does not tell.
    """
    if columns is not None and sorted(columns.replace("-", "")) != sorted("txyp"):
        raise UserError(f"columns is an order of the letters t, x, y, p such as 'xypt', got {columns!r}")
    if time_unit is not None and time_unit not in UNITS:
        raise UserError(f"time_unit is one of {', '.join(UNITS)}; got {time_unit!r}")
    with _opened(path) as (file, size):
        try:
            sample = file.read(_SAMPLE)
        except _DAMAGED as error:
            raise UserError("it is a damaged zip file") from error
    if not sample.strip():
        raise UserError("an empty text")
    table = _table(sample, len(sample) < _SAMPLE, columns, time_unit)
    zipped = zipfile.is_zipfile(path)

    def blocks() -> Iterator[Block]:
        with _opened(path) as (file, _):
            file.read(table.start)  # a seek would put off the check of a zip's sum
            yield from _blocks(path, file, size, table, sample[: table.start].count(b"\n"))

    return Source(blocks, sensor_size or table.size, None if zipped else size // _SHORTEST)


def _blocks(path: Path, file: IO[bytes], size: int, table: _Table, lines: int) -> Iterator[Block]:
    """`lines`: how many are before the first event."""
    from mxsnn.events.io import _text_kernels as kernels

    fields = np.array(table.fields)
    # A line has a separator and a digit for each column, so that no chunk holds more events than this.
    columns = [np.empty((_CHUNK + _LONGEST) // (2 * len(fields)) + 2, np.int64 if name == "t" else d) for name, d in DTYPES.items()]
    seen = np.zeros(3, np.bool_)
    held, last = b"", np.iinfo(np.int64).min
    ended = False
    while not ended:
        try:
            chunk = file.read(_CHUNK)
            whole = True
        except _DAMAGED:
            chunk, whole = b"", False
        ended = not chunk
        data = held + chunk + (b"\n" if ended and held else b"")
        used, read, n, found = kernels.parse(np.frombuffer(data, np.uint8), fields, POWERS[table.unit], seen, *columns)
        lines += read
        if ended and held and n and columns[0][n - 1] < last:
            n, lines, found = n - 1, lines - 1, kernels.BAD  # the last line has no end: neither may its last number have
        yield Block.of((column[:n] for column in columns), None, min(file.tell() / size, 1.0) if size else 1.0)
        last = columns[0][n - 1] if n else last
        if found != kernels.GOOD and not ended:
            line = data[used : used + 60].split(b"\n")[0].decode(errors="replace").strip()
            what = "has no polarity -1, 0 or 1" if found == kernels.POLARITY else f"is no event of {len(fields)} columns"
            raise UserError(f"line {lines + 1} {what}: {line!r}")
        if seen[0] and seen[1]:
            raise UserError("polarities mix 0 and -1, so OFF is not one of them")
        if (ended and found != kernels.GOOD) or not whole:
            warnings.warn(f"{path}: cut short after line {lines}", CutShortWarning, stacklevel=3)
        held = data[used:]
        if len(held) > _LONGEST:
            raise UserError(f"line {lines + 1} has more than {_LONGEST} characters; this is no text of events")


def _table(sample: bytes, whole: bool, columns: str | None, time_unit: str | None) -> _Table:
    """What the first lines tell. `whole`: whether they are all lines."""
    start = 3 if sample.startswith(b"\xef\xbb\xbf") else 0  # some editors' mark of UTF-8
    lines = sample[start:].split(b"\n")
    if not whole:
        lines.pop()
    size, names, rows = None, None, []
    for line in lines:
        text = line.decode(errors="replace").strip()
        tokens = [token.strip("\"'") for token in re.split(r"[,;\s]+", text.strip(",;")) if token] if text else []
        comment = text[:1] in ("#", "%")
        if not rows and not comment and tokens and not _is_event(tokens):
            if names is None and size is None and len(tokens) == 2 and all(token.isdigit() for token in tokens):
                size = (int(tokens[0]), int(tokens[1]))
            elif names is None and any(re.match("[A-Za-z_µ]", token) for token in tokens):
                names = _names(text)
            else:
                raise UserError(f"{text[:60]!r} is neither an event of numbers nor the names of columns")
        elif not rows and (comment or not tokens):
            if comment and names is None and _is_names(text.lstrip("#% ")):
                names = _names(text.lstrip("#% "))
        elif tokens and not comment:
            rows.append(tokens)
        if not rows:
            start += len(line) + 1
        if len(rows) == 1000:
            break
    if names is not None:  # faery tells the sensor there: t, x@640, y@480, on
        sides = [found[1] for axis in "xy" for name in names if (found := re.fullmatch(rf"{axis}@(\d{{1,5}})", name))]
        size = (int(sides[0]), int(sides[1])) if size is None and len(sides) == 2 else size
        names = [re.sub(r"@\d+$", "", name) for name in names]
    if size is not None and not all(1 <= side <= 2**15 for side in size):
        raise UserError(f"it gives a sensor of {size[0]}x{size[1]} pixels, which is none")
    if size is not None and names is None and columns is None and rows and len(rows[0]) == 4:  # E2VID's: t, x, y, p
        columns = "txyp"
        time_unit = time_unit or ("s" if any("." in row[0] for row in rows) else None)
    fields, unit = _fields(names, rows, columns)
    time = fields.index(0)
    told = time_unit or unit or _unit([row[time] for row in rows if len(row) > time])
    return _Table(min(start, len(sample)), fields, told, size)


def _fields(names: list[str] | None, rows: list[list[str]], columns: str | None) -> tuple[list[int], str | None]:
    """The columns, and the unit that the name of the time tells."""
    width = len(rows[0]) if rows else len(names or "txyp")
    if columns is not None:
        if rows and len(columns) != width:
            raise UserError(f"columns={columns!r} is for {len(columns)} columns, but the first event has {width}")
        return ["txyp".find(letter) for letter in columns], None
    if names is not None:
        if len(names) > 64:
            raise UserError(f"a table of {len(names)} columns; events have t, x, y, p")
        units = {name: found for name in names if (found := _NAMED_UNIT.fullmatch(name))}
        plain = [units[name][1] if name in units else name for name in names]
        found = find_fields(plain)
        if rows and width != len(names):
            raise UserError(f"there are names for {len(names)} columns, but the first event has {width}")
        fields = [next((k for k, letter in enumerate("txyp") if found[letter] == name), -1) for name in plain]
        unit = next((match[2].lower() for match in units.values()), None)
        return fields, _SAME_UNITS.get(unit, unit) if unit else None
    if width != 4:
        raise UserError(f"the first event has {width} columns without names; say them with columns='txyp' or another")
    values = np.array([[_value(token) for token in row] for row in rows if len(row) == 4 and _is_event(row)]).reshape(-1, 4)
    # Pixels and polarities are whole: a first column that is not is the time, in s and perhaps less than the pixels beside it.
    whole = (values == np.rint(values)).all(0)
    if whole[0] or not whole[1:].all() or not np.isin(values[:, 3], (-1, 0, 1)).all():
        check_columns(values)
    return [0, 1, 2, 3], None


def _unit(times: list[str]) -> str:
    if not times:
        return "s"  # no event, no time
    if not any(re.search(r"\.\d*[1-9]|[eE]", time) for time in times):
        raise UserError("times are whole numbers, whose unit is not known; say it with time_unit='us', 'ns', 'ms' or 's'")
    return "s"


def _names(text: str) -> list[str]:
    separator = next((mark for mark in (",", ";", "\t") if mark in text), None)
    return [name.strip().strip("\"'") for name in text.split(separator)]


def _is_names(text: str) -> bool:
    """Whether a comment names the columns."""
    try:
        found = find_fields([match[1] if (match := _NAMED_UNIT.fullmatch(name)) else name for name in _names(text)])
    except UserError:
        return False
    return len(found) == 4


def _is_event(tokens: list[str]) -> bool:
    return len(tokens) > 2 and all(re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?|[Tt]rue|[Ff]alse", token) for token in tokens)


def _value(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        return token.lower() == "true"


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """The text and its bytes."""
    with path.open("rb") as file:
        if file.read(4) != _ZIP:
            file.seek(0)
            yield file, path.stat().st_size
            return
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UserError("it is a damaged zip file") from error
        with archive:
            inside = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX")]
            if len(inside) != 1:
                raise UserError(f"a zip of {len(inside)} files; only one of a single text is read, unpack it first")
            unread = "its zip is damaged, encrypted or of a kind that is not read; unpack it first"
            if inside[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others raise errors of their own
                raise UserError(unread)
            try:
                text = archive.open(inside[0])
            except (RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile) as error:
                raise UserError(unread) from error
            with text:
                yield text, max(inside[0].file_size, 1)


TEXT = Format("text", "text or CSV, an event a line", (".txt", ".csv", ".tsv", ".zip"), open_text)
