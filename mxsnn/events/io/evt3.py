"""EVT3 of Prophesee's cameras, `.raw` and the payload of ROS EventPackets: 16-bit words that each change a part of an event.

Type 15..12: 0 y (10..0), 2 event (x 10..0, polarity 11), 3 first x and polarity of vectors, 4 and 5 vectors (bit k for the pixel
at x + k; the next begins 12 and 8 pixels on), 6 and 8 low and high time (11..0), 10 trigger (input 11..8, level 0).
t = high time * 4096 + low time, us; it wraps every 16.8 s, which is where the high time steps back by 1 s or more.
A new high time sets the low one to 0. Words of other types (Lucid's cameras pad with 0x9999) are skipped. docs.prophesee.ai,
"EVT 3.0 format".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mxsnn.events.io import _raw
from mxsnn.events.io._source import Block, Format, Source

_WORD = np.dtype("<u2")


def open_evt3(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """A recording."""
    header = _raw.header_of(path, "EVT3")

    def blocks() -> Iterator[Block]:
        from mxsnn.events.io._evt_kernels import decode_evt3

        return _raw.decoded(path, header, _WORD, decode_evt3)

    return _raw.source(path, header, sensor_size, blocks)


def write_evt3(path: Path, source: Source) -> None:
    """Events and triggers as EVT3."""
    from mxsnn.events.io._evt_kernels import encode_evt3

    _raw.encoded(path, source, "EVT3", _WORD, 24, encode_evt3)


EVT3 = Format(
    "evt3",
    "EVT3 of Prophesee's cameras",
    (".raw",),
    open_evt3,
    lambda path, head: _raw.parse(head).format == "EVT3",
    write_evt3,
    frozenset({"triggers"}),
)
