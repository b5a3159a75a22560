"""Damages files of every format and reads them: python -m tests.fuzz [--own N] [--others N] [--seed N] [--formats A,B].

`--own`: files over the formats that mxsnn decodes itself; `--others`: of AEDAT4, and as many of HDF5, which libraries decode,
and a quarter as many of each kind of file that lies beside recordings: indices, tables, boxes, images.
Every file follows from (seed, format, index) alone; `--only FORMAT:INDEX` makes one and reads it with its traceback.
The whole run (--own 100000 --others 2000) took ten minutes on a core that was shared; it exits with 1 where there is a finding.

Files are read by children that are forked when all is imported and compiled, with limits of memory and time. A child notes
the number of a file before it reads it, so that a crash or a hang is known by its file.
"""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_BOUNDSCHECK", "1")  # what lies outside an array is an error, not another's memory

import argparse
import contextlib
import faulthandler
import gc
import json
import mmap
import random
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

MEMORY = 2**28  # bytes that a file may take beyond what a child begins with
SECONDS = 10  # of a processor that a file may take
STILL = 60  # seconds by the clock after which a child that has not moved on is taken to hang
BATCH = 500  # files for a child


class Hang(BaseException):
    """Not to be caught by a reader that expects anything."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--own", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", help="these alone, by name, with commas between")
    parser.add_argument("--only", metavar="FORMAT:INDEX", help="one file, in the foreground")
    parser.add_argument("--keep", type=Path, help="a folder for the files of findings")
    arguments = parser.parse_args()
    room = Path(tempfile.mkdtemp(prefix="mxsnn-fuzz-"))
    os.environ["NUMBA_CACHE_DIR"] = str(room / "numba")  # kernels with bounds checks are not for others
    try:
        return run(arguments, room)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def run(arguments: argparse.Namespace, room: Path) -> int:
    from mxsnn.events import FORMATS
    from tests.fuzz.seeds import hdf5, seeds, third_party

    known = seeds()
    for name in [name for name, found in known.items() if not found]:
        print(f"no valid file of {name} to damage: give tests/fuzz/seeds.py one")
        if not arguments.formats:
            return 1
    prepared = warm(known, room)
    if arguments.only:
        name, _, index = arguments.only.partition(":")
        return alone(name, int(index), arguments.seed, known[name], prepared[name], room, arguments.keep)
    chosen = [name for name in known if not arguments.formats or name in arguments.formats.split(",")]
    own = [name for name in chosen if name in FORMATS and not third_party(name)]
    packed = [name for name in chosen if hdf5(name)]
    shares = {name: -(-arguments.own // len(own)) for name in own}
    shares |= {name: -(-arguments.others // len(packed)) for name in packed}
    shares |= {"aedat4": arguments.others} if "aedat4" in chosen else {}
    shares |= {name: -(-arguments.others // 4) for name in chosen if name not in FORMATS}
    findings: list[dict[str, Any]] = []
    began = time.monotonic()
    total: Counter[str] = Counter()
    for name, count in shares.items():
        since = time.monotonic()
        counts, found = fuzz(name, count, arguments.seed, known[name], prepared[name], room, arguments.keep)
        total += counts
        findings += found
        line = f"{name:12} {sum(counts.values()):7,} files: {counts['valid']:7,} valid, {counts['refused']:7,} refused"
        print(f"{line}, {counts['finding']:4} findings; {time.monotonic() - since:.0f} s", flush=True)
    alike: dict[str, list[dict[str, Any]]] = {}
    for one in findings:
        alike.setdefault(f"{one['format']} {re.sub(r'[0-9]+', '', one['said'])[:60]}", []).append(one)
    for first, *rest in alike.values():
        more = f" and {len(rest)} more like it" if rest else ""
        print(f"\n{first['format']}:{first['index']} ({first['seed']}){more}: {first['said']}")
    told = f"{total['valid']:,} valid, {total['refused']:,} refused, {total['finding']} findings"
    print(f"{sum(total.values()):,} files: {told}; {time.monotonic() - began:.0f} s")
    return 1 if findings else 0


def warm(known: dict[str, list[Any]], room: Path) -> dict[str, list[Any]]:
    """Reads every valid file, so that children find all imported and compiled. Returns the events of each, None for frames."""
    import warnings

    from mxsnn.errors import RecordingWarning
    from mxsnn.events import Events, open_recording, read
    from mxsnn.events.summary import summary
    from tests.fuzz.decode import BESIDE

    found: dict[str, list[Any]] = {}
    for name, seeds in known.items():
        found[name] = []
        for k, seed in enumerate(seeds):
            folder = room / "warm" / name / str(k)
            folder.mkdir(parents=True)
            path = seed.save(folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RecordingWarning)
                if name in BESIDE:
                    BESIDE[name](path, {})
                    found[name].append(None)
                    continue
                events = read(path, format=name)
                found[name].append(events if isinstance(events, Events) else None)
                summary(path)
                if isinstance(events, Events):
                    open_recording(path)
    return found


def make(name: str, index: int, seed: int, seeds: list[Any], prepared: list[Any], room: Path) -> tuple[Path, Any, Any, int | None]:
    """The file of a number: its path, how to draw the way to read it, and what it must give where it is cut short."""
    import numpy as np

    from tests.fuzz.mutations import mutate

    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), index])
    k = int(rng.integers(len(seeds)))
    damaged, length = mutate(seeds[k], rng)
    whole = prepared[k] if length is not None else None
    folder = room / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return damaged.save(folder), random.Random(int(rng.integers(2**31))), whole, length if whole is not None else None


def alone(name: str, index: int, seed: int, seeds: list[Any], prepared: list[Any], room: Path, keep: Path | None) -> int:
    from tests.fuzz.decode import decode, watch

    path, draw, whole, length = make(name, index, seed, seeds, prepared, room)
    print(f"{path.name}: {path.stat().st_size} bytes{'' if length is None else ', cut short'}")
    if keep is not None:
        saved(path, keep / f"{name}-{index}-{path.name}")
    watch(path.parent)
    print(decode(path, name, draw, whole, length))
    return 0


def saved(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, dirs_exist_ok=True)
    else:
        shutil.copy(path, target)


_STATE = struct.Struct("qqq")  # the file that is read now, and how many were valid and refused


def fuzz(
    name: str, count: int, seed: int, seeds: list[Any], prepared: list[Any], room: Path, keep: Path | None
) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Counts by outcome of `count` files of a format, and the findings."""
    counts: Counter[str] = Counter()
    findings: list[dict[str, Any]] = []
    state = mmap.mmap(-1, _STATE.size)
    log, notes = room / "log", room / "notes"
    index = 0
    while index < count:
        last = min(index + BATCH, count)
        state[:] = _STATE.pack(index, 0, 0)
        for path in (log, notes):
            path.write_bytes(b"")
        sys.stdout.flush()
        gc.freeze()
        child = os.fork()
        if child == 0:
            try:
                _child(name, range(index, last), seed, seeds, prepared, room, state, log, notes, keep)
            finally:
                os._exit(3)
        code = _wait(child, state)
        now, valid, refused = _STATE.unpack(state[:])
        counts["valid"] += valid
        counts["refused"] += refused
        for line in notes.read_text().splitlines():
            findings.append({"format": name, **json.loads(line)})
        if code == 0:
            index = last
        else:
            ended = "hangs" if code == -signal.SIGKILL else f"ends the program with {code}"
            said = f"{ended}: {log.read_text(errors='replace')[-1500:]}"
            path, *_ = make(name, now, seed, seeds, prepared, room)
            if keep is not None:
                saved(path, keep / f"{name}-{now}-{path.name}")
            findings.append({"format": name, "index": now, "seed": path.name, "said": said})
            index = now + 1
    counts["finding"] = len(findings)
    return counts, findings


def _child(
    name: str,
    indices: range,
    seed: int,
    seeds: list[Any],
    prepared: list[Any],
    room: Path,
    state: mmap.mmap,
    log: Path,
    notes: Path,
    keep: Path | None,
) -> None:
    from tests.fuzz.decode import decode, watch

    handle = os.open(log, os.O_WRONLY | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    faulthandler.enable()
    watch(room / "case")
    _allow(MEMORY)

    def stop(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGPROF, stop)
    outcomes = Counter(valid=0, refused=0)
    with notes.open("a") as noted:
        for index in indices:
            state[:] = _STATE.pack(index, outcomes["valid"], outcomes["refused"])
            path, draw, whole, length = make(name, index, seed, seeds, prepared, room)
            try:
                signal.setitimer(signal.ITIMER_PROF, SECONDS)
                outcomes[decode(path, name, draw, whole, length)] += 1
                continue
            except Hang:
                said = f"takes more than {SECONDS} s: {_where()}"
            except BaseException as error:
                said = f"{type(error).__name__}: {str(error)[:600]} {_where()}"
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            if keep is not None:
                saved(path, keep / f"{name}-{index}-{path.name}")
            noted.write(json.dumps({"index": index, "seed": path.name, "said": said}) + "\n")
            noted.flush()
    state[:] = _STATE.pack(index, outcomes["valid"], outcomes["refused"])
    os._exit(0)


def _where() -> str:
    trace = sys.exc_info()[2]
    frames = [f for f in traceback.extract_tb(trace) if "tests/fuzz/__main__" not in f.filename]
    return "at " + " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames[-6:]))


def _allow(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    now = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more, resource.RLIM_INFINITY))


def _wait(child: int, state: mmap.mmap) -> int:
    """The exit code of a child; the negative number of the signal that ended it."""
    seen, since = state[:], time.monotonic()
    pause = 0.001
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if state[:] != seen:
            seen, since = state[:], time.monotonic()
        elif time.monotonic() - since > STILL:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


if __name__ == "__main__":
    raise SystemExit(main())
