"""Cut a session into labelled clips, a folder of recordings."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from mxsnn.cli.arguments import add_reading, reading, refuse, us
from mxsnn.cli.terminal import Progress
from mxsnn.errors import UserError


def add(parser: ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION", type=Path, help="a recording; a recording file may be larger than memory")
    parser.add_argument("out", metavar="OUT_FOLDER", type=Path, help="a new folder for the clips")
    parser.add_argument(
        "--protocol", action="store_true", help="from where a sheet of paper is taken away: cue after 5 s, end after 10 s"
    )
    parser.add_argument("--table", metavar="FILE", type=Path, help="CSV with columns such as start_s, end_s, label, kind, subject")
    parser.add_argument("--label", metavar="NAME", help="what is seen in the clips of the protocol")
    parser.add_argument("--kind", metavar="KIND", help="of the labels: au, movement or emotion")
    parser.add_argument("--cue", metavar="S", type=float, help="from the mark to the cue (5)")
    parser.add_argument("--length", metavar="S", type=float, help="from the mark to the end (10)")
    parser.add_argument(
        "--margin", metavar="S", type=float, help="around onset and offset, where the table has no start and end (0)"
    )
    parser.add_argument(
        "--from-start", action="store_true", help="the table's times count from the first event or frame, not by the clock"
    )
    parser.add_argument(
        "--first-frame", metavar="N", type=int, help="the number of the first frame, where the table counts frames (0)"
    )
    add_reading(parser)


def run(session: Path, out: Path, protocol: bool, table: Path | None, label: str | None, kind: str | None, **options: Any) -> None:
    from mxsnn.data import clips
    from mxsnn.events import Label, open_recording

    if protocol == (table is not None):
        raise UserError("clips are cut by --protocol or by --table FILE: give one of them")
    if protocol:
        of_table = {name: options[name] for name in ("margin", "from_start", "first_frame")}
        refuse("belongs to --table, which is not given", **of_table)
        refuse("belongs to --label, which is not given", kind=None if label else kind)
    else:
        refuse("belongs to --protocol, which is not given", label=label, cue=options["cue"], length=options["length"])
    times = {name: us(name, options.pop(name), 1e6) for name in ("cue", "length", "margin")}
    from_start, first_frame = options.pop("from_start"), options.pop("first_frame")
    with Progress(session) as progress:
        recording = open_recording(session, progress=progress, **reading(options))
    if table is not None:
        origin = clips.span(recording)[0] if from_start else 0
        found = clips.by_table(table, recording, session.stem, origin, times["margin"] or 0, first_frame or 0, kind)
    else:
        given = {name: time for name in ("cue", "length") if (time := times[name]) is not None}
        found = clips.by_protocol(recording, session.stem, Label(label, kind or "movement") if label else None, **given)
    clips.write_clips(recording, found, out)
    print(f"{out}: {len(found)} clips")
