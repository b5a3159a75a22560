"""A neuron as it answers: its response to a step, its f-I curve, and the phase plane of a state of two parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.engine import unroll
from mxsnn.neurons import Neuron, Outputs, Recorded, called, named
from mxsnn.report.canvas import figure_at, short
from mxsnn.report.palette import BLUE, GREY, VERMILION
from mxsnn.typing import State

STEPS, SILENT, LEVELS = 400, 50, 81
"""Steps that are run, those of them that are silent before and after the input, and constant inputs from 0 to twice `drive`."""


def figure(neuron: Neuron, path: str | Path) -> None:
    """Draws the neuron, the first where its parameters are those of many, as a PNG at `path`.

    From left to right: its state and outputs under the least constant input that makes it fire five times, between silences; its
    outputs over constant inputs; where its state has two parts, one over the other, with what a step changes under that input as
    arrows, and nullclines, on which one part does not change.
    """
    drive = np.linspace(0, 2 * getattr(neuron, "drive", 1.0), LEVELS)
    many = np.broadcast_shapes(*(jnp.shape(leaf) for leaf in jax.tree.leaves(neuron)))
    xs = np.zeros((STEPS, LEVELS, *many), np.float32)
    xs[SILENT:-SILENT] = drive.reshape(-1, *[1] * len(many))
    states, out = jax.tree.map(lambda part: np.asarray(part).reshape(STEPS, LEVELS, -1)[..., 0], _play(neuron, xs))
    kind = Outputs.of(neuron)
    fired = np.count_nonzero(out, 0) >= 5
    at = int(fired.argmax()) if fired.any() and kind is not Outputs.REAL else LEVELS // 2
    dt = float(np.ravel(named(neuron)["dt"].value)[0]) if "dt" in named(neuron) else 1.0
    flat = isinstance(states, tuple) and len(states) == 2 and all(isinstance(part, np.ndarray) for part in states)
    with figure_at(path, 10 if flat else 6.8, 3.4) as canvas:
        columns = canvas.add_gridspec(1, 2 + flat, width_ratios=[1.5, 1, 1.4][: 2 + flat])
        left = columns[0].subgridspec(len(jax.tree.leaves(states)), 1).subplots(sharex=True, squeeze=False)[:, 0]
        _response(left, jax.tree.map(lambda part: part[:, at], states), out[:, at], kind, dt, drive[at])
        _curve(canvas.add_subplot(columns[1]), drive, out[SILENT:-SILENT], kind, dt)
        if flat:
            _plane(canvas.add_subplot(columns[2]), neuron, many, states, at, drive[at])
        values = ", ".join(f"{name} {_value(p.value)}" for name, p in named(neuron).items())
        canvas.suptitle(short(f"{called(neuron)}: {values}", 160 if flat else 110), fontsize=7, color=GREY)


def _value(value: Any) -> str:
    """A number, or the range of many."""
    low, high = np.min(value), np.max(value)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


@jax.jit
def _play(neuron: Neuron, xs: Any) -> Any:
    """State and output of every step."""
    return unroll(Recorded(neuron), xs)[1]


def _response(panels: Any, state: State, out: np.ndarray, kind: Outputs, dt: float, x: float) -> None:
    """Each part of the state over time, spikes above the first."""
    parts = {jax.tree_util.keystr(path).lstrip("."): part for path, part in jax.tree_util.tree_leaves_with_path(state)}
    time = dt * np.arange(STEPS)
    for axes, (name, part) in zip(panels, parts.items(), strict=True):
        axes.axvspan(time[SILENT], time[-SILENT], color="#eeeeee", linewidth=0)
        axes.plot(time, part, color=BLUE)
        axes.set(ylabel=name, xlim=(0, time[-1]))
    for sign, colour in ((1, VERMILION), (-1, GREY)):
        spikes = time[sign * out > 0] if kind is not Outputs.REAL else []
        above = panels[0].get_xaxis_transform()  # time along, parts of the panel up
        panels[0].vlines(spikes, 1.01, 1.05, color=colour, linewidth=0.8, transform=above, clip_on=False)
    panels[0].set_title(f"a constant input of {x:.3g} between silences", pad=12)
    panels[-1].set_xlabel("time (ms)")


def _curve(axes: Any, drive: np.ndarray, out: np.ndarray, kind: Outputs, dt: float) -> None:
    """The outputs over constant inputs: spikes a second, of what is no spike the mean."""
    spikes = kind is not Outputs.REAL
    axes.plot(drive, out.mean(0) * (1000 / dt if spikes else 1), color=BLUE)
    label = {Outputs.BINARY: "spikes per second", Outputs.REAL: "mean output"}.get(kind, "sum of outputs per second")
    axes.set(xlabel="input", ylabel=label, title="f-I curve" if spikes else "output over input", xlim=(0, drive[-1]))


def _plane(axes: Any, neuron: Neuron, many: tuple[int, ...], states: Any, at: int, x: float) -> None:
    """The second part of the state over the first: where it was, where a step takes it where it does not fire."""
    path = [part[:, at] for part in states]
    low, high = (np.array([limit(part) for part in path]) for limit in (np.min, np.max))
    room = 0.15 * (high - low) + 1e-3 * np.maximum(np.abs(high), 1e-3)
    low, high = low - room, high + room

    def change(points: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """A grid of states, and what a step under this input changes, NaN where it fires."""
        grid = np.meshgrid(*(np.linspace(a, b, points, dtype=np.float32) for a, b in zip(low, high, strict=True)))
        full = [np.broadcast_to(part.reshape(-1, *[1] * len(many)), (points**2, *many)) for part in grid]
        after, out = neuron.step(type(states)(*map(jnp.asarray, full)), jnp.full((points**2, *many), x, jnp.float32))
        fires = (np.asarray(out) != 0) & (Outputs.of(neuron) is not Outputs.REAL)
        moved = [np.where(fires, np.nan, np.asarray(b) - a) for a, b in zip(full, after, strict=True)]
        return list(grid), [part.reshape(points**2, -1)[:, 0].reshape(points, points) for part in moved]

    grid, moved = change(16)
    lengths = [part / (b - a) for part, a, b in zip(moved, low, high, strict=True)]
    axes.quiver(*grid, *lengths, color="#aaaaaa", angles="uv", width=0.004)
    grid, moved = change(160)
    names = type(states)._fields
    for part, name, colour, style in zip(moved, names, (VERMILION, "black"), ("solid", "dashed"), strict=True):
        if (part < 0).any() and (part > 0).any():
            axes.contour(*grid, part, levels=[0], colors=colour, linewidths=1, linestyles=style)
            axes.plot([], [], color=colour, linestyle=style, linewidth=1, label=f"{name} does not change")
    axes.plot(*path, color=BLUE, linewidth=0.8, marker=".", markersize=2)
    axes.set(xlabel=names[0], ylabel=names[1], xlim=(low[0], high[0]), ylim=(low[1], high[1]), title="phase plane")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", fontsize=6)
