"""Runs a neuron through time: one dispatcher, `unroll`, over backends that agree in values and gradients."""

from mxsnn.engine.unroll import BACKENDS, Choice, backends, choose, unroll

__all__ = ["BACKENDS", "Choice", "backends", "choose", "unroll"]
