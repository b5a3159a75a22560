"""Figures of classes and losses against published values, scikit-learn and plain formulas."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from mxsnn.errors import UserError
from mxsnn.losses import cross_entropy
from mxsnn.metrics import accuracy, confusion, majority, top_k, uar, uf1

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, n: int = 60, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, n), rng.integers(0, classes, n)


def test_confusion_and_majority():
    truth, predicted = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0])
    np.testing.assert_array_equal(confusion(truth, predicted, 3), [[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    assert majority(np.array([2, 2, 1]), truth) == pytest.approx(0.4)
    assert majority(np.array([2, 2, 1]), truth, k=2) == pytest.approx(0.6)
    assert majority(np.array([0, 0, 1]), truth, k=3) == 1  # class 2 is never trained on


def test_a_head_of_eleven_classes_on_seven_is_no_silent_zero():
    with pytest.raises(UserError, match="label 9 is none of 7 classes, 0 to 6"):
        confusion(np.array([0, 6]), np.array([6, 9]), 7)
    with pytest.raises(UserError, match="label 7 is none of 7"):
        top_k(np.zeros((1, 7)), np.array([7]), 1, np.array([0]))


@given(seeds)
def test_unweighted_figures_are_those_of_scikit_learn(seed):
    truth, predicted = drawn(seed)
    table = confusion(truth, predicted, 5)
    there = np.unique(truth)
    f1 = oracle.f1_score(truth, predicted, labels=there, average=None, zero_division=0)
    np.testing.assert_allclose(uf1(table).each[there], f1)
    assert uf1(table).mean == pytest.approx(f1.mean())
    assert uar(table).mean == pytest.approx(oracle.recall_score(truth, predicted, labels=there, average="macro", zero_division=0))
    assert accuracy(truth, predicted) == pytest.approx(oracle.accuracy_score(truth, predicted))
    np.testing.assert_array_equal(table, oracle.confusion_matrix(truth, predicted, labels=range(5)))


def test_folds_are_summed_before_they_are_divided():
    """Two folds by hand, the second without class 0: the mean of its folds' UF1 would be (1 + 1/2) / 2."""
    first, second = np.array([[2, 0], [0, 2]]), np.array([[0, 0], [1, 1]])
    pooled = uf1(first + second)  # class 0: TP 2, FP 1, FN 0; class 1: TP 3, FP 0, FN 1
    np.testing.assert_allclose(pooled.each, [4 / 5, 6 / 7])
    assert uar(first + second).mean == pytest.approx((1 + 3 / 4) / 2)


def test_a_class_without_samples_is_named_and_left_out():
    table = confusion(np.array([0, 0, 2]), np.array([0, 1, 2]), 3)
    for figure, want in ((uf1, [2 / 3, np.nan, 1]), (uar, [0.5, np.nan, 1])):
        found = figure(table, ("blink", "frown", "smile"))
        np.testing.assert_allclose(found.each, want)
        assert found.undefined == ("frown",)
        assert found.mean == pytest.approx(np.nanmean(want))
    assert uf1(table).undefined == ("1",)
    assert np.isnan(uar(np.zeros((3, 3), int)).mean)
    with pytest.raises(UserError, match="2 names for 3 figures"):
        uf1(table, ("blink", "frown"))


@given(seeds, st.integers(1, 5))
def test_top_k_is_that_of_scikit_learn_where_scores_differ(seed, k):
    rng = np.random.default_rng(seed)
    truth, scores = rng.integers(0, 5, 40), rng.random((40, 5))
    found = top_k(scores, truth, k, truth)
    want = oracle.top_k_accuracy_score(truth, scores, k=k, labels=range(5)) if k < 5 else 1
    assert found.value == pytest.approx(want)
    assert found.chance == k / 5
    frequent = np.bincount(truth, minlength=5)
    assert found.majority == pytest.approx(np.sort(frequent)[::-1][:k].sum() / 40)


@given(seeds, st.integers(1, 4))
def test_equal_scores_count_as_drawn(seed, k):
    """Against the mean over all orders of the classes, each breaking ties in its way."""
    rng = np.random.default_rng(seed)
    truth, scores = rng.integers(0, 4, 10), rng.integers(0, 3, (10, 4))
    hits = []
    for order in itertools.permutations(range(4)):
        ranked = np.argsort(-scores[:, order], axis=1, kind="stable")[:, :k]
        hits.append((np.array(order)[ranked] == truth[:, None]).any(1).mean())
    assert top_k(scores, truth, k, truth).value == pytest.approx(np.mean(hits))
    assert top_k(np.ones((10, 4)), truth, k, truth).value == pytest.approx(k / 4)  # a silent network is at chance


def test_top_five_of_seven_stands_beside_its_chance():
    shares = np.array([33, 31, 40, 31, 35, 32, 31])  # "Beyond the Smile": its five largest classes hold 73.4 %
    labels = np.repeat(np.arange(7), shares)
    found = top_k(np.zeros((233, 7)), labels, 5, labels)
    assert found.chance == pytest.approx(0.714, abs=5e-4)
    assert found.majority == pytest.approx(0.734, abs=5e-4)


def test_what_cannot_be_told():
    labels = np.array([0, 1])
    with pytest.raises(UserError, match="scores are NaN"):
        top_k(np.full((2, 2), np.nan), labels, 1, labels)
    with pytest.raises(UserError, match="k is at least 1"):
        top_k(np.zeros((2, 2)), labels, 0, labels)
    with pytest.raises(UserError, match=r"got \(2,\) and \(2,\)"):
        top_k(np.zeros(2), labels, 1, labels)
    with pytest.raises(UserError, match="at least one; got"):
        accuracy(labels[:0], labels[:0])
    with pytest.raises(UserError, match="no training labels"):
        majority(labels[:0], labels)


def test_cross_entropy():
    logits = jnp.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(cross_entropy(logits, jnp.array([0, 2])), -np.log([p[0, 0], 1 / 3]), rtol=1e-6)
    q = np.full((1, 3), 0.1 / 3) + 0.9 * np.eye(3)[:1]
    np.testing.assert_allclose(cross_entropy(logits[:1], jnp.array([0]), 0.1), -(q * np.log(p[:1])).sum(-1), rtol=1e-6)
    assert cross_entropy(logits.astype(jnp.bfloat16), jnp.array([0, 2])).dtype == jnp.float32
