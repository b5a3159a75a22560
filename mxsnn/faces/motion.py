"""What one subject does in one clip: face, head and eyes as functions of time, independent of cameras and light.

All is drawn from (seed, subject, clip) and held as a few numbers: movements with four times each, saccades, sums of sinusoids. It
is evaluated at any times, so that each camera may look at its own, and played backwards exactly. docs/faces.md, "Performances",
names the source of each distribution, and what is a choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.random import host_key
from mxsnn.events.recording import Label
from mxsnn.faces import INDEX, UNITS, Controls
from mxsnn.spec import suggestion

MOVEMENTS: dict[str, dict[int, float]] = {
    "Upper Lid Raiser": {5: 1.0},
    "Smile": {12: 1.0, 6: 0.6},
    "Open Mouth": {25: 1.0, 26: 1.0},
    "Nose Wrinkle": {9: 1.0},
    "Frown": {4: 1.0},
    "Blink Eyes": {45: 1.0},
    "Contract Jaw": {31: 1.0},
}
"""The seven of "Beyond the Smile" by their Action Units of FACS, each with its part of the movement's intensity."""

NEUTRAL = "Neutral"
"""The eighth class: none of the seven."""

CLASSES = (*MOVEMENTS, NEUTRAL)

BACKGROUND = (1, 2, 7, 10, 14, 15, 17, 20, 23, 24)
"""Action Units of no class, which move a little in any clip."""

MIDLINE = (17, 25, 26, 27)
"""Action Units in the middle of the face, which have no sides."""

DURATION = 1_000_000
"""Of a clip, us."""

LEAD = 1_000_000
"""us before and after a clip in which head and eyes move as they do in it: a camera has looked on before it records."""

MARGIN = 80_000
"""us at both ends of a clip in which no movement of the class list begins or ends."""

TOTAL = (40_000, 500_000)
"""us from onset to offset of a movement, drawn evenly in the logarithm: those of micro-expressions."""

INTENSITY = (0.2, 0.7)
"""Of a movement, drawn evenly; for the briefest, up to what `FASTEST` lets them reach."""

FASTEST = 66_000
"""us in which a unit goes from 0 to 1 at least: a lid's in a spontaneous blink, the fastest that a face is known to do."""

VESTIBULAR = 0.975
"""The part of the head's rotation that the eyes compensate."""

DISTANCE = 400.0
"""From the camera to the face, mm: where the head comes nearer, it grows."""


class Purpose(IntEnum):
    """What random numbers are for: it follows the seed in every key, so that no two draws share their numbers."""

    FACE, LAMP, FLICKER, ORDER, PERSON, TARGET, BACKGROUND, BLINKS, EYES, HEAD, POSTURE, PATTERN, NOISE, FRAMES = range(14)


def generator(seed: int, purpose: Purpose, *numbers: int) -> np.random.Generator:
    """Random numbers of a purpose for a subject, a clip, ...: of no others than these, in this order."""
    return np.random.default_rng(host_key(seed, purpose, *numbers))


@dataclass(frozen=True)
class Pulse:
    """One Action Unit's rise and fall: 0 until `onset`, 1 from `apex` to `release`, 0 from `offset` on, us; min-jerk between.

    `left`, `right`: intensity on either side of the face, as its owner names them, 0 to 1.
    """

    unit: int
    onset: int
    apex: int
    release: int
    offset: int
    left: float
    right: float

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The part of its intensity, 0 to 1, at `times` us [T]."""
        rise = minimum_jerk((times - self.onset) / max(self.apex - self.onset, 1))
        return rise - minimum_jerk((times - self.release) / max(self.offset - self.release, 1))

    @property
    def intensity(self) -> float:
        """The mean of both sides."""
        return (self.left + self.right) / 2

    def label(self) -> Label:
        return Label(f"AU{self.unit}", "au", self.onset, self.apex, self.offset, self.intensity)


@dataclass(frozen=True, eq=False)
class Wander:
    """Smooth random motion of A axes: sums of K sinusoids each. `amplitude`, `phase` [K, A], `frequency` [K] Hz."""

    amplitude: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """[T, A] at `times` us [T]."""
        angle = 2e-6 * np.pi * np.asarray(times)[:, None] * self.frequency
        return (self.amplitude * np.sin(angle[..., None] + self.phase)).sum(1)


@dataclass(frozen=True, eq=False)
class Saccades:
    """Steps of the gaze: `start`, `duration` us [N], `step` degrees [N, 2] from `first` [2]: to the subject's left, down."""

    first: np.ndarray
    start: np.ndarray
    duration: np.ndarray
    step: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """Degrees [T, 2] at `times` us [T]."""
        return self.first + minimum_jerk((np.asarray(times)[:, None] - self.start) / self.duration) @ self.step


@dataclass(frozen=True, eq=False)
class Performance:
    """What one subject does in [0, duration), us, and head and eyes do from `LEAD` before to `LEAD` after.

    Attributes:
      seed, subject, clip: what it is drawn from.
      movement: of `CLASSES`.
      target: what makes up the movement, its main Action Unit first; nothing where it is neutral.
      others: of the background, and spontaneous blinks, in the order of onset.
      posture: [6], how the head is held: degrees turned to the subject's left, down, tilted to its left shoulder; mm to its left,
        down, forward.
      head: what it moves beside that, [T, 6].
      saccades, drift: where the eyes look, degrees to the subject's left and down.
      backward: played from the end to the start.
    """

    seed: int
    subject: int
    clip: int
    movement: str
    duration: int
    target: tuple[Pulse, ...]
    others: tuple[Pulse, ...]
    posture: np.ndarray
    head: Wander
    saccades: Saccades
    drift: Wander
    backward: bool = False

    @property
    def name(self) -> str:
        """The movement, and whether it is played backwards."""
        return f"{self.movement} reversed" if self.backward else self.movement

    def own(self, times: np.ndarray) -> np.ndarray:
        """Times of the clip, us, as the performance's own time, which may run backwards."""
        times = np.asarray(times, np.int64)
        return self.duration - times if self.backward else times


def controls(performance: Performance, times: np.ndarray, lux: ArrayLike = 1.0) -> Controls:
    """What face, head and eyes do at `times` us [T] in this light, one or [T]. The strongest pulse of a unit counts."""
    t = performance.own(times)
    au = np.zeros((len(t), len(UNITS), 2), np.float32)
    for pulse in (*performance.target, *performance.others):
        unit = au[:, INDEX[pulse.unit]]
        np.maximum(unit, pulse(t)[:, None] * np.array([pulse.left, pulse.right]), out=unit, casting="same_kind")
    head = performance.posture + performance.head(t)
    gaze = performance.saccades(t) + performance.drift(t) - VESTIBULAR * head[:, :2]
    pose = np.concatenate([np.deg2rad(head[:, :3]), head[:, 3:5], -np.log1p(-head[:, 5:] / DISTANCE)], 1)
    light = np.broadcast_to(np.asarray(lux, np.float32), t.shape)
    return Controls(*(jnp.asarray(values, jnp.float32) for values in (au, np.deg2rad(gaze), pose, light)))


def labels(performance: Performance) -> tuple[Label, ...]:
    """The truth, in the order of onset: a label of kind "movement" for the target, one of kind "au" for each Action Unit.

    A neutral clip's movement is for the whole clip and has no times.
    """
    played = (*performance.target, *performance.others)
    found = [_backward(pulse, performance.duration) if performance.backward else pulse for pulse in played]
    named = [pulse.label() for pulse in found]
    if performance.target:
        main = named[0]
        named.append(Label(performance.name, "movement", main.onset, main.apex, main.offset, main.intensity))
    else:
        named.append(Label(performance.name, "movement"))
    return tuple(sorted(named, key=lambda label: (label.onset or 0, label.kind, label.name)))


def reversal(performance: Performance) -> Performance:
    """The same with time reversed, target, head, eyes and all: what is shown at t is shown at duration - t."""
    return replace(performance, backward=not performance.backward)


def movement_named(text: str) -> str:
    """The class of `CLASSES` that a text means; capitals, spaces, hyphens and underscores do not count. Raises: UserError."""
    found = {_key(name): name for name in CLASSES}
    if _key(text) not in found:
        raise UserError(f"{text!r} is no movement{suggestion(_key(text), [_key(name) for name in CLASSES])}")
    return found[_key(text)]


def performance(
    seed: int, subject: int, clip: int, movement: str, duration: int = DURATION, blinks: bool = False, briefest: int = TOTAL[0]
) -> Performance:
    """Draw what a subject does in a clip in which the target is a `movement` of `CLASSES`.

    `blinks`: let it blink spontaneously, too, so that other movements of the class list fall into the clip. `briefest`: us, of the
    target's duration. Nothing else changes with either, nor head, eyes and background with the movement.

    Raises: UserError for no such movement, a clip too short for the longest one.
    """
    movement = movement_named(movement)
    if duration < TOTAL[1] + 2 * MARGIN:
        raise UserError(
            f"a clip lasts at least {(TOTAL[1] + 2 * MARGIN) / 1e6:g} s, so that any movement fits; got {duration / 1e6:g} s"
        )
    if not TOTAL[0] <= briefest <= TOTAL[1]:
        raise UserError(f"the briefest movement lasts {TOTAL[0] / 1e3:g} to {TOTAL[1] / 1e3:g} ms, got {briefest / 1e3:g} ms")

    def rng(purpose: Purpose) -> np.random.Generator:
        return generator(seed, purpose, subject, clip)

    own, person = rng(Purpose.TARGET), generator(seed, Purpose.PERSON, subject)
    rate, vigour = person.lognormal(np.log(14.5 / 60), 0.3), person.lognormal(0, 0.3)
    target = _target(own, movement, duration, briefest)
    others = _background(rng(Purpose.BACKGROUND), duration)
    if blinks:
        others += _spontaneous(rng(Purpose.BLINKS), duration, rate)
    eyes = rng(Purpose.EYES)
    return Performance(
        seed=seed,
        subject=subject,
        clip=clip,
        movement=movement,
        duration=duration,
        target=target,
        others=tuple(sorted(others, key=lambda pulse: (pulse.onset, pulse.unit))),
        posture=rng(Purpose.POSTURE).normal(0, [3, 3, 2, 5, 5, 10]),
        head=_head(rng(Purpose.HEAD), vigour),
        saccades=_saccades(eyes, -LEAD, duration + LEAD),
        drift=_wander(eyes, np.full(2, 4 / 60), np.geomspace(0.2, 20, 10)),
    )


def confused(performance: Performance) -> bool:
    """Whether another movement of the class list falls into the clip than the target, so that none who sees all can be sure."""
    listed = {unit for units in MOVEMENTS.values() for unit in units}
    own = {pulse.unit for pulse in performance.target}
    return any(pulse.unit in listed - own for pulse in performance.others)


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """From 0 at u <= 0 to 1 at u >= 1: 10 u^3 - 15 u^4 + 6 u^5, the smoothest of hand movements (Flash and Hogan, 1985)."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * u * (10 + u * (6 * u - 15))


def _target(rng: np.random.Generator, movement: str, duration: int, briefest: int) -> tuple[Pulse, ...]:
    if movement == NEUTRAL:
        return ()
    units = dict(MOVEMENTS[movement])
    if movement == "Open Mouth" and rng.random() < 0.3:
        units = {25: 1.0, 27: 1.0}  # stretched
    if movement == "Blink Eyes":
        phases, intensity = _blink(rng, 77.6, 10.0), rng.uniform(0.5, 1.0)
    else:
        total = np.exp(rng.uniform(np.log(briefest), np.log(TOTAL[1])))
        rise, hold = rng.uniform(0.2, 0.35) * total, rng.uniform(0.1, 0.2) * total
        intensity = rng.uniform(INTENSITY[0], min(INTENSITY[1], total / 2 / FASTEST))
        rise = max(rise, intensity * FASTEST)
        hold = min(hold, total - 2 * rise)  # what falls, falls no faster than it rose
        phases = np.array([rise, hold, total - rise - hold])
    start = rng.uniform(MARGIN, duration - MARGIN - phases.sum())
    return tuple(_pulse(rng, unit, start, phases, part * intensity) for unit, part in units.items())


def _background(rng: np.random.Generator, duration: int) -> list[Pulse]:
    """On average one weak, slow movement a second, of no class."""
    found = []
    for unit in rng.choice(BACKGROUND, min(rng.poisson(duration / 1e6), len(BACKGROUND)), replace=False):
        phases = np.array([0.35, 0.2, 0.45]) * rng.uniform(0.3, 0.9) * min(duration, 1_000_000)
        start = rng.uniform(0, duration - phases.sum())
        found.append(_pulse(rng, int(unit), start, phases, rng.uniform(0.03, 0.15)))
    return found


def _spontaneous(rng: np.random.Generator, duration: int, rate: float) -> list[Pulse]:
    """Spontaneous blinks at `rate` Hz, those within the clip."""
    found, start = [], rng.exponential(1e6 / rate)
    while start < duration:
        phases, depth = _blink(rng, FASTEST / 1e3, 8.0), rng.uniform(0.5, 1.0)
        if start + phases.sum() < duration:
            found.append(_pulse(rng, 45, start, phases, depth))
        start += phases.sum() + rng.exponential(1e6 / rate)
    return found


def _blink(rng: np.random.Generator, down: float, spread: float) -> np.ndarray:
    """us that the lid goes down, stays and goes up: `down` and `spread` are mean and standard deviation, ms, of the first."""
    falling = 1e3 * np.clip(rng.normal(down, spread), down - 2 * spread, down + 2 * spread)
    return np.array([falling, 1e3 * rng.uniform(5, 20), falling * rng.uniform(2.0, 3.0)])


def _pulse(rng: np.random.Generator, unit: int, start: float, phases: np.ndarray, intensity: float) -> Pulse:
    """`phases`: us of rise, hold and fall. How a person's own muscles differ from side to side is the face's, not drawn here."""
    onset, apex, release, offset = (round(start + passed) for passed in (0, *np.cumsum(phases)))
    spread = 0.0 if unit in MIDLINE else 0.03 if unit == 45 else 0.12  # both lids are driven alike
    lean = spread * float(np.clip(rng.normal(), -3, 3))
    left, right = (min(float(intensity) * side, 1.0) for side in (1 + lean / 2, 1 - lean / 2))
    return Pulse(unit, onset, apex, release, offset, left, right)


def _head(rng: np.random.Generator, vigour: float) -> Wander:
    """Slow drift, and a tremor a hundredth as large."""
    still = np.array([0.3, 0.3, 0.2, 1.0, 1.0, 1.0]) * vigour  # standard deviations, degrees and mm
    slow = _wander(rng, still, np.geomspace(0.1, 2, 8))
    fast = _wander(rng, still / 100, rng.uniform(6, 10, 4), slope=0)
    return Wander(*(np.concatenate(pair) for pair in zip(_parts(slow), _parts(fast), strict=True)))


def _wander(rng: np.random.Generator, deviation: np.ndarray, frequency: np.ndarray, slope: float = 1) -> Wander:
    """Of standard deviations [A] on average over phases; amplitudes fall with frequency^slope: 1 is a random walk's."""
    weight = frequency**-slope
    weight = weight * np.sqrt(2 / (weight**2).sum())
    return Wander(weight[:, None] * deviation, frequency, rng.uniform(0, 2 * np.pi, (len(frequency), len(deviation))))


def _parts(wander: Wander) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return wander.amplitude, wander.frequency, wander.phase


def _saccades(rng: np.random.Generator, begin: int, end: int) -> Saccades:
    """About the camera, at which the subject looks; their durations are on the main sequence, 21 ms + 2.2 ms per degree."""
    at = rng.normal(0, 1.5, 2)
    first, found, start = at, [], begin + rng.exponential(600e3)
    while start < end:
        then = rng.normal(0, 1.5, 2)
        lasts = 21e3 + 2.2e3 * float(np.hypot(*(then - at)))
        if start + lasts < end:
            found.append((start, lasts, then - at))
            at = then
        start += lasts + 150e3 + rng.exponential(600e3)
    starts, lasting, steps = zip(*found, strict=True) if found else ((), (), ())
    return Saccades(first, np.array(starts, float), np.array(lasting, float), np.array(steps, float).reshape(-1, 2))


def _backward(pulse: Pulse, duration: int) -> Pulse:
    onset, apex, release, offset = (duration - time for time in (pulse.offset, pulse.release, pulse.apex, pulse.onset))
    return replace(pulse, onset=onset, apex=apex, release=release, offset=offset)


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
