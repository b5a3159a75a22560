"""What a trained network says of a recording as time passes: as a pass over all of it, window by window, from the command line."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

from mxsnn.cli import main
from mxsnn.errors import UserError
from mxsnn.events import Events, Recording, write
from mxsnn.events.tonic import compose
from mxsnn.models.trained import ABOUT, WEIGHTS, About, load, save, variables
from mxsnn.prediction import predict
from tests.test_modality import SIZE, Scene

EVENTS, FILM = ("TimeFrames(bins=6, start=0, stop=30000)",), ("Held(bins=6, start=0, stop=30000)", "Difference()")
ABOUT_EVENTS = About(
    model="SpikingCNN(channels=(3,))",
    neuron="LIF(tau=10)",
    learn=("tau",),
    dt=5.0,
    shape=(4, 6, 2),
    classes=("rest", "smile", "frown"),
    bf16=False,
    encoding=EVENTS,
    film=(),
    camera=None,
    sensor_size=SIZE,
    film_size=None,
)
ABOUT_FILM = replace(ABOUT_EVENTS, shape=(4, 6, 3), encoding=(), film=FILM, sensor_size=None, film_size=SIZE)
ABOUT_BOTH = replace(ABOUT_EVENTS, shape=(4, 6, 5), film=FILM, film_size=SIZE)


def network(about: About):
    """With weights and statistics that are not those of a new one, so that it fires."""
    made = about.network(7)
    made.body.layers[1].bias[...] = np.linspace(0.2, 0.8, 3)
    made.body.layers[1].mean[...] = np.linspace(-0.1, 0.1, 3)
    made.eval()
    return made


def dense(seed: int = 0, start: int = 0, length: int = 90_000) -> Events:
    rng = np.random.default_rng(seed)
    n = 3000
    t = np.sort(rng.integers(start, start + length, n))
    return Events.make(t, rng.integers(0, 6, n), rng.integers(0, 4, n), rng.integers(0, 2, n), SIZE)


@pytest.mark.parametrize("about", [ABOUT_EVENTS, ABOUT_FILM, ABOUT_BOTH], ids=["events", "film", "both"])
def test_what_is_saved_is_what_was_there(tmp_path, about):
    made = network(about)
    save(tmp_path, about, made)
    found, told = load(tmp_path)
    assert told == about
    xs = jax.random.normal(jax.random.key(0), (6, 2, *about.shape))
    jax.tree.map(np.testing.assert_array_equal, found(xs), made(xs))
    assert np.asarray(made.trace(xs)[2]["layer 1"]).mean() > 0.01


@pytest.mark.parametrize("every", [1, 2, 6, None])
def test_parts_together_are_one_pass(every):
    """Three windows of six steps in parts, the state carried on, against eighteen steps at once."""
    made, events = network(ABOUT_EVENTS), dense()
    said = list(predict(made, ABOUT_EVENTS, Recording(events), every))
    frames = compose(("TimeFrames(bins=18, start=0, stop=90000)",), SIZE)(events)
    _, whole = made(frames[:, None].astype(np.float32))
    assert len(said) == 18 // (every or 6) and said[0].start == 0 and said[-1].stop == 90_000
    assert all(a.stop == b.start for a, b in itertools.pairwise(said))
    np.testing.assert_allclose(np.mean([one.logits for one in said], 0), whole[0], rtol=1e-5, atol=1e-6)
    assert np.ptp([one.logits for one in said], axis=0).max() > 1e-3  # parts differ, or the mean would say nothing
    assert all(one.seconds > 0 for one in said)


@pytest.mark.parametrize("about", [ABOUT_FILM, ABOUT_BOTH], ids=["film", "both"])
def test_of_a_camera_too(about):
    scene, made = Scene()(3), network(about)
    said = list(predict(made, about, scene))
    held = compose(FILM, SIZE)(scene.frames["rgb"]).astype(np.float32)
    parts = [compose(EVENTS, SIZE)(scene.events.window(0, 30_000)).astype(np.float32)] if about is ABOUT_BOTH else []  # pyrefly: ignore
    _, first = made(np.concatenate([*parts, held], -1)[:, None])
    np.testing.assert_allclose(said[0].logits, first[0], rtol=1e-5, atol=1e-6)
    assert len(said) == 4


def test_windows_begin_where_training_had_them_or_where_the_recording_does():
    made = network(ABOUT_EVENTS)

    def starts(events, **given):
        return [one.start for one in predict(made, ABOUT_EVENTS, Recording(events), **given)]

    assert starts(dense(start=5_000)) == [0, 30_000, 60_000, 90_000]
    late = dense(start=10**12)
    first = int(late.t[0])
    assert starts(late) == [first, first + 30_000, first + 60_000]
    assert starts(dense(), start=70_000) == [70_000]
    early = dense()
    moved = Events(early.t + 10**12, early.x, early.y, early.p, SIZE)
    a, b = (list(predict(made, ABOUT_EVENTS, Recording(one), start=begin)) for one, begin in ((early, 0), (moved, 10**12)))
    np.testing.assert_array_equal([one.logits for one in a], [one.logits for one in b])


NO_STATE = """
from flax import nnx
from mxsnn import nn

class Sum(nn.Temporal):
    def __init__(self, shape, classes, *, dtype, rngs):
        self.head = nnx.Linear(shape[-1], classes, rngs=rngs)

    def __call__(self, xs, state=None):
        return None, self.head(xs.sum((0, 2, 3)))
"""


def test_a_network_without_state_sees_whole_windows(tmp_path):
    (tmp_path / "mine.py").write_text(NO_STATE)
    about = replace(ABOUT_EVENTS, model=f"{tmp_path / 'mine.py'}:Sum", learn=())
    made, events = about.network(), dense()
    said = list(predict(made, about, Recording(events)))
    for k, one in enumerate(said):
        frames = compose((f"TimeFrames(bins=6, start={30_000 * k}, stop={30_000 * (k + 1)})",), SIZE)(events)
        np.testing.assert_allclose(one.logits, made(frames[:, None].astype(np.float32))[1][0], rtol=1e-5)
    with pytest.raises(UserError, match="keeps no state and sees whole windows of 6 steps"):
        next(predict(made, about, Recording(events), every=2))


@pytest.mark.parametrize(
    ("about", "recording", "given", "message"),
    [
        (ABOUT_EVENTS, Recording(dense()), {"every": 4}, "a part is some of the 6 steps of a window"),
        (ABOUT_EVENTS, Recording(dense()), {"every": 0}, "a part is some of the 6 steps"),
        (ABOUT_EVENTS, Recording(dense()), {"start": 10**6}, "before the first window, which begins at 1000000 us"),
        (ABOUT_EVENTS, Recording(None), {}, "the recording holds no events"),
        (ABOUT_EVENTS, Recording(Events.empty(SIZE)), {}, "the recording holds no events"),
        (ABOUT_FILM, Recording(dense()), {}, "holds no frames of a camera"),
        (replace(ABOUT_EVENTS, encoding=("CountFrames(frames=6)",)), Recording(dense()), {}, "has no window of time"),
        (replace(ABOUT_BOTH, film=("Held(bins=6, start=0, stop=60000)",)), Scene()(0), {}, "windows of one start and length"),
        (replace(ABOUT_EVENTS, sensor_size=None), Recording(dense()), {}, "trained on ready frames"),
    ],
)
def test_what_cannot_be_asked_is_refused(about, recording, given, message):
    with pytest.raises(UserError, match=message):
        next(predict(network(about), about, recording, **given))


def test_the_command(tmp_path, capsys):
    run, file, figure = tmp_path / "run", tmp_path / "scene.mxr", tmp_path / "said.png"
    run.mkdir()
    save(run, ABOUT_EVENTS, network(ABOUT_EVENTS))
    write(file, Recording(dense()))
    assert main(["predict", str(run), str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    said = list(predict(network(ABOUT_EVENTS), ABOUT_EVENTS, Recording(dense())))
    assert [part["start_us"] for part in found["parts"]] == [0, 30_000, 60_000]
    for part, one in zip(found["parts"], said, strict=True):
        np.testing.assert_allclose(list(part["logits"].values()), one.logits, rtol=1e-6)
        assert part["named"] == ABOUT_EVENTS.classes[int(one.logits.argmax())] and 1 / 3 <= part["probability"] <= 1
    assert main(["predict", str(run), str(file), "--every", "2", "--figure", str(figure)]) == 0
    out = capsys.readouterr().out
    assert "0.080 to 0.090 s" in out and "all of it" in out and "ms a part" in out and figure.stat().st_size > 1000


def damaged_weights(run):
    (run / WEIGHTS).write_bytes((run / WEIGHTS).read_bytes()[:-30])


def other_weights(run):
    about = replace(ABOUT_EVENTS, model="SpikingCNN(channels=(4,))")
    told = (run / ABOUT).read_text()
    save(run, about, about.network())
    (run / ABOUT).write_text(told)


def folds(run):
    (run / "fold-0").mkdir()
    (run / ABOUT).rename(run / "fold-0" / ABOUT)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda run: (run / ABOUT).unlink(), "holds no trained network; give the folder of a finished training"),
        (folds, "holds no trained network; it holds fold-0: give one of them"),
        (lambda run: (run / ABOUT).write_text("{"), "damaged"),
        (lambda run: (run / ABOUT).write_text("{}"), "damaged: 'model'"),
        (lambda run: (run / WEIGHTS).unlink(), "cannot be read"),
        (damaged_weights, "cannot be read"),
        (other_weights, "the weights are of another network than SpikingCNN(channels=(3,)): "),
        (lambda run: (run / ABOUT).write_text((run / ABOUT).read_text().replace("LIF(", "LIFF(")), "did you mean LIF?"),
        (lambda run: (run / ABOUT).write_text((run / ABOUT).read_text().replace("(3,)", "(3, 3, 3)")), "pixels are too few"),
    ],
)
def test_damage_is_one_line(harm, message, tmp_path, capsys):
    run, file = tmp_path / "run", tmp_path / "scene.mxr"
    run.mkdir()
    save(run, ABOUT_EVENTS, network(ABOUT_EVENTS))
    write(file, Recording(dense()))
    harm(run)
    assert main(["predict", str(run), str(file)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_mistakes_on_the_command_line_are_one_line(tmp_path, capsys):
    for arguments, message in [
        ([str(tmp_path / "nothing"), "x.mxr"], "no such folder"),
        ([str(tmp_path), "x.mxr", "--figure", "x.jpg"], "a figure is a .png file"),
        ([str(tmp_path)], "RECORDING"),
    ]:
        assert main(["predict", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_variables_are_found_whatever_the_network():
    """A network of the user's own without state or statistics is saved as well."""
    assert set(variables(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))) == {"kernel", "bias"}
