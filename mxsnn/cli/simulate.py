"""What an event camera would make of a video: events beside its frames; what came between two frames is drawn, not known."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from mxsnn.cli import compiled
from mxsnn.cli.arguments import add_overwrite
from mxsnn.cli.device import check_device
from mxsnn.cli.terminal import Progress


def add(parser: ArgumentParser) -> None:
    parser.add_argument("video", metavar="VIDEO", type=Path, help="a video, a GIF or a folder of images")
    parser.add_argument("out", metavar="OUT", type=Path, help="the recording to write, such as face.mxr")
    parser.add_argument(
        "--sensor",
        metavar="NAME",
        default="davis346",
        help="davis346 (the default), gen3, evk4, dvs128, v2e-clean or v2e-noisy; evk4:320x180 has fewer pixels",
    )
    parser.add_argument("--threshold", metavar="X", type=float, help="change of ln(light) that makes an event, else the sensor's")
    parser.add_argument(
        "--lux", metavar="LUX", type=float, default=500.0, help="light on a surface that is white in the video (500)"
    )
    parser.add_argument(
        "--fps",
        metavar="N",
        type=float,
        help="true frames a second, of images or of a slowed video; at 30, what lasts under 33 ms is lost",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the camera's mismatch and noise (0)")
    add_overwrite(parser)


def run(
    video: Path,
    out: Path,
    sensor: str,
    threshold: float | None,
    lux: float,
    fps: float | None,
    seed: int,
    overwrite: bool,
) -> None:
    from mxsnn.events.images import read_frames
    from mxsnn.events.io.files import check_vacant, write
    from mxsnn.sensors import video as videos
    from mxsnn.sensors.presets import sensor_named

    camera = sensor_named(sensor, threshold)
    check_vacant(out, overwrite)
    compiled.keep()
    check_device()
    with Progress(video) as progress:
        source = videos.simulate(read_frames(video, fps=fps), camera, lux, seed, sensor)
        write(out, progress.following(source), overwrite=overwrite)
    print(out)
