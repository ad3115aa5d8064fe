"""The rasterizer against ray casting, which finds the same surface in another way."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from shapes import cube, sphere

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import make_pose, random_rotation, so3_exp
from pose_tracker_ros.objects import Mesh, mesh_with_normals, recolored
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.closed_surface import closed_faces
from pose_tracker_ros.rendering.mesh_levels import LEVEL_ERROR_PX, MeshExtent, MeshLevel, level_error, mesh_levels
from pose_tracker_ros.rendering.protocol import empty_rendering
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.rendering.rasterizer import Rasterizer
from pose_tracker_ros.rendering.raycast import RaycastRenderer

OBJECTS = {model.name: model for model in benchmark_objects()}
WIDE = PinholeCamera(96, 72, 70.0, 75.0, 50.2, 33.1)


def poses_about(center_in_object: np.ndarray, place: tuple[float, float, float], count: int = 4) -> list[np.ndarray]:
    generator = np.random.default_rng(11)
    rotations = [random_rotation(generator) for _ in range(count)]
    return [make_pose(rotation, np.array(place) - rotation @ center_in_object) for rotation in rotations]


def assert_equal(raster: Rendering, cast: Rendering) -> None:
    """Equal but for rays that graze an edge, which may fall to either side by rounding."""
    assert np.count_nonzero(raster.mask != cast.mask) <= 1
    both = raster.mask & cast.mask
    few = max(2, 1e-3 * both.sum())
    assert np.count_nonzero(np.abs(raster.depth - cast.depth)[both] > 1e-5) <= few
    assert np.count_nonzero(np.abs(raster.normal - cast.normal).max(axis=-1)[both] > 1e-3) <= few
    # Look-ups of texels next to the middle of two steps of 1/32 may fall to either, too.
    colors = np.abs(raster.color.astype(int) - cast.color).max(axis=-1)[both]
    assert np.count_nonzero(colors > 1) <= 4 * few and (len(colors) == 0 or colors.max() <= 16)
    for image in (raster.color, raster.depth, raster.normal):
        assert not image[~raster.mask].any()


@pytest.mark.parametrize("name", OBJECTS)
def test_crops_equal_ray_casting(name):
    model = OBJECTS[name]
    raster, cast = RasterRenderer(model.mesh), RaycastRenderer(model.mesh, threads=1)
    center = (0.1, 0.05, 0.6)
    camera = crop_camera(np.array(center), 1.2 * model.diameter_m, 128)
    for pose in poses_about(model.center_m, center):
        seen = raster.render(camera, pose)
        assert seen.mask.sum() > 300
        assert_equal(seen, cast.render(camera, pose))


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize(
    "place",
    [(0.25, 0.1, 0.4), (0.0, 0.0, 0.06), (0.03, -0.02, -0.02)],
    ids=["partly outside", "around", "mostly behind"],
)
def test_what_the_camera_stands_in_equals_ray_casting(name, place):
    """Triangles begin behind the camera, and end there or outside of the image."""
    model = OBJECTS[name]
    raster, cast = RasterRenderer(model.mesh), RaycastRenderer(model.mesh, threads=1)
    for pose in poses_about(model.center_m, place):
        assert_equal(raster.render(WIDE, pose), cast.render(WIDE, pose))


def test_an_open_surface_is_drawn_from_both_sides():
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    mesh = mesh_with_normals(np.asarray(ball.vertices), ball.faces[ball.triangles_center[:, 2] > 0])
    raster, cast = RasterRenderer(mesh), RaycastRenderer(mesh, threads=1)
    for tilt, depth in ((0.0, 0.6), (np.pi, 0.4), (0.6, None), (2.2, None)):
        pose = make_pose(so3_exp(np.array([tilt, 0, 0])), np.array([0.0, 0.0, 0.5]))
        seen = raster.render(WIDE, pose)
        assert_equal(seen, cast.render(WIDE, pose))
        assert (np.sum(seen.normal * WIDE.rays(), axis=-1)[seen.mask] <= 1e-6).all()
        if depth is not None:
            # First into the bowl, then onto its bottom.
            assert seen.depth[33, 50] == pytest.approx(depth, abs=2e-3)


def test_closed_parts_of_surfaces_are_known():
    ball = sphere(0.1)
    whole, count = np.ones(len(ball.faces), bool), len(ball.vertices)
    assert np.array_equal(closed_faces(ball.vertices, ball.faces), whole)
    # Texture's seams and flat shading repeat vertices.
    assert closed_faces(ball.vertices[ball.faces].reshape(-1, 3), np.arange(3 * len(ball.faces)).reshape(-1, 3)).all()
    within = np.concatenate([ball.vertices, 0.5 * ball.vertices])
    for part in (ball.faces[1:], ball.faces[:, ::-1], np.concatenate([ball.faces, ball.faces[:1]])):
        assert not closed_faces(ball.vertices, part).any()
        both = closed_faces(within, np.concatenate([part, ball.faces + count]))
        assert np.array_equal(both, np.concatenate([np.zeros(len(part), bool), whole]))
    # A triangle without area opens nothing.
    assert closed_faces(ball.vertices, np.concatenate([ball.faces, ball.faces[:1, [0, 0, 1]]]))[:-1].all()
    shares = {name: closed_faces(model.mesh.vertices, model.mesh.faces).mean() for name, model in OBJECTS.items()}
    # Handle and spout of the jug end within it.
    assert 0.7 < shares.pop("demo_jug") < 0.8 and set(shares.values()) == {1.0}


@pytest.mark.parametrize("turned", [False, True], ids=["outwards", "inside out"])
def test_a_closed_surface_is_seen_from_inside_too(turned):
    mesh = sphere(0.1)
    if turned:
        mesh = replace(mesh, faces=np.ascontiguousarray(mesh.faces[:, ::-1]))
    raster, cast = RasterRenderer(mesh, level_of_detail=False), RaycastRenderer(mesh, threads=1)
    for depth in (0.0, 0.09, 0.5):
        pose = make_pose(so3_exp(np.array([0.3, 0.2, 0.1])), np.array([0.0, 0.0, depth]))
        seen = raster.render(WIDE, pose)
        assert seen.mask.all() == (depth < 0.1)
        assert_equal(seen, cast.render(WIDE, pose))


def test_of_parts_that_pierce_one_another_the_nearer_is_seen():
    boxes = [trimesh.creation.box(extents=size) for size in ((0.2, 0.04, 0.04), (0.04, 0.2, 0.04), (0.05, 0.05, 0.2))]
    whole = trimesh.util.concatenate(boxes)
    mesh = mesh_with_normals(np.asarray(whole.vertices), np.asarray(whole.faces))
    raster, cast = RasterRenderer(mesh), RaycastRenderer(mesh, threads=1)
    parts = [RaycastRenderer(mesh_with_normals(box.vertices, box.faces), threads=1) for box in boxes]
    for pose in poses_about(np.zeros(3), (0.02, 0.0, 0.35)):
        seen = raster.render(WIDE, pose)
        assert_equal(seen, cast.render(WIDE, pose))
        depths = [part.render(WIDE, pose) for part in parts]
        nearest = np.min([np.where(part.mask, part.depth, np.inf) for part in depths], axis=0)
        assert np.quantile(np.abs(seen.depth - nearest)[seen.mask & np.isfinite(nearest)], 0.999) < 1e-5


def test_without_colour_the_rest_is_the_same():
    renderer, pose = RasterRenderer(OBJECTS["drill"].mesh), make_pose(so3_exp(np.ones(3)), np.array([0, 0, 0.6]))
    with_color, without = renderer.render(WIDE, pose), renderer.render(WIDE, pose, color=False)
    assert with_color.color.any() and not without.color.any()
    for one, other in zip(with_color[1:], without[1:]):
        assert np.array_equal(one, other)


def test_colours_that_are_asked_for_afterwards_are_the_same():
    """Also after another view, whose colours they must not be."""
    mesh, pose = OBJECTS["demo_jug"].mesh, make_pose(so3_exp(np.ones(3)), np.array([0, 0, 0.6]))
    other = make_pose(so3_exp(-np.ones(3)), np.array([0, 0, 0.6]))
    expected, renderer = RasterRenderer(mesh).render(WIDE, pose), RasterRenderer(mesh)
    for drawn_last in (pose, other):
        renderer.render(WIDE, drawn_last, color=False)
        for one, two in zip(renderer.render(WIDE, pose), expected):
            assert np.array_equal(one, two)


def test_any_arrays_of_a_mesh_and_of_a_pose_will_do():
    mesh, pose = OBJECTS["carton"].mesh, make_pose(so3_exp(np.ones(3)), np.array([0, 0, 0.6]))
    expected = RasterRenderer(mesh).render(WIDE, pose)
    arrays = {
        "vertices": np.asfortranarray(mesh.vertices.astype(np.float64)),
        "normals": np.asfortranarray(mesh.normals),
        "faces": mesh.faces.astype(np.int64),
        "uv": np.asfortranarray(mesh.uv),
        "texture": np.asfortranarray(mesh.texture),
    }
    for array in arrays.values():
        array.flags.writeable = False
    seen = RasterRenderer(replace(mesh, **arrays)).render(WIDE, np.asfortranarray(pose))
    assert all(np.array_equal(one, other) for one, other in zip(seen, expected))


@pytest.mark.parametrize("shared", [True, False], ids=["one renderer", "own renderers"])
def test_threads_draw_what_one_draws(shared):
    mesh = OBJECTS["demo_jug"].mesh
    poses = poses_about(np.zeros(3), (0.0, 0.0, 0.6), count=20)
    renderer = RasterRenderer(mesh)
    expected = [renderer.render(WIDE, pose) for pose in poses]
    seen: dict[int, list[Rendering]] = {}

    def draw(number: int) -> None:
        own = renderer if shared else RasterRenderer(mesh)
        seen[number] = [own.render(WIDE, pose) for pose in poses]

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 3
    for images in seen.values():
        assert all(np.array_equal(a, b) for one, other in zip(images, expected) for a, b in zip(one, other))


@pytest.fixture(scope="module")
def knobbly() -> Mesh:
    """A ball of 20,480 triangles with waves on it, coloured by direction."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.1)
    directions = ball.vertices / 0.1
    vertices = ball.vertices * (1 + 0.1 * np.sin(4 * directions[:, 0]) * np.cos(5 * directions[:, 1]))[:, None]
    return mesh_with_normals(vertices, np.asarray(ball.faces), np.uint8(np.rint(127.5 + 127.5 * directions)))


@pytest.fixture(scope="module")
def levels(knobbly) -> list[MeshLevel]:
    return mesh_levels(knobbly)


def view_of_size(mesh: Mesh, pixels: float) -> tuple[PinholeCamera, np.ndarray]:
    """A camera of a hundred pixels, and a pose in which the object's diameter would measure so many in its images."""
    extent = MeshExtent.of(mesh.vertices)
    focal = pixels / extent.diameter_m
    rotation = random_rotation(np.random.default_rng(2))
    return PinholeCamera(100, 100, focal, focal, 49.5, 49.5), make_pose(rotation, [0, 0, 1] - rotation @ extent.center)


def test_levels_are_coarser_and_say_how_far_they_are_off(knobbly, levels):
    assert [len(level.rasterizer.faces) for level in levels] == pytest.approx([2000, 4000, 8000], rel=0.1)
    errors = [level.error for level in levels]
    assert errors == sorted(errors, reverse=True) and errors[-1] > 0
    # By the geometry itself: what the images say is about how far vertices of the full mesh lie from the level.
    coarse = levels[0].rasterizer
    surface = trimesh.Trimesh(coarse.vertices, coarse.faces.astype(np.int64), process=False)
    _, distance, _ = trimesh.proximity.closest_point_naive(surface, knobbly.vertices[::100])
    assert np.median(distance) == pytest.approx(errors[0] * 0.2, rel=0.7)


@pytest.mark.parametrize("color", [True, False])
def test_small_images_are_drawn_from_a_level_and_large_ones_in_full(knobbly, levels, color):
    renderer, full = RasterRenderer(knobbly), RasterRenderer(knobbly, level_of_detail=False)
    assert levels[0].largest_px > 150
    for pixels, reduced in ((150, True), (1e5, False)):
        camera, pose = view_of_size(knobbly, pixels)
        seen, expected = renderer.render(camera, pose, color), full.render(camera, pose, color)
        assert np.array_equal(seen.depth, expected.depth) != reduced
        assert np.count_nonzero(seen.mask != expected.mask) <= 0.02 * expected.mask.sum()
        both = seen.mask & expected.mask
        assert np.median(np.abs(seen.depth - expected.depth)[both]) <= 2 * LEVEL_ERROR_PX / camera.fx
        assert np.mean(np.abs(seen.color.astype(int) - expected.color)[both]) <= (1.0 if reduced else 0.0)
        assert seen.color.any() == color


def test_levels_take_over_the_texture(knobbly, levels):
    """Stripes across the ball, five pixels wide, on a reduced mesh that knows nothing of texture coordinates."""
    directions = knobbly.vertices / np.linalg.norm(knobbly.vertices, axis=1, keepdims=True)
    texture = np.zeros((256, 4, 3), np.uint8)
    texture[np.arange(256) // 16 % 2 == 0] = (200, 100, 50)
    uv = np.column_stack([np.full(len(directions), 0.5), 0.05 + 0.45 * (1 + directions[:, 2])]).astype(np.float32)
    striped = recolored(replace(knobbly, uv=uv), texture=texture)
    camera, pose = view_of_size(striped, 80)
    seen = RasterRenderer(striped).render(camera, pose)
    expected = RasterRenderer(striped, level_of_detail=False).render(camera, pose)
    assert not np.array_equal(seen.depth, expected.depth)
    both = seen.mask & expected.mask
    differences = np.abs(seen.color.astype(int) - expected.color)[both]
    assert expected.color[both].std(axis=0).min() > 15
    assert differences.mean() < 5 and np.quantile(differences, 0.9) < 20


def test_colours_too_coarse_for_an_image_are_not_used(levels):
    diameter = 1 / (levels[0].colors[0].spacing_m * 50) * (1 - 1e-9)
    spacings = [levels[0].colors_at(pixels * diameter) for pixels in (20, 50, 51, 200, 201)]
    assert [colors and round(1 / (colors.spacing_m * diameter)) for colors in spacings] == [50, 50, 100, 200, None]


def test_a_broken_level_has_a_large_error():
    extent = MeshExtent.of(sphere(0.1).vertices)
    camera = PinholeCamera(256, 256, 2560.0, 2560.0, 127.5, 127.5)
    pose = make_pose(np.eye(3), np.array([0, 0, 2.0]))

    def views(mesh: Mesh) -> list[Rendering]:
        view = empty_rendering(camera)
        Rasterizer(mesh).draw(camera, pose, view)
        return [view]

    expected = views(sphere(0.1))
    assert level_error(expected, views(sphere(0.1)), extent) == 0
    # Half of the disk lies where rays meet the ball under less than 45 degrees: 1 mm in radius is 1.41 mm in depth there.
    assert level_error(expected, views(sphere(0.101)), extent) == pytest.approx(0.00141 / 0.2, rel=0.02)
    assert level_error(expected, views(replace(sphere(0.1), faces=sphere(0.1).faces[::2])), extent) > 0.05
    assert (
        level_error(expected, views(replace(cube(0.1), vertices=cube(0.1).vertices + np.float32([5, 0, 0]))), extent)
        == np.inf
    )


def test_small_meshes_have_no_levels():
    assert mesh_levels(OBJECTS["demo_jug"].mesh) == []
