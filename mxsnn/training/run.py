"""A run is a directory that says everything: configuration, environment, metrics, checkpoints, and its result, written last.

`environment.json` is a list with one entry for each start.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

from mxsnn.errors import UserError
from mxsnn.locks import held

PACKAGES = ("mxsnn", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "tonic", "numpy", "wandb")


def write_atomically(path: Path, text: str) -> None:
    """Writes a file so that at any moment it is wholly there, as before or as after."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def environment() -> dict[str, Any]:
    """What a run ran on: command, commit, versions, devices, processor."""
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "command": sys.argv,
        "commit": _commit(),
        "versions": versions | {"python": platform.python_version()},
        "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()],
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _commit() -> str | None:
    """The commit that the package runs from, `+` where files have changed since; None outside a checkout of its own."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(root)]
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + "+" * bool(dirty)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


class Run:
    """The run of one configuration in `folder`: made or resumed by `with`, and then held by this process alone.

    Nothing is written before that. Raises UserError where the folder holds anything else (another configuration, other files), and
    on entering where another process is at it.
    """

    def __init__(self, folder: str | Path, config: dict[str, Any]):
        self.folder = Path(folder)
        self._config = json.loads(json.dumps(config))
        self._known = self.folder / "config.json"
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file; give a folder for the run")
        if self._known.exists():
            _same(_read(self._known), self._config, self.folder)
        elif self.folder.is_dir() and {f.name for f in self.folder.iterdir()} - {"lock", "config.json.tmp"}:
            # Those two are of a run that was killed before it had written its configuration.
            raise UserError(f"{self.folder} holds other files and no config.json; give an empty or a new folder")

    def __enter__(self) -> Run:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / "lock").open("w")
            alone = held(self._lock)
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror}; give another --out") from None
        if not alone:
            self._lock.close()
            raise UserError(f"another process is running in {self.folder}; wait for it or give another folder") from None
        if not self._known.exists():
            write_atomically(self._known, json.dumps(self._config, indent=2) + "\n")
        path = self.folder / "environment.json"
        starts = _read(path) if path.exists() else []
        write_atomically(path, json.dumps([*starts, environment()], indent=2) + "\n")
        return self

    def __exit__(self, *_) -> None:
        self._lock.close()

    @property
    def result(self) -> dict[str, Any] | None:
        """What the run found, None while it is not finished."""
        path = self.folder / "result.json"
        return _read(path) if path.exists() else None

    def finish(self, result: dict[str, Any]) -> dict[str, Any]:
        """Writes `result.json`, whereby the run is finished; returns what it says."""
        write_atomically(self.folder / "result.json", json.dumps(result, indent=2) + "\n")
        return _read(self.folder / "result.json")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}; mend or remove it") from None


def _same(before: Any, now: Any, folder: Path) -> None:
    """Refuses a configuration that differs from that of the folder, naming the first difference."""
    a, b = dict(_flat(before)), dict(_flat(now))
    for key in (*a, *b):
        if a.get(key) != b.get(key):
            raise UserError(
                f"{folder} holds a run with {key}={a.get(key)}, asked for is {b.get(key)}; give another --out or the same options"
            )


def _flat(tree: Any, prefix: str = ""):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, tree
