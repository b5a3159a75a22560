"""SEW-ResNets beside PyTorch and SpikingJelly: weights by their names, spikes, logits and gradients; what they refuse."""

from __future__ import annotations

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from mxsnn import nn
from mxsnn.cli import main
from mxsnn.interop import load_weights, read_weights
from mxsnn.losses import cross_entropy
from mxsnn.models.residual import Block
from mxsnn.models.sew_resnet import PlainNet, SEWResNet, SpikingResNet, add, and_, iand
from mxsnn.models.sew_resnet18 import SEWResNet18
from mxsnn.neurons import IF, LIF
from mxsnn.reset import to_value
from mxsnn.surrogate import atan, inclusive
from tests.golden import make_sew_resnet as golden

SMALL = [case for case in golden.CASES if case != "full"]
MORE = [case for case in SMALL if case not in ("iand", "spiking")]
CONNECT = {"ADD": add, "AND": and_, "IAND": iand}
NEAR = 1e-5


@pytest.fixture(autouse=True)
def compiled_in_haste(request):
    """Small networks take longer to compile than to run; the full one is compiled as ever."""
    hasty = request.node.get_closest_marker("slow") is None
    jax.config.update("jax_disable_most_optimizations", hasty)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def parameters(make) -> int:
    """How many a network has, which is not made for that."""
    return sum(p.size for p in jax.tree.leaves(nnx.state(nnx.eval_shape(make), nnx.Param)))


def doubled(model) -> None:
    """All variables in float64."""
    state = nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))
    nnx.update(model, jax.tree.map(lambda value: value.astype(jnp.float64), state))


def model_of(case: str, state: dict[str, np.ndarray], dtype=jnp.float32):
    """The network of a golden case, with these weights; for float64 under enable_x64."""
    options = golden.CASES[case]
    shape, classes = (*options.get("size", golden.SIZE), 2), options.get("classes", golden.CLASSES)
    given = {"channels": options["channels"], "dtype": dtype, "rngs": nnx.Rngs(0)}
    if options["kind"] == "fer":
        model = SEWResNet18(shape, classes, **given)
    else:
        kind = {"plain": PlainNet, "basic": SpikingResNet}.get(options["kind"])
        kind = kind or functools.partial(SEWResNet, connect=CONNECT[options["connect"]])
        model = kind(shape, classes, blocks=options.get("blocks", 1), **given)
    if dtype == jnp.float64:
        doubled(model)
    load_weights(model, state, **model.published(state))
    return model


@nnx.jit
def traced(model, xs, state=None):
    return model.trace(xs, state)


def frames(case: str, dtype=jnp.float32, seed: str = ""):
    """Inputs [T, B, H, W, C]."""
    return jnp.asarray(np.moveaxis(golden.inputs(case, seed), 2, -1), dtype)


def channel_first(spikes) -> np.ndarray:
    return np.moveaxis(np.asarray(spikes), -1, 2)


# ---- networks as published ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SEWResNet, PlainNet, SpikingResNet])
def test_as_many_parameters_as_published(kind):
    assert parameters(lambda: kind.dvs_gesture(rngs=nnx.Rngs(0))) == 130_426
    assert parameters(lambda: kind.dvs_gesture(classes=7, rngs=nnx.Rngs(0))) == 130_294
    assert parameters(lambda: kind.cifar10_dvs(rngs=nnx.Rngs(0))) == 1_192_218


def test_as_many_parameters_as_resnet_18():
    """Of torchvision's 11,689,512: two channels for three in the stem, no readout of 1000 classes but one of six without bias."""
    published = 11_689_512 - 64 * 7 * 7 - (512 * 1000 + 1000) + 512 * 6
    assert parameters(lambda: SEWResNet18((128, 128, 2), 6, rngs=nnx.Rngs(0))) == published


def test_every_layer_has_a_leak_of_its_own():
    model = SEWResNet.dvs_gesture(rngs=nnx.Rngs(0))
    names = [path for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Param)) if path[-1] == "w"]
    assert len(names) == 15
    leaks = [layer.neuron.w for _, layer in nnx.iter_modules(model) if isinstance(layer, nn.Spiking)]
    assert len(leaks) == 15 and all(float(jax.nn.sigmoid(w)) == 0.5 for w in leaks)


def test_begins_as_pytorch_does():
    """Uniform in 1 / sqrt(fan_in); the readout's bias too; Spiking-FER's blocks normal in sqrt(2 / fan_out)."""
    model = SEWResNet((2, 2, 2), 1000, (64,), rngs=nnx.Rngs(0))
    for layer in (model.layers[1].first.layers[0], model.head):
        kernel = layer.kernel[...]
        bound = np.prod(kernel.shape[:-1]) ** -0.5
        assert 0.98 * bound < jnp.abs(kernel).max() <= bound and abs(kernel.std() / bound - 3**-0.5) < 0.02
    assert 0.98 / 8 < jnp.abs(model.head.bias[...]).max() <= 1 / 8
    kernel = SEWResNet18((64, 64, 2), 6, (64,), blocks=1, rngs=nnx.Rngs(0)).layers[2].first.layers[0].kernel[...]
    assert abs(kernel.std() / (2 / (64 * 9)) ** 0.5 - 1) < 0.02


def test_blocks_that_begin_as_identities():
    """ADD and IAND pass x on where the branch is silent, AND where it fires at each step, which IF does at a current of 1."""
    x = jnp.asarray(golden.inputs("add"), jnp.float32).transpose(0, 1, 3, 4, 2)
    fire = IF(fire=inclusive(atan()), reset=to_value(0.0))
    for connect in CONNECT.values():
        options = {"neurons": lambda: nn.Spiking(fire), "connect": connect, "dtype": jnp.float32}
        np.testing.assert_array_equal(Block(2, 2, zero_init=True, **options, rngs=nnx.Rngs(0))(x)[1], x)
        assert (Block(2, 2, **options, rngs=nnx.Rngs(0))(x)[1] != x).any()


def test_integers_add_up():
    """ADD's sums of spikes go on: nothing makes spikes of them again."""
    state, _ = golden.golden("add")
    model = model_of("add", state)
    model.eval()
    first, second = nnx.jit(lambda model, xs: outs(model.layers[:3], xs)[1:])(model, frames("add"))
    assert (first.max(), second.max()) == (2, 3) and (second == second.round()).all()


def outs(layers, xs):
    return [xs := layer(xs)[1] for layer in layers]


# ---- sizes ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((64, 64, 2), {}, "7 stages halve the pictures as often, and 6 fit into 64x64 pixels; give stages=6"),
        ((40, 9, 2), {"stages": 5}, "5 stages halve the pictures as often, and 3 fit into 9x40 pixels; give stages=3"),
        ((1, 64, 2), {}, "take larger pictures"),
        ((64, 64, 2), {"stages": 0}, "stages is 0, of 7 in channels; give 1 to 7"),
        ((999, 999, 2), {"stages": 8}, "stages is 8, of 7 in channels; .* or more channels"),
    ],
)
def test_pictures_that_are_too_small_are_told_how_many_stages_fit(shape, options, message):
    with pytest.raises(ValueError, match=message):
        SEWResNet(shape, 11, **options, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("make", [SEWResNet, SEWResNet18])
def test_any_size_and_any_neuron(make):
    model = make((33, 18, 3), 4, channels=(3, 4), neuron=LIF(), learn=("tau",), rngs=nnx.Rngs(0))
    xs = jax.random.poisson(jax.random.key(0), 1.0, (6, 2, 33, 18, 3))
    state, logits, spikes = traced(model, xs)
    assert logits.shape == (2, 4) and logits.dtype == jnp.float32
    assert all(((s == 0) | (s == 1)).all() and s.shape[:2] == (6, 2) for s in spikes.values())
    neurons = [layer for _, layer in nnx.iter_modules(model) if isinstance(layer, nn.Spiking)]
    assert len(spikes) == len(neurons) == len(jax.tree.leaves(state))


def test_chunks_are_one_pass():
    state, _ = golden.golden("iand")
    model, xs = model_of("iand", state), frames("iand")
    model.eval()
    _, logits, spikes = traced(model, xs)
    middle, first, early = traced(model, xs[:2])
    _, second, late = traced(model, xs[2:], middle)
    for name, s in spikes.items():
        np.testing.assert_array_equal(s, jnp.concatenate([early[name], late[name]]), err_msg=name)
    np.testing.assert_allclose((2 * first + 3 * second) / 5, logits, rtol=1e-5, atol=1e-6)


def test_in_bfloat16_membranes_and_logits_are_float32():
    model = SEWResNet((32, 32, 2), 4, (4, 4), dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    state, logits, spikes = traced(model, jnp.ones((3, 2, 32, 32, 2)))
    assert logits.dtype == jnp.float32 and {leaf.dtype for leaf in jax.tree.leaves(state)} == {jnp.dtype(jnp.float32)}
    assert {s.dtype for s in spikes.values()} == {jnp.dtype(jnp.bfloat16)}


# ---- beside PyTorch -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", SMALL)
def test_every_spike_is_the_same(case):
    state, kept = golden.golden(case)
    with jax.enable_x64(True):
        evaluated(case, state, kept)


def evaluated(case: str, state, kept, seed: str = "") -> None:
    model = model_of(case, state, jnp.float64)
    model.eval()
    _, logits, spikes = traced(model, frames(case, jnp.float64, seed))
    assert set(spikes) == set(kept["layers"])
    for name, s in spikes.items():
        np.testing.assert_array_equal(channel_first(s), kept[f"spikes:{name}"], err_msg=name)
    np.testing.assert_allclose(logits, kept["logits"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", ["iand", "spiking", *(pytest.param(case, marks=pytest.mark.slow) for case in MORE)])
def test_a_step_of_training_is_the_same(case):
    """Logits with the statistics of the batch, gradients, and the running statistics after it."""
    state, kept = golden.golden(case)
    with jax.enable_x64(True):
        trained(case, state, kept)


def trained(case: str, state, kept, seed: str = "") -> None:
    model = model_of(case, state, jnp.float64)
    xs = frames(case, jnp.float64, seed)

    @nnx.jit
    @nnx.grad(has_aux=True)
    def gradients(model):
        logits = model(xs)[1]
        return (logits * golden.loss(case)).sum(), logits

    slopes, logits = gradients(model)
    np.testing.assert_allclose(logits, kept["trained"], rtol=0, atol=1e-6)
    names = model.published(state)["names"]
    found = {names[".".join(map(str, path))]: value[...] for path, value in nnx.to_flat_state(slopes)}
    wanted = [key[2:] for key in kept if key.startswith("d:")]
    assert sum(name.endswith(".w") for name in wanted) == (0 if case == "fer" else len(kept["layers"]))
    for name in wanted:
        value, slope = kept[f"d:{name}"], np.asarray(found[name])
        value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
        assert np.abs(value).max() > 0, name
        np.testing.assert_allclose(slope, value, rtol=1e-8, atol=1e-9 * np.abs(value).max(), err_msg=name)
    theirs = {name: path for path, name in names.items()}
    statistics = {".".join(map(str, path)): value[...] for path, value in nnx.to_flat_state(nnx.state(model, nnx.BatchStat))}
    for key in (key for key in kept if key.startswith("after:")):
        name, after = key[6:], statistics[theirs[key[6:]]]
        if name.endswith("running_var"):  # PyTorch's has n - 1 in it
            batch = (kept[key] - 0.9 * state[name].astype(np.float64)) / 0.1
            near = (after - 0.9 * state[name].astype(np.float64)) / 0.1
            n = samples(kept, near / batch)
            np.testing.assert_allclose(near * n / (n - 1), batch, rtol=1e-8, err_msg=name)
        else:
            np.testing.assert_allclose(after, kept[key], rtol=1e-9, atol=1e-9, err_msg=name)


def samples(kept, shrunk) -> int:
    """T B H W of the layer whose variances are (n - 1) / n of others."""
    n = int(np.round(1 / (1 - np.median(shrunk))))
    assert n in {int(np.prod(kept[key].shape)) // kept[key].shape[2] for key in kept if key.startswith("spikes:")}
    return n


@pytest.mark.slow
def test_the_full_network_is_the_same():
    """At 128x128, T = 4: each of 7.7 million spikes, those that were not kept by their digest."""
    state, kept = golden.golden("full")
    with jax.enable_x64(True):
        model = model_of("full", state, jnp.float64)
        model.eval()
        _, logits, spikes = traced(model, frames("full", jnp.float64))
        for name, count in zip(kept["layers"], kept["counts"], strict=True):
            s = channel_first(spikes[name])
            np.testing.assert_array_equal(s.sum((1, 2, 3, 4)), count, err_msg=name)
            if f"spikes:{name}" in kept:
                np.testing.assert_array_equal(s, kept[f"spikes:{name}"], err_msg=name)
            assert golden.digest(s) == kept["digests"][name]
        np.testing.assert_allclose(logits, kept["logits"], rtol=0, atol=1e-6)


def first_differences(case: str, **changed) -> tuple[int, int, list[float]]:
    """In float32: spikes, those that differ, and of each neuron that differs on equal inputs |H - threshold| when it first does.

    Each layer hears what it heard in float64, so that no difference is another's consequence.
    """
    state, _ = golden.golden(case)
    total, differ, near = 0, 0, []
    with jax.enable_x64(True):
        exact, rounded = model_of(case, state, jnp.float64), model_of(case, state | changed, jnp.float32)
        exact.eval(), rounded.eval()
        xs = frames(case, jnp.float64)
        for layer, other in zip(exact.layers, rounded.layers, strict=True):
            for heard, stack, rival in spiking_stacks(layer, other, xs):
                (_, currents, s), (_, _, t) = (np.asarray(out) for out in outputs(stack, heard)), outputs(rival, heard)
                wrong = s != np.asarray(t)
                total, differ = total + s.size, differ + int(wrong.sum())
                once = wrong & (np.cumsum(wrong, 0) == 1)
                near += np.abs(distances(stack.layers[-1].neuron, currents)[once]).tolist() if wrong.any() else []
            xs = layer(xs)[1]
    return total, differ, near


@nnx.jit
def outputs(stack, xs):
    return stack.outputs(xs.astype(stack.layers[0].dtype))[1]


def spiking_stacks(layer, other, xs):
    """What each convolution with its norm and its neurons hears, and these as a stack of either network."""
    if isinstance(layer, Block):
        yield xs, layer.first, other.first
        yield layer.first(xs)[1], *(nn.Stack(*block.second.layers, block.spiking) for block in (layer, other))
        if layer.short is not None:
            yield xs, layer.short, other.short
    elif len(layer.layers) == 3:
        yield xs, layer, other


def distances(neuron, currents: np.ndarray) -> np.ndarray:
    """H - threshold, before the reset, of PLIF or IF."""
    leak = 1 / (1 + np.exp(-float(neuron.w))) if hasattr(neuron, "w") else None
    v, u = np.zeros(currents.shape[1:]), np.empty(currents.shape)
    for k, x in enumerate(currents):
        v = v + x if leak is None else v + (x - v) * leak
        u[k] = v - 1
        v = np.where(u[k] >= 0, 0, v)
    return u


@pytest.mark.parametrize(
    "case", ["iand", pytest.param("fer", marks=pytest.mark.slow), pytest.param("full", marks=pytest.mark.slow)]
)
def test_in_float32_spikes_first_differ_at_the_threshold(case):
    total, differ, near = first_differences(case)
    assert all(u < NEAR for u in near), f"of {total} spikes {differ} differ, the first ones at {sorted(near)[-5:]}"
    assert differ <= 1e-5 * total


def test_spikes_that_differ_elsewhere_would_be_seen():
    state, _ = golden.golden("iand")
    name = "conv.1.conv.0.0.1.bias"
    _, differ, near = first_differences("iand", **{name: state[name] + np.float32(0.01)})
    assert differ > 0 and max(near) > NEAR


@pytest.mark.slow
def test_in_float32_the_full_network_says_the_same():
    """Differences at the threshold have consequences; they stay few, and the logits near."""
    state, kept = golden.golden("full")
    model = model_of("full", state)
    model.eval()
    _, logits, spikes = traced(model, frames("full"))
    counts = np.array([np.asarray(spikes[name]).sum((1, 2, 3, 4)) for name in kept["layers"]])
    assert np.abs(counts - kept["counts"]).sum() <= 1e-3 * kept["counts"].sum()
    assert np.abs(logits - kept["logits"]).max() < 0.1 * np.abs(kept["logits"]).max()


@pytest.mark.peers
@pytest.mark.parametrize("case", SMALL)
def test_live(case):
    """What the file says, and other weights and inputs."""
    pytest.importorskip("spikingjelly")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept, (_, found) = golden.golden(case)[1], golden.run(case)
        runs = [golden.run(case, seed, full=True) for seed in ("again", "once more")]
    assert found.pop("layers") == kept["layers"]
    for key, value in found.items():
        np.testing.assert_allclose(value, kept[key], rtol=1e-8, atol=1e-9, err_msg=key)
    with jax.enable_x64(True):
        for seed, (state, trace) in zip(("again", "once more"), runs, strict=True):
            evaluated(case, state, trace, seed)
            trained(case, state, trace, seed)


@pytest.mark.peers
@pytest.mark.parametrize("case", ["add", "fer"])
def test_a_checkpoint_becomes_weights(case, tmp_path):
    """Saved by torch with more beside it, converted by the command, loaded by the published names."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("spikingjelly")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net, _ = golden.made(case)
    torch.save({"model": net.float().state_dict(), "epoch": 89}, tmp_path / "checkpoint.pth")
    assert main(["convert-weights", str(tmp_path / "checkpoint.pth"), str(tmp_path / "weights.npz"), "--key", "model"]) == 0
    _, kept = golden.golden(case)
    model = model_of(case, read_weights(tmp_path / "weights.npz"))
    model.eval()
    np.testing.assert_allclose(traced(model, frames(case))[1], kept["logits"], rtol=1e-4, atol=1e-5)


# ---- weights of the published code ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["add", "spiking", "fer"])
def test_every_weight_has_its_place(case):
    """All names of the state dict, and all variables, each once; under the names of SpikingJelly's earlier containers, too."""
    state, _ = golden.golden(case)
    earlier = {containers(name) if case != "fer" else f"model.{name}": value for name, value in state.items()}
    assert earlier.keys() != state.keys()
    for weights in (state, earlier):
        model = model_of(case, weights)
        told = model.published(weights)
        assert sorted([*told["names"].values(), *told["unused"]]) == sorted(weights)
        variables = nnx.to_flat_state(nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat)))
        assert set(told["names"]) == {".".join(map(str, path)) for path, _ in variables}


def containers(name: str) -> str:
    """`conv.0.0.1.weight` as it was, `conv.0.0.module.1.weight`."""
    parts = name.split(".")
    return name if parts[0] == "out" or parts[-1] == "w" else ".".join([*parts[:-2], "module", *parts[-2:]])


def test_weights_that_do_not_fit_are_named():
    state, _ = golden.golden("add")
    with pytest.raises(ValueError, match=r"the weights lack conv\.1\.conv\.0\.1\.w"):
        model_of("add", {name: value for name, value in state.items() if name != "conv.1.conv.0.1.w"})
    with pytest.raises(ValueError, match=r"the weights conv\.9\.weight are left over"):
        model_of("add", state | {"conv.9.weight": np.zeros(3)})
    with pytest.raises(ValueError, match=r"other shapes .* conv\.0\.0\.0\.weight \(\[4, 3, 1, 1\], for \[1, 1, 2, 4\]"):
        model_of("add", state | {"conv.0.0.0.weight": np.zeros((4, 3, 1, 1))})


# ---- programs for other devices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "dtype"), [(SEWResNet.dvs_gesture, jnp.float32), (SEWResNet18, jnp.bfloat16)])
def test_a_step_of_training_lowers_for_accelerators(make, dtype):
    model = nnx.eval_shape(lambda: make((128, 128, 2), 7, dtype=dtype, rngs=nnx.Rngs(0)))
    graph, params, stats = nnx.split(model, nnx.Param, ...)
    optimizer = optax.sgd(1e-3, momentum=0.9)

    def step(params, stats, optimizer_state, xs, label):
        def loss(params):
            view = nnx.merge(graph, params, stats, copy=True)
            return cross_entropy(view(xs)[1], label).mean(), nnx.state(view, nnx.Not(nnx.Param))

        slopes, after = jax.grad(loss, has_aux=True)(params)
        updates, optimizer_state = optimizer.update(slopes, optimizer_state, params)
        return optax.apply_updates(params, updates), after, optimizer_state

    given = (params, stats, jax.eval_shape(optimizer.init, params))
    xs, label = jax.ShapeDtypeStruct((4, 2, 128, 128, 2), jnp.float32), jax.ShapeDtypeStruct((2,), jnp.int32)
    exported = jax.export.export(jax.jit(step), platforms=("cuda", "tpu"))(*given, xs, label)
    assert exported.platforms == ("cuda", "tpu") and "convolution" in exported.mlir_module()
