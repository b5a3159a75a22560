"""Event streams: the struct, recordings, files, frames. Needs NumPy only; `encode` brings JAX and `tonic` brings tonic."""

from mxsnn.events.frames import bina_rep, frames_by_count, frames_by_duration, frames_by_time, frames_in_windows
from mxsnn.events.io import FORMATS
from mxsnn.events.io.files import identify, open_recording, read, stream, windows, write
from mxsnn.events.recording import Frames, Label, Recording, Samples, Triggers
from mxsnn.events.stacks import sbn, sbt
from mxsnn.events.stream import Events
from mxsnn.events.surfaces import active_events, time_surface
from mxsnn.events.voxel import voxel_grid

__all__ = [
    "FORMATS",
    "Events",
    "Frames",
    "Label",
    "Recording",
    "Samples",
    "Triggers",
    "active_events",
    "bina_rep",
    "frames_by_count",
    "frames_by_duration",
    "frames_by_time",
    "frames_in_windows",
    "identify",
    "open_recording",
    "read",
    "sbn",
    "sbt",
    "stream",
    "time_surface",
    "voxel_grid",
    "windows",
    "write",
]
