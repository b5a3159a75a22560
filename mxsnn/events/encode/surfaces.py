"""Surfaces on the device."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from mxsnn.events.encode.device import DeviceEvents, is_event, pixel_index, relative_times, scatter_size
from mxsnn.events.surfaces import check_tau, surface_times


def active_events(events: DeviceEvents, times: ArrayLike | jax.Array) -> jax.Array:
    """The time of the latest event of each pixel and polarity before times[k], -1 for none: [T, H, W, 2] int32.

    All times are us since the start of the window; `times` do not go back and may be traced. As the host's `active_events`.
    """
    times = _times(times)
    width, height = events.sensor_size
    size = scatter_size(len(times), 2, events.sensor_size)
    part = jnp.searchsorted(times, events.t, side="right").astype(jnp.int32)  # the first time after the event
    index = (part * (height * width) + pixel_index(events)) * 2 + events.p
    seen = is_event(events) & (part < len(times))
    latest = jnp.full(size, -1, jnp.int32).at[jnp.where(seen, index, size)].max(events.t, mode="drop")
    return jax.lax.cummax(latest.reshape(len(times), height, width, 2))


def time_surface(events: DeviceEvents, times: ArrayLike | jax.Array, tau: float) -> jax.Array:
    """exp(-(times[k] - t) / tau), t of the latest event before times[k], tau in ms: [T, H, W, 2] float32, as the host's."""
    check_tau(tau)
    times = _times(times)
    latest = active_events(events, times)
    age = (times[:, None, None, None] - latest).astype(jnp.float32)
    return jnp.where(latest >= 0, jnp.exp(-age / (1000.0 * tau)), 0)


def _times(times: ArrayLike | jax.Array) -> jax.Array:
    return relative_times("times", times if isinstance(times, jax.Array) else surface_times(times))
