"""Which source a training draws from."""

from __future__ import annotations

import numpy as np
import pytest

from mxsnn.data import datasets, sources
from mxsnn.data.cache import Cached
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import Resident
from mxsnn.data.sources import open_source
from mxsnn.data.streams import ResidentStreams
from mxsnn.errors import UserError
from mxsnn.events.tonic import compose

SMOKE = datasets.open_dataset("smoke", None).select(np.arange(0, 570, 19))
pytestmark = pytest.mark.usefixtures("code_at_rest")
FRAMES = "TimeFrames(bins=4, start=0, stop=100000)"


def encoded(*augment: str, frames: str = FRAMES) -> Encoded:
    size = SMOKE.sensor_size
    return Encoded(SMOKE, compose([frames], size), compose([*augment, frames], size) if augment else None)


def same(source, of: Encoded, epoch: int | None = None) -> None:
    indices = np.arange(5)
    np.testing.assert_array_equal(source.frames(indices, epoch), of.frames(indices, epoch))
    np.testing.assert_array_equal(source.labels(indices, epoch), of.labels(indices, epoch))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("cache", ["off", "DIR"])
def test_what_fits_is_on_the_device(tmp_path, cache, workers):
    source = open_source(encoded(), tmp_path if cache == "DIR" else cache, workers=workers)
    assert isinstance(source, Resident)
    same(source, encoded())
    assert len(list(tmp_path.glob("??/*.sample"))) == (30 if cache == "DIR" else 0)


def test_what_does_not_fit_is_streamed(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sources, "room_on_device", lambda: 1000)
    source = open_source(encoded(), tmp_path)
    assert isinstance(source, Cached)
    same(source, encoded())
    assert "streaming" in caplog.text
    assert len(list(tmp_path.glob("??/*.sample"))) == 30  # filled before the training, so that damage shows early
    assert isinstance(open_source(encoded(), "off"), Encoded)
    assert isinstance(open_source(encoded(), "off", resident=True), Resident)


def test_what_is_augmented_is_on_the_device_as_streams(tmp_path, monkeypatch, caplog):
    source = open_source(encoded("FlipLR()"), tmp_path)
    assert isinstance(source, ResidentStreams)
    same(source, encoded("FlipLR()"), epoch=1)
    streamed = open_source(encoded("FlipLR()"), tmp_path, resident=False)
    assert isinstance(streamed, Cached)
    same(streamed, encoded("FlipLR()"), epoch=1)
    assert len(list(tmp_path.glob("??/*.sample"))) == 1  # asked for its size
    same(streamed, encoded("FlipLR()"))
    assert len(list(tmp_path.glob("??/*.sample"))) == 5  # those of an evaluation are kept
    caplog.clear()
    monkeypatch.setattr(sources, "room_on_device", lambda: 1000)
    assert isinstance(open_source(encoded("FlipLR()"), "off"), Encoded)
    assert "augmented on the host: 30 streams of" in caplog.text


def test_transforms_of_the_host_keep_a_set_there(tmp_path, caplog):
    assert isinstance(open_source(encoded("DropEvent(p=0.1)"), "off"), Encoded)
    assert "augmented on the host: DropEvent(p=0.1) is not for the device" in caplog.text
    with pytest.raises(UserError, match="is not for the device"):
        open_source(encoded("DropEvent(p=0.1)"), tmp_path, resident=True)
