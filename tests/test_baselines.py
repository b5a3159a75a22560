"""Networks by name: what all of them are held to; those of frames in particular, networks of equal size, and transfer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from mxsnn.errors import UserError
from mxsnn.losses import cross_entropy
from mxsnn.models import trained as runs
from mxsnn.models.classifiers import CLASSIFIERS, classifier
from mxsnn.models.cnn_gru import GRU
from mxsnn.models.matched import parameters
from mxsnn.models.transfer import frozen_trunk, load_trunk, still
from mxsnn.models.trunk import Neighbours
from mxsnn.neurons import LIF

SHAPE, STEPS, CLASSES = (9, 8, 3), 4, 3
NAMED = {
    "SpikingCNN": "SpikingCNN((4, 8))",
    "attention": "SpikingCNN((4, 8), attention=(TimeAttention(4, 1), ChannelAttention(1), SpatialAttention(3)), recurrent=6)",
    "SEWResNet": "SEWResNet((4,), connect=iand)",
    "PlainNet": "PlainNet((4,))",
    "SpikingResNet": "SpikingResNet((4,))",
    "SEWResNet18": "SEWResNet18((4, 4), blocks=1, zero_init=False)",
    "MeanFrameCNN": "MeanFrameCNN((4, 8))",
    "StackCNN": "StackCNN(4, (4, 8))",
    "CNNGRU": "CNNGRU((4, 8), units=5)",
    "CNN3D": "CNN3D((4, 8))",
    "Fused": "Fused(SpikingCNN((4,)), MeanFrameCNN((4,)), Weighted)",
    "middle": "Fused(MeanFrameCNN((4,)), CNNGRU((4,), units=5), Middle(8))",
    "matched": "matched(StackCNN(4, (4, 8)), 1500, within=0.1)",
}
STREAMED = {"MeanFrameCNN", "CNNGRU", "middle"}
"""Of these the last chunk says what one pass does; of spiking ones the mean over chunks."""
AVERAGED = {"SpikingCNN", "SEWResNet", "PlainNet", "SpikingResNet", "SEWResNet18"}


@pytest.fixture(autouse=True)
def compiled_in_haste():
    """Small networks take longer to compile than to run."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def make(text: str, shape=SHAPE, **given):
    return classifier(text).make(shape, CLASSES, LIF(), ("tau",), **{"rngs": nnx.Rngs(0)} | given)


def frames(batch: int = 2, shape=SHAPE, steps: int = STEPS):
    return 3 * jax.random.uniform(jax.random.key(1), (steps, batch, *shape))


def test_every_network_by_name_is_tested():
    assert set(CLASSIFIERS) <= set(NAMED) and set(CLASSIFIERS) == {text.partition("(")[0] for text in NAMED.values()}
    assert set(NAMED) >= STREAMED | AVERAGED


@pytest.mark.parametrize("name", NAMED)
def test_a_network_learns_with_all_it_has_and_judges_each_sample_alone(name):
    model, xs = make(NAMED[name]), frames()

    def loss(model):
        _, logits, spikes = model.trace(xs)
        return (logits * jnp.arange(1.0, 4) * jnp.array([[1.0], [-2.0]])).sum(), spikes

    @nnx.jit
    def run(model):
        model.train()
        slopes, spikes = nnx.grad(loss, has_aux=True)(model)
        return slopes, spikes

    slopes, spikes = run(model)
    dead = [".".join(map(str, path)) for path, leaf in nnx.to_flat_state(slopes) if not jnp.abs(leaf[...]).max() > 0]
    assert not dead
    model.eval()
    for layer in (layer for _, layer in nnx.iter_modules(model) if isinstance(layer, nnx.BatchNorm)):
        layer.var[...] = jnp.full_like(layer.var[...], 1e-2)  # or few neurons fire
    ask = nnx.jit(lambda model, xs: model(xs)[1])
    logits, again = ask(model, xs), ask(model, xs.at[:, 1].set(0))
    assert logits.shape == (2, CLASSES) and logits.dtype == jnp.float32
    np.testing.assert_allclose(logits[0], again[0], rtol=1e-6, atol=1e-6)
    assert jnp.abs(logits[1] - again[1]).max() > 1e-4
    neurons = [layer for _, layer in nnx.iter_modules(model) if hasattr(layer, "learned")]
    assert len(spikes) == len(neurons) and all(s.shape[:2] == (STEPS, 2) for s in spikes.values())


@pytest.mark.parametrize("name", sorted(STREAMED | AVERAGED))
def test_chunks_are_one_pass(name):
    model, xs = make(NAMED[name]), frames()

    @nnx.jit
    def run(model, xs):
        model.eval()
        middle, early = model(xs[:1])
        return model(xs)[1], early, model(xs[1:], middle)[1]

    whole, early, late = run(model, xs)
    if name in AVERAGED:
        late = (early + (STEPS - 1) * late) / STEPS
    np.testing.assert_allclose(late, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMED)
def test_logits_and_membranes_are_float32_where_the_rest_is_bfloat16(name):
    state, logits, _ = nnx.eval_shape(lambda xs: make(NAMED[name], dtype=jnp.bfloat16).trace(xs), frames())
    assert logits.dtype == jnp.float32
    assert all(leaf.dtype in (jnp.float32, jnp.int32) for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("name", NAMED)
def test_a_step_of_training_lowers_for_accelerators(name):
    model = nnx.eval_shape(lambda: make(NAMED[name], dtype=jnp.bfloat16))
    graph, params, stats = nnx.split(model, nnx.Param, ...)
    optimizer = optax.adamw(1e-3)

    def step(params, stats, optimizer_state, xs, label):
        def loss(params):
            view = nnx.merge(graph, params, stats, copy=True)
            return cross_entropy(view(xs)[1], label).mean(), nnx.state(view, nnx.Not(nnx.Param))

        slopes, after = jax.grad(loss, has_aux=True)(params)
        updates, optimizer_state = optimizer.update(slopes, optimizer_state, params)
        return optax.apply_updates(params, updates), after, optimizer_state

    given = (params, stats, jax.eval_shape(optimizer.init, params))
    xs, label = jax.ShapeDtypeStruct((STEPS, 2, *SHAPE), jnp.float32), jax.ShapeDtypeStruct((2,), jnp.int32)
    exported = jax.export.export(jax.jit(step), platforms=("cuda", "tpu"))(*given, xs, label)
    assert exported.platforms == ("cuda", "tpu") and "convolution" in exported.mlir_module()


@pytest.mark.parametrize("text", ["SpikingCNN", "MeanFrameCNN", "StackCNN(4)", "CNNGRU", "CNN3D", "Fused(SpikingCNN, CNNGRU)"])
def test_pictures_that_are_too_small_are_refused(text):
    with pytest.raises(ValueError, match="3 blocks halve the picture as often; 40x7 pixels are too few: take fewer"):
        make(text, (7, 40, 3))
    with pytest.raises(ValueError, match="at least one in each block"):
        make("CNN3D(())")


# ---- networks of frames ---------------------------------------------------------------------------------------------------------


def test_the_mean_frame_knows_no_order_and_others_do():
    xs = frames(steps=STEPS).at[0].mul(3)
    for name, blind in [("MeanFrameCNN", True), ("StackCNN", False), ("CNNGRU", False), ("CNN3D", False)]:
        model = make(NAMED[name])
        model.eval()
        there, back = (model(x)[1] for x in (xs, xs[::-1]))
        assert bool(jnp.abs(there - back).max() < 1e-5) == blind, name


def test_a_stack_has_the_frames_side_by_side():
    """Frame after frame, as channels: a kernel that reads one of them gives what it gives for this one alone."""
    model, alone = make("StackCNN(4, (5,))"), make("StackCNN(1, (5,))")
    one = alone.body.layers[0].kernel[...]
    model.body.layers[0].kernel[...] = jnp.concatenate([jnp.zeros_like(one)] * 2 + [one, jnp.zeros_like(one)], 2)
    model.head.kernel[...] = alone.head.kernel[...]
    model.eval(), alone.eval()
    np.testing.assert_allclose(model(frames())[1], alone(frames()[2:3])[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "steps", "state", "message"),
    [
        ("StackCNN(4, (4,))", 5, None, "clips of 4 steps, whole; got 5 steps"),
        ("StackCNN(4, (4,))", 4, (), "clips of 4 steps, whole; got a part"),
        ("CNN3D((4,))", 4, (), "feed it whole, or take CNNGRU"),
    ],
)
def test_what_sees_a_clip_whole_says_so(text, steps, state, message):
    with pytest.raises(ValueError, match=message):
        make(text)(frames(steps=steps), state)


def test_neighbours_make_a_convolution_over_time():
    xs, kernel = frames(), jax.random.normal(jax.random.key(2), (3, 5, 3, 3, 2))
    _, near = Neighbours()(xs)
    flat = jnp.moveaxis(kernel, 0, 2).reshape(5, 3, 9, 2)
    numbers = ("NHWC", "HWIO", "NHWC")
    ours = jax.lax.conv_general_dilated(near.reshape(-1, *near.shape[2:]), flat, (1, 1), "SAME", dimension_numbers=numbers)
    numbers = ("NDHWC", "DHWIO", "NDHWC")
    theirs = jax.lax.conv_general_dilated(jnp.moveaxis(xs, 0, 1), kernel, (1, 1, 1), "SAME", dimension_numbers=numbers)
    np.testing.assert_allclose(ours.reshape(*xs.shape[:-1], 2), jnp.moveaxis(theirs, 1, 0), rtol=1e-5, atol=1e-5)


def test_the_gru_is_that_of_flax():
    ours, theirs = GRU(5, 6, rngs=nnx.Rngs(0)), nnx.GRUCell(5, 6, rngs=nnx.Rngs(1))
    theirs.dense_i.kernel[...], theirs.dense_h.kernel[...] = ours.heard.kernel[...], ours.fed_back.kernel[...]
    theirs.dense_i.bias[...] = ours.heard.bias[...] = jnp.linspace(-1, 1, 18)
    xs = jax.random.normal(jax.random.key(0), (7, 2, 5))
    h, outs = jnp.zeros((2, 6)), []
    for x in xs:
        h, out = theirs(h, x)
        outs.append(out)
    state, got = ours(xs)
    np.testing.assert_allclose(got, jnp.stack(outs), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(state, got[-1])


# ---- of equal size, and by name -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["MeanFrameCNN", "StackCNN(8)", "CNNGRU(units=32)", "CNN3D"])
def test_baselines_have_as_many_parameters(text):
    shape = (32, 32, 2)
    wanted = parameters(lambda: make("SpikingCNN", shape))
    assert abs(parameters(lambda: make(f"matched({text}, SpikingCNN)", shape)) / wanted - 1) <= 0.02


def test_what_cannot_be_matched_says_how_near_it_comes():
    with pytest.raises(ValueError, match=r"no width has 10 parameters up to 2%, channels=\(1,\) \d+; change options"):
        make("matched(StackCNN(4, (4,)), 10)")
    with pytest.raises(ValueError, match="Fused has no option channels"):
        make("matched(Fused(SpikingCNN, SpikingCNN), 1000)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("StackCN(4)", "did you mean StackCNN"),
        ("StackCNN(stpes=4)", "no option 'stpes'; did you mean steps"),
        ("CNN3D(1, 2)", "2 options are more than there are: channels"),
        ("CNN3D((4,), channels=(4,))", "'channels' is given twice"),
        ("CNN3D(dtype=3)", "no option 'dtype'"),
        ("Middle", "is no network"),
        ("add", "is no network"),
        ("SEWResNet(connect=nand)", "did you mean iand|did you mean and_"),
    ],
)
def test_mistakes_in_a_description_are_one_line(text, message):
    with pytest.raises(UserError, match=message) as raised:
        classifier(text)
    assert "\n" not in str(raised.value)


def test_options_that_lack_are_named():
    with pytest.raises(ValueError, match=r"StackCNN has no steps; write StackCNN\(steps=\.\.\.\)"):
        make("StackCNN")
    with pytest.raises(ValueError, match="Fused has no events and no rgb"):
        make("Fused")


def test_a_file_may_bring_parts_of_its_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def never(out, x):\n    return 0 * out\n")
    model = classifier(f"{file}:SEWResNet((4,), connect=never)").make((8, 8, 2), 3, LIF(), rngs=nnx.Rngs(0))
    assert model.layers[1].connect(1, 1) == 0


# ---- transfer -------------------------------------------------------------------------------------------------------------------


def variables(network) -> dict[str, np.ndarray]:
    return {path: np.asarray(leaf[...]) for path, leaf in runs.variables(network).items()}


def test_a_trunk_goes_under_another_head():
    trained, other = make("SpikingCNN((4, 4))"), classifier("SpikingCNN((4, 4))").make(SHAPE, 5, LIF(), ("tau",), rngs=nnx.Rngs(1))
    trained.body.layers[1].mean[...] = jnp.arange(4.0)
    trained.body.layers[2].learned["tau"][...] = jnp.log(7.0)
    head = other.head.kernel[...]
    for weights in (trained, {f"{name}.value": np.asarray(value) for name, value in variables(trained).items()}):
        load_trunk(other, weights)
        xs = frames()
        for a, b in zip(trained.body.outputs(xs)[1], other.body.outputs(xs)[1], strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(other.head.kernel[...], head)
        other = classifier("SpikingCNN((4, 4))").make(SHAPE, 5, LIF(), ("tau",), rngs=nnx.Rngs(1))


def test_trunks_that_differ_are_named_and_nothing_is_copied():
    other = make("SpikingCNN((4, 4))")
    before = variables(other)
    with pytest.raises(ValueError, match=r"body\.layers\.0\.kernel is \[5, 5, 3, 4\] here, \[5, 5, 2, 4\] there; make both"):
        load_trunk(other, make("SpikingCNN((4, 4))", (9, 8, 2)))
    with pytest.raises(ValueError, match=r"body\.layers\.3\.kernel is \[3, 3, 4, 4\] here, missing there"):
        load_trunk(other, make("SpikingCNN((4,))"))
    with pytest.raises(ValueError, match=r"body\.layers\.3\.kernel is missing here, \[3, 3, 4, 4\] there"):
        load_trunk(make("SpikingCNN((4,))"), other)
    for name, value in variables(other).items():
        np.testing.assert_array_equal(value, before[name])


def test_the_head_trains_and_the_frozen_trunk_stays():
    """Under weight decay, in training mode; without `still` the running statistics of its norms would move."""
    for freeze, moving in ((still, set()), (lambda network: network, {"mean", "var"})):
        model = freeze(make("Fused(SpikingCNN((4,)), MeanFrameCNN((4,)), Weighted)"))
        model.train()
        before = variables(model)
        graph, params, stats = nnx.split(model, nnx.Param, ...)
        optimizer = frozen_trunk(optax.adamw(1e-2, weight_decay=0.1))

        @jax.jit
        def step(params, stats, state, graph=graph, optimizer=optimizer):
            def loss(params):
                view = nnx.merge(graph, params, stats, copy=True)
                return cross_entropy(view(frames())[1], jnp.array([0, 2])).mean(), nnx.state(view, nnx.Not(nnx.Param))

            slopes, stats = jax.grad(loss, has_aux=True)(params)
            updates, state = optimizer.update(slopes, state, params)
            return optax.apply_updates(params, updates), stats, state

        params, stats, state = step(params, stats, optimizer.init(params))
        after = variables(nnx.merge(graph, params, stats))
        assert before.keys() == after.keys()
        moved = {name for name, value in before.items() if (value != after[name]).any()}
        assert moved == {name for name in before if name.startswith("join.") or name.split(".")[-1] in moving}
        moments = sum(leaf.size for leaf in jax.tree.leaves(state))
        assert moments < 3 * sum(value.size for name, value in before.items() if name.startswith("join."))


def test_a_network_without_a_head_is_not_frozen_whole():
    with pytest.raises(ValueError, match="no head or join"):
        frozen_trunk(optax.sgd(0.1)).init({"body": jnp.ones(3)})
