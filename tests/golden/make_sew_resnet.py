"""Makes sew_resnet.npz from PyTorch and SpikingJelly: `python -m tests.golden.make_sew_resnet`.

The networks of Spike-Element-Wise-ResNet and of Spiking-FER, with the names that their state dicts have, in float64. Weights and
inputs are drawn by a hash that needs nothing but NumPy, so that the file keeps only names and shapes of the weights, the running
statistics of the norms (those of the case's own inputs), and what came out: `logits` and the `spikes` of each layer in
evaluation; in training the `trained` logits, gradients `d:` of sum(loss * logits) by a few weights, running statistics `after:` it.
Of the full network, in evaluation alone, it keeps the number of spikes in each step, digests of all spikes, and those of the small
layers.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import operator
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

PATH = Path(__file__).parent / "sew_resnet.npz"
CONNECT = {"ADD": operator.add, "AND": operator.mul, "IAND": lambda out, x: (1 - out) * x}

CASES: dict[str, dict[str, Any]] = {
    "add": {"kind": "sew", "connect": "ADD", "channels": (4, 6), "blocks": 2},
    "and": {"kind": "sew", "connect": "AND", "channels": (4, 6)},
    "iand": {"kind": "sew", "connect": "IAND", "channels": (4, 6)},
    "plain": {"kind": "plain", "channels": (4, 6)},
    "spiking": {"kind": "basic", "channels": (4, 6)},
    "fer": {"kind": "fer", "channels": (4, 6, 6, 8), "size": (34, 32)},
    "full": {"kind": "sew", "connect": "ADD", "channels": (32,) * 7, "size": (128, 128), "classes": 11, "T": 4, "B": 1},
}
SIZE, CLASSES, T, B = (12, 18), 5, 5, 2
KEPT = 20_000
"""Layers of the full network with at most so many spikes to be or not are kept, of the others a digest."""

Trace = dict[str, Any]


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1) that the name and the position decide (splitmix64), float64."""
    z = (np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()) << 32)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).reshape(shape) / 2.0**24


def inputs(case: str, seed: str = "") -> np.ndarray:
    """Counts of events `[T, B, C, H, W]`, most of them 0."""
    options = CASES[case]
    u = drawn(f"{case}{seed} inputs", (options.get("T", T), options.get("B", B), 2, *options.get("size", SIZE)))
    return np.searchsorted([0.7, 0.9, 0.97], u, side="right").astype(np.float32)


def loss(case: str) -> np.ndarray:
    return drawn(f"{case} loss", (CASES[case].get("B", B), CASES[case].get("classes", CLASSES))) - 0.5


def weights(case: str, shapes: dict[str, tuple[int, ...]], seed: str = "") -> dict[str, np.ndarray]:
    """A state dict, float32: kernels of unit gain, norms before which neurons fire now and then; no running statistics."""
    found = {}
    for name, shape in shapes.items():
        if "running" in name or "tracked" in name:
            continue
        u = drawn(f"{case}{seed} {name}", shape)
        fans = math.prod(shape[1:])
        if len(shape) > 1:
            value = (2 * u - 1) * (3 / fans) ** 0.5
        elif name.endswith(".w"):
            value = u - 0.5
        elif "out.bias" in name:
            value = 2 * u - 1
        else:
            value = 1.2 + 0.6 * u if name.endswith("weight") else 0.2 + 0.6 * u + 0.5 * (case == "and")
        found[name] = value.astype(np.float32)
    return found


def digest(spikes: np.ndarray) -> str:
    """Of spikes `[T, B, C, H, W]`."""
    return hashlib.sha256(np.packbits(spikes.astype(bool))).hexdigest()


# ---- the networks, which need torch ----------------------------------------------------------------------------------------------


def network(options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Of options like those of CASES: a module `x[T, B, C, H, W] -> logits[B, K]`, and its neurons by the names of a trace."""
    import torch
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    kind, channels, blocks = options["kind"], options["channels"], options.get("blocks", 1)
    height, width = options.get("size", SIZE)
    classes = options.get("classes", CLASSES)
    join = CONNECT.get(options.get("connect", "ADD"))
    neurons: dict[str, Any] = {}

    def plif(name: str) -> Any:
        fire = surrogate.ATan()
        neurons[name] = neuron.ParametricLIFNode(init_tau=2.0, detach_reset=True, surrogate_function=fire, step_mode="m")
        return neurons[name]

    def if_(name: str) -> Any:
        neurons[name] = neuron.IFNode(detach_reset=True, surrogate_function=surrogate.ATan(), step_mode="m")
        return neurons[name]

    def conv(i: int, o: int, k: int, stride: int = 1) -> Any:
        return torch.nn.Conv2d(i, o, k, stride, k // 2, bias=False)

    def normed(i: int, o: int, k: int) -> Any:
        return layer.SeqToANNContainer(conv(i, o, k), torch.nn.BatchNorm2d(o))

    class Residual(torch.nn.Module):
        def __init__(self, c: int, name: str):
            super().__init__()
            first = torch.nn.Sequential(normed(c, c, 3), plif(f"{name} mid"))
            if kind == "basic":
                self.conv, self.sn = torch.nn.Sequential(first, normed(c, c, 3)), plif(f"{name} out")
            else:
                self.conv = torch.nn.Sequential(first, torch.nn.Sequential(normed(c, c, 3), plif(f"{name} out")))

        def forward(self, x):
            if kind == "basic":
                return self.sn(self.conv(x) + x)
            return self.conv(x) if kind == "plain" else join(self.conv(x), x)

    class Events(torch.nn.Module):
        def __init__(self):
            super().__init__()
            parts, before, pools = [], 2, len(channels)
            for k, c in enumerate(channels, 1):
                if c != before:
                    parts.append(torch.nn.Sequential(normed(before, c, 1), plif(f"stage {k} in")))
                parts += [Residual(c, f"stage {k} block {n + 1}") for n in range(blocks)]
                parts.append(layer.SeqToANNContainer(torch.nn.MaxPool2d(2)))
                before = c
            self.conv = torch.nn.Sequential(*parts, torch.nn.Flatten(2))
            self.out = torch.nn.Linear(channels[-1] * (height >> pools) * (width >> pools), classes)

        def forward(self, x):
            return self.out(self.conv(x).mean(0))

    def still(x, *modules):
        """Modules without time over time and batch as one axis."""
        return functional.seq_to_ann_forward(x, list(modules))

    class Basic(torch.nn.Module):
        def __init__(self, i: int, o: int, stride: int, name: str):
            super().__init__()
            self.conv1, self.bn1, self.sn1 = conv(i, o, 3, stride), torch.nn.BatchNorm2d(o), if_(f"{name} mid")
            self.conv2, self.bn2, self.sn2 = conv(o, o, 3), torch.nn.BatchNorm2d(o), if_(f"{name} out")
            self.downsample = None
            if stride != 1 or i != o:
                self.downsample = torch.nn.Sequential(conv(i, o, 1, stride), torch.nn.BatchNorm2d(o))
                self.downsample_sn = if_(f"{name} short")

        def forward(self, x):
            out = self.sn2(still(self.sn1(still(x, self.conv1, self.bn1)), self.conv2, self.bn2))
            return out + (x if self.downsample is None else self.downsample_sn(still(x, *self.downsample)))

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1, self.sn1 = conv(2, channels[0], 7, 2), torch.nn.BatchNorm2d(channels[0]), if_("stem")
            self.maxpool, before = torch.nn.MaxPool2d(3, 2, 1), channels[0]
            for k, c in enumerate(channels, 1):
                stride = 2 if k > 1 else 1
                stage = [Basic(before, c, stride, f"stage {k} block 1"), Basic(c, c, 1, f"stage {k} block 2")]
                setattr(self, f"layer{k}", torch.nn.Sequential(*stage))
                before = c

        def forward(self, x):
            x = still(self.sn1(still(x, self.conv1, self.bn1)), self.maxpool)
            for k in range(len(channels)):
                x = getattr(self, f"layer{k + 1}")(x)
            return x.mean((3, 4))

    class Faces(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = Encoder()
            self.fc = torch.nn.Linear(channels[-1], classes, bias=False)

        def forward(self, x):
            return self.fc(self.encoder(x)).mean(0)

    return (Faces() if kind == "fer" else Events()), neurons


def made(case: str, seed: str = "") -> tuple[Any, dict[str, Any]]:
    """The network with its weights, in float64; its running statistics are those of its inputs, in numbers that float32 has."""
    import torch
    from spikingjelly.activation_based import functional

    net, neurons = network(CASES[case])
    net.double()
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    net.load_state_dict({k: torch.tensor(v, dtype=torch.float64) for k, v in weights(case, shapes, seed).items()}, strict=False)
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        net(torch.tensor(inputs(case, seed), dtype=torch.float64))
        for norm in norms:
            norm.momentum = 0.1
            for statistic in (norm.running_mean, norm.running_var):
                statistic.copy_(statistic.float())
    functional.reset_net(net)
    return net, neurons


def run(case: str, seed: str = "", full: bool = False) -> tuple[dict[str, np.ndarray], Trace]:
    """The state dict, and what comes out; the spikes of every layer if `full`."""
    import torch
    from spikingjelly.activation_based import functional

    net, neurons = made(case, seed)
    state = {name: value.numpy().astype(np.float32) for name, value in net.state_dict().items() if "tracked" not in name}
    tracked = {name: value.numpy() for name, value in net.state_dict().items() if "tracked" in name}
    x = torch.tensor(inputs(case, seed), dtype=torch.float64)
    spikes: dict[str, np.ndarray] = {}
    hooks = [
        module.register_forward_hook(lambda m, x, s, name=name: spikes.__setitem__(name, s.detach().numpy().astype(bool)))
        for name, module in neurons.items()
    ]
    net.eval()
    with torch.no_grad():
        logits = net(x).numpy()
    functional.reset_net(net)
    for hook in hooks:
        hook.remove()
    for name, s in spikes.items():
        assert 0.01 < s.mean() < 0.95, f"{case}: {name} fires at {s.mean():.1%} of the steps"
    trace: Trace = {"logits": logits, "layers": list(spikes)}
    if full or case != "full":
        trace |= {f"spikes:{name}": s for name, s in spikes.items()}
    else:
        trace |= {f"spikes:{name}": s for name, s in spikes.items() if s.size <= KEPT}
        trace["digests"] = {name: digest(s) for name, s in spikes.items()}
        trace["counts"] = np.array([s.sum((1, 2, 3, 4)) for s in spikes.values()])
        return state | tracked, trace
    if case != "full":
        net.train()
        logits = net(x)
        (logits * torch.tensor(loss(case))).sum().backward()
        functional.reset_net(net)
        trace["trained"] = logits.detach().numpy()
        kernels = [name for name, p in net.named_parameters() if p.ndim == 4]
        chosen = {kernels[0], kernels[len(kernels) // 2], kernels[-1]}
        for name, p in net.named_parameters():
            if name in chosen or p.ndim < 2:
                trace[f"d:{name}"] = p.grad.numpy()
        trace |= {f"after:{name}": value.numpy() for name, value in net.state_dict().items() if "running" in name}
    return state | tracked, trace


# ---- the file --------------------------------------------------------------------------------------------------------------------


def packed(case: str, state: dict[str, np.ndarray], trace: Trace) -> dict[str, np.ndarray]:
    """As the file has it."""
    kept: dict[str, np.ndarray] = {"shapes": np.array(json.dumps({name: value.shape for name, value in state.items()}))}
    kept |= {name: value for name, value in state.items() if "running" in name}
    for key, value in trace.items():
        if key.startswith("spikes:"):
            kept[key] = np.packbits(value)
            kept[f"shape:{key[7:]}"] = np.array(value.shape)
        else:
            kept[key] = value if isinstance(value, np.ndarray) else np.array(json.dumps(value))
    return {f"{case}/{key}": value for key, value in kept.items()}


@functools.cache
def golden(case: str) -> tuple[dict[str, np.ndarray], Trace]:
    """As `run` gives it, from the file."""
    with np.load(PATH) as file:
        kept = {key.partition("/")[2]: file[key] for key in file.files if key.startswith(f"{case}/")}
    shapes = {name: tuple(shape) for name, shape in json.loads(str(kept.pop("shapes"))).items()}
    state = weights(case, shapes) | {name: kept.pop(name) for name in shapes if "running" in name}
    state |= {name: np.array(1) for name in shapes if "tracked" in name}
    trace: Trace = {key: json.loads(str(kept.pop(key))) for key in ("layers", "digests") if key in kept}
    for name in [key[6:] for key in kept if key.startswith("shape:")]:
        shape = kept.pop(f"shape:{name}")
        trace[f"spikes:{name}"] = np.unpackbits(kept.pop(f"spikes:{name}"))[: math.prod(shape)].reshape(shape).astype(bool)
    return state, trace | kept


def main() -> None:
    arrays = {"versions": np.array(json.dumps({name: version(name) for name in ("torch", "spikingjelly", "numpy")}))}
    for case in CASES:
        arrays |= packed(case, *run(case))
    np.savez_compressed(PATH, **arrays)
    print(f"{PATH}: {PATH.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
