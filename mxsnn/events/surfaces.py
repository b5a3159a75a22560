"""Surfaces: when each pixel fired last."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.frames import flat_index, whole_times
from mxsnn.events.stream import Events


def active_events(events: Events, times: ArrayLike, start: int) -> np.ndarray:
    """The surface of active events: the time of the latest event of each pixel and polarity in [start, times[k]), us after `start`.

    `times` [T] do not go back.

    Returns [T, H, W, 2] int64, channel 0 OFF and 1 ON; -1 where there was no event.

    Raises: UserError for times that are not whole or go back.

    Source: Benosman et al., "Event-Based Visual Flow", TNNLS 2014.
    """
    times, start = surface_times(times), check_start(start)
    width, height = events.sensor_size
    bounds = np.searchsorted(events.t, np.append(start, np.maximum(times, start)))
    surface = np.empty((len(times), height * width * 2), np.int64)
    latest = np.full(height * width * 2, -1)
    for k in range(len(times)):
        part = events[bounds[k] : bounds[k + 1]]
        latest[flat_index(part)] = part.t - start  # of several events on a pixel the last stays
        surface[k] = latest
    return surface.reshape(len(times), height, width, 2)


def time_surface(events: Events, times: ArrayLike, tau: float, start: int) -> np.ndarray:
    """The exponential time surface: exp(-(times[k] - t) / tau), t the latest event of a pixel and polarity in [start, times[k]).

    `tau` in us, `times` [T] as in `active_events`: an event at times[k] itself belongs to what follows.

    Returns [T, H, W, 2] float32, channel 0 OFF and 1 ON, in [0, 1); 0 where there was no event.

    Raises: UserError as `active_events`, and where tau is not above 0.

    Source: Lagorce et al., "HOTS: A Hierarchy of Event-Based Time-Surfaces for Pattern Recognition", TPAMI 2017.
    """
    check_tau(tau)
    latest = active_events(events, times, start)
    age = (surface_times(times) - start)[:, None, None, None] - latest
    return np.exp(np.where(latest >= 0, age, np.inf) / -tau).astype(np.float32)


def surface_times(times: ArrayLike) -> np.ndarray:
    """Times as int64 [T], us. Raises: UserError where they are not whole or go back."""
    times = whole_times("times", times)
    if (times[1:] < times[:-1]).any():
        raise UserError(f"the times of a surface go back at time {int((times[1:] < times[:-1]).argmax()) + 1}")
    return times


def check_start(start: int) -> int:
    """`start` as an int. Raises: UserError where it is no whole number of us."""
    try:
        return operator.index(start)
    except TypeError:
        raise UserError(f"start is whole microseconds, got {start!r}") from None


def check_tau(tau: float) -> None:
    """Raises: UserError where tau is not above 0 us."""
    if not (isinstance(tau, (int, float, np.number)) and 0 < tau < np.inf):
        raise UserError(f"tau is a number of us above 0, got {tau!r}")
