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
import re
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
    wrong: dict[str, list[str]] = {}  # what was said, by whom
    problems, facts, backends, differences, jump = [], [], {}, {}, math.nan
    for check in checks:
        try:
            check(neuron)
        except Exception as error:  # of a user's step, which may raise anything
            wrong.setdefault(_said(error), []).append(check.__name__)
    if checks:
        facts.append(f"{len(checks)} checks, {sum(map(len, wrong.values()))} failed")
    try:
        about, problems = describe(neuron)
        backends, differences, jump, conditions = measure(neuron)
        facts += [*about, conditions]
    except Exception as error:
        wrong.setdefault(_said(error), []).append("float32 beside float64")
    told = [f"{', '.join(names)}: {said}" for said, names in wrong.items()]
    found = tuple(told + problems + _judged(backends, differences, jump))
    return Audit(neuron, found, tuple(facts), backends, differences, jump)


def _judged(backends: dict[str, Beside], differences: dict[str, float], jump: float) -> list[str]:
    """What rounding does not explain."""
    problems = []
    for name, b in backends.items():
        if b.flipped and not b.distance <= ROUNDING["distance"] * b.unit:
            problems.append(f"{name} flips {b.flipped} outputs, one where the membrane stood {b.distance:.2g} from the threshold")
        if not b.state <= ROUNDING["state"]:
            problems.append(f"{name} in float32 has a state that is {b.state:.2g} off: does something cancel, or half precision?")
        if off := _large(b.gradient, ROUNDING["gradient"]):
            least = min(cosine for cosine in b.cosine.values() if not math.isnan(cosine))
            problems.append(f"{name} in float32 has gradients that are off, by {off}; the least cosine is {least:.6f}")
    if off := _large(differences, ROUNDING["differences"]):
        problems.append(
            f"gradients are not the derivative, finite differences are off by {off}: "
            "is something detached, rounded, or given a derivative of its own?"
        )
    if jump > ROUNDING["jump"]:
        problems.append(
            f"a jump of {jump:.2g} of all that inputs change is left where `fire` is smooth: is something compared beside it?"
        )
    return problems


def _large(errors: dict[str, float], most: float) -> str:
    """Those that are larger, by name."""
    return ", ".join(f"{error:.1g} ({name})" for name, error in errors.items() if error > most)


def _said(error: Exception) -> str:
    """An error in a line; of numpy's tables of what differs, what the check says about them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    if len(lines) > 1 and re.match("Not equal|Arrays are not equal", lines[0]):
        lines = lines[:2] if lines[1].startswith("Mismatched") else lines[1:2]
    short = "; ".join(lines[:3])[:400]
    return short if isinstance(error, AssertionError) else f"{type(error).__name__}: {short}"


def _short(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.1e}" if number else "0"


def _cosine(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.7f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
