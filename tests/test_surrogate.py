"""Surrogates: an exact step forward, the published slope backward, values that compare by their parameters."""

from __future__ import annotations

import inspect
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mxsnn import surrogate
from mxsnn.surrogate import (
    LIBRARIES,
    algebraic,
    atan,
    boxcar,
    braintools,
    double_gaussian,
    fast_sigmoid,
    gaussian,
    inclusive,
    jaxpike,
    leaky_relu,
    log_tailed_relu,
    more,
    multi_gaussian,
    norse,
    piecewise_exponential,
    piecewise_linear,
    q_pseudo_spike,
    s2nn,
    scaled,
    sigmoid,
    sign_log_abs,
    sinabs,
    snntorch,
    spikingjelly,
    spyx,
    squarewave_fourier_series,
    straight_through,
    triangle,
)

ALL = [getattr(surrogate, name)() for name in surrogate.__all__ if name not in ("Surrogate", "surrogate", "inclusive", "scaled")]
ALIASES = {f"{name}.{alias}": getattr(module, alias)() for name, module in LIBRARIES.items() for alias in module.__all__}
BELOW_ZERO = {f().slope for f in (multi_gaussian, double_gaussian, squarewave_fourier_series)}
ONE_SIDED = {f().slope for f in (leaky_relu, piecewise_linear, log_tailed_relu, s2nn)}
each = pytest.mark.parametrize("fire", ALL, ids=repr)
dtypes = pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16], ids=lambda d: d.__name__)


def slope(fire, u):
    u = jnp.asarray(u, jnp.float32)
    return np.asarray(jax.jvp(fire, (u,), (jnp.ones_like(u),))[1])


@each
@dtypes
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


# ---- values ---------------------------------------------------------------------------------------------------------------------

U = [-1, -0.5, -0.1, 0, 0.1, 0.5, 1]


def even(at0, near, half, one):
    """Slopes at U of a slope that is the same on both sides."""
    return [one, half, near, at0, near, half, one]


TABLE = {
    "atan(2.0)": even(1, 0.9102, 0.2884, 0.0920),
    "fast_sigmoid(25.0)": even(1, 0.0816, 0.0055, 0.0015),
    "sigmoid(4.0)": even(1, 0.9610, 0.4200, 0.0707),
    "algebraic(1.0)": even(0.5, 0.4926, 0.3578, 0.1768),
    "q_pseudo_spike(2.0)": even(1, 0.6944, 0.25, 0.1111),
    "q_pseudo_spike(3.0)": even(1, 0.7513, 0.2963, 0.125),
    "sign_log_abs(1.0)": even(1, 0.9091, 0.6667, 0.5),
    "triangle(1.0)": even(1, 0.9, 0.5, 0),
    "triangle(0.5)": even(2, 1.6, 0, 0),
    "piecewise_exponential(1.0)": even(0.5, 0.4524, 0.3033, 0.1839),
    "gaussian(0.5)": even(0.7979, 0.7821, 0.4839, 0.1080),
    "multi_gaussian()": even(0.8782, 0.8601, 0.5177, 0.0869),
    "double_gaussian()": even(0.8777, 0.8595, 0.5172, 0.0864),
    "fake_numerical_gradient(4.0)": even(4, 4, 2, 1),
    "boxcar(0.8)": even(1.25, 1.25, 0, 0),
    "leaky_boxcar(0.8)": even(1.25, 1.25, 0.01, 0.01),
    "squarewave_fourier_series(1, 8.0)": even(0.5, 0.4985, 0.4619, 0.3536),
    "squarewave_fourier_series(2, 8.0)": even(1, 0.9846, 0.6533, 0),
    "straight_through()": even(1, 1, 1, 1),
    "leaky_relu(0.1)": [0.1, 0.1, 0.1, 0.1, 1, 1, 1],
    "piecewise_linear(0.3)": [0, 0, 1, 1, 1, 1, 1],
    "log_tailed_relu(0.2)": [0.2, 0.2, 0.2, 0.2, 1, 1, 1],
    "s2nn(4.0, 1.0)": [0.0707, 0.42, 0.961, 1, 0.9091, 0.6667, 0.5],
    # The same name or formula, as each library has it.
    "snntorch.atan()": even(1, 0.9102, 0.2884, 0.0920),
    "snntorch.fast_sigmoid()": even(1, 0.0816, 0.0055, 0.0015),
    "snntorch.sigmoid()": even(6.25, 1.7526, 0.0001, 0),
    "snntorch.heaviside()": [0, 0, 0, 0, 1, 1, 1],
    "snntorch.straight_through_estimator()": even(1, 1, 1, 1),
    "spikingjelly.ATan()": even(1, 0.9102, 0.2884, 0.0920),
    "spikingjelly.DeterministicPass()": even(1, 1, 1, 1),
    "spikingjelly.Erf()": even(1.1284, 1.0841, 0.4151, 0.0207),
    "spikingjelly.FakeNumericalGradient()": even(0.3, 0.3, 0.3, 0.3),
    "spikingjelly.LeakyKReLU(0.2, 2.0)": [0.2, 0.2, 0.2, 0.2, 2, 2, 2],
    "spikingjelly.LogTailedReLU()": [0, 0, 0, 0, 1, 1, 1],
    "spikingjelly.NonzeroSignLogAbs()": even(1, 0.9091, 0.6667, 0.5),
    "spikingjelly.PiecewiseExp()": even(0.5, 0.4524, 0.3033, 0.1839),
    "spikingjelly.PiecewiseLeakyReLU(0.8)": even(0.625, 0.625, 0.625, 0.01),
    "spikingjelly.PiecewiseQuadratic()": even(1, 0.9, 0.5, 0),
    "spikingjelly.QPseudoSpike()": even(1, 0.6944, 0.25, 0.1111),
    "spikingjelly.Rect(0.8)": even(0.8, 0.8, 0.8, 0),
    "spikingjelly.S2NN()": [0.0707, 0.42, 0.961, 1, 0.9091, 0.6667, 0.5],
    "spikingjelly.Sigmoid()": even(1, 0.961, 0.42, 0.0707),
    "spikingjelly.SoftSign()": even(1, 0.6944, 0.25, 0.1111),
    "spikingjelly.SquarewaveFourierSeries()": even(0.5, 0.4985, 0.4619, 0.3536),
    "spikingjelly.SuperSpike()": even(1, 0.8264, 0.4444, 0.25),
    "spikingjelly.SuperSpike(3.0)": even(3, 2.4793, 1.3333, 0.75),
    "spyx.arctan()": even(0.3183, 0.2282, 0.0293, 0.0079),
    "spyx.boxcar(1.5)": even(0.5, 0.5, 0.5, 0),
    "spyx.superspike()": even(1, 0.0816, 0.0055, 0.0015),
    "spyx.tanh()": even(1, 0.9901, 0.7864, 0.42),
    "spyx.triangular()": even(1, 0.8, 0, 0),
    "norse.super()": even(1, 0.8264, 0.4444, 0.25),
    "norse.tanh(1.0)": even(1, 0.9901, 0.7864, 0.42),
    "norse.triangle(0.3)": even(0.3, 0.27, 0.15, 0),
    "norse.circ(1.0)": even(1, 0.9852, 0.7155, 0.3536),
    "norse.circ()": even(1, 1, 1, 0.9999),
    "norse.heavi_erfc(2.0)": even(1.1284, 1.0841, 0.4151, 0.0207),
    "jaxpike.ATan()": even(1, 0.9102, 0.2884, 0.0920),
    "jaxpike.Boxcar(0.9)": even(1.1111, 1.1111, 0, 0),
    "jaxpike.FastSigmoid()": even(1, 0.0816, 0.0055, 0.0015),
    "jaxpike.Triangular()": even(1, 0.9, 0.5, 0),
    "sinabs.Gaussian()": even(0.7979, 0.7821, 0.4839, 0.1080),
    "sinabs.Heaviside(0.3)": [0, 0, 1, 1, 1, 1, 1],
    "sinabs.MultiGaussian()": even(0.8782, 0.8601, 0.5177, 0.0869),
    "sinabs.SingleExponential()": even(2, 1.6375, 0.7358, 0.2707),
    "braintools.GaussianGrad()": even(0.3989, 0.3910, 0.2420, 0.0540),
    "braintools.InvSquareGrad()": even(1, 0.0083, 0.0004, 0.0001),
    "braintools.LeakyRelu()": [0.1, 0.1, 0.1, 0.1, 1, 1, 1],
    "braintools.MultiGaussianGrad()": even(0.4391, 0.4300, 0.2589, 0.0435),
    "braintools.ReluGrad()": even(0.3, 0.27, 0.15, 0),
    "braintools.SlayerGrad()": even(1, 0.9048, 0.6065, 0.3679),
    "braintools.SquarewaveFourierSeries()": even(1, 0.9846, 0.6533, 0),
    "more.brf_double_gaussian()": even(0.4388, 0.4298, 0.2586, 0.0432),
    "more.brf_multi_gaussian()": even(0.4391, 0.4300, 0.2589, 0.0435),
    "more.jaxsnn_superspike()": even(1, 0.0123, 0.0006, 0.0002),
    "more.lava_exponential()": even(0.0005, 0.0005, 0.0005, 0.0005),
    "more.rockpool_pwl(0.3)": [0, 0, 1, 1, 1, 1, 1],
    "more.se_adlif()": even(1, 0.6065, 0.0821, 0.0067),
    "more.snnax_piecewise(0.8)": even(1, 1, 1, 0),
    "more.sparch_boxcar()": [0, 0, 1, 1, 1, 0, 0],
    "scaled(sign_log_abs(10.0), 0.1)": even(1, 0.5, 0.1667, 0.0909),  # what SNNAX calls superspike(10)
}


@pytest.mark.parametrize("call", TABLE)
def test_slope_is_the_published_one(call):
    fire = eval(call, vars(surrogate))
    slopes = slope(fire, U)
    np.testing.assert_allclose(slopes, TABLE[call], atol=5.1e-5)
    np.testing.assert_array_equal(slope(inclusive(fire), U), slopes)


@pytest.mark.parametrize("name", ALIASES)
def test_every_alias_is_finite_far_from_the_threshold(name):
    assert np.isfinite(slope(ALIASES[name], [-100, -3.5, 0, 3.5, 100])).all()


def test_every_surrogate_and_every_alias_is_in_the_table():
    assert {call.partition("(")[0] for call in TABLE} == {fire.slope.__name__ for fire in ALL} | set(ALIASES) | {"scaled"}


# ---- libraries ------------------------------------------------------------------------------------------------------------------

STRICT = {"snntorch", "spyx", "norse", "jaxpike", "more.brf_double_gaussian", "more.brf_multi_gaussian", "more.jaxsnn_superspike"}
STRICT |= {"more.se_adlif", "more.sparch_boxcar"}


@pytest.mark.parametrize("name", ALIASES)
def test_each_library_has_its_comparator(name):
    strict = name in STRICT or name.partition(".")[0] in STRICT
    assert ALIASES[name](0.0) == (0 if strict else 1)
    assert inspect.getdoc(getattr(LIBRARIES[name.partition(".")[0]], name.partition(".")[2]))


WIDE = np.linspace(-3, 3, 200)  # 0 and the kinks left out


@pytest.mark.parametrize("k", [0.3, 1.0, 2.0, 7.0])
def test_conversions_between_libraries(k):
    def same(one, other, factor=1.0):
        np.testing.assert_allclose(slope(one, WIDE), factor * slope(other, WIDE), rtol=2e-5, atol=1e-7)

    same(spyx.arctan(k), snntorch.atan(2 * k), 1 / (math.pi * k))
    same(spyx.tanh(k), spikingjelly.Sigmoid(2 * k), 2 / k)
    same(norse.heavi_erfc(k), spikingjelly.Erf(k), 2 / k)
    same(spikingjelly.SoftSign(k), snntorch.fast_sigmoid(k), k / 2)
    same(jaxpike.Triangular(1 / k), spikingjelly.PiecewiseQuadratic(k))
    same(jaxpike.Boxcar(1 / k), spikingjelly.Rect(k))
    same(spyx.boxcar(k, 1 / k), jaxpike.Boxcar(k))
    same(norse.tanh(k), spyx.tanh(k))
    same(snntorch.sigmoid(k), spikingjelly.Sigmoid(k))
    same(sinabs.SingleExponential(1 / k), braintools.SlayerGrad(k), k)
    same(spikingjelly.PiecewiseExp(k), more.se_adlif(k, 1.0))
    same(sinabs.MultiGaussian(k), more.brf_multi_gaussian(sigma=k), 2)
    same(spikingjelly.QPseudoSpike(2.0), spikingjelly.SoftSign(2.0))
    same(spikingjelly.SquarewaveFourierSeries(3), braintools.SquarewaveFourierSeries(2))


# One name, several formulas: with the defaults, or with the same argument, none may be taken for the other.
COLLISIONS = {
    "superspike: steepness or factor": (spyx.superspike(2.0), spikingjelly.SuperSpike(2.0)),
    "superspike: Norse's has no parameter": (spyx.superspike(), norse.super()),
    "superspike: jaxsnn's is steeper": (spyx.superspike(), more.jaxsnn_superspike()),
    "superspike: SNNAX' lacks the square": (spyx.superspike(10.0), scaled(sign_log_abs(10.0), 0.1)),
    "superspike: not SoftSign": (spikingjelly.SuperSpike(2.0), spikingjelly.SoftSign(2.0)),
    "triangular: spyx' has a peak of 1": (spyx.triangular(2.0), spikingjelly.PiecewiseQuadratic(2.0)),
    "triangular: jaxpike's is given the width": (spyx.triangular(2.0), jaxpike.Triangular(2.0)),
    "triangular: Norse's is given the height": (spyx.triangular(2.0), norse.triangle(2.0)),
    "atan: spyx' is steeper and lower": (snntorch.atan(2.0), spyx.arctan(2.0)),
    "tanh: not the sigmoid of its slope": (spyx.tanh(4.0), sigmoid(4.0)),
    "boxcar: alpha is no width": (spikingjelly.Rect(2.0), jaxpike.Boxcar(2.0)),
    "boxcar: spyx' is given the height": (spyx.boxcar(2.0), more.snnax_piecewise(1.0)),
    "squarewave: n terms or one less": (spikingjelly.SquarewaveFourierSeries(2), braintools.SquarewaveFourierSeries(2)),
    "erf: of one area or of one peak": (spikingjelly.Erf(4.0), norse.heavi_erfc(4.0)),
    "heaviside: Sinabs' opens below the threshold": (snntorch.heaviside(), sinabs.Heaviside()),
    "multi-Gaussian: halved or not": (sinabs.MultiGaussian(), more.brf_multi_gaussian()),
    "multi-Gaussian: the double one is another": (more.brf_multi_gaussian(), more.brf_double_gaussian()),
    "sigmoid: another default": (snntorch.sigmoid(), spikingjelly.Sigmoid()),
}


@pytest.mark.parametrize("name", COLLISIONS)
def test_one_name_is_not_one_formula(name):
    one, other = COLLISIONS[name]
    assert np.abs(slope(one, WIDE) - slope(other, WIDE)).max() > 1e-4


# Where a library's surrogate is not what it is called, its name would be taken for what it is not.
@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("snntorch", "triangular"),
        ("snntorch", "spike_rate_escape"),
        ("snntorch", "SFS"),
        ("snntorch", "LSO"),
        ("snntorch", "SSO"),
        ("spikingjelly", "PoissonPass"),
        ("spikingjelly", "MultiLevelSpikeCount"),
        ("spyx", "custom"),
        ("norse", "heaviside"),
        ("sinabs", "PeriodicExponential"),
        ("more", "snnax_superspike"),
    ],
)
def test_what_is_left_out_is_named_with_the_reason(library, name):
    assert not hasattr(LIBRARIES[library], name)
    assert f"`{name.removeprefix('snnax_')}" in (LIBRARIES[library].__doc__ or "").partition("Not here:")[2]


# ---- properties -----------------------------------------------------------------------------------------------------------------

AREAS = {
    **{fire: 1 for fire in (atan(), sigmoid(), algebraic(), triangle(), gaussian(), boxcar(), piecewise_exponential())},
    **{fire: 1 for fire in (triangle(0.3), boxcar(3.0), gaussian(2.0), algebraic(0.2), q_pseudo_spike(3.0), sigmoid(25.0))},
    fast_sigmoid(5.0): 2 / 5,
    q_pseudo_spike(): 1,
    multi_gaussian(): 0.85,
    double_gaussian(height=0.3): 0.7,
    spyx.arctan(3.0): 1 / (3 * math.pi),
    spyx.tanh(3.0): 2 / 3,
    spyx.triangular(4.0): 1 / 4,
    spyx.boxcar(): 1,
    spikingjelly.SoftSign(5.0): 1,
    spikingjelly.SuperSpike(0.5): 1,
    spikingjelly.Erf(): 1,
    norse.circ(2.0): 4,
    norse.heavi_erfc(3.0): 2 / 3,
    sinabs.SingleExponential(): 2,
    more.se_adlif(): 0.4,
}


@pytest.mark.parametrize("fire", AREAS, ids=repr)
def test_area(fire):
    # sinh spreads the points: dense at the threshold, and far enough out for the tails.
    u = np.sinh(np.linspace(-14, 14, 400_001))
    slopes = np.asarray(fire.derivative(jnp.asarray(u, jnp.float32)), np.float64)
    assert np.trapezoid(slopes, u) == pytest.approx(AREAS[fire], rel=2e-4)


distances = arrays(np.float32, 16, elements=st.floats(-100, 100, width=32))


@each
@settings(max_examples=10)
@given(u=distances, factor=st.floats(0.001, 1000))
def test_slopes_keep_what_they_claim(fire, u, factor):
    u = jnp.asarray(u)
    s, tangent = (np.asarray(x) for x in jax.jvp(fire, (u,), (jnp.ones_like(u),)))
    np.testing.assert_array_equal(s, u > 0)
    np.testing.assert_array_equal(tangent, fire.derivative(u))
    assert np.isfinite(tangent).all()
    assert (tangent >= 0).all() or fire.slope in BELOW_ZERO
    if fire.slope not in ONE_SIDED:
        np.testing.assert_array_equal(tangent, fire.derivative(-u))
        assert (np.abs(tangent) <= fire.derivative(jnp.zeros(()))).all()
    weighed = scaled(fire, factor)
    np.testing.assert_array_equal(weighed(u), s)
    np.testing.assert_allclose(weighed.derivative(u), factor * tangent, rtol=1e-6, atol=1e-37)


@each
@dtypes
def test_gradients_are_finite_far_from_the_threshold(fire, dtype):
    u = jnp.asarray([-1e4, -100, -3.5, 0, 3.5, 100, 1e4], dtype)
    gradient = jax.grad(lambda u: fire(u).sum())(u)
    assert gradient.dtype == dtype
    assert np.isfinite(gradient).all()
    assert (gradient >= 0).all() or fire.slope in BELOW_ZERO


@each
def test_slope_can_be_differentiated(fire):
    curvature = np.asarray(jax.vmap(jax.grad(jax.grad(fire)))(jnp.asarray([-100, -0.4, 0.0, 0.4, 100])))
    assert np.isfinite(curvature).all()
    if fire.slope not in ONE_SIDED:
        # An even slope has an odd derivative; a bell's is negative beyond the threshold.
        np.testing.assert_allclose(curvature[:2], -curvature[:2:-1], rtol=1e-6)
        assert (curvature[3:] <= 0).all() or fire.slope in BELOW_ZERO


# ---- values of the language -----------------------------------------------------------------------------------------------------


def test_equal_parameters_make_equal_surrogates():
    assert atan() == atan(2.0) == atan(alpha=2) == snntorch.atan() == scaled(atan(), 1)
    assert hash(atan()) == hash(atan(2.0)) == hash(atan(alpha=2))
    assert len({atan(), atan(3.0), sigmoid(), inclusive(atan()), inclusive(atan()), scaled(atan(), 2), spikingjelly.ATan()}) == 5
    assert scaled(scaled(atan(), 2.0), 3.0) == scaled(atan(), 6.0)
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


def test_a_surrogate_survives_pickling():
    for fire in (*ALL, *ALIASES.values()):
        for other in (fire, scaled(fire, 2.0), inclusive(fire)):
            assert pickle.loads(pickle.dumps(other)) == other


def test_repr_can_be_read_and_evaluated():
    assert repr(fast_sigmoid()) == "fast_sigmoid(slope=25.0)"
    assert repr(inclusive(straight_through())) == "inclusive(straight_through())"
    assert repr(spikingjelly.SuperSpike(3.0)) == "inclusive(scaled(fast_sigmoid(slope=1.0), 3.0))"
    for fire in (*ALL, *ALIASES.values()):
        for other in (fire, scaled(fire, 2.0), inclusive(fire)):
            assert eval(repr(other), vars(surrogate)) == other


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: triangle(0.0), ValueError, "triangle: width must be positive and finite, got 0.0"),
        (lambda: gaussian(-1), ValueError, "gaussian: sigma must be positive"),
        (lambda: boxcar(math.inf), ValueError, "boxcar: width must be positive and finite, got inf"),
        (lambda: atan(math.nan), ValueError, "atan: alpha must be positive"),
        (lambda: atan(jnp.ones(3)), TypeError, "atan: alpha is a number of Python's"),
        (lambda: leaky_relu("0.1"), TypeError, "leaky_relu: leak is a number of Python's"),
        (lambda: scaled(atan(), 0), ValueError, "scaled: factor must be positive"),
        (lambda: slope(q_pseudo_spike(1.0), U), ValueError, "alpha must exceed 1"),
    ],
)
def test_parameters_that_cannot_be_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


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
