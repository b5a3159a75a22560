"""Data sets by way of tonic, and SpikingJelly's folders: the layouts that both expect, made small; nothing is downloaded."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tonic.dataset
import tonic.datasets
from numpy.lib.recfunctions import unstructured_to_structured

from mxsnn.data.datasets.nmnist import nmnist
from mxsnn.data.datasets.spikingjelly import spikingjelly_folders
from mxsnn.data.datasets.tonic_sets import REFUSED, SETS, tonic_dataset
from mxsnn.data.splits import official
from mxsnn.errors import UserError
from mxsnn.events import Events
from tests import aedat4_files, layouts


def rejected(message: str, call: Callable, *args: object, **options: object) -> None:
    """The call raises a UserError with this message, of one line."""
    with pytest.raises(UserError, match=message) as raised:
        call(*args, **options)
    assert "\n" not in str(raised.value)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """tonic takes a set for complete by its number of files, which is in the thousands."""
    monkeypatch.setattr(tonic.dataset.Dataset, "_folder_contains_at_least_n_files_of_type", lambda *_: True)


def put(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def expected(n: int, size: tuple[int, int], seed: int) -> Events:
    t, x, y, p = layouts.events(n, size, seed).T
    return Events.make(t, x, y, p, size)


def test_every_set_of_tonic_is_taken_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    taken = set(SETS)
    assert taken | set(REFUSED) == set(tonic.datasets.__all__)
    assert not taken & set(REFUSED)
    for name in REFUSED:
        rejected(f"tonic's {name} is no classification data set: its items are", tonic_dataset, name, tmp_path)
    rejected("tonic has no classification data set 'DVSGestures'; did you mean DVSGesture", tonic_dataset, "DVSGestures", tmp_path)
    for name in taken - {"POKERDVS", "DVSLip", "NTIDIGITS18"}:
        rejected(f"tonic does not find the files of {name}; download=True", tonic_dataset, name, tmp_path / "empty")
    for name in ("POKERDVS", "DVSLip", "NTIDIGITS18"):  # which do not ask whether to download
        rejected(f"{name}: tonic cannot open {name} there", tonic_dataset, name, tmp_path / "empty")
    assert capsys.readouterr().out == ""


def test_dvs_gesture(tmp_path: Path) -> None:
    """https://github.com/neuromorphs/tonic, tonic/datasets/dvsgesture.py: [N, 4] of x, y, p, t in ms."""
    for part, first in (("Train", 1), ("Test", 24)):
        for k in range(100):  # as many as tonic asks for
            t, x, y, p = layouts.events(5 + k % 11, (128, 128), k).T
            folder = f"user{first + k // 25:02d}_{'led' if k % 25 < 11 else 'lab' if k % 25 < 22 else 'natural'}"
            put(tmp_path / "DVSGesture" / f"ibmGesture{part}" / folder / f"{k % 25 % 11}.npy", np.stack([x, y, p, t // 1000], 1))
    names = {path.relative_to(tmp_path / "DVSGesture") for path in tmp_path.rglob("*.npy")}
    assert len(names) == 200
    data = tonic_dataset("DVSGesture", tmp_path)
    assert len(data) == 200
    assert data.classes[0] == "Hand clapping"
    assert data.sensor_size == (128, 128)
    assert data.test.tolist() == [False] * 100 + [True] * 100
    assert data.subjects == ("001", "002", "003", "004", "024", "025", "026", "027")
    assert set(data.conditions["lighting"]) == {"led", "lab", "natural"}
    official(data.labels, data.test, 0.5, 0, data.groups)
    for i in (0, 50, 150):
        name, size = data.identities[i].rsplit(":", 1)
        array = np.load(tmp_path / name)
        assert (tmp_path / name).stat().st_size == int(size)
        assert int(Path(name).stem) == data.labels[i]
        assert (data.origin(i) or [])[0] == (tmp_path / name,)
        assert data[i] == Events.make(array[:, 3] * 1000, array[:, 0], array[:, 1], array[:, 2], (128, 128), sort=True)
    assert pickle.loads(pickle.dumps(data))[7] == data[7]
    assert data.fingerprint() == tonic_dataset("DVSGesture", tmp_path).fingerprint()
    rejected("takes other options", tonic_dataset, "DVSGesture", tmp_path, colour=True)
    victim = tmp_path / data.identities[3].rsplit(":", 1)[0]
    victim.write_bytes(b"")
    rejected("item 3 of tonic's DVSGesture cannot be read", data.__getitem__, 3)


def test_cifar10_dvs_keeps_the_last_tenth_of_each_class(tmp_path: Path, few: None) -> None:
    """tonic/datasets/cifar10dvs.py: CIFAR10DVS/airplane/cifar10_airplane_0.aedat4; the split is SpikingJelly's."""
    for name in ("airplane", "dog"):
        for k in range(20):
            path = tmp_path / "CIFAR10DVS" / name / f"cifar10_{name}_{k}.aedat4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    packet = aedat4_files.events_packet(unstructured_to_structured(layouts.events(20, (128, 128), 7), aedat4_files.EVENT))
    aedat4_files.write(tmp_path / "CIFAR10DVS" / "dog" / "cifar10_dog_10.aedat4", {0: ("EVTS", 128, 128)}, [(0, packet)])
    data = tonic_dataset("CIFAR10DVS", tmp_path)
    full = next(i for i, identity in enumerate(data.identities) if "dog_10.aedat4" in identity)
    assert data.classes[data.labels[full]] == "dog"
    assert data[full] == expected(20, (128, 128), 7)
    assert len(data.classes) == 10
    assert sorted(set(data.labels.tolist())) == [0, 5]
    # In the order of text, 8 and 9 are the last of 0, 1, 10, 11 ... 19, 2 ... 9.
    tested = sorted(identity.rpartition("/")[2] for identity, test in zip(data.identities, data.test, strict=True) if test)
    assert tested == [f"cifar10_{name}_{k}.aedat4:0" for name in ("airplane", "dog") for k in (8, 9)]


def test_asl_and_caltech(tmp_path: Path, few: None) -> None:
    """tonic/datasets/asl_dvs.py: a/a_0001.mat with ts, x, y, pol, y upwards; ncaltech101.py: Caltech101/<class>/*.bin."""
    t, x, y, p = layouts.events(20, (240, 180), 1).T
    folder = tmp_path / "ASLDVS" / "c"
    folder.mkdir(parents=True)
    columns = {"ts": t[:, None], "x": x[:, None], "y": 179 - y[:, None], "pol": p[:, None]}
    scipy.io.savemat(folder / "c_0001.mat", columns)
    data = tonic_dataset("ASLDVS", tmp_path)
    assert data.classes[data.labels[0]] == "c"
    assert not data.test.any()
    assert data[0] == expected(20, (240, 180), 1)
    words = np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], -1).astype(np.uint8)
    for name in ("ant", "BACKGROUND_Google"):
        path = tmp_path / "NCALTECH101" / "Caltech101" / name / "image_0001.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(words.tobytes())
    caltech = tonic_dataset("NCALTECH101", tmp_path)
    assert caltech.classes == ("BACKGROUND_Google", "ant")
    assert caltech.sensor_size == (304, 240)
    assert caltech[0] == Events.make(t, x - x.min(), y - y.min(), p, (304, 240))


def test_poker_and_lips(tmp_path: Path) -> None:
    """tonic/datasets/pokerdvs.py: pips_train/cl/*.npy, [N, 4] of t, x, y, p; dvs_lips.py: DVS-Lip/train/<word>/*.npy."""
    for part, count in (("train", 5), ("test", 5)):
        for name in ("cl", "he", "di", "sp"):
            for k in range(count):
                put(tmp_path / "POKERDVS" / f"pips_{part}" / name / f"{k}.npy", layouts.events(9, (35, 35), k))
        for k in range(100):
            t, x, y, p = layouts.events(9, (128, 128), k).T
            array = np.zeros(9, [("t", int), ("x", int), ("y", int), ("p", int)])
            array["t"], array["x"], array["y"], array["p"] = t, x, y, p
            put(tmp_path / "DVSLip" / "DVS-Lip" / part / ("accused" if k % 2 else "young") / f"{k:03d}.npy", array)
    poker = tonic_dataset("POKERDVS", tmp_path)
    assert poker.classes == ("cl", "he", "di", "sp")
    assert np.bincount(poker.labels).tolist() == [10] * 4
    assert poker.test.sum() == 20
    assert poker[3] in [expected(9, (35, 35), k) for k in range(5)]
    lips = tonic_dataset("DVSLip", tmp_path)
    assert len(lips.classes) == 100
    assert sorted(set(lips.labels.tolist())) == [0, 99]
    i = next(i for i in range(200) if lips.identities[i].startswith("DVSLip/DVS-Lip/train/young/004"))
    assert lips[i] == expected(9, (128, 128), 4)


def sounds(path: Path, speakers: list[int]) -> None:
    """https://zenkelab.org/resources/spiking-heidelberg-datasets-shd: spikes/times in s, spikes/units, labels, extra."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        n = len(speakers)
        times, units = (
            file.create_dataset(f"spikes/{name}", n, h5py.vlen_dtype(kind)) for name, kind in (("times", "f4"), ("units", "u2"))
        )
        for i in range(n):
            times[i], units[i] = np.array([0.5, 0.25 + i / 8], np.float32), np.array([699, i], np.uint16)
        file["labels"] = np.arange(n) % 2
        file["extra/keys"] = np.array([b"zero", b"null"])
        file["extra/speaker"] = np.array(speakers)


def test_sounds(tmp_path: Path) -> None:
    parts = {"shd_train": [0, 1, 1], "shd_test": [1, 4], "ssc_train": [0, 1], "ssc_valid": [2], "ssc_test": [3, 3]}
    for name, speakers in parts.items():
        sounds(tmp_path / name[:3].upper() / f"{name}.h5", speakers)
    data = tonic_dataset("SHD", tmp_path)
    assert data.classes == ("zero", "null")
    assert data.sensor_size == (700, 1)
    assert data.labels.tolist() == [0, 1, 0, 0, 1]
    assert data.test.tolist() == [False] * 3 + [True] * 2
    assert [data.subjects[g] for g in data.groups] == ["000", "001", "001", "001", "004"]
    # The channel is x; in the order of time, though the file has it otherwise.
    assert data[2] == Events.make([500_000, 500_000], [699, 2], [0, 0], [1, 1], (700, 1))
    assert data[3] == Events.make([250_000, 500_000], [0, 699], [0, 0], [1, 1], (700, 1))
    assert data.origin(3) is None  # all lie in one file
    rejected("subjects .* are in the official test part", official, data.labels, data.test, 0.3, 0, data.groups)
    with h5py.File(tmp_path / "SHD" / "shd_test.h5", "r+") as file:
        del file["labels"]
    rejected("shd_test.h5: holds no data set", tonic_dataset, "SHD", tmp_path)
    commands = tonic_dataset("SSC", tmp_path)
    assert commands.test.tolist() == [False, False, False, True, True]
    assert len(set(commands.identities)) == 5


def test_digits_by_ear_and_by_threshold(tmp_path: Path) -> None:
    """tonic/datasets/ntidigits18.py: {train,test}_{labels,addresses,timestamps}; s_mnist.py: the IDX files of MNIST."""
    path = tmp_path / "NTIDIGITS18" / "n-tidigits.hdf5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        for part, samples in (("train", ["man-ae-a-z", "man-ae-b-13", "man-ae-a-o"]), ("test", ["woman-ac-a-9"])):
            file[f"{part}_labels"] = np.array([sample.encode() for sample in samples])
            for sample in samples:
                file[f"{part}_addresses/{sample}"] = np.array([3, 63])
                file[f"{part}_timestamps/{sample}"] = np.array([0.1, 0.2])
    data = tonic_dataset("NTIDIGITS18", tmp_path)
    assert [data.classes[k] for k in data.labels] == ["z", "o", "9"]  # of single digits
    assert data[2] == Events.make([100_000, 200_000], [3, 63], [0, 0], [1, 1], (64, 1))
    assert pickle.loads(pickle.dumps(data))[2] == data[2]
    folder = tmp_path / "smnist"
    folder.mkdir()
    for part, digits in (("train", [5, 0]), ("t10k", [7])):
        n = len(digits)
        pixels = np.random.default_rng(n).integers(0, 256, n * 784, np.uint8)
        head = np.array([2051, n, 28, 28], ">u4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(np.array([2049, n], ">u4").tobytes() + bytes(digits))
    serial = tonic_dataset("SMNIST", tmp_path)
    assert serial.labels.tolist() == [5, 0, 7]
    assert serial.sensor_size == (99, 1)
    assert len(serial[0]) > 100


def test_the_real_digits_through_tonic(test_data: Path, tmp_path: Path, few: None) -> None:
    """tonic's reader of N-MNIST and ours see the same events."""
    if not (test_data / "nmnist").is_dir():
        pytest.skip(f"no folder {test_data / 'nmnist'}")
    (tmp_path / "NMNIST").symlink_to(test_data / "nmnist", target_is_directory=True)
    data, ours = tonic_dataset("NMNIST", tmp_path), nmnist(test_data / "nmnist")
    np.testing.assert_array_equal(data.labels, ours.labels)
    np.testing.assert_array_equal(data.test, ours.test)
    assert all(data[i] == ours[i] for i in range(0, 1100, 37))


# SpikingJelly


def test_spikingjellys_frames_and_events(tmp_path: Path) -> None:
    root = layouts.spikingjelly(tmp_path, gesture=True)
    rejected("holds events_np, frames_number_4_split_by_number; say which folder", spikingjelly_folders, root)
    rejected("holds no folder 'frames' of SpikingJelly; there are events_np", spikingjelly_folders, root, "frames")
    frames = spikingjelly_folders(root, "frames_number_4_split_by_number")
    assert frames.classes == ("0", "1", "10")
    assert frames.test.tolist() == [False] * 6 + [True] * 6
    assert frames.subjects == ("user01", "user02", "user24", "user25")
    official(frames.labels, frames.test, 0.5, 0, frames.groups)
    assert [frames[i].max() for i in range(12)] == frames.labels.tolist()
    assert frames[0].shape == (4, 128, 128, 2)
    streams = spikingjelly_folders(root, "events_np")
    assert streams[1] == expected(21, (128, 128), 0)
    assert streams.fingerprint() != frames.fingerprint()


def test_spikingjellys_cifar10_dvs(tmp_path: Path) -> None:
    root = layouts.spikingjelly(tmp_path, gesture=False)
    data = spikingjelly_folders(root, "frames_number_4_split_by_number")
    assert data.classes == ("airplane", "dog")
    assert data.groups is None
    tested = [data.identities[i].partition(":")[0] for i in np.flatnonzero(data.test)]
    assert tested == [f"{name}/cifar10_{name}_{k}.npz" for name in data.classes for k in (8, 9)]


def test_spikingjellys_folders_that_are_wrong(tmp_path: Path) -> None:
    rejected("no such folder; spikingjelly.datasets makes it", spikingjelly_folders, tmp_path / "x")
    rejected(r"holds no events_np or frames_number_\*", spikingjelly_folders, tmp_path)
    folder = tmp_path / "events_np"
    folder.mkdir()
    rejected("holds no folder", spikingjelly_folders, tmp_path)
    (folder / "test" / "0").mkdir(parents=True)
    rejected("has test but no train", spikingjelly_folders, tmp_path)
    (folder / "train" / "1").mkdir(parents=True)
    rejected("train and test have different classes; not in both: 0, 1", spikingjelly_folders, tmp_path)
