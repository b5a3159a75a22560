"""AEDAT 3.1 of cAER and libcaer, such as the recordings of DVS128 Gesture.

After lines of text, the last "#!END-HEADER", come packets, little-endian: type (0 special, 1 polarity), source (int16
each), size of an event, where its time stands, overflows of the time, room, events, valid events (int32 each), events.
A polarity event is x 31..17, y 16..2, ON bit 1, valid bit 0, then the time (31 bits, us; the overflows stand above).
A special event has its type in bits 7..1: external edges and pulses and the marks of frames (2 to 17) are triggers, with
the type as their `id`; `value` is 1 for edges up, pulses and starts. Frames, inertial and other packets are not read.
https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mxsnn.errors import CutShortWarning, RecordingWarning, UserError
from mxsnn.events.io._source import Block, Format, Source
from mxsnn.events.io.aedat2 import header_lines
from mxsnn.events.recording import Recording, Triggers

_HEADER = struct.Struct("<hhiiiiii")
_EVENT = np.dtype([("data", "<u4"), ("t", "<i4")])
_SPECIAL, _POLARITY = 0, 1
_FALLS = (3, 7, 10, 13, 15, 17)  # types of special events with value 0
_TRIGGERS = (*range(2, 5), *range(6, 18))  # 5 is a row without a column
_EVENTS = 100_000  # in a block, at least

_SIZES = {"dvs128": (128, 128), "davis128": (128, 128), "davis208": (208, 192), "davis240": (240, 180), "davis346": (346, 260)}


def open_aedat3(path: Path, sensor_size: tuple[int, int] | None, *, source: int | None = None) -> Source:
    """A recording. `source`: the number of the camera to read, where there are several."""
    with path.open("rb") as file:
        lines = header_lines(file)
        start = file.tell()
    if not lines or not lines[0].startswith("#!AER-DAT3.1"):
        raise UserError(f"{lines[0][2:] if lines else 'what has no header'} is not read, only AER-DAT3.1")
    if lines[-1] != "#!END-HEADER":
        raise UserError("its header has no end: cut short or damaged")
    named = {int(found[1]): found[2].strip() for line in lines if (found := re.match(r"#Source (\d{1,5}):(.*)", line))}
    if source is not None and named and source not in named:
        raise UserError(f"no source {source}; there are {', '.join(f'{k} ({name})' for k, name in named.items())}")
    if source is None and len(named) > 1:
        told = ", ".join(f"{k} ({name})" for k, name in named.items())
        raise UserError(f"holds {len(named)} cameras, {told}; say which with source={min(named)}")
    camera = named.get(source) if source is not None else next(iter(named.values()), None)
    if sensor_size is None and camera is not None:
        sensor_size = next((size for name, size in _SIZES.items() if camera.lower().startswith(name)), None)

    def blocks() -> Iterator[Block]:
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        edges: list[tuple[np.ndarray, np.ndarray]] = []
        for kind, words, t, done in _packets(path, start, source):
            (parts if kind == _POLARITY else edges).append((words, t))
            if sum(len(t) for _, t in parts) >= _EVENTS:
                yield _block(parts, edges, done)
                parts, edges = [], []
        yield _block(parts, edges, 1.0)

    return Source(blocks, sensor_size, (path.stat().st_size - start) // _EVENT.itemsize, Recording(None, sensor=camera))


def _packets(path: Path, start: int, source: int | None) -> Iterator[tuple[int, np.ndarray, np.ndarray, float]]:
    """Kind, words [N] and times [N] of the valid events of each packet that is read, and the part of the file before its end."""
    size = path.stat().st_size
    skipped, cut = 0, False
    with path.open("rb") as file:
        file.seek(start)
        while not cut and (data := file.read(_HEADER.size)):
            if len(data) < _HEADER.size:
                cut = True
                break
            kind, camera, width, at, overflows, room, count, valid = _HEADER.unpack(data)
            if width <= 0 or overflows < 0 or not 0 <= valid <= count <= room or kind < 0:
                cut = True
                break
            end = file.tell() + room * width
            cut = end > size
            if kind not in (_SPECIAL, _POLARITY) or (source is not None and camera != source):
                skipped += source is None or camera == source
            elif (width, at) != (_EVENT.itemsize, 4):
                raise UserError(f"events of {width} bytes with their time at {at} are not known; AEDAT 3.1 has 8 and 4")
            else:
                body = file.read(min(count * width, size - file.tell()))
                events = np.frombuffer(body, _EVENT, len(body) // width)
                events = events[events["data"] & 1 == 1]
                yield kind, events["data"], events["t"].astype(np.int64) + (overflows << 31), min(end / size, 1.0)
            file.seek(min(end, size))
    if skipped:
        warnings.warn(f"{path}: {skipped} packets of frames or other samples were skipped", RecordingWarning, stacklevel=2)
    if cut:
        warnings.warn(f"{path}: cut short or damaged near its end", CutShortWarning, stacklevel=2)


def _block(parts: list[tuple[np.ndarray, np.ndarray]], edges: list[tuple[np.ndarray, np.ndarray]], done: float) -> Block:
    words, t = _joined(parts)
    columns = (t, (words >> 17).astype(np.int16), (words >> 2 & 0x7FFF).astype(np.int16), (words >> 1 & 1).astype(np.uint8))
    words, t = _joined(edges)
    kind = words >> 1 & 0x7F
    known = np.isin(kind, _TRIGGERS)
    return Block.of(columns, Triggers.make(t[known], kind[known], ~np.isin(kind[known], _FALLS)), done)


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    words = np.concatenate([words for words, _ in parts] or [np.empty(0, np.uint32)])
    return words, np.concatenate([t for _, t in parts] or [np.empty(0, np.int64)])


def _matches(path: Path, head: bytes) -> bool:
    return head.startswith(b"#!AER-DAT3.")


AEDAT3 = Format("aedat3", "AEDAT 3.1 of cAER and libcaer", (".aedat",), open_aedat3, _matches)
