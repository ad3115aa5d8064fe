"""Views and batches are what they say, and PoseNet learns them, resumes and reports."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.geometry import invert, make_pose, matrix_from_quaternion, transform_points
from pose_tracker_ros.networks.posenet_weights import load_posenet
from pose_tracker_ros.simulation.config import SensorConfig
from pose_tracker_ros.simulation.room_views import RoomViews
from pose_tracker_ros.training.camera_views import (
    POINTS,
    BatchOptions,
    CameraView,
    CameraViewStream,
    network_camera,
    read_views,
    reference_pose,
    turned,
)
from pose_tracker_ros.training.posenet import PoseNetTrainConfig, split_positions, train_posenet
from pose_tracker_ros.training.room_surface import SyntheticViews, fuse

pytestmark = pytest.mark.usefixtures("one_thread")
CLEAN = SensorConfig(depth_noise_mm=0.0, depth_holes=0.0, color_noise=0.0)
QUICK = PoseNetTrainConfig(
    steps=2,
    batch_size=4,
    short_side=48,
    workers=0,
    device="cpu",
    validate_every=2,
    checkpoint_minutes=0,
    synthetic_views=3,
    voxel_m=0.06,
    held_out_every=2,
)


@pytest.fixture(scope="module")
def room():
    return RoomViews(6, room=0, places=1, sensor=CLEAN)


@pytest.fixture(scope="module")
def camera(room):
    return network_camera(room.camera, 48)


@pytest.fixture(scope="module")
def views(room, camera):
    return read_views(room, range(6), camera)


def test_views_show_the_points_that_they_say(room, views):
    """Points of a view, seen by the frame's own camera, have that depth."""
    for position, view in enumerate(views):
        frame = room.read(position)
        columns, rows = np.rint(frame.camera.project(view.points.astype(float))).astype(int).T
        assert view.color.shape == (48, 64, 3) and view.points.shape == (POINTS, 3)
        np.testing.assert_allclose(frame.depth[rows, columns], view.points[:, 2], atol=1e-5)
        np.testing.assert_array_equal(view.map_T_camera, frame.world_T_camera)


def test_a_camera_turned_about_its_centre_sees_what_it_would(camera):
    """Against the room drawn from there; what was outside of the image is not known."""
    before = RoomViews(1, room=0, places=1, sensor=CLEAN, camera=camera)
    turn = np.array([0.05, -0.08, 0.1])
    view = turned(CameraView(before.read(0).color, before.world_T_camera(0), np.ones((1, 3), np.float32)), camera, turn)
    after = RoomViews(1, room=0, places=1, sensor=CLEAN, camera=camera)
    after._poses[0] = view.map_T_camera
    difference = np.abs(view.color.astype(int) - after.read(0).color).mean(axis=2)
    unturned = np.abs(before.read(0).color.astype(int) - after.read(0).color).mean(axis=2)
    assert np.median(difference[10:-10, 10:-10]) < 0.3 * np.median(unturned[10:-10, 10:-10])
    point = transform_points(before.world_T_camera(0), np.ones((1, 3)))
    np.testing.assert_allclose(transform_points(invert(view.map_T_camera), point), view.points, atol=1e-6)


def test_synthetic_views_are_what_a_camera_there_sees(room, camera, views):
    surface = fuse((room.read(position) for position in range(6)), 0.03)
    source = SyntheticViews(surface, camera, views, 0.05, 3.0, seed=0)
    real = RoomViews(1, room=0, places=1, sensor=CLEAN, camera=camera)
    for _ in range(4):
        view = source.next()
        real._poses[0] = view.map_T_camera
        frame = real.read(0)
        assert np.median(np.abs(frame.color.astype(int) - view.color).mean(axis=2)) < 12
        columns, rows = np.rint(camera.project(view.points.astype(float))).astype(int).T
        assert np.median(np.abs(frame.depth[rows, columns] - view.points[:, 2])) < 0.02


def test_batches_hold_images_and_poses_in_the_reference_frame(camera, views):
    reference = reference_pose(views)
    options = BatchOptions(camera, 0, False, False, 0.0, 0.0)
    batch = next(iter(CameraViewStream(views, [], reference, options, 4, 0, 0)))
    assert batch.images.shape == (4, 3, 48, 64) and batch.images.dtype == torch.uint8
    for image, position, quaternion in zip(batch.images, batch.position.numpy(), batch.quaternion.numpy()):
        (view,) = (view for view in views if np.array_equal(view.color, image.permute(1, 2, 0).numpy()))
        pose = reference @ make_pose(matrix_from_quaternion(quaternion), position)
        np.testing.assert_allclose(pose, view.map_T_camera, atol=1e-5)
        assert quaternion[3] > 0.5


def test_the_reference_is_in_the_middle_of_the_cameras():
    poses = [
        make_pose(Rotation.from_rotvec([0, angle, 0]).as_matrix(), (angle, 2, 3)) for angle in (2.9, 3.1, 3.3, 3.5)
    ]
    reference = reference_pose([CameraView(None, pose, None) for pose in poses])
    expected = make_pose(Rotation.from_rotvec([0, 3.2, 0]).as_matrix(), (3.2, 2, 3))
    np.testing.assert_allclose(reference, expected, atol=1e-9)


def test_frames_without_pose_are_left_out_and_cambridge_images_have_their_points(seven_scenes_room, cambridge_scene):
    (seven_scenes_room / "seq-01" / "frame-000000.pose.txt").unlink()
    sequence = open_sequence(seven_scenes_room / "seq-01")
    (view,) = read_views(sequence, range(2), sequence.camera)
    np.testing.assert_allclose(view.map_T_camera, sequence.world_T_camera(1))
    sequence = open_sequence(cambridge_scene)
    views = read_views(sequence, range(3), network_camera(sequence.camera, 24))
    points = transform_points(invert(views[2].map_T_camera), np.array([[1.0, 2, 3], [4, 5, 6]]))
    known = {tuple(point) for point in views[2].points.round(4).tolist()} - {(0.0, 0.0, 0.0)}
    assert known == {tuple(point) for point in points[points[:, 2] > 0].astype(np.float32).round(4).tolist()}


@pytest.mark.parametrize(
    "held_out_every, overfit, training, validation",
    [(2, 0, [0, 2, 4], [1, 3, 5]), (0, 0, [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]), (2, 3, [0, 2, 5], [0, 2, 5])],
)
def test_frames_are_split(held_out_every, overfit, training, validation):
    assert split_positions(6, held_out_every, overfit) == (training, validation)


@pytest.mark.parametrize("held_out_every", [1, 7])
def test_a_part_without_frames_is_refused(held_out_every):
    with pytest.raises(ValueError, match="held_out_every from 2 to the 6 frames"):
        split_positions(6, held_out_every, 0)


def test_a_light_network_learns_images_by_heart(room, tmp_path):
    """To a centimetre, as --overfit asks of any network, at a size that takes seconds.

    Each image is twice in a batch: of few pixels batch normalisation's variances in training are not those after it.
    """
    config = replace(
        QUICK, steps=150, batch_size=8, learning_rate=2e-3, validate_every=150, loss="beta", beta=0.5, dropout=0.0,
        synthetic_views=0, color_defects=False, turn_deg=0.0, average_decay=0.0, warmup_steps=10, weight_decay=0.0,
        checkpoint_minutes=5.0, precision="float32",
    )  # fmt: skip
    train_posenet(room, config, tmp_path, overfit=4)
    with (tmp_path / "log.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    assert float(row["position_m"]) < 0.01
    assert float(row["orientation_deg"]) < 1


@pytest.mark.parametrize("loss", ["beta", "geometric"])
def test_a_resumed_run_goes_on(room, tmp_path, loss):
    config = replace(QUICK, loss=loss, geometric_from=0.5)
    train_posenet(room, replace(config, steps=1), tmp_path)
    path = train_posenet(room, config, tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 2
    assert ("loss" in state) == (loss == "geometric")
    _, info = load_posenet(path)
    assert (info.examples, info.network, info.training["loss"]) == (8, "light", loss)


def test_images_without_depth_are_learnt_without_synthetic_views(cambridge_scene, tmp_path, caplog):
    config = replace(QUICK, short_side=24, held_out_every=0)
    path = train_posenet(open_sequence(cambridge_scene), config, tmp_path)
    assert load_posenet(path)[1].examples == 8
    assert "ShopFacade has no depth" in caplog.text


def test_the_command_trains_and_installs(seven_scenes_room, tmp_path):
    (tmp_path / "map").mkdir()
    options = {name: getattr(QUICK, name) for name in ("steps", "batch_size", "workers", "device")}
    options |= {"short_side": 32, "synthetic_views": 0, "held_out_every": 0, "network": "light"}
    arguments = ["train-relocalizer", seven_scenes_room, "--reader", "split=train", "--output", tmp_path / "run"]
    arguments += ["--install", tmp_path / "map", *(f"--set={name}={value}" for name, value in options.items())]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert load_posenet(tmp_path / "map" / "regressor.safetensors")[1].examples == 8


def test_sequences_without_poses_and_recordings_of_objects_are_refused_in_a_sentence(eoat_video, tmp_path):
    arguments = ["train-relocalizer", eoat_video, "--output", tmp_path / "run", "--set=device=cpu", "--set=held_out_every=2"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 1
    assert "expected frames with the camera's pose in 'mustard0'" in " ".join(result.output.split())


def test_weights_of_torchvision_go_into_its_network_alone(room, tmp_path):
    with pytest.raises(ValueError, match="network=googlenet_torchvision"):
        train_posenet(room, QUICK, tmp_path, googlenet_weights=tmp_path / "none.pth")
