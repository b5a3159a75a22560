"""Event cameras by name."""

from __future__ import annotations

import math
from dataclasses import replace

from mxsnn.errors import UserError
from mxsnn.events.stream import check_sensor_size
from mxsnn.sensors import event_camera
from mxsnn.sensors.event_camera import EventCamera
from mxsnn.spec import suggestion

SENSORS: dict[str, EventCamera] = {
    "davis346": event_camera.DAVIS346,
    "gen3": event_camera.GEN3_VGA,
    "evk4": event_camera.EVK4,
    "dvs128": event_camera.DVS128,
    "v2e-clean": event_camera.V2E_CLEAN,
    "v2e-noisy": event_camera.V2E_NOISY,
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
