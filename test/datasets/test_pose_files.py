"""Poses whose rotations are almost orthonormal."""

import numpy as np
import pytest
from dataset_layouts import pose_of
from scipy.spatial.transform import Rotation

from pose_tracker_ros.datasets import DatasetError
from pose_tracker_ros.datasets.pose_files import PoseFiles, deviation_from_rigid, rigid


def stretched(pose, deviation):
    """The pose with its rotation scaled so that R^T R = (1 + deviation) I."""
    stretched = pose.copy()
    stretched[:3, :3] *= np.sqrt(1 + deviation)
    return stretched


def write(folder, poses):
    """One text file a pose; number -> path."""
    paths = {}
    for number, pose in poses.items():
        paths[number] = folder / f"{number}.txt"
        np.savetxt(paths[number], pose)
    return paths


def test_a_scaled_rotation_comes_back_exactly():
    """Scaling leaves the nearest rotation where it was."""
    off = stretched(pose_of(2), 4e-3)
    assert deviation_from_rigid(off) == pytest.approx(4e-3)
    np.testing.assert_allclose(rigid(off, "here"), pose_of(2), atol=1e-12)


def test_the_rotation_is_the_nearest(tmp_path):
    """No rotation in the neighbourhood is nearer to the matrix, in the sum of squared differences."""
    generator = np.random.default_rng(1)
    off = pose_of(1)
    off[:3, :3] += generator.uniform(-1e-3, 1e-3, (3, 3))
    found = rigid(off, "here")[:3, :3]
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-12)
    distance = np.linalg.norm(found - off[:3, :3])
    for turn in generator.normal(scale=3e-4, size=(200, 3)):
        assert np.linalg.norm(Rotation.from_rotvec(turn).as_matrix() @ found - off[:3, :3]) > distance


def test_one_note_says_how_far_off_the_poses_of_a_sequence_are(tmp_path, caplog):
    poses = PoseFiles(write(tmp_path, {1: pose_of(1), 2: stretched(pose_of(2), 2e-3), 3: stretched(pose_of(3), 1e-3)}))
    for _ in range(2):
        for number in (1, 2, 3):
            np.testing.assert_allclose(poses.pose(number), pose_of(number), atol=1e-12)
    (note,) = caplog.records
    assert "2 of 3 poses" in note.getMessage() and "2.0e-03" in note.getMessage()
    assert poses.pose(4) is None


@pytest.mark.parametrize("deviation", [1e-16, 9e-6])
def test_rounding_is_not_worth_a_note(tmp_path, caplog, deviation):
    assert PoseFiles(write(tmp_path, {0: stretched(pose_of(0), deviation)})).pose(0) is not None
    assert not caplog.records


@pytest.mark.parametrize(
    ("pose", "words"),
    [
        (stretched(pose_of(1), 6e-3), "6.0e-03 off"),
        (np.diag([1.0, 1.0, -1.0, 1.0]), "left to right"),
        (np.eye(4) + np.outer([0, 0, 0, 1], [0, 0, 0.1, 0]), "last row"),
        (np.array([[1e200, 1e200, 0, 0], [1e200, -1e200, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "(nan|inf) off"),
    ],
)
def test_what_is_no_pose_is_refused_by_the_name_of_its_file(tmp_path, pose, words):
    poses = PoseFiles(write(tmp_path, {0: pose_of(0), 7: pose}))
    assert poses.pose(0) is not None
    with pytest.raises(DatasetError, match=f"rigid 4x4.*7.txt.*{words}"):
        poses.pose(7)
