"""The command on small folders of a cube, as users have them."""

import cv2
import numpy as np
import pytest
import trimesh
from shapes import cube
from tracking_scenes import CAMERA, START, frame_of
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.evaluation.trajectory import read_trajectory
from pose_tracker_ros.geometry import quaternion_from_matrix
from pose_tracker_ros.objects import ObjectModel

SIDE = 0.1
FRAMES = 3


def run(*arguments):
    result = CliRunner().invoke(app, ["track", *(str(argument) for argument in arguments)])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A folder as people record it for FoundationPose, with the cube's mesh beside it: no poses, names not padded."""
    root = tmp_path_factory.mktemp("recorded")
    folder = root / "kitchen"
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    mesh = root / "meshes" / "my_cube" / "textured.obj"
    mesh.parent.mkdir(parents=True)
    trimesh.creation.box((SIDE, SIDE, SIDE)).export(mesh)
    model = ObjectModel.from_mesh("my_cube", cube(SIDE))
    for number in range(9, 9 + FRAMES):
        frame = frame_of(model, START)
        cv2.imwrite(str(folder / "rgb" / f"{number}.png"), frame.color[..., ::-1])
        cv2.imwrite(str(folder / "depth" / f"{number}.png"), np.rint(frame.depth * 1e3).astype(np.uint16))
    np.savetxt(folder / "cam_K.txt", CAMERA.matrix)
    return folder


@pytest.fixture
def annotated(recording, tmp_path):
    """The same with a true pose a frame."""
    folder = tmp_path / "kitchen"
    folder.mkdir()
    for entry in recording.iterdir():
        (folder / entry.name).symlink_to(entry)
    (folder / "annotated_poses").mkdir()
    for number in range(9, 9 + FRAMES):
        np.savetxt(folder / "annotated_poses" / f"{number:07d}.txt", START)
    return folder


def quick(output):
    return ["--set", "network=never", "--no-video", "--output", output]


def test_a_mesh_alone_is_enough(annotated, recording, tmp_path, one_thread):
    """The only poses there are belong to the object that is tracked."""
    mesh = recording.parent / "meshes" / "my_cube" / "textured.obj"
    code, output = run("anything", annotated, "--mesh", mesh, *quick(tmp_path / "out"))
    assert code == 0, output
    rows = read_trajectory(tmp_path / "out" / "trajectory.csv")
    assert [row.index for row in rows] == [9, 10, 11] and {row.state for row in rows} == {"tracking"}
    assert np.linalg.norm(rows[-1].camera_T_object[:3, 3] - START[:3, 3]) < 2e-3
    assert (tmp_path / "out" / "errors.csv").is_file()


def test_objects_come_from_the_models_of_the_data_set(annotated, recording, tmp_path, one_thread):
    models = recording.parent / "meshes"
    code, output = run("my_cube", annotated, "--reader", f"models_folder={models}", *quick(tmp_path / "out"))
    assert code == 0, output
    assert len(read_trajectory(tmp_path / "out" / "trajectory.csv")) == FRAMES
    code, output = run("your_cube", annotated, "--reader", f"models_folder={models}", *quick(tmp_path / "out"))
    assert code == 1
    assert "'your_cube'" in output and "--mesh" in output and "models_folder=FOLDER" in output


def test_options_reach_the_reader(annotated, recording, tmp_path, one_thread):
    mesh = recording.parent / "meshes" / "my_cube" / "textured.obj"
    code, output = run("cube1", annotated, "--mesh", mesh, "--reader", "rate_hz=10", *quick(tmp_path / "out"))
    assert code == 0, output
    assert read_trajectory(tmp_path / "out" / "trajectory.csv")[1].stamp == pytest.approx(1.0)
    named = ["--reader", "object_name=jug"]
    code, output = run("cube1", annotated, "--mesh", mesh, *named, *quick(tmp_path / "out"))
    assert code == 1 and "'cube1'" in output and "which has jug" in output
    code, output = run("cube1", annotated, "--mesh", mesh, *named, "--truth-name", "jug", *quick(tmp_path / "out"))
    assert code == 0, output


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("speed=3", "object_name, depth_folder, depth_unit, label, models_folder, rate_hz, on_error), got speed"),
        ("rate_hz=fast", "rate_hz to be a number, got 'fast'"),
        ("rate_hz", "expected an option as name=value, got 'rate_hz'"),
    ],
)
def test_options_that_no_reader_has_are_answered_with_those_it_has(recording, tmp_path, assignment, words):
    code, output = run("cube", recording, "--reader", assignment, *quick(tmp_path))
    assert code == 1 and words in output


def test_without_truth_a_first_pose_is_asked_for(recording, tmp_path, one_thread):
    mesh = recording.parent / "meshes" / "my_cube" / "textured.obj"
    code, output = run("cube1", recording, "--mesh", mesh, *quick(tmp_path))
    assert code == 1 and "give --initial-pose" in output
    x, y, z = START[:3, 3]
    pose = " ".join(str(number) for number in (x, y, z, *quaternion_from_matrix(START[:3, :3])))
    code, output = run("cube1", recording, "--mesh", mesh, "--initial-pose", pose, *quick(tmp_path))
    assert code == 0, output
    assert {row.state for row in read_trajectory(tmp_path / "trajectory.csv")} == {"tracking"}
    assert not (tmp_path / "errors.csv").exists()


def test_a_sequence_of_which_nothing_can_be_read_is_an_error(recording, tmp_path):
    folder = tmp_path / "kitchen"
    (folder / "depth").mkdir(parents=True)
    for name in ("rgb", "cam_K.txt"):
        (folder / name).symlink_to(recording / name)
    (folder / "depth" / "77.png").write_bytes((recording / "depth" / "9.png").read_bytes())
    pose = "0 0 0.5 0 0 0 1"
    code, output = run("cube", folder, "--initial-pose", pose, *quick(tmp_path / "out"))
    assert code == 1 and "got none of its 3: expected a depth image of number 9" in output and "(3 times)" in output
    assert not (tmp_path / "out").exists()
