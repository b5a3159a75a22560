"""EVT2.1 of Prophesee's cameras, `.raw`: 64-bit words, up to 32 events of one row, time and polarity each.

One half is as in EVT2 (`mxsnn.events.io.evt2`); bit k of the other is the pixel at x + k. In which order the halves lie in the
file depends on the camera: "little" has the mask first (GenX320), "legacy" last (Gen4.1, IMX636), as Metavision calls them.
docs.prophesee.ai, "EVT 2.1 format".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.io import _raw
from mxsnn.events.io._source import Block, Format, Source

_WORD = np.dtype(("<u4", 2))
_ORDERS = {"little": 1, "legacy": 0}  # the half with the type
_LOOKED_AT = 1 << 16  # bytes
_FIRST_LITTLE = 0x37  # of Metavision's numbers of camera systems: the first that writes the halves as "little"


def open_evt21(path: Path, sensor_size: tuple[int, int] | None, *, word_order: str | None = None) -> Source:
    """A recording. `word_order`: "little" or "legacy"; None is what the header says or the words show."""
    if word_order not in (None, *_ORDERS):
        raise UserError(f"word_order is one of {', '.join(_ORDERS)}; got {word_order!r}")
    header = _raw.header_of(path, "EVT21")
    upper = _ORDERS[word_order or _told(header) or _shown(path, header)]

    def blocks() -> Iterator[Block]:
        from mxsnn.events.io._evt_kernels import decode_evt21

        return _raw.decoded(path, header, _WORD, lambda words, *rest: decode_evt21(words, upper, *rest))

    return _raw.source(path, header, sensor_size, blocks)


def _told(header: _raw.Header) -> str | None:
    """The order that the header says, or that of the camera system it names: all before the GenX320 are alike."""
    order = header.options.get("endianness", header.fields.get("endianness", ""))
    if order in _ORDERS:
        return order
    system = header.fields.get("system_id", "")
    prophesee = "Prophesee" in (header.fields.get("plugin_integrator_name"), header.fields.get("integrator_name"))
    return "legacy" if prophesee and system.isdecimal() and 0 < int(system[:9]) < _FIRST_LITTLE else None


def _shown(path: Path, header: _raw.Header) -> str:
    """The order in which the first words make sense: types that exist, times that rise, no event word without a pixel.

    Raises: UserError where that holds for both orders or neither.
    """
    with path.open("rb") as file:
        file.seek(header.end)
        data = file.read(_LOOKED_AT)
    words = np.frombuffer(data, "<u4", len(data) // 8 * 2).reshape(-1, 2)
    if not len(words):
        return "little"
    fits = [order for order, upper in _ORDERS.items() if _sensible(words[:, upper], words[:, 1 - upper])]
    if len(fits) != 1:
        fit = "both orders" if fits else "neither order"
        raise UserError(f"the words make sense in {fit} of their halves; give word_order='little' or 'legacy'")
    return fits[0]


def _sensible(words: np.ndarray, masks: np.ndarray) -> bool:
    kind = words >> 28
    times = words[kind == 8]
    backsteps = np.count_nonzero(times[1:] < times[:-1])
    events = kind <= 1
    return bool(
        np.isin(kind, (0, 1, 8, 10, 14, 15)).all() and len(times) and backsteps <= 1 and events.any() and (masks[events] != 0).all()
    )


EVT21 = Format("evt21", "EVT2.1 of Prophesee's cameras", (".raw",), open_evt21, _raw.says("EVT21"))
