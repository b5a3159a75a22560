"""Surrogates: an exact step forward, the published slope backward, values that compare by their parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import surrogate
from mxsnn.surrogate import atan, boxcar, fast_sigmoid, gaussian, inclusive, sigmoid, straight_through, triangle

ALL = [getattr(surrogate, name)() for name in surrogate.__all__ if name not in ("Surrogate", "surrogate", "inclusive")]
each = pytest.mark.parametrize("fire", ALL, ids=repr)


def slope(fire, u):
    return jax.vmap(jax.grad(fire))(jnp.asarray(u, jnp.float32))


@each
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16], ids=lambda d: d.__name__)
def test_forward_is_exactly_0_or_1_and_keeps_the_dtype(fire, dtype):
    smallest = jnp.finfo(dtype).smallest_normal
    u = jnp.asarray([-60000, -1, -smallest, -0.0, 0, smallest, 1, 60000], dtype)
    for step in (fire, jax.jit(fire), lambda u: jax.jvp(fire, (u,), (u,))[0]):
        s = step(u)
        assert s.dtype == dtype
        assert s.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    at_the_threshold = inclusive(fire)(u)
    assert at_the_threshold.dtype == dtype
    assert at_the_threshold.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_a_plain_number_is_a_distance_too():
    assert atan()(0.5) == 1 and atan()(-0.5) == 0


# Slopes at 0, +-0.1, +-0.5, +-1. The first four are those of snnTorch, SpikingJelly and jaxpike under the parameters given.
TABLE = [
    (atan(2.0), [1, 0.9102, 0.2884, 0.0920]),
    (fast_sigmoid(25.0), [1, 0.0816, 0.0055, 0.0015]),
    (sigmoid(4.0), [1, 0.9610, 0.4200, 0.0707]),
    (triangle(1.0), [1, 0.9, 0.5, 0]),
    (triangle(0.5), [2, 1.6, 0, 0]),
    (gaussian(0.5), [0.7979, 0.7821, 0.4839, 0.1080]),
    (boxcar(0.8), [1.25, 1.25, 0, 0]),
    (straight_through(), [1, 1, 1, 1]),
]


@pytest.mark.parametrize(("fire", "expected"), TABLE, ids=lambda x: repr(x) if callable(x) else "")
def test_slope_is_the_published_one(fire, expected):
    u = np.array([0, 0.1, 0.5, 1])
    for side in (u, -u):
        np.testing.assert_allclose(slope(fire, side), expected, atol=5.1e-5)
        np.testing.assert_array_equal(slope(inclusive(fire), side), slope(fire, side))


def test_every_surrogate_is_in_the_table():
    assert {fire.slope for fire in ALL} == {fire.slope for fire, _ in TABLE}


@pytest.mark.parametrize(
    "fire", [atan(), sigmoid(), triangle(), gaussian(), boxcar(), triangle(0.3), boxcar(3.0), gaussian(2.0)], ids=repr
)
def test_area_is_one(fire):
    # sinh spreads the points: dense at the threshold, and far enough out for the tails of atan.
    u = np.sinh(np.linspace(-14, 14, 400_001))
    assert np.trapezoid(np.asarray(fire.slope(u, **dict(fire.parameters)), np.float64), u) == pytest.approx(1, abs=1e-4)


@each
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16], ids=lambda d: d.__name__)
def test_gradients_are_finite_far_from_the_threshold(fire, dtype):
    u = jnp.asarray([-1e4, -100, -3.5, 0, 3.5, 100, 1e4], dtype)
    gradient = jax.grad(lambda u: fire(u).sum())(u)
    assert gradient.dtype == dtype
    assert np.isfinite(gradient).all() and (gradient >= 0).all()


@each
def test_slope_can_be_differentiated(fire):
    curvature = np.asarray(jax.vmap(jax.grad(jax.grad(fire)))(jnp.asarray([-100, -0.4, 0.0, 0.4, 100])))
    assert np.isfinite(curvature).all()
    # An even slope has an odd derivative, negative beyond the threshold.
    np.testing.assert_allclose(curvature[:2], -curvature[:2:-1], rtol=1e-6)
    assert (curvature[3:] <= 0).all()


def test_equal_parameters_make_equal_surrogates():
    assert atan() == atan(2.0) == atan(alpha=2)
    assert hash(atan()) == hash(atan(2.0)) == hash(atan(alpha=2))
    assert len({atan(), atan(3.0), sigmoid(), inclusive(atan()), inclusive(atan())}) == 4
    with pytest.raises(TypeError, match="beta"):
        atan(beta=1.0)


def test_equal_surrogates_share_one_compilation():
    traces = []

    def run(fire, u):
        traces.append(fire)
        return fire(u)

    compiled = jax.jit(run, static_argnums=0)
    for fire in (atan(), atan(2.0), inclusive(atan()), inclusive(atan(alpha=2.0))):
        compiled(fire, jnp.zeros(3))
    assert traces == [atan(), inclusive(atan())]


def test_repr_can_be_read_and_evaluated():
    assert repr(fast_sigmoid()) == "fast_sigmoid(slope=25.0)"
    assert repr(inclusive(straight_through())) == "inclusive(straight_through())"
    for fire in ALL:
        assert eval(repr(inclusive(fire)), vars(surrogate)) == inclusive(fire)


def test_a_surrogate_of_ones_own():
    @surrogate.surrogate
    def exponential(u, rate=1.0, *, height=0.5):
        """ds/du = height exp(-rate |u|)."""
        return height * jnp.exp(-rate * jnp.abs(u))

    fire = exponential(2.0)
    assert repr(fire) == "exponential(rate=2.0, height=0.5)"
    assert exponential.__doc__ == "ds/du = height exp(-rate |u|)."
    assert fire(jnp.asarray([-1.0, 0.0, 1.0])).tolist() == [0, 0, 1]
    np.testing.assert_allclose(slope(fire, [-1, 0.5]), 0.5 * np.exp([-2, -1]), rtol=1e-6)
    assert fire == exponential(rate=2.0) != exponential(height=1.0)
