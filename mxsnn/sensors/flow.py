"""Optical flow between two images, and the images in between.

Coarse to fine Lucas-Kanade: at each level of a pyramid the second image is drawn back by the flow so far, and the rest of it
solves, over a window, the least squares of what the gradient says; where a window holds no texture, the neighbours' flow counts.
What moves by more than its own texture is wide has no slope that leads there: so all is done twice, the second time from the best
of all whole shifts of the coarse images, and where this draws the second image clearly better, it counts.

Source: Lucas and Kanade, IJCAI 1981; Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker", 2000; the flow at a
time in between as in Jiang et al., "Super SloMo", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

Weights = Callable[[jax.Array], tuple[jax.Array, ...]]

_WINDOW = (1, 8, 28, 56, 70, 56, 28, 8, 1)  # binomial: a Gaussian of sigma 1.4 pixels
_FINE = (1, 2, 1)  # what is finer than this, neither gradients nor values between pixels tell well
_COARSEST = 12  # pixels of the shorter side
_ROUNDS = 3
_FAR, _NEAR = 4, 1  # whole pixels that are tried to each side in the coarsest images, and in those between them and the finest
_CLEARLY = 0.5  # of the square error: so much better must be what was searched than what slopes led to, which errs less often
_FLAT = 1e-6  # mean square of the gradient, of 0..1 per pixel, below which a window shows nothing


@jax.jit
def flow(a: jax.Array, b: jax.Array) -> jax.Array:
    """How far each pixel of image a [H, W] has gone in image b: float32 [H, W, 2], pixels to the right and down.

    Values from 0 to 1, of even steps to the eye (sRGB) rather than of light.
    """
    pyramid = [(_blurred(a, _FINE), _blurred(b, _FINE))]
    while min(pyramid[-1][0].shape) >= 2 * _COARSEST:
        pyramid.append((_half(pyramid[-1][0]), _half(pyramid[-1][1])))

    def calm(level: int, a: jax.Array, b: jax.Array, coarse: jax.Array) -> jax.Array:
        return _best(a, b, jnp.zeros_like(coarse), coarse)  # where the coarser images show nothing, they may lead astray

    def bold(level: int, a: jax.Array, b: jax.Array, coarse: jax.Array) -> jax.Array:
        return _searched(a, b, coarse, _FAR if level == len(pyramid) - 1 else _NEAR) if level else coarse

    a, b = pyramid[0]
    return _refined(a, b, _best(a, b, _descended(pyramid, calm), _descended(pyramid, bold), _CLEARLY), _cubic)


def _descended(pyramid: list[tuple[jax.Array, jax.Array]], begin: Callable[..., jax.Array]) -> jax.Array:
    """The flow of the finest images, from the coarsest down; each level starts where `begin` says, given the flow so far."""
    found = jnp.zeros((*pyramid[-1][0].shape, 2), jnp.float32)
    for level, (a, b) in reversed(list(enumerate(pyramid))):
        scale = jnp.array([a.shape[1] / found.shape[1], a.shape[0] / found.shape[0]])
        begun = begin(level, a, b, jax.image.resize(found, (*a.shape, 2), "linear") * scale)
        found = jax.lax.fori_loop(0, _ROUNDS, lambda k, f, a=a, b=b: _refined(a, b, f, _line), begun)
        found = _best(a, b, begun, found)
    return found


def _refined(a: jax.Array, b: jax.Array, found: jax.Array, weights: Weights) -> jax.Array:
    drawn = warped(b, found, weights)
    (ay, ax), (by, bx) = jnp.gradient(a), jnp.gradient(drawn)
    x, y, rest = (ax + bx) / 2, (ay + by) / 2, a - drawn
    xx, xy, yy, xr, yr = _blurred(jnp.stack([x * x, x * y, y * y, x * rest, y * rest]))
    determinant = (xx + _FLAT) * (yy + _FLAT) - xy**2
    steps = ((yy + _FLAT) * xr - xy * yr) / determinant, ((xx + _FLAT) * yr - xy * xr) / determinant
    # The least eigenvalue says how well a window binds the flow: along an edge, only what is across it is known.
    trust = (xx + yy) / 2 - jnp.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    trust = jnp.maximum(trust, 0.0) + _FLAT
    moved = [(found[..., k] + jnp.clip(step, -1.0, 1.0)) * trust for k, step in enumerate(steps)]
    *moved, trust = _blurred(jnp.stack([*moved, trust]))
    return jnp.stack(moved, -1) / trust[..., None]


def _best(a: jax.Array, b: jax.Array, first: jax.Array, second: jax.Array, share: float = 1.0) -> jax.Array:
    """Of two flows that which draws b nearer to a, in each window: the second if its error is below a share of the first's."""
    off = _blurred(jnp.stack([(a - warped(b, shift, _line)) ** 2 for shift in (first, second)]))
    return jnp.where((off[1] < share * off[0])[..., None], second, first)


def _searched(a: jax.Array, b: jax.Array, found: jax.Array, reach: int) -> jax.Array:
    """A flow with that whole shift added, of up to `reach` pixels to each side, which draws b nearest to a in each window."""
    sides = jnp.arange(-reach, reach + 1, dtype=jnp.float32)
    shifts = jnp.stack(jnp.meshgrid(sides, sides), -1).reshape(-1, 2)

    def tried(best: tuple[jax.Array, jax.Array], shift: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        off = _blurred((a - warped(b, found + shift, _line)) ** 2) + _FLAT * (shift**2).sum()
        nearer = off < best[0]
        return (jnp.where(nearer, off, best[0]), jnp.where(nearer[..., None], found + shift, best[1])), None

    return jax.lax.scan(tried, (jnp.full(a.shape, jnp.inf), found), shifts)[0][1]


def _line(s: jax.Array) -> tuple[jax.Array, ...]:
    """Weights of the pixels at 0 and 1 for a place 0 <= s < 1."""
    return 1 - s, s


def _cubic(s: jax.Array) -> tuple[jax.Array, ...]:
    """Weights of the pixels at -1, 0, 1 and 2 for a place 0 <= s < 1 (Keys, 1981, a = -1/2)."""
    return ((2 - s) * s - 1) * s / 2, ((3 * s - 5) * s * s + 2) / 2, ((4 - 3 * s) * s + 1) * s / 2, (s - 1) * s * s / 2


def warped(image: jax.Array, shift: jax.Array, weights: Weights = _cubic) -> jax.Array:
    """The image [H, W] at each pixel plus its shift [H, W, 2], constant beyond its edges.

    Cubic in between: a line between pixels would blur what lies half-way, and so flicker with the frames.
    """
    height, width = image.shape
    x = jnp.clip(jnp.arange(width) + shift[..., 0], 0, width - 1)
    y = jnp.clip(jnp.arange(height)[:, None] + shift[..., 1], 0, height - 1)
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    across, down = weights(x - left), weights(y - top)
    places = range(1 - len(across) // 2, 1 + len(across) // 2)
    columns = [jnp.clip(left + k, 0, width - 1) for k in places]
    flat, total = image.ravel(), jnp.zeros_like(x)
    for k, part in zip(places, down, strict=True):
        row = jnp.clip(top + k, 0, height - 1) * width
        read = (flat.at[row + column].get(mode="promise_in_bounds") for column in columns)
        total += part * sum(weight * value for weight, value in zip(across, read, strict=True))
    return total


@jax.jit
def between(a: jax.Array, b: jax.Array, there: jax.Array, back: jax.Array, part: jax.Array) -> jax.Array:
    """The image [H, W] at `part` 0..1 of the way from a to b, whose flows [H, W, 2] are `there` and `back`; ends are exact."""
    s = 1 - part
    to_a = part * (part * back - s * there)
    to_b = s * (s * there - part * back)
    return s * warped(a, to_a) + part * warped(b, to_b)


def _half(image: jax.Array) -> jax.Array:
    height, width = image.shape
    return jax.image.resize(image, ((height + 1) // 2, (width + 1) // 2), "linear", antialias=True)


def _blurred(images: jax.Array, window: tuple[int, ...] = _WINDOW) -> jax.Array:
    """The mean over a window, of images [..., H, W] that are constant beyond their edges."""
    half = len(window) // 2
    images = jax.lax.optimization_barrier(images)
    for axis in (images.ndim - 2, images.ndim - 1):
        padded = jnp.pad(images, [(half, half) if k == axis else (0, 0) for k in range(images.ndim)], mode="edge")
        parts = (weight * jax.lax.slice_in_dim(padded, k, k + images.shape[axis], axis=axis) for k, weight in enumerate(window))
        # Without the barrier, XLA computes what goes in anew for each weight.
        images = jax.lax.optimization_barrier(jnp.asarray(sum(parts)) / sum(window))
    return images
