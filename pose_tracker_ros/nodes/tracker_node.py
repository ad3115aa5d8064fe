"""The tracker node: RGB-D in, object pose and TF out."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from std_srvs.srv import Trigger
from tf2_ros import Buffer, TransformBroadcaster, TransformException, TransformListener
from visualization_msgs.msg import Marker

from pose_tracker_ros.datasets import Frame
from pose_tracker_ros.evaluation.overlay import draw_overlay
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.camera_subscriber import CameraSubscriber, RgbdMessages
from pose_tracker_ros.nodes.newest import NewestFirstWorker
from pose_tracker_ros.nodes.parameters import apply_changes, config_from_parameters, declare, declare_config
from pose_tracker_ros.objects import ObjectModel, load_object, read_object_description
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackResult, TrackState
from pose_tracker_ros.tracking.handover import FrameBuffer

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ERROR_PERIOD_S = 5.0
TF_TIMEOUT_S = 0.2


class TrackerNode(Node):
    """Follows one object.

    Images are converted and tracked in a worker thread that always takes the newest frame, so that callbacks
    never wait and a slow machine drops frames instead of falling behind.
    """

    def __init__(self, **options: object) -> None:
        """Declare parameters, load the object and its network, start listening.

        Raises FileNotFoundError or ValueError, in one sentence, when object, mesh, weights or parameters don't fit.
        """
        super().__init__("tracker", **options)
        self._declare_parameters()
        self._model = self._load_model()
        config = config_from_parameters(self, TrackerConfig)
        weights = self.get_parameter("weights_path").value or None
        self._tracker = Tracker.load(self._model, config, weights)
        self._object_frame = self.get_parameter("object_frame").value or self._model.name
        apply_changes(self, TrackerConfig, self._reconfigure)

        self._lock = threading.Lock()
        self._pending_pose: PoseStamped | None = self._initial_pose_parameter()
        self._state: TrackState | None = None
        self._score = 0.0
        self._last_start = "none yet"
        self._recent = FrameBuffer(config.catch_up_s)
        self._failures = 0
        self._latencies_s: deque[float] = deque(maxlen=300)
        self._end_to_end_s: deque[float] = deque(maxlen=300)
        self._frames = 0
        self._last_frames = 0
        self._last_report = time.monotonic()
        self._create_interfaces()
        self._publish_state(TrackState.UNINITIALISED)
        self._warm_up()
        self.get_logger().info(
            f"tracking {self._model.name!r} ({self._model.diameter_m * 1e3:.0f} mm, {len(self._model.mesh.faces)} triangles) "
            f"on {self._tracker.device}; waiting for a first pose on {self.resolve_topic_name('~/initial_pose')}"
        )

    def frame_counts(self) -> dict[str, int]:
        """Frames that came synchronised, were processed, overtaken by newer ones, or failed."""
        return {
            "in": self._camera.received["synchronized"],
            "processed": self._frames,
            "dropped": self._worker.dropped,
            "failed": self._failures,
        }

    def destroy_node(self) -> None:
        """Stop the threads, then the node."""
        self._worker.stop()
        self._drawer.stop()
        super().destroy_node()

    def _declare_parameters(self) -> None:
        declare(self, "object", "demo_jug", "Object to track: a name in models/ or a folder with object.yaml")
        declare(self, "mesh_path", "", "Mesh file instead of the object's own")
        declare(self, "mesh_unit", "", "Unit of mesh_path: m, cm or mm; empty = the object's")
        declare(self, "weights_path", "", "Network weights instead of the object's own")
        declare(self, "object_frame", "", "TF frame of the object; empty = its name")
        declare(self, "publish_tf", True, "Publish the transform from camera to object")
        declare(self, "sync_slop", 0.02, "Largest difference of colour and depth stamps, seconds")
        declare(self, "queue_size", 10, "Images that wait for their partner")
        declare(self, "reliable", False, "Have lost images sent again; needs a camera that publishes reliably")
        declare(
            self,
            "initial_pose",
            [0.0] * 7,
            "First pose x y z qx qy qz qw in the camera frame; all zero = wait for a message",
        )
        declare_config(self, TrackerConfig)

    def _load_model(self) -> ObjectModel:
        mesh = self.get_parameter("mesh_path").value or None
        return load_object(self.get_parameter("object").value, mesh, self.get_parameter("mesh_unit").value or None)

    def _initial_pose_parameter(self) -> PoseStamped | None:
        numbers = np.array(self.get_parameter("initial_pose").value, dtype=np.float64)
        if len(numbers) != 7:
            raise ValueError(f"expected parameter initial_pose as 7 numbers x y z qx qy qz qw, got {len(numbers)}")
        if not numbers.any():
            return None
        message = PoseStamped()
        position, orientation = message.pose.position, message.pose.orientation
        position.x, position.y, position.z = numbers[:3]
        orientation.x, orientation.y, orientation.z, orientation.w = numbers[3:]
        return message

    def _create_interfaces(self) -> None:
        self._pose_publisher = self.create_publisher(PoseStamped, "object_pose", 10)
        self._covariance_publisher = self.create_publisher(PoseWithCovarianceStamped, "~/pose_with_covariance", 10)
        self._overlay_publisher = self.create_publisher(Image, "~/overlay", 1)
        self._marker_publisher = self.create_publisher(Marker, "~/marker", LATCHED)
        self._state_publisher = self.create_publisher(String, "~/state", LATCHED)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._broadcaster = TransformBroadcaster(self)
        self._tf_buffer = Buffer()
        self._tf_listener = TransformListener(self._tf_buffer, self)
        self._worker = NewestFirstWorker(self._track, "tracking")
        self._drawer = NewestFirstWorker(self._draw, "drawing")
        self._camera = CameraSubscriber(
            self,
            self.get_parameter("sync_slop").value,
            self.get_parameter("queue_size").value,
            self.get_parameter("reliable").value,
            self._worker.put,
        )
        self.create_subscription(PoseStamped, "~/initial_pose", self._on_initial_pose, 1)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_timer(1.0, self._publish_diagnostics)
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jump_handle = self.get_clock().create_jump_callback(threshold, post_callback=self._on_time_jump)

    def _warm_up(self) -> None:
        """Do once, before the first frame, what is slow only once."""
        self._tracker.warm_up()

    def _reconfigure(self, config: TrackerConfig) -> None:
        with self._lock:
            self._tracker.reconfigure(config)

    def _on_initial_pose(self, message: PoseStamped) -> None:
        try:
            messages.pose_from_message(message.pose)
        except ValueError as error:
            self.get_logger().error(f"initial pose refused: {error}")
            return
        with self._lock:
            self._pending_pose = message

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self._tracker.stop()
            self._pending_pose = None
        self._publish_state(TrackState.UNINITIALISED)
        response.success, response.message = True, "pose forgotten; waiting for an initial pose"
        return response

    def _on_time_jump(self, jump: TimeJump) -> None:
        self.get_logger().warning("time jumped back; the pose is forgotten, give an initial pose")
        self._worker.clear()
        with self._lock:
            self._recent.clear()
            self._tracker.stop()
        self._publish_state(TrackState.UNINITIALISED)

    def _track(self, received: RgbdMessages) -> None:
        """One frame in the worker thread; whatever is wrong with it costs this frame alone."""
        try:
            start = time.perf_counter()
            frame = messages.frame_from_messages(*received)
            header = received.color.header
            with self._lock:
                self._keep(frame)
                result = self._start_if_asked(frame, header)
                if result is None and self._tracker.state is not TrackState.UNINITIALISED:
                    result = self._tracker.step(frame)
            self._frames += 1
            if result is not None:
                self._publish(result, header)
                self._latencies_s.append(time.perf_counter() - start)
            if self._overlay_publisher.get_subscription_count():
                self._drawer.put((frame, result, header))
        except Exception as error:
            # Publishing fails while the process is being shut down; that is nobody's fault.
            if self.context.ok():
                self._failures += 1
                known = isinstance(error, ValueError | RuntimeError)
                text = str(error) if known else f"a fault of the tracker, please report it: {error!r}"
                self.get_logger().error(f"frame dropped: {text}", throttle_duration_sec=ERROR_PERIOD_S)

    def _keep(self, frame: Frame) -> None:
        """Frames are needed again only by a first pose, so none are kept while tracking."""
        if self._tracker.state is TrackState.TRACKING:
            self._recent.clear()
        elif self._tracker.config.catch_up_s > 0:
            self._recent.add(frame)

    def _start_if_asked(self, frame: Frame, header: Header) -> TrackResult | None:
        """Start from a pending first pose; the result in this frame, None when there was none or it was refused."""
        pending, self._pending_pose = self._pending_pose, None
        if pending is None:
            return None
        pose = self._in_camera_frame(pending, header)
        stamp = messages.seconds(pending.header.stamp)
        frames = self._recent.since(stamp, self._tracker.config.catch_up_frames) if stamp else None
        frames = frames or [frame]
        result = self._tracker.start_checked(pose, frames)
        age = f"{frame.stamp - stamp:.2f} s old, followed over {len(frames)} frames" if stamp else "without a stamp"
        accepted = result.state is TrackState.TRACKING
        self._last_start = f"{'taken' if accepted else 'refused'}: {age}, score {result.score:.2f}"
        if accepted:
            self.get_logger().info(f"first pose {self._last_start}")
            return result
        self.get_logger().warning(
            f"first pose {self._last_start}; the image does not show {self._model.name!r} there: "
            "is it in sight, and are the pose's frame and stamp right?"
        )
        return None

    def _in_camera_frame(self, pending: PoseStamped, header: Header) -> np.ndarray:
        pose = messages.pose_from_message(pending.pose)
        if pending.header.frame_id in ("", header.frame_id):
            return pose
        try:
            transform = self._tf_buffer.lookup_transform(
                header.frame_id, pending.header.frame_id, rclpy.time.Time(), Duration(seconds=TF_TIMEOUT_S)
            )
        except TransformException as error:
            raise ValueError(
                f"initial pose refused: no transform from its frame {pending.header.frame_id!r} to the camera's "
                f"{header.frame_id!r} ({error}); publish one or give the pose in the camera's frame"
            ) from error
        return messages.transform_matrix(transform) @ pose

    def _publish(self, result: TrackResult, header: Header) -> None:
        self._score = result.score
        if result.state is not self._state:
            self._publish_state(result.state)
        if result.state is TrackState.LOST:
            return
        self._pose_publisher.publish(messages.pose_stamped(result.camera_T_object, header))
        self._covariance_publisher.publish(
            messages.pose_with_covariance(result.camera_T_object, result.covariance, header)
        )
        if self.get_parameter("publish_tf").value:
            self._broadcaster.sendTransform(
                messages.transform_stamped(result.camera_T_object, header, self._object_frame)
            )
        if header.stamp.sec:
            now_s = self.get_clock().now().nanoseconds * 1e-9
            self._end_to_end_s.append(now_s - messages.seconds(header.stamp))

    def _publish_state(self, state: TrackState) -> None:
        self._state = state
        self._state_publisher.publish(String(data=state.value))
        if state is TrackState.TRACKING:
            self._publish_marker()

    def _publish_marker(self) -> None:
        if self._model.folder is None:
            return
        mesh = self.get_parameter("mesh_path").value
        description = read_object_description(self._model.folder)
        path = self._model.folder.resolve() / description["mesh"] if not mesh else mesh
        marker = Marker(ns="object", id=0, type=Marker.MESH_RESOURCE, action=Marker.ADD, frame_locked=True)
        marker.header.frame_id = self._object_frame
        marker.mesh_resource = f"file://{path}"
        marker.mesh_use_embedded_materials = self._model.mesh.has_color
        unit = {"m": 1.0, "cm": 0.01, "mm": 0.001}[
            self.get_parameter("mesh_unit").value or description.get("mesh_unit", "m")
        ]
        marker.scale.x = marker.scale.y = marker.scale.z = unit
        if "object_T_mesh" in description:
            marker.pose = messages.pose_message(np.array(description["object_T_mesh"], dtype=np.float64).reshape(4, 4))
        marker.color.r, marker.color.g, marker.color.b, marker.color.a = (
            (0.3, 0.8, 0.5, 1.0) if not marker.mesh_use_embedded_materials else (0.0, 0.0, 0.0, 0.0)
        )
        self._marker_publisher.publish(marker)

    def _draw(self, item: tuple[Frame, TrackResult | None, Header]) -> None:
        frame, result, header = item
        image = frame.color
        if result is not None and result.state is not TrackState.LOST:
            rendering = self._tracker.render(frame.camera, result.camera_T_object)
            lines = [f"{self._model.name}: {result.state.value}, score {result.score:.2f}"]
            image = draw_overlay(image, rendering, frame.camera, result.camera_T_object, self._model.diameter_m, lines)
        if self.context.ok():
            self._overlay_publisher.publish(messages.image_message(image, "rgb8", header))

    def _publish_diagnostics(self) -> None:
        now = time.monotonic()
        rate = (self._frames - self._last_frames) / max(now - self._last_report, 1e-3)
        self._last_frames, self._last_report = self._frames, now
        missing = self._camera.missing() if rate == 0 else None
        level, text = _health(self._state, missing)
        values = {
            "state": self._state.value,
            "score": f"{self._score:.2f}",
            "first pose": self._last_start,
            "frame rate": f"{rate:.1f} Hz",
            "frames processed": self._frames,
            "frames dropped": self._worker.dropped,
            "frames failed": self._failures,
            **{f"received {name}": count for name, count in self._camera.received.items()},
            "processing time median / 95%": _percentiles_ms(self._latencies_s),
            "image to pose median / 95%": _percentiles_ms(self._end_to_end_s),
            "device": str(self._tracker.device),
            "object": self._model.name,
        }
        status = DiagnosticStatus(name=f"{self.get_fully_qualified_name()}: tracking", hardware_id=self._model.name)
        status.level, status.message = level, text
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(message)


def _health(state: TrackState, missing: str | None) -> tuple[bytes, str]:
    if missing:
        return DiagnosticStatus.STALE, missing
    return {
        TrackState.TRACKING: (DiagnosticStatus.OK, "tracking"),
        TrackState.COASTING: (DiagnosticStatus.WARN, "the image does not support the pose; going on as before"),
        TrackState.LOST: (DiagnosticStatus.ERROR, "object lost; give an initial pose"),
        TrackState.UNINITIALISED: (DiagnosticStatus.WARN, "waiting for an initial pose"),
    }[state]


def _percentiles_ms(times_s: deque[float]) -> str:
    if not times_s:
        return "none yet"
    median, high = np.percentile(np.array(times_s) * 1e3, [50, 95])
    return f"{median:.1f} / {high:.1f} ms"


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ros2 run pose_tracker_ros tracker_node``."""
    rclpy.init(args=arguments)
    try:
        node = TrackerNode()
    except (ValueError, OSError) as error:
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
