"""Colour, with depth where there is any, and the latest intrinsics, and a word about what is missing."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from typing import Any

import message_filters
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.nodes.camera_infos import CameraInfos
from pose_tracker_ros.nodes.frames import FrameMaker, RgbdMessages
from pose_tracker_ros.nodes.image_options import ImageOptions
from pose_tracker_ros.nodes.messages import seconds, transform_from_extrinsics
from pose_tracker_ros.nodes.nearest_time import NearestTimeSynchronizer
from pose_tracker_ros.nodes.object_topics import LATCHED
from pose_tracker_ros.nodes.publishers import type_name, why_mixed, why_silent
from pose_tracker_ros.nodes.transforms import Transforms
from pose_tracker_ros.nodes.waiting_colors import WaitingColors

COLOR_TOPIC, DEPTH_TOPIC = "~/color/image", "~/depth/image"
# Of realsense-ros, from depth to colour.
EXTRINSICS_TOPIC, EXTRINSICS_PACKAGE = "~/extrinsics", "realsense2_camera_msgs"
INFO_TOPIC, DEPTH_INFO_TOPIC = "~/color/camera_info", "~/depth/camera_info"
WATCH_PERIOD_S = 5.0
# Shorter periods would cost more than they tell.
SHORTEST_LOOK_S = 0.002


class CameraSubscriber:
    """Subscribes colour, depth and CameraInfo of a node and hands on what belongs together, colour also alone.

    Counts what came, so that a user reads why nothing happens.
    """

    def __init__(
        self,
        node: Node,
        options: ImageOptions,
        on_frame: Callable[[RgbdMessages], None],
        depth: str,
        transforms: Transforms | None = None,
        on_image: Callable[[str, Image | CompressedImage], None] = lambda name, message: None,
    ) -> None:
        """``depth``: ``required``, only pairs are handed on; ``used``, colour whose depth does not come goes on alone, in the
        order of stamps; ``none``, every colour image does, and depth is not even subscribed.

        ``transforms``: of the node; where it has none they are listened to when depth is of another frame. ``on_image``: gets every
        image with ``color`` or ``depth``, whether it is handed on or not.
        """
        self.received = {"color": 0, "depth": 0, "camera_info": 0, "synchronized": 0, "color alone": 0}
        self._node, self._options, self._on_frame, self._on_image = node, options, on_frame, on_image
        self._published_place: np.ndarray | None = None
        self._needs_depth = depth == "required"
        self._transforms = transforms
        self._last_stamp = {"color": math.nan, "depth": math.nan}
        self._last_counts = dict(self.received)
        self.remarks: set[str] = set()
        self._held: tuple[str, Image, Image | None] | None = None
        reliability = ReliabilityPolicy.RELIABLE if options.reliable else ReliabilityPolicy.BEST_EFFORT
        self._quality = QoSProfile(depth=5, reliability=reliability)
        self.topics = {"color": self._resolved(COLOR_TOPIC, options.color_transport)}
        if depth != "none":
            self.topics["depth"] = self._resolved(DEPTH_TOPIC, options.depth_transport)
        self._kinds = {
            name: Image if transport == "raw" else CompressedImage
            for name, transport in (("color", options.color_transport), ("depth", options.depth_transport))
        }
        self.maker = FrameMaker(options, (self.topics["color"], self.topics.get("depth", "")), self._color_T_depth)
        self._listen(depth)

    def _listen(self, depth: str) -> None:
        node, options = self._node, self._options
        self._subscribers = [
            message_filters.Subscriber(node, self._kinds[name], topic, qos_profile=self._quality)
            for name, topic in self.topics.items()
        ]
        for name, subscriber in zip(self.topics, self._subscribers):
            subscriber.registerCallback(lambda message, name=name: self._take_in(name, message))
        look_s = max(options.sync_slop / 2, SHORTEST_LOOK_S)
        self._waiting = WaitingColors(options.sync_slop, look_s, options.queue_size)
        self._looking = node.create_timer(look_s, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME), autostart=False)
        if depth == "used":
            self._subscribers[0].registerCallback(self._wait_for_depth)
        if depth == "none":
            self._subscribers[0].registerCallback(self._on_color_alone)
        else:
            on_single = None if self._needs_depth else self._on_single
            self._synchronizer = NearestTimeSynchronizer(self._subscribers, options.queue_size, options.sync_slop, on_single)
            self._synchronizer.registerCallback(self._on_pair)
        self.infos = CameraInfos(node, INFO_TOPIC, self._quality, self._on_info)
        self.depth_infos = None
        if depth != "none" and options.depth_camera != "registered":
            self.depth_infos = CameraInfos(node, DEPTH_INFO_TOPIC, self._quality, lambda info: self._hand_on_held())
        self._extrinsics = _subscribe_extrinsics(node, self._on_extrinsics) if self.depth_infos else None
        # The node's own clock may stand still.
        self._timer = node.create_timer(WATCH_PERIOD_S, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """Stop listening."""
        for subscriber in self._subscribers:
            self._node.destroy_subscription(subscriber.sub)
        for infos in (self.infos, self.depth_infos):
            if infos is not None:
                infos.close()
        if self._extrinsics is not None:
            self._node.destroy_subscription(self._extrinsics)
        for timer in (self._timer, self._looking):
            self._node.destroy_timer(timer)

    def why_silent(self, name: str) -> str:
        """What keeps images of ``color`` or ``depth`` from coming; empty where nothing is known to."""
        subscription = self._subscribers[list(self.topics).index(name)].sub
        return why_silent(self._node, self.topics[name], type_name(self._kinds[name]), subscription.qos_profile)

    def frame(self, received: RgbdMessages) -> Frame:
        """See :meth:`FrameMaker.frame`."""
        return self.maker.frame(received)

    def missing(self) -> str | None:
        """What has not arrived since the last look, with topic names; None when frames come."""
        new = {name: count - self._last_counts[name] for name, count in self.received.items()}
        silent = [
            f"{name} images on {topic}{_in_brackets(self.why_silent(name))}"
            for name, topic in self.topics.items()
            if new[name] == 0
        ]
        for infos in (self.infos, self.depth_infos):
            if infos is not None and infos.latest is None and (infos is self.infos or infos.is_awaited()):
                silent.append(f"CameraInfo on {infos.topic}{_in_brackets(infos.why_silent())}")
        if silent:
            meanwhile = "tracking by colour alone, " if new["color alone"] else ""
            return f"{meanwhile}waiting for " + " and ".join(silent) + "; is the camera running and are the topics remapped?"
        if "depth" in self.topics and new["synchronized"] == 0:
            difference = abs(self._last_stamp["color"] - self._last_stamp["depth"])
            return (
                f"colour and depth arrive but never within {self._options.sync_slop * 1e3:.0f} ms of each other (last stamps "
                f"differ by {difference * 1e3:.0f} ms); raise sync_slop or synchronise the camera's streams"
            )
        return None

    def _resolved(self, topic: str, transport: str) -> str:
        """As image_transport names it: transports come after the remapped name."""
        return self._node.resolve_topic_name(topic) + ("" if transport == "raw" else f"/{transport}")

    def _color_T_depth(self, color_frame: str, depth_frame: str) -> np.ndarray:
        if self._transforms is None:
            self._transforms = Transforms(self._node)
        try:
            # Cameras are mounted to each other: the latest transform holds.
            return self._transforms.find(color_frame, Header(frame_id=depth_frame))
        except ValueError:
            if self._published_place is None:
                raise
            return self._published_place

    def _on_extrinsics(self, message: Any) -> None:
        try:
            self._published_place = transform_from_extrinsics(message)
        except ValueError as error:
            self._remark(f"{self._node.resolve_topic_name(EXTRINSICS_TOPIC)}: {error}; they are passed over")

    def _take_in(self, name: str, message: Image | CompressedImage) -> None:
        self.received[name] += 1
        header = message.header
        self._note_stamp(name, seconds(header.stamp))
        if header.frame_id.startswith("/"):
            self._remark(f"{name} images are of frame {header.frame_id!r}, which TF does not take: they are taken as without slash")
            header.frame_id = header.frame_id.lstrip("/")
        if name == "color" and not header.frame_id:
            header.frame_id = self._options.camera_frame
            if not header.frame_id:
                self._remark(
                    f"colour images on {self.topics['color']} name no frame, so that objects are not published in TF and poses "
                    "have no frame; set frame_id in the camera's driver, or the parameter camera_frame"
                )
        self._on_image(name, message)

    def _note_stamp(self, name: str, stamp: float) -> None:
        if stamp == self._last_stamp[name]:
            have = "have the stamp of the image before" if stamp else "have no stamps"
            self._remark(
                f"{name} images on {self.topics[name]} {have}: what moves is followed worse without times, and pairs may be wrong; let "
                "the camera's driver stamp its images"
            )
        self._last_stamp[name] = stamp

    def _remark(self, text: str) -> None:
        """A warning, once, of what there is to say."""
        if text and text not in self.remarks:
            self.remarks.add(text)
            self._node.get_logger().warning(text)

    def _on_info(self, _: object) -> None:
        self.received["camera_info"] += 1
        self._hand_on_held()

    def _wait_for_depth(self, color: Image) -> None:
        self._waiting.add(color, time.monotonic())
        if self._looking.is_canceled():
            self._looking.reset()

    def _look(self) -> None:
        for color in self._waiting.look():
            self._on_color_alone(color)
        if not self._waiting:
            self._looking.cancel()

    def _on_single(self, color: Image) -> None:
        for one in self._waiting.single(color):
            self._on_color_alone(one)

    def _on_pair(self, color: Image, depth: Image) -> None:
        before = [] if self._needs_depth else self._waiting.paired(color, time.monotonic())
        # None: the frame went on without its depth before.
        if before is not None:
            for one in before:
                self._on_color_alone(one)
            self._hand_on("synchronized", color, depth)

    def _on_color_alone(self, color: Image) -> None:
        self._hand_on("color alone", color, None)

    def _hand_on(self, kind: str, color: Image, depth: Image | None) -> None:
        infos = self.depth_infos
        # Which camera depth is of must not be guessed in the first frames.
        is_awaited = depth is not None and infos is not None and infos.is_awaited()
        if self.infos.latest is None or is_awaited:
            self._held = kind, color, depth
            return
        self._held = None
        self.received[kind] += 1
        self._compare_frames("color", color, self.infos)
        if depth is not None and infos is not None:
            self._compare_frames("depth", depth, infos)
        self._on_frame(RgbdMessages(color, depth, self.infos.latest, None if infos is None else infos.latest))

    def _hand_on_held(self) -> None:
        """A camera may take one picture and tell its calibration after it."""
        if self._held is not None:
            self._hand_on(*self._held)

    def _compare_frames(self, name: str, image: Image | CompressedImage, infos: CameraInfos) -> None:
        """Whether a CameraInfo can be that of an image, by the frames that both name."""
        if infos.frame_id and image.header.frame_id and infos.frame_id != image.header.frame_id:
            self._remark(
                f"CameraInfo on {infos.topic} is of frame {infos.frame_id!r}, {name} images on {self.topics[name]} of "
                f"{image.header.frame_id!r}: poses are off unless it is of these images; remap {infos.topic} if it is not"
            )

    def _watch(self) -> None:
        clock = self._node.get_clock()
        if clock.ros_time_is_active and not clock.now().nanoseconds:
            self._node.get_logger().warning(
                "use_sim_time is true and no time has come on /clock: play the bag with --clock, or set use_sim_time to false"
            )
        for name, topic in self.topics.items():
            self._remark(why_mixed(self._node, topic, type_name(self._kinds[name])))
        for infos in filter(None, (self.infos, self.depth_infos)):
            self._remark(infos.why_mixed())
        if self.received["depth"] == self._last_counts["depth"]:
            self.maker.forget_depth()
        missing = self.missing()
        if missing:
            self._node.get_logger().warning(missing)
        self._last_counts = dict(self.received)


def _in_brackets(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _subscribe_extrinsics(node: Node, on_message: Callable[[Any], None]) -> Subscription | None:
    """None where the messages of realsense-ros are not installed."""
    if importlib.util.find_spec(EXTRINSICS_PACKAGE) is None:
        return None
    from realsense2_camera_msgs.msg import Extrinsics

    return node.create_subscription(Extrinsics, EXTRINSICS_TOPIC, on_message, LATCHED)
