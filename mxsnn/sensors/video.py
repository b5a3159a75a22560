"""Any video before an event camera: its frames as light, and what lies between them by optical flow.

What was not filmed stays unknown: see "Any video" in docs/faces.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.io._source import Block, Source
from mxsnn.events.recording import Frames, Recording
from mxsnn.sensors.event_camera import events, substeps
from mxsnn.sensors.event_pixel import EventCamera, PixelState, V2ECamera
from mxsnn.sensors.flow import between, flow
from mxsnn.sensors.rgb_camera import LUMINANCE, linear, srgb

_CHUNK = 64  # intervals between samples that go through the camera at once
_MOST = 256  # intervals between two frames: a scene that is cut needs no more


def simulate(frames: Frames, camera: EventCamera, lux: float, seed: int = 0, name: str | None = None) -> Source:
    """The recording that an event camera makes of what some frames show, its events made when they are asked for.

    White of the frames is a surface of reflectance 1 in `lux`; the picture fills the sensor, and what of it is wider or higher is
    cut off. Between two frames lie as many samples, drawn by their flow, that nothing moves by more than a pixel and no
    pixel's logarithm changes by more than the threshold from one to the next. The frames stand in the recording as they are.

    Raises: UserError for fewer than two times of frames, a lux that is not above 0, a seed that is no key.
    """
    if not (math.isfinite(lux) and lux > 0):
        raise UserError(f"lux is above 0, got {lux!r}")
    if not 0 <= seed < 2**32:
        raise UserError(f"a seed is from 0 to 2^32 - 1, got {seed}")
    used = np.flatnonzero(np.diff(frames.t, prepend=frames.t[:1] - 1))  # of frames of one time, the first
    if len(used) < 2:
        told = f"{len(frames)} frame{'s' * (len(frames) != 1)}" if len(frames) < 2 else f"{len(frames)} frames of one time"
        raise UserError(f"events come from changes, which need at least two frames at different times; got {told}")
    conditions = {
        "simulated": "events from the frames",
        "seed": float(seed),
        "threshold_on": float(camera.threshold_on),
        "threshold_off": float(camera.threshold_off),
    }
    recording = Recording(
        None,
        frames={"rgb" if len(frames.images.shape) == 4 else "grey": frames},
        sensor=name,
        lux=float(lux),
        conditions=conditions,
    )
    return Source(lambda: _blocks(frames, used, camera, lux, seed), camera.sensor_size, recording=recording)


def _blocks(frames: Frames, used: np.ndarray, camera: EventCamera, lux: float, seed: int) -> Iterator[Block]:
    state: PixelState | None = None
    light: list[jax.Array] = []
    times: list[int] = []
    for done, sample, time in samples(frames, used, camera, lux):
        light.append(sample)
        times.append(time)
        if len(light) > _CHUNK or (done == 1 and len(light) > 1):
            radiance = jnp.stack(light)
            state = camera.init(jax.random.key(seed), radiance[0]) if state is None else state
            at = np.array(times, np.int64)
            state, found = events(camera, radiance, at, state, substeps(camera, radiance, at, state))
            yield Block(found.t, found.x, found.y, found.p, done=done)
            light, times = light[-1:], times[-1:]


def samples(frames: Frames, used: np.ndarray, camera: EventCamera, lux: float) -> Iterator[tuple[float, jax.Array, int]]:
    """From the first frame to the last of those used: the part that is done, light [H, W] on the sensor and its time, us."""
    seen = _as_v2e if isinstance(camera, V2ECamera) else partial(_as_light, lux)
    step = min(float(camera.threshold_on), float(camera.threshold_off))
    before: jax.Array | None = None
    for k, number in enumerate(used):
        after, time = _shown(jnp.asarray(frames.images[int(number)]), camera.sensor_size), int(frames.t[number])
        if before is not None:
            start = int(frames.t[used[k - 1]])
            there, back = flow(srgb(before), srgb(after)), flow(srgb(after), srgb(before))
            moved = float(jnp.maximum(jnp.linalg.norm(there, axis=-1).max(), jnp.linalg.norm(back, axis=-1).max()))
            changed = float(jnp.abs(camera.log(seen(after)) - camera.log(seen(before))).max())
            n = min(max(math.ceil(moved), math.ceil(changed / step), 1), time - start, _MOST)
            for i in range(1, n):
                image = between(before, after, there, back, jnp.float32(i / n))
                yield (k + i / n) / len(used), seen(jnp.clip(image, 0, 1)), start + (time - start) * i // n
        yield (k + 1) / len(used), seen(after), time
        before = after


def _as_light(lux: float, luminance: jax.Array) -> jax.Array:
    return lux * luminance


def _as_v2e(luminance: jax.Array) -> jax.Array:
    """Grey levels as they stand in a video: v2e's model takes these for light."""
    return 255 * srgb(luminance)


@partial(jax.jit, static_argnames="size")
def _shown(image: jax.Array, size: tuple[int, int]) -> jax.Array:
    """The linear luminance 0..1 [H, W] of a frame, grey or RGB, on a sensor of (width, height) pixels that it fills."""
    luminance = linear(image.astype(jnp.float32) / jnp.iinfo(image.dtype).max)
    if image.ndim == 3:
        luminance = luminance @ jnp.array(LUMINANCE)
    shape = jnp.array(luminance.shape)
    scale = (jnp.array(size[::-1]) / shape).max()
    shift = (jnp.array(size[::-1]) - shape * scale) / 2
    fitted = jax.image.scale_and_translate(luminance, size[::-1], (0, 1), jnp.stack([scale, scale]), shift, "linear")
    return jnp.clip(fitted, 0, 1)
