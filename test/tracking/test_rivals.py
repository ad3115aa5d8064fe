"""Turns that an object's shape hardly tells from none."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.distance import cdist

from pose_tracker_ros.geometry import rotation_angle
from pose_tracker_ros.objects import ObjectModel, painted_mesh
from pose_tracker_ros.tracking.rivals import alike_turns


def box(size, **options):
    solid = trimesh.creation.box(size)
    solid.apply_translation((0.01, 0.02, 0.03))
    return ObjectModel.from_mesh("box", painted_mesh([(solid, (200, 60, 40))]), **options)


def test_a_box_of_three_sides_is_alike_after_the_three_half_turns():
    model = box((0.20, 0.12, 0.05))
    turns = alike_turns(model)
    corners = model.mesh.vertices.astype(np.float64)
    for turn in turns:
        moved = corners @ turn[:3, :3].T + turn[:3, 3]
        assert cdist(moved, corners).min(axis=1).max() < 1e-6
    assert sorted(np.degrees(rotation_angle(turn[:3, :3])) for turn in turns) == pytest.approx([180] * 3, abs=1e-3)


def test_what_is_declared_to_be_the_same_is_no_rival():
    half_turns = np.stack([np.diag([*signs, 1.0]) for signs in ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))])
    assert len(alike_turns(box((0.20, 0.12, 0.05), discrete_symmetries=half_turns))) == 0


def test_what_has_no_second_side_has_no_rivals():
    parts = [trimesh.creation.box(size) for size in ((0.20, 0.03, 0.03), (0.03, 0.12, 0.03), (0.03, 0.03, 0.16))]
    for axis, part in enumerate(parts):
        part.apply_translation(np.eye(3)[axis] * part.extents[axis] / 2)
    model = ObjectModel.from_mesh("corner", painted_mesh([(part, (200, 60, 40)) for part in parts]))
    assert alike_turns(model).shape == (0, 4, 4)
