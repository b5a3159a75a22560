"""An event camera: radiance in time to events, or to voxels and frames of them on the device.

What pixels do in a step is said in `mxsnn.sensors.event_pixel`; here they are run through time. The radiance is linear between
samples; an interval between two is gone through in one step or more (`substeps`). A step that ends at t has events before t.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.frames import time_edges, whole_times, window_length
from mxsnn.events.stream import DTYPES, Events
from mxsnn.events.voxel import voxel_steps
from mxsnn.sensors.event_pixel import EventCamera, Fired, PixelState, noise_events, step
from mxsnn.sensors.optics import check_light

_LONGEST = 1_000_000  # us of a step, whose times are float32
_CHUNK = 2**21  # pixels times steps whose events are listed at once: 20 MB


def events(camera: EventCamera, radiance: Any, times: Any, state: PixelState, steps: Any = 1) -> tuple[PixelState, Events]:
    """The events from the first sample of the radiance [T, H, W] to before the last, at `times` int64 [T], us.

    `state` is `camera.init(key, radiance[0])`, or what the chunk before gave, whose last sample is this one's first. An interval
    between samples is gone through in `steps` steps: one number for all, or [T - 1] (`substeps`), and more where one would last
    longer than a second.

    Raises: UserError for other shapes, times that do not rise, light below 0 or not finite.
    """
    from mxsnn.sensors._event_kernel import count_events, list_events

    radiance, times = _check(camera, radiance, times, state)
    at, part, starts, ends = _steps(times, steps)
    dt = ends - starts
    whole = len(dt) == len(times) - 1
    # Of nearly as many steps, the same: then they run the same program.
    length = min(max(1, _CHUNK // math.prod(radiance.shape[1:])), _rounded(len(dt)))
    lists = [Events.empty(camera.sensor_size)]
    for k in range(0, len(dt), max(length, 1)):
        n = min(length, len(dt) - k)
        # The last chunk is as long as the others, so that it needs no program of its own.
        xs = (np.append(array[k : k + n], np.ones(length - n, array.dtype)) for array in (at, part, dt.astype(np.float32)))
        state, fired = _run(camera, state, radiance, tuple(xs), n, whole, camera.parts())
        count, first, spacing = (np.asarray(array).reshape(length, -1)[:n] for array in fired)
        total = count_events(count)
        if total:
            t, x, y, p = (np.empty(total, DTYPES[name]) for name in "txyp")
            list_events(count, first, spacing, starts[k : k + n], dt[k : k + n], camera.sensor_size[0], t, x, y, p)
            lists.append(Events(t, x, y, p, camera.sensor_size))
    t, x, y, p = (np.concatenate([getattr(part, name) for part in lists]) for name in "txyp")
    return state, Events(t, x, y, p, camera.sensor_size)


def substeps(camera: EventCamera, radiance: Any, times: Any, state: PixelState, most: float = 1.0, limit: int = 64) -> np.ndarray:
    """Steps in each interval between samples, int64 [T - 1], for the `steps` of `events`, with the same arguments.

    As many that no pixel's logarithm changes by more than `most` thresholds in one, but at most `limit` of these: beyond, the times
    of a sharp edge's events are coarser. And as many that one is no longer than the refractory period, or no pixel expects
    more than a tenth of an event by noise in it.

    Raises: UserError as `events`.
    """
    if not most > 0:
        raise UserError(f"most is above 0 thresholds, got {most!r}")
    radiance, times = _check(camera, radiance, times, state)
    if len(times) == 1:
        return np.zeros(0, np.int64)
    change, noise = (np.asarray(each, float) for each in _needs(camera, radiance, state, camera.parts().noise))
    by_change = np.minimum(np.ceil(change / (most * min(camera.threshold_on, camera.threshold_off))), limit)
    by_noise = np.ceil(np.diff(times) * np.minimum(10 * noise, 1 / camera.refractory if camera.refractory > 0 else np.inf))
    return np.maximum(np.maximum(by_change, by_noise), 1).astype(np.int64)


@partial(jax.jit, static_argnames="noisy")
def _needs(camera, radiance, state, noisy):
    """The largest change of a pixel's logarithm in each interval; the most events per us that one has by noise in some samples."""

    def change(before, image):
        log = camera.log(image)
        return log, jnp.abs(log - before).max()

    def most(image):
        rate, _ = noise_events(camera, state, image)
        return (rate / (1 + rate * camera.refractory)).max()

    some = radiance[:: -(-len(radiance) // 8)]
    return jax.lax.scan(change, camera.log(radiance[0]), radiance[1:])[1], jax.lax.map(most, some).max() if noisy else 0.0


@partial(jax.jit, static_argnames=("whole", "parts"))
def _run(camera, state, radiance, xs, n, whole, parts):
    """`n` steps and what fired in them, in arrays as long as `xs`."""
    at, part, dt = xs
    shape = (len(dt), *radiance.shape[1:])

    def one(k, carry):
        state, fired = carry
        state, new = step(camera, state, _light(radiance, at[k], part[k], whole), dt[k], parts)
        return state, Fired(*(old.at[k].set(value.astype(old.dtype)) for old, value in zip(fired, new, strict=True)))

    empty = Fired(*(jnp.zeros(shape, dtype) for dtype in (jnp.int16, jnp.float32, jnp.float32)))
    return jax.lax.fori_loop(0, n, one, (state, empty))


def frames(
    camera: EventCamera, radiance: Any, times: Any, state: PixelState, bins: int, start: int, stop: int, steps: Any = 1
) -> tuple[PixelState, jax.Array]:
    """Counts in `bins` equal parts of the window [start, stop) us, made on the device: int32 [bins, H, W, 2], OFF and ON.

    Those of `mxsnn.events.frames_by_time` on the list of `events`, with the same arguments. Where the window goes beyond the
    samples it has no events, so the frames of chunks add up to those of the whole.

    Raises: UserError as `events`.
    """
    edges = start + time_edges(bins, window_length(start, stop))
    state, (on, off) = _gather(camera, radiance, times, state, steps, edges, _counts)
    return state, jnp.stack([off, on], axis=-1).astype(jnp.int32)


def voxels(
    camera: EventCamera, radiance: Any, times: Any, state: PixelState, bins: int, start: int, stop: int, steps: Any = 1
) -> tuple[PixelState, jax.Array]:
    """Polarities by bilinear interpolation in time over [start, stop) us, made on the device: float32 [bins, H, W, 1].

    The grid of `mxsnn.events.voxel_grid` on the list of `events`, with the same arguments, to the rounding of sums in float32; of
    events that a pixel has within one step, all but a single one keep the part of a microsecond that their times in a list lose.

    Raises: UserError as `events`.
    """
    edges, offsets, step_us = voxel_steps(bins, window_length(start, stop))
    bounds = start + np.append(edges, stop - start)
    state, (weight, later) = _gather(camera, radiance, times, state, steps, bounds, _weights, offsets - edges - start, step_us)
    grid = weight - later
    return state, grid.at[1:].add(later[:-1])[..., None]


def _counts(
    fired: Fired, between: tuple[jax.Array, jax.Array], origin: jax.Array, per_us: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """ON and OFF events from number between[0] to before between[1] of each pixel."""
    n = between[1] - between[0]
    return jnp.where(fired.count > 0, n, 0), jnp.where(fired.count < 0, n, 0)


def _weights(
    fired: Fired, between: tuple[jax.Array, jax.Array], origin: jax.Array, per_us: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Signed sums over these events of 1 and of their scaled time after the bin before them."""
    low, high = between
    n = high - low
    middle = fired.first + fired.spacing * ((low + high - 1) / 2) - 0.5  # on average rounding down takes half a microsecond
    when = jnp.where(jnp.abs(fired.count) == 1, jnp.floor(fired.first), middle)
    sign = jnp.sign(fired.count)
    return sign * n, sign * n * (origin + when * per_us)


def _gather(camera, radiance, times, state, steps, edges, measure, origins=None, unit=1.0):
    """Two sums over the events of each interval [edges[b], edges[b + 1]): (state, two arrays [intervals, H, W]).

    A step that an edge divides is gone through once on either side, and ends on the last. `origins` [intervals] is the time that a
    measure counts from, in us below 0, `unit` the us in one of its units.
    """
    radiance, times = _check(camera, radiance, times, state)
    at, part, starts, ends = _steps(times, steps)
    if not len(ends):
        return state, (jnp.zeros((len(edges) - 1, *radiance.shape[1:])),) * 2
    inside = edges[(edges > times[0]) & (edges < times[-1])]
    low = np.unique(np.concatenate([starts, inside]))
    high = np.append(low[1:], times[-1])
    number = np.searchsorted(starts, low, side="right") - 1
    intervals = len(edges) + 1  # one before and one after, which are not returned
    first = np.searchsorted(np.searchsorted(edges, low, side="right"), np.arange(intervals + 1))
    begin = starts[number]
    origin = np.zeros(len(low))
    if origins is not None:
        which = np.clip(np.searchsorted(edges, low, side="right") - 1, 0, len(origins) - 1)
        origin = (begin + origins[which]) / unit
    times_us = (np.asarray(each, np.float32) for each in (ends[number] - begin, low - begin, high - begin))
    xs = (at[number], part[number], *times_us, high == ends[number], origin.astype(np.float32))
    spare = _rounded(len(starts)) + len(edges) - len(low)  # as many rows wherever the edges lie, for one program
    xs = tuple(np.append(x, np.zeros(spare, x.dtype)) for x in xs)
    divided, whole, first = len(low) > len(starts), len(starts) == len(times) - 1, first.astype(np.int32)
    return _sum(camera, state, radiance, xs, first, np.float32(1 / unit), measure, divided, whole, camera.parts())


@partial(jax.jit, static_argnames=("measure", "divided", "whole", "parts"))
def _sum(camera, state, radiance, xs, first, per_us, measure, divided, whole, parts):
    def interval(state, bounds):
        def one(k, carry):
            before, sums = carry
            at, part, dt, low, high, ends, origin = (x[k] for x in xs)
            after, fired = step(camera, before, _light(radiance, at, part, whole), dt, parts)
            n = jnp.abs(fired.count)
            between = (jnp.zeros_like(n), n)
            if divided:
                earlier = (jnp.clip(jnp.ceil((edge - fired.first) / fired.spacing), 0, n) for edge in (low, high))
                since, until = earlier
                between = (jnp.where(low > 0, since, 0), jnp.where(ends, n, until))
                after = jax.tree.map(lambda new, old: jnp.where(ends, new, old), after, before)
            return after, tuple(a + b for a, b in zip(sums, measure(fired, between, origin, per_us), strict=True))

        zeros = jnp.zeros(radiance.shape[1:])
        return jax.lax.fori_loop(bounds[0], bounds[1], one, (state, (zeros, zeros)))

    state, sums = jax.lax.scan(interval, state, (first[:-1], first[1:]))
    return state, tuple(each[1:-1] for each in sums)


def _light(radiance, at, part, whole):
    """The radiance `part` of the way from sample `at` to the next."""
    after = jax.lax.dynamic_index_in_dim(radiance, at + 1, keepdims=False)
    if whole:
        return after
    before = jax.lax.dynamic_index_in_dim(radiance, at, keepdims=False)
    return before + part * (after - before)


def _rounded(count: int) -> int:
    """A number of steps, or the next that has four binary digits."""
    unit = 1 << max(0, count.bit_length() - 4)
    return -(-count // unit) * unit


def _steps(times: np.ndarray, steps: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each step [S]: its interval of samples, the part of that at its end, start and end, us. None has 0 us, or above 1 s."""
    length = np.diff(times)
    wanted = np.asarray(steps)
    if wanted.shape not in ((), length.shape) or wanted.dtype.kind not in "iu" or (wanted < 1).any():
        said = f"one for all or one for each of {len(length)} intervals"
        raise UserError(f"steps are whole numbers of at least 1, {said}; got {steps!r}")
    count = np.minimum(np.maximum(wanted, -(-length // _LONGEST)), length)
    at = np.repeat(np.arange(len(length)), count)
    number = np.arange(1, len(at) + 1) - np.repeat(np.cumsum(count) - count, count)
    passed = length[at] * number // count[at]
    ends = times[at] + passed
    return at.astype(np.int32), (passed / length[at]).astype(np.float32), np.append(times[:1], ends[:-1])[: len(ends)], ends


def _check(camera: EventCamera, radiance: Any, times: Any, state: PixelState) -> tuple[jax.Array, np.ndarray]:
    """Radiance on the device and times on the host. Raises: UserError as `events`."""
    times = whole_times("times", times)
    shape = (len(times), *camera.sensor_size[::-1])
    if np.shape(radiance) != shape or not len(times):
        raise UserError(
            f"the radiance is [T, H, W] at T times on {camera.sensor_size} pixels, got {np.shape(radiance)}, {len(times)} times"
        )
    if (np.diff(times) <= 0).any():
        raise UserError(f"the times of the radiance rise; sample {int((np.diff(times) <= 0).argmax()) + 1} does not come later")
    if state.log.shape != shape[1:]:
        raise UserError(
            f"the state is of {state.log.shape} pixels, the radiance of {shape[1:]}; begin with camera.init(key, radiance[0])"
        )
    check_light(radiance)
    if not isinstance(state.log, jax.core.Tracer) and not np.isfinite(state.log).all():
        raise UserError("the state began with light that is no number; begin with camera.init(key, radiance[0])")
    return jnp.asarray(radiance, jnp.float32), times
