"""Several Action Units at once: which are there, [N, A], and how strong each is.

A unit that is in all samples or in none (an intensity that is always the same) tells nothing about a detector: it has no figure
and is named, in `Scores.undefined`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mxsnn.errors import UserError
from mxsnn.metrics.classification import Scores, scores_of


def unit_f1(truth: np.ndarray, predicted: np.ndarray, names: Sequence[str] = ()) -> Scores:
    """2 TP / (2 TP + FP + FN) of each unit; truth and predicted are bool [N, A], pooled over folds."""
    return _each(lambda t, p: 2 * (t & p).sum() / (t.sum() + p.sum()), *_flags(truth, predicted), names)


def unit_auc(truth: np.ndarray, scores: np.ndarray, names: Sequence[str] = ()) -> Scores:
    """The area under each unit's ROC curve: how often a sample with it scores higher than one without, a tie counting half.

    truth: bool [N, A]; scores: [N, A], comparable within a unit: those of folds, each of a network of its own, may not be, and are
    then ranked fold by fold. Source: Hanley and McNeil, Radiology 143, 1982. Raises: UserError for NaN.
    """
    return _each(_area, *_flags(truth, scores, flags=1), names)


def mean_absolute_error(truth: np.ndarray, predicted: np.ndarray, names: Sequence[str] = ()) -> Scores:
    """Mean |truth - predicted| of each unit's intensity [N, A], in its unit; also of those that are always the same."""
    truth, predicted = _flags(truth, predicted, flags=0)
    return scores_of(np.abs(truth - predicted).mean(0), names)


def correlation(truth: np.ndarray, predicted: np.ndarray, names: Sequence[str] = ()) -> Scores:
    """Pearson's correlation of each unit's intensity [N, A]; 0 where the same is always predicted."""
    return _each(_pearson, *_flags(truth, predicted, flags=0), names)


def agreement(truth: np.ndarray, predicted: np.ndarray, names: Sequence[str] = ()) -> Scores:
    """ICC(3,1) of each unit's intensity [N, A] and its truth: unlike a correlation, it sees a wrong scale (no constant offset)."""
    return _each(lambda t, p: icc(np.stack([t, p], 1)), *_flags(truth, predicted, flags=0), names)


def icc(ratings: np.ndarray) -> float:
    """ICC(3,1) of ratings [N, raters]: (BMS - EMS) / (BMS + (raters - 1) EMS), BMS between samples, EMS the rest.

    Source: Shrout and Fleiss, Psychological Bulletin 86, 1979. NaN where all ratings are the same.
    """
    n, raters = ratings.shape
    if n < 2 or raters < 2:
        raise UserError(f"an ICC needs two samples and two raters at least; got {n} and {raters}")
    across, down = ratings.mean(1, keepdims=True), ratings.mean(0)
    between = raters * ((across - ratings.mean()) ** 2).sum() / (n - 1)
    error = ((ratings - across - down + ratings.mean()) ** 2).sum() / ((n - 1) * (raters - 1))
    return float((between - error) / below) if (below := between + (raters - 1) * error) > 0 else float("nan")


def _each(figure: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, other: np.ndarray, names: Sequence[str]) -> Scores:
    """A figure of each column, NaN where its truth does not vary."""
    varies = (truth != truth[:1]).any(0)
    each = [figure(truth[:, k], other[:, k]) if varies[k] else np.nan for k in range(truth.shape[1])]
    return scores_of(np.array(each, float), names)


def _area(present: np.ndarray, scores: np.ndarray) -> float:
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2  # the mean of the ranks of equal scores, from 1
    yes, no = present.sum(), (~present).sum()
    return float((rank[place][present].sum() - yes * (yes + 1) / 2) / (yes * no))


def _pearson(truth: np.ndarray, predicted: np.ndarray) -> float:
    if (predicted == predicted[0]).all():
        return 0.0  # left out, it would be rewarded
    return float(np.corrcoef(truth, predicted)[0, 1])


def _flags(truth: np.ndarray, other: np.ndarray, flags: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Both as [N, A]: the first `flags` of them as bool, the others as float64."""
    found = []
    for k, each in enumerate((np.asarray(truth), np.asarray(other))):
        if each.ndim != 2 or not len(each) or each.shape != np.shape(truth):
            raise UserError(
                f"truth and predictions are both [N, A], at least one sample; got {np.shape(truth)} and {np.shape(other)}"
            )
        if k < flags and each.dtype != bool and not np.isin(each, (0, 1)).all():
            raise UserError("whether a unit is there is 0 or 1, got other numbers; choose a threshold first, such as truth > 0")
        if k >= flags and np.isnan(each).any():
            raise UserError("scores or intensities are NaN; leave those samples out")
        found.append(each.astype(bool if k < flags else float))
    return found[0], found[1]
