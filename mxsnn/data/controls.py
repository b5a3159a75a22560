"""Controls: what a result is worth where order, polarity, time or the labels' meaning are taken away.

Those of frames act on a sample `[T, H, W, C]`, in training and test alike, and keep its shape but where they say so, so that the
same network can be trained on them. Sums and means of whole numbers do not wrap.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.errors import UserError

Frames = Callable[[jax.Array, jax.Array], jax.Array]
"""`control(frames [T, H, W, C], key) -> frames`; the key of a clip is its own."""


def bins_permuted(frames: jax.Array, key: jax.Array) -> jax.Array:
    """The time bins in an order drawn for this clip. Destroys: order and durations. Keeps: each bin as it is."""
    return frames[jax.random.permutation(key, len(frames))]


def polarity_removed(frames: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """Every channel holds the mean of all. Destroys: which polarity. Keeps: how many events where and when.

    Channels are polarities, as of `TimeFrames`. Raises: UserError for one channel, whose sign is the polarity.
    """
    if frames.shape[-1] < 2:
        raise UserError(f"frames {frames.shape} have one channel; to remove the polarity, encode both in channels of their own")
    return jnp.broadcast_to(frames.mean(-1, keepdims=True), frames.shape)


def counts_only(frames: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """Every bin holds the mean of all. Destroys: time. Keeps: how many events where and of which polarity."""
    return jnp.broadcast_to(frames.mean(0, keepdims=True), frames.shape)


def counts_at_once(frames: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """The sum over time in one bin, `[1, H, W, C]`: as `counts_only`, with neither time to integrate."""
    return frames.sum(0, keepdims=True)


FRAMES: dict[str, Frames] = {
    "bins-permuted": bins_permuted,
    "polarity-removed": polarity_removed,
    "counts-only": counts_only,
    "counts-at-once": counts_at_once,
}
"""Controls of frames by name."""


def by_clip(control: Frames, frames: jax.Array, index: jax.Array, seed: int) -> jax.Array:
    """The control of a batch `[B, T, H, W, C]` of the clips `index` [B]: what is drawn depends on (seed, index) alone."""
    keys = jax.vmap(lambda one: jax.random.fold_in(jax.random.key(seed), one))(index)
    return jax.vmap(control)(frames, keys)


def labels_permuted(labels: np.ndarray, groups: np.ndarray | None, seed: int, part: np.ndarray | None = None) -> np.ndarray:
    """Labels [N] that have changed places. Destroys: what they say of a sample. Keeps: how frequent each is.

    part: the samples among which they change, such as those of training and validation; None: everywhere.
    """
    places = _places(labels, part)
    return _moved(labels, places, _rng(seed).permutation(places))


def labels_permuted_within(labels: np.ndarray, groups: np.ndarray | None, seed: int, part: np.ndarray | None = None) -> np.ndarray:
    """Labels that have changed places with those of the same subject. Keeps: who shows what how often.

    What is above chance under it is known by the person alone. Raises: UserError without subjects.
    """
    blocks, rng = _blocks(labels, groups, part), _rng(seed)
    return _moved(labels, np.concatenate(blocks), np.concatenate([rng.permutation(block) for block in blocks]))


def label_blocks_permuted(labels: np.ndarray, groups: np.ndarray | None, seed: int, part: np.ndarray | None = None) -> np.ndarray:
    """Subjects that have changed places, each with all labels in their order: where a subject shows one class, as in blocks.

    Where subjects have different numbers of samples, one's labels may end in the next one's place.

    Raises: UserError without subjects.
    """
    blocks = _blocks(labels, groups, part)
    order = _rng(seed).permutation(len(blocks))
    return _moved(labels, np.concatenate(blocks), np.concatenate([blocks[k] for k in order]))


LABELS: dict[str, Callable[..., np.ndarray]] = {
    "labels-permuted": labels_permuted,
    "labels-permuted-within": labels_permuted_within,
    "label-blocks-permuted": label_blocks_permuted,
}
"""Controls of labels by name, `control(labels, groups, seed, part)`."""


def majority(train: np.ndarray, n: int, classes: int, seed: int = 0) -> np.ndarray:
    """Scores [n, classes] of who knows no more than how frequent each class is in the training part (labels)."""
    if not len(train):
        raise UserError("no training labels, so that none is most frequent; give those of the training part")
    return np.tile(np.bincount(train, minlength=classes) / len(train), (n, 1))


def chance(train: np.ndarray, n: int, classes: int, seed: int = 0) -> np.ndarray:
    """Scores [n, classes] of who guesses, each class as likely."""
    return np.random.default_rng([seed, 0xC4A]).random((n, classes))


BLIND: dict[str, Callable[..., np.ndarray]] = {"majority": majority, "chance": chance}
"""Predictors that see no sample, by name, `control(train, n, classes, seed)`: every metric can be asked of them."""


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 0x1ABE1])


def _places(labels: np.ndarray, part: np.ndarray | None) -> np.ndarray:
    return np.arange(len(labels)) if part is None else np.sort(part)


def _blocks(labels: np.ndarray, groups: np.ndarray | None, part: np.ndarray | None) -> list[np.ndarray]:
    """The places of each subject."""
    if groups is None:
        raise UserError("this data set does not say who its subjects are; permute labels without them, by labels-permuted")
    places = _places(labels, part)
    return [places[groups[places] == g] for g in np.unique(groups[places])]


def _moved(labels: np.ndarray, to: np.ndarray, source: np.ndarray) -> np.ndarray:
    moved = labels.copy()
    moved[to] = labels[source]
    return moved
