"""Two recordings on one clock: against offsets and drifts that are known, for each way; refusals; real recordings."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mxsnn.cli import main
from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events import Events, Frames, Label, Recording, Samples, Triggers, open_recording, write
from mxsnn.events.sync import Clock, by_edges, by_mark, by_motion, by_pixels, by_triggers
from mxsnn.events.sync.activity import Activity, of_events, of_frames
from mxsnn.events.sync.files import joined, open_any
from mxsnn.events.sync.mark import align_marks, marks
from mxsnn.events.sync.motion import align

drifts = st.floats(-9e-4, 9e-4)
offsets = st.integers(-(10**15), 10**15)

PIXELS = (346, 260)


# Constructed streams: a rate of change R' before both cameras, known at any time.


class Scene:
    """How much has changed by a time: `total` at `t`, us on the first clock, straight between."""

    def __init__(self, rate: np.ndarray, fine: float = 1000.0) -> None:
        self.t = fine * np.arange(len(rate) + 1)
        self.total = np.concatenate([[0.0], np.cumsum(rate)])

    @classmethod
    def moving(cls, seed: int, seconds: float) -> Scene:
        """Movements as a face makes them: some at any time, their rate changing over some 60 ms."""
        rng = np.random.default_rng(seed)
        n = int(seconds * 1000)
        kernel = np.exp(-(np.arange(-300, 301) ** 2) / 2 / 60**2)
        noise = np.convolve(rng.normal(size=n + 600), kernel / np.sqrt((kernel**2).sum()), "valid")
        return cls(np.exp(noise[:n]))

    @classmethod
    def sheet(cls, seconds: float, at: tuple[float, ...] = (3.0,), width: float = 0.15) -> Scene:
        """A sheet of paper taken away at some times, s, and little else."""
        t = np.arange(0.0005, seconds, 0.001)
        rate = 0.005 + 0.02 * (1 + np.sin(7 * t)) * (t > at[-1] + 1)
        for one in at:
            rate += 0.15 / width * np.exp(-(((t - one) / width) ** 2)) * (1 + 0.5 * np.tanh((t - one) / width))
        return cls(rate)

    def at(self, t: np.ndarray) -> np.ndarray:
        return np.interp(t, self.t, self.total)

    def events(self, count: int) -> Events:
        """So many events at equal steps of the change, each on another pixel than those around it in time."""
        t = np.rint(np.interp((np.arange(count) + 0.5) / count * self.total[-1], self.total, self.t)).astype(np.int64)
        pixel = np.arange(count) % (PIXELS[0] * PIXELS[1])
        return Events.make(t, pixel % PIXELS[0], pixel // PIXELS[0], np.arange(count) // (PIXELS[0] * PIXELS[1]) % 2, PIXELS)

    def frames(self, clock: Clock, fps: float = 30.0, seconds: tuple[float, float] | None = None, lost: float = 0.0) -> Frames:
        """Frames on a second clock, from which `clock` leads to the first, whose differences are what changed, in grey levels."""
        low, high = seconds or (0.0, self.t[-1] / 1e6)
        t = np.arange(low * 1e6, high * 1e6, 1e6 / fps)
        t = t[np.random.default_rng(1).random(len(t)) >= lost]
        t = clock.inverse(np.rint(t).astype(np.int64))
        grown = self.at(clock(t).astype(float))
        return Frames.make(drawn(np.rint(grown / np.diff(grown).max() * 256 * 126).astype(np.int64)), t)


def drawn(grown: np.ndarray) -> np.ndarray:
    """Images [K, 16, 16] of which each differs from the one before by grown[k] - grown[k - 1] grey levels over all pixels."""
    image, images = np.full(256, 128, np.int64), []
    images.append(image.copy())
    for levels in np.diff(grown):
        change = np.full(256, levels // 256)
        change[: levels % 256] += 1
        assert change.max() <= 127
        image = np.where(image + change <= 255, image + change, image - change)
        images.append(image.copy())
    return np.array(images, np.uint8).reshape(-1, 16, 16)


def recorded(**parts: object) -> Recording:
    return Recording(**{"events": None, **parts})


def off(clock: Clock, true: Clock, t: np.ndarray) -> float:
    """By how much a clock is wrong at most, us."""
    return float(np.abs(clock(t) - true(t)).max())


# The clock.


@given(offsets, drifts, st.integers(0, 16 * 10**14), st.lists(st.integers(0, 10**10), min_size=1, max_size=30))
def test_a_clock_is_exact_to_a_microsecond_and_keeps_the_order(offset: int, drift: float, reference: int, after: list[int]) -> None:
    clock = Clock(offset, drift, reference)
    t = np.sort(np.array(after, np.int64) + reference)
    moved = clock(t)
    exact = [int(one) + offset + round(drift * (int(one) - reference)) for one in t]
    assert moved.dtype == np.int64 and np.abs(moved - exact).max() == 0
    assert (np.diff(moved) >= 0).all()
    assert np.abs(clock.inverse(moved) - t).max() <= 2


def test_a_clock_moves_all_of_a_recording(tmp_path: Path) -> None:
    t = np.array([1_000_000, 2_000_000, 3_000_000])
    whole = Recording(
        Events.make(t, [0, 1, 2], [0, 0, 1], [0, 1, 1], (3, 2)),
        Triggers.make(t, [1, 1, 2], [1, 0, 1]),
        {"grey": Frames.make(np.zeros((3, 2, 2), np.uint8), start=t, end=t + 10)},
        {"imu": Samples(t, np.zeros((3, 1), np.float32), ("x",))},
        (Label("AU12", "au", 1_000_000, None, 2_000_000), Label("joy", "emotion")),
        subject="A",
    )
    clock = Clock(500, 1e-4, 2_000_000)
    moved = clock.moved(whole)
    expected = [1_000_400, 2_000_500, 3_000_600]
    frames = moved.frames["grey"]
    for times in (moved.events.t, moved.triggers.t, frames.start, moved.samples["imu"].t):
        assert times.tolist() == expected
    assert (frames.end - frames.start).tolist() == [10, 10, 10]
    assert moved.labels == (Label("AU12", "au", 1_000_400, None, 2_000_500), Label("joy", "emotion"))
    assert moved.subject == "A" and whole.events.t.tolist() == t.tolist()

    write(tmp_path / "a.mxr", whole)  # a file's events are moved as they are read
    store = pickle.loads(pickle.dumps(clock.moved(open_recording(tmp_path / "a.mxr")))).events
    assert (len(store), store.span, store.sensor_size) == (3, (1_000_400, 3_000_600), (3, 2))
    assert [piece.t.tolist() for piece in store.pieces()] == [expected]
    for t0, t1 in ((1_000_400, 3_000_600), (1_000_401, 3_000_601), (0, 10), (2_000_500, 2_000_500)):
        assert store.window(t0, t1) == moved.events.window(t0, t1)
    with pytest.raises(UserError, match="t0 <= t1"):
        store.window(2, 1)


@pytest.mark.parametrize("drift", [-1.0, 0.7, float("nan")])
def test_no_clock_has_such_a_drift(drift: float) -> None:
    with pytest.raises(UserError, match="drift"):
        Clock(0, drift)


# By edges.


@settings(max_examples=40)
@given(st.integers(0, 10**6), offsets, drifts, st.integers(12, 200), st.floats(0, 0.2), st.floats(0, 0.2))
def test_uneven_edges_give_offset_and_drift(seed: int, offset: int, drift: float, n: int, missed: float, extra: float) -> None:
    rng = np.random.default_rng(seed)
    b = np.cumsum(rng.integers(20_000, 60_000, n))
    true = Clock(offset, drift, int(b[0]))

    def seen(t: np.ndarray) -> np.ndarray:
        kept = t[rng.random(n) >= missed]
        return np.sort(np.concatenate([kept, rng.integers(t[0], t[-1], int(extra * n))]))

    x, y = seen(b), seen(true(b))
    assume(len(np.intersect1d(true(x), y)) > 7)
    found = by_edges(y, x)
    assert off(found.clock, true, b) < 10 and found.rms < 2 and found.largest < 10


@settings(max_examples=15)
@given(st.integers(0, 10**6), drifts)
def test_edges_that_jitter(seed: int, drift: float) -> None:
    rng = np.random.default_rng(seed)
    b = np.cumsum(rng.integers(20_000, 60_000, 300))
    true = Clock(10**15, drift, int(b[0]))
    found = by_edges(true(b) + np.rint(rng.normal(0, 100, 300)).astype(int), b)
    assert off(found.clock, true, b) < 50 and 80 < found.rms < 120


@settings(max_examples=15)
@given(offsets, drifts, st.integers(0, 10**6))
def test_edges_of_one_period_are_told_apart_by_their_pauses(offset: int, drift: float, seed: int) -> None:
    b = np.delete(np.arange(300) * 33_333, np.random.default_rng(seed).choice(np.arange(5, 295), 20, replace=False))
    true = Clock(offset, drift)
    found = by_edges(true(b), b)
    assert off(found.clock, true, b) < 2 and found.rests.startswith("280 edges that match")


@pytest.mark.parametrize("n", [5, 300, 5000])
def test_edges_of_one_period_need_to_know_which_offset_is_near(n: int) -> None:
    b = np.arange(n) * 33_333
    true = Clock(-(10**9), 1e-5)
    with pytest.raises(UserError, match="of one period"):
        by_edges(true(b), b)
    for first, last in ((0, n), (1, n), (0, n - 2)):  # where recordings begin and end does not matter
        found = by_edges(true(b)[first:last], b, near=true.offset + 9_000)
        assert off(found.clock, true, b) < 2


def test_a_missing_edge_does_not_shift_edges_of_one_period() -> None:
    b = np.arange(100) * 40_000
    with pytest.raises(UserError, match="of one period"):
        by_edges(np.delete(b, 50), b)
    assert by_edges(np.delete(b, 50), b, near=0).clock == Clock(0, 0.0, 1_979_798)


@given(st.integers(0, 10**6), st.integers(3, 80), st.integers(3, 80))
def test_edges_of_other_signals_are_refused(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.cumsum(rng.exponential(30_000, k) + 1).astype(np.int64) for k in (n, m))
    with pytest.raises(UserError):
        by_edges(a, b)


def test_two_edges_give_an_offset_only() -> None:
    found = by_edges([5_000, 1_005_100], [0, 1_000_000])
    assert (found.clock, found.rms) == (Clock(5_050, 0.0, 500_000), 50.0) and "a drift takes three" in found.rests
    with pytest.raises(UserError, match="no two intervals"):
        by_edges([5_000, 1_505_000], [0, 1_000_000])
    with pytest.raises(UserError, match="two or more on both sides; got 1 and 2"):
        by_edges([5_000], [0, 1_000_000])


def exposures(n: int = 60, seed: int = 0) -> Frames:
    """Frames at uneven times, exposed for 4 to 9 ms."""
    rng = np.random.default_rng(seed)
    start = np.cumsum(rng.integers(30_000, 40_000, n))
    return Frames.make(np.zeros((n, 2, 2), np.uint8), start=start, end=start + rng.integers(4_000, 9_000, n))


def pulses(frames: Frames, id: int = 1, inverted: bool = False) -> Triggers:
    n = len(frames)
    value = np.repeat([0, 1] if inverted else [1, 0], n)
    return Triggers.make(np.concatenate([frames.start, frames.end]), np.full(2 * n, id), value)


@pytest.mark.parametrize("inverted", [False, True])
def test_pulses_are_exposures(inverted: bool) -> None:
    true = Clock(-(10**14), 3e-4)
    frames = exposures()
    a = true.moved(recorded(triggers=pulses(frames, 3, inverted)))
    found = by_triggers(a, recorded(frames={"rgb": frames}))
    assert off(found.clock, true, frames.t) < 2 and found.rests.startswith("pulses of input 3, exposures of rgb: 120 edges")


def test_one_edge_a_frame_is_its_start_or_its_time() -> None:
    frames = exposures()
    a = recorded(triggers=Triggers.make(frames.start + 100, np.zeros(60), np.ones(60)))
    assert by_triggers(a, recorded(frames={"rgb": frames})).clock(0) == 100
    untimed = Frames.make(frames.images, frames.t)
    found = by_triggers(a, recorded(frames={"rgb": untimed}))
    assert found.clock(0) == pytest.approx(-2_900, abs=700)  # the middle is later by half of the exposure
    assert "rising of input 0, times of rgb" in found.rests


def test_edges_of_two_cameras() -> None:
    true = Clock(7_000_000, -2e-4)
    b = recorded(triggers=pulses(exposures(), 0))
    found = by_triggers(true.moved(recorded(triggers=pulses(exposures(), 5))), b)
    assert off(found.clock, true, b.triggers.t) < 2


def test_triggers_that_cannot_tell() -> None:
    frames = exposures()
    a, b = recorded(triggers=pulses(frames)), recorded(frames={"rgb": frames})
    with pytest.raises(UserError, match="first recording has no trigger edges"):
        by_triggers(b, b)
    with pytest.raises(UserError, match="neither trigger edges nor frames"):
        by_triggers(a, recorded())
    with pytest.raises(UserError, match="no edges match"):
        by_triggers(a, recorded(frames={"rgb": exposures(seed=1)}))
    twice = Triggers.make(np.concatenate([frames.start, frames.start + 5_000]), np.repeat([0, 1], 60), np.ones(120, int))
    with pytest.raises(UserError, match=r"5000 us apart .* keep the triggers of one input"):
        by_triggers(recorded(triggers=twice), b)


# By motion.


@settings(max_examples=10)
@given(st.integers(0, 10**6), offsets, drifts)
def test_motion_gives_offset_and_drift(seed: int, offset: int, drift: float) -> None:
    """Known streams: 40 s at 30 frames/s; better than 0.1 ms at every frame, and the residual says so."""
    scene, true = Scene.moving(seed, 40), Clock(offset, drift)
    frames = scene.frames(true)
    found = by_motion(Recording(scene.events(400_000)), recorded(frames={"rgb": frames}))
    assert off(found.clock, true, frames.t) < 100 and found.rms < 100


@pytest.mark.parametrize(
    ("seconds", "fps", "part", "lost"),
    [
        (10, 30, None, 0.0),
        (20, 30, (6, 19), 0.0),
        (20, 30, None, 0.15),
        (20, 60, None, 0.0),
        (20, 200, None, 0.0),
        (90, 25, None, 0.0),
    ],
)
def test_motion_at_other_rates_and_lengths(seconds: int, fps: int, part: tuple[float, float] | None, lost: float) -> None:
    scene, true = Scene.moving(3, seconds), Clock(-987_654, 5e-5)
    frames = scene.frames(true, fps, part, lost)
    found = by_motion(Recording(scene.events(20_000 * seconds)), recorded(frames={"rgb": frames}))
    assert off(found.clock, true, frames.t) < 100 and found.rms < 100


def test_motion_with_few_and_random_events() -> None:
    """Chance in the events is seen in the residual: the error is not above three times it."""
    scene, true = Scene.moving(5, 60), Clock(4_321, 2e-5)
    rng = np.random.default_rng(0)
    t = np.sort(np.rint(np.interp(rng.random(60_000) * scene.total[-1], scene.total, scene.t)).astype(np.int64))
    x, y = rng.integers(0, PIXELS[0], len(t)), rng.integers(0, PIXELS[1], len(t))
    frames = scene.frames(true)
    found = by_motion(Recording(Events.make(t, x, y, rng.integers(0, 2, len(t)), PIXELS)), recorded(frames={"rgb": frames}))
    assert 100 < found.rms < 5_000 and off(found.clock, true, frames.t) < 3 * found.rms


def test_motion_of_two_event_cameras() -> None:
    scene, true = Scene.moving(7, 30), Clock(-123_456_789, -1e-4)
    b = true.inverse.moved(Recording(scene.events(300_000)))
    found = by_motion(Recording(scene.events(200_000)), b)
    assert off(found.clock, true, b.events.t) < 100


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("seconds", [8, 40])
def test_motion_of_other_scenes_is_refused(seed: int, seconds: int) -> None:
    frames = Scene.moving(seed + 100, seconds).frames(Clock(0))
    with pytest.raises(UserError, match="do not go together under any offset"):
        by_motion(Recording(Scene.moving(seed, seconds).events(20_000)), recorded(frames={"rgb": frames}))


def test_one_movement_is_too_little_to_tell() -> None:
    """Any two bursts match: that they do is no sign that they are one."""
    scene = Scene.sheet(20)
    with pytest.raises(UserError, match="do not go together"):
        by_motion(Recording(scene.events(50_000)), recorded(frames={"rgb": scene.frames(Clock(0))}))


def test_a_periodic_motion_needs_to_know_which_offset_is_near() -> None:
    t = np.arange(30_000) / 1000
    scene, true = Scene(1.5 + np.sin(2 * np.pi * t / 1.7) + 0.3 * np.sin(4 * np.pi * t / 1.7 + 1)), Clock(300_000)
    a, b = Recording(scene.events(100_000)), recorded(frames={"rgb": scene.frames(true)})
    with pytest.raises(UserError, match="periodic"):
        by_motion(a, b)
    frames = b.frames["rgb"]
    assert off(by_motion(a, b, near=250_000).clock, true, frames.t) < 100


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (recorded(), recorded(), "first recording has no events"),
        (recorded(events=Events.empty((2, 2))), recorded(), "0 events tell nothing"),
        (recorded(events=Scene.moving(0, 5).events(1000)), recorded(), "without frames and events"),
        (
            recorded(events=Scene.moving(0, 5).events(1000)),
            recorded(frames={"rgb": Frames.make(np.zeros((9, 2, 2), np.uint8), np.arange(9))}),
            "all are the same",
        ),
        (
            recorded(events=Scene.moving(0, 5).events(1000)),
            recorded(frames={"rgb": Scene.moving(0, 1).frames(Clock(0), 10)}),
            "9 intervals between frames are too few",
        ),
    ],
)
def test_motion_of_nothing(a: Recording, b: Recording, said: str) -> None:
    with pytest.raises(UserError, match=said):
        by_motion(a, b)


@pytest.mark.parametrize("way", [by_motion, by_mark])
def test_a_clock_that_jumps_is_told(way) -> None:
    events = Scene.moving(0, 5).events(1000)
    t = events.t.copy()
    t[-1] = 16 * 10**14
    frames = Scene.moving(0, 5).frames(Clock(0))
    far = np.append(frames.t[:-1], 16 * 10**14)
    for a, b in ((replace(events, t=t), frames), (events, Frames.make(frames.images, far))):
        with pytest.raises(UserError, match="did the clock jump"):
            way(Recording(a), recorded(frames={"rgb": b}))


def test_activity_of_events_is_their_number_at_any_cut() -> None:
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(10**15, 10**15 + 3_000_000, 5_000))
    events = Events.make(t, rng.integers(0, 8, 5_000), rng.integers(0, 6, 5_000), rng.integers(0, 2, 5_000), (8, 6))

    class Store:
        sensor_size, span = events.sensor_size, events.span

        def __len__(self) -> int:
            return len(events)

        def pieces(self):
            yield from (events[k : k + 701] for k in range(0, 5_000, 701))

    whole, parts = of_events(events), of_events(Store())
    np.testing.assert_allclose(whole.total, parts.total)
    assert whole.total[-1] == pytest.approx(5_000) and (np.diff(whole.total) >= 0).all()


def test_an_event_counts_over_the_time_in_which_its_change_came_about() -> None:
    """A pixel that brightens evenly from 100 ms on fires every 20 ms: the change began a threshold before the first event."""
    t = 10**9 + np.arange(120_000, 400_000, 20_000)
    seen = of_events(Events.make(t, t * 0, t * 0, t * 0 + 1, (1, 1)))
    halfway = seen.at(t - 10_000.0 - seen.start)
    np.testing.assert_allclose(halfway[1:], np.arange(1, 14) + 0.5, atol=0.02)
    turned = of_events(Events.make(t, t * 0, t * 0, np.arange(14) % 2, (1, 1)))  # back and forth tells nothing of when
    np.testing.assert_allclose(turned.at(t - 1000.0 - seen.start), np.arange(14), atol=0.02)


def test_activity_of_frames_is_their_difference() -> None:
    images = np.zeros((4, 2, 2, 3), np.uint8)
    images[1], images[2] = 255, 10
    images[3] = 10
    found = of_frames(Frames.make(images, [5, 15, 15, 40]))
    assert (found.start, found.t.tolist(), found.total.tolist()) == (5, [0, 10, 35], [0, 255, 255 + 245])


# By pixels.


@cache
def sliding(
    true: Clock, seconds: float = 0.7, threshold: float = 0.1, noise: int = 0, seed: int = 0
) -> tuple[Recording, Recording]:
    """A texture that slides over 40 x 24 pixels: events where its logarithm has changed by a threshold, and frames."""
    rng = np.random.default_rng(seed)
    waves = [(*rng.uniform(-1.2, 1.2, 2), rng.uniform(0, 6), rng.uniform(0.1, 0.3)) for _ in range(16)]
    y, x = np.mgrid[:24, :40]

    def light(t: float) -> np.ndarray:
        at = 30 * (t / 1e6 + 0.2 * np.sin(4 * t / 1e6))
        return sum(a * np.sin(kx * (x + at) + ky * y + phase) for kx, ky, phase, a in waves)

    t, step, parts = 0.0, 500.0, []
    before = light(0.0)
    reference = before.copy()
    while t < seconds * 1e6:
        after = light(t + step)
        for _ in range(4):
            rows = np.nonzero(np.abs(after - reference) >= threshold)
            sign = np.sign(after - reference)[rows]
            reference[rows] += sign * threshold
            part = (reference[rows] - before[rows]) / (after - before)[rows]
            parts.append((t + step * part, rows[1], rows[0], sign > 0))
        before, t = after, t + step
    times, xs, ys, on = (np.concatenate(column) for column in zip(*parts, strict=True))
    extra = [rng.uniform(0, seconds * 1e6, noise), rng.integers(0, 40, noise), rng.integers(0, 24, noise), rng.random(noise) > 0.5]
    columns = [np.concatenate(pair) for pair in zip((np.rint(times), xs, ys, on), (np.rint(extra[0]), *extra[1:]), strict=True)]
    events = Events.make(*columns, sensor_size=(40, 24), sort=True)
    taken = np.arange(20_000, seconds * 1e6 - 20_000, 30_000).astype(np.int64)
    images = np.stack([np.clip(np.rint(50 * np.exp(light(float(one)))) - 10, 0, 255) for one in taken]).astype(np.uint8)
    frames = Frames.make(images, true.inverse(taken))
    return Recording(events), recorded(frames={"grey": frames})


def test_pixels_that_both_share() -> None:
    for true, near in ((Clock(-70_000), None), (Clock(10**15, 2e-4, -(10**15)), 10**15 + 100_000)):
        a, b = sliding(true)
        found = by_pixels(a, b, near)
        assert off(found.clock, true, b.frames["grey"].t) < 1_000 and found.rms < 1_000


def test_pixels_that_are_not_the_same() -> None:
    a, b = sliding(Clock(0), noise=10_000)
    frames = b.frames["grey"]
    assert off(by_pixels(a, b).clock, Clock(0), frames.t) < 2_000
    others = [sliding(Clock(0), seed=seed)[1] for seed in range(1, 3)]
    for other in (recorded(frames={"grey": replace(frames, images=frames.images[:, ::-1])}), *others):
        with pytest.raises(UserError, match="do not go together at their pixels"):
            by_pixels(a, other)
    with pytest.raises(UserError, match="no frames of the event camera's 40x24 pixels"):
        by_pixels(a, recorded(frames={"grey": exposures()}))
    with pytest.raises(UserError, match="first recording has no events"):
        by_pixels(b, b)
    with pytest.raises(UserError, match="0 intervals between frames lie within the events"):
        by_pixels(a, b, near=10**9)


# By a mark.


@settings(max_examples=20)
@given(offsets, st.floats(0.03, 0.4), st.floats(1.5, 8))
def test_a_sheet_taken_away_gives_the_offset(offset: int, width: float, at: float) -> None:
    scene, true = Scene.sheet(12, (at,), width), Clock(offset)
    frames = scene.frames(true)
    found = by_mark(Recording(scene.events(300_000)), recorded(frames={"rgb": frames}))
    assert off(found.clock, true, frames.t) < 100 and found.rms < 100 and "a drift takes two" in found.rests


@settings(max_examples=8)
@given(drifts)
def test_two_sheets_give_a_drift(drift: float) -> None:
    scene, true = Scene.sheet(60, (3.0, 50.0)), Clock(-(10**15), drift, 10**15)
    frames = scene.frames(true)
    found = by_mark(Recording(scene.events(300_000)), recorded(frames={"rgb": frames}))
    assert off(found.clock, true, frames.t) < 100 and found.rms < 100


def test_a_sheet_gone_between_two_frames_leaves_as_much_in_doubt() -> None:
    scene = Scene.sheet(10, (4.0,), 0.003)
    frames = scene.frames(Clock(1000))
    found = by_mark(Recording(scene.events(100_000)), recorded(frames={"rgb": frames}))
    assert off(found.clock, Clock(1000), frames.t) < 17_000
    assert found.rms == pytest.approx(33_333 / 12**0.5, rel=0.01) or found.rms < 5_000


def test_marks_that_cannot_tell() -> None:
    one, two, still = Scene.sheet(20), Scene.sheet(20, (3.0, 11.0)), Scene(np.ones(20_000))
    with pytest.raises(UserError, match=r"first recording: no burst"):
        by_mark(Recording(still.events(20_000)), recorded(frames={"rgb": one.frames(Clock(0))}))
    with pytest.raises(UserError, match=r"second recording: no burst"):
        by_mark(Recording(one.events(20_000)), recorded(frames={"rgb": still.frames(Clock(0))}))
    a, b = Recording(two.events(100_000)), recorded(frames={"rgb": one.frames(Clock(0))})
    with pytest.raises(UserError, match=r"at 3\.0\d\d s, 11\.0\d\d s; at 3\.0\d\d s.*say which offset is near"):
        by_mark(a, b)
    assert abs(by_mark(a, b, near=0).clock(0)) < 100
    assert abs(by_mark(a, b, near=8_000_000).clock(0) - 8_000_000) < 100
    apart = Scene.sheet(20, (3.0, 12.0))
    with pytest.raises(UserError, match="not lie at the same intervals"):
        by_mark(a, recorded(frames={"rgb": apart.frames(Clock(0))}))
    with pytest.raises(UserError, match="too short for a mark"):
        marks(Activity(0, np.array([0.0, 1000.0]), np.array([0.0, 1.0])))


def test_the_ways_agree() -> None:
    """Before the mark nothing, after it movements: both ways find the same clock."""
    t = np.arange(40_000)
    moving = np.diff(Scene.moving(4, 40).total) * (t > 6_000) * 0.015
    scene, true = Scene(np.diff(Scene.sheet(40, (3.0,)).total) + moving), Clock(5_000_000, 0.0)
    a, frames = Recording(scene.events(400_000)), scene.frames(true)
    ours, theirs = of_events(a.events), of_frames(frames)
    assert off(align_marks(ours, theirs).clock, true, frames.t) < 100
    assert off(align(ours, theirs).clock, true, frames.t) < 100


# Both as one recording, and the command line.


def test_both_are_one_recording() -> None:
    frames = exposures(4)
    a = recorded(events=Events.make([1, 2], [0, 1], [0, 0], [0, 1], (2, 2)), triggers=pulses(frames), frames={"grey": frames})
    found = by_edges([5_000, 1_005_100, 1_007_000], [0, 1_000_100, 1_002_000])
    whole = joined(a, recorded(frames={"grey": frames, "rgb": frames}, subject="S", lux=40.0), found)
    assert list(whole.frames) == ["grey", "grey_2", "rgb"] and (whole.subject, whole.lux) == ("S", 40.0)
    assert whole.frames["grey_2"].t.tolist() == (frames.t + 5_000).tolist()
    assert whole.conditions["sync_offset_us"] == 5_000.0 and whole.conditions["sync_rms_us"] == found.rms
    with pytest.warns(RecordingWarning, match="events and triggers of the second recording are left out"):
        assert joined(a, replace(a, frames={}), found).events is a.events


def test_labels_of_both_stand_in_the_order_of_their_onset() -> None:
    found = by_edges([5_000, 1_005_100, 1_007_000], [0, 1_000_100, 1_002_000])
    ours = [Label("AU1", "au", 2_000), Label("AU2", "au", 9_000), Label("AU4", "au", 12_000)]
    theirs = [Label("smile", "movement"), Label("AU6", "au", 4_000), Label("AU12", "au", 7_000)]  # 5 ms later by our clock
    whole = joined(recorded(labels=tuple(ours)), recorded(labels=tuple(theirs)), found)
    assert [label.name for label in whole.labels] == ["smile", "AU1", "AU2", "AU6", "AU4", "AU12"]


def test_images_at_given_times(tmp_path: Path) -> None:
    from PIL import Image

    for k in range(3):
        Image.fromarray(np.full((2, 3), 50 * k, np.uint8)).save(tmp_path / f"{k}.png")
    times = tmp_path / "times.txt"
    for text, expected in (
        ("# a\n5 x\n7\n9\n", [5, 7, 9]),
        ("0.000005 0.png\n0.5\n1600000000.000001", [5, 500_000, 1_600_000_000_000_001]),
    ):
        times.write_text(text)
        assert open_any(tmp_path, times=times).frames["grey"].t.tolist() == expected
    assert open_any(tmp_path, fps=100).frames["grey"].t.tolist() == [0, 10_000, 20_000]
    for text, said in (("x\n", "a line for each frame"), ("1\n2\n", "3 images"), ("1e999\n1.0\n1.0", "a line for each frame")):
        times.write_text(text)
        with pytest.raises(UserError, match=said):
            open_any(tmp_path, times=times)
    with pytest.raises(UserError, match="not both"):
        open_any(tmp_path, fps=1, times=times)
    with pytest.raises(UserError, match="no such file"):
        open_any(tmp_path / "nowhere")


def test_sync_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    scene, true = Scene.moving(1, 15), Clock(2_000_000, 1e-4)
    frames = scene.frames(true)
    write(tmp_path / "a.mxr", Recording(scene.events(100_000)))
    write(tmp_path / "b.mxr", recorded(frames={"rgb": frames}))
    a, b, out = (str(tmp_path / name) for name in ("a.mxr", "b.mxr", "both.mxr"))
    assert main(["sync", a, b, "--json", "--out", out]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["by"] == "motion" and found["rms_us"] < 100
    clock = Clock(found["offset_us"], found["drift"], found["reference_us"])
    assert off(clock, true, frames.t) < 100
    whole = open_recording(out)
    assert whole.frames["rgb"].t.tolist() == clock(frames.t).tolist() and len(whole.events) == 100_000
    assert main(["sync", a, b, "--near", "2"]) == 0
    said = capsys.readouterr().out
    assert "ppm" in said and "correlation" in said and "residual" in said
    for argv, told in (
        (["--by", "mtion"], "did you mean motion?"),
        (["--by", "triggers"], "no trigger edges"),
        (["--out", out], "exists"),
    ):
        assert main(["sync", a, b, *argv]) == 2
        out_, err = capsys.readouterr()
        assert out_ == "" and told in err and err.count("\n") == 1


def test_each_of_two_recordings_is_read_in_its_own_way(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    events = Scene.sheet(6).events(30_000)
    rows = list(zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist(), strict=True))
    (tmp_path / "a.txt").write_text("".join(f"{t + 3_000_000} {x} {y} {p}\n" for t, x, y, p in rows))
    (tmp_path / "b.log").write_text("".join(f"{x} {y} {p} {t / 1000}\n" for t, x, y, p in rows))
    command = ["sync", str(tmp_path / "a.txt"), str(tmp_path / "b.log"), "--by", "mark", "--option", "time_unit=us"]
    of_b = ["--format-b", "text", "--option-b", "columns=xypt", "--option-b", "time_unit=ms"]
    assert main([*command, *of_b, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["offset_us"] == 3_000_000
    for more, said in (
        ([*of_b, "--sensor-size-b", "4x3"], "b.log: event 4 lies at x=4, y=0, outside"),
        (["--option-b", "columns"], "--option-b takes NAME=VALUE"),
        ([*of_b, "--fps", "5"], "b.log: format, columns, time_unit is of recordings, but"),
        (["--repair-b"], "b.log: repair is of recordings, but this is read as frames"),
    ):
        assert main([*command, *more]) == 2
        assert said in capsys.readouterr().err


# Real recordings.


def test_exposure_marks_of_a_real_camera(test_data: Path) -> None:
    """A DAVIS346: its triggers are the marks of its own frames, which another clock is put on."""
    a = open_recording(test_data / "events" / "evlibpy_sample.aedat4")
    frames = recorded(frames=dict(a.frames))
    with pytest.raises(UserError, match="of one period"):
        by_triggers(a, frames)  # 40 ms each, one more exposure at one end, one mark at the other
    found = by_triggers(a, frames, near=3_000)
    assert found.clock(a.frames["grey"].t).tolist() == a.frames["grey"].t.tolist() and found.rms == found.largest == 0
    assert found.rests == "pulses of inputs 8 and 9, exposures of grey: 6 edges that match, of 8 and 8"
    assert by_triggers(a, a, near=0).clock(a.triggers.t).tolist() == a.triggers.t.tolist()
    true = Clock(1_589_163_147_000_000, 2e-4)
    found = by_triggers(a, true.inverse.moved(frames), near=true.offset)
    assert off(found.clock, true, true.inverse(a.frames["grey"].t)) < 3


def test_edges_of_a_real_camera(test_data: Path) -> None:
    """A Prophesee camera with one pulse: its two edges give an offset."""
    a = open_recording(test_data / "events" / "evt3_with_triggers.raw")
    assert a.triggers.t.tolist() == [14547491, 14549491]
    frames = Frames.make(np.zeros((1, 2, 2), np.uint8), start=[1_000_000], end=[1_002_000])
    found = by_triggers(a, recorded(frames={"rgb": frames}))
    assert (found.clock, found.rms) == (Clock(13_547_491, 0.0, 1_001_000), 0.0)
    with pytest.raises(UserError, match="no two intervals"):
        by_triggers(a, recorded(frames={"rgb": replace(frames, end=frames.end + 3_000)}))


def test_frames_and_events_of_one_real_sensor(test_data: Path) -> None:
    """Both DAVIS give events and frames on one clock; events come 5 to 6 ms after the frames tell: the pixels take that long."""
    folder = test_data / "events" / "slider_depth"
    rows = np.loadtxt(folder / "events.txt")
    events = Events.make(np.rint(rows[:, 0] * 1e6).astype(int), *rows[:, 1:].T.astype(int), sensor_size=(240, 180))
    slider = open_any(folder / "images", times=folder / "images.txt")
    davis = open_recording(test_data / "events" / "evlibpy_sample.aedat4")
    for a, b in ((Recording(events), slider), (davis, davis)):
        found = by_pixels(a, b)
        assert 4_000 < found.clock.offset < 7_000 and found.rms < 100
        with pytest.raises(UserError, match="intervals between frames are too few"):  # as a whole they tell no offset
            by_motion(a, b)


@pytest.mark.parametrize("rate", [4, 24])
def test_motion_of_pixels_that_fire_at_random(rate: int) -> None:
    """Events that follow the motion, but each from any pixel: the time since a pixel's last event means nothing then."""
    rng, true = np.random.default_rng(rate), Clock(123_456, 40e-6)
    amount = np.maximum(np.convolve(rng.normal(size=30_000), np.hanning(200), "same") / 8 + 0.5, 0)  # in each ms
    counts = rng.poisson(amount * rate)
    t = np.sort(np.repeat(np.arange(30_000) * 1000, counts) + rng.integers(0, 1000, counts.sum()))
    events = Events.make(t, *rng.integers(0, 32, (2, len(t))), rng.integers(0, 2, len(t)), (32, 32))
    at = np.rint(np.arange(29 * 30) / 30 * 1e6).astype(np.int64)
    total = np.interp(true(at) / 1000, np.arange(30_001), np.concatenate([[0], np.cumsum(amount)]))
    level, sign = np.zeros(len(at)), 1
    for k in range(1, len(at)):  # a brightness that goes to and fro, so that the change over an interval is what happened in it
        level[k] = level[k - 1] + sign * (total[k] - total[k - 1])
        sign = -sign if abs(level[k]) > 100 else sign
    images = np.rint(np.interp(level, (level.min(), level.max()), (0, 60_000))).astype(np.uint16)
    frames = Frames.make(np.broadcast_to(images[:, None, None], (len(at), 8, 8)).copy(), t=at)
    found = by_motion(Recording(events), Recording(None, frames={"grey": frames}))
    assert np.abs(found.clock(at) - true(at)).max() < 1000  # 0.1 to 0.5 ms, which so few events leave open
