"""Slices that do not follow the long axis: the short axis of the ventricles, and the abdomen. Painted in cm."""

import numpy as np

from worker.phantom.heart import Heart
from worker.phantom.tissue import BLOOD, FIBROUS, LIVER, MUSCLE, Slice
from worker.phantom.ventricle import LeftVentricle


def paint_short_axis(picture: Slice, heart: Heart, phase: float) -> None:
    """Both ventricles in cross-section, at the papillary muscles; the origin is the left one's middle."""
    left, contraction = LeftVentricle.of(heart, phase), heart.contraction(phase)
    radius, wall = 0.97 * left.radius, left.wall
    flat = min(0.35, 0.006 * max(0.0, heart.pa_pressure - 35)) * (0.35 + 0.65 * contraction)
    across = np.where(picture.x < 0, picture.x / (1 - flat), picture.x)
    distance = np.hypot(across, picture.z)
    depth = heart.rv_diameter_mm / 10 * 0.75 * (1 - 0.25 * contraction)
    right = picture.ellipse((-radius * 0.75, -0.25 * radius), (radius * 0.9 + wall + depth, radius * 1.15 + wall))
    right_wall = 0.38 + 0.006 * max(0.0, heart.pa_pressure - 25)
    picture.paint((right < 1 + right_wall / (radius + wall + depth)) & (picture.x < 0.4), MUSCLE - 1.5)
    picture.paint((right < 1) & (picture.x < 0.2), BLOOD)
    picture.paint((distance < radius + wall + 0.16) & (picture.x > -0.2), FIBROUS - 2)
    picture.paint(distance < radius + wall, MUSCLE)
    picture.paint(distance < radius, BLOOD)
    for angle in (0.7, 2.2):
        at = (0.78 * radius * float(np.cos(angle)), 0.78 * radius * float(np.sin(angle)))
        picture.paint(picture.ellipse(at, (0.42, 0.42)) < 1, MUSCLE - 2)


def paint_abdomen(picture: Slice, random: np.random.Generator) -> None:
    """A liver with its veins, the gallbladder, and the diaphragm behind; nothing in it beats."""
    dome = picture.ellipse((random.uniform(-2, 2), 3.5), (11, random.uniform(9.5, 11)))
    picture.paint(dome < 1, LIVER)
    picture.paint((dome >= 1) & (dome < 1.03), FIBROUS)
    for _ in range(int(random.integers(4, 8))):
        x, z, turn = random.uniform(-5, 5), random.uniform(4, 10), random.uniform(0, np.pi)
        reach = random.uniform(1.2, 2.8)
        end = (x + reach * float(np.cos(turn)), z + reach * float(np.sin(turn)))
        thickness = random.uniform(0.3, 0.9)
        if random.random() < 0.6:
            picture.stroke(((x, z), end), thickness + 0.16, FIBROUS - 8)
        picture.stroke(((x, z), end), thickness, BLOOD)
    if random.random() < 0.6:
        bladder = picture.ellipse((random.uniform(-3, 3), random.uniform(6, 8)), (1.2, 2.4))
        picture.paint(bladder < 1.1, FIBROUS - 6)
        picture.paint(bladder < 1, BLOOD - 4)
