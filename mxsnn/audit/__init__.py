"""What a neuron's arithmetic and gradients are worth, in numbers: `print(audit(MyNeuron()))`, or `mxsnn audit FILE.py:MyNeuron`.

`mxsnn.testing` says whether a neuron keeps its promises. An audit runs those checks and measures besides:

- each backend in float32 beside `scan` in float64: spikes that flip, with how far from the threshold the membrane stood; the error
  of the state; cosine and error of the gradient by each parameter, by the inputs and by the initial state;
- finite differences in float64. A spike is a step, which has no derivative; so each `fire` is replaced by a smooth function of its
  argument, and each `detached` reset by the one inside: that leaves a smooth neuron, whose derivative must be its gradient, and
  which does not jump;
- what `fire` is: 0 below the threshold, 1 above it, which of both at it, with a slope that points up.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from mxsnn.audit._fire import describe
from mxsnn.audit._measure import Beside, measure
from mxsnn.neurons import Neuron, called
from mxsnn.testing import CHECKS

__all__ = ["ROUNDING", "Audit", "Beside", "audit"]

ROUNDING = {"distance": 1e-5, "state": 1e-4, "gradient": 1e-3, "differences": 1e-4, "jump": 0.05}
"""Up to where an error is rounding, relative to the largest value; a distance: to what `fire` is given on average."""


@dataclasses.dataclass(frozen=True)
class Audit:
    """What was found: `print(it)` for people, `passed` and `problems` for programs, `figure(path)` for eyes."""

    neuron: Neuron
    problems: tuple[str, ...]  # a line each
    facts: tuple[str, ...]  # what was measured, and what its `fire` is
    backends: dict[str, Beside]
    differences: dict[str, float]  # error of the gradient beside finite differences, by argument; NaN where both are zero
    jump: float  # the part of what inputs change that is a jump without a gradient; NaN where nobody knows

    @property
    def passed(self) -> bool:
        return not self.problems

    def assert_passes(self) -> None:
        """For tests. Raises AssertionError with the whole text where there is a problem."""
        assert self.passed, str(self)

    def figure(self, path: str | Path) -> None:
        """Draws response to a step, f-I curve and, for a state of two parts, phase plane: `mxsnn.report.neuron.figure`."""
        from mxsnn.report.neuron import figure

        figure(self.neuron, path)

    def __str__(self) -> str:
        count = len(self.problems)
        verdict = "passes" if self.passed else f"{count} problem{'s' if count > 1 else ''}"
        lines = [f"{called(self.neuron)}: {verdict}", *self.facts]
        if self.backends:
            rows = [["float32 beside float64", "flipped", "distance", "state"]]
            rows += [[name, str(b.flipped), _short(b.distance), _short(b.state)] for name, b in self.backends.items()]
            lines += ["", *_aligned(rows)]
            rows = [["gradient by", *(f"{name}: cosine, error" for name in self.backends), "differences"]]
            for by in next(iter(self.backends.values())).cosine:
                both = [f"{_cosine(b.cosine[by])}  {_short(b.gradient[by])}" for b in self.backends.values()]
                rows.append([by, *both, _short(self.differences.get(by, math.nan))])
            lines += ["", *_aligned(rows)]
        return "\n".join([*lines, *([""] if self.problems else []), *(f"PROBLEM {text}" for text in self.problems)])


def audit(neuron: Neuron, checks: Sequence[Callable[[Neuron], None]] = CHECKS) -> Audit:
    """Checks and measures a neuron on the inputs of `mxsnn.testing`, `[T, B, N]`, in float32 and float64; takes some seconds.

    Whatever is wrong with the neuron, a step that raises included, is one of the `problems` of the result.
    """
    problems, facts, backends, differences, jump = [], [], {}, {}, math.nan
    for check in checks:
        try:
            check(neuron)
        except Exception as error:  # of a user's step, which may raise anything
            problems.append(f"{check.__name__}: {_said(error)}")
    if checks:
        facts.append(f"{len(checks)} checks, {len(problems)} failed")
    try:
        about, odd = describe(neuron)
        facts += about
        problems += odd
        backends, differences, jump, about = measure(neuron)
        facts += about
    except Exception as error:
        problems.append(f"it could not be measured in float32 and float64: {_said(error)}")
    if jump > ROUNDING["jump"]:
        problems.append(
            f"a jump of {jump:.2g} of all that inputs change is left where `fire` is made smooth: is something compared beside it?"
        )
    return Audit(neuron, (*problems, *_judged(backends, differences)), tuple(facts), backends, differences, jump)


def _judged(backends: dict[str, Beside], differences: dict[str, float]) -> list[str]:
    """What rounding does not explain."""
    problems = []
    for name, b in backends.items():
        if b.flipped and not b.distance <= ROUNDING["distance"] * b.unit:
            problems.append(f"{name} flips {b.flipped} outputs, one where the membrane stood {b.distance:.2g} from the threshold")
        if not b.state <= ROUNDING["state"]:
            problems.append(f"{name} in float32 has a state that is {b.state:.2g} off: does something cancel, or half precision?")
        for by, error in b.gradient.items():
            if error > ROUNDING["gradient"]:
                problems.append(f"{name}: the gradient by {by} is {error:.2g} off scan's in float64, cosine {b.cosine[by]:.6f}")
    for by, error in differences.items():
        if error > ROUNDING["differences"]:
            problems.append(
                f"the gradient by {by} is not the derivative, finite differences are {error:.2g} off: "
                "is something detached, rounded, or given a derivative of its own?"
            )
    return problems


def _said(error: Exception) -> str:
    """An error in a line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    short = "; ".join(lines[:3])[:400]
    return short if isinstance(error, AssertionError) else f"{type(error).__name__}: {short}"


def _short(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.1e}" if number else "0"


def _cosine(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.7f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
