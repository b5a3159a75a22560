"""How fast is the SEW-ResNet for DVS-Gesture beside SpikingJelly's? `python -m benchmarks.sew_resnet [--torch PYTHON] [--size 64]`.

Forward pass (with the batch's statistics) and training step (cross-entropy, SGD with momentum 0.9) of T = 12 frames, batch 16, in
two processes that hold the same weights and inputs and work turn by turn: mxsnn in this Python, PyTorch and SpikingJelly in
`--torch`, another one where this has no torch. Before any timing logits and the gradient's size are compared. What compiling takes,
or PyTorch's first step, is apart. Memory is the most that the process needed beyond its imports, on a GPU the most in use there. A
GPU is used where both see one (`--size 128 --dtype bfloat16`). The results go to benchmarks/results/sew_resnet.json (`--out`), with
the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._timing import machine

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "sew_resnet.json"
CLASSES = 11
PROBE = (slice(4), slice(1))
"""Frames and samples on which both are compared. In float32 one spike in some ten millions falls to the other side of the
threshold, and makes thousands of others in a net that is not trained: whole batches end in other logits."""

Calls = dict[str, Callable[[], Any]]


def stages(size: int) -> int:
    return size.bit_length() - 1


def peers(given: argparse.Namespace) -> tuple[Calls, Callable[[], int], dict[str, Any]]:
    """SpikingJelly's calls, the memory that they took, and what it says of itself; leaves weights and logits in the folder."""
    import torch
    from spikingjelly.activation_based import functional

    from tests.golden.make_sew_resnet import network, weights

    imported = _resident()
    device = "cuda" if torch.cuda.is_available() and not given.cpu else "cpu"
    options = {"kind": "sew", "connect": "ADD", "channels": (32,) * stages(given.size), "size": (given.size,) * 2}
    net, _ = network(options | {"classes": CLASSES})
    drawn = weights("benchmark", {name: tuple(value.shape) for name, value in net.state_dict().items()})
    net.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in drawn.items()}, strict=False)
    np.savez(given.folder / "weights.npz", **{name: value.numpy() for name, value in net.state_dict().items()})
    net.to(device)
    optimizer = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9)
    kept = np.load(given.folder / "inputs.npz")
    frames = torch.from_numpy(kept["frames"].transpose(0, 1, 4, 2, 3).copy()).to(device)
    label = torch.from_numpy(kept["label"]).to(device)
    half = torch.autocast(device, torch.bfloat16, enabled=given.dtype == "bfloat16")

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    def loss():
        functional.reset_net(net)
        with half:
            return torch.nn.functional.cross_entropy(net(frames), label)

    def forward() -> None:
        with torch.no_grad():
            loss()
        wait()

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        wait()

    with torch.backends.cudnn.flags(allow_tf32=False):
        logits = net(frames[PROBE])
        torch.nn.functional.cross_entropy(logits, label[PROBE[1]]).backward()
    size = sum(float(p.grad.double().square().sum()) for p in net.parameters() if p.grad is not None) ** 0.5
    np.savez(given.folder / "said.npz", logits=logits.detach().cpu().numpy(), gradient=size)
    versions = {name: version(name) for name in ("torch", "spikingjelly")}
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    memory = torch.cuda.max_memory_allocated if device == "cuda" else lambda: _resident() - imported
    return {"forward": forward, "step": step}, memory, {"versions": versions, "device": name}


def own(given: argparse.Namespace) -> tuple[Calls, Callable[[], int], dict[str, Any]]:
    """mxsnn's calls likewise, once they say what SpikingJelly's do."""
    from mxsnn.training import heap

    heap.keep()  # as training does
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    from mxsnn.interop import load_weights, read_weights
    from mxsnn.losses import cross_entropy
    from mxsnn.models.sew_resnet import SEWResNet

    imported = _resident()
    weights = read_weights(given.folder / "weights.npz")
    kept, said = np.load(given.folder / "inputs.npz"), np.load(given.folder / "said.npz")
    xs, label = jnp.asarray(kept["frames"]), jnp.asarray(kept["label"])
    optimizer = optax.sgd(1e-3, momentum=0.9)

    def parts(dtype: Any) -> Any:
        size, fit = (given.size, given.size, 2), stages(given.size)
        model = SEWResNet.dvs_gesture(size, CLASSES, stages=fit, dtype=jnp.dtype(dtype), rngs=nnx.Rngs(0))
        load_weights(model, weights, **model.published(weights))
        return nnx.split(model, nnx.Param, ...)

    def loss(params, graph, stats, xs, label):
        view = nnx.merge(graph, params, stats, copy=True)
        logits = view(xs)[1]
        return cross_entropy(logits, label).mean(), (nnx.state(view, nnx.Not(nnx.Param)), logits)

    graph, params, stats = parts("float32")
    with jax.default_matmul_precision("highest"):
        slopes, (_, logits) = jax.jit(jax.grad(loss, has_aux=True), static_argnums=1)(
            params, graph, stats, xs[PROBE], label[PROBE[1]]
        )
    off = {
        "logits": float(np.abs(np.asarray(logits) - said["logits"]).max() / np.abs(said["logits"]).max()),
        "gradient": abs(float(optax.global_norm(slopes)) / float(said["gradient"]) - 1),
    }
    if max(off.values()) > 1e-4:
        raise SystemExit(f"mxsnn says something else than SpikingJelly: off by {off}")
    graph, params, stats = parts(given.dtype)

    def train(params, stats, opt, xs, label):
        slopes, (stats, _) = jax.grad(loss, has_aux=True)(params, graph, stats, xs, label)
        updates, opt = optimizer.update(slopes, opt, params)
        return optax.apply_updates(params, updates), stats, opt

    state = (params, stats, optimizer.init(params))
    given_away = () if jax.default_backend() == "cpu" else (0, 1, 2)
    start = time.perf_counter()
    ahead = jax.jit(lambda params, *rest: loss(params, graph, *rest)[0]).lower(params, stats, xs, label).compile()
    middle = time.perf_counter()
    trained = jax.jit(train, donate_argnums=given_away).lower(*state, xs, label).compile()
    seconds = {"forward": middle - start, "step": time.perf_counter() - middle}

    def forward() -> None:
        jax.block_until_ready(ahead(state[0], state[1], xs, label))

    def step() -> None:
        nonlocal state
        state = jax.block_until_ready(trained(*state, xs, label))

    def memory() -> int:
        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use") or _resident() - imported

    versions = {name: version(name) for name in ("jax", "flax")}
    about = {"versions": versions, "device": jax.devices()[0].device_kind, "off": off, "compile_seconds": seconds}
    return {"forward": forward, "step": step}, memory, about


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def worker(given: argparse.Namespace) -> None:
    """Makes the calls of one library, then runs each that stdin names, and says the seconds: JSON, one line each."""
    out, sys.stdout = sys.stdout, sys.stderr  # libraries have things to say, too
    calls, memory, about = WORKERS[given.worker](given)
    first = {}
    for name, call in calls.items():
        start = time.perf_counter()
        call()
        first[name] = time.perf_counter() - start
    print(json.dumps(about | {"first_seconds": first}), file=out, flush=True)
    for line in sys.stdin:
        name = line.strip()
        if name == "memory":
            answer: Any = memory()
        else:
            start = time.perf_counter()
            calls[name]()
            answer = time.perf_counter() - start
        print(json.dumps(answer), file=out, flush=True)


WORKERS = {"spikingjelly": peers, "mxsnn": own}


def main() -> None:
    """Prints a table and writes all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="one that has torch and SpikingJelly")
    parser.add_argument("--size", type=int, default=64, help="pixels a side, a power of two")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--cpu", action="store_true", help="leave a GPU alone")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return worker(given)
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        frames = rng.poisson(0.4, (given.steps, given.batch, given.size, given.size, 2)).astype(np.float32)
        np.savez(Path(folder) / "inputs.npz", frames=frames, label=rng.integers(0, CLASSES, given.batch))
        result = compare(given, folder)
    print(result["machine"])
    for name, said in result["libraries"].items():
        print(f"{name}: {said['device']}; {', '.join(f'{k} {v}' for k, v in said['versions'].items())}")
    print(f"\n{given.size}x{given.size}, T = {given.steps}, batch {given.batch}, {given.dtype}; best of {given.repeats} turns")
    print(f"off by {result['libraries']['mxsnn']['off']}\n")
    print("| | mxsnn | SpikingJelly | ratio |\n|---|---|---|---|")
    ours, theirs = (result["libraries"][name] for name in ("mxsnn", "spikingjelly"))
    for name in ("forward", "step"):
        a, b = ours["seconds"][name], theirs["seconds"][name]
        print(f"| {name}, ms | {1000 * a:.1f} | {1000 * b:.1f} | {b / a:.2f} |")
    a, b = ours["memory"], theirs["memory"]
    print(f"| peak memory, MB | {a / 1e6:.0f} | {b / 1e6:.0f} | {b / a:.2f} |")
    print(f"| compiling or first step, s | {ours['compile_seconds']['step']:.1f} | {theirs['first_seconds']['step']:.1f} | |")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1), "utf-8")
    print(f"\n{given.out}")


def compare(given: argparse.Namespace, folder: str) -> dict[str, Any]:
    """The calls of both, turn by turn, the best of each; memory after the last."""
    options = ["--folder", folder, "--size", str(given.size), "--dtype", given.dtype]
    options += ["--cpu"] if given.cpu else []
    hidden = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"} if given.cpu else {}
    # JAX would take most of a GPU's memory at once, and leave none to the other process.
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONWARNINGS": "ignore", **hidden}
    said: dict[str, Any] = {}
    started: dict[str, subprocess.Popen[str]] = {}

    def answer(name: str, request: str | None = None) -> Any:
        process = started[name]
        assert process.stdin is not None and process.stdout is not None
        if request is not None:
            process.stdin.write(f"{request}\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{name} ended by itself with {process.wait()}")
        return json.loads(line)

    try:
        for name, python in {"spikingjelly": given.torch, "mxsnn": sys.executable}.items():
            command = [python, "-m", "benchmarks.sew_resnet", "--worker", name, *options]
            started[name] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
            )
            said[name] = answer(name)
        turns: dict[str, dict[str, list[float]]] = {name: {"forward": [], "step": []} for name in started}
        for call in ("forward", "step"):
            for _ in range(given.repeats):
                for name in started:
                    turns[name][call].append(answer(name, call))
        for name in started:
            said[name] |= {"turns": turns[name], "memory": answer(name, "memory")}
            said[name]["seconds"] = {call: min(taken) for call, taken in turns[name].items()}
    finally:
        for process in started.values():
            process.kill()
    setting = {name: getattr(given, name) for name in ("size", "steps", "batch", "dtype", "repeats")}
    return {"machine": machine("numpy"), "setting": setting, "libraries": said}


if __name__ == "__main__":
    raise SystemExit(main())
