"""Procedural objects are usable meshes, and a network trained on them is for any object."""

import numpy as np
import pytest
import trimesh

from pose_tracker_ros.networks.weights import load_weights
from pose_tracker_ros.objects import mesh_diameter
from pose_tracker_ros.training.object_pool import SHAPES_IN_USE
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig
from pose_tracker_ros.training.shapes import DIAMETER_M, random_object
from pose_tracker_ros.training.train import TrainConfig, train


@pytest.fixture(scope="module")
def objects():
    generator = np.random.default_rng(3)
    return [random_object(generator) for _ in range(40)]


def test_sizes_normals_and_faces_are_sound(objects):
    for model in objects:
        mesh = model.mesh
        # Slack: the bounding box's diagonal stands for the diameter when shapes are scaled.
        assert 0.4 * DIAMETER_M[0] < model.diameter_m <= DIAMETER_M[1] * 1.001
        assert model.diameter_m == pytest.approx(mesh_diameter(mesh.vertices))
        assert np.isfinite(mesh.vertices).all()
        assert np.abs(np.linalg.norm(mesh.normals, axis=1) - 1).max() < 1e-3
        assert mesh.faces.max() < len(mesh.vertices)


def test_normals_look_out_of_the_surface(objects):
    for model in objects[:20]:
        shape = trimesh.Trimesh(model.mesh.vertices, model.mesh.faces, process=False)
        used = shape.area_faces > 1e-9
        normals = model.mesh.normals[model.mesh.faces].mean(axis=1)
        assert np.mean(np.sum(normals * shape.face_normals, axis=1)[used] > 0) > 0.97


def test_most_are_painted_and_no_two_are_alike(objects):
    painted = [model for model in objects if model.mesh.has_color]
    assert 0.6 * len(objects) < len(painted) < len(objects)
    assert len({model.mesh.vertices.tobytes() for model in objects}) == len(objects)
    for model in painted:
        assert model.mesh.uv.shape == (len(model.mesh.vertices), 2)
        assert model.mesh.texture.std() > 0


def test_pairs_of_shapes_have_ever_new_objects():
    generator = PairGenerator([], SceneConfig(resolution=32, random_shapes=1.0), seed=0, images=5)
    diameters = {generator.sample().crop.diameter_m for _ in range(40)}
    assert len(diameters) > 20
    assert len(generator._shapes) <= SHAPES_IN_USE


def test_without_objects_the_shapes_must_be_asked_for():
    with pytest.raises(ValueError, match="random_shapes = 1"):
        PairGenerator([], SceneConfig(), seed=0)


def test_weights_trained_on_shapes_fit_any_object(tmp_path):
    config = TrainConfig(steps=1, batch_size=4, workers=0, device="cpu", validation_pairs=8, closed_loop_frames=4)
    path = train([], SceneConfig(resolution=32, random_shapes=1.0), config, tmp_path)
    _, info = load_weights(path)
    assert not info.objects
    info.check_object("never seen", 0.2, path)
