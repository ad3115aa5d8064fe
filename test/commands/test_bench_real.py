"""All real sequences below a folder, here made of a cube whose poses, outlines and depth are known."""

import csv
import json

import cv2
import numpy as np
import pytest
import trimesh
from shapes import cube
from tracking_scenes import CAMERA, START, frame_of
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.evaluation.real_sequences import LeftOut, find_sequences, real_sequences
from pose_tracker_ros.objects import ObjectModel

SIDE, FRAMES = 0.1, 4
NAME = "006_mustard_bottle"
MODEL = ObjectModel.from_mesh(NAME, cube(SIDE))


def pose_at(number):
    pose = START.copy()
    pose[0, 3] += 0.004 * number
    return pose


def write_images(color_folder, depth_folder, name):
    masks = []
    for number in range(FRAMES):
        frame = frame_of(MODEL, pose_at(number))
        for folder, image in ((color_folder, frame.color[..., ::-1]), (depth_folder, np.rint(frame.depth * 1e3).astype(np.uint16))):
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{name(number)}.png"), image)
        masks.append(frame.depth < START[2, 3] + SIDE)
    return masks


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A video with a mesh elsewhere and outlines, a BOP scene with its own mesh and without, and two that cannot be run."""
    root = tmp_path_factory.mktemp("data")
    mesh = root / "meshes" / NAME / "textured.obj"
    mesh.parent.mkdir(parents=True)
    trimesh.creation.box((SIDE, SIDE, SIDE)).export(mesh)

    video = root / "videos" / "mustard0"
    masks = write_images(video / "rgb", video / "depth", str)
    np.savetxt(video / "cam_K.txt", CAMERA.matrix)
    (video / "annotated_poses").mkdir()
    annotated_off = np.diag([0, 0, 0, 0.0])
    annotated_off[2, 3] = 0.005
    for number in range(FRAMES):
        np.savetxt(video / "annotated_poses" / f"{number:07d}.txt", pose_at(number) + annotated_off)
    (root / "outlines" / "mustard0").mkdir(parents=True)
    for number, mask in enumerate(masks):
        cv2.imwrite(str(root / "outlines" / "mustard0" / f"{number:06d}.png"), mask.astype(np.uint8) * 255)

    scene = root / "ycbv" / "test" / "000002"
    write_images(scene / "rgb", scene / "depth", lambda number: f"{number:06d}")
    (scene / "scene_camera.json").write_text(
        json.dumps({str(n): {"cam_K": CAMERA.matrix.ravel().tolist(), "depth_scale": 1.0} for n in range(FRAMES)})
    )
    poses = {
        str(n): [{"obj_id": 1, "cam_R_m2c": pose_at(n)[:3, :3].ravel().tolist(), "cam_t_m2c": (1e3 * pose_at(n)[:3, 3]).tolist()}]
        for n in range(FRAMES)
    }
    (scene / "scene_gt.json").write_text(json.dumps(poses))
    models = root / "ycbv" / "models"
    models.mkdir()
    trimesh.creation.box((1e3 * SIDE,) * 3).export(models / "obj_000001.ply")
    (models / "models_info.json").write_text(json.dumps({"1": {"diameter": 1e3 * MODEL.diameter_m}}))

    empty = root / "videos" / "sugar1"
    (empty / "rgb").mkdir(parents=True)
    (empty / "depth").mkdir()
    np.savetxt(empty / "cam_K.txt", CAMERA.matrix)
    return root


def test_sequences_are_found_wherever_they_are(data):
    found = [path.relative_to(data).as_posix() for path in find_sequences(data)]
    assert found == ["videos/mustard0", "videos/sugar1", "ycbv/test/000002"]
    assert find_sequences(data / "ycbv" / "test" / "000002") == [data / "ycbv" / "test" / "000002"]
    cases = list(real_sequences(data))
    assert [case.name for case in cases if isinstance(case, LeftOut)] == ["videos/sugar1"]
    assert {case.object_name: case.outlines for case in cases if not isinstance(case, LeftOut)} == {
        "obj_000001": None,
        NAME: data / "outlines" / "mustard0",
    }


def test_one_table_of_all_with_published_numbers_and_images(data, tmp_path, one_thread):
    arguments = ["bench", "--real", "--data", data, "--set", "network=never", "--output", tmp_path / "out"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert "left out: videos/sugar1: expected the sequence's images" in " ".join(result.output.split())
    with (tmp_path / "out" / "real.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["sequence, object"], row["start"]) for row in rows] == [
        (name, start)
        for name in (f"videos/mustard0, {NAME}", "ycbv/test/000002, obj_000001")
        for start in ("truth", "20 mm, 10° off", "annotated poses")
    ]
    mustard, boxes = rows[:3], rows[3:]
    assert all(row["published ADD / ADD-S"] == "97.0 / 97.9 se(3)-TrackNet" for row in mustard[:2])
    # Object 1 of BOP's ycbv is the master chef can.
    assert all(row["published ADD / ADD-S"] == "93.9 / 96.3 se(3)-TrackNet" for row in boxes[:2])
    assert all(float(row["ADD AUC"]) > 90 and row["losses"] == "0" for row in (*boxes[:2], *mustard[:2]))
    assert all(float(row["overlap"]) > 0.95 for row in mustard) and all(row["overlap"] == "–" for row in boxes)
    # What is annotated is 5 mm too far away; the images know better.
    assert float(mustard[2]["depth mm"]) == pytest.approx(-5.0, abs=0.6)
    assert abs(float(mustard[0]["depth mm"])) < 1 and abs(float(boxes[2]["depth mm"])) < 1
    assert float(mustard[0]["ADD median mm"]) == pytest.approx(5.0, abs=1)


def test_a_folder_without_sequences_is_a_failure(tmp_path):
    result = CliRunner().invoke(app, ["bench", "--real", "--data", str(tmp_path), "--output", str(tmp_path / "out")])
    assert result.exit_code == 1 and "expected real sequences with true poses and meshes below" in result.output
    result = CliRunner().invoke(app, ["bench", "--real", "--data", str(tmp_path / "none")])
    assert result.exit_code == 1 and "--data FOLDER" in result.output
