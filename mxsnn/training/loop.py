"""The training loop: every step is a function of (state, step), so that a run ends the same however often it was killed."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from mxsnn.data.pipeline import Batch, Order, Source, evaluation, on_device, training
from mxsnn.data.splits import Split
from mxsnn.training.checkpoint import Checkpoints
from mxsnn.training.logging import Metrics, Progress, Row
from mxsnn.training.run import Run
from mxsnn.typing import Array

log = logging.getLogger(__name__)

Sums = dict[str, Array]
Objective = Callable[[Any, Batch, Array | None], tuple[Array, tuple[Sums, Any]]]
"""`(model, batch, key) -> (loss, (sums, outputs))`, outputs a tree of `[B, ...]`.

The sums run over the batch by weight and hold `loss` and `weight`; the key is None in evaluation."""


class Problem(NamedTuple):
    """What is to be learned, from what, and how."""

    model: nnx.Module
    objective: Objective
    optimizer: optax.GradientTransformation
    source: Source
    split: Split
    batch: int
    epochs: int
    seed: int
    workers: int = 0
    patience: int = 0  # epochs without a better validation loss that end the training; 0: none do


class Best(NamedTuple):
    """The model of the epoch that did best on the validation part."""

    params: Any
    stats: Any
    loss: Array  # validation loss, the lowest: few samples tell models apart by their loss sooner than by their accuracy
    epoch: Array


class TrainState(NamedTuple):
    """All that changes in training, and all that a checkpoint holds: `step` is the position in the data, too."""

    params: Any
    stats: Any  # what is not trained: running statistics of normalisation
    optimizer: Any
    step: Array
    key: Array
    sums: Sums  # of the epoch so far
    best: Best


class Compiled(NamedTuple):
    """The two programs of a training, and how long they took to compile."""

    train: Callable[[TrainState, Batch], TrainState]
    evaluate: Callable[[Any, Any, Batch], tuple[Sums, Any]]
    seconds: float


def initial(problem: Problem) -> TrainState:
    """The state before the first step."""
    _, params, stats = nnx.split(problem.model, nnx.Param, ...)
    key = jax.random.key_data(jax.random.key(problem.seed))
    probe = next(evaluation(problem.source, problem.split.train[:1], 1))
    _, (sums, _) = jax.eval_shape(lambda: _forward(problem, False, params, stats, probe, None)[1])
    best = Best(_copies(params), _copies(stats), jnp.float32(jnp.inf), jnp.int32(-1))
    zeros = {name: jnp.zeros(s.shape, s.dtype) for name, s in sums.items()}
    return TrainState(params, stats, problem.optimizer.init(params), jnp.int32(0), key, zeros, best)


def _forward(problem: Problem, train: bool, params, stats, batch: Batch, key):
    """`(stats afterwards, objective's result)`, with the model in training or evaluation mode."""
    view = nnx.merge(nnx.graphdef(problem.model), params, stats, copy=True)
    view.train() if train else view.eval()
    result = problem.objective(view, batch, key)
    return nnx.state(view, nnx.Not(nnx.Param)), result


def compile(problem: Problem, state: TrainState, order: Order) -> Compiled:
    """Compiles both programs for the shapes of this problem, ahead of the first step."""

    def train(state: TrainState, batch: Batch) -> TrainState:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), batch["epoch"])

        def loss(params):
            stats, (value, (sums, _)) = _forward(problem, True, params, state.stats, batch, key)
            return value, (stats, sums)

        gradients, (stats, sums) = jax.grad(loss, has_aux=True)(state.params)
        updates, optimizer = problem.optimizer.update(gradients, state.optimizer, state.params)
        return state._replace(
            params=optax.apply_updates(state.params, updates),
            stats=stats,
            optimizer=optimizer,
            step=state.step + 1,
            sums=jax.tree.map(jnp.add, state.sums, sums),
        )

    def evaluate(params, stats, batch: Batch):
        _, (_, (sums, outputs)) = _forward(problem, False, params, stats, batch, None)
        return sums, outputs

    start = time.perf_counter()
    batch = next(training(problem.source, order, 0, 1))
    probe = next(evaluation(problem.source, problem.split.validation, problem.batch))
    # The old state's memory is given to the new one where memory is scarce; a CPU has its heap to reuse.
    donated = () if jax.default_backend() == "cpu" else (0,)
    trained = jax.jit(train, donate_argnums=donated).lower(state, batch).compile()
    evaluated = jax.jit(evaluate).lower(state.params, state.stats, probe).compile()
    return Compiled(trained, evaluated, time.perf_counter() - start)


def evaluate(compiled: Compiled, problem: Problem, params, stats, indices: np.ndarray) -> tuple[dict[str, float], Any]:
    """Means of the objective's sums over the samples at `indices`, and its outputs (a tree of `[N, ...]`) in their order."""
    totals: dict[str, float] = {}
    outputs = []
    for batch in on_device(evaluation(problem.source, indices, problem.batch)):
        sums, out = compiled.evaluate(params, stats, batch)
        for name, value in sums.items():
            totals[name] = totals.get(name, 0.0) + float(value)
        outputs.append(out)
    # Only the last batch is padded, behind its samples.
    return _means(totals), jax.tree.map(lambda *parts: np.concatenate(parts)[: len(indices)], *outputs)


def _copies(tree):
    """The same values in memory of their own: what is kept must outlive the state that is given away."""
    return jax.tree.map(jnp.copy, tree)


def _means(sums) -> dict[str, float]:
    weight = float(sums["weight"])
    return {name: float(value) / weight for name, value in sums.items() if name != "weight"}


def fit(problem: Problem, run: Run, metrics: Metrics, title: str, profile: bool = False) -> tuple[TrainState, Compiled]:
    """Trains to the last epoch, or for as long as there is patience, from the newest good checkpoint of the run where there is one.

    After each epoch: the validation part decides which model is the best so far; the test part is measured beside it; a row of
    metrics and a checkpoint are written. SIGTERM and SIGINT end the training after the step at hand, with a checkpoint, by
    SystemExit with the code 128 + signal. `profile` traces five steps into the run's folder `profile`.
    """
    order = Order(problem.split.train, problem.batch, problem.seed)
    total = problem.epochs * order.steps_per_epoch
    state = initial(problem)
    checkpoints = Checkpoints(run.folder / "checkpoints")
    restored = checkpoints.restore(state)
    if restored is not None:
        state = restored[1]
        log.warning("resumed at step %d of %d", restored[0], total)
    step = int(state.step)
    metrics.rewind(step)
    compiled = compile(problem, state, order)
    progress = Progress(title, step, total)
    traced = range(step + 3, step + 8) if profile else ()
    clock = time.perf_counter()
    try:
        with _interruptions() as interrupted:
            left = step if _in_vain(problem, state, step // order.steps_per_epoch) else total
            for batch in on_device(training(problem.source, order, step, left, problem.workers)):
                if traced and step == traced[0]:
                    jax.profiler.start_trace(str(run.folder / "profile"))
                state = compiled.train(state, batch)
                if traced and step == traced[-1]:
                    jax.block_until_ready(state)
                    jax.profiler.stop_trace()
                step += 1
                progress.step()
                if step % order.steps_per_epoch == 0:
                    state, row = _end_of_epoch(problem, compiled, state, step // order.steps_per_epoch)
                    row["seconds"] = time.perf_counter() - clock
                    clock = time.perf_counter()
                    metrics.write(row)
                    progress.epoch(row)
                    checkpoints.save(step, state)
                    if _in_vain(problem, state, step // order.steps_per_epoch):
                        break
                if interrupted:
                    if step % order.steps_per_epoch:
                        checkpoints.save(step, state)
                    log.warning("stopped by signal %d at step %d of %d; the same command resumes", interrupted[0], step, total)
                    raise SystemExit(128 + interrupted[0])
    finally:
        progress.close()
        checkpoints.close()
    return state, compiled


def _in_vain(problem: Problem, state: TrainState, epoch: int) -> bool:
    """Whether the last better model is as many epochs ago as there is patience for."""
    return 0 < problem.patience <= epoch - max(int(state.best.epoch), 0)


def _end_of_epoch(problem: Problem, compiled: Compiled, state: TrainState, epoch: int) -> tuple[TrainState, Row]:
    """Measures the model on the validation and test parts; keeps it if it is the best on the validation part."""
    row: Row = {"epoch": epoch, "step": int(state.step)}
    row |= {f"train_{name}": value for name, value in _means(state.sums).items()}
    parts = {"validation": problem.split.validation, "test": problem.split.test}
    for part, indices in parts.items():
        means, _ = evaluate(compiled, problem, state.params, state.stats, indices)
        row |= {f"{part}_{name}": value for name, value in means.items()}
    loss = jnp.float32(row["validation_loss"])
    best = state.best
    if loss < best.loss:
        best = Best(_copies(state.params), _copies(state.stats), loss, jnp.int32(epoch))
    if not np.isfinite(row["train_loss"]):
        log.warning("the training loss is %s in epoch %d; a lower learning rate may help", row["train_loss"], epoch)
    return state._replace(best=best, sums=jax.tree.map(jnp.zeros_like, state.sums)), row


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Collects SIGTERM and SIGINT instead of dying; a second one of either is obeyed at once."""
    received: list[int] = []

    def note(number, _):
        received.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
