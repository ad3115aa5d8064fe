"""A camera for trying things out: plays a recorded sequence or a simulation, with the truth where it is known."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool, Header
from tf2_ros import TransformBroadcaster

from pose_tracker_ros.datasets import Frame, FrameSequence, open_sequence
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.parameters import config_from_parameters, declare, declare_config
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.simulation.demo import SimulationConfig, simulate

SIMULATION = "simulation"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SETTLE_S = 0.5
# Reliable, as drivers publish by default: consumers choose best effort.
IMAGES = QoSProfile(depth=5)


class CameraNode(Node):
    """Publishes colour, depth and CameraInfo under the names of realsense-ros, in their frame and at their rate.

    With the first frame it publishes the true pose, moved by a known amount, as a first pose for the tracker. It also
    publishes the object's mask, as a segmentation node would.
    """

    def __init__(self, **options: object) -> None:
        """Open the source; ``start`` begins to play, or does so by itself when asked by the parameter autostart.

        Raises ValueError or OSError, in one sentence, when there is no such source or object.
        """
        super().__init__("camera", **options)
        source = declare(self, "source", SIMULATION, "Path of a sequence or recording, or 'simulation'")
        self._object = declare(self, "object", "demo_jug", "Object that is simulated, and whose true pose is published")
        rate = declare(self, "rate_hz", 0.0, "Frames per second; 0 = as recorded")
        self._loop = declare(self, "loop", False, "Begin again at the end")
        self._wait_s = declare(self, "wait_for_subscriber_s", 10.0, "Longest wait for a subscriber before playing")
        self._depth_encoding = declare(self, "depth_encoding", "16UC1", "16UC1 (millimetres) or 32FC1 (metres)")
        self._frame_id = declare(self, "frame_id", "camera_color_optical_frame", "Frame of all images")
        self._offset_m = declare(self, "initial_offset_m", 0.02, "How far the published first pose is off")
        self._angle_deg = declare(self, "initial_angle_deg", 10.0, "How far the published first pose is turned")
        self._mask_every = declare(
            self,
            "mask_every",
            0,
            "Publish the object's mask with every n-th frame; 0 = once, half a second after somebody subscribed",
        )
        declare_config(self, SimulationConfig, "simulation.")
        self.sequence = self._open(source)
        self._period_s = 1.0 / (rate or self.sequence.rate_hz)
        self._color = self.create_publisher(Image, "color/image_raw", IMAGES)
        self._depth = self.create_publisher(Image, "aligned_depth_to_color/image_raw", IMAGES)
        self._info = self.create_publisher(CameraInfo, "color/camera_info", IMAGES)
        self._truth = self.create_publisher(PoseStamped, "~/ground_truth", 10)
        self._initial_pose = self.create_publisher(PoseStamped, "~/initial_pose", LATCHED)
        self._mask = self.create_publisher(Image, "~/mask", IMAGES)
        self._mask_is_out = False
        self._mask_heard_since: float | None = None
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

    def _open(self, source: str) -> FrameSequence:
        if source != SIMULATION:
            return open_sequence(source, on_error="skip")
        config = config_from_parameters(self, SimulationConfig, "simulation.")
        return simulate(load_object(self._object), config)

    def _play(self) -> None:
        try:
            self._wait_for_subscriber()
            while True:
                self._play_once()
                if not self._loop or self._stopped.is_set():
                    break
        except (ValueError, OSError, RuntimeError) as error:
            # Publishing fails while the process is being shut down; that is nobody's fault.
            if self.context.ok():
                self.get_logger().error(f"cannot go on playing: {error}")
        finally:
            if self.context.ok() and not self._stopped.is_set():
                self._finished.publish(Bool(data=True))

    def _wait_for_subscriber(self) -> None:
        deadline = time.monotonic() + self._wait_s
        while not self._stopped.is_set() and time.monotonic() < deadline:
            if self._color.get_subscription_count() and self._depth.get_subscription_count():
                return
            time.sleep(0.05)

    def _play_once(self) -> None:
        """Publish on an absolute schedule, so that delays don't add up; frames that are late go out at once."""
        due = time.monotonic()
        for number, frame in enumerate(self.sequence):
            if self._stopped.wait(max(0.0, due - time.monotonic())) or not self.context.ok():
                return
            self._publish(frame, number)
            due = max(due + self._period_s, time.monotonic() - self._period_s)

    def _publish(self, frame: Frame, number: int) -> None:
        frame.require_registered("the topic aligned_depth_to_color")
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._frame_id)
        truth = frame.truth.get(self._object)
        if number == 0 and truth is not None:
            self._publish_initial_pose(truth, header)
        self._info.publish(messages.info_message(frame.camera, header))
        self._depth.publish(messages.depth_message(frame.depth, self._depth_encoding, header))
        self._color.publish(messages.image_message(frame.color, "rgb8", header))
        if self._mask_is_due(number):
            self._publish_mask(frame, header)
        if truth is not None:
            self._truth.publish(messages.pose_stamped(truth, header))
            self._broadcaster.sendTransform(messages.transform_stamped(truth, header, f"{self._object}_truth"))

    def _mask_is_due(self, number: int) -> bool:
        if self._mask_every:
            return number % self._mask_every == 0
        if self._mask_is_out or self._mask.get_subscription_count() == 0:
            return False
        # Who listens to masks has only begun to listen to the images.
        self._mask_heard_since = self._mask_heard_since or time.monotonic()
        return time.monotonic() - self._mask_heard_since > SETTLE_S

    def _publish_mask(self, frame: Frame, header: Header) -> None:
        mask = frame.masks.get(self._object)
        if mask is not None and mask.any():
            self._mask.publish(messages.image_message(mask.astype(np.uint8) * 255, "mono8", header))
            self._mask_is_out = True

    def _publish_initial_pose(self, truth: np.ndarray, header: Header) -> None:
        model = load_object(self._object) if self._model_is_known() else None
        pose = truth if model is None else perturbed(model, truth, self._offset_m, self._angle_deg)
        self._initial_pose.publish(messages.pose_stamped(pose, header))

    def _model_is_known(self) -> bool:
        try:
            load_object(self._object)
        except (ValueError, OSError):
            return False
        return True


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
