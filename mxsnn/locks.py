"""A file that one process holds alone. The system lets go of it when the file is closed or the process ends, however it does."""

from __future__ import annotations

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def held(file: IO) -> bool:
    """Takes a file that is open for writing, without waiting, until it is closed; False where it is held already.

    Raises: OSError where files cannot be held, as on some network file systems.
    """
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):  # of flock, of Windows
        return False
    return True
