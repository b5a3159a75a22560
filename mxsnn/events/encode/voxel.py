"""The voxel grid on the device."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mxsnn.events.encode.device import DeviceEvents, is_event, part_of, pixel_index, scatter_size
from mxsnn.events.voxel import voxel_steps


def voxel_grid(events: DeviceEvents, bins: int) -> jax.Array:
    """Polarities by bilinear interpolation in time over the window: [bins, H, W, 1] float32, as the host's `voxel_grid`.

    A voxel is within 1e-6 of the weight that it gathered, as long as that is some hundred events: float32 sums in any order.
    """
    edges, offsets, step = voxel_steps(bins, events.length)
    width, height = events.sensor_size
    size = scatter_size(bins, 1, events.sensor_size)
    part = part_of(edges, events.t)
    passed = (events.t - jnp.asarray(edges, jnp.int32)[part]).astype(jnp.float32)
    later = (passed + jnp.asarray(offsets, jnp.float32)[part]) / jnp.float32(step)
    sign = 2 * events.p.astype(jnp.float32) - 1
    here = jnp.where(is_event(events), part * (height * width) + pixel_index(events), size)
    after = jnp.where(here < size - height * width, here + height * width, size)  # after the last bin there is no weight
    grid = jnp.zeros(size, jnp.float32).at[here].add(sign * (1 - later), mode="drop").at[after].add(sign * later, mode="drop")
    return grid.reshape(bins, height, width, 1)
