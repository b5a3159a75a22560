"""Where the parts of a face lie, and how Action Units move them.

The face's own frame: millimetres in the plane of the face, x to the image's right (the subject's left), y down, z towards the
camera; the origin lies between the pupils. Sides are numbered 0 for the subject's left, at x > 0, and 1 for the right.

A movement is a displacement of anchors. Between them the skin follows by a mean weighted with Gaussians (Shepard 1968):

    d(q) = sum_k g_k(q) delta_k / (REST + sum_k g_k(q)),   g_k(q) = exp(-|q - a_k - delta_k|^2 / 2 sigma_k^2)

which holds the anchors about where the table of Action Units wants them, overshoots nowhere, and dies away from the face. Round
Gaussians stay separable in the rows and columns of an image however the head is turned.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from mxsnn.faces.action_units import INDEX, UNITS
from mxsnn.faces.subject import Subject
from mxsnn.faces.wrinkles import WRINKLES
from mxsnn.typing import Array

REST = 0.03

#: Name of an anchor: (sigma in mm, how far it stands out of the head's round in mm).
SIDED: dict[str, tuple[float, float]] = {
    "brow_inner": (9, 3), "brow_middle": (10, 3), "brow_outer": (10, 1), "forehead_inner": (14, 0), "forehead_outer": (15, 0),
    "temple": (14, 0), "lid_fold": (7, -2), "infraorbital": (9, -1), "crow": (9, -1), "nose_side": (8, 4), "ala": (8, 10),
    "cheek": (13, 2), "cheek_outer": (17, 0), "nasolabial": (9, 2), "corner": (8, 3), "corner_side": (10, 0),
    "below_corner": (10, 2), "upper_lip_side": (7, 5), "lower_lip_side": (7, 5),
    "jaw": (15, 0), "gonion": (15, 0), "chin_side": (13, 2),
    "hair_line": (16, 0),
}  # fmt: skip
MIDDLE: dict[str, tuple[float, float]] = {
    "forehead_middle": (14, 0), "scalp": (18, 0), "glabella": (9, 2), "nasion": (8, 3), "nose_tip": (9, 20), "subnasale": (7, 9),
    "philtrum": (6, 6), "upper_lip": (6.5, 7), "lower_lip": (6.5, 7), "mentolabial": (9, 3), "chin": (13, 5), "gnathion": (14, 0),
    "under_chin": (18, -10),
}  # fmt: skip
ANCHORS: tuple[tuple[str, int], ...] = tuple((name, side) for side in (0, 1) for name in SIDED) + tuple(
    (name, 2) for name in MIDDLE
)
SIDE = np.array([side for _, side in ANCHORS])
SIGMA = np.array([(SIDED | MIDDLE)[name][0] for name, _ in ANCHORS], np.float32)
OUT = np.array([(SIDED | MIDDLE)[name][1] for name, _ in ANCHORS], np.float32)

_AWAY = np.array([1.0, -1.0, 0.0], np.float32)  # outward, along x, by side
#: [n_AU, K, 2]: how far an anchor moves, mm, at intensity 1 of its side.
MOVES = np.array(
    [
        [(_AWAY[side] * unit.moves.get(name, (0, 0))[0], -unit.moves.get(name, (0, 0))[1]) for name, side in ANCHORS]
        for unit in UNITS
    ],
    np.float32,
)
LIDS = np.array([unit.lids for unit in UNITS], np.float32)
LIPS = np.array([unit.lips for unit in UNITS], np.float32)
CREASES = np.array([[unit.wrinkles.get(name, 0) for name in WRINKLES] for unit in UNITS], np.float32)
ONE = np.array([unit.one for unit in UNITS])


class Lines(NamedTuple):
    """Heights and half widths that everything else is placed by, mm."""

    nasion: Array
    subnasale: Array
    stomion: Array
    gnathion: Array
    trichion: Array
    vertex: Array
    zygion: Array  # where the face is widest
    half: Array  # half of the widest
    jaw: Array  # half of the jaw's width
    eye_x: Array
    eye_y: Array
    mouth: Array  # half of the mouth's width


class Action(NamedTuple):
    """What the muscles of one face do: from `act`.

    delta [K, 2]: displacement of the anchors, mm. lids [2, 3]: by side, upper and lower lid raised, eye closed. lips [4]: upper lip
    up and lower lip down at the seam, mm; thinning of both. creases [2, n_wrinkles]: depth by side.
    """

    delta: Array
    lids: Array
    lips: Array
    creases: Array


def lines(s: Subject) -> Lines:
    nasion = -5.5 + 0.8 * s.shape[10]
    subnasale = nasion + s.mm("nose_height")
    return Lines(
        nasion=nasion,
        subnasale=subnasale,
        stomion=subnasale + s.mm("upper_lip"),
        gnathion=nasion + s.mm("face_height"),
        trichion=nasion - s.mm("forehead"),
        vertex=nasion - s.mm("forehead") - 31,
        zygion=jnp.float32(6.0),
        half=s.mm("face_width") / 2,
        jaw=s.mm("jaw_width") / 2 + 2 + 1.5 * s.shape[7],
        eye_x=(s.mm("inner_canthi") + s.mm("eye_width")) / 2,
        eye_y=jnp.float32(1.0),
        mouth=s.mm("mouth_width") / 2,
    )


def brow(s: Subject, along: Array) -> tuple[Array, Array]:
    """The brow's middle line, (x, y) for `along` from 0 (inner end) to 1 (outer end), on the side of positive x."""
    m = lines(s)
    x = m.eye_x - 20 + along * 44
    rise = -1.2 * s.shape[0] * (along - 0.5) * 2
    arch = (3.2 + 1.3 * s.shape[1]) * (1 - ((along - 0.62) / 0.62) ** 2)
    return x, -s.mm("brow_height") - rise - arch + 1.5


def seam(s: Subject, x: Array) -> Array:
    """Where the closed lips meet, y at x: stomion, with corners that hang or lift and a dent below the upper lip's tubercle."""
    m = lines(s)
    u = x / m.mouth
    return (
        m.stomion
        + (0.9 * s.shape[3] - 0.6) * u**2
        + 0.9 * jnp.exp(-((x / 5.0) ** 2))
        - 0.6 * jnp.exp(-(((jnp.abs(x) - 11) / 6.0) ** 2))
    )


def upper_lip(s: Subject, x: Array) -> Array:
    """Height of the upper vermilion above the seam at x, mm: a cupid's bow that runs out at the corners."""
    m = lines(s)
    u2 = jnp.clip((x / m.mouth) ** 2, 0, 1)
    bow = 1 - (0.16 + 0.05 * s.shape[8]) * jnp.exp(-((x / 3.6) ** 2))
    return s.mm("upper_vermilion") * (1 - u2) * (1 - 0.25 * u2) * bow


def lower_lip(s: Subject, x: Array) -> Array:
    """Height of the lower vermilion below the seam at x, mm."""
    m = lines(s)
    u2 = jnp.clip((x / (0.94 * m.mouth)) ** 2, 0, 1)
    return s.mm("lower_vermilion") * (1 - u2) * (1 + 0.3 * u2)


def half_width(s: Subject, y: Array) -> Array:
    """Half of the head's width at y, mm: an ellipse above the cheekbones, below them through the jaw's angle to the chin."""
    m = lines(s)
    up = jnp.clip((m.zygion - y) / (m.zygion - m.vertex), 0, 1)
    down = jnp.clip((y - m.zygion) / (m.gnathion - m.zygion), 0, 1)
    level = (m.stomion - 4 - m.zygion) / (m.gnathion - m.zygion)
    root = 0.48 - 0.03 * s.shape[4]
    power = jnp.clip(jnp.log(1 - jnp.minimum(m.jaw / m.half, 0.93) ** (1 / root)) / jnp.log(level), 1.5, 4)
    above = soft_power(1 - up**2.8, 0.44)
    below = soft_power(1 - (down + 1e-6) ** power, root)
    return m.half * jnp.where(y < m.zygion, above, below)


def soft_power(value: Array, power: Array | float) -> Array:
    """value^power from 0 to 1 whose slope stays finite at 0."""
    return ((jnp.maximum(value, 0) + 1e-4) ** power - 1e-4**power) / (1.0001**power - 1e-4**power)


def anchors(s: Subject) -> Array:
    """Positions of ANCHORS at rest, [K, 2] mm."""
    m = lines(s)
    inner, middle, outer = (brow(s, jnp.float32(along)) for along in (0.12, 0.5, 0.88))
    wing = s.mm("nose_width") / 2
    at = {
        "brow_inner": inner, "brow_middle": middle, "brow_outer": outer,
        "forehead_inner": (inner[0] + 3, inner[1] - 20), "forehead_outer": (outer[0] - 8, outer[1] - 18),
        "temple": (m.half - 8, -18), "hair_line": (30, m.trichion - 8),
        "lid_fold": (m.eye_x, -10.5), "infraorbital": (m.eye_x, 14), "crow": (m.eye_x + 0.5 * s.mm("eye_width") + 9, 1),
        "nose_side": (9, 9), "ala": (wing - 2, m.subnasale - 6), "cheek": (m.eye_x + 4, m.subnasale - 10),
        "cheek_outer": (m.half - 12, m.subnasale - 2), "nasolabial": (wing + 10, m.subnasale + 6),
        "corner": (m.mouth, m.stomion + 0.5), "corner_side": (m.mouth + 14, m.stomion),
        "below_corner": (m.mouth - 1, m.stomion + 17), "upper_lip_side": (0.45 * m.mouth, m.stomion - 7),
        "lower_lip_side": (0.45 * m.mouth, m.stomion + 8),
        "jaw": (m.jaw - 12, m.stomion + 18), "gonion": (m.jaw - 1, m.stomion - 6), "chin_side": (17, m.gnathion - 10),
        "forehead_middle": (0, inner[1] - 20), "scalp": (0, m.trichion - 6), "glabella": (0, inner[1] + 2),
        "nasion": (0, m.nasion + 3), "nose_tip": (0, m.subnasale - 10), "subnasale": (0, m.subnasale),
        "philtrum": (0, m.stomion - 13), "upper_lip": (0, m.stomion - 6), "lower_lip": (0, m.stomion + 7),
        "mentolabial": (0, m.stomion + 17), "chin": (0, m.gnathion - 13), "gnathion": (0, m.gnathion - 1),
        "under_chin": (0, m.gnathion + 16),
    }  # fmt: skip
    sign = {0: 1.0, 1: -1.0, 2: 0.0}
    return jnp.stack([jnp.stack([sign[side] * at[name][0], jnp.asarray(at[name][1], jnp.float32)]) for name, side in ANCHORS])


def act(s: Subject, au: Array) -> Action:
    """What intensities `au` [n_AU, 2], left and right of the subject, do to this face."""
    together = au.mean(-1, keepdims=True)
    own = jnp.where(ONE[:, None], together, au) * s.gain[:, None]
    own = own * (1 + s.skew[:, None] * jnp.where(ONE[:, None], 0, jnp.array([1.0, -1.0])))
    sides = jnp.concatenate([own, own.mean(-1, keepdims=True)], -1)  # [n_AU, 3]
    size = s.mm("face_width") / 134
    delta = size * jnp.einsum("akc,ak->kc", MOVES, sides[:, SIDE])
    lids = own.T @ LIDS
    # Closing is an end state: a blink closes the eye of whoever's muscles are weak, too.
    close = jnp.clip(au[INDEX[45]], 0, 1)
    lids = lids.at[:, 2].set(close)
    return Action(delta, lids, sides[:, 2] @ LIPS, own.T @ CREASES)


def lid_lines(s: Subject, lids: Array, u: Array, follow: Array) -> tuple[Array, Array]:
    """The margins of upper and lower lid, y in mm about the eye's middle, at `u` from -1 (inner corner) to 1 (outer).

    lids (..., 3): upper and lower raised, closed; `follow`: by how much the upper lid goes down with the gaze, in apertures.
    """
    height = s.mm("eye_height")
    raise_upper, raise_lower, close = lids[0], lids[1], lids[2]
    inside = jnp.clip(1 - u**2, 0, 1)
    tilt = -(0.9 + 0.7 * s.shape[2]) * u  # the outer corner lies higher
    # The upper lid is highest a little inward of the middle, the lower one lowest a little outward.
    top = (0.53 + raise_upper - follow) * inside * (1 - 0.16 * u)
    bottom = (0.41 - raise_lower) * inside * (1 + 0.22 * u)
    bottom = jnp.maximum(bottom, -0.10 * inside)
    top = (1 - close) * jnp.maximum(top, -bottom) - close * (bottom - 0.02 * inside)
    return tilt - height * top, tilt + height * bottom
