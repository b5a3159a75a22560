"""Measures every neuron beside its source and writes the table of docs/neurons.md: `python -m tests.golden.table`.

Beside the golden traces of five libraries, on the neurons of the parity tests; what none or one has, beside the equations of its
source in float64. An error of a state is relative to its largest value (or to 1), one of a gradient to its largest value.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mxsnn.neurons import BRF, NEURONS, AdLIF, EFAdLIF, Izhikevich, SEAdLIF
from tests.golden import parity

DOCUMENT = Path(__file__).parents[2] / "docs" / "neurons.md"
BEGIN, END = "<!-- models: python -m tests.golden.table -->", "<!-- end of models -->"
HEAD = ["model", "source", "beside", "outputs that differ", "state", "gradient", "what departs from it", "held by"]

LIBRARIES = {"snntorch": "snnTorch", "spikingjelly": "SpikingJelly", "norse": "Norse", "spyx": "spyx", "jaxpike": "jaxpike"}
EQUATIONS = "its equations in float64"

DEPARTS = {
    "AdLIF": "starts at rest, SpArch at random; subtracts the threshold, SpArch 1",
    "EIF": "starts at rest; exponents held at 20; default sharpness 0.1, SpikingJelly's 1",
    "AdEx": "its spike ends at theta_rh + 5 delta_t, the paper's at 20 mV; exponents held at 20",
    "QIF": "starts at rest; the parabola is constant above the threshold and below -100",
    "AdQIF": "starts at rest; the parabola is bounded as in QIF; default a and b",
    "ALIF": "the threshold decays back, the paper's stays up (`tau_threshold=inf`)",
    "Alpha": 'one current where snnTorch has two; its reset "subtract" has no counterpart',
    "LIF": "",
    "Autapse": "",
    "BRF": "times in ms, the paper's have no unit",
    "CLIF": "any dt; an exponential leak by default, the paper's is Euler's",
    "GLIF": "values learned as declared, the paper's by their logits; its reset is written a step later",
    "IF": "",
    "IntegerLIF": "default time constant",
    "Izhikevich": "its membrane is held between -200 mV and 10 mV above the threshold; it starts at its fixed point",
    "KLIF": "k is learned by its logarithm",
    "Lapicque": "an exponential leak by default; Euler's beyond R C < dt is refused",
    "Late": "",
    "LI": "",
    "NextStepReset": "",
    "PLIF": "dt compounds the leak of a millisecond",
    "Refractory": "its counter has no gradient, Norse's has",
    "RF": "times in ms; Loihi's phase rule has no counterpart",
    "SEAdLIF": "a and jump have q in them (`from_q`)",
    "EFAdLIF": "a and jump have q in them (`from_q`)",
    "Synaptic": "",
    "TernaryLIF": "default time constant",
}


class Error(NamedTuple):
    """What was measured of one case."""

    models: tuple[str, ...]  # the registered neurons in it
    beside: str
    outputs: int
    differ: int
    state: float
    gradient: float  # NaN where there is none to compare


def source(cls: type) -> str:
    """What a neuron's docstring names as its source, or that of the class on which it stands."""
    for base in cls.__mro__:
        found = re.search(r"Source: (.*?)(?:\.(?= [A-Z])|[.:]?\s*\n\n|[.:]?\s*$)", base.__doc__ or "", re.DOTALL)
        if found:
            return " ".join(found[1].split())
    return "spyx 1.0"  # of Late, which has no paper


def _worst(errors: list[Any]) -> float:
    """The largest; NaN where there is none."""
    return float(max((error for error in errors if not math.isnan(error)), default=math.nan))


# ---- libraries ------------------------------------------------------------------------------------------------------------------


def traces() -> Iterator[Error]:
    """Each case of the golden traces."""
    snntorch, spikingjelly, norse, spyx, jaxpike = (importlib.import_module(f"tests.test_parity_{name}") for name in LIBRARIES)
    for name in snntorch.EQUAL:
        yield _case("snntorch", snntorch.EQUAL[name], snntorch.reference(name), snntorch.but(name))
    for name in spikingjelly.CASES:
        yield _case("spikingjelly", spikingjelly.equal(name), parity.golden("spikingjelly")[name], spikingjelly.but(name))
    for name in norse.EQUAL:
        kept = parity.golden("norse")[name]
        yield _case("norse", norse.EQUAL[name], kept, norse.but(name, kept))
    for name in spyx.EQUAL:
        yield _case("spyx", spyx.EQUAL[name], spyx.reference(name), spyx.but(name))
    for name in jaxpike.EQUAL:
        yield _case("jaxpike", jaxpike.EQUAL[name], parity.golden("jaxpike")[name], jaxpike.but(name))


def _case(library: str, of: Callable[..., Any], kept: parity.Trace, but: tuple[str, ...]) -> Error:
    models: dict[str, None] = {}
    played = parity.played

    def seen(neuron: Any, x: Any, **given: Any) -> dict[str, Any]:
        inner = neuron
        while inner is not None:
            if type(inner).__name__ in NEURONS:
                models[type(inner).__name__] = None
            inner = getattr(inner, "neuron", None)
        return played(neuron, x, **given)

    parity.played = seen
    try:
        result = parity.run(of, kept)
    finally:
        parity.played = played
    states, gradients = [], []
    for key, value in kept.items():
        if key in ("x", "v0", "weights", "s", *but) or key.startswith("p:"):
            continue
        error = float(np.abs(result[key] - value).max())
        if key.startswith("d:"):
            gradients.append(error / float(np.abs(value).max()))
        else:
            states.append(error / max(1.0, float(np.abs(value).max())))
    whole = bool((kept["s"] == np.round(kept["s"])).all())
    differ = int((np.abs(result["s"] - kept["s"]) > (0 if whole else 1e-5)).sum())
    return Error(tuple(models), LIBRARIES[library], kept["s"].size, differ, _worst(states), _worst(gradients))


# ---- equations ------------------------------------------------------------------------------------------------------------------

DECAY, RECOVERY, A, JUMP = 0.8, 0.95, 0.1, 0.5


def ad_lif(xs: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """SpArch's RadLIF without recurrence, from rest: output, membrane after its reset, the w of the next step."""
    u, w, s = (np.zeros(xs.shape[1:]) for _ in range(3))
    for x in xs:
        w = RECOVERY * w + A * u + JUMP * s
        u = DECAY * (u - s) + (1 - DECAY) * (x - w)
        s = (u > 1) * 1.0
        yield s, u - s, RECOVERY * w + A * u + JUMP * s


def se_ad_lif(xs: np.ndarray, symplectic: bool = True) -> Iterator[tuple[np.ndarray, ...]]:
    """Baronig et al., by symplectic Euler or by Euler forward, with q = 20: output, membrane, w."""
    u, w, z = (np.zeros(xs.shape[1:]) for _ in range(3))
    for x in xs:
        before, spiked = u, z
        u = DECAY * u + (1 - DECAY) * (x - w)
        z = (u > 1) * 1.0
        u = u * (1 - z)
        drive = A * u + JUMP * z if symplectic else A * before + JUMP * spiked
        w = RECOVERY * w + (1 - RECOVERY) * drive * 20
        yield z, u, w


def izhikevich(xs: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Izhikevich (2003), two half steps: output, v, u."""
    v = np.full(xs.shape[1:], (-(5 - 0.2) - math.sqrt((5 - 0.2) ** 2 - 4 * 0.04 * 140)) / 0.08)
    u = 0.2 * v
    for x in xs:
        for _ in range(2):
            v = np.clip(v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + x), -200, 40)
        s = (v > 30) * 1.0
        u = u + 0.02 * (0.2 * v - u) + 8 * s
        v = np.where(s == 1, -65, v)
        yield s, v, u


def brf(xs: np.ndarray, omega: float = 10.0, offset: float = 1.0, dt: float = 0.01) -> Iterator[tuple[np.ndarray, ...]]:
    """Higuchi et al., in the paper's unit of time: output, u, v, q."""
    u, v, q = (np.zeros(xs.shape[1:]) for _ in range(3))
    for x in xs:
        b = (math.sqrt(1 - (dt * omega) ** 2) - 1) / dt - abs(offset) - q
        u, v = u + dt * (b * u - omega * v + x), v + dt * (omega * u + b * v)
        z = (u - 1 - q > 0) * 1.0
        q = 0.9 * q + z
        yield z, u, v, q


def _words(cls: Any) -> Any:
    return cls.from_q(A, JUMP, 20.0, tau=-1 / math.log(DECAY), tau_w=-1 / math.log(RECOVERY))


PAPERS: dict[str, tuple[Any, Callable[..., Any], float, tuple[str, ...]]] = {
    "AdLIF": (AdLIF.from_alpha_beta(DECAY, RECOVERY, A, JUMP), ad_lif, 3.0, ("v", "w")),
    "SEAdLIF": (_words(SEAdLIF), se_ad_lif, 3.0, ("v", "w")),
    "EFAdLIF": (_words(EFAdLIF), lambda xs: se_ad_lif(xs, symplectic=False), 3.0, ("v", "w")),
    "Izhikevich": (Izhikevich(), izhikevich, 10.0, ("v", "u")),
    "BRF": (BRF(10.0, 1.0, friction=1.0, tau_q=-0.01 / math.log(0.9), dt=0.01), brf, 60.0, ("u", "v", "q")),
}
"""The neuron, its source's equations, the size of its input, its states in the order of what the equations yield."""


def beside_its_equations(name: str) -> Error:
    """A neuron of PAPERS on 100 steps of 24 neurons under normal inputs, in float32."""
    neuron, recursion, size, parts = PAPERS[name]
    xs = (size * np.random.default_rng(1).normal(0.7, 0.5, (100, 24))).astype(np.float32)
    truth, *states = map(np.stack, zip(*recursion(xs.astype(np.float64)), strict=True))
    found = parity.played(neuron, xs)
    differ = np.asarray(found["s"]) != truth
    same = ~differ.any(0)  # where a spike differs, all that follows does
    errors = [
        np.abs(np.asarray(found[part]) - state)[:, same].max() / max(1.0, np.abs(state).max())
        for part, state in zip(parts, states, strict=True)
    ]
    return Error((name,), EQUATIONS, truth.size, int(differ.sum()), _worst(errors), math.nan)


# ---- the table ------------------------------------------------------------------------------------------------------------------


def rows(errors: list[Error]) -> Iterator[list[str]]:
    """A row of the table for each registered neuron."""
    for name, cls in NEURONS.items():
        mine = [error for error in errors if name in error.models]
        libraries = list(dict.fromkeys(error.beside for error in mine))
        beside = ", ".join(
            library if library == EQUATIONS else f"{library} ({sum(e.beside == library for e in mine)})" for library in libraries
        )
        outputs = f"{sum(e.differ for e in mine)} of {sum(e.outputs for e in mine):,}"
        pins = [f"test_parity_{key}.py" for key, library in LIBRARIES.items() if library in libraries]
        pins += ["test_parity_papers.py"] * (EQUATIONS in libraries)
        found = _worst([e.state for e in mine]), _worst([e.gradient for e in mine])
        worst = ("-" if math.isnan(error) else f"{error:.0e}" if error else "0" for error in found)
        yield [f"`{name}`", source(cls), beside, outputs, *worst, DEPARTS[name] or "-", ", ".join(pins)]


def write(table: list[list[str]]) -> None:
    """Puts the table between its marks."""
    text = DOCUMENT.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    lines = [f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *table)]
    DOCUMENT.write_text("\n".join([before + BEGIN, *lines, END + after]), "utf-8")


if __name__ == "__main__":
    write(list(rows([*traces(), *map(beside_its_equations, PAPERS)])))
