"""A cube in front of a crop camera and a folder of one known image, for the tests of scenes."""

from pathlib import Path

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.raycast import RaycastRenderer

CENTER = np.array([0.05, -0.02, 0.6])
MAGENTA = (255, 0, 255)


def write_magenta_folder(parent: Path) -> Path:
    """A folder of one image, in a subfolder."""
    (parent / "images" / "some").mkdir(parents=True)
    cv2.imwrite(str(parent / "images" / "some" / "wall.png"), np.full((400, 600, 3), MAGENTA[::-1], np.uint8))
    return parent / "images"


def scene_of(model: ObjectModel) -> tuple[PinholeCamera, np.ndarray, Rendering]:
    """Crop camera, pose and rendering of an object."""
    camera = crop_camera(CENTER, 1.5 * model.diameter_m, 64)
    rotation = so3_exp(np.array([0.5, 0.3, 0.2]))
    pose = make_pose(rotation, CENTER - rotation @ model.center_m)
    return camera, pose, RaycastRenderer(model.mesh, threads=1).render(camera, pose)
