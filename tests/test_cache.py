"""The cache of encoded samples: equal to the encoding to the bit, never out of date, whole whatever is killed."""

from __future__ import annotations

import errno
import importlib
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from inspect import getfile
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn import cli
from mxsnn.data import cache
from mxsnn.data.cache import Cached, Store, pack, unpack
from mxsnn.data.datasets import nmnist, open_dataset, recognise, recordings, smoke, write_index
from mxsnn.data.datasets.base import whole_files
from mxsnn.data.encoded import Encoded
from mxsnn.errors import CutShortWarning, UserError
from mxsnn.events import Events, Label, Recording, write
from mxsnn.events.tonic import compose
from mxsnn.events.transforms import TRANSFORMS
from tests import layouts

ROOT = Path(__file__).parents[1]
SPEC = "TimeFrames(bins=4, start=0, stop=300000)"
N = 20

pytestmark = pytest.mark.usefixtures("code_at_rest")


@pytest.fixture
def digits(tmp_path) -> Path:
    """A folder like N-MNIST's with a recording for each digit and part."""
    rng = np.random.default_rng(0)
    for part in ("Train", "Test"):
        for digit in range(10):
            t = np.sort(rng.integers(0, 300_000, 300))
            x, y, p = rng.integers(0, 34, 300), rng.integers(0, 34, 300), rng.integers(0, 2, 300)
            path = tmp_path / "digits" / part / str(digit) / "0.bin"
            path.parent.mkdir(parents=True)
            path.write_bytes(np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], -1).astype(np.uint8).tobytes())
    return tmp_path / "digits"


def encoded(root: Path, spec: str = SPEC, augmented: str | None = None) -> Encoded:
    found = nmnist(root)
    return Encoded(found, compose([spec], found.sensor_size), augmented and compose([augmented, spec], found.sensor_size))


def everything(source) -> np.ndarray:
    return source.frames(np.arange(len(source)), None)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.sample"))


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """The indices that are really encoded."""
    made: list[int] = []
    original = Encoded.frames
    monkeypatch.setattr(Encoded, "frames", lambda self, i, epoch: made.extend(np.asarray(i).tolist()) or original(self, i, epoch))
    return made


# --- what an entry holds

NUMBERS = ["?", "u1", "i1", "u2", "i2", ">i2", "i4", "u4", "i8", "u8", ">u8", "f2", "f4", ">f4", "f8"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@given(st.sampled_from(NUMBERS).flatmap(lambda dtype: hnp.arrays(dtype, SHAPES)))
def test_arrays_come_back_to_the_bit(array):
    name = "0" * 64
    found = unpack(name, memoryview(b"".join(pack(name, array))))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()  # NaN and -0.0 too


@given(
    st.sampled_from(NUMBERS).flatmap(lambda d: hnp.arrays(np.uint8, SHAPES, elements=st.integers(0, 1)).map(lambda a: a.astype(d)))
)
def test_a_binary_array_takes_a_bit_for_each_number(array):
    name = "0" * 64
    head, payload = pack(name, array)
    assert len(payload) == -(-array.size // 8)
    found = unpack(name, memoryview(head + payload))
    assert found.dtype == array.dtype
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize(("largest", "bytes_each"), [(2, 1), (255, 1), (256, 2), (65535, 2), (65536, 4), (2**32, 8)])
def test_counts_take_the_smallest_unsigned_type(largest, bytes_each):
    assert len(pack("0" * 64, np.array([0, largest], np.int64))[1]) == 2 * bytes_each


def test_what_is_no_plain_zero_or_one_is_no_bit():
    for odd in (-0.0, 0.5, np.nan, 1 + 1e-7):
        array = np.array([0, 1, odd], np.float32)
        assert unpack("0" * 64, memoryview(b"".join(pack("0" * 64, array)))).tobytes() == array.tobytes()
        assert len(pack("0" * 64, array)[1]) == 12


# --- equal to the encoding, and encoded once


@pytest.mark.parametrize("spec", [SPEC, SPEC[:-1] + ", clip=1)", "ToVoxelGrid(n_time_bins=3)"])
@pytest.mark.filterwarnings("ignore::mxsnn.events.tonic.TonicWarning")
def test_equal_to_the_encoding_and_encoded_once(digits, tmp_path, calls, spec):
    source = encoded(digits, spec)
    expected = everything(source)
    calls.clear()
    for times in (1, 2):
        found = everything(Cached(source, tmp_path / "cache"))
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected), times
        assert sorted(calls) == list(range(N))
    assert len(entries(tmp_path / "cache")) == N


def test_generated_recordings_are_kept_by_their_parameters(tmp_path, calls):
    def source(n, seed):
        data = smoke(n=n, seed=seed)
        return Cached(Encoded(data, compose([SPEC], data.sensor_size)), tmp_path)

    first = everything(source(6, 0))
    assert np.array_equal(everything(source(12, 0))[:6], first)  # how many there are does not count
    assert len(calls) == 12
    assert not np.array_equal(everything(source(6, 1)), first)
    assert len(calls) == 18


def test_a_selection_shares_the_samples(digits, tmp_path, calls):
    source = encoded(digits)
    whole = everything(Cached(source, tmp_path))
    calls.clear()
    part = source.recordings.select(np.array([7, 3]))
    assert np.array_equal(everything(Cached(Encoded(part, source.encoding), tmp_path)), whole[[7, 3]])
    assert not calls


@pytest.mark.parametrize("name", ["nefer", "facemorphic", "spiking_fer", "fes", "gesture", "cifar"])
def test_data_sets_say_which_files_they_read(tmp_path, name):
    makers = {"gesture": lambda path: layouts.spikingjelly(path, True), "cifar": lambda path: layouts.spikingjelly(path, False)}
    made = makers[name](tmp_path) if name in makers else getattr(layouts, name)(tmp_path)
    root = made if isinstance(made, Path) else tmp_path
    data = open_dataset(recognise(root), root)
    files = [(data.origin(i) or ((), ""))[0] for i in range(len(data))]
    assert all(files)
    assert len(set(files)) == len(data)
    for i in (0, len(data) - 1):
        for path in files[i]:
            path.unlink()
        with pytest.raises(UserError):
            data[i]


def test_an_index_says_which_files_it_lists(tmp_path):
    for k in range(2):
        stream = smoke(n=2)[k]
        assert isinstance(stream, Events)
        write(tmp_path / f"{k}.mxr", Recording(stream, labels=(Label(("blink", "smile")[k], "movement"),)))
    write_index(tmp_path)
    data = recordings(tmp_path)
    assert [data.origin(k) for k in range(2)] == [((tmp_path / f"{k}.mxr",), "(32, 24)") for k in range(2)]
    kept = Cached(Encoded(data, compose([SPEC], data.sensor_size)), tmp_path / "cache")
    expected = everything(kept.encoded)
    for _ in range(2):
        assert np.array_equal(everything(kept), expected)
    assert len(entries(tmp_path / "cache")) == 2


def test_a_moved_folder_is_the_same(digits, tmp_path, calls):
    everything(Cached(encoded(digits), tmp_path / "cache"))
    calls.clear()
    everything(Cached(encoded(digits.rename(tmp_path / "elsewhere")), tmp_path / "cache"))
    assert not calls


# --- never out of date


def test_a_parameter_that_changes_gives_fresh_samples(digits, tmp_path, calls):
    for spec in (SPEC, SPEC.replace("bins=4", "bins=5"), SPEC.replace("300000", "300001"), SPEC[:-1] + ", clip=1)"):
        source = encoded(digits, spec)
        expected = everything(source)
        calls.clear()
        assert np.array_equal(everything(Cached(source, tmp_path / "cache")), expected)
        assert len(calls) == N


def test_another_sensor_gives_fresh_samples(tmp_path):
    def source(size):
        data = smoke(n=6, sensor_size=size)
        return Cached(Encoded(data, compose(["Crop(x=0, y=0, width=8, height=8)", SPEC], size)), tmp_path)

    assert not {source((32, 24)).name(i) for i in range(6)} & {source((32, 25)).name(i) for i in range(6)}


def old(path: Path) -> None:
    """Makes a file settled, as one that was written days ago: what it holds is remembered."""
    while time.time_ns() - path.stat().st_ctime_ns < cache._SETTLED:
        time.sleep(0.1)


@pytest.mark.parametrize("settled", [True, False])
def test_a_byte_that_changes_under_size_and_time_gives_a_fresh_sample(digits, tmp_path, calls, settled):
    path = digits / "Train" / "3" / "0.bin"
    if settled:
        old(path)
    source = Cached(encoded(digits), tmp_path / "cache")
    before, told = everything(source), path.stat()
    assert (path in cache._contents) == settled
    calls.clear()
    data = bytearray(path.read_bytes())
    data[0] ^= 1  # the first event one pixel aside
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (told.st_size, told.st_mtime_ns)
    after = everything(source)
    assert calls == [3]
    assert np.array_equal(after, everything(encoded(digits)))
    assert [i for i in range(N) if not np.array_equal(before[i], after[i])] == [3]


def test_a_file_that_changes_while_it_is_read_is_not_kept(digits, tmp_path, monkeypatch):
    source, original = Cached(encoded(digits), tmp_path / "cache"), Encoded.frames
    path = digits / "Train" / "0" / "0.bin"

    def changing(self, indices, epoch):
        path.write_bytes(path.read_bytes()[5:])
        return original(self, indices, epoch)

    monkeypatch.setattr(Encoded, "frames", changing)
    source.frames(np.arange(1), None)
    assert not entries(tmp_path / "cache")


SCRIPT = """
import sys, time
import numpy as np
from pathlib import Path
from mxsnn.data.cache import Cached
from mxsnn.data.datasets import nmnist
from mxsnn.data.encoded import Encoded
from mxsnn.events.tonic import compose
made, original = [], Encoded.frames
Encoded.frames = lambda self, i, epoch: made.extend(i) or original(self, i, epoch)
data = nmnist(sys.argv[1])
source = Cached(Encoded(data, compose([sys.argv[3]], data.sensor_size)), sys.argv[2])
print(int(source.frames(np.arange(len(data)), None).sum()), len(made))
"""


def fresh(package: Path, digits: Path, folder: Path) -> tuple[int, int]:
    """What a new process finds: the sum of all frames, and how many recordings it encoded."""
    environment = os.environ | {"PYTHONPATH": str(package)}
    command = [sys.executable, "-c", SCRIPT, str(digits), str(folder), SPEC]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=package, timeout=120)
    assert done.returncode == 0, done.stderr
    total, made = done.stdout.split()
    return int(total), int(made)


@pytest.mark.slow
def test_code_that_changes_gives_fresh_samples_in_a_new_process(digits, tmp_path):
    package, folder = tmp_path / "package", tmp_path / "cache"
    shutil.copytree(ROOT / "mxsnn", package / "mxsnn", ignore=shutil.ignore_patterns("__pycache__"))
    transform = package / Path(getfile(TRANSFORMS["TimeFrames"])).relative_to(ROOT)
    below = package / "mxsnn" / "events" / "stream.py"
    time.sleep(0.1)  # else it changed, as the clock has it, after the process began
    total, made = fresh(package, digits, folder)
    assert (total, made) == (300 * N, N)
    assert fresh(package, digits, folder) == (total, 0)  # an equal configuration in a new process
    text = transform.read_text()
    doubled = "\n_call = TimeFrames.__call__\nTimeFrames.__call__ = lambda self, events: 2 * _call(self, events)\n"
    transform.write_text(text + doubled)
    time.sleep(0.1)
    assert fresh(package, digits, folder) == (2 * total, N)
    transform.write_text(text)
    time.sleep(0.1)
    assert fresh(package, digits, folder) == (total, 0)  # as it was: what was kept is right again
    below.write_text(below.read_text() + "\n# what all transforms stand on\n")
    time.sleep(0.1)
    assert fresh(package, digits, folder) == (total, N)


def test_code_that_changes_under_a_running_process_is_noticed(digits, tmp_path, monkeypatch, caplog):
    monkeypatch.undo()
    assert time.time() - 3600 < cache._began() < time.time() or not Path("/proc").exists()
    monkeypatch.setattr(cache, "_began", lambda: 0.0)
    source = encoded(digits)
    assert np.array_equal(everything(Cached(source, tmp_path / "cache")), everything(source))
    assert "changed after this process had begun" in caplog.text
    assert not entries(tmp_path / "cache")


def test_another_process_asks_for_its_own_code(digits, tmp_path, monkeypatch):
    source = Cached(encoded(digits), tmp_path)
    same = pickle.loads(pickle.dumps(source))
    assert same.name(0) == source.name(0)
    monkeypatch.setattr(cache, "_code", lambda encoded: "other")
    assert pickle.loads(pickle.dumps(source)).name(0) != source.name(0)


@pytest.mark.parametrize("module", ["mxsnn.events.transforms", "mxsnn.events.stream", "mxsnn.data.encoded", "tonic.functional"])
def test_source_text_counts(digits, tmp_path, monkeypatch, module):
    changed = Path(importlib.import_module(module).__file__ or "")
    before, original = Cached(encoded(digits), tmp_path).name(0), cache.content
    monkeypatch.setattr(cache, "content", lambda path: "edited" if path == changed else original(path))
    assert Cached(encoded(digits), tmp_path).name(0) != before


@pytest.mark.parametrize("package", cache._DECODERS)
def test_versions_count(digits, tmp_path, monkeypatch, package):
    before, original = Cached(encoded(digits), tmp_path).name(0), cache._version
    monkeypatch.setattr(cache, "_version", lambda name: "0.0" if name == package else original(name))
    assert Cached(encoded(digits), tmp_path).name(0) != before


# --- what is not kept


def test_augmented_samples_are_not_kept(digits, tmp_path, calls):
    source = encoded(digits, augmented="DropEvent(p=0.5)")
    cached = Cached(source, tmp_path / "cache")
    for epoch in (0, 1):
        assert np.array_equal(cached.frames(np.arange(N), epoch), source.frames(np.arange(N), epoch))
    assert not entries(tmp_path / "cache")
    assert np.array_equal(everything(cached), everything(source))
    assert len(entries(tmp_path / "cache")) == N


def test_a_recording_with_a_warning_is_told_each_time(digits, tmp_path):
    path = digits / "Train" / "0" / "0.bin"
    path.write_bytes(path.read_bytes()[:-2])
    cached = Cached(encoded(digits), tmp_path / "cache")
    for _ in range(2):
        with pytest.warns(CutShortWarning, match=r"0\.bin"):
            cached.frames(np.arange(1), None)
    with pytest.raises(UserError, match=r"0\.bin"), whole_files():
        cached.frames(np.arange(1), None)
    assert not entries(tmp_path / "cache")


def test_a_missing_file_is_the_error_of_its_reader(digits, tmp_path):
    cached = Cached(encoded(digits), tmp_path / "cache")
    (digits / "Train" / "0" / "0.bin").unlink()
    with pytest.raises(UserError, match=r"0\.bin: no such file"):
        cached.frames(np.arange(1), None)


def test_a_folder_that_cannot_be_written_is_done_without(digits, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file")
    source = encoded(digits)
    assert np.array_equal(everything(Cached(source, tmp_path / "cache")), everything(source))
    assert caplog.text.count("not kept") == 1


# --- damage

NAME = "ab" * 32
ARRAY = (np.arange(600) % 200).astype(np.int32).reshape(3, 10, 10, 2)


def stored(folder: Path) -> tuple[Store, Path]:
    store = Store(folder)
    store.write(NAME, ARRAY)
    return store, Path(store.path(NAME))


def test_every_byte_is_watched(tmp_path, caplog):
    store, path = stored(tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        assert store.read(NAME) is None
        assert not path.exists()
    assert caplog.text.count("is damaged") == len(whole)
    path.write_bytes(whole)
    assert np.array_equal(store.read(NAME), ARRAY)


def test_every_cut_is_noticed(tmp_path):
    store, path = stored(tmp_path)
    whole = path.read_bytes()
    for length in [*range(0, 200), *range(200, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert store.read(NAME) is None
    path.write_bytes(whole + b"\0")
    assert store.read(NAME) is None


def test_an_entry_under_a_wrong_name_is_noticed(tmp_path):
    store, path = stored(tmp_path)
    other = Path(store.path("ac" * 32))
    other.parent.mkdir()
    path.rename(other)
    assert store.read("ac" * 32) is None


def test_a_damaged_sample_is_made_anew(digits, tmp_path, calls, caplog):
    source = encoded(digits)
    cached, expected = Cached(source, tmp_path / "cache"), everything(source)
    everything(cached)
    for path in entries(tmp_path / "cache")[:3]:
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)[0]
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 255]))
    calls.clear()
    assert np.array_equal(everything(cached), expected)
    assert len(calls) == caplog.text.count("is damaged") == 3
    assert np.array_equal(everything(cached), expected)
    assert len(calls) == 3


# --- limits


def test_the_least_recently_used_go_first(tmp_path):
    names = [f"{i:02x}" * 32 for i in range(40)]
    array = np.arange(12_000, dtype=np.uint8)
    Store(tmp_path).write(names[0], array)
    size = cache.summary(tmp_path)["bytes"]
    cache.set_limit(tmp_path, 16 * size)
    store = Store(tmp_path)
    for age, name in enumerate(names[:16]):
        store.write(name, array)
        os.utime(store.path(name), (1e9 + age, 1e9 + age))
    held = store.read(names[0])  # used now, and mapped
    assert held is not None and not held.flags.writeable
    store.write(names[16], array)
    there = {path.stem for path in entries(tmp_path)}
    assert names[0] in there and names[16] in there
    assert names[1] not in there
    assert len(there) * size <= 15 * size
    kept = sorted(names.index(name) for name in there - {names[0]})
    assert kept == list(range(kept[0], 17))
    for name in names[17:]:
        store.write(name, array)
        assert cache.summary(tmp_path)["bytes"] <= 18 * size  # the limit, a 16th, and the one that makes it look
    cache.clear(tmp_path)
    assert np.array_equal(held, array)  # though its file is gone


def test_a_set_beyond_the_limit_keeps_a_part_rather_than_none(digits, tmp_path, calls, caplog):
    """Least recently used of a set that comes around again and again would be what is asked for next."""
    source = encoded(digits)
    expected, folder = everything(source), tmp_path / "cache"
    everything(Cached(source, folder))
    size = cache.summary(folder)["bytes"]
    cache.clear(folder)
    cache.set_limit(folder, size // 2)
    cached = Cached(source, folder)
    assert np.array_equal(everything(cached), expected)
    assert "mxsnn cache --limit" in caplog.text
    there = entries(folder)
    assert N // 3 < len(there) <= N // 2 + 2
    caplog.clear()
    for again in (cached, pickle.loads(pickle.dumps(cached))):
        calls.clear()
        assert np.array_equal(everything(again), expected)
        assert len(calls) == N - len(there)  # the others are read
        assert entries(folder) == there
    later = Store(folder)
    assert later.limit == size // 2
    later.write(NAME, np.arange(500))
    assert NAME not in {path.stem for path in there} and set(there) <= set(entries(folder))  # of a run just now
    for path in entries(folder):
        os.utime(path, (path.stat().st_mtime - 3600,) * 2)  # and of one an hour ago
    Store(folder).write(NAME[::-1], np.arange(500))
    assert NAME[::-1] in {path.stem for path in entries(folder)} and len(entries(folder)) < len(there)


@pytest.mark.parametrize("workers", [0, 2])
def test_filling_makes_every_sample_once(digits, tmp_path, calls, workers):
    cached = Cached(encoded(digits), tmp_path / "cache")
    cached.fill(workers)
    assert len(entries(tmp_path / "cache")) == N
    calls.clear()
    assert np.array_equal(everything(cached), everything(encoded(digits)))
    assert len(calls) == N  # of the plain encoding


@pytest.mark.parametrize("workers", [0, 1])
def test_filling_refuses_a_file_that_is_cut_short(digits, tmp_path, workers):
    path = digits / "Train" / "3" / "0.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"3/0\.bin.*get it whole"):
        Cached(encoded(digits), tmp_path / "cache").fill(workers)


def test_what_is_larger_than_the_limit_is_not_kept_and_that_is_said(tmp_path, caplog):
    cache.set_limit(tmp_path, 100)
    store = Store(tmp_path)
    for _ in range(2):
        store.write(NAME, ARRAY)
    assert not entries(tmp_path)
    assert caplog.text.count("mxsnn cache --limit") == 1


def test_what_another_process_uses_stays(tmp_path):
    array = np.arange(12_000, dtype=np.uint8)
    names = [f"{i:02x}" * 32 for i in range(40)]
    theirs = Store(tmp_path)
    for name in names[:10]:
        theirs.write(name, array)
        os.utime(theirs.path(name), (time.time() - 30,) * 2)  # noted no more often than once a minute
    cache.set_limit(tmp_path, cache.summary(tmp_path)["bytes"])
    ours = Store(tmp_path)
    for name in names[10:]:
        ours.write(name, array)
    assert all(theirs.read(name) is not None for name in names[:10])


def test_a_clock_that_was_put_back_does_not_keep_what_is_old(tmp_path):
    array = np.arange(12_000, dtype=np.uint8)
    store, names = Store(tmp_path), [f"{i:02x}" * 32 for i in range(40)]
    for name in names[:16]:
        store.write(name, array)
        os.utime(store.path(name), (time.time() + 1e6,) * 2)
    cache.set_limit(tmp_path, cache.summary(tmp_path)["bytes"])
    Store(tmp_path).write(names[20], array)
    assert names[20] in {path.stem for path in entries(tmp_path)}


def test_clearing_does_not_stop_those_who_write(tmp_path, monkeypatch):
    store, replace = Store(tmp_path), os.replace

    def cleared(*args):
        shutil.rmtree(Path(args[0]).parent)
        replace(*args)

    monkeypatch.setattr(os, "replace", cleared)
    store.write(NAME, ARRAY)
    assert not entries(tmp_path)
    monkeypatch.undo()
    store.write(NAME, ARRAY)
    assert np.array_equal(store.read(NAME), ARRAY)


MANY = """
import resource, sys
import numpy as np
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from mxsnn.data import cache, datasets
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import Resident
from mxsnn.events.tonic import compose
cache._began = lambda: float("inf")
data = datasets.open_dataset("smoke", None).select(np.arange(100))
source = cache.Cached(Encoded(data, compose(["TimeFrames(bins=4, start=0, stop=100000)"], data.sensor_size)), sys.argv[1])
source.fill()
assert len(Resident(source)) == 100
print(cache.summary(source.store.folder)["samples"])
"""


def test_more_samples_than_files_may_be_open(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path)], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert told.stdout == "100\n", told.stderr
    assert "damaged" not in told.stderr


def test_what_cannot_be_opened_now_is_not_damaged(tmp_path, monkeypatch):
    store, path = stored(tmp_path)

    def refuse(*args, **kwargs):
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(cache.mmap, "mmap", refuse)
    assert store.read(NAME) is None and path.exists()


def test_what_killed_processes_left_is_cleared_away(tmp_path):
    store, path = stored(tmp_path)
    recent, abandoned = (path.with_name(f".{NAME}-{end}.sample") for end in ("recent", "old"))
    recent.write_bytes(b"half")
    abandoned.write_bytes(b"half")
    os.utime(abandoned, (1e9, 1e9))
    store.trim()
    assert path.exists() and recent.exists() and not abandoned.exists()


# --- several processes

FILL = """
import os, random, signal, sys
import numpy as np
from mxsnn.data.cache import Store
folder, seed, moment = sys.argv[1:]
names = [f"{i:02x}" * 32 for i in range(120)]
random.Random(int(seed)).shuffle(names)
store, count = Store(folder), 0
replace = os.replace

def replacing(*args):
    global count
    count += 1
    if moment == "before" and count == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*args)
    if moment == "after" and count == 1:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replacing
print("ready", flush=True)
sys.stdin.readline()
for name in names:
    expected = np.random.default_rng(int(name[:2], 16)).integers(2**32, size=50_000, dtype=np.uint32)
    found = store.read(name)
    if found is None:
        store.write(name, expected)
    elif not np.array_equal(found, expected):
        sys.exit("a wrong sample")
"""


def fill(folder: Path, seed: int, moment: str = "-") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FILL, str(folder), str(seed), moment]
    environment, pipe = os.environ | {"PYTHONPATH": str(ROOT)}, subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)


def together(processes: list[subprocess.Popen[str]]) -> None:
    """Lets them begin at the same moment."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_processes_that_fill_one_cache_and_are_killed_leave_it_whole(tmp_path):
    rng = random.Random(0)
    for k in range(4):
        filling = [fill(tmp_path, 4 * k + n, moment) for n, moment in enumerate(("before", "after", "-", "-"))]
        together(filling)
        for process in filling[2:]:
            time.sleep(rng.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        ends = [end(process) for process in filling]
        assert {code for code, _ in ends} <= {0, -signal.SIGKILL}, ends
        assert k or [code for code, _ in ends[:2]] == [-signal.SIGKILL] * 2
        for path in entries(tmp_path):
            if not path.name.startswith("."):
                unpack(path.stem, memoryview(path.read_bytes()))  # raises where it is torn
    assert [path for path in entries(tmp_path) if path.name.startswith(".")]  # some died in the middle of it
    last = [fill(tmp_path, 100 + n) for n in range(4)]
    together(last)
    assert [end(process) for process in last] == [(0, "")] * 4
    there = [path for path in entries(tmp_path) if not path.name.startswith(".")]
    assert sorted(path.stem for path in there) == sorted(f"{i:02x}" * 32 for i in range(120))
    for path in there:
        found = unpack(path.stem, memoryview(path.read_bytes()))
        assert np.array_equal(found, np.random.default_rng(int(path.stem[:2], 16)).integers(2**32, size=50_000, dtype=np.uint32))


# --- the command line


def test_the_command_shows_and_clears(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "mxsnn" / "samples"
    assert cache.default_folder() == folder
    assert cli.main(["cache"]) == 0
    assert "never" in capsys.readouterr().out
    _, path = stored(folder)
    other = path.with_name("notes.txt")
    other.write_text("of somebody else")
    assert cli.main(["cache", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["samples"] == 1 and found["bytes"] >= max(path.stat().st_size, path.stat().st_blocks * 512)
    assert cli.main(["cache", "--limit", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["limit_bytes"] == Store(folder).limit == 2**29
    for wrong, said in (
        ("0", "at least a byte"),
        ("nan", "a number of GiB"),
        ("inf", "a number of GiB"),
        ("1e300", "a number of GiB"),
    ):
        assert cli.main(["cache", "--limit", wrong]) == 2
        assert said in capsys.readouterr().err
    (folder / "limit").write_text("abc")
    assert cache.limit(folder) == cache.LIMIT
    assert cli.main(["cache", "--folder", str(path)]) == 2
    assert "is no folder" in capsys.readouterr().err
    assert cli.main(["cache", "--clear"]) == 0
    assert not path.exists() and other.exists()
    capsys.readouterr()
    assert cli.main(["cache", "--folder", str(tmp_path / "none"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 0


@pytest.mark.slow
def test_a_training_is_the_same_with_and_without(tmp_path, monkeypatch):
    from experiments import classify

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    small = ["smoke", "--model", "SpikingCNN(channels=(4,))", "--train.epochs", "1", "--train.batch", "96", "--cache"]
    digests = []
    for k, where in enumerate(("off", tmp_path / "cache", tmp_path / "cache")):
        out = tmp_path / f"run-{k}"
        classify.main([*small, str(where), "--out", str(out)])
        digests.append(json.loads((out / "result.json").read_text())["params_digest"])
    assert len(set(digests)) == 1
    assert len(entries(tmp_path / "cache")) == 600
    assert not entries(tmp_path / "home" / "mxsnn" / "samples")
