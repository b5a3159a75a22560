"""A person as a picture that can be moved: skin, brows, lips, hair and wall, lit and baked once."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from mxsnn.faces import geometry
from mxsnn.faces.light import Light
from mxsnn.faces.pose import FIELD, MIDDLE
from mxsnn.faces.subject import Subject
from mxsnn.faces.wrinkles import WRINKLES, hill
from mxsnn.typing import Array

__all__ = ["LUMINANCE", "Baked", "bake"]

#: Luminance of linear RGB: Recommendation ITU-R BT.709.
LUMINANCE = (0.2126, 0.7152, 0.0722)
#: What the texture shows of the face's frame, mm: left, top, right, bottom.
EXTENT = (-104.0, -136.0, 104.0, 144.0)
#: Texels on a pixel's side: more than one, so that a face that drifts by a fraction of a pixel keeps its contrast.
TEXELS = 1.4
#: The finest that is drawn before it is averaged to texels, mm.
FINEST = 0.7

#: How deep a wrinkle lies at rest in the oldest faces.
AGED = {
    "forehead_inner": 0.2,
    "forehead_outer": 0.18,
    "nasolabial": 0.55,
    "crow": 0.4,
    "infraorbital": 0.5,
    "corner_fold": 0.35,
    "glabella": 0.3,
}
#: Colours of what is drawn frame by frame, in the order of Baked.paint.
PAINTS = ("sclera", "iris", "ring", "pupil", "caruncle", "lash", "glint", "cavity", "teeth", "tongue", "frame")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Baked:
    """A subject in a light at a resolution, ready to move: a pytree, from `bake`.

    colour [C, h, w]: head, neck and hair at rest, premultiplied by alpha [h, w], as reflectance times shade. creases [n, h, w]:
    relative change of colour by a wrinkle at depth 1, left ones first. turned [2, h, w]: the same by a radian of yaw and of pitch.
    wall [C, H, W]. paint [11, C]: PAINTS, with their shade. C is 3, linear RGB, or 1, luminance. size: (H, W) in pixels.
    """

    subject: Subject
    light: Array
    colour: Array
    alpha: Array
    creases: Array
    turned: Array
    wall: Array
    paint: Array
    size: tuple[int, int] = dataclasses.field(metadata={"static": True})

    @property
    def texel(self) -> tuple[float, float]:
        """Width and height of a texel, mm."""
        h, w = self.alpha.shape[-2:]
        return (EXTENT[2] - EXTENT[0]) / w, (EXTENT[3] - EXTENT[1]) / h


def one_colour(baked: Baked, k: int) -> Baked:
    """The same in the colour `k` alone."""
    part = slice(k, k + 1)
    return dataclasses.replace(baked, colour=baked.colour[part], wall=baked.wall[part], paint=baked.paint[:, part])


def luminance(baked: Baked) -> Baked:
    """The same in one channel."""
    weights = jnp.array(LUMINANCE)
    if baked.colour.shape[0] == 1:
        return baked
    return dataclasses.replace(
        baked,
        colour=jnp.tensordot(weights, baked.colour, 1)[None],
        wall=jnp.tensordot(weights, baked.wall, 1)[None],
        paint=baked.paint @ weights[:, None],
    )


def bake(subject: Subject, size: tuple[int, int], light: Light | None = None) -> Baked:
    """A subject as it looks at rest in this light (Light() unless given), for images of size (H, W) pixels.

    Everything that stays the same from frame to frame is computed here once.
    """
    return _bake(subject, Light() if light is None else light, tuple(size))


def _noise(grain: Array, x: Array, y: Array, wave: float) -> Array:
    """Smooth noise from -1 to 1 with this wavelength, mm: a lattice of random values, repeated every 64.

    Where x is a row and y a column, it is a product of matrices.
    """
    x, y = x / wave * 2, y / wave * 2
    i, j = jnp.floor(y), jnp.floor(x)
    v, u = y - i, x - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    i, j = i.astype(jnp.int32) % 64, j.astype(jnp.int32) % 64
    if x.shape[0] == 1 and y.shape[1] == 1:
        across, down = (_between(place[:, None], share[:, None]) for place, share in ((j[0], u[0]), (i[:, 0], v[:, 0])))
        return down @ grain @ across.T

    def at(below: int, right: int) -> Array:
        return grain.reshape(-1)[(i + below) % 64 * 64 + (j + right) % 64]

    return (at(0, 0) * (1 - u) + at(0, 1) * u) * (1 - v) + (at(1, 0) * (1 - u) + at(1, 1) * u) * v


def _between(place: Array, share: Array) -> Array:
    """Weights [n, 64] of a lattice's points at `share` of the way from `place` to the next."""
    lattice = jnp.arange(64)
    return (lattice == place) * (1 - share) + (lattice == (place + 1) % 64) * share


def _soft(value: Array, width) -> Array:
    """0 to 1 where `value` rises through 0, over about `width`."""
    return jax.nn.sigmoid(4 * value / width)


def _vector(*parts) -> Array:
    """Stacked [3, h, w] from what broadcasts to [h, w]."""
    return jnp.stack(jnp.broadcast_arrays(*parts))


def _mix(base: Array, over: Array, alpha: Array) -> Array:
    return base + (over - base) * alpha


def _relief(s: Subject, x: Array, y: Array) -> tuple[Array, Array]:
    """Height of the head's surface, mm, and the share of the room that each point sees."""
    m = geometry.lines(s)
    r = jnp.abs(x)
    t = jnp.where(y < m.zygion, (m.zygion - y) / (m.zygion - m.vertex), (y - m.zygion) / (m.gnathion - m.zygion))
    width = geometry.half_width(s, jnp.clip(y, m.vertex + 2, m.gnathion - 1.0))
    inside = 1 - (x / (width + 2)) ** 4 * 0.75 - 0.25 * (x / (width + 2)) ** 2 - 0.80 * jnp.clip(t, 0, 1.2) ** 5
    rim = 0.03  # from here on outward the surface falls in a straight line, so that its edge stays dark
    z = 62 * (jnp.maximum(inside, rim) ** 0.42 + 0.42 * rim**-0.58 * jnp.minimum(inside - rim, 0))

    f = s.shape
    brow_x, brow_y = geometry.brow(s, jnp.float32(0.45))
    tip = m.subnasale - 9
    # The nose: a ridge that grows towards the tip, the tip's ball, the wings.
    down = jnp.clip((y - m.nasion) / (tip - m.nasion), -0.4, 1.15)
    ridge_width = 5.2 + 2.6 * jnp.clip(down, 0, 1) ** 2 + 0.5 * f[5]
    depth = s.mm("nose_depth") + 2
    ridge = (0.22 + 0.60 * jnp.clip(down, 0, 1.05) ** 1.3) * depth * jnp.exp(-0.5 * (x / ridge_width) ** 2)
    ridge = ridge * _soft(m.subnasale - 4.5 - y, 12.0) * _soft(y - m.nasion + 9, 14.0)
    wing = s.mm("nose_width") / 2
    nose = ridge + 5.5 * hill(x, y, 0, tip, 7 + 0.6 * f[5], 6.0) + 6.5 * hill(r, y, wing - 4.2, m.subnasale - 6, 4.2, 5.0)
    lids = 4.2 * hill(r, y, m.eye_x, m.eye_y - 0.5, 10.5, 7.0)
    socket = -(6.5 + f[10]) * hill(r, y, m.eye_x - 2, m.eye_y - 3, 14, 9)
    arch = (2.6 + 0.7 * f[9]) * hill(r, y, brow_x, brow_y + 1, 20, 6)
    cheek = (3.6 + f[6]) * hill(r, y, m.eye_x + 15, m.eye_y + 24, 15, 13) + 1.5 * f[7] * hill(r, y, 36, m.stomion - 6, 16, 18)
    muzzle = 5.0 * hill(x, y, 0, m.stomion - 1, 23, 17)
    philtrum = -0.9 * hill(x, y, 0, m.stomion - 13, 2.4, 5) + 0.4 * hill(r, y, 4.6, m.stomion - 13, 1.8, 5)
    seam = geometry.seam(s, x)
    upper, lower = geometry.upper_lip(s, x) + 0.6, geometry.lower_lip(s, x) + 0.6
    v = y - seam
    lip = 2.6 * jnp.exp(-(((v + 0.55 * upper) / (0.62 * upper)) ** 2)) * jnp.clip((upper - 0.6) / 3.5, 0, 1)
    lip = lip + 3.6 * jnp.exp(-(((v - 0.5 * lower) / (0.58 * lower)) ** 2)) * jnp.clip((lower - 0.6) / 3.5, 0, 1)
    crease = -1.6 * jnp.exp(-((v / 1.3) ** 2)) * _soft(m.mouth + 2 - r, 4)
    fold = -3.2 * hill(x, y, 0, m.stomion + 17, 15, 4.5)
    chin = (4.5 + 0.5 * f[4]) * hill(x, y, 0, m.gnathion - 12, 13, 9)
    temples = -2.5 * hill(r, y, m.half - 10, -26, 9, 18)
    z = z + nose + lids + socket + arch + cheek + muzzle + philtrum + lip + crease + fold + chin + temples

    # Age digs in what the muscles have folded for years.
    old = s.age**2
    for name, share in AGED.items():
        z = z + share * old * WRINKLES[name](s, m, r, y)
    z = z + 0.12 * WRINKLES["nasolabial"](s, m, r, y)

    see = 1 - 0.38 * hill(r, y, m.eye_x - 9, m.eye_y - 4, 7.5, 6.5) - 0.18 * hill(r, y, m.eye_x, m.eye_y + 2, 15, 9)
    see = see - 0.25 * hill(r, y, wing + 2.0, m.subnasale - 5, 2.6, 5.5) - 0.12 * hill(x, y, 0, m.subnasale + 1.5, wing, 3.2)
    see = see - 0.25 * hill(x, y, 0, m.stomion + 15.5, 14, 3.5) - 0.22 * jnp.exp(-((v / 2.0) ** 2)) * _soft(m.mouth - r, 6)
    return z, jnp.clip(see, 0.2, 1)


def _hair(s: Subject, x: Array, y: Array) -> tuple[Array, Array]:
    """Cover of the hair before and behind the head."""
    m = geometry.lines(s)
    r = jnp.abs(x)
    ragged = 2.2 * _noise(s.grain[0], x, y, 16.0) + 1.2 * _noise(s.grain[1], x, y, 7.0)
    volume = 2 + 13 * s.hair_length**0.8
    end = 2 + 260 * jnp.maximum(s.hair_length - 0.42, 0)
    top = jnp.clip((m.zygion - y) / (m.zygion - m.vertex + volume), -1, 2)
    outline = (m.half + 0.75 * volume) * geometry.soft_power(1 - jnp.maximum(top, 0) ** 2.6, 0.46)
    long = _soft(s.hair_length - 0.45, 0.1)
    outline = outline + long * 5 * jnp.sin(jnp.clip((y - m.zygion) / 60, 0, 3))
    inside = _soft(outline - r + ragged * 0.5, 3.5) * _soft(y - m.vertex + volume, 2.0)
    u = r / m.half
    line = m.trichion + (-20 - m.trichion) * u**3.2 - s.recede * 24 * jnp.exp(-(((r - 34) / 15) ** 2)) - s.recede * 8
    line = line + s.fringe * (26 + 1.2 * _noise(s.grain[0], x + 50, 0 * y, 9.0)) * (1 - 0.5 * u**2) * _soft(1.0 - u, 0.4)
    line = line + s.shape[11] * (2 + 8 * s.fringe) * x / m.half
    edge = m.half * (0.965 - 0.02 * long) - 3 * jnp.clip(y / 80, 0, 1) * long
    side = _soft(r - edge + ragged * 0.6, 2.5) * _soft(end - y + ragged * 3, 9.0)
    front = inside * jnp.maximum(_soft(line - y + ragged, 3.5), side)
    behind = inside * _soft(end - y + ragged * 2, 8.0)
    thick = jnp.clip(0.35 + 5 * s.hair_length, 0, 1) * (1 - 0.75 * s.recede**3)
    return front * thick, behind * _soft(s.hair_length - 0.35, 0.1)


def _brow(s: Subject, x: Array, y: Array) -> Array:
    """Cover of the brows: hairs that lean outward, dense in the middle, thin at the tail."""
    r = jnp.abs(x)
    start, _ = geometry.brow(s, jnp.float32(0))
    end, _ = geometry.brow(s, jnp.float32(1))
    along = (r - start) / (end - start)
    _, middle = geometry.brow(s, jnp.clip(along, -0.1, 1.1))
    half = s.mm("brow_thickness") * (0.85 + 0.5 * jnp.clip(along, 0, 0.3) - 0.75 * jnp.clip(along, 0, 1) ** 1.5)
    body = jnp.exp(-(jnp.abs((y - middle) / (half + 0.4)) ** 3)) * _soft(along, 0.16) * _soft(1.0 - along, 0.16)
    lean = r + (y - middle) * (0.9 - 1.2 * jnp.clip(along, 0, 1))
    strokes = 0.5 + 0.5 * _noise(s.grain[1], lean * 2.2, y * 0.35, 1.7)
    return jnp.clip(s.brows * body * (0.62 + 0.55 * strokes), 0, 1)


@jax.jit(static_argnums=2)
def _bake(s: Subject, light: Light, size: tuple[int, int]) -> Baked:
    m = geometry.lines(s)
    left, top, right, bottom = EXTENT
    step = FIELD / size[0] / TEXELS
    h, w = round((bottom - top) / step), round((right - left) / step)
    fine = max(1, -(-step // FINEST).__int__())
    dx, dy = (right - left) / (w * fine), (bottom - top) / (h * fine)
    x = (left + dx * (jnp.arange(w * fine) + 0.5))[None, :]
    y = (top + dy * (jnp.arange(h * fine) + 0.5))[:, None]
    r = jnp.abs(x)

    def average(image: Array) -> Array:
        return image.reshape(*image.shape[:-2], h, fine, w, fine).mean((-3, -1))

    def slopes(z: Array) -> tuple[Array, Array]:
        return jnp.asarray(jnp.gradient(z, dx, axis=-1)), jnp.asarray(jnp.gradient(z, dy, axis=-2))

    def shade_of(zx: Array, zy: Array, see) -> Array:
        length = jnp.sqrt(zx**2 + zy**2 + 1)
        return light.shade(_vector(-zx / length, -zy / length, 1 / length), see)

    def fade(wave: float) -> float:
        """Waves that the grid cannot hold are left out."""
        return min(max(wave / (2.5 * dx) - 0.6, 0.0), 1.0)

    # Skin: blotches, redness, freckles, pores.
    g0, g1 = s.grain[0], s.grain[1]
    blotch = 0.05 * _noise(g0, x, y, 17.0) + 0.035 * _noise(g1, x, y, 6.0) + 0.02 * fade(2.0) * _noise(g0, x + 31, y, 2.0)
    skin = s.skin[:, None, None] * (1 + blotch)
    warm = (
        0.5 * hill(r, y, 40, m.subnasale - 12, 15, 11)
        + 0.45 * hill(x, y, 0, m.subnasale - 9, 9, 8)
        + 0.25 * hill(x, y, 0, m.gnathion - 12, 14, 9)
    )
    skin = skin * (1 + warm * jnp.array([0.02, -0.16, -0.14])[:, None, None])
    shadowed = (0.16 + 0.14 * s.age) * hill(r, y, m.eye_x - 3, m.eye_y + 7, 13, 5) + 0.14 * hill(r, y, m.eye_x, m.eye_y - 6, 15, 5)
    skin = skin * (1 - shadowed * jnp.array([0.8, 1.0, 0.9])[:, None, None])
    spots = jnp.clip(_noise(g1, x + 7, y + 3, 3.2) - 0.45, 0, 1) * 1.6 * s.freckles * hill(x, y, 0, 22, 46, 22)
    skin = skin * (1 - spots * jnp.array([0.35, 0.5, 0.55])[:, None, None])

    # Whiskers.
    seam = geometry.seam(s, x)
    v = y - seam
    zone = _soft(y - (m.stomion - 30 + 34 * (1 - jnp.clip(r / m.half, 0, 1)) ** 1.5) - 4, 9) * _soft(
        geometry.half_width(s, y) - r + 4, 4
    )
    lip_top, lip_low = geometry.upper_lip(s, x), geometry.lower_lip(s, x)
    chin_zone = zone * _soft(r - (m.mouth + 6) + 40 * _soft(v - lip_low - 6, 6), 8)
    tache = _soft(-v - lip_top - 0.5, 3) * _soft(y - m.subnasale - 3, 4) * _soft(m.mouth + 7 - r, 7)
    tache = jnp.maximum(tache, _soft(-v - lip_top - 0.5, 3) * hill(r, y, m.mouth + 2, m.stomion + 2, 5, 8))
    hairs = 0.6 + 0.4 * fade(1.8) * _noise(g1, x * 1.6, y * 0.6, 1.8)
    whiskers = jnp.clip(
        jnp.maximum(jnp.maximum(s.beard * 0.95, 0.5 * s.stubble) * chin_zone, jnp.maximum(s.moustache, 0.5 * s.stubble) * tache),
        0,
        0.95,
    )
    beard_colour = (0.55 * s.hair + 0.01)[:, None, None]
    skin = _mix(skin, beard_colour + 0 * skin, whiskers * hairs)

    # Lips, nostrils, the line between the lips.
    inside_lips = _soft(v + lip_top, 1.6) * _soft(lip_low - v, 1.8) * _soft(m.mouth - r, 2.0)
    fine_lines = 1 + 0.06 * fade(1.6) * _noise(g0, x * 2, y * 0.4, 1.6)
    tone = jnp.where(v < 0, 0.86, 1.05) * fine_lines
    skin = _mix(skin, s.lips[:, None, None] * tone, 0.85 * inside_lips)
    skin = skin * (1 - 0.62 * jnp.exp(-((v / 0.8) ** 2)) * _soft(m.mouth + 0.5 - r, 2.5))
    wing = s.mm("nose_width") / 2
    nostril = hill(r + 0.35 * (y - m.subnasale), y, 0.50 * wing, m.subnasale - 2.2, 0.19 * wing, 1.5)
    skin = skin * (1 - 0.80 * nostril)
    lid_u = (r - m.eye_x) / (s.mm("eye_width") / 2 + 1.5)
    lid_line = m.eye_y - 0.62 * s.mm("eye_height") * jnp.clip(1 - lid_u**2, 0, 1) - 2.8 - 0.5 * s.shape[10]
    skin = skin * (1 - 0.30 * jnp.exp(-(((y - lid_line) / 0.9) ** 2)) * _soft(1.05 - jnp.abs(lid_u), 0.35))

    brow = _brow(s, x, y)
    brow_colour = jnp.minimum(0.5 * s.hair, 0.30 * s.skin + 0.01)[:, None, None]
    skin = _mix(skin, brow_colour * (1 + 0 * skin), brow)

    # Light on it.
    z, see = _relief(s, x, y)
    pores = 0.05 * fade(1.1) * _noise(g1, x, y, 1.1) + 0.10 * _noise(g0, x + 13, y + 5, 3.1) * fade(3.1)
    z = z + pores * (0.5 + 0.7 * s.age) + 0.5 * whiskers * fade(1.8) * _noise(g1, x * 1.6, y * 0.6, 1.8)
    zx, zy = slopes(z)
    shade = shade_of(zx, zy, see)
    cast = 1 - 0.18 * hill(x + 6 * light.direction()[0] * 4, y, 0, m.subnasale + 4, wing * 0.9, 4.5)  # below the nose
    length = jnp.sqrt(zx**2 + zy**2 + 1)
    half_way = light.direction() + jnp.array([0.0, 0.0, 1.0])
    half_way = half_way / jnp.linalg.norm(half_way)
    facing = jnp.clip((-zx * half_way[0] - zy * half_way[1] + half_way[2]) / length, 0, 1)
    # Sheen of the skin's own surface: about 3 % at normal incidence, spread by its roughness, more on oily parts and wet lips.
    oily = (
        0.55
        + 0.6 * hill(x, y, 0, m.subnasale - 10, 10, 12)
        + 0.4 * hill(x, y, 0, -42, 30, 16)
        + 0.5 * inside_lips
        + 0.3 * hill(r, y, 46, 22, 12, 8)
    )
    sheen = (1 - jnp.clip(brow + whiskers, 0, 1)) * oily * (1 - light.ambient) * (0.055 * facing**14 + 0.030 * facing**50)
    head = skin * shade * cast + sheen

    # Whether it is there: signed distances to the outline, ears and neck, mm.
    width = geometry.half_width(s, y)
    wx = jnp.asarray(jnp.gradient(width, dy, axis=-2))
    head_alpha = _soft((width - r) / jnp.sqrt(1 + wx**2), 1.4) * _soft(y - m.vertex + 1, 2) * _soft(m.gnathion - y, 1.4)

    ear_y, ear_h = 8 + 0.05 * s.mm("ear_length"), s.mm("ear_length") / 2
    ear_x = m.half * 0.985
    ear_d = ((r - ear_x - 1) / (8.5 - 0.06 * (y - ear_y))) ** 2 + ((y - ear_y - 0.25 * (r - ear_x)) / ear_h) ** 2
    ear_alpha = _soft(1 - ear_d, 0.35)
    hollow = 1 - 0.45 * hill(r, y, ear_x + 4, ear_y, 3.0, ear_h * 0.45)
    ear = (
        (s.skin * jnp.array([0.92, 0.86, 0.86]))[:, None, None]
        * hollow
        * (0.45 + 0.35 * light.shade(_vector(jnp.sign(x) * 0.75, 0 * x, 0.66)))
    )

    neck_half = (0.5 * s.mm("jaw_width") + 2.5) * (1 + 0.03 * s.shape[7]) + 12 * jax.nn.sigmoid((y - m.gnathion - 38) / 7) * 3
    round_ = jnp.clip(x / neck_half, -0.97, 0.97)
    neck_shade = light.shade(_vector(round_, 0.15, jnp.sqrt(1 - round_**2)))
    below = geometry.half_width(s, jnp.clip(y - 9, m.zygion, m.gnathion))
    under = jnp.clip((y - m.gnathion + 2) / 30, 0, 1) * jnp.clip(1 - (r / (below + 30)) ** 2, 0.3, 1)
    neck = s.skin[:, None, None] * 0.92 * (1 + blotch) * neck_shade * (0.40 + 0.40 * under)
    neck_alpha = _soft(neck_half - r, 1.6) * _soft(y - m.stomion + 25, 4)

    front, behind = _hair(s, x, y)
    # Strands fall from above the crown.
    part = 9 * s.shape[11]
    down = y - (m.vertex - 24)
    angle = jnp.arctan2(x - part, jnp.maximum(down, 1.0))
    strand = 0.55 * _noise(g0, angle * 46, down * 0.06, 1.6) + 0.45 * fade(1.4) * _noise(g1, angle * 118, down * 0.10, 1.6)
    rim = jnp.clip((jnp.abs(x) / (m.half + 12)) ** 2 + (jnp.clip(m.zygion - y, 0, 300) / (m.zygion - m.vertex + 14)) ** 2, 0, 0.96)
    hair_normal = _vector(x / (m.half + 14), -jnp.clip(m.zygion - y, 0, 300) / (m.zygion - m.vertex + 20), jnp.sqrt(1 - rim))
    hair_normal = hair_normal / jnp.linalg.norm(hair_normal, axis=0)
    hair_shade = light.shade(hair_normal, 0.9)
    gloss = jnp.clip(jnp.tensordot(half_way, hair_normal, 1), 0, 1) ** 10
    hair = s.hair[:, None, None] * (1 + 0.45 * strand) * hair_shade + (0.018 + 0.10 * s.hair[:, None, None]) * gloss * (
        0.6 + 0.6 * strand
    )
    dark = 0.55 * s.hair[:, None, None] * hair_shade * (1 + 0.3 * strand)

    # From back to front, premultiplied.
    colour, alpha = dark * behind, behind
    for layer, cover in ((neck, neck_alpha), (ear, ear_alpha), (head, head_alpha), (jnp.maximum(hair, 0.001), front)):
        colour, alpha = colour * (1 - cover) + layer * cover, alpha * (1 - cover) + cover

    # What wrinkles do to the light: their slopes turn the surface, their depth hides it.
    bare = head_alpha * (1 - front) * (1 - 0.6 * whiskers)
    lx, ly, _ = light.direction()
    slant = (1 - light.ambient) / (shade * length)

    def creases_of(sign: Array) -> Array:
        here = _soft(sign * x, 6.0) * bare
        maps = []
        for height in (of(s, m, sign * x, y) for of in WRINKLES.values()):
            hx, hy = slopes(height)
            lit = -slant * (hx * lx + hy * ly) - 0.10 * jnp.maximum(-height, 0) * (0.6 + s.age)
            maps.append(average(jnp.clip(lit, -0.6, 0.6) * here))
        return jnp.stack(maps)

    creases = jnp.concatenate(list(jax.lax.map(creases_of, jnp.array([1.0, -1.0]))))

    # What turning does to the light: the derivative of the shade by small rotations of the normals.
    def turned_shade(yaw: float, pitch: float) -> Array:
        nx, ny, nz = -zx / length, -zy / length, 1 / length
        return light.shade(_vector(nx + yaw * nz, ny + pitch * nz, nz - yaw * nx - pitch * ny), see)

    turned = (
        jnp.stack([(turned_shade(0.1, 0.0) - shade) / 0.1, (turned_shade(0.0, 0.1) - shade) / 0.1])
        / shade
        * head_alpha
        * (1 - front)
    )

    front_shade = light.shade(jnp.array([0.0, 0.0, 1.0]))
    paint = {
        "sclera": 0.42 * jnp.array([1.0, 0.93, 0.88]), "iris": s.iris, "ring": 0.3 * s.iris, "pupil": jnp.full(3, 0.008),
        "caruncle": 0.5 * s.skin + jnp.array([0.12, 0.04, 0.04]), "lash": 0.25 * jnp.minimum(s.hair, 0.08) + 0.006,
        "glint": 0.9 * jnp.array([1.0, 0.97, 0.92]), "cavity": jnp.array([0.035, 0.012, 0.012]),
        "teeth": 0.50 * jnp.array([1.0, 0.94, 0.80]), "tongue": jnp.array([0.20, 0.075, 0.07]),
        "frame": jnp.full(3, 0.03) + 0.1 * jnp.abs(s.shape[9]) * jnp.array([0.5, 0.3, 0.15]),
    }  # fmt: skip
    inner = {"cavity": 0.7, "tongue": 0.6, "teeth": 0.8}
    paints = jnp.stack([paint[name] * front_shade * inner.get(name, 0.92) for name in PAINTS])
    return Baked(
        subject=s,
        light=light.direction(),
        colour=average(colour),
        alpha=average(alpha),
        creases=creases,
        turned=average(turned),
        wall=_wall(s, size, light),
        paint=paints,
        size=size,
    )


def _wall(s: Subject, size: tuple[int, int], light: Light) -> Array:
    """A wall out of focus behind the head: brighter on the lamp's side, with something hanging on it. [3, H, W]"""
    rows, columns = size
    scale = FIELD / rows
    x = (scale * (jnp.arange(columns) + 0.5 - columns / 2))[None, :]
    y = (scale * (jnp.arange(rows) + 0.5 - rows / 2) + MIDDLE)[:, None]
    glow = 0.85 + 0.0011 * (x * light.direction()[0] + y * light.direction()[1])
    far = 0.10 * _noise(s.grain[1], x + 400, y, 170.0) + 0.05 * _noise(s.grain[0], x, y + 300, 60.0)
    edge = 70 + 60 * s.grain[0, 0, 0]
    panel = 0.22 * s.grain[0, 0, 1] * _soft(x - edge, 14) + 0.18 * s.grain[0, 0, 2] * _soft(y - 60 * s.grain[0, 0, 3], 20)
    return jnp.clip(s.wall[:, None, None] * (glow + far + panel), 0.01, 0.9)
