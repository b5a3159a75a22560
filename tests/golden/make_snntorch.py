"""Makes the golden traces of snnTorch's neurons and surrogates: `python -m tests.golden.make_snntorch`."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.golden.making import BETAS, keep, torch_run, torch_slopes

SYNAPTIC = {"kind": "Synaptic", "alpha": 0.7, "beta": 0.9, "threshold": 0.8}
ALPHA = {"kind": "Alpha", "alpha": 0.85, "beta": 0.7, "threshold": 0.5}
CASES: dict[str, dict[str, Any]] = {
    "none": {"beta": 0.9, "threshold": 0.8, "reset_mechanism": "none"},
    "membrane": {"beta": BETAS, "threshold": 1.0, "reset_mechanism": "none", "loss": "v"},
    "zero": {"beta": 0.9, "threshold": 0.8, "reset_mechanism": "zero"},
    "zero, exact": {"beta": 0.5, "threshold": 1.0, "reset_mechanism": "zero"},
    "zero, per neuron": {"beta": BETAS, "threshold": 1.0, "reset_mechanism": "zero"},
    "zero, not delayed": {"beta": 0.9, "threshold": 0.8, "reset_mechanism": "zero", "reset_delay": False},
    "subtract": {"beta": 0.8, "threshold": 0.8, "reset_mechanism": "subtract"},
    "subtract, exact": {"beta": 0.5, "threshold": 1.0, "reset_mechanism": "subtract"},
    # Left above the threshold by a reset, the layer falls silent in this mode: it is no LIF there. So no input is that strong;
    "subtract, not delayed": {"beta": 0.9, "threshold": 0.8, "reset_delay": False, "most": (0.6, 0.8)},
    # but this one.
    "subtract, not delayed, residual": {"beta": 0.9, "threshold": 1.0, "reset_delay": False, "x": [2.7, 0, 0, 0, 0, 0]},
    "recurrent, one to one": {"kind": "RLeaky", "beta": 0.9, "threshold": 0.8, "all_to_all": False, "V": -0.4},
    "recurrent, one to one, zero": {
        "kind": "RLeaky",
        "beta": 0.9,
        "threshold": 0.8,
        "all_to_all": False,
        "V": 0.3,
        "reset_mechanism": "zero",
    },
    "recurrent, all to all": {"kind": "RLeaky", "beta": 0.9, "threshold": 0.8, "linear_features": 5},
    "recurrent synaptic, one to one": SYNAPTIC | {"kind": "RSynaptic", "all_to_all": False, "V": -0.4},
    "recurrent synaptic, one to one, zero": SYNAPTIC
    | {"kind": "RSynaptic", "all_to_all": False, "V": 0.3, "reset_mechanism": "zero"},
    "recurrent synaptic, all to all": SYNAPTIC | {"kind": "RSynaptic", "linear_features": 5},
    # Each input but the first comes in the step after a spike, or could.
    "recurrent synaptic, zero, worked": SYNAPTIC
    | {"kind": "RSynaptic", "alpha": 0.0, "threshold": 1.0, "all_to_all": False, "V": 0.0, "reset_mechanism": "zero"}
    | {"x": [1.2, 0.8, 0.8, 0.8, 0.8, 0.8]},
    "synaptic": SYNAPTIC,
    "synaptic, exact": SYNAPTIC | {"alpha": 0.5, "beta": 0.5, "threshold": 1.0},
    "synaptic, zero": SYNAPTIC | {"reset_mechanism": "zero"},
    "synaptic, none": SYNAPTIC | {"reset_mechanism": "none"},
    "synaptic, zero, not delayed": SYNAPTIC | {"reset_mechanism": "zero", "reset_delay": False},
    "alpha, zero": ALPHA,
    "alpha, subtract": ALPHA | {"reset_mechanism": "subtract"},
    "alpha, none": ALPHA | {"reset_mechanism": "none"},
    "lapicque, beta": {"kind": "Lapicque", "beta": 0.8, "threshold": 0.8, "gain": 4.0},
    "lapicque, R and C": {"kind": "Lapicque", "R": 2.0, "C": 2.5, "threshold": 0.8, "gain": 2.0},
    "lapicque, zero": {"kind": "Lapicque", "R": 2.0, "C": 2.5, "threshold": 0.8, "gain": 2.0, "reset_mechanism": "zero"},
    "lapicque, none": {"kind": "Lapicque", "R": 2.0, "C": 2.5, "threshold": 0.8, "gain": 2.0, "reset_mechanism": "none"},
}
OURS = {"kind", "loss", "most", "x", "gain", "rest"}


def case(options, x, v0, seen):
    """A layer with learnt parameters: spikes, what it records, parameters."""
    import snntorch as snn
    import torch

    atan = snn.surrogate.atan(alpha=2.0)

    def fire(u):
        seen.append(u)
        return atan(u).to(u.dtype)  # which it gives in float32

    kind = options.get("kind", "Leaky")
    given = {key: value for key, value in options.items() if key not in OURS}
    for key in ("alpha", "beta", "V"):
        if key in given:
            given[key] = torch.as_tensor(given[key], dtype=x.dtype)
    learn: dict[str, Any] = {"learn_threshold": True}
    if kind not in ("Lapicque", "Alpha"):
        learn["learn_beta"] = True
    if kind in ("Synaptic", "RSynaptic"):
        learn["learn_alpha"] = True
    if "V" in given:
        given["V"] = given["V"].requires_grad_()
    layer = getattr(snn, kind)(**given, **learn, spike_grad=fire).to(x.dtype)
    if "linear_features" in options:
        wires = torch.Generator().manual_seed(0)
        for p in layer.recurrent.parameters():
            p.data = 0.4 * torch.randn(p.shape, generator=wires, dtype=torch.float32).to(x.dtype)
    out, records = [], []
    if kind == "Alpha":
        state: Any = torch.zeros_like(x[0]), torch.zeros_like(x[0]), v0
        names: tuple[str, ...] = ("excitation", "inhibition", "v")
    elif kind == "Synaptic":
        state, names = (torch.zeros_like(x[0]), v0), ("i", "v")
    elif kind == "RLeaky":
        state, names = (torch.zeros_like(x[0]), v0), ("spk", "v")
    elif kind == "RSynaptic":
        state, names = (torch.zeros_like(x[0]), torch.zeros_like(x[0]), v0), ("spk", "i", "v")
    else:
        state, names = (v0,), ("v",)
    for step in x:
        s, *state = layer(step, *state)
        if kind in ("RLeaky", "RSynaptic"):
            state = [s, *state]
        out.append(s)
        records.append(state)
    states = {name: torch.stack([record[i] for record in records]) for i, name in enumerate(names) if name != "spk"}
    if options.get("reset_delay") is False and "most" in options:
        assert (states["v"] < layer.threshold).all()
    parameters = dict(layer.named_parameters()) | ({"V": layer.recurrent.V} if "V" in given else {})
    return torch.stack(out), states, {key.replace(".", "_"): value for key, value in parameters.items()}


@cache
def _runs():
    return {name: torch_run(case, options) for name, options in CASES.items()}


def run(name, *arguments):
    return _runs()[name](*arguments)


def surrogates():
    from snntorch import surrogate as s

    return torch_slopes(
        {
            "atan()": s.atan(),
            "atan(3.0)": s.atan(3.0),
            "fast_sigmoid()": s.fast_sigmoid(),
            "fast_sigmoid(5.0)": s.fast_sigmoid(5.0),
            "heaviside()": s.heaviside(),
            "sigmoid()": s.sigmoid(),
            "sigmoid(2.0)": s.sigmoid(2.0),
            "straight_through_estimator()": s.straight_through_estimator(),
            "not here: triangular()": s.triangular(),
            "not here: spike_rate_escape()": s.spike_rate_escape(),
            "not here: SFS()": s.SFS(),
        }
    )


if __name__ == "__main__":
    keep("snntorch", ["torch"], CASES, run, surrogates())
