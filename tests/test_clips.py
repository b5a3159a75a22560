"""A session cut into clips: by the protocol, by a table, as a folder that is a data set."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.cli import main
from mxsnn.data.clips import CUE_US, LENGTH_US, Clip, by_protocol, by_table, check, cut, span, write_clips
from mxsnn.data.datasets.recordings import recordings
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, Frames, Label, Recording, Samples, Triggers, open_recording, write

START = 1_600_000_000_000_000  # us: a clock that counts from 1970


def session(*sheets: float, seconds: float = 16.0) -> Recording:
    """Noise at 500 events/s and a burst of 20,000 events in some 200 ms each time that a sheet is taken away, s."""
    rng = np.random.default_rng(0)
    t = [rng.uniform(0, seconds, int(500 * seconds)), *(rng.normal(at, 0.05, 20_000) for at in sheets)]
    t = START + np.sort(np.rint(np.concatenate(t) * 1e6).astype(np.int64))
    n = len(t)
    taken = START + np.arange(0, int(seconds * 1e6), 40_000)
    return Recording(
        Events.make(t, rng.integers(0, 40, n), rng.integers(0, 30, n), rng.integers(0, 2, n), (40, 30)),
        Triggers.make(taken, np.zeros(len(taken)), np.ones(len(taken))),
        {"rgb": Frames.make(np.arange(len(taken) * 12, dtype=np.uint8).reshape(-1, 2, 2, 3), start=taken, end=taken + 5_000)},
        {"imu": Samples(taken, np.zeros((len(taken), 1), np.float32), ("x [g]",))},
        subject="S1",
        lux=120.0,
    )


def table(tmp_path: Path, text: str) -> Path:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    return tmp_path / "table.csv"


# By the protocol.


def test_the_protocol_of_the_paper() -> None:
    assert (CUE_US, LENGTH_US) == (5_000_000, 10_000_000)
    (clip,) = by_protocol(session(3.0), "s", Label("smile", "movement"))
    assert (clip.start - START) / 1e6 == pytest.approx(3.0, abs=0.01)
    assert clip.end - clip.start == 10_000_000 and clip.conditions == {"cue_us": 5_000_000.0}
    assert clip.name == "s" and clip.labels == (Label("smile", "movement"),)


def test_a_session_of_several_takes() -> None:
    clips = by_protocol(session(3.0, 15.0, 28.0, seconds=40), "s", cue=2_000_000, length=6_000_000)
    assert [clip.name for clip in clips] == ["s_000", "s_001", "s_002"]
    np.testing.assert_allclose([(clip.start - START) / 1e6 for clip in clips], [3, 15, 28], atol=0.01)
    assert {clip.end - clip.start for clip in clips} == {6_000_000}


def test_the_sheet_that_is_put_up_is_no_start() -> None:
    with pytest.warns(RecordingWarning, match="put up"):
        (clip,) = by_protocol(session(1.5, 4.0, seconds=16), "s")
    assert (clip.start - START) / 1e6 == pytest.approx(4.0, abs=0.01)


def test_a_session_without_a_mark_and_a_cue_out_of_the_clip() -> None:
    with pytest.raises(UserError, match="no burst"):
        by_protocol(session(), "s")
    with pytest.raises(UserError, match="cue lies in the clip"):
        by_protocol(session(3.0), "s", cue=10_000_000)


def test_frames_alone_have_marks() -> None:
    images = np.full((300, 4, 4), 10, np.uint8)
    images[90:94] = np.array([60, 120, 180, 240])[:, None, None]
    images[94:] = 240
    (clip,) = by_protocol(
        Recording(None, frames={"thermal": Frames.make(images, np.arange(300) * 40_000)}), "s", length=5_000_000, cue=0
    )
    assert clip.start == pytest.approx(91.5 * 40_000, abs=40_000)


# By a table.


def test_a_table_of_clips(tmp_path: Path) -> None:
    text = "label,start_s,end_s,onset_ms,subject,intensity,glasses,lux\nAU12,1.5,2.25,1700,A,0.6,yes,40\nAU4+L7B,4,5,-,B,,,\n"
    clips = by_table(table(tmp_path, text), session(), "s", origin=START)
    assert [(clip.name, clip.start - START, clip.end - START, clip.subject, clip.lux) for clip in clips] == [
        ("s_000", 1_500_000, 2_250_000, "A", 40.0),
        ("s_001", 4_000_000, 5_000_000, "B", None),
    ]
    assert clips[0].labels == (Label("AU12", "au", onset=START + 1_700_000, intensity=0.6),) and clips[0].conditions == {
        "glasses": "yes"
    }
    assert clips[1].labels == (Label("AU4", "au"), Label("AU7", "au", intensity=0.4, side="left"))


def test_conditions_are_numbers_as_in_an_index(tmp_path: Path) -> None:
    text = "label,kind,start_s,end_s,trial,run,dose\nsmile,movement,1,2,1_2,007,2.5\n"
    (clip,) = by_table(table(tmp_path, text), session(), "s", origin=START)
    assert clip.conditions == {"trial": "1_2", "run": "007", "dose": 2.5}


def test_onset_and_offset_stand_for_start_and_end(tmp_path: Path) -> None:
    text = "label, kind, Onset (us), apex_us, offset_us\nsmile, movement, 100, 150, 200\n"
    (clip,) = by_table(table(tmp_path, text), session(), "s", origin=START, margin=30)
    assert (clip.start - START, clip.end - START) == (70, 231)  # the offset belongs to the clip
    assert clip.labels == (Label("smile", "movement", START + 100, START + 150, START + 200),)


def test_frames_name_times(tmp_path: Path) -> None:
    whole = session()
    text = "label,start_frame,end_frame\nAU1,11,20\n"
    (clip,) = by_table(table(tmp_path, text), whole, "s", first_frame=1)
    assert len(cut(whole, clip).frames["rgb"]) == 10
    assert (cut(whole, clip).frames["rgb"].images == whole.frames["rgb"].images[10:20]).all()
    with pytest.raises(UserError, match=r"csv:2: start_frame is a whole number from 0 to 399, got '400'"):
        by_table(table(tmp_path, "label,start_frame,end_frame\nAU1,400,401\n"), whole, "s")
    with pytest.raises(UserError, match=r"csv:2: the table counts frames, but the session has none"):
        by_table(tmp_path / "table.csv", replace(whole, frames={}), "s")


def test_rows_of_one_clip_are_its_labels(tmp_path: Path) -> None:
    text = "label,start_s,end_s,kind,name\nsmile,1,2,movement,a\njoy,1,2,emotion,a\nfrown,0,1,movement,b\n"
    clips = by_table(table(tmp_path, text), session(), "s")
    assert [(clip.name, [label.name for label in clip.labels]) for clip in clips] == [("b", ["frown"]), ("a", ["smile", "joy"])]
    with pytest.raises(UserError, match=r"csv:3: another row has the same start and end"):
        by_table(table(tmp_path, "label,start_s,end_s,subject\nAU1,1,2,A\nAU2,1,2,B\n"), session(), "s")


@given(st.integers(-(10**15), 10**15), st.sampled_from([("s", 6), ("ms", 3), ("us", 0)]))
def test_times_are_exact(tmp_path_factory: pytest.TempPathFactory, us: int, unit: tuple[str, int]) -> None:
    name, digits = unit
    text = f"{us // 10**digits}.{us % 10**digits:0{digits}d}" if digits and us >= 0 else f"{us}e-{digits}"
    path = table(tmp_path_factory.mktemp("t"), f"label,start_{name},end_us\nAU1,{text},{us + 5}\n")
    (clip,) = by_table(path, session(), "s")
    assert (clip.start, clip.end) == (us, us + 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label,start,end_s\nAU1,1,2\n", "'start' says no unit; name it start_s"),
        ("label,start_h,end_s\nAU1,1,2\n", "'start_h' says no unit"),
        ("label,end_s\nAU1,2\n", "no column gives the start"),
        ("label,start_s,start_ms,end_s\nAU1,1,1,2\n", "both give the start"),
        ("start_s,end_s\n1,2\n", "no line names the columns label"),
        ("label,start_s,end_s\nAU1,x,2\n", "csv:2: start_s is a time in s, got 'x'"),
        ("label,start_s,end_s\nAU1,1,inf\n", "csv:2: end_s is a time in s"),
        ("label,start_s,end_s\nAU1,1,2\nAU1,1e300,2\n", "csv:3: start_s is a time in s"),
        ("label,start_s,end_s\nAU1,-,2\n", "csv:2: neither a start nor an onset"),
        ("label,start_s,end_s\nAU1,2,2\n", "csv:2: the clip ends at 2000000 us"),
        ("label,start_s,end_s\nsmile,1,2\n", "csv:2: what kind of label 'smile' is"),
        ("label,start_s,end_s,kind\nsmile,1,2,look\n", "csv:2: kind of label 'smile' is one of"),
        ("label,start_s,end_s\n,1,2\n", "csv:2: a label needs a name"),
        ("label,start_s,end_s,intensity\nAU1,1,2,3\n", "csv:2: intensity"),
        ("label,start_s,end_s,name\nAU1,1,2,../x\n", "csv:2: name is the name of one file"),
        ("label,start_s,end_s,name\nAU1,1,2,x\nAU2,3,4,x\n", "two clips are named 'x'"),
        ("label,onset_s,apex_s,offset_s\nAU1,1,3,2\n", "csv:2: label 'AU1' goes from onset over apex to offset"),
        ("label,start_s,end_s\nAU1,1\n", "csv:2: 2 columns, but the table has 3"),
    ],
)
def test_tables_that_are_wrong(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        by_table(table(tmp_path, text), session(), "s")
    assert said in str(error.value) and "table.csv" in str(error.value) and "\n" not in str(error.value)


# Cutting.


def test_a_clip_counts_from_its_start() -> None:
    whole = replace(
        session(3.0), labels=(Label("AU12", "au", START + 4_000_000, None, START + 5_000_000), Label("AU1", "au", START))
    )
    clip = Clip(
        "c", START + 2_000_000, START + 6_000_000, (Label("AU12", "au", START + 4_000_000, None, START + 5_000_000),), lux=5.0
    )
    own = cut(whole, clip)
    expected = whole.window(clip.start, clip.end)
    assert (
        own.events.t.tolist() == (expected.events.t - clip.start).tolist() and 0 <= own.events.t[0] < own.events.t[-1] < 4_000_000
    )
    assert own.frames["rgb"].start[0] == own.triggers.t[0] == own.samples["imu"].t[0] == 0 and len(own.frames["rgb"]) == 100
    assert own.labels == (Label("AU12", "au", 2_000_000, None, 3_000_000),)  # the session's and the clip's are one
    assert (own.subject, own.lux, own.conditions["clip_start_us"]) == ("S1", 5.0, float(clip.start))


def test_clips_that_touch_lose_no_event() -> None:
    whole = session(3.0)
    first, last = span(whole)
    edges = np.linspace(first, last + 1, 8).astype(int).tolist()
    parts = [cut(whole, Clip("c", a, b)) for a, b in pairwise(edges)]
    t = np.concatenate([part.events.t + int(part.conditions["clip_start_us"]) for part in parts])
    assert t.tolist() == whole.events.t.tolist()


def test_clips_beyond_the_session() -> None:
    whole = session()
    first, last = span(whole)
    with pytest.raises(UserError, match="there is no clip"):
        check(whole, [])
    with pytest.raises(UserError, match="session is empty"):
        check(Recording(None), [Clip("a", 0, 1)])
    for clip in (Clip("a", first - 10, first), Clip("a", last + 1, last + 5)):
        with pytest.raises(UserError, match=r"clip 'a', .* lies outside the session"):
            check(whole, [clip])
    with pytest.warns(RecordingWarning, match="reaches beyond the session"):
        check(whole, [Clip("a", first, last + 2)])
    with pytest.warns(RecordingWarning, match=r"clip 'b', .* overlaps clip 'a'"):
        check(whole, [Clip("b", first + 9, first + 20), Clip("a", first, first + 10)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(whole, [Clip("b", first + 10, last + 1), Clip("a", first, first + 10)])


# As a data set.


def test_from_a_session_to_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write(tmp_path / "s.mxr", session(3.0))
    text = (
        "label,kind,start_s,end_s,subject,name\nsmile,movement,1,2,A,one\nsmile,movement,3,4.5,B,two\nfrown,movement,5,6,A,three\n"
    )
    out = tmp_path / "clips"
    argv = ["clip", str(tmp_path / "s.mxr"), str(out), "--table", str(table(tmp_path, text)), "--from-start"]
    assert main(argv) == 0
    assert capsys.readouterr().out == f"{out}: 3 clips\n"
    data = recordings(out)
    assert data.classes == ("frown", "smile") and data.subjects == ("A", "B") and len(data) == 3
    named = {path.split(":")[0]: k for k, path in enumerate(data.identities)}
    two = data.recording(named["two.mxr"])
    origin = span(session(3.0))[0]
    whole = session(3.0).window(origin + 3_000_000, origin + 4_500_000)
    assert two.events.window(0, 1_500_000).t.tolist() == (whole.events.t - origin - 3_000_000).tolist()
    assert (two.subject, two.lux, two.labels) == ("B", 120.0, (Label("smile", "movement"),)) and two.frames["rgb"].t.tolist() == (
        whole.frames["rgb"].t - origin - 3_000_000
    ).tolist()
    assert len(data[named["two.mxr"]]) == len(whole.events)
    assert main(argv) == 2 and "exists" in capsys.readouterr().err


def test_the_protocol_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write(tmp_path / "s.mxr", session(3.0))
    argv = ["clip", str(tmp_path / "s.mxr"), str(tmp_path / "new" / "clips")]
    assert main([*argv, "--protocol", "--label", "smile", "--cue", "4", "--length", "8"]) == 0
    assert capsys.readouterr().out.endswith("1 clips\n")
    one = open_recording(tmp_path / "new" / "clips" / "s.mxr")
    assert one.labels == (Label("smile", "movement"),) and one.conditions["cue_us"] == 4e6
    assert one.events.span[0] >= 0 and one.events.span[1] < 8_000_000
    for more, said in (
        ([], "give one of them"),
        (["--protocol", "--table", "x.csv"], "give one of them"),
        (["--table", "nowhere.csv"], "no such file"),
        (["--protocol", "--cue", "11"], "cue lies in the clip"),
        (["--protocol", "--label", "smile", "--kind", "look"], "kind of label"),
    ):
        assert main([*argv[:-1], str(tmp_path / "other"), *more]) == 2
        out, err = capsys.readouterr()
        assert out == "" and said in err and err.count("\n") == 1


def test_from_two_cameras_to_clips(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Events and images on two clocks, 100 s apart: the sheet puts them on one, and the clip holds both."""
    from PIL import Image

    write(tmp_path / "events.mxr", replace(session(3.0), frames={}, triggers=Triggers.make()))
    (tmp_path / "images").mkdir()
    taken = np.arange(0, 16, 0.04)
    shown = np.clip(
        np.interp(taken, np.linspace(2.8, 3.2, 9), 15 + 200 * np.array([0, 0.003, 0.03, 0.16, 0.5, 0.84, 0.97, 0.997, 1])), 0, 255
    )
    for k, level in enumerate(np.rint(shown).astype(np.uint8)):
        Image.fromarray(np.full((4, 4), level, np.uint8)).save(tmp_path / "images" / f"{k:03d}.png")
    (tmp_path / "times.txt").write_text("\n".join(f"{t + 100:.6f}" for t in taken))
    both = str(tmp_path / "both.mxr")
    files = [str(tmp_path / name) for name in ("events.mxr", "images")]
    assert main(["sync", *files, "--times", str(tmp_path / "times.txt"), "--by", "mark", "--out", both]) == 0
    whole = open_recording(both)
    assert abs(int(whole.frames["grey"].t[0]) - START) < 10_000 and whole.conditions["sync_rms_us"] < 20_000
    assert main(["clip", both, str(tmp_path / "clips"), "--protocol", "--label", "smile"]) == 0
    capsys.readouterr()
    (clip,) = [recordings(tmp_path / "clips").recording(0)]
    assert len(clip.frames["grey"]) == 250 and clip.labels == (Label("smile", "movement"),)
    assert abs(clip.frames["grey"].images[3].astype(float).mean() - 215) < 60 and len(clip.events) > 10_000


def test_a_failed_cut_leaves_nothing(tmp_path: Path) -> None:
    whole = session()
    first, last = span(whole)
    bad = Clip("b", first + 10**6, first + 2 * 10**6, (Label("a+b", "movement"),))  # an index cannot hold such a name
    with pytest.raises(UserError):
        write_clips(whole, [Clip("a", first, first + 10**6), bad], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="lies outside"):
        write_clips(whole, [Clip("a", last + 10, last + 20)], tmp_path / "out")


def test_a_clip_without_events_is_told(tmp_path: Path) -> None:
    whole = replace(session(), events=Events.make([START, START + 10**7], [0, 1], [0, 1], [0, 1], (2, 2)))
    with pytest.warns(RecordingWarning, match="'a' holds no events"):
        write_clips(whole, [Clip("a", START + 100, START + 200_000, (Label("AU1", "au"),))], tmp_path / "out")
    assert (tmp_path / "out" / "a.mxr").exists()
