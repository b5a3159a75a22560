"""Archives as weights; graphs and weights that torch's libraries wrote, run as they ran them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mxsnn import nn
from mxsnn.discrete import charge, euler
from mxsnn.errors import UserError
from mxsnn.interop import from_nir, load_weights, read_weights
from mxsnn.neurons import LIF, PLIF
from mxsnn.reset import detached, subtract, to_value
from mxsnn.surrogate import spikingjelly

HERE = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(HERE / "interop.npz") as arrays:
        return {key.partition("/")[2]: arrays[key] for key in arrays.files if key.startswith(f"{name}/")}


def run(network, x: np.ndarray) -> np.ndarray:
    return np.asarray(network(jnp.asarray(np.moveaxis(x, 2, -1)))[1])


@pytest.mark.parametrize(("library", "dt"), [("snntorch", 0.1), ("spikingjelly", 1.0)])
def test_graphs_that_others_wrote_run_as_there(library, dt) -> None:
    """To the last spike: exported by the library with its own step, and run there on the same inputs."""
    kept = golden(library)
    network = from_nir(HERE / f"{library}.nir", dt=dt, scheme=euler)
    np.testing.assert_array_equal(run(network, kept["x"]), kept["s"])
    wrong = from_nir(HERE / f"{library}.nir", dt=dt / 2, scheme=euler)
    assert (run(wrong, kept["x"]) != kept["s"]).any()  # the step matters


# ---- into a network -----------------------------------------------------------------------------------------------------------

NAMES = {
    "layers.0.kernel": "0.weight",
    "layers.1.scale": "1.weight",
    "layers.1.bias": "1.bias",
    "layers.1.mean": "1.running_mean",
    "layers.1.var": "1.running_var",
    "layers.2.learned.w": "2.w",
    "layers.5.kernel": "5.weight",
    "layers.5.bias": "5.bias",
}
FLAT = {"layers.5": (3, 2, 4)}
UNUSED = ["1.num_batches_tracked"]


def network() -> nn.Stack:
    rngs, fire = nnx.Rngs(0), spikingjelly.ATan()
    last = LIF(2.0, decay=euler, gain=charge, fire=fire, reset=detached(subtract))
    return nn.Stack(
        nnx.Conv(2, 4, (3, 3), use_bias=False, rngs=rngs),
        nnx.BatchNorm(4, epsilon=0.0, use_running_average=True, rngs=rngs),
        nn.Spiking(PLIF.from_tau(9.0, fire=fire, reset=detached(to_value(0.0))), learn=("w",)),
        nn.max_pool,
        nn.Flatten(),
        nnx.Linear(24, 5, rngs=rngs),
        nn.Spiking(last),
    )


def same(a: nn.Stack, b: nn.Stack) -> bool:
    return all((x == y).all() for x, y in zip(*(jax.tree.leaves(nnx.state(model)) for model in (a, b)), strict=True))


def test_weights_of_torch_make_the_same_spikes() -> None:
    kept, weights = golden("weights"), golden("state dict")
    model = network()
    load_weights(model, weights, NAMES, flat=FLAT, unused=UNUSED)
    np.testing.assert_array_equal(run(model, kept["x"]), kept["s"])
    again = network()
    load_weights(again, weights, NAMES.get, flat=FLAT, unused=UNUSED)  # a function says the same
    assert same(model, again)
    load_weights(again, weights, NAMES, flat={"layers.5": ()}, unused=UNUSED)
    assert (run(again, kept["x"]) != kept["s"]).any()  # the order of the columns matters


def test_a_part_is_loaded_and_the_rest_stays() -> None:
    model, before = network(), network()
    load_weights(
        model, golden("state dict"), lambda name: NAMES[name] if "layers.0" in name else None, unused=set(golden("state dict"))
    )
    assert (model.layers[0].kernel[...] != before.layers[0].kernel[...]).any()
    assert (model.layers[5].kernel[...] == before.layers[5].kernel[...]).all()


def test_learned_parameters_are_given_as_they_are() -> None:
    model = nn.Stack(nn.Spiking(LIF(np.full((4, 3), 5.0, np.float32)), learn=("tau",)), nn.Scale(np.ones((2, 4, 3))))
    taus, factors = np.arange(1.0, 13.0).reshape(3, 4), np.arange(24.0).reshape(3, 2, 4)
    names = {"layers.0.learned.tau": "tau", "layers.1.weight": "w"}
    load_weights(model, {"tau": taus, "w": factors}, names)
    np.testing.assert_allclose(model.layers[0].neuron.tau, taus.T, rtol=1e-6)
    np.testing.assert_array_equal(model.layers[1].weight[...], np.moveaxis(factors, 0, -1))
    with pytest.raises(ValueError, match=r"tau \(not all above 0, as tau must be, of layers\.0\."):
        load_weights(model, {"tau": -taus, "w": factors}, names)


def test_lines_and_neurons_that_hear_each_other() -> None:
    model = nn.Stack(nnx.Conv(2, 3, (5,), rngs=nnx.Rngs(0)), nn.Recurrent(LIF(), 3, rngs=nnx.Rngs(0)))
    conv, rec = np.random.default_rng(0).normal(size=(3, 2, 5)), np.random.default_rng(1).normal(size=(3, 3))
    names = {"layers.0.kernel": "c", "layers.1.kernel": "r"}
    load_weights(model, {"c": conv, "r": rec}, names)
    np.testing.assert_allclose(model.layers[0].kernel[...], conv.transpose(2, 1, 0), rtol=1e-6)
    np.testing.assert_allclose(model.layers[1].kernel[...], rec.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda w, n: w.pop("5.bias"), {}, r"the weights lack 5\.bias"),
        (lambda w, n: w.update(more=np.zeros(3)), {}, "the weights more are left over; give them names, or say"),
        (lambda w, n: w.update({"0.weight": np.zeros((4, 2, 3, 2)), "5.bias": np.zeros(4)}), {}, "other shapes than the network's"),
        (lambda w, n: w.update({"5.weight": np.zeros((5, 23))}), {}, "whose columns are no flattened"),
        (lambda w, n: n.update({"layers.9.kernel": "x"}), {}, r"the network has no variable layers\.9\.kernel; it has"),
        (lambda w, n: None, {"flat": {}}, r"layers\.5 stands behind a Flatten, where torch has other columns; .* \(H, W, C\)"),
        (lambda w, n: None, {"flat": {"layers.4": (1, 2)}}, r"flat names layers\.4, which is no dense layer"),
        (lambda w, n: None, {"unused": ()}, r"the weights 1\.num_batches_tracked are left over"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_loaded(change, options, message) -> None:
    weights, names, model = golden("state dict"), dict(NAMES), network()
    change(weights, names)
    with pytest.raises(ValueError, match=message):
        load_weights(model, weights, names, **{"flat": FLAT, "unused": UNUSED} | options)
    before = network()
    assert same(model, before)


# ---- the archive --------------------------------------------------------------------------------------------------------------


def test_archives_that_are_none_are_one_line(tmp_path) -> None:
    good = tmp_path / "good.npz"
    np.savez(good, a=np.zeros(1000))
    np.save(tmp_path / "plain.npy", np.zeros(3))
    np.savez(tmp_path / "pickled.npz", a=np.array([{"code": print}], object))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("weights")
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:500])
    np.savez_compressed(tmp_path / "flipped.npz", a=np.random.default_rng(0).normal(size=1000))
    flipped = bytearray((tmp_path / "flipped.npz").read_bytes())
    flipped[2000:2010] = b"0123456789"
    (tmp_path / "flipped.npz").write_bytes(flipped)
    for name in ("plain.npy", "pickled.npz", "empty.npz", "text.npz", "cut.npz", "flipped.npz", "none.npz"):
        with pytest.raises(UserError, match=name) as error:
            read_weights(tmp_path / name)
        assert "\n" not in str(error.value)
    assert list(read_weights(good)) == ["a"]


def test_interop_does_not_import_the_libraries_by_itself() -> None:
    code = "import mxsnn.interop, sys; print({'torch', 'snntorch', 'spikingjelly', 'nir'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True)
    assert done.stdout.strip() == "set()"
