"""DAT of Prophesee's software, `.dat`: a header, two bytes (type and size of an event), events of 8 bytes.

An event is t (us) and a word with x in 13..0, y in 27..14, polarity in 28; both little-endian, 32 bits. Old headers name
"2d" events and no sensor. docs.prophesee.ai, "DAT file format".

The time wraps every 2**32 us (71.6 min) and nothing in the file counts the wraps: a step back by half of that or more is taken
for one. So a recording is read back exactly where it starts before 2**32 us and is never silent for 35.8 minutes; the writer
takes no other, and says that other readers may see the times go back.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events.io import _raw
from mxsnn.events.io._source import Block, Format, Source, whole_words

_EVENT = np.dtype(("<u4", 2))
_EVENTS = 1 << 15  # at a time
_TYPES = {0, 12}  # of two-dimensional and of contrast detection events
_WRAP = 1 << 32


def open_dat(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """A recording."""
    header = _raw.header_of(path, "DAT")
    version = header.fields.get("version", "2")
    if version != "2":
        raise UserError(f"DAT of version {version} is not known here, only version 2")
    with path.open("rb") as file:
        file.seek(header.end)
        sizes = file.read(2)
    start = header.end
    if header.fields:
        start += 2
        if len(sizes) == 2 and not (sizes[0] in _TYPES and sizes[1] == _EVENT.itemsize):
            raise UserError(f"events of type {sizes[0]} and {sizes[1]} bytes; type 0 or 12 and 8 bytes are known")
    n = max(0, path.stat().st_size - start) // _EVENT.itemsize

    def blocks() -> Iterator[Block]:
        wraps, last = header.t0, 0
        for words, done in whole_words(path, start, _EVENT, _EVENTS):
            t, word = words[:, 0].astype(np.int64), words[:, 1]
            back = np.diff(t, prepend=last) <= -_WRAP // 2
            last = int(t[-1]) if len(t) else last
            if back.any():
                t += np.cumsum(back) * _WRAP
            t += wraps
            wraps += int(np.count_nonzero(back)) * _WRAP
            x, y, p = word & 0x3FFF, (word >> 14) & 0x3FFF, (word >> 28) & 1
            yield Block(t, x.astype(np.int16), y.astype(np.int16), p.astype(np.uint8), None, done)

    return _raw.source(path, header, sensor_size, blocks, n)


def write_dat(path: Path, source: Source) -> None:
    """Events as DAT, with a new header."""
    size = source.sensor_size
    if size and max(size) > 2**14:
        raise UserError(f"DAT holds {2**14} pixels a side, the sensor has {size[0]}x{size[1]}; choose another format")
    lines = ["Data file containing CD events", "Version 2", *([f"Width {size[0]}", f"Height {size[1]}"] if size else [])]
    last, told = 0, False
    with path.open("wb") as file:
        file.write("".join(f"% {line}\n" for line in lines).encode() + bytes([12, _EVENT.itemsize]))
        for block in source.blocks():
            if not len(block.t):
                continue
            times = np.concatenate([[last], block.t])
            steps, wraps = np.diff(times), np.diff(times >> 32)
            lost = (wraps > 0) & (steps > _WRAP // 2)
            if times[1] < 0 or lost.any():
                wrong = block.t[0] if times[1] < 0 else block.t[lost.argmax()]
                held = f"DAT counts time from 0 in 32 bits and cannot hold {wrong} us here"
                raise UserError(f"{held}: let the clock begin at 0 (mxsnn convert --from-zero)")
            last = int(block.t[-1])
            if last >= _WRAP and not told:
                message = f"times beyond {_WRAP} us wrap in DAT, and not every reader counts the wraps"
                warnings.warn(message, RecordingWarning, stacklevel=2)
                told = True
            words = np.empty((len(block.t), 2), "<u4")
            words[:, 0] = block.t & (_WRAP - 1)
            words[:, 1] = block.x.astype(np.uint32) | block.y.astype(np.uint32) << 14 | block.p.astype(np.uint32) << 28
            file.write(words.data)


def _matches(head: bytes) -> bool:
    header = _raw.parse(head)
    return header.format is None and ("data" in header.fields or "version" in header.fields)


DAT = Format("dat", "DAT of Prophesee's software", (".dat",), open_dat, lambda path, head: _matches(head), write_dat)
