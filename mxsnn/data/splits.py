"""Who trains, who selects, who tests: indices drawn by seed, stratified by class, subjects never on two sides.

Every protocol makes its splits by `with_validation`, which refuses a subject on two sides; mxsnn.data.protocols has them by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mxsnn.errors import UserError


class Split(NamedTuple):
    """Indices of the samples that train, that select the model, and that test it; disjoint, each sorted."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def folds(labels: np.ndarray, count: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """`count` disjoint parts of all samples, alike in their classes; with `groups` (subjects), no group is in two parts.

    Raises UserError where there are fewer samples of a class, or fewer groups, than parts.
    """
    if groups is None and count > (smallest := np.bincount(labels).min()):
        raise UserError(f"{count} parts need {count} samples of each class; the smallest class has {smallest}")
    return _dealt(labels, count, seed, groups)


def _dealt(labels: np.ndarray, count: int, seed: int, groups: np.ndarray | None) -> list[np.ndarray]:
    """Like `folds`; a class with fewer samples than parts is missing from some."""
    rng = np.random.default_rng([seed, 0x5717])
    part = np.empty(len(labels), int)
    if groups is None:
        # Classes are dealt one after the other, so that the sizes of the parts differ by one at most.
        order = np.concatenate([rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)])
        part[order] = rng.permutation(count)[np.arange(len(labels)) % count]
    else:
        names = np.unique(groups)
        if count > len(names):
            raise UserError(f"{count} parts need as many subjects; there are {len(names)}")
        # The largest groups first, each to the part that it leaves most balanced over the classes; of equal ones to the
        # smallest, so that no part stays empty, and with as many parts as groups each is one group.
        classes = int(labels.max()) + 1
        table = np.stack([np.bincount(labels[groups == g], minlength=classes) for g in names])
        filled = np.zeros((count, classes))
        for g in sorted(rng.permutation(len(names)), key=lambda g: -table[g].sum()):
            best = min(range(count), key=lambda k: (((filled[k] + table[g]) ** 2 - filled[k] ** 2).sum(), filled[k].sum()))
            filled[best] += table[g]
            part[groups == names[g]] = best
    return [np.flatnonzero(part == k) for k in range(count)]


def refuse_shared_subjects(split: Split, groups: np.ndarray | None) -> Split:
    """The split, where no subject and no sample is in two of its parts.

    groups: the subject of each sample [N], numbers or names; None where they are not known.

    Raises: UserError that names the subject.
    """
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        a, b = getattr(split, one), getattr(split, other)
        if (twice := np.intersect1d(a, b)).size:
            raise UserError(f"sample {twice[0]} is in {one} and {other}; a sample has one part")
        if groups is not None and (shared := np.intersect1d(groups[a], groups[b])).size:
            who = ", ".join(map(str, shared[:5])) + ", ..." * (len(shared) > 5)
            raise UserError(f"subject {who} is in {one} and {other}; split by subject, such as by --protocol loso")
    return split


def with_validation(
    labels: np.ndarray,
    test: np.ndarray,
    fraction: float,
    seed: int,
    groups: np.ndarray | None = None,
    pool: np.ndarray | None = None,
) -> Split:
    """The split with this test part; about `fraction` of the other samples select the model, the rest trains.

    `pool`: the samples that may train or select; None: all others.

    Raises UserError where the fraction leaves nothing to train on or to select with, and for subjects on two sides.
    """
    rest = np.setdiff1d(np.arange(len(labels)) if pool is None else pool, test)
    if not 0 < fraction < 1:
        raise UserError(f"the validation fraction must lie between 0 and 1; got {fraction}")
    count, who = max(2, round(1 / fraction)), None if groups is None else groups[rest]
    left, what = (len(rest), "samples") if who is None else (len(np.unique(who)), "subjects")
    if count > left:
        needed = f"give at least {1 / left:.2f}" if left > 1 else "there is no second one to train on"
        raise UserError(f"a validation part of {fraction:g} is less than one of the {left} {what} left; {needed}")
    parts = _dealt(labels[rest], count, seed, who)
    split = Split(train=np.sort(rest[np.concatenate(parts[1:])]), validation=rest[parts[0]], test=np.sort(test))
    return refuse_shared_subjects(split, groups)


def official(labels: np.ndarray, test: np.ndarray, fraction: float, seed: int, groups: np.ndarray | None = None) -> Split:
    """The data set's own test part (`test` bool [N]), the model selected on `fraction` of the rest.

    Raises UserError where the data set has no test part, or where subjects are on both sides.
    """
    if not test.any():
        raise UserError("no official test part; ask for another protocol, such as kfold(5), without subjects stratified(5)")
    if groups is not None and (shared := np.intersect1d(groups[test], groups[~test])).size:
        raise UserError(f"subjects {shared[:5].tolist()} are in the official test part and outside it; take kfold or loso")
    return with_validation(labels, np.flatnonzero(test), fraction, seed, groups)


def loso(labels: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int) -> list[Split]:
    """Leave one subject out: each tests once, in their order, with others' samples for training and selection.

    Raises: UserError without subjects, and for fewer than three: one tests, one selects, one trains.
    """
    groups = _known(groups)
    names = np.unique(groups)
    if len(names) < 3:
        raise UserError(f"leaving one subject out needs three, to test, select and train with; there are {len(names)}")
    return [with_validation(labels, np.flatnonzero(groups == name), fraction, seed, groups) for name in names]


def kfold(labels: np.ndarray, groups: np.ndarray | None, count: int, fraction: float, seed: int) -> list[Split]:
    """`count` parts by subject, alike in their classes, each of which tests once. Raises: UserError, also without subjects."""
    return _tested(labels, _known(groups), count, fraction, seed)


def stratified(labels: np.ndarray, groups: np.ndarray | None, count: int, fraction: float, seed: int) -> list[Split]:
    """`count` parts by sample, alike in their classes, each of which tests once: where there are no subjects.

    Raises: UserError where there are: their samples would be on both sides.
    """
    if groups is not None:
        raise UserError("parts by sample would have the same subjects on both sides; use kfold or loso")
    return _tested(labels, None, count, fraction, seed)


def listed(labels: np.ndarray, groups: np.ndarray | None, part: Sequence[object], fraction: float, seed: int) -> list[Split]:
    """The parts of a published list, each of which tests once, in their order; part: of each sample [N], None: it only trains.

    Raises: UserError for fewer than two parts, and for subjects in two of them.
    """
    names = sorted({p for p in part if p is not None}, key=lambda p: (str(type(p)), p))
    if len(names) < 2 and not (names and None in part):
        raise UserError(f"a list needs two parts at least; there is {', '.join(map(str, names)) or 'none'}")
    return [with_validation(labels, np.array([k for k, p in enumerate(part) if p == n]), fraction, seed, groups) for n in names]


def cross_condition(
    labels: np.ndarray,
    groups: np.ndarray | None,
    condition: Sequence[object],
    train: Sequence[object],
    test: Sequence[object],
    count: int,
    fraction: float,
    seed: int,
) -> list[Split]:
    """Training under some conditions, testing under others: resolutions, lights; condition: of each sample [N].

    Subjects are dealt into `count` parts, whatever the conditions, so that with one seed those of all pairs of conditions are the
    same: each part's samples under `test` are tested by a network that saw the other parts' samples under `train`. There is one
    split where no subject was recorded under both, or none is known. Raises: UserError for conditions that no sample has.
    """
    into, out = (np.isin(np.arange(len(labels)), _under(condition, values)) for values in (train, test))
    if groups is None and (into & out).any():
        raise UserError("without subjects the conditions of training and test must differ; some are in both")
    if groups is None or not np.intersect1d(groups[into], groups[out]).size:
        return [with_validation(labels, np.flatnonzero(out), fraction, seed, groups, np.flatnonzero(into))]
    splits = []
    for part in folds(labels, count, seed, groups):
        here = np.isin(np.arange(len(labels)), part)
        if not (out & here).any():
            continue  # none of these subjects was recorded under the conditions of the test
        splits.append(with_validation(labels, np.flatnonzero(out & here), fraction, seed, groups, np.flatnonzero(into & ~here)))
    return splits


def _tested(labels: np.ndarray, groups: np.ndarray | None, count: int, fraction: float, seed: int) -> list[Split]:
    if count < 2:
        raise UserError(f"{count} parts leave nothing to train on; give 2 or more")
    return [with_validation(labels, part, fraction, seed, groups) for part in folds(labels, count, seed, groups)]


def _known(groups: np.ndarray | None) -> np.ndarray:
    if groups is None:
        raise UserError("this data set does not say who its subjects are; use stratified, and say so beside the result")
    return groups


def _under(condition: Sequence[object], values: Sequence[object]) -> list[int]:
    """The samples that have one of the values."""
    for value in values:
        if value not in condition:
            there = sorted({str(c) for c in condition if c is not None})
            raise UserError(f"no recording has {value!r} there; there are {', '.join(there[:12])}")
    return [k for k, c in enumerate(condition) if c in values]
