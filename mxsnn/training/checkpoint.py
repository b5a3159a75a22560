"""Checkpoints by Orbax: atomic, asynchronous, each with a digest, so that a damaged one is known and the one before it taken."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

log = logging.getLogger(__name__)

Tree = Any


def named(tree: Tree) -> dict[str, np.ndarray]:
    """The leaves as NumPy arrays (copies) by their path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): np.array(leaf) for path, leaf in leaves}


def digest(tree: Tree) -> str:
    """SHA-256 over names, types, shapes and bytes of all leaves, in order of their names."""
    sha = hashlib.sha256()
    for name, leaf in sorted(named(tree).items()):
        sha.update(f"{name} {leaf.dtype} {leaf.shape}\n".encode())
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()


class Checkpoints:
    """The newest `keep` checkpoints of a run, by step, in `folder`."""

    def __init__(self, folder: Path, keep: int = 2):
        import orbax.checkpoint as ocp

        logging.getLogger("absl").setLevel(logging.ERROR)
        self.folder = folder.absolute()
        self._ocp = ocp
        self._keep = keep
        self._manager = self._open()

    def _open(self):
        options = self._ocp.CheckpointManagerOptions(max_to_keep=self._keep, cleanup_tmp_directories=True)
        return self._ocp.CheckpointManager(self.folder, options=options)

    def save(self, step: int, tree: Tree) -> None:
        """Writes the leaves of `tree` beside the training; the copy is taken at once."""
        arrays, args = named(tree), self._ocp.args
        contents = args.Composite(state=args.StandardSave(arrays), digest=args.JsonSave({"sha256": digest(arrays)}))
        self._manager.save(step, args=contents, force=True)

    def restore(self, like: Tree) -> tuple[int, Tree] | None:
        """The newest good checkpoint in the shape of `like`, with its step; None where there is none.

        One that is damaged is put aside as `<folder>/../damaged/<step>`, with a warning, and the one before it is taken.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                return step, self._read(step, like)
            except Exception as error:  # damage shows in as many ways as there are bytes
                aside = self.folder.parent / "damaged" / str(step)
                log.warning("checkpoint %d is damaged (%s); put aside as %s", step, str(error).split("\n")[0][:200], aside)
                self._manager.close()
                shutil.rmtree(aside, ignore_errors=True)
                aside.parent.mkdir(exist_ok=True)
                (self.folder / str(step)).rename(aside)
                self._manager = self._open()
        return None

    def _read(self, step: int, like: Tree) -> Tree:
        expected, args = named(like), self._ocp.args
        read = self._manager.restore(step, args=args.Composite(state=args.StandardRestore(expected), digest=args.JsonRestore()))
        state = {name: np.asarray(leaf) for name, leaf in read["state"].items()}
        if digest(state) != read["digest"]["sha256"]:
            raise ValueError("its contents do not match its digest")
        for name, leaf in expected.items():
            if (state[name].shape, state[name].dtype) != (leaf.shape, leaf.dtype):
                raise ValueError(f"{name} is {state[name].dtype}{state[name].shape}, not {leaf.dtype}{leaf.shape}")
        leaves = [jax.numpy.asarray(state[name]) for name in expected]
        return jax.tree.unflatten(jax.tree.structure(like), leaves)

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()
