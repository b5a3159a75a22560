"""Compiled loops over the bytes of Event Stream: each event begins where the one before ends."""

from __future__ import annotations

import numpy as np

from mxsnn.events.io._compiled import compiled


@compiled
def dvs(data: np.ndarray, height: int, now: int, t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> tuple:
    """Bytes that are used up, events, others, and the time of the last."""
    k = n = 0
    while k < len(data):
        byte = data[k]
        if byte == 0xFF:
            now += 0x7F
            k += 1
        elif byte == 0xFE:
            k += 1
        elif k + 5 > len(data):
            break
        else:
            now += byte >> 1
            t[n], p[n] = now, byte & 1
            x[n] = data[k + 1] | data[k + 2] << 8
            y[n] = height - 1 - (data[k + 3] | data[k + 4] << 8)
            n += 1
            k += 5
    return k, n, 0, now


@compiled
def atis(data: np.ndarray, height: int, now: int, t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> tuple:
    """As `dvs`; the others measure exposures."""
    k = n = others = 0
    while k < len(data):
        byte = data[k]
        if byte >= 0xFC:
            now += 0x3F * (byte & 3)
            k += 1
        elif k + 5 > len(data):
            break
        else:
            now += byte >> 2
            if byte & 1:
                others += 1
            else:
                t[n], p[n] = now, byte >> 1 & 1
                x[n] = data[k + 1] | data[k + 2] << 8
                y[n] = height - 1 - (data[k + 3] | data[k + 4] << 8)
                n += 1
            k += 5
    return k, n, others, now
