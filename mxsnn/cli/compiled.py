"""Compiled programs on disk: what takes seconds to compile is compiled once for all runs and processes."""

from __future__ import annotations

import os
from pathlib import Path


def keep() -> None:
    """Programs of JAX are kept in ~/.cache/mxsnn/xla ($XDG_CACHE_HOME)."""
    import jax

    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jax.config.update("jax_compilation_cache_dir", str(root / "mxsnn" / "xla"))
