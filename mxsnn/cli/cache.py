"""Encoded samples that are kept on disk: how many; clear them, or say how much room they have."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path

from mxsnn.cli.arguments import add_json
from mxsnn.cli.terminal import show
from mxsnn.errors import UserError


def add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--folder", metavar="DIR", type=Path, help="where they are; else in ~/.cache/mxsnn/samples ($XDG_CACHE_HOME)"
    )
    parser.add_argument("--clear", action="store_true", help="remove them all")
    parser.add_argument("--limit", metavar="GIB", type=float, help="how many GiB they may take, from now on")
    add_json(parser)


def run(folder: Path | None, clear: bool, limit: float | None, json: bool) -> None:
    from mxsnn.data import cache as samples

    folder = folder or samples.default_folder()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is no folder")
    if limit is not None and not 0 <= limit < 2**30:
        raise UserError(f"--limit is a number of GiB, got {limit}")
    if clear:
        samples.clear(folder)
    if limit is not None:
        samples.set_limit(folder, int(limit * 2**30))
    found = samples.summary(folder)
    last = found["last_used"]
    lines = {
        "folder": found["folder"],
        "samples": f"{found['samples']:,}",
        "size": f"{found['bytes'] / 2**20:,.1f} MiB of at most {found['limit_bytes'] / 2**20:,.0f}",
        "last used": "never" if last is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(last)),
    }
    show(found, lines, json)
