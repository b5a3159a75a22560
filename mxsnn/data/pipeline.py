"""From samples to batches: what comes when depends on (seed, step) alone, whoever fetches it and whenever it is resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

Batch = dict[str, np.ndarray | jax.Array]
"""`frames` [B, T, H, W, C], `label` [B], `index` [B] (in the data set), `weight` [B] (0 where padded), `epoch` []."""


class Source(Protocol):
    """Encoded samples by index."""

    @property
    def labels(self) -> np.ndarray:
        """The class of each sample, int [N]."""
        ...

    def frames(self, indices: np.ndarray, epoch: int | None) -> np.ndarray | jax.Array:
        """The samples `[B, T, H, W, C]`; `epoch` tells augmentations of events apart, None: there must be none."""
        ...


class Resident:
    """A source that is encoded once and kept on the device: for sets that fit there and have no augmentation of events."""

    def __init__(self, source: Source):
        self.labels = source.labels
        self._frames = jnp.asarray(source.frames(np.arange(len(source.labels)), None))

    def frames(self, indices: np.ndarray, epoch: int | None) -> jax.Array:
        return _take(self._frames, indices)


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


def _batch(source: Source, indices: np.ndarray, epoch: int | None, size: int) -> Batch:
    """The samples at `indices`; up to `size`, the last is repeated with weight 0, so that all batches have one shape."""
    padded = np.concatenate([indices, np.repeat(indices[-1:], size - len(indices))]).astype(np.int32)
    return {
        "frames": source.frames(padded, epoch),
        "label": source.labels[padded].astype(np.int32),
        "index": padded,
        "weight": (np.arange(size) < len(indices)).astype(np.float32),
        "epoch": np.asarray(0 if epoch is None else epoch, np.int32),
    }


def training(source: Source, order: Order, start: int, stop: int, workers: int = 0) -> Iterator[Batch]:
    """The training batches of the steps from `start` to before `stop`, encoded ahead by `workers` processes (0: in this one)."""
    import grain
    from absl import flags

    def load(step: int) -> Batch:
        indices = order[step]
        return _batch(source, indices, step // order.steps_per_epoch, len(indices))

    if not workers or start >= stop:
        yield from map(load, range(start, stop))
        return
    if not flags.FLAGS.is_parsed():  # Grain's workers read flags of a command line that is not ours
        flags.FLAGS.mark_as_parsed()
    steps = grain.MapDataset.range(start, stop).map(load)
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)
    yield from steps.to_iter_dataset(reading).mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))


def evaluation(source: Source, indices: Sequence[int] | np.ndarray, batch: int) -> Iterator[Batch]:
    """All of `indices` in order, in batches of one shape, without augmentation."""
    for start in range(0, len(indices), batch):
        yield _batch(source, np.asarray(indices[start : start + batch]), None, batch)
