"""Put a second recording, a video or images on the clock of the first."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from mxsnn.cli.arguments import add_json, add_overwrite, add_reading, reading, us
from mxsnn.cli.terminal import Progress, show
from mxsnn.errors import UserError
from mxsnn.spec import suggestion


def add(parser: ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", type=Path, help="a recording with events: the clock that both are put on")
    parser.add_argument("b", metavar="B", type=Path, help="a recording, a video, a GIF or a folder of images")
    parser.add_argument(
        "--by", metavar="WAY", help="triggers, motion, pixels or mark; else triggers where A has edges, and motion where not"
    )
    parser.add_argument("--near", metavar="S", type=float, help="A's time less B's, in seconds, as far as it is known")
    parser.add_argument("--fps", metavar="N", type=float, help="of B's images or video, where they have no times of their own")
    parser.add_argument(
        "--times", metavar="FILE", type=Path, help="times of B's images, a line each: whole us, or s with a decimal point"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="write both as one recording on A's clock")
    add_overwrite(parser, "FILE")
    add_reading(parser, "of A: ")
    add_reading(parser, "of B: ", "-b")
    add_json(parser)


def run(
    a: Path,
    b: Path,
    by: str | None,
    near: float | None,
    fps: float | None,
    times: Path | None,
    out: Path | None,
    overwrite: bool,
    json: bool,
    **given: Any,
) -> None:
    from mxsnn.events import open_recording, sync, write
    from mxsnn.events.io.files import check_vacant, writable
    from mxsnn.events.sync.files import joined, open_any

    if by is not None and by not in sync.WAYS:
        raise UserError(f"--by {by}: no way to synchronise{suggestion(by, sync.WAYS)}")
    if out is not None:
        check_vacant(out, overwrite)
        writable(out)
    of_b = {name.removesuffix("_b"): given.pop(name) for name in list(given) if name.endswith("_b")}
    with Progress(a) as progress:
        first = open_recording(a, progress=progress, **reading(given))
    with Progress(b) as progress:
        second = open_any(b, fps, times, progress, **reading(of_b, "--option-b"))
    by = by or ("triggers" if len(first.triggers) else "motion")
    found = sync.WAYS[by](first, second, us("near", near, 1e6))
    if out is not None:
        write(out, joined(first, second, found), overwrite=overwrite)
    clock = found.clock
    lines = {
        "by": f"{by}: {found.rests}",
        "offset": f"{clock.offset:,} us at {clock.reference:,} us of the second clock",
        "drift": f"{clock.drift * 1e6:.3g} ppm",
        "residual": f"{found.rms:,.1f} us (root of the mean square), {found.largest:,.1f} us at most",
    }
    told = {
        "by": by,
        "offset_us": clock.offset,
        "reference_us": clock.reference,
        "drift": clock.drift,
        "rms_us": found.rms,
        "largest_us": found.largest,
        "rests": found.rests,
    }
    show(told, lines, json)
