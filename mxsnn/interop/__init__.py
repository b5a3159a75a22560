"""Networks of other libraries as networks of mxsnn, and back. Those libraries are imported where they are used."""

from mxsnn.interop.approximate_nir import Deviation, LayerDeviation, approximate_nir
from mxsnn.interop.checkpoints import convert_weights
from mxsnn.interop.from_nir import from_nir
from mxsnn.interop.from_torch import from_torch
from mxsnn.interop.starting import StartingAt
from mxsnn.interop.to_nir import to_nir
from mxsnn.interop.to_torch import to_snntorch, to_spikingjelly
from mxsnn.interop.weights import load_weights, read_weights

__all__ = [
    "Deviation",
    "LayerDeviation",
    "StartingAt",
    "approximate_nir",
    "convert_weights",
    "from_nir",
    "from_torch",
    "load_weights",
    "read_weights",
    "to_nir",
    "to_snntorch",
    "to_spikingjelly",
]
