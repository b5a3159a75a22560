"""Procedural faces: people drawn from keys, moved by Action Units, seen as light."""

from mxsnn.faces.action_units import INDEX, UNITS, Unit
from mxsnn.faces.appearance import Baked, bake
from mxsnn.faces.landmarks import landmarks
from mxsnn.faces.light import Light
from mxsnn.faces.rendering import Controls, neutral, render, render_rgb
from mxsnn.faces.subject import Subject, draw

__all__ = [
    "INDEX",
    "UNITS",
    "Baked",
    "Controls",
    "Light",
    "Subject",
    "Unit",
    "bake",
    "draw",
    "landmarks",
    "neutral",
    "render",
    "render_rgb",
]
