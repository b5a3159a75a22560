"""Augmentation of encoded frames on the device, one key a sample."""

from __future__ import annotations

import jax
import jax.numpy as jnp

Number = jax.Array | float


def warp(frames: jax.Array, dx: Number, dy: Number, degrees: Number, scale: Number) -> jax.Array:
    """Moves a sample `[T, H, W, C]` by (dx, dy) pixels, turns it clockwise and scales it about its centre; zeros come in.

    A pixel at r from the centre shows what was at R(-degrees) (r - d) / scale, to the nearest pixel.
    """
    steps, height, width, channels = frames.shape
    angle = jnp.asarray(degrees) * jnp.pi / 180
    y = jnp.arange(height)[:, None] - (height - 1) / 2 - dy
    x = jnp.arange(width)[None, :] - (width - 1) / 2 - dx
    source_y = jnp.round((jnp.cos(angle) * y - jnp.sin(angle) * x) / scale + (height - 1) / 2).astype(int)
    source_x = jnp.round((jnp.sin(angle) * y + jnp.cos(angle) * x) / scale + (width - 1) / 2).astype(int)
    inside = (source_y >= 0) & (source_y < height) & (source_x >= 0) & (source_x < width)
    flat = jnp.where(inside, source_y * width + source_x, 0).reshape(-1)
    moved = frames.reshape(steps, height * width, channels)[:, flat].reshape(frames.shape)
    return jnp.where(inside[None, :, :, None], moved, 0)


def affine(frames: jax.Array, key: jax.Array, shift: float = 0.0, rotate: float = 0.0, scale: float = 0.0) -> jax.Array:
    """Warps a sample `[T, H, W, C]` by one draw for all its frames, each evenly.

    Up to `shift` pixels in x and in y, up to `rotate` degrees either way, by a factor exp(s) with s up to `scale` either way.
    """
    dx, dy, turn, size = jax.random.uniform(key, (4,), minval=-1.0)
    return warp(frames, dx * shift, dy * shift, turn * rotate, jnp.exp(size * scale))
