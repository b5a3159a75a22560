"""Rules from movements to emotions: the tables as published, what they cannot express, and files of a user's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.data.datasets.beyond_the_smile import UNITS
from mxsnn.data.datasets.facs import parse_aus
from mxsnn.data.emotions import (
    BEYOND_THE_SMILE,
    RULES,
    Rules,
    geometric_mean,
    minimum,
    product,
    read_rules,
    rules_named,
)
from mxsnn.errors import UserError

SEVEN = tuple(UNITS)
SIX = {"Joy", "Fear", "Sadness", "Disgust", "Anger", "Surprise"}


def shown(*movements: str) -> np.ndarray:
    return np.array([[float(name in movements) for name in SEVEN]])


def test_the_seven_movements_express_five_emotions_and_say_which_not():
    found = BEYOND_THE_SMILE.scores(shown("Open Mouth", "Smile"), SEVEN)
    assert found.missing == {"Disgust": ("Inverted Smile",)}
    assert set(found.emotions) == SIX - {"Disgust"}
    assert dict(zip(found.emotions, found.values[0], strict=True)) == {"Joy": 1, "Fear": 0, "Sadness": 0, "Anger": 0, "Surprise": 0}


@pytest.mark.parametrize("name", RULES)
def test_who_shows_all_of_an_emotion_shows_it_most(name):
    rules = RULES[name]
    assert set(rules.combinations) == SIX and rules.source
    names = rules.movements()
    for emotion, many in rules.combinations.items():
        for combination in many:
            found = rules.scores(np.array([[float(m in combination) for m in names]]), names)
            assert found.missing == {}
            assert found.values[0, found.emotions.index(emotion)] == 1
            rivals = {found.emotions[k] for k in np.flatnonzero(found.values[0] == 1)}
            within = {e for e, some in rules.combinations.items() if any(set(c) <= set(combination) for c in some)}
            assert rivals == within


def test_tables_are_those_of_their_sources():
    """As the sources write them; letters of intensity left out."""
    facs = {"Joy": "6+12+25", "Sadness": "1+4+15", "Disgust": "10+17+4", "Anger": "4+5+7+24", "Surprise": "1+2+5+26"}
    emfacs = {"Joy": "6+12", "Sadness": "1+4+15", "Surprise": "1+2+5B+26", "Fear": "1+2+4+5+7+20+26", "Anger": "4+5+7+23"}
    for name, table in (("facs", facs | {"Fear": "1+2+4+5+20+25"}), ("emfacs", emfacs | {"Disgust": "9+15+16"})):
        want = {emotion: (tuple(unit.name for unit in parse_aus(text)),) for emotion, text in table.items()}
        assert RULES[name].combinations == want
    units = RULES["beyond-the-smile-units"].combinations
    assert units["Joy"] == (("AU25", "AU26", "AU12"),)
    assert units["Disgust"] == (("AU15", "AU9", "AU4"),)


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=4))
def test_conjunctions_are_fuzzy_ands(rows):
    c = np.array(rows)
    np.testing.assert_allclose(product(c), [a * b * d for a, b, d in rows])
    np.testing.assert_allclose(minimum(c), [min(row) for row in rows])
    assert (product(c) <= minimum(c) + 1e-12).all() and (minimum(c) <= geometric_mean(c) + 1e-9).all()
    for conjunction in (product, minimum, geometric_mean):
        assert conjunction(np.ones((1, 4))) == 1 and conjunction(np.array([[1.0, 0.0]])) == 0
        np.testing.assert_allclose(conjunction(c[:, :1]), c[:, 0])
        higher = conjunction(np.minimum(c + 0.1, 1))
        assert (higher >= conjunction(c) - 1e-12).all()
    np.testing.assert_allclose(geometric_mean(np.full((1, 5), 0.3)), 0.3)  # however many movements


def test_any_combination_is_enough_and_those_without_a_class_do_not_count():
    rules = Rules({"Surprise": (("AU5", "AU26"), ("AU5", "AU27"), ("AU5", "AU99"))}, "test")
    confidences = np.array([[0.9, 0.1, 0.8], [0.9, 0.7, 0.2]])
    found = rules.scores(confidences, ("AU5", "AU26", "AU27"), minimum)
    np.testing.assert_allclose(found.values, [[0.8], [0.7]])
    assert rules.missing(("AU5", "AU27")) == {}
    assert rules.missing(("AU27",)) == {"Surprise": ("AU5",)}  # of the nearest
    with pytest.raises(UserError, match="no emotion can be told from AU26; the rules want AU5, AU26, AU27, AU99"):
        rules.scores(confidences[:, :1], ("AU26",))


def test_what_is_no_confidence():
    with pytest.raises(UserError, match="take their sigmoid first"):
        BEYOND_THE_SMILE.scores(3 * shown("Smile"), SEVEN)
    with pytest.raises(UserError, match="take their sigmoid first"):
        BEYOND_THE_SMILE.scores(np.nan * shown("Smile"), SEVEN)
    with pytest.raises(UserError, match=r"confidences are \[N, 7\], one for each name; got \(1, 6\)"):
        BEYOND_THE_SMILE.scores(shown()[:, :6], SEVEN)


def test_rules_of_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('source = "our coders"\n[emotions]\nJoy = ["AU6", "AU12"]\nSurprise = [["AU5", "AU26"], ["AU5", "AU27"]]\n')
    rules = rules_named(path)
    assert rules == Rules({"Joy": (("AU6", "AU12"),), "Surprise": (("AU5", "AU26"), ("AU5", "AU27"))}, "our coders")
    assert rules_named("emfacs") is RULES["emfacs"]
    with pytest.raises(UserError, match="'emfax' are no rules; did you mean emfacs"):
        rules_named("emfax")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[emotions\n", "cannot be read"),
        ('[emotions]\nJoy = ["AU6"]\n', "source"),
        ('source = "x"\n', r"\[emotions\]"),
        ('source = "x"\n[emotions]\nJoy = []\n', "Joy: a combination is a list"),
        ('source = "x"\n[emotions]\nJoy = "AU6"\n', "Joy: a combination is a list"),
        ('source = "x"\n[emotions]\nJoy = [6, 12]\n', r"got \[6, 12\]"),
        ('source = "x"\n[emotions]\nJoy = [["AU6"], "AU12"]\n', "Joy: a combination is a list"),
        ('source = "x"\n[emotions]\nJoy = ["AU6", "AU6"]\n', "different names"),
    ],
)
def test_files_that_are_no_rules(tmp_path, text, why):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=why):
        read_rules(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_rules(tmp_path / "none.toml")
