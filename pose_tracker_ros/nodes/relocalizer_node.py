"""The relocalizer: a lifecycle node that says where the camera is in a map, and so where lost objects have to be."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from pose_tracker_ros.geometry import invert
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.camera_subscriber import CameraSubscriber
from pose_tracker_ros.nodes.frames import RgbdMessages
from pose_tracker_ros.nodes.managed_node import Entities, ManagedNode
from pose_tracker_ros.nodes.newest import NewestFirstWorker
from pose_tracker_ros.nodes.parameters import NodeOptions, apply_changes, config_from_parameters
from pose_tracker_ros.nodes.relocalizer_options import RelocalizerOptions
from pose_tracker_ros.nodes.running import run_node
from pose_tracker_ros.nodes.tracked_objects import TrackedObjects
from pose_tracker_ros.nodes.transforms import Transforms
from pose_tracker_ros.objects import kind_of
from pose_tracker_ros.relocalization.folder import load_relocalizer
from pose_tracker_ros.relocalization.relocalizer import Location, Relocalizer
from pose_tracker_ros.relocalization.resting_objects import RestingObjects

ERROR_PERIOD_S = 5.0
# Deviations of a pose from TF, which does not say its own: metres, radians.
TF_M, TF_RAD = 0.01, 0.01


class CameraPose(NamedTuple):
    """``map_T_camera`` (4, 4) and its ``covariance`` (6, 6) of a twist in camera axes."""

    map_T_camera: np.ndarray
    covariance: np.ndarray


class RelocalizerNode(ManagedNode):
    """Finds the camera in a map.

    unconfigured: parameters only; inactive: the map is loaded; active: images are located, in a thread of their own, and
    objects that rest in the map are remembered and offered to the tracker when it has lost them.
    """

    def __init__(self, **arguments: Any) -> None:
        """Declare parameters; with ``autostart`` configure and activate as soon as the node runs.

        Raises OSError or ValueError, in one sentence, when parameters don't fit.
        """
        given = NodeOptions("relocalizer", RelocalizerOptions, arguments)
        super().__init__("relocalizer", **given.arguments)
        self._options = given.declare(self)
        apply_changes(self, RelocalizerOptions, self._reconfigure)
        self._relocalizer: Relocalizer | None = None
        self._resting = RestingObjects(self._options.rest_s)
        self._listening: Entities | None = None
        self._outputs: list[Any] = []
        self._worker: NewestFirstWorker | None = None
        self._next_at = 0.0
        if self._options.autostart:
            self.start_when_spun()

    def destroy_node(self) -> None:
        """Stop the thread, then the node."""
        self._release()
        super().destroy_node()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the map; says why and stays unconfigured when that fails."""
        options = self._options = config_from_parameters(self, RelocalizerOptions)
        try:
            if options.camera_pose == "map":
                if not options.map:
                    raise ValueError("expected the folder of a map in parameter map, got none; make one with pose-tracker map")
                self._relocalizer = load_relocalizer(options.map, options.relocalizer)
                self.get_logger().info(f"map {options.map} has {len(self._relocalizer.room)} keyframes")
        except (ValueError, OSError) as error:
            return self._not_configured(error)
        self._resting = RestingObjects(options.rest_s)
        self._poses = self.create_lifecycle_publisher(PoseWithCovarianceStamped, "~/pose", 10)
        self._results = self.create_lifecycle_publisher(DiagnosticStatus, "~/result", 10)
        self._offers = self.create_lifecycle_publisher(Detection3DArray, f"{options.tracker}/initial_poses", 10)
        self._outputs = [self._poses, self._results, self._offers]
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to the camera, the tracker, and TF where that has the camera's pose."""
        options = self._options
        self._listening = Entities(self)
        self._worker = NewestFirstWorker(self._work, "relocalizing")
        self._broadcaster = TransformBroadcaster(self) if options.publish_tf and options.camera_pose == "map" else None
        needs_tf = options.camera_pose == "tf" or (self._broadcaster is not None and options.base_frame)
        self._transforms = Transforms(self) if needs_tf else None
        self._tracked = TrackedObjects(self, options.tracker)
        places_depth = self._transforms if options.camera_pose == "tf" else None
        self._camera = CameraSubscriber(self, options.images, self._on_images, "used", places_depth)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening; the map and what rests in it stay."""
        self._stop_listening()
        return super().on_deactivate(state)

    def _stop_listening(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        if self._listening is not None:
            self._listening.destroy()
        self._worker = self._listening = None

    def _release(self) -> None:
        self._stop_listening()
        for publisher in self._outputs:
            self.destroy_lifecycle_publisher(publisher)
        self._outputs = []
        self._relocalizer = None

    def _reconfigure(self, options: RelocalizerOptions) -> None:
        if self._relocalizer is not None:
            self._relocalizer.reconfigure(options.relocalizer)
        self._options = options

    def _on_images(self, images: RgbdMessages) -> None:
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + 1.0 / self._options.rate_hz
            self._worker.put(images)

    def _work(self, images: RgbdMessages) -> None:
        """One image in the worker thread; whatever is wrong with it costs this image alone."""
        try:
            frame = self._camera.frame(images)
            header = images.color.header
            pose = self._from_tf(header) if self._options.camera_pose == "tf" else self._from_map(frame, header)
            if pose is not None and self._options.remember:
                self._remember(pose, header)
                self._offer(pose, frame.camera, header)
        except ValueError as error:
            self.get_logger().error(f"image dropped: {error}", throttle_duration_sec=ERROR_PERIOD_S)
        except Exception as error:
            # Publishing fails while the process is being shut down; that is nobody's fault.
            if self.context.ok():
                self.get_logger().error(f"image dropped: a fault of the relocalizer, please report it: {error!r}")

    def _from_map(self, frame: Any, header: Header) -> CameraPose | None:
        location = self._relocalizer.locate(frame)
        self._publish(self._results, self._result(location, header))
        if not location.is_sure(self._options.relocalizer.least_confidence):
            return None
        pose, fixed = location.map_T_camera, Header(stamp=header.stamp, frame_id=self._options.map_frame)
        axes = np.zeros((6, 6))
        axes[:3, :3] = axes[3:, 3:] = pose[:3, :3]
        self._publish(self._poses, messages.pose_with_covariance(pose, axes @ location.covariance @ axes.T, fixed))
        if self._broadcaster is not None and header.frame_id:
            self._broadcast(pose, fixed, header)
        return CameraPose(pose, location.covariance)

    def _broadcast(self, pose: np.ndarray, fixed: Header, header: Header) -> None:
        """A frame has one parent in TF: where the camera has one, the map becomes that of the base frame above it."""
        base = self._options.base_frame or header.frame_id
        if base != header.frame_id:
            try:
                pose = pose @ invert(self._transforms.find(base, header, self._options.tf_wait_s))
            except ValueError as error:
                self.get_logger().warning(f"{error}; {base} gets no parent", throttle_duration_sec=ERROR_PERIOD_S)
                return
        self._broadcaster.sendTransform(messages.transform_stamped(pose, fixed, base))

    def _from_tf(self, header: Header) -> CameraPose:
        pose = self._transforms.find(self._options.map_frame, header, self._options.tf_wait_s)
        return CameraPose(pose, np.diag([TF_M**2] * 3 + [TF_RAD**2] * 3))

    def _remember(self, pose: CameraPose, header: Header) -> None:
        stamp = messages.seconds(header.stamp)
        for name, seen in self._tracked.seen(stamp).items():
            self._resting.see(name, stamp, *pose, seen.camera_T_object, seen.covariance)

    def _offer(self, pose: CameraPose, camera: Any, header: Header) -> None:
        """First poses of what the tracker misses and this image should show; the tracker checks them as any other."""
        offers = self._resting.offers(self._tracked.missing(), pose.map_T_camera, camera)
        if offers:
            detections = [_offered(name, one, header) for name, one in offers.items()]
            self._publish(self._offers, Detection3DArray(header=header, detections=detections))
            self.get_logger().info(f"offering where {', '.join(offers)} rested", throttle_duration_sec=ERROR_PERIOD_S)

    def _result(self, location: Location, header: Header) -> DiagnosticStatus:
        sure = location.is_sure(self._options.relocalizer.least_confidence)
        values = {
            "stamp": f"{messages.seconds(header.stamp):.9f}",
            "confidence": f"{location.confidence:.4f}",
            "inliers": location.inliers,
            "depth that agrees": f"{location.agreement.depth:.3f}",
            "looks that agree": f"{location.agreement.looks:.3f}",
            "seconds": f"{location.seconds:.3f}",
        }
        return DiagnosticStatus(
            level=DiagnosticStatus.OK if sure else DiagnosticStatus.WARN,
            name=f"{self.get_fully_qualified_name()}: relocalization",
            message="located" if sure else "not located",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    def _publish(self, publisher: Any, message: Any) -> None:
        # Deactivated meanwhile: nobody wants the answer any more.
        if self._listening is not None and publisher.is_activated and self.context.ok():
            publisher.publish(message)


def _offered(name: str, camera_T_object: np.ndarray, header: Header) -> Detection3D:
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id = kind_of(name)
    result.pose.pose = messages.pose_message(camera_T_object)
    return Detection3D(header=header, results=[result], id=name)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ros2 run pose_tracker_ros relocalizer_node``."""
    run_node("relocalizer", RelocalizerNode, arguments)


if __name__ == "__main__":
    main()
