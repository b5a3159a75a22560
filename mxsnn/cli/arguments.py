"""Arguments that several subcommands take, and their values as the library takes them."""

from __future__ import annotations

import ast
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from mxsnn.errors import UserError


def add_file(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a recording of events, or ready frames")


def add_reading(parser: ArgumentParser, of: str = "", suffix: str = "") -> None:
    """How a recording is read; `suffix` tells a second one's options from the first's."""

    def add(name: str, help: str, **options: Any) -> None:
        parser.add_argument(name + suffix, help=of + help, **options)

    add("--format", "the file's format, where its signature or suffix does not tell", metavar="NAME")
    add("--sensor-size", "the event camera's pixels, where the file does not state them", metavar="WxH", type=_size)
    add("--repair", "leave out events outside the sensor and put the others in the order of time", action="store_true")
    add("--option", "an option of the format's reader, e.g. columns=xytp", metavar="NAME=VALUE", action="append")


def add_dataset(parser: ArgumentParser) -> None:
    about = "of a folder: which data set it is, with options, e.g. \"nefer(emotions='reported')\""
    parser.add_argument("--dataset", metavar="NAME", help=about)


def add_overwrite(parser: ArgumentParser, out: str = "OUT") -> None:
    parser.add_argument("--overwrite", action="store_true", help=f"replace {out} where it exists")


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def refuse(why: str, **given: Any) -> None:
    """Raises: UserError for an option that is given where it says nothing."""
    for name, value in given.items():
        if value not in (None, False):
            raise UserError(f"--{name.replace('_', '-')} {why}")


def reading(given: dict[str, Any], option: str = "--option") -> dict[str, Any]:
    """The arguments of `add_reading` as `mxsnn.events.read` takes them; what the one for options is called."""
    return given | options(option, given.pop("option"))


def options(argument: str, texts: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE, each value as Python has it, or else as text."""
    found: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"{argument} takes NAME=VALUE, got {text!r}")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def us(name: str, value: float | None, unit: float) -> int | None:
    """A time in a unit of so many us."""
    if value is not None and not abs(value * unit) < 2**53:
        raise UserError(f"--{name} is a time, got {value!r}")
    return None if value is None else round(value * unit)


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise ArgumentTypeError(f"takes WIDTHxHEIGHT in pixels, such as 346x260, got {text!r}")
    return int(width), int(height)
