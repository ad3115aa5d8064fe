"""The command on a written scene, and its refusals."""

import shutil

import cv2
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.evaluation.alignment_trials import cube_symmetries
from pose_tracker_ros.objects import load_object

QUICK = ["--set", "subdivisions=1", "--set", "candidates=10", "--set", "finalists=2"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A BOP scene of one simulated frame of the cube."""
    import json

    from pose_tracker_ros.simulation.demo import simulate
    from pose_tracker_ros.simulation.demo_config import SimulationConfig

    config = SimulationConfig(frames=1, bar_width_px=0, blank_frames=0, random_poses=True, seed=5)
    frame = simulate(load_object("cube"), config).read(0)
    folder = tmp_path_factory.mktemp("bop") / "test" / "000001"
    for name in ("rgb", "depth", "mask_visib"):
        (folder / name).mkdir(parents=True)
    cv2.imwrite(str(folder / "rgb" / "000000.png"), frame.color[..., ::-1])
    cv2.imwrite(str(folder / "depth" / "000000.png"), np.rint(frame.depth * 1e3).astype(np.uint16))
    cv2.imwrite(str(folder / "mask_visib" / "000000_000000.png"), frame.masks["cube"].astype(np.uint8) * 255)
    pose = frame.truth["cube"]
    truth = {"obj_id": 2, "cam_R_m2c": pose[:3, :3].ravel().tolist(), "cam_t_m2c": (pose[:3, 3] * 1e3).tolist()}
    camera = {"cam_K": frame.camera.matrix.ravel().tolist(), "depth_scale": 1.0}
    (folder / "scene_gt.json").write_text(json.dumps({"0": [truth]}))
    (folder / "scene_camera.json").write_text(json.dumps({"0": camera}))
    return folder


def run(*arguments):
    result = CliRunner().invoke(app, ["initialize", *(str(argument) for argument in arguments)])
    return result.exit_code, " ".join(result.output.split())


def test_finds_the_pose_and_draws_it(scene, tmp_path):
    """A cube whose turns are declared to be the same; without that it is refused."""
    name = open_sequence(scene).object_names[0]
    mask = scene / "mask_visib" / "000000_000000.png"
    arguments = [scene, "--mask", mask, "--truth-name", name, "--output", tmp_path, *QUICK]
    code, output = run("cube", *arguments)
    assert code == 1
    assert "declare its symmetry" in output
    folder = tmp_path / "cube"
    folder.mkdir()
    shutil.copy(load_object("cube").folder / "cube.ply", folder)
    turns = [turn.ravel().tolist() for turn in cube_symmetries()]
    (folder / "object.yaml").write_text(
        yaml.safe_dump({"name": "cube", "mesh": "cube.ply", "mesh_unit": "mm", "symmetries": {"discrete": turns}})
    )
    code, output = run(folder, *arguments)
    assert code == 0, output
    assert "accepted" in output
    assert float(output.split("error: ")[1].split(" mm")[0]) < 10
    # The same mask as other tools write it, and a unit of depth that cannot be.
    mask = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED) > 0
    labels = tmp_path / "labels.tif"
    cv2.imwrite(str(labels), np.where(mask, 3, np.where(np.roll(mask, 200, axis=1), 4, 0)).astype(np.uint16))
    arguments = [folder, scene, "--mask", labels, "--truth-name", name, "--output", tmp_path, *QUICK]
    code, output = run(*arguments)
    assert code == 1 and "got the labels 3 (" in output and " 4 (" in output
    code, output = run(*arguments, "--label", 3)
    assert code == 0 and float(output.split("error: ")[1].split(" mm")[0]) < 10
    code, output = run(*arguments, "--label", 3, "--depth-unit", "4mm")
    assert "depth says" in output and "outline and mesh say" in output
    pictures = list(tmp_path.glob("*.png"))
    assert len(pictures) == 1
    assert cv2.imread(str(pictures[0])).shape == (480, 1280, 3)


def test_an_empty_mask_is_refused_in_one_sentence(scene, tmp_path):
    empty = tmp_path / "mask.png"
    cv2.imwrite(str(empty), np.zeros((480, 640), np.uint8))
    code, output = run("cube", scene, "--mask", empty, "--output", tmp_path, *QUICK)
    assert code != 0
    assert "expected a mask of at least 50 pixels, got 0" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cube"], "SEQUENCE"),
        (["cube", "SCENE", "--frame", "7"], "frame number below 1"),
        (["cube", "SCENE", "--mask", "none.png"], "none.png"),
    ],
)
def test_wrong_arguments_are_explained(scene, arguments, words):
    code, output = run(*(scene if argument == "SCENE" else argument for argument in arguments))
    assert code != 0
    assert words in output


def test_the_benchmark_prints_a_table():
    code, output = run("cube", "--benchmark", 2, *QUICK)
    assert code == 0, output
    assert "within 5 deg" in output or "hidden" in output
    assert "of 2" in output
