"""The console script `mxsnn`: one thin function a subcommand. Each imports what it needs itself: help is not kept waiting."""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mxsnn import __version__
from mxsnn.errors import UserError, command
from mxsnn.spec import suggestion

if TYPE_CHECKING:
    from mxsnn.events.io._source import Block, Source

EXTRAS = {
    "cuda12": ("jax-cuda12-plugin",),
    "cuda13": ("jax-cuda13-plugin",),
    "tpu": ("libtpu",),
    "experiments": ("tyro",),
    "codecs": ("hdf5plugin",),
    "video": ("av",),
    "peers": ("torch", "snntorch", "spikingjelly"),
}
"""What an extra of mxsnn must bring to count as installed."""

WITHOUT = {
    "expelliarmus": "nothing in mxsnn lacks it; tonic asks for it on account of Prophesee's raw files and, in 1.7, uses it nowhere",
    "aedat": "no AEDAT4 files",
    "av": "no video files; mxsnn[video] brings it",
    "h5py": "no HDF5 files, and so no recording files",
    "hdf5plugin": "no HDF5 files of codecs other than gzip, such as DSEC's; mxsnn[codecs] brings it",
    "matplotlib": "no figures",
    "numba": "no raw files",
    "pillow": "no image files",
    "tqdm": "no training",
    "tyro": "no command lines of experiments/; mxsnn[experiments] brings it",
    "torch": "no comparisons with other libraries; mxsnn[peers] brings it",
    "snntorch": "no comparisons with snnTorch; mxsnn[peers] brings it",
    "spikingjelly": "no comparisons with SpikingJelly; mxsnn[peers] brings it",
}
"""What does not work where a package is missing, beside those that every run records (`mxsnn.training.run.PACKAGES`)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand and returns the exit code, as `mxsnn.errors.command`."""
    return command(lambda: _run(sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> None:
    parser = _Parser(prog="mxsnn", description="Spiking networks on event recordings.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mxsnn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    for function, arguments in COMMANDS.items():
        about = (function.__doc__ or "").strip()
        one = commands.add_parser(function.__name__.replace("_", "-"), help=about, description=about, allow_abbrev=False)
        one.set_defaults(command=function)
        for name, options in arguments.items():
            one.add_argument(name, **options)
    first = next((word for word in argv if not word.startswith("-")), None)
    if first is not None and first not in commands.choices:
        raise UserError(f"{first!r} is no command{suggestion(first, commands.choices)}")
    try:
        args = vars(parser.parse_args(argv))
    except SystemExit:  # of --help and --version
        return
    chosen = args.pop("command", None)
    if chosen is None:
        parser.print_help()
    else:
        chosen(**args)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `{self.prog} --help` says what there is")


def info(file: Path, json: bool, dataset: str | None, figure: Path | None, **reading: Any) -> None:
    """What a recording or a data set holds."""
    from mxsnn.events.summary import lines, summary

    if dataset is not None or _holds_many(file, reading["format"]):
        return _info_dataset(file, json, dataset, figure)
    if figure is not None:
        raise UserError(f"{file}: --figure is of a data set; a recording is drawn by `mxsnn view`")
    with _Progress(file) as progress:
        found = summary(file, progress=progress, **_reading(reading))
    _show(found, lines(found), json)
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
    with _Progress(folder) as progress:
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
    _show(found, lines(found), json)


def convert(
    file: Path, out: Path, to: str | None, to_option: list[str] | None, from_zero: bool, overwrite: bool, **reading: Any
) -> None:
    """Write a recording in another format, that of the name's suffix or --to."""
    from mxsnn.events.io.files import open_source, write
    from mxsnn.events.sync.files import from_zero as zeroed

    with _Progress(file) as progress:
        source = open_source(file, **_reading(reading))
        if from_zero:
            source = zeroed(source)
        write(out, progress.following(source), to, overwrite, **_options("--to-option", to_option))


def view(
    file: Path, out: Path | None, window: float | None, start: float | None, stop: float | None, overwrite: bool, **rest: Any
) -> None:
    """Draw events beside frames: a strip of pictures, or a film."""
    from mxsnn.report.player import view as draw

    drawing = {name: rest.pop(name) for name in ("columns", "fps", "slow", "scale", "camera")}
    out = Path(f"{file.stem}.png") if out is None else out
    times = {"window": _us("window", window, 1e3), "start": _us("start", start, 1e6), "stop": _us("stop", stop, 1e6)}
    with _Progress(file) as progress:
        draw(file, out, **times, **drawing, overwrite=overwrite, progress=progress, **_reading(rest))
    print(out)


def sync(
    a: Path,
    b: Path,
    by: str | None,
    near: float | None,
    fps: float | None,
    times: Path | None,
    out: Path | None,
    overwrite: bool,
    json: bool,
    **reading: Any,
) -> None:
    """Put a second recording, a video or images on the clock of the first."""
    from mxsnn.events import open_recording, sync, write
    from mxsnn.events.io.files import check_vacant
    from mxsnn.events.sync.files import joined, open_any

    if by is not None and by not in sync.WAYS:
        raise UserError(f"--by {by}: no way to synchronise{suggestion(by, sync.WAYS)}")
    if out is not None:
        check_vacant(out, overwrite)
    of_b = {name.removesuffix("_b"): reading.pop(name) for name in list(reading) if name.endswith("_b")}
    with _Progress(a) as progress:
        first = open_recording(a, progress=progress, **_reading(reading))
    with _Progress(b) as progress:
        second = open_any(b, fps, times, progress, **_reading(of_b, "--option-b"))
    by = by or ("triggers" if len(first.triggers) else "motion")
    found = sync.WAYS[by](first, second, _us("near", near, 1e6))
    if out is not None:
        write(out, joined(first, second, found), overwrite=overwrite)
    clock = found.clock
    lines = {
        "by": f"{by}: {found.rests}",
        "offset": f"{clock.offset:,} us at {clock.reference:,} us of the second clock",
        "drift": f"{clock.drift * 1e6:.3g} ppm",
        "residual": f"{found.rms:,.1f} us (root of the mean square), {found.largest:,.1f} us at most",
    }
    told = {
        "by": by,
        "offset_us": clock.offset,
        "reference_us": clock.reference,
        "drift": clock.drift,
        "rms_us": found.rms,
        "largest_us": found.largest,
        "rests": found.rests,
    }
    _show(told, lines, json)


def clip(session: Path, out: Path, protocol: bool, table: Path | None, label: str | None, kind: str | None, **options: Any) -> None:
    """Cut a session into labelled clips, a folder of recordings."""
    from mxsnn.data import clips
    from mxsnn.events import Label, open_recording

    if protocol == (table is not None):
        raise UserError("clips are cut by --protocol or by --table FILE: give one of them")
    times = {name: _us(name, options.pop(name), 1e6) for name in ("cue", "length", "margin")}
    from_start, first_frame = options.pop("from_start"), options.pop("first_frame")
    with _Progress(session) as progress:
        recording = open_recording(session, progress=progress, **_reading(options))
    if table is not None:
        origin = clips.span(recording)[0] if from_start else 0
        found = clips.by_table(table, recording, session.stem, origin, times["margin"] or 0, first_frame or 0, kind)
    else:
        given = {name: time for name in ("cue", "length") if (time := times[name]) is not None}
        found = clips.by_protocol(recording, session.stem, Label(label, kind or "movement") if label else None, **given)
    clips.write_clips(recording, found, out)
    print(f"{out}: {len(found)} clips")


def simulate(
    video: Path,
    out: Path,
    sensor: str,
    threshold: float | None,
    lux: float,
    fps: float | None,
    seed: int,
    overwrite: bool,
) -> None:
    """What an event camera would make of a video: events beside its frames; what came between two frames is drawn, not known."""
    from mxsnn.events.images import read_frames
    from mxsnn.events.io.files import check_vacant, write
    from mxsnn.sensors import video as videos
    from mxsnn.sensors.presets import sensor_named

    camera = sensor_named(sensor, threshold)
    check_vacant(out, overwrite)
    with _Progress(video) as progress:
        source = videos.simulate(read_frames(video, fps=fps), camera, lux, seed, sensor)
        write(out, progress.following(source), overwrite=overwrite)
    print(out)


def faces(
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
    """Make a data set of procedural faces before modelled cameras: movements, subjects, sensors and light, all paired."""
    import jax

    from mxsnn.data.faces import Plan, make
    from mxsnn.report.faces import contact_sheet

    if out is None and sheet is None:
        raise UserError("give the folder OUT of the data set, or --sheet FILE.png for a look at it")
    if workers is not None and workers < 0:
        raise UserError(f"--workers is 0 or more, got {workers}")
    lists = {"sensors": sensors, "lux": lux, "thresholds": threshold, "movements": movements}
    given: dict[str, Any] = plan | {name: tuple(values) for name, values in lists.items() if values}
    wanted = Plan(**given)
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mxsnn" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(cached))  # workers, and the next time, need not compile again
    if sheet is not None:
        with _Progress(sheet) as progress:
            contact_sheet(wanted, sheet, overwrite, progress)
        print(sheet)
    if out is not None:
        with _Progress(out.absolute()) as progress:
            n = make(wanted, out, workers, progress)
        print(f"{out}: {n} recordings")


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


def cache(folder: Path | None, clear: bool, limit: float | None, json: bool) -> None:
    """Encoded samples that are kept on disk: how many; clear them, or say how much room they have."""
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
    _show(found, lines, json)


def bench_data(
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
    """Who waits for whom in training: how fast recordings are read, encoded, kept, brought to the device and learned from."""
    from mxsnn.data.datasets import open_dataset, recognise
    from mxsnn.data.encoded import Encoded
    from mxsnn.data.sources import open_source
    from mxsnn.events.tonic import compose
    from mxsnn.training.waiting import lines, waiting

    for name, value in {"batch": batch, "seconds": seconds, "channels": min(channels), "workers": workers + 1}.items():
        if not 0 < value < math.inf:
            raise UserError(f"--{name} is {'0 or more' if name == 'workers' else 'above 0'}")
    if dataset is None:
        if folder is None:
            raise UserError("give the FOLDER of a data set, or --dataset smoke, which needs none")
        dataset = recognise(folder)
    recordings = open_dataset(dataset, folder)
    size = recordings.sensor_size
    encoded = Encoded(
        recordings, compose(encoding, size) if encoding else None, compose([*augment, *encoding], size) if augment else None
    )
    source = open_source(encoded, cache, False if stream else None, workers)
    found = waiting(encoded, source, batch, channels, workers, seconds)
    _show(found, lines(found), json)


class _Progress:
    """A bar on stderr while a long file is read; none where it is short, or nobody looks."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> _Progress:
        from tqdm import tqdm

        hidden = not sys.stderr.isatty()
        self.bar = tqdm(total=1.0, desc=self.file.name, delay=1.0, leave=False, disable=hidden, bar_format=_BAR)
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


def _reading(given: dict[str, Any], option: str = "--option") -> dict[str, Any]:
    """The arguments of `_READING` as `mxsnn.events.read` takes them; what the one for options is called."""
    return given | _options(option, given.pop("option"))


def _options(argument: str, texts: list[str] | None) -> dict[str, Any]:
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


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"takes WIDTHxHEIGHT in pixels, such as 346x260, got {text!r}")
    return int(width), int(height)


def _us(name: str, value: float | None, unit: float) -> int | None:
    """A time in a unit of so many us."""
    if value is not None and not abs(value * unit) < 2**53:
        raise UserError(f"--{name} is a time, got {value!r}")
    return None if value is None else round(value * unit)


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
_DATASET = {
    "--dataset": {
        "metavar": "NAME",
        "help": "of a folder: which data set it is, with options, e.g. \"nefer(emotions='reported')\"",
    },
    "--figure": {"metavar": "OUT.png", "type": Path, "help": "of a data set: draw classes, durations, subjects and conditions"},
}
_OUT = {
    "out": {"metavar": "OUT", "type": Path, "help": "the file to write; its suffix says the format"},
    "--to": {"metavar": "NAME", "help": "the format to write, where the suffix does not tell"},
    "--from-zero": {"action": "store_true", "help": "let the clock begin at the first event, trigger or frame"},
    "--to-option": {"metavar": "NAME=VALUE", "action": "append", "help": "an option of the format's writer, e.g. codec=zstd"},
    "--overwrite": {"action": "store_true", "help": "replace OUT where it exists"},
}
_VIEW = {
    "--out": {"metavar": "OUT", "type": Path, "help": "a .png (strip), .gif or .mp4 (film); else FILE's name with .png, here"},
    "--window": {"metavar": "MS", "type": float, "help": "time in a picture; else from each frame of the camera to the next"},
    "--start": {"metavar": "S", "type": float, "help": "where to begin, in seconds after the first event"},
    "--stop": {"metavar": "S", "type": float, "help": "where to end, in seconds after the first event"},
    "--columns": {"metavar": "N", "type": int, "help": "pictures in a strip (8)"},
    "--fps": {"metavar": "N", "type": float, "help": "pictures a second in a film (30, where there are no frames)"},
    "--slow": {"metavar": "FACTOR", "type": float, "help": "how many times slower than life a film runs (1)"},
    "--scale": {"metavar": "FACTOR", "type": float, "help": "pixels of the picture for one of the sensor"},
    "--camera": {"metavar": "NAME", "help": "whose frames say when the pictures are; else the first"},
    "--overwrite": {"action": "store_true", "help": "replace OUT where it exists"},
}
_SYNC = {
    "a": {"metavar": "A", "type": Path, "help": "a recording with events: the clock that both are put on"},
    "b": {"metavar": "B", "type": Path, "help": "a recording, a video, a GIF or a folder of images"},
    "--by": {"metavar": "WAY", "help": "triggers, motion, pixels or mark; else triggers where A has edges, and motion where not"},
    "--near": {"metavar": "S", "type": float, "help": "A's time less B's, in seconds, as far as it is known"},
    "--fps": {"metavar": "N", "type": float, "help": "of B's images or video, where they have no times of their own"},
    "--times": {"metavar": "FILE", "type": Path, "help": "times of B's images, a line each: whole us, or s with a decimal point"},
    "--out": {"metavar": "FILE", "type": Path, "help": "write both as one recording on A's clock"},
    "--overwrite": {"action": "store_true", "help": "replace FILE where it exists"},
}
_CLIP = {
    "session": {"metavar": "SESSION", "type": Path, "help": "a recording; a recording file may be larger than memory"},
    "out": {"metavar": "OUT_FOLDER", "type": Path, "help": "a new folder for the clips"},
    "--protocol": {"action": "store_true", "help": "from where a sheet of paper is taken away: cue after 5 s, end after 10 s"},
    "--table": {"metavar": "FILE", "type": Path, "help": "CSV with columns such as start_s, end_s, label, kind, subject"},
    "--label": {"metavar": "NAME", "help": "what is seen in the clips of the protocol"},
    "--kind": {"metavar": "KIND", "help": "of the labels: au, movement or emotion"},
    "--cue": {"metavar": "S", "type": float, "help": "from the mark to the cue (5)"},
    "--length": {"metavar": "S", "type": float, "help": "from the mark to the end (10)"},
    "--margin": {"metavar": "S", "type": float, "help": "around onset and offset, where the table has no start and end (0)"},
    "--from-start": {"action": "store_true", "help": "the table's times count from the first event or frame, not by the clock"},
    "--first-frame": {"metavar": "N", "type": int, "help": "the number of the first frame, where the table counts frames (0)"},
}
_BAR = "{desc} {percentage:3.0f}% {bar} {elapsed}"
_READING = {
    "--format": {"metavar": "NAME", "help": "the file's format, where its signature or suffix does not tell"},
    "--sensor-size": {"metavar": "WxH", "type": _size, "help": "the event camera's pixels, where the file does not state them"},
    "--repair": {"action": "store_true", "help": "leave out events outside the sensor and put the others in the order of time"},
    "--option": {"metavar": "NAME=VALUE", "action": "append", "help": "an option of the format's reader, e.g. columns=xytp"},
}
_READING_A = {name: {**options, "help": f"of A: {options['help']}"} for name, options in _READING.items()}
_READING_B = {f"{name}-b": {**options, "help": f"of B: {options['help']}"} for name, options in _READING.items()}
_SIMULATE = {
    "video": {"metavar": "VIDEO", "type": Path, "help": "a video, a GIF or a folder of images"},
    "out": {"metavar": "OUT", "type": Path, "help": "the recording to write, such as face.mxr"},
    "--sensor": {
        "metavar": "NAME",
        "default": "davis346",
        "help": "davis346 (the default), gen3, evk4, dvs128, v2e-clean or v2e-noisy; evk4:320x180 has fewer pixels",
    },
    "--threshold": {"metavar": "X", "type": float, "help": "change of ln(light) that makes an event, else the sensor's"},
    "--lux": {"metavar": "LUX", "type": float, "default": 500.0, "help": "light on a surface that is white in the video (500)"},
    "--fps": {
        "metavar": "N",
        "type": float,
        "help": "true frames a second, of images or of a slowed video; at 30, what lasts under 33 ms is lost",
    },
    "--seed": {"metavar": "N", "type": int, "default": 0, "help": "of the camera's mismatch and noise (0)"},
    "--overwrite": {"action": "store_true", "help": "replace OUT where it exists"},
}
_FACES = {
    "out": {"metavar": "OUT", "type": Path, "nargs": "?", "help": "the folder of the data set: new, or begun by the same command"},
    "--sheet": {"metavar": "FILE.png", "type": Path, "help": "draw a contact sheet: subjects, light, movements, RGB beside events"},
    "--subjects": {"metavar": "N", "type": int, "default": 12, "help": "how many people (12)"},
    "--clips": {"metavar": "N", "type": int, "default": 16, "help": "of each subject (16); movements come equally often"},
    "--sensors": {
        "metavar": "NAME",
        "nargs": "+",
        "help": "event cameras: davis346 (the default), gen3, evk4, dvs128; evk4:320x180 has fewer pixels, 128x96 is a davis346's",
    },
    "--lux": {"metavar": "LUX", "type": float, "nargs": "+", "help": "light at the face (5 50 500)"},
    "--threshold": {
        "metavar": "X",
        "type": float,
        "nargs": "+",
        "help": "changes of ln(light) that make events, else the sensor's",
    },
    "--movements": {
        "metavar": "NAME",
        "nargs": "+",
        "help": "such as smile frown neutral; else the seven and neutral",
    },
    "--camera": {"metavar": "NAME", "default": "machine-vision", "help": "the frame camera: machine-vision, webcam or none"},
    "--duration": {"metavar": "S", "type": float, "default": 1.0, "help": "of a clip (1)"},
    "--blinks": {"action": "store_true", "help": "let subjects blink spontaneously; the data sheet says how often that confuses"},
    "--pair": {"action": "store_true", "help": "the diagnostic set: each clip and its exact time reversal"},
    "--flicker": {"metavar": "PART", "type": float, "default": 0.0, "help": "of the lamp, at 100 Hz: a part of its light (0)"},
    "--seed": {"metavar": "N", "type": int, "default": 0, "help": "of all that is drawn (0)"},
    "--workers": {"metavar": "N", "type": int, "help": "processes; else one a core, and none beside an accelerator"},
    "--overwrite": {"action": "store_true", "help": "replace FILE.png where it exists"},
}
_CACHE = {
    "--folder": {"metavar": "DIR", "type": Path, "help": "where they are; else in ~/.cache/mxsnn/samples ($XDG_CACHE_HOME)"},
    "--clear": {"action": "store_true", "help": "remove them all"},
    "--limit": {"metavar": "GIB", "type": float, "help": "how many GiB they may take, from now on"},
}
_BENCH_DATA = {
    "folder": {"metavar": "FOLDER", "type": Path, "nargs": "?", "help": "of a data set"},
    "--dataset": _DATASET["--dataset"],
    "--encoding": {
        "metavar": "TRANSFORM",
        "nargs": "+",
        "default": [],
        "help": 'such as "TimeFrames(bins=12, start=0, stop=340000)"',
    },
    "--augment": {
        "metavar": "TRANSFORM",
        "nargs": "+",
        "default": [],
        "help": 'of events, such as "EventDrop(start=0, stop=340000)"',
    },
    "--batch": {"metavar": "N", "type": int, "default": 32, "help": "samples in a batch (32)"},
    "--workers": {"metavar": "N", "type": int, "default": 0, "help": "processes that encode ahead; 0: none but this one (0)"},
    "--channels": {
        "metavar": "N",
        "type": int,
        "nargs": "+",
        "default": [16, 32, 64],
        "help": "of the network's blocks (16 32 64)",
    },
    "--cache": {"metavar": "DIR|off", "help": "where encoded samples are kept; else ~/.cache/mxsnn/samples; off: encode each time"},
    "--stream": {"action": "store_true", "help": "from the host, as sets that do not fit on the device"},
    "--seconds": {"metavar": "S", "type": float, "default": 5.0, "help": "each measurement takes (5)"},
}
_JSON = {"--json": {"action": "store_true", "help": "as JSON"}}

COMMANDS: dict[Callable[..., None], dict[str, dict[str, Any]]] = {
    info: _FILE | _DATASET | _READING | _JSON,
    convert: _FILE | _OUT | _READING,
    view: _FILE | _VIEW | _READING,
    sync: _SYNC | _READING_A | _READING_B | _JSON,
    clip: _CLIP | _READING,
    simulate: _SIMULATE,
    faces: _FACES,
    cache: _CACHE | _JSON,
    bench_data: _BENCH_DATA | _JSON,
    env: _JSON,
}
"""The subcommands: the name of each is that of its function (with - for _), which takes the arguments by name."""


if __name__ == "__main__":
    raise SystemExit(main())
