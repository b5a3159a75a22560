"""Networks of other libraries as networks of mxsnn, and back. Those libraries are imported where they are used."""

from mxsnn.interop.from_nir import from_nir
from mxsnn.interop.to_nir import Deviation, LayerDeviation, approximate_nir, to_nir

__all__ = [
    "Deviation",
    "LayerDeviation",
    "approximate_nir",
    "from_nir",
    "to_nir",
]
