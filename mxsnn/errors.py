"""The one exception that a command line shows as a single line, the one warning about what a file holds, and how both are shown."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A mistake in what the user gave: a file, a folder, an option.

    Its message is one line that says what is wrong, what was got and what to do. Command lines print it to stderr and exit with 2.
    """


class RecordingWarning(UserWarning):
    """What is odd in a recording that was read nevertheless: cut short, words of no known kind, events left out."""


class CutShortWarning(RecordingWarning):
    """A recording ends in the middle of something: what came before was read. Data sets do not take such files."""


def command(run: Callable[[], int | None]) -> int:
    """Runs a command and returns its exit code, 0 where it says none: 2, with one line on stderr, for what the user can mend.

    What is odd in a recording is a line on stderr too.
    """
    try:
        with warnings_as_lines():
            code = run()
        sys.stdout.flush()
        return code or 0
    except UserError as error:
        _say(f"error: {error}")
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; Python would complain when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell reports a process that SIGPIPE ended
    except OSError as error:  # of a path that cannot be, a folder that is closed, a disk that is full
        _say(f"error: {error.filename or 'a file'}: {error.strerror or error}")
        return 2
    except MemoryError as error:
        _say(f"error: not enough memory: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Shows each `RecordingWarning` at once as a line on stderr, one that says the same never again; others as they were."""
    with warnings.catch_warnings():
        shown, told = warnings.showwarning, set()

        def show(message, category, filename, lineno, file=None, line=None) -> None:
            if not issubclass(category, RecordingWarning):
                shown(message, category, filename, lineno, file, line)
            elif str(message) not in told:  # a file may be read twice
                told.add(str(message))
                _say(f"warning: {message}")

        warnings.simplefilter("always", RecordingWarning)
        warnings.showwarning = show
        yield


def _say(text: str) -> None:
    """A line on stderr; on a terminal a bar that stands there gives way to it."""
    print("\r\x1b[K" * sys.stderr.isatty() + " ".join(text.splitlines()), file=sys.stderr, flush=True)
