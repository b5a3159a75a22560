"""Who waits for whom in training: how fast recordings are read, encoded, kept, brought to the device and learned from."""

from __future__ import annotations

import math
from argparse import ArgumentParser
from pathlib import Path

from mxsnn.cli.arguments import add_dataset, add_json
from mxsnn.cli.device import check_device
from mxsnn.cli.terminal import show
from mxsnn.errors import UserError


def add(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="of a data set")
    add_dataset(parser)
    parser.add_argument(
        "--encoding", metavar="TRANSFORM", nargs="+", default=[], help='such as "TimeFrames(bins=12, start=0, stop=340000)"'
    )
    parser.add_argument(
        "--augment", metavar="TRANSFORM", nargs="+", default=[], help='of events, such as "EventDrop(start=0, stop=340000)"'
    )
    parser.add_argument("--batch", metavar="N", type=int, default=32, help="samples in a batch (32)")
    parser.add_argument("--workers", metavar="N", type=int, default=0, help="processes that encode ahead; 0: none but this one (0)")
    parser.add_argument(
        "--channels", metavar="N", type=int, nargs="+", default=[16, 32, 64], help="of the network's blocks (16 32 64)"
    )
    parser.add_argument(
        "--cache", metavar="DIR|off", help="where encoded samples are kept; else ~/.cache/mxsnn/samples; off: encode each time"
    )
    parser.add_argument("--stream", action="store_true", help="from the host, as sets that do not fit on the device")
    parser.add_argument("--seconds", metavar="S", type=float, default=5.0, help="each measurement takes (5)")
    add_json(parser)


def run(
    folder: Path | None,
    dataset: str | None,
    encoding: list[str],
    augment: list[str],
    batch: int,
    workers: int,
    channels: list[int],
    cache: str | None,
    stream: bool,
    seconds: float,
    json: bool,
) -> None:
    from mxsnn.data.datasets import open_dataset, recognise
    from mxsnn.data.encoded import Encoded
    from mxsnn.data.sources import open_source
    from mxsnn.events.tonic import compose
    from mxsnn.training.waiting import lines, waiting

    for name, value in {"batch": batch, "seconds": seconds, "channels": min(channels)}.items():
        if not 0 < value < math.inf:
            raise UserError(f"--{name} is above 0, got {value}")
    if workers < 0:
        raise UserError(f"--workers is 0 or more, got {workers}")
    if dataset is None:
        if folder is None:
            raise UserError("give the FOLDER of a data set, or --dataset smoke, which needs none")
        dataset = recognise(folder)
    check_device()
    recordings = open_dataset(dataset, folder)
    size = recordings.sensor_size
    encoded = Encoded(
        recordings, compose(encoding, size) if encoding else None, compose([*augment, *encoding], size) if augment else None
    )
    source = open_source(encoded, cache, False if stream else None, workers)
    found = waiting(encoded, source, batch, channels, workers, seconds)
    show(found, lines(found), json)
