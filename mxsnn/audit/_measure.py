"""A neuron in float32 on each backend beside `scan` in float64, and its gradient beside finite differences."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mxsnn import testing
from mxsnn.audit._fire import Watched, distance, fires, given
from mxsnn.engine import backends, unroll
from mxsnn.neurons import Neuron, Outputs, named
from mxsnn.reset import detached
from mxsnn.testing import B, N, T, driving, inputs
from mxsnn.typing import Array, State


class Beside(NamedTuple):
    """A backend in float32 beside `scan` in float64, on the same inputs; gradients by the name of what they are taken by."""

    flipped: int  # outputs that differ
    distance: float  # of the membrane from the threshold, in its unit; the farthest at which one flipped; NaN where none did
    unit: float  # what `fire` is given on average
    state: float  # the largest error of a state, relative to that state's largest value, where nothing flipped
    cosine: dict[str, float]  # of the gradient with that of float64; NaN where both are zero
    gradient: dict[str, float]  # its error, relative


def measure(neuron: Neuron) -> tuple[dict[str, Beside], dict[str, float], float, str]:
    """Each backend in float32 beside float64, errors of gradients beside finite differences, jumps, and a line on what was run."""
    names, weights = tuple(backends(neuron)), np.asarray(inputs(7))
    single = _run(neuron, _arguments(neuron, jnp.float32), jnp.asarray(weights), names)
    with jax.enable_x64(True):
        arguments = _arguments(neuron, jnp.float64)
        double = _run(neuron, arguments, jnp.asarray(weights, jnp.float64), ("scan",))["scan"]
        near, unit = _nearest(neuron, double[1][2])
        flips: dict[str, np.ndarray] = {name: _flips(neuron, run[1][1], double[1][1]) for name, run in single.items()}
        kept = ~np.any(list(flips.values()), (0, 1, 2))  # gradients are compared where no spike flips
        if not kept.all():
            double = _run(neuron, arguments, jnp.asarray(weights * kept, jnp.float64), ("scan",))["scan"]
        differences, jump = _differences(neuron, arguments, double[1])
    if not kept.all():
        single = _run(neuron, _arguments(neuron, jnp.float32), jnp.asarray(weights * kept), names)
    found = {name: _beside(neuron, single[name], double, flips[name], near, unit) for name in names}
    return found, differences, jump, _conditions(neuron, np.asarray(double[1][1]), near)


def _conditions(neuron: Neuron, out: np.ndarray, near: np.ndarray) -> str:
    xs = np.asarray(driving(neuron))
    spikes = "" if Outputs.of(neuron) is Outputs.REAL else f": {np.count_nonzero(out)} of {out.size} outputs are spikes"
    close = f", the nearest membrane {near.min():.1g} from its threshold" if np.isfinite(near.min()) else ""
    return f"{T} steps of {B} x {N} neurons under inputs from {xs.min():.3g} to {xs.max():.3g}{spikes}{close}"


def _arguments(neuron: Neuron, dtype: Any) -> tuple[dict[str, Array], Array, State]:
    """Parameters by name, one value a neuron; inputs; an initial state that is not at rest."""
    leaves = {name: jnp.asarray(v, dtype) for name, v in testing._leaves(neuron).items()}
    leaves = {name: jnp.broadcast_to(v, (N,)) if v.ndim == 0 else v for name, v in leaves.items()}
    start = testing._with(neuron, leaves).init((B, N), dtype)
    return leaves, jnp.asarray(driving(neuron), dtype), jax.tree.map(lambda s: s + jnp.asarray(0.1, s.dtype), start)


def _by_name(neuron: Neuron, arguments: Any) -> dict[str, Any]:
    """The parts of the arguments, or of a gradient by them, under the names that people know."""
    leaves, xs, state = arguments
    known = named(neuron)
    found = {name.rpartition(".")[2]: value for name, value in leaves.items()}
    order = [*known, *sorted(found.keys() - known.keys())]
    found = {name: found[name] for name in order if name in found and not (name in known and known[name].whole)}
    states = {f"state{jax.tree_util.keystr(path)}": value for path, value in jax.tree_util.tree_leaves_with_path(state)}
    return found | {"inputs": xs} | states


def _parts(
    neuron: Neuron, arguments: Any, backend: str, change: Callable[[str, Any], Any] | None = None
) -> tuple[list[Array], Any]:
    """Output and states of all steps, and what was run: `(states, outputs, arguments of fire)`."""
    leaves, xs, start = arguments
    n = testing._with(neuron, leaves)
    recorded: Any = unroll(Watched(n if change is None else given(n, change)), xs, start, backend)[1]
    states, out, seen = recorded
    return [out, *jax.tree.leaves(states)], (states, out, seen)


def _scales(parts: list[Array]) -> list[Array]:
    return [jax.lax.stop_gradient(jnp.maximum(jnp.abs(part).max(), 1e-6)) for part in parts]


def _sum(weights: Array, parts: list[Array], scales: list[Array]) -> Array:
    """A weighted sum of all outputs and states, each on its own scale."""
    return jnp.stack([(weights * part / scale).sum() for part, scale in zip(parts, scales, strict=True)]).sum()


@functools.partial(jax.jit, static_argnames="names")
def _run(neuron: Neuron, arguments: Any, weights: Array, names: tuple[str, ...]) -> dict[str, Any]:
    """`(gradient, (states, outputs, arguments of fire))` of each backend."""

    def loss(arguments: Any, name: str) -> tuple[Array, Any]:
        parts, run = _parts(neuron, arguments, name)
        return _sum(weights, parts, _scales(parts)), run

    return {name: jax.grad(loss, has_aux=True)(arguments, name) for name in names}


# ---- both precisions ------------------------------------------------------------------------------------------------------------


def _flips(neuron: Neuron, out: Array, truth: Array) -> np.ndarray:
    """Where an output is another one of the set: by more than a half, since an initial state may be one, and is rounded."""
    other = np.abs(np.asarray(out, np.float64) - np.asarray(truth)) > 0.5
    return other if Outputs.of(neuron) is not Outputs.REAL else np.zeros_like(other)


def _nearest(neuron: Neuron, seen: dict[str, list[Array]]) -> tuple[np.ndarray, float]:
    """How near each membrane has come to the threshold by each step, `[T, B, N]`, and the mean distance.

    By then, and not at it: the spikes of a wrapped neuron may come later than the membrane that caused them.
    """
    near, met = np.full((T, B, N), np.inf), [0.0]
    for name, fire in fires(neuron).items():
        for u in map(np.asarray, seen[name]):
            near = np.minimum(near, distance(fire, u))
            met.append(float(np.abs(u).mean()))
    return np.minimum.accumulate(near), max(met)


def _beside(neuron: Neuron, single: Any, double: Any, flips: np.ndarray, near: np.ndarray, unit: float) -> Beside:
    gradient, (states, out, _) = single
    exact, (truths, truth, _) = double
    fine, first = ~flips.any((0, 1)), flips & (np.cumsum(flips, 0) == 1)
    pairs = list(zip(jax.tree.leaves(states), jax.tree.leaves(truths), strict=True))
    pairs += [(out, truth)] if Outputs.of(neuron) is Outputs.REAL else []
    errors = [_relative(np.asarray(a, np.float64)[..., fine], np.asarray(b)[..., fine], np.max) for a, b in pairs]
    gradients, exacts = _by_name(neuron, gradient), _by_name(neuron, exact)
    both = {name: (np.asarray(g, np.float64), np.asarray(exacts[name])) for name, g in gradients.items()}
    return Beside(
        int(flips.sum()),
        float(near[first].max()) if flips.any() else math.nan,
        unit,
        max((error for error in errors if not math.isnan(error)), default=math.nan),
        {name: _cosine(a, b) for name, (a, b) in both.items()},
        {name: _relative(a, b, np.linalg.norm) for name, (a, b) in both.items()},
    )


def _relative(a: np.ndarray, b: np.ndarray, size: Callable[..., Any]) -> float:
    """How far `a` is from `b`; NaN where both are zero."""
    scale = max(float(size(np.abs(b).ravel())), float(size(np.abs(a).ravel()))) if a.size else 0.0
    return float(size(np.abs(a - b).ravel())) / scale if scale else math.nan


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    if not (a.any() or b.any()):
        return math.nan
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / lengths if lengths else 0.0


# ---- finite differences ---------------------------------------------------------------------------------------------------------

STEPS = 1e-4, 1e-6
"""Of the differences, relative to the largest value; the better one counts: a kink lies between two points, or digits are lost."""

POINTS = 257
"""Of the line of inputs on which jumps are looked for."""


def _differences(neuron: Neuron, arguments: Any, run: Any) -> tuple[dict[str, float], float]:
    """The error of the smooth neuron's gradient by each argument, and its jump; nothing where nobody can make the neuron smooth."""
    known = fires(neuron)
    if not known and Outputs.of(neuron) is not Outputs.REAL:
        return {}, math.nan
    rng = np.random.default_rng(3)
    leaves, tree = jax.tree.flatten(arguments)
    place = _by_name(neuron, jax.tree.unflatten(tree, range(len(leaves))))
    tangents = [np.zeros((len(place), *leaf.shape)) for leaf in leaves]  # one for each name, in which nothing else moves
    for k, at in enumerate(place.values()):
        value = np.asarray(leaves[at])
        size = max(np.abs(value[np.isfinite(value)]).max(initial=0.0), 1e-3)
        tangents[at][k] = size * rng.uniform(0.5, 1, value.shape) * rng.choice([-1, 1], value.shape)
    states, out, seen = run
    widths = {name: jnp.mean(jnp.abs(jnp.stack(seen[name]))) for name in known if seen[name]}
    scales = _scales([out, *jax.tree.leaves(states)])
    weights = jnp.asarray(inputs(7), jnp.float64)
    error, size, jump = _smooth(neuron, arguments, jax.tree.unflatten(tree, map(jnp.asarray, tangents)), weights, scales, widths)
    errors = {name: float(e / s) if s > 1e-12 else math.nan for name, e, s in zip(place, error, size, strict=True)}
    return errors, float(jump)


@jax.jit
def _smooth(
    neuron: Neuron, arguments: Any, tangents: Any, weights: Array, scales: list[Array], widths: dict[str, Array]
) -> tuple[Array, Array, Array]:
    """Of the neuron made smooth: how far its change along each tangent is from what its gradient says, and how large both are.

    And how much of what it changes along a line of inputs is a jump, of which no gradient knows: the largest change between two
    neighbours on the line that their slopes do not explain, in the median of the neurons (a kink is none).
    """

    def smoothed(name: str, function: Any) -> Any:
        if name in widths:
            return lambda u: jax.nn.sigmoid(u / widths[name])
        return function.reset if isinstance(function, detached) else function

    def loss(arguments: Any) -> Array:
        return _sum(weights, _parts(neuron, arguments, "scan", smoothed)[0], scales)

    def moved(by: Array, tangent: Any) -> Array:
        return loss(jax.tree.map(lambda a, t: a + by * t, arguments, tangent))

    (leaves, xs, start), along = arguments, tangents[1].sum(0)  # of which that of the inputs is the only one that is not zero

    def each_neuron(by: Array) -> tuple[Array, Array, Any]:
        """The loss of each neuron, its slope along the inputs, and the whole gradient."""

        def of(arguments: Any) -> tuple[Array, Array]:
            parts, _ = _parts(neuron, arguments, "scan", smoothed)
            each = jnp.stack([(weights * part / scale).sum(0) for part, scale in zip(parts, scales, strict=True)]).sum(0)
            return each.sum(), each

        gradient, each = jax.grad(of, has_aux=True)((leaves, xs + by * along, start))
        return each, (gradient[1] * along).sum(0), gradient

    each, slope, gradients = jax.vmap(each_neuron)(jnp.linspace(-1, 1, POINTS))
    left = jnp.diff(each, axis=0) - (slope[1:] + slope[:-1]) / (POINTS - 1)
    jump = jnp.median(jnp.max(jnp.abs(left), 0) / (jnp.ptp(each, 0) + 1e-9))
    products = jax.tree.map(lambda t, g: (t * g[POINTS // 2]).reshape(len(t), -1), tangents, gradients)
    products = jnp.concatenate(jax.tree.leaves(products), 1)
    steps = jnp.asarray(STEPS)
    each = jax.vmap(jax.vmap(moved, (None, 0)), (0, None))(jnp.concatenate([steps, -steps]), tangents)
    differences = (each[: len(steps)] - each[len(steps) :]) / (2 * steps[:, None])
    error = jnp.abs(differences - products.sum(1)).min(0)
    return error, jnp.maximum(jnp.abs(products).sum(1), jnp.abs(differences).min(0)), jump
