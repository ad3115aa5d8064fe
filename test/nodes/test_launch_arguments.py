"""Launch arguments say what the options say, and what would not start is refused before anything does."""

import subprocess
import sys

import pytest

from pose_tracker_ros.nodes.launch_arguments import arguments_of, check_settings, given_settings, misspelt
from pose_tracker_ros.nodes.tracker_options import TrackerOptions


def test_arguments_have_the_choices_and_defaults_of_their_options():
    depth, autostart, device = arguments_of(TrackerOptions, ["depth", "autostart", "device"])
    assert depth.choices == ["", "required", "used", "none"]
    assert "true" in autostart.choices
    assert device.choices is None
    assert device.description.endswith("default: what the parameter file says, or auto")
    assert {one.default_value for one in (depth, autostart, device)} == {""}
    assert given_settings({"depth": "", "object": "021"}) == {"object": "021"}


@pytest.mark.parametrize(
    ("parameters", "values", "sentence"),
    [
        ("min_depth_m: 5", {}, "mine.yaml: expected min_depth_m below max_depth_m"),
        ("min_depth_m: 3", {"max_depth_m": "2"}, "mine.yaml and max_depth_m:=2: expected min_depth_m below max_depth_m"),
        ("lost_framse: 5", {}, "mine.yaml: unknown option lost_framse; did you mean lost_frames?"),
        ("use_sim_time: true", {"objects": "cube"}, "objects:=cube: expected objects to be a list"),
        ("qos_overrides: {/tf: {publisher: {depth: 3}}}", {"depth": "no"}, "depth:=no: expected depth to be one of"),
    ],
)
def test_what_would_not_start_is_refused(tmp_path, parameters, values, sentence):
    path = tmp_path / "mine.yaml"
    path.write_text(f"/cell/tracker:\n  ros__parameters:\n    {parameters}\n")
    with pytest.raises(ValueError, match=sentence):
        check_settings(TrackerOptions, "/cell/tracker", [str(path)], values)
    check_settings(TrackerOptions, "/other/tracker", [str(path)], {})


def test_names_that_are_nearly_those_of_arguments_are_told():
    known = ["object", "objects", "map"]
    assert misspelt(["object", "robot", "obejct"], known) == ["unknown argument obejct:=, which is passed over; did you mean object?"]
    assert not misspelt(["map", "maps_server", "x"], known)


def test_launch_files_need_nothing_that_only_the_nodes_have():
    """``ros2 launch`` runs with the distribution's Python, which lacks most packages, and must not compile kernels."""
    code = (
        "import sys, pose_tracker_ros.nodes.all_options, pose_tracker_ros.nodes.launch_arguments;"
        "print({'rclpy', 'numba', 'torch', 'scipy', 'trimesh', 'safetensors', 'open3d'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
