"""Damage to files of every format: a short run of tests/fuzz, what its long runs found, and that it finds at all."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mxsnn.errors import UserError
from mxsnn.events import FORMATS, read
from mxsnn.events.io._source import microseconds
from tests.fuzz.seeds import seeds

ROOT = Path(__file__).parents[1]


def ran(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", *arguments] if code is None else [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "JAX_PLATFORMS": "cpu"})


def test_every_format_has_a_file_to_damage() -> None:
    assert [name for name, found in seeds().items() if not found] == []


def test_damage_is_refused_in_a_line_or_leaves_a_valid_stream() -> None:
    run = ran("--own", "2000", "--others", "150")
    assert run.returncode == 0, run.stdout + run.stderr
    assert all(name in run.stdout for name in FORMATS)
    assert " 0 findings" in run.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_more_damage() -> None:
    run = ran("--own", "20000", "--others", "1000", "--seed", "1")
    assert run.returncode == 0, run.stdout + run.stderr


FAULTY = """
import os, sys, tempfile
from pathlib import Path
import numpy as np
from mxsnn.errors import UserError
from mxsnn.events import FORMATS
from mxsnn.events.io._source import Block, Format, Source
import tests.fuzz.__main__ as fuzz
from tests.fuzz.seeds import Seed

def open_toy(path, sensor_size):
    way = sum(path.read_bytes()) % 40
    t = np.arange(3)
    if way == 1:
        os.abort()
    while way == 2:
        pass
    if way == 3:
        np.ones(fuzz.MEMORY // 4)
    if way == 4:
        {}["gone"]
    if way == 6:
        np.float32(3e38) * np.float32(10)
    if way == 7:
        open("/etc/hostname").close()
    if way == 8:
        raise UserError("this is as it should be")
    zero = np.zeros(3, np.int16)
    return Source(lambda: iter([Block(t, zero, zero, np.full(3, 2 if way == 9 else 1, np.uint8))]), (4, 3))

FORMATS["toy"] = Format("toy", "faulty", (".toy",), open_toy)
fuzz.SECONDS = 0.2
room = Path(tempfile.mkdtemp())
counts, findings = fuzz.fuzz("toy", 300, 0, [Seed("a.toy", {"": bytes(range(200))})], [None], room, room / "kept")
assert counts["valid"] and counts["refused"] and sum(counts.values()) == 300, counts
assert len(list((room / "kept").iterdir())) == len(findings) == counts["finding"]
for said in sorted({one["said"].split(" at ")[0].splitlines()[0][:60] for one in findings}):
    print(said)
"""


def test_the_run_finds_crashes_hangs_allocations_and_lies() -> None:
    run = ran(code=FAULTY)
    assert run.returncode == 0, run.stderr
    for said in (
        "ends the program with -6",
        "takes more than 0.2 s",
        "MemoryError",
        "KeyError: 'gone'",
        "warns RuntimeWarning: overflow",
        "opens a file outside",
        "a polarity of 2",
    ):
        assert said in run.stdout, run.stdout


# What was found


def test_a_header_that_states_more_than_there_is(tmp_path: Path) -> None:
    """NumPy allocates what the header of an array states before it reads."""
    np.save(tmp_path / "a.npy", np.zeros((9, 4)))
    whole = (tmp_path / "a.npy").read_bytes()
    lying = whole.replace(b"(9, 4), }          ", b"(99999999999, 4), }")
    assert len(lying) == len(whole)
    (tmp_path / "b.npy").write_bytes(lying)
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.npy", lying)
    for name in ("b.npy", "c.npz"):
        with pytest.raises(UserError, match="states 3199999999968 bytes, of which 288 are there"):
            read(tmp_path / name)


def test_an_archive_whose_parts_cannot_be_as_large_as_they_say(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.savez_compressed(file, t=np.zeros(1000))
    content = bytearray(file.getvalue())
    at = content.rfind(b"PK\x01\x02") + 24  # the size of the only member, in the directory
    content[at : at + 4] = (2**31).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match="states 2147483648 bytes, packed in"):
        read(tmp_path / "a.npz")


def test_an_archive_that_holds_other_files_too(tmp_path: Path) -> None:
    """NumPy gives their bytes in place of an array."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, values in {"t": [5, 6], "x": [1, 2], "y": [0, 0], "p": [0, 1]}.items():
            array = io.BytesIO()
            np.save(array, np.array(values))
            archive.writestr(f"{name}.npy", array.getvalue())
        archive.writestr("sensor_size", "what it is")
    assert read(tmp_path / "a.npz").t.tolist() == [5, 6]


def test_a_header_that_is_an_odd_literal(tmp_path: Path) -> None:
    """Python warns of escapes that it does not know."""
    np.save(tmp_path / "a.npy", np.zeros((9, 4)))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole.replace(b"'descr'", rb"'d\scr'"))
    with pytest.raises(UserError, match="damaged"):
        read(tmp_path / "a.npy")


def test_a_header_of_python_2(tmp_path: Path) -> None:
    """Its whole numbers end with an L, of which NumPy warns."""
    np.save(tmp_path / "a.npy", np.array([[5, 1, 2, 1], [6, 1, 2, 0]]))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole.replace(b"(2, 4), }  ", b"(2L, 4L), }"))
    assert read(tmp_path / "a.npy").t.tolist() == [5, 6]


def test_an_error_that_quotes_a_damaged_file_is_one_short_line(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"% evt " + b"9" * 5000 + b"\n% end\n")
    (tmp_path / "b.raw").write_bytes(b"% evt \x9b31m\n% end\n")  # would colour a terminal
    for name in ("a.raw", "b.raw"):
        with pytest.raises(UserError, match="its header says EVT") as raised:
            read(tmp_path / name, format="evt3")
        assert len(str(raised.value)) < 600 + len(str(tmp_path)) and str(raised.value).isprintable()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_text_that_is_damaged_within(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("events.txt", "".join(f"{k / 1000:.3f} {k % 7} {k % 5} {k % 2}\n" for k in range(500)))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[60:80] = bytes(range(20))
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"zip"):
        read(tmp_path / "a.zip")


def test_a_zip_of_text_whose_name_is_no_text(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("events.txt", "0.1 1 1 1\n")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[6:8] = (0x800).to_bytes(2, "little")  # the first of its two names is UTF-8, which it is not
    content[30] = 0x96
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match="zip is damaged"):
        read(tmp_path / "a.zip")


def test_tables_whose_times_are_none_and_boxes_in_no_encoding(tmp_path: Path) -> None:
    from mxsnn.data.datasets.boxes import read_boxes
    from mxsnn.data.datasets.openface import read_openface

    (tmp_path / "a.csv").write_text("frame, timestamp, success, AU01_r\n1, -9e18, 1, 1\n2, 0.1, 1, 1\n")
    with pytest.raises(UserError, match="no time of a recording"):
        read_openface(tmp_path / "a.csv")
    (tmp_path / "a.xml").write_text('<?xml version="1.0" encoding="qtf-8"?><annotations></annotations>')
    with pytest.raises(UserError, match="unknown encoding"):
        read_boxes(tmp_path / "a.xml")


def test_a_header_that_states_a_sensor_that_no_coordinate_reaches(tmp_path: Path) -> None:
    header = b"Event Stream\2\0\0\1" + struct.pack("<HH", 50_000, 40_000)
    (tmp_path / "a.es").write_bytes(header + struct.pack("<BHH", 1, 40_001, 5))
    with pytest.raises(UserError, match=r"whole pixels from 1 to 32768; got \(50000, 40000\)"):
        read(tmp_path / "a.es")


def test_times_at_the_ends_of_their_types() -> None:
    assert microseconds(np.array([255], np.uint8), "ns").tolist() == [0]
    assert microseconds(np.array([2**63 - 1]), "ns").tolist() == [9_223_372_036_854_776]
    assert microseconds(np.array([1e308]), "s").tolist() == [np.inf]  # and no warning of NumPy's
