"""Objects of a scene: bodies, look-alikes and their names."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from shapes import sphere, square
from simulated_scenes import SMALL

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel, mesh_diameter, mesh_with_normals, painted_mesh
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.simulation.config import ObjectConfig
from pose_tracker_ros.simulation.props import BODIES, make_objects, mean_color
from pose_tracker_ros.symmetries import ContinuousSymmetry

OTHER = 110


@pytest.fixture(scope="module")
def models():
    return {model.name: model for model in benchmark_objects()}


def made(models: dict, *configs: ObjectConfig, seed: int = 0) -> list[ObjectModel]:
    return make_objects(configs, models, np.random.default_rng(seed))


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("size", [0.0, 1.0, 1.5])
def test_a_body_has_the_targets_size_and_colour(models, body, size):
    drill, other = made(models, ObjectConfig(model="drill"), ObjectConfig(model=body, size=size, paint="target"))
    assert other.name == body
    assert other.diameter_m == pytest.approx((size or 1.0) * drill.diameter_m, rel=1e-4)
    assert mesh_diameter(other.mesh.vertices) == pytest.approx(other.diameter_m, rel=1e-4)
    assert mean_color(other.mesh) == pytest.approx(mean_color(drill.mesh), abs=1)


def test_a_look_alike_of_another_colour_has_the_same_shape(models):
    for seed in range(5):
        carton, other = made(
            models, ObjectConfig(model="carton"), ObjectConfig(model="carton", name="fake", paint="other"), seed=seed
        )
        assert np.array_equal(other.mesh.vertices, carton.mesh.vertices) and other.name == "fake"
        assert other.mesh.texture is None
        assert np.linalg.norm(mean_color(other.mesh) - mean_color(carton.mesh)) > OTHER - 2
    assert carton is models["carton"]


def test_a_look_alike_of_another_size_is_scaled_with_its_symmetries(models):
    box = trimesh.creation.box(extents=(0.1, 0.05, 0.02)).apply_translation((0.01, 0, 0))
    brick = ObjectModel.from_mesh(
        "brick",
        mesh_with_normals(np.asarray(box.vertices), np.asarray(box.faces)),
        continuous_symmetries=(ContinuousSymmetry(np.array([0.0, 0, 1]), np.array([0.01, 0, 0])),),
        discrete_symmetries=np.array([[[-1, 0, 0, 0.02], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]]),
    )
    half = made({**models, "brick": brick}, ObjectConfig(model="brick"), ObjectConfig(model="brick", name="small", size=0.5))[1]
    assert half.mesh.vertices == pytest.approx(brick.mesh.vertices / 2, abs=1e-7)
    assert half.center_m == pytest.approx(brick.center_m / 2, abs=1e-7)
    assert half.discrete_symmetries[0, 0, 3] == pytest.approx(0.01)
    assert half.continuous_symmetries[0].offset == pytest.approx([0.005, 0, 0])
    assert brick.discrete_symmetries[0, 0, 3] == 0.02


def test_the_mean_colour_is_that_of_the_surface():
    red = trimesh.creation.box(extents=(0.1, 0.1, 0.1))
    blue = trimesh.creation.box(extents=(0.2, 0.2, 0.2)).apply_translation((0.5, 0, 0))
    assert mean_color(painted_mesh([(red, (200, 0, 0)), (blue, (0, 0, 200))])) == pytest.approx([40, 0, 160])
    print_ = np.zeros((8, 8, 3), np.uint8)
    print_[:, :2] = 100
    assert mean_color(square(0.2, print_)) == pytest.approx([25, 25, 25])
    assert mean_color(square(0.2)) == pytest.approx([128, 128, 128])


def test_the_mean_colour_of_a_print_is_about_that_of_its_pictures(models):
    """Seen from all sides."""
    jug = models["demo_jug"]
    renderer, shown = create_renderer("raycast", jug.mesh), []
    for axis, angle in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 1), (1, 3)]:
        turn = so3_exp(angle * np.pi / 2 * np.eye(3)[axis])
        rendering = renderer.render(SMALL, make_pose(turn, np.array([0, 0, 0.5])))
        shown.append(rendering.color[rendering.mask].mean(axis=0))
    assert np.linalg.norm(np.mean(shown, axis=0) - mean_color(jug.mesh)) < 30


def test_names_must_differ_and_models_must_exist(models):
    with pytest.raises(ValueError, match="expected a name of its own .* got drill, drill; set name"):
        made(models, ObjectConfig(model="drill"), ObjectConfig(model="drill", paint="other"))
    with pytest.raises(FileNotFoundError, match="expected a known object .* got 'teapot'"):
        made(models, ObjectConfig(model="drill"), ObjectConfig(model="teapot"))
    with pytest.raises(ValueError, match="expected at least one object"):
        made(models)
    two = made(models, ObjectConfig(model="drill"), ObjectConfig(model="drill", name="other drill"))
    assert [model.name for model in two] == ["drill", "other drill"]


def test_a_callers_model_comes_before_one_of_the_folder(models):
    mine = ObjectModel.from_mesh("demo_jug", sphere(0.05, 3))
    assert made({"demo_jug": mine}, ObjectConfig(model="demo_jug"))[0] is mine
    assert made({}, ObjectConfig(model="demo_jug"))[0].diameter_m == pytest.approx(models["demo_jug"].diameter_m)


def test_the_target_is_nobodys_look_alike(models):
    for options in ({"paint": "other"}, {"paint": "target"}, {"size": 2.0}):
        with pytest.raises(ValueError, match="expected the first object, .* to keep its own paint and size"):
            made(models, ObjectConfig(model="drill", **options))


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_the_target_has_the_size_of_things_in_hands(body):
    assert mesh_diameter(made({}, ObjectConfig(model=body))[0].mesh.vertices) == pytest.approx(0.15, rel=1e-3)
