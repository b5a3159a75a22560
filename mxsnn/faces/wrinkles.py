"""The furrows and bulges that Action Units throw: heights over the face in mm, on the side of positive x."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import jax.numpy as jnp

from mxsnn.typing import Array

if TYPE_CHECKING:
    from mxsnn.faces.geometry import Lines
    from mxsnn.faces.subject import Subject


def hill(x: Array, y: Array, cx, cy, sx, sy) -> Array:
    """A Gaussian hill of height 1."""
    return jnp.exp(-0.5 * ((x - cx) / sx) ** 2) * jnp.exp(-0.5 * ((y - cy) / sy) ** 2)


def furrow(across: Array, along: Array, width, start, end) -> Array:
    """A furrow of depth 1 between two soft ridges: `across` its line in mm, `along` it from start to end in mm."""
    p = across / width
    profile = -jnp.exp(-(p**2)) + 0.45 * jnp.exp(-(((jnp.abs(p) - 2.0) / 1.1) ** 2))
    share = jnp.clip((along - start) / (end - start), 0, 1)
    return profile * (1 - (2 * share - 1) ** 4) ** 2


def _sum(parts: Iterable[Array]) -> Array:
    return functools.reduce(operator.add, parts)


def _forehead_inner(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    top = -s.mm("brow_height") - 8
    bend = 1.5 * jnp.sin(x / 9 + s.shape[9]) - 0.002 * x**2
    lines = [furrow(y - bend - (top - k), x, 1.3, -30 + 2 * i, 24 - 2 * i) for i, k in enumerate((6, 15, 24))]
    return 1.1 * _sum(lines)


def _forehead_outer(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    top = -s.mm("brow_height") - 6
    bend = 0.006 * (x - 36) ** 2
    return 1.0 * _sum(furrow(y - bend - (top - k), x, 1.3, 14, 56) for k in (6, 13, 20))


def _glabella(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    level = -s.mm("brow_height") + 3
    place = 6.0 + 0.6 * s.shape[9] + 0.08 * (level - y)
    vertical = furrow(x - place, y, 1.3, level - 14, level + 11)
    bulge = 1.0 * hill(x, y, 15, level, 6, 5)
    return 1.5 * vertical + bulge - 0.4 * hill(x, y, 28, -9, 12, 4)


def _nose_root(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    across = _sum(furrow(y - (m.nasion + k) + 0.012 * x**2, x, 1.2, -9, 11) for k in (-3, 4))
    slanted = _sum(furrow((y - (m.nasion + 17 + k)) * 0.8 - (x - 8) * 0.6, x, 1.2, 3, 13) for k in (-5, 1, 7))
    return 0.9 * across + 1.1 * slanted


def _crow(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    cx, cy = m.eye_x + s.mm("eye_width") / 2 + 2, m.eye_y
    return 1.0 * _sum(furrow((y - cy) - slope * (x - cx), x, 1.1, cx + 1, cx + 19) for slope in (-0.65, -0.15, 0.35, 0.85))


def _infraorbital(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    u = (x - m.eye_x) / 15
    line = m.eye_y + 8.5 - 3 * u**2 + 1.0 * u
    return 1.2 * furrow(y - line, x, 1.3, m.eye_x - 15, m.eye_x + 16) + 1.1 * hill(x, y, m.eye_x, m.eye_y + 6, 11, 2.2)


def _lid_crease(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    u = (x - m.eye_x) / 16
    return 0.5 * hill(x, y - 2.5 * u**2, m.eye_x, -8.5, 10, 1.6)


def nasolabial_line(s: Subject, m: Lines, y: Array) -> Array:
    """x of the fold that runs from the nose's wing past the corner of the mouth, at y."""
    t = (y - (m.subnasale - 8)) / (m.stomion + 6 - (m.subnasale - 8))
    start = s.mm("nose_width") / 2 + 2.5
    return start + (m.mouth + 6.5 - start) * jnp.clip(t, -0.2, 1.3) ** 1.0 + 2.5 * jnp.sin(jnp.pi * jnp.clip(t, 0, 1))


def _nasolabial(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    line = nasolabial_line(s, m, y)
    fold = furrow((x - line) * 0.8, y, 1.7, m.subnasale - 9, m.stomion + 7)
    return 1.5 * fold + 1.6 * hill(x - line, y, 7, (m.subnasale + m.stomion) / 2 - 4, 5, 12)


def _nasolabial_upper(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    line = nasolabial_line(s, m, y)
    fold = furrow((x - line) * 0.8, y, 1.6, m.subnasale - 20, m.subnasale + 9)
    return 1.7 * fold + 1.3 * hill(x - line, y, 6, m.subnasale - 6, 5, 8)


def _cheek_bulge(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    return 3.2 * hill(x, y, m.eye_x + 7, m.subnasale - 12, 12, 9)


def _dimple(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    cx = m.mouth + 4.0
    bow = 0.02 * (y - m.stomion) ** 2
    pit = -2.0 * hill(x, y, cx, m.stomion, 2.2, 4.0)
    return pit + 1.3 * hill(x + bow, y, cx + 5.5, m.stomion, 2.6, 7.5) + 0.8 * hill(x, y, cx - 5, m.stomion + 4, 3, 3)


def _corner_fold(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    line = m.mouth + 1.0 + 0.1 * (y - m.stomion) + 0.012 * (y - m.stomion) ** 2
    fold = furrow(x - line, y, 1.6, m.stomion - 3, m.stomion + 15)
    return 1.5 * fold + 1.3 * hill(x, y, m.mouth - 6, m.stomion + 12, 6, 4) - 1.2 * hill(x, y, m.mouth + 1, m.stomion + 3, 3, 2)


def _chin_boss(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    waves = ((0.7 + 0.13 * k, 2.4 * k) for k in range(6))  # the golden angle: they never line up
    pits = _sum(jnp.sin(f * (x * math.cos(a) + y * math.sin(a)) + 3 * a) for f, a in waves)
    return 0.26 * pits * hill(x, y, 0, m.gnathion - 15, 10, 7) + 1.6 * hill(x, y, 0, m.gnathion - 15, 11, 7)


def _mentolabial(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    line = m.stomion + 16 + 0.010 * x**2
    return 1.8 * furrow(y - line, x, 2.0, -18, 18)


def _cheek_line(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    rows = [furrow((x - m.mouth - k) + 0.03 * (y - m.stomion) ** 2 / 3, y, 1.5, m.stomion - 11, m.stomion + 13) for k in (7, 14)]
    return 1.3 * _sum(rows) - 0.8 * hill(x, y, 0, m.gnathion - 14, 16, 9)


def _lip_rim(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    fine = jnp.sin(x * 1.5 + 0.5) * (hill(x, y, 0, m.stomion - 8, 14, 3) + hill(x, y, 0, m.stomion + 9, 12, 3))
    rim = hill(x, y, 0, m.stomion - 9.5, 15, 1.8) + hill(x, y, 0, m.stomion + 11, 13, 1.8)
    return 0.35 * fine + 0.9 * rim


def _lip_press(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    above = hill(x, y, 0, m.stomion - 7.5, 17, 2.6)
    below = hill(x, y, 0, m.stomion + 8.5, 15, 2.6)
    return 1.6 * (above + below) - 1.0 * hill(x, y, m.mouth + 2, m.stomion, 3, 3)


def _masseter(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    body = hill(x - 0.10 * (m.stomion - y), y, m.jaw - 8, m.stomion - 8, 7.5, 15)
    return 4.2 * body - 1.4 * hill(x, y, m.jaw - 22, m.stomion - 6, 6, 16)


def _cheek_hollow(s: Subject, m: Lines, x: Array, y: Array) -> Array:
    return -2.6 * hill(x, y, m.mouth + 15, m.stomion, 8, 16)


#: Name of a wrinkle: its height [mm], given a subject, its lines, and x, y in mm.
WRINKLES: dict[str, Callable[..., Array]] = {
    "forehead_inner": _forehead_inner,
    "forehead_outer": _forehead_outer,
    "glabella": _glabella,
    "nose_root": _nose_root,
    "crow": _crow,
    "infraorbital": _infraorbital,
    "lid_crease": _lid_crease,
    "nasolabial": _nasolabial,
    "nasolabial_upper": _nasolabial_upper,
    "cheek_bulge": _cheek_bulge,
    "dimple": _dimple,
    "corner_fold": _corner_fold,
    "chin_boss": _chin_boss,
    "mentolabial": _mentolabial,
    "cheek_line": _cheek_line,
    "lip_rim": _lip_rim,
    "lip_press": _lip_press,
    "masseter": _masseter,
    "cheek_hollow": _cheek_hollow,
}
