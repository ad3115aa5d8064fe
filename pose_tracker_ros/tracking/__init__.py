"""From a frame and what is known of an object to what is known of it then."""

from typing import TYPE_CHECKING, Any

from pose_tracker_ros.tracking.config import TrackerConfig

if TYPE_CHECKING:
    from pose_tracker_ros.tracking.states import TrackResult, TrackState
    from pose_tracker_ros.tracking.tracker import Tracker

__all__ = ["TrackResult", "TrackState", "Tracker", "TrackerConfig"]


def __getattr__(name: str) -> Any:
    """What is made of kernels, imported when it is asked for: options must be known without compiling them."""
    if name in ("TrackResult", "TrackState"):
        from pose_tracker_ros.tracking import states

        return getattr(states, name)
    if name == "Tracker":
        from pose_tracker_ros.tracking.tracker import Tracker

        return Tracker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
