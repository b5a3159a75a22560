"""What a trained network said of each test clip: kept as a table beside the result, measured, and compared clip by clip."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mxsnn.data.datasets import Recordings
from mxsnn.errors import UserError
from mxsnn.events.io.files import appearing
from mxsnn.metrics import accuracy, bootstrap, confusion, top_k, uar, uf1, wilson

NAME = "predictions.csv"
_FIRST = ("clip", "subject", "class")


class Predictions(NamedTuple):
    """Of N test clips, in K classes.

    Attributes:
      clips: who tells them apart: what was performed where the data set says so, so that it is the same in every light and for
        every camera; else what the recording is made from.
      subjects: [N] names, "" where not known.
      labels: [N] indices into `classes`.
      logits: float32 [N, K].
    """

    clips: tuple[str, ...]
    subjects: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    classes: tuple[str, ...]

    @property
    def named(self) -> np.ndarray:
        """The classes that were named, [N]."""
        return self.logits.argmax(-1)

    @property
    def groups(self) -> np.ndarray | None:
        """The subjects, None where they are not known."""
        return self.subjects if all(self.subjects) and len(self.subjects) else None


def predictions(recordings: Recordings, index: np.ndarray, logits: np.ndarray) -> Predictions:
    """Those of the recordings at `index` [N]."""
    clips = _clips(recordings)
    subjects = np.array([_subject(recordings, i) for i in index])
    return Predictions(tuple(clips[i] for i in index), subjects, recordings.labels[index], logits, recordings.classes)


def _subject(recordings: Recordings, index: int) -> str:
    if recordings.groups is None:
        return ""
    number = recordings.groups[index]
    return recordings.subjects[number] if recordings.subjects else str(number)


def _clips(recordings: Recordings) -> Sequence[str]:
    done, turned = (recordings.conditions.get(name) for name in ("performance", "reversed"))
    if done is None:
        return recordings.identities
    names = [f"{one}{', reversed' if back else ''}" for one, back in zip(done, turned or [0] * len(done), strict=True)]
    return names if len(set(names)) == len(names) else recordings.identities


def pooled(parts: Sequence[Predictions]) -> Predictions:
    """Those of several test parts together."""
    clips = tuple(clip for part in parts for clip in part.clips)
    subjects, labels, logits = (np.concatenate([part[k] for part in parts]) for k in (1, 2, 3))
    return Predictions(clips, subjects, labels, logits, parts[0].classes)


def write(path: Path, what: Predictions) -> None:
    """As a table: clip, subject, class, and the logit of each class, to the bit."""
    with appearing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow((*_FIRST, *what.classes))
        for clip, subject, label, logits in zip(what.clips, what.subjects, what.labels, what.logits, strict=True):
            out.writerow((clip, subject, what.classes[label], *(f"{one:.9g}" for one in logits)))


def read(path: Path) -> Predictions:
    """The table that `write` wrote. Raises: UserError where there is none, or it is damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the folder of a finished run of experiments.classify") from None
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    classes = tuple(header[len(_FIRST) :])
    try:
        if tuple(header[: len(_FIRST)]) != _FIRST or not rows:
            raise ValueError("its columns are not clip, subject, class and the classes, or it is empty")
        labels = np.array([classes.index(row[2]) for row in rows])
        logits = np.array([[float(one) for one in row[len(_FIRST) :]] for row in rows], np.float32).reshape(len(rows), len(classes))
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
    return Predictions(tuple(row[0] for row in rows), np.array([row[1] for row in rows]), labels, logits, classes)


def measured(what: Predictions, seed: int) -> dict[str, Any]:
    """The figures of a classification with their intervals, ready for JSON."""
    table = confusion(what.labels, what.named, len(what.classes))
    n, correct = len(what.labels), int(np.trace(table))
    f1, recall = uf1(table, what.classes), uar(table, what.classes)
    found: dict[str, Any] = {
        "test_accuracy": correct / n,
        "test_n": n,
        "test_correct": correct,
        "test_interval": wilson(correct, n),
        "chance": 1 / len(what.classes),
        "uf1": f1.mean,
        "uar": recall.mean,
        "f1": {name: None if np.isnan(one) else float(one) for name, one in zip(what.classes, f1.each, strict=True)},
        "classes": what.classes,
        "confusion": table.tolist(),
    }
    for k in (2, 3, 5):
        if k < len(what.classes):
            top = top_k(what.logits, what.labels, k, what.labels)
            found[f"top_{k}"] = {"value": top.value, "chance": top.chance}
    if what.groups is not None:
        told = bootstrap(accuracy, (what.labels, what.named), what.groups, seed)
        found |= {"subjects": told.subjects, "interval_by_subject": told.interval, "interval_note": told.note}
    return found
