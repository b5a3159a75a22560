"""Files of any format: which it is, reading in pieces and windows, repair, writing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import (
    FORMATS,
    Events,
    Frames,
    Label,
    Recording,
    Triggers,
    identify,
    open_recording,
    read,
    stream,
    windows,
    write,
)
from mxsnn.events.io import files
from mxsnn.events.io._source import UNITS, Block, Format, Source, microseconds, source_of

EVENTS = Events.make([5, 5, 7, 90, 400], [0, 3, 1, 2, 3], [2, 0, 1, 2, 0], [1, 0, 1, 1, 0], (4, 3))


def blocks(*times: list[int], triggers: Triggers | None = None) -> Source:
    """A source of blocks with these times, at pixel (1, 2), that uses its arrays again."""

    def run() -> Iterator[Block]:
        kept = np.empty(max(map(len, times)), np.int64)
        for k, t in enumerate(times):
            kept[: len(t)] = t
            ones = np.ones(len(t), np.int16)
            yield Block(kept[: len(t)], ones, ones * 2, ones.astype(np.uint8), triggers if k == 0 else None, (k + 1) / len(times))
            kept[:] = -1

    return Source(run)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A function that makes a file whose format, of signature `toy`, yields the given blocks."""

    def make(source: Source, name: str = "a.toy") -> Path:
        def open_toy(path: Path, sensor_size: tuple[int, int] | None, *, scale: int = 1) -> Source:
            return replace(source, sensor_size=sensor_size or source.sensor_size)

        known = Format("toy", "for tests", (".toy",), open_toy, lambda path, head: head.startswith(b"toy"))
        monkeypatch.setitem(FORMATS, "toy", known)
        (tmp_path / name).write_bytes(b"toy")
        return tmp_path / name

    return make


def test_the_signature_tells_before_the_suffix(toy, tmp_path: Path) -> None:
    path = toy(blocks([1]), "a.bin")
    assert identify(path).name == "toy"
    assert identify(path, "nmnist").name == "nmnist"
    (tmp_path / "plain.bin").write_bytes(bytes(5))
    assert identify(tmp_path / "plain.bin").name == "nmnist"


def test_what_may_be_two_formats_is_an_error(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    path = toy(blocks([1]))
    monkeypatch.setitem(FORMATS, "twin", replace(FORMATS["toy"], name="twin"))
    with pytest.raises(UserError, match=f"{path}: may be toy or twin; say which as the format"):
        identify(path)
    assert identify(path, "twin").name == "twin"


def test_a_format_without_its_signature_is_told(toy, tmp_path: Path) -> None:
    toy(blocks([1]))
    (tmp_path / "b.toy").write_bytes(b"something else")
    (tmp_path / "c.toy").touch()
    for name, message in (("b.toy", "no signature of toy"), ("c.toy", "an empty file")):
        with pytest.raises(UserError, match=message):
            identify(tmp_path / name)
    with pytest.raises(UserError, match="'tyo' is no format; did you mean toy"):
        identify(tmp_path / "b.toy", "tyo")


def test_a_pipe_is_refused_before_it_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.raw")
    with pytest.raises(UserError, match=r"a\.raw: neither a file nor a folder"):
        identify(tmp_path / "a.raw")


def test_options_are_those_of_the_format(toy) -> None:
    path = toy(blocks([1]))
    read(path, scale=2)
    with pytest.raises(UserError, match="reading toy takes no option 'scael'; did you mean scale"):
        read(path, scael=2)


@pytest.mark.parametrize(
    ("name", "option", "value"), [("a.csv", "columns", 5), ("a.csv", "time_unit", ["s"]), ("a.npy", "columns", 1)]
)
def test_an_option_of_another_type_is_told(name: str, option: str, value: object, tmp_path: Path) -> None:
    (tmp_path / name).write_text("0.5 1 2 1\n")
    with pytest.raises(UserError, match=f"{name}: reading .*: option {option} is text, got"):
        read(tmp_path / name, **{option: value})
    with pytest.raises(UserError, match="writing recording: option codec is text, got 3"):
        write(tmp_path / "a.mxr", Events.empty((2, 2)), codec=3)
    assert not (tmp_path / "a.mxr").exists()


def test_pieces_and_the_whole_are_the_same(toy) -> None:
    path = toy(blocks([1, 2], [], [2, 9], [9]))
    whole = read(path)
    assert whole.t.tolist() == [1, 2, 2, 9, 9] and whole.sensor_size == (2, 3)
    pieces = list(stream(path))
    assert [piece.t.tolist() for piece in pieces] == [[1, 2], [2, 9], [9]]
    assert {piece.sensor_size for piece in pieces} == {(2, 3)}  # told by a first pass
    assert files.join(pieces) == whole


def test_triggers_come_in_order(toy) -> None:
    late = Triggers.make([7, 3], [0, 1], [1, 0])
    recording = open_recording(toy(blocks([1], [2], triggers=late)))
    assert recording.triggers.t.tolist() == [3, 7] and recording.triggers.id.tolist() == [1, 0]


@pytest.mark.parametrize("times", [([1, 3, 2],), ([1, 3], [2, 5])])
def test_times_that_go_back_are_refused_or_repaired(toy, times: tuple[list[int], ...]) -> None:
    path = toy(blocks(*times))
    for reading in (read, lambda path: list(stream(path))):
        with pytest.raises(UserError, match=f"{path}: the times go back at event 2: 2 us after 3 us; repair=True"):
            reading(path)
    order = sorted(t for block in times for t in block)
    with pytest.warns(RecordingWarning, match="went back 1 times"):
        assert read(path, repair=True).t.tolist() == order
    with pytest.warns(RecordingWarning, match="went back 1 times"):
        assert files.join(list(stream(path, repair=True))).t.tolist() == order


def test_a_stream_repairs_as_far_as_the_neighbouring_block(toy) -> None:
    path = toy(blocks([10, 11], [12, 13], [14, 1]))
    with pytest.raises(UserError, match=r"too far to repair in a stream, to 1 us after 11 us; read it whole"):
        list(stream(path, repair=True))
    with pytest.warns(RecordingWarning):
        assert read(path, repair=True).t.tolist() == [1, 10, 11, 12, 13, 14]


def test_events_off_the_sensor_are_refused_or_left_out(toy) -> None:
    path = toy(blocks([1, 2], [3]))
    with pytest.raises(
        UserError, match=r"event 0 lies at x=1, y=2, outside the sensor of 4x2 pixels \(width x height\); repair=True"
    ):
        read(path, (4, 2))
    with pytest.warns(RecordingWarning, match="3 events outside the sensor were left out"):
        assert len(read(path, (4, 2), repair=True)) == 0


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(1, 700), st.integers(1, 20), st.integers(0, 500))
def test_windows_cut_the_stream(times: list[int], duration: int, piece: int, early: int) -> None:
    t = np.sort(np.array(times))
    zero = np.zeros_like(t)
    events = Events.make(t, np.arange(len(t)), zero, zero, (60, 1))
    start = int(t[0]) - early
    found = list(windows((events[k : k + piece] for k in range(0, len(t), piece)), duration, start))
    assert len(found) == (t[-1] - start) // duration + 1
    for k, window in enumerate(found):
        assert window == events.window(start + k * duration, start + (k + 1) * duration)


def test_windows_start_at_the_first_event_and_never_after_it() -> None:
    assert [w.t.tolist() for w in windows(iter([EVENTS]), 85)] == [[5, 5, 7], [90], [], [], [400]]
    assert list(windows(iter([EVENTS[:0]]), 85)) == []
    with pytest.raises(UserError, match="after the first event at 5 us"):
        list(windows(iter([EVENTS]), 85, 6))
    with pytest.raises(UserError, match="at least 1 us"):
        list(windows(iter([EVENTS]), 0))


@pytest.mark.parametrize("name", [name for name, f in FORMATS.items() if f.write is not None])
@pytest.mark.parametrize("content", [EVENTS, EVENTS[:0], EVENTS[:1]], ids=["events", "none", "one"])
def test_what_is_written_is_read_again(name: str, content: Events, tmp_path: Path) -> None:
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    write(path, content, name)
    assert identify(path).name == name
    again = read(path)
    # A format that does not state its sensor gives the smallest that holds the events.
    assert again == content or again == replace(content, sensor_size=again.sensor_size)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o666 & ~files._umask()


@pytest.mark.parametrize("name", [name for name, f in FORMATS.items() if f.write is not None])
def test_nothing_is_lost_by_writing(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    write(path, EVENTS[:2], name)
    before = path.read_bytes()
    with pytest.raises(UserError, match="exists; choose another name or overwrite it"):
        write(path, EVENTS, name)

    def broken() -> Iterator[Block]:
        yield from source_of(Recording(EVENTS)).blocks()
        raise UserError("the source ends")

    with pytest.raises(UserError, match="the source ends"):
        write(path, Source(broken, (4, 3)), name, overwrite=True)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]
    write(path, EVENTS, name, overwrite=True)
    assert read(path).t.tolist() == EVENTS.t.tolist()


@pytest.mark.parametrize("name", [name for name, f in FORMATS.items() if f.write is not None])
def test_what_a_format_cannot_hold_is_told(name: str, tmp_path: Path) -> None:
    frames = {"grey": Frames.make(np.zeros((2, 3, 4), np.uint8), t=[5, 50])}
    edges = Triggers.make([6, 90], [0, 0], [1, 0])
    recording = Recording(EVENTS, edges, frames, labels=(Label("AU12", "au", 5, None, 90, 0.4),), subject="s1", lux=12.5)
    held = {"triggers", "frames", "labels", "subject", "lux"}
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    lacking = held - FORMATS[name].holds
    if lacking:
        with pytest.warns(RecordingWarning) as caught:
            write(path, recording, name)
        said = " ".join(str(one.message) for one in caught)
        assert all(part in said for part in lacking) and not any(part in said for part in held - lacking)
    else:
        write(path, recording, name)
    again = open_recording(path)
    assert again.events.window(0, 1000).t.tolist() == EVENTS.t.tolist()
    if "triggers" in FORMATS[name].holds:
        assert again.triggers.t.tolist() == [6, 90] and again.triggers.value.tolist() == [1, 0]
    if "frames" in FORMATS[name].holds:
        assert again.frames["grey"].t.tolist() == [5, 50]
    if "labels" in FORMATS[name].holds:
        assert again.labels == recording.labels
    assert (again.subject, again.lux) == (
        "s1" if "subject" in FORMATS[name].holds else None,
        12.5 if "lux" in FORMATS[name].holds else None,
    )


def test_what_cannot_be_written(tmp_path: Path) -> None:
    for name, format, message in (
        ("a.xyz", None, "nothing writes '.xyz'"),
        ("a.bin", None, "nothing writes '.bin'"),
        ("a.bin", "nmnist", "'nmnist' is read only"),
        ("a.npz", "nzp", "'nzp' is no format; did you mean npz"),
    ):
        with pytest.raises(UserError, match=message):
            write(tmp_path / name, EVENTS, format)
    assert not list(tmp_path.iterdir())


def test_units_of_time() -> None:
    assert microseconds(np.array([1.5, 2.0000004]), "s").tolist() == [1_500_000, 2_000_000]
    assert microseconds(np.array([1499, 1500], np.int64), "ns").tolist() == [1, 2]
    unix = 1_700_000_000_123_456_789
    assert microseconds(np.array([unix]), "ns").tolist() == [1_700_000_000_123_457]
    assert microseconds(np.array([unix // 1000]), "us").tolist() == [unix // 1000]
    assert set(UNITS) == {"s", "ms", "us", "ns"}
    with pytest.raises(UserError, match="time_unit is one of s, ms, us, ns; got 'min'"):
        microseconds(np.array([1]), "min")
