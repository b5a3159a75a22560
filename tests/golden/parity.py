"""Holds mxsnn's neurons against the traces of another library's: golden ones always, live ones where the library is installed."""

from __future__ import annotations

import functools
import importlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import surrogate, unroll
from mxsnn.neurons import Neuron, Recorded

HERE = Path(__file__).parent

SOURCES = ["golden", pytest.param("live", marks=pytest.mark.peers)]

Trace = dict[str, np.ndarray]
Model = Callable[..., dict[str, Any]]
"""`(x, v0, **parameters) -> {"s": out, "v": membranes ...}`, in jnp."""


@functools.cache
def golden(library: str) -> dict[str, Trace]:
    """All cases by name, and "surrogates"."""
    cases: dict[str, Trace] = {}
    with np.load(HERE / f"{library}.npz") as arrays:
        for key in arrays.files:
            if key != "versions":
                name, _, quantity = key.rpartition("/")
                cases.setdefault(name, {})[quantity] = arrays[key]
    return cases


def cases(library: str) -> list[str]:
    """The names of the neurons."""
    return [name for name in golden(library) if name != "surrogates"]


def versions(library: str) -> dict[str, str]:
    """What the file was made with."""
    with np.load(HERE / f"{library}.npz") as arrays:
        return json.loads(str(arrays["versions"]))


def maker(library: str) -> Any:
    """The module that runs the library, where it is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other people's imports
        pytest.importorskip(library)
        return importlib.import_module(f"tests.golden.make_{library}")


def trace(library: str, name: str, source: str, gradients: float = 1e-5) -> Trace:
    """One case as the file has it, or run now on the inputs that the file has, its gradients as far off at most."""
    kept = golden(library)[name]
    if source == "golden":
        return kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        live, _ = maker(library).run(name, kept["x"], kept["v0"], kept["weights"])
    for key, value in kept.items():
        scale = max(np.abs(value).max(), 1)
        off = gradients if key.startswith("d:") else 1e-5
        np.testing.assert_allclose(live[key], value, rtol=off, atol=off * scale, err_msg=f"the file says otherwise: {key}")
    return live


def begin(state: Any, **given: Any) -> Any:
    """A neuron's state with the fields of these names replaced, in the neurons that it wraps, too."""
    if hasattr(state, "_fields"):
        values = zip(state._fields, state, strict=True)
        return type(state)(*(given[name] if name in given else begin(value, **given) for name, value in values))
    return tuple(begin(value, **given) for value in state) if isinstance(state, tuple) else state


def fields(state: Any) -> dict[str, Any]:
    """The arrays of a state by name; of wrapped neurons, too."""
    if not isinstance(state, tuple):
        return {}
    names = getattr(state, "_fields", [""] * len(state))
    found: dict[str, Any] = {}
    for name, value in zip(names, state, strict=True):
        found |= fields(value) if isinstance(value, tuple) else {name: value}
    return found


def played(neuron: Neuron, x: Any, **given: Any) -> dict[str, Any]:
    """Outputs `s` and states by name of a neuron whose state begins at rest but for what is given."""
    state = begin(neuron.init(x.shape[1:], x.dtype), **given)
    recorded: Any = unroll(Recorded(neuron), x, state)[1]
    return fields(recorded[0]) | {"s": recorded[1]}


def model(make: Callable[..., Neuron]) -> Model:
    """`make(**parameters)` is the neuron, whose membrane begins at v0."""
    return lambda x, v0, **parameters: played(make(**parameters), x, v=v0)


def run(of: Callable[..., Neuron] | Model, reference: Trace, loss: str = "s") -> Trace:
    """The same quantities from mxsnn: of `make(**parameters)`, a neuron, or of a model."""
    of = model(of) if not _takes_inputs(of) else of
    parameters = {key[2:]: jnp.asarray(value) for key, value in reference.items() if key.startswith("p:")}

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def gradients(arguments):
        result = of(arguments["x"], arguments["v0"], **arguments["parameters"])
        return (reference["weights"] * result[loss]).sum(), result

    found = {"x": jnp.asarray(reference["x"]), "v0": jnp.asarray(reference["v0"]), "parameters": parameters}
    (_, result), by = gradients(found)
    by = by.pop("parameters") | by
    return jax.tree.map(np.asarray, result | {f"d:{key}": value for key, value in by.items()})


def _takes_inputs(of: Callable[..., Any]) -> bool:
    code = getattr(of, "__code__", None)
    return code is not None and code.co_varnames[:2] == ("x", "v0")


def check(result: Trace, reference: Trace, exact: bool = False, but: tuple[str, ...] = (), amplified: float = 1.0) -> None:
    """Spikes to the last, states and gradients to rounding, all that the reference has `but` these; states exactly if `exact`.

    `amplified` is how many times its rounding a membrane that runs away has grown by before it fires.
    """
    np.testing.assert_allclose(result["s"], reference["s"], rtol=1e-5, atol=0 if _whole(reference["s"]) else 1e-6, err_msg="s")
    assert reference["s"].any() and not (reference["s"] == 1).all(), "nothing is compared where nothing fires"
    for key, value in reference.items():
        if key in ("x", "v0", "weights", "s", *but) or key.startswith("p:"):
            continue
        scale = np.abs(value).max()
        if key.startswith("d:"):
            assert scale > 0, f"{key} would be compared with nothing"
            np.testing.assert_allclose(result[key], value, rtol=1e-4, atol=1e-5 * scale, err_msg=key)
        else:
            tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 2e-6 * amplified * max(1, scale)}
            np.testing.assert_allclose(result[key], value, **tolerance, err_msg=key)


def _whole(values: np.ndarray) -> bool:
    return bool((values == np.round(values)).all())


def flips(of: Callable[..., Neuron] | Model, reference: Trace) -> int:
    """How many outputs differ."""
    return int((run(of, reference)["s"] != reference["s"]).sum())


def same_slopes(library: str, call: str) -> None:
    """A surrogate of `mxsnn.surrogate`'s module of the library has the slopes that the library gives."""
    kept = golden(library)["surrogates"]
    fire = eval(call, vars(surrogate.LIBRARIES[library]))
    u = jnp.asarray(kept["u"])
    slopes = np.asarray(jax.jvp(fire, (u,), (jnp.ones_like(u),))[1])
    # Where the library overflows, far below the threshold, there is nothing to be equal to.
    fine = np.isfinite(kept[call])
    assert np.isfinite(slopes).all() and fine[np.abs(kept["u"]) < 1].all()
    np.testing.assert_allclose(slopes[fine], kept[call][fine], rtol=2e-5, atol=5e-7 * max(1, kept[call][fine].max()))


def surrogates(library: str) -> list[str]:
    """The calls whose slopes the file has, but for those that mxsnn leaves out."""
    return [call for call in golden(library)["surrogates"] if call != "u" and not call.startswith("not here")]
