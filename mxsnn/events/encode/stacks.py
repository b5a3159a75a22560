"""Stacks of signed images on the device, equal to the bit to those of the host (`mxsnn.events.stacks`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mxsnn.events.encode.device import DeviceEvents, is_event, part_of, pixel_index, scatter_size
from mxsnn.events.frames import check_positive, time_edges


def sbt(events: DeviceEvents, images: int, last: bool = False) -> jax.Array:
    """Images of `images` equal parts of the window: [images, H, W, 1], as the host's `sbt`."""
    return _merge(events, part_of(time_edges(images, events.length), events.t), images, last)


def sbn(events: DeviceEvents, images: int, count: int, last: bool = False) -> jax.Array:
    """Images of `count` events each, up to the end of the window: [images, H, W, 1], as the host's `sbn`."""
    check_positive("images", images), check_positive("count", count)
    back = events.count - 1 - jnp.arange(len(events.t), dtype=jnp.int32)
    return _merge(events, images - 1 - back // min(count, 2**31 - 1), images, last)


def _merge(events: DeviceEvents, part: jax.Array, parts: int, last: bool) -> jax.Array:
    width, height = events.sensor_size
    size = scatter_size(parts, 1, events.sensor_size)
    seen = is_event(events) & (part >= 0)
    index = jnp.where(seen, part * (height * width) + pixel_index(events), size)
    on = events.p.astype(jnp.int32)
    if last:
        order = jnp.arange(len(on), dtype=jnp.int32) * 2 + 2 + on  # grows with the event, odd where it is ON
        latest = jnp.zeros(size, jnp.int32).at[index].max(order, mode="drop")
        images = jnp.where(latest > 0, latest % 2 * 2 - 1, 0).astype(jnp.int8)
    else:
        images = jnp.zeros(size, jnp.int32).at[index].add(2 * on - 1, mode="drop")
    return images.reshape(parts, height, width, 1)
