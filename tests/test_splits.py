"""Splits: disjoint, whole, stratified, and no subject on two sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.data.splits import folds, official, with_validation
from mxsnn.errors import UserError

labels_of = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 4, 90))


@given(labels_of, st.integers(2, 5), st.integers(0, 5))
def test_folds_partition_and_are_stratified(labels, count, seed):
    parts = folds(labels, count, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    sizes = [len(p) for p in parts]
    assert max(sizes) - min(sizes) <= 1
    for c in np.unique(labels):
        share = [int((labels[p] == c).sum()) for p in parts]
        assert max(share) - min(share) <= 1
    for a, b in zip(parts, folds(labels, count, seed), strict=True):
        assert np.array_equal(a, b)


@given(labels_of, st.integers(2, 5), st.integers(0, 5))
def test_no_group_is_in_two_folds(labels, count, seed):
    groups = np.random.default_rng(seed).integers(0, 12, len(labels))
    parts = folds(labels, count, seed, groups)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for i, a in enumerate(parts):
        for b in parts[i + 1 :]:
            assert not set(groups[a]) & set(groups[b])


@given(labels_of, st.integers(0, 5), st.booleans())
def test_as_many_parts_as_subjects_leave_one_out(labels, seed, apart):
    groups = labels if apart else np.random.default_rng(seed).integers(0, 12, len(labels))  # apart: no class is shared
    parts = folds(labels, len(np.unique(groups)), seed, groups)
    assert sorted(int(g) for part in parts for g in np.unique(groups[part])) == np.unique(groups).tolist()
    assert all(len(np.unique(groups[part])) == 1 for part in parts)


@given(labels_of, st.sampled_from([0.1, 0.2, 0.5]), st.booleans())
def test_three_disjoint_parts(labels, fraction, grouped):
    groups = np.arange(len(labels)) // 3 if grouped else None
    test = np.arange(0, 30)
    split = with_validation(labels, test, fraction, 0, groups)
    assert sorted(np.concatenate(split)) == list(range(len(labels)))
    assert abs(len(split.validation) - fraction * 60) <= 4
    if grouped:
        assert not set(groups[split.train]) & set(groups[split.validation])


def test_mistakes():
    labels = np.repeat(np.arange(3), 4)
    with pytest.raises(UserError, match="the smallest class has 4"):
        folds(labels, 5, 0)
    with pytest.raises(UserError, match="need as many subjects; there are 2"):
        folds(labels, 3, 0, np.arange(12) % 2)
    with pytest.raises(UserError, match="between 0 and 1; got 1"):
        with_validation(labels, np.arange(3), 1, 0)
    with pytest.raises(UserError, match=r"0.1 is less than one of the 4 subjects left; give at least 0.25"):
        with_validation(labels, np.arange(2), 0.1, 0, np.arange(12) % 4)
    assert len(with_validation(labels, np.arange(0), 0.25, 0, np.arange(12) % 4).validation) == 3
    with pytest.raises(UserError, match="less than one of the 1 subjects left; there is no second one"):
        with_validation(labels, np.arange(2), 0.5, 0, np.zeros(12, int))
    with pytest.raises(UserError, match="--folds 5"):
        official(labels, np.zeros(12, bool), 0.3, 0)
    with pytest.raises(UserError, match=r"subjects .* are in the official test part and outside"):
        official(labels, np.arange(12) < 4, 0.3, 0, np.zeros(12, int))
