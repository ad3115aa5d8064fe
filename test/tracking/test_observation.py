"""What a frame shows in a window, against images whose content is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import trimesh

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, make_pose, so3_exp
from pose_tracker_ros.objects import mesh_with_normals
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.observation import image_window, observe

CAMERA = PinholeCamera(160, 120, 150.0, 150.0, 80.0, 60.0)
OBJECT_M, WALL_M = 0.6, 0.9


class Window(NamedTuple):
    """The part of an image around its column and row."""

    frame: Frame
    camera: PinholeCamera
    left: int
    top: int
    scale: int
    center: np.ndarray


def window(frame: Frame, left: int, top: int, scale: int, side: int) -> Window:
    image = frame.camera
    intrinsics = image.fx / scale, image.fy / scale, (image.cx - left) / scale, (image.cy - top) / scale
    return Window(frame, PinholeCamera(side, side, *intrinsics), left, top, scale, np.array([0, 0, OBJECT_M]))


def noise_frame(seed: int = 0) -> Frame:
    generator = np.random.default_rng(seed)
    color = generator.integers(0, 256, (120, 160, 3), np.uint8)
    return Frame(color, generator.uniform(0.3, 2.0, (120, 160)).astype(np.float32), CAMERA, 0.0)


@pytest.mark.parametrize(("left", "top", "scale"), [(40, 30, 1), (-21, -10, 2), (100, 90, 3)])
def test_the_window_shows_the_frames_own_pixels_and_nothing_beyond(left, top, scale):
    frame = noise_frame()
    limits = (0.5, 1.5)
    seen = observe(window(frame, left, top, scale, 40), np.array([2.3, -1.4]), limits)
    for row in range(40):
        for column in range(40):
            y, x = top + scale * row, left + scale * column
            inside = 0 <= y < 120 and 0 <= x < 160
            assert np.array_equal(seen.color[row, column], frame.color[y, x] if inside else [0, 0, 0])
            # What depth has at p is seen in colour at p + shift.
            y, x = y + 1, x - 2
            depth = frame.depth[y, x] if 0 <= y < 120 and 0 <= x < 160 else 0
            assert seen.depth[row, column] == (depth if limits[0] <= depth <= limits[1] else 0)
    covered = np.zeros((40, 40), bool)
    covered[seen.window[1] : seen.window[3], seen.window[0] : seen.window[2]] = True
    assert np.array_equal(covered, seen.color.any(axis=2))


def test_images_may_be_parts_of_others_and_read_only():
    frame = noise_frame()
    wide = np.zeros((120, 200, 3), np.uint8)
    wide[:, 40:] = frame.color
    part = wide[:, 40:]
    part.flags.writeable = False
    other = Frame(part, frame.depth, CAMERA, 0.0)
    one, two = (observe(window(image, 20, 10, 2, 30)) for image in (frame, other))
    assert np.array_equal(one.color, two.color) and np.array_equal(one.depth, two.depth)


@pytest.mark.parametrize(
    "depth_camera",
    [PinholeCamera(110, 100, 90.0, 95.0, 52.0, 50.0), PinholeCamera(320, 260, 300.0, 290.0, 150.0, 128.0)],
    ids=["coarser", "finer"],
)
@pytest.mark.parametrize("shift", [(0.0, 0.0), (5.0, -3.0)])
def test_a_depth_camera_beside_is_seen_from_the_colour_camera(depth_camera, shift):
    box, wall = trimesh.creation.box((0.2, 0.16, 0.1)), trimesh.creation.box((4.0, 4.0, 0.02))
    wall.apply_translation((0, 0, WALL_M - OBJECT_M))
    scene = trimesh.util.concatenate([box, wall])
    renderer = RasterRenderer(mesh_with_normals(np.asarray(scene.vertices), np.asarray(scene.faces)))
    camera_T_scene = make_pose(so3_exp(np.array([0.1, 0.15, 0.0])), np.array([0, 0, OBJECT_M]))
    color_T_depth = make_pose(so3_exp(np.array([0.02, -0.03, 0.05])), np.array([0.05, 0.01, 0.004]))
    # Of a depth image that is shifted by so much, principal point and content.
    shifted = PinholeCamera(
        depth_camera.width, depth_camera.height, depth_camera.fx, depth_camera.fy,
        depth_camera.cx - shift[0], depth_camera.cy - shift[1],
    )  # fmt: skip
    depth = renderer.render(shifted, invert(color_T_depth) @ camera_T_scene, color=False).depth
    black = np.zeros((120, 160, 3), np.uint8)
    frame = Frame(black, depth, CAMERA, 0.0, depth_camera=depth_camera, color_T_depth=color_T_depth)
    view = window(frame, 36, 20, 2, 44)
    seen = observe(view, shift, (0.1, 2.0)).depth
    truth = renderer.render(view.camera, camera_T_scene, color=False).depth
    on_box = truth < 0.8
    assert on_box.sum() > 200 and (seen > 0).mean() > 0.85 and (seen[on_box] > 0).mean() > 0.98
    error = np.abs(seen - truth)[seen > 0]
    # Pixels beside an edge, and behind it, are those of the other surface.
    assert np.median(error) < 1e-3 and (error > 0.02).mean() < 0.07
    nothing = observe(view, shift, (0.1, 0.3)).depth
    assert not nothing.any()


def test_the_window_is_what_the_image_covers():
    camera = PinholeCamera(64, 48, 60.0, 61.0, 30.0, 25.0)
    for center in ([0.0, 0.0, 1.0], [-0.5, 0.35, 1.0], [0.6, -0.1, 1.2], [9.0, 0.0, 1.0]):
        crop = crop_camera(np.array(center), 0.4, 32)
        pixels = camera.project(crop.rays().astype(np.float64))
        inside = np.all((pixels >= -1e-6) & (pixels <= np.array([63, 47]) + 1e-6), axis=-1)
        left, top, right, bottom = image_window(camera, crop)
        expected = np.zeros((32, 32), bool)
        expected[top:bottom, left:right] = True
        assert np.array_equal(inside, expected)
