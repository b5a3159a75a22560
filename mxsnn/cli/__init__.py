"""The console script `mxsnn`: one module a subcommand.

Its docstring says what it does and `add(parser)` what it takes; `run` does it, returns an exit code if not 0, and imports
what it needs itself, so that help comes at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from mxsnn import __version__
from mxsnn.cli import audit, bench_data, cache, clip, convert, convert_weights, env, faces, info, predict, simulate, sync, view
from mxsnn.errors import UserError, command
from mxsnn.spec import suggestion

COMMANDS: dict[str, ModuleType] = {
    "info": info,
    "convert": convert,
    "view": view,
    "sync": sync,
    "clip": clip,
    "simulate": simulate,
    "faces": faces,
    "cache": cache,
    "convert-weights": convert_weights,
    "audit": audit,
    "bench-data": bench_data,
    "predict": predict,
    "env": env,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand and returns the exit code, as `mxsnn.errors.command`."""
    return command(lambda: _run(sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> int | None:
    parser = _Parser(prog="mxsnn", description="Spiking networks on event recordings.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mxsnn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, module in COMMANDS.items():
        one = commands.add_parser(name, help=module.__doc__, description=module.__doc__, allow_abbrev=False)
        one.set_defaults(command=module)
        module.add(one)
    first = next((word for word in argv if not word.startswith("-")), None)
    if first is not None and first not in commands.choices:
        raise UserError(f"{first!r} is no command{suggestion(first, commands.choices)}")
    try:
        found, unknown = parser.parse_known_args(argv)
    except SystemExit:  # of --help and --version
        return None
    if unknown:
        (commands.choices[first] if first else parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    args = vars(found)
    chosen = args.pop("command", None)
    if chosen is not None:
        return chosen.run(**args)
    return parser.print_help()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `{self.prog} --help` says what there is")
