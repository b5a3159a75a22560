"""Spiking neurons: one a file, each a frozen pytree of parameters with two pure functions, `init` and `step`."""

from mxsnn.neurons._base import NEURONS, Neuron, Outputs, neuron, parameters, positive, positive_fields, static, time_constant
from mxsnn.neurons.ad_lif import AdLIF, AdLIFState
from mxsnn.neurons.adex import AdEx, AdExState
from mxsnn.neurons.adqif import AdQIF, AdQIFState
from mxsnn.neurons.alif import ALIF, ALIFState
from mxsnn.neurons.eif import EIF, EIFState
from mxsnn.neurons.if_ import IF, IFState
from mxsnn.neurons.izhikevich import Izhikevich, IzhikevichState
from mxsnn.neurons.li import LI, LIState
from mxsnn.neurons.lif import LIF, LIFState
from mxsnn.neurons.plif import PLIF, PLIFState
from mxsnn.neurons.qif import QIF, QIFState
from mxsnn.neurons.recorded import Recorded
from mxsnn.neurons.se_adlif import EFAdLIF, EFAdLIFState, SEAdLIF

__all__ = [
    "ALIF",
    "EIF",
    "IF",
    "LI",
    "LIF",
    "NEURONS",
    "PLIF",
    "QIF",
    "ALIFState",
    "AdEx",
    "AdExState",
    "AdLIF",
    "AdLIFState",
    "AdQIF",
    "AdQIFState",
    "EFAdLIF",
    "EFAdLIFState",
    "EIFState",
    "IFState",
    "Izhikevich",
    "IzhikevichState",
    "LIFState",
    "LIState",
    "Neuron",
    "Outputs",
    "PLIFState",
    "QIFState",
    "Recorded",
    "SEAdLIF",
    "neuron",
    "parameters",
    "positive",
    "positive_fields",
    "static",
    "time_constant",
]
