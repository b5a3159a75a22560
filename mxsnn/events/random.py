"""Random numbers from explicit keys, the same to the bit on the host and on the device.

A key is the two uint32 words of one of JAX's (threefry2x32): on the host an array [2], as `jax.random.key_data` gives it, on the
device a key of JAX. The functions here take either and stay where it is. They draw whole numbers only, on which host and device
cannot differ; element k of a draw depends on the key and k alone, so that a draw for padding changes nothing.

Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mxsnn.errors import UserError

if TYPE_CHECKING:
    import jax

Key: TypeAlias = "np.ndarray | jax.Array"


def host_key(seed: int, *more: int) -> np.ndarray:
    """The key of a seed, as `jax.random.key(seed)`; `more` numbers, such as (epoch, index), are folded in one after the other.

    Raises: UserError for what is no whole number from 0 to 2^32 - 1.
    """
    key = np.array([0, _word(seed)], np.uint32)
    for number in more:
        key = fold_in(key, number)
    return key


def fold_in(key: Key, number: int) -> Any:
    """A new key from a key and a number of 32 bits, as `jax.random.fold_in`."""
    if not isinstance(key, np.ndarray):
        import jax

        return jax.random.fold_in(key, number)
    return _threefry(key, 1, low=_word(number))[:, 0]


def bits(key: Key, shape: int | tuple[int, ...] = ()) -> Any:
    """uint32 of this shape, each of 32 random bits, as `jax.random.bits`."""
    shape = (shape,) if isinstance(shape, int) else shape
    if not isinstance(key, np.ndarray):
        import jax

        with jax.threefry_partitionable(True):  # so that element k depends on the key and k alone
            return jax.random.bits(key, shape, "uint32")
    first, second = _threefry(key, math.prod(shape))
    return (first ^ second).reshape(shape)


def below(key: Key, n: Any, shape: int | tuple[int, ...] = ()) -> Any:
    """int32 of this shape, evenly from 0 to n - 1 for n up to 2^31 (int, or an array on the key's side).

    By the upper part of a product, so that of two numbers one is at most by n / 2^32 more likely than the other.
    """
    return part_of(bits(key, shape), n).astype(np.int32)


def part_of(word: Any, n: Any) -> Any:
    """word * n >> 32 for an array of uint32 and such an array, or an int below 2^32: uint32."""
    n = np.uint32(n) if isinstance(n, int) else n.astype(np.uint32)
    # Half by half, since the device has no 64 bits; no sum goes beyond 32.
    low, high = word & 0xFFFF, word >> 16
    if isinstance(n, np.uint32) and n <= 2**16:
        return (low * n >> 16) + high * n >> 16
    n_low, n_high = n & 0xFFFF, n >> 16
    middle = high * n_low + (low * n_low >> 16)
    return high * n_high + (middle >> 16) + (low * n_high + (middle & 0xFFFF) >> 16)


def _word(number: int) -> int:
    try:
        word = operator.index(number)
    except TypeError:
        word = -1
    if not 0 <= word < 2**32:
        raise UserError(f"a key is made of whole numbers from 0 to 2^32 - 1, got {number!r}")
    return word


def _threefry(key: np.ndarray, n: int, low: int = 0) -> np.ndarray:
    """Both words [2, n] of threefry2x32, 20 rounds, of the counters low, low + 1, ..."""
    from mxsnn.events._random_kernel import threefry

    words = np.empty((2, n), np.uint32)
    threefry(key, np.uint64(low), words)
    return words
