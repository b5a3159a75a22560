"""The transforms that stand in a tonic Compose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.events import Events, frames_by_count, frames_by_duration, frames_by_time
from mxsnn.events.encodings import CountFrames, DurationFrames, TimeFrames
from mxsnn.events.filters import Crop, Pool
from mxsnn.events.stream import to_structured
from mxsnn.events.transforms import TRANSFORMS

SIZE = (7, 4)


def stream(n: int = 200, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, 1000, n))
    return Events.make(t, rng.integers(0, SIZE[0], n), rng.integers(0, SIZE[1], n), rng.integers(0, 2, n), SIZE)


def test_they_are_the_frames_of_the_host() -> None:
    events = stream()
    np.testing.assert_array_equal(TimeFrames(3, 10, 900)(events), frames_by_time(events, 3, 10, 900))
    np.testing.assert_array_equal(DurationFrames(300, 10, 900, clip=2)(events), frames_by_duration(events, 300, 10, 900, 2))
    np.testing.assert_array_equal(CountFrames(6, clip=1)(events), frames_by_count(events, 6, 1))


def test_the_duration_of_a_frame_in_ms() -> None:
    assert TimeFrames(16, 0, 340_000).dt == 21.25
    assert DurationFrames(5_000, 0, 12_000).dt == 5.0
    assert CountFrames(3).dt is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("TimeFrames", {"bins": 3, "start": 0, "stop": 1000}),
        ("DurationFrames", {"duration": 300, "start": 0, "stop": 1000}),
        ("CountFrames", {"frames": 3}),
        ("Crop", {"x": 1, "y": 2, "width": 3, "height": 2}),
        ("Pool", {"factor": 2}),
    ],
)
@pytest.mark.parametrize("events", [stream(), Events.empty(SIZE)], ids=["events", "empty"])
def test_on_tonics_arrays(name: str, arguments: dict, events: Events) -> None:
    array = to_structured(events)
    before = array.copy()
    of_array = TRANSFORMS[name](**arguments, sensor_size=(*SIZE, 2))(array)
    of_events = TRANSFORMS[name](**arguments)(events)
    np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(of_array, to_structured(of_events) if isinstance(of_events, Events) else of_events)
    with pytest.raises(UserError, match="give sensor_size"):
        TRANSFORMS[name](**arguments)(array)
    with pytest.raises(UserError, match="not that of the events"):
        TRANSFORMS[name](**arguments, sensor_size=(9, 9))(events)


def test_in_tonics_own_compose() -> None:
    from tonic import transforms

    own = transforms.Compose([transforms.RandomFlipLR(sensor_size=(*SIZE, 2), p=1.0), TimeFrames(2, 0, 1000, sensor_size=SIZE)])
    np.testing.assert_array_equal(own(to_structured(stream())), TimeFrames(2, 0, 1000)(stream())[:, :, ::-1])


def test_crop() -> None:
    events = stream()
    cropped = Crop(2, 1, 4, 3)(events)
    assert cropped.sensor_size == (4, 3)
    np.testing.assert_array_equal(frames_by_time(cropped, 5, 0, 1000), frames_by_time(events, 5, 0, 1000)[:, 1:4, 2:6])
    for crop in (Crop(4, 1, 4, 3), Crop(-1, 0, 3, 3), Crop(0, 2, 1, 3), Crop(99999, 0, 1, 1)):
        with pytest.raises(UserError, match="reaches beyond the sensor of 7x4"):
            crop(events)


@given(st.integers(0, 300), st.integers(1, 5))
def test_pool_integrates(n: int, factor: int) -> None:
    events = stream(n, seed=n)
    pooled = Pool(factor)(events)
    width, height = -(-SIZE[0] // factor), -(-SIZE[1] // factor)
    assert pooled.sensor_size == (width, height)
    count = np.zeros((height, width, 2), int)
    expected = []
    for t, x, y, p in zip(events.t, events.x // factor, events.y // factor, events.p, strict=True):
        count[y, x, p] += 1
        if count[y, x, p] == factor**2:
            count[y, x, p] = 0
            expected.append((t, x, y, p))
    assert list(zip(pooled.t, pooled.x, pooled.y, pooled.p, strict=True)) == expected


def test_pool_by_more_than_the_sensor() -> None:
    assert Pool(100_000)(stream()).sensor_size == (1, 1)
    assert len(Pool(100_000)(stream())) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TimeFrames(0, 0, 1), "bins"),
        (lambda: TimeFrames(1, 5, 5), "end after it begins"),
        (lambda: TimeFrames(1, 0, 5, clip=0), "clip"),
        (lambda: DurationFrames(-1, 0, 5), "duration"),
        (lambda: DurationFrames(1, 0, 5.5), "whole microseconds"),  # pyrefly: ignore[bad-argument-type]
        (lambda: CountFrames(1.5), "frames"),  # pyrefly: ignore[bad-argument-type]
        (lambda: Crop(0, 0, 0, 1), "width"),
        (lambda: Pool(0), "factor"),
    ],
)
def test_wrong_options_are_found_at_construction(make: Callable, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
