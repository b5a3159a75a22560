"""A neuron of one's own passes a strict type checker, as it passes the engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NEURON = """
from typing import Any, NamedTuple

import jax.numpy as jnp

from mxsnn import unroll
from mxsnn.neurons import neuron, positive
from mxsnn.typing import Array, ArrayLike


class State(NamedTuple):
    v: Array


@neuron
class Mine:
    tau: ArrayLike = positive(20.0)
    threshold: ArrayLike = 1.0

    def init(self, shape: tuple[int, ...], dtype: Any = jnp.float32) -> State:
        return State(jnp.zeros(shape, dtype))

    def step(self, state: State, x: Array) -> tuple[State, Array]:
        v = state.v + x / self.tau
        s = (v > self.threshold).astype(x.dtype)
        return State(v - s * self.threshold), s


def run(xs: Array) -> Array:
    _, out = unroll(Mine(tau=5.0), xs)
    return out
"""


def checked(folder: Path, text: str) -> str:
    """What the checker says of a user's file, "" where that is nothing."""
    (folder / "user.py").write_text(text)
    root = Path(__file__).parents[1]
    (folder / "pyrefly.toml").write_text(f'preset = "strict"\nsearch-path = ["{root.as_posix()}"]\n')
    command = [sys.executable, "-m", "pyrefly", "check", "--python-interpreter-path", sys.executable, "--summary", "none"]
    run = subprocess.run([*command, "user.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert (run.returncode == 0) == ("ERROR" not in run.stdout), run.stdout + run.stderr
    return run.stdout if run.returncode else ""


def test_a_neuron_of_ones_own(tmp_path: Path) -> None:
    assert checked(tmp_path, NEURON) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("def step(", "def stop(", "requires attribute `step`"),
        ("Mine(tau=5.0)", "Mine(tua=5.0)", "tua"),
        ("_, out =", "out, _ , _ =", "unpack"),
    ],
)
def test_the_checker_sees_a_mistake(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert said in checked(tmp_path, NEURON.replace(right, wrong))
