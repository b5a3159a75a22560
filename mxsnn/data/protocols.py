"""Protocols by name: how a data set becomes splits. Each tests in other subjects than it trains and selects with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np

from mxsnn.data import splits
from mxsnn.data.splits import Split
from mxsnn.errors import UserError
from mxsnn.spec import build, suggestion


class Samples(Interface):
    """What a protocol asks of a data set; `mxsnn.data.datasets.Recordings` is one."""

    @property
    def labels(self) -> np.ndarray: ...
    @property
    def groups(self) -> np.ndarray | None: ...
    @property
    def test(self) -> np.ndarray: ...
    @property
    def conditions(self) -> Mapping[str, tuple[str | float | None, ...]]: ...


Protocol = Callable[[Samples, float, int], list[Split]]
"""`protocol(samples, validation, seed)`: the splits, with this part of what does not test for the selection of the model."""


@dataclass(frozen=True)
class Official:
    """The data set's own test part."""

    def __call__(self, samples: Samples, validation: float, seed: int) -> list[Split]:
        return [splits.official(samples.labels, samples.test, validation, seed, samples.groups)]


@dataclass(frozen=True)
class LeaveOneSubjectOut:
    """Each subject tests once."""

    def __call__(self, samples: Samples, validation: float, seed: int) -> list[Split]:
        return splits.loso(samples.labels, samples.groups, validation, seed)


@dataclass(frozen=True)
class KFold:
    """So many parts by subject, each of which tests once."""

    count: int = 5

    def __call__(self, samples: Samples, validation: float, seed: int) -> list[Split]:
        return splits.kfold(samples.labels, samples.groups, self.count, validation, seed)


@dataclass(frozen=True)
class Stratified:
    """So many parts by sample, each of which tests once: for data sets without subjects."""

    count: int = 5

    def __call__(self, samples: Samples, validation: float, seed: int) -> list[Split]:
        return splits.stratified(samples.labels, samples.groups, self.count, validation, seed)


@dataclass(frozen=True)
class Listed:
    """The parts of a published list, a condition of the data set; each tests once."""

    condition: str = "fold"

    def __call__(self, samples: Samples, validation: float, seed: int) -> list[Split]:
        return splits.listed(samples.labels, samples.groups, _condition(samples, self.condition), validation, seed)


@dataclass(frozen=True)
class Cross:
    """Training under one value of a condition (or several), testing under another: `cross('lux', train=500, test=5)`."""

    condition: str
    train: str | float | tuple[str | float, ...]
    test: str | float | tuple[str | float, ...]
    count: int = 5

    def __call__(self, samples: Samples, validation: float, seed: int) -> list[Split]:
        where = _condition(samples, self.condition)
        train, test = (each if isinstance(each, tuple) else (each,) for each in (self.train, self.test))
        return splits.cross_condition(samples.labels, samples.groups, where, train, test, self.count, validation, seed)


PROTOCOLS: dict[str, Callable[..., Protocol]] = {
    "official": Official,
    "loso": LeaveOneSubjectOut,
    "kfold": KFold,
    "stratified": Stratified,
    "list": Listed,
    "cross": Cross,
}


def protocol_named(text: str) -> Protocol:
    """The protocol of `loso`, `kfold(10)`, `cross('lux', train=500, test=5)`; options or none. Raises: UserError for no such."""
    found = build(text, PROTOCOLS)
    try:
        return found() if isinstance(found, type) else found
    except TypeError:
        raise UserError(f"{text!r} needs its options; write it like cross('lux', train=500, test=5)") from None


def _condition(samples: Samples, name: str) -> Sequence[str | float | None]:
    if name not in samples.conditions:
        known = list(samples.conditions)
        raise UserError(f"the data set has no condition {name!r}{suggestion(name, known) if known else '; it has none'}")
    return samples.conditions[name]
