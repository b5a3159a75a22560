"""The 5-byte format of N-MNIST and N-Caltech101 (ATIS camera), `.bin`.

An event is x, y, then polarity (bit 23) and time (bits 22..0, us) as 24 big-endian bits. A word with y = 240 is no
event: it adds 2**13 us to all later times. Orchard et al. 2015, doi:10.3389/fnins.2015.00437.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.io._source import Block, Format, Source, whole_words

_BYTES = 5
_OVERFLOW_ROW = 240
_OVERFLOW_STEP = 2**13
_CHUNK = 200_000  # events


def open_nmnist(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """A recording. The file does not hold its sensor's size."""
    n = path.stat().st_size // _BYTES
    if n == 0:
        raise UserError(f"{path.stat().st_size} bytes are not one 5-byte event: truncated, or another format")

    def blocks() -> Iterator[Block]:
        offset = 0
        for data, done in whole_words(path, 0, np.dtype((np.uint8, _BYTES)), _CHUNK):
            x, y, high = data[:, 0], data[:, 1], data[:, 2]
            overflow = y == _OVERFLOW_ROW
            shift = offset + _OVERFLOW_STEP * np.cumsum(overflow)
            t = (high & 0x7F).astype(np.int64) << 16 | data[:, 3].astype(np.int64) << 8 | data[:, 4]
            offset = int(shift[-1])
            kept = ~overflow
            yield Block((t + shift)[kept], x[kept].astype(np.int16), y[kept].astype(np.int16), high[kept] >> 7, None, done)

    return Source(blocks, sensor_size, n)


NMNIST = Format("nmnist", "5-byte events of N-MNIST and N-Caltech101", (".bin",), open_nmnist)
