"""Warps of frames against the same done by NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn.events.augment.frames import affine, warp

FRAMES = np.random.default_rng(0).integers(0, 5, (3, 9, 12, 2)).astype(np.uint8)


def shifted(frames, dx, dy):
    """By whole pixels, zeros coming in."""
    height, width = frames.shape[1:3]
    padded = np.pad(frames, ((0, 0), (40, 40), (40, 40), (0, 0)))
    return padded[:, 40 - dy : 40 + height - dy, 40 - dx : 40 + width - dx]


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (0, -2), (-4, 5), (30, 0)])
def test_moves(dx, dy):
    np.testing.assert_array_equal(warp(FRAMES, dx, dy, 0, 1), shifted(FRAMES, dx, dy))


@pytest.mark.parametrize("turns", [-1, 0, 1, 2, 3])
def test_turns(turns):
    square = FRAMES[:, :, :9]
    np.testing.assert_array_equal(warp(square, 0, 0, 90 * turns, 1), np.rot90(square, -turns, axes=(1, 2)))


def test_scales():
    small = np.zeros((1, 8, 8, 1), np.uint8)
    small[:, 3:5, 3:5] = [[[1], [2]], [[3], [4]]]
    twice = np.zeros_like(small)
    twice[:, 2:6, 2:6] = np.repeat(np.repeat(small[:, 3:5, 3:5], 2, 1), 2, 2)
    np.testing.assert_array_equal(warp(small, 0, 0, 0, 2), twice)


def test_keys_decide():
    run = jax.jit(lambda key: affine(jnp.asarray(FRAMES), key, 3, 20, 0.2))
    a, b, c = (np.asarray(run(jax.random.key(k))) for k in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c) and a.dtype == FRAMES.dtype
    np.testing.assert_array_equal(affine(FRAMES, jax.random.key(0)), FRAMES)


def test_draws_stay_within_their_range():
    dot = np.zeros((1, 21, 21, 1), np.uint8)
    dot[0, 10, 10] = 1
    seen = {tuple(np.argwhere(affine(dot, jax.random.key(k), 3))[0, 1:3] - 10) for k in range(200)}
    assert {abs(int(d)) for pair in seen for d in pair} == {0, 1, 2, 3}
