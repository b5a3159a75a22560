"""Performances: drawn from seeds alone, with the kinematics that docs/faces.md names, true labels and an exact reversal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn.errors import UserError
from mxsnn.faces import INDEX, UNITS
from mxsnn.faces.motion import (
    BACKGROUND,
    CLASSES,
    DURATION,
    FASTEST,
    INTENSITY,
    LEAD,
    MARGIN,
    MIDLINE,
    MOVEMENTS,
    NEUTRAL,
    TOTAL,
    Purpose,
    Saccades,
    confused,
    controls,
    generator,
    labels,
    minimum_jerk,
    movement_named,
    performance,
    reversal,
)

TIMES = np.arange(0, DURATION + 1, 5000)
LISTED = {unit for units in MOVEMENTS.values() for unit in units} | {27}

drawn = st.builds(
    performance, st.integers(0, 2**32 - 1), st.integers(0, 999), st.integers(0, 999), st.sampled_from(CLASSES), blinks=st.booleans()
)


def same(one, other) -> bool:
    return labels(one) == labels(other) and equal(controls(one, TIMES), controls(other, TIMES))


def equal(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def unit(one, name: str, times) -> np.ndarray:
    """The intensity of an Action Unit, the mean of both sides."""
    return np.asarray(controls(one, np.asarray(times)).au)[:, INDEX[int(name[2:])]].mean(1)


def test_a_performance_depends_on_its_seeds_alone() -> None:
    first = performance(3, 4, 5, "Smile")
    performance(0, 0, 0, "Frown")
    assert same(first, performance(3, 4, 5, "smile"))
    for other in ((4, 4, 5), (3, 5, 5), (3, 4, 6)):
        assert not same(first, performance(*other, "Smile"))


@settings(max_examples=25)
@given(drawn)
def test_labels_are_the_times_and_intensities_of_what_moves(one) -> None:
    """Each label is 0 at onset and offset, and at its apex what it says, but where another pulse of the unit is stronger."""
    told = labels(one)
    starts = [label.onset or 0 for label in told]
    assert starts == sorted(starts)
    several = [label.name for label in told]
    for label in told:
        if label.kind != "au" or several.count(label.name) > 1:
            continue
        own = [label.onset, label.onset + 1000, label.apex - 1000, label.apex, label.offset - 3000, label.offset]
        times = np.unique([*TIMES, *own])
        value = unit(one, label.name, times)
        assert (value[times <= label.onset] == 0).all() and (value[times >= label.offset] < 1e-12).all()
        assert (value[(times > label.onset + 999) & (times < label.offset - 2999)] > 0).all()
        assert value[times == label.apex].item() == pytest.approx(value.max()) == pytest.approx(label.intensity)
        early = times < label.apex - 0.2 * (label.apex - label.onset)
        assert value[early].max() < value[times == label.apex]
    moving = {UNITS[k].number for k in np.flatnonzero(controls(one, np.arange(0, DURATION, 1000)).au.any((0, 2)))}
    assert {int(label.name[2:]) for label in told if label.kind == "au"} == moving


@settings(max_examples=25)
@given(drawn)
def test_the_movement_is_marked_by_its_target(one) -> None:
    (main,) = (label for label in labels(one) if label.kind == "movement")
    assert main.name == one.movement
    if one.movement == NEUTRAL:
        assert (main.onset, main.apex, main.offset, main.intensity) == (None,) * 4
        return
    unit = next(iter(MOVEMENTS[one.movement]))
    assert one.target[0].unit == unit
    assert MARGIN <= main.onset < main.apex < main.offset <= DURATION - MARGIN
    if one.movement == "Blink Eyes":
        assert 150_000 < main.offset - main.onset < 450_000 and 0.45 < main.intensity <= 1
    else:
        assert TOTAL[0] - 2 <= main.offset - main.onset <= TOTAL[1] + 2
        assert 0.95 * INTENSITY[0] <= main.intensity <= 1.05 * INTENSITY[1]
    assert main.apex - main.onset <= main.offset - main.apex + 2  # fast onset, slow offset


def test_nothing_moves_faster_than_a_lid_in_a_blink() -> None:
    """The briefest are weak rather than fast, and still as strong as level A."""
    shown = [performance(5, s, c, movement) for s in range(40) for c in range(5) for movement in ("Smile", "Frown")]
    pulses = [pulse for one in shown for pulse in (*one.target, *one.others)]
    for pulse in pulses:
        for span in (pulse.apex - pulse.onset, pulse.offset - pulse.release):
            assert span + 2 >= 0.98 * FASTEST * pulse.intensity
    brief = [one.target[0] for one in shown if one.target[0].offset - one.target[0].onset < 60_000]
    assert len(brief) > 30 and 0.19 < min(pulse.intensity for pulse in brief) < max(pulse.intensity for pulse in brief) < 0.5
    assert max(one.target[0].intensity for one in shown) > 0.65


@settings(max_examples=25)
@given(drawn)
def test_sides_lean_and_the_middle_does_not(one) -> None:
    for pulse in (*one.target, *one.others):
        assert 0 < pulse.left <= 1 and 0 < pulse.right <= 1
        assert abs(pulse.left - pulse.right) <= 0.37 * (pulse.left + pulse.right) / 2
        assert pulse.unit not in (17, 25, 26, 27) or pulse.left == pulse.right


def test_nothing_of_the_class_list_beside_the_target_unless_blinks_are_asked_for() -> None:
    clips = [(0, s, c, movement) for s in range(6) for c in range(4) for movement in CLASSES]
    assert not any(confused(performance(*clip)) for clip in clips)
    assert all({a.unit for a in performance(*clip).others} <= set(BACKGROUND) - LISTED for clip in clips)
    neutral = [performance(0, s, c, NEUTRAL, blinks=True) for s in range(100) for c in range(10)]
    share = np.mean([confused(one) for one in neutral])
    assert 0.1 < share < 0.24  # 14.5 a minute, those that lie wholly within the second


def test_blinks_change_nothing_else() -> None:
    for clip in range(20):
        plain, blinking = (performance(1, 2, clip, "Frown", blinks=on) for on in (False, True))
        rest = tuple(pulse for pulse in blinking.others if pulse.unit != 45)
        assert plain.target == blinking.target and plain.others == rest
        assert np.array_equal(controls(plain, TIMES).gaze, controls(blinking, TIMES).gaze)


def test_movements_share_head_eyes_and_background() -> None:
    """What is not the movement tells nothing of it."""
    first, *others = (performance(1, 2, 3, movement) for movement in CLASSES)
    for other in others:
        assert first.others == other.others
        assert equal(controls(first, TIMES)[1:], controls(other, TIMES)[1:])


@settings(max_examples=25)
@given(drawn)
def test_a_reversal_is_exact(one) -> None:
    back = reversal(one)
    assert equal(controls(one, TIMES), controls(back, DURATION - TIMES))
    assert same(one, reversal(back))
    for label in labels(back):
        if label.kind == "au" and [other.name for other in labels(back)].count(label.name) == 1:
            value = unit(back, label.name, [label.onset, label.apex, label.offset])
            assert value == pytest.approx([0, label.intensity, 0])


def test_durations_are_even_in_the_logarithm() -> None:
    spans = [one.offset - one.onset for one in (performance(7, s, c, "Frown").target[0] for s in range(20) for c in range(25))]
    rank = (np.log(np.sort(spans)) - np.log(TOTAL[0])) / (np.log(TOTAL[1]) - np.log(TOTAL[0]))
    assert np.abs(rank - np.linspace(0, 1, len(rank))).max() < 1.63 / np.sqrt(len(rank))  # Kolmogorov and Smirnov, 1 %


def test_minimum_jerk_rises_smoothly() -> None:
    u = np.linspace(-0.5, 1.5, 2001)
    value = minimum_jerk(u)
    assert (value[u <= 0] == 0).all() and (value[u >= 1] == 1).all() and (np.diff(value) >= 0).all()
    assert np.gradient(value, u).max() == pytest.approx(1.875, rel=1e-3)  # of the mean speed: Flash and Hogan


def test_saccades_are_on_the_main_sequence_and_arrive() -> None:
    found = [performance(0, s, c, NEUTRAL).saccades for s in range(20) for c in range(10)]
    lasting = np.concatenate([one.duration for one in found])
    size = np.concatenate([np.hypot(*one.step.T) for one in found])
    assert len(size) > 150
    np.testing.assert_allclose(lasting, 21e3 + 2.2e3 * size)
    one = Saccades(np.zeros(2), np.array([1000.0]), np.array([21_000.0]), np.array([[3.0, -1.0]]))
    np.testing.assert_allclose(one(np.array([0, 1000, 11_500, 22_000, 50_000]))[[0, 1, 2, 3, 4]],
                               [[0, 0], [0, 0], [1.5, -0.5], [3, -1], [3, -1]])  # fmt: skip
    assert all((one.start > -LEAD).all() and (one.start + one.duration < DURATION + LEAD).all() for one in found)
    starts = np.concatenate([one.start for one in found])
    rates = np.histogram(starts, np.linspace(-LEAD, DURATION + LEAD, 4))[0]
    assert abs(rates[1] / rates[[0, 2]].mean() - 1) < 0.2  # before and after the clip as in it


def test_the_head_moves_as_much_as_is_said() -> None:
    heads = np.stack([performance(0, s, c, NEUTRAL).head(TIMES) for s in range(25) for c in range(8)])
    deviation = np.sqrt((heads**2).mean((0, 1)))
    expected = np.array([0.3, 0.3, 0.2, 1, 1, 1]) * np.exp(0.3**2)  # the root of the mean square of subjects' vigour
    assert (np.abs(deviation / expected - 1) < 0.25).all()
    speed = np.abs(np.diff(heads[..., 0], axis=1)).mean() * 200
    assert 0.2 < speed < 1.5  # degrees a second


def test_each_clip_has_a_posture_and_drifting_eyes_of_the_size_that_is_said() -> None:
    found = [performance(1, s, c, NEUTRAL) for s in range(25) for c in range(16)]
    posture = np.stack([one.posture for one in found])
    assert (np.abs(posture.std(0) / [3, 3, 2, 5, 5, 10] - 1) < 0.12).all() and np.abs(posture.mean(0)).max() < 1.5
    assert (np.abs(np.rad2deg(controls(found[0], TIMES[:1]).pose[0, :3]) - found[0].posture[:3]) < 2).all()
    drift = np.stack([one.drift(TIMES) for one in found])
    assert np.sqrt((drift**2).mean((0, 1))) == pytest.approx([4 / 60, 4 / 60], rel=0.1)  # degrees


def test_the_background_is_weak_slow_and_of_no_class() -> None:
    shown = [performance(2, s, c, NEUTRAL) for s in range(25) for c in range(16)]
    pulses = [pulse for one in shown for pulse in one.others]
    assert len(pulses) / len(shown) == pytest.approx(1, abs=0.15)
    intensity = np.array([pulse.intensity for pulse in pulses])
    spans = np.array([pulse.offset - pulse.onset for pulse in pulses])
    assert 0.03 <= intensity.min() < 0.04 and 0.14 < intensity.max() <= 0.15
    assert spans.min() >= 300_000 - 2 and spans.max() <= 900_000 + 2
    assert {pulse.unit for pulse in pulses} == set(BACKGROUND) and not set(BACKGROUND) & LISTED


def test_sides_differ_as_much_as_is_said_but_in_the_midline() -> None:
    """Those of FACS that one muscle, or bone, moves in the middle: the chin, the lips' parting, and the jaw's two drops."""
    assert MIDLINE == (17, 25, 26, 27)
    for movement, expected in (("Nose Wrinkle", 0.12), ("Smile", 0.12), ("Frown", 0.12), ("Open Mouth", 0), ("Blink Eyes", 0.03)):
        main = [performance(3, s, c, movement).target[0] for s in range(20) for c in range(10)]
        apart = np.array([(pulse.left - pulse.right) / pulse.intensity for pulse in main if max(pulse.left, pulse.right) < 1])
        assert apart.std() == pytest.approx(expected, rel=0.2)


def test_no_two_draws_share_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy takes (1, 2) and (1, 2, 0) for one seed, so keys are hashed, and begin with what they are for."""
    states, make = [], np.random.default_rng

    def spied(seed):
        states.append(tuple(np.random.SeedSequence(seed).generate_state(4)))
        return make(seed)

    monkeypatch.setattr(np.random, "default_rng", spied)
    for subject in range(8):
        performance(0, subject, 0, "Smile", blinks=True)
    n = len(states)
    assert n == len(set(states)) == 8 * 7
    for purpose in Purpose:
        for numbers in ((0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0)):
            generator(0, purpose, *numbers)
    assert len(set(states[n:])) == len(states) - n == len(Purpose) * 6


def test_the_eyes_hold_their_aim_against_the_head() -> None:
    one = performance(0, 0, 0, NEUTRAL)
    found = controls(one, TIMES)
    aim = np.rad2deg(found.gaze + 0.975 * found.pose[:, :2])  # both to the image's right and down
    np.testing.assert_allclose(aim, one.saccades(TIMES) + one.drift(TIMES), atol=1e-5)


def test_a_head_that_comes_nearer_grows() -> None:
    one = replace(performance(0, 0, 0, NEUTRAL), posture=np.array([0, 0, 0, 0, 0, 40.0]))
    scale = np.exp(controls(one, TIMES).pose[:, 5])
    assert scale == pytest.approx(400 / (360 - one.head(TIMES)[:, 5]), rel=1e-5)


def test_light_is_given_for_all_times_or_for_each() -> None:
    one = performance(0, 0, 0, NEUTRAL)
    assert (controls(one, TIMES, 50).lux == 50).all()
    assert np.array_equal(controls(one, TIMES, TIMES.astype(float)).lux, TIMES.astype(np.float32))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"movement": "xyz"}, "'xyz' is no movement; there are upperlidraiser, smile"),
        ({"movement": "smiles"}, "'smiles' is no movement; did you mean smile"),
        ({"duration": 500_000}, "a clip lasts at least 0.66 s"),
        ({"briefest": 10_000}, "the briefest movement lasts 40 to 500 ms, got 10 ms"),
    ],
)
def test_what_cannot_be_is_refused(arguments, said) -> None:
    with pytest.raises(UserError, match=said.replace("'", ".")):
        performance(0, 0, 0, **{"movement": "Smile", **arguments})


def test_movements_by_any_spelling() -> None:
    assert [movement_named(text) for text in ("upper_lid_raiser", "BLINK eyes", "contract-jaw", "neutral")] == [
        "Upper Lid Raiser",
        "Blink Eyes",
        "Contract Jaw",
        "Neutral",
    ]


def test_all_labels_name_what_a_recording_can_hold() -> None:
    one = performance(0, 0, 0, "Open Mouth")
    assert {label.kind for label in labels(one)} <= {"au", "movement"}
    assert labels(reversal(one))[-1].name != "" and reversal(one).name == "Open Mouth reversed"
