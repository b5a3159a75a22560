"""AEDAT 4 of iniVation's DV: events, frames with their exposures, inertial samples and triggers, read through `aedat`.

Frames come as "grey" or "rgb"; where a file has several streams of one kind, as "grey_3" with the stream's number. A
frame's time is the middle of its exposure. Inertial samples are "imu". A trigger's `id` is DV's code for its source:
1, 2 external edge up and down; 3 external pulse; 4, 5 generator edge up and down; 6, 7 begin and end of a frame's readout;
8, 9 begin and end of its exposure; 0 clock reset. `value` is 1 for edges up, begins and pulses, 0 for the others.
Times are us since 1970. https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mxsnn.errors import CutShortWarning, RecordingWarning, UserError
from mxsnn.events.images import InOrder
from mxsnn.events.io._source import Block, Format, Source, named
from mxsnn.events.recording import Frames, Recording, Samples, Triggers
from mxsnn.events.stream import DTYPES

_SIGNATURE = b"#!AER-DAT4.0\r\n"
_LARGEST_HEADER = 2**24  # bytes; those of DV have a few thousand
_RISES = (1, 3, 4, 6, 8)  # codes of triggers with value 1
_EVENTS = 100_000  # in a block, at least
_FORMATS = {"L": ("grey", np.uint8), "I;16": ("grey", np.uint16), "RGB": ("rgb", np.uint8), "RGBA": ("rgb", np.uint8)}

_IMU = {
    "temperature": "C",
    **{f"accelerometer_{axis}": "g" for axis in "xyz"},
    **{f"gyroscope_{axis}": "deg/s" for axis in "xyz"},
    **{f"magnetometer_{axis}": "uT" for axis in "xyz"},
}


def open_aedat4(path: Path, sensor_size: tuple[int, int] | None, *, stream: int | None = None) -> Source:
    """A recording; frames and inertial samples are looked for when they are first asked for.

    `stream`: the number of the stream of events to read, where there are several.
    """
    header, body = _header(path)
    decoder = _decoder(path)
    streams = decoder.id_to_stream()
    cameras = sorted(id for id, about in streams.items() if about["type"] == "events")
    if stream is not None and stream not in cameras:
        raise UserError(f"no stream {stream} of events; there are {cameras}")
    if stream is None and len(cameras) > 1:
        raise UserError(f"holds {len(cameras)} streams of events, {cameras}; say which with stream={cameras[0]}")
    chosen = stream if stream is not None else cameras[0] if cameras else None
    if sensor_size is None and chosen is not None and streams[chosen]["width"] and streams[chosen]["height"]:
        sensor_size = (streams[chosen]["width"], streams[chosen]["height"])
    kinds = {about["type"] for about in streams.values()}
    other = _Late(partial(_scan, path)) if kinds & {"frame", "imus"} else {"frames": {}, "samples": {}}
    source = re.search(rb'key="source"[^>]*>([^<]*)<', header)
    recording = Recording(
        None,
        frames=_Late(partial(_part, other, "frames")) if "frame" in kinds else {},
        samples=_Late(partial(_part, other, "samples")) if "imus" in kinds else {},
        sensor=source[1].decode(errors="replace") if source else None,
    )
    return Source(partial(_blocks, path, body, chosen), sensor_size, recording=recording)


def _blocks(path: Path, body: tuple[int, int | None], chosen: int | None) -> Iterator[Block]:
    events: list[np.ndarray] = []
    triggers: list[np.ndarray] = []
    for packet, done in _packets(path, body, told=True):
        if packet["stream_id"] == chosen:
            events.append(packet["events"])
        elif "triggers" in packet:
            triggers.append(packet["triggers"])
        if sum(map(len, events)) >= _EVENTS:
            yield _block(events, triggers, done)
            events, triggers = [], []
    yield _block(events, triggers, 1.0)


def _block(events: list[np.ndarray], triggers: list[np.ndarray], done: float) -> Block:
    columns = (np.concatenate([e[name].astype(dtype) for e in events] or [np.empty(0, dtype)]) for name, dtype in _FIELDS.items())
    t = np.concatenate([part["t"] for part in triggers] or [np.empty(0)])
    source = np.concatenate([part["source"] for part in triggers] or [np.empty(0)])
    return Block.of(columns, Triggers.make(t.astype(np.int64), source, np.isin(source, _RISES)) if len(t) else None, done)


_FIELDS = {"t": DTYPES["t"], "x": DTYPES["x"], "y": DTYPES["y"], "on": DTYPES["p"]}


def _scan(path: Path) -> dict[str, Mapping[str, Any]]:
    """All frames, their images left in the file, and all samples of a file."""
    with named(path):
        return _scanned(path)


def _scanned(path: Path) -> dict[str, Mapping[str, Any]]:
    times: dict[int, list[tuple[int, int, int]]] = {}
    kept: dict[int, list[int]] = {}
    kinds: dict[int, tuple[str, tuple[int, ...], Any]] = {}
    seen: dict[int, int] = {}
    odd = 0
    imus: dict[int, list[np.ndarray]] = {}
    streams = _decoder(path).id_to_stream()
    for packet, _ in _packets(path, _header(path)[1], told=False):
        id = packet["stream_id"]
        if "imus" in packet:
            imus.setdefault(id, []).append(packet["imus"])
        elif "frame" in packet:
            frame = packet["frame"]
            number = seen[id] = seen.get(id, -1) + 1
            stated = streams[id]["width"] * streams[id]["height"]
            if frame["format"] not in _FORMATS or (stated and frame["width"] * frame["height"] > stated):
                odd += 1
                continue
            name, dtype = _FORMATS[frame["format"]]
            kind = (name, frame["pixels"].shape[:2] + ((3,) if name == "rgb" else ()), dtype)
            time = _exposure(frame)
            if kinds.setdefault(id, kind) != kind or (times.get(id) and time[0] < times[id][-1][0]):
                odd += 1
                continue
            times.setdefault(id, []).append(time)
            kept.setdefault(id, []).append(number)
    if odd:
        told = f"{path}: {odd} frames of another size, format or out of order were left out"
        warnings.warn(told, RecordingWarning, stacklevel=2)
    names = [name for name, _, _ in kinds.values()]
    frames = {}
    for id, (name, shape, dtype) in sorted(kinds.items()):
        images = InOrder(path, partial(_pixels, path, id), np.array(kept[id]), shape, dtype)
        t, start, end = np.array(times[id], np.int64).T
        frames[name if names.count(name) == 1 else f"{name}_{id}"] = Frames.make(images, t, start, end)
    samples = {}
    for id, parts in sorted(imus.items()):
        joined = np.concatenate(parts)
        joined = joined[np.argsort(joined["t"], kind="stable")]
        values = np.stack([joined[name].astype(np.float32) for name in _IMU], axis=1)
        labels = tuple(f"{name} [{unit}]" for name, unit in _IMU.items())
        samples["imu" if len(imus) == 1 else f"imu_{id}"] = Samples(joined["t"].astype(np.int64), values, labels)
    return {"frames": frames, "samples": samples}


def _exposure(frame: dict[str, Any]) -> tuple[int, int, int]:
    """t, start and end of a frame; where it has no exposure (DV then writes -1), all are its time."""
    t, start, end = (_signed(frame[name]) for name in ("t", "exposure_begin_t", "exposure_end_t"))
    return (start + (end - start) // 2, start, end) if 0 < start <= end else (t, t, t)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


class _Late(Mapping[str, Any]):
    """A mapping that is made when it is first looked into. It is pickled as a plain one."""

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Mapping[str, Any]:
        return self._make()

    def __getitem__(self, name: str) -> Any:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self._made),)


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return whole[name]


def _pixels(path: Path, stream: int) -> Iterator[np.ndarray]:
    """All images of a stream."""
    with named(path):
        for packet, _ in _packets(path, _header(path)[1], told=False):
            if packet["stream_id"] == stream and "frame" in packet:
                pixels = packet["frame"]["pixels"]
                yield pixels[..., :3] if pixels.ndim == 3 else pixels


def _packets(path: Path, body: tuple[int, int | None], told: bool) -> Iterator[tuple[dict[str, Any], float]]:
    """The packets up to the end, or to the first damage, of which a warning tells; each with the part of the file that is read.

    `body`: the bytes of the file between which they lie; the end is None where the header does not state it.
    """
    decoder = _decoder(path)
    position, stated = body
    size = path.stat().st_size
    end = size if stated is None else min(stated, size)
    n = odd = 0
    said: list[warnings.WarningMessage] = []
    whole = stated is None or stated <= size
    with path.open("rb") as file:
        while position < end:
            # The decoder reserves what a packet claims to fill and ends the program where there is no such memory.
            position = _after(file, position)
            whole = whole and position <= end
            if position > end:
                break
            try:
                with warnings.catch_warnings(record=True) as said:
                    warnings.simplefilter("always")
                    packet = next(decoder, None)
            except BaseException as error:
                if not _of_the_decoder(error):
                    raise
                packet, whole = None, False
            for _ in said:  # a frame of a format that it does not know: it has gone on to the next packet
                position = _after(file, position)
            odd += len(said)
            if packet is None:
                break
            n += 1
            yield packet, position / size
    if told and not whole:
        warnings.warn(f"{path}: cut short or damaged after {n} packets", CutShortWarning, stacklevel=2)
    if told and odd:
        warnings.warn(f"{path}: {odd} frames of an unknown format were left out", RecordingWarning, stacklevel=2)


def _after(file: BinaryIO, position: int) -> int:
    """Where the packet ends, by what it says, that begins at `position`."""
    file.seek(position)
    return position + 8 + int.from_bytes(file.read(8)[4:], "little")


def _decoder(path: Path) -> Any:
    import aedat

    try:
        return aedat.Decoder(str(path))
    except BaseException as error:
        if not _of_the_decoder(error):
            raise
        raise UserError(f"its header is damaged ({' '.join(str(error).split())})") from error


def _of_the_decoder(error: BaseException) -> bool:
    """Whether the decoder met damage. Its panics are no `Exception`."""
    return isinstance(error, (RuntimeError, ValueError)) or type(error).__name__ == "PanicException"


def _header(path: Path) -> tuple[bytes, tuple[int, int | None]]:
    """The description of the streams (XML), and the bytes between which packets lie: the end is None where it is not stated.

    The decoder trusts the header and ends the whole program where that is wrong; so it is checked here. It is a table
    of compression (0), position of the table at the end (1) and description (2).
    """
    with path.open("rb") as file:
        start = file.read(len(_SIGNATURE) + 4)
        length = int.from_bytes(start[len(_SIGNATURE) :], "little")
        if not start.startswith(_SIGNATURE) or len(start) < len(_SIGNATURE) + 4:
            raise UserError("no header of AEDAT 4 in it: cut short, or another format")
        data = file.read(min(length, _LARGEST_HEADER))
    if len(data) < length:
        raise UserError("its header is cut short or damaged")
    try:
        root = _number(data, "<I", 0)
        table = root - _number(data, "<i", root)
        entries = _number(data, "<H", table)
        _number(data, "<H", root), _number(data, "<H", table + entries - 2)
        fields = [_number(data, "<H", table + 4 + 2 * k) if 4 + 2 * k < entries else 0 for k in range(3)]
        if fields[0] and _number(data, "<i", root + fields[0]) not in range(5):
            raise ValueError("unknown compression")
        last = _number(data, "<q", root + fields[1]) if fields[1] else -1
        text = root + fields[2]
        text += _number(data, "<I", text)
        description = data[text + 4 : text + 4 + _number(data, "<I", text)]
        if not fields[2] or len(description) != _number(data, "<I", text):
            raise ValueError("no description")
        description.decode()
    except (struct.error, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise UserError("its header is damaged") from error
    first = len(start) + length
    return description, (first, last if last >= first else None)


def _number(data: bytes, kind: str, at: int) -> int:
    if at < 0:  # which struct would count from the end
        raise ValueError("outside")
    return struct.unpack_from(kind, data, at)[0]


def _matches(path: Path, head: bytes) -> bool:
    return head.startswith(_SIGNATURE)


AEDAT4 = Format("aedat4", "AEDAT 4 of iniVation's DV", (".aedat4", ".aedat"), open_aedat4, _matches)
