"""Faces: they are faces, their muscles do what FACS says, and light and resolution are kept."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxsnn import faces
from mxsnn.faces.action_units import INDEX, UNITS
from mxsnn.faces.pose import FIELD, roundness, seen, show, turn

SMALL = (96, 128)
#: The units that must be there.
NUMBERS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 27, 31, 45)


def person(seed: int) -> faces.Subject:
    return faces.draw(jax.random.key(seed))


def acting(units: dict[int, float], frames: int = 1, lux: float = 100.0) -> faces.Controls:
    """A frame in which both sides of each of `units` are at this intensity."""
    controls = faces.neutral(frames, lux)
    au = controls.au
    for number, intensity in units.items():
        au = au.at[:, INDEX[number]].set(intensity)
    return controls._replace(au=au)


@pytest.fixture(scope="module")
def baked() -> faces.Baked:
    return faces.bake(person(102), SMALL)


@pytest.fixture(scope="module")
def where():
    return faces.landmarks


# FACS: what each unit does to which landmarks. (unit, landmarks in the order of iBUG, axis, sign): -1 on axis "y" is up, "out"
# counts away from the midline, "gap" is the distance of two landmarks down the image.
FACS = [
    (1, (20, 21, 22, 23), "y", -1),  # inner brows up
    (2, (17, 18, 25, 26), "y", -1),  # outer brows up
    (4, (19, 20, 21, 22, 23, 24), "y", 1),  # brows down
    (4, (21, 22), "out", -1),  # and together
    (5, (37, 38, 43, 44), "y", -1),  # upper lids up
    (6, (40, 41, 46, 47), "y", -1),  # lower lids up, by the cheeks
    (7, (40, 41, 46, 47), "y", -1),  # lower lids up
    (7, ((37, 41), (38, 40), (43, 47), (44, 46)), "gap", -1),  # eyes narrowed
    (9, (31, 35, 50, 51, 52), "y", -1),  # wings of the nose and upper lip up
    (9, (21, 22), "y", 1),  # inner brows down
    (10, (49, 50, 51, 52, 53), "y", -1),  # upper lip up
    (12, (48, 54), "y", -1),  # corners of the lips up
    (12, (48, 54), "out", 1),  # and outward
    (14, (48, 54), "out", 1),  # corners drawn in at the cheek's side
    (15, (48, 54), "y", 1),  # corners down
    (17, (8, 56, 57, 58), "y", -1),  # chin and lower lip up
    (20, (48, 54), "out", 1),  # lips stretched
    (23, (48, 54), "out", -1),  # lips narrowed
    (23, ((51, 57),), "gap", -1),  # and thinned
    (24, ((50, 58), (51, 57), (52, 56)), "gap", -1),  # lips pressed thin
    (25, ((61, 67), (62, 66), (63, 65)), "gap", 1),  # lips apart
    (26, (7, 8, 9), "y", 1),  # jaw down
    (26, ((62, 66),), "gap", 1),
    (27, (7, 8, 9), "y", 1),  # jaw far down
    (27, ((61, 67), (62, 66), (63, 65)), "gap", 1),
    (31, (3, 4, 12, 13), "out", 1),  # the jaw's angles bulge
    (45, ((37, 41), (38, 40), (43, 47), (44, 46)), "gap", -1),  # eyes closed
]


@pytest.mark.parametrize(("number", "which", "axis", "sign"), FACS, ids=lambda v: str(v).replace(" ", ""))
def test_a_unit_moves_its_landmarks_where_facs_says(number, which, axis, sign, where) -> None:
    for seed in (1, 2, 3):
        s = person(seed)
        rest, *moved = (np.asarray(where(s, acting({number: v}), (480, 640)))[0] for v in (0.0, 0.2, 1.0))
        for points, least in zip(moved, (0.05, 0.5), strict=True):  # pixels of half a millimetre
            for one in which:
                if axis == "gap":
                    change = (points[one[1], 1] - points[one[0], 1]) - (rest[one[1], 1] - rest[one[0], 1])
                elif axis == "y":
                    change = points[one, 1] - rest[one, 1]
                else:
                    change = (points[one, 0] - rest[one, 0]) * np.sign(rest[one, 0] - 319.5)
                assert sign * change > least, (seed, one)


def test_every_unit_is_in_the_table_and_under_test() -> None:
    assert tuple(unit.number for unit in UNITS) == NUMBERS
    assert {row[0] for row in FACS} == set(NUMBERS)


def test_a_blink_closes_the_eye(where) -> None:
    s = person(5)
    points = np.asarray(where(s, acting({45: 1.0}), (480, 640)))[0]
    assert np.abs(points[[37, 38, 43, 44], 1] - points[[41, 40, 47, 46], 1]).max() < 1.0


@pytest.mark.slow
def test_the_upper_teeth_stay_with_the_skull(where) -> None:
    """However far the jaw falls, their edge stays where it is, if the upper lip shows it."""
    s, size = person(21), (480, 640)
    baked_ = faces.bake(s, size)
    edges = []
    for units in ({25: 1.0, 26: 0.5}, {25: 1.0, 26: 1.0}, {27: 1.0}):
        image = np.asarray(faces.render(baked_, acting(units, lux=1.0)))[0]
        points = np.asarray(where(s, acting(units), size))[0]
        top, bottom = round(float(points[62, 1])) + 1, round(float(points[66, 1]))
        column = image[top:bottom, round(float(points[62, 0]))]
        dark = int(np.argmax(column < 0.5 * column[:4].max()))  # below the teeth lies the cavity
        assert 0 < dark < len(column) / 2
        edges.append(top + dark)
    assert max(edges) - min(edges) <= 1


@pytest.mark.parametrize("number", [n for n in NUMBERS if not UNITS[INDEX[n]].one])
def test_a_side_moves_alone(number: int, baked) -> None:
    controls = faces.neutral(2, 1.0)
    controls = controls._replace(au=controls.au.at[1, INDEX[number], 0].set(1.0))
    rest, moved = np.asarray(faces.render(baked, controls))
    change = np.abs(moved - rest)
    assert change[:, 64:].sum() > 3 * change[:, :64].sum()  # the subject's left is the image's right


@pytest.mark.parametrize("number", NUMBERS)
def test_a_unit_is_seen(number: int, baked) -> None:
    rest = np.asarray(faces.render(baked, acting({}, lux=1.0)))
    assert np.abs(np.asarray(faces.render(baked, acting({number: 0.2}, lux=1.0))) - rest).max() > 0.004


@pytest.mark.slow
def test_landmarks_lie_where_the_picture_shows_them(where) -> None:
    """The pupil between the lids is dark, the sclera beside it bright, whatever the head does."""
    s = dataclasses.replace(person(3), fringe=jnp.float32(0), hair_length=jnp.float32(0.2))
    size = (480, 640)
    baked_ = faces.bake(s, size)
    controls = faces.neutral(3, 1.0)
    controls = controls._replace(
        pose=jnp.array([[0, 0, 0, 0, 0, 0], [0.2, 0.1, 0.15, 6, -4, 0.08], [-0.25, -0.1, -0.2, -9, 5, -0.1]])
    )
    images, points = np.asarray(faces.render(baked_, controls)), np.asarray(where(s, controls, size))
    for image, p in zip(images, points, strict=True):
        for eye in (p[36:42], p[42:48]):
            y = eye[:, 1].mean()
            row = image[round(float(y)), round(float(eye[:, 0].min())) : round(float(eye[:, 0].max())) + 1]
            middle = len(row) // 2
            assert row[middle - 8 : middle + 9].min() < 0.5 * max(row[5:middle].max(), row[middle:-5].max())
        assert abs(float(p[8, 0] - p[27, 0])) < 120


@settings(max_examples=60, deadline=None)
@given(
    *[st.floats(-0.3, 0.3)] * 3,
    *[st.floats(-15, 15)] * 2,
    st.floats(-0.2, 0.2),
    st.floats(-55, 55),
    st.floats(-70, 90),
    st.floats(0, 18),
)
def test_what_is_shown_is_seen(yaw, pitch, roll, dx, dy, size, x, y, out) -> None:
    t = turn(jnp.array([yaw, pitch, roll, dx, dy, size]))
    px, py = show(t, jnp.float32(x), jnp.float32(y), roundness(x, y) + out)
    back = seen(t, px, py, jnp.float32(out))
    assert np.hypot(back[0] - x, back[1] - y) < 1.5  # mm


def test_a_pose_moves_the_picture_as_it_says(where) -> None:
    s, size = person(4), (480, 640)

    def moved(place: int, value: float) -> np.ndarray:
        controls = faces.neutral(2)
        return np.diff(np.asarray(where(s, controls._replace(pose=controls.pose.at[1, place].set(value)), size)), axis=0)[0]

    pixel = FIELD / 480
    np.testing.assert_allclose(moved(3, 5.0) * pixel, np.broadcast_to([5.0, 0.0], (68, 2)), atol=0.02)
    np.testing.assert_allclose(moved(4, 5.0) * pixel, np.broadcast_to([0.0, 5.0], (68, 2)), atol=0.02)
    yaw, pitch, roll = moved(0, 0.1), moved(1, 0.1), moved(2, 0.1)
    assert yaw[30, 0] > yaw[27, 0] > 0  # the nose's tip swings farthest
    assert pitch[30, 1] > 0
    assert roll[8, 0] < 0 < roll[0:1, 1].sum() * -1  # clockwise: the chin to the left, the image's left side up
    assert moved(5, 0.1)[16, 0] > 0 > moved(5, 0.1)[0, 0]


def test_light_scales_and_nothing_is_brighter_than_white(baked) -> None:
    controls = faces.neutral(3)._replace(lux=jnp.array([5.0, 50.0, 500.0]))
    images = np.asarray(faces.render(baked, controls))
    np.testing.assert_allclose(images[1], images[0] * 10, rtol=1e-5)
    np.testing.assert_allclose(images[2], images[0] * 100, rtol=1e-5)
    assert images.min() > 0
    assert images[0].max() < 5.0


def test_luminance_is_that_of_the_colours(baked) -> None:
    controls = acting({12: 0.7, 25: 0.5})
    rgb = np.asarray(faces.render_rgb(baked, controls))
    assert rgb.shape == (1, *SMALL, 3)
    np.testing.assert_allclose(rgb @ [0.2126, 0.7152, 0.0722], np.asarray(faces.render(baked, controls)), rtol=2e-4)


def test_light_comes_from_its_side() -> None:
    s = person(6)
    right, left = (faces.render(faces.bake(s, SMALL, faces.Light(azimuth=a)), faces.neutral(1, 1.0))[0] for a in (50.0, -50.0))
    assert right[:, 64:90].mean() > 1.15 * left[:, 64:90].mean()
    assert left[:, 38:64].mean() > 1.15 * right[:, 38:64].mean()


@pytest.mark.slow
def test_the_field_is_the_same_at_every_resolution() -> None:
    """A finer image, averaged, is the coarser one; and a wider one sees the same in its middle."""
    s = person(7)
    controls = acting({1: 0.8, 12: 0.6, 26: 0.5}, lux=1.0)
    controls = controls._replace(pose=jnp.array([[0.1, 0.05, 0.05, 4.0, -3.0, 0.05]]))
    fine, coarse = (np.asarray(faces.render(faces.bake(s, size), controls))[0] for size in ((192, 256), (96, 128)))
    averaged = fine.reshape(96, 2, 128, 2).mean((1, 3))
    assert np.corrcoef(averaged.ravel(), coarse.ravel())[0, 1] > 0.995
    assert np.abs(averaged - coarse).mean() < 0.03 * coarse.mean()
    wide = np.asarray(faces.render(faces.bake(s, (96, 172)), controls))[0]
    np.testing.assert_allclose(wide[:, 22:150], coarse, atol=0.02 * coarse.max())


def test_gradients_are_finite_and_there_for_everything(baked) -> None:
    def total(controls: faces.Controls, weight) -> jax.Array:
        return (faces.render(baked, controls) * weight).sum()

    weight = jax.random.normal(jax.random.key(0), SMALL)
    grad = jax.jit(jax.grad(total))
    for controls in (faces.neutral(1, 1.0), acting({n: 1.0 for n in NUMBERS}, lux=1.0), acting({45: 1.0}, lux=1.0)):
        found = grad(controls, weight)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    found = grad(faces.neutral(1, 1.0), weight)
    assert (np.abs(np.asarray(found.au)) > 0).all()
    assert (np.abs(np.asarray(found.gaze)) > 0).all() and (np.abs(np.asarray(found.pose)) > 0).all()


@pytest.mark.slow
def test_a_person_and_the_lamp_can_be_differentiated() -> None:
    def total(s: faces.Subject, light: faces.Light) -> jax.Array:
        return jnp.log(faces.render(faces.bake(s, (24, 32), light), faces.neutral(1, 1.0))).sum()

    who, lamp = person(8), faces.Light(*map(jnp.float32, (25.0, 35.0, 0.4)))
    found, turned = jax.grad(total, (0, 1))(who, lamp)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((found, turned)))
    assert np.abs(np.asarray(found.length)).min() > 0
    for name, step in (("azimuth", 1.0), ("elevation", 1.0), ("ambient", 0.02)):
        there, back = (total(who, dataclasses.replace(lamp, **{name: getattr(lamp, name) + d})) for d in (step, -step))
        assert float(getattr(turned, name)) == pytest.approx(float(there - back) / (2 * step), rel=0.05)


def test_a_key_is_a_person() -> None:
    for a, b in zip(jax.tree.leaves(person(9)), jax.tree.leaves(person(9)), strict=True):
        np.testing.assert_array_equal(a, b)
    first, again = (np.asarray(faces.render(faces.bake(person(9), SMALL), faces.neutral())) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_people_differ_more_than_one_person_moves() -> None:
    """Neutral faces of two people, in the same light, lie farther apart than one person's face and the same one acting."""
    controls = faces.neutral(2, 1.0)
    controls = controls._replace(
        au=controls.au.at[1, INDEX[12]].set(0.4).at[1, INDEX[4]].set(0.4),
        pose=controls.pose.at[1].set(jnp.array([0.03, 0.02, 0.01, 1, 1, 0])),
    )
    images = np.stack([np.asarray(faces.render(faces.bake(person(k), SMALL), controls)) for k in range(10, 18)])
    inside = images[:, :, 20:90, 34:94]  # the face, not the wall
    inside = np.log(inside) - np.log(inside).mean((-2, -1), keepdims=True)  # nor the tone of the skin as a whole
    within = np.abs(inside[:, 1] - inside[:, 0]).mean((-2, -1))
    between = np.abs(inside[:, None, 0] - inside[None, :, 0]).mean((-2, -1))[~np.eye(8, dtype=bool)]
    assert between.min() > within.max()


def test_skin_spans_the_human_range() -> None:
    people = jax.vmap(faces.draw)(jax.random.split(jax.random.key(0), 400))
    y = np.asarray(people.skin) @ [0.2126, 0.7152, 0.0722]
    assert 0.04 < y.min() < 0.09 and 0.40 < y.max() < 0.60  # L* 25 to 30, and 70 to 80
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(people))
    assert ((np.asarray(people.skin) > 0) & (np.asarray(people.skin) < 1)).all()


@pytest.mark.slow
def test_slopes_are_those_of_the_picture() -> None:
    """By every control, of random people, movements, poses, gazes and light: the derivative is the difference, and never NaN.

    Of a picture that is blurred as by a camera, since the edges that cover parts of pixels have corners.
    """
    size = (48, 64)
    weight = jax.image.resize(jax.random.normal(jax.random.key(1), (12, 16)), size, "cubic")

    @jax.jit
    def total(baked: faces.Baked, controls: faces.Controls) -> jax.Array:
        return (jnp.log(faces.render(baked, controls)[0]) * weight).sum()

    slopes = jax.jit(jax.value_and_grad(total, argnums=1))
    rng = np.random.default_rng(5)
    off, scale = [], []
    for seed in range(5):
        baked = faces.bake(person(300 + seed), size)
        au = rng.uniform(0, 1, (1, len(UNITS), 2)) * (rng.uniform(size=(1, len(UNITS), 1)) < 0.3)
        pose = rng.normal(0, [0.05, 0.05, 0.04, 3, 3, 0.03])
        here = faces.Controls(*map(jnp.float32, (au, rng.normal(0, 0.05, (1, 2)), pose[None], rng.uniform(1, 500, 1))))
        value, slope = slopes(baked, here)
        assert np.isfinite(value) and all(np.isfinite(part).all() for part in slope)
        for _ in range(6):  # a direction in all controls at once, each in steps of its own size
            steps = (0.01, 0.004, np.array([0.003, 0.003, 0.003, 0.2, 0.2, 0.003]), 0.01 * np.asarray(here.lux))
            way = faces.Controls(*(jnp.float32(rng.normal(size=p.shape) * step) for p, step in zip(here, steps, strict=True)))
            there, back = (faces.Controls(*(p + sign * w for p, w in zip(here, way, strict=True))) for sign in (1, -1))
            difference = float(total(baked, there) - total(baked, back)) / 2
            told = float(sum((p * w).sum() for p, w in zip(slope, way, strict=True)))
            off.append(difference - told)
            scale.append(difference)
    assert np.std(off) < 0.1 * np.std(scale)
    assert np.corrcoef(np.array(scale), np.array(scale) - np.array(off))[0, 1] > 0.99
