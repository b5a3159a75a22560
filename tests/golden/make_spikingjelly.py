"""Makes the golden traces of SpikingJelly's neurons and surrogates: `python -m tests.golden.make_spikingjelly`."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.golden.making import T, keep, torch_run, torch_slopes

PLAIN = {
    f"{kind}, {'soft' if reset is None else 'hard'}{', undecayed' * (decay is False)}{', detached' * detach}": {
        "kind": kind,
        "v_reset": reset,
        "detach_reset": detach,
        **({} if decay is None else {"decay_input": decay}),
        **({} if kind == "IF" or decay is False else {"gain": 2.5}),  # which divides x by tau
    }
    for kind, decays in (("IF", [None]), ("LIF", [True, False]), ("ParametricLIF", [True, False]))
    for reset in (0.0, None)
    for decay in decays
    for detach in (False, True)
}
CASES: dict[str, dict[str, Any]] = PLAIN | {
    "IF, hard, exact": {"kind": "IF", "v_reset": 0.0},
    "LIF, hard, exact": {"kind": "LIF", "tau": 2.0, "v_reset": 0.0},
    "LIF, soft, undecayed, exact": {"kind": "LIF", "tau": 2.0, "v_reset": None, "decay_input": False},
    "LIF, to -0.2": {"kind": "LIF", "v_reset": -0.2, "gain": 2.5},
    "LIF, default surrogate": {"kind": "LIF", "v_reset": 0.0, "surrogate": None, "gain": 2.5},
    "QIF": {"kind": "QIF", "gain": 1.5},
    "QIF, soft": {"kind": "QIF", "v_reset": None, "gain": 0.7, "v_c": 0.6, "most": (0.5, 0.8)},
    "EIF": {"kind": "EIF", "delta_T": 0.4, "gain": 1.5},
    "EIF, detached": {"kind": "EIF", "delta_T": 0.4, "gain": 1.5, "detach_reset": True},
    "EIF, defaults": {"kind": "EIF", "gain": 0.7},
    "Izhikevich": {"kind": "Izhikevich", "a": 0.1, "b": 0.2, "tau_w": 3.0, "gain": 1.5},
    "Izhikevich, detached": {"kind": "Izhikevich", "a": 0.1, "b": 0.2, "tau_w": 3.0, "gain": 1.5, "detach_reset": True},
    "Izhikevich, defaults": {"kind": "Izhikevich", "gain": 1.5},
    "KLIF": {"kind": "KLIF", "k": 1.5, "gain": 2.0},
    "KLIF, soft, detached": {"kind": "KLIF", "k": 1.5, "gain": 2.0, "v_reset": None, "detach_reset": True},
    "KLIF, scaled": {"kind": "KLIF", "k": 1.5, "gain": 2.0, "scale_reset": True},
    "KLIF, scaled, soft": {"kind": "KLIF", "k": 1.5, "gain": 2.0, "scale_reset": True, "v_reset": None},
    "KLIF, undecayed": {"kind": "KLIF", "k": 0.8, "decay_input": False},
    "CLIF": {"kind": "ComplementaryLIF"},
    "CLIF, default surrogate": {"kind": "ComplementaryLIF", "surrogate": None},
    "GLIF": {"kind": "GatedLIF", "T": T},
    "GLIF, per channel": {"kind": "GatedLIF", "T": T, "inplane": 5},
    "CUBALIF": {"kind": "CUBALIF"},
    "CUBALIF, soft": {"kind": "CUBALIF", "v_reset": None, "v_threshold": 1.0},
    "CUBALIF, default surrogate": {"kind": "CUBALIF", "surrogate": None},
    **{
        f"Ternary{kind}, {'soft' if reset is None else 'hard'}{', detached' * detach}": {
            "kind": f"Ternary{kind}",
            "v_reset": reset,
            "detach_reset": detach,
            "gain": 1.0 if kind == "IF" else 2.5,
        }
        for kind in ("IF", "LIF")
        for reset in (0.0, None)
        for detach in (False, True)
    },
    "TernaryIF, soft, exact": {"kind": "TernaryIF", "v_reset": None},
    "ILIF": {"kind": "ILIF"},
    "ILIF, detached": {"kind": "ILIF", "tau": 2.0, "v_threshold": 0.8, "detach_reset": True},
    "RAF": {"kind": "RAF", "v_reset": 0.0},
    "RAF, soft": {"kind": "RAF", "v_reset": None, "b": -0.1, "omega": 0.6},
    "PSN": {"kind": "PSN", "T": T},
    "MaskedPSN": {"kind": "MaskedPSN", "k": 4, "T": T, "lambda_init": 1.0},
    "MaskedPSN, half": {"kind": "MaskedPSN", "k": 4, "T": T, "lambda_init": 0.5},
    "SlidingPSN": {"kind": "SlidingPSN", "k": 3},
    "SlidingPSN, drawn": {"kind": "SlidingPSN", "k": 5, "exp_init": False},
    **{
        f"LIAF, {'soft' if reset is None else 'hard'}{', of the membrane' * (not related)}": {
            "kind": "LIAF",
            "tau": 3.0,
            "v_reset": reset,
            "threshold_related": related,
            "gain": 2.5,
        }
        for reset in (0.0, None)
        for related in (True, False)
    },
    "hears itself": {"kind": "LIF", "tau": 3.0, "v_reset": None, "recurrent": "itself", "gain": 2.5},
    "hears itself, IF, hard": {"kind": "IF", "v_reset": 0.0, "recurrent": "itself"},
    "hears the others": {"kind": "LIF", "tau": 3.0, "v_reset": None, "decay_input": False, "recurrent": "others"},
    "hears the others, hard, detached": {
        "kind": "LIF",
        "tau": 3.0,
        "v_reset": 0.0,
        "decay_input": False,
        "detach_reset": True,
        "recurrent": "others",
    },
    "NonSpikingLIF": {"kind": "NonSpikingLIF", "tau": 3.0, "decode": None, "gain": 2.5},
}
OURS = {"kind", "gain", "most", "surrogate", "k", "recurrent"}
STATES = {"IF": "m", "LIF": "m", "ParametricLIF": "m", "GatedLIF": "m", "PSN": "m", "MaskedPSN": "m", "SlidingPSN": "m"}
MEMORIES = {"w": "w", "m": "m", "c": "i", "u": "u"}


def case(options, x, v0, seen):
    """A node, many steps at once or one by one: outputs, membrane after the reset and what else it remembers, parameters."""
    import numpy as np
    import torch
    from spikingjelly.activation_based import neuron, surrogate
    from spikingjelly.activation_based.layer import container

    kind = options["kind"]
    given = {key: value for key, value in options.items() if key not in OURS or (key == "k" and "PSN" in kind)}
    if kind in ("LIF", "ParametricLIF") and "tau" not in given:
        given["tau" if kind == "LIF" else "init_tau"] = 3.0
    if kind == "NonSpikingLIF":
        layer = neuron.NonSpikingLIFNode(**given)
        out = torch.stack(layer(x))
        seen.append(torch.full_like(x[0], torch.inf))
        return out, {"v": out}, {}
    if kind != "ILIF" and options.get("surrogate", "ATan") is not None:
        given["surrogate_function"] = surrogate.ATan(alpha=2.0)
    np.random.seed(0)  # noqa: NPY002  (of which GLIF draws its gates)
    torch.manual_seed(0)
    if kind == "LIAF":
        given["act"] = torch.tanh
    layer = getattr(neuron, f"{kind}{'' if 'PSN' in kind else 'Node'}")(**given).to(x.dtype)
    recurrent = options.get("recurrent")
    layer.step_mode = "s" if recurrent else STATES.get(kind, "s")
    fire = layer.surrogate_function
    forward = fire.forward

    def watched(u):
        # What counts flips at its halves, and bends where it is empty and full.
        count = [u, u - fire.max_spike_count, (u - u.round()).abs() - 0.5] if kind == "ILIF" else [u]
        # The slope of a rectangle jumps at its edges.
        seen.extend([u.abs() - 0.5] if isinstance(fire, surrogate.Rect) else [])
        seen.extend(count)
        return forward(u)

    fire.forward = watched
    if kind == "KLIF":
        layer.k.data.fill_(options["k"])
    if kind in ("IF", "LIF", "ParametricLIF") and not recurrent:
        layer.store_v_seq = True
        layer.v = v0
        return layer(x), {"v": layer.v_seq}, dict(layer.named_parameters())
    if "PSN" in kind or kind == "GatedLIF":
        # GLIF's channels are the second axis of four.
        out = (layer(x) if "PSN" in kind else layer(x[..., None, None])).reshape(x.shape)
        seen[:] = [row for u in seen for row in u.reshape(-1, *x.shape[1:])]
        return out, {}, dict(layer.named_parameters())
    layer.v = v0
    net: Any = layer
    if recurrent == "itself":
        net = container.ElementWiseRecurrentContainer(layer, torch.add)
    elif recurrent == "others":
        net = container.LinearRecurrentContainer(layer, 5, 5)
        wires = torch.Generator().manual_seed(0)
        for p in net.rc.parameters():
            drawn = 0.4 * torch.randn(p.shape, generator=wires, dtype=torch.float32).to(x.dtype)
            # What comes in comes in, and a little of the others' inputs.
            p.data = drawn if p.ndim == 1 else torch.cat([0.2 * drawn[:, :5] + torch.eye(5), drawn[:, 5:]], 1).to(x.dtype)
    out, records = [], []
    for step in x:
        out.append(net(step))
        records.append({"v": layer.v} | {name: getattr(layer, key) for key, name in MEMORIES.items() if key in layer._memories})
    states = {name: torch.stack([record[name] for record in records]) for name in records[0]}
    return torch.stack(out), states, {key.replace(".", "_"): value for key, value in net.named_parameters()}


@cache
def _runs():
    return {name: torch_run(case, options) for name, options in CASES.items()}


def run(name, *arguments):
    return _runs()[name](*arguments)


def surrogates():
    from spikingjelly.activation_based import surrogate as s

    calls = (
        "ATan() ATan(3.0) DeterministicPass() Erf() Erf(0.7) FakeNumericalGradient() FakeNumericalGradient(2.0) LeakyKReLU() "
        "LeakyKReLU(0.2,2.0) LogTailedReLU() LogTailedReLU(0.2) NonzeroSignLogAbs() NonzeroSignLogAbs(3.0) PiecewiseExp() "
        "PiecewiseExp(3.0) PiecewiseLeakyReLU() PiecewiseLeakyReLU(0.8,0.1) PiecewiseQuadratic() PiecewiseQuadratic(0.7) "
        "QPseudoSpike() QPseudoSpike(3.0) Rect() Rect(0.7) S2NN() S2NN(2.0,0.5) Sigmoid() Sigmoid(2.0) SoftSign() SoftSign(5.0) "
        "SquarewaveFourierSeries() SquarewaveFourierSeries(4,6.0) SuperSpike() SuperSpike(3.0)"
    )
    return torch_slopes({call: eval(call, vars(s)) for call in calls.split()})


if __name__ == "__main__":
    keep("spikingjelly", ["torch"], CASES, run, surrogates())
