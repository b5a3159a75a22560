"""Neurons whose membrane is not linear: worked examples, f-I curves, bifurcations, and the firing patterns of the papers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mxsnn import testing, unroll
from mxsnn.discrete import current, euler
from mxsnn.neurons import (
    EIF,
    LIF,
    QIF,
    AdEx,
    AdQIF,
    AdQIFState,
    EIFState,
    Izhikevich,
    IzhikevichState,
    Late,
    NextStepReset,
    QIFState,
    Recorded,
    Refractory,
)
from mxsnn.neurons.eif import STEEPEST, upswing
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.surrogate import atan, fast_sigmoid, inclusive

AT = inclusive(atan())


@jax.jit
def trace(n, xs, state=None):
    """State and output of every step: arrays [T, ...]."""
    recorded: Any = unroll(Recorded(n), jnp.asarray(xs, jnp.float32), state)[1]
    return recorded


def at(state):
    """A state of numbers, as the neurons take it."""
    return jax.tree.map(jnp.float32, state)


def spike_times(n, xs, state=None):
    """In ms, of one neuron under `xs` [T]."""
    return (np.flatnonzero(trace(n, xs, state)[1]) + 1) * float(n.dt)


# ---- worked examples ----------------------------------------------------------------------------------------------------------

JAXPIKE_V = [-53.945, -37.0497, 24.6969, -65, -63.003, -60.993]
EXAMPLES = {
    "QIF": (QIF(fire=AT), 0.8, QIFState(-0.1), {"v": [0.345, 0.6665, -0.1, 0.345, 0.6665, -0.1]}, "001001"),
    "EIF": (EIF(delta_t=1.0, fire=AT), 0.8, EIFState(-0.1), {"v": [0.5533, -0.1, 0.5533, -0.1]}, "0101"),
    "AdQIF": (
        AdQIF(b=0.2, fire=AT),
        0.8,
        AdQIFState(0.0, 0.0),
        {"v": [0.36, 0.6473, 0.9658, 0, 0.2027, 0.4261], "w": [0.023, 0.0489, 0.0777, 0.3146, 0.1724, 0.1125]},
        "000100",
    ),
    "Izhikevich": (
        Izhikevich(),
        14.0,
        IzhikevichState(-65.0, -13.0),
        {"v": JAXPIKE_V, "u": [-12.9558, -12.8449, -12.4892, -4.0794, -4.2498, -4.4088]},
        "000100",
    ),
}


@pytest.mark.parametrize(("n", "x", "start", "expected", "train"), EXAMPLES.values(), ids=EXAMPLES)
def test_worked_example(n, x, start, expected, train):
    state, out = trace(n, [x] * len(train), at(start))
    assert "".join("01"[int(s)] for s in out) == train
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(state, name), values, rtol=2e-6, atol=6e-5)


def before_the_reset(n, x, start, steps):
    """What the membrane was in each step, before its spike: the next charge of each state, by a neuron that resets nothing."""
    state = jax.tree.map(lambda first, then: np.append(first, then[:-1]), at(start), trace(n, [x] * steps, at(start))[0])
    return dataclasses.replace(n, reset=none).step(state, jnp.float32(x))[0].v


@pytest.mark.parametrize(
    ("name", "charged"),
    [
        ("QIF", [0.345, 0.6665, 1.022, 0.345, 0.6665, 1.022]),
        ("EIF", [0.5533, 1.0673, 0.5533, 1.0673]),
        ("AdQIF", [0.36, 0.6473, 0.9658, 1.4153, 0.2027, 0.4261]),
    ],
)
def test_worked_example_before_the_reset(name, charged):
    n, x, start, _, train = EXAMPLES[name]
    np.testing.assert_allclose(before_the_reset(n, x, start, len(train)), charged, atol=6e-5)


def test_adex_is_that_of_norse_without_units():
    k, k_a, a, b, delta_t = 0.05, 0.02, 0.4, 0.3, 0.2
    xs = np.random.default_rng(0).normal(1.5, 1.0, (200, 16))
    v, w, spikes, trains = np.zeros(16), np.zeros(16), [], []
    for x in xs:
        rise = delta_t * np.exp((v - 1) / delta_t)
        v, w = v + k * (-v + rise + x - w), w + k_a * (a * v - w)
        s = v > 1
        assert np.abs(v - 1).min() > 1e-5
        v, w = np.where(s, 0, v), w + b * s
        spikes.append(s)
        trains.append(w)
    n = AdEx(
        1 / k, 1.0, 0.0, 1.0, delta_t, 1 / k_a, a=a, b=b, threshold=1.0, reset=to_value(0.0)
    )  # capacitance, conductance, rest, onset, sharpness, time constant
    state, out = trace(n, xs)
    assert np.mean(spikes) > 0.02
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(state.w, trains, rtol=1e-4, atol=1e-5)


finite = st.floats(-3, 3, width=32)


@given(xs=arrays(np.float32, (8, 4), elements=finite), tau=st.floats(2, 30), rest=st.floats(-0.5, 0.3), sharp=st.floats(0.05, 1))
def test_without_adaptation_nothing_is_left_of_it(xs, tau, rest, sharp):
    def same(n, other):
        (state, out), (expected, spikes) = trace(n, xs), trace(other, xs)
        np.testing.assert_array_equal(out, spikes)
        np.testing.assert_allclose(state.v, expected.v, rtol=1e-4, atol=1e-5)

    tau, rest, sharp = map(jnp.float32, (tau, rest, sharp))
    units = {"conductance": 1.0, "theta_rh": 0.8, "threshold": 1.0, "a": 0.0, "b": 0.0, "reset": to_value(-0.1), "fire": atan()}
    same(AdEx(capacitance=tau, v_rest=rest, delta_t=sharp, **units), EIF(tau, v_rest=rest, delta_t=sharp))
    same(AdQIF(tau, v_rest=rest, a=0.0, b=0.0, reset=to_value(-0.1)), QIF(tau, v_rest=rest))


# ---- rest, and what no input makes overflow -----------------------------------------------------------------------------------


def test_rests():
    for n, rest in ((QIF(v_rest=-0.3), -0.3), (EIF(v_rest=0.1), 0.1), (AdQIF(), -0.1), (AdEx(), -70.6)):
        assert np.asarray(n.init((2, 3)).v) == pytest.approx(rest)
    for n, v, u in (
        (Izhikevich(), -70, -14),
        (Izhikevich.resonator(), -62.5, -16.25),
        (Izhikevich(b=jnp.array([0.2, 0.3])), [-70, -58.75], [-14, -17.625]),  # the second has no rest: the bottom of its parabola
    ):
        state = n.init((4, 2))
        np.testing.assert_allclose(state.v, np.broadcast_to(v, (4, 2)), rtol=3e-4)
        np.testing.assert_allclose(state.u, np.broadcast_to(u, (4, 2)), rtol=3e-4)
    gradient = jax.grad(lambda b: Izhikevich(b=b).init(()).v)(0.3)
    assert np.isfinite(gradient)


NONLINEAR = (QIF(), AdQIF(), EIF(), EIF(delta_t=1e-3), AdEx(), AdEx(delta_t=0.1), Izhikevich())


@pytest.mark.parametrize("reset", [none, subtract, None], ids=["none", "subtract", "its own"])
@pytest.mark.parametrize("n", NONLINEAR, ids=lambda n: type(n).__name__)
def test_nothing_overflows_under_any_input_and_reset(n, reset):
    n = n if reset is None else dataclasses.replace(n, reset=reset)
    xs = np.random.default_rng(1).normal(size=(200, 64)) * 10.0 ** np.linspace(-2, 6, 64) * getattr(n, "drive", 1.0)
    state, out = trace(n, xs)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state)) and out.any()


@pytest.mark.parametrize("n", [QIF(10.0, dt=2e-4), AdQIF(10.0, v_rest=0.0, a=0.0, b=0.0, dt=2e-4)], ids=["QIF", "AdQIF"])
def test_from_far_below_rest_the_membrane_returns_as_the_parabola_says(n):
    """dv/dt = v (v - v_c) / tau is a straight line of 1/v: 1/v = 1/v_c + (1/v_0 - 1/v_c) exp(v_c t / tau)."""
    v_0, t = np.array([-99.0, -60.0, -30.0, -5.0]), n.dt * np.arange(1, 2001)[:, None]
    start = jax.tree.map(lambda leaf: 0 * leaf, n.init(v_0.shape))._replace(v=jnp.asarray(v_0, jnp.float32))
    state, out = trace(n, np.zeros((2000, 4)), start)
    np.testing.assert_allclose(state.v, 1 / (1 / 0.8 + (1 / v_0 - 1 / 0.8) * np.exp(0.8 * t / n.tau)), rtol=5e-3)
    assert not out.any()


def test_the_upswing_is_an_exponential_up_to_its_bound():
    v = np.linspace(-90, -50.4 + 2 * STEEPEST, 400)
    np.testing.assert_allclose(upswing(jnp.float32(v), -50.4, 2.0), 2 * np.exp((v + 50.4) / 2), rtol=1e-4)
    assert upswing(jnp.float32(1e30), -50.4, 2.0) == upswing(jnp.float32(0), -50.4, 2.0) == pytest.approx(2 * math.exp(STEEPEST))
    assert jax.grad(upswing)(-50.4, -50.4, 2.0) == pytest.approx(1)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: EIF(1.0, dt=5.0), "EIF.tau must be dt or longer under Euler's method, .* got tau=1.0 ms, dt=5.0 ms: .* steps$"),
        (lambda: QIF(np.array([2.0, 0.5])), "QIF.tau must be dt or longer"),
        (lambda: AdQIF(0.5), "AdQIF.tau must be dt or longer"),
        (lambda: AdQIF(tau_w=0.5), "AdQIF.tau_w must be dt or longer"),
        (lambda: AdEx(tau_w=0.5), "AdEx.tau_w must be dt or longer"),
        (lambda: AdEx(20.0), "AdEx.capacitance/conductance must be dt or longer under Euler's method"),
        (lambda: AdEx(dt=10.0), "AdEx.capacitance/conductance must be dt or longer"),
        (lambda: Izhikevich(dt=1.5), "Izhikevich.dt must be 1 ms or less.*; got 1.5 ms: take shorter steps"),
    ],
)
def test_steps_that_euler_cannot_take_are_refused(make, name):
    with pytest.raises(ValueError, match=name):
        make()


PER_NEURON = jnp.array([2.0, 5.0, 10.0, 40.0])
VARIANTS = {
    "AdEx, refractory": Refractory(AdEx(), 2.0),
    "AdEx, reset in the next step": NextStepReset(AdEx()),
    "AdEx, per neuron": AdEx(tau_w=10 * PER_NEURON, a=PER_NEURON),
    "QIF, reset in the next step": NextStepReset(QIF()),
    "EIF, of its own accord": EIF(delta_t=1.0),
    "Izhikevich, late": Late(Izhikevich()),
    "Izhikevich, detached, per neuron": Izhikevich(c=-50 * PER_NEURON, d=PER_NEURON, reset=detached(to_value(0.0))),
    "resonator": Izhikevich.resonator(dt=0.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("n", VARIANTS.values(), ids=VARIANTS)
def test_variants_pass_every_check(n):
    testing.check(n)


# ---- f-I curves ---------------------------------------------------------------------------------------------------------------


def times_to_spike(n, drive, slope):
    """tau times the integral of dv / slope(v, x) from the reset value to the threshold."""
    v = np.linspace(n.reset.value, n.threshold, 20_001)[:, None]
    return n.tau * np.trapezoid(1 / slope(v, drive), v, axis=0)


def intervals(n, drive, time):
    """Between the spikes of each neuron under a constant drive, ms."""
    out = np.asarray(trace(n, np.tile(drive, (round(time / n.dt), 1)))[1])
    return np.array([np.diff(np.flatnonzero(train))[-1] * n.dt if train.sum() > 1 else math.inf for train in out.T])


def parabola(v, x):
    return x + v * (v - 0.8)


def exponential(v, x):
    return x - v + 0.1 * np.exp((v - 0.8) / 0.1)


@pytest.mark.parametrize(("cls", "slope", "border"), [(QIF, parabola, 0.16), (EIF, exponential, 0.7)], ids=["QIF", "EIF"])
def test_interval_is_the_integral_over_the_membrane_with_first_order(cls, slope, border):
    drive = border + np.geomspace(0.05, 3, 12)
    errors, steps = [], np.array([0.1, 0.05, 0.025])
    for dt in steps:
        n = cls(10.0, dt=dt)
        exact = times_to_spike(n, drive, slope)
        errors.append(np.abs(intervals(n, drive, 2.5 * exact.max()) / exact - 1))
    assert np.max(errors[-1]) < 0.02
    assert np.polyfit(np.log(steps), np.log(np.mean(errors, 1)), 1)[0] == pytest.approx(1, abs=0.25)


def test_rate_of_the_qif_rises_as_a_square_root_from_its_bifurcation():
    above = np.geomspace(1e-3, 1e-2, 6)
    n = QIF(10.0, dt=0.05)
    found = intervals(n, 0.16 + above, 2800)
    k = np.sqrt(above)  # the parabola is above + (v - 0.4)^2
    np.testing.assert_allclose(found, 10 / k * (np.arctan(0.6 / k) + np.arctan(0.5 / k)), rtol=0.02)
    far = QIF(10.0, dt=0.01, threshold=40.0, reset=to_value(-40.0))  # both ends far away: an interval of pi tau / k
    many = intervals(far, 0.16 + np.geomspace(0.05, 0.4, 6), 320)
    np.testing.assert_allclose(many, 10 * math.pi / np.sqrt(np.geomspace(0.05, 0.4, 6)), rtol=0.03)
    assert np.polyfit(np.log(np.geomspace(0.05, 0.4, 6)), np.log(1 / many), 1)[0] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("n", "rheobase"),
    [
        (QIF(10.0), 0.16),
        (QIF(10.0, v_rest=-0.2, v_c=0.6, a=2.0), 0.32),
        (EIF(10.0), 0.7),
        (EIF(10.0, v_rest=-0.3, theta_rh=0.5, delta_t=0.05), 0.75),
        (EIF(10.0, delta_t=1.0), -0.2),
        # Without adaptation by the membrane, and with so little that the fixed point still ends in a saddle-node:
        # (g + a) (theta - rest - delta + delta ln(1 + a/g)). Touboul, Brette (2008).
        (AdEx(a=0.0, b=0.0), 30 * (20.2 - 2)),
        (AdEx(a=1.0, b=0.0), 31 * (20.2 - 2 + 2 * math.log(1 + 1 / 30))),
        # That of Izhikevich loses its stability when 0.08 v + 5 = a.
        (Izhikevich(dt=0.1), 140 * -1 - 0.04 * 62.25**2 + 4.8 * 62.25),
        (Izhikevich.fast_spiking(dt=0.1), 140 * -1 - 0.04 * 61.25**2 + 4.8 * 61.25),
    ],
    ids=lambda n: type(n).__name__ if dataclasses.is_dataclass(n) else "",
)
def test_rheobase(n, rheobase):
    step = 0.02 * max(abs(rheobase), 0.2)
    below, above = (rheobase + sign * step for sign in (-1, 1))
    for end, fires in ((below, False), (above, True)):
        steps = round(3000 / n.dt)  # slowly up from rest, so that no onset overshoots
        ramp = np.minimum(np.linspace(min(0, 2 * rheobase), end, steps), end)
        first, then = np.split(np.asarray(trace(n, np.concatenate([ramp, np.full(steps, end)]))[1]), 2)
        assert not first[: steps // 2].any() and then.any() == fires and (fires or not first.any())


def test_eif_of_a_sharp_upswing_is_the_lif():
    xs = np.random.default_rng(2).uniform(-1, 4, (200, 64))
    n = EIF(5.0, theta_rh=1.0, delta_t=1e-4)
    expected, spikes = trace(LIF(5.0, gain=current, decay=euler, reset=n.reset), xs)
    state, out = trace(n, xs)
    near = np.abs(np.asarray(expected.v) - 1).min(0) < 3e-3  # where the upswing of the next step is not nothing
    assert spikes.any() and near.mean() < 0.5
    np.testing.assert_array_equal(np.asarray(out)[:, ~near], np.asarray(spikes)[:, ~near])
    np.testing.assert_allclose(np.asarray(state.v)[:, ~near], np.asarray(expected.v)[:, ~near], rtol=1e-4, atol=1e-5)


def test_steady_rate_of_an_adapting_adex_is_that_under_its_own_mean_current():
    n, drive = AdEx(a=0.0, b=20.0, tau_w=400.0, dt=0.1), np.linspace(1000, 3000, 5)
    state, out = trace(n, np.tile(drive, (30_000, 1)))
    rate, w = np.asarray(out)[15_000:].mean(0) / n.dt, np.asarray(state.w)[15_000:].mean(0)
    np.testing.assert_allclose(w, 20.0 * 400.0 * rate, rtol=0.02)  # b tau_w a spike
    held = dataclasses.replace(n, b=0.0)  # adaptation slow beside the intervals: as if it were taken off the drive
    np.testing.assert_allclose(1 / intervals(held, drive - w, 600), rate, rtol=0.03)


# ---- the patterns of AdEx: Naud et al. (2008), with the parameters that Brian 2's example of that paper has ---------------------

NAUD = {  # capacitance, conductance, rest, a, tau_w, b, reset, current
    "tonic": (200, 10, -70, 2, 30, 0, -58, 500),
    "adapting": (200, 12, -70, 2, 300, 60, -58, 500),
    "initial burst": (130, 18, -58, 4, 150, 120, -50, 400),
    "bursting": (200, 10, -58, 2, 120, 100, -46, 210),
    "delayed, accelerating": (200, 12, -70, -10, 300, 0, -58, 300),
    "delayed, bursting": (100, 10, -65, -10, 90, 30, -47, 110),
    "transient": (100, 10, -65, 10, 90, 100, -47, 180),
    "irregular": (100, 12, -60, -11, 130, 30, -48, 160),
}


@pytest.fixture(scope="module")
def naud():
    """Spike times of all eight in 600 ms; all have theta_rh = -50, delta_t = 2 and a spike that ends at 0 mV."""
    times = {}
    for name, (c, g, rest, a, tau_w, b, v_r, x) in NAUD.items():
        n = AdEx(c, g, rest, -50.0, 2.0, tau_w, a, b, threshold=0.0, dt=0.1, reset=to_value(float(v_r)))
        times[name] = spike_times(jax.tree.map(jnp.float32, n), np.full(6000, x))
    return times


def test_adex_fires_in_the_patterns_of_naud(naud):
    gaps = {name: np.diff(times) for name, times in naud.items()}
    assert len(naud["tonic"]) > 50 and np.ptp(gaps["tonic"][10:]) < 0.3
    adapting = gaps["adapting"]
    assert (np.diff(adapting[:7]) > 0).all() and adapting[-1] > 5 * adapting[0] and np.ptp(adapting[-3:]) < 0.5
    burst = gaps["initial burst"]
    assert burst[:2].max() < 10 < 50 < burst[2:].min() and np.ptp(burst[4:]) < 1  # three close, then evenly spaced
    assert gaps["bursting"][1::2].min() < 10 and gaps["bursting"][2::2].min() > 100 and gaps["bursting"][3::2].max() < 10
    assert naud["delayed, accelerating"][0] > 30 and (np.diff(gaps["delayed, accelerating"]) < 0.15).all()
    assert gaps["delayed, accelerating"][-1] < 0.6 * gaps["delayed, accelerating"][0]
    assert naud["delayed, bursting"][0] > 50
    pauses = np.flatnonzero(gaps["delayed, bursting"] > 40)
    assert set(np.diff(pauses)) == {4} and np.delete(gaps["delayed, bursting"], pauses).max() < 9  # four a burst
    assert len(naud["transient"]) == 1
    assert len(set(np.round(gaps["irregular"][5:]))) > 12 and gaps["irregular"].max() > 4 * gaps["irregular"].min()


def test_adex_is_its_equations_in_double_precision(naud):
    for name in ("tonic", "adapting", "initial burst", "bursting", "delayed, accelerating"):
        c, g, rest, a, tau_w, b, v_r, x = NAUD[name]
        v, w, times = float(rest), 0.0, []
        for t in range(6000):
            dv = (x - w - g * (v - rest) + g * 2 * math.exp((v + 50) / 2)) / c
            v, w = v + 0.1 * dv, w + 0.1 * (a * (v - rest) - w) / tau_w
            if v > 0:
                v, w = float(v_r), w + b
                times.append((t + 1) * 0.1)
        assert len(times) == len(naud[name])
        np.testing.assert_allclose(naud[name], times, atol=0.25)


def test_the_neuron_of_brette_and_gerstner_adapts_and_where_its_spike_ends_matters_little():
    n = AdEx(dt=0.1)
    times, later = (spike_times(dataclasses.replace(n, threshold=end), np.full(6000, 1000.0)) for end in (n.threshold, 20.0))
    gaps = np.diff(times)
    assert (np.diff(gaps[:10]) > 0).all() and gaps[-1] > 2.5 * gaps[0] and np.ptp(gaps[-4:]) < 0.3
    assert abs(len(times) - len(later)) <= 1
    np.testing.assert_allclose(gaps[: len(later) - 1], np.diff(later)[: len(gaps)], atol=0.5)


# ---- the patterns of Izhikevich (2003) ----------------------------------------------------------------------------------------

FINE = 0.25


@pytest.fixture(scope="module")
def izhikevich():
    """Intervals of the seven classes under a step of 10 at t = 0, in 500 ms."""
    classes = ["regular_spiking", "intrinsically_bursting", "chattering", "fast_spiking", "low_threshold_spiking"]
    made = {name: getattr(Izhikevich, name)(dt=FINE) for name in [*classes, "thalamo_cortical", "resonator"]}
    return {name: np.diff(spike_times(n, np.full(2000, 10.0))) for name, n in made.items()}


def test_regular_spiking_slows_down(izhikevich):
    gaps = izhikevich["regular_spiking"]
    assert 8 < len(gaps) < 20 and gaps[0] < 0.5 * gaps[1] and np.ptp(gaps[1:]) < 1
    assert Izhikevich.regular_spiking() == Izhikevich()


def test_intrinsically_bursting_bursts_once(izhikevich):
    gaps = izhikevich["intrinsically_bursting"]
    assert gaps[:2].max() < 5 < 20 < gaps[2:].min() and np.ptp(gaps[4:]) < 1


def test_chattering_bursts_again_and_again(izhikevich):
    gaps = izhikevich["chattering"]
    pauses = np.flatnonzero(gaps > 20)
    assert len(pauses) >= 8 and set(np.diff(pauses)) == {4} and np.delete(gaps, pauses).max() < 5  # four a burst


def test_fast_spiking_is_fast_and_does_not_adapt(izhikevich):
    gaps = izhikevich["fast_spiking"]
    assert len(gaps) > 50 and np.ptp(gaps[2:]) < 0.6 and gaps.max() < 0.25 * izhikevich["regular_spiking"].max()


def test_low_threshold_spiking_is_fast_and_adapts(izhikevich):
    gaps = izhikevich["low_threshold_spiking"]
    assert gaps[0] < 4 and gaps[-1] > 3 * gaps[0] and (np.diff(gaps[:6]) > 0).all()
    weak = np.full(2000, 1.0)  # and a low threshold it has
    assert len(spike_times(Izhikevich.low_threshold_spiking(dt=FINE), weak)) and not len(spike_times(Izhikevich(dt=FINE), weak))


def test_thalamo_cortical_fires_tonically_from_rest_and_a_burst_after_inhibition(izhikevich):
    n = Izhikevich.thalamo_cortical(dt=FINE)
    gaps = np.diff(spike_times(n, np.full(4000, 1.5)))
    assert len(gaps) > 20 and np.ptp(gaps[4:]) < 4
    rebound = spike_times(n, np.concatenate([np.full(800, -20.0), np.zeros(1200)]))
    assert 3 <= len(rebound) <= 6 and rebound[0] > 200 and (np.diff(rebound) < 20).all()  # and then silence
    for other in (Izhikevich(dt=FINE), Izhikevich.fast_spiking(dt=FINE)):
        assert not len(spike_times(other, np.concatenate([np.full(800, -20.0), np.zeros(1200)])))
    assert len(izhikevich["thalamo_cortical"]) > 100


def test_resonator_rings_at_the_frequency_of_its_eigenvalues_and_answers_to_it():
    n = Izhikevich.resonator(dt=0.05)
    rest = n.init(())
    slope = 0.08 * float(rest.v) + 5
    value = np.linalg.eigvals(np.array([[slope, -1], [n.a * n.b, -n.a]]))[0]
    state, out = trace(n, np.zeros(2000), rest._replace(v=rest.v + 0.3))
    t = 0.05 * np.arange(1, 2001)
    away = np.asarray(state.v) - float(rest.v)
    assert not out.any() and abs(value.imag) == pytest.approx(2 * math.pi * 0.0244, rel=0.01)  # 24.4 Hz
    crossings = t[1:][np.diff(away > 0)]
    np.testing.assert_allclose(np.diff(crossings[:4]), math.pi / abs(value.imag), rtol=0.05)
    period = 2 * math.pi / abs(value.imag)

    def pulses(apart):
        xs = np.zeros(6000)
        for pulse in range(3):
            first = round((10 + pulse * apart) / 0.05)
            xs[first : first + 20] = 2.2
        return len(spike_times(n, xs))

    assert pulses(period) and not pulses(period / 2) and not pulses(1.5 * period)


def test_number_of_spikes_depends_little_on_the_step(izhikevich):
    for name, gaps in izhikevich.items():
        coarse = spike_times(getattr(Izhikevich, name)(dt=0.5), np.full(1000, 10.0))
        assert len(coarse) == pytest.approx(len(gaps) + 1, rel=0.2)


def test_presets_take_the_other_fields():
    n = Izhikevich.chattering(dt=0.5, fire=AT, threshold=25.0)
    assert (n.a, n.b, n.c, n.d, n.dt, n.threshold, n.fire) == (0.02, 0.2, -50.0, 2.0, 0.5, 25.0, AT)
    assert Izhikevich.thalamo_cortical().b == Izhikevich.low_threshold_spiking().b == 0.25


def test_a_reset_counts_from_c():
    n, x = Izhikevich(c=jnp.array([-65.0, -50.0])), jnp.full(2, 1e3)
    for reset, after in [(to_value(0.0), n.c), (to_value(-5.0), n.c - 5)]:
        np.testing.assert_allclose(Izhikevich(c=n.c, reset=reset).step(n.init((2,)), x)[0].v, after, rtol=1e-6)
    gradient = jax.grad(lambda c: Izhikevich(c=c).step(n.init((2,)), x)[0].v.sum())(n.c)
    np.testing.assert_allclose(gradient, 1, rtol=1e-6)


def test_spikes_far_above_the_threshold_keep_their_gradient():
    """A step overshoots the threshold by far; what is held there would have no derivative, its logarithm has a small one."""
    n = Izhikevich(fire=fast_sigmoid(0.001))  # so wide that every spike is seen
    v = jnp.linspace(20.0, 29.0, 64)
    at = n.init(v.shape)._replace(v=v)
    spikes, gradient = jax.jvp(lambda x: n.step(at, x)[1], (jnp.zeros(64),), (jnp.ones(64),))
    assert spikes.all() and (gradient > 1e-3).all()


def test_two_half_steps_are_of_the_membrane_alone():
    n, xs = Izhikevich(), testing.driving(Izhikevich(), 4)
    v, u, spikes = np.full(xs.shape[1:], -70.0), np.full(xs.shape[1:], -14.0), []
    for x in np.asarray(xs, np.float64):
        for _ in range(2):
            v = np.clip(v + 0.5 * (0.04 * v * v + 5 * v + 140 - u + x), -200, 40)
        u = u + 0.02 * (0.2 * v - u)
        s = v > 30
        v, u = np.where(s, -65, v), u + 8 * s
        spikes.append(s)
    state, out = trace(n, xs)
    assert np.mean(spikes) > 0.1
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(state.v[-1], v, rtol=1e-3)
    np.testing.assert_allclose(state.u[-1], u, rtol=1e-4)
