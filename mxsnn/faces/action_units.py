"""The Action Units of FACS: which muscle moves which part of the face where, which wrinkles it throws, what it opens.

Source: Ekman, Friesen & Hager, "Facial Action Coding System", 2002, for names, muscles, directions and wrinkles; the lengths are
estimates of ours for a wide movement (level E) of an average face.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

__all__ = ["INDEX", "UNITS", "Unit"]


@dataclasses.dataclass(frozen=True)
class Unit:
    """An Action Unit at intensity 1.

    moves: anchor of geometry.ANCHORS -> (outward, up) in mm; outward counts on both sides, and is nothing on the midline.
    lids: (upper lid raised, lower lid raised, eye closed), in apertures of the open eye.
    lips: (upper lip raised, lower lip lowered at the seam in mm, upper lip thinned, lower lip thinned).
    wrinkles: name in wrinkles.WRINKLES -> depth.
    one: whether both sides move as one, as the jaw does; the mean of left and right counts.
    """

    number: int
    name: str
    muscle: str
    moves: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    lids: tuple[float, float, float] = (0, 0, 0)
    lips: tuple[float, float, float, float] = (0, 0, 0, 0)
    wrinkles: Mapping[str, float] = dataclasses.field(default_factory=dict)
    one: bool = False


UNITS: tuple[Unit, ...] = (
    Unit(
        1,
        "inner brow raiser",
        "frontalis, medial part",
        {
            "brow_inner": (0.5, 9),
            "brow_middle": (0, 3.5),
            "forehead_inner": (0, 6),
            "forehead_middle": (0, 6),
            "glabella": (0, 5),
            "lid_fold": (-0.5, 1.2),
        },
        lids=(0.04, 0, 0),
        wrinkles={"forehead_inner": 1},
    ),
    Unit(
        2,
        "outer brow raiser",
        "frontalis, lateral part",
        {
            "brow_inner": (0, 0.8),
            "brow_middle": (0, 6),
            "brow_outer": (0.5, 9),
            "forehead_outer": (0, 6),
            "lid_fold": (0.5, 2),
            "temple": (0, 2),
        },
        lids=(0.04, 0, 0),
        wrinkles={"forehead_outer": 1},
    ),
    Unit(
        4,
        "brow lowerer",
        "corrugator and depressor supercilii, depressor glabellae",
        {
            "brow_inner": (-4.5, -6.5),
            "brow_middle": (-3, -5.5),
            "brow_outer": (-1.5, -2.5),
            "glabella": (0, -4.5),
            "forehead_inner": (-2, -3.5),
            "forehead_middle": (0, -2.5),
            "forehead_outer": (-1, -2),
            "nasion": (0, -1.5),
            "lid_fold": (0, -2.5),
            "nose_side": (-0.5, -1),
        },
        lids=(-0.14, 0, 0),
        wrinkles={"glabella": 1},
    ),
    Unit(
        5,
        "upper lid raiser",
        "levator palpebrae superioris",
        {"lid_fold": (0, 1.8)},
        lids=(0.32, -0.04, 0),
        wrinkles={"lid_crease": -0.7},
    ),
    Unit(
        6,
        "cheek raiser",
        "orbicularis oculi, orbital part",
        {
            "infraorbital": (-1.0, 3.5),
            "cheek": (-0.5, 5.5),
            "crow": (-3, 1),
            "brow_outer": (-0.5, -2.2),
            "cheek_outer": (-1.5, 3),
            "brow_middle": (0, -1),
        },
        lids=(-0.08, 0.22, 0),
        wrinkles={"crow": 1, "infraorbital": 0.6, "cheek_bulge": 0.7, "nasolabial": 0.25},
    ),
    Unit(
        7,
        "lid tightener",
        "orbicularis oculi, palpebral part",
        {"infraorbital": (-0.8, 1.2), "crow": (-0.8, 0)},
        lids=(-0.16, 0.34, 0),
        wrinkles={"infraorbital": 1, "crow": 0.15},
    ),
    Unit(
        9,
        "nose wrinkler",
        "levator labii superioris alaeque nasi",
        {
            "ala": (0.8, 5.5),
            "nose_side": (-0.5, 3),
            "nasolabial": (0, 4),
            "upper_lip": (0, 3.5),
            "philtrum": (0, 2.5),
            "nose_tip": (0, 2.2),
            "brow_inner": (-3, -3.5),
            "glabella": (0, -3),
            "nasion": (0, -2),
            "infraorbital": (-1, 3),
            "cheek": (0, 2),
            "subnasale": (0, 2.2),
        },
        lids=(-0.12, 0.18, 0),
        lips=(0.6, 0, 0, 0),
        wrinkles={"nose_root": 1, "nasolabial_upper": 0.9, "infraorbital": 0.5},
    ),
    Unit(
        10,
        "upper lip raiser",
        "levator labii superioris",
        {
            "upper_lip": (0, 5.5),
            "upper_lip_side": (0.5, 5.5),
            "philtrum": (0, 4.5),
            "nasolabial": (1, 4.5),
            "ala": (1.2, 2),
            "cheek": (0, 2),
            "infraorbital": (0, 1),
        },
        lips=(1.6, 0, 0, 0),
        wrinkles={"nasolabial_upper": 1, "nasolabial": 0.4, "cheek_bulge": 0.3},
    ),
    Unit(
        12,
        "lip corner puller",
        "zygomaticus major",
        {
            "corner": (8, 7.5),
            "corner_side": (6, 7),
            "upper_lip_side": (3, 2.0),
            "lower_lip_side": (3.5, 1.5),
            "nasolabial": (3, 4.5),
            "cheek": (1, 5),
            "below_corner": (4, 5),
            "cheek_outer": (2, 3),
            "infraorbital": (0, 1.5),
            "upper_lip": (0, -0.5),
            "ala": (1.2, 0.5),
            "jaw": (0.5, 2),
        },
        lids=(0, 0.08, 0),
        lips=(0, 0, 0.28, 0.22),
        wrinkles={"nasolabial": 1, "cheek_bulge": 1, "dimple": 0.25},
    ),
    Unit(
        14,
        "dimpler",
        "buccinator",
        {
            "corner": (4, 0.3),
            "corner_side": (-2.5, 0),
            "below_corner": (0.5, 1),
            "upper_lip_side": (1, 0),
            "lower_lip_side": (1, 0),
        },
        lips=(0, 0, 0.22, 0.22),
        wrinkles={"dimple": 1.2, "nasolabial": 0.2},
    ),
    Unit(
        15,
        "lip corner depressor",
        "depressor anguli oris",
        {
            "corner": (0.5, -7),
            "corner_side": (0.5, -5),
            "below_corner": (0, -4),
            "upper_lip_side": (0, -1.5),
            "lower_lip_side": (0.5, -2),
            "nasolabial": (0, -1.5),
            "jaw": (0, -1),
        },
        lips=(0, 0, 0.08, 0.05),
        wrinkles={"corner_fold": 1, "mentolabial": 0.3},
    ),
    Unit(
        17,
        "chin raiser",
        "mentalis",
        {
            "chin": (0, 6),
            "chin_side": (-0.5, 3.5),
            "mentolabial": (0, 6),
            "lower_lip": (0, 5),
            "lower_lip_side": (0, 3.2),
            "upper_lip": (0, 2.2),
            "upper_lip_side": (0, 1),
            "philtrum": (0, 0.8),
            "corner": (0, -1.5),
            "gnathion": (0, 2),
        },
        lips=(0, 0, 0.1, 0.1),
        wrinkles={"chin_boss": 1, "mentolabial": 1},
        one=True,
    ),
    Unit(
        20,
        "lip stretcher",
        "risorius with platysma",
        {
            "corner": (8, -1.5),
            "corner_side": (6.5, -1),
            "upper_lip_side": (3, -0.3),
            "lower_lip_side": (3.5, 0),
            "below_corner": (6, -1.5),
            "cheek_outer": (0.7, -0.5),
            "nasolabial": (2.5, -0.3),
            "jaw": (0.8, -1),
            "chin_side": (2, 0),
        },
        lips=(0, 0.5, 0.32, 0.32),
        wrinkles={"cheek_line": 1},
    ),
    Unit(
        23,
        "lip tightener",
        "orbicularis oris",
        {
            "corner": (-4.5, 0),
            "corner_side": (-3, 0),
            "upper_lip_side": (-2, 0.2),
            "lower_lip_side": (-2, 0),
            "below_corner": (-2, 0),
        },
        lips=(0, 0, 0.45, 0.45),
        wrinkles={"lip_rim": 1},
        one=True,
    ),
    Unit(
        24,
        "lip pressor",
        "orbicularis oris",
        {
            "upper_lip": (0, -1.2),
            "upper_lip_side": (0, -1.0),
            "lower_lip": (0, 1.8),
            "lower_lip_side": (0, 1.2),
            "mentolabial": (0, 1.5),
            "corner": (-1.0, 0),
        },
        lips=(0, 0, 0.9, 0.9),
        wrinkles={"lip_press": 1, "chin_boss": 0.2},
        one=True,
    ),
    Unit(
        25,
        "lips part",
        "depressor labii inferioris, or relaxed mentalis or orbicularis oris",
        {"lower_lip": (0, -1.2), "lower_lip_side": (0, -0.8)},
        lips=(1.6, 4.0, 0, 0),
        one=True,
    ),
    Unit(
        26,
        "jaw drop",
        "masseter, temporalis and internal pterygoid relaxed",
        {
            "chin": (0, -10),
            "chin_side": (0, -9.5),
            "gnathion": (0, -11),
            "under_chin": (0, -9),
            "mentolabial": (0, -8),
            "lower_lip": (0, -3.5),
            "lower_lip_side": (0, -3),
            "jaw": (-0.5, -6),
            "below_corner": (-0.5, -3.5),
            "gonion": (0, -1.5),
            "corner": (-0.5, -1),
        },
        lips=(0.6, 8.0, 0.05, 0.05),
        wrinkles={"cheek_hollow": 0.5},
        one=True,
    ),
    Unit(
        27,
        "mouth stretch",
        "pterygoids, digastric",
        {
            "chin": (0, -24),
            "chin_side": (-1, -22),
            "gnathion": (0, -26),
            "under_chin": (0, -20),
            "mentolabial": (0, -18),
            "lower_lip": (0, -9),
            "lower_lip_side": (1.0, -10),
            "jaw": (-2.5, -14),
            "below_corner": (-1.0, -13),
            "gonion": (-1, -4),
            "corner": (-3, -3),
            "corner_side": (-2.5, -3),
            "nasolabial": (-1, -1.5),
            "upper_lip": (0, 0.5),
            "cheek": (0, -1.5),
            "cheek_outer": (-1, -1.5),
        },
        lips=(2.0, 20.0, 0.18, 0.15),
        wrinkles={"cheek_hollow": 1.2},
        one=True,
    ),
    Unit(
        31,
        "jaw clencher",
        "masseter",
        {"gonion": (2.8, 0.6), "jaw": (1.2, 0.5), "cheek_outer": (0.8, 0)},
        wrinkles={"masseter": 1},
    ),
    Unit(
        45,
        "blink",
        "levator palpebrae superioris relaxed; orbicularis oculi, palpebral part",
        {"lid_fold": (0, -1.2), "infraorbital": (0, 0.3)},
        lids=(0, 0.0, 1),
        wrinkles={"lid_crease": 0.6},
    ),
)

#: Where an Action Unit stands in UNITS and in the arrays of intensities, by its number.
INDEX: dict[int, int] = {unit.number: place for place, unit in enumerate(UNITS)}
