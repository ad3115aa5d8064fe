"""pose-tracker run: the nodes of the launch files in one process."""

import os
import signal
import subprocess
import sys

import pytest
from live_nodes import LATCHED, wait_until
from rclpy.node import Node
from std_msgs.msg import String

from pose_tracker_ros.commands.processes import use_shared_memory
from pose_tracker_ros.nodes.single_process import NodeGroup
from pose_tracker_ros.resources import share_folder

SCENE = """\
frames: 30
objects:
  - {model: demo_jug, path: rest}
  - {model: cube, path: rest, offset_x: -0.16}
"""


def test_all_objects_of_a_scene_get_their_first_poses_from_it(tmp_path):
    (tmp_path / "two.yaml").write_text(SCENE)
    command = ["run", "--play", "simulation", "--scene", str(tmp_path / "two.yaml"), "--camera", "/scene/camera"]
    command += ["--object", "demo_jug", "--object", "cube", "--set", "network=never"]
    with NodeGroup() as group:
        states = {"demo_jug": [], "cube": []}
        listener = group.start(lambda **options: Node("listener", **options))
        for name, heard in states.items():
            listener.create_subscription(String, f"/tracker/{name}/state", heard.append, LATCHED)
        process = subprocess.Popen([sys.executable, "-m", "pose_tracker_ros", *command], stdout=subprocess.PIPE, text=True)
        try:
            for name, heard in states.items():
                assert wait_until(lambda: any(one.data == "tracking: seen" for one in heard), 90.0), name  # noqa: B023
        finally:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and said.rstrip().endswith("stopped")


@pytest.mark.parametrize("name", ["FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"])
def test_a_profile_of_the_user_stays_the_only_one(monkeypatch, name):
    for other in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "/mine.xml")
    use_shared_memory()
    assert {key: value for key, value in os.environ.items() if key.endswith("_PROFILES_FILE")} == {name: "/mine.xml"}
    # Undone with the other variables.
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "")
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    use_shared_memory()
    assert os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] == str(share_folder("config") / "fastdds.xml")
