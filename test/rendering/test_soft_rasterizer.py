"""Fragments against closed forms and against the ray-casting renderer."""

import subprocess
import sys

import cv2
import numpy as np
import open3d as o3d
import pytest
import torch
import trimesh
from shapes import cube, sphere, square

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose, random_rotation, transform_points
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.soft import (
    RasterizationSettings,
    SoftMesh,
    intrinsics_of,
    rasterize,
    transform_vertices,
)

CAMERA = PinholeCamera(160, 120, 151.0, 149.0, 81.3, 57.9)
# With these intrinsics a vertex (x, y, 1) is at pixel (x, y).
PIXELS = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)


def triangle(*corners, dtype=torch.float64):
    return torch.tensor([corners], dtype=dtype), torch.tensor([[0, 1, 2]])


def fragments_of(mesh, pose, camera=CAMERA, dtype=torch.float32, **settings):
    soft = SoftMesh.from_mesh(mesh, dtype)
    points = transform_vertices(torch.as_tensor(pose, dtype=dtype)[None], soft.vertices)
    settings = RasterizationSettings((camera.height, camera.width), **settings)
    return rasterize(points, soft.faces, intrinsics_of(camera, dtype=dtype), settings)


def cast(mesh, pose, camera):
    """Depth and face index of an independent renderer, and pixels whose neighbours are all on the object."""
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(transform_points(pose, mesh.vertices).astype(np.float32)),
        o3d.core.Tensor(mesh.faces.astype(np.uint32)),
    )
    rays = np.concatenate([np.zeros((camera.height, camera.width, 3), np.float32), camera.rays()], axis=-1)
    hits = scene.cast_rays(o3d.core.Tensor(rays))
    depth = hits["t_hit"].numpy()
    interior = cv2.erode(np.isfinite(depth).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return depth, hits["primitive_ids"].numpy().astype(np.int64), interior


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "mesh", [load_object("demo_jug").mesh, sphere(0.1, 4), cube(0.12)], ids=["jug", "ball", "cube"]
)
def test_depth_and_faces_are_those_of_the_ray_caster(mesh, dtype):
    generator = np.random.default_rng(5)
    same_face, same_depth, count = 0, 0, 0
    for _ in range(3):
        pose = make_pose(random_rotation(generator), np.array([0.03, -0.02, 0.5]))
        face, depth = (image[0].numpy() for image in fragments_of(mesh, pose, dtype=dtype).nearest())
        expected_depth, expected_face, interior = cast(mesh, pose, CAMERA)
        assert np.sum((face >= 0) != np.isfinite(expected_depth)) <= 2
        same_face += np.sum(face[interior] == expected_face[interior])
        same_depth += np.sum(np.abs(depth[interior] - expected_depth[interior]) < 1e-5)
        count += interior.sum()
    assert count > 3000
    assert same_face >= 0.995 * count and same_depth >= 0.995 * count


def test_depth_back_projected_lies_on_the_mesh():
    mesh, pose = load_object("demo_jug").mesh, make_pose(np.eye(3), np.array([0.0, 0.0, 0.4]))
    depth = fragments_of(mesh, pose).nearest()[1][0].numpy()
    points = transform_points(np.linalg.inv(pose), CAMERA.back_project(depth)[depth > 0].astype(np.float64))
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert trimesh.proximity.closest_point_naive(surface, points[::20])[1].max() < 1e-5


def test_depth_of_a_slanted_plane_is_that_of_the_plane_only_with_perspective():
    points, faces = triangle((-1.0, -1.0, 0.5), (1.0, -1.0, 1.5), (0.0, 1.0, 1.0))
    intrinsics = torch.tensor([100.0, 100.0, 50.0, 50.0], dtype=torch.float64)
    normal = torch.linalg.cross(points[0, 1] - points[0, 0], points[0, 2] - points[0, 0])
    pixels = (torch.arange(100, dtype=torch.float64) - 50) / 100
    rays = torch.stack([*torch.meshgrid(pixels, pixels, indexing="xy"), torch.ones(100, 100)], dim=-1)
    expected = (normal @ points[0, 0]) / (rays @ normal)
    errors = []
    for perspective in (True, False):
        settings = RasterizationSettings((100, 100), perspective_correct=perspective)
        face, depth = rasterize(points, faces, intrinsics, settings).nearest()
        inside = face[0] >= 0
        assert inside.sum() > 3000
        errors.append((depth[0] - expected)[inside].abs().max().item())
    assert errors[0] < 1e-12 and errors[1] > 5e-3


def test_squared_distances_are_in_ndc_and_negative_inside():
    """Of the shorter side, 200 px, one pixel is 0.01 NDC."""
    points, faces = triangle((100.0, -9000.0, 1.0), (100.0, 9000.0, 1.0), (-20000.0, 0.0, 1.0))
    settings = RasterizationSettings((200, 300), blur_radius=0.05**2 + 1e-9)
    fragments = rasterize(points, faces, PIXELS, settings)
    distance = fragments.to_images(fragments.squared_distance, 1, np.nan)[0, 77, :, 0]
    for column, expected in ((97, -(0.03**2)), (100, 0.0), (103, 0.03**2), (105, 0.05**2)):
        assert distance[column].item() == pytest.approx(expected, abs=1e-12)
    assert torch.isnan(distance[106:]).all() and not torch.isnan(distance[:106]).any()
    # Beyond a corner the nearest point is the corner.
    corner = triangle((10.0, 10.0, 1.0), (5.0, 10.0, 1.0), (10.0, 5.0, 1.0))
    fragments = rasterize(*corner, PIXELS, settings)
    distance = fragments.to_images(fragments.squared_distance, 1, np.nan)[0, ..., 0]
    assert distance[13, 14].item() == pytest.approx((3**2 + 4**2) * 1e-4) and torch.isnan(distance[14, 14])


def test_fragments_are_ordered_by_depth_and_cut_to_the_nearest():
    mesh = sphere(0.1, 2)
    pose = make_pose(np.eye(3), np.array([0, 0, 0.5]))
    fragments = fragments_of(mesh, pose, blur_radius=1e-3, faces_per_pixel=100)
    assert int(fragments.rank.max()) > 10
    depth = fragments.to_images(fragments.depth, 100, float("inf"))
    assert bool((depth[..., 1:] >= depth[..., :-1] - 1e-6).all())
    few = fragments_of(mesh, pose, blur_radius=1e-3, faces_per_pixel=4)
    assert torch.equal(few.to_images(few.face, 4), fragments.to_images(fragments.face, 100)[..., :4])
    assert torch.equal(few.pixel[few.rank == 0], fragments.pixel[fragments.rank == 0])


def test_culling_leaves_the_faces_that_look_at_the_camera():
    pose = make_pose(np.eye(3), np.array([0, 0, 0.5]))
    all_faces = fragments_of(cube(0.1), pose, faces_per_pixel=4)
    front = fragments_of(cube(0.1), pose, faces_per_pixel=4, cull_backfaces=True)
    assert torch.equal(front.face[front.rank == 0], all_faces.face[all_faces.rank == 0])
    assert int(all_faces.rank.max()) >= 1 and front.depth.max() < 0.451
    # Seen from inside only the backs are there.
    inside = make_pose(np.eye(3), np.zeros(3))
    assert len(fragments_of(cube(0.1), inside, cull_backfaces=True).face) == 0


def test_barycentrics_outside_a_face_are_clipped_with_a_blur_radius():
    points, faces = triangle((20.0, 20.0, 1.0), (22.0, 66.0, 1.1), (60.0, 20.0, 1.0))
    for clip in (None, False):
        settings = RasterizationSettings((80, 80), blur_radius=0.01, clip_barycentrics=clip)
        fragments = rasterize(points, faces, PIXELS, settings)
        assert fragments.barycentrics.sum(dim=1).numpy() == pytest.approx(1)
        lowest = fragments.barycentrics.min().item()
        assert lowest == 0 if clip is None else lowest < -0.05


def test_views_in_one_batch_are_drawn_as_alone():
    mesh, generator = SoftMesh.from_mesh(sphere(0.1, 2)), np.random.default_rng(0)
    poses = np.stack([make_pose(random_rotation(generator), np.array([x, 0, 0.5])) for x in (-0.1, 0.0, 0.1)])
    poses = torch.as_tensor(poses, dtype=torch.float32)
    intrinsics = intrinsics_of(CAMERA).repeat(3, 1) * torch.tensor([[1.0], [0.8], [1.1]])
    settings = RasterizationSettings((120, 160), 1e-3, 8)
    points = transform_vertices(poses, mesh.vertices)
    together = rasterize(points, mesh.faces, intrinsics, settings)
    for view in range(3):
        alone = rasterize(points[view : view + 1], mesh.faces, intrinsics[view : view + 1], settings)
        mine = together.image == view
        assert torch.equal(together.face[mine], alone.face) and torch.equal(together.depth[mine], alone.depth)


@pytest.mark.parametrize("z", [-0.5, 0.0, 0.0005])
def test_what_is_not_in_front_of_the_camera_is_not_drawn(z):
    assert len(fragments_of(square(0.1), make_pose(np.eye(3), np.array([0, 0, z]))).face) == 0


def test_faces_without_area_and_out_of_sight_have_no_fragments_nor_bad_gradients():
    points = torch.tensor([[[20.0, 20, 1], [20, 20, 1], [30, 30, 1], [500, 500, 1]]], requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [0, 2, 2], [3, 3, 3]])
    fragments = rasterize(points, faces, PIXELS.float(), RasterizationSettings((64, 64), 1e-3, 4))
    assert len(fragments.face) == 0
    (fragments.depth.sum() + 0 * points.sum()).backward()
    assert torch.isfinite(points.grad).all()


def test_settings_and_shapes_without_meaning_are_refused():
    for bad in ({"image_size": (0, 5)}, {"blur_radius": -1.0}, {"faces_per_pixel": 0}, {"near": 0.0}):
        with pytest.raises(ValueError, match="expected a positive image size"):
            RasterizationSettings(**bad)
    with pytest.raises(ValueError, match="expected points"):
        rasterize(torch.zeros(4, 3), torch.zeros(1, 3, dtype=torch.int64), PIXELS, RasterizationSettings())


def test_fifty_thousand_faces_in_a_full_image_stay_below_4_gb():
    program = """
import resource, sys, torch, numpy as np
sys.path.insert(0, "test")
from shapes import sphere
import trimesh
from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.rendering.soft import *
torch.set_num_threads(1)
ball = trimesh.creation.uv_sphere(radius=0.12, count=[160, 160])
faces = torch.as_tensor(np.array(ball.faces, np.int64))
vertices = torch.as_tensor(np.array(ball.vertices, np.float32))
pose = torch.eye(4); pose[2, 3] = 0.5
pose.requires_grad_()
sigma = sigma_of_pixels(0.5, (480, 640))
settings = RasterizationSettings((480, 640), recommended_blur_radius(sigma), 30)
intrinsics = intrinsics_of(PinholeCamera(640, 480, 600, 600, 320, 240))
fragments = rasterize(transform_vertices(pose[None], vertices), faces, intrinsics, settings)
soft_silhouette(fragments, sigma).sum().backward()
assert torch.isfinite(pose.grad).all()
print(len(faces), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    faces, gigabytes = done.stdout.split()
    assert int(faces) > 50_000 and float(gigabytes) < 4
