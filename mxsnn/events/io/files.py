"""Recordings from files and to files, whatever the format."""

from __future__ import annotations

import inspect
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events.io import FORMATS
from mxsnn.events.io._source import Block, Format, Source, check_block, named, off_sensor, source_of
from mxsnn.events.recording import Recording, Triggers
from mxsnn.events.stream import DTYPES, Events, check_sensor_size
from mxsnn.spec import mistyped, suggestion

_HEAD = 4096  # bytes in which every signature lies


def identify(path: str | Path, format: str | None = None) -> Format:
    """The format of a file or folder: the named one, else by its signature, else by its suffix.

    Raises: UserError where it is missing, of no known format, or of more than one.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise UserError(f"{format!r} is no format{suggestion(format, FORMATS)}")
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if not (path.is_file() or path.is_dir()):  # a pipe would keep its reader waiting
        raise UserError(f"{path}: neither a file nor a folder")
    if format is not None:
        return FORMATS[format]
    with named(path):
        head = b"" if path.is_dir() else _head(path)
    found = [f for f in FORMATS.values() if f.matches is not None and f.matches(path, head)]
    if not found and path.is_file():
        found = [f for f in FORMATS.values() if f.matches is None and path.suffix.lower() in f.suffixes]
    if len(found) > 1:
        raise UserError(f"{path}: may be {' or '.join(f.name for f in found)}; say which as the format (--format)")
    if found:
        return found[0]
    if path.is_dir():
        raise UserError(f"{path}: a folder that holds no recording of a known layout")
    claimed = [f.name for f in FORMATS.values() if path.suffix.lower() in f.suffixes]
    if claimed:
        what = "an empty file" if not head else f"no signature of {' or '.join(claimed)} in it, as its suffix has it"
        raise UserError(f"{path}: {what}; damaged, or another format")
    known = dict.fromkeys(suffix for f in FORMATS.values() for suffix in f.suffixes)
    raise UserError(f"{path}: unknown format {path.suffix or '(no suffix)'!r}; known are {', '.join(known)}")


def open_source(
    path: str | Path, sensor_size: Sequence[int] | None = None, repair: bool = False, format: str | None = None, **options: Any
) -> Source:
    """Open a recording: nothing but its header is read, and its blocks come checked.

    Every event of a block lies on the sensor and none before the one that precedes it, across blocks too.
    `repair=True` leaves out events outside the sensor and puts the others in order, with a `RecordingWarning`.

    Raises: UserError that names the file, here and from `blocks`; for options that the format does not take.
    """
    opened, _ = _open(Path(path), sensor_size, format, options)
    return replace(opened, blocks=lambda: _checked(Path(path), opened, repair))


def _open(path: Path, sensor_size: Sequence[int] | None, format: str | None, options: dict[str, Any]) -> tuple[Source, Format]:
    chosen = identify(path, format)
    _check_options(path, chosen.open, f"reading {chosen.name}", options)
    size = check_sensor_size(sensor_size) if sensor_size is not None else None
    with named(path):
        source = chosen.open(path, size, **options)
        if source.sensor_size is not None and max(source.sensor_size) > 0:  # as a damaged header may state it
            check_sensor_size(source.sensor_size)
        return source, chosen


def _check_options(path: Path, function: Callable[..., Any], doing: str, options: dict[str, Any]) -> None:
    takes = {name: p.annotation for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}
    for name, value in options.items():
        if name not in takes:
            raise UserError(f"{path}: {doing} takes no option {name!r}{suggestion(name, list(takes)) if takes else ''}")
        problem = mistyped(value, takes[name])
        if problem:
            raise UserError(f"{path}: {doing}: option {name} {problem}")


def read(
    path: str | Path, sensor_size: Sequence[int] | None = None, repair: bool = False, format: str | None = None, **options: Any
) -> Events | np.ndarray:
    """Read a recording whole: a stream of events, or ready frames as an array [T, H, W, 2].

    `sensor_size=(width, height)` in pixels; None is what the file says, or the smallest sensor that holds the events.
    `repair`: as for `open_source`. `format`: a name in `FORMATS`; None tells it by signature or suffix. `options` go to
    that format's reader. What is odd comes as a `RecordingWarning`.

    Raises: UserError that names the file, where it is missing, of no known format, damaged, or holds no valid stream.
    """
    source, _ = _open(Path(path), sensor_size, format, options)
    return source.ready if source.ready is not None else _gather(Path(path), source, repair)[0]


def open_recording(
    path: str | Path,
    sensor_size: Sequence[int] | None = None,
    repair: bool = False,
    format: str | None = None,
    progress: Callable[[float], None] = lambda done: None,
    **options: Any,
) -> Recording:
    """All that a file holds, on one clock. A recording file is opened lazily; other formats are decoded into memory.

    `progress` is called with the part that is decoded, 0 to 1.

    Raises: as `read`; UserError for ready frames, which are no recording.
    """
    source, _ = _open(Path(path), sensor_size, format, options)
    if source.whole is not None:
        return source.whole
    if source.ready is not None:
        raise UserError(f"{path}: holds ready frames; a recording holds events")
    events, triggers = _gather(Path(path), source, repair, progress)
    return replace(source.recording, events=events, triggers=triggers)


def stream(
    path: str | Path, sensor_size: Sequence[int] | None = None, repair: bool = False, format: str | None = None, **options: Any
) -> Iterator[Events]:
    """The events of a file in consecutive pieces, for files larger than memory.

    A file that does not state its sensor is read twice, where `sensor_size` is None.

    Raises: as `read`; UserError where `repair` meets an event that belongs before an earlier piece.
    """
    source = measured(open_source(path, sensor_size, repair, format, **options))
    for block in source.blocks():
        if len(block.t):
            yield Events(*(array.copy() for array in block.columns), sensor_size=source.sensor_size or (0, 0))


def windows(pieces: Iterator[Events], duration: int, start: int | None = None) -> Iterator[Events]:
    """Consecutive windows [start + k duration, start + (k + 1) duration), us, of a stream in pieces, up to its last event.

    `start`: None is the first event. Windows without events are there too. Never more than a window and a piece is held.

    Raises: UserError for a duration below 1 us, or a `start` after the first event.
    """
    if duration < 1:
        raise UserError(f"a window lasts at least 1 us, got {duration!r}")
    held: list[Events] = []
    end = None if start is None else start + duration
    for piece in pieces:
        if piece.span is None:
            continue
        if end is None:
            end = piece.span[0] + duration
        if not held and start is not None and piece.span[0] < start:
            raise UserError(f"windows start at {start} us, after the first event at {piece.span[0]} us")
        start = None  # checked: only the first event can lie before it
        while piece.span is not None and piece.span[1] >= end:
            cut = int(np.searchsorted(piece.t, end))
            yield join([*held, piece[:cut]])
            held, piece, end = [], piece[cut:], end + duration
        held.append(piece)
    if any(len(piece) for piece in held):
        yield join(held)


def join(pieces: Sequence[Events]) -> Events:
    """Consecutive pieces of one stream as one. Raises: IndexError where there is none."""
    if len(pieces) == 1:
        return pieces[0]
    return Events(*(np.concatenate([getattr(e, name) for e in pieces]) for name in DTYPES), sensor_size=pieces[0].sensor_size)


def write(
    path: str | Path, content: Recording | Events | Source, format: str | None = None, overwrite: bool = False, **options: Any
) -> None:
    """Write a recording, in the named format or that of the suffix. It appears under its name when it is whole.

    What the format cannot hold is left out with a `RecordingWarning`. `options` go to the format's writer.

    Raises: UserError where the path exists and `overwrite` is False, no format that can be written has the suffix, or
      the format cannot hold these events.
    """
    path = Path(path)
    chosen = writable(path, format)
    check_vacant(path, overwrite)
    source = content if isinstance(content, Source) else source_of(Recording(content) if isinstance(content, Events) else content)
    lacking = [part for part in _PARTS if part not in chosen.holds and _held(getattr(source.recording, part))]
    if lacking:
        warnings.warn(f"{path}: {chosen.name} cannot hold {', '.join(lacking)}: left out", RecordingWarning, stacklevel=2)
    assert chosen.write is not None
    _check_options(path, chosen.write, f"writing {chosen.name}", options)
    with appearing(path) as temporary:
        chosen.write(temporary, _without_triggers(path, chosen, measured(source)), **options)


def check_vacant(path: Path, overwrite: bool) -> None:
    """Raises: UserError where a file cannot be written without losing what is there."""
    if path.exists() and not (overwrite and path.is_file()):  # a folder, a pipe and a device stay what they are
        raise UserError(f"{path}: exists; choose another name{' or overwrite it' if path.is_file() else ''}")


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is written stands at `path` in the end, or not at all. Errors name `path`."""
    with named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        try:
            yield Path(name)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def measured(source: Source) -> Source:
    """The source with its sensor's size: where it is not stated, the smallest that holds all events, from a pass over them."""
    if source.sensor_size is not None:
        return source
    width = height = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)  # what is odd is told in the pass that follows
        for block in source.blocks():
            if len(block.t):
                width, height = max(width, int(block.x.max()) + 1), max(height, int(block.y.max()) + 1)
    return replace(source, sensor_size=(width, height) if width else None)


_PARTS = ("frames", "samples", "labels", "subject", "session", "lux", "conditions")


def _held(part: Any) -> bool:
    return part is not None and not (hasattr(part, "__len__") and not len(part))


def _without_triggers(path: Path, chosen: Format, source: Source) -> Source:
    """The source as the format can hold it: triggers only appear among the blocks, so they are dropped there."""
    if "triggers" in chosen.holds:
        return source

    def blocks() -> Iterator[Block]:
        told = False
        for block in source.blocks():
            if block.triggers is not None and len(block.triggers) and not told:
                warnings.warn(f"{path}: {chosen.name} cannot hold triggers: left out", RecordingWarning, stacklevel=2)
                told = True
            yield block._replace(triggers=None)

    return replace(source, blocks=blocks)


def writable(path: Path, format: str | None = None) -> Format:
    """The format that a file is written in. Raises: UserError where there is none."""
    known = {name: f for name, f in FORMATS.items() if f.write is not None}
    if format is not None:
        if format not in known:
            raise UserError(f"{format!r} is {'read only' if format in FORMATS else 'no format'}{suggestion(format, list(known))}")
        return known[format]
    found = [f for f in known.values() if path.suffix.lower() in f.suffixes]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{path}: {path.suffix} may be {' or '.join(f.name for f in found)}; say which to write (--to)")
    suffixes = ", ".join(dict.fromkeys(suffix for f in known.values() for suffix in f.suffixes))
    raise UserError(f"{path}: nothing writes {path.suffix or '(no suffix)'!r}; there are {suffixes}")


def _gather(
    path: Path, source: Source, repair: bool, progress: Callable[[float], None] = lambda done: None
) -> tuple[Events, Triggers]:
    """All blocks as one stream, and all triggers in order; to repair, the whole is sorted."""
    columns = [np.empty(source.at_most if source.at_most is not None else 0, dtype) for dtype in DTYPES.values()]
    n, triggers = 0, [source.recording.triggers]
    for block in _checked(path, source, repair, ordered=not repair):
        progress(block.done)
        end = n + len(block.t)
        if end > len(columns[0]):
            columns = [_moved(column[:n], _room(end, block.done)) for column in columns]
        for column, values in zip(columns, block.columns, strict=True):
            column[n:end] = values
        n = end
        if block.triggers is not None:
            triggers.append(block.triggers)
    t, x, y, p = (column[:n] for column in columns)
    back = int((t[1:] < t[:-1]).sum()) if repair else 0
    if back:
        order = np.argsort(t, kind="stable")
        t, x, y, p = t[order], x[order], y[order], p[order]
        _tell_reordered(path, back)
    size = source.sensor_size or ((int(x.max()) + 1, int(y.max()) + 1) if n else (0, 0))
    joined = (np.concatenate([getattr(part, name) for part in triggers]) for name in ("t", "id", "value"))
    return Events(t, x, y, p, size), Triggers.make(*joined)


def _room(n: int, done: float) -> int:
    """How many events to reserve memory for, where the part `done` of a file holds `n`: all, or twice as many.

    Memory that is reserved takes none until it is filled; a file that is dense in the beginning only is trusted up to a limit.
    """
    return max(2 * n, min(int(1.1 * n / max(done, 1e-9)), max(16 * n, 1 << 26)))


def _moved(column: np.ndarray, room: int) -> np.ndarray:
    """The values at the start of an array of `room`."""
    larger = np.empty(room, column.dtype)
    larger[: len(column)] = column
    return larger


def _checked(path: Path, source: Source, repair: bool, ordered: bool = True) -> Iterator[Block]:
    """The blocks, each event on the sensor and, where `ordered`, in the order of time; or UserError."""
    with named(path):
        blocks = source.blocks()
        if repair:
            blocks = _on_sensor(path, blocks, source.sensor_size)
            blocks = _in_order(path, blocks) if ordered else blocks
        n, last = 0, int(np.iinfo(np.int64).min)
        for block in blocks:
            check_block(block, source.sensor_size, n, last if ordered else None)
            if len(block.t):
                n, last = n + len(block.t), int(block.t[-1])
            yield block


def _on_sensor(path: Path, blocks: Iterator[Block], size: tuple[int, int] | None) -> Iterator[Block]:
    """The blocks without events outside the sensor, of which the number is told at the end."""
    left_out = 0
    for block in blocks:
        outside = off_sensor(block, size or (2**15, 2**15))
        if outside.any():
            left_out += int(outside.sum())
            inside = ~outside
            block = Block.of((array[inside] for array in block.columns), block.triggers, block.done)
        yield block
    if left_out:
        warnings.warn(f"{path}: {left_out} events outside the sensor were left out", RecordingWarning, stacklevel=2)


def _in_order(path: Path, blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks with events in the order of time (stable), as far as a block is from its neighbours."""
    held: Block | None = None
    moved, last = 0, np.iinfo(np.int64).min
    for block in blocks:
        # Copies: what is held outlives the arrays that a decoder may use again.
        joined = (
            [np.concatenate(pair) for pair in zip(held.columns, block.columns, strict=True)]
            if held
            else [a.copy() for a in block.columns]
        )
        t = joined[0]
        if (t[1:] < t[:-1]).any():
            moved += int((t[1:] < t[:-1]).sum())
            order = np.argsort(t, kind="stable")
            joined = [array[order] for array in joined]
            t = joined[0]
        ready = len(held.t) if held else 0
        if ready and t[0] < last:
            raise UserError(f"the times go back too far to repair in a stream, to {t[0]} us after {last} us; read it whole")
        last = joined[0][ready - 1] if ready else last
        yield Block.of((array[:ready] for array in joined), block.triggers, block.done)
        held = Block.of(array[ready:] for array in joined)
    if held:
        yield held
    if moved:
        _tell_reordered(path, moved)


def _tell_reordered(path: Path, times: int) -> None:
    warnings.warn(f"{path}: the times went back {times} times; the events were put in order", RecordingWarning, stacklevel=2)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
