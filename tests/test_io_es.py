"""Event Stream."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import CutShortWarning, RecordingWarning, UserError
from mxsnn.events import Events, read
from mxsnn.events.io import es
from tests.damage import read_or_refused

DVS, ATIS = 1, 2


def header(kind: int = DVS, width: int = 640, height: int = 480, version: bytes = b"\2\0\0") -> bytes:
    return b"Event Stream" + version + struct.pack("<BHH", kind, width, height)


def dvs(events: Events) -> bytes:
    """As the specification has it: bytes of 127 us each, then what is left with the polarity; rows from below."""
    data, now = b"", 0
    for t, x, y, p in zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist(), strict=True):
        overflows, rest = divmod(t - now, 127)
        data += b"\xff" * overflows + struct.pack("<BHH", rest << 1 | p, x, events.sensor_size[1] - 1 - y)
        now = t
    return data


@st.composite
def streams(draw: st.DrawFn) -> Events:
    width, height = draw(st.tuples(st.integers(1, 1280), st.integers(1, 720)))
    steps = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
    n = len(steps)
    x, y, p = (draw(st.lists(st.integers(0, side - 1), min_size=n, max_size=n)) for side in (width, height, 2))
    return Events.make(np.cumsum(steps), x, y, p, (width, height))


@given(streams(), st.integers(1, 40))
def test_dvs(tmp_path_factory: pytest.TempPathFactory, events: Events, chunk: int) -> None:
    path = tmp_path_factory.mktemp("es") / "a.es"
    path.write_bytes(header(DVS, *events.sensor_size) + dvs(events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(es, "_CHUNK", chunk)
        assert read(path) == events


def test_resets_are_no_events(tmp_path: Path) -> None:
    path = tmp_path / "a.es"
    path.write_bytes(header() + b"\xfe\xfe\xff\xfe" + struct.pack("<BHH", 3 << 1 | 1, 300, 479))
    assert read(path) == Events.make([130], [300], [0], [1], (640, 480))


def test_atis(tmp_path: Path) -> None:
    path = tmp_path / "a.es"
    words = [struct.pack("<BHH", 5 << 2 | 0b10, 3, 4), struct.pack("<BHH", 1 << 2 | 1, 9, 9), struct.pack("<BHH", 0, 5, 6)]
    path.write_bytes(header(ATIS, 304, 240) + words[0] + b"\xff\xfd\xfc" + words[1] + words[2])
    with pytest.warns(RecordingWarning, match="1 measurements of exposure"):
        events = read(path)
    assert events == Events.make([5, 5 + 4 * 63 + 1], [3, 5], [235, 233], [1, 0], (304, 240))


def test_every_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.es"
    whole = header() + dvs(Events.make([1, 2, 3], [1, 2, 3], [1, 2, 3], [0, 1, 0], (640, 480)))
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        if cut < 20:
            with pytest.raises(UserError, match=r"a.es: (its header is cut|no signature)"):
                read(path)
            continue
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert len(read(path)) == (cut - 20) // 5
        assert [w.category for w in said] == ([CutShortWarning] if cut % 5 else [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header(version=b"\1\0\0"), "version 1.0 is not read"),
        (header(0)[:16], "holds generic events"),
        (header(4), "holds events of colour"),
        (header(9), "holds events of kind 9"),
        (header(DVS, 0, 5), "a sensor of 0x5 pixels"),
        (header(DVS, 5, 5) + struct.pack("<BHH", 0, 5, 0), "outside the sensor of 5x5"),
        (header(DVS, 5, 5) + struct.pack("<BHH", 0, 0, 5), "outside the sensor of 5x5"),
    ],
)
def test_what_is_not_read(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.es"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read(path)
    assert "\n" not in str(raised.value)


@given(st.binary(max_size=200), st.sampled_from([DVS, ATIS]))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: int) -> None:
    path = tmp_path_factory.mktemp("es") / "a.es"
    path.write_bytes(header(kind) + data)
    with read_or_refused(path, "outside the sensor"):
        assert isinstance(read(path), Events)


def test_files_of_another_writer(tmp_path: Path) -> None:
    import faery

    random = np.random.default_rng(0)
    n = 20_000
    theirs = np.zeros(n, faery.EVENTS_DTYPE)
    theirs["t"] = np.sort(random.integers(10**7, size=n))
    theirs["x"], theirs["y"], theirs["on"] = random.integers(640, size=n), random.integers(480, size=n), random.integers(2, size=n)
    faery.events_stream_from_array(theirs, (640, 480)).to_file(tmp_path / "a.es")
    ours = read(tmp_path / "a.es")
    assert ours == Events.make(theirs["t"] - theirs["t"][0], theirs["x"], theirs["y"], theirs["on"], (640, 480))
