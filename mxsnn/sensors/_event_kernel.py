"""The loops that make a list of the events of many steps, compiled."""

from __future__ import annotations

import numpy as np

from mxsnn.events.io._compiled import compiled


@compiled
def count_events(count: np.ndarray) -> int:
    """How many events there are in `count` [steps, pixels], signed."""
    total = 0
    for k in range(count.shape[0]):
        for q in range(count.shape[1]):
            total += abs(np.int64(count[k, q]))
    return total


@compiled
def list_events(
    count: np.ndarray,
    first: np.ndarray,
    spacing: np.ndarray,
    start: np.ndarray,
    dt: np.ndarray,
    width: int,
    t: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
) -> None:
    """Fills t, x, y, p with the events of count, first and spacing [steps, pixels], in the order of time, then of pixels.

    Step k lasts from start[k] for dt[k] us. Its events are sorted by counting, as there are few times and many events.
    """
    place = np.zeros(dt.max() + 1, np.int64)
    after = np.empty(len(t), np.int64)
    pixel = np.empty(len(t), np.int64)
    begin = 0
    for k in range(count.shape[0]):
        length = dt[k]
        place[: length + 1] = 0
        end = begin
        for q in range(count.shape[1]):
            n = count[k, q]
            if n != 0:
                for j in range(abs(n)):
                    after[end] = min(np.int64(first[k, q] + j * spacing[k, q]), length - 1)
                    pixel[end] = q
                    place[after[end] + 1] += 1
                    end += 1
        if begin == end:
            continue
        for i in range(length):
            place[i + 1] += place[i]
        for e in range(begin, end):
            i = begin + place[after[e]]
            place[after[e]] += 1
            q = pixel[e]
            t[i] = start[k] + after[e]
            x[i] = q % width
            y[i] = q // width
            p[i] = count[k, q] > 0
        begin = end
