"""From counts to energy: operations alone, and with the memory that they read and write."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise

from mxsnn.energy.counts import Counts, Product, Updates

__all__ = ["FLOAT32", "INT8", "Energy", "Figures", "break_even", "energy"]


@dataclass(frozen=True)
class Figures:
    """What an operation and an access to memory cost, in pJ, and how many bytes a number takes; replace any with your machine's.

    The defaults are 32-bit floating point in 45 nm CMOS at 0.9 V: addition 0.9 pJ, multiplication 3.7 pJ, both 4.6 pJ; 64 bits of
    an SRAM of 8 kB, 32 kB and 1 MB 10, 20 and 100 pJ, and of a DRAM 1.3 to 2.6 nJ, of which the lower is taken. Source: Horowitz
    (2014), Computing's energy problem, ISSCC, as those quote it whom docs/energy.md names.
    """

    name: str = "float32"
    accumulate: float = 0.9  # of a synaptic operation
    addition: float = 0.9
    multiplication: float = 3.7
    function: float = 3.7  # exp, division, ...: as a multiplication, as PMC8934428 takes it for what a clock cycle does
    mac: float = 4.6
    weight_bytes: int = 4
    input_bytes: int = 4
    sum_bytes: int = 4  # of a membrane or a partial sum
    event_bytes: int = 4  # of the address of a spike
    memories: tuple[tuple[int, float], ...] = ((8 * 2**10, 10.0), (32 * 2**10, 20.0), (2**20, 100.0))  # bytes, pJ for 64 bits
    beyond: float = 1300.0  # pJ for 64 bits of what is larger than the largest

    def access(self, size: float) -> float:
        """pJ for a byte in a memory of `size` bytes: straight between the memories given, no less than the smallest costs."""
        if size <= self.memories[0][0]:
            return self.memories[0][1] / 8
        for (small, low), (large, high) in pairwise(self.memories):
            if size <= large:
                return (low + (high - low) * (size - small) / (large - small)) / 8
        return self.beyond / 8

    def operations(self, updates: Updates) -> float:
        """pJ of operations without weights."""
        each = (self.addition, self.multiplication, self.function)
        return sum(a * b for a, b in zip((updates.additions, updates.multiplications, updates.functions), each, strict=True))


FLOAT32 = Figures()
"""32-bit floating point: the figures that the literature of spiking networks uses."""

INT8 = Figures(
    name="int8",
    accumulate=0.1,
    addition=0.03,
    multiplication=0.2,
    function=0.2,
    mac=0.3,
    weight_bytes=1,
    input_bytes=1,
)
"""8-bit integers: multiplication 0.2 pJ, addition 0.03 pJ, sums in 32 bits 0.1 pJ, so 0.3 pJ for both. Source: as FLOAT32."""


@dataclass(frozen=True)
class Energy:
    """pJ a sample. `synapses` and `spikes_memory` grow with the firing rate, the others do not.

    synapses: SOPs; macs: multiplications with an accumulation: both are what the convention counts. updates: neurons and
    elementwise operations. spikes_memory: weights fetched, sums read and written and addresses, for spikes; macs_memory: weights
    and inputs fetched and outputs written, for real numbers; states_memory: states read and written.
    """

    synapses: float
    macs: float
    updates: float
    spikes_memory: float
    macs_memory: float
    states_memory: float

    @property
    def operations(self) -> float:
        """Energy as the convention has it: synaptic operations and MACs alone."""
        return self.synapses + self.macs

    @property
    def total(self) -> float:
        """Energy of all operations and of all memory."""
        return sum(asdict(self).values())

    def to_dict(self) -> dict[str, float]:
        """All parts with both sums, pJ."""
        return asdict(self) | {"operations": self.operations, "total": self.total}


def energy(counts: Counts, figures: Figures = FLOAT32) -> Energy:
    """Energy of a sample. Each operand is fetched from a memory as large as it needs to be, for every operation anew.

    A spike fetches a weight and reads and writes a sum for each of its synapses, its address is written and read once. Of real
    numbers each product fetches its weight, sums stay in a register and an output is written once; the number itself is fetched for
    each product of a convolution, once for a vector. Neurons read and write their state at each step. After Lemaire et al. (2022).
    """
    n = counts.samples
    spiking = [p for p in counts.products if p.spikes]
    real = [p for p in counts.products if not p.spikes]
    states = sum(2 * s.accesses * figures.sum_bytes * figures.access(s.numbers / n * figures.sum_bytes) for s in counts.states)
    return Energy(
        synapses=counts.sops * figures.accumulate / n,
        macs=counts.macs * figures.mac / n,
        updates=(figures.operations(counts.neurons) + figures.operations(counts.elementwise)) / n,
        spikes_memory=sum(_of_spikes(p, figures) for p in spiking) / n,
        macs_memory=sum(_of_numbers(p, figures) for p in real) / n,
        states_memory=states / n,
    )


def _of_spikes(product: Product, figures: Figures) -> float:
    """pJ of the memory behind a product of spikes; a spike that counts as 3 fetches its weights once."""
    weights = product.active * figures.weight_bytes * figures.access(product.weight * figures.weight_bytes)
    sums = 2 * product.active * figures.sum_bytes * figures.access(product.row[1] * figures.sum_bytes)
    addresses = 2 * product.nonzero * figures.event_bytes * figures.access(product.row[0] * figures.event_bytes)
    return weights + sums + addresses


def _of_numbers(product: Product, figures: Figures) -> float:
    """pJ of the memory behind a product of real numbers."""
    weights = product.products * figures.weight_bytes * figures.access(product.weight * figures.weight_bytes)
    reads = product.products if product.name.startswith("conv") else product.numbers
    inputs = reads * figures.input_bytes * figures.access(product.row[0] * figures.input_bytes)
    return weights + inputs + product.outputs * figures.input_bytes * figures.access(product.row[1] * figures.input_bytes)


def break_even(counts: Counts, spiking: Energy, other: Energy) -> dict[str, float | None]:
    """The mean firing rate at which `spiking`, the energy of `counts`, equals `other`: by operations, and by the total.

    All rates are scaled alike, and the counts of real numbers and updates stay. Negative where even a silent network takes more;
    None for one without spikes.
    """
    growing = {"operations": spiking.synapses, "total": spiking.synapses + spiking.spikes_memory}
    found: dict[str, float | None] = {}
    for account, part in growing.items():
        rest = getattr(spiking, account) - part
        found[account] = counts.rate * (getattr(other, account) - rest) / part if counts.rate and part else None
    return found
