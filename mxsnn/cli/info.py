"""What a recording or a data set holds."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from mxsnn.cli.arguments import add_dataset, add_file, add_json, add_reading, reading, refuse
from mxsnn.cli.terminal import Progress, show
from mxsnn.errors import UserError


def add(parser: ArgumentParser) -> None:
    add_file(parser)
    add_dataset(parser)
    parser.add_argument(
        "--figure", metavar="OUT.png", type=Path, help="of a data set: draw classes, durations, subjects and conditions"
    )
    add_reading(parser)
    add_json(parser)


def run(file: Path, json: bool, dataset: str | None, figure: Path | None, **given: Any) -> None:
    from mxsnn.events.summary import lines, summary

    if dataset is not None or _holds_many(file, given["format"]):
        refuse("belongs to a recording; this is a data set", **given)
        return _info_dataset(file, json, dataset, figure)
    refuse("belongs to a data set; a recording is drawn by `mxsnn view`", figure=figure)
    with Progress(file) as progress:
        found = summary(file, progress=progress, **reading(given))
    show(found, lines(found), json)
    if not json:
        for warning in found["warnings"]:
            print(f"warning: {warning}")


def _holds_many(file: Path, format: str | None) -> bool:
    """Whether a path is a folder that is not itself one recording."""
    from mxsnn.events import identify

    if format is not None or not file.is_dir():
        return False
    try:
        identify(file)
    except UserError:
        return True
    return False


def _info_dataset(folder: Path, json: bool, dataset: str | None, figure: Path | None) -> None:
    from mxsnn.data.datasets import open_dataset, recognise
    from mxsnn.data.summary import lines, summary
    from mxsnn.events.io.files import check_vacant

    if figure is not None and figure.suffix.lower() != ".png":
        raise UserError(f"--figure is a .png file, got {figure}")
    if figure is not None:
        check_vacant(figure, overwrite=False)
    found: dict[str, Any] = {"folder": str(folder), "dataset": dataset or recognise(folder)}
    with Progress(folder) as progress:
        try:
            recordings = open_dataset(found["dataset"], folder)
        except UserError as error:
            if dataset is not None or found["dataset"] != "folders":
                raise
            raise UserError(f"{folder}: a folder of no known layout, of a recording or a data set; as classes: {error}") from error
        found |= summary(recordings, progress)
        if figure is not None:
            from mxsnn.report.dataset import dataset as draw

            draw(found, figure)
    show(found, lines(found), json)
