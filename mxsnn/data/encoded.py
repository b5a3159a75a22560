"""Recordings as frames: the source that training draws from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mxsnn.data.datasets import Recordings
from mxsnn.errors import UserError
from mxsnn.events import Events, Frames, Recording
from mxsnn.events.tonic import Encoding


@dataclass(frozen=True, eq=False)
class Encoded:
    """Recordings through an encoding; in training (where an epoch is given) through the augmented one, if there is one.

    What a sample looks like depends on (seed, epoch, index) alone. Recordings that are frames already are taken as they are, where
    the encoding is None. An encoding of a camera's frames, one that begins with `Held`, sees those of
    `camera`; None: of the only one.

    Raises: UserError for an augmentation that may make of a class what is none, as a flip where only one side is labelled, and for
      an encoding that augments.
    """

    recordings: Recordings
    encoding: Encoding | None
    augmented: Encoding | None = None
    seed: int = 0
    camera: str | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None and self.encoding.random:
            raise UserError(f"the encoding draws random numbers, {self.encoding}; random transforms belong under --data.augment")
        if self.augmented is not None:
            for one in self.recordings.classes:
                for name in self.augmented.names(one) - set(self.recordings.classes):
                    what = f"{name!r}, which is no class" if name else "nothing that could be seen"
                    raise UserError(f"{self.augmented} may make of class {one!r} {what}; leave it out")

    def __len__(self) -> int:
        return len(self.recordings)

    def frames(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        """The samples at `indices`, `[B, T, H, W, C]`. Raises UserError for a recording that cannot be read or encoded."""
        return np.stack([self._one(int(i), epoch) for i in indices])

    def labels(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        """The classes of those samples, int64 [B]: left and right change places where a sample is mirrored."""
        there = self.recordings.labels[indices]
        if epoch is None or self.augmented is None:
            return there
        return np.array([self._relabelled(label, epoch, int(i)) for label, i in zip(there, indices, strict=True)])

    def stream(self, index: int) -> Events:
        """The events of a recording. Raises: UserError for ready frames, and where it is of another sensor than the encoding."""
        recording, sensor = self.recordings[index], self.recordings.sensor_size
        if not isinstance(recording, Events):
            raise self.wrong(index, "is frames already, not a stream of events")
        if recording.sensor_size != sensor:
            raise self.wrong(index, f"is of a sensor of {recording.sensor_size} pixels, the data set's is of {sensor}")
        return recording

    def film(self, index: int) -> Frames:
        """The frames of the camera. Raises: UserError where a recording holds none, not of this camera, or of several."""
        try:
            return camera_frames(self.recordings.recording(index), self.camera)
        except UserError as error:
            raise self.wrong(index, str(error)) from None

    def _one(self, index: int, epoch: int | None) -> np.ndarray:
        filmed = self.encoding is not None and self.encoding.filmed
        recording = self.film(index) if filmed else self.recordings[index]
        if self.encoding is None:
            if not isinstance(recording, np.ndarray):
                raise self.wrong(index, "is events; give an encoding, such as TimeFrames(bins=16, start=0, stop=100000)")
            return recording
        # In evaluation an encoding that draws, such as of rates, draws the same each time.
        encoding, seed = self.encoding, (self.seed, index)
        if epoch is not None and self.augmented is not None:
            encoding, seed = self.augmented, (self.seed, epoch, index)
        try:
            return encoding(recording, seed)
        except UserError as error:
            raise self.wrong(index, f"cannot be encoded: {error}") from error

    def _relabelled(self, label: int, epoch: int, index: int) -> int:
        assert self.augmented is not None
        classes = self.recordings.classes
        return classes.index(self.augmented.relabel(classes[label], (self.seed, epoch, index)))

    def wrong(self, index: int, what: str) -> UserError:
        """The error that names a recording."""
        return UserError(f"recording {index} ({self.recordings.identities[index]}) {what}")


def camera_frames(recording: Recording, camera: str | None) -> Frames:
    """The frames of a camera; None: of the only one. Raises: UserError where there are none, not of this camera, or of several."""
    there = recording.frames
    names = ", ".join(there)
    if not there:
        raise UserError("holds no frames of a camera")
    if camera is None and len(there) > 1:
        raise UserError(f"holds the frames of several cameras, {names}; say of which")
    if (camera or names) not in there:
        raise UserError(f"holds no frames of a camera {camera!r}, but of {names}")
    return there[camera or names]
