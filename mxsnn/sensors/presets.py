"""Event cameras of the field, by name; constants and their sources: docs/faces.md."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from mxsnn.errors import UserError
from mxsnn.events.stream import check_sensor_size
from mxsnn.sensors.event_pixel import EventCamera, V2ECamera
from mxsnn.spec import suggestion


def _sensor(sensor_size: tuple[int, int], pitch: float, fill: float, efficiency: float, **others: Any) -> EventCamera:
    """A sensor with pixels of `pitch` um, of which `fill` is sensitive, and what is taken alike for all (docs/faces.md)."""
    area = pitch**2 * fill
    dark_current = 4e-15 / 1.602e-19 / 150 * area
    alike: dict[str, Any] = {"slope": 2.6e-4, "dark_current": dark_current, "noise": 2.0, "spread": 0.1, "refractory": 500.0}
    return EventCamera(sensor_size, area=area, efficiency=efficiency, **(alike | others))


DVS128 = _sensor((128, 128), 40.0, 0.094, 0.6, corner=3000.0, mismatch=0.021, leak=0.05, readout=1e6)
DAVIS346 = _sensor((346, 260), 18.5, 0.24, 1.0, corner=300.0, mismatch=0.035, leak=0.1, readout=12e6)
GEN3_VGA = _sensor((640, 480), 15.0, 0.25, 0.6, corner=800.0, mismatch=0.03, leak=0.1, readout=66e6)
EVK4 = _sensor(
    (1280, 720), 4.86, 0.77, 0.93, slope=3.2e-4, corner=660.0, mismatch=0.0065, leak=0.1, refractory=79.0, readout=1.066e9
)
V2E_CLEAN = V2ECamera((346, 260), mismatch=0.02)
V2E_NOISY = V2ECamera((346, 260), mismatch=0.05, cutoff=30.0, leak=0.1, spread=0.1, shot=5.0)

SENSORS: dict[str, EventCamera] = {
    "davis346": DAVIS346,
    "gen3": GEN3_VGA,
    "evk4": EVK4,
    "dvs128": DVS128,
    "v2e-clean": V2E_CLEAN,
    "v2e-noisy": V2E_NOISY,
}
"""The last two see grey levels of 0 to 255 in place of light."""


def sensor_named(text: str, threshold: float | None = None) -> EventCamera:
    """A camera of `SENSORS`; "evk4:640x480" has other pixels in number. `threshold`: of ON and OFF, in place of the sensor's.

    Raises: UserError for an unknown name, a size or a threshold that cannot be.
    """
    name, colon, size = text.lower().partition(":")
    if name not in SENSORS:
        raise UserError(f"{name!r} is no event camera{suggestion(name, SENSORS)}")
    found = SENSORS[name]
    if colon:
        width, _, height = size.partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise UserError(f"the pixels of an event camera are WIDTHxHEIGHT, such as {name}:128x96; got {text!r}")
        found = replace(found, sensor_size=check_sensor_size((int(width), int(height))))
    if threshold is not None:
        if not (math.isfinite(threshold) and threshold >= 0.01):
            raise UserError(f"a threshold is a change of ln(light) of at least 0.01, got {threshold!r}")
        found = replace(found, threshold_on=threshold, threshold_off=threshold)
    return found
