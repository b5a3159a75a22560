"""What all figures are drawn on.

matplotlib is loaded by the first figure, without pyplot; the settings of the process stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150

STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "text.parse_math": False,  # the name of a class may hold a $
}


@contextmanager
def figure_at(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches to draw in; in the end its PNG is at `path` whole, or not at all."""
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    with style.context(["default", STYLE]):  # whatever the user's own settings are
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        yield figure
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    # 256 colours are enough for these figures and a third of the size.
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    temporary = Path(path).with_name(Path(path).name + ".tmp")
    with temporary.open("wb") as file:
        image.save(file, "png", optimize=True, dpi=(DPI, DPI))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def short(name: str, most: int) -> str:
    """A name of at most so many characters."""
    return name if len(name) <= most else name[: most - 1] + "…"
