"""The engine: every backend is a loop of steps, in values and in gradients; what does not fit is refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mxsnn
from mxsnn import choose, testing, unroll
from mxsnn.discrete import current
from mxsnn.engine import BACKENDS, backends
from mxsnn.neurons import ALIF, LI, LIF, NEURONS, PLIF, ALIFState, LIFState, Recorded, Synaptic, parameters
from mxsnn.reset import none, subtract
from mxsnn.testing import driving, inputs

# Every registered neuron as it is by default, and once more where it takes a reset and none makes it affine.
FREE = {
    name: cls(**{f.name: none for f in dataclasses.fields(cls) if f.name.startswith("reset") and f.metadata.get("static")})
    for name, cls in NEURONS.items()
}
FREE = {name: n for name, n in FREE.items() if n != NEURONS[name]() and "associative" in backends(n)}
ALL = {name: cls() for name, cls in NEURONS.items()} | {f"{name}, reset-free": n for name, n in FREE.items()}
RESETS = [("scan", subtract), ("remat", subtract), ("associative", none)]
each_backend = pytest.mark.parametrize(("backend", "reset"), RESETS)


def close(a, b):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), a, b)


def loop(n, xs, state=None):
    """What every backend has to compute."""
    state = n.init(xs.shape[1:], jnp.float32) if state is None else state
    outs = []
    for x in xs:
        state, out = n.step(state, x)
        outs.append(out)
    return state, jnp.stack(outs)


# ---- values and gradients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", ALL.values(), ids=ALL)
def test_unroll_is_a_loop_of_steps(n):
    xs = driving(n)
    start = jax.tree.map(lambda s: s + 0.25, n.init(xs.shape[1:]))
    from_rest, from_start = loop(n, xs), loop(n, xs, start)
    for backend in backends(n):
        close(unroll(n, xs, backend=backend), from_rest)
        close(unroll(n, xs, start, backend), from_start)


@settings(max_examples=5)
@given(
    shape=st.lists(st.integers(1, 3), min_size=1, max_size=5).map(tuple),
    n=st.sampled_from([LIF(), ALIF(), LI(), LIF(reset=none)]),
    seed=st.integers(0, 99),
)
def test_any_shape_will_do(shape, n, seed):
    xs = inputs(seed, shape)
    for backend in backends(n):
        state, out = unroll(n, xs, backend=backend)
        assert out.shape == shape and all(s.shape == shape[1:] for s in state)
        close((state, out), loop(n, xs))


@settings(max_examples=8)
@given(
    cuts=st.sets(st.integers(0, 13), max_size=2),
    run=st.sampled_from([(n, backend) for n in (ALIF(5.0, 20.0), LI(5.0)) for backend in backends(n)]),
    dtype=st.sampled_from(["float32", "bfloat16"]),
)
def test_chunks_make_one_pass(cuts, run, dtype):
    (n, backend), xs = run, inputs().astype(dtype)
    whole, state, outs = unroll(n, xs), None, []
    for chunk in jnp.split(xs, sorted(cuts)):  # some of them empty
        state, out = unroll(n, chunk, state, backend)
        outs.append(out)
    close((state, jnp.concatenate(outs)), whole)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 7, 13, 16, 97, 101])
def test_remat_equals_scan(steps):
    n, xs, start = ALIF(5.0, 20.0), inputs(0, (steps, 2, 3)), ALIFState(*inputs(1, (2, 2, 3)))
    weights = jnp.arange(1.0, steps + 1)[:, None, None]

    def loss(arguments, backend):
        n, xs, start = arguments
        state, out = unroll(n, xs, start, backend)
        return (weights * out).sum() + (state.v**2).sum() + state.a.sum(), (state, out)

    differentiated = jax.jit(jax.value_and_grad(loss, has_aux=True), static_argnums=1)
    (truth, gradients), (result, others) = (differentiated((n, xs, start), backend) for backend in ("scan", "remat"))
    close(truth, result)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), gradients, others)
    assert steps < 7 or all(np.abs(g).sum() > 0 for g in jax.tree.leaves(others[0]))


def test_remat_keeps_memory_to_the_root_of_the_steps():
    def states_kept(steps, backend):
        gradient = jax.grad(lambda n, xs: unroll(n, xs, backend=backend)[0].v.sum())
        xs = jax.ShapeDtypeStruct((steps, 64), jnp.float32)
        analysis: Any = jax.jit(gradient).lower(ALIF(), xs).compile().memory_analysis()
        rows = analysis.temp_size_in_bytes / (64 * 4)
        return rows - steps if rows > steps else rows  # older versions of JAX copy the inputs besides

    assert states_kept(4096, "scan") > 3.5 * states_kept(1024, "scan") > 1024
    assert states_kept(4096, "remat") < 2.5 * states_kept(1024, "remat") < 1024


@each_backend
def test_transformations_go_through(backend, reset):
    xs, taus = inputs(), jnp.array([2.0, 20.0])
    together = jax.jit(jax.vmap(lambda tau: unroll(LIF(tau, reset=reset), xs, backend=backend)[1]))(taus)
    close(together, jnp.stack([unroll(LIF(tau, reset=reset), xs)[1] for tau in taus]))
    along = jax.vmap(lambda xs: unroll(LIF(reset=reset), xs, backend=backend)[1], in_axes=1, out_axes=1)(xs)
    close(along, unroll(LIF(reset=reset), xs)[1])


# ---- parallel over time -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", FREE.values(), ids=FREE)
def test_neurons_without_a_reset_agree_on_every_backend(n):
    testing.check_backends(n)


@pytest.mark.parametrize("steps", [0, 1, 2, 97, 1000])
def test_associative_equals_scan(steps):
    xs, start = inputs(0, (steps, 2, 4)), LIFState(inputs(1, (2, 4)))
    n = LIF(jnp.array([2.0, 20.0, 200.0, 2000.0]), v_rest=-0.2, reset=none, gain=current)
    weights = 1 + jnp.sin(jnp.arange(1.0, steps + 1))[:, None, None]

    def loss(arguments, backend):
        n, xs, start = arguments
        state, (states, out) = unroll(Recorded(n), xs, start, backend)
        return (weights * (out + states.v)).sum() + (state.v**2).sum(), (state, states, out)

    differentiated = jax.jit(jax.value_and_grad(loss, has_aux=True), static_argnums=1)
    (truth, gradients), (result, others) = (differentiated((n, xs, start), backend) for backend in ("scan", "associative"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), truth[1], result[1])
    np.testing.assert_allclose(truth[0], result[0], rtol=1e-4, atol=1e-5)
    for a, b in zip(jax.tree.leaves(gradients), jax.tree.leaves(others), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * max(1, np.abs(a).max(initial=0)))


@pytest.mark.parametrize("name", ["tau", "tau_syn", "v_rest", "resistance"])
@pytest.mark.parametrize("shape", [(3,), (2, 1), (2, 3)])
def test_one_parameter_may_be_an_array_on_each_backend(name, shape):
    xs = inputs(0, (5, 2, 3))
    n = Synaptic(reset=none, **{name: np.linspace(5, 20, math.prod(shape), dtype=np.float32).reshape(shape)})
    for backend in backends(n):
        close(unroll(n, xs, backend=backend), loop(n, xs))


REFUSED = [
    LIF(),
    LIF(reset=subtract),
    PLIF(),
    ALIF(),
    ALIF(reset=none),  # its threshold hears the spikes
    Recorded(LIF()),
]


@pytest.mark.parametrize("n", REFUSED, ids=lambda n: str(n)[:40])
def test_associative_refuses_what_hears_its_spikes(n):
    for call in (lambda: choose(n, inputs(), "associative"), lambda: unroll(n, inputs(), backend="associative")):
        with pytest.raises(
            ValueError, match=rf"declare themselves affine .* this {type(n).__name__} does not: take backend='scan'"
        ):
            call()
    assert backends(n) == ["scan", "remat"]


def test_a_false_declaration_is_found():
    @parameters
    class Resets(LIF):
        affine = True

    @parameters
    class Shunted(LI):
        def step(self, state, x):  # affine for every x, but not by the same A
            after, out = super().step(state, x)
            return after._replace(v=after.v - 0.2 * x * state.v), out

    for liar in (Resets(), Shunted()):
        with pytest.raises(AssertionError, match="associative"):
            testing.check_backends(liar)


# ---- dtypes -------------------------------------------------------------------------------------------------------------------


@each_backend
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.uint8, bool], ids=lambda d: d.__name__)
def test_state_is_float32_and_spikes_have_the_dtype_of_floating_inputs(dtype, backend, reset):
    xs = jnp.abs(inputs()).astype(dtype)
    state, out = unroll(LIF(reset=reset), xs, backend=backend)
    assert state.v.dtype == jnp.float32
    assert out.dtype == (dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.float32)
    assert set(np.unique(out.astype(jnp.float32))) == {0, 1}
    exact = unroll(LIF(reset=reset), xs.astype(jnp.float32))
    close((state, out.astype(jnp.float32)), exact)
    assert unroll(LI(), xs, backend=backend)[1].dtype == jnp.float32


def test_arrays_of_numpy_and_lists_will_do():
    xs: Any = np.asarray(inputs(), np.float64)
    for other in (xs, xs.tolist()):
        close(unroll(LIF(), other), unroll(LIF(), inputs()))


def test_doubles_stay_doubles():
    with jax.enable_x64(True):
        state, out = unroll(LIF(), jnp.asarray(inputs(), jnp.float64))
        assert state.v.dtype == out.dtype == jnp.float64
        assert unroll(LIF(), inputs())[0].v.dtype == jnp.float32


# ---- what is refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [choose, lambda n, xs, backend: unroll(n, xs, backend=backend)], ids=["choose", "unroll"])
def test_unknown_backend(call):
    with pytest.raises(ValueError, match="no backend is called 'sacn'; choose one of auto, scan, remat"):
        call(LIF(), inputs(), "sacn")


REST = LIF().init((3, 4))
MISFITS: dict[str, Any] = {
    "shape": (
        LIFState(jnp.zeros((2, 4))),
        r"does not fit LIF with inputs \(13, 3, 4\): expected float32\[3, 4\], got float32\[2, 4\]",
    ),
    "a shape that would broadcast": (LIFState(jnp.zeros((1, 4))), r"expected float32\[3, 4\], got float32\[1, 4\]"),
    "a plain number": ((lambda v: LIFState(v))(0.0), r"expected float32\[3, 4\], got float32\[\]"),
    "dtype": (LIFState(REST.v.astype(jnp.bfloat16)), r"expected float32\[3, 4\], got bfloat16\[3, 4\]"),
    "structure": (REST.v, "expected .*LIFState.*, got "),
    "another neuron's": (ALIF().init((3, 4)), "expected .*LIFState.*, got .*ALIFState"),
}


@pytest.mark.parametrize(("state", "message"), MISFITS.values(), ids=MISFITS)
def test_state_that_does_not_fit(state, message):
    with pytest.raises(ValueError, match=message):
        unroll(LIF(), inputs(), state)


def test_inputs_without_time():
    with pytest.raises(ValueError, match="leading time axis"):
        unroll(LIF(), 1.0)


def test_parameters_that_do_not_fit():
    with pytest.raises(
        ValueError, match=r"do the parameters broadcast against \(4,\)\?: expected float32\[4\], got float32\[3, 4\]"
    ):
        unroll(LIF(tau=jnp.ones((3, 4))), inputs(0, (13, 4)))
    with pytest.raises(ValueError, match=r"(?i)incompatible shapes"):
        unroll(LIF(tau=jnp.ones(5)), inputs())


# ---- what runs ----------------------------------------------------------------------------------------------------------------


def test_choice_says_what_runs_and_why(monkeypatch):
    xs = jax.ShapeDtypeStruct((13, 3, 4), jnp.float32)
    automatic = choose(LIF(), xs)
    assert automatic.backend in BACKENDS and "LIF" in automatic.reason
    assert choose(LIF(), xs, "remat") == ("remat", "asked for")

    ran = []
    monkeypatch.setitem(BACKENDS, automatic.backend, lambda n, state, xs: ran.append(n) or (state, xs))
    assert mxsnn.unroll(Recorded(LIF()), inputs())[1] is not None and ran == [Recorded(LIF())]
