"""Tiny data sets in the layouts in which the real ones are published; where each layout is from stands with it.

Events and images are made up: nothing of the real sets is in here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
from PIL import Image


def events(n: int, size: tuple[int, int], seed: int, duration: int = 100_000) -> np.ndarray:
    """int64 [N, 4]: t (us), x, y, p (0, 1), in the order of time."""
    rng = np.random.default_rng(seed)
    columns = np.sort(rng.integers(0, duration, n)), rng.integers(0, size[0], n), rng.integers(0, size[1], n), rng.integers(0, 2, n)
    return np.stack(columns, 1)


def evt3(path: Path, table: np.ndarray, size: tuple[int, int] = (1280, 720)) -> Path:
    """A Prophesee RAW file: header, then for each event the words time high, time low, y, and x with polarity.

    https://docs.prophesee.ai/stable/data/encoding_formats/evt3.html
    """
    t, x, y, p = table.T
    words = np.stack([0x8000 | t >> 12 & 0xFFF, 0x6000 | t & 0xFFF, y, 0x2000 | p << 11 | x], 1).astype("<u2")
    header = f"% evt 3.0\n% format EVT3;height={size[1]};width={size[0]}\n% geometry {size[0]}x{size[1]}\n% end\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + words.tobytes())
    return path


def image(path: Path, value: int, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Path:
    """An image file of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value,) * 3 if mode == "RGB" else value).save(path)
    return path


def text(path: Path, lines: Iterable[str], encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding)
    return path


NEFER_CLIPS = {
    "user_01": [("user01_2022-06-08_10-00-01_cd", "GOPR0001", "Anger"), ("user01_2022-06-08_10-00-09_cd", "GOPR0002", "Fear")],
    "user_02": [("user02_2022-06-08_11-00-00_cd", "GOPR0010", "Happiness")],
    "user_03": [("user03_2022-06-08_15-12-06_cd", "GOPR0804", "Happiness"), ("user03_2022-06-08_15-13-10_cd", "GOPR0805", "Fear")],
}


def nefer(root: Path, frames: int = 3) -> Path:
    """NEFER with 3 of its 26 users; 51 frames a clip there.

    https://github.com/miccunifi/NEFER: README.md and annotations/*/*.csv. The place of the raw files below event_raw/raw and
    their names without _cd: https://github.com/ibugueno/event-based_datasets, recognition/nefer.
    """
    reported = {("user_01", "GOPR0002"): "None", ("user_03", "GOPR0805"): "Surprise"}
    tables: dict[str, list[str]] = {}
    for seed, (user, clips) in enumerate(NEFER_CLIPS.items()):
        part = "validation" if user == "user_03" else "train"
        for k, (clip, gopro, emotion) in enumerate(clips):
            evt3(root / "event_raw" / "raw" / user / f"{clip.removesuffix('_cd')}.raw", events(50 + k, (1280, 720), seed))
            for f in range(frames):
                image(root / "gopro_frame" / user / gopro / f"frame_{f:02d}.png", 10 * k + f)
            for kind, told in (("expected", emotion), ("reported", reported.get((user, gopro), emotion))):
                tail = "_subjective" if kind == "reported" else ""
                for camera, name, where in (("event", clip, "event_frame_NEW"), ("gopro", gopro, "gopro_frame")):
                    lines = [f"{user},{name},../{where}/{user}/{name}/frame_{f:02d}.png,{told}" for f in range(frames)]
                    tables.setdefault(f"{kind}_emotions/{part}_{camera}{tail}.csv", []).extend(lines)
    for name, lines in tables.items():
        text(root / "annotations" / name, lines)
    return root


FACEMORPHIC_USERS = ("25c8ed50", "af0b27f1", "c58d1e34", "56444231", "0f3c9c1a")


def facemorphic(root: Path) -> Path:
    """FACEMORPHIC with 5 users, 3 Action Units and 4 frames a clip.

    https://github.com/lcultrera/Facemorphic_PI: facemorphic.py (raw files, times in the names of the frames),
    facemorphic_dataset.py (folders, split), web_annotator.py (annotation.json).
    """
    for seed, user in enumerate(FACEMORPHIC_USERS):
        for unit in ("AU_12", "AU_4", "AU_51", "AU_FREE"):
            folder = root / user / unit
            evt3(folder / "event_1.raw", events(40 + seed, (1280, 720), seed))
            for k in range(4):
                us = 385_380 + k * 33_000
                image(folder / "frames_1" / f"frame_{k}_15:19:28.{us:06d}.jpg", k)
                image(folder / "event_frames_1" / f"frame_{k}.png", k)
            if unit != "AU_FREE":
                (folder / "event_frames_1" / "annotation.json").write_text(json.dumps({"start": 1, "end": 3}))
    return root


def spiking_fer(root: Path, name: str = "CKPlusDVS") -> Path:
    """Five sequences of three subjects.

    https://github.com/Barchid/spiking-fer: data/FerDVS/CKPlusDVS/folds.csv and project/datamodules/fer_dvs.py (files);
    v2e's --dvs_h5: https://github.com/SensorsINI/v2e.
    """
    lines = [
        "S005;001;5;0;0;0;1;1;0;0;1;0;0",
        "S010;001;2;0;1;0;1;0;0;1;0;0;1",
        "S010;002;3;0;0;0;1;0;0;0;0;1;0",
        "S011;006;1;0;0;0;0;0;0;0;1;0;1",
        "S011;014;6;0;0;0;0;0;0;0;0;0;0",
    ]
    text(root / name / "folds.csv", lines)
    for seed, line in enumerate(lines):
        subject, sequence = line.split(";")[:2]
        path = root / name / subject / f"{sequence}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            table = events(30 + seed, (200, 200), seed).astype(np.uint32)
            file.create_dataset("events", data=table, maxshape=(None, 4), compression="gzip", chunks=(10, 4))
    return root


CASME2_HEADER = "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion,"
CASME2_ROWS = (
    "1,EP02_01f,,46,59,62,,4+L10,happiness,",
    "1,EP19_05f,,110,/,112,,R12+4,others,",
    "17,EP05_03,,5,7,3,,?,disgust,",  # an offset that lies before the onset
)


def casme2(root: Path) -> Path:
    """Three clips of two subjects, in names and columns of CASME II.

    The columns: https://github.com/tvaranka/meb (meb/datasets/datasets.py) reads Unnamed: 2 and Unnamed: 6 among them; the
    folders: CASME2_RAW_selected/sub01/EP02_01f/img46.jpg.
    """
    text(root / "CASME2-coding-20140508.csv", [CASME2_HEADER, *CASME2_ROWS], "utf-8-sig")
    for row in CASME2_ROWS:
        subject, clip, _, onset, *_ = row.split(",")
        for k in range(3):
            path = root / "CASME2_RAW_selected" / f"sub{int(subject):02d}" / clip / f"img{int(onset) + k}.jpg"
            image(path, k, (8, 5 + int(subject) // 10))
    return root


def samm(root: Path) -> Path:
    """Three clips of two subjects, in names and columns of SAMM.

    The columns and the text above them: https://github.com/tvaranka/meb (meb/datasets/datasets.py); the folders:
    https://github.com/davidnvq/me_recognition (datasets/samm_apex.csv).
    """
    columns = ("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro")
    lines = [
        "SAMM Micro-Movements,,,,,,,,,,,",
        ",,,,,,,,,,,",
        "Notes on the codes,,,,,,,,,,,",
        ",".join((*columns, "Action Units", "Estimated Emotion", "Objective Classes", "Notes")),
        "006,006_1_2,1,5562,5564,5565,71,1/2,AU12A + AU2,Surprise,3,",
        "6,006_1_3,1,3912,-1,3915,77,1/2,L14,Anger,1,an apex that is not known",
        "28,028_4_1,4,1071,1072,1074,64,1/2,12 or 15,Other,7,",
    ]
    text(root / "SAMM_Micro_FACS_Codes_v2.csv", lines)
    for line in lines[4:]:
        _, clip, _, onset, _, offset, *_ = line.split(",")
        for number in range(int(onset), int(offset) + 1):
            image(root / clip[:3] / clip / f"{clip[:3]}_{number:05d}.jpg", number % 256, (8, 6), "L")
    return root


OPENFACE_HEADER = "frame, timestamp, confidence, success, gaze_0_x, AU12_r, AU45_r, AU12_c, AU28_c, AU45_c"


def openface(path: Path, rows: Sequence[str]) -> Path:
    """OpenFace's CSV with fewer columns: https://github.com/TadasBaltrusaitis/OpenFace/wiki/Output-Format."""
    return text(path, [OPENFACE_HEADER, *rows])


_EDGES = [(name, "<f4") for name in "xywh"]
BBOX = np.dtype([("t", "<u8"), *_EDGES, ("class_id", "u1"), ("track_id", "<u4"), ("class_confidence", "<f4")])
"""Prophesee's boxes: https://docs.prophesee.ai/stable/api/python/core/bindings.html (EventBbox)."""


def fes(root: Path) -> Path:
    """Two streams of the laboratory and one of the wild, each with boxes in another of the forms that FES' scripts use.

    https://github.com/IS2AI/faces-in-event-streams: preprocessing/lab and preprocessing/wild (names, columns, CVAT's XML);
    parts as in https://huggingface.co/datasets/issai/Faces_in_Event_Streams.
    """
    boxes = np.zeros(3, BBOX)
    boxes["t"], boxes["x"], boxes["w"], boxes["h"] = [33333, 0, 66666], [11, 10, 12], 20, 30
    evt3(root / "train" / "event_streams" / "20211123_1_19.raw", events(60, (480, 360), 0), (480, 360))
    (root / "train" / "annotations").mkdir()
    np.save(root / "train" / "annotations" / "20211123_1_19_bbox.npy", boxes)
    evt3(root / "test" / "event_streams" / "20211124_0_3.raw", events(61, (480, 360), 1), (480, 360))
    points = "\t".join(str(k) for k in range(10))
    lines = [f"{t}\t0\t{what}\t0\t10.5\t4\t20\t30\t{points}\t1" for t, what in ((0, "BB_CREATE"), (33333, "BB_DELETE"))]
    text(root / "test" / "annotations" / "20211124_0_3.txt", lines)
    evt3(root / "test" / "event_streams" / "09_11.raw", events(62, (480, 360), 2), (480, 360))
    text(
        root / "test" / "annotations" / "09_11.xml",
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            "<annotations>",
            '<track id="4" label="face"><box frame="0" xtl="1" ytl="2" xbr="11" ybr="22" outside="0"/>',
            '<box frame="30" xtl="1" ytl="2" xbr="11" ybr="22" outside="1"/></track>',
            '<track id="5" label="face"><box frame="3" xtl="100.5" ytl="50" xbr="120.5" ybr="80" outside="0"/></track>',
            "</annotations>",
        ],
    )
    return root


def spikingjelly(root: Path, gesture: bool) -> Path:
    """DVS128 Gesture (train and test, users in the names) or CIFAR10-DVS (no parts), as SpikingJelly stores them.

    https://github.com/fangwei123456/spikingjelly: spikingjelly/datasets/{base,dvs128_gesture,cifar10_dvs}.py.
    """
    classes = ("0", "1", "10") if gesture else ("airplane", "dog")
    count = 2 if gesture else 12
    for part in ("train", "test") if gesture else ("",):
        for label, name in enumerate(classes):
            for k in range(count):
                user = k + 1 if part == "train" else k + 24
                stem = f"user{user:02d}_fluorescent_{label}" if gesture else f"cifar10_{name}_{k}"
                table = events(20 + k, (128, 128), label)
                stream = root / "events_np" / part / name / f"{stem}.npz"
                frames = root / "frames_number_4_split_by_number" / part / name / f"{stem}.npz"
                for path in (stream, frames):
                    path.parent.mkdir(parents=True, exist_ok=True)
                np.savez(stream, t=table[:, 0], x=table[:, 1], y=table[:, 2], p=table[:, 3])
                np.savez(frames, frames=np.full((4, 2, 128, 128), label, np.float32))
    return root
