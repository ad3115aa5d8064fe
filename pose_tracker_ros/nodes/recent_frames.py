"""Taking over a pose that is already some frames old: the frames since then, and which of them to follow."""

from __future__ import annotations

from collections import deque

from pose_tracker_ros.frame import Frame

# Stamps of one frame may have gone through different roundings.
SAME_STAMP_S = 0.05


class FrameBuffer:
    """Frames of the last ``seconds``, thinned out so that they are at most ``most``; the newest is always there."""

    def __init__(self, seconds: float, most: int = 60) -> None:
        self._seconds = seconds
        self._spacing = seconds / most
        self._frames: deque[Frame] = deque()

    def __len__(self) -> int:
        """Number of frames held."""
        return len(self._frames)

    def add(self, frame: Frame) -> None:
        """Keep a frame and forget what has become too old; a frame older than the last starts the buffer anew."""
        if self._frames and frame.stamp < self._frames[-1].stamp:
            self._frames.clear()
        if len(self._frames) > 1 and self._frames[-1].stamp - self._frames[-2].stamp < self._spacing:
            self._frames.pop()
        self._frames.append(frame)
        while frame.stamp - self._frames[0].stamp > self._seconds:
            self._frames.popleft()

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()

    def since(self, stamp: float, most: int) -> list[Frame] | None:
        """The frame of a stamp (seconds) and those after it, thinned out evenly to ``most``, the newest included.

        Where that frame was thinned out the next one stands for it. None when it is too old, or never came.
        """
        frames = [frame for frame in self._frames if frame.stamp > stamp - SAME_STAMP_S]
        if not frames or frames[0].stamp - stamp > max(SAME_STAMP_S, self._spacing) or most < 1:
            return None
        if len(frames) <= most:
            return frames
        if most == 1:
            return frames[-1:]
        return [frames[round(index * (len(frames) - 1) / (most - 1))] for index in range(most)]
