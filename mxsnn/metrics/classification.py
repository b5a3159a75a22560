"""How often one of K classes is named rightly, beside what a guess would reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mxsnn.errors import UserError


class Scores(NamedTuple):
    """A figure for each class or Action Unit, and the mean of those that have one."""

    each: np.ndarray
    """float64 [K]; NaN where the data cannot tell"""
    mean: float
    """over the others; NaN where there are none"""
    undefined: tuple[str, ...]
    """the names of those left out of the mean"""


class TopK(NamedTuple):
    """Top-k accuracy beside what it must be compared with."""

    value: float
    chance: float
    """k / K: of any order of the classes that does not look at the sample"""
    majority: float
    """of always naming the k classes that are most frequent in the training part"""


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The share of samples whose class is named; truth and predicted [N]. Raises: UserError for none."""
    truth, predicted = _alike(truth, predicted)
    return float((truth == predicted).mean())


def top_k(scores: np.ndarray, truth: np.ndarray, k: int, train: np.ndarray) -> TopK:
    """The share of samples whose class is among the k with the highest scores; scores [N, K], truth [N], train: labels [M].

    Of equal scores each is as likely to be among the k, so that scores that are all the same are at chance.

    Raises: UserError for scores that are NaN and labels beyond them.
    """
    scores, truth = np.asarray(scores), np.asarray(truth)
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not len(truth):
        raise UserError(f"scores are [N, K] and labels [N], at least one; got {scores.shape} and {truth.shape}")
    classes = scores.shape[1]
    _within(classes, truth)
    if k < 1 or np.isnan(scores).any():
        raise UserError(f"top-{k} cannot be told" + (": scores are NaN" if k >= 1 else "; k is at least 1"))
    own = np.take_along_axis(scores, truth[:, None], 1)
    above, equal = (scores > own).sum(1), (scores == own).sum(1)
    value = np.clip((k - above) / equal, 0, 1).mean()
    return TopK(float(value), min(k, classes) / classes, majority(train, truth, k))


def majority(train: np.ndarray, test: np.ndarray, k: int = 1) -> float:
    """Top-k accuracy on `test` of always naming the k classes that are most frequent in `train` (labels)."""
    if not len(train):
        raise UserError("no training labels, so that none is most frequent; give those of the training part")
    named = np.argsort(-np.bincount(train, minlength=k), kind="stable")[:k]
    return float(np.isin(test, named).mean())


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts `[truth, predicted]`, int64, classes x classes. Raises: UserError for labels beyond the classes."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    _within(classes, truth)
    _within(classes, predicted)
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def uf1(table: np.ndarray, names: Sequence[str] = ()) -> Scores:
    """F1 of each class, 2 TP / (2 TP + FP + FN), and their mean, UF1, of a confusion `[truth, predicted]`.

    Over folds: of the sum of their tables, never the mean of their figures. A class without samples has none; what was named so is
    counted against the others. Source: the rule of the Micro-Expression Grand Challenge 2019.
    """
    right, size = np.diag(table), table.sum(1)
    return _scores(2 * right, size + table.sum(0), size > 0, names)


def uar(table: np.ndarray, names: Sequence[str] = ()) -> Scores:
    """Recall of each class, TP / N, and their mean, UAR, of a confusion `[truth, predicted]`; over folds as `uf1`."""
    size = table.sum(1)
    return _scores(np.diag(table), size, size > 0, names)


def _scores(above: np.ndarray, below: np.ndarray, defined: np.ndarray, names: Sequence[str]) -> Scores:
    """above / below [K] where it is defined."""
    each = np.full(len(above), np.nan)
    np.divide(above, below, out=each, where=defined)
    return scores_of(each, names)


def scores_of(each: np.ndarray, names: Sequence[str]) -> Scores:
    """Figures [K] with their mean; those that are NaN are named, by number where there are no names."""
    if len(names) not in (0, len(each)):
        raise UserError(f"{len(names)} names for {len(each)} figures; name all or none")
    gone = np.isnan(each)
    told = tuple(names[k] if names else str(k) for k in np.flatnonzero(gone).tolist())
    return Scores(each, float("nan") if gone.all() else float(each[~gone].mean()), told)


def _alike(truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.ndim != 1 or not len(truth):
        raise UserError(f"truth and predictions are one class a sample, at least one; got {truth.shape} and {predicted.shape}")
    return truth, predicted


def _within(classes: int, labels: np.ndarray) -> None:
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise UserError(f"label {wrong} is none of {classes} classes, 0 to {classes - 1}; give the number that the network has")
