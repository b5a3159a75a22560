"""Classifies event recordings with a spiking network: `python -m experiments.classify PRESET [--key value ...] --out DIR`.

python -m experiments.classify smoke --out runs/smoke
python -m experiments.classify nmnist --data.root FOLDER --protocol "stratified(5)" --out runs/nmnist
"""

from __future__ import annotations

import logging
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments import config as configuration
from experiments.config import Config
from experiments.predictions import NAME, measured, pooled, predictions, read, write
from experiments.presets import PRESETS
from experiments.recipe import objective, optimizer
from mxsnn.data import datasets
from mxsnn.data.controls import FRAMES, LABELS
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import Source, together
from mxsnn.data.protocols import protocol_named
from mxsnn.data.sources import open_source
from mxsnn.data.splits import Split
from mxsnn.energy import INT8, count, energy
from mxsnn.errors import UserError
from mxsnn.events.tonic import compose
from mxsnn.metrics import majority
from mxsnn.models.trained import About, save
from mxsnn.report import figures
from mxsnn.spec import suggestion
from mxsnn.training import Compiled, Problem, Run, TrainState, environment, evaluate, fit
from mxsnn.training.checkpoint import digest
from mxsnn.training.logging import Metrics

log = logging.getLogger("experiments")

COUNTED = 16
"""Test samples of which operations are counted."""

SILENT, SATURATED = 1e-3, 0.5
"""Spikes per neuron and step beyond which a layer is warned about."""


def main(argv: Sequence[str]) -> None:
    """Runs what the command line asks for. Raises UserError for what the user can mend, before anything is written."""
    settings = configuration.parse(argv, PRESETS, "experiments.classify")
    configuration.prepare(settings)
    recordings, seen = _data(settings)
    splits = protocol_named(settings.protocol)(recordings, settings.data.validation, settings.seed)
    identity = settings.identity() | {"recordings": recordings.fingerprint()}
    run = Run(settings.out, identity)
    result = run.result
    if result is None:
        source = _source(settings, seen)
        about = _about(settings, seen, source, recordings.classes)
        if len(splits) > 1:
            _problem(settings, about, source, splits[0])  # what cannot work fails here
            with run:
                results = []
                for k, split in enumerate(splits):
                    fold = Run(run.folder / f"fold-{k}", identity | {"fold": k})
                    results.append(_train(settings, fold, recordings, about, source, split, f"fold {k}"))
                result = run.finish(_pooled(results, settings, run.folder))
        else:
            result = _train(settings, run, recordings, about, source, splits[0], "train")
    else:
        print(f"{run.folder} holds a finished run")
    _say(run.folder, result)


def _data(settings: Config) -> tuple[datasets.Recordings, list[Encoded]]:
    """The recordings, and how what is seen of them becomes frames: events, a camera's frames, or both."""
    data, events = settings.data, settings.modality != "rgb"
    recordings = datasets.open_dataset(data.dataset, data.root, data.download)
    for condition in data.where:
        name, equals, value = condition.partition("=")
        if not equals:
            raise UserError(f"--data.where is CONDITION=VALUE, such as lux=50; got {condition!r}")
        recordings = recordings.where(name, value)
    if settings.control in LABELS:
        permuted = LABELS[settings.control](recordings.labels, recordings.groups, settings.seed)
        recordings = replace(recordings, labels=permuted)
    elif settings.control and settings.control not in FRAMES:
        raise UserError(f"{settings.control!r} is no control{suggestion(settings.control, [*FRAMES, *LABELS])}")
    seen = []
    if events:
        size = recordings.sensor_size
        encoding = compose(data.encoding, size) if data.encoding else None
        augmented = compose((*data.augment, *data.encoding), size) if data.augment else None
        seen.append(Encoded(recordings, encoding, augmented, settings.seed))
    elif data.augment:
        raise UserError("--data.augment changes events, and --modality rgb sees none; take --data.shift, .rotate and .scale")
    if settings.modality != "events":
        if not data.film:
            raise UserError(f'--modality {settings.modality} needs --data.film, such as "Held(bins=20, start=0, stop=1000000)"')
        film = Encoded(recordings, None, None, settings.seed, data.camera).film(0)
        encoding = compose(data.film, film.size)
        if not encoding.filmed:
            raise UserError(f"--data.film begins with a camera's frames in steps, such as Held(bins=20, ...); got {data.film[0]}")
        seen.append(Encoded(recordings, encoding, None, settings.seed, data.camera))
    return recordings, seen


def _source(settings: Config, seen: list[Encoded]) -> Source:
    """Where batches are drawn from."""
    sources = [open_source(encoded, settings.cache, settings.resident, settings.workers) for encoded in seen]
    return sources[0] if len(sources) == 1 else together(*sources)


def _dt(settings: Config, seen: list[Encoded]) -> float:
    """The length of a step in ms."""
    told = {settings.data.dt or (None if encoded.encoding is None else encoded.encoding.dt) for encoded in seen}
    if len(told) > 1:
        raise UserError(f"seen together, events and frames come in steps of one length; got {', '.join(sorted(map(str, told)))} ms")
    (found,) = told
    if found is None:
        raise UserError("the encoding does not say how long a frame lasts; give --data.dt in ms")
    return found


def _about(settings: Config, seen: list[Encoded], source: Source, classes: Sequence[str]) -> About:
    """The network in words, and what it sees."""
    sizes = {encoded.encoding.filmed: encoded.encoding.sensor_size for encoded in seen if encoded.encoding is not None}
    return About(
        model=settings.model,
        neuron=settings.neuron,
        learn=settings.learn,
        dt=_dt(settings, seen),
        shape=np.shape(source.frames(np.arange(1), None))[2:],
        classes=tuple(classes),
        bf16=settings.precision == "bf16",
        encoding=settings.data.encoding,
        film=settings.data.film,
        camera=settings.data.camera,
        sensor_size=sizes.get(False),
        film_size=sizes.get(True),
    )


def _problem(settings: Config, about: About, source: Source, split: Split) -> Problem:
    """Model, loss and optimiser for one split."""
    model = about.network(settings.seed)
    train, steps = settings.train, np.shape(source.frames(np.arange(1), None))[1]
    try:
        model.eval()
        jax.eval_shape(lambda xs: model.trace(xs)[:2], jax.ShapeDtypeStruct((steps, 1, *about.shape), jnp.float32))
    except ValueError as error:  # such as a network of another number of steps
        raise UserError(f"{settings.model}: {error}") from None
    taught = objective(settings, steps), optimizer(settings, len(split.train))
    return Problem(model, *taught, source, split, train.batch, train.epochs, settings.seed, settings.workers, train.patience)


def _train(
    settings: Config, run: Run, recordings: datasets.Recordings, about: About, source: Source, split: Split, title: str
) -> dict[str, Any]:
    """Trains on one split and measures the model that the validation part selected on the test part; a run of its own."""
    if run.result is not None:
        return run.result
    problem = _problem(settings, about, source, split)
    with run:
        metrics = Metrics(run.folder, settings.wandb, settings.identity())
        try:
            state, compiled = fit(problem, run, metrics, title, profile=settings.profile)
        finally:
            metrics.close()
        if state.best.epoch < 0:
            raise UserError(f"the validation loss was never finite, see {metrics.path}; try a lower --train.lr and another --out")
        means, outputs = evaluate(compiled, problem, state.best.params, state.best.stats, split.test)
        best = nnx.merge(nnx.graphdef(problem.model), state.best.params, state.best.stats)
        save(run.folder, about, best)
        said = predictions(recordings, split.test, outputs["logits"])
        write(run.folder / NAME, said)
        result = measured(said, settings.seed)
        result |= _result(problem, state, compiled, recordings, metrics.rows(), means, outputs)
        result["energy"] = _energy(best, source.frames(split.test[:COUNTED], None), settings.modality == "events")
        figures.learning_curves(metrics.rows(), run.folder / "curves.png")
        figures.confusion_matrix(np.array(result["confusion"]), recordings.classes, run.folder / "confusion.png")
        index = int(split.test[0])
        shown = recordings[index] if settings.modality == "events" else _signed(source.frames(np.array([index]), None)[0])
        name = recordings.classes[recordings.labels[index]]
        figures.example(shown, name, _spikes(problem, state, index), run.folder / "example.png")
        return run.finish(result)


def _spikes(problem: Problem, state: TrainState, index: int) -> list[np.ndarray]:
    """The spikes `[T, ...]` of each layer for one sample, under the selected model."""
    frames = jnp.asarray(problem.source.frames(np.array([index]), None))
    model = nnx.merge(nnx.graphdef(problem.model), state.best.params, state.best.stats)
    model.eval()
    _, _, spikes = model.trace(jnp.swapaxes(frames, 0, 1))
    return [np.asarray(s, np.float32)[:, 0] for s in spikes.values()]


def _signed(frames: np.ndarray | jax.Array) -> np.ndarray:
    """What frames `[T, H, W, C]` have below and above zero, `[T, H, W, 2]`, on average over their channels."""
    mean = np.asarray(frames, np.float32).mean(-1)
    return np.stack([np.maximum(-mean, 0), np.maximum(mean, 0)], -1)


def _result(
    problem: Problem,
    state: TrainState,
    compiled: Compiled,
    recordings: datasets.Recordings,
    rows: list[dict[str, Any]],
    means: dict[str, float],
    outputs: dict[str, Any],
) -> dict[str, Any]:
    """What one training found, beside its figures of the test part."""
    train, test = problem.split.train, problem.split.test
    rates = {name: float(each.mean()) for name, each in outputs["rates"].items()}
    warnings = [said for name, rate in rates.items() if (said := _odd(name, rate))]
    for warning in warnings:
        log.warning(warning)
    here = environment()
    return {
        "test_accuracy_test_selected": max(row["test_accuracy"] for row in rows),
        "majority": majority(recordings.labels[train], recordings.labels[test]),
        "test_loss": means["loss"],
        "validation_accuracy": rows[int(state.best.epoch) - 1]["validation_accuracy"],
        "validation_n": len(problem.split.validation),
        "train_n": len(train),
        "epoch": int(state.best.epoch),
        "epochs": problem.epochs,
        "params_digest": digest((state.params, state.stats)),
        "parameters": int(sum(p.size for p in jax.tree.leaves(state.params))),
        "firing_rates": rates,
        "warnings": warnings,
        "seconds_per_epoch": float(np.median([row["seconds"] for row in rows])),
        "compile_seconds": compiled.seconds,
        "peak_memory_bytes": _peak_memory(),
        "device": here["devices"][0],
        "versions": here["versions"],
    }


def _energy(network: nnx.Module, frames: np.ndarray | jax.Array, events: bool) -> dict[str, Any] | None:
    """Operations of a sample `[B, T, H, W, C]`, on average, and what they cost on paper, pJ; None where they cannot be counted."""
    network.eval()
    try:
        counts = count(network, jnp.swapaxes(jnp.asarray(frames), 0, 1), event_inputs=events)
    except (ValueError, OverflowError) as error:
        log.warning("the energy of this network is not known: %s", error)
        return None
    costs = {"float32": energy(counts).to_dict(), "int8": energy(counts, INT8).to_dict()}
    return {"samples": counts.samples, "sops": counts.sops / counts.samples, "macs": counts.macs / counts.samples, "pJ": costs}


def _odd(name: str, rate: float) -> str:
    """What is wrong with the rate of a layer, spikes per neuron and step, and what may mend it; "" for nothing."""
    if rate < SILENT:
        return f"{name} is silent: {rate:.2g} spikes per neuron and step; lower its neurons' threshold, or lengthen their tau"
    if rate > SATURATED:
        return f"{name} is saturated: {rate:.2g} spikes per neuron and step; raise its neurons' threshold, or shorten their tau"
    return ""


def _peak_memory() -> int:
    """The most that the device held, or on a CPU the process."""
    stats = jax.devices()[0].memory_stats() or {}
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return stats.get("peak_bytes_in_use", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _pooled(results: list[dict[str, Any]], settings: Config, folder: Path) -> dict[str, Any]:
    """The folds' test parts together."""
    said = pooled([read(folder / f"fold-{k}" / NAME) for k in range(len(results))])
    write(folder / NAME, said)
    found = measured(said, settings.seed)
    figures.confusion_matrix(np.array(found["confusion"]), said.classes, folder / "confusion.png")

    def weighted(key: str) -> float:
        return float(np.average([r[key] for r in results], weights=[r["test_n"] for r in results]))

    return found | {
        "test_accuracy_test_selected": weighted("test_accuracy_test_selected"),
        "majority": weighted("majority"),
        "folds": [r["test_accuracy"] for r in results],
        "params_digest": digest([np.frombuffer(bytes.fromhex(r["params_digest"]), np.uint8) for r in results]),
        "firing_rates": {k: float(np.mean([r["firing_rates"][k] for r in results])) for k in results[0]["firing_rates"]},
        "warnings": sorted({w for r in results for w in r["warnings"]}),
        "energy": results[0]["energy"],
        "seconds_per_epoch": weighted("seconds_per_epoch"),
        "compile_seconds": sum(r["compile_seconds"] for r in results),
        "peak_memory_bytes": max(r["peak_memory_bytes"] for r in results),
        **{key: results[0][key] for key in ("parameters", "device", "versions")},
    }


def _say(folder: Path, result: dict[str, Any]) -> None:
    """The result in a few lines."""
    low, high = result["test_interval"]
    print(f"test accuracy   {result['test_accuracy']:.1%}  (95 % interval {low:.1%} to {high:.1%}, n = {result['test_n']})")
    print(f"                UF1 {result['uf1']:.3f}, UAR {result['uar']:.3f}")
    if "subjects" in result:
        low, high = result["interval_by_subject"]
        note = f"; {result['interval_note']}" if result["interval_note"] else ""
        print(f"                {low:.1%} to {high:.1%} by subject, of {result['subjects']} subjects{note}")
    print(f"                {result['test_accuracy_test_selected']:.1%} where the test itself picks the epoch; not a result")
    print(f"beside it       chance {result['chance']:.1%}, most frequent class {result['majority']:.1%}")
    print(f"training        {result['seconds_per_epoch']:.2f} s per epoch, {result['parameters']} parameters, {result['device']}")
    if result.get("energy"):
        spent = result["energy"]["pJ"]["float32"]
        counts = f"{result['energy']['sops']:,.0f} SOPs and {result['energy']['macs']:,.0f} MACs"
        print(
            f"on paper        {spent['operations'] / 1e3:,.1f} nJ a sample, {spent['total'] / 1e3:,.1f} with memory, for {counts}"
        )
    print(f"all of it       {folder}/")


if __name__ == "__main__":
    configuration.run(main)
