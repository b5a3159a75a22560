"""Compiled loop over the characters of a table of events."""

from __future__ import annotations

import numpy as np

from mxsnn.events.io._compiled import compiled
from mxsnn.events.io._source import NOWHERE

GOOD, BAD, POLARITY = range(3)
"""What a line is: an event, none, one whose polarity is not -1, 0 or 1."""

_LARGEST = np.iinfo(np.int64).max


@compiled
def parse(data, fields, scale, seen, t, x, y, p):
    """Lines of numbers between spaces, tabs, commas or semicolons, up to the last line break in uint8 `data`.

    `fields` [columns]: 0 to 3 for t, x, y, p, other columns are -1; times are multiplied by 10**`scale`. `seen` [3]:
    whether a polarity -1, 0, 1 was among them. Coordinates that int16 does not hold are `NOWHERE`. Returns bytes that are
    used up, lines and events among them, and what the last line is; a line that is no event is not used up.
    """
    k = lines = n = 0
    end = len(data)
    while end > 0 and data[end - 1] != 10:
        end -= 1
    while k < end:
        first = k
        column = 0
        while True:
            while data[k] == 32 or data[k] == 9 or data[k] == 44 or data[k] == 59 or data[k] == 13:
                k += 1
            if data[k] == 10:
                break
            if column == 0 and (data[k] == 35 or data[k] == 37):  # "#" and "%": a comment
                while data[k] != 10:
                    k += 1
                break
            field = fields[column] if column < len(fields) else -2
            value, k, good = _number(data, k, scale if field == 0 else 0, field >= 0)
            if not good or field == -2:
                return first, lines, n, BAD
            if field == 0:
                t[n] = value
            elif field == 1 or field == 2:
                if value < NOWHERE or value > 32767:
                    value = NOWHERE
                if field == 1:
                    x[n] = value
                else:
                    y[n] = value
            elif field == 3:
                if value < -1 or value > 1:
                    return first, lines, n, POLARITY
                seen[value + 1] = True
                p[n] = value == 1
            column += 1
        k += 1
        if column == len(fields):
            n += 1
        elif column > 0:
            return first, lines, n, BAD
        lines += 1
    return k, lines, n, GOOD


@compiled
def _number(data, k, scale, needed):
    """A number times 10**scale as a whole one, halves up; where it ends; whether it is one and, for scale 0, whole."""
    if not needed:
        while not _ends(data[k]):
            k += 1
        return 0, k, True
    if data[k] == 84 or data[k] == 70 or data[k] == 116 or data[k] == 102:  # True, False
        value = 1 if data[k] == 84 or data[k] == 116 else 0
        word = (114, 117, 101) if value else (97, 108, 115)
        for j in range(3):
            if data[k + 1 + j] != word[j] or data[k + 1] == 10:
                return 0, k, False
        k += 4 if value else 5
        return value, k, _ends(data[k])
    negative = data[k] == 45
    if negative or data[k] == 43:
        k += 1
    value = power = digits = 0
    point = False
    while True:
        if 48 <= data[k] <= 57:
            digits += 1
            if value < _LARGEST // 10 - 1:
                value = 10 * value + (data[k] - 48)
                power -= point
            elif not point:
                return 0, k, False  # larger than any time; digits behind the point that do not count are passed over
        elif data[k] == 46 and not point:
            point = True
        else:
            break
        k += 1
    if digits == 0:
        return 0, k, False
    if data[k] == 101 or data[k] == 69:
        k += 1
        less = data[k] == 45
        if less or data[k] == 43:
            k += 1
        exponent = digits = 0
        while 48 <= data[k] <= 57 and exponent < 1000:
            exponent = 10 * exponent + (data[k] - 48)
            digits += 1
            k += 1
        if digits == 0:
            return 0, k, False
        power += -exponent if less else exponent
    whole = scale == 0
    power += scale
    while power > 0 and value != 0:
        if value > _LARGEST // 10:
            return 0, k, False
        value *= 10
        power -= 1
    half = False
    while power < 0 and (value != 0 or half):
        if whole and value % 10 != 0:
            return 0, k, False
        half = value % 10 >= 5
        value //= 10
        power += 1
    value += half
    return -value if negative else value, k, _ends(data[k])


@compiled
def _ends(byte):
    return byte == 32 or byte == 9 or byte == 44 or byte == 59 or byte == 13 or byte == 10
