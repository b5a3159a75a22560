"""AEDAT 2, 3.1 and 4: files of iniVation's cameras."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import CutShortWarning, RecordingWarning, UserError
from mxsnn.events import Events, Recording, open_recording, read, stream
from tests.aedat4_files import EVENT, events_packet, frame_packet, imu_packet, triggers_packet
from tests.aedat4_files import write as write_aedat4
from tests.damage import damaged, read_or_refused

CAMERA, FRAMES, TRIGGERS, IMU = 0, 1, 2, 3
STREAMS = {CAMERA: ("EVTS", 7, 5), FRAMES: ("FRME", 7, 5), TRIGGERS: ("TRIG", 0, 0), IMU: ("IMUS", 0, 0)}


def some_events(n: int, start: int = 0) -> np.ndarray:
    random = np.random.default_rng(n)
    events = np.zeros(n, EVENT)
    events["t"] = start + np.arange(n)
    events["x"], events["y"], events["p"] = random.integers(7, size=n), random.integers(5, size=n), random.integers(2, size=n)
    return events


def same(events: Any, expected: np.ndarray) -> None:
    assert isinstance(events, Events)
    for name in "txyp":
        np.testing.assert_array_equal(getattr(events, name), expected[name])


def fails(path: Path, match: str, **options: Any) -> None:
    with pytest.raises(UserError, match=match) as raised:
        open_recording(path, **options)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


# AEDAT 4


def test_all_that_a_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    first, second = some_events(5), some_events(3, 5)
    grey = [np.full((3, 4), k, np.uint8) for k in range(4)]
    packets = [
        (CAMERA, events_packet(first)),
        (FRAMES, frame_packet(grey[0], 50, (40, 61))),
        (IMU, imu_packet([(5, range(10)), (7, range(1, 11))])),
        (TRIGGERS, triggers_packet([(3, 1), (4, 2), (6, 9)])),
        (CAMERA, events_packet(second)),
        (FRAMES, frame_packet(grey[1], 80)),
        (TRIGGERS, triggers_packet([(5, 8)])),
        (FRAMES, frame_packet(grey[2], 90, (90, 90))),
    ]
    write_aedat4(path, STREAMS, packets)
    recording = open_recording(path)
    same(recording.events, np.concatenate([first, second]))
    assert recording.events.sensor_size == (7, 5)
    assert recording.sensor == "CAMERA_7"
    assert recording.triggers.t.tolist() == [3, 4, 5, 6]
    assert recording.triggers.id.tolist() == [1, 2, 8, 9]
    assert recording.triggers.value.tolist() == [1, 0, 1, 0]
    frames = recording.frames["grey"]
    assert list(recording.frames) == ["grey"]
    assert (frames.t.tolist(), frames.start.tolist(), frames.end.tolist()) == ([50, 80, 90], [40, 80, 90], [61, 80, 90])
    assert [image[0, 0] for image in frames.images[:]] == [0, 1, 2]
    assert [frames.images[k][2, 3] for k in (2, 0, 1, 1, -1)] == [2, 0, 1, 1, 2]
    np.testing.assert_array_equal(frames.images[[1, 0, 1]], np.stack(grey)[[1, 0, 1]])
    np.testing.assert_array_equal(frames[1:].images, np.stack(grey[1:3]))
    imu = recording.samples["imu"]
    assert imu.t.tolist() == [5, 7]
    np.testing.assert_array_equal(imu.values, [range(10), range(1, 11)])
    assert imu.names[0] == "temperature [C]" and imu.names[4] == "gyroscope_x [deg/s]"
    copy = pickle.loads(pickle.dumps(recording))
    np.testing.assert_array_equal(copy.frames["grey"].images[1], grey[1])


def test_colours_and_several_streams_of_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    bgr = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)[..., :3]
    bgra = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    wide = np.arange(12, dtype="<u2").reshape(3, 4)
    streams = {4: ("FRME", 4, 3), 1: ("FRME", 4, 3), 9: ("FRME", 4, 3), 2: ("FRME", 4, 3)}
    shown = [(1, frame_packet(np.ascontiguousarray(bgr), 5)), (4, frame_packet(bgra, 5)), (2, frame_packet(wide, 5, format=2))]
    write_aedat4(path, streams, shown)
    recording = open_recording(path)
    assert sorted(recording.frames) == ["grey", "rgb_1", "rgb_4"]  # stream 9 holds none
    np.testing.assert_array_equal(recording.frames["rgb_1"].images[0], bgr[..., ::-1])
    np.testing.assert_array_equal(recording.frames["rgb_4"].images[0], bgra[..., 2::-1])
    np.testing.assert_array_equal(recording.frames["grey"].images[:], [wide])
    assert len(recording.events) == 0


def test_frames_that_do_not_fit_the_others_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    image = np.ones((3, 4), np.uint8)
    odd = [
        frame_packet(image[:2], 20),
        frame_packet(np.ones((9, 9), np.uint8), 21),
        frame_packet(image, 25, format=1),
        frame_packet(image, 5),
    ]
    write_aedat4(path, STREAMS, [(FRAMES, p) for p in (frame_packet(image, 10), *odd, frame_packet(2 * image, 30))])
    with pytest.warns(RecordingWarning, match="1 frames of an unknown format"):
        recording = open_recording(path)
    with pytest.warns(RecordingWarning, match="3 frames of another size"):
        frames = recording.frames["grey"]
    assert frames.t.tolist() == [10, 30]
    assert frames.images[:][:, 0, 0].tolist() == [1, 2]
    path.unlink()
    with pytest.raises(UserError, match=r"a.aedat4: cannot be read"):
        frames.images[0]


def test_several_streams_of_events(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    write_aedat4(
        path, {3: ("EVTS", 7, 5), 5: ("EVTS", 9, 8)}, [(3, events_packet(some_events(2))), (5, events_packet(some_events(4)))]
    )
    fails(path, r"2 streams of events, \[3, 5\]; say which with stream=3")
    fails(path, "no stream 4 of events", stream=4)
    same(read(path, stream=5), some_events(4))
    assert read(path, stream=5).sensor_size == (9, 8)
    same(read(path, (20, 20), stream=3), some_events(2))


@pytest.mark.parametrize("table_at_end", [True, False])
def test_every_cut_of_an_aedat4_file(tmp_path: Path, table_at_end: bool) -> None:
    path = tmp_path / "a.aedat4"
    packets = [(CAMERA, events_packet(some_events(3, 3 * k))) for k in range(3)]
    write_aedat4(path, STREAMS, packets, table_at_end)
    whole = path.read_bytes()
    ends = np.cumsum([whole.index(packets[0][1]) - 12, *(len(data) + 12 for _, data in packets)]).tolist()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        if cut < ends[0]:
            fails(path, "header|empty file|signature")
            continue
        kept = sum(cut >= end for end in ends[1:])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            events = read(path)
        assert len(events) == 3 * kept
        whole_packets = cut in ends and not table_at_end  # such a file cannot be told from a shorter one
        assert [w.category for w in said] == ([] if whole_packets or (table_at_end and cut >= ends[-1]) else [CutShortWarning])


@given(data=st.data())
def test_damage_to_an_aedat4_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("damage") / "a.aedat4"
    image = np.ones((3, 4), np.uint8)
    packets = [(CAMERA, events_packet(some_events(3))), (FRAMES, frame_packet(image, 9)), (TRIGGERS, triggers_packet([(3, 1)]))]
    write_aedat4(path, STREAMS, packets)
    path.write_bytes(data.draw(damaged(path.read_bytes(), 14)))
    with read_or_refused(path):
        recording = open_recording(path)
        assert all(len(frames.images[:]) == len(frames) for frames in recording.frames.values())


def test_a_real_davis346(test_data: Path) -> None:
    path = test_data / "events" / "evlibpy_sample.aedat4"
    recording = open_recording(path)
    events, frames = recording.events, recording.frames["grey"]
    assert isinstance(events, Events)
    assert (len(events), events.sensor_size, events.t[-1] - events.t[0]) == (6_676, (346, 260), 169_941)
    assert recording.sensor == "DAVIS346_00000002"
    assert len(frames) == 4 and frames.images.shape == (4, 260, 346) and frames.images.dtype == np.uint8
    assert np.diff(frames.t).tolist() == [40_000] * 3
    assert (frames.end - frames.start).tolist() == [500] * 4
    assert frames.t.tolist() == ((frames.start + frames.end) // 2).tolist()
    # 17 edges in 13 packets, 160 samples in 16: the marks of the frames agree with the frames' own times.
    triggers = recording.triggers
    assert len(triggers) == 17 and set(triggers.id.tolist()) == {6, 7, 8, 9}
    assert triggers.t[triggers.id == 8].tolist()[:3] == frames.start.tolist()[1:]
    assert triggers.t[triggers.id == 9].tolist()[:3] == frames.end.tolist()[1:]
    assert len(recording.samples["imu"]) == 160
    gravity = recording.samples["imu"].values[:, 1:4]
    np.testing.assert_allclose(np.linalg.norm(gravity, axis=1), 1, atol=0.1)


def test_real_files_agree_with_the_decoder_and_in_pieces(test_data: Path) -> None:
    import aedat

    for name, n in (("evlibpy", 6_676), ("tonic", 111_954)):
        path = test_data / "events" / f"{name}_sample.aedat4"
        theirs = np.concatenate([packet["events"] for packet in aedat.Decoder(str(path)) if "events" in packet])
        ours = read(path)
        assert isinstance(ours, Events) and len(ours) == len(theirs) == n
        for field in ("t", "x", "y", "p"):
            np.testing.assert_array_equal(getattr(ours, field), theirs[field if field != "p" else "on"])
        pieces = list(stream(path))
        assert sum(map(len, pieces)) == n
        np.testing.assert_array_equal(np.concatenate([piece.t for piece in pieces]), ours.t)


def test_files_of_another_writer(tmp_path: Path) -> None:
    import faery

    random = np.random.default_rng(0)
    n = 3000
    theirs = np.zeros(n, faery.EVENTS_DTYPE)
    theirs["t"] = np.sort(random.integers(10**6, size=n))
    theirs["x"], theirs["y"] = random.integers(64, size=n), random.integers(48, size=n)
    theirs["on"] = random.integers(2, size=n)
    for compression in (("lz4", 1), ("zstd", 1), None):
        path = tmp_path / f"{compression}.aedat4"
        faery.events_stream_from_array(theirs, (64, 48)).to_file(path, compression=compression)
        ours = read(path)
        assert isinstance(ours, Events) and ours.sensor_size == (64, 48)
        for field in ("t", "x", "y", "p"):
            np.testing.assert_array_equal(getattr(ours, field), theirs[field if field != "p" else "on"])


# AEDAT 2

HEADER2 = b'#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n#\t<entry key="a"/>\r\n'
CHIPS = {
    "dvs128": b"# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n",
    "davis240": b"# HardwareInterface: DAVIS FX2 0002-INI\r\n# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n",
    "davis346": b"# AEChip: eu.seebetter.ini.chips.davis.Davis346B\r\n",
}
SIZES2 = {"dvs128": (128, 128), "davis240": (240, 180), "davis346": (346, 260)}


def aedat2(words: list[tuple[int, int]], header: bytes = HEADER2 + CHIPS["davis240"]) -> bytes:
    """Addresses and times behind a header."""
    return header + np.array(words, ">u4").reshape(-1, 2).tobytes()


def address(camera: str, x: int, y: int, p: int) -> int:
    """What jAER writes for a pixel counted from the upper left."""
    width, height = SIZES2[camera]
    x, y = width - 1 - x, height - 1 - y
    return y << 8 | x << 1 | (1 - p) if camera == "dvs128" else y << 22 | x << 12 | p << 11


@given(data=st.data())
@pytest.mark.parametrize("camera", SIZES2)
def test_jaers_cameras_are_upright(camera: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("upright") / "a.aedat"
    width, height = SIZES2[camera]
    pixel = st.tuples(st.integers(0, width - 1), st.integers(0, height - 1), st.integers(0, 1))
    pixels = data.draw(st.lists(pixel, min_size=1, max_size=20))
    times = sorted(data.draw(st.lists(st.integers(0, 2**32 - 1), min_size=len(pixels), max_size=len(pixels))))
    times = [times[0] + min(t - times[0], 2**31 - 1) for t in times]  # further apart is a wrap
    words = [(address(camera, *where), t) for where, t in zip(pixels, times, strict=True)]
    path.write_bytes(aedat2(words, HEADER2 + CHIPS[camera]))
    events = read(path)
    assert events == Events.make(times, *zip(*pixels, strict=True), (width, height))
    assert open_recording(path).sensor in ("DVS128", "DAVIS240C", "Davis346B")


def test_a_davis346_as_another_reader_has_it(tmp_path: Path) -> None:
    from tonic import io as tonic_io

    random = np.random.default_rng(0)
    n = 1000
    words = random.integers(346, size=n) << 12 | random.integers(260, size=n) << 22 | random.integers(2, size=n) << 11
    words[0] = 0  # tonic takes an event that begins with the byte "#" for a line of the header
    path = tmp_path / "a.aedat"
    header = HEADER2 + b"# Creation time: day 1700000000\r\n" + CHIPS["davis346"]
    path.write_bytes(aedat2(list(zip(words.tolist(), range(n), strict=True)), header))
    _, _, theirs = tonic_io.read_davis_346(str(path))
    same(read(path), theirs)


def test_words_that_are_no_events(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    pixel = address("davis240", 3, 4, 1)
    edges = [(1 << 10 | 2, 20), (1 << 10 | 3, 30), (1 << 10 | 1 << 11, 40)]
    others = [(1 << 31 | 5 << 12, 41), (1 << 31 | 3 << 10, 42)]
    path.write_bytes(aedat2([(pixel, 10), *edges, *others, (pixel, 50)]))
    with pytest.warns(RecordingWarning, match="2 words that are no events"):
        recording = open_recording(path)
    assert recording.events.t.tolist() == [10, 50]
    triggers = recording.triggers
    assert (triggers.t.tolist(), triggers.id.tolist(), triggers.value.tolist()) == ([20, 30, 40], [0, 0, 0], [0, 1, 1])
    path.write_bytes(aedat2([(1 << 15, 1), (1 << 31, 2), (1 << 20, 3)], HEADER2 + CHIPS["dvs128"]))
    with pytest.warns(RecordingWarning, match="1 words that are no events"):
        recording = open_recording(path)
    assert recording.triggers.t.tolist() == [1, 2] and len(recording.events) == 0


def test_a_clock_of_32_bits_that_wraps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mxsnn.events.io import aedat2 as module

    monkeypatch.setattr(module, "_CHUNK", 3)
    path = tmp_path / "a.aedat"
    pixel = address("davis240", 3, 4, 1)
    times = np.cumsum([2**31 - 9, *[2**30 + 1] * 10])
    path.write_bytes(aedat2([(pixel, int(t) % 2**32) for t in times]))
    assert read(path).t.tolist() == times.tolist()
    path.write_bytes(aedat2([(pixel, t % 2**32) for t in (2**32 - 1, 2**32 + 1, 2**32 - 2, 2**32 + 3)]))
    fails(path, "go back at event 2: 4294967294 us after 4294967297 us")
    with pytest.warns(RecordingWarning, match="went back 1 times"):
        assert read(path, repair=True).t[-1] == 2**32 + 3


def test_which_camera(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    pixel = address("dvs128", 3, 4, 1)
    path.write_bytes(aedat2([(pixel, 10)], HEADER2))
    fails(path, "the header names no camera; say it with camera='dvs128' or camera='davis240'")
    fails(path, "camera is one of dvs128, davis240", camera="dvs")
    assert read(path, camera="dvs128") == Events.make([10], [3], [4], [1], (128, 128))
    path.write_bytes(aedat2([(pixel, 10)], HEADER2 + b"# AEChip: com.sec.dvs.SecDvs640Gen2\r\n"))
    fails(path, "the header names com.sec.dvs.SecDvs640Gen2; say it")
    # An event that begins with the byte of a header's line is none.
    path.write_bytes(aedat2([(0x23000000, 0x0A0D0A0D), (0, 0x0A0D0A0E)]))
    assert len(read(path)) == 2


def test_a_header_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mxsnn.events.io import aedat2 as module

    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER2 + b"# line\r\n" * 9999)
    fails(path, "names no camera")
    monkeypatch.setattr(module, "_LONGEST_HEADER", 2**10)
    fails(path, "its header has more than")


def test_every_cut_of_an_aedat2_file(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    whole = aedat2([(address("davis240", k, 4, 1), 10 + k) for k in range(3)])
    start = len(whole) - 24
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert len(read(path)) == (cut - start) // 8
        assert [w.category for w in said] == ([CutShortWarning] if (cut - start) % 8 else [])


# AEDAT 3.1

HEADER3 = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2017-01-01 12:00:00 (TZ+0100)\r\n#!END-HEADER\r\n"


def packet3(words: list[tuple[int, int]], kind: int = 1, source: int = 1, overflows: int = 0, room: int | None = None) -> bytes:
    body = np.array(words, "<u4").reshape(-1, 2)
    room = len(body) if room is None else room
    header = np.array([kind, source], "<i2").tobytes()
    header += np.array([8, 4, overflows, room, len(body), int((body[:, 0] & 1).sum())], "<i4").tobytes()
    return header + body.tobytes() + bytes(8 * (room - len(body)))


def polarity(x: int, y: int, p: int, valid: int = 1) -> int:
    return x << 17 | y << 2 | p << 1 | valid


def test_packets_of_polarity(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    first = packet3([(polarity(3, 4, 1), 10), (polarity(5, 6, 0), 11), (polarity(7, 8, 1, 0), 12)])
    second = packet3([(polarity(127, 0, 1), 5)], overflows=2, room=3)
    path.write_bytes(HEADER3 + first + packet3([(1, 2)], kind=3) + second)
    with pytest.warns(RecordingWarning, match="1 packets of frames or other samples"):
        recording = open_recording(path)
    assert recording.events == Events.make([10, 11, 2 * 2**31 + 5], [3, 5, 127], [4, 6, 0], [1, 0, 1], (128, 128))
    assert recording.sensor == "DVS128"


def test_special_events(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    kinds = [0, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17]
    path.write_bytes(HEADER3 + packet3([(kind << 1 | 1, 10 + k) for k, kind in enumerate(kinds)], kind=0))
    triggers = open_recording(path).triggers
    assert triggers.id.tolist() == [2, 3, 4, 6, 7, 14, 15, 16, 17]
    assert triggers.value.tolist() == [1, 0, 1, 1, 0, 1, 0, 1, 0]


def test_gestures_as_another_reader_has_them(tmp_path: Path) -> None:
    from tonic import io as tonic_io

    random = np.random.default_rng(0)
    words = [polarity(*random.integers(128, size=2).tolist(), int(random.integers(2))) for _ in range(300)]
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER3 + b"".join(packet3([(w, 100 * k + j) for j, w in enumerate(words[k::3])]) for k in range(3)))
    version, start, _ = tonic_io.read_aedat_header_from_file(str(path))
    theirs = tonic_io.get_aer_events_from_file(str(path), version, start)
    ours = read(path)
    np.testing.assert_array_equal(ours.t, theirs["timeStamp"])
    np.testing.assert_array_equal(ours.x, theirs["address"] >> 17 & 0x1FFF)
    np.testing.assert_array_equal(ours.y, theirs["address"] >> 2 & 0x1FFF)
    np.testing.assert_array_equal(ours.p, theirs["address"] >> 1 & 1)


def test_several_cameras(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    header = HEADER3.replace(b"#Source 1: DVS128\r\n", b"#Source 1: DVS128\r\n#Source 2: DAVIS240C\r\n")
    path.write_bytes(header + packet3([(polarity(3, 4, 1), 10)]) + packet3([(polarity(200, 4, 1), 10)], source=2))
    fails(path, r"holds 2 cameras, 1 \(DVS128\), 2 \(DAVIS240C\); say which with source=1")
    fails(path, "no source 3", source=3)
    assert read(path, source=2) == Events.make([10], [200], [4], [1], (240, 180))


def test_headers_of_aedat3_that_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER3.replace(b"3.1", b"3.0"))
    fails(path, "AER-DAT3.0 is not read")
    path.write_bytes(HEADER3[:60])
    fails(path, "header has no end")
    path.write_bytes(HEADER3 + packet3([(polarity(3, 4, 1), 10)]).replace(b"\x08\0\0\0", b"\x10\0\0\0", 1).ljust(60, b"\0"))
    fails(path, "events of 16 bytes")


def test_every_cut_of_an_aedat3_file(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    packets = [packet3([(polarity(3, k, 1), 10 * k + j) for j in range(2)]) for k in range(3)]
    whole = HEADER3 + b"".join(packets)
    for cut in range(len(HEADER3), len(whole)):
        path.write_bytes(whole[:cut])
        body, rest = divmod(cut - len(HEADER3), len(packets[0]))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert len(read(path)) == 2 * body + max(rest - 28, 0) // 8
        assert [w.category for w in said] == ([CutShortWarning] if rest else [])


@given(data=st.data())
@pytest.mark.parametrize("kind", ["2", "3"])
def test_damage_to_older_files(kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("damage") / "a.aedat"
    whole = {
        "2": aedat2([(address("davis240", k, 4, 1), 10 + k) for k in range(9)]),
        "3": HEADER3 + b"".join(packet3([(polarity(3, k, 1), 10 * k + j) for j in range(3)]) for k in range(3)),
    }[kind]
    path.write_bytes(data.draw(damaged(whole)))
    with read_or_refused(path):
        assert isinstance(open_recording(path), Recording)
