"""What subcommands show: a bar while they read, and what they found."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mxsnn.events.io._source import Block, Source

BAR = "{desc} {percentage:3.0f}% {bar} {elapsed}"


class Progress:
    """A bar on stderr while a long file is read; none where it is short, or nobody looks."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        hidden = not sys.stderr.isatty()
        self.bar = tqdm(total=1.0, desc=self.file.name, delay=1.0, leave=False, disable=hidden, bar_format=BAR)
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def __call__(self, done: float) -> None:
        self.bar.update(done - self.bar.n)

    def following(self, source: Source) -> Source:
        """The source, which moves the bar as it is read."""

        def blocks() -> Iterator[Block]:
            for block in source.blocks():
                self(block.done)
                yield block

        return replace(source, blocks=blocks)


def show(found: dict[str, Any], lines: dict[str, str], as_json: bool) -> None:
    """All of it as JSON, or the lines that people read."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max(map(len, lines)) + 2
    for name, text in lines.items():
        print(f"{name:{width}}{text}")
