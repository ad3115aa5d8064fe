"""Each renderer against closed forms, and the renderers against one another."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
import threading

import numpy as np
import open3d as o3d
import pytest
import trimesh
from shapes import cube, sphere, square

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.geometry import make_pose, random_rotation, so3_exp, transform_points
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.rendering.protocol import RENDERERS, UNKNOWN_COLOR

CAMERA = PinholeCamera(173, 131, 150.0, 160.0, 80.3, 70.7)
NEEDS_EGL = pytest.mark.skipif(ctypes.util.find_library("EGL") is None, reason="needs libegl1")
EACH = pytest.mark.parametrize("name", ["raycast", "raster", pytest.param("opengl", marks=NEEDS_EGL)])


def at(x: float, y: float, z: float, rotation_vector: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    return make_pose(so3_exp(np.array(rotation_vector)), np.array([x, y, z]))


@EACH
def test_tilted_plane_has_the_depth_and_normal_of_its_equation(name):
    pose = at(0.02, -0.01, 0.5, (0.5, 0.3, 0.1))
    rendering = create_renderer(name, square(0.2)).render(CAMERA, pose)
    normal = pose[:3, 2]
    expected = (normal @ pose[:3, 3]) / (CAMERA.rays() @ normal)
    assert rendering.mask.sum() > 1000
    assert rendering.depth[rendering.mask] == pytest.approx(expected[rendering.mask], abs=1e-5)
    towards_camera = -normal * np.sign(normal[2])
    assert rendering.normal[rendering.mask] @ towards_camera == pytest.approx(1.0, abs=1e-4)


@EACH
def test_sphere_has_the_depth_normal_and_outline_of_its_equation(name):
    radius, center = 0.1, np.array([0.05, 0.03, 0.6])
    # Not so many triangles that the rasterizer would draw fewer.
    rendering = create_renderer(name, sphere(radius, subdivisions=4)).render(CAMERA, at(*center))
    rays = CAMERA.rays().astype(np.float64)
    squared, along = np.sum(rays**2, axis=-1), rays @ center
    discriminant = along**2 - squared * (center @ center - radius**2)
    depth = (along - np.sqrt(np.maximum(discriminant, 0))) / squared
    assert np.sum(rendering.mask != (discriminant > 0)) <= 0.01 * rendering.mask.sum()
    # At the outline the triangles' depth is not the sphere's.
    inner = rendering.mask & (discriminant > 1e-3)
    assert rendering.depth[inner] == pytest.approx(depth[inner], abs=4e-4)
    normals = (rays * depth[..., None] - center)[inner] / radius
    assert np.degrees(np.arccos(np.clip(np.sum(rendering.normal[inner] * normals, axis=1), -1, 1))).max() < 1.5
    assert np.abs(rendering.color[inner] - (127.5 + 127.5 * normals)).max() < 4


@EACH
def test_cube_covers_the_pixels_whose_centres_it_covers(name):
    """A front face from column 60.5 to 100.5 and row 50.5 to 82.5 covers columns 61..100 and rows 51..82."""
    camera = PinholeCamera(160, 120, 200.0, 160.0, 80.5, 66.5)
    rendering = create_renderer(name, cube(0.1)).render(camera, at(0, 0, 0.55))
    rows, columns = np.nonzero(rendering.mask)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (61, 100, 51, 82)
    assert rendering.mask.sum() == 40 * 32
    assert rendering.depth[rendering.mask] == pytest.approx(0.5, abs=1e-6)


@EACH
def test_a_small_ball_is_seen_where_project_says(name):
    renderer = create_renderer(name, sphere(0.005))
    for point in ((0.0, 0.0, 0.5), (0.2, 0.1, 0.5), (-0.15, -0.12, 0.4)):
        rendering = renderer.render(PinholeCamera(320, 240, 300.0, 280.0, 150.25, 130.75), at(*point))
        rows, columns = np.nonzero(rendering.mask)
        expected = PinholeCamera(320, 240, 300.0, 280.0, 150.25, 130.75).project(np.array(point))
        assert (columns.mean(), rows.mean()) == pytest.approx(tuple(expected), abs=0.15)


@EACH
def test_texture_is_upright_and_not_mirrored(name):
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :32], texture[:32, 32:] = (250, 0, 0), (0, 250, 0)
    texture[32:, :32], texture[32:, 32:] = (0, 0, 250), (250, 250, 0)
    camera = PinholeCamera(100, 100, 100.0, 100.0, 49.5, 49.5)
    color = create_renderer(name, square(0.4, texture)).render(camera, at(0, 0, 0.5)).color
    assert color[25, 25].tolist() == [250, 0, 0]
    assert color[25, 75].tolist() == [0, 250, 0]
    assert color[75, 25].tolist() == [0, 0, 250]
    assert color[75, 75].tolist() == [250, 250, 0]
    assert np.abs(color[48, 25].astype(int) - [250, 0, 0]).max() <= 2
    assert np.abs(color[51, 25].astype(int) - [0, 0, 250]).max() <= 2


@EACH
def test_fine_texture_is_averaged_when_it_is_far_away(name):
    texture = np.zeros((512, 512, 3), np.uint8)
    texture[::2, ::2] = texture[1::2, 1::2] = 200
    rendering = create_renderer(name, square(0.4, texture)).render(CAMERA, at(0, 0, 1.0))
    assert np.abs(rendering.color[rendering.mask].astype(int) - 100).max() <= 2


@EACH
def test_unknown_colour_is_grey_and_the_rest_is_zero(name):
    rendering = create_renderer(name, cube(0.1)).render(CAMERA, at(0, 0, 0.5, (0.4, 0.5, 0)))
    assert np.all(rendering.color[rendering.mask] == UNKNOWN_COLOR)
    for image in (rendering.color, rendering.depth, rendering.normal):
        assert not image[~rendering.mask].any()
    assert (rendering.color.dtype, rendering.depth.dtype, rendering.normal.dtype) == (np.uint8, np.float32, np.float32)


@EACH
@pytest.mark.parametrize("place", [(0, 0, -0.5), (5, 0, 0.5), (0, -4, 0.5), (0, 0, -0.06)])
def test_an_object_out_of_sight_gives_an_empty_mask(name, place):
    rendering = create_renderer(name, sphere(0.05)).render(CAMERA, at(*place))
    assert not rendering.mask.any() and not rendering.depth.any() and not rendering.color.any()


@EACH
def test_a_camera_inside_the_object_sees_its_far_side(name):
    rendering = create_renderer(name, sphere(0.2)).render(CAMERA, at(0, 0, 0.1))
    assert rendering.mask.all()
    assert rendering.depth[71, 80] == pytest.approx(0.3, abs=1e-3)
    assert rendering.normal[71, 80] == pytest.approx([0, 0, -1], abs=0.03)


@EACH
def test_a_crop_camera_sees_what_the_full_camera_sees(name):
    """The crop's rays hit the same surface: its points, in the full camera's image, have the same depth."""
    renderer, pose = create_renderer(name, sphere(0.1)), at(0.2, -0.15, 0.7)
    full_camera = PinholeCamera(640, 480, 600.0, 610.0, 325.0, 236.0)
    crop = crop_camera(pose[:3, 3], 0.3, 96)
    full, cut = renderer.render(full_camera, pose), renderer.render(crop, pose)
    points = crop.back_project(cut.depth)[cut.mask & (cut.normal[..., 2] < -0.7)]
    columns, rows = np.rint(full_camera.project(points)).astype(int).T
    inside = (columns >= 0) & (columns < 640) & (rows >= 0) & (rows < 480)
    assert inside.sum() > 500
    assert full.depth[rows[inside], columns[inside]] == pytest.approx(points[inside, 2], abs=2e-3)


@NEEDS_EGL
@pytest.mark.parametrize("object_name", ["demo_jug", "cube"])
@pytest.mark.parametrize(
    "camera",
    [CAMERA, crop_camera(np.array([0.1, 0.05, 0.6]), 0.28, 128), PinholeCamera(640, 480, 615.0, 610.0, 300.2, 250.9)],
    ids=["small", "crop", "full"],
)
def test_renderers_agree(object_name, camera):
    mesh = load_object(object_name).mesh
    generator = np.random.default_rng(3)
    renderers = [create_renderer(name, mesh) for name in RENDERERS]
    for _ in range(3):
        pose = make_pose(random_rotation(generator), np.array([0.1, 0.05, 0.6]))
        one, *others = (renderer.render(camera, pose) for renderer in renderers)
        for other in others:
            both = one.mask & other.mask
            assert both.sum() > 500
            assert both.sum() >= 0.98 * np.sum(one.mask | other.mask)
            assert np.mean(np.abs(one.depth - other.depth)[both] < 1e-3) >= 0.99
            assert np.median(np.abs(one.color[both].astype(int) - other.color[both])) <= 3
            assert np.mean(np.abs(one.color[both].astype(int) - other.color[both])) <= 3
            angles = np.degrees(np.arccos(np.clip(np.sum(one.normal[both] * other.normal[both], axis=1), -1, 1)))
            assert np.median(angles) < 1 and np.quantile(angles, 0.99) < 5


def test_rendered_points_lie_on_the_mesh():
    """Depth of the raycaster, taken back to the object frame, lies on the surface by the mesh's own geometry."""
    model = load_object("demo_jug")
    pose = at(0.02, 0.01, 0.55, (1.2, -0.4, 0.7))
    rendering = create_renderer("raycast", model.mesh).render(CAMERA, pose)
    points = CAMERA.back_project(rendering.depth)[rendering.mask]
    in_object = transform_points(np.linalg.inv(pose), points.astype(np.float64))
    surface = trimesh.Trimesh(model.mesh.vertices, model.mesh.faces, process=False)
    _, distance, _ = trimesh.proximity.closest_point_naive(surface, in_object[::20])
    assert distance.max() < 1e-5


@NEEDS_EGL
def test_opengl_draws_from_several_threads():
    renderer, pose = create_renderer("opengl", cube(0.1)), at(0, 0, 0.5)
    expected = renderer.render(CAMERA, pose).depth
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(renderer.render(CAMERA, pose).depth)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 3 and all(np.array_equal(depth, expected) for depth in seen)


@NEEDS_EGL
def test_opengl_renderers_outlive_one_another():
    first, second = create_renderer("opengl", cube(0.1)), create_renderer("opengl", sphere(0.1))
    expected = second.render(CAMERA, at(0, 0, 0.5)).depth
    del first
    assert np.array_equal(second.render(CAMERA, at(0, 0, 0.5)).depth, expected)
    assert create_renderer("opengl", square(0.1)).render(CAMERA, at(0, 0, 0.5)).mask.any()


def test_opengl_without_a_usable_device_says_what_to_do():
    program = (
        "from shapes import cube\nfrom pose_tracker_ros.rendering import create_renderer\n"
        "try: create_renderer('opengl', cube(0.1))\nexcept OSError as error: print(error)"
    )
    environment = {**os.environ, "PYOPENGL_PLATFORM": "egl", "EGL_DEVICE_ID": "99"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert "expected an OpenGL driver" in done.stdout and "raycast" in done.stdout, done.stderr


def test_an_unknown_renderer_is_refused():
    with pytest.raises(ValueError, match="raycast, raster, opengl.*'vulkan'"):
        create_renderer("vulkan", cube(0.1))


@pytest.mark.parametrize("object_name", ["demo_jug", "cube"])
def test_ray_casting_leaves_out_no_pixel_that_sees_the_object(object_name):
    """Also where the object leaves the image, or begins behind the camera."""
    model = load_object(object_name)
    renderer = create_renderer("raycast", model.mesh)
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(model.mesh.vertices), o3d.core.Tensor(model.mesh.faces.astype(np.uint32)))
    camera = PinholeCamera(80, 60, 70.0, 75.0, 38.0, 31.0)
    generator = np.random.default_rng(0)
    seen = []
    for _ in range(60):
        distance = model.diameter_m * generator.choice([0.3, 1.0, 3.0])
        center = distance * np.array([*generator.uniform(-0.7, 0.7, 2), 1.0])
        rotation = random_rotation(generator)
        pose = make_pose(rotation, center - rotation @ model.center_m)
        rays = np.concatenate(
            [np.broadcast_to(-rotation.T @ pose[:3, 3], (60, 80, 3)), camera.rays() @ rotation], axis=2
        )
        depth = scene.cast_rays(o3d.core.Tensor(rays.astype(np.float32)))["t_hit"].numpy()
        rendering = renderer.render(camera, pose)
        # Rays that graze an edge may fall to either side by rounding.
        assert (rendering.mask != np.isfinite(depth)).sum() <= 1
        both = rendering.mask & np.isfinite(depth)
        assert (np.abs(rendering.depth - depth)[both] > 1e-4).sum() <= 2
        seen.append(both.mean())
    assert min(seen) < 0.1 and max(seen) > 0.8
