"""How fast are the cameras, and what do their constants do? `python -m benchmarks.simulation [--repeats N] [--only TEXT]`.

An event camera looks at a moving scene of 1,000 samples a second, on 346x260 and on 1280x720 pixels: to a list of events and
straight to voxels of 10 bins. Beside it, turn by turn, stands `eventcv.simulate` (v2e's model, compiled, on every core) on the same
frames with the same constants, where that package is installed; it takes 8 bits and undoes their gamma, so its events are about as
many, not the same. The best time of each counts; "times real time" is seconds of the scene by seconds of the computer.

`--sensitivity` prints instead what each constant of either camera decides, `--noise` how many events the noise of each preset makes
in how much light, and beside it what was published of a sensor.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._timing import best, machine
from mxsnn import faces
from mxsnn.sensors.event_camera import events, frames, voxels
from mxsnn.sensors.event_pixel import EventCamera, V2ECamera
from mxsnn.sensors.presets import DAVIS346, EVK4, SENSORS, V2E_CLEAN, V2E_NOISY
from mxsnn.sensors.rgb_camera import CAMERAS, RGBCamera

#: Noise of an EVK4 at its default settings, events per pixel and second by lux on the sensor, from the parameters that Root, Mujo
#: and Xu fitted to recordings of still scenes of 0.15 to 25 lux ("Noise2Params", arXiv 2605.16317; threshold 0.15 +- 0.0065).
PUBLISHED = dict(
    zip((0.15, 0.5, 1, 2, 3, 5, 8, 12, 18, 25), (0.723, 1.352, 1.823, 2.123, 2.061, 1.667, 1.11, 0.649, 0.317, 0.162), strict=True)
)

RATE = 1000  # samples a second
LUX = 50.0


@dataclass(frozen=True)
class Case:
    """`seconds` of a scene through a camera as a call without arguments, and what of eventcv does the same, or None."""

    name: str
    seconds: float
    ours: Callable[[], Any]
    peer: Callable[[], Any] | None = None


def scene(width: int, height: int, samples: int, speed: float = 60.0) -> np.ndarray:
    """Blobs that move over a still ground, reflectance [T, H, W] from 0.05 to 0.95: a few in a hundred pixels change at a time."""
    y, x = np.mgrid[:height, :width].astype(np.float32) * np.float32(260 / height)
    ground = 0.5 + 0.2 * np.sin(x / 9) * np.cos(y / 11)
    t = np.arange(samples, dtype=np.float32) / RATE
    video = np.empty((samples, height, width), np.float32)
    for k in range(samples):
        light = ground
        for blob, (start, row) in enumerate(((60, 70), (150, 130), (240, 190))):
            at = start + 40 * np.sin(2 * np.pi * (1 + blob / 3) * t[k]) * speed / 60
            light = light * (1 - 0.8 * np.exp(-((x - at) ** 2 + (y - row) ** 2) / 400, dtype=np.float32))
        video[k] = light
    return np.clip(video, 0.05, 0.95)


def light_for(camera: EventCamera, reflectance: np.ndarray) -> np.ndarray:
    """Grey levels for v2e's model, lux x reflectance for the others."""
    return reflectance * np.float32(255 if isinstance(camera, V2ECamera) else LUX)


def event_cameras(seconds: float) -> Iterator[Case]:
    """Cameras on the device of JAX, the light there already."""
    cameras = {"V2E_CLEAN": V2E_CLEAN, "V2E_NOISY": V2E_NOISY, "DAVIS346": DAVIS346}
    large = {"V2E_CLEAN": dataclasses.replace(V2E_CLEAN, sensor_size=(1280, 720)), "EVK4": EVK4}
    for given, length in ((cameras, seconds), (large, seconds / 4)):
        width, height = next(iter(given.values())).sensor_size
        samples = int(length * RATE) + 1
        reflectance = scene(width, height, samples)
        times = np.arange(samples) * (1_000_000 // RATE)
        for name, camera in given.items():
            light = jnp.asarray(light_for(camera, reflectance))
            state = camera.init(jax.random.key(0), light[0])
            peer = eventcv(camera, reflectance) if isinstance(camera, V2ECamera) else None
            label = f"{name} {width}x{height} on {jax.default_backend()}"

            def listed(camera=camera, light=light, state=state, times=times) -> int:
                return len(events(camera, light, times, state)[1])

            def gridded(camera=camera, light=light, state=state, times=times) -> jax.Array:
                return jax.block_until_ready(voxels(camera, light, times, state, 10, 0, int(times[-1]))[1])

            yield Case(f"{label}, events", length, listed, peer)
            yield Case(f"{label}, voxels", length, gridded)


def eventcv(camera: V2ECamera, reflectance: np.ndarray) -> Callable[[], int] | None:
    """eventcv's simulation with a camera's constants, giving the number of events; None where it is not installed."""
    if find_spec("eventcv") is None:
        return None
    peer = importlib.import_module("eventcv")
    encoded = np.where(reflectance > 0.0031308, 1.055 * reflectance ** (1 / 2.4) - 0.055, 12.92 * reflectance)
    grey = np.rint(255 * encoded).astype(np.uint8)
    constants = {"sigma_thres": camera.mismatch, "cutoff_hz": camera.cutoff or 1e9, "leak_rate_hz": camera.leak}
    return lambda: len(peer.simulate(grey, fps=RATE, refractory_us=0, shot_noise_rate_hz=camera.shot, upsample="off", **constants))


#: Each makes cases for so many seconds of a scene.
def renderer(seconds: float) -> Iterator[Case]:
    """A face that acts and moves, as luminance: at 128x96, times real time is thousands of frames a second."""
    for height, width in ((96, 128), (260, 346), (480, 640)):
        baked = faces.bake(faces.draw(jax.random.key(3)), (height, width))
        samples = max(8, min(128, 128 * 96 * 128 // (height * width)))
        rest, keys = faces.neutral(samples, LUX), jax.random.split(jax.random.key(0))
        controls = rest._replace(
            au=0.3 * jax.random.uniform(keys[0], rest.au.shape), pose=0.05 * jax.random.normal(keys[1], (samples, 6))
        )

        def drawn(baked=baked, controls=controls) -> jax.Array:
            return jax.block_until_ready(faces.render(baked, controls))

        yield Case(f"face {width}x{height}, 1000 frames a second", samples / RATE, drawn)


CASES = (event_cameras, renderer)


#: A camera with a constant times a factor.
Change = Callable[[Any, float], Any]


def scaled(*names: str) -> Change:
    """Constants of a camera times a factor."""
    return lambda camera, factor: dataclasses.replace(camera, **{name: factor * getattr(camera, name) for name in names})


def lens(camera: Any, factor: float) -> Any:
    return dataclasses.replace(camera, lens=dataclasses.replace(camera.lens, f_number=factor * camera.lens.f_number))


#: What is halved and doubled; of hot pixels, of which presets have none, 0.05 % and 0.2 % with 100 events a second.
EVENT_CHANGES: dict[str, Change] = {"threshold": scaled("threshold_on", "threshold_off")}
EVENT_CHANGES |= {name: scaled(name) for name in ("mismatch", "leak", "spread", "noise", "refractory", "corner", "slope")}
EVENT_CHANGES |= {name: scaled(name) for name in ("dark_current", "efficiency", "readout")}
EVENT_CHANGES |= {"f-number": lens, "hot": lambda c, factor: dataclasses.replace(c, hot=1e-3 * factor, hot_rate=100.0)}
V2E_CHANGES = {"threshold": EVENT_CHANGES["threshold"], **{name: scaled(name) for name in ("mismatch", "leak", "spread", "shot")}}
V2E_CHANGES |= {"cutoff": scaled("cutoff"), "knee": scaled("knee"), "hot": EVENT_CHANGES["hot"]}


def sensitivity() -> None:
    """Prints events per pixel and second of a still and of a moving scene by each constant, and of frames the SNR."""
    moving = scene(86, 65, RATE + 1)
    scenes = {"still": np.broadcast_to(moving[:1], moving.shape), "moving": moving}
    sensors = {name: camera for name, camera in SENSORS.items() if not isinstance(camera, V2ECamera)}
    models = {name: camera for name, camera in SENSORS.items() if isinstance(camera, V2ECamera)}
    for lux in (5.0, 50.0, 500.0):
        for name, video in scenes.items():
            table(f"{name}, {lux:g} lux", sensors, EVENT_CHANGES, video * np.float32(lux))
    for name, video in scenes.items():
        table(f"{name}, grey levels", models, V2E_CHANGES, video * np.float32(255))
    print(f"| SNR, % by 1 % | {' | '.join(f'{name}, 5, 50, 500 lux' for name in CAMERAS)} |\n|---|" + "---|" * len(CAMERAS))
    for name, change in RGB_CHANGES.items():
        cells = ([slope(camera, change, lux) for lux in (5.0, 50.0, 500.0)] for camera in CAMERAS.values())
        print(f"| {name} | " + " | ".join(", ".join(f"{round(each, 2) + 0.0:.2f}" for each in cell) for cell in cells) + " |")


def table(title: str, cameras: Mapping[str, EventCamera], changes: dict[str, Change], light: np.ndarray) -> None:
    """Rates of cameras, and these with constants halved and doubled; their read-out is that of the part of the sensor."""
    part = math.prod(light.shape[1:])
    own = {}
    for name, camera in cameras.items():
        readout = camera.readout and camera.readout * part / math.prod(camera.sensor_size)
        own[name] = dataclasses.replace(camera, sensor_size=light.shape[:0:-1], readout=readout)
    print(f"| {title} | {' | '.join(own)} |\n|---|" + "---|" * len(own))
    print("| as it is | " + " | ".join(f"{rate(camera, light):.3g}" for camera in own.values()) + " |", flush=True)
    for name, change in changes.items():
        pairs = ((change(camera, 0.5), change(camera, 2.0)) for camera in own.values())
        cells = ("-" if half == double else f"{rate(half, light):.3g}, {rate(double, light):.3g}" for half, double in pairs)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print()


def rate(camera: EventCamera, light: np.ndarray) -> float:
    """Events per pixel and second of a scene at `RATE` samples a second."""
    times = np.arange(len(light)) * (1_000_000 // RATE)
    state = camera.init(jax.random.key(0), light[0])
    counts = frames(camera, light, times, state, 1, 0, int(times[-1]))[1]
    return float(counts.sum()) / (light[0].size * times[-1] * 1e-6)


#: Of the frame camera.
RGB_CHANGES: dict[str, Change] = {"side of a pixel": scaled("pixel"), "f-number": lens}
RGB_CHANGES["quantum efficiency"] = lambda c, factor: dataclasses.replace(c, efficiency=tuple(factor * e for e in c.efficiency))
RGB_CHANGES |= {"frame rate": scaled("fps")}
RGB_CHANGES |= {name.replace("_", " "): scaled(name) for name in ("full_well", "target", "read_noise", "converter_noise")}
RGB_CHANGES |= {"dark current": scaled("dark_current"), "largest gain": scaled("gain"), "black level": scaled("black")}


def slope(camera: RGBCamera, change: Change, lux: float, by: float = 1.01) -> float:
    """d ln SNR / d ln of a constant."""
    return float(np.log(snr(change(camera, by), lux) / snr(change(camera, 1 / by), lux)) / (2 * np.log(by)))


def snr(camera: RGBCamera, lux: float, grey: float = 0.4) -> float:
    """Signal to noise of a green pixel of a grey card, where the automatic exposure comes to rest."""
    per_us = 1e-6 * grey * lux * camera.sensitivity
    wanted = camera.target * camera.full_well / per_us.max()
    exposure = np.clip(wanted, camera.exposure[0], min(camera.exposure[1], camera.interval))
    gain = np.clip(wanted / exposure, 1, camera.gain)
    electrons, dark = per_us[1] * exposure, 1e-6 * camera.dark_current * exposure
    level = camera.full_well / (2**camera.bits - 1)  # electrons at a gain of 1; its rounding is noise, too
    noise = electrons + dark + camera.read_noise**2 + (camera.converter_noise**2 + level**2 / 12) / gain**2
    return float(electrons / np.sqrt(noise))


def noise_rate(camera: EventCamera, light: float) -> float:
    """Events per pixel and second by the noise alone before a still surface, the mean over thresholds as they are drawn."""
    image = jnp.full((100, 100), light, jnp.float32)
    state = dataclasses.replace(camera, sensor_size=(100, 100)).init(jax.random.key(0), image)
    return float(sum((state.spread * rate).mean() for rate in camera.noise_rates(image, state.on, state.off)))


def noise() -> None:
    """Prints the noise of each preset by light, of the sensors at three thresholds, and that of the EVK4 beside the published."""
    lux, grey = (0.05, 0.5, 5.0, 50.0, 500.0), (0.0, 64.0, 128.0, 191.0, 255.0)
    sensors = {name: camera for name, camera in SENSORS.items() if not isinstance(camera, V2ECamera)}
    print("| sensor | threshold | " + " | ".join(f"{value:g} lux" for value in lux) + " |\n|---|---|" + "---|" * len(lux))
    for name, camera in sensors.items():
        for threshold in (0.1, 0.2, 0.3):
            varied = dataclasses.replace(camera, threshold_on=threshold, threshold_off=threshold)
            rates = (noise_rate(varied, value) for value in lux)
            print(f"| {name} | {threshold} | " + " | ".join(f"{rate:.2g}" for rate in rates) + " |")
    print("\n| model | " + " | ".join(f"grey {value:g}" for value in grey) + " |\n|---|" + "---|" * len(grey))
    for name in SENSORS.keys() - sensors.keys():
        print(f"| {name} | " + " | ".join(f"{noise_rate(SENSORS[name], value):.2g}" for value in grey) + " |")
    print("\n| EVK4 at 0.15 | " + " | ".join(f"{value:g} lux" for value in PUBLISHED) + " |\n|---|" + "---|" * len(PUBLISHED))
    print("| published | " + " | ".join(f"{rate:.2f}" for rate in PUBLISHED.values()) + " |")
    camera = dataclasses.replace(EVK4, threshold_on=0.15, threshold_off=0.15)
    rates = (noise_rate(camera, on_sensor / camera.lens.throughput) for on_sensor in PUBLISHED)
    print("| model | " + " | ".join(f"{rate:.2f}" for rate in rates) + " |\n")
    for reading, throughput in (("on the sensor", EVK4.lens.throughput), ("in the scene", 1.0)):
        slope, corner, apart = fit(throughput)
        print(f"published lux {reading}: slope {slope:.2g} Hz/(electron/s), corner {corner:.0f} Hz, {apart:.0%} apart")


def fit(throughput: float) -> tuple[float, float, float]:
    """Slope and corner with which an EVK4 has the noise that is published, and the root mean square by which logarithms are apart.

    `throughput`: lux as they were published for one of the scene. What was published has a floor in any light, 0.0414 a second.
    """
    slope, corner = jnp.geomspace(1e-4, 1e-3, 101)[:, None, None, None], jnp.geomspace(20, 2000, 101)[:, None, None]
    constants: dict[str, Any] = {"slope": slope, "corner": corner}
    camera = dataclasses.replace(EVK4, **constants)
    threshold = 0.15 + 0.0065 * jax.scipy.stats.norm.ppf((jnp.arange(20) + 0.5) / 20)
    on, off = camera.noise_rates(jnp.asarray(list(PUBLISHED))[:, None] / throughput, threshold, threshold)
    apart = jnp.log(((on + off).mean(-1) + 0.0414) / jnp.asarray(list(PUBLISHED.values())))
    rms = jnp.sqrt((apart**2).mean(-1))  # [slope, corner]
    i, j = np.unravel_index(int(rms.argmin()), rms.shape)
    return float(slope[i, 0, 0, 0]), float(corner[j, 0, 0]), float(rms[i, j])


def main() -> None:
    """Prints a table: how many times real time, and how many times as fast as eventcv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of the scene; a quarter of it at 1280x720")
    parser.add_argument("--only", default="", help="cases with this text in their name")
    parser.add_argument("--sensitivity", action="store_true")
    parser.add_argument("--noise", action="store_true")
    given = parser.parse_args()
    print(machine("mxsnn", "jax", "numpy", "numba", *(["eventcv"] if find_spec("eventcv") else [])))
    if given.sensitivity or given.noise:
        return sensitivity() if given.sensitivity else noise()
    print(f"{given.seconds:g} s, best of {given.repeats}\n")
    print("| case | events | times real time | eventcv: events | times real time | times as fast |\n|---|---|---|---|---|---|")
    for case in (case for cases in CASES for case in cases(given.seconds) if given.only in case.name):
        case.ours()  # compiles
        calls = [call for call in (case.ours, case.peer) if call]
        times, results = best(given.repeats, *calls)
        columns = [f"{results[0]:,}" if isinstance(results[0], int) else "-", f"{case.seconds / times[0]:.2f}"]
        columns += [f"{results[1]:,}", f"{case.seconds / times[1]:.2f}", f"{times[1] / times[0]:.2f}"] if case.peer else ["-"] * 3
        print(f"| {case.name} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main()
