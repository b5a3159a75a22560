"""Protocols by name: how a data set becomes splits. Each tests in other subjects than it trains and selects with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mxsnn.data import splits
from mxsnn.data.datasets import Recordings
from mxsnn.data.splits import Split
from mxsnn.errors import UserError
from mxsnn.spec import build, suggestion

Protocol = Callable[[Recordings, float, int], list[Split]]
"""`protocol(data, validation, seed)`: the splits, with this part of what does not test for the selection of the model."""


@dataclass(frozen=True)
class Official:
    """The data set's own test part."""

    def __call__(self, data: Recordings, validation: float, seed: int) -> list[Split]:
        return [splits.official(data.labels, data.test, validation, seed, _people(data))]


@dataclass(frozen=True)
class LeaveOneSubjectOut:
    """Each subject tests once."""

    def __call__(self, data: Recordings, validation: float, seed: int) -> list[Split]:
        return splits.loso(data.labels, _people(data), validation, seed)


@dataclass(frozen=True)
class KFold:
    """So many parts by subject, each of which tests once."""

    count: int = 5

    def __post_init__(self) -> None:
        _check(self.count)

    def __call__(self, data: Recordings, validation: float, seed: int) -> list[Split]:
        return splits.kfold(data.labels, _people(data), self.count, validation, seed)


@dataclass(frozen=True)
class Stratified:
    """So many parts by sample, each of which tests once: for data sets without subjects."""

    count: int = 5

    def __post_init__(self) -> None:
        _check(self.count)

    def __call__(self, data: Recordings, validation: float, seed: int) -> list[Split]:
        return splits.stratified(data.labels, _people(data), self.count, validation, seed)


@dataclass(frozen=True)
class Listed:
    """The parts of a published list, a condition of the data set; each tests once."""

    condition: str = "fold"

    def __call__(self, data: Recordings, validation: float, seed: int) -> list[Split]:
        return splits.listed(data.labels, _people(data), _condition(data, self.condition), validation, seed)


@dataclass(frozen=True)
class Cross:
    """Training under one value of a condition (or several), testing under another: `cross('lux', train=500, test=5)`."""

    condition: str
    train: str | float | tuple[str | float, ...]
    test: str | float | tuple[str | float, ...]
    count: int = 5

    def __post_init__(self) -> None:
        _check(self.count)

    def __call__(self, data: Recordings, validation: float, seed: int) -> list[Split]:
        where = _condition(data, self.condition)
        train, test = (each if isinstance(each, tuple) else (each,) for each in (self.train, self.test))
        return splits.cross_condition(data.labels, _people(data), where, train, test, self.count, validation, seed)


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


def _people(data: Recordings) -> np.ndarray | None:
    """The subject of each recording, by name where they have names: so they are told of."""
    return np.array(data.subjects)[data.groups] if data.subjects and data.groups is not None else data.groups


def _check(count: int) -> None:
    if not isinstance(count, int) or count < 2:
        raise UserError(f"parts are a whole number from 2 on, so that there is one to train on; got {count!r}")


def _condition(data: Recordings, name: str) -> Sequence[str | float | None]:
    if name not in data.conditions:
        known = list(data.conditions)
        raise UserError(f"the data set has no condition {name!r}{suggestion(name, known) if known else '; it has none'}")
    return data.conditions[name]
