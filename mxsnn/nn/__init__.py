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

__all__ = [
    "PSN",
    "MaskedPSN",
    "Readout",
    "Recurrent",
    "SlidingPSN",
    "Spiking",
    "Stack",
    "Temporal",
    "count",
    "halving",
    "last",
    "max_pool",
    "maximum",
    "mean",
]
