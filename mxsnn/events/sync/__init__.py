"""Two recordings on one clock: from edges that both have seen, what moves before both, pixels that both share, a mark."""

from mxsnn.events.sync.clock import Clock, Sync
from mxsnn.events.sync.edges import by_edges, by_triggers
from mxsnn.events.sync.mark import by_mark
from mxsnn.events.sync.motion import by_motion
from mxsnn.events.sync.pixels import by_pixels

WAYS = {"triggers": by_triggers, "motion": by_motion, "pixels": by_pixels, "mark": by_mark}
"""`way(a, b, near) -> Sync`, by the name that `mxsnn sync --by` takes."""

__all__ = ["WAYS", "Clock", "Sync", "by_edges", "by_mark", "by_motion", "by_pixels", "by_triggers"]
