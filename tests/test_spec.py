"""Objects from text: only what is named can be made."""

from __future__ import annotations

import pytest

from mxsnn import neurons, reset, surrogate
from mxsnn.errors import UserError
from mxsnn.spec import build, mistyped

NAMES = neurons.NEURONS | {"to_value": reset.to_value, "subtract": reset.subtract, "atan": surrogate.atan}
NAMES |= {"spyx.tanh": surrogate.spyx.tanh}


def test_calls_names_and_literals():
    text = "LIF(tau=5, v_rest=-0.5, reset=to_value(-0.5), fire=atan(3.0))"
    assert build(text, NAMES) == neurons.LIF(tau=5, v_rest=-0.5, reset=reset.to_value(-0.5), fire=surrogate.atan(3.0))
    assert build("LIF(fire=spyx.tanh(2))", NAMES).fire == surrogate.spyx.tanh(2)
    assert build("ALIF(tau_threshold=inf)", NAMES).tau_threshold == float("inf")
    assert build(" subtract ", NAMES) is reset.subtract
    assert build("(atan(3.0), subtract, 2)", NAMES) == (surrogate.atan(3.0), reset.subtract, 2)
    assert build("[subtract, [1]]", NAMES) == [reset.subtract, [1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LIFF(tau=5)", "did you mean LIF?"),
        ("LIF(fire=spyx.tann())", "did you mean spyx.tanh?"),
        ("LIF(tua=5)", "LIF(tua=5): "),
        ("LIF(tau=-5)", "must be positive"),
        ("LIF(tau=", "write it like Name(option=value)"),
        ("LIF(**{'tau': 5})", "name each option"),
        ("(lambda: 1)()", "only names, calls and literals"),
        ("LIF.__class__", "only names, calls and literals"),
        ("(1, LIFF)", "did you mean LIF?"),
        ("LIF(tau=1+x)", "only names, calls and literals"),
        ("(" * 3000, "cannot read"),
        ("", "cannot read"),
    ],
)
def test_mistakes_are_one_line(text, message):
    with pytest.raises(UserError) as raised:
        build(text, NAMES)
    assert message in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "annotation", "problem"),
    [
        ("a", "str | None", ""),
        (None, "str | None", ""),
        (5, "str | None", "is text, got 5"),
        (5, "float", ""),
        ("x", "float | None", "is a number, got 'x'"),
        (0.5, "int", "is a whole number, got 0.5"),
        (3, "Codec | str", "is text, got 3"),
        (dict, "Codec | str", ""),
        (3, "Sequence[int] | None", ""),
    ],
)
def test_values_are_held_against_annotations(value: object, annotation: str, problem: str) -> None:
    assert mistyped(value, annotation) == problem
