"""Compares finished runs of experiments.classify on the same test clips: `python -m experiments.compare RUN RUN [RUN ...]`.

The first run is set beside each of the others: the difference of their accuracies with its interval by subject (paired bootstrap),
how probable one as large is by chance (subjects' predictions swapped; Holm's correction where there are several), and how many
clips which of both alone names rightly (McNemar's counts, whose own p takes the clips of a subject for independent).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.predictions import NAME, Predictions, measured, read
from mxsnn.errors import UserError, command
from mxsnn.metrics import accuracy, holm, mcnemar, paired_bootstrap, swap_test

SEED = 0


def main(argv: Sequence[str]) -> None:
    """Prints the table. Raises UserError for runs that did not test the same clips."""
    if len(argv) < 2 or any(argument.startswith("-") for argument in argv):
        print(__doc__)
        if "--help" in argv or "-h" in argv:
            return
        raise UserError("give the folders of two finished runs or more")
    runs = [read(Path(argument) / NAME) for argument in argv]
    first, *others = [_in_order(run, runs[0], name) for run, name in zip(runs, argv, strict=True)]
    wide = max(map(len, argv))
    print(f"{'run':{wide}}  accuracy  95 % interval    UF1    UAR    ({len(first.clips)} clips)")
    for name, run in zip(argv, (first, *others), strict=True):
        found = measured(run, SEED)
        low, high = found.get("interval_by_subject", found["test_interval"])
        print(f"{name:{wide}}  {found['test_accuracy']:8.1%}  {low:.1%} to {high:.1%}  {found['uf1']:.3f}  {found['uar']:.3f}")
    chances = holm([swap_test(accuracy, first.labels, first.named, run.named, first.groups, SEED) for run in others])
    for name, run, p in zip(argv[1:], others, chances, strict=True):
        apart = paired_bootstrap(accuracy, first.labels, first.named, run.named, first.groups, SEED)
        counts = mcnemar(first.labels, first.named, run.named)
        between = f"95 % interval {_points(apart.interval)}, p = {p:.2g}{f'; {apart.note}' if apart.note else ''}"
        print(f"\n{argv[0]} less {name}: {100 * apart.value:+.1f} points, {between}")
        alone = f"the first alone {counts.first}, the other alone {counts.second}"
        print(f"  rightly named by both {counts.both}, {alone}, by neither {counts.neither}")
    if first.groups is None:
        print("\nthe subjects are not known: clips count as independent")


def _points(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"


def _in_order(run: Predictions, first: Predictions, name: str) -> Predictions:
    """The predictions in the order of the first run's clips. Raises: UserError where these are others, or of other classes."""
    place = {clip: k for k, clip in enumerate(run.clips)}
    if len(place) < len(run.clips) or place.keys() != set(first.clips):
        odd = next(iter(sorted(place.keys() ^ set(first.clips))), run.clips[0])
        raise UserError(
            f"{name} and the first run did not test the same clips, one by one: {odd!r} is in one of them alone or twice"
        )
    order = np.array([place[clip] for clip in first.clips])
    found = run._replace(clips=first.clips, subjects=run.subjects[order], labels=run.labels[order], logits=run.logits[order])
    if found.classes != first.classes or (found.labels != first.labels).any() or (found.subjects != first.subjects).any():
        raise UserError(f"{name} and the first run call the same clips by other classes or subjects")
    return found


if __name__ == "__main__":
    raise SystemExit(command(lambda: main(sys.argv[1:])))
