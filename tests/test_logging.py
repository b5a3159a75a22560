"""What a training shows: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import sys

import pytest

from mxsnn.training.logging import Progress, Row

ROW: Row = {"step": 12, "epoch": 3, "seconds": 1.25, "loss": 0.123456, "accuracy": 0.5}


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = Progress("fold 2", 4, 12)
    shown = capsys.readouterr().err
    assert "fold 2" in shown and "4/12" in shown  # where a resumed run goes on
    for _ in range(8):
        bar.step()
    bar.epoch(ROW)
    shown = capsys.readouterr().err
    last = shown.split("\r")[-1]
    assert "12/12" in last and "100%" in last and "loss 0.1235  accuracy 0.5" in last
    assert "seconds" not in last and "epoch" not in last
    bar.close()
    out, gone = capsys.readouterr()
    assert gone.split("\r")[-2].strip() == "" and gone.endswith("\r")  # the bar is taken away
    assert out == "" and "\n" not in shown + gone


def test_a_line_per_epoch_elsewhere(capsys: pytest.CaptureFixture) -> None:
    bar = Progress("fold 2", 4, 12)
    bar.step()
    assert capsys.readouterr() == ("", "")
    bar.epoch(ROW)
    bar.close()
    assert capsys.readouterr() == ("fold 2  epoch 3  loss 0.1235  accuracy 0.5  (1.2 s)\n", "")
