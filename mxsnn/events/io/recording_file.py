"""The recording file (`.mxr`): all of a `Recording` in HDF5, its events sliced by time. docs/recordings.md has the layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mxsnn.events.io._source import Format, Source
from mxsnn.events.io.hdf5 import layout

if TYPE_CHECKING:
    from mxsnn.events.io._hdf5 import Codec


def open_recording_file(path: Path, sensor_size: tuple[int, int] | None) -> Source:
    """A recording whose events and images are left in the file; all else is read and checked."""
    from mxsnn.events.io import _recording_file

    return _recording_file.open_recording_file(path, sensor_size)


def write_recording_file(path: Path, source: Source, *, codec: Codec | str = "gzip") -> None:
    """A recording, written as its blocks come. `codec`: "gzip", "zstd", "lz4", "plain", or a function as these are."""
    from mxsnn.events.io import _recording_file

    _recording_file.write_recording_file(path, source, codec)


RECORDING = Format(
    "recording",
    "recording file of mxsnn: events, frames, triggers, samples, labels",
    (".mxr", ".h5", ".hdf5"),
    open_recording_file,
    matches=layout("recording"),
    write=write_recording_file,
    holds=frozenset({"triggers", "frames", "samples", "labels", "subject", "session", "lux", "conditions"}),
)
