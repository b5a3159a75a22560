"""How a network is taught: schedules and optimisers against theory, what becomes of training samples, what the loss is made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.config import Config, Train
from experiments.presets import SMOKE
from experiments.recipe import AdamW, Constant, Cosine, Stairs, mixed, objective, optimizer
from mxsnn.errors import UserError
from mxsnn.losses import cross_entropy
from tests.test_classify import SMALL, command


def settings(**given) -> Config:
    return replace(SMOKE, data=replace(SMOKE.data, shift=0), train=replace(Train(), **given))


class Echo:
    """A network whose logits are the sums of its frames' channels, and that shows which frames it was given."""

    def trace(self, xs, state=None):
        self.seen = xs
        return None, xs.sum((0, 2, 3)), {"first": xs.astype(jnp.float32), "second": 2 * xs.astype(jnp.float32)}


def batch(n=4, steps=6):
    frames = jnp.asarray(np.random.default_rng(0).normal(0, 1, (n, steps, 2, 3, 3)), jnp.float32)
    weight = jnp.array([1.0] * (n - 1) + [0.0])
    return {"frames": frames, "label": jnp.arange(n) % 3, "index": jnp.arange(n) + 5, "weight": weight}


# ---- schedules and optimisers ---------------------------------------------------------------------------------------------------


def test_stairs_are_those_of_torch():
    """lr gamma^(epoch // step): 0.001 with 64 and 0.1 over 192 epochs, as SEW-ResNet's DVS-Gesture has it."""
    rate = Stairs(64)(1e-3, 10, 192)
    for epoch in (0, 63, 64, 127, 128, 191):
        for step in (0, 9):
            assert float(rate(10 * epoch + step)) == pytest.approx(1e-3 * 0.1 ** (epoch // 64), rel=1e-6)


def test_a_cosine_rises_and_falls():
    rate = Cosine(0.25)(2.0, 10, 8)
    assert [float(rate(k)) for k in (0, 10, 20, 80)] == pytest.approx([0, 1, 2, 0], abs=1e-6)
    assert float(rate(50)) == pytest.approx(1.0, abs=1e-6) and float(Constant()(2.0, 10, 8)(77)) == 2


def test_momentum_and_decay_are_those_of_torch():
    """b = mu b + (g + decay p); p -= lr b."""
    rule = optimizer(settings(optimizer="sgd(momentum=0.5, weight_decay=0.1)", schedule="constant", lr=0.2, batch=1), 1)
    p, gradients = jnp.float32(2.0), [1.0, -0.5, 0.25]
    state, expected, b = rule.init(p), 2.0, 0.0
    for g in gradients:
        b = 0.5 * b + g + 0.1 * expected
        expected -= 0.2 * b
        change, state = rule.update(jnp.float32(g), state, p)
        p = optax.apply_updates(p, change)
        assert float(p) == pytest.approx(expected, rel=1e-6)


def test_kernels_alone_decay_by_default():
    rule = AdamW(0.5)(optax.constant_schedule(1.0))
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    change, _ = rule.update(jax.tree.map(jnp.zeros_like, params), rule.init(params), params)
    assert (change["kernel"] == -0.5).all() and (change["bias"] == 0).all()


# ---- samples and losses ---------------------------------------------------------------------------------------------------------


def test_in_evaluation_a_sample_stays_as_it_is():
    given, network = batch(), Echo()
    loss = objective(settings(steps=3, mixup=0.4, rates=2.0, smoothing=0.3), 6)
    value, (sums, outputs) = loss(network, given, None)
    np.testing.assert_array_equal(network.seen, jnp.swapaxes(given["frames"], 0, 1))
    expected = cross_entropy(outputs["logits"], given["label"])[:3].mean()
    assert float(value) == pytest.approx(float(expected), rel=1e-6) and float(sums["weight"]) == 3
    assert list(outputs["rates"]) == ["first", "second"] and outputs["rates"]["first"].shape == (4,)


def test_some_steps_in_their_order():
    given, network = batch(64, 6), Echo()
    taken = []
    for seed in range(2):
        objective(settings(steps=4), 6)(network, given, jax.random.key(seed))
        seen = np.swapaxes(np.asarray(network.seen), 0, 1)
        assert seen.shape[:2] == (64, 4)
        for sample, whole in zip(seen, np.asarray(given["frames"]), strict=True):
            places = [int(np.flatnonzero((whole == frame).all((1, 2, 3)))[0]) for frame in sample]
            assert places == sorted(set(places))
            taken.append(places)
    counts = np.bincount(np.ravel(taken), minlength=6)  # each of 6 in 4/6 of the samples
    assert abs(counts - 128 * 4 / 6).max() < 5 * np.sqrt(128 * 4 / 6 * 2 / 6) and taken[:64] != taken[64:]


def test_mixup_mixes_samples_as_it_mixes_labels():
    given, alpha = batch(256), 0.4
    frames, share, other = mixed(given["frames"], given["label"], jax.random.key(0), alpha)
    network = Echo()
    value, _ = objective(settings(mixup=alpha), 6)(network, given | {"weight": jnp.ones(256)}, key := jax.random.key(3))
    again, share2, other2 = mixed(given["frames"], given["label"], jax.random.fold_in(key, 5), alpha)
    np.testing.assert_allclose(network.seen, jnp.swapaxes(again, 0, 1), rtol=1e-6)
    logits = network.seen.sum((0, 2, 3))
    target = share2[:, None] * jax.nn.one_hot(given["label"], 3) + (1 - share2[:, None]) * jax.nn.one_hot(other2, 3)
    assert float(value) == pytest.approx(float(optax.softmax_cross_entropy(logits, target).mean()), rel=1e-5)
    partner = jnp.argmin(jnp.abs((frames - share.reshape(-1, 1, 1, 1, 1) * given["frames"])[:, None, 0, 0, 0, 0]
                                 - (1 - share)[:, None] * given["frames"][None, :, 0, 0, 0, 0]), 1)  # fmt: skip
    np.testing.assert_array_equal(given["label"][partner], other)
    assert sorted(partner.tolist()) == list(range(256))
    draws = np.random.default_rng(0).beta(alpha, alpha, 100_000)
    assert float(share.mean()) == pytest.approx(0.5, abs=0.1) and float(share.std()) == pytest.approx(draws.std(), abs=0.05)


def test_firing_rates_weigh_in_training_alone():
    given = batch()
    plain, weighed = (objective(settings(rates=rates), 6)(Echo(), given, jax.random.key(0)) for rates in (0.0, 3.0))
    rate = np.asarray(given["frames"])[:3].mean()
    assert float(weighed[0] - plain[0]) == pytest.approx(3 * (rate + 2 * rate) / 2, abs=1e-5)
    assert float(weighed[1][0]["loss"]) == pytest.approx(float(plain[1][0]["loss"]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"optimizer": "adam"}, "did you mean adamw?"),
        ({"optimizer": "sgd(momentun=1)"}, "momentun"),
        ({"schedule": "stairs"}, "every"),
        ({"schedule": "cosin"}, "did you mean cosine?"),
        ({"lr": 0}, "--train.lr must be above 0"),
        ({"batch": 99}, "a batch of 99 is more than the 40 training samples"),
        ({"steps": 7}, "takes some of the 6 steps"),
        ({"steps": -1}, "takes some of the 6 steps"),
        ({"mixup": -0.1}, "are 0 or more"),
        ({"rates": -0.1}, "are 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(given, message):
    with pytest.raises(UserError, match=message):
        optimizer(settings(**given), 40), objective(settings(**given), 6)


# ---- patience -------------------------------------------------------------------------------------------------------------------


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_patience_ends_a_training_and_a_resumed_one_stays_ended(monkeypatch, tmp_path):
    """At a learning rate of nearly 0 the running statistics alone change what the validation part says."""
    arguments = [*SMALL, "--train.epochs", "30", "--train.patience", "2", "--train.lr", "3", "--train.schedule", "constant"]
    assert command(monkeypatch, *arguments, "--out", tmp_path / "run") == 0
    losses = [row["validation_loss"] for row in rows(tmp_path / "run")]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 30 and json.loads((tmp_path / "run" / "result.json").read_text())["epoch"] == best + 1
    (tmp_path / "run" / "result.json").unlink()  # as if it had been killed before its result was written
    assert command(monkeypatch, *arguments, "--out", tmp_path / "run") == 0
    assert [row["validation_loss"] for row in rows(tmp_path / "run")] == losses
