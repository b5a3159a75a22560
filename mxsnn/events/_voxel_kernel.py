"""The loop of the voxel grid, compiled."""

from __future__ import annotations

import numpy as np

from mxsnn.events.io._compiled import compiled


@compiled
def accumulate(
    t: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
    width: int,
    bounds: np.ndarray,
    edges: np.ndarray,
    offsets: np.ndarray,
    step: float,
    weight: np.ndarray,
    grid: np.ndarray,
) -> None:
    """Fills grid, zeros [bins, H W]; bin k begins with event bounds[k] at edges[k] us.

    `weight`: zeros [H W] of one bin, float64, so that many events on a pixel keep their weight. An event is read for its bin and
    again for the next: that costs less than weights of both, which are twice the memory to go through for every bin.
    """
    bins, pixels = grid.shape
    row = np.uint64(width)  # an index that cannot be below 0 needs no look at whether it is
    bins_per_us = 1 / step
    for k in range(bins):
        if k:
            for i in range(bounds[k - 1], bounds[k]):
                later = (t[i] - edges[k - 1] + offsets[k - 1]) * bins_per_us
                weight[np.uint64(y[i]) * row + np.uint64(x[i])] += later if p[i] else -later
        for i in range(bounds[k], bounds[k + 1]):
            later = (t[i] - edges[k] + offsets[k]) * bins_per_us
            weight[np.uint64(y[i]) * row + np.uint64(x[i])] += 1 - later if p[i] else later - 1
        first = bounds[k - 1] if k else bounds[k]
        if 16 * (bounds[k + 1] - first) < pixels:  # it is faster to go to the few pixels that fired than through all
            for i in range(first, bounds[k + 1]):
                q = np.uint64(y[i]) * row + np.uint64(x[i])
                if weight[q] != 0:
                    grid[k, q] = weight[q]
                    weight[q] = 0
        else:
            for pixel in range(pixels):
                grid[k, pixel] = weight[pixel]
                weight[pixel] = 0
