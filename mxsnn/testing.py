"""The conformance checks that every neuron passes, for those who write one: `mxsnn.testing.check(MyNeuron())`.

Each check takes a neuron, raises AssertionError with what it found, and works on small arrays `[T, B, N]` of strong, mixed input,
so that spikes, silence and saturation all occur. A neuron whose input has another unit than its threshold's says how much it
takes: `drive: ClassVar[float] = 1000.0` for an input in pA, say.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn.engine import backends, unroll
from mxsnn.neurons import Neuron, Outputs, named
from mxsnn.typing import Array

T, B, N = 13, 3, 4  # a prime number of steps: no chunk divides it

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
"""float32 on any device: programs that are compiled differently round differently."""


def inputs(seed: int = 0, shape: tuple[int, ...] = (T, B, N)) -> Array:
    """Input that varies by element and in time, from silent to saturated: `[T, B, N]`."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return jnp.asarray(0.4 + 0.8 * noise + np.linspace(-0.5, 1.5, shape[-1]), jnp.float32)


def driving(neuron: Neuron, seed: int = 0, shape: tuple[int, ...] = (T, B, N)) -> Array:
    """`inputs` in the neuron's unit: times the `drive` that it declares, 1 where it declares none."""
    return getattr(neuron, "drive", 1.0) * inputs(seed, shape)


@functools.partial(jax.jit, static_argnames="backend")
def _run(neuron, xs, state=None, backend="auto"):
    """`unroll`, compiled once for all checks and all values of the parameters."""
    return unroll(neuron, xs, state, backend)


def check_state(neuron: Neuron) -> None:
    """A step leaves structure, shapes and dtypes of the state as they were; the state is float32 under half-precision input."""
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float16):
        state = jax.eval_shape(lambda: neuron.init((B, N), jnp.float32))
        after, _ = jax.eval_shape(neuron.step, state, jax.ShapeDtypeStruct((B, N), dtype))
        assert jax.tree.structure(state) == jax.tree.structure(after), f"a step turns {state} into {after}"
        for before, now in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
            was, became = (f"{part.dtype}{list(part.shape)}" for part in (before, now))
            assert was == became, f"under inputs in {jnp.dtype(dtype)} a state in {was} becomes {became}"
        for leaf in jax.tree.leaves(state):
            assert leaf.dtype == jnp.float32, f"init(shape, float32) gives a state in {leaf.dtype}"


def check_shapes(neuron: Neuron) -> None:
    """Neurons of any shape, `[B]` to `[B, H, W, C]`, of one step as of many: outputs and state have the shape of the input."""
    for shape in ((T, B), (1, 1, 1), (2, B, 5), (2, B, 3, 5, N)):
        try:
            state, out = jax.eval_shape(lambda x: unroll(neuron, x), jax.ShapeDtypeStruct(shape, jnp.float32))
        except (TypeError, ValueError, IndexError) as error:
            if any(jnp.ndim(leaf) for leaf in jax.tree.leaves(neuron)):
                return  # parameters that are arrays fit neurons of their shape alone
            raise AssertionError(f"inputs {list(shape)} cannot be run: {error}") from error
        assert out.shape == shape, f"out has shape {out.shape} for inputs {shape}"
        for leaf in jax.tree.leaves(state):
            assert leaf.shape == shape[1:], f"a state has shape {leaf.shape} for inputs {shape}"


def check_outputs(neuron: Neuron) -> None:
    """Outputs come from the declared set and have the shape of the input; they and the state are finite."""
    for scale in (0.0, 1.0, 30.0):
        state, out = _run(neuron, scale * driving(neuron))
        assert out.shape == (T, B, N), f"out has shape {out.shape} for inputs {(T, B, N)}"
        assert np.isfinite(out).all(), f"outputs are not finite at {scale} times the usual input"
        # A membrane that is not a number never fires again: its outputs, all zero, do not show it.
        assert all(np.isfinite(s).all() for s in jax.tree.leaves(state)), (
            f"the state is not finite at {scale} times the usual input"
        )
        assert np.asarray(out) in Outputs.of(neuron), f"declared {Outputs.of(neuron)}, got {np.unique(out)[:8]}"
        share = np.mean(np.asarray(out) != 0)
        assert scale != 1 or Outputs.of(neuron) is Outputs.REAL or 0.02 <= share <= 0.98, (
            f"the usual input, about {float(jnp.abs(driving(neuron)).mean()):.3g}, fires it in {share:.0%} of the steps: the "
            "checks see too few spikes or too few silent steps; declare an input that fires it often as the class attribute `drive`"
        )


def check_elementwise(neuron: Neuron) -> None:
    """What one element receives changes nothing in another: no mixing over the batch or the neurons."""
    xs = driving(neuron)
    for seed in range(3):
        other = driving(neuron, seed + 1).at[:, 1, 2].set(xs[:, 1, 2])
        a, b = (jax.tree.leaves(_run(neuron, x)) for x in (xs, other))
        for before, after in zip(a, b, strict=True):
            one, two = before[..., 1, 2], after[..., 1, 2]
            np.testing.assert_allclose(one, two, err_msg="an element depends on its neighbours", **TOLERANCE)


def check_causal(neuron: Neuron) -> None:
    """Outputs up to t depend on inputs up to t alone, and nothing is remembered from one run to the next."""
    xs, cut = driving(neuron), T // 2
    other = xs.at[cut:].set(driving(neuron, 1)[cut:] + 3)

    def outputs(x):
        return np.asarray(_run(neuron, x)[1])

    for mode in (False, True):  # compiled, and step by step in Python, where hidden memory shows
        with jax.disable_jit(mode):
            whole, changed, again = outputs(xs), outputs(other), outputs(xs)
        np.testing.assert_allclose(whole[:cut], changed[:cut], err_msg="the past depends on the future", **TOLERANCE)
        np.testing.assert_array_equal(whole, again, err_msg="the same input twice gives two results: step is not pure")


def check_streaming(neuron: Neuron) -> None:
    """A sequence fed in chunks, the state handed on, equals one pass."""
    xs = driving(neuron)
    state, whole = _run(neuron, xs)
    rest = neuron.init((B, N), jnp.float32)
    for cut in (1, 5, T - 1):
        middle, first = _run(neuron, xs[:cut], rest)
        end, second = _run(neuron, xs[cut:], middle)
        np.testing.assert_allclose(whole, jnp.concatenate([first, second]), err_msg=f"cut at {cut}", **TOLERANCE)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **TOLERANCE), state, end)


def check_backends(neuron: Neuron) -> None:
    """Every backend that can run the neuron gives the values and gradients (inputs, initial state, parameters) of `scan`."""
    xs, weights = driving(neuron), inputs(7)
    start = jax.tree.map(lambda s: s + 0.1, neuron.init((B, N), jnp.float32))

    def loss(arguments, backend):
        leaves, x, state = arguments
        state, out = unroll(_with(neuron, leaves), x, state, backend)
        return (out * weights).sum() + sum(s.sum() for s in jax.tree.leaves(state))

    arguments = _leaves(neuron), xs, start
    both = jax.jit(jax.value_and_grad(loss), static_argnums=1)
    value, gradients = both(arguments, "scan")
    for backend in backends(neuron):
        other, others = both(arguments, backend)
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-4, err_msg=backend)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), gradients, others)


def check_gradients(neuron: Neuron) -> None:
    """Gradients are finite everywhere, and reach the input and each parameter that the result depends on."""
    xs, weights = driving(neuron), inputs(7)

    def run(leaves, x):
        state, out = _run(_with(neuron, leaves), x)
        return [out, *jax.tree.leaves(state)]

    def loss(leaves, x):
        return sum((r * (weights[-1] if r.ndim == 2 else weights)).sum() for r in run(leaves, x))

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    for scale in (0.0, 1.0, 30.0):
        gradients = gradient(_leaves(neuron), scale * xs)
        for path, g in jax.tree_util.tree_leaves_with_path(gradients):
            name = jax.tree_util.keystr(path)
            assert np.isfinite(g).all(), f"the gradient of {name} is not finite at {scale} times the usual input"
    leaves = _leaves(neuron)
    by_leaf, by_input = gradient(leaves, xs)
    assert np.abs(by_input).sum() > 0, "no gradient reaches the input"
    before = run(leaves, xs)
    whole = {name for name, p in named(neuron).items() if p.whole}
    for name, leaf in leaves.items():
        if name.rpartition(".")[2] in whole:
            continue  # what acts in whole steps has no gradient
        moved = run(leaves | {name: leaf * 1.3 + 0.1}, xs)
        if any(not np.array_equal(a, b) for a, b in zip(before, moved, strict=True)):
            assert np.abs(by_leaf[name]).sum() > 0, f"{name} changes the result, but no gradient reaches it: is it detached?"


def check_one_trace(neuron: Neuron) -> None:
    """Another value of a parameter, or another neuron made alike, runs the same compiled program."""
    for f in dataclasses.fields(neuron):
        number = isinstance(getattr(neuron, f.name), int | float) and f.metadata.get("static")
        assert not number, f"{f.name} is a number but static: each of its values would be compiled anew"
    traces = []

    @jax.jit
    def run(n, x):
        traces.append(1)
        return unroll(n, x)

    leaves = _leaves(neuron)
    for factor in (1.0, 1.1, 1.2):
        run(_with(neuron, {name: leaf * factor for name, leaf in leaves.items()}), driving(neuron))
    assert len(traces) == 1, f"{len(traces)} traces for three values of the parameters"
    try:
        twins = _anew(neuron), _anew(neuron)
    except TypeError:
        return  # it cannot be made a second time without its arguments
    traces.clear()
    for twin in twins:
        run(_with(twin, leaves), driving(neuron, 1))
    assert len(traces) <= 1, (
        f"{len(traces)} traces for two neurons made alike: does a function that it is given compare by identity?"
    )


def check_vmap(neuron: Neuron) -> None:
    """A vmap over parameters equals one run for each."""
    variants = [_with(neuron, {k: v * f for k, v in _leaves(neuron).items()}) for f in (1.0, 1.25)]
    if not _leaves(neuron):
        return
    together = jax.vmap(lambda n: _run(n, driving(neuron))[1])(jax.tree.map(lambda *v: jnp.stack(v), *variants))
    for one, row in zip(variants, together, strict=True):
        np.testing.assert_allclose(_run(one, driving(neuron))[1], row, **TOLERANCE)


def check_per_neuron(neuron: Neuron) -> None:
    """Parameters may be arrays `[N]`, one value a neuron; equal values then give what a scalar gives. All, and each alone."""
    leaves, xs = _leaves(neuron), driving(neuron)
    arrays = {k: jnp.broadcast_to(v, (N,)) if v.ndim == 0 else v for k, v in leaves.items()}
    np.testing.assert_allclose(_run(neuron, xs)[1], _run(_with(neuron, arrays), xs)[1], **TOLERANCE)
    for backend in backends(neuron):
        if backend == "scan":
            continue  # it has no shapes of its own
        for name in leaves:
            jax.eval_shape(lambda n: unroll(n, xs, backend=backend), _with(neuron, leaves | {name: arrays[name]}))  # noqa: B023


CHECKS: tuple[Callable[[Neuron], None], ...] = (
    check_state,
    check_shapes,
    check_outputs,
    check_elementwise,
    check_causal,
    check_streaming,
    check_backends,
    check_gradients,
    check_one_trace,
    check_vmap,
    check_per_neuron,
)
"""All checks; each takes a neuron and raises AssertionError."""


def check(neuron: Neuron) -> None:
    """Runs every check on a neuron; raises AssertionError naming the check that failed and what it found."""
    for one in CHECKS:
        try:
            one(neuron)
        except AssertionError as error:
            raise AssertionError(f"{type(neuron).__name__} fails {one.__name__}: {error}") from error


def _anew(neuron: Neuron) -> Neuron:
    """Another neuron of this class as it is by default, around one like that which it wraps."""
    inner = getattr(neuron, "neuron", None)
    return type(neuron)(**{} if inner is None else {"neuron": _anew(inner)})


def _leaves(neuron: Neuron) -> dict[str, Array]:
    """The parameters by name, as float32 arrays."""
    named = jax.tree_util.tree_leaves_with_path(neuron)
    return {jax.tree_util.keystr(path): jnp.asarray(value, jnp.float32) for path, value in named}


def _with(neuron: Neuron, leaves: dict[str, Array]) -> Neuron:
    """The neuron with these parameters; by name, since JAX hands dictionaries back sorted."""
    return jax.tree_util.tree_map_with_path(lambda path, _: leaves[jax.tree_util.keystr(path)], neuron)
