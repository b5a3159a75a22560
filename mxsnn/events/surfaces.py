"""Surfaces: when each pixel fired last."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from mxsnn.errors import UserError
from mxsnn.events.frames import check_time, flat_index, whole_times
from mxsnn.events.stream import Events


def active_events(events: Events, times: ArrayLike, start: int) -> np.ndarray:
    """The surface of active events: the time of the latest event of each pixel and polarity in [start, times[k]), us after `start`.

    `times` [T] do not go back.

    Returns [T, H, W, 2] int64, channel 0 OFF and 1 ON; -1 where there was no event.

    Raises: UserError for times that are not whole or go back.

    Source: Benosman et al., "Event-Based Visual Flow", TNNLS 2014.
    """
    times, start = surface_times(times), check_time("start", start)
    surface = np.empty((len(times), events.sensor_size[1] * events.sensor_size[0] * 2), np.int64)
    for into, latest in zip(surface, _latest(events, times, start), strict=True):
        into[:] = latest
    return surface.reshape(len(times), *events.sensor_size[::-1], 2)


def time_surface(events: Events, times: ArrayLike, tau: float, start: int) -> np.ndarray:
    """The exponential time surface: exp(-(times[k] - t) / tau), t the latest event of a pixel and polarity in [start, times[k]).

    `tau` in ms, `times` [T] in us as in `active_events`: an event at times[k] itself belongs to what follows.

    Returns [T, H, W, 2] float32, channel 0 OFF and 1 ON, in [0, 1); 0 where there was no event.

    Raises: UserError as `active_events`, and where tau is not above 0.

    Source: Lagorce et al., "HOTS: A Hierarchy of Event-Based Time-Surfaces for Pattern Recognition", TPAMI 2017.
    """
    check_tau(tau)
    times, start = surface_times(times), check_time("start", start)
    surface = np.empty((len(times), events.sensor_size[1] * events.sensor_size[0] * 2), np.float32)
    for into, now, latest in zip(surface, times - start, _latest(events, times, start), strict=True):
        # exp(-1000) is 0 in float32.
        into[:] = np.where(latest < 0, -1000.0, np.maximum((now - latest) / (-1000.0 * tau), -1000.0))
        np.exp(into, out=into)
    return surface.reshape(len(times), *events.sensor_size[::-1], 2)


def surface_times(times: ArrayLike) -> np.ndarray:
    """Times as int64 [T], us. Raises: UserError where they are not whole or go back."""
    times = whole_times("times", times)
    if (times[1:] < times[:-1]).any():
        raise UserError(f"the times of a surface go back at time {int((times[1:] < times[:-1]).argmax()) + 1}")
    return times


def _latest(events: Events, times: np.ndarray, start: int) -> Iterator[np.ndarray]:
    """The surface of active events at each of `times`, laid flat: one array that the next step changes."""
    bounds = np.searchsorted(events.t, np.append(start, np.maximum(times, start)))
    latest = np.full(events.sensor_size[0] * events.sensor_size[1] * 2, -1)
    for first, last in itertools.pairwise(bounds):
        part = events[first:last]
        latest[flat_index(part)] = part.t - start  # of several events on a pixel the last stays
        yield latest


def check_tau(tau: float) -> None:
    """Raises: UserError where tau is not above 0 ms."""
    if not (isinstance(tau, (int, float, np.number)) and 0 < tau < np.inf):
        raise UserError(f"tau is a number of ms above 0, got {tau!r}")
