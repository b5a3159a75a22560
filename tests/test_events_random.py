"""Random numbers of the host against JAX's."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.events.random import below, bits, fold_in, host_key

WORDS = st.integers(0, 2**32 - 1)


@given(WORDS, st.lists(WORDS, max_size=3))
def test_keys_are_those_of_jax(seed: int, more: list[int]) -> None:
    theirs = jax.random.key(np.uint32(seed))
    for number in more:
        theirs = jax.random.fold_in(theirs, np.uint32(number))
        assert np.array_equal(jax.random.key_data(fold_in(theirs, 7)), fold_in(np.asarray(jax.random.key_data(theirs)), 7))
    assert np.array_equal(host_key(seed, *more), jax.random.key_data(theirs))


@pytest.mark.parametrize("shape", [(), 0, 1, 1000, (3, 5)])
def test_draws_are_those_of_jax(shape: int | tuple[int, ...]) -> None:
    host, device = host_key(5, 6), jax.random.fold_in(jax.random.key(5), 6)
    assert bits(host, shape).dtype == np.uint32
    np.testing.assert_array_equal(bits(host, shape), bits(device, shape))
    for n in (1, 3, 1000, 2**16, 10**9, 2**31 - 1):
        np.testing.assert_array_equal(below(host, n, shape), below(device, n, shape))


def test_draws_are_the_same_where_jax_has_64_bits() -> None:
    with jax.enable_x64(True):
        drawn = bits(jax.random.key(5), 10)
        assert drawn.dtype == np.uint32 and below(jax.random.key(5), 7, 10).dtype == np.int32
        np.testing.assert_array_equal(drawn, bits(host_key(5), 10))


def test_a_longer_draw_begins_with_the_shorter() -> None:
    np.testing.assert_array_equal(bits(host_key(1), 10), bits(host_key(1), 1000)[:10])


@given(WORDS, st.integers(1, 2**16) | st.integers(1, 2**31))
def test_whole_numbers_are_the_upper_part_of_a_product(seed: int, n: int) -> None:
    key = host_key(seed)
    exact = [int(word) * n >> 32 for word in bits(key, 20)]
    drawn = below(key, n, 20)
    assert drawn.dtype == np.int32
    assert drawn.tolist() == exact


def test_whole_numbers_are_even() -> None:
    counts = np.bincount(below(host_key(0), 10, 100_000), minlength=10)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 27.9  # chi squared with 9 degrees of freedom, p = 0.001


@pytest.mark.parametrize("number", [-1, 2**32, 1.5, "a"])
def test_what_makes_no_key(number: object) -> None:
    for make in (lambda: host_key(number), lambda: host_key(0, number), lambda: fold_in(host_key(0), number)):
        with pytest.raises(UserError, match="whole numbers from 0 to 2"):
            make()
