"""Data sets: folders that are right, folders that are wrong, and the generated one."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mxsnn.data.datasets import Recordings, class_folders, nmnist, smoke
from mxsnn.data.datasets.smoke import DURATION, reverse
from mxsnn.errors import UserError
from mxsnn.events import Events, Frames, Recording, frames_by_time


def event(x: int = 1, y: int = 1, t: int = 1, p: int = 1) -> bytes:
    """A recording of one event in the 5-byte format."""
    return bytes([x, y]) + (p << 23 | t).to_bytes(3, "big")


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def stream(data: Recordings, index: int) -> Events:
    """A recording that is a stream."""
    recording = data[index]
    assert isinstance(recording, Events)
    return recording


def rejected(message: str, call: Callable, *args: object, **options: object) -> None:
    """The call raises a UserError with this message, of one line."""
    with pytest.raises(UserError, match=message) as raised:
        call(*args, **options)
    assert "\n" not in str(raised.value)


# N-MNIST


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A small N-MNIST: in each folder of digit d two recordings of one event at x = d."""
    root = tmp_path / "digits"
    for part in ("Train", "Test"):
        for digit in range(10):
            for k in range(2):
                put(root / part / str(digit) / f"{k:05d}.bin", event(digit, k))
    return root


def test_nmnist_from_a_folder(digits: Path) -> None:
    data = nmnist(digits)
    assert isinstance(data, Recordings)
    assert len(data) == 40
    assert data.classes == tuple("0123456789")
    assert data.sensor_size == (34, 34)
    assert data.test.tolist() == [False] * 20 + [True] * 20
    assert [int(stream(data, i).x[0]) for i in range(40)] == data.labels.tolist()
    assert data.groups is None
    data.validate()
    with pytest.raises(IndexError):
        data[40]
    with pytest.raises(IndexError):
        data[-1]


def test_nmnist_below_tonics_folder(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    digits.rename(tmp_path / "root" / "NMNIST")
    assert len(nmnist(tmp_path / "root")) == len(nmnist(tmp_path / "root" / "NMNIST")) == 40


def test_nmnist_that_is_wrong(digits: Path, tmp_path: Path) -> None:
    rejected("no such folder.*download=True", nmnist, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    rejected("no folder Train", nmnist, tmp_path / "empty")
    (digits / "Train" / "seven").mkdir()
    rejected("Train: takes the folders 0 to 9; wrong or missing: seven", nmnist, digits)
    (digits / "Train" / "seven").rmdir()
    shutil.rmtree(digits / "Test" / "3")
    rejected("Test: .* wrong or missing: 3", nmnist, digits)
    (digits / "Test" / "3").mkdir()
    rejected("3: holds no recordings", nmnist, digits)
    put(digits / "Test" / "3" / "notes.txt", b"")
    rejected("notes.txt: not a recording", nmnist, digits)
    shutil.rmtree(digits / "Test")
    rejected("no folder Test", nmnist, digits)
    (digits / "Test").mkdir()
    rejected("Test: is empty", nmnist, digits)


def test_a_recording_of_nmnist_that_is_cut_short(digits: Path) -> None:
    put(digits / "Test" / "4" / "00001.bin", event() + b"\0")
    rejected("00001.bin: .*cut short; get it whole", nmnist(digits).validate)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (event()[:3], "truncated"),
        (b"", "0 bytes"),
        (event(34, 0), "x=34, y=0, outside the sensor of 34x34"),
    ],
)
def test_a_recording_of_nmnist_that_is_wrong(digits: Path, content: bytes, message: str) -> None:
    put(digits / "Test" / "4" / "00001.bin", content)
    data = nmnist(digits)
    rejected(f"00001.bin: .*{message}", data.validate)
    bad = 20 + 2 * 4 + 1
    rejected(message, data.__getitem__, bad)
    assert len(stream(data, bad - 1)) == 1


def test_the_fingerprint_says_what_the_recordings_are(digits: Path, tmp_path: Path) -> None:
    before = nmnist(digits).fingerprint()
    moved = shutil.copytree(digits, tmp_path / "moved")
    assert nmnist(moved).fingerprint() == before
    (moved / "Train" / "0" / "00000.bin").write_bytes(event() * 2)
    assert nmnist(moved).fingerprint() != before
    (digits / "Train" / "0" / "00000.bin").rename(digits / "Train" / "0" / "9.bin")
    assert nmnist(digits).fingerprint() != before


def test_download_goes_through_tonic(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tonic.datasets as datasets

    calls = []

    def fetch(save_to: str, train: bool) -> None:
        calls.append(train)
        part = "Train" if train else "Test"
        shutil.copytree(digits / part, Path(save_to) / "NMNIST" / part)

    monkeypatch.setattr(datasets, "NMNIST", fetch)
    assert len(nmnist(tmp_path / "new", download=True)) == 40
    assert calls == [True, False]

    def fail(save_to: str, train: bool) -> None:
        raise OSError("no\nnetwork")

    monkeypatch.setattr(datasets, "NMNIST", fail)
    rejected("tonic could not download N-MNIST .OSError: no network", nmnist, tmp_path / "other", download=True)


def test_the_real_recordings(test_data: Path) -> None:
    root = test_data / "nmnist"
    if not root.is_dir():
        pytest.skip(f"no folder {root}")
    data = nmnist(root)
    counts = np.array([len(data[i]) for i in range(len(data))])
    assert (counts[~data.test].size, counts[~data.test].sum()) == (1000, 4_133_231)
    assert (counts[data.test].size, counts[data.test].sum()) == (100, 385_596)
    assert 87 <= np.bincount(data.labels[~data.test]).min() <= np.bincount(data.labels[~data.test]).max() <= 117
    in_folders = class_folders(root)
    assert in_folders.sensor_size == (34, 34)
    np.testing.assert_array_equal(in_folders.labels, data.labels)
    np.testing.assert_array_equal(in_folders.test, data.test)
    assert in_folders[1057] == data[1057]


# Class folders


def test_class_folders(tmp_path: Path) -> None:
    put(tmp_path / "smile" / "a.bin", event(3, 1))
    put(tmp_path / "smile" / "b.bin", event(0, 5))
    put(tmp_path / "frown" / "a.bin", event(2, 2, p=0))
    np.save(tmp_path / "frown" / "c.npy", np.array([[7, 1, 1, 1]]))
    put(tmp_path / "frown" / ".hidden", b"")
    put(tmp_path / "README.txt", b"")
    data = class_folders(tmp_path)
    assert data.classes == ("frown", "smile")
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert not data.test.any()
    assert data.sensor_size == (4, 6)
    assert data[1] == Events.make([7], [1], [1], [1], (4, 6))
    assert stream(class_folders(tmp_path, (30, 20)), 0).sensor_size == (30, 20)
    assert class_folders(tmp_path, (30, 20)).fingerprint() != data.fingerprint()
    rejected("outside the sensor of 3x3", class_folders(tmp_path, (3, 3)).validate)


def test_class_folders_with_a_test_part(tmp_path: Path) -> None:
    for part in ("TEST", "train"):
        for name in ("10", "9", "x"):
            put(tmp_path / part / name / "a.bin", event())
    data = class_folders(tmp_path)
    assert data.classes == ("9", "10", "x")
    assert data.labels.tolist() == [0, 1, 2] * 2
    assert data.test.sum() == 3
    shutil.rmtree(tmp_path / "TEST")
    assert not class_folders(tmp_path).test.any()


def test_class_folders_of_ready_frames(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "1.npy", np.ones((5, 2, 3, 4)))
    data = class_folders(tmp_path)
    assert data.sensor_size == (4, 3)
    frames = data[0]
    assert isinstance(frames, np.ndarray)
    assert frames.shape == (5, 3, 4, 2)
    np.save(tmp_path / "a" / "2.npy", np.ones((5, 2, 3, 5)))
    rejected("2.npy: frames of 5x3 pixels", class_folders, tmp_path)


def test_class_folders_that_are_wrong(tmp_path: Path) -> None:
    rejected("no such folder", class_folders, tmp_path / "nowhere")
    put(tmp_path / "file", b"")
    rejected("not a folder", class_folders, tmp_path / "file")
    root = tmp_path / "root"
    root.mkdir()
    rejected("root: holds no folder", class_folders, root)
    (root / "a").mkdir()
    rejected("a: holds no recordings", class_folders, root)
    put(root / "a" / "1.jpg", b"")
    rejected("1.jpg: not a recording here", class_folders, root)
    shutil.rmtree(root / "a")
    put(root / "test" / "a" / "1.bin", event())
    rejected("has test but no train", class_folders, root)
    put(root / "train" / "b" / "1.bin", event())
    rejected("different classes; not in both: a, b", class_folders, root)
    (root / "valid").mkdir()
    rejected(r"other folders \(valid\)", class_folders, root)
    rejected("sensor_size is", class_folders, tmp_path, sensor_size=(0, 4))
    only_empty = tmp_path / "only_empty"
    (only_empty / "a").mkdir(parents=True)
    np.save(only_empty / "a" / "1.npy", np.zeros((0, 4)))
    rejected("no recording holds an event; give sensor_size", class_folders, only_empty)
    assert len(class_folders(only_empty, (4, 4))[0]) == 0
    put(only_empty / "index.csv", b"")
    rejected("no folder of classes but the data set recordings", class_folders, only_empty, (4, 4))


# The generated set


def test_smoke_depends_on_seed_and_index_alone() -> None:
    few, many = smoke(7, seed=3), smoke(60, seed=3)
    backwards = [many[i] for i in reversed(range(7))][::-1]
    assert [few[i] for i in range(7)] == backwards
    assert smoke(7, seed=4)[0] != few[0]
    assert few.fingerprint() == smoke(7, seed=3).fingerprint()
    assert len({d.fingerprint() for d in (few, many, smoke(7, seed=4), smoke(7, seed=3, sensor_size=(20, 20)))}) == 4


def test_smoke_is_balanced_and_valid() -> None:
    data = smoke(60)
    assert data.classes == ("right", "left", "down", "up", "grow", "shrink")
    assert np.bincount(data.labels).tolist() == [10] * 6
    assert np.bincount(data.labels[data.test]).tolist() == [2] * 6
    data.validate()
    for i in range(12):
        events = stream(data, i)
        assert events == Events.make(events.t, events.x, events.y, events.p, (32, 24))
        assert events.t[0] >= 0
        assert events.t[-1] < DURATION
        assert 200 < len(events) < 5000
        assert 0.3 < events.p.mean() < 0.7


def test_a_reversed_recording_sums_to_the_same_and_differs_in_time() -> None:
    events = stream(smoke(1), 0)
    back = reverse(events)
    np.testing.assert_array_equal(frames_by_time(back, 1, 0, DURATION), frames_by_time(events, 1, 0, DURATION))
    np.testing.assert_array_equal(back.t, np.sort(DURATION - 1 - events.t))
    assert reverse(back) == events
    assert (frames_by_time(back, 4, 0, DURATION) != frames_by_time(events, 4, 0, DURATION)).mean() > 0.05


@pytest.mark.parametrize("pair", [0, 1, 2])
def test_only_the_order_tells_a_pair_apart(pair: int) -> None:
    """A linear classifier on many pairs of drawn recordings: chance on summed frames, sure on frames in time."""
    n = 600
    data = smoke(6 * n, seed=1)
    index = [i for i in range(6 * n) if data.labels[i] // 2 == pair]
    streams = [stream(data, i) for i in index]
    sign = np.where(data.labels[index] % 2, 1.0, -1.0)

    def accuracy(bins: int) -> float:
        frames = np.stack([frames_by_time(events, bins, 0, DURATION) for events in streams]).astype(float)
        # Coarse in space: few features for the recordings there are, so that least squares does not learn them by heart.
        features = frames.reshape(len(frames), bins, 4, 6, 4, 8, 2).sum((3, 5)).reshape(len(frames), -1)
        features = np.column_stack([features, np.ones(len(features))])
        train = np.arange(len(features)) < 3 * n // 2
        weights = np.linalg.lstsq(features[train], sign[train], rcond=None)[0]
        return float((np.sign(features[~train] @ weights) == sign[~train]).mean())

    # 300 recordings are tested: chance is 0.5 with a standard deviation of 0.029.
    assert abs(accuracy(1) - 0.5) < 0.13
    assert accuracy(4) > 0.9


def test_the_three_pairs_differ_in_space() -> None:
    data = smoke(60)
    wide, tall = [], []
    for i in range(60):
        image = frames_by_time(stream(data, i), 1, 0, DURATION)[0].sum(-1) > 1
        wide.append(image.any(0).sum())
        tall.append(image.any(1).sum())
    by_pair = [np.mean(np.subtract(wide, tall)[data.labels // 2 == pair]) for pair in range(3)]
    assert by_pair[0] > by_pair[2] > by_pair[1]


def test_smoke_that_is_wrong() -> None:
    rejected("n is a whole number of at least 1", smoke, 0)
    rejected("at least 8x8 pixels, got 7x30", smoke, 6, sensor_size=(7, 30))
    rejected("sensor_size is", smoke, 6, sensor_size=(32,))
    rejected("seed is", smoke, 6, seed=-1)


# What holds for every data set


def whole(index: int) -> Recording:
    """A source of recordings: events, one frame, no events in the last."""
    frames = {"rgb": Frames.make(np.zeros((1, 2, 3, 3), np.uint8), [index])}
    return Recording(None if index == 3 else Events.make([index], [1], [1], [1], (4, 3)), frames=frames, subject="ada")


def four(source: Callable = whole) -> Recordings:
    return Recordings(
        source,
        labels=np.array([0, 1, 0, 1]),
        classes=("rest", "smile"),
        sensor_size=(4, 3),
        test=np.zeros(4, bool),
        identities=tuple("abcd"),
        groups=np.array([0, 0, 1, 1]),
        subjects=("ada", "bob"),
        conditions={"lux": (3.0, 300.0, None, 3.0)},
    )


def test_a_recording_is_what_is_learned_from_and_all_there_is() -> None:
    data = four()
    assert data[2] == Events.make([2], [1], [1], [1], (4, 3))
    assert data.recording(2).frames["rgb"].t.tolist() == [2]
    assert data.recording(3).events is None
    rejected("^d: holds no events; simulate them", data.__getitem__, 3)
    rejected("^d: holds no events", data.validate)
    streams = four(lambda index: Events.empty((4, 3)))
    assert streams.recording(2).subject == "bob"
    rejected("^b: holds ready frames", four(lambda index: np.zeros((1, 2, 3, 2))).recording, 1)
    for outside in (-1, 4):
        with pytest.raises(IndexError):
            data.recording(outside)


@pytest.mark.parametrize("chosen", [np.array([3, 0]), np.array([True, False, False, True])])
def test_some_of_the_recordings(chosen: np.ndarray) -> None:
    data = four()
    some = data.select(chosen)
    index = np.arange(4)[chosen]
    assert [some.recording(i).frames["rgb"].t[0] for i in range(2)] == index.tolist()
    assert some.labels.tolist() == data.labels[index].tolist()
    assert [some.subjects[g] for g in some.groups] == [data.subjects[data.groups[i]] for i in index]
    assert some.identities == tuple("abcd"[i] for i in index)
    assert some.conditions == {"lux": (3.0, 3.0)}
    assert len(some.test) == len(some) == 2
    with pytest.raises(IndexError):
        some[2]
    assert pickle.loads(pickle.dumps(some))[index.tolist().index(0)] == data[0]


def test_conditions_and_subjects_are_part_of_the_fingerprint() -> None:
    data = four()
    others = [replace(data, subjects=("ada", "eve")), replace(data, conditions={"lux": (3.0, 300.0, 1.0, 3.0)}), data.select([0])]
    assert len({data.fingerprint(), *(other.fingerprint() for other in others)}) == 4
