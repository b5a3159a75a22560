"""Neurons as NIR's nodes: `mxsnn.interop.from_nir_nodes` backwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mxsnn.discrete import current, exponential
from mxsnn.interop.membranes import TAU, gained, retained
from mxsnn.neurons import IF, LI, LIF, PLIF, Lapicque, Synaptic
from mxsnn.reset import detached, none, to_value
from mxsnn.typing import Reset


class _Leak(NamedTuple):
    """A membrane, in steps and float64, channel-last: what it retains and takes in, where it rests."""

    d: np.ndarray
    g: np.ndarray
    rest: np.ndarray
    tau: Any = None  # ms, where it is known
    decay: Any = None  # by which tau is meant


def nodes(export: Any, neuron: Any) -> list[Any]:
    """The node that is a neuron, or a membrane and its threshold."""
    if type(neuron) not in MEMBRANES:
        export.no_word(f"{type(neuron).__name__}")
    if hasattr(neuron, "dt") and not np.allclose(np.asarray(neuron.dt, np.float64), export.dt, rtol=1e-6):
        export.refuse(f"steps by {neuron.dt} ms, and dt is {export.dt}", "export with the dt of the neurons")
    leak = MEMBRANES[type(neuron)](neuron)
    theta, reset = _fired(export, neuron)
    rest = leak.rest
    if (leak.d == 1).all():
        up = -rest  # an integrator of NIR starts at 0
        rest, theta = rest + up, None if theta is None else theta + up
        reset = None if reset is None else reset + up
    if isinstance(neuron, Synaptic):
        r = retained(neuron.decay, neuron.tau_syn, neuron.dt)
        syn = _Leak(r, gained(neuron.gain_syn, r), np.zeros(()), neuron.tau_syn, neuron.decay)
        tau_syn, w_in = _constants(export, syn, "synapse")
        tau, resistance = _constants(export, leak, "membrane")
        given = {"tau_syn": tau_syn, "tau_mem": tau, "r": resistance, "v_leak": export.each(rest), "w_in": w_in}
        kinds = export.nir.CubaLIF, export.nir.CubaLI
    elif (leak.d == 1).all():
        given = {"r": export.each(leak.g * export.unit / export.dt)}
        kinds = export.nir.IF, export.nir.I
    else:
        tau, resistance = _constants(export, leak, "membrane")
        given = {"tau": tau, "r": resistance, "v_leak": export.each(rest)}
        kinds = export.nir.LIF, export.nir.LI
    spiking, silent = kinds
    if theta is None:
        return [silent(**given)]
    if reset is None:
        return [silent(**given), export.nir.Threshold(export.each(theta))]
    return [spiking(**given, v_threshold=export.each(theta), v_reset=export.each(reset))]


def _fired(export: Any, neuron: Any) -> tuple[Any, Any]:
    """Threshold (None where it never fires) and reset (None where nothing resets it)."""
    if not hasattr(neuron, "fire"):
        return None, None
    theta = np.asarray(neuron.threshold, np.float64)
    tiny = jnp.asarray([-1e-30, 0, 1e-30], jnp.float32)
    below, at, above = np.asarray(neuron.fire(tiny)).tolist()
    if (below, above) != (0, 1):
        export.no_word(f"fire={neuron.fire!r}, which is no step at the threshold")
    if at:
        theta = np.nextafter(theta.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    reset: Any = bare(neuron.reset)
    if reset is none:
        return theta, None
    if not isinstance(reset, to_value):
        export.no_word(f"the reset {getattr(reset, '__name__', reset)!r}: it knows those to a value, in the step of the spike")
    return theta, np.asarray(reset.value, np.float64)


def _constants(export: Any, leak: _Leak, what: str) -> tuple[np.ndarray, np.ndarray]:
    """tau in the file's unit, and resistance."""
    d = leak.d
    if ((d < 0) | (d >= 1)).any():
        export.refuse(
            f"its {what} retains {np.unique(d)[:3].tolist()} in a step", "NIR has leaks that retain from 0 to less than 1"
        )
    if export.scheme is exponential and (d == 0).any():
        export.refuse(f"its {what} retains nothing, which no time constant does by exp(-dt/tau)", "export with scheme=euler")
    tau = np.asarray(leak.tau, np.float64) if leak.decay is export.scheme else TAU[export.scheme](d, export.dt)
    return export.each(tau / export.unit), export.each(leak.g / (1 - d))


def bare(reset: Reset) -> Reset:
    """A reset without its detachment, which only gradients see."""
    return bare(reset.reset) if isinstance(reset, detached) else reset


def _lif(n: Any) -> _Leak:
    d = retained(n.decay, n.tau, n.dt)
    resistance = np.asarray(n.resistance, np.float64)
    return _Leak(d, gained(n.gain, d) * resistance, np.asarray(n.v_rest, np.float64), n.tau, n.decay)


def _plif(n: PLIF) -> _Leak:
    d = (1 / (1 + np.exp(np.asarray(n.w, np.float64)))) ** np.asarray(n.dt, np.float64)
    return _Leak(d, 1 - d, np.asarray(n.v_rest, np.float64))


def _lapicque(n: Lapicque) -> _Leak:
    resistance = np.asarray(n.resistance, np.float64)
    tau = resistance * np.asarray(n.capacitance, np.float64)
    d = retained(n.decay, tau, n.dt)
    return _Leak(d, gained(current, d) * resistance, np.asarray(n.v_rest, np.float64), tau, n.decay)


def _if(n: IF) -> _Leak:
    return _Leak(np.ones(()), np.asarray(n.resistance, np.float64), np.zeros(()))


MEMBRANES: dict[type, Callable[[Any], _Leak]] = {
    IF: _if,
    LI: _lif,
    LIF: _lif,
    PLIF: _plif,
    Lapicque: _lapicque,
    Synaptic: _lif,
}
