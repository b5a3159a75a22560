"""Where JAX runs."""

from __future__ import annotations

import os

from mxsnn.errors import UserError


def check_device() -> None:
    """Raises: UserError where JAX finds none: JAX_PLATFORMS or a driver is wrong."""
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where a platform is known and has no device
        reason = (str(error).splitlines() or ["none of that platform"])[0]
        raise UserError(f"JAX finds no device ({reason}); JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}") from error
