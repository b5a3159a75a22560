"""A run that is killed, at whatever moment, and started again ends as one that nobody disturbed, to the bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = ("smoke", "--model", "SpikingCNN(channels=(4,))", "--train.epochs", "6", "--train.batch", "96", "--seed", "3")
TIMES = {"seconds", "seconds_per_epoch", "compile_seconds", "peak_memory_bytes"}


def classify(out: Path, moment: str = "never", number: int = 0, delay: float = 0.0, arguments=SMALL) -> int:
    command = [sys.executable, str(ROOT / "tests" / "killer.py"), moment, str(number), str(delay), *arguments, "--out", str(out)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(out.parent / "cache")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode in (0, -9, 143), done.stderr[-2000:]
    return done.returncode


def found(out: Path):
    """All that a run says, less times and memory."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((out / "result.json").read_text())
    return [{k: v for k, v in row.items() if k not in TIMES} for row in [*rows, result]]


# Four steps an epoch, six epochs: the numbers count from each start of the process.
MOMENTS = [
    ("rename", 1, 0),  # the configuration
    ("step", 1, 0),
    ("checkpoint", 1, 0),
    ("metrics", 1, 0),
    ("checkpoint", 1, 0.002),
    ("checkpoint", 1, 0.005),
    ("written", 1, 0),
    ("evaluation", 1, 0),
    ("checkpoint", 1, 0.01),
    ("step", 5, 0),
    ("checkpoint", 1, 0.02),
    ("metrics", 2, 0),
    ("term", 2, 0),
    ("checkpoint", 1, 0.03),
    ("rename", 3, 0),
    ("renamed", 3, 0),
    ("metrics", 1, 0),
    ("term", 3, 0),
    ("rename", 4, 0),
    ("checkpoint", 2, 0.005),
    ("renamed", 4, 0),
    ("written", 2, 0),
    ("checkpoint", 1, 0.015),
    ("rename", 2, 0),
    ("renamed", 2, 0),
    ("step", 3, 0),
    ("checkpoint", 1, 0.05),
]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_killed_at_many_moments(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    assert classify(undisturbed) == 0
    ends = [classify(killed, *moment) for moment in MOMENTS]
    assert ends.count(-9) >= 20, f"too few of the moments were reached: {list(zip(MOMENTS, ends, strict=True))}"
    assert classify(killed) == 0
    assert found(killed) == found(undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_terminated_within_an_epoch(tmp_path):
    assert classify(tmp_path / "undisturbed") == 0
    assert classify(tmp_path / "stopped", "term", 7) == 143
    assert not (tmp_path / "stopped" / "result.json").exists()
    assert "7" in os.listdir(tmp_path / "stopped" / "checkpoints")
    assert classify(tmp_path / "stopped") == 0
    assert found(tmp_path / "stopped") == found(tmp_path / "undisturbed")
