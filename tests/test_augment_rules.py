"""The rules of augmentations: against frames, plain arithmetic and tonic, and their draws against theory; labels that follow."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest
import tonic.transforms as tonic
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.data.datasets.smoke import CLASSES, smoke
from mxsnn.errors import UserError
from mxsnn.events import Events, frames_by_time
from mxsnn.events.augment import (
    Affine,
    DropEvents,
    EventDrop,
    FaceMirror,
    FlipLR,
    FlipPolarity,
    FlipUD,
    Noise,
    PolarityNoise,
    RandomCrop,
    RandomResizedCrop,
    SpikingFER,
    TimeJitter,
    TimeReversal,
)
from mxsnn.events.augment.frames import warp
from mxsnn.events.augment.geometry import move
from mxsnn.events.random import below, fold_in, host_key
from mxsnn.events.stream import to_structured

SIZE = (11, 7)
LENGTH = 2000  # us, of the window
KEYS = [host_key(0, k) for k in range(40)]


def random_stream(
    n: int, seed: int = 0, start: int = 0, span: int = LENGTH, part: tuple[int, int] = SIZE, size: tuple[int, int] = SIZE
) -> Events:
    """`n` events of the first `span` us from `start` on, on a part of the sensor; the first is at `start`."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, span, n))
    t[:1] = 0
    return Events.make(start + t, rng.integers(0, part[0], n), rng.integers(0, part[1], n), rng.integers(0, 2, n), size)


def differences(found: np.ndarray, expected: np.ndarray) -> float:
    """Chi squared of counts."""
    return float(((found - expected) ** 2 / expected).sum())


# Flips


def test_flips_are_those_of_frames() -> None:
    events = random_stream(300)
    frames = frames_by_time(events, 5, 0, LENGTH)
    for one, axis in ((FlipLR(1.0), 2), (FlipUD(1.0), 1), (FlipPolarity(1.0), 3)):
        assert (frames_by_time(one(events, KEYS[0]), 5, 0, LENGTH) == np.flip(frames, axis)).all()
        assert one(one(events, KEYS[0]), KEYS[1]) == events
    reversal = TimeReversal(0, LENGTH, p=1.0)
    assert (frames_by_time(reversal(events, KEYS[0]), 5, 0, LENGTH) == np.flip(frames, (0, 3))).all()
    kept = TimeReversal(0, LENGTH, p=1.0, flip_polarity=False)
    assert (frames_by_time(kept(events, KEYS[0]), 5, 0, LENGTH) == np.flip(frames, 0)).all()
    assert kept(kept(events, KEYS[0]), KEYS[1]) == events


def test_flips_are_those_of_tonic() -> None:
    events = random_stream(300)
    last = int(events.t[-1]) + 1
    pairs = [
        (FlipLR(1.0), tonic.RandomFlipLR((*SIZE, 2), p=1.0)),
        (FlipUD(1.0), tonic.RandomFlipUD((*SIZE, 2), p=1.0)),
        (FlipPolarity(1.0), tonic.RandomFlipPolarity(p=1.0)),
        (TimeReversal(0, last, p=1.0), tonic.RandomTimeReversal(p=1.0)),
        (TimeReversal(0, last, p=1.0, flip_polarity=False), tonic.RandomTimeReversal(p=1.0, flip_polarities=False)),
    ]
    for ours, theirs in pairs:
        np.testing.assert_array_equal(to_structured(ours(events, KEYS[0])), theirs(to_structured(events)))


def test_each_polarity_for_itself() -> None:
    events = random_stream(20_000)
    noisy = PolarityNoise(0.2)(events, KEYS[0])
    flipped = noisy.p != events.p
    assert abs(flipped.sum() - 4000) < 4 * math.sqrt(20_000 * 0.2 * 0.8)
    assert abs(np.corrcoef(flipped[1:], flipped[:-1])[0, 1]) < 4 / math.sqrt(20_000)
    assert (noisy.t == events.t).all() and (noisy.x == events.x).all()


# Drops


def test_the_share_that_is_dropped() -> None:
    n = 20_000
    kept = [len(DropEvents(0.3)(random_stream(n), key)) for key in KEYS]
    sigma = math.sqrt(n * 0.3 * 0.7)
    assert all(abs(left - 0.7 * n) < 4.5 * sigma for left in kept)
    assert 0.6 * sigma < np.std(kept) < 1.5 * sigma


def test_event_drop_is_one_of_four() -> None:
    """What is dropped is a stretch of time, a box, or neither, and has the size that it should have."""
    size, n, draws = (40, 20), 4000, 800
    place = np.random.default_rng(0).permutation(n) // 5  # each pixel five times
    events = Events.make(np.arange(n) // 2, place % 40, place // 40, np.arange(n) % 2, size)
    counts, times, areas, shares, borders = np.zeros(4), [], [], [], set()
    for draw in range(draws):
        one = EventDrop(0, LENGTH)
        kept = one(events, host_key(5, draw))
        gone = np.ones(n, bool)
        gone[2 * kept.t + kept.p] = False
        assert events[~gone] == kept
        if not gone.any():
            counts[0] += 1
            continue
        t, x, y = events.t[gone], events.x[gone], events.y[gone]
        inside = (events.x >= x.min()) & (events.x <= x.max()) & (events.y >= y.min()) & (events.y <= y.max())
        if gone.all() or gone[(events.t >= t.min()) & (events.t <= t.max())].all():
            counts[1] += 1
            times.append(gone.mean())
        elif gone[inside].all():
            counts[2] += 1
            areas.append(((x.max() - x.min() + 1) / size[0], (y.max() - y.min() + 1) / size[1]))
            borders |= {x.min() == 0 and "left", x.max() == 39 and "right", y.min() == 0 and "top", y.max() == 19 and "bottom"}
        else:
            counts[3] += 1
            shares.append(gone.mean())
    assert differences(counts, np.full(4, draws / 4)) < 16.3  # 3 degrees of freedom, p = 0.001
    for found in (times, shares):
        tenths = np.array(found) * 10
        assert (abs(tenths - np.round(tenths)) < 0.35).all()  # among 4000 events
        expected = np.full(9, len(found) / 9)
        assert differences(np.bincount(np.round(tenths).astype(int), minlength=10)[1:], expected) < 26.1  # 8 degrees of freedom
    sides = np.array(areas) * 20
    assert (np.round(sides) == np.round(sides[:, :1])).all() and (abs(sides - np.round(sides)) < 1e-9).all()
    assert differences(np.bincount(sides[:, 0].round().astype(int), minlength=6)[1:], np.full(5, len(areas) / 5)) < 18.5
    assert {"left", "right", "top", "bottom"} <= borders


def test_event_drop_drops_any_stretch_of_time() -> None:
    """In a window of 10 us: k of them, from any us at which they fit."""
    t = np.repeat(np.arange(10), 77)
    events = Events.make(t, np.tile(np.arange(77) % 11, 10), np.tile(np.arange(77) // 11, 10), np.zeros(770), SIZE)
    seen = set()
    for k in range(3000):
        left = np.bincount(EventDrop(0, 10)(events, host_key(6, k)).t, minlength=10)
        gone = np.flatnonzero(left == 0)
        if len(gone) and (left[left > 0] == 77).all():
            seen.add((len(gone), int(gone[0])))
            assert (np.diff(gone) == 1).all()
    assert seen == {(k, first) for k in range(1, 10) for first in range(11 - k)}


# Noise


def test_noise_is_a_poisson_process() -> None:
    size, rate, window = (8, 6), 50.0, (1000, 101_000)
    noise = [Noise(*window, rate=rate)(Events.empty(size), host_key(2, k)) for k in range(400)]
    mean = rate * 0.1 * 48
    counts = np.array([len(one) for one in noise])
    assert abs(counts.mean() - mean) < 4 * math.sqrt(mean / 400)
    assert 0.75 < counts.var() / mean < 1.3
    t, x, y, p = (np.concatenate([getattr(one, name) for one in noise]) for name in "txyp")
    total = len(t)
    assert t.min() >= 1000 and t.max() < 101_000
    places = np.bincount(y.astype(int) * 8 + x, minlength=48)
    assert differences(places, np.full(48, total / 48)) < 82.7  # 47 degrees of freedom, p = 0.001
    assert differences(np.histogram(t, 20, (1000, 101_000))[0], np.full(20, total / 20)) < 43.8
    assert abs(p.sum() - total / 2) < 4 * math.sqrt(total) / 2
    together = np.corrcoef(np.stack([t, x, y, p]).astype(float)) - np.eye(4)
    assert abs(together).max() < 4.5 / math.sqrt(total)  # each is drawn for itself
    rare = [len(Noise(0, 1000, rate=10.0)(Events.empty((5, 5)), host_key(3, k))) for k in range(2000)]  # 0.25 on average
    expected = 2000 * np.array([math.exp(-0.25), 0.25 * math.exp(-0.25), 1 - 1.25 * math.exp(-0.25)])
    assert differences(np.bincount(np.minimum(rare, 2), minlength=3), expected) < 13.8


@given(st.integers(0, 300), st.sampled_from([0.0, 0.2, 1 / 3, 0.5, 1.0, 1.2, 2.999]))
def test_noise_as_a_share(n: int, share: float) -> None:
    events = random_stream(n)
    noisy = Noise(0, LENGTH, share=share)(events, KEYS[0])
    assert len(noisy) == n + math.floor(n * share + 1e-9) and (np.diff(noisy.t) >= 0).all()
    rows = [*zip(*(getattr(noisy, name).tolist() for name in "txyp"), strict=True)]
    for row in zip(*(getattr(events, name).tolist() for name in "txyp"), strict=True):
        rows.remove(row)  # each is still there


def test_noise_stands_behind_events_of_the_same_time() -> None:
    events = Events.make([5] * 50, np.arange(50) % 11, [0] * 50, [1] * 50, SIZE)
    noisy = Noise(5, 6, share=1.0)(events, KEYS[0])
    assert noisy[:50] == events


def test_jitter_is_normal() -> None:
    n, sigma = 50_000, 250.0
    events = Events.make(np.full(n, 5000), [0] * n, [0] * n, [0] * n, SIZE)
    moved = TimeJitter(sigma, 0, 10_000)(events, KEYS[0])
    assert len(moved) == n  # further than 20 sigma from the borders
    z = (moved.t - 5000) / sigma
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs(z.std() - 1) < 4 / math.sqrt(2 * n)
    inner = [math.erf(k / math.sqrt(2)) for k in (1, 2, 3)]
    for k, expected in zip((1, 2, 3), inner, strict=True):
        assert abs((abs(z) <= k).mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / n) + 2e-3
    assert (np.diff(moved.t) >= 0).all()


def test_jitter_at_the_borders() -> None:
    n = 20_000
    events = Events.make(np.zeros(n, int), [0] * n, [0] * n, [0] * n, SIZE)
    left = len(TimeJitter(100.0, 0, LENGTH)(events, KEYS[0]))
    assert abs(left - n / 2) < 4 * math.sqrt(n) / 2 + n * 0.003  # what rounds to 0 stays
    assert TimeJitter(0, 0, LENGTH)(random_stream(60), KEYS[0]) == random_stream(60)


def test_jitter_keeps_the_order_of_equal_times() -> None:
    events = random_stream(500, span=40)
    moved = TimeJitter(0.3, 0, LENGTH)(events, KEYS[0])
    index = np.arange(500)
    marked = Events.make(events.t, index % 11, index // 11 % 7, index // 77 % 2, SIZE)
    moved = TimeJitter(0.3, 0, LENGTH)(marked, KEYS[0])
    number = moved.x + 11 * moved.y.astype(int) + 77 * moved.p.astype(int)
    same = np.diff(moved.t) == 0
    assert same.any() and (np.diff(number)[same] % 154 > 0).all()


# Geometry


def test_shifts_are_those_of_frames() -> None:
    events = random_stream(300)
    frames = frames_by_time(events, 3, 0, LENGTH).astype(np.uint8)
    seen = set()
    for k in range(600):
        key = host_key(k)
        dx, dy = (int(below(fold_in(key, axis), 7)) - 3 for axis in range(2))
        seen.add((dx, dy))
        if k < 30:
            moved = frames_by_time(Affine(shift=3)(events, key), 3, 0, LENGTH)
            np.testing.assert_array_equal(moved, warp(jnp.asarray(frames), dx, dy, 0, 1))
    assert len(seen) == 49


@pytest.mark.parametrize("turns", range(4))
def test_quarter_turns_are_exact(turns: int) -> None:
    for side in (7, 8):
        events = random_stream(200, part=(side, side), size=(side, side))
        a, b = ((2**14, 0), (0, 2**14), (-(2**14), 0), (0, -(2**14)))[turns]
        turned = frames_by_time(move(events, 0, 0, a, b), 3, 0, LENGTH)
        np.testing.assert_array_equal(turned, np.rot90(frames_by_time(events, 3, 0, LENGTH), -turns, axes=(1, 2)))


def test_turns_and_scales_as_in_float64() -> None:
    size = (346, 260)
    events = random_stream(5000, size=size, part=size)
    one = Affine(shift=5, rotate=30, scale=0.2)
    for key in KEYS[:20]:
        dx, dy = (int(below(fold_in(key, k), 11)) - 5 for k in range(2))
        u, v = ((int(below(fold_in(key, k), 8193)) - 4096) / 4096 for k in (2, 3))
        angle, factor = math.radians(30 * u), math.exp(0.2 * v)
        x, y = events.x - 172.5, events.y - 129.5
        at_x = factor * (math.cos(angle) * x - math.sin(angle) * y) + 172.5 + dx
        at_y = factor * (math.sin(angle) * x + math.cos(angle) * y) + 129.5 + dy
        inside = (np.round(at_x) >= 0) & (np.round(at_x) < 346) & (np.round(at_y) >= 0) & (np.round(at_y) < 260)
        clear = (abs(at_x % 1 - 0.5) > 0.02) & (abs(at_y % 1 - 0.5) > 0.02)  # what lies between two pixels may go to either
        marked = Events(np.arange(5000), events.x, events.y, events.p, size)
        moved = one(marked, key)
        sure = np.flatnonzero(inside & clear)
        assert set(sure) <= set(moved.t.tolist())
        place = np.searchsorted(moved.t, sure)
        np.testing.assert_array_equal(moved.x[place], np.round(at_x[sure]))
        np.testing.assert_array_equal(moved.y[place], np.round(at_y[sure]))
        assert not set(np.flatnonzero(~inside & clear)) & set(moved.t.tolist())


def test_angles_and_scales_are_even() -> None:
    """Recovered from where a point on the right of a large sensor goes."""
    events = Events.make([0], [15_000], [10_000], [1], (20_001, 20_001))
    turned, scaled = [], []
    for k in range(1000):
        a, b = (one(events, host_key(k)) for one in (Affine(rotate=40), Affine(scale=0.3)))
        turned.append(math.degrees(math.atan2(int(a.y[0]) - 10_000, int(a.x[0]) - 10_000)))
        scaled.append(math.log((int(b.x[0]) - 10_000) / 5000))
        assert b.y[0] == 10_000
    for found, most in ((turned, 40), (scaled, 0.3)):
        assert np.abs(found).max() <= most * 1.001
        assert differences(np.histogram(found, 20, (-most * 1.001, most * 1.001))[0], np.full(20, 50)) < 43.8


def test_the_largest_sensor() -> None:
    size = (2**15, 2**15)
    corners = Events.make([0, 1, 2, 3], [0, 2**15 - 1, 0, 2**15 - 1], [0, 0, 2**15 - 1, 2**15 - 1], [0] * 4, size)
    assert FlipLR(1.0)(FlipUD(1.0)(corners, KEYS[0]), KEYS[0]).x.tolist() == corners.x.tolist()[::-1]
    with pytest.raises(UserError, match="is too much for a sensor of 32768x32768 pixels"):
        Affine(shift=20_000)(corners, KEYS[0])
    for key in KEYS:
        turned = Affine(rotate=180)(corners, key)
        assert len(turned) <= 4
    assert FaceMirror(1.0)(corners, KEYS[0]).x.tolist().count(0) == 2


def test_crops_are_those_of_frames() -> None:
    events = random_stream(400)
    frames = frames_by_time(events, 2, 0, LENGTH)
    seen = np.zeros((3, 6))
    for k in range(900):
        key = host_key(k)
        left, top = int(below(fold_in(key, 0), 6)), int(below(fold_in(key, 1), 3))
        seen[top, left] += 1
        if k < 30:
            cropped = RandomCrop(6, 5)(events, key)
            assert cropped.sensor_size == (6, 5)
            np.testing.assert_array_equal(frames_by_time(cropped, 2, 0, LENGTH), frames[:, top : top + 5, left : left + 6])
    assert differences(seen, np.full((3, 6), 50)) < 40.8  # 17 degrees of freedom, p = 0.001
    assert RandomCrop(*SIZE)(events, KEYS[0]) == events
    with pytest.raises(UserError, match="larger than the sensor of 11x7"):
        RandomCrop(12, 3)(events, KEYS[0])


def test_resized_crops() -> None:
    """A grid of one event a pixel: those inside of a box come in equal parts, and boxes are as torchvision draws them."""
    size = (60, 48)
    y, x = (axis.ravel() for axis in np.mgrid[:48, :60])
    grid = Events.make(np.arange(60 * 48), x, y, np.zeros(60 * 48), size)
    areas, ratios = [], []
    for k in range(600):
        cropped = RandomResizedCrop(16, 12)(grid, host_key(k))
        assert cropped.sensor_size == (16, 12)
        inside = cropped.t
        left, right, top, bottom = x[inside].min(), x[inside].max() + 1, y[inside].min(), y[inside].max() + 1
        assert len(inside) == (right - left) * (bottom - top)
        np.testing.assert_array_equal(cropped.x, ((x[inside] - left + 0.5) * 16 / (right - left)).astype(int))
        np.testing.assert_array_equal(cropped.y, ((y[inside] - top + 0.5) * 12 / (bottom - top)).astype(int))
        areas.append(len(inside) / len(grid))
        ratios.append(math.log((right - left) / (bottom - top)))
    rng = np.random.default_rng(0)
    area, ratio = rng.uniform(0.08, 1, 200_000), rng.uniform(math.log(3 / 4), math.log(4 / 3), 200_000)
    width, height = np.round(np.sqrt(area * 2880 * np.exp(ratio))), np.round(np.sqrt(area * 2880 / np.exp(ratio)))
    fits = (width <= 60) & (height <= 48)
    for found, expected in ((areas, (width * height / 2880)[fits]), (ratios, np.log(width / height)[fits])):
        assert abs(np.mean(found) - expected.mean()) < 4 * expected.std() / math.sqrt(600)
        assert 0.85 < np.std(found) / expected.std() < 1.15
    whole = RandomResizedCrop(*size, scale=(1, 1), ratio=(60 / 48, 60 / 48))
    assert whole(grid, KEYS[0]) == grid
    with pytest.raises(UserError, match="no box has a scale"):
        RandomResizedCrop(4, 4, scale=(1, 1), ratio=(9, 9))(grid, KEYS[0])


@pytest.mark.parametrize("column", [None, 5, 4.5, 2, 8.5, 0, 10])
def test_half_a_face_twice(column: float | None) -> None:
    events = random_stream(400)
    frames = frames_by_time(events, 2, 0, LENGTH)
    axis = 10 if column is None else int(2 * column)
    kept = set()
    for key in KEYS:
        mirrored = frames_by_time(FaceMirror(1.0, column)(events, key), 2, 0, LENGTH)
        results = []
        for side in (-1, 1):
            expected = np.zeros_like(frames)
            for x in range(11):
                from_x = x if (2 * x - axis) * side >= 0 else axis - x
                if 0 <= from_x < 11:
                    expected[:, :, x] = frames[:, :, from_x]
            results.append((expected == mirrored).all())
        assert any(results)
        kept.add(tuple(results))
    assert len(kept) == 2
    assert frames.sum() > 0


# Labels


def test_the_flip_of_a_recording_is_of_its_new_class() -> None:
    """Where the bar moves is read from the events: ON events of the right come late where it sweeps right."""
    recordings = smoke(120)
    seen = set()
    for k in range(120):
        name = recordings.classes[recordings.labels[k]]
        for flip in (FlipLR(), FlipUD()):
            key = host_key(8, k)
            events, new = flip(recordings[k], key), flip.relabel(name, key)
            seen.add((name, new))
            on = events.p == 1
            along_x, along_y = (np.corrcoef(events.t[on], values[on])[0, 1] for values in (events.x, events.y))
            motion = {"right": along_x, "left": -along_x, "down": along_y, "up": -along_y}
            assert new not in motion or motion[new] == max(motion.values())
            assert new in CLASSES
    assert {("left", "right"), ("right", "left"), ("up", "down"), ("left", "left"), ("grow", "grow")} <= seen
    assert ("left", "up") not in seen and ("grow", "shrink") not in seen


def test_half_a_face_and_its_name() -> None:
    """The name says which half was kept: the face's own right is on the left of the image."""
    events = Events.make([0, 1], [0, 10], [0, 0], [0, 1], SIZE)
    seen = set()
    for key in KEYS:
        mirrored = FaceMirror(1.0)(events, key)
        name, selfie = (FaceMirror(1.0, mirrored=side).relabel("wink right", key) for side in (False, True))
        image_left = mirrored.p.tolist() == [0, 0]
        assert (name, selfie) == (("wink both", "") if image_left else ("", "wink both"))
        assert FaceMirror(1.0).relabel("AU6+AU12", key) == "AU6+AU12"
        seen.add(image_left)
    assert seen == {False, True}


def test_a_preset_is_its_parts() -> None:
    events, one = random_stream(60), SpikingFER(0, LENGTH, 10, 12)
    assert one.parts == (
        FlipLR(0.5),
        Noise(0, LENGTH, share=0.2, p=0.5),
        TimeReversal(0, LENGTH, p=0.2, flip_polarity=True),
        PolarityNoise(0.2),
        EventDrop(0, LENGTH),
        RandomResizedCrop(10, 12, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
        FaceMirror(0.5),
    )
    assert SpikingFER(0, 1).parts[5] == RandomResizedCrop(128, 128)
    names = set()
    for key in KEYS:
        expected, name = events, "AU51"
        for k, part in enumerate(one.parts):
            expected, name = part(expected, fold_in(key, k)), part.relabel(name, fold_in(key, k))
        assert one(events, key) == expected
        assert one.relabel("AU51", key) == name
        names.add(name)
    assert names == {"AU51", "AU52", ""}
