"""A node that looks at a camera for a while and says what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from pose_tracker_ros.datasets.image_messages import calibration_from_info
from pose_tracker_ros.evaluation.camera_findings import CameraSeen, StreamSeen
from pose_tracker_ros.evaluation.findings import Finding, Verdict
from pose_tracker_ros.nodes.camera_infos import CameraInfos
from pose_tracker_ros.nodes.camera_subscriber import CameraSubscriber
from pose_tracker_ros.nodes.frames import RgbdMessages
from pose_tracker_ros.nodes.image_options import ImageOptions
from pose_tracker_ros.nodes.messages import seconds
from pose_tracker_ros.nodes.publishers import node_of, type_name

# Frames that are looked at more closely, and how many go by between two of them.
MOST_FRAMES, FRAME_STRIDE = 30, 8


class CameraWatch(Node):
    """Listens to a camera as the tracker does, and keeps what it saw."""

    def __init__(self, images: ImageOptions, depth: str = "used", **arguments: Any) -> None:
        """``depth``: as of :class:`CameraSubscriber`."""
        super().__init__("tracker_doctor", **arguments)
        self._frames = 0
        self._camera = CameraSubscriber(self, images, self._on_frame, depth, on_image=self._on_image)
        topics = self._camera.topics
        self._seen = CameraSeen(StreamSeen("colour", topics["color"]), StreamSeen("depth", topics.get("depth", "")))
        self._streams = {"color": self._seen.color, "depth": self._seen.depth}

    def seen(self) -> CameraSeen:
        """What came up to now, and who publishes it."""
        for name, stream in self._streams.items():
            if name in self._camera.topics:
                stream.problem = self._camera.why_silent(name)
                stream.publishers = self._offers(stream.topic)
        infos, depth_infos = self._camera.infos, self._camera.depth_infos
        if infos.latest is not None:
            self._seen.calibration = calibration_from_info(infos.latest)
        if depth_infos is not None and depth_infos.latest is not None:
            self._seen.depth_calibration = calibration_from_info(depth_infos.latest)
        watched = [(infos, self._seen.color), (depth_infos, self._seen.depth)]
        self._seen.infos = [one for infos, stream in watched if infos is not None for one in _of_publishers(infos, stream)]
        return self._seen

    def _offers(self, topic: str) -> tuple[str, ...]:
        return tuple(
            f"{node_of(one)}: {one.qos_profile.reliability.name.lower()}, "
            f"{one.qos_profile.durability.name.lower()}"
            for one in self.get_publishers_info_by_topic(topic)
        )

    def _on_image(self, name: str, message: Image | CompressedImage) -> None:
        stream = self._streams[name]
        stream.stamps.append(seconds(message.header.stamp))
        stream.arrivals.append(self.get_clock().now().nanoseconds * 1e-9)
        stream.kind, stream.frame_id = type_name(type(message)), message.header.frame_id
        stream.encoding = message.format if isinstance(message, CompressedImage) else message.encoding
        if isinstance(message, Image):
            stream.size = (message.width, message.height)

    def _on_frame(self, received: RgbdMessages) -> None:
        self._seen.pairs += received.depth is not None
        self._frames += 1
        if self._frames % FRAME_STRIDE != 1 or len(self._seen.frames) >= MOST_FRAMES:
            return
        try:
            self._seen.frames.append(self._camera.frame(received))
        except ValueError as error:
            self._seen.faults[str(error)] = self._seen.faults.get(str(error), 0) + 1


def _of_publishers(infos: CameraInfos, stream: StreamSeen) -> Iterator[Finding]:
    """What may be wrong with who publishes CameraInfo of a stream's images."""
    what = f"{stream.name} CameraInfo"
    if infos.is_awaited() and stream.stamps:
        yield Finding(what, f"none on {infos.topic}, though there is a publisher", Verdict.BAD, "images wait for it: start it, or remap the topic")
    if mixed := infos.why_mixed():
        found, _, advice = mixed.partition(": ")
        yield Finding(what, found, Verdict.BAD, advice)
    frame = infos.frame_id
    if frame and stream.frame_id and frame != stream.frame_id.lstrip("/"):
        yield Finding(what, f"of frame {frame}", Verdict.LOOK, f"remap {infos.topic} if it is not of the images of {stream.frame_id}")
