"""Others' eyes on the faces: a detector of real faces finds them, and gradient descent reads their Action Units."""

from __future__ import annotations

import functools

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mxsnn import faces
from mxsnn.faces.action_units import INDEX, UNITS

#: The box that the cascade draws around a frontal face: a square, this many pupil distances wide, its centre this many below the
#: pupils. Measured once on a photograph of a neutral face (2.83 and 0.29); not fitted to the faces here.
WIDE, BELOW = 2.83, 0.29


def true_box(points: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of the face by the cascade's convention, from landmarks [68, 2]."""
    pupils = points[36:42].mean(0), points[42:48].mean(0)
    apart = np.hypot(*(pupils[1] - pupils[0]))
    x, y = (pupils[0] + pupils[1]) / 2 + [0, BELOW * apart]
    half = WIDE * apart / 2
    return np.array([x - half, y - half, x + half, y + half])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(width, 0) * max(height, 0)
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def found(size: tuple[int, int], people: range) -> list[float]:
    """The best overlap of a found box with the true one, by person; 0 where nothing is found."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    best = []
    for key in people:
        s = faces.draw(jax.random.key(key))
        light = np.asarray(faces.render(faces.bake(s, size), faces.neutral(1, 1.0)))[0]
        grey = (255 * np.clip(light / np.percentile(light, 99), 0, 1) ** (1 / 2.2)).astype(np.uint8)
        box = true_box(np.asarray(faces.landmarks(s, faces.neutral(), size))[0])
        boxes = cascade.detectMultiScale(grey, 1.1, 3)
        best.append(max((overlap(box, np.array([x, y, x + w, y + h])) for x, y, w, h in boxes), default=0.0))
    return best


def test_a_detector_of_faces_finds_some() -> None:
    assert np.mean(np.array(found((96, 128), range(6))) >= 0.5) >= 5 / 6


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", [(96, 128), (260, 346), (480, 640)], ids=str)
def test_a_detector_of_faces_finds_them(size) -> None:
    assert np.mean(np.array(found(size, range(50))) >= 0.5) >= 0.95


def descend(baked: faces.Baked, truth: jax.Array, start: float, steps: int = 60) -> np.ndarray:
    """Intensities [n_AU] that Adam finds, each from its own image of one unit at `truth` [n_AU], with all else known.

    From coarse to fine, since a jaw that drops by many pixels has no slope in a sharp picture.
    """
    rest = faces.neutral(len(UNITS), 1.0)
    one = jnp.eye(len(UNITS))[:, :, None]

    def image(intensity: jax.Array, block: int) -> jax.Array:
        full = faces.render(baked, rest._replace(au=rest.au + one * intensity[:, None, None]))
        return jnp.log(full.reshape(len(UNITS), 96 // block, block, 128 // block, block).mean((2, 4)))

    def step(block: int, k: jax.Array, x: jax.Array, mean: jax.Array, square: jax.Array):
        slope = jax.grad(lambda x: jnp.sum((image(x, block) - image(truth, block)) ** 2))(x)
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        rate = 0.03 * (1 + jnp.cos(jnp.pi * k / steps))
        x = x - rate * (mean / (1 - 0.9**k)) / (jnp.sqrt(square / (1 - 0.99**k)) + 1e-9)
        return jnp.clip(x, 0, 1), mean, square

    x = jnp.full(len(UNITS), start)
    for block in (16, 4, 1):
        move = jax.jit(functools.partial(step, block))
        mean = square = jnp.zeros(len(UNITS))
        for k in range(1, steps + 1):
            x, mean, square = move(jnp.float32(k), x, mean, square)
    return np.asarray(x)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("start", [0.0, 0.5])
def test_gradient_descent_reads_the_intensity_of_each_unit(start: float) -> None:
    baked = faces.bake(faces.draw(jax.random.key(102)), (96, 128))
    for level in (0.25, 0.8):
        read = descend(baked, jnp.full(len(UNITS), level), start)
        wrong = {unit.number: float(read[INDEX[unit.number]]) for unit in UNITS if abs(read[INDEX[unit.number]] - level) > 0.05}
        assert not wrong, f"of {level}, from {start}: {wrong}"
