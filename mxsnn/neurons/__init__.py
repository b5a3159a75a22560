"""Spiking neurons: one a file, each a frozen pytree of parameters with two pure functions, `init` and `step`."""

from mxsnn.neurons._base import (
    NEURONS,
    Neuron,
    Outputs,
    Parameter,
    duration,
    named,
    neuron,
    parameters,
    positive,
    positive_fields,
    renewed,
    static,
    time_constant,
)
from mxsnn.neurons.ad_lif import AdLIF, AdLIFState
from mxsnn.neurons.adex import AdEx, AdExState
from mxsnn.neurons.adqif import AdQIF, AdQIFState
from mxsnn.neurons.alif import ALIF, ALIFState
from mxsnn.neurons.alpha import Alpha, AlphaState
from mxsnn.neurons.autapse import Autapse, AutapseState
from mxsnn.neurons.eif import EIF, EIFState
from mxsnn.neurons.if_ import IF, IFState
from mxsnn.neurons.izhikevich import Izhikevich, IzhikevichState
from mxsnn.neurons.lapicque import Lapicque, LapicqueState
from mxsnn.neurons.late import Late, LateState
from mxsnn.neurons.li import LI, LIState
from mxsnn.neurons.lif import LIF, LIFState
from mxsnn.neurons.next_step_reset import NextStepReset
from mxsnn.neurons.plif import PLIF, PLIFState
from mxsnn.neurons.qif import QIF, QIFState
from mxsnn.neurons.recorded import Recorded
from mxsnn.neurons.refractory import Refractory, RefractoryState, frozen, integrating, masked
from mxsnn.neurons.se_adlif import EFAdLIF, EFAdLIFState, SEAdLIF
from mxsnn.neurons.synaptic import Synaptic, SynapticState

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
    "Alpha",
    "AlphaState",
    "Autapse",
    "AutapseState",
    "EFAdLIF",
    "EFAdLIFState",
    "EIFState",
    "IFState",
    "Izhikevich",
    "IzhikevichState",
    "LIFState",
    "LIState",
    "Lapicque",
    "LapicqueState",
    "Late",
    "LateState",
    "Neuron",
    "NextStepReset",
    "Outputs",
    "PLIFState",
    "Parameter",
    "QIFState",
    "Recorded",
    "Refractory",
    "RefractoryState",
    "SEAdLIF",
    "Synaptic",
    "SynapticState",
    "duration",
    "frozen",
    "integrating",
    "masked",
    "named",
    "neuron",
    "parameters",
    "positive",
    "positive_fields",
    "renewed",
    "static",
    "time_constant",
]
