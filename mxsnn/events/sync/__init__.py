"""Two recordings on one clock: from edges that both have seen, from what moves before both, from a mark at the start."""

from mxsnn.events.sync.clock import Clock, Sync
from mxsnn.events.sync.edges import by_edges, by_triggers
from mxsnn.events.sync.mark import by_mark
from mxsnn.events.sync.motion import by_motion

__all__ = ["Clock", "Sync", "by_edges", "by_mark", "by_motion", "by_triggers"]
