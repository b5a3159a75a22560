"""The data set of faces: what a recording holds, that a plan gives the same whatever happens, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from mxsnn.cli import main
from mxsnn.data import faces
from mxsnn.data.datasets import recordings as opened
from mxsnn.data.datasheet import sheet
from mxsnn.data.faces import CONFIGURATION, SHEET, Plan, make, recordings, sensor_of
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import open_recording
from mxsnn.faces import draw, landmarks
from mxsnn.faces.motion import CLASSES, LEAD, MOVEMENTS, NEUTRAL, Purpose, controls, performance
from mxsnn.report import faces as contact
from mxsnn.sensors.event_camera import events
from mxsnn.sensors.event_pixel import EventCamera
from mxsnn.sensors.presets import DAVIS346, EVK4
from mxsnn.sensors.rgb_camera import LUMINANCE, linear

SMALL = Plan(subjects=2, clips=2, sensors=("48x36",), lux=(5.0, 500.0), duration=0.7, seed=3)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory):
    """Programs are compiled once for all processes of these tests."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("xla")))
    yield jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, compiled) -> Path:
    folder = tmp_path_factory.mktemp("faces") / "set"
    assert make(SMALL, folder, workers=0) == 8
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def shone(plan: Plan, baked, shown):
    """The light in a clip, in one piece, after that before it."""
    before, light = faces._light(plan, baked, shown)
    assert before[0][0] == -LEAD and before[0][-1] == light[0][0] == 0
    return light


def test_the_set_opens_as_a_data_set(made: Path) -> None:
    data = opened(made)
    assert set(data.classes) <= set(CLASSES)
    with pytest.warns(RecordingWarning, match="2 recordings without a label au"):  # a neutral clip in which nothing moves
        assert opened(made, kind="au").classes[0].startswith("AU")
    assert len(data) == 8 and data.sensor_size == (48, 36)
    assert data.subjects == ("3-0000", "3-0001") and data.groups is not None and Counter(data.groups.tolist()) == {0: 4, 1: 4}
    assert data.conditions["lux"] == (500.0, 5.0) * 4 and set(data.conditions["sensor"]) == {"48x36"}
    seen = Counter(data.conditions["performance"])
    assert set(seen.values()) == {2}  # each in both lights
    data.validate()


def test_a_recording_holds_what_it_should(made: Path) -> None:
    path = made / "0000" / "0000-48x36-500lux-0.2.mxr"
    found = open_recording(path)
    (shown,) = SMALL.performances(0, 0)
    assert (found.subject, found.lux, found.sensor) == ("3-0000", 500.0, "48x36")
    assert found.labels == faces.labels(shown)
    assert found.conditions["performance"] == "3-0000-0000" and found.conditions["threshold"] == 0.2
    assert found.events is not None and found.events.sensor_size == (48, 36) and len(found.events) > 50
    first, last = found.events.span or (-1, -1)
    assert 0 <= first <= last < 700_000
    frames = found.frames["rgb"]
    assert frames.images.shape == (21, 36, 48, 3) and frames.start[0] == 0 and frames.end[-1] <= 700_000
    assert (np.diff(frames.start) >= 33_333).all() and 40 < np.asarray(frames.images[0]).mean() < 215


def test_more_light_shows_more_and_the_face_is_the_same(made: Path) -> None:
    dim, bright = (open_recording(made / "0001" / f"0001-48x36-{lux}lux-0.2.mxr") for lux in (5, 500))
    a, b = (one.frames["rgb"].images[0].astype(float).mean(2) for one in (dim, bright))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9
    assert dim.labels == bright.labels and dim.conditions == bright.conditions


def test_made_again_is_the_same_to_the_bit_and_in_no_order(made: Path) -> None:
    found = dict(recordings(SMALL, 1, 1, "48x36"))  # alone, without those before it
    for name, one in found.items():
        there = open_recording(made / name)
        assert there.events is not None and one.events == there.events.window(0, 700_000)
        assert np.array_equal(one.frames["rgb"].images, there.frames["rgb"].images[:])


def test_a_recording_does_not_depend_on_the_others_of_its_plan(made: Path) -> None:
    other = replace(SMALL, subjects=9, clips=40, lux=(500.0,), sensors=("32x32", "48x36"))
    ((name, one),) = recordings(other, 1, 0, "48x36")
    there = open_recording(made / name)
    assert there.events is not None and one.events == there.events.window(0, 700_000)


@pytest.mark.slow
def test_pieces_of_the_light_make_the_same_recording(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "PIECE", 36 * 48 * 50)
    for name, one in recordings(SMALL, 0, 1, "48x36"):
        there = open_recording(made / name)
        whole = there.events.window(0, 700_000) if there.events else None
        assert whole is not None and one.events is not None
        assert abs(len(one.events) - len(whole)) <= 0.002 * len(whole) + 1  # sums may be rounded in another order
        images, expected = one.frames["rgb"].images, there.frames["rgb"].images[:]
        assert images.shape == expected.shape and np.abs(images.astype(int) - expected).mean() < 0.05


def test_made_already_is_not_made_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.mxr")}
    monkeypatch.setattr(faces, "recordings", None)
    assert make(SMALL, made, workers=0) == 8
    assert before == {path: path.stat().st_mtime_ns for path in made.rglob("*.mxr")}


@pytest.mark.slow
def test_the_number_of_processes_changes_no_byte(made: Path, tmp_path: Path) -> None:
    assert make(SMALL, tmp_path / "set", workers=2) == 8
    assert contents(tmp_path / "set") == contents(made)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_and_started_again_it_completes(made: Path, tmp_path: Path, compiled: str, workers: int) -> None:
    folder = tmp_path / "set"
    options = ["--subjects", "2", "--clips", "2", "--sensors", "48x36", "--lux", "5", "500", "--duration", "0.7", "--seed", "3"]
    command = [sys.executable, "-m", "mxsnn.cli", "faces", str(folder), *options, "--workers", str(workers)]
    (tmp_path / "mxsnn").mkdir()
    (tmp_path / "mxsnn" / "xla").symlink_to(compiled)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 300
        while not list(folder.rglob("[!.]*.mxr")) and time.monotonic() < end and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    there = {path: path.stat().st_mtime_ns for path in folder.rglob("[!.]*.mxr")}
    assert 1 <= len(there) < 8
    for path in there:
        open_recording(path)
    (folder / "0000" / ".0000-48x36-5lux-0.2-half.mxr").write_bytes(b"half")  # wherever it was hit
    time.sleep(2)  # workers end with the process that started them
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert all(path.stat().st_mtime_ns == at for path, at in there.items())
    assert contents(folder) == contents(made)


def test_the_pair_is_an_exact_reversal_of_the_light() -> None:
    plan = replace(SMALL, pair=True, camera="none", movements=("smile", "neutral"))
    assert plan.movements == ("Smile",)
    forwards, backwards = plan.performances(0, 0)
    assert (forwards.name, backwards.name) == ("Smile", "Smile reversed")
    assert forwards.target[0].offset - forwards.target[0].onset >= 200_000
    baked = faces._baked(plan.seed, 0, (48, 36))
    times, one, _, _ = shone(plan, baked, forwards)
    _, other, _, _ = shone(plan, baked, backwards)
    assert times[0] == 0 and times[-1] == 700_000
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other)[::-1])
    assert [name.endswith("-reversed.mxr") for names in plan.names(0, 0, "48x36") for name in names] == [False] * 2 + [True] * 2


def test_the_lamp_flickers_at_twice_the_mains() -> None:
    """All light is multiplied by 1 + part sin(2 pi 100 Hz t + phase), whatever the face does, for both cameras."""
    steady, lit = (replace(SMALL, flicker=part) for part in (0.0, 0.2))
    baked, (shown,) = faces._baked(SMALL.seed, 0, (48, 36)), SMALL.performances(0, 0)
    times, one, colour_times, colour = shone(steady, baked, shown)
    finer, other, others_times, others = shone(lit, baked, shown)
    np.testing.assert_array_equal(finer, others_times)
    for coarse, still, light, every in ((times, one, other, 8), (colour_times, colour, others, 16)):
        assert (finer[::every] == coarse).all() and (np.diff(finer) == 250).all()
        ratio = np.asarray(light)[::every] / np.asarray(still)
        assert ratio.reshape(len(ratio), -1).std(1).max() < 1e-5
        angle = 2e-6 * np.pi * 100 * coarse
        wave = np.stack([np.ones_like(angle), np.sin(angle), np.cos(angle)], 1)
        course = ratio.reshape(len(ratio), -1).mean(1)
        (mean, *parts), left, _, _ = np.linalg.lstsq(wave, course, rcond=None)
        assert (mean, np.hypot(*parts)) == pytest.approx((1, 0.2), abs=1e-4) and left[0] < 1e-6
    period = np.asarray(other)[:41].mean((1, 2)) / np.asarray(one)[0].mean()  # between what is rendered, too
    angle = 2e-6 * np.pi * 100 * finer[:41]
    np.testing.assert_allclose(period, 1 + parts[0] * np.sin(angle) + parts[1] * np.cos(angle), atol=5e-3)


def test_flicker_has_its_events_though_faces_are_drawn_more_coarsely(compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(SMALL, lux=(500.0,), movements=("neutral",), flicker=0.3, camera="none")
    counts = []
    for every in (faces.LAMP, 100):
        monkeypatch.setattr(faces, "LAMP", every)
        counts.append(sum(len(one.events or ()) for _, one in recordings(plan, 0, 0, "48x36")))
    assert counts[0] == pytest.approx(counts[1], rel=0.01)
    assert counts[1] / (48 * 36 * 0.7) > 4 * 100 / 2  # some, in each half of a period


def test_a_clip_has_as_many_events_in_its_beginning_as_later(compiled) -> None:
    """Pixels do not begin at rest: where they do, the first second has half as many OFF events, and more that are ON."""
    plan = replace(SMALL, subjects=16, lux=(50.0,), movements=("neutral",), camera="none", duration=3.0)
    counts = np.empty((plan.subjects, 2, 3))
    for subject in range(plan.subjects):
        ((_, one),) = recordings(plan, subject, 0, "48x36")
        assert one.events is not None
        for p in (0, 1):
            counts[subject, p] = np.histogram(one.events.t[one.events.p == p], np.arange(4) * 1_000_000)[0]
    more = counts[..., 0] - counts[..., 1:].mean(-1)
    assert (np.abs(more.mean(0)) < 3 * more.std(0, ddof=1) / np.sqrt(plan.subjects)).all()
    assert (np.abs(more.mean(0)) < 0.15 * counts.mean((0, 2))).all()


def test_no_pixel_changes_by_more_than_a_threshold_in_a_step(compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, events_of = [], faces.event_camera.events

    def spied(camera, radiance, times, state, steps):
        change = np.abs(np.diff(np.asarray(camera.log(radiance)), axis=0)).max((1, 2))
        taken.append((change.max() / camera.threshold_on, (change / steps).max() / camera.threshold_on, np.diff(times).max()))
        return events_of(camera, radiance, times, state, steps)

    monkeypatch.setattr(faces.event_camera, "events", spied)
    dict(recordings(replace(SMALL, movements=("open_mouth",), camera="none", thresholds=(0.1,)), 0, 0, "48x36"))
    samples, steps, interval = np.array(taken).T
    assert samples.max() > 1.2 and steps.max() <= 1 + 1e-5
    assert set(interval) == {20_000, 2000}


@pytest.mark.slow
def test_noise_is_the_same_at_all_resolutions(compiled) -> None:
    """The scene is sampled alike, and noise has its rate in steps of any length: 11 to 22 % lay between them where neither held."""
    rates = []
    for size in ("48x36", "320x240"):
        plan = replace(SMALL, sensors=(size,), lux=(50.0,), thresholds=(0.1,), movements=("neutral",), camera="none")
        ((_, one),) = recordings(plan, 0, 0, size)
        assert one.events is not None
        rates.append(len(one.events) / np.prod(one.events.sensor_size))
    assert np.ptp(rates) < 0.05 * np.mean(rates)


def test_light_reaches_both_cameras(compiled) -> None:
    """In the dark contrasts drown in the dark current, so that OFF events, of which noise has few here, are fewer."""
    plan = replace(SMALL, lux=(0.5, 500.0), thresholds=(0.3,), movements=("open_mouth",))
    (_, dark), (_, bright) = recordings(plan, 0, 0, "48x36")
    assert dark.events is not None and bright.events is not None
    assert (dark.events.p == 0).sum() < 5 < 10 < (bright.events.p == 0).sum()
    exposure = [(one.frames["rgb"].end - one.frames["rgb"].start).mean() for one in (dark, bright)]
    assert exposure[1] < 0.6 * exposure[0] == pytest.approx(0.6 * 33_333, rel=1e-3)
    noise = [np.asarray(one.frames["rgb"].images[0], float).std((0, 1)).mean() for one in (dark, bright)]
    apart = [np.abs(np.diff(np.asarray(one.frames["rgb"].images[:2], float), axis=0)).mean() for one in (dark, bright)]
    assert apart[0] > 5 * apart[1] and noise[0] > 0


def test_frames_and_events_show_the_same_at_the_same_time(compiled) -> None:
    """The change from frame to frame is that of the events between them, which come when thresholds have been crossed."""
    plan = replace(SMALL, lux=(500.0,), movements=("open_mouth",))
    shifts, alike = np.arange(-60_000, 60_001, 10_000), np.zeros(13)
    for subject in (0, 2):
        ((_, one),) = recordings(plan, subject, 0, "48x36")
        frames, found = one.frames["rgb"], one.events
        assert found is not None and frames.start[0] == 0 and len(frames) == 21
        light = np.log(np.asarray(linear(np.maximum(frames.images[:], 1) / 255)) @ np.array(LUMINANCE))
        change = np.diff(light, axis=0)
        change -= np.median(change, (1, 2), keepdims=True)
        for k, shift in enumerate(shifts):
            cuts = np.searchsorted(found.t, frames.t + shift)
            sums = np.zeros(change.shape)
            which = np.repeat(np.arange(len(sums)), np.diff(cuts))
            between = slice(cuts[0], cuts[-1])
            np.add.at(sums, (which, found.y[between], found.x[between]), 2.0 * found.p[between] - 1)
            alike[k] += np.corrcoef(sums.ravel(), change.ravel())[0, 1]
    weight = np.clip(alike, 0, None) ** 2
    assert alike.max() > 0.5 and 0 < (weight * shifts).sum() / weight.sum() < 15_000  # us


def test_each_subject_sits_in_a_light_of_its_own() -> None:
    lamps = [faces.light_of(0, subject) for subject in range(300)]
    for name, low, high in (("azimuth", -50, 50), ("elevation", 15, 60), ("ambient", 0.3, 0.6)):
        drawn = (np.sort([getattr(lamp, name) for lamp in lamps]) - low) / (high - low)
        assert np.abs(drawn - np.linspace(0, 1, 300)).max() < 1.63 / np.sqrt(300)  # evenly: Kolmogorov and Smirnov, 1 %
    lit = faces._baked(0, 1, (48, 36))
    np.testing.assert_allclose(lit.light, faces.light_of(0, 1).direction(), rtol=1e-6)


def test_no_draw_of_a_clip_is_that_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is the flicker's phase the lamp's azimuth, nor the order of one subject's movements the target of another."""
    states, make_generator = [], np.random.default_rng

    def spied(seed):
        states.append(tuple(np.random.SeedSequence(seed).generate_state(4)))
        return make_generator(seed)

    monkeypatch.setattr(np.random, "default_rng", spied)
    plan, baked = replace(SMALL, blinks=True, flicker=0.1, camera="none", subjects=9), faces._baked(0, 0, (48, 36))
    states.clear()
    for subject in range(9):
        (shown,) = plan.performances(subject, 0)
        faces.light_of(plan.seed, subject)
        next(faces._light(plan, baked, shown))
    assert len(states) == len(set(states)) == 9 * (1 + 7 + 1 + 1)  # order, performance, lamp, its phase


def test_a_pair_is_told_by_its_order_alone(compiled) -> None:
    """Sums over time do not tell a clip from its reversal, where the sensor has no direction of time in itself."""
    plan = replace(SMALL, pair=True, camera="none", movements=("open_mouth",))
    baked = faces._baked(plan.seed, 0, (48, 36))
    ideal = EventCamera((48, 36), threshold_on=0.02, threshold_off=0.02)
    counts = []
    for shown in plan.performances(0, 0):
        times, light, _, _ = shone(plan, baked, shown)
        _, found = events(ideal, light, times, ideal.init(jax.random.key(0), light[0]))
        counts.append(np.bincount(found.y.astype(int) * 48 + found.x, minlength=48 * 36))
    assert counts[0].sum() > 1000 and np.corrcoef(*counts)[0, 1] > 0.98
    assert abs(counts[0].sum() / counts[1].sum() - 1) < 0.03


def test_labels_are_the_times_at_which_the_face_moves() -> None:
    """The landmark that a movement moves most: still until onset, farthest from apex to release, still again at offset."""
    person, times = draw(faces._key(0, Purpose.FACE, 1)), np.arange(0, 1_000_001, 4000)
    see = jax.jit(landmarks, static_argnums=2)
    for movement in MOVEMENTS:
        shown = performance(0, 1, 2, movement)
        moving = controls(shown, times)
        resting = moving._replace(au=controls(replace(shown, target=()), times).au)  # the same but for the target
        apart = np.linalg.norm(np.asarray(see(person, moving, (96, 128)) - see(person, resting, (96, 128))), axis=-1)
        moved, main = apart[:, apart.max(0).argmax()], shown.target[0]
        (label,) = (one for one in faces.labels(shown) if one.kind == "movement")
        assert moved.max() > 0.1  # pixels
        assert (moved[(times <= label.onset) | (times >= label.offset)] == 0).all()
        assert label.apex - 4000 <= times[moved.argmax()] <= main.release + 4000
        assert np.corrcoef(moved, main(times))[0, 1] > 0.99


def test_each_subject_has_a_face_of_its_own() -> None:
    grown = [np.asarray(draw(faces._key(seed, Purpose.FACE, k)).length) for seed in (0, 1) for k in range(200)]
    table = np.stack(grown)
    distance = np.abs(table[:, None] - table[None]).max(2) + 99 * np.eye(len(table))
    assert distance.min() > 0.3  # mm, in the length in which two are most unlike


def test_movements_come_equally_often_in_an_order_of_their_own() -> None:
    plan = Plan(subjects=40, clips=16)
    shown = [[plan.performances(s, c)[0].movement for c in range(16)] for s in range(plan.subjects)]
    assert all(Counter(one[:8]) == Counter(one[8:]) == dict.fromkeys(CLASSES, 1) for one in shown)
    assert len({tuple(one) for one in shown}) == plan.subjects
    first = Counter(one[0] for one in shown)
    assert len(first) == 8 and max(first.values()) < 15


def test_thresholds_and_sensors_are_axes() -> None:
    plan = Plan(thresholds=(0.1, 0.3), sensors=("davis346:64x48", "evk4:64x48"))
    (low, camera), (high, other) = plan.cameras("evk4:64x48")
    assert (low, high) == (0.1, 0.3)
    assert (camera.threshold_on, camera.threshold_off, other.threshold_on) == (0.1, 0.1, 0.3)
    assert camera.area == EVK4.area and sensor_of("64x48") == replace(DAVIS346, sensor_size=(64, 48))
    ((own, _),) = Plan(sensors=("64x48",)).cameras("64x48")
    assert own == DAVIS346.threshold_on
    names = [name for sensor in plan.sensors for names in plan.names(0, 0, sensor) for name in names]
    assert len(set(names)) == len(names) == 2 * 3 * 2


def test_what_would_have_one_name_is_refused() -> None:
    for given, said in (
        ({"sensors": ("48x36", "davis346:48x36")}, "sensors: 48x36 and davis346:48x36 are the same"),
        ({"sensors": ("64x48", "064x48")}, "sensors: 64x48 and 064x48 are the same"),
        ({"sensors": ("davis346", "DAVIS346:346x260")}, "davis346 and DAVIS346:346x260 are the same"),
        ({"lux": (50.0, 50.00001)}, r"lux: 50\.0 and 50\.00001 are the same"),
        ({"thresholds": (0.2, 0.20000001)}, "thresholds: .* are the same"),
        ({"movements": ("smile", "SMILE")}, "movements: Smile and Smile are the same"),
        ({"seed": 1.5}, "seed is a whole number from 0 to 4294967295, got 1.5"),
        ({"subjects": 2.5}, "subjects is a whole number"),
    ):
        with pytest.raises(UserError, match=said):
            Plan(**given)
    assert type(Plan(seed=np.int64(3)).seed) is int


def test_broken_recordings_are_made_anew(tmp_path: Path, compiled) -> None:
    plan = replace(SMALL, subjects=1)
    assert make(plan, tmp_path, workers=0) == 4
    before = contents(tmp_path)
    first, second, third, whole = sorted(tmp_path.rglob("*.mxr"))
    first.write_bytes(first.read_bytes()[:-100])
    second.write_bytes(b"")
    third.write_bytes(b"no recording" * 1000)
    kept = whole.stat().st_mtime_ns
    assert make(plan, tmp_path, workers=0) == 4
    assert contents(tmp_path) == before and whole.stat().st_mtime_ns == kept


def test_recordings_of_another_processor_are_not_mixed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=1 --xla_cpu_max_isa=AVX2")
    before = contents(made)
    with pytest.raises(UserError, match=r"of processor=.*max_isa=AVX2; give another folder or the same kind of machine"):
        make(SMALL, made, workers=0)
    assert contents(made) == before


def test_a_sensor_has_one_pattern_in_all_recordings_and_noise_of_its_own_in_each() -> None:
    camera, first = sensor_of("48x36"), np.full((36, 48), 10.0, np.float32)
    pattern = faces._key(0, Purpose.PATTERN, 1)
    one, other = (faces._rest(camera, first, pattern, faces._key(0, Purpose.NOISE, k)) for k in (0, 1))
    for name in ("on", "off", "spread", "hot"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert not np.array_equal(one.words, other.words) and not np.array_equal(one.rise, other.rise)
    assert (np.asarray(one.rise) < np.asarray(one.on)).all()


def test_the_data_sheet_tells_classes_constants_and_limits(made: Path) -> None:
    text = (made / SHEET).read_text("utf-8")
    assert text == sheet(SMALL)
    assert "| lux | 5, 500 |" in text and "cannot tell" in text and "mismatch | 0.035" in text and "No other movement" in text
    blinking = sheet(Plan(subjects=20, clips=8, blinks=True))
    assert "blink spontaneously" in blinking and "at most 9" in blinking
    assert "reversed in time" in sheet(Plan(pair=True))
    known = json.loads((made / CONFIGURATION).read_text("utf-8"))
    assert known["lux"] == [5.0, 500.0] and known["seed"] == 3 and len(known["code"]) == 16


def test_another_plan_does_not_go_into_the_folder(made: Path) -> None:
    before = contents(made)
    with pytest.raises(UserError, match=r"holds recordings of lux=\[5.0, 500.0\], asked for is \[5.0\]"):
        make(replace(SMALL, lux=(5.0,)), made, workers=0)
    assert contents(made) == before


def test_folders_that_are_none_of_its_own_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(UserError, match=r"holds other files and no faces\.json"):
        make(SMALL, tmp_path, workers=0)
    with pytest.raises(UserError, match="is a file"):
        make(SMALL, tmp_path / "notes.txt", workers=0)
    assert contents(tmp_path) == {"notes.txt": b"mine"}
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / CONFIGURATION).write_text("{", "utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        make(SMALL, broken, workers=0)


def test_two_processes_do_not_make_one_folder(tmp_path: Path) -> None:
    with faces._held(SMALL, tmp_path), pytest.raises(UserError, match="another process makes recordings there"):
        make(SMALL, tmp_path, workers=0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give the folder OUT of the data set, or --sheet FILE.png"),
        (["OUT", "--subjects", "0"], "subjects is a whole number from 1 to 9999, got 0"),
        (["OUT", "--sensors", "davis3"], "'davis3' is no event camera; did you mean davis346?"),
        (["OUT", "--sensors", "v2e-clean"], "sees grey levels in place of light"),
        (["OUT", "--sensors", "12x9"], "faces are seen on 32 to 2048 pixels"),
        (["OUT", "--sensors", "64x48", "64x48"], "sensors: 64x48 and 64x48 are the same"),
        (["OUT", "--lux", "0"], "lux is above 0 and at most 1,000,000, got 0"),
        (["OUT", "--lux", "nan"], "lux is above 0 and at most 1,000,000, got nan"),
        (["OUT", "--threshold", "0"], "a threshold is from 0.01 to 2, got 0"),
        (["OUT", "--threshold", "3"], "a threshold is from 0.01 to 2, got 3"),
        (["OUT", "--movements", "smle"], "'smle' is no movement; did you mean smile?"),
        (["OUT", "--movements", "neutral", "--pair"], "movements: give at least one"),
        (["OUT", "--camera", "webcm"], "'webcm' is no frame camera; did you mean webcam?"),
        (["OUT", "--duration", "0.5"], "a clip lasts at least 0.66 s"),
        (["OUT", "--duration", "0.75"], "a clip lasts a whole number of tenths of a second"),
        (["OUT", "--duration", "inf"], "a clip lasts at least 0.66 s"),
        (["OUT", "--flicker", "2"], "flicker is a part of the light, from 0 to 1, got 2"),
        (["OUT", "--workers", "-1"], "--workers is 0 or more, got -1"),
        (["--sheet", "sheet.jpg"], "a contact sheet is a .png file"),
        (["--sheet", "sheet.png", "--camera", "none"], "a contact sheet shows RGB beside events"),
        (["--sheet", "sheet.png", "--subjects", "1000"], "1000 subjects is too large"),
    ],
)
def test_bad_input_is_one_line(arguments, said, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["faces", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and said in err
    assert not list(tmp_path.iterdir())


def test_the_contact_sheet_shows_each_subject_movement_and_light(tmp_path: Path, compiled, capsys, monkeypatch) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    arguments = ["--subjects", "1", "--movements", "smile", NEUTRAL, "--sensors", "48x36", "--lux", "5", "500"]
    assert main(["faces", "--sheet", "sheet.png", *arguments, "--duration", "0.7", "--seed", "3"]) == 0
    assert capsys.readouterr().out == "sheet.png\n"
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (18 + 2 * 42, 72 + 2 * 102, 3)
    tiles = [pixels[18 + 42 * row :, 72 + 102 * column :][:36, :96].astype(int) for row in (0, 1) for column in (0, 1)]
    for tile in tiles:  # a face, and beside it paper with few events, some of them coloured
        assert tile[:, :48].std() > 10 and (tile[:, 48:] == 255).all(2).mean() > 0.3
        assert np.ptp(tile[:, 48:], axis=2).max() > 50
    apart = [np.abs(a - b).mean() for k, a in enumerate(tiles) for b in tiles[:k]]
    assert min(apart) > 1  # of movement and light
    assert main(["faces", "--sheet", "sheet.png", *arguments]) == 2 and "exists" in capsys.readouterr().err
    assert main(["faces", "--sheet", "again.png", *arguments, "--duration", "0.7", "--seed", "3"]) == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "sheet.png").read_bytes()


def test_the_contact_sheet_shows_the_apex(tmp_path: Path, compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, draw_pair = [], contact._pair

    def spied(recording, start, stop):
        shown.append((recording.labels, start, stop))
        return draw_pair(recording, start, stop)

    monkeypatch.setattr(contact, "_pair", spied)
    plan = replace(SMALL, subjects=1, movements=("Smile", NEUTRAL), lux=(500.0,))
    contact.contact_sheet(plan, tmp_path / "sheet.png")
    (labels, *smile), (_, *neutral) = shown
    (main,) = (label for label in labels if label.kind == "movement")
    assert smile == [main.onset, main.apex] and main.apex != 350_000 and neutral == [150_000, 350_000]
