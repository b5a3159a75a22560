"""Adaptive neurons: worked examples, the libraries that have them, eigenvalues of the membrane that rings, and steady rates."""

from __future__ import annotations

import cmath
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn import testing, unroll
from mxsnn.discrete import current, euler
from mxsnn.neurons import ALIF, LIF, AdLIF, AdLIFState, EFAdLIF, EFAdLIFState, Late, NextStepReset, Recorded, SEAdLIF
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.surrogate import atan, inclusive

HARD, AT = to_value(0.0), inclusive(atan())
SILENT = 1e9  # a threshold that is never reached
HALF, FIFTH = -1 / math.log(0.5), -1 / math.log(0.8)  # time constants of which a step of 1 ms retains 0.5, and 0.8


@jax.jit
def trace(n, xs, state=None):
    """State and output of every step: arrays [T, ...]."""
    recorded: Any = unroll(Recorded(n), jnp.asarray(xs, jnp.float32), state)[1]
    return recorded


def train(out) -> str:
    return "".join("01"[int(s)] for s in out)


# ---- adaptive thresholds ------------------------------------------------------------------------------------------------------

SINABS = [0.2, 1.3, 0.562, 1.481, 0.4682, 1.4341, 0.3268, 1.3634]
THRESHOLDS = {
    "Sinabs": (ALIF.from_weight(1.8, tau=HALF, tau_threshold=FIFTH, fire=AT, reset=subtract), 1.2, SINABS, "10101010"),
    "the code of BRF": (ALIF.from_weight(1.8, tau=HALF, tau_threshold=FIFTH, reset=subtract), 1.2, SINABS, "10101010"),
    "jaxpike": (
        ALIF(HALF, FIFTH, jump=0.3, gain=current, reset=subtract),
        2.39999,  # for 2.4, which ties in the second step
        [0.2, 1.3, 0.61, 0.013, 1.2065, 0.2484, 1.3242, 0.267],
        "10110101",
    ),
    "spyx": (
        Late(NextStepReset(ALIF.from_weight(1.0, tau=HALF, tau_threshold=FIFTH, reset=subtract))),
        1.2,
        [1.2, 0.8, 1.6, 0.84, 1.62, 0.7476, 1.5738, 0.659],
        "01010101",
    ),
}


@pytest.mark.parametrize(("n", "x", "membrane", "spikes"), THRESHOLDS.values(), ids=THRESHOLDS)
def test_threshold_of_another_library(n, x, membrane, spikes):
    state, out = trace(n, [x] * 8)
    np.testing.assert_allclose(state.neuron.v if isinstance(n, Late) else state.v, membrane, atol=6e-5)
    assert train(out) == spikes


def test_threshold_of_norse_is_a_state_that_decays_before_it_is_tested():
    k, k_b, beta = 0.25, 0.1, 0.7  # dt/tau of membrane and threshold
    xs = np.random.default_rng(0).normal(1.5, 1.5, (60, 16))
    v, b, i, spikes, levels = np.zeros(16), np.ones(16), np.zeros(16), [], []
    for x in xs:
        v = v + k * (i - v)
        b = b + k_b * (1 - b)
        s = v > b
        assert np.abs(v - b).min() > 1e-5
        v, b, i = np.where(s, 0, v), b + beta * s, x  # a synapse without memory: its current is the last input
        spikes.append(s)
        levels.append(b)
    n = ALIF(1 / k, 1 / k_b, jump=(1 - k_b) * beta, gain=current, decay=euler)
    state, out = trace(n, np.concatenate([np.zeros((1, 16)), xs[:-1]]))
    assert 0.1 < np.mean(spikes) < 0.9
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(1 + state.a, 1 + (1 - k_b) * (np.array(levels) - 1), rtol=1e-5)


def test_the_threshold_of_norse_hardly_recovers_with_its_own_time_constant():
    # 1/800 a second: of what a spike raised it by, a step of 1 ms takes 1.25e-6, and a sequence of 1000 steps a thousandth.
    n = ALIF(5.0, 8e5, jump=1.0, decay=euler)
    state, out = trace(n, [9.0] + [0.0] * 1000)
    assert out.sum() == 1 and state.a[-1] == pytest.approx(1 - 1000 * 1.25e-6, abs=1e-4)


def test_a_weight_of_the_mean_spike_is_a_jump():
    assert ALIF.from_weight(1.8 / -math.expm1(-1 / 200)).jump == pytest.approx(1.8, rel=1e-4)  # jaxpike's defaults: a weight of 361
    n = ALIF.from_weight(2.0, tau_threshold=50.0, dt=0.5, decay=euler, tau=7.0)
    assert (n.jump, n.tau, n.dt) == (pytest.approx(2 * 0.01, rel=1e-4), 7.0, 0.5)
    every = dataclasses.replace(n, threshold=1e-3, reset=none)  # in the limit of a spike every step, the threshold is raised by it
    state, out = trace(every, np.full(2000, 100.0))
    assert out.all() and state.a[-1] == pytest.approx(2.0, rel=1e-4)


def test_rate_of_a_threshold_that_adapts_is_that_of_its_periodic_orbit():
    # After a spike v = 0 and a = A; n steps on, v = I (1 - d^n) meets 1 + A r^(n-1), and A = A r^n + jump if that repeats.
    tau, tau_threshold, jump, drive = 15.0, 80.0, 0.05, np.linspace(1.5, 6, 64)
    n = ALIF(tau, tau_threshold, jump=jump, gain=current)
    out = np.asarray(trace(n, np.tile(drive, (3000, 1)))[1])[1500:]
    d, r, steps = math.exp(-1 / tau), math.exp(-1 / tau_threshold), np.linspace(1.01, 400, 400_000)
    raised = 1 + jump * r ** (steps - 1) / (1 - r**steps)
    exact = np.array([steps[np.argmax(i * (1 - d**steps) > raised)] for i in drive])  # a real number: where they would meet
    intervals = [np.diff(np.flatnonzero(s)) for s in out.T]
    assert all(len(set(i)) <= 2 for i in intervals)
    mean = np.array([i.mean() for i in intervals])
    assert np.all((mean > exact - 1e-3) & (mean < exact + 1)), "the spike comes with the first step after the crossing"
    not_adapted = np.asarray(trace(LIF(tau, gain=current, reset=HARD), np.tile(drive, (1500, 1)))[1]).sum(0)
    assert (out.sum(0) < 0.8 * not_adapted).all()


# ---- adaptation currents: worked examples ----------------------------------------------------------------------------------------

PARAMETERS: dict[str, Any] = {"tau": FIFTH, "tau_w": -1 / math.log(0.95)}
ADLIF = AdLIF.from_alpha_beta(0.8, 0.95, 0.1, 0.5)
U = {
    AdLIF: [0.6, 1.068, 0.5216, 0.8808, 1.1573, 0.4627, 0.7109, 0.9083],
    EFAdLIF: [0.6, 1.08, 0.588, 0.959, 1.2496, 0.4691, 0.7509, 0.9782],
    SEAdLIF: [0.6, 0, 0.4886, 0.8753, 0, 0.379, 0.6857, 0.9283],
}
W = {
    AdLIF: [0, 0.06, 0.6638, 0.6828, 0.7367, 1.3156, 1.2961, 1.3024],
    EFAdLIF: [0, 0.06, 0.557, 0.588, 0.6545, 1.1217, 1.1126, 1.132],
    SEAdLIF: [0.06, 0.557, 0.578, 0.6366, 1.1048, 1.0875, 1.1017, 1.1394],
}


@pytest.mark.parametrize("cls", U, ids=lambda cls: cls.__name__)
def test_worked_example(cls):
    n = ADLIF if cls is AdLIF else cls.from_q(0.1, 0.5, 20.0, **PARAMETERS)
    state, out = trace(n, [3.0] * 8)
    assert train(out) == "01001000"
    u, w = np.asarray(state.v), np.asarray(state.w)
    if cls is AdLIF:  # recorded before the reset, and the w that this step feels
        u, w = u + np.asarray(out), np.insert(w[:-1], 0, 0)
    expected = np.where(out, 0, U[cls]) if cls is EFAdLIF else U[cls]
    np.testing.assert_allclose(u, expected, atol=6e-5)
    np.testing.assert_allclose(w, W[cls], atol=6e-5)


def test_words_of_the_sources():
    assert AdLIF(pytest.approx(FIFTH), pytest.approx(-1 / math.log(0.95)), pytest.approx(2.0), 0.5) == ADLIF
    n = SEAdLIF.from_q(0.5, 1.0, tau_w=110.0)
    assert (n.a, n.jump) == (30, pytest.approx(60 * (1 - math.exp(-1 / 110)))) and type(EFAdLIF.from_q(0.5, 1.0)) is EFAdLIF
    assert n.jump == pytest.approx(SEAdLIF().jump, abs=0.01) and n.a == SEAdLIF().a
    for wrong in (0, 1, -0.5, math.nan):
        with pytest.raises(ValueError, match=f"alpha is what a step retains, between 0 and 1; got {wrong}"):
            AdLIF.from_alpha_beta(wrong, 0.9, 0, 0)
        with pytest.raises(ValueError, match="beta is what a step retains"):
            AdLIF.from_alpha_beta(0.9, wrong, 0, 0)


XS = np.random.default_rng(3).normal(2.5, 2.0, (40, 24))


def test_another_sign_of_the_current_is_that_of_snnax():
    alpha, beta, a, b = 0.9, 0.95, 0.6, 0.4
    v, w, spikes = np.zeros(24), np.zeros(24), []
    for x in XS:
        h = alpha * v + (1 - alpha) * (x + w)
        s = h > 1
        assert np.abs(h - 1).min() > 1e-5
        v, w = np.where(s, 0, h), (1 - beta) * a * h + beta * w - b * s
        spikes.append(s)
    n = AdLIF.from_alpha_beta(alpha, beta, -a * (1 - beta), b, reset=HARD)
    state, out = trace(n, XS)
    assert np.mean(spikes) > 0.1
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(state.w[-1], -w, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cls", [SEAdLIF, EFAdLIF], ids=lambda cls: cls.__name__)
def test_gradients_are_those_of_the_source(cls):
    a, b, q, d_u, d_w, fire, weights = 0.3, 0.8, 30.0, 0.9, 0.97, atan(), np.arange(1.0, 41)[:, None]

    def source(xs, a, b):
        def euler_forward(state, x):
            u, z, w = state
            u = u * (1 - jax.lax.stop_gradient(z))
            after = d_u * u + (1 - d_u) * (x - w)
            return (after, fire(after - 1), d_w * w + (1 - d_w) * (a * u + b * z) * q), fire(after - 1)

        def symplectic(state, x):
            u, z, w = state
            u = d_u * u + (1 - d_u) * (x - w)
            z = fire(u - 1)
            u = u * (1 - jax.lax.stop_gradient(z))
            return (u, z, d_w * w + (1 - d_w) * (a * u + b * z) * q), z

        start = (jnp.zeros(24),) * 3
        return (weights * jax.lax.scan(euler_forward if cls is EFAdLIF else symplectic, start, xs)[1]).sum()

    def ours(xs, a, b):
        n = cls.from_q(a, b, q, tau=-1 / math.log(d_u), tau_w=-1 / math.log(d_w))
        return (weights * unroll(n, xs)[1]).sum()

    arguments = jnp.asarray(XS, jnp.float32), a, b
    expected, found = (jax.jit(jax.value_and_grad(f, (0, 1, 2)))(*arguments) for f in (source, ours))
    assert expected[0] > 0 and expected[0] == found[0]
    for one, other in zip(expected[1], found[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


# ---- without spikes: a linear system ---------------------------------------------------------------------------------------------


def matrix(n):
    """(v, w) after a step without input, by (v, w) before it."""
    d, r = float(n.decay(n.tau, n.dt)), float(n.decay(n.tau_w, n.dt))
    if isinstance(n, EFAdLIF):
        return np.array([[d, d - 1], [(1 - r) * n.a, r]])
    return np.array([[d, d - 1], [(1 - r) * n.a * d, r - (1 - r) * n.a * (1 - d)]])


LINEAR = [
    (cls, tau, tau_w, a, dt)
    for cls in (AdLIF, SEAdLIF, EFAdLIF)
    for tau, tau_w, a, dt in ((20.0, 110.0, 30.0, 1.0), (5.0, 60.0, 60.0, 1.0), (10.0, 30.0, -0.5, 1.0), (20.0, 110.0, 30.0, 0.1))
]


@pytest.mark.parametrize(("cls", "tau", "tau_w", "a", "dt"), LINEAR)
def test_membrane_rings_as_the_eigenvalues_say(cls, tau, tau_w, a, dt):
    n = cls(tau, tau_w, a=a, dt=dt, threshold=SILENT)
    start = EFAdLIFState(1.0, 0.5, 0.0) if cls is EFAdLIF else AdLIFState(1.0, 0.5)
    state, _ = trace(n, np.zeros(200), jax.tree.map(jnp.float32, start))
    values, vectors = np.linalg.eig(matrix(n))
    modes = np.linalg.solve(vectors, np.array([1.0, 0.5], complex))
    expected = np.stack([vectors @ (values**t * modes) for t in range(1, 201)]).real
    scale = np.abs(expected).max(0)
    np.testing.assert_allclose(np.stack([state.v, state.w], 1) / scale, expected / scale, atol=2e-4)


def damping_and_period(v):
    """Of a membrane that rings: what a step loses and how long a period is, by its zero crossings upwards."""
    at = [t + v[t] / (v[t] - v[t + 1]) for t in np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))]
    period = float(np.mean(np.diff(at)))
    tops = [np.abs(v[int(t) : int(t + period)]).max() for t in at[:-1]]
    return (tops[-1] / tops[0]) ** (1 / (at[-2] - at[0])), period


@pytest.mark.parametrize("a", [20.0, 60.0, 110.0])
def test_ringing_is_damped_alike_whatever_the_coupling_by_symplectic_euler_alone(a):
    d, r, found = math.exp(-1 / 20), math.exp(-1 / 110), {}
    for cls in (SEAdLIF, EFAdLIF, AdLIF):
        n = cls(20.0, 110.0, a=a, threshold=SILENT)
        start = n.init(())._replace(v=jnp.float32(1))
        found[cls] = damping_and_period(np.asarray(trace(n, np.zeros(400), start)[0].v))
        eigenvalue = np.linalg.eigvals(matrix(n))[0]
        assert found[cls] == pytest.approx((abs(eigenvalue), 2 * math.pi / abs(cmath.phase(eigenvalue))), rel=5e-3)
    assert found[SEAdLIF][0] == pytest.approx(math.sqrt(d * r), rel=3e-3)
    assert found[EFAdLIF][0] == pytest.approx(math.sqrt(d * r + (1 - d) * (1 - r) * a), rel=3e-3)
    assert found[EFAdLIF][0] > 1.004 * found[SEAdLIF][0]


def test_euler_forward_rings_up_where_it_is_said_to():
    d, r = math.exp(-1 / 20), math.exp(-1 / 110)
    border = (1 - d * r) / ((1 - d) * (1 - r))
    ends = {}
    for factor in (0.8, 1.25):
        for cls in (SEAdLIF, EFAdLIF):
            n = cls(20.0, 110.0, a=factor * border, threshold=SILENT)
            start = jax.tree.map(lambda leaf: leaf + 1e-2, n.init(()))
            v = np.abs(trace(n, np.zeros(1000), start)[0].v)
            ends[cls, factor] = v[-200:].max() / v[:200].max()
    assert ends[EFAdLIF, 1.25] > 100 and max(ends[EFAdLIF, 0.8], ends[SEAdLIF, 0.8], ends[SEAdLIF, 1.25]) < 0.05


def test_all_schemes_have_one_limit_of_short_steps_and_reach_it_with_first_order():
    tau, tau_w, a = 20.0, 110.0, 30.0
    limit = np.linalg.eigvals(np.array([[-1 / tau, -1 / tau], [a / tau_w, -1 / tau_w]]))
    limit = limit[np.argmax(limit.imag)]
    steps = np.array([1, 0.5, 0.25, 0.125])
    for cls in (SEAdLIF, EFAdLIF):
        exponents = []
        for dt in steps:
            values = np.linalg.eigvals(matrix(cls(tau, tau_w, a=a, dt=dt)))
            exponents.append(np.log(values[np.argmax(values.imag)]) / dt)
        errors = np.abs(np.array(exponents) - limit)
        assert np.polyfit(np.log(steps), np.log(errors), 1)[0] > 0.9 and errors[-1] < 0.03 * abs(limit)


@given(
    cls=st.sampled_from([AdLIF, SEAdLIF, EFAdLIF]),
    a=st.floats(-0.9, 5),
    x=st.floats(-3, 3),
    taus=st.tuples(st.floats(5, 30), st.floats(10, 60)),
)
def test_fixed_point(cls, a, x, taus):
    n = cls(*map(jnp.float32, taus), a=jnp.float32(a), jump=jnp.float32(0.5), threshold=jnp.float32(SILENT), dt=jnp.float32(1))
    rest = n.init(())._replace(v=jnp.float32(x / (1 + a)), w=jnp.float32(a * x / (1 + a)))
    state, _ = trace(n, np.full(20, x), rest)
    np.testing.assert_allclose(state.v, x / (1 + a), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(state.w, a * x / (1 + a), rtol=1e-3, atol=1e-4)


# ---- with spikes -----------------------------------------------------------------------------------------------------------------


def test_steady_rate_follows_the_balance_of_membrane_and_adaptation():
    # In the mean (1 - d) v = (1 - d) (x - w) - rate, (1 - r) w = (1 - r) a (v + rate) + jump rate: a subtraction takes 1 a spike.
    n, drive = AdLIF(10.0, 60.0, a=0.5, jump=0.4), np.linspace(3, 30, 32)
    d, r, a = math.exp(-1 / 10), math.exp(-1 / 60), 0.5
    state, out = (jax.tree.map(lambda leaf: np.asarray(leaf)[4000:], part) for part in trace(n, np.tile(drive, (20000, 1))))
    rate, v, w = out.mean(0), state.v.mean(0), state.w.mean(0)
    np.testing.assert_allclose(w, a * (v + rate) + 0.4 * rate / (1 - r), rtol=5e-3)
    closed = (drive - (1 + a) * v) / (1 / (1 - d) + a + 0.4 / (1 - r))
    np.testing.assert_allclose(rate, closed, rtol=1e-2)
    gain = 1 / (1 / (1 - d) + a + 0.4 / (1 - r))  # of the f-I curve: v is between rest and threshold
    assert (rate < gain * drive).all() and (rate > gain * (drive - 1 - a)).all()
    first = np.asarray(trace(n, np.tile(drive, (60, 1)))[1])[:20].mean(0)
    assert (first > rate)[drive > 5].all()  # it adapts


@pytest.mark.parametrize("cls", [AdLIF, SEAdLIF, EFAdLIF], ids=lambda cls: cls.__name__)
def test_rate_is_much_the_same_whatever_the_step(cls):
    drive = np.linspace(8, 20, 9)
    counts = {}
    for dt in (1.0, 0.25):
        n = cls(20.0, 110.0, a=5.0, jump=0.5, dt=dt)
        counts[dt] = np.asarray(trace(n, np.tile(drive, (round(1000 / dt), 1)))[1]).sum(0)
    np.testing.assert_allclose(counts[1.0], counts[0.25], rtol=0.12)
    assert counts[1.0].min() > 20


@pytest.mark.parametrize("cls", [AdLIF, SEAdLIF, EFAdLIF], ids=lambda cls: cls.__name__)
def test_without_adaptation_it_is_the_lif(cls):
    n, xs = cls(7.0, 50.0, a=0.0, jump=0.0), 4 * testing.inputs(1)
    state, out = trace(n, xs)
    expected, spikes = trace(LIF(7.0, gain=current, reset=n.reset), xs)
    assert out.any()
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(state.v, expected.v, rtol=1e-5, atol=1e-6)


def test_adaptation_hears_of_the_spike_through_a_detached_reset():
    def loss(x, jump):
        return unroll(SEAdLIF(20.0, 110.0, a=0.0, jump=jump), x)[0].w.sum()

    x = jnp.full((3, 1), 30.0)
    assert np.abs(jax.grad(loss)(x, 0.5)).sum() > 0 and np.abs(jax.grad(loss)(x, 0.0)).sum() == 0
    assert SEAdLIF().reset == detached(HARD)
