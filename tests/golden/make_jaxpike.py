"""Makes the golden traces of jaxpike's neurons and surrogates: `python -m tests.golden.make_jaxpike` (with JAX, without torch).

Only its time constants are leaves; what it calls static, numbers that a neuron is built with, is learnt here, too.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.golden.making import U, jax_run, keep

HALF = float(1 / np.log(2))  # the time constant that halves a membrane in a step
TAUS = [1.5, 3.0, 5.0, 9.0, 30.0]
X = [0.9, 0.9, 0, 1.0, 0.6, 2.6, 0, 0]
LIF = {"kind": "LIF", "tau": 5.0, "threshold": 0.8, "gain": 5.0}
ALIF = {"kind": "ALIF", "tau": 5.0, "tau_a": 12.0, "beta": 0.4, "threshold": 0.8, "gain": 5.0}
LINEAR = {"kind": "LinearLIF", "tau": 5.0, "threshold": 0.8, "gain": 5.0}
IZHIKEVICH = {"kind": "Izhikevich", "gain": 30.0, "rest": -70.0, "scale": 10.0}
CASES: dict[str, dict[str, Any]] = {
    "LIF": LIF,
    "LIF, per neuron": LIF | {"tau": TAUS},
    "LIF, half a step": LIF | {"dt": 0.5, "gain": 10.0},
    "LIF, zero": LIF | {"reset": "zero"},
    "LIF, default surrogate": LIF | {"surrogate": "FastSigmoid"},
    # A membrane at the threshold, kept there by an input of that size whatever it retains, is exact: a + (1 - a) = 1.
    "LIF, exact at the threshold": LIF | {"threshold": 1.0, "x": [1, 1, 1, 4, 1, 1], "rest": 1.0},
    "LIF, worked": LIF | {"tau": HALF, "threshold": 1.0, "x": X},
    "LIF, worked, doubled": LIF | {"tau": HALF, "threshold": 1.0, "x": [2 * x for x in X]},
    "ALIF": ALIF,
    "ALIF, zero": ALIF | {"reset": "zero"},
    # With 2.4 the second step would be a tie.
    "ALIF, worked": ALIF | {"tau": HALF, "tau_a": float(-1 / np.log(0.8)), "beta": 0.3, "threshold": 1.0, "x": [2.39999] * 8},
    "LinearLIF": LINEAR,
    "LinearLIF, parallel": LINEAR | {"parallel": True},
    "LeakyIntegrator": {"kind": "LeakyIntegrator", "tau": TAUS, "gain": 5.0},
    **{
        f"Izhikevich{name}": IZHIKEVICH | dict(zip("abcd", numbers, strict=True))
        for name, numbers in {
            "": (0.02, 0.2, -65.0, 8.0),
            ", chattering": (0.02, 0.2, -50.0, 2.0),
            ", fast spiking": (0.1, 0.2, -65.0, 2.0),
            ", low threshold": (0.02, 0.25, -65.0, 2.0),
        }.items()
    },
    "Izhikevich, worked": IZHIKEVICH | {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "x": [14] * 6, "rest": -65.0},
    # Steps so short that no spike rises beyond 40 mV, where it is clipped and has no gradient.
    "Izhikevich, unclipped": IZHIKEVICH
    | {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "dt": 0.03, "gain": 25.0, "rest": -5.0, "scale": 30.0, "unclipped": True},
}
LEARNT = ("threshold", "beta", "a", "b", "c", "d")


def case(options, x, v0, parameters, see):
    """A neuron, step by step or at once: spikes, and its state after the reset."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import jaxpike

    kind = options["kind"]
    surrogate = getattr(jaxpike.surrogate, options.get("surrogate", "ATan"))()

    def fire(u):
        # A millivolt is little: from further off does one look at the membrane in mV.
        near = 0.1 * u if kind == "Izhikevich" else u
        see(jnp.where(u < 2, near, 0) if "unclipped" in options else near)
        return surrogate(u)

    given = {key: options[key] for key in ("dt", "reset") if key in options}
    given |= {key: value for key, value in parameters.items() if not key.startswith("log")}
    given |= {key: np.ones(1) * options[key] for key in ("tau", "tau_a") if key in options}
    layer = getattr(jaxpike, kind)(**given, **({} if kind == "LeakyIntegrator" else {"surrogate": fire}))
    for key in ("log_tau", "log_tau_a"):
        if key in parameters:
            layer = eqx.tree_at(lambda layer, key=key: getattr(layer, key), layer, parameters[key])
    state = layer.init_state(v0.shape)
    state = eqx.tree_at(lambda state: state.v, state, v0)
    if kind == "Izhikevich":
        state = eqx.tree_at(lambda state: state.u, state, parameters["b"] * v0)
    if options.get("parallel"):
        return {"s": layer.parallel_apply(state, x)[1]}
    out, states = [], []
    for step in x:
        state, s = layer(state, step)
        out.append(s)
        states.append(state)
    states = jax.tree.map(lambda *parts: jnp.stack(parts), *states)
    return {"s": jnp.stack(out)} | {key: getattr(states, key) for key in ("v", "a", "u") if hasattr(states, key)}


@cache
def _runs():
    runs = {}
    for name, options in CASES.items():
        parameters = {key: options[key] for key in LEARNT if key in options}
        parameters |= {f"log_{key}": np.log(options[key]) for key in ("tau", "tau_a") if key in options}
        runs[name] = jax_run(case, options, parameters)
    return runs


def run(name, *arguments):
    """One case: its trace and gradients, and how near each element came to the threshold, `[B, N]`."""
    return _runs()[name](*arguments)


def surrogates():
    import jax
    from jaxpike import surrogate

    calls = [f"{name}({width})" for name in ("ATan", "Boxcar", "FastSigmoid", "Triangular") for width in ("", "0.7")]
    return {"u": U} | {call: np.asarray(jax.vmap(jax.grad(eval(call, vars(surrogate))))(U)) for call in calls}


if __name__ == "__main__":
    keep("jaxpike", ["jax"], CASES, run, surrogates())
