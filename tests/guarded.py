"""tonic's transforms under the guard: each with arguments under which it may be used, and the streams they are tried on."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mxsnn.events import Events
from mxsnn.events.random import host_key
from mxsnn.events.tonic import Encoding, TonicWarning, compose

SIZE = (9, 5)  # not square
SPAN = 20_000
FRAMES = f"TimeFrames(bins=4, start=0, stop={SPAN})"


def stream(n: int = 1000, seed: int = 0, start: int = 0, off: float = 0.5) -> Events:
    rng = np.random.default_rng(seed)
    t = start + np.sort(rng.integers(0, SPAN, n))
    return Events.make(t, rng.integers(0, SIZE[0], n), rng.integers(0, SIZE[1], n), rng.random(n) >= off, SIZE)


def quietly(*specs: str, size: tuple[int, int] = SIZE) -> Encoding:
    """An encoding of transforms about which a warning is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TonicWarning)
        return compose(specs, size)


def guarded(spec: str, events: Events) -> Events:
    """What one transform of events makes of a stream."""
    with np.errstate(all="raise"):
        transform = quietly(spec, f"TimeFrames(bins=1, start=0, stop={SPAN})").transforms[0]
        return transform(events, host_key(0)) if getattr(transform, "keyed", False) else transform(events)


# Every transform of tonic, with arguments under which it may be used
EVENTS = {
    "CenterCrop": "size=(4, 3)",
    "CropTime": "max=9000",
    "Decimation": "n=2",
    "Denoise": "filter_time=500",
    "Downsample": "spatial_factor=0.5",
    "DropEvent": "p=0.2",
    "DropEventByArea": "area_ratio=0.5",
    "DropEventByTime": "duration_ratio=0.3",
    "DropPixel": "coordinates=[[1, 1], [2, 3]]",
    "EventDrop": f"start=0, stop={SPAN}",
    "MergePolarities": "",
    "RandomCrop": "width=4, height=3",
    "RandomDropPixel": "p=0.3",
    "RandomFlipPolarity": "p=0.5",
    "RandomTimeReversal": "p=0.5",
    "RefractoryPeriod": "delta=[100, 900]",
    "SpatialJitter": "var_x=2, clip_outliers=True",
    "TimeAlignment": "",
    "TimeJitter": f"sigma=300, start=0, stop={SPAN}",
    "TimeSkew": "coefficient=[0.5, 0.9]",
    "UniformNoise": "n=100",
}
TO_FRAMES = {
    "ToFrame": f"time_window=5000, start_time=0, end_time={SPAN}",
    "ToImage": "",
    "ToTimesurface": "dt=5000, tau=1000",
    "ToVoxelGrid": "n_time_bins=4",
}
of_events = pytest.mark.parametrize("spec", [f"{name}({arguments})" for name, arguments in EVENTS.items()])
to_frames = pytest.mark.parametrize("spec", [f"{name}({arguments})" for name, arguments in TO_FRAMES.items()])
