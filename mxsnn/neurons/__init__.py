"""Spiking neurons: one a file, each a frozen pytree of parameters with two pure functions, `init` and `step`."""

from mxsnn.neurons._base import (
    NEURONS,
    Neuron,
    Outputs,
    Parameter,
    called,
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
from mxsnn.neurons.brf import BRF, BRFState
from mxsnn.neurons.clif import CLIF, CLIFState
from mxsnn.neurons.eif import EIF, EIFState
from mxsnn.neurons.glif import GLIF, GLIFState
from mxsnn.neurons.if_ import IF, IFState
from mxsnn.neurons.integer_lif import IntegerLIF, IntegerLIFState, levels
from mxsnn.neurons.izhikevich import Izhikevich, IzhikevichState
from mxsnn.neurons.klif import KLIF, KLIFState, kept_scale, undone_scale
from mxsnn.neurons.lapicque import Lapicque, LapicqueState
from mxsnn.neurons.late import Late, LateState
from mxsnn.neurons.li import LI, LIState
from mxsnn.neurons.lif import LIF, LIFState
from mxsnn.neurons.next_step_reset import NextStepReset
from mxsnn.neurons.plif import PLIF, PLIFState
from mxsnn.neurons.qif import QIF, QIFState
from mxsnn.neurons.recorded import Recorded
from mxsnn.neurons.refractory import Refractory, RefractoryState, frozen, integrating, masked
from mxsnn.neurons.resonate_and_fire import RF, RFState, imaginary, real
from mxsnn.neurons.se_adlif import EFAdLIF, EFAdLIFState, SEAdLIF
from mxsnn.neurons.synaptic import Synaptic, SynapticState
from mxsnn.neurons.ternary_lif import TernaryLIF, TernaryLIFState

__all__ = [
    "ALIF",
    "BRF",
    "CLIF",
    "EIF",
    "GLIF",
    "IF",
    "KLIF",
    "LI",
    "LIF",
    "NEURONS",
    "PLIF",
    "QIF",
    "RF",
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
    "BRFState",
    "CLIFState",
    "EFAdLIF",
    "EFAdLIFState",
    "EIFState",
    "GLIFState",
    "IFState",
    "IntegerLIF",
    "IntegerLIFState",
    "Izhikevich",
    "IzhikevichState",
    "KLIFState",
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
    "RFState",
    "Recorded",
    "Refractory",
    "RefractoryState",
    "SEAdLIF",
    "Synaptic",
    "SynapticState",
    "TernaryLIF",
    "TernaryLIFState",
    "called",
    "duration",
    "frozen",
    "imaginary",
    "integrating",
    "kept_scale",
    "levels",
    "masked",
    "named",
    "neuron",
    "parameters",
    "positive",
    "positive_fields",
    "real",
    "renewed",
    "static",
    "time_constant",
    "undone_scale",
]
