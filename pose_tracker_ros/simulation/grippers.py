"""What holds an object: a parallel-jaw gripper and a human-like hand, closed around a grasp.

Both have one frame: the origin in the middle between the fingertips, z the approach from palm to object, x the axis along
which the fingers close (they touch at x = half the opening on either side), y completes a right-handed frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import trimesh
from scipy.optimize import brentq

from pose_tracker_ros.objects import Mesh, painted_mesh

Color = tuple[int, int, int]
Part = tuple[trimesh.Trimesh, Color]

# From the grasp centre back to the palm, and ahead to the end of the longest finger, metres.
PALM_M = 0.06
FINGERTIP_M = 0.02
LARGEST_OPENING_M = 0.2
# How far from the grasp centre fingers are along y.
FINGERS_HALF_WIDTH_M = 0.035

DARK, STEEL, RUBBER, ENAMEL = (42, 44, 50), (150, 155, 160), (70, 62, 58), (214, 216, 218)
SLEEVES = ((38, 62, 110), (120, 35, 42), (60, 62, 66), (52, 96, 70), (196, 190, 178))
# A finger's last joint cannot be bent alone: it follows the middle one by about this share (Rijpkema and Girard,
# Computer animation of knowledge-based human grasping, SIGGRAPH 1991).
LAST_JOINT_SHARE = 2 / 3
# Share of its length up to which a finger is straightened.
STRAIGHTEST = 0.87


class Finger(NamedTuple):
    """Measures in metres: where on the palm it grows (``root`` from the middle knuckle), its three links, their radius
    at root and tip, and the tip's end in the grasp frame (y and z)."""

    root: tuple[float, float, float]
    links: tuple[float, float, float]
    radii: tuple[float, float]
    tip_y: float
    tip_z: float


# Of a large adult hand. A right hand that points along z with its palm towards -x has its index finger at -y.
FINGERS = (
    Finger((0.0, -0.034, -0.004), (0.047, 0.028, 0.023), (0.0105, 0.0078), -0.026, 0.016),
    Finger((0.0, -0.011, 0.0), (0.052, 0.032, 0.024), (0.0105, 0.0080), -0.008, FINGERTIP_M),
    Finger((0.0, 0.011, -0.004), (0.047, 0.030, 0.024), (0.0100, 0.0076), 0.010, 0.014),
    Finger((0.0, 0.032, -0.013), (0.037, 0.022, 0.020), (0.0090, 0.0068), 0.027, -0.004),
)
THUMB = Finger((-0.016, -0.034, -0.050), (0.048, 0.036, 0.029), (0.0150, 0.0092), -0.016, 0.010)
PALM_LENGTH_M = 0.085


def gripper_mesh(opening_m: float) -> Mesh:
    """A parallel-jaw gripper at the end of a robot arm, its pads ``opening_m`` metres apart; see the module for its frame.

    Raises ValueError for an opening below 0 or above ``LARGEST_OPENING_M``.
    """
    _check_opening(opening_m)
    width = opening_m + 0.07
    body = [
        (_box((width, 0.05, 0.018), (0, 0, -PALM_M - 0.009)), STEEL),
        (_box((width - 0.012, 0.062, 0.045), (0, 0, -PALM_M - 0.040)), DARK),
        (_cylinder(0.036, -PALM_M - 0.062, -PALM_M - 0.082), STEEL),
        (_cylinder(0.044, -PALM_M - 0.082, -PALM_M - 0.130), DARK),
        (_cylinder(0.038, -PALM_M - 0.130, -PALM_M - 0.430), ENAMEL),
        (_cylinder(0.0395, -PALM_M - 0.200, -PALM_M - 0.212), DARK),
    ]
    return painted_mesh([*body, *_jaw(opening_m, 1), *_jaw(opening_m, -1)])


def _jaw(opening_m: float, side: int) -> list[Part]:
    """Carriage, finger and pad at positive x (side 1) or negative x (side -1)."""

    def part(inner: float, thickness: float, width: float, back: float, front: float) -> trimesh.Trimesh:
        middle = (side * (opening_m / 2 + inner + thickness / 2), 0, (back + front) / 2)
        return _box((thickness, width, front - back), middle)

    return [
        (part(0.004, 0.024, 0.036, -PALM_M, -PALM_M + 0.016), DARK),
        (part(0.006, 0.010, 0.024, -PALM_M + 0.016, FINGERTIP_M - 0.002), STEEL),
        (part(0.0, 0.006, 0.022, -0.022, FINGERTIP_M), RUBBER),
    ]


def hand_mesh(opening_m: float, skin: Color, generator: np.random.Generator) -> Mesh:
    """A right hand in a sleeve, its fingertips and thumb ``opening_m`` metres apart; see the module for its frame.

    The joints are bent so that the tips touch the grasp. Where the opening is wider than a hand, its fingers are longer.

    Parameters: ``skin`` RGB 0..255, which every link varies a little; ``generator`` draws that and the sleeve.
    Raises ValueError for an opening below 0 or above ``LARGEST_OPENING_M``.
    """
    _check_opening(opening_m)
    # The palm stands a little on the fingers' side, so that they and the thumb both reach around the object.
    knuckle = np.array([0.008 + 0.12 * opening_m, 0.0, -PALM_M - FINGERS[1].radii[0]])
    fingers = [_joints(finger, knuckle, opening_m / 2, 1) for finger in FINGERS]
    thumb = _joints(THUMB, knuckle, opening_m / 2, -1)
    links = [link for finger, joints in zip(FINGERS, fingers) for link in _links(finger, joints)]
    flesh = [*links, *_links(THUMB, thumb), _palm(knuckle), _web(knuckle, thumb), _wrist(knuckle)]
    sleeve = SLEEVES[generator.integers(len(SLEEVES))]
    return painted_mesh([*((part, _shade(skin, generator)) for part in flesh), *_sleeve(knuckle, sleeve)])


def _joints(finger: Finger, knuckle: np.ndarray, half_opening_m: float, side: int) -> np.ndarray:
    """Places (4, 3) along a finger whose tip touches the grasp at positive x (side 1) or negative x (side -1)."""
    radius = finger.radii[1]
    tip = np.array([side * (half_opening_m + radius), finger.tip_y, finger.tip_z - radius])
    return bent_finger(knuckle + finger.root, tip, np.array(finger.links), np.array([side, 0.0, 0.0]))


def _links(finger: Finger, joints: np.ndarray) -> list[trimesh.Trimesh]:
    radii = np.linspace(*finger.radii, 4)
    return [_hull(joints[i : i + 2], radii[i : i + 2], detail=1) for i in range(3)]


def bent_finger(root: np.ndarray, tip: np.ndarray, links: np.ndarray, outward: np.ndarray) -> np.ndarray:
    """Places (4, 3) of a finger's root, its two joints and its tip, so that links of three lengths (3,) join both ends.

    It bends in the plane of its ends and ``outward`` (3,), the side to which its back looks. Links that are too short are
    stretched by one factor.
    """
    chord = tip - root
    length = float(np.linalg.norm(chord))
    along = chord / length
    away = outward - (outward @ along) * along
    away /= np.linalg.norm(away)
    links = links * max(1.0, length / (STRAIGHTEST * links.sum()))

    def places(bend: float) -> np.ndarray:
        """In the plane as complex numbers, the first link along the real axis."""
        turns = -bend * np.array([0.0, 1.0, 1.0 + LAST_JOINT_SHARE])
        return np.concatenate([[0], np.cumsum(links * np.exp(1j * turns))])

    flat = places(brentq(lambda bend: abs(places(bend)[3]) - length, 0.0, 2.0))
    flat = flat * (length / flat[3])
    return root + flat.real[:, None] * along + flat.imag[:, None] * away


def _palm(knuckle: np.ndarray) -> trimesh.Trimesh:
    roots = [knuckle + finger.root for finger in FINGERS]
    heel = knuckle + [[-0.004, -0.020, -PALM_LENGTH_M], [-0.004, 0.018, -PALM_LENGTH_M]]
    radii = [finger.radii[0] for finger in FINGERS] + [0.0165, 0.0165]
    return _hull(np.vstack([roots, heel]), np.array(radii), detail=2)


def _web(knuckle: np.ndarray, thumb: np.ndarray) -> trimesh.Trimesh:
    """The flesh between the thumb's first link and the palm."""
    beside = knuckle + np.array([[0.0, -0.030, -0.022], [-0.004, -0.012, -0.070]])
    return _hull(np.vstack([thumb[:2], beside]), np.array([0.015, 0.0105, 0.009, 0.015]), detail=1)


def _wrist(knuckle: np.ndarray) -> trimesh.Trimesh:
    heel = knuckle + [-0.004, -0.001, -PALM_LENGTH_M]
    across = np.array([[0, -0.012, 0], [0, 0.012, 0]])
    return _hull(np.vstack([heel + across, heel + across - [0, 0, 0.065]]), np.repeat([0.0175, 0.021], 2), detail=1)


def _sleeve(knuckle: np.ndarray, color: Color) -> list[Part]:
    start = knuckle + [-0.004, -0.001, -PALM_LENGTH_M - 0.050]
    cuff = _cone(start, (0.031, 0.042), start - [0, 0, 0.03], (0.033, 0.044))
    arm = _cone(start - [0, 0, 0.03], (0.031, 0.042), start - [0, 0, 0.34], (0.046, 0.054))
    return [(cuff, tuple(channel * 3 // 4 for channel in color)), (arm, color)]


def _cone(start: np.ndarray, start_half: tuple, end: np.ndarray, end_half: tuple) -> trimesh.Trimesh:
    """A truncated elliptic cone between two places, with half axes along x and y at either."""
    angles = np.arange(24) * np.pi / 12
    ring = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(24)])
    return trimesh.convex.convex_hull(np.vstack([start + ring * [*start_half, 0], end + ring * [*end_half, 0]]))


def _hull(centers: np.ndarray, radii: np.ndarray, detail: int) -> trimesh.Trimesh:
    """The convex hull of spheres."""
    sphere = trimesh.creation.icosphere(subdivisions=detail).vertices
    return trimesh.convex.convex_hull(np.vstack([center + radius * sphere for center, radius in zip(centers, radii)]))


def _box(extents: tuple[float, float, float], center: tuple[float, float, float]) -> trimesh.Trimesh:
    return trimesh.creation.box(extents=extents).apply_translation(center)


def _cylinder(radius: float, front: float, back: float) -> trimesh.Trimesh:
    cylinder = trimesh.creation.cylinder(radius, front - back, sections=32)
    return cylinder.apply_translation((0, 0, (front + back) / 2))


def _shade(skin: Color, generator: np.random.Generator) -> Color:
    shade = np.asarray(skin) * generator.uniform(0.93, 1.05) + generator.uniform(-4, 4, 3)
    return tuple(int(channel) for channel in np.clip(np.rint(shade), 0, 255))


def _check_opening(opening_m: float) -> None:
    if not 0 <= opening_m <= LARGEST_OPENING_M:
        raise ValueError(
            f"expected an opening of 0 to {LARGEST_OPENING_M} m, got {opening_m:.4g}; "
            "approach the object from a side on which it is narrower"
        )
