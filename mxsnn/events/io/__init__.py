"""Recordings from files, one format a module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.io.nmnist import read_nmnist
from mxsnn.events.io.numpy_files import read_numpy
from mxsnn.events.stream import Events

#: Which reader opens a file, by its extension: `reader(path, sensor_size=None, sort=False, **its own options)`.
FORMATS: dict[str, Callable[..., Events | np.ndarray]] = {
    ".bin": read_nmnist,
    ".npy": read_numpy,
    ".npz": read_numpy,
}


def read(path: str | Path, sensor_size: Sequence[int] | None = None, **options: Any) -> Events | np.ndarray:
    """Read a recording: a stream of events, or ready frames as an array [T, H, W, 2].

    `sensor_size=(width, height)` in pixels; None is what the file says, or the smallest sensor that holds the events.
    `options` go to the reader that `FORMATS` has for the extension: `sort=True` puts events into the order of time.

    Raises: UserError that names the file, where it is missing, of no known format, damaged, or holds no valid stream.
    """
    path = Path(path)
    reader = FORMATS.get(path.suffix.lower())
    if not path.is_file():
        raise UserError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    if reader is None:
        raise UserError(f"{path}: unknown format {path.suffix or '(no extension)'!r}; known are {', '.join(FORMATS)}")
    try:
        return reader(path, sensor_size, **options)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
