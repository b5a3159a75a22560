"""What a network does with one batch of inputs, counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import jax
import numpy as np

from mxsnn.energy._walk import INPUT, PARAMETER, ProductSite, StateSite, Value, Walk, WorkSite

__all__ = ["Counts", "Product", "State", "Updates", "count"]


@dataclass(frozen=True)
class Product:
    """A convolution or a matrix product of data with weights, summed over all samples and steps.

    spikes: whether what entered were whole numbers, so that a product is an addition repeated. products: all of them, borders
    excluded. sops: synaptic operations, each whole number counted as what it is (its size), 0 where there are no spikes; events:
    those numbers before they reach their synapses. active, nonzero: the same with each number counted once. numbers, outputs: how
    many numbers entered and left. weight, row: numbers of the weights, and of input and output at a time (a picture, a vector).
    """

    name: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    spikes: bool
    products: int
    sops: int
    active: int
    events: int
    nonzero: int
    numbers: int
    outputs: int
    weight: int
    row: tuple[int, int]

    @property
    def macs(self) -> int:
        """Multiplications with an accumulation: every product, where the numbers are real."""
        return 0 if self.spikes else self.products

    @property
    def rate(self) -> float | None:
        """Spikes a number that entered: the mean firing rate as these synapses see it; None for real numbers."""
        return self.events / self.numbers if self.spikes and self.numbers else None


@dataclass(frozen=True)
class Updates:
    """Operations that no weight takes part in, by what they cost: additions and comparisons, multiplications, other functions."""

    additions: int = 0
    multiplications: int = 0
    functions: int = 0

    def __add__(self, other: Updates) -> Updates:
        parts = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return Updates(*(a + b for a, b in parts))

    @property
    def total(self) -> int:
        return self.additions + self.multiplications + self.functions


@dataclass(frozen=True)
class State:
    """What a loop carries on: `numbers` at a time, of all samples, and how often one of them was read, and as often written."""

    numbers: int
    accesses: int


@dataclass(frozen=True)
class Counts:
    """All that `count` finds for `samples` samples; of two batches the sum is that of both.

    neurons: operations inside of loops that carry a state; elementwise: those outside (norms, residual sums, pooling); states: what
    those loops carry.
    """

    samples: int
    products: tuple[Product, ...]
    neurons: Updates = field(default_factory=Updates)
    elementwise: Updates = field(default_factory=Updates)
    states: tuple[State, ...] = ()

    @property
    def sops(self) -> int:
        """Synaptic operations of all products."""
        return sum(product.sops for product in self.products)

    @property
    def macs(self) -> int:
        """Multiplications with an accumulation of all products."""
        return sum(product.macs for product in self.products)

    @property
    def rate(self) -> float | None:
        """Spikes a number that entered synapses, over all products of spikes; None where there are none."""
        spiking = [product for product in self.products if product.spikes]
        numbers = sum(product.numbers for product in spiking)
        return sum(product.events for product in spiking) / numbers if numbers else None

    def __add__(self, other: Counts) -> Counts:
        if [(p.name, p.weight) for p in self.products] != [(p.name, p.weight) for p in other.products]:
            raise ValueError("these are counts of different networks; add those of one network on several batches")
        return Counts(
            self.samples + other.samples,
            tuple(_joined(a, b) for a, b in zip(self.products, other.products, strict=True)),
            self.neurons + other.neurons,
            self.elementwise + other.elementwise,
            tuple(State(a.numbers + b.numbers, a.accesses + b.accesses) for a, b in zip(self.states, other.states, strict=True)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and text, for JSON."""
        rows = [asdict(p) | {"macs": p.macs, "rate": p.rate} for p in self.products]
        return asdict(self) | {"products": rows, "sops": self.sops, "macs": self.macs, "rate": self.rate}


def _joined(a: Product, b: Product) -> Product:
    """A product over two batches: of spikes where both were."""
    one = a if a.spikes and b.spikes else replace(a, spikes=False, **_NONE)
    summed = ["products", "numbers", "outputs", *(_NONE if one.spikes else ())]
    return replace(one, **{name: getattr(a, name) + getattr(b, name) for name in summed})  # pyrefly: ignore


_NONE: dict[str, Any] = dict.fromkeys(("sops", "active", "events", "nonzero"), 0)


def count(function: Callable[[Any], Any], xs: Any, *, event_inputs: bool = False, samples_axis: int = 1) -> Counts:
    """Counts what `function(xs)` does, for xs `[T, B, ...]` or a tree of such; a model in evaluation mode is a function.

    Every product of what depends on xs with what does not is recorded with its real values. A product is one of spikes where all
    numbers that enter it are whole, ADD's 2 and 3 and a -1 counted by their size, and one of real numbers otherwise; a product of
    two that depend on xs (attention) is one of spikes where one of both is, of the fewer. What reaches its first weights without
    having been through neurons is the input: real numbers, unless `event_inputs` says that whole numbers there are events.

    Samples are on axis `samples_axis` of the first leaf of xs (0 for `[B, ...]`). A branch that does not run counts nothing. Loops
    in Python are counted product by product, and the state that they carry is not seen. Raises ValueError for what cannot
    be looked into (a kernel of Pallas; a product that decides how long a loop runs), OverflowError for too many spikes at once.
    """
    leaves, form = jax.tree.flatten(xs)
    if not leaves or not -np.ndim(leaves[0]) <= samples_axis < np.ndim(leaves[0]):
        raise ValueError(f"inputs have their samples on axis {samples_axis}; got {[np.shape(leaf) for leaf in leaves]}")
    weights, model = jax.tree.flatten(function)  # a model's arrays become arguments: it is made anew, and may draw random numbers
    if any(not hasattr(weight, "dtype") for weight in weights):
        weights, model = [], jax.tree.structure(None)

    def called(weights, given):
        return (jax.tree.unflatten(model, weights) if weights else function)(jax.tree.unflatten(form, given))

    jaxpr = jax.make_jaxpr(called)(weights, leaves)
    walk = Walk()

    def run(consts, weights, given):
        values = [Value(x, PARAMETER) for x in weights] + [Value(x, INPUT) for x in given]
        return walk.run(jaxpr.jaxpr, consts, values, (), False)[1]

    tally = jax.device_get(jax.jit(run)(jaxpr.consts, weights, leaves))
    products: list[Product] = []
    work = {True: Updates(), False: Updates()}
    states: list[State] = []
    for path in sorted(tally):
        site, found = walk.sites[path], tally[path]
        times = int(found["times"])
        if isinstance(site, WorkSite):
            work[site.neurons] += Updates(times * site.additions, times * site.multiplications, times * site.functions)
        elif isinstance(site, StateSite):
            states.append(State(site.elements, times * site.elements))
        elif times:
            number = 1 + sum(product.name.startswith(site.kind) for product in products)
            products.append(_product(f"{site.kind} {number}", site, found, times, event_inputs))
    samples = np.shape(leaves[0])[samples_axis]
    return Counts(samples, tuple(products), work[True], work[False], tuple(states))


def _product(name: str, site: ProductSite, found: dict[str, Any], times: int, event_inputs: bool) -> Product:
    """A site with what was counted there; of two sides that are spikes, the one with fewer operations."""
    sides = []
    for side in site.sides:
        counted = found[side.name]
        if bool(counted["whole"]) and (event_inputs or not side.input):
            if float(counted["peak"]) * times * side.elements / side.fanout.size >= 2**31:
                raise OverflowError(f"{name}: inputs as large as {counted['peak']:g} may overflow the count; count fewer samples")
            sums, active = (counted[key].astype(object) for key in ("sums", "active"))
            parts = {"sops": sums * side.fanout, "active": active * side.fanout, "events": sums, "nonzero": active}
            sides.append({key: int(part.sum()) for key, part in parts.items()} | {"numbers": side.elements * times})
    fewest = min(sides, key=lambda side: side["sops"], default=_NONE | {"numbers": site.sides[0].elements * times})
    return Product(
        name=name,
        shapes=site.shapes,
        spikes=bool(sides),
        products=site.products * times,
        outputs=site.outputs * times,
        weight=site.weight,
        row=site.row,
        **fewest,
    )
