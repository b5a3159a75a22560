"""A trained network as a folder holds it: what it is in words, its weights, and how what it sees becomes frames."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from mxsnn.errors import UserError
from mxsnn.models.classifiers import classifier
from mxsnn.models.described import stepped

ABOUT, WEIGHTS = "model.json", "model.npz"


@dataclass(frozen=True)
class About:
    """All but the weights of a trained network.

    Attributes:
      model, neuron, learn: as `classifier` and `described` take them.
      dt: of a step, ms.
      shape: [H, W, C] of a frame that it sees.
      classes: what it names.
      bf16: whether it computes in bfloat16.
      encoding: of events, as `mxsnn.events.tonic.compose` takes it; () where it sees none.
      film: of a camera's frames, likewise.
      camera: whose; None where recordings hold those of one.
      sensor_size, film_size: (width, height) in pixels that these are for; None where it does not see them.
    """

    model: str
    neuron: str
    learn: tuple[str, ...]
    dt: float
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    bf16: bool
    encoding: tuple[str, ...]
    film: tuple[str, ...]
    camera: str | None
    sensor_size: tuple[int, int] | None
    film_size: tuple[int, int] | None

    def network(self, seed: int = 0) -> Any:
        """It, untrained. Raises UserError for descriptions that cannot be, as of a user's file that is gone."""
        neuron, dtype = stepped(self.neuron, self.dt), jnp.bfloat16 if self.bf16 else jnp.float32
        make = classifier(self.model).make
        try:
            return make(self.shape, len(self.classes), neuron, self.learn, dtype=dtype, rngs=nnx.Rngs(seed))
        except ValueError as error:
            raise UserError(f"{self.model}: {error}") from None


def save(folder: Path, about: About, network: nnx.Module) -> None:
    """Writes `model.json` and `model.npz`, plain arrays by the paths of the network's variables."""
    arrays = {path: np.asarray(leaf[...]) for path, leaf in variables(network).items()}
    with (folder / WEIGHTS).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    (folder / ABOUT).write_text(json.dumps(dataclasses.asdict(about), indent=1))


def load(folder: Path) -> tuple[Any, About]:
    """The network that `save` wrote, ready to be asked, and what is known of it.

    Raises UserError where there is none, it is damaged, or its weights are of another network.
    """
    about = _about(folder)
    network = about.network()
    try:
        with (folder / WEIGHTS).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # damage leads zipfile and NumPy into any of a dozen
        raise UserError(f"{folder / WEIGHTS}: cannot be read: {str(error).partition(chr(10))[0]}") from error
    there = variables(network)
    shapes = {path: leaf[...].shape for path, leaf in there.items()}
    if shapes != {path: array.shape for path, array in arrays.items()}:
        odd = sorted(shapes.items() ^ {path: array.shape for path, array in arrays.items()}.items())
        raise UserError(f"{folder / WEIGHTS}: the weights are of another network than {about.model}: {odd[0][0]} differs")
    for path, leaf in there.items():
        leaf[...] = jnp.asarray(arrays[path], leaf[...].dtype)
    network.eval()
    return network, about


def variables(network: nnx.Module) -> dict[str, Any]:
    """What is trained, and the statistics of normalisation, by dotted path."""
    flat = nnx.to_flat_state(nnx.state(network, nnx.Any(nnx.Param, nnx.BatchStat)))
    return {".".join(map(str, path)): leaf for path, leaf in flat}


def _about(folder: Path) -> About:
    path = folder / ABOUT
    if not path.is_file():
        parts = sorted(part.parent.name for part in folder.glob(f"*/{ABOUT}"))
        hint = f"it holds {', '.join(parts)}: give one of them" if parts else "give the folder of a finished training"
        raise UserError(f"{folder}: holds no trained network; {hint}")
    try:
        found = json.loads(path.read_text())
        told: dict[str, Any] = {f.name: found[f.name] for f in dataclasses.fields(About)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged: {error}") from error
    values: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    return About(**values)
