"""Which source a training draws from: on the device what fits there, from the cache what does not."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import jax
import numpy as np

from mxsnn.data.cache import Cached
from mxsnn.data.datasets.base import whole_files
from mxsnn.data.encoded import Encoded
from mxsnn.data.pipeline import Resident, Source
from mxsnn.data.streams import ResidentStreams
from mxsnn.errors import UserError

log = logging.getLogger(__name__)


def open_source(encoded: Encoded, cache: str | Path | None = None, resident: bool | None = None, workers: int = 0) -> Source:
    """The set on the device where it fits, encoded or, to be augmented, as streams; else streamed from the host, which is said.

    Every recording is read once here, so that damage shows early. `cache`: the folder of encoded samples, None: the user's, "off":
    none. `resident`: whether the set is kept on the device, None: if it fits. `workers`: processes that fill the cache.

    Raises: UserError for a recording that cannot be read or encoded, and where `resident` is asked for but cannot be.
    """
    room = room_on_device()
    if encoded.augmented is not None and resident is not False:
        try:
            return ResidentStreams(encoded, None if resident else room)
        except UserError as error:
            if resident:
                raise
            log.warning("augmented on the host: %s", error)
    source = encoded if cache == "off" else Cached(encoded, cache)
    size = source.frames(np.arange(1), None).nbytes * len(encoded)
    if resident is None:
        resident = encoded.augmented is None and size <= room
    if isinstance(source, Cached) and encoded.augmented is None and (workers or not resident):
        source.fill(workers)
    elif not resident:
        encoded.recordings.validate()
    if resident:
        with whole_files():
            return Resident(source)
    log.warning("streaming %.2f GB, %s", size / 1e9, "augmented" if encoded.augmented else f"room for {room / 1e9:.2f} GB")
    return source


def room_on_device() -> int:
    """Bytes that a set may take: a quarter of the device's memory, or of the machine's."""
    stats = jax.devices()[0].memory_stats() or {}
    return (stats.get("bytes_limit") or _memory()) // 4


def _memory() -> int:
    """Bytes of the machine; where the system does not tell, 8 GiB."""
    if not hasattr(os, "sysconf"):
        return 2**33
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
