"""Runs `python -m experiments.classify` and kills it at a given moment: `killer.py MOMENT NUMBER DELAY ARGUMENTS...`.

The process kills itself with SIGKILL (`term`: sends itself SIGTERM), at the NUMBER-th time that it comes to the moment:

    step        after a training step
    evaluation  after an evaluation
    metrics     in the middle of writing a line of metrics
    written     between a line of metrics and its checkpoint
    checkpoint  DELAY seconds into the writing of a checkpoint
    rename      right before a file or folder takes its final name (checkpoints, configuration, result)
    renamed     right after
    term        SIGTERM after a training step
    never       not at all
"""

import os
import pathlib
import signal
import sys
import threading
import time

moment, number, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
sys.path.insert(0, os.getcwd())

from experiments import classify, config  # noqa: E402
from mxsnn.training import checkpoint, loop  # noqa: E402
from mxsnn.training import logging as metrics  # noqa: E402

counts: dict[str, int] = {}


def due(name: str) -> bool:
    counts[name] = counts.get(name, 0) + 1
    return name == moment and counts[name] == number


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def around(owner, name, replacement) -> None:
    setattr(owner, name, replacement(getattr(owner, name)))


def compiled(original):
    def compile(*args):
        programs = original(*args)

        def train(*a):
            result = programs.train(*a)
            if due("step"):
                die()
            if due("term"):
                os.kill(os.getpid(), signal.SIGTERM)
            return result

        def evaluate(*a):
            result = programs.evaluate(*a)
            if due("evaluation"):
                die()
            return result

        return programs._replace(train=train, evaluate=evaluate)

    return compile


def half_a_line(original):
    def write(self, row):
        if due("metrics"):
            with self.path.open("a") as file:
                file.write('{"epoch": 1, "st')
            die()
        original(self, row)
        if due("written"):
            die()

    return write


def killed_while_saving(original):
    def save(self, step, tree):
        if due("checkpoint"):
            threading.Thread(target=lambda: (time.sleep(delay), die()), daemon=True).start()
        original(self, step, tree)

    return save


def renaming(original):
    def rename(*args, **kwargs):
        if due("rename"):
            die()
        result = original(*args, **kwargs)
        if due("renamed"):
            die()
        return result

    return rename


around(loop, "compile", compiled)
around(metrics.Metrics, "write", half_a_line)
around(checkpoint.Checkpoints, "save", killed_while_saving)
for owner, name in ((os, "rename"), (os, "replace"), (pathlib.Path, "rename"), (pathlib.Path, "replace")):
    around(owner, name, renaming)

sys.argv = ["classify", *sys.argv[4:]]
config.run(classify.main)
