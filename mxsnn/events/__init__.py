"""Event streams: the struct, recordings, files, frames. Needs NumPy only; `encode` brings JAX and `tonic` brings tonic."""

from mxsnn.events.frames import frames_by_count, frames_by_duration, frames_by_time
from mxsnn.events.io import FORMATS
from mxsnn.events.io.files import identify, open_recording, read, stream, windows, write
from mxsnn.events.recording import Frames, Label, Recording, Samples, Triggers
from mxsnn.events.stream import Events

__all__ = [
    "FORMATS",
    "Events",
    "Frames",
    "Label",
    "Recording",
    "Samples",
    "Triggers",
    "frames_by_count",
    "frames_by_duration",
    "frames_by_time",
    "identify",
    "open_recording",
    "read",
    "stream",
    "windows",
    "write",
]
