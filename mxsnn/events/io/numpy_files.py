"""Events and ready frames in `.npy` and `.npz` files.

- A structured array [N] with fields t, x, y, p in any order, or an `.npz` with an array of each; other names that are
  understood stand in `mxsnn.events.stream.SYNONYMS`.
- An array [N, 4] with the columns (t, x, y, p); `columns` says another order.
- Ready frames [T, 2, H, W] or [T, H, W, 2] (in an `.npz` under `frames`), which come back channel-last.

Pickled objects are never read.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.io._source import Block, Format, Source, microseconds
from mxsnn.events.stream import DTYPES, check_sensor_size, find_fields

_LAYOUTS = ("TCHW", "THWC")
_MAGIC = 8  # bytes before the length of the header
_LONGEST_HEADER = 1 << 16
_MOST_PACKED = 1033  # times smaller than it is can deflate make anything


def open_numpy(
    path: Path,
    sensor_size: tuple[int, int] | None,
    *,
    columns: str | None = None,
    layout: str | None = None,
    time_unit: str | None = None,
) -> Source:
    """Events, or ready frames [T, H, W, 2]. The file is loaded whole.

    `columns`: the order of the columns of an array [N, 4], such as "xytp". `layout`: "TCHW" or "THWC", for frames
    whose shape does not tell (both axes that may hold the polarity have length 2). `time_unit`: "s", "ms", "us" or "ns";
    None is us; whole times with polarities -1/+1 as arrays of an `.npz` may be ns, as ESIM writes them, and it must be said.

    Raises: UserError for pickled objects, damaged files, other shapes and fields, and where the order of the columns
      or axes or the unit of the time is ambiguous.
    """
    if layout is not None and layout not in _LAYOUTS:
        raise UserError(f"layout is {' or '.join(map(repr, _LAYOUTS))}, got {layout!r}")
    if columns is not None and sorted(columns) != sorted("txyp"):
        raise UserError(f"columns is an order of the letters t, x, y, p such as 'xytp', got {columns!r}")
    content = load_arrays(path)
    if isinstance(content, Mapping):
        if sensor_size is None and "sensor_size" in content:
            sensor_size = check_sensor_size(content["sensor_size"].tolist())
        content = _choose({name: array for name, array in content.items() if name != "sensor_size"})
    if not isinstance(content, Mapping) and content.dtype.names is None and content.ndim == 4:
        frames = _channel_last(content, layout, sensor_size)
        return Source(lambda: iter(()), (frames.shape[2], frames.shape[1]), 0, ready=frames)
    if isinstance(content, Mapping):
        fields = dict(content)
    elif content.dtype.names:
        fields = {field: content[name] for field, name in find_fields(content.dtype.names).items()}
    elif content.ndim == 2 and content.shape[1] == 4:
        order = columns or check_columns(content)
        fields = {name: content[:, order.index(name)] for name in "txyp"}
    else:
        raise UserError(
            f"an array of shape {content.shape} and type {content.dtype} is neither events (structured [N] or columns "
            "[N, 4]) nor frames ([T, 2, H, W] or [T, H, W, 2])"
        )
    if time_unit is None and isinstance(content, Mapping) and fields["t"].dtype.kind in "iu" and (fields["p"] == -1).any():
        raise UserError("whole times with polarities -1/+1 are ns from ESIM, us from others; say it with time_unit='ns' or 'us'")
    if time_unit not in (None, "us"):
        fields["t"] = microseconds(fields["t"], time_unit)
    block = Block.make(*(fields[name] for name in "txyp"))
    return Source(lambda: iter((block,)), sensor_size, len(block.t))


def write_npz(path: Path, source: Source) -> None:
    """Arrays t (int64, us), x, y (int16), p (uint8) and sensor_size (width, height), compressed; all are held in memory."""
    parts = [Block.of(a.copy() for a in block.columns) for block in source.blocks()]
    arrays = {name: np.concatenate([getattr(block, name) for block in parts] or [np.empty(0, DTYPES[name])]) for name in DTYPES}
    arrays["sensor_size"] = np.array(source.sensor_size or (0, 0), np.int64)
    with path.open("wb") as file:  # given a name, NumPy would append a suffix
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_arrays(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an `.npy` or the arrays of an `.npz`. Raises: UserError without the file's name for pickles and damage."""
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        if start[:1] == b"\x80":  # how a pickle begins; NumPy takes any other text for one too
            raise UserError("it is a pickle, which is not read; save plain arrays")
        if start != b"\x93NUMPY" and start[:2] != b"PK":
            raise UserError("it is damaged or no NumPy file")
        size = path.stat().st_size
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a header is a Python literal, of Python 2 or damaged an odd one
                return _array(file, size) if start[:2] != b"PK" else _arrays(file, size)
        except OSError:
            raise
        except Exception as error:  # a damaged header raises whatever the parsers of Python and of zip archives do
            if "allow_pickle" in str(error):
                raise UserError("it holds pickled objects, which are not read; save plain arrays") from error
            raise UserError(f"it is damaged or no NumPy file ({' '.join(str(error).split())})") from error


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """The array of an `.npy` of so many bytes. NumPy allocates what the header states, so that is held against the size first."""
    version, _ = np.lib.format.read_magic(file)
    width = 2 if version == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    text = file.read(length).decode("latin-1" if version < 3 else "utf-8").strip()
    header = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text))  # as Python 2 wrote whole numbers
    dtype = np.lib.format.descr_to_dtype(header["descr"])
    stated, there = math.prod(header["shape"]) * dtype.itemsize, size - _MAGIC - width - length
    if not dtype.hasobject and not 0 <= stated <= there:
        raise ValueError(f"its header states {stated} bytes, of which {there} are there")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _arrays(file: IO[bytes], size: int) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` of so many bytes, as large as they can be packed in so many at the most."""
    with zipfile.ZipFile(file) as archive:
        found = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if sum(info.compress_size for info in found) > size:
            raise ValueError("its parts overlap")
        arrays = {}
        for info in found:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{info.filename} is packed by method {info.compress_type}, which NumPy does not write")
            if info.file_size > _MOST_PACKED * info.compress_size:
                raise ValueError(f"{info.filename} states {info.file_size} bytes, packed in {info.compress_size}")
            with archive.open(info) as member:
                arrays[info.filename.removesuffix(".npy")] = _array(member, info.file_size)
        return arrays


def _choose(arrays: dict[str, np.ndarray]) -> np.ndarray | dict[str, np.ndarray]:
    """What an `.npz` is about: its frames, its only array, or its arrays t, x, y, p."""
    if "frames" in arrays:
        if arrays["frames"].ndim != 4:
            raise UserError(f"'frames' is [T, 2, H, W] or [T, H, W, 2], got shape {arrays['frames'].shape}")
        return arrays["frames"]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    return {field: arrays[name] for field, name in find_fields(tuple(arrays)).items()}


def check_columns(array: np.ndarray) -> str:
    """ "txyp", where the values bear it out."""
    if len(array):
        polarity = [bool(np.isin(array[:, k], (-1, 0, 1)).all()) for k in range(4)]
        ordered = [bool((array[1:, k] >= array[:-1, k]).all()) for k in range(4)]
        last = array[-1]
        if not polarity[3] or (not ordered[0] and ordered[2]) or (ordered[2] and last[2] > last[0]):
            raise UserError(
                "columns [N, 4] are read as (t, x, y, p), which these values do not bear out; "
                "say their order with columns='xytp' or another"
            )
    return "txyp"


def _channel_last(frames: np.ndarray, layout: str | None, sensor_size: tuple[int, int] | None) -> np.ndarray:
    if frames.dtype.kind not in "biuf" or not np.isfinite(frames).all():
        raise UserError(f"frames are finite numbers; got {frames.dtype}, or NaN or infinity among them")
    first, last = frames.shape[1] == 2, frames.shape[3] == 2
    if layout is None:
        if first and last:
            raise UserError(
                f"frames of shape {frames.shape} may be [T, 2, H, W] or [T, H, W, 2]; say which with layout='TCHW' or layout='THWC'"
            )
        layout = "TCHW" if first else "THWC"
    if not (first if layout == "TCHW" else last):
        raise UserError(f"frames have two polarities, [T, 2, H, W] or [T, H, W, 2]; got shape {frames.shape}")
    if layout == "TCHW":
        frames = np.ascontiguousarray(np.moveaxis(frames, 1, -1))
    size = (frames.shape[2], frames.shape[1])
    if sensor_size is not None and tuple(sensor_size) != size:
        raise UserError(f"the frames are {size[0]}x{size[1]} pixels (width x height), not {tuple(sensor_size)}")
    return frames


NPY = Format("npy", "NumPy array: events, or ready frames", (".npy",), open_numpy)
NPZ = Format("npz", "NumPy arrays: events, or ready frames", (".npz",), open_numpy, write=write_npz)
