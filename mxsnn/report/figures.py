"""Figures of a run: learning curves, confusion matrix, one recording with what the network and two neurons make of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mxsnn.engine import unroll
from mxsnn.events import Events, frames_by_time
from mxsnn.metrics import wilson
from mxsnn.neurons import ALIF, LIF, Recorded
from mxsnn.report.canvas import figure_at, short
from mxsnn.report.palette import BLUE, GREY, OFF, ON, VERMILION, colours

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

__all__ = ["Trace", "confusion_matrix", "example", "learning_curves", "neuron_traces"]

PARTS = 4  # pictures of a recording in time
ROWS = 100  # neurons in a raster
BINS = 500  # of a trace; more would be a blur


def learning_curves(rows: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Loss and accuracy by epoch, with the epoch that the validation part selects.

    `rows`: those of `metrics.jsonl`, with `epoch` and the loss and accuracy of each part, `train_loss` and so on.
    """
    parts = {
        "train": {"color": BLUE, "label": "training"},
        "validation": {"color": VERMILION, "label": "validation (selects)"},
        "test": {"color": GREY, "label": "test (not used to select)", "linewidth": 0.6},
    }
    epochs = [row["epoch"] for row in rows]
    finite = [row for row in rows if np.isfinite(row["validation_loss"])]
    best = min(finite, key=lambda row: np.float32(row["validation_loss"]), default=None)  # as the training does
    with figure_at(path, 7.2, 2.8) as figure:
        loss, accuracy = figure.subplots(1, 2)
        for axes, name, label in ((loss, "loss", "loss (cross-entropy, nats)"), (accuracy, "accuracy", "accuracy (%)")):
            scale = 100 if name == "accuracy" else 1
            for part, look in parts.items():
                values = [row[f"{part}_{name}"] * scale for row in rows]
                axes.plot(epochs, values, **look, marker="o" if len(rows) == 1 else "", markersize=3)
            if best is not None:
                axes.axvline(best["epoch"], color="black", linewidth=0.8, linestyle=":", label=f"selected: epoch {best['epoch']}")
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        loss.set_ylim(bottom=0)
        accuracy.set_ylim(0, 102)
        figure.legend(*loss.get_legend_handles_labels(), loc="outside upper center", ncols=4)


def confusion_matrix(table: np.ndarray, classes: Sequence[str], path: str | Path) -> None:
    """Counts of a table `[truth, predicted]`, coloured by their share of the true class."""
    n, correct, count = int(table.sum()), int(np.trace(table)), len(classes)
    if table.shape != (count, count):
        raise ValueError(f"a table for {count} classes is {count}x{count}; got {table.shape}")
    classes = [short(name, 16) for name in classes]
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    low, high = wilson(correct, n)
    side = float(np.clip(0.42 * count, 2.4, 9))
    with figure_at(path, side + 1.6, side + 1.0) as figure:
        axes = figure.subplots()
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        if count <= 30:  # smaller figures could not be read
            for (i, j), k in np.ndenumerate(table):
                color = "#bbbbbb" if k == 0 else "white" if share[i, j] > 0.5 else "black"
                axes.text(j, i, str(k), ha="center", va="center", color=color, fontsize=8 if table.max() < 1000 else 6)
        size = 8 if count <= 30 else 5
        turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, classes)) > 3 else {}
        axes.set_xticks(range(count), classes, fontsize=size, **turned)
        axes.set_yticks(range(count), classes, fontsize=size)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        accuracy = f"accuracy {correct / n:.1%}, n = {n}\n95% interval {low:.1%} to {high:.1%}" if n else "no samples"
        axes.set(xlabel="predicted class", ylabel="true class", title=accuracy)
        bar = figure.colorbar(image, shrink=0.8, aspect=30, label="share of the true class")
        bar.outline.set_visible(False)


class Trace(NamedTuple):
    """A neuron over time, `[T]` each."""

    v: np.ndarray  # membrane after the reset, in units of the resting threshold
    threshold: np.ndarray  # that v was held against
    spikes: np.ndarray


def neuron_traces(x: np.ndarray, dt: float = 1.0) -> tuple[Trace, Trace]:
    """LIF and 2D LIF (`ALIF`) under the same input `x` [T] per step of `dt` ms.

    The input is scaled by the least factor (of 10 to a decade) at which both spike five times or more.
    """
    scales = np.geomspace(1e-3, 1e2, 51) / max(float(np.mean(x)), 1e-30)
    drive = jnp.asarray(np.asarray(x)[:, None] * scales, jnp.float32)  # all at once, as a batch

    def run(neuron: LIF | ALIF) -> Trace:
        recorded: Any = Recorded(neuron)
        out: Any = unroll(recorded, drive)[1]
        state, spikes = out
        raised = state.a if isinstance(neuron, ALIF) else jnp.zeros_like(state.v)
        threshold = neuron.threshold + jnp.concatenate([jnp.zeros_like(raised[:1]), raised[:-1]])  # as the step found it
        return Trace(np.asarray(state.v), np.asarray(threshold), np.asarray(spikes))

    traces = run(LIF(dt=dt)), run(ALIF(dt=dt))  # [T, B]
    enough = np.all([trace.spikes.sum(0) >= 5 for trace in traces], 0)
    k = int(enough.argmax()) if enough.any() else len(scales) - 1
    lif, alif = (Trace(*(values[:, k] for values in trace)) for trace in traces)
    return lif, alif


def example(recording: Events | np.ndarray, name: str, spikes: Sequence[np.ndarray], path: str | Path) -> None:
    """One recording (events, or ready frames [T, H, W, 2]): its pictures, the spikes it causes, LIF and 2D LIF under its events.

    `spikes`: of each layer, `[T, ...]`.
    """
    lines = -(-len(spikes) // 3)
    heights = [1.7, 1.6 * lines, 3.2] if lines else [1.7, 3.2]
    with figure_at(path, 7.2, sum(heights)) as figure:
        parts = np.ravel(figure.subfigures(len(heights), 1, height_ratios=heights))
        _pictures(parts[0], recording, name)
        if lines:
            _rasters(parts[1], spikes, lines)
        _traces(parts[-1], recording)


def _pictures(figure: SubFigure, recording: Events | np.ndarray, name: str) -> None:
    """All of the recording, then its parts in time."""
    from matplotlib.patches import Patch

    if isinstance(recording, Events):
        start, stop = (int(recording.t[0]), int(recording.t[-1]) + 1) if len(recording) else (0, 1)
        parts = frames_by_time(recording, PARTS, start, stop)
        times, unit, held = np.linspace(0, stop - start, PARTS + 1) / 1000, "ms", f"{len(recording):,} events"
    else:
        times, unit, held = np.linspace(0, len(recording), PARTS + 1).round(), "steps", f"{len(recording)} frames"
        parts = np.stack([np.clip(part, 0, None).sum(0) for part in np.split(recording, times[1:-1].astype(int))])
    spans = [f"{a:.3g}–{b:.3g} {unit}" for a, b in itertools.pairwise(times)]
    panels = figure.subplots(1, PARTS + 1)
    pictures = [colours(parts.sum(0)), *colours(parts)]
    for axes, picture, title in zip(panels, pictures, [f"all {held}", *spans], strict=True):
        axes.imshow(picture)
        axes.set(title=title, xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="#bbbbbb")
    panels[0].set(xlabel=f"x ({parts.shape[2]} pixels)", ylabel=f"y ({parts.shape[1]} pixels)")
    figure.suptitle(f"“{short(name, 50)}”", x=0.01, ha="left", fontsize=10)
    legend = {"ON (brighter)": ON, "OFF (darker)": OFF, "both": "black"}
    patches = [Patch(color=colour, label=label) for label, colour in legend.items()]
    figure.legend(handles=patches, loc="upper right", ncols=3, borderpad=0.2, borderaxespad=0.2)


def _rasters(figure: SubFigure, spikes: Sequence[np.ndarray], lines: int) -> None:
    """The most active neurons of each layer, those that spike early on top."""
    columns = min(3, len(spikes))
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(spikes) :]:
        axes.remove()
    for i, (axes, layer) in enumerate(zip(panels, spikes, strict=False)):
        fired = np.reshape(layer, (len(layer), -1)) != 0
        steps, neurons = fired.shape
        counts = fired.sum(0)
        shown = np.argsort(-counts, kind="stable")[: min(ROWS, np.count_nonzero(counts))]
        when = np.arange(steps) @ fired[:, shown] / counts[shown]
        row, step = np.nonzero(fired[:, shown[np.argsort(when, kind="stable")]].T)
        axes.vlines(step, row - 0.5, row + 0.5, color="black", linewidth=float(np.clip(60 / steps, 0.5, 2)))
        axes.set(xlim=(-0.5, steps - 0.5), ylim=(max(len(shown), 1) - 0.5, -0.5), yticks=[], xlabel="time (steps)")
        axes.set_title(f"layer {i + 1}: {len(shown)} of {neurons:,} neurons" if len(shown) else f"layer {i + 1}: silent")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if i % columns == 0:
            axes.set_ylabel("most active,\nby mean spike time")


def _traces(figure: SubFigure, recording: Events | np.ndarray) -> None:
    """The recording's rate of events, and membrane and threshold of two neurons that it drives."""
    if isinstance(recording, Events):
        bins, unit, units = (recording.t - recording.t[:1]) // 1000, "ms", "ms"
        x = np.bincount(bins[bins < BINS], minlength=1)
    else:
        x, unit, units = np.clip(recording[:BINS], 0, None).sum((1, 2, 3)), "step", "steps"
    time = np.arange(len(x))
    lif, alif = LIF(), ALIF()
    titles = (
        f"LIF: τ = {lif.tau:g} {units}",
        f"2D LIF: τ = {alif.tau:g} {units}, a spike raises the threshold by {alif.jump:g}, "
        f"which decays with {alif.tau_threshold:g} {units}",
    )
    rate, *others = figure.subplots(3, 1, sharex=True, height_ratios=[0.6, 1, 1])
    rate.fill_between(time, x, step="mid", color="#999999", linewidth=0)
    rate.set(xlim=(-0.5, len(x) - 0.5), ylim=(0, None), ylabel=f"events\nper {unit}")
    rate.set_title("input of both neurons, before its scaling")
    for axes, trace, title in zip(others, neuron_traces(x), titles, strict=True):
        at = np.flatnonzero(trace.spikes)
        axes.plot(time, trace.v, color=BLUE, label="V")
        axes.plot(time, trace.threshold, color=VERMILION, drawstyle="steps-mid", label="threshold")
        axes.plot(at, trace.threshold[at], "|", color="black", markersize=8, label="spike")
        axes.set(title=title, ylabel="V (resting\nthresholds)", ylim=(None, 1.15 * max(trace.v.max(), trace.threshold.max())))
    others[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderpad=0, borderaxespad=0.2)
    others[-1].set_xlabel(f"time ({units})")


def named_over_time(edges: Sequence[int], chances: np.ndarray, classes: Sequence[str], path: str | Path) -> None:
    """How probable each class is in each part of a recording: edges [N + 1] us, chances [N, K]; what is named is marked."""
    n, count = chances.shape
    if len(edges) != n + 1 or len(classes) != count:
        raise ValueError(f"{n} parts of {count} classes have {n + 1} edges and {count} names; got {len(edges)}, {len(classes)}")
    seconds = np.asarray(edges) / 1e6
    with figure_at(path, 7.2, 1.2 + 0.28 * count) as figure:
        axes = figure.subplots()
        image = axes.pcolormesh(seconds, np.arange(count + 1) - 0.5, chances.T, cmap="Blues", vmin=0, vmax=1)
        axes.plot((seconds[:-1] + seconds[1:]) / 2, chances.argmax(1), "o", color=VERMILION, markersize=4, label="named")
        axes.set_yticks(range(count), [short(name, 24) for name in classes])
        axes.set(xlabel="time (s)", ylim=(count - 0.5, -0.5))
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, borderaxespad=0.2)
        figure.colorbar(image, label="probability").outline.set_visible(False)
