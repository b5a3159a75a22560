"""What a trained network says of a recording, part by part as time passes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.data.encoded import camera_frames
from mxsnn.errors import UserError
from mxsnn.events import Events, Frames, Recording
from mxsnn.events.intensity import Held
from mxsnn.events.tonic import compose
from mxsnn.models.trained import About


class Said(NamedTuple):
    """What is said of [start, stop) us, with the state that the parts before left."""

    start: int
    stop: int
    logits: np.ndarray  # [K]
    seconds: float  # from frames to logits, compiling apart


def predict(network: Any, about: About, recording: Recording, every: int | None = None, start: int | None = None) -> Iterator[Said]:
    """What the network says of each part of a recording, window after window of its encoding, its state carried on.

    A part is `every` steps, by default all of a window. Windows follow each other until the last event or frame, from `start` us on
    the recording's clock; None: from where the encoding's window begins, or, where that is over, from the first event or frame.
    The mean of logits over the parts of a stretch, weighted by their steps, is what one pass over the stretch says, where the
    network keeps a state and judges by a mean over time; one without state sees each part alone, and whole windows only.

    Raises: UserError for a recording that cannot be encoded, and for `every` that cannot be.
    """
    run = jax.jit(lambda xs, state: network(xs, state))
    windows = _windows(about, recording, start)
    first = next(windows)
    steps = len(first[2])
    hop = steps if every is None else every
    if not 0 < hop <= steps or steps % hop:
        raise UserError(f"a part is some of the {steps} steps of a window, so that whole parts make it up; got {every}")
    part = jnp.asarray(first[2][:hop, None])
    state = run(part, None)[0]
    if not jax.tree.leaves(state) and hop < steps:
        raise UserError(f"{about.model} keeps no state and sees whole windows of {steps} steps; leave the number of steps out")
    run(part, state)  # compiled for a state, too
    state = None
    for begin, length, frames in itertools.chain([first], windows):
        for k in range(0, steps, hop):
            began = time.perf_counter()
            state, logits = run(jnp.asarray(frames[k : k + hop, None]), state)
            found = np.asarray(logits[0], np.float32)
            seconds = time.perf_counter() - began
            yield Said(begin + k * length // steps, begin + (k + hop) * length // steps, found, seconds)


def _windows(about: About, recording: Recording, start: int | None) -> Iterator[tuple[int, int, np.ndarray]]:
    """Start and length in us of one window after the other, and its frames `[T, H, W, C]`."""
    seen = [_Seen(specs, size, about.camera) for specs, size in _cameras(about)]
    lengths = {(one.window[0], one.window[1] - one.window[0]) for one in seen}
    if len(lengths) > 1:
        raise UserError(f"events and frames of one network come in windows of one start and length, got {sorted(lengths)}")
    if not lengths:
        raise UserError(f"{about.model} was trained on ready frames, so that nothing says how a recording becomes such")
    ((origin, length),) = lengths
    spans = [one.span(recording) for one in seen]
    first, last = min(a for a, _ in spans), max(b for _, b in spans)
    if start is None:  # on the clock of the recording, as in training, unless that began long before
        start = origin if origin <= first < origin + length else first
    if last < start:
        raise UserError(f"the recording ends at {last} us, before the first window, which begins at {start} us")
    for begin in range(start, last + 1, length):
        parts = [one.frames(recording, begin, length) for one in seen]
        yield begin, length, parts[0] if len(parts) == 1 else np.concatenate([p.astype(np.float32) for p in parts], -1)


def _cameras(about: About) -> Iterator[tuple[tuple[str, ...], tuple[int, int]]]:
    for specs, size in ((about.encoding, about.sensor_size), (about.film, about.film_size)):
        if size is not None:
            yield specs, size


class _Seen:
    """What is seen of a recording by an encoding, whose window is laid anywhere on its clock."""

    def __init__(self, specs: tuple[str, ...], size: tuple[int, int], camera: str | None):
        self.encoding, self.camera = compose(specs, size), camera
        window = self.encoding.window
        if self.encoding.filmed:
            held = next(one for one in self.encoding.transforms if isinstance(one, Held))
            window = held.start, held.stop
        if window is None:
            raise UserError(f"{self.encoding} has no window of time, start and stop, that could follow one on the other")
        self.window: tuple[int, int] = window

    def span(self, recording: Recording) -> tuple[int, int]:
        """Times of the first and the last of what is seen, us."""
        if self.encoding.filmed:
            t = camera_frames(recording, self.camera).t
            return int(t[0]), int(t[-1])
        span = None if recording.events is None else recording.events.span
        if span is None:
            raise UserError("the recording holds no events")
        return span

    def frames(self, recording: Recording, begin: int, length: int) -> np.ndarray:
        """Those of [begin, begin + length) us, as if this were the encoding's window."""
        later = begin - self.window[0]
        if self.encoding.filmed:
            film = camera_frames(recording, self.camera)
            return self.encoding(Frames(film.images, film.t - later, film.start - later, film.end - later))
        assert recording.events is not None
        events = recording.events.window(begin, begin + length)
        return self.encoding(Events(events.t - later, events.x, events.y, events.p, events.sensor_size))
