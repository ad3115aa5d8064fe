"""Silhouettes, blending and lighting against numbers worked out by hand from their formulas."""

import math

import numpy as np
import pytest
import torch
from shapes import cube, square

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.rendering.soft import (
    AmbientLight,
    BlendSettings,
    DirectionalLight,
    Fragments,
    ImageTexture,
    Material,
    PointLight,
    RasterizationSettings,
    SoftMesh,
    intrinsics_of,
    rasterize,
    recommended_blur_radius,
    sigma_of_pixels,
    soft_blend,
    soft_depth,
    soft_silhouette,
    transform_vertices,
)

PIXELS = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
SIZE = (256, 256)


def alpha_of(vertices, faces, sigma, intrinsics=PIXELS, faces_per_pixel=8, **settings):
    points = torch.as_tensor(vertices, dtype=torch.float64)[None]
    settings = RasterizationSettings(SIZE, recommended_blur_radius(sigma), faces_per_pixel, **settings)
    return soft_silhouette(rasterize(points, torch.as_tensor(faces), intrinsics, settings), sigma)[0]


def stack(depths, coverages, sigma=1e-4):
    """One pixel with fragments at these depths and coverages."""
    count = len(depths)
    coverage = torch.tensor(coverages, dtype=torch.float64)
    return Fragments(
        1,
        (1, 1),
        torch.zeros(count, dtype=torch.int64),
        torch.arange(count),
        torch.arange(count),
        torch.tensor(depths, dtype=torch.float64),
        torch.full((count, 3), 1 / 3, dtype=torch.float64),
        -sigma * torch.logit(coverage),
    )


@pytest.mark.parametrize(
    ("sigma", "outside_px", "expected"),
    [(1e-4, 0, 0.5), (1e-4, 1, 0.3520), (1e-4, 2, 0.0801), (1e-4, 3, 0.0041), (1e-5, 1, 0.0022)]
    + [(1e-4, -1, 0.6480), (1e-4, -2, 0.9199), (1e-4, -3, 0.9959)],
)
def test_coverage_beside_a_long_straight_edge(sigma, outside_px, expected):
    edge = [(128.0, -9000.0, 1.0), (128.0, 9000.0, 1.0), (-20000.0, 0.0, 1.0)]
    assert alpha_of(edge, [[0, 1, 2]], sigma)[100, 128 + outside_px].item() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("sigma", "expected"), [(1e-4, 0.4619), (1e-5, 0.1786)])
def test_coverage_half_a_pixel_outside(sigma, expected):
    edge = [(127.5, -9000.0, 1.0), (127.5, 9000.0, 1.0), (-20000.0, 0.0, 1.0)]
    assert alpha_of(edge, [[0, 1, 2]], sigma)[100, 128].item() == pytest.approx(expected, abs=1e-3)


def test_the_blur_radius_cuts_coverage_at_one_in_ten_thousand():
    assert recommended_blur_radius(1e-4) == pytest.approx(9.21e-4, rel=1e-3)
    assert math.sqrt(recommended_blur_radius(1e-4)) * 128 == pytest.approx(3.88, abs=0.01)
    assert sigma_of_pixels(2.0, SIZE) == pytest.approx((2 / 128) ** 2)


def test_two_triangles_of_a_square_cover_their_diagonal_by_three_quarters():
    corners = [(50.0, 50.0, 1.0), (200.0, 50.0, 1.0), (200.0, 200.0, 1.0), (50.0, 200.0, 1.0)]
    alpha = alpha_of(corners, [[0, 1, 2], [0, 2, 3]], 1e-4)
    assert alpha[120, 120].item() == pytest.approx(0.75, abs=1e-3)
    assert alpha[80, 160].item() == pytest.approx(1, abs=1e-3)
    swapped = alpha_of(corners, [[0, 2, 3], [0, 1, 2]], 1e-4)
    assert (alpha - swapped).abs().max() < 1e-6
    single = alpha_of(corners, [[0, 1, 2]], 1e-4)
    assert bool((alpha >= single - 1e-12).all()) and alpha.min() >= 0 and alpha.max() <= 1


@pytest.mark.parametrize(("cull", "expected"), [(False, 0.75), (True, 0.5)])
def test_the_outline_of_a_closed_mesh_is_covered_from_both_sides(cull, expected):
    """A cube turned by 45 degrees about the vertical: its right vertical edge is at an integer column."""
    mesh = cube(0.1)
    turn = math.pi / 4
    rotation = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
    vertices = mesh.vertices @ rotation.T + [0, 0, 1]
    focal = 60 / 0.1 * math.sqrt(2)
    intrinsics = torch.tensor([focal, focal, 128.0, 128.0], dtype=torch.float64)
    alpha = alpha_of(vertices, mesh.faces.astype(np.int64), 1e-4, intrinsics, cull_backfaces=cull)
    assert alpha[128, 128 + 60].item() == pytest.approx(expected, abs=1e-3)


def test_a_faint_face_alone_is_opaque_in_colour_but_not_in_alpha():
    """The halo of PyTorch3D's blending; composited it is gone."""
    color = torch.tensor([[0.2, 0.4, 0.6]], dtype=torch.float64)
    fragments = stack([50.0], [1e-4])
    rgba = soft_blend(color, fragments, BlendSettings())[0, 0, 0]
    assert rgba[:3].numpy() == pytest.approx(color[0].numpy(), abs=1e-5)
    assert rgba[3].item() == pytest.approx(1e-4)
    composited = soft_blend(color, fragments, BlendSettings(), composited=True)[0, 0, 0]
    assert composited[:3].numpy() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("nearest", [0.3, 2.0])
def test_two_faces_are_mixed_by_the_softmax_of_their_depths(nearest):
    settings = BlendSettings(gamma=1e-4, near=1.0, far=100.0)
    gap = 0.01
    colors = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]], dtype=torch.float64)
    red, green, *_ = soft_blend(colors, stack([nearest, nearest + gap], [0.999, 0.999]), settings)[0, 0, 0]
    assert (green / red).item() == pytest.approx(math.exp(-gap / (1e-4 * 99)), rel=1e-6)


def test_a_pixel_without_faces_shows_the_background():
    fragments = stack([1.0], [0.5])
    empty = Fragments(1, (1, 2), *(getattr(fragments, name) for name in list(Fragments.__annotations__)[2:]))
    rgba = soft_blend(torch.zeros(1, 3, dtype=torch.float64), empty, BlendSettings(background=(0.1, 0.2, 0.3)))
    assert rgba[0, 0, 1].numpy() == pytest.approx([0.1, 0.2, 0.3, 0])
    assert soft_depth(empty, far=7.0)[0, 0, 1].item() == 7.0


def test_soft_depth_gives_what_nearer_faces_leave_to_farther_ones():
    assert soft_depth(stack([1.0, 2.0], [0.25, 0.5]), far=10.0).item() == pytest.approx(0.25 + 1.0 + 0.25 * 10)
    assert soft_depth(stack([1.0, 2.0, 3.0], [0.75, 0.75, 0.9]), far=10.0).item() == pytest.approx(0.75 + 0.5)


def lit(light, normal=(0.0, 0.0, -1.0), color=1.0, material=None):
    """Colour of the middle pixel of a square at a metre whose normals are all ``normal``."""
    mesh = SoftMesh.from_mesh(square(0.2), torch.float64)
    mesh = SoftMesh(
        mesh.vertices,
        torch.tensor(normal, dtype=torch.float64).expand(4, 3),
        mesh.faces,
        type(mesh.texture)(torch.full((4, 3), color, dtype=torch.float64)),
    )
    pose = torch.eye(4, dtype=torch.float64)[None].clone()
    pose[0, 2, 3] = 1.0
    intrinsics = torch.tensor([50.0, 50.0, 10.0, 10.0], dtype=torch.float64)
    fragments = rasterize(
        transform_vertices(pose, mesh.vertices), mesh.faces, intrinsics, RasterizationSettings((21, 21))
    )
    return mesh.hard_phong(pose, fragments, light, material=material)[0, 10, 10].numpy()


def test_phong_where_normal_light_and_camera_are_in_one_line():
    assert lit(PointLight((0, 0, 0))) == pytest.approx([1.0] * 4)
    assert lit(PointLight((0, 0, 0)), color=0.5) == pytest.approx([0.6, 0.6, 0.6, 1])
    assert lit(DirectionalLight((0, 0, -3))) == pytest.approx([1.0] * 4)
    assert lit(AmbientLight(), color=0.3) == pytest.approx([0.3, 0.3, 0.3, 1])


def test_phong_from_behind_and_from_the_side():
    assert lit(PointLight((0, 0, 5)), color=0.8)[0] == pytest.approx(0.4)
    tilt = math.radians(60)
    sideways = DirectionalLight((math.sin(tilt), 0, -math.cos(tilt)))
    assert lit(sideways)[0] == pytest.approx(0.5 + 0.3 * 0.5 + 0.2 * 0.5**64)
    shiny = Material(specular=(2.0, 2.0, 2.0), diffuse=(0, 0, 0), shininess=2.0)
    assert lit(sideways, material=shiny)[0] == pytest.approx(0.5 + 0.4 * 0.25)


def test_an_image_texture_is_drawn_as_by_the_ray_caster():
    texture = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    mesh, camera = square(0.2, texture), PinholeCamera(64, 48, 120.0, 121.0, 30.3, 25.1)
    pose = make_pose(np.eye(3), np.array([0.01, -0.02, 0.5]))
    pose[:3, :3] = [[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]]
    soft = SoftMesh.from_mesh(mesh, torch.float64)
    at = torch.as_tensor(pose)[None]
    points = transform_vertices(at, soft.vertices)
    fragments = rasterize(
        points, soft.faces, intrinsics_of(camera, dtype=torch.float64), RasterizationSettings((48, 64))
    )
    mine = soft.hard_phong(at, fragments)[0, ..., :3].numpy() * 255
    expected = create_renderer("raycast", mesh).render(camera, pose)
    assert expected.mask.sum() > 1000
    # The ray caster rounds texture coordinates to 1/32 texel.
    assert np.abs(mine - expected.color)[expected.mask].max() < 12
    assert np.abs(mine - expected.color)[expected.mask].mean() < 2


def test_texels_are_at_halves_or_at_corners():
    image = torch.arange(4.0, dtype=torch.float64)[None, :, None].expand(2, 4, 3)
    fragments = stack([1.0], [0.9])
    faces = torch.tensor([[0, 1, 2]])
    for centers, u, expected in (("half", 0.375, 1.0), ("half", 0.0, 1.5), ("corner", 1 / 3, 1.0), ("corner", 0, 0.0)):
        uv = torch.tensor([[u, 0.5]] * 3, dtype=torch.float64)
        assert ImageTexture(image, uv, centers).sample(fragments, faces)[0, 0].item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="half or corner"):
        ImageTexture(image, uv, "middle").sample(fragments, faces)
