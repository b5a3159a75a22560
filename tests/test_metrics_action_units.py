"""Figures of Action Units against scikit-learn, SciPy and the published example of the ICC."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as oracle

from mxsnn.errors import UserError
from mxsnn.metrics import agreement, correlation, icc, mean_absolute_error, unit_auc, unit_f1

seeds = st.integers(0, 2**32 - 1)


def units(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of three units 40 samples have, each unit in some, and scores with ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random((40, 3)) < [0.1, 0.5, 0.9]
    truth[0], truth[1] = True, False
    return truth, rng.integers(0, 6, (40, 3)) / 5


@given(seeds)
def test_f1_and_area_are_those_of_scikit_learn(seed):
    truth, scores = units(seed)
    predicted = scores > 0.5
    want = [oracle.f1_score(truth[:, k], predicted[:, k], zero_division=0) for k in range(3)]
    np.testing.assert_allclose(unit_f1(truth, predicted).each, want)
    assert unit_f1(truth, predicted).mean == pytest.approx(np.mean(want))
    want = [oracle.roc_auc_score(truth[:, k], scores[:, k]) for k in range(3)]
    np.testing.assert_allclose(unit_auc(truth, scores).each, want)
    np.testing.assert_allclose(unit_auc(truth, -scores).each, 1 - np.array(want))


def test_units_that_do_not_vary_are_named_not_averaged():
    truth = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]])
    names = ("AU4", "AU9", "AU25")
    area = unit_auc(truth, np.array([[0.9, 0.1, 0.5], [0.2, 0.2, 0.5], [0.8, 0.9, 0.5]]), names)
    np.testing.assert_array_equal(area.each, [1, np.nan, np.nan])
    assert area.mean == 1
    assert area.undefined == ("AU9", "AU25")
    assert unit_f1(truth, truth, names).undefined == ("AU9", "AU25")
    assert unit_f1(truth, 0 * truth).each[0] == 0  # nothing found is no missing figure
    assert np.isnan(unit_f1(truth[:, 1:], truth[:, 1:]).mean)
    assert unit_auc(truth, np.zeros((3, 3))).each[0] == 0.5


def test_icc_of_the_published_example():
    """Six targets, four judges: Shrout and Fleiss (1979), tables 2 and 4; ICC(3,1) = 0.71."""
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    assert icc(ratings) == pytest.approx(0.71, abs=5e-3)
    with pytest.raises(UserError, match="two samples"):
        icc(ratings[:1])
    assert np.isnan(icc(np.ones((4, 2))))


@given(seeds)
def test_intensities(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random((30, 2))
    predicted = truth + 0.3 * rng.standard_normal((30, 2))
    want = [stats.pearsonr(truth[:, k], predicted[:, k])[0] for k in range(2)]
    np.testing.assert_allclose(correlation(truth, predicted).each, want)
    np.testing.assert_allclose(mean_absolute_error(truth, predicted).each, np.abs(truth - predicted).mean(0))
    # Of two raters ICC(3,1) is their covariance in parts of the mean of their variances.
    cov = [np.cov(truth[:, k], predicted[:, k]) for k in range(2)]
    np.testing.assert_allclose(agreement(truth, predicted).each, [2 * c[0, 1] / (c[0, 0] + c[1, 1]) for c in cov])


def test_what_correlation_does_not_see_agreement_does():
    truth = np.linspace(0, 1, 11)[:, None]
    assert correlation(truth, truth / 4).mean == pytest.approx(1)
    assert agreement(truth, truth / 4).mean == pytest.approx(2 * 4 / 17)
    assert agreement(truth, truth + 2).mean == pytest.approx(1)  # consistency, not absolute agreement
    assert mean_absolute_error(truth, truth + 2).mean == pytest.approx(2)
    for figure in (correlation, agreement):  # who always says the same is not left out of the mean
        assert figure(truth, 0 * truth).mean == pytest.approx(0, abs=1e-12)
        assert figure(0 * truth, truth).undefined == ("0",)
    assert mean_absolute_error(0 * truth, truth).mean == pytest.approx(0.5)


def test_mistakes():
    flags = np.eye(3)
    with pytest.raises(UserError, match=r"got \(3, 3\) and \(3, 2\)"):
        unit_f1(flags, flags[:, :2])
    with pytest.raises(UserError, match="choose a threshold first"):
        unit_f1(flags * 0.4, flags)
    with pytest.raises(UserError, match="NaN"):
        unit_auc(flags, flags * np.nan)
    with pytest.raises(UserError, match="at least one sample"):
        correlation(flags[:0], flags[:0])
