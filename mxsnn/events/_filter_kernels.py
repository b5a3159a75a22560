"""Compiled loops of the filters. Each takes a stream's columns [N] and fills `keep` [N], or what stands there.

Times are taken from the first event on, so that a memory of zeros is one of nothing: it holds times at which something ends, or
times + 1. Index arithmetic is int64: a sensor has up to 2^30 pixels.
"""

from __future__ import annotations

import numpy as np

from mxsnn.events.io._compiled import compiled


@compiled
def select(keep, t, x, y, p, to_t, to_x, to_y, to_p):
    """Copies the events that are kept. The arrays have room for one more: writing all and stepping by `keep` needs no branch."""
    n = 0
    for k in range(len(t)):
        to_t[n], to_x[n], to_y[n], to_p[n] = t[k], x[k], y[k], p[k]
        n += keep[k]


@compiled
def background_activity(t, x, y, time, diagonal, row, memory, keep):
    """`memory`: when an event of each pixel ceases to support; a border of pixels around the sensor, `row` pixels a row."""
    one, row = np.uint64(1), np.uint64(row)  # an index that cannot be below 0 needs no look at whether it is
    for k in range(len(t)):
        now, q = t[k] - t[0], (np.uint64(y[k]) + one) * row + np.uint64(x[k]) + one
        # All neighbours without a branch, for whether the first of them supports an event cannot be foretold.
        near = (memory[q - row] > now) | (memory[q - one] > now) | (memory[q + one] > now) | (memory[q + row] > now)
        if diagonal:
            near |= (memory[q - row - one] > now) | (memory[q - row + one] > now)
            near |= (memory[q + row - one] > now) | (memory[q + row + one] > now)
        keep[k] = near
        memory[q] = now + time


@compiled
def refractory(t, x, y, time, width, memory, keep):
    """`memory`: the first time + 1 at which each pixel may fire again."""
    for k in range(len(t)):
        now, q = t[k] - t[0], y[k] * width + x[k]
        keep[k] = now >= memory[q]
        memory[q] = now + time + 1


@compiled
def decimation(x, y, n, width, memory, keep):
    """`memory`: how many events of each pixel came since the last that was kept."""
    for k in range(len(x)):
        q = y[k] * width + x[k]
        memory[q] += 1
        keep[k] = memory[q] == n
        if keep[k]:
            memory[q] = 0


@compiled
def pool(x, y, p, factor, width, memory, keep):
    """`memory`: how many events of each square and polarity came since the last that was kept. `width`: squares a row."""
    for k in range(len(x)):
        q = (y[k] // factor * width + x[k] // factor) * 2 + p[k]
        memory[q] += 1
        keep[k] = memory[q] == factor * factor
        if keep[k]:
            memory[q] = 0


@compiled
def integrate(x, y, p, factor, width, memory, keep):
    """`memory`: ON minus OFF events of each square since the last that was kept. `width`: squares a row."""
    for k in range(len(x)):
        q = y[k] // factor * width + x[k] // factor
        memory[q] += 1 if p[k] else -1
        keep[k] = abs(memory[q]) == factor * factor
        if keep[k]:
            memory[q] = 0


@compiled
def flicker(t, x, y, p, low, high, cycles, width, last, risen, count, keep):
    """`last`: polarity + 1 of each pixel's last event; `risen`: time + 1 of its last ON after OFF; `count`: periods in a row."""
    for k in range(len(t)):
        now, q = t[k] - t[0] + 1, y[k] * width + x[k]
        if p[k] and last[q] == 1:
            count[q] = count[q] + 1 if risen[q] and low <= now - risen[q] <= high else 0
            risen[q] = now
        elif now - risen[q] > high:
            count[q] = 0
        last[q] = p[k] + 1
        keep[k] = count[q] < cycles


@compiled
def rate_limit(t, rate, window, keep):
    """A leaky bucket of rate * window, in millionths of an event: an event fills in a million, each us lets `rate` out."""
    level = 0
    for k in range(len(t)):
        if k:
            level = max(0, level - rate * min(t[k] - t[k - 1], window))
        keep[k] = level + 1_000_000 <= rate * window
        if keep[k]:
            level += 1_000_000
