"""Encoded samples on disk, each named by the content of all that made it, so that none can be out of date.

A sample is a file `<folder>/<2 hex digits>/<64 hex digits>.sample`, little-endian:

    0    8 bytes   b"MXSNN-S1"
    8    4         CRC-32 of all that follows: damage by chance goes unseen once in 2^32
    12   4         bytes of the head
    16   head      JSON: name, dtype, shape and how it is stored: "bits" or a type; blanks up to a multiple of 64 bytes
    ...  payload   in C order, most significant bit first

Its name is the SHA-256 of what made it: the bytes of the files of its recording (of a generated one, its parameters), each
transform with its arguments, the sensor's size, the source text of mxsnn's readers and transforms and of tonic, and the
versions of the libraries that decode.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import json
import logging
import math
import mmap
import os
import platform
import re
import stat
import sys
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxsnn.data.datasets.base import whole_files
from mxsnn.data.pipeline import ahead
from mxsnn.errors import UserError
from mxsnn.events._guard import Guard
from mxsnn.events.io.files import appearing
from mxsnn.locks import held

if TYPE_CHECKING:
    from mxsnn.data.encoded import Encoded

log = logging.getLogger(__name__)

LIMIT = 20 * 2**30
"""Bytes that a cache may take, where its folder says nothing else."""

_MAGIC = b"MXSNN-S1"
_START = len(_MAGIC) + 4 + 4
_ENTRY, _HALF_WRITTEN = re.compile(r"[0-9a-f]{64}\.sample"), re.compile(r"\.[0-9a-f]{64}-.*\.sample")
_LIMIT_FILE = "limit"  # decimal, bytes
_ABANDONED = 3600.0  # s after which what was never finished is of a process that was killed
_USED = 60.0  # s: a use is noted no more often
_COARSE = 1.0  # s by which the clock of a file system may lag behind
_SETTLED = 2e9  # ns: the coarsest clock of a file system; what changed more recently may change again without a sign
_DECODERS = ("mxsnn", "tonic", "numpy", "numba", "h5py", "hdf5plugin", "aedat")
_HASHED = ("mxsnn.data", "mxsnn.events", "tonic")
"""The packages whose source text counts; what comes from elsewhere may do what it likes, so that it is not kept."""


def default_folder() -> Path:
    """$XDG_CACHE_HOME/mxsnn/samples, else ~/.cache/mxsnn/samples."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mxsnn" / "samples"


class Cached:
    """Encoded recordings, each encoded once: a source like the one it stands before, and equal to it to the bit.

    Never kept: augmented samples (where an epoch is given and there is an augmentation), which are new in each epoch; ready
    frames; recordings that are read or encoded with a warning, which is thus told each time; data sets that do not say which
    files they read; what a transform or a reader makes that is neither mxsnn's nor tonic's, as nobody knows what code it runs.
    What is damaged in the folder is made anew with a warning; where it cannot be written, nothing is kept.

    The files of a recording are read, for their hash, once in each process, and again where size, inode, time of change or
    of modification differ. A file that changes while the process runs goes unnoticed only where the system does not tell:
    written through a memory map that was dirty already, below the file system, or with the clock put back.
    """

    def __init__(self, encoded: Encoded, folder: str | Path | None = None):
        self.__setstate__((encoded, Store(default_folder() if folder is None else folder)))

    def __getstate__(self) -> tuple[Encoded, Store]:
        return self.encoded, self.store

    def __setstate__(self, state: tuple[Encoded, Store]) -> None:
        self.encoded, self.store = state
        # Another process may run other code: it finds out itself.
        self._made_by, self._modules = _code(self.encoded), len(sys.modules)

    def __len__(self) -> int:
        return len(self.encoded)

    def labels(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        """The classes of the samples at `indices`, int64 [B]."""
        return self.encoded.labels(indices, epoch)

    def frames(self, indices: np.ndarray, epoch: int | None) -> np.ndarray:
        """The samples at `indices`, `[B, T, H, W, C]`. Raises UserError for a recording that cannot be read or encoded."""
        if self._made_by is None or (epoch is not None and self.encoded.augmented is not None):
            return self.encoded.frames(indices, epoch)
        found = None
        for k, index in enumerate(indices):  # copied one by one: a system lets a process map so many files and no more
            one = self._one(int(index))
            if found is None:
                found = np.empty((len(indices), *one.shape), one.dtype)
            elif one.shape != found.shape[1:]:
                raise self.encoded.wrong(index, f"has the shape {one.shape}, others of its batch have {found.shape[1:]}")
            found[k] = one
        return np.stack([]) if found is None else found

    def fill(self, workers: int = 0) -> None:
        """Makes every sample once, by so many processes (0: this one), and keeps those for which there is room.

        Raises: UserError for a recording that cannot be read or encoded, or is cut short.
        """
        from tqdm import tqdm

        for _ in tqdm(ahead(self._make, 0, len(self), workers), "encoding", len(self), leave=False, delay=1.0, disable=None):
            pass

    def kept(self, index: int) -> bool:
        """Whether a sample is there, so that it need not be encoded."""
        name = self.name(index)
        return name is not None and self.store.read(name) is not None

    def _make(self, index: int) -> None:
        with whole_files():
            self.frames(np.array([index]), None)

    def name(self, index: int) -> str | None:
        """Of a sample: SHA-256 of all that makes it; None where that is not known."""
        origin, encoding = self.encoded.recordings.origin(index), self.encoded.encoding
        if origin is None or encoding is None or self._made_by is None:
            return None
        try:
            files = [(path.name, content(path)) for path in origin[0]]  # by its suffix, a file may be of another format
        except OSError:  # reading it says what is wrong
            return None
        drawn = (self.encoded.seed, index) if encoding.keyed else None
        camera = self.encoded.camera if encoding.filmed else None
        told = self._made_by, files, origin[1], encoding.specs, encoding.sensor_size, drawn, camera
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def _one(self, index: int) -> np.ndarray:
        name = self.name(index)
        found = None if name is None else self.store.read(name)
        if found is not None:
            return found
        with warnings.catch_warnings(record=True) as odd:
            warnings.simplefilter("always", UserWarning)
            frames = self.encoded.frames(np.array([index]), None)[0]
        for one in odd:  # as the caller would have them
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno, registry=_told)
        if name is not None and not odd and self._still() and self.name(index) == name:  # the file did not change meanwhile
            self.store.write(name, frames)
        return frames

    def _still(self) -> bool:
        """Whether the code that was hashed is what runs: some is imported when it is first needed."""
        if len(sys.modules) != self._modules:
            self._made_by, self._modules = self._made_by and _code(self.encoded), len(sys.modules)
        return self._made_by is not None


class Store:
    """Arrays on disk by name, which any number of processes write and read at once.

    Each appears whole or not at all, and never twice: its name says its content. Beyond the limit of bytes on disk the least
    recently used are removed, but none that was used since `since` (s since 1970; None: from now on), nor by anybody in the last
    two minutes: where those alone reach the limit, no more is kept for a while, as each new one would push out one that is asked
    for again. Processes that write look after that a 16th of the limit, so that each may exceed it by so much. An array that was
    read stays valid after its file is gone.

    The limit is the folder's (`set_limit`), else `LIMIT`. What a process uses and has found out, its workers go on with.
    """

    def __init__(self, folder: str | Path, since: float | None = None):
        self.folder = Path(folder)
        self.limit = limit(self.folder)
        self._since = time.time() if since is None else since
        self._written = self.limit  # of other processes nothing is known, so the first to be written makes this one look
        self._again = 0.0  # not before this time it is worth while to write

    def path(self, name: str) -> str:
        return f"{self.folder}/{name[:2]}/{name}.sample"

    def read(self, name: str) -> np.ndarray | None:
        """The array, read-only and where possible mapped; None where there is none, or a damaged one, which is removed."""
        path = self.path(name)
        try:
            handle = os.open(path, os.O_RDONLY)  # a third of the time of Path.open
            try:
                told = os.fstat(handle)
                if told.st_mtime < self._since or time.time() - told.st_mtime > _USED:
                    with contextlib.suppress(OSError):  # another's, or just removed: it may still be read
                        os.utime(path)
                return unpack(name, memoryview(mmap.mmap(handle, told.st_size, access=mmap.ACCESS_READ)))
            finally:
                os.close(handle)
        except OSError:  # it is not there, or cannot be opened now, which says nothing about what it holds
            return None
        except ValueError as error:  # an empty file cannot be mapped either
            log.warning("%s is damaged (%s); made anew", path, error)
        with contextlib.suppress(OSError):  # it will be replaced, if that is allowed
            os.unlink(path)
        return None

    def write(self, name: str, array: np.ndarray) -> None:
        """Keeps an array of numbers, unless it is larger than the limit, or the folder cannot be written: then it says so."""
        if time.time() < self._again or array.dtype.kind not in "biuf" or array.itemsize > 8:
            return
        packed = pack(name, array)
        size = sum(map(len, packed))
        if size > self.limit:
            return self._full()
        try:
            with appearing(Path(self.path(name))) as temporary, temporary.open("wb") as file:
                file.writelines(packed)
            self._written += size
            if self._written >= self.limit // 16:
                self._written = 0
                self.trim()
        except (UserError, OSError) as error:
            if self.folder.is_dir() and os.access(self.folder, os.W_OK) and isinstance(error.__cause__, FileNotFoundError):
                return  # somebody clears the folder
            self._again = math.inf
            log.warning("encoded samples are not kept any more: %s", error)

    def _full(self) -> None:
        """There is no room, for now: what others use may be let go of."""
        if self._again == 0:
            log.warning(
                "the encoded samples of this run are more than the %.3g GiB that %s may take: what has room is kept, the rest is "
                "encoded anew in each epoch; `mxsnn cache --limit GIB` gives it more",
                self.limit / 2**30,
                self.folder,
            )
        self._again = time.time() + 2 * _USED

    def trim(self) -> None:
        """Removes the least recently used beyond 15/16 of the limit, and what killed processes left; one process at a time."""
        with (self.folder / "lock").open("w") as lock:
            if not held(lock):
                return  # another is at it
            os.utime(lock.name)
            now = os.stat(lock.name).st_mtime  # by the clock of the file system, which may be another machine's
            there = []
            for entry, told in _told_of(self.folder):
                if _ENTRY.fullmatch(entry.name):
                    there.append((told.st_mtime if told.st_mtime <= now + _USED else 0.0, _taken(told), entry.path))
                elif now - told.st_mtime > _ABANDONED:
                    _remove(entry.path)
            used_since = min(self._since + now - time.time() - _COARSE, now - 2 * _USED)
            room = self.limit - sum(size for _, size, _ in there)
            if room >= 0:
                return
            for used, size, path in sorted(there):
                if room >= self.limit // 16:
                    return
                if used >= used_since:
                    break
                _remove(path)
                room += size
            if room < 0:
                self._full()


def limit(folder: Path) -> int:
    """How many bytes a folder may take."""
    try:
        said = (folder / _LIMIT_FILE).read_text()
    except (OSError, ValueError):
        return LIMIT
    if said.isdecimal() and int(said) > 0:
        return int(said)
    log.warning(
        "%s says no number of bytes: %d GiB are taken; `mxsnn cache --limit GIB` says it", folder / _LIMIT_FILE, LIMIT / 2**30
    )
    return LIMIT


def set_limit(folder: Path, size: int) -> None:
    """Says how many bytes a folder may take, to every process that opens it from now on; what is beyond goes at once.

    Raises: UserError for less than one byte.
    """
    if size < 1:
        raise UserError(f"a cache takes at least a byte, got a limit of {size}; `--cache off` does without one")
    with appearing(folder / _LIMIT_FILE) as temporary:
        temporary.write_text(str(size))
    Store(folder).trim()


def summary(folder: Path) -> dict[str, Any]:
    """What is kept in a folder: samples, bytes on disk, and when (s since 1970) the least and most recently used was used."""
    told = [told for entry, told in _told_of(folder) if _ENTRY.fullmatch(entry.name)]
    used = [one.st_mtime for one in told]
    found: dict[str, Any] = {"folder": str(folder), "samples": len(told), "bytes": sum(map(_taken, told))}
    return found | {"limit_bytes": limit(folder), "first_used": min(used, default=None), "last_used": max(used, default=None)}


def clear(folder: Path) -> None:
    """Removes all samples in a folder, and nothing else: not those that a process is writing. Raises: UserError where it cannot."""
    try:
        for entry, told in list(_told_of(folder)):
            if _ENTRY.fullmatch(entry.name) or time.time() - told.st_mtime > _ABANDONED:
                Path(entry.path).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be cleared ({error.strerror})") from error


def pack(name: str, array: np.ndarray) -> tuple[bytes, bytes]:
    """The head and payload of an array of numbers: bits where all are 0 or 1, else the smallest unsigned type that holds all."""
    stored, values = _smallest(np.ascontiguousarray(array))
    payload = values.tobytes()
    told = {"name": name, "dtype": array.dtype.str, "shape": list(array.shape), "stored": stored}
    text = json.dumps(told).encode()
    text += b" " * (-(_START + len(text)) % 64)
    body = len(text).to_bytes(4, "little") + text
    return _MAGIC + zlib.crc32(payload, zlib.crc32(body)).to_bytes(4, "little") + body, payload


def unpack(name: str, data: memoryview) -> np.ndarray:
    """The array of this name in the bytes of a file; a view on them where it is stored as it is. Raises: ValueError for damage."""
    if len(data) < _START or data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("it is cut short, or no sample")
    if zlib.crc32(data[_START - 4 :]) != int.from_bytes(data[len(_MAGIC) : _START - 4], "little"):
        raise ValueError("its content does not match its checksum")
    payload = _START + int.from_bytes(data[_START - 4 : _START], "little")
    told = json.loads(bytes(data[_START:payload]))
    if told["name"] != name:
        raise ValueError(f"it is {told['name']}")
    dtype, shape = np.dtype(told["dtype"]), tuple(told["shape"])
    if told["stored"] == "bits":
        bits = np.unpackbits(np.frombuffer(data, np.uint8, offset=payload), count=math.prod(shape))
        return bits.reshape(shape).astype(dtype)
    return np.frombuffer(data, told["stored"], offset=payload).reshape(shape).astype(dtype, copy=False)


def _smallest(array: np.ndarray) -> tuple[str, np.ndarray]:
    """How an array is stored without loss, and so stored."""
    unsigned = array.view(np.dtype(f"u{array.itemsize}").newbyteorder(array.dtype.byteorder))  # tells -0.0 from 0.0
    one = np.ones(1, array.dtype).view(unsigned.dtype)[0]
    if ((unsigned == 0) | (unsigned == one)).all():
        return "bits", np.packbits(unsigned != 0)
    if array.dtype.kind in "iu" and array.min() >= 0:
        smallest = np.min_scalar_type(array.max())
        if smallest.itemsize < array.itemsize:
            array = array.astype(smallest.newbyteorder("<"))
    return array.dtype.str, array


_contents: dict[Path, tuple[tuple[int, ...], str]] = {}
_told: dict[Any, Any] = {}


def content(path: Path) -> str:
    """SHA-256 of the bytes of a file, or of all files in a folder with their names. Raises: OSError."""
    told = path.stat()
    if stat.S_ISDIR(told.st_mode):
        within = sorted(file for file in path.rglob("*") if file.is_file())
        return hashlib.sha256(repr([(str(file.relative_to(path)), content(file)) for file in within]).encode()).hexdigest()
    signature = told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns
    known = _contents.get(path)
    if known is not None and known[0] == signature:
        return known[1]
    began = time.time_ns()
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if began - told.st_ctime_ns > _SETTLED:  # else it may have changed again at what is the same time to the file system
        _contents[path] = signature, found
    return found


def _code(encoded: Encoded) -> str | None:
    """SHA-256 of the source text and versions of what encodes; None, with a warning, where that is not known to be what runs."""
    if encoded.encoding is None:
        return None
    made_by = [one.transform if isinstance(one, Guard) else type(one) for one in encoded.encoding.transforms]
    for kind in (*made_by, *_readers(encoded.recordings.source)):
        if not f"{kind.__module__}.".startswith(tuple(f"{package}." for package in _HASHED)):
            log.warning("encoded samples are not kept: %s.%s is not of mxsnn or tonic", kind.__module__, kind.__qualname__)
            return None
    files: dict[str, Path] = {}  # by what does not depend on where they are installed
    for package in _HASHED:
        folder = Path(importlib.import_module(package).__file__ or "").parent
        files |= {f"{package}/{file.relative_to(folder)}": file for file in folder.rglob("*.py")}
    began = _began()
    for file in files.values():
        if file.stat().st_ctime > began:
            log.warning("encoded samples are not kept: %s changed after this process had begun; start it again", file)
            return None
    told = [(name, content(file)) for name, file in sorted(files.items())]
    versions = [sys.version_info[:2], platform.machine(), *((name, _version(name)) for name in _DECODERS)]
    return hashlib.sha256(repr((told, versions)).encode()).hexdigest()


def _readers(source: Any) -> Iterator[type]:
    """The class of what gives recordings, and of what that asks in its turn."""
    while source is not None:
        yield source if isinstance(source, type) else type(source)
        source = getattr(source, "source", None)


@functools.cache
def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _began() -> float:
    """When this process began, s since 1970; on systems without /proc, never."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return math.inf
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + (ticks + 1) / os.sysconf("SC_CLK_TCK")


def _told_of(folder: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """All samples in a folder with what the system tells of them, half-written ones too."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as subfolders:
        for sub in subfolders:
            if re.fullmatch("[0-9a-f]{2}", sub.name) and sub.is_dir(follow_symlinks=False):
                with os.scandir(sub) as entries:
                    for entry in entries:
                        if _ENTRY.fullmatch(entry.name) or _HALF_WRITTEN.fullmatch(entry.name):
                            with contextlib.suppress(FileNotFoundError):
                                yield entry, entry.stat()


def _taken(told: os.stat_result) -> int:
    """Bytes on disk, which are more than the file is long: a sample of bits is short."""
    return max(told.st_size, getattr(told, "st_blocks", 0) * 512)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):  # it is gone, or on Windows mapped by somebody
        os.unlink(path)
