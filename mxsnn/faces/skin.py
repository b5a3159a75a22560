"""How skin moves under a turned head: from where the camera looks to the skin at rest, and back for landmarks."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mxsnn.faces import geometry
from mxsnn.faces.pose import Turn, roundness, seen, show
from mxsnn.typing import Array


class Anchored(NamedTuple):
    """The anchors of one frame: where the image shows them (x, y) [K] and their width [K], mm; what they carry, [4, K]: the skin's
    displacement in x and y, 1, and how far the face stands out of its round, mm."""

    x: Array
    y: Array
    sigma: Array
    load: Array


def anchored(s, delta: Array, t: Turn) -> Anchored:
    """The anchors of a subject displaced by `delta` [K, 2], with the head turned."""
    at = geometry.anchors(s) + delta
    x, y = show(t, at[:, 0], at[:, 1], roundness(at[:, 0], at[:, 1]) + geometry.OUT)
    load = jnp.stack([delta[:, 0], delta[:, 1], jnp.ones(len(geometry.OUT)), jnp.asarray(geometry.OUT)])
    return Anchored(x, y, jnp.asarray(geometry.SIGMA) * t.scale, load)


def on_grid(a: Anchored, px: Array, py: Array) -> Array:
    """What the anchors carry, summed by their Gaussians over all columns px [W] and rows py [H]: [4, H, W], one product."""
    gx = jnp.exp(-0.5 * ((px - a.x[:, None]) / a.sigma[:, None]) ** 2)
    gy = jnp.exp(-0.5 * ((py - a.y[:, None]) / a.sigma[:, None]) ** 2)
    left = (a.load[:, :, None] * gy).transpose(0, 2, 1).reshape(4 * len(py), -1)
    return (left @ gx).reshape(4, len(py), len(px))


def at_point(a: Anchored, px: Array, py: Array) -> Array:
    """The same at one point, [4]."""
    return a.load @ jnp.exp(-0.5 * (((px - a.x) / a.sigma) ** 2 + ((py - a.y) / a.sigma) ** 2))


def at_rest(fields: Array, px: Array, py: Array, t: Turn) -> tuple[Array, Array, Array, Array]:
    """Points of the image plane to the skin at rest but for the lips' parting, and to the head, mm: (x, y, head's x, head's y).

    fields [4, ...]: as summed above.
    """
    dx, dy, weight, out = fields
    total = 1 / (geometry.REST + weight)
    x, y = seen(t, px, py, out * total)
    return x - dx * total, y - dy * total, x, y


def gap(m: geometry.Lines, lips: Array, x: Array) -> tuple[Array, Array]:
    """How far the seam's upper and lower lip have moved apart at x, mm: a lens."""
    lens = jnp.clip(1 - (x / m.mouth) ** 2, 0, 1)
    lens = lens * (1.9 - 0.9 * lens)
    return jnp.maximum(lips[0], 0) * lens, jnp.maximum(lips[1], 0) * lens


def unpart(lips: Array, m: geometry.Lines, x: Array, v: Array, up: Array, low: Array) -> Array:
    """Where skin at height v over the seam has come from: the lips carry the skin around them along, and are thinned."""
    above, below = jnp.maximum(-v - up, 0), jnp.maximum(v - low, 0)
    upper = jnp.minimum(v + up * jnp.exp(-((above / 11) ** 2)), 0)
    lower = jnp.maximum(v - low * jnp.exp(-((below / 15) ** 2)), 0)
    lens = jnp.exp(-((x / (1.05 * m.mouth)) ** 4))
    upper = upper * (1 + lips[2] * lens * jnp.exp(-((upper / 10) ** 2)))
    lower = lower * (1 + lips[3] * lens * jnp.exp(-((lower / 10) ** 2)))
    return upper + lower
