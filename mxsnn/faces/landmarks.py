"""The 68 landmarks of a moving face."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from mxsnn.faces import geometry
from mxsnn.faces.pose import FIELD, MIDDLE, turn
from mxsnn.faces.rendering import EYEBALL, Controls
from mxsnn.faces.skin import anchored, at_point, at_rest, gap, unpart
from mxsnn.faces.subject import Subject
from mxsnn.typing import Array

__all__ = ["landmarks"]


def landmarks(subject: Subject, controls: Controls, size: tuple[int, int]) -> Array:
    """Landmarks [T, 68, 2]: x and y in pixels of an image of size (H, W), 0 in the middle of the first pixel.

    In the order of iBUG 300-W: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, lips 48-67, each from the image's left to its right
    and the outlines of eyes and lips clockwise. They lie where `render` draws them: its mapping from the image to the skin at rest
    is inverted by Newton's method.

    Source: Sagonas et al. (2016), 300 Faces In-The-Wild Challenge: database and results.
    """
    return _all(subject, controls, tuple(size))


@functools.partial(jax.jit, static_argnums=2)
def _all(subject: Subject, controls: Controls, size: tuple[int, int]) -> Array:
    return jax.vmap(lambda c: _frame(subject, c, size))(controls)


def _still(s: Subject) -> Array:
    """Landmarks of the skin at rest, [68, 2] mm; those of the lids are filled in by the frame."""
    m = geometry.lines(s)
    fall = jnp.array([0.0, 0.20, 0.40, 0.58, 0.73, 0.855, 0.94, 0.985, 1.0])
    y = m.zygion + (m.gnathion - m.zygion) * fall
    x = (geometry.half_width(s, jnp.minimum(y, m.gnathion - 0.02)) - 0.5).at[-1].set(0)
    jaw = jnp.concatenate([jnp.stack([-x, y], -1), jnp.stack([x, y], -1)[-2::-1]])
    bx, by = geometry.brow(s, jnp.linspace(0.04, 0.96, 5))
    brows = jnp.concatenate([jnp.stack([-bx, by], -1)[::-1], jnp.stack([bx, by], -1)])
    bridge = jnp.stack([jnp.zeros(4), jnp.linspace(m.nasion + 4, m.subnasale - 10, 4)], -1)
    base = jnp.stack([s.mm("nose_width") / 2 * jnp.array([-0.8, -0.4, 0, 0.4, 0.8]), jnp.full(5, m.subnasale - 1.5)], -1)
    eyes = jnp.zeros((12, 2))

    def lip(share: tuple[float, ...], height) -> Array:
        x = m.mouth * jnp.array(share)
        return jnp.stack([x, geometry.seam(s, x) + height(x)], -1)

    def zero(x: Array) -> Array:
        return 0 * x

    above, inside = (-0.6, -0.18, 0.0, 0.18, 0.6), (-0.45, 0.0, 0.45)
    mouth = jnp.concatenate(
        [
            lip((-1.0,), zero), lip(above, lambda x: -geometry.upper_lip(s, x)), lip((1.0,), zero),
            lip(above[::-1], lambda x: geometry.lower_lip(s, x)),
            lip((-0.9, *inside, 0.9), zero), lip(inside[::-1], zero),
        ]
    )  # fmt: skip
    return jnp.concatenate([jaw, brows, bridge, base, eyes, mouth])


def _frame(s: Subject, c: Controls, size: tuple[int, int]) -> Array:
    m = geometry.lines(s)
    action = geometry.act(s, c.au)
    t = turn(c.pose)
    points = _still(s)
    follow = 0.6 * EYEBALL * jnp.sin(c.gaze[1]) / s.mm("eye_height")
    half = s.mm("eye_width") / 2
    for side, sign, order in ((1, -1.0, (1, 0.35, -0.35, -1, -0.35, 0.35)), (0, 1.0, (-1, -0.35, 0.35, 1, 0.35, -0.35))):
        u = jnp.array(order, jnp.float32)
        top, bottom = geometry.lid_lines(s, action.lids[side], u, follow)
        y = m.eye_y + jnp.where(jnp.arange(6) < 4, top, bottom)
        first = 36 if side else 42
        points = points.at[first : first + 6].set(jnp.stack([sign * (m.eye_x + half * u), y], -1))

    a = anchored(s, action.delta, t)
    below = (points[:, 1] > geometry.seam(s, points[:, 0]) + 0.01).at[65:68].set(True)

    def rest(p: Array, below: Array, rigid: bool) -> Array:
        x, y, *head = at_rest(at_point(a, p[0], p[1]), p[0], p[1], t)
        if rigid:
            return jnp.stack(head)
        v = y - geometry.seam(s, x)
        up, low = gap(m, action.lips, x)
        # A lip's edge belongs to its own lip, also where the other one's would cover the point.
        v_own = jnp.where(below, jnp.maximum(v, low), jnp.minimum(v, -up))
        slack = v - v_own
        return jnp.stack([x, y - v + unpart(action.lips, m, x, v_own, up, low) + slack])

    def solve(target: Array, below: Array, rigid: bool = False) -> Array:
        p = target
        for _ in range(8):
            step = jnp.linalg.solve(jax.jacfwd(rest)(p, below, rigid), target - rest(p, below, rigid))
            p = p + jnp.clip(step, -12, 12)
        return p

    # Lids slide over the eyeball, which is the head's; all else is skin.
    shown = jax.vmap(solve)(points, below)
    shown = shown.at[36:48].set(jax.vmap(lambda p: solve(p, jnp.bool_(False), True))(points[36:48]))
    pixel = FIELD / size[0]
    middle = jnp.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return (shown - jnp.array([0.0, MIDDLE])) / pixel + middle
