"""Where events lie: moved, turned, scaled, cropped, mirrored."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events import sides
from mxsnn.events.augment._base import Augmentation, Stream, arrays, check_chance, choose, either, happens, is_event, select, taken
from mxsnn.events.frames import check_positive
from mxsnn.events.random import Key, below, bits, fold_in
from mxsnn.events.stream import check_sensor_size

_ONE = 2**14  # the fixed point of a matrix
_STEPS = 2**12  # of an angle and a scale either way


@dataclass(frozen=True)
class Affine(Augmentation):
    """All events moved, turned and scaled about the centre of the sensor, by one draw and to the nearest pixel.

    r' = s R r + d, with d up to `shift` whole pixels either way in x and in y, R a turn of up to `rotate` degrees either way, and
    s = exp(u), u up to `scale` either way; each evenly. Events that leave the sensor are dropped. Each event stays one: scaled up,
    there are pixels between those that events fall on.

    Angle and scale are one of 2^13 steps, the matrix is exact to 2^-14. Raises: UserError for a sensor and scale at which the
    arithmetic leaves int32, which is where exp(scale) (width + height) + the longer side + 2 shift reaches 2^17 - 2 pixels.
    """

    shift: int = 0
    rotate: float = 0.0
    scale: float = 0.0

    def __post_init__(self) -> None:
        if self.shift != 0:
            check_positive("shift", self.shift)
        for name, unit, most in (("rotate", "degrees", 180), ("scale", "the exponent of a factor", 2)):
            if not 0 <= getattr(self, name) <= most:
                raise UserError(f"{name} is {unit}, from 0 to {most}; got {getattr(self, name)!r}")

    def augment(self, events: Stream, key: Key) -> Stream:
        xp, (width, height) = arrays(events), events.sensor_size
        if math.exp(self.scale) * (width + height) + max(width, height) + 2 * self.shift >= 2**17 - 2:
            raise UserError(f"{self} is too much for a sensor of {width}x{height} pixels; lower scale or shift")
        dx, dy = (below(fold_in(key, k), 2 * self.shift + 1) - self.shift for k in range(2))
        angle, size = (below(fold_in(key, k), 2 * _STEPS + 1) for k in (2, 3))
        steps = np.arange(-_STEPS, _STEPS + 1) / _STEPS
        turn = steps * math.radians(self.rotate)
        cos, sin, factor = (xp.asarray(_fixed(values)) for values in (np.cos(turn), np.sin(turn), np.exp(steps * self.scale)))
        a, b = (_half_up(table[angle] * factor[size], _ONE) for table in (cos, sin))
        return move(events, dx, dy, a, b)


def move(events: Stream, dx: Any, dy: Any, a: Any, b: Any) -> Stream:
    """r' = [[a, -b], [b, a]] / 2^14 r + (dx, dy) from the centre of the sensor, to the nearest pixel, halves up; int32.

    a = b = 2^14 / sqrt 2 turns clockwise by 45 degrees.
    """
    width, height = events.sensor_size
    # Twice the distance from the centre is a whole number.
    x, y = 2 * events.x.astype(np.int32) - (width - 1), 2 * events.y.astype(np.int32) - (height - 1)
    new_x = _half_up(a * x - b * y + (width - 1 + 2 * dx) * _ONE, 2 * _ONE)
    new_y = _half_up(b * x + a * y + (height - 1 + 2 * dy) * _ONE, 2 * _ONE)
    inside = (new_x >= 0) & (new_x < width) & (new_y >= 0) & (new_y < height)
    return select(replace(events, x=new_x.astype(np.int16), y=new_y.astype(np.int16)), inside)


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """The events of a box of `width` x `height` pixels, anywhere on the sensor, in the box's coordinates."""

    width: int
    height: int

    def __post_init__(self) -> None:
        check_sensor_size((self.width, self.height))

    def augment(self, events: Stream, key: Key) -> Stream:
        width, height = events.sensor_size
        if self.width > width or self.height > height:
            raise UserError(f"a crop of {self.width}x{self.height} pixels is larger than the sensor of {width}x{height}")
        size = (self.width, self.height)
        return _crop(events, key, size, size)


@dataclass(frozen=True)
class RandomResizedCrop(Augmentation):
    """The events of a box of random size and shape, anywhere on the sensor, brought to `width` x `height` pixels.

    The box has a part of the sensor's area from `scale`, drawn evenly, and a width / height from `ratio`, drawn evenly on a
    logarithmic scale, 128 steps each; boxes that do not fit on the sensor are left out. Pixel x of a box of w pixels goes to
    floor((x + 1/2) width / w). Each event stays one: where the box is smaller, there are pixels between those that events
    fall on, while an image's nearest pixels repeat.

    After torchvision's RandomResizedCrop, with its defaults. Raises: UserError where no box fits.
    """

    width: int
    height: int
    scale: Sequence[float] = (0.08, 1.0)
    ratio: Sequence[float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        check_sensor_size((self.width, self.height))
        for name, most in (("scale", 1.0), ("ratio", math.inf)):
            values = tuple(getattr(self, name))
            if len(values) != 2 or not 0 < values[0] <= values[1] <= most or math.isinf(values[1]):
                raise UserError(f"{name} is (least, most), above 0{' up to 1' if most == 1 else ''}; got {getattr(self, name)!r}")

    def augment(self, events: Stream, key: Key) -> Stream:
        sizes = _boxes(events.sensor_size, tuple(self.scale), tuple(self.ratio))
        if max(self.width, self.height) * max(events.sensor_size) >= 2**30:
            raise UserError(f"{self} takes a sensor of up to {2**30 // max(self.width, self.height)} pixels a side")
        box = arrays(events).asarray(sizes)[below(fold_in(key, 2), len(sizes))]
        return _crop(events, key, (box[0], box[1]), (self.width, self.height))


@dataclass(frozen=True)
class FaceMirror(Augmentation):
    """With probability p half a face twice: one half, either at even odds, and its mirror image in place of the other.

    The axis is the column `column`, pixels, at a pixel's middle (60) or border (59.5); None is the middle of the sensor. Events on
    it stay as they are, and what falls beside the sensor is dropped. The mirror image of an event follows it, at the same time.

    A face seen by a camera has its own right on the left of the image; `mirrored` says that recordings are mirror images. What a
    name says to be on the half that is kept is on both, what is on the other is gone (`mxsnn.events.sides.symmetric`); so it is for
    labels without a side. On the device the capacity doubles, so that nothing is lost.

    Source: Barchid et al., "Spiking-Fer", CBMI 2023, there on frames.
    """

    p: float = 0.5
    column: float | None = None
    mirrored: bool = False

    def __post_init__(self) -> None:
        check_chance("p", self.p)
        if self.column is not None and (2 * self.column) % 1:
            raise UserError(f"column is the middle or the border of a pixel, such as 60 or 59.5; got {self.column!r}")

    def augment(self, events: Stream, key: Key) -> Stream:
        xp, width, n = arrays(events), events.sensor_size[0], len(events.t)
        axis = width - 1 if self.column is None else round(2 * self.column)
        if not 0 <= axis <= 2 * (width - 1):
            raise UserError(f"column={self.column} is not on the sensor, which is {width} pixels wide")

        def half() -> Any:
            x = events.x.astype(np.int32)
            kept = xp.where(self._keeps_left(key), 2 * x < axis, 2 * x > axis)
            twice = kept & (axis - x >= 0) & (axis - x < width)
            return xp.where(kept, 1 + twice, 2 * x == axis).astype(np.int32)

        times = choose(happens(fold_in(key, 0), self.p), lambda: xp.ones(n, np.int32), half)
        times = xp.where(is_event(events), times, 0)
        size = {} if xp is np else {"total_repeat_length": 2 * n}
        index = xp.repeat(xp.arange(n), times, **size)
        second = xp.concatenate([xp.zeros(min(n, 1), bool), index[1:] == index[:-1]])
        both = taken(events, index, times.sum(dtype=np.int32))
        return replace(both, x=xp.where(second, axis - both.x, both.x).astype(np.int16))

    def relabel(self, name: str, key: Key) -> str:
        if not happens(fold_in(key, 0), self.p):
            return name
        return sides.symmetric(name, "left" if self._keeps_left(key) == self.mirrored else "right")

    def names(self, name: str) -> set[str]:
        return either(self.p, *(sides.symmetric(name, side) for side in ("left", "right")), name=name)

    def _keeps_left(self, key: Key) -> Any:
        """Whether the half is the image's left."""
        return bits(fold_in(key, 1)) >> 31 == 0


def _crop(events: Stream, key: Key, box: Sequence[Any], size: tuple[int, int]) -> Stream:
    """The events of a box of this size (width, height), anywhere, on a sensor of `size`, which may be the very box."""
    new, inside = {}, True
    for k, name in enumerate("xy"):
        at = getattr(events, name) - below(fold_in(key, k), events.sensor_size[k] - box[k] + 1)
        inside &= (at >= 0) & (at < box[k])
        new[name] = (at if box is size else (2 * at + 1) * size[k] // (2 * box[k])).astype(np.int16)
    return replace(select(replace(events, **new), inside), sensor_size=size)


@functools.lru_cache(maxsize=64)
def _boxes(sensor_size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]) -> np.ndarray:
    """Sizes (width, height) of boxes that fit: int32 [N, 2]."""
    width, height = sensor_size
    at = (np.arange(128) + 0.5) / 128
    area = (scale[0] + (scale[1] - scale[0]) * at)[:, None] * width * height
    shape = np.exp(math.log(ratio[0]) + math.log(ratio[1] / ratio[0]) * at)
    boxes = np.stack([np.round(np.sqrt(area * shape)), np.round(np.sqrt(area / shape))], -1).reshape(-1, 2).astype(np.int32)
    boxes = boxes[((boxes > 0) & (boxes <= (width, height))).all(1)]
    if not len(boxes):
        raise UserError(f"on a sensor of {width}x{height} pixels no box has a scale of {scale} and a ratio of {ratio}")
    return boxes


def _fixed(values: np.ndarray) -> np.ndarray:
    """In units of 2^-14: int32."""
    return np.round(values * _ONE).astype(np.int32)


def _half_up(values: Any, unit: int) -> Any:
    """values / unit to the nearest whole number, `unit` a power of two."""
    return values + unit // 2 >> unit.bit_length() - 1
