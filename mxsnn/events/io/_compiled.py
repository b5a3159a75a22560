"""Loops that numba compiles. Importing this takes a second, so readers do it when they decode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled, free of the interpreter's lock, and kept on disk for the next process where there is a place."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba's, where neither the package nor the home can be written, as in a container
        return njit(nogil=True)(function)
