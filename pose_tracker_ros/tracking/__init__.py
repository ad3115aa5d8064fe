"""From a frame and what is known of an object to what is known of it then."""

from pose_tracker_ros.tracking.config import TrackerConfig
from pose_tracker_ros.tracking.states import TrackResult, TrackState
from pose_tracker_ros.tracking.tracker import Tracker

__all__ = ["TrackResult", "TrackState", "Tracker", "TrackerConfig"]
