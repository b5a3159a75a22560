"""AEDAT 4 files for tests: flatbuffers by hand, without compression."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

EVENT = np.dtype({"names": ["t", "x", "y", "p"], "formats": ["<i8", "<i2", "<i2", "u1"], "offsets": [0, 8, 10, 12], "itemsize": 16})


def table(identifier: bytes, fields: Sequence[tuple[str, Any]]) -> bytes:
    """A flatbuffer, without its size, of one table.

    A field is a number by the letter of `struct`, ("vector", (length, bytes)), or ("tables", a list of tables' fields).
    """
    data = bytearray(8)
    struct.pack_into("<I4s", data, 0, _append(data, fields), identifier)
    return bytes(data)


def _append(data: bytearray, fields: Sequence[tuple[str, Any]]) -> int:
    """Where in `data` the table begins that is appended to it."""
    inline, at = [], 4
    for kind, _ in fields:
        size = 4 if len(kind) > 1 else struct.calcsize("<" + kind)
        at += -at % size
        inline.append(at)
        at += size
    vtable = len(data)
    data += struct.pack(f"<{2 + len(fields)}H", 4 + 2 * len(fields), at, *inline)
    data += bytes(-(len(data) + 4) % 8)  # aligned to 8 with the size that stands before the whole
    start = len(data)
    data += struct.pack("<i", start - vtable) + bytes(at - 4)
    for (kind, value), place in zip(fields, inline, strict=True):
        if len(kind) == 1:
            struct.pack_into("<" + kind, data, start + place, value)
            continue
        data += bytes(-len(data) % 8)
        struct.pack_into("<I", data, start + place, len(data) - start - place)
        if kind == "vector":
            data += struct.pack("<I", value[0]) + value[1]
        else:
            first = len(data) + 4
            data += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for k, row in enumerate(value):
                data += bytes(-len(data) % 4)
                struct.pack_into("<I", data, first + 4 * k, _append(data, row) - first - 4 * k)
    return start


def events_packet(events: np.ndarray) -> bytes:
    return table(b"EVTS", [("vector", (len(events), events.astype(EVENT).tobytes()))])


def triggers_packet(rows: Iterable[tuple[int, int]]) -> bytes:
    return table(b"TRIG", [("tables", [[("q", t), ("b", source)] for t, source in rows])])


def imu_packet(rows: Iterable[tuple[int, Sequence[float]]]) -> bytes:
    """Time and ten values a row, as `mxsnn` orders them."""
    return table(b"IMUS", [("tables", [[("q", t), *(("f", value) for value in values)] for t, values in rows])])


def frame_packet(pixels: np.ndarray, t: int, exposure: tuple[int, int] = (-1, -1), format: int | None = None) -> bytes:
    """`pixels` [H, W], or [H, W, 3] or 4 in the order of the file: blue, green, red."""
    format = {2: 0, 3: 16, 4: 24}[pixels.ndim + (pixels.shape[-1] == 4 if pixels.ndim == 3 else 0)] if format is None else format
    height, width = pixels.shape[:2]
    numbers = [*(("q", time) for time in (t, t - 1, t + 1, *exposure)), ("b", format), *(("h", n) for n in (width, height, 0, 0))]
    return table(b"FRME", [*numbers, ("vector", (pixels.nbytes, pixels.tobytes()))])


def write(
    path: Path, streams: dict[int, tuple[str, int, int]], packets: Iterable[tuple[int, bytes]], table_at_end: bool = True
) -> None:
    """`streams`: type, width and height by number. `packets`: number of the stream, flatbuffer."""
    nodes = "".join(
        f'<node name="{id}"><attr key="typeIdentifier" type="string">{kind}</attr><node name="info">'
        f'<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr>'
        '<attr key="source" type="string">CAMERA_7</attr></node></node>'
        for id, (kind, width, height) in streams.items()
    )
    text = f'<dv version="2.0"><node name="outInfo">{nodes}</node></dv>'.encode()
    body = b"".join(struct.pack("<iI", id, len(data) + 4) + struct.pack("<I", len(data)) + data for id, data in packets)
    for end in (0, None):  # the header says where the packets end, which is known once the header is
        header = table(b"IOHE", [("i", 0), ("q", end or -1), ("vector", (len(text), text + b"\0"))])
        if end is None and table_at_end:
            end = 18 + len(header) + len(body)
            header = table(b"IOHE", [("i", 0), ("q", end), ("vector", (len(text), text + b"\0"))])
    path.write_bytes(b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header + body + (b"the table" if table_at_end else b""))
