"""Action Units as coders write them: "4+L7+R10", "12A", "AU1 + AU2"."""

from __future__ import annotations

import re
from typing import NamedTuple

from mxsnn.errors import UserError

LETTERS = {letter: (k + 1) / 5 for k, letter in enumerate("ABCDE")}
"""FACS' intensities, from trace to maximum, as parts of the maximum."""

_SIDES = {"L": "left", "R": "right", "B": "both", "": "both"}
_UNIT = re.compile(r"([LRB]?)(?:AU)?([LRB]?)(\d{1,2})([A-E]?)([LR]?)", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:[+,;&]|\band\b)\s*|\s+(?=\D*\d)", re.IGNORECASE)


class Unit(NamedTuple):
    """An Action Unit: "AU12", the side of the face, and the intensity from 0 to 1 where a letter A to E gives it."""

    name: str
    side: str
    intensity: float | None


def parse_aus(text: str) -> tuple[Unit, ...]:
    """The units of a coder's text, in its order; a unit named twice counts once, on both sides where the sides differ.

    A unit is a number with AU before it or not, L, R or B (left, right, bilateral) before it, or L or R after it, and A to
    E for its intensity; between units stand +, commas, semicolons or spaces.

    Raises: UserError for anything else, such as alternatives ("12 or 15") and question marks.
    """
    units: dict[str, Unit] = {}
    for word in filter(None, _BETWEEN.split(text.strip())):
        match = _UNIT.fullmatch(word.strip())
        if not match or sum(map(bool, (match[1], match[2], match[5]))) > 1:
            raise UserError(f"{word!r} in {text!r} is no Action Unit; write it like 12, L12 or 12B")
        side = _SIDES[(match[1] or match[2] or match[5]).upper()]
        unit = Unit(f"AU{int(match[3])}", side, LETTERS.get(match[4].upper()))
        seen = units.get(unit.name, unit)
        strongest = max((u.intensity for u in (seen, unit) if u.intensity is not None), default=None)
        units[unit.name] = Unit(unit.name, side if seen.side == side else "both", strongest)
    return tuple(units.values())
