"""A network, or a part of one, that is still to be made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mxsnn.neurons import Neuron
from mxsnn.spec import suggestion

_GIVEN = ("self", "shape", "classes", "neuron", "learn", "inputs", "heads", "dtype", "rngs")


@dataclass(frozen=True)
class Recipe:
    """What makes it, a class or a function, and the options that a description gives it."""

    cls: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, what: Callable[..., Any] | Recipe) -> Recipe:
        """A recipe as it is; a class or a function without options."""
        return what if isinstance(what, Recipe) else cls(what)

    def __call__(self, *args: Any, **options: Any) -> Recipe:
        """The same with these options, by name or in their order. Raises TypeError for one that it has not."""
        known = [name for name in self.parameters if name not in _GIVEN]
        if len(args) > len(known):
            raise TypeError(f"{len(args)} options are more than there are: {', '.join(known) or 'none'}")
        for name in options:
            if name not in known:
                raise TypeError(f"there is no option {name!r}{suggestion(name, known)}")
            if name in known[: len(args)]:
                raise TypeError(f"the option {name!r} is given twice")
        return replace(self, options={**self.options, **dict(zip(known, args, strict=False)), **options})

    def make(self, shape: Sequence[int], classes: int, neuron: Neuron, learn: Sequence[str] = (), **others: Any) -> Any:
        """The network for samples `[T, B, *shape]`; `neuron` and `learn` for those that take them, `others` dtype and rngs.

        Raises ValueError where it cannot be made so.
        """
        return self.part(shape=tuple(shape), classes=classes, neuron=neuron, learn=learn, **others)

    def part(self, **given: Any) -> Any:
        """What it makes of its options and of what it asks for by name among `given`. Raises ValueError for options that lack."""
        parameters = self.parameters
        known = {**{name: value for name, value in given.items() if name in parameters}, **self.options}
        single = [p for p in parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        needed = [p.name for p in single if p.default is p.empty and p.name != "self"]
        if lacking := [name for name in needed if name not in known]:
            name = getattr(self.cls, "__name__", str(self.cls))
            raise ValueError(f"{name} has no {' and no '.join(lacking)}; write {name}({', '.join(f'{n}=...' for n in lacking)})")
        return self.cls(**known)

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Those of the constructor or function, by name."""
        return inspect.signature(self.cls.__init__ if isinstance(self.cls, type) else self.cls).parameters
