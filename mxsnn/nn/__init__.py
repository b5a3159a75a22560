"""The flax.nnx edge: layers with time. Those that keep state are scanned; those that do not are applied once over T*B."""

from mxsnn.nn.attention import ChannelAttention, SpatialAttention, TimeAttention
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
    "ChannelAttention",
    "Delay",
    "Flatten",
    "MaskedPSN",
    "MaxPool",
    "Readout",
    "Recurrent",
    "Scale",
    "SlidingPSN",
    "SpatialAttention",
    "Spiking",
    "Stack",
    "SumPool",
    "Temporal",
    "TimeAttention",
    "count",
    "halving",
    "last",
    "max_pool",
    "maximum",
    "mean",
]
