"""From a frame and the last pose to the new pose, and whether to believe it."""

from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.tracker import Tracker, TrackResult, TrackState

__all__ = ["TrackResult", "TrackState", "Tracker", "TrackerConfig"]
