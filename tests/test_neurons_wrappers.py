"""Variants by wrapping: a reset in the next step, outputs a step late, dead time, neurons that hear themselves and each other."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mxsnn import testing, unroll
from mxsnn.discrete import current, euler
from mxsnn.neurons import (
    ALIF,
    BRF,
    GLIF,
    IF,
    KLIF,
    LI,
    LIF,
    NEURONS,
    PLIF,
    RF,
    AdEx,
    AdQIF,
    Alpha,
    Autapse,
    Izhikevich,
    Lapicque,
    Late,
    NextStepReset,
    Outputs,
    Recorded,
    Refractory,
    Synaptic,
    TernaryLIF,
    frozen,
    imaginary,
    integrating,
    masked,
    named,
    renewed,
    undone_scale,
)
from mxsnn.nn import Recurrent, Spiking
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.surrogate import atan, inclusive

HARD, AT = to_value(0.0), inclusive(atan())
HALF = 1 / math.log(2)  # the time constant that halves a membrane in a step of 1 ms


@jax.jit
def trace(n, xs):
    """State and output of every step: arrays [T, ...]."""
    recorded: Any = unroll(Recorded(n), jnp.asarray(xs, jnp.float32))[1]
    return recorded


def membrane(state):
    """That of the neuron inside."""
    return membrane(state.neuron) if hasattr(state, "neuron") else state.v


def train(out) -> str:
    return "".join(str(int(s)) for s in out)


# ---- worked examples ----------------------------------------------------------------------------------------------------------

X = [0.9, 0.9, 0, 1.0, 0.6, 2.6, 0, 0]
DELAYED = [0.9, 1.35, -0.325, 0.8375, 1.0188, 2.1094, 0.0547, 0.0273]
RESIDUAL, EATEN = [2.7, 0, 0, 0, 0, 0], [1.2, 0.8, 0.8, 0.8, 0.8, 0.8]
TENTH = -1 / math.log(0.9)


def counted(u):
    """As many spikes as the membrane holds thresholds of 1."""
    return jnp.maximum(jnp.floor(u + 1), 0)


EXAMPLES = {
    "snnTorch, subtract": (NextStepReset(LIF(HALF)), X, DELAYED, "01001100"),
    "spyx": (Late(NextStepReset(LIF(HALF))), X, DELAYED, "00100110"),
    "spyx, IF": (Late(NextStepReset(IF())), X, [0.9, 1.8, 0.8, 1.8, 1.4, 3, 2, 1], "00101111"),
    "Norse, input doubled": (
        LIF(2, gain=current, decay=euler, resistance=2, reset=HARD),
        X,
        [0.9, 0, 0, 1, 0, 0, 0, 0],
        "01001100",
    ),
    "snnTorch, residual": (NextStepReset(LIF(TENTH)), RESIDUAL, [2.7, 1.43, 0.287, 0.2583, 0.2325, 0.2092], "110000"),
    "spyx, residual": (Late(NextStepReset(LIF(TENTH))), RESIDUAL, [2.7, 1.43, 0.287, 0.2583, 0.2325, 0.2092], "011000"),
    "Sinabs, residual": (LIF(TENTH, fire=counted), RESIDUAL, [0.7, 0.63, 0.567, 0.5103, 0.45927, 0.413343], "200000"),
    "snnTorch's RLeaky, zero": (NextStepReset(LIF(TENTH, reset=HARD)), EATEN, [1.2, 0, 0.8, 1.52, 0, 0.8], "100100"),
    "snnTorch's Lapicque, zero": (
        NextStepReset(Lapicque(10.0, 1.0, decay=euler, reset=HARD)),
        EATEN,
        [1.2, 0, 0.8, 1.52, 0, 0.8],
        "100100",
    ),
    "snnTorch's Synaptic, zero": (
        NextStepReset(Synaptic(TENTH, 1e-3, reset=HARD)),  # whose current forgets at once
        EATEN,
        [1.2, 0, 0.8, 1.52, 0, 0.8],
        "100100",
    ),
    "dead, frozen": (Refractory(LIF(HALF, reset=HARD), 3.0), [0.7] * 10, [0.7, 0, 0, 0, 0, 0.7, 0, 0, 0, 0], "0100001000"),
    "dead, integrating": (
        Refractory(LIF(HALF, reset=HARD), 3.0, integrating),
        [0.7] * 10,
        [0.7, 0, 0.7, 1.05, 1.225, 0, 0.7, 1.05, 1.225, 0],
        "0100010001",
    ),
    "dead, masked": (Refractory(LIF(HALF, reset=HARD), 3.0, masked), [0.7] * 10, [0.7, 0, 0, 0, 0, 0.7, 0, 0, 0, 0], "0100001000"),
    "dead, masked, from below rest": (
        Refractory(LIF(HALF, reset=to_value(-0.4)), 3.0, masked),
        [0.7] * 8,
        [0.7, -0.4, -0.2, -0.1, -0.05, 0.675, -0.4, -0.2],
        "01000010",
    ),
    "dead, frozen below rest": (
        Refractory(LIF(HALF, reset=to_value(-0.4)), 3.0),
        [0.7] * 8,
        [0.7, -0.4, -0.4, -0.4, -0.4, 0.5, 0.95, -0.4],
        "01000001",
    ),
    "hears itself": (Autapse(LIF(HALF), -0.5), [0.9] * 6, [0.9, 0.35, 0.575, 0.1875, 0.49375, 0.146875], "010101"),
}


@pytest.mark.parametrize(("n", "xs", "expected", "spikes"), EXAMPLES.values(), ids=EXAMPLES)
def test_worked_example(n, xs, expected, spikes):
    state, out = trace(n, xs)
    np.testing.assert_allclose(membrane(state), expected, atol=6e-5)
    assert train(out) == spikes


@pytest.mark.parametrize(
    ("beta", "xs", "charged", "spikes"),
    [(0.5, X, [0.9, 1.35, 0, 1, 1.1, 2.6, 0, 0], "01001100"), (0.9, EATEN, [1.2, 0.8, 1.52, 0.8, 1.52, 0.8], "101010")],
)
def test_leaky_of_snntorch_zeroes_before_it_charges(beta, xs, charged, spikes):
    # It shows the membrane before the reset, which acts before the next charge: no other neuron than one that resets at once.
    state, out = trace(LIF.from_beta(beta, reset=detached(HARD)), xs)
    np.testing.assert_allclose(beta * np.append(0, state.v[:-1]) + np.asarray(xs), charged, atol=6e-5)
    assert train(out) == spikes


@pytest.mark.parametrize(
    ("n", "spikes", "gradient"),
    [
        (NextStepReset(LIF(HALF, reset=detached(subtract))), "0100", [1.2900, 0.7597, 0.6140, 0.5092]),
        (Late(NextStepReset(LIF(HALF))), "0010", [0.7175, 0.4697, 0.3594, 0]),
    ],
    ids=["snnTorch", "spyx"],
)
def test_gradient_through_the_reset(n, spikes, gradient):
    xs = jnp.asarray([0.9, 0.9, 0.9, 0.4])
    assert train(unroll(n, xs)[1]) == spikes
    np.testing.assert_allclose(jax.grad(lambda xs: unroll(n, xs)[1].sum())(xs), gradient, atol=6e-5)


# ---- against the equations, in exact arithmetic -------------------------------------------------------------------------------

# Multiples of 2^-8 at a retention of 1/2: every sum and product fits into float32, so not a bit may differ.
multiples = st.integers(-256, 256) | st.sampled_from([0, 127, 128, 129, 255, 256, 257, 512])
dyadic = arrays(np.int16, (7, 4), elements=multiples)


@pytest.mark.parametrize("kind", ["subtract", "zero"])
@given(whole=dyadic)
def test_reset_in_the_next_step(kind, whole):
    xs, u = whole / 256, np.zeros(4)
    membranes = []
    for x in xs:
        r = u > 1  # read from the membrane of the step before, as snnTorch does
        u = 0.5 * u + x - r if kind == "subtract" else (1 - r) * (0.5 * u + x)
        membranes.append(u)
    n = NextStepReset(LIF(2.0, decay=euler, reset=subtract if kind == "subtract" else HARD))
    state, out = trace(n, xs)
    np.testing.assert_array_equal(state.v, membranes)
    np.testing.assert_array_equal(out, np.array(membranes) > 1)
    np.testing.assert_array_equal(trace(Late(n), xs)[1][1:], out[:-1])  # spyx: the same membrane, its spikes a step late


@pytest.mark.parametrize("policy", [frozen, integrating, masked], ids=lambda f: f.__name__)
@given(whole=dyadic, dead=st.integers(1, 3))
def test_dead_time(policy, whole, dead):
    xs, v, left = whole / 256, np.zeros(4), np.zeros(4, int)
    membranes, trains, counts = [], [], []
    for x in xs:
        waits = left > 0
        charged = 0.5 * v + np.where(waits & (policy is masked), 0, x)
        charged = np.where(waits & (policy is frozen), v, charged)
        s = (charged > 1) & ~waits
        v = np.where(s, -0.25, charged)
        left = np.where(s, dead, np.maximum(left - 1, 0))
        membranes.append(v)
        trains.append(s)
        counts.append(left)
    n = Refractory(LIF(2.0, decay=euler, reset=to_value(-0.25)), float(dead), policy)
    state, out = trace(n, xs)
    np.testing.assert_array_equal(state.neuron.v, membranes)
    np.testing.assert_array_equal(out, trains)
    np.testing.assert_array_equal(state.left, counts)


def test_norse_freezes_the_membrane_and_not_the_current():
    # Its LIFRefracCell, with time constants of 5 and 10 ms and five dead steps of 1 ms.
    xs = np.random.default_rng(3).uniform(-1, 5, (60, 8))
    v, current_, left = np.zeros(8), np.zeros(8), np.zeros(8)
    membranes, trains = [], []
    for x in xs:
        jump = current_ + x
        charged = v + 0.1 * (jump - v)
        s, current_ = charged > 1, 0.8 * jump
        waits = left > 0
        v = np.where(waits, v, np.where(s, 0, charged))
        s = s & ~waits
        left = np.where(s, 5, np.maximum(left - waits, 0))
        membranes.append(v)
        trains.append(s)
    state, out = trace(Refractory(Synaptic(10.0, 5.0, gain=current, decay=euler, reset=HARD), 5.0), xs)
    np.testing.assert_array_equal(out, trains)
    assert out.any()
    np.testing.assert_allclose(state.neuron.v, membranes, rtol=1e-5, atol=1e-5)


# ---- dead time: theory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [frozen, integrating, masked], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("period", "dt", "dead"), [(3.0, 1.0, 3), (0.3, 0.1, 3), (0.31, 0.1, 4), (5.0, 2.0, 3), (0.01, 1.0, 1)])
def test_intervals_under_any_drive_are_the_dead_steps_and_one(policy, period, dt, dead):
    n = Refractory(LIF(dt=dt, reset=HARD), period, policy)
    state, out = trace(n, np.full(20, 50.0))
    np.testing.assert_array_equal(np.diff(np.flatnonzero(out)), dead + 1)
    np.testing.assert_array_equal(state.left[: 2 * (dead + 1)], [*range(dead, -1, -1)] * 2)


@given(
    xs=arrays(np.float32, (30, 4), elements=st.floats(-2, 4, width=32)),
    dead=st.integers(1, 5),
    policy=st.sampled_from([frozen, integrating, masked]),
    inner=st.sampled_from([LIF(5.0, reset=HARD), PLIF(), ALIF(5.0), Synaptic(5.0, 2.0)]),
)
def test_no_two_spikes_come_within_the_period(xs, dead, policy, inner):
    out, free = (np.asarray(trace(n, xs)[1]) for n in (Refractory(inner, float(dead), policy), inner))
    for spikes, others in zip(out.T, free.T, strict=True):
        assert np.all(np.diff(np.flatnonzero(spikes)) > dead)
        first = np.flatnonzero(others)[:1]  # up to which nothing is another neuron's
        assert np.flatnonzero(spikes)[:1].tolist() == first.tolist()


def test_below_rest_no_input_makes_it_fire():
    n = Refractory(LIF(reset=to_value(-0.3)), period=5.0)
    xs = np.full((12, 3), [1e6, 1e3, 1.5])
    state, out = trace(n, xs)
    assert train(out[:, 0]) == train(out[:, 1]) == "100000100000"
    np.testing.assert_allclose(state.neuron.v[out[:, 2].argmax() :][:6, 2], -0.3)  # below rest, whatever comes in


def test_rate_is_that_of_the_period_and_the_charging_time():
    # f(I) = 1 / (t_ref + T(I)), T(I) = tau ln((R I - v_reset) / (R I - threshold)), to which steps converge with first order.
    tau, period, below = 10.0, 4.0, -0.5
    drive = np.linspace(1.1, 3.0, 48)
    exact = period + tau * np.log((drive - below) / (drive - 1))
    steps, errors = np.array([1, 0.5, 0.25]), []
    for dt in steps:
        n = Refractory(LIF(tau, dt=dt, gain=current, reset=to_value(below)), period)
        out = np.asarray(trace(n, np.tile(drive, (round(140 / dt), 1)))[1])
        intervals = [set(np.diff(np.flatnonzero(spikes))) for spikes in out.T]
        assert all(len(i) == 1 for i in intervals)
        errors.append(dt * np.array([i.pop() for i in intervals]) - exact)
        assert errors[-1].min() > -1e-3 and errors[-1].max() < dt + 1e-3
    assert [e.mean() for e in errors] == pytest.approx(steps / 2, rel=0.2)  # on average half a step late
    assert exact.min() > period  # so that no current fires it faster than 1 / t_ref


def test_nothing_passes_through_the_counter():
    n = Refractory(LIF(HALF, reset=HARD), 2.0)
    xs = jnp.asarray([1.5, 9.0, 9.0, 0.4])

    def loss(left, xs):
        state, out = unroll(n, xs, n.init(())._replace(left=left))
        return out.sum() + state.left + 0 * xs.sum()

    by_left, by_xs = jax.grad(loss, argnums=(0, 1))(jnp.zeros(()), xs)
    assert by_left == 0
    assert by_xs[0] > 0 and not by_xs[1:3].any() and by_xs[3] > 0  # frozen: the dead steps' inputs change nothing


def test_the_period_keeps_its_length_in_other_steps():
    n = Refractory(LIF(5.0, reset=HARD), 4.0)
    finer = renewed(n, dt=0.5)
    assert (finer.neuron.dt, finer.period) == (0.5, 4.0)
    gaps = [np.diff(np.flatnonzero(trace(m, np.full(40, 9.0))[1]))[0] for m in (n, finer)]
    assert gaps == [5, 9]


# ---- late ---------------------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(
    xs=arrays(np.float32, (9, 4), elements=st.floats(-2, 4, width=32)),
    inner=st.sampled_from([LIF(5.0), NextStepReset(LIF(5.0)), LI(5.0), Refractory(LIF(5.0), 2.0), Late(LIF(5.0))]),
)
def test_late_outputs_are_those_of_the_step_before(xs, inner):
    out, late = (trace(n, xs)[1] for n in (inner, Late(inner)))
    np.testing.assert_array_equal(late[0], 0)
    np.testing.assert_allclose(late[1:], out[:-1], rtol=1e-6, atol=1e-6)


# ---- neurons that hear themselves and each other ------------------------------------------------------------------------------


def run(layer, xs):
    """Membranes and outputs of a layer, fed step by step: [T, N] each."""
    state, membranes, outs = None, [], []
    step = nnx.jit(lambda layer, x, state: layer(x, state))
    for x in jnp.asarray(xs, jnp.float32):
        state, out = step(layer, x[None, None], state)
        membranes.append(membrane(state[0])[0])
        outs.append(out[0, 0])
    return np.stack(membranes), np.stack(outs)


def recurrent(n, kernel):
    layer = Recurrent(n, len(kernel), rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.asarray(kernel, jnp.float32)
    return layer


def test_two_neurons():
    weights = np.array([[0, 0.3], [-0.4, 0]])  # out x in, as torch has it
    xs = [[1.2, 0.2], [0.3, 0.9], [0.1, 0.8], [0.6, 0.1], [0, 0.5]]
    v, out = run(recurrent(NextStepReset(LIF(HALF)), weights.T), xs)
    np.testing.assert_allclose(v, np.array([[1.2, -0.1, 0.05, 0.925, 0.4625], [0.2, 0.6, 1.1, -0.35, 0.325]]).T, atol=6e-5)
    assert [train(spikes) for spikes in out.T] == ["10000", "00100"]  # snnTorch's; spyx's come a step later


SEED = np.random.default_rng(5)
XS, WEIGHTS, BIAS = SEED.uniform(-0.5, 1.5, (40, 5)), SEED.normal(0, 0.4, (5, 5)), SEED.normal(0, 0.1, 5)


def test_rleaky_with_a_bias():
    # The bias of the recurrent weights is one of the input, where a dense layer has it.
    u, out, membranes = np.zeros(5), np.zeros(5), []
    for x in XS:
        u = 0.9 * u + x + (WEIGHTS @ out + BIAS) - out
        out = u > 1
        membranes.append(u)
    v, spikes = run(recurrent(NextStepReset(LIF(TENTH, reset=detached(subtract))), WEIGHTS.T), XS + BIAS)
    np.testing.assert_array_equal(spikes, np.array(membranes) > 1)
    np.testing.assert_allclose(v, membranes, rtol=1e-5, atol=1e-5)


def test_rsynaptic_hears_through_its_current():
    u, i, out, membranes = np.zeros(5), np.zeros(5), np.zeros(5), []
    for x in XS:
        i = 0.6 * i + x + WEIGHTS @ out
        u = 0.9 * u + i - out
        out = u > 1
        membranes.append(u)
    v, spikes = run(recurrent(NextStepReset(Synaptic.from_alpha_beta(0.6, 0.9)), WEIGHTS.T), XS)
    np.testing.assert_array_equal(spikes, np.array(membranes) > 1)
    np.testing.assert_allclose(v, membranes, rtol=1e-5, atol=1e-4)


def test_a_neuron_that_hears_itself_is_a_diagonal_of_weights():
    weight = np.linspace(-1, 0.6, 5)
    alone, out = trace(Autapse(NextStepReset(LIF(TENTH)), jnp.asarray(weight)), XS)
    v, spikes = run(recurrent(NextStepReset(LIF(TENTH)), np.diag(weight)), XS)
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(alone.neuron.v, v, rtol=1e-5, atol=1e-5)
    plain = unroll(LIF(5.0), jnp.asarray(XS, jnp.float32))[1]
    np.testing.assert_array_equal(unroll(Autapse(LIF(5.0), 0.0), jnp.asarray(XS, jnp.float32))[1], plain)


# ---- what a wrapper is --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n",
    [
        NextStepReset(Alpha(2.0, 5.0, reset=HARD, reset_current=HARD)),
        Late(Refractory(Synaptic(reset=HARD), 3.0, masked)),
        Refractory(LIF(dt=0.5), jnp.array([0.5, 1.0, 2.0, 0.7]), integrating),
        pytest.param(NextStepReset(ALIF(5.0, reset=detached(subtract))), marks=pytest.mark.slow),
        pytest.param(Autapse(Late(PLIF()), jnp.array([-1.0, 0.5, 0.0, 2.0])), marks=pytest.mark.slow),
    ],
    ids=["two resets", "late dead time of a synapse", "dead time per neuron", "adaptive threshold", "hears itself late"],
)
def test_wrappers_of_others_pass_every_check(n):
    testing.check(n)


def test_parameters_within_are_learned_by_their_names():
    n, xs = Late(Refractory(LIF(5.0, reset=detached(HARD)), 2.0)), testing.inputs()
    assert set(named(n)) == {"tau", "v_rest", "resistance", "threshold", "dt", "period"}
    assert named(n)["tau"].positive and named(n)["period"].whole
    layer = Spiking(n, learn=("tau", "v_rest"))

    @nnx.jit
    def gradients(layer):
        return nnx.grad(lambda layer: (layer(xs)[1] * testing.inputs(7)).sum())(layer)

    def loss(tau, v_rest):
        return (unroll(renewed(n, tau=tau, v_rest=v_rest), xs)[1] * testing.inputs(7)).sum()

    by_tau, by_rest = jax.grad(loss, argnums=(0, 1))(5.0, 0.0)
    learned = gradients(layer)["learned"]
    np.testing.assert_allclose([learned["tau"][...], learned["v_rest"][...]], [5 * by_tau, by_rest], rtol=1e-4)
    assert by_tau != 0


def test_the_period_is_not_learned():
    with pytest.raises(ValueError, match="Refractory has no parameter 'period' to learn; it has tau,"):
        Spiking(Refractory(), learn=("period",))


def test_outputs_are_of_the_kind_of_the_neuron_within():
    assert Outputs.of(Late(LI())) is Outputs.REAL and Outputs.of(Refractory()) is Outputs.BINARY


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Refractory(LI()), "Refractory wraps a neuron with fire, dt; LI has no fire"),
        (lambda: Refractory(IF()), "IF has no dt"),
        (lambda: Refractory(Late(LIF())), "Late has no fire, no dt: take another neuron, or wrap in another order"),
        (
            lambda: NextStepReset(NextStepReset(LIF())),
            "NextStepReset wraps a neuron with fire, distance; NextStepReset has no fire, no distance: take another neuron$",
        ),
        (lambda: Refractory(NextStepReset(LIF())), "NextStepReset has no fire, no dt: take another neuron$"),
        (lambda: NextStepReset(GLIF()), "GLIF has no distance: take another neuron$"),
        (lambda: NextStepReset(TernaryLIF()), "TernaryLIF has no distance: take another neuron$"),
        (lambda: NextStepReset(BRF()), "BRF has no distance: take another neuron$"),
        (
            lambda: Autapse(Late(Autapse(LIF(), 0.3)), 0.5),
            r"Autapse and Late\(Autapse\(LIF\)\) inside each have a parameter weight, and one name cannot mean both: wrap once",
        ),
        (lambda: Late(5), r"Late takes a neuron, such as LIF\(\); got 5"),
        (lambda: Late(LIF), r"such as LIF\(\); got <class 'mxsnn.neurons.lif.LIF'>"),
        (lambda: renewed(Late(LIF()), tua=3.0), "Late has no parameter 'tua'; it has tau, v_rest,"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_values_within_are_checked_anew():
    with pytest.raises(ValueError, match=r"LIF\.tau must be positive"):
        renewed(Late(LIF()), tau=-1.0)
    with pytest.raises(ValueError, match=r"LIF\.tau must be dt or longer under decay=euler"):
        renewed(Refractory(LIF(2.0, decay=euler)), dt=3.0)


@pytest.mark.parametrize("n", [LIF(2.0, decay=euler), Refractory(LIF(2.0, decay=euler)), PLIF(threshold=1.0)])
def test_what_is_learned_may_leave_its_domain_under_jit_and_without(n):
    xs, name = testing.inputs(), "dt"  # which is shorter than tau at first
    layer = Spiking(n, learn=(name,))
    layer.learned[name][...] = jnp.log(3.0)
    np.testing.assert_array_equal(layer(xs)[1], nnx.jit(lambda layer: layer(xs)[1])(layer))
    assert layer.neuron.dt == pytest.approx(3.0) if hasattr(layer.neuron, "dt") else layer.neuron.neuron.dt == pytest.approx(3.0)


def resetless(cls, **options):
    """A neuron whose spikes do nothing to its membrane nor, a step later than otherwise, to a current."""
    names = {f.name for f in dataclasses.fields(cls)}
    jump = {AdEx: "b", AdQIF: "b", Izhikevich: "d"}.get(cls, "jump")
    resets = {name: none for name in names if name.startswith("reset")}
    return cls(**resets, **({jump: 0.0} if jump in names and cls is not ALIF else {}), **options)


READ = {name: resetless(cls) for name, cls in NEURONS.items() if hasattr(cls, "distance")} | {
    "RF by its imaginary part": resetless(RF, part=imaginary),
    "KLIF, undone": resetless(KLIF, k=1.3, undo=undone_scale),
    "KLIF, kept": resetless(KLIF, k=1.3),
}


@pytest.mark.parametrize("n", READ.values(), ids=READ)
def test_resets_that_leave_the_membrane_make_no_difference(n):
    xs = testing.driving(n, shape=(60, 3, 4))
    out = trace(n, xs)[1]
    np.testing.assert_array_equal(trace(NextStepReset(n), xs)[1], out)
    assert 0.02 < out.mean() < 1


def test_every_neuron_with_a_reset_is_read_or_refused():
    assert {"IF", "LIF", "PLIF", "ALIF", "Synaptic", "Alpha", "Lapicque", "CLIF", "KLIF", "AdLIF", "RF"} <= READ.keys()
    for cls in set(NEURONS.values()) - {type(n) for n in READ.values()}:
        with pytest.raises(TypeError, match=f"{cls.__name__} has no .*distance"):
            NextStepReset(cls())


@pytest.mark.parametrize("n", [RF(0.3, 10.0, reset_u=HARD), BRF(0.3, 0.0), Izhikevich(), LIF(5.0)], ids=lambda n: type(n).__name__)
def test_what_is_frozen_cannot_fire(n):
    (state, _), out = trace(Refractory(n, 3.0), testing.driving(n, shape=(60, 3, 4)))
    parts = [np.asarray(getattr(state, part)) for part in getattr(n, "membrane", ("v",))]
    spikes = np.argwhere(np.asarray(out))
    assert len(spikes) > 5
    for t, *where in spikes:
        for part in parts:
            assert len(set(part[(slice(t, t + 4), *where)])) == 1  # as the spike left it
