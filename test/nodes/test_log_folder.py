import os

import pytest

from pose_tracker_ros.nodes.log_folder import require_log_folder


@pytest.fixture
def environment(monkeypatch):
    """Sets variables, and takes away those of ROS."""
    for name in ("HOME", "ROS_HOME", "ROS_LOG_DIR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch.setenv


@pytest.mark.parametrize(
    ("name", "below"), [("ROS_LOG_DIR", "logs/deep"), ("ROS_HOME", "log"), ("HOME", ".ros/log")]
)
def test_folders_are_made(environment, tmp_path, name, below):
    environment(name, str(tmp_path / below if name == "ROS_LOG_DIR" else tmp_path))
    require_log_folder()
    assert (tmp_path / below).is_dir()


def test_a_home_before_the_path_is_the_users(environment, tmp_path):
    environment("HOME", str(tmp_path))
    environment("ROS_LOG_DIR", "~/mine")
    require_log_folder()
    assert (tmp_path / "mine").is_dir()


def test_without_any_it_is_said_what_to_set(environment):
    with pytest.raises(OSError, match="got neither ROS_LOG_DIR nor HOME; set ROS_LOG_DIR"):
        require_log_folder()


def test_a_file_in_the_way_is_named(environment, tmp_path):
    (tmp_path / "file").touch()
    environment("ROS_LOG_DIR", str(tmp_path / "file/log"))
    with pytest.raises(OSError, match="file/log .*; set ROS_LOG_DIR"):
        require_log_folder()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(environment, tmp_path):
    tmp_path.chmod(0o500)
    environment("ROS_LOG_DIR", str(tmp_path))
    with pytest.raises(OSError, match="that can be written"):
        require_log_folder()
