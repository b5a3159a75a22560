"""Augmentations of papers, with their settings."""

from __future__ import annotations

from dataclasses import dataclass

from mxsnn.events.augment._base import Augmentation, Chain
from mxsnn.events.augment.drop import EventDrop
from mxsnn.events.augment.flips import FlipLR, PolarityNoise, TimeReversal
from mxsnn.events.augment.geometry import FaceMirror, RandomResizedCrop
from mxsnn.events.augment.noise import Noise


@dataclass(frozen=True)
class SpikingFER(Chain):
    """The augmentations of Spiking-FER on the window [start, stop) us, in its order and with its settings.

    A flip of left and right (p 0.5); a fifth as many events again as noise (severity 5, p 0.5); time reversed with polarities
    flipped (p 0.2); polarities flipped event by event (p 0.2; `polarity_noise=0` for the paper's command line, which leaves it
    out); EventDrop; a crop of 8 to 100 % of the area to `width` x `height` pixels; half the face mirrored (p 0.5).

    There crop and mirror are of frames, where the nearest pixel repeats; and times are those from the first event to the last.

    Source: Barchid et al., "Spiking-Fer: Spiking Neural Network for Facial Expression Recognition With Event Cameras", CBMI 2023
      (arXiv 2304.10211), and https://github.com/Barchid/spiking-fer.
    """

    start: int
    stop: int
    width: int = 128
    height: int = 128
    polarity_noise: float = 0.2
    mirrored: bool = False

    def __post_init__(self) -> None:
        self.parts  # noqa: B018  (checks the arguments)

    @property
    def parts(self) -> tuple[Augmentation, ...]:
        return (
            FlipLR(0.5),
            Noise(self.start, self.stop, share=0.2, p=0.5),
            TimeReversal(self.start, self.stop, 0.2),
            PolarityNoise(self.polarity_noise),
            EventDrop(self.start, self.stop),
            RandomResizedCrop(self.width, self.height),
            FaceMirror(0.5, mirrored=self.mirrored),
        )
