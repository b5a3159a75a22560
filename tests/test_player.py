"""`mxsnn view`: which events and which frame stand in which picture, and what the files hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mxsnn.cli import main
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, Frames, Label, Recording, write
from mxsnn.events.io._source import Block, Source, source_of
from mxsnn.report import player
from mxsnn.report.palette import colours, full_colour

SIZE = (5, 3)
EVENTS = Events.make([0, 10_000, 20_000, 30_000, 39_999], [0, 1, 1, 4, 2], [0, 0, 2, 1, 1], [1, 0, 1, 0, 0], SIZE)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "events.npz"
    np.savez(path, t=EVENTS.t, x=EVENTS.x, y=EVENTS.y, p=EVENTS.p, sensor_size=np.array(SIZE))
    return path


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Draws a recording into a file of this name: from memory, or from a recording file that is read by time."""

    def show(recording: Recording, name: str, lazily: bool = False, **options: Any) -> Path:
        if lazily:
            write(tmp_path / "recording.mxr", recording)
            player.view(tmp_path / "recording.mxr", tmp_path / name, **options)
            return tmp_path / name
        source = source_of(recording)  # one event a block, as far from the windows as can be
        source = Source(lambda: pieces(recording.events), source.sensor_size, None, source.recording)
        monkeypatch.setattr(player, "open_source", lambda path, **reading: source)
        player.view("recording.x", tmp_path / name, **options)
        return tmp_path / name

    return show


def pieces(events: Any) -> Iterator[Block]:
    for k in range(0 if events is None else len(events)):
        yield Block(*(getattr(events, name)[k : k + 1] for name in "txyp"))


def frames(t: list[int], size: tuple[int, int] = SIZE, dtype: type = np.uint8, step: int = 40) -> Frames:
    """Frames of which each has one value: 0, step, 2 step, ..."""
    images = np.zeros((len(t), size[1], size[0]), dtype) + (np.arange(len(t)) * step).astype(dtype)[:, None, None]
    return Frames.make(images, t)


def pixels(path: Path) -> np.ndarray:
    """A picture [H, W, 3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def panels(path: Path, columns: int, heights: list[int], width: int) -> np.ndarray:
    """Of a strip at scale 1 the panels [column, row] as [H, W, 3]."""
    image = pixels(path)
    step = max(width, 130) + player.GAP
    tops = 3 * player.LINE + np.cumsum([0, *(height + player.GAP for height in heights[:-1])])
    return np.array(
        [
            [
                image[top : top + height, player.GAP + k * step : player.GAP + k * step + width]
                for top, height in zip(tops, heights, strict=True)
            ]
            for k in range(columns)
        ]
    )


def drawn(path: Path, columns: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Where the events panels of a strip at scale 1 are not white: OFF and ON [column, H, W, 2]."""
    image = panels(path, columns, [size[1]], size[0])[:, 0].astype(int)
    ink = 255 - image
    return np.stack([ink[..., 0] > ink[..., 2], ink[..., 2] > ink[..., 0]], -1)


def counted(events: Events, t0: int, t1: int) -> np.ndarray:
    counts = np.zeros((*events.sensor_size[::-1], 2), int)
    for t, x, y, p in zip(events.t, events.x, events.y, events.p, strict=True):
        counts[y, x, p] += t0 <= t < t1
    return counts


def test_a_strip_shows_each_event_in_its_part_of_the_time(saved: Path, tmp_path: Path) -> None:
    player.view(saved, tmp_path / "a.png", columns=4, scale=1)
    for k, picture in enumerate(drawn(tmp_path / "a.png", 4)):
        np.testing.assert_array_equal(picture, counted(EVENTS, 10_000 * k, 10_000 * (k + 1)) > 0)


def test_colours_are_those_of_the_figures() -> None:
    counts = np.array([[0, 0], [0, 2], [2, 0], [1, 0], [9, 0]])
    none, on, off, half, more = (colours(counts, 2.0) * 255).round().astype(int).tolist()
    assert (none, on, off, more) == ([255, 255, 255], [0xD5, 0x5E, 0x00], [0x00, 0x72, 0xB2], [0x00, 0x72, 0xB2])
    np.testing.assert_allclose(half, (np.array(none) + off) / 2, atol=1)


def test_a_hot_pixel_does_not_make_the_others_pale() -> None:
    counts = np.zeros((50, 50, 2), int)
    counts[:, :20] = 3
    counts[0, 0] = 10_000
    assert full_colour(counts) == 3


@given(data=st.data())
def test_counts_lose_no_event_and_count_none_twice(data: st.DataObject) -> None:
    t = sorted(data.draw(st.lists(st.integers(0, 100), max_size=30)))
    edges = sorted(data.draw(st.sets(st.integers(-10, 110), min_size=2, max_size=8)))
    n = len(t)
    events = Events.make(t, [k % 5 for k in range(n)], [k % 3 for k in range(n)], [k % 2 for k in range(n)], SIZE)
    kept = sorted(data.draw(st.sets(st.sampled_from(range(len(edges) - 1)), min_size=1)))
    windows = player.Windows(np.array(edges)[kept], np.array(edges)[np.array(kept) + 1], np.array(edges)[kept])
    read_by_time = Source(lambda: iter(()), SIZE, whole=Recording(events))
    for source in (source_of(Recording(events)), Source(lambda: pieces(events), SIZE), read_by_time):
        found = [c for c in player._counts(source, windows, lambda done: None) if c is not None]
        assert len(found) == len(kept)
        for counts, t0, t1 in zip(found, windows.t0, windows.t1, strict=True):
            np.testing.assert_array_equal(counts, counted(events, t0, t1))


@pytest.mark.parametrize("lazily", [False, True])
def test_windows_go_from_frame_to_frame(shown, lazily: bool) -> None:
    recording = Recording(EVENTS, frames={"rgb": frames([5_000, 15_000, 25_000])})
    found = panels(shown(recording, "a.png", lazily, scale=1), 3, [3, 3], 5)
    ink = 255 - found[:, 0].astype(int)
    for k, (t0, t1) in enumerate([(5_000, 15_000), (15_000, 25_000), (25_000, 35_000)]):  # the last as long as the others
        np.testing.assert_array_equal(ink[k].any(-1), counted(EVENTS, t0, t1).any(-1))
    assert found[:, 1].reshape(3, -1).tolist() == [[40 * k] * 45 for k in range(3)]


def test_a_frame_stands_at_the_middle_of_its_exposure(shown) -> None:
    exposed = Frames.make(np.zeros((2, 3, 5), np.uint8), start=[0, 20_000], end=[20_000, 40_000])
    found = panels(shown(Recording(EVENTS, frames={"rgb": exposed}), "a.png", scale=1), 2, [3, 3], 5)
    np.testing.assert_array_equal((255 - found[0, 0]).any(-1), counted(EVENTS, 10_000, 30_000).any(-1))


def test_a_strip_takes_frames_as_far_apart_as_there_are(shown) -> None:
    recording = Recording(EVENTS, frames={"rgb": frames(list(range(0, 40_000, 10_000)), step=60)})
    found = panels(shown(recording, "a.png", scale=1, columns=2), 2, [3, 3], 5)
    assert found[:, 1, 0, 0, 0].tolist() == [0, 180]


def test_another_camera_shows_its_nearest_frame_or_none(shown) -> None:
    cameras = {"rgb": frames([0, 10_000, 20_000, 30_000]), "slow": frames([0, 19_000], step=90)}
    found = panels(shown(Recording(EVENTS, frames=cameras), "a.png", scale=1), 4, [3, 3, 3], 5)
    assert found[:, 2, 0, 0, 0].tolist() == [0, 90, 90, 90]
    assert len(np.unique(found[:, 1, 0, 0, 0])) == 4
    found = panels(shown(Recording(EVENTS, frames=cameras), "b.png", scale=1, camera="slow"), 2, [3, 3, 3], 5)
    assert found[:, 1, 0, 0, 0].tolist() == [0, 80]
    far = {"rgb": frames([0, 1_000, 2_000, 90_000]), "late": frames([88_000, 89_000, 90_000], step=90)}
    found = panels(shown(Recording(EVENTS, frames=far), "c.png", scale=1), 4, [3, 3, 3], 5)
    assert found[:, 2, 0, 0, 0].tolist() == [0xDD, 0xDD, 0, 180]  # grey: none was taken within the window's length


def test_thermal_frames_fill_the_range_of_grey(shown) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(29_000, 30_000, (3, 30, 40)).astype(np.uint16)
    images[0, 0, 0] = 65_535  # a dead pixel
    recording = Recording(None, frames={"thermal": Frames.make(images, [0, 10, 20])})
    found = panels(shown(recording, "a.png", scale=1), 3, [30], 40)
    assert np.quantile(found, 0.02) < 10 and np.quantile(found, 0.98) > 245
    assert 110 < np.median(found) < 145


def test_rgb_frames_are_drawn_as_they_are(shown) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3)).astype(np.uint8)
    found = panels(shown(Recording(None, frames={"rgb": Frames.make(images, [0, 10])}), "a.png", scale=1), 2, [3], 5)
    np.testing.assert_array_equal(found[:, 0], images)


def test_small_sensors_grow_and_large_ones_shrink(saved: Path, tmp_path: Path) -> None:
    player.view(saved, tmp_path / "a.png", columns=1)
    assert pixels(tmp_path / "a.png").shape[1] == 240 + 2 * player.GAP  # 48 pixels for each of 5
    player.view(saved, tmp_path / "b.png", columns=1, sensor_size=(1280, 720))
    assert pixels(tmp_path / "b.png").shape[1] == round(1280 / 6) + 2 * player.GAP


def test_events_of_a_large_sensor_are_counted_together(tmp_path: Path) -> None:
    """One event of 1280 x 720 pixels has the full colour in a picture of a sixth of the side, and no other pixel any."""
    np.savez(tmp_path / "a.npz", t=[5], x=[700], y=[300], p=[1], sensor_size=np.array([1280, 720]))
    player.view(tmp_path / "a.npz", tmp_path / "a.png", columns=1, scale=1 / 8)
    panel = panels(tmp_path / "a.png", 1, [90], 160)[0, 0]
    assert panel[300 // 8, 700 // 8].tolist() == [0xD5, 0x5E, 0x00]
    assert (panel.min(-1) < 255).sum() == 1


def test_start_and_stop(saved: Path, tmp_path: Path) -> None:
    player.view(saved, tmp_path / "a.png", columns=2, start=5_000, stop=25_000, scale=1)
    for k, picture in enumerate(drawn(tmp_path / "a.png", 2)):
        np.testing.assert_array_equal(picture, counted(EVENTS, 5_000 + 10_000 * k, 15_000 + 10_000 * k) > 0)


def test_a_recording_file_is_read_by_time(shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events outside the windows are not asked for."""
    from mxsnn.events.io._recording_file import FileEvents

    asked = []
    window = FileEvents.window
    monkeypatch.setattr(FileEvents, "window", lambda self, t0, t1: asked.append((t0, t1)) or window(self, t0, t1))
    path = shown(Recording(EVENTS), "a.png", lazily=True, columns=2, start=5_000, stop=25_000, scale=1)
    assert asked == [(5_000, 25_000)]
    for k, picture in enumerate(drawn(path, 2)):
        np.testing.assert_array_equal(picture, counted(EVENTS, 5_000 + 10_000 * k, 15_000 + 10_000 * k) > 0)


def test_times_count_from_the_first_event(shown) -> None:
    late = Events(EVENTS.t + 10**15, EVENTS.x, EVENTS.y, EVENTS.p, SIZE)
    one = shown(Recording(late), "a.png", columns=3, start=10_000)
    other = shown(Recording(EVENTS), "b.png", columns=3, start=10_000)
    assert one.read_bytes() == other.read_bytes()


def film(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Pictures and durations, ms, of a GIF."""
    pictures, lasts = [], []
    with Image.open(path) as opened:
        image: Any = opened
        for k in range(image.n_frames):
            image.seek(k)
            lasts.append(image.info["duration"])
            pictures.append(np.asarray(image.convert("RGB")))
        assert image.info["loop"] == 0
    return pictures, lasts


def test_a_gif(saved: Path, tmp_path: Path) -> None:
    player.view(saved, tmp_path / "a.gif", window=15_000, slow=3, scale=8)
    pictures, lasts = film(tmp_path / "a.gif")
    assert len(pictures) == 3
    np.testing.assert_allclose(np.cumsum(lasts), [45, 90, 135], atol=5)  # ticks of 10 ms that do not drift
    for k, picture in enumerate(pictures):
        panel = picture[2 * player.LINE :, player.GAP :][: 8 * 3, : 8 * 5].reshape(3, 8, 5, 8, 3)
        assert (panel == panel[:, :1, :, :1]).all()
        np.testing.assert_array_equal((panel[:, 0, :, 0] < 255).any(-1), counted(EVENTS, 15_000 * k, 15_000 * (k + 1)).any(-1))


def test_a_gif_of_frames_lasts_as_long_as_they_did(shown) -> None:
    recording = Recording(EVENTS, frames={"rgb": frames([0, 40_000, 120_000])})
    assert film(shown(recording, "a.gif"))[1] == [40, 80, 60]  # the last: the median of the others
    assert film(shown(recording, "b.gif", slow=0.5))[1] == [20, 40, 30]
    assert film(shown(recording, "c.gif", fps=10))[1] == [100, 100, 100]


def test_pictures_that_are_equal_stay_apart(shown) -> None:
    quiet = Recording(None, frames={"rgb": frames([0, 40_000, 80_000], step=0)})
    assert len(film(shown(quiet, "a.gif"))[0]) == 3


def test_an_mp4(saved: Path, tmp_path: Path) -> None:
    import av

    player.view(saved, tmp_path / "a.mp4", window=10_000, slow=10, scale=67)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.width % 2 == stream.height % 2 == 0
        assert stream.width >= 5 * 67 + 2 * player.GAP and stream.height >= 3 * 67 + 2 * player.LINE
        pictures = list(container.decode(stream))
        assert container.duration == pytest.approx(400_000, abs=1000)
    assert [round(float(one.time) * 1000) for one in pictures] == [0, 100, 200, 300]
    for k, picture in enumerate(pictures):
        image = picture.to_ndarray(format="rgb24")
        panel = image[2 * player.LINE :, player.GAP :][: 67 * 3, : 67 * 5].reshape(3, 67, 5, 67, 3)[:, 33, :, 33]
        np.testing.assert_array_equal((panel < 230).any(-1), counted(EVENTS, 10_000 * k, 10_000 * (k + 1)).any(-1))


def test_an_odd_picture_becomes_even(shown) -> None:
    import av

    path = shown(Recording(None, frames={"rgb": frames([0, 33_000], (333, 77))}), "a.mp4", scale=1)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (346, 2 * player.LINE + 77 + 2 * player.GAP + 1)
        assert len(list(container.decode(stream))) == 2


def test_labels_are_named_where_they_act(shown) -> None:
    def picture(*labels: Label) -> np.ndarray:
        return pixels(shown(Recording(EVENTS, labels=labels), "a.png", columns=4, scale=1, overwrite=True)).max(-1) < 128

    lines = slice(2 * player.LINE, 3 * player.LINE)
    found = picture(Label("AU12", "au", 12_000, 15_000, 25_000), Label("whole", "emotion"))
    step = 130 + player.GAP
    named = [bool(found[lines, player.GAP + k * step : player.GAP + (k + 1) * step - player.GAP].any()) for k in range(4)]
    assert named == [False, True, True, False]
    bar = found[-(player.LINE + 2 * player.GAP) + 3]  # from 12 to 25 of 40 ms
    at = np.flatnonzero(bar)
    width = len(bar) - 2 * player.GAP - 1
    np.testing.assert_allclose((at[[0, -1]] - player.GAP) / width, (12 / 40, 25 / 40), atol=3 / width)
    assert len(picture()) == len(found) - player.LINE - player.GAP  # no room for bars without labels


def test_many_and_odd_labels(shown) -> None:
    labels = tuple(Label(f"AU{k}\n\x00€" * 9, "au", 1000 * k, None, None if k % 2 else 1000 * k + 500) for k in range(40))
    with Image.open(shown(Recording(EVENTS, labels=labels), "a.png")) as image:
        assert image.height < 1000


# The command


def refused(capsys: pytest.CaptureFixture, *argv: str) -> str:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    return err


def test_the_command(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["view", str(saved)]) == 0
    assert capsys.readouterr().out == "events.png\n"
    before = (tmp_path / "events.png").read_bytes()
    assert "exists" in refused(capsys, "view", str(saved))
    assert (tmp_path / "events.png").read_bytes() == before
    assert main(["view", str(saved), "--overwrite", "--columns", "2", "--start", "0.01", "--stop", "0.03", "--scale", "1"]) == 0
    for k, picture in enumerate(drawn(tmp_path / "events.png", 2)):
        np.testing.assert_array_equal(picture, counted(EVENTS, 10_000 * (k + 1), 10_000 * (k + 2)) > 0)
    assert main(["view", str(saved), "--out", "new/a.gif", "--window", "20", "--slow", "2"]) == 0
    assert film(tmp_path / "new" / "a.gif")[1] == [40, 40]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.npz", "events.png", "new"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--out", "a.xyz"], ".png, .gif, .mp4"),
        (["--out", "a"], "no suffix"),
        (["--slow", "2"], "slow is for a film"),
        (["--fps", "2"], "fps is for a film"),
        (["--out", "a.gif", "--columns", "2"], "columns is for a strip"),
        (["--columns", "0"], "positive"),
        (["--columns", "100000", "--scale", "9"], "pixels; choose a smaller scale"),
        (["--scale", "-1"], "positive"),
        (["--scale", "nan"], "positive"),
        (["--window", "0"], "positive"),
        (["--window", "inf"], "--window is a time"),
        (["--start", "nan"], "--start is a time"),
        (["--start", "1"], "nothing lies between start and stop; it lasts 0.04 s"),
        (["--stop", "-1"], "nothing lies between"),
        (["--start", "0.02", "--stop", "0.01"], "nothing lies between"),
        (["--out", "a.gif", "--window", "10"], "less than 20 ms"),
        (["--out", "a.gif", "--window", "0.001"], "more than 20,000"),
        (["--camera", "rgb"], "no frames of a camera 'rgb'"),
        (["--sensor-size", "32768x32768"], "too large to draw"),
        (["--sensor-size", "2x2"], "outside the sensor"),
    ],
)
def test_mistakes_are_one_line(
    argv: list[str], said: str, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, "view", str(saved), *argv)
    assert [path.name for path in tmp_path.iterdir()] == ["events.npz"]


def test_nothing_to_show(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((0, 4)))
    with pytest.raises(UserError, match="nothing to show"):
        player.view(tmp_path / "none.npy", tmp_path / "a.png")
    np.save(tmp_path / "ready.npy", np.zeros((7, 2, 5, 6), np.uint8))
    with pytest.raises(UserError, match="ready frames"):
        player.view(tmp_path / "ready.npy", tmp_path / "a.png")


def test_without_pyav(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"install mxsnn\[video\]"):
        player.view(saved, tmp_path / "a.mp4")


def test_warnings_come_once(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(bytes([1, 1, 0, 0, 9]) * 3 + b"\0\0")
    assert main(["view", str(path), "--out", str(tmp_path / "a.png")]) == 0
    assert capsys.readouterr().err.count("cut short") == 1
    with pytest.warns(RecordingWarning, match="cut short") as caught:
        player.view(path, tmp_path / "b.png")
    assert len(caught) == 1


def test_a_file_is_never_held(tmp_path: Path) -> None:
    """A film of many blocks: what is alive at once stays below a tenth of the events."""
    import tracemalloc

    n = 3_000_000
    words = np.zeros((n, 5), np.uint8)
    words[:, 0], words[:, 1] = np.arange(n) % 30, np.arange(n) // 7 % 30
    t = (np.arange(n) // 10).astype(">u4")
    words[:, 2:] = t.view(np.uint8).reshape(-1, 4)[:, 1:]
    (tmp_path / "a.bin").write_bytes(words.tobytes())
    player.view(tmp_path / "a.bin", tmp_path / "warm.gif", sensor_size=(32, 32), stop=50_000)
    tracemalloc.start()
    player.view(tmp_path / "a.bin", tmp_path / "a.gif", sensor_size=(32, 32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * 13 // 2


def test_a_real_face(test_data: Path, tmp_path: Path) -> None:
    player.view(test_data / "events" / "faces_easy_0001.bin", tmp_path / "a.png", scale=1)
    picture = drawn(tmp_path / "a.png", 8, (151, 173))
    share = picture.any(-1).mean((1, 2))
    assert (share > 0.02).all() and share.max() < 0.6
    assert share[1] > 3 * share[2]  # the eye moves, then rests
