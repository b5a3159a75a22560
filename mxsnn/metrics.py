"""Figures with what they need beside them: numbers of samples, chance, majority, intervals. NumPy, on the host."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float


def wilson(correct: int, n: int, z: float = 1.959963984540054) -> Interval:
    """Score interval of a proportion; z = 1.96 gives 95 %. Source: Wilson (1927)."""
    if n == 0:
        return Interval(0.0, 1.0)
    p, shrink = correct / n, 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / shrink
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / shrink
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts `[truth, predicted]`, int64, classes x classes."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def majority(train: np.ndarray, test: np.ndarray) -> float:
    """Accuracy on `test` of always naming the class that is most frequent in `train` (labels)."""
    return float((test == np.bincount(train).argmax()).mean())
