"""Results of other tools, all of the same poses."""

import numpy as np
import pytest
from dataset_layouts import pose_of

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.evaluation.result_files import is_tum_trajectory, read_track
from pose_tracker_ros.evaluation.trajectory import is_bop_results, read_bop_results, read_trajectory
from pose_tracker_ros.geometry import quaternion_from_matrix

BOM = "\ufeff"
HEADER = "scene_id,im_id,obj_id,score,R,t,time"


def bop_row(index, separator=",", ids="{}", extra="", brackets=("", "")):
    pose = pose_of(index)
    rotation = brackets[0] + " ".join(f"{value:.9f}" for value in pose[:3, :3].ravel()) + brackets[1]
    translation = brackets[0] + " ".join(f"{value:.6f}" for value in pose[:3, 3] * 1000) + brackets[1]
    numbers = [ids.format(number) for number in (7, index, 1)]
    return separator.join([*numbers, "0.5", rotation, translation, "0.02"]) + extra


BOP_FILES = {
    "toolkit": f"{HEADER}\n{{0}}\n{{1}}\n",
    "no header": "{0}\n{1}\n",
    "byte order mark": f"{BOM}{HEADER}\r\n{{0}}\r\n{{1}}\r\n",
    "byte order mark, no header": f"{BOM}{{0}}\n{{1}}",
    "spaces in header": f"{HEADER.replace(',', ', ')}\n\n{{0}}\n{{1}}\n\n",
    "capitals": f"{HEADER.upper()}\n{{0}}\n{{1}}\n",
}


@pytest.mark.parametrize("kind", BOP_FILES)
@pytest.mark.parametrize(
    "options",
    [{}, {"separator": ", "}, {"ids": "{}.0"}, {"extra": ",more,7"}, {"brackets": ("[", "]")}],
    ids=["plain", "spaces", "float ids", "more columns", "brackets"],
)
def test_bop_results_of_every_tool(tmp_path, kind, options):
    path = tmp_path / "results.csv"
    path.write_text(BOP_FILES[kind].format(bop_row(3, **options), bop_row(4, **options)), encoding="utf-8")
    assert is_bop_results(path) and not is_tum_trajectory(path)
    rows = read_bop_results(path)
    assert [row[:4] for row in rows] == [(7, 3, 1, 0.5), (7, 4, 1, 0.5)] and rows[0].time == 0.02
    np.testing.assert_allclose(rows[1].camera_T_object, pose_of(4), atol=1e-8)


def test_bop_columns_in_another_order_and_without_time(tmp_path):
    path = tmp_path / "results.csv"
    scene, image, obj, score, rotation, translation, _ = bop_row(3).split(",")
    path.write_text(f"score;method;im_id;scene_id;t;R;obj_id\n{score};ours;{image};{scene};{translation};{rotation};{obj}\n")
    (row,) = read_bop_results(path)
    assert row[:4] == (7, 3, 1, 0.5) and row.time == -1
    np.testing.assert_allclose(row.camera_T_object, pose_of(3), atol=1e-8)


def test_other_tables_are_no_bop_results(tmp_path):
    for text in ("index,x,y,z,qx,qy,qz,qw\n3,0,0,1,0,0,0,1\n", "", "# only a comment\n", "1,2,3,0.5,1 0 0,0 0 0,-1\n"):
        (tmp_path / "other.csv").write_text(text)
        assert not is_bop_results(tmp_path / "other.csv")
    (tmp_path / "binary.csv").write_bytes(bytes(range(128, 256)))
    assert not is_bop_results(tmp_path / "binary.csv")


@pytest.mark.parametrize("prefix", ["", BOM, f"{BOM}# from somewhere\n\n"])
@pytest.mark.parametrize("separator", [",", ", ", ";", "\t"])
def test_our_table_written_by_spreadsheets(tmp_path, prefix, separator):
    numbers = [*pose_of(3)[:3, 3], *quaternion_from_matrix(pose_of(3)[:3, :3])]
    path = tmp_path / "trajectory.csv"
    header = separator.join(["index", "x", "y", "z", "qx", "qy", "qz", "qw", "note"])
    path.write_text(f"{prefix}{header}\n" + separator.join(["3.0", *(f"{n:.9f}" for n in numbers), "fine"]), encoding="utf-8")
    (row,) = read_trajectory(path)
    assert row.index == 3
    np.testing.assert_allclose(row.camera_T_object, pose_of(3), atol=1e-8)


def tum_line(time, index, separator=" "):
    numbers = [*pose_of(index)[:3, 3], *quaternion_from_matrix(pose_of(index)[:3, :3])]
    return separator.join([str(time), *(f"{number:.9f}" for number in numbers)])


@pytest.mark.parametrize(
    "text",
    [
        "# time x y z qx qy qz qw\n{}\n{}\n",
        BOM + "{}\n\n{}",
        "{}  # first\n{}\n",
    ],
)
@pytest.mark.parametrize("separator", [" ", ", ", "\t"])
def test_tum_trajectories_are_those_of_the_frames_with_their_stamps(tmp_path, bop_scene, text, separator):
    sequence = open_sequence(bop_scene)
    stamps = {annotation.index: annotation.stamp for annotation in sequence.annotations()}
    path = tmp_path / "trajectory.txt"
    path.write_text(text.format(tum_line(stamps[4] + 0.001, 4, separator), tum_line(stamps[5], 5, separator)), encoding="utf-8")
    assert is_tum_trajectory(path)
    rows = read_track(path, sequence)
    assert [row.index for row in rows] == [4, 5]
    np.testing.assert_allclose(rows[1].camera_T_object, pose_of(5), atol=1e-8)


def test_of_several_tum_poses_of_a_frame_the_nearest_in_time_counts(tmp_path, bop_scene):
    sequence = open_sequence(bop_scene)
    stamps = {annotation.index: annotation.stamp for annotation in sequence.annotations()}
    path = tmp_path / "trajectory.txt"
    lines = [tum_line(stamps[index] + late, pose) for index in (4, 5) for late, pose in ((-0.01, 3), (0.001, index), (0.01, 10))]
    path.write_text("\n".join(lines[::-1]))
    rows = read_track(path, sequence)
    assert [row.index for row in rows] == [4, 5]
    for row in rows:
        np.testing.assert_allclose(row.camera_T_object, pose_of(row.index), atol=1e-8)


def test_tum_times_that_are_numbers_of_frames_or_nothing(tmp_path, bop_scene):
    sequence = open_sequence(bop_scene, rate_hz=1000.0)
    path = tmp_path / "trajectory.txt"
    path.write_text("\n".join(tum_line(index, index) for index in (3, 5)))
    assert [row.index for row in read_track(path, sequence)] == [3, 5]
    path.write_text(tum_line(1.7e9, 3))
    with pytest.raises(DatasetError, match="stamps of sequence.*or its frame numbers, got 1700000000"):
        read_track(path, sequence)
    path.write_text(tum_line(0.003, 3) + "\n" * 21 + tum_line(0.004, 3) + "\nx 1 2 3 0 0 0 1\n")
    with pytest.raises(ValueError, match="trajectory.txt"):
        read_track(path, sequence)


@pytest.mark.parametrize("name", ["{}.txt", "{:07d}.txt", "pose_{:03d}.txt"])
def test_folders_of_matrices(tmp_path, bop_scene, name):
    for index in (3, 10):
        np.savetxt(tmp_path / name.format(index), pose_of(index))
    (tmp_path / name.format(10)).write_text(BOM + (tmp_path / name.format(10)).read_text(), encoding="utf-8")
    rows = read_track(tmp_path, open_sequence(bop_scene))
    assert [row.index for row in rows] == [3, 10]
    np.testing.assert_allclose(rows[1].camera_T_object, pose_of(10), atol=1e-12)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "ascii"])
@pytest.mark.parametrize("text", [lambda pose: repr(pose.tolist()), lambda pose: str(pose).replace("\n", "\r\n"), lambda pose: "\t".join(map(repr, pose.ravel().tolist()))])
def test_matrices_as_other_systems_write_them(tmp_path, bop_scene, encoding, text):
    with np.printoptions(precision=12, suppress=True):
        (tmp_path / "0003.txt").write_bytes(text(pose_of(3)).encode(encoding))
    (row,) = read_track(tmp_path, open_sequence(bop_scene))
    np.testing.assert_allclose(row.camera_T_object, pose_of(3), atol=1e-9)
