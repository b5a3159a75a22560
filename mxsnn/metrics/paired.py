"""Is one predictor better than another on the same clips, or is it chance?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mxsnn.errors import UserError
from mxsnn.metrics.intervals import Draws, Ends, Interval, Metric, clusters, doubts, draw, expanded, interval


class McNemar(NamedTuple):
    """How many samples which of two predictors names rightly, and whether they differ."""

    both: int
    first: int
    """rightly by the first alone"""
    second: int
    neither: int
    p: float


class Difference(NamedTuple):
    """The first predictor's figure minus the second's."""

    value: float
    interval: Interval
    p: float
    """the least 1 - level whose interval leaves out 0, where the draws tell quantiles so far out: of few subjects they do not"""
    subjects: int
    note: str


def mcnemar(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> McNemar:
    """McNemar's exact test, two-sided: of the samples that one alone names rightly, each has as many? Classes [N].

    Samples count as independent: where several are of one subject, `swap_test` and `paired_bootstrap` are to be asked.
    Source: McNemar, Psychometrika 12, 1947; exact by the binomial distribution.
    """
    truth, first, second = (np.asarray(array) for array in (truth, first, second))
    if not truth.shape == first.shape == second.shape or truth.ndim != 1:
        raise UserError(f"truth and both predictions are [N], of the same clips; got {truth.shape}, {first.shape}, {second.shape}")
    a, b = first == truth, second == truth
    one, other = int((a & ~b).sum()), int((b & ~a).sum())
    n = one + other
    tail = sum(math.comb(n, k) for k in range(min(one, other) + 1))
    return McNemar(int((a & b).sum()), one, other, int((~a & ~b).sum()), min(1.0, 2 * tail / 2**n))


def paired_bootstrap(
    metric: Metric,
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray | None,
    seed: int,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    ends: Ends = expanded,
) -> Difference:
    """`metric(truth, first) - metric(truth, second)` on the same clips, subjects drawn with replacement, as `bootstrap`."""
    draws = draw(lambda t, a, b: metric(t, a) - metric(t, b), (truth, first, second), groups, seed, resamples)
    found = interval(draws, level, ends)
    return Difference(draws.value, found, _p(draws, ends), draws.subjects, doubts(draws, resamples))


def swap_test(
    metric: Metric,
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray | None,
    seed: int,
    *,
    resamples: int = 2000,
) -> float:
    """How often the figures differ as much where each subject's predictions are given to the one or the other by chance: p.

    Exact for any number of subjects if the predictors do not differ; n of them give 2^(1 - n) at least, however large the
    difference. All ways are tried where there are no more than `resamples`.
    Source: Noreen, "Computer-Intensive Methods for Testing Hypotheses", 1989 (approximate randomization).
    """
    truth, first, second = (np.asarray(array) for array in (truth, first, second))
    members = clusters((truth, first, second), groups)
    count, rng = len(members), np.random.default_rng([seed, 0x5A4B])
    subject = np.empty(len(truth), int)
    for g, index in enumerate(members):
        subject[index] = g

    def apart(swapped: np.ndarray) -> float:
        there = swapped[subject].reshape(-1, *[1] * (first.ndim - 1))
        return abs(metric(truth, np.where(there, second, first)) - metric(truth, np.where(there, first, second)))

    found = apart(np.zeros(count, bool)) - 1e-12  # sums in another order are rounded in another way
    if count < 63 and 2 ** (count - 1) <= resamples:  # the first subject need not be swapped: the difference only changes its sign
        ways = [np.array((False, *rest)) for rest in itertools.product((False, True), repeat=count - 1)]
        return float(np.mean([apart(way) >= found for way in ways]))
    more = sum(apart(rng.random(count) < 0.5) >= found for _ in range(resamples))
    return (1 + more) / (1 + resamples)


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values of several tests, [M], such that the chance of any false finding is at most the level that they are compared with.

    Source: Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    values = np.asarray(p, float)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def _p(draws: Draws, ends: Ends) -> float:
    """The smallest 1 - level whose interval leaves out 0: by bisection, as intervals grow with their level."""
    least = 1 / (len(draws.values) + 1)  # of the distribution the draws tell no more

    def leaves_out(alpha: float) -> bool:
        low, high = ends(np.array([alpha / 2, 1 - alpha / 2]), draws)
        below = np.quantile(draws.values, low) if low >= least else -np.inf
        above = np.quantile(draws.values, high) if high <= 1 - least else np.inf
        return not below <= 0 <= above

    if len(draws.values) == 0:
        return float("nan")
    out, into = 1.0, 0.0
    if not leaves_out(out):
        return 1.0
    for _ in range(30):
        middle = (out + into) / 2
        out, into = (middle, into) if leaves_out(middle) else (out, middle)
    return out
