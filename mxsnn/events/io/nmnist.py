"""The 5-byte format of N-MNIST and N-Caltech101 (ATIS camera), `.bin`.

An event is x, y, then polarity (bit 23) and time (bits 22..0, us) as 24 big-endian bits. A word with y = 240 is no
event: it adds 2**13 us to all later times. Orchard et al. 2015, doi:10.3389/fnins.2015.00437.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.stream import Events

_OVERFLOW_ROW = 240
_OVERFLOW_STEP = 2**13


def read_nmnist(path: Path, sensor_size: Sequence[int] | None = None, sort: bool = False) -> Events:
    """Read a recording. The file does not hold its sensor's size: None takes the smallest that holds the events.

    Raises: UserError where the file is truncated, and all that `Events.make` rejects.
    """
    data = np.fromfile(path, np.uint8)
    if len(data) == 0 or len(data) % 5:
        raise UserError(f"{len(data)} bytes are not a whole number of 5-byte events: truncated, or another format")
    words = data.reshape(-1, 5).astype(np.int64)
    x, y, high = words[:, 0], words[:, 1], words[:, 2]
    overflow = y == _OVERFLOW_ROW
    t = (high & 0x7F) << 16 | words[:, 3] << 8 | words[:, 4]
    t += _OVERFLOW_STEP * np.cumsum(overflow)
    kept = ~overflow
    return Events.make(t[kept], x[kept], y[kept], high[kept] >> 7, sensor_size, sort)
