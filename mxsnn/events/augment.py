"""Augmentation of encoded frames on the device, one key a sample."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def affine(frames: jax.Array, key: jax.Array, shift: float = 0.0, rotate: float = 0.0, scale: float = 0.0) -> jax.Array:
    """Moves, turns and scales a sample `[T, H, W, C]` about its centre by one draw for all its frames; zeros come in.

    source = R(angle) (target - centre - d) / s + centre, to the nearest pixel; d from +-`shift` pixels in x and y, the angle from
    +-`rotate` degrees, log s from +-`scale`, all evenly.
    """
    steps, height, width, channels = frames.shape
    by = jax.random.uniform(key, (4,), minval=-1.0)
    angle, size = by[2] * rotate * jnp.pi / 180, jnp.exp(by[3] * scale)
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y = jnp.arange(height)[:, None] - middle_y - by[0] * shift
    x = jnp.arange(width)[None, :] - middle_x - by[1] * shift
    source_y = jnp.round((jnp.cos(angle) * y - jnp.sin(angle) * x) / size + middle_y).astype(int)
    source_x = jnp.round((jnp.sin(angle) * y + jnp.cos(angle) * x) / size + middle_x).astype(int)
    inside = (source_y >= 0) & (source_y < height) & (source_x >= 0) & (source_x < width)
    flat = jnp.where(inside, source_y * width + source_x, 0).reshape(-1)
    moved = frames.reshape(steps, height * width, channels)[:, flat].reshape(frames.shape)
    return jnp.where(inside[None, :, :, None], moved, 0)
