"""What damage does to a file, and what a reader may do with it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from mxsnn.errors import RecordingWarning, UserError


@st.composite
def damaged(draw: st.DrawFn, content: bytes, start: int = 0, cut: bool = False) -> bytes:
    """The bytes with up to four of them from `start` on changed, one at least; where `cut`, without their end."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        found[draw(st.integers(start, len(found) - 1))] = draw(st.integers(0, 255))
    return bytes(found[: draw(st.integers(0, len(found)))] if cut else found)


@contextmanager
def read_or_refused(path: Path, because: str = "") -> Iterator[None]:
    """What stands within reads the file, perhaps with a warning, or refuses it in one line that names it and says `because`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        try:
            yield
        except UserError as error:
            assert str(path) in str(error) and because in str(error) and "\n" not in str(error)
