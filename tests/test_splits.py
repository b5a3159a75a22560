"""Splits: disjoint, whole, stratified, and no subject on two sides, whatever the protocol."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.data.datasets import Recordings
from mxsnn.data.protocols import PROTOCOLS, Cross, KFold, protocol_named
from mxsnn.data.splits import (
    Split,
    cross_condition,
    folds,
    kfold,
    listed,
    loso,
    official,
    refuse_shared_subjects,
    stratified,
    with_validation,
)
from mxsnn.errors import UserError

labels_of = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 4, 90))
seeds = st.integers(0, 2**32 - 1)
LUX = (5.0, 50.0, 500.0)


def samples(seed: int, subjects: int = 7, each: int = 6) -> Recordings:
    """A data set: subjects who differ in number of clips and in classes, each performance in three lights."""
    rng = np.random.default_rng(seed)
    clips = rng.integers(1, each + 1, subjects)
    groups = np.repeat(np.arange(subjects), 3 * clips)
    lux = tuple(LUX * int(clips.sum()))
    labels = np.repeat(rng.integers(0, 4, clips.sum()), 3)
    order = rng.permutation(len(groups))
    part = tuple(f"part {g % 3}" for g in groups[order])
    conditions = {"lux": tuple(lux[k] for k in order), "fold": part}
    names = tuple(f"person {chr(97 + k)}" for k in range(subjects))
    identities = tuple(str(k) for k in range(len(groups)))
    groups, labels = groups[order], labels[order]
    return Recordings(np.zeros, labels, ("a", "b", "c", "d"), (8, 8), groups < 2, identities, groups, names, conditions)


def whole(splits: list[Split], n: int, tested: np.ndarray) -> None:
    """Parts that are sorted and disjoint, and each of `tested` tested once."""
    for split in splits:
        together = np.concatenate(split)
        assert len(np.unique(together)) == len(together) and set(together) <= set(range(n))
        assert all(len(part) and np.array_equal(part, np.sort(part)) for part in split)
    assert sorted(np.concatenate([split.test for split in splits])) == sorted(tested)


@given(labels_of, st.integers(2, 5), st.integers(0, 5))
def test_folds_partition_and_are_stratified(labels, count, seed):
    parts = folds(labels, count, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    sizes = [len(p) for p in parts]
    assert max(sizes) - min(sizes) <= 1
    for c in np.unique(labels):
        share = [int((labels[p] == c).sum()) for p in parts]
        assert max(share) - min(share) <= 1
    for a, b in zip(parts, folds(labels, count, seed), strict=True):
        assert np.array_equal(a, b)


@given(labels_of, st.integers(2, 5), st.integers(0, 5))
def test_no_group_is_in_two_folds(labels, count, seed):
    groups = np.random.default_rng(seed).integers(0, 12, len(labels))
    parts = folds(labels, count, seed, groups)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for i, a in enumerate(parts):
        for b in parts[i + 1 :]:
            assert not set(groups[a]) & set(groups[b])


@given(labels_of, st.integers(0, 5), st.booleans())
def test_as_many_parts_as_subjects_leave_one_out(labels, seed, apart):
    groups = labels if apart else np.random.default_rng(seed).integers(0, 12, len(labels))  # apart: no class is shared
    parts = folds(labels, len(np.unique(groups)), seed, groups)
    assert sorted(int(g) for part in parts for g in np.unique(groups[part])) == np.unique(groups).tolist()
    assert all(len(np.unique(groups[part])) == 1 for part in parts)


@given(labels_of, st.sampled_from([0.1, 0.2, 0.5]), st.booleans())
def test_three_disjoint_parts(labels, fraction, grouped):
    groups = np.arange(len(labels)) // 3 if grouped else None
    test = np.arange(0, 30)
    split = with_validation(labels, test, fraction, 0, groups)
    assert sorted(np.concatenate(split)) == list(range(len(labels)))
    assert abs(len(split.validation) - fraction * 60) <= 4
    if grouped:
        assert not set(groups[split.train]) & set(groups[split.validation])


EVERY = ["official", "loso", "kfold(3)", "list('fold')", "cross('lux', train=500, test=5, count=3)", "cross('lux', 50, (5, 500))"]


@pytest.mark.parametrize("text", EVERY)
@given(seed=seeds)
def test_no_protocol_has_a_subject_on_two_sides(text, seed):
    data = samples(seed)
    protocol = protocol_named(text)
    splits = protocol(data, 0.3, seed)
    lux = np.array(data.conditions["lux"])
    tested = {"official": data.test, "cross('lux', train=500, test=5, count=3)": lux == 5, EVERY[-1]: lux != 50}
    whole(splits, len(lux), np.flatnonzero(tested.get(text, np.ones(len(lux), bool))))
    for split in splits:
        who = [set(data.groups[part]) for part in split]
        assert not who[0] & who[1] and not who[0] & who[2] and not who[1] & who[2]
        if text.startswith("cross"):
            assert set(lux[split.train]) | set(lux[split.validation]) == {500.0 if "500, test" in text else 50.0}
        else:
            assert len(np.concatenate(split)) == len(lux)
    for one, other in zip(splits, protocol(data, 0.3, seed), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_every_protocol_is_tried():
    assert {text.split("(")[0] for text in EVERY} | {"stratified"} == set(PROTOCOLS)


@given(labels_of, st.integers(2, 5), seeds)
def test_stratified_tests_each_sample_once(labels, count, seed):
    splits = stratified(labels, None, count, 0.2, seed)
    whole(splits, len(labels), np.arange(len(labels)))
    assert max(len(s.test) for s in splits) - min(len(s.test) for s in splits) <= 1


@given(seeds)
def test_pairs_of_conditions_test_the_same_people_at_a_time(seed):
    """So that lights can be compared clip by clip, in networks that saw the same others."""
    data = samples(seed)
    for one, other in zip(Cross("lux", 500, 5, 3)(data, 0.3, seed), Cross("lux", 5, 500, 3)(data, 0.3, seed), strict=True):
        assert set(data.groups[one.test]) == set(data.groups[other.test])
        assert set(data.groups[np.concatenate(one[:2])]) == set(data.groups[np.concatenate(other[:2])])


def test_cross_condition_without_subjects_and_of_subjects_apart():
    labels, lux = np.arange(12) % 3, [5.0] * 6 + [500.0] * 6
    (split,) = cross_condition(labels, None, lux, [500], [5], 5, 0.3, 0)
    assert split.test.tolist() == [0, 1, 2, 3, 4, 5] and set(np.concatenate(split[:2])) == set(range(6, 12))
    with pytest.raises(UserError, match="some are in both"):
        cross_condition(labels, None, lux, [500], [5, 500], 5, 0.3, 0)
    (split,) = cross_condition(labels, np.arange(12) // 2, lux, [500], [5], 2, 0.4, 0)  # nobody was recorded in both lights
    assert split.test.tolist() == [0, 1, 2, 3, 4, 5] and set(np.concatenate(split[:2])) == set(range(6, 12))
    with pytest.raises(UserError, match=r"no recording has 50 there; there are 5.0, 500.0"):
        cross_condition(labels, None, lux, [50], [5], 5, 0.3, 0)
    with pytest.raises(UserError, match="less than one of the 0 subjects left"):
        cross_condition(labels, np.arange(12) // 6, lux, [500], [500], 2, 0.3, 0)  # who was recorded at 500 lux is tested


def test_a_shared_subject_is_named():
    groups = np.array(["anna", "anna", "boris", "boris", "carla", "carla"])
    fine = Split(np.array([0, 1]), np.array([2, 3]), np.array([4, 5]))
    assert refuse_shared_subjects(fine, groups) is fine
    shared = Split(np.array([0, 1]), np.array([2]), np.array([3, 4, 5]))
    assert refuse_shared_subjects(shared, None) is shared
    with pytest.raises(UserError, match="subject boris is in validation and test; split by subject"):
        refuse_shared_subjects(shared, groups)
    with pytest.raises(UserError, match="subject anna, boris is in train and test"):
        refuse_shared_subjects(Split(np.array([0, 2]), np.array([4]), np.array([1, 3])), groups)
    with pytest.raises(UserError, match="sample 2 is in train and validation"):
        refuse_shared_subjects(Split(np.array([0, 2]), np.array([2]), np.array([4])), None)
    with pytest.raises(UserError, match=r"subject 0 is in .* and test"):  # every split is made there
        with_validation(np.zeros(6, int), np.array([0]), 0.4, 0, np.array([0, 0, 1, 1, 2, 2]))


@pytest.mark.parametrize("subjects", [1, 2, 3])
def test_few_subjects(subjects):
    labels, groups = np.arange(12) % 2, np.arange(12) % subjects
    if subjects == 3:
        whole(loso(labels, groups, 0.5, 0), 12, np.arange(12))
        whole(kfold(labels, groups, 3, 0.5, 0), 12, np.arange(12))
        return
    with pytest.raises(UserError, match=f"needs three, to test, select and train with; there are {subjects}"):
        loso(labels, groups, 0.5, 0)
    with pytest.raises(UserError, match=f"as many subjects; there are {subjects}|no second one to train on"):
        kfold(labels, groups, 2, 0.5, 0)
    if subjects == 2:
        whole(stratified(labels, None, 2, 0.5, 0), 12, np.arange(12))


def test_a_class_may_be_missing_in_a_fold():
    """One subject alone shows class 2: no fold can have it on both sides, and none is refused for it."""
    labels = np.array([0, 1] * 6 + [2, 2])
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
    splits = loso(labels, groups, 0.2, 0)
    whole(splits, 14, np.arange(14))
    assert 2 not in labels[np.concatenate(splits[-1][:2])] and set(labels[splits[-1].test]) == {2}


def test_published_lists():
    labels, groups = np.arange(10) % 2, np.arange(10)
    splits = listed(labels, groups, [2.0, 2.0, 10.0, 10.0, 1.0, 1.0, None, None, None, None], 0.3, 0)
    assert [s.test.tolist() for s in splits] == [[4, 5], [0, 1], [2, 3]]  # in the order of numbers; without a part: never tested
    with pytest.raises(UserError, match=r"subject .* is in"):
        listed(labels, groups % 5, ["a"] * 5 + ["b"] * 5, 0.3, 0)
    with pytest.raises(UserError, match="two parts at least; there is a"):
        listed(labels, groups, ["a"] * 10, 0.3, 0)
    with pytest.raises(UserError, match="there is none"):
        listed(labels, groups, [None] * 10, 0.3, 0)


def test_protocols_by_name():
    data = samples(0)
    assert protocol_named("kfold") == KFold() and protocol_named("kfold(count=10)") == KFold(10)
    with pytest.raises(UserError, match="did you mean loso"):
        protocol_named("lso")
    with pytest.raises(UserError, match="needs its options; write it like cross"):
        protocol_named("cross")
    with pytest.raises(UserError, match="no condition 'lum'; did you mean lux"):
        protocol_named("cross('lum', 5, 50)")(data, 0.3, 0)
    with pytest.raises(UserError, match="no condition 'fold'; it has none"):
        protocol_named("list")(replace(data, conditions={}), 0.3, 0)
    with pytest.raises(UserError, match="same subjects on both sides; use kfold or loso"):
        protocol_named("stratified")(data, 0.3, 0)
    for text in ("loso", "kfold"):
        with pytest.raises(UserError, match="does not say who its subjects are; use stratified"):
            protocol_named(text)(replace(data, groups=None, subjects=()), 0.3, 0)
    with pytest.raises(UserError, match=r"subjects .'person a'. are in the official test part"):
        protocol_named("official")(replace(data, test=np.arange(len(data)) == np.flatnonzero(data.groups == 0)[0]), 0.3, 0)
    for text in ("stratified(1)", "kfold('x')", "cross('lux', 5, 50, count=2.5)"):
        with pytest.raises(UserError, match="parts are a whole number from 2 on"):
            protocol_named(text)
    with pytest.raises(UserError, match="1 parts leave nothing to train on"):
        stratified(data.labels, None, 1, 0.3, 0)


def test_mistakes():
    labels = np.repeat(np.arange(3), 4)
    with pytest.raises(UserError, match="the smallest class has 4"):
        folds(labels, 5, 0)
    with pytest.raises(UserError, match="need as many subjects; there are 2"):
        folds(labels, 3, 0, np.arange(12) % 2)
    with pytest.raises(UserError, match="between 0 and 1; got 1"):
        with_validation(labels, np.arange(3), 1, 0)
    with pytest.raises(UserError, match=r"0.1 is less than one of the 4 subjects left; give at least 0.25"):
        with_validation(labels, np.arange(2), 0.1, 0, np.arange(12) % 4)
    assert len(with_validation(labels, np.arange(0), 0.25, 0, np.arange(12) % 4).validation) == 3
    with pytest.raises(UserError, match="less than one of the 1 subjects left; there is no second one"):
        with_validation(labels, np.arange(2), 0.5, 0, np.zeros(12, int))
    with pytest.raises(UserError, match=r"0.1 is less than one of the 4 samples left; give at least 0.25"):
        with_validation(labels, np.arange(8), 0.1, 0)
    with pytest.raises(UserError, match="ask for another protocol"):
        official(labels, np.zeros(12, bool), 0.3, 0)
    with pytest.raises(UserError, match=r"subjects .* are in the official test part and outside"):
        official(labels, np.arange(12) < 4, 0.3, 0, np.zeros(12, int))
