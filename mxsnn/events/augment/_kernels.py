"""The loop of augmentations, compiled."""

from __future__ import annotations

import numpy as np

from mxsnn.events.io._compiled import compiled


@compiled
def merge_times(one: np.ndarray, another: np.ndarray, index: np.ndarray) -> None:
    """Of the times of two streams laid end to end, the places in the order of time; of equal times the first stream's first."""
    k = m = 0
    for n in range(len(index)):
        if m == len(another) or (k < len(one) and one[k] <= another[m]):
            index[n] = k
            k += 1
        else:
            index[n] = len(one) + m
            m += 1
