"""The event stream: what is accepted, what is rejected, and windows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.events import Events
from mxsnn.events.stream import STRUCTURED, from_structured, to_structured


def test_types_inside() -> None:
    events = Events.make([0, 5, 5], [3, 0, 2], [1, 1, 0], [True, False, True], (4, 2))
    assert (events.t.dtype, events.x.dtype, events.y.dtype, events.p.dtype) == (np.int64, np.int16, np.int16, np.uint8)
    assert events.p.tolist() == [1, 0, 1]
    assert len(events) == 3
    assert events.sensor_size == (4, 2)


@pytest.mark.parametrize(
    "polarity",
    [
        [True, False, True],
        [1, 0, 1],
        [1, -1, 1],
        np.array([1, 0, 1], np.uint8),
        np.array([1, -1, 1], np.int8),
        np.array([1.0, -1.0, 1.0]),
        np.array([1, 0, 1], np.uint64),
    ],
)
def test_polarity_is_normalised(polarity: object) -> None:
    assert Events.make([0, 1, 2], [0, 0, 0], [0, 0, 0], polarity).p.tolist() == [1, 0, 1]


def test_a_true_byte_of_any_value_is_on() -> None:
    assert Events.make([0, 1, 2], [0] * 3, [0] * 3, np.frombuffer(b"\x02\x00\xff", bool)).p.tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", [">i8", "<u8", "u1", "i1", ">i2", "f4", "f8", "?"])
def test_numbers_of_any_type(dtype: str) -> None:
    array = np.zeros(4, [("p", dtype), ("x", dtype), ("t", dtype), ("y", dtype)])  # none lies on a boundary of its type
    array["t"], array["x"], array["y"], array["p"] = [0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0]
    if dtype == "?":
        with pytest.raises(UserError, match="t is whole microseconds; got values of type bool"):
            from_structured(array, (2, 2))
    else:
        assert from_structured(array, (2, 2)) == Events.make([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], (2, 2))


def test_all_off_in_either_convention() -> None:
    assert Events.make([0, 1], [0, 0], [0, 0], [-1, -1]).p.tolist() == [0, 0]
    assert Events.make([0, 1], [0, 0], [0, 0], [0, 0]).p.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": [0, 3, 2]}, r"go back at event 2: 2 us after 3 us; sort=True"),
        ({"t": [0, 1]}, r"differ in length"),
        ({"t": [0, 1.5, 2]}, r"t is whole microseconds; got 1.5 at event 1"),
        ({"t": [0, np.nan, 2]}, r"got nan at event 1"),
        ({"t": [0, 1, np.inf]}, r"got inf at event 2"),
        ({"t": np.array([0, 1, 2**63], np.uint64)}, r"got 9223372036854775808 at event 2"),
        ({"t": ["a", "b", "c"]}, r"values of type"),
        ({"t": [[0, 1, 2]]}, r"\[N\]; got shape \(1, 3\)"),
        ({"x": [0, 1, 4]}, r"event 2 lies at x=4, y=2, outside the sensor of 4x3 pixels"),
        ({"x": [0, 65536, 2]}, r"event 1 lies at x=65536"),  # would be 0 as an int16
        ({"y": [0, 3, 2]}, r"event 1 lies at x=1, y=3, outside"),
        ({"y": [-1, 1, 2]}, r"event 0 lies at x=0, y=-1"),
        ({"x": [0, 0.5, 2]}, r"x is whole pixels; got 0.5 at event 1"),
        ({"p": [0, 2, 1]}, r"got 2 at event 1"),
        ({"p": [0, -1, 1]}, r"mix 0 and -1"),
        ({"p": [0, np.nan, 1]}, r"got nan at event 1"),
        ({"sensor_size": (4, 0)}, r"sensor_size is \(width, height\)"),
        ({"sensor_size": (4, 3, 2)}, r"sensor_size is \(width, height\)"),
        ({"sensor_size": (4.5, 3)}, r"sensor_size is \(width, height\)"),
    ],
)
def test_what_is_wrong_is_rejected(change: dict, message: str) -> None:
    valid: dict[str, Any] = {"t": [0, 1, 2], "x": [0, 1, 2], "y": [0, 1, 2], "p": [0, 1, 1], "sensor_size": (4, 3)}
    Events.make(**valid)
    with pytest.raises(UserError, match=message) as raised:
        Events.make(**(valid | change))
    assert "\n" not in str(raised.value)


def test_a_coordinate_that_no_sensor_has() -> None:
    with pytest.raises(UserError, match="event 1 lies at x=0, y=40000"):
        Events.make([0, 1], [0, 0], [0, 40000], [0, 0])


def test_sorting_is_stable_and_keeps_events_whole() -> None:
    events = Events.make([5, 1, 5, 1], [0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 1, 0], sort=True)
    assert events.t.tolist() == [1, 1, 5, 5]
    assert events.x.tolist() == [1, 3, 0, 2]
    assert events.y.tolist() == [5, 7, 4, 6]
    assert events.p.tolist() == [1, 0, 0, 1]


def test_the_smallest_sensor_that_holds_the_events() -> None:
    assert Events.make([0, 1], [3, 0], [0, 9], [0, 1]).sensor_size == (4, 10)
    assert Events.make([], [], [], []).sensor_size == (0, 0)


def test_inputs_are_neither_modified_nor_shared() -> None:
    t, x, y, p = (np.array(a, np.int64) for a in ([2, 1], [0, 1], [0, 1], [-1, 1]))
    events = Events.make(t, x, y, p, sort=True)
    assert (t.tolist(), p.tolist()) == ([2, 1], [-1, 1])
    sorted_t = np.array([1, 2])
    events = Events.make(sorted_t, x, y, p)
    sorted_t[0] = 77
    assert events.t.tolist() == [1, 2]
    for array in (events.t, events.x, events.y, events.p, events.window(0, 9).t):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_constructor_takes_the_types_inside_only() -> None:
    with pytest.raises(TypeError, match=r"Events\.make"):
        Events(np.array([0.0]), np.array([0]), np.array([0]), np.array([0]), (1, 1))


@given(
    st.lists(st.integers(-(2**40), 2**40) | st.integers(0, 9), max_size=30).map(sorted),
    st.lists(st.integers(-(2**41), 2**41) | st.integers(-1, 10), max_size=5).map(sorted),
)
def test_half_open_windows_partition_a_stream(times: list[int], borders: list[int]) -> None:
    n = len(times)
    events = Events.make(times, np.arange(n), np.zeros(n), np.zeros(n), (31, 1))  # x says which event it is
    borders = [-(2**42), *borders, 2**42]
    parts = [events.window(t0, t1) for t0, t1 in itertools.pairwise(borders)]
    assert np.concatenate([part.x for part in parts]).tolist() == list(range(n))
    for part, (t0, t1) in zip(parts, itertools.pairwise(borders), strict=True):
        assert all(t0 <= t < t1 for t in part.t)


def test_windows_are_views_of_given_times() -> None:
    events = Events.make([10, 20, 30], [0, 1, 2], [0, 0, 0], [1, 1, 1])
    assert np.shares_memory(events.window(10, 30).t, events.t)
    assert events.window(10, 30).t.tolist() == [10, 20]
    assert len(events.window(21, 30)) == len(events.window(20, 20)) == len(Events.empty((3, 1)).window(0, 5)) == 0
    assert events.window(0, 1).sensor_size == events.sensor_size
    with pytest.raises(UserError, match="t0 <= t1"):
        events.window(5, 4)


def test_bounds_that_a_float_would_merge() -> None:
    """NumPy compares an int64 with a uint64 as floats, of which there is one for every 1024 us at 2^63."""
    last = 2**63 - 1
    events = Events.make([-(2**63), last - 1, last], [0, 1, 2], [0, 0, 0], [1, 1, 1])
    for bound in (last, np.uint64(last), np.int64(last)):
        assert events.window(0, bound).x.tolist() == [1]
        assert events.window(bound, bound).x.tolist() == []
        assert events.window(bound, 2**63).x.tolist() == [2]
    assert events.window(0, np.uint64(2**64 - 1)).x.tolist() == [1, 2]
    assert events.window(-(2**70), 2**70).x.tolist() == [0, 1, 2]
    assert len(events.window(2**63, 2**64)) == len(events.window(-(2**70), -(2**63))) == 0
    far = Events.make([2**53, 2**53 + 1], [0, 1], [0, 0], [1, 1])
    assert far.window(np.uint64(2**53 + 1), np.uint64(2**53 + 2)).x.tolist() == [1]
    with pytest.raises(UserError, match=r"whole microseconds, got t0=0.5"):
        far.window(0.5, 3)  # pyrefly: ignore[bad-argument-type]


def test_equal_streams() -> None:
    a = Events.make([1, 2], [0, 1], [0, 0], [0, 1])
    assert a == Events.make([1, 2], [0, 1], [0, 0], [False, True])
    assert a != Events.make([1, 2], [0, 1], [0, 0], [0, 1], (5, 5))
    assert a != Events.make([1, 3], [0, 1], [0, 0], [0, 1])
    assert a != "events"


def test_structured_arrays_both_ways() -> None:
    events = Events.make([1, 2], [0, 1], [3, 4], [0, 1], (9, 8))
    array = to_structured(events)
    assert array.dtype == STRUCTURED
    assert from_structured(array, (9, 8)) == events
    array["t"] = 0  # a copy
    assert events.t.tolist() == [1, 2]


def test_fields_in_any_order_and_under_other_names() -> None:
    array = np.array([(1, 7, 3, 2), (-1, 8, 4, 0)], [("Polarity", "i1"), ("ts", "u4"), ("y", "u2"), ("x", "f8")])
    events = from_structured(array)
    assert events == Events.make([7, 8], [2, 0], [3, 4], [1, 0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [(["t", "x", "p"], "no field 'y'"), (["t", "time", "x", "y", "p"], "more than one"), (["p"], "no field 't'")],
)
def test_missing_fields(fields: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_structured(np.zeros(2, [(name, "i4") for name in fields]))
