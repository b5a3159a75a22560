"""mxsnn: spiking networks for event cameras, on a pure-functional engine for spiking neurons in JAX."""

from mxsnn import discrete, neurons, reset, surrogate
from mxsnn.engine import choose, unroll

__version__ = "0.1.0"

__all__ = ["choose", "discrete", "neurons", "reset", "surrogate", "unroll"]
