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
    grid: np.ndarray,
) -> None:
    """Fills grid [bins, H W]; bin k begins with event bounds[k] at edges[k] us."""
    bins, pixels = grid.shape
    # Of this bin and the next, side by side; float64, so that many events on a pixel keep their weight.
    weight = np.zeros((pixels, 2))
    for k in range(bins):
        for i in range(bounds[k], bounds[k + 1]):
            later = (t[i] - edges[k] + offsets[k]) / step
            sign = 2.0 * p[i] - 1.0
            pixel = np.int64(y[i]) * width + x[i]
            weight[pixel, 0] += sign * (1 - later)
            weight[pixel, 1] += sign * later
        for pixel in range(pixels):
            grid[k, pixel] = weight[pixel, 0]
            weight[pixel, 0] = weight[pixel, 1]
            weight[pixel, 1] = 0
