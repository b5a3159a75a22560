"""Spiking neurons: one a file, each a frozen pytree of parameters with two pure functions, `init` and `step`."""

from mxsnn.neurons._base import NEURONS, Neuron, Outputs, neuron, parameters, positive, positive_fields, static, time_constant
from mxsnn.neurons.alif import ALIF, ALIFState
from mxsnn.neurons.if_ import IF, IFState
from mxsnn.neurons.li import LI, LIState
from mxsnn.neurons.lif import LIF, LIFState
from mxsnn.neurons.plif import PLIF, PLIFState
from mxsnn.neurons.recorded import Recorded

__all__ = [
    "ALIF",
    "IF",
    "LI",
    "LIF",
    "NEURONS",
    "PLIF",
    "ALIFState",
    "IFState",
    "LIFState",
    "LIState",
    "Neuron",
    "Outputs",
    "PLIFState",
    "Recorded",
    "neuron",
    "parameters",
    "positive",
    "positive_fields",
    "static",
    "time_constant",
]
