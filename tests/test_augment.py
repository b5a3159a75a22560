"""What holds for every augmentation: host and device to the bit, keys, forms of a stream, windows, encodings, mistakes."""

from __future__ import annotations

import functools
import importlib
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.events import Events
from mxsnn.events.augment import (
    AUGMENTATIONS,
    Affine,
    Augmentation,
    DropEvents,
    EventDrop,
    FaceMirror,
    FlipLR,
    FlipPolarity,
    FlipUD,
    Noise,
    PolarityNoise,
    RandomCrop,
    RandomResizedCrop,
    SpikingFER,
    TimeJitter,
    TimeReversal,
)
from mxsnn.events.encode import DeviceEvents, to_device
from mxsnn.events.random import fold_in, host_key
from mxsnn.events.stream import from_structured, to_structured
from mxsnn.events.tonic import compose

SIZE = (11, 7)
LENGTH = 2000  # us, of the window
BATCH = 3
CAPACITY = 80  # on the device; streams have up to 60 events
FAR = 2**40  # us, beyond what an int32 and a float32 hold
KEYS = [host_key(0, k) for k in range(40)]


def each(start: int = 0) -> list[Augmentation]:
    """One of each, for the window that begins at `start`, with arguments under which it acts for some of KEYS."""
    window = (start, start + LENGTH)
    return [
        FlipLR(),
        FlipUD(),
        FlipPolarity(),
        PolarityNoise(0.3),
        TimeReversal(*window),
        DropEvents(0.4),
        EventDrop(*window),
        Noise(*window, rate=100, share=0.3, p=0.7),
        TimeJitter(40.5, *window),
        Affine(2, 25, 0.3),
        RandomCrop(6, 5),
        RandomResizedCrop(9, 8),
        FaceMirror(0.6, column=4.5),
        SpikingFER(*window, 10, 12),
    ]


of_each = pytest.mark.parametrize("k", range(len(AUGMENTATIONS)), ids=[type(one).__name__ for one in each()])


@functools.cache
def on_device(k: int) -> Callable[[DeviceEvents, jax.Array], DeviceEvents]:
    one = each()[k]
    return jax.jit(jax.vmap(lambda events, key: one(events, key)))


@st.composite
def streams(draw: st.DrawFn) -> Events:
    """Streams of a window that begins anywhere, often with equal times and on few pixels."""
    n, seed, span = draw(st.integers(0, 60)), draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([1, 30, LENGTH]))
    width, height = draw(st.integers(1, SIZE[0])), draw(st.integers(1, SIZE[1]))
    return random_stream(n, seed, draw(st.sampled_from([0, 7, -500, 2**31 - 100, FAR])), span, (width, height))


def random_stream(
    n: int, seed: int = 0, start: int = 0, span: int = LENGTH, part: tuple[int, int] = SIZE, size: tuple[int, int] = SIZE
) -> Events:
    """`n` events of the first `span` us from `start` on, on a part of the sensor; the first is at `start`."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, span, n))
    t[:1] = 0
    return Events.make(start + t, rng.integers(0, part[0], n), rng.integers(0, part[1], n), rng.integers(0, 2, n), size)


def shifted(events: Events, by: int) -> Events:
    return Events(events.t + by, events.x, events.y, events.p, events.sensor_size)


def back(events: DeviceEvents, start: int = 0) -> Events:
    """A stream of the device on the host; raises where it is none."""
    n = int(events.count)
    assert events.t.dtype == np.int32 and 0 <= n <= len(events.t)
    t, x, y, p = (np.asarray(getattr(events, name))[:n] for name in "txyp")
    assert n == 0 or 0 <= t.min() <= t.max() < events.length
    return Events.make(t.astype(np.int64) + start, x, y, p, events.sensor_size)


def jax_key(key: np.ndarray) -> jax.Array:
    return jax.random.wrap_key_data(jnp.asarray(key))


# What holds for each


def test_each_is_here() -> None:
    assert [type(one) for one in each()] == list(AUGMENTATIONS)


@of_each
@given(st.lists(streams(), min_size=BATCH, max_size=BATCH), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_host_and_device_agree_to_the_bit(k: int, several: list[Events], seed: int) -> None:
    """Under jit and vmap, each stream with its key."""
    starts = [int(events.t[0]) if len(events) else 5 for events in several]
    keys = [host_key(seed, n) for n in range(BATCH)]
    on_host = [to_device(events, at, at + LENGTH, CAPACITY) for events, at in zip(several, starts, strict=True)]
    device = jax.tree.map(lambda *leaves: jnp.stack(leaves), *on_host)
    result = on_device(k)(device, jax_key(np.stack(keys)))
    for n, (events, start, key) in enumerate(zip(several, starts, keys, strict=True)):
        before = Events.make(events.t, events.x, events.y, events.p, events.sensor_size)
        host = each(start)[k](events, key)
        assert host == Events.make(host.t, host.x, host.y, host.p, host.sensor_size)  # in order, on the sensor
        assert back(jax.tree.map(lambda leaf, n=n: leaf[n], result), start) == host
        assert events == before == back(jax.tree.map(lambda leaf, n=n: leaf[n], device), start)
        assert shifted(host, -start) == each(0)[k](shifted(events, -start), key)  # whenever the clock was started


@pytest.mark.parametrize(
    ("one", "n"),
    [
        (TimeReversal(0, LENGTH, p=1.0), 23),
        (DropEvents(0.4), 0),
        (Noise(0, LENGTH, rate=100, share=0.3), 0),
        (TimeJitter(40.5, 0, LENGTH), 0),
        (Affine(2, 25, 0.3), 23),
        (FaceMirror(1.0), 0),
    ],
    ids=str,
)
def test_without_padding(one: Augmentation, n: int) -> None:
    events, key = random_stream(n), host_key(3, n)
    assert back(jax.jit(lambda events, key: one(events, key))(to_device(events, 0, LENGTH), jax_key(key))) == one(events, key)


@of_each
def test_the_key_decides_and_nothing_else(k: int) -> None:
    one, events = each()[k], random_stream(60)
    results = [one(events, key) for key in KEYS]
    assert results == [one(events, key) for key in KEYS]
    assert any(a != results[0] for a in results)
    assert one(events, jax_key(KEYS[0])) == results[0]


@pytest.mark.parametrize("one", [FlipLR(), DropEvents(0.4), Affine(2, 25, 0.3)], ids=str)
def test_uncompiled_and_with_a_key_of_the_host(one: Augmentation) -> None:
    events = random_stream(60)
    assert back(one(to_device(events, 0, LENGTH, CAPACITY), KEYS[0])) == one(events, KEYS[0])


@of_each
def test_structured_arrays(k: int) -> None:
    events, key = random_stream(60, start=10), KEYS[1]
    one = each(10)[k]
    sized = type(one)(**{**vars(one), "sensor_size": (*SIZE, 2)})
    for array in (to_structured(events), to_structured(events)[:0]):
        before = array.copy()
        result = sized(array, key)
        assert result.dtype == array.dtype
        np.testing.assert_array_equal(array, before)
        np.testing.assert_array_equal(result, to_structured(one(from_structured(array, SIZE), key)))
    signed = np.empty(60, [("ts", "f8"), ("pol", "i1"), ("x", "u2"), ("y", "i4")])
    signed["ts"], signed["pol"], signed["x"], signed["y"] = events.t, events.p * 2.0 - 1, events.x, events.y
    result = sized(signed, key)
    assert result.dtype == signed.dtype
    assert from_structured(result, one(events, key).sensor_size) == one(events, key)
    with pytest.raises(UserError, match="give sensor_size"):
        one(to_structured(events), key)
    with pytest.raises(UserError, match="not that of the events"):
        type(one)(**{**vars(one), "sensor_size": (3, 3)})(events, key)


def test_arrays_with_more_or_too_small_fields() -> None:
    more = np.zeros(3, [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?"), ("id", "i4")])
    with pytest.raises(UserError, match="does not know what becomes of id"):
        FlipLR(sensor_size=SIZE)(more, KEYS[0])
    small = np.zeros(3, [("t", "u1"), ("x", "i2"), ("y", "i2"), ("p", "?")])
    with pytest.raises(UserError, match="'t' of type uint8 does not hold"):
        TimeReversal(0, 1000, p=1.0, sensor_size=SIZE)(small, KEYS[0])


@of_each
def test_only_the_window_where_there_is_one(k: int) -> None:
    one, events = each(0)[k], random_stream(60, start=-700, span=3500)
    if hasattr(one, "start"):
        assert one(events, KEYS[2]) == one(events.window(0, LENGTH), KEYS[2])
        assert (one(events, KEYS[2]).t >= 0).all() and (one(events, KEYS[2]).t < LENGTH).all()
        with pytest.raises(UserError, match="is a window of 500 us, the augmentation is for 2000 us"):
            one(to_device(events, 0, 500), jax.random.key(0))
    else:
        assert one(events, KEYS[2]).window(0, LENGTH) != one(events, KEYS[2])


@pytest.mark.parametrize(
    "make", [FlipLR, FlipUD, FlipPolarity, functools.partial(TimeReversal, 0, LENGTH), FaceMirror, PolarityNoise]
)
def test_never_and_always(make: Callable[..., Augmentation]) -> None:
    events = random_stream(60)
    for key in KEYS:
        assert make(p=0.0)(events, key) == make(p=0)(events, key) == events
        assert make(p=1.0)(events, key) != events
        assert make(p=0.0).relabel("wink left", key) == "wink left"
    assert DropEvents(0.0)(events, KEYS[0]) == events
    assert len(DropEvents(1.0)(events, KEYS[0])) == 0


@pytest.mark.parametrize("make", [FlipLR, FlipPolarity, functools.partial(TimeReversal, 0, LENGTH), FaceMirror])
def test_as_often_as_said(make: Callable[..., Augmentation]) -> None:
    events, n = random_stream(20), 3000
    acted = sum(make(p=0.3)(events, host_key(1, k)) != events for k in range(n))
    assert abs(acted - 0.3 * n) < 4 * math.sqrt(n * 0.3 * 0.7)


@pytest.mark.parametrize("one", [EventDrop(0, LENGTH), Affine(2, 25, 0.3), TimeJitter(40.5, 0, LENGTH), FaceMirror(1.0)], ids=str)
def test_where_jax_has_64_bits(one: Augmentation) -> None:
    events = random_stream(60)
    with jax.enable_x64(True):
        device = to_device(events, 0, LENGTH, CAPACITY)
        result = jax.jit(lambda events, key: one(events, key))(device, jax.random.key(3))
        assert jax.tree.map(lambda leaf: leaf.dtype, result) == jax.tree.map(lambda leaf: leaf.dtype, device)
        assert back(result) == one(events, host_key(3))


def test_noise_on_the_device_loses_nothing() -> None:
    full = to_device(random_stream(60), 0, LENGTH)
    one = Noise(0, LENGTH, rate=500, share=0.5)
    noisy = jax.jit(lambda events, key: one(events, key))(full, jax.random.key(4))
    assert len(noisy.t) > 60 + 30 and back(noisy) == one(random_stream(60), host_key(4))
    most = max(len(one(random_stream(60), host_key(4, k))) for k in range(300))
    assert most <= len(noisy.t)


def test_half_a_face_on_the_device_has_room() -> None:
    events = Events.make(np.arange(50), [0] * 50, [0] * 50, [1] * 50, SIZE)
    twice = FaceMirror(1.0)(to_device(events, 0, LENGTH), jax.random.key(1))
    assert len(twice.t) == 100 and int(twice.count) in (0, 100)


# In an encoding


def test_in_an_encoding() -> None:
    events, frames = random_stream(200), f"TimeFrames(bins=4, start=0, stop={LENGTH})"
    specs = ["FlipLR(p=0.5)", "RandomCrop(width=6, height=5)", "Pool(factor=2)", "FaceMirror(p=0.5)", frames]
    encoding = compose(specs, SIZE)
    assert encoding.random and not encoding.keyed
    assert encoding.output_shape() == encoding(events).shape == (4, 3, 3, 2)
    names = set()
    for epoch in range(20):
        key = host_key(7, epoch, 3)
        flip, crop, pool, mirror, count = encoding.transforms
        expected = crop(flip(events, fold_in(key, 0)), fold_in(key, 1))
        expected = count(mirror(pool(expected), fold_in(key, 3)))
        np.testing.assert_array_equal(encoding(events, (7, epoch, 3)), expected)
        name = mirror.relabel(flip.relabel("left", fold_in(key, 0)), fold_in(key, 3))
        assert encoding.relabel("left", (7, epoch, 3)) == name
        names.add(name)
    assert names == {"left", "right", "both", ""}
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoding))(events, 5), encoding(events, 5))
    assert compose(encoding.specs, SIZE).specs == encoding.specs


def test_windows_that_differ_are_refused() -> None:
    """Frames of what an augmentation has cut off would be empty; on the device there is one window."""
    for augmentation in ("SpikingFER(start=0, stop=1000)", "EventDrop(start=1, stop=2001)"):
        with pytest.raises(UserError, match=r"frames' window of 2000 us: give it start=0, stop=2000"):
            compose([augmentation, "TimeFrames(bins=4, start=0, stop=2000)"], SIZE)
    assert compose(["EventDrop(start=0, stop=1000)", "CountFrames(frames=3)"], SIZE).random


def test_encodings_without_keys_or_with_keys_alone() -> None:
    plain = compose([f"TimeFrames(bins=4, start=0, stop={LENGTH})"], SIZE)
    assert not plain.random and not plain.keyed
    assert plain.relabel("left", 3) == "left"
    rate = compose(["Rate(steps=4)"], SIZE)
    images = np.random.default_rng(0).random((2, 7, 11, 1)).astype(np.float32)
    assert rate.keyed and not rate.random
    np.testing.assert_array_equal(rate(images, (1, 2)), rate.transforms[0](images, fold_in(host_key(1, 2), 0)))
    assert (rate(images, (1, 2)) != rate(images, (1, 3))).any()
    mixed = compose(["RandomFlipPolarity(p=0.5)", "FlipLR()", "ToImage()"], SIZE)
    assert mixed.random and not mixed.keyed
    with pytest.raises(UserError, match="whole numbers from 0 to 2"):
        mixed(random_stream(5), (0, -1))


# Mistakes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *((lambda cls=cls: cls(p=1.5), "p is a probability from 0 to 1, got 1.5") for cls in (FlipLR, FlipUD, FlipPolarity)),
        (lambda: PolarityNoise("a"), "p is a probability from 0 to 1, got 'a'"),
        (lambda: DropEvents(-0.1), "p is a probability"),
        (lambda: DropEvents(float("nan")), "p is a probability"),
        (lambda: TimeReversal(5, 5), "must end after it begins"),
        (lambda: TimeReversal(0, 9, p=True), "p is a probability"),
        (lambda: EventDrop(0, 2**31), "at most 2147483647 us"),
        (lambda: EventDrop(0.5, 2), "whole microseconds"),
        (lambda: Noise(0, 9, rate=-1), "rate is events per pixel and second"),
        (lambda: Noise(0, 9, share=math.inf), "share is a part of the events"),
        (lambda: TimeJitter(-1, 0, 9), "sigma is a standard deviation"),
        (lambda: Affine(shift=-1), "shift is a whole number of at least 1"),
        (lambda: Affine(rotate=181), "rotate is degrees, from 0 to 180"),
        (lambda: Affine(scale=2.1), "scale is the exponent of a factor, from 0 to 2"),
        (lambda: RandomCrop(0, 4), "whole pixels from 1"),
        (lambda: RandomResizedCrop(4, 4, scale=(0, 1)), r"scale is \(least, most\)"),
        (lambda: RandomResizedCrop(4, 4, ratio=(2, 1)), r"ratio is \(least, most\)"),
        (lambda: FaceMirror(column=1.2), "middle or the border of a pixel"),
        (lambda: FaceMirror(column=11)(random_stream(3), KEYS[0]), "is not on the sensor"),
        *(
            (lambda key=key: FlipLR()(random_stream(3), key), "a key is host_key")
            for key in (5, np.zeros(2), np.zeros(3, np.uint32))
        ),
        (lambda: SpikingFER(3, 2), "must end after it begins"),
        (lambda: SpikingFER(0, 2, polarity_noise=2), "p is a probability"),
        (lambda: Noise(0, 9, share=2.0**30)(random_stream(3), KEYS[0]), r"more than 2\^30; lower the rate or the share"),
        (lambda: Noise(0, 2**30, rate=1e9)(random_stream(3), KEYS[0]), r"more than 2\^30; lower the rate"),
    ],
)
def test_mistakes(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


# The document


def test_the_code_of_the_document_runs(tmp_path, monkeypatch) -> None:
    text = (Path(__file__).parents[1] / "docs" / "augmentation.md").read_text("utf-8")
    (tmp_path / "shown_augmentation.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    shown = importlib.import_module("shown_augmentation")
    assert back(shown.on_device) == shown.on_host != shown.events
    assert shown.frames.shape == (8, 24, 32, 2)
    assert {shown.name, shown.label} <= {"left", "right"}
    events = random_stream(60)
    dead = shown.DeadRows(0.5)
    kept = dead(events, KEYS[0])
    left, there = np.bincount(kept.y, minlength=7), np.bincount(events.y, minlength=7)
    assert ((left == 0) | (left == there)).all() and 0 < len(kept) < 60
    assert back(dead(to_device(events, 0, LENGTH), jax_key(KEYS[0]))) == kept


def test_the_document_lists_each() -> None:
    text = (Path(__file__).parents[1] / "docs" / "augmentation.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)\(", text, re.MULTILINE) == [cls.__name__ for cls in AUGMENTATIONS]
