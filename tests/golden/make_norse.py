"""Makes the golden traces of Norse's feed-forward cells and surrogates: `python -m tests.golden.make_norse`, with it installed.

Its parameters are inverse time constants in 1/s, a step lasts 1 ms; all are learnt here but those of Izhikevich, of which a step is
tau_inv milliseconds divided by 1000, a quarter of one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.golden.making import keep, torch_run, torch_slopes

BOX = {"kind": "LIFBox", "tau_mem_inv": 300.0, "v_th": 0.8, "v_reset": 0.0, "v_leak": 0.0, "gain": 2.5}
LIF = {"kind": "LIF", "tau_syn_inv": 400.0, "tau_mem_inv": 300.0, "v_th": 0.8, "v_reset": 0.0, "v_leak": 0.0, "gain": 2.0}
ADAPTING = {"delta_T": 0.3, "adaptation_current": 0.5, "adaptation_spike": 0.2, "tau_ada_inv": 100.0}
IZHIKEVICH = {"kind": "Izhikevich", "rest": -70.0}
CASES: dict[str, dict[str, Any]] = {
    "LIFBox": BOX,
    "LIFBox, exact": BOX | {"tau_mem_inv": 500.0, "v_th": 0.5},
    "LIFBox, leaking to -0.2, reset to -0.3": BOX | {"v_leak": -0.2, "v_reset": -0.3},
    "LIFBox, subtract": BOX | {"reset_method": "reset_subtract"},
    "LIFBox, tanh": BOX | {"method": "tanh", "alpha": 2.0},
    "LIF": LIF,
    "LIF, leaking to -0.2, reset to -0.3": LIF | {"v_leak": -0.2, "v_reset": -0.3},
    "LIBox": {"kind": "LIBox", "tau_mem_inv": 300.0, "v_leak": 0.1, "gain": 2.5},
    "LI": {"kind": "LI", "tau_syn_inv": 400.0, "tau_mem_inv": 300.0, "v_leak": 0.1},
    # A synapse without memory, so that the drive is the input.
    "LIFRefrac": LIF | {"kind": "LIFRefrac", "rho_reset": 3.0, "tau_syn_inv": 1000.0, "gain": 2.5},
    "LIFRefrac, with a synapse": LIF | {"kind": "LIFRefrac", "rho_reset": 2.0},
    "LIFEx": LIF | {"kind": "LIFEx", "delta_T": 0.3, "gain": 1.0},
    "LIFAdEx": LIF | {"kind": "LIFAdEx", "gain": 1.0} | ADAPTING,
    "IAF": {"kind": "IAF", "v_th": 0.8, "v_reset": 0.0},
    "IAF, exact": {"kind": "IAF", "v_th": 1.0, "v_reset": 0.0},
    "LSNN": LIF | {"kind": "LSNN", "beta": 0.4, "tau_adapt_inv": 100.0},
    "Izhikevich": IZHIKEVICH | {"gain": 30.0, "scale": 10.0},
    "Izhikevich, worked": IZHIKEVICH | {"tau_inv": 1000.0, "d": 8.0, "rest": -65.0, "x": [14.0] * 5},
    "Izhikevich, 200 ms": IZHIKEVICH | {"x": [10.0] * 800},
    "Izhikevich, 200 ms, bursting": IZHIKEVICH | {"behaviour": "tonic_bursting", "x": [10.0] * 800},
}
OURS = {"kind", "gain", "most", "rest", "scale", "method", "alpha", "reset_method", "rho_reset", "behaviour", "x"}
NAMES = {"a": "w"}  # the adaptation of AdEx


def case(options, x, v0, seen):
    """A cell whose parameters are tensors: spikes (or membranes), state after the reset, parameters."""
    import norse.torch as norse
    import torch
    from norse.torch import functional as f

    kind, zero = options["kind"], torch.zeros_like(x[0])
    learnt = {
        key: torch.tensor(value, dtype=x.dtype, requires_grad=True)
        for key, value in options.items()
        if key not in OURS and not isinstance(value, str) and kind != "Izhikevich"
    }
    given: dict[str, Any] = dict(learnt)
    if kind not in ("LI", "LIBox"):
        given |= {"method": options.get("method", "super"), "alpha": options.get("alpha", 100.0)}
    if "reset_method" in options:
        given["reset_method"] = getattr(f.reset, options["reset_method"])
    v_th = learnt.get("v_th")
    if kind == "LIFBox":
        p, state = f.lif_box.LIFBoxParameters(**given), f.lif_box.LIFBoxFeedForwardState(v=v0)
    elif kind == "LIF":
        p, state = f.lif.LIFParameters(**given), f.lif.LIFFeedForwardState(v=v0, i=zero)
    elif kind == "LIBox":
        p, state = f.leaky_integrator_box.LIBoxParameters(**given), f.leaky_integrator_box.LIBoxState(v=v0)
    elif kind == "LI":
        p, state = f.leaky_integrator.LIParameters(**given), f.leaky_integrator.LIState(v=v0, i=zero)
    elif kind == "LIFRefrac":
        p = f.lif_refrac.LIFRefracParameters(f.lif.LIFParameters(**given), torch.tensor(options["rho_reset"], dtype=x.dtype))
        state = f.lif_refrac.LIFRefracFeedForwardState(f.lif.LIFFeedForwardState(v=v0, i=zero), rho=zero)
    elif kind == "LIFEx":
        p, state = f.lif_ex.LIFExParameters(**given), f.lif_ex.LIFExFeedForwardState(v=v0, i=zero)
    elif kind == "LIFAdEx":
        p, state = f.lif_adex.LIFAdExParameters(**given), f.lif_adex.LIFAdExFeedForwardState(v=v0, i=zero, a=zero)
    elif kind == "IAF":
        p, state = f.iaf.IAFParameters(**given), f.iaf.IAFFeedForwardState(v=v0)
    elif kind == "LSNN":
        p, state = f.lsnn.LSNNParameters(**given), f.lsnn.LSNNFeedForwardState(v=v0, i=zero, b=zero + v_th)
    else:
        behaviour = getattr(f.izhikevich, options.get("behaviour", "tonic_spiking"))
        p = behaviour.p._replace(**{key: options[key] for key in ("tau_inv", "d") if key in options})
        state = f.izhikevich.IzhikevichState(v=v0, u=p.b * v0.detach())
    cell = norse.IzhikevichCell(behaviour._replace(p=p)) if kind == "Izhikevich" else getattr(norse, f"{kind}Cell")(p)
    modules = [f.lif_box, f.lif, f.lif_refrac, f.lif_ex, f.lif_adex, f.iaf, f.lsnn, f.izhikevich]
    threshold = f.threshold.threshold

    def watched(u, method, alpha):
        seen.append(u)
        return threshold(u, method, alpha)

    for module in modules:
        if module is not f.lif_refrac:  # whose counter is whole: 0 is no near miss
            module.threshold = watched
    out, records = [], []
    try:
        for step in x:
            s, state = cell(step, state)
            out.append(s)
            inner = getattr(state, "lif", state)
            records.append({NAMES.get(key, key): value for key, value in inner._asdict().items()})
    finally:
        for module in modules:
            module.threshold = threshold
    if not seen:
        seen.append(torch.full_like(v0, torch.inf))
    states = {name: torch.stack([record[name] for record in records]) for name in records[0]}
    return torch.stack(out), states, learnt


@cache
def _runs():
    return {name: torch_run(case, options) for name, options in CASES.items()}


def run(name, *arguments):
    return _runs()[name](*arguments)


def surrogates():
    from norse.torch.functional.threshold import threshold

    calls = {"super()": ("super", 100.0), "not here: super(7.0)": ("super", 7.0)}
    for method, alpha in {"tanh": 2.0, "triangle": 0.3, "circ": 0.5, "heavi_erfc": 2.0}.items():
        calls |= {f"{method}()": (method, 100.0), f"{method}({alpha})": (method, alpha)}
    return torch_slopes({call: lambda u, a=arguments: threshold(u, *a) for call, arguments in calls.items()})


if __name__ == "__main__":
    keep("norse", ["torch"], CASES, run, surrogates())
