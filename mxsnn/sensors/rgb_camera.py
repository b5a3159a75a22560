"""A frame camera of colour: radiance in time to frames of 8 bits.

    electrons  e = min(Poisson(q P A t / (4 F^2) * integral of the radiance + dark current * exposure), full well)
    raw        v = round(((e + N(0, read noise)) * gain + N(0, converter noise)) * levels / full well), cut off at both ends
    picture    y = round(255 * sRGB(v / levels * white balance))

The integral is exact, as the radiance is linear between its samples. Every pixel sees all three colours, as after a perfect
demosaicing. Constants and their sources: docs/faces.md.

Source: EMVA Standard 1288, release 4.0 (the linear camera model); IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.recording import Frames
from mxsnn.sensors.optics import Lens, check_light

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Of linear red, green and blue (ITU-R BT.709)."""

_PAD = 64  # samples: chunks of nearly the same length run the same program


@dataclass(frozen=True)
class RGBCamera:
    """Constants of a frame camera.

    Attributes:
      pixel: side of a pixel, um; the same at every resolution, whose lens then has another focal length.
      efficiency: electrons per photon on the pixel, of red, green and blue light.
      dark_current: electrons per pixel and second.
      read_noise: electrons, root of the mean square, before the gain.
      converter_noise: the same behind the gain, in electrons at a gain of 1; the converter's rounding comes on top.
      full_well: electrons; at a gain of 1 they are the last level.
      bits: of the converter.
      black: levels that the converter has below zero, so that noise in the dark is not cut off.
      gain: largest amplification before the converter; the least is 1.
      fps: frames a second.
      exposure: shortest and longest, us; none is longer than the frame interval.
      readout: us from the first row's exposure to the last row's; 0 is a global shutter.
      target: mean of the picture's linear luminance that the automatic exposure aims at; 1 is the last level.
      speed: part of the way to the target, in stops, that it goes from frame to frame; 0 keeps exposure and gain.
      noise: False leaves out all randomness.

    Raises: UserError for constants that cannot be.
    """

    lens: Lens = field(default_factory=Lens)
    pixel: float = 3.45
    efficiency: tuple[float, float, float] = (0.5, 0.65, 0.5)
    dark_current: float = 1.0
    read_noise: float = 2.14
    converter_noise: float = 0.0
    full_well: float = 10_470.0
    bits: int = 12
    black: float = 60.0
    gain: float = 251.0
    fps: float = 30.0
    exposure: tuple[float, float] = (19.0, 30e6)
    readout: float = 0.0
    target: float = 0.18
    speed: float = 0.68
    noise: bool = True

    def __post_init__(self) -> None:
        above = {name: getattr(self, name) for name in ("pixel", "full_well", "fps", "target")}
        above |= {f"efficiency[{k}]": value for k, value in enumerate(self.efficiency)}
        not_below = {
            name: getattr(self, name) for name in ("dark_current", "read_noise", "converter_noise", "black", "readout", "speed")
        }
        for names, good, said in ((above, lambda v: v > 0, "above 0"), (not_below, lambda v: v >= 0, "0 or more")):
            for name, value in names.items():
                if not (np.isfinite(value) and good(value)):
                    raise UserError(f"{name} of a camera is {said}, got {value!r}")
        if not 1 <= self.bits <= 16 or not self.gain >= 1 or self.speed > 1:
            raise UserError(f"a camera has 1 to 16 bits, gain >= 1 and speed <= 1; got {self.bits}, {self.gain}, {self.speed}")
        if not 1 <= self.exposure[0] <= min(self.exposure[1], self.interval):
            raise UserError(f"exposures are from 1 us up to the frame interval of {self.interval:.0f} us, got {self.exposure} us")

    @property
    def interval(self) -> float:
        """From frame to frame, us."""
        return 1e6 / self.fps

    @property
    def sensitivity(self) -> np.ndarray:
        """Electrons per second of each colour [3] for one lux x reflectance of the scene."""
        return np.asarray(self.efficiency) * self.lens.photons(self.pixel**2)

    @property
    def balance(self) -> np.ndarray:
        """What red, green and blue [3] are multiplied by, so that white is white; the most sensitive by 1."""
        return max(self.efficiency) / np.asarray(self.efficiency)


MACHINE_VISION = RGBCamera()
"""Blackfly S with a Sony IMX273: global shutter, pixels of 3.45 um."""

WEBCAM = RGBCamera(
    pixel=1.55,
    efficiency=(0.45, 0.6, 0.45),
    read_noise=1.49,
    converter_noise=2.6,
    full_well=8180.0,
    black=256.0,
    gain=16.0,
    exposure=(100.0, 30e6),
    readout=20_000.0,
)
"""Small pixels of 1.55 um (Sony IMX477) and a rolling shutter."""

CAMERAS = {"machine-vision": MACHINE_VISION, "webcam": WEBCAM}
"""Presets by name."""


class Setting(NamedTuple):
    """What a camera is set to for a frame: `exposure`, int32 us, and `gain`, float32."""

    exposure: Any
    gain: Any


class State(NamedTuple):
    """Between two chunks of a scene: the number of the next frame, when frame 0 began (us), its setting, and unused samples."""

    frame: int
    start: int
    setting: Setting
    times: np.ndarray
    radiance: Any


def record(
    camera: RGBCamera, radiance: Any, times: np.ndarray, key: jax.Array, state: State | Setting | None = None
) -> tuple[State, Frames]:
    """The frames that a camera takes of a scene, or of the next chunk of one.

    `radiance` float [T, H, W, 3], lux x reflectance of linear red, green and blue at `times` int64 [T], us. Frame k begins at
    the first sample + k / fps, in the first row, and is taken as soon as the samples reach its interval's end. `state` None: the
    camera has long looked at the first sample; a `Setting`: what its first frame has. Returns a state for the next chunk, whose
    samples follow these, and frames uint8 [N, H, W, 3] with the exposures of their middle row.

    Noise depends on the key and the frame's number alone: chunks give what the whole does.

    Raises: UserError for other shapes, times that do not rise, light below 0 or not finite.
    """
    times = np.asarray(times, np.int64)
    if radiance.ndim != 4 or radiance.shape[3] != 3 or times.shape != radiance.shape[:1] or not len(times):
        raise UserError(f"radiance is [T, H, W, 3] at times [T], got {tuple(radiance.shape)} at {times.shape}")
    check_light(radiance)
    if not isinstance(state, State):
        setting = settled(camera, radiance[0]) if state is None else Setting(jnp.int32(state[0]), jnp.float32(state[1]))
        state = State(0, int(times[0]), setting, times[:0], radiance[:0])
    times = np.concatenate([state.times, times])
    if (times[1:] <= times[:-1]).any():
        k = int((times[1:] <= times[:-1]).argmax())
        raise UserError(f"times of a scene rise, but {times[k + 1]} us follows {times[k]} us")
    if int(times[-1]) - int(times[0]) >= 2**30:
        raise UserError("a chunk of a scene is shorter than 1,000 s; give it in more chunks")

    room = -len(times) % _PAD
    radiance = [jnp.asarray(part, jnp.float32) for part in (state.radiance, radiance, radiance[-1:].repeat(room, 0)) if len(part)]
    padded = jnp.concatenate(radiance) if len(radiance) > 1 else radiance[0]
    relative = jnp.asarray(np.pad(times - times[0], (0, room), constant_values=2**30).astype(np.int32))
    constants, taken, setting, k = _constants(camera), [], state.setting, state.frame
    while _begin(camera, state.start, k + 1) + camera.readout <= times[-1]:
        begin = _begin(camera, state.start, k)
        following, image = take(constants, padded, relative, jnp.int32(begin - times[0]), setting, jax.random.fold_in(key, k))
        taken.append((begin, setting, image))
        setting, k = following, k + 1
    kept = max(int(np.searchsorted(times, _begin(camera, state.start, k), side="right")) - 1, 0)
    state = State(k, state.start, setting, times[kept:], padded[kept : len(times)])
    if not taken:
        return state, Frames.make(np.empty((0, *padded.shape[1:]), np.uint8), t=())
    begins, settings, images = zip(*taken, strict=True)
    start = np.array(begins, np.int64) + round(camera.readout / 2)
    end = start + np.array(jax.device_get([setting.exposure for setting in settings]), np.int64)
    return state, Frames.make(np.stack(jax.device_get(images)), start=start, end=end)


def settled(camera: RGBCamera, image: Any) -> Setting:
    """The setting at which the automatic exposure comes to rest before a still scene [H, W, 3], lux x reflectance."""
    still = jnp.asarray(image, jnp.float32)[None].repeat(2, 0)
    constants = _constants(camera)._replace(speed=jnp.float32(1.0), noise=jnp.float32(0.0))
    times = jnp.array([0, 2**30], jnp.int32)
    setting = Setting(jnp.int32(constants.exposure[0]), jnp.float32(1.0))
    for _ in range(24):  # a step goes at most 8 times up or down, and what is cut off at white takes more than one
        before, setting = setting, take(constants, still, times, jnp.int32(0), setting, jax.random.key(0))[0]
        if np.allclose(jax.device_get(before), jax.device_get(setting), rtol=1e-4):
            break
    return setting


def srgb(linear: Any) -> Any:
    """The sRGB transfer function, from 0..1 to 0..1. Source: IEC 61966-2-1."""
    return jnp.where(linear <= 0.0031308, 12.92 * linear, 1.055 * jnp.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def linear(srgb: Any) -> Any:
    """The inverse of `srgb`."""
    return jnp.where(srgb <= 0.04045, srgb / 12.92, ((jnp.maximum(srgb, 0.04045) + 0.055) / 1.055) ** 2.4)


class _Constants(NamedTuple):
    """Of a camera as arrays, so that another one runs the same program."""

    sensitivity: Any
    balance: Any
    dark_current: Any
    read_noise: Any
    converter_noise: Any
    full_well: Any
    levels: Any
    black: Any
    gain: Any
    exposure: Any
    readout: Any
    target: Any
    speed: Any
    noise: Any


def _constants(camera: RGBCamera) -> _Constants:
    given = {name: getattr(camera, name) for name in set(_Constants._fields) - {"levels"}}
    given["exposure"] = (camera.exposure[0], min(camera.exposure[1], np.floor(camera.interval)))
    return _Constants(
        **{name: jnp.asarray(value, jnp.float32) for name, value in (given | {"levels": 2.0**camera.bits - 1}).items()}
    )


def _begin(camera: RGBCamera, start: int, k: int) -> int:
    return start + round(k * camera.interval)


@jax.jit
def take(
    constants: _Constants, radiance: jax.Array, times: jax.Array, begin: jax.Array, setting: Setting, key: jax.Array
) -> tuple[Setting, jax.Array]:
    """The next setting, and a frame uint8 [H, W, 3], exposed from `begin`, of a scene [T, H, W, 3] at `times` int32 [T], us."""
    c = constants
    light = expose(radiance, times, begin, setting.exposure, c.readout)
    mean = light * 1e-6 * c.sensitivity + c.dark_current * setting.exposure.astype(jnp.float32) * 1e-6
    photon, read = jax.random.split(key)
    electrons = jnp.minimum(jnp.where(c.noise > 0, poisson(photon, mean), mean), c.full_well)
    dark = c.noise * jnp.hypot(c.read_noise * setting.gain, c.converter_noise) * jax.random.normal(read, mean.shape)
    raw = jnp.clip(jnp.round((electrons * setting.gain + dark) * c.levels / c.full_well), -c.black, c.levels)
    picture = jnp.clip(raw / c.levels * c.balance, 0.0, 1.0)
    return _adapted(c, setting, (picture @ jnp.array(LUMINANCE)).mean()), jnp.round(255 * srgb(picture)).astype(jnp.uint8)


def expose(radiance: jax.Array, times: jax.Array, begin: jax.Array, exposure: jax.Array, readout: jax.Array) -> jax.Array:
    """The integral [H, W, C] of a scene [T, H, W, C] over an exposure, us times its unit.

    Row h is exposed for `exposure` us from `begin` + h / H `readout` on. The scene is linear between its samples at `times`
    int32 [T], us, and has the values of the first and the last beyond them.
    """
    height = radiance.shape[1]
    delay = readout * jnp.arange(height, dtype=jnp.float32) / height
    last = exposure + delay[-1]
    first = jnp.maximum(jnp.searchsorted(times, begin, side="right") - 1, 0)
    beyond = jnp.minimum(jnp.searchsorted(times, begin + jnp.ceil(last).astype(jnp.int32), side="left"), len(times) - 1)

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        a, b = (times[i] - begin).astype(jnp.float32), (times[i + 1] - begin).astype(jnp.float32)
        low, high = jnp.maximum(a, delay), jnp.minimum(b, delay + exposure)
        overlap = jnp.maximum(high - low, 0.0)
        part = jnp.clip(((low + high) / 2 - a) / (b - a), 0.0, 1.0)  # a line's mean is its value in the middle
        return total + (overlap * (1 - part))[:, None, None] * radiance[i] + (overlap * part)[:, None, None] * radiance[i + 1]

    # One sample after the other, in an order that does not depend on how many there are: chunks add up to the same bits.
    return jax.lax.fori_loop(first, beyond, add, jnp.zeros(radiance.shape[1:], jnp.float32))


def _adapted(c: _Constants, setting: Setting, mean: jax.Array) -> Setting:
    """The next frame's setting: more light by a longer exposure, and by gain where that has come to its end."""
    wanted = jnp.clip(c.target / jnp.maximum(mean, 1e-6), 1 / 8, 8.0) ** c.speed
    product = setting.exposure * setting.gain * wanted
    exposure = jnp.clip(jnp.round(product), c.exposure[0], c.exposure[1])
    adapted = Setting(exposure.astype(jnp.int32), jnp.clip(product / exposure, 1.0, c.gain))
    return jax.tree.map(lambda new, old: jnp.where(c.speed > 0, new, old).astype(old.dtype), adapted, setting)


def poisson(key: jax.Array, mean: jax.Array) -> jax.Array:
    """Poisson variates as float32, one random word each, by the inverse of the distribution.

    It is summed up below a mean of 16, and beyond expanded about a normal variate (Cornish-Fisher, to the order mean^-1/2),
    where it is off by one in fewer than one of a hundred. Several times as fast as rejection, which `jax.random.poisson` does.

    Source: Giles, "Algorithm 955: Approximation of the inverse Poisson cumulative distribution function", ACM TOMS 42(1), 2016.
    """
    u = jax.random.uniform(key, mean.shape, minval=jnp.finfo(jnp.float32).tiny)
    few = jnp.minimum(mean, 16.0)

    def more(k: int, sums: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        count, term, cumulated = sums
        count += u > cumulated
        term = term * few / (k + 1.0)
        return count, term, cumulated + term

    first = jnp.exp(-few)
    small = jax.lax.fori_loop(0, 48, more, (jnp.zeros_like(mean), first, first))[0]
    z, root = jax.scipy.special.ndtri(u), jnp.sqrt(jnp.maximum(mean, 16.0))
    large = jnp.floor(mean + root * z + (z * z + 2) / 6 + (z - z**3) / (72 * root))
    return jnp.where(mean < 16, small, jnp.maximum(large, 0.0))
