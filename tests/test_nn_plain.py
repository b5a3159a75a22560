"""Windows, flattening, factors and sums, delays: against their definitions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn import nn
from mxsnn.nn import AvgPool, Bias, Delay, Flatten, MaxPool, Scale, Stack, SumPool

X = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype(np.float32)
REDUCE = {SumPool: np.sum, AvgPool: np.mean, MaxPool: np.max}


@settings(max_examples=40, deadline=None)
@given(
    pool=st.sampled_from(list(REDUCE)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.none() | st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
def test_windows_are_their_definition(pool, kernel, stride, padding) -> None:
    (h, w), (down, right), (p, q) = kernel, stride or kernel, padding or (0, 0)
    x = np.pad(X, ((0, 0), (p, p), (q, q), (0, 0)), constant_values=-np.inf if pool is MaxPool else 0)
    rows, columns = (x.shape[1] - h) // down + 1, (x.shape[2] - w) // right + 1
    at = [[x[:, i * down : i * down + h, j * right : j * right + w] for j in range(columns)] for i in range(rows)]
    expected = np.stack([np.stack([REDUCE[pool](window, (1, 2)) for window in row], 1) for row in at], 1)
    np.testing.assert_allclose(pool(kernel, stride, padding)(X), expected, rtol=1e-5, atol=1e-5)


def test_windows_of_one_axis() -> None:
    np.testing.assert_allclose(SumPool((2,))(X[0]), X[0, :, :6].reshape(7, 3, 2, 3).sum(2), rtol=1e-5)
    with pytest.raises(ValueError, match="SumPool has windows of 1 axes"):
        SumPool((2,))(X)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [((2, 2), None, None), ((3, 3), (2, 2), (1, 1)), ((2, 3), (3, 1), None)])
@pytest.mark.parametrize(("height", "width"), [(8, 6), (9, 5), (3, 3)])
def test_maxima_by_slices_are_those_of_windows(kernel, stride, padding, height, width) -> None:
    """In values and, with many equals, in gradients."""
    x = jax.random.randint(jax.random.key(0), (9, height, width, 3), 0, 3).astype(jnp.float32)
    pads = ((0, 0), *((p, p) for p in padding or (0, 0)), (0, 0))

    def windows(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, *kernel, 1), (1, *(stride or kernel), 1), pads)

    weights = np.arange(1.0, 1 + windows(x).size, dtype=np.float32).reshape(windows(x).shape)
    pools = MaxPool(kernel, stride, padding), windows
    (a, slope), (b, other) = (jax.jit(jax.value_and_grad(lambda x, p=p: (p(x) * weights).sum()))(x) for p in pools)
    assert a == b
    np.testing.assert_array_equal(slope, other)


def test_the_first_of_equals_gets_the_gradient_of_their_maximum() -> None:
    """As in torch; `max_pool` shares it."""
    ones = jnp.ones((1, 2, 2, 1))
    assert jax.grad(lambda x: MaxPool((2, 2))(x).sum())(ones).ravel().tolist() == [1, 0, 0, 0]
    assert (jax.grad(lambda x: nn.max_pool(x).sum())(ones) > 0).all()


def test_flatten_leaves_the_channel_last() -> None:
    assert Flatten()(X)[0, :4].tolist() == [*X[0, 0, 0].tolist(), X[0, 0, 1, 0]]


def test_factors_and_sums_are_learned_and_nothing_else_is() -> None:
    network = Stack(AvgPool((2, 2)), Scale(2.0), Bias(np.float32([1, 0, -1])), Flatten(), Delay(1))
    assert [leaf.shape for leaf in jax.tree.leaves(nnx.state(network, nnx.Param))] == [(), (3,)]
    xs = jnp.asarray(X)[None]
    out = nnx.jit(lambda m, xs: m(xs)[1])(network, jnp.concatenate([xs, xs]))
    np.testing.assert_allclose(out[1], Flatten()(2 * AvgPool((2, 2))(X) + np.float32([1, 0, -1])), rtol=1e-6)
    assert not out[0].any()


@pytest.mark.parametrize("steps", [0, 3, np.array([0, 1, 2]), np.array([[3], [0]])], ids=str)
def test_delays_shift_and_chunks_make_one_pass(steps) -> None:
    xs = np.random.default_rng(1).normal(size=(8, 2, 2, 3)).astype(np.float32)
    layer = Delay(steps)
    _, out = layer(jnp.asarray(xs))
    waits = np.broadcast_to(steps, (2, 3))
    for i, j in np.ndindex(2, 3):
        n = int(waits[i, j])
        np.testing.assert_array_equal(out[n:, :, i, j], xs[: len(xs) - n, :, i, j])
        assert not out[:n, :, i, j].any()
    state, parts = None, []
    for chunk in np.split(xs, [1, 6]):
        state, part = layer(jnp.asarray(chunk), state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), out)
    if np.any(steps):
        with pytest.raises(ValueError, match="the state of this Delay are its last"):
            layer(jnp.asarray(xs), state[1:])


@pytest.mark.parametrize("steps", [1.0, -1, np.array([0.5])])
def test_a_delay_waits_for_whole_steps(steps) -> None:
    with pytest.raises(ValueError, match="Delay waits for whole steps, at least 0"):
        Delay(steps)
