"""Checkpoints by Orbax: atomic, asynchronous, each with a digest, so that a damaged one is known and the one before it taken."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mxsnn.errors import UserError

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

        Raises: UserError for a good one of another shape: of a network or optimiser that the code made otherwise.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                return step, _shaped(self._read(step), like, self.folder / str(step))
            except UserError:
                raise
            except Exception as error:  # damage shows in as many ways as there are bytes
                aside = self.folder.parent / "damaged" / str(step)
                log.warning("checkpoint %d is damaged (%s); put aside as %s", step, str(error).split("\n")[0][:200], aside)
                self._manager.close()
                shutil.rmtree(aside, ignore_errors=True)
                aside.parent.mkdir(exist_ok=True)
                (self.folder / str(step)).rename(aside)
                self._manager = self._open()
        return None

    def _read(self, step: int) -> dict[str, np.ndarray]:
        """The leaves by name, as they were saved."""
        args = self._ocp.args
        read = self._manager.restore(step, args=args.Composite(state=args.StandardRestore(), digest=args.JsonRestore()))
        state = {name: np.asarray(leaf) for name, leaf in read["state"].items()}
        if digest(state) != read["digest"]["sha256"]:
            raise ValueError("its contents do not match its digest")
        return state

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()


def _shaped(state: dict[str, np.ndarray], like: Tree, path: Path) -> Tree:
    """The leaves in the shape of `like`. Raises: UserError that names the first that differs."""
    there, expected = ({n: f"{leaf.dtype}{list(leaf.shape)}" for n, leaf in leaves.items()} for leaves in (state, named(like)))
    for name in (*expected, *there):
        if there.get(name) != expected.get(name):
            raise UserError(
                f"{path}: its {name} is {there.get(name, 'missing')}, of this run {expected.get(name, 'missing')}: other code began"
                " the run; go on with that (its versions are in environment.json), or give another --out"
            )
    return jax.tree.unflatten(jax.tree.structure(like), [jax.numpy.asarray(state[name]) for name in expected])
