"""Objects from files: units, colours, symmetries, and one clear sentence for everything that is wrong."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import trimesh
from shapes import sphere

from pose_tracker_ros.corner_normals import corner_normals
from pose_tracker_ros.objects import (
    ObjectModel,
    find_object_folder,
    load_mesh,
    load_object,
    mesh_diameter,
    recolored,
    texture_pyramid,
)


@pytest.fixture
def folder(tmp_path):
    """An object of the size 60 x 80 x 100 mm, whose diagonal is the square root of two decimetres."""
    trimesh.creation.box(extents=(60, 80, 100)).export(tmp_path / "box.ply")
    (tmp_path / "object.yaml").write_text("name: brick\nmesh: box.ply\nmesh_unit: mm\n")
    return tmp_path


def rewrite(folder, text):
    (folder / "object.yaml").write_text(text)
    return str(folder)


def test_an_object_is_read_in_metres_with_its_diameter(folder):
    model = load_object(str(folder))
    assert model.name == "brick"
    assert np.ptp(model.mesh.vertices, axis=0) == pytest.approx([0.06, 0.08, 0.1])
    assert model.diameter_m == pytest.approx(0.1 * np.sqrt(2))
    assert model.center_m == pytest.approx([0, 0, 0], abs=1e-9)
    assert model.weights_path == folder / "residual.safetensors"


def test_sharp_edges_keep_the_normals_of_their_faces(folder):
    mesh = load_object(str(folder)).mesh
    corners = mesh.vertices[mesh.faces]
    of_faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    of_faces /= np.linalg.norm(of_faces, axis=1, keepdims=True)
    for corner in range(3):
        assert mesh.normals[mesh.faces[:, corner]] == pytest.approx(of_faces, abs=1e-5)


def test_round_surfaces_are_smooth_even_when_vertices_are_repeated(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.05)
    ball.unmerge_vertices()
    ball.export(tmp_path / "ball.stl")
    mesh = load_mesh(tmp_path / "ball.stl")
    assert np.sum(mesh.normals * mesh.vertices / 0.05, axis=1) == pytest.approx(1.0, abs=2e-3)


def test_another_mesh_and_unit_may_be_named(folder, tmp_path):
    trimesh.creation.icosphere(radius=3.0).export(tmp_path / "other.stl")
    assert load_object(str(folder), tmp_path / "other.stl", "cm").diameter_m == pytest.approx(0.06, rel=0.02)


def test_object_frame_may_differ_from_the_mesh_frame(folder):
    turned = "[[0, -1, 0, 0.5], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]"
    model = load_object(rewrite(folder, f"mesh: box.ply\nmesh_unit: mm\nobject_T_mesh: {turned}\n"))
    assert np.ptp(model.mesh.vertices, axis=0) == pytest.approx([0.08, 0.06, 0.1])
    assert model.center_m == pytest.approx([0.5, 0, 0], abs=1e-7)
    assert np.linalg.norm(model.mesh.normals, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_symmetries_are_read(folder):
    half_turn = "[-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]"
    text = (
        f"mesh: box.ply\nmesh_unit: mm\nsymmetries:\n  discrete: [{half_turn}]\n  continuous: [{{axis: [0, 0, 1]}}]\n"
    )
    model = load_object(rewrite(folder, text))
    assert model.discrete_symmetries == pytest.approx(np.diag([-1.0, -1, 1, 1])[None])
    assert model.continuous_symmetries[0].axis.tolist() == [0, 0, 1]
    assert model.continuous_symmetries[0].offset.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mesh: gone.ply\n", "expected the mesh of object .* there is no such file.*--mesh"),
        ("mesh: box.ply\n", "expected object .* 0.005 to 5.0 m large.*measures 141.*mesh_unit"),
        ("mesh: box.ply\nmesh_unit: feet\n", "expected mesh_unit to be one of m, cm, mm, inch, got 'feet'"),
        ("name: brick\n", "at least the key 'mesh'"),
        ("- mesh\n", "to be a mapping"),
        ("mesh: [\n", "expected valid YAML in .*object.yaml"),
        ("mesh: box.ply\nmesh_unt: mm\n", "expected only the keys .* got mesh_unt"),
        ("mesh: box.ply\nmesh_unit: mm\nobject_T_mesh: [1, 2]\n", "4 rows of 4 numbers"),
        (
            "mesh: box.ply\nmesh_unit: mm\nobject_T_mesh: [[2,0,0,0],[0,2,0,0],[0,0,2,0],[0,0,0,1]]\n",
            "expected object_T_mesh to be a rigid transform.*object.yaml",
        ),
    ],
)
def test_a_wrong_description_is_refused_with_what_to_do(folder, text, expected):
    with pytest.raises((ValueError, FileNotFoundError), match=expected) as caught:
        load_object(rewrite(folder, text))
    assert "Traceback" not in str(caught.value)


def test_an_unknown_object_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"got 'teapot'; known are: .*cube, demo_jug"):
        find_object_folder("teapot")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("cut.ply", b"ply\nformat ascii 1.0\nelement vertex 4\n", "cut.ply.*"),
        ("empty.obj", b"", "expected a mesh .*empty.obj"),
        ("points.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "expected a mesh .*points.obj"),
        ("picture.png", b"\x89PNG", "expected a mesh .*picture.png"),
        ("nan.obj", b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "expected .*nan.obj"),
    ],
)
def test_a_broken_mesh_is_refused_by_name(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=expected):
        load_mesh(tmp_path / name)


def test_a_missing_mesh_is_refused_by_its_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a mesh file at .*gone.ply.*check the path"):
        load_mesh(tmp_path / "gone.ply")


def test_a_single_triangle_has_no_diameter():
    with pytest.raises(ValueError, match="expected a mesh with volume"):
        mesh_diameter(np.eye(3))


def test_diameter_is_the_largest_distance_of_all_pairs():
    """Also for more hull vertices than are compared at a time."""
    points = np.random.default_rng(2).normal(size=(1500, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True) * np.array([1.0, 2.0, 3.0])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert mesh_diameter(points) == pytest.approx(distances.max())


def test_vertex_colours_are_read(tmp_path):
    box = trimesh.creation.box(extents=(0.1, 0.1, 0.1))
    box.visual.vertex_colors = np.tile(np.uint8([200, 100, 50, 255]), (8, 1))
    box.export(tmp_path / "box.ply")
    mesh = load_mesh(tmp_path / "box.ply")
    assert mesh.has_color and np.all(mesh.vertex_colors == [200, 100, 50])


def test_texture_is_read_as_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "paint.png"), np.full((8, 8, 3), (50, 100, 200), np.uint8))
    (tmp_path / "paint.mtl").write_text("newmtl paint\nmap_Kd paint.png\n")
    (tmp_path / "part.obj").write_text(
        "mtllib paint.mtl\nusemtl paint\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"
    )
    mesh = load_mesh(tmp_path / "part.obj")
    assert mesh.texture.shape == (8, 8, 3) and np.all(mesh.texture == [200, 100, 50])
    assert sorted(map(tuple, mesh.uv.tolist())) == [(0, 0), (0, 1), (1, 0)]


def test_sampled_points_are_uniform_on_the_surface_and_reproducible():
    model = ObjectModel.from_mesh("ball", sphere(0.05, 4))
    points = model.sample_points(4000, seed=3)
    assert np.linalg.norm(points, axis=1) == pytest.approx(0.05, abs=2e-4)
    assert points.mean(axis=0) == pytest.approx([0, 0, 0], abs=0.003)
    assert np.array_equal(points, model.sample_points(4000, seed=3))
    assert not np.array_equal(points, model.sample_points(4000, seed=4))


def test_texture_pyramid_halves_down_to_a_pixel_and_keeps_the_mean():
    texture = np.random.default_rng(0).integers(0, 255, (32, 64, 3)).astype(np.uint8)
    levels = texture_pyramid(texture)
    assert [level.shape[:2] for level in levels] == [(32, 64), (16, 32), (8, 16), (4, 8), (2, 4), (1, 2), (1, 1)]
    assert levels[-1].mean(axis=(0, 1)) == pytest.approx(texture.mean(axis=(0, 1)), abs=3)


def test_recoloring_replaces_one_kind_of_colour_by_the_other():
    mesh = sphere(0.05)
    plain = recolored(mesh)
    assert not plain.has_color and mesh.has_color
    painted = recolored(plain, vertex_colors=np.zeros((len(mesh.vertices), 3), np.uint8))
    assert painted.has_color and painted.texture is None


def test_a_coloured_cube_of_eight_vertices_keeps_its_flat_sides(tmp_path):
    """One normal for each vertex would make it round to whatever aligns surfaces with depth."""
    box = trimesh.creation.box(extents=(0.1, 0.1, 0.1))
    box.visual.vertex_colors = np.tile([200, 30, 30, 255], (8, 1))
    box.export(tmp_path / "box.ply")
    mesh = load_mesh(tmp_path / "box.ply")
    assert len(mesh.vertices) == 24
    assert np.abs(mesh.normals).max(axis=1) == pytest.approx(1.0)
    flat = np.cross(
        mesh.vertices[mesh.faces[:, 1]] - mesh.vertices[mesh.faces[:, 0]],
        mesh.vertices[mesh.faces[:, 2]] - mesh.vertices[mesh.faces[:, 0]],
    )
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    assert np.einsum("fkc,fc->fk", mesh.normals[mesh.faces], flat) == pytest.approx(1.0)
    assert np.all(mesh.vertex_colors == [200, 30, 30])


def test_gentle_bends_are_smooth():
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.05)
    repeated = ball.vertices[ball.faces].reshape(-1, 3)
    normals = corner_normals(repeated, np.arange(len(repeated)).reshape(-1, 3))
    assert normals == pytest.approx(repeated / 0.05, abs=0.02)
