"""The contact sheet of a set of faces: subjects and light from top to bottom, movements from left to right, RGB beside events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mxsnn.data.faces import Plan, recordings
from mxsnn.errors import UserError
from mxsnn.events import Recording
from mxsnn.events.io.files import appearing, check_vacant
from mxsnn.report.palette import colours

FULL = 3
"""Events of a pixel that have the full colour, alike in all pictures."""

_GAP, _LINE, _MARGIN, _WIDTH = 6, 18, 72, 160  # pixels; a picture is about as wide as the last
_REST = 200_000  # us before the middle of a clip, of which a neutral one shows the events


def contact_sheet(
    plan: Plan, path: str | Path, overwrite: bool = False, progress: Callable[[float], None] = lambda done: None
) -> None:
    """Draw the first clip of each movement of each subject of a plan, before its first sensor, as a PNG at `path`.

    Each is shown by the frame at its apex and the events from onset to apex, ON red and OFF blue.

    Raises: UserError for another suffix, a path that exists, a plan without frames, and one whose sheet would be too large.
    """
    from PIL import Image, ImageDraw, ImageFont

    path, sensor = Path(path), plan.sensors[0]
    if path.suffix.lower() != ".png":
        raise UserError(f"a contact sheet is a .png file, got {path}")
    check_vacant(path, overwrite)
    if plan.camera == "none":
        raise UserError("a contact sheet shows RGB beside events; choose a --camera")
    if plan.subjects * len(plan.lux) * len(plan.movements) > 1000:
        raise UserError(f"a contact sheet of {plan.subjects} subjects is too large; give fewer --subjects, --lux or --movements")
    rows, done = [], 0
    for subject in range(plan.subjects):
        cells = []
        for movement in plan.movements:
            clip = next(k for k in range(len(plan.movements)) if plan.performances(subject, k)[0].movement == movement)
            shown = plan.performances(subject, clip)[0]
            named = dict(recordings(plan, subject, clip, sensor))
            files = plan.names(subject, clip, sensor)[0][:: len(plan.cameras(sensor))]
            apex = shown.target[0].apex if shown.target else plan.length // 2
            onset = shown.target[0].onset if shown.target else apex - _REST
            cells.append([_pair(named[file], onset, apex) for file in files])
            done += 1
            progress(done / (plan.subjects * len(plan.movements)))
        rows += list(zip(*cells, strict=True))
    height, width = rows[0][0].shape[:2]
    sheet = Image.new("RGB", (_MARGIN + (width + _GAP) * len(plan.movements), _LINE + (height + _GAP) * len(rows)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, movement in enumerate(plan.movements):
        draw.text((_MARGIN + column * (width + _GAP), 2), movement, "black", font)
    for k, row in enumerate(rows):
        top = _LINE + k * (height + _GAP)
        subject, light = divmod(k, len(plan.lux))
        draw.text((2, top), f"subject {subject}\n{plan.lux[light]:g} lux", "black", font)
        for column, cell in enumerate(row):
            sheet.paste(Image.fromarray(cell), (_MARGIN + column * (width + _GAP), top))
    with appearing(path) as temporary:
        sheet.quantize(256, kmeans=4, dither=Image.Dither.NONE).save(temporary, "png", optimize=True)


def _pair(recording: Recording, start: int, stop: int) -> np.ndarray:
    """The frame at `stop` beside the events in [start, stop), us: uint8 [H, W, 3]."""
    frames, events = recording.frames["rgb"], recording.events
    assert events is not None
    image = np.asarray(frames.images[int(np.abs(frames.t - stop).argmin())])
    height, width = image.shape[:2]
    part = events.window(start, stop)
    counts = np.zeros((height, width, 2), np.float32)
    np.add.at(counts, (part.y, part.x, part.p), 1)
    pair = np.concatenate([image, np.round(255 * colours(counts, FULL)).astype(np.uint8)], 1)
    shrink = max(1, round(width / _WIDTH))
    pair = pair[: height // shrink * shrink, : 2 * width // shrink * shrink]
    parts = pair.reshape(pair.shape[0] // shrink, shrink, pair.shape[1] // shrink, shrink, 3)
    return np.round(parts.mean((1, 3))).astype(np.uint8)
