"""SpikingJelly's nodes, there and back: which neuron or layer of mxsnn equals each of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn import nn, surrogate
from mxsnn.discrete import charge, current, euler
from mxsnn.interop.chain import Chain
from mxsnn.interop.starting import StartingAt
from mxsnn.interop.tensors import array, exact, learns, number
from mxsnn.neurons import (
    CLIF,
    EIF,
    GLIF,
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
    Synaptic,
    TernaryLIF,
    imaginary,
    kept_scale,
    levels,
    undone_scale,
)
from mxsnn.reset import detached, subtract, to_value
from mxsnn.typing import Fire, Reset


def add(chain: Chain, m: Any, dt: float) -> None:
    """The layer that a node or a container of one is, after the others."""
    kind = type(m).__name__
    if kind in LAYERS:
        LAYERS[kind](chain, m, dt)
    elif kind in NODES:
        chain.neurons(*node(chain, m, dt))
    else:
        chain.refuse("has no counterpart here", f"of SpikingJelly there are {', '.join([*NODES, *LAYERS])}")


def node(chain: Chain, m: Any, dt: float) -> tuple[Any, list[str]]:
    """A neuron, and what it learns."""
    kind = type(m).__name__
    if kind not in NODES:
        chain.refuse(f"holds {kind}, which has no counterpart here", f"there are {', '.join(NODES)}")
    return NODES[kind](chain, m, dt)


def fire_of(chain: Chain, fire: Any) -> Fire:
    """The surrogate that is a module of spikingjelly's surrogate."""
    name = type(fire).__name__
    if name not in surrogate.spikingjelly.__all__:
        chain.refuse(f"fires by {name}, which has no counterpart here", f"there are {', '.join(surrogate.spikingjelly.__all__)}")
    if not fire.spiking:
        chain.refuse("does not spike", "call set_spiking_mode(True) on its surrogate function")
    return getattr(surrogate.spikingjelly, name)(**fire._sg_params)


def reset_of(m: Any) -> Reset:
    reset = subtract if m.v_reset is None else to_value(float(m.v_reset))
    return detached(reset) if m.detach_reset else reset


def _common(chain: Chain, m: Any) -> dict[str, Any]:
    return {"threshold": float(m.v_threshold), "fire": fire_of(chain, m.surrogate_function), "reset": reset_of(m)}


def _rest(m: Any) -> float:
    """Where a node leaks to, and begins: its reset value, or 0."""
    return 0.0 if m.v_reset is None else float(m.v_reset)


def _from_zero(chain: Chain, m: Any) -> None:
    if _rest(m):
        chain.refuse(f"has v_reset={m.v_reset}, to which its membrane leaks", "set v_reset=0.0 or None: here it leaks to 0")


def _begun(neuron: Any, m: Any) -> Any:
    """A neuron that begins where the node does."""
    start = _rest(m)
    return neuron if start == float(getattr(neuron, "v_rest", 0.0)) else StartingAt(neuron, start)


def _gain(m: Any) -> Any:
    return current if m.decay_input else charge


def _if(chain: Chain, m: Any, dt: float) -> Any:
    if not _rest(m):
        return IF(**_common(chain, m)), []
    return LIF(np.inf, _rest(m), dt=dt, **_common(chain, m)), []


def _half(chain: Chain, m: Any, dt: float) -> Any:
    return LIF(np.inf, float(m.v_threshold) / 2, dt=dt, **_common(chain, m)), []


def _lif(chain: Chain, m: Any, dt: float) -> Any:
    neuron = LIF(m.tau * dt, _rest(m), dt=dt, gain=_gain(m), decay=euler, **_common(chain, m))
    return (StartingAt(neuron, 0.0) if type(m).__name__ == "SimpleLIFNode" and _rest(m) else neuron), []


def _plif(chain: Chain, m: Any, dt: float) -> Any:
    leak = 1 / (1 + np.exp(-exact(m.w)))
    if not m.decay_input:
        neuron = LIF(float(dt / leak), _rest(m), dt=dt, gain=charge, decay=euler, **_common(chain, m))
        return neuron, ["tau"] * bool(learns(m, "w"))
    w = float(m.w) if dt == 1 else -np.log(1 / (1 - (1 - leak) ** (1 / dt)) - 1)
    return PLIF(float(w), _rest(m), dt=dt, **_common(chain, m)), learns(m, "w")


def _qif(chain: Chain, m: Any, dt: float) -> Any:
    return _begun(QIF(m.tau * dt, m.v_rest, m.v_c, m.a0, dt=dt, **_common(chain, m)), m), []


def _eif(chain: Chain, m: Any, dt: float) -> Any:
    return _begun(EIF(m.tau * dt, m.v_rest, m.theta_rh, m.delta_T, dt=dt, **_common(chain, m)), m), []


def _izhikevich(chain: Chain, m: Any, dt: float) -> Any:
    if m.w_rest:
        chain.refuse(f"begins with w_rest={m.w_rest}", "set it to 0.0, where the recovery begins here")
    neuron = AdQIF(m.tau * dt, m.tau_w * dt, m.v_rest, m.v_c, m.a0, m.a, m.b, dt=dt, **_common(chain, m))
    return _begun(neuron, m), []


def _klif(chain: Chain, m: Any, dt: float) -> Any:
    _from_zero(chain, m)
    undo = undone_scale if m.scale_reset else kept_scale
    return KLIF(number(m.k), m.tau * dt, dt=dt, undo=undo, gain=_gain(m), decay=euler, **_common(chain, m)), learns(m, "k")


def _clif(chain: Chain, m: Any, dt: float) -> Any:
    if dt != 1:
        chain.refuse(f"counts in steps, and dt is {dt} ms", "convert it with dt=1.0: its second potential knows no other step")
    return CLIF(m.tau, float(m.v_threshold), fire=fire_of(chain, m.surrogate_function), reset=subtract, decay=euler), []


def _glif(chain: Chain, m: Any, dt: float) -> Any:
    sigmoid = {name: 1 / (1 + np.exp(-exact(getattr(m, name)))) for name in ("tau", "linear_decay", "v_subreset", "v_threshold")}
    values: dict[str, Any] = {
        "alpha": m.alpha,
        "beta": m.beta,
        "gamma": m.gamma,
        "conductance": m.conduct.detach().cpu().numpy(),
        "tau": dt / (1 - sigmoid["tau"]),
        "leak": sigmoid["linear_decay"] / dt,
        "jump": sigmoid["v_subreset"],
        "threshold": sigmoid["v_threshold"],
    }
    values = {name: value if name == "conductance" else number(value) for name, value in values.items()}
    # Learned numbers keep the shape that they have: one for all, or one a channel.
    shape = tuple(m.alpha.shape)
    values = {name: v if name == "conductance" or not shape else np.broadcast_to(v, shape) for name, v in values.items()}
    return GLIF(**values, dt=dt, fire=fire_of(chain, m.surrogate_function), decay=euler), list(values)


def _cuba(chain: Chain, m: Any, dt: float) -> Any:
    taus = (dt / (1 - float(m.v_decay)), dt / (1 - float(m.c_decay)))
    return _begun(Synaptic(*taus, dt=dt, decay=euler, **_common(chain, m)), m), []


def _ternary(chain: Chain, m: Any, dt: float) -> Any:
    _from_zero(chain, m)
    tau, gain = (m.tau * dt, _gain(m)) if hasattr(m, "tau") else (np.inf, charge)
    return TernaryLIF(tau, dt=dt, gain=gain, decay=euler, **_common(chain, m)), []


def _integer(chain: Chain, m: Any, dt: float) -> Any:
    count = m.surrogate_function
    most = int(count.max_spike_count)
    if (count.grad_min, count.grad_max) != (0, most):
        chain.refuse(
            f"has a slope from {count.grad_min} to {count.grad_max}", f"set grad_window=None: here it goes from 0 to {most}"
        )
    return IntegerLIF(m.tau * dt, float(m.v_threshold), dt, count=levels(most), reset=reset_of(m), decay=euler), []


def _raf(chain: Chain, m: Any, dt: float) -> Any:
    unit = m.dt / dt
    common = _common(chain, m)
    reset = common.pop("reset")
    neuron = RF(m.omega * unit, -1 / (m.b * unit), dt=dt, part=imaginary, reset_v=reset, **common)
    return _begun(neuron, m), []


NODES: dict[str, Callable[[Chain, Any, float], tuple[Any, list[str]]]] = {
    "IFNode": _if,
    "SimpleIFNode": _if,
    "HalfThresholdIFNode": _half,
    "LIFNode": _lif,
    "SimpleLIFNode": _lif,
    "ParametricLIFNode": _plif,
    "QIFNode": _qif,
    "EIFNode": _eif,
    "IzhikevichNode": _izhikevich,
    "KLIFNode": _klif,
    "ComplementaryLIFNode": _clif,
    "GatedLIFNode": _glif,
    "CUBALIFNode": _cuba,
    "TernaryIFNode": _ternary,
    "TernaryLIFNode": _ternary,
    "ILIFNode": _integer,
    "RAFNode": _raf,
}


# ---- layers ---------------------------------------------------------------------------------------------------------------------


def _silent(chain: Chain, m: Any, dt: float) -> None:
    tau, gain = (m.tau * dt, current) if hasattr(m, "tau") else (np.inf, charge)
    neuron = LI(tau, dt=dt, gain=gain, decay=euler)
    reduce = {"last_mem": nn.last, "max-mem": nn.maximum, "mean-mem": nn.mean}.get(m.decode)
    if m.decode == "max-abs-mem":
        chain.refuse('reads its membrane by decode="max-abs-mem"', "choose max-mem, mean-mem or last_mem")
    if reduce is None:
        chain.neurons(neuron)
    else:
        chain.settle()
        chain.each(nn.Readout(neuron, reduce))


def _psn(chain: Chain, m: Any, dt: float) -> None:
    fire, kind, rngs = fire_of(chain, m.surrogate_function), type(m).__name__, nnx.Rngs(0)
    if kind == "SlidingPSN":
        layer: Any = nn.SlidingPSN(m.k, fire=fire)
    elif kind == "MaskedPSN":
        layer = nn.MaskedPSN(m.k, m.T, lambda_=float(m.lambda_), fire=fire, rngs=rngs)
    else:
        layer = nn.PSN(m.T, fire=fire, rngs=rngs)
    layer.weight[...] = jnp.asarray(array(m.weight))
    layer.bias[...] = jnp.asarray(array(m.bias)).reshape(layer.bias[...].shape)
    chain.each(layer)


def _delay(chain: Chain, m: Any, dt: float) -> None:
    chain.each(nn.Delay(int(m.delay_steps)))


def _each_itself(chain: Chain, m: Any, dt: float) -> None:
    function = m.element_wise_function
    if function is not operator.add and not (getattr(function, "__name__", "") == "add" and isinstance(function, BUILTIN)):
        chain.refuse("mixes output and input by a function that cannot be read off", "give operator.add or torch.add")
    neuron, learn = node(chain, m.sub_module, dt)
    chain.neurons(Autapse(neuron, 1.0), learn)


def _each_other(chain: Chain, m: Any, dt: float) -> None:
    neuron, learn = node(chain, m.sub_module, dt)
    weight, bias = array(m.rc.weight), array(m.rc.bias)
    features = weight.shape[0]
    if m.sub_module_out_features != features:
        chain.refuse(f"holds a neuron, and takes {features} features for {m.sub_module_out_features}", "give as many out_features")
    chain.linear(weight[:, :features], bias)
    chain.recurrent(neuron, weight[:, features:], None, learn)


BUILTIN = type(operator.add)  # of torch.add, too

LAYERS: dict[str, Callable[[Chain, Any, float], None]] = {
    "NonSpikingIFNode": _silent,
    "NonSpikingLIFNode": _silent,
    "PSN": _psn,
    "MaskedPSN": _psn,
    "SlidingPSN": _psn,
    "Delay": _delay,
    "ElementWiseRecurrentContainer": _each_itself,
    "LinearRecurrentContainer": _each_other,
}
