"""Objects written and read back are the same objects."""

import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.object_files import write_object
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.symmetries import symmetry_transforms

CAMERA = PinholeCamera(160, 120, 150.0, 150.0, 79.5, 59.5)


@pytest.mark.parametrize("model", benchmark_objects(), ids=lambda model: model.name)
def test_an_object_written_and_read_back_looks_the_same(model, tmp_path):
    again = load_object(str(write_object(model, tmp_path / model.name)))
    assert again.name == model.name
    assert again.diameter_m == pytest.approx(model.diameter_m, rel=1e-6)
    assert np.allclose(symmetry_transforms(again, 0.1), symmetry_transforms(model, 0.1))
    assert again.mesh.has_color == model.mesh.has_color
    pose = make_pose(so3_exp(np.array([0.5, -1.0, 0.3])), np.array([0.0, 0.0, 0.45]))
    before, after = (RaycastRenderer(each.mesh).render(CAMERA, pose) for each in (model, again))
    assert (before.mask != after.mask).sum() <= 3
    both = before.mask & after.mask
    assert np.abs(before.depth - after.depth)[both].max() < 1e-4
    difference = np.abs(before.color.astype(int) - after.color)[both]
    assert np.quantile(difference, 0.99) <= 8
