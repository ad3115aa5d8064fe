"""The picture of one frame's factors."""

import cv2
import numpy as np
from tracking_scenes import CAMERA, START, frame_of

from pose_tracker_ros.commands.draw_factors import draw
from pose_tracker_ros.evaluation.factor_pictures import seen_factors
from pose_tracker_ros.objects import load_object


def test_what_is_covered_does_not_count_and_a_factor_less_leaves_the_pose_less_sure():
    model = load_object("demo_jug")
    columns = (170, 190)
    seen = seen_factors([frame_of(model, START), frame_of(model, START, 1 / 30, columns)], model, START)
    assert list(seen.deviations) == ["nothing", "prior", "depth", "outline"]
    assert all(
        (seen.deviations["nothing"] < seen.deviations[left_out]).all() for left_out in ("prior", "depth", "outline")
    )
    counted = seen.depth.points[seen.depth.weights > 0]
    u = CAMERA.project(counted)[:, 0]
    assert len(u) > 100 and not ((u > columns[0]) & (u < columns[1] - 1)).any()
    assert (
        len(seen.contour.lines)
        and not ((seen.contour.lines[:, 0] > columns[0]) & (seen.contour.lines[:, 0] < columns[1])).any()
    )


def test_the_command_writes_the_picture(tmp_path):
    draw(tmp_path, "clear", "demo_jug", seed=0, frame=1, before=1)
    image = cv2.imread(str(tmp_path / "factors.png"))
    assert image is not None and image.shape[1] > 4 * image.shape[0] and np.std(image) > 5
