"""Neurons described in a word: a registered one, or one in a file of the user's own."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mxsnn import discrete, neurons, reset, surrogate
from mxsnn.errors import UserError
from mxsnn.neurons import Neuron
from mxsnn.spec import build


def stepped(text: str, dt: float) -> Neuron:
    """The neuron of `described`, in steps of `dt` ms where it has such. Raises UserError for steps that it cannot take."""
    neuron = described(text)
    try:
        return neurons.renewed(neuron, dt=dt) if "dt" in neurons.named(neuron) else neuron
    except ValueError as error:  # such as a step too long for it
        raise UserError(f"{text}: {error}") from None


Words = dict[str, Callable[..., Any]]


def vocabulary() -> Words:
    """What a description may name: neurons, their constructors, and the functions that they are given."""
    words = {name: getattr(module, name) for module in (surrogate, reset, discrete) for name in module.__all__}
    given = "frozen", "integrating", "masked", "kept_scale", "undone_scale", "levels", "real", "imaginary"
    words |= {name: getattr(neurons, name) for name in given}
    for library, module in surrogate.LIBRARIES.items():
        words |= {f"{library}.{name}": getattr(module, name) for name in module.__all__}
    for name, cls in neurons.NEURONS.items():
        words |= {f"{name}.{method}": getattr(cls, method) for method in dir(cls) if _constructs(cls, method)}
    return neurons.NEURONS | words


def _constructs(cls: type, method: str) -> bool:
    """Whether a name is that of a public class method, as LIF.from_beta."""
    return not method.startswith("_") and isinstance(inspect.getattr_static(cls, method), classmethod)


def described(text: str) -> Neuron:
    """The neuron of `LIF`, `LIF(tau=30, reset=to_value(0))`, or `FILE.py:MyNeuron`, whose file is run; options or none.

    Raises UserError for what is no neuron, and for a file that cannot be run.
    """
    call, words = with_file(text, vocabulary())
    found = build(call, words)
    found = found() if isinstance(found, type) else found
    if not (hasattr(found, "init") and hasattr(found, "step")):
        raise UserError(f"{text!r} is no neuron; write it like LIF(tau=30), or FILE.py:MyNeuron")
    return found


def with_file(text: str, words: Words) -> tuple[str, Words]:
    """The call in `FILE.py:Name(...)`, and the words with those that the file has of its own; a text without a file as it is."""
    file, colon, call = text.rpartition(":")
    if not colon:
        return text, words
    return call, words | {name: value for name, value in vars(_module(Path(file))).items() if callable(value)}


def _module(path: Path) -> Any:
    """A file of Python's, run as a module."""
    name = str(path.resolve())  # no other module is called so
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"{path}: no file of Python's; write it like FILE.py:MyNeuron")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the names of annotations
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # of a user's file, which may raise anything
        raise UserError(f"{path}: {type(error).__name__}: {error}") from error
    return module
