"""The voxel grid: signed events shared between the two bins around their time."""

from __future__ import annotations

import numpy as np

from mxsnn.events.frames import check_positive, time_edges, window_length
from mxsnn.events.stream import Events


def voxel_grid(events: Events, bins: int, start: int, stop: int) -> np.ndarray:
    """Polarities (-1 OFF, +1 ON) of the events in the window [start, stop) us, by bilinear interpolation in time.

    With the scaled time s = (bins - 1) (t - start) / (stop - 1 - start), bin k gets p max(0, 1 - |s - k|): the first microsecond
    lies on the first bin, the last on the last, and the whole weight of an event counts, so the grid's sum is ON - OFF events.
    E2VID scales between its first and last event: `start = t[0]`, `stop = t[-1] + 1`.

    Returns [bins, H, W, 1] float32, each voxel rounded once.

    Source: Zhu et al., "Unsupervised Event-Based Learning of Optical Flow, Depth, and Egomotion", CVPR 2019; Rebecq et al.,
      "High Speed and High Dynamic Range Video with an Event Camera", TPAMI 2019.
    """
    edges, offsets, step = voxel_steps(bins, window_length(start, stop))
    width, height = events.sensor_size
    grid = np.zeros((bins, height * width), np.float32)
    bounds = np.searchsorted(events.t, np.append(start + edges, stop))
    if bounds[-1] > bounds[0]:
        from mxsnn.events._voxel_kernel import accumulate  # compiled

        weight = np.zeros(height * width)
        accumulate(events.t, events.x, events.y, events.p, width, bounds, start + edges, offsets, step, weight, grid)
    return grid.reshape(bins, height, width, 1)


def voxel_steps(bins: int, length: int) -> tuple[np.ndarray, np.ndarray, float]:
    """What the scaled times of a window of `length` us are made of: (edges, offsets, step).

    Times from edges[k] us (int64 [bins]) on lie at or after bin k, by (t - edges[k] + offsets[k]) / step: there are `step` us
    between bins, and offsets[k] = edges[k] - k step, in [0, 1) us, is what a whole microsecond lies behind the bin.
    """
    between, last = check_positive("bins", bins) - 1, max(length - 1, 1)
    if between == 0:  # one bin: all at its middle
        return np.zeros(1, np.int64), np.zeros(1), np.inf
    return time_edges(between, last), -np.arange(bins) * (last % between) % between / between, last / between
