"""The event stream: four arrays and the size of their sensor."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError

#: The types inside. A coordinate is an int16, so no sensor is larger than 32768 pixels a side.
DTYPES = {"t": np.dtype(np.int64), "x": np.dtype(np.int16), "y": np.dtype(np.int16), "p": np.dtype(np.uint8)}
_LARGEST_SIDE = 2**15
_INT64_MAX = 2**63 - 1
_FLOAT_EXACT = 2**53  # beyond it a float64 no longer holds every whole number

#: The structured type of tonic's events, field for field.
STRUCTURED = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])

#: Names under which the four fields are found in other people's arrays.
SYNONYMS = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "p": ("p", "ps", "pol", "pols", "polarity", "polarities", "on"),
}


@dataclass(frozen=True, eq=False)
class Events:
    """A stream of events, in the order of time.

    Attributes:
      t: int64 [N], microseconds, non-decreasing.
      x, y: int16 [N], pixels, 0 <= x < width and 0 <= y < height.
      p: uint8 [N], polarity: 0 is OFF (darker), 1 is ON (brighter).
      sensor_size: (width, height) in pixels.

    The arrays are read-only. `Events.make` builds a stream from anything that is not yet known to be valid; the
    constructor itself checks types and lengths only.
    """

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray
    sensor_size: tuple[int, int]

    def __post_init__(self) -> None:
        for name, dtype in DTYPES.items():
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != (len(self.t),):
                raise TypeError(f"Events takes {name} as {dtype} [N]; Events.make converts and validates")
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @classmethod
    def make(
        cls,
        t: ArrayLike,
        x: ArrayLike,
        y: ArrayLike,
        p: ArrayLike,
        sensor_size: Sequence[int] | None = None,
        sort: bool = False,
    ) -> Events:
        """Validate and normalise four arrays [N] into a stream.

        Times are whole microseconds, coordinates whole pixels, polarities bool, 0/1 or -1/+1. The inputs are copied.
        `sensor_size=(width, height)`: None is the smallest sensor that holds the events. `sort=True` puts the events
        into the order of time (stable: equal times keep their order).

        Raises: UserError for lengths that differ, values that are not whole or do not fit, times that go back, an event
          outside the sensor.
        """
        t, x, y, p = columns(t, x, y, p)
        size = check_sensor_size(sensor_size) if sensor_size is not None else None
        if size is not None:
            for k in (_outside(x, 0, size[0] - 1), _outside(y, 0, size[1] - 1)):
                if k is not None:
                    where = f"event {k} lies at x={x[k]}, y={y[k]}"
                    raise UserError(f"{where}, outside the sensor of {size[0]}x{size[1]} pixels (width x height)")
        back = t[1:] < t[:-1]
        if back.any():
            if not sort:
                k = int(back.argmax()) + 1
                raise UserError(
                    f"the times go back at event {k}: {t[k]} us after {t[k - 1]} us; sort=True puts the events in order"
                )
            order = np.argsort(t, kind="stable")
            t, x, y, p = t[order], x[order], y[order], p[order]
        if size is None:
            size = (int(x.max()) + 1, int(y.max()) + 1) if len(t) else (0, 0)
        return cls(t, x, y, p, size)

    @classmethod
    def empty(cls, sensor_size: Sequence[int]) -> Events:
        """A stream without events on a sensor of (width, height) pixels."""
        return cls(*(np.empty(0, DTYPES[name]) for name in "txyp"), sensor_size=check_sensor_size(sensor_size))

    def __len__(self) -> int:
        return len(self.t)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events):
            return NotImplemented
        return self.sensor_size == other.sensor_size and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in DTYPES
        )

    __hash__ = None  # type: ignore[assignment]  # equality looks at every event

    def __repr__(self) -> str:
        span = f", t {self.t[0]}..{self.t[-1]} us" if len(self) else ""
        return f"Events({len(self)} on {self.sensor_size[0]}x{self.sensor_size[1]}{span})"

    @property
    def span(self) -> tuple[int, int] | None:
        """Times of the first and the last event, us; None where there is none."""
        return (int(self.t[0]), int(self.t[-1])) if len(self) else None

    def __getitem__(self, index: slice | np.ndarray) -> Events:
        """The events that a slice or a boolean mask [N] selects, in the same order."""
        if not (isinstance(index, slice) and (index.step or 1) > 0) and getattr(index, "dtype", None) != np.bool_:
            raise TypeError(f"Events is indexed by a forward slice or a boolean mask, got {index!r}")
        return Events(self.t[index], self.x[index], self.y[index], self.p[index], self.sensor_size)

    def pieces(self) -> Iterator[Events]:
        """The events in pieces that fit into memory: here the stream itself."""
        yield self

    def window(self, t0: int, t1: int) -> Events:
        """The events with t0 <= t < t1 (us), as views; windows that share a border share no event.

        Raises: UserError where t1 lies before t0, or they are not whole.
        """
        try:
            bounds = operator.index(t0), operator.index(t1)
        except TypeError:
            raise UserError(f"a window [t0, t1) is whole microseconds, got t0={t0!r}, t1={t1!r}") from None
        if bounds[1] < bounds[0]:
            raise UserError(f"a window [t0, t1) needs t0 <= t1, got [{t0}, {t1})")
        # Beyond the int64 there are no events; NumPy would compare all of them as floats, which merge neighbours.
        first, last = (len(self) if t > _INT64_MAX else np.searchsorted(self.t, max(t, -_INT64_MAX - 1)) for t in bounds)
        return self[int(first) : int(last)]


def from_structured(array: np.ndarray, sensor_size: Sequence[int] | None = None, sort: bool = False) -> Events:
    """A stream from a structured array [N] with fields t, x, y, p in any order and of any number type.

    Common other names of the fields (`ts`, `timestamp`, `pol`, `polarity`, ...) are understood.

    Raises: UserError for a missing field and all that `Events.make` rejects.
    """
    fields = find_fields(array.dtype.names or ())
    return Events.make(*(array[fields[name]] for name in "txyp"), sensor_size=sensor_size, sort=sort)


def as_events(events: Events | np.ndarray, sensor_size: Sequence[int] | None) -> Events:
    """The stream, or that of a structured array [N] on a sensor of (width, height, ...).

    Raises: UserError for an array without a sensor's size, a stream of another size, and all that `from_structured` rejects.
    """
    if not isinstance(events, Events):
        if sensor_size is None:
            raise UserError("a structured array does not hold its sensor's size: give sensor_size=(width, height)")
        return from_structured(events, tuple(sensor_size)[:2])  # tonic's has the number of polarities as a third
    check_same_sensor(sensor_size, events.sensor_size)
    return events


def check_same_sensor(sensor_size: Sequence[int] | None, of_events: tuple[int, int]) -> None:
    """Raises: UserError where `sensor_size` (width, height, ...) is given and not that of the events."""
    if sensor_size is not None and tuple(sensor_size)[:2] != of_events:
        raise UserError(f"sensor_size={tuple(sensor_size)} is not that of the events, {of_events}")


def to_structured(events: Events) -> np.ndarray:
    """A stream as tonic's structured array [N]: x, y int16, t int64, p bool. A copy."""
    array = np.empty(len(events), STRUCTURED)
    for name in DTYPES:
        array[name] = getattr(events, name)
    return array


def columns(t: ArrayLike, x: ArrayLike, y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Four arrays [N] as copies of the types of `Events`; their order and the sensor are not looked at.

    Raises: UserError for lengths that differ, values that are not whole or do not fit.
    """
    whole = {"t": _whole("t", t), "x": _whole("x", x), "y": _whole("y", y), "p": _polarity(p)}
    lengths = {name: len(array) for name, array in whole.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"t, x, y and p differ in length: got {lengths}; give one value of each for every event")
    for name in "xy":
        k = _outside(whole[name], 0, _LARGEST_SIDE - 1)
        if k is not None:
            where = f"event {k} lies at x={whole['x'][k]}, y={whole['y'][k]}"
            raise UserError(f"{where}; a coordinate {name} is from 0 to {_LARGEST_SIDE - 1}")
    t, x, y, p = (whole[name].astype(dtype, copy=False) for name, dtype in DTYPES.items())
    return t, x, y, p


def find_fields(names: Sequence[str]) -> dict[str, str]:
    """Which of `names` is t, x, y and p. Raises: UserError where one is missing or there are two."""
    found = {}
    for field, synonyms in SYNONYMS.items():
        matches = [name for name in names if name.lower() in synonyms]
        if len(matches) != 1:
            problem = "no" if not matches else f"more than one ({', '.join(matches)})"
            raise UserError(f"{problem} field {field!r} among {', '.join(names) or 'no names'}; events have t, x, y, p")
        found[field] = matches[0]
    return found


def check_sensor_size(sensor_size: Sequence[int]) -> tuple[int, int]:
    """(width, height) as two ints. Raises: UserError for anything that is not two whole sides of 1 to 32768 pixels."""
    try:
        width, height = (operator.index(side) for side in sensor_size)
    except (TypeError, ValueError):
        width = height = 0
    if not (1 <= width <= _LARGEST_SIDE and 1 <= height <= _LARGEST_SIDE):
        raise UserError(f"sensor_size is (width, height), whole pixels from 1 to {_LARGEST_SIDE}; got {sensor_size!r}")
    return width, height


def _whole(name: str, values: ArrayLike) -> np.ndarray:
    """A copy [N] of whole numbers that an int64 holds."""
    unit = "microseconds" if name == "t" else "pixels"
    array = np.array(values, order="C")  # checked where it is contiguous, which is several times as fast as in a field
    if array.ndim != 1:
        raise UserError(f"{name} is one value an event, [N]; got shape {array.shape}")
    if array.dtype.kind == "f":
        wrong = ~(np.abs(array) <= _FLOAT_EXACT) | (array != np.trunc(array))  # NaN fails the first comparison
        k = int(wrong.argmax()) if wrong.any() else None
    elif array.dtype.kind == "u":
        k = _outside(array, 0, _INT64_MAX)
    elif array.dtype.kind == "i" or array.size == 0:
        return array
    else:
        raise UserError(f"{name} is whole {unit}; got values of type {array.dtype}")
    if k is not None:
        raise UserError(f"{name} is whole {unit}; got {array[k]!s} at event {k}; scale and round it first")
    return array.astype(np.int64, copy=False)


def _polarity(values: ArrayLike) -> np.ndarray:
    """A uint8 copy [N] in {0, 1} of bool, 0/1 or -1/+1."""
    array = np.array(values, order="C")
    if array.ndim != 1 or (array.dtype.kind not in "biuf" and array.size):
        raise UserError(f"p is one polarity an event, [N]; got shape {array.shape} of type {array.dtype}")
    if array.dtype.kind == "b":
        return array.astype(np.uint8)  # makes 1 of every true byte
    on, zero, minus = array == 1, array == 0, array == -1
    wrong = ~(on | zero | minus)
    if wrong.any():
        k = int(wrong.argmax())
        raise UserError(f"a polarity is 0 or 1, -1 or +1, False or True; got {array[k]!s} at event {k}")
    if zero.any() and minus.any():
        raise UserError("polarities mix 0 and -1, so OFF is not one of them; give 0/1 or -1/+1")
    return on.view(np.uint8)


def _outside(values: np.ndarray, low: int, high: int) -> int | None:
    """The first of some whole numbers that is not from `low` to `high`; None where all are."""
    if not len(values) or (low <= int(values.min()) and int(values.max()) <= high):
        return None
    return int(((values < low) | (values > high)).argmax())
