"""Damage: each function takes bytes and draws from a generator of random numbers."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from tests.fuzz.seeds import Seed, zipped

Rng = np.random.Generator

NUMBERS = [0, 1, -1, 2, 127, 128, 255, 2**15 - 1, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, -(2**63)]
TEXTS = [
    *(str(number).encode() for number in NUMBERS),
    *b"9223372036854775808 99999999999999999999999999 1e308 -1e308 1e400 nan inf -inf 0x10 1_0 None True (1,2) {}".split(),
    *(b"", b" ", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", "\u0663".encode(), b"9" * 5000, b"\n", b"\r", b","),
    *(b"../../canary", b"/etc/passwd", b"..", b"a" * 300),
]
WORDS = [
    *(b"evt 2.0", b"evt 2.1", b"evt 3.0", b"EVT2", b"EVT3", b"EVT21", b"EVT4", b"endianness=big", b"endianness=little"),
    *(b"geometry " + size for size in (b"1x1", b"0x0", b"-5x7", b"99999999999x99999999999", b"1280x720", b"x")),
    *(b"width=0;height=0", b"height=99999999;width=2", b"% end\n", b"% ", b"#", b"#!END-HEADER\r\n", b"Event Stream"),
    *(b"#!AER-DAT2.0\r\n", b"#!AER-DAT3.1\r\n", b"#!AER-DAT4.0\r\n", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"),
    *(b"\x93NUMPY\x01\x00", b"\x93NUMPY\x03\x00", b"'shape': (-1,)", b"'shape': (4611686018427387904, 4)"),
    *(b"'descr': '" + kind + b"'" for kind in (b"|O", b"<f8", b"<M8[us]", b"|V0", b"<U99999999")),
    b"'fortran_order': True",
]


def flip(data: bytearray, rng: Rng) -> None:
    for _ in range(int(rng.integers(1, 9))):
        data[_at(data, rng)] ^= 1 << int(rng.integers(8))


def overwrite(data: bytearray, rng: Rng) -> None:
    for _ in range(int(rng.integers(1, 5))):
        data[_at(data, rng)] = int(rng.integers(256))


def swap(data: bytearray, rng: Rng) -> None:
    """Two words change places."""
    size = int(rng.choice([1, 2, 4, 5, 8, 16]))
    if len(data) >= 2 * size:
        a, b = sorted(int(rng.integers(len(data) // size)) * size for _ in range(2))
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def delete(data: bytearray, rng: Rng) -> None:
    a, b = _span(data, rng)
    del data[a:b]


def repeat(data: bytearray, rng: Rng) -> None:
    a, b = _span(data, rng)
    data[b:b] = data[a:b] * int(rng.integers(1, 4))


def insert(data: bytearray, rng: Rng) -> None:
    at = _at(data, rng)
    data[at:at] = rng.bytes(int(rng.integers(1, 40)))


def fill(data: bytearray, rng: Rng) -> None:
    a, b = _span(data, rng)
    data[a:b] = bytes([int(rng.choice([0, 0xFF, 0x99, 0x80]))]) * (b - a)


def garbage(data: bytearray, rng: Rng) -> None:
    """Noise after a valid beginning."""
    at = int(rng.choice([8, 16, 32, 64, 128, 256])) if rng.random() < 0.7 else _at(data, rng)
    data[at:] = rng.bytes(int(rng.integers(0, 3000)))


def number(data: bytearray, rng: Rng) -> None:
    """An extreme number of some width, where lengths and offsets may lie: at the beginning more often."""
    kind = str(rng.choice(list("bhiq")))
    size = struct.calcsize(kind)
    if len(data) < size:
        return
    reach = min(len(data), 400) if rng.random() < 0.5 else len(data)
    at = int(rng.integers(max(reach - size + 1, 1)))
    value = NUMBERS[int(rng.integers(len(NUMBERS)))] + int(rng.integers(-2, 3))
    order = "little" if rng.random() < 0.8 else "big"
    data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, order)  # type: ignore[arg-type]


def text(data: bytearray, rng: Rng) -> None:
    """A number that is written out, or a word, becomes another."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?" if rng.random() < 0.7 else rb"[A-Za-z_]{2,}", bytes(data[:20_000])))
    if found:
        one = found[int(rng.integers(min(len(found), 50)) if rng.random() < 0.7 else rng.integers(len(found)))]
        data[one.start() : one.end()] = TEXTS[int(rng.integers(len(TEXTS)))]


def word(data: bytearray, rng: Rng) -> None:
    """A piece of a header, of this format or another."""
    piece = WORDS[int(rng.integers(len(WORDS)))]
    at = int(rng.integers(min(len(data), 200) + 1))
    data[at : at + (len(piece) if rng.random() < 0.5 else 0)] = piece


def line(data: bytearray, rng: Rng) -> None:
    """A line goes, comes twice, moves or loses its end."""
    lines = bytes(data[:20_000]).split(b"\n")
    k = int(rng.integers(min(len(lines), 12) if rng.random() < 0.7 else len(lines)))
    what = int(rng.integers(4))
    if what == 0:
        del lines[k]
    elif what == 1:
        lines.insert(k, lines[k])
    elif what == 2:
        lines.insert(int(rng.integers(len(lines))), lines.pop(k))
    else:
        lines[k] = lines[k][: int(rng.integers(len(lines[k]) + 1))]
    data[:20_000] = b"\n".join(lines)


def cut(data: bytearray, rng: Rng) -> None:
    del data[int(rng.integers(len(data) + 1)) :]


DAMAGE: list[Callable[[bytearray, Rng], None]] = [
    flip, overwrite, swap, delete, repeat, insert, fill, garbage, number, number, text, word, line, cut,
]  # fmt: skip


def mutate(seed: Seed, rng: Rng) -> tuple[Seed, int | None]:
    """The damaged file or folder, and the length that it was cut to where that is all its damage."""
    if "" in seed.members and rng.random() < 0.12:
        data = seed.members[""]
        length = int(rng.integers(len(data) + 1))
        return Seed(seed.name, {"": data[:length]}), length
    members = dict(seed.members)
    if "" not in members and rng.random() < 0.15:
        _of_folders(members, rng)
    elif members:
        name = sorted(members)[int(rng.integers(len(members)))]
        members[name] = _damaged(members[name], rng)
    return Seed(seed.name, members), None


def _damaged(content: bytes, rng: Rng) -> bytes:
    if content[:2] == b"PK" and rng.random() < 0.6:  # what is packed, in an archive that is whole
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        if members and rng.random() < 0.85:
            name = sorted(members)[int(rng.integers(len(members)))]
            members[name] = _damaged(members[name], rng)
        else:
            _of_folders(members, rng)
        return zipped(members, zipfile.ZIP_DEFLATED if rng.random() < 0.5 else zipfile.ZIP_STORED)
    if content[:8] == b"\x89HDF\r\n\x1a\n" and rng.random() < 0.6:
        return _lying_hdf5(content, rng)
    data = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        if data:
            DAMAGE[int(rng.integers(len(DAMAGE)))](data, rng)
    return bytes(data)


def _lying_hdf5(content: bytes, rng: Rng) -> bytes:
    """An HDF5 file that is whole, of which members or attributes are others than they should be."""
    import h5py

    packed = io.BytesIO(content)
    with h5py.File(packed, "r+") as file:
        for _ in range(int(rng.choice([1, 1, 2]))):
            names: list[str] = []
            file.visit(names.append)
            if not names:
                break
            name = names[int(rng.integers(len(names)))]
            node = file[name]
            try:
                if rng.random() < 0.3 and len(node.attrs):
                    of = sorted(node.attrs)[int(rng.integers(len(node.attrs)))]
                    del node.attrs[of]
                    if rng.random() < 0.8:
                        node.attrs[of] = VALUES[int(rng.integers(len(VALUES)))]
                elif rng.random() < 0.1:
                    file.attrs[str(rng.choice(["version", "t_offset", "width", "sensor_size", "geometry"]))] = VALUES[
                        int(rng.integers(len(VALUES)))
                    ]
                elif isinstance(node, h5py.Dataset) and 0 < (node.size or 0) < 10**6 and rng.random() < 0.5:
                    _values(node, rng)
                else:
                    del file[name]
                    _other_node(file, name, node, rng)
            except (TypeError, ValueError, OverflowError, OSError, RuntimeError, KeyError):  # no such file can be written
                continue
    return packed.getvalue()


VALUES = [
    0,
    -1,
    1,
    2**31,
    2**63 - 1,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "9" * 300,
    b"\xff\xfe",
    True,
    [1, 2, 3],
    [[1], [2]],
    [],
    ["a", "b"],
]


def _values(node, rng: Rng) -> None:
    """Some values of a data set, in place."""
    values = np.array(node[()])
    names = values.dtype.names
    column = values[names[int(rng.integers(len(names)))]] if names else values
    flat = column.reshape(-1)
    what = int(rng.integers(4))
    if what == 0 and flat.dtype.kind in "iuf":
        info = np.finfo(flat.dtype) if flat.dtype.kind == "f" else np.iinfo(flat.dtype)
        flat[int(rng.integers(len(flat)))] = rng.choice(np.array([info.min, info.max, 0, 1], flat.dtype))
    elif what == 1:
        flat[:] = flat[::-1].copy()
    elif what == 2:
        flat[:] = flat[0]
    else:
        flat[int(rng.integers(len(flat))) :] = flat[int(rng.integers(len(flat)))]
    column[...] = flat.reshape(column.shape)
    node[()] = values


def _other_node(file, name: str, node, rng: Rng) -> None:
    """Something else, or nothing, under the name of a member."""
    import h5py

    n = min(len(node), 10_000) if getattr(node, "shape", None) else 3
    what = int(rng.integers(12))
    if what == 1:
        file[name] = h5py.SoftLink("/" + name)
    elif what == 2:
        file[name] = h5py.ExternalLink("../canary.h5", "/")
    elif what == 3:
        file.create_group(name)
    elif what == 4:
        file.create_dataset(name, (2**40,), "i8", chunks=(2**10,), maxshape=(None,))
    elif what == 5:
        file.create_dataset(name, data=rng.random((n, 2)))
    elif what == 6:
        file[name] = np.full(n, np.nan)
    elif what == 7:
        file[name] = ["text"] * n
    elif what == 8:
        file[name] = h5py.Empty("i4")
    elif what == 9:
        file.create_dataset(name, (n,), h5py.vlen_dtype(np.int32))
    elif what == 10:
        layout = h5py.VirtualLayout((n,), "i4")
        layout[:] = h5py.VirtualSource("../canary.h5", "t", (n,))
        file.create_virtual_dataset(name, layout)
    elif what == 11 and isinstance(node, h5py.Dataset) and node.ndim and (node.size or 0) < 10**6:
        kept = np.array(node[()])
        kind = str(rng.choice(["u1", "i2", "u8", "f4", ">i4", "?"]))
        grown = int(rng.integers(2, 5))
        data = np.repeat(kept, grown, 0) if rng.random() < 0.5 else kept[: len(kept) // grown]
        file[name] = data.astype(kind) if data.dtype.names is None else data


def _of_folders(members: dict[str, bytes], rng: Rng) -> None:
    """A member goes, gets another's content or another name."""
    if not members:
        return
    names = sorted(members)
    one, other = (names[int(rng.integers(len(names)))] for _ in range(2))
    what = int(rng.integers(4))
    if what == 0:
        del members[one]
    elif what == 1:
        members[one] = members[other]
    elif what == 2:
        members[one + str(rng.choice([".bak", "0", " copy"]))] = members.pop(one)
    else:
        members[str(rng.choice(["extra", "z/", ".", "__MACOSX/"])) + one[-8:].replace("/", "")] = rng.bytes(50)


def _at(data: bytearray, rng: Rng) -> int:
    """A place, near the beginning more often."""
    return int(rng.integers(min(len(data), 300) if rng.random() < 0.3 else len(data))) if data else 0


def _span(data: bytearray, rng: Rng) -> tuple[int, int]:
    a = _at(data, rng)
    length = int(rng.choice([1, 2, 3, 4, 5, 8, 16, 64, 1000]))
    return a, min(a + length, len(data))
