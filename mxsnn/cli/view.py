"""Draw events beside frames: a strip of pictures, or a film."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from mxsnn.cli.arguments import add_file, add_overwrite, add_reading, reading, us
from mxsnn.cli.terminal import Progress


def add(parser: ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument(
        "--out", metavar="OUT", type=Path, help="a .png (strip), .gif or .mp4 (film); else FILE's name with .png, here"
    )
    parser.add_argument(
        "--window", metavar="MS", type=float, help="time in a picture; else from each frame of the camera to the next"
    )
    parser.add_argument("--start", metavar="S", type=float, help="where to begin, in seconds after the first event")
    parser.add_argument("--stop", metavar="S", type=float, help="where to end, in seconds after the first event")
    parser.add_argument("--columns", metavar="N", type=int, help="pictures in a strip (8)")
    parser.add_argument("--fps", metavar="N", type=float, help="pictures a second in a film (30, where there are no frames)")
    parser.add_argument("--slow", metavar="FACTOR", type=float, help="how many times slower than life a film runs (1)")
    parser.add_argument("--scale", metavar="FACTOR", type=float, help="pixels of the picture for one of the sensor")
    parser.add_argument("--camera", metavar="NAME", help="whose frames say when the pictures are; else the first")
    add_overwrite(parser)
    add_reading(parser)


def run(
    file: Path, out: Path | None, window: float | None, start: float | None, stop: float | None, overwrite: bool, **rest: Any
) -> None:
    from mxsnn.report.player import view as draw

    drawing = {name: rest.pop(name) for name in ("columns", "fps", "slow", "scale", "camera")}
    out = Path(f"{file.stem}.png") if out is None else out
    times = {"window": us("window", window, 1e3), "start": us("start", start, 1e6), "stop": us("stop", stop, 1e6)}
    with Progress(file) as progress:
        draw(file, out, **times, **drawing, overwrite=overwrite, progress=progress, **reading(rest))
    print(out)
