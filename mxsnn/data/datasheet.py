"""The data sheet of a set of faces: how all of it is drawn, with which constants, and what it cannot tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mxsnn.faces.motion import BACKGROUND, DISTANCE, FASTEST, INTENSITY, LEAD, MARGIN, MOVEMENTS, TOTAL, confused
from mxsnn.faces.pose import FIELD
from mxsnn.sensors.rgb_camera import CAMERAS

if TYPE_CHECKING:
    from mxsnn.data.faces import Plan


def sheet(plan: Plan) -> str:
    """The data sheet of a plan, in Markdown."""
    from mxsnn.data.faces import COARSE, INTERVAL, LAMP, PAIRED, sensor_of

    shown = [one for s in range(plan.subjects) for c in range(plan.clips) for one in plan.performances(s, c)]
    classes = Counter(one.name for one in shown)
    blinked = [one for one in shown if confused(one)]
    ceiling = 1 - sum(not one.target for one in blinked) / len(shown)
    rows = [f"| {name} | {units(name)} | {count} |" for name, count in sorted(classes.items())]
    cameras = {name: sensor_of(name) for name in plan.sensors}
    tables = [_constants(f"Event camera `{name}`", asdict(camera)) for name, camera in cameras.items()]
    if plan.camera != "none":
        tables.append(_constants(f"Frame camera `{plan.camera}`, with as many pixels", asdict(CAMERAS[plan.camera])))
    thresholds = ", ".join(f"{value:g}" for value in plan.thresholds) or "each sensor's own"
    other = (
        f"Subjects blink spontaneously, too (log-normal, about 14.5 a minute):\nin {len(blinked)} of {len(shown)} performances "
        "that are of another class. A neutral clip with such a blink cannot be told from a blink,\n"
        f"so that who sees everything, but not which is the target, has at most {ceiling:.1%} right."
        if plan.blinks
        else "No other movement of the class list\nfalls into a clip: no blinks of their own, a background of other Action Units."
    )
    flicker = f"with a flicker of {plan.flicker:.0%} at 100 Hz, sampled every {LAMP:g} us" if plan.flicker else "without flicker"
    pair = (
        f"""
This is the diagnostic set: each performance is there twice, as it is and exactly reversed in time, with head, eyes and all else.
Movements last {PAIRED / 1e3:g} ms at least, rise fast and fall slowly. Both show the same, in another order: order alone tells them
apart, but for what a sensor does in one direction of time (leak, refractory period, photoreceptor, exposure control).
"""
        if plan.pair
        else ""
    )
    return f"""# Data sheet

Procedural faces before modelled cameras. Nobody was recorded; no face is anyone's. `faces.json` has the plan and the versions that
made it. docs/faces.md of mxsnn has the sources of distributions and constants, and says which are choices.

| | |
|---|---|
| subjects, performances | {plan.subjects}, {len(shown)} |
| sensors | {_list(plan.sensors)} |
| frame camera | {plan.camera} |
| lux | {_list(f"{value:g}" for value in plan.lux)} |
| thresholds | {thresholds} |
{pair}
## Recordings

One file a performance, sensor, light and threshold; `index.csv` lists them with their conditions. Recordings with one `performance`
show the same movements of the same person and differ in the camera, its light, and noise: compare them in pairs.

    from mxsnn.data.datasets import recordings
    data = recordings(FOLDER)

| movement | Action Units | performances |
|---|---|---|
{chr(10).join(rows)}

Labels of kind "movement" mark the target by its time and name the class; labels of kind "au" are the whole truth, with onset, apex,
offset and intensity, of the target and of the background. {other}

## How it is drawn

All is drawn from seed {plan.seed}: a face by subject, a performance by subject and clip, noise by recording. Thresholds, leak and
hot pixels differ from pixel to pixel and are a sensor's own in all its recordings. The plan in `faces.json` gives the same to the
bit with the versions and on the kind of processor named there; elsewhere sums are rounded in another way, and some events differ.

- Movement: onset to offset evenly in the logarithm from {TOTAL[0] / 1e3:g} to {TOTAL[1] / 1e3:g} ms, rise 20 to 35 % of it,
  hold 10 to 20 %; intensity {INTENSITY[0]:g} to {INTENSITY[1]:g}; minimum-jerk profiles; sides differ by 12 % (standard deviation).
  No unit goes from 0 to 1 faster than in {FASTEST / 1e3:g} ms, so that the briefest movements rise for up to half of their time and
  are weak: at most {TOTAL[0] / 2 / FASTEST:.2f} in {TOTAL[0] / 1e3:g} ms.
  Blinks: closing 78 +- 10 ms, opening 2 to 3 times as long, depth 0.5 to 1.
  Anywhere in the clip but its first and last {MARGIN / 1e3:g} ms.
- Background: on average one weak, slow movement a second (intensity 0.03 to 0.15, 300 to 900 ms)
  of AU {_list(BACKGROUND)}.
- Head: posture by clip (3 degrees, 5 mm), drift (0.3 degrees, 1 mm), tremor of 6 to 10 Hz a hundredth of that.
- Eyes: saccades about the camera on the main sequence, drift, and compensation of the head's rotation.
- Light: a lamp in a direction drawn by subject, {flicker}; the level is the illuminance of what faces it.
- Scene: {FIELD:g} mm are the height of the image on every sensor, {DISTANCE:g} mm from the camera, sampled every
  {INTERVAL / 1e3:g} ms, colour every {2 * INTERVAL / 1e3:g} ms, linear in between. Event cameras go through it in
  so many steps that no pixel's logarithm changes by more than a threshold in one.
- Cameras have looked on for {LEAD / 1e6:g} s before a clip begins (light every {COARSE / 1e3:g} ms), so that it has no pixels that
  begin at rest.

## Constants

Units and meanings: `mxsnn.sensors.event_pixel.EventCamera`, `mxsnn.sensors.rgb_camera.RGBCamera`.

{chr(10).join(tables)}
## What such data cannot tell

- Whether an accuracy holds for people. Faces are a model's: skin, wrinkles, hair and muscles are simplified, movements do not
  emerge from emotions, and their variety is that of the distributions above. Results compare conditions; they predict no figure.
- Which camera is better in general. The sensors' constants decide, each from its source; optics are ideal (no blur, no distortion,
  no vignetting), both cameras see through the same point, and the frame camera has as many pixels as the event camera.
- Anything about make-up, occlusion, other poses than frontal ones, talking, backgrounds that move, daylight.
- Spontaneous micro-expressions: labels are the intended movements, known exactly, where people's are coded by observers
  who disagree.
- What lies between the samples of the light, and events finer than the model: no arbiter latency, no temperature.
"""


def units(name: str) -> str:
    """The Action Units of a class, "AU12 + AU6"."""
    found = MOVEMENTS.get(name.removesuffix(" reversed"), {})
    told = " + ".join(f"AU{unit}" for unit in found) or "none"
    return f"{told} or AU27" if 26 in found else told


def _constants(title: str, values: dict[str, Any]) -> str:
    lens = values.pop("lens")
    rows = [f"| {name} | {_text(value)} |" for name, value in {**values, **{f"lens {k}": v for k, v in lens.items()}}.items()]
    return "\n".join([f"### {title}", "", "| constant | value |", "|---|---|", *rows, ""])


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " x ".join(_text(part) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _list(values: Any) -> str:
    return ", ".join(str(value) for value in values)
