"""Makes the golden traces of snnTorch's and SpikingJelly's neurons: `python tests/golden/make_snn.py`, where both are installed.

Each case is a neuron of the library, run on `x[T, B, N]` from `v0[B, N]`. Kept are its spikes `s`, its membrane `v` as the library
records it, and the gradients `d:...` of the loss sum(weights * out), whose weights differ by step, with respect to the inputs, to
`v0` and to the parameters `p:...`. Inputs that bring a membrane within MARGIN of the threshold are drawn again, so that spikes are
the same in any order of rounding; in the cases called exact they are multiples of 2^-6 whose arithmetic is exact, ties included.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
T, B, N = 20, 2, 5
MARGIN = 1e-3
BETAS = [0.5, 0.7, 0.8, 0.9, 0.97]

CASES = {
    "snntorch": {
        "none": {"beta": 0.9, "threshold": 0.8, "reset_mechanism": "none"},
        "membrane": {"beta": BETAS, "threshold": 1.0, "reset_mechanism": "none"},
        "zero": {"beta": 0.9, "threshold": 0.8, "reset_mechanism": "zero"},
        "zero, exact": {"beta": 0.5, "threshold": 1.0, "reset_mechanism": "zero"},
        "zero, per neuron": {"beta": BETAS, "threshold": 1.0, "reset_mechanism": "zero"},
        "zero, not delayed": {"beta": 0.9, "threshold": 0.8, "reset_mechanism": "zero", "reset_delay": False},
        "subtract": {"beta": 0.8, "threshold": 0.8, "reset_mechanism": "subtract"},
        "subtract, exact": {"beta": 0.5, "threshold": 1.0, "reset_mechanism": "subtract"},
        "subtract, not delayed": {"beta": 0.9, "threshold": 0.8, "reset_mechanism": "subtract", "reset_delay": False},
    },
    "spikingjelly": {
        f"{kind}, {'soft' if reset is None else 'hard'}{', undecayed' * (decay is False)}{', detached' * detach}": {
            "kind": kind,
            "v_reset": reset,
            "detach_reset": detach,
            **({} if decay is None else {"decay_input": decay}),
        }
        for kind, decays in (("IF", [None]), ("LIF", [True, False]), ("ParametricLIF", [True, False]))
        for reset in (0.0, None)
        for decay in decays
        for detach in (False, True)
    }
    | {
        "IF, hard, exact": {"kind": "IF", "v_reset": 0.0},
        "LIF, hard, exact": {"kind": "LIF", "tau": 2.0, "v_reset": 0.0},
        "LIF, soft, undecayed, exact": {"kind": "LIF", "tau": 2.0, "v_reset": None, "decay_input": False},
        "LIF, to -0.2": {"kind": "LIF", "v_reset": -0.2},
        "LIF, default surrogate": {"kind": "LIF", "v_reset": 0.0, "surrogate": None},
    },
}


def snntorch(options, x, v0, seen):
    """snnTorch's Leaky with learnt beta and threshold: spikes, recorded membrane, parameters."""
    import snntorch as snn
    import torch

    atan = snn.surrogate.atan(alpha=2.0)
    beta = torch.as_tensor(options["beta"], dtype=x.dtype)

    def fire(u):
        seen.append(u)
        return atan(u)

    layer = snn.Leaky(**options | {"beta": beta}, spike_grad=fire, learn_beta=True, learn_threshold=True).to(x.dtype)
    spikes, membranes, v = [], [], v0
    for step in x:
        s, v = layer(step, v)
        spikes.append(s)
        membranes.append(v)
    if not options.get("reset_delay", True):
        # Left above the threshold by a reset, the layer falls silent in this mode: it is no LIF there.
        assert (torch.stack(membranes) < layer.threshold).all()
    return torch.stack(spikes), torch.stack(membranes), {"beta": layer.beta, "threshold": layer.threshold}


def spikingjelly(options, x, v0, seen):
    """SpikingJelly's IFNode, LIFNode or ParametricLIFNode, many steps at once: spikes, membrane after the reset, parameters."""
    from spikingjelly.activation_based import neuron, surrogate

    options = dict(options)
    kind, atan = options.pop("kind"), options.pop("surrogate", surrogate.ATan(alpha=2.0))
    fire = surrogate.Sigmoid() if atan is None else atan
    forward = fire.forward

    def watched(u):
        seen.append(u)
        return forward(u)

    fire.forward = watched
    if kind == "LIF":
        options.setdefault("tau", 3.0)
    if kind == "ParametricLIF":
        options["init_tau"] = 3.0
    layer = getattr(neuron, f"{kind}Node")(**options, surrogate_function=fire, step_mode="m", store_v_seq=True).to(x.dtype)
    layer.v = v0
    return layer(x), layer.v_seq, dict(layer.named_parameters())


def run(library, name, x, v0, weights, dtype="float32"):
    """One case: its trace and gradients, and how near each element came to the threshold, `[B, N]`, for float64."""
    import torch

    x, v0 = (torch.tensor(a, dtype=getattr(torch, dtype), requires_grad=True) for a in (x, v0))
    seen = []
    spikes, membranes, parameters = {"snntorch": snntorch, "spikingjelly": spikingjelly}[library](CASES[library][name], x, v0, seen)
    out = membranes if name == "membrane" else spikes
    wanted = {"x": x, "v0": v0, **parameters}
    (torch.as_tensor(weights, dtype=x.dtype) * out).sum().backward()
    trace = {"x": x, "v0": v0, "weights": torch.as_tensor(weights), "s": spikes, "v": membranes}
    trace |= {f"p:{key}": value for key, value in parameters.items()}
    trace |= {f"d:{key}": torch.zeros_like(value) if value.grad is None else value.grad for key, value in wanted.items()}
    # In float32 SpikingJelly may run a kernel of its own, which does not ask the surrogate that is watched.
    margin = torch.stack(seen).abs().amin(0).detach().numpy() if seen else np.full(v0.shape, np.nan)
    return {key: value.detach().numpy() for key, value in trace.items()}, margin


def make(library, name):
    """One case on inputs that stay clear of the threshold, or on exact ones."""
    rng = np.random.default_rng(list(f"{library} {name}".encode()))
    weights = rng.integers(1, 9, (T, B, N)) * np.linspace(0.1, 1, T)[:, None, None] * rng.choice([-1, 1], (T, B, N))
    weights = weights.astype(np.float32)
    if "exact" in name:
        x = rng.choice([-0.5, 0, 0.25, 0.5, 63 / 64, 1, 65 / 64, 2], (10, B, N)).astype(np.float32)
        x[0] = [1, 63 / 64, 65 / 64, 2, -1]
        return run(library, name, x, np.zeros((B, N), np.float32), weights[:10])[0]

    def draw():
        # From silent over noisy to a neuron that fires at every step.
        x = rng.normal(size=(T, B, N)) * [0.3, 0.8, 1, 0.3, 0.5] + [-1, 0.2, 0.5, 0.3, 4]
        x *= 2.5 if CASES[library][name].get("kind", "IF") != "IF" and "undecayed" not in name else 1  # which divides x by tau
        x = np.minimum(x, rng.uniform(0.6, 0.8, x.shape)) if name == "subtract, not delayed" else x
        return x.astype(np.float32)

    x, v0 = draw(), rng.uniform(-0.5, 0.5, (B, N)).astype(np.float32)
    for _ in range(1000):
        _, margin = run(library, name, x, v0, weights, "float64")
        if (margin > MARGIN).all():
            return run(library, name, x, v0, weights)[0]
        x = np.where(margin > MARGIN, x, draw())
    raise RuntimeError(f"no inputs found for {library}, {name}")


def main():
    for library, cases in CASES.items():
        arrays = {f"{name}/{key}": value for name in cases for key, value in make(library, name).items()}
        arrays = {key: value.astype(np.int8) if key.endswith("/s") else value for key, value in arrays.items()}
        versions = {package: version(package) for package in ("torch", library)}
        np.savez_compressed(HERE / f"{library}.npz", versions=json.dumps(versions), **arrays)


if __name__ == "__main__":
    main()
