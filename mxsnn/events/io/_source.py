"""What a format is, and an opened file of it: blocks of events in the order of the file, and all that goes with them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import CutShortWarning, UserError
from mxsnn.events.recording import Recording, Triggers
from mxsnn.events.stream import DTYPES
from mxsnn.events.stream import columns as to_columns

NOWHERE = -(2**15)
"""A coordinate in place of one that int16 does not hold: it lies outside every sensor, too."""


class Block(NamedTuple):
    """Consecutive events of a file as decoded, types as in `Events`; order and sensor are not checked yet.

    t: int64 [N], us. x, y: int16 [N], `NOWHERE` for what does not fit. p: uint8 [N], 0 or 1. `triggers` that the file holds
    among them, in any order. `done`: the part of the file that is decoded by now, 0 to 1.
    """

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray
    triggers: Triggers | None = None
    done: float = 1.0

    @classmethod
    def of(cls, columns: Iterable[np.ndarray], triggers: Triggers | None = None, done: float = 1.0) -> Block:
        """A block from its four columns."""
        t, x, y, p = columns
        return cls(t, x, y, p, triggers, done)

    @classmethod
    def make(cls, t: ArrayLike, x: ArrayLike, y: ArrayLike, p: ArrayLike, *, done: float = 1.0) -> Block:
        """A block from four arrays [N] of any type of numbers. Raises: UserError as `mxsnn.events.stream.columns`."""
        x, y = np.asarray(x), np.asarray(y)
        beyond = _beyond(x), _beyond(y)
        if not (beyond[0].any() or beyond[1].any()):
            return cls(*to_columns(t, x, y, p), None, done)
        found = cls(*to_columns(t, np.where(beyond[0], 0, x), np.where(beyond[1], 0, y), p), None, done)
        for column, given, outside in zip((found.x, found.y), (x, y), beyond, strict=True):
            wrong = given[outside].astype(float)
            column[outside] = np.where((wrong < 0) & (wrong > NOWHERE), wrong, NOWHERE)
        return found

    @property
    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """t, x, y, p."""
        return self.t, self.x, self.y, self.p


def _beyond(values: np.ndarray) -> np.ndarray:
    """bool: which coordinates are numbers, but of no pixel."""
    return (values < 0) | (values >= 2**15) if values.dtype.kind in "iuf" else np.zeros(values.shape, bool)


UNITS = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
"""Units of time that files use, in us."""


def microseconds(values: np.ndarray, unit: str) -> np.ndarray:
    """Times [N] in a unit of `UNITS` as whole us, rounded to the nearest. Raises: UserError for another unit or no number."""
    if unit not in UNITS:
        raise UserError(f"time_unit is one of {', '.join(UNITS)}; got {unit!r}")
    if values.dtype.kind not in "iuf":
        raise UserError(f"times are numbers, got {values.dtype}")
    if unit == "ns" and values.dtype.kind in "iu":  # a float would not hold a clock that counts from 1970
        wide = values.astype(np.uint64 if values.dtype.kind == "u" else np.int64)
        return wide // 1000 + (wide % 1000 >= 500)
    with np.errstate(over="ignore", invalid="ignore"):  # what is no time is refused where the times are checked
        scaled = values if unit == "us" else values * UNITS[unit]
    return np.rint(scaled) if scaled.dtype.kind == "f" else scaled


@dataclass(frozen=True, eq=False)
class Source:
    """An opened recording.

    Attributes:
      blocks: starts from the beginning at each call; arrays may be reused for the next block.
      sensor_size: (width, height), as the user gave or the file states it; None where neither does.
      at_most: a bound on the number of events, where one is known without decoding; memory is reserved, not filled.
      recording: all but events and the triggers that come with blocks.
      ready: ready frames [T, H, W, 2], where the file holds them in place of events.
      whole: the recording with events that are read when they are asked for, or with None where no event camera took
        part; None where the events must be decoded.
    """

    blocks: Callable[[], Iterator[Block]]
    sensor_size: tuple[int, int] | None = None
    at_most: int | None = None
    recording: Recording = field(default_factory=lambda: Recording(None))
    ready: np.ndarray | None = None
    whole: Recording | None = None


def check_block(block: Block, sensor_size: tuple[int, int] | None, first: int = 0, last: int | None = None) -> None:
    """Each event on the sensor and, where `last` is the time of the one before, none that goes back; `first` is its number.

    Raises: UserError that names the first event that is wrong.
    """
    t, x, y = block.t, block.x, block.y
    if not len(t):
        return
    width, height = sensor_size or (2**15, 2**15)
    # A negative coordinate is a large unsigned one, so that each takes one comparison.
    if x.view(np.uint16).max() >= width or y.view(np.uint16).max() >= height:
        k = int(off_sensor(block, (width, height)).argmax())
        where = f"the sensor of {width}x{height} pixels (width x height)" if sensor_size else "any sensor"
        pixel = {"x": int(x[k]), "y": int(y[k])}
        at = ", ".join(f"{axis} beyond 16 bits" if value == NOWHERE else f"{axis}={value}" for axis, value in pixel.items())
        raise UserError(f"event {first + k} lies at {at}, outside {where}; repair=True (--repair) leaves such events out")
    if last is not None and (t[0] < last or (t[1:] < t[:-1]).any()):
        k = 0 if t[0] < last else int((t[1:] < t[:-1]).argmax()) + 1
        before = t[k - 1] if k else last
        raise UserError(
            f"the times go back at event {first + k}: {t[k]} us after {before} us; repair=True (--repair) puts the events in order"
        )


def off_sensor(block: Block, size: tuple[int, int]) -> np.ndarray:
    """bool [N]: which events lie outside a sensor of (width, height) pixels."""
    return (block.x.view(np.uint16) >= size[0]) | (block.y.view(np.uint16) >= size[1])


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors that name the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {_line(error)}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read or written ({error.strerror or error})") from error


def _line(error: UserError, most: int = 500) -> str:
    """What an error says, in a line that a terminal can show: a damaged file that it quotes may hold anything."""
    said = "".join(letter if letter.isprintable() else " " for letter in str(error))
    return said if len(said) <= most else f"{said[:most]}…"


def whole_words(path: Path, start: int, dtype: np.dtype, count: int) -> Iterator[tuple[np.ndarray, float]]:
    """The words [N] of a binary file from byte `start`, up to `count` at a time, each with the part of the file that is read.

    What does not fill a word at the end is left out with a `CutShortWarning`. The array is reused.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        buffer = bytearray(count * dtype.itemsize)
        while got := file.readinto(buffer):
            words, rest = divmod(got, dtype.itemsize)
            yield np.frombuffer(buffer, dtype, words), min(file.tell() / size, 1.0) if size else 1.0
            if rest:
                told = f"{path}: {rest} bytes at the end are no whole word: the file is cut short"
                warnings.warn(told, CutShortWarning, stacklevel=2)
                return


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
      name: as `--format` takes it.
      about: what it is, in a few words.
      suffixes: of file names, in lower case with the dot; more than one format may claim one.
      open: `open(path, sensor_size, **options) -> Source`. It reads no more than a header.
        Raises: UserError, without the name of the file, for what it cannot read, here or from `blocks`.
      matches: whether a file carries the signature, from its path and first 4096 bytes (none for a folder);
        None for formats that have no signature and are told by their suffix.
      write: `write(path, source, **options)` writes a checked source to a new file; None where nothing writes the format.
      holds: which parts of a `Recording` the format can hold beside events.
    """

    name: str
    about: str
    suffixes: tuple[str, ...]
    open: Callable[..., Source]
    matches: Callable[[Path, bytes], bool] | None = None
    write: Callable[..., None] | None = None
    holds: frozenset[str] = frozenset()


def source_of(recording: Recording) -> Source:
    """A recording in memory, or opened from a recording file, as a source."""
    events = recording.events

    def blocks() -> Iterator[Block]:
        done, n = 0, 0 if events is None else len(events)
        yield Block.of((np.empty(0, dtype) for dtype in DTYPES.values()), recording.triggers, 0.0)
        for piece in () if events is None else events.pieces():
            done += len(piece)
            yield Block(piece.t, piece.x, piece.y, piece.p, None, done / n if n else 1.0)

    size = None if events is None else events.sensor_size
    return Source(blocks, size, 0 if events is None else len(events), replace(recording, events=None, triggers=Triggers.make()))
