"""Networks beside each other: operations, energy and firing rates, and the rate at which spikes would pay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mxsnn.energy.account import FLOAT32, INT8, Energy, Figures, break_even, energy
from mxsnn.energy.counts import Counts, count

__all__ = ["EnergyTable", "Row", "energy_table"]


@dataclass(frozen=True)
class Row:
    """A network in one kind of numbers."""

    name: str
    counts: Counts
    figures: Figures
    energy: Energy


@dataclass(frozen=True)
class EnergyTable:
    """What `energy_table` found; as text it is a table of Markdown, `to_dict` is for JSON."""

    rows: tuple[Row, ...]

    @property
    def pairs(self) -> list[tuple[Row, Row]]:
        """Each row of spikes with each row without, of numbers no wider than its own."""
        spiking = [row for row in self.rows if row.counts.sops]
        others = [row for row in self.rows if not row.counts.sops]
        return [(a, b) for a in spiking for b in others if b.figures.weight_bytes <= a.figures.weight_bytes]

    def to_dict(self) -> dict[str, Any]:
        """Rows with all their counts, energies in pJ a sample, and the rates at which the spiking ones would break even."""
        rows = [
            {"name": r.name, "counts": r.counts.to_dict(), "figures": asdict(r.figures), "energy_pj": r.energy.to_dict()}
            for r in self.rows
        ]
        even = [
            {"spiking": [a.name, a.figures.name], "other": [b.name, b.figures.name], "rate": a.counts.rate}
            | {f"break_even_{account}": rate for account, rate in break_even(a.counts, a.energy, b.energy).items()}
            for a, b in self.pairs
        ]
        return {"rows": rows, "break_even": even}

    def __str__(self) -> str:
        heads = "network", "numbers", "SOPs", "MACs", "SOP energy, nJ", "with memory, nJ", "firing rate, %"
        lines = [_line(heads), "|" + "---|" * len(heads)]
        for row in self.rows:
            n, rate = row.counts.samples, row.counts.rate
            counted = f"{row.counts.sops / n:,.0f}", f"{row.counts.macs / n:,.0f}"
            spent = _nanojoules(row.energy.operations), _nanojoules(row.energy.total)
            lines.append(_line((row.name, row.figures.name, *counted, *spent, _percent(rate))))
        if self.pairs:
            heads = "spiking", "against", "fires at, %", "breaks even at, % (operations)", "with memory"
            lines += ["", _line(heads), "|" + "---|" * len(heads)]
        for a, b in self.pairs:
            rates = break_even(a.counts, a.energy, b.energy).values()
            names = [f"{row.name} ({row.figures.name})" for row in (a, b)]
            lines.append(_line((*names, _percent(a.counts.rate), *(_percent(rate) for rate in rates))))
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _nanojoules(picojoules: float) -> str:
    return f"{picojoules / 1e3:,.0f}" if picojoules >= 1e5 else f"{picojoules / 1e3:.3g}"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else "never" if rate <= 0 else f"{100 * rate:.3g}"


def energy_table(
    entries: Sequence[tuple[str, Callable[[Any], Any], Any]],
    *,
    figures: Sequence[Figures] = (FLOAT32, INT8),
    event_inputs: bool = False,
    samples_axis: int = 1,
) -> EnergyTable:
    """Networks `(name, model, inputs)` side by side, each in each kind of numbers; give the inputs that the network is used with.

    Operations are counted as traced, in the numbers of the model, once; `figures` say what they would cost. Whether a network still
    works in 8 bits is not looked at. Raises as `count` does.
    """
    counts = [(name, count(model, xs, event_inputs=event_inputs, samples_axis=samples_axis)) for name, model, xs in entries]
    return EnergyTable(tuple(Row(name, found, figure, energy(found, figure)) for name, found in counts for figure in figures))
