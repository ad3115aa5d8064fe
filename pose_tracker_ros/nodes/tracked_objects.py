"""What the tracker node says of its objects: their poses of recent images, and which of them are lost."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np
from rclpy.node import Node
from std_msgs.msg import String
from vision_msgs.msg import Detection3DArray

from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.object_names import ros_name
from pose_tracker_ros.nodes.object_topics import LATCHED
from pose_tracker_ros.relocalization.resting_objects import MISSING
from pose_tracker_ros.tracking.states import TrackState

# Detections of so many images wait for the poses of their camera.
MOST_IMAGES = 90
MISSING_VALUES = tuple(state.value for state in MISSING)
SEEN = TrackState.TRACKING.value


class TrackedObject(NamedTuple):
    """A pose ``camera_T_object`` (4, 4) and its ``covariance`` (6, 6) in camera axes."""

    camera_T_object: np.ndarray
    covariance: np.ndarray


class TrackedObjects:
    """Listens to ``<tracker>/detections``, and to the state of every object that was among them."""

    def __init__(self, node: Node, tracker: str) -> None:
        self._node, self._tracker = node, tracker
        self._lock = threading.Lock()
        self._images: deque[Detection3DArray] = deque(maxlen=MOST_IMAGES)
        self._states: dict[str, str] = {}
        node.create_subscription(Detection3DArray, f"{tracker}/detections", self._on_detections, 10)

    def seen(self, stamp_s: float) -> dict[str, TrackedObject]:
        """Objects that the image of a stamp shows, by their names; none where there was no such image."""
        with self._lock:
            images = [one for one in self._images if messages.seconds(one.header.stamp) == stamp_s]
            seen = {name for name, state in self._states.items() if state == SEEN}
        found = {}
        for detection in images[-1].detections if images else ():
            if detection.id in seen and detection.results:
                pose = detection.results[0].pose
                covariance = np.array(pose.covariance).reshape(6, 6)
                # A pose without a covariance is not known well enough to be remembered.
                if np.all(np.diag(covariance) > 0):
                    found[detection.id] = TrackedObject(messages.pose_from_message(pose.pose), covariance)
        return found

    def missing(self) -> list[str]:
        """Names of the objects that the tracker searches for or has lost."""
        with self._lock:
            return [name for name, state in self._states.items() if state in MISSING_VALUES]

    def _on_detections(self, message: Detection3DArray) -> None:
        new = [one.id for one in message.detections if one.id not in self._states]
        with self._lock:
            self._images.append(message)
            self._states.update(dict.fromkeys(new, ""))
        for name in new:
            topic = f"{self._tracker}/{ros_name(name)}/state"
            self._node.create_subscription(
                String, topic, lambda state, name=name: self._on_state(name, state), LATCHED
            )

    def _on_state(self, name: str, message: String) -> None:
        with self._lock:
            self._states[name] = message.data.partition(":")[0]
