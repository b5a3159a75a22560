"""Noise: events that nothing caused, and times that are not exact."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from mxsnn.errors import UserError
from mxsnn.events.augment._base import (
    Augmentation,
    Stream,
    arrays,
    by_time,
    check_chance,
    check_window,
    happens,
    is_event,
    merge,
    within,
)
from mxsnn.events.random import Key, below, bits, fold_in, part_of

_MOST = 2**30  # events that are added


@dataclass(frozen=True)
class Noise(Augmentation):
    """With probability p background activity: events anywhere on the sensor and in the window [start, stop) us, of either polarity.

    Their number is that of a Poisson process of `rate` events per pixel and second, and a `share` of the events that are there,
    rounded down: `rate` for a sensor's noise in the light at hand, `share` for noise in proportion to the signal, as in
    Spiking-FER. Only events of the window are given back, in the order of time, the noise behind events of the same time.

    On the device the capacity grows by the most noise that there can be, so that nothing is lost.

    Raises: UserError where a rate or a share is negative or adds more than 2^30 events.
    """

    start: int
    stop: int
    rate: float = 0.0
    share: float = 0.0
    p: float = 1.0

    def __post_init__(self) -> None:
        check_window(self.start, self.stop)
        check_chance("p", self.p)
        for name, unit in (("rate", "events per pixel and second"), ("share", "a part of the events")):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"{name} is {unit}, a number of at least 0; got {getattr(self, name)!r}")

    def augment(self, events: Stream, key: Key) -> Stream:
        events, start = within(events, self.start, self.stop)
        xp, (width, height), length = arrays(events), events.sensor_size, self.stop - self.start
        counts = _poisson(self.rate * length * 1e-6 * width * height)
        most = int(counts[-1]) + _share(len(events.t), self.share)
        if most >= _MOST:
            raise UserError(f"{self} adds up to {most} events to {len(events.t)}, more than 2^30; lower the rate or the share")
        n = xp.asarray(counts)[_index(fold_in(key, 1))] + _share(getattr(events, "count", len(events.t)), self.share)
        n = xp.where(happens(fold_in(key, 0), self.p), n, 0)
        if xp is np:
            most = int(n)
        more = {
            "t": start + below(fold_in(key, 2), length, most).astype(events.t.dtype),
            "x": below(fold_in(key, 3), width, most),
            "y": below(fold_in(key, 4), height, most),
            "p": bits(fold_in(key, 5), most) >> 31,
        }
        return merge(events, more, n)


@dataclass(frozen=True)
class TimeJitter(Augmentation):
    """Each event for itself earlier or later by a normal deviate of standard deviation `sigma`, rounded, us; then sorted anew.

    Events that leave the window [start, stop) us are dropped, and only those of the window are given back. Equal times keep their
    order. Deviates are 2^16 quantiles of the normal distribution, the furthest at 4.3 sigma.
    """

    sigma: float
    start: int
    stop: int

    def __post_init__(self) -> None:
        check_window(self.start, self.stop)
        if not 0 <= self.sigma <= 1e8:
            raise UserError(f"sigma is a standard deviation from 0 to 1e8 us, got {self.sigma!r}")

    def augment(self, events: Stream, key: Key) -> Stream:
        events, start = within(events, self.start, self.stop)
        xp = arrays(events)
        t = events.t + xp.asarray(_normal(self.sigma))[_index(key, len(events.t))]
        # What is beyond an int32 has become negative, which is outside too.
        return by_time(replace(events, t=t), is_event(events) & (t >= start) & (t < start + (self.stop - self.start)))


def _index(key: Key, shape: int | tuple[int, ...] = ()) -> Any:
    """Places in a table of 2^16 quantiles: int32."""
    return (bits(key, shape) >> 16).astype(np.int32)


@functools.lru_cache(maxsize=64)
def _normal(sigma: float) -> np.ndarray:
    """2^16 quantiles of the normal distribution, rounded: int32."""
    return np.round(_standard_normal() * sigma).astype(np.int32)


@functools.cache
def _standard_normal() -> np.ndarray:
    upper = np.array([NormalDist().inv_cdf((k + 0.5) / 2**16) for k in range(2**15, 2**16)])
    return np.concatenate([-upper[::-1], upper])


@functools.lru_cache(maxsize=64)
def _poisson(mean: float) -> np.ndarray:
    """2^16 quantiles of the Poisson distribution: int32, from the least to the most."""
    if mean > _MOST:
        raise UserError(f"noise of {mean:.3g} events on average is more than 2^30; lower the rate")
    reach = 6 * math.sqrt(mean) + 20
    k = np.arange(max(0, math.floor(mean - reach)), math.ceil(mean + reach))
    probability = np.exp(k * math.log(mean) - mean - [math.lgamma(n + 1) for n in k]) if mean else (k == 0).astype(float)
    places = np.searchsorted(np.cumsum(probability), (np.arange(2**16) + 0.5) / 2**16)
    return k[np.minimum(places, len(k) - 1)].astype(np.int32)


def _share(n: Any, share: float) -> Any:
    """floor(n share), for a whole number or one that is traced."""
    whole, part = divmod(share, 1)
    # Rounded up, so that a fifth of 5 is 1.
    word = min(math.ceil(part * 2**32), 2**32 - 1)
    if isinstance(n, int):
        return n * int(whole) + (n * word >> 32)
    return n * int(whole) + part_of(n.astype(np.uint32), word).astype(np.int32)
