"""One lamp and the room's light."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from mxsnn.typing import Array, ArrayLike

__all__ = ["Light"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Light:
    """Where light comes from: a lamp far away, and a share from everywhere.

    azimuth, degrees: 0 from the camera, positive from the image's right. elevation, degrees: positive from above. ambient: the
    share of the illuminance that has no direction, 0 to 1. Level and flicker are the controls' lux, frame by frame.
    """

    azimuth: ArrayLike = 18.0
    elevation: ArrayLike = 38.0
    ambient: ArrayLike = 0.36

    def direction(self) -> Array:
        """Unit vector to the lamp [3]: x right, y down, z towards the camera."""
        a, e = jnp.deg2rad(self.azimuth), jnp.deg2rad(self.elevation)
        return jnp.stack([jnp.sin(a) * jnp.cos(e), -jnp.sin(e), jnp.cos(a) * jnp.cos(e)])

    def shade(self, normal: Array, open_: ArrayLike = 1.0) -> Array:
        """Irradiance [...] of surfaces with unit `normal` [3, ...] over that of one that faces the lamp.

        open_: the share of the room that a point sees. The lamp is somewhat wide: its light runs out softly (wrapped Lambert).
        """
        cosine = jnp.tensordot(self.direction(), normal, 1)
        wrapped = jax.nn.softplus(8 * (cosine + 0.08) / 1.08) / 8
        return self.ambient * open_ + (1 - self.ambient) * wrapped
