"""The tracker in a node: frames in, poses and states of all objects out."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.clock import JumpHandle, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection3DArray

from pose_tracker_ros.evaluation.overlay import draw_overlay
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.camera_subscriber import CameraSubscriber
from pose_tracker_ros.nodes.detections import detection
from pose_tracker_ros.nodes.first_poses import FirstPoses, in_camera_frame
from pose_tracker_ros.nodes.frames import RgbdMessages
from pose_tracker_ros.nodes.managed_node import Entities
from pose_tracker_ros.nodes.newest import NewestFirstWorker
from pose_tracker_ros.nodes.object_markers import ObjectMarkers
from pose_tracker_ros.nodes.object_names import named_objects
from pose_tracker_ros.nodes.object_publisher import STATES_WITH_POSE
from pose_tracker_ros.nodes.object_set import FirstObject, FollowedObject, ObjectSet
from pose_tracker_ros.nodes.object_transforms import ObjectTransforms
from pose_tracker_ros.nodes.overtaken_frames import OvertakenFrames
from pose_tracker_ros.nodes.recent_frames import FrameBuffer
from pose_tracker_ros.nodes.starts import Starts
from pose_tracker_ros.nodes.tracker_diagnostics import StageTimes, TrackerDiagnostics
from pose_tracker_ros.nodes.tracker_options import TrackerOptions
from pose_tracker_ros.nodes.transforms import Transforms
from pose_tracker_ros.tracking import Tracker, TrackResult, TrackState

ERROR_PERIOD_S = 5.0


class Arrival(NamedTuple):
    """Messages of one frame, when they were complete (performance counter), and how old they were then; seconds."""

    messages: RgbdMessages
    at: float
    age: float


class ObjectTracking:
    """Follows objects for a node.

    Images are converted and tracked in a worker thread that always takes the newest frame, so that callbacks
    never wait and a slow machine drops frames instead of falling behind.
    """

    def __init__(self, node: Node, options: TrackerOptions) -> None:
        """Load the objects and their networks; errors as in ``TrackerNode``."""
        self._node, self._options = node, options
        config = options.tracking
        # Whoever makes topics of one more object declares parameters of their quality, which is a change to be checked.
        self._lock = threading.RLock()
        named = named_objects(options.wanted)
        first = FirstObject(options.mesh_path, options.mesh_unit, options.weights_path, options.object_frame)
        self.objects = ObjectSet(node, named, first, config, self._lock, self._reset)
        self.times = StageTimes()
        self.overtaken = OvertakenFrames()
        self._recent = FrameBuffer(config.catch_up_s)
        self._failures = 0
        self._frames = 0
        self._listening: Entities | None = None
        self._first_poses: FirstPoses | None = None
        self._jump_handle: JumpHandle | None = None
        self.tracker.warm_up()
        self._transforms = Transforms(node)
        self._starts = Starts(node.get_logger(), self.objects, self._recent, self._placed)
        self._target_frame = options.target_frame
        self._placing = ObjectTransforms(
            node, self._transforms, self._target_frame, options.tf_wait_s, options.publish_tf
        )
        self._detections = node.create_publisher(Detection3DArray, "~/detections", 10)
        self._markers = ObjectMarkers(node)
        self._overlays = node.create_publisher(Image, "~/overlay", 1)
        self._worker = NewestFirstWorker(self._track, "tracking")
        self._drawer = NewestFirstWorker(self._draw, "drawing")
        for one in self.objects.all():
            size = f"{one.model.diameter_m * 1e3:.0f} mm, {len(one.model.mesh.faces)} triangles"
            node.get_logger().info(f"tracking {one.named.name!r} ({size})")

    def listen(self) -> None:
        """Listen to the camera, and to first poses."""
        node, options = self._node, self._options
        self._listening = Entities(node)
        self._forget(self.objects.names, "waiting for a first pose")
        self._first_poses = FirstPoses(node, options.initial_pose, lambda: self.objects.names, self._tracked)
        self.camera = CameraSubscriber(
            node, options.images, self._on_frame, self.tracker.config.depth, self._transforms
        )
        self._diagnostics = TrackerDiagnostics(node, self.objects, self.camera, self.frame_counts, self.times, self.overtaken)
        node.create_service(Trigger, "~/reset", self._on_reset)
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jump_handle = node.get_clock().create_jump_callback(threshold, post_callback=self._on_time_jump)
        self._listening.close()
        node.get_logger().info(
            f"waiting for first poses on {node.resolve_topic_name('~/initial_pose')} and "
            f"{node.resolve_topic_name('~/initial_poses')}"
        )

    def stop_listening(self) -> None:
        """Stop listening, and forget all poses: nobody knows where objects are when listening begins again."""
        if self._listening is None:
            return
        self.camera.close()
        self._listening.destroy()
        self._listening = None
        self._jump_handle.unregister()
        self._worker.clear()
        with self._lock:
            self._recent.clear()
            self._starts.clear()
        self._forget(self.objects.names, "deactivated")

    @property
    def tracker(self) -> Tracker:
        """The tracker of all objects."""
        return self.objects.tracker

    def frame_counts(self) -> dict[str, int]:
        """Frames that came, pairs or colour alone, were processed, overtaken by newer ones, or failed."""
        return {
            "in": self.camera.received["synchronized"] + self.camera.received["color alone"],
            "processed": self._frames,
            "dropped": self._worker.dropped,
            "failed": self._failures,
        }

    def stop(self) -> None:
        """Stop listening, and the threads."""
        if self._jump_handle is not None:
            self._jump_handle.unregister()
        self.objects.stop()
        self._worker.stop()
        self._drawer.stop()

    def reconfigure(self, options: TrackerOptions) -> None:
        """Change what can be changed while running; raises OSError or ValueError for objects that are not there."""
        if options.objects != self._options.objects:
            named_objects(options.wanted)
        with self._lock:
            self.tracker.reconfigure(options.tracking)

    def follow(self, options: TrackerOptions) -> None:
        """Follow the objects of the options instead of those before."""
        self._options = options
        self.objects.want(named_objects(options.wanted))

    def _tracked(self) -> set[str]:
        return {name for name in self.objects.names if self.tracker.state(name) is TrackState.TRACKING}

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._forget(self.objects.names, "reset; waiting for a first pose")
        response.success, response.message = True, "poses forgotten; waiting for first poses"
        return response

    def _reset(self, name: str) -> None:
        self._forget([name], "reset; waiting for a first pose")

    def _forget(self, names: list[str], reason: str) -> None:
        # Under the lock, so that no frame in work has the last word.
        with self._lock:
            for name in filter(self.objects.__contains__, names):
                if self._first_poses is not None:
                    self._first_poses.forget(name)
                self._starts.forget(name)
                self.tracker.stop(name)
                self.objects[name].publisher.publish_forgotten(reason)
            self._markers.publish(self.objects.all())

    def _on_time_jump(self, jump: TimeJump) -> None:
        self._node.get_logger().warning("time jumped back; poses are forgotten, give first poses")
        self._worker.clear()
        with self._lock:
            self._recent.clear()
            self._starts.clear()
        self._forget(self.objects.names, "time jumped back; waiting for a first pose")

    def _on_frame(self, received: RgbdMessages) -> None:
        overtaken = self._worker.put(Arrival(received, time.perf_counter(), self._age_s(received.color.header)))
        if overtaken is not None:
            self.overtaken.add(messages.nanoseconds(overtaken.messages.color.header.stamp))

    def _age_s(self, header: Header) -> float:
        """How long ago an image was taken, by the clock that its stamp is of."""
        return self._node.get_clock().now().nanoseconds * 1e-9 - messages.seconds(header.stamp)

    def _track(self, arrival: Arrival) -> None:
        """One frame in the worker thread; whatever is wrong with it costs this frame alone."""
        try:
            begin = time.perf_counter()
            header = arrival.messages.color.header
            frame = self.camera.frame(arrival.messages)
            frame = replace(frame, world_T_camera=self._placing.camera_pose(header))
            converted = time.perf_counter()
            # Published under the lock, or a reset would be followed by the state before it.
            with self._lock:
                results = self._step(frame, header, begin + (self.tracker.config.frame_budget_ms * 1e-3 or math.inf))
                stepped = time.perf_counter()
                self._publish(results, frame, header)
            self._frames += 1
            work = {"conversion": converted - begin, "step": stepped - converted, "publishing": time.perf_counter() - stepped}
            self.overtaken.explain(work)
            if results:
                stages = {"pairing": arrival.age, "image to pose": self._age_s(header)} if header.stamp.sec else {}
                self.times.add({**stages, "waiting": begin - arrival.at, **work})
            if self._overlays.get_subscription_count():
                self._drawer.put((frame, results, header))
        except Exception as error:
            # Publishing fails while the process is being shut down; that is nobody's fault.
            if self._node.context.ok():
                self._failures += 1
                known = isinstance(error, ValueError | RuntimeError)
                text = str(error) if known else f"a fault of the tracker, please report it: {error!r}"
                self._node.get_logger().error(f"frame dropped: {text}", throttle_duration_sec=ERROR_PERIOD_S)

    def _step(self, frame: Frame, header: Header, until: float) -> dict[str, TrackResult]:
        """What is known of the objects after a frame; nothing of those for which no first pose was taken yet."""
        self._starts.ask(self._first_poses.take())
        self._keep(frame)
        results = self.tracker.step(frame)
        return results | self._starts.go_on(frame, header, until, self._worker.is_behind)

    def _placed(self, pose: PoseStamped, frame: Frame, header: Header) -> np.ndarray:
        return in_camera_frame(pose, frame, header, self._transforms, self._target_frame)

    def _publish(self, results: dict[str, TrackResult], frame: Frame, header: Header) -> None:
        objects = [self.objects[name] for name in self.objects.names if name in results]
        poses = messages.pose_messages(np.array([results[one.named.name].camera_T_object for one in objects]).reshape(-1, 4, 4))
        for one, pose in zip(objects, poses):
            one.publisher.publish(results[one.named.name], pose, header)
        self._placing.publish([one.publisher for one in objects], header, frame.world_T_camera)
        self._markers.publish(objects)
        if self._detections.get_subscription_count():
            seen = [one for one in objects if one.publisher.has_pose]
            self._detections.publish(Detection3DArray(header=header, detections=[_detection(one, header) for one in seen]))

    def _keep(self, frame: Frame) -> None:
        """Frames are needed again only by first poses, so none are kept while all objects are tracked."""
        if not self._starts and len(self._tracked()) == len(self.objects.names):
            self._recent.clear()
        elif self.tracker.config.catch_up_s > 0:
            self._recent.add(frame)

    def _draw(self, item: tuple[Frame, dict[str, TrackResult], Header]) -> None:
        frame, results, header = item
        image = frame.color
        for name, result in results.items():
            if result.state not in STATES_WITH_POSE:
                continue
            pose = result.camera_T_object
            try:
                model, rendering = self.objects[name].model, self.tracker.render(name, frame.camera, pose)
            except KeyError:
                # It may have been given up since the frame came, and at any time.
                continue
            lines = [f"{name}: {result.state.value}, {result.reason}, probability {result.score:.2f}"]
            image = draw_overlay(image, rendering, frame.camera, pose, model.diameter_m, lines)
        if self._node.context.ok():
            self._overlays.publish(messages.image_message(image, "rgb8", header))


def _detection(one: FollowedObject, header: Header) -> object:
    result = one.publisher.result
    name, pose = one.named.name, one.publisher.pose
    return detection(name, one.model, result.camera_T_object, header, result.score, result.covariance, pose)
