"""Several nodes in one process, each with its own thread: what launch files do, on machines without ``ros2 launch``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from pose_tracker_ros.nodes.managed_node import NotStartedError
from pose_tracker_ros.nodes.running import start_ros
from pose_tracker_ros.nodes.spinning import Spinner

# The names that realsense-ros gives its topics below the camera's namespace.
COLOR, INFO = "color/image_raw", "color/camera_info"
DEPTH, DEPTH_INFO = "aligned_depth_to_color/image_raw", "aligned_depth_to_color/camera_info"
EXTRINSICS = "extrinsics/depth_to_color"


def tracker_remappings(camera_namespace: str) -> list[tuple[str, str]]:
    """From the tracker's camera topics to those of a realsense-like camera."""
    return [
        ("~/color/image", f"{camera_namespace}/{COLOR}"),
        ("~/depth/image", f"{camera_namespace}/{DEPTH}"),
        ("~/color/camera_info", f"{camera_namespace}/{INFO}"),
        ("~/depth/camera_info", f"{camera_namespace}/{DEPTH_INFO}"),
        ("~/extrinsics", f"{camera_namespace}/{EXTRINSICS}"),
    ]


def initializer_remappings(camera_namespace: str, mask_topic: str) -> list[tuple[str, str]]:
    """From the initializer's topics to the camera's, the masks and the tracker's first poses."""
    return [
        *tracker_remappings(camera_namespace),
        ("~/mask", mask_topic),
        ("~/initial_poses", "tracker/initial_poses"),
    ]


def command_line(
    remappings: Sequence[tuple[str, str]] = (), parameter_files: Sequence[Path] = (), namespace: str = ""
) -> list[str]:
    """ROS arguments of one node."""
    arguments = ["--ros-args"]
    if namespace:
        arguments += ["-r", f"__ns:=/{namespace.strip('/')}"]
    for source, target in remappings:
        arguments += ["-r", f"{source}:={target}"]
    for file in parameter_files:
        arguments += ["--params-file", str(file)]
    return arguments


class NodeGroup:
    """Runs nodes until it is left; use it with ``with``.

    A node's callbacks run one after the other in the node's own thread, as in a process of its own. fault: why a node did not start
    by itself.
    """

    def __init__(self) -> None:
        self.context = Context()
        self.nodes: list[Node] = []
        self.fault: NotStartedError | None = None
        self._spinners: list[Spinner] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> NodeGroup:
        start_ros(context=self.context)
        return self

    def __exit__(self, *_: object) -> None:
        for spinner in self._spinners:
            spinner.stop()
        for thread in self._threads:
            thread.join(timeout=5.0)
        for node in self.nodes:
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def start(
        self, make_node: Callable[..., Node], arguments: Sequence[str] = (), parameters: dict[str, object] | None = None
    ) -> Node:
        """Make a node with ROS arguments and parameters and run it; errors of its constructor pass."""
        overrides = [_parameter(name, value) for name, value in (parameters or {}).items()]
        node = make_node(
            context=self.context,
            cli_args=list(arguments) or None,
            use_global_arguments=False,
            parameter_overrides=overrides,
        )
        spinner = Spinner(node, self.context)
        thread = threading.Thread(target=self._spin, args=(spinner,), name=node.get_name(), daemon=True)
        self.nodes.append(node)
        self._spinners.append(spinner)
        self._threads.append(thread)
        thread.start()
        return node

    def _spin(self, spinner: Spinner) -> None:
        try:
            spinner.spin()
        except NotStartedError as error:
            self.fault = error


def _parameter(name: str, value: object) -> Parameter:
    """A parameter of any value; rclpy takes no list of whole and other numbers."""
    if isinstance(value, (list, tuple)) and any(isinstance(one, float) for one in value):
        value = [float(one) for one in value]
    return Parameter(name, value=value)
