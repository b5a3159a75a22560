"""How a network is taught: optimisers and schedules by name, what becomes of training samples, and the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.config import Config
from mxsnn.data.controls import FRAMES, by_clip
from mxsnn.data.pipeline import Batch
from mxsnn.errors import UserError
from mxsnn.events.augment.frames import affine
from mxsnn.losses import cross_entropy
from mxsnn.spec import build
from mxsnn.training.loop import Objective

Schedule = Callable[[float, int, int], optax.Schedule]
"""`schedule(lr, steps of an epoch, epochs)`, lr the highest learning rate."""


@dataclass(frozen=True)
class Cosine:
    """A linear rise over the part `warmup` of the training, then half a cosine down to 0."""

    warmup: float = 0.1

    def __call__(self, lr: float, steps: int, epochs: int) -> optax.Schedule:
        return optax.warmup_cosine_decay_schedule(0.0, lr, round(self.warmup * steps * epochs), steps * epochs)


@dataclass(frozen=True)
class Stairs:
    """Constant, times `factor` after every `every` epochs: StepLR of torch."""

    every: int
    factor: float = 0.1

    def __call__(self, lr: float, steps: int, epochs: int) -> optax.Schedule:
        return optax.exponential_decay(lr, self.every * steps, self.factor, staircase=True)


@dataclass(frozen=True)
class Constant:
    """The same throughout."""

    def __call__(self, lr: float, steps: int, epochs: int) -> optax.Schedule:
        return optax.constant_schedule(lr)


@dataclass(frozen=True)
class AdamW:
    """AdamW; the decay is of kernels alone."""

    weight_decay: float = 1e-4

    def __call__(self, rate: optax.Schedule) -> optax.GradientTransformation:
        return optax.adamw(rate, weight_decay=self.weight_decay, mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params))


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum; the decay is added to the gradient of all parameters, as torch has it."""

    momentum: float = 0.9
    weight_decay: float = 0.0

    def __call__(self, rate: optax.Schedule) -> optax.GradientTransformation:
        return optax.chain(optax.add_decayed_weights(self.weight_decay), optax.sgd(rate, self.momentum))


SCHEDULES: dict[str, Callable[..., Schedule]] = {"cosine": Cosine, "stairs": Stairs, "constant": Constant}
OPTIMIZERS: dict[str, Callable[..., Callable[[optax.Schedule], optax.GradientTransformation]]] = {"adamw": AdamW, "sgd": SGD}


def optimizer(settings: Config, samples: int) -> optax.GradientTransformation:
    """The optimiser of a training on so many samples. Raises UserError for what cannot be."""
    train = settings.train
    for name in ("epochs", "batch", "lr"):
        if not (value := getattr(train, name)) > 0:
            raise UserError(f"--train.{name} must be above 0; got {value}")
    if samples < train.batch:
        raise UserError(f"a batch of {train.batch} is more than the {samples} training samples; lower --train.batch")
    rate = _named(train.schedule, SCHEDULES)(train.lr, samples // train.batch, train.epochs)
    return _named(train.optimizer, OPTIMIZERS)(rate)


def _named(text: str, known: dict[str, Callable[..., Any]]) -> Any:
    found = build(text, known)
    try:
        return found() if isinstance(found, type) else found
    except TypeError as error:
        raise UserError(f"{text!r}: {error}") from None


def objective(settings: Config, steps: int) -> Objective:
    """Loss, sums and outputs of a batch, whose samples have so many steps. Raises UserError for options that cannot be."""
    train, data = settings.train, settings.data
    if not 0 <= train.steps <= steps:
        raise UserError(f"--train.steps takes some of the {steps} steps of a sample, or 0 for all; got {train.steps}")
    if train.mixup < 0 or train.rates < 0:
        raise UserError(f"--train.mixup and --train.rates are 0 or more; got {train.mixup} and {train.rates}")

    def changed(frames: jax.Array, index: jax.Array, key: jax.Array) -> jax.Array:
        """Training samples `[B, T, H, W, C]`, moved, and in some of their steps."""
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(index)
        if any(moves := (data.shift, data.rotate, data.scale)):
            frames = jax.vmap(lambda f, k: affine(f, k, *moves))(frames, keys)
        if train.steps:
            frames = jax.vmap(lambda f, k: f[_some(jax.random.fold_in(k, 1), steps, train.steps)])(frames, keys)
        return frames

    def loss(model, batch: Batch, key: jax.Array | None):
        frames, label, weight, index = (jnp.asarray(batch[name]) for name in ("frames", "label", "weight", "index"))
        if key is not None:
            frames = changed(frames, index, key)
        if settings.control in FRAMES:
            frames = by_clip(FRAMES[settings.control], frames, index, settings.seed)
        share, other = jnp.ones(len(label)), label
        if key is not None and train.mixup:
            frames, share, other = mixed(frames, label, jax.random.fold_in(key, index[0]), train.mixup)
        _, logits, spikes = model.trace(jnp.swapaxes(frames, 0, 1))
        smoothing = train.smoothing if key is not None else 0.0
        losses = share * cross_entropy(logits, label, smoothing) + (1 - share) * cross_entropy(logits, other, smoothing)
        rates = {name: s.astype(jnp.float32).mean((0, *range(2, s.ndim))) for name, s in spikes.items()}
        sums = {"loss": (losses * weight).sum(), "accuracy": ((logits.argmax(-1) == label) * weight).sum(), "weight": weight.sum()}
        value = sums["loss"] / weight.sum()
        if key is not None and train.rates and rates:
            value += train.rates * jnp.mean(jnp.stack([(rate * weight).sum() / weight.sum() for rate in rates.values()]))
        return value, (sums, {"logits": logits, "rates": rates})

    return loss


def _some(key: jax.Array, steps: int, count: int) -> jax.Array:
    """`count` of so many steps, drawn without replacement, in their order. Source: Fang et al. (2021), SEW-ResNet's T_train."""
    return jnp.sort(jax.random.permutation(key, steps)[:count])


def mixed(frames: jax.Array, label: jax.Array, key: jax.Array, alpha: float) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`(frames, share [B], other label [B])`: of each sample and another of the batch, share of it, from Beta(alpha, alpha).

    Source: Zhang et al. (2018), mixup.
    """
    draws, order = jax.random.split(key)
    share = jax.random.beta(draws, alpha, alpha, (len(label),))
    partner = jax.random.permutation(order, len(label))
    along = share.reshape(-1, *[1] * (frames.ndim - 1))
    return along * frames + (1 - along) * frames[partner], share, label[partner]
