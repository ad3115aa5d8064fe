"""Gradients of all shaders against central differences in double precision."""

import numpy as np
import pytest
import torch
from shapes import sphere

from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.geometry_torch import so3_exp_torch
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.contour import MeshEdges, silhouette_coverage
from pose_tracker_ros.rendering.soft import (
    BlendSettings,
    ImageTexture,
    PointLight,
    RasterizationSettings,
    SoftMesh,
    VertexTexture,
    rasterize,
    soft_depth,
    soft_silhouette,
    transform_vertices,
)

SIZE = (48, 64)
SIGMA = 1e-3
# Wider than recommended, so that no face enters or leaves within a difference: coverage there is 2e-9.
SETTINGS = RasterizationSettings(SIZE, 20 * SIGMA, 60)
BLEND = BlendSettings(sigma=SIGMA, gamma=1e-2, near=0.1, far=2.0, background=(0.1, 0.2, 0.3))
POSES = torch.as_tensor(
    np.stack(
        [
            make_pose(so3_exp(np.array([0.3, -0.2, 0.5])), np.array([0.01, 0.02, 0.5])),
            make_pose(so3_exp(np.array([-1.0, 0.4, 0.1])), np.array([-0.02, 0.0, 0.55])),
        ]
    )
)
WEIGHTS = torch.as_tensor(np.random.default_rng(3).normal(size=(2, *SIZE, 6)))


@pytest.fixture(scope="module")
def inputs():
    generator = np.random.default_rng(0)
    ball = SoftMesh.from_mesh(sphere(0.1, 1), torch.float64)
    stretched = ball.vertices * torch.tensor([1.0, 0.7, 1.3], dtype=torch.float64)
    return {
        "vertices": stretched + torch.as_tensor(generator.normal(scale=0.003, size=stretched.shape)),
        "colors": torch.as_tensor(generator.uniform(size=stretched.shape)),
        "twist": torch.zeros(2, 6, dtype=torch.float64),
        "intrinsics": torch.tensor([[60.0, 61.0, 31.2, 23.4]] * 2, dtype=torch.float64),
    }, ball


def moved(twist):
    rotation = so3_exp_torch(twist[:, :3]) @ POSES[:, :3, :3]
    top = torch.cat([rotation, (POSES[:, :3, 3] + twist[:, 3:])[..., None]], dim=2)
    return torch.cat([top, POSES[:, 3:]], dim=1)


def rendered(ball, vertices, colors, twist, intrinsics):
    """One number that depends on every pixel of silhouette, colour and depth."""
    poses = moved(twist)
    mesh = SoftMesh(vertices, ball.normals, ball.faces, VertexTexture(colors))
    fragments = rasterize(transform_vertices(poses, vertices), ball.faces, intrinsics, SETTINGS)
    rgba = mesh.soft_phong(poses, fragments, PointLight((0.3, -0.4, -0.1)), BLEND)
    depth = soft_depth(fragments, SIGMA, far=2.0)
    alpha = soft_silhouette(fragments, SIGMA)
    return (torch.cat([rgba, alpha[..., None], depth[..., None]], dim=-1) * WEIGHTS).sum()


def relative_error(function, values, name, steps=1e-7, trials=3):
    """Largest relative error of derivatives along random directions.

    Colours jump where a face comes into reach of a pixel, so steps are too small for that to happen.
    """
    leaf = values[name].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(**{**values, name: leaf}), leaf)
    assert torch.isfinite(gradient).all()
    generator = np.random.default_rng(1)
    errors = []
    for _ in range(trials):
        direction = torch.as_tensor(generator.choice([-1.0, 1.0], size=gradient.shape))
        ahead, behind = (
            function(**{**values, name: values[name] + sign * steps * direction}).item() for sign in (1, -1)
        )
        expected = (gradient * direction).sum().item()
        errors.append(abs((ahead - behind) / (2 * steps) - expected) / max(abs(expected), 1e-3))
    return max(errors)


@pytest.mark.parametrize("name", ["twist", "vertices", "colors", "intrinsics"])
def test_gradients_of_the_soft_shaders(inputs, name):
    values, ball = inputs
    steps = 1e-5 if name == "intrinsics" else 1e-7  # of pixels, against metres and radians
    assert relative_error(lambda **all_values: rendered(ball, **all_values), values, name, steps) < 1e-5


@pytest.mark.parametrize("name", ["twist", "vertices", "intrinsics"])
def test_gradients_of_exact_outlines(inputs, name):
    values, ball = inputs
    edges = MeshEdges.from_faces(values["vertices"].numpy(), ball.faces.numpy())

    def covered(vertices, twist, intrinsics, **_):
        points = transform_vertices(moved(twist), vertices)
        coverage = silhouette_coverage(points, ball.faces, edges, intrinsics, RasterizationSettings(SIZE))
        return (coverage * WEIGHTS[..., 0]).sum()

    assert relative_error(covered, values, name) < 1e-4


def test_gradients_of_a_texture_image_and_its_coordinates():
    generator = np.random.default_rng(2)
    jug = SoftMesh.from_mesh(load_object("demo_jug").mesh, torch.float64)
    points = transform_vertices(POSES, jug.vertices)
    intrinsics = torch.tensor([60.0, 61.0, 31.2, 23.4], dtype=torch.float64)
    fragments = rasterize(points, jug.faces, intrinsics, RasterizationSettings(SIZE))
    values = {"image": torch.as_tensor(generator.uniform(size=(16, 16, 3))), "uv": jug.texture.uv}
    weights = torch.as_tensor(generator.normal(size=(len(fragments.face), 3)))

    def sampled(image, uv):
        return (ImageTexture(image, uv).sample(fragments, jug.faces) * weights).sum()

    assert relative_error(sampled, values, "image") < 1e-6
    assert relative_error(sampled, values, "uv", steps=1e-9) < 1e-4


def test_single_precision_gradients_are_near_and_finite_at_no_turn(inputs):
    values, ball = inputs
    gradients = []
    for dtype in (torch.float64, torch.float32):
        twist = torch.zeros(2, 6, dtype=dtype, requires_grad=True)
        rotation = so3_exp_torch(twist[:, :3]) @ POSES[:, :3, :3].to(dtype)
        points = values["vertices"].to(dtype) @ rotation.transpose(1, 2) + (
            POSES[:, None, :3, 3].to(dtype) + twist[:, None, 3:]
        )
        fragments = rasterize(points, ball.faces, values["intrinsics"].to(dtype), SETTINGS)
        (soft_silhouette(fragments, SIGMA) * WEIGHTS[..., 4].to(dtype)).sum().backward()
        gradients.append(twist.grad.double())
    assert torch.isfinite(gradients[1]).all()
    assert (gradients[1] - gradients[0]).abs().max() < 1e-2 * gradients[0].abs().max()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_draws_what_the_cpu_draws(inputs):
    values, ball = inputs
    results = []
    for device in ("cpu", "cuda"):
        points = transform_vertices(POSES.to(device), values["vertices"].to(device))
        fragments = rasterize(points, ball.faces.to(device), values["intrinsics"].to(device), SETTINGS)
        results.append(soft_silhouette(fragments, SIGMA).cpu())
    assert (results[0] - results[1]).abs().max() < 1e-9
