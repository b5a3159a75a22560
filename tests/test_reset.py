"""Resets: what a spike leaves of the membrane, and the gradient through the spike, or not through it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn.reset import detached, none, subtract, to_value

V, S, THRESHOLD = jnp.array([0.5, 1.5, 2.75, -1]), jnp.array([0.0, 1, 1, 0]), jnp.array([1, 1, 0.75, 0.5])

# A reset with: the membrane after it, its derivatives by v, by s, by the threshold.
EXPECTED = [
    (subtract, [0.5, 0.5, 2.0, -1], 1 + 0 * V, -THRESHOLD, -S),
    (none, V, 1 + 0 * V, 0 * V, 0 * V),
    (to_value(), [0.5, 0, 0, -1], 1 - S, -V, 0 * V),
    (to_value(-0.25), [0.5, -0.25, -0.25, -1], 1 - S, -0.25 - V, 0 * V),
]


@pytest.mark.parametrize(("reset", "after", "by_v", "by_s", "by_threshold"), EXPECTED, ids=["subtract", "none", "to 0", "to -0.25"])
def test_values_and_gradients(reset, after, by_v, by_s, by_threshold):
    def derivatives(reset):
        return jax.grad(lambda *args: reset(*args).sum(), argnums=(0, 1, 2))(V, S, THRESHOLD)

    for variant in (reset, detached(reset)):
        np.testing.assert_array_equal(variant(V, S, THRESHOLD), after)
    for got, expected in zip(derivatives(reset), (by_v, by_s, by_threshold), strict=True):
        np.testing.assert_array_equal(got, expected)
    for got, expected in zip(derivatives(detached(reset)), (by_v, 0 * S, by_threshold), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "reset", [subtract, none, to_value(-0.3), detached(subtract)], ids=["subtract", "none", "to -0.3", "detached"]
)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=lambda d: d.__name__)
def test_dtype_of_the_membrane_is_kept(reset, dtype):
    assert reset(jnp.asarray(V, dtype), jnp.asarray(S, dtype), 1.0).dtype == dtype


def test_a_reset_of_ones_own_can_be_detached():
    def halve(v, s, threshold):
        return v * (1 - s / 2)

    gradient = jax.grad(lambda s: detached(halve)(V, s, THRESHOLD).sum())(S)
    np.testing.assert_array_equal(gradient, 0)
    np.testing.assert_array_equal(detached(halve)(V, S, THRESHOLD), halve(V, S, THRESHOLD))


def test_equal_values_make_equal_resets():
    assert to_value(0) == to_value(0.0) == to_value()
    assert detached(to_value(-0.1)) == detached(to_value(-0.1)) != detached(to_value())
    assert len({subtract, none, to_value(), to_value(0.0), detached(subtract), detached(subtract)}) == 4
