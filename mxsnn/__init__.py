"""mxsnn: spiking networks for event cameras, on a pure-functional engine for spiking neurons in JAX."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mxsnn import discrete, neurons, reset, surrogate
    from mxsnn.engine import choose, unroll

__version__ = "0.1.0"

__all__ = ["choose", "discrete", "neurons", "reset", "surrogate", "unroll"]


def __getattr__(name: str) -> Any:
    """What `__all__` names is imported when it is asked for: who reads recordings does not wait for JAX."""
    if name not in __all__:
        raise AttributeError(f"module 'mxsnn' has no attribute {name!r}")
    if name in ("choose", "unroll"):
        return getattr(import_module("mxsnn.engine"), name)
    return import_module(f"mxsnn.{name}")
