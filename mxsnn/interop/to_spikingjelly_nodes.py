"""Neurons as SpikingJelly's nodes: `mxsnn.interop.spikingjelly` backwards."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from mxsnn import nn, surrogate
from mxsnn.discrete import charge, current, euler
from mxsnn.interop.membranes import retained
from mxsnn.interop.starting import StartingAt
from mxsnn.neurons import (
    CLIF,
    EIF,
    IF,
    KLIF,
    LI,
    LIF,
    PLIF,
    QIF,
    RF,
    AdQIF,
    Autapse,
    IntegerLIF,
    Late,
    Synaptic,
    TernaryLIF,
    imaginary,
    kept_scale,
    levels,
    named,
    undone_scale,
)
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.typing import Fire

SLOPES: dict[str, Callable[[dict[str, float], float], list[tuple[str, tuple[Any, ...]]]]] = {
    "atan": lambda p, scale: [("ATan", (p["alpha"],))],
    "sigmoid": lambda p, scale: [("Sigmoid", (p["slope"],))],
    "fast_sigmoid": lambda p, scale: [("SoftSign", (p["slope"],)), ("SuperSpike", (scale,))],
    "piecewise_exponential": lambda p, scale: [("PiecewiseExp", (p["alpha"],))],
    "triangle": lambda p, scale: [("PiecewiseQuadratic", (1 / p["width"],))],
    "gaussian": lambda p, scale: [("Erf", (2**-0.5 / p["sigma"],))],
    "boxcar": lambda p, scale: [("Rect", (1 / p["width"],))],
    "leaky_boxcar": lambda p, scale: [("PiecewiseLeakyReLU", (p["width"] / 2, p["leak"]))],
    "straight_through": lambda p, scale: [("DeterministicPass", ())],
    "q_pseudo_spike": lambda p, scale: [("QPseudoSpike", (p["alpha"],))],
    "sign_log_abs": lambda p, scale: [("NonzeroSignLogAbs", (p["alpha"],))],
    "s2nn": lambda p, scale: [("S2NN", (p["alpha"], p["beta"]))],
    "log_tailed_relu": lambda p, scale: [("LogTailedReLU", (p["alpha"],))],
    "fake_numerical_gradient": lambda p, scale: [("FakeNumericalGradient", (p["alpha"],))],
    "squarewave_fourier_series": lambda p, scale: [("SquarewaveFourierSeries", (int(p["terms"]) + 1, p["period"]))],
    "leaky_relu": lambda p, scale: [("LeakyKReLU", (p["leak"] * scale, scale))],
}


def back(export: Any, fire: Fire) -> Any:
    """The module of spikingjelly's surrogate that a surrogate is."""
    slope = getattr(getattr(fire, "slope", None), "__name__", "")
    if slope in SLOPES:
        given = dict(fire.parameters)  # type: ignore[attr-defined]
        u = jnp.linspace(-2.03, 2.03, 101)
        for name, values in SLOPES[slope](given, fire.scale):  # type: ignore[attr-defined]
            made = getattr(surrogate.spikingjelly, name)(*values)
            if made.fires is fire.fires and np.allclose(made.derivative(u), fire.derivative(u), rtol=1e-5, atol=1e-7):  # type: ignore[attr-defined]
                return getattr(export.surrogates, name)(*values)
    export.refuse(
        f"fires by {fire}, which SpikingJelly has not", "take one of mxsnn.surrogate.spikingjelly, which fire at the threshold too"
    )


def modules(export: Any, layer: nn.Spiking) -> list[Any]:
    """SpikingJelly's modules for a layer of neurons."""
    neuron, learned = layer.neuron, set(layer.learned)
    if isinstance(neuron, Late):
        return [_module(export, neuron.neuron, learned), export.layers.Delay(1)]
    if isinstance(neuron, Autapse):
        if np.any(np.asarray(neuron.weight) != 1) or "weight" in learned:
            export.refuse(
                "hears itself by a weight that is not 1, or that is learned", "put the weight into a dense layer: Recurrent"
            )
        return [export.layers.ElementWiseRecurrentContainer(_module(export, neuron.neuron, learned), operator.add)]
    if not isinstance(layer, nn.Recurrent):
        return [_module(export, neuron, learned)]
    weight = np.asarray(layer.kernel[...]).T
    weight = weight if export.order is None else weight[np.ix_(export.order, export.order)]
    features, bias = len(weight), export.taken_bias()
    made = export.layers.LinearRecurrentContainer(_module(export, neuron, learned), features, features, bias=bias is not None)
    made.rc.weight.data = export.tensor(np.concatenate([np.eye(features), weight], 1))
    if bias is not None:
        made.rc.bias.data = export.tensor(bias)
    return [made]


DECODED: dict[Callable[..., Any], str] = {nn.last: "last_mem", nn.maximum: "max-mem", nn.mean: "mean-mem"}


def layer(export: Any, given: Any) -> Any:
    """SpikingJelly's module for a layer that knows time and is no layer of neurons."""
    if isinstance(given, nn.Readout):
        decode = next((d for f, d in DECODED.items() if f is given.reduce), None)
        if decode is None or not isinstance(given.spiking.neuron, LI):
            export.refuse("is read otherwise than by last, maximum or mean of a LI", "read it so, or export the network before it")
        made = _module(export, given.spiking.neuron, set())
        made.decode = decode
        return made
    if not isinstance(given, nn.PSN | nn.SlidingPSN):
        export.no_word("it")
    fire = back(export, given.fire)
    if isinstance(given, nn.SlidingPSN):
        made = export.nodes.SlidingPSN(given.order, surrogate_function=fire)
    elif isinstance(given, nn.MaskedPSN):
        made = export.nodes.MaskedPSN(given.order, len(given.bias[...]), float(given.lambda_[...]), fire)
    else:
        made = export.nodes.PSN(len(given.bias[...]), fire)
    made.weight.data = export.tensor(given.weight[...])
    made.bias.data = export.tensor(given.bias[...]).reshape(made.bias.shape)
    return made


def _module(export: Any, neuron: Any, learned: set[str]) -> Any:
    """SpikingJelly's node for a neuron, which begins where the node does."""
    starting = neuron if isinstance(neuron, StartingAt) else None
    inner: Any = starting.neuron if starting else neuron
    if type(inner) not in BACK:
        export.no_word(type(inner).__name__)
    for name, value in named(inner).items():
        if np.ndim(value.value):
            export.refuse(f"has a {name} for each neuron", "SpikingJelly's nodes have one for all")
    made = BACK[type(inner)](export, inner, learned)
    if learned:
        export.refuse(f"learns {', '.join(sorted(learned))}", "SpikingJelly learns the leak of a LIF or PLIF and the k of KLIF")
    start = float(starting.v if starting else getattr(inner, "v_rest", 0.0))
    begins = made.v if hasattr(made, "v") else 0.0  # NonSpiking nodes have none before they are called
    if start != float(begins):
        export.refuse(f"begins at {start}, and the node at {begins}", f"take StartingAt(neuron, {begins})")
    return made


def _options(export: Any, n: Any) -> dict[str, Any]:
    reset: Any = n.reset_v if isinstance(n, RF) else n.reset
    detach = isinstance(reset, detached)
    reset = reset.reset if detach else reset
    if reset is not subtract and not isinstance(reset, to_value):
        export.refuse(f"its reset, {reset}, is none of SpikingJelly's", "those are subtract and to_value(...), detached or not")
    return {
        "v_threshold": float(n.threshold),
        "v_reset": float(reset.value) if isinstance(reset, to_value) else None,
        "detach_reset": detach,
        "surrogate_function": back(export, n.fire),
    }


def _steps(export: Any, n: Any) -> float:
    """tau in steps, above 1, as Euler's method has it."""
    d = float(retained(n.decay, n.tau, n.dt))
    if not 0 < d < 1:
        export.refuse(f"retains {d:g} in a step", "SpikingJelly's nodes with a leak retain more than 0 and less than 1")
    return float(n.tau) / float(n.dt) if n.decay is euler else 1 / (1 - d)


def _decayed(export: Any, n: Any) -> bool:
    """Whether a step's leak scales the input, by which one can tell decay_input."""
    if float(getattr(n, "resistance", 1.0)) != 1 or n.gain not in (charge, current):
        export.refuse("weighs its input by another gain or resistance", "take charge or current, and put the rest into the weights")
    return n.gain is current


def _at_reset(export: Any, n: Any, options: dict[str, Any]) -> dict[str, Any]:
    if float(n.v_rest) != (options["v_reset"] or 0.0):
        export.refuse(f"rests at {n.v_rest}, and is reset to {options['v_reset']}", "SpikingJelly's leak to where they are reset")
    return options


def _back_if(export: Any, n: IF, learned: set[str]) -> Any:
    if float(n.resistance) != 1:
        export.refuse(f"has a resistance of {n.resistance}", "put it into the weights before it")
    return export.nodes.IFNode(**_options(export, n))


def _back_lif(export: Any, n: LIF, learned: set[str]) -> Any:
    options, decayed = _options(export, n), _decayed(export, n)
    if np.isinf(n.tau):
        if not decayed and options["v_reset"] is None and float(n.v_rest) == float(n.threshold) / 2:
            del options["v_reset"]
            return export.nodes.HalfThresholdIFNode(**options)
        return export.nodes.IFNode(**_at_reset(export, n, options))
    tau, options = _steps(export, n), _at_reset(export, n, options)
    if "tau" in learned:
        learned.remove("tau")
        return export.nodes.ParametricLIFNode(init_tau=tau, decay_input=decayed, **options)
    return export.nodes.LIFNode(tau=tau, decay_input=decayed, **options)


def _back_plif(export: Any, n: PLIF, learned: set[str]) -> Any:
    leak = 1 - float(1 / (1 + np.exp(float(n.w)))) ** float(n.dt)
    made = export.nodes.ParametricLIFNode(init_tau=1 / leak, **_at_reset(export, n, _options(export, n)))
    made.w.data.fill_(float(n.w) if float(n.dt) == 1 else float(np.log(leak / (1 - leak))))
    made.w.requires_grad_("w" in learned)
    learned.discard("w")
    return made


def _back_synaptic(export: Any, n: Synaptic, learned: set[str]) -> Any:
    if _decayed(export, n) or n.gain_syn is not charge or float(n.v_rest):
        export.refuse("its inputs do not weigh 1, or it does not rest at 0", "take gain=charge, gain_syn=charge, v_rest=0")
    c, v = (float(retained(n.decay, tau, n.dt)) for tau in (n.tau_syn, n.tau))
    options = _options(export, n)
    if options.pop("detach_reset"):
        export.refuse("detaches its reset", "CUBALIFNode does not: take the reset that is detached here")
    return export.nodes.CUBALIFNode(c_decay=c, v_decay=v, **options)


def _back_qif(export: Any, n: QIF, learned: set[str]) -> Any:
    options = {"tau": float(n.tau / n.dt), "v_c": float(n.v_c), "a0": float(n.a), "v_rest": float(n.v_rest)}
    return export.nodes.QIFNode(**options, **_options(export, n))


def _back_eif(export: Any, n: EIF, learned: set[str]) -> Any:
    options = {"delta_T": float(n.delta_t), "theta_rh": float(n.theta_rh), "v_rest": float(n.v_rest)}
    return export.nodes.EIFNode(tau=float(n.tau / n.dt), **options, **_options(export, n))


def _back_adqif(export: Any, n: AdQIF, learned: set[str]) -> Any:
    taus = {"tau": float(n.tau / n.dt), "tau_w": float(n.tau_w / n.dt)}
    shape = {"v_c": float(n.v_c), "a0": float(n.c), "v_rest": float(n.v_rest), "a": float(n.a), "b": float(n.b)}
    return export.nodes.IzhikevichNode(**taus, **shape, **_options(export, n))


def _back_klif(export: Any, n: KLIF, learned: set[str]) -> Any:
    if n.undo not in (kept_scale, undone_scale):
        export.refuse(f"undoes its factor by {n.undo}", "take kept_scale or undone_scale")
    options = {"scale_reset": n.undo is undone_scale, "tau": _steps(export, n), "decay_input": _decayed(export, n)}
    made = export.nodes.KLIFNode(**options, **_options(export, n))
    made.k.data.fill_(float(n.k))
    made.k.requires_grad_("k" in learned)
    learned.discard("k")
    return made


def _back_clif(export: Any, n: CLIF, learned: set[str]) -> Any:
    if float(n.dt) != 1 or n.decay is not euler or _decayed(export, n) or n.reset is not subtract:
        export.refuse("is not the one of SpikingJelly", "take dt=1.0, decay=euler, gain=charge, reset=subtract")
    return export.nodes.ComplementaryLIFNode(float(n.tau), float(n.threshold), back(export, n.fire))


def _back_ternary(export: Any, n: TernaryLIF, learned: set[str]) -> Any:
    if np.isinf(n.tau) and not _decayed(export, n):
        return export.nodes.TernaryIFNode(**_options(export, n))
    return export.nodes.TernaryLIFNode(tau=_steps(export, n), decay_input=_decayed(export, n), **_options(export, n))


def _back_integer(export: Any, n: Any, learned: set[str]) -> Any:
    if not isinstance(n.count, levels) or _decayed(export, n) or n.reset not in (subtract, detached(subtract)):
        export.refuse("is not the one of SpikingJelly", "take count=levels(...), gain=charge, reset=subtract")
    count = export.surrogates.MultiLevelSpikeCount(n.count.most)
    options = {"v_threshold": float(n.threshold), "detach_reset": isinstance(n.reset, detached)}
    return export.nodes.ILIFNode(tau=_steps(export, n), surrogate_function=count, **options)


def _back_rf(export: Any, n: RF, learned: set[str]) -> Any:
    if n.part is not imaginary or n.reset_u is not none or _decayed(export, n):
        export.refuse("is not the one of SpikingJelly", "take part=imaginary, gain=charge, reset_u=none")
    b = float(np.log(retained(n.decay, n.tau, n.dt)))
    return export.nodes.RAFNode(b=b, omega=float(n.omega * n.dt), **_options(export, n))


def _back_li(export: Any, n: LI, learned: set[str]) -> Any:
    decayed = _decayed(export, n)
    if np.isinf(n.tau) and not decayed:
        return export.nodes.NonSpikingIFNode()
    if not decayed:
        export.refuse("takes its input in whole", "NonSpikingLIFNode scales it by its leak: take gain=current")
    return export.nodes.NonSpikingLIFNode(tau=_steps(export, n))


BACK: dict[type, Callable[[Any, Any, set[str]], Any]] = {
    IF: _back_if,
    LIF: _back_lif,
    PLIF: _back_plif,
    Synaptic: _back_synaptic,
    QIF: _back_qif,
    EIF: _back_eif,
    AdQIF: _back_adqif,
    KLIF: _back_klif,
    CLIF: _back_clif,
    TernaryLIF: _back_ternary,
    IntegerLIF: _back_integer,
    RF: _back_rf,
    LI: _back_li,
}
