"""What the makers of golden traces share: inputs that stay clear of thresholds, gradients, the file that keeps them.

A maker (`make_snntorch.py`, `make_spikingjelly.py`, `make_norse.py`, `make_spyx.py`, `make_jaxpike.py`) runs neurons of one
library, its `CASES`, on `x[T, B, N]` from `v0[B, N]`. Kept are the outputs `s`, the state as the library records it (`v`, `i`, `w`,
...), and the gradients `d:...` of the loss sum(weights * s), whose weights differ by step, with respect to `x`, `v0` and the
parameters `p:...`. Inputs that bring a membrane within MARGIN of a threshold are drawn again, so that spikes are the same in any
order of rounding; in the cases called exact they are multiples of 2^-6 whose arithmetic is exact, ties included. "surrogates" holds
slopes at distances `u`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
T, B, N = 20, 2, 5
MARGIN = 1e-3
BETAS = [0.5, 0.7, 0.8, 0.9, 0.97]
U = np.concatenate([np.linspace(-3, 3, 200), [-100, -10, 10, 100]]).astype(np.float32)  # 0 and the kinks left out

Trace = dict[str, np.ndarray]
Run = Callable[..., tuple[Trace, np.ndarray]]
"""`(name, x, v0, weights, dtype) -> (trace, how near each element came to a threshold [B, N])`."""


def torch_run(case: Callable[..., tuple[Any, dict[str, Any], dict[str, Any]]], options: dict[str, Any]) -> Callable[..., Any]:
    """The run of one case of a library of torch: `case(options, x, v0, seen) -> (outputs, recorded state, parameters)`.

    To `seen` it adds the distances from thresholds that it met; where a kernel asks nobody, in float32, there may be none.
    """
    import torch

    def run(x, v0, weights, dtype="float32"):
        x, v0 = (torch.tensor(a, dtype=getattr(torch, dtype), requires_grad=True) for a in (x, v0))
        seen: list[Any] = []
        out, states, parameters = case(options, x, v0, seen)
        (torch.as_tensor(weights, dtype=x.dtype) * (states["v"] if options.get("loss") == "v" else out)).sum().backward()
        trace = {"x": x, "v0": v0, "weights": torch.as_tensor(weights), "s": out, **states}
        trace |= {f"p:{key}": value for key, value in parameters.items()}
        wanted = {"x": x, "v0": v0, **parameters}
        trace |= {f"d:{key}": torch.zeros_like(value) if value.grad is None else value.grad for key, value in wanted.items()}
        margin = torch.stack(seen).abs().amin(0).detach().numpy() if seen else np.full(v0.shape, np.nan)
        return {key: value.detach().numpy() for key, value in trace.items()}, margin

    return run


def jax_run(case: Callable[..., Trace], options: dict[str, Any], given: dict[str, Any]) -> Callable[..., Any]:
    """The run of one case of a library of JAX: `case(options, x, v0, parameters, see) -> {"s": outputs, state: ...}`.

    `see` looks at a distance from the threshold, and gives it back.
    """
    import jax
    import jax.numpy as jnp

    def run(x, v0, weights, dtype="float32"):
        seen: list[np.ndarray] = []

        def see(u):
            seen.append(np.abs(np.asarray(u)).reshape(-1, *v0.shape).min(0))
            return u

        def loss(x, v0, parameters):
            kept = case(options, x, v0, parameters, lambda u: u)
            return (weights * kept["s"]).sum(), kept

        with jax.enable_x64(dtype == "float64"):
            parameters = {key: jnp.asarray(value, dtype) for key, value in given.items()}
            arguments = jnp.asarray(x, dtype), jnp.asarray(v0, dtype), parameters
            case(options, *arguments, see)
            (_, kept), gradients = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(*arguments)
        trace = {"x": x, "v0": v0, "weights": weights, **kept, "d:x": gradients[0], "d:v0": gradients[1]}
        trace |= {f"p:{key}": value for key, value in parameters.items()} | {f"d:{key}": g for key, g in gradients[2].items()}
        margin = np.min(seen, 0) if seen else np.full(v0.shape, np.inf)
        return {key: np.asarray(value) for key, value in trace.items()}, margin

    return run


def torch_slopes(surrogates: dict[str, Any]) -> Trace:
    """Slopes at U of surrogates of torch, `{call: function}`."""
    import torch

    kept = {"u": U}
    for name, fire in surrogates.items():
        u = torch.tensor(U, requires_grad=True)
        fire(u).sum().backward()
        assert u.grad is not None
        kept[name] = u.grad.numpy()
    return kept


def make(library: str, name: str, options: dict[str, Any], run: Run) -> Trace:
    """One case on the inputs that its options give, or on exact ones, or on drawn ones that stay clear of thresholds."""
    rng = np.random.default_rng(list(f"{library} {name}".encode()))
    weights = rng.integers(1, 9, (T, B, N)) * np.linspace(0.1, 1, T)[:, None, None] * rng.choice([-1, 1], (T, B, N))
    weights = weights.astype(np.float32)
    if "x" in options:
        x = np.asarray(options["x"], np.float32)[:, None, None]
        v0 = np.full((1, 1), options.get("rest", 0.0), np.float32)
        return run(name, x, v0, weights[np.arange(len(x)) % T, :1, :1])[0]
    if "exact" in name:
        x = rng.choice([-0.5, 0, 0.25, 0.5, 63 / 64, 1, 65 / 64, 2], (10, B, N)).astype(np.float32)
        x[0] = [1, 63 / 64, 65 / 64, 2, -1]
        return run(name, x, np.zeros((B, N), np.float32), weights[:10])[0]
    gain, most = options.get("gain", 1.0), options.get("most")

    def draw():
        # From silent over noisy to a neuron that fires at every step.
        x = rng.normal(size=(T, B, N)) * [0.3, 0.8, 1, 0.3, 0.5] + [-1, 0.2, 0.5, 0.3, 4]
        x *= gain
        x = np.minimum(x, rng.uniform(*most, x.shape)) if most else x
        return x.astype(np.float32)

    x, v0 = draw(), options.get("scale", 1.0) * rng.uniform(-0.5, 0.5, (B, N)) + options.get("rest", 0.0)
    v0 = v0.astype(np.float32)
    for _ in range(1000):
        _, margin = run(name, x, v0, weights, "float64")
        if (margin > MARGIN).all():
            return run(name, x, v0, weights)[0]
        x = np.where(margin > MARGIN, x, draw())
    raise RuntimeError(f"no inputs found for {library}, {name}")


def keep(library: str, packages: Iterable[str], cases: dict[str, dict[str, Any]], run: Run, surrogates: Trace) -> None:
    """Makes all cases and writes the file."""
    made = {name: make(library, name, options, run) for name, options in cases.items()} | {"surrogates": surrogates}
    arrays = {f"{name}/{key}": value for name, case in made.items() for key, value in case.items()}
    arrays = {key: value.astype(np.int8) if key.endswith("/s") and is_whole(value) else value for key, value in arrays.items()}
    versions = {package: version(package) for package in (*packages, library)}
    np.savez_compressed(HERE / f"{library}.npz", versions=np.array(json.dumps(versions)), **arrays)
    print(f"{library}: {len(made)} cases, {(HERE / f'{library}.npz').stat().st_size / 1e3:.0f} kB, {versions}")


def is_whole(values: np.ndarray) -> bool:
    return bool((values == np.round(values)).all())
