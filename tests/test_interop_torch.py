"""Modules of torch, snnTorch and SpikingJelly as networks, and networks as such modules: both run on the same inputs.

What needs no torch is in `test_interop_weights.py` and `test_interop_nir.py`.
"""

from __future__ import annotations

import operator
import re
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mxsnn import nn, surrogate
from mxsnn.discrete import current, euler
from mxsnn.errors import UserError
from mxsnn.interop import StartingAt, from_nir, from_torch, to_nir, to_snntorch, to_spikingjelly
from mxsnn.neurons import (
    ALIF,
    CLIF,
    EIF,
    IF,
    KLIF,
    LI,
    LIF,
    PLIF,
    QIF,
    RF,
    AdQIF,
    Alpha,
    Autapse,
    IntegerLIF,
    Lapicque,
    Late,
    NextStepReset,
    Refractory,
    Synaptic,
    TernaryLIF,
    imaginary,
)
from mxsnn.reset import detached, none, subtract, to_value
from mxsnn.surrogate import spikingjelly

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def t():
    """torch, with snnTorch as `snn` and SpikingJelly's modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other people's imports
        torch = pytest.importorskip("torch")
        snn = pytest.importorskip("snntorch")
        pytest.importorskip("spikingjelly")
        from spikingjelly.activation_based import functional, layer, neuron
        from spikingjelly.activation_based import surrogate as sg

    torch.set_num_threads(1)

    class Names:
        pass

    names = Names()
    vars(names).update(torch=torch, snn=snn, functional=functional, layer=layer, neuron=neuron, sg=sg, nn=torch.nn)
    return names


@pytest.fixture(autouse=True)
def quiet():
    """What the libraries warn of is theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


T, B = 25, 2
RNG = np.random.default_rng(0)
DENSE = RNG.normal(0.7, 1, (T, B, 5)).astype(np.float32)
PICTURES = RNG.normal(0.6, 1, (T, B, 2, 9, 8)).astype(np.float32)


def theirs(t, module, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of a module, and the gradient of their weighted sum by the inputs."""
    for part in module.modules():
        if hasattr(part, "reset_mem"):
            part.reset_mem()
    t.functional.reset_net(module)
    x = t.torch.tensor(x, requires_grad=True)
    many = any(getattr(part, "step_mode", "s") == "m" or type(part).__name__ == "PSN" for part in module.modules())
    outs = module(x) if many else t.torch.stack([out[0] if isinstance(out := module(step), tuple) else out for step in x])
    if isinstance(outs, list):
        outs = t.torch.stack(outs)
    if weights is None:
        return outs.detach().numpy(), np.zeros(())
    (outs * t.torch.tensor(weights)).sum().backward()
    return outs.detach().numpy(), x.grad.numpy()


def ours(network, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The same of a network, channel first."""
    x = jnp.asarray(np.moveaxis(x, 2, -1))
    out = jax.jit(lambda x: network(x)[1])(x)
    back = (lambda a: np.moveaxis(np.asarray(a), -1, 2)) if x.ndim > 3 else np.asarray
    if weights is None:
        return back(out) if out.ndim > 3 else np.asarray(out), np.zeros(())
    w = np.moveaxis(weights, 2, -1) if out.ndim > 3 else weights
    gradient = jax.jit(jax.grad(lambda x: (network(x)[1] * w).sum()))(x)
    return np.asarray(out) if out.ndim <= 3 else np.moveaxis(np.asarray(out), -1, 2), back(gradient)


def agree(t, module, network, x: np.ndarray, gradient: bool = True) -> np.ndarray:
    """Outputs equal, spikes to the last, and gradients to rounding."""
    out, _ = theirs(t, module, x)
    weights = np.random.default_rng(1).normal(size=out.shape).astype(np.float32) if gradient else None
    (a, da), (b, db) = theirs(t, module, x, weights), ours(network, x, weights)
    assert len(np.unique(a)) > 1, "nothing is compared where nothing fires"
    np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5 if (a % 1).any() else 0)
    if gradient:
        np.testing.assert_allclose(db, da, rtol=1e-3, atol=1e-5 * max(1, np.abs(da).max()))
    return a


# ---- neurons --------------------------------------------------------------------------------------------------------------------

BETAS = [0.5, 0.0, 0.9, 1.0, 1.5]
SNN = {
    "Leaky": lambda s, t: s.Leaky(0.9),
    "Leaky, zero": lambda s, t: s.Leaky(0.9, reset_mechanism="zero"),
    "Leaky, zero, not delayed": lambda s, t: s.Leaky(0.9, reset_mechanism="zero", reset_delay=False),
    "Leaky, none": lambda s, t: s.Leaky(0.9, reset_mechanism="none"),
    "Leaky, per neuron": lambda s, t: s.Leaky(t.tensor(BETAS), threshold=t.rand(5) + 0.5, learn_threshold=True),
    "Leaky, graded": lambda s, t: s.Leaky(0.8, graded_spikes_factor=2.0),
    "Leaky, fast sigmoid": lambda s, t: s.Leaky(0.8, spike_grad=s.surrogate.fast_sigmoid(slope=5)),
    "Leaky, no gradient": lambda s, t: s.Leaky(0.8, surrogate_disable=True),
    "RLeaky": lambda s, t: s.RLeaky(0.9, linear_features=5),
    "RLeaky, zero": lambda s, t: s.RLeaky(0.9, linear_features=5, reset_mechanism="zero"),
    "RLeaky, each itself": lambda s, t: s.RLeaky(0.9, V=-t.rand(5), all_to_all=False),
    "Synaptic": lambda s, t: s.Synaptic(0.7, 0.8),
    "Synaptic, zero": lambda s, t: s.Synaptic(0.7, 0.8, reset_mechanism="zero"),
    "RSynaptic": lambda s, t: s.RSynaptic(0.7, 0.5, linear_features=5),
    "Lapicque": lambda s, t: s.Lapicque(0.6, threshold=0.3),
    "Lapicque, R and C": lambda s, t: s.Lapicque(R=2.0, C=3.0, time_step=0.5, threshold=0.3),
    "Alpha": lambda s, t: s.Alpha(0.85, 0.7, threshold=0.3),
    "Alpha, none": lambda s, t: s.Alpha(0.85, 0.7, threshold=0.3, reset_mechanism="none"),
}


@pytest.mark.parametrize("dt", [1.0, 0.5])
@pytest.mark.parametrize("name", SNN)
def test_neurons_of_snntorch(t, name, dt) -> None:
    t.torch.manual_seed(0)
    module = SNN[name](t.snn, t.torch)
    module.init_hidden = True
    network = from_torch(module, (5,), dt=dt)
    # Where one neuron remembers for ever (beta = 1), slopes as steep as these amplify rounding.
    agree(t, module, network, DENSE, gradient="no gradient" not in name)


SJ = {
    "IF": lambda n: n.IFNode(),
    "IF, below": lambda n: n.IFNode(v_reset=-0.2),
    "IF, soft": lambda n: n.IFNode(v_reset=None, detach_reset=True),
    "IF, half": lambda n: n.HalfThresholdIFNode(),
    "LIF": lambda n: n.LIFNode(3.0),
    "LIF, below, detached": lambda n: n.LIFNode(3.0, v_reset=-0.1, detach_reset=True),
    "LIF, soft, undecayed": lambda n: n.LIFNode(3.0, decay_input=False, v_reset=None),
    "simple LIF": lambda n: n.SimpleLIFNode(3.0, True, v_reset=-0.3),
    "PLIF": lambda n: n.ParametricLIFNode(3.0),
    "PLIF, undecayed": lambda n: n.ParametricLIFNode(3.0, decay_input=False),
    "QIF": lambda n: n.QIFNode(),
    "EIF": lambda n: n.EIFNode(delta_T=0.4),
    "Izhikevich": lambda n: n.IzhikevichNode(a=0.1, b=0.2, tau_w=3.0),
    "KLIF": lambda n: n.KLIFNode(scale_reset=True),
    "CLIF": lambda n: n.ComplementaryLIFNode(),
    "CUBALIF": lambda n: n.CUBALIFNode(v_reset=-0.1),
    "ternary IF": lambda n: n.TernaryIFNode(),
    "ternary LIF": lambda n: n.TernaryLIFNode(v_reset=None),
    "ILIF": lambda n: n.ILIFNode(),
    "RAF": lambda n: n.RAFNode(v_reset=-0.1),
    "SlidingPSN": lambda n: n.SlidingPSN(4),
}


@pytest.mark.parametrize("dt", [1.0, 0.5])
@pytest.mark.parametrize("name", SJ)
def test_nodes_of_spikingjelly(t, name, dt) -> None:
    if name == "CLIF" and dt != 1:
        with pytest.raises(ValueError, match=r"convert it with dt=1\.0"):
            from_torch(t.neuron.ComplementaryLIFNode(), (5,), dt=dt)
        return
    agree(t, SJ[name](t.neuron), from_torch(SJ[name](t.neuron), (5,), dt=dt), 1.5 * DENSE)


def test_nodes_that_see_a_sequence_whole(t) -> None:
    t.torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  (of which GLIF draws its gates)
    x = 1.5 * DENSE
    for module in (t.neuron.PSN(T), t.neuron.MaskedPSN(4, T, 0.5)):
        module.step_mode = "m"
        module.weight.data *= 4
        agree(t, module, from_torch(module, (5,)), x)
    for planes in (None, 2):
        module = t.neuron.GatedLIFNode(T, planes)
        module.conduct.data = t.torch.randn(module.conduct.shape)
        network = from_torch(module, (9, 8, 2), dt=0.5)
        assert set(network.layers[0].learned) >= {"alpha", "tau", "conductance", "threshold"}
        agree(t, module, network, PICTURES)


def test_layers_of_spikingjelly_with_time(t) -> None:
    t.torch.manual_seed(0)
    n, layer = t.neuron, t.layer
    agree(t, layer.Delay(3), from_torch(layer.Delay(3), (5,)), DENSE)
    for add in (operator.add, t.torch.add):
        module = layer.ElementWiseRecurrentContainer(n.LIFNode(detach_reset=True), add)
        agree(t, module, from_torch(module, (5,)), DENSE)
    module = layer.LinearRecurrentContainer(n.LIFNode(), 5, 5)
    module.rc.weight.data *= 3
    agree(t, module, from_torch(module, (5,)), DENSE)
    for decode, reduce in ((None, None), ("last_mem", nn.last), ("max-mem", nn.maximum), ("mean-mem", nn.mean)):
        for module in (n.NonSpikingLIFNode(3.0, decode), n.NonSpikingIFNode(decode)):
            network = from_torch(module, (5,))
            assert reduce is None or network.layers[0].reduce is reduce
            out = module(t.torch.tensor(DENSE))
            out = t.torch.stack(out) if decode is None else out
            np.testing.assert_allclose(network(jnp.asarray(DENSE))[1], out.numpy(), rtol=1e-5, atol=1e-5)


def test_what_is_learned_stays_learned(t) -> None:
    s, torch = t.snn, t.torch
    rec = s.RLeaky(0.9, V=torch.rand(5), all_to_all=False, learn_beta=True)
    for module, learned in (
        (s.Leaky(0.9), set()),
        (s.Leaky(0.9, learn_beta=True, learn_threshold=True), {"tau", "threshold"}),
        (s.Synaptic(0.7, 0.8, learn_alpha=True), {"tau_syn"}),
        (rec, {"tau", "weight"}),
        (s.RLeaky(0.9, V=torch.rand(5), all_to_all=False, learn_recurrent=False), set()),
        (t.neuron.ParametricLIFNode(3.0), {"w"}),
        (t.neuron.ParametricLIFNode(3.0, decay_input=False), {"tau"}),
        (t.neuron.KLIFNode(), {"k"}),
        (t.neuron.LIFNode(), set()),
    ):
        (layer,) = from_torch(module, (5,)).layers
        assert set(layer.learned) == learned, module
    assert rec.beta.grad is None and layer.neuron.tau == 2.0
    assert len(jax.tree.leaves(nnx.state(from_torch(s.Leaky(0.9, learn_graded_spikes_factor=True), (5,)), nnx.Param))) == 1
    frozen = t.neuron.ParametricLIFNode(3.0)
    frozen.w.requires_grad_(False)
    assert not from_torch(frozen, (5,)).layers[0].learned


# ---- networks -------------------------------------------------------------------------------------------------------------------


def norm(t, kind, features: int):
    module = kind(features)
    module.running_mean.uniform_(-0.5, 0.5)
    module.running_var.uniform_(0.5, 2)
    module.weight.data.uniform_(1, 2)
    module.bias.data.uniform_(0, 1)
    return module


def spikingjelly_network(t):
    n, layer = t.neuron, t.layer
    t.torch.manual_seed(8)
    node = {"surrogate_function": t.sg.ATan(), "detach_reset": True}
    return t.nn.Sequential(
        layer.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(1, 0)),
        norm(t, layer.BatchNorm2d, 4),
        n.LIFNode(**node),
        t.nn.Sequential(
            layer.MaxPool2d(2), layer.Conv2d(4, 4, 3, groups=2, padding="same", bias=False), norm(t, layer.BatchNorm2d, 4)
        ),
        n.ParametricLIFNode(**node),
        layer.AdaptiveAvgPool2d((2, 1)),
        layer.Flatten(),
        layer.Dropout(0.5),
        n.IFNode(v_threshold=0.7, **node),
        layer.Linear(8, 20),
        norm(t, layer.BatchNorm1d, 20),
        n.LIFNode(1.5, **node),
    ).eval()


@pytest.mark.parametrize("mode", ["s", "m"])
def test_a_network_of_spikingjelly(t, mode) -> None:
    module = spikingjelly_network(t)
    t.functional.set_step_mode(module, mode)
    network = from_torch(module, (9, 8, 2))
    rates = [float(out.mean()) for out in network.outputs(jnp.asarray(np.moveaxis(PICTURES, 2, -1)))[1]]
    assert all(0.05 < rates[i] < 0.95 for i, layer in enumerate(network.layers) if isinstance(layer, nn.Spiking))
    agree(t, module, network, PICTURES)


def test_a_network_of_snntorch(t) -> None:
    s, torch = t.snn, t.torch
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3),
        s.Leaky(torch.full((4, 1, 1), 0.7), threshold=0.5 * torch.rand(4, 7, 6), init_hidden=True),
        torch.nn.AvgPool2d(2, padding=1),
        torch.nn.Flatten(),
        s.Leaky(torch.rand(64), threshold=0.2, init_hidden=True),  # whose numbers are those of flattened channels
        torch.nn.Dropout(),
        torch.nn.Linear(64, 6),
        s.RLeaky(0.9, threshold=0.2, linear_features=6, init_hidden=True),
        torch.nn.Identity(),
        torch.nn.Linear(6, 3, bias=False),
        s.Synaptic(0.5, 0.5, threshold=0.2, init_hidden=True, output=True),
    ).eval()
    out = agree(t, module, from_torch(module, (9, 8, 2)), PICTURES)
    assert 0.05 < out.mean() < 0.95


def test_a_network_of_lines(t) -> None:
    torch, n = t.torch, t.neuron
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv1d(3, 4, 3, stride=2, dilation=2),
        n.IFNode(),
        torch.nn.MaxPool1d(2),
        torch.nn.AvgPool1d(3, 1),
        torch.nn.Flatten(),
    )
    x = RNG.normal(0.8, 1, (T, B, 3, 21)).astype(np.float32)
    agree(t, module, from_torch(module, (21, 3)), x)  # which ends in a Flatten, in torch's order


def test_weights_that_are_exact_give_spikes_that_are(t) -> None:
    module = spikingjelly_network(t)
    for name, value in module.state_dict().items():
        if value.is_floating_point() and value.ndim:
            rounded = (value * 16).round() / 16
            value.copy_(4.0 ** rounded.sign() if name.endswith("running_var") else rounded)
    for part in module.modules():
        if hasattr(part, "eps"):
            part.eps = 0.0
    t.functional.set_step_mode(module, "m")
    x = (PICTURES * 8).round() / 8
    (a, _), (b, _) = theirs(t, module, x), ours(from_torch(module, (9, 8, 2)), x)
    np.testing.assert_array_equal(a, b)


# ---- what has no counterpart ----------------------------------------------------------------------------------------------------

REFUSED = {
    "neuron": (
        lambda t: t.snn.LeakyParallel(5, 5),
        r"layer 0 \(LeakyParallel\): has no counterpart here; of snnTorch there are Leaky",
    ),
    "inhibition": (lambda t: t.snn.Leaky(0.9, inhibition=True), "has inhibition; set it to False"),
    "quantised": (lambda t: t.snn.Leaky(0.9, state_quant=lambda v: v), "has state_quant"),
    "residual": (
        lambda t: t.snn.Leaky(0.9, reset_delay=False),
        "falls silent where that leaves it above its threshold; set reset_delay",
    ),
    "dead mode": (
        lambda t: t.snn.RSynaptic(0.7, 0.5, linear_features=5, reset_delay=False, reset_mechanism="zero"),
        "does not run",
    ),
    "alpha": (lambda t: t.snn.Alpha(0.8, 0.7, reset_mechanism="subtract"), "subtracts no threshold"),
    "surrogate": (
        lambda t: t.snn.Leaky(0.9, spike_grad=t.snn.surrogate.triangular()),
        "fires by triangular.* set its spike_grad to one",
    ),
    "own surrogate": (lambda t: t.snn.Leaky(0.9, spike_grad=lambda u: u), "fires by .*lambda"),
    "own module": (
        lambda t: type("Mine", (t.nn.Module,), {})(),
        r"layer 0 \(Mine\): is code that cannot be read off; give nn.Sequential",
    ),
    "layer": (lambda t: t.nn.Sequential(t.nn.Linear(5, 5), t.nn.LSTM(5, 5)), r"layer 1 \(LSTM\): has no counterpart here"),
    "nested": (lambda t: t.nn.Sequential(t.nn.Sequential(t.nn.Linear(5, 4), t.nn.GELU())), r"layer 0\.1 \(GELU\)"),
    "node": (lambda t: t.neuron.LIAFNode(t.torch.relu, True), "LIAFNode.*of SpikingJelly there are IFNode"),
    "not spiking": (lambda t: t.neuron.IFNode(surrogate_function=t.sg.ATan(spiking=False)), r"call set_spiking_mode\(True\)"),
    "drawn": (lambda t: t.neuron.IFNode(surrogate_function=t.sg.PoissonPass()), "fires by PoissonPass"),
    "k to -0.1": (lambda t: t.neuron.KLIFNode(v_reset=-0.1), "has v_reset=-0.1, to which its membrane leaks"),
    "mixed": (lambda t: t.layer.ElementWiseRecurrentContainer(t.neuron.IFNode(), lambda x, y: x * y), "give operator.add"),
    "other inside": (lambda t: t.layer.ElementWiseRecurrentContainer(t.nn.Linear(5, 5), operator.add), "holds Linear"),
    "features": (lambda t: t.nn.Linear(4, 2), r"hears 4 features, and gets \[5\]"),
    "parameters": (lambda t: t.snn.Leaky(t.torch.rand(4)), r"parameters \[4\] do not fit neurons \[5\]"),
    "beta": (lambda t: t.snn.Lapicque(0.3), "Lapicque"),
    "recurrent conv": (lambda t: t.snn.RLeaky(0.9, conv2d_channels=2, kernel_size=3), "hears itself through a convolution"),
}
REFUSED_PICTURES = {
    "padding": (lambda t: t.nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), "has padding_mode='circular'"),
    "channels": (lambda t: t.nn.Conv2d(3, 3, 3), r"takes \[\.\.\., 3\] with 2 axes of pixels, and gets \[9, 8, 2\]"),
    "pixels": (lambda t: t.nn.Conv2d(2, 3, 11), r"leaves no pixels of \[9, 8, 2\]"),
    "ceil": (lambda t: t.nn.AvgPool2d(2, ceil_mode=True), "has ceil_mode=True and a window beyond the edge"),
    "gaps": (lambda t: t.nn.MaxPool2d(2, dilation=2), "has dilation=2"),
    "padded mean": (lambda t: t.nn.AvgPool2d(3, padding=1, count_include_pad=False), "does not count padded zeros"),
    "divisor": (lambda t: t.nn.AvgPool2d(2, divisor_override=3), "has divisor_override=3"),
    "adaptive": (lambda t: t.nn.AdaptiveAvgPool2d(5), r"makes \[5, 5\] of \[9, 8\] pixels"),
    "flatten": (lambda t: t.nn.Flatten(2), "flattens axes 2 to -1; only whole samples are flattened"),
    "statistics": (lambda t: t.nn.BatchNorm2d(2, track_running_stats=False), "keeps no running statistics"),
    "normalised": (lambda t: t.nn.BatchNorm2d(3), "normalises 3 channels"),
    "unflattened": (lambda t: t.nn.Linear(8, 2), "hears 8 features, and gets .* flatten before it"),
}


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_PICTURES])
def test_what_has_no_counterpart_is_named(t, name) -> None:
    pictures = name in REFUSED_PICTURES
    make, message = (REFUSED_PICTURES if pictures else REFUSED)[name]
    with pytest.raises(ValueError, match=message) as error:
        from_torch(make(t), (9, 8, 2) if pictures else (5,))
    assert str(error.value).startswith("layer ") and "\n" not in str(error.value)


# ---- and back -------------------------------------------------------------------------------------------------------------------

ZERO, DETACHED = to_value(0.0), detached(to_value(0.0))
DELAYED = detached(subtract)
TO_SNN = {
    "LIF": (NextStepReset(LIF(5.0, reset=DELAYED)), ("tau",)),
    "LIF, Euler": (NextStepReset(LIF(5.0, dt=0.5, reset=DELAYED, decay=euler)), ("threshold",)),
    "LIF, zero": (LIF(5.0, reset=DETACHED), ()),
    "LIF, zero, not detached": (LIF(5.0, reset=ZERO), ()),
    "LIF, none": (LIF(np.float32([2, 3, 4, 5, 6]), reset=none), ("tau",)),
    "IF": (NextStepReset(IF(reset=DELAYED)), ()),
    "surrogate": (LIF(5.0, reset=DETACHED, fire=surrogate.snntorch.fast_sigmoid(5.0)), ()),
    "Autapse": (Autapse(NextStepReset(LIF(5.0, reset=DELAYED)), np.float32([-1, -0.5, 0, 0.25, 0.5])), ("weight",)),
    "Synaptic": (NextStepReset(Synaptic(5.0, 2.0, reset=DELAYED)), ("tau_syn",)),
    "Synaptic, zero": (NextStepReset(Synaptic(5.0, 2.0, reset=DETACHED)), ()),
    "Alpha": (NextStepReset(Alpha(2.0, 5.0, 0.3, reset=DETACHED, reset_current=DETACHED)), ()),
    "Lapicque": (NextStepReset(Lapicque(2.0, 2.5, threshold=0.5, reset=DELAYED, decay=euler)), ()),
}


@pytest.mark.parametrize("name", TO_SNN)
def test_neurons_as_those_of_snntorch(t, name) -> None:
    neuron, learn = TO_SNN[name]
    layer = nn.Spiking(neuron, learn=learn)
    module = to_snntorch(layer, (5,))
    agree(t, module, layer, DENSE)
    again = from_torch(module, (5,), dt=float(getattr(getattr(neuron, "neuron", neuron), "dt", 1.0)))
    assert set(again.layers[0].learned) == set(learn)
    np.testing.assert_array_equal(ours(again, DENSE)[0], ours(layer, DENSE)[0])


FIRE = spikingjelly.ATan()
SOFT = {"fire": FIRE, "reset": detached(subtract)}
HARD = {"fire": FIRE, "reset": ZERO}
TO_SJ = {
    "IF": (IF(**SOFT), ()),
    "IF, half": (LIF(np.inf, 0.5, **SOFT), ()),
    "LIF": (LIF(3.0, -0.2, gain=current, fire=FIRE, reset=to_value(-0.2)), ()),
    "LIF, learned": (LIF(3.0, decay=euler, **SOFT), ("tau",)),
    "PLIF": (PLIF.from_tau(3.0, dt=0.5, **HARD), ("w",)),
    "PLIF, frozen": (PLIF.from_tau(3.0, **HARD), ()),
    "Synaptic": (Synaptic(5.0, 2.0, **HARD), ()),
    "QIF": (StartingAt(QIF(fire=FIRE), -0.1), ()),
    "EIF": (StartingAt(EIF(delta_t=0.4, fire=FIRE), -0.1), ()),
    "AdQIF": (StartingAt(AdQIF(fire=FIRE), 0.0), ()),
    "KLIF": (KLIF(1.5, 3.0, gain=current, **HARD), ("k",)),
    "CLIF": (CLIF(2.0, decay=euler, fire=FIRE, reset=subtract), ()),
    "ternary": (TernaryLIF(2.0, gain=current, **SOFT), ()),
    "ternary IF": (TernaryLIF(np.inf, **SOFT), ()),
    "integers": (IntegerLIF(2.0), ()),
    "RF": (RF(1.0, 5.0, dt=0.5, part=imaginary, fire=FIRE, reset_v=ZERO), ()),
    "Late": (Late(LIF(3.0, **SOFT)), ()),
    "Autapse": (Autapse(LIF(3.0, **SOFT), 1.0), ()),
}


@pytest.mark.parametrize("name", TO_SJ)
def test_neurons_as_nodes_of_spikingjelly(t, name) -> None:
    neuron, learn = TO_SJ[name]
    layer = nn.Spiking(neuron, learn=learn)
    module = to_spikingjelly(layer, (5,))
    agree(t, module, layer, 1.5 * DENSE)
    again = from_torch(module, (5,))
    assert (set(again.layers[0].learned) - {"tau"} == set(learn) - {"tau"}) and bool(again.layers[0].learned) == bool(learn)
    np.testing.assert_array_equal(ours(again, 1.5 * DENSE)[0], ours(layer, 1.5 * DENSE)[0])


@pytest.mark.parametrize("name", [name for name in surrogate.spikingjelly.__all__])
def test_each_surrogate_of_spikingjelly_there_and_back(t, name) -> None:
    fire = getattr(surrogate.spikingjelly, name)()
    module = to_spikingjelly(nn.Spiking(IF(fire=fire, reset=ZERO)), (5,))
    assert type(module[0].surrogate_function).__name__ == name
    assert from_torch(module, (5,)).layers[0].neuron.fire == fire


@pytest.mark.parametrize("name", [name for name in surrogate.snntorch.__all__])
def test_each_surrogate_of_snntorch_there_and_back(t, name) -> None:
    fire = getattr(surrogate.snntorch, name)()
    module = to_snntorch(nn.Spiking(LIF(5.0, fire=fire, reset=DETACHED)), (5,))
    assert from_torch(module, (5,)).layers[0].neuron.fire == fire


def test_networks_back(t) -> None:
    module = spikingjelly_network(t)
    network = from_torch(module, (9, 8, 2))
    t.functional.set_step_mode(module, "m")
    back = to_spikingjelly(network, (9, 8, 2))
    agree(t, back, network, PICTURES)
    kept = [value for value in module.state_dict().values() if value.ndim]
    for a, b in zip(kept, [value for value in back.state_dict().values() if value.ndim], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    rngs = nnx.Rngs(0)
    lines = nn.Stack(
        nnx.Conv(3, 4, (3,), 2, padding="VALID", rngs=rngs),
        nn.MaxPool((2,)),
        nn.Flatten(),
        nnx.Linear(20, 5, rngs=rngs),
        nn.Spiking(NextStepReset(LIF(5.0, reset=DELAYED))),
        nn.Scale(0.5),
        nnx.Linear(5, 4, use_bias=False, rngs=rngs),
        nn.Bias(jnp.asarray([0.5, 0.25, 0, 1])),
        nn.Recurrent(NextStepReset(LIF(5.0, reset=DELAYED)), 4, scale=1.0, rngs=rngs),
    )
    x = RNG.normal(0.5, 1, (T, B, 3, 21)).astype(np.float32)
    agree(t, to_snntorch(lines, (21, 3)), lines, x)


def test_layers_with_time_back(t) -> None:
    rngs = nnx.Rngs(0)
    layers = [
        nn.PSN(T, rngs=rngs),
        nn.MaskedPSN(4, T, lambda_=0.5, rngs=rngs),
        nn.SlidingPSN(3),
        nn.Delay(2),
        nn.Recurrent(LIF(3.0, **SOFT), 5, scale=1.0, rngs=rngs),
    ]
    for layer in layers[:2]:
        layer.weight[...] *= 4
    for layer in layers:
        agree(t, to_spikingjelly(nn.Stack(layer), (5,)), layer, 1.5 * DENSE)
    readout = nn.Stack(nn.Readout(LI(3.0, gain=current), nn.last))
    out = to_spikingjelly(readout, (5,))(t.torch.tensor(DENSE))
    np.testing.assert_allclose(out.numpy(), readout(jnp.asarray(DENSE))[1], rtol=1e-5)


NOT_BACK = {
    "snntorch": {
        "reset": (LIF(reset=subtract), "its reset, <function subtract.*, is none of snnTorch's; those are NextStepReset"),
        "attached": (NextStepReset(LIF(reset=subtract)), "a step later, is none of snnTorch's"),
        "zero later": (NextStepReset(LIF(reset=DETACHED)), "a step later, is none of snnTorch's"),
        "gain": (LIF(gain=current, reset=ZERO), "its inputs do not weigh 1"),
        "surrogate": (LIF(reset=ZERO, fire=FIRE), r"fires by inclusive\(atan\(alpha=2.0\)\), which snnTorch has not"),
        "neuron": (ALIF(), "snnTorch has no word for ALIF"),
        "wrapper": (Refractory(LIF(reset=ZERO)), "snnTorch has no word for Refractory"),
    },
    "spikingjelly": {
        "reset": (LIF(reset=none, fire=FIRE), "is none of SpikingJelly's; those are subtract and to_value"),
        "rest": (LIF(3.0, 0.1, **SOFT), "rests at 0.1, and is reset to None"),
        "start": (IF(fire=FIRE, reset=to_value(-0.2)), "begins at 0.0, and the node at -0.2; take StartingAt"),
        "surrogate": (LIF(reset=ZERO), r"fires by atan\(alpha=2.0\), which SpikingJelly has not"),
        "arrays": (LIF(np.float32([2, 3, 4, 5, 6]), **SOFT), "has a tau for each neuron"),
        "weight": (Autapse(LIF(**SOFT), 0.5), "hears itself by a weight that is not 1"),
        "neuron": (ALIF(), "SpikingJelly has no word for ALIF"),
        "leak": (LIF(1.0, decay=euler, **SOFT), "retains 0 in a step"),
    },
}  # fmt: skip


@pytest.mark.parametrize(("library", "name"), [(library, name) for library, found in NOT_BACK.items() for name in found])
def test_what_cannot_go_back_is_named(t, library, name) -> None:
    neuron, message = NOT_BACK[library][name]
    convert = {"snntorch": to_snntorch, "spikingjelly": to_spikingjelly}[library]
    with pytest.raises(ValueError, match=message) as error:
        convert(nn.Stack(nn.Spiking(neuron)), (5,))
    assert str(error.value).startswith("layer 0 (")


def test_layers_and_learning_that_cannot_go_back_are_named(t) -> None:
    for convert, layer, message in (
        (to_snntorch, nn.Delay(1), "snnTorch has no word for a delay"),
        (to_snntorch, nn.PSN(4, rngs=nnx.Rngs(0)), r"layer 0 \(PSN\): snnTorch has no word for it"),
        (to_snntorch, nn.Scale(2.0), "has no layer that scales"),
        (to_spikingjelly, nn.SumPool((2, 2)), "has no word for SumPool"),
        (to_spikingjelly, nn.Spiking(LIF(3.0, **SOFT), learn=("threshold",)), "learns threshold; SpikingJelly learns the leak"),
        (to_spikingjelly, nn.Stack(nn.Bias(1.0), nn.Spiking(IF(**SOFT))), "a Bias stands before it"),
        (to_spikingjelly, nn.Readout(LI(), nn.count), "is read otherwise than by last, maximum or mean"),
    ):
        with pytest.raises(ValueError, match=message):
            convert(layer, (4, 4, 2))


# ---- NIR, as those libraries read and write it --------------------------------------------------------------------------------


def test_graphs_of_ours_are_read_by_them(t) -> None:
    """SpikingJelly and snnTorch import what was exported for them, and fire alike."""
    from snntorch.import_nir import import_from_nir as to_snn
    from spikingjelly.activation_based.nir_exchange import import_from_nir as to_sj

    rngs = nnx.Rngs(2)
    network = nn.Stack(
        nnx.Conv(2, 4, (3, 3), padding=1, rngs=rngs),
        nn.Spiking(LIF(2.0, decay=euler, reset=ZERO)),
        nn.AvgPool((2, 2)),
        nn.Flatten(),
        nnx.Linear(64, 5, rngs=rngs),
        nn.Spiking(LIF(4.0, decay=euler, gain=current, threshold=0.1, reset=ZERO)),
    )
    out, _ = ours(network, PICTURES)
    assert 0.02 < out.mean() < 0.98
    module = to_sj(to_nir(network, (9, 8, 2), dt=1.0, scheme=euler), dt=1e-3)
    state, spikes = None, []
    with t.torch.no_grad():
        for step in PICTURES:
            s, state = module(t.torch.tensor(step), state)
            spikes.append(s.numpy())
    np.testing.assert_array_equal(np.stack(spikes), out)
    tenth = nn.Stack(nnx.Linear(5, 6, rngs=rngs), nn.Spiking(LIF(1.0, dt=0.1, decay=euler, reset=ZERO)))
    out, _ = ours(tenth, DENSE)
    assert 0.02 < out.mean() < 0.98
    module = to_snn(to_nir(tenth, (5,), dt=0.1, scheme=euler))  # whose step is 0.1 ms, always
    state, spikes = None, []
    with t.torch.no_grad():
        for step in DENSE:
            s, state = module(t.torch.tensor(step), state)
            spikes.append(s.numpy())
    np.testing.assert_array_equal(np.stack(spikes), out)


def test_a_graph_of_ours_is_read_by_norse(t) -> None:
    norse = pytest.importorskip("norse.torch")
    lif = LIF(4.0, threshold=0.2, gain=current, decay=euler, reset=ZERO)
    network = nn.Stack(nnx.Linear(5, 6, rngs=nnx.Rngs(0)), nn.Spiking(lif))
    module, state, spikes = norse.from_nir(to_nir(network, (5,), dt=1.0, scheme=euler), dt=1e-3), None, []
    with t.torch.no_grad():
        for step in DENSE:
            s, state = module(t.torch.tensor(step), state)
            spikes.append(s.numpy())
    out, _ = ours(network, DENSE)
    assert 0.02 < out.mean() < 0.98
    np.testing.assert_array_equal(np.stack(spikes), out)


@pytest.mark.parametrize("way", ["all to all", "by itself"])
def test_recurrent_neurons_in_graphs_that_snntorch_writes(t, way, tmp_path) -> None:
    """Graphs in the graph, which nirtorch lays flat; in memory and in a file."""
    import nir
    from snntorch.export_nir import export_to_nir

    given = {"beta": 0.75, "init_hidden": True, "reset_mechanism": "zero", "reset_delay": False}
    rec = {"linear_features": 6} if way == "all to all" else {"all_to_all": False, "V": t.torch.linspace(-0.5, 0.5, 6)}
    net = t.torch.nn.Sequential(t.torch.nn.Linear(5, 6), t.snn.RLeaky(**given, **rec), t.torch.nn.Linear(6, 6))
    with t.torch.no_grad():
        net[0].weight *= 2
        graph = export_to_nir(net, t.torch.zeros(1, 5), ignore_dims=[0])
        net[1].reset_mem()
        theirs = t.torch.stack([net(t.torch.tensor(step)) for step in DENSE]).numpy()
        net[1].reset_mem()
        spikes = t.torch.stack([net[:2](t.torch.tensor(step)) for step in DENSE]).numpy()
    assert 0.02 < spikes.mean() < 0.98
    nir.write(tmp_path / "rec.nir", graph)
    for one in (graph, tmp_path / "rec.nir"):
        network = from_nir(one, dt=0.1, scheme=euler)
        np.testing.assert_allclose(ours(network, DENSE)[0], theirs, rtol=1e-5, atol=1e-5)
        assert any(isinstance(layer, nn.Recurrent) for layer in network.layers)


def test_recurrent_graphs_that_spyx_writes_are_refused_with_the_way_out(t) -> None:
    """They lead the input through the recurrent weights, as spyx does not."""
    layers_of, exporter = pytest.importorskip("spyx.nn"), pytest.importorskip("spyx.nir")
    rngs = nnx.Rngs(0)
    layers = nnx.Linear(6, 5, rngs=rngs), layers_of.RLIF((5,), beta=0.8, rngs=rngs)
    graph = exporter.to_nir(layers_of.Sequential(*layers), {"input": np.array([6])}, {"output": np.array([5])})
    with pytest.raises(ValueError, match=r"w_rec \(Linear\): sums .*: lead the input to layer_1\.layer_1\.lif instead"):
        from_nir(graph, dt=1.0, unit=1.0, scheme=euler)


def test_the_golden_graphs_are_those_that_the_libraries_write_now(t) -> None:
    from tests.golden import make_interop

    with np.load(make_interop.HERE / "interop.npz") as kept, t.torch.no_grad():
        for make, dt in ((make_interop.snntorch, 0.1), (make_interop.spikingjelly, 1.0)):
            x, s, graph = make()
            np.testing.assert_array_equal(s.numpy(), kept[f"{make.__name__}/s"])
            np.testing.assert_array_equal(ours(from_nir(graph, dt=dt, scheme=euler), x)[0], s.numpy())
        x, s, state = make_interop.weights()
        np.testing.assert_array_equal(s.numpy(), kept["weights/s"])
        for name, tensor in state.items():
            np.testing.assert_array_equal(tensor.numpy(), kept[f"state dict/{name}"])


def test_where_the_library_is_not_installed_it_says_so(t, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "snntorch", None)
    with pytest.raises(UserError, match=r"snnTorch is not installed .* pip install 'mxsnn\[peers\]'"):
        to_snntorch(nn.Spiking(LIF(reset=ZERO)), (5,))


def test_the_code_of_the_document_runs(t, capsys) -> None:
    document = (Path(__file__).parents[1] / "docs" / "interop.md").read_text("utf-8")
    (block,) = (code for code in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if "import torch" in code)
    names: dict = {}
    exec(block, names)
    assert capsys.readouterr().out == "0 spikes differ\n" and names["spikes"].shape == (20, 3, 4)
