"""Figures with what they need beside them: numbers of samples, chance, majority, intervals. NumPy, on the host."""

from __future__ import annotations

from mxsnn.metrics.action_units import agreement, correlation, icc, mean_absolute_error, unit_auc, unit_f1
from mxsnn.metrics.classification import Scores, TopK, accuracy, confusion, majority, top_k, uar, uf1
from mxsnn.metrics.intervals import Estimate, Interval, bca, bootstrap, expanded, percentile, wilson
from mxsnn.metrics.paired import Difference, McNemar, holm, mcnemar, paired_bootstrap, swap_test

__all__ = [
    "Difference",
    "Estimate",
    "Interval",
    "McNemar",
    "Scores",
    "TopK",
    "accuracy",
    "agreement",
    "bca",
    "bootstrap",
    "confusion",
    "correlation",
    "expanded",
    "holm",
    "icc",
    "majority",
    "mcnemar",
    "mean_absolute_error",
    "paired_bootstrap",
    "percentile",
    "swap_test",
    "top_k",
    "uar",
    "uf1",
    "unit_auc",
    "unit_f1",
    "wilson",
]
