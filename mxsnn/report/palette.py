"""The colours of all figures, and counts of events in them."""

from __future__ import annotations

import numpy as np

# Of the palette of Okabe and Ito, which all eyes tell apart.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#666666"
ON, OFF = VERMILION, BLUE


def full_colour(counts: np.ndarray) -> float:
    """The count at which a colour is full: the 95th percentile of the pixels that saw events, so that no hot pixel rules."""
    return float(np.quantile(counts[counts > 0], 0.95)) if counts.any() else 1.0


def colours(counts: np.ndarray, full: float | None = None) -> np.ndarray:
    """Counts [..., 2] of OFF and ON as red, green, blue [..., 3], 0 to 1: white without events, the full colour from `full` on."""
    ink = 1 - np.array([[int(code[k : k + 2], 16) / 255 for k in (1, 3, 5)] for code in (OFF, ON)])
    full = full_colour(counts) if full is None else full
    return np.clip(1 - np.clip(counts / full, 0, 1) @ ink, 0, 1)
