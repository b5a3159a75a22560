"""Recordings from files and to files: a format a module, and `files` that reads and writes all of them."""

from __future__ import annotations

from mxsnn.events.io._source import Format
from mxsnn.events.io.nmnist import NMNIST
from mxsnn.events.io.numpy_files import NPY, NPZ

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        NMNIST,
        NPY,
        NPZ,
    )
}
"""Every format by its name."""
