"""The audit: every neuron passes it, and each of many faults is told by the words that are meant for it."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from benchmarks import neurons as benchmark
from mxsnn import nn, testing
from mxsnn.audit import _measure, audit
from mxsnn.audit._fire import distance, fires
from mxsnn.cli import main
from mxsnn.discrete import euler
from mxsnn.engine import BACKENDS, backends, unroll
from mxsnn.engine.scan import scan
from mxsnn.interop import to_nir
from mxsnn.models.described import described
from mxsnn.neurons import (
    ALIF,
    GLIF,
    LI,
    LIF,
    NEURONS,
    Izhikevich,
    Late,
    Outputs,
    Refractory,
    TernaryLIF,
    levels,
    parameters,
    positive,
)
from mxsnn.neurons import static as given_function
from mxsnn.report.neuron import figure
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.surrogate import atan, fast_sigmoid, inclusive
from mxsnn.typing import Fire

PER_NEURON = jnp.array([2.0, 5.0, 10.0, 40.0])
SOME = {"LIF", "Refractory"}  # the others take a minute together
VARIANTS = {name: cls() for name, cls in NEURONS.items()} | {
    "LIF, steep, per neuron": LIF(PER_NEURON, reset=detached(subtract), fire=fast_sigmoid(25.0)),
    "LIF, no reset": LIF(reset=none),
    "GLIF, by step": GLIF(conductance=jnp.linspace(-1, 1, 4)),
    "three deep": Late(Refractory(ALIF(reset=detached(to_value(-0.3))), period=3.0)),
}


@pytest.mark.parametrize("name", [name if name in SOME else pytest.param(name, marks=pytest.mark.slow) for name in VARIANTS])
def test_every_neuron_passes(name):
    found = audit(VARIANTS[name], checks=())  # which tests of their own run
    found.assert_passes()
    assert list(found.backends) == backends(VARIANTS[name])
    assert found.differences and all(b.flipped == 0 for b in found.backends.values())
    for b in found.backends.values():
        assert max(e for e in b.gradient.values() if e == e) < 1e-4 and min(c for c in b.cosine.values() if c == c) > 0.999999


# ---- faults ---------------------------------------------------------------------------------------------------------------------


class State(NamedTuple):
    v: jax.Array


@parameters
class Sound:
    """A leaky neuron without a fault, whose parts the faulty ones replace."""

    outputs: ClassVar[Outputs] = Outputs.BINARY

    tau: float = positive(5.0)
    threshold: float = positive(1.0)
    fire: Fire = given_function(default=atan())

    def init(self, shape, dtype=jnp.float32):
        return State(jnp.zeros(shape, dtype))

    def charge(self, v, x):
        return v * jnp.exp(-1 / jnp.asarray(self.tau)) + x

    def spike(self, v):
        return self.fire(v - self.threshold)

    def reset(self, v, s):
        return v - s * self.threshold

    def step(self, state, x) -> Any:
        v = self.charge(state.v, x)
        s = self.spike(v)
        return State(self.reset(v, s)), s


@parameters
class ForgetsTheResetsGradient(Sound):
    def reset(self, v, s):
        return v - jax.lax.stop_gradient(s) * self.threshold


@parameters
class ComparesBesideItsFire(Sound):
    def reset(self, v, s):
        return v - self.threshold * (v > self.threshold)


@parameters
class DetachesAParameter(Sound):
    def charge(self, v, x):
        return v * jnp.exp(-1 / jax.lax.stop_gradient(jnp.asarray(self.tau))) + x


@parameters
class DetachesTheMembrane(Sound):
    def charge(self, v, x):
        return super().charge(jax.lax.stop_gradient(v), x)


@jax.custom_jvp
def decay(tau):
    return jnp.exp(-1 / tau)


decay.defjvp(lambda primals, tangents: (decay(*primals), decay(*primals) / primals[0] * tangents[0]))


@parameters
class HasAWrongDerivative(Sound):
    """By tau instead of tau squared."""

    def charge(self, v, x):
        return v * decay(jnp.asarray(self.tau)) + x


@parameters
class Cancels(Sound):
    def charge(self, v, x):
        return jnp.cbrt((super().charge(v, x) + 1e4) ** 3) - 1e4


@parameters
class IsHalfPreciseInside(Sound):
    def charge(self, v, x):
        return super().charge(v.astype(jnp.float16), x.astype(jnp.float16)).astype(v.dtype)


@parameters
class RoundsItsParameter(Sound):
    """A table of time constants: a step, whose derivative is passed off as 1."""

    def charge(self, v, x):
        tau = jnp.asarray(self.tau)
        return v * jnp.exp(-1 / (tau + jax.lax.stop_gradient(jnp.round(tau) - tau))) + x


@parameters
class FiresBelow(Sound):
    def spike(self, v):
        return self.fire(self.threshold - v)


@parameters
class IsSteppedTheOtherWay(Sound):
    fire: Fire = given_function(default=lambda u: (u < 0) + atan()(u) - (u > 0))


@parameters
class HasASlopeThatPointsDown(Sound):
    fire: Fire = given_function(default=lambda u: 2 * (u > 0) - atan()(u))


@parameters
class FiresLate(Sound):
    fire: Fire = given_function(default=lambda u: atan()(u - 0.5))


@parameters
class IsFloat32(Sound):
    def init(self, shape, dtype=jnp.float32):
        return State(jnp.zeros(shape, jnp.float32))


@parameters
class IsWrittenForTwoAxes(Sound):
    def charge(self, v, x):
        return super().charge(v, x) + jnp.zeros((3, 4))


@parameters
class IsCalledAffine(Sound):
    affine: ClassVar[bool] = True


@parameters
class HearsItsBatch(Sound):
    def charge(self, v, x):
        return super().charge(v, x - 0.1 * x.mean(0))


@parameters
class HasAHalfPreciseState(Sound):
    def step(self, state, x):
        after, s = super().step(state, x)
        return State(after.v.astype(jnp.float16)), s


MEMORY: list[Any] = []


@parameters
class RemembersInPython(Sound):
    def charge(self, v, x):
        MEMORY.append(x)
        return super().charge(v, x + 0.01 * len(MEMORY))


RNG = np.random.default_rng(0)


@parameters
class DrawsItsNoise(Sound):
    def charge(self, v, x):
        return super().charge(v, x + jnp.asarray(RNG.normal(0, 0.1, x.shape), x.dtype))


@parameters
class Raises(Sound):
    def charge(self, v, x):
        raise RuntimeError("there is\nno charge")


@parameters
class IsUnlikeItsOutputs(Sound):
    outputs: ClassVar[Outputs] = Outputs.TERNARY

    def spike(self, v):
        return 2 * super().spike(v)


MEASURED = [  # what no check sees, or what is told without them
    (ForgetsTheResetsGradient, r"not the derivative, finite differences are off by .* \(threshold\).*: is something detached"),
    (ComparesBesideItsFire, r"a jump of 0\.\d+ of all that inputs change is left"),
    (DetachesAParameter, r"not the derivative, .* \(tau\)"),
    (DetachesTheMembrane, r"not the derivative, .* \(state\.v\)"),
    (HasAWrongDerivative, r"not the derivative, .* \(tau\)"),
    (Cancels, r"scan in float32 has a state that is .* off: does something cancel"),
    (IsHalfPreciseInside, r"not the derivative.*rounded"),
    (RoundsItsParameter, r"not the derivative, .* \(tau\)"),
    (FiresBelow, r"fires more often without input \(156\) than with it"),
    (IsSteppedTheOtherWay, r"fire is \[1\.0, 1\.0, .*\] at .* 0 below the threshold and 1 above"),
    (HasASlopeThatPointsDown, r"fire has the slopes .* should point up"),
    (FiresLate, r"fire is \[0\.0, 0\.0, 0\.0, 0\.0, 1\.0\]"),
    (IsFloat32, r"float32 beside float64: ValueError: .*float32"),
    (IsCalledAffine, r"associative flips \d+ outputs, one where the membrane stood .* from the threshold"),
    (Raises, r"float32 beside float64: RuntimeError: there is; no charge"),
]
CHECKED = [  # what a check sees, whose name the audit tells
    (DetachesAParameter, testing.check_gradients, r"check_gradients: .*tau.* is it detached"),
    (IsWrittenForTwoAxes, testing.check_shapes, r"check_shapes: inputs .* cannot be run"),
    (
        HearsItsBatch,
        testing.check_elementwise,
        r"check_elementwise: .*depends on its neighbours",
    ),
    (HasAHalfPreciseState, testing.check_state, r"check_state: .*float32.* becomes .*float16"),
    (RemembersInPython, testing.check_causal, r"check_causal: .*(not pure|depends on the future)"),
    (DrawsItsNoise, testing.check_causal, r"check_causal: .*(not pure|depends on the future)"),
    (IsUnlikeItsOutputs, testing.check_outputs, r"check_outputs: declared .*TERNARY"),
    (Raises, testing.check_state, r"check_state, float32 beside float64: RuntimeError: there is; no charge"),
]


@pytest.mark.slow
def test_the_neuron_without_a_fault_passes():
    audit(Sound()).assert_passes()


OFTEN = {ForgetsTheResetsGradient, FiresBelow, Raises, RemembersInPython}


def rows(table):
    """The rows of a table of faults, most of them for the slow tests: each is a program to compile."""
    return [pytest.param(*row, id=row[0].__name__, marks=() if row[0] in OFTEN else pytest.mark.slow) for row in table]


@pytest.mark.parametrize(("fault", "said"), rows(MEASURED))
def test_a_fault_is_measured(fault, said):
    found = audit(fault(), checks=())
    assert not found.passed and any(re.search(said, problem) for problem in found.problems), str(found)
    assert all("\n" not in problem for problem in found.problems)
    with pytest.raises(AssertionError, match="PROBLEM"):
        found.assert_passes()


@pytest.mark.parametrize(("fault", "check", "said"), rows(CHECKED))
def test_a_fault_is_seen_by_its_check(fault, check, said):
    found = audit(fault(), checks=(check,))
    assert re.search(said, found.problems[0]), str(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda n, s, xs: scan(n, s, 1.001 * xs), "wrong flips|wrong in float32 has a state"),
        (
            lambda n, s, xs: scan(jax.lax.stop_gradient(n), s, xs),
            r"wrong in float32 has gradients that are off, by 1 \(tau\).*; the least cosine is 0\.0",
        ),
        (lambda n, s, xs: scan(n, jax.lax.stop_gradient(s), xs), r"wrong .* gradients that are off, by 1 \(state\.v\)"),
    ],
    ids=["other inputs", "detached parameters", "a detached state"],
)
def test_a_wrong_backend_is_told(wrong, said, monkeypatch):
    monkeypatch.setitem(BACKENDS, "wrong", wrong)
    found = audit(Sound(tau=5.5), checks=())  # another value, or the program would be that of a test before
    _measure._run.clear_cache()
    assert any(re.search(said, problem) for problem in found.problems), str(found)
    assert all(problem.startswith("wrong") for problem in found.problems)


def test_a_flip_at_the_threshold_is_rounding_and_a_flip_elsewhere_is_not(monkeypatch):
    """A tie in float64 that float32 breaks: 0.1 ten times is above 1 there, and below 1 here."""
    xs = jnp.full((testing.T, testing.B, testing.N), 0.1)
    monkeypatch.setattr(_measure, "driving", lambda neuron: xs)
    monkeypatch.setattr(_measure, "_arguments", _from_rest)
    found = audit(LIF(tau=jnp.inf), checks=())
    scanned = found.backends["scan"]
    assert scanned.flipped == 2 * testing.B * testing.N and 0 < scanned.distance < 1e-7  # it fires at 10 steps, and not at 11
    assert not any("flips" in problem for problem in found.problems)
    far = dataclasses.replace(found, problems=())
    assert far.passed and "1.0e-09" in str(far)


def _from_rest(neuron, dtype):
    leaves, _, state = ARGUMENTS(neuron, dtype)
    return leaves, jnp.full((testing.T, testing.B, testing.N), 0.1, dtype), jax.tree.map(jnp.zeros_like, state)


ARGUMENTS = _measure._arguments


# ---- its parts ------------------------------------------------------------------------------------------------------------------


def test_distances_are_those_to_the_nearest_jump():
    u = np.array([-0.3, 1e-4, 0.02, 7.0])
    np.testing.assert_allclose(distance(atan(), u), np.abs(u), rtol=0.15)
    np.testing.assert_allclose(distance(levels(4), np.array([0.3, 2.45, 9.0])), [0.2, 0.05, 5.5], rtol=0.15)
    assert np.isinf(distance(lambda u: 0 * u, u)).all()


def test_functions_of_spikes_are_found_in_what_is_wrapped():
    assert list(fires(Late(Refractory(LIF())))) == ["neuron.neuron.fire"]
    assert list(fires(NEURONS["IntegerLIF"]())) == ["count"] and fires(LI()) == {}


def test_the_comparator_is_told():
    assert "which is 0 at the threshold" in str(audit(LIF(), checks=()))
    assert "which is 1 at the threshold" in str(audit(LIF(fire=inclusive(atan())), checks=()))


def test_a_neuron_whose_surrogate_is_not_given_is_told_what_it_misses():
    @parameters
    class Own(Sound):
        fire: ClassVar[Any] = staticmethod(atan())

    found = audit(Own(), checks=())
    assert found.passed and found.differences == {}
    assert "without a field `fire` there are neither distances nor finite differences" in str(found)


def test_the_text():
    text = str(audit(Refractory(), checks=(testing.check_state,)))
    lines = text.splitlines()
    assert lines[0] == "Refractory(LIF): passes" and "1 checks, 0 failed" in text
    assert re.search(r"^scan +0 +- +\d\.\de-\d\d$", text, re.MULTILINE)
    assert re.search(r"^tau +1\.0000000 +\d\.\de-\d\d .* \d\.\de-\d\d$", text, re.MULTILINE)
    assert "period" not in text  # it acts in whole steps
    assert re.search(r"^state\.left +-", text, re.MULTILINE)  # no gradient reaches the counter


def test_precision_is_as_it_was_after_an_audit():
    audit(LIF(), checks=())
    assert jnp.zeros(1).dtype == jnp.float32 and not jax.config.jax_enable_x64


# ---- the figure -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("neuron", "wide"),
    [(LIF(tau=PER_NEURON), False), (Izhikevich(), True), (LI(), False), (TernaryLIF(), False)],
    ids=lambda value: type(value).__name__,
)
def test_figures(neuron, wide, tmp_path):
    figure(neuron, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert (image.width > 1.2 * 6.8 * 150) == wide  # the phase plane
        assert len(image.convert("RGB").getcolors(10**6)) > 20


def test_the_figure_of_an_audit(tmp_path):
    audit(LIF(), checks=()).figure(tmp_path / "lif.png")
    assert (tmp_path / "lif.png").read_bytes().startswith(b"\x89PNG")


# ---- a neuron in a file of one's own, and the command line ----------------------------------------------------------------------

OWN = """
from mxsnn.neurons import LIFState, neuron, positive, static
from mxsnn.surrogate import atan
import jax.numpy as jnp

@neuron
class Own:
    tau: float = positive(5.0)
    fire: object = static(default=atan())
    def init(self, shape, dtype=jnp.float32):
        return LIFState(jnp.zeros(shape, dtype))
    def step(self, state, x):
        v = state.v + (x - state.v) * 2 / self.tau
        s = self.fire(v - 1)
        return LIFState((1 - s) * v), s
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's file; the registry is put back as it was."""
    before = dict(NEURONS)
    (tmp_path / "own.py").write_text(OWN, "utf-8")
    monkeypatch.chdir(tmp_path)
    yield "own.py:Own"
    NEURONS.clear()
    NEURONS.update(before)


def test_a_neuron_in_a_users_file_has_all_that_the_others_have(own):
    assert len([line for line in OWN.splitlines() if line.strip()]) < 15
    neuron = described(own)
    assert type(neuron) is NEURONS["Own"] and backends(neuron) == ["scan", "remat"]
    xs = testing.inputs()
    np.testing.assert_allclose(unroll(neuron, xs, backend="remat")[1], unroll(neuron, xs)[1])
    audit(neuron, checks=()).assert_passes()
    with pytest.raises(ValueError, match=r"associative backend runs neurons that declare themselves affine.* this Own does not"):
        unroll(neuron, xs, backend="associative")
    with pytest.raises(ValueError, match="Own"):
        to_nir(nn.Stack(nnx.Linear(4, 4, rngs=nnx.Rngs(0)), nn.Spiking(neuron)), (4,), dt=1.0, scheme=euler)


def test_what_is_described_is_one_neuron_whatever_its_words(own):
    assert described("LIF") == LIF() and described("LIF(tau=3.0)") == LIF(3.0)
    said = {repr(described(text)) for text in (own, f"{own}(tau=5.0)", f"{own}(fire=atan())", f"./{own}")}
    assert said == {"Own(tau=5.0, fire=atan(alpha=2.0))"}  # each run of the file makes a class
    wrapped = described("own.py:Late(Own(tau=2.0))")
    assert isinstance(wrapped, Late) and wrapped.neuron.tau == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ALFI", "'ALFI' in 'ALFI' is unknown; did you mean ALIF?"),
        ("atan()", "'atan()' is no neuron"),
        ("LIF(tau=-1.0)", "LIF.tau must be positive, got -1.0"),
        ("nowhere.py:Own", "nowhere.py: no file of Python's"),
        ("own.txt:Own", "own.txt: no file of Python's"),
        ("own.py:Onw", "'Onw' in 'Onw' is unknown; did you mean Own?"),
        ("broken.py:Own", "broken.py: ZeroDivisionError: division by zero"),
        ("own.py:", "cannot read"),
    ],
)
def test_the_command_refuses_what_is_no_neuron_in_a_line(text, said, own, tmp_path, capsys):
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "own.txt").write_text(OWN)
    assert main(["audit", text]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and said in err


def test_the_command_refuses_a_figure_that_it_cannot_write(own, tmp_path, capsys):
    (tmp_path / "there.png").write_bytes(b"kept")
    for path, said in (("a.pdf", "a figure is a .png file, got a.pdf"), ("there.png", "there.png: exists; choose another name")):
        assert main(["audit", own, "--figure", path]) == 2
        assert said in capsys.readouterr().err
    assert (tmp_path / "there.png").read_bytes() == b"kept"


def test_the_command_audits_draws_and_fails(own, tmp_path, capsys):
    assert main(["audit", own, "--figure", "own.png"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Own: passes\n") and out.endswith("own.png\n") and (tmp_path / "own.png").stat().st_size > 1000
    (tmp_path / "own.py").write_text(OWN.replace("(1 - s) * v", "v - 1 * (v > 1)"), "utf-8")
    assert main(["audit", own]) == 1
    out = capsys.readouterr().out
    assert out.startswith("Own: 1 problem\n") and "PROBLEM a jump of " in out


def test_a_neuron_in_a_users_file_is_timed(own, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["neurons", own, "LI", "--shape", "5,2,3", "--repeats", "1", "--out", "a/b.json"])
    benchmark.main()
    rows = json.loads((tmp_path / "a" / "b.json").read_text())["rows"]
    ran = [(row["neuron"], row["backend"], row["gradient"]) for row in rows]
    assert ran == [(n, b, g) for n, names in ((own, 2), ("LI", 3)) for g in (False, True) for b in list(BACKENDS)[:names]]
    assert all(row["seconds"] > 0 and row["compile_seconds"] > 0 and row["times_lif"] > 0 for row in rows)
    assert capsys.readouterr().out.count(f"| {own} |") == 4
