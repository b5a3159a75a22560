"""From the light of a scene to photons on a pixel, alike for every camera.

A scene is given as lux x reflectance: E lux on a surface that throws back the part r of them, in all directions alike, have
the luminance E r / pi, of which a lens of the f-number F and the transmission t casts E r t / (4 F^2) lux on the sensor:
on its axis, and of a scene that is many focal lengths away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.errors import UserError

PLANCK, LIGHT_SPEED = 6.62607015e-34, 299_792_458.0
"""J s and m/s: exact, by the definition of the SI (2019)."""

LUMENS_PER_WATT, WAVELENGTH = 683.0, 555e-9
"""The luminous efficacy of light of 540 THz (555 nm in air), by the definition of the candela."""

PHOTONS = WAVELENGTH / (PLANCK * LIGHT_SPEED * LUMENS_PER_WATT) * 1e-12
"""Photons per lux, second and um^2: 4,091 of light of 555 nm, as which light of any spectrum is counted."""


@dataclass(frozen=True)
class Lens:
    """A lens: `f_number`, focal length by aperture; `transmission`, the part of the light that it passes, 0 to 1.

    Raises: UserError for others.
    """

    f_number: float = 2.0
    transmission: float = 0.9

    def __post_init__(self) -> None:
        if not self.f_number > 0 or not 0 < self.transmission <= 1:
            raise UserError(f"a lens has f_number > 0 and 0 < transmission <= 1, got {self.f_number} and {self.transmission}")

    @property
    def throughput(self) -> float:
        """Lux on the sensor for one lux x reflectance of the scene, t / (4 F^2)."""
        return self.transmission / (4 * self.f_number**2)

    def photons(self, area: float) -> float:
        """Photons a second on `area` um^2 of the sensor, for one lux x reflectance of the scene."""
        return PHOTONS * self.throughput * area


def check_light(radiance: Any) -> None:
    """Raises: UserError for light [T, ...] below 0 or not finite; what is traced cannot be looked at."""
    if isinstance(radiance, jax.core.Tracer):
        return
    good = np.asarray(_is_light(jnp.asarray(radiance, jnp.float32)))
    if not good.all():
        k = int((~good).argmax())
        wrong = np.ravel(radiance[k])
        value = wrong[~((wrong >= 0) & (wrong < np.inf))][0]
        raise UserError(f"light is a finite number of at least 0, got {value:g} in sample {k}")


@jax.jit
def _is_light(radiance: jax.Array) -> jax.Array:
    return ((radiance >= 0) & (radiance < jnp.inf)).all(axis=tuple(range(1, radiance.ndim)))
