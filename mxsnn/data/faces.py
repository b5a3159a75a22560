"""A data set of faces made on the spot: the same performances before each sensor in each light, as recording files with an index.

What a recording holds depends on the plan alone, and of that on nothing that is about other recordings: neither on the number of
processes nor on what was made before; to the bit on one kind of processor. A file stands under its name when it is whole, so that
a command that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import operator
import os
import platform
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.data.datasets.recordings import INDEX, write_index
from mxsnn.data.datasheet import sheet
from mxsnn.errors import UserError
from mxsnn.events import Events, Frames, Recording, open_recording, write
from mxsnn.events.io.files import appearing, join
from mxsnn.events.io.recording_file import RECORDING
from mxsnn.faces import Baked, Light, bake, draw, render, render_rgb
from mxsnn.faces.motion import (
    CLASSES,
    LEAD,
    NEUTRAL,
    Performance,
    Purpose,
    controls,
    generator,
    labels,
    movement_named,
    performance,
    reversal,
)
from mxsnn.locks import held
from mxsnn.sensors import event_camera, rgb_camera
from mxsnn.sensors.event_pixel import EventCamera, PixelState, V2ECamera
from mxsnn.sensors.presets import sensor_named
from mxsnn.sensors.rgb_camera import CAMERAS
from mxsnn.spec import suggestion

CONFIGURATION, SHEET, _LOCK = "faces.json", "DATASHEET.md", ".lock"

PAIRED = 200_000
"""us that the movement of a diagnostic pair lasts at least, so that its order can be seen."""

INTERVAL, COARSE = 2_000, 20_000
"""us between samples of the light in a clip, at every resolution, and before it. In between it is linear."""

EXPOSED = 200_000
"""us before a clip from which frames are taken: six of 30 a second, in which the exposure settles."""

PIECE = 2**24
"""Pixels times samples that are rendered at once."""

WORTH = 32
"""Clips for which it pays to start a process, which compiles all anew."""

FLICKER, LAMP = 100.0, 250
"""Of a lamp at the mains, Hz; us between samples of its light, if it flickers."""


@dataclass(frozen=True)
class Plan:
    """What a set is made of.

    Attributes:
      subjects: how many.
      clips: of each subject.
      sensors: event cameras, as `sensor_of` takes them; the frame camera has as many pixels.
      lux: illuminance at the face.
      thresholds: of the event cameras, both polarities alike; none: each has its own.
      movements: the classes, of `mxsnn.faces.motion.CLASSES`.
      seed: of all that is drawn.
      duration: of a clip, s.
      camera: the frame camera, of `mxsnn.sensors.rgb_camera.CAMERAS`, or "none".
      pair: the diagnostic set: each clip and its exact time reversal.
      blinks: whether subjects blink spontaneously, too, and so are at times of two classes.
      flicker: of the lamp at 100 Hz, part of its light, 0 to 1.

    Raises: UserError for what cannot be.
    """

    subjects: int = 12
    clips: int = 16
    sensors: tuple[str, ...] = ("davis346",)
    lux: tuple[float, ...] = (5.0, 50.0, 500.0)
    thresholds: tuple[float, ...] = ()
    movements: tuple[str, ...] = CLASSES
    seed: int = 0
    duration: float = 1.0
    camera: str = "machine-vision"
    pair: bool = False
    blinks: bool = False
    flicker: float = 0.0

    def __post_init__(self) -> None:
        for name, least, most in (("subjects", 1, 9999), ("clips", 1, 9999), ("seed", 0, 2**32 - 1)):
            object.__setattr__(self, name, _whole(name, getattr(self, name), least, most))
        object.__setattr__(self, "movements", tuple(movement_named(name) for name in self.movements))
        if self.pair:
            object.__setattr__(self, "movements", tuple(name for name in self.movements if name != NEUTRAL))
        for lux in self.lux:
            if not 0 < lux <= 1e6:
                raise UserError(f"lux is above 0 and at most 1,000,000, got {lux:g}")
        for threshold in self.thresholds:
            if not 0.01 <= threshold <= 2:
                raise UserError(f"a threshold is from 0.01 to 2, got {threshold:g}")
        alike = {"sensors": sensor_of, "lux": _short, "thresholds": _short, "movements": str}  # names of files are short, too
        for name, known in alike.items():
            values, seen = getattr(self, name), []
            if not values and name != "thresholds":
                raise UserError(f"{name}: give at least one{' besides neutral' if self.pair else ''}")
            for value in values:
                if known(value) in seen:
                    raise UserError(f"{name}: {values[seen.index(known(value))]} and {value} are the same; give one of them")
                seen.append(known(value))
        if self.camera != "none" and self.camera not in CAMERAS:
            raise UserError(f"{self.camera!r} is no frame camera{suggestion(self.camera, ['none', *CAMERAS])}")
        if not 0 <= self.flicker <= 1:
            raise UserError(f"flicker is a part of the light, from 0 to 1, got {self.flicker:g}")
        if self.length % 100_000 or self.length > 60_000_000:
            raise UserError(f"a clip lasts a whole number of tenths of a second, 60 s at most; got {self.duration:g} s")
        performance(0, 0, 0, CLASSES[0], self.length)  # which says what is too short

    @property
    def length(self) -> int:
        """Of a clip, us."""
        return round(1e6 * self.duration) if math.isfinite(self.duration) else 0

    def performances(self, subject: int, clip: int) -> tuple[Performance, ...]:
        """What a subject does in a clip: one performance, or of a pair two. Movements come equally often, in a drawn order."""
        n = len(self.movements)
        order = generator(self.seed, Purpose.ORDER, subject, clip // n).permutation(n)
        movement = self.movements[order[clip % n]]
        if not self.pair:
            return (performance(self.seed, subject, clip, movement, self.length, self.blinks),)
        forwards = performance(self.seed, subject, clip, movement, self.length, self.blinks, briefest=PAIRED)
        return forwards, reversal(forwards)

    def cameras(self, sensor: str) -> list[tuple[float, EventCamera]]:
        """An event camera at each threshold."""
        own = sensor_of(sensor)
        if not self.thresholds:
            return [((own.threshold_on + own.threshold_off) / 2, own)]
        return [(value, replace(own, threshold_on=value, threshold_off=value)) for value in self.thresholds]

    def names(self, subject: int, clip: int, sensor: str) -> list[list[str]]:
        """The files of a clip before a sensor, below the folder: a list for each performance, by light and then threshold."""
        stems = ["", "-reversed"] if self.pair else [""]
        parts = [f"{_short(lux)}lux-{_short(threshold)}" for lux in self.lux for threshold, _ in self.cameras(sensor)]
        where = f"{subject:04d}/{clip:04d}-{sensor.lower().replace(':', '-')}"
        return [[f"{where}-{part}{stem}{RECORDING.suffixes[0]}" for part in parts] for stem in stems]


def _whole(name: str, value: int, least: int, most: int) -> int:
    """A whole number. Raises: UserError for any other."""
    try:
        found = operator.index(value)
    except TypeError:
        found = least - 1
    if not least <= found <= most:
        raise UserError(f"{name} is a whole number from {least} to {most}, got {value}")
    return found


def _short(value: float) -> str:
    """As it stands in the names of files."""
    return f"{value:g}"


def sensor_of(text: str) -> EventCamera:
    """A camera as `mxsnn.sensors.presets.sensor_named` takes it; "128x96" is a davis346 with so many pixels. Raises: UserError."""
    camera = sensor_named(f"davis346:{text}" if text[:1].isdigit() else text)
    if isinstance(camera, V2ECamera):
        raise UserError(f"{text!r} sees grey levels in place of light; choose a sensor, such as davis346")
    if not all(32 <= side <= 2048 for side in camera.sensor_size):
        raise UserError(f"faces are seen on 32 to 2048 pixels in width and height, got {text!r}")
    return camera


def recordings(plan: Plan, subject: int, clip: int, sensor: str) -> Iterator[tuple[str, Recording]]:
    """What a clip looks like before a sensor in each light, by the name of its file."""
    baked = _baked(plan.seed, subject, sensor_of(sensor).sensor_size)
    for shown, names in zip(plan.performances(subject, clip), plan.names(subject, clip, sensor), strict=True):
        told = _told(plan, shown)
        for name, (lux, threshold, events, frames) in zip(names, _filmed(plan, baked, shown, sensor), strict=True):
            conditions = {**told.conditions, "threshold": threshold}
            yield name, replace(told, events=events, frames=frames, sensor=sensor.lower(), lux=lux, conditions=conditions)


def light_of(seed: int, subject: int) -> Light:
    """The lamp in whose light a subject sits, in all clips and at all levels."""
    rng = generator(seed, Purpose.LAMP, subject)
    return Light(rng.uniform(-50, 50), rng.uniform(15, 60), rng.uniform(0.3, 0.6))


@lru_cache(maxsize=4)
def _baked(seed: int, subject: int, size: tuple[int, int]) -> Baked:
    return bake(draw(_key(seed, Purpose.FACE, subject)), size[::-1], light_of(seed, subject))


def _told(plan: Plan, shown: Performance) -> Recording:
    """What is known of a performance."""
    conditions: dict[str, str | float] = {
        "performance": f"{plan.seed}-{shown.subject:04d}-{shown.clip:04d}",
        "reversed": int(shown.backward),
        "camera": plan.camera,
    }
    if shown.target:
        main = shown.target[0]
        conditions |= {"target_ms": (main.offset - main.onset) / 1e3, "target_intensity": round(main.intensity, 3)}
    return Recording(None, labels=labels(shown), subject=f"{plan.seed}-{shown.subject:04d}", conditions=conditions)


def _filmed(plan: Plan, baked: Baked, shown: Performance, sensor: str) -> Iterator[tuple[float, float, Events, dict[str, Frames]]]:
    """Light, threshold, events and frames of a performance, in the order of `Plan.names`.

    The light is rendered once, in pieces that fit into memory, and scaled for each level. What comes before the clip finds pixels
    and exposures settled, and is not kept.
    """
    cameras = [(lux, threshold, camera) for lux in plan.lux for threshold, camera in plan.cameras(sensor)]
    which = (shown.subject, shown.clip, int(shown.backward), zlib.crc32(sensor.lower().encode()))
    seen: list[list[Events]] = [[] for _ in cameras]
    taken: list[list[Frames]] = [[] for _ in plan.lux]
    states: list = [None] * len(cameras)
    settings: list = [None] * len(plan.lux)
    for times, grey, colour_times, colour in _light(plan, baked, shown):
        for k, (lux, _, camera) in enumerate(cameras):
            radiance = lux * grey
            if states[k] is None:
                noise = _key(plan.seed, Purpose.NOISE, *which, _word(lux))
                states[k] = _rest(camera, radiance[0], _key(plan.seed, Purpose.PATTERN, which[-1]), noise)
            # As many as the changes of the light need: noise has its rate in steps of any length.
            steps = event_camera.substeps(replace(camera, noise=0.0, hot=0.0), radiance, times, states[k])
            states[k], events = event_camera.events(camera, radiance, times, states[k], steps)
            seen[k] += [events] if times[0] >= 0 else []
        if colour is None:
            continue
        for k, lux in enumerate(plan.lux):
            key = _key(plan.seed, Purpose.FRAMES, *which, _word(lux))
            settings[k], frames = rgb_camera.record(CAMERAS[plan.camera], lux * colour, colour_times, key, settings[k])
            taken[k].append(frames)
    for (lux, threshold, _), events in zip(cameras, seen, strict=True):
        frames = taken[plan.lux.index(lux)]
        yield lux, threshold, join(events), {"rgb": _joined(frames)} if frames else {}


def _light(plan: Plan, baked: Baked, shown: Performance) -> Iterator[tuple[np.ndarray, jax.Array, np.ndarray, jax.Array | None]]:
    """Luminance [T, H, W] at times [T] and linear RGB [t, H, W, 3] at times [t], us, in 1 lux, in pieces, from before the clip.

    The last luminance of a piece is the next one's first, as event cameras have it; colours follow each other.
    """
    phase = generator(plan.seed, Purpose.FLICKER, shown.subject, shown.clip).uniform(0, 2 * np.pi)

    def lit(rendered: Callable[..., jax.Array], times: np.ndarray) -> tuple[np.ndarray, jax.Array]:
        light = rendered(baked, controls(shown, times))
        if not plan.flicker:
            return times, light
        finer = np.arange(times[0], times[-1] + 1, LAMP, dtype=np.int64)
        at = np.interp(finer, times, np.arange(len(times))).astype(np.float32)
        lamp = 1 + plan.flicker * np.sin(2e-6 * np.pi * FLICKER * shown.own(finer) + phase)
        return finer, _under(light, at, lamp.astype(np.float32))

    for start, stop, interval, every in ((-LEAD, 0, COARSE, 1), (0, plan.length, INTERVAL, 2)):
        count, pixels = (stop - start) // interval, math.prod(baked.size)
        most = PIECE // (pixels * (interval // LAMP if plan.flicker else 1))
        n = max(k for k in range(every, count + 1, every) if count % k == 0 and (k <= most or k == every))
        for times in (start + interval * np.arange(k, k + n + 1, dtype=np.int64) for k in range(0, count, n)):
            some = times[::every][times[::every] >= -EXPOSED]
            colour_times, colour = times[:0], None
            if plan.camera != "none" and len(some) > 1:
                colour_times, colour = lit(render_rgb, some)
                if times[-1] < plan.length:
                    colour_times, colour = colour_times[:-1], colour[:-1]
            yield *lit(render, times), colour_times, colour


@jax.jit
def _under(light: jax.Array, at: jax.Array, lamp: jax.Array) -> jax.Array:
    """Light [T, ...] at `at` [t] of its samples, linear between them, times that of a lamp [t]: [t, ...]."""
    before = jnp.minimum(at.astype(jnp.int32), len(light) - 2)
    part, lamp = (each.reshape(-1, *[1] * (light.ndim - 1)) for each in (at - before, lamp))
    return lamp * (light[before] + part * (light[before + 1] - light[before]))


def _rest(camera: EventCamera, first: jax.Array, pattern: jax.Array, noise: jax.Array) -> PixelState:
    """Pixels at rest, whose thresholds and faults are the sensor's in all recordings, and whose noise is this one's."""
    state, own = camera.init(pattern, first), camera.init(noise, first)
    return state._replace(rise=own.rise / own.on * state.on, words=own.words)


def _joined(parts: list[Frames]) -> Frames:
    """The frames that begin in the clip."""
    kept = [part.start >= 0 for part in parts]
    arrays = (
        [np.asarray(getattr(part, name))[k] for part, k in zip(parts, kept, strict=True)]
        for name in ("images", "t", "start", "end")
    )
    return Frames.make(*map(np.concatenate, arrays))


def _key(seed: int, *numbers: int) -> jax.Array:
    key = jax.random.key(seed, impl="threefry2x32")
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def _word(lux: float) -> int:
    return int(np.float32(lux).view(np.uint32))


def make(plan: Plan, folder: str | Path, workers: int | None = None, progress: Callable[[float], None] = lambda done: None) -> int:
    """Makes the recordings of a plan in `folder`, those that are not there yet, with an index and a data sheet; how many there are.

    `workers`: processes beside this one, 0 for none; None is one a core where there is enough to do for each, and none beside an
    accelerator. The recordings do not depend on it.

    Raises: UserError where the folder holds anything else or another plan's, or another process is at it.
    """
    folder = Path(folder)
    jobs = [(subject, clip) for subject in range(plan.subjects) for clip in range(plan.clips)]
    with _held(plan, folder):
        todo = [(*job, missing) for job in jobs if (missing := _missing(plan, folder, *job))]
        if workers is None:
            workers = min(os.cpu_count() or 1, len(todo) // WORTH) if jax.default_backend() == "cpu" else 0
        for done, _ in enumerate(_each(plan, folder, todo, workers), len(jobs) - len(todo) + 1):
            progress(done / len(jobs))
        (folder / INDEX).unlink(missing_ok=True)
        write_index(folder, kind="movement")
        with appearing(folder / SHEET) as temporary:
            temporary.write_text(sheet(plan), "utf-8")
    return sum(len(names) for job in jobs for sensor in plan.sensors for names in plan.names(*job, sensor))


def _missing(plan: Plan, folder: Path, subject: int, clip: int) -> dict[str, list[str]]:
    """By sensor the files of a clip that are not there, or broken: a disk that was full or failed leaves such."""
    files = {
        sensor: [name for names in plan.names(subject, clip, sensor) for name in names if not _is_whole(folder / name)]
        for sensor in plan.sensors
    }
    return {sensor: names for sensor, names in files.items() if names}


def _is_whole(path: Path) -> bool:
    try:
        open_recording(path)
    except UserError:
        return False
    return True


def _each(plan: Plan, folder: Path, jobs: list[tuple[int, int, dict[str, list[str]]]], workers: int) -> Iterator[None]:
    """Does the jobs; yields after each."""
    if workers <= 0 or not jobs:
        yield from (_clip(plan, folder, *job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")  # JAX does not outlive a fork
    compiled = jax.config.jax_compilation_cache_dir
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _with_parent, (compiled,)) as pool:
        futures = [pool.submit(_clip, plan, folder, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise UserError(
                f"{folder}: a worker process was ended, perhaps for want of memory; run it again with fewer --workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _clip(plan: Plan, folder: Path, subject: int, clip: int, missing: dict[str, list[str]]) -> None:
    for sensor, names in missing.items():
        for name, recording in recordings(plan, subject, clip, sensor):
            if name in names:
                write(folder / name, recording, overwrite=True)


def _with_parent(compiled: str | None) -> None:
    """Ends this worker when the process that started it has ended, however it did; programs are `compiled` where that one's are."""
    jax.config.update("jax_compilation_cache_dir", compiled)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _held(plan: Plan, folder: Path) -> Iterator[None]:
    """The folder, for this process alone, with the plan in it. What was begun there and never finished is removed."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give a folder for the recordings")
    known, config = folder / CONFIGURATION, _configuration(plan)
    if folder.is_dir() and not known.exists() and {path.name for path in folder.iterdir() if not path.name.startswith(".")}:
        raise UserError(f"{folder} holds other files and no {CONFIGURATION}; give an empty or a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        if not held(lock):
            raise UserError(f"{folder}: another process makes recordings there; wait for it or give another folder")
        if known.exists():
            _same(known, config)
        else:
            with appearing(known) as temporary:
                temporary.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        for path in folder.rglob(f".*{RECORDING.suffixes[0]}"):
            path.unlink(missing_ok=True)
        yield


def _configuration(plan: Plan) -> dict:
    """The plan, and the code that makes recordings of it: a set comes from one."""
    code = hashlib.sha256()
    for part in ("faces", "sensors", "data/faces.py"):
        root = Path(__file__).parents[1] / part
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            code.update(path.read_bytes())
    versions = {name: metadata.version(name) for name in ("mxsnn", "jax", "numpy")}
    return json.loads(json.dumps({**asdict(plan), "code": code.hexdigest()[:16], **versions, "processor": _processor()}))


def _processor() -> str:
    """What rounds sums: the accelerator, or the CPU's vector instructions as far as it tells them and XLA may use them."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return f"{device.platform} {device.device_kind}"
    told = Path("/proc/cpuinfo")  # of Linux alone
    words = set(re.findall(r"\w+", told.read_text("utf-8", "replace"))) if told.exists() else set()
    allowed = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if flag.startswith("--xla_cpu")]
    return " ".join(["cpu", platform.machine(), *(name for name in _VECTORS if name in words), *allowed])


_VECTORS = ("sse4_2", "fma", "avx", "avx2", "avx512f", "asimd", "sve")


def _same(known: Path, config: dict) -> None:
    try:
        before = json.loads(known.read_text("utf-8"))
        other = next((name for name in {**before, **config} if before.get(name) != config.get(name)), None)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{known}: cannot be read ({error}); give a new folder") from error
    if other is not None:
        raise UserError(
            f"{known.parent} holds recordings of {other}={before.get(other)}, asked for is {config.get(other)}; "
            f"give another folder or the same {'kind of machine' if other == 'processor' else 'options'}"
        )
