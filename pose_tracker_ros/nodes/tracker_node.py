"""The tracker node: RGB-D in, object pose and TF out."""

from __future__ import annotations

import sys

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from pose_tracker_ros.nodes.kernels import load_kernels


class TrackerNode(Node):
    """Follows one object."""

    def __init__(self, **options: object) -> None:
        """Make the kernels ready, declare parameters, load the object, start listening.

        Raises OSError, RuntimeError or ValueError, in one sentence, when object, mesh, weights or parameters don't fit.
        """
        super().__init__("tracker", **options)
        load_kernels(self)
        # Importing it compiles kernels.
        from pose_tracker_ros.nodes.object_tracking import ObjectTracking

        self.tracking = ObjectTracking(self)

    def frame_counts(self) -> dict[str, int]:
        """Frames that came, pairs or colour alone, were processed, overtaken by newer ones, or failed."""
        return self.tracking.frame_counts()

    def destroy_node(self) -> None:
        """Stop the threads, then the node."""
        self.tracking.stop()
        super().destroy_node()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ros2 run pose_tracker_ros tracker_node``."""
    rclpy.init(args=arguments)
    try:
        node = TrackerNode()
    except (ValueError, OSError, RuntimeError, ParameterException) as error:
        rclpy.logging.get_logger("tracker").fatal(str(error))
        rclpy.try_shutdown()
        sys.exit(1)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
