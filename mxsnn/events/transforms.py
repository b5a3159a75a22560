"""Transforms that stand in a tonic `Compose` beside tonic's own: filters of events, and encodings that make frames of them.

Each is called on a stream (`Events`), or on a structured array such as tonic's where `sensor_size` is given. None modifies its
input, and all take empty streams.
"""

from __future__ import annotations

from mxsnn.events.encodings import ENCODINGS
from mxsnn.events.filters import FILTERS

#: All of them, by the name under which an experiment's configuration finds them.
TRANSFORMS = {cls.__name__: cls for cls in (*ENCODINGS, *FILTERS)}
