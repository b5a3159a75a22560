"""Event streams: the struct, readers, frames. Needs NumPy only; `encode` brings JAX and `tonic` brings tonic."""

from mxsnn.events.frames import frames_by_count, frames_by_duration, frames_by_time
from mxsnn.events.io import FORMATS, read
from mxsnn.events.stream import Events

__all__ = ["FORMATS", "Events", "frames_by_count", "frames_by_duration", "frames_by_time", "read"]
