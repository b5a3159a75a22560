"""Intervals, tables and losses against published values and plain formulas."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.losses import cross_entropy
from mxsnn.metrics import confusion, majority, wilson


def test_wilson_against_published_values():
    assert wilson(19, 44) == pytest.approx((0.297, 0.578), abs=5e-4)
    assert wilson(42, 44) == pytest.approx((0.849, 0.987), abs=5e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)  # z^2 / (n + z^2)
    assert wilson(0, 0) == (0, 1)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_the_score_equation(case):
    k, n = case
    for bound in wilson(k, n):
        if 0 < bound < 1:  # |p - bound| = z sqrt(bound (1 - bound) / n)
            assert (k / n - bound) ** 2 == pytest.approx(1.959963984540054**2 * bound * (1 - bound) / n, abs=1e-9)


def test_confusion_and_majority():
    truth, predicted = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0])
    np.testing.assert_array_equal(confusion(truth, predicted, 3), [[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    assert majority(np.array([2, 2, 1]), truth) == pytest.approx(0.4)


def test_cross_entropy():
    logits = jnp.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(cross_entropy(logits, jnp.array([0, 2])), -np.log([p[0, 0], 1 / 3]), rtol=1e-6)
    q = np.full((1, 3), 0.1 / 3) + 0.9 * np.eye(3)[:1]
    np.testing.assert_allclose(cross_entropy(logits[:1], jnp.array([0]), 0.1), -(q * np.log(p[:1])).sum(-1), rtol=1e-6)
    assert cross_entropy(logits.astype(jnp.bfloat16), jnp.array([0, 2])).dtype == jnp.float32
