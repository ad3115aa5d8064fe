"""Kernels of the rasterizer against their twins in plain NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from kernels import twins

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose, random_rotation, transform_points
from pose_tracker_ros.kernels import raster

CAMERA = PinholeCamera(37, 29, 40.0, 44.0, 17.3, 15.1)
SEEDS = pytest.mark.parametrize("seed", range(4))


class Scene(NamedTuple):
    """Triangles at random that pierce one another; some begin behind the camera where ``distance`` is small."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    pose: np.ndarray

    @classmethod
    def of(cls, seed: int, distance: float = 2.0, faces: int = 12) -> Scene:
        generator = np.random.default_rng(seed)
        vertices = generator.uniform(-1, 1, (3 * faces, 3)).astype(np.float32)
        normals = generator.normal(size=(3 * faces, 3))
        normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
        pose = make_pose(random_rotation(generator), np.array([0.1, -0.1, distance]))
        return cls(vertices, np.arange(3 * faces, dtype=np.uint32).reshape(-1, 3), normals, pose)

    @property
    def corners(self) -> np.ndarray:
        """(F, 3, 3) in the camera frame."""
        return transform_points(self.pose, self.vertices.astype(np.float64))[self.faces]


class Drawn(NamedTuple):
    seen: np.ndarray
    barycentric: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    mask: np.ndarray
    mean_depth: float

    @property
    def face_ids(self) -> np.ndarray:
        """(rows, columns), -1 where nothing is seen."""
        seen = self.seen[:, : self.barycentric.shape[1]]
        return np.where(seen, raster.FACE - (seen & raster.FACE), -1)

    @property
    def inverse_depth(self) -> np.ndarray:
        return np.int32(self.seen[:, : self.barycentric.shape[1]] >> raster.FACE_BITS).view(np.float32)


def drawn(
    scene: Scene,
    left: int = 0,
    top: int = 0,
    columns: int = CAMERA.width,
    rows: int = CAMERA.height,
    camera: PinholeCamera = CAMERA,
    closed: bool | np.ndarray = False,
) -> Drawn:
    """What the kernels make of a window of the image."""
    count = len(scene.vertices)
    points, pixels = np.empty((count, 3)), np.empty((count, 2))
    raster.project(scene.vertices, camera.matrix @ scene.pose[:3], points, pixels)
    boxes, order = np.empty((len(scene.faces), 4), np.int32), np.empty(len(scene.faces) + 1, np.uint32)
    seen = np.full((rows, columns + raster.LANES - 1), 7, np.int64)
    closed = np.broadcast_to(closed, len(scene.faces)).copy()
    raster.rasterize(points, pixels, scene.faces, closed, False, left, top, boxes, order, seen)
    shape = (camera.height, camera.width)
    barycentric = np.zeros((rows, columns, 2), np.float32)
    depth, normal, mask = np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32), np.zeros(shape, bool)
    mean_depth = raster.resolve(
        points,
        scene.faces,
        scene.normals,
        np.ascontiguousarray(scene.pose[:3, :3]),
        np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
        left,
        top,
        seen,
        barycentric,
        depth,
        normal,
        mask,
    )
    return Drawn(seen, barycentric, depth, normal, mask, mean_depth)


def test_project_is_the_camera_s_projection():
    scene = Scene.of(0)
    points, pixels = np.empty((36, 3)), np.empty((36, 2))
    bounds = raster.project(scene.vertices, CAMERA.matrix @ scene.pose[:3], points, pixels)
    expected_points, expected_pixels = twins.project(scene.vertices, CAMERA.matrix @ scene.pose[:3])
    assert points == pytest.approx(expected_points, rel=1e-12)
    assert pixels == pytest.approx(expected_pixels, rel=1e-12)
    assert pixels == pytest.approx(CAMERA.project(transform_points(scene.pose, scene.vertices.astype(np.float64))))
    columns, rows, depth = *expected_pixels.T, expected_points[:, 2]
    expected = (columns.min(), columns.max(), rows.min(), rows.max(), depth.min(), depth.max())
    assert bounds == pytest.approx(expected, rel=1e-12)


@SEEDS
@pytest.mark.parametrize("distance", [3.0, 0.5, 0.0])
def test_rasterize_finds_the_nearest_face_of_every_ray(seed, distance):
    scene = Scene.of(seed, distance)
    result = drawn(scene)
    inverse_depth, face_ids = twins.rasterize(scene.corners, CAMERA)
    assert (face_ids >= 0).sum() > 100
    assert np.array_equal(result.face_ids, face_ids)
    assert result.inverse_depth == pytest.approx(inverse_depth, rel=1e-6)


@SEEDS
@pytest.mark.parametrize("distance", [3.0, 0.5])
def test_resolve_gives_depth_normals_and_mask_of_these_faces(seed, distance):
    scene = Scene.of(seed, distance)
    result = drawn(scene)
    depth, normal, mask, shares = twins.resolve(scene.corners, scene.normals[scene.faces], scene.pose[:3, :3], CAMERA)
    assert np.array_equal(result.mask, mask)
    assert result.depth == pytest.approx(depth, rel=1e-6)
    # Normals that see the camera under a right angle may be turned either way.
    grazing = np.abs(np.sum(normal * CAMERA.rays(), axis=-1)) < 1e-5
    assert result.normal[~grazing] == pytest.approx(normal[~grazing], abs=1e-5)
    assert result.barycentric[mask] == pytest.approx(shares[mask][:, 1:], abs=1e-6)
    assert result.mean_depth == pytest.approx(depth[mask].mean(), rel=1e-9)


def test_a_window_is_that_part_of_the_image():
    scene = Scene.of(1)
    whole, part = drawn(scene), drawn(scene, left=5, top=7, columns=20, rows=11)
    window = np.zeros_like(whole.mask)
    window[7:18, 5:25] = True
    assert np.array_equal(part.face_ids, whole.face_ids[7:18, 5:25])
    for one, other in zip((part.depth, part.mask, part.normal), (whole.depth, whole.mask, whole.normal)):
        assert np.array_equal(one[window], other[window]) and not one[~window].any()


@SEEDS
@pytest.mark.parametrize("distance", [8.0, 3.0, 0.5, -3.0])
def test_a_mesh_is_drawn_in_the_part_of_the_image_where_it_is_seen(seed, distance):
    """The part is that between its outermost vertices, all of the image where some are behind the camera, and nothing where all are."""
    scene, shape = Scene.of(seed, distance), (CAMERA.height, CAMERA.width)
    faces, size = len(scene.faces), CAMERA.height * (CAMERA.width + raster.LANES - 1)
    room = np.empty((36, 3)), np.empty((36, 2)), np.empty((faces, 4), np.int32), np.empty(faces + 1, np.uint32)
    images = np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32), np.zeros(shape, bool)
    left, top, columns, rows, mean_depth = raster.draw(
        scene.vertices, scene.normals, scene.faces, np.zeros(faces, bool), scene.pose, CAMERA.numbers, *room,
        np.empty(size, np.int64), np.empty(2 * size, np.float32), *images,
    )  # fmt: skip
    depth, normal, mask, _ = twins.resolve(scene.corners, scene.normals[scene.faces], scene.pose[:3, :3], CAMERA)
    assert images[0] == pytest.approx(depth, rel=1e-6)
    grazing = np.abs(np.sum(normal * CAMERA.rays(), axis=-1)) < 1e-5
    assert images[1][~grazing] == pytest.approx(normal[~grazing], abs=1e-5)
    assert np.array_equal(images[2], mask)
    _, pixels = twins.project(scene.vertices, CAMERA.matrix @ scene.pose[:3])
    first = np.clip(np.floor(pixels.min(axis=0)), 0, shape[::-1]) if distance > 2 else np.zeros(2)
    last = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, shape[::-1]) if distance > 2 else shape[::-1]
    expected = (*first, *(last - first)) if distance > 0 else (0, 0, 0, 0)
    assert (left, top, columns, rows) == tuple(expected)
    assert mean_depth == pytest.approx(depth[mask].mean() if mask.any() else 0, rel=1e-6)


@SEEDS
def test_vertex_colours_are_interpolated_on_the_surface(seed):
    scene = Scene.of(seed)
    colors = np.random.default_rng(seed).integers(0, 256, (36, 3)).astype(np.uint8)
    result = drawn(scene)
    image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    corners = colors[scene.faces[:, [0, 2, 1]]].reshape(-1, 3)
    starts = np.arange(0, len(corners), 3)
    raster.paint_grids(result.seen, result.barycentric, np.ones_like(starts), starts, corners, 0, 0, image)
    *_, mask, shares = twins.resolve(scene.corners, scene.normals[scene.faces], scene.pose[:3, :3], CAMERA)
    expected = twins.paint_vertices(shares, mask, colors[scene.faces], result.face_ids)
    assert np.abs(image.astype(int) - expected).max() <= 1
    assert (image != expected).mean() < 1e-3


@SEEDS
def test_textures_are_looked_up_on_the_surface(seed):
    scene = Scene.of(seed)
    generator = np.random.default_rng(seed)
    texture = generator.integers(0, 256, (13, 17, 3)).astype(np.uint8)
    uv = generator.uniform(-1.5, 1.5, (36, 2)).astype(np.float32)
    result = drawn(scene)
    image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    bordered = np.pad(texture, ((1, 1), (1, 1), (0, 0)), mode="wrap")
    raster.paint_texture(result.seen, result.barycentric, scene.faces, uv, bordered, 0, 0, image)
    *_, mask, shares = twins.resolve(scene.corners, scene.normals[scene.faces], scene.pose[:3, :3], CAMERA)
    expected = twins.paint_texture(shares, mask, uv[scene.faces], result.face_ids, texture)
    # Positions next to the middle of two steps of 1/32 texel may fall to either.
    difference = np.abs(image.astype(int) - expected)
    assert difference.max() <= 16 and (difference > 1).mean() < 2e-3


@SEEDS
def test_grids_of_colours_are_interpolated_on_the_faces(seed):
    scene = Scene.of(seed)
    steps = np.array([1, 2, 5, 3] * 3)
    sizes = (steps + 1) * (steps + 2) // 2
    starts = np.cumsum(sizes) - sizes
    colors = np.random.default_rng(seed).integers(0, 256, (sizes.sum(), 3)).astype(np.uint8)
    result = drawn(scene)
    image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    raster.paint_grids(result.seen, result.barycentric, steps, starts, colors, 0, 0, image)
    *_, mask, shares = twins.resolve(scene.corners, scene.normals[scene.faces], scene.pose[:3, :3], CAMERA)
    expected = twins.paint_grids(shares, mask, np.split(colors, starts[1:]), result.face_ids)
    assert np.abs(image.astype(int) - expected).max() <= 1
    assert (image != expected).mean() < 1e-3


def test_the_corners_of_a_grid_have_their_own_colours():
    shares = np.float32([[[0, 0], [1, 0], [0, 1], [0.5, 0.5], [0.5, 0], [0, 0.5]]])
    colors = np.arange(30, dtype=np.uint8).reshape(10, 3)
    image = np.zeros((1, 6, 3), np.uint8)
    first_face = np.full((1, 6), raster.FACE)
    raster.paint_grids(first_face, shares, np.array([2]), np.array([4]), colors, 0, 0, image)
    # In the order of the second, then the third corner's share: 00 01 02 10 11 20.
    assert np.array_equal(image[0], colors[4:][[0, 5, 2, 4, 3, 1]])


@SEEDS
def test_faces_away_are_left_out_where_they_are_hidden_anyhow(seed):
    scene = Scene.of(seed)
    corners = scene.corners
    towards = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) < 0
    assert 0 < towards.sum() < len(towards)
    closed = np.arange(len(towards)) % 3 > 0
    for some in (np.ones_like(closed), closed):
        seen, expected = drawn(scene, closed=some), drawn(scene._replace(faces=np.ascontiguousarray(scene.faces[towards | ~some])))
        assert np.array_equal(seen.depth, expected.depth) and np.array_equal(seen.mask, expected.mask)


def test_of_faces_in_the_same_place_the_first_is_seen():
    scene = Scene.of(2)
    twice = scene._replace(faces=np.concatenate([scene.faces, scene.faces]))
    assert np.array_equal(drawn(twice).face_ids, drawn(scene).face_ids)


def test_faces_beyond_any_pixel_s_number_are_not_drawn():
    scene = Scene.of(0)
    corners = np.float32([[1e3, 0, -1], [1e3, 1, -1], [2e3, 0, -1]]), np.float32([[-1e3, 0, -1], [0, -1e3, -1], [-1e3, -1e3, -1]])
    # Two micrometres before the camera.
    pose = make_pose(np.eye(3), np.array([0, 0, 1 + 2e-6]))
    far = Scene(np.concatenate(corners), np.uint32([[0, 1, 2], [3, 4, 5], [5, 4, 3]]), scene.normals[:6], pose)
    assert not drawn(far).mask.any()


def test_neighbours_leave_no_crack():
    """A fan about a pixel centre, many of whose spokes go through other centres, covers all pixels of its polygon."""
    camera = PinholeCamera(37, 29, 32.0, 32.0, 18.0, 14.0)
    border = [(x, y) for x in range(-18, 19) for y in range(-14, 15) if abs(x) == 18 or abs(y) == 14]
    border.sort(key=lambda point: np.arctan2(point[1], point[0]))
    count = len(border)
    vertices = np.zeros((count + 1, 3), np.float32)
    vertices[1:, :2] = np.array(border) * (1.01 / 32)
    around = np.arange(count)
    faces = np.column_stack([np.zeros(count), 1 + around, 1 + (around + 1) % count]).astype(np.uint32)
    for distance in (1.0, 1.003):
        pose = make_pose(np.eye(3), np.array([0, 0, distance]))
        result = drawn(Scene(vertices, faces, np.tile(np.float32([0, 0, -1]), (count + 1, 1)), pose), camera=camera)
        assert result.mask.all()
        assert result.depth == pytest.approx(distance, abs=1e-6)


def test_triangles_without_area_are_not_drawn():
    vertices = np.float32([[-1, -1, 0], [0, 0, 0], [1, 1, 0], [0.5, 0, 0], [0.5, 0, 1], [0.5, 0, 2]])
    faces = np.uint32([[0, 1, 2], [3, 4, 5], [1, 1, 2]])
    scene = Scene(vertices, faces, np.tile(np.float32([0, 0, -1]), (6, 1)), make_pose(np.eye(3), np.array([0, 0, 2.0])))
    assert not drawn(scene).mask.any()


@pytest.mark.parametrize(
    "vertices",
    [
        np.zeros((4, 3)),
        np.zeros((3, 4), np.float32).T,
        np.zeros((8, 3), np.float32)[::2],
        np.asfortranarray(np.zeros((4, 3), np.float32)),
    ],
    ids=["float64", "transposed", "every second", "Fortran"],
)
def test_other_arrays_are_refused_and_compile_nothing(vertices):
    compiled = len(raster.project.signatures)
    with pytest.raises(TypeError, match="No matching definition"):
        raster.project(vertices, np.zeros((3, 4)), np.zeros((4, 3)), np.zeros((4, 2)))
    assert len(raster.project.signatures) == compiled == 1
