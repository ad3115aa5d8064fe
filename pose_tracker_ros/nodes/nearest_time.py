"""Pairs of colour and depth whose stamps are nearest to each other, put out as soon as no better pair can come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import message_filters
from rclpy.time import Time

from pose_tracker_ros.nodes.stamp_stream import JITTER, StampStream

COLOR, DEPTH = 0, 1
NANOSECONDS = 1_000_000_000
# Rates that differ by less are one.
FASTER = 0.75


class NearestTimeSynchronizer(message_filters.ApproximateTimeSynchronizer):
    """Puts out every colour image with the depth image nearest to it in time, and each depth image once.

    Unlike the approximate synchroniser it does not take the first that is near enough: where a stream's rate says that a
    nearer one is about to come, or a colour image to which the depth belongs rather, it waits for that. Equal stamps never wait.
    """

    def __init__(
        self,
        fs: Sequence[message_filters.SimpleFilter],
        queue_size: int,
        slop: float,
        on_single: Callable[[Any], None] | None = None,
    ) -> None:
        """``fs``: colour and depth; ``slop``: largest difference of a pair, seconds; ``on_single``: gets colour images that are
        between those of depth, where there are more of them, as soon as that is known."""
        self._streams = (StampStream(), StampStream())
        self._slop_ns = int(slop * NANOSECONDS)
        self._on_single = on_single
        super().__init__(fs, queue_size, slop)

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Take a message of one input, and put out what is certain."""
        stamp = Time.from_msg(msg.header.stamp).nanoseconds
        with self.lock:
            stream = COLOR if my_queue is self.queues[COLOR] else DEPTH
            if self._streams[stream].jumps_back(stamp):
                self._streams = (StampStream(), StampStream())
                for queue in self.queues:
                    queue.clear()
            self._streams[stream].add(stamp)
            my_queue[stamp] = msg
            while len(my_queue) > self.queue_size:
                del my_queue[min(my_queue)]
            self._put_out_certain()

    def _put_out_certain(self) -> None:
        for color in sorted(self.queues[COLOR]):
            partner = self._partner(color)
            if partner is not None:
                self.signalMessage(self.queues[COLOR].pop(color), self.queues[DEPTH].pop(partner))
            elif self._on_single is not None and self._is_single(color):
                self._on_single(self.queues[COLOR].pop(color))

    def _partner(self, color: int) -> int | None:
        """The depth of a colour image, None where there is none that is certain."""
        depth = self._nearest_depth(color)
        if depth is None or depth == color:
            return depth
        nearer = (color - abs(depth - color), color + abs(depth - color))
        rivals = (depth - abs(depth - color), depth + abs(depth - color))
        better = self._streams[DEPTH].may_bring(*nearer) or self._streams[COLOR].may_bring(*rivals)
        return None if better else depth

    def _nearest_depth(self, color: int) -> int | None:
        """The nearest depth that is here and not nearer to another colour image that is here."""
        near = sorted((abs(depth - color), depth) for depth in self.queues[DEPTH] if abs(depth - color) <= self._slop_ns)
        return next((depth for _, depth in near if not self._has_nearer_color(color, depth)), None)

    def _is_single(self, color: int) -> bool:
        """Whether colour is faster than depth, and what depth can come is nearer to others."""
        periods = [stream.period for stream in self._streams]
        if None in periods or periods[COLOR] > FASTER * periods[DEPTH]:
            return False
        depth = self._nearest_depth(color)
        if depth is not None and not self._will_have_nearer_color(color, depth):
            return False
        low, high = color - self._slop_ns, color + self._slop_ns
        coming = self._streams[DEPTH].expected(low, high, JITTER)
        return coming is not None and all(self._will_have_nearer_color(color, stamp) for stamp in coming)

    def _will_have_nearer_color(self, color: int, depth: float) -> bool:
        apart = abs(depth - color)
        coming = self._streams[COLOR].expected(depth - apart, depth + apart, -JITTER)
        return self._has_nearer_color(color, depth) or bool(coming)

    def _has_nearer_color(self, color: int, depth: float) -> bool:
        return any(abs(depth - other) < abs(depth - color) for other in self.queues[COLOR])
