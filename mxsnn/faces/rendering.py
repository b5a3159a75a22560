"""Faces in motion: from a baked subject and controls by frame to light."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mxsnn.faces import geometry
from mxsnn.faces.action_units import UNITS
from mxsnn.faces.appearance import EXTENT, PAINTS, Baked, luminance, one_colour
from mxsnn.faces.pose import FIELD, MIDDLE, Turn, roundness, show, turn
from mxsnn.faces.skin import anchored, at_rest, gap, on_grid, unpart
from mxsnn.typing import Array

__all__ = ["Controls", "neutral", "render", "render_rgb"]

EYEBALL = 12.0  # radius, mm
IRIS = 5.9
PUPIL = 1.9
#: Height and width of what an eye is drawn in, mm: room for a head that is a third larger.
WINDOW = (46.0, 70.0)


class Controls(NamedTuple):
    """What a performance sets, frame by frame.

    au [T, n_AU, 2]: intensities from 0 to 1 in the order of UNITS (levels A to E are 0.2 to 1), left and right of the subject;
    units of the jaw and the middle take the mean. gaze [T, 2]: radians to the image's right and down. pose [T, 6]: pose.POSE.
    lux [T]: illuminance of a surface that faces the lamp, with the lamp's flicker in it.
    """

    au: Array
    gaze: Array
    pose: Array
    lux: Array


def neutral(frames: int = 1, lux: float = 500.0) -> Controls:
    """A face at rest that looks into the camera."""
    return Controls(
        jnp.zeros((frames, len(UNITS), 2)), jnp.zeros((frames, 2)), jnp.zeros((frames, 6)), jnp.full((frames,), lux, jnp.float32)
    )


def render(baked: Baked, controls: Controls) -> Array:
    """Luminance [T, H, W] float32, lux x reflectance."""
    return _render(luminance(baked), controls)[:, 0]


def render_rgb(baked: Baked, controls: Controls) -> Array:
    """Linear RGB [T, H, W, 3] float32, lux x reflectance."""
    # One colour after the other, which takes two thirds of the time of all at once, and no program of its own.
    return jnp.stack([_render(one_colour(baked, k), controls)[:, 0] for k in range(3)], -1)


@jax.jit
def _render(baked: Baked, controls: Controls) -> Array:
    return jax.vmap(lambda c: _frame(baked, c))(controls)


def _ramp(value: Array, width) -> Array:
    """0 to 1 while `value` goes from -width/2 to width/2: the share of a pixel beyond an edge."""
    return jnp.clip(value / width + 0.5, 0, 1)


def _frame(b: Baked, c: Controls) -> Array:
    s = b.subject
    rows, columns = b.size
    m = geometry.lines(s)
    action = geometry.act(s, c.au)
    t = turn(c.pose)
    pixel = FIELD / rows
    px = pixel * (jnp.arange(columns) + 0.5 - columns / 2)
    py = pixel * (jnp.arange(rows) + 0.5 - rows / 2) + MIDDLE

    fields = on_grid(anchored(s, action.delta, t), px, py)
    x, y, head_x, head_y = at_rest(fields, px[None, :], py[:, None], t)

    # The lips part along their seam.
    v = y - geometry.seam(s, x)
    up, low = gap(m, action.lips, x)
    source = y - v + unpart(action.lips, m, x, v, up, low)

    # The skin.
    column, row = b.texel
    h, w = b.alpha.shape
    tx = jnp.clip((x - EXTENT[0]) / column - 0.5, 0, w - 1.001)
    ty = jnp.clip((source - EXTENT[1]) / row - 0.5, 0, h - 1.001)
    strength = action.creases.reshape(-1)
    relief = 1 + jnp.tensordot(strength, b.creases, 1) + c.pose[0] * b.turned[0] + c.pose[1] * b.turned[1]
    i, j = jnp.floor(ty).astype(jnp.int32), jnp.floor(tx).astype(jnp.int32)
    fy, fx = ty - i, tx - j
    corner = i * w + j

    def sample(image: Array) -> Array:
        flat = image.reshape(-1)
        a, b_, c_, d = (flat.at[corner + k].get(mode="promise_in_bounds") for k in (0, 1, w, w + 1))
        return (a + (b_ - a) * fx) * (1 - fy) + (c_ + (d - c_) * fx) * fy

    clear = 1 - sample(b.alpha)
    width = pixel / t.scale
    layers = _mouth(m, action.lips, x, v, up, low, (head_x, head_y), width)
    eyes = [_eye(b, side, action.lids[side], c.gaze, t, head_x, head_y) for side in (0, 1)]
    out = []
    for channel, colour in enumerate(b.colour):
        paint = b.paint[:, channel]
        image = _over(sample(colour * relief) + clear * b.wall[channel], layers, paint)
        for corner_, layers_ in eyes:
            part = jax.lax.dynamic_slice(image, corner_, layers_[0][0].shape)
            image = jax.lax.dynamic_update_slice(image, _over(part, layers_, paint), corner_)
        out.append(image * c.lux)
    return jnp.stack(out)


def _over(image: Array, layers: list, paint: Array) -> Array:
    """Layers (cover, name of the paint, gain) laid over an image, one after the other."""
    for cover, name, gain in layers:
        image = image + cover * (gain * paint[PAINTS.index(name)] - image)
    return image


def _mouth(m: geometry.Lines, lips: Array, x: Array, v: Array, up: Array, low: Array, head: tuple[Array, Array], width) -> list:
    """Layers of the open mouth: cover, paint, gain. The upper teeth are the skull's, whose x and y are `head`."""
    between = _ramp(v + up, width) - _ramp(v - low, width)
    arch = jnp.clip(1 - (head[0] / (0.95 * m.mouth)) ** 2, 0, 1)
    upper = between * _ramp(m.stomion + 0.8 + 1.6 * arch - head[1], width)
    lower = between * _ramp(v - jnp.maximum(lips[1], 0) + 2.0, width) * jnp.clip((low - 7) / 6, 0, 1)
    tongue = between * jax.nn.sigmoid((v - 0.45 * low - 3) / 2.0) * jnp.clip((low - 4) / 8, 0, 0.8)
    lit = 1 - 0.5 * jnp.exp(-(up + low) / 1.2)  # lips that hardly part keep the light out
    return [
        (between, "cavity", 1.0),
        (tongue, "tongue", 1.0),
        (lower, "teeth", 0.6),
        (upper * jnp.sqrt(arch + 1e-3), "teeth", lit * (0.55 + 0.45 * arch)),
    ]


def _eye(b: Baked, side: int, lids: Array, gaze: Array, t: Turn, x: Array, y: Array) -> tuple[tuple[Array, Array], list]:
    """Where an eye's window lies in the image, (row, column), and the layers to draw there: an eye concerns few pixels."""
    m = geometry.lines(b.subject)
    rows, columns = b.size
    pixel = FIELD / rows
    sign = 1.0 - 2.0 * side
    height, wide = min(rows, round(WINDOW[0] / pixel)), min(columns, round(WINDOW[1] / pixel))
    mx, my = show(t, sign * m.eye_x, m.eye_y, roundness(m.eye_x, m.eye_y))
    row = ((my - MIDDLE) / pixel + (rows - height) / 2).astype(jnp.int32)
    column = (mx / pixel + (columns - wide) / 2).astype(jnp.int32)
    at = jnp.clip(row, 0, rows - height), jnp.clip(column, 0, columns - wide)
    x, y = (jax.lax.dynamic_slice(field, at, (height, wide)) for field in (x, y))
    gaze = gaze * jnp.array([sign, 1.0])
    return at, _eye_layers(b, lids, gaze, sign * b.light[0], sign * x - m.eye_x, y - m.eye_y, pixel / t.scale)


def _eye_layers(b: Baked, lids: Array, gaze: Array, lamp: Array, out: Array, down: Array, width) -> list:
    """Layers of an eye at `out` and `down` mm from its middle; gaze and lamp count outward."""
    s = b.subject
    u = out / (s.mm("eye_width") / 2)
    ix = EYEBALL * jnp.sin(gaze[0])
    iy = EYEBALL * jnp.sin(gaze[1]) - 0.6
    follow = 0.6 * EYEBALL * jnp.sin(gaze[1]) / s.mm("eye_height")
    top, bottom = geometry.lid_lines(s, lids, u, follow)
    cover = _ramp(down - top, width) - _ramp(down - bottom, width)
    far = jnp.sqrt((out - ix) ** 2 + (down - iy) ** 2 + 1e-4)
    shadow = (1 - 0.50 * jnp.exp(-jnp.clip(down - top, 0, 20) / 1.7)) * (1 - 0.34 * u**2)
    iris = cover * _ramp(IRIS - far, width + 0.4)
    core = cover * _ramp(IRIS - 1.1 - far, width + 0.8)
    pupil = cover * _ramp(PUPIL - far, width)
    gx, gy = 2.2 * lamp + ix * 0.8, 2.6 * b.light[1] + iy * 0.8
    spot = 0.75**2 + 0.08 * width**2
    glint = cover * 0.9 * (0.75**2 / spot) * jnp.exp(-((out - gx) ** 2 + (down - gy) ** 2) / (2 * spot))
    inner = cover * jax.nn.sigmoid((-u - 0.82) * 22)
    inside = jnp.clip(1 - u**2, 0, 1)
    thick = 1.15 * jnp.sqrt(inside + 1e-3)
    lash = 0.9 * (_ramp(down - top + thick, width) - _ramp(down - top - 0.25, width)) * jnp.clip(inside * 6, 0, 1)
    under = 0.35 * (_ramp(down - bottom, width) - _ramp(down - bottom - 0.6, width)) * jnp.clip(inside * 4, 0, 1)
    glasses = s.glasses * _glasses(out, down, width)
    return [
        (cover, "sclera", shadow),
        (inner, "caruncle", 0.9),
        (iris, "ring", shadow),
        (core, "iris", shadow * (0.8 + 0.5 * (far / IRIS) ** 2)),
        (pupil, "pupil", 1.0),
        (glint, "glint", 1.0),
        (under, "lash", 1.5),
        (lash, "lash", 1.0),
        (glasses, "frame", 1.0),
    ]


def _glasses(out: Array, down: Array, width) -> Array:
    """Cover of a rim around the eye, with its half of the bridge and the start of the arm."""
    around = ((out / 24.5) ** 4 + ((down - 2.5) / 16.5) ** 4 + 1e-6) ** 0.25 - 1
    rim = _ramp(1.1 - 19 * jnp.abs(around), width)
    bar = _ramp(1.0 - jnp.abs(down + 3.5), width) * _ramp(around * 19, width)
    return jnp.maximum(rim, bar)
