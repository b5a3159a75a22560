"""What Prophesee's raw formats share: a header of lines `% key value`, words after it, the sensors they come from.

docs.prophesee.ai, "RAW file format" and "Data encoding formats". Times are those of the file: 0 is the start of the camera's
clock, not the first event. What is before the first time (in a stream that was joined midway) is left out, as Metavision does.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events.io._source import Block, Format, Source, whole_words
from mxsnn.events.recording import Recording, Triggers
from mxsnn.events.stream import DTYPES

_LONGEST = 1 << 16  # bytes of a header
_WORDS = 1 << 18  # bytes of words at a time: they and their events stay in the cache
_EVENTS = 1 << 15  # events at a time
_EDGES = 1 << 10
_MOST_WRAPS = 1 << 20  # a writer fills the time before the first event with them

_SENSORS: dict[str, tuple[str, tuple[int, int]]] = {
    "genx320": ("GenX320", (320, 320)),
    "imx636": ("IMX636", (1280, 720)),
    "imx646": ("IMX646", (1280, 720)),
    "gen41": ("Gen4.1", (1280, 720)),
    "gen4": ("Gen4.0", (1280, 720)),
    "gen31": ("Gen3.1", (640, 480)),
    "gen3": ("Gen3.0", (640, 480)),
}
"""Sensors by a part of the name of their plugin, such as hal_plugin_gen31_fx3; name and (width, height) as OpenEB has them."""

_GENERATIONS = {"3.0": "gen3", "3.1": "gen31", "4.0": "gen4", "4.1": "gen41", "4.2": "imx636", "320.0": "genx320"}


class Header(NamedTuple):
    """The lines `% key value` of a file: `fields` by their key in lower case, and the byte at which the data start."""

    fields: Mapping[str, str]
    end: int

    @property
    def format(self) -> str | None:
        """Name of the encoding: "EVT2", "EVT21", "EVT3" or another of the camera's; None where no line says it."""
        named = self.fields.get("format", "").partition(";")[0].strip()
        version = self.fields.get("evt", "").strip()
        return named or (f"EVT{version.removesuffix('.0').replace('.', '')}" if version else None)

    @property
    def options(self) -> dict[str, str]:
        """What stands behind the encoding: `EVT3;height=720;width=1280`."""
        pairs = (part.partition("=") for part in self.fields.get("format", "").split(";")[1:])
        return {key.strip().lower(): value.strip() for key, _, value in pairs}

    @property
    def sensor(self) -> tuple[str | None, tuple[int, int] | None]:
        """Name and (width, height) of the sensor, as far as they are known."""
        told = self.fields.get("sensor_name")
        generation = self.fields.get("sensor_generation", self.fields.get("generation", ""))
        hints = (told or "", _GENERATIONS.get(generation, ""), self.fields.get("plugin_name", ""))
        known = (_SENSORS[key] for hint in hints for key in _SENSORS if key in hint.lower().replace(".", ""))
        name, size = next(known, (None, None))
        sizes = (
            (self.options.get("width"), self.options.get("height")),
            self.fields.get("geometry", "").split("x"),
            (self.fields.get("width"), self.fields.get("height")),
        )
        for sides in sizes:
            if len(sides) == 2 and all(side and re.fullmatch(r"\s*0*[1-9]\d{0,4}\s*", side) for side in sides):
                stated = int(sides[0] or 0), int(sides[1] or 0)
                return told or name, stated if max(stated) <= 2**15 else None
        return told or name, size

    @property
    def t0(self) -> int:
        """What is added to all times, us: faery writes times from the first event, and that event's time here."""
        told = self.fields.get("t0", "")
        return int(told) if re.fullmatch(r"\d{1,18}", told) else 0


def parse(head: bytes) -> Header:
    """The header in the first bytes of a file. Data start at the first line that is not `% ` and text, or after `% end`."""
    fields: dict[str, str] = {}
    at = 0
    while head.startswith(b"% ", at):
        stop = head.find(b"\n", at)
        line = head[at + 2 : stop].rstrip(b"\r")
        if stop < 0 or any(byte < 32 and byte != 9 for byte in line):
            break
        at = stop + 1
        key, _, value = line.decode("latin-1").strip().partition(" ")
        if key == "end":
            break
        fields.setdefault(key.lower(), value.strip())
    return Header(fields, at)


def header_of(path: Path, name: str) -> Header:
    """The header of a file whose encoding is `name`; one without a header is words from its first byte.

    Raises: UserError where the header names another encoding.
    """
    with path.open("rb") as file:
        header = parse(file.read(_LONGEST))
    if header.format not in (None, name):
        raise UserError(f"its header says {header.format}, not {name}")
    return header


def source(
    path: Path,
    header: Header,
    sensor_size: tuple[int, int] | None,
    blocks: Callable[[], Iterator[Block]],
    at_most: int | None = None,
) -> Source:
    """A raw file's source: the user's sensor size, else the header's."""
    name, size = header.sensor
    return Source(blocks, sensor_size or size, at_most, Recording(None, sensor=name))


def decoded(path: Path, header: Header, dtype: np.dtype, decode: Callable[..., tuple[Any, Any, Any]]) -> Iterator[Block]:
    """The blocks of a file of words, by a decoder of `_evt_kernels`; their arrays are reused."""
    from mxsnn.events.io import _evt_kernels as kernels

    arrays = [np.empty(_EVENTS + kernels.ROOM, kind) for kind in DTYPES.values()]
    edges = np.empty((_EDGES, 3), np.int64)
    state = kernels.START.copy()
    state[kernels.TIME] = state[kernels.WRAPS] = header.t0
    for words, done in whole_words(path, header.end, dtype, _WORDS // dtype.itemsize):
        at = 0
        while at < len(words):
            used, n, k = map(int, decode(words[at:], *arrays, edges, state))
            at += used
            triggers = Triggers.make(*edges[:k].T) if k else None
            yield Block.of((array[:n] for array in arrays), triggers, done)
    for slot, what in (
        (kernels.UNKNOWN, "words of unknown type were skipped"),
        (kernels.EARLY, _EARLY),
        (kernels.SILENT, _SILENT),
    ):
        if state[slot]:
            warnings.warn(f"{path}: {state[slot]} {what}", RecordingWarning, stacklevel=2)


_EARLY = "words with events come before the time or place that they need: left out"
_SILENT = "steps back of the clock were taken for its wrap in a long silence; a damaged time would look the same"


def format_of(
    name: str, word: str, codec: Callable[[], tuple[Callable, Callable]], *, inputs: int, bits: int, one_each: bool
) -> Format:
    """A format that is read and written, by its name in headers and the type of its words.

    `codec` imports a decoder and an encoder of `_evt_kernels`, not before a file wants them. Triggers have `inputs`, `bits` of the
    time are counted in the words. `one_each`: a word holds one event at the most.
    """
    dtype = np.dtype(word)

    def opened(path: Path, sensor_size: tuple[int, int] | None) -> Source:
        header = header_of(path, name)
        at_most = (path.stat().st_size - header.end) // dtype.itemsize if one_each else None
        return source(path, header, sensor_size, lambda: decoded(path, header, dtype, codec()[0]), at_most)

    def written(path: Path, source: Source) -> None:
        _encoded(path, source, name, dtype, inputs, bits, codec()[1])

    about = f"{name} of Prophesee's cameras"
    return Format(name.lower(), about, (".raw",), opened, says(name), written, frozenset({"triggers"}))


def says(name: str) -> Callable[[Path, bytes], bool]:
    """Whether a file's header names this encoding."""
    return lambda path, head: parse(head).format == name


def _encoded(
    path: Path, source: Source, name: str, dtype: np.dtype, inputs: int, bits: int, encode: Callable[..., tuple[Any, Any, Any]]
) -> None:
    """Writes a source as words after a header, by an encoder of `_evt_kernels`.

    The source is gone through twice: its triggers may come anywhere, and have their place among the words.

    Raises: UserError for a sensor beyond 2048 pixels a side, times before 0 or too far from it.
    """
    from mxsnn.events.io import _evt_kernels as kernels

    width, height = source.sensor_size or (0, 0)
    if max(width, height) > 2048:
        raise UserError(f"{name} holds 2048 pixels a side, the sensor has {width}x{height}; choose another format")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)  # what is odd in the source is told when it is written
        parts = [source.recording.triggers, *(block.triggers for block in source.blocks() if block.triggers is not None)]
    triggers = Triggers.make(*(np.concatenate([getattr(part, column) for part in parts]) for column in ("t", "id", "value")))
    if len(triggers) and not (triggers.id.min() >= 0 and triggers.id.max() < inputs and triggers.value.max() <= 1):
        raise UserError(f"{name} holds triggers of inputs 0 to {inputs - 1} with values 0 and 1; there are others")
    edges = np.stack([triggers.t, triggers.id, triggers.value], axis=1).astype(np.int64)
    words = np.empty(_WORDS // dtype.itemsize, dtype)
    state = kernels.FRESH.copy()

    def columns() -> Iterator[tuple[np.ndarray, ...]]:
        yield from (block.columns for block in source.blocks() if len(block.t))
        yield tuple(np.empty(0, kind) for kind in DTYPES.values())  # for the edges after the last event

    with path.open("wb") as file:
        file.write(_header(source, name))
        for t, x, y, p in columns():
            upto = int(np.searchsorted(edges[:, 0], t[-1])) if len(t) else len(edges)
            due, edges = edges[:upto], edges[upto:]
            _check_times(name, bits, t, due[:, 0])
            t, x, y, p = map(np.ascontiguousarray, (t, x, y, p))
            while len(t) or len(due):
                events, marks, n = map(int, encode(t, x, y, p, due, words, state))
                t, x, y, p, due = t[events:], x[events:], y[events:], p[events:], due[marks:]
                file.write(words[:n].data)


def _header(source: Source, name: str) -> bytes:
    """The lines that Metavision reads."""
    lines = [f"evt {name[3]}.{name[4:] or 0}", f"format {name}"]
    if source.sensor_size is not None:
        width, height = source.sensor_size
        lines = [lines[0], f"{lines[1]};height={height};width={width}", f"geometry {width}x{height}"]
    sensor = source.recording.sensor
    if sensor and sensor.isascii() and sensor.isprintable():
        lines.append(f"sensor_name {sensor}")
    return "".join(f"% {line}\n" for line in [*lines, "end"]).encode()


def _check_times(name: str, bits: int, *columns: np.ndarray) -> None:
    for t in columns:
        if len(t) and not (t[0] >= 0 and t[-1] >> bits <= _MOST_WRAPS):
            wrong = t[0] if t[0] < 0 else t[-1]
            held = f"{name} counts time from 0 and wraps every {2**bits / 1e6:.1f} s, here {_MOST_WRAPS} times at most"
            raise UserError(f"{held}; got {wrong} us: let the clock begin at 0 (mxsnn convert --from-zero)")
