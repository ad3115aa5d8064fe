"""Meshes from public problem reports (shared/cases), with the values that are right."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.objects import load_mesh, load_object

COLORS = np.array([(220, 30, 30), (30, 200, 40), (40, 60, 220), (230, 220, 40), (200, 40, 200), (40, 210, 210)])


@pytest.fixture(scope="module")
def cases(shared_data):
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"needs the cases at {folder}")
    return folder


@pytest.fixture(scope="module")
def made(cases, tmp_path_factory):
    """A folder with what the cases' own scripts make."""
    folder = tmp_path_factory.mktemp("made")
    for script, name in (("17-gltf-colour-rules", "make17"), ("18-texture-pixel-formats", "make18"), ("06-fan-and-stray-memory", "make06")):
        shutil.copy(cases / script / "make.py", folder / f"{name}.py")
    for name in ("make17", "make18", "make06"):
        arguments = [sys.executable, f"{name}.py", "."]
        subprocess.run(arguments, cwd=folder, check=True, capture_output=True, env={"GLB": ".", "PATH": "", "PYTHONPATH": str(folder)})
    return folder


def add(*arguments):
    result = CliRunner().invoke(app, ["add-object", *(str(argument) for argument in arguments)])
    return result.exit_code, " ".join(result.output.split())


def of_faces(mesh):
    """Colours (6, 3) in the middle of every second triangle."""
    if mesh.texture is None:
        return mesh.vertex_colors[mesh.faces].mean(axis=1)[::2]
    height, width = mesh.texture.shape[:2]
    uv = mesh.uv[mesh.faces].mean(axis=1)[::2]
    return mesh.texture[((1 - uv[:, 1]) % 1 * height).astype(int), (uv[:, 0] % 1 * width).astype(int)].astype(int)


def surface(mesh):
    corners = mesh.vertices[mesh.faces].astype(float)
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2


@pytest.mark.parametrize(
    "mesh",
    [
        "01-texture-lost-in-copy/space/box.obj",
        "01-texture-lost-in-copy/subdir/box.obj",
        "01-texture-lost-in-copy/dotslash/box.obj",
        "01-texture-lost-in-copy/lower/box.obj",
        "01-texture-lost-in-copy/mtlspace/box.obj",
        "01-texture-lost-in-copy/bopply/obj_000001.ply",
        "02-gltf-companions/gltf/box.gltf",
    ],
)
def test_the_saved_object_has_the_texture(cases, tmp_path, mesh):
    unit = "mm" if mesh.endswith(".ply") else "m"
    code, output = add(cases / mesh, "--name", "part", "--unit", unit, "--models", tmp_path)
    assert code == 0 and ", coloured" in output, output
    saved = load_object(str(tmp_path / "part")).mesh
    assert np.array_equal(saved.texture, load_mesh(cases / mesh, unit).texture) and saved.texture.shape == (64, 96, 3)


def test_a_missing_material_is_named_and_gives_no_grey(cases, tmp_path):
    code, output = add(cases / "03-made-up-grey-texture/nomtl/box.obj", "--name", "part", "--unit", "m", "--models", tmp_path)
    assert code == 0 and "without colour" in output and "gone.mtl" in output
    assert not load_object(str(tmp_path / "part")).mesh.has_color


def test_flat_colours_are_kept(cases, tmp_path):
    code, output = add(cases / "04-flat-colour-lost/kd1/box.obj", "--unit", "m", "--models", tmp_path)
    assert code == 0 and ", coloured" in output
    assert np.all(load_object(str(tmp_path / "box")).mesh.vertex_colors == [219, 31, 31])
    # Of linear light 0.863, 0.118, 0.118.
    assert np.abs(load_mesh(cases / "04-flat-colour-lost/factor.glb").vertex_colors - np.array([239.0, 96, 96])).max() <= 1


def test_relative_indices_give_the_same_box(cases):
    one, two = (load_mesh(cases / "05-obj-relative-indices" / name) for name in ("neg.obj", "pos.obj"))
    assert np.array_equal(np.ptp(one.vertices, axis=0), np.ptp(two.vertices, axis=0))
    assert surface(one) == pytest.approx(surface(two)) == pytest.approx(0.0208)


@pytest.mark.parametrize("name", ["channel.obj", "channel.ply", "channel_triangles.obj"])
def test_notches_stay_open(cases, name):
    assert surface(load_mesh(cases / "16-concave-polygons" / name, "mm")) * 1e6 == pytest.approx(20800)


def test_fans_of_thousands_are_taken(made, tmp_path):
    code, output = add(made / "disc20k.stl", "--unit", "m", "--models", tmp_path)
    assert code == 0 and "any turn about the axis 0.00 0.00 1.00" in output


@pytest.mark.parametrize("name", ["stray1", "stray2e5"])
def test_stray_triangles_are_named_and_left_out_when_asked(made, tmp_path, name):
    code, output = add(made / f"{name}.ply", "--unit", "m", "--models", tmp_path)
    assert code == 1 and "diameters apart: 1 of 20481 triangles" in output and not list(tmp_path.iterdir())
    code, output = add(made / f"{name}.ply", "--unit", "m", "--models", tmp_path, "--parts", "near")
    assert code == 0 and load_object(str(tmp_path / name)).diameter_m == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(
    "name", ["plain", "textrans", "quant", "uv1", "color_f", "color_u16", "specgloss", "lines", "scenes", "lod", "webp", "factor"]
)
def test_gltf_has_the_colours_of_a_viewer(made, name):
    light = np.where(COLORS > 10.3, ((COLORS / 255 + 0.055) / 1.055) ** 2.4, COLORS / 255 / 12.92)
    expected = 255 * (1.055 * (0.4 * light) ** (1 / 2.4) - 0.055) if name == "factor" else COLORS
    assert np.abs(of_faces(load_mesh(made / f"g_{name}.glb")) - expected).max() <= (4 if name == "webp" else 1)


def test_an_unknown_extension_is_named(made):
    with pytest.raises(ValueError, match="KHR_texture_basisu"):
        load_mesh(made / "g_basisu.glb")


def test_textures_of_other_pixels(made):
    grey = np.repeat(COLORS.mean(axis=1)[:, None], 3, axis=1)
    assert np.abs(of_faces(load_mesh(made / "t_ok/box.obj")) - COLORS).max() == 0
    for name in ("t_grey16", "t_float"):
        assert np.abs(of_faces(load_mesh(made / name / "box.obj")) - grey).max() <= 1
    large = load_mesh(made / "t_16k/box.obj")
    assert np.abs(of_faces(large) - COLORS).max() <= 1 and large.texture.shape == (4096, 4096, 3)


@pytest.mark.parametrize("name", ["vertex255.obj", "diffuse.ply", "rgb.ply"])
def test_colours_of_vertices(made, name):
    assert np.all(load_mesh(made / name).vertex_colors == [220, 30, 30])


@pytest.mark.parametrize(("text", "name"), [("021", "021"), ("0815", "0815"), ("yes", "yes"), ("1_000", "1_000")])
def test_names_are_texts(cases, tmp_path, text, name):
    plain = tmp_path / "plain"
    shutil.copytree(cases / "common/models/plain", plain)
    (plain / "object.yaml").write_text(f"name: {text}\nmesh: box.obj\n")
    assert load_object(str(plain)).name == name


def test_files_linked_one_by_one_keep_their_paint(tmp_path):
    jug = Path("models/demo_jug").resolve()
    (tmp_path / "jug").mkdir()
    for path in jug.iterdir():
        (tmp_path / "jug" / path.name).symlink_to(path)
    assert np.array_equal(load_object(str(tmp_path / "jug")).mesh.texture, load_object(str(jug)).mesh.texture)
