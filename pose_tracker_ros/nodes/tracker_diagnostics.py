"""What the tracker node says of itself: state, rates, the camera's errors, and where the time goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from pose_tracker_ros.tracking import TrackResult, TrackState

KEPT_FRAMES = 300
STAGES = {
    "pairing": "stamp to pair of colour and depth, or to colour alone",
    "waiting": "pair to worker",
    "conversion": "messages to arrays",
    "step": "of the tracker",
    "publishing": "pose, covariance, TF, state",
    "image to pose": "stamp to published",
}


class StageTimes:
    """How long the last frames spent in each of ``STAGES``; one thread adds, others may read."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {stage: deque(maxlen=KEPT_FRAMES) for stage in STAGES}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Of one frame, by stage."""
        for stage, value in seconds.items():
            self._seconds[stage].append(value)

    def summary_ms(self) -> dict[str, tuple[float, float]]:
        """Median and 95 % of each stage that any frame went through."""
        taken = {stage: list(values) for stage, values in self._seconds.items()}
        return {stage: tuple(np.percentile(values, [50, 95]) * 1e3) for stage, values in taken.items() if values}

    def values(self) -> dict[str, str]:
        """For diagnostics."""
        return {
            f"{stage} ({STAGES[stage]}), median / 95 % in ms": f"{median:.2f} / {high:.2f}"
            for stage, (median, high) in self.summary_ms().items()
        }


def health(state: TrackState, reason: str, missing: str | None) -> tuple[bytes, str]:
    """Level and message of a status; ``missing``: what has not arrived, if nothing comes."""
    if missing:
        return DiagnosticStatus.STALE, missing
    level = {TrackState.TRACKING: DiagnosticStatus.OK, TrackState.LOST: DiagnosticStatus.ERROR}
    return level.get(state, DiagnosticStatus.WARN), f"{state.value}: {reason}"


def error_values(result: TrackResult | None) -> dict[str, str]:
    """What the image says of the camera: shift of colour against depth, offset of the outline, bias of depth."""
    if result is None:
        return {}
    shift_x, shift_y, offset, bias_m = result.errors.mean
    return {
        "colour shift x (px)": f"{shift_x:.2f}",
        "colour shift y (px)": f"{shift_y:.2f}",
        "outline offset (px)": f"{offset:.2f}",
        "depth bias (mm)": f"{bias_m * 1e3:.2f}",
    }


def status(name: str, hardware: str, level_and_message: tuple[bytes, str], values: Mapping[str, object]) -> DiagnosticStatus:
    """The message of all that."""
    level, message = level_and_message
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(name=name, hardware_id=hardware, level=level, message=message, values=pairs)
