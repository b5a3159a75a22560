"""Recordings that are folders.

- "rpg": `events.txt` beside `images.txt`, of which each line is a time and the name of an image, as in the Event-Camera
  Dataset. Mueggler et al. 2017, doi:10.1177/0278364917691115.
- "npy-folder": `events_ts.npy` [N], `events_xy.npy` [N, 2] and `events_p.npy` [N] with `images.npy` [M, H, W] or [M, H, W, 3]
  (blue first, as OpenCV has it), `images_ts.npy` [M] and `metadata.json` ("sensor_resolution": [height, width]), as EVREAL
  has them; also under the older names `t.npy`, `xy.npy`, `p.npy`. Times are seconds.
- "npz-folder": consecutive pieces `0000000000.npz`, `0000000001.npz`, ... of arrays t, x, y, p, as ESIM's tools write them
  (rpg_vid2e; its times are ns and its polarities -1/+1).

Frames are "grey" or "rgb", and read when they are indexed.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events.images import ImageFiles
from mxsnn.events.io._source import Block, Format, Source, microseconds
from mxsnn.events.io.numpy_files import load_arrays
from mxsnn.events.io.text import POWERS, open_text
from mxsnn.events.recording import Frames, Recording
from mxsnn.events.stream import check_sensor_size, find_fields

_CHUNK = 500_000  # events
_LARGEST_TEXT = 2**26  # bytes of images.txt or metadata.json
_NAMES = (("events_ts.npy", "events_xy.npy", "events_p.npy"), ("t.npy", "xy.npy", "p.npy"))
_IMAGE_TIMES = ("images_ts.npy", "timestamps.npy")


def open_rpg(
    path: Path, sensor_size: tuple[int, int] | None, *, columns: str | None = None, time_unit: str | None = None
) -> Source:
    """A recording. The options are those of text, and `time_unit` that of images.txt too.

    Raises: UserError for a name in images.txt that leads out of the folder.
    """
    source = open_text(path / "events.txt", sensor_size, columns=columns, time_unit=time_unit)
    index = path / "images.txt"
    return replace(source, recording=Recording(None, frames=_listed(path, index, time_unit))) if index.is_file() else source


def inside(folder: Path, name: str) -> Path:
    """A file by the name that an index in the folder gives it. Raises: UserError where it leads out of the folder."""
    try:
        found = folder / name
        if Path(name).is_absolute() or not found.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{name!r} leads out of the folder")
    except (OSError, ValueError, RuntimeError) as error:  # a name with a zero in it, links in a circle
        if isinstance(error, UserError):
            raise
        raise UserError(f"{name[:60]!r} is no name of a file") from error
    return found


def _listed(folder: Path, index: Path, time_unit: str | None) -> dict[str, Frames]:
    """The frames that are there of those that an index lists."""
    times, paths, missing = [], [], 0
    for number, line in enumerate(_text(index).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"\s*([0-9.]{1,40}(?:[eE][+-]?\d{1,2})?)[\s,]+(\S.*?)\s*", line)
        if not match or match[1].count(".") > 1 or match[1] == ".":
            raise UserError(f"{index.name} line {number} is no time and name of an image: {line[:60]!r}")
        if time_unit is None and "." not in match[1]:
            raise UserError(f"{index.name} has times in whole numbers, whose unit is not known; say it with time_unit='us'")
        path = inside(folder, match[2])
        if path.is_file():
            times.append(int(Decimal(match[1]).scaleb(POWERS[time_unit or "s"]).to_integral_value(ROUND_HALF_UP)))
            paths.append(path)
        else:
            missing += 1
    if missing:
        told = f"{index}: {missing} of {missing + len(paths)} images that it lists are not there and were left out"
        warnings.warn(told, RecordingWarning, stacklevel=2)
    if not paths:
        return {}
    images = ImageFiles(paths)
    return {"rgb" if len(images.shape) == 4 else "grey": Frames.make(images, _exact(index.name, np.array(times)))}


def open_npy_folder(path: Path, sensor_size: tuple[int, int] | None, *, time_unit: str | None = None) -> Source:
    """A recording, mapped into memory. `time_unit`: "s", "ms", "us" or "ns"; None is seconds, which whole numbers cannot be."""
    names = next((names for names in _NAMES if _are_in(path, names)), _NAMES[0])
    t, xy, p = (_mapped(path, name) for name in names)
    t, p = _flat(names[0], t), _flat(names[2], p)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise UserError(f"{names[1]} is [N, 2], got shape {xy.shape}")
    if not len(t) == len(xy) == len(p):
        raise UserError(f"{', '.join(names)} hold {len(t)}, {len(xy)} and {len(p)} events; one of them is cut short or another's")
    unit = _unit(names[0], t, time_unit)
    frames = {}
    if (path / "images.npy").is_file():
        images = _mapped(path, "images.npy")
        images = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
        found = next((name for name in _IMAGE_TIMES if (path / name).is_file()), None)
        if found is None:
            raise UserError(f"images.npy has no times beside it; they are in {_IMAGE_TIMES[0]}")
        at = _flat(found, _mapped(path, found))
        at = _exact(found, microseconds(np.asarray(at), _unit(found, at, time_unit)))
        kind, images = ("rgb", images[..., ::-1]) if images.ndim == 4 else ("grey", images)
        frames[kind] = Frames.make(images, at)
    if t.dtype == np.float32 and len(t) and unit in ("s", "ms"):
        step = float(np.spacing(np.abs(t[-1]))) * (1e6 if unit == "s" else 1e3)
        if step > 1:
            told = f"{path}: {names[0]} is of 32 bits: its times are exact to {step:.0f} us at the end"
            warnings.warn(told, RecordingWarning, stacklevel=2)

    def blocks() -> Iterator[Block]:
        for start in range(0, len(t), _CHUNK):
            part = slice(start, start + _CHUNK)
            times = microseconds(np.asarray(t[part]), unit)
            where = np.asarray(xy[part])
            yield Block.make(times, where[:, 0], where[:, 1], np.asarray(p[part]), done=min(part.stop / len(t), 1.0))

    return Source(blocks, sensor_size or _stated_size(path), len(t), Recording(None, frames=frames))


def open_npz_folder(path: Path, sensor_size: tuple[int, int] | None, *, time_unit: str | None = None) -> Source:
    """A recording, a piece in memory at a time. `time_unit`: as for the other folders; ESIM's is "ns".

    Raises: UserError where a piece is missing between others.
    """
    pieces = _pieces(path)
    if len(pieces) != int(pieces[-1].stem) + 1:
        raise UserError(f"holds {len(pieces)} pieces, but the last is {pieces[-1].name}: some are missing")

    def blocks() -> Iterator[Block]:
        for k, piece in enumerate(pieces):
            try:
                arrays = load_arrays(inside(path, piece.name))
                if not isinstance(arrays, dict):
                    raise UserError("it is a single array, and not t, x, y and p")
                fields = {field: arrays[name] for field, name in find_fields(tuple(arrays)).items()}
                if len(np.atleast_1d(fields["t"])):
                    fields["t"] = microseconds(fields["t"], _unit("t", fields["t"], time_unit))
                yield Block.make(*(fields[name] for name in "txyp"), done=(k + 1) / len(pieces))
            except UserError as error:
                raise UserError(f"{piece.name}: {error}") from error

    return Source(blocks, sensor_size)


def _pieces(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"[0-9]{10}\.npz", path.name))


def _are_in(path: Path, names: tuple[str, ...]) -> bool:
    return all((path / name).is_file() for name in names)


def _mapped(folder: Path, name: str) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that are odd literals or state what no number holds
            array = np.load(inside(folder, name), mmap_mode="r", allow_pickle=False)
    except UserError:
        raise
    except Exception as error:  # a damaged header raises whatever Python's parser does
        raise UserError(f"{name} is damaged or no plain NumPy array ({' '.join(str(error).split())[:100]})") from error
    if array.dtype.kind not in "biuf":
        raise UserError(f"{name} holds {array.dtype}, not numbers")
    return array


def _flat(name: str, array: np.ndarray) -> np.ndarray:
    """[N] of [N] or [N, 1]."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise UserError(f"{name} is [N], got shape {array.shape}")
    return array


def _unit(name: str, times: np.ndarray, time_unit: str | None) -> str:
    if time_unit is None and times.dtype.kind != "f":
        raise UserError(f"{name} holds whole numbers, whose unit is not known; say it with time_unit='us' or 'ns'")
    return time_unit or "s"


def _exact(name: str, times: np.ndarray) -> np.ndarray:
    if not (np.abs(times.astype(float)) <= 2**53).all():
        raise UserError(f"{name} has a time that is none")
    return times.astype(np.int64)


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_TEXT:
        raise UserError(f"{path.name} has {path.stat().st_size} bytes, too many for what it is")
    return path.read_text("utf-8", errors="replace")


def _stated_size(folder: Path) -> tuple[int, int] | None:
    path = folder / "metadata.json"
    if not path.is_file():
        return None
    try:
        stated: Any = json.loads(_text(inside(folder, path.name)))
        resolution = stated.get("sensor_resolution") if isinstance(stated, dict) else None
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError("metadata.json is damaged") from error
    if resolution is None:
        return None
    if not isinstance(resolution, list) or len(resolution) < 2:
        raise UserError("metadata.json has a sensor_resolution that is not [height, width]")
    return check_sensor_size((resolution[1], resolution[0]))


def _is_rpg(path: Path, head: bytes) -> bool:
    return path.is_dir() and (path / "events.txt").is_file()


def _is_npy(path: Path, head: bytes) -> bool:
    return path.is_dir() and any(_are_in(path, names) for names in _NAMES)


def _is_npz(path: Path, head: bytes) -> bool:
    return path.is_dir() and (path / "0000000000.npz").is_file()


RPG = Format("rpg", "folder of events.txt and images, as RPG has it", (), open_rpg, _is_rpg)
NPY_FOLDER = Format("npy-folder", "folder of NumPy arrays, as EVREAL has it", (), open_npy_folder, _is_npy)
NPZ_FOLDER = Format("npz-folder", "folder of numbered NumPy archives, as ESIM has it", (), open_npz_folder, _is_npz)
