"""Resonate-and-fire and balanced RF: worked examples, the resonance, the damping, and where Euler's method diverges."""

from __future__ import annotations

import cmath
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mxsnn import unroll
from mxsnn.discrete import current, euler
from mxsnn.neurons import BRF, IF, RF, Recorded, imaginary, real
from mxsnn.neurons.brf import boundary
from mxsnn.reset import none, subtract, to_value
from mxsnn.surrogate import atan, inclusive

HARD, AT = to_value(0.0), inclusive(atan())
SILENT = 1e9  # a threshold that is never reached


@jax.jit
def trace(n, xs, state=None):
    """State and output of every step: arrays [T, ...]."""
    recorded: Any = unroll(Recorded(n), jnp.asarray(xs, jnp.float32), state)[1]
    return recorded


def turning(state):
    return np.asarray(state.u, np.complex128) + 1j * np.asarray(state.v, np.complex128)


def amplitudes(n, frequencies, dt, steps=4000, last=1000):
    """How far u swings at last under inputs cos(frequency t), one neuron a frequency (rad/ms)."""
    xs = np.cos(np.outer(dt * np.arange(steps), frequencies))
    u = np.asarray(trace(n, xs)[0].u)[-last:]
    turn = np.exp(-1j * np.outer(dt * np.arange(steps - last, steps), frequencies))
    return np.abs(2 * (u * turn).mean(0))


def response(frequencies, dt, factor, gain):
    """|U/X| of u = Re z, z = factor z[t-1] + gain x, for a complex factor: (1 - Re(f) q) / (1 - 2 Re(f) q + |f|^2 q^2)."""
    q = np.exp(-1j * dt * np.asarray(frequencies))
    return np.abs(gain * (1 - factor.real * q) / (1 - 2 * factor.real * q + abs(factor) ** 2 * q**2))


# ---- worked examples ----------------------------------------------------------------------------------------------------------

KICK = [1.5, 0, 0, 0, 0, 0]
KICKED = {
    "SpikingJelly": (
        RF(1.0, 5.0, part=imaginary, reset_v=HARD, fire=AT),
        [1.5, 0.6635, 0.2935, -0.1851],
        [0, 0, 0.4571, 0.4044],
        "010000",
    ),
    "spyx": (RF(1.0, 5.0), [1.5, 0.6635, -0.4184, -0.815, -0.4406, 0.1565], [0, 1.0334, 0.9143, 0.1162], "100000"),
    "both parts reset, from the real one": (
        RF(1.0, 5.0, reset_u=subtract, reset_v=HARD),
        [0.5, 0.2212, -0.1395, -0.2717],
        [0, 0.3445, 0.3048, 0.0387],
        "100000",
    ),
}


@pytest.mark.parametrize(("n", "u", "v", "train"), KICKED.values(), ids=KICKED)
def test_worked_example(n, u, v, train):
    state, out = trace(n, KICK)
    np.testing.assert_allclose(state.u[: len(u)], u, atol=6e-5)
    np.testing.assert_allclose(state.v[: len(v)], v, atol=6e-5)
    assert "".join("01"[int(s)] for s in out) == train


def test_balanced_example():
    n = BRF(10.0, 1.0, friction=1.0, tau_q=-0.01 / math.log(0.9), dt=0.01)  # in the paper's unit of time
    assert boundary(10.0, 0.01) == pytest.approx(-0.5013, abs=6e-5)
    state, out = trace(n, [60, 60, 0, 0, 0])
    np.testing.assert_allclose(state.u, [0.6, 1.191, 1.1552, 1.1097, 1.0552], atol=6e-5)
    np.testing.assert_allclose(state.v, [0, 0.06, 0.1776, 0.2889, 0.3931], atol=6e-5)
    np.testing.assert_allclose(state.q, [0, 1, 0.9, 0.81, 0.729], atol=6e-5)
    assert out.tolist() == [0, 1, 0, 0, 0]


# ---- the oscillation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("omega", "tau", "dt"), [(0.1, 20.0, 1.0), (1.0, 5.0, 1.0), (-0.3, 50.0, 0.25), (0.0, 10.0, 1.0)])
def test_a_kick_turns_and_fades(omega, tau, dt):
    state, _ = trace(RF(omega, tau, dt=dt, threshold=SILENT), [1.0] + [0.0] * 99)
    z = np.exp((-1 / tau + 1j * omega) * dt * np.arange(100))
    np.testing.assert_allclose(turning(state), z, atol=1e-5)


@settings(max_examples=10)
@given(tau=st.floats(5, 100), omega=st.floats(0.05, 1.5))
def test_damping_rate_is_one_over_tau(tau, omega):
    state, _ = trace(RF(omega, tau, threshold=SILENT), [1.0] + [0.0] * 49)
    slope = np.polyfit(np.arange(50.0), np.log(np.abs(turning(state))), 1)[0]
    assert slope == pytest.approx(-1 / tau, rel=1e-3)


@pytest.mark.parametrize(("omega", "dt"), [(0.1, 1.0), (0.5, 1.0), (0.3, 0.5)])
def test_resonance_lies_at_omega(omega, dt):
    frequencies = omega * np.linspace(0.5, 1.5, 101)
    swing = amplitudes(RF(omega, 200.0, dt=dt, threshold=SILENT), frequencies, dt)
    exact = response(frequencies, dt, cmath.exp((-1 / 200 + 1j * omega) * dt), 1.0)
    np.testing.assert_allclose(swing, exact, rtol=0.05)  # what is left of the beginning, and of other phases
    assert frequencies[np.argmax(swing)] == pytest.approx(omega, rel=0.011)
    assert swing.max() == pytest.approx(1 / (2 * (1 - math.exp(-dt / 200))), rel=0.05)


def test_two_kicks_fire_in_the_rhythm_and_not_against_it():
    n, period = RF(2 * math.pi / 20, 100.0), 20  # ms
    gaps = np.arange(2, 41)
    xs = np.zeros((60, len(gaps)))
    xs[0] = xs[gaps, np.arange(len(gaps))] = 0.7
    fired = np.asarray(trace(n, xs)[1])[gaps, np.arange(len(gaps))] == 1  # by the second kick
    turn = 0.7 * np.exp(-gaps / 100) * np.cos(2 * math.pi * gaps / period) + 0.7 > 1
    np.testing.assert_array_equal(fired, turn)
    assert fired[gaps == period] and fired[gaps == 2 * period] and not fired[gaps == period // 2]
    assert np.asarray(trace(IF(), xs)[1]).any(0).all()  # to an integrator the gap is all one


@pytest.mark.parametrize(
    "n",
    [RF(0.3, 10.0), RF(0.3, 10.0, part=imaginary, reset_u=HARD, reset_v=to_value(1.0))],
    ids=["from u", "from v, to i"],
)
def test_charges_mean_the_same_whatever_the_step(n):
    xs = np.random.default_rng(0).normal(0, 1.2, (60, 16)) * (np.arange(60) % 6 == 0)[:, None]
    whole, out = trace(n, xs)
    halves = np.stack([np.zeros_like(xs), xs], 1).reshape(120, 16)
    finer, out_finer = trace(dataclasses.replace(n, dt=0.5), halves)
    kept = np.asarray(out).cumsum(0) + np.asarray(out_finer).reshape(60, 2, 16).sum(1).cumsum(0) == 0  # a finer step sees more
    assert kept[12:].any() and out.any()
    np.testing.assert_allclose(np.asarray(whole.u)[kept], np.asarray(finer.u)[1::2][kept], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(whole.v)[kept], np.asarray(finer.v)[1::2][kept], rtol=1e-4, atol=1e-5)


def test_which_part_fires_and_what_is_reset_are_functions():
    xs = np.random.default_rng(1).normal(0, 1, (40, 16))
    fires = {part: np.asarray(trace(RF(1.0, 5.0, part=part), xs)[1]) for part in (real, imaginary)}
    state, _ = trace(RF(1.0, 5.0), xs)
    np.testing.assert_array_equal(fires[real], np.asarray(state.u) > 1)  # without a reset, the state is the charged one
    np.testing.assert_array_equal(fires[imaginary], np.asarray(state.v) > 1)
    to_i = RF(1.0, 5.0, part=imaginary, reset_u=HARD, reset_v=to_value(1.0))  # Izhikevich's: z = i after a spike
    state, out = trace(to_i, xs)
    assert out.any()
    np.testing.assert_array_equal(turning(state)[np.asarray(out) == 1], 1j)
    assert RF().affine and not to_i.affine and not RF(reset_v=subtract).affine and RF(part=imaginary).affine


def test_input_as_a_current():
    n = RF(0.0, 10.0, resistance=3.0, gain=current, threshold=SILENT)
    assert trace(n, np.full(300, 0.5))[0].u[-1] == pytest.approx(1.5, rel=1e-5)
    with pytest.raises(ValueError, match=r"RF\.tau must be dt or longer under decay=euler"):
        RF(tau=0.5, decay=euler)


# ---- Euler's method -----------------------------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(b=st.floats(-0.3, -0.05), omega=st.floats(0, 0.3), dt=st.sampled_from([0.5, 1.0]), seed=st.integers(0, 9))
def test_from_euler_is_eulers_step(b, omega, dt, seed):
    xs = np.random.default_rng(seed).normal(0, 1, (50, 8))
    u, v, expected = np.zeros(8), np.zeros(8), []
    for x in xs:
        u, v = u + dt * (b * u - omega * v + x), v + dt * (omega * u + b * v)
        expected.append(u + 1j * v)
    state, out = trace(RF.from_euler(b, omega, dt=dt), xs)
    np.testing.assert_allclose(turning(state), expected, rtol=1e-4, atol=1e-4)
    assert np.mean(out != (np.real(expected) > 1)) < 0.01


@pytest.mark.parametrize(("b", "omega", "dt"), [(0.0, 0.1, 1.0), (-0.001, 0.1, 1.0), (0.1, 0.0, 1.0), (-1.0, 0.0, 1.0)])
def test_from_euler_refuses_what_diverges(b, omega, dt):
    with pytest.raises(ValueError, match=rf"a step multiplies the oscillation by .* lower b={b} or dt={dt}"):
        RF.from_euler(b, omega, dt=dt)


@given(turn=st.floats(1e-3, 0.99), dt=st.sampled_from([0.01, 0.5, 1.0, 3.0]))
@example(turn=0.999, dt=1.0)  # to where dt omega is nearly 1, and nearly all of a step is turned
@example(turn=0.9999, dt=0.5)
def test_boundary_keeps_the_length_of_a_step_to_the_digit(turn, dt):
    omega = turn / dt
    p = float(boundary(omega, dt))
    assert abs(complex(1 + dt * p, dt * omega)) == pytest.approx(1, abs=2e-7)
    assert p == pytest.approx((math.sqrt(1 - turn**2) - 1) / dt, rel=1e-5)  # the small ones, too


@pytest.mark.parametrize("omega", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("b_offset", [0.0, 0.01, -0.01])
def test_on_the_boundary_a_swing_neither_fades_nor_grows_and_off_it_fades(omega, b_offset):
    n = BRF(omega, b_offset, threshold=SILENT)
    z = turning(trace(n, [1.0] + [0.0] * 999)[0])
    b = float(boundary(omega, 1.0)) - abs(b_offset)
    np.testing.assert_allclose(np.abs(z), abs(complex(1 + b, omega)) ** np.arange(1000), rtol=1e-3, atol=1e-6)
    if b_offset == 0:
        np.testing.assert_allclose(np.abs(z), 1, rtol=1e-3)
        grown = 1 + 0j
        for _ in range(999):  # what the boundary is there for: without it the step of Euler adds to every swing
            grown *= complex(1, omega)
        assert abs(grown) > 3
    else:
        assert abs(z[-1]) < 1e-3


@pytest.mark.parametrize("omega", [0.1, 0.3, 0.6])
def test_balanced_resonance_lies_where_its_steps_turn(omega):
    b = float(boundary(omega, 1.0)) - 0.003
    turn = math.atan2(omega, 1 + b)  # in a step of a millisecond; at the boundary itself asin(dt omega)
    assert turn == pytest.approx(math.asin(omega), rel=0.01)
    frequencies = turn * np.linspace(0.5, 1.5, 101)
    swing = amplitudes(BRF(omega, 0.003, threshold=SILENT), frequencies, 1.0)
    np.testing.assert_allclose(swing, response(frequencies, 1.0, complex(1 + b, omega), 1.0), rtol=0.05)
    assert frequencies[np.argmax(swing)] == pytest.approx(turn, rel=0.011)


def test_a_spike_raises_the_threshold_and_damps_for_a_while():
    n = BRF(0.1, 0.0, friction=0.02, tau_q=20.0)
    start = n.init(())._replace(u=jnp.float32(0.5), q=jnp.float32(1.0))
    state, out = trace(n, np.zeros(200), start)
    q = np.exp(-np.arange(200) / 20)
    np.testing.assert_allclose(state.q, math.exp(-1 / 20) * q, rtol=1e-4)
    factors = np.abs(1 + boundary(0.1, 1.0) - 0.02 * q + 0.1j)
    np.testing.assert_allclose(np.abs(turning(state)), 0.5 * np.cumprod(factors), rtol=1e-4)
    assert not out.any() and factors[0] < 0.985 and factors[-1] == pytest.approx(1, abs=1e-5)
    for x, fires in ((1.9, 0), (2.1, 1)):  # a threshold of 1 + q, q as it was before the step
        assert trace(n, [x], n.init(())._replace(q=jnp.float32(1.0)))[1].tolist() == [fires]


def test_a_strong_drive_is_answered_by_fewer_spikes_than_without_refractoriness():
    xs = np.random.default_rng(2).uniform(0.2, 0.6, (400, 8))
    rate = np.asarray(trace(BRF(), xs)[1]).mean()
    assert 0 < rate < 0.5 * np.asarray(trace(BRF(tau_q=1e-3, friction=0.0), xs)[1]).mean()


def test_defaults_are_the_papers_neuron_with_a_step_a_millisecond():
    xs = np.random.default_rng(3).normal(0, 30, (200, 8))
    paper = BRF(10.0, 1.0, friction=1.0, tau_q=-0.01 / math.log(0.9), dt=0.01)
    (one, a), (other, b) = trace(paper, xs), trace(BRF(), 0.01 * xs)
    assert a.any()
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(one.u, other.u, rtol=1e-3, atol=1e-3)


def test_steps_that_are_too_long_are_refused_and_learned_ones_stay_finite():
    for omega, dt in ((1.0, 1.0), (np.array([0.1, -0.6]), 2.0), (jnp.array([0.1, 2.0]), 1.0), (math.nan, 1.0)):
        with pytest.raises(ValueError, match=r"BRF needs dt \|omega\| < 1.*rad/ms, dt="):
            BRF(omega, dt=dt)
    with pytest.raises(ValueError, match=r"BRF\.tau_q must be positive"):
        BRF(tau_q=0.0)
    slope = jax.jit(jax.grad(lambda omega: unroll(BRF(omega), jnp.ones((5, 1)))[0].u.sum()))
    assert all(np.isfinite(slope(omega)) for omega in (0.0, 0.999, 1.0, 1.5))


def test_without_a_reset_it_is_parallel_and_else_it_is_not():
    xs = np.random.default_rng(4).normal(0, 1, (300, 8))
    n = RF(jnp.linspace(0.05, 1.0, 8), 50.0)
    (one, a), (other, b) = (unroll(Recorded(n), xs, backend=backend)[1] for backend in ("scan", "associative"))
    np.testing.assert_array_equal(a, b)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), one, other)
    for heard in (BRF(), RF(reset_u=none, reset_v=HARD)):
        with pytest.raises(ValueError, match="declare themselves affine"):
            unroll(heard, xs, backend="associative")
