"""Training: a run directory, checkpoints, metrics, and the loop that survives being killed."""

from mxsnn.training.loop import Compiled, Problem, TrainState, evaluate, fit
from mxsnn.training.run import Run, environment

__all__ = ["Compiled", "Problem", "Run", "TrainState", "environment", "evaluate", "fit"]
