"""Holds mxsnn's neurons against the traces of another library's: golden ones always, live ones where the library is installed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import unroll
from mxsnn.neurons import Neuron, Recorded

HERE = Path(__file__).parent

SOURCES = ["golden", pytest.param("live", marks=pytest.mark.peers)]

Trace = dict[str, np.ndarray]


@functools.cache
def golden(library: str) -> dict[str, Trace]:
    """All cases by name."""
    cases: dict[str, Trace] = {}
    with np.load(HERE / f"{library}.npz") as arrays:
        for key in arrays.files:
            if key != "versions":
                name, _, quantity = key.rpartition("/")
                cases.setdefault(name, {})[quantity] = arrays[key]
    return cases


def trace(library: str, name: str, source: str) -> Trace:
    """One case as the file has it, or run now on the inputs that the file has."""
    kept = golden(library)[name]
    if source == "golden":
        return kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other people's imports
        pytest.importorskip("torch")
        pytest.importorskip(library)
        from tests.golden import make_snn

        live, _ = make_snn.run(library, name, kept["x"], kept["v0"], kept["weights"])
    for key, value in kept.items():
        np.testing.assert_allclose(live[key], value, rtol=1e-5, atol=1e-5, err_msg=f"the file says otherwise: {key}")
    return live


def run(make: Callable[..., Neuron], reference: Trace) -> Trace:
    """The same from mxsnn: `make(**parameters)` is the neuron, whose membrane is its state."""
    parameters = {key[2:]: jnp.asarray(value) for key, value in reference.items() if key.startswith("p:")}

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def gradients(arguments):
        n: Any = make(**arguments["parameters"])
        state = jax.tree.map(lambda _: arguments["v0"], n.init(reference["v0"].shape))
        recorded: Any = unroll(Recorded(n), arguments["x"], state)[1]
        states, out = recorded
        return (reference["weights"] * out).sum(), {"v": states.v, "s": out}

    found = {"x": jnp.asarray(reference["x"]), "v0": jnp.asarray(reference["v0"]), "parameters": parameters}
    (_, result), by = gradients(found)
    by = by.pop("parameters") | by
    return jax.tree.map(np.asarray, result | {f"d:{key}": value for key, value in by.items()})


def check(result: Trace, reference: Trace, exact: bool, but: tuple[str, ...] = ()) -> None:
    """Spikes to the last, membranes and gradients to rounding, all quantities that both have; the membrane exactly if `exact`."""
    np.testing.assert_array_equal(result["s"], reference["s"])
    assert reference["s"].any() and not reference["s"].all(), "nothing is compared where nothing fires"
    np.testing.assert_allclose(result["v"], reference["v"], rtol=0 if exact else 1e-5, atol=0 if exact else 2e-6)
    for key, value in reference.items():
        if key.startswith("d:") and key not in but:
            assert np.abs(value).sum() > 0, f"{key} would be compared with nothing"
            scale = np.abs(value).max()
            np.testing.assert_allclose(result[key], value, rtol=1e-4, atol=1e-5 * scale, err_msg=key)
