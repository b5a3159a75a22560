"""Filters: each against its rule in plain Python, against tonic where tonic is right, and on real recordings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tonic.transforms as bare
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.events import Events, frames_by_time, read
from mxsnn.events.filters import (
    FILTERS,
    BackgroundActivity,
    Crop,
    Decimation,
    Filter,
    Flicker,
    HotPixels,
    Integrate,
    MergePolarities,
    MovingCrop,
    Polarity,
    Pool,
    RateLimit,
    Refractory,
)
from mxsnn.events.stream import to_structured
from mxsnn.events.tonic import compose
from tests.streams import EACH_FILTER, FAR, random_stream, rows, shifted

SIZE = (7, 4)

each = pytest.mark.parametrize("filter", EACH_FILTER, ids=str)


@st.composite
def streams(draw: st.DrawFn, most: int = 120) -> Events:
    """Streams with equal times, and often few pixels; up to one event a us, from any time on."""
    n, seed = draw(st.integers(0, most)), draw(st.integers(0, 2**32 - 1))
    width, height = draw(st.integers(1, SIZE[0])), draw(st.integers(1, SIZE[1]))
    rng = np.random.default_rng(seed)
    t = draw(st.sampled_from([0, 7, -500, 2**31 - 100, FAR])) + np.sort(rng.integers(0, draw(st.integers(1, 2000)), n))
    return Events.make(t, rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n), SIZE)


# What holds for all


def test_each_is_here() -> None:
    assert {type(filter) for filter in EACH_FILTER} == set(FILTERS)


@each
def test_some_pass(filter: Filter) -> None:
    rng = np.random.default_rng(0)
    n = 2000
    pixels = rng.integers(0, SIZE[0], n), rng.integers(0, SIZE[1], n) * rng.integers(0, 2, n)  # more in the first row
    events = Events.make(np.sort(rng.integers(0, 5000, n)), *pixels, rng.integers(0, 2, n), SIZE)
    assert 0 < len(filter(events)) < n or isinstance(filter, MergePolarities)


@each
@given(events=streams())
def test_a_valid_stream_whose_events_were_there_in_this_order(filter: Filter, events: Events) -> None:
    before = rows(events)
    result = filter(events)
    assert rows(events) == before
    assert result == Events.make(result.t, result.x, result.y, result.p, result.sensor_size)
    if result.sensor_size == SIZE and not isinstance(filter, MergePolarities):
        left = iter(before)
        assert all(row in left for row in rows(result))  # a subsequence
    assert filter(events) == result


@each
def test_a_view_of_a_stream(filter: Filter) -> None:
    """Windows and every second event are views, which lie in memory otherwise."""
    rng = np.random.default_rng(1)
    events = Events.make(np.arange(300), rng.integers(0, 7, 300), rng.integers(0, 4, 300), rng.integers(0, 2, 300), SIZE)
    part = events[10:200:2]
    assert filter(part) == filter(Events.make(part.t, part.x, part.y, part.p, SIZE))


@each
def test_in_the_text_of_an_experiment(filter: Filter) -> None:
    arguments = ", ".join(f"{name}={value!r}" for name, value in vars(filter).items() if value is not None)
    encoding = compose([f"{type(filter).__name__}({arguments})", "TimeFrames(bins=3, start=0, stop=300)"], SIZE)
    assert encoding.transforms[0] == filter
    assert hash(encoding.transforms[0]) == hash(filter)
    assert compose(encoding.specs, SIZE).transforms == encoding.transforms
    assert encoding(Events.empty(SIZE)).shape == encoding.output_shape()


@each
def test_in_tonics_own_compose(filter: Filter) -> None:
    rng = np.random.default_rng(2)
    events = Events.make(np.arange(300), rng.integers(0, 7, 300), rng.integers(0, 4, 300), rng.integers(0, 2, 300), SIZE)
    arguments = {**vars(filter), "sensor_size": (*SIZE, 2)}
    own = bare.Compose([bare.TimeSkew(coefficient=1.0, offset=0), type(filter)(**arguments)])
    np.testing.assert_array_equal(own(to_structured(events)), to_structured(filter(events)))


# Each by its rule


@given(streams(), st.integers(1, 60), st.sampled_from([4, 8]))
def test_background_activity(events: Events, time: int, neighbours: int) -> None:
    def near(dx: int, dy: int) -> bool:
        return (abs(dx) + abs(dy) == 1) if neighbours == 4 else (max(abs(dx), abs(dy)) == 1)

    every = rows(events)
    expected = [
        (t, x, y, p) for k, (t, x, y, p) in enumerate(every) if any(near(x - a, y - b) and t - s < time for s, a, b, _ in every[:k])
    ]
    assert rows(BackgroundActivity(time, neighbours)(events)) == expected


@given(streams(), st.integers(1, 60))
def test_background_activity_of_4_neighbours_is_tonics_denoise(events: Events, time: int) -> None:
    """Where no time is below filter_time, so that tonic's memory of it lies in the past."""
    if len(events):
        late = shifted(events, time - int(events.t[0]))
        np.testing.assert_array_equal(to_structured(BackgroundActivity(time, 4)(late)), bare.Denoise(time)(to_structured(late)))


def test_background_activity_does_not_reach_around_the_sensor() -> None:
    events = Events.make(range(6), [6, 0, 6, 0, 3, 3], [0, 1, 1, 2, 0, 3], [1] * 6, SIZE)
    assert rows(BackgroundActivity(100)(events)) == [(2, 6, 1, 1), (3, 0, 2, 1)]


@given(streams(), st.integers(1, 60))
def test_refractory(events: Events, time: int) -> None:
    last: dict[tuple[int, int], int] = {}
    expected = []
    for t, x, y, p in rows(events):
        if (x, y) not in last or t - last[x, y] > time:
            expected.append((t, x, y, p))
        last[x, y] = t
    assert rows(Refractory(time)(events)) == expected
    if len(events):
        late = shifted(events, 1 - int(events.t[0]))  # a pixel's first event passes at a time above 0
        np.testing.assert_array_equal(to_structured(Refractory(time)(late)), bare.RefractoryPeriod(time)(to_structured(late)))


@given(streams(), st.integers(1, 9))
def test_decimation(events: Events, n: int) -> None:
    result = Decimation(n)(events)
    count: dict[tuple[int, int], int] = {}
    expected = []
    for t, x, y, p in rows(events):
        count[x, y] = count.get((x, y), 0) + 1
        if count[x, y] % n == 0:
            expected.append((t, x, y, p))
    assert rows(result) == expected
    if len(result):
        np.testing.assert_array_equal(to_structured(result), bare.Decimation(n)(to_structured(events)))


def test_hot_pixels() -> None:
    """Pixels that fire at random 100 times on average stay; those that fire twice as often or more go, wherever they lie."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(100, (60, 80))
    hot = rng.choice(60 * 80, 25, replace=False)
    counts.flat[hot] = rng.integers(200, 100_000, 25)
    pixel = np.repeat(np.arange(60 * 80), counts.ravel())
    rng.shuffle(pixel)
    events = Events.make(np.arange(len(pixel)), pixel % 80, pixel // 80, pixel % 2, (80, 60))
    kept = HotPixels(sigma=6)(events)
    assert rows(kept) == rows(events[~np.isin(pixel, hot)])
    assert HotPixels(sigma=6)(kept) == kept


@given(streams(), st.floats(0.1, 20))
def test_hot_pixels_by_the_rule(events: Events, sigma: float) -> None:
    count: dict[tuple[int, int], int] = {}
    for _, x, y, _ in rows(events):
        count[x, y] = count.get((x, y), 0) + 1
    if not count:
        return
    m = np.median(list(count.values()))
    s = max(1.4826 * np.median([abs(n - m) for n in count.values()]), m**0.5)
    assert rows(HotPixels(sigma)(events)) == [row for row in rows(events) if count[row[1], row[2]] <= m + sigma * s]


def blinking(t0: int, cycles: int, period: int, x: int, y: int, jitter: int = 0) -> list[tuple[int, int, int, int]]:
    """What a pixel fires that sees a lamp: three ON and three OFF events in each cycle."""
    rng = np.random.default_rng(x + y)
    return [
        (t0 + k * period + j * 400 + (j >= 3) * period // 3 + int(rng.integers(-jitter, jitter + 1)), x, y, int(j < 3))
        for k in range(cycles)
        for j in range(6)
    ]


def made(*parts: list[tuple[int, int, int, int]], size: tuple[int, int] = (40, 30)) -> Events:
    t, x, y, p = zip(*itertools.chain(*parts), strict=True)
    return Events.make(t, x, y, p, size, sort=True)


@pytest.mark.parametrize(("mains", "period"), [(50, 10_000), (60, 8_333)])
def test_flicker_goes_and_a_moving_edge_stays(mains: int, period: int) -> None:
    lamp = [row for x in range(10) for y in range(5) for row in blinking(137 * x + 11 * y, 50, period, x, y, jitter=100)]
    # An edge that sweeps over all columns and back, 5 ms each, an event of each row: pixels see it at other intervals
    edge = [(20_000 + 5_000 * k, min(k, 79 - k), y, int(k < 40)) for k in range(80) for y in range(6, 30)]
    kept = Flicker(mains)(made(lamp, edge))
    of_edge = kept.y >= 6
    assert rows(kept[of_edge]) == sorted(edge)
    assert len(kept[~of_edge]) == 50 * 4 * 6  # the first rise is that of the second cycle, the third period ends with the fifth
    assert kept[~of_edge].t.max() < 4 * period + 5_000
    other = Flicker(60 if mains == 50 else 50, tolerance=0.05)(made(lamp, edge))
    assert len(other) == len(lamp) + len(edge)


def test_a_lamp_that_goes_out_no_longer_counts() -> None:
    lamp = blinking(0, 20, 10_000, 3, 3)
    later = [(20 * 10_000 + 50_000 + 3_000 * k, 3, 3, k % 2) for k in range(20)]
    kept = Flicker(50)(made(lamp, later))
    assert rows(kept)[-20:] == later
    assert len(kept) == 20 + 4 * 6


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0, 0.9))
def test_flicker_by_the_rule(seed: int, cycles: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    t, p = np.cumsum(rng.choice([20, 50, 80], 200)), (np.arange(200) + (rng.random(200) < 0.1)) % 2  # mostly turn by turn
    events = Events.make(FAR + t, (rng.random(200) < 0.1).astype(int), np.zeros(200), p, SIZE)
    filter = Flicker(mains=5_000, cycles=cycles, tolerance=tolerance)
    period, expected = 100, []
    past: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for t, x, y, p in rows(events):
        own = past.setdefault((x, y), [])
        own.append((t, p))
        risen = [s for (_, before), (s, now) in itertools.pairwise(own) if now > before]
        fits = [period * (1 - tolerance) <= b - a <= period * (1 + tolerance) for a, b in itertools.pairwise(risen)]
        # Between rises the pixel blinks on only while the next may still come
        alive = bool(risen) and t - risen[-1] <= period * (1 + tolerance)
        if not (alive and len(fits) >= cycles and all(fits[-cycles:])):
            expected.append((t, x, y, p))
    assert rows(filter(events)) == expected


@given(streams(), st.integers(1, 200_000), st.integers(5, 300))
def test_rate_limit(events: Events, rate: int, window: int) -> None:
    if rate * window < 10**6:
        with pytest.raises(UserError, match="one that holds"):
            RateLimit(rate, window)
        return
    kept = RateLimit(rate, window)(events)
    level, last, expected = 0, None, []
    for row in rows(events):
        level = max(0, level - rate * (row[0] - (row[0] if last is None else last)))
        last = row[0]
        if level + 10**6 <= rate * window:
            level += 10**6
            expected.append(row)
    assert rows(kept) == expected
    for k in range(len(kept)):  # no stretch holds more than the bucket and what ran out of it
        stretch = kept.t[k:] - kept.t[k]
        assert (np.arange(1, len(stretch) + 1) * 10**6 <= rate * (window + stretch)).all()


def test_rate_limit_thins_evenly_and_leaves_a_low_rate_alone() -> None:
    n = 100_000
    events = Events.make(np.arange(n), np.zeros(n), np.zeros(n), np.ones(n), SIZE)  # a million a second
    kept = RateLimit(100_000)(events)
    assert len(kept) == 10_000 + 99  # what runs out of the bucket in 99,999 us, and the 100 that it holds
    assert set(np.diff(kept.t)[200:]) == {10}
    assert RateLimit(1_000_000)(events) == events


@given(streams(), st.integers(0, 1))
def test_polarity(events: Events, p: int) -> None:
    assert rows(Polarity(p)(events)) == [row for row in rows(events) if row[3] == p]


@given(streams())
def test_merge_polarities(events: Events) -> None:
    """All ON, where tonic's are all OFF."""
    merged = MergePolarities()(events)
    assert rows(merged) == [(t, x, y, 1) for t, x, y, _ in rows(events)]
    theirs = bare.MergePolarities()(to_structured(events))
    np.testing.assert_array_equal(to_structured(merged)[["t", "x", "y"]], theirs[["t", "x", "y"]])
    assert not theirs["p"].any()


def test_crop() -> None:
    events = random_stream(200, 1000, size=SIZE)
    cropped = Crop(2, 1, 4, 3)(events)
    assert cropped.sensor_size == (4, 3)
    np.testing.assert_array_equal(frames_by_time(cropped, 5, 0, 1000), frames_by_time(events, 5, 0, 1000)[:, 1:4, 2:6])
    for crop in (Crop(4, 1, 4, 3), Crop(-1, 0, 3, 3), Crop(0, 2, 1, 3), Crop(99999, 0, 1, 1)):
        with pytest.raises(UserError, match="reaches beyond the sensor of 7x4"):
            crop(events)


def test_moving_crop() -> None:
    """A dot that moves with the box stands still in it."""
    t = np.arange(0, 1001)
    corner = np.floor(5 + 20 * np.clip((t - 100) / 800, 0, 1) + 0.5).astype(int)
    events = Events.make(t, corner + 3, np.full(1001, 7), t % 2, (40, 30))
    kept = MovingCrop((100, 900), ((5, 5), (25, 5)), 8, 6)(events)
    assert kept == Events.make(t, np.full(1001, 3), np.full(1001, 2), t % 2, (8, 6))


@given(streams(), st.lists(st.tuples(st.integers(1, 400), st.integers(-4, 8), st.integers(-4, 8)), min_size=1, max_size=4))
def test_moving_crop_by_the_rule(events: Events, path: list[tuple[int, int, int]]) -> None:
    times = np.cumsum([gap for gap, _, _ in path]) + (int(events.t[0]) - 200 if len(events) else 0)
    corners = [(x, y) for _, x, y in path]
    expected = []
    for t, x, y, p in rows(events):
        left, top = (
            int(np.floor(np.interp(t - int(times[0]), times - times[0], [c[axis] for c in corners]) + 0.5 + 1e-9))
            for axis in (0, 1)
        )
        if 0 <= x - left < 3 and 0 <= y - top < 2:
            expected.append((t, x - left, y - top, p))
    assert rows(MovingCrop(times.tolist(), corners, 3, 2)(events)) == expected


def test_the_longest_and_widest_way_of_a_box() -> None:
    times, corners = (0, 2**45), ((-32767, 32767), (32767, -32767))
    events = Events.make([0, 2**44, 2**45], [0, 2, 32767], [2, 2, 0], [1, 1, 1])
    kept = MovingCrop(times, corners, 5, 5)(events)
    assert rows(kept) == [(2**44, 2, 2, 1)]


def test_a_box_that_rests_is_a_crop() -> None:
    rng = np.random.default_rng(3)
    events = Events.make(np.arange(300), rng.integers(0, 7, 300), rng.integers(0, 4, 300), rng.integers(0, 2, 300), SIZE)
    assert MovingCrop([40], [(1, 1)], 4, 3)(events) == Crop(1, 1, 4, 3)(events)


@given(streams(), st.integers(1, 5))
def test_pool(events: Events, factor: int) -> None:
    pooled = Pool(factor)(events)
    assert pooled.sensor_size == (-(-SIZE[0] // factor), -(-SIZE[1] // factor))
    count: dict[tuple[int, int, int], int] = {}
    expected = []
    for t, x, y, p in rows(events):
        at = x // factor, y // factor, p
        count[at] = count.get(at, 0) + 1
        if count[at] % factor**2 == 0:
            expected.append((t, *at))
    assert rows(pooled) == expected


@given(streams(), st.integers(1, 4))
def test_integrate(events: Events, factor: int) -> None:
    total: dict[tuple[int, int], int] = {}
    level: dict[tuple[int, int], int] = {}
    expected = []
    for t, x, y, p in rows(events):
        at = x // factor, y // factor
        total[at] = total.get(at, 0) + 2 * p - 1
        level[at] = level.get(at, 0) + 2 * p - 1
        if abs(level[at]) == factor**2:
            expected.append((t, *at, int(level[at] > 0)))
            level[at] = 0
    result = Integrate(factor)(events)
    assert rows(result) == expected
    assert result.sensor_size == (-(-SIZE[0] // factor), -(-SIZE[1] // factor))
    for (x, y), sum_ in total.items():  # the mean's change is told to within a threshold
        of_cell = result.p[(result.x == x) & (result.y == y)]
        assert abs(sum_ - factor**2 * int((2 * of_cell.astype(int) - 1).sum())) < factor**2


def test_integrating_noise_leaves_less_than_counting_it() -> None:
    """ON and OFF at random cancel; events of one polarity do not."""
    rng = np.random.default_rng(0)
    n = 20_000
    x, y = rng.integers(0, 8, n), rng.integers(0, 8, n)
    noise = Events.make(np.arange(n), x, y, rng.integers(0, 2, n), (8, 8))
    assert len(Integrate(4)(noise)) < len(Pool(4)(noise)) / 8
    rise = Events.make(np.arange(n), x, y, np.ones(n), (8, 8))
    assert Integrate(4)(rise) == Pool(4)(rise)


@pytest.mark.parametrize("kind", [Pool, Integrate])
def test_squares_larger_than_the_sensor(kind: Callable[[int], Filter]) -> None:
    events = Events.make(range(20), [1] * 20, [1] * 20, [1] * 20, SIZE)
    for factor in (5, 100_000, 2**70):
        assert kind(factor)(events) == Events.empty((-(-7 // factor), -(-4 // factor)))


# Real recordings


@pytest.mark.parametrize("name", ["faces_easy_0001.bin", "slider_depth"])
def test_real_recordings(name: str, test_data: Path) -> None:
    path = test_data / "events" / name
    events = read(path if path.is_file() else path / "events.txt", sensor_size=(304, 240) if path.is_file() else (240, 180))
    kept = {type(f).__name__: len(f(events)) / len(events) for f in (HotPixels(), BackgroundActivity(10_000), Refractory(1_000))}
    assert kept["HotPixels"] > 0.9
    assert 0.7 < kept["BackgroundActivity"] < 1
    assert 0.5 < kept["Refractory"] < 1
    late = shifted(events, 10_000)
    np.testing.assert_array_equal(to_structured(BackgroundActivity(10_000, 4)(late)), bare.Denoise(10_000)(to_structured(late)))
    np.testing.assert_array_equal(to_structured(Refractory(1_000)(late)), bare.RefractoryPeriod(1_000)(to_structured(late)))
    np.testing.assert_array_equal(to_structured(Decimation(3)(events)), bare.Decimation(3)(to_structured(events)))
    # Random events among real ones: most of them go, few of those that were kept without them
    rng = np.random.default_rng(0)
    n, (width, height) = len(events) // 10, events.sensor_size
    noise = rng.integers(events.t[0], events.t[-1], n), rng.integers(0, width, n), rng.integers(0, height, n), np.ones(n)
    columns = [np.concatenate([getattr(events, c), extra]) for c, extra in zip("txyp", noise, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    noisy = Events.make(*(column[order] for column in columns), sensor_size=events.sensor_size)
    passed = BackgroundActivity(2_000).keep(noisy)
    real = order < len(events)
    assert passed[real].mean() > 3 * passed[~real].mean()


# Mistakes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HotPixels(0), "sigma is a number above 0, got 0"),
        (lambda: HotPixels(float("nan")), "sigma"),
        (lambda: BackgroundActivity(0), "time is a whole number of at least 1, got 0"),
        (lambda: BackgroundActivity(10, neighbours=6), "neighbours is 4 or 8, got 6"),
        (lambda: Refractory(1.5), "time is a whole number"),  # pyrefly: ignore[bad-argument-type]
        (lambda: Decimation(0), "n is a whole number"),
        (lambda: Flicker(mains=0), "mains is a frequency"),
        (lambda: Flicker(tolerance=1), "tolerance is a part"),
        (lambda: Flicker(cycles=0), "cycles"),
        (lambda: RateLimit(0), "rate"),
        (lambda: RateLimit(100, 1000), "100 events a second are 0.1 in a window of 1000 us"),
        (lambda: RateLimit(2**40, 2**40), "one that holds 1 to"),
        (lambda: Polarity(2), "p is 0"),
        (lambda: Crop(0, 0, 0, 1), "width"),
        (lambda: MovingCrop([0, 0], [(0, 0), (1, 1)], 3, 3), "comes after the one before"),
        (lambda: MovingCrop([0], [(0, 0), (1, 1)], 3, 3), "as many whole pixels"),
        (lambda: MovingCrop([], [], 3, 3), "as many whole pixels"),
        (lambda: MovingCrop([0], [(0.5, 0)], 3, 3), "whole pixels"),  # pyrefly: ignore[bad-argument-type]
        (lambda: MovingCrop([0], [(0, 40_000)], 3, 3), "within 32767 pixels"),
        (lambda: MovingCrop([0], [(0, 0)], 0, 3), "width"),
        (lambda: MovingCrop([0, 2**50], [(0, 0), (1, 1)], 3, 3), "a year; got 0 to 1125899906842624"),
        (lambda: Pool(0), "factor"),
        (lambda: Integrate(0), "factor"),
    ],
)
def test_wrong_options_are_found_at_construction(make: Callable, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


@each
def test_of_another_sensor(filter: Filter) -> None:
    arguments = {**vars(filter), "sensor_size": (9, 9)}
    with pytest.raises(UserError, match="not that of the events"):
        type(filter)(**arguments)(Events.empty(SIZE))
    with pytest.raises(UserError, match="give sensor_size"):
        filter(to_structured(Events.empty(SIZE)))
