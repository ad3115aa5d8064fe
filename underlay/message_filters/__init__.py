"""Pairing of messages by their stamps: the part of ROS 2's message_filters that this repository uses.

For machines without a ROS 2 installation. Names, arguments and behaviour are those of the Python module in Jazzy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

__all__ = ["ApproximateTimeSynchronizer", "SimpleFilter", "Subscriber", "TimeSynchronizer"]


class SimpleFilter:
    """Source of messages for callbacks."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable, tuple]] = {}

    def registerCallback(self, cb: Callable, *args: Any) -> int:
        """Have ``cb(*messages, *args)`` called with every output; returns the number of the connection."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg: Any) -> None:
        """Hand messages to all callbacks, in the order of their registration."""
        for callback, args in list(self.callbacks.values()):
            callback(*msg, *args)


class Subscriber(SimpleFilter):
    """Passes on what a subscription receives.

    Arguments are the node and then those of ``Node.create_subscription`` without its callback; the default of
    ``qos_profile`` is a depth of 10. Other attributes are those of the subscription, which is in ``sub``.
    """

    def __init__(self, node: Node, msg_type: type, topic: str, **kwargs: Any) -> None:
        super().__init__()
        self.node = node
        self.topic = topic
        kwargs.setdefault("qos_profile", 10)
        self.sub = node.create_subscription(msg_type, topic, self.callback, **kwargs)

    def callback(self, msg: Any) -> None:
        self.signalMessage(msg)

    def getTopic(self) -> str:
        return self.topic

    def __getattr__(self, name: str) -> Any:
        if name == "sub":  # not there yet: the subscription could not be made
            raise AttributeError(name)
        return getattr(self.sub, name)


class TimeSynchronizer(SimpleFilter):
    """Puts out one message of every input whenever all have the same header stamp.

    Each input keeps its ``queue_size`` messages with the newest stamps; what was never matched is dropped when newer
    messages fill its queue. Callbacks run while the queues are locked, in the thread that brought the last message.
    """

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self.queue_size = queue_size
        self.lock = threading.Lock()
        self.queues: list[dict[int, Any]] = [{} for _ in fs]  # stamp in nanoseconds -> message
        self.input_connections = [
            f.registerCallback(self.add, queue, i) for i, (f, queue) in enumerate(zip(fs, self.queues))
        ]

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int) -> None:
        """Take a message of one input, and put out the combination that it completes."""
        stamp = msg.header.stamp
        now = stamp.nanoseconds if isinstance(stamp, Time) else Time.from_msg(stamp).nanoseconds
        with self.lock:
            my_queue[now] = msg
            while len(my_queue) > self.queue_size:
                del my_queue[min(my_queue)]
            if now not in my_queue:  # older than all of a full queue
                return
            stamps = self._match(now, my_queue)
            if stamps is not None:
                self.signalMessage(*(queue[t] for queue, t in zip(self.queues, stamps)))
                for queue, t in zip(self.queues, stamps):
                    del queue[t]

    def _match(self, now: int, my_queue: dict[int, Any]) -> Sequence[int] | None:
        """One stamp of every queue that go with the new message's, or None."""
        return [now] * len(self.queues) if all(now in queue for queue in self.queues) else None


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Puts out one message of every input whenever their header stamps are less than ``slop`` seconds apart.

    A message that comes is matched at once: candidates of each other input lie within the slop of it, the nearest in
    time first; the first combination whose whole spread is below the slop is put out and taken from the queues.
    """

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int, slop: float) -> None:
        super().__init__(fs, queue_size)
        self.slop = Duration(seconds=slop)

    def _match(self, now: int, my_queue: dict[int, Any]) -> Sequence[int] | None:
        slop = self.slop.nanoseconds
        candidates = [
            [now]
            if queue is my_queue
            else sorted((t for t in queue if abs(t - now) <= slop), key=lambda t: abs(t - now))
            for queue in self.queues
        ]
        return next((stamps for stamps in product(*candidates) if max(stamps) - min(stamps) < slop), None)
