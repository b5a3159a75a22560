"""Checkpoints come back to the bit, or it is said why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn.errors import UserError
from mxsnn.training.checkpoint import Checkpoints, digest, named

TREE = {
    "w": jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3),
    "opt": [jnp.arange(3), jnp.float32(2.5)],
    "key": jnp.zeros(2, jnp.uint32),
}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Checkpoints]:
    """Of a run, with one checkpoint at step 7."""
    found = Checkpoints(tmp_path / "run" / "checkpoints")
    found.save(7, TREE)
    found._manager.wait_until_finished()
    yield found
    found.close()


def test_what_was_saved_comes_back(checkpoints: Checkpoints) -> None:
    like = jax.tree.map(jnp.zeros_like, TREE)
    restored = checkpoints.restore(like)
    assert restored is not None and restored[0] == 7
    assert jax.tree.structure(restored[1]) == jax.tree.structure(TREE)
    assert digest(restored[1]) == digest(TREE)


@pytest.mark.parametrize(
    ("like", "said"),
    [
        ({**TREE, "w": jnp.zeros((2, 4), jnp.bfloat16)}, "its w is bfloat16[2, 3], of this run bfloat16[2, 4]"),
        ({**TREE, "w": jnp.zeros((2, 3), jnp.float32)}, "its w is bfloat16[2, 3], of this run float32[2, 3]"),
        ({**TREE, "bias": np.zeros(3)}, "its bias is missing, of this run float64[3]"),
        ({"w": TREE["w"], "opt": TREE["opt"]}, "its key is uint32[2], of this run missing"),
    ],
)
def test_another_structure_is_no_damage(checkpoints: Checkpoints, like: dict, said: str) -> None:
    with pytest.raises(UserError) as raised:
        checkpoints.restore(like)
    message = str(raised.value)
    assert said in message and "checkpoints/7" in message and "another --out" in message and "\n" not in message
    assert not (checkpoints.folder.parent / "damaged").exists()
    assert checkpoints.restore(TREE) is not None


def test_another_structure_by_damage_is_damage(checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture) -> None:
    """The digest is over names, types and shapes too: the checkpoint before is taken."""
    other, args = {**named(TREE), "w": np.zeros((1, 3), jnp.bfloat16)}, checkpoints._ocp.args
    content = args.Composite(state=args.StandardSave(other), digest=args.JsonSave({"sha256": digest(TREE)}))
    checkpoints._manager.save(8, args=content, force=True)
    restored = checkpoints.restore(TREE)
    assert restored is not None and restored[0] == 7
    assert "checkpoint 8 is damaged" in caplog.text and (checkpoints.folder.parent / "damaged" / "8").is_dir()
