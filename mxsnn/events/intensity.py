"""Encodings of the frames of an RGB or grey camera for spiking networks: direct current, rate, latency, delta modulation.

Each takes frames [T, H, W, C], uint8 (0 to 255) or float (0 to 1), and gives frames of the same layout. They are transforms, to
stand in a tonic `Compose` beside those of `mxsnn.events.transforms`, and act on arrays of NumPy and, traced or not, of JAX, which
stay where they are. What they give for a frame depends on it and on those before it, never on later ones.

Spikes are equal to the bit on the host and on the device. What depends on one intensity is looked up in a table of the 256
intensities of a uint8; the rest is made of operations that IEEE 754 rounds correctly, arranged so that a compiler can fuse none.
Where arrays are on the device, values are not looked at, and those out of range give no error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.frames import check_positive, count_type, time_edges, window_length
from mxsnn.events.random import Key, bits
from mxsnn.events.recording import Frames

if TYPE_CHECKING:
    import jax

Video: TypeAlias = "np.ndarray | jax.Array"

_LEVELS = np.arange(256) / 255  # the intensities of uint8
_SLACK = 1e-5  # of a threshold: what rounding may take away from a change of whole thresholds
_MOST = 30_000  # thresholds: beyond, the slack would grow to one of them


@dataclass(frozen=True)
class FrameTransform:
    """What all have in common: they make frames of frames."""

    #: Where it stands in an encoding (`mxsnn.events.tonic`).
    makes = "more frames"

    def step(self, dt: float | None) -> float | None:
        """The duration of a step, ms, where frames come every `dt` ms; None where that is not fixed."""
        return None if dt is None else dt / getattr(self, "steps", 1)


@dataclass(frozen=True)
class DirectCurrent(FrameTransform):
    """Each frame held for `steps` steps, as a current from which the first layer makes spikes: [T steps, H, W, C] float32, 0 to 1.

    Source: Rueckauer et al., "Conversion of Continuous-Valued Deep Networks to Efficient Event-Driven Networks for Image
      Classification", Frontiers in Neuroscience 2017.
    """

    steps: int

    def __post_init__(self) -> None:
        check_positive("steps", self.steps)

    def __call__(self, frames: Video) -> Any:
        frames, xp = _light(frames)
        return xp.repeat(_intensity(frames, xp), self.steps, axis=0)


@dataclass(frozen=True)
class Rate(FrameTransform):
    """In each of `steps` steps a frame, a spike with probability clip(gain I + offset, 0, 1): [T steps, H, W, C] uint8, 0 or 1.

    Spikes are independent (Bernoulli), by steps of length dt ms those of a Poisson process of p / dt per ms that cannot fire twice
    in a step. A probability is rounded to a multiple of 2^-31; 0 never fires and 1 always does. That of a float is that of its
    float32. Equal keys give equal spikes, and a longer video begins with the spikes of a shorter.

    Source: snnTorch's `spikegen.rate` and SpikingJelly's `PoissonEncoder` draw alike, from their libraries' own numbers.
    """

    steps: int
    gain: float = 1.0
    offset: float = 0.0

    #: Called with a key, of the host or of JAX (`mxsnn.events.random`).
    keyed = True

    def __post_init__(self) -> None:
        check_positive("steps", self.steps)
        for name in ("gain", "offset"):
            _check_number(name, getattr(self, name), -1e6, 1e6)

    def __call__(self, frames: Video, key: Key) -> Any:
        frames, xp = _light(frames)
        draws = bits(key, (frames.shape[0], self.steps, *frames.shape[1:])) >> 1  # of 31 bits, so that 2^31 is above all
        return _in_steps(draws < self._threshold(frames, xp)[:, None])

    def _threshold(self, frames: Any, xp: Any) -> Any:
        """Of the 2^31 draws, how many make a spike: uint32, as `frames`."""
        if frames.dtype == np.uint8:
            table = np.rint(np.clip(self.gain * _LEVELS + self.offset, 0, 1) * 2**31).astype(np.uint32)
            return xp.asarray(table)[frames]
        # The minimum, which changes nothing below a probability of 1, keeps a compiler from fusing product and sum.
        product = xp.minimum(frames * np.float32(self.gain), np.float32(2 + abs(self.offset)))
        return (xp.clip(product + np.float32(self.offset), 0, 1) * np.float32(2**31)).astype(np.uint32)


@dataclass(frozen=True)
class LinearLatency(FrameTransform):
    """One spike a pixel and frame, at step (steps - 1) (1 - I), rounded: [T steps, H, W, C] uint8, 0 or 1.

    White fires in the first step of its frame, black in the last; pixels below `threshold` do not fire, and with threshold 0 all
    do. Halves, which no uint8 meets, count as the earlier step.

    snnTorch's `spikegen.latency` with linear, normalize and clip, and SpikingJelly's `LatencyEncoder("linear")`, which knows no
    threshold, do the same for images but for halves. Without clip, snnTorch lets pixels below the threshold fire with the darkest.

    Source: Thorpe et al., "Spike-Based Strategies for Rapid Processing", Neural Networks 2001.
    """

    steps: int
    threshold: float = 0.01

    def __post_init__(self) -> None:
        check_positive("steps", self.steps)
        _check_number("threshold", self.threshold, 0, 1)

    def __call__(self, frames: Video) -> Any:
        last = self.steps - 1
        least = 1 - (np.arange(self.steps) + 0.5) / last if last else np.zeros(1)
        least[-1] = 0
        return _one_spike(frames, np.maximum(least, self.threshold), "right")


@dataclass(frozen=True)
class LogLatency(FrameTransform):
    """One spike a pixel and frame, in the step in which t = tau ln(I / (I - threshold)) ms lies: [T steps, H, W, C] uint8, 0 or 1.

    t is when a leaky membrane with time constant `tau`, charged from 0 by a current of I, meets `threshold`. Step k of a frame is
    [k dt, (k + 1) dt) ms. Pixels at or below the threshold never fire, nor do those whose t comes after the frame's last step: only
    those above `least` do. For a spike of every pixel above an intensity I0, choose tau = steps dt / ln(I0 / (I0 - threshold)).

    snnTorch's `spikegen.latency` has the same t, in steps, but rounds it, which is this step or the next; spikes beyond the last
    step are an error there, and pixels below the threshold fire late unless clip is given. Its normalize scales by the latest t of
    all that it is given; nothing is scaled here, as a frame would depend on later ones. SpikingJelly's "log" is another rule,
    (T - 1) - ln(1 + I (e^(T - 1) - 1)).

    Raises: UserError where not even white fires.
    """

    steps: int
    tau: float
    dt: float
    threshold: float = 0.01

    def __post_init__(self) -> None:
        check_positive("steps", self.steps)
        for name in ("tau", "dt"):
            _check_number(name, getattr(self, name), 1e-9, 1e9)
        _check_number("threshold", self.threshold, 1e-6, 1)
        if self.least >= 1:
            white = math.inf if self.threshold == 1 else -self.tau * math.log1p(-self.threshold)
            end = self.steps * self.dt
            raise UserError(f"no pixel would fire: white does at {white:.3g} ms, a frame ends at {end:.3g}; shorten tau={self.tau}")

    def step(self, dt: float | None) -> float | None:
        return self.dt

    @property
    def least(self) -> float:
        """The intensity above which a pixel fires."""
        return float(self._least()[-1])

    def __call__(self, frames: Video) -> Any:
        return _one_spike(frames, self._least(), "left")

    def _least(self) -> np.ndarray:
        return self.threshold / -np.expm1(-np.arange(1, self.steps + 1) * (self.dt / self.tau))


@dataclass(frozen=True)
class LogIntensity(FrameTransform):
    """ln(I + eps), to stand before `Delta`, as event cameras see contrast: [T, H, W, C] float32.

    A small `eps` lifts the noise of the darkest pixels: the first step of a uint8 is worth ln(1 + 1 / (255 eps)). The values of a
    video's file are taken as intensities: to undo their gamma is the caller's. Floats are read at 16 bits, multiples of 1 / 65535,
    so that host and device agree to the bit.

    Source: Rebecq et al., "ESIM: an Open Event Camera Simulator", CoRL 2018.
    """

    eps: float

    def __post_init__(self) -> None:
        _check_number("eps", self.eps, 1e-9, 1e3)

    def __call__(self, frames: Video) -> Any:
        frames, xp = _light(frames)
        levels = 255
        if frames.dtype != np.uint8:
            levels = 65535
            frames = xp.rint(frames * np.float32(levels)).astype(np.int32)
        return xp.asarray(np.log(np.arange(levels + 1) / levels + self.eps).astype(np.float32))[frames]


@dataclass(frozen=True)
class Delta(FrameTransform):
    """Delta modulation (send-on-delta), as event cameras do: counts [T, H, W, 2 C], of colour c OFF in 2 c and ON in 2 c + 1.

    Each pixel keeps a reference: its first value, and from then on whole thresholds away from it. When its value lies a
    `threshold` or more off the reference, the reference follows by as many whole thresholds, which are counted. So the first value
    and threshold times the sum of ON - OFF is never a threshold or more away from the signal; slow changes add up, noise below the
    threshold makes no spike, and the first frame has none. A change that falls short of whole thresholds by 1e-5 of itself counts
    as them, so that 0.1 + 0.2 is 0.3.

    `threshold` in intensities, 0 to 1, or of what a transform before made of them, such as `LogIntensity`: any float is taken.
    `clip`: the largest count, 1 for binary spikes, which the reference does not know of; None counts all, as int32.

    snnTorch's `spikegen.delta` compares neighbouring frames: it gives one spike for a change of any size, none for slow ones, and
    by default one where the first frame is bright. Its rule is one line behind `Difference`.

    Raises: UserError for changes of more than 30000 thresholds.

    Source: Miskowicz, "Send-On-Delta Concept: An Event-Based Data Reporting Strategy", Sensors 2006; Lichtsteiner et al., "A
      128x128 120 dB 15 us Latency Asynchronous Temporal Contrast Vision Sensor", JSSC 2008.
    """

    threshold: float
    clip: int | None = None

    def __post_init__(self) -> None:
        _check_number("threshold", self.threshold, 1e-9, 1e9)
        count_type(self.clip)

    def __call__(self, frames: Video) -> Any:
        frames, xp = _frames(frames)
        one = self.threshold * (255 if frames.dtype == np.uint8 else 1)
        values = frames.astype(np.float32)
        change = values - values[:1]
        size = xp.abs(change)
        if xp is np and size.size and (most := float(size.max()) / one) > _MOST:
            raise UserError(f"a pixel changes by {most:.3g} thresholds, more than {_MOST}; raise threshold={self.threshold}")
        under = xp.floor(size * np.float32((1 + _SLACK) / one)).astype(np.int32)
        over = xp.ceil(size * np.float32((1 - _SLACK) / one)).astype(np.int32)
        darker = change < 0
        levels = _follow(xp.where(darker, -over, under), xp.where(darker, -under, over))
        moved = levels - xp.concatenate([levels[:1], levels[:-1]])
        counts = xp.stack([xp.maximum(-moved, 0), xp.maximum(moved, 0)], axis=-1)
        if self.clip is not None:
            counts = xp.minimum(counts, self.clip).astype(count_type(self.clip))
        return counts.reshape(*frames.shape[:3], 2 * frames.shape[3])


@dataclass(frozen=True)
class Difference(FrameTransform):
    """What changed since the frame before: [T, H, W, C] float32, signed; zeros in the first. Any float is taken."""

    def __call__(self, frames: Video) -> Any:
        frames, xp = _frames(frames)
        values = _intensity(frames, xp)
        return values - xp.concatenate([values[:1], values[:-1]])


def hold(frames: Frames, bins: int, start: int, stop: int) -> np.ndarray:
    """The frame that is known at the end of each of `bins` equal parts of the window [start, stop) us, those of `frames_by_time`.

    That is the latest whose exposure has ended by then, also before `start`; where the exposure is not known, the latest with
    t < the end, as for an event. So frames and events of one part are known at the same time, and none shows the future. Zeros,
    black, before the first is complete. Where it matters that a frame is later than its t by half an exposure, give `Frames` its
    exposures. `frames` are those of the recording: its `window` leaves out the frame that is held at `start`.

    Returns [bins, H, W, C] of the images' type, C = 1 for grey. Only frames that are shown are read.
    """
    ends = start + time_edges(bins, window_length(start, stop))[1:]
    known = np.maximum(frames.end, frames.t + 1)  # an instant is over a microsecond later
    order = np.argsort(known, kind="stable")
    newest = np.maximum.accumulate(order)  # should an exposure end before that of an earlier frame
    at = np.searchsorted(known[order], ends, side="right")
    shown = np.append(-1, newest)[at]
    numbers, which = np.unique(shown[shown >= 0], return_inverse=True)
    images = np.zeros((bins, *frames.images.shape[1:]), frames.images.dtype)
    if len(numbers):
        images[shown >= 0] = np.asarray(frames.images[numbers])[which]
    return images.reshape(*images.shape[:3], -1) if images.ndim == 4 else images[..., None]


@dataclass(frozen=True)
class Held:
    """A camera's frames in steps: for each of `bins` equal parts of [start, stop) us the frame known at its end (`hold`).

    It begins an encoding of a camera's `Frames`, as `TimeFrames` one of events: [bins, H, W, C] of the images' type.
    """

    bins: int
    start: int
    stop: int

    #: Where it stands in an encoding (`mxsnn.events.tonic`).
    makes = "frames"

    def __post_init__(self) -> None:
        check_positive("bins", self.bins)
        window_length(self.start, self.stop)

    @property
    def dt(self) -> float:
        """The duration of a part in ms."""
        return (self.stop - self.start) / self.bins / 1000

    def __call__(self, frames: Frames) -> np.ndarray:
        if not isinstance(frames, Frames):
            raise UserError(f"Held takes the frames of a camera, which a recording holds by its name; got {type(frames).__name__}")
        return hold(frames, self.bins, self.start, self.stop)


#: All that make frames of frames.
INTENSITY = (DirectCurrent, Rate, LinearLatency, LogLatency, LogIntensity, Delta, Difference)


def _frames(frames: Any) -> tuple[Any, Any]:
    """Frames as uint8 or float32, and the namespace of their array. Raises: UserError for others, and what is not finite."""
    if not hasattr(frames, "dtype") or getattr(frames, "ndim", None) != 4:
        got = f"shape {frames.shape}" if hasattr(frames, "shape") else type(frames).__name__
        raise UserError(f"frames are an array [T, H, W, C], got {got}; grey ones have C = 1")
    if frames.dtype != np.uint8 and frames.dtype.kind != "f":
        raise UserError(
            f"frames are uint8 (0 to 255) or float (0 to 1), got {frames.dtype}; divide by the camera's largest value, as float32"
        )
    if isinstance(frames, np.ndarray):
        xp = np
        if frames.dtype != np.uint8 and not np.isfinite(frames).all():
            raise UserError(f"frames of type {frames.dtype} hold values that are not finite")
    else:
        import jax.numpy as xp
    return (frames if frames.dtype == np.uint8 else frames.astype(np.float32)), xp


def _light(frames: Any) -> tuple[Any, Any]:
    """As `_frames`. Raises: UserError for floats out of [0, 1] too."""
    frames, xp = _frames(frames)
    if xp is np and frames.dtype != np.uint8 and frames.size and not (frames.min() >= 0 and frames.max() <= 1):
        raise UserError(f"frames of type float hold intensities from 0 to 1, got {frames.min():.4g} to {frames.max():.4g}")
    return frames, xp


def _intensity(frames: Any, xp: Any) -> Any:
    """float32, 0 to 1. By a table, as a compiled division by 255 is not always rounded correctly."""
    return xp.asarray(_LEVELS.astype(np.float32))[frames] if frames.dtype == np.uint8 else frames


def _one_spike(frames: Any, least: np.ndarray, side: Literal["left", "right"]) -> Any:
    """In each frame, a spike in the first step k whose `least[k]` (falling, [steps]) the intensity is above, or (right) reaches."""
    frames, xp = _light(frames)
    steps, rising = len(least), np.minimum(least[::-1], 2.0)  # beyond 1 none is reached
    if frames.dtype == np.uint8:
        reached = xp.asarray(np.searchsorted(rising, _LEVELS, side).astype(np.int32))[frames]
    else:
        reached = xp.searchsorted(xp.asarray(rising.astype(np.float32)), xp.abs(frames), side)  # no -0.0: some sort it below 0
    return _in_steps((steps - reached)[:, None] == xp.arange(steps).reshape(steps, 1, 1, 1))


def _in_steps(spikes: Any) -> Any:
    """[T, steps, H, W, C] bool as [T steps, H, W, C] uint8."""
    frames, steps, *image = spikes.shape
    return spikes.reshape(frames * steps, *image).astype(np.uint8)


def _follow(low: Any, high: Any) -> Any:
    """level[t] = clip(level[t - 1], low[t], high[t]) from 0: int32 [T, ...].

    Where a signal stands at x thresholds from its first value, low is floor(x), high is ceil(x): a level within one of x stays.
    """
    if isinstance(low, np.ndarray):
        levels, level = np.empty_like(low), np.zeros(low.shape[1:], np.int32)
        for t in range(len(low)):
            level = levels[t] = np.clip(level, low[t], high[t])
        return levels
    import jax

    def step(level: Any, bounds: Any) -> Any:
        level = jax.numpy.clip(level, *bounds)
        return level, level

    return jax.lax.scan(step, jax.numpy.zeros(low.shape[1:], np.int32), (low, high))[1]


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    """Raises: UserError where `value` is no number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not low <= value <= high:
        raise UserError(f"{name} is a number from {low:g} to {high:g}, got {value!r}")
