"""The tracker in a node: frames in, poses, states and diagnostics out."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from pose_tracker_ros.evaluation.overlay import draw_overlay
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.camera_subscriber import CameraSubscriber, RgbdMessages
from pose_tracker_ros.nodes.first_poses import FirstPoses
from pose_tracker_ros.nodes.newest import NewestFirstWorker
from pose_tracker_ros.nodes.object_publisher import STATES_WITH_POSE, ObjectPublisher, mesh_marker
from pose_tracker_ros.nodes.parameters import apply_changes, config_from_parameters, declare, declare_config
from pose_tracker_ros.nodes.recent_frames import FrameBuffer
from pose_tracker_ros.nodes.tracker_diagnostics import StageTimes, error_values, health, status
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackResult, TrackState

ERROR_PERIOD_S = 5.0


class Arrival(NamedTuple):
    """Messages of one frame, when they were complete (performance counter), and how old they were then; seconds."""

    messages: RgbdMessages
    at: float
    age: float


class ObjectTracking:
    """Follows one object for a node.

    Images are converted and tracked in a worker thread that always takes the newest frame, so that callbacks
    never wait and a slow machine drops frames instead of falling behind.
    """

    def __init__(self, node: Node) -> None:
        """Declare parameters, load the object and its network, start listening; errors as in ``TrackerNode``."""
        self._node = node
        self._declare_parameters()
        self._model = self._load_model()
        self._name = self._model.name
        config = config_from_parameters(node, TrackerConfig)
        weights = self._value("weights_path")
        self.tracker = Tracker.load([self._model], config, {self._name: Path(weights)} if weights else {})
        self.times = StageTimes()
        self._lock = threading.Lock()
        self._last_start = "none yet"
        self._recent = FrameBuffer(config.catch_up_s)
        self._failures = 0
        self._frames = 0
        self._last_frames = 0
        self._last_report = time.monotonic()
        self.tracker.warm_up()
        self._create_interfaces()
        apply_changes(node, TrackerConfig, self._reconfigure)
        self._publisher.publish_forgotten("waiting for a first pose")
        node.get_logger().info(
            f"tracking {self._name!r} ({self._model.diameter_m * 1e3:.0f} mm, {len(self._model.mesh.faces)} triangles); "
            f"waiting for a first pose on {node.resolve_topic_name('~/initial_pose')}"
        )

    def frame_counts(self) -> dict[str, int]:
        """Frames that came, pairs or colour alone, were processed, overtaken by newer ones, or failed."""
        return {
            "in": self.camera.received["synchronized"] + self.camera.received["color alone"],
            "processed": self._frames,
            "dropped": self._worker.dropped,
            "failed": self._failures,
        }

    def stop(self) -> None:
        """Stop the threads."""
        self._worker.stop()
        self._drawer.stop()

    def _value(self, name: str) -> object:
        return self._node.get_parameter(name).value

    def _declare_parameters(self) -> None:
        for name, default, description in (
            ("object", "demo_jug", "Object to track: a name in models/ or a folder with object.yaml"),
            ("mesh_path", "", "Mesh file instead of the object's own"),
            ("mesh_unit", "", "Unit of mesh_path: m, cm or mm; empty = the object's"),
            ("weights_path", "", "Network weights instead of the object's own"),
            ("object_frame", "", "TF frame of the object; empty = its name"),
            ("publish_tf", True, "Publish the transform from camera to object"),
            ("sync_slop", 0.02, "Largest difference of colour and depth stamps, seconds"),
            ("queue_size", 10, "Images that wait for their partner"),
            ("reliable", False, "Have lost images sent again; needs a camera that publishes reliably"),
            ("initial_pose", [0.0] * 7, "First pose x y z qx qy qz qw in the camera frame; all zero = wait for a message"),
        ):
            declare(self._node, name, default, description)
        declare_config(self._node, TrackerConfig)

    def _load_model(self) -> ObjectModel:
        return load_object(self._value("object"), self._value("mesh_path") or None, self._value("mesh_unit") or None)

    def _create_interfaces(self) -> None:
        node = self._node
        frame = self._value("object_frame") or self._name
        marker = mesh_marker(self._model, frame, self._value("mesh_path"), self._value("mesh_unit"))
        self._publisher = ObjectPublisher(node, frame, self._value("publish_tf"), marker)
        self._overlays = node.create_publisher(Image, "~/overlay", 1)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._first_poses = FirstPoses(node, self._value("initial_pose"))
        self._worker = NewestFirstWorker(self._track, "tracking")
        self._drawer = NewestFirstWorker(self._draw, "drawing")
        self.camera = CameraSubscriber(
            node,
            self._value("sync_slop"),
            self._value("queue_size"),
            self._value("reliable"),
            self._on_frame,
            self.tracker.config.depth,
        )
        node.create_service(Trigger, "~/reset", self._on_reset)
        node.create_timer(1.0, self._publish_diagnostics)
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jump_handle = node.get_clock().create_jump_callback(threshold, post_callback=self._on_time_jump)

    def _reconfigure(self, config: TrackerConfig) -> None:
        with self._lock:
            self.tracker.reconfigure(config)

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self.tracker.stop(self._name)
            self._first_poses.take()
            self._publisher.publish_forgotten("reset; waiting for a first pose")
        response.success, response.message = True, "pose forgotten; waiting for an initial pose"
        return response

    def _on_time_jump(self, jump: TimeJump) -> None:
        self._node.get_logger().warning("time jumped back; the pose is forgotten, give an initial pose")
        self._worker.clear()
        with self._lock:
            self._recent.clear()
            self.tracker.stop(self._name)
            self._publisher.publish_forgotten("time jumped back; waiting for a first pose")

    def _on_frame(self, received: RgbdMessages) -> None:
        self._worker.put(Arrival(received, time.perf_counter(), self._age_s(received.color.header)))

    def _age_s(self, header: Header) -> float:
        """How long ago an image was taken, by the clock that its stamp is of."""
        return self._node.get_clock().now().nanoseconds * 1e-9 - messages.seconds(header.stamp)

    def _track(self, arrival: Arrival) -> None:
        """One frame in the worker thread; whatever is wrong with it costs this frame alone."""
        try:
            begin = time.perf_counter()
            frame = messages.frame_from_messages(*arrival.messages)
            converted = time.perf_counter()
            header = arrival.messages.color.header
            # Published under the lock, or a reset would be followed by the state before it.
            with self._lock:
                results = self._step(frame, header)
                stepped = time.perf_counter()
                for result in results.values():
                    self._publisher.publish(result, header)
            self._frames += 1
            if results:
                stages = {"pairing": arrival.age, "image to pose": self._age_s(header)} if header.stamp.sec else {}
                stages |= {"waiting": begin - arrival.at, "conversion": converted - begin, "step": stepped - converted}
                self.times.add({**stages, "publishing": time.perf_counter() - stepped})
            if self._overlays.get_subscription_count():
                self._drawer.put((frame, results, header))
        except Exception as error:
            # Publishing fails while the process is being shut down; that is nobody's fault.
            if self._node.context.ok():
                self._failures += 1
                known = isinstance(error, ValueError | RuntimeError)
                text = str(error) if known else f"a fault of the tracker, please report it: {error!r}"
                self._node.get_logger().error(f"frame dropped: {text}", throttle_duration_sec=ERROR_PERIOD_S)

    def _step(self, frame: Frame, header: Header) -> dict[str, TrackResult]:
        """What is known of the object after a frame; nothing before a first pose was taken."""
        self._keep(frame)
        pending = self._first_poses.take()
        started = None if pending is None else self._start(pending, frame, header)
        if started is not None:
            return {self._name: started}
        return self.tracker.step(frame)

    def _keep(self, frame: Frame) -> None:
        """Frames are needed again only by a first pose, so none are kept while tracking."""
        if self.tracker.state(self._name) is TrackState.TRACKING:
            self._recent.clear()
        elif self.tracker.config.catch_up_s > 0:
            self._recent.add(frame)

    def _start(self, pending: PoseStamped, frame: Frame, header: Header) -> TrackResult | None:
        """Start from a first pose; the result in this frame, None when it was refused."""
        stamp = messages.seconds(pending.header.stamp)
        frames = self._recent.since(stamp, self.tracker.config.catch_up_frames) if stamp else None
        frames = frames or [frame]
        age = f"{frame.stamp - stamp:.2f} s old, followed over {len(frames)} frames" if stamp else "without a stamp"
        try:
            pose = self._first_poses.in_camera_frame(pending, header)
            result = self.tracker.start_checked(self._name, pose, frames)
        except ValueError as error:
            self._refuse(f"{error} ({age})")
            return None
        if result.state is not TrackState.TRACKING:
            self._refuse(f"{result.reason} ({age}, score {result.score:.2f})")
            return None
        self._last_start = f"taken: {age}, score {result.score:.2f}"
        self._node.get_logger().info(f"first pose {self._last_start}")
        return result

    def _refuse(self, why: str) -> None:
        """Say why a first pose was not taken; an object that is tracked stays so."""
        self._last_start = f"refused: {why}"
        self._node.get_logger().warning(
            f"first pose {self._last_start}; is {self._name!r} in sight there, and are the pose's frame and stamp right?"
        )
        if self._publisher.state is TrackState.UNINITIALISED:
            self._publisher.publish_forgotten(f"first pose {self._last_start}")

    def _draw(self, item: tuple[Frame, dict[str, TrackResult], Header]) -> None:
        frame, results, header = item
        image = frame.color
        for name, result in results.items():
            if result.state in STATES_WITH_POSE:
                pose = result.camera_T_object
                rendering = self.tracker.render(name, frame.camera, pose)
                lines = [f"{name}: {result.state.value}, {result.reason}, probability {result.score:.2f}"]
                image = draw_overlay(image, rendering, frame.camera, pose, self._model.diameter_m, lines)
        if self._node.context.ok():
            self._overlays.publish(messages.image_message(image, "rgb8", header))

    def _publish_diagnostics(self) -> None:
        now = time.monotonic()
        rate = (self._frames - self._last_frames) / max(now - self._last_report, 1e-3)
        self._last_frames, self._last_report = self._frames, now
        state, reason, result = self._publisher.state, self._publisher.reason, self._publisher.result
        values = {
            "object": self._name,
            "state": state.value,
            "reason": reason,
            "score (probability)": f"{0.0 if result is None else result.score:.2f}",
            "first pose": self._last_start,
            "network": self.tracker.config.network,
            "device": self.tracker.device,
            "frame rate (Hz)": f"{rate:.1f}",
            "frames processed": self._frames,
            "frames dropped": self._worker.dropped,
            "frames failed": self._failures,
            **{f"received {name}": count for name, count in self.camera.received.items()},
            **error_values(result),
            **self.times.values(),
        }
        missing = self.camera.missing() if rate == 0 else None
        name = f"{self._node.get_fully_qualified_name()}: tracking"
        message = DiagnosticArray(status=[status(name, self._name, health(state, reason, missing), values)])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(message)
