"""Streams kept on the device: the source of sets that are augmented, where they fit there."""

from __future__ import annotations

import jax
import numpy as np

from mxsnn.data.datasets.base import whole_files
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import OnDevice
from mxsnn.errors import UserError
from mxsnn.events import Events
from mxsnn.events.encode import DeviceEvents, stack

_EVENT = 4 + 2 + 2 + 1
"""Bytes of an event on the device: t, x, y, p."""

_PADDED = 4
"""Times as many events, with padding, as there are; beyond, the host takes less time."""


class ResidentStreams(OnDevice):
    """Recordings read once and kept on the device, where each batch is augmented and encoded.

    What `Encoded` makes, whole numbers to the bit and others to 1e-6. All are padded to the longest. `room`: bytes that they may
    take, in which case they may also not be padded to more than four times what they are; None: any number.

    Raises: UserError for transforms that there are on the host only, an encoding without a window, recordings that cannot be read,
      and where they take more than `room` allows.
    """

    def __init__(self, encoded: Encoded, room: int | None = None):
        self._encoded = encoded
        encoding, augmented, seed = encoded.encoding, encoded.augmented, np.uint32(encoded.seed)
        if encoding is None or encoding.window is None:
            raise UserError("only streams of a window, as that of TimeFrames(bins, start, stop), are kept on the device")

        @jax.jit
        def encode(streams: DeviceEvents, indices: jax.Array) -> jax.Array:
            key = jax.random.key(seed, impl="threefry2x32")
            keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(indices)
            return jax.vmap(encoding.on_device)(_take(streams, indices), keys)

        @jax.jit
        def augment(streams: DeviceEvents, indices: jax.Array, epoch: jax.Array) -> jax.Array:
            key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), epoch)
            keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(indices)
            return jax.vmap((augmented or encoding).on_device)(_take(streams, indices), keys)

        self._encode, self._augment = encode, augment
        nothing, one = stack([Events.empty(encoding.sensor_size)], *encoding.window, capacity=1), np.zeros(1, np.int32)
        jax.eval_shape(encode, nothing, one), jax.eval_shape(augment, nothing, one, np.int32(0))  # raises before anything is read
        self._streams = stack(self._read(encoding.window, room), *encoding.window)

    def __len__(self) -> int:
        return len(self._encoded)

    def frames(self, indices: np.ndarray, epoch: int | None) -> jax.Array:
        """The samples at `indices`, `[B, T, H, W, C]`."""
        indices = np.asarray(indices, np.int32)
        if epoch is None or self._encoded.augmented is None:
            return self._encode(self._streams, indices)
        return self._augment(self._streams, indices, np.int32(epoch))

    def labels(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        """The classes of those samples, int64 [B]."""
        return self._encoded.labels(indices, epoch)

    def _read(self, window: tuple[int, int], room: int | None) -> list[Events]:
        """The events of the window, of each recording."""
        streams, longest, n = [], 0, len(self._encoded)
        with whole_files():
            for index in range(n):
                whole = self._encoded.stream(index)
                part = whole.window(*window)
                streams.append(part if len(part) == len(whole) else part[np.ones(len(part), bool)])  # a copy lets the others go
                longest = max(longest, len(part))
                if room is not None and longest * n * _EVENT > room:
                    raise UserError(f"{n} streams of {longest} events take {longest * n * _EVENT / 1e9:.2f} GB on the device")
        if room is not None and longest * n > _PADDED * sum(map(len, streams)):
            raise UserError(f"the longest stream has {longest} events, more than {_PADDED} times as many as they have on average")
        return streams


def _take(streams: DeviceEvents, indices: jax.Array) -> DeviceEvents:
    return jax.tree.map(lambda leaf: leaf[indices], streams)
