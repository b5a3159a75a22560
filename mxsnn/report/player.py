"""Events beside frames, over time: a strip of pictures (PNG) or a film (GIF, MP4).

A picture counts the events of one window [t0, t1). Where a camera took frames, a window begins with a frame's time (the middle of
its exposure) and ends with the next one's, so that it holds what changed between the two. Files of any size are decoded in
blocks: what is held is a picture.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxsnn.errors import RecordingWarning, UserError
from mxsnn.events.io._source import Source
from mxsnn.events.io.files import appearing, check_vacant, open_source
from mxsnn.events.recording import Frames, Label
from mxsnn.report.palette import GREY, OFF, ON, colours
from mxsnn.spec import suggestion

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

FPS = 30.0  # of a film without frames, where nobody says another rate
COLUMNS = 8
LINE = 18  # height of a line of text in pixels
GAP = 6  # between panels
PANEL = {"strip": 240, "film": 480}  # sides at which panels aim, in pixels, where no scale is given
MOST_PICTURES = 20_000
MOST_PIXELS = 2**26  # of a picture, and of the sensor
MOST_BARS = 12  # of labels
BRIEFEST, LONGEST = 100, 600_000_000  # us that a picture of a film is shown; what GIF and MP4 can say
CHUNK = 1_000_000  # us of an opened recording that are held at once


@dataclass(frozen=True)
class Windows:
    """When the pictures are: `t0`, `t1` int64 [K], us, in order and apart; `at` [K], the time of which each shows a frame."""

    t0: np.ndarray
    t1: np.ndarray
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.t0)

    def __getitem__(self, index: np.ndarray) -> Windows:
        return Windows(self.t0[index], self.t1[index], self.at[index])


def view(
    path: str | Path,
    out: str | Path,
    *,
    window: int | None = None,
    start: int | None = None,
    stop: int | None = None,
    columns: int | None = None,
    fps: float | None = None,
    slow: float | None = None,
    scale: float | None = None,
    camera: str | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] = lambda done: None,
    **reading: Any,
) -> None:
    """Draw a recording into `out`: a strip of `columns` pictures (.png), or a film (.gif, .mp4).

    `window`: us in a picture; None takes the times of the frames of `camera` (None: the first that there is), and without
    frames what `fps` makes of it. `start`, `stop`: us after the first event. `slow`: how many times slower than life a film
    runs; `fps`: pictures a second, which where frames or `window` fix the pictures says the same in another way.
    `scale`: pixels of the picture for one of the sensor. `reading` goes to `mxsnn.events.io.files.open_source`.

    Raises: UserError as reading does; for an `out` that exists or has another suffix, options that contradict each other, and
      pictures that are too many or too large; for MP4 where PyAV is not installed.
    """
    out = Path(out)
    film = _FILMS.get(out.suffix.lower())
    _check(out, overwrite, {"window": window, "scale": scale, "columns": columns, "fps": fps, "slow": slow})
    source = open_source(path, **reading)
    if source.ready is not None:
        raise UserError(f"{path}: holds ready frames, which have no times; view shows recordings of events")
    frames = {name: one for name, one in source.recording.frames.items() if len(one)}
    if camera is not None and camera not in frames:
        raise UserError(f"{path}: holds no frames of a camera {camera!r}{suggestion(camera, list(frames)) if frames else ''}")
    source, first, last = _extent(source, lambda done: progress(done / 2))
    main = frames[camera] if camera is not None else next(iter(frames.values()), None)
    if first is None and main is None:
        raise UserError(f"{path}: holds neither events nor frames: nothing to show")
    zero = first if first is not None else int(main.t[0])  # type: ignore[union-attr]
    begin = zero + start if start is not None else None
    end = zero + stop if stop is not None else None
    whole = (zero, last + 1 if last is not None else int(main.t[-1]) + 1)  # type: ignore[union-attr]
    if film is None:
        windows = _of_strip(main if window is None else None, window, columns or COLUMNS, begin, end, whole)
    elif window is None and main is not None:
        windows = _of_frames(main, begin, end)
    else:
        length = window or round(1e6 / ((fps or FPS) * (slow or 1)))
        windows = _regular(max(length, 1), begin, end, whole)
    if not len(windows):
        raise UserError(f"{path}: nothing lies between start and stop; it lasts {(whole[1] - zero) / 1e6:g} s")
    layout = _Layout(source, frames, windows, zero, scale, "strip" if film is None else "film")
    drawn = _counts(source, windows, lambda done: progress(0.5 + done / 2))
    with appearing(out) as temporary:
        if film is None:
            layout.strip(list(drawn), Path(path).name).save(temporary, "png", optimize=True)
            return
        lasts = (windows.t1 - windows.t0) * (slow or 1.0)
        if fps is not None and (window is not None or main is not None):
            lasts = np.full(len(windows), 1e6 / fps)
        if lasts.max() > LONGEST or lasts.mean() < BRIEFEST:
            raise UserError(f"pictures would be shown for {lasts.mean() / 1e6:g} s; choose fps and slow for 0.0001 to 600 s")
        speed = float((windows.t1 - windows.t0).sum() / lasts.sum())
        film(temporary, (layout.picture(k, counts, speed) for k, counts in enumerate(drawn)), np.cumsum(lasts))


def _check(out: Path, overwrite: bool, given: dict[str, float | None]) -> None:
    """Refuses, before anything is read, what cannot be written."""
    suffix = out.suffix.lower()
    if suffix not in (".png", *_FILMS):
        raise UserError(f"{out}: view writes .png, {', '.join(_FILMS)}; got {out.suffix or '(no suffix)'!r}")
    check_vacant(out, overwrite)
    for name, value in given.items():
        if value is None:
            continue
        if not 1e-6 <= value < float("inf"):
            raise UserError(f"{name} is a positive number, at least 1e-06; got {value!r}")
        if name in (("fps", "slow") if suffix == ".png" else ("columns",)):
            kinds = ("a film (.gif, .mp4)", "a strip (.png)")
            this, other = kinds if suffix != ".png" else kinds[::-1]
            raise UserError(f"{name} is for {other}; {out} is {this}")
    if suffix == ".mp4":
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise UserError(f"{out}: MP4 needs PyAV; install mxsnn[video], or choose a .gif") from error


# When


def _extent(source: Source, progress: Callable[[float], None]) -> tuple[Source, int | None, int | None]:
    """The source with its sensor's size, and the times of its first and last event."""
    store = None if source.whole is None else source.whole.events
    if store is not None:
        size = store.sensor_size
        first, last = store.span or (None, None)
    else:
        first = last = None
        width = height = 0
        with warnings.catch_warnings():  # the second pass tells them
            warnings.simplefilter("ignore", RecordingWarning)
            for block in source.blocks():
                progress(block.done)
                if len(block.t):
                    first = int(block.t[0]) if first is None else first
                    last = int(block.t[-1])
                    width, height = max(width, int(block.x.max()) + 1), max(height, int(block.y.max()) + 1)
        size = source.sensor_size or (width, height)
    return replace(source, sensor_size=size if min(size) else None), first, last


def _of_frames(frames: Frames, begin: int | None, end: int | None) -> Windows:
    """From each frame to the next; the last lasts as long as the others do in the middle."""
    t = np.unique(frames.t)
    usual = int(np.median(np.diff(t))) if len(t) > 1 else round(1e6 / FPS)
    windows = Windows(t, np.append(t[1:], t[-1] + usual), t)
    inside = np.ones(len(t), bool)
    if begin is not None:
        inside &= t >= begin
    if end is not None:
        inside &= t < end
    windows = windows[inside]
    _few(len(windows))
    return windows


def _regular(length: int, begin: int | None, end: int | None, whole: tuple[int, int]) -> Windows:
    """One window of `length` us after the other."""
    begin, end = whole[0] if begin is None else begin, whole[1] if end is None else min(end, whole[1])
    count = max(-(-(end - begin) // length), 0)
    _few(count)
    t0 = begin + length * np.arange(count, dtype=np.int64)
    return Windows(t0, t0 + length, t0 + length // 2)


def _of_strip(
    frames: Frames | None, window: int | None, columns: int, begin: int | None, end: int | None, whole: tuple[int, int]
) -> Windows:
    """As many windows as there are columns: all of the time, or of the frames or windows some, as far apart as they can be."""
    if frames is None and window is None:
        begin, end = whole[0] if begin is None else begin, whole[1] if end is None else min(end, whole[1])
        edges = np.unique(np.linspace(begin, max(end, begin), columns + 1).round().astype(np.int64))
        return Windows(edges[:-1], edges[1:], (edges[:-1] + edges[1:]) // 2)
    windows = _of_frames(frames, begin, end) if frames is not None else _regular(window or 1, begin, end, whole)
    return windows[np.unique(np.linspace(0, len(windows) - 1, min(columns, len(windows))).round().astype(int))]


def _few(count: int) -> None:
    if count > MOST_PICTURES:
        raise UserError(f"that makes {count:,} pictures, more than {MOST_PICTURES:,}; give start, stop or a longer window")


# What


def _counts(source: Source, windows: Windows, progress: Callable[[float], None]) -> Iterator[np.ndarray | None]:
    """Of each window the counts of events, int32 [H, W, 2] (OFF, ON), in one pass over the file; None without an event camera."""
    if source.sensor_size is None:
        yield from (None for _ in range(len(windows)))
        return
    width, height = source.sensor_size
    counts = np.zeros(height * width * 2, np.int32)
    k = 0
    for t, x, y, p in _pieces(source, windows, progress):
        while k < len(windows):
            first, last = np.searchsorted(t, (windows.t0[k], windows.t1[k]))
            part = slice(int(first), int(last))
            np.add.at(counts, (y[part].astype(np.int64) * width + x[part]) * 2 + p[part], 1)
            if last == len(t):  # it may go on in the next piece
                break
            yield counts.reshape(height, width, 2)
            counts = np.zeros_like(counts)
            k += 1
        if k == len(windows):
            return
    for _ in range(k, len(windows)):
        yield counts.reshape(height, width, 2)
        counts = np.zeros_like(counts)


def _pieces(source: Source, windows: Windows, progress: Callable[[float], None]) -> Iterator[Sequence[np.ndarray]]:
    """t, x, y, p of consecutive events, of all that lie in the windows at least; where a file is read by time, of no others."""
    store = None if source.whole is None else source.whole.events
    if store is None:
        for block in source.blocks():
            progress(block.done)
            if len(block.t):
                yield block.columns
        return
    begin, end = int(windows.t0[0]), int(windows.t1[-1])
    step = max(CHUNK, (end - begin) // MOST_PICTURES)
    for t in range(begin, end, step):
        progress((t - begin) / (end - begin))
        events = store.window(t, min(t + step, end))
        if len(events):
            yield events.t, events.x, events.y, events.p


# How it looks


class _Layout:
    """Where everything stands in a picture: a row of text, panels (events, then each camera), bars of the labels."""

    def __init__(
        self, source: Source, frames: dict[str, Frames], windows: Windows, zero: int, scale: float | None, kind: str
    ) -> None:
        from PIL import ImageFont

        self.frames, self.windows, self.zero = frames, windows, zero
        size = source.sensor_size or next(iter(frames.values())).size
        if size[0] * size[1] > MOST_PIXELS:
            raise UserError(f"a sensor of {size[0]}x{size[1]} pixels is too large to draw; give the sensor size")
        side, goal = max(size), PANEL[kind]
        scale = scale or (goal // side if side <= goal else 1 / -(-side // goal))
        self.side = max(int(1 / scale), 1)  # of the square of pixels whose events are counted together
        height = max(round(size[1] * scale), 1)
        sizes = {} if source.sensor_size is None else {"events": (max(round(size[0] * scale), 1), height)}
        sizes |= {name: (max(round(one.size[0] * height / one.size[1]), 1), height) for name, one in frames.items()}
        self.sizes = sizes
        self.ranges = {name: _range(one, windows) for name, one in frames.items()}
        self.labels = sorted((one for one in source.recording.labels if _times(one)), key=lambda one: _times(one)[0])
        self.font, self.small = ImageFont.load_default(12), ImageFont.load_default(10)
        self.most = np.zeros(0, np.int64)  # of the counts so far: how many pixels saw so many events

    def picture(self, k: int, counts: np.ndarray | None, speed: float) -> Image:
        """A picture of a film."""
        width = max(sum(w + GAP for w, _ in self.sizes.values()) + GAP, 320)
        height = next(iter(self.sizes.values()))[1]
        image, draw = _canvas(width, 2 * LINE + height + 2 * GAP + self._bars_height())
        told = "" if abs(speed - 1) < 1e-3 else f"   {speed:.3g} x real time"
        self._text(draw, (GAP, 0), f"{self._stamp(k)}{told}")
        self._text(draw, (GAP, LINE), self._active(k), width - 2 * GAP)
        x = GAP
        counts = self._together(counts)
        full = self._full(counts)
        for name, size in self.sizes.items():
            self._paste(image, draw, (x, 2 * LINE), size, self._panel(name, k, counts, full))
            x += size[0] + GAP
        self._bars(draw, 2 * LINE + height + GAP, width, int(self.windows.t0[0]), int(self.windows.t1[-1]), [k])
        return image

    def strip(self, drawn: list[np.ndarray | None], name: str) -> Image:
        """All pictures, a column each."""
        column = max(max(w for w, _ in self.sizes.values()), 130) + GAP
        width = column * len(drawn) + GAP
        top = 3 * LINE
        height = top + sum(h + GAP for _, h in self.sizes.values()) + GAP
        image, draw = _canvas(width, height + self._bars_height())
        at = GAP
        heads = [(name, "black"), *([("ON (brighter)", ON), ("OFF (darker)", OFF)] if "events" in self.sizes else [])]
        for text, colour in (*heads, *((camera, GREY) for camera in self.frames)):
            self._text(draw, (at, 0), text, width - at, colour)
            at += round(self.font.getlength(text)) + 2 * GAP
        drawn = [self._together(counts) for counts in drawn]
        full = [self._full(counts) for counts in drawn][-1]  # the same for all
        for k, counts in enumerate(drawn):
            x, y = GAP + k * column, top
            self._text(draw, (x, LINE), self._stamp(k), column)
            self._text(draw, (x, 2 * LINE), self._active(k), column)
            for panel, size in self.sizes.items():
                self._paste(image, draw, (x, y), size, self._panel(panel, k, counts, full))
                y += size[1] + GAP
        self._bars(draw, height - GAP, width, int(self.windows.t0[0]), int(self.windows.t1[-1]), range(len(drawn)))
        return image

    def _together(self, counts: np.ndarray | None) -> np.ndarray | None:
        """Counts of squares of pixels, where the picture is smaller than the sensor: a few events stay to be seen."""
        if counts is None or self.side == 1:
            return counts
        height, width = counts.shape[:2]
        rows = np.add.reduceat(counts, np.arange(0, height, self.side), 0)
        return np.add.reduceat(rows, np.arange(0, width, self.side), 1)

    @staticmethod
    def _paste(image: Image, draw: ImageDraw, at: tuple[int, int], size: tuple[int, int], panel: Image) -> None:
        image.paste(panel.resize(size, 4), at)  # 4: the mean of what a pixel covers
        draw.rectangle((at[0] - 1, at[1] - 1, at[0] + size[0], at[1] + size[1]), outline="#bbbbbb")

    def _full(self, counts: np.ndarray | None) -> float:
        """The count of the full colour: the 95th percentile of the pixels with events in all pictures so far: no film flickers."""
        if counts is not None:
            new = np.bincount(np.minimum(counts.ravel(), 9999))
            new[0] = 0
            both = np.zeros(max(len(new), len(self.most)), np.int64)
            both[: len(self.most)] += self.most
            both[: len(new)] += new
            self.most = both
        below = np.cumsum(self.most)
        return float(max(np.searchsorted(below, 0.95 * below[-1]), 1)) if len(below) else 1.0

    def _panel(self, name: str, k: int, counts: np.ndarray | None, full: float) -> Image:
        from PIL import Image

        if name == "events":
            assert counts is not None
            return Image.fromarray((colours(counts, full) * 255).round().astype(np.uint8))
        frames = self.frames[name]
        at = int(self.windows.at[k])
        nearest = int(np.searchsorted(frames.t, at))
        nearest -= nearest > 0 and (nearest == len(frames) or at - frames.t[nearest - 1] <= frames.t[nearest] - at)
        usual = float(np.median(np.diff(frames.t))) if len(frames) > 1 else 0.0
        if abs(int(frames.t[nearest]) - at) > max(usual, self.windows.t1[k] - self.windows.t0[k]):
            return Image.new("RGB", frames.size, "#dddddd")  # none was taken about then
        image = np.asarray(frames.images[nearest])
        low, high = self.ranges[name]
        if (low, high) != (0, 255):
            image = np.clip((image.astype(np.float32) - low) * (255 / max(high - low, 1)), 0, 255).astype(np.uint8)
        return Image.fromarray(image).convert("RGB")

    def _stamp(self, k: int) -> str:
        t0, t1 = int(self.windows.t0[k]), int(self.windows.t1[k])
        digits = 3 if t1 - t0 >= 1000 else 6
        return f"{(t0 - self.zero) / 1e6:.{digits}f} to {(t1 - self.zero) / 1e6:.{digits}f} s"

    def _active(self, k: int) -> str:
        """Names of the labels that reach into a window."""
        t0, t1 = self.windows.t0[k], self.windows.t1[k]
        return ", ".join(dict.fromkeys(one.name for one in self.labels if _times(one)[0] < t1 and _times(one)[-1] >= t0))

    def _text(self, draw: ImageDraw, at: tuple[int, int], text: str, width: float = np.inf, colour: str = "black") -> None:
        text = "".join(one if one.isprintable() else " " for one in text)
        while text and self.font.getlength(text) > width - GAP:
            text = text.rstrip("…")[:-1] + "…" if len(text.rstrip("…")) > 1 else ""
        draw.text((at[0], at[1] + 2), text, fill=colour, font=self.font)

    def _bars_height(self) -> int:
        return LINE * min(len(self.labels), MOST_BARS) + (GAP if self.labels else 0)

    def _bars(self, draw: ImageDraw, top: int, width: int, begin: int, end: int, shown: Sequence[int]) -> None:
        """The labels from onset to offset, the apex as a stroke, over the time of all pictures; below them those that are shown."""
        if not self.labels:
            return

        def x(t: int) -> int:
            return GAP + round((min(max(t, begin), end) - begin) / max(end - begin, 1) * (width - 2 * GAP - 1))

        bottom = top + self._bars_height() - GAP
        for k in shown:
            draw.rectangle((x(int(self.windows.t0[k])), top, x(int(self.windows.t1[k])), bottom), fill="#dddddd")
        for row, label in enumerate(self.labels[:MOST_BARS]):
            times, y = _times(label), top + row * LINE
            if times[0] < end and times[-1] >= begin:
                draw.rectangle((x(times[0]), y + 2, max(x(times[-1]), x(times[0]) + 1), y + 4), fill=GREY)
                if label.apex is not None and begin <= label.apex < end:
                    draw.line((x(label.apex), y, x(label.apex), y + 6), fill="black", width=2)
                text = f"{label.name}{'' if label.side == 'both' else f' {label.side}'}"
                at = min(x(times[0]), width - GAP - round(self.small.getlength(text)))
                draw.text((max(at, GAP), y + 5), text, fill="black", font=self.small)


def _canvas(width: int, height: int) -> tuple[Image, ImageDraw]:
    from PIL import Image, ImageDraw

    if width * height > MOST_PIXELS or max(width, height) > 2**14:
        raise UserError(f"the picture would have {width}x{height} pixels; choose a smaller scale or fewer columns")
    image = Image.new("RGB", (width, height), "white")
    return image, ImageDraw.Draw(image)


def _range(frames: Frames, windows: Windows) -> tuple[float, float]:
    """Values that are drawn black and white: bytes as they are, others from the 1st to the 99th percentile of some frames."""
    if frames.images.dtype == np.uint8:
        return 0, 255
    near = np.searchsorted(frames.t, windows.at[np.linspace(0, len(windows) - 1, 5).round().astype(int)])
    some = np.stack([np.asarray(frames.images[int(k)]) for k in np.unique(np.minimum(near, len(frames) - 1))])
    low, high = np.percentile(some, (1, 99))
    return float(low), float(high)


def _times(label: Label) -> list[int]:
    return [time for time in (label.onset, label.apex, label.offset) if time is not None]


# Films


def _gif(path: Path, pictures: Iterator[Image], ends: np.ndarray) -> None:
    """A GIF that repeats for ever; a picture a time is held. `ends` [K]: when each picture ends, us."""
    from PIL import GifImagePlugin, Image

    ends = (np.asarray(ends) / 10_000).round().astype(int)  # its clock has ticks of 10 ms
    lasts = np.diff(ends, prepend=0)
    if lasts.min() < 2:  # viewers show shorter ones for 100 ms
        raise UserError("a GIF shows no picture for less than 20 ms; give a longer window, fewer fps or slow, or choose an .mp4")
    with path.open("wb") as file:
        for k, picture in enumerate(pictures):
            if k == 0:  # logical screen without a colour table; then the extension that says: repeat for ever
                sides = b"".join(side.to_bytes(2, "little") for side in picture.size)
                file.write(b"GIF89a" + sides + b"\x70\0\0" + b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
            few = picture.quantize(256, dither=Image.Dither.NONE)
            for part in GifImagePlugin.getdata(few, duration=int(lasts[k]) * 10, include_color_table=True):
                file.write(part)
        file.write(b";")


def _mp4(path: Path, pictures: Iterator[Image], ends: np.ndarray) -> None:
    """H.264, which every browser plays; each picture at its time. `ends` [K]: when each picture ends, us."""
    from fractions import Fraction

    import av
    from PIL import ImageOps

    clock = Fraction(1, 90_000)
    ticks = np.maximum.accumulate(np.round(np.asarray(ends) * 0.09).astype(np.int64))
    starts = np.concatenate([[0], ticks[:-1]])
    with av.open(str(path), "w", format="mp4") as container:
        rate = Fraction(len(ticks) * 1_000_000, max(round(ends[-1]), 1)).limit_denominator(1001)
        stream: Any = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = clock
        for k, picture in enumerate(pictures):
            even = picture.width + picture.width % 2, picture.height + picture.height % 2  # a colour is stored for 2x2 pixels
            picture = ImageOps.pad(picture, even, color="white", centering=(0, 0)) if even != picture.size else picture
            if k == 0:
                stream.width, stream.height = even
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base, frame.duration = int(starts[k]), clock, int(ticks[k] - starts[k])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


_FILMS: dict[str, Callable[[Path, Iterator[Any], np.ndarray], None]] = {".gif": _gif, ".mp4": _mp4}
