"""EVT2 of Prophesee's cameras, `.raw`: 32-bit words, an event each.

Type 31..28: 0 OFF and 1 ON event (time 27..22, x 21..11, y 10..0), 8 high time (27..0), 10 trigger (time 27..22, input 12..8,
level 0). t = high time * 64 + time, us; it wraps every 2**34 us, which is where the high time steps back by a sixteenth of
its range or more. docs.prophesee.ai, "EVT 2.0 format".
"""

from __future__ import annotations

from collections.abc import Callable

from mxsnn.events.io import _raw


def _codec() -> tuple[Callable, Callable]:
    from mxsnn.events.io._evt_kernels import decode_evt2, encode_evt2

    return decode_evt2, encode_evt2


EVT2 = _raw.format_of("EVT2", "<u4", _codec, inputs=32, bits=34, one_each=True)
