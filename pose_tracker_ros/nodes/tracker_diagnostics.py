"""What the tracker node says of itself: state, rates, the camera's errors, and where the time goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from pose_tracker_ros.nodes.camera_subscriber import CameraSubscriber
from pose_tracker_ros.nodes.object_set import FollowedObject, ObjectSet
from pose_tracker_ros.nodes.overtaken_frames import OvertakenFrames
from pose_tracker_ros.tracking import TrackResult, TrackState

KEPT_FRAMES = 300
PERIOD_S = 1.0
STAGES = {
    "pairing": "stamp to pair of colour and depth, or to colour alone",
    "waiting": "pair to worker",
    "conversion": "messages to arrays",
    "step": "of the tracker, all objects",
    "publishing": "poses, covariances, TF, states",
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


class TrackerDiagnostics:
    """Publishes ``/diagnostics`` once a second: one status of what comes in and where the time goes, and one of each object."""

    def __init__(
        self,
        node: Node,
        objects: ObjectSet,
        camera: CameraSubscriber,
        frame_counts: Callable[[], Mapping[str, int]],
        times: StageTimes,
        overtaken: OvertakenFrames,
    ) -> None:
        self._node, self._objects, self._camera = node, objects, camera
        self._frame_counts, self._times, self._overtaken = frame_counts, times, overtaken
        self._last_frames, self._last_report = 0, time.monotonic()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        now, counts = time.monotonic(), self._frame_counts()
        rate = (counts["processed"] - self._last_frames) / max(now - self._last_report, 1e-3)
        self._last_frames, self._last_report = counts["processed"], now
        missing = self._camera.missing() if rate == 0 else None
        name = self._node.get_fully_qualified_name()
        statuses = [self._of_frames(f"{name}: frames", rate, counts, missing)]
        statuses += [self._of_object(f"{name}: {one.named.name}", one, missing) for one in self._objects.all()]
        for wanted, why in dict(self._objects.failures).items():
            failed = DiagnosticStatus.ERROR, f"could not be loaded: {why}"
            statuses.append(status(f"{name}: {wanted}", wanted, failed, {"object": wanted}))
        message = DiagnosticArray(status=statuses)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _of_frames(self, name: str, rate: float, counts: Mapping[str, int], missing: str | None) -> DiagnosticStatus:
        tracker, overtaken = self._objects.tracker, self._overtaken.all()
        values = {
            "objects": ", ".join(self._objects.names),
            "network": tracker.config.network,
            "device": tracker.device,
            "frame rate (Hz)": f"{rate:.1f}",
            **{f"frames {kind}": counts[kind] for kind in ("processed", "dropped", "failed")},
            **({"last frame dropped, since": str(overtaken[-1])} if overtaken else {}),
            **{f"received {kind}": count for kind, count in self._camera.received.items()},
            **self._times.values(),
        }
        fine = DiagnosticStatus.OK, f"{rate:.1f} frames a second"
        return status(name, "camera", (DiagnosticStatus.STALE, missing) if missing else fine, values)

    def _of_object(self, name: str, one: FollowedObject, missing: str | None) -> DiagnosticStatus:
        published = one.publisher
        values = {
            "object": one.named.name,
            "state": published.state.value,
            "reason": published.reason,
            "score (probability)": f"{0.0 if published.result is None else published.result.score:.2f}",
            "first pose": one.last_start,
            **error_values(published.result),
        }
        return status(name, one.named.name, health(published.state, published.reason, missing), values)


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
