"""How the head stands before the camera: an orthographic view of a turned relief."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mxsnn.typing import Array

#: mm of the scene that the image is high, at every resolution; a wider image sees more to the sides.
FIELD = 250.0
#: Where the middle of the image lies in the frame of a face at rest, mm below the pupils.
MIDDLE = 6.0
#: Order of the last axis of a pose: radians, mm, and the natural logarithm of the head's size.
POSE = ("yaw", "pitch", "roll", "x", "y", "log_scale")


class Turn(NamedTuple):
    """A pose with its sines taken: scalars."""

    sin_yaw: Array
    cos_yaw: Array
    sin_pitch: Array
    cos_pitch: Array
    sin_roll: Array
    cos_roll: Array
    x: Array
    y: Array
    scale: Array


def turn(pose: Array) -> Turn:
    """pose [6] in the order of POSE: yaw > 0 turns the face to the image's right, pitch > 0 down, roll > 0 clockwise."""
    yaw, pitch, roll, x, y, log_scale = pose
    return Turn(jnp.sin(yaw), jnp.cos(yaw), jnp.sin(pitch), jnp.cos(pitch), jnp.sin(roll), jnp.cos(roll), x, y, jnp.exp(log_scale))


def roundness(x: Array, y: Array) -> Array:
    """How far the round of the head lies before the axis it turns about, mm: 75 in the middle, dying away around it."""
    return 75 / (1 + ((x / 78) ** 2 + ((y - 10) / 112) ** 2) ** 2)


def show(t: Turn, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """Points of the face, mm, to the image plane, mm."""
    x, y = x * t.cos_yaw + z * t.sin_yaw, y * t.cos_pitch + z * t.sin_pitch
    return t.scale * (x * t.cos_roll - y * t.sin_roll) + t.x, t.scale * (x * t.sin_roll + y * t.cos_roll) + t.y


def seen(t: Turn, px: Array, py: Array, out: Array) -> tuple[Array, Array]:
    """Points of the image plane, mm, to the face: what `show` maps there, to second order in the turn.

    out: how far the face stands out of its round there, mm.
    """
    px, py = (px - t.x) / t.scale, (py - t.y) / t.scale
    u, v = px * t.cos_roll + py * t.sin_roll, py * t.cos_roll - px * t.sin_roll
    z = roundness(u - 60 * t.sin_yaw, v - 60 * t.sin_pitch) + out
    z = roundness(u - z * t.sin_yaw, v - z * t.sin_pitch) + out
    return (u - z * t.sin_yaw) / t.cos_yaw, (v - z * t.sin_pitch) / t.cos_pitch
