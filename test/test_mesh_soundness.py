"""Meshes that are not what they seem: fans, far parts, maps' coordinates, doubled and inside-out triangles, point clouds."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.corner_normals import corner_normals
from pose_tracker_ros.mesh_soundness import facing_outwards, far_parts, mesh_findings
from pose_tracker_ros.objects import ObjectModel, load_mesh, load_object, mesh_with_normals
from pose_tracker_ros.onboarding import propose_symmetries


def add(*arguments):
    result = CliRunner().invoke(app, ["add-object", *(str(argument) for argument in arguments)])
    return result.exit_code, " ".join(result.output.split())


def disc(corners, bump=0.0):
    """A disc whose caps are fans about their middles, which stand out by ``bump``."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    rim = np.column_stack([0.05 * np.cos(angles), 0.05 * np.sin(angles), 0 * angles])
    vertices = np.vstack([[0, 0, -bump], [0, 0, 0.02 + bump], rim, rim + [0, 0, 0.02]])
    i = np.arange(corners)
    j = (i + 1) % corners
    low, high = i + 2, i + 2 + corners
    after_low, after_high = j + 2, j + 2 + corners
    faces = [(0 * i, after_low, low), (0 * i + 1, high, after_high), (low, after_low, after_high), (low, after_high, high)]
    return vertices, np.vstack([np.column_stack(columns) for columns in faces])


@pytest.mark.parametrize("bump", [0.0, 0.01, 0.08])
def test_normals_of_fans_are_those_of_their_definition(bump):
    """The fan's middle, of more corners than are paired, against all pairs, one by one."""
    vertices, faces = disc(200, bump)
    triangles = vertices[faces]
    area = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    unit = area / np.linalg.norm(area, axis=1, keepdims=True)
    normals = corner_normals(vertices, faces).reshape(-1, 3, 3)
    for face in range(0, 200, 17):
        alike = (unit[:200] @ unit[face]) >= np.cos(np.radians(40))
        expected = area[:200][alike].sum(axis=0)
        # Directions are binned.
        assert normals[face, 0] == pytest.approx(expected / np.linalg.norm(expected), abs=0.02)


def test_a_fan_of_thousands_takes_memory_that_grows_with_its_corners():
    import tracemalloc

    vertices, faces = disc(20_000, 0.02)
    tracemalloc.start()
    corner_normals(vertices, faces)
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


@pytest.mark.parametrize(("gap", "found"), [(0.02, False), (0.5, True), (30.0, True), (2e5, True)])
@pytest.mark.parametrize("kind", ["triangle", "ball", "several"])
def test_far_parts_are_named(tmp_path, gap, found, kind):
    body = trimesh.creation.box((0.1, 0.06, 0.04))
    other = {
        "triangle": trimesh.Trimesh([[0, 0, 0], [0.001, 0, 0], [0, 0.001, 0]], [[0, 1, 2]], process=False),
        "ball": trimesh.creation.icosphere(1, 0.01),
        "several": trimesh.util.concatenate([trimesh.creation.icosphere(1, 0.01).apply_translation([0, y, 0]) for y in (0, 0.05)]),
    }[kind].apply_translation([0.08 + gap, 0, 0])
    whole = trimesh.util.concatenate([body, other])
    far = far_parts(whole.vertices, whole.faces)
    assert (far is not None) == found
    if found:
        assert far.diameters == pytest.approx(gap / 0.123, rel=0.25) and far.count == len(other.faces)
    whole.export(tmp_path / "part.ply")
    code, output = add(tmp_path / "part.ply", "--unit", "m", "--models", tmp_path / "models")
    assert code == int(found), output
    assert ("diameters apart" in output) == found


def test_a_part_inside_or_on_another_is_no_far_part():
    shapes = [trimesh.creation.icosphere(2, 0.05), trimesh.creation.icosphere(1, 0.01)]
    shapes += [trimesh.creation.box((0.01, 0.01, 0.01)).apply_translation([x, 0, 0]) for x in (0.1, 0.2, 0.3)]
    whole = trimesh.util.concatenate(shapes)
    assert far_parts(whole.vertices, whole.faces) is None


def spiked(body, tips):
    """A body whose vertices of these numbers are where tips (N, 3) are."""
    vertices = np.array(body.vertices)
    vertices[: len(tips)] = tips
    return trimesh.Trimesh(vertices, body.faces, process=False)


@pytest.mark.parametrize(
    "tips",
    [
        [(5.0, 0, 0)],
        [(0, 0, 0.3)],
        [(-2e5, 1e5, 3e4)],
        [(5.0, 0, 0), (0, -3.0, 0), (0, 0.2, 7.0)],
        [(900.0, 900, 900), (900, 900, 900), (900, 900, 900)],
    ],
)
def test_vertices_that_were_lost_far_away_are_named_and_left_out(tmp_path, tips):
    """As after a wrong bit, an outlier of a scanner, or coordinates of a map with a vertex at nought."""
    whole = spiked(trimesh.creation.icosphere(4, 0.05), tips)
    far = far_parts(whole.vertices, whole.faces)
    touched = np.any(whole.faces < len(tips), axis=1)
    assert far.count == touched.sum() and np.array_equal(far.near, ~touched)
    nearest = min(np.linalg.norm(tip) for tip in tips)
    assert far.diameters == pytest.approx(nearest / np.linalg.norm([0.1] * 3), rel=0.25)
    whole.export(tmp_path / "part.ply")
    code, output = add(tmp_path / "part.ply", "--unit", "m", "--models", tmp_path / "models", "--parts", "near")
    assert code == 0 and "diameters apart" in output and "100 mm large" in output


def test_lost_vertices_and_parts_are_both_left_out(tmp_path):
    body = trimesh.util.concatenate(
        [trimesh.creation.icosphere(4, 0.05), trimesh.creation.icosphere(1, 0.01).apply_translation([0.7, 0, 0])]
    )
    spiked(body, [(0, 90.0, 0)]).export(tmp_path / "part.ply")
    code, output = add(tmp_path / "part.ply", "--unit", "m", "--models", tmp_path / "models", "--parts", "near")
    assert code == 0 and output.count("diameters apart") == 2 and "100 mm large" in output


@pytest.mark.parametrize("kind", ["rod", "cone", "needle", "broom", "plate", "antenna"])
def test_long_shapes_are_no_lost_vertices(kind):
    head = trimesh.creation.icosphere(4, 0.03)
    shapes = {
        "rod": [trimesh.creation.cylinder(0.003, 2.0, sections=64)],
        "cone": [trimesh.creation.cone(0.05, 0.6, sections=64)],
        "needle": [trimesh.creation.cone(0.001, 0.1, sections=8)],
        "broom": [head, trimesh.creation.cylinder(0.01, 1.5, sections=12).apply_translation([0, 0, 0.75])],
        "plate": [trimesh.creation.box((1.0, 0.8, 0.003)), head],
        "antenna": [head, trimesh.creation.cylinder(0.0005, 0.4, sections=3).apply_translation([0, 0, 0.2])],
    }
    whole = trimesh.util.concatenate(shapes[kind])
    assert far_parts(whole.vertices, whole.faces) is None


@pytest.mark.parametrize("offset", [(4.5e5, 5.4e6, 120.0), (0, 0, 1e7), (-3e4, 0, 0)])
@pytest.mark.parametrize("name", ["map.obj", "map.ply"])
def test_coordinates_of_a_map_are_moved_before_they_are_rounded(tmp_path, offset, name):
    box = trimesh.creation.box((0.4, 0.3, 0.2))
    lines = [" ".join(f"{value:.12g}" for value in vertex) for vertex in box.vertices + offset]
    if name.endswith(".obj"):
        text = "\n".join([f"v {line}" for line in lines] + ["f " + " ".join(map(str, face + 1)) for face in box.faces])
    else:
        head = ["ply", "format ascii 1.0", "element vertex 8", *(f"property double {axis}" for axis in "xyz")]
        head += ["element face 12", "property list uchar int vertex_indices", "end_header"]
        text = "\n".join(head + lines + ["3 " + " ".join(map(str, face)) for face in box.faces])
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match="times as far away as it is large"):
        load_mesh(tmp_path / name)
    code, output = add(tmp_path / name, "--unit", "m", "--models", tmp_path / "models")
    assert code == 0 and "origin of its poses" in output
    vertices = load_object(str(tmp_path / "models" / "map")).mesh.vertices
    assert np.ptp(vertices, axis=0) == pytest.approx([0.4, 0.3, 0.2], abs=1e-5)
    assert vertices.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-5)


def test_triangles_without_area_or_twice_are_left_out_and_counted(tmp_path):
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    faces = np.vstack([box.faces, box.faces[:3], np.roll(box.faces[3:5], 1, axis=1), [[0, 0, 1], [0, 1, 1], [2, 2, 2]]])
    trimesh.Trimesh(box.vertices, faces, process=False).export(tmp_path / "part.ply")
    mesh = load_mesh(tmp_path / "part.ply")
    assert len(mesh.faces) == 12
    assert "8 of 20 triangles" in mesh.notes[0]


def test_both_sides_of_a_sheet_stay(tmp_path):
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    trimesh.Trimesh(box.vertices, np.vstack([box.faces, box.faces[:, ::-1]]), process=False).export(tmp_path / "part.ply")
    assert len(load_mesh(tmp_path / "part.ply").faces) == 24


@pytest.mark.parametrize("turned", ["all", "some", "one"])
def test_what_is_inside_out_is_turned(turned):
    ball = trimesh.creation.icosphere(2, 0.05)
    faces = np.array(ball.faces)
    chosen = {"all": slice(None), "some": slice(0, None, 3), "one": slice(7, 8)}[turned]
    faces[chosen] = faces[chosen, ::-1]
    mesh, said = facing_outwards(mesh_with_normals(np.float32(ball.vertices), faces))
    assert "turned" in said
    assert np.einsum("ij,ij->i", mesh.normals, mesh.vertices).min() > 0
    again, nothing = facing_outwards(mesh)
    assert nothing == "" and np.array_equal(again.faces, mesh.faces)


def test_inner_walls_and_holes_are_named():
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    wall = np.vstack([box.faces, [[0, 3, 7]]])
    assert any("more than two triangles" in said for said in mesh_findings(mesh_with_normals(np.float32(box.vertices), wall), 100))
    assert any("holes" in said for said in mesh_findings(mesh_with_normals(np.float32(box.vertices), box.faces[:-1]), 100))


@pytest.mark.parametrize("turns", [3, 5, 7])
@pytest.mark.parametrize("tilt", [0.0, 0.7])
def test_turns_are_found_about_the_axis_of_the_surface(turns, tilt):
    """The middle of a prism's bounding box is not on its axis when the corners are odd."""
    prism = trimesh.creation.cylinder(radius=0.04, height=0.1, sections=turns)
    prism.apply_transform(trimesh.transformations.rotation_matrix(tilt, [1, 0.5, 0]))
    prism.apply_translation([0.2, -0.1, 0.05])
    found = propose_symmetries(ObjectModel.from_mesh("prism", mesh_with_normals(np.float32(prism.vertices), prism.faces)))
    axis = trimesh.transformations.rotation_matrix(tilt, [1, 0.5, 0])[:3, 2]
    about_axis = [symmetry for symmetry in found if abs(symmetry.axis @ axis) > 0.999]
    assert [symmetry.turns for symmetry in about_axis] == [turns]
    assert about_axis[0].offset == pytest.approx([0.2, -0.1, 0.05], abs=1e-6)


@pytest.mark.parametrize("size", [0.005, 0.05, 5.0])
def test_sizes_from_five_millimetres_to_five_metres_are_objects(tmp_path, size):
    trimesh.creation.box(np.full(3, size / np.sqrt(3))).export(tmp_path / "part.stl")
    code, output = add(tmp_path / "part.stl", "--unit", "m", "--models", tmp_path / "models")
    assert code == 0, output
    assert load_object(str(tmp_path / "models" / "part")).diameter_m == pytest.approx(size, rel=1e-3)


def test_inches_are_a_unit(tmp_path):
    trimesh.creation.box((4, 2, 1)).export(tmp_path / "part.stl")
    assert add(tmp_path / "part.stl", "--unit", "inch", "--models", tmp_path / "models")[0] == 0
    mesh = load_object(str(tmp_path / "models" / "part")).mesh
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.1016, 0.0508, 0.0254])


@pytest.mark.parametrize("name", ["cloud.ply", "cloud.obj"])
def test_a_point_cloud_becomes_a_surface_when_asked(tmp_path, name):
    ball = trimesh.creation.icosphere(4, 0.05).vertices
    colors = np.where(ball[:, 2:] > 0, [200, 40, 40], [40, 40, 200])
    rows = [" ".join(f"{value:.6f}" for value in point) + " " + " ".join(map(str, color)) for point, color in zip(ball, colors)]
    if name.endswith(".obj"):
        text = "\n".join(f"v {row}" for row in rows)
    else:
        head = ["ply", "format ascii 1.0", f"element vertex {len(rows)}", *(f"property float {axis}" for axis in "xyz")]
        head += [*(f"property uchar {color}" for color in ("red", "green", "blue")), "end_header"]
        text = "\n".join(head + rows)
    (tmp_path / name).write_text(text + "\n")
    with pytest.raises(ValueError, match=f"{len(ball)} points without triangles.*--reconstruct"):
        load_mesh(tmp_path / name)
    code, output = add(tmp_path / name, "--unit", "m", "--models", tmp_path / "models")
    assert code == 1 and "--reconstruct" in output
    code, output = add(tmp_path / name, "--unit", "m", "--models", tmp_path / "models", "--reconstruct")
    assert code == 0, output
    mesh = load_object(str(tmp_path / "models" / "cloud")).mesh
    assert np.linalg.norm(mesh.vertices, axis=1) == pytest.approx(0.05, abs=0.002)
    top = mesh.vertices[:, 2] > 0.005
    assert np.all(mesh.vertex_colors[top] == [200, 40, 40])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("part.step", b"ISO-10303-21;", "CAD"),
        ("part.STP", b"ISO-10303-21;", "CAD"),
        ("part.usdz", b"PK", "USD"),
        ("part.fbx", b"Kaydara", "Blender"),
        ("part.drc", b"DRACO", "draco_decoder"),
        ("part.obj", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("part.stl", b"<!DOCTYPE html><html>", "web page"),
        ("part.glb", b"PK\x03\x04", "zip"),
        ("part.obj", b"", "empty"),
        ("part.stl", b"\0" * 80 + (5).to_bytes(4, "little") + b"\0" * 50, "5 triangles .* ends after 1"),
        ("part.ply", b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n0 0 0\n", "3 rows .*cut"),
        ("part.glb", b"glTF" + (1).to_bytes(4, "little") + b"\0" * 20, "version 1"),
        ("part.gltf", b'{"asset": {"version": "2.0"}, "nodes": [{"mesh": 0}]}', "'meshes'"),
        ("part.off", b"OFF\n3 1 0\n0 0 0\n1 0 0\n", "cut"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        load_mesh(tmp_path / name)
    assert "is the file complete?" not in str(caught.value)
