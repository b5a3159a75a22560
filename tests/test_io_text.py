"""Text and CSV."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import CutShortWarning, UserError
from mxsnn.events import Events, read, stream
from mxsnn.events.io import text
from tests.damage import read_or_refused

EVENTS = Events.make([5, 1_000_007, 2_500_000], [3, 0, 2], [1, 0, 2], [1, 0, 1])
SECONDS = ["0.000005 3 1 1", "1.000007 0 0 0", "2.5 2 2 1"]


def written(path: Path, lines: list[str], end: str = "\n") -> Path:
    path.write_text(end.join(lines) + end, "utf-8", newline="")
    return path


def fails(path: Path, match: str, **options: Any) -> None:
    with pytest.raises(UserError, match=match) as raised:
        read(path, **options)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (SECONDS, {}),
        (["# t x y p", "", *SECONDS, "% the end"], {}),
        (["t,x,y,p", *(line.replace(" ", ",") for line in SECONDS)], {}),
        (['"Time"; "X"; "Y"; "Polarity"', *(line.replace(" ", "; ") for line in SECONDS)], {}),
        (["x\ty\tpol\ttimestamp", "3\t1\t1\t0.000005", "0\t0\t0\t1.000007", "2\t2\t1\t2.5"], {}),
        (["x,y,p,t", "3,1,1,5", "0,0,0,1000007", "2,2,1,2500000"], {"time_unit": "us"}),
        (["x,y,p,t_us", "3,1,1,5", "0,0,0,1000007", "2,2,1,2500000"], {}),
        (["timestamp [ns],x,y,p", "5000,3,1,1", "1000007499,0,0,0", "2499999500,2,2,1"], {}),
        (["n,t,x,score,y,p", "0,5e-6,3,-1.5,1,1", "1,1.000007e+00,0,?,0,0", "2,25e-1,2,x,2,1"], {}),
        (["3 1 1 0.005", "0 0 -1 1000.007", "2 2 1 2500"], {"columns": "xypt", "time_unit": "ms"}),
        (["9 3 1 5 1", "9 0 0 1000007 0", "9 2 2 2500000 1"], {"columns": "-xytp", "time_unit": "us"}),
        (["5.0e-06 3.0 1.000e+00 True", "1.000007 0 0 False", "2.5 2 2 true"], {}),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables(tmp_path: Path, lines: list[str], options: dict, end: str) -> None:
    assert read(written(tmp_path / "a.txt", lines, end), **options) == EVENTS
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.txt").read_bytes().rstrip())
    assert read(tmp_path / "a.csv", **options) == EVENTS


def test_the_sensor_in_the_first_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", ["240 180", *SECONDS])
    assert read(path).sensor_size == (240, 180)
    assert read(path, (300, 200)).sensor_size == (300, 200)
    fails(written(path, ["2 180", *SECONDS]), "outside the sensor of 2x180")
    fails(written(path, ["0 180", *SECONDS]), "gives a sensor of 0x180 pixels")
    assert len(read(written(path, ["240 180"]))) == 0


@given(st.data())
def test_decimals_are_read_exactly(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from(["s", "ms", "us", "ns"]))
    scale = {"s": 10**6, "ms": 10**3, "us": 1, "ns": Decimal("0.001")}[unit]
    number = st.tuples(st.integers(0, 10**11), st.integers(0, 10**9 - 1)).map(lambda n: f"{n[0]}.{n[1]:09}")
    scientific = st.tuples(st.integers(1, 10**17), st.integers(-16, -7)).map(lambda n: f"{n[0]}e{n[1]}")
    times = sorted(data.draw(st.lists(number | scientific, min_size=1, max_size=9)), key=Decimal)
    if unit != "us":
        exact = [int((Decimal(time) * scale).quantize(Decimal(1), ROUND_HALF_UP)) for time in times]
    else:  # whole: a fraction of a us is none
        times = [str(int(Decimal(time))) for time in times]
        exact = [int(time) for time in times]
    path = tmp_path_factory.mktemp("text") / "a.txt"
    written(path, [f"{time} 1 2 1" for time in times])
    assert read(path, columns="txyp", time_unit=unit).t.tolist() == exact


@given(st.integers(1, 60), st.integers(1, 200))
def test_in_chunks(tmp_path_factory: pytest.TempPathFactory, chunk: int, n: int) -> None:
    path = tmp_path_factory.mktemp("text") / "a.csv"
    random = np.random.default_rng(n)
    events = Events.make(np.cumsum(random.integers(10**6, size=n)), *random.integers(100, size=(2, n)), random.integers(2, size=n))
    lines = [f"{t},{x},{y},{p}" for t, x, y, p in zip(events.t, events.x, events.y, events.p, strict=True)]
    written(path, ["t_us,x,y,p", *lines])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_CHUNK", chunk)
        assert read(path) == events
        assert sum(len(piece) for piece in stream(path)) == n


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["5 3 1 1"], "whole numbers, whose unit is not known; say it with time_unit='us'"),
        (["5.0 3 1 1", "6.0 3 1 1"], "whole numbers, whose unit is not known"),
        (["3 1 1 5", "3 1 1 6"], "say their order with columns"),
        (["0.1 3 1"], "has 3 columns without names"),
        (["0.1 3 1 1 7"], "has 5 columns without names"),
        (["t,x,y", "0.1,3,1"], "no field 'p'"),
        (["t,x,y,p,on", "0.1,3,1,1,1"], "more than one"),
        (["t,x,y,p", "0.1,3,1,1,1"], "names for 4 columns, but the first event has 5"),
        (["hello", *SECONDS], "no field 't'"),
        (["1 2 3", *SECONDS], "3 columns without names"),
        (["t x y p", "x y p t", *SECONDS], "neither an event"),
        ([*SECONDS, "2.6 3 1"], "line 4 is no event of 4 columns: '2.6 3 1'"),
        ([*SECONDS, "2.6 3 1 1 1"], "line 4 is no event"),
        ([*SECONDS, "2.6 3 1.5 1"], "line 4 is no event"),
        ([*SECONDS, "2.6 3 -1 1"], "event 3 lies at x=3, y=-1, outside any sensor"),
        ([*SECONDS, "2.6 3 99999 1"], "event 3 lies at x=3, y beyond 16 bits, outside any sensor"),
        ([*SECONDS, "2.6 3 1 -1"], "mix 0 and -1"),
        ([*SECONDS, "nan 3 1 1"], "line 4 is no event"),
        ([*SECONDS, "2..6 3 1 1"], "line 4 is no event"),
        ([*SECONDS, "2.6e 3 1 1"], "line 4 is no event"),
        ([*SECONDS, "1e99 3 1 1"], "line 4 is no event"),
        ([*SECONDS, "99999999999999999999 3 1 1"], "line 4 is no event"),
        ([*SECONDS, "2.6 3 1 Tru"], "line 4 is no event"),
        ([*SECONDS, "2.4 3 1 1"], "go back at event 3"),
        ([""], "an empty text"),
    ],
)
def test_what_is_no_table_of_events(tmp_path: Path, lines: list[str], message: str) -> None:
    fails(written(tmp_path / "a.txt", lines), message)


def test_options(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", SECONDS)
    fails(written(path, [*SECONDS, "2.6 3 1 2"]), "line 4 has no polarity -1, 0 or 1", columns="txyp")
    fails(written(path, SECONDS), "columns is an order of the letters", columns="txy")
    fails(path, "time_unit is one of s, ms, us, ns", time_unit="min")
    fails(path, "is for 5 columns, but the first event has 4", columns="txyp-")


def test_other_bytes(tmp_path: Path, test_data: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(range(256)) * 1000)
    fails(path, "a.txt")
    path.write_bytes(b"1" * 300_000)
    fails(path, "a.txt")
    path.write_bytes("\n".join(SECONDS).encode() + b"\n" + b"1" * 200_000)
    fails(path, "line 4 has more than 65536 characters")
    fails(test_data / "rgb" / "pyfeat_OpenFace_Test.csv", "a table of 431 columns")


def test_every_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    whole = "\n".join([*SECONDS, ""]).encode()
    ends = [len(SECONDS[0]) + 1, len(SECONDS[0]) + len(SECONDS[1]) + 2]
    for cut in range(ends[1], len(whole) + 1):
        path.write_bytes(whole[:cut])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            events = read(path)
        complete = cut >= len(whole) - 1  # the last line needs no end
        assert len(events) == 2 + complete
        assert [w.category for w in said] == ([] if complete or cut == ends[1] else [CutShortWarning])
    # A time at the end of a cut line may lack digits.
    path.write_bytes(b"x,y,p,t_us\n1,1,1,1234567\n1,1,1,1234")
    with pytest.warns(CutShortWarning, match="after line 2"):
        assert read(path).t.tolist() == [1234567]


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int) -> None:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    whole = "\n".join(SECONDS).encode()
    path.write_bytes(whole[:at] + data + whole[at:])
    with read_or_refused(path):
        assert isinstance(read(path), Events)


# Zip


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_zip(tmp_path: Path) -> None:
    content = "\n".join(["240 180", *SECONDS]).encode()
    path = zipped(tmp_path / "a.zip", {"../../events.txt": content, "__MACOSX/._events.txt": b"?"})
    assert read(path) == Events.make(EVENTS.t, EVENTS.x, EVENTS.y, EVENTS.p, (240, 180))
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]  # nothing is unpacked
    fails(zipped(path, {"a.txt": content, "b.txt": content}), "a zip of 2 files")
    fails(zipped(path, {}), "no zip|0 files|neither|a.zip")


def test_a_damaged_zip(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    n = 200_000
    times = np.cumsum(random.integers(1, 100, size=n))
    content = "\n".join(["t_us,x,y,p", *(f"{t},1,2,1" for t in times.tolist())]).encode()
    path = zipped(tmp_path / "a.zip", {"a.csv": content})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    fails(path, "a damaged zip file")
    path = zipped(path, {"a.csv": content}, zipfile.ZIP_STORED)
    whole, sum_ = path.read_bytes(), zlib.crc32(content).to_bytes(4, "little")
    path.write_bytes(whole.replace(sum_, bytes(4)))  # the checksum says at the end that something was wrong
    with pytest.warns(CutShortWarning, match="cut short after line"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_CHUNK", 2**16)
        events = read(path)
    assert n - 2**14 < len(events) < n
    np.testing.assert_array_equal(events.t, times[: len(events)])


def test_a_real_file(test_data: Path) -> None:
    path = test_data / "events" / "slider_depth" / "events.txt"
    events = read(path, (240, 180))
    assert len(events) == 50_000
    theirs = np.loadtxt(path)
    np.testing.assert_array_equal(events.t, np.rint(theirs[:, 0] * 1e6))
    np.testing.assert_array_equal(np.stack([events.x, events.y, events.p], axis=1), theirs[:, 1:])
    assert events.span == (3811, 174_156)


def test_a_file_of_another_writer(tmp_path: Path) -> None:
    import faery

    theirs = np.zeros(500, faery.EVENTS_DTYPE)
    theirs["t"], theirs["x"] = np.arange(500) * 1000, np.arange(500)
    faery.events_stream_from_array(theirs, (640, 480)).to_file(tmp_path / "a.csv")
    ours = read(tmp_path / "a.csv", time_unit="us")
    assert ours.sensor_size == (640, 480)
    np.testing.assert_array_equal(ours.t, theirs["t"])
    np.testing.assert_array_equal(ours.x, theirs["x"])


@pytest.mark.parametrize(
    ("text", "t"),
    [
        ("0.5 1 2 1\n0.6 1 2 0\n", [500_000, 600_000]),  # y rises beside t and is greater: still only one column can be the time
        ("4 3\n0.5 1 2 1\n", [500_000]),
        ("4 3\n0.0 1 2 1\n1.0 2 2 0\n", [0, 1_000_000]),  # what E2VID's first line says of columns and unit needs no evidence
    ],
)
def test_few_events_are_enough_where_the_time_is_evident(tmp_path: Path, text: str, t: list[int]) -> None:
    path = tmp_path / "few.txt"
    path.write_text(text)
    events = read(path)
    assert events.t.tolist() == t and events.y.tolist() == [2] * len(t)


def test_whole_times_below_a_sensor_still_ask_for_their_unit(tmp_path: Path) -> None:
    path = tmp_path / "few.txt"
    path.write_text("4 3\n100 1 2 1\n")
    with pytest.raises(UserError, match="whole numbers, whose unit is not known"):
        read(path)
