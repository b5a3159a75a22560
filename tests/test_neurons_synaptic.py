"""Neurons with a synapse (Synaptic, Alpha), Lapicque's circuit, and leaky integrators as readouts."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn import testing, unroll
from mxsnn.discrete import current, early_charge, euler, exponential, tau_of
from mxsnn.neurons import LI, LIF, Alpha, AlphaState, Lapicque, Late, NextStepReset, Recorded, Synaptic, named
from mxsnn.nn import Readout, Spiking, Stack, last, maximum, mean
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.surrogate import atan, inclusive

HARD, AT = to_value(0.0), inclusive(atan())
SILENT = 1e9  # a threshold that is never reached


@jax.jit
def trace(n, xs):
    """State and output of every step: arrays [T, ...]."""
    recorded: Any = unroll(Recorded(n), jnp.asarray(xs, jnp.float32))[1]
    return recorded


def train(out) -> str:
    return "".join(str(int(s)) for s in out)


def after(d, values):
    """What was there a step before, decayed."""
    return d * np.append(0, np.asarray(values)[:-1])


# ---- Synaptic: worked examples ------------------------------------------------------------------------------------------------

X = [1, 0, 0, 0, 0, 0.5, 0, 0]
CURRENT = np.array([1, 0.8, 0.64, 0.512, 0.4096, 0.8277, 0.6621, 0.5297])
ZEROED = [1, 0, 0.64, 0.832, 0.8256, 0, 0.6621, 0.8608]


def synaptic(**options):
    return Synaptic.from_alpha_beta(0.8, 0.5, **options)


def counted(u):
    """As many spikes as the membrane holds thresholds of 1: those of Sinabs."""
    return jnp.maximum(jnp.floor(u + 1), 0)


EXAMPLES = {
    "snnTorch, subtract": (
        NextStepReset(synaptic()),
        [1, 1.3, 0.29, 0.657, 0.7381, 1.1967, 0.2605, 0.66],
        "01000100",
    ),
    "snnTorch, zero": (
        NextStepReset(synaptic(reset=HARD)),
        [1, 1.3, 0, 0.512, 0.6656, 1.1605, 0, 0.5297],
        "01000100",
    ),
    "snnTorch, zero, not delayed": (synaptic(reset=HARD), ZEROED, "01000100"),
    "SpikingJelly": (synaptic(reset=HARD, fire=AT), [0, 0.8, 0, 0.512, 0.6656, 0, 0.6621, 0.8608], "10100100"),
    "Norse, input doubled": (Synaptic(2.0, 5.0, resistance=2.0, gain=current, decay=euler, reset=HARD), ZEROED, "01000100"),
}


@pytest.mark.parametrize(("n", "membrane", "spikes"), EXAMPLES.values(), ids=EXAMPLES)
def test_worked_example(n, membrane, spikes):
    state, out = trace(n, X)
    np.testing.assert_allclose(state.v, membrane, atol=6e-5)
    np.testing.assert_allclose(state.i, CURRENT, atol=6e-5)
    assert train(out) == spikes


def test_a_fresh_input_that_has_leaked():
    # Sinabs: the current takes its input in before it decays; the membrane may fire more than once.
    state, out = trace(synaptic(gain_syn=early_charge, fire=counted), X)
    np.testing.assert_allclose(state.v, [0.8, 0.04, 0.532, 0.6756, 0.6655, 0.9949, 0.0272, 0.4374], atol=6e-5)
    assert train(out) == "01000010"


def test_the_current_of_the_step_before():
    # jaxsnn: the membrane is that of the neuron which reads its current at once, a step late, and so are the spikes.
    state, out = trace(Late(synaptic(resistance=2.0, gain=current, reset=HARD)), X)
    np.testing.assert_allclose([0, *state.neuron.v[:-1]], [0, 1, 0, 0.64, 0.832, 0.8256, 0, 0.6621], atol=6e-5)
    assert train(out) == "00100010"
    xs, i, v, membranes = np.random.default_rng(0).uniform(-0.5, 2, (40, 6)), np.zeros(6), np.zeros(6), []
    for x in xs:
        v = 0.5 * v + 0.5 * 2 * i
        v = np.where(v > 1, 0, v)
        i = 0.8 * i + x
        membranes.append(v)
    state, _ = trace(Late(synaptic(resistance=2.0, gain=current, reset=HARD)), xs)
    np.testing.assert_allclose(state.neuron.v[:-1], membranes[1:], rtol=1e-5, atol=1e-5)


def test_the_membrane_of_the_step_before():
    # spyx's CuBaLIF shows the membrane before its reset, which is decayed with it.
    state, out = trace(Late(synaptic()), X)
    shown = after(0.5, state.neuron.v) + state.neuron.i
    np.testing.assert_allclose(shown, [1, 1.3, 0.79, 0.907, 0.8631, 1.2592, 0.7918, 0.9256], atol=6e-5)
    assert train(out) == "00100010"


def test_norse_with_a_leak_to_elsewhere():
    # J = I + x; V += k (v_leak - V + J); I = J (1 - k_syn): strict, to v_reset.
    xs = np.random.default_rng(1).uniform(-1, 6, (50, 8))
    v, i, membranes, trains = np.full(8, -0.2), np.zeros(8), [], []
    for x in xs:
        jump = i + x
        v = v + 0.1 * (-0.2 - v + jump)
        i = jump * 0.8
        trains.append(v > 1)
        v = np.where(v > 1, -0.4, v)
        membranes.append(v)
    state, out = trace(Synaptic(10.0, 5.0, v_rest=-0.2, gain=current, decay=euler, reset=to_value(-0.4)), xs)
    np.testing.assert_array_equal(out, trains)
    assert 0.02 < np.mean(trains) < 0.9
    np.testing.assert_allclose(state.v, membranes, rtol=1e-5, atol=1e-5)


# ---- Synaptic: theory ---------------------------------------------------------------------------------------------------------


@given(
    alpha=st.floats(0.05, 0.98),
    beta=st.floats(0.05, 0.98),
    gains=st.tuples(*[st.sampled_from([current, lambda d: 1.0, early_charge])] * 2),
    seed=st.integers(0, 99),
)
@settings(max_examples=15)
def test_silent_membrane_is_a_sum_of_responses(alpha, beta, gains, seed):
    # The response to a unit input after k steps: g_syn g sum_{j <= k} alpha^j beta^(k-j).
    xs = np.random.default_rng(seed).normal(size=30)
    kernel = [sum(alpha**j * beta ** (k - j) for j in range(k + 1)) for k in range(30)]
    gain, gain_syn = gains
    expected = np.convolve(xs, kernel)[:30] * gain(beta) * gain_syn(alpha)
    n = Synaptic.from_alpha_beta(alpha, beta, threshold=SILENT, gain=gain, gain_syn=gain_syn)
    np.testing.assert_allclose(trace(n, xs)[0].v, expected, rtol=1e-4, atol=1e-4)


def test_constant_currents_charge_to_rest_plus_resistance_times_current():
    n = Synaptic(10.0, 4.0, v_rest=-0.5, resistance=3.0, threshold=SILENT, gain=current, gain_syn=current)
    state, _ = trace(n, np.full(300, 0.7))
    assert state.v[-1] == pytest.approx(-0.5 + 3 * 0.7, rel=1e-5) and state.i[-1] == pytest.approx(0.7, rel=1e-5)
    state, out = trace(n, np.zeros(50))
    np.testing.assert_allclose(state.v, -0.5, rtol=1e-6)
    assert not out.any()


def test_a_synapse_that_forgets_at_once_is_none():
    xs = np.random.default_rng(2).normal(0.5, 1, (40, 8))
    (with_, out), (without, others) = trace(Synaptic(5.0, 1e-3), xs), trace(LIF(5.0), xs)
    np.testing.assert_array_equal(out, others)
    np.testing.assert_array_equal(with_.v, without.v)


@pytest.mark.parametrize("cls", [Synaptic, Alpha])
@pytest.mark.parametrize("dt", [0.1, 1.0, 5.0])
def test_alpha_and_beta_are_what_a_step_retains(cls, dt):
    n = cls.from_alpha_beta(0.9, 0.3, dt=dt, threshold=0.7)
    assert (n.threshold, n.dt) == (0.7, dt)
    assert [float(exponential(tau, dt)) for tau in (n.tau_syn, n.tau)] == pytest.approx([0.9, 0.3], rel=1e-6)
    for wrong in ((1.0, 0.5), (0.5, 0.0), (math.nan, 0.5)):
        with pytest.raises(ValueError, match=r"(alpha|beta) is what a step retains, between 0 and 1; got"):
            cls.from_alpha_beta(*wrong)


# ---- Alpha --------------------------------------------------------------------------------------------------------------------

IMPULSE = [0, 0.161, 0.2738, 0.3494, 0.397, 0.4232, 0.4337, 0.4325]


def snntorch_alpha(xs, alpha, beta, zero):
    """Its two currents, the factor as its code has it, and a reset of the step after a spike that clears all."""
    a = math.log(alpha) / (math.log(beta) - math.log(alpha)) + 1
    e, n, u, membranes = np.zeros_like(xs[0]), np.zeros_like(xs[0]), np.zeros_like(xs[0]), []
    for x in xs:
        kept = 1 - zero * (u > 1)
        e, n = kept * (alpha * e + x), kept * (beta * n - x)
        u = a * (e + n)
        membranes.append(u)
    return np.stack(membranes)


def test_the_factor_of_its_code_is_not_that_of_its_documentation():
    # ln alpha / (ln beta - ln alpha) + 1 = ln beta / (ln beta - ln alpha), and not ln alpha / ln beta - ln alpha + 1: 0.9, 0.8.
    of_an_impulse = np.asarray(trace(cleared(), np.eye(1, 2)[0])[0].v)[1]
    assert of_an_impulse / (0.9 - 0.8) == pytest.approx(1.8945, abs=6e-5)
    assert math.log(0.9) / math.log(0.8) - math.log(0.9) + 1 == pytest.approx(1.5775, abs=6e-5)


def cleared(**options):
    return NextStepReset(Alpha.from_alpha_beta(0.9, 0.8, reset=detached(HARD), reset_current=detached(HARD), **options))


@pytest.mark.parametrize(
    ("impulse", "membrane", "spikes"), [(0.85, IMPULSE, "00000000"), (6.0, [0, 1.1367, 0, 0, 0, 0, 0, 0], "01000000")]
)
def test_worked_examples_of_alpha(impulse, membrane, spikes):
    xs = np.array([impulse, *[0] * 7])
    np.testing.assert_allclose(snntorch_alpha(xs, 0.9, 0.8, True), membrane, atol=6e-5)
    state, out = trace(cleared(), xs)
    np.testing.assert_allclose(state.v, membrane, atol=6e-5)
    assert train(out) == spikes


@pytest.mark.parametrize("zero", [True, False])
def test_alpha_is_that_of_snntorch_in_one_current_less(zero):
    xs = np.random.default_rng(0).uniform(-1, 4, (40, 8))
    n = cleared() if zero else Alpha.from_alpha_beta(0.9, 0.8, reset=none)
    state, out = trace(n, xs)
    expected = snntorch_alpha(xs, 0.9, 0.8, zero)
    np.testing.assert_array_equal(out, expected > 1)
    assert out.any()
    np.testing.assert_allclose(state.v, expected, rtol=1e-4, atol=1e-4)


def test_resets_of_the_membrane_and_of_the_current():
    xs = np.random.default_rng(1).uniform(-1, 4, (30, 8))
    d, r, c = math.exp(-1 / 5), math.exp(-1 / 10), 10 / 5 * (math.exp(-1 / 10) - math.exp(-1 / 5))
    for reset, reset_current in ((subtract, none), (HARD, none), (HARD, HARD), (subtract, HARD)):
        v, i, membranes, trains = np.zeros(8), np.zeros(8), [], []
        for x in xs:
            v, i = d * v + c * i, r * i + x
            s = v > 1
            v = np.where(s, 0, v) if reset is HARD else v - s
            i = np.where(s, 0, i) if reset_current is HARD else i
            membranes.append(v)
            trains.append(s)
        state, out = trace(Alpha(reset=reset, reset_current=reset_current), xs)
        np.testing.assert_array_equal(out, trains)
        assert out.any()
        np.testing.assert_allclose(state.v, membranes, rtol=1e-4, atol=1e-4)


@given(tau=st.floats(1, 30), tau_syn=st.floats(1, 30), dt=st.floats(0.05, 3))
@settings(max_examples=25)
def test_response_is_exact_whatever_the_step(tau, tau_syn, dt):
    t = dt * np.arange(40)
    if abs(tau - tau_syn) < 1e-2:  # where the quotient loses its digits, even in float64, and its limit is near enough
        expected, close = t / tau * np.exp(-t / tau), 2e-2
    else:
        expected, close = tau_syn / (tau_syn - tau) * (np.exp(-t / tau_syn) - np.exp(-t / tau)), 2e-5
    state, _ = trace(Alpha(tau, tau_syn, threshold=SILENT, dt=dt), np.eye(1, 40)[0])
    np.testing.assert_allclose(state.v, expected, rtol=1e-4, atol=close * max(expected.max(), 1e-3))


def test_peak_of_the_response():
    tau, tau_syn = 5.0, 12.0
    state, _ = trace(Alpha(tau, tau_syn, threshold=SILENT, dt=0.01), np.eye(1, 3000)[0])
    assert 0.01 * int(state.v.argmax()) == pytest.approx(math.log(tau_syn / tau) * tau * tau_syn / (tau_syn - tau), abs=0.02)
    equal, _ = trace(Alpha(tau, tau, threshold=SILENT, dt=0.01), np.eye(1, 3000)[0])
    assert 0.01 * int(equal.v.argmax()) == pytest.approx(tau, abs=0.02)
    assert equal.v.max() == pytest.approx(math.exp(-1), rel=1e-3)


def test_equal_time_constants_are_the_limit_of_unequal_ones():
    def response(tau, tau_syn):
        return unroll(Alpha(tau, tau_syn, threshold=SILENT), jnp.eye(1, 20)[0])[0].v

    values = [float(response(5.0, 5.0 + e)) for e in (-0.3, -0.01, 0.0, 0.01, 0.3)]
    assert np.all(np.diff(values) < 0) or np.all(np.diff(values) > 0)
    for argument in (0, 1):  # and so are their gradients
        gradients = [float(jax.grad(response, argument)(5.0, 5.0 + e)) for e in (-0.02, 0.0, 0.02)]
        assert np.isfinite(gradients).all()
        assert gradients[1] == pytest.approx((gradients[0] + gradients[2]) / 2, rel=1e-3)


@pytest.mark.parametrize(("tau", "tau_syn"), [(1e-3, 20.0), (20.0, 1e-3), (1e-3, 1e-3)])
def test_time_constants_far_below_the_step_are_finite(tau, tau_syn):
    gradients = jax.grad(lambda n, xs: unroll(n, xs)[0].v, argnums=(0, 1))(Alpha(tau, tau_syn), jnp.ones(5))
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


def test_synaptic_converges_to_alpha_with_first_order():
    # Both are tau dv/dt = -v + i with a current that jumps by 1; Alpha solves it exactly.
    exact = trace(Alpha(5.0, 10.0, threshold=SILENT), np.eye(1, 21)[0])[0].v[-1]
    steps = np.array([1, 0.5, 0.25, 0.125])
    errors = []
    for dt in steps:
        n = Synaptic(5.0, 10.0, threshold=SILENT, dt=dt, gain=current)
        errors.append(abs(trace(n, np.eye(1, round(20 / dt) + 1)[0])[0].v[-1] - exact))
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(1, abs=0.15)


def test_an_input_is_felt_one_step_late():
    state, _ = trace(Alpha(), [9.0, 0.0])
    assert state.v[0] == 0 < state.v[1]
    start = AlphaState(jnp.zeros(2), jnp.array([0.0, 9.0]))
    assert unroll(Alpha(), jnp.zeros((1, 2)), start)[1].tolist() == [[0, 1]]


# ---- Lapicque -----------------------------------------------------------------------------------------------------------------

TWO = [1, 0, 0, 0, 1]  # an impulse, and a second one


@pytest.mark.parametrize(
    ("n", "membrane"),
    [
        (LI(tau_of(0.9, 1.0, "beta")), [1, 0.9, 0.81, 0.729, 1.6561]),
        (LI(1 / (1 - 0.9)), [1, 0.9048, 0.8187, 0.7408, 1.6703]),
        (Lapicque.from_beta(0.9, threshold=SILENT, decay=euler), [0.1054, 0.0943, 0.0843, 0.0754, 0.1729]),
        (LI(1 / (1 - 0.5)), [1, 0.6065, 0.3679, 0.2231, 1.1353]),
        (Lapicque.from_beta(0.5, threshold=SILENT, decay=euler), [0.6931, 0.2127, 0.0653, 0.02, 0.6993]),
    ],
    ids=["Leaky 0.9", "StateLeaky 0.9", "Lapicque 0.9", "StateLeaky 0.5", "Lapicque 0.5"],
)
def test_one_beta_of_snntorch_is_four_decays(n, membrane):
    np.testing.assert_allclose(trace(n, TWO)[0].v, membrane, atol=6e-5)


def test_beta_is_retained_unless_the_method_is_eulers():
    assert trace(Lapicque.from_beta(0.9, threshold=SILENT), [1, 0])[0].v.tolist() == pytest.approx([0.1, 0.09], rel=1e-5)
    with pytest.raises(ValueError, match=r"Lapicque\.tau must be dt or longer under decay=euler.*got tau=0\.83"):
        Lapicque.from_beta(0.3, decay=euler)  # below 1/e, where snnTorch's membrane changes its sign in each step
    with pytest.raises(ValueError, match="beta is what a step retains"):
        Lapicque.from_beta(1.0)


@pytest.mark.parametrize("options", [{"threshold": 20.0}, {"v_rest": 100.0}], ids=["hardly a spike", "spikes alone"])
def test_checks_that_see_too_few_spikes_or_silent_steps_say_so(options):
    with pytest.raises(AssertionError, match=r"fires it in \d+% of the steps: the checks see too few"):
        testing.check_outputs(Lapicque(**options))
    testing.check_outputs(Lapicque())


def test_lapicque_of_snntorch():
    # U = x dt/C + (1 - dt/(R C)) U - spike of the step before.
    xs = np.random.default_rng(4).uniform(0, 3, (60, 8))
    u, membranes, s = np.zeros(8), [], np.zeros(8)
    for x in xs:
        u = x * 0.5 / 3 + (1 - 0.5 / (2 * 3)) * u - s
        s = u > 1
        membranes.append(u)
    n = NextStepReset(Lapicque(2.0, 3.0, dt=0.5, decay=euler, reset=detached(subtract)))
    state, out = trace(n, xs)
    np.testing.assert_array_equal(out, np.array(membranes) > 1)
    np.testing.assert_allclose(state.v, membranes, rtol=1e-5, atol=1e-5)


@given(
    resistance=st.floats(0.2, 5),
    capacitance=st.floats(1, 30),
    rest=st.floats(-0.5, 0.5),
    dt=st.floats(0.1, 0.2),
    decay=st.sampled_from([euler, exponential]),
)
@settings(max_examples=15)
def test_lapicque_is_lif_told_by_resistance_and_capacitance(resistance, capacitance, rest, dt, decay):
    xs = np.random.default_rng(0).normal(1, 2, (30, 6))
    options = {"v_rest": rest, "dt": dt, "decay": decay, "threshold": SILENT}
    one, _ = trace(Lapicque(resistance, capacitance, **options), xs)
    other, _ = trace(LIF(resistance * capacitance, resistance=resistance, gain=current, **options), xs)
    np.testing.assert_allclose(one.v, other.v, rtol=1e-4, atol=1e-5)


def test_current_and_rheobase():
    # From v_reset = v_rest = 0 it fires after R C ln(R I / (R I - threshold)), and never below I = threshold / R.
    resistance, capacitance, dt = 2.0, 5.0, 0.1
    drive = np.array([0.45, 0.499, 0.55, 0.7, 1.0, 2.0])
    n = Lapicque(resistance, capacitance, dt=dt, reset=HARD)
    out = np.asarray(trace(n, np.tile(drive, (600, 1)))[1])
    assert not out[:, :2].any()
    exact = resistance * capacitance * np.log(resistance * drive[2:] / (resistance * drive[2:] - 1))
    intervals = np.array([dt * np.diff(np.flatnonzero(spikes)).mean() for spikes in out[:, 2:].T])
    assert np.all((intervals > exact - 1e-3) & (intervals < exact + dt + 1e-3))


def test_gradients_by_resistance_and_capacitance():
    # v(t) = R I (1 - exp(-t/(R C))) under a constant current.
    def voltage(n):
        return unroll(n, jnp.full(10, 0.7))[0].v

    resistance, capacitance, t, drive = 2.0, 4.0, 10.0, 0.7
    e = math.exp(-t / (resistance * capacitance))
    gradients = jax.grad(voltage)(Lapicque(resistance, capacitance, threshold=SILENT))
    by_resistance = drive * (1 - e) - drive * t / (resistance * capacitance) * e
    assert gradients.resistance == pytest.approx(by_resistance, rel=1e-4)
    assert gradients.capacitance == pytest.approx(-drive * t / capacitance**2 * e, rel=1e-4)


def test_steps_longer_than_the_time_constant_of_the_circuit_are_refused():
    with pytest.raises(ValueError, match=r"Lapicque\.tau must be dt or longer .* got tau=0\.5 ms, dt=1\.0 ms"):
        Lapicque(0.5, 1.0, decay=euler)
    with pytest.raises(ValueError, match=r"Lapicque\.tau must be dt or longer"):
        Lapicque(np.array([0.5, 2.0]), 1.0, decay=euler)
    Lapicque(0.5, 1.0)  # exponential takes any
    assert {"resistance", "capacitance"} <= {name for name, p in named(Lapicque()).items() if p.positive}


# ---- leaky integrators as readouts --------------------------------------------------------------------------------------------

XS = np.random.default_rng(6).normal(0.3, 1, (25, 2, 3)).astype(np.float32)


def integrated(d, g, xs=XS, rest=0.0):
    v, membranes = np.full(xs.shape[1:], rest), []
    for x in xs:
        v = rest + d * (v - rest) + g * x
        membranes.append(v)
    return np.stack(membranes)


READOUTS = {
    "snnTorch and spyx": (LI(tau_of(0.8, 1.0, "beta")), 0.8, 1.0, 0.0),
    "jaxpike": (LI(20.0, gain=current), math.exp(-1 / 20), 1 - math.exp(-1 / 20), 0.0),
    "Norse's box": (LI(10.0, v_rest=-0.3, gain=current, decay=euler), 0.9, 0.1, -0.3),
    "SpikingJelly": (LI(2.0, gain=current, decay=euler), 0.5, 0.5, 0.0),
}
DECODED = {"mean": (mean, lambda v: v.mean(0)), "max": (maximum, lambda v: v.max(0)), "last": (last, lambda v: v[-1])}


@pytest.mark.parametrize(("n", "d", "g", "rest"), READOUTS.values(), ids=READOUTS)
def test_readouts_of_the_libraries(n, d, g, rest):
    expected = integrated(d, g, rest=rest)
    np.testing.assert_allclose(trace(n, XS)[1], expected, rtol=1e-4, atol=1e-5)
    for reduce, truth in DECODED.values():
        np.testing.assert_allclose(Readout(n, reduce)(jnp.asarray(XS))[1], truth(expected), rtol=1e-4, atol=1e-5)


def test_readouts_by_functions_of_ones_own():
    v = integrated(0.5, 0.5)
    largest = jnp.take_along_axis(v, np.abs(v).argmax(0)[None], 0)[0]  # SpikingJelly's max-abs-mem
    n = LI(2.0, gain=current, decay=euler)
    found = Readout(n, lambda v: jnp.take_along_axis(v, jnp.abs(v).argmax(0)[None], 0)[0])(jnp.asarray(XS))[1]
    np.testing.assert_allclose(found, largest, rtol=1e-4, atol=1e-5)
    soft = np.exp(v) / np.exp(v).sum(-1, keepdims=True)  # SpArch's, which sums the softmax of each step
    found = Readout(n, lambda v: jax.nn.softmax(v).sum(0))(jnp.asarray(XS))[1]
    np.testing.assert_allclose(found, soft.sum(0), rtol=1e-4, atol=1e-5)


def test_a_readout_with_a_synapse_is_two():
    # Norse's LICell: J = I + x; V += 0.1 (v_leak - V + J); I = 0.8 J.
    v, i, membranes = np.full(XS.shape[1:], 0.2), np.zeros(XS.shape[1:]), []
    for x in XS:
        jump = i + x
        v = v + 0.1 * (0.2 - v + jump)
        i = 0.8 * jump
        membranes.append(v)
    layer = Stack(Spiking(LI(5.0, decay=euler)), Spiking(LI(10.0, v_rest=0.2, gain=current, decay=euler)))
    np.testing.assert_allclose(layer(jnp.asarray(XS))[1], membranes, rtol=1e-4, atol=1e-5)
    alone, _ = trace(Synaptic(10.0, 5.0, v_rest=0.2, threshold=SILENT, gain=current, decay=euler), XS)
    np.testing.assert_allclose(alone.v, membranes, rtol=1e-4, atol=1e-5)


def test_a_rest_is_where_it_starts_and_returns():
    state, out = trace(LI(v_rest=-0.4), np.zeros((5, 2)))
    np.testing.assert_allclose(state.v, -0.4)
    np.testing.assert_array_equal(out, state.v)
    kicked, _ = trace(LI(2.0, v_rest=-0.4), [3.0, *[0.0] * 60])
    assert kicked.v[-1] == pytest.approx(-0.4)
