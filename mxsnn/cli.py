"""The console script `mxsnn`: one thin function a subcommand. Each imports what it needs itself: help is not kept waiting."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from mxsnn import __version__
from mxsnn.errors import UserError
from mxsnn.spec import suggestion

EXTRAS = {
    "cuda12": ("jax-cuda12-plugin",),
    "cuda13": ("jax-cuda13-plugin",),
    "tpu": ("libtpu",),
    "experiments": ("tyro",),
    "peers": ("torch", "snntorch", "spikingjelly"),
}
"""What an extra of mxsnn must bring to count as installed."""

WITHOUT = {
    "expelliarmus": "nothing in mxsnn lacks it; tonic asks for it on account of Prophesee's raw files and, in 1.7, uses it nowhere",
    "matplotlib": "no figures",
    "tqdm": "no training",
    "tyro": "no command lines of experiments/; mxsnn[experiments] brings it",
    "torch": "no comparisons with other libraries; mxsnn[peers] brings it",
    "snntorch": "no comparisons with snnTorch; mxsnn[peers] brings it",
    "spikingjelly": "no comparisons with SpikingJelly; mxsnn[peers] brings it",
}
"""What does not work where a package is missing, beside those that every run records (`mxsnn.training.run.PACKAGES`)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand and returns the exit code: 2, with one line on stderr, for what the user can mend."""
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except UserError as error:
        print("error:", " ".join(str(error).splitlines()), file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; Python would complain when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell reports a process that SIGPIPE ended
    except KeyboardInterrupt:
        return 130


def _run(argv: Sequence[str]) -> int:
    parser = _Parser(prog="mxsnn", description="Spiking networks on event recordings.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mxsnn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    for command, arguments in COMMANDS.items():
        about = (command.__doc__ or "").strip()
        one = commands.add_parser(command.__name__, help=about, description=about, allow_abbrev=False)
        one.set_defaults(command=command)
        for name, options in arguments.items():
            one.add_argument(name, **options)
    first = next((word for word in argv if not word.startswith("-")), None)
    if first is not None and first not in commands.choices:
        raise UserError(f"{first!r} is no command{suggestion(first, commands.choices)}")
    try:
        args = vars(parser.parse_args(argv))
    except SystemExit as end:  # of --help and --version
        return int(end.code or 0)
    command = args.pop("command", None)
    if command is None:
        parser.print_help()
    else:
        command(**args)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `{self.prog} --help` says what there is")


def info(file: Path, json: bool) -> None:
    """What a recording holds."""
    from mxsnn.events import FORMATS, Events, read

    recording = read(file)
    found: dict[str, Any] = {"file": str(file), "format": FORMATS[file.suffix.lower()].__name__.removeprefix("read_")}
    if not isinstance(recording, Events):
        steps, height, width, _ = recording.shape
        found |= {"holds": "frames", "shape": list(recording.shape), "dtype": str(recording.dtype), "sensor_size": [width, height]}
        lines = {
            "format": found["format"],
            "holds": f"{steps:,} ready frames, {recording.dtype} {found['shape']} (time, y, x, polarity)",
            "sensor": f"{width} x {height} pixels",
        }
        return _show(found, lines, json)

    n, on = len(recording), int(recording.p.sum())
    extent = (int(recording.x.max()) + 1, int(recording.y.max()) + 1) if n else (0, 0)
    first, last = (int(recording.t[0]), int(recording.t[-1])) if n else (None, None)
    duration = last - first if first is not None and last is not None else None
    found |= {
        "holds": "events",
        "sensor_size": list(recording.sensor_size) if max(recording.sensor_size) else None,
        "sensor_size_is_extent": recording.sensor_size == extent,
        "events": n,
        "on": on,
        "off": n - on,
        "first_us": first,
        "last_us": last,
        "duration_us": duration,
        "events_per_second": n / duration * 1e6 if duration else None,
    }
    width, height = recording.sensor_size
    if recording.sensor_size != extent:
        sensor = f"{width} x {height} pixels, as the file states"
    else:
        sensor = f"{width} x {height} pixels, as far as the events reach; the file states no larger one" if n else "unknown"
    lines = {
        "format": found["format"],
        "holds": f"{n:,} events: {on:,} ON, {n - on:,} OFF",
        "sensor": sensor,
        "time": f"{first:,} to {last:,} us: {duration / 1e6:g} s" if duration is not None else "no events",
        "rate": f"{found['events_per_second']:,.0f} events/s" if duration else "unknown",
    }
    _show(found, lines, json)


def env(json: bool) -> None:
    """What is installed, and on what it runs."""
    try:
        from mxsnn.training.run import environment

        found = environment()
    except ImportError as error:
        raise UserError(f"mxsnn is not wholly installed ({error}); install it again") from error
    except RuntimeError as error:  # of JAX, where JAX_PLATFORMS or a driver is wrong
        reason = str(error).splitlines()[0]
        raise UserError(f"JAX finds no device ({reason}); JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}") from error
    found.pop("command")
    versions = found["versions"] | {name: _version(name) for name in WITHOUT} | {"mxsnn": __version__}
    extras = {extra: all(_version(name) for name in names) for extra, names in EXTRAS.items()}
    missing = {name: WITHOUT.get(name, "install mxsnn again") for name, version in versions.items() if version is None}
    found |= {"versions": versions, "extras": extras, "missing": missing}
    lines = {name: version or f"missing: {missing[name]}" for name, version in versions.items()}
    lines |= {
        "extras": ", ".join(extra for extra, there in extras.items() if there) or "none",
        "commit": found["commit"] or "unknown: not run from a checkout",
        "platform": found["platform"],
        "processor": f"{found['processor']}, {found['cores']} cores",
        "devices": ", ".join(found["devices"]),
    }
    _show(found, lines, json)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _show(found: dict[str, Any], lines: dict[str, str], as_json: bool) -> None:
    """All of it as JSON, or the lines that people read."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max(map(len, lines)) + 2
    for name, text in lines.items():
        print(f"{name:{width}}{text}")


_FILE = {"file": {"metavar": "FILE", "type": Path, "help": "a recording of events, or ready frames"}}
_JSON = {"--json": {"action": "store_true", "help": "as JSON"}}

COMMANDS: dict[Callable[..., None], dict[str, dict[str, Any]]] = {
    info: _FILE | _JSON,
    env: _JSON,
}
"""The subcommands: the name of each is that of its function, which takes the arguments by name."""


if __name__ == "__main__":
    raise SystemExit(main())
