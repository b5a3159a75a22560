"""A run is a directory that says everything: configuration, environment, metrics, checkpoints, and its result, written last."""

from __future__ import annotations

import fcntl
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
    versions = {}
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
    """Opens or resumes the run of one configuration in `folder`, which this process then holds alone until `close`.

    Raises UserError where the folder holds anything else: another configuration, other files, a run that another process is at.
    """

    def __init__(self, folder: str | Path, config: dict[str, Any]):
        self.folder = Path(folder)
        config = json.loads(json.dumps(config))
        known = self.folder / "config.json"
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file; give a folder for the run")
        # A kill may have come before the configuration was written: its own files do not make the folder foreign.
        own = {"lock", "config.json.tmp"}
        if self.folder.is_dir() and not known.exists() and {f.name for f in self.folder.iterdir()} - own:
            raise UserError(f"{self.folder} holds other files and no config.json; give an empty or a new folder")
        if known.exists():
            _same(json.loads(known.read_text()), config, self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise UserError(f"another process is running in {self.folder}; wait for it or give another folder") from None
        if not known.exists():
            write_atomically(known, json.dumps(config, indent=2) + "\n")

    @property
    def result(self) -> dict[str, Any] | None:
        """What the run found, None while it is not finished."""
        path = self.folder / "result.json"
        return json.loads(path.read_text()) if path.exists() else None

    def started(self) -> None:
        """Adds this start's environment to `environment.json`, a list with one entry per start."""
        path = self.folder / "environment.json"
        starts = json.loads(path.read_text()) if path.exists() else []
        write_atomically(path, json.dumps([*starts, environment()], indent=2) + "\n")

    def finish(self, result: dict[str, Any]) -> None:
        """Writes `result.json`: from here on the run is finished."""
        write_atomically(self.folder / "result.json", json.dumps(result, indent=2) + "\n")

    def close(self) -> None:
        """Lets other processes at the folder."""
        self._lock.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_) -> None:
        self.close()


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
