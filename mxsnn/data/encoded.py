"""Recordings as frames: the source that training draws from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mxsnn.data.datasets import Recordings
from mxsnn.errors import UserError
from mxsnn.events.tonic import Encoding


@dataclass(frozen=True, eq=False)
class Encoded:
    """Recordings through an encoding; in training (where an epoch is given) through the augmented one, if there is one.

    What a sample looks like depends on (seed, epoch, index) alone. Recordings that are frames already are taken as they are.
    """

    recordings: Recordings
    encoding: Encoding | None
    augmented: Encoding | None = None
    seed: int = 0

    @property
    def labels(self) -> np.ndarray:
        return self.recordings.labels

    def frames(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        """The samples at `indices`, `[B, T, H, W, C]`. Raises UserError for a recording that cannot be read or encoded."""
        return np.stack([self._one(int(i), epoch) for i in indices])

    def _one(self, index: int, epoch: int | None) -> np.ndarray:
        recording = self.recordings[index]
        if isinstance(recording, np.ndarray):
            if self.encoding is not None:
                raise UserError(f"recording {index} is frames already, {recording.shape}; leave the encoding empty")
            return recording
        if self.encoding is None:
            raise UserError(f"recording {index} is events; give an encoding, such as TimeFrames(bins=16, start=0, stop=100000)")
        if epoch is None or self.augmented is None:
            return self.encoding(recording)
        return self.augmented(recording, (self.seed, epoch, index))
