"""How HDF5 files of other projects are laid out. Imports h5py: imported only where such a file is at hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.io import _hdf5 as hdf5
from mxsnn.events.io._recording_file import SIGNATURE, File, FileImages
from mxsnn.events.io._source import Block, Source, microseconds, named
from mxsnn.events.recording import Frames, Recording, Triggers
from mxsnn.events.stream import DTYPES, check_sensor_size

_BLOCK = 2**18  # events
_CHUNK = 2**15  # events, of what is written
_LATEST = 2**32 - 1  # us after the offset: DSEC's times are uint32

Rows = Callable[[slice], tuple[Any, Any, Any, Any]]
"""Values t (us), x, y, p of a range of events, of whatever types the file has."""


def layouts(path: Path) -> list[str]:
    """Which layouts the content of an HDF5 file fits. Raises: UserError that names it, if damaged or of none."""
    with named(path):
        return _layouts(File.at(path))


@lru_cache(maxsize=1)  # each of the formats asks in turn
def _layouts(at: File) -> list[str]:
    with at.opened() as file:
        if "format" in file.attrs and hdf5.attribute(file, "format") == SIGNATURE:
            return ["recording"]
        found = [name for name, fits in _FITS.items() if fits(file)]
        if not found:
            holds = ", ".join(sorted(file)[:8]) or "nothing"
            raise UserError(f"an HDF5 file of no known layout; it holds {holds}; known are recording, {', '.join(_FITS)}")
        return found


def _has(*names: str) -> Callable[[h5py.File], bool]:
    return lambda file: all(isinstance(hdf5.find(file, name), h5py.Dataset) for name in names)


_four = _has(*(f"events/{name}" for name in "xypt"))

_FITS: dict[str, Callable[[h5py.File], bool]] = {
    "prophesee-hdf5": _has("CD/events"),
    "dsec": lambda file: _four(file) and _has("ms_to_idx")(file),
    "rvt": lambda file: _four(file) and not _has("ms_to_idx")(file),
    "e2vid-hdf5": _has(*(f"events/{name}" for name in ("xs", "ys", "ts", "ps"))),
    "mvsec": lambda file: any(_has(f"davis/{camera}/events")(file) for camera in ("left", "right")),
    "v2e": _has("events"),
}


def prophesee(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    with hdf5.opened(path) as file:
        _table(file, "CD/events", "txyp")
        size = sensor_size or _geometry(file)
        sensor = hdf5.attribute(file, "plugin_name") or hdf5.attribute(file, "integrator_name")
        edges = Triggers.make()
        if hdf5.find(file, "EXT_TRIGGER/events") is not None:
            table = _table(file, "EXT_TRIGGER/events", ("t", "id", "p"))[:]
            edges = Triggers.make(table["t"], table["id"], table["p"])

    def rows(file: h5py.File) -> tuple[int, Rows]:
        table = _table(file, "CD/events", "txyp")

        def read(part: slice) -> tuple[Any, Any, Any, Any]:
            values = table[part]
            return values["t"], values["x"], values["y"], values["p"]

        return len(table), read

    return _source(path, size, rows, Recording(None, sensor=str(sensor) if sensor else None), edges)


def columns(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """DSEC and RVT."""

    def rows(file: h5py.File) -> tuple[int, Rows]:
        found = {name: hdf5.dataset(file, f"events/{name}", "biuf") for name in "txyp"}
        n = hdf5.same_length(**found)
        offset = hdf5.scalar(file, "t_offset") if hdf5.find(file, "t_offset") is not None else 0
        if not -(2**62) < offset < 2**62:
            raise UserError(f"t_offset of {offset} us is no time of a recording; the file is damaged")

        def read(part: slice) -> tuple[Any, Any, Any, Any]:
            t, x, y, p = (found[name][part] for name in "txyp")
            return _after(t, offset), x, y, p

        return n, read

    with hdf5.opened(path) as file:
        size = sensor_size or _stated(file)
    return _source(path, size, rows)


def e2vid(path: Path, sensor_size: tuple[int, int] | None, time_unit: str | None) -> Source:
    def rows(file: h5py.File) -> tuple[int, Rows]:
        found = {name: hdf5.dataset(file, f"events/{name}", "biuf") for name in ("ts", "xs", "ys", "ps")}
        n = hdf5.same_length(**found)

        def read(part: slice) -> tuple[Any, Any, Any, Any]:
            t, x, y, p = (column[part] for column in found.values())
            return microseconds(t, time_unit or "s"), x, y, p

        return n, read

    with hdf5.opened(path) as file:
        if time_unit is None and hdf5.dataset(file, "events/ts", "biuf").dtype.kind != "f":
            raise UserError("events/ts holds whole numbers, whose unit is not known; say it with time_unit='us' or 'ns'")
        stated = _resolution(file)
        frames = _single_images(path, file)
    return _source(path, sensor_size or stated, rows, Recording(None, frames=frames))


def mvsec(path: Path, sensor_size: tuple[int, int] | None, camera: str) -> Source:
    if camera not in ("left", "right"):
        raise UserError(f"camera is left or right, got {camera!r}")

    def rows(file: h5py.File) -> tuple[int, Rows]:
        table = hdf5.dataset(file, f"davis/{camera}/events", "f", 2)
        _four_columns(table)

        def read(part: slice) -> tuple[Any, Any, Any, Any]:
            x, y, t, p = table[part].T
            return microseconds(t, "s"), x, y, p

        return len(table), read

    with hdf5.opened(path) as file:
        frames = _images(path, file, f"davis/{camera}/image_raw", f"davis/{camera}/image_raw_ts", "s")
    return _source(path, sensor_size or _size(frames), rows, Recording(None, frames=frames))


def v2e(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    def rows(file: h5py.File) -> tuple[int, Rows]:
        table = hdf5.dataset(file, "events", "iuf", 2)
        _four_columns(table)

        def read(part: slice) -> tuple[Any, Any, Any, Any]:
            t, x, y, p = table[part].T
            return t, x, y, p

        return len(table), read

    with hdf5.opened(path) as file:
        frames = _images(path, file, "frame", "frame_ts", "us")
    return _source(path, sensor_size or _size(frames), rows, Recording(None, frames=frames))


def write_dsec(path: Path, source: Source, codec: hdf5.Codec | str) -> None:
    options = hdf5.codec_options(codec)
    with hdf5.created(path) as file:
        types = {"t": np.dtype(np.uint32), "x": np.dtype(np.uint16), "y": np.dtype(np.uint16), "p": DTYPES["p"]}
        events = hdf5.Growing(file.create_group("events"), types, _CHUNK, options)
        if source.sensor_size is not None:
            file.attrs["width"], file.attrs["height"] = source.sensor_size
        offset, milliseconds, first = 0, 0, []
        for block in source.blocks():
            if not len(block.t):
                continue
            offset = offset if len(events) else int(block.t[0])
            last = int(block.t[-1]) - offset
            if last > _LATEST:
                raise UserError(f"DSEC's times reach 71 minutes ({_LATEST} us), this recording lasts {last} us; cut it")
            t = block.t - offset
            until = last // 1000 + 1
            first.append(len(events) + np.searchsorted(t, np.arange(milliseconds, until) * 1000))
            milliseconds = until
            events.append(t=t.astype(np.uint32), x=block.x.astype(np.uint16), y=block.y.astype(np.uint16), p=block.p)
        events.finish()
        file["t_offset"] = np.int64(offset)
        file["ms_to_idx"] = np.concatenate([*first, np.empty(0, np.int64)]).astype(np.uint64)


def _source(
    path: Path,
    sensor_size: tuple[int, int] | None,
    rows: Callable[[h5py.File], tuple[int, Rows]],
    recording: Recording | None = None,
    triggers: Triggers | None = None,
) -> Source:
    """A source of what `rows` finds in the file: how many events, and how a range of them is read."""
    with hdf5.opened(path) as file:
        n, _ = rows(file)

    def blocks() -> Iterator[Block]:
        if triggers is not None and len(triggers):
            yield Block.of((np.empty(0, dtype) for dtype in DTYPES.values()), triggers, 0.0)
        with hdf5.opened(path) as file:
            n, read = rows(file)
            for start in range(0, n, _BLOCK):
                stop = min(start + _BLOCK, n)
                yield Block.make(*read(slice(start, stop)), done=stop / n)

    return Source(blocks, sensor_size, n, recording or Recording(None))


def _after(t: np.ndarray, offset: int) -> np.ndarray:
    """Times that are whole numbers, as int64 after the offset; others as they are, so that they are refused for what they are."""
    whole = t.dtype.kind == "i" or (t.dtype.kind == "u" and not (len(t) and t.max() >= 2**62))
    return t.astype(np.int64) + offset if whole else t


def _table(file: h5py.File, name: str, fields: str | tuple[str, ...]) -> h5py.Dataset:
    table = hdf5.dataset(file, name, "V")
    for field in fields:
        if field not in (table.dtype.names or ()) or table.dtype[field].kind not in "biu":
            raise UserError(f"{name} is a table of whole numbers {', '.join(fields)}; got {table.dtype}")
    return table


def _four_columns(table: h5py.Dataset) -> None:
    if table.shape[1] != 4:
        raise UserError(f"{table.name} has four columns, [N, 4]; got shape {table.shape}")


def _stated(file: h5py.File) -> tuple[int, int] | None:
    """The sensor, as attributes of the file or as data sets beside the events."""
    if {"width", "height"} <= set(file.attrs):
        return check_sensor_size([hdf5.attribute(file, side) for side in ("width", "height")])  # type: ignore[misc]
    if all(hdf5.find(file, f"events/{side}") is not None for side in ("width", "height")):
        return check_sensor_size([hdf5.scalar(file, f"events/{side}") for side in ("width", "height")])
    return None


def _resolution(file: h5py.File) -> tuple[int, int] | None:
    """The sensor, from the attribute sensor_resolution (height, width) of E2VID's files."""
    if "sensor_resolution" not in file.attrs:
        return None
    stored = file.attrs.get_id("sensor_resolution")
    if stored.dtype.kind not in "iuf" or stored.shape not in ((2,), (3,)):
        raise UserError(f"attribute sensor_resolution is (height, width); got shape {stored.shape} of {stored.dtype}")
    height, width = np.asarray(file.attrs["sensor_resolution"]).tolist()[:2]
    return check_sensor_size([int(side) if side == np.trunc(side) else side for side in (width, height)])


def _geometry(file: h5py.File) -> tuple[int, int] | None:
    """The sensor, from the attribute geometry ("1280x720") or format ("...;height=720;width=1280") of Prophesee's files."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", str(hdf5.attribute(file, "geometry")).strip())
    if found:
        return check_sensor_size((int(found[1]), int(found[2])))
    sides = [re.search(rf"{side}=(\d{{1,5}})\b", str(hdf5.attribute(file, "format"))) for side in ("width", "height")]
    return check_sensor_size([int(side[1]) for side in sides if side]) if all(sides) else None


def _images(path: Path, file: h5py.File, name: str, times: str, unit: str) -> dict[str, Frames]:
    """The images [N, H, W] of one data set, left in the file."""
    if hdf5.find(file, name) is None or hdf5.find(file, times) is None:
        return {}
    stored = hdf5.dataset(file, name, "u", 3)
    t = microseconds(hdf5.dataset(file, times, "iuf")[:], unit)
    return {"grey": Frames.make(FileImages(File.at(path), name, stored.shape, stored.dtype.newbyteorder("=")), _whole(t))}


def _single_images(path: Path, file: h5py.File) -> dict[str, Frames]:
    """The images of data sets `images/*` of one each, in the order of time, left in the file."""
    if hdf5.find(file, "images") is None:
        return {}
    names, times = [], []
    shape, dtype = None, None
    for name in sorted(hdf5.group(file, "images")):
        found = hdf5.find(file, f"images/{name}")
        ndim = found.ndim if isinstance(found, h5py.Dataset) else 2
        stored = hdf5.dataset(file, f"images/{name}", "u", 3 if ndim == 3 else 2)
        shape, dtype = shape or stored.shape, dtype or stored.dtype
        if (stored.shape, stored.dtype) != (shape, dtype):
            raise UserError(f"images/{name} is {stored.shape} of {stored.dtype}, those before are {shape} of {dtype}")
        time = hdf5.attribute(stored, "timestamp")
        if not isinstance(time, (int, float)):
            raise UserError(f"images/{name} has no attribute timestamp, its time in s")
        names.append(f"images/{name}")
        times.append(time)
    if shape is None or dtype is None:
        return {}
    t = _whole(microseconds(np.array(times, np.float64), "s"))
    order = np.argsort(t, kind="stable")
    images = FileImages(File.at(path), tuple(names[k] for k in order), (len(names), *shape), dtype.newbyteorder("="))
    return {"rgb" if len(shape) == 3 else "grey": Frames.make(images, t[order])}


def _whole(t: np.ndarray) -> np.ndarray:
    if not (np.abs(t) < 2**62).all():  # NaN fails too
        raise UserError("the time of an image is no number of microseconds; the file is damaged")
    return t.astype(np.int64)


def _size(frames: dict[str, Frames]) -> tuple[int, int] | None:
    return frames["grey"].size if frames else None
