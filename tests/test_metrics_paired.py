"""Paired tests against SciPy and by hand, and their errors of the first kind by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mxsnn.errors import UserError
from mxsnn.metrics import accuracy, holm, mcnemar, paired_bootstrap, percentile, swap_test

ZEROS = np.zeros(600, int)


def named(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and two predictors with these counts."""
    a = np.repeat([0, 0, 1, 1], (both, first, second, neither))
    b = np.repeat([0, 1, 0, 1], (both, first, second, neither))
    return np.zeros(len(a), int), a, b


@given(*[st.integers(0, 40)] * 4)
def test_mcnemar_is_the_binomial_test(both, first, second, neither):
    found = mcnemar(*named(both, first, second, neither))
    assert found[:4] == (both, first, second, neither)
    n = first + second
    assert found.p == pytest.approx(stats.binomtest(first, n).pvalue if n else 1.0)


def test_mcnemar_of_many():
    assert mcnemar(*named(5000, 1100, 1000, 0)).p == pytest.approx(stats.binomtest(1100, 2100).pvalue)
    with pytest.raises(UserError, match="of the same clips; got"):
        mcnemar(ZEROS[:3], ZEROS[:3], ZEROS[:2])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_step_by_step(values):
    adjusted = holm(values)
    order = sorted(range(len(values)), key=lambda k: values[k])
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for step, k in enumerate(order):  # Holm: the smallest against level / m, the next against level / (m - 1), ...
            if values[k] * (len(values) - step) > level:
                break
            rejected.add(k)
        assert {k for k in range(len(values)) if adjusted[k] <= level} == rejected


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert holm([]).shape == (0,)


def clips(seed: int, subjects: int, each: int, better: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Truth, two predictors and subjects: who a subject is counts for either predictor in its own way."""
    rng = np.random.default_rng([subjects, seed])
    groups = np.repeat(np.arange(subjects), each)
    skill = np.clip(rng.normal([[0.6 + better], [0.6]], 0.15, (2, subjects)), 0, 1)
    first, second = (rng.random((2, subjects * each)) > skill[:, groups]).astype(int)
    return np.zeros(subjects * each, int), first, second, groups


def test_p_and_interval_say_the_same():
    for seed in range(30):
        found = paired_bootstrap(accuracy, *clips(seed, 10, 8, better=0.1), seed, resamples=300)
        for level in (0.8, 0.95):
            low, high = paired_bootstrap(accuracy, *clips(seed, 10, 8, better=0.1), seed, resamples=300, level=level).interval
            if abs(found.p - (1 - level)) > 0.02:  # the ends of intervals lie between two draws
                assert (found.p < 1 - level) == (not low <= 0 <= high)


def test_a_difference_is_found_and_signed():
    truth, first, second, groups = clips(0, 20, 15, better=0.25)
    found = paired_bootstrap(accuracy, truth, first, second, groups, 0, resamples=500)
    assert found.value == pytest.approx(accuracy(truth, first) - accuracy(truth, second))
    assert found.interval.low > 0.05 and found.p < 0.02 and found.subjects == 20 and found.note == ""
    back = paired_bootstrap(accuracy, truth, second, first, groups, 0, resamples=500)
    np.testing.assert_allclose(back.interval, (-found.interval.high, -found.interval.low), atol=1e-12)
    assert swap_test(accuracy, truth, first, second, groups, 0) < 0.01
    same = paired_bootstrap(accuracy, truth, first, first, groups, 0, resamples=100)
    assert same.value == 0 and same.p == 1 and same.interval == (0, 0)
    assert swap_test(accuracy, truth, first, first, groups, 0, resamples=100) == 1


def test_swap_test_by_hand():
    """Three subjects with differences +2, +2, -1 of 3 clips each: of 8 signs, +-3 and +-5 are as far from 0 as 3."""
    groups = np.repeat(np.arange(3), 3)
    first, second = np.array([0, 0, 1, 0, 0, 1, 1, 1, 0]), np.array([1, 1, 1, 1, 1, 1, 0, 1, 0])
    totals = [abs(sum(s * d for s, d in zip(signs, (2, 2, -1), strict=True))) for signs in itertools.product((1, -1), repeat=3)]
    want = np.mean([total >= 3 for total in totals])
    assert swap_test(accuracy, ZEROS[:9], first, second, groups, 0) == want == 0.5
    drawn = swap_test(accuracy, ZEROS[:9], first, second, groups, 0, resamples=3)  # fewer than ways there are
    assert drawn in {k / 4 for k in (1, 2, 3, 4)}


def test_two_subjects_cannot_show_anything():
    truth, first, second = named(0, 50, 0, 0)
    groups = np.arange(50) % 2
    assert mcnemar(truth, first, second).p < 1e-12  # which takes the clips as independent
    assert swap_test(accuracy, truth, first, second, groups, 0) == 0.5
    assert "2 subjects only" in paired_bootstrap(accuracy, truth, first, second, groups, 0, resamples=50).note
    assert np.isnan(paired_bootstrap(accuracy, truth, first, second, 0 * groups, 0, resamples=50).p)


@pytest.mark.slow
@pytest.mark.parametrize("subjects", [6, 16])
def test_errors_of_the_first_kind(subjects):
    """Predictors that are as good, at the level of 5 %: 300 data sets, so that 5 % are 5 +- 2.5 % (95 %)."""
    runs, resamples = 300, 1000
    found = {"swap": 0, "bootstrap": 0, "percentile": 0, "mcnemar": 0}
    for seed in range(runs):
        truth, first, second, groups = clips(seed, subjects, 24)
        found["swap"] += swap_test(accuracy, truth, first, second, groups, seed, resamples=resamples) <= 0.05
        found["bootstrap"] += paired_bootstrap(accuracy, truth, first, second, groups, seed, resamples=resamples).p <= 0.05
        plain = paired_bootstrap(accuracy, truth, first, second, groups, seed, resamples=resamples, ends=percentile)
        found["percentile"] += plain.p <= 0.05
        found["mcnemar"] += mcnemar(truth, first, second).p <= 0.05
    rate = {name: count / runs for name, count in found.items()}
    assert rate["swap"] <= 0.08
    assert rate["bootstrap"] <= 0.1
    assert rate["percentile"] >= rate["bootstrap"]
    assert rate["mcnemar"] > 0.1  # clips of a subject are not independent
