"""Perfect frames of several objects before a wall, and who plays camera, world and user of a tracker node that follows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from live_nodes import LATCHED, depth_message, wait_until
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformBroadcaster, TransformListener
from tracking_scenes import CAMERA, WALL_M
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracker_ros.datasets import Frame
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.detections import detection
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raycast import RaycastRenderer

OPTICAL_FRAME = "camera_color_optical_frame"


def place(x: float, y: float, turn: Sequence[float] = (1.9, 0.3, -0.2), z: float = 0.6) -> np.ndarray:
    """A pose (4, 4) before the camera."""
    return make_pose(so3_exp(np.array(turn)), np.array([x, y, z]))


def frame_of_all(models: Mapping[str, ObjectModel], poses: Mapping[str, np.ndarray], stamp: float = 0.0) -> Frame:
    """Objects at their poses (4, 4), what is nearer before what is farther, with their masks."""
    color = np.full((CAMERA.height, CAMERA.width, 3), 90, np.uint8)
    depth = np.full((CAMERA.height, CAMERA.width), WALL_M, np.float32)
    masks = {}
    for name, pose in poses.items():
        rendering = RaycastRenderer(models[name].mesh).render(CAMERA, pose)
        nearer = rendering.mask & (rendering.depth < depth)
        color[nearer], depth[nearer] = rendering.color[nearer], rendering.depth[nearer]
        masks = {other: mask & ~nearer for other, mask in masks.items()} | {name: nearer}
    return Frame(color, depth, CAMERA, stamp, truth=dict(poses), masks=masks)


class Partner(Node):
    """Camera, world and user of a tracker in a namespace; what it publishes is kept by topic."""

    def __init__(self, namespace: str = "", tracker: str = "tracker", **options: Any) -> None:
        super().__init__("partner", **options)
        self.prefix = f"{namespace}/{tracker}"
        self.color = self.create_publisher(Image, f"{self.prefix}/color/image", 5)
        self.depth = self.create_publisher(Image, f"{self.prefix}/depth/image", 5)
        self.info = self.create_publisher(CameraInfo, f"{self.prefix}/color/camera_info", 5)
        self.first_pose = self.create_publisher(PoseStamped, f"{self.prefix}/initial_pose", 1)
        self.first_poses = self.create_publisher(Detection3DArray, f"{self.prefix}/initial_poses", 10)
        self.broadcaster = TransformBroadcaster(self)
        self.buffer = Buffer()
        self.listener = TransformListener(self.buffer, self)
        self.received: dict[str, list] = defaultdict(list)
        self.hear(Detection3DArray, f"{self.prefix}/detections")
        self.hear(TFMessage, "/tf")
        self._set_parameters = self.create_client(SetParameters, f"{self.prefix}/set_parameters")

    def hear(self, kind: type, topic: str) -> None:
        """Keep the messages of a topic."""
        quality = LATCHED if kind in (String, Marker, MarkerArray) else 10
        self.create_subscription(kind, topic, self.received[topic].append, quality)

    def is_connected(self) -> bool:
        """Whether the tracker listens to all that comes from here."""
        published = (self.color, self.depth, self.info, self.first_pose, self.first_poses)
        return all(one.get_subscription_count() for one in published)

    def send(self, frame: Frame, header: Header | None = None) -> Header:
        """A frame as a camera publishes it, at the present unless a header says otherwise."""
        header = header or self.header()
        self.info.publish(messages.info_message(frame.camera, header))
        self.depth.publish(depth_message(frame.depth, header))
        self.color.publish(messages.image_message(frame.color, "rgb8", header))
        return header

    def header(self, ago_s: float = 0.0) -> Header:
        """Of an image of so long ago."""
        stamp = Time(nanoseconds=self.get_clock().now().nanoseconds - round(ago_s * 1e9))
        return Header(stamp=stamp.to_msg(), frame_id=OPTICAL_FRAME)

    def start(self, models: Mapping[str, ObjectModel], poses: Mapping[str, np.ndarray], header: Header | None = None) -> None:
        """Tell first poses (4, 4), by name."""
        header = header or Header(frame_id=OPTICAL_FRAME)
        detections = [detection(name, models[name], pose, header, 1.0) for name, pose in poses.items()]
        self.first_poses.publish(Detection3DArray(header=header, detections=detections))

    def answers(self, frame: Frame, topics: Sequence[str], seconds: float = 1.0) -> Header | None:
        """The frame's header when each of the topics got something that carries it, None where that does not happen."""
        header = self.send(frame)
        stamps = [lambda one=one: [message.header.stamp for message in self.received[one][-3:]] for one in topics]
        return header if wait_until(lambda: all(header.stamp in of_topic() for of_topic in stamps), seconds) else None

    def set(self, name: str, value: object) -> Any:
        """Set a parameter of the tracker; the answer."""
        assert self._set_parameters.wait_for_service(10)
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        answer = self._set_parameters.call_async(request)
        assert wait_until(answer.done)
        return answer.result().results[0]

    def call(self, service: str) -> Any:
        """Call a service without arguments; the answer."""
        client = self.create_client(Trigger, f"{self.prefix}/{service}")
        assert client.wait_for_service(10)
        answer = client.call_async(Trigger.Request())
        assert wait_until(answer.done)
        return answer.result()

    def state(self, topic: str) -> str:
        """The newest state and reason on a topic."""
        return self.received[topic][-1].data if self.received[topic] else ""
