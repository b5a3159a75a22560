"""The flax.nnx edge: layers with time. Those that keep state are scanned; those that do not are applied once over T*B."""

from mxsnn.nn.layers import (
    Readout,
    Recurrent,
    Spiking,
    Stack,
    Temporal,
    count,
    last,
    max_pool,
    maximum,
    mean,
)
from mxsnn.nn.parallel import PSN, MaskedPSN, SlidingPSN, halving
from mxsnn.nn.plain import AvgPool, Bias, Delay, Flatten, MaxPool, Scale, SumPool

__all__ = [
    "PSN",
    "AvgPool",
    "Bias",
    "Delay",
    "Flatten",
    "MaskedPSN",
    "MaxPool",
    "Readout",
    "Recurrent",
    "Scale",
    "SlidingPSN",
    "Spiking",
    "Stack",
    "SumPool",
    "Temporal",
    "count",
    "halving",
    "last",
    "max_pool",
    "maximum",
    "mean",
]
