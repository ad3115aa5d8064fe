"""Whether ROS has a folder for its logs, which it says in many lines when it does not."""

from __future__ import annotations

import os
from pathlib import Path


def require_log_folder() -> None:
    """Raises OSError, in one sentence, where logs cannot be written.

    Where they go: rcl_logging_interface (``rcl_logging_get_logging_directory``).
    """
    home = os.environ.get("HOME")
    ros_home = os.environ.get("ROS_HOME") or (f"{home}/.ros" if home else "")
    folder = os.environ.get("ROS_LOG_DIR") or (f"{ros_home}/log" if ros_home else "")
    what_to_do = "set ROS_LOG_DIR to a folder that can be written, or HOME"
    if not folder:
        raise OSError(f"expected a folder for the logs of ROS, got neither ROS_LOG_DIR nor HOME; {what_to_do}")
    path = Path(folder.replace("~", home, 1) if folder.startswith("~") and home else folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"expected a folder for the logs of ROS, got {folder} ({error.strerror}); {what_to_do}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise OSError(f"expected a folder for the logs of ROS that can be written, got {folder}; {what_to_do}")
