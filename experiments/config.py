"""What an experiment is: its options with units, its presets, and the command line that combines them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import jax
import tyro

from mxsnn.errors import UserError, command
from mxsnn.spec import suggestion
from mxsnn.training import heap

C = TypeVar("C")


@dataclass(frozen=True)
class Data:
    """Which recordings, and how they become frames."""

    dataset: str = "smoke"
    """by name, with its options where it has some: smoke, nmnist, folders, nefer, "tonic('DVSGesture')"; all: docs/datasets.md"""
    root: Path | None = None
    """folder of the recordings; none for smoke"""
    download: bool = False
    """nmnist and tonic: fetch what is missing into the root, through tonic"""
    where: tuple[str, ...] = ()
    """the recordings of these conditions alone, e.g. lux=50 width=128"""
    encoding: tuple[str, ...] = ()
    """of events: transforms of mxsnn and tonic, "Denoise(filter_time=10000)" "TimeFrames(bins=16, start=0, stop=340000)", us"""
    film: tuple[str, ...] = ()
    """of a camera's frames: transforms, such as "Held(bins=16, start=0, stop=340000)" "Difference()"; begin with Held; us"""
    camera: str | None = None
    """whose frames, where recordings hold those of several"""
    augment: tuple[str, ...] = ()
    """random transforms of events that come before the encoding, in training only, e.g. "FlipLR()": docs/augmentation.md"""
    shift: float = 0.0
    """training samples are moved by up to so many pixels"""
    rotate: float = 0.0
    """and turned by up to so many degrees"""
    scale: float = 0.0
    """and scaled by up to this part: 0.1 is some 10 % up or down"""
    validation: float = 0.1
    """part of the training samples that selects the model"""
    dt: float | None = None
    """length of a time bin in ms, where the encoding does not say"""


@dataclass(frozen=True)
class Train:
    """How the network learns."""

    epochs: int = 30
    """passes over the training samples"""
    batch: int = 32
    """samples per step"""
    lr: float = 2e-3
    """highest learning rate"""
    optimizer: str = "adamw"
    """adamw(weight_decay=1e-4), or sgd(momentum=0.9, weight_decay=0)"""
    schedule: str = "cosine"
    """of the learning rate: cosine(warmup=0.1), stairs(every=64, factor=0.1) in epochs, or constant"""
    smoothing: float = 0.0
    """label smoothing"""
    mixup: float = 0.0
    """alpha of mixup, which trains on pairs of samples, each a part of its own; 0: none"""
    steps: int = 0
    """steps of each training sample that are taken, at random and in their order; 0: all"""
    rates: float = 0.0
    """weight of the mean firing rate of the layers in the loss: fewer spikes, less energy"""
    patience: int = 0
    """epochs without a better validation loss after which the training ends; 0: never"""


@dataclass(frozen=True)
class Config:
    """Classifies recordings of an event camera, a frame camera, or both."""

    out: Path
    """folder of the run; the same command again resumes it"""
    data: Data = Data()
    modality: Literal["events", "rgb", "both"] = "events"
    """what the network sees: events by data.encoding, a camera's frames by data.film, or both, side by side as channels"""
    model: str = "SpikingCNN"
    """the network with its options, e.g. "SpikingCNN(channels=(16, 32))", or FILE.py:MyNetwork"""
    neuron: str = "LIF(tau=30, reset=to_value(0))"
    """its neurons: any registered one with its parameters (time constants in ms), or FILE.py:MyNeuron"""
    learn: tuple[str, ...] = ()
    """parameters of the neurons that are trained, e.g. tau threshold"""
    train: Train = Train()
    seed: int = 0
    """of the split, the initial weights, the order and the augmentation"""
    protocol: str = "official"
    """who trains and who tests: official, loso, kfold(5), stratified(5), list('fold'), cross('lux', train=500, test=5)"""
    control: str | None = None
    """what is destroyed in training and test: bins-permuted, polarity-removed, counts-only, counts-at-once, labels-permuted, ..."""
    precision: Literal["f32", "bf16"] = "f32"
    """of convolutions; membranes, losses and parameters are always f32"""
    deterministic: bool = False
    """on a GPU: ask XLA for operations that repeat to the bit; slower"""
    workers: int = 0
    """processes that encode ahead of the training, where the set is streamed"""
    cache: str | None = None
    """folder of encoded samples, which are encoded once for all runs; None: ~/.cache/mxsnn/samples; off: none are kept"""
    resident: bool | None = None
    """keep the set on the device, encoded, or as events where they are augmented; None: if it fits"""
    wandb: Literal["off", "offline", "online"] = "off"
    """also log to Weights & Biases; offline needs no account"""
    profile: bool = False
    """trace a few steps into the run's profile folder"""
    debug_nans: bool = False
    """stop where the first NaN arises"""

    def identity(self) -> dict[str, Any]:
        """What decides about the result, ready for JSON: all but where and how it runs."""
        how = ("out", "workers", "cache", "resident", "wandb", "profile", "debug_nans")
        tree = {k: v for k, v in dataclasses.asdict(self).items() if k not in how}
        tree["data"].pop("root")  # the recordings count, not where they lie
        tree["data"].pop("download")
        return tree


def parse(argv: Sequence[str], presets: Mapping[str, tuple[str, C]], program: str) -> C:
    """The configuration that `PRESET [--key value ...]` asks for.

    Raises UserError, on one line, with a suggestion for a mistyped preset or key. `--help` prints and exits.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: python -m {program} PRESET [--key value ...] --out DIR\n\npresets:")
        print("\n".join(f"  {name:8}  {about}" for name, (about, _) in presets.items()))
        print(f"\npython -m {program} PRESET --help lists the keys")
        raise SystemExit(0)
    if argv[0] not in presets:
        raise UserError(f"{argv[0]!r} is no preset{suggestion(argv[0], presets)}")
    about, default = presets[argv[0]]
    keys = {f"--{key}": None for key in _keys(default)} | {"--help": None}
    for argument in argv[1:]:
        key = argument.split("=")[0].replace("_", "-")
        if key.startswith("--") and key not in keys and key.replace("--no-", "--", 1) not in keys:
            raise UserError(f"{argument.split('=')[0]} is no option{suggestion(key, list(keys))}")
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            name = f"python -m {program} {argv[0]}"
            return tyro.cli(type(default), default=default, args=list(argv[1:]), prog=name, description=about)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        # tyro frames its message and adds help; the first sentences inside the frame are the message.
        lines = [re.sub(r"[│╭╮╰╯─]+", "", line).strip() for line in said.getvalue().splitlines()]
        message = " ".join(line for line in lines[1:3] if line) or said.getvalue().strip()
        raise UserError(message) from None


def _keys(config: Any, prefix: str = "") -> Iterator[str]:
    """The keys of the command line, as tyro names them."""
    for f in dataclasses.fields(config):
        value, name = getattr(config, f.name), f.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def prepare(config: Config) -> None:
    """Sets JAX up as the configuration says, with a compilation cache that outlives the process."""
    if config.deterministic:
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_deterministic_ops=true"
    heap.keep()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mxsnn" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    jax.config.update("jax_debug_nans", config.debug_nans)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a command and exits, as `mxsnn.errors.command`."""
    raise SystemExit(command(lambda: main(sys.argv[1:])))
