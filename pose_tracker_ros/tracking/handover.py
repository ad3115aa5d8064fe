"""Taking over a pose that is already some frames old: the frames since then, and which of them to follow."""

from __future__ import annotations

from collections import deque

from pose_tracker_ros.frame import Frame

# The pose belongs to a frame if their stamps differ by less.
SAME_STAMP_S = 0.05


class FrameBuffer:
    """The last frames of a camera, no older than ``seconds`` before the newest and at most ``most`` of them."""

    def __init__(self, seconds: float, most: int = 60) -> None:
        self._seconds = seconds
        self._frames: deque[Frame] = deque(maxlen=most)

    def __len__(self) -> int:
        """Number of frames held."""
        return len(self._frames)

    def add(self, frame: Frame) -> None:
        """Keep a frame and forget what has become too old; a frame older than the last starts the buffer anew."""
        if self._frames and frame.stamp < self._frames[-1].stamp:
            self._frames.clear()
        self._frames.append(frame)
        while frame.stamp - self._frames[0].stamp > self._seconds:
            self._frames.popleft()

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()

    def since(self, stamp: float, most: int) -> list[Frame] | None:
        """The frame of a stamp (seconds) and those after it, thinned out evenly to ``most``, the newest included.

        None when the frame of that stamp is not held any more, or never was.
        """
        frames = [frame for frame in self._frames if frame.stamp > stamp - SAME_STAMP_S]
        if not frames or abs(frames[0].stamp - stamp) > SAME_STAMP_S or most < 1:
            return None
        if len(frames) <= most:
            return frames
        if most == 1:
            return frames[-1:]
        return [frames[round(index * (len(frames) - 1) / (most - 1))] for index in range(most)]
