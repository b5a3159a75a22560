"""Prophesee's raw formats, EVT2, EVT2.1, EVT3 and DAT: against their definition, other readers, real files, damage."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn.errors import CutShortWarning, RecordingWarning, UserError
from mxsnn.events import Events, Recording, Triggers, identify, open_recording, read, stream, windows, write
from mxsnn.events.io import _raw, dat
from mxsnn.events.summary import summary

SIZE = (1280, 720)
SUFFIX = {"evt2": ".raw", "evt21": ".raw", "evt3": ".raw", "dat": ".dat"}
WORD = {"evt2": "<u4", "evt21": "<u8", "evt3": "<u2"}
NUMBER = {"evt2": "2.0", "evt21": "2.1", "evt3": "3.0"}


def header(name: str, *lines: str) -> bytes:
    stated = f"format {name.upper()};height={SIZE[1]};width={SIZE[0]}"
    return "".join(f"% {line}\n" for line in (f"evt {NUMBER[name]}", stated, *lines, "end")).encode()


def raw(folder: Path, name: str, words: Any, head: bytes | None = None) -> Path:
    """A file of these words."""
    path = folder / f"words{SUFFIX[name]}"
    path.write_bytes((header(name) if head is None else head) + np.asarray(words, WORD[name]).tobytes())
    return path


def tuples(recording: Any) -> list[tuple[int, int, int, int]]:
    return list(zip(*(getattr(recording, field).tolist() for field in "txyp"), strict=True))


def edges(triggers: Triggers) -> list[tuple[int, int, int]]:
    return list(zip(triggers.t.tolist(), triggers.id.tolist(), triggers.value.tolist(), strict=True))


@contextmanager
def small_arrays(words: int, events: int) -> Iterator[None]:
    """Few words and events at a time, so that a decoder goes on where it was stopped, again and again."""
    with ExitStack() as stack:
        for module, name, value in (
            (_raw, "_WORDS", words * 8),
            (_raw, "_EVENTS", events),
            (_raw, "_EDGES", 1),
            (dat, "_EVENTS", events),
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        yield


# Words


def t2(high: int) -> int:
    return 8 << 28 | high


def e2(low: int, x: int, y: int, p: int = 1) -> int:
    return p << 28 | low << 22 | x << 11 | y


def low(time: int) -> int:
    return 6 << 12 | time


def high(time: int) -> int:
    return 8 << 12 | time


def x3(x: int, p: int = 1) -> int:
    return 2 << 12 | p << 11 | x


def base(x: int, p: int = 1) -> int:
    return 3 << 12 | p << 11 | x


# The definition, word for word


class Clock:
    """High bits of a time that wraps: `t` without the low bits."""

    def __init__(self, bits: int) -> None:
        self.range, self.wraps, self.high, self.known = 1 << bits, 0, 0, False

    def take(self, high: int) -> bool:
        """Whether the time is another now."""
        before = self.t if self.known else None
        self.wraps += self.known and self.high - high >= self.range // 16
        self.high, self.known = high, True
        return self.t != before

    @property
    def t(self) -> int:
        return self.wraps * self.range + self.high


def decode_evt2(words: list[int], masks: list[int] | None = None) -> tuple[list, list, int, int]:
    """Events, trigger edges, words of unknown type, words that come too early; with masks, of EVT2.1."""
    clock, events, found, unknown, early = Clock(34), [], [], 0, 0
    for k, word in enumerate(words):
        kind, t6 = word >> 28, word >> 22 & 63
        if kind == 8:
            clock.take((word & 0xFFFFFFF) << 6)
        elif kind in (0, 1, 10) and not clock.known:
            early += 1
        elif kind in (0, 1):
            mask = 1 if masks is None else masks[k]
            x, y = word >> 11 & 0x7FF, word & 0x7FF
            events += [(clock.t + t6, x + bit, y, kind) for bit in range(32) if mask >> bit & 1]
        elif kind == 10:
            found.append((clock.t + t6, word >> 8 & 31, word & 1))
        elif kind not in (14, 15):
            unknown += 1
    return events, sorted(found), unknown, early


def decode_evt3(words: list[int]) -> tuple[list, list, int, int]:
    """Events, trigger edges, words of unknown type, words that come too early."""
    clock, events, found, unknown, early = Clock(24), [], [], 0, 0
    t12, row, column, polarity = 0, None, None, 0
    for word in words:
        kind, value = word >> 12, word & 0xFFF
        if kind == 0:
            row = value & 0x7FF
        elif kind == 2:
            if clock.known and row is not None:
                events.append((clock.t + t12, value & 0x7FF, row, value >> 11))
            else:
                early += 1
        elif kind == 3:
            column, polarity = value & 0x7FF, value >> 11
        elif kind in (4, 5):
            if clock.known and row is not None and column is not None:
                width = 12 if kind == 4 else 8
                events += [(clock.t + t12, column + bit, row, polarity) for bit in range(width) if value >> bit & 1]
                column = min(column + width, 0x7F00)
            else:
                early += 1
        elif kind == 6:
            t12 = value
        elif kind == 8:
            t12 = 0 if clock.take(value << 12) else t12
        elif kind == 10:
            if clock.known:
                found.append((clock.t + t12, value >> 8, value & 1))
            else:
                early += 1
        elif kind not in (7, 14, 15):
            unknown += 1
    return events, sorted(found), unknown, early


def words_of(bits: int) -> st.SearchStrategy[list[int]]:
    """Words of all types, the frequent ones more often; times near wraps, on and off the order."""
    kinds = st.sampled_from([0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 6, 8, 8, 10, *range(16)])
    top = (1 << (bits - 4)) - 1
    values = st.one_of(st.integers(0, top), st.sampled_from([0, 1, 5, top // 2, top // 2 + 1, top - 1, top]))
    return st.lists(st.builds(lambda kind, value: kind << (bits - 4) | value, kinds, values), max_size=80)


def decoded(path: Path, **options: Any) -> tuple[list, list, int, int]:
    """As the definitions above give them, but read from the file; in whatever order the times are."""
    from mxsnn.events.io.files import FORMATS

    events: list = []
    found: list = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for block in FORMATS[identify(path).name].open(path, None, **options).blocks():
            events += tuples(block)
            found += edges(block.triggers) if block.triggers is not None else []
    told = [str(one.message).removeprefix(f"{path}: ").split(" ", 1) for one in caught]
    counts = {text: int(number) for number, text in told}
    unknown = counts.pop("words of unknown type were skipped", 0)
    early = counts.pop("words with events come before the time or place that they need: left out", 0)
    assert not [text for text in counts if "long silence" not in text]
    return events, sorted(found), unknown, early  # a block has its edges in order, the words need not


@given(words=words_of(32))
def test_evt2_is_what_its_definition_says(tmp_path_factory: pytest.TempPathFactory, words: list[int]) -> None:
    path = raw(tmp_path_factory.getbasetemp(), "evt2", words)
    expected = decode_evt2(words)
    assert decoded(path) == expected
    with small_arrays(3, 2):
        assert decoded(path) == expected


@given(words=words_of(32), seed=st.integers(0, 99), order=st.sampled_from(["little", "legacy"]))
def test_evt21_is_what_its_definition_says(
    tmp_path_factory: pytest.TempPathFactory, words: list[int], seed: int, order: str
) -> None:
    masks = np.random.default_rng(seed).integers(0, 2**32, len(words)) & np.random.default_rng(seed + 1).integers(0, 2**32)
    halves = np.array(words, np.uint64), masks.astype(np.uint64)
    type_half, mask_half = halves if order == "little" else halves[::-1]
    path = raw(tmp_path_factory.getbasetemp(), "evt21", type_half << np.uint64(32) | mask_half)
    expected = decode_evt2(words, masks.tolist())
    assert decoded(path, word_order=order) == expected
    with small_arrays(3, 2):
        assert decoded(path, word_order=order) == expected


@given(words=words_of(16))
def test_evt3_is_what_its_definition_says(tmp_path_factory: pytest.TempPathFactory, words: list[int]) -> None:
    path = raw(tmp_path_factory.getbasetemp(), "evt3", words)
    expected = decode_evt3(words)
    assert decoded(path) == expected
    with small_arrays(3, 2):
        assert decoded(path) == expected


def test_a_file_larger_than_the_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    words = rng.choice([0, 2, 2, 3, 4, 5, 6], 300_000) << 12 | rng.integers(0, 2**12, 300_000)
    words = np.concatenate([[high(1), 0, low(0), base(3)], words])
    assert decoded(raw(tmp_path, "evt3", words)) == decode_evt3(words.tolist())


# Times


def test_evt3_wraps(tmp_path: Path) -> None:
    words = [high(4095), 3, low(4095), x3(1), high(0), x3(2), low(1), x3(3), high(2048), high(4095), high(0), x3(4)]
    assert [event[:2] for event in tuples(read(raw(tmp_path, "evt3", words)))] == [
        (2**24 - 1, 1),
        (2**24, 2),
        (2**24 + 1, 3),
        (2**25, 4),
    ]


@pytest.mark.parametrize("seconds", [[0, 10, 20, 30], [16, 17, 31], [2, 17.5], [5, 20.5]])
def test_evt3_wraps_in_a_silence(tmp_path: Path, seconds: list[float]) -> None:
    """A file without words in a pause still has all its time, up to 15.7 s of silence; what is less sure is told."""
    t = [round(1e6 * s) for s in seconds]
    words = [3, *(word for one in t for word in (high(one >> 12 & 0xFFF), low(one & 0xFFF), x3(1)))]
    path = raw(tmp_path, "evt3", words)
    steps = [(a >> 12 & 0xFFF) - (b >> 12 & 0xFFF) for a, b in pairwise(t)]
    if any(0 < step < 2048 for step in steps):
        with pytest.warns(RecordingWarning, match="wrap in a long silence"):
            assert read(path).t.tolist() == t
    else:
        assert read(path).t.tolist() == t


def test_evt2_wraps(tmp_path: Path) -> None:
    words = [t2(2**28 - 1), e2(63, 1, 1), t2(0), e2(0, 2, 1), t2(1), e2(3, 3, 1)]
    assert read(raw(tmp_path, "evt2", words)).t.tolist() == [2**34 - 1, 2**34, 2**34 + 67]


@pytest.mark.parametrize(
    ("name", "words", "t"),
    [
        ("evt2", [t2(100), e2(1, 1, 1), t2(99), e2(1, 2, 1)], [6337, 6401]),
        ("evt3", [high(100), 3, low(5), x3(1), high(99), low(5), x3(2)], [405509, 409605]),
    ],
)
def test_a_small_step_back_is_no_wrap(tmp_path: Path, name: str, words: list[int], t: list[int]) -> None:
    path = raw(tmp_path, name, words)
    with pytest.raises(UserError, match="the times go back at event 1"):
        read(path)
    with pytest.warns(RecordingWarning, match="put in order"):
        assert read(path, repair=True).t.tolist() == t


def count_wraps_on_low_times(words: np.ndarray) -> np.ndarray:
    """Times of the events of EVT3 by the common fault: a lower low time, not a lower high time, is taken for a wrap."""
    t, high, low, wraps = [], 0, 0, 0
    for word in words.tolist():
        kind, value = word >> 12, word & 0xFFF
        if kind == 8:
            high = value
        elif kind == 6:
            wraps += value < low
            low = value
        t += [(wraps << 24) + (high << 12) + low] * (
            {2: 1, 4: (value & 0xFFF).bit_count(), 5: (value & 0xFF).bit_count()}.get(kind, 0)
        )
    return np.array(t)


def test_wraps_counted_on_low_times_are_another_recording(test_data: Path) -> None:
    path = test_data / "events" / "evt3_with_triggers.raw"
    ours = read(path)
    wrong = count_wraps_on_low_times(np.frombuffer(path.read_bytes().split(b"% end\n")[1], "<u2"))
    assert len(wrong) == len(ours)
    assert ours.t[-1] - ours.t[0] == 1_251_317
    assert wrong[-1] - wrong[0] > 100 * 1_251_317


# Real recordings


@pytest.mark.parametrize(
    ("name", "format", "sensor", "size", "events", "first", "last"),
    [
        ("evt3_with_triggers.raw", "evt3", None, SIZE, 82_469, 14_224_870, 15_476_187),
        ("evt2_sample.raw", "evt2", "Gen3.0", (640, 480), 539_481, 1_317_888, 1_367_888),
        ("sample_ncars.dat", "dat", None, None, 2_009, 0, 99_952),
    ],
)
def test_samples(
    test_data: Path, name: str, format: str, sensor: str | None, size: Any, events: int, first: int, last: int
) -> None:
    found = summary(test_data / "events" / name)
    assert (found["format"], found["events"], found["first_us"], found["last_us"]) == (format, events, first, last)
    assert found["sensor"] == sensor and found["warnings"] == []
    assert (found["width"], found["height"]) == (size or (78, 42)) and found["sensor_stated"] == (size is not None)
    assert found["triggers"] == (2 if format == "evt3" else 0)
    assert 0 < found["on_events"] < events


def test_triggers_of_a_real_recording(test_data: Path) -> None:
    recording = open_recording(test_data / "events" / "evt3_with_triggers.raw")
    assert edges(recording.triggers) == [(14_547_491, 0, 0), (14_549_491, 0, 1)]


@pytest.mark.parametrize("name", ["evt3_with_triggers.raw", "evt2_sample.raw"])
def test_samples_as_faery_reads_them(test_data: Path, name: str) -> None:
    import faery

    path = test_data / "events" / name
    same(read(path), faery.events_stream_from_file(path).to_array(), "on")


def test_samples_as_evt3_reads_them(test_data: Path) -> None:
    evt3 = pytest.importorskip("evt3")
    path = test_data / "events" / "evt3_with_triggers.raw"
    theirs, triggers = evt3.decode_file_with_triggers(str(path))
    same(read(path), dict(t=theirs.timestamp, x=theirs.x, y=theirs.y, p=theirs.polarity), "p")
    assert triggers.timestamp.tolist() == open_recording(path).triggers.t.tolist()


def test_a_dat_file_is_what_numpy_makes_of_it(test_data: Path) -> None:
    data = (test_data / "events" / "sample_ncars.dat").read_bytes()
    start = data.index(b"\n", data.index(b"% Date")) + 3
    words = np.frombuffer(data[start:], "<u4").reshape(-1, 2)
    ours = read(test_data / "events" / "sample_ncars.dat")
    theirs = dict(t=words[:, 0], x=words[:, 1] & 0x3FFF, y=words[:, 1] >> 14 & 0x3FFF, p=words[:, 1] >> 28 & 1)
    same(ours, theirs, "p")


def same(ours: Any, theirs: Any, polarity: str) -> None:
    for field in "txyp":
        np.testing.assert_array_equal(getattr(ours, field), theirs[polarity if field == "p" else field], field)


# Round trips

STEPS = st.sampled_from([0, 0, 0, 1, 2, 63, 64, 65, 4095, 4096, 4097, 2**23, 2**24 - 1, 2**24, 2**24 + 1, 2**31, 2**32, 2**34 + 5])


@st.composite
def recordings(draw: st.DrawFn, side: int = 2048, steps: st.SearchStrategy[int] = STEPS) -> Recording:
    """Few pixels in few rows, so that there are vectors, at times on both sides of every border of the formats."""
    n, m = draw(st.integers(0, 40)), draw(st.integers(0, 6))
    t = np.cumsum([draw(steps) for _ in range(n)], dtype=np.int64)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = (
        rng.integers(0, side, n)
        if draw(st.booleans())
        else draw(st.integers(0, side - 80)) + np.arange(n) * draw(st.integers(0, 2))
    )
    y = rng.integers(0, side, n) if draw(st.booleans()) else np.full(n, draw(st.integers(0, side - 1)))
    p = rng.integers(0, 2, n) if draw(st.booleans()) else np.full(n, draw(st.integers(0, 1)))
    times = [draw(st.one_of(st.integers(0, 2**33), st.sampled_from(t.tolist() or [0]))) for _ in range(m)]
    triggers = Triggers.make(times, rng.integers(0, 16, m), rng.integers(0, 2, m))
    return Recording(Events.make(t, x, y, p, (side, side)), triggers)


@settings(max_examples=100)
@pytest.mark.parametrize("name", ["evt2", "evt3"])
@given(recording=recordings())
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, name: str, recording: Recording) -> None:
    path = tmp_path_factory.getbasetemp() / "back.raw"
    for words, events in ((2**15, 2**15), (17, 3)):
        with small_arrays(words, events):
            write(path, recording, name, overwrite=True)
            back = open_recording(path)
            assert back.events == recording.events
            assert sorted(edges(back.triggers)) == sorted(edges(recording.triggers))


@given(recording=recordings(2**14, st.sampled_from([0, 0, 1, 2**24, 2**31 - 1, 2**31])))
def test_what_is_written_as_dat_comes_back(tmp_path_factory: pytest.TempPathFactory, recording: Recording) -> None:
    path = tmp_path_factory.getbasetemp() / "back.dat"
    with small_arrays(16, 3), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "times beyond 4294967296 us wrap in DAT", RecordingWarning)
        write(path, recording.events, overwrite=True)
    assert read(path) == recording.events


def test_wraps_of_dat_are_told_where_they_cannot_be_held_they_are_refused(tmp_path: Path) -> None:
    def at(*times: int) -> Events:
        zeros = np.zeros(len(times), int)
        return Events.make(times, zeros, zeros, zeros, SIZE)

    with pytest.warns(RecordingWarning, match="wrap in DAT"):
        write(tmp_path / "a.dat", at(2**31, 2**32 - 1, 2**32))
    assert read(tmp_path / "a.dat").t.tolist() == [2**31, 2**32 - 1, 2**32]
    for times in ((2**32, 2**32), (2**32 - 1, 2**32 + 2**31), (-1, 0)):
        with pytest.raises(UserError, match="DAT counts time from 0 in 32 bits and cannot hold"):
            write(tmp_path / "b.dat", at(*times))
    assert not (tmp_path / "b.dat").exists()


def test_triggers_of_later_blocks_have_their_place_in_time(tmp_path: Path) -> None:
    from dataclasses import replace

    from mxsnn.events.io._source import source_of

    events = Events.make([10, 100_000, 90_000_000], [1, 2, 3], [1, 2, 3], [0, 1, 1], SIZE)
    plain = source_of(Recording(events))

    def blocks():
        yield from plain.blocks()
        yield next(plain.blocks())._replace(triggers=Triggers.make([50_000, 5, 95_000_000], [0, 1, 2], [1, 1, 0]))

    write(tmp_path / "a.raw", replace(plain, blocks=blocks), "evt3")
    back = open_recording(tmp_path / "a.raw")
    assert back.events == events
    assert edges(back.triggers) == [(5, 1, 1), (50_000, 0, 1), (95_000_000, 2, 0)]


def test_what_is_odd_in_the_source_is_told_once(tmp_path: Path) -> None:
    from mxsnn.events.io.files import open_source

    bare = raw(tmp_path, "evt2", [t2(9), 3 << 28], b"% evt 2.0\n").rename(tmp_path / "bare.raw")
    odd = raw(tmp_path, "evt3", [high(1), 7, low(2), x3(9), 0x9999])
    for going_through in (
        lambda: write(tmp_path / "a.raw", open_source(odd), "evt2"),
        lambda: list(stream(bare)),  # whose sensor is measured in a pass of its own
    ):
        with pytest.warns(RecordingWarning) as told:
            going_through()
        assert len(told) == 1
    assert read(tmp_path / "a.raw") == read(tmp_path / "a.raw", SIZE) == Events.make([4098], [9], [7], [1], SIZE)


def realistic(seed: int, n: int = 20_000) -> Events:
    """Edges that move, in short runs of neighbours, over 60 s with a pause."""
    rng = np.random.default_rng(seed)
    starts = np.sort(np.concatenate([rng.integers(0, 20_000_000, n // 16), rng.integers(52_000_000, 60_000_000, n // 16)]))
    t, runs = np.repeat(starts, 8), len(starts)
    x = np.repeat(rng.integers(0, 1240, runs), 8) + np.sort(rng.permuted(np.tile(np.arange(40), (runs, 1)), axis=1)[:, :8]).ravel()
    y, p = np.repeat(rng.integers(0, 720, runs), 8), np.repeat(rng.integers(0, 2, runs), 8)
    return Events.make(t, x, y, p, SIZE)


@pytest.mark.parametrize("name", ["evt2", "evt3", "dat"])
def test_others_read_what_is_written(tmp_path: Path, name: str) -> None:
    import faery

    path = tmp_path / f"a{SUFFIX[name]}"
    for seed in range(3):
        events = realistic(seed)
        write(path, events, name, overwrite=True)
        same(events, faery.events_stream_from_file(path).to_array(), "on")
        assert read(path) == events


def test_evt3_reads_what_is_written(tmp_path: Path) -> None:
    evt3 = pytest.importorskip("evt3")
    triggers = Triggers.make([70, 21_000_000], [3, 3], [1, 0])
    write(tmp_path / "a.raw", Recording(realistic(7), triggers), "evt3")
    theirs, found = evt3.decode_file_with_triggers(str(tmp_path / "a.raw"))
    same(realistic(7), dict(t=theirs.timestamp, x=theirs.x, y=theirs.y, p=theirs.polarity), "p")
    assert found.timestamp.tolist() == triggers.t.tolist()


@pytest.mark.parametrize("name", ["evt2", "evt3", "dat"])
def test_what_others_write_is_read(tmp_path: Path, name: str) -> None:
    import faery

    events = realistic(11)
    array = np.empty(len(events), faery.EVENTS_DTYPE)
    for field in "txyp":
        array["on" if field == "p" else field] = getattr(events, field)
    path = tmp_path / f"a{SUFFIX[name]}"
    faery.events_stream_from_array(array, SIZE).to_file(path, version={"dat": "dat2"}.get(name, name))
    assert read(path) == events  # absolute: faery has the time of the first event in the header


def test_vectors_make_files_shorter(tmp_path: Path) -> None:
    events = realistic(0)
    for name in ("evt2", "evt3"):
        write(tmp_path / f"{name}.raw", events, name)
    assert (tmp_path / "evt3.raw").stat().st_size < 0.6 * (tmp_path / "evt2.raw").stat().st_size


# Headers


@pytest.mark.parametrize(
    ("lines", "name", "sensor", "size"),
    [
        ("% evt 3.0\n% format EVT3;height=720;width=1280\n% geometry 1280x720\n% end\n", "evt3", None, SIZE),
        ("% format EVT3; height = 480; width = 640\n", "evt3", None, (640, 480)),
        ("% evt 2.0\n% plugin_name hal_plugin_gen3_fx3\n", "evt2", "Gen3.0", (640, 480)),
        ("% evt 2.0\n% plugin_name hal_plugin_gen31_fx3\n", "evt2", "Gen3.1", (640, 480)),
        ("% evt 3.0\r\n% plugin_name hal_plugin_gen41_evk3\r\n% end\r\n", "evt3", "Gen4.1", SIZE),
        ("% evt 3.0\n% plugin_name hal_plugin_imx636_evk4\n% sensor_generation 4.2\n", "evt3", "IMX636", SIZE),
        ("% evt 3.0\n% plugin_name hal_plugin_prophesee\n% sensor_generation 4.2\n", "evt3", "IMX636", SIZE),
        ("% evt 2.0\n% sensor_name GenX320\n", "evt2", "GenX320", (320, 320)),
        ("% evt 3.0\n% sensor_name NewOne\n", "evt3", "NewOne", None),
        ("% evt 3.0\n% geometry 99999x99999\n", "evt3", None, None),
        ("% evt 3.0\n% geometry 0x12\n% geometry 3x4\n", "evt3", None, None),
    ],
)
def test_headers(tmp_path: Path, lines: str, name: str, sensor: str | None, size: tuple[int, int] | None) -> None:
    path = raw(tmp_path, name, [], lines.encode())
    found = summary(path)
    assert (found["format"], found["sensor"]) == (name, sensor)
    assert (found["width"], found["height"]) == (size or (None, None))
    assert summary(path, (34, 35))["width"] == 34


def test_words_that_look_like_a_header_are_words(tmp_path: Path) -> None:
    # The first word is that of x = 0x025, OFF, so the data begin with "% ".
    words = [0x2025, high(1), 7, low(2), x3(9)]
    path = raw(tmp_path, "evt3", words, b"% evt 3.0\n")
    assert path.read_bytes()[10:12] == b"% "
    with pytest.warns(RecordingWarning, match="1 words with events come before"):
        assert tuples(read(path)) == [(4098, 9, 7, 1)]


def test_bare_words_are_read_when_the_format_is_said(tmp_path: Path) -> None:
    path = raw(tmp_path, "evt3", [high(1), 7, low(2), x3(9)], b"")
    assert tuples(read(path, format="evt3")) == [(4098, 9, 7, 1)]
    with pytest.raises(UserError, match="no signature of evt2 or evt21 or evt3"):
        read(path)
    assert tuples(read(raw(tmp_path, "evt2", [t2(1), e2(3, 4, 5)], b""), format="evt2")) == [(67, 4, 5, 1)]


def test_another_encoding_than_the_one_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its header says EVT3, not EVT2"):
        read(raw(tmp_path, "evt3", []), format="evt2")
    (tmp_path / "a.raw").write_bytes(b"% format HISTO3D;height=320;width=320\n% end\n")
    with pytest.raises(UserError, match="no signature of evt2 or evt21 or evt3"):
        read(tmp_path / "a.raw")


def test_words_of_vendors_are_passed_over_and_unknown_ones_are_told(tmp_path: Path) -> None:
    words = [high(1), 7, low(2), x3(9), 0x7123, 0xE001, 0xF002, x3(10)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(raw(tmp_path, "evt3", words)).x.tolist() == [9, 10]
    with pytest.warns(RecordingWarning, match="3 words of unknown type were skipped"):
        assert read(raw(tmp_path, "evt3", [*words, 0x9999, 0x9999, 0x1003, x3(11)])).x.tolist() == [9, 10, 11]


# EVT2.1


def evt21(order: str, *words: tuple[int, int]) -> np.ndarray:
    """Words of their half with the type and their mask."""
    return np.array([word << 32 | mask if order == "little" else mask << 32 | word for word, mask in words], np.uint64)


PLAIN = [(t2(9), 0), (e2(5, 100, 7, 1), 0x40000001), (10 << 28 | 6 << 22 | 3 << 8 | 1, 0), (e2(6, 0, 8, 0), 1), (t2(10), 0)]


@pytest.mark.parametrize("order", ["little", "legacy"])
@pytest.mark.parametrize("lines", [(), ("endianness {}",), ("format EVT21;endianness={}",)])
def test_the_order_of_halves(tmp_path: Path, order: str, lines: tuple[str, ...]) -> None:
    head = "".join(f"% {line.format(order)}\n" for line in (*lines, "evt 2.1")).encode()
    recording = open_recording(raw(tmp_path, "evt21", evt21(order, *PLAIN), head))
    assert tuples(recording.events) == [(581, 100, 7, 1), (581, 130, 7, 1), (582, 0, 8, 0)]
    assert edges(recording.triggers) == [(582, 3, 1)]


def test_the_camera_tells_the_order_of_halves(tmp_path: Path) -> None:
    head = b"% format EVT21;height=720;width=1280\n% integrator_name Prophesee\n% system_ID 49\n% end\n"
    assert len(read(raw(tmp_path, "evt21", evt21("legacy", *PLAIN[:-1]), head))) == 3


def test_an_order_of_halves_that_nothing_tells(tmp_path: Path) -> None:
    unclear = evt21("little", (t2(9), t2(9)), (e2(5, 1, 7, 1), e2(5, 2, 8, 1)))
    path = raw(tmp_path, "evt21", unclear, b"% evt 2.1\n")
    with pytest.raises(UserError, match="make sense in both orders of their halves; give word_order='little' or 'legacy'"):
        read(path)
    little, legacy = (read(path, word_order=order) for order in ("little", "legacy"))
    assert set(little.y.tolist()) == {7} and set(legacy.y.tolist()) == {8}
    with pytest.raises(UserError, match="neither order"):
        read(raw(tmp_path, "evt21", [2**64 - 1, 2**63 + 5], b"% evt 2.1\n"))
    with pytest.raises(UserError, match="word_order is one of little, legacy; got 'big'"):
        read(path, word_order="big")
    assert len(read(raw(tmp_path, "evt21", [], b"% evt 2.1\n"))) == 0


# DAT


def dat_file(folder: Path, lines: str, kind: bytes, *events: tuple[int, int, int, int]) -> Path:
    words = np.array([(t, x | y << 14 | p << 28) for t, x, y, p in events], "<u4")
    (folder / "a.dat").write_bytes("".join(f"% {line}\n" for line in lines.splitlines()).encode() + kind + words.tobytes())
    return folder / "a.dat"


@pytest.mark.parametrize(
    ("lines", "kind", "size"),
    [
        ("Data file containing CD events\nVersion 2\nWidth 640\nHeight 480", b"\x0c\x08", (640, 480)),
        ("Data file containing N9Chronocam7Event2dE events.\nVersion 2\nDate 2017-10-31 11:29:21", b"\0\x08", (4, 6)),
        ("Version 2\nWidth 9\nHeight 8", b"\x0c\x08", (9, 8)),
    ],
)
def test_old_and_new_headers_of_dat(tmp_path: Path, lines: str, kind: bytes, size: tuple[int, int]) -> None:
    events = read(dat_file(tmp_path, lines, kind, (7, 3, 5, 1), (9, 2, 4, 0)))
    assert tuples(events) == [(7, 3, 5, 1), (9, 2, 4, 0)] and events.sensor_size == size


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        ("Data file containing Trigger events\nVersion 2", b"\x0e\x08", "events of type 14 and 8 bytes; type 0 or 12"),
        ("Data file containing CD events\nVersion 1", b"\0\x08", "DAT of version 1"),
        ("Data file containing CD events\nVersion 2", b"\x0c\x10", "16 bytes"),
    ],
)
def test_other_dat_files_are_refused(tmp_path: Path, lines: str, kind: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(dat_file(tmp_path, lines, kind, (1, 1, 1, 1)))


# Damage, and what the formats cannot hold


@pytest.mark.parametrize("name", ["evt2", "evt21", "evt3", "dat"])
def test_a_cut_file_gives_every_event_before_the_cut(tmp_path: Path, name: str) -> None:
    events = realistic(2, 400)
    path, cut = tmp_path / f"a{SUFFIX[name]}", tmp_path / f"cut{SUFFIX[name]}"
    if name == "evt21":
        words = [pair for t, x, y, p in tuples(events) for pair in ((t2(t >> 6), 0), (e2(t & 63, x, y, p), 1))]
        raw(tmp_path, name, evt21("legacy", *words), header(name, "endianness legacy")).rename(path)
    else:
        write(path, events, name)
    data = path.read_bytes()
    width = 8 if name == "dat" else np.dtype(WORD[name]).itemsize
    start = _raw.parse(data).end + (2 if name == "dat" else 0)
    read_before = 0
    for length in range(start, len(data), 7):
        cut.write_bytes(data[:length])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = read(cut)
        assert [one.category for one in caught] == [CutShortWarning] * ((length - start) % width > 0)
        n = len(found)
        assert read_before <= n and found == events[:n]
        if name in ("evt2", "dat"):
            whole = np.frombuffer(data[start : start + (length - start) // width * width], WORD.get(name, "<u8"))
            assert n == (np.count_nonzero(whole >> 28 <= 1) if name == "evt2" else len(whole))
        read_before = n
    assert read_before > 0.9 * len(events)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    far = Events.make([2**45], [0], [0], [0], SIZE)
    for name, content, message in [
        ("evt3", far, "EVT3 counts time from 0 and wraps every 16.8 s"),
        ("evt2", Events.make([-5], [0], [0], [0], SIZE), "got -5 us"),
        ("evt3", Events.make([5], [0], [0], [0], (2049, 5)), "EVT3 holds 2048 pixels a side, the sensor has 2049x5"),
        ("dat", Events.make([5], [0], [0], [0], (5, 20000)), "DAT holds 16384 pixels a side"),
        ("evt3", Recording(Events.empty(SIZE), Triggers.make([1], [16], [0])), "inputs 0 to 15"),
        ("evt2", Recording(Events.empty(SIZE), Triggers.make([1], [0], [2])), "with values 0 and 1"),
    ]:
        path = tmp_path / f"a{SUFFIX[name]}"
        with pytest.raises(UserError, match=message):
            write(path, content, name)
        assert not path.exists()
    write(tmp_path / "far.raw", far, "evt2")
    assert read(tmp_path / "far.raw") == far


def test_the_name_of_the_sensor_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.raw", Recording(realistic(0, 64), sensor="Davis 346"), "evt2")
    assert open_recording(tmp_path / "a.raw").sensor == "Davis 346"
    assert read(tmp_path / "a.raw").sensor_size == SIZE


def test_windows_of_a_file(tmp_path: Path) -> None:
    events = realistic(4)
    write(tmp_path / "a.raw", events, "evt3")
    found = list(windows(stream(tmp_path / "a.raw"), 1_000_000, start=0))
    assert len(found) == events.t[-1] // 1_000_000 + 1
    assert [len(window) for window in found] == np.bincount(events.t // 1_000_000, minlength=len(found)).tolist()


def test_memory_is_reserved_for_what_the_first_blocks_foretell() -> None:
    from mxsnn.events.io.files import _room

    assert 2_000 <= _room(1_000, 0.5) <= 2_300 and 100_000 <= _room(1_000, 0.01) <= 115_000
    assert _room(1_000, 1e-9) == _room(1_000, 0.0) == 2**26  # more than that not at once
    assert _room(10**8, 1.0) == 2 * 10**8


def test_a_reader_that_may_write_nowhere(tmp_path: Path) -> None:
    """numba refuses to keep what it compiled where neither the package nor the home can be written."""
    path = raw(tmp_path, "evt2", [t2(9), e2(1, 2, 3)])
    nowhere = {**os.environ, "NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator"}  # the one that has no place for a module
    code = "import sys; from mxsnn.events import read; print(len(read(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=nowhere, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
