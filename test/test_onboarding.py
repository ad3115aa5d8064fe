"""What add-object says about meshes whose answers are known."""

import numpy as np
import pytest
import trimesh
import yaml
from shapes import cube, sphere
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.mesh_reduction import reduced
from pose_tracker_ros.objects import Mesh, ObjectModel, load_object
from pose_tracker_ros.onboarding import likely_units, propose_symmetries
from pose_tracker_ros.symmetries import symmetry_transforms


def model_of(shape, **colors):
    return ObjectModel.from_mesh(
        "shape",
        Mesh(np.float32(shape.vertices), np.int32(shape.faces), np.float32(shape.vertex_normals), **colors),
    )


def add(*arguments):
    result = CliRunner().invoke(app, ["add-object", *(str(argument) for argument in arguments)])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def box_file(tmp_path):
    """A box of 200 x 120 x 60 in the file's units."""
    path = tmp_path / "box.ply"
    trimesh.creation.box(extents=(200, 120, 60)).export(path)
    return path


def test_a_box_has_half_turns_about_its_three_axes():
    found = propose_symmetries(model_of(trimesh.creation.box(extents=(0.2, 0.12, 0.06))))
    assert sorted(symmetry.turns for symmetry in found) == [2, 2, 2]
    assert np.abs(np.array([symmetry.axis for symmetry in found])).sum(axis=0) == pytest.approx([1, 1, 1])


def test_a_cube_has_quarter_turns():
    found = propose_symmetries(ObjectModel.from_mesh("cube", cube(0.1)))
    assert [symmetry.turns for symmetry in found] == [4, 4, 4]


def test_a_can_may_be_turned_anyhow_about_its_axis_off_the_origin():
    can = trimesh.creation.cylinder(radius=0.03, height=0.1, sections=64)
    can.apply_translation([0.05, 0.02, 0.0])
    found = propose_symmetries(model_of(can))
    continuous = [symmetry for symmetry in found if symmetry.turns == 0]
    assert len(continuous) == 1
    assert np.abs(continuous[0].axis) == pytest.approx([0, 0, 1])
    assert continuous[0].offset[:2] == pytest.approx([0.05, 0.02], abs=1e-3)


def test_paint_breaks_symmetry():
    assert not propose_symmetries(ObjectModel.from_mesh("ball", sphere(0.05)))


def test_an_asymmetric_shape_has_none():
    shape = trimesh.util.concatenate(
        [
            trimesh.creation.box(extents=(0.2, 0.1, 0.05)),
            trimesh.creation.icosphere(radius=0.04).apply_translation([0.09, 0.04, 0.05]),
        ]
    )
    assert not propose_symmetries(model_of(shape))


@pytest.mark.parametrize(
    ("size", "units"), [
        (0.2, ["m"]),
        (200.0, ["mm"]),
        (20.0, ["cm", "mm", "inch"]),
        (50.0, ["cm", "mm"]),
        (1.2, ["m", "cm", "inch"]),
        (4900.0, ["mm"]),
        (9000.0, []),
    ]
)
def test_units_are_guessed_by_size(size, units):
    box = trimesh.creation.box(extents=(size, size / 10, size / 10))
    assert likely_units(np.asarray(box.vertices)) == units


def test_reduction_keeps_shape_and_colours():
    ball = sphere(0.05, subdivisions=5)
    fewer = reduced(ball, 1000)
    assert len(fewer.faces) <= 1000
    radius = np.linalg.norm(fewer.vertices, axis=1)
    assert radius == pytest.approx(0.05, abs=0.001)
    expected = 127.5 + 127.5 * fewer.vertices / radius[:, None]
    assert np.abs(fewer.vertex_colors - expected).mean() < 8


def test_the_command_makes_an_object_that_loads(box_file, tmp_path):
    code, output = add(box_file, "--name", "my_box", "--models", tmp_path / "models", "--symmetries")
    assert code == 0, output
    assert "unit mm" in output
    assert "turns by 360/2" in output
    model = load_object(str(tmp_path / "models" / "my_box"))
    assert model.diameter_m == pytest.approx(np.linalg.norm([0.2, 0.12, 0.06]))
    assert len(symmetry_transforms(model)) == 4
    assert (tmp_path / "models" / "my_box" / "contact_sheet.png").is_file()


def test_symmetries_are_only_proposed_unless_declared(box_file, tmp_path):
    code, output = add(box_file, "--models", tmp_path / "models")
    assert code == 0, output
    text = (tmp_path / "models" / "box" / "object.yaml").read_text()
    assert set(yaml.safe_load(text)) == {"name", "mesh", "mesh_unit"}
    assert "# symmetries:" in text
    assert set(yaml.safe_load(text.replace("# ", "").split("same after these turns.\n")[1])) == {"symmetries"}


def test_textures_come_along(tmp_path):
    code, output = add("models/demo_jug/demo_jug.obj", "--name", "copy", "--models", tmp_path)
    assert code == 0, output
    assert np.array_equal(load_object(str(tmp_path / "copy")).mesh.texture, load_object("demo_jug").mesh.texture)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.obj"], "expected a mesh file"),
        (["BOX", "--name", "a b"], "expected a name"),
        (["BOX", "--unit", "feet"], "m, cm, mm, inch"),
    ],
)
def test_wrong_arguments_are_explained(box_file, tmp_path, arguments, words):
    code, output = add(*(box_file if argument == "BOX" else argument for argument in arguments), "--models", tmp_path)
    assert code != 0
    assert words in output


def test_an_ambiguous_unit_is_asked_for(tmp_path):
    path = tmp_path / "box.stl"
    trimesh.creation.box(extents=(50, 20, 20)).export(path)
    code, output = add(path, "--models", tmp_path / "models")
    assert code != 0
    assert "In which unit is the mesh?" in output
    assert "m: 50 m, cm: 0.5 m, mm: 0.05 m, inch: 1.27 m" in output


def test_an_object_is_not_replaced_by_accident(box_file, tmp_path):
    assert add(box_file, "--models", tmp_path / "models")[0] == 0
    code, output = add(box_file, "--models", tmp_path / "models")
    assert code != 0
    assert "already" in output
    assert add(box_file, "--models", tmp_path / "models", "--overwrite")[0] == 0
