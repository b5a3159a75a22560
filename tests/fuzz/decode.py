"""What must hold of a damaged file: it is read as a valid stream, or refused in one line that names it."""

from __future__ import annotations

import inspect
import itertools
import os
import random
import re
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import FORMATS, Events, Frames, Recording, Samples, open_recording, read, stream, windows
from mxsnn.events.io.files import join
from mxsnn.events.stream import DTYPES
from mxsnn.events.summary import summary

# What readers may be told, where they take an option of that name.
OPTIONS: dict[str, list[Any]] = {
    "columns": ["txyp", "xytp", "ptyx"],
    "layout": ["TCHW", "THWC"],
    "time_unit": ["s", "ms", "us", "ns"],
    "stream": [0, 1, 7],
}


class Finding(Exception):
    """What must not be."""


def decode(path: Path, name: str, draw: random.Random, whole: Events | None, length: int | None) -> str:
    """ "valid" or "refused", by one of the ways to read. Raises: Finding, or whatever the reader raises that it must not.

    `whole`: the events of the file before it was cut to `length` bytes, where that is all its damage.
    """
    options: dict[str, Any] = {}
    if whole is None and name in FORMATS:
        options["sensor_size"] = draw.choice([None, None, None, (1280, 720), (20, 20)])
        options["repair"] = draw.random() < 0.3
        takes = [key for key in inspect.signature(FORMATS[name].open).parameters if key in OPTIONS]
        if takes and draw.random() < 0.2:
            key = draw.choice(takes)
            options[key] = draw.choice(OPTIONS[key])
        if draw.random() < 0.5:  # otherwise by its signature, as which it may be another format now
            options["format"] = name
    way = BESIDE[name] if name in BESIDE else draw.choice(WAYS) if whole is None else _read
    seen = len(_LEFT)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome = way(path, options)
        except UserError as error:
            said = str(error)
            if str(path) not in said:
                raise Finding(f"the error does not name the file: {said}") from error
            if "\n" in said or "\r" in said or len(said) > 2000 + 2 * len(str(path)):
                raise Finding(f"the error is no line: {said!r:.3000}") from error
            outcome = None
    for one in caught:
        if not issubclass(one.category, (RecordingWarning, ResourceWarning)) and "/PIL/" not in one.filename:
            raise Finding(f"warns {one.category.__name__}: {one.message} ({one.filename}:{one.lineno})")
        unnamed = name in FORMATS and str(path) not in str(one.message)
        if issubclass(one.category, RecordingWarning) and ("\n" in str(one.message) or unnamed):
            raise Finding(f"the warning is no line that names the file: {one.message!s:.500}")
    if len(_LEFT) > seen:
        raise Finding(f"opens a file outside: {_LEFT[seen:]}")
    if outcome is None:
        return "refused"
    if whole is not None and length is not None:
        _prefix(path, name, outcome, whole, any(issubclass(one.category, RecordingWarning) for one in caught))
    return "valid"


# Ways to read


def _read(path: Path, options: dict[str, Any]) -> Events | np.ndarray:
    found = read(path, **options)
    if isinstance(found, Events):
        valid(found)
    elif found.ndim != 4 or found.shape[3] != 2:
        raise Finding(f"ready frames of shape {found.shape}")
    return found


def _stream(path: Path, options: dict[str, Any]) -> Any:
    pieces = []
    last = None
    for piece in stream(path, **options):
        valid(piece)
        if last is not None and piece.t[0] < last:
            raise Finding("a piece begins before the last one ends")
        last = piece.t[-1]
        pieces.append(piece)
    if pieces and not options["repair"]:  # which can do more with the whole than with a stream
        whole = read(path, **options)
        if join(pieces) != whole:
            raise Finding("the pieces are not the whole")
    return pieces


def _windows(path: Path, options: dict[str, Any]) -> Any:
    n = 0
    for window in itertools.islice(windows(stream(path, **options), 7_000), 300):
        valid(window)
        if len(window) and window.t[-1] - window.t[0] >= 7_000:
            raise Finding("a window is too long")
        n += len(window)
    return n


def _open(path: Path, options: dict[str, Any]) -> Recording:
    """Opened, and all that is read when it is asked for."""
    recording = open_recording(path, **options)
    events = recording.events
    if events is not None:
        for piece in events.pieces():
            valid(piece)
        if events.span is not None:
            t0, t1 = events.span
            for a, b in ((t0, t1 + 1), ((t0 + t1) // 2, t1), (t1, t1), (t0 - 5, t0)):
                window = events.window(a, b)
                valid(window)
                if len(window) and not a <= window.t[0] <= window.t[-1] < b:
                    raise Finding(f"window [{a}, {b}) has events from {window.t[0]} to {window.t[-1]}")
    if (np.diff(recording.triggers.t) < 0).any():
        raise Finding("the triggers are not in order")
    for frames in recording.frames.values():
        if (np.diff(frames.t) < 0).any() or (frames.end < frames.start).any() or len(frames.images) != len(frames.t):
            raise Finding("frames whose times are wrong")
        for k in {0, len(frames) // 2, len(frames) - 1} if len(frames) else ():
            _image(frames, k)
        if np.asarray(frames.images[: min(len(frames), 2)]).shape[1:] != tuple(frames.images.shape[1:]):
            raise Finding("a slice of images has another shape")
    for samples in recording.samples.values():
        _samples(samples)
    for label in recording.labels:
        if not isinstance(label.name, str):
            raise Finding(f"a label named {label.name!r}")
    if events is not None and events.span is not None:
        recording.window(events.span[0], events.span[1])
    return recording


def _summary(path: Path, options: dict[str, Any]) -> Any:
    import json

    return json.dumps(summary(path, **options), allow_nan=False)


WAYS: list[Callable[[Path, dict[str, Any]], Any]] = [_read, _read, _stream, _open, _open, _summary, _windows]


# What lies beside recordings: indices, tables, boxes, frames


def _index(path: Path, options: dict[str, Any]) -> Any:
    """A folder of recordings with an index, which must not name what lies outside."""
    from mxsnn.data.datasets.recordings import recordings

    return _all_of(path, recordings(path, "au"))


def _frame_set(path: Path, options: dict[str, Any]) -> Any:
    from mxsnn.data.datasets.frame_sets import frame_set

    return _all_of(path, frame_set(path, fps=50))


def _all_of(path: Path, found: Any) -> Any:
    if not len(found.labels) == len(found.identities) == len(found.test) or found.labels.max() >= len(found.classes):
        raise Finding("labels that do not fit the recordings")
    for k in range(len(found.labels)):
        recording = found.source(k)
        for frames in recording.frames.values():
            np.asarray(frames.images[:1])
    return found


def _clips(path: Path, options: dict[str, Any]) -> Any:
    from mxsnn.data.clips import by_table, check, cut
    from mxsnn.events import Frames

    events = Events.make(np.arange(0, 10**7, 9999), np.zeros(1001), np.zeros(1001), np.zeros(1001), (4, 3))
    recording = Recording(events, frames={"rgb": Frames.make(np.zeros((200, 3, 4), np.uint8), t=np.arange(200) * 50_000)})
    clips = by_table(path, recording, "session")
    check(recording, clips)
    for clip in clips:
        part = cut(recording, clip)
        if Path(clip.name).name != clip.name or clip.name in ("", ".", ".."):
            raise Finding(f"a clip named {clip.name!r}")
        if part.events is None or part.events.span is None:
            continue
        valid(part.events.window(*part.events.span))
    return clips


def _openface(path: Path, options: dict[str, Any]) -> Any:
    from mxsnn.data.datasets.openface import read_openface

    samples, labels = read_openface(path)
    _samples(samples)
    return labels


def _boxes(path: Path, options: dict[str, Any]) -> Any:
    from mxsnn.data.datasets.boxes import read_boxes

    boxes = read_boxes(path)
    if (np.diff(boxes.t) < 0).any():
        raise Finding("boxes that are not in order")
    return boxes


def _frames(path: Path, options: dict[str, Any]) -> Any:
    from mxsnn.events.images import read_frames

    frames = read_frames(path, fps=25)
    _image(frames, len(frames) - 1)
    return frames


BESIDE = {way.__name__[1:]: way for way in (_index, _frame_set, _clips, _openface, _boxes, _frames)}
"""Readers that are no formats of recordings, by the names of their seeds (`tests.fuzz.seeds.BESIDE`)."""


# What is valid


def valid(events: Events) -> None:
    """Types, lengths, order, sensor and polarity of a stream."""
    for field, dtype in DTYPES.items():
        array = getattr(events, field)
        if array.dtype != dtype or array.shape != events.t.shape:
            raise Finding(f"{field} is {array.dtype} {array.shape}")
    if not len(events):
        return
    if (events.t[1:] < events.t[:-1]).any():
        raise Finding("the times go back")
    width, height = events.sensor_size
    if not (events.x.min() >= 0 and events.x.max() < width and events.y.min() >= 0 and events.y.max() < height):
        raise Finding(f"an event lies outside the sensor of {width}x{height}")
    if events.p.max() > 1:
        raise Finding(f"a polarity of {events.p.max()}")


def _image(frames: Frames, k: int) -> None:
    image = np.asarray(frames.images[k])
    if image.shape != tuple(frames.images.shape[1:]) or image.dtype not in (np.uint8, np.uint16):
        raise Finding(f"an image of shape {image.shape} and type {image.dtype}")


def _samples(samples: Samples) -> None:
    if samples.values.shape != (len(samples.t), len(samples.names)) or (np.diff(samples.t) < 0).any():
        raise Finding("samples whose times or values are wrong")


def _prefix(path: Path, name: str, found: Any, whole: Events, told: bool) -> None:
    """Of a file cut short every whole event before the cut comes out, and that it is cut is told where a word is."""
    if not isinstance(found, Events):
        return
    n = len(found)
    if name not in COUNTS:  # such as text, where the last number may be cut
        n = max(n - 1, 0)
    if n > len(whole) or any(not np.array_equal(getattr(found, field)[:n], getattr(whole, field)[:n]) for field in DTYPES):
        raise Finding("what is left of a file cut short is not how it began")
    if name == "text" and not zipfile.is_zipfile(path):
        lines = sum(bool(re.match(rb"-?[\d.]+[ ,]\d+[ ,]\d+[ ,]", line)) for line in path.read_bytes().split(b"\n")[:-1])
        if len(found) < lines:
            raise Finding(f"of a text cut short {len(found)} of {lines} whole lines come out")
    if name in COUNTS:
        expected, partial = COUNTS[name](path.read_bytes())
        if len(found) != expected:
            raise Finding(f"of a file cut short {len(found)} of {expected} whole events come out")
        if partial and not told:
            raise Finding("a file is cut within a word, and nothing says so")


def _words(data: bytes, start: int, dtype: str) -> tuple[np.ndarray, bool]:
    size = np.dtype(dtype).itemsize
    count = max(len(data) - start, 0) // size
    return np.frombuffer(data[start : start + count * size], dtype), len(data) > start + count * size


def _header(data: bytes) -> int:
    """The length of lines that begin with a per cent sign."""
    at = 0
    while data[at : at + 1] == b"%":
        end = data.find(b"\n", at)
        at = len(data) if end < 0 else end + 1
        if data[at - 6 : at] == b"% end\n":
            break
    return at


def _nmnist_count(data: bytes) -> tuple[int, bool]:
    words = np.frombuffer(data[: len(data) // 5 * 5], np.uint8).reshape(-1, 5)
    return int((words[:, 1] != 240).sum()), len(data) % 5 > 0


def _evt2_count(data: bytes) -> tuple[int, bool]:
    words, partial = _words(data, _header(data), "<u4")
    return int((words >> 28 < 2).sum()), partial


def _evt21_count(data: bytes) -> tuple[int, bool]:
    words, partial = _words(data, _header(data), "<u4")
    halves = words[: len(words) // 2 * 2].reshape(-1, 2)
    upper, lower = halves.T if b"legacy" in data[:200] else halves.T[::-1]
    return int(np.bitwise_count(lower[upper >> 28 < 2]).sum()), partial or len(words) % 2 > 0


def _evt3_count(data: bytes) -> tuple[int, bool]:
    words, partial = _words(data, _header(data), "<u2")
    kind = words >> 12
    vectors = np.bitwise_count(words[kind == 4] & 0xFFF).sum() + np.bitwise_count(words[kind == 5] & 0xFF).sum()
    return int((kind == 2).sum() + vectors), partial


def _dat_count(data: bytes) -> tuple[int, bool]:
    words, partial = _words(data, _header(data) + 2, "<u8")
    return len(words), partial


def _lines(data: bytes) -> int:
    """The length of lines that begin with "#" and end with a line feed."""
    at = 0
    while data[at : at + 1] == b"#" and (end := data.find(b"\n", at)) >= 0:
        at = end + 1
    return at


def _aedat2_count(data: bytes) -> tuple[int, bool]:
    if data[_lines(data) :][:1] == b"#":  # cut within the header
        return 0, False
    words, partial = _words(data, _lines(data), ">u8")
    address = (words >> np.uint64(32)).astype(np.int64)
    none = 1 << 31 | (1 << 15 if b"DVS128" in data[:200] else 1 << 10)
    return int((address & none == 0).sum()), partial


def _aedat3_count(data: bytes) -> tuple[int, bool]:
    at, events = _lines(data), 0
    while at < len(data):
        if len(data) < at + 28:
            return events, True
        kind, room = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 16 : at + 20], "little")
        there = min(room, (len(data) - at - 28) // 8)
        events += there if kind == 1 else 0
        if there < room:
            return events, True
        at += 28 + 8 * room
    return events, False


def _es_count(data: bytes) -> tuple[int, bool]:
    if len(data) < 20:
        return 0, False
    longer, events, at = 0xFE if data[15] == 1 else 0xFC, 0, 20
    while at < len(data):
        whole = data[at] < longer
        if whole and at + 5 > len(data):
            return events, True
        events += whole and not (data[15] == 2 and data[at] & 1)
        at += 5 if whole else 1
    return events, False


COUNTS: dict[str, Callable[[bytes], tuple[int, bool]]] = {
    "nmnist": _nmnist_count,
    "evt2": _evt2_count,
    "evt21": _evt21_count,
    "evt3": _evt3_count,
    "dat": _dat_count,
    "aedat2": _aedat2_count,
    "aedat3": _aedat3_count,
    "es": _es_count,
}
"""Formats of which a whole number of words can be decoded; (events, whether a word is cut) of a file, counted apart."""


# What is outside

_LEFT: list[str] = []


def watch(room: Path) -> None:
    """From now on files that are opened above or beside `room` and in places of the system are noted."""
    allowed = tuple(
        {str(room), sys.prefix, sys.base_prefix, "/proc/", "/dev/", "/sys/", "/usr/", "/lib", str(Path(__file__).parents[2])}
    )

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path = os.path.abspath(os.fsdecode(arguments[0]))
            if not path.startswith(allowed):
                _LEFT.append(path)

    sys.addaudithook(hook)
