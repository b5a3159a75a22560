"""Images of a frame camera from files: one a file, in a GIF or TIFF, or a video."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import CutShortWarning, UserError
from mxsnn.events.recording import Frames, Images

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".webp")
"""Of the files in a folder that are images."""

SEVERAL = (".gif", ".tif", ".tiff", ".webp", ".apng")
"""Of image files that may hold more than one image."""

LIMIT = 2 * 2**30
"""Bytes that the images of one file may fill in memory."""

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "PPM", "GIF", "WEBP")  # no other decoder of Pillow sees a file
_ORIENTATION = 0x0112
_GREY, _GREY16 = ("1", "L", "LA", "La"), ("I", "I;16", "I;16B", "I;16L")


class ImageFiles:
    """Image files as [N, H, W] or [N, H, W, 3], each decoded when it is indexed, none kept.

    Grey images are uint8 or, of 16 bits, uint16; all others RGB uint8, without their transparency; Pillow reads colour
    of 16 bits as 8. A photograph is turned as its camera noted.

    Raises: UserError for no files, one that is no image, sizes or kinds that differ: at construction, from the headers.
    """

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self.paths = tuple(Path(path) for path in paths)
        if not self.paths:
            raise UserError("no images; give at least one file")
        kinds = [_header(path) for path in self.paths]
        for path, kind in zip(self.paths, kinds, strict=True):
            if kind != kinds[0]:
                raise UserError(f"{path}: {_told(kind)}, but {self.paths[0]} is {_told(kinds[0])}; images of one stream are alike")
        self._one, self.dtype = kinds[0]
        self.shape = (len(self.paths), *self._one)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Image [H, W, ...] of a number; images [N, H, W, ...] of a slice, numbers or a mask."""
        chosen = np.arange(len(self))[index]
        if np.ndim(chosen) == 0:
            return self._read(int(chosen))
        images = np.empty((len(chosen), *self._one), self.dtype)
        for k, number in enumerate(chosen):
            images[k] = self._read(number)
        return images

    def _read(self, number: int) -> np.ndarray:
        path = self.paths[number]
        image = _decode(path)
        if (image.shape, image.dtype) != (self._one, self.dtype):
            raise UserError(f"{path}: has changed since it was opened; it was {_told((self._one, self.dtype))}")
        return image


class InOrder:
    """Images [N, ...] that can only be decoded in order, and are when they are indexed: to go back is to start anew.

    `start` begins at the first of all images, of which `numbers` [N] are meant; `path` stands in errors.
    """

    def __init__(
        self, path: Path, start: Callable[[], Iterator[np.ndarray]], numbers: np.ndarray, one: tuple[int, ...], dtype: Any
    ) -> None:
        self._path, self._start, self._numbers, self._one = path, start, numbers, one
        self.dtype = np.dtype(dtype)
        self.shape = (len(numbers), *one)
        self._lock = threading.Lock()
        self._images: Iterator[np.ndarray] = iter(())
        self._at, self._last = -1, np.empty(0)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: Any) -> np.ndarray:
        """As `ImageFiles`."""
        chosen = np.arange(len(self))[index]
        wanted = np.atleast_1d(self._numbers[chosen])
        images = np.empty((len(wanted), *self._one), self.dtype)
        with self._lock:
            for k in np.argsort(wanted, kind="stable"):
                images[k] = self._read(int(wanted[k]))
        return images[0] if np.ndim(chosen) == 0 else images

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._path, self._start, self._numbers, self._one, self.dtype)

    def _read(self, number: int) -> np.ndarray:
        if number < self._at or self._at < 0:
            self._images, self._at = self._start(), -1
        while self._at < number:
            image = next(self._images, None)
            if image is None:
                self._at = -1
                raise UserError(f"{self._path}: has changed since it was opened; it has no image {number}")
            self._at, self._last = self._at + 1, image
        if (self._last.shape, self._last.dtype) != (self._one, self.dtype):
            raise UserError(f"{self._path}: has changed since it was opened; it was {_told((self._one, self.dtype))}")
        return self._last


def read_frames(
    path: str | Path | Sequence[str | Path],
    t: ArrayLike | None = None,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    fps: float | None = None,
) -> Frames:
    """Frames of a folder of images, a list of image files, a GIF (or TIFF, APNG, WebP) or a video.

    The images of a folder are ordered by name, in which digits count as numbers: frame_9 precedes frame_10. A list keeps
    its order. They are read when they are indexed; a GIF or video is decoded into memory, but a video that fills more
    than `LIMIT` is decoded anew, in order, when it is indexed.

    Times, us: given (`t`, or `start` and `end` of the exposures), or k / `fps`, else the file's own: in a GIF the durations
    before the frame, in a video its time stamp.

    Raises: UserError that names the file, where there is none, it is damaged, sizes differ, times are missing or go
      back; where PyAV is missing for a video.
    """
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise UserError(f"fps is a positive number of frames a second, got {fps!r}")
    if fps is not None and not (t is start is end is None):
        raise UserError("give the times of the frames or fps, not both")
    if isinstance(path, (str, Path)):
        path = Path(path)
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        where = f"{path}: "
        if path.is_dir():
            images, times = ImageFiles(images_in(path)), None
        elif path.suffix.lower() in SEVERAL:
            images, times = _several(path)
        elif path.suffix.lower() in SUFFIXES:
            images, times = ImageFiles([path]), None
        else:
            images, times = _video(path)
    else:
        where, images, times = "", ImageFiles(path), None
    if fps is not None:
        t = np.rint(np.arange(len(images)) * (1e6 / fps)).astype(np.int64)
    elif t is start is end is None:
        if times is None:
            raise UserError(f"{where}the images have no times of their own; give fps, or t (us) of each")
        t = times
    try:
        return Frames.make(images, t, start, end)
    except UserError as error:
        raise UserError(f"{where}{error}") from error


def images_in(folder: Path) -> list[Path]:
    """The images in a folder, by name with digits as numbers. Raises: UserError for none, or one name with two suffixes."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()]
    found.sort(key=lambda p: ([int(part) if k % 2 else part for k, part in enumerate(re.split("([0-9]+)", p.stem))], p.name))
    for a, b in pairwise(found):
        if a.stem == b.stem:
            raise UserError(f"{folder}: {a.name} and {b.name} would be two frames; keep one of them, or give a list of files")
    if not found:
        raise UserError(f"{folder}: no images in it; known are {', '.join(SUFFIXES)}")
    return found


def _told(kind: tuple[tuple[int, ...], Any]) -> str:
    shape, dtype = kind
    return f"{shape[1]}x{shape[0]} pixels, {'RGB' if len(shape) == 3 else 'grey'} of {np.dtype(dtype).itemsize * 8} bits"


def _open(path: Path) -> Any:
    """The image of Pillow, of which nothing but the header is decoded."""
    from PIL import Image

    try:
        return Image.open(path, formats=_FORMATS)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except Exception as error:  # Pillow's decoders raise what they meet
        raise UserError(f"{path}: no image that can be read; damaged, or another format") from error


def _kind(image: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array that `_array` makes."""
    size = (image.width, image.height) if _turned(image) > 4 else (image.height, image.width)
    if image.mode in _GREY16:
        return size, np.dtype(np.uint16)
    return (size if image.mode in _GREY else (*size, 3)), np.dtype(np.uint8)


def _turned(image: Any) -> int:
    """How a camera was held, by the code of EXIF: from 5 on, sides are exchanged."""
    photograph = image.format in ("JPEG", "MPO", "TIFF")  # in others the note may stand behind the image
    return image.getexif().get(_ORIENTATION, 1) if photograph else 1


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    with _open(path) as image:
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # a photograph with others for depth or preview behind
            raise UserError(f"{path}: holds {image.n_frames} images; give it alone, not among others")
        return _kind(image)


def _decode(path: Path) -> np.ndarray:
    with _open(path) as image:
        return _array(path, image)


def _array(path: Path, image: Any) -> np.ndarray:
    """[H, W] or [H, W, 3]."""
    from PIL import ImageOps

    if image.mode == "F":
        raise UserError(f"{path}: its values are no whole numbers; convert it to 8 or 16 bits")
    try:
        if _turned(image) > 1:
            image = ImageOps.exif_transpose(image)
        if image.mode in _GREY16:
            wide = np.asarray(image)
            if wide.size and (wide.min() < 0 or wide.max() > 0xFFFF):
                raise UserError(f"{path}: has values beyond 16 bits; convert it")
            return wide.astype(np.uint16)
        return np.array(image.convert("L" if image.mode in _GREY else "RGB"))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: the image is damaged ({' '.join(str(error).split())})") from error


class _Growing:
    """Images that come one by one, as one array; it never exceeds `LIMIT` bytes."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any, expected: int) -> None:
        self.path, self.n, self.kept = path, 0, True
        self.most = LIMIT // max(int(np.prod(shape)) * np.dtype(dtype).itemsize, 1)
        expected = max(expected, 1)
        if expected > self.most:
            self._refuse()
        self.images = np.empty((expected, *shape), dtype)  # reserved, not filled

    def add(self, image: np.ndarray) -> None:
        if image.shape != self.images.shape[1:] or image.dtype != self.images.dtype:
            a, b = _told((image.shape, image.dtype)), _told((self.images.shape[1:], self.images.dtype))
            raise UserError(f"{self.path}: frame {self.n} is {a}, those before {b}; images of one stream are alike")
        if self.n == self.most and self.kept:
            self._refuse()
        if self.kept and self.n == len(self.images):
            more = min(self.n, self.most - self.n)
            self.images = np.concatenate([self.images, np.empty((more, *self.images.shape[1:]), self.images.dtype)])
        if self.kept:
            self.images[self.n] = image
        self.n += 1

    def drop(self) -> None:
        """Keeps none from now on; the next are only held against the first."""
        self.images, self.kept = self.images[:1].copy(), False

    def done(self) -> np.ndarray:
        return self.images[: self.n]

    def _refuse(self) -> None:
        raise UserError(
            f"{self.path}: its images fill more than {LIMIT / 2**30:g} GiB of memory; cut it, shrink it, or give a folder of images"
        )


def _several(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """All images of a GIF, TIFF, APNG or WebP; their times, us, where it says how long each is shown."""
    with _open(path) as image:
        try:
            n = getattr(image, "n_frames", 1)
        except Exception as error:  # a directory of a TIFF that is damaged
            raise UserError(f"{path}: the image is damaged ({' '.join(str(error).split())})") from error
        shape, dtype = (image.height, image.width, 3), np.dtype(np.uint8)
        if image.format != "GIF":  # of which Pillow gives the first as a palette and the others as RGB
            shape, dtype = _kind(image)
        images, durations = _Growing(path, shape, dtype, n), []
        for k in range(n):
            try:
                image.seek(k)
                image.load()
            except Exception as error:
                if k == 0:
                    raise UserError(f"{path}: the image is damaged ({' '.join(str(error).split())})") from error
                warnings.warn(f"{path}: cut short or damaged after {k} of {n} images", CutShortWarning, stacklevel=3)
                break
            images.add(_array(path, image.convert("RGB") if image.format == "GIF" else image))
            durations.append(image.info.get("duration", 0))  # ms
    if all(durations[:-1]):
        return images.done(), np.rint(np.cumsum([0, *durations[:-1]]) * 1000.0).astype(np.int64)
    return images.done(), None


def _video(path: Path) -> tuple[Images, np.ndarray | None]:
    """All images of a video's first stream, upright, and their time stamps, us; None where a frame has none."""
    times: list[int | None] = []
    images = None
    for time, image in _film(path, told=True):
        if images is None:
            images = _Growing(path, image.shape, image.dtype, 1)
        elif len(times) == images.most:
            images.drop()
        images.add(image)
        times.append(time)
    if images is None:
        raise UserError(f"{path}: the video holds no frame")
    known = [time for time in times if time is not None]
    at = np.array(known, np.int64) if len(known) == len(times) else None
    if images.kept:
        return images.done(), at
    shape, dtype = images.images.shape[1:], images.images.dtype
    return InOrder(path, partial(_film_images, path), np.arange(len(times)), shape, dtype), at


def _film_images(path: Path) -> Iterator[np.ndarray]:
    return (image for _, image in _film(path, told=False))


def _film(path: Path, told: bool) -> Iterator[tuple[int | None, np.ndarray]]:
    """Time stamps, us, and images of a video up to its end or the first damage, of which a warning tells."""
    try:
        import av
    except ImportError as error:
        raise UserError(f"{path}: a video is read with PyAV; install it by: pip install 'mxsnn[video]'") from error
    n = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(f"{path}: holds no video")
            for frame in container.decode(container.streams.video[0]):
                image = _upright(frame)
                yield None if frame.time is None else round(frame.time * 1e6), image
                n += 1
    except UserError:
        raise
    except (av.FFmpegError, ValueError, OSError) as error:
        problem = " ".join(str(error).split())
        if n == 0:
            raise UserError(f"{path}: no video that can be read, or damaged ({problem})") from error
        if told:
            warnings.warn(f"{path}: cut short or damaged after {n} images ({problem})", CutShortWarning, stacklevel=4)


def _upright(frame: Any) -> np.ndarray:
    """[H, W] grey or [H, W, 3] RGB, turned as the camera's note says (a telephone held upright films lying images)."""
    name = frame.format.name
    wanted = "rgb24" if not name.startswith("gray") else "gray" if name == "gray" else "gray16le"
    image = frame.to_ndarray(format=wanted)
    quarter_turns = round(getattr(frame, "rotation", 0) / 90) % 4  # counter-clockwise
    return np.rot90(image, quarter_turns) if quarter_turns else image
