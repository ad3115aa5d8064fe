"""A regressor puts a network's answer into the map, for images of other cameras, too."""

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.networks.posenet_weights import PoseNetInfo, save_posenet
from pose_tracker_ros.relocalization.regressor import Regressor, seen_by

pytestmark = pytest.mark.usefixtures("one_thread")
CAMERA = PinholeCamera(64, 48, 60.0, 60.0, 31.5, 23.5)
MAP_T_REFERENCE = make_pose(Rotation.from_rotvec([0.3, -0.4, 0.5]).as_matrix(), np.array([3.0, -2.0, 1.0]))
ANSWER = make_pose(Rotation.from_rotvec([0.1, 0.2, -0.1]).as_matrix(), np.array([0.1, 0.2, 0.3]))


def info_of(crop=0, dropout=0.5):
    reference = tuple(map(tuple, MAP_T_REFERENCE.tolist()))
    return PoseNetInfo("light", (64, 48, 60.0, 60.0, 31.5, 23.5), crop, dropout, reference)


def network_of(info):
    """One that answers ANSWER whatever it sees, as its heads have nothing but biases."""
    torch.manual_seed(0)
    network = info.make_network()
    for head, answer in (
        (network.head.position, ANSWER[:3, 3]),
        (network.head.quaternion, 2 * Rotation.from_matrix(ANSWER[:3, :3]).as_quat()),
    ):
        torch.nn.init.zeros_(head.weight)
        head.bias.data = torch.from_numpy(answer).float()
    return network


def image():
    return np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("options", [{}, {"crop": 32}])
@pytest.mark.parametrize("dense", [False, True])
def test_answers_are_put_into_the_map(options, dense, tmp_path):
    info = info_of(**options)
    if dense and not info.crop:
        with pytest.raises(ValueError, match="takes crops"):
            Regressor(network_of(info), info, dense=True)
        return
    save_posenet(tmp_path / "posenet.safetensors", network_of(info), info)
    regressed = Regressor.load(tmp_path / "posenet.safetensors", dense=dense)(image(), CAMERA)
    np.testing.assert_allclose(regressed.map_T_camera, MAP_T_REFERENCE @ ANSWER, atol=1e-6)
    assert regressed.covariance is None


def test_samples_with_dropout_give_a_covariance():
    info = info_of()
    network = network_of(info)
    torch.nn.init.normal_(network.head.position.weight, std=0.05)
    regressor = Regressor(network, info, samples=30)
    covariance = regressor(image(), CAMERA).covariance
    assert covariance.shape == (6, 6)
    assert (np.linalg.eigvalsh(covariance)[-3:] > 0).all() and np.abs(covariance[3:, 3:]).max() < 1e-9
    with pytest.raises(ValueError, match="dropout"):
        Regressor(network_of(info_of(dropout=0.0)), info_of(dropout=0.0), samples=10)


def test_each_sample_is_the_mean_of_all_crops():
    """Crops answer differently and dropout changes nothing, so that all samples are the same."""
    info = info_of(crop=32, dropout=1e-9)
    torch.manual_seed(0)
    network = info.make_network()
    alone = Regressor(network, info, dense=True)(image(), CAMERA)
    sampled = Regressor(network, info, dense=True, samples=2)(image(), CAMERA)
    np.testing.assert_allclose(sampled.map_T_camera, alone.map_T_camera, atol=1e-6)
    assert np.abs(sampled.covariance).max() < 1e-12
    central = Regressor(network, info)(image(), CAMERA)
    assert np.linalg.norm((central.map_T_camera - alone.map_T_camera)[:3, 3]) > 1e-4


def test_another_camera_at_the_same_place_sees_the_same():
    """A smooth picture on a plane, drawn by two cameras, is the same after it is brought from one to the other."""

    def drawn(camera):
        x, y, _ = np.moveaxis(camera.rays(), 2, 0)
        return np.stack([127 + 100 * np.sin(6 * x), 127 + 100 * np.cos(5 * y), 127 + 100 * np.sin(4 * (x + y))], axis=2)

    other = PinholeCamera(320, 200, 200.0, 210.0, 150.0, 110.0)
    brought = seen_by(np.rint(drawn(other)).astype(np.uint8), other, CAMERA).astype(float)
    assert brought.shape == (48, 64, 3)
    assert np.abs(brought - drawn(CAMERA))[2:-2, 2:-2].max() < 6


def test_an_image_of_the_same_camera_stays_as_it_is():
    assert seen_by(image(), CAMERA, CAMERA) is not None
    np.testing.assert_array_equal(seen_by(image(), CAMERA, CAMERA), image())
    large = cv2.resize(image(), (640, 480), interpolation=cv2.INTER_NEAREST)
    camera = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5)
    np.testing.assert_array_equal(seen_by(large, camera, CAMERA), image())
