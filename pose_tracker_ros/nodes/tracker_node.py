"""The tracker node: RGB-D in, poses and TF of objects out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.parameter import Parameter

from pose_tracker_ros.nodes.kernels import load_kernels
from pose_tracker_ros.nodes.managed_node import Entities, ManagedNode
from pose_tracker_ros.nodes.parameters import NodeOptions, apply_changes, config_from_parameters
from pose_tracker_ros.nodes.running import run_node
from pose_tracker_ros.nodes.tracker_options import TrackerOptions

if TYPE_CHECKING:
    from pose_tracker_ros.nodes.object_tracking import ObjectTracking
    from pose_tracker_ros.nodes.overtaken_frames import Overtaken

Answer = TransitionCallbackReturn


class TrackerNode(ManagedNode):
    """Follows objects.

    unconfigured: parameters only; inactive: objects and networks are loaded, their topics are there; active: listens to the
    camera and to first poses. With the parameter ``autostart`` it is active as soon as it is made.
    """

    def __init__(self, **arguments: Any) -> None:
        """Make the kernels ready, declare parameters and, with ``autostart``, configure and activate.

        Raises OSError, RuntimeError or ValueError, in one sentence, when objects, meshes, weights or parameters don't fit.
        """
        self.tracking: ObjectTracking | None = None
        self._loaded: Entities | None = None
        self._starting = False
        given = NodeOptions("tracker", TrackerOptions, arguments)
        # Before there is a node that others wait for.
        load_kernels(given.options.kernel_cache, get_logger("tracker"))
        super().__init__("tracker", **given.arguments)
        options = given.declare(self)
        apply_changes(self, TrackerOptions, self._reconfigure)
        self.add_post_set_parameters_callback(self._change_objects)
        if options.autostart:
            self._start_by_itself()

    def frame_counts(self) -> dict[str, int]:
        """Frames that came, pairs or colour alone, were processed, overtaken by newer ones, or failed."""
        return {} if self.tracking is None else self.tracking.frame_counts()

    def overtaken_frames(self) -> list[Overtaken]:
        """The last frames that were not processed, and what the tracker was busy with."""
        return [] if self.tracking is None else self.tracking.overtaken.all()

    def destroy_node(self) -> None:
        """Stop the threads, then the node."""
        if self.tracking is not None:
            self.tracking.stop()
        super().destroy_node()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load objects and networks; says why and stays unconfigured when that fails."""
        # Importing it compiles kernels.
        from pose_tracker_ros.nodes.object_tracking import ObjectTracking

        self._loaded = Entities(self)
        try:
            self.tracking = ObjectTracking(self, config_from_parameters(self, TrackerOptions))
        except Exception as error:
            return self._refused("configure", error)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to the camera and to first poses; says why and stays inactive when that fails."""
        try:
            self.tracking.listen()
        except Exception as error:
            return self._refused("activate", error)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening and forget all poses; what was loaded stays."""
        self.tracking.stop_listening()
        return super().on_deactivate(state)

    def _start_by_itself(self) -> None:
        self._starting = True
        if self.trigger_configure() != Answer.SUCCESS or self.trigger_activate() != Answer.SUCCESS:
            raise self._fault
        self._starting = False

    def _refused(self, transition: str, error: Exception) -> TransitionCallbackReturn:
        """Say why; who made the node with ``autostart`` is told by an exception."""
        self._fault = error
        if not self._starting:
            known = isinstance(error, (ValueError, OSError, RuntimeError))
            text = str(error) if known else f"a fault of the tracker, please report it: {error!r}"
            self.get_logger().error(f"cannot {transition}: {text}")
        if transition == "configure":
            self._release()
        return Answer.FAILURE

    def _release(self) -> None:
        if self.tracking is not None:
            self.tracking.stop()
        self.tracking = None
        if self._loaded is not None:
            self._loaded.destroy()

    def _reconfigure(self, options: TrackerOptions) -> None:
        if self.tracking is not None:
            self.tracking.reconfigure(options)

    def _change_objects(self, changed: list[Parameter]) -> None:
        if self.tracking is not None and any(one.name == "objects" for one in changed):
            self.tracking.follow(config_from_parameters(self, TrackerOptions))


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ros2 run pose_tracker_ros tracker_node``."""
    run_node("tracker", TrackerNode, arguments)


if __name__ == "__main__":
    main()
