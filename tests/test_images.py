"""Images of a frame camera from files."""

from __future__ import annotations

import pickle
import struct
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from mxsnn.errors import CutShortWarning, UserError
from mxsnn.events import images
from mxsnn.events.images import ImageFiles, read_frames


def picture(seed: int = 0, height: int = 6, width: int = 8, colours: int = 0, dtype: type = np.uint8) -> np.ndarray:
    shape = (height, width, colours) if colours else (height, width)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def save(folder: Path, *names: str, **kind) -> np.ndarray:
    """Images of different content under these names."""
    folder.mkdir(exist_ok=True)
    pictures = [picture(seed, **kind) for seed in range(len(names))]
    for name, image in zip(names, pictures, strict=True):
        Image.fromarray(image).save(folder / name)
    return np.stack(pictures)


def fails(path, match: str, **times) -> None:
    """One line that says so."""
    with pytest.raises(UserError, match=match) as raised:
        read_frames(path, **times)
    assert "\n" not in str(raised.value)


# Folders and lists


@pytest.mark.parametrize(("kind", "suffix"), [({}, "png"), ({"colours": 3}, "png"), ({"dtype": np.uint16}, "png"), ({}, "bmp")])
def test_a_folder(tmp_path: Path, kind: dict, suffix: str) -> None:
    saved = save(tmp_path / "f", *(f"frame_{k}.{suffix}" for k in range(12)), **kind)
    (tmp_path / "f" / "notes.txt").write_text("no image")
    frames = read_frames(tmp_path / "f", fps=30)
    assert frames.images.shape == saved.shape and frames.images.dtype == saved.dtype
    np.testing.assert_array_equal(frames.images[:], saved)  # frame_9 before frame_10
    np.testing.assert_array_equal(frames.images[-1], saved[-1])
    np.testing.assert_array_equal(frames.images[[3, 1]], saved[[3, 1]])
    np.testing.assert_array_equal(frames.images[np.arange(12) > 8], saved[9:])
    np.testing.assert_array_equal(frames[2:4].images, saved[2:4])
    assert len(frames.images[4:4]) == 0
    assert frames.size == (8, 6)
    assert frames.t.tolist() == [round(k * 1e6 / 30) for k in range(12)]
    with pytest.raises(IndexError):
        frames.images[12]


def test_names_are_ordered_by_their_numbers(tmp_path: Path) -> None:
    names = ["a2_1.png", "a2_10.png", "a10_2.png", "b1.png"]
    save(tmp_path, *names[::-1])
    assert [path.name for path in images.images_in(tmp_path)] == names
    save(tmp_path, "b1.bmp")
    fails(tmp_path, "b1.bmp and b1.png would be two frames", fps=1)


def test_a_list_keeps_its_order_and_exposures(tmp_path: Path) -> None:
    saved = save(tmp_path, "b.png", "a.png")
    frames = read_frames([tmp_path / "b.png", str(tmp_path / "a.png")], start=[10, 20], end=[14, 25])
    np.testing.assert_array_equal(frames.images[:], saved)
    assert frames.t.tolist() == [12, 22]
    assert (frames.start.tolist(), frames.end.tolist()) == ([10, 20], [14, 25])


def test_images_are_read_when_they_are_indexed(tmp_path: Path) -> None:
    saved = save(tmp_path, "0.png", "1.png")
    files = ImageFiles([tmp_path / "0.png", tmp_path / "1.png"])
    (tmp_path / "1.png").unlink()
    np.testing.assert_array_equal(files[0], saved[0])
    with pytest.raises(UserError, match=r"1.png: no such file"):
        files[1]
    save(tmp_path, "0.png", width=9)
    with pytest.raises(UserError, match="changed since it was opened"):
        files[0]


def test_palettes_and_transparency(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    Image.fromarray(colours).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "0.png")
    Image.fromarray(np.dstack([colours, [[0, 255]]]).astype(np.uint8)).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_frames(tmp_path, fps=1).images[:], [colours, colours])
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "2.png")
    np.testing.assert_array_equal(ImageFiles([tmp_path / "2.png"])[:], [[[255, 0]]])


@pytest.mark.parametrize("code", range(1, 9))
def test_photographs_are_upright(tmp_path: Path, code: int) -> None:
    """A white corner at the upper left, wherever the camera's sensor had it."""
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :8] = 255
    held = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1]}
    held |= {5: upright.T, 6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1)}
    exif = Image.Exif()
    exif[0x0112] = code
    Image.fromarray(np.ascontiguousarray(held[code])).save(tmp_path / "0.jpg", exif=exif, quality=100)
    files = ImageFiles([tmp_path / "0.jpg"])
    assert files.shape == (1, 16, 24)
    np.testing.assert_allclose(files[0].astype(int), upright, atol=3)


def test_a_photograph_with_others_behind(tmp_path: Path) -> None:
    shown = [Image.fromarray(np.full((8, 8, 3), k, np.uint8)) for k in (200, 0)]
    shown[0].save(tmp_path / "0.jpg", format="MPO", save_all=True, append_images=shown[1:])
    assert ImageFiles([tmp_path / "0.jpg"])[0].min() > 190


def test_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    fails(tmp_path / "none", "no such file", fps=1)
    fails(tmp_path, "no images in it", fps=1)
    fails([], "no images", fps=1)
    save(tmp_path, "0.png", "1.png")
    fails(tmp_path, "no times of their own; give fps")
    fails(tmp_path, "not both", t=[1, 2], fps=3)
    fails(tmp_path, "2 images, but t has shape", t=[1, 2, 3])
    fails(tmp_path, "go back at frame 1", t=[2, 1])
    fails(tmp_path, "fps is a positive number", fps=float("nan"))
    fails([tmp_path / "0.png", tmp_path / "2.png"], "2.png: no such file", fps=1)
    save(tmp_path, "2.png", width=7)
    fails(tmp_path, "2.png: 7x6 pixels, grey of 8 bits, but .*0.png is 8x6", fps=1)
    save(tmp_path, "2.png", colours=3)
    fails(tmp_path, "RGB of 8 bits", fps=1)
    (tmp_path / "2.png").write_bytes(b"no image")
    fails(tmp_path, "2.png: no image that can be read", fps=1)


def test_a_damaged_image(tmp_path: Path) -> None:
    save(tmp_path, "0.png", height=200, width=200)
    whole = (tmp_path / "0.png").read_bytes()
    for keep in (*range(0, 100, 7), 5000, len(whole) // 2):
        (tmp_path / "0.png").write_bytes(whole[:keep])
        with pytest.raises(UserError, match=r"0.png: (no image|the image is damaged)"):
            read_frames(tmp_path, fps=1).images[:]


def test_values_that_are_no_pixels(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(tmp_path / "0.tif")
    with pytest.raises(UserError, match="no whole numbers"):
        read_frames(tmp_path, fps=1).images[0]
    Image.fromarray(np.full((2, 2), -1, np.int32)).save(tmp_path / "0.tif")
    with pytest.raises(UserError, match="beyond 16 bits"):
        read_frames(tmp_path, fps=1).images[0]


# Several images in a file


def test_a_gif(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    shown = [Image.fromarray(np.full((4, 5, 3), k, np.uint8)) for k in (0, 100, 200)]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=[40, 70, 500])
    frames = read_frames(path)
    assert frames.images.shape == (3, 4, 5, 3)
    assert frames.images[:, 0, 0, 0].tolist() == [0, 100, 200]
    assert frames.t.tolist() == [0, 40_000, 110_000]
    assert read_frames(path, fps=100).t.tolist() == [0, 10_000, 20_000]
    assert read_frames(path, t=[7, 8, 9]).t.tolist() == [7, 8, 9]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=0)
    fails(path, "no times of their own")
    fails([path], "holds 3 images", fps=1)


def test_a_stack(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    stack = np.stack([picture(k, dtype=np.uint16) for k in range(3)])
    shown = [Image.fromarray(image) for image in stack]
    shown[0].save(path, save_all=True, append_images=shown[1:])
    np.testing.assert_array_equal(read_frames(path, fps=1).images, stack)
    fails(path, "no times of their own")
    Image.fromarray(stack[0]).save(path, save_all=True, append_images=[Image.fromarray(picture(0, width=3, dtype=np.uint16))])
    fails(path, "frame 1 is 3x6 pixels", fps=1)


def test_real_gifs(test_data: Path) -> None:
    for name in ("smiling", "AU1"):
        frames = read_frames(test_data / "rgb" / f"pyfeat_{name}.gif")
        assert frames.images.shape == (32, 360, 288, 3)
        assert set(np.diff(frames.t)) == {60_000, 70_000}


def test_a_gif_cut_short(tmp_path: Path, test_data: Path) -> None:
    whole = (test_data / "rgb" / "pyfeat_smiling.gif").read_bytes()
    path = tmp_path / "a.gif"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(CutShortWarning, match="a.gif: cut short or damaged after"):
        frames = read_frames(path)
    assert 10 < len(frames) < 20
    np.testing.assert_array_equal(frames.images, read_frames(test_data / "rgb" / "pyfeat_smiling.gif").images[: len(frames)])
    path.write_bytes(whole[:100])
    fails(path, "a.gif")


def test_images_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [Image.fromarray(np.full((4, 5, 3), k, np.uint8)) for k in (0, 100, 200)]
    shown[0].save(tmp_path / "a.gif", save_all=True, append_images=shown[1:], duration=40)
    monkeypatch.setattr(images, "LIMIT", 3 * 60)
    assert len(read_frames(tmp_path / "a.gif")) == 3
    monkeypatch.setattr(images, "LIMIT", 3 * 60 - 1)
    fails(tmp_path / "a.gif", "fill more than .* GiB of memory; cut it")
    growing = images._Growing(tmp_path, (4, 5), np.uint8, 0)  # 20 bytes each; how many come is not known
    for k in range(8):
        growing.add(np.full((4, 5), k, np.uint8))
    assert growing.done()[:, 0, 0].tolist() == list(range(8))
    with pytest.raises(UserError, match="fill more than"):
        growing.add(np.zeros((4, 5), np.uint8))


# Videos


def film(path: Path, pictures: np.ndarray, times: list[int], pix_fmt: str, codec: str) -> None:
    """A video without loss, frames at these times (ms)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=100)
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="gray" if image.ndim == 2 else "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.mark.parametrize(("colours", "pix_fmt"), [(0, "gray"), (3, "bgr0")])
def test_a_video(tmp_path: Path, colours: int, pix_fmt: str) -> None:
    pictures = np.stack([picture(k, 32, 48, colours) for k in range(6)])
    times = [0, 40, 90, 120, 1000, 1033]
    film(tmp_path / "a.mkv", pictures, times, pix_fmt, "ffv1")
    frames = read_frames(tmp_path / "a.mkv")
    np.testing.assert_array_equal(frames.images, pictures)
    assert frames.t.tolist() == [1000 * time for time in times]
    assert read_frames(tmp_path / "a.mkv", fps=1000).t.tolist() == [0, 1000, 2000, 3000, 4000, 5000]


def test_a_video_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.stack([picture(k, 32, 48) for k in range(9)])
    film(tmp_path / "a.mkv", pictures, list(range(0, 90, 10)), "gray", "ffv1")
    monkeypatch.setattr(images, "LIMIT", 8 * 32 * 48)
    frames = read_frames(tmp_path / "a.mkv")
    assert isinstance(frames.images, images.InOrder)
    assert frames.t.tolist() == list(range(0, 90_000, 10_000))
    for index in (slice(None), slice(2, 5), [7, 0, 7, 3], slice(None, None, -2), np.arange(9) > 5, slice(4, 4), 8, 0, -1):
        np.testing.assert_array_equal(frames.images[index], pictures[index])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames)).images[4:6], pictures[4:6])
    with pytest.raises(IndexError):
        frames.images[9]
    film(tmp_path / "a.mkv", pictures[:4], [0, 10, 20, 30], "gray", "ffv1")
    frames.images[0]
    with pytest.raises(UserError, match=r"a.mkv: has changed since it was opened"):
        frames.images[8]


def test_a_video_cut_short(tmp_path: Path) -> None:
    pictures = np.stack([picture(k, 32, 48) for k in range(6)])
    film(tmp_path / "a.mkv", pictures, list(range(0, 60, 10)), "gray", "ffv1")
    whole = (tmp_path / "a.mkv").read_bytes()
    for cut in range(len(whole) // 2, len(whole), 97):
        (tmp_path / "b.mkv").write_bytes(whole[:cut])
        with warnings.catch_warnings():  # some cuts fall between two images
            warnings.simplefilter("ignore", CutShortWarning)
            frames = read_frames(tmp_path / "b.mkv")
        assert 1 <= len(frames) <= 6
        np.testing.assert_array_equal(frames.images[:-1], pictures[: len(frames) - 1])
    (tmp_path / "b.mkv").write_bytes(whole[:200])
    fails(tmp_path / "b.mkv", "b.mkv: (no video|the video|holds no)")
    (tmp_path / "b.mkv").write_bytes(b"")
    fails(tmp_path / "b.mkv", "b.mkv: no video")


def test_a_telephone_held_upright(tmp_path: Path) -> None:
    """The matrix of an MP4's track turns the images a quarter clockwise: what lies at the left edge comes to the top."""
    lying = np.zeros((4, 32, 48), np.uint8)
    lying[:, :, :8] = 255
    film(tmp_path / "a.mp4", lying, [0, 10, 20, 30], "gray", "ffv1")
    whole = (tmp_path / "a.mp4").read_bytes()
    one = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30)
    track = whole.index(b"tkhd")
    (tmp_path / "a.mp4").write_bytes(whole[:track] + whole[track:].replace(one, turned, 1))
    frames = read_frames(tmp_path / "a.mp4")
    assert frames.size == (32, 48)
    assert frames.images[:, :8].min() == 255
    assert frames.images[:, 8:].max() == 0


def test_a_real_video(test_data: Path) -> None:
    frames = read_frames(test_data / "rgb" / "pyfeat_single_face.mp4")
    assert frames.images.shape == (72, 360, 640, 3)
    np.testing.assert_allclose(frames.t, np.arange(72) * 1e6 / 30, atol=1)


def test_a_video_without_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    fails(tmp_path / "a.mp4", r"pip install 'mxsnn\[video\]'")
