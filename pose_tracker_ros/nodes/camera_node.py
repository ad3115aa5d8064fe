"""A camera for trying things out: plays a recorded sequence or a simulation, with the truth where it is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import Pose
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool, Float32MultiArray, Header, UInt32
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster
from vision_msgs.msg import Detection3DArray

from pose_tracker_ros.datasets import Frame, FrameSequence
from pose_tracker_ros.datasets.reader_options import open_with_options
from pose_tracker_ros.evaluation.named_scenes import open_scene
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.camera_options import SIMULATION, CameraOptions
from pose_tracker_ros.nodes.detections import detection
from pose_tracker_ros.nodes.object_names import ros_name
from pose_tracker_ros.nodes.object_topics import IMAGES, LATCHED, LATCHED_OF_EACH, ObjectTopics
from pose_tracker_ros.nodes.overridable_quality import OverridableQuality
from pose_tracker_ros.nodes.parameters import NodeOptions
from pose_tracker_ros.nodes.ready_frames import FrameFile, ReadyFrame, ready_frame
from pose_tracker_ros.nodes.running import run_node
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.simulation.demo import simulate
from pose_tracker_ros.simulation.scene import SceneSequence

DEPTH_SUBSCRIBER_S = 1.0
# Topic and frame of depth that is not registered to colour, as realsense-ros has them.
OWN_DEPTH = ("depth/image_rect_raw", "camera_depth_optical_frame")


class CameraNode(OverridableQuality, Node):
    """Publishes colour, depth and CameraInfo under the names of realsense-ros, in their frame and at their rate.

    Depth that is not registered to colour has topic, CameraInfo and frame of its own, whose place is in TF.

    Of every object whose true pose is known it publishes that, a first pose for the tracker (with the first frame, the
    true pose moved by a known amount), and the object's mask, as a segmentation node would: below ``~/NAME/``, and of the
    one that the parameter ``object`` names also below ``~/``; first poses of all objects also on ``~/initial_poses``. How long after their stamp the images of every frame
    were out comes on ``~/publishing_s`` at the end.
    """

    def __init__(self, **arguments: Any) -> None:
        """Open the source and, unless the parameter autostart says no, begin to play.

        Raises ValueError or OSError, in one sentence, when there is no such source or object, or parameters don't fit.
        """
        given = NodeOptions("camera", CameraOptions, arguments)
        super().__init__("camera", **given.arguments)
        self._options = given.declare(self)
        self._object = self._options.object
        self.sequence = self._open(self._options.source, self._options.scene)
        first = self._first_frame()
        self._period_s = 1.0 / (self._options.rate_hz or self.sequence.rate_hz)
        self._color = self.create_publisher(Image, "color/image_raw", IMAGES)
        depth, self._depth_frame = ("aligned_depth_to_color/image_raw", self._options.frame_id) if first.registered else OWN_DEPTH
        self._depth = self.create_publisher(Image, depth, IMAGES)
        self._info = self.create_publisher(CameraInfo, "color/camera_info", IMAGES)
        self._depth_info = self.create_publisher(CameraInfo, f"{depth.rsplit('/', 1)[0]}/camera_info", IMAGES)
        self._first_poses = self.create_publisher(Detection3DArray, "~/initial_poses", LATCHED_OF_EACH)
        self._names: dict[str, str] = {}
        self._models: dict[str, ObjectModel | None] = {}
        self._topics: dict[str, tuple[ObjectTopics, ...]] = {}
        for name in dict.fromkeys([self._object, *first.truth]):
            self._add_object(name)
        self._started: set[str] = set()
        self._prerendered = self.create_publisher(UInt32, "~/prerendered", LATCHED)
        self._publishing_s: list[float] = []
        self._publishing_times = self.create_publisher(Float32MultiArray, "~/publishing_s", LATCHED)
        self._finished = self.create_publisher(Bool, "~/finished", LATCHED)
        self._broadcaster = TransformBroadcaster(self)
        if not first.registered:
            place = messages.transform_stamped(first.color_T_depth, Header(frame_id=self._options.frame_id), self._depth_frame)
            self._static_broadcaster = StaticTransformBroadcaster(self)
            self._static_broadcaster.sendTransform(place)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, name="playing", daemon=True)
        if self._options.autostart:
            self._thread.start()

    def destroy_node(self) -> None:
        """Stop playing, then the node."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        super().destroy_node()

    def _open(self, source: str, scene: str) -> FrameSequence:
        if source != SIMULATION:
            if scene:
                raise ValueError(f"expected source {SIMULATION!r} with a scene, got the source {source!r}; set one of them")
            return open_with_options(Path(source), list(filter(None, self._options.reader)), on_error="skip")
        if not scene:
            sequence = simulate(load_object(self._object), self._options.simulation)
            # Which may have been given as a folder.
            self._object = sequence.target.name
            return sequence
        sequence = open_scene(scene)
        if self._object not in sequence.objects:
            raise ValueError(
                f"expected the parameter object to be one of the scene's ({', '.join(sequence.objects)}), "
                f"got {self._object!r}"
            )
        return sequence

    def _first_frame(self) -> Frame:
        for frame in self.sequence:
            return frame
        raise self.sequence.nothing_read()

    def _add_object(self, name: str) -> None:
        self._names[name] = ros_name(name, self._names.values())
        prefixes = [f"~/{self._names[name]}/"] + (["~/"] if name == self._object else [])
        self._topics[name] = tuple(ObjectTopics(self, prefix, self._options.mask_every) for prefix in prefixes)
        self._models[name] = self._load_model(name)

    def _load_model(self, name: str) -> ObjectModel | None:
        """The model of an object, None where there is none to be found."""
        if isinstance(self.sequence, SceneSequence):
            return self.sequence.load_model(name)
        for load in (load_object, self.sequence.load_model):
            try:
                return load(name)
            except (ValueError, OSError):
                continue
        return None

    def _play(self) -> None:
        try:
            rendered = self._rendered_before()
            self._wait_for_subscriber()
            while not self._stopped.is_set():
                self._play_once(rendered or (ready_frame(frame, self._options.depth_encoding) for frame in self.sequence))
                if not self._options.loop:
                    break
        except (ValueError, OSError, RuntimeError) as error:
            # Publishing fails while the process is being shut down; that is nobody's fault.
            if self.context.ok():
                self.get_logger().error(f"cannot go on playing: {error}")
        finally:
            if self.context.ok() and not self._stopped.is_set():
                self._finished.publish(Bool(data=True))

    def _rendered_before(self) -> FrameFile | None:
        """All frames of a simulation, so that rendering takes no time from others while it plays; None of other sources.

        Their number is published on ``~/prerendered`` while it grows.
        """
        total = len(self.sequence)
        if not isinstance(self.sequence, SceneSequence) or total > self._options.prerender_frames:
            return None
        self.get_logger().info(f"rendering {total} frames before playing them (prerender_frames)")
        rendered = FrameFile()
        for frame in self.sequence:
            if self._stopped.is_set():
                return None
            try:
                rendered.append(ready_frame(frame, self._options.depth_encoding))
            except OSError as error:
                self.get_logger().warning(
                    f"rendering while playing, since {total} frames cannot be kept: {error}; make room where TMPDIR says, "
                    "or set prerender_frames to 0"
                )
                return None
            self._prerendered.publish(UInt32(data=len(rendered)))
        return rendered

    def _wait_for_subscriber(self) -> None:
        deadline = time.monotonic() + self._options.wait_for_subscriber_s
        while not self._stopped.is_set() and time.monotonic() < deadline:
            if self._color.get_subscription_count():
                break
            time.sleep(0.05)
        # Who wants depth subscribes it at about the same time; who does without never does.
        deadline = min(deadline, time.monotonic() + DEPTH_SUBSCRIBER_S)
        while not self._stopped.is_set() and time.monotonic() < deadline and not self._depth.get_subscription_count():
            time.sleep(0.05)

    def _play_once(self, frames: Iterable[ReadyFrame]) -> None:
        """Publish on an absolute schedule, so that delays don't add up; frames that are late go out at once."""
        self._started.clear()
        self._publishing_s.clear()
        due = time.monotonic()
        for number, frame in enumerate(frames):
            if self._stopped.wait(max(0.0, due - time.monotonic())) or not self.context.ok():
                return
            self._publish(frame, number)
            due = max(due + self._period_s, time.monotonic() - self._period_s)
        self._publishing_times.publish(Float32MultiArray(data=self._publishing_s))

    def _publish(self, frame: ReadyFrame, number: int) -> None:
        header, depth_header = Header(frame_id=self._options.frame_id), Header(frame_id=self._depth_frame)
        info = messages.info_message(frame.camera, header)
        depth_info = messages.info_message(frame.depth_camera or frame.camera, depth_header)
        depth = messages.image_message(frame.depth, self._options.depth_encoding, depth_header)
        color = messages.image_message(frame.color, "rgb8", header)
        # The messages share them.
        header.stamp = depth_header.stamp = self.get_clock().now().to_msg()
        begin = time.perf_counter()
        self._publish_first_poses(frame, header)
        self._info.publish(info)
        self._depth_info.publish(depth_info)
        self._depth.publish(depth)
        self._color.publish(color)
        self._publishing_s.append(time.perf_counter() - begin)
        truth = dict(zip(frame.truth, messages.pose_messages(np.array([*frame.truth.values()]).reshape(-1, 4, 4))))
        for name, topics in self._topics.items():
            for one in topics:
                one.publish_mask(frame.masks.get(name), number, header)
                if name in truth:
                    one.publish_truth(truth[name], header)
        self._publish_transforms(frame, truth, header)

    def _publish_first_poses(self, frame: ReadyFrame, header: Header) -> None:
        """Once for every object, with the first frame in which its pose is known."""
        detections = []
        for name, truth in frame.truth.items():
            if name not in self._topics:
                self._add_object(name)
            if name in self._started:
                continue
            self._started.add(name)
            pose = self._moved(name, truth)
            for one in self._topics[name]:
                one.publish_first_pose(pose, header)
            detections.append(detection(name, self._models[name], pose, header, score=1.0))
        if detections:
            self._first_poses.publish(Detection3DArray(header=header, detections=detections))

    def _publish_transforms(self, frame: ReadyFrame, truth: Mapping[str, Pose], header: Header) -> None:
        transforms = [messages.transform_stamped(pose, header, f"{self._names[name]}_truth") for name, pose in truth.items()]
        if self._options.world_frame and frame.world_T_camera is not None:
            in_world = Header(stamp=header.stamp, frame_id=self._options.world_frame)
            transforms.append(messages.transform_stamped(frame.world_T_camera, in_world, self._options.frame_id))
        if transforms:
            self._broadcaster.sendTransform(transforms)

    def _moved(self, name: str, truth: np.ndarray) -> np.ndarray:
        model = self._models[name]
        return truth if model is None else perturbed(model, truth, self._options.initial_offset_m, self._options.initial_angle_deg)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ros2 run pose_tracker_ros camera_node``."""
    run_node("camera", CameraNode, arguments)


if __name__ == "__main__":
    main()
