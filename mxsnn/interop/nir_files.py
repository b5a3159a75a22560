"""NIR graphs in HDF5 files, read with care: the HDF5 library and the package nir believe what a file states.

A damaged file can send the library round in a circle for ever or end the process: lengths in its heaps of texts are followed
without a look. So the heaps are looked at first, no link leads out of the file, and there are limits to what is read.
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mxsnn.errors import UserError
from mxsnn.interop.membranes import package

MOST_DEEP = 64  # groups in groups: a graph inside a graph takes two
MOST_MEMBERS = 2**16  # groups and arrays
DEFLATED = 1032  # the most bytes that gzip makes one of
LARGEST_CHUNK = 2**28  # bytes: HDF5 reserves what a chunk states before it looks at what is stored
LEAST_FILTERED = 5  # bytes: a checksum of four, and something before it

HEAP = b"GCOL\1"  # a collection of texts: its size at 8, objects from 16 on, each of an index, a count, a length and so many bytes


def read(path: Path) -> Any:
    """The graph in a file. Raises UserError for a file that is none, or a damaged one."""
    nir = package()
    if not path.is_file():
        raise UserError(f"{path}: {'not a file' if path.exists() else 'no such file'}; name one that nir.write wrote")
    try:
        _plausible(path)
        found = _Reader(path).read()
        _prepare(nir, path, found, "the graph")
        with np.errstate(all="ignore"):  # it computes shapes of whatever it is given
            return nir.dict2NIRNode(found)
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"{path}: cannot be opened: {error.strerror}") from error
    except Exception as error:  # nir asserts, and damage leads h5py into any of a dozen
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: not a NIR graph in HDF5: {said}; write it anew by nir.write") from error


def _plausible(path: Path) -> None:
    """Raises UserError for a file that is no HDF5, that is cut short, or whose heaps of texts do not add up."""
    size = path.stat().st_size
    with path.open("rb") as raw:
        head = raw.read(64)
        if head[:8] != b"\x89HDF\r\n\x1a\n" or len(head) < 64 or head[8] > 3:
            raise UserError(f"{path}: not a NIR graph in HDF5: it does not begin as one does; write it by nir.write")
        old = head[8] < 2
        sizes, end = (head[13:15], head[40:48]) if old else (head[9:11], head[28:36])
        stated = int.from_bytes(end[:8], "little")
        if head[8] == 1:  # which has four bytes more before its addresses
            stated = int.from_bytes(head[44:52], "little")
        if sizes != b"\x08\x08":
            raise UserError(f"{path}: damaged: its addresses have {sizes[0]} bytes and its lengths {sizes[1]}, not 8; get it anew")
        if stated > size:
            raise UserError(f"{path}: cut short: {size:,} of its {stated:,} bytes are there; get it anew")
        with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
            start = data.find(HEAP)
            while start >= 0:
                if not _adds_up(data, start):
                    raise UserError(f"{path}: damaged: a heap of texts at byte {start:,} does not add up; get it anew")
                start = data.find(HEAP, start + 1)


def _adds_up(data: mmap.mmap, start: int) -> bool:
    """Whether the objects of a heap fill it, none longer than what is left."""
    end, at = start + int.from_bytes(data[start + 8 : start + 16], "little"), start + 16
    if end > len(data):
        return False
    while at + 16 <= end:
        index, length = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 8 : at + 16], "little")
        step = 16 + -(-length // 8) * 8 if index else length  # index 0 is free space, with its head
        if step < 16 or at + step > end:
            return False
        at += step
    return True


class _Reader:
    """What lies in a file as dicts of arrays, within limits."""

    def __init__(self, path: Path) -> None:
        import h5py

        self.h5py, self.path = h5py, path
        self.size = path.stat().st_size
        self.members, self.bytes = MOST_MEMBERS, DEFLATED * self.size  # that may yet be read

    def read(self) -> dict[str, Any]:
        with self.h5py.File(self.path, "r", locking=False) as file:
            return self._group(self._member(file, "node"), 0)

    def _damaged(self, what: str) -> NoReturn:
        raise UserError(f"{self.path}: damaged: {what}; get it anew")

    def _member(self, parent: Any, name: str) -> Any:
        if parent.id.links.get_info(name.encode()).type != self.h5py.h5l.TYPE_HARD:  # pyrefly: ignore  # h5py lists no modules
            raise UserError(f"{self.path}: {name} is a link to elsewhere, which is not followed; copy what it means into the file")
        return parent[name]

    def _group(self, group: Any, depth: int) -> dict[str, Any]:
        if not isinstance(group, self.h5py.Group):
            self._damaged(f"{group.name} is no group")
        if depth > MOST_DEEP:
            self._damaged(f"{group.name[:80]}... lies in more than {MOST_DEEP} groups")
        found = {}
        for name in group:
            self.members -= 1
            if self.members < 0:
                self._damaged(f"it holds more than {MOST_MEMBERS:,} members, or groups that hold themselves")
            item = self._member(group, name)
            found[name] = self._array(item) if isinstance(item, self.h5py.Dataset) else self._group(item, depth + 1)
        return found

    def _array(self, item: Any) -> Any:
        text = self.h5py.check_string_dtype(item.dtype) is not None
        if item.shape is None or not (text or item.dtype.kind in "iufb"):
            self._damaged(f"{item.name} holds neither numbers nor text, but {item.dtype}")
        stated = math.prod(item.shape) * item.dtype.itemsize
        self.bytes -= stated
        if self.bytes < 0:
            self._damaged(f"{item.name} states {stated:,} bytes, more than the file can hold")
        self._stored(item, stated)
        if text and item.dtype.kind == "O" and item.size:
            self._texts(item)
        value = item[()]
        return value.decode() if isinstance(value, bytes) else value

    def _texts(self, item: Any) -> None:
        """Raises UserError for texts that are longer than the file: HDF5 reserves what is stated before it looks into the heap."""
        at, count = item.id.get_offset(), math.prod(item.shape)
        if at is None or item.chunks is not None:
            self._damaged(f"{item.name} holds texts that do not lie in one piece")
        lengths = np.fromfile(self.path, [("length", "<u4"), ("heap", "<u8"), ("index", "<u4")], count, offset=at)["length"]
        if lengths.sum(dtype=np.int64) > self.size:
            self._damaged(f"{item.name} states texts of {lengths.sum(dtype=np.int64):,} bytes, more than the file has")

    def _stored(self, item: Any, stated: int) -> None:
        """Raises UserError for an array that is not in the file, whole."""
        layout = item.id.get_create_plist()
        if layout.get_layout() == self.h5py.h5d.VIRTUAL or layout.get_external_count():
            raise UserError(f"{self.path}: {item.name} lies in other files, which are not followed; copy it into this one")
        if not stated:
            return
        if item.chunks is None:
            if item.id.get_storage_size() < stated:
                self._damaged(f"{item.name} states {stated:,} bytes, of which {item.id.get_storage_size():,} are there")
            return
        chunk = math.prod(item.chunks) * item.dtype.itemsize
        count = math.prod(-(-side // part) for side, part in zip(item.shape, item.chunks, strict=True))
        filtered, seen = layout.get_nfilters() > 0, set()

        def look(one: Any) -> None:
            whole = LEAST_FILTERED <= one.size <= 2 * chunk + 2**16 if filtered else one.size == chunk
            if whole and one.byte_offset + one.size <= self.size:
                seen.add(one.chunk_offset)

        if chunk <= LARGEST_CHUNK:
            item.id.chunk_iter(look)  # HDF5 itself takes what is said of a chunk without asking
        if len(seen) != count:
            self._damaged(f"{item.name} states {count:,} chunks of {chunk:,} bytes, of which {len(seen):,} can be read")


def _prepare(nir: Any, path: Path, node: dict[str, Any], name: str) -> None:
    """Switches off the package's check of shapes, which takes the height of a kernel for its width, too.

    Raises UserError where a node is of no kind that the package knows: it asserts, without a word.
    """
    kind = node.get("type")
    if not isinstance(kind, str) or not isinstance(getattr(nir, kind, None), type):
        raise UserError(f"{path}: {name} is of type {kind!r:.60}, which nir {nir.version} does not know; install a newer nir")
    if kind != "NIRGraph":
        return
    node["type_check"] = False
    nodes = node.get("nodes", {})
    for inner, values in nodes.items() if isinstance(nodes, dict) else ():
        if not isinstance(values, dict):
            raise UserError(f"{path}: node {inner} is no group of values; write the graph anew by nir.write")
        _prepare(nir, path, values, f"node {inner}")
