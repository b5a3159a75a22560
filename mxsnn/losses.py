"""Losses, one value a sample, with logits `[B, K]`: reduced by the caller, who knows the weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from mxsnn.typing import Array


def cross_entropy(logits: Array, label: Array, smoothing: float = 0.0) -> Array:
    """-sum_k q_k log softmax(logits)_k, `[B]`, with q = (1 - smoothing) onehot(label) + smoothing / K; in float32."""
    target = optax.smooth_labels(jax.nn.one_hot(label, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits.astype(jnp.float32), target)
