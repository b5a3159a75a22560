"""Compiled loops between the words of Prophesee's formats and events.

A decoder takes words [M] and fills arrays of events and of trigger edges (int64 [K, 3]: t in us, input, level) until the words
end or an array is full; it returns how many words it used, and how many events and edges it found. What it must remember from
one call to the next is in `state`. Words of vendors' own (types 7, 14 and 15) are passed over. An encoder goes the other way:
it takes events and edges in the order of time, fills words until they are full, and returns how many events and edges it used,
and how many words it wrote.
"""

from __future__ import annotations

import numpy as np

from mxsnn.events.io._compiled import compiled

# Slots of the state of a decoder: time before the low bits (us; the high bits and all wraps), what the wraps add to it, whether
# a time was seen, low bits of the time, row (-1: none yet), first column (-1: none yet) and polarity of the next vector, words of
# unknown type, words left out because they come before the time, row or column that they need, wraps in a long silence.
TIME, WRAPS, TIMED, LOW, ROW, COLUMN, POLARITY, UNKNOWN, EARLY, SILENT = range(10)
START = np.array([0, 0, 0, 0, -1, -1, 0, 0, 0, 0])

# Slots of the state of an encoder: high time with all its wraps, low time and row, as last written (-1: none yet).
LAST_HIGH, LAST_LOW, LAST_ROW = range(3)
FRESH = np.array([-1, -1, -1])

ROOM = 32
"""An array is full where it has no room for the events of any word, or the words of any event."""

_U = np.uint64  # of an index: numba then has no negative ones to think of, which halves the time; so do shifts within uint16
_KIND, _VALUE = np.uint16(12), np.uint16(0xFFF)
_BITS = np.array([([k for k in range(8) if byte >> k & 1] + 8 * [0])[:8] for byte in range(256)], np.int64)
_COUNT = np.array([byte.bit_count() for byte in range(256)], _U)


@compiled
def _step(state, high, bits):
    """Takes a word with the high bits of a time of `bits` bits. A wrap is a step back by a sixteenth of the range or more.

    Cameras tell the time all the while, and step back by nearly the whole range. Files that were cut or made need not: a step
    back by less than half is a wrap in a silence of more than half the range, which is counted apart.
    """
    back = state[TIME] - state[WRAPS] - high
    if state[TIMED] and back >= 1 << (bits - 4):
        state[WRAPS] += 1 << bits
        state[SILENT] += back < 1 << (bits - 1)
    state[TIMED] = 1
    state[TIME] = state[WRAPS] + high


@compiled
def _spread(x, n, first, byte):
    """Writes the columns `first` + k of the bits k in a byte from index n, and returns the index after them."""
    for k in range(8):
        x[n + _U(k)] = first + _BITS[byte, k]
    return n + _COUNT[byte]


@compiled
def decode_evt2(words, t, x, y, p, edges, state):
    """EVT2, words uint32 [M]: type 31..28; event: time 27..22, x 21..11, y 10..0; trigger: time 27..22, input 12..8, level 0."""
    i, n, k, end = _U(0), _U(0), 0, _U(len(words))
    while i < end and not state[TIMED]:
        word = np.int64(words[i])
        kind = word >> 28
        if kind == 8:
            _step(state, (word & 0xFFFFFFF) << 6, 34)
        elif kind <= 1 or kind == 10:
            state[EARLY] += 1
        elif kind < 14:
            state[UNKNOWN] += 1
        i += _U(1)
    time = state[TIME]
    full = _U(len(t))
    while i < end and n < full:
        word = np.int64(words[i])
        kind = word >> 28
        # Each word is written as an event, and counted where it is one: there is no branch to guess.
        t[n] = time + ((word >> 22) & 63)
        x[n] = (word >> 11) & 0x7FF
        y[n] = word & 0x7FF
        p[n] = kind & 1
        n += _U(kind <= 1)
        if kind > 1:
            if kind == 8:
                _step(state, (word & 0xFFFFFFF) << 6, 34)
                time = state[TIME]
            elif kind == 10:
                if k == len(edges):
                    break
                edges[k, 0], edges[k, 1], edges[k, 2] = time + ((word >> 22) & 63), (word >> 8) & 31, word & 1
                k += 1
            elif kind < 14:
                state[UNKNOWN] += 1
        i += _U(1)
    return i, n, k


@compiled
def decode_evt21(words, upper, t, x, y, p, edges, state):
    """EVT2.1, words uint32 [M, 2]: the half `upper` as in EVT2, bit k of the other for the pixel at x + k."""
    i, n, k, end = _U(0), _U(0), 0, _U(len(words))
    full = _U(len(t))
    while i < end and n + _U(ROOM) <= full:
        word = np.int64(words[i, upper])
        kind = word >> 28
        if kind == 8:
            _step(state, (word & 0xFFFFFFF) << 6, 34)
        elif kind > 1 and kind != 10:
            state[UNKNOWN] += kind < 14
        elif not state[TIMED]:
            state[EARLY] += 1
        else:
            time = state[TIME] + ((word >> 22) & 63)
            if kind == 10:
                if k == len(edges):
                    break
                edges[k, 0], edges[k, 1], edges[k, 2] = time, (word >> 8) & 31, word & 1
                k += 1
            else:
                column, row, mask = (word >> 11) & 0x7FF, word & 0x7FF, np.int64(words[i, 1 - upper])
                for j in range(ROOM):
                    t[n + _U(j)] = time
                for j in range(ROOM):
                    y[n + _U(j)] = row
                for j in range(ROOM):
                    p[n + _U(j)] = kind
                for j in range(0, ROOM, 8):
                    n = _spread(x, n, column + j, (mask >> j) & 0xFF)
        i += _U(1)
    return i, n, k


@compiled
def decode_evt3(words, t, x, y, p, edges, state):
    """EVT3, words uint16 [M]: type 15..12, the rest its value.

    0 row (10..0; bit 11 names the camera of a pair); 2 event at x 10..0, polarity 11; 3 first column and polarity of vectors;
    4 and 5 vectors of 12 and 8 columns; 6 low time; 8 high time; 10 trigger: input 11..8, level 0.
    """
    i, n, k, end = _U(0), _U(0), 0, _U(len(words))
    while i < end and not (state[TIMED] and state[ROW] >= 0):
        word = np.int64(words[i])
        kind, value = word >> 12, word & 0xFFF
        if kind == 0:
            state[ROW] = value & 0x7FF
        elif kind == 3:
            state[COLUMN], state[POLARITY] = value & 0x7FF, value >> 11
        elif kind == 6:
            state[LOW] = value
        elif kind == 8:
            before = state[TIME] if state[TIMED] else -1
            _step(state, value << 12, 24)
            state[LOW] = state[LOW] if state[TIME] == before else 0
        elif kind == 10 and state[TIMED]:
            if k == len(edges):
                break
            edges[k, 0], edges[k, 1], edges[k, 2] = state[TIME] + state[LOW], value >> 8, value & 1
            k += 1
        elif kind == 2 or kind == 4 or kind == 5 or kind == 10:
            state[EARLY] += 1
        elif kind != 7 and kind < 14:
            state[UNKNOWN] += 1
        i += _U(1)
    high, low, row, column, polarity = state[TIME], state[LOW], state[ROW], state[COLUMN], state[POLARITY]
    time = high + low
    full = _U(len(t))
    while i < end and n + _U(ROOM) <= full:
        kind, value = words[i] >> _KIND, np.int64(words[i] & _VALUE)
        # Events, rows and low times follow each other in no order that a processor could guess: there is no branch between them.
        t[n] = time
        x[n] = value & 0x7FF
        y[n] = row
        p[n] = value >> 11
        n += _U(kind == 2)
        row = value & 0x7FF if kind == 0 else row
        low = value if kind == 6 else low
        time = high + low
        if kind == 8:
            _step(state, value << 12, 24)
            low = low if state[TIME] == high else 0  # until the low time that follows
            high = state[TIME]
            time = high + low
        elif kind == 3:
            column, polarity = value & 0x7FF, value >> 11
        elif kind == 4 or kind == 5:
            if column < 0:
                state[EARLY] += 1
            else:
                for j in range(16):
                    t[n + _U(j)] = time
                for j in range(16):
                    y[n + _U(j)] = row
                for j in range(16):
                    p[n + _U(j)] = polarity
                n = _spread(x, n, column, value & 0xFF)
                n = _spread(x, n, column + 8, value >> 8 if kind == 4 else 0)
                column = min(column + (12 if kind == 4 else 8), 0x7F00)  # beyond every sensor, and no overflow
        elif kind > 8:
            if kind == 10:
                if k == len(edges):
                    break
                edges[k, 0], edges[k, 1], edges[k, 2] = time, value >> 8, value & 1
                k += 1
            elif kind < 14:
                state[UNKNOWN] += 1
        elif kind == 1:
            state[UNKNOWN] += 1
        i += _U(1)
    state[LOW], state[ROW], state[COLUMN], state[POLARITY] = low, row, column, polarity
    return i, n, k


@compiled
def _fill(words, n, state, high, bits, kind):
    """Writes high times from the last one towards `high`, both with all wraps, and returns the index after them.

    A quarter of the range at a time, and the last value before the first: so every reader sees the wraps, those too that ask
    for a step back by nearly all of the range.
    """
    quarter = bits - 2
    while max(state[LAST_HIGH], 0) >> quarter < high >> quarter and n + ROOM <= len(words):
        border = (max(state[LAST_HIGH], 0) >> quarter) + 1 << quarter
        if border >> bits << bits == border:
            words[n] = kind << bits | (1 << bits) - 1
            n += 1
        words[n] = kind << bits | border & (1 << bits) - 1
        state[LAST_HIGH], state[LAST_LOW] = border, -1
        n += 1
    return n


@compiled
def encode_evt2(t, x, y, p, edges, words, state):
    """Events and edges in the order of time as words uint32 [M] of EVT2."""
    i = k = n = 0
    while i < len(t) or k < len(edges):
        event = i < len(t) and (k == len(edges) or t[i] <= edges[k, 0])
        time = t[i] if event else edges[k, 0]
        n = _fill(words, n, state, time >> 6, 28, 8)
        if n + ROOM > len(words):
            break
        high, low = time >> 6, (time & 63) << 22
        if high != state[LAST_HIGH]:
            words[n] = 8 << 28 | high & 0xFFFFFFF
            state[LAST_HIGH] = high
            n += 1
        if event:
            words[n] = np.int64(p[i]) << 28 | low | np.int64(x[i]) << 11 | np.int64(y[i])
            i += 1
        else:
            words[n] = 10 << 28 | low | edges[k, 1] << 8 | edges[k, 2]
            k += 1
        n += 1
    return i, k, n


@compiled
def encode_evt3(t, x, y, p, edges, words, state):
    """Events and edges in the order of time as words uint16 [M] of EVT3.

    Events of one time, row and polarity with columns that rise by less than 32 become a vector of 12 + 12 + 8 where that is
    shorter, the only combination that cameras write.
    """
    i = k = n = 0
    while i < len(t) or k < len(edges):
        event = i < len(t) and (k == len(edges) or t[i] <= edges[k, 0])
        time = t[i] if event else edges[k, 0]
        n = _fill(words, n, state, time >> 12, 12, 8)
        if n + ROOM > len(words):
            break
        high, low = time >> 12, time & 0xFFF
        if high != state[LAST_HIGH]:
            words[n] = 8 << 12 | high & 0xFFF
            state[LAST_HIGH], state[LAST_LOW] = high, -1
            n += 1
        if low != state[LAST_LOW]:
            words[n] = 6 << 12 | low
            state[LAST_LOW] = low
            n += 1
        if not event:
            words[n] = 10 << 12 | edges[k, 1] << 8 | edges[k, 2]
            n += 1
            k += 1
            continue
        first, row, polarity = np.int64(x[i]), np.int64(y[i]), np.int64(p[i]) << 11
        if row != state[LAST_ROW]:
            words[n] = row
            state[LAST_ROW] = row
            n += 1
        mask, end = 1, i + 1
        while end < len(t) and t[end] == time and y[end] == row and p[end] == p[i] and x[end] > x[end - 1] and x[end] - first < 32:
            mask |= 1 << (x[end] - first)
            end += 1
        if end - i > 4:
            words[n], words[n + 1] = 3 << 12 | polarity | first, 4 << 12 | mask & 0xFFF
            words[n + 2], words[n + 3] = 4 << 12 | (mask >> 12) & 0xFFF, 5 << 12 | mask >> 24
            n += 4
        else:
            for j in range(i, end):
                words[n] = 2 << 12 | polarity | np.int64(x[j])
                n += 1
        i = end
    return i, k, n
