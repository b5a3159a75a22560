"""Any video before an event camera: flow against known shifts, events of edges of known speed, real videos, mistakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn.cli import main
from mxsnn.errors import UserError
from mxsnn.events import open_recording, write
from mxsnn.events.images import read_frames
from mxsnn.events.recording import Frames
from mxsnn.sensors.event_pixel import EventCamera
from mxsnn.sensors.flow import between, flow, warped
from mxsnn.sensors.presets import SENSORS, sensor_named
from mxsnn.sensors.rgb_camera import linear
from mxsnn.sensors.video import samples, simulate

INSIDE = np.s_[12:-12, 12:-12]  # what has not come in from outside the picture
CALM = EventCamera((64, 48), efficiency=0.24, slope=1.0, dark_current=0.0)
"""Without noise, mismatch and, as fast as it is, without lag."""


def texture(x: np.ndarray, y: np.ndarray, seed: int = 3) -> np.ndarray:
    """Waves of all directions and of 4 to 100 pixels, 0..1."""
    rng = np.random.default_rng(seed)
    total = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)))
    for _ in range(40):
        f, angle, phase = rng.uniform(0.01, 0.25), *rng.uniform(0, 2 * np.pi, 2)
        total += np.sin(2 * np.pi * f * (x * np.cos(angle) + y * np.sin(angle)) + phase) / f
    return 0.5 + 0.5 * np.tanh(total / 200)


def picture(shift: tuple[float, float] = (0.0, 0.0), size: tuple[int, int] = (64, 48)) -> jnp.ndarray:
    y, x = np.mgrid[: size[1], : size[0]]
    return jnp.asarray(texture(x - shift[0], y - shift[1]), jnp.float32)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.3), (1.5, 0.7), (-3.3, 2.2), (8.0, 5.0)])
def test_flow_finds_a_shift_to_a_fraction_of_a_pixel(shift: tuple[float, float]) -> None:
    found = np.asarray(flow(picture(), picture(shift)))[INSIDE]
    off = np.linalg.norm(found - np.array(shift), axis=-1)
    assert np.median(off) < 0.04
    assert np.percentile(off, 95) < 0.1


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.floats(0, 15), st.floats(0, 2 * np.pi), st.integers(0, 2**32 - 1))
def test_flow_finds_any_shift_of_a_texture(far: float, angle: float, seed: int) -> None:
    """Up to 15 pixels in all directions, of any texture: nearly everywhere, and up to 25 for the most part."""
    y, x = np.mgrid[:96, :128]

    def off(far: float) -> np.ndarray:
        shift = np.array([far * np.cos(angle), far * np.sin(angle)])
        a, b = (jnp.asarray(texture(x - dx, y - dy, seed), jnp.float32) for dx, dy in ((0, 0), shift))
        edge = int(far) + 6  # what has come in from outside the picture
        return np.linalg.norm(np.asarray(flow(a, b)) - shift, axis=-1)[edge:-edge, edge:-edge]

    assert np.median(off(far)) < 0.06 and (off(far) < 1).mean() > 0.9


@pytest.mark.slow
def test_flow_finds_most_of_what_moves_far() -> None:
    """20 pixels from frame to frame, of which slopes alone find half."""
    y, x = np.mgrid[:96, :128]
    found = []
    for seed in range(8):
        angle = 0.8 * seed
        shift = 20 * np.array([np.cos(angle), np.sin(angle)])
        a, b = (jnp.asarray(texture(x - dx, y - dy, seed), jnp.float32) for dx, dy in ((0, 0), shift))
        found.append((np.linalg.norm(np.asarray(flow(a, b)) - shift, axis=-1)[26:-26, 26:-26] < 1).mean())
    assert np.mean(found) > 0.75 and np.median(found) > 0.9


def test_flow_finds_a_turn() -> None:
    """Each pixel goes its own way: by up to 2 pixels, about the middle."""
    y, x = np.mgrid[:48, :64] - np.array([24.0, 32.0])[:, None, None]
    angle = np.deg2rad(4)
    back_x, back_y = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    a, b = (jnp.asarray(texture(*at), jnp.float32) for at in ((x, y), (back_x, back_y)))
    there = np.stack([x * np.cos(angle) - y * np.sin(angle) - x, x * np.sin(angle) + y * np.cos(angle) - y], -1)
    off = np.linalg.norm(np.asarray(flow(a, b)) - there, axis=-1)[INSIDE]
    assert np.median(off) < 0.06 and np.percentile(off, 95) < 0.3


def test_flow_of_nothing_is_nothing() -> None:
    flat = jnp.full((48, 64), 0.5, jnp.float32)
    assert float(jnp.abs(flow(flat, flat)).max()) == 0
    assert float(jnp.abs(flow(flat, flat + 0.2)).max()) < 0.05  # a lamp moves nothing


@pytest.mark.parametrize("shift", [(1.5, 0.7), (-3.3, 2.2), (6.0, 3.0)])
@pytest.mark.parametrize("part", [0.25, 0.5])
def test_images_in_between_are_drawn_better_than_faded(shift: tuple[float, float], part: float) -> None:
    """Of a texture on its way: against the texture itself there, several times nearer than a cross-fade."""
    a, b, truth = picture(), picture(shift), picture((part * shift[0], part * shift[1]))
    drawn = between(a, b, flow(a, b), flow(b, a), jnp.float32(part))
    errors = [float(jnp.sqrt(((image - truth)[INSIDE] ** 2).mean())) for image in (drawn, (1 - part) * a + part * b)]
    assert errors[0] < 0.25 * errors[1]
    assert errors[0] < 0.005


def test_the_ends_are_the_images_themselves() -> None:
    a, b = picture(), picture((2.3, 1.1))
    there, back = flow(a, b), flow(b, a)
    np.testing.assert_allclose(between(a, b, there, back, jnp.float32(0)), a, atol=1e-6)
    np.testing.assert_allclose(between(a, b, there, back, jnp.float32(1)), b, atol=1e-6)


def test_an_image_is_drawn_from_whole_pixels_and_cubics_exactly() -> None:
    """Whole shifts take pixels as they are; Keys' cubic passes through parabolas."""
    image = picture()
    moved = warped(image, jnp.broadcast_to(jnp.array([3.0, -2.0]), (*image.shape, 2)))
    np.testing.assert_allclose(moved[4:-4, 4:-4], image[2:-6, 7:-1], atol=1e-6)
    y, x = np.mgrid[:20, :30].astype(np.float32)
    half = warped(jnp.asarray(x * x / 900 + y / 20), jnp.full((20, 30, 2), 0.5))
    np.testing.assert_allclose(half[3:-3, 3:-3], ((x + 0.5) ** 2 / 900 + (y + 0.5) / 20)[3:-3, 3:-3], atol=1e-5)


def edge_video(speed: float, fps: float, n: int, size: tuple[int, int] = (64, 48)) -> Frames:
    """A soft bright edge that goes to the right, `speed` pixels/s, as grey frames in sRGB of 8 bits; it starts at x = 16."""
    x = np.arange(size[0])
    times = np.rint(np.arange(n) * 1e6 / fps).astype(np.int64)
    light = 0.1 + 0.7 / (1 + np.exp((x - 16 - speed * times[:, None] / 1e6) / 1.5))
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    images = np.rint(255 * coded).astype(np.uint8)
    return Frames.make(np.repeat(images[:, None, :], size[1], axis=1), times)


def events_of(frames: Frames, camera: EventCamera, **more) -> tuple[np.ndarray, ...]:
    blocks = list(simulate(frames, camera, **{"lux": 500.0} | more).blocks())
    assert blocks[-1].done == 1
    return tuple(np.concatenate([getattr(block, name) for block in blocks]) for name in "txyp")


def test_an_edge_makes_as_many_events_as_its_contrast_has_thresholds_and_where_it_is() -> None:
    """Light rises from 0.1 to 0.8, ln 8 = 2.08: 10 ON events of 0.2 in each pixel that it passes, as it passes."""
    speed, camera = 90.0, CALM
    t, x, y, p = events_of(edge_video(speed, 30, 12), camera)
    assert (np.diff(t) >= 0).all() and p.mean() > 0.999
    passed = (x >= 26) & (x <= 38)
    counts = np.bincount(y[passed] * 64 + x[passed], minlength=48 * 64).reshape(48, 64)[:, 26:39]
    assert np.abs(counts - 10).max() <= 1 and counts.mean() == pytest.approx(10, abs=0.5)
    # Where half of the logarithm's way is done, the light is the geometric mean of both sides, 0.283.
    lead = 1.5 * np.log(0.7 / (np.sqrt(0.1 * 0.8) - 0.1) - 1)
    for column in (28, 32, 36):
        middle = np.median(t[x == column])
        assert 16 + speed * middle / 1e6 + lead == pytest.approx(column, abs=0.35)


def test_drawing_in_between_is_nearer_to_a_faster_camera_than_fading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of events from 30 fps, against those from 480 fps of the same edge: by the flow, and without one."""
    camera, speed = CALM, 150.0
    true = events_of(edge_video(speed, 480, 113), camera)
    drawn = events_of(edge_video(speed, 30, 8), camera)

    def off(found: tuple[np.ndarray, ...]) -> float:
        columns = range(26, 42)
        return float(np.mean([abs(np.median(found[0][found[1] == c]) - np.median(true[0][true[1] == c])) for c in columns]))

    assert abs(len(drawn[0]) / len(true[0]) - 1) < 0.05
    monkeypatch.setattr("mxsnn.sensors.video.flow", lambda a, b: jnp.zeros((*a.shape, 2)))
    faded = events_of(edge_video(speed, 30, 8), camera)
    assert off(drawn) < 1_000  # us, of 33,333 between frames
    assert off(faded) > 3 * off(drawn)


def test_samples_are_no_further_apart_than_a_pixel_and_a_threshold() -> None:
    frames = edge_video(150.0, 30, 4)
    light, times = zip(*((sample, time) for _, sample, time in samples(frames, np.arange(4), CALM, 500.0)), strict=True)
    assert times[0] == 0 and times[-1] == frames.t[-1] and (np.diff(times) > 0).all()
    log = np.stack([CALM.log(sample) for sample in light])
    assert np.abs(np.diff(log, axis=0)).max() < 2 * 0.2  # what is drawn moves a little unevenly
    assert len(times) >= 1 + 3 * 5  # 5 pixels from frame to frame


def test_a_cut_has_so_many_samples_and_no_more() -> None:
    """From white to black a logarithm without a dark current changes by hundreds of thresholds."""
    frames = Frames.make(np.stack([np.full((30, 40), 255, np.uint8), np.zeros((30, 40), np.uint8)]), np.array([0, 40_000]))
    assert len(list(samples(frames, np.arange(2), CALM, 500.0))) == 1 + 256


def test_pixels_that_see_nothing_change_have_the_noise_of_their_light(size: tuple[int, int] = (64, 48)) -> None:
    """Whatever the frame rate, and whether something changes elsewhere."""
    camera = replace(SENSORS["davis346"], sensor_size=size, threshold_on=0.1, threshold_off=0.1, readout=None)
    rates = []
    for fps, flickers in ((10, False), (30, True)):
        images = np.full((fps + 1, size[1], size[0]), 150, np.uint8)
        if flickers:
            images[:, :4, :4] = np.random.default_rng(0).integers(0, 255, (fps + 1, 4, 4))
        _, x, _, _ = events_of(Frames.make(images, np.arange(fps + 1) * 1_000_000 // fps), camera)
        rates.append((x > 30).sum() / (33 * 48))
    light = jnp.full(size[::-1], 500.0 * float(linear(jnp.float32(150 / 255))))
    state = camera.init(jax.random.key(0), light)
    rate = state.spread * sum(camera.noise_rates(light, state.on, state.off))
    expected = float((rate / (1 + 1e-6 * camera.refractory * rate))[:, 31:].mean()) + 0.1  # and the leak
    np.testing.assert_allclose(rates, expected, rtol=0.02)


def test_noise_between_two_frames_is_as_fine_as_elsewhere() -> None:
    """Of events that follow one another in a pixel, half are of the other polarity."""
    camera = EventCamera((16, 12), hot=1.0, hot_rate=800.0, refractory=500.0)
    frames = Frames.make(np.full((3, 12, 16), 150, np.uint8), np.array([0, 100_000, 200_000]))
    _, x, y, p = events_of(frames, camera)
    order = np.lexsort((np.arange(len(x)), y.astype(int) * 16 + x))
    assert (np.diff(p[order].astype(int)) != 0).mean() == pytest.approx(0.5, abs=0.02)


def test_a_still_video_is_silent_and_white_is_in_the_light_that_is_given() -> None:
    frames = Frames.make(np.full((3, 30, 40, 3), 255, np.uint8), np.array([0, 40_000, 80_000]))
    assert len(events_of(frames, CALM)[0]) == 0
    found = [np.asarray(sample) for _, sample, _ in samples(frames, np.arange(3), CALM, 321.0)]
    assert len(found) == 3
    np.testing.assert_allclose(found, 321.0, rtol=1e-5)


def test_v2e_sees_grey_levels() -> None:
    frames = Frames.make(np.full((2, 30, 40), 100, np.uint8), np.array([0, 40_000]))
    found = next(samples(frames, np.arange(2), replace(SENSORS["v2e-clean"], sensor_size=(64, 48)), 500.0))[1]
    np.testing.assert_allclose(found, 100.0, rtol=1e-4)


@pytest.mark.parametrize("size", [(40, 30), (60, 20), (24, 40)])
def test_a_picture_fills_the_sensor_about_its_middle(size: tuple[int, int]) -> None:
    """A disc in the middle stays a disc in the middle, whatever the picture's shape: what does not fit is cut off evenly."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    disc = ((x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2 < 49).astype(np.uint8) * 255
    frames = Frames.make(np.stack([disc, disc]), np.array([0, 40_000]))
    found = np.asarray(next(samples(frames, np.arange(2), CALM, 1.0))[1])
    scale = max(64 / width, 48 / height)
    y, x = np.mgrid[:48, :64]
    assert found.sum() == pytest.approx(np.pi * 49 * scale**2, rel=0.06)
    assert ((found * x).sum() / found.sum(), (found * y).sum() / found.sum()) == pytest.approx((31.5, 23.5), abs=0.1)
    across, down = ((found * (x - 31.5) ** 2).sum(), (found * (y - 23.5) ** 2).sum())
    assert across == pytest.approx(down, rel=0.02)


def test_the_recording_holds_the_frames_as_they_are(tmp_path: Path) -> None:
    frames = edge_video(90.0, 30, 4)
    write(tmp_path / "edge.mxr", simulate(frames, CALM, 200.0, 7, "davis346"))
    found = open_recording(tmp_path / "edge.mxr")
    assert (found.sensor, found.lux, found.labels) == ("davis346", 200.0, ())
    assert found.conditions == {"simulated": "events from the frames", "seed": 7.0, "threshold_on": 0.2, "threshold_off": 0.2}
    np.testing.assert_array_equal(found.frames["grey"].images[:], frames.images)
    np.testing.assert_array_equal(found.frames["grey"].t, frames.t)
    assert found.events is not None and len(found.events) > 0 and found.events.sensor_size == (64, 48)


def test_a_seed_says_what_is_random() -> None:
    camera, frames = replace(SENSORS["davis346"], sensor_size=(64, 48)), edge_video(90.0, 30, 3)
    first, again, other = (events_of(frames, camera, seed=seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert len(first[0]) != len(other[0]) or (first[0] != other[0]).any()


def test_frames_of_one_time_count_once() -> None:
    frames = edge_video(90.0, 30, 4)
    twice = Frames.make(frames.images[[0, 1, 1, 2, 3]], frames.t[[0, 1, 1, 2, 3]])
    for a, b in zip(events_of(frames, CALM), events_of(twice, CALM), strict=True):
        np.testing.assert_array_equal(a, b)


def test_cameras_by_name() -> None:
    assert sensor_named("EVK4:320x180", 0.3).sensor_size == (320, 180)
    assert sensor_named("davis346", 0.3).threshold_off == 0.3
    assert sensor_named("davis346") is SENSORS["davis346"]


@pytest.mark.parametrize("name", ["pyfeat_smiling.gif", "pyfeat_single_face.mp4"])
def test_real_videos(test_data: Path, tmp_path: Path, name: str) -> None:
    """A face that moves: events where the frames change, and when; fewer in a static scene's noise than in the movement."""
    out = tmp_path / "face.mxr"
    assert main(["simulate", str(test_data / "rgb" / name), str(out), "--sensor", "v2e-clean:64x48"]) == 0
    found = open_recording(out)
    frames = found.frames["rgb"]
    assert len(frames) == len(read_frames(test_data / "rgb" / name))
    assert found.events is not None and frames.t[0] <= found.events.span[0] and found.events.span[1] < frames.t[-1]
    grey = frames.images[:].astype(float).mean(-1)
    change = np.abs(np.diff(grey, axis=0)).mean((1, 2))
    counts = [len(found.events.window(a, b)) for a, b in zip(frames.t, frames.t[1:], strict=False)]
    assert np.corrcoef(change, counts)[0, 1] > 0.6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from PIL import Image

    images = tmp_path / "images"
    images.mkdir()
    for k, image in enumerate(edge_video(90.0, 30, 3).images):
        Image.fromarray(image).save(images / f"{k}.png")
    return images


def test_a_folder_of_images(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.mxr"
    arguments = ["simulate", str(folder), str(out), "--fps", "30", "--sensor", "davis346:64x48", "--seed", "3"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{out}\n"
    before = out.read_bytes()
    assert main(arguments) == 2  # it is there
    assert "exists" in capsys.readouterr().err and out.read_bytes() == before
    assert main([*arguments, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "the images have no times of their own; give fps"),
        (["--fps", "0"], "fps is a positive number"),
        (["--fps", "30", "--lux", "0"], "lux is above 0, got 0.0"),
        (["--fps", "30", "--lux", "nan"], "lux is above 0, got nan"),
        (["--fps", "30", "--threshold", "0"], "at least 0.01, got 0.0"),
        (["--fps", "30", "--seed", "-1"], "a seed is from 0 to"),
        (["--fps", "30", "--sensor", "davis364"], "did you mean davis346?"),
        (["--fps", "30", "--sensor", "davis346:0x4"], "sensor_size is"),
        (["--fps", "30", "--sensor", "davis346:big"], "WIDTHxHEIGHT, such as davis346:128x96"),
    ],
)
def test_mistakes_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str) -> None:
    out = folder.parent / "out.mxr"
    assert main(["simulate", str(folder), str(out), *options]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and not out.exists()


def test_files_that_are_no_video(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    (folder / "1.png").unlink()
    (folder / "2.png").unlink()
    out = tmp_path / "out.mxr"
    for path, said in {
        tmp_path / "none.mp4": "no such file",
        tmp_path / "text.mp4": "no video that can be read",
        tmp_path / "empty": "no images in it",
        folder: "at least two frames at different times; got 1 frame",
    }.items():
        assert main(["simulate", str(path), str(out), "--fps", "30"]) == 2
        told = capsys.readouterr().err
        assert said in told and told.count("\n") == 1
    assert not out.exists()


def test_lists_of_frames_that_cannot_be() -> None:
    one = Frames.make(np.zeros((2, 8, 8), np.uint8), np.array([5, 5]))
    with pytest.raises(UserError, match="got 2 frames of one time"):
        simulate(one, CALM, 100.0)
