"""Controls: each destroys what it must and keeps what it must."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.data import controls
from mxsnn.data.controls import BLIND, FRAMES, LABELS, by_clip, label_blocks_permuted, labels_permuted, labels_permuted_within
from mxsnn.errors import UserError
from mxsnn.metrics import confusion, majority, top_k, uar

seeds = st.integers(0, 2**32 - 1)


def frames(seed: int, steps: int = 6) -> jax.Array:
    """A clip [T, 4, 5, 2], no two bins alike."""
    events = np.random.default_rng(seed).poisson(0.7, (steps, 4, 5, 2)) + np.arange(steps)[:, None, None, None]
    return jnp.asarray(events, jnp.float32)


def sorted_bins(clip: jax.Array) -> np.ndarray:
    flat = np.asarray(clip).reshape(len(clip), -1)
    return flat[np.lexsort(flat.T)]


@pytest.mark.parametrize("name", FRAMES)
def test_frames_under_jit_stay_what_a_network_takes(name):
    clip, key, control = frames(0), jax.random.key(3), FRAMES[name]
    found = control(clip, key)
    np.testing.assert_allclose(jax.jit(control)(clip, key), found, rtol=1e-6)
    assert found.shape == ((1, 4, 5, 2) if name == "counts-at-once" else clip.shape)
    assert found.dtype == jnp.float32 and control(clip.astype(jnp.bfloat16), key).dtype == jnp.bfloat16  # as it came
    np.testing.assert_allclose(found.sum(), clip.sum(), rtol=1e-6)  # no event is lost
    small = jnp.full((3, 2, 2, 2), 200, jnp.uint8)
    np.testing.assert_allclose(control(small, key).sum(), 200 * small.size)  # nor does a sum wrap


@given(seeds, seeds)
def test_permuted_bins_are_the_bins(seed, key):
    clip = frames(seed)
    np.testing.assert_array_equal(sorted_bins(controls.bins_permuted(clip, jax.random.key(key))), sorted_bins(clip))


def test_permuted_bins_tell_nothing_of_their_order():
    """A clip and its reversal, the diagnostic pair, become the same distribution: each order as likely."""
    forwards = jnp.arange(3.0)[:, None, None, None]
    keys = jax.random.split(jax.random.key(0), 3000)
    for clip in (forwards, forwards[::-1]):
        orders = np.asarray(jax.vmap(lambda k, clip=clip: controls.bins_permuted(clip, k))(keys))[:, :, 0, 0, 0]
        counts = [int((orders == order).all(1).sum()) for order in itertools.permutations(range(3))]
        assert sum((count - 500) ** 2 / 500 for count in counts) < 20.5  # chi-square, 5 degrees of freedom, 99.9 %


def test_each_clip_has_its_own_order_always_the_same():
    steps = jnp.broadcast_to(jnp.arange(12.0)[:, None, None, None], (40, 12, 1, 1, 1))
    index = jnp.arange(40)
    orders = np.asarray(by_clip(controls.bins_permuted, steps, index, 5))[:, :, 0, 0, 0]
    assert len(np.unique(orders, axis=0)) == 40
    shuffled = np.asarray(by_clip(controls.bins_permuted, steps[:7], index[10:17], 5))[:, :, 0, 0, 0]
    np.testing.assert_array_equal(shuffled, orders[10:17])  # whatever else is in the batch
    other = np.asarray(by_clip(controls.bins_permuted, steps, index, 6))[:, :, 0, 0, 0]
    assert (other != orders).any(1).all()
    jitted = jax.jit(lambda f, i: by_clip(controls.bins_permuted, f, i, 5))(steps, index)
    np.testing.assert_array_equal(jitted[:, :, 0, 0, 0], orders)


@given(seeds)
def test_polarity_is_gone_and_all_else_there(seed):
    clip = frames(seed)
    found = controls.polarity_removed(clip)
    np.testing.assert_array_equal(found, controls.polarity_removed(clip[..., ::-1]))
    np.testing.assert_allclose(found.sum(-1), clip.sum(-1))
    np.testing.assert_array_equal(found[..., 0], found[..., 1])


def test_a_sign_is_no_channel():
    with pytest.raises(UserError, match=r"frames \(6, 4, 5, 1\) have one channel; to remove the polarity, encode both"):
        controls.polarity_removed(frames(0)[..., :1])


@given(seeds, seeds)
def test_counts_know_no_time(seed, other):
    clip = frames(seed)
    moved = clip[np.random.default_rng(other).permutation(len(clip))]
    for control in (controls.counts_only, controls.counts_at_once):
        np.testing.assert_allclose(control(moved), control(clip), rtol=1e-6)
        np.testing.assert_allclose(control(clip).sum(0), clip.sum(0), rtol=1e-6)
    assert (controls.counts_only(clip) == controls.counts_only(clip)[:1]).all()


def people(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, subjects and a part of the samples."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, 60), rng.integers(0, 6, 60), np.flatnonzero(rng.random(60) < 0.6)


@pytest.mark.parametrize("name", LABELS)
@given(seed=seeds)
def test_permuted_labels_keep_their_numbers_and_their_part(name, seed):
    labels, groups, part = people(seed)
    before = labels.copy()
    for chosen in (None, part):
        found = LABELS[name](labels, groups, seed, chosen)
        where = np.arange(60) if chosen is None else chosen
        np.testing.assert_array_equal(np.bincount(found[where], minlength=4), np.bincount(labels[where], minlength=4))
        out = np.setdiff1d(np.arange(60), where)
        np.testing.assert_array_equal(found[out], labels[out])  # the test part keeps the truth
        np.testing.assert_array_equal(found, LABELS[name](labels, groups, seed, chosen))
    np.testing.assert_array_equal(labels, before)


def test_permuted_labels_say_nothing():
    """Agreement with the truth is what two draws of the same classes have: 1 / 4, over 200 seeds."""
    labels, groups, _ = people(0)
    share = np.mean([(labels_permuted(labels, groups, seed) == labels).mean() for seed in range(200)])
    assert share == pytest.approx(((np.bincount(labels) / 60) ** 2).sum(), abs=0.02)


@given(seeds)
def test_labels_within_subjects_stay_with_them(seed):
    labels, groups, _ = people(seed)
    found = labels_permuted_within(labels, groups, seed)
    for g in range(6):
        np.testing.assert_array_equal(np.sort(found[groups == g]), np.sort(labels[groups == g]))


@given(seeds)
def test_blocks_move_as_they_are(seed):
    """Subjects who show one class each: within them there is nothing to permute, between them there is."""
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(8), 5))
    labels = groups % 3
    np.testing.assert_array_equal(labels_permuted_within(labels, groups, seed), labels)
    found = label_blocks_permuted(labels, groups, seed)
    assert all(len(np.unique(found[groups == g])) == 1 for g in range(8))
    ordered = np.arange(40)  # each label its own: blocks keep the order inside
    ordered[np.argsort(groups, kind="stable")] = np.arange(40)
    moved = label_blocks_permuted(ordered, groups, seed)
    assert all((np.diff(moved[groups == g]) == 1).all() for g in range(8))
    assert sorted(moved) == list(range(40))


def test_subjects_must_be_known():
    with pytest.raises(UserError, match="permute labels without them, by labels-permuted"):
        labels_permuted_within(np.zeros(4, int), None, 0)
    with pytest.raises(UserError, match="labels-permuted"):
        label_blocks_permuted(np.zeros(4, int), None, 0)


def test_blind_predictors_reach_what_the_metrics_say_they_do():
    rng = np.random.default_rng(0)
    train, test = rng.choice(7, 300, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]), rng.integers(0, 7, 6000)
    for k in (1, 3):
        scores = BLIND["majority"](train, len(test), 7)
        found = top_k(scores, test, k, train)
        assert found.value == pytest.approx(majority(train, test, k), abs=0.02)
        guessed = top_k(BLIND["chance"](train, len(test), 7, 1), test, k, train)
        assert guessed.value == pytest.approx(k / 7, abs=0.02)
    named = BLIND["majority"](train, len(test), 7).argmax(1)
    assert uar(confusion(test, named, 7)).mean == pytest.approx(1 / 7)
    assert (BLIND["chance"](train, 9, 7, 1) == BLIND["chance"](train, 9, 7, 1)).all()
    with pytest.raises(UserError, match="no training labels"):
        BLIND["majority"](train[:0], 3, 7)
