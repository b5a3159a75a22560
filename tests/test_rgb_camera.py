"""The frame camera against theory: photon transfer, blur, exposure, limits of the light, sRGB; chunks, resolutions, mistakes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.sensors.optics import PHOTONS, Lens
from mxsnn.sensors.rgb_camera import (
    CAMERAS,
    LUMINANCE,
    MACHINE_VISION,
    WEBCAM,
    RGBCamera,
    Setting,
    expose,
    linear,
    poisson,
    record,
    settled,
    srgb,
)

# A camera of which everything is simple: an electron for each photon, one level for each electron, nothing random.
PLAIN = RGBCamera(efficiency=(1.0, 1.0, 1.0), dark_current=0.0, full_well=4095.0, speed=0.0, noise=False)
KEY = jax.random.key(5)


def still(value: float, shape: tuple[int, int] = (4, 6), until: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    """A scene of one grey [2, H, W, 3] for a single frame and its times."""
    return np.full((2, *shape, 3), value, np.float32), np.array([0, until])


def decoded(images: np.ndarray) -> np.ndarray:
    """Linear light 0..1 of frames, in float64 by the formula of IEC 61966-2-1."""
    v = images / 255.0
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def test_lux_become_photons_as_the_camera_equation_says() -> None:
    """1 lux is 1/683 W/m^2 at 555 nm, of h c / lambda = 3.579e-19 J a photon; a lens casts r E t / (4 F^2) on the sensor."""
    per_um2 = 1 / 683 / 3.579e-19 * 1e-12
    assert Lens(2.0, 0.9).photons(3.45**2) == pytest.approx(0.9 / 16 * per_um2 * 3.45**2, rel=1e-3)
    camera = RGBCamera(lens=Lens(1.4, 0.8), pixel=2.0, efficiency=(0.4, 0.5, 0.2))
    expected = np.array([0.4, 0.5, 0.2]) * per_um2 * 4.0 * 0.8 / (4 * 1.4**2)
    np.testing.assert_allclose(camera.sensitivity, expected, rtol=1e-3)


def test_the_level_of_a_grey_is_that_of_its_electrons() -> None:
    """A constant light gives sRGB(electrons * gain / full well), in each colour."""
    for exposure, gain in ((1_000, 1.0), (20_000, 1.0), (3_000, 4.0)):
        scene, times = still(20.0)
        _, frames = record(PLAIN, scene, times, KEY, Setting(exposure, gain))
        electrons = 20.0 * PLAIN.sensitivity[0] * exposure * 1e-6 * gain
        v = min(round(electrons), 4095) / 4095
        expected = 255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)
        assert np.abs(frames.images - expected).max() <= 0.51
        assert (frames.start[0], frames.end[0], frames.t[0]) == (0, exposure, exposure // 2)


@given(st.data())
def test_the_integral_of_the_exposure_is_exact(data: st.DataObject) -> None:
    """For a random polygon of light in time: against NumPy's trapezoids over the polygon cut at both ends."""
    gaps = data.draw(st.lists(st.integers(1, 9_000), min_size=7, max_size=7))
    times = np.cumsum([0, *gaps])
    values = np.array(data.draw(st.lists(st.floats(0, 100, width=32), min_size=len(times), max_size=len(times))))
    begin = data.draw(st.integers(0, int(times[-1]) - 1))
    exposure = data.draw(st.integers(1, int(times[-1]) - begin))
    scene = jnp.asarray(values, jnp.float32)[:, None, None, None]
    found = expose(scene, jnp.asarray(times, jnp.int32), jnp.int32(begin), jnp.int32(exposure), jnp.float32(0))
    cuts = np.unique(np.r_[begin, times[(times > begin) & (times < begin + exposure)], begin + exposure])
    expected = np.trapezoid(np.interp(cuts, times, values), cuts)
    assert float(found[0, 0, 0]) == pytest.approx(expected, rel=1e-4, abs=1e-2)


def test_a_rolling_shutter_exposes_rows_one_after_the_other() -> None:
    """Under light that grows evenly, row h sees that of h / H readout later."""
    times = jnp.array([0, 100_000], jnp.int32)
    scene = jnp.stack([jnp.zeros((8, 2, 1)), jnp.full((8, 2, 1), 100.0)])
    found = expose(scene, times, jnp.int32(10_000), jnp.int32(5_000), jnp.float32(20_000)) / 5_000
    middle = 10_000 + 2_500 + 20_000 * np.arange(8) / 8
    np.testing.assert_allclose(found[:, 0, 0], middle / 1_000, rtol=1e-5)


def test_frames_of_a_rolling_shutter_have_the_time_of_their_middle_row() -> None:
    scene, times = still(20.0, until=90_000)
    _, frames = record(replace(WEBCAM, noise=False, speed=0.0), scene, times, KEY, Setting(4_000, 1.0))
    np.testing.assert_array_equal(frames.start, [10_000, 43_333])
    np.testing.assert_array_equal(frames.end - frames.start, 4_000)


@pytest.mark.parametrize("exposure", [5_000, 12_500, 30_000])
def test_a_moving_edge_is_blurred_over_speed_times_exposure(exposure: int) -> None:
    """An edge, one pixel wide, that goes 1 pixel/ms: the ramp's second moment is that of a box of speed x exposure, and it is
    centred where the edge is in the middle of the exposure."""
    times = np.arange(0, 41_000, 250)
    x = np.arange(128)
    edge = np.clip(20 + times[:, None] / 1_000 - x, 0, 1)  # bright on the left
    scene = np.broadcast_to(20.0 * edge[:, None, :, None], (len(times), 1, 128, 3))
    gain = 0.9 / (20.0 * PLAIN.sensitivity[0] * exposure * 1e-6 / 4095)
    _, frames = record(replace(PLAIN, gain=1000.0), scene, times, KEY, Setting(exposure, gain))
    profile = decoded(frames.images[0, 0, :, 0])
    slope = -np.diff(profile) / (profile[0] - profile[-1])
    at = x[:-1] + 0.5
    mean = (slope * at).sum()
    spread = (slope * (at - mean) ** 2).sum()
    length = np.sqrt(12 * (spread - 2 / 12))  # less the edge's own width and the pixels'
    assert length == pytest.approx(exposure / 1_000, rel=0.03, abs=0.1)
    assert mean == pytest.approx(20 + exposure / 2_000 - 0.5, abs=0.1)


def test_photon_transfer() -> None:
    """Variance against mean of raw levels: a line whose slope is the levels per electron and whose intercept the read noise.

    Levels are read through an sRGB of 8 bits, so the gain makes the noise many of its steps wide.
    """
    camera = replace(MACHINE_VISION, efficiency=(1.0, 1.0, 1.0), dark_current=0.0, read_noise=6.0, speed=0.0, full_well=10_000.0)
    gain, exposure = 100.0, 10_000
    means, variances, n = [], [], 200 * 200 * 3
    for electrons in (20.0, 30.0, 40.0, 50.0, 60.0):
        scene, times = still(electrons / (camera.sensitivity[0] * exposure * 1e-6), (200, 200))
        _, frames = record(camera, scene, times, jax.random.fold_in(KEY, int(electrons)), Setting(exposure, gain))
        light = decoded(frames.images[0]) * camera.full_well / gain  # electrons
        # An image of 8 bits adds the variance of its own rounding, s^2 / 12 for steps of s.
        v = frames.images[0].astype(float)
        steps = (decoded(v + 0.5) - decoded(v - 0.5)) * camera.full_well / gain
        means.append(light.mean())
        variances.append(light.var() - (steps**2).mean() / 12)
    slope, intercept = np.polyfit(means, variances, 1)
    np.testing.assert_allclose(means, (20.0, 30.0, 40.0, 50.0, 60.0), rtol=0.01)
    # The standard error of a variance is sqrt(2 / n) of it, 0.4 %; over a lever of 40 electrons that is 0.01 of slope.
    assert np.sqrt(2 / n) < 0.005
    assert slope == pytest.approx(1.0, abs=0.05)
    assert intercept == pytest.approx(36.0, abs=2.5)


@pytest.mark.parametrize(("gain", "converter"), [(1.0, 2.6), (100.0, 900.0)])
def test_noise_of_the_converter_comes_on_top_behind_the_gain(gain: float, converter: float) -> None:
    """The variance of a webcam's pixels in little light: electrons, read noise, converter noise by the gain, both roundings."""
    camera = replace(WEBCAM, efficiency=(1.0, 1.0, 1.0), dark_current=0.0, speed=0.0, converter_noise=converter)
    scene, times = still(14.0 * gain**0.3 / (camera.sensitivity[0] * 0.01), (200, 200), until=90_000)
    _, frames = record(camera, scene, times, KEY, Setting(10_000, gain))
    electrons = 14.0 * gain**0.3
    light = decoded(frames.images[0]) * camera.full_well / gain
    v = frames.images[0].astype(float)
    image = ((decoded(v + 0.5) - decoded(v - 0.5)) * camera.full_well / gain) ** 2 / 12
    levels = (camera.full_well / (2**camera.bits - 1) / gain) ** 2 / 12
    expected = electrons + WEBCAM.read_noise**2 + (converter / gain) ** 2 + levels + image.mean()
    assert light.mean() == pytest.approx(electrons, rel=0.02)
    assert light.var() == pytest.approx(expected, rel=0.04)


def test_dark_current_is_collected_over_the_exposure() -> None:
    camera = replace(MACHINE_VISION, speed=0.0, noise=False, dark_current=100_000.0, efficiency=(0.6, 0.6, 0.6))
    scene, times = still(0.0)
    for exposure in (5_000, 20_000):
        _, frames = record(camera, scene, times, KEY, Setting(exposure, 1.0))
        assert decoded(frames.images).mean() == pytest.approx(0.1 * exposure / camera.full_well, rel=0.02)


def test_presets_are_the_constants_of_the_document() -> None:
    text = (Path(__file__).parents[1] / "docs" / "faces.md").read_text().split("## RGB camera\n")[1].split("### Constants\n")[1]
    rows = [row.strip("|").split("|") for row in text.split("\n[balluff]")[0].splitlines() if row.startswith("|")]
    table = {first.strip(): [cell.strip() for cell in rest] for first, *rest in rows}
    plain = {
        "side of a pixel": lambda c: c.pixel,
        "efficiency, green": lambda c: c.efficiency[1],
        "full well": lambda c: c.full_well,
        "read noise": lambda c: c.read_noise,
        "converter noise": lambda c: c.converter_noise,
        "dark current": lambda c: c.dark_current,
        "bits": lambda c: c.bits,
        "black level": lambda c: c.black,
        "largest gain": lambda c: c.gain,
        "shortest exposure": lambda c: c.exposure[0],
        "readout": lambda c: c.readout,
        "frame rate": lambda c: c.fps,
        "target": lambda c: c.target,
        "speed of the automatic exposure": lambda c: c.speed,
    }
    others = {"constant", "---", "photons P", "f-number, transmission", "efficiency, red and blue", "longest exposure"}
    assert set(table) == set(plain) | others
    for column, name in enumerate(table["constant"][:2]):
        camera = CAMERAS[name]
        for key, of in plain.items():
            assert of(camera) == float(re.split("[ :]", table[key][column].replace(",", ""))[0]), (name, key)
        assert camera.efficiency[0] == camera.efficiency[2] == float(table["efficiency, red and blue"][column])
        assert table["f-number, transmission"][column] == f"{camera.lens.f_number}, {camera.lens.transmission}"
        assert float(table["photons P"][column].replace(",", "")) == pytest.approx(PHOTONS, rel=1e-3)


@pytest.mark.parametrize("mean", [0.05, 0.7, 4.0, 15.9, 16.1, 40.0, 300.0, 5_000.0])
def test_photons_are_poisson(mean: float) -> None:
    """Chi-square against the distribution, below and above the mean where the method changes."""
    from scipy import stats

    n = 200_000
    counts = np.asarray(poisson(jax.random.fold_in(KEY, int(10 * mean)), jnp.full(n, mean, jnp.float32)))
    assert (counts == np.round(counts)).all() and counts.min() >= 0
    low, high = stats.poisson.ppf([1e-3, 1 - 1e-3], mean)
    edges = np.unique(np.round(np.linspace(low, high + 1, 25)))
    expected = n * np.diff(np.r_[0.0, stats.poisson.cdf(edges - 1, mean), 1.0])
    found = np.bincount(np.searchsorted(edges, counts, side="right"), minlength=len(edges) + 1)
    enough = expected > 5
    statistic = ((found - expected)[enough] ** 2 / expected[enough]).sum()
    assert stats.chi2.sf(statistic, enough.sum() - 1) > 1e-4


@pytest.mark.parametrize("lux", [5.0, 50.0, 500.0, 50_000.0])
@pytest.mark.parametrize("name", CAMERAS)
def test_automatic_exposure_settles_where_physics_says(name: str, lux: float) -> None:
    """A grey card of 0.4: exposure x gain brings the target; exposure first, up to the frame interval, then gain up to its end."""
    camera = replace(CAMERAS[name], noise=False, dark_current=0.0)
    setting = settled(camera, np.full((8, 8, 3), 0.4 * lux, np.float32))
    # After white balance, every colour is as bright as the most sensitive.
    wanted = camera.target * camera.full_well / (0.4 * lux * camera.sensitivity.max() * 1e-6)
    exposure = np.clip(wanted, camera.exposure[0], np.floor(camera.interval))
    assert float(setting.exposure) == pytest.approx(exposure, rel=0.02, abs=0.6)
    assert float(setting.gain) == pytest.approx(np.clip(wanted / exposure, 1, camera.gain), rel=0.02)
    if wanted > camera.interval:
        assert float(setting.exposure) == np.floor(camera.interval)


def test_in_the_dark_the_gain_ends_and_the_picture_stays_dark() -> None:
    scene, times = still(0.001)
    _, frames = record(replace(MACHINE_VISION, noise=False), scene, times, KEY)
    assert frames.end[0] - frames.start[0] == 33_333
    assert decoded(frames.images).mean() < 0.5 * MACHINE_VISION.target


def test_automatic_exposure_follows_a_lamp_over_several_frames() -> None:
    """Light that rises fourfold is at first too bright, and each frame goes the given part of the way, in stops."""
    camera = replace(MACHINE_VISION, noise=False, dark_current=0.0, speed=0.5)
    times = np.arange(0, 1_000_001, 1_000)
    lux = np.where(times < 200_000, 50.0, 200.0)
    scene = np.broadcast_to(lux[:, None, None, None], (len(times), 4, 4, 3))
    _, frames = record(camera, scene, times, KEY)
    light = decoded(frames.images).mean((1, 2, 3))
    stops = np.log2(light / camera.target)
    np.testing.assert_allclose(stops[:6], 0, atol=0.05)
    np.testing.assert_allclose(stops[6:11], [2, 1, 0.5, 0.25, 0.125], atol=0.05)
    np.testing.assert_allclose(stops[-8:], 0, atol=0.05)
    assert (np.diff((frames.end - frames.start)[6:12]) < 0).all()


def test_a_full_well_holds_no_more() -> None:
    """Beyond the full well every pixel is white and the noise is gone; a quarter of the full well at gain 4 is white, too."""
    camera = replace(MACHINE_VISION, read_noise=0.0, speed=0.0, efficiency=(0.6, 0.6, 0.6))
    scene, times = still(4.0 * camera.full_well / (camera.sensitivity[0] * 0.01))
    _, frames = record(camera, scene, times, KEY, Setting(10_000, 1.0))
    assert (frames.images == 255).all()
    _, frames = record(replace(camera, noise=False), scene / 16, times, KEY, Setting(10_000, 4.0))
    assert (frames.images >= 254).all()
    _, frames = record(camera, scene / 16, times, KEY, Setting(10_000, 1.0))
    assert decoded(frames.images).mean() == pytest.approx(0.25, rel=0.02)


def test_srgb_is_the_standard_and_its_inverse() -> None:
    """Against the formula of IEC 61966-2-1 in float64, and known values."""
    v = np.linspace(0, 1, 4_097)
    expected = np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(srgb(jnp.asarray(v, jnp.float32)), expected, atol=2e-6)
    np.testing.assert_allclose(linear(srgb(jnp.asarray(v, jnp.float32))), v, atol=2e-6)
    assert float(srgb(jnp.float32(0.18))) * 255 == pytest.approx(117.6, abs=0.1)
    np.testing.assert_allclose(linear(jnp.arange(256) / 255.0), decoded(np.arange(256)), atol=1e-6)


def test_quantisation_is_unbiased_in_linear_light() -> None:
    """The mean of many noisy pixels is their light, although each is rounded twice, at last on a scale that is not linear."""
    camera = replace(MACHINE_VISION, speed=0.0, dark_current=0.0, efficiency=(0.6, 0.6, 0.6))
    for level in (0.02, 0.1, 0.18, 0.5):
        scene, times = still(level * camera.full_well / (camera.sensitivity[0] * 0.01), (128, 128))
        _, frames = record(camera, scene, times, KEY, Setting(10_000, 1.0))
        assert decoded(frames.images).mean() == pytest.approx(level, rel=4e-3)


def test_noise_in_the_dark_is_not_cut_off_before_the_picture() -> None:
    """Half of the pixels of a black scene lie below black: as levels below zero, black in the picture."""
    camera = replace(MACHINE_VISION, speed=0.0, dark_current=0.0)
    scene, times = still(0.0, (64, 64))
    _, frames = record(camera, scene, times, KEY, Setting(10_000, 50.0))
    assert (frames.images == 0).mean() == pytest.approx(0.5, abs=0.03)


def test_white_balance_makes_grey_grey() -> None:
    scene, times = still(30.0)
    _, frames = record(replace(WEBCAM, noise=False, dark_current=0.0), scene, times, KEY)
    assert np.ptp(frames.images.astype(int), axis=-1).max() <= 1
    assert decoded(frames.images) @ np.array(LUMINANCE) == pytest.approx(WEBCAM.target, rel=0.03)


def test_a_still_scene_without_noise_gives_equal_frames_and_with_noise_others() -> None:
    scene, times = still(20.0, until=200_000)
    _, calm = record(replace(MACHINE_VISION, noise=False), scene, times, KEY)
    assert len(calm) == 6 and (calm.images == calm.images[0]).all()
    _, noisy = record(MACHINE_VISION, scene, times, KEY)
    assert all((a != b).mean() > 0.3 for a, b in zip(noisy.images, noisy.images[1:], strict=False))
    _, again = record(MACHINE_VISION, scene, times, KEY)
    np.testing.assert_array_equal(noisy.images, again.images)
    _, other = record(MACHINE_VISION, scene, times, jax.random.key(6))
    assert (noisy.images != other.images).mean() > 0.3


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_chunks_give_what_the_whole_does(camera: RGBCamera) -> None:
    """To the bit, wherever a scene with changing light is cut, even within an exposure or into single samples."""
    times = 1_000_000_007 + np.arange(0, 240_000, 1_000)
    rng = np.random.default_rng(1)
    scene = (20 + 15 * np.sin(times / 9e3)[:, None, None, None] * rng.random((1, 5, 7, 3))).astype(np.float32)
    state, whole = record(camera, scene, times, KEY)
    assert len(whole) >= 5
    for cuts in ([40], [1, 2, 100, 101], [33, 34, 66, 67, 68, 200]):
        held, parts = None, []
        for part in np.split(np.arange(len(times)), cuts):
            held, frames = record(camera, scene[part], times[part], KEY, held)
            parts.append(frames)
        np.testing.assert_array_equal(np.concatenate([frames.images for frames in parts]), whole.images)
        for column in ("t", "start", "end"):
            np.testing.assert_array_equal(np.concatenate([getattr(f, column) for f in parts]), getattr(whole, column))
        assert held.frame == state.frame and held.setting == state.setting


def test_frames_begin_at_the_frame_rate_from_the_first_sample() -> None:
    scene, times = still(20.0, until=1_000_000)
    _, frames = record(replace(MACHINE_VISION, noise=False), scene, times + 77, KEY)
    assert len(frames) == 30
    np.testing.assert_array_equal(frames.start, 77 + np.round(np.arange(30) * 1e6 / 30))
    assert frames.images.dtype == np.uint8 and frames.size == (6, 4)


def test_two_resolutions_see_the_same_field() -> None:
    """A gradient rendered at twice the pixels, drawn together two by two, is the small picture; exposure and gain are the same."""
    camera = replace(MACHINE_VISION, noise=False)
    y, x = np.mgrid[:48, :64]
    large = (10 + x / 4 + y / 3)[None, :, :, None] * np.ones((2, 1, 1, 3))
    small = large.reshape(2, 24, 2, 32, 2, 3).mean((2, 4))
    times = np.array([0, 60_000])
    _, one = record(camera, small, times, KEY)
    _, other = record(camera, large, times, KEY)
    assert np.abs((one.end - one.start) - (other.end - other.start)).max() <= 0.002 * (one.end - one.start)
    drawn = decoded(other.images[0]).reshape(24, 2, 32, 2, 3).mean((1, 3))
    np.testing.assert_allclose(decoded(one.images[0]), drawn, atol=0.004)


@pytest.mark.parametrize(
    ("constants", "said"),
    [
        ({"pixel": 0.0}, "pixel of a camera is above 0, got 0.0"),
        ({"efficiency": (0.5, -1.0, 0.5)}, "efficiency.1. of a camera is above 0"),
        ({"read_noise": float("nan")}, "read_noise of a camera is 0 or more, got nan"),
        ({"bits": 0}, "1 to 16 bits"),
        ({"gain": 0.5}, "gain >= 1"),
        ({"fps": 1e6}, "exposures are from 1 us up to the frame interval"),
        ({"exposure": (200.0, 100.0)}, "exposures are from 1 us"),
    ],
)
def test_constants_that_cannot_be(constants: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        replace(MACHINE_VISION, **constants)


def test_lenses_that_cannot_be() -> None:
    for f_number, transmission in ((0.0, 0.9), (2.0, 0.0), (2.0, 1.1), (float("nan"), 0.9)):
        with pytest.raises(UserError, match="a lens has f_number > 0"):
            Lens(f_number, transmission)


def test_scenes_that_cannot_be() -> None:
    scene, times = still(1.0)
    with pytest.raises(UserError, match=r"radiance is \[T, H, W, 3\]"):
        record(PLAIN, scene[..., 0], times, KEY)
    with pytest.raises(UserError, match=r"radiance is \[T, H, W, 3\]"):
        record(PLAIN, scene, times[:1], KEY)
    with pytest.raises(UserError, match="times of a scene rise, but 5 us follows 5 us"):
        record(PLAIN, scene, np.array([5, 5]), KEY)
    for value in (np.nan, np.inf, -1.0):
        with pytest.raises(UserError, match=r"light is a finite number of at least 0, got .* in sample 1"):
            record(PLAIN, np.concatenate([scene[:1], value * scene[:1]]), times, KEY)
    state, _ = record(PLAIN, scene, times, KEY)
    with pytest.raises(UserError, match="times of a scene rise"):
        record(PLAIN, scene, times, KEY, state)


def test_a_scene_that_is_shorter_than_a_frame_gives_none() -> None:
    scene, times = still(1.0, until=30_000)
    state, frames = record(PLAIN, scene, times, KEY)
    assert len(frames) == 0 and frames.images.shape == (0, 4, 6, 3) and state.frame == 0
