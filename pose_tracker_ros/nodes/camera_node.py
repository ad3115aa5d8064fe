"""A camera for trying things out: plays a recorded sequence or a simulation, with the truth where it is known."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool, Float32MultiArray, Header, UInt32
from tf2_ros import TransformBroadcaster

from pose_tracker_ros.datasets import Frame, FrameSequence, open_sequence
from pose_tracker_ros.evaluation.named_scenes import open_scene
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.object_names import ros_name
from pose_tracker_ros.nodes.object_topics import IMAGES, LATCHED, ObjectTopics
from pose_tracker_ros.nodes.parameters import config_from_parameters, declare, declare_config
from pose_tracker_ros.nodes.ready_frames import FrameFile, ReadyFrame, ready_frame
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.simulation.demo import SimulationConfig, simulate
from pose_tracker_ros.simulation.scene import SceneSequence

SIMULATION = "simulation"
DEPTH_SUBSCRIBER_S = 1.0


class CameraNode(Node):
    """Publishes colour, depth and CameraInfo under the names of realsense-ros, in their frame and at their rate.

    Of every object whose true pose is known it publishes that, a first pose for the tracker (with the first frame, the
    true pose moved by a known amount), and the object's mask, as a segmentation node would: below ``~/NAME/``, and of the
    one that the parameter ``object`` names also below ``~/``. How long after their stamp the images of every frame
    were out comes on ``~/publishing_s`` at the end.
    """

    def __init__(self, **options: object) -> None:
        """Open the source and, unless the parameter autostart says no, begin to play.

        Raises ValueError or OSError, in one sentence, when there is no such source or object.
        """
        super().__init__("camera", **options)
        source = declare(self, "source", SIMULATION, "Path of a sequence or recording, or 'simulation'")
        scene = declare(
            self,
            "scene",
            "",
            "What is simulated: a scene file, SET/OBJECT/SEED of a frozen set, or '' for simulation.*",
        )
        self._object = declare(self, "object", "demo_jug", "Object that is simulated, and whose true pose is published")
        rate = declare(self, "rate_hz", 0.0, "Frames per second; 0 = as recorded")
        self._loop = declare(self, "loop", False, "Begin again at the end")
        self._wait_s = declare(self, "wait_for_subscriber_s", 10.0, "Longest wait for a subscriber before playing")
        self._prerender_frames = declare(
            self,
            "prerender_frames",
            900,
            "Longest simulation that is rendered before it is played, into a temporary file of 1.8 MB a frame; 0 = none",
        )
        self._depth_encoding = declare(self, "depth_encoding", "16UC1", "16UC1 (millimetres) or 32FC1 (metres)")
        self._frame_id = declare(self, "frame_id", "camera_color_optical_frame", "Frame of all images")
        self._world_frame = declare(
            self, "world_frame", "world", "Frame in which TF has the camera where its pose is known; '' = not in TF"
        )
        self._offset_m = declare(self, "initial_offset_m", 0.02, "How far the published first pose is off")
        self._angle_deg = declare(self, "initial_angle_deg", 10.0, "How far the published first pose is turned")
        self._mask_every = declare(
            self,
            "mask_every",
            0,
            "Publish the object's mask with every n-th frame; 0 = once, half a second after somebody subscribed",
        )
        declare_config(self, SimulationConfig, "simulation.")
        self.sequence = self._open(source, scene)
        first = self._first_frame()
        self._period_s = 1.0 / (rate or self.sequence.rate_hz)
        self._color = self.create_publisher(Image, "color/image_raw", IMAGES)
        self._depth = self.create_publisher(Image, "aligned_depth_to_color/image_raw", IMAGES)
        self._info = self.create_publisher(CameraInfo, "color/camera_info", IMAGES)
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
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, name="playing", daemon=True)
        if declare(self, "autostart", True, "Play at once"):
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
            return open_sequence(source, on_error="skip")
        if not scene:
            sequence = simulate(load_object(self._object), config_from_parameters(self, SimulationConfig, "simulation."))
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
            frame.require_registered("the topic aligned_depth_to_color")
            return frame
        why = f": {self.sequence.skipped[0]}" if self.sequence.skipped else ""
        raise ValueError(f"expected frames that can be read in sequence {self.sequence.name!r}, got none{why}")

    def _add_object(self, name: str) -> None:
        self._names[name] = ros_name(name, self._names.values())
        prefixes = [f"~/{self._names[name]}/"] + (["~/"] if name == self._object else [])
        self._topics[name] = tuple(ObjectTopics(self, prefix, self._mask_every) for prefix in prefixes)
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
                self._play_once(rendered or (ready_frame(frame, self._depth_encoding) for frame in self.sequence))
                if not self._loop:
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
        if not isinstance(self.sequence, SceneSequence) or total > self._prerender_frames:
            return None
        self.get_logger().info(f"rendering {total} frames before playing them (prerender_frames)")
        rendered = FrameFile()
        for frame in self.sequence:
            if self._stopped.is_set():
                return None
            try:
                rendered.append(ready_frame(frame, self._depth_encoding))
            except OSError as error:
                self.get_logger().warning(
                    f"rendering while playing, since {total} frames cannot be kept: {error}; make room where TMPDIR says, "
                    "or set prerender_frames to 0"
                )
                return None
            self._prerendered.publish(UInt32(data=len(rendered)))
        return rendered

    def _wait_for_subscriber(self) -> None:
        deadline = time.monotonic() + self._wait_s
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
        header = Header(frame_id=self._frame_id)
        info = messages.info_message(frame.camera, header)
        depth = messages.image_message(frame.depth, self._depth_encoding, header)
        color = messages.image_message(frame.color, "rgb8", header)
        # The messages share it.
        header.stamp = self.get_clock().now().to_msg()
        begin = time.perf_counter()
        self._publish_first_poses(frame, header)
        self._info.publish(info)
        self._depth.publish(depth)
        self._color.publish(color)
        self._publishing_s.append(time.perf_counter() - begin)
        for name, topics in self._topics.items():
            for one in topics:
                one.publish_mask(frame.masks.get(name), number, header)
                if name in frame.truth:
                    one.publish_truth(frame.truth[name], header)
        self._publish_transforms(frame, header)

    def _publish_first_poses(self, frame: ReadyFrame, header: Header) -> None:
        """Once for every object, with the first frame in which its pose is known."""
        for name, truth in frame.truth.items():
            if name not in self._topics:
                self._add_object(name)
            if name in self._started:
                continue
            self._started.add(name)
            for one in self._topics[name]:
                one.publish_first_pose(self._moved(name, truth), header)

    def _publish_transforms(self, frame: ReadyFrame, header: Header) -> None:
        transforms = [
            messages.transform_stamped(truth, header, f"{self._names[name]}_truth") for name, truth in frame.truth.items()
        ]
        if self._world_frame and frame.world_T_camera is not None:
            in_world = Header(stamp=header.stamp, frame_id=self._world_frame)
            transforms.append(messages.transform_stamped(frame.world_T_camera, in_world, self._frame_id))
        if transforms:
            self._broadcaster.sendTransform(transforms)

    def _moved(self, name: str, truth: np.ndarray) -> np.ndarray:
        model = self._models[name]
        return truth if model is None else perturbed(model, truth, self._offset_m, self._angle_deg)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ros2 run pose_tracker_ros camera_node``."""
    rclpy.init(args=arguments)
    try:
        node = CameraNode()
    except (ValueError, OSError) as error:
        rclpy.logging.get_logger("camera").fatal(str(error))
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
