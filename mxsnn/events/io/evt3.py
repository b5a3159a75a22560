"""EVT3 of Prophesee's cameras, `.raw` and the payload of ROS EventPackets: 16-bit words that each change a part of an event.

Type 15..12: 0 y (10..0), 2 event (x 10..0, polarity 11), 3 first x and polarity of vectors, 4 and 5 vectors (bit k for the pixel
at x + k; the next begins 12 and 8 pixels on), 6 and 8 low and high time (11..0), 10 trigger (input 11..8, level 0).
t = high time * 4096 + low time, us; it wraps every 16.8 s, which is where the high time steps back by 1 s or more.
A new high time sets the low one to 0. Words of other types (Lucid's cameras pad with 0x9999) are skipped. docs.prophesee.ai,
"EVT 3.0 format".
"""

from __future__ import annotations

from collections.abc import Callable

from mxsnn.events.io import _raw


def _codec() -> tuple[Callable, Callable]:
    from mxsnn.events.io._evt_kernels import decode_evt3, encode_evt3

    return decode_evt3, encode_evt3


EVT3 = _raw.format_of("EVT3", "<u2", _codec, inputs=16, bits=24, one_each=False)
