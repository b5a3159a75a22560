"""A file is held by one process alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mxsnn.locks import held

HOLDS = """
import sys
from mxsnn.locks import held

file = open(sys.argv[1], "w")
print(held(file), flush=True)
sys.stdin.read()
"""


def test_a_file_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as ours, path.open("w") as theirs:
        assert held(ours)
        assert not held(theirs)
        ours.close()
        assert held(theirs)


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command, here = [sys.executable, "-c", HOLDS, str(path)], Path(__file__).parents[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        with path.open("w") as file:
            assert not held(file)
            child.kill()
            child.wait()
            assert held(file)
