"""What augmentations have in common: one rule for a stream on the host (`Events`) and on the device (`DeviceEvents`).

A rule is written once, for arrays of NumPy and of JAX alike (`arrays`), in whole numbers, on which host and device cannot differ.
Where both go different ways to the same result, the ways stand here: `choose`, `select`, `by_time` and `merge`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.filters import _select
from mxsnn.events.frames import window_length
from mxsnn.events.random import Key, bits, fold_in
from mxsnn.events.stream import Events, as_events, find_fields

if TYPE_CHECKING:
    from mxsnn.events.encode.device import DeviceEvents

#: A stream on either side.
Stream = TypeVar("Stream", bound="Events | DeviceEvents")
#: In any of its forms: what an augmentation is given, it gives back.
Form = TypeVar("Form", bound="Events | DeviceEvents | np.ndarray")
Branch = TypeVar("Branch")

_INT32 = 2**31


@dataclass(frozen=True)
class Augmentation(ABC):
    """Events from events and a key, the same to the bit on the host and on the device; and what becomes of a label's name.

    A subclass is a frozen dataclass with `augment`, which draws from the key alone; of several draws each has its own,
    `fold_in(key, number)`.
    """

    sensor_size: Sequence[int] | None = field(default=None, kw_only=True, repr=False)

    #: Called with a key beside the events.
    keyed: ClassVar[bool] = True
    makes: ClassVar[str] = "events"

    def __call__(self, events: Form, key: Key) -> Form:
        """What the key makes of `Events`, of a structured array of `sensor_size`, or of `DeviceEvents`, traced or not.

        The key is one of `mxsnn.events.random.host_key`, or of JAX. An array comes back in its type, with polarities 0 and 1.

        Raises: UserError for an array without a sensor's size, or with more than times, coordinates and polarities.
        """
        if isinstance(events, np.ndarray):
            return cast(Form, _as_array(self.augment(as_events(events, self.sensor_size), _on_host(key)), events))
        if self.sensor_size is not None and tuple(self.sensor_size)[:2] != events.sensor_size:
            raise UserError(f"sensor_size={tuple(self.sensor_size)} is not that of the events, {events.sensor_size}")
        return cast(Form, self.augment(events, _on_host(key) if isinstance(events, Events) else _on_device(key)))

    @abstractmethod
    def augment(self, events: Stream, key: Key) -> Stream:
        """The rule, with a key on the side of the events."""

    def relabel(self, name: str, key: Key) -> str:
        """The name of a label after what this key does to the events; "" where nothing of it is left to be seen."""
        return name

    def names(self, name: str) -> set[str]:
        """All that `relabel` makes of a name, with one key or another."""
        return {name}


@dataclass(frozen=True)
class Chain(Augmentation):
    """Augmentations in turn; the k-th draws from `fold_in(key, k)`."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Augmentation, ...]:
        """In the order in which they act."""

    def augment(self, events: Stream, key: Key) -> Stream:
        for k, part in enumerate(self.parts):
            events = part.augment(events, fold_in(key, k))
        return events

    def relabel(self, name: str, key: Key) -> str:
        for k, part in enumerate(self.parts):
            name = part.relabel(name, fold_in(key, k))
        return name

    def names(self, name: str) -> set[str]:
        names = {name}
        for part in self.parts:
            names = {new for old in names for new in part.names(old)}
        return names


def arrays(events: Events | DeviceEvents) -> Any:
    """The module of the stream's arrays: numpy, or jax.numpy."""
    if isinstance(events, Events):
        return np
    import jax.numpy as jnp

    return jnp


def check_chance(name: str, value: float) -> None:
    """Raises: UserError where it is no probability."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise UserError(f"{name} is a probability from 0 to 1, got {value!r}")


def threshold(p: Any) -> Any:
    """What `happens` compares with: a probability in units of 2^-31, rounded; uint32."""
    return np.round(np.asarray(p, np.float64) * 2**31).astype(np.uint32)


def either(p: float, *otherwise: str, name: str) -> set[str]:
    """The names that there may be where the name is another one with probability p."""
    return ({name} if p < 1 else set()) | (set(otherwise) if p > 0 else set())


def happens(key: Key, p: float, shape: int | tuple[int, ...] = ()) -> Any:
    """Events of probability p: bool of this shape."""
    return bits(key, shape) >> 1 < threshold(p)


def check_window(start: int, stop: int) -> int:
    """stop - start in us. Raises: UserError for what is no window, or one beyond 2^31 - 1 us, where the device's times end."""
    length = window_length(start, stop)
    if length >= _INT32:
        raise UserError(f"a window is at most {_INT32 - 1} us, got {length}; split it")
    return length


def within(events: Stream, start: int, stop: int) -> tuple[Stream, int]:
    """The events of the window [start, stop) us, and when it starts on their clock.

    On the device a stream is a window, and its clock starts with it. Raises: UserError where that is of another length.
    """
    if isinstance(events, Events):
        return cast(Stream, events.window(start, stop)), int(start)
    if events.length != stop - start:
        raise UserError(f"the stream on the device is a window of {events.length} us, the augmentation is for {stop - start} us")
    return events, 0


def choose(which: Any, *branches: Callable[[], Branch]) -> Branch:
    """What branch `which` gives (a number from 0, or False and True); on the device their results have one shape."""
    if isinstance(which, np.ndarray | np.generic):
        return branches[int(which)]()
    import jax

    return jax.lax.switch(which.astype("int32"), branches)


def select(events: Stream, keep: Any) -> Stream:
    """The events for which `keep` [N or C] holds, in their order; on the device they move to the front."""
    if isinstance(events, Events):
        return events if keep.all() else cast(Stream, _select(events, keep))
    import jax.numpy as jnp

    keep, n = keep & is_event(events), len(events.t)
    place = jnp.where(keep, jnp.cumsum(keep, dtype=jnp.int32) - 1, n)  # n is out of bounds, so dropped
    index = jnp.zeros(n, jnp.int32).at[place].set(jnp.arange(n, dtype=jnp.int32), mode="drop")
    return taken(events, index, keep.sum(dtype=jnp.int32))


def by_time(events: Stream, keep: Any) -> Stream:
    """The events of one window for which `keep` holds, which is False for padding, by time; equal times keep their order."""
    if isinstance(events, Events):
        events = select(events, keep)
        return taken(events, _order(events.t), len(events))
    import jax.numpy as jnp

    order = jnp.argsort(jnp.where(keep, events.t, _INT32 - 1), stable=True)  # no event is that late
    return taken(events, order, keep.sum(dtype=jnp.int32))


def merge(events: Stream, more: Mapping[str, Any], count: Any) -> Stream:
    """The events and the first `count` of others, columns t, x, y, p in any order: by time, the others behind those of the same.

    On the device the capacity grows by the length of the columns.
    """
    xp = arrays(events)
    old = {name: getattr(events, name) for name in "txyp"}
    new = {name: more[name].astype(column.dtype) for name, column in old.items()}
    if isinstance(events, Events):
        order = _order(new["t"][:count])
        new = {name: column[order] for name, column in new.items()}
    joined = replace(events, **{name: xp.concatenate([column, new[name]]) for name, column in old.items()})
    if isinstance(events, Events):
        from mxsnn.events.augment._kernels import merge_times

        index = np.empty(len(joined.t), np.int64)
        merge_times(events.t, new["t"], index)
        return taken(joined, index, len(index))
    return by_time(joined, xp.concatenate([is_event(events), xp.arange(len(new["t"])) < count]))


def _order(t: np.ndarray) -> np.ndarray:
    """Places in the order of time, of one window; equal times keep their order."""
    if not len(t):
        return np.empty(0, np.int64)
    # Time and place as one number: sorting numbers is several times as fast as sorting places by time.
    both = (t - t.min() << 32) | np.arange(len(t))
    both.sort()
    return both & 0xFFFFFFFF


def taken(events: Stream, index: Any, count: Any) -> Stream:
    """The events at `index`, of which the first `count` are no padding."""
    more = {} if isinstance(events, Events) else {"count": count}
    return replace(events, t=events.t[index], x=events.x[index], y=events.y[index], p=events.p[index], **more)


def is_event(events: Events | DeviceEvents) -> Any:
    """False where there is padding: bool [C]; on the host there is none."""
    if isinstance(events, Events):
        return np.ones(len(events), bool)
    return arrays(events).arange(len(events.t)) < events.count


def _on_host(key: Key) -> np.ndarray:
    key = _checked(key)
    if isinstance(key, np.ndarray):
        return key
    import jax

    return np.asarray(jax.random.key_data(key))


def _on_device(key: Key) -> Any:
    key = _checked(key)
    if not isinstance(key, np.ndarray):
        return key
    import jax

    return jax.random.wrap_key_data(jax.numpy.asarray(key))


def _checked(key: Any) -> Key:
    if not hasattr(key, "dtype") or (isinstance(key, np.ndarray) and (key.dtype != np.uint32 or key.shape != (2,))):
        raise UserError(f"a key is host_key(seed, epoch, index) or one of JAX, got {key!r}")
    return key


def _as_array(events: Events, like: np.ndarray) -> np.ndarray:
    """The events as a structured array of the type of another."""
    fields = find_fields(like.dtype.names or ())
    if more := set(like.dtype.names or ()) - set(fields.values()):
        raise UserError(f"an augmentation does not know what becomes of {', '.join(sorted(more))}; leave out all but t, x, y and p")
    array = np.empty(len(events), like.dtype)
    for name in "txyp":
        values = getattr(events, name)
        array[fields[name]] = values
        if (array[fields[name]] != values).any():
            raise UserError(f"the field {fields[name]!r} of type {like.dtype[fields[name]]} does not hold the augmented events")
    return array
