"""The figure of a data set: how many recordings of each class, how long, of whom, under what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxsnn.report.canvas import figure_at, short
from mxsnn.report.palette import BLUE, GREY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

READABLE = 40  # names along an axis
CONDITIONS = 3  # panels
VALUES = 8  # of a condition in a panel


def dataset(found: Mapping[str, Any], path: str | Path) -> None:
    """What `mxsnn.data.summary.summary` found, as a PNG at `path`: counts, durations, subjects by class, conditions."""
    panels = [_classes]
    if found["duration_us"]:
        panels.append(_durations)
    if found["table"]:
        panels.append(_subjects)
    told = [name for name, values in found["conditions"].items() if "median" not in values][:CONDITIONS]
    side = float(np.clip(0.18 * len(found["classes"]), 2.4, 8))
    with figure_at(path, 3.4 * (len(panels) + bool(told)), side + 0.8) as figure:
        grid = figure.add_gridspec(1, len(panels) + bool(told))
        for k, draw in enumerate(panels):
            draw(figure, figure.add_subplot(grid[k]), found)
        below = grid[len(panels)].subgridspec(len(told), 1) if told else None
        for k, name in enumerate(told):
            assert below is not None
            _condition(figure.add_subplot(below[k]), name, found["conditions"][name])
        subjects = "" if found["subjects"] is None else f" of {len(found['subjects'])} subjects"
        figure.suptitle(f"{found['recordings']:,} recordings{subjects}", x=0.01, ha="left", fontsize=10)


def _classes(figure: Figure, axes: Axes, found: Mapping[str, Any]) -> None:
    """Recordings of each class."""
    names = list(found["classes"])
    train, test = (np.array([found["classes"][name][part] for name in names]) for part in ("train", "test"))
    rows = np.arange(len(names))
    axes.barh(rows, train, color=BLUE, label="training" if found["test"] else None)
    if found["test"]:
        axes.barh(rows, test, left=train, color=VERMILION, label="official test part")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, borderpad=0)
    _names(axes, names)
    axes.set(xlabel="recordings")
    axes.locator_params(axis="x", integer=True)


def _durations(figure: Figure, axes: Axes, found: Mapping[str, Any]) -> None:
    """How long the recordings of each class are, a dot each, and their median."""
    known = [(c, d / 1e6) for c, d in zip(found["class_of"], found["durations_us"], strict=True) if d is not None]
    index, seconds = (np.array(column) for column in zip(*known, strict=True))
    spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(index))  # so that dots do not hide each other
    axes.plot(seconds, index + spread, ".", color=GREY, markersize=2 if len(index) > 200 else 4, alpha=0.5)
    for k in np.unique(index):
        axes.plot([np.median(seconds[index == k])] * 2, [k - 0.4, k + 0.4], color="black")
    _names(axes, list(found["classes"]))
    axes.set(xlabel="duration (s), median marked", xlim=(0, 1.06 * max(float(seconds.max()), 1e-6)))


def _subjects(figure: Figure, axes: Axes, found: Mapping[str, Any]) -> None:
    """Recordings of each subject and class: a class of few subjects could be told by their faces."""
    from matplotlib.ticker import MaxNLocator

    table = np.array(found["table"]).T
    image = axes.imshow(table, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
    _names(axes, list(found["classes"]))
    subjects = [short(name, 12) for name in found["subjects"]]
    if len(subjects) <= READABLE:
        axes.set_xticks(range(len(subjects)), subjects, rotation=90, fontsize=6 if len(subjects) > 12 else 8)
    axes.set(xlabel="subject")
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=30, label="recordings")
    bar.locator = MaxNLocator(integer=True, min_n_ticks=1)


def _condition(axes: Axes, name: str, values: Mapping[str, int]) -> None:
    """How often each value of a condition is there."""
    shown = dict(list(values.items())[:VALUES])
    rows = np.arange(len(shown))
    axes.barh(rows, list(shown.values()), color=BLUE)
    _names(axes, list(shown))
    more = f", {VALUES} of {len(values)} values" if len(values) > VALUES else ""
    axes.set(title=f"{short(name, 20)}{more}", xlabel="recordings")
    axes.locator_params(axis="x", integer=True)


def _names(axes: Axes, names: list[str]) -> None:
    """Names along the vertical axis, the first on top; none where they could not be read."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    if len(names) <= READABLE:
        axes.set_yticks(range(len(names)), [short(name, 20) for name in names], fontsize=8 if len(names) <= 20 else 6)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(names)} classes")
