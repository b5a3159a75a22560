"""What a recording file holds, and how it is sliced. Imports h5py: imported only where such a file is at hand.

A file is opened anew for each read: what refers to it is small, can be pickled, outlives a fork and needs no closing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.io import _hdf5 as hdf5
from mxsnn.events.io._source import Block, Source, check_block, named, source_of
from mxsnn.events.recording import Frames, Images, Label, Recording, Samples, Triggers
from mxsnn.events.stream import DTYPES, Events, check_sensor_size

SIGNATURE = "mxsnn recording"
VERSION = 1
EVERY = 2**15
"""Events from one entry of the index to the next, and in a chunk: what is read at least for a window."""

_PIECE = 2**20  # events
_UNFIT = "the index does not fit the times of the events; the file is damaged"
_UNKNOWN = np.iinfo(np.int64).min  # of a time in the table of labels
_TEXTS = ("subject", "session", "sensor")


@dataclass(frozen=True)
class File:
    """A file as it was when it was opened. Raises: UserError that names it, where it has changed since."""

    path: Path
    stamp: tuple[int, int]

    @classmethod
    def at(cls, path: Path) -> File:
        path = Path(os.path.abspath(path))
        return cls(path, _stamp(path))

    @contextmanager
    def opened(self) -> Iterator[h5py.File]:
        if _stamp(self.path) != self.stamp:
            raise UserError("has changed since it was opened; open it again")
        with hdf5.opened(self.path) as file:
            yield file


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, eq=False)
class FileEvents:
    """The events of a recording file. A window costs a search in `index` and the chunks that it reaches into.

    Attributes:
      index: int64 [ceil(N / every)], the times of events 0, every, 2 every, ..., us.

    Raises: UserError that names the file, where it is gone or damaged, its events go back or lie outside the sensor.
    """

    file: File
    sensor_size: tuple[int, int]
    index: np.ndarray
    every: int
    n: int

    def __len__(self) -> int:
        return self.n

    @property
    def span(self) -> tuple[int, int] | None:
        """Times of the first and the last event, us; None where there is none."""
        if not self.n:
            return None
        with named(self.file.path), self.file.opened() as file:
            last = int(_column(file, "t", slice(self.n - 1, self.n))[0])
            if last < self.index[-1]:
                raise UserError(_UNFIT)
            return int(self.index[0]), last

    def window(self, t0: int, t1: int) -> Events:
        """The events with t0 <= t < t1 (us), in memory. Raises: UserError where t1 lies before t0."""
        if t1 < t0:
            raise UserError(f"a window [t0, t1) needs t0 <= t1, got [{t0}, {t1})")
        # An event at t0 or later may lie in the part before the first that begins at t0 or later, and in no earlier one.
        first, last = (int(k) for k in np.searchsorted(self.index, (t0, t1)))
        start, stop = max(first - 1, 0) * self.every, min(last * self.every, self.n)
        if stop <= start:
            return self._events(_NOTHING)
        with named(self.file.path), self.file.opened() as file:
            t = _column(file, "t", slice(start, stop))
            if not np.array_equal(t[:: self.every], self.index[start // self.every : last]):
                raise UserError(_UNFIT)
            if (t[1:] < t[:-1]).any():
                k = int((t[1:] < t[:-1]).argmax()) + 1
                raise UserError(f"the times go back at event {start + k}: {t[k]} us after {t[k - 1]} us")
            lo, hi = (start + int(k) for k in np.searchsorted(t, (t0, t1)))
            block = Block.of((t[lo - start : hi - start], *(_column(file, name, slice(lo, hi)) for name in "xyp")))
            check_block(block, self.sensor_size, lo)
            return self._events(block)

    def pieces(self) -> Iterator[Events]:
        """The events in pieces that fit into memory."""
        with named(self.file.path):
            n, last = 0, int(np.iinfo(np.int64).min)
            for block in self.blocks():
                check_block(block, self.sensor_size, n, last)
                n, last = n + len(block.t), int(block.t[-1])
                yield self._events(block)

    def blocks(self) -> Iterator[Block]:
        """The events as they stand in the file, which errors do not name."""
        with self.file.opened() as file:
            for start in range(0, self.n, _PIECE):
                stop = min(start + _PIECE, self.n)
                yield Block.of((_column(file, name, slice(start, stop)) for name in DTYPES), None, stop / self.n)

    def _events(self, block: Block) -> Events:
        return Events(*block.columns, sensor_size=self.sensor_size)


_NOTHING = Block.of(np.empty(0, dtype) for dtype in DTYPES.values())


@dataclass(frozen=True, eq=False)
class FileImages:
    """Images [N, H, W] or [N, H, W, 3] of an HDF5 file, read when they are indexed.

    `name`: of the data set that holds them, or of N data sets with one each.

    Raises: UserError that names the file, where it is gone or damaged.
    """

    file: File
    name: str | tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        """As NumPy indexes; what stands for the first axis says which images are read."""
        first, *rest = index if isinstance(index, tuple) else (index,)
        chosen = np.arange(len(self))[first]
        images = np.empty((*np.shape(chosen), *self.shape[1:]), self.dtype)
        with named(self.file.path), self.file.opened() as file:
            stored = None if isinstance(self.name, tuple) else _readable(file[self.name])
            for k in np.ndindex(np.shape(chosen)):
                number = int(np.asarray(chosen)[k])
                images[k] = stored[number] if stored is not None else _readable(file[self.name[number]])[()]
        return images[(slice(None),) * np.ndim(chosen) + tuple(rest)] if rest else images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


def _readable(stored: h5py.Dataset) -> h5py.Dataset:
    hdf5.readable(stored)  # in a worker process the codecs are not there yet
    return stored


def open_recording_file(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """See `mxsnn.events.io.recording_file`."""
    file = File.at(path)
    with file.opened() as root:
        version = hdf5.attribute(root, "version")
        if hdf5.attribute(root, "format") != SIGNATURE:
            raise UserError(f"is no recording file: its attribute format is not {SIGNATURE!r}")
        if version != VERSION:
            newer = isinstance(version, int) and version > VERSION
            todo = "a newer mxsnn reads it" if newer else "the file is damaged"
            raise UserError(f"version of the recording file is {version!r}, this mxsnn reads {VERSION}; {todo}")
        texts = {name: _typed(hdf5.attribute(root, name), str, name) for name in _TEXTS}
        recording = Recording(
            events=_read_events(root, file, sensor_size),
            triggers=_read_triggers(root),
            frames={name: _read_frames(root, file, f"frames/{name}") for name in _names(root, "frames")},
            samples={name: _read_samples(root, f"samples/{name}") for name in _names(root, "samples")},
            labels=_read_labels(root),
            lux=_typed(hdf5.attribute(root, "lux"), float, "lux"),
            conditions=hdf5.attributes(hdf5.group(root, "conditions")) if hdf5.find(root, "conditions") is not None else {},
            **texts,
        )
    source = source_of(recording)

    def blocks() -> Iterator[Block]:
        yield _NOTHING._replace(triggers=recording.triggers, done=0.0)
        if isinstance(recording.events, FileEvents):
            yield from recording.events.blocks()

    return Source(blocks, source.sensor_size, source.at_most, source.recording, whole=recording)


def write_recording_file(path: Path, source: Source, codec: hdf5.Codec | str) -> None:
    """See `mxsnn.events.io.recording_file`."""
    recording = source.recording
    options = hdf5.codec_options(codec)
    triggers = [recording.triggers]
    with hdf5.created(path) as root:
        hdf5.set_attribute(root, "format", SIGNATURE)
        hdf5.set_attribute(root, "version", VERSION)
        for name in (*_TEXTS, "lux"):
            if getattr(recording, name) is not None:
                hdf5.set_attribute(root, name, getattr(recording, name))
        conditions = root.create_group("conditions")
        for name, value in sorted(recording.conditions.items()):
            if not hdf5.encode("the name of a condition", name):
                raise UserError(f"a condition needs a name; {value!r} has none")
            hdf5.set_attribute(conditions, name, value)
        events = None
        if source.sensor_size is not None:
            group = root.create_group("events")
            group.attrs["width"], group.attrs["height"] = source.sensor_size
            group.attrs["every"] = EVERY
            events = hdf5.Growing(group, DTYPES, EVERY, options)
        index = []
        for block in source.blocks():
            if block.triggers is not None:
                triggers.append(block.triggers)
            if events is not None and len(block.t):
                index.append(block.t[-len(events) % EVERY :: EVERY].copy())
                events.append(**dict(zip(DTYPES, block.columns, strict=True)))
        if events is not None:
            events.finish()
            root["events/index"] = np.concatenate([*index, np.empty(0, np.int64)])
        joined = Triggers.make(*(np.concatenate([getattr(part, name) for part in triggers]) for name in ("t", "id", "value")))
        for name in ("t", "id", "value"):
            _write(root, f"triggers/{name}", getattr(joined, name), options)
        for name, frames in sorted(recording.frames.items()):
            group = root.create_group(f"frames/{_member(name)}")
            for column in ("t", "start", "end"):
                _write(group, column, getattr(frames, column), options)
            _write_images(group, frames.images, options)
        for name, samples in sorted(recording.samples.items()):
            group = root.create_group(f"samples/{_member(name)}")
            _write(group, "t", np.asarray(samples.t, np.int64), options)
            _write(group, "values", np.asarray(samples.values, np.float32), options)
            group["names"] = _texts("a column of samples", samples.names)
        root["labels"] = _label_table(recording.labels)
    open_recording_file(path, None)  # nothing is written that cannot be opened


def _read_events(root: h5py.File, file: File, sensor_size: tuple[int, int] | None) -> FileEvents | None:
    if hdf5.find(root, "events") is None:
        return None
    group = hdf5.group(root, "events")
    columns = {name: hdf5.dataset(group, name, dtype.kind) for name, dtype in DTYPES.items()}
    for name, dtype in DTYPES.items():
        if columns[name].dtype.itemsize != dtype.itemsize:
            raise UserError(f"events/{name} is {dtype}; got {columns[name].dtype}")
    n = hdf5.same_length(**columns)
    stated = tuple(_typed(hdf5.attribute(group, side), int, f"events: {side}") for side in ("width", "height"))
    if n or stated != (0, 0):  # a stream without any event need not have a sensor
        stated = check_sensor_size(stated)
    every = _typed(hdf5.attribute(group, "every"), int, "events: every")
    if every is None or every < 1:
        raise UserError(f"events: every is a number of events of at least 1, got {every!r}")
    stored = hdf5.dataset(group, "index")
    if len(stored) != -(-n // every):
        raise UserError(f"events/index has {len(stored)} entries, one for each {every} of {n} events are {-(-n // every)}")
    index = stored[:].astype(np.int64)
    if (index[1:] < index[:-1]).any():
        raise UserError(f"events/index goes back at entry {int((index[1:] < index[:-1]).argmax()) + 1}; the file is damaged")
    return FileEvents(file, sensor_size or stated, index, every, n)


def _column(file: h5py.File, name: str, rows: slice) -> np.ndarray:
    values = _readable(file[f"events/{name}"])[rows].astype(DTYPES[name], copy=False)
    if name == "p" and len(values) and values.max() > 1:
        k = int((values > 1).argmax())
        raise UserError(f"a polarity is 0 or 1; got {values[k]} at event {rows.start + k}")
    return values


def _read_triggers(root: h5py.File) -> Triggers:
    if hdf5.find(root, "triggers") is None:
        return Triggers.make()
    return Triggers.make(*(hdf5.dataset(root, f"triggers/{name}")[:] for name in ("t", "id", "value")))


def _read_frames(root: h5py.File, file: File, name: str) -> Frames:
    found = hdf5.find(root, f"{name}/images")
    ndim = found.ndim if found is not None and hasattr(found, "ndim") else 3
    stored = hdf5.dataset(root, f"{name}/images", "u", 4 if ndim == 4 else 3)
    images = FileImages(file, f"{name}/images", stored.shape, stored.dtype.newbyteorder("="))
    try:
        return Frames.make(images, *(hdf5.dataset(root, f"{name}/{column}")[:] for column in ("t", "start", "end")))
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _read_samples(root: h5py.File, name: str) -> Samples:
    t = hdf5.dataset(root, f"{name}/t")[:].astype(np.int64)
    values = hdf5.dataset(root, f"{name}/values", "f", 2)[:].astype(np.float32)
    names = tuple(hdf5.text(value) for value in hdf5.dataset(root, f"{name}/names", "S")[:].tolist())
    if values.shape != (len(t), len(names)):
        raise UserError(f"{name}: {len(t)} times and {len(names)} names do not fit values of shape {values.shape}")
    if (t[1:] < t[:-1]).any():
        raise UserError(f"{name}: the times go back at sample {int((t[1:] < t[:-1]).argmax()) + 1}")
    return Samples(t, values, names)


def _read_labels(root: h5py.File) -> tuple[Label, ...]:
    if hdf5.find(root, "labels") is None:
        return ()
    table = hdf5.dataset(root, "labels", "V")
    expected = _label_table(()).dtype
    kinds = {name: table.dtype[name].kind for name in table.dtype.names or ()}
    if kinds != {name: expected[name].kind for name in expected.names or ()}:
        raise UserError(f"labels is a table of {', '.join(expected.names or ())}; got {table.dtype}")
    labels = []
    for name, kind, onset, apex, offset, intensity, side in table[:].tolist():
        onset, apex, offset = (None if time == _UNKNOWN else time for time in (onset, apex, offset))
        known = None if np.isnan(intensity) else intensity
        labels.append(Label(hdf5.text(name), hdf5.text(kind), onset, apex, offset, known, hdf5.text(side)))
    return tuple(labels)


def _label_table(labels: tuple[Label, ...]) -> np.ndarray:
    """A row a label; a time that is not known is the smallest int64, an intensity NaN."""
    texts = {name: _texts(name, [getattr(label, name) for label in labels]) for name in ("name", "kind", "side")}
    order = ("name", "kind", "onset", "apex", "offset", "intensity", "side")
    types: dict[str, Any] = {name: array.dtype for name, array in texts.items()}
    types |= dict.fromkeys(("onset", "apex", "offset"), np.dtype(np.int64)) | {"intensity": np.dtype(np.float64)}
    table = np.empty(len(labels), [(name, types[name]) for name in order])
    for name, array in texts.items():
        table[name] = array
    for name in ("onset", "apex", "offset"):
        times = [getattr(label, name) for label in labels]
        if _UNKNOWN in times:
            raise UserError(f"{name} of a label cannot be {_UNKNOWN}, which stands for a time that is not known")
        table[name] = [_UNKNOWN if time is None else time for time in times]
    table["intensity"] = [np.nan if label.intensity is None else label.intensity for label in labels]
    return table


def _texts(what: str, values: Any) -> np.ndarray:
    """Text of a fixed length [N]."""
    encoded = [hdf5.encode(what, value) for value in values]
    return np.array(encoded, h5py.string_dtype("utf-8", max(map(len, encoded), default=1) or 1))


def _names(root: h5py.File, name: str) -> list[str]:
    return [] if hdf5.find(root, name) is None else list(hdf5.group(root, name))


def _member(name: str) -> str:
    hdf5.encode("the name of a stream", name)
    if name in ("", ".") or "/" in name:
        raise UserError(f"{name!r} cannot be the name of a stream: it has at least a letter and no slash")
    return name


def _typed(value: Any, kind: type, what: str) -> Any:
    """The value, or None; an integer is a float too."""
    if value is not None and not isinstance(value, (kind, int) if kind is float else kind):
        raise UserError(f"{what} is {'text' if kind is str else 'a number'}; got {value!r}")
    return float(value) if kind is float and value is not None else value


def _write(group: h5py.Group, name: str, values: np.ndarray, options: Mapping[str, Any]) -> None:
    compressed = values.size > 0  # HDF5 has no chunks of size 0
    group.create_dataset(name, data=values, **({"chunks": True, **options} if compressed else {}))


def _write_images(group: h5py.Group, images: Images, options: Mapping[str, Any]) -> None:
    one = tuple(images.shape[1:])
    chunked = {"chunks": (1, *one), **options} if len(images) and all(one) else {}
    stored = group.create_dataset("images", images.shape, images.dtype, **chunked)
    if not chunked:
        return
    step = max(1, 2**24 // int(np.prod(one)))  # so many images at a time as some 16 MB
    for start in range(0, len(images), step):
        stored[start : start + step] = np.asarray(images[start : start + step])
