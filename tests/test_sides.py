"""Left and right in names and labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxsnn.events import Label
from mxsnn.events.sides import mirrored, other, symmetric, upside_down

PAIRS = [
    ("left", "right"),
    ("wink left", "wink right"),
    ("turn_left", "turn_right"),
    ("LeftWink", "RightWink"),
    ("winkLeft2", "winkRight2"),
    ("LEFT-WINK", "RIGHT-WINK"),
    ("left to right", "right to left"),
    ("L12", "R12"),
    ("AU12L", "AU12R"),
    ("LAU12", "RAU12"),
    ("AUL12C", "AUR12C"),
    ("12BL", "12BR"),
    ("AU51", "AU52"),
    ("AU55B", "AU56B"),
    ("AU61+AU12", "AU62+AU12"),
    ("L6+R12", "R6+L12"),
    ("wink_L", "wink_R"),
    ("wink (L)", "wink (R)"),
    ("eye_l", "eye_r"),
    ("au12l", "au12r"),
    ("AU12_L", "AU12_R"),
    ("Right arm cw", "Left arm ccw"),
    ("arm roll clockwise", "arm roll counterclockwise"),
]


@pytest.mark.parametrize(("one", "another"), PAIRS)
def test_a_mirror_exchanges_left_and_right(one: str, another: str) -> None:
    assert mirrored(one) == another
    assert mirrored(another) == one


@pytest.mark.parametrize(
    "name",
    [
        "smile",
        "upright",
        "Brightness",
        "copyRIGHTed",
        "leftover",
        "5",
        "51",
        "AU12",
        "B12",
        "AU6+AU12",
        "up",
        "",
        "LR12",
        "L1R",
        "RL",
    ],
)
def test_what_has_no_side_stays(name: str) -> None:
    assert mirrored(name) == name


@given(st.text("leftrighLRAU+0125 _", max_size=20))
def test_two_mirrors_are_none(name: str) -> None:
    assert mirrored(mirrored(name)) == name


def test_up_and_down() -> None:
    assert [upside_down(name) for name in ("up", "brow_down", "upper lip", "left")] == ["down", "brow_up", "upper lip", "left"]


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("smile", "smile", "smile"),
        ("wink left", "wink both", ""),
        ("RightWink", "", "BothWink"),
        ("L12", "12", ""),
        ("AU12R", "", "AU12"),
        ("B12", "B12", "B12"),
        ("AU6+AUR12", "AU6", "AU6+AU12"),
        ("AU51", "", ""),
        ("left to right", "", ""),
    ],
)
def test_half_a_face_twice(name: str, left: str, right: str) -> None:
    assert (symmetric(name, "left"), symmetric(name, "right")) == (left, right)
    assert symmetric(mirrored(name), "right") == mirrored(left)  # the mirror image of all that


def test_labels() -> None:
    label = Label("AU12", "au", onset=5, apex=7, intensity=0.4, side="left")
    assert label.mirrored() == Label("AU12", "au", onset=5, apex=7, intensity=0.4, side="right")
    assert label.mirrored().mirrored() == label
    assert label.symmetric("left") == Label("AU12", "au", onset=5, apex=7, intensity=0.4, side="both")
    assert label.symmetric("right") is None
    assert Label("head left", "movement").mirrored().name == "head right"
    assert Label("AU51", "au").symmetric("left") is None
    both = Label("joy", "emotion")
    assert both.mirrored() == both.symmetric("left") == both.symmetric("right") == both
    assert [other(side) for side in ("left", "right", "both")] == ["right", "left", "both"]
