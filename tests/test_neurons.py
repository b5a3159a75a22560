"""Neurons: worked examples, closed forms, and what `@neuron` makes of a class."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mxsnn import testing, unroll
from mxsnn.discrete import current, euler, exponential
from mxsnn.neurons import (
    ALIF,
    GLIF,
    IF,
    LI,
    LIF,
    NEURONS,
    PLIF,
    AdLIF,
    LIFState,
    Outputs,
    PLIFState,
    Recorded,
    Synaptic,
    _base,
    named,
    neuron,
    positive,
    positive_fields,
)
from mxsnn.neurons import static as given_function
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.surrogate import atan, inclusive
from mxsnn.typing import Fire

HARD, AT = to_value(0.0), inclusive(atan())
HALF = 1 / math.log(2)  # the time constant that halves a membrane in a step of 1 ms
registered = pytest.mark.parametrize("cls", NEURONS.values(), ids=NEURONS)


@jax.jit
def trace(n, xs):
    """State and output of every step: arrays [T, ...]."""
    recorded: Any = unroll(Recorded(n), jnp.asarray(xs, jnp.float32))[1]
    return recorded


# ---- worked examples ----------------------------------------------------------------------------------------------------------

# A drive below threshold, a residual above it, a tie (step 4 after a hard reset) and silence; all at a retention of 1/2.
X = [0.9, 0.9, 0, 1.0, 0.6, 2.6, 0, 0]
SUBTRACTED = [0.9, 0.35, 0.175, 0.0875, 0.6437, 1.9219, 0.9609, 0.4805]
UNTIED, KEPT = [0.9, 0.9, 0, 1.1, 0.6, 2.6, 0, 0], [0.9, 0.8, 0.8, 0.9, 0.5, 2.1, 1.1, 0.1]
EXAMPLES = {
    "subtract": (LIF(HALF), X, SUBTRACTED, "01010100"),
    "subtract, Euler": (LIF(2, decay=euler, fire=AT), X, SUBTRACTED, "01010100"),
    "strict: silent at the tie": (LIF(HALF, reset=HARD), X, [0.9, 0, 0, 1, 0, 0, 0, 0], "01001100"),
    "inclusive: fires at the tie": (LIF(HALF, reset=HARD, fire=AT), X, [0.9, 0, 0, 0, 0.6, 0, 0, 0], "01010100"),
    "no reset": (LIF(HALF, reset=none), X, [0.9, 1.35, 0.675, 1.3375, 1.2687, 3.2344, 1.6172, 0.8086], "01011110"),
    "current": (LIF(HALF, gain=current), X, [0.45, 0.675, 0.3375, 0.6687, 0.6344, 0.6172, 0.3086, 0.1543], "00000100"),
    "current of a doubled input": (LIF(HALF, gain=current, resistance=2), X, SUBTRACTED, "01010100"),
    "current, to 0": (
        LIF(2, decay=euler, gain=current, fire=AT, reset=HARD),
        X,
        [0.45, 0.675, 0.3375, 0.6687, 0.6344, 0, 0, 0],
        "00000100",
    ),
    "parametric": (PLIF(), X, [0.45, 0.675, 0.3375, 0.6687, 0.6344, 0, 0, 0], "00000100"),
    "what exceeds the threshold is kept": (
        LIF.from_beta(0.9),
        [2.7, 0, 0, 0, 0, 0],
        [1.7, 0.53, 0.477, 0.4293, 0.3864, 0.3477],
        "110000",
    ),
    "the step after a spike takes its input": (
        LIF.from_beta(0.9, reset=HARD),
        [1.2, 0.8, 0.8, 0.8, 0.8, 0.8],
        [0, 0.8, 0, 0.8, 0, 0.8],
        "101010",
    ),
    "Euler leak": (
        LIF(5, decay=euler, gain=current, reset=HARD),
        [1.5] * 10,
        [0.3, 0.54, 0.732, 0.8856, 0] * 2,
        "0000100001",
    ),
    "exponential leak": (
        LIF(5, gain=current, reset=HARD),
        [1.5] * 10,
        [0.2719, 0.4945, 0.6768, 0.826, 0.9482, 0, 0.2719, 0.4945, 0.6768, 0.826],
        "0000010000",
    ),
    "2D LIF, literal": (ALIF(HALF, math.inf), [1.2] * 8, [0, 1.2, 0, 1.2, 0, 1.2, 1.8, 0], "10101001"),
    "2D LIF": (ALIF(HALF, -1 / math.log(0.8)), [1.2] * 8, [0, 1.2, 0, 1.2, 0, 1.2, 0, 1.2], "10101010"),
    "2D LIF, subtracts its threshold of the moment": (
        ALIF(HALF, math.inf, reset=subtract),
        [1.3] * 6,
        [0.3, 0.15, 1.375, 0.3875, 1.49375, 0.146875],
        "110101",
    ),
    "2D LIF that neither leaks nor adapts": (ALIF(math.inf, jump=0.0, reset=subtract), UNTIED, KEPT, "01011111"),
    "IF": (IF(), UNTIED, KEPT, "01011111"),
    "IF, to 0, inclusive": (IF(fire=AT, reset=HARD), X, [0.9, 0, 0, 0, 0.6, 0, 0, 0], "01010100"),
}


@pytest.mark.parametrize(("n", "xs", "membrane", "train"), EXAMPLES.values(), ids=EXAMPLES)
def test_worked_example(n, xs, membrane, train):
    state, out = trace(n, xs)
    np.testing.assert_allclose(state.v, membrane, atol=6e-5)
    assert "".join("01"[int(s)] for s in out) == train


@pytest.mark.parametrize(
    ("tau", "threshold"),
    [
        (math.inf, [1.3, 1.3, 1.6, 1.6, 1.9, 1.9, 1.9, 2.2]),
        (-1 / math.log(0.8), [1.3, 1.24, 1.492, 1.3936, 1.6149, 1.4919, 1.6935, 1.5548]),
    ],
)
def test_threshold_of_the_2d_lif(tau, threshold):
    state, _ = trace(ALIF(HALF, tau), [1.2] * 8)
    np.testing.assert_allclose(1 + state.a, threshold, atol=6e-5)


@pytest.mark.parametrize(
    ("reset", "train", "gradient"),
    [
        (detached(subtract), [0, 1, 1, 0], [1.4037, 0.9870, 1.0687, 0.2426]),
        (subtract, [0, 1, 1, 0], [0.9422, 0.7137, 0.9538, 0.2426]),
        (detached(HARD), [0, 1, 0, 0], [1.1365, 0.4527, 1.3193, 0.8183]),
        (HARD, [0, 1, 0, 0], [0.9239, 0.1520, 0.9842, 0.8183]),
    ],
    ids=["subtract, detached", "subtract", "to 0, detached", "to 0"],
)
def test_gradient_through_the_reset(reset, train, gradient):
    n, xs = LIF.from_beta(0.5, reset=reset), jnp.asarray([0.9, 0.9, 0.9, 0.4])
    assert unroll(n, xs)[1].tolist() == train
    np.testing.assert_allclose(jax.grad(lambda xs: unroll(n, xs)[1].sum())(xs), gradient, atol=6e-5)


# ---- exact arithmetic ---------------------------------------------------------------------------------------------------------

# Multiples of 2^-8 at retentions of 1/2 and 3/4: every sum and product fits into float32, so not a bit may differ.
multiples = st.integers(-256, 256) | st.sampled_from([0, 127, 128, 129, 255, 256, 257, 512])
DYADIC = {
    "subtract": (LIF(2, decay=euler), 0.5, 1.0, False, False),
    "subtract, inclusive": (LIF(4, decay=euler, fire=AT), 0.75, 1.0, True, False),
    "to 0": (LIF(4, decay=euler, reset=detached(HARD)), 0.75, 1.0, False, True),
    "to 0, current, inclusive": (LIF(2, decay=euler, gain=current, fire=AT, reset=HARD), 0.5, 0.5, True, True),
    "parametric": (PLIF(), 0.5, 0.5, True, True),
    "IF": (IF(), 1.0, 1.0, False, False),
    "2D LIF at rest": (ALIF(2, decay=euler, jump=0.0), 0.5, 1.0, False, True),
}


@pytest.mark.parametrize(("n", "d", "g", "at", "hard"), DYADIC.values(), ids=DYADIC)
@given(whole=arrays(np.int16, (6, 4), elements=multiples))
def test_bit_exact(n, d, g, at, hard, whole):
    xs = whole / 256
    v, membranes, train = np.zeros(4), [], []
    for x in xs:
        v = d * v + g * x
        s = v >= 1 if at else v > 1
        v = np.where(s, 0, v) if hard else v - s
        membranes.append(v)
        train.append(s)
    state, out = trace(n, xs)
    np.testing.assert_array_equal(out, train)
    np.testing.assert_array_equal(state.v, membranes)


@pytest.mark.parametrize(("precision", "fires"), [("float32", 1), ("float64", 0)])
def test_ten_inputs_of_a_tenth_are_a_threshold_in_neither_precision(precision, fires):
    """The sum is 1.0000001 in one and 0.9999999999999999 in the other: only multiples of powers of 1/2 tell a tie."""
    with jax.enable_x64(precision == "float64"):
        n, xs = IF(reset=none), jnp.full(10, 0.1, precision)
        state, out = unroll(n, xs, n.init((), xs.dtype))
    assert out.dtype == precision and out.tolist() == [0] * 9 + [fires]
    assert str(state.v) == ("1.0000001" if fires else "0.9999999999999999")


# ---- closed forms -------------------------------------------------------------------------------------------------------------

SILENT = 1e9  # a threshold that is never reached


@pytest.mark.parametrize(
    ("n", "d", "g"),
    [
        (LIF(7.0, threshold=SILENT, dt=0.5, resistance=3.0), math.exp(-0.5 / 7), 3.0),
        (LIF(7.0, threshold=SILENT, dt=0.5, gain=current), math.exp(-0.5 / 7), 1 - math.exp(-0.5 / 7)),
        (LIF(7.0, threshold=SILENT, dt=0.5, decay=euler), 1 - 0.5 / 7, 1.0),
        (ALIF(7.0, threshold=SILENT), math.exp(-1 / 7), 1.0),
        (LI(7.0, dt=2.0), math.exp(-2 / 7), 1.0),
        (LI(7.0, resistance=3.0), math.exp(-1 / 7), 3.0),
        (IF(threshold=SILENT, resistance=0.5), 1.0, 0.5),
        (PLIF.from_tau(7.0, threshold=SILENT), 1 - 1 / 7, 1 / 7),
        (PLIF.from_tau(7.0, dt=0.5, threshold=SILENT), 1 - 0.5 / 7, 0.5 / 7),
    ],
    ids=lambda x: type(x).__name__ if dataclasses.is_dataclass(x) else "",
)
def test_silent_membrane_is_a_sum_of_decayed_inputs(n, d, g):
    xs = np.random.default_rng(0).normal(size=50)
    since = np.subtract.outer(np.arange(50), np.arange(50))
    expected = np.where(since >= 0, g * d ** np.maximum(since, 0.0), 0) @ xs
    np.testing.assert_allclose(trace(n, xs)[0].v, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("decay", [exponential, euler])
def test_constant_current_charges_to_rest_plus_resistance_times_current(decay):
    n = LIF(10.0, v_rest=-0.5, resistance=3.0, threshold=SILENT, gain=current, decay=decay)
    v = trace(n, np.full(300, 0.7))[0].v
    assert v[-1] == pytest.approx(-0.5 + 3 * 0.7, rel=1e-5)
    state, out = trace(n, np.zeros(50))  # and at rest it stays at rest
    np.testing.assert_allclose(state.v, -0.5, rtol=1e-6)
    assert not out.any()


def test_euler_converges_to_the_exact_membrane_with_first_order():
    steps = np.array([4, 2, 1, 0.5, 0.25])
    exact = 1 - math.exp(-20 / 10)
    errors = {}
    for decay in (euler, exponential):
        ends = [
            trace(LIF(10.0, threshold=SILENT, dt=dt, gain=current, decay=decay), np.ones(round(20 / dt)))[0].v[-1] for dt in steps
        ]
        errors[decay] = np.abs(np.array(ends) - exact)
    assert np.polyfit(np.log(steps), np.log(errors[euler]), 1)[0] == pytest.approx(1, abs=0.1)
    assert errors[exponential].max() < 1e-6


def test_rate_under_constant_current_converges_to_the_analytic_one_with_first_order():
    # Reset to rest, the membrane crosses after T* = tau ln(RI / (RI - threshold)); a spike comes at the first step after that.
    tau, resistance, threshold = 10.0, 2.0, 1.5
    drive = np.linspace(0.8, 1.6, 64)
    exact = tau * np.log(resistance * drive / (resistance * drive - threshold))
    steps = np.array([2, 1, 0.5, 0.25])
    errors = []
    for dt in steps:
        n = LIF(tau, resistance=resistance, threshold=threshold, dt=dt, gain=current, reset=HARD)
        out = np.asarray(trace(n, np.tile(drive, (round(70 / dt), 1)))[1])
        interval = np.array([np.diff(np.flatnonzero(train), prepend=-1) for train in out.T], object)
        assert all(len(set(i)) == 1 for i in interval), "the intervals of a constant drive are all alike"
        late = dt * np.array([i[0] for i in interval]) - exact
        assert late.min() > -1e-3 and late.max() < dt + 1e-3
        errors.append(late.mean())
    slope, offset = np.polyfit(np.log(steps), np.log(errors), 1)
    assert slope == pytest.approx(1, abs=0.1)
    assert math.exp(offset) == pytest.approx(0.5, abs=0.1)  # on average half a step late
    assert not trace(LIF(tau, resistance=resistance, threshold=threshold, gain=current), np.full(500, 0.74))[1].any()


@pytest.mark.parametrize("n", [LIF(5.0), ALIF(5.0, 20.0), LI(5.0), IF()], ids=lambda n: type(n).__name__)
def test_charges_mean_the_same_whatever_the_step(n):
    xs = np.random.default_rng(1).uniform(-0.5, 0.95, (40, 8))
    halves = np.stack([np.zeros_like(xs), xs], 1).reshape(80, 8)  # a charge arrives at the end of its step
    finer = n if isinstance(n, IF) else dataclasses.replace(n, dt=0.5)
    (state, out), (state_finer, out_finer) = trace(n, xs), trace(finer, halves)
    assert out.any()
    np.testing.assert_allclose(out, out_finer[1::2], rtol=1e-4, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[1::2], rtol=1e-4, atol=1e-5), state, state_finer)


@pytest.mark.parametrize(
    "n",
    [LIF(5.0, gain=current, threshold=SILENT), LI(5.0, gain=current), PLIF.from_tau(5.0, threshold=SILENT)],
    ids=lambda n: type(n).__name__,
)
def test_currents_mean_the_same_whatever_the_step(n):
    xs = np.random.default_rng(1).normal(size=(40, 8))
    state, finer = trace(n, xs)[0], trace(dataclasses.replace(n, dt=0.5), np.repeat(xs, 2, 0))[0]
    np.testing.assert_allclose(state.v, finer.v[1::2], rtol=1e-4, atol=1e-5)


def test_literal_threshold_only_rises():
    xs = np.random.default_rng(2).normal(0.5, 1, (200, 16))
    state, out = trace(ALIF(tau_threshold=math.inf, jump=0.25), xs)
    assert out.any()
    np.testing.assert_array_equal(np.diff(state.a, axis=0), 0.25 * out[1:])


# ---- other ways to say the same -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.001, 0.25, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("dt", [0.1, 1.0, 5.0])
def test_beta_is_what_a_step_retains(beta, dt):
    n = LIF.from_beta(beta, dt=dt, threshold=0.7)
    assert n.threshold == 0.7 and n.dt == dt
    assert n.decay(n.tau, n.dt) == pytest.approx(beta, rel=1e-6)


@pytest.mark.parametrize("beta", [0, 1, 1.5, -0.1, math.nan])
def test_beta_outside_its_range_is_refused(beta):
    with pytest.raises(ValueError, match=f"between 0 and 1; got {beta}"):
        LIF.from_beta(beta)


@pytest.mark.parametrize("decay", [exponential, euler])
@pytest.mark.parametrize("beta", [0.3, np.array([0.1, 0.5, 0.95]), jnp.array([0.1, 0.5, 0.95])], ids=["number", "NumPy", "JAX"])
def test_what_a_step_retains_is_retained_by_either_method_for_numbers_and_arrays(beta, decay):
    n = LIF.from_beta(beta, dt=0.5, decay=decay)
    synapse = Synaptic.from_alpha_beta(beta, 0.2 + beta / 2, dt=0.5, decay=decay)
    adaptive = AdLIF.from_alpha_beta(beta, 0.2 + beta / 2, 1.0, 1.0, dt=0.5, decay=decay)
    for m, tau, expected in (
        (n, n.tau, beta),
        (synapse, synapse.tau_syn, beta),
        (synapse, synapse.tau, 0.2 + beta / 2),
        (adaptive, adaptive.tau, beta),
        (adaptive, adaptive.tau_w, 0.2 + beta / 2),
    ):
        np.testing.assert_allclose(m.decay(tau, m.dt), expected, rtol=1e-5)
    np.testing.assert_allclose((1 - adaptive.decay(adaptive.tau_w, 0.5)) * adaptive.a, 1, rtol=1e-5)
    with pytest.raises(ValueError, match="beta cannot be told a time constant under decay="):
        LIF.from_beta(beta, decay=lambda tau, dt: exponential(tau, dt))


@pytest.mark.parametrize(("tau", "w"), [(2.0, 0.0), (4.0, -1.0986), (1.5, 0.6931)])
def test_w_of_a_time_constant(tau, w):
    assert PLIF.from_tau(tau).w == pytest.approx(w, abs=1e-4)


@pytest.mark.parametrize(("tau", "dt"), [(2.0, 1.0), (1000.0, 1.0), (1e6, 1.0), (2.0, 0.25), (50.0, 7.0)])
def test_leak_of_a_time_constant(tau, dt):
    n = PLIF.from_tau(tau, dt=dt, threshold=SILENT)
    assert trace(n, np.ones(1))[0].v[0] == pytest.approx(dt / tau, rel=1e-6)


def test_derivative_by_w():
    v, x, w, rest = np.float32(0.3), jnp.float32(0.8), 0.4, -0.2
    leak = 1 / (1 + math.exp(-w))
    by_w = jax.grad(lambda w: PLIF(w=w, v_rest=rest).step(PLIFState(jnp.float32(v)), x)[0].v)(w)
    assert by_w == pytest.approx(float(x - (v - rest)) * leak * (1 - leak), rel=1e-5)


@pytest.mark.parametrize(("tau", "dt"), [(1.0, 1.0), (0.5, 1.0), (2.0, 2.0), (math.nan, 1.0)])
def test_time_constant_within_a_step_is_refused(tau, dt):
    with pytest.raises(ValueError, match=f"tau={tau} ms, dt={dt} ms"):
        PLIF.from_tau(tau, dt=dt)


@pytest.mark.parametrize("cls", [LIF, LI, ALIF])
@pytest.mark.parametrize("short", [0.5, np.float32(0.5), np.array([3.0, 0.5]), jnp.array([3.0, 0.5])])
def test_euler_refuses_steps_longer_than_the_time_constant(cls, short):
    for name in ("tau", "tau_threshold") if cls is ALIF else ("tau",):
        said = rf"{cls.__name__}\.{name} must be dt or longer under decay=euler.*dt=1.0 ms: take shorter steps"
        with pytest.raises(ValueError, match=said):
            cls(**{name: short}, decay=euler)
        cls(**{name: short})  # exponential takes any
        cls(**{name: short}, dt=0.5, decay=euler)
    with pytest.raises(ValueError, match="under decay=euler"):
        dataclasses.replace(cls(tau=2.0, decay=euler), dt=3.0)  # a network that was trained at another bin width


def test_euler_at_the_border_and_under_tracing():
    n = LI(tau=np.float32(0.7), dt=0.7, decay=euler)  # of which one is rounded
    np.testing.assert_allclose(unroll(n, jnp.ones((4, 1)))[1], 1.0)  # nothing is retained
    out = jax.jit(lambda tau: unroll(LI(tau=tau, decay=euler), jnp.ones((3, 1)))[1])(0.5)
    np.testing.assert_allclose(out[:, 0], [1, 0, 1])  # 1 - dt/tau = -1: not looked at, as it is said


# ---- what `@neuron` makes -----------------------------------------------------------------------------------------------------


@registered
def test_parameters_that_must_be_positive_are_refused_otherwise(cls):
    for name in positive_fields(cls):
        for value in (0, -1.0, math.nan, np.float32(-2), np.array([1.0, 0.0]), jnp.array([3.0, -1.0])):
            with pytest.raises(ValueError, match=rf"{cls.__name__}\.{name} must be positive"):
                cls(**{name: value})
        cls(**{name: getattr(cls(), name) * np.array([0.5, 1.0])})
    if "tau" in inspect.signature(cls).parameters:
        assert {"tau", "dt"} <= set(positive_fields(cls))


@registered
def test_a_neuron_is_frozen_and_starts_at_rest(cls):
    n = cls()
    with pytest.raises(dataclasses.FrozenInstanceError):
        n.threshold = 2.0
    state = n.init((3, 4), jnp.float32)
    assert isinstance(state, tuple) and hasattr(state, "_fields")
    leaves = jax.tree.leaves(state)
    assert all(leaf.shape == (3, 4) and leaf.dtype == jnp.float32 for leaf in leaves)
    after, out = n.step(state, jnp.zeros((3, 4)))
    assert not out.any()  # and there it stays; an upswing is exp(-8) or less at rest, not 0
    if cls is not GLIF:  # which counts its steps, and leaks at a constant rate
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4), after, state)
    assert isinstance(Outputs.of(n), Outputs)


@registered
def test_a_tree_of_gradients_or_axes_has_the_form_of_a_neuron(cls):
    n = jax.tree.map(lambda v: jnp.float32(v), cls())
    xs = testing.driving(n)
    gradients = jax.grad(lambda n: -sum(leaf.sum() for leaf in jax.tree.leaves(unroll(n, xs)[0])))(n)
    below = jax.tree.map(lambda g: -jnp.abs(g), gradients)  # where no constructor would take it
    assert isinstance(gradients, cls) and isinstance(below, cls)
    assert any(g < 0 for g in jax.tree.leaves(jax.device_get(below)))
    axes = jax.tree.map(lambda v: 0, n)
    two = jax.tree.map(lambda v: jnp.stack([v, 1.2 * v]), n)
    together = jax.vmap(lambda n, xs: unroll(n, xs)[1], in_axes=(axes, None))(two, xs)
    np.testing.assert_allclose(together[0], unroll(n, xs)[1], rtol=1e-5, atol=1e-6)
    names = [jax.tree_util.keystr(path).rpartition(".")[2] for path, _ in jax.tree_util.tree_leaves_with_path(n)]
    assert names == list(named(n))


def test_rest_that_does_not_fit_the_neurons_is_refused():
    for cls in (LIF, PLIF):
        assert cls(v_rest=jnp.array([0.1, -0.2])).init((3, 2)).v.tolist() == [pytest.approx([0.1, -0.2])] * 3
        with pytest.raises(ValueError, match=r"(?i)incompatible"):
            cls(v_rest=jnp.zeros(4)).init((3, 1))


@pytest.fixture
def own_registry(monkeypatch):
    """Neurons defined in a test are forgotten after it."""
    monkeypatch.setattr(_base, "NEURONS", dict(NEURONS))
    return _base.NEURONS


def test_a_class_that_is_no_neuron_is_refused(own_registry):
    with pytest.raises(TypeError, match="Half lacks step"):

        @neuron
        class Half:
            def init(self, shape, dtype=jnp.float32): ...

    with pytest.raises(TypeError, match="Empty lacks init and step"):
        neuron(type("Empty", (), {}))
    assert own_registry == NEURONS


def test_a_name_belongs_to_one_class(own_registry):
    def define(module):
        body = {"init": LIF.init, "step": LIF.step, "__module__": module, "__qualname__": "Mine"}
        return neuron(type("Mine", (), body))

    define("here")
    again = define("here")  # as a notebook does, when a cell is run twice
    assert own_registry["Mine"] is again and Outputs.of(again()) is Outputs.BINARY
    with pytest.raises(ValueError, match=r"the name Mine is taken by here\.Mine"):
        define("elsewhere")
    with pytest.raises(ValueError, match=r"LIF is taken by mxsnn\.neurons\.lif\.LIF"):
        neuron(type("LIF", (), {"init": LIF.init, "step": LIF.step}))


class Membrane(NamedTuple):
    v: jax.Array


def test_a_neuron_in_under_15_lines_that_trains(own_registry):
    @neuron
    class Quadratic:
        tau: float = positive(5.0)
        critical: float = 0.5
        fire: Fire = given_function(default=atan())

        def init(self, shape, dtype=jnp.float32):
            return Membrane(jnp.zeros(shape, dtype))

        def step(self, state, x):
            v = state.v + (x + state.v * (state.v - self.critical)) / self.tau
            s = self.fire(v - 1)
            return Membrane((1 - s) * v), s

    assert len([line for line in inspect.getsource(Quadratic).splitlines() if line.strip()]) < 15
    testing.check(Quadratic())

    xs = jnp.asarray(np.random.default_rng(0).uniform(0, 2, (50, 1, 8)), jnp.float32)

    @jax.jit
    def loss(n, weight):
        return jnp.mean((unroll(n, weight * xs)[1].mean(0) - 0.3) ** 2)

    arguments = Quadratic(), 1.0
    first = loss(*arguments)
    for _ in range(40):
        arguments = jax.tree.map(lambda p, g: p - 2.0 * g, arguments, jax.grad(loss, argnums=(0, 1))(*arguments))
    assert loss(*arguments) < 0.1 * first
    assert arguments[0].tau != 5 and arguments[0].critical != 0.5


def test_recorded_shows_the_state_beside_the_output():
    n, xs = LIF(), testing.inputs()
    (states, out), state = trace(n, xs), unroll(n, xs)[0]
    assert isinstance(states, LIFState) and states.v.shape == xs.shape
    np.testing.assert_allclose(states.v[-1], state.v, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out, unroll(n, xs)[1])
