"""Streams on the device give what the host gives, augmented and not."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from mxsnn.data import datasets
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import Order, training
from mxsnn.data.streams import ResidentStreams
from mxsnn.errors import UserError
from mxsnn.events import Events, encode
from mxsnn.events.tonic import compose

SMOKE = datasets.open_dataset("smoke", None).select(np.arange(0, 570, 19))
WINDOW = "start=10000, stop=90000"  # events before and behind it must not count, nor move the draws
FRAMES = [f"TimeFrames(bins=4, {WINDOW})"]
AUGMENT = [
    "FlipLR(p=0.5)",
    "DropEvents(p=0.3)",
    f"EventDrop({WINDOW})",
    f"Noise({WINDOW}, rate=5.0, share=0.1)",
    f"TimeJitter(3000.0, {WINDOW})",
    "Affine(shift=2, rotate=10.0, scale=0.1)",
]


def encoded(augment: list[str], frames: list[str] = FRAMES, seed: int = 3, recordings: datasets.Recordings = SMOKE) -> Encoded:
    size = recordings.sensor_size
    return Encoded(recordings, compose(frames, size), compose([*augment, *frames], size) if augment else None, seed)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_they_are_augmented_and_encoded_as_on_the_host(seed):
    host = encoded(AUGMENT, seed=seed)
    device = ResidentStreams(host)
    assert len(device) == len(host) == 30
    indices = np.array([3, 0, 29, 3])
    seen = set()
    for epoch in (None, 0, 1):
        frames = device.frames(indices, epoch)
        assert isinstance(frames, jax.Array)
        np.testing.assert_array_equal(frames, host.frames(indices, epoch))
        np.testing.assert_array_equal(device.labels(indices, epoch), host.labels(indices, epoch))
        seen.add(np.asarray(frames).tobytes())
    assert len(seen) == 3  # each epoch draws anew


@pytest.mark.parametrize("frames", ["VoxelGrid(bins=4, start=10000, stop=90000)", "SBT(images=3, start=10000, stop=90000)"])
def test_other_encodings(frames):
    host = encoded(["FlipPolarity(p=0.5)"], [frames])
    np.testing.assert_allclose(ResidentStreams(host).frames(np.arange(8), 2), host.frames(np.arange(8), 2), atol=1e-6)


def test_batches_do_not_depend_on_where_they_are_made():
    host, order = encoded(AUGMENT), Order(np.arange(30), 8, seed=1)
    for ours, theirs in zip(training(ResidentStreams(host), order, 2, 5), training(host, order, 2, 5), strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_flipped_movement_is_the_mirrored_class():
    host = encoded(["FlipLR(p=1.0)"])
    names = [SMOKE.classes[label] for label in SMOKE.labels]
    flipped = [SMOKE.classes[label] for label in host.labels(np.arange(30), 0)]
    assert {(a, b) for a, b in zip(names, flipped, strict=True) if a != b} == {("left", "right"), ("right", "left")}
    np.testing.assert_array_equal(host.labels(np.arange(30), None), SMOKE.labels)


def test_a_class_without_its_mirror_image_is_refused():
    one_sided = dataclasses.replace(SMOKE, classes=tuple("away" if name == "right" else name for name in SMOKE.classes))
    for p in (0.5, 1e-4):  # however rarely it would be met
        with pytest.raises(UserError, match=r"FlipLR.*may make of class 'left' 'right', which is no class"):
            encoded([f"FlipLR(p={p})"], recordings=one_sided)
    with pytest.raises(UserError, match=r"may make of class '(left|right)' nothing that could be seen"):
        encoded(["FaceMirror(p=0.5)"])
    encoded(["FlipLR(p=0.0)"], recordings=one_sided)


def test_an_encoding_that_augments_is_refused():
    size = SMOKE.sensor_size
    with pytest.raises(UserError, match=r"random transforms belong under --data\.augment"):
        Encoded(SMOKE, compose(["FlipLR(p=0.5)", *FRAMES], size))


def test_padding_that_is_most_of_it_stays_on_the_host():
    long = Events.make(np.arange(10_000, 60_000), *np.zeros((3, 50_000), int), SMOKE.sensor_size)
    uneven = dataclasses.replace(SMOKE, source=lambda i: long if i == 3 else SMOKE[i])
    with pytest.raises(UserError, match="more than 4 times as many as they have on average"):
        ResidentStreams(encoded(["FlipLR()"], recordings=uneven), room=2**30)
    assert len(ResidentStreams(encoded(["FlipLR()"], recordings=uneven))) == 30


@pytest.mark.parametrize(
    ("augment", "frames", "said"),
    [
        (["DropEvent(p=0.1)"], FRAMES, r"DropEvent\(p=0.1\) is not for the device"),
        (["FlipLR()"], ["BackgroundActivity(time=5000)", *FRAMES], "BackgroundActivity.* is not for the device"),
        (["FlipLR()"], ["CountFrames(frames=3)"], "only streams of a window"),
        (["TimeReversal(start=0, stop=50000)"], FRAMES, "window of 80000 us"),
    ],
)
def test_what_is_of_the_host(augment, frames, said):
    with pytest.raises(UserError, match=said):
        ResidentStreams(encoded(augment, frames))


def test_room_is_kept_to():
    host = encoded(["FlipLR()"])
    longest = max(len(SMOKE[i].window(10_000, 90_000)) for i in range(30))
    assert len(ResidentStreams(host, room=longest * 30 * 9)) == 30
    with pytest.raises(UserError, match=f"30 streams of {longest} events take"):
        ResidentStreams(host, room=longest * 30 * 9 - 1)


def test_ready_frames_and_another_sensor_are_refused():
    frames = dataclasses.replace(SMOKE, source=lambda i: np.zeros((4, 24, 32, 2), np.uint8))
    with pytest.raises(UserError, match=r"recording 0 .* is frames already"):
        ResidentStreams(encoded(["FlipLR()"], recordings=frames))
    other = dataclasses.replace(SMOKE, source=lambda i: Events.empty((5, 3)))
    with pytest.raises(UserError, match=r"of a sensor of \(5, 3\) pixels"):
        ResidentStreams(encoded(["FlipLR()"], recordings=other))


def test_streams_are_stacked():
    streams = [SMOKE[0], Events.empty(SMOKE.sensor_size), SMOKE[1]]
    both = encode.stack(streams, 0, 50_000)
    for k, events in enumerate(streams):
        one = jax.tree.map(lambda leaf, k=k: leaf[k], both)
        expected = encode.to_device(events, 0, 50_000, both.t.shape[1])
        jax.tree.map(np.testing.assert_array_equal, one, expected)
    with pytest.raises(UserError, match="of one sensor are stacked, got 2 of 2 sensors"):
        encode.stack([SMOKE[0], Events.empty((5, 3))], 0, 10)
    with pytest.raises(UserError, match="got 0 of 0 sensors"):
        encode.stack([], 0, 10)
