"""The objects of the tracking benchmark, made by formulas so that everybody has the same ones."""

from __future__ import annotations

import cv2
import numpy as np
import trimesh

from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import Mesh, ObjectModel, load_object, mesh_with_normals, painted_mesh
from pose_tracker_ros.symmetries import ContinuousSymmetry

RED, YELLOW, DARK, STEEL, CREAM = (190, 40, 35), (225, 175, 40), (45, 48, 55), (150, 155, 160), (225, 215, 190)
LABEL_PX = 256


def benchmark_objects() -> list[ObjectModel]:
    """Six objects: a printed jug and a printed carton, a drill of three colours, a bowl (symmetric), an uncoloured
    bracket (no texture, no colour known) and a spanner (thin)."""
    axis = ContinuousSymmetry(np.array([0.0, 0.0, 1.0]), np.zeros(3))
    return [
        load_object("demo_jug"),
        ObjectModel.from_mesh("carton", _carton()),
        ObjectModel.from_mesh("drill", _drill()),
        ObjectModel.from_mesh("bowl", _bowl(), continuous_symmetries=(axis,)),
        ObjectModel.from_mesh("bracket", _bracket()),
        ObjectModel.from_mesh("spanner", _spanner()),
    ]


def _box(extents: tuple[float, float, float], center: tuple[float, float, float]) -> trimesh.Trimesh:
    return trimesh.creation.box(extents=extents).apply_translation(center)


def _drill() -> Mesh:
    chuck = trimesh.creation.cone(0.02, 0.05, sections=32)
    chuck.apply_transform(make_pose(so3_exp(np.array([0, np.pi / 2, 0])), np.array([0.1, 0, 0])))
    return painted_mesh(
        [
            (_box((0.20, 0.06, 0.06), (0, 0, 0)), YELLOW),
            (_box((0.04, 0.05, 0.14), (-0.06, 0, -0.08)), DARK),
            (_box((0.09, 0.05, 0.03), (-0.05, 0.01, -0.16)), RED),
            (chuck, STEEL),
        ]
    )


def _bracket() -> Mesh:
    parts = [
        _box((0.16, 0.03, 0.02), (0, 0, 0)),
        _box((0.02, 0.12, 0.03), (0.07, 0.06, 0)),
        _box((0.03, 0.02, 0.08), (-0.06, 0, 0.04)),
    ]
    whole = trimesh.util.concatenate(parts)
    return mesh_with_normals(np.asarray(whole.vertices), np.asarray(whole.faces))


def _bowl() -> Mesh:
    angles = np.linspace(0, np.pi / 2, 13)
    outside = np.column_stack([0.035 + 0.045 * np.sin(angles), 0.055 * (1 - np.cos(angles))])
    profile = np.vstack(
        [[0, 0], outside, (outside - [0.005, 0])[::-1] + [0, 0.004] * (outside[::-1] < 0.05), [0, 0.005]]
    )
    return painted_mesh([(trimesh.creation.revolve(profile, sections=64), RED)])


def _spanner() -> Mesh:
    """A flat bar with a ring at one end and a jaw, turned by 15 degrees, at the other."""
    ring = trimesh.creation.annulus(0.011, 0.021, 0.010, sections=32).apply_translation((0.092, 0, 0))
    jaw = [
        _box((0.030, 0.012, 0.010), (-0.018, 0.017, 0)),
        _box((0.030, 0.012, 0.010), (-0.018, -0.017, 0)),
        _box((0.014, 0.046, 0.010), (0.002, 0, 0)),
    ]
    turned = make_pose(so3_exp(np.array([0, 0, np.radians(15)])), np.array([-0.078, 0, 0]))
    parts = [_box((0.15, 0.02, 0.008), (0, 0, 0)), ring, *(part.apply_transform(turned) for part in jaw)]
    return painted_mesh([(part, STEEL) for part in parts])


def _carton() -> Mesh:
    """A box 16 x 21 x 6 cm with a print of its own on every side."""
    half = np.array([0.08, 0.105, 0.03])
    vertices, uv, faces = [], [], []
    prints = [_label(number) for number in range(6)]
    for number in range(6):
        axis, sign = divmod(number, 2)
        across, along = [other for other in range(3) if other != axis]
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        points = np.zeros((4, 3))
        points[:, axis] = half[axis] * (2 * sign - 1)
        points[:, across], points[:, along] = (corners * half[[across, along]]).T
        outward = np.cross(points[1] - points[0], points[2] - points[0])[axis] * (2 * sign - 1) > 0
        faces += [(np.array([0, 1, 2]) if outward else np.array([0, 2, 1])) + 4 * number]
        faces += [(np.array([0, 2, 3]) if outward else np.array([0, 3, 2])) + 4 * number]
        vertices.append(points)
        # A margin of half a texel, so that neighbouring prints don't shine through.
        inset = (corners + 1) / 2 * (1 - 2 / LABEL_PX) + 1 / LABEL_PX
        uv.append((inset + [number % 3, number // 3]) / [3, 2])
    texture = np.vstack([np.hstack(prints[3:]), np.hstack(prints[:3])])
    return mesh_with_normals(
        np.vstack(vertices), np.array(faces), uv=np.vstack(uv).astype(np.float32), texture=np.ascontiguousarray(texture)
    )


def _label(number: int) -> np.ndarray:
    """A print (LABEL_PX, LABEL_PX, 3) uint8: a ground, a stripe, blocks and a number."""
    generator = np.random.default_rng(number)
    image = np.empty((LABEL_PX, LABEL_PX, 3), np.uint8)
    image[:] = (CREAM, RED)[number % 2]
    top = int(generator.integers(20, LABEL_PX - 80))
    image[top : top + 50] = (YELLOW, DARK, STEEL)[number % 3]
    for _ in range(14):
        corner = generator.integers(0, LABEL_PX - 40, 2)
        size = generator.integers(8, 60, 2)
        color = generator.integers(0, 256, 3).tolist()
        cv2.rectangle(image, corner.tolist(), (corner + size).tolist(), color, -1)
    cv2.putText(image, str(number + 1), (LABEL_PX // 3, 2 * LABEL_PX // 3), cv2.FONT_HERSHEY_DUPLEX, 5, DARK, 12)
    return image
