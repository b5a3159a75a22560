"""Left and right in the names of what faces and other subjects do, when their image is mirrored.

A name is made of parts joined by "+". What counts in a part: the words left and right, also as in `turn_left` and `LeftWink`, but
not as in "upright"; the letters L and R that stand alone, as in `wink_L`; the ways that a clock turns, clockwise or cw, and
counterclockwise or ccw; and Action Units as FACS' coders write them, in capitals or not: a side as in L12 and AU12R, and the units
that are a direction, AU51 and AU52 (head turned left and right), AU55 and AU56 (tilted), AU61 and AU62 (eyes).

Source: Ekman, Friesen & Hager, "Facial Action Coding System", 2002.
"""

from __future__ import annotations

import re

_OTHER = {"left": "right", "right": "left", "L": "R", "R": "L", "l": "r", "r": "l"}
_TURNED = {"51": "52", "52": "51", "55": "56", "56": "55", "61": "62", "62": "61"}
#: Side, AU, side; number; intensity, side. No more than one side, and it or AU, since a mere number may be anything.
_UNIT = re.compile(r"([LRB]?)(AU)?([LRB]?)(\d{1,2})([A-E]?)([LR]?)", re.IGNORECASE)
_LETTER = re.compile(r"(?<![A-Za-z0-9])[LRlr](?![A-Za-z0-9])")
_CLOCK = ("clockwise", "counterclockwise"), ("cw", "ccw")


def other(side: str) -> str:
    """The side across: "left" of "right", "right" of "left", else the same."""
    return _OTHER.get(side, side)


def mirrored(name: str) -> str:
    """The name with left and right exchanged: of what a mirror shows."""
    return "+".join(_mirrored(part) for part in name.split("+"))


def upside_down(name: str) -> str:
    """The name with the words up and down exchanged, and the ways that a clock turns."""
    return _turned(_exchange(name, "up", "down"))


def symmetric(name: str, side: str) -> str:
    """The name of what a face shows whose other side has become the mirror image of `side`, the face's own left or right.

    What was on that side is on both: the word becomes "both", a unit loses its letter. What was on the other side is gone, and so
    is what has a direction. "" where nothing is left.
    """
    return "+".join(filter(None, (_symmetric(part, side) for part in name.split("+"))))


def _mirrored(part: str) -> str:
    if unit := _unit(part):
        before, au, after, number, intensity, last = unit
        return other(before) + au + other(after) + _TURNED.get(number, number) + intensity + other(last)
    return _turned(_LETTER.sub(lambda found: other(found[0]), _exchange(part, "left", "right")))


def _turned(part: str) -> str:
    for one, another in _CLOCK:
        part = _exchange(part, one, another)
    return part


def _symmetric(part: str, side: str) -> str:
    if unit := _unit(part):
        letter = unit[0] or unit[2] or unit[5]
        gone = unit[3] in _TURNED or letter.upper() == other(side)[0].upper()
        return "" if gone else "".join(text for text in unit if text != letter or letter.upper() == "B")
    letters = {letter.lower() for letter in _LETTER.findall(part)}
    if _word(other(side)).search(part) or other(side)[0] in letters or _turned(part) != part:
        return ""
    both = _word(side).sub(lambda found: _like(found[0], "both"), part)
    return _LETTER.sub(lambda found: "B" if found[0].isupper() else "b", both)


def _unit(part: str) -> tuple[str, ...] | None:
    """The six texts of an Action Unit's name, or None."""
    found = _UNIT.fullmatch(part)
    sides = found and sum(map(bool, (found[1], found[3], found[6])))
    return found.groups("") if found and (sides == 1 or (found[2] and not sides)) else None


def _exchange(name: str, one: str, another: str) -> str:
    found = re.compile(f"{_word(one).pattern}|{_word(another).pattern}")
    return found.sub(lambda match: _like(match[0], another if match[0].lower() == one else one), name)


def _word(word: str) -> re.Pattern[str]:
    """A word in a name, at whose borders it does not go on: left, leftWink, LeftWink, turnLeft, TURN_LEFT."""
    return re.compile(
        rf"(?<![A-Za-z]){word}(?![a-z])|{word.capitalize()}(?![a-z])|(?<![A-Za-z]){word.upper()}(?![A-Za-z])",
    )


def _like(word: str, new: str) -> str:
    """Another word, in capitals as the first."""
    return new.upper() if word.isupper() else new.capitalize() if word[0].isupper() else new
