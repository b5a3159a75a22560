"""Classifiers described in a word: those of the package, or one in a file of the user's own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flax import nnx

from mxsnn.errors import UserError
from mxsnn.models.described import with_file
from mxsnn.models.spiking_cnn import SpikingCNN
from mxsnn.neurons import Neuron
from mxsnn.spec import build, suggestion

CLASSIFIERS: dict[str, type[nnx.Module]] = {cls.__name__: cls for cls in (SpikingCNN,)}
"""By name. Each is made of `(shape (H, W, C), classes, *, dtype, rngs)` and its options, spiking ones also of `neuron` and `learn`.

Called it gives `xs[T, B, H, W, C] -> (state, logits[B, K])`; `trace` beside it the spikes `[T, B, ...]` of each layer by name."""

_GIVEN = ("self", "shape", "classes", "neuron", "learn", "dtype", "rngs")


@dataclass(frozen=True)
class Classifier:
    """A network that is still to be made: its class, and the options that a description gives it."""

    cls: Any  # a class of nnx.Module
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, **options: Any) -> Classifier:
        """The same with these options. Raises TypeError for one that it has not."""
        known = [name for name in self._parameters if name not in _GIVEN]
        for name in options:
            if name not in known:
                raise TypeError(f"there is no option {name!r}{suggestion(name, known)}")
        return replace(self, options={**self.options, **options})

    def make(self, shape: Sequence[int], classes: int, neuron: Neuron, learn: Sequence[str] = (), **others: Any) -> Any:
        """The network for samples `[T, B, *shape]`; `neuron` and `learn` for those that take them, `others` dtype and rngs.

        Raises ValueError where it cannot be made so.
        """
        spiking = {"neuron": neuron, "learn": learn} if "neuron" in self._parameters else {}
        return self.cls(tuple(shape), classes, **self.options, **spiking, **others)

    @property
    def _parameters(self) -> Sequence[str]:
        return list(inspect.signature(self.cls.__init__).parameters)


def classifier(text: str) -> Classifier:
    """The network of `SpikingCNN`, `SpikingCNN(channels=(16, 32))`, or `FILE.py:MyNetwork(width=8)`, whose file is run.

    Raises UserError for what is no network, and for options that it has not.
    """
    call, words = with_file(text, dict(CLASSIFIERS))
    known = {name: Classifier(cls) for name, cls in words.items() if isinstance(cls, type) and issubclass(cls, nnx.Module)}
    found = build(call, known)
    if not isinstance(found, Classifier):
        raise UserError(f"{text!r} is no network; write it like SpikingCNN(channels=(16, 32)), or FILE.py:MyNetwork")
    return found
