import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_tracker_ros.evaluation.trajectory import (
    BopEstimate,
    PoseEstimate,
    is_bop_results,
    read_bop_results,
    read_trajectory,
    to_bop_estimates,
    write_bop_results,
    write_trajectory,
)


@pytest.fixture
def pose():
    result = np.eye(4)
    result[:3, :3] = Rotation.from_rotvec([1.0, -2.0, 0.5]).as_matrix()
    result[:3, 3] = (0.123456789, -0.2, 0.75)
    return result


def test_trajectory_survives_the_file(tmp_path, pose):
    written = [
        PoseEstimate(1581120424.100262102, 7, pose, "tracking", 0.875, 12.3456),
        PoseEstimate(1581120424.133595, 8, None, "lost", 0.0),
    ]
    write_trajectory(tmp_path / "a.csv", written)
    read = read_trajectory(tmp_path / "a.csv")
    np.testing.assert_allclose(read[0].camera_T_object, pose, atol=1e-8)
    assert (read[0].stamp, read[0].index, read[0].state, read[0].score) == (written[0].stamp, 7, "tracking", 0.875)
    assert read[0].latency_ms == pytest.approx(12.346, abs=1e-3)
    assert read[1].camera_T_object is None and read[1].state == "lost" and np.isnan(read[1].latency_ms)
    first, second = (tmp_path / "a.csv").read_text().splitlines()[:2]
    assert first == "stamp,index,state,score,latency_ms,x,y,z,qx,qy,qz,qw"
    np.testing.assert_allclose([float(cell) for cell in second.split(",")[5:8]], pose[:3, 3], atol=1e-9)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1.0,0,tracking,1,2,0,0,1,0,0,0,0", "non-zero length"),
        ("1.0,0,tracking,1,2,0,0", "line 2"),
        ("x,0,a,1,2,,,,,,,", "'x'"),
        ("1.0", "no index"),
    ],
)
def test_bad_rows_are_named(tmp_path, line, reason):
    path = tmp_path / "bad.csv"
    path.write_text("stamp,index,state,score,latency_ms,x,y,z,qx,qy,qz,qw\n" + line + "\n")
    with pytest.raises(ValueError, match="bad.csv, line 2") as caught:
        read_trajectory(path)
    assert reason in str(caught.value)


def test_calibration_and_covariance_survive_the_file(tmp_path, pose):
    """A covariance whose parts can be told apart, in one row only; columns by name, as other programs read them."""
    root = np.arange(36.0).reshape(6, 6) % 7 - 2
    covariance = root @ root.T * 1e-6
    written = [
        PoseEstimate(1.0, 7, pose, color_dx=-1.25, color_dy=2.0, depth_bias_m=0.0015, covariance=covariance),
        PoseEstimate(2.0, 8, pose),
    ]
    path = tmp_path / "a.csv"
    write_trajectory(path, written)
    first, second = read_trajectory(path)
    assert (first.color_dx, first.color_dy, first.depth_bias_m) == (-1.25, 2.0, 0.0015)
    assert (second.color_dx, second.color_dy, second.depth_bias_m) == (0.0, 0.0, 0.0)
    np.testing.assert_allclose(first.covariance, covariance, rtol=1e-5)
    assert second.covariance is None
    header, line = path.read_text().splitlines()[:2]
    cells = dict(zip(header.split(","), line.split(",")))
    assert len(cells) == 12 + 3 + 21
    assert float(cells["c13"]) == pytest.approx(covariance[1, 3], rel=1e-5)
    assert float(cells["c55"]) == pytest.approx(covariance[5, 5], rel=1e-5)


def test_matrices_of_other_programs_are_read(tmp_path, pose):
    """All that is needed, in any order, among columns that mean nothing here; a row without a pose is a lost frame."""
    names = [f"m{row}{column}" for row in range(4) for column in range(4)]
    cells = ",".join(f"{value:.7g}" for value in pose.ravel())
    path = tmp_path / "peer.csv"
    path.write_text(f"ms,index,{','.join(names)}\n0.9,12,{cells}\n0.8,13{',' * 16}\n")
    first, second = read_trajectory(path)
    np.testing.assert_allclose(first.camera_T_object, pose, atol=1e-6)
    assert first.index == 12 and np.isnan(first.stamp) and first.state == "tracking"
    assert second.index == 13 and second.camera_T_object is None
    path.write_text(f"index,{','.join(names)}\n12,{','.join(['0.5'] * 16)}\n")
    with pytest.raises(ValueError, match="peer.csv, line 2.*rigid transform"):
        read_trajectory(path)


def test_a_covariance_with_gaps_is_refused(tmp_path, pose):
    path = tmp_path / "a.csv"
    write_trajectory(path, [PoseEstimate(1.0, 7, pose, covariance=np.eye(6))])
    path.write_text(path.read_text().rsplit(",", 1)[0] + ",\n")
    with pytest.raises(ValueError, match="line 2.*c55"):
        read_trajectory(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "other.csv").write_text("time,x,y\n1,2,3\n")
    with pytest.raises(ValueError, match="other.csv, missing"):
        read_trajectory(tmp_path / "other.csv")
    with pytest.raises(FileNotFoundError, match="none.csv"):
        read_trajectory(tmp_path / "none.csv")


def test_bop_results_survive_the_file(tmp_path, pose):
    path = tmp_path / "b.csv"
    write_bop_results(path, [BopEstimate(3, 12, 5, 0.5, pose, 0.02)])
    (read,) = read_bop_results(path)
    assert read[:4] == (3, 12, 5, 0.5) and read.time == 0.02
    np.testing.assert_allclose(read.camera_T_object, pose, atol=1e-12)
    assert is_bop_results(path)
    cells = path.read_text().splitlines()[1].split(",")
    assert len(cells) == 7 and float(cells[5].split()[2]) == pytest.approx(750.0), "translations in millimetres"
    np.testing.assert_allclose(np.array(cells[4].split(), float), pose[:3, :3].ravel(), atol=1e-12)


def test_bad_bop_rows_are_named(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("scene_id,im_id,obj_id,score,R,t,time\n1,2,3,0.5,1 0 0 0 1 0 0 0,0 0 0,-1\n")
    with pytest.raises(ValueError, match="9 numbers for R.*line 2"):
        read_bop_results(path)


def test_frames_without_pose_are_no_bop_estimates(pose):
    rows = to_bop_estimates([PoseEstimate(0.1, 3, pose, latency_ms=20.0), PoseEstimate(0.2, 4, None)], 1, 2)
    assert [row[:3] for row in rows] == [(1, 3, 2)] and rows[0].time == pytest.approx(0.02)
