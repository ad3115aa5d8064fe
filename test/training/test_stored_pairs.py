"""Pairs on disk are those of the stream, bit by bit, and train the same network."""

from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from shapes import cube
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.geometry import rotation_angle, so3_exp, so3_log
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.symmetries import ContinuousSymmetry, nearest_equivalent, symmetry_transforms
from pose_tracker_ros.training.pairs import PairStream, loader
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig
from pose_tracker_ros.training.stored_pairs import INDEX_NAME, StoredPairs, write_pairs
from pose_tracker_ros.training.train import TrainConfig, train

SCENE = SceneConfig(resolution=32)
QUICK = TrainConfig(
    steps=3,
    batch_size=4,
    workers=0,
    device="cpu",
    validation_pairs=8,
    closed_loop_frames=0,
    curriculum_steps=2,
    warmup_steps=0,
    seed=5,
)


@pytest.fixture(scope="module")
def model():
    return load_object("cube")


def stream_of(model):
    return PairStream([model], SCENE, QUICK.batch_size, QUICK.seed, 0, QUICK.curriculum_steps)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    batches = islice(loader(stream_of(model), 0), 3)
    return write_pairs(tmp_path_factory.mktemp("pairs") / "set", batches, [model], SCENE, {"seed": QUICK.seed})


def tensors(batch):
    return [*batch.crops, batch.translation, batch.rotation]


def test_what_is_read_is_what_the_stream_gives(model, folder):
    stored = StoredPairs(folder)
    assert len(stored) == 3
    for written, fresh in zip(islice(iter(stored), 3), stream_of(model)):
        for one, other in zip(tensors(written), tensors(fresh)):
            assert one.dtype == other.dtype
            assert torch.equal(one, other)


def test_pairs_with_everything_come_back_bit_by_bit(model, tmp_path):
    """Backgrounds of a user's folder, distractors, shapes, the published defects, filled depth: all is in the seed."""
    for number, color in enumerate(((0, 0, 255), (0, 255, 0), (90, 80, 70))):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((60, 80, 3), color, np.uint8))
    scene = replace(
        SCENE,
        backgrounds=str(tmp_path),
        distractors=1.0,
        random_shapes=0.3,
        residuals="uniform",
        augmentation="published",
        fill_depth_holes=True,
    )
    stream = PairStream([model], scene, 4, 7, 0, 0)
    write_pairs(tmp_path / "set", islice(loader(stream, 0), 3), [model], scene, {})
    stored = StoredPairs(tmp_path / "set")
    assert stored.scene == scene
    for written, fresh in zip(islice(iter(stored), 3), stream):
        for one, other in zip(tensors(written), tensors(fresh)):
            assert torch.equal(one, other)


def test_it_begins_again_at_the_end_and_goes_on_in_the_middle(folder):
    stored = StoredPairs(folder, first_batch=2)
    last, again = islice(iter(stored), 2)
    assert torch.equal(last.rotation, stored.read(2).rotation)
    assert torch.equal(again.rotation, stored.read(0).rotation)


def test_training_from_disk_gives_the_same_weights(model, folder, tmp_path):
    from_stream = train([model], SCENE, QUICK, tmp_path / "stream")
    from_disk = train([model], SCENE, QUICK, tmp_path / "disk", dataset=folder)
    one, other = load_file(from_stream), load_file(from_disk)
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_a_set_of_other_scenes_or_objects_is_refused(model, folder, tmp_path):
    with pytest.raises(ValueError, match="occlusion"):
        train([model], replace(SCENE, occlusion=0.1), QUICK, tmp_path, dataset=folder)
    with pytest.raises(ValueError, match="shows cube"):
        train([load_object("demo_jug")], SCENE, QUICK, tmp_path, dataset=folder)


def test_missing_unfinished_and_broken_sets_are_named(model, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="pose-tracker render"):
        StoredPairs(tmp_path)
    with pytest.raises(FileExistsError, match="already"):
        write_pairs(folder, [], [model], SCENE, {})
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / INDEX_NAME).write_text((folder / INDEX_NAME).read_text())
    whole = (folder / "batch_000000.safetensors").read_bytes()
    (copy / "batch_000000.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="complete batch"):
        StoredPairs(copy).read(0)


def test_the_command_writes_what_training_reads(tmp_path):
    options = ["--pairs", "8", "--batch-size", "4", "--workers", "0", "--set", "resolution=32"]
    result = CliRunner().invoke(app, ["render", "cube", "--output", str(tmp_path / "set"), *options])
    assert result.exit_code == 0, result.output
    assert len(StoredPairs(tmp_path / "set")) == 2


def can():
    axis = ContinuousSymmetry(np.array([0.0, 0.0, 1.0]), np.array([0.01, 0.0, 0.0]))
    return ObjectModel.from_mesh("can", cube(0.08), continuous_symmetries=(axis,))


def test_the_nearest_equivalent_leaves_only_the_turn_that_can_be_seen():
    symmetries = symmetry_transforms(can(), 0.002)
    pose = np.eye(4)
    other = np.eye(4)
    other[:3, :3] = so3_exp(np.array([0.0, 0.1, 0.0])) @ so3_exp(np.array([0.0, 0.0, 2.0]))
    nearest = nearest_equivalent(pose, other, symmetries)
    assert so3_log(nearest[:3, :3]) == pytest.approx([0.0, 0.1, 0.0], abs=0.01)
    # The axis does not move, wherever the object is turned about it.
    point = np.array([0.01, 0.0, 0.03, 1.0])
    assert nearest @ point == pytest.approx(other @ point)


def test_targets_of_symmetric_objects_have_no_turn_about_the_axis():
    """With the symmetry undeclared the same scenes ask for turns that nobody can see."""

    def turns_about_axis(model):
        generator = PairGenerator([model], SceneConfig(resolution=32, max_rotation_deg=30.0), seed=1, images=3)
        generator.difficulty = 0.0
        turns = []
        for _ in range(25):
            pair = generator.sample()
            turns.append(np.linalg.norm(pair.rotation))
        return np.array(turns)

    declared = turns_about_axis(can())
    undeclared = turns_about_axis(replace(can(), continuous_symmetries=()))
    assert declared.mean() < 0.95 * undeclared.mean()
    assert np.all(declared <= undeclared + 0.02)


def test_an_object_without_symmetries_keeps_its_residual(model):
    generator = PairGenerator([model], SCENE, seed=2, images=3)
    pair = generator.sample()
    assert rotation_angle(so3_exp(pair.rotation)) == pytest.approx(np.linalg.norm(pair.rotation))
    assert len(symmetry_transforms(model)) == 1
