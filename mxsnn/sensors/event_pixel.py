r"""The pixels of an event camera: what each makes of light in a step of time.

    photocurrent   I = q P A t / (4 F^2) * radiance                                   electrons/s (`mxsnn.sensors.optics`)
    logarithm      L = ln(I + I_dark), linear below the dark current
    photoreceptor  tau dv/dt = L - v,   1 / (2 pi tau) = f_c = 1 / (1 / f_1 + 1 / f_2),   f_1 = slope (I + I_dark), f_2 = corner
    difference     d = v - v at the last event, + leak * threshold_on a second
    event          ON where d = threshold_on, OFF where d = -threshold_off; then d = 0, held there through the refractory period
    shot noise     rate = 2 sqrt(f_1 f_2) exp(-threshold^2 / 2 sigma^2) of each polarity, sigma^2 = pi noise f_c / (I + I_dark)
    in a time t    1 - exp(-rate t) of these are expected up to the refractory period, rate / (1 + rate period) a second beyond

The radiance is linear between samples, L between steps, so the photoreceptor is exact from step to step and v is taken as linear in
a step. Events get their times where this line crosses a threshold, each pixel by itself, as in ESIM; v2e puts the events of a step
on slots that all pixels share. Times are rounded down to whole us; a step that ends at t has events before t.

White noise of the photocurrent behind two poles, f_1 of the photodiode and f_2 of what follows, has the variance sigma^2 and
crosses a level upwards sqrt(f_1 f_2) exp(-level^2 / 2 sigma^2) times a second; each event by noise is followed by one of the other
polarity, when v returns. In the dark f_1 decides: sigma is the same in any light, and the rate grows as its root. Where f_1
nears f_2, sigma falls with more light, and with it the noise, exponentially.

Events by noise lie where as many are expected as u, u + 1, ... with u drawn for each pixel and step: their rate does not depend on
how long steps are. Their law is Poisson's with a dead time where steps are no longer than that, or expect few (`substeps`).

Sources: Lichtsteiner et al., "A 128x128 120 dB 15 us Latency Asynchronous Temporal Contrast Vision Sensor", JSSC 2008; Hu et
al., "v2e: From Video Frames to Realistic DVS Events", CVPRW 2021; Graca and Delbruck, "Unraveling the Paradox of
Intensity-Dependent DVS Pixel Noise", IISW 2021 (two poles); Rice, "Mathematical Analysis of Random Noise", Bell System Technical
Journal 24, 1945 (crossings); Rebecq et al., "ESIM: an Open Event Camera Simulator", CoRL 2018. Constants and their sources:
docs/faces.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.stream import check_sensor_size
from mxsnn.sensors.optics import Lens

_LEAST_THRESHOLD = 0.01  # v2e's too: the tail of a mismatch must not reach zero


class PixelState(NamedTuple):
    """What a chunk of a scene hands on to the next."""

    log: jax.Array  # [H, W] logarithm of the light at the last sample
    lag: jax.Array  # [H, W] v - L
    rise: jax.Array  # [H, W] d
    dead: jax.Array  # [H, W] us that the refractory period goes on
    on: jax.Array  # [H, W] threshold
    off: jax.Array  # [H, W] threshold
    spread: jax.Array  # [H, W] this pixel's leak and noise, in those of the average
    hot: jax.Array  # [H, W] Hz
    words: jax.Array  # uint32 [2], the key of the noise
    steps: jax.Array  # uint32, how many there were


class Fired(NamedTuple):
    """The events of a step, [H, W]: `count` (below 0: OFF), the first `first` us after its start, then one every `spacing` us."""

    count: jax.Array
    first: jax.Array
    spacing: jax.Array


class Parts(NamedTuple):
    """Which parts of the model of a pixel do anything: the others need not be computed."""

    lag: bool
    leak: bool
    noise: bool
    refractory: bool


def _may_be(value: Any) -> bool:
    """Whether a constant is above 0, or traced."""
    return isinstance(value, jax.Array) or bool(value > 0)


def _is_known(value: Any) -> bool:
    """Whether a constant is there to be looked at: it is not while JAX traces a function of it, or maps one over cameras."""
    return not isinstance(value, jax.core.Tracer) and type(value) is not object


def _check_constant(name: str, value: Any) -> None:
    """Raises: UserError for a constant of an event camera that cannot be."""
    if not _is_known(value):
        return
    real = isinstance(value, (int, float, np.number, np.ndarray, jax.Array)) and np.asarray(value).dtype.kind in "iuf"
    low, high, kind = _RANGES.get(name, (0.0, _LARGEST, "a number of at least 0"))
    if not real or not ((np.asarray(value) >= low) & (np.asarray(value) <= high)).all():
        raise UserError(f"{name} of an event camera is {kind}, got {value!r}")


_LARGEST = np.finfo(np.float64).max
_ABOVE = (np.finfo(np.float64).tiny, _LARGEST, "a number above 0")
_THRESHOLD = (float(np.float32(_LEAST_THRESHOLD)), _LARGEST, f"a number of at least {_LEAST_THRESHOLD:g}")
_RANGES = {
    **dict.fromkeys(("area", "efficiency", "slope", "readout", "knee"), _ABOVE),
    "corner": (_ABOVE[0], math.inf, "a number above 0, or infinite"),
    **dict.fromkeys(("threshold_on", "threshold_off"), _THRESHOLD),
    "hot": (0.0, 1.0, "a number from 0 to 1"),
}
"""Least and largest value of a constant."""

_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EventCamera:
    """Constants of an event camera. `dataclasses.replace` varies them; all but the first three may be arrays, and swept.

    Attributes:
      sensor_size: (width, height), pixels.
      lens: of the camera.
      readout: events a second that leave the sensor; of a step with more, pixels drawn at random are lost. None: all leave.
      area: light-sensitive, of a pixel, um^2.
      efficiency: electrons per photon.
      dark_current: electrons/s of a pixel.
      slope: corner frequency of the photodiode per photocurrent, Hz/(electron/s).
      corner: corner frequency of what follows, the largest of both together, Hz; infinite: v = L, whatever the slope.
      threshold_on, threshold_off: changes of the logarithm (natural) that make an event.
      mismatch: standard deviation of the thresholds from pixel to pixel, the same at any threshold; none is below 0.01.
      leak: ON events of a pixel without change, Hz.
      spread: standard deviation of the pixels' leak and noise, decades.
      noise: power of the noise of the photocurrent, in that of its shot noise; 0: none. Needs a finite corner.
      refractory: period after an event in which the pixel is held at its reset, us.
      hot: part of the pixels that are hot, 0 to 1.
      hot_rate: events of a hot pixel, Hz; half of them ON.

    Raises: UserError for constants that cannot be.
    """

    sensor_size: tuple[int, int] = field(metadata=_STATIC)
    lens: Lens = field(default_factory=Lens, metadata=_STATIC)
    readout: float | None = field(default=None, metadata=_STATIC)
    area: float = 75.0
    efficiency: float = 0.24
    dark_current: float = 0.0
    slope: float = 2.6e-4
    corner: float = math.inf
    threshold_on: float = 0.2
    threshold_off: float = 0.2
    mismatch: float = 0.0
    leak: float = 0.0
    spread: float = 0.0
    noise: float = 0.0
    refractory: float = 0.0
    hot: float = 0.0
    hot_rate: float = 0.0

    def __post_init__(self) -> None:
        check_sensor_size(self.sensor_size)
        if not isinstance(self.lens, Lens):
            raise UserError(f"lens of an event camera is a Lens, got {self.lens!r}")
        for name in (each.name for each in fields(self) if each.name not in ("sensor_size", "lens")):
            if name != "readout" or self.readout is not None:
                _check_constant(name, getattr(self, name))
        values = [value for value in (self.noise, self.corner) if _is_known(value)]
        if len(values) == 2 and np.any((np.asarray(values[0]) > 0) & np.isinf(values[1])):
            raise UserError("noise of an event camera that nothing filters has no end of events; give the camera a finite corner")

    def __hash__(self) -> int:
        """Of what cannot be an array."""
        return hash((type(self), self.sensor_size, self.lens, self.readout))

    #: Whether all pixels begin at d = 0, or anywhere in the saw-tooth of their leak.
    in_phase: ClassVar[bool] = False

    @jax.jit
    def init(self, key: jax.Array, first: jax.Array) -> PixelState:
        """Pixels at rest before the radiance `first` [H, W]; the key draws all that is random, then and later."""
        shape = jnp.shape(first)
        keys = jax.random.split(key, 6)
        on, off = (
            jnp.maximum(theta + self.mismatch * jax.random.normal(k, shape), _LEAST_THRESHOLD)
            for theta, k in zip((self.threshold_on, self.threshold_off), keys, strict=False)
        )
        log = self.log(jnp.asarray(first, jnp.float32))
        rise = jnp.zeros(shape)
        if not self.in_phase:
            rise = jnp.where(jnp.asarray(self.leak) > 0, on * jax.random.uniform(keys[2], shape), rise)
        spread = 10 ** (self.spread * jax.random.normal(keys[3], shape))
        hot = jnp.where(jax.random.uniform(keys[4], shape) < self.hot, jnp.float32(self.hot_rate), 0)
        zeros = jnp.zeros(shape)
        return PixelState(log, zeros, rise, zeros, on, off, spread, hot, jax.random.bits(keys[5], (2,)), jnp.uint32(0))

    def current(self, radiance: jax.Array) -> jax.Array:
        """Electrons/s of a pixel, with those of the dark."""
        current = self.lens.photons(1.0) * self.area * self.efficiency * radiance + self.dark_current
        return jnp.maximum(current, 1e-30)  # so that black without a dark current has a logarithm

    def log(self, radiance: jax.Array) -> jax.Array:
        """L of lux x reflectance."""
        return jnp.log(self.current(radiance))

    def corner_at(self, radiance: jax.Array) -> jax.Array:
        """f_c, Hz."""
        return 1 / (1 / (self.slope * self.current(radiance)) + 1 / jnp.asarray(self.corner))

    def low_pass(self, radiance: jax.Array, dt: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(a, b) of lag = a lag - b (change of L) over a step of `dt` us."""
        steps = jnp.maximum(2e-6 * math.pi * dt * self.corner_at(radiance), 1e-30)  # so that 0 / 0 is 1
        went = -jnp.expm1(-steps)
        return 1 - went, went / steps

    def noise_rates(self, radiance: jax.Array, on: jax.Array, off: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Hz of ON and OFF events by noise at thresholds [H, W]."""
        current, noise = self.current(radiance), jnp.maximum(jnp.asarray(self.noise), 1e-9)
        per_variance = current / (2 * math.pi * noise * self.corner_at(radiance))
        crossings = 2 * jnp.sqrt(
            self.slope * current * jnp.minimum(jnp.asarray(self.corner), 1e9)
        )  # finite, where there is no noise
        return crossings * jnp.exp(-per_variance * on**2), crossings * jnp.exp(-per_variance * off**2)

    def parts(self) -> Parts:
        lag = isinstance(self.corner, jax.Array) or math.isfinite(self.corner)
        return Parts(lag, _may_be(self.leak), _may_be(self.noise) or _may_be(self.hot), _may_be(self.refractory))


def noise_events(camera: EventCamera, state: PixelState, radiance: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Events by noise per us of a pixel that is not held [H, W], and the part of them that is OFF."""
    on, off = (1e-6 * (state.spread * rate + state.hot / 2) for rate in camera.noise_rates(radiance, state.on, state.off))
    rate = jnp.maximum(on + off, 1e-30)
    return rate, off / rate


def step(camera: EventCamera, state: PixelState, radiance: jax.Array, dt: jax.Array, parts: Parts) -> tuple[PixelState, Fired]:
    """A step of `dt` us (float32) to the radiance [H, W]."""
    log = jax.lax.optimization_barrier(camera.log(radiance))
    move = log - state.log
    state = state._replace(log=log, steps=state.steps + 1)
    if parts.lag:
        a, b = camera.low_pass(radiance, dt)
        lag = a * state.lag - b * move
        move, state = move + lag - state.lag, state._replace(lag=lag)
    if parts.leak:
        move += (1e-6 * camera.leak) * dt * state.spread * state.on

    # All in parts of the step. Where the pixel is held at first, d starts from 0 when it is let go.
    held, period = 0.0, 0.0
    if parts.refractory:
        held, period = jnp.minimum(state.dead / dt, 1), camera.refractory / dt
    # Without the barrier the compiler makes both anew for each array that is made of them.
    end, move = jax.lax.optimization_barrier((state.rise + move * (1 - held), move))
    size, speed = jnp.abs(end), jnp.abs(move)
    lost = speed * period  # the change while it is held after an event
    cycle = jnp.where(end > 0, state.on, state.off) + lost
    count = jnp.floor((size + lost) / cycle)
    fires = count > 0
    rest = size - count * cycle
    per_speed = 1 / jnp.where(fires, speed, 1)
    first = jnp.maximum(1 - (size + lost - cycle) * per_speed, 0)
    spacing = cycle * per_speed
    rise = jnp.where(fires, jnp.sign(end) * jnp.maximum(rest, 0), end)
    dead = state.dead
    if parts.refractory:
        dead = jnp.where(fires, jnp.maximum(-rest, 0) * per_speed * dt, jnp.maximum(dead - dt, 0))
    count = jnp.where(end > 0, count, -count)

    if parts.noise:
        bits = random_bits(state, 0)
        rate, of_off = noise_events(camera, state, radiance)
        # Which polarity, and what remains of the word as u: from that end of it where a float is fine enough for small chances.
        low, high = (word.astype(jnp.float32) * 2.0**-32 for word in (bits, ~bits))
        is_off = low < of_off
        u = jnp.where(is_off, low / of_off, high / (1 - of_off))
        rate, gap = rate * dt, period + 1 / (rate * dt)
        once = -jnp.expm1(-rate * period)
        at = held + jnp.where(u < once, -jnp.log1p(-jnp.minimum(u, once)) / rate, period + (u - once) * gap)
        by_noise = ~fires & (at < 1)
        is_off, by_noise, at, gap = jax.lax.optimization_barrier((is_off, by_noise, at, gap))
        more = jnp.floor(jnp.maximum(1 - at, 0) / gap) * by_noise
        last = at + more * gap
        after = jnp.clip(move * jnp.maximum(1 - last - period, 0), -0.999 * state.off, 0.999 * state.on)
        count = jnp.where(by_noise, jnp.where(is_off, -1 - more, 1 + more), count)
        first, spacing, rise = (jnp.where(by_noise, a, b) for a, b in ((at, first), (gap, spacing), (after, rise)))
        if parts.refractory:
            dead = jnp.where(by_noise, jnp.maximum(last + period - 1, 0) * dt, dead)

    if camera.readout is not None:
        kept = camera.readout * 1e-6 * dt / jnp.maximum(jnp.abs(count).sum(), 1)
        count = jnp.where(random_bits(state, 1).astype(jnp.float32) * 2.0**-32 < kept, count, 0)

    return state._replace(rise=rise, dead=dead), Fired(count, first * dt, spacing * dt)


def random_bits(state: PixelState, use: int) -> jax.Array:
    """uint32 [H, W] of 32 random bits, new for each step and `use`.

    The pixel's number, spread over the word, with a word of the step, through a mixer of full avalanche (two rounds of shifts and
    products, Wellons' lowbias32): a fraction of threefry's time.
    """
    word = _mix(_mix(state.steps * np.uint32(2) + np.uint32(use) + state.words[0]) ^ state.words[1])
    pixel = jax.lax.iota(jnp.uint32, state.log.size).reshape(state.log.shape)
    return _mix(pixel * np.uint32(0x9E3779B9) ^ word)


def _mix(word: jax.Array) -> jax.Array:
    word = (word ^ word >> 16) * np.uint32(0x7FEB352D)
    word = (word ^ word >> 15) * np.uint32(0x846CA68B)
    return word ^ word >> 16


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class V2ECamera(EventCamera):
    """The published model of v2e, whose light is a grey level of 0 to 255 and whose pixels have no lens.

        logarithm      L = ln(I) above `knee`, I ln(knee) / knee below
        photoreceptor  v += eps (L - v),  eps = min((I + 20) / 275 * 2 pi cutoff dt, 1); cutoff 0: v = L
        shot noise     rate of each polarity = shot / 2 (1 - 0.75 (I + 20) / 275) nominal threshold / threshold

    Differences: the times of events (above); the jitter of the leak from step to step, which averages out,
    is not drawn; the refractory period holds the pixel at its reset, where v2e keeps the change and makes its events later; noise
    comes at a random time of the step, where v2e puts it at the end, and not in a step with other events of the pixel.

    Attributes:
      knee: grey level below which the logarithm is a line.
      cutoff: corner frequency of a white pixel, Hz.
      shot: noise events of a dark pixel, Hz.

    Source: Hu et al., "v2e: From Video Frames to Realistic DVS Events", CVPRW 2021, and its program.
    """

    __hash__ = EventCamera.__hash__

    knee: float = 20.0
    cutoff: float = 0.0
    shot: float = 0.0

    in_phase: ClassVar[bool] = True

    def log(self, radiance: jax.Array) -> jax.Array:
        knee = jnp.asarray(self.knee, jnp.float32)
        return jnp.where(radiance > knee, jnp.log(jnp.maximum(radiance, knee)), radiance * (jnp.log(knee) / knee))

    def low_pass(self, radiance: jax.Array, dt: jax.Array) -> tuple[jax.Array, jax.Array]:
        went = jnp.clip((radiance + 20) / 275 * (2e-6 * math.pi * self.cutoff * dt), 0, 1)
        stays = jnp.where(jnp.asarray(self.cutoff) > 0, 1 - went, 0)
        return stays, stays

    def noise_rates(self, radiance: jax.Array, on: jax.Array, off: jax.Array) -> tuple[jax.Array, jax.Array]:
        rate = self.shot / 2 * (1 - 0.75 * (radiance + 20) / 275)
        return rate * self.threshold_on / on, rate * self.threshold_off / off

    def parts(self) -> Parts:
        noise = _may_be(self.shot) or _may_be(self.hot)
        return Parts(_may_be(self.cutoff), _may_be(self.leak), noise, _may_be(self.refractory))
