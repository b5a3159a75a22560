"""snnTorch's neurons, there and back: which of mxsnn's equals each of their modes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from mxsnn import nn, surrogate
from mxsnn.discrete import charge, euler, exponential
from mxsnn.interop.chain import Chain
from mxsnn.interop.membranes import retained as step_retention
from mxsnn.interop.tensors import array, exact, learns, number
from mxsnn.neurons import IF, LIF, Alpha, Autapse, Lapicque, NextStepReset, Synaptic
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.typing import Array, Fire, Reset

ZERO = to_value(0.0)
RESETS = {"subtract": subtract, "zero": ZERO}
LEARNED = {"beta": "tau", "alpha": "tau_syn", "threshold": "threshold"}


def add(chain: Chain, m: Any, dt: float) -> None:
    """The layer of neurons that a module is, after the others."""
    kind = type(m).__name__
    if kind not in NEURONS:
        chain.refuse("has no counterpart here", f"of snnTorch there are {', '.join(NEURONS)}")
    for name in ("inhibition", "state_quant"):
        if getattr(m, name):
            chain.refuse(f"has {name}", "set it to False: neurons here do not see each other, and compute in float32")
    options = {"threshold": number(m.threshold), "dt": dt, "fire": fire_of(chain, m.spike_grad)}
    neuron = NEURONS[kind](chain, m, dt, options)
    # What learn_beta of a Lapicque learns moves nothing there.
    learn = [LEARNED[name] for name in learns(m, *LEARNED) if (kind, name) != ("Lapicque", "beta")]
    if not kind.startswith("R"):
        chain.neurons(neuron, learn)
    elif not m.all_to_all:
        chain.neurons(Autapse(neuron, number(m.recurrent.V)), [*learn, *(["weight"] if learns(m.recurrent, "V") else [])])
    elif type(m.recurrent).__name__ != "Linear":
        chain.refuse("hears itself through a convolution", "neurons here hear each other by a dense layer, or each itself")
    else:
        chain.recurrent(neuron, array(m.recurrent.weight), array(m.recurrent.bias), learn)
    factor = number(m.graded_spikes_factor)
    if np.any(factor != 1) or learns(m, "graded_spikes_factor"):
        chain.settle()
        chain.each(nn.Scale(factor))


def retained(value: Any, dt: float) -> Any:
    """The time constant in ms of what 1 - dt/tau is, held between 0 and 1 as there."""
    with np.errstate(divide="ignore"):
        tau = dt / (1 - np.clip(exact(value), 0, 1))
    return float(tau) if tau.ndim == 0 else tau.astype(np.float32)


def _delayed(chain: Chain, m: Any, make: Callable[[Reset], Any], early_zero: bool = False) -> Any:
    """The neuron under the reset of a module, which acts in the next step unless it says otherwise."""
    how = m.reset_mechanism
    if how == "none":
        return make(none)
    if getattr(m, "reset_delay", True):
        neuron = make(detached(RESETS[how]))
        return neuron if early_zero and how == "zero" else NextStepReset(neuron)
    if how == "subtract":
        chain.refuse(
            "subtracts without delay, and falls silent where that leaves it above its threshold",
            "set reset_delay=True; a LIF that subtracts in the step of its spike is LIF(reset=subtract)",
        )
    if type(m).__name__ == "RSynaptic":
        chain.refuse("has reset_delay=False, with which it does not run", "set reset_delay=True")
    return make(ZERO)


def _leaky(chain: Chain, m: Any, dt: float, options: dict[str, Any]) -> Any:
    tau = retained(m.beta, dt)
    # Leaky alone empties its membrane before it charges it, so that a reset to zero acts as if it were in its own step.
    return _delayed(chain, m, lambda r: LIF(tau, reset=r, decay=euler, **options), early_zero=type(m).__name__ == "Leaky")


def _synaptic(chain: Chain, m: Any, dt: float, options: dict[str, Any]) -> Any:
    tau, tau_syn = retained(m.beta, dt), retained(m.alpha, dt)
    return _delayed(chain, m, lambda r: Synaptic(tau, tau_syn, reset=r, decay=euler, **options))


def _lapicque(chain: Chain, m: Any, dt: float, options: dict[str, Any]) -> Any:
    step = dt / exact(m.time_step)
    circuit = number(m.R), number(exact(m.C) * step)
    return _delayed(chain, m, lambda r: Lapicque(*circuit, reset=r, decay=euler, **options))


def _alpha(chain: Chain, m: Any, dt: float, options: dict[str, Any]) -> Any:
    tau, tau_syn = (number(-dt / np.log(np.clip(exact(value), 0, 1))) for value in (m.beta, m.alpha))
    if m.reset_mechanism == "subtract":
        chain.refuse("subtracts from its currents, which subtracts no threshold", 'set reset_mechanism="zero" or "none"')
    return _delayed(chain, m, lambda r: Alpha(tau, tau_syn, reset=r, reset_current=r, **options))


NEURONS: dict[str, Callable[[Chain, Any, float, dict[str, Any]], Any]] = {
    "Leaky": _leaky,
    "RLeaky": _leaky,
    "Synaptic": _synaptic,
    "RSynaptic": _synaptic,
    "Lapicque": _lapicque,
    "Alpha": _alpha,
}


# ---- surrogates -----------------------------------------------------------------------------------------------------------------


def no_slope(u: Array) -> Array:
    """A step without a gradient: what surrogate_disable is."""
    return jnp.where(u > 0, 1, 0).astype(u.dtype)


def fire_of(chain: Chain, spike_grad: Any) -> Fire:
    """The surrogate that a function of snntorch.surrogate made."""
    name = getattr(spike_grad, "__qualname__", "").partition(".")[0]
    if getattr(spike_grad, "__name__", "") == "_surrogate_bypass":
        return no_slope
    made = getattr(spike_grad, "__module__", "") == "snntorch.surrogate"
    if not made or name not in surrogate.snntorch.__all__:
        chain.refuse(
            f"fires by {getattr(spike_grad, '__qualname__', spike_grad)!s}, which has no counterpart here",
            f"set its spike_grad to one of snntorch.surrogate: {', '.join(surrogate.snntorch.__all__)}",
        )
    given = inspect.getclosurevars(spike_grad).nonlocals
    return getattr(surrogate.snntorch, name)(**{key: float(value) for key, value in given.items()})


# ---- back -----------------------------------------------------------------------------------------------------------------------

SLOPES = {
    "atan": ("atan", ("alpha",)),
    "fast_sigmoid": ("fast_sigmoid", ("slope",)),
    "sigmoid": ("sigmoid", ("slope",)),
    "straight_through": ("straight_through_estimator", ()),
    "leaky_relu": ("heaviside", ()),
}


def charges(neuron: Any) -> bool:
    """Whether inputs weigh 1, as they do in snnTorch."""
    weighs = [getattr(neuron, "gain", charge), getattr(neuron, "gain_syn", charge)]
    return weighs == [charge, charge] and bool(np.all(np.asarray(getattr(neuron, "resistance", 1.0)) == 1))


def back(export: Any, fire: Fire) -> Any:
    """The function of snntorch.surrogate that a surrogate is."""
    import snntorch

    name, options = SLOPES.get(getattr(getattr(fire, "slope", None), "__name__", ""), ("", ()))
    given = dict(getattr(fire, "parameters", ()))
    if not name or getattr(surrogate.snntorch, name)(*(given[key] for key in options)) != fire:
        export.refuse(f"fires by {fire}, which snnTorch has not", f"take one of mxsnn.surrogate.snntorch: {', '.join(SLOPES)}")
    return getattr(snntorch.surrogate, name)(**{key: given[key] for key in options})


def module(export: Any, layer: nn.Spiking) -> Any:
    """snnTorch's module for a layer of neurons."""
    neuron, learned = layer.neuron, set(layer.learned)
    autapse = neuron if isinstance(neuron, Autapse) else None
    outer: Any = autapse.neuron if autapse else neuron
    delayed = isinstance(outer, NextStepReset)
    inner: Any = outer.neuron if delayed else outer
    kind = type(inner).__name__
    if not isinstance(inner, IF | LIF | Synaptic | Alpha | Lapicque):
        export.no_word(kind)
    if np.any(np.asarray(getattr(inner, "v_rest", 0.0))) or not (kind == "Lapicque" or charges(inner)):
        export.refuse(
            "its inputs do not weigh 1, or it does not rest at 0", "scale the weights before it; take gain=charge, v_rest=0"
        )
    hears = autapse is not None or isinstance(layer, nn.Recurrent)
    if hears and kind not in ("IF", "LIF", "Synaptic"):
        export.no_word(f"{kind} that hears itself")
    options: dict[str, Any] = {
        "threshold": export.numbers(inner.threshold),
        "spike_grad": back(export, inner.fire),
        "init_hidden": True,
        "learn_threshold": "threshold" in learned,
        **_mode(export, inner, delayed, hears),
    }
    if kind == "Lapicque":
        if inner.decay is not euler or learned - {"threshold"}:
            export.refuse("steps by decay=exponential, or learns", "take decay=euler, and learn nothing but the threshold")
        options |= {"R": export.numbers(inner.resistance), "C": export.numbers(inner.capacitance), "time_step": float(inner.dt)}
    else:
        options["beta"] = _retention(export, inner, "tau")
        options["learn_beta"] = "tau" in learned
    if kind in ("Synaptic", "Alpha"):
        options["alpha"] = _retention(export, inner, "tau_syn")
        if kind == "Synaptic":
            options["learn_alpha"] = "tau_syn" in learned
    if unknown := learned - {"tau", "tau_syn", "threshold", "weight"}:
        export.refuse(f"learns {', '.join(sorted(unknown))}", "snnTorch learns tau, tau_syn, threshold and weight")
    name = {"IF": "Leaky", "LIF": "Leaky"}.get(kind, kind)
    if not hears:
        return getattr(export.library, name)(**options)
    if autapse is not None:
        v = np.asarray(export.numbers(autapse.weight), np.float32)
        options |= {"all_to_all": False, "V": export.tensor(v), "learn_recurrent": "weight" in learned}
        return getattr(export.library, f"R{name}")(**options)
    made = getattr(export.library, f"R{name}")(**options, linear_features=export.shape[0])
    weight = np.asarray(layer.kernel[...]).T  # type: ignore[attr-defined]
    weight = weight if export.order is None else weight[np.ix_(export.order, export.order)]
    bias = export.taken_bias()
    made.recurrent.weight.data = export.tensor(weight)
    made.recurrent.bias.data = export.tensor(np.zeros(len(weight)) if bias is None else bias)
    return made


def _retention(export: Any, neuron: Any, name: str) -> Any:
    """What a step retains, as a number or a tensor."""
    if not hasattr(neuron, name):
        return 1.0  # an IF
    d = step_retention(getattr(neuron, "decay", exponential), getattr(neuron, name), neuron.dt)
    if ((d < 0) | (d > 1)).any():
        export.refuse(f"retains {np.unique(d)[:3].tolist()} in a step", "snnTorch holds that between 0 and 1")
    return export.numbers(d)


def _mode(export: Any, neuron: Any, delayed: bool, hears: bool) -> dict[str, Any]:
    """The reset that snnTorch has for this one."""
    reset, leaky = neuron.reset, isinstance(neuron, IF | LIF) and not hears
    if isinstance(neuron, Alpha) and neuron.reset_current != reset:
        export.refuse("resets its current otherwise than its membrane", "give both the same reset")
    if reset is none:
        return {"reset_mechanism": "none"}
    if delayed and reset == detached(subtract) and not isinstance(neuron, Alpha):
        return {"reset_mechanism": "subtract"}
    if reset == detached(ZERO) and delayed != leaky:
        return {"reset_mechanism": "zero"}
    if reset == ZERO and not delayed and isinstance(neuron, IF | LIF | Synaptic):
        return {"reset_mechanism": "zero", "reset_delay": False}
    return export.refuse(
        f"its reset, {reset}{' a step later' * delayed}, is none of snnTorch's",
        "those are NextStepReset(...) with detached(subtract), a LIF with to_value(0.0), detached or not, and none",
    )
