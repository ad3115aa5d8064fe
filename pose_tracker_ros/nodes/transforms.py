"""TF as this package uses it: where frames are at the stamps of messages."""

from __future__ import annotations

import time

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from std_msgs.msg import Header
from tf2_ros import Buffer, ExtrapolationException, TransformException, TransformListener

from pose_tracker_ros.nodes import messages

LATEST = Time()
POLL_S = 0.004


class Transforms:
    """Listens to TF; a jump back of the node's clock empties what it knows."""

    def __init__(self, node: Node) -> None:
        self._buffer = Buffer(node=node)
        self._listener = TransformListener(self._buffer, node)

    def find(self, target: str, source: Header, wait_s: float = 0.0) -> np.ndarray:
        """``target_T_source`` (4, 4) of a header's frame at its stamp, the latest for a stamp of zero.

        Waits for what has not come yet, by a clock that never stands still. Raises ValueError, in one sentence, when TF does
        not know it.
        """
        deadline = time.monotonic() + wait_s
        while True:
            try:
                return messages.transform_matrix(self._buffer.lookup_transform(target, source.frame_id, source.stamp))
            except TransformException as error:
                if time.monotonic() >= deadline:
                    raise ValueError(_reason(target, source, error)) from error
            time.sleep(POLL_S)

    def can_find(self, target: str, source: Header, wait_s: float = 0.0) -> bool:
        """Whether :meth:`find` would."""
        try:
            self.find(target, source, wait_s)
        except ValueError:
            return False
        return True


def _reason(target: str, source: Header, error: TransformException) -> str:
    at = f" at {messages.seconds(source.stamp):.3f} s" if isinstance(error, ExtrapolationException) else ""
    return f"no transform from {source.frame_id!r} to {target!r}{at} ({error})"
