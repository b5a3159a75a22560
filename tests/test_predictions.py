"""What a network said of each clip: kept, measured, pooled over folds, and compared with what others said of the same clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments import compare
from experiments.predictions import NAME, Predictions, measured, pooled, predictions, read, write
from mxsnn.errors import UserError, command
from mxsnn.metrics import mcnemar, wilson
from tests.test_modality import scenes

CLASSES = ("smile", 'a "frown", deep', "blink")


def said(seed: int = 0, n: int = 60, right: float = 0.7, who: int = 6) -> Predictions:
    """Of n clips: the truth is the same for every seed, so many are named rightly."""
    labels = np.arange(n) % 3
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (n, 3)).astype(np.float32)
    hit = rng.random(n) < right
    logits[hit, labels[hit]] = 9
    return Predictions(tuple(f"clip {k}" for k in range(n)), np.array([f"s{k % who}" for k in range(n)]), labels, logits, CLASSES)


def same(a: Predictions, b: Predictions) -> None:
    assert a.clips == b.clips and a.classes == b.classes
    for one, other in zip(a[1:4], b[1:4], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_table_holds_every_bit(tmp_path):
    write(tmp_path / NAME, said())
    found = read(tmp_path / NAME)
    same(found, said())
    assert found.logits.dtype == np.float32 and found.labels.dtype.kind == "i"


def test_figures_by_hand():
    logits = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2, 2]]
    of = Predictions(tuple("abcdef"), np.array(list("xxyyzz")), np.array([0, 0, 0, 1, 2, 2]), logits, CLASSES)
    found = measured(of, 0)
    assert (found["test_correct"], found["test_n"], found["test_accuracy"]) == (4, 6, pytest.approx(4 / 6))
    assert found["test_interval"] == wilson(4, 6) and found["chance"] == pytest.approx(1 / 3)
    assert found["confusion"] == [[2, 1, 0], [0, 0, 1], [0, 0, 2]]
    assert found["uar"] == pytest.approx((2 / 3 + 0 + 1) / 3) and found["uf1"] == pytest.approx((0.8 + 0 + 0.8) / 3)
    assert list(found["f1"]) == list(CLASSES) and found["top_2"]["chance"] == pytest.approx(2 / 3)
    assert found["subjects"] == 3 and "3 subjects only" in found["interval_note"]
    assert "subjects" not in measured(of._replace(subjects=np.full(6, "")), 0)


def test_folds_together_are_all_clips_once():
    whole = said()
    parts = [
        Predictions(whole.clips[k:][:20], whole.subjects[k : k + 20], whole.labels[k : k + 20], whole.logits[k : k + 20], CLASSES)
        for k in (0, 20, 40)
    ]
    same(pooled(parts), whole)


def test_clips_are_known_by_what_was_performed():
    data = replace(scenes(), groups=np.array([0, 0, 1, 1]), subjects=("ann", "bob"))
    logits = np.zeros((2, 2), np.float32)
    found = predictions(data, np.array([1, 3]), logits)
    assert found.clips == ("scene 1", "scene 3") and found.subjects.tolist() == ["ann", "bob"] and found.labels.tolist() == [1, 1]
    told = replace(data, conditions={"performance": ("p0", "p0", "p1", "p1"), "reversed": (0.0, 1.0, 0.0, 1.0)})
    assert predictions(told, np.array([1, 2]), logits).clips == ("p0, reversed", "p1")
    twice = replace(data, conditions={"performance": ("p0", "p0", "p1", "p1")})  # in two lights: then the file says which
    assert predictions(twice, np.array([0]), logits[:1]).clips == ("scene 0",)
    assert predictions(replace(data, groups=None, subjects=()), np.array([0]), logits[:1]).groups is None
    assert predictions(replace(data, subjects=()), np.array([2]), logits[:1]).subjects.tolist() == ["1"]


def runs(tmp_path, *several: Predictions) -> list[str]:
    folders = []
    for k, one in enumerate(several):
        folders.append(str(tmp_path / f"run{k}"))
        (tmp_path / f"run{k}").mkdir()
        write(tmp_path / f"run{k}" / NAME, one)
    return folders


def test_runs_are_compared_clip_by_clip(tmp_path, capsys):
    first, other = said(1, 240, 0.9, 12), said(2, 240, 0.5, 12)
    order = np.random.default_rng(0).permutation(240)
    shuffled = Predictions(tuple(other.clips[k] for k in order), *(array[order] for array in other[1:4]), CLASSES)  # pyrefly: ignore
    folders = runs(tmp_path, first, shuffled, first)
    compare.main(folders)
    out = capsys.readouterr().out
    counts = mcnemar(first.labels, first.named, other.named)
    apart = 100 * ((first.named == first.labels).mean() - (other.named == other.labels).mean())
    assert (
        f"less {folders[1]}: {apart:+.1f} points" in out
        and f"the first alone {counts.first}, the other alone {counts.second}" in out
    )
    p = [float(line.split("p = ")[1].split(";")[0]) for line in out.splitlines() if "p = " in line]
    assert p[0] < 0.01 and p[1] == 1 and f"less {folders[2]}: +0.0 points" in out


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (said(n=30), "did not test the same clips"),
        (said()._replace(clips=("clip 0",) * 60), "did not test the same clips"),
        (said()._replace(labels=(np.arange(60) + 1) % 3), "by other classes or subjects"),
        (said()._replace(classes=("a", "b", "c")), "by other classes or subjects"),
        (said(who=5), "by other classes or subjects"),
    ],
    ids=["fewer", "twice", "labels", "classes", "subjects"],
)
def test_other_clips_are_refused(tmp_path, other, message):
    with pytest.raises(UserError, match=message):
        compare.main(runs(tmp_path, said(), other))


def test_mistakes_are_one_line(tmp_path, capsys):
    good, empty, damaged = *runs(tmp_path, said()), tmp_path / "empty", tmp_path / "damaged"
    for folder, text in ((empty, "clip,subject,class,a\n"), (damaged, "clip,subject,class,a\nx,y,b,1\n")):
        folder.mkdir()
        (folder / NAME).write_text(text)
    for arguments, message in [
        ([good], "give the folders of two finished runs"),
        ([good, tmp_path / "nothing"], "no such file; give the folder of a finished run"),
        ([good, empty], "or it is empty"),
        ([good, damaged], "damaged"),
    ]:
        assert command(lambda arguments=arguments: compare.main([str(one) for one in arguments])) == 2
        assert message in capsys.readouterr().err
