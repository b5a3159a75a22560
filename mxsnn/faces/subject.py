"""Who stands before the camera: everything about a person that does not move, drawn from a key.

Lengths are millimetres in the plane of the face, in the frame of geometry.py; reflectances are linear RGB from 0 to 1. Proportions
are drawn around the norms of Farkas (1994; 2005), man or woman, with spreads widened by WIDER for people of other origins; skin by
its Individual Typology Angle over the whole human range (Chardon et al. 1991; Del Bino & Bernerd 2013). Shape, skin, hair and age
are drawn independently of each other.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from mxsnn.faces.action_units import UNITS
from mxsnn.typing import Array

__all__ = ["Subject", "draw"]

#: Mean and standard deviation of women and men, mm: Farkas' measures of young adults. The last lines are estimates of ours.
NORMS: dict[str, tuple[float, float, float, float]] = {
    "face_height": (111.4, 4.8, 121.3, 5.9),  # n-gn
    "face_width": (130.0, 4.6, 137.1, 4.3),  # zy-zy
    "jaw_width": (91.1, 5.9, 97.1, 5.8),  # go-go
    "forehead": (63.0, 6.0, 67.1, 7.5),  # tr-n
    "nose_height": (48.9, 2.6, 53.0, 3.5),  # n-sn
    "nose_width": (31.4, 2.0, 34.9, 2.1),  # al-al
    "inner_canthi": (31.8, 2.3, 33.3, 2.7),  # en-en
    "eye_width": (30.7, 1.2, 31.3, 1.2),  # ex-en
    "eye_height": (10.9, 1.2, 10.4, 1.1),  # ps-pi
    "mouth_width": (50.2, 3.5, 54.5, 3.0),  # ch-ch
    "upper_lip": (20.1, 2.0, 22.3, 2.1),  # sn-sto
    "upper_vermilion": (8.7, 1.3, 8.0, 1.4),  # ls-sto
    "lower_vermilion": (9.4, 1.5, 9.3, 1.6),  # sto-li
    "brow_height": (23.0, 2.2, 19.5, 2.0),  # pupil to the middle of the brow
    "brow_thickness": (3.2, 0.7, 4.4, 0.8),  # half
    "ear_length": (59.0, 3.5, 63.0, 3.5),  # sa-sba
    "nose_depth": (17.0, 2.0, 19.0, 2.2),  # sn-prn
}
WIDER = 1.25
LENGTHS = tuple(NORMS)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Subject:
    """A person: a pytree of float32, so that people can be stacked, mixed and differentiated.

    length [17]: mm, in the order of NORMS. shape [12]: standard normal traits of form without a unit. Reflectances [3]: skin, lips,
    hair, iris, wall. age 0..1 (18 to 75 years). hair: how much of it falls (0 shaven to 1 long), recede 0..1, fringe 0..1.
    beard, moustache, stubble, freckles, glasses, brows: 0..1. gain [n_AU] and skew [n_AU]: how strongly this person's muscles move
    the skin, and how much more on the left (-1..1). grain [2, 64, 64]: the lattice that skin, hair and wall take their noise from.
    """

    length: Array
    shape: Array
    skin: Array
    lips: Array
    hair: Array
    iris: Array
    wall: Array
    age: Array
    hair_length: Array
    recede: Array
    fringe: Array
    beard: Array
    moustache: Array
    stubble: Array
    freckles: Array
    glasses: Array
    brows: Array
    gain: Array
    skew: Array
    grain: Array

    def mm(self, name: str) -> Array:
        """One of the lengths of NORMS, mm."""
        return self.length[..., LENGTHS.index(name)]


@jax.jit
def draw(key: Array) -> Subject:
    """A person from a key; `jax.vmap(draw)` draws many."""
    keys = iter(jax.random.split(key, 64))

    def uniform(low: float, high: float) -> Array:
        return jax.random.uniform(next(keys), (), jnp.float32, low, high)

    def chance(share: float) -> Array:
        return (uniform(0, 1) < share).astype(jnp.float32)

    man = chance(0.5)
    norms = jnp.array(list(NORMS.values()), jnp.float32)
    mean = jnp.where(man > 0, norms[:, 2], norms[:, 0])
    spread = WIDER * jnp.where(man > 0, norms[:, 3], norms[:, 1])
    length = mean + spread * _normal(next(keys), (len(LENGTHS),))

    age = uniform(0, 1)
    angle = jnp.deg2rad(uniform(-52, 60))  # ITA: below -30 dark, above 55 very light
    yellow, red = uniform(11, 19), uniform(9, 14)
    lightness = 50 + 15 * jnp.tan(angle) * 0.87
    skin = _linear_rgb(lightness, red, yellow)
    lips = _linear_rgb(lightness * uniform(0.80, 0.90), red + uniform(7, 13), yellow * 0.8)

    black, brown, blond, ginger, grey = jnp.array(
        [[0.015, 0.013, 0.012], [0.06, 0.038, 0.024], [0.30, 0.20, 0.10], [0.19, 0.075, 0.03], [0.34, 0.33, 0.32]], jnp.float32
    )
    share = jax.nn.softmax(3.0 * jax.random.gumbel(next(keys), (4,)) + jnp.array([4.0, 4.0, 2.5, 0.0]))
    young = share @ jnp.stack([black, brown, blond, ginger])
    hair = young + (grey - young) * jax.nn.sigmoid(12 * (age + uniform(-0.25, 0.15) - 0.72))
    eyes = jnp.array([[0.035, 0.018, 0.010], [0.10, 0.055, 0.025], [0.11, 0.12, 0.06], [0.11, 0.17, 0.25], [0.17, 0.20, 0.22]])
    iris = jax.nn.softmax(4.0 * jax.random.gumbel(next(keys), (5,)) + jnp.array([8.0, 5.0, 0.0, 0.0, 0.0])) @ eyes
    wall = uniform(0.10, 0.50) * (1 + 0.12 * _normal(next(keys), (3,)))

    bearded = man * chance(0.35)
    n = len(UNITS)
    return Subject(
        length=length,
        shape=_normal(next(keys), (12,)),
        skin=skin,
        lips=lips,
        hair=hair,
        iris=iris,
        wall=wall,
        age=age,
        hair_length=jnp.where(man > 0, jnp.where(uniform(0, 1) < 0.85, uniform(0.05, 0.40), uniform(0.5, 1)), uniform(0.25, 1)),
        recede=man * uniform(0, 1) * (0.2 + 0.8 * age),
        fringe=chance(0.3) * uniform(0.3, 1),
        beard=bearded * uniform(0.3, 1),
        moustache=jnp.maximum(bearded * uniform(0.3, 1), man * chance(0.12) * uniform(0.5, 1)),
        stubble=man * uniform(0, 0.5),
        freckles=chance(0.25) * uniform(0.2, 1),
        glasses=chance(0.2),
        brows=uniform(0.55, 1),
        gain=jnp.exp(0.12 * _normal(next(keys), (n,))),
        skew=0.08 * _normal(next(keys), (n,)),
        grain=jax.random.uniform(next(keys), (2, 64, 64), jnp.float32, -1, 1),
    )


def _normal(key: Array, shape: tuple[int, ...]) -> Array:
    """Standard normal, cut at two deviations: no monsters."""
    return jax.random.truncated_normal(key, -2, 2, shape, jnp.float32)


def _linear_rgb(lightness: Array, red: Array, yellow: Array) -> Array:
    """CIELAB (L*, a*, b*; D65) as linear sRGB [3], floored at 0.004: CIE 15 and IEC 61966-2-1."""
    y = (lightness + 16) / 116
    lab = jnp.stack([y + red / 500, y, y - yellow / 200])
    xyz = jnp.where(lab > 6 / 29, lab**3, 3 * (6 / 29) ** 2 * (lab - 4 / 29)) * jnp.array([0.95047, 1.0, 1.08883])
    matrix = jnp.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    return jnp.maximum(matrix @ xyz, 0.004)
