"""EVT2 of Prophesee's cameras, `.raw`: 32-bit words, an event each.

Type 31..28: 0 OFF and 1 ON event (time 27..22, x 21..11, y 10..0), 8 high time (27..0), 10 trigger (time 27..22, input 12..8,
level 0). t = high time * 64 + time, us; it wraps every 2**34 us, which is where the high time steps back by a sixteenth of
its range or more. docs.prophesee.ai, "EVT 2.0 format".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mxsnn.events.io import _raw
from mxsnn.events.io._source import Block, Format, Source

_WORD = np.dtype("<u4")


def open_evt2(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """A recording."""
    header = _raw.header_of(path, "EVT2")

    def blocks() -> Iterator[Block]:
        from mxsnn.events.io._evt_kernels import decode_evt2

        return _raw.decoded(path, header, _WORD, decode_evt2)

    return _raw.source(path, header, sensor_size, blocks, (path.stat().st_size - header.end) // _WORD.itemsize)


def write_evt2(path: Path, source: Source) -> None:
    """Events and triggers as EVT2."""
    from mxsnn.events.io._evt_kernels import encode_evt2

    _raw.encoded(path, source, "EVT2", _WORD, 34, encode_evt2)


EVT2 = Format(
    "evt2",
    "EVT2 of Prophesee's cameras",
    (".raw",),
    open_evt2,
    lambda path, head: _raw.parse(head).format == "EVT2",
    write_evt2,
    frozenset({"triggers"}),
)
