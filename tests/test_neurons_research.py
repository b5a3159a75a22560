"""KLIF, GLIF, CLIF, integer and ternary LIF: worked examples, recursions in double precision, and what their limits are."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mxsnn import unroll
from mxsnn.discrete import current, euler
from mxsnn.neurons import CLIF, GLIF, IF, KLIF, LIF, IntegerLIF, Outputs, Recorded, TernaryLIF, levels, undone_scale
from mxsnn.nn import Spiking
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.surrogate import atan, boxcar, inclusive

HARD, AT = to_value(0.0), inclusive(atan())
QUARTER = -1 / math.log(0.25)  # the time constant of which a step of 1 ms retains a quarter
SILENT = 1e9  # a threshold that is never reached


@jax.jit
def trace(n, xs, state=None):
    """State and output of every step: arrays [T, ...]."""
    recorded: Any = unroll(Recorded(n), jnp.asarray(xs, jnp.float32), state)[1]
    return recorded


def drive(seed, shape=(60, 8), mean=0.4, spread=0.8):
    return np.random.default_rng(seed).normal(mean, spread, shape)


def equal_but_at_the_threshold(n, xs, spikes, membrane, distance, threshold=1.0):
    """A neuron has the spikes and membranes of a recursion in float64, whose membranes before the test keep their distance."""
    clear = (np.abs(distance - threshold) > 1e-3).all(0)
    assert clear.mean() > 0.5 and np.any(spikes[:, clear])
    state, out = trace(n, xs)
    np.testing.assert_array_equal(out[:, clear], spikes[:, clear])
    np.testing.assert_allclose(state.v[:, clear], membrane[:, clear], rtol=1e-4, atol=1e-4)


# ---- worked examples ----------------------------------------------------------------------------------------------------------

KLIFED = KLIF(1.5, 2.0, fire=AT, gain=current, decay=euler)
TERNARY = TernaryLIF(2.0, fire=AT, gain=current, decay=euler)
INPUT = [3, -1, -4, -2, 0, 2]
COUNTED = [0.5, 0.5, 1.4, 2.5, 6, -1, 0]
EXAMPLES = {
    "KLIF": (KLIFED, [0.8] * 4, [0.6, 0, 0.6, 0], [0, 1, 0, 1]),
    "KLIF, scale undone": (dataclasses.replace(KLIFED, undo=undone_scale), [0.8] * 4, [0.4, 0.6, 0, 0.4], [0, 0, 1, 0]),
    "CLIF": (
        CLIF(fire=inclusive(boxcar()), decay=euler),
        [0.8] * 6,
        [0.8, -0.5311, 0.5345, -0.728, 0.436, -0.795],
        [0, 1, 0, 1, 0, 1],
    ),
    "integer": (
        IntegerLIF(4 / 3, decay=euler),
        COUNTED,
        [0.5, -0.375, 0.3062, -0.4234, 1.8941, -0.5265, -0.1316],
        [0, 1, 1, 3, 4, 0, 0],
    ),
    "ternary": (TERNARY, INPUT, [0.5, -0.25, -1.125, -0.5625, -0.2812, 0.8594], [1, 0, -1, -1, 0, 0]),
    "ternary, to 0": (dataclasses.replace(TERNARY, reset=HARD), INPUT, [0, -0.5, 0, 0, 0, 0], [1, 0, -1, -1, 0, 1]),
    "ternary, to another value": (
        dataclasses.replace(TERNARY, reset=to_value(-0.5)),
        INPUT,
        [-0.5, -0.75, -0.5, -0.5, -0.25, 0.875],
        [1, 0, -1, -1, 0, 0],
    ),
    "ternary IF": (TernaryLIF(math.inf), [0.75, 0.75, -1.75, -1, 0.25], [0.75, 0.5, -0.25, -0.25, 0], [0, 1, -1, -1, 0]),
}


@pytest.mark.parametrize(("n", "xs", "membrane", "train"), EXAMPLES.values(), ids=EXAMPLES)
def test_worked_example(n, xs, membrane, train):
    state, out = trace(n, xs)
    np.testing.assert_allclose(state.v, membrane, atol=6e-5)
    assert out.tolist() == train


def test_complementary_potential_of_the_example():
    m = trace(CLIF(decay=euler), [0.8] * 6)[0].m
    np.testing.assert_allclose(m, [0, 1, 0.5664, 1.357, 0.7522, 1.4698], atol=6e-5)


@pytest.mark.parametrize(("name", "charged"), [("KLIF", [0.6, 1.05, 0.6, 1.05]), ("KLIF, scale undone", [0.6, 0.9, 1.05, 0.6])])
def test_scaled_membrane_of_the_example_before_its_reset(name, charged):
    n, xs, _, _ = EXAMPLES[name]
    v = np.append(0, trace(n, xs)[0].v[:-1])
    kept = dataclasses.replace(n, reset=none, undo=KLIF().undo)  # what a reset would find
    np.testing.assert_allclose(kept.step(n.init((4,))._replace(v=v), jnp.asarray(xs))[0].v, charged, atol=6e-5)


def test_gated_example():
    n = GLIF(tau=QUARTER, leak=0.5 / 12, jump=0.5, threshold=0.5, fire=AT)  # all gates, and c, are 1/2
    charged, k = np.array([0.3542, 0.5755, 0.284, 0.5317, 0.2703, 0.5231]), 1 - 0.5 * 0.75
    state, out = trace(n, [0.5] * 6)
    assert out.tolist() == [0, 1, 0, 1, 0, 1]
    np.testing.assert_allclose(state.v, k * (1 - 0.5 * out) * charged - 0.25 * out, atol=6e-5)
    np.testing.assert_array_equal(state.t, np.arange(1, 7))


# ---- recursions in double precision -------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


@settings(max_examples=10)
@given(seed=st.integers(0, 99), k=st.floats(0.5, 1.1), tau=st.floats(2, 40), undone=st.booleans(), soft=st.booleans())
def test_klif_is_its_recursion(seed, k, tau, undone, soft):
    xs, d, v = drive(seed), math.exp(-1 / tau), np.zeros(8)
    charged, spikes, membrane = [], [], []
    for x in xs:
        f = np.maximum(k * (d * v + x), 0)
        s = f > 1
        v = f - s if soft else np.where(s, 0, f)
        v = v / k if undone else v
        charged.append(f), spikes.append(s), membrane.append(v)
    functions = {"undo": undone_scale} if undone else {}
    n = KLIF(k, tau, reset=subtract if soft else HARD, **functions)
    equal_but_at_the_threshold(n, xs, np.array(spikes), np.array(membrane), np.array(charged))


@settings(max_examples=10)
@given(seed=st.integers(0, 99), tau=st.floats(1.5, 10), dt=st.sampled_from([0.5, 1.0]))
def test_clif_is_its_recursion(seed, tau, dt):
    xs, d, v, m = drive(seed), 1 - dt / tau, np.zeros(8), np.zeros(8)
    charged, spikes, membrane = [], [], []
    for x in xs:
        h = d * v + x
        m = m * sigmoid(h / tau) ** dt
        s = h > 1
        m = m + s
        v = h - s * (1 + sigmoid(m))
        charged.append(h), spikes.append(s), membrane.append(v)
    n = CLIF(tau, dt=dt, decay=euler)
    equal_but_at_the_threshold(n, xs, np.array(spikes), np.array(membrane), np.array(charged))


@settings(max_examples=10)
@given(seed=st.integers(0, 99), logits=st.tuples(*[st.floats(-3, 3)] * 3), dt=st.sampled_from([0.5, 1.0]))
def test_glif_resets_one_step_later_as_its_paper_writes_it(seed, logits, dt):
    """V[t] = k V[t-1] - (1-a) leak + x (1 - b (1 - c)) - k V[t-1] g S[t-1] - (1-g) jump S[t-1]."""
    (a, b, g), conductance = sigmoid(logits), drive(seed + 100, (60,), 0.0)
    xs, k, c = drive(seed, mean=0.9), 1 - sigmoid(logits[0]) * (1 - math.exp(-dt / 5)), sigmoid(conductance)
    v, s, charged, spikes, left = np.zeros(8), np.zeros(8), [], [], []
    for t, x in enumerate(xs):
        v = k * v - (1 - a) * 0.03 * dt + x * (1 - b * (1 - c[t])) - k * v * g * s - (1 - g) * 0.8 * s
        s = (v > 1).astype(float)
        charged.append(v), spikes.append(s), left.append(k * v * (1 - g * s) - (1 - g) * 0.8 * s)
    n = GLIF(*logits, jnp.asarray(conductance, jnp.float32), 5.0, 0.03, 0.8, dt=dt)
    equal_but_at_the_threshold(n, xs, np.array(spikes), np.array(left), np.array(charged))


# ---- KLIF ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reset", [subtract, HARD], ids=["subtract", "to 0"])
def test_klif_of_scale_one_is_lif_while_the_membrane_is_not_negative(reset):
    xs = np.abs(drive(0))
    (one, a), (other, b) = trace(KLIF(1.0, reset=reset), xs), trace(LIF(reset=reset), xs)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(one.v, other.v, rtol=1e-5, atol=1e-6)
    assert trace(KLIF(), [-1.0, -2.0])[0].v.tolist() == [0, 0]  # what LIF does not do


def test_scale_undone_moves_the_threshold():
    xs = np.abs(drive(1))
    a, b = trace(KLIF(1.6, reset=subtract, undo=undone_scale), xs), trace(LIF(threshold=1 / 1.6), xs)
    np.testing.assert_array_equal(a[1], b[1])
    np.testing.assert_allclose(a[0].v, b[0].v, rtol=1e-4, atol=1e-5)


def test_kept_scale_multiplies_the_membrane_in_each_step():
    d = math.exp(-1 / 20)
    v = trace(KLIF(1.2, threshold=SILENT), [1.0] + [0.0] * 20)[0].v
    np.testing.assert_allclose(v, 1.2 * (1.2 * d) ** np.arange(21), rtol=1e-5)


@pytest.mark.parametrize("k", [0.5, 1.0, 3.0])
def test_scale_sets_slope_and_width_of_the_surrogate(k):
    n = KLIF(k, gain=current, decay=euler, tau=1.0)
    by_x = jax.vmap(jax.grad(lambda x: n.step(n.init(()), x)[1]))(x := jnp.linspace(0.01, 2, 50))
    np.testing.assert_allclose(by_x, k * atan().slope(k * x - 1, alpha=2.0), rtol=1e-5)


# ---- CLIF ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [0.25, 1.0, 2.0])
def test_complementary_potential_halves_in_a_millisecond_at_rest(dt):
    n = CLIF(5.0, dt=dt)
    start = n.init(())._replace(m=jnp.float32(3.0))
    m = trace(n, np.zeros(8), start)[0].m
    np.testing.assert_allclose(m, 3.0 * 0.5 ** (dt * np.arange(1, 9)), rtol=1e-5)


def test_reset_is_deeper_the_more_spikes_there_were_and_by_one_more_at_most():
    n, x = CLIF(), jnp.full((40,), 5.0)
    state, out = trace(n, x)
    fell = math.exp(-0.5) * np.concatenate([[0], state.v[:-1]]) + 5.0 - state.v  # what a spike took
    assert out.all() and np.all(np.diff(state.m[:5]) > 0)
    np.testing.assert_allclose(fell, 1 + sigmoid(state.m), rtol=1e-5)
    assert 1.5 < fell.min() < fell.max() <= 2


def test_a_spike_is_felt_by_a_later_one_through_the_silence_between():
    def second(kick):  # the second spike's membrane, by how much the first one is felt in m
        n = CLIF(2.0)
        start = n.init(())._replace(m=kick)
        return trace(n, [0, 0, 0, 0, 3.0], start)[0].v[-1]

    kept = 0.5**4 * sigmoid(3 / 2)  # at rest m halves; in the last step sigmoid(v/tau) of it is left
    m = kept + 1
    assert jax.grad(second)(1.0) == pytest.approx(-kept * sigmoid(m) * (1 - sigmoid(m)), rel=1e-4)


# ---- GLIF ---------------------------------------------------------------------------------------------------------------------

OPEN, SHUT = 40.0, -40.0  # logits of a gate that is 1, and 0


def test_gates_at_their_ends_are_the_neurons_that_it_unifies():
    xs, d = drive(2), math.exp(-1 / 20)
    leaking = {"alpha": OPEN, "beta": SHUT}
    soft, hard = GLIF(**leaking, gamma=SHUT, jump=d), GLIF(**leaking, gamma=OPEN)
    for n, lif in ((soft, LIF()), (hard, LIF(reset=HARD))):
        (one, a), (other, b) = trace(n, xs), trace(lif, xs)
        assert a.any()
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(one.v, d * other.v, rtol=1e-4, atol=1e-5)  # its leak is part of its step
    linear = GLIF(SHUT, SHUT, SHUT, leak=0.1)
    (one, a), (other, b) = trace(linear, xs), trace(IF(), xs - 0.1)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(one.v, other.v, rtol=1e-4, atol=1e-4)
    weighed = trace(dataclasses.replace(hard, beta=OPEN, conductance=0.7), xs)[1]
    np.testing.assert_array_equal(weighed, trace(LIF(reset=HARD), sigmoid(0.7) * xs)[1])


def test_gates_instead_of_their_logits():
    n = GLIF.from_gates(0.5, 0.25, 0.8, 0.9, tau=5.0)
    assert n.alpha == 0 and n.beta == pytest.approx(-math.log(3)) and n.tau == 5
    np.testing.assert_allclose(sigmoid([n.gamma, n.conductance]), [0.8, 0.9])
    for name in ("alpha", "beta", "gamma", "conductance"):
        for gate in (0.0, 1.0, -0.1, math.nan):
            with pytest.raises(ValueError, match=f"{name} must lie between 0 and 1, got {gate}"):
                GLIF.from_gates(**{name: gate})


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 5), (6, 2, 1, 5)], ids=str)
def test_inputs_weigh_by_their_step(shape):
    conductance, xs = drive(3, shape), drive(4, (9, 2, 3, 5))
    n = GLIF(OPEN, OPEN, SHUT, jnp.asarray(conductance, jnp.float32), threshold=SILENT)
    late = np.concatenate([conductance, np.repeat(conductance[-1:], 3, 0)])  # what is last is kept
    weights = sigmoid(late).reshape(9, *[1] * (4 - len(shape)), *shape[1:])
    np.testing.assert_allclose(
        trace(n, xs)[0].v,
        math.exp(-1 / 20) * np.asarray(trace(LIF(threshold=SILENT), weights * xs)[0].v),
        rtol=1e-4,
        atol=1e-5,
    )


def test_each_step_has_its_own_gradient():
    def last(conductance, xs):
        return unroll(GLIF(OPEN, OPEN, SHUT, conductance, threshold=SILENT), xs)[0].v

    xs, conductance = jnp.asarray(drive(5, (5,)), jnp.float32), jnp.asarray(drive(6, (8,)), jnp.float32)
    d, c = math.exp(-1 / 20), sigmoid(conductance)
    expected = np.zeros(8)
    expected[:5] = d ** np.arange(5, 0, -1) * xs * (c * (1 - c))[:5]
    np.testing.assert_allclose(jax.grad(last)(conductance, xs), expected, rtol=1e-4, atol=1e-7)


def test_steps_are_learned_one_by_one():
    layer = Spiking(GLIF(conductance=jnp.zeros((4, 3))), learn=("conductance", "alpha", "tau"))
    assert layer.learned["conductance"].shape == (4, 3)
    state, out = layer(jnp.asarray(drive(7, (6, 2, 3)), jnp.float32))
    assert out.shape == (6, 2, 3) and np.all(state.t == 6)


# ---- integers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 4, 8])
def test_slope_is_one_within_the_levels_and_zero_beyond(most):
    u = jnp.array([-2.0, -1e-3, 0.0, 0.3, 0.5, most - 0.5, most, most + 1e-3, 99.0])
    by_u = jax.vmap(jax.grad(levels(most)))(u)
    assert by_u.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]


@given(u=arrays(np.float32, 20, elements=st.floats(-9, 99, width=32)), most=st.integers(1, 9))
def test_counts_are_rounded_half_to_even_and_clipped(u, most):
    count = np.asarray(levels(most)(jnp.asarray(u)))
    np.testing.assert_array_equal(count, np.round(np.clip(u, 0, most)))
    assert count in Outputs.INTEGER


def test_a_threshold_scales_what_is_counted():
    xs = drive(8, mean=1.0, spread=2.0)
    (one, a), (other, b) = trace(IntegerLIF(threshold=0.5), 0.5 * xs), trace(IntegerLIF(), xs)
    assert a.max() == 4 and a.min() == 0
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(2 * one.v, other.v, rtol=1e-5, atol=1e-5)


@settings(max_examples=20)
@given(v=arrays(np.float32, 16, elements=st.floats(-2, 8, width=16)), most=st.sampled_from([1, 4]))
def test_a_count_is_as_many_binary_steps(v, most):
    """For inference: a neuron charged with v fires as often in D steps without input, and a layer behind it adds up the same."""
    assume(np.all(np.abs(v % 1 - 0.5) > 1e-3))  # ties go down there, to even here
    n = IF(threshold=0.5, reset=lambda v, s, threshold: v - 2 * threshold * s)
    out = trace(n, np.concatenate([v[None], np.zeros((most - 1, 16))]))[1]
    count = levels(most)(jnp.asarray(v))
    np.testing.assert_array_equal(out.sum(0), count)
    weights = np.random.default_rng(0).integers(-9, 9, (16, 5))
    np.testing.assert_array_equal((out @ weights).sum(0), count @ weights)


def test_the_membrane_keeps_what_was_rounded_off():
    xs = np.clip(drive(9, mean=1.5), 0, 3)
    state, out = trace(IntegerLIF(math.inf, count=levels(99)), xs)
    np.testing.assert_allclose(out.sum(0) + state.v[-1], xs.sum(0), rtol=1e-5)
    assert np.abs(state.v).max() <= 0.5 + 1e-4


# ---- signs --------------------------------------------------------------------------------------------------------------------


@given(
    xs=arrays(np.float32, (6, 4), elements=st.floats(-3, 3, width=32)),
    reset=st.sampled_from([subtract, HARD, detached(subtract), none]),
    tau=st.sampled_from([2.0, math.inf]),
    fire=st.sampled_from([atan(), AT]),
)
def test_mirrored_inputs_give_the_mirrored_train_to_the_bit(xs, reset, tau, fire):
    n = TernaryLIF(tau, fire=fire, reset=reset)
    (one, a), (other, b) = trace(n, xs), trace(n, -xs)
    np.testing.assert_array_equal(a, -b)
    np.testing.assert_array_equal(one.v, -other.v)


@pytest.mark.parametrize("reset", [subtract, HARD], ids=["subtract", "to 0"])
def test_gradients_are_those_of_the_mirror_image(reset):
    xs, weights = jnp.asarray(drive(10, mean=0.2), jnp.float32), jnp.asarray(drive(11), jnp.float32)
    by_xs = jax.jit(jax.grad(lambda xs: (weights * unroll(TernaryLIF(5.0, reset=reset), xs)[1]).sum()))
    np.testing.assert_allclose(by_xs(xs), by_xs(-xs), rtol=1e-4, atol=1e-5)


def test_inputs_that_are_not_negative_make_it_a_lif():
    xs = np.abs(drive(12))
    for reset in (HARD, to_value(0.25)):
        (one, a), (other, b) = trace(TernaryLIF(5.0, reset=reset), xs), trace(LIF(5.0, reset=reset), xs)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(one.v, other.v, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("r", [None, 0.0, -0.3], ids=["subtract", "to 0", "to another value"])
def test_reset_by_either_spike_with_the_gradient_of_both(r):
    """V = H - threshold (p - n), or (1 - (p + n)) H + (p + n) r: the slopes of both spikes count at every membrane."""
    fire = atan(0.5)  # wide, so that the far threshold is felt, too

    def after(h):
        p, n = fire(h - 1), fire(-h - 1)
        return h - (p - n) if r is None else (1 - (p + n)) * h + (p + n) * r

    n = TernaryLIF(fire=fire, reset=subtract if r is None else to_value(r))
    rest, h = n.init(()), jnp.linspace(-2.5, 2.5, 41)
    got, by_h = jax.vmap(jax.value_and_grad(lambda x: n.step(rest, x)[0].v))(h)
    expected, expected_by_h = jax.vmap(jax.value_and_grad(after))(h)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(by_h, expected_by_h, rtol=1e-5, atol=1e-6)


def test_what_they_declare():
    assert [Outputs.of(n) for n in (KLIF(), GLIF(), CLIF())] == [Outputs.BINARY] * 3
    assert Outputs.of(IntegerLIF()) is Outputs.INTEGER and Outputs.of(TernaryLIF()) is Outputs.TERNARY
    assert {-1.0, 0.0, 1.0} == set(np.unique(trace(TernaryLIF(), drive(13, mean=0.0))[1]))
    assert IntegerLIF(reset=none).affine and TernaryLIF(reset=none).affine
    assert not (IntegerLIF().affine or TernaryLIF().affine)
