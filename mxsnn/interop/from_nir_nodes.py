"""NIR's nodes as neurons: `mxsnn.interop.to_nir_nodes` backwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxsnn.discrete import charge, current
from mxsnn.interop.chain import channels_last, number
from mxsnn.interop.membranes import is_unit, retained
from mxsnn.neurons import IF, LI, LIF, Neuron, Synaptic
from mxsnn.reset import none, to_value
from mxsnn.typing import Decay, Fire, Reset


class Neurons:
    """Neurons of nodes, under one step and scheme, each made of a node and the threshold behind it, if any."""

    def __init__(self, dt: float, unit: float, scheme: Decay, fire: Fire) -> None:
        self.dt, self.unit, self.scheme, self.fire = dt, unit, scheme, fire

    def LIF(self, node: Any, threshold: Any) -> Neuron:
        tau, gain, resistance = self._leak(node.tau, node.r)
        theta, reset, rest = placed(_theta(node, threshold), getattr(node, "v_reset", None), node.v_leak)
        if theta is None:
            return LI(tau, rest, resistance, self.dt, gain=gain, decay=self.scheme)
        return LIF(tau, rest, resistance, theta, self.dt, fire=self.fire, reset=reset, gain=gain, decay=self.scheme)

    LI = LIF

    def IF(self, node: Any, threshold: Any) -> Neuron:
        resistance = number(channels_last(np.asarray(node.r, np.float64)) * self.dt / self.unit)
        theta, reset, rest = placed(_theta(node, threshold), getattr(node, "v_reset", None), np.zeros_like(node.r))
        if theta is not None and not np.any(rest):
            return IF(resistance, theta, fire=self.fire, reset=reset)
        never = {"tau": np.inf, "v_rest": rest, "resistance": resistance, "dt": self.dt, "gain": charge}
        return LI(**never) if theta is None else LIF(**never, threshold=theta, fire=self.fire, reset=reset)

    I = IF  # noqa: E741

    def CubaLIF(self, node: Any, threshold: Any) -> Neuron | tuple[Neuron, Neuron]:
        theta, reset, rest = placed(_theta(node, threshold), getattr(node, "v_reset", None), node.v_leak)
        tau, gain, resistance = self._leak(node.tau_mem, node.r)
        tau_syn, gain_syn, w_in = self._leak(node.tau_syn, node.w_in)
        if theta is None:  # a synapse and a membrane, a layer each
            synapse = LI(tau_syn, resistance=w_in, dt=self.dt, gain=gain_syn, decay=self.scheme)
            return synapse, LI(tau, rest, resistance, self.dt, gain=gain, decay=self.scheme)
        return Synaptic(
            tau,
            tau_syn,
            rest,
            number(np.multiply(resistance, w_in)),  # the current is linear in its weight
            theta,
            self.dt,
            fire=self.fire,
            reset=reset,
            gain=gain,
            gain_syn=gain_syn,
            decay=self.scheme,
        )

    CubaLI = CubaLIF

    def _leak(self, tau: Any, r: Any) -> tuple[Any, Any, Any]:
        """Time constant in ms, gain and resistance; inputs that weigh 1 are charges."""
        tau = channels_last(np.asarray(tau, np.float64)) * self.unit
        if not ((tau > 0) & np.isfinite(tau)).all():
            raise ValueError(f"its time constants must be positive and finite; got {np.unique(tau)[:3].tolist()} ms")
        r = channels_last(np.asarray(r, np.float64))
        if is_unit((1 - retained(self.scheme, tau, self.dt)) * r):
            return number(tau), charge, 1.0
        return number(tau), current, number(r)


def _theta(node: Any, threshold: Any) -> Any:
    return getattr(node, "v_threshold", None) if threshold is None else threshold.threshold


def placed(threshold: Any, reset: Any, rest: Any) -> tuple[Any, Reset, Any]:
    """Threshold, reset and rest, shifted where neurons are reset to several values, or where a threshold is not above 0."""
    rest = channels_last(np.asarray(rest, np.float64))
    if threshold is None:
        return None, none, number(rest)
    threshold = channels_last(np.asarray(threshold, np.float64))
    value = None if reset is None else channels_last(np.asarray(reset, np.float64))
    several = value is not None and value.size > 0 and bool((value != value.flat[0]).any())
    if several and not (threshold > value).all():
        raise ValueError("resets differ, and some lie at the threshold or above it; lower v_reset")
    if several:
        threshold, rest, value = threshold - value, rest - value, np.zeros(())
    elif not (threshold > 0).all():
        up = 1 - threshold.min()
        threshold, rest, value = threshold + up, rest + up, None if value is None else value + up
    act: Reset = none if value is None else to_value(float(value.flat[0]))
    return number(threshold), act, number(rest)
