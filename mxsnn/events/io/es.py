"""Event Stream of the Neuromorphic Vision group in Paris and Sydney, `.es`, version 2.

After "Event Stream", three bytes of version and one of the kind of events (1 DVS, 2 ATIS) come width and height (uint16)
and events of 5 bytes: the time since the last with the polarity, x and y (uint16, little-endian); bytes between them
add to the time. Rows count from below, so y is turned. ATIS' exposure measurements are no events and are left out.
https://github.com/neuromorphic-paris/event_stream
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mxsnn.errors import CutShortWarning, RecordingWarning, UserError
from mxsnn.events.io._source import Block, Format, Source
from mxsnn.events.stream import DTYPES

_SIGNATURE = b"Event Stream"
_HEADER = 20  # bytes
_EVENT = 5
_CHUNK = 2**20  # bytes
_DVS, _ATIS = 1, 2
_OTHERS = {0: "generic events", 3: "events of a display", 4: "events of colour"}


def open_es(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """A recording. Raises: UserError for another version, and for kinds without changes of light."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if header[12:13] not in (b"\x02", b""):
        raise UserError(f"version {header[12]}.{header[13] if len(header) > 13 else '?'} is not read, only 2")
    if len(header) > 15 and header[15] not in (_DVS, _ATIS):
        raise UserError(f"holds {_OTHERS.get(header[15], f'events of kind {header[15]}')}; only changes of light are read")
    if len(header) < _HEADER:
        raise UserError("its header is cut short")
    width, height = (int(side) for side in np.frombuffer(header, "<u2", 2, 16))
    if not width or not height:
        raise UserError(f"a sensor of {width}x{height} pixels holds no event: its header is damaged")
    size = path.stat().st_size

    def blocks() -> Iterator[Block]:
        from mxsnn.events.io import _es_kernels

        decode = _es_kernels.dvs if header[15] == _DVS else _es_kernels.atis
        buffer = np.empty(_CHUNK + _EVENT, np.uint8)
        columns = [np.empty(len(buffer) // _EVENT + 1, dtype) for dtype in DTYPES.values()]
        held = now = left_out = 0
        with path.open("rb") as file:
            file.seek(_HEADER)
            while got := file.readinto(memoryview(buffer)[held : held + _CHUNK]):
                data = buffer[: held + got]
                used, n, others, now = decode(data, height, now, *columns)
                held = len(data) - used
                buffer[:held] = data[used:].copy()
                left_out += others
                yield Block.of((column[:n] for column in columns), None, min(file.tell() / size, 1.0))
        if left_out:
            warnings.warn(f"{path}: {left_out} measurements of exposure were left out", RecordingWarning, stacklevel=2)
        if held:
            warnings.warn(f"{path}: {held} bytes at the end are no whole event: cut short", CutShortWarning, stacklevel=2)

    return Source(blocks, sensor_size or (width, height), (size - _HEADER) // _EVENT)


ES = Format("es", "Event Stream", (".es",), open_es, lambda path, head: head.startswith(_SIGNATURE))
