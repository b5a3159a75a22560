"""From samples to batches: what comes when depends on (seed, step) alone, whoever fetches it and whenever it is resumed."""

from __future__ import annotations

import contextlib
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.errors import UserError, warnings_as_lines

Batch = dict[str, np.ndarray | jax.Array]
"""`frames` [B, T, H, W, C], `label` [B], `index` [B] (in the data set), `weight` [B] (0 where padded), `epoch` []."""

T = TypeVar("T")


class Source(Protocol):
    """Encoded samples by index. `epoch` tells augmentations of events apart, None: there must be none."""

    def __len__(self) -> int: ...

    def frames(self, indices: np.ndarray, epoch: int | None) -> np.ndarray | jax.Array:
        """The samples at `indices` [B], `[B, T, H, W, C]`."""
        ...

    def labels(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        """The classes of those samples, int [B]: a mirrored sample has the mirrored class."""
        ...


class OnDevice:
    """A source whose samples lie on the device: no other process can fetch them."""


class Resident(OnDevice):
    """A source that is encoded once and kept on the device: for sets that fit there and have no augmentation of events."""

    def __init__(self, source: Source):
        everything = np.arange(len(source))
        self._labels = source.labels(everything, None)
        self._frames = jnp.asarray(source.frames(everything, None))

    def __len__(self) -> int:
        return len(self._labels)

    def frames(self, indices: np.ndarray, epoch: int | None) -> jax.Array:
        return _take(self._frames, indices)

    def labels(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        return self._labels[indices]


class _Together:
    def __init__(self, one: Source, other: Source):
        self._parts = one, other

    def __len__(self) -> int:
        return len(self._parts[0])

    def frames(self, indices: np.ndarray, epoch: int | None) -> np.ndarray | jax.Array:
        return _joined(*(part.frames(indices, epoch) for part in self._parts))

    def labels(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        return self._parts[0].labels(indices, epoch)


class _TogetherOnDevice(_Together, OnDevice): ...


def together(one: Source, other: Source) -> Source:
    """Two sources of the same samples as one: side by side as channels, `[B, T, H, W, C + D]` float32, the labels of the first.

    Raises: UserError where their frames have not the same numbers of steps and pixels.
    """
    parts = one, other
    shapes = [part.frames(np.arange(1), None).shape[1:] for part in parts]
    if shapes[0][:-1] != shapes[1][:-1] or len(one) != len(other):
        got = " and ".join(f"{len(part)} of {list(shape)}" for part, shape in zip(parts, shapes, strict=True))
        raise UserError(f"seen together, both have as many samples, steps and pixels [T, H, W, C]; got {got}")
    on_device = all(isinstance(part, OnDevice) for part in parts)
    return (_TogetherOnDevice if on_device else _Together)(one, other)


@jax.jit
def _joined(*parts: jax.Array) -> jax.Array:
    return jnp.concatenate([part.astype(jnp.float32) for part in parts], -1)


_take = jax.jit(lambda frames, indices: frames[indices])


class Order:
    """The training order of `indices`: `order[step]` are the same samples whenever and wherever that step is asked for.

    Every epoch is a new permutation that depends on the seed; what does not fill a batch is left out of that epoch.
    """

    def __init__(self, indices: Sequence[int] | np.ndarray, batch: int, seed: int):
        import grain

        if len(indices) < batch:
            raise ValueError(f"a batch of {batch} needs as many training samples; got {len(indices)}")
        self.steps_per_epoch = len(indices) // batch
        self._indices = np.asarray(indices)
        self._positions = grain.MapDataset.range(len(indices)).seed(seed).shuffle().batch(batch, drop_remainder=True)

    def __getitem__(self, step: int) -> np.ndarray:
        return self._indices[self._positions[step]]


@dataclass(frozen=True)
class Shard:
    """Which part of every batch this process loads: of `count` equal parts the one at `index`.

    Parts follow each other as the processes' devices do in a mesh, so that together they are the batch of one process.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def of_this_process(cls) -> Shard:
        """That of a process among those of `jax.distributed`; all where there is one."""
        return cls(jax.process_index(), jax.process_count())

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        """Its part of `indices` [B]. Raises: UserError where they have no equal parts."""
        if len(indices) % self.count:
            raise UserError(f"a batch of {len(indices)} has no {self.count} equal parts, one for each process; change the batch")
        size = len(indices) // self.count
        return indices[self.index * size : (self.index + 1) * size]


def training(source: Source, order: Order, start: int, stop: int, workers: int = 0, shard: Shard | None = None) -> Iterator[Batch]:
    """The training batches of the steps from `start` to before `stop`, encoded ahead by `workers` processes (0: in this one).

    What lies on the device is taken from there. `shard`: the part of each batch; None is that of this process.
    """
    part, workers = shard or Shard.of_this_process(), 0 if isinstance(source, OnDevice) else workers

    def load(step: int) -> Batch:
        indices = part(order[step])
        return _batch(source, indices, np.ones(len(indices), np.float32), step // order.steps_per_epoch)

    yield from ahead(load, start, stop, workers)


def evaluation(source: Source, indices: Sequence[int] | np.ndarray, batch: int, shard: Shard | None = None) -> Iterator[Batch]:
    """All of `indices` in order, in batches of one shape, without augmentation; up to it the last is repeated with weight 0."""
    part = shard or Shard.of_this_process()
    for start in range(0, len(indices), batch):
        chosen = np.asarray(indices[start : start + batch])
        padded = np.concatenate([chosen, np.repeat(chosen[-1:], batch - len(chosen))])
        weight = (np.arange(batch) < len(chosen)).astype(np.float32)
        yield _batch(source, part(padded), part(weight), None)


def _batch(source: Source, indices: np.ndarray, weight: np.ndarray, epoch: int | None) -> Batch:
    indices = indices.astype(np.int32)
    return {
        "frames": source.frames(indices, epoch),
        "label": source.labels(indices, epoch).astype(np.int32),
        "index": indices,
        "weight": weight,
        "epoch": np.asarray(0 if epoch is None else epoch, np.int32),
    }


def ahead(load: Callable[[int], T], start: int, stop: int, workers: int = 0) -> Iterator[T]:
    """`load(k)` for k from `start` to before `stop`, in this order, ahead of time by `workers` processes (0: in this one)."""
    if not workers or start >= stop:
        yield from map(load, range(start, stop))
        return
    import grain
    from absl import flags

    if not flags.FLAGS.is_parsed():  # Grain's workers read flags of a command line that is not ours
        flags.FLAGS.mark_as_parsed()
    steps = grain.MapDataset.range(start, stop).map(load)
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)
    processes = grain.MultiprocessingOptions(num_workers=workers)
    coming = iter(steps.to_iter_dataset(reading).mp_prefetch(processes, _begin))
    try:
        yield from coming
    finally:
        coming.close()


_OF_WORKER = contextlib.ExitStack()


def _begin(index: int, count: int) -> None:
    """What a worker does first: of Ctrl-C its parent hears, and ends it; what is odd in a recording is a line there too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _OF_WORKER.enter_context(warnings_as_lines())


def on_device(batches: Iterable[Batch], sharding: jax.sharding.NamedSharding | None = None, count: int = 2) -> Iterator[Batch]:
    """The batches on the device, `count` of them on their way while one is in use: a copy and a step go on at the same time.

    `sharding`: of the axis B over the devices of all processes, to which each brings its shard; None is the default device.
    """
    waiting: deque[Batch] = deque()
    for batch in batches:
        waiting.append({name: _put(value, sharding) for name, value in batch.items()})
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


def _put(value: np.ndarray | jax.Array, sharding: jax.sharding.NamedSharding | None) -> jax.Array:
    if sharding is None:
        return jax.device_put(value)
    if not np.ndim(value):
        sharding = jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec())
    return jax.make_array_from_process_local_data(sharding, np.asarray(value))
