"""Who waits for whom: how fast each stage between a recording and a network is alone, and all of them together."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from mxsnn.data.cache import Cached
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import Batch, Order, Source, on_device, training
from mxsnn.data.splits import Split
from mxsnn.errors import UserError
from mxsnn.losses import cross_entropy
from mxsnn.models.spiking_cnn import SpikingCNN
from mxsnn.neurons import LIF
from mxsnn.training.loop import Problem, compile, initial

FEW = 0.05
"""A share of the time that is within what two measurements differ by."""

ENOUGH = 20
"""Steps of a training that say how fast it is."""

TURNS = 3
"""What is compared is measured so often in turn: a machine is not equally fast all the time."""


def waiting(encoded: Encoded, source: Source, batch: int, channels: Sequence[int], workers: int, seconds: float) -> dict[str, Any]:
    """Samples a second of each stage, measured for so many `seconds` each, and which part of the time the device waits for data.

    The stages: `read`, of a recording from its file; `encode`; `cache`, where `source` is a `Cached`, of a sample that is kept;
    `data`, batches of the training on the device, from `source` by `workers` processes; `train`, steps of a spiking network on a
    batch that lies there; `together`. The device waits 1 - together / train of the time; one faster by data / train would be fed.
    The last two are measured turn by turn, the best of each counts, over so many `steps`.

    Raises: UserError for fewer recordings than a batch, and for pictures too small for so many `channels`.
    """
    if len(source) < batch:
        raise UserError(f"a batch of {batch} is more than the {len(source)} recordings; lower --batch")
    recordings = encoded.recordings
    found: dict[str, Any] = {"samples": len(recordings), "batch": batch, "workers": workers, "device": jax.devices()[0].device_kind}
    found["read"] = _rate(lambda k: recordings[k % len(recordings)], seconds)
    some = [recordings[k] for k in range(min(len(recordings), 16))]
    encoding = encoded.encoding
    found["encode"] = None if encoding is None else _rate(lambda k: encoding(some[k % len(some)], (0, k)), seconds)
    found["source"] = type(source).__name__
    found["cache"] = None
    if isinstance(source, Cached) and encoded.augmented is None and source.kept(len(source) - 1):
        found["cache"] = _rate(lambda k: source.frames(np.array([k % len(source)]), None), seconds)
    problem = _problem(source, len(recordings.classes), batch, channels)
    order = Order(problem.split.train, batch, problem.seed)
    state = initial(problem)
    step = compile(problem, state, order).train

    def batches() -> Iterator[Batch]:
        return on_device(training(source, order, 0, 2**31 - 1, workers))

    def train(coming: Iterator[Batch], seconds: float) -> float:
        now = jax.tree.map(jnp.copy, state)
        done: deque[jax.Array] = deque()

        def one(_: int) -> None:
            nonlocal now
            now = step(now, next(coming))
            done.append(now.step + 0)  # of its own: the state's memory is given to the next one
            if len(done) > 2:  # so that the device always has a step to go on with, and never a heap of them
                done.popleft().block_until_ready()

        return batch * _rate(one, seconds)

    coming = batches()
    first = next(coming)
    found["data"] = batch * _rate(lambda _: jax.block_until_ready(next(coming)), seconds)
    turns = [[train(by, seconds / TURNS) for by in (itertools.repeat(first), batches())] for _ in range(TURNS)]
    found["train"], found["together"] = (max(speeds) for speeds in zip(*turns, strict=True))
    steps = int(found["together"] / batch * seconds / TURNS)
    return found | {"steps": steps, "device_waits": max(0.0, 1 - found["together"] / found["train"])}


def lines(found: dict[str, Any]) -> dict[str, str]:
    """What `waiting` found, to be read."""
    where = {"Resident": "encoded samples on the device", "ResidentStreams": "events on the device, augmented and encoded there"}
    names = {
        "read": "reading a recording",
        "encode": "encoding it",
        "cache": "or from the cache",
        "data": "batches" if found["source"] in where else f"batches, {found['workers']} workers",
        "train": "training on a batch that is there",
        "together": "training on those that come",
    }
    told = {text: f"{found[name]:,.0f} samples/s" for name, text in names.items() if found[name] is not None}
    waits, times = found["device_waits"], found["data"] / found["train"]
    if waits > FEW:
        verdict = f"the device ({found['device']}) waits for the data {waits:.0%} of the time"
    else:
        verdict = f"the data wait for the device ({found['device']}); one {times:.1f} times as fast would be fed"
    shared = "; both share the cores of this machine" if found["device"] == "cpu" else ""
    if found["steps"] < ENOUGH:
        verdict += f"; of {found['steps']} steps that says little, give more --seconds"
    return {"from": where.get(found["source"], "the host")} | told | {"who waits": verdict + shared}


def _rate(call: Callable[[int], Any], seconds: float) -> float:
    """Calls a second, after a few that are not counted."""
    for k in range(3):
        call(k)
    start, k = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < seconds:
        call(k + 3)
        k += 1
    return k / taken


def _problem(source: Source, classes: int, batch: int, channels: Sequence[int]) -> Problem:
    """A training of the compact network on all samples; what it learns does not matter here."""
    shape = np.shape(source.frames(np.arange(1), None))[2:]
    try:
        model = SpikingCNN(shape, classes, channels, neuron=LIF(), rngs=nnx.Rngs(0))
    except ValueError as error:
        raise UserError(str(error)) from None

    def objective(model: Any, batch: Batch, key: jax.Array | None) -> Any:
        _, logits = model(jnp.swapaxes(batch["frames"], 0, 1))
        loss = cross_entropy(logits, jnp.asarray(batch["label"]))
        return loss.mean(), ({"loss": loss.sum(), "weight": jnp.asarray(batch["weight"]).sum()}, logits)

    everything = np.arange(len(source))
    return Problem(model, objective, optax.adamw(1e-3), source, Split(everything, everything, everything), batch, 1, 0)
