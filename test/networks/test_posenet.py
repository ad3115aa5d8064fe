"""PoseNet: its trunks as published, its heads, its crops."""

import numpy as np
import pytest
import torch

from pose_tracker_ros.networks.posenet import CameraPoses, PoseNet, mean_pose
from pose_tracker_ros.networks.posenet_crops import (
    central_corner,
    cut,
    dense_corners,
    random_corner,
    scaled_size,
)
from pose_tracker_ros.networks.posenet_trunks import load_torchvision_googlenet
from pose_tracker_ros.networks.posenet_weights import PoseNetInfo, load_posenet, save_posenet

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (256, 341)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def googlenet():
    torch.manual_seed(0)
    return PoseNet("googlenet", SIZE, 224, 0.5)


@pytest.fixture(scope="module")
def torchvision_googlenet():
    torch.manual_seed(0)
    return PoseNet("googlenet_torchvision", SIZE, 224, 0.5)


def test_googlenet_is_that_of_caffe_with_posenets_heads(googlenet):
    """BVLC's GoogLeNet has 6,998,552 parameters, of which its classifier has 1,025,000."""
    assert parameters(googlenet.trunk) == 6_998_552 - 1_025_000
    assert googlenet.trunk.inception3a.branch3[1].conv.kernel_size == (5, 5)
    assert (googlenet.head.position.in_features, googlenet.dropout.p) == (2048, 0.5)
    assert [(head.position.in_features, look.dropout.p) for head, look in zip(googlenet.auxiliary_heads, googlenet.auxiliary_looks)] \
        == [(1024, 0.7)] * 2  # fmt: skip


def test_responses_are_normalised_as_in_caffe(googlenet):
    images = 200 * torch.rand(2, 12, 5, 6)
    expected = torch.nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)(images)
    torch.testing.assert_close(googlenet.trunk.response_norm(images), expected)


def test_googlenet_of_torchvision_has_its_sizes(torchvision_googlenet):
    """torchvision's has 6,624,904 parameters without auxiliary heads, of which its classifier has 1,025,000."""
    assert parameters(torchvision_googlenet.trunk) == 6_624_904 - 1_025_000
    state = torchvision_googlenet.trunk.state_dict()
    assert state["inception4a.branch3.1.conv.weight"].shape == (48, 16, 3, 3)
    assert state["inception3b.branch4.1.bn.running_var"].shape == (64,)


@pytest.mark.parametrize("network", ["googlenet", "torchvision_googlenet"])
def test_three_heads_speak_in_training_and_the_last_one_after_it(network, request):
    network = request.getfixturevalue(network)
    images = torch.rand(2, 3, *SIZE) * 255
    prepared = network.prepare(images, torch.tensor([[0, 0], [117, 32]]))
    assert prepared.shape == (2, 3, 224, 224)
    with torch.no_grad():
        looks = network.train().trunk(prepared)
        assert [look.shape[1:] for look in looks.auxiliary] == [(512, 14, 14), (528, 14, 14)]
        assert looks.final.shape == (2, 1024, 7, 7)
        assert len(network(prepared)) == 3
        (poses,) = network.eval()(prepared)
    torch.testing.assert_close(poses.quaternion.norm(dim=1), torch.ones(2))


def test_googlenet_without_its_crop_is_refused():
    with pytest.raises(ValueError, match="crop of 224 for googlenet, got 0"):
        PoseNet("googlenet", SIZE, 0, 0.5)


def test_weights_of_torchvision_are_taken_by_their_names(torchvision_googlenet, tmp_path):
    other = PoseNet("googlenet_torchvision", SIZE, 224, 0.5)
    state = dict(other.trunk.state_dict())
    for number, look in enumerate(other.auxiliary_looks):
        state |= {f"aux{number + 1}.{name}": value for name, value in look.state_dict().items()}
    state |= {"fc.weight": torch.zeros(1000, 1024), "aux1.fc2.weight": torch.zeros(1000, 1024)}
    torch.save(state, tmp_path / "googlenet.pth")
    load_torchvision_googlenet(
        tmp_path / "googlenet.pth", torchvision_googlenet.trunk, torchvision_googlenet.auxiliary_looks
    )
    assert torch.equal(torchvision_googlenet.trunk.conv1.conv.weight, state["conv1.conv.weight"])
    assert torch.equal(torchvision_googlenet.auxiliary_looks[1].fc1.weight, state["aux2.fc1.weight"])


class Armed:
    def __reduce__(self):
        return print, ("this must not run",)


def test_files_of_anything_else_are_refused_and_not_run(torchvision_googlenet, tmp_path, capsys):
    for content in (Armed(), {"fc.weight": torch.zeros(1)}):
        torch.save(content, tmp_path / "file.pth")
        with pytest.raises(ValueError, match="file.pth"):
            load_torchvision_googlenet(tmp_path / "file.pth", torchvision_googlenet.trunk, torch.nn.ModuleList())
    with pytest.raises(FileNotFoundError, match="none.pth"):
        load_torchvision_googlenet(tmp_path / "none.pth", torchvision_googlenet.trunk, torch.nn.ModuleList())
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "width, height, expected", [(1920, 1080, (256, 455)), (640, 480, (256, 341)), (480, 640, (341, 256))]
)
def test_images_are_scaled_by_their_shorter_side(width, height, expected):
    assert scaled_size(width, height, 256) == expected


def test_crops_are_where_they_are_said_to_be():
    assert central_corner(SIZE, 224).tolist() == [58, 16]
    images = torch.arange(SIZE[0] * SIZE[1]).reshape(1, 1, *SIZE).float()
    crop = cut(images, torch.tensor([[58, 16]]), 224)
    assert crop.shape == (1, 1, 224, 224)
    assert crop[0, 0, 0, 0] == 16 * SIZE[1] + 58 and crop[0, 0, -1, -1] == 239 * SIZE[1] + 281
    assert cut(images, torch.tensor([[0, 0]]), 0) is images


def test_random_crops_reach_every_place_and_no_farther():
    corners = np.stack([random_corner((226, 227), 224, np.random.default_rng(seed)) for seed in range(300)])
    assert sorted(set(corners[:, 0])) == [0, 1, 2, 3] and sorted(set(corners[:, 1])) == [0, 1, 2]


def test_dense_evaluation_has_128_crops_from_border_to_border():
    corners = dense_corners(SIZE, 224)
    assert corners.shape == (128, 2) and len(np.unique(corners, axis=0)) == 128
    assert corners.min(axis=0).tolist() == [0, 0] and corners.max(axis=0).tolist() == [117, 32]
    with pytest.raises(ValueError, match="at least 224 pixels"):
        dense_corners((200, 300), 224)


def test_the_mean_of_poses_forgets_the_signs_of_quaternions():
    quaternion = torch.tensor([[0.1, 0.2, 0.3, 0.9]])
    quaternion = quaternion / quaternion.norm()
    poses = CameraPoses(torch.tensor([[0.0, 0, 0], [2.0, 4, 6]]), torch.cat([quaternion, -quaternion]))
    mean = mean_pose(poses)
    torch.testing.assert_close(mean.position, torch.tensor([[1.0, 2, 3]]))
    torch.testing.assert_close(mean.quaternion, quaternion)


def test_weights_files_bring_the_network_back(tmp_path):
    info = PoseNetInfo("light", (64, 48, 60.0, 60.0, 31.5, 23.5), 0, 0.1, tuple(map(tuple, np.eye(4).tolist())), 7)
    network = info.make_network().eval()
    network.mean_image.uniform_(0, 255)
    save_posenet(tmp_path / "posenet.safetensors", network, info)
    again, read = load_posenet(tmp_path / "posenet.safetensors")
    assert (read.network, read.examples, read.pinhole().fx) == ("light", 7, 60)
    np.testing.assert_array_equal(read.reference(), np.eye(4))
    images, corners = torch.rand(1, 3, 48, 64) * 255, torch.zeros(1, 2, dtype=torch.int64)
    with torch.no_grad():
        for part, expected in zip(
            again(again.prepare(images, corners))[0], network(network.prepare(images, corners))[0]
        ):
            torch.testing.assert_close(part, expected, atol=5e-3, rtol=0)


def test_other_weights_files_are_refused(tmp_path):
    path = tmp_path / "posenet.safetensors"
    with pytest.raises(FileNotFoundError, match="train-relocalizer"):
        load_posenet(path)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="posenet.safetensors"):
        load_posenet(path)
