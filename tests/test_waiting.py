"""Who waits for whom: what `mxsnn bench-data` measures, and what it makes of it."""

from __future__ import annotations

import json

import pytest

from mxsnn import cli
from mxsnn.training.waiting import lines

QUICK = ["bench-data", "--dataset", "smoke", "--channels", "4", "--seconds", "0.05", "--batch", "16"]
FRAMES = ["--encoding", "TimeFrames(bins=4, start=0, stop=100000)"]
STAGES = ("read", "encode", "data", "train", "together")


@pytest.mark.parametrize(
    ("more", "source"),
    [
        ([], "Resident"),
        (["--stream", "--cache", "off"], "Encoded"),
        (["--stream", "--cache", "DIR"], "Cached"),
        (["--augment", "FlipPolarity(p=0.5)"], "ResidentStreams"),
        (["--augment", "FlipPolarity(p=0.5)", "--stream"], "Cached"),
    ],
)
def test_every_stage_is_measured(tmp_path, monkeypatch, capsys, more, source):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    more = [str(tmp_path / "cache") if word == "DIR" else word for word in more]
    assert cli.main([*QUICK, *FRAMES, *more, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(found[stage] > 0 for stage in STAGES)
    assert found["source"] == source
    assert (found["cache"] is not None) == (source == "Cached" and "--augment" not in more)
    assert found["device_waits"] == max(0, 1 - found["together"] / found["train"])
    assert (found["samples"], found["batch"]) == (600, 16)


def test_it_is_told_in_lines(capsys):
    assert cli.main([*QUICK, *FRAMES, "--cache", "off"]) == 0
    said = capsys.readouterr().out
    assert "samples/s" in said and "who waits" in said and "encoded samples on the device" in said
    assert "cache" not in said


@pytest.mark.parametrize(
    ("together", "device", "verdict"),
    [
        (250.0, "NVIDIA H200", "the device (NVIDIA H200) waits for the data 75% of the time"),
        (990.0, "NVIDIA H200", "the data wait for the device (NVIDIA H200); one 3.0 times as fast would be fed"),
        (250.0, "cpu", "the device (cpu) waits for the data 75% of the time; both share the cores of this machine"),
    ],
)
def test_the_verdict(together, device, verdict):
    found = dict.fromkeys(STAGES, 1000.0) | {"cache": None, "data": 3000.0, "together": together, "device": device, "workers": 2}
    found |= {"source": "Cached", "steps": 20}
    told = lines(found | {"device_waits": 1 - together / 1000.0})
    assert (told["from"], told["who waits"]) == ("the host", verdict)
    assert not any("cache" in name for name in told)
    assert "19 steps" in lines(found | {"device_waits": 0.0, "steps": 19})["who waits"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--batch", "601"], "more than the 600 recordings"),
        (["--batch", "0"], "--batch is above 0"),
        (["--seconds", "nan"], "--seconds is above 0"),
        (["--workers", "-1"], "--workers is 0 or more"),
        (["--channels", "4", "4", "4", "4", "4", "4"], "take fewer channels"),
    ],
)
def test_what_cannot_be_measured(capsys, more, said):
    assert cli.main([*QUICK, *FRAMES, "--cache", "off", *more]) == 2
    assert said in capsys.readouterr().err


def test_a_data_set_and_an_encoding_are_needed(capsys):
    assert cli.main(["bench-data"]) == 2
    assert "--dataset smoke" in capsys.readouterr().err
    assert cli.main([*QUICK, "--cache", "off"]) == 2
    assert "give an encoding" in capsys.readouterr().err
