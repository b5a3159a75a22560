"""The bridge to tonic: streams both ways, and the encoding of an experiment as a tonic `Compose`.

tonic is GPL-3 and brings much with it, so nothing else in `mxsnn.events` imports it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import tonic.transforms

from mxsnn.errors import UserError
from mxsnn.events._guard import RULES, Guard, TonicWarning
from mxsnn.events.augment import Augmentation
from mxsnn.events.encodings import Encoder
from mxsnn.events.filters import Filter
from mxsnn.events.intensity import FrameTransform, Held
from mxsnn.events.random import Key, fold_in, host_key
from mxsnn.events.recording import Frames
from mxsnn.events.stream import Events, check_sensor_size, from_structured, to_structured
from mxsnn.events.transforms import TRANSFORMS
from mxsnn.spec import build, suggestion

if TYPE_CHECKING:
    import jax

    from mxsnn.events.encode import DeviceEvents

__all__ = ["Encoding", "TonicWarning", "compose", "from_tonic", "to_tonic"]

#: A stream as tonic's structured array [N]: x, y int16, t int64, p bool.
to_tonic = to_structured
#: A stream from tonic's structured array and (width, height).
from_tonic = from_structured

# tonic draws from np.random, of which a process has one: while a recording is encoded with a seed, others wait.
_NUMPY_RANDOM = threading.Lock()


@contextmanager
def _seeded(seed: int | Sequence[int]) -> Iterator[None]:
    """np.random with a state made from `seed`; afterwards it is as it was."""
    with _NUMPY_RANDOM:
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(np.random.SeedSequence(seed).generate_state(8))  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


class Encoding(tonic.transforms.Compose):
    """From a recording to frames [T, H, W, C], by transforms in turn.

    Attributes:
      specs: the text of each transform; equal texts encode equally, in every process.
      sensor_size: (width, height) of the recordings, in pixels.
      dt: the time from one frame to the next in ms, or None where it is not fixed.
      random: whether a transform augments, so that a recording has another result with another `seed`, and perhaps another label.
      keyed: whether one draws random numbers without augmenting, such as `Rate`: the result depends on `seed` in evaluation too.
    """

    def __init__(self, transforms: Sequence[Any], specs: Sequence[str], sensor_size: Sequence[int]) -> None:
        super().__init__(tuple(transforms))
        self.specs = tuple(specs)
        self.sensor_size = check_sensor_size(sensor_size)
        self._tonics = any(isinstance(t, Guard) and t.ask(t.rule.random) for t in self.transforms)  # draws from np.random
        self._augments = any(isinstance(t, Augmentation) for t in self.transforms)
        self.random = self._tonics or self._augments
        self.keyed = any(_keyed(t) and not isinstance(t, Augmentation) for t in self.transforms)

    def __repr__(self) -> str:
        return f"Encoding({list(self.specs)!r}, sensor_size={self.sensor_size})"

    @property
    def dt(self) -> float | None:
        dt = None
        for transform in self.transforms:
            if isinstance(transform, FrameTransform):
                dt = transform.step(dt)
            elif not isinstance(transform, Guard):
                dt = getattr(transform, "dt", None)
            elif transform.rule.makes == "frames":
                dt = transform.ask(transform.rule.dt)
            elif transform.transform is tonic.transforms.ToBinaRep and dt is not None:
                dt *= transform.arguments.get("n_bits", 8)  # so many frames become one
        return dt

    @property
    def filmed(self) -> bool:
        """Whether it is for the frames of a camera (it begins with `Held`), not for events."""
        return any(isinstance(transform, Held) for transform in self.transforms)

    @property
    def window(self) -> tuple[int, int] | None:
        """[start, stop) us of the transform that makes frames, None where it has none; augmentations see the events in it alone."""
        return next((t.window for t in self.transforms if isinstance(t, Encoder)), None)

    def output_shape(self) -> tuple[int | None, int, int, int]:
        """[T, H, W, C] of what a stream, or a colour camera's frames, become; T is None where it depends on the recording.

        Raises: UserError where the encoding takes no streams, or a transform does not fit the one before.
        """
        makers = [t for t in self.transforms if isinstance(t, Guard) and t.rule.makes == "frames"]
        varies = any(t.ask(t.rule.frames)[0] is None for t in makers)
        width, height = self.sensor_size
        black = Frames.make(np.zeros((1, height, width, 3), np.uint8), t=[0])
        item: Any = black if self.filmed else Events.empty(self.sensor_size)
        with _seeded(0):
            for transform, key in self._with_keys(0):
                if _kind(transform) == "events":  # tried on two events, which finds arguments that tonic cannot use
                    item = Events.empty(_apply(transform, _corners(item.sensor_size), key).sensor_size)
                elif not (varies and _kind(transform) == "more frames"):  # these may demand a number of frames
                    item = _apply(transform, item, key)
        if isinstance(item, Events):
            raise UserError(f"{self} makes no frames of a stream; end it with TimeFrames(bins, start, stop)")
        return (None if varies else item.shape[0], *item.shape[1:])

    def __call__(self, events: Events | Frames | np.ndarray, seed: int | Sequence[int] = 0) -> np.ndarray:
        """Encode a stream (`Events`, or tonic's structured array), a camera's `Frames`, or ready frames [T, H, W, C].

        The result depends on the recording and `seed` alone, one number from 0 to 2^32 - 1 or several, such as (seed, epoch,
        index): give every recording and epoch its own where `random` is True, and every recording where `keyed` is. Transform k
        has the key `fold_in(host_key(*seed), k)`; tonic's draw from np.random, whose state is left as it was.

        Raises: UserError for a recording of another sensor, and where a transform cannot take it.
        """
        if isinstance(events, np.ndarray) and events.dtype.names:
            events = from_tonic(events, self.sensor_size)
        self._check(events)
        item: Any = events
        if self._augments and self.window and isinstance(item, Events):
            item = item.window(*self.window)
        with_keys = list(self._with_keys(seed))
        with _seeded(seed) if self._tonics else nullcontext():
            for transform, key in with_keys:  # unlike tonic's, on through an empty stream: its frames are zeros
                item = _apply(transform, item, key)
        return item

    def on_device(self, events: DeviceEvents, key: jax.Array) -> jax.Array:
        """The same of a stream on the device, of `window`; to the bit, where the key is that of `host_key(*seed)`. May be traced.

        Raises: UserError for transforms that there are on the host only: filters and tonic's.
        """
        item: Any = events
        for k, (transform, spec) in enumerate(zip(self.transforms, self.specs, strict=True)):
            if not isinstance(transform, Augmentation | Encoder | FrameTransform):
                raise UserError(f"{spec} is not for the device; there are augmentations and encodings of mxsnn")
            item = _apply(transform, item, fold_in(key, k) if _keyed(transform) else None)
        return item

    def relabel(self, name: str, seed: int | Sequence[int]) -> str:
        """The name of a label (of a class) after what the augmentations do with this seed; "" where nothing of it is left."""
        for transform, key in self._with_keys(seed):
            if isinstance(transform, Augmentation) and key is not None:
                name = transform.relabel(name, key)
        return name

    def names(self, name: str) -> set[str]:
        """All that `relabel` may make of a name."""
        names = {name}
        for transform in self.transforms:
            if isinstance(transform, Augmentation):
                names = {new for old in names for new in transform.names(old)}
        return names

    def _with_keys(self, seed: int | Sequence[int]) -> Iterator[tuple[Any, Key | None]]:
        """Each transform with its key; None for those that have none."""
        if not any(map(_keyed, self.transforms)):
            yield from ((transform, None) for transform in self.transforms)
            return
        key = host_key(*seed) if isinstance(seed, Sequence) else host_key(seed)
        for k, transform in enumerate(self.transforms):
            yield transform, fold_in(key, k) if _keyed(transform) else None

    def _check(self, events: Events | Frames | np.ndarray) -> None:
        kinds = [_kind(transform) for transform in self.transforms]
        if isinstance(events, Frames) != self.filmed:
            if self.filmed:
                raise UserError(f"{self} is for the frames of a camera, got {type(events).__name__}")
            raise UserError(f"{self} is not for the frames of a camera; begin with Held(bins, start, stop)")
        if isinstance(events, Frames):
            size = events.size
        elif isinstance(events, Events):
            size = events.sensor_size
            if "frames" not in kinds:
                raise UserError(f"{self} makes no frames of a stream; end it with TimeFrames(bins, start, stop)")
        elif isinstance(events, np.ndarray) and events.ndim == 4:
            size = (events.shape[2], events.shape[1])
            if set(kinds) - {"more frames"}:
                raise UserError(f"{self} is for streams, but the recording is ready frames of shape {events.shape}")
        else:
            shape = getattr(events, "shape", None)
            raise UserError(f"an encoding takes Events or frames [T, H, W, C], got {type(events).__name__} of shape {shape}")
        if size != self.sensor_size:
            raise UserError(f"the encoding is for a sensor of {self.sensor_size} pixels, the recording is of {size}")


def compose(specs: Sequence[str], sensor_size: Sequence[int]) -> Encoding:
    """The encoding that `specs` say: calls of mxsnn's and tonic's transforms as text, one after the other.

    For example ("Denoise(filter_time=10000)", "TimeFrames(bins=16, start=0, stop=340000, clip=4)"). Names are looked up in
    `mxsnn.events.transforms`, then in `tonic.transforms`; arguments are literals. `sensor_size=(width, height)` in pixels is
    filled in, also behind a crop. Known faults of tonic are repaired, refused or warned about (`mxsnn.events._guard`).

    First transforms of events, then one that makes frames, then transforms of frames. An encoding without those of events, such
    as the empty one, is for recordings that are ready frames.

    Raises: UserError for unknown names and arguments (with a suggestion), transforms that are refused or do not fit together.
    """
    if isinstance(specs, str):
        raise UserError(f"an encoding is a list of transforms, got the text {specs!r}; write [{specs!r}]")
    transforms = [_transform(spec) for spec in specs]
    encoding = Encoding(transforms, [str(t) if isinstance(t, Guard) else _text(t) for t in transforms], sensor_size)
    _check_order(encoding)
    _check_windows(encoding)
    for transform in transforms:
        if isinstance(transform, Guard) and (message := transform.ask(transform.rule.warn)):
            warnings.warn(f"{transform}: {message}", TonicWarning, stacklevel=2)
    if any(_kind(transform) == "frames" for transform in transforms):
        encoding.output_shape()  # raises where they do not fit together
    return encoding


def _transform(spec: str) -> Any:
    """One transform from its text."""
    known = {name: functools.partial(_make, name) for name in (*TRANSFORMS, *RULES)}
    unguarded = spec.split("(")[0].strip()
    if unguarded not in known and hasattr(tonic.transforms, unguarded):
        raise UserError(f"{spec}: tonic has {unguarded}, but mxsnn has no rule against its faults yet")
    transform = build(spec, known)
    if isinstance(transform, functools.partial):
        raise UserError(f"{spec!r} is no transform; write a call with literal arguments, TimeFrames(bins=16, start=0, stop=340000)")
    return transform


def _make(name: str, *args: Any, **kwargs: Any) -> Any:
    """The transform of this name, its arguments checked before tonic sees them."""
    cls = TRANSFORMS[name] if name in TRANSFORMS else getattr(tonic.transforms, name)
    signature = inspect.signature(cls)
    takes_size = "sensor_size" in signature.parameters
    known = [parameter for parameter in signature.parameters if parameter != "sensor_size"]
    for key in kwargs:
        if key == "sensor_size" and takes_size:
            raise TypeError("leave sensor_size out, it is filled in")
        if key not in known:
            raise TypeError(f"{name} has no argument {key!r}{suggestion(key, known)}")
    # Transforms take lists and tuples alike, the text of an encoding knows tuples only.
    args, kwargs = tuple(map(_frozen, args)), {key: _frozen(value) for key, value in kwargs.items()}
    bound = signature.replace(parameters=[signature.parameters[k] for k in known]).bind(*args, **kwargs)
    return cls(**bound.arguments) if name in TRANSFORMS else Guard(cls, bound.arguments, takes_size)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _text(transform: Any) -> str:
    """A transform of mxsnn as the text that makes it."""
    given = {name: value for name, value in vars(transform).items() if value is not None}
    return f"{type(transform).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _keyed(transform: Any) -> bool:
    return getattr(transform, "keyed", False)


def _apply(transform: Any, item: Any, key: Key | None) -> Any:
    return transform(item) if key is None else transform(item, key)


def _kind(transform: Any) -> str:
    """What a transform makes: "events" or "frames" of events, or "more frames" of frames."""
    if isinstance(transform, Guard):
        return transform.rule.makes
    return getattr(transform, "makes", "events" if isinstance(transform, Filter) else "frames")


def _corners(size: tuple[int, int]) -> Events:
    """Two events, in opposite corners."""
    return Events.make([0, 1000], [0, size[0] - 1], [0, size[1] - 1], [0, 1], size)


def _check_order(encoding: Encoding) -> None:
    """First events from events, then frames from events, then frames from frames."""
    stage = {"events": 0, "frames": 1, "more frames": 2}
    kinds = [stage[_kind(transform)] for transform in encoding.transforms]
    for k, (before, kind) in enumerate(itertools.pairwise(kinds)):
        if kind < before or (kind == before == 1):
            raise UserError(f"{encoding.specs[k + 1]} takes events, but {encoding.specs[k]} before it makes frames")
    if encoding.filmed and not isinstance(next(iter(encoding.transforms)), Held):
        raise UserError(f"{encoding.specs[0]} takes events, but Held takes the frames of a camera; begin with it")
    if 0 in kinds and 1 not in kinds:
        raise UserError(f"{encoding!r} makes no frames; add one that does, such as TimeFrames(bins, start, stop)")


def _check_windows(encoding: Encoding) -> None:
    """Augmentations give back the events of their window only, and a stream on the device is the window of the frames."""
    if encoding.window is None:
        return
    start, stop = encoding.window
    for transform, spec in zip(encoding.transforms, encoding.specs, strict=True):
        given = getattr(transform, "start", start), getattr(transform, "stop", stop)
        if isinstance(transform, Augmentation) and given != encoding.window:
            raise UserError(f"{spec} is not for the frames' window of {stop - start} us: give it start={start}, stop={stop}")
