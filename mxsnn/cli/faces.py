"""Make a data set of procedural faces before modelled cameras: movements, subjects, sensors and light, all paired."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from mxsnn.cli import compiled
from mxsnn.cli.arguments import add_overwrite, refuse
from mxsnn.cli.device import check_device
from mxsnn.cli.terminal import Progress
from mxsnn.errors import UserError


def add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "out", metavar="OUT", type=Path, nargs="?", help="the folder of the data set: new, or begun by the same command"
    )
    parser.add_argument(
        "--sheet", metavar="FILE.png", type=Path, help="draw a contact sheet: subjects, light, movements, RGB beside events"
    )
    parser.add_argument("--subjects", metavar="N", type=int, default=12, help="how many people (12)")
    parser.add_argument("--clips", metavar="N", type=int, default=16, help="of each subject (16); movements come equally often")
    parser.add_argument(
        "--sensors",
        metavar="NAME",
        nargs="+",
        help="event cameras: davis346 (the default), gen3, evk4, dvs128; evk4:320x180 has fewer pixels, 128x96 is a davis346's",
    )
    parser.add_argument("--lux", metavar="LUX", type=float, nargs="+", help="light at the face (5 50 500)")
    parser.add_argument(
        "--threshold", metavar="X", type=float, nargs="+", help="changes of ln(light) that make events, else the sensor's"
    )
    parser.add_argument("--movements", metavar="NAME", nargs="+", help="such as smile frown neutral; else the seven and neutral")
    parser.add_argument(
        "--camera", metavar="NAME", default="machine-vision", help="the frame camera: machine-vision, webcam or none"
    )
    parser.add_argument("--duration", metavar="S", type=float, default=1.0, help="of a clip (1)")
    parser.add_argument(
        "--blinks", action="store_true", help="let subjects blink spontaneously; the data sheet says how often that confuses"
    )
    parser.add_argument("--pair", action="store_true", help="the diagnostic set: each clip and its exact time reversal")
    parser.add_argument(
        "--flicker", metavar="PART", type=float, default=0.0, help="of the lamp, at 100 Hz: a part of its light (0)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of all that is drawn (0)")
    parser.add_argument("--workers", metavar="N", type=int, help="processes; else one a core, and none beside an accelerator")
    add_overwrite(parser, "FILE.png")


def run(
    out: Path | None,
    sheet: Path | None,
    sensors: list[str],
    lux: list[float],
    threshold: list[float],
    movements: list[str],
    workers: int | None,
    overwrite: bool,
    **plan: Any,
) -> None:
    from mxsnn.data.faces import Plan, make
    from mxsnn.report.faces import contact_sheet

    if out is None and sheet is None:
        raise UserError("give the folder OUT of the data set, or --sheet FILE.png for a look at it")
    if workers is not None and workers < 0:
        raise UserError(f"--workers is 0 or more, got {workers}")
    lists = {"sensors": sensors, "lux": lux, "thresholds": threshold, "movements": movements}
    given: dict[str, Any] = plan | {name: tuple(values) for name, values in lists.items() if values}
    wanted = Plan(**given)
    if sheet is None:
        refuse("belongs to --sheet; a data set is never replaced", overwrite=overwrite)
    check_device()
    compiled.keep()  # for the workers, too
    if sheet is not None:
        with Progress(sheet) as progress:
            contact_sheet(wanted, sheet, overwrite, progress)
        print(sheet)
    if out is not None:
        with Progress(out.absolute()) as progress:
            n = make(wanted, out, workers, progress)
        print(f"{out}: {n} recordings")
