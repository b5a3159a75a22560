"""What a network would spend: operations counted with real values, in any function of JAX's, and what they cost on paper."""

from mxsnn.energy.account import FLOAT32, INT8, Energy, Figures, break_even, energy
from mxsnn.energy.counts import Counts, Product, State, Updates, count
from mxsnn.energy.table import EnergyTable, Row, energy_table

__all__ = [
    "FLOAT32",
    "INT8",
    "Counts",
    "Energy",
    "EnergyTable",
    "Figures",
    "Product",
    "Row",
    "State",
    "Updates",
    "break_even",
    "count",
    "energy",
    "energy_table",
]
