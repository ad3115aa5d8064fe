"""Scenes as files: written and read again they are equal, and faults are told in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_tracker_ros.evaluation.frozen_sets import FROZEN_SETS, frozen_cases
from pose_tracker_ros.evaluation.named_scenes import frozen_case, open_scene
from pose_tracker_ros.simulation.config import (
    BoardConfig,
    CameraConfig,
    HandConfig,
    ObjectConfig,
    SceneConfig,
    SensorConfig,
)
from pose_tracker_ros.simulation.demo import demo_scene
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.scene_files import example_scenes, load_scene, scene_to_yaml

NAMES = ("boards.yaml", "moving_camera.yaml", "two_objects_and_a_hand.yaml")


@pytest.mark.parametrize("scene", FROZEN_SETS)
def test_frozen_scenes_written_and_read_again_are_equal(scene):
    for case in frozen_cases(scene, [0, 7], ["demo_jug", "bowl"]):
        assert load_scene(scene_to_yaml(case.config)) == case.config


@given(
    speed=st.floats(0, 100, allow_subnormal=False),
    bias=st.floats(-50, 50),
    name=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12),
    boards=st.integers(0, 3),
)
@settings(max_examples=50, deadline=None)
def test_any_scene_written_and_read_again_is_equal(speed, bias, name, boards):
    scene = SceneConfig(
        objects=(ObjectConfig(speed_mm=speed, name=name), ObjectConfig(model="ball")),
        boards=tuple(BoardConfig(first_frame=number) for number in range(boards)),
        hands=(HandConfig(kind="gripper"),),
        camera=CameraConfig(path="orbit"),
        sensor=SensorConfig(depth_bias_mm=bias),
    )
    assert load_scene(scene_to_yaml(scene)) == scene


def test_what_a_file_leaves_out_has_its_default(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("frames: 7\ncamera: {path: handheld}\n")
    assert load_scene(path) == SceneConfig(frames=7, camera=CameraConfig(path="handheld"))
    path.write_text("# nothing\n")
    assert load_scene(str(path)) == SceneConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frames: [1\n", "expected valid YAML in .*mine.yaml"),
        ("- frames\n- 3\n", "expected .*mine.yaml to map option names to values, got list"),
        ("objects:\n  - model: cube\n    colour: red\n", "mine.yaml: objects 1: unknown option colour; known are: "),
        ("sensor: {depth_bias_mm: 80}\n", "mine.yaml: sensor: expected depth_bias_mm within -50 to 50 mm, got 80"),
        ("boards: {size: 2.0}\n", "mine.yaml: expected option boards to be a list"),
    ],
)
def test_faults_are_told_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_scene(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_examples():
    with pytest.raises(FileNotFoundError, match="nowhere.yaml.*boards.yaml, moving_camera.yaml"):
        load_scene("nowhere.yaml")


def test_a_trajectory_beside_the_file_is_found(tmp_path):
    lines = [f"{i} {0.001 * i} 0 0.6 0 0 0 1" for i in range(4)]
    (tmp_path / "way.txt").write_text("\n".join(lines))
    (tmp_path / "scene.yaml").write_text("objects:\n  - {model: cube, path: recorded, trajectory: way.txt}\n")
    sequence = open_scene(str(tmp_path / "scene.yaml"))
    assert len(sequence) == 4
    assert sequence.annotation(3).truth["cube"][0, 3] == pytest.approx(0.003)


def test_the_examples_come_with_the_package():
    assert tuple(path.name for path in example_scenes()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_show_their_objects(name):
    frame = open_scene(name).read(0)
    assert frame.truth and min(frame.visibility[one] for one in frame.truth) > 0.5


def test_scenes_are_opened_by_name():
    demo = open_scene("demo")
    assert demo.config == demo_scene(SimulationConfig(), "demo_jug")
    case, groups = frozen_case("boards", "drill", 3, "cards")
    assert groups == ("boards", "cards")
    sequence = open_scene("boards/drill/3/cards")
    assert sequence.config == case.config and sequence.target.name == "drill"
    first = open_scene("boards/drill/3")
    assert first.config == frozen_case("boards", "drill", 3)[0].config != sequence.config


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("boards/drill", "expected a case of the set 'boards' as SET/OBJECT/SEED"),
        ("boards/drill/one", "expected a case of the set 'boards' as SET/OBJECT/SEED"),
        ("boards/teapot/0", "expected objects of the benchmark .*got teapot"),
        ("boards/drill/0/walls", "one of its groups 'boards', 'cards', got 'walls'"),
        ("hands/drill/0/left", "expected for the set 'hands' none, as it has one group, got 'left'"),
        ("curtains/drill/0", "expected a scene file at curtains/drill/0, but there is none"),
    ],
)
def test_unknown_scenes_are_refused_in_a_sentence(name, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        open_scene(name)
