"""Sources of RGB-D frames; every one yields the same :class:`Frame`."""

from pose_tracker_ros.datasets.frame import Frame

__all__ = ["Frame"]
