"""How a command shows what is wrong and what is odd."""

from __future__ import annotations

import sys
import warnings

import pytest

from mxsnn.errors import CutShortWarning, RecordingWarning, UserError, command


def raises(error: BaseException) -> int:
    def run() -> None:
        raise error

    return command(run)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("a.raw: damaged"), 2, "error: a.raw: damaged\n"),
        (UserError("two\nlines"), 2, "error: two lines\n"),
        (FileNotFoundError(2, "No such file or directory", "a.raw"), 2, "error: a.raw: No such file or directory\n"),
        (OSError("disk"), 2, "error: a file: disk\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_users_mistake_is_a_line(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture) -> None:
    assert raises(error) == code
    assert capsys.readouterr() == ("", said)


def test_what_is_no_users_mistake_comes_through() -> None:
    with pytest.raises(ValueError, match="a bug"):
        raises(ValueError("a bug"))
    with pytest.raises(SystemExit):
        raises(SystemExit(0))


def test_what_is_odd_is_a_line_at_once_and_once(capsys: pytest.CaptureFixture) -> None:
    shown, filters = warnings.showwarning, list(warnings.filters)

    def run() -> None:
        for text in ("a.raw: cut short", "b.raw: cut\nshort", "a.raw: cut short"):
            warnings.warn(text, CutShortWarning, stacklevel=1)
        assert capsys.readouterr() == ("", "warning: a.raw: cut short\nwarning: b.raw: cut short\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecordingWarning)
            warnings.warn("c.raw: odd", RecordingWarning, stacklevel=1)

    for _ in range(2):  # another command tells it again
        assert command(run) == 0
        assert capsys.readouterr() == ("", "")
    assert warnings.showwarning is shown and list(warnings.filters) == filters


def test_other_warnings_are_shown_as_they_were() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert command(lambda: warnings.warn("of a library", UserWarning, stacklevel=1)) == 0
    assert [str(one.message) for one in caught] == ["of a library"]


def test_a_bar_on_a_terminal_gives_way(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert command(lambda: warnings.warn("a.raw: odd", RecordingWarning, stacklevel=1)) == 0
    assert capsys.readouterr().err == "\r\x1b[Kwarning: a.raw: odd\n"
