"""What a frame camera saw in the place of events, and both together: by the encoding, from recordings to batches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mxsnn.data.cache import Cached
from mxsnn.data.datasets import Recordings, recordings, write_index
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import OnDevice, Resident, evaluation, together
from mxsnn.data.streams import ResidentStreams
from mxsnn.errors import UserError
from mxsnn.events import Events, Frames, Label, Recording, write
from mxsnn.events.intensity import Held, hold
from mxsnn.events.tonic import compose

HELD = "Held(bins=5, start=0, stop=100000)"
EVENTS = ("TimeFrames(bins=5, start=0, stop=100000)",)
SIZE = (6, 4)


@dataclass(frozen=True)
class Scene:
    """Recordings of both cameras: some events, and images of as many levels as time has passed."""

    cameras: tuple[str, ...] = ("rgb",)
    level: int = 0

    def __call__(self, index: int) -> Recording:
        rng = np.random.default_rng(index)
        t = np.sort(rng.integers(0, 100_000, 50))
        events = Events.make(t, rng.integers(0, 6, 50), rng.integers(0, 4, 50), rng.integers(0, 2, 50), SIZE)
        times = np.arange(0, 100_000, 10_000)
        films = {}
        for k, name in enumerate(self.cameras):
            images = np.broadcast_to((times // 1000 + index + k + self.level)[:, None, None, None], (10, 4, 6, 3)).astype(np.uint8)
            films[name] = Frames.make(images, start=times, end=times + 5_000)
        return Recording(events, frames=films)


def scenes(n: int = 4, **given) -> Recordings:
    names = tuple(f"scene {i}" for i in range(n))
    return Recordings(Scene(**given), np.arange(n) % 2, ("a", "b"), SIZE, np.zeros(n, bool), names)


def test_the_frames_of_a_camera_are_encoded():
    encoded = Encoded(scenes(), compose((HELD, "Difference()"), SIZE))
    got = encoded.frames(np.array([0, 2]), None)
    held = hold(Scene()(2).frames["rgb"], 5, 0, 100_000).astype(np.float32) / 255
    np.testing.assert_allclose(got[1], held - np.concatenate([held[:1], held[:-1]]), atol=1e-7)
    assert got.shape == (2, 5, 4, 6, 3) and encoded.encoding is not None
    assert encoded.encoding.dt == 20 and compose((HELD, "DirectCurrent(steps=2)"), SIZE).dt == 10
    assert encoded.encoding.output_shape() == (5, 4, 6, 3) and encoded.encoding.window is None


def test_of_several_cameras_one_is_named():
    both = scenes(cameras=("face", "hands"))
    plain = compose((HELD,), SIZE)
    face, hands = (Encoded(both, plain, camera=name).frames(np.array([1]), None) for name in ("face", "hands"))
    assert (hands[face > 0] == face[face > 0] + 1).all() and face.any()
    with pytest.raises(UserError, match=r"recording 1 \(scene 1\) holds the frames of several cameras, face, hands; say of which"):
        Encoded(both, plain).frames(np.array([1]), None)
    with pytest.raises(UserError, match="holds no frames of a camera 'rgb', but of face, hands"):
        Encoded(both, plain, camera="rgb").frames(np.array([1]), None)
    with pytest.raises(UserError, match="holds no frames of a camera"):
        Encoded(scenes(cameras=()), plain).frames(np.array([0]), None)


@pytest.mark.parametrize(
    ("specs", "recording", "message"),
    [
        ((HELD,), Scene()(0).events, r"is for the frames of a camera, got Events"),
        (EVENTS, Scene()(0).frames["rgb"], r"is not for the frames of a camera; begin with Held\(bins, start, stop\)"),
        ((HELD,), np.zeros((5, 4, 6, 3), np.uint8), "is for the frames of a camera, got ndarray"),
        ((HELD,), replace(Scene()(0).frames["rgb"], images=np.zeros((10, 3, 6), np.uint8)), r"sensor of \(6, 4\) pixels"),
    ],
    ids=["events", "a film", "ready frames", "another size"],
)
def test_an_encoding_is_of_one_camera_or_the_other(specs, recording, message):
    with pytest.raises(UserError, match=message):
        compose(specs, SIZE)(recording)


def test_what_cannot_be_encoded_so_is_refused():
    with pytest.raises(UserError, match="takes events, but Held takes the frames of a camera; begin with it"):
        compose(("Refractory(time=10)", HELD), SIZE)
    with pytest.raises(UserError, match="takes events, but Held"):
        compose((HELD, *EVENTS), SIZE)
    with pytest.raises(UserError, match="bins"):
        compose(("Held(bins=0, start=0, stop=10)",), SIZE)
    with pytest.raises(UserError, match=r"Held takes the frames of a camera, .* got Events"):
        Held(5, 0, 100)(Scene()(0).events)  # pyrefly: ignore
    encoded = Encoded(scenes(), compose((HELD,), SIZE), compose(("FlipLR()", *EVENTS), SIZE))
    with pytest.raises(UserError, match="only streams of a window"):
        ResidentStreams(encoded)


def test_both_cameras_as_channels():
    parts = [Encoded(scenes(), compose(specs, SIZE)) for specs in (EVENTS, (HELD, "Difference()"))]
    one, other = parts
    plain, resident = together(one, other), together(Resident(one), Resident(other))
    assert isinstance(resident, OnDevice) and not isinstance(plain, OnDevice) and len(plain) == 4
    for source in (plain, resident):
        (batch,) = evaluation(source, np.arange(3), 3)
        got = np.asarray(batch["frames"])
        assert got.shape == (3, 5, 4, 6, 5) and got.dtype == np.float32
        np.testing.assert_array_equal(got[..., :2], one.frames(np.arange(3), None))
        np.testing.assert_array_equal(got[..., 2:], other.frames(np.arange(3), None))
        np.testing.assert_array_equal(batch["label"], [0, 1, 0])
    coarse = Encoded(scenes(), compose(("Held(bins=4, start=0, stop=100000)",), SIZE))
    with pytest.raises(UserError, match=r"as many samples, steps and pixels .*; got 4 of \[5, 4, 6, 2\] and 4 of \[4, 4, 6, 3\]"):
        together(one, coarse)


def test_a_sample_of_another_camera_has_another_name(tmp_path):
    """In a cache: what was seen decides, not the recording alone."""
    for i in range(2):
        write(tmp_path / f"{i}.mxr", replace(Scene(("face", "hands"))(i), labels=(Label("ab"[i], "movement"),)))
    write_index(tmp_path)
    of, encoding = recordings(tmp_path), compose((HELD,), SIZE)
    sources = [Cached(Encoded(of, encoding, camera=camera), tmp_path / "cache") for camera in ("face", "hands", "face")]
    names = [source.name(0) for source in sources]
    assert names[0] == names[2] != names[1] and None not in names
    first, second, again = (source.frames(np.arange(2), None) for source in sources)
    assert sources[2].kept(0) and (first == again).all() and (first != second).any()
