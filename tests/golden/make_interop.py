"""Makes the golden files of interop from torch, snnTorch and SpikingJelly: `python -m tests.golden.make_interop`.

`interop.npz` has inputs `x[T, B, C, H, W]` and outputs `s` of three networks, and the state dict of one by its names;
`snntorch.nir` and `spikingjelly.nir` are what these libraries write of the other two. Weights and inputs are multiples of powers of
two, so that their arithmetic is exact, whoever does it.
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
T, B, C, H, W = 12, 2, 2, 6, 5


def inputs(seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).integers(-8, 33, (T, B, C, H, W)) / 16).astype(np.float32)


def fill(module, seed: int) -> None:
    """Weights that are multiples of 1/32, batch norm that is a power of two."""
    import torch

    rng = np.random.default_rng(seed)
    for name, value in module.state_dict().items():
        if name.endswith(("weight", "bias")) and value.ndim:
            value.copy_(torch.tensor(rng.integers(-12, 17, tuple(value.shape)) / 32))
        if name == "1.bias":
            value.add_(1.0)  # of the batch norm: its neurons fire
        if name.endswith("running_mean"):
            value.copy_(torch.tensor(rng.integers(-4, 5, tuple(value.shape)) / 16))
        if name.endswith("running_var"):
            value.copy_(torch.tensor(4.0 ** rng.integers(-1, 2, tuple(value.shape))))


def snntorch():
    import snntorch as snn
    import torch
    from snntorch.export_nir import export_to_nir

    def leaky(beta, *shape):
        given = {"reset_mechanism": "zero", "init_hidden": True}
        return snn.Leaky(torch.full(shape, beta), threshold=torch.ones(shape), **given)

    net = torch.nn.Sequential(
        torch.nn.Conv2d(C, 3, 3, padding=1),
        leaky(0.5, 3, H, W),
        torch.nn.AvgPool2d((2, 1)),
        torch.nn.Flatten(),
        torch.nn.Linear(45, 6),
        leaky(0.75, 6),
        torch.nn.Linear(6, 4, bias=False),
        leaky(0.875, 4),
    )
    fill(net, 1)
    x = inputs(1)
    graph = export_to_nir(net, torch.tensor(x[0, :1]), ignore_dims=[0])
    for layer in net:
        if hasattr(layer, "reset_mem"):
            layer.reset_mem()
    return x, torch.stack([net(torch.tensor(step)) for step in x]), graph


def spikingjelly():
    import torch
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    net = torch.nn.Sequential(
        layer.Conv2d(C, 4, (3, 3), stride=(1, 2), padding=1),
        neuron.LIFNode(tau=2.0, decay_input=False, v_reset=-0.25),
        layer.AvgPool2d(2),
        layer.Flatten(),
        layer.Linear(12, 6),
        neuron.LIFNode(tau=4.0),
        layer.Linear(6, 5),
        neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75),
    )
    fill(net, 2)
    functional.set_step_mode(net, "m")
    x = inputs(2)
    graph = export_to_nir(net, torch.tensor(x), dt=1e-3)
    functional.reset_net(net)
    return x, net(torch.tensor(x)), graph


def weights():
    import torch
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    node = {"surrogate_function": surrogate.ATan(), "detach_reset": True}
    net = torch.nn.Sequential(
        layer.Conv2d(C, 4, 3, padding=1, bias=False),
        layer.BatchNorm2d(4, eps=0.0),
        neuron.ParametricLIFNode(init_tau=2.0, **node),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Linear(24, 5),
        neuron.LIFNode(tau=2.0, decay_input=False, v_reset=None, **node),
    )
    fill(net, 3)
    net.eval()
    functional.set_step_mode(net, "m")
    x = inputs(3)
    return x, net(torch.tensor(x)), net.state_dict()


def main() -> None:
    import nir
    import torch

    arrays: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for make in (snntorch, spikingjelly, weights):
            x, s, made = make()
            s = s.numpy()
            assert 0.05 < s.mean() < 0.95, (make.__name__, s.mean())
            arrays |= {f"{make.__name__}/x": x, f"{make.__name__}/s": s.astype(np.int8)}
            if make is weights:
                arrays |= {f"state dict/{name}": tensor.numpy() for name, tensor in made.items()}
            else:
                nir.write(HERE / f"{make.__name__}.nir", made)
    versions = {package: version(package) for package in ("torch", "snntorch", "spikingjelly", "nir")}
    np.savez_compressed(HERE / "interop.npz", versions=np.array(json.dumps(versions)), **arrays)
    print({path.name: path.stat().st_size for path in HERE.glob("*.nir")}, (HERE / "interop.npz").stat().st_size, versions)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
