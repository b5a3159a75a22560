"""The loop of the random numbers, compiled."""

from __future__ import annotations

import numpy as np

from mxsnn.events.io._compiled import compiled

_PARITY = np.uint32(0x1BD11BDA)
_TURNS = np.array([[13, 15, 26, 6], [17, 29, 16, 24]], np.uint32)


@compiled
def threefry(key, first, words):
    """threefry2x32 with 20 rounds of the 64-bit counters first, first + 1, ...: `words` [2, n]."""
    schedule = (np.uint32(key[0]), np.uint32(key[1]), np.uint32(key[0] ^ key[1] ^ _PARITY))
    for k in range(words.shape[1]):
        counter = np.uint64(first + np.uint64(k))
        a = np.uint32(np.uint32(counter >> np.uint64(32)) + schedule[0])
        b = np.uint32(np.uint32(counter & np.uint64(0xFFFFFFFF)) + schedule[1])
        for group in range(5):
            for turn in range(4):
                bits = _TURNS[group % 2, turn]
                a = np.uint32(a + b)
                b = np.uint32(b << bits) | np.uint32(b >> np.uint32(np.uint32(32) - bits))
                b = np.uint32(a ^ b)
            a = np.uint32(a + schedule[(group + 1) % 3])
            b = np.uint32(b + schedule[(group + 2) % 3] + np.uint32(group + 1))
        words[0, k], words[1, k] = a, b
