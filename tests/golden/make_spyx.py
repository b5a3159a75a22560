"""Makes the golden traces of spyx' neurons and surrogates: `python -m tests.golden.make_spyx` (with JAX, without torch)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.golden.making import BETAS, U, keep

CASES: dict[str, dict[str, Any]] = {
    "LIF": {"kind": "LIF", "beta": 0.8, "threshold": 0.8},
    "LIF, per neuron": {"kind": "LIF", "beta": BETAS, "threshold": 1.0},
    "LIF, exact": {"kind": "LIF", "beta": 0.5, "threshold": 1.0},
    "LIF, worked": {"kind": "LIF", "beta": 0.5, "threshold": 1.0, "x": [0.9, 0.9, 0, 1.0, 0.6, 2.6, 0, 0]},
    "IF": {"kind": "IF", "threshold": 0.8},
    "RLIF": {"kind": "RLIF", "beta": 0.8, "threshold": 0.8},
    "ALIF": {"kind": "ALIF", "beta": 0.8, "gamma": 0.9, "threshold": 0.8},
    "CuBaLIF": {"kind": "CuBaLIF", "alpha": 0.7, "beta": 0.8, "threshold": 0.8},
    "LI": {"kind": "LI", "beta": 0.8},
    "PSU_LIF": {"kind": "PSU_LIF", "beta": 0.8, "threshold": 0.8},
    "PSU_LIF, parallel": {"kind": "PSU_LIF", "beta": 0.8, "threshold": 0.8, "parallel": True, "scale": 0.0},
}
SECOND = {"ALIF": "a", "CuBaLIF": "i"}  # what the second half of their state is


def run(name, x, v0, weights, dtype="float32"):
    """One case: its trace and gradients, and how near each element came to the threshold, `[B, N]`."""
    import jax
    import jax.numpy as jnp
    import spyx
    from flax import nnx

    options = CASES[name]
    kind, shape = options["kind"], v0.shape[1:]
    fire, seen = spyx.axn.superspike(4.0), []
    given: dict[str, Any] = {key: options[key] for key in ("threshold",) if key in options}
    if kind != "LI":
        given["activation"] = fire
    parameters = {key: np.asarray(options[key], dtype) for key in ("alpha", "beta", "gamma") if key in options}
    if kind == "RLIF":
        parameters["recurrent_w"] = (0.4 * np.random.default_rng(0).normal(size=(5, 5))).astype(dtype)
    second = SECOND.get(kind)

    def record(x, v0, parameters, fire):
        layer = getattr(spyx.nn, kind)(shape, **given, rngs=nnx.Rngs(0))
        layer.spike = fire
        for key, value in parameters.items():
            setattr(layer, key, nnx.Param(value))
        if options.get("parallel"):
            return {"s": layer.parallel(x)}
        state, out, states = jnp.concatenate([v0, 0 * v0], -1) if second else v0, [], []
        for step in x:
            s, state = layer(step, state)
            out.append(s)
            states.append(state)
        states = jnp.stack(states)
        kept = {"v": states[..., : shape[0]], second: states[..., shape[0] :]} if second else {"v": states}
        return {"s": jnp.stack(out), **kept}

    def watched(u):
        seen.append(np.abs(np.asarray(u)).reshape(-1, *v0.shape).min(0))
        return fire(u)

    with jax.enable_x64(dtype == "float64"):
        arguments = jnp.asarray(x, dtype), jnp.asarray(v0, dtype), {key: jnp.asarray(p) for key, p in parameters.items()}
        record(*arguments, watched)
        margin = np.min(seen, 0) if seen else np.full(v0.shape, np.inf)

        def loss(x, v0, parameters):
            kept = record(x, v0, parameters, fire)
            return (weights * kept["s"]).sum(), kept

        (_, kept), gradients = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(*arguments)
    trace = {"x": x, "v0": v0, "weights": weights, **kept, "d:x": gradients[0], "d:v0": gradients[1]}
    trace |= {f"p:{key}": value for key, value in parameters.items()} | {f"d:{key}": g for key, g in gradients[2].items()}
    return {key: np.asarray(value) for key, value in trace.items()}, margin


def surrogates():
    import jax
    from spyx import axn

    calls = "arctan(0.7) boxcar(0.7,2.0) superspike(5.0) tanh(3.0) triangular(0.7)".split()  # noqa: SIM905
    calls += [f"{call.partition('(')[0]}()" for call in calls]
    functions = {call: eval(call, vars(axn)) for call in calls} | {"not here: custom()": axn.custom()}
    return {"u": U} | {call: np.asarray(jax.vmap(jax.grad(fire))(U)) for call, fire in functions.items()}


if __name__ == "__main__":
    keep("spyx", ["jax"], CASES, run, surrogates())
