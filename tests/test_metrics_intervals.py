"""Intervals against published values and formulas, and their coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mxsnn.errors import UserError
from mxsnn.metrics import bca, bootstrap, confusion, expanded, percentile, uf1, wilson
from mxsnn.metrics.intervals import draw, interval


def mean(values: np.ndarray) -> float:
    return float(values.mean())


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


def test_subjects_are_drawn_with_all_their_samples():
    """Subjects who are always right or always wrong: the interval is that of 20 subjects, not of 2,000 samples."""
    groups = np.repeat(np.arange(20), 100)
    right = (groups < 12).astype(float)
    of_subjects = bootstrap(mean, (right,), groups, 0, ends=percentile)
    of_samples = bootstrap(mean, (right,), None, 0, resamples=500, ends=percentile)
    deviation = np.sqrt(0.6 * 0.4 / 20)
    assert of_subjects.value == of_samples.value == pytest.approx(0.6)
    assert of_subjects.subjects == 20 and of_samples.subjects == 2000
    assert np.diff(of_subjects.interval) == pytest.approx(2 * 1.96 * deviation, rel=0.1)
    assert np.diff(of_samples.interval) == pytest.approx(2 * 1.96 * deviation / 10, rel=0.15)
    draws = draw(mean, (right,), groups, 0, 300)
    assert np.allclose(draws.values * 20, np.round(draws.values * 20))  # whole subjects
    np.testing.assert_allclose(np.unique(np.round(draws.one_out(), 9)), np.round([11 / 19, 12 / 19], 9))


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_it_depends_on_the_seed_and_not_on_the_order(seed, order):
    rng = np.random.default_rng(7)
    values, groups = rng.random(30).round(3), rng.integers(0, 9, 30)
    one = bootstrap(mean, (values,), groups, seed, resamples=50)
    shuffled = np.random.default_rng(order).permutation(30)
    other = bootstrap(mean, (values[shuffled],), groups[shuffled], seed, resamples=50)
    np.testing.assert_allclose(one.interval, other.interval)
    assert one.note == other.note
    assert bootstrap(mean, (values,), groups, seed + 1, resamples=50).interval != one.interval


def test_quantiles_against_scipy():
    """SciPy's own bootstrap of a skewed sample, percentile and BCa."""
    sample = np.random.default_rng(3).exponential(size=40)
    draws = draw(mean, (sample,), None, 0, 8000)
    for ends, method in ((percentile, "percentile"), (bca, "BCa")):
        want = stats.bootstrap(
            (sample,), np.mean, n_resamples=8000, method=method, rng=np.random.default_rng(1)
        ).confidence_interval
        assert interval(draws, 0.95, ends) == pytest.approx(tuple(want), abs=0.02)
    shift = interval(draws, 0.95, bca).high - interval(draws, 0.95, percentile).high
    assert shift > 0.02  # the correction is no rounding: BCa reaches further into the long tail


def test_expanded_quantiles_make_of_the_draws_the_interval_of_student():
    """Draws of a mean are normal with (n - 1) / n of the variance of the t interval's."""
    sample = np.random.default_rng(4).standard_normal(9)
    low, high = bootstrap(mean, (sample,), None, 0, resamples=20000).interval
    half = stats.t.ppf(0.975, 8) * sample.std(ddof=1) / 3
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)


def coverage(ends, subjects: int, runs: int, resamples: int = 400) -> float:
    """How often 95 % intervals of the accuracy hold it: subjects from Beta(6, 4), eight clips each."""
    groups, held = np.repeat(np.arange(subjects), 8), 0
    for seed in range(runs):
        rng = np.random.default_rng([subjects, seed])
        right = (rng.random((subjects, 8)) < rng.beta(6, 4, subjects)[:, None]).ravel().astype(float)
        low, high = bootstrap(mean, (right,), groups, seed, resamples=resamples, ends=ends).interval
        held += low <= 0.6 <= high
    return held / runs


@pytest.mark.slow
@pytest.mark.parametrize(("ends", "least"), [(expanded, 0.93), (percentile, 0.91), (bca, 0.91)])
def test_coverage_of_24_subjects(ends, least):
    assert least <= coverage(ends, 24, 800) <= 0.98


@pytest.mark.slow
def test_few_subjects_are_why_intervals_are_expanded():
    assert coverage(expanded, 8, 600) > 0.9
    assert coverage(percentile, 8, 600) < coverage(expanded, 8, 600)
    assert coverage(percentile, 4, 600) < 0.85  # why it is said


def test_samples_of_one_subject_are_not_independent():
    """Wilson's interval takes them so, and is too narrow where subjects differ; one run of `coverage`, all samples alike."""
    held = []
    for seed in range(300):
        rng = np.random.default_rng([9, seed])
        right = rng.random((16, 20)) < rng.beta(3, 2, 16)[:, None]
        low, high = wilson(int(right.sum()), right.size)
        held.append(low <= 0.6 <= high)
    assert np.mean(held) < 0.8


def test_what_is_to_be_said():
    rng = np.random.default_rng(0)
    values, groups = rng.random(40), np.repeat(np.arange(10), 4)
    assert bootstrap(mean, (values,), groups, 0, resamples=50).note == ""
    assert "4 subjects only" in bootstrap(mean, (values,), np.arange(40) % 4, 0, resamples=50).note
    alone = bootstrap(mean, (values,), np.zeros(40, int), 0, resamples=50)
    assert np.isnan(alone.interval).all() and "one subject" in alone.note
    perfect = bootstrap(mean, (np.ones(40),), groups, 0, resamples=50, ends=bca)
    assert perfect.interval == (1, 1) and "no width" in perfect.note
    with pytest.raises(UserError, match=r"of the same samples, at least one; got \[39, 40\]"):
        bootstrap(mean, (values,), groups[:39], 0)
    with pytest.raises(UserError, match="at least one"):
        bootstrap(mean, (values[:0],), None, 0)


def test_figures_that_cannot_be_told_in_a_draw_are_counted():
    def ratio(a: np.ndarray) -> float:
        return float(a.sum() / a.sum()) if a.any() else float("nan")

    found = bootstrap(ratio, (np.array([1.0] + [0.0] * 9),), None, 0, resamples=400)
    assert found.value == 1
    told = int(found.note.split("could not be told in ")[1].split()[0])
    assert told / 400 == pytest.approx(0.9**10, abs=0.08)  # the first is not drawn


def test_any_metric_by_subject():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 120)
    predicted = np.where(rng.random(120) < 0.7, truth, rng.integers(0, 3, 120))
    found = bootstrap(lambda t, p: uf1(confusion(t, p, 3)).mean, (truth, predicted), np.arange(120) % 12, 0, resamples=300)
    assert found.value == pytest.approx(uf1(confusion(truth, predicted, 3)).mean)
    assert found.interval.low < found.value < found.interval.high
