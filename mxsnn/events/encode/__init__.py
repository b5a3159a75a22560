"""Encodings on the device, equal to those of the host: integers to the bit, floats to 1e-6.

`to_device` brings one window of a stream over, `stack` that of several for `jax.vmap`; the functions here are pure and may be
traced, mapped and compiled, as may the encodings of `mxsnn.events.encodings`, which call them on such a stream. Streams that are
padded to one capacity share their compiled program. Times are int32 us since the start of the window.
"""

from mxsnn.events.encode.device import DeviceEvents, stack, to_device
from mxsnn.events.encode.frames import bina_rep, frames_by_count, frames_by_duration, frames_by_time, frames_in_windows
from mxsnn.events.encode.stacks import sbn, sbt
from mxsnn.events.encode.surfaces import active_events, time_surface
from mxsnn.events.encode.voxel import voxel_grid

__all__ = [
    "DeviceEvents",
    "active_events",
    "bina_rep",
    "frames_by_count",
    "frames_by_duration",
    "frames_by_time",
    "frames_in_windows",
    "sbn",
    "sbt",
    "stack",
    "time_surface",
    "to_device",
    "voxel_grid",
]
