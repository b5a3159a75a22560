"""A session cut into clips: where they lie, by a protocol or a table, and each as a recording of its own."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from mxsnn.data.datasets._tables import UNKNOWN, Row, cell_value, rows
from mxsnn.data.datasets.facs import parse_aus
from mxsnn.data.datasets.recordings import write_index
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Frames, Label, Recording, write
from mxsnn.events.io._source import named
from mxsnn.events.io.recording_file import RECORDING
from mxsnn.events.sync import Clock
from mxsnn.events.sync.activity import activity, of_events
from mxsnn.events.sync.mark import marks

CUE_US, LENGTH_US = 5_000_000, 10_000_000
"""From the start mark to the cue, and to the end: "Beyond the Smile" (V. Mayaud, E. Bouchy, EURECOM), its data set's protocol."""

_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_TIMES = ("start", "end", "onset", "apex", "offset")
_COLUMN = re.compile(rf"({'|'.join(_TIMES)})[_(\[]?(.*?)[)\]]?")
_AU = re.compile(r"[lr]?(au)?[lr]?\d+.*", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """What lies in [start, end), us on the session's clock.

    Attributes:
      name: of the clip's file, without a suffix.
      labels: on the session's clock, beside those that the session has there.
      subject, session, lux: as in `Recording`; None takes the session's.
      conditions: beside the session's.
    """

    name: str
    start: int
    end: int
    labels: tuple[Label, ...] = ()
    subject: str | None = None
    session: str | None = None
    lux: float | None = None
    conditions: Mapping[str, str | float] = field(default_factory=dict)


def by_protocol(
    recording: Recording, name: str, label: Label | None = None, cue: int = CUE_US, length: int = LENGTH_US
) -> list[Clip]:
    """Clips [mark, mark + length), us, for each mark at which a sheet of paper is taken away from the camera.

    The subject is neutral, then moves on a cue, `cue` us after the mark: the clip's condition "cue_us". When the movement
    begins, nobody has seen, so that a `label` without times is for the whole clip. Of marks closer than a clip is long the
    last counts, with a `RecordingWarning`: the sheet is put up before it is taken away.

    Raises: UserError where there is no mark (see `mxsnn.events.sync.mark`), or the cue does not lie in the clip.
    """
    if not 0 <= cue < length:
        raise UserError(f"the cue lies in the clip: got a cue at {cue} us in {length} us")
    seen = activity(recording) if recording.events is None else of_events(recording.events)
    found = [seen.start + round(mark.middle) for mark in marks(seen)]
    starts = [t for t, after in zip(found, [*found[1:], None], strict=True) if after is None or after - t >= length]
    if len(starts) < len(found):
        told = ", ".join(f"{t / 1e6:.3f} s" for t in found if t not in starts)
        warnings.warn(
            f"{name}: the marks at {told} are less than a clip before others: the sheet is put up", RecordingWarning, stacklevel=2
        )
    labels = () if label is None else (label,)
    return [
        Clip(name if len(starts) == 1 else f"{name}_{k:03d}", t, t + length, labels, conditions={"cue_us": float(cue)})
        for k, t in enumerate(starts)
    ]


def by_table(
    path: Path, recording: Recording, name: str, origin: int = 0, margin: int = 0, first_frame: int = 0, kind: str | None = None
) -> list[Clip]:
    """The clips of a table (CSV with a header), in the order of their starts.

    Columns, in any order: `label`; the times `start` and `end` of the clip, or `onset` and `offset` of the movement, to
    which `margin` us are added on both sides, and `apex`, with their unit in the name, `start_s`, `start_ms`, `start_us` or
    `start_frame`; and what is known of `kind`, `intensity`, `side`, `subject`, `session`, `lux`, `name`. Other columns are
    conditions. Rows with one start and end are one clip with several labels.

    Times count from `origin` us on the recording's clock. Frames count from `first_frame`; an offset, and a frame named as an
    end, belong to the clip. `kind`: of all labels, where the table has no such column and they are no Action Units.

    Raises: UserError that names file and line.
    """
    table = rows(path, ["label"])
    columns = _time_columns(path, table[0])
    used = {*columns.values(), "label", "kind", "intensity", "side", "subject", "session", "lux", "name"}
    found: dict[tuple[int, int], Clip] = {}
    for row in table:
        times = {what: _time(row, column, recording, origin, first_frame) for what, column in columns.items()}
        onset, offset = times.get("onset"), times.get("offset")
        start, end = times.get("start"), times.get("end")
        start = onset - margin if start is None and onset is not None else start
        end = offset + margin + 1 if end is None and offset is not None else end
        if start is None or end is None:
            raise row.wrong("neither a start nor an onset is given" if start is None else "neither an end nor an offset is given")
        if end <= start:
            raise row.wrong(f"the clip ends at {end} us, before or when it starts at {start} us")
        labels = _labels(row, onset, times.get("apex"), offset, kind)
        texts = {what: row[what] if row[what].lower() not in UNKNOWN else None for what in ("subject", "session")}
        clip = Clip(
            row.name("name") if row["name"] else "",
            start,
            end,
            labels,
            **texts,
            lux=None if row["lux"].lower() in UNKNOWN else row.number("lux"),
            conditions={
                key: known
                for key, text in row.values.items()
                if key not in used and text.lower() not in UNKNOWN and (known := cell_value(text)) is not None
            },
        )
        same = found.get((start, end))
        if same is None:
            found[start, end] = clip
        elif replace(same, labels=()) != replace(clip, labels=()):
            raise row.wrong("another row has the same start and end, but tells something else of the clip than its labels")
        else:
            found[start, end] = replace(same, labels=(*same.labels, *labels))
    clips = [found[times] for times in sorted(found)]
    clips = [clip if clip.name else replace(clip, name=f"{name}_{k:03d}") for k, clip in enumerate(clips)]
    names = [clip.name for clip in clips]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise UserError(f"{path}: two clips are named {twice!r}")
    return clips


def cut(recording: Recording, clip: Clip) -> Recording:
    """A clip in memory, from a window of the session. Its times count from the clip's start.

    Where that lies on the session's clock is its condition "clip_start_us".
    """
    part = recording.window(clip.start, clip.end)
    labels = tuple(dict.fromkeys((*part.labels, *clip.labels)))
    own = replace(
        part,
        labels=tuple(sorted(labels, key=lambda label: clip.start if label.onset is None else label.onset)),
        subject=clip.subject or part.subject,
        session=clip.session or part.session,
        lux=part.lux if clip.lux is None else clip.lux,
        conditions={**part.conditions, **clip.conditions, "clip_start_us": float(clip.start)},
    )
    return Clock(-clip.start).moved(own)


def check(recording: Recording, clips: Sequence[Clip]) -> None:
    """Warns, with a `RecordingWarning`, of clips that overlap or reach beyond the session.

    Raises: UserError where there is no clip, or one lies outside the session.
    """
    if not clips:
        raise UserError("there is no clip to cut")
    first, last = span(recording)
    before = None
    for clip in sorted(clips, key=lambda clip: clip.start):
        where = f"clip {clip.name!r}, [{clip.start}, {clip.end}) us,"
        if clip.end <= first or clip.start > last:
            raise UserError(f"{where} lies outside the session, {first} to {last} us")
        if clip.start < first or clip.end > last + 1:
            warnings.warn(f"{where} reaches beyond the session, {first} to {last} us", RecordingWarning, stacklevel=2)
        if before is not None and clip.start < before.end:
            warnings.warn(f"{where} overlaps clip {before.name!r}, which ends at {before.end} us", RecordingWarning, stacklevel=2)
        before = clip


def span(recording: Recording) -> tuple[int, int]:
    """The first and the last time of a recording's events, frames and samples, us. Raises: UserError where there is none."""
    spans = [] if recording.events is None or recording.events.span is None else [recording.events.span]
    streams = (*recording.frames.values(), *recording.samples.values())
    spans += [(int(stream.t[0]), int(stream.t[-1])) for stream in streams if len(stream)]
    if not spans:
        raise UserError("the session is empty")
    return min(first for first, _ in spans), max(last for _, last in spans)


def _time_columns(path: Path, row: Row) -> dict[str, str]:
    """Which column has which time. Raises: UserError for one without a unit, and where a clip's ends are not given."""
    found: dict[str, str] = {}
    for column in row.values:
        match = _COLUMN.fullmatch(column)
        if match is None:
            continue
        what, unit = match.groups()
        if unit not in (*_UNITS, "frame", "frames"):
            raise UserError(f"{path}: column {column!r} says no unit; name it {what}_s, {what}_ms, {what}_us or {what}_frame")
        if what in found:
            raise UserError(f"{path}: columns {found[what]!r} and {column!r} both give the {what}")
        found[what] = column
    for one, other in (("start", "onset"), ("end", "offset")):
        if one not in found and other not in found:
            raise UserError(f"{path}: no column gives the {one} of a clip; name one {one}_s (or _ms, _us, _frame) or {other}_s")
    return found


def _time(row: Row, column: str, recording: Recording, origin: int, first_frame: int) -> int | None:
    """A time of a row, us on the recording's clock; None where it is not known."""
    text, match = row[column], _COLUMN.fullmatch(column)
    what, unit = match.groups() if match else ("", "")
    if text.lower() in UNKNOWN and not (text == "-1" and unit in _UNITS):
        return None
    if unit in _UNITS:
        try:
            value = Decimal(text) * _UNITS[unit]
            if not abs(value) < 2**62:
                raise InvalidOperation
        except InvalidOperation as error:
            raise row.wrong(f"{column} is a time in {unit}, got {text!r}") from error
        return origin + int(value.to_integral_value())
    frames = _frames(row, recording)
    number = row.whole(column, first_frame, first_frame + len(frames) - 1) - first_frame
    return int(frames.t[number]) + (what == "end")


def _frames(row: Row, recording: Recording) -> Frames:
    for frames in recording.frames.values():
        if len(frames):
            return frames
    raise row.wrong("the table counts frames, but the session has none")


def _labels(row: Row, onset: int | None, apex: int | None, offset: int | None, kind: str | None) -> tuple[Label, ...]:
    """The labels of a row; one that names Action Units may name several."""
    text = row["label"]
    if not text:
        raise row.wrong("a label needs a name")
    kind = row["kind"].lower() or kind or ("au" if _AU.fullmatch(text) else "")
    if not kind:
        raise row.wrong(f"what kind of label {text!r} is, is not said; add a column kind, or --kind: au, movement or emotion")
    intensity = None if row["intensity"].lower() in UNKNOWN else row.number("intensity")
    side = row["side"].lower() or None
    try:
        if kind != "au":
            return (Label(text, kind, onset, apex, offset, intensity, side or "both"),)
        return tuple(
            Label(unit.name, kind, onset, apex, offset, unit.intensity if intensity is None else intensity, side or unit.side)
            for unit in parse_aus(text)
        )
    except UserError as error:
        raise row.wrong(str(error)) from error


def write_clips(recording: Recording, clips: Sequence[Clip], folder: str | Path) -> None:
    """Cut the session into a new folder of recording files with an index: a data set for `mxsnn.data.datasets.recordings`.

    The folder appears under its name when it is whole.

    Raises: UserError as `check`; where the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise UserError(f"{folder}: exists; choose another name")
    check(recording, clips)
    with named(folder), tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=_parent(folder)) as name:
        made = Path(name) / "clips"
        made.mkdir()
        for clip in clips:
            own = cut(recording, clip)
            if own.events is not None and not len(own.events) and recording.events is not None and len(recording.events):
                warnings.warn(f"clip {clip.name!r} holds no events", RecordingWarning, stacklevel=2)
            write(made / f"{clip.name}{RECORDING.suffixes[0]}", own)
        write_index(made)
        made.rename(folder)


def _parent(folder: Path) -> Path:
    parent = folder.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{parent}: cannot be made a folder ({error.strerror or error})") from error
    return parent
