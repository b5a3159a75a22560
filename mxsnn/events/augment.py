"""Augmentation of encoded frames on the device, one key a sample."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def shift(frames: jax.Array, key: jax.Array, pixels: int) -> jax.Array:
    """Moves a sample `[T, H, W, C]` by up to `pixels` in x and in y, each drawn evenly; zeros come in."""
    dy, dx = jax.random.randint(key, (2,), -pixels, pixels + 1)
    padded = jnp.pad(frames, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    return jax.lax.dynamic_slice(padded, (0, pixels + dy, pixels + dx, 0), frames.shape)
