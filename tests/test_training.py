"""The loop, its checkpoints and its files, on a problem that takes seconds."""

from __future__ import annotations

import json
import logging
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from mxsnn import losses
from mxsnn.data.splits import Split
from mxsnn.errors import UserError
from mxsnn.training import Problem, Run, checkpoint, evaluate, fit
from mxsnn.training.logging import Metrics

CLASSES, N = 3, 60


class Toy:
    """Samples `[T, H, W, C]` whose class is where their noise is brighter."""

    classes = np.arange(N) % CLASSES

    def __len__(self):
        return N

    def labels(self, indices, epoch):
        return self.classes[indices]

    def frames(self, indices, epoch):
        made = []
        for i in indices:
            rng = np.random.default_rng(int(i))
            made.append(rng.poisson(0.2 + (np.arange(CLASSES) == self.classes[i])[:, None], (2, 1, CLASSES, 1)).astype(np.uint8))
        return np.stack(made)


class Linear(nnx.Module):
    def __init__(self):
        self.norm = nnx.BatchNorm(CLASSES, momentum=0.9, rngs=nnx.Rngs(0))
        self.layer = nnx.Linear(CLASSES, CLASSES, rngs=nnx.Rngs(0))

    def __call__(self, frames):
        return self.layer(self.norm(frames.astype(jnp.float32).mean(1).reshape(-1, CLASSES)))


def objective(model, batch, key):
    logits = model(batch["frames"])
    loss = losses.cross_entropy(logits, batch["label"]) * batch["weight"]
    if key is not None:  # so that the randomness of a step is part of what must be resumed
        loss = loss * jax.random.uniform(key, loss.shape, minval=0.5)
    right = ((logits.argmax(-1) == batch["label"]) * batch["weight"]).sum()
    return loss.mean(), ({"loss": loss.sum(), "accuracy": right, "weight": batch["weight"].sum()}, logits)


def problem(epochs=4) -> Problem:
    split = Split(np.arange(0, 36), np.arange(36, 48), np.arange(48, 60))
    return Problem(Linear(), objective, optax.adam(0.05), Toy(), split, batch=8, epochs=epochs, seed=0)


def train(folder, stop_at: int | None = None, epochs: int = 4):
    """The final state and the rows of a run in `folder`, perhaps stopped at a step as by a kill."""
    p = problem(epochs)
    if stop_at is not None:
        p = p._replace(source=Stopping(stop_at))
    with Run(folder, {}) as run:
        metrics = Metrics(run.folder)
        state, _ = fit(p, run, metrics, "toy")
        return state, [{k: v for k, v in row.items() if k != "seconds"} for row in metrics.rows()]


class Stopped(BaseException):
    pass


class Stopping(Toy):
    """Raises where the training asks for its batch number `at` (one more is asked for to compile)."""

    def __init__(self, at):
        self.left = at + 1

    def frames(self, indices, epoch):
        if epoch is not None:
            self.left -= 1
            if self.left < 0:
                raise Stopped
        return super().frames(indices, epoch)


def same(a, b) -> bool:
    return checkpoint.digest(a) == checkpoint.digest(b)


@pytest.mark.parametrize("stop_at", [1, 4, 5, 11])
def test_stopped_and_resumed_ends_the_same_to_the_bit(tmp_path, stop_at):
    state, rows = train(tmp_path / "whole")
    with pytest.raises(Stopped):
        train(tmp_path / "stopped", stop_at)
    again, rows_again = train(tmp_path / "stopped")
    assert same(state, again) and rows == rows_again


def test_it_learns_and_selects_on_the_validation_part(tmp_path):
    state, rows = train(tmp_path, epochs=8)
    assert rows[-1]["train_loss"] < 0.6 * rows[0]["train_loss"]
    first = min(rows, key=lambda r: np.float32(r["validation_loss"]))
    assert (int(state.best.epoch), float(state.best.loss)) == (first["epoch"], np.float32(first["validation_loss"]))


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "empty"])
def test_a_damaged_checkpoint_is_put_aside_for_the_one_before(tmp_path, caplog, damage):
    whole, rows = train(tmp_path / "whole")
    with pytest.raises(Stopped):
        train(tmp_path / "run", stop_at=15)  # two batches ahead of the step at hand
    newest = max((tmp_path / "run" / "checkpoints").iterdir(), key=lambda p: int(p.name))
    assert newest.name == "12"
    files = sorted((f for f in newest.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    if damage == "truncate":
        files[-1].write_bytes(files[-1].read_bytes()[:100])
    elif damage == "flip":
        for file in files:  # some bytes of a file say nothing, so more than one of them
            file.write_bytes(bytes(b ^ (i % 16 == 8) for i, b in enumerate(file.read_bytes())))
    elif damage == "remove":
        shutil.rmtree(newest / "state")
    else:
        for file in files:
            file.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        again, rows_again = train(tmp_path / "run")
    assert same(whole, again) and rows == rows_again
    assert "checkpoint 12 is damaged" in caplog.text and (tmp_path / "run" / "damaged" / "12").is_dir()


def test_the_digest_sees_every_bit_name_and_shape():
    tree = {"a": jnp.arange(4.0), "b": [jnp.ones((2, 2), jnp.bfloat16)]}
    others = [
        {"a": jnp.arange(4.0).at[2].add(1e-6), "b": tree["b"]},
        {"c": tree["a"], "b": tree["b"]},
        {"a": tree["a"].reshape(2, 2), "b": tree["b"]},
        {"a": tree["a"].astype(jnp.int32), "b": tree["b"]},
        {"a": tree["a"], "b": [jnp.ones((2, 2), jnp.bfloat16).at[0, 0].set(-1)]},
    ]
    assert len({checkpoint.digest(t) for t in [tree, *others]}) == 6
    assert checkpoint.digest(tree) == checkpoint.digest(jax.tree.map(np.asarray, tree))


def test_evaluation_counts_every_sample_once(tmp_path):
    p = problem()._replace(batch=7)
    with Run(tmp_path, {}) as run:
        state, compiled = fit(p._replace(epochs=1), run, Metrics(run.folder), "toy")
    for n in (1, 6, 7, 8, 12):
        indices = np.arange(48, 48 + n)
        means, logits = evaluate(compiled, p, state.params, state.stats, indices)
        assert logits.shape == (n, CLASSES)
        assert means["accuracy"] == pytest.approx((logits.argmax(-1) == Toy.classes[indices]).mean())


class TestRun:
    def test_another_configuration_is_refused_and_nothing_written(self, tmp_path):
        with Run(tmp_path / "r", {"train": {"lr": 0.1}}) as run:
            run.finish({"x": 1})
        before = {f: f.read_bytes() for f in (tmp_path / "r").iterdir()}
        with pytest.raises(UserError, match=r"train\.lr=0\.1, asked for is 0\.2"):
            Run(tmp_path / "r", {"train": {"lr": 0.2}})
        assert {f: f.read_bytes() for f in (tmp_path / "r").iterdir()} == before

    def test_foreign_files_are_refused(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("x")
        with pytest.raises(UserError, match="holds other files"):
            Run(tmp_path, {})
        with pytest.raises(UserError, match="is a file"):
            Run(tmp_path / "thesis.tex", {})

    def test_one_process_at_a_time(self, tmp_path):
        with Run(tmp_path, {}), pytest.raises(UserError, match="another process is running"), Run(tmp_path, {}):
            pass
        with Run(tmp_path, {}):
            pass

    def test_every_start_is_on_record(self, tmp_path):
        for _ in range(2):
            with Run(tmp_path, {}):
                pass
        starts = json.loads((tmp_path / "environment.json").read_text())
        assert len(starts) == 2 and starts[0]["versions"]["jax"] == jax.__version__

    def test_nothing_is_there_before_it_is_entered(self, tmp_path):
        assert Run(tmp_path / "r", {}).result is None
        assert not (tmp_path / "r").exists()


def test_metrics_forget_what_a_kill_left_behind(tmp_path):
    metrics = Metrics(tmp_path)
    for step in (4, 8, 12):
        metrics.write({"step": step})
    with metrics.path.open("a") as file:
        file.write('{"step": 1')
    assert [r["step"] for r in metrics.rows()] == [4, 8, 12]
    metrics.rewind(8)
    metrics.write({"step": 12})
    assert [json.loads(line)["step"] for line in metrics.path.read_text().splitlines()] == [4, 8, 12]
