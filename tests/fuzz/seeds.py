"""Valid files of every format, from which damaged ones are made: self-written, and real ones cut to a size that is fast."""

from __future__ import annotations

import io
import itertools
import os
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events import FORMATS, Events, Frames, Label, Recording, Samples, Triggers, identify, write
from mxsnn.events.stream import to_structured

CROP = 16_000  # bytes of a real file


class Seed(NamedTuple):
    """A file as {"": its bytes}, or a folder as {name of each file in it: its bytes}."""

    name: str
    members: dict[str, bytes]

    def save(self, folder: Path) -> Path:
        """Puts it into a folder that is there."""
        path = folder / self.name
        if "" in self.members:
            path.write_bytes(self.members[""])
            return path
        for name, content in self.members.items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        path.mkdir(exist_ok=True)
        return path

    @classmethod
    def load(cls, path: Path, name: str | None = None) -> Seed:
        if path.is_file():
            return cls(name or path.name, {"": path.read_bytes()})
        return cls(
            name or path.name, {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
        )


def third_party(name: str) -> bool:
    """Whether libraries of others decode the format: files are decoded in a child process of their own."""
    return name in ("aedat4", "frames") or hdf5(name)


def hdf5(name: str) -> bool:
    return name in FORMATS and not {".h5", ".hdf5", ".mxr"}.isdisjoint(FORMATS[name].suffixes)


def seeds() -> dict[str, list[Seed]]:
    """By the name of the format. A format for which nothing is known has none."""
    found: dict[str, list[Seed]] = {name: [] for name in (*FORMATS, *BESIDE)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, known in FORMATS.items():
            if known.write is not None:
                found[name] += _written(name, Path(folder))
        for name, make in (MADE | BESIDE).items():
            found[name] += make()
        for seed in _real():
            path = seed.save(Path(folder))
            found[identify(path).name].append(seed)
    return found


def recordings() -> Iterator[Recording]:
    """Small recordings of every kind: few events, many, none, with all that can go with them."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, 60_000, 300)) + np.repeat([0, 20_000_000, 5_000_000_000], 100)  # over the wraps of short clocks
    events = Events.make(t, rng.integers(0, 240, 300), rng.integers(0, 180, 300), rng.integers(0, 2, 300), (240, 180))
    rows = np.repeat(np.arange(40), 25)  # neighbours at one time, of which vectors are made
    dense = Events.make(rows * 9, np.tile(np.arange(25), 40), rows % 30, rows % 2, (64, 32))
    grey = rng.integers(0, 256, (4, 18, 24)).astype(np.uint8)
    yield Recording(events)
    yield Recording(
        dense,
        Triggers.make([5, 90, 200], [0, 1, 0], [1, 1, 0]),
        {
            "grey": Frames.make(grey, start=[0, 50, 100, 150], end=[10, 60, 110, 160]),
            "thermal": Frames.make(grey[:2].astype(np.uint16) * 100, t=[3, 90]),
        },
        {"imu": Samples(np.array([1, 100]), np.ones((2, 3), np.float32), ("x [g]", "y [g]", "z [g]"))},
        (Label("AU12", "au", 5, 40, 90, 0.4, "left"), Label("joy", "emotion")),
        "s1",
        "a",
        "made",
        12.5,
        {"distance": 0.5, "light": "lamp"},
    )
    yield Recording(events[:200])  # not longer than 32 bits of us
    yield Recording(events[:0])
    yield Recording(dense[:1])


def _written(name: str, folder: Path) -> Iterator[Seed]:
    for k, recording in enumerate(recordings()):
        path = folder / f"{name}-{k}{FORMATS[name].suffixes[0]}"
        try:
            write(path, recording, name)
        except UserError:  # such as no events, where the format must state a sensor
            continue
        yield Seed.load(path)


def _events(k: int = 0) -> Events:
    events = list(recordings())[k].events
    assert isinstance(events, Events)
    return events


def _npy() -> Iterator[Seed]:
    events = _events()
    for k, array in enumerate(
        (
            to_structured(events),
            np.stack([events.t, events.x, events.y, events.p], 1),
            np.stack([events.t / 1, events.x, events.y, events.p], 1)[:20],
            np.arange(4 * 2 * 5 * 6, dtype=np.uint8).reshape(4, 2, 5, 6),
        )
    ):
        file = io.BytesIO()
        np.save(file, array)
        yield Seed(f"{k}.npy", {"": file.getvalue()})


def _npz() -> Iterator[Seed]:
    events = _events()
    file = io.BytesIO()
    np.savez(file, t=events.t, x=events.x, y=events.y, p=events.p)  # stored, not compressed
    yield Seed("stored.npz", {"": file.getvalue()})
    file = io.BytesIO()
    np.savez_compressed(file, frames=np.arange(4 * 2 * 5 * 6, dtype=np.float32).reshape(4, 2, 5, 6))
    yield Seed("ready.npz", {"": file.getvalue()})


def _nmnist() -> Iterator[Seed]:
    events = _events()
    data = np.zeros((len(events), 5), np.uint8)
    data[:, 0], data[:, 1] = events.x, events.y
    data[:, 2:] = (events.p.astype(">u4") << 23 | np.arange(len(events)) * 99).astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:]
    data[100, 1] = 240  # adds to later times
    yield Seed("made.bin", {"": data.tobytes()})


def _evt21() -> Iterator[Seed]:
    """Vectors of 32 pixels, in both orders of the halves."""
    rng = np.random.default_rng(1)
    for order in ("little", "legacy"):
        halves: list[tuple[int, int]] = []
        for t in range(0, 40_000, 200):
            halves.append((8 << 28 | t >> 6, 0))
            for _ in range(3):
                word = int(rng.integers(2)) << 28 | (t & 63) << 22 | int(rng.integers(19)) * 32 << 11 | int(rng.integers(480))
                halves.append((word, int(rng.integers(1, 2**32)) & int(rng.integers(1, 2**32)) | 1))
        halves.append((10 << 28 | 5 << 22 | 1 << 8 | 1, 0))
        table = np.array(halves, "<u4")
        words = table[:, ::-1] if order == "little" else table
        header = f"% evt 2.1\n% format EVT21;height=480;width=640;endianness={order}\n% geometry 640x480\n% end\n"
        yield Seed(f"{order}.raw", {"": header.encode() + np.ascontiguousarray(words).tobytes()})


def _aedat2() -> Iterator[Seed]:
    """A DVS128 and a DAVIS240, with words of edges and frames among the events."""
    rng = np.random.default_rng(2)
    t = np.sort(rng.integers(0, 2**20, 400)).astype(np.uint32)
    davis = rng.integers(0, 180, 400) << 22 | rng.integers(0, 240, 400) << 12 | rng.integers(0, 2, 400) << 11
    davis[50:60] |= 1 << 31
    davis[80] |= 1 << 10 | 3
    dvs = rng.integers(0, 2**15, 400)
    dvs[80] |= 1 << 15
    for chip, address in (("DAVIS240C", davis), ("DVS128", dvs)):
        header = f"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.{chip}\r\n# HardwareInterface: made\r\n"
        words = np.stack([address.astype(np.uint32), t], 1).astype(">u4")
        yield Seed(f"{chip}.aedat", {"": header.encode() + words.tobytes()})


def _aedat3() -> Iterator[Seed]:
    """Packets of events, one of edges, one of a kind that is not read."""
    rng = np.random.default_rng(3)
    content = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2017-01-01 00:00:00\r\n#!END-HEADER\r\n"
    for k in range(8):
        n = 40
        t = np.sort(rng.integers(0, 1000, n)) + 1000 * k
        kind = {3: 0, 5: 2}.get(k, 1)
        polarity = rng.integers(0, 128, n) << 17 | rng.integers(0, 128, n) << 2 | rng.integers(0, 2, n) << 1 | 1
        data = polarity if kind == 1 else np.full(n, 2 << 1 | 1)
        content += struct.pack("<hhiiiiii", kind, 1, 8, 4, k // 6, n, n, n) + np.stack([data, t], 1).astype("<u4").tobytes()
    yield Seed("made.aedat", {"": content})


def _es() -> Iterator[Seed]:
    """DVS and ATIS, with bytes that add to the time, resets and measurements of exposure."""
    events = _events(1)
    start = np.diff(events.t, prepend=0)
    dvs, atis = b"", b""
    for k, (step, x, y, p) in enumerate(zip(start, events.x, events.y, events.p, strict=True)):
        gap = 300 if k % 50 == 0 else 0
        dvs += b"\xff" * ((gap + step) // 127) + struct.pack("<BHH", (gap + step) % 127 << 1 | p, x, y)
        atis += bytes([0xFF]) * (gap // 189) + struct.pack("<BHH", step % 63 << 2 | p << 1 | (k % 9 == 0), x, y)
    for kind, data in ((1, dvs), (2, atis)):
        yield Seed(f"{kind}.es", {"": b"Event Stream\2\0\0" + struct.pack("<BHH", kind, *events.sensor_size) + data})


def _text() -> Iterator[Seed]:
    """Seconds, us with names of columns, E2VID's archive."""
    events = _events()
    rows = list(zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist(), strict=True))
    seconds = "".join(f"{t / 1e6:.6f} {x} {y} {p}\n" for t, x, y, p in rows).encode()
    named = "# made\nx,y,polarity,t_us\n" + "".join(f"{x},{y},{2 * p - 1},{t}\r\n" for t, x, y, p in rows)
    yield Seed("seconds.txt", {"": seconds})
    yield Seed("named.csv", {"": named.encode()})
    yield Seed("e2vid.zip", {"": zipped({"events.txt": b"240 180\n" + seconds})})


def _rpg() -> Iterator[Seed]:
    from PIL import Image

    events = _events()
    rows = zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist(), strict=True)
    text = "".join(f"{t / 1e6:.6f} {x} {y} {p}\n" for t, x, y, p in rows)
    for suffix, mode in ((".png", "L"), (".jpg", "RGB")):
        members = {"calib.txt": b"1 2 3"}
        for k in range(3):
            file = io.BytesIO()
            Image.effect_noise((24, 18), 50).convert(mode).save(file, {".png": "png", ".jpg": "jpeg"}[suffix])
            members[f"images/frame_{k}{suffix}"] = file.getvalue()
        members["images.txt"] = "".join(f"{k / 50:.6f} images/frame_{k}{suffix}\n" for k in range(3)).encode()
        members["events.txt"] = text.encode()
        yield Seed(f"rpg{suffix[1:]}", members)


def _npy_folder() -> Iterator[Seed]:
    events = _events()
    arrays = {
        "events_ts": events.t / 1e6,
        "events_xy": np.stack([events.x, events.y], 1),
        "events_p": events.p,
        "images": np.arange(3 * 18 * 24, dtype=np.uint8).reshape(3, 18, 24),
        "images_ts": np.arange(3) / 50,
    }
    members = {"metadata.json": b'{"sensor_resolution": [180, 240]}'}
    for name, array in arrays.items():
        file = io.BytesIO()
        np.save(file, array)
        members[f"{name}.npy"] = file.getvalue()
    yield Seed("evreal", members)


def _npz_folder() -> Iterator[Seed]:
    events = _events()
    members = {}
    for k, part in enumerate((events[:400], events[400:400], events[400:])):
        file = io.BytesIO()
        np.savez_compressed(file, t=part.t / 1e6, x=part.x, y=part.y, p=part.p)
        members[f"{k:010d}.npz"] = file.getvalue()
    yield Seed("pieces", members)


def _aedat4() -> Iterator[Seed]:
    from tests import aedat4_files as files

    recording = next(itertools.islice(recordings(), 1, None))
    events = recording.events
    assert isinstance(events, Events)
    rows = np.zeros(len(events), files.EVENT)
    for name in "txyp":
        rows[name] = getattr(events, name)
    packets = [(0, files.events_packet(rows[k : k + 250])) for k in range(0, len(rows), 250)]
    grey = np.asarray(recording.frames["grey"].images)
    packets[1:1] = [(1, files.frame_packet(image, 10 * k, (10 * k - 3, 10 * k + 3))) for k, image in enumerate(grey)]
    packets[3:3] = [
        (2, files.imu_packet([(k, range(10)) for k in range(5)])),
        (3, files.triggers_packet([(5, 1), (9, 2), (30, 8)])),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.aedat4"
        files.write(path, {0: ("EVTS", 64, 32), 1: ("FRME", 24, 18), 2: ("IMUS", 0, 0), 3: ("TRIG", 0, 0)}, packets)
        yield Seed.load(path)


def _in_hdf5(fill: Callable[[Any, Events], None], k: int = 0) -> Callable[[], Iterator[Seed]]:
    def make() -> Iterator[Seed]:
        import h5py

        for compression in (None, "gzip"):
            packed = io.BytesIO()
            with h5py.File(packed, "w") as file:
                create = file.create_dataset

                def compressed(name: str, data: Any, create: Any = create, compression: str | None = compression) -> Any:
                    return create(name, data=data, compression=compression, chunks=None if compression is None else True)

                file.create_dataset = compressed
                fill(file, _events(k))
            yield Seed(f"{fill.__name__[1:]}-{compression}.h5", {"": packed.getvalue()})

    return make


def _prophesee(file: Any, events: Events) -> None:
    rows = np.zeros(len(events), [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
    for name in "xypt":
        rows[name] = getattr(events, name)
    file.create_dataset("CD/events", data=rows)
    file.create_dataset("CD/indexes", data=np.zeros(3, [("id", "<u8"), ("ts", "<i8")]))
    file.create_dataset("EXT_TRIGGER/events", data=np.array([(1, 5, 0), (0, 9, 0)], [("p", "<i2"), ("t", "<i8"), ("id", "<i2")]))
    file.attrs["geometry"] = "240x180"


def _rvt(file: Any, events: Events) -> None:
    for name in "xypt":
        file.create_dataset(f"events/{name}", data=getattr(events, name))
    file.create_dataset("events/width", data=np.array([240]))
    file.create_dataset("events/height", data=np.array([180]))


def _e2vid(file: Any, events: Events) -> None:
    for name, values in {"xs": events.x, "ys": events.y, "ts": events.t / 1e6, "ps": events.p.astype(bool)}.items():
        file.create_dataset(f"events/{name}", data=values)
    for k in range(3):
        image = file.create_dataset(f"images/image{k:09d}", data=np.full((18, 24), k, np.uint8))
        image.attrs["timestamp"] = k / 100
    file.attrs["sensor_resolution"] = (180, 240)


def _mvsec(file: Any, events: Events) -> None:
    for camera in ("left", "right"):
        file.create_dataset(f"davis/{camera}/events", data=np.stack([events.x, events.y, events.t / 1e6, events.p * 2.0 - 1], 1))
        file.create_dataset(f"davis/{camera}/image_raw", data=np.zeros((3, 32, 64), np.uint8))
        file.create_dataset(f"davis/{camera}/image_raw_ts", data=np.arange(3) / 100)


def _v2e(file: Any, events: Events) -> None:
    t = events.t % 2**31
    file.create_dataset("events", data=np.stack([np.sort(t), events.x, events.y, events.p], 1).astype(np.uint32))
    file.create_dataset("frame", data=np.zeros((3, 32, 64), np.uint8))
    file.create_dataset("frame_ts", data=np.arange(3, dtype=np.uint32) * 10_000)


def _index() -> Iterator[Seed]:
    events = _events(1)
    file = io.BytesIO()
    np.savez_compressed(file, t=events.t, x=events.x, y=events.y, p=events.p, sensor_size=np.array(events.sensor_size))
    index = "file,subject,session,sensor,width,height,lux,test,au,movement,emotion,light\n"
    index += "a/one.npz,s1,x,made,64,32,12.5,,AU12+AU6,smile,joy,lamp\nb/two.npz,s2,y,made,64,32,,1,AU4,frown,,sun\n"
    yield Seed("set", {"index.csv": index.encode(), "a/one.npz": file.getvalue(), "b/two.npz": file.getvalue()})


def _frame_set() -> Iterator[Seed]:
    from PIL import Image

    members = {"labels.csv": b"clip,subject,onset,apex,offset,au,emotion\none,1,2,3,4,L12+4,joy\ntwo,2,1,/,3,AU1,fear\n"}
    for clip in ("one", "two"):
        for k in range(1, 5):
            file = io.BytesIO()
            Image.new("L", (6, 4), k).save(file, "png")
            members[f"{clip}/img{k}.png"] = file.getvalue()
    yield Seed("clips", members)


def _clips() -> Iterator[Seed]:
    table = "name,label,kind,start_s,end_s,onset_ms,apex_ms,offset_ms,intensity,side,subject,lux,light\n"
    table += "a,AU12,au,0.5,2,700,800.5,1200,0.4,left,s1,12.5,lamp\nb,smile,movement,3,4.25,,,,,,s1,,sun\n"
    yield Seed("a.csv", {"": table.encode()})
    yield Seed("b.csv", {"": b"label,onset_frame,offset_frame\nAU1,5,9\nAU4,20,20\n"})


def _openface() -> Iterator[Seed]:
    table = "frame, timestamp, confidence, success, AU01_r, AU12_r, AU12_c, AU28_c\n"
    table += "".join(f"{k}, {k / 30:.3f}, 0.98, {int(k != 7)}, {k % 5}.{k % 7}, 0.{k % 10}, {k % 2}, 0\n" for k in range(1, 40))
    yield Seed("made.csv", {"": table.encode()})
    path = data() / "rgb" / "pyfeat_OpenFace_Test.csv"
    if path.is_file():
        yield Seed("real.csv", {"": b"\n".join(path.read_bytes().split(b"\n")[:5]) + b"\n"})


def _boxes() -> Iterator[Seed]:
    from tests.layouts import fes

    with tempfile.TemporaryDirectory() as folder:
        root = fes(Path(folder))
        for path in sorted(p for p in root.rglob("*") if p.suffix in (".npy", ".txt", ".xml")):
            yield Seed.load(path)


def _frames() -> Iterator[Seed]:
    from PIL import Image

    images = [Image.effect_noise((24, 18), 40 + k) for k in range(4)]
    for suffix in ("gif", "tiff", "webp"):
        file = io.BytesIO()
        try:
            images[0].save(file, suffix, save_all=True, append_images=images[1:], duration=40)
        except (KeyError, OSError):  # a Pillow without this codec
            continue
        yield Seed(f"a.{suffix}", {"": file.getvalue()})
    for suffix, mode in (("png", "I;16"), ("png", "RGB"), ("jpg", "RGB"), ("bmp", "L")):
        file = io.BytesIO()
        images[0].convert("I" if mode == "I;16" else mode).convert(mode).save(file, {"jpg": "jpeg"}.get(suffix, suffix))
        yield Seed(f"folder-{mode.replace(';', '')}-{suffix}", {f"{k}.{suffix}": file.getvalue() for k in range(2)})


MADE: dict[str, Callable[[], Iterator[Seed]]] = {
    "npy": _npy,
    "npz": _npz,
    "nmnist": _nmnist,
    "evt21": _evt21,
    "aedat2": _aedat2,
    "aedat3": _aedat3,
    "aedat4": _aedat4,
    "es": _es,
    "text": _text,
    "rpg": _rpg,
    "npy-folder": _npy_folder,
    "npz-folder": _npz_folder,
    "prophesee-hdf5": _in_hdf5(_prophesee),
    "rvt": _in_hdf5(_rvt),
    "e2vid-hdf5": _in_hdf5(_e2vid),
    "mvsec": _in_hdf5(_mvsec, 1),
    "v2e": _in_hdf5(_v2e, 1),
}
"""Files of formats that nothing here writes, and more of some that are written."""

BESIDE = {make.__name__[1:]: make for make in (_index, _frame_set, _clips, _openface, _boxes, _frames)}
"""What lies beside recordings, which `tests.fuzz.decode.BESIDE` reads, by the names of what makes it."""


def data() -> Path:
    """Where real recordings lie, as for the tests."""
    return Path(os.environ.get("MXSNN_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")


def _real() -> Iterator[Seed]:
    for path in sorted((data() / "events").glob("*")):
        if path.is_file():
            with path.open("rb") as file:
                yield Seed(f"real-{path.name}", {"": file.read(CROP * (4 if path.suffix == ".aedat4" else 1))})
    for path in sorted((data() / "nmnist" / "Test").rglob("*.bin"))[:1]:
        yield Seed(f"real-{path.name}", {"": path.read_bytes()})


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive that is whole, whatever its members hold."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()
