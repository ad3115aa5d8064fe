import numpy as np
import pytest
from shapes import cube
from tracking_scenes import CAMERA

from pose_tracker_ros.evaluation.depth_plausibility import remark_at_pose, remark_under_mask
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import create_renderer

LIMITS = (0.1, 4.0)


def seen(side, distance, factor=1.0, noise=0.001):
    """Depth of a cube before a wall, all of it multiplied by a factor, and the depth that the cube should have."""
    model = ObjectModel.from_mesh("cube", cube(side))
    drawn = create_renderer("raycast", model.mesh).render(
        CAMERA, make_pose(so3_exp(np.array([0.4, 0.7, 0.2])), np.array([0, 0, distance]))
    )
    depth = np.where(drawn.mask, drawn.depth, np.float32(1.4 * distance))
    depth = depth + np.random.default_rng(0).normal(0, noise, depth.shape)
    return (factor * depth).astype(np.float32), drawn, model


@pytest.mark.parametrize("distance", [0.25, 0.6, 2.5])
def test_depth_that_is_right_is_not_remarked(distance):
    depth, drawn, model = seen(0.15 * distance, distance)
    depth[::3] = 0
    assert remark_at_pose(depth, drawn.depth, LIMITS) is None
    assert remark_under_mask(depth, drawn.mask, CAMERA, model) is None
    half_hidden = drawn.mask.copy()
    half_hidden[: CAMERA.height // 2] = False
    assert remark_under_mask(depth, half_hidden, CAMERA, model) is None


@pytest.mark.parametrize("factor", [0.1, 0.125, 0.25, 4.0, 5.0, 8.0, 10.0, 1000.0])
def test_other_units_are_named_with_both_distances(factor):
    depth, drawn, model = seen(0.1, 0.6, factor)
    for remark in (remark_at_pose(depth, drawn.depth, LIMITS), remark_under_mask(depth, drawn.mask, CAMERA, model)):
        assert remark is not None and "--depth-unit" in remark and "mesh say 0." in remark
        said = float(remark.split("depth says ")[1].split(" m")[0])
        assert said == pytest.approx(0.58 * factor, rel=0.1)


@pytest.mark.parametrize("factor", [0.3, 1.6, 2.5, 4.0, 5.0, 8.2, 10.0])
@pytest.mark.parametrize("tilt", [0.0, 0.5], ids=["frontal", "tilted"])
def test_what_is_seen_instead_of_the_object_is_no_other_unit(factor, tilt):
    """A wall, or something before it: the object has gone, is hidden, or the pose is an old one."""
    _, drawn, _ = seen(0.1, 0.6)
    rows, _ = np.indices(drawn.depth.shape)
    depth = factor * 0.58 * (1 + tilt * (rows / CAMERA.height - 0.5))
    depth = (depth + np.random.default_rng(0).normal(0, 0.0005 * factor, depth.shape)).astype(np.float32)
    assert remark_at_pose(depth, drawn.depth, LIMITS) is None


@pytest.mark.parametrize("factor", [0.1, 0.25, 4.0, 1000.0])
def test_other_units_are_told_from_a_first_pose_that_is_off(factor):
    depth, _, model = seen(0.1, 0.6, factor)
    off = make_pose(so3_exp(np.array([0.3, 0.8, 0.1])), np.array([0.01, -0.01, 0.62]))
    drawn = create_renderer("raycast", model.mesh).render(CAMERA, off)
    assert "--depth-unit" in remark_at_pose(depth, drawn.depth, LIMITS)


@pytest.mark.parametrize(("distance", "words"), [(0.08, "nearer than min_depth_m 0.1"), (5.0, "farther than max_depth_m 4")])
def test_limits_that_throw_depth_away_are_named(distance, words):
    depth, drawn, _ = seen(0.1 * distance, distance, noise=0.0001)
    assert words in remark_at_pose(depth, drawn.depth, LIMITS)
    assert remark_at_pose(depth, drawn.depth, (0.01, 20.0)) is None


def test_nothing_is_said_of_what_is_not_seen():
    depth, drawn, model = seen(0.1, 0.6, 4.0)
    assert remark_at_pose(np.zeros_like(depth), drawn.depth, LIMITS) is None
    assert remark_under_mask(depth, np.zeros_like(drawn.mask), CAMERA, model) is None
