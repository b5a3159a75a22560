"""Makes the golden traces of spyx' neurons and surrogates: `python -m tests.golden.make_spyx` (with JAX, without torch)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.golden.making import BETAS, U, jax_run, keep

CASES: dict[str, dict[str, Any]] = {
    "LIF": {"kind": "LIF", "beta": 0.8, "threshold": 0.8},
    "LIF, per neuron": {"kind": "LIF", "beta": BETAS, "threshold": 1.0},
    "LIF, exact": {"kind": "LIF", "beta": 0.5, "threshold": 1.0},
    "LIF, worked": {"kind": "LIF", "beta": 0.5, "threshold": 1.0, "x": [0.9, 0.9, 0, 1.0, 0.6, 2.6, 0, 0]},
    "IF": {"kind": "IF", "threshold": 0.8},
    "RLIF": {"kind": "RLIF", "beta": 0.8, "threshold": 0.8},
    "RIF": {"kind": "RIF", "threshold": 0.8},
    "RCuBaLIF": {"kind": "RCuBaLIF", "alpha": 0.7, "beta": 0.8, "threshold": 0.8},
    "ALIF": {"kind": "ALIF", "beta": 0.8, "gamma": 0.9, "threshold": 0.8},
    "CuBaLIF": {"kind": "CuBaLIF", "alpha": 0.7, "beta": 0.8, "threshold": 0.8},
    "LI": {"kind": "LI", "beta": 0.8},
    "PSU_LIF": {"kind": "PSU_LIF", "beta": 0.8, "threshold": 0.8},
    "PSU_LIF, parallel": {"kind": "PSU_LIF", "beta": 0.8, "threshold": 0.8, "parallel": True, "scale": 0.0},
}
SECOND = {"ALIF": "a", "CuBaLIF": "i", "RCuBaLIF": "i"}  # what the second half of their state is


def case(options, x, v0, parameters, see):
    """A layer, step by step or at once: spikes, and membranes with what else its state holds."""
    import jax.numpy as jnp
    import spyx
    from flax import nnx

    kind, shape = options["kind"], v0.shape[1:]
    fire = spyx.axn.superspike(4.0)
    given: dict[str, Any] = {key: options[key] for key in ("threshold",) if key in options}
    if kind != "LI":
        given["activation"] = fire
    layer = getattr(spyx.nn, kind)(shape, **given, rngs=nnx.Rngs(0))
    layer.spike = lambda u: fire(see(u))
    for key, value in parameters.items():
        setattr(layer, key, nnx.Param(value))
    if options.get("parallel"):
        return {"s": layer.parallel(x)}
    second = SECOND.get(kind)
    state, out, states = jnp.concatenate([v0, 0 * v0], -1) if second else v0, [], []
    for step in x:
        s, state = layer(step, state)
        out.append(s)
        states.append(state)
    states = jnp.stack(states)
    kept = {"v": states[..., : shape[0]], second: states[..., shape[0] :]} if second else {"v": states}
    return {"s": jnp.stack(out), **kept}


@cache
def _runs():
    runs = {}
    for name, options in CASES.items():
        parameters = {key: options[key] for key in ("alpha", "beta", "gamma") if key in options}
        if options["kind"].startswith("R"):
            parameters["recurrent_w"] = (0.4 * np.random.default_rng(0).normal(size=(5, 5))).astype("float32")
        runs[name] = jax_run(case, options, parameters)
    return runs


def run(name, *arguments):
    """One case: its trace and gradients, and how near each element came to the threshold, `[B, N]`."""
    return _runs()[name](*arguments)


def surrogates():
    import jax
    from spyx import axn

    calls = "arctan(0.7) boxcar(0.7,2.0) superspike(5.0) tanh(3.0) triangular(0.7)".split()  # noqa: SIM905
    calls += [f"{call.partition('(')[0]}()" for call in calls]
    functions = {call: eval(call, vars(axn)) for call in calls} | {"not here: custom()": axn.custom()}
    return {"u": U} | {call: np.asarray(jax.vmap(jax.grad(fire))(U)) for call, fire in functions.items()}


if __name__ == "__main__":
    keep("spyx", ["jax"], CASES, run, surrogates())
