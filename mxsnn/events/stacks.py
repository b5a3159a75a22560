"""Stacks of signed images, by time (SBT) and by the number of events (SBN).

They are frames with one channel: the parts of SBT are those of `frames_by_time`, the parts of SBN hold a fixed number of events,
where `frames_by_count` divides all there are.

Source: Wang et al., "Event-Based High Dynamic Range Image and Very High Frame Rate Video Generation Using Conditional Generative
Adversarial Networks", CVPR 2019, where the latter is SBE; SBN since Mostafavi et al., "Learning to Super Resolve Intensity Images
from Events", CVPR 2020.
"""

from __future__ import annotations

import numpy as np

from mxsnn.events.frames import check_positive, flat_index, time_edges, window_length
from mxsnn.events.stream import Events


def sbt(events: Events, images: int, start: int, stop: int, last: bool = False) -> np.ndarray:
    """Stacking by time: images of `images` equal parts of the window [start, stop) us, as in `frames_by_time`.

    A pixel is the sum of its polarities (-1 OFF, +1 ON), or with `last` the polarity of its last event, 0 where there was none.

    Returns [images, H, W, 1], int32, with `last` int8.
    """
    edges = start + time_edges(images, window_length(start, stop))
    return _merge(events, np.searchsorted(events.t, edges), last)


def sbn(events: Events, images: int, count: int, last: bool = False) -> np.ndarray:
    """Stacking by number: images of `count` events each, the last of them ending with the stream.

    Image k of N events holds those from N - (images - k) count on; what lies before the first is left out, and where the stream is
    too short the first images hold fewer events or none. `last` as in `sbt`.

    Returns [images, H, W, 1], int32, with `last` int8.
    """
    back = np.arange(check_positive("images", images), -1, -1) * check_positive("count", count)
    return _merge(events, np.maximum(len(events) - back, 0), last)


def _merge(events: Events, bounds: np.ndarray, last: bool) -> np.ndarray:
    """Images of the events from bounds[k] to bounds[k + 1]."""
    width, height = events.sensor_size
    parts, inside = len(bounds) - 1, events[bounds[0] : bounds[-1]]
    pixel = flat_index(inside) // 2 + np.repeat(np.arange(parts) * (height * width), np.diff(bounds))
    sign = inside.p.astype(np.int8) * np.int8(2) - np.int8(1)
    images = np.zeros(parts * height * width, np.int8 if last else np.int32)
    if last:
        images[pixel] = sign  # of several events on a pixel the last stays
    else:
        np.add.at(images, pixel, sign.astype(np.int32))
    return images.reshape(parts, height, width, 1)
