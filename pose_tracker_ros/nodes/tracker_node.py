"""The tracker node: RGB-D in, object pose and TF out."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from pose_tracker_ros.nodes.kernels import load_kernels
from pose_tracker_ros.nodes.parameters import NodeOptions
from pose_tracker_ros.nodes.running import run_node
from pose_tracker_ros.nodes.tracker_options import TrackerOptions


class TrackerNode(Node):
    """Follows one object."""

    def __init__(self, **arguments: Any) -> None:
        """Declare parameters, make the kernels ready, load the object, start listening.

        Raises OSError, RuntimeError or ValueError, in one sentence, when object, mesh, weights or parameters don't fit.
        """
        given = NodeOptions("tracker", TrackerOptions, arguments)
        super().__init__("tracker", **given.arguments)
        options = given.declare(self)
        load_kernels(options.kernel_cache, self.get_logger())
        # Importing it compiles kernels.
        from pose_tracker_ros.nodes.object_tracking import ObjectTracking

        self.tracking = ObjectTracking(self, options)

    def frame_counts(self) -> dict[str, int]:
        """Frames that came, pairs or colour alone, were processed, overtaken by newer ones, or failed."""
        return self.tracking.frame_counts()

    def destroy_node(self) -> None:
        """Stop the threads, then the node."""
        self.tracking.stop()
        super().destroy_node()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ros2 run pose_tracker_ros tracker_node``."""
    run_node("tracker", TrackerNode, arguments)


if __name__ == "__main__":
    main()
