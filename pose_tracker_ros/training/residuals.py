"""How far rendered and observed pose of a pair are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_tracker_ros.geometry import random_unit_vector, so3_exp

RESIDUAL_DISTRIBUTIONS = ("mixed", "normal", "uniform", "wide")
# A later pass sees what an earlier one left over: so many pairs are so much smaller in the mixed distribution.
SMALL_SHARE = 0.35
SMALL_SCALE = 0.25
# Of the wide distribution so many are as far off as a first pose may be; the others, as a tracker's are, within this share
# of the limits.
FAR_SHARE = 0.5
NEAR_SCALE = 0.4


def random_residual(
    distribution: str, max_translation_m: float, max_rotation: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Translation (3,) metres and rotation vector (3,) radians, both in random directions, at most as long as said.

    ``distribution`` of the lengths: "normal", cut at the limits, as published (arXiv 2007.13866); "mixed", the same with a
    third of the pairs at a quarter of the size; "uniform" between 0 and the limits; "wide", half of the pairs "mixed" within
    two fifths of the limits, half uniform with either translation or rotation up to the limit and the other up to half of it.
    """
    far = distribution == "wide" and generator.random() < FAR_SHARE
    if far or distribution == "uniform":
        lengths = generator.uniform(0, 1, 2)
        if far:
            lengths[generator.integers(2)] /= 2
    else:
        small = distribution != "normal" and generator.random() < SMALL_SHARE
        lengths = np.array([truncated_normal(generator) for _ in range(2)]) * (SMALL_SCALE if small else 1.0)
        lengths *= NEAR_SCALE if distribution == "wide" else 1.0
    translation = random_unit_vector(generator) * lengths[0] * max_translation_m
    return translation, random_unit_vector(generator) * lengths[1] * max_rotation


def truncated_normal(generator: np.random.Generator) -> float:
    """|N(0, 1)| redrawn until at most 1, as the published pairs are drawn."""
    while True:
        value = abs(generator.normal())
        if value <= 1:
            return value


@dataclass(frozen=True)
class PreviousPoseNoise:
    """A last pose that is wrong as a tracker's is: the surface in sight stays about where it is while the object is turned.

    Independent translations and rotations hardly ever cancel out like that, but a tracker's errors do, since it sees no
    others. The rotation of a residual is kept; its translation becomes that of a turn about a point on the side of the
    object that faces the camera, and ``remainder`` of what it was. The residual is what is learnt, and so stays exact.
    ``lever``: range of the distance between that point and the centre, in diameters.
    """

    probability: float = 0.15
    lever: tuple[float, float] = (0.2, 0.5)
    remainder: float = 0.25

    def __call__(
        self,
        translation: np.ndarray,
        rotation: np.ndarray,
        center: np.ndarray,
        diameter_m: float,
        max_translation_m: float,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """The translation (3,) metres to be used with ``rotation`` (3,) radians for an object at ``center`` (3,)."""
        if generator.random() >= self.probability:
            return translation
        lever = center / np.linalg.norm(center) * generator.uniform(*self.lever) * diameter_m
        moved = so3_exp(rotation) @ lever - lever + self.remainder * translation
        return moved * min(1.0, max_translation_m / max(float(np.linalg.norm(moved)), 1e-12))
