"""Augmentations of events, keyed: the same key gives the same events, on the host and on the device, to the bit.

Each is called as `augmentation(events, key)`, on `Events` or a structured array with a key of `mxsnn.events.random.host_key`, and
on `DeviceEvents` with a key of JAX, under `jit` and `vmap` too. None modifies its input, all take empty streams. Those that need a
window are given it, us on the clock of the events; on the device it is the window that the stream is. `relabel(name, key)` is the
name of a label after it. `augment.frames` is for frames on the device. docs/augmentation.md says how to write one.
"""

from mxsnn.events.augment._base import Augmentation, Chain, arrays, by_time, choose, happens, is_event, merge, select, within
from mxsnn.events.augment.drop import DropEvents, EventDrop
from mxsnn.events.augment.flips import FlipLR, FlipPolarity, FlipUD, PolarityNoise, TimeReversal
from mxsnn.events.augment.geometry import Affine, FaceMirror, RandomCrop, RandomResizedCrop
from mxsnn.events.augment.noise import Noise, TimeJitter
from mxsnn.events.augment.presets import SpikingFER

#: All of them.
AUGMENTATIONS = (
    FlipLR,
    FlipUD,
    FlipPolarity,
    PolarityNoise,
    TimeReversal,
    DropEvents,
    EventDrop,
    Noise,
    TimeJitter,
    Affine,
    RandomCrop,
    RandomResizedCrop,
    FaceMirror,
    SpikingFER,
)

__all__ = [
    "AUGMENTATIONS",
    "Affine",
    "Augmentation",
    "Chain",
    "DropEvents",
    "EventDrop",
    "FaceMirror",
    "FlipLR",
    "FlipPolarity",
    "FlipUD",
    "Noise",
    "PolarityNoise",
    "RandomCrop",
    "RandomResizedCrop",
    "SpikingFER",
    "TimeJitter",
    "TimeReversal",
    "arrays",
    "by_time",
    "choose",
    "happens",
    "is_event",
    "merge",
    "select",
    "within",
]
