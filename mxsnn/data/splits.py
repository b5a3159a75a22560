"""Who trains, who selects, who tests: indices drawn by seed, stratified by class, subjects never on two sides."""

from __future__ import annotations

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


def with_validation(labels: np.ndarray, test: np.ndarray, fraction: float, seed: int, groups: np.ndarray | None = None) -> Split:
    """The split with this test part; about `fraction` of the other samples select the model, the rest trains.

    Raises UserError where the fraction leaves nothing to train on or to select with.
    """
    rest = np.setdiff1d(np.arange(len(labels)), test)
    if not 0 < fraction < 1:
        raise UserError(f"the validation fraction must lie between 0 and 1; got {fraction}")
    count, who = max(2, round(1 / fraction)), None if groups is None else groups[rest]
    if who is not None and count > (people := len(np.unique(who))):
        needed = f"give at least {1 / people:.2f}" if people > 1 else "there is no second one to train on"
        raise UserError(f"a validation part of {fraction:g} is less than one of the {people} subjects left; {needed}")
    parts = _dealt(labels[rest], count, seed, who)
    return Split(train=np.sort(rest[np.concatenate(parts[1:])]), validation=rest[parts[0]], test=np.sort(test))


def official(labels: np.ndarray, test: np.ndarray, fraction: float, seed: int, groups: np.ndarray | None = None) -> Split:
    """The data set's own test part (`test` bool [N]), the model selected on `fraction` of the rest.

    Raises UserError where the data set has no test part, or where subjects are on both sides.
    """
    if not test.any():
        raise UserError("this data set has no official test part; ask for cross-validation with --folds 5")
    if groups is not None and (shared := np.intersect1d(groups[test], groups[~test])).size:
        raise UserError(f"subjects {shared[:5].tolist()} are in the official test part and outside it; use --folds")
    return with_validation(labels, np.flatnonzero(test), fraction, seed, groups)
