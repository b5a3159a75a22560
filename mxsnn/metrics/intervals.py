"""How sure a figure is: score intervals of proportions, and of any figure by drawing the subjects again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from mxsnn.errors import UserError

Metric = Callable[..., float]
"""A figure of arrays that share their first axis, the samples; NaN where it cannot be told."""

FEW = 8
"""Subjects below which an interval by subject is a rough guess: `expanded` ones for 95 % held the truth 82 % of the time for 4,
91 % for 6, 93 to 96 % for 8 to 24 (accuracies of subjects from a beta distribution, as in tests/test_metrics_intervals.py)."""


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float


class Draws(NamedTuple):
    """A figure, and what it would be for other subjects."""

    value: float
    values: np.ndarray
    """[R] sorted, of as many subjects drawn with replacement; those where it could not be told are missing"""
    subjects: int
    one_out: Callable[[], np.ndarray]
    """[subjects], the figure without each of them"""


Ends = Callable[[np.ndarray, Draws], np.ndarray]
"""From the shares of the distribution that shall lie below the ends to the shares of the draws that do."""


class Estimate(NamedTuple):
    """A figure with its interval, and what is to be said about it."""

    value: float
    interval: Interval
    subjects: int
    note: str
    """why not to trust the interval, "" for no reason known"""


def wilson(correct: int, n: int, z: float = 1.959963984540054) -> Interval:
    """Score interval of a proportion of n independent samples; z = 1.96 gives 95 %. Source: Wilson (1927)."""
    if n == 0:
        return Interval(0.0, 1.0)
    p, shrink = correct / n, 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / shrink
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / shrink
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def percentile(tails: np.ndarray, draws: Draws) -> np.ndarray:
    """The draws' own quantiles. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993."""
    return tails


def expanded(tails: np.ndarray, draws: Draws) -> np.ndarray:
    """Quantiles further out, by Student's t and n / (n - 1): those of few subjects are too narrow.

    Source: Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015.
    """
    n = draws.subjects
    return special.ndtr(math.sqrt(n / (n - 1)) * special.stdtrit(n - 1, tails))


def bca(tails: np.ndarray, draws: Draws) -> np.ndarray:
    """Quantiles corrected for bias and skewness (BCa). Source: Efron, JASA 82, 1987."""
    below = ((draws.values < draws.value).mean() + (draws.values <= draws.value).mean()) / 2  # figures of counts have ties
    bias = special.ndtri(np.clip(below, 0.5 / len(draws.values), 1 - 0.5 / len(draws.values)))
    left = draws.one_out()
    apart = left.sum() / max(len(left), 1) - left
    spread = (apart**2).sum() ** 1.5
    skew = (apart**3).sum() / (6 * spread) if spread > 0 else 0.0
    shifted = bias + special.ndtri(tails)
    return special.ndtr(bias + shifted / (1 - skew * shifted))


def bootstrap(
    metric: Metric,
    arrays: Sequence[np.ndarray],
    groups: np.ndarray | None,
    seed: int,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    ends: Ends = expanded,
) -> Estimate:
    """`metric(*arrays)` with its interval: subjects are drawn with replacement, each with all its samples.

    arrays: each [N, ...]; groups: the subject of each sample [N], None where each is its own; ends: `expanded`, `percentile` or
    `bca`.
    The interval is about other subjects seen by the same trained networks, not about other trainings.
    """
    draws = draw(metric, arrays, groups, seed, resamples)
    return Estimate(draws.value, interval(draws, level, ends), draws.subjects, doubts(draws, resamples))


def draw(metric: Metric, arrays: Sequence[np.ndarray], groups: np.ndarray | None, seed: int, resamples: int) -> Draws:
    """The figure of `resamples` sets of as many subjects. Raises: UserError for arrays of different lengths."""
    arrays = [np.asarray(array) for array in arrays]
    members = clusters(arrays, groups)
    count, rng = len(members), np.random.default_rng([seed, 0xB007])

    def of(chosen: Sequence[int] | np.ndarray) -> float:
        index = np.concatenate([members[g] for g in chosen])
        return metric(*(array[index] for array in arrays))

    def one_out() -> np.ndarray:
        left = np.array([of([g for g in range(count) if g != out]) for out in range(count)])
        return left[~np.isnan(left)]

    values = np.array([of(rng.integers(count, size=count)) for _ in range(resamples)] if count > 1 else [])
    return Draws(float(metric(*arrays)), np.sort(values[~np.isnan(values)]), count, one_out)


def clusters(arrays: Sequence[np.ndarray], groups: np.ndarray | None) -> list[np.ndarray]:
    """The samples of each subject. Raises: UserError for arrays of different lengths and for no samples."""
    sizes = {len(each) for each in (*arrays, *(() if groups is None else (groups,)))}
    if len(sizes) != 1 or not max(sizes):
        raise UserError(f"figures, predictions and subjects are of the same samples, at least one; got {sorted(sizes)}")
    if groups is None:
        return list(np.arange(max(sizes))[:, None])
    _, place, count = np.unique(groups, return_inverse=True, return_counts=True)
    return np.split(np.argsort(place, kind="stable"), np.cumsum(count)[:-1])


def interval(draws: Draws, level: float, ends: Ends) -> Interval:
    """The draws between two of their quantiles; NaN where there are none."""
    if len(draws.values) == 0:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(draws.values, ends(np.array([(1 - level) / 2, (1 + level) / 2]), draws))
    return Interval(float(low), float(high))


def doubts(draws: Draws, resamples: int) -> str:
    """What an interval does not say by itself."""
    if draws.subjects < 2:
        return "one subject says nothing about others"
    said = []
    if draws.subjects < FEW:
        said.append(f"of {draws.subjects} subjects only: a rough guess")
    if len(draws.values) < resamples:
        said.append(f"could not be told in {resamples - len(draws.values)} of {resamples} draws")
    if len(draws.values) and draws.values[0] == draws.values[-1]:
        said.append("all draws are the same, so that it has no width; take wilson's for a proportion")
    return "; ".join(said)
