"""HDF5 files, read with care: damage is one error, no link leads out of a file, no length is believed that the file cannot fill.

Imported only where an HDF5 file is at hand: h5py takes a while to import.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mxsnn.errors import UserError

_LARGEST_CHUNK = 2**28  # bytes: HDF5 fills a buffer of a chunk's stated size before it looks at what is stored
_LEAST_FILTERED = 5  # bytes: a checksum of four, which HDF5 takes away without asking, and something before it
_OVERHEAD = 2**16  # bytes that a codec may add to what it cannot compress
_LARGEST_TEXT = 2**20  # bytes
_FAULTS = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError)  # what h5py raises
_PLUGIN = {32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32013: "ZFP", 32015: "Zstd", 32026: "Blosc2"}
_ECF = 36559


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """A file to read. What h5py raises, here and inside, comes out as UserError without the file's name."""
    # A reader needs no lock: it would keep out others, and some network drives have none.
    with _translated(), h5py.File(path, "r", locking=False) as file:
        yield file


@contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """A new file to write, errors as in `opened`. The same content gives the same bytes."""
    with _translated("cannot be written"), path.open("w+b", buffering=0) as raw:
        out = _Written(raw)
        try:
            with h5py.File(out, "w") as file:
                yield file
        finally:
            if out.failure is not None:
                raise UserError(f"cannot be written ({out.failure.strerror})") from out.failure


class _Written(io.RawIOBase):
    """A file that keeps its first failure, after which all seems to go well: HDF5 crashes over a file that it cannot close."""

    def __init__(self, raw: io.FileIO) -> None:
        self.raw = raw
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        n = len(rest)
        with self._kept():
            while len(rest) and self.failure is None:
                rest = rest[self.raw.write(rest) :]
        return n

    def readinto(self, buffer: Any) -> int:
        got = 0
        with self._kept():
            got = self.raw.readinto(buffer) or 0
        return got

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.raw.seek(offset, whence)

    def tell(self) -> int:
        return self.raw.tell()

    def truncate(self, size: int | None = None) -> int:
        with self._kept():
            self.raw.truncate(size)
        return size or 0

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error


@contextmanager
def _translated(what: str = "") -> Iterator[None]:
    try:
        yield
    except (UserError, FileNotFoundError, PermissionError):
        raise
    except _FAULTS as error:
        said = " ".join(str(error).split()) or type(error).__name__
        cut = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", said)
        if cut:
            raise UserError(f"the HDF5 file is cut short: {cut[1]} of its {cut[2]} bytes are there; get it again") from error
        raise UserError(f"{what or 'a damaged HDF5 file'} ({said})") from error


def find(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """The member at a path below a group, or None. Raises: UserError for a link that is not the member itself."""
    node: Any = group
    for part in name.split("/"):
        if not isinstance(node, h5py.Group) or not node.id.links.exists(part.encode()):
            return None
        if node.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:  # pyrefly: ignore  # h5py lists no modules
            raise UserError(f"{name} is a link to elsewhere, which is not followed; copy what it means into the file")
        node = node[part]
    return node


def group(parent: h5py.Group, name: str) -> h5py.Group:
    """The group at a path. Raises: UserError where there is none."""
    found = find(parent, name)
    if not isinstance(found, h5py.Group):
        raise UserError(f"holds no group {_path(parent, name)}")
    return found


def dataset(parent: h5py.Group, name: str, kinds: str = "iu", ndim: int = 1) -> h5py.Dataset:
    """The data set at a path, with `ndim` axes and values of NumPy's `kinds` ("V" for compounds), all in the file.

    Raises: UserError where it is missing, of another shape or type, stored elsewhere, not stored whole, or compressed by
      a codec that is not installed.
    """
    found, path = find(parent, name), _path(parent, name)
    if not isinstance(found, h5py.Dataset):
        raise UserError(f"holds no data set {path}")
    if found.shape is None or found.ndim != ndim or found.dtype.kind not in kinds:
        expected = ", ".join(_KINDS[kind] for kind in kinds)
        raise UserError(f"{path} has {ndim} axes of {expected}; got shape {found.shape} of {found.dtype}")
    _stored(found, path)
    readable(found)
    return found


def scalar(parent: h5py.Group, name: str) -> int:
    """The whole number at a path, of a data set of one value."""
    found = find(parent, name)
    ndim = found.ndim if isinstance(found, h5py.Dataset) else 0
    values = dataset(parent, name, ndim=min(ndim, 1))
    if values.size != 1:
        raise UserError(f"{_path(parent, name)} is one number; got shape {values.shape}")
    return int(np.asarray(values[()]).item())


def same_length(**columns: h5py.Dataset) -> int:
    """How many rows all have. Raises: UserError where they differ."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"{', '.join(lengths)} differ in length: got {lengths}; the file is damaged")
    return next(iter(lengths.values()))


def readable(found: h5py.Dataset) -> None:
    """Sees to it that the codecs of a data set are there. Raises: UserError that says what to install."""
    for code in _missing(found):
        with suppress(ImportError):
            import hdf5plugin  # noqa: F401  # registers its codecs
        if not h5py.h5z.filter_avail(code):
            raise UserError(_advice(code))


def attribute(node: h5py.Group | h5py.Dataset, name: str) -> str | float | None:
    """An attribute of one value, text or a number; None where there is none. Raises: UserError for anything else."""
    if name not in node.attrs:
        return None
    stored = node.attrs.get_id(name)
    kind = stored.dtype.kind
    if stored.shape not in ((), (1,)) or kind not in "biufSO" or stored.dtype.itemsize > _LARGEST_TEXT:
        raise UserError(f"attribute {name} is one text or number; got shape {stored.shape} of {stored.dtype}")
    if kind != "O":
        value = np.asarray(node.attrs[name]).reshape(())[()]
    elif h5py.check_string_dtype(stored.dtype) is not None:
        with _Guarded(node.file.filename) as file, h5py.File(file, "r") as again:
            value = np.asarray(again[node.name].attrs[name]).reshape(())[()]
    else:
        raise UserError(f"attribute {name} is one text or number; got {stored.dtype}")
    if isinstance(value, (bytes, str)):
        return text(value)
    return value.item()


class _Guarded(io.FileIO):
    """A file whose heaps of texts are looked at as HDF5 reads them: it would follow a damaged one in a circle for ever."""

    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer)
        data = bytes(buffer[:count])
        start = data.find(b"GCOL")
        while start >= 0:  # a head of 16 bytes, then objects of an index (0: free space), a count, a length and so many bytes
            end, at = start + int.from_bytes(data[start + 8 : start + 16], "little"), start + 16
            while at + 16 <= min(end, count):
                length = int.from_bytes(data[at + 8 : at + 16], "little")
                step = 16 + -(-length // 8) * 8 if data[at : at + 2] != b"\0\0" else length
                if step < 16:
                    raise OSError("a heap of texts is damaged")
                at += step
            start = data.find(b"GCOL", start + 4)
        return count


def attributes(node: h5py.Group | h5py.Dataset) -> dict[str, str | float]:
    """All attributes, as `attribute`."""
    found = {name: attribute(node, name) for name in node.attrs}
    return {name: value for name, value in found.items() if value is not None}


def text(value: bytes | str) -> str:
    """Text as HDF5 gives it. Raises: UserError where it is no UTF-8."""
    try:
        return (value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"text that is not UTF-8: {value!r:.60}") from error


def set_attribute(node: h5py.Group | h5py.Dataset, name: str, value: str | float) -> None:
    """Text is stored with its length: what has none lies in a heap of the file, one more thing that can be damaged."""
    if isinstance(value, str):
        encoded = encode(name, value)
        node.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(len(encoded), 1)))
    elif isinstance(value, (bool, int, float, np.number, np.bool_)):
        node.attrs[name] = value
    else:
        raise UserError(f"{name} is text or a number, got {value!r}")


def encode(name: str, value: str) -> bytes:
    """Text as UTF-8. Raises: UserError for what HDF5 cannot hold."""
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{name} is no valid text: {value!r:.60}") from error
    if b"\0" in encoded:
        raise UserError(f"{name} holds a zero character, which ends a text in HDF5: {value!r:.60}")
    return encoded


class Growing:
    """Columns of a group that grow by whole chunks, so that each chunk is compressed once.

    `options`: arguments of h5py's `create_dataset`, such as those of a codec.
    """

    def __init__(self, group: h5py.Group, dtypes: Mapping[str, np.dtype], chunk: int, options: Mapping[str, Any]) -> None:
        self.chunk = chunk
        self.columns = {
            name: group.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(chunk,), **options)
            for name, dtype in dtypes.items()
        }
        self.rest = {name: np.empty(0, dtype) for name, dtype in dtypes.items()}
        self.written = 0

    def __len__(self) -> int:
        return self.written + len(next(iter(self.rest.values())))

    def append(self, **values: np.ndarray) -> None:
        """Rows at the end, from one array a column."""
        joined = {name: np.concatenate([self.rest[name], array]) for name, array in values.items()}
        rows = len(next(iter(joined.values()))) // self.chunk * self.chunk
        self._write({name: array[:rows] for name, array in joined.items()})
        self.rest = {name: array[rows:].copy() for name, array in joined.items()}

    def finish(self) -> None:
        """Writes what fills no chunk."""
        self._write(self.rest)

    def _write(self, values: Mapping[str, np.ndarray]) -> None:
        rows = len(next(iter(values.values())))
        if not rows:
            return
        for name, array in values.items():
            self.columns[name].resize((self.written + rows,))
            self.columns[name][self.written :] = array
        self.written += rows


Codec = Callable[[], Mapping[str, Any]]
"""A way to compress: `codec()` gives the arguments of h5py's `create_dataset`."""


def gzip() -> Mapping[str, Any]:
    """Every HDF5 library reads it. Level 1 writes 1.4 times as fast as 4, in files 7 % larger."""
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def zstd() -> Mapping[str, Any]:
    """As small as gzip and some three times as fast; readers need hdf5plugin."""
    return {**_plugin().Zstd(clevel=3), "shuffle": True}


def lz4() -> Mapping[str, Any]:
    """The fastest, some 10 % larger; readers need hdf5plugin."""
    return dict(_plugin().Bitshuffle(cname="lz4"))


def plain() -> Mapping[str, Any]:
    """Not compressed."""
    return {}


CODECS: dict[str, Codec] = {codec.__name__: codec for codec in (gzip, zstd, lz4, plain)}
"""By name, for command lines."""


def codec_options(codec: Codec | str) -> Mapping[str, Any]:
    """What a codec, or the one of a name in `CODECS`, asks of h5py, and a checksum. Raises: UserError for another name.

    With a checksum, damage is an error: not another image, and not a codec that fails on it with all of the process.
    """
    if isinstance(codec, str):
        if codec not in CODECS:
            raise UserError(f"codec is one of {', '.join(CODECS)}; got {codec!r}")
        codec = CODECS[codec]
    return {**codec(), "fletcher32": True}


def _plugin() -> Any:
    try:
        import hdf5plugin
    except ImportError as error:
        raise UserError("this codec needs hdf5plugin: pip install 'mxsnn[codecs]', or write with codec='gzip'") from error
    return hdf5plugin


_KINDS = {"i": "integers", "u": "unsigned integers", "f": "floats", "b": "booleans", "V": "compounds", "S": "text"}


def _path(parent: h5py.Group, name: str) -> str:
    return f"{parent.name or ''}/{name}".lstrip("/")


def _stored(found: h5py.Dataset, path: str) -> None:
    plist = found.id.get_create_plist()
    if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
        raise UserError(f"{path} lies in other files, which are not followed; copy it into this one (h5repack)")
    bytes_ = found.size * found.dtype.itemsize
    if not bytes_:
        return
    if found.chunks is None:
        there = found.id.get_storage_size()
        if not bytes_ <= there <= Path(found.file.filename).stat().st_size:
            raise UserError(f"{path} states {bytes_} bytes, of which {there} are in the file; it is damaged")
        return
    chunk = math.prod(found.chunks) * found.dtype.itemsize
    if chunk > _LARGEST_CHUNK:
        raise UserError(f"{path} has chunks of {found.chunks} values, more than {_LARGEST_CHUNK // 2**20} MiB; it is damaged")
    stated = math.prod(-(-side // part) for side, part in zip(found.shape, found.chunks, strict=True))
    there = found.id.get_num_chunks()
    if there != stated:
        raise UserError(f"{path} states {stated} chunks, of which {there} are in the file; it is damaged")
    size, filtered = Path(found.file.filename).stat().st_size, plist.get_nfilters() > 0
    seen = set()

    def look(one: Any) -> None:
        whole = one.size == chunk if not filtered else _LEAST_FILTERED <= one.size <= 2 * chunk + _OVERHEAD
        if whole and one.byte_offset + one.size <= size:
            seen.add(one.chunk_offset)

    found.id.chunk_iter(look)  # HDF5 itself takes what a chunk's entry says without asking
    if len(seen) != stated:
        raise UserError(f"{path} has {stated - len(seen)} chunks that cannot be what the file says of them; it is damaged")


def _missing(found: h5py.Dataset) -> list[int]:
    plist = found.id.get_create_plist()
    codes = [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]
    return [code for code in codes if not h5py.h5z.filter_avail(code)]


def _advice(code: int) -> str:
    if code == _ECF:
        return (
            "compressed with Prophesee's ECF codec, which is not installed: build github.com/prophesee-ai/hdf5_ecf and set "
            "HDF5_PLUGIN_PATH to its folder, or convert the original with Metavision to RAW"
        )
    if code in _PLUGIN:
        return f"compressed with {_PLUGIN[code]}, which hdf5plugin reads: pip install 'mxsnn[codecs]'"
    return f"compressed by HDF5 filter {code}, which is not installed: set HDF5_PLUGIN_PATH to its folder"
