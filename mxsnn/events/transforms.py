"""Transforms of an encoding: filters of events, augmentations of them, encodings that make frames of them, and encodings of a
camera's frames. All but those that take a key beside it (`keyed`) stand in a tonic `Compose` beside tonic's own.

Those of events are called on a stream (`Events`), or on a structured array such as tonic's where `sensor_size` is given; those of
frames on an array [T, H, W, C]. None modifies its input, and all take empty ones.
"""

from __future__ import annotations

from mxsnn.events.augment import AUGMENTATIONS
from mxsnn.events.encodings import ENCODINGS
from mxsnn.events.filters import FILTERS
from mxsnn.events.intensity import INTENSITY, Held

#: All of them, by the name under which an experiment's configuration finds them.
TRANSFORMS = {cls.__name__: cls for cls in (*ENCODINGS, *FILTERS, *AUGMENTATIONS, Held, *INTENSITY)}
