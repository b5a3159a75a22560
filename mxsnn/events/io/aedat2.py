"""AEDAT 2 of jAER: DVS128, DAVIS240 and DAVIS346.

After lines that begin with "#" come words of a big-endian address and time (us), 32 bits each; the time wraps. jAER's
cameras see the world mirrored and count rows from below: x and y are turned so that images are upright.

- DVS128: y 14..8, x 7..1, bit 0 is 0 for ON. Bit 15 or 31: an external edge.
- DAVIS: y 30..22, x 21..12, bit 11 is 1 for ON. Bit 10: an external edge, of which bits 2..0 say 2 down, 3 up or 4
  pulse. Bit 31: part of a frame or of an inertial sample.

The page of the format has the DVS128's polarity the other way round; jAER and libcaer, which wrote the files, have it
so. Edges are triggers of `id` 0, `value` 0 for down and 1 for others: a DVS128 does not tell which. Frames and inertial
samples are not read. https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-2.0.html
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events.io._source import Block, Format, Source, whole_words
from mxsnn.events.recording import Recording, Triggers

_WORD = np.dtype([("address", ">u4"), ("t", ">u4")])
_CHUNK = 200_000  # words
_LONGEST_LINE, _LONGEST_HEADER = 2**20, 2**26  # bytes; jAER writes its settings into the header
_DOWN = 2


class _Decoded(NamedTuple):
    """Of words [N]: which are events, with their pixels and polarity, and which are external edges, with their values."""

    event: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray
    edge: np.ndarray
    value: np.ndarray


def _dvs128(address: np.ndarray) -> _Decoded:
    edge = (address >> 15 & 1 | address >> 31).astype(bool)
    return _Decoded(address < 2**15, 127 - (address >> 1 & 0x7F), 127 - (address >> 8 & 0x7F), ~address & 1, edge, edge)


def _davis(width: int, height: int) -> Callable[[np.ndarray], _Decoded]:
    def decode(address: np.ndarray) -> _Decoded:
        dvs, external = address < 2**31, (address >> 10 & 1).astype(bool)
        x, y = width - 1 - (address >> 12 & 0x3FF), height - 1 - (address >> 22 & 0x1FF)
        return _Decoded(dvs & ~external, x, y, address >> 11 & 1, dvs & external, address & 7 != _DOWN)

    return decode


class _Camera(NamedTuple):
    size: tuple[int, int]
    decode: Callable[[np.ndarray], _Decoded]
    chips: str  # pattern of the names of jAER's classes


CAMERAS = {
    "dvs128": _Camera((128, 128), _dvs128, "dvs128|tmpdiff128"),
    "davis240": _Camera((240, 180), _davis(240, 180), "davis240|sbret[12]0|sbret21"),
    "davis346": _Camera((346, 260), _davis(346, 260), "davis346"),
}
"""By the names that the option `camera` takes."""


def open_aedat2(path: Path, sensor_size: tuple[int, int] | None, *, camera: str | None = None) -> Source:
    """A recording. `camera`: a name in `CAMERAS`, where the header names none."""
    with path.open("rb") as file:
        lines = header_lines(file)
        start = file.tell()
    if camera is not None and camera not in CAMERAS:
        raise UserError(f"camera is one of {', '.join(CAMERAS)}; got {camera!r}")
    stated = [found[1] for line in lines if (found := re.match(r"#\s*(?:AEChip|HardwareInterface):\s*(.+)", line))]
    if camera is None:
        named = [name for name, known in CAMERAS.items() if any(re.search(known.chips, text, re.IGNORECASE) for text in stated)]
        if len(named) != 1:
            told = f"the header names {', '.join(stated)}" if stated else "the header names no camera"
            raise UserError(f"{told}; say it with camera={' or camera='.join(map(repr, CAMERAS))}")
        camera = named[0]
    size, decode, _ = CAMERAS[camera]

    def blocks() -> Iterator[Block]:
        last, t_last, skipped = None, 0, 0
        for words, done in whole_words(path, start, _WORD, _CHUNK):
            if not len(words):
                continue
            raw = words["t"].astype(np.uint32)
            # Differences modulo 2**32 between -2**31 and 2**31: a wrap is a small step, and so is a step back over one.
            step = np.diff(raw, prepend=raw[:1] if last is None else last).view(np.int32)
            t = (int(raw[0]) if last is None else t_last) + np.cumsum(step, dtype=np.int64)
            last, t_last = raw[-1:], int(t[-1])
            event, x, y, p, edge, value = decode(words["address"].astype(np.int64))
            skipped += len(t) - int(event.sum()) - int(edge.sum())
            triggers = Triggers.make(t[edge], np.zeros(int(edge.sum())), value[edge]) if edge.any() else None
            columns = (t[event], x[event].astype(np.int16), y[event].astype(np.int16), p[event].astype(np.uint8))
            yield Block.of(columns, triggers, done)
        if skipped:
            told = f"{path}: {skipped} words that are no events (frames, inertial samples, unknown) were skipped"
            warnings.warn(told, RecordingWarning, stacklevel=2)

    chip = next((text.split(".")[-1] for text in stated if "." in text), camera.upper())
    return Source(blocks, sensor_size or size, (path.stat().st_size - start) // _WORD.itemsize, Recording(None, sensor=chip))


def header_lines(file: BinaryIO) -> list[str]:
    """The lines of text that begin with "#"; the file then stands behind them.

    An event may begin with the same byte, but no event is a line of text. Raises: UserError for one without end.
    """
    lines = []
    while True:
        at = file.tell()
        line = file.readline(_LONGEST_LINE)
        text = line.rstrip(b"\r\n")
        if not (line.startswith(b"#") and line.endswith(b"\n") and all(byte >= 32 or byte == 9 for byte in text)):
            file.seek(at)
            return lines
        lines.append(text.decode(errors="replace"))
        if at > _LONGEST_HEADER:
            raise UserError(f"its header has more than {_LONGEST_HEADER // 2**20} MiB: damaged, or no AEDAT")
        if text in (b"#!END-HEADER", b"#End Of ASCII Header"):
            return lines


def _matches(path: Path, head: bytes) -> bool:
    return head.startswith(b"#!AER-DAT2.0")


AEDAT2 = Format("aedat2", "AEDAT 2 of jAER: DVS128, DAVIS240, DAVIS346", (".aedat",), open_aedat2, _matches)
