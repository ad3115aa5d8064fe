"""Entry points of the nodes' processes, which Ctrl-C ends without a traceback in every phase of their start."""

import signal
import sys

# While modules are imported there is nothing to clean up, and a KeyboardInterrupt in the middle would be told as a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)


def tracker() -> None:
    """``ros2 run pose_tracker_ros tracker_node``."""
    from pose_tracker_ros.nodes.tracker_node import main

    main()


def initializer() -> None:
    """``ros2 run pose_tracker_ros initializer_node``, whose module is made of kernels."""
    _compile("initializer")
    from pose_tracker_ros.nodes.initializer_node import main

    main()


def relocalizer() -> None:
    """``ros2 run pose_tracker_ros relocalizer_node``, which shares the tracker's states and so its kernels."""
    _compile("relocalizer")
    from pose_tracker_ros.nodes.relocalizer_node import main

    main()


def camera() -> None:
    """``ros2 run pose_tracker_ros camera_node``."""
    from pose_tracker_ros.nodes.camera_node import main

    main()


def _compile(name: str) -> None:
    from rclpy.logging import get_logger

    from pose_tracker_ros.nodes.kernels import compile_and_say_so

    compile_and_say_so(get_logger(name))


if __name__ == "__main__":
    {"tracker": tracker, "initializer": initializer, "relocalizer": relocalizer, "camera": camera}[sys.argv.pop(1)]()
