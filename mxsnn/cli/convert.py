"""Write a recording in another format, that of the name's suffix or --to."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from mxsnn.cli.arguments import add_file, add_overwrite, add_reading, options, reading
from mxsnn.cli.terminal import Progress


def add(parser: ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument("out", metavar="OUT", type=Path, help="the file to write; its suffix says the format")
    parser.add_argument("--to", metavar="NAME", help="the format to write, where the suffix does not tell")
    parser.add_argument("--from-zero", action="store_true", help="let the clock begin at the first event, trigger or frame")
    parser.add_argument(
        "--to-option", metavar="NAME=VALUE", action="append", help="an option of the format's writer, e.g. codec=zstd"
    )
    add_overwrite(parser)
    add_reading(parser)


def run(file: Path, out: Path, to: str | None, to_option: list[str] | None, from_zero: bool, overwrite: bool, **given: Any) -> None:
    from mxsnn.events.io.files import open_source, write
    from mxsnn.events.sync.files import from_zero as zeroed

    with Progress(file) as progress:
        source = open_source(file, **reading(given))
        if from_zero:
            source = zeroed(source)
        write(out, progress.following(source), to, overwrite, **options("--to-option", to_option))
    print(out)
