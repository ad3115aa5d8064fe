"""The room is closed, its support stands as asked, and flat surfaces are drawn where their equations say."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from simulated_scenes import SMALL, SMALL_TEXTURE_PX, STEADY, fitted_plane

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, make_pose, random_rotation, so3_exp, transform_points
from pose_tracker_ros.simulation import surfaces
from pose_tracker_ros.simulation.canvas import Canvas, Patch
from pose_tracker_ros.simulation.config import CameraConfig, RoomConfig
from pose_tracker_ros.simulation.paths import camera_path
from pose_tracker_ros.simulation.room import Room, support_pose

COLOR = np.array([200.0, 60.0, 40.0])
UNEVEN = PinholeCamera(120, 90, 110.0, 118.0, 57.3, 46.2)


def make_room(config: RoomConfig, kept_free: tuple = (), seed: int = 0) -> Room:
    with mock.patch.object(surfaces, "TEXTURE_PX", SMALL_TEXTURE_PX):
        return Room(config, STEADY, COLOR, kept_free, np.random.default_rng(seed))


def picture(room: Room, scene_T_camera: np.ndarray) -> Canvas:
    canvas = Canvas(SMALL)
    room.draw(canvas, scene_T_camera, 1.0)
    return canvas


def hits(patch: Patch, camera: PinholeCamera, camera_T_scene: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the ray of every pixel meets the patch's plane: coordinates (H, W, 2) in units of its edges, and depth (H, W)."""
    corner = transform_points(camera_T_scene, patch.corner[None])[0]
    across, along = camera_T_scene[:3, :3] @ patch.across, camera_T_scene[:3, :3] @ patch.along
    systems = np.empty((camera.height, camera.width, 3, 3))
    systems[..., 0], systems[..., 1], systems[..., 2] = across, along, -camera.rays().astype(np.float64)
    solved = np.linalg.solve(systems, np.broadcast_to(-corner, (camera.height, camera.width, 3))[..., None])[..., 0]
    return solved[..., :2], solved[..., 2]


def random_patch(generator: np.random.Generator, texture: np.ndarray) -> Patch:
    corner = generator.uniform(-1, 1, 3)
    return Patch.textured(corner, *generator.normal(size=(2, 3)), texture, owner=3)


def test_patches_are_where_rays_meet_them_also_beside_and_behind_the_camera():
    generator = np.random.default_rng(0)
    behind = outside = 0
    for _ in range(150):
        patch = random_patch(generator, np.full((4, 4, 3), 90, np.uint8))
        camera_T_scene = make_pose(random_rotation(generator), generator.uniform(-0.3, 0.3, 3))
        canvas = Canvas(UNEVEN)
        patch.draw(canvas, camera_T_scene, 1.0)
        coordinates, depth = hits(patch, UNEVEN, camera_T_scene)
        expected = np.all((coordinates >= 0) & (coordinates <= 1), axis=-1) & (depth > 0)
        drawn = canvas.owner == 3
        # Nothing is drawn nearer than 2 cm.
        assert np.array_equal(drawn | (np.abs(depth) < 0.0201), expected | (np.abs(depth) < 0.0201))
        assert np.all(np.abs(canvas.depth[drawn] - depth[drawn]) < 1e-4 * np.maximum(depth[drawn], 1))
        corners = patch.corner + np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) @ np.stack([patch.across, patch.along])
        ahead = transform_points(camera_T_scene, corners)[:, 2] > 0
        behind += drawn.any() and not ahead.all()
        outside += drawn.any() and np.any(drawn[[0, -1]])
    assert behind > 10 and outside > 20


def test_a_patch_shows_its_texture_between_texel_centres():
    generator = np.random.default_rng(1)
    texture = generator.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    for _ in range(5):
        patch = Patch.textured(
            np.array([-0.4, -0.3, 0.6]) + generator.uniform(-0.1, 0.1, 3),
            np.array([0.8, 0.1, 0.1]) + generator.uniform(-0.2, 0.2, 3),
            np.array([-0.1, 0.6, 0.2]) + generator.uniform(-0.2, 0.2, 3),
            texture,
            owner=3,
        )
        canvas, camera_T_scene = Canvas(UNEVEN), make_pose(so3_exp(generator.uniform(-0.3, 0.3, 3)), np.zeros(3))
        patch.draw(canvas, camera_T_scene, 1.0)
        x, y = np.moveaxis(hits(patch, UNEVEN, camera_T_scene)[0], -1, 0)
        x, y = np.clip(16 * x - 0.5, 0, 15), np.clip(12 * y - 0.5, 0, 11)
        left, top = np.minimum(x.astype(int), 14), np.minimum(y.astype(int), 10)
        right, low = (x - left)[..., None], (y - top)[..., None]
        above = (1 - right) * texture[top, left] + right * texture[top, left + 1]
        below = (1 - right) * texture[top + 1, left] + right * texture[top + 1, left + 1]
        error = np.abs(canvas.color - ((1 - low) * above + low * below))[canvas.owner == 3]
        # OpenCV interpolates at 32nds of a texel.
        assert len(error) > 2000 and error.max() < 255 * 2 / 32 and error.mean() < 1.5


def test_a_far_patch_shows_the_mean_of_its_texture():
    checks = np.uint8(255 * (np.indices((256, 256)).sum(axis=0) % 2))[..., None].repeat(3, axis=2)
    patch = Patch.textured(np.array([-0.5, -0.5, 3.0]), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), checks, owner=0)
    canvas = Canvas(SMALL)
    patch.draw(canvas, np.eye(4), 0.5)
    assert canvas.color[canvas.owner == 0].astype(float).mean() == pytest.approx(64, abs=2)
    assert canvas.color[canvas.owner == 0].std() < 4


def test_of_two_patches_the_nearer_one_is_seen_whichever_is_drawn_first():
    near = Patch.textured(np.array([-1, -1, 0.5]), np.array([2.0, 0, 0.6]), np.array([0, 2.0, 0]), np.zeros((2, 2, 3), np.uint8), 1)
    far = Patch.textured(np.array([-1, -1, 0.8]), np.array([2.0, 0, 0]), np.array([0, 2.0, 0]), np.zeros((2, 2, 3), np.uint8), 2)
    pictures = []
    for order in ((near, far), (far, near)):
        canvas = Canvas(SMALL)
        for patch in order:
            patch.draw(canvas, np.eye(4), 1.0)
        pictures.append(canvas)
    assert np.array_equal(pictures[0].owner, pictures[1].owner)
    nearer = hits(near, SMALL, np.eye(4))[1] < 0.8
    assert np.array_equal(pictures[0].owner == 1, nearer) and nearer.any() and not nearer.all()


@pytest.mark.parametrize(("distance", "tilt"), [(0.7, 75.0), (1.217, 35.0), (3.0, 88.0), (3.0, 8.0)])
def test_no_ray_leaves_the_room(distance, tilt):
    room = make_room(RoomConfig(support_m=distance, support_tilt_deg=tilt, clutter=3))
    generator = np.random.default_rng(0)
    for _ in range(12):
        pose = make_pose(random_rotation(generator), generator.uniform(-0.3, 0.3, 3))
        assert picture(room, pose).depth.min() > 0


@pytest.mark.parametrize(("distance", "tilt"), [(0.7, 60.0), (3.0, 10.0)])
def test_cameras_that_go_around_the_support_stay_in_the_room(distance, tilt):
    config = RoomConfig(support_m=distance, support_tilt_deg=tilt, clutter=0)
    scene_T_support = support_pose(config)
    camera = CameraConfig(path="orbit", orbit_deg=10.0)
    way = camera_path(camera, SMALL, 36, scene_T_support[:3, 3], scene_T_support[:3, 2], np.random.default_rng(0))
    room = make_room(config)
    for pose in way[::5]:
        canvas = picture(room, pose)
        assert canvas.depth.min() > 0
        middle = canvas.depth[58:62, 78:82].mean()
        assert middle == pytest.approx(distance, rel=0.05)


@pytest.mark.parametrize(("distance", "tilt"), [(0.6, 40.0), (0.8, 75.0), (1.217, 35.0)])
def test_the_support_is_as_far_and_as_tilted_as_asked(distance, tilt):
    canvas = picture(make_room(RoomConfig(support_m=distance, support_tilt_deg=tilt, clutter=0)), np.eye(4))
    around = np.zeros(canvas.depth.shape, bool)
    around[50:70, 60:100] = True
    normal, offset, residual = fitted_plane(SMALL, canvas.depth, around)
    assert residual < 1e-5
    assert offset / normal[2] == pytest.approx(distance, abs=1e-4)
    assert np.degrees(np.arcsin(normal[2])) == pytest.approx(tilt, abs=0.02)
    assert normal == pytest.approx(-support_pose(RoomConfig(support_m=distance, support_tilt_deg=tilt))[:3, 2], abs=1e-4)


def test_supports_have_the_colour_asked_for():
    seen = {}
    for color in ("wood", "plain", "other", "object"):
        canvas = picture(make_room(RoomConfig(support=color, support_m=0.7, support_tilt_deg=60, clutter=0)), np.eye(4))
        mean = canvas.color[40:80, 60:100].reshape(-1, 3).mean(axis=0)
        seen[color] = mean / mean.max()
    assert np.linalg.norm(seen["object"] - COLOR / COLOR.max()) < 0.05
    assert np.linalg.norm(seen["other"] - seen["object"]) > 0.3
    assert np.ptp(seen["plain"]) < 0.05 < np.ptp(seen["wood"])


def test_clutter_leaves_places_free_and_one_that_makes_way_moves_no_other():
    config = RoomConfig(support_m=0.9, support_tilt_deg=70.0, clutter=15)
    bare = picture(make_room(RoomConfig(support_m=0.9, support_tilt_deg=70.0, clutter=0)), np.eye(4))
    crowded = picture(make_room(config), np.eye(4))
    on_support = transform_points(invert(support_pose(config)), SMALL.back_project(crowded.depth).reshape(-1, 3))
    cluttered = (np.abs(crowded.depth - bare.depth) > 1e-4).ravel()
    assert 0.02 < cluttered.mean() < 0.7
    place = np.array([*np.median(on_support[cluttered], axis=0)[:2], 0.0])
    radius = 0.15
    freed = picture(make_room(config, ((transform_points(support_pose(config), place[None])[0], radius),)), np.eye(4))
    points = transform_points(invert(support_pose(config)), SMALL.back_project(freed.depth).reshape(-1, 3))
    left = (np.abs(freed.depth - bare.depth) > 1e-4).ravel()
    assert np.linalg.norm(points[left] - place, axis=1).min() > 0.8 * radius
    same = cluttered & (np.abs(freed.depth - crowded.depth) < 1e-6).ravel()
    assert same.sum() > 0.2 * cluttered.sum()
